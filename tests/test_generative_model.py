"""The machinery below the models, where a model's own tests would not see it."""

import gc
import logging
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo import steps
from keras_genzoo.checks import stateless_seed


def test_minimize_follows_the_gradient_of_the_mean_under_any_loss_scale():
    vae = gz.VAE((4, 4, 1), 2)
    weights = keras.Variable(np.array([1.0, -2.0], "float32"))
    data = tf.constant([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])
    for optimizer in (keras.optimizers.SGD(1.0), keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0))):
        weights.assign([1.0, -2.0])
        optimizer.build([weights])
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(data * weights.value, axis=-1) ** 2  # (3,)
        vae.minimize(loss, tape, optimizer, [weights])
        x = data.numpy()
        expected = np.array([1.0, -2.0]) - (2 * (x @ [1.0, -2.0])[:, None] * x).mean(axis=0)
        np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-5)


def test_minimize_on_two_devices_follows_the_gradient_of_the_mean_over_all_examples(two_devices):
    """Also where they have unequally many: one example and three."""
    with two_devices.scope():
        vae = gz.VAE((4, 4, 1), 2)
        weights = keras.Variable(np.array([1.0, -2.0], "float32"))
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build([weights])
    x = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5], [-2.0, 0.1]], "float32")
    parts = two_devices.experimental_distribute_values_from_function(
        lambda context: tf.constant([x[:1], x[1:]][context.replica_id_in_sync_group])
    )

    def step(data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(data * weights.value, axis=-1) ** 2
        vae.minimize(loss, tape, optimizer, [weights])

    two_devices.run(step, (parts,))
    gradient = (2 * (x @ [1.0, -2.0])[:, None] * x).mean(axis=0)
    np.testing.assert_allclose(weights.numpy() - [1.0, -2.0], -gradient, rtol=1e-5)


def test_metrics_are_means_over_examples_whatever_the_batches():
    vae = gz.VAE((4, 4, 1), 2)
    for values in ([1.0, 2.0, 6.0], [5.0]):
        result = vae.track(kl=tf.constant(values))
    assert float(result["kl"]) == 14 / 4


def test_labels_not_given_are_those_of_the_seed():
    seen = []
    vae = gz.VAE((4, 4, 1), 2, num_classes=10)
    vae.in_batches = lambda function, batch_size, noise, labels: seen.append(labels.numpy())
    for seed in (0, 0, 1, None, None):
        vae.sample(50, seed=seed)
    np.testing.assert_array_equal(seen[0], seen[1])
    assert all((seen[i] != seen[i + 1]).any() for i in (1, 2, 3))


def compiled_by_xla(model, images):
    """How many functions of a train step XLA must compile."""
    graph = tf.function(model.train_step).get_concrete_function(tf.constant(images)).graph.as_graph_def()
    return sum("_XlaMustCompile" in function.attr for function in graph.library.function)


def test_updates_of_large_models_are_compiled_once_for_each_optimizer(monkeypatch):
    monkeypatch.setattr(steps, "_COMPILED_FROM", 1000)
    traced = []
    apply = keras.optimizers.Adam.apply
    monkeypatch.setattr(
        keras.optimizers.Adam, "apply", lambda self, *given: traced.append(id(self)) or apply(self, *given)
    )
    gan = gz.GAN((4, 4, 1), 2, discriminator_steps=3)
    images = np.ones((8, 4, 4, 1), "float32")
    gan.compile()
    gan.fit(images, batch_size=4, verbose=0)
    before = gan.get_weights()
    gan.fit(tf.data.Dataset.from_tensors(images), verbose=0)  # data of another spec: the train step is traced anew
    gan.make_train_function(force=True)
    gan.fit(images, batch_size=2, verbose=0)
    assert sorted(traced) == sorted({id(gan.generator_optimizer), id(gan.discriminator_optimizer)})
    assert all(np.abs(new - old).max() > 0 for new, old in zip(gan.get_weights(), before, strict=True))
    assert compiled_by_xla(gan, images) == 2


def test_what_xla_compiles(monkeypatch):
    images = np.ones((8, 4, 4, 1), "float32")
    vae = gz.VAE((4, 4, 1), 2)
    vae.compile()
    assert compiled_by_xla(vae, images) == 0  # too small to gain
    monkeypatch.setattr(steps, "_COMPILED_FROM", 1000)
    assert compiled_by_xla(vae, images) == 1
    vae.compile(jit_compile=False)
    assert compiled_by_xla(vae, images) == 0
    gan = gz.GAN((4, 4, 1), 2)
    gan.compile(jit_compile=False)
    assert compiled_by_xla(gan, images) == 0


def test_jit_compile_is_saved(tmp_path):
    for model in (gz.VAE((4, 4, 1), 2), gz.GAN((4, 4, 1), 2)):
        for jit_compile in ("auto", False):  # on a CPU Keras makes False of both
            model.compile(jit_compile=jit_compile)
            model.save(tmp_path / "model.keras")
            assert keras.models.load_model(tmp_path / "model.keras").allows_xla is (jit_compile == "auto")


def test_what_is_made_for_a_model_goes_with_it(monkeypatch):
    monkeypatch.setattr(steps, "_COMPILED_FROM", 1000)
    vae, pixelcnn = gz.VAE((4, 4, 1), 2), gz.PixelCNN((4, 4, 1), num_filters=2, num_residual_blocks=1)
    vae.compile()
    vae.fit(np.ones((8, 4, 4, 1), "float32"), verbose=0)
    pixelcnn.sample(2)
    references = [weakref.ref(vae), weakref.ref(pixelcnn)]
    del vae, pixelcnn
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_a_compiled_update_is_the_plain_one(monkeypatch):
    images = np.random.default_rng(0).uniform(size=(16, 4, 4, 1)).astype("float32")

    def weights(compiled_from):
        monkeypatch.setattr(steps, "_COMPILED_FROM", compiled_from)
        keras.utils.set_random_seed(1)
        vae = gz.VAE((4, 4, 1), 2, prior="vamp", num_prior_components=3)  # its pseudo-images have a constraint
        vae.compile(keras.optimizers.AdamW(1e-2, clipnorm=1.0))
        vae.fit(images, batch_size=8, epochs=2, verbose=0)
        return vae.get_weights()

    for plain, compiled in zip(weights(10**9), weights(0), strict=True):
        np.testing.assert_allclose(plain, compiled, atol=2e-5)


def test_replicas_draw_the_rows_of_one_device(two_devices):
    vae = gz.VAE((4, 4, 1), 2)
    normal = lambda n, seed: tf.random.stateless_normal((n, 3), seed)  # noqa: E731
    state = vae.seed_generator.state.numpy()
    one = vae.draw(normal, 8)
    with two_devices.scope():
        mirrored = gz.VAE((4, 4, 1), 2)
    mirrored.seed_generator.state.assign(state)
    rows = two_devices.run(tf.function(lambda: mirrored.draw(normal, 4)))
    np.testing.assert_array_equal(tf.concat(two_devices.experimental_local_results(rows), axis=0), one)


def test_random_state_moves_on_and_is_saved(tmp_path):
    vae, copy = gz.VAE((4, 4, 1), 2), gz.VAE((4, 4, 1), 2)
    vae.sample(2)
    vae.save_weights(tmp_path / "a.weights.h5")
    copy.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(vae.sample(2), copy.sample(2))


def test_random_state_of_layers_in_own_networks_is_saved(tmp_path):
    def build():
        layers = [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(4)]
        return gz.VAE((4, 4, 1), 2, encoder=keras.Sequential(layers))

    vae, copy = build(), build()
    vae.compile()
    vae.fit(np.ones((8, 4, 4, 1), "float32"), verbose=0)
    vae.save_weights(tmp_path / "a.weights.h5")
    copy.load_weights(tmp_path / "a.weights.h5")
    for a, b in zip(vae.variables, copy.variables, strict=False):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_integer_seeds():
    assert stateless_seed(np.int64(5)).numpy().tolist() == [5, 0]
    for bad in (2**31, -(2**31) - 1, 1.5, "1"):
        with pytest.raises(ValueError, match="`seed`"):
            stateless_seed(bad)


def test_predict_reconstructs_any_form_of_data():
    vae = gz.VAE((4, 4, 1), 2)
    images = np.random.default_rng(0).uniform(size=(6, 4, 4, 1)).astype("float32")
    expected = vae.reconstruct(images)
    dataset = tf.data.Dataset.from_tensor_slices({"image": images, "label": np.zeros(6, int)}).batch(4)
    for data in (images, dataset):
        np.testing.assert_allclose(vae.predict(data, verbose=0), expected, atol=1e-6)


def test_using_many_models_warns_of_no_retracing_of_ours(caplog, monkeypatch):
    """TensorFlow warns when the fifth model is used for the first time, unless each has functions of its own."""
    monkeypatch.setattr(logging.getLogger("tensorflow"), "propagate", True)
    images = np.ones((5, 2, 2, 1), "float32")
    for _ in range(6):
        vae = gz.VAE((2, 2, 1), 2)
        vae.sample(2)
        vae.encode(images)
    for name in gz._MODELS:
        for part in getattr(gz, name).__mro__:
            assert not [
                key for key, x in vars(part).items() if isinstance(x, tf.types.experimental.PolymorphicFunction)
            ]
    assert not [record for record in caplog.records if "retracing" in record.getMessage()]


def test_predict_on_batch_takes_what_predict_takes():
    images, labels = np.random.default_rng(0).uniform(size=(3, 4, 4, 1)).astype("float32"), np.arange(3)
    vae = gz.VAE((4, 4, 1), 2, num_classes=3)
    vae.compile()
    expected = vae.predict((images, labels), verbose=0)
    np.testing.assert_allclose(vae.predict_on_batch((images, labels)), expected, atol=1e-6)
    plain = gz.VAE((4, 4, 1), 2)
    plain.compile()
    np.testing.assert_allclose(plain.predict_on_batch(images), plain.predict(images, verbose=0), atol=1e-6)

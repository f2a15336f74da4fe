"""The machinery below the models, where a model's own tests would not see it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.inputs import stateless_seed


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

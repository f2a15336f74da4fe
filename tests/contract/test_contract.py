"""The zoo contract: the same checks over every model. A model that passes is in the zoo."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.autoregressive.causal import CausalConv2D
from keras_genzoo.networks import nested_layers
from tests.contract.conftest import IMAGE_SHAPE, NUM_CLASSES, labels_for


def assert_same_weights(a, b, atol=0.0):
    assert [v.name for v in a.variables] == [v.name for v in b.variables]
    for x, y in zip(a.variables, b.variables, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), atol=atol, rtol=0, err_msg=x.path)


def optimizer_values(model):
    optimizers = [value for value in vars(model).values() if isinstance(value, keras.optimizers.Optimizer)]
    assert optimizers
    return [variable.numpy() for optimizer in optimizers for variable in optimizer.variables]


def assert_same_state(a, b):
    assert_same_weights(a, b)
    for x, y in zip(optimizer_values(a), optimizer_values(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_builds_from_image_shape_alone(variant):
    model = getattr(gz, variant.split()[0])(image_shape=(12, 10, 3))
    assert model.built and model.count_params() > 0


def test_init_arguments_are_documented_and_in_the_config(model):
    arguments = set(inspect.signature(type(model).__init__).parameters) - {"self", "kwargs"}
    assert arguments <= set(model.get_config())
    assert all(f"{name}:" in inspect.getdoc(type(model)) for name in arguments)


def test_fit_trains_and_evaluate_agrees(model, dataset):
    """In epochs: `test_each_player_lowers_its_own_loss` tells which way."""
    model.compile()
    before = model.evaluate(dataset, verbose=0, return_dict=True)
    assert set(before) == set(model.metric_names)
    history = model.fit(dataset, epochs=2, validation_data=dataset, verbose=0).history
    model.seed_generator.state.assign((1, 0))
    after = model.evaluate(dataset, verbose=0, return_dict=True)
    assert after != before
    assert all(np.isfinite(values).all() for values in history.values())
    assert set(history) == {prefix + name for name in model.metric_names for prefix in ("", "val_")}


def optimizer_names(model):
    """The arguments of `compile` that are optimisers, one a player."""
    return [name for name in inspect.signature(type(model).compile).parameters if name.endswith("optimizer")]


def compile_with_sgd(model, learning_rate=0.1, only=None):
    """SGD, since Adam's normalisation turns rounding errors of vanishing gradients into whole steps."""
    rates = {name: learning_rate if only in (None, name) else 0.0 for name in optimizer_names(model)}
    model.compile(**{name: keras.optimizers.SGD(rate) for name, rate in rates.items()})


def player_losses(model, batch):
    """What each player minimises on a batch, by optimiser, from the parts that a train step is made of."""
    if optimizer_names(model) == ["optimizer"]:
        model.reset_metrics()
        return {"optimizer": float(model.test_step(batch)["loss"])}
    real, labels = model.unpack(batch)
    with keras.StatelessScope():  # moving averages stay as they are
        fake = model.generated(model.draw_latents(len(real)), labels, training=True)
        real_scores, fake_scores = (model.scores(images, labels, training=True) for images in (real, fake))
        discriminator_loss = model.game.discriminator_loss(real_scores, fake_scores)
        if model.regularizer:
            alpha = model.draw(lambda n, seed: tf.random.stateless_uniform((n,), seed), len(real))
            discriminator_loss += model.regularizer.penalty(
                lambda images: model.scores(images, labels, training=True), real, fake, alpha
            )
    return {
        "generator_optimizer": float(tf.reduce_mean(model.game.generator_loss(fake_scores))),
        "discriminator_optimizer": float(tf.reduce_mean(discriminator_loss)),
    }


def test_each_player_lowers_its_own_loss(build, digits):
    """In one step, against the same step at rest: the same batch and noise, and the other player rests in both."""

    def loss_after_a_step(name, learning_rate):
        keras.utils.set_random_seed(1)
        model = build()
        repeat_draws(model, len(digits[0]))
        compile_with_sgd(model, learning_rate, only=name)
        model.train_step(digits)
        return player_losses(model, digits)[name]

    for name in optimizer_names(build()):
        at_rest = loss_after_a_step(name, 0.0)
        assert loss_after_a_step(name, 1e-3) < at_rest - 1e-6 * abs(at_rest), name


def test_the_condition_reaches_the_sample_and_every_network(build, digits):
    model = build()
    if not model.is_conditional:
        pytest.skip("no condition")
    threes, fives = (model.sample(8, [label] * 8, seed=0).numpy() for label in (3, 5))
    assert np.abs(threes - fives).max() > 1e-4

    rng = np.random.default_rng(0)
    for network in model.layers:
        if isinstance(network, keras.Model):
            assert any(x.dtype == "int32" for x in network.inputs), network.name
            given = [rng.uniform(size=(8, *x.shape[1:])) for x in network.inputs if x.dtype != "int32"]
            threes, fives = (network([*given, np.full(8, label)], training=False) for label in (3, 5))
            assert np.abs(threes - fives).max() > 1e-4, network.name

    def update(shift):
        keras.utils.set_random_seed(1)
        images, labels = digits
        moved = build()
        compile_with_sgd(moved)
        before = moved.get_weights()
        moved.train_step((images, (labels + shift) % NUM_CLASSES))
        return [new - old for new, old in zip(moved.get_weights(), before, strict=True)]

    differences = [np.abs(a - b).max() for a, b in zip(update(0), update(1), strict=True)]
    for weight, difference in zip(model.weights, differences, strict=True):
        if "embedding" in weight.path or "directions" in weight.path or "label" in weight.path:
            assert difference > 0, weight.path  # the gradient goes to the rows of other classes


def test_fit_traces_its_step_once(model, dataset, monkeypatch):
    traces = []
    original = model.train_step
    monkeypatch.setattr(type(model), "train_step", lambda self, data: traces.append(1) or original(data))
    model.compile()
    model.fit(dataset, epochs=3, verbose=0)
    assert len(traces) == 1


def repeat_draws(model, num_rows):
    """Every draw of the model becomes one and the same, also under XLA, which draws other numbers from a seed."""

    def draw(sampler, _):
        with tf.init_scope():
            return sampler(num_rows, tf.constant([0, 1]))

    model.draw = draw


def test_a_step_under_xla_is_the_plain_one(build, digits):
    """Keras compiles train steps with XLA where there is a GPU."""

    def train(jit_compile):
        keras.utils.set_random_seed(1)
        model = build()
        repeat_draws(model, len(digits[0]))
        compile_with_sgd(model, 1e-3)
        step = tf.function(model.train_step, jit_compile=True) if jit_compile else model.train_step
        return {name: float(value) for name, value in step(digits).items()}, model

    (plain, model), (compiled, compiled_model) = train(False), train(True)
    assert compiled == pytest.approx(plain, rel=1e-4, abs=1e-5)
    assert_same_weights(model, compiled_model, atol=1e-5)


def test_a_keras_loss_is_refused(model):
    with pytest.raises(ValueError, match=r"`loss` (is not an argument|must be one of 'minimax')"):
        model.compile(loss="mse")
    with pytest.raises(ValueError, match="`metrics` is not an argument"):
        model.compile(metrics=["mse"])


def test_takes_every_form_of_data(model, digits):
    images, labels = digits
    floats = tf.cast(images, tf.float32) / 255
    model.compile()
    model.fit(images.numpy(), labels.numpy(), batch_size=32, verbose=0)
    model.fit(floats, labels, batch_size=32, verbose=0)
    for batch in ((images, labels), {"image": images, "label": labels}, (floats, labels)):
        model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)
    if model.num_classes is None:
        model.fit(tf.data.Dataset.from_tensors(images), validation_data=(images, labels), verbose=0)


def test_samples(model):
    labels = labels_for(model, 7)
    images = model.sample(7, labels=labels, seed=3).numpy()
    assert images.shape == (7, *IMAGE_SHAPE) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1
    np.testing.assert_array_equal(images, model.sample(7, labels=labels, seed=3))
    np.testing.assert_allclose(images, model.sample(7, labels=labels, seed=3, batch_size=2), atol=1e-6)
    assert np.abs(images - model.sample(7, labels=labels, seed=4)).max() > 1e-4
    assert np.abs(model.sample(7, labels=labels) - model.sample(7, labels=labels)).max() > 1e-4


def test_samples_without_labels_are_of_any_class(model):
    if model.num_classes is None:
        pytest.skip("no classes")
    seen = []
    model._in_batches = lambda function, batch_size, noise, labels: seen.append(labels.numpy())
    for batch_size in (None, 100):
        model.sample(1000, seed=0, batch_size=batch_size)
    np.testing.assert_array_equal(seen[0], np.concatenate(seen[1:]))
    assert np.bincount(seen[0], minlength=NUM_CLASSES).min() > 50


def test_config_round_trip(model):
    config = json.loads(json.dumps(model.get_config()))
    copy = type(model).from_config(config)
    assert copy.get_config() == model.get_config()
    assert [v.shape for v in copy.variables] == [v.shape for v in model.variables]


def test_keras_file_keeps_optimizer_and_random_state(model, dataset, tmp_path):
    model.compile()
    model.fit(dataset, verbose=0)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    assert_same_state(model, copy)
    for trained in (model, copy):
        trained.fit(dataset, verbose=0)
    assert_same_state(model, copy)  # the same noise, the same moments


def test_weights_file_keeps_optimizer_and_random_state(build, dataset, tmp_path):
    model, copy = build(name="a"), build(name="b")
    model.compile()
    copy.compile()
    model.fit(dataset, verbose=0)
    model.save_weights(tmp_path / "model.weights.h5")
    copy.load_weights(tmp_path / "model.weights.h5")
    assert_same_state(model, copy)


def test_preset_round_trip(model, tmp_path):
    model.save_to_preset(tmp_path / "preset")
    copy = gz.GenerativeModel.from_preset(tmp_path / "preset")
    assert type(copy) is type(model)
    labels = labels_for(model, 3)
    np.testing.assert_array_equal(copy.sample(3, labels, seed=0), model.sample(3, labels, seed=0))
    fresh = type(model).from_preset(str(tmp_path / "preset"), load_weights=False, dtype="mixed_bfloat16")
    assert fresh.dtype_policy.name == "mixed_bfloat16"
    assert {path.name for path in (tmp_path / "preset").iterdir()} == {
        "config.json",
        "model.weights.h5",
        "metadata.json",
    }


def test_backup_and_restore_goes_on_as_if_never_stopped(build, dataset, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def callbacks():
        return [keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)]

    keras.utils.set_random_seed(1)
    whole = build()
    whole.compile()
    whole.fit(dataset, epochs=4, verbose=0)

    keras.utils.set_random_seed(1)
    stopped = build()
    stopped.compile()
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(dataset, epochs=4, verbose=0, callbacks=[*callbacks(), Stop()])
    keras.utils.set_random_seed(2)
    resumed = build()
    resumed.compile()
    resumed.fit(dataset, epochs=4, verbose=0, callbacks=callbacks())
    assert_same_state(whole, resumed)


@pytest.mark.parametrize(("policy", "tolerance"), [("mixed_bfloat16", 0.05), ("mixed_float16", 0.02)])
def test_a_step_in_mixed_precision_is_that_of_float32_within_its_rounding(build, digits, policy, tolerance):
    def train(dtype):
        keras.utils.set_random_seed(1)
        model = build(dtype=dtype)
        compile_with_sgd(model, 1e-3)
        for name in optimizer_names(model):
            is_scaled = isinstance(getattr(model, name), keras.optimizers.LossScaleOptimizer)
            assert is_scaled == (dtype == "mixed_float16")
            if is_scaled:
                getattr(model, name).dynamic_scale.assign(2.0**7)  # the first one, 2^15, overflows in some models
            getattr(model, name).iterations.assign(100)  # past what warms up
        before = [v.numpy() for v in model.trainable_variables]
        metrics = {name: float(value) for name, value in model.train_step(digits).items()}
        after = [v.numpy() for v in model.trainable_variables]
        return model, metrics, [new - old for new, old in zip(after, before, strict=True)]

    model, metrics, updates = train(policy)
    _, metrics32, updates32 = train("float32")
    assert metrics == pytest.approx(metrics32, rel=tolerance, abs=tolerance)
    errors = [np.linalg.norm(update - update32) for update, update32 in zip(updates, updates32, strict=True)]
    sizes = [np.linalg.norm(update32) for update32 in updates32]
    assert np.linalg.norm(errors) < tolerance * np.linalg.norm(sizes)
    for variable, error, size in zip(model.trainable_variables, errors, sizes, strict=True):
        assert variable.dtype == "float32"
        assert error <= 5 * tolerance * size + 1e-6, (variable.path, error, size)
        # The bias of a score, which a loss such as E f - E r does not see, may stay where it is.
        assert size > 0 or variable.shape.num_elements() == 1, variable.path

    labels = labels_for(model, 3)
    images = model.sample(3, labels, seed=0)
    assert images.dtype == tf.float32 and np.isfinite(images).all()
    is_generator = hasattr(model, "prior") and not hasattr(model, "encode")
    inputs = model.prior.sample(3) if is_generator else images
    called = model(inputs) if labels is None else model(inputs, labels=labels)
    assert called.dtype == tf.float32 and called.shape == images.shape


TRACED_ON_TWO_DEVICES = ("VAE", "DCGAN", "GatedPixelCNN")  # one a family: variables made in a replica fail only there


def test_two_devices_give_the_one_device_update(variant, build, digits, two_devices):
    halves = [tuple(tensor[rows] for tensor in digits) for rows in (slice(0, 32), slice(32, 64))]
    learning_rate = 1e-3 if variant == "WGANGP" else 0.1  # its two steps of a critic go too far otherwise
    keras.utils.set_random_seed(1)
    one = build()
    compile_with_sgd(one, learning_rate)
    keras.utils.set_random_seed(1)
    with two_devices.scope():
        two = build()
        compile_with_sgd(two, learning_rate)
    batch = two_devices.experimental_distribute_values_from_function(
        lambda context: halves[context.replica_id_in_sync_group]
    )
    metrics = {name: float(value) for name, value in one.train_step(digits).items()}
    step = tf.function(two.train_step) if variant in TRACED_ON_TWO_DEVICES else two.train_step
    for name, values in two_devices.run(step, (batch,)).items():
        values = [float(value) for value in two_devices.experimental_local_results(values)]
        assert np.mean(values) == pytest.approx(metrics[name], rel=1e-5), name
    for x, y in zip(one.trainable_variables, two.trainable_variables, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), atol=1e-6, rtol=1e-5, err_msg=x.path)
    for x, y in zip(one.non_trainable_variables, two.non_trainable_variables, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), atol=1e-6, rtol=1e-4, err_msg=x.path)


def test_an_odd_last_batch_on_two_devices(build, digits, two_devices):
    """A last batch of one example leaves nothing for the second device, which must not spoil the weights."""
    images, labels = (tensor[:17] for tensor in digits)
    with two_devices.scope():
        model = build()
    if any(isinstance(layer, (keras.layers.Conv2D, CausalConv2D)) for layer in nested_layers(model)):
        pytest.skip("TensorFlow's oneDNN convolution gives an empty batch the wrong shape (2.21, CPU)")
    model.compile()
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16)
    history = model.fit(dataset, epochs=2, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert all(np.isfinite(v.numpy()).all() for v in model.variables)
    assert np.isfinite(list(model.evaluate(dataset, verbose=0, return_dict=True).values())).all()

"""The zoo contract: the same checks over every model. A model that passes is in the zoo."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.autoregressive.causal import CausalConv2D
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


def progress(metrics):
    """What falls as a model learns: its loss, or minus what a discriminator sees between real and generated images."""
    return metrics["loss"] if "loss" in metrics else metrics["fake_score"] - metrics["real_score"]


def test_fit_learns_and_evaluate_agrees(model, dataset):
    model.compile()
    before = model.evaluate(dataset, verbose=0, return_dict=True)
    assert set(before) == set(model.metric_names)
    history = model.fit(dataset, epochs=10, validation_data=dataset, verbose=0).history
    after = model.evaluate(dataset, verbose=0, return_dict=True)
    assert progress(after) < progress(before)
    assert all(np.isfinite(values).all() for values in history.values())
    assert set(history) == {prefix + name for name in model.metric_names for prefix in ("", "val_")}


def test_fit_traces_its_step_once(model, dataset, monkeypatch):
    traces = []
    original = model.train_step
    monkeypatch.setattr(type(model), "train_step", lambda self, data: traces.append(1) or original(data))
    model.compile()
    model.fit(dataset, epochs=3, verbose=0)
    assert len(traces) == 1


def test_learns_under_xla(model, dataset):
    """Keras compiles train steps with XLA where there is a GPU."""
    model.compile(jit_compile=True)
    assert model.jit_compile
    history = model.fit(dataset, epochs=2, verbose=0).history
    first, second = ({name: values[epoch] for name, values in history.items()} for epoch in (0, 1))
    assert progress(second) < progress(first)


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
    model._generate = lambda noise, labels, **options: seen.append(labels.numpy()) or noise
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


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(build, dataset, policy):
    model = build(dtype=policy)
    model.compile()
    before = [v.numpy() for v in model.trainable_variables]
    # In float16 the first steps may overflow, and are left out until the loss scale has come down.
    history = model.fit(dataset, epochs=3 if policy == "mixed_float16" else 1, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    labels = labels_for(model, 3)
    images = model.sample(3, labels, seed=0)
    assert images.dtype == tf.float32 and np.isfinite(images).all()
    is_generator = hasattr(model, "prior") and not hasattr(model, "encode")
    inputs = model.prior.sample(3) if is_generator else images
    called = model(inputs) if labels is None else model(inputs, labels=labels)
    assert called.dtype == tf.float32 and called.shape == images.shape
    assert all(v.dtype == "float32" for v in model.trainable_variables)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        # The bias of a score, which a loss such as E f - E r does not see, may stay where it is.
        assert np.abs(variable.numpy() - old).max() > 0 or old.size == 1, variable.path
    for value in vars(model).values():
        if isinstance(value, keras.optimizers.Optimizer) and not isinstance(value, keras.optimizers.MultiOptimizer):
            is_scaled = isinstance(value, keras.optimizers.LossScaleOptimizer)
            assert is_scaled == (policy == "mixed_float16")


def test_two_devices_give_the_one_device_update(build, digits, two_devices):
    dataset = tf.data.Dataset.from_tensor_slices(digits).batch(16)

    def train(model):
        # SGD, since Adam's normalisation turns rounding errors of vanishing gradients into whole steps
        optimizers = {
            name: keras.optimizers.SGD(1e-3)
            for name in inspect.signature(type(model).compile).parameters
            if name.endswith("optimizer")
        }
        model.compile(**optimizers)
        return model.fit(dataset, epochs=2, verbose=0).history

    keras.utils.set_random_seed(1)
    one = build()
    history_of_one = train(one)
    keras.utils.set_random_seed(1)
    with two_devices.scope():
        two = build()
        history_of_two = train(two)
    for metric, values in history_of_one.items():
        np.testing.assert_allclose(history_of_two[metric], values, rtol=1e-5)
    assert_same_weights(one, two, atol=1e-5)


def test_an_odd_last_batch_on_two_devices(build, digits, two_devices):
    """A last batch of one example leaves nothing for the second device, which must not spoil the weights."""
    images, labels = (tensor[:17] for tensor in digits)
    with two_devices.scope():
        model = build()
    if any(isinstance(layer, (keras.layers.Conv2D, CausalConv2D)) for layer in model._flatten_layers()):
        pytest.skip("TensorFlow's oneDNN convolution gives an empty batch the wrong shape (2.21, CPU)")
    model.compile()
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(16)
    history = model.fit(dataset, epochs=2, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert all(np.isfinite(v.numpy()).all() for v in model.variables)
    assert np.isfinite(list(model.evaluate(dataset, verbose=0, return_dict=True).values())).all()

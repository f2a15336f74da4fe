"""The contract of every model: it builds, trains, saves, loads, and goes on as if nothing had been."""

import inspect
import json

import keras
import numpy as np
import pytest

import keras_genzoo as gz
from tests.contract.conftest import assert_same_state, state
from tests.contract.variants import VARIANTS


def test_every_model_has_a_variant_and_every_family_one_that_represents_it():
    assert set(gz._MODELS) <= set(VARIANTS)
    families = {gz._MODELS[name.split()[0]].split(".")[1] for name in VARIANTS}
    represented = [gz._MODELS[variant.name].split(".")[1] for variant in VARIANTS.values() if variant.represents_family]
    assert sorted(represented) == sorted(families)


@pytest.mark.variants("is_of_images")
def test_builds_from_image_shape_alone(variant):
    model = variant.model_class(image_shape=(12, 10, 3))
    assert model.built and model.count_params() > 0


@pytest.mark.variants("is_of_images")
@pytest.mark.parametrize("image_shape", [(8, 8), (8, 8, 0), 8, (8, 8, "1"), None])
def test_other_image_shapes_are_refused(build, image_shape):
    with pytest.raises(ValueError, match="`image_shape`"):
        build(image_shape=image_shape)


def test_init_arguments_are_documented_and_in_the_config(model):
    arguments = set(inspect.signature(type(model).__init__).parameters) - {"self", "kwargs"}
    assert arguments <= set(model.get_config())
    assert all(f"{name}:" in inspect.getdoc(type(model)) for name in arguments)


def as_json(config):
    """A configuration as a file has it, where a tuple of Keras's is a list."""
    return json.loads(json.dumps(config))


def test_config_round_trip(model):
    config = as_json(model.get_config())
    copy = type(model).from_config(as_json(config))  # Keras empties the dicts it is given
    assert as_json(copy.get_config()) == config
    assert [v.shape for v in copy.variables] == [v.shape for v in model.variables]


def test_a_keras_loss_is_refused(model):
    with pytest.raises(ValueError, match=r"`loss` (is not an argument|must be one of 'minimax')"):
        model.compile(loss="mse")
    with pytest.raises(ValueError, match="`metrics` is not an argument"):
        model.compile(metrics=["mse"])


def test_fit_trains_and_evaluate_agrees(life):
    """In epochs; which way, tests/contract/test_steps.py tells of single steps."""
    names = set(life.model.metric_names)
    assert set(life.before) == set(life.after) == names
    assert life.after != life.before
    assert set(life.history) == {prefix + name for name in names for prefix in ("", "val_")}
    assert all(np.isfinite(values).all() for values in life.history.values())


def test_fit_traces_its_step_once(life):
    assert life.num_traces == 1


def test_keras_file_keeps_optimizer_and_random_state(life, dataset):
    copy = keras.models.load_model(life.saved)
    assert type(copy) is type(life.model)
    assert [v.name for v in copy.variables] == [v.name for v in life.model.variables]
    assert_same_state(state(copy), life.at_saving)
    copy.fit(dataset, verbose=0)
    assert_same_state(state(copy), life.at_the_end)  # the same noise, the same moments


def test_weights_file_keeps_optimizer_and_random_state(life, build):
    copy = build(name="another")
    copy.compile()
    copy.load_weights(life.saved_weights)
    assert_same_state(state(copy), life.at_saving)


def test_preset_round_trip(model, tmp_path):
    model.save_to_preset(tmp_path / "preset")
    copy = gz.GenerativeModel.from_preset(tmp_path / "preset")
    assert type(copy) is type(model) and as_json(copy.get_config()) == as_json(model.get_config())
    for a, b in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2**-11, atol=1e-7)
    copy.save_to_preset(tmp_path / "again")
    again = gz.GenerativeModel.from_preset(tmp_path / "again")
    for a, b in zip(again.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    fresh = type(model).from_preset(str(tmp_path / "preset"), load_weights=False, dtype="mixed_bfloat16")
    assert fresh.dtype_policy.name == "mixed_bfloat16"
    assert {path.name for path in (tmp_path / "preset").iterdir()} == {
        "config.json",
        "model.weights.h5",
        "metadata.json",
    }


@pytest.mark.variants("represents_family")
def test_backup_and_restore_goes_on_as_if_never_stopped(build, dataset, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def callbacks():
        return [keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)]

    dataset = dataset.take(2)
    keras.utils.set_random_seed(1)
    whole = build()
    whole.compile(run_eagerly=True)
    whole.fit(dataset, epochs=3, verbose=0)

    keras.utils.set_random_seed(1)
    stopped = build()
    stopped.compile(run_eagerly=True)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(dataset, epochs=3, verbose=0, callbacks=[*callbacks(), Stop()])
    keras.utils.set_random_seed(2)
    resumed = build()
    resumed.compile(run_eagerly=True)
    resumed.fit(dataset, epochs=3, verbose=0, callbacks=callbacks())
    assert_same_state(state(whole), state(resumed))


@pytest.mark.variants("represents_family")
def test_size_of_an_export_at_the_defaults_is_that_of_the_weights(variant, tmp_path):
    model = variant.model_class(**{name: (28, 28, 1) for name in variant.sizes})
    model.compile()  # the optimiser's state must not come along
    path = tmp_path / "exported"
    model.export(path)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert size < 1.3 * 4 * model.count_params()

"""Presets: complete or refused, and never run."""

import json
import subprocess
import sys
import types

import h5py
import keras
import numpy as np
import pytest

import keras_genzoo as gz
from keras_genzoo import half_precision, presets

SHAPE = (4, 4, 1)


def encoder(layer=None):
    return keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), *([layer] if layer else []), keras.layers.Dense(4)]
    )


@pytest.fixture
def saved(tmp_path):
    gz.VAE(SHAPE, 2).save_to_preset(tmp_path / "preset")
    return tmp_path / "preset"


def edit_config(folder, change):
    """Rewrites config.json as someone with ill intent would, checksum included."""
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    sign(folder)


def sign(folder):
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["sha256"] = {name: presets._sha256(folder / name) for name in ("config.json", "model.weights.h5")}
    (folder / "metadata.json").write_text(json.dumps(metadata))


def test_own_networks_of_keras_layers_come_along(tmp_path):
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv2D(3, 2, activation="relu", kernel_regularizer="l2", kernel_initializer="he_normal")(inputs)
    x = keras.layers.Dense(8, activation=keras.activations.gelu, kernel_constraint="max_norm")(
        keras.layers.Flatten()(x)
    )
    functional = keras.Model(inputs, keras.layers.Dense(4)(x * 2.0))
    for network in (functional, encoder(keras.layers.Dropout(0.5))):
        vae = gz.VAE(SHAPE, 2, encoder=network)
        vae.save_to_preset(tmp_path / "own")
        copy = gz.VAE.from_preset(tmp_path / "own")
        x = np.random.default_rng(0).uniform(size=(3, *SHAPE))
        np.testing.assert_allclose(copy.encode(x), vae.encode(x), atol=1e-2)


def test_optimizer_state_stays_behind(saved, tmp_path):
    vae = gz.VAE(SHAPE, 2)
    vae.compile()
    vae.save_to_preset(tmp_path / "compiled")
    sizes = [(folder / "model.weights.h5").stat().st_size for folder in (saved, tmp_path / "compiled")]
    assert sizes[1] < 1.1 * sizes[0]


def test_an_older_preset_is_replaced_and_other_folders_are_left_alone(saved):
    vae = gz.VAE(SHAPE, 2)
    vae.save_to_preset(saved)
    for a, b in zip(gz.VAE.from_preset(saved).get_weights(), vae.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b.astype("float16"))
    other = saved.parent / "thesis"
    other.mkdir()
    (other / "chapter1.tex").write_text("")
    with pytest.raises(FileExistsError, match="not a preset folder"):
        vae.save_to_preset(other)
    assert sorted(path.name for path in saved.parent.iterdir()) == ["preset", "thesis"]


def test_a_failed_save_leaves_nothing(tmp_path):
    vae = gz.VAE(SHAPE, 2, encoder=encoder(keras.layers.Lambda(lambda x: x, output_shape=(16,))))
    with pytest.raises(ValueError, match="Lambda"):
        vae.save_to_preset(tmp_path / "preset")
    assert not list(tmp_path.iterdir())


def test_of_another_class_is_refused_by_name(saved):
    with pytest.raises(ValueError, match=r"holds a VAE, not a Autoencoder.*VAE\.from_preset"):
        gz.Autoencoder.from_preset(saved)


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"unknown preset .vae_digit..*vae_digits"):
        gz.VAE.from_preset("vae_digit")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "metadata.json"])
def test_missing_and_damaged_files_are_named(saved, name):
    whole = (saved / name).read_bytes()
    (saved / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=f"{name}.*damaged"):
        gz.VAE.from_preset(saved)
    (saved / name).unlink()
    with pytest.raises(ValueError, match=f"{name} missing"):
        gz.VAE.from_preset(saved)


def change_a_number(path):
    """Another valid model: the checksum alone tells."""
    text = path.read_text()
    assert '"kl_warmup_steps": 0' in text
    path.write_text(text.replace('"kl_warmup_steps": 0', '"kl_warmup_steps": 7'))


@pytest.mark.parametrize("load_weights", [True, False])
def test_a_config_that_was_changed_is_refused(saved, load_weights):
    change_a_number(saved / "config.json")
    with pytest.raises(ValueError, match=r"config\.json.*is damaged: its SHA-256"):
        gz.VAE.from_preset(saved, load_weights=load_weights)


def test_a_builtin_preset_that_was_changed_is_refused(saved, monkeypatch):
    monkeypatch.setattr(presets, "_BUILTIN", saved.parent)
    assert list(gz.list_presets()) == [saved.name]
    gz.VAE.from_preset(saved.name)
    change_a_number(saved / "config.json")
    with pytest.raises(ValueError, match=r"config\.json of preset 'preset' is damaged: its SHA-256"):
        gz.VAE.from_preset(saved.name)


def test_weights_that_do_not_fit_the_config(saved):
    edit_config(saved, lambda config: config["config"].update(latent_dim=1))
    with pytest.raises(ValueError, match=r"model\.weights\.h5.*does not fit its config\.json"):
        gz.VAE.from_preset(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config["config"].update(colour="red"), "does not describe a VAE.*colour"),
        (lambda config: config["config"].update(prior="flow"), "does not describe a VAE.*`prior`"),
        (lambda config: config.pop("config"), "names no model"),
    ],
)
def test_a_config_that_builds_nothing(saved, change, message):
    edit_config(saved, change)
    with pytest.raises(ValueError, match=message):
        gz.VAE.from_preset(saved)


def test_a_config_of_something_else_is_refused(saved):
    edit_config(saved, lambda config: config.update(class_name="Dense", module="keras.layers", registered_name=None))
    with pytest.raises(ValueError, match="names no model of keras_genzoo"):
        gz.VAE.from_preset(saved)


@pytest.mark.slow
def test_builtin_presets_load_and_are_listed_by_class():
    assert {"vae_digits", "classifier_digits"} <= set(gz.list_presets())
    assert not gz.DenoisingAutoencoder.presets
    assert "dcgan_digits" in gz.DCGAN.presets and "vae_digits" not in gz.GAN.presets
    assert {"cgan_digits", "dcgan_digits"} <= set(gz.GAN.presets)  # of its subclasses, which it loads too
    classifiers = set(gz.list_presets("Classifier"))
    assert set(gz.GenerativeModel.presets) == set(gz.list_presets()) - classifiers
    for name, metadata in gz.list_presets().items():
        model = presets.load(name, keras.Model)
        assert type(model).__name__ == metadata["class_name"]
        assert model.count_params() == metadata["num_parameters"]


def test_of_a_classifier_is_no_generative_model():
    with pytest.raises(ValueError, match=r"holds a Classifier, not a GenerativeModel.*Classifier\.from_preset"):
        gz.GenerativeModel.from_preset("classifier_digits")


@pytest.mark.slow
def test_a_classifier_loads_in_a_process_that_imported_only_the_package():
    script = (
        "import keras, keras_genzoo\nfrom keras_genzoo import presets\n"
        "print(type(presets.load('classifier_digits', keras.Model)).__name__)"
    )
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "Classifier"


# ---- half precision ----


def weights(folder):
    return arrays_of(folder / "model.weights.h5")


def arrays_of(path):
    arrays = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, thing: arrays.update({name: thing[()]} if isinstance(thing, h5py.Dataset) else {}))
    return arrays


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_weights_are_halved_on_disk_and_float32_in_memory(tmp_path, policy):
    autoencoder = gz.Autoencoder(SHAPE, 2, dtype=policy)
    autoencoder.moment_steps.assign(2**24 + 1)
    autoencoder.save_to_preset(tmp_path / "preset")
    types = {name: values.dtype.name for name, values in weights(tmp_path / "preset").items()}
    own = {"vars/0": "float32", "vars/1": "float32", "vars/2": "int64", "vars/random_state_0": "int64"}
    assert types == {**dict.fromkeys(types, "float16"), **own}
    copy = gz.Autoencoder.from_preset(tmp_path / "preset", dtype=policy)
    assert {a.dtype for a in copy.weights if a is not copy.moment_steps} == {"float32"}
    assert int(copy.moment_steps) == 2**24 + 1
    for a, b in zip(copy.encoder.get_weights(), autoencoder.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b.astype("float16"))
    copy.save_to_preset(tmp_path / "again")
    again = weights(tmp_path / "again")
    assert {name: values.dtype.name for name, values in again.items()} == types
    for name, values in weights(tmp_path / "preset").items():
        assert "random_state" in name or np.array_equal(again[name], values)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([65504.0], "float16"),
        ([65520.0, 1.0], "float32"),  # infinite in float16
        ([np.inf], "float32"),
        ([np.nan], "float32"),
        ([2.0**-13 / 3], "float16"),
        ([2.0**-20 / 3], "float32"),  # of few digits in float16
        ([1e-9, 1e-10], "float32"),  # 0 in float16
        ([1.0, 1e-9, 0.3], "float16"),  # 0 too, beside what counts
        ([0.0], "float16"),
        ([], "float16"),
        (0.3, "float16"),
        (np.array(1e200), "float64"),
        (np.array([7, 2**24 + 1]), "int64"),
        (np.array([True]), "bool"),
    ],
)
def test_an_array_that_float16_would_spoil_stays_as_it_is(tmp_path, values, dtype):
    values = values if isinstance(values, np.ndarray) else np.float32(values)
    with h5py.File(tmp_path / "full", "w") as file:
        file["vars/0"] = values
        file["vars"].attrs["name"] = "layer"
    half_precision.copy(tmp_path / "full", tmp_path / "once")
    half_precision.copy(tmp_path / "once", tmp_path / "twice")
    for path in (tmp_path / "once", tmp_path / "twice"):
        (copy,) = arrays_of(path).values()
        assert copy.dtype == dtype
        np.testing.assert_array_equal(copy, values.astype(dtype))
    with h5py.File(tmp_path / "twice") as file:
        assert dict(file["vars"].attrs) == {"name": "layer"}


def test_a_prior_fitted_to_codes_far_from_zero_survives(tmp_path):
    """Its covariance is a small difference of moments, of which float16 would leave nothing but its errors."""
    autoencoder = gz.Autoencoder(SHAPE, 2)
    mean, covariance = np.float32([30.1, 10.2]), np.float32([[0.02, 0.01], [0.01, 0.03]])
    autoencoder.code_mean.assign(mean)
    autoencoder.code_second_moment.assign(covariance + mean[:, None] * mean)
    autoencoder.save_to_preset(tmp_path / "preset")
    prior = gz.Autoencoder.from_preset(tmp_path / "preset").prior
    np.testing.assert_array_equal(prior.covariance(), autoencoder.prior.covariance())


def test_float32_weights_of_older_presets_are_loaded_unchanged(saved):
    vae = gz.VAE(SHAPE, 2)
    vae.save_weights(saved / "model.weights.h5")
    sign(saved)
    for a, b in zip(gz.VAE.from_preset(saved).get_weights(), vae.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- hubs: their libraries are stood in for, since tests have no network ----


@pytest.fixture
def hubs(saved, monkeypatch):
    """Stand-ins that know one repository each, `user/repo`, and what they were asked for."""
    asked = []

    def fetch(name, **options):
        asked.append((name, options))
        if not name.startswith("user/repo"):
            raise OSError(f"404: no repository {name}\nwith more lines")
        return str(saved)

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(snapshot_download=fetch))
    monkeypatch.setitem(sys.modules, "kagglehub", types.SimpleNamespace(model_download=fetch))
    return asked


@pytest.mark.parametrize("handle", ["hf://user/repo", "kaggle://user/repo/keras/small"])
def test_a_handle_is_fetched_by_its_hub(hubs, saved, handle):
    model = gz.GenerativeModel.from_preset(handle)
    np.testing.assert_array_equal(model.sample(2, seed=0), gz.VAE.from_preset(saved).sample(2, seed=0))
    ((name, options),) = hubs
    assert name == handle.split("://")[1]
    if handle.startswith("hf"):
        assert set(options["allow_patterns"]) == {"config.json", "model.weights.h5", "metadata.json"}
        assert options["revision"] is None


@pytest.mark.parametrize("handle", ["hf://user/repo", "hf://user/repo@v1", "kaggle://user/repo/keras/small"])
def test_what_a_hub_gives_is_checked_too(hubs, saved, handle):
    change_a_number(saved / "config.json")
    with pytest.raises(ValueError, match=r"config\.json.*is damaged: its SHA-256"):
        gz.VAE.from_preset(handle)


@pytest.mark.parametrize("revision", ["v1.0", "refs/pr/1", "0f3d2c1b9a8e7d6c5b4a39281706f5e4d3c2b1a0"])
def test_a_revision_pins_what_is_fetched(hubs, revision):
    gz.VAE.from_preset(f"hf://user/repo@{revision}")
    ((name, options),) = hubs
    assert (name, options["revision"]) == ("user/repo", revision)


@pytest.mark.parametrize(
    "handle",
    [
        "hf://user/repo@", "hf://@main", "hf://user", "hf://user/", "hf://user/repo/file", "hf://", "hf://user@v1/repo",
        "kaggle://user/repo/keras/small@1", "kaggle://", "kaggle://user//keras",
    ],
)  # fmt: skip
def test_a_handle_that_is_none_is_not_fetched(hubs, handle):
    with pytest.raises(ValueError, match=r"is no handle of its hub: a handle is .*hf://user/repo@revision"):
        gz.VAE.from_preset(handle)
    assert not hubs


def test_what_a_hub_lacks_is_one_line(hubs):
    with pytest.raises(ValueError, match=r"`preset` 'hf://nobody/none' cannot be fetched: 404: no repository") as error:
        gz.VAE.from_preset("hf://nobody/none")
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"unknown hub 'ftp'.*hf://user/repo"):
        gz.VAE.from_preset("ftp://user/repo")
    with pytest.raises(ValueError, match="holds a VAE, not a GAN"):
        gz.GAN.from_preset("hf://user/repo")


@pytest.mark.parametrize(("handle", "module"), [("hf://a/b", "huggingface_hub"), ("kaggle://a/b/c/d", "kagglehub")])
def test_a_hub_without_its_library_says_what_to_install(monkeypatch, handle, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"pip install 'keras-genzoo\[hubs\]'"):
        gz.VAE.from_preset(handle)

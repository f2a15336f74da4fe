"""Presets: a model as a folder of `config.json`, `model.weights.h5` and `metadata.json`, as in KerasHub.

Weights are written in half precision where that is harmless, see `half_precision`, and are float32 again when loaded.
Loading one never runs anything from it, reads nothing else, and takes no more memory than the preset holds weights; see
`preset_guard`. This module imports TensorFlow only to load or save, so that presets can be listed at once.
"""

import difflib
import hashlib
import inspect
import json
import textwrap
from pathlib import Path

from keras_genzoo import files

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"

# Shipped inside the package by the wheel, beside it in a checkout.
_BUILTIN = next(
    folder
    for folder in (Path(__file__).parent / "pretrained", Path(__file__).parent.parent / "pretrained", None)
    if folder is None or folder.is_dir()
)

# What `genzoo list`, cards and loading read of a preset's metadata.
_FACTS = ("class_name", "num_parameters", "sha256")

_HANDLES = (
    "hf://user/repo, hf://user/repo@revision (a tag, branch or commit) or kaggle://user/model/framework/variation, "
    "which a version may follow (/3)"
)


class classproperty(property):
    """A property read on the class."""

    def __get__(self, instance, owner=None):
        return self.fget(owner)


def list_presets(class_name=None):
    """The built-in presets.

    Args:
        class_name: str, only the presets of this model class; by default all.

    Returns:
        dict, preset name to its metadata (`class_name`, `num_parameters`, `figures` and so on).
    """
    found = {}
    for folder in sorted(_BUILTIN.iterdir()) if _BUILTIN else []:
        if (folder / METADATA).is_file():
            metadata = json.loads((folder / METADATA).read_text())
            if class_name in (None, metadata["class_name"]):
                found[folder.name] = metadata
    return found


def find(preset):
    """The folder of a preset given by built-in name, path or handle; ValueError names the nearest names otherwise."""
    names = list(list_presets())
    if preset in names:
        return _BUILTIN / preset
    folder = _download(preset) if "://" in str(preset) else Path(preset)
    if not folder.is_dir():
        near = difflib.get_close_matches(str(preset), names)
        raise ValueError(
            f"unknown preset {str(preset)!r}: neither a built-in name nor a folder. "
            + (f"Nearest names: {', '.join(near)}." if near else "`genzoo list` shows the built-in ones.")
        )
    missing = [name for name in (CONFIG, WEIGHTS, METADATA) if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"`preset` folder {str(folder)!r} is not complete: {', '.join(missing)} missing. "
            "Write it with model.save_to_preset(path), or copy all three files."
        )
    return folder


def _download(handle):
    """The folder into which the hub's own library has put the preset of a handle, or finds it from an earlier time."""
    hub, _, name = handle.partition("://")
    if hub not in ("hf", "kaggle"):
        raise ValueError(f"unknown hub {hub!r} in `preset` {handle!r}; a handle is {_HANDLES}.")
    name, at, revision = name.partition("@")
    is_complete = name.count("/") == 1 and bool(revision) == bool(at) if hub == "hf" else not at
    if not is_complete or not all(name.split("/")):
        raise ValueError(f"`preset` {handle!r} is no handle of its hub: a handle is {_HANDLES}.")
    try:
        if hub == "hf":
            from huggingface_hub import snapshot_download

            patterns = [CONFIG, WEIGHTS, METADATA]
            return Path(snapshot_download(name, revision=revision or None, allow_patterns=patterns))
        from kagglehub import model_download

        return Path(model_download(name))
    except ImportError as error:
        raise ImportError(
            f"`preset` {handle!r} needs the library of its hub: pip install 'keras-genzoo[hubs]'"
        ) from error
    except Exception as error:  # of any class: no such name, no permission, no network
        raise ValueError(f"`preset` {handle!r} cannot be fetched: {textwrap.shorten(str(error), 300)}") from error


def load(preset, expected_class, load_weights=True, dtype=None):
    """Builds the model of a preset; see `GenerativeModel.from_preset`."""
    folder = find(preset)
    _check_files(folder, preset)
    config = _read_json(folder / CONFIG)

    import keras

    import keras_genzoo
    from keras_genzoo import preset_guard

    keras_genzoo._import_models()
    name = config.get("class_name")
    no_model = f"{CONFIG} of preset {str(preset)!r} names no model of keras_genzoo: class_name={name!r}."
    if not isinstance(config.get("config"), dict):
        raise ValueError(no_model)
    preset_guard.refuse_foreign_code(config)
    cls = keras.saving.get_registered_object(config.get("registered_name"))
    if not (inspect.isclass(cls) and issubclass(cls, keras.Model)):
        raise ValueError(no_model)
    if not issubclass(cls, expected_class):
        where = "keras_genzoo.evaluation" if "evaluation" in cls.__module__ else "keras_genzoo"
        raise ValueError(
            f"preset {str(preset)!r} holds a {name}, not a {expected_class.__name__}. Load it with "
            f"{where}.{name}.from_preset."
        )
    try:
        held = preset_guard.held_weights(folder / WEIGHTS)
    except ValueError as error:
        raise ValueError(f"{WEIGHTS} of preset {str(preset)!r} cannot be loaded: {error}") from error
    # The precision to run in is the loader's choice, not the writer's.
    arguments = {**config["config"], "dtype": dtype or keras.config.dtype_policy().name}
    try:
        preset_guard.refuse_large_sizes(config, held)
        with preset_guard.no_more_weights_than(held):
            model = cls.from_config(arguments)
    except Exception as error:  # of any class, as Keras meets nonsense
        raise ValueError(f"{CONFIG} of preset {str(preset)!r} does not describe a {name}: {error}") from error
    if load_weights:
        try:
            model.load_weights(folder / WEIGHTS)
        except Exception as error:
            raise ValueError(f"{WEIGHTS} of preset {str(preset)!r} does not fit its {CONFIG}: {error}") from error
    return model


def save(model, path, **metadata):
    """Writes the preset folder of a model; see `GenerativeModel.save_to_preset`.

    Args:
        model: a `GenerativeModel`.
        path: the folder to write.
        **metadata: JSON values to keep beside the ones written here, such as measured figures.
    """
    import keras

    from keras_genzoo import __version__, half_precision, preset_guard

    path = Path(path)
    if path.exists() and not (path.is_dir() and (not any(path.iterdir()) or (path / METADATA).is_file())):
        raise FileExistsError(f"{str(path)!r} exists and is not a preset folder; choose another `path`.")
    config = keras.saving.serialize_keras_object(model)
    config = {key: config[key] for key in ("module", "class_name", "registered_name", "config")}
    preset_guard.refuse_foreign_code(config)  # what could not be loaded is not written
    config = json.dumps(config, indent=2) + "\n"
    # No optimiser, whose state would treble the file; from the text, since Keras empties the dicts it is given.
    bare = type(model).from_config(json.loads(config)["config"])
    bare.set_weights(model.get_weights())
    own = {}
    bare.save_own_variables(own)
    kept = {f"vars/{key}" for key, variable in own.items() if getattr(variable, "stays_float32", False)}
    with files.replaced_folder(path) as unfinished:
        (unfinished / CONFIG).write_text(config)
        full = unfinished / f"full.{WEIGHTS}"
        bare.save_weights(full)
        half_precision.copy(full, unfinished / WEIGHTS, kept)
        full.unlink()
        facts = {
            "class_name": type(model).__name__,
            "num_parameters": model.count_params(),
            "verbs": list(model.verbs),
            "keras_version": keras.version(),
            "keras_genzoo_version": __version__,
            **metadata,
            "sha256": {name: _sha256(unfinished / name) for name in (CONFIG, WEIGHTS)},
        }
        (unfinished / METADATA).write_text(json.dumps(facts, indent=2) + "\n")


def read_metadata(folder):
    """The metadata of a preset folder, a dict; ValueError where they are damaged."""
    return _read_json(folder / METADATA)


def _check_files(folder, preset):
    """ValueError unless the files of a preset are those that its metadata were written for."""
    metadata = read_metadata(folder)
    missing = [name for name in _FACTS if name not in metadata]
    if missing:
        raise ValueError(
            f"{METADATA} of preset {str(preset)!r} lacks {', '.join(missing)}. Write the preset with "
            "model.save_to_preset(path)."
        )
    digests = metadata["sha256"]
    if not isinstance(digests, dict) or digests.keys() != {CONFIG, WEIGHTS}:
        raise ValueError(
            f"`sha256` in {METADATA} of preset {str(preset)!r} must give the SHA-256 of {CONFIG} and of {WEIGHTS} and "
            f"of no other file; got {textwrap.shorten(str(digests), 200)}. Write the preset with "
            "model.save_to_preset(path)."
        )
    for name, digest in digests.items():
        if _sha256(folder / name) != digest:
            raise ValueError(
                f"{name} of preset {str(preset)!r} is damaged: its SHA-256 is not the one in {METADATA}. "
                "Copy the preset again."
            )


def _read_json(path):
    try:
        value = json.loads(path.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path.name} in {str(path.parent)!r} is damaged: {error}. Copy the preset again.") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} in {str(path.parent)!r} is damaged: not a JSON object. Copy the preset again.")
    return value


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()

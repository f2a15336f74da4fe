"""Export: a SavedModel in the folder layout TensorFlow Serving watches, `path/<version>/`."""

from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_genzoo.presets import replaced_folder


class Signature(NamedTuple):
    """A function of named tensors and what it takes.

    Attributes:
        function: takes the inputs as keyword arguments, returns a dict of named tensors.
        inputs: dict, input name to `tf.TensorSpec`.
    """

    function: callable
    inputs: dict


def export(model, path, version=None):
    """Writes the next (or the given) version of a model; see `GenerativeModel.export`."""
    path = Path(path)
    if version is None:
        taken = [int(entry.name) for entry in path.glob("*") if entry.name.isdecimal()] if path.is_dir() else []
        version = max(taken, default=0) + 1
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"`version` must be a positive integer; got {version!r}.")
    target = path / str(version)
    if target.exists():
        raise FileExistsError(f"version {version} exists in {str(path)!r}; choose another `version`, or leave it out.")
    archive = keras.export.ExportArchive()
    for name, signature in model.serving_signatures().items():
        archive.add_endpoint(name, _named(signature))
    log = tf.get_logger()
    level = log.level
    log.setLevel("WARNING")  # TensorFlow would announce the unfinished folder, which is gone in a moment
    try:
        with replaced_folder(target) as unfinished:
            archive.write_out(unfinished, verbose=False)
    finally:
        log.setLevel(level)
    return str(target)


def _named(signature):
    """The signature's function, traced once for its input names."""
    specs = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in signature.inputs.items()]

    @tf.function(input_signature=specs, autograph=False)
    def traced(*inputs):
        return signature.function(**dict(zip(signature.inputs, inputs, strict=True)))

    traced.get_concrete_function()
    return traced

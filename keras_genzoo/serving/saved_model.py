"""Export: SavedModels that TensorFlow Serving runs, in the folder layout it watches, `path/<version>/`.

They hold TensorFlow's own operations and nothing else, so that no Keras, no Python and none of this package is needed
to run them. Every input is checked inside the graph: a bad request gets an error that names it, and the server goes on.
"""

import contextlib
import functools
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_genzoo import files, inputs
from keras_genzoo import images as image_convention
from keras_genzoo.serving import graph_definition

MAX_ROWS = 1024  # images a request may ask for or bring: some 3 MB at 28x28, and a bound on the server's memory
WARMUP = "assets.extra/tf_serving_warmup_requests"


class Input(NamedTuple):
    """A named input of a signature.

    Attributes:
        spec: `tf.TensorSpec`; a leading None makes it one of the inputs that hold a row for each example.
        check: function of the tensor that returns it behind an assertion of its values.
        example: number that fills the input of a warm-up request.
    """

    spec: tf.TensorSpec
    check: callable = tf.identity
    example: float = 0


class Signature(NamedTuple):
    """A function of named tensors and what it takes.

    Attributes:
        function: takes the inputs as keyword arguments, returns a dict of named tensors.
        inputs: dict, input name to `Input`.
        compiled: the same function with its loops marked for XLA, where it has any that are worth it, or None.
    """

    function: callable
    inputs: dict
    compiled: callable = None


# ---- inputs ----


def images(image_shape):
    return Input(tf.TensorSpec([None, *image_shape], tf.float32), image_convention.check_values)


def known(image_shape):
    return Input(tf.TensorSpec([None, *image_shape], tf.bool))


def labels(num_classes):
    return Input(tf.TensorSpec([None], tf.int32), lambda x: inputs.check_labels(x, num_classes, check_values=True))


def vectors(condition_dim):
    check = functools.partial(inputs.check_vectors, condition_dim=condition_dim, check_values=True)
    return Input(tf.TensorSpec([None, condition_dim], tf.float32), check)


def latents(latent_dim):
    def check(x):
        message = "`latents` must be finite; this batch holds NaN or infinite numbers."
        return image_convention.require(tf.reduce_all(tf.math.is_finite(x)), x, message)

    return Input(tf.TensorSpec([None, latent_dim], tf.float32), check)


def count(name, largest=MAX_ROWS):
    """A whole number from 1 to `largest`."""

    def check(x):
        message = f"`{name}` must lie in 1..{largest}; got"
        return image_convention.require((x >= 1) & (x <= largest), x, message, x, "(for more, ask several times).")

    return Input(tf.TensorSpec([], tf.int32), check, example=1)


def seed():
    return Input(tf.TensorSpec([], tf.int32))


def temperature():
    def check(x):
        message = "`temperature` must be positive and finite; got"
        return image_convention.require((x > 0) & tf.math.is_finite(x), x, message, x)

    return Input(tf.TensorSpec([], tf.float32), check, example=1)


# ---- export ----


def export(model, path, version=None, jit_compile=False):
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
    signatures = model.serving_signatures()
    if jit_compile:
        signatures = {name: x._replace(function=x.compiled or x.function) for name, x in signatures.items()}
    functions = {name: traced(signature, checked=True) for name, signature in signatures.items()}
    # TensorFlow would announce the unfinished folder, which is gone in a moment.
    with quiet("WARNING", "tensorflow"), files.new_folder(target) as unfinished:
        save({**functions, "serving_default": functions["sample"]}, unfinished)
        graph_definition.compact(unfinished)
        _write_warmup_requests(unfinished, path.name, signatures)
    return str(target)


def traced(signature, checked, batch_size=None):
    """The signature as a traced `tf.function` of its named inputs, which it checks or not.

    With a `batch_size`, inputs that hold a row for each example hold that many.
    """
    specs = [
        tf.TensorSpec([batch_size if side is None else side for side in given.spec.shape], given.spec.dtype, name)
        for name, given in signature.inputs.items()
    ]

    @tf.function(input_signature=specs, autograph=False)
    def function(*tensors):
        tensors = dict(zip(signature.inputs, tensors, strict=True))
        return signature.function(**(_checked(signature.inputs, tensors) if checked else tensors))

    function.get_concrete_function()
    return function


def _checked(given, tensors):
    """The tensors behind assertions of their shapes, their values and their numbers of rows."""
    # Servers check no shapes: TensorFlow's own error names the input, too.
    tensors = {name: tf.ensure_shape(x, given[name].spec.shape) for name, x in tensors.items()}
    tensors = {name: given[name].check(x) for name, x in tensors.items()}
    rows = {name: tf.shape(x)[0] for name, x in tensors.items() if x.shape.rank}
    first = "num_samples" if "num_samples" in tensors else next(iter(rows))
    expected = tensors[first] if first == "num_samples" else rows[first]
    for name, n in rows.items():
        if name == first:
            message = [f"`{name}` must hold 1 to {MAX_ROWS} rows; got", n, "(for more, ask several times)."]
            is_right = (n >= 1) & (n <= MAX_ROWS)
        else:
            message = [f"`{name}` must hold a row for each of `{first}`; got", n, "against", expected]
            is_right = n == expected
        tensors[name] = image_convention.require(is_right, tensors[name], *message)
    return tensors


def save(functions, folder):
    """Writes traced functions, by name, as a SavedModel with the weights that they use and no others."""
    functions = {name: function.get_concrete_function() for name, function in functions.items()}
    weights = {weight.ref(): weight for function in functions.values() for weight in function.graph.variables}
    held = tf.Module()
    held.weights = list(weights.values())
    tf.saved_model.save(held, folder, functions)


@contextlib.contextmanager
def quiet(level, *names):
    """Keeps loggers from saying anything below a level."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(level)
        yield
    finally:
        for logger, former in zip(loggers, levels, strict=True):
            logger.setLevel(former)


def _write_warmup_requests(folder, model_name, signatures):
    """One request for each signature, which TensorFlow Serving runs before it takes others."""
    from tensorflow_serving.apis import prediction_log_pb2

    (folder / WARMUP).parent.mkdir()
    with tf.io.TFRecordWriter(str(folder / WARMUP)) as writer:
        for name, signature in signatures.items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name, request.model_spec.signature_name = model_name, name
            for key, given in signature.inputs.items():
                shape = [dim or 1 for dim in given.spec.shape]
                example = tf.make_tensor_proto(np.full(shape, given.example), given.spec.dtype)
                request.inputs[key].CopyFrom(example)
            writer.write(log.SerializeToString())


# ---- what a server is started with ----


def write_server_config(folder):
    """Writes the files that tell TensorFlow Serving of all models in a folder, `folder/<name>/<version>/`.

    - `models.config`, for `--model_config_file`: every model under its name. Paths are those inside the official
      container, with `folder` at `/models`.
    - `batching_parameters.txt`, for `--enable_batching --batching_parameters_file --enable_model_warmup=false`:
      requests that come within 2 ms are merged. TensorFlow Serving merges along the first axis and refuses inputs
      without one while it does, also in the warm-up file, so that signatures with a `seed` are for a server without
      batching.

    Args:
        folder: path.

    Returns:
        The two paths.

    Raises:
        ValueError: if no model lies in the folder.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    folder = Path(folder)
    names = sorted({saved.parent.parent.name for saved in folder.glob("*/*/saved_model.pb")})
    if not names:
        raise ValueError(f"no model lies in {str(folder)!r}; export one to {str(folder / 'NAME')!r} first.")
    config = model_server_config_pb2.ModelServerConfig()
    for name in names:
        config.model_config_list.config.add(name=name, base_path=f"/models/{name}", model_platform="tensorflow")
    texts = {
        "models.config": text_format.MessageToString(config),
        "batching_parameters.txt": "max_batch_size { value: 128 }\nbatch_timeout_micros { value: 2000 }\n",
    }
    for name, text in texts.items():
        files.write(folder / name, text)
    return [str(folder / name) for name in texts]

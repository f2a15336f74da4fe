"""Export: SavedModels that TensorFlow Serving runs, in the folder layout it watches, `path/<version>/`.

They hold TensorFlow's own operations and nothing else, so that no Keras, no Python and none of this package is needed
to run them. Every input is checked inside the graph: a bad request gets an error that names it, and the server goes on.
"""

import contextlib
import logging
from pathlib import Path

import tensorflow as tf

from keras_genzoo import checks, files
from keras_genzoo.serving import graph_definition

MAX_ROWS = 1024  # images a request may ask for or bring: some 3 MB at 28x28, and a bound on the server's memory
WARMUP = "assets.extra/tf_serving_warmup_requests"


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
    signatures = model.signatures()
    if jit_compile:
        signatures = {name: x._replace(function=x.compiled or x.function) for name, x in signatures.items()}
    functions = {name: traced(signature, checked=True) for name, signature in signatures.items()}
    # TensorFlow would announce the unfinished folder, which is gone in a moment.
    with quiet("WARNING", "tensorflow"), files.new_folder(target) as unfinished:
        save({**functions, "serving_default": next(iter(functions.values()))}, unfinished)
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
        tensors[name] = checks.require(is_right, tensors[name], *message)
    return {name: given[name].check(x, check_values=True) for name, x in tensors.items()}


def save(functions, folder):
    """Writes traced functions, by name, as a SavedModel with the weights that they use and no others."""
    functions = {name: function.get_concrete_function() for name, function in functions.items()}
    weights = {weight.ref(): weight for function in functions.values() for weight in function.graph.variables}
    held = tf.Module()
    held.weights = list(weights.values())
    # A served verb is not differentiated, and TensorFlow cannot read back every gradient that it would write.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(held, folder, functions, options)


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
                request.inputs[key].CopyFrom(tf.make_tensor_proto(given.examples(1), given.spec.dtype))
            writer.write(log.SerializeToString())

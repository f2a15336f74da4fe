"""Conversion: the signature `decode` as one file, ONNX or LiteRT, for runtimes other than TensorFlow.

It is the decoder or the generator, latents (and labels) to images: in ONNX for any number of rows, in LiteRT for a
fixed one. The file checks none of its inputs: these runtimes have no assertions.
"""

import tempfile
import textwrap
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_genzoo import checks, files
from keras_genzoo.serving import saved_model


class Format(NamedTuple):
    """A format and what writes it.

    Attributes:
        title: str, its name as people write it.
        suffix: str, of its files.
        convert: function of a traced `tf.function` that returns the file's bytes.
    """

    title: str
    suffix: str
    convert: callable


def convert(model, path, format, batch_size=1):
    """Writes the signature `decode` of a model, which computes in float32 there whatever the model computes in.

    Args:
        model: a `GenerativeModel`.
        path: the file to write, `.onnx` or `.tflite`; it appears only when it is complete.
        format: `"onnx"` or `"litert"`.
        batch_size: int, rows that a LiteRT file takes, or None for any number; ONNX files take any.

    Returns:
        The path.

    Raises:
        FileExistsError: if there is such a file already.
        ImportError: for ONNX without tf2onnx.
        ValueError: for another suffix, a model without `decode`, one whose own networks compute in another precision
            than float32, or an operation that the format lacks.
    """
    path = Path(path)
    title, suffix, convert_function = FORMATS[format]
    if batch_size is not None:
        (batch_size,) = checks.positive_integers("batch_size", [batch_size], 1)
    if path.suffix != suffix:
        raise ValueError(f"`path` must end in {suffix} for format={format!r}; got {str(path)!r}.")
    _refuse_existing(path)
    name, signatures = type(model).__name__, model.signatures()
    if "decode" not in signatures:
        raise ValueError(
            f"{name} has no signature `decode`, the one that converts to {title}; its signatures "
            f"{', '.join(signatures)} need TensorFlow: export them as a SavedModel."
        )
    if format == "onnx":
        _require_tf2onnx()
    function = _decode_function(_in_float32(model), batch_size if format == "litert" else None)
    try:
        # What goes wrong the converters raise, beside logging each step.
        with saved_model.quiet("CRITICAL", "absl", "tensorflow", "tf2onnx"):
            content = convert_function(function)
    except Exception as error:  # of any class, each converter having its own
        message = textwrap.shorten(str(error), 400)
        raise ValueError(f"signature `decode` of {name} does not convert to {title}: {message}") from error
    _refuse_existing(path)  # another process may have been faster
    files.write(path, content)
    return str(path)


def _refuse_existing(path):
    if path.exists():
        raise FileExistsError(f"{str(path)!r} exists; choose another `path`.")


def _require_tf2onnx():
    try:
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise ImportError("format='onnx' needs tf2onnx: pip install 'keras-genzoo[onnx]'") from error


def _in_float32(model):
    """The model, or a copy in float32 with the same weights where it has another policy."""
    if model.dtype_policy.name == "float32":
        return model
    copy = type(model).from_config({**model.get_config(), "dtype": "float32"})
    copy.set_weights(model.get_weights())
    return copy


def _decode_function(model, batch_size):
    """The signature as a traced `tf.function`, unchecked, as assertions do not convert."""
    decode = saved_model.traced(model.signatures()["decode"], checked=False, batch_size=batch_size)
    operations = decode.get_concrete_function().graph.get_operations()
    dtypes = {x.dtype for operation in operations for x in operation.outputs if x.dtype.is_floating}
    if dtypes != {tf.float32}:  # a network the user gave has a policy of its own
        others = ", ".join(sorted(dtype.name for dtype in dtypes - {tf.float32}))
        raise ValueError(
            f"signature `decode` of {type(model).__name__} computes in {others} and converts in float32 only: build "
            "the network it was given with dtype='float32'."
        )
    return decode


# Not by Keras's exporters: they want a model around the function, call LiteRT's signature `serving_default`, and write
# an ONNX file that no runtime loads where ONNX lacks an operation.


def _to_onnx(function):
    import onnx
    import tf2onnx

    model, _ = tf2onnx.convert.from_function(
        function, function.input_signature, custom_op_handlers={"Expm1": (_expm1, [])}
    )
    onnx.checker.check_model(model)  # tf2onnx leaves in what it cannot convert
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    return model.SerializeToString()


def _expm1(graph, node, name, args):
    """exp(x) - 1, which ONNX lacks, as tanh(x / 2) (exp(x) + 1): the difference would cancel near zero."""
    (x,), (result,) = node.input, node.output
    shape, dtype = graph.get_shape(result), graph.get_dtype(result)
    half, one = (graph.make_const(f"{name}/{value}", np.float32(value)).output[0] for value in (0.5, 1))
    tangent = graph.make_node("Tanh", [graph.make_node("Mul", [x, half]).output[0]]).output[0]
    plus_one = graph.make_node("Add", [graph.make_node("Exp", [x]).output[0], one]).output[0]
    graph.remove_node(name)
    graph.make_node("Mul", [tangent, plus_one], outputs=[result], shapes=[shape], dtypes=[dtype])


def _to_litert(function):
    with tempfile.TemporaryDirectory() as scratch:
        saved_model.save({"decode": function}, scratch)
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=["decode"])
        return converter.convert()


FORMATS = {"onnx": Format("ONNX", ".onnx", _to_onnx), "litert": Format("LiteRT", ".tflite", _to_litert)}

"""Checks of what enters the package, done before any work: each says which argument was wrong, what was given, what is
accepted and what to do.

An assertion inside a graph, a `tf.data` pipeline or a worker of a data set becomes the same plain ValueError as one
outside: `require` marks it, `clear_errors` knows it again.
"""

import contextlib
import math
import numbers
import operator
import re

import numpy as np
import tensorflow as tf

_MARK = "keras_genzoo: "  # how an error of ours is told apart from TensorFlow's own


def as_array(values, name):
    """Values as a NumPy array, without a copy where they are one; a tensor, also one of a graph, as it is.

    Args:
        values: array, tensor, or what NumPy makes an array of numbers of.
        name: the argument's name, for the message.

    Raises:
        ValueError: for ragged or sparse values, and for anything but numbers.
    """
    if isinstance(values, (tf.RaggedTensor, tf.SparseTensor)):
        raise ValueError(
            f"`{name}` must be one dense array or tensor; got a {type(values).__name__}. Resize images of several "
            "sizes to one (tf.image.resize), or make it dense by its to_tensor() or tf.sparse.to_dense."
        )
    if tf.is_tensor(values):
        return values
    try:
        array = np.asarray(values)
    except ValueError as error:  # lists of unequal lengths
        raise ValueError(f"`{name}` must be one array or tensor; NumPy makes none of it: {error}") from None
    if array.dtype.kind in "OSUMm":
        raise ValueError(f"`{name}` must be one array or tensor of numbers; got a {type(values).__name__} of others.")
    return array


def extent(values):
    """The least and the largest of an array or tensor, NaN if it holds one; both 0 where it is empty."""
    if isinstance(values, np.ndarray):
        return (values.min(), values.max()) if values.size else (0, 0)
    low, high = tf.reduce_min(values), tf.reduce_max(values)
    return tuple(tf.where(tf.size(values) == 0, tf.zeros_like(end), end) for end in (low, high))


def require(condition, value, *message):
    """Returns `value` behind an assertion; works inside a graph and a tf.data pipeline.

    Args:
        condition: bool scalar tensor, or bool of NumPy, which is checked at once and without TensorFlow.
        value: tensor or array that must not be used where the condition fails.
        *message: strings and scalars, which are joined into one line (those of tensors by `clear_errors`).
    """
    if not tf.is_tensor(condition):
        if not condition:
            raise ValueError(" ".join(map(str, message)))
        return value
    check = tf.debugging.Assert(condition, [_MARK, *message])
    with tf.control_dependencies([] if check is None else [check]):  # None: eager, and it held
        return tf.identity(value)


@contextlib.contextmanager
def clear_errors():
    """Turns an assertion of this package, raised by TensorFlow's runtime, into a plain ValueError."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if _MARK not in error.message:
            raise
        message = error.message.split(_MARK, 1)[1]
        if f"ValueError: {_MARK}" in error.message:  # raised by Python code that TensorFlow called
            raise ValueError(message.split("\n", 1)[0]) from None
        # TensorFlow prints the parts as lines of b'text' or 0.5 outside a graph, and inside as [text] [0.5] in one.
        message = message.split("\n\t [[", 1)[0]
        parts = message.split("] [") if message.startswith("]") else message.splitlines()
        parts = [re.fullmatch(r"\s*(?:b')?(.*?)\]?'?\s*", part, re.DOTALL)[1] for part in parts]
        message = re.sub(r"\\([\'\"])", r"\1", " ".join(part for part in parts if part))  # it escapes quotes, too
        raise ValueError(message) from None
    except ValueError as error:
        if not str(error).startswith(_MARK):
            raise
        raise ValueError(str(error).removeprefix(_MARK)) from None


@contextlib.contextmanager
def mark_errors():
    """Marks a ValueError of a check that TensorFlow may call, so that `clear_errors` knows it afterwards."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{_MARK}{error}") from None


def stateless_seed(seed):
    """An integer seed as a stateless TFP seed, int32 `(2,)`."""
    try:
        seed = operator.index(seed)
    except TypeError:
        raise ValueError(f"`seed` must be an integer or None; got {seed!r}.") from None
    if not -(2**31) <= seed < 2**31:
        raise ValueError(f"`seed` must fit in 32 bits, as in the exported model; got {seed}.")
    return tf.constant([seed, 0], tf.int32)


def positive_integers(name, values, length=None):
    """The values as a tuple of `length` ints, or of any number of them; ValueError unless all are positive."""
    try:
        result = tuple(operator.index(value) for value in values)
    except TypeError:
        result = ()
    if not result or len(result) != (length or len(result)) or any(value < 1 for value in result):
        wanted = {None: "a tuple of positive integers", 1: "a positive integer"}.get(
            length, "(height, width, channels)"
        )
        raise ValueError(f"`{name}` must be {wanted}; got {values[0] if length == 1 else values!r}.")
    return result


def not_negative(name, value):
    """The value; ValueError unless it is a finite number, 0 or more."""
    if not isinstance(value, numbers.Real) or not 0 <= value < math.inf:
        raise ValueError(f"`{name}` must be a number, not negative; got {value!r}.")
    return value


def distinct_names(name, value, choices):
    """Names given as a tuple, or between commas in a string, as a tuple; ValueError unless some, known and distinct."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, (tuple, list)) else ()
    result = tuple(part.strip() if isinstance(part, str) else part for part in parts)
    if not result or len(set(map(str, result))) < len(result) or any(part not in choices for part in result):
        raise ValueError(
            f"`{name}` must be one or more of {', '.join(map(repr, choices))}, each at most once, as a tuple or "
            f"between commas ({','.join(choices)!r}); got {value!r}. None does nothing."
        )
    return result

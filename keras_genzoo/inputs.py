"""What may enter a model: batches and networks, checked before any work is done.

Every check says which argument was wrong, what was given, what is accepted and what to do.
"""

import math
import operator
import re
import textwrap

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import images as image_convention


def split_batch(data):
    """Splits `images`, `(images, labels)` or `{"image": ..., "label": ...}`, as TFDS gives it, in two.

    Returns:
        images, and labels or None.
    """
    if isinstance(data, dict):
        if "image" not in data:
            raise ValueError(
                "a batch given as a dict must have the key 'image' (and 'label' for a conditional model); "
                f"got the keys {sorted(data)}. Use dataset.map to rename them."
            )
        return data["image"], data.get("label")
    if isinstance(data, (tuple, list)):
        if len(data) > 2 and data[2] is not None:
            raise ValueError(
                "a batch must be images, (images, labels) or {'image', 'label'}; got a third element. "
                "Sample weights are not supported: drop them with dataset.map."
            )
        return data[0], data[1] if len(data) > 1 else None
    return data, None


def check_labels(labels, num_classes, num_expected=None, name="labels", check_values=None):
    """Checks the labels of a batch.

    Args:
        labels: integers `(n,)` in 0..num_classes-1, or None.
        num_classes: int, or None for a model without classes, which ignores labels.
        num_expected: int, n where it is known.
        name: the argument's name, for the message.
        check_values: bool, whether to look at the values; by default outside a graph only.

    Returns:
        int32 tensor `(n,)` (an array where one was given), or None for a model without classes.

    Raises:
        ValueError: for labels missing, of a wrong shape or dtype, or out of range.
    """
    if num_classes is None:
        return None
    if labels is None:
        raise ValueError(
            f"`{name}` are missing: this model has num_classes={num_classes}. Give a batch (images, labels), "
            "or pass labels= with one integer an example."
        )
    labels = image_convention.as_array(labels, name)
    dtype, shape = tf.as_dtype(labels.dtype), tf.TensorShape(labels.shape)
    if not dtype.is_integer or shape.rank not in (1, None):
        raise ValueError(
            f"`{name}` must be integers of shape (n,); got dtype {dtype.name}, shape {shape}. "
            "One-hot labels become integers with tf.argmax(labels, axis=-1)."
        )
    _check_number(labels, num_expected, name)
    if tf.executing_eagerly() if check_values is None else check_values:
        low, high = image_convention.extent(labels)
        with image_convention.clear_errors():
            labels = image_convention.require(
                (low >= 0) & (high < num_classes),
                labels,
                f"`{name}` must lie in 0..{num_classes - 1} (num_classes={num_classes}); this batch holds",
                low,
                "to",
                high,
            )
    return _cast(labels, tf.int32)


def check_vectors(labels, condition_dim, num_expected=None, name="labels", check_values=None):
    """Checks the vectors that stand for labels where a model is conditioned on vectors.

    Args:
        labels: floats `(n, condition_dim)`, finite.
        condition_dim: int.
        num_expected: int, n where it is known.
        name: the argument's name, for the message.
        check_values: bool, whether to look at the values; by default outside a graph only.

    Returns:
        float32 tensor `(n, condition_dim)`; an array where one was given.

    Raises:
        ValueError: for vectors missing, of a wrong shape or dtype, or not finite.
    """
    if labels is None:
        raise ValueError(
            f"`{name}` are missing: this model has condition_dim={condition_dim}. Give a batch (images, vectors), or "
            "pass labels= with one vector an example."
        )
    labels = image_convention.as_array(labels, name)
    dtype, shape = tf.as_dtype(labels.dtype), tf.TensorShape(labels.shape)
    if not dtype.is_floating or not shape.is_compatible_with((None, condition_dim)):
        raise ValueError(
            f"`{name}` must be floats of shape (n, {condition_dim}), as condition_dim says; "
            f"got dtype {dtype.name}, shape {shape}."
        )
    _check_number(labels, num_expected, name)
    labels = _cast(labels, tf.float32)
    return check_finite(labels, name) if tf.executing_eagerly() or check_values else labels


def check_latents(latents, latent_dim, name="latents", check_values=None):
    """float32 latents `(..., n, latent_dim)`; ValueError where they are anything else."""
    latents = image_convention.as_array(latents, name)
    dtype, shape = tf.as_dtype(latents.dtype), tf.TensorShape(latents.shape)
    if not dtype.is_floating or shape.rank is None or shape.rank < 2 or shape[-1] != latent_dim:
        raise ValueError(
            f"`{name}` must be floating of shape (..., n, {latent_dim}); got dtype {dtype.name}, shape {shape}."
        )
    latents = _cast(latents, tf.float32)
    return check_finite(latents, name) if tf.executing_eagerly() or check_values else latents


def check_finite(values, name):
    """Returns `values`, an array or tensor of floats, required to be finite."""
    low, high = image_convention.extent(values)
    message = f"`{name}` must be finite; this batch holds NaN or infinite numbers."
    with image_convention.clear_errors():
        return image_convention.require((abs(low) < math.inf) & (abs(high) < math.inf), values, message)


def check_batch(batch, check_first, check_labels=None, names=("images", "labels")):
    """Checks a batch as `fit` takes them, its values too: inside a graph when that runs, or of NumPy at once.

    Args:
        batch: what `split_batch` takes.
        check_first: function of what comes first, given also as `name`, that returns it checked.
        check_labels: function that checks labels, given as `labels`, `num_expected`, `name` and `check_values`, and
            returns them; None for a model that ignores them.
        names: names of the two arguments, for messages.

    Returns:
        tuple of what comes first and, for a model that wants them, labels.
    """
    first, labels = split_batch(batch)
    first = check_first(first, name=names[0])
    if check_labels is None:
        return (first,)
    return first, check_labels(labels, num_expected=first.shape[0], name=names[1], check_values=True)


def _cast(values, dtype):
    """Arrays stay arrays, so that the workers of a data set, which must not run TensorFlow, can check batches."""
    if isinstance(values, np.ndarray):
        return values.astype(dtype.as_numpy_dtype, copy=False)
    return tf.cast(values, dtype)


def _check_number(labels, num_expected, name):
    if tf.executing_eagerly() and num_expected is not None and len(labels) != num_expected:
        raise ValueError(f"`{name}` must hold one label an example: expected {num_expected}, got {len(labels)}.")


def check_network(name, network, input_shape, expected, num_classes=None):
    """Checks a network that a user gave, and builds it where it is not built.

    Args:
        name: the argument's name, for the message.
        network: Keras model.
        input_shape: tuple, of an example it takes.
        expected: tuple, of what it must give for one.
        num_classes: int or None; with a number it takes a list of the input and integer labels `(n,)`.

    Raises:
        ValueError: for anything but a Keras model, one that cannot be called on such inputs, and other outputs.
    """
    if not isinstance(network, keras.Model):
        raise ValueError(
            f"`{name}` must be a Keras model; got a {type(network).__name__}. A layer becomes one by "
            "keras.Sequential([layer])."
        )
    try:
        given = network.output_shape
    except AttributeError:  # not built yet, or a subclass of keras.Model, which tells no shape
        given = _output_shape(name, network, input_shape, num_classes)
    wanted = f"`{name}` must give outputs of shape ({', '.join(map(str, ('n', *expected)))})"
    if not isinstance(given, tuple) or not all(side is None or isinstance(side, int) for side in given):
        raise ValueError(f"{wanted}, one array; this one gives {given}.")
    if given[1:] != expected:
        raise ValueError(f"{wanted}; this one gives ({', '.join(map(str, ('n', *given[1:])))}).")


def _output_shape(name, network, input_shape, num_classes):
    """The shape that a network gives, from a symbolic call, which also builds it."""
    inputs = keras.Input(input_shape, dtype="float32")
    if num_classes:
        inputs = [inputs, keras.Input((), dtype="int32")]
    try:
        outputs = network(inputs)
    except Exception as error:  # of any class: it is the user's code
        taken = f"inputs of shape ({', '.join(map(str, ('n', *input_shape)))})"
        if num_classes:
            taken = f"a list of {taken} and integer labels (n,)"
        why = textwrap.shorten(re.sub(r"\x1b\[\d+m", "", str(error)), 400)  # Keras's own may come in bold and colours
        raise ValueError(f"`{name}` cannot be called on {taken}: {why}") from error
    return getattr(outputs, "shape", outputs)


def stateless_seed(seed):
    """An integer seed as a stateless TFP seed, int32 `(2,)`."""
    try:
        seed = operator.index(seed)
    except TypeError:
        raise ValueError(f"`seed` must be an integer or None; got {seed!r}.") from None
    if not -(2**31) <= seed < 2**31:
        raise ValueError(f"`seed` must fit in 32 bits, as in the exported model; got {seed}.")
    return tf.constant([seed, 0], tf.int32)


def positive_integers(name, values, length):
    """The values as a tuple of `length` ints; ValueError naming the argument unless all are positive."""
    try:
        result = tuple(operator.index(value) for value in values)
    except TypeError:
        result = ()
    if len(result) != length or any(value < 1 for value in result):
        wanted = "(height, width, channels)" if length > 1 else "a positive integer"
        raise ValueError(f"`{name}` must be {wanted}; got {values[0] if length == 1 else values!r}.")
    return result

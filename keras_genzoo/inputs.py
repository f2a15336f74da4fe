"""What may enter a model: batches and data sets, split and checked before any work is done.

Every check says which argument was wrong, what was given, what is accepted and what to do.
"""

import operator

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
        int32 tensor `(n,)`, or None for a model without classes.

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
    labels = tf.convert_to_tensor(list(labels) if isinstance(labels, range) else labels)
    if not labels.dtype.is_integer or labels.shape.rank not in (1, None):
        raise ValueError(
            f"`{name}` must be integers of shape (n,); got dtype {labels.dtype.name}, shape {labels.shape}. "
            "One-hot labels become integers with tf.argmax(labels, axis=-1)."
        )
    _check_number(labels, num_expected, name)
    if tf.executing_eagerly() if check_values is None else check_values:
        with image_convention.clear_errors():
            labels = image_convention.require(
                tf.reduce_all((labels >= 0) & (labels < num_classes)),
                labels,
                f"`{name}` must lie in 0..{num_classes - 1} (num_classes={num_classes}); this batch holds",
                tf.reduce_min(labels),
                "to",
                tf.reduce_max(labels),
            )
    return tf.cast(labels, tf.int32)


def check_vectors(labels, condition_dim, num_expected=None, name="labels", check_values=None):
    """Checks the vectors that stand for labels where a model is conditioned on vectors.

    Args:
        labels: floats `(n, condition_dim)`, finite.
        condition_dim: int.
        num_expected: int, n where it is known.
        name: the argument's name, for the message.
        check_values: bool, whether to look at the values; by default outside a graph only.

    Returns:
        float32 tensor `(n, condition_dim)`.

    Raises:
        ValueError: for vectors missing, of a wrong shape or dtype, or not finite.
    """
    if labels is None:
        raise ValueError(
            f"`{name}` are missing: this model has condition_dim={condition_dim}. Give a batch (images, vectors), or "
            "pass labels= with one vector an example."
        )
    labels = tf.convert_to_tensor(labels)
    if not labels.dtype.is_floating or not labels.shape.is_compatible_with((None, condition_dim)):
        raise ValueError(
            f"`{name}` must be floats of shape (n, {condition_dim}), as condition_dim says; "
            f"got dtype {labels.dtype.name}, shape {labels.shape}."
        )
    _check_number(labels, num_expected, name)
    labels = tf.cast(labels, tf.float32)
    if tf.executing_eagerly() if check_values is None else check_values:
        message = f"`{name}` must be finite; this batch holds NaN or infinite numbers."
        with image_convention.clear_errors():
            labels = image_convention.require(tf.reduce_all(tf.math.is_finite(labels)), labels, message)
    return labels


def _check_number(labels, num_expected, name):
    if tf.executing_eagerly() and num_expected is not None and len(labels) != num_expected:
        raise ValueError(f"`{name}` must hold one label an example: expected {num_expected}, got {len(labels)}.")


def check_data(x, y, image_shape, check_labels, name="x"):
    """Checks what `fit` and `evaluate` are given; the batches of a data set, one by one as they come.

    Args:
        x: `tf.data.Dataset` of batches, array or tensor of images, or anything else Keras takes, which passes.
        y: labels where x is an array.
        image_shape: tuple `(h, w, c)`.
        check_labels: function that checks labels, given as `labels`, `num_expected`, `name` and `check_values`, and
            returns them; None for a model without labels.
        name: the argument's name, for the message.

    Returns:
        x and y for Keras.
    """

    @tf.autograph.experimental.do_not_convert
    def check_batch(*data):
        images, labels = split_batch(data[0] if len(data) == 1 else data)
        image_convention.check_spec(images.shape, images.dtype, image_shape)
        images = image_convention.check_values(images)
        return images if check_labels is None else (images, check_labels(labels, check_values=True))

    if isinstance(x, tf.data.Dataset):
        if x.cardinality() == 0:
            raise ValueError(f"`{name}` is an empty data set: it has no batch to work on.")
        return x.map(check_batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE), None
    if isinstance(x, (np.ndarray, tf.Tensor)):
        if not len(x):
            raise ValueError(f"`{name}` is empty: it has no image to work on.")
        image_convention.check(x, image_shape, name)
        if check_labels is not None:
            check_labels(y, num_expected=len(x), name="y")
    return x, y


class RefuseEmptyData(keras.callbacks.Callback):
    """Raises where a data set whose length is not known beforehand turns out to hold no batch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.num_train_batches = 0

    def on_test_begin(self, logs=None):
        self.num_test_batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.num_train_batches += 1

    def on_test_batch_end(self, batch, logs=None):
        self.num_test_batches += 1

    def on_epoch_end(self, epoch, logs=None):
        self._check(self.num_train_batches, "x")

    def on_test_end(self, logs=None):
        self._check(self.num_test_batches, "the evaluation data")

    def _check(self, num_batches, name):
        if not num_batches:
            raise ValueError(f"{name} is an empty data set: it gave no batch to work on.")


def with_refusal_of_empty_data(callbacks):
    """The `callbacks` argument of `fit` or `evaluate`, with RefuseEmptyData in front."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    if isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [callbacks]
    return [RefuseEmptyData(), *(callbacks or [])]


def check_network(name, network, expected):
    """ValueError naming the argument unless the network's outputs have the shape `(n, *expected)`."""
    given = network.output_shape[1:]
    if tuple(given) != expected:
        raise ValueError(
            f"`{name}` must give outputs of shape (n, {', '.join(map(str, expected))}); "
            f"this one gives (n, {', '.join(map(str, given))})."
        )


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

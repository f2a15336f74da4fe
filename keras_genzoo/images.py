"""The image convention of the zoo, and pictures people look at.

Images enter a model as `(n, h, w, c)`, either float in [0, 1] or uint8 in 0..255 (told apart by their dtype),
and leave it as float32 in [0, 1]. Any other range (tanh, 256 levels, bits) is a model's private business.
"""

import contextlib
import math
import re

import numpy as np
import tensorflow as tf

from keras_genzoo import files

_MARK = "keras_genzoo: "  # how an error of ours is told apart from TensorFlow's own
_TOLERANCE = 1e-5  # resizing in float32 may overshoot 1.0 by a rounding error
_SMALLEST_TILE = 56  # pixels; smaller images are enlarged so that a person can see them


def to_float(images):
    """Converts images to float32 in [0, 1].

    Args:
        images: tensor, uint8 in 0..255 or float in [0, 1].

    Returns:
        float32 tensor of the same shape.
    """
    images = tf.convert_to_tensor(images)
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / 255.0
    return tf.cast(images, tf.float32)


def check_spec(shape, dtype, image_shape, name="images"):
    """Checks what is known of a batch of images without looking at its values.

    Args:
        shape: `tf.TensorShape` of the batch, `(n, h, w, c)`.
        dtype: `tf.DType` of the batch.
        image_shape: tuple `(h, w, c)` the model was built for.
        name: the argument's name, for the message.

    Raises:
        ValueError: for a wrong rank or shape, or a dtype that is neither floating nor uint8.
    """
    expected = (None, *image_shape)
    if not shape.is_compatible_with(expected):
        given = tuple(shape) if shape.rank is not None else "of unknown rank"
        hint = ""
        if shape.rank == 3 and tuple(shape)[1:] == image_shape[:2]:
            hint = " Add the channel axis: images[..., None]."
        elif shape.rank == 3 and tuple(shape) == tuple(image_shape):
            hint = " This looks like one image or an unbatched data set: use images[None] or dataset.batch(128)."
        elif shape.rank == 4:
            hint = " Resize the images, or build the model with their image_shape."
        raise ValueError(f"`{name}` must have shape (n, {', '.join(map(str, image_shape))}); got {given}.{hint}")
    if not (dtype.is_floating or dtype == tf.uint8):
        raise ValueError(
            f"`{name}` must be floating in [0, 1] or uint8 in 0..255; got dtype {dtype.name}. "
            f"Cast it: tf.cast({name}, tf.uint8) for levels 0..255, or divide by the largest level."
        )


def require(condition, value, *message):
    """Returns `value` behind an assertion; works inside a graph and a tf.data pipeline.

    Args:
        condition: bool scalar tensor.
        value: tensor that must not be used where the condition fails.
        *message: strings and scalar tensors, which `clear_errors` joins into one line.
    """
    check = tf.debugging.Assert(condition, [_MARK, *message])
    with tf.control_dependencies([] if check is None else [check]):  # None: eager, and it held
        return tf.identity(value)


def check_values(images, name="images"):
    """Returns `images`, required to lie in [0, 1] without NaN where they are floats."""
    if images.dtype == tf.uint8:
        return images
    low, high = tf.reduce_min(images), tf.reduce_max(images)
    within = (low >= -_TOLERANCE) & (high <= 1 + _TOLERANCE)  # false for NaN
    return require(
        within | (tf.size(images) == 0),
        images,
        f"`{name}` given as floats must lie in [0, 1] and hold no NaN; this batch spans",
        low,
        "to",
        high,
        "(rescale them, or give uint8 images in 0..255).",
    )


def check(images, image_shape, name="images"):
    """Checks and converts a batch of images that enters a model.

    Args:
        images: array or tensor `(n, h, w, c)`, float in [0, 1] or uint8 in 0..255.
        image_shape: tuple `(h, w, c)` the model was built for.
        name: the argument's name, for the message.

    Returns:
        float32 tensor `(n, h, w, c)` in [0, 1].

    Raises:
        ValueError: for a wrong shape, rank or dtype, and (outside a graph) for values outside [0, 1] or NaN.
    """
    images = tf.convert_to_tensor(images)
    check_spec(images.shape, images.dtype, image_shape, name)
    if tf.executing_eagerly():
        with clear_errors():
            images = check_values(images, name)
    return to_float(images)


@contextlib.contextmanager
def clear_errors():
    """Turns an assertion of this package, raised by TensorFlow's runtime, into a plain ValueError."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if _MARK not in error.message:
            raise
        # TensorFlow prints the parts as lines of b'text' or 0.5 outside a graph, and inside as [text] [0.5] in one.
        message = error.message.split(_MARK, 1)[1].split("\n\t [[", 1)[0]
        parts = message.split("] [") if message.startswith("]") else message.splitlines()
        parts = [re.fullmatch(r"\s*(?:b')?(.*?)\]?'?\s*", part, re.DOTALL)[1] for part in parts]
        raise ValueError(" ".join(part for part in parts if part)) from None


def grid(images, num_columns=None):
    """Tiles images into one picture, row by row, on a thin border.

    Args:
        images: `(n, h, w, c)`, or `(rows, columns, h, w, c)` such as `interpolate` returns; c is 1 or 3;
            float in [0, 1] or uint8.
        num_columns: int, images a row; by default the square root of n, rounded up.

    Returns:
        uint8 array `(height, width, c)`. Images smaller than 56 pixels are enlarged by a whole factor.
    """
    images = np.asarray(images)
    if images.ndim == 5:
        num_columns = num_columns or images.shape[1]
        images = images.reshape(-1, *images.shape[2:])
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise ValueError(
            f"`images` must be (n, h, w, c) with n > 0 and c = 1 or 3 to be drawn; got shape {images.shape}."
        )
    if images.dtype != np.uint8:
        images = np.round(np.clip(images.astype("float32"), 0, 1) * 255).astype("uint8")
    n, height, width, channels = images.shape
    zoom = max(1, -(-_SMALLEST_TILE // min(height, width)))
    images = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
    columns = num_columns or math.ceil(math.sqrt(n))
    rows = -(-n // columns)
    border = 2
    tile_height, tile_width = height * zoom + border, width * zoom + border
    picture = np.full((rows * tile_height + border, columns * tile_width + border, channels), 96, np.uint8)
    for i, image in enumerate(images):
        top, left = border + i // columns * tile_height, border + i % columns * tile_width
        picture[top : top + height * zoom, left : left + width * zoom] = image
    return picture


def save_grid(images, path, num_columns=None):
    """Writes `grid(images)` as a PNG file, atomically, making its folder where needed.

    Args:
        images: as for `grid`.
        path: where to write; the name should end in `.png`.
        num_columns: int, images a row; by default the square root of n, rounded up.
    """
    files.write(path, tf.io.encode_png(grid(images, num_columns)).numpy())

"""The image convention of the zoo, and pictures people look at.

Images enter a model as `(n, h, w, c)`, either float in [0, 1] or uint8 in 0..255 (told apart by their dtype),
and leave it as float32 in [0, 1]. Any other range (tanh, 256 levels, bits) is a model's private business.
"""

import contextlib
import io
import math
import re
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_genzoo import files

_LARGEST_FRAME = (400, 400)  # pixels
_MARK = "keras_genzoo: "  # how an error of ours is told apart from TensorFlow's own
_TOLERANCE = 1e-5  # resizing in float32 may overshoot 1.0 by a rounding error
_SMALLEST_TILE = 56  # pixels; smaller images are enlarged so that a person can see them
_SMOOTH_BELOW = 16  # pixels; blocks as large as those of a smaller image's pixels hide what it shows


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


def check_values(images, name="images"):
    """Returns `images`, an array or tensor, required to hold an image's values.

    Floats must lie in [0, 1] without NaN. A batch of bytes that holds 0 and 1 and nothing else is refused: it is bits,
    which as levels of 255 would be black throughout. An image that is so dark in truth can be given as floats.
    """
    low, high = extent(images)
    if tf.as_dtype(images.dtype) == tf.uint8:
        return require(
            high != 1,
            images,
            f"`{name}` given as uint8 have levels 0..255; this batch holds 0 and 1 alone, which would all be black. "
            'Multiply bits by 255; keras_genzoo.data.load("binarized_mnist") does. Images so dark go in as floats, '
            f"{name} / 255.",
        )
    return require(
        (low >= -_TOLERANCE) & (high <= 1 + _TOLERANCE),  # false for NaN
        images,
        f"`{name}` given as floats must lie in [0, 1] and hold no NaN; this batch spans",
        low,
        "to",
        high,
        "(rescale them, or give uint8 images in 0..255).",
    )


def check_batch(images, image_shape, name="images"):
    """Checks a batch of images and returns it as it was, an array or tensor: see `check`.

    Inside a graph values are checked when it runs, so that a `tf.data` pipeline may map its batches by it.
    """
    images = as_array(images, name)
    check_spec(tf.TensorShape(images.shape), tf.as_dtype(images.dtype), image_shape, name)
    if not isinstance(images, np.ndarray):
        images = tf.ensure_shape(images, (None, *image_shape))
    with clear_errors():
        return check_values(images, name)


def check(images, image_shape, name="images"):
    """Checks and converts a batch of images that enters a model.

    Args:
        images: array or tensor `(n, h, w, c)`, float in [0, 1] or uint8 in 0..255.
        image_shape: tuple `(h, w, c)` the model was built for.
        name: the argument's name, for the message.

    Returns:
        float32 tensor `(n, h, w, c)` in [0, 1].

    Raises:
        ValueError: for a wrong shape, rank or dtype, and (outside a graph) for values outside [0, 1] or NaN, and for
            uint8 images of 0 and 1 alone.
    """
    images = as_array(images, name)
    check_spec(tf.TensorShape(images.shape), tf.as_dtype(images.dtype), image_shape, name)
    if tf.executing_eagerly():
        with clear_errors():
            check_values(images, name)
    return to_float(images)


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


def grid(images, num_columns=None):
    """Tiles images into one picture, row by row, on a thin border.

    Args:
        images: `(n, h, w, c)`, or `(rows, columns, h, w, c)` such as `interpolate` returns; c is 1 or 3;
            float in [0, 1] or uint8.
        num_columns: int, images a row; by default the square root of n, rounded up.

    Returns:
        uint8 array `(height, width, c)`. Images smaller than 56 pixels are enlarged by a whole factor, those smaller
        than 16 smoothly (by cubic interpolation).
    """
    images = np.asarray(images)
    if images.ndim == 5:
        num_columns = num_columns or images.shape[1]
        images = images.reshape(-1, *images.shape[2:])
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise ValueError(
            f"`images` must be (n, h, w, c) with n > 0 and c = 1 or 3 to be drawn; got shape {images.shape}."
        )
    n, height, width, channels = images.shape
    zoom = max(1, -(-_SMALLEST_TILE // min(height, width)))
    if images.dtype != np.uint8:
        images = np.clip(images.astype("float32"), 0, 1) * 255
    if min(height, width) < _SMOOTH_BELOW:
        images = tf.image.resize(images, (height * zoom, width * zoom), "bicubic").numpy()
    else:
        images = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
    images = np.round(np.clip(images, 0, 255)).astype("uint8")
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
        path: where to write, a name that ends in `.png`.
        num_columns: int, images a row; by default the square root of n, rounded up.
    """
    _check_suffix(path, ".png")
    files.write(path, tf.io.encode_png(grid(images, num_columns)).numpy())


def save_film(pictures, path, seconds=6.0):
    """Writes pictures, one after another, as an animated GIF that runs for ever, atomically.

    Args:
        pictures: list of paths of PNG files of one size, in order, such as `SampleGrid` writes.
        path: where to write, a name that ends in `.gif`.
        seconds: float, how long the film takes; its last picture then stays for two more. Pictures are left out
            evenly where there would be more than ten a second, and drawn smaller and in fewer colours, for files of a
            megabyte or two.
    """
    _check_suffix(path, ".gif")
    num_frames = min(len(pictures), max(2, round(10 * seconds)))
    frames = [Image.open(pictures[round(i)]) for i in np.linspace(0, len(pictures) - 1, num_frames)]
    for i, frame in enumerate(frames):
        frame.thumbnail(_LARGEST_FRAME)
        frames[i] = frame.quantize(16 if frame.mode == "L" else 128)
    milliseconds = [round(1000 * seconds / num_frames)] * (num_frames - 1) + [2000]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    files.write(path, content.getvalue())


def _check_suffix(path, suffix):
    if Path(path).suffix.lower() != suffix:
        raise ValueError(f"`path` must end in {suffix}, the only format written here; got {str(path)!r}.")

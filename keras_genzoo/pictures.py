"""Pictures that people look at: grids of images, and films of grids."""

import io
import math
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_genzoo import files, picture_files

_LARGEST_FRAME = (400, 400)  # pixels
_SMALLEST_TILE = 56  # pixels; smaller images are enlarged so that a person can see them
_SMOOTH_BELOW = 16  # pixels; blocks as large as those of a smaller image's pixels hide what it shows


def to_float(images):
    """Converts images to float32 in [0, 1].

    Args:
        images: array or tensor, uint8 in 0..255 or float in [0, 1].

    Returns:
        float32 tensor of the same shape.
    """
    images = tf.convert_to_tensor(images)
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / 255.0
    return tf.cast(images, tf.float32)


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


def save(image, path):
    """Writes one image as a PNG file, a pixel for each of its own, atomically, making its folder where needed.

    Args:
        image: `(h, w, c)`, c is 1 or 3; float in [0, 1] or uint8.
        path: where to write, a name that ends in `.png`.
    """
    _check_suffix(path, ".png")
    image = np.asarray(image)
    if image.dtype != np.uint8:
        image = np.round(255 * np.clip(image, 0, 1)).astype("uint8")
    files.write(path, tf.io.encode_png(image).numpy())


def save_film(pictures, path, seconds=6.0):
    """Writes pictures, one after another, as an animated GIF or WebP that runs for ever, atomically.

    Args:
        pictures: list, in order, of paths of PNG files of one size, such as `SampleGrid` writes, or of pictures as
            `grid` gives them.
        path: where to write, a name that ends in `.gif` or `.webp`, which is smaller and keeps all colours.
        seconds: float, how long the film takes; its last picture then stays for two more. Pictures are left out
            evenly where there would be more than ten a second, and drawn smaller (of a GIF in fewer colours), for files
            of a megabyte or two.
    """
    _check_suffix(path, *picture_files.FILM_SUFFIXES)
    is_gif = Path(path).suffix.lower() == ".gif"
    num_frames = min(len(pictures), max(2, round(10 * seconds)))
    frames = [_frame(pictures[round(i)]) for i in np.linspace(0, len(pictures) - 1, num_frames)]
    for i, frame in enumerate(frames):
        frame.thumbnail(_LARGEST_FRAME)
        frames[i] = frame.quantize(16 if frame.mode == "L" else 128) if is_gif else frame.convert("RGB")
    milliseconds = [round(1000 * seconds / num_frames)] * (num_frames - 1) + [2000]
    content = io.BytesIO()
    kind = "GIF" if is_gif else "WEBP"
    frames[0].save(content, kind, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    files.write(path, content.getvalue())


def _frame(picture):
    """A Pillow image, of a path or of an array `(h, w, c)`."""
    if isinstance(picture, np.ndarray):
        return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    return Image.open(picture)


def scatter(points, side=256):
    """A picture of points of a plane, darker where they lie closer together: float32 `(side, side, 1)` in [0, 1].

    Args:
        points: float `(n, 2)`; the first number runs to the right, the second upwards.
        side: int, pixels.
    """
    points = np.asarray(points, "float64")
    low, high = points.min(axis=0), points.max(axis=0)
    middle, reach = (low + high) / 2, max(float((high - low).max()) / 2 * 1.1, 1e-9)
    places = ((points - middle) / reach + 1) / 2 * (side - 1)
    columns, rows = np.round(places[:, 0]).astype(int), side - 1 - np.round(places[:, 1]).astype(int)
    counts = np.zeros((side, side))
    for right in (0, 1):  # dots of 2x2 pixels
        for down in (0, 1):
            np.add.at(counts, (np.minimum(rows + down, side - 1), np.minimum(columns + right, side - 1)), 1)
    return (0.85 ** np.minimum(4 * counts, 40))[..., None].astype("float32")


def read(paths, image_shape):
    """Picture files as images of one shape: float32 `(n, h, w, c)` in [0, 1].

    Args:
        paths: list of paths of PNG, JPEG or WebP files, or of another format that Pillow reads.
        image_shape: tuple `(height, width, channels)`, 1 or 3 channels. Of pictures of another shape the middle is
            taken, as large as these proportions allow, and resized.

    Raises:
        ValueError: for a file that is no picture, which it names.
    """
    *size, channels = image_shape
    return np.stack([picture_files.decode(path, size, channels) for path in paths]).astype("float32") / 255


def _check_suffix(path, *suffixes):
    if Path(path).suffix.lower() not in suffixes:
        raise ValueError(f"`path` must end in {' or '.join(suffixes)}, as is written here; got {str(path)!r}.")

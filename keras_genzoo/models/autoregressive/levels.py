"""Images of a few levels: what an autoregressive model gives probabilities to, and nothing between."""

import numpy as np
import tensorflow as tf

from keras_genzoo import images as image_convention


def check(images, num_levels, known=True, name="images"):
    """Images at exact levels, required to have been there wherever they are known.

    Args:
        images: float array or tensor `(n, h, w, c)`.
        num_levels: int.
        known: bool, broadcast to the images.
        name: the argument's name, for the message.

    Returns:
        the images, each value at its nearest level.
    """
    if isinstance(images, np.ndarray) and not images.size:
        return images
    ops = np if isinstance(images, np.ndarray) else tf
    rounded = ops.round(images * (num_levels - 1)) / (num_levels - 1)
    distance = ops.reshape(ops.where(known, ops.abs(images - rounded), 0.0), [-1])
    worst = ops.argmax(distance)
    is_exact_as_uint8 = 255 % (num_levels - 1) == 0
    tolerance = max(0.01 / (num_levels - 1), 2.5e-4) if is_exact_as_uint8 else 0.501 / 255  # float16, uint8
    if num_levels == 2:
        remedy = 'binarise them: keras_genzoo.data.load(..., binarize="stochastic"), or np.round(images) of floats'
    else:
        remedy = f"round them, as floats: np.round(images * {num_levels - 1}) / {num_levels - 1}"
    if num_levels < 256:
        remedy += "; for 8-bit images as they are, build the model with num_levels=256"
    return image_convention.require(
        distance[worst] <= tolerance,
        rounded,
        f"`{name}` must hold the {num_levels} levels j / {num_levels - 1} alone; this batch holds",
        ops.reshape(images, [-1])[worst],
        f"({remedy}).",
    )


def check_batch(images, image_shape, num_levels, name):
    """A batch of `fit`: see `images.check_batch`; float32 of exact levels."""
    images = image_convention.check_batch(images, image_shape, name)
    if isinstance(images, np.ndarray):
        floats = images.astype("float32") / np.float32(255 if images.dtype == np.uint8 else 1)
    else:
        floats = image_convention.to_float(images)
    with image_convention.clear_errors():
        return check(floats, num_levels, name=name)

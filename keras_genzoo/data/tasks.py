"""Translation tasks that any set of images gives: the target is the image, the source is made of it.

Sources have the sides and dtype of their images, so that every translation model takes them.
"""

import functools

import tensorflow as tf

from keras_genzoo import checks, distributions, domains

_COARSE_SIDE = 16  # pixels; a smaller image loses half its resolution a side, others three quarters
_NOISE = 0.3  # standard deviation, of levels in [0, 1]
BLACK, WHITE = (0.95, 0.85, 0.55), (0.1, 0.2, 0.5)  # what these levels become under "coloured"


def derive(values, source, seed=None):
    """Sources for a translation model to learn from, of the same sides and dtype as the images they are made of.

    - `"low_resolution"`: means of blocks of 4x4 pixels, each drawn as a block; of 2x2 where a side is below 16.
    - `"edges"`: outlines, white on black: dark pixels right above, below or beside a bright one. Bright is a mean over
      channels above the middle between the darkest and the brightest of its image.
    - `"masked"`: the image but for a box of half its height and half its width, at a random place, which is grey (0.5).
    - `"noisy"`: the image under normal noise of standard deviation 0.3, clipped to [0, 1].
    - `"inverted"`: 1 - image.
    - `"coloured"`: inverted and in colours, 3 channels: from light yellow (0.95, 0.85, 0.55) where the image is black
      to dark blue (0.1, 0.2, 0.5) where it is white.

    `data.load(name, source=...)` gives batches `(images, sources)`; for images of your own,
    `data.pairs(images, data.derive(images, "edges"))` does, with boxes and noise that stay the same each epoch.

    Args:
        values: images `(n, h, w, c)`, an array or tensor, float in [0, 1] or uint8.
        source: str, see above.
        seed: int for boxes and noise that repeat, None for new ones.

    Returns:
        `(n, h, w, c)` of the dtype of `values`, and but for colours of their channels; an array where one was given,
        otherwise a tensor.

    Raises:
        ValueError: for an unknown `source`, and for anything but images.
    """
    check_source(source)
    values = checks.as_array(values, "values")
    shape, dtype = tf.TensorShape(values.shape), tf.as_dtype(values.dtype)
    if shape.rank != 4 or not (dtype.is_floating or dtype == tf.uint8):
        raise ValueError(
            f"`values` must be images (n, h, w, c), float in [0, 1] or uint8; got shape {shape}, dtype {dtype.name}. "
            "One image is images[None], a grey one without channels image[..., None]."
        )
    values = domains.Images(tuple(shape[1:])).check(values, "values")
    seed = tf.random.uniform((2,), maxval=tf.int32.max, dtype=tf.int32) if seed is None else checks.stateless_seed(seed)
    sources = of_batch(tf.convert_to_tensor(values), source, seed)
    return sources if tf.is_tensor(values) else sources.numpy()


def check_source(source):
    """ValueError where `source` names no task."""
    distributions.check_choice("source", source, tuple(TASKS))


def of_batch(batch, source, seed):
    """Sources of a batch of images, inside a graph too, by a stateless seed, int32 `(2,)`."""
    levels = 255.0 if batch.dtype == tf.uint8 else 1.0
    x = batch if batch.dtype == tf.float64 else tf.cast(batch, tf.float32)
    sources = TASKS[source](x, levels, seed)  # in 0..levels, where means of bytes are exact
    if batch.dtype == tf.uint8:
        sources = tf.round(sources)
    return tf.cast(sources, batch.dtype)


def _low_resolution(x, levels, seed):
    height, width, channels = x.shape[1:]
    factor = 2 if min(height, width) < _COARSE_SIDE else 4
    rows, columns = -(-height // factor), -(-width // factor)
    surplus = rows * factor - height, columns * factor - width
    x = tf.pad(x, ((0, 0), (0, surplus[0]), (0, surplus[1]), (0, 0)), "SYMMETRIC")
    blocks = tf.reshape(x, (-1, rows, factor, columns, factor, channels))
    means = tf.broadcast_to(tf.reduce_mean(blocks, axis=(2, 4), keepdims=True), tf.shape(blocks))
    return tf.reshape(means, (-1, rows * factor, columns * factor, channels))[:, :height, :width]


def _edges(x, levels, seed):
    grey = tf.reduce_mean(x, axis=-1, keepdims=True)  # (n, h, w, 1)
    darkest, brightest = (reduce(grey, axis=(1, 2, 3), keepdims=True) for reduce in (tf.reduce_min, tf.reduce_max))
    bright = grey > (darkest + brightest) / 2
    padded = tf.pad(bright, ((0, 0), (1, 1), (1, 1), (0, 0)))
    neighbors = padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]
    lines = ~bright & functools.reduce(tf.logical_or, neighbors)
    return tf.broadcast_to(levels * tf.cast(lines, x.dtype), tf.shape(x))


def _masked(x, levels, seed):
    def hidden(side, seed):
        """Which of `side` positions the box covers, `(n, side)`."""
        length = max(1, side // 2)
        start = tf.random.stateless_uniform((tf.shape(x)[0], 1), seed, 0, side - length + 1, tf.int32)
        return (tf.range(side) >= start) & (tf.range(side) < start + length)

    row_seed, column_seed = tf.unstack(tf.random.split(seed, 2))
    box = hidden(x.shape[1], row_seed)[:, :, None, None] & hidden(x.shape[2], column_seed)[:, None, :, None]
    return tf.where(box, levels / 2, x)


def _noisy(x, levels, seed):
    noise = tf.random.stateless_normal(tf.shape(x), seed, dtype=x.dtype)
    return tf.clip_by_value(x + levels * _NOISE * noise, 0.0, levels)


def _inverted(x, levels, seed):
    return levels - x


def _coloured(x, levels, seed):
    black, white = (tf.constant(colour, x.dtype) for colour in (BLACK, WHITE))
    return levels * black + (white - black) * x  # (n, h, w, 3)


TASKS = {
    "low_resolution": _low_resolution,
    "edges": _edges,
    "masked": _masked,
    "noisy": _noisy,
    "inverted": _inverted,
    "coloured": _coloured,
}

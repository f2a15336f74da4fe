"""Differentiable augmentation of what a discriminator sees: Zhao, Liu, Lin, Zhu and Han 2020,
https://arxiv.org/abs/2006.10738.

A discriminator learns few images by heart, and then no longer tells the generator anything. Augmenting the real ones
alone would teach the generator to draw augmented images. So a random transformation T stands before the discriminator
wherever it is asked in training, before real and before generated images, with fresh draws each time:

    D descends on  f_D(D(T(x)), D(T(G(z))))        G descends on  f_G(D(T(G(z))))

The gradient of the generator goes back through T, which is differentiable.

The policies, each by random numbers of its own:

    color        brightness, x + b, b from U(-1/4, 1/4); saturation, about the mean of each pixel's channels by a factor
                 from U(0, 2); contrast, about the mean of each image by a factor from U(1/2, 3/2)
    translation  by whole pixels, up to 1/8 of each side; what comes in is grey
    cutout       a rectangle of half of each side, its centre anywhere in the image, becomes grey

The paper's images lie in [-1, 1], ours in [0, 1]. So its brightness of U(-1/2, 1/2) is half of that here, and its zero,
with which it pads images and fills holes, is 1/2, mid-grey. Factors about a mean are the same in both. As in the paper
levels that leave the range are not clipped, which would leave no gradient.
"""

import tensorflow as tf

from keras_genzoo import checks

_GREY = 0.5
_REACH_OF_TRANSLATION = 1 / 8  # of a side
_SIDE_OF_HOLE = 1 / 2


def uniform_draws(num_images, seed):
    """What decides on the transformations of so many images, float32 `(n, 7)`: numbers of all policies, used or not."""
    return tf.random.stateless_uniform((num_images, 7), seed)


def transform(images, draws, policies):
    """Images under a random transformation each; differentiable, for any number of images, in a graph and under XLA.

    Args:
        images: float `(n, h, w, c)` in [0, 1].
        draws: float `(n, 7)`, from U(0, 1); the same draws are the same transformation.
        policies: tuple of `"color"`, `"translation"` and `"cutout"`, in the order in which they are applied.

    Returns:
        `(n, h, w, c)` of the dtype of `images`; colour may leave [0, 1].
    """
    for policy in policies:
        function, columns = _POLICIES[policy]
        images = function(images, draws[:, columns])
    return images


def get_policies(augmentation):
    """The argument of `compile` as a tuple of policies, empty for None; ValueError for unknown ones."""
    return () if augmentation is None else checks.distinct_names("augmentation", augmentation, tuple(_POLICIES))


def _color(images, draws):
    brightness, saturation, contrast = (
        tf.cast(draws[:, i], images.dtype)[:, None, None, None] for i in range(3)
    )  # (n, 1, 1, 1)
    images += (brightness - 0.5) / 2
    mean = tf.reduce_mean(images, axis=3, keepdims=True)  # (n, h, w, 1)
    images = mean + 2 * saturation * (images - mean)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)  # (n, 1, 1, 1)
    return mean + (0.5 + contrast) * (images - mean)


def _translation(images, draws):
    for axis in (1, 2):
        side = images.shape[axis]
        reach = int(side * _REACH_OF_TRANSLATION + 0.5)
        shift = _integers(draws[:, axis - 1], 2 * reach + 1) - reach  # (n,), towards larger rows and columns
        source = tf.range(side) - shift[:, None]  # (n, side), where each row or column comes from
        moved = tf.gather(images, tf.clip_by_value(source, 0, side - 1), axis=axis, batch_dims=1)
        images = tf.where(_along(axis, (source >= 0) & (source < side)), moved, tf.constant(_GREY, images.dtype))
    return images


def _cutout(images, draws):
    hidden = []
    for axis in (1, 2):
        side = images.shape[axis]
        length = int(side * _SIDE_OF_HOLE + 0.5)
        centre = _integers(draws[:, axis - 1], side + 1 - length % 2)  # holes of even length have theirs between pixels
        offset = tf.range(side) - centre[:, None] + length // 2  # (n, side), from the first row or column hidden
        hidden.append(_along(axis, (offset >= 0) & (offset < length)))
    return tf.where(hidden[0] & hidden[1], tf.constant(_GREY, images.dtype), images)


def _integers(draws, number):
    """Each of 0..number-1 with the same probability, int32 `(n,)`."""
    return tf.cast(tf.floor(draws * number), tf.int32)


def _along(axis, values):
    """Values `(n, side)` along an axis of images, `(n, side, 1, 1)` or `(n, 1, side, 1)`."""
    return values[:, :, None, None] if axis == 1 else values[:, None, :, None]


_POLICIES = {
    "color": (_color, slice(0, 3)),
    "translation": (_translation, slice(3, 5)),
    "cutout": (_cutout, slice(5, 7)),
}

"""The networks of pix2pix: Isola, Zhu, Zhou and Efros 2017, https://arxiv.org/abs/1611.07004, section 6.1.

Differences from the paper:

- Its generator draws noise by dropout, also when it is used. Here the numbers that dropout compares with its rate are
  an input, so that the same numbers give the same image, in any batch and on any machine.
- Its generator normalises by the statistics of the batch, also when it is used, and mostly has batches of one image.
  Here each image is normalised by itself ("instance normalisation", Ulyanov et al. 2016, arxiv.org/abs/1607.08022): the
  same in batches of one, while in others an image does not depend on its neighbours.
- Sides need not be powers of 2: layers that double an image are cropped to what they stand beside.
"""

import itertools
import math

import keras
from keras import layers

from keras_genzoo import networks
from keras_genzoo.networks import instance_normalization

_LARGEST_FACTOR = 8  # filters double with each halving, up to so many times the first layer's
_MOST_HALVINGS = 8  # of the paper, at 256x256
_SMALLEST_SIDE = 4
_DROPOUTS = 3  # layers of the way up, from the innermost
_DROPOUT_RATE = 0.5

PATCHES = {16: 1, 34: 2, 70: 3, 142: 4, 286: 5}  # side of what one score sees -> layers of stride 2
_PATCH_OF_SIDE = {256: 70, 64: 34, 16: 16}  # shorter side from which -> patch by default; below, the whole image


def check_patch(patch):
    """ValueError for an argument `patch` of a model that is none of those there are."""
    if patch not in (None, "image", *PATCHES):
        raise ValueError(f"`patch` must be one of {', '.join(map(str, PATCHES))}, 'image' or None; got {patch!r}.")


def patch_for(image_shape, patch):
    """What `patch_discriminator` takes for the argument `patch` of a model of such images."""
    side = min(image_shape[:2])
    patch = patch or next((size for least, size in _PATCH_OF_SIDE.items() if side >= least), "image")
    return None if patch == "image" else patch


@keras.saving.register_keras_serializable(package="keras_genzoo")
class NoiseDropout(layers.Layer):
    """Dropout, in training or not, by uniform numbers that are an input.

    Called on `[x, noise]`, x `(n, ...)` and noise float32 `(n, m)` in [0, 1): a value is kept, and divided by
    `1 - rate`, where its number is `rate` or more. Its numbers are those from `start` on, as many as x has values.

    Args:
        rate: float in [0, 1).
        start: int.
        **kwargs: `name`, `dtype`.
    """

    def __init__(self, rate, start=0, **kwargs):
        super().__init__(autocast=False, **kwargs)  # in half precision a number below the rate may round up to it
        self.rate, self.start = rate, start

    def call(self, inputs):
        x, noise = inputs
        numbers = noise[:, self.start : self.start + math.prod(x.shape[1:])]
        kept = keras.ops.reshape(numbers, (-1, *x.shape[1:])) >= self.rate
        return x * keras.ops.cast(kept, x.dtype) / (1 - self.rate)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "start": self.start}


def unet(source_shape, target_shape, num_filters=64, dtype=None):
    """`[sources, noise]` to targets `(n, h, w, c)` in [0, 1], float32 under any policy: a U-Net.

    Convolutions halve the source until its shorter side is 1, at most eight times; transposed ones double it again, and
    what went down at each size stands beside what comes up. Sources are float `(n, h, w, c)` in [0, 1]; noise is
    float32 `(n, m)`, uniform in [0, 1), see `noise_shapes`.

    The outermost and the innermost layer of the way down are not normalised. The innermost may give one pixel, which
    less its own mean is 0 whatever the source (the paper's errata).

    Args:
        source_shape: tuple `(h, w, c)`, sides from 4 up; the paper's are 256.
        target_shape: tuple `(h, w, c)`, of the same sides.
        num_filters: int, of the outermost layer; layers inwards have up to 8 times as many. 64 in the paper.
        dtype: Keras dtype policy.

    Raises:
        ValueError: for sides too small, or not the same.
    """
    sizes = _sizes(source_shape)
    if tuple(source_shape[:2]) != tuple(target_shape[:2]):
        raise ValueError(
            f"`target_shape` must have the sides of `source_shape`; got {tuple(target_shape)} and "
            f"{tuple(source_shape)}. Resize one of the two sets (tf.image.resize)."
        )
    masks = noise_shapes(source_shape, num_filters)
    sources = keras.Input(source_shape, name="sources")
    noise = keras.Input((sum(map(math.prod, masks)),), dtype="float32", name="noise")
    x = layers.Rescaling(2.0, -1.0, dtype=dtype)(sources)  # to the range of tanh
    down = []
    for depth in range(len(sizes)):
        is_normalized = 0 < depth < len(sizes) - 1
        x = layers.Conv2D(_filters(depth, num_filters), use_bias=not is_normalized, **_convolution(dtype))(x)
        x = instance_normalization(dtype)(x) if is_normalized else x
        x = layers.LeakyReLU(0.2, dtype=dtype)(x)
        down.append(x)
    starts = itertools.accumulate(map(math.prod, masks), initial=0)
    for i, (skip, size) in enumerate(zip(reversed(down[:-1]), reversed(sizes[:-1]), strict=True)):
        x = layers.Conv2DTranspose(skip.shape[-1], use_bias=False, **_convolution(dtype))(x)
        x = instance_normalization(dtype)(cropped(x, size, dtype))
        if i < _DROPOUTS:
            x = NoiseDropout(_DROPOUT_RATE, next(starts), dtype=dtype)([x, noise])
        x = layers.ReLU(dtype=dtype)(x)
        x = layers.Concatenate(dtype=dtype)([x, skip])
    x = layers.Conv2DTranspose(target_shape[-1], **_convolution(dtype))(x)
    x = layers.Activation("tanh", dtype="float32")(cropped(x, target_shape[:2], dtype))
    return keras.Model([sources, noise], layers.Rescaling(0.5, 0.5, dtype="float32")(x), name="generator")


def noise_shapes(source_shape, num_filters=64):
    """Shapes `(h, w, c)` of the dropout layers of `unet`, innermost first: a number for each value that may be dropped.

    The noise of n images is float32 `(n, m)`, uniform in [0, 1), m the sum over layers of their values, in this order.

    Args:
        source_shape: tuple `(h, w, c)`, see `unet`.
        num_filters: int, see `unet`.
    """
    sizes = _sizes(source_shape)
    inner = range(len(sizes) - 2, -1, -1)[:_DROPOUTS]
    return [(*sizes[depth], _filters(depth, num_filters)) for depth in inner]


def patch_discriminator(
    target_shape, source_shape=None, num_filters=64, patch=70, normalization="batch", num_scores=1, dtype=None
):
    """`[targets, sources]` to scores `(n, rows, columns, 1)`, float32, each of what it sees of the two: a PatchGAN.

    A score sees a window of `patch` by `patch` pixels, or what of it lies in the image. Windows are 8 pixels apart at
    70, 4 at 34, 2 at 16; there is a score for every 8x8 (4x4, 2x2) pixels, so that those at the border see beyond it,
    where the paper has two rows and columns less (30x30 scores of 256x256 pixels, here 32x32).

    With `"layer"` and `"instance"`, and with `"batch"` in training, a score also depends on the rest of the image, by
    the statistics that normalise its features.

    Args:
        target_shape: tuple `(h, w, c)`; images may be smaller than the patch.
        source_shape: tuple `(h, w, c)`, of the same sides, or None for scores of targets alone.
        num_filters: int, of the first layer; layers inwards have up to 8 times as many. 64 in the paper.
        patch: 16, 34, 70, 142 or 286 pixels (the paper has 16, 70 and 286), or None for one score `(n, 1, 1, 1)` of
            the whole image.
        normalization: one of `networks.NORMALIZATIONS`, or `"instance"`, after every convolution but the first and the
            last (`"spectral"`: of every weight).
        num_scores: int, scores of each patch, on the last axis.
        dtype: Keras dtype policy.

    Raises:
        ValueError: for another `patch`, and for sides that are not the same.
    """
    if patch is not None and patch not in PATCHES:
        raise ValueError(f"`patch` must be one of {', '.join(map(str, PATCHES))}, or None; got {patch!r}.")
    inputs = x = keras.Input(target_shape, name="targets")
    if source_shape is not None:
        if tuple(source_shape[:2]) != tuple(target_shape[:2]):
            raise ValueError(
                f"`source_shape` must have the sides of `target_shape`; got {tuple(source_shape)} and "
                f"{tuple(target_shape)}. Resize one of the two sets (tf.image.resize)."
            )
        sources = keras.Input(source_shape, name="sources")
        inputs, x = [inputs, sources], layers.Concatenate(dtype=dtype)([inputs, sources])
    x = layers.Rescaling(2.0, -1.0, dtype=dtype)(x)  # to the range of tanh

    def convolved(x, depth, strides):
        convolution = layers.Conv2D(
            _filters(depth, num_filters),
            use_bias=depth == 0 or normalization in (None, "spectral"),
            **_convolution(dtype, strides),
        )
        x = (networks.normalized if depth else networks.bounded)(convolution, normalization)(x)
        return layers.LeakyReLU(0.2, dtype=dtype)(x)

    num_halvings = PATCHES[patch] if patch else max(1, int(math.log2(min(target_shape[:2]) / _SMALLEST_SIDE)))
    for depth in range(num_halvings):
        x = convolved(x, depth, strides=2)
    if patch:
        x = convolved(x, num_halvings, strides=1)
    last = {**_convolution("float32", 1)}
    if not patch:
        last |= {"kernel_size": x.shape[1:3], "padding": "valid"}
    scores = networks.bounded(layers.Conv2D(num_scores, name="score", **last), normalization)(x)
    return keras.Model(inputs, scores, name="discriminator")


def _sizes(source_shape):
    """Height and width after each halving of an image, until its shorter side is 1."""
    height, width = source_shape[:2]
    if min(height, width) < _SMALLEST_SIDE:
        raise ValueError(
            f"`source_shape` must have sides of at least {_SMALLEST_SIDE} pixels; got {tuple(source_shape)}."
        )
    num_halvings = min(_MOST_HALVINGS, math.ceil(math.log2(min(height, width))))
    return [(-(-height // 2**i), -(-width // 2**i)) for i in range(1, num_halvings + 1)]


def _filters(depth, num_filters):
    return num_filters * min(2**depth, _LARGEST_FACTOR)


def _convolution(dtype, strides=2):
    """What all convolutions share."""
    return {
        "kernel_size": 4,
        "strides": strides,
        "padding": "same",
        "kernel_initializer": keras.initializers.RandomNormal(stddev=0.02),
        "dtype": dtype,
    }


def cropped(x, size, dtype):
    """Maps without the rows and columns at the end that `size`, a height and a width, has no room for."""
    surplus = x.shape[1] - size[0], x.shape[2] - size[1]
    return layers.Cropping2D(((0, surplus[0]), (0, surplus[1])), dtype=dtype)(x) if any(surplus) else x

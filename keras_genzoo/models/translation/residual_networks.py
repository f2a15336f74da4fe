"""The generator of CycleGAN: Zhu, Park, Isola and Efros 2017, https://arxiv.org/abs/1703.10593, section 7.2.

Johnson, Alahi and Fei-Fei's (2016, https://arxiv.org/abs/1603.08155) with instance normalisation: an image is halved
twice, goes through residual blocks at that size, and is doubled twice. In the paper's words

    c7s1-64, d128, d256, R256 x 6 or 9, u128, u64, c7s1-3

Sides need not be multiples of 4: layers that double an image are cropped to the size that it came from.
"""

import keras
from keras import layers

from keras_genzoo.models.translation.networks import cropped, instance_normalization

SMALLEST_SIDE = 5  # pixels; a quarter of it is two of them, which one pixel can still be reflected in
_HALVINGS = 2
_BLOCKS, _BLOCKS_OF_LARGE, _LARGE = 6, 9, 256  # so many from that shorter side on


@keras.saving.register_keras_serializable(package="keras_genzoo")
class ReflectionPadding2D(layers.Layer):
    """Images `(n, h, w, c)` with `padding` pixels more at each border, the image mirrored about its outermost ones.

    Args:
        padding: int, less than either side of the image.
        **kwargs: `name`, `dtype`.
    """

    def __init__(self, padding, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, x):
        border = (self.padding, self.padding)
        return keras.ops.pad(x, ((0, 0), border, border, (0, 0)), mode="reflect")

    def compute_output_shape(self, shape):
        n, height, width, channels = shape
        return n, height + 2 * self.padding, width + 2 * self.padding, channels

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}


def residual_generator(source_shape, target_shape, num_filters=64, num_residual_blocks=None, dtype=None):
    """Sources to targets `(n, h, w, c)` in [0, 1], float32 under any policy.

    Args:
        source_shape: tuple `(h, w, c)`, sides from 5 up.
        target_shape: tuple `(h, w, c)`, of the same sides.
        num_filters: int, of the outermost layers; those inwards have two and four times as many. 64 in the paper.
        num_residual_blocks: int; by default 9 from 256 pixels up and 6 below, as in the paper.
        dtype: Keras dtype policy.
    """
    if num_residual_blocks is None:
        num_residual_blocks = _BLOCKS_OF_LARGE if min(source_shape[:2]) >= _LARGE else _BLOCKS
    inputs = keras.Input(source_shape, name="sources")
    x = layers.Rescaling(2.0, -1.0, dtype=dtype)(inputs)  # to the range of tanh
    x = _convolved(ReflectionPadding2D(3, dtype=dtype)(x), num_filters, 7, dtype, padding="valid")
    sizes = []
    for depth in range(1, _HALVINGS + 1):
        sizes.append(x.shape[1:3])
        x = _convolved(x, num_filters * 2**depth, 3, dtype, strides=2)
    for _ in range(num_residual_blocks):
        x = layers.Add(dtype=dtype)([x, _residual(x, dtype)])
    for depth, size in zip(reversed(range(_HALVINGS)), reversed(sizes), strict=True):
        x = layers.Conv2DTranspose(num_filters * 2**depth, 3, strides=2, **_without_bias(dtype, "same"))(x)
        x = layers.ReLU(dtype=dtype)(instance_normalization(dtype)(cropped(x, size, dtype)))
    x = ReflectionPadding2D(3, dtype=dtype)(x)
    x = layers.Conv2D(target_shape[-1], 7, kernel_initializer=_initializer(), dtype=dtype)(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, layers.Rescaling(0.5, 0.5, dtype="float32")(x), name="generator")


def _residual(x, dtype):
    """What a block adds to x: two convolutions, no activation after the second."""
    filters = x.shape[-1]
    x = _convolved(ReflectionPadding2D(1, dtype=dtype)(x), filters, 3, dtype, padding="valid")
    x = layers.Conv2D(filters, 3, **_without_bias(dtype, "valid"))(ReflectionPadding2D(1, dtype=dtype)(x))
    return instance_normalization(dtype)(x)


def _convolved(x, filters, size, dtype, strides=1, padding="same"):
    x = layers.Conv2D(filters, size, strides=strides, **_without_bias(dtype, padding))(x)
    return layers.ReLU(dtype=dtype)(instance_normalization(dtype)(x))


def _without_bias(dtype, padding):
    """What the convolutions share that are normalised, which takes a bias away again."""
    return {"padding": padding, "use_bias": False, "kernel_initializer": _initializer(), "dtype": dtype}


def _initializer():
    return keras.initializers.RandomNormal(stddev=0.02)

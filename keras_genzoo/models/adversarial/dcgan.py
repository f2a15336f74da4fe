"""The deep convolutional GAN: Radford et al. 2016, https://arxiv.org/abs/1511.06434.

A GAN whose players are convolutional throughout. What the paper found to make such a game stable:

- no pooling: the discriminator halves the image with strided convolutions, the generator doubles it with
  fractionally strided (transposed) ones;
- batch normalisation in both, except at the generator's output and the discriminator's input;
- ReLU in the generator and tanh at its end, leaky ReLU of slope 0.2 in the discriminator;
- weights from N(0, 0.02); Adam at 2e-4 with beta_1 0.5.

The paper's networks are those for 64x64x3, the generator with 1024, 512, 256 and 128 filters.
"""

import functools
import math

import keras
from keras import layers

from keras_genzoo import networks
from keras_genzoo.checks import positive_integers
from keras_genzoo.layers import BlockConv2D, BlockConv2DTranspose
from keras_genzoo.models.adversarial.gan import GAN
from keras_genzoo.networks import Builder

_SMALLEST_SIDE = 4  # images are halved until a side would fall below this, and at least twice
_SIDE_OF_THE_PAPER = 64
_LARGEST_FACTOR = 8  # filters double with each halving, up to so many times the first layer's


def conv_generator(latent_dim, image_shape, num_classes=None, num_filters=None, dtype=None):
    """Latents `(n, latent_dim)`, or `[latents, labels]`, to images `(n, h, w, c)` in [0, 1].

    Args:
        latent_dim: int.
        image_shape: tuple `(h, w, c)`.
        num_classes: int or None.
        num_filters: int, of the last layer before the image, or None for the default of `DCGAN`.
        dtype: Keras dtype policy.
    """
    height, width, channels = image_shape
    filters = _filters(image_shape, num_filters)
    rows, columns = (math.ceil(side / 2 ** len(filters)) for side in (height, width))

    def activated(x):
        return layers.ReLU(dtype=dtype)(networks.batch_normalization(dtype)(x))

    inputs, x = networks.latents_and_labels(latent_dim, num_classes, dtype)
    x = layers.Dense(rows * columns * filters[-1], use_bias=False, kernel_initializer=_weights(), dtype=dtype)(x)
    x = activated(layers.Reshape((rows, columns, filters[-1]), dtype=dtype)(x))
    for width_of_layer in reversed(filters[:-1]):
        x = activated(layers.Conv2DTranspose(width_of_layer, use_bias=False, **_convolution(dtype))(x))
    x = BlockConv2DTranspose(channels, **_convolution(dtype))(x)
    surplus = rows * 2 ** len(filters) - height, columns * 2 ** len(filters) - width
    x = layers.Cropping2D(((0, surplus[0]), (0, surplus[1])), dtype=dtype)(x)
    x = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, layers.Rescaling(0.5, 0.5, dtype="float32")(x), name="generator")


def conv_discriminator(
    image_shape, num_classes=None, normalization="batch", num_filters=None, projection=False, dtype=None
):
    """Images `(n, h, w, c)` in [0, 1], or `[images, labels]`, to scores `(n, 1)`.

    Args:
        image_shape: tuple `(h, w, c)`.
        num_classes: int or None.
        normalization: one of `networks.NORMALIZATIONS`; after every convolution but the first (`"spectral"`: of
            every weight).
        num_filters: int, of the first layer, or None for the default of `DCGAN`.
        projection: bool, whether labels enter at the end, as a direction in feature space, instead of beside the
            image.
        dtype: Keras dtype policy.
    """
    inputs, x = networks.images_and_labels(image_shape, None if projection else num_classes, dtype, normalization)
    x = layers.Rescaling(2.0, -1.0, dtype=dtype)(x)  # to the range of tanh
    for i, width_of_layer in enumerate(_filters(image_shape, num_filters)):
        kind = layers.Conv2D if i else BlockConv2D
        convolution = kind(width_of_layer, use_bias=normalization in (None, "spectral"), **_convolution(dtype))
        x = (networks.normalized if i else networks.bounded)(convolution, normalization)(x)
        x = layers.LeakyReLU(0.2, dtype=dtype)(x)
    return networks.scoring(
        inputs, layers.Flatten(dtype=dtype)(x), num_classes if projection else None, normalization, _weights
    )


def _filters(image_shape, num_filters):
    """Widths of the layers, from the image inwards."""
    num_filters = num_filters or (128 if min(image_shape[:2]) >= _SIDE_OF_THE_PAPER else 64)
    num_halvings = max(2, int(math.log2(max(1, min(image_shape[:2]) / _SMALLEST_SIDE))))
    return [num_filters * min(2**i, _LARGEST_FACTOR) for i in range(num_halvings)]


def _convolution(dtype):
    """What all convolutions share: they halve or double the image."""
    return {
        "kernel_size": 5,
        "strides": 2,
        "padding": "same",
        "kernel_initializer": _weights(),
        "dtype": dtype,
    }


def _weights():
    return keras.initializers.RandomNormal(stddev=0.02)


@keras.saving.register_keras_serializable(package="keras_genzoo")
class DCGAN(GAN):
    """Deep convolutional GAN.

    Args:
        image_shape: tuple `(height, width, channels)`; sides that are 4 or 7 times a power of 2, such as 8, 16, 28,
            32, 64 and 128, need no cropping.
        latent_dim: int.
        num_filters: int or None, of the layers next to the image; each layer inwards has twice as many, up to 8
            times. By default 128 from 64x64 up, as in the paper (36 million parameters at 64x64x3), and 64 below.
        discriminator_normalization: `"batch"`, `"layer"`, `"spectral"` or None; see `GAN`.
        **kwargs: as for `GAN`.
    """

    def __init__(self, image_shape, latent_dim=100, num_filters=None, discriminator_normalization="batch", **kwargs):
        if num_filters is not None:
            (num_filters,) = positive_integers("num_filters", [num_filters], 1)
        for name, build in (("generator", conv_generator), ("discriminator", conv_discriminator)):
            kwargs[name] = kwargs.get(name) or Builder(functools.partial(build, num_filters=num_filters))
        super().__init__(image_shape, latent_dim, discriminator_normalization=discriminator_normalization, **kwargs)
        self.num_filters = num_filters

    def get_config(self):
        return {**super().get_config(), "num_filters": self.num_filters}

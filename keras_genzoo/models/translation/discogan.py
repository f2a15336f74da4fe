"""DiscoGAN: Kim, Cha, Kim, Lee and Kim 2017, https://arxiv.org/abs/1703.05192.

G makes targets y of sources x, F sources of targets, from two sets without pairs. The discriminators play

    D_Y:  -log D_Y(y) - log(1 - D_Y(G(x)))        D_X:  -log D_X(x) - log(1 - D_X(F(y)))

and the generators descend on (eq. 3 to 7)

    -log D_Y(G(x)) - log D_X(F(y))  +  |F(G(x)) - x|^2 + |G(F(y)) - y|^2

with the mean of squares over values. What comes back from both sides forbids that two sources have one target, or two
targets one source: a bijection.

Differences from the paper: it draws batches of 200 and has Adam decay weights by 1e-4, here there is none. The authors'
code (SKTBrain/DiscoGAN) trains on another objective: the generators' part of the game is 0.1 of it and 0.9 of a
distance between features of the discriminators; that weighs 0.99 against 0.01 of the reconstruction for 10,000 steps,
and half of the whole from then on; discriminators move in every third step, in which generators rest.
"""

import functools
import math

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo import networks
from keras_genzoo.checks import not_negative, positive_integers
from keras_genzoo.models.adversarial.players import per_sample
from keras_genzoo.models.translation.networks import cropped, patch_discriminator
from keras_genzoo.models.translation.two_way_model import TwoWayModel
from keras_genzoo.networks import Builder

_SMALLEST_SIDE = 4  # pixels; images are halved until their shorter side would be less, at most four times
_MOST_HALVINGS = 4
_LARGEST_FACTOR = 8  # filters double with each halving, up to so many times the first layer's
_HIDDEN_UNITS, _HIDDEN_LAYERS = 128, 3  # of the networks of points


def encoder_decoder(taken, made, num_filters=64, dtype=None):
    """Images to images `(n, h, w, c)` in [0, 1]: convolutions that halve, and others that double, nothing beside them.

    Args:
        taken: tuple `(h, w, c)` of what it takes, sides from 4 up.
        made: tuple `(h, w, c)` of what it makes, of the same sides.
        num_filters: int, of the outermost layers; those inwards have up to 8 times as many. 64 in the paper.
        dtype: Keras dtype policy.
    """
    shared = {"kernel_size": 4, "strides": 2, "padding": "same", "dtype": dtype}
    inputs = keras.Input(taken)
    x = layers.Rescaling(2.0, -1.0, dtype=dtype)(inputs)
    sizes = []
    for depth in range(max(1, min(_MOST_HALVINGS, int(math.log2(min(taken[:2]) / _SMALLEST_SIDE))))):
        sizes.append(x.shape[1:3])
        filters = num_filters * min(2**depth, _LARGEST_FACTOR)
        x = layers.Conv2D(filters, use_bias=depth == 0, **shared)(x)
        x = networks.batch_normalization(dtype)(x) if depth else x
        x = layers.LeakyReLU(0.2, dtype=dtype)(x)
    for depth in reversed(range(1, len(sizes))):
        filters = num_filters * 2 ** (depth - 1)
        x = layers.Conv2DTranspose(filters, use_bias=False, **shared)(x)
        x = networks.batch_normalization(dtype)(cropped(x, sizes[depth], dtype))
        x = layers.ReLU(dtype=dtype)(x)
    x = layers.Conv2DTranspose(made[-1], **shared)(x)
    x = layers.Activation("sigmoid", dtype="float32")(cropped(x, sizes[0], dtype))
    return keras.Model(inputs, x, name="generator")


def mlp(taken, made, dtype=None):
    """Points `(n, ...)` to others, any real numbers."""
    inputs = keras.Input(taken)
    x = layers.Flatten(dtype=dtype)(inputs)
    for _ in range(_HIDDEN_LAYERS):
        x = layers.Dense(_HIDDEN_UNITS, activation="relu", dtype=dtype)(x)
    x = layers.Dense(math.prod(made), dtype="float32")(x)
    return keras.Model(inputs, layers.Reshape(made, dtype="float32")(x), name="generator")


def mlp_discriminator(taken, dtype=None):
    """Points `(n, ...)` to scores `(n, 1)`."""
    network = mlp(taken, (1,), dtype)
    return keras.Model(network.inputs, network.outputs[0], name="discriminator")


@keras.saving.register_keras_serializable(package="keras_genzoo")
class DiscoGAN(TwoWayModel):
    """DiscoGAN, images or points both ways, without pairs. A batch is `(targets, sources)`, see `data.unpaired`.

    Args:
        image_shape: tuple `(height, width, channels)` of the targets, sides from 4 pixels; None with a `shape`.
        source_shape: tuple of the sources, images of the same sides or points; by default as the targets.
        shape: tuple, such as `(2,)`, of targets that are points, any real numbers, as their sources then are, too.
        num_filters: int, of the outermost layers of all networks of images. 64 in the paper.
        reconstruction_weight: float, not negative; 0 is two games that know nothing of each other.
        generator: Keras model from sources to targets; images lie in [0, 1].
        back_generator: Keras model from targets to sources.
        discriminator: Keras model from targets to scores, any real numbers: `(n, rows, columns, 1)` of images, `(n, 1)`
            of points.
        source_discriminator: Keras model from sources to such scores.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(
        self,
        image_shape=None,
        source_shape=None,
        shape=None,
        num_filters=64,
        reconstruction_weight=1.0,
        generator=None,
        back_generator=None,
        discriminator=None,
        source_discriminator=None,
        **kwargs,
    ):
        super().__init__(image_shape, source_shape, shape, **kwargs)
        (self.num_filters,) = positive_integers("num_filters", [num_filters], 1)
        self.reconstruction_weight = not_negative("reconstruction_weight", reconstruction_weight)
        self.discriminates_images = self.is_of_images
        given = {
            "generator": generator,
            "back_generator": back_generator,
            "discriminator": discriminator,
            "source_discriminator": source_discriminator,
        }
        if shape is None:
            if None in given.values():
                self._check_sides()
            generators = functools.partial(encoder_decoder, num_filters=num_filters)
            discriminators = functools.partial(patch_discriminator, num_filters=num_filters, patch=None)
            score_shape = (None, None, 1)
        else:
            generators, discriminators, score_shape = mlp, mlp_discriminator, (1,)
        self.add_networks(Builder(generators), Builder(discriminators), given, score_shape)
        self.build()

    def _check_sides(self):
        """ValueError where the networks of the paper do not fit the images."""
        if self.image_shape[:2] != self.source_shape[:2] or min(self.image_shape[:2]) < _SMALLEST_SIDE:
            raise ValueError(
                f"`image_shape` and `source_shape` must have the same sides, of at least {_SMALLEST_SIDE} pixels; got "
                f"{self.image_shape} and {self.source_shape}. Resize one of the two sets (tf.image.resize), or give "
                "networks of your own."
            )

    def get_config(self):
        config = super().get_config()
        config |= {"shape": None} if self.is_of_images else {"image_shape": None, "shape": config["image_shape"]}
        own = {"num_filters": self.num_filters, "reconstruction_weight": self.reconstruction_weight}
        return {**config, **own, **self.network_configs()}

    @classmethod
    def arguments_from(cls, dataset):
        targets, sources = (tuple(part.shape[1:]) for part in dataset.element_spec)
        return {"image_shape" if len(targets) == 3 else "shape": targets, "source_shape": sources}

    # ---- the objective ----

    def distance(self, a, b):
        return per_sample(tf.square(a - b))

    @property
    def weights_of_distances(self):
        return dict.fromkeys(("cycle", "cycle_back"), self.reconstruction_weight)

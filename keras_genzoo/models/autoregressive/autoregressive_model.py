"""What autoregressive models share: exact likelihood, sampling pixel by pixel, and completion of images.

The density of an image is a product of conditionals, one for each channel of each pixel given those before it in
raster order:

    log p(x) = sum_i log p(x_i | x_1, ..., x_{i-1})

A model file gives the network that computes the parameters of all conditionals from the image.
"""

import math

import keras
import tensorflow as tf

from keras_genzoo import distributions
from keras_genzoo.bayes_classifier import BayesClassifier
from keras_genzoo.graph_method import graph_method
from keras_genzoo.image_model import ImageModel
from keras_genzoo.models.autoregressive.compression import Compression
from keras_genzoo.models.autoregressive.pixel_sampling import PixelSampling

_LIKELIHOODS = ("categorical", "logistic_mixture")
_NUM_LOGISTICS = 10  # as in Salimans et al. 2017
_LEVELS_OF_LOGISTICS = 256


class AutoregressiveModel(BayesClassifier, PixelSampling, Compression, ImageModel):
    """Base class of the models that draw an image pixel by pixel.

    A subclass sets `network`, a `causal.CausalNetwork` from images `(n, h, w, c)` to `num_parameters` numbers a pixel,
    and ends its `__init__` in `self.build()`.

    Args:
        image_shape: tuple `(height, width, channels)`; 1 or 3 channels.
        num_levels: int, 2 to 256.
        num_classes: int or None.
        condition_dim: int or None.
        likelihood: `"categorical"` or `"logistic_mixture"`.
        dropout: float in [0, 1), the share of values that the network drops in training.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    metric_names = ("loss", "bits_per_dim")
    objectives = ()  # its loss is the exact likelihood
    log_prob_is_exact = True

    def __init__(
        self,
        image_shape,
        num_levels=2,
        num_classes=None,
        condition_dim=None,
        likelihood="categorical",
        dropout=0.0,
        **kwargs,
    ):
        distributions.check_choice("likelihood", likelihood, _LIKELIHOODS)
        if not isinstance(num_levels, int) or not 2 <= num_levels <= 256:
            raise ValueError(f"`num_levels` must be an integer from 2 to 256; got {num_levels!r}.")
        if likelihood == "logistic_mixture" and num_levels != _LEVELS_OF_LOGISTICS:
            raise ValueError(
                f"`num_levels` must be {_LEVELS_OF_LOGISTICS} with likelihood='logistic_mixture'; got {num_levels}. "
                "Pass num_levels=256, or likelihood='categorical'."
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must lie in [0, 1), the share of values that are dropped; got {dropout!r}.")
        super().__init__(image_shape, num_classes, condition_dim, num_levels, **kwargs)
        if self.image_shape[-1] not in (1, 3):
            raise ValueError(f"`image_shape` must have 1 or 3 channels; got {image_shape!r}.")
        self.likelihood_family = likelihood
        self.dropout = float(dropout)

    def get_config(self):
        return {
            **super().get_config(),
            "num_levels": self.num_levels,
            "condition_dim": self.condition_dim,
            "likelihood": self.likelihood_family,
            "dropout": self.dropout,
        }

    @property
    def num_parameters(self):
        """int: numbers that the network gives a pixel, equally many for each channel."""
        if self.likelihood_family == "logistic_mixture":
            return 3 * _NUM_LOGISTICS * self.image_shape[-1]
        return (1 if self.num_levels == 2 else self.num_levels) * self.image_shape[-1]

    @property
    def network_condition_dim(self):
        """int or None: numbers that the network is told beside the image."""
        return self.num_classes or self.condition_dim

    def build(self, input_shape=None):
        condition = keras.Input((self.network_condition_dim,)) if self.network_condition_dim else None
        self.network(keras.Input(self.image_shape), condition=condition)
        super().build()

    # ---- objective ----

    def negative_log_likelihood(self, images, labels=None, draw=None):
        """-log p(x) `(n,)`, nats, of images of exact levels; with dropout where `draw` gives it random numbers."""
        return -self._conditional(images, labels, draw).log_prob(images)

    def train_step(self, data):
        images, labels = self.unpack(data)
        with tf.GradientTape() as tape:
            loss = self.negative_log_likelihood(self.rounded(images), labels, self.draw)
        self.minimize(loss, tape, self.optimizer, self.trainable_variables)
        return self.track(loss=loss, bits_per_dim=self.bits_per_dim(loss))

    def test_step(self, data):
        images, labels = self.unpack(data)
        loss = self.negative_log_likelihood(self.rounded(images), labels)
        return self.track(loss=loss, bits_per_dim=self.bits_per_dim(loss))

    def bits_per_dim(self, nats):
        """Nats an image as bits a channel of a pixel."""
        return nats / (math.prod(self.image_shape) * math.log(2))

    def rounded(self, images):
        """Images with each value at its nearest level."""
        return tf.round(images * (self.num_levels - 1)) / (self.num_levels - 1)

    # ---- distributions ----

    def call(self, images, labels=None):
        """The mean of each pixel given those before it: float32 `(n, h, w, c)` in [0, 1]."""
        images, labels = self.check_images(images, labels)
        return self._conditional(self.rounded(images), labels).mean()

    def conditional(self, images, labels=None):
        """The distributions p(x_i | x_1, ..., x_{i-1}) of all pixels as one `tfd.Distribution`.

        Its event is `(h, w, c)`, its values are levels, and `conditional(x).log_prob(x)` is log p(x).

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8; rounded to the nearest levels.
            labels: ints `(n,)`, or float vectors `(n, condition_dim)`, for a conditional model.
        """
        images, labels = self.check_images(images, labels)
        return self._conditional(self.rounded(images), labels)

    def _conditional(self, images, labels=None, draw=None):
        parameters = self.network(images, condition=self._condition(labels), draw=draw)  # (n, h, w, p)
        return self._distribution(parameters)

    def _distribution(self, parameters):
        """The distribution of images given `(n, h, w, p)`."""
        channels = self.image_shape[-1]
        parameters = tf.reshape(parameters, (-1, *self.image_shape, parameters.shape[-1] // channels))
        if self.likelihood_family == "logistic_mixture":
            return distributions.quantized_logistic_mixture(parameters)
        if self.num_levels == 2:
            return distributions.bernoulli(parameters[..., 0])
        return distributions.categorical(parameters)

    def _condition(self, labels):
        """What the network is told of labels, `(n, d)`; None for a model without."""
        if labels is None or self.condition_dim:
            return labels
        return tf.one_hot(labels, self.num_classes)

    def log_prob(self, images, labels=None):
        """log p(x), exact; log p(x | label) of a conditional model.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8, of exact levels j / (num_levels - 1).
            labels: ints `(n,)`, or float vectors `(n, condition_dim)`, for a conditional model.

        Returns:
            float32 `(n,)`, nats.

        Raises:
            ValueError: for values between levels, beside what every verb refuses.
        """
        return self._log_prob(*self.check_batch(images, labels))

    @graph_method(reduce_retracing=True)
    def _log_prob(self, images, labels):
        return -self.negative_log_likelihood(self.rounded(images), labels)

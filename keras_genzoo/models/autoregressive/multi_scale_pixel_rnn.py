"""Multi-scale PixelRNN: van den Oord et al. 2016, https://arxiv.org/abs/1601.06759, section 3.6.

An image is drawn coarse to fine: first every k-th pixel of every k-th row, a small image of its own, by a Diagonal
BiLSTM; then all pixels, by a second one that is told the small image,

    p(x) = p(small) * product over the other pixels of p(x_i | small, x_1, ..., x_{i-1})

Its layers see, beside their input, what convolutions of the small image say of its surroundings, made as large again by
a transposed one. Their input-to-state maps have no mask there, since all of it is known.

The paper's second network also predicts the pixels of the small image, which it was told: its sum of both logarithms is
a bound on log p(x). Here those pixels count as what they are, known, so that the sum is log p(x) itself.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_genzoo import distributions
from keras_genzoo.models.autoregressive import diagonal_bilstm
from keras_genzoo.models.autoregressive.autoregressive_model import AutoregressiveModel

_CERTAIN = 1e4  # the logit of what is known; the logarithm of its probability is 0 in float32


class Network(diagonal_bilstm.Network):
    """The network of the large image, whose condition is the small one, `(n, values of the small image)`."""

    def __init__(self, image_shape, num_parameters, num_levels, factor, num_filters, *sizes, **kwargs):
        super().__init__(image_shape[-1], num_parameters, num_filters, *sizes, num_beside=num_filters, **kwargs)
        self.image_shape, self.num_levels, self.factor = image_shape, num_levels, factor
        self.small_shape = small_shape(image_shape, factor)
        self.surroundings = layers.Conv2D(num_filters, 3, padding="same", activation="relu", dtype=self.dtype_policy)
        self.enlarge = layers.Conv2DTranspose(
            num_filters, 2 * factor, factor, padding="same", activation="relu", dtype=self.dtype_policy
        )
        height, width, _ = image_shape
        self.is_known = (np.arange(height) % factor == 0)[:, None, None] & (np.arange(width) % factor == 0)[:, None]

    def call(self, images, condition=None, cursor=None, draw=None):
        if cursor is None:
            context, known, is_known = *self._told(condition), self.is_known
        else:
            row, column = cursor.kept["told"], cursor.column
            context, known = (tf.gather(row[name], column, axis=1) for name in ("context", "known"))
            is_known = tf.gather(row["is_known"], column, axis=0)
        parameters = self._parameters(images, cursor, draw, context=context)
        return tf.where(is_known, self._certain(known, parameters.dtype), parameters)

    def _told(self, condition):
        """Of the small images: the context of each pixel `(n, h, w, e)`, and them enlarged to `(n, h, w, c)`."""
        height, width, _ = self.image_shape
        small = tf.reshape(condition, (-1, *self.small_shape))
        context = self.enlarge(self.surroundings(self.scaled(small)))[:, :height, :width]
        known = tf.repeat(tf.repeat(small, self.factor, axis=1), self.factor, axis=2)[:, :height, :width]
        return context, known

    def _certain(self, known, dtype):
        """Parameters `(..., c p)` that give values `(..., c)` all the probability."""
        known = tf.cast(known, dtype)
        if self.num_levels == 2:
            return _CERTAIN * (2 * known - 1)
        level = tf.cast(tf.round(known * (self.num_levels - 1)), tf.int32)
        logits = tf.one_hot(level, self.num_levels, 0.0, -_CERTAIN, dtype=dtype)
        return tf.reshape(logits, (-1, *known.shape[1:-1], known.shape[-1] * self.num_levels))

    # ---- sampling ----

    def begin_image(self, n, width):
        return {**super().begin_image(n, width), "row": tf.zeros((), tf.int32)}

    def begin_row(self, above, condition=None):
        row = above["row"]
        context, known = self._told(condition)
        above, kept = super().begin_row({**above, "row": row + 1})
        told = {"context": context[:, row], "known": known[:, row], "is_known": tf.constant(self.is_known)[row]}
        return above, {**kept, "told": told}


def small_shape(image_shape, factor):
    """The shape of every `factor`-th pixel of every `factor`-th row."""
    height, width, channels = image_shape
    return -(-height // factor), -(-width // factor), channels


@keras.saving.register_keras_serializable(package="keras_genzoo")
class MultiScalePixelRNN(AutoregressiveModel):
    """Multi-scale PixelRNN, with an exact likelihood.

    `sample` draws the small image first. So does `complete`, from what is known of it; a pixel of the small image is
    drawn given the known ones of the small image before it, any other given the small image and those before it.

    Args:
        image_shape: tuple `(height, width, channels)`; 1 or 3 channels.
        num_levels: int, 2 to 256.
        factor: int, 2 to the shorter side, how many times the small image is smaller.
        num_filters: int, units of an LSTM in each direction, in both networks.
        num_layers: int, LSTMs in each network.
        dropout: float in [0, 1), see `PixelCNN`.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, image_shape, num_levels=2, factor=4, num_filters=16, num_layers=7, dropout=0.0, **kwargs):
        super().__init__(image_shape, num_levels, dropout=dropout, **kwargs)
        shortest = min(self.image_shape[:2])
        if not isinstance(factor, int) or not 2 <= factor <= shortest:
            raise ValueError(
                f"`factor` must be an integer from 2 to {shortest}, the shorter side of the images; got {factor!r}."
            )
        self.factor, self.num_filters, self.num_layers = factor, num_filters, num_layers
        sizes = {"num_filters": num_filters, "num_layers": num_layers, "dropout": dropout}
        self.small = diagonal_bilstm.DiagonalBiLSTM(
            small_shape(self.image_shape, factor), num_levels, **sizes, dtype=self.dtype_policy
        )
        numbers = (self.num_parameters, num_levels, factor, *sizes.values())
        self.network = Network(self.image_shape, *numbers, dtype=self.dtype_policy)
        self.build()

    @property
    def network_condition_dim(self):
        return int(np.prod(self.small.image_shape))

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        for model in (self, self.small):
            model.network.compile_from(model.image_shape, self.allows_xla)

    def get_config(self):
        config = super().get_config()
        left_out = {"num_classes", "condition_dim", "likelihood"}
        sizes = {"factor": self.factor, "num_filters": self.num_filters, "num_layers": self.num_layers}
        return {**{name: value for name, value in config.items() if name not in left_out}, **sizes}

    def negative_log_likelihood(self, images, labels=None, draw=None):
        small = self.small.negative_log_likelihood(self._subsampled(images), draw=draw)
        return small + super().negative_log_likelihood(images, draw=draw)

    def _subsampled(self, images):
        return images[:, :: self.factor, :: self.factor]

    def _conditional(self, images, labels=None, draw=None):
        """Of each pixel given the small image, of which it may be one, and those before it."""
        return super()._conditional(images, self._subsampled(images), draw)

    def _condition(self, small):
        if small is None:  # which is found in the image, or drawn
            return None
        return tf.reshape(small, (-1, self.network_condition_dim))

    def _fill_by_coder(self, coder, levels, condition=None):
        rows = slice(None, None, self.factor)
        small = self.small._fill_by_coder(coder, levels[rows, rows])  # (h, w, n, c)
        small = tf.gather(distributions.levels(self.num_levels), tf.transpose(small, (2, 0, 1, 3)))
        return super()._fill_by_coder(coder, levels, self._condition(small))

    def _fill(self, noise, images, labels, temperature, progress=None, **options):
        small = self.small._fill(*map(self._subsampled, (noise, images)), None, temperature, **options)
        return super()._fill(noise, images, small, temperature, progress, **options)

"""PixelCNN++: Salimans et al. 2017, https://arxiv.org/abs/1701.05517.

A gated PixelCNN with two changes. The channels of a pixel are drawn from one mixture of logistics rounded to levels, in
which G is centred on a linear function of R and B on one of both (`QuantizedLogisticMixture`), so that the network need
not know the order of the channels. And the network works at several scales: on the way down, gated residual layers,
then maps of half the size, and so on; on the way up the same again, each layer being told what the one opposite to it
computed. Its two streams and their layers are in `two_streams`.

Left out: the weight normalisation with its initialisation from data, for weights scaled to the same effect (values keep
a variance of 1 through f, and a layer adds one of 0.01).
"""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from keras_genzoo import distributions
from keras_genzoo.checks import positive_integers
from keras_genzoo.models.autoregressive.autoregressive_model import AutoregressiveModel
from keras_genzoo.models.autoregressive.causal import (
    CausalConv2D,
    CausalNetwork,
    RowsConv2D,
    layers_of_type,
    shift_down,
)
from keras_genzoo.models.autoregressive.channel_order import PixelDense, channel_groups
from keras_genzoo.models.autoregressive.shifted import ScaleCursor
from keras_genzoo.models.autoregressive.two_streams import Features, Scale, keeping_variance


def _held(stream, index):
    """The name of what a stream computed at the scale that is coarser than one."""
    return f"{stream} below {index}"


def _beside(index):
    """The name of what the vertical stream gives to the horizontal one at a scale."""
    return f"beside {index}"


class Network(CausalNetwork):
    """The two streams of PixelCNN++ at all scales."""

    sees_own_channels = False  # the mixture itself knows their order

    def __init__(self, channels, num_parameters, num_filters, num_residual_blocks, num_scales, dropout, **kwargs):
        super().__init__(**kwargs)
        linear = {"kernel_initializer": keeping_variance(is_activated=False), "dtype": self.dtype_policy}
        groups = channel_groups(num_filters, 1), channel_groups(channels + 1, 1)
        self.channels, self.num_filters = channels, num_filters
        self.vertical_first = RowsConv2D(num_filters, (2, 3), **linear)
        self.horizontal_first = CausalConv2D(num_filters, (3, 3), "A", *groups, **linear)
        self.scales = [
            Scale(num_filters, num_residual_blocks, dropout, i == num_scales - 1, dtype=self.dtype_policy)
            for i in range(num_scales)
        ]
        self.head = PixelDense(num_parameters, kernel_initializer=keeping_variance(), dtype="float32")

    def build(self, images_shape, condition_shape=None):
        *batch, channels = images_shape
        self.size = batch[1:]
        for layer in (self.vertical_first, self.horizontal_first):
            layer.build((*batch, channels + 1))
        for scale in self.scales:
            scale.build((*batch, self.num_filters), condition_shape)
        self.head.build((*batch, self.num_filters))

    def scaled(self, images):
        """Images in [-1, 1] and a channel of ones, by which a pixel differs from the zeros around an image."""
        x = super().scaled(images)
        return tf.concat([x, tf.ones_like(x[..., :1])], axis=-1)

    def size_of(self, scale):
        """Height and width of the maps of a scale."""
        return [-(-side // 2**scale) for side in self.size]

    def call(self, images, condition=None, cursor=None, draw=None):
        x, options = self.scaled(images), {"condition": condition, "draw": draw}
        if cursor is None:
            beside = {}
            self._look_above(0, self.vertical_first(shift_down(x)), beside, options)
            x = self._look_left(0, self.horizontal_first(x), beside, options)
        else:
            place = ScaleCursor(cursor.kept, cursor.kept["row"], cursor.column)
            x = self._look_left(0, self.horizontal_first(x, cursor=place), None, options, place)
            cursor.kept = place.kept
        return self.head(tf.nn.elu(x))

    def _look_above(self, index, x, beside, options, cursor=None):
        """The vertical stream at a scale, and between its two halves at all coarser ones.

        Args:
            index: int, of the scale.
            x: `(n, h, w, f)`, or with a cursor the next row `(n, w, f)`.
            beside: dict, scale to the list of features that go to the horizontal stream, which are added here; a cursor
                keeps them itself.
            options: dict, the condition and the random numbers of the layers.
            cursor: `ScaleCursor` or None.

        Returns:
            what the last layer of the scale computed, of the shape of x.
        """
        scale, x = self.scales[index], Features.of(x)
        computed, given = [x], []
        for block in scale.down:
            x, features = block.look_above(x, cursor=cursor, **options)
            computed.append(x)
            given.append(features)
        if scale.is_last:
            x = computed.pop()
        else:
            coarse = scale.vertical_down(x.values, cursor=cursor)
            if cursor is None:
                coarse = self._look_above(index + 1, coarse, beside, options)
                x = scale.vertical_up(coarse, size=self.size_of(index))
            else:
                held = cursor.coarser(
                    _held("vertical", index), lambda place: self._look_above(index + 1, coarse, None, options, place)
                )
                x = scale.vertical_up.row(held, cursor.row, self.size_of(index)[1])
            x = Features.of(x)
        for block in scale.up:
            x, features = block.look_above(x, computed.pop(), cursor=cursor, **options)
            given.append(features)
        if cursor is None:
            beside[index] = given
        else:
            cursor.kept[_beside(index)] = tf.transpose(tf.stack(given), (2, 0, 1, 3))  # (w, blocks, n, f)
        return x.values

    def _look_left(self, index, x, beside, options, cursor=None):
        """The horizontal stream, alike; with a cursor x is the next pixel `(n, f)`."""
        scale, x = self.scales[index], Features.of(x)
        computed = [x]
        given = iter(
            beside[index] if cursor is None else tf.unstack(tf.gather(cursor.kept[_beside(index)], cursor.column))
        )
        for block in scale.down:
            x = block(x, next(given), cursor=cursor, **options)
            computed.append(x)
        if scale.is_last:
            x = computed.pop()
        else:
            coarse = scale.horizontal_down(x.values, cursor=cursor)
            if cursor is None:
                coarse = self._look_left(index + 1, coarse, beside, options)
                x = scale.horizontal_up(coarse, size=self.size_of(index))
            else:
                held = cursor.coarser(
                    _held("horizontal", index), lambda place: self._look_left(index + 1, coarse, None, options, place)
                )
                x = scale.horizontal_up.pixel(held, cursor.row, cursor.column)
            x = Features.of(x)
        for block in scale.up:
            x = block(x, next(given), computed.pop(), cursor=cursor, **options)
        return x.values

    # ---- sampling: the vertical stream goes row by row, and coarser scales every second time ----

    def begin_image(self, n, width):
        row = self.scaled(tf.zeros((n, width, self.channels)))
        above = {"row": tf.constant(0), "last_row": tf.zeros_like(row)}
        for layer in (self.vertical_first, self.horizontal_first):
            above[layer.name] = layer.rows_above(n, width)
        for index, scale in enumerate(self.scales):
            width = self.size_of(index)[1]
            for layer in layers_of_type(scale, (CausalConv2D, RowsConv2D)):
                above[layer.name] = layer.rows_above(n, width)
            above[_beside(index)] = tf.zeros((width, len(scale.down) + len(scale.up), n, self.num_filters), row.dtype)
            if index > 0:
                above[_held("vertical", index - 1)] = tf.zeros((n, width, self.num_filters), row.dtype)
                above[_held("horizontal", index - 1)] = tf.zeros((width, n, self.num_filters), row.dtype)
        return above

    def begin_row(self, above, condition=None):
        cursor = ScaleCursor(above, above["row"])
        x = self.vertical_first(above["last_row"], cursor=cursor)
        self._look_above(0, x, None, {"condition": condition}, cursor)
        above, kept = super().begin_row(cursor.kept)
        kept["row"] = above["row"]
        for index in range(len(self.scales)):
            kept[_beside(index)] = above[_beside(index)]
        for name in self._held_rows:
            held = above[name]
            kept[name] = tf.TensorArray(held.dtype, held.shape[0], element_shape=held.shape[1:]).unstack(held)
        return above, kept

    def end_row(self, above, kept, row):
        ended = super().end_row(above, kept, row)
        for index, scale in enumerate(self.scales):
            is_computed = above["row"] % 2**index == 0
            for layer in layers_of_type(scale, CausalConv2D):
                ended[layer.name] = tf.where(is_computed, ended[layer.name], above[layer.name])
        for name in self._held_rows:
            ended[name] = kept[name].stack()
        return {**ended, "row": above["row"] + 1, "last_row": self.scaled(row)}

    @property
    def _held_rows(self):
        return [_held("horizontal", index) for index in range(len(self.scales) - 1)]


@keras.saving.register_keras_serializable(package="keras_genzoo")
class PixelCNNPlusPlus(AutoregressiveModel):
    """PixelCNN++.

    Args:
        image_shape: tuple `(height, width, channels)`; 1 or 3 channels, sides of any parity.
        num_filters: int, of each stream.
        num_residual_blocks: int, on the way down at each scale; on the way up as many, and one more where a finer scale
            is reached.
        num_scales: int; each has half the sides of the one before.
        num_mixtures: int, the logistics of a pixel.
        dropout: float in [0, 1), the share of values inside a layer that are dropped in training.
        num_classes: int or None; a number makes the model conditional on labels.
        condition_dim: int or None; a number makes the model conditional on vectors of so many numbers, which stand
            where labels would.
        num_levels: int, 2 to 256, the levels of a channel: j / (num_levels - 1) for j = 0, 1, ... Images that hold
            others are refused, by `fit`, too.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(
        self,
        image_shape,
        num_filters=160,
        num_residual_blocks=5,
        num_scales=3,
        num_mixtures=10,
        dropout=0.5,
        num_classes=None,
        condition_dim=None,
        num_levels=256,
        **kwargs,
    ):
        super().__init__(image_shape, num_levels, num_classes, condition_dim, dropout=dropout, **kwargs)
        (self.num_filters,) = positive_integers("num_filters", [num_filters], 1)
        (self.num_residual_blocks,) = positive_integers("num_residual_blocks", [num_residual_blocks], 1)
        (self.num_scales,) = positive_integers("num_scales", [num_scales], 1)
        (self.num_mixtures,) = positive_integers("num_mixtures", [num_mixtures], 1)
        sizes = (self.num_filters, self.num_residual_blocks, self.num_scales, self.dropout)
        self.network = Network(self.image_shape[-1], self.num_parameters, *sizes, dtype=self.dtype_policy)
        self.build()

    def get_config(self):
        config = {
            **super().get_config(),
            "num_filters": self.num_filters,
            "num_residual_blocks": self.num_residual_blocks,
            "num_scales": self.num_scales,
            "num_mixtures": self.num_mixtures,
        }
        del config["likelihood"]  # its own
        return config

    @property
    def num_parameters(self):
        """int: of a pixel, 3 a logistic of one channel, 10 a logistic of three."""
        return (3 if self.image_shape[-1] == 1 else 10) * self.num_mixtures

    def call(self, images, labels=None):
        """The mean of each channel of each pixel given those before it: float32 `(n, h, w, c)` in [0, 1]."""
        images, labels = self.check_images(images, labels)
        images = self.rounded(images)
        return self._conditional(images, labels).distribution.channel_means(images)

    def _distribution(self, parameters):
        return tfp.distributions.Independent(self._pixels(parameters), 2)

    def _pixels(self, parameters):
        return distributions.quantized_logistic_mixture_of_pixels(parameters, self.image_shape[-1], self.num_levels)

    def _level_logits(self, parameters, so_far, channel):
        return self._pixels(parameters).level_logits(so_far, channel)

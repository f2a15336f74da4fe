"""The layers of PixelCNN++ (Salimans et al. 2017, https://arxiv.org/abs/1701.05517): two streams, at one scale.

The vertical stream goes over whole rows above, the horizontal one along the row; the latter takes from the former but
gives nothing back. A layer of each is

    h = W2 dropout(f(W1 f(x) + V f(of the other stream, of the opposite layer))) + H y        f(x) = elu([x, -x])
    x + h_1 * sigmoid(h_2)

with shifted convolutions W (see `shifted`) and y a class or a vector, if the model is conditional.
"""

from typing import NamedTuple

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo.models.autoregressive.causal import Dropout, per_example
from keras_genzoo.models.autoregressive.channel_order import PixelDense
from keras_genzoo.models.autoregressive.shifted import (
    DownRightShiftedConv2D,
    DownShiftedConv2D,
    Upsampling,
    concat_elu,
)


def keeping_variance(scale=1.0, is_activated=True):
    """An initialiser of weights after which values have the variance `scale`, if those before had 1."""
    mean_square = 0.645 if is_activated else 1.0  # E[elu(z)^2] of a normal z
    return keras.initializers.VarianceScaling(scale / mean_square, "fan_in")


class Features(NamedTuple):
    """What a layer of a stream computed, and the same as the layers after it see it, which is computed once."""

    values: tf.Tensor
    seen: tf.Tensor

    @classmethod
    def of(cls, values):
        return cls(values, concat_elu(values))


class GatedResidual(layers.Layer):
    """A layer of either stream.

    Args:
        num_filters: int.
        convolution: function of a number of filters, a number of inputs and an initialiser to a shifted convolution.
        dropout: float.
        has_skip: bool, whether it is told of the layer opposite to it.
    """

    def __init__(self, num_filters, convolution, dropout, has_skip, **kwargs):
        super().__init__(**kwargs)
        options = {"dtype": self.dtype_policy}
        self.first = convolution(num_filters, 2 * num_filters, kernel_initializer=keeping_variance(), **options)
        self.skip = None
        if has_skip:
            self.skip = PixelDense(num_filters, kernel_initializer=keeping_variance(), **options)
        self.dropout = Dropout(dropout, **options)
        self.second = convolution(
            2 * num_filters, 2 * num_filters, kernel_initializer=keeping_variance(0.01), **options
        )
        self.label = layers.Dense(2 * num_filters, use_bias=False, **options)

    def build(self, seen_shape, condition_shape=None):
        for layer in (self.first, self.second, self.skip):
            if layer is not None:
                layer.build(seen_shape)
        if condition_shape is not None:
            self.label.build(condition_shape)

    def call(self, x, skip=None, beside=None, condition=None, cursor=None, draw=None):
        """Features to features; `skip` are those opposite, `beside` is what the other stream adds."""
        h = self.first(x.seen, cursor=cursor)
        if skip is not None:
            h += self.skip(skip.seen)
        if beside is not None:
            h += beside
        h = self.second(self.dropout(concat_elu(h), draw=draw), cursor=cursor)
        if condition is not None:
            h += per_example(self.label(condition), h)
        a, b = tf.split(h, 2, axis=-1)
        return Features.of(x.values + a * tf.sigmoid(b))


class Block(layers.Layer):
    """A layer of both streams."""

    def __init__(self, num_filters, dropout, has_skip, **kwargs):
        super().__init__(**kwargs)
        options = {"dtype": self.dtype_policy}
        sizes = (dropout, has_skip)
        self.vertical = GatedResidual(num_filters, DownShiftedConv2D, *sizes, **options)
        self.horizontal = GatedResidual(num_filters, DownRightShiftedConv2D, *sizes, **options)
        self.to_horizontal = PixelDense(num_filters, kernel_initializer=keeping_variance(), **options)

    def build(self, seen_shape, condition_shape=None):
        self.vertical.build(seen_shape, condition_shape)
        self.horizontal.build(seen_shape, condition_shape)
        self.to_horizontal.build(seen_shape)

    def look_above(self, x, skip=None, condition=None, cursor=None, draw=None):
        """The vertical stream: its next features, and what goes to the horizontal one, `(..., f)`."""
        x = self.vertical(x, skip=skip, condition=condition, cursor=cursor, draw=draw)
        return x, self.to_horizontal(x.seen)

    def call(self, x, beside, skip=None, condition=None, cursor=None, draw=None):
        """The horizontal stream."""
        return self.horizontal(x, skip=skip, beside=beside, condition=condition, cursor=cursor, draw=draw)


class Scale(layers.Layer):
    """The layers of one scale, and those that lead to the next coarser one and back."""

    def __init__(self, num_filters, num_residual_blocks, dropout, is_last, **kwargs):
        super().__init__(**kwargs)
        options = {"dtype": self.dtype_policy}
        linear = {"kernel_initializer": keeping_variance(is_activated=False), **options}
        # Of the taps of a transposed convolution of stride 2 each pixel of the output sees a quarter.
        spread = {"kernel_initializer": keeping_variance(4.0, is_activated=False), **options}
        self.is_last = is_last
        self.down = [Block(num_filters, dropout, False, **options) for _ in range(num_residual_blocks)]
        self.up = [Block(num_filters, dropout, True, **options) for _ in range(num_residual_blocks + (not is_last))]
        if not is_last:
            self.vertical_down = DownShiftedConv2D(num_filters, stride=2, **linear)
            self.horizontal_down = DownRightShiftedConv2D(num_filters, num_filters, stride=2, **linear)
            self.vertical_up = Upsampling(num_filters, 3, **spread)
            self.horizontal_up = Upsampling(num_filters, 2, **spread)

    def build(self, values_shape, condition_shape=None):
        *batch, num_filters = values_shape
        for block in (*self.down, *self.up):
            block.build((*batch, 2 * num_filters), condition_shape)
        if not self.is_last:
            for layer in (self.vertical_down, self.horizontal_down, self.vertical_up, self.horizontal_up):
                layer.build(values_shape)

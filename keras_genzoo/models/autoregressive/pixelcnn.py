"""PixelCNN: van den Oord et al. 2016, https://arxiv.org/abs/1601.06759.

The density of an image is a product of conditionals, one for each pixel given those above it and to its left (and, of
one pixel, R, then G given R, then B given both):

    p(x) = prod_i p(x_i | x_1, ..., x_{i-1})

A network of masked convolutions computes all of them in one pass: first a 7x7 convolution that does not see the pixel
itself (mask A), then residual blocks that at each position may see what was computed there (mask B),

    x + conv1x1(relu(conv3x3(relu(conv1x1(relu(x))))))         with half the filters inside,

and 1x1 convolutions at the end. 3x3 windows add up to a triangle that misses pixels above and to the right of it (the
"blind spot", which `GatedPixelCNN` does not have).
"""

import operator

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo.checks import positive_integers
from keras_genzoo.models.autoregressive.attention import CausalAttention
from keras_genzoo.models.autoregressive.autoregressive_model import AutoregressiveModel
from keras_genzoo.models.autoregressive.causal import (
    CausalConv2D,
    CausalNetwork,
    Dropout,
    per_example,
)
from keras_genzoo.models.autoregressive.channel_order import PixelDense, channel_groups

_FIRST_WINDOW = (7, 7)


class ResidualBlock(layers.Layer):
    """x `(n, h, w, f)` to the same shape."""

    def __init__(self, num_filters, dilation, channels, dropout, **kwargs):
        super().__init__(**kwargs)
        outer, inner = channel_groups(num_filters, channels), channel_groups(num_filters // 2, channels)
        options = {"kernel_initializer": "he_normal", "dtype": self.dtype_policy}
        self.reduce = PixelDense(len(inner), inner, outer, **options)
        self.convolution = CausalConv2D(len(inner), (3, 3), "B", inner, inner, dilation, **options)
        self.dropout = Dropout(dropout, dtype=self.dtype_policy)
        self.expand = PixelDense(len(outer), outer, inner, **options)
        self.label = layers.Dense(len(inner), use_bias=False, dtype=self.dtype_policy)

    def build(self, x_shape, condition_shape=None):
        self.reduce.build(x_shape)
        inner = (*x_shape[:-1], self.reduce.units)
        self.convolution.build(inner)
        self.expand.build(inner)
        if condition_shape is not None:
            self.label.build(condition_shape)

    def call(self, x, condition=None, cursor=None, draw=None):
        h = self.reduce(tf.nn.relu(x))
        h = self.convolution(tf.nn.relu(h), cursor=cursor)
        if condition is not None:
            h += per_example(self.label(condition), h)
        return x + self.expand(self.dropout(tf.nn.relu(h), draw=draw))


class Network(CausalNetwork):
    """The convolutions of a PixelCNN."""

    def __init__(
        self, channels, num_parameters, num_filters, num_residual_blocks, dilations, dropout, attention, **kwargs
    ):
        super().__init__(**kwargs)
        inputs, filters = channel_groups(channels, channels), channel_groups(num_filters, channels)
        outputs = channel_groups(num_parameters, channels)
        options = {"kernel_initializer": "he_normal", "dtype": self.dtype_policy}
        self.first = CausalConv2D(num_filters, _FIRST_WINDOW, "A", filters, inputs, dtype=self.dtype_policy)
        self.blocks = [
            ResidualBlock(num_filters, dilations[i % len(dilations)], channels, dropout, dtype=self.dtype_policy)
            for i in range(num_residual_blocks)
        ]
        self.attention = CausalAttention(filters, dtype=self.dtype_policy) if attention else None
        self.middle = self.blocks[len(self.blocks) // 2]
        self.hidden = PixelDense(num_filters, filters, filters, **options)
        self.head = PixelDense(num_parameters, outputs, filters, dtype="float32")

    def call(self, images, condition=None, cursor=None, draw=None):
        pixels = self.scaled(images)
        x = self.first(pixels, cursor=cursor)
        for block in self.blocks:
            x = block(x, condition=condition, cursor=cursor, draw=draw)
            if self.attention and block is self.middle:
                x += self.attention(x, pixels, cursor=cursor)
        return self.head(tf.nn.relu(self.hidden(tf.nn.relu(x))))


@keras.saving.register_keras_serializable(package="keras_genzoo")
class PixelCNN(AutoregressiveModel):
    """PixelCNN.

    Args:
        image_shape: tuple `(height, width, channels)`; 1 or 3 channels.
        num_levels: int, 2 to 256, the levels of a pixel: j / (num_levels - 1) for j = 0, 1, ... Images that hold
            others are refused, by `fit`, too.
        num_filters: int, of the residual stream; its blocks compute with half as many inside.
        num_residual_blocks: int.
        num_classes: int or None; a number makes the model conditional on labels, a vector of each class added in
            each block.
        likelihood: `"categorical"`, a probability for each level, or `"logistic_mixture"`, 10 logistics rounded to 256
            levels (Salimans et al. 2017, https://arxiv.org/abs/1701.05517), which knows that near levels are alike.
        dilations: tuple of ints, the distance of taps in each block, repeated over the blocks; larger ones let a block
            see further at no cost. They must be smaller than the image's sides, or 1.
        condition_dim: int or None; a number makes the model conditional on vectors of so many numbers, which stand
            where labels would.
        dropout: float in [0, 1), the share of values inside a residual block that are dropped in training, for data of
            which a model learns more by heart than it generalises.
        attention: bool, whether after the middle block each pixel attends to all earlier ones (PixelSNAIL, Chen et al.
            2018, https://arxiv.org/abs/1712.09763), which costs time and memory by the square of their number.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    network_type = Network

    def __init__(
        self,
        image_shape,
        num_levels=2,
        num_filters=128,
        num_residual_blocks=5,
        num_classes=None,
        likelihood="categorical",
        dilations=(1,),
        condition_dim=None,
        dropout=0.0,
        attention=False,
        **kwargs,
    ):
        super().__init__(image_shape, num_levels, num_classes, condition_dim, likelihood, dropout, **kwargs)
        (self.num_filters,) = positive_integers("num_filters", [num_filters], 1)
        (self.num_residual_blocks,) = positive_integers("num_residual_blocks", [num_residual_blocks], 1)
        self.dilations = self._check_dilations(dilations)
        channels = self.image_shape[-1]
        if num_filters < 2 * channels:
            raise ValueError(
                f"`num_filters` must be at least {2 * channels} in images of {channels} channels; got {num_filters}."
            )
        self.has_attention = bool(attention)
        sizes = (self.num_filters, self.num_residual_blocks, self.dilations, self.dropout, self.has_attention)
        self.network = self.network_type(self.image_shape[-1], self.num_parameters, *sizes, dtype=self.dtype_policy)
        self.build()

    def _check_dilations(self, dilations):
        try:
            dilations = tuple(operator.index(dilation) for dilation in dilations)
        except TypeError:
            dilations = ()
        if not dilations or min(dilations) < 1:
            raise ValueError("`dilations` must be one or more positive integers, such as (1, 2, 4).")
        if max(dilations) > 1 and max(dilations) >= min(self.image_shape[:2]):
            raise ValueError(
                f"`dilations` must be smaller than the image's sides, {self.image_shape[:2]}, or 1; got {dilations}."
            )
        return dilations

    def get_config(self):
        return {
            **super().get_config(),
            "num_filters": self.num_filters,
            "num_residual_blocks": self.num_residual_blocks,
            "dilations": list(self.dilations),
            "attention": self.has_attention,
        }

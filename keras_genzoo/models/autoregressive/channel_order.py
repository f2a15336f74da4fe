"""The order of the channels within a pixel: R is drawn first, G given R, B given both."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_genzoo.layers import add_bias


def channel_groups(num_features, channels, repeats=1):
    """Which image channel each feature belongs to: the features fall into as many equal parts as there are channels.

    A feature of channel R sees earlier pixels, one of G also R of the same pixel, one of B also R and G.

    Returns:
        int array `(repeats * num_features,)`.
    """
    return np.tile(np.arange(num_features) * channels // num_features, repeats)


def sees(groups, input_groups, mask):
    """Which inputs of its own pixel an output sees: bool `(f, filters)`; see `CausalConv2D` for the masks."""
    groups, input_groups = tf.constant(groups, tf.int8), tf.constant(input_groups, tf.int8)[:, None]
    return input_groups < groups if mask == "A" else input_groups <= groups


class PixelDense(layers.Layer):
    """A dense layer on the features of each pixel, a 1x1 convolution that keeps the order of the channels.

    Args:
        units: int.
        groups: `(units,)` ints, the channel of each output, or None where every output may see every input.
        input_groups: `(f,)` ints, the channel of each input.
        kernel_initializer: Keras initialiser.
    """

    def __init__(self, units, groups=None, input_groups=None, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        has_order = groups is not None and max(groups) > 0
        self.groups, self.input_groups = (groups, input_groups) if has_order else (None, None)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], self.units), initializer=self.kernel_initializer
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, x):
        kernel = tf.convert_to_tensor(self.kernel)
        if self.groups is not None:
            kernel *= tf.cast(sees(self.groups, self.input_groups, "B"), kernel.dtype)
        if x.shape.rank == 2:
            return add_bias(tf.matmul(x, kernel), self.bias)
        y = add_bias(tf.matmul(tf.reshape(x, (-1, x.shape[-1])), kernel), self.bias)
        return tf.reshape(y, (-1, *x.shape[1:-1], self.units))

"""Diagonal BiLSTM: van den Oord et al. 2016, https://arxiv.org/abs/1601.06759, section 3.2.

The PixelRNN whose every layer sees all earlier pixels. An LSTM goes from the upper left corner of the image along its
diagonals: the state of a pixel comes from the states of the pixels to its left and above it, and so from all of the
rectangle that they end; its c from the left alone. A second LSTM does the same from the upper right corner. Its map is
moved down by a row, since its own row would hold pixels yet to come, and the two are added.
"""

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo.models.autoregressive.causal import shift_down
from keras_genzoo.models.autoregressive.channel_order import channel_groups, sees
from keras_genzoo.models.autoregressive.lstm_scan import lstm_scan
from keras_genzoo.models.autoregressive.pixel_rnn import PixelRNN, PixelRNNNetwork
from keras_genzoo.models.autoregressive.skew import Skew

_LEFT, _ABOVE = 0, 1  # taps of the column before in a skewed map: the same row, and the one above
_CHAIN = 8  # images side by side where XLA makes many small steps cheap


class BidirectionalLSTM(layers.Layer):
    """Both directions of a Diagonal BiLSTM: x `(n, h, w, 2 units)` to hidden states `(n, h, w, units)`.

    Args:
        units: int.
        channels: int, of an image.
    """

    def __init__(self, units, channels, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.groups = channel_groups(units, channels, repeats=4)
        self.input_groups = channel_groups(2 * units, channels)

    def build(self, x_shape):
        shape = (2, x_shape[-1], 4 * self.units)
        self.input_kernel = self.add_weight(name="input_kernel", shape=shape, initializer=_uniform(x_shape[-1]))
        shape = (2, 2 * self.units, 4 * self.units)
        self.state_kernel = self.add_weight(name="state_kernel", shape=shape, initializer=_uniform(2 * self.units))
        self.bias = self.add_weight(name="bias", shape=(2, 4 * self.units), initializer="zeros")

    def masked_input_kernel(self):
        kernel = tf.convert_to_tensor(self.input_kernel)
        return kernel * tf.cast(sees(self.groups, self.input_groups, "B"), kernel.dtype)

    def call(self, x, cursor=None, compiled=False):
        _, height, width, _ = x.shape
        kernel = tf.concat([self.masked_input_kernel(), tf.convert_to_tensor(self.state_kernel)], axis=1)
        skew = Skew(height, width, _CHAIN if compiled else 1)
        skewed = skew.skew(tf.stack([x, x]))
        hidden = lstm_scan(skewed, kernel, tf.convert_to_tensor(self.bias), (_LEFT, _ABOVE), skew.resets, compiled)
        to_right, to_left = tf.unstack(skew.unskew(hidden, tf.shape(x)[0]))
        return to_right + shift_down(to_left)


def _uniform(num_inputs):
    """The usual initialiser of a recurrent network's gates."""
    return keras.initializers.RandomUniform(-(num_inputs**-0.5), num_inputs**-0.5)


class Network(PixelRNNNetwork):
    """The network of a Diagonal BiLSTM."""

    lstm_type = BidirectionalLSTM


@keras.saving.register_keras_serializable(package="keras_genzoo")
class DiagonalBiLSTM(PixelRNN):
    """Diagonal BiLSTM, the PixelRNN of the best likelihood.

    Args:
        image_shape: tuple `(height, width, channels)`; 1 or 3 channels.
        num_levels: int, 2 to 256.
        num_filters: int, h, units of an LSTM in each direction; the maps between layers are twice as many.
        num_layers: int, bidirectional LSTMs.
        **kwargs: `num_classes`, `likelihood`, `condition_dim` and `dropout`, as for `PixelCNN`; `name`, `dtype`,
            `trainable`.
    """

    network_type = Network

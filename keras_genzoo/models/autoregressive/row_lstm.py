"""Row LSTM: van den Oord et al. 2016, https://arxiv.org/abs/1601.06759, section 3.1.

A PixelRNN that goes from row to row, all pixels of a row at once: the state of a pixel comes from those of the three
pixels above it, its c from the one right above. So it sees the triangle above a pixel, and of its own row what the
convolution of each layer's input adds, but not what lies far to either side a few rows up.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_genzoo.models.autoregressive.causal import CausalConv2D
from keras_genzoo.models.autoregressive.channel_order import channel_groups
from keras_genzoo.models.autoregressive.lstm_scan import lstm_scan
from keras_genzoo.models.autoregressive.pixel_rnn import PixelRNN, PixelRNNNetwork, lstm_cell, uniform

_TAPS = (1, 0, -1)  # of the row above: to the left, right above and to the right


class RowsLSTM(layers.Layer):
    """The LSTM of a Row LSTM, x `(n, h, w, 2 units)` to hidden states `(n, h, w, units)`.

    Args:
        units: int.
        channels: int, of an image.
        num_beside: int, further inputs, which gates of every channel see.
    """

    def __init__(self, units, channels, num_beside=0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        groups = channel_groups(units, channels, repeats=4)
        inputs = np.append(channel_groups(2 * units, channels), np.zeros(num_beside, int))
        self.from_input = CausalConv2D(
            4 * units, (1, 3), "B", groups, inputs, kernel_initializer=uniform(4 * units), dtype=self.dtype_policy
        )

    def build(self, x_shape):
        self.from_input.build(x_shape)
        shape = (len(_TAPS) * self.units, 4 * self.units)
        self.state_kernel = self.add_weight(name="state_kernel", shape=shape, initializer=uniform(shape[0]))

    def call(self, x, cursor=None, compiled=False):
        """x `(n, h, w, f)` to `(n, h, w, units)`; with a cursor, the next pixel `(n, f)` to `(n, units)`."""
        if cursor is not None:
            return self._next_pixel(x, cursor)
        left = tf.pad(x[:, :, :-1], [(0, 0), (0, 0), (1, 0), (0, 0)])
        rows = tf.transpose(tf.concat([left, x], axis=-1), (1, 2, 0, 3))[:, None]  # (h, 1, w, n, 4 units)
        kernel = tf.reshape(self.from_input.kernel * self.from_input.taps, (-1, 4 * self.units))
        kernel = tf.concat([kernel, self.state_kernel], axis=0)
        hidden = lstm_scan(rows, kernel[None], self.from_input.bias[None], _TAPS, compiled=compiled)
        return tf.transpose(hidden[:, 0], (2, 0, 1, 3))

    # ---- sampling ----

    def _next_pixel(self, x, cursor):
        gates = self.from_input(x, cursor=cursor)
        kept, column = cursor.kept[self.name], cursor.column
        gates += tf.gather(kept["from_above"], column, axis=1)
        state = tf.concat(lstm_cell(gates, tf.gather(kept["c_above"], column, axis=1)), axis=-1)
        cursor.kept[self.name] = {**kept, "states": kept["states"].write(column, state)}
        return state[:, : self.units]

    def rows_above(self, n, width):
        """What is kept from row to row, at the first one: the states above, `(n, w, 2 units)`."""
        return tf.zeros((n, width, 2 * self.units), self.compute_dtype)

    def begin_row(self, above):
        """What is kept along a row: what the states above say of each pixel, and the states so far."""
        h, c = tf.split(above, 2, axis=-1)
        beside = tf.pad(h, [(0, 0), (1, 1), (0, 0)])
        width = above.shape[1]
        seen = tf.concat([beside[:, 1 - tap : 1 - tap + width] for tap in _TAPS], axis=-1)  # (n, w, 3 units)
        states = tf.TensorArray(above.dtype, width, element_shape=(above.shape[0], above.shape[2]))
        return {
            "from_above": tf.matmul(seen, tf.cast(self.state_kernel, seen.dtype)),
            "c_above": c,
            "states": states.unstack(tf.transpose(tf.zeros_like(above), (1, 0, 2))),
        }

    def end_row(self, above, kept):
        return tf.transpose(kept["states"].stack(), (1, 0, 2))


class Network(PixelRNNNetwork):
    """The network of a Row LSTM."""

    lstm_type = RowsLSTM


@keras.saving.register_keras_serializable(package="keras_genzoo")
class RowLSTM(PixelRNN):
    """Row LSTM, the faster PixelRNN.

    Args:
        image_shape: tuple `(height, width, channels)`; 1 or 3 channels.
        num_levels: int, 2 to 256.
        num_filters: int, h, units of an LSTM; the maps between layers are twice as many.
        num_layers: int, LSTMs.
        **kwargs: `num_classes`, `likelihood`, `condition_dim` and `dropout`, as for `PixelCNN`; `name`, `dtype`,
            `trainable`.
    """

    network_type = Network

    def __init__(self, image_shape, num_levels=2, num_filters=32, num_layers=7, **kwargs):
        super().__init__(image_shape, num_levels, num_filters, num_layers, **kwargs)

"""Diagonal BiLSTM: van den Oord et al. 2016, https://arxiv.org/abs/1601.06759, section 3.2.

The PixelRNN whose every layer sees all earlier pixels. An LSTM goes from the upper left corner of the image along its
diagonals: the state of a pixel comes from the states of the pixels to its left and above it, and so from all of the
rectangle that they end; its c from the left alone. A second LSTM does the same from the upper right corner. Its map is
moved down by a row, since its own row would hold pixels yet to come, and the two are added.

As the second map is moved, it may see the pixel where it stands, and does here. In the paper it does not, and then no
layer sees the last pixel of the row above, which stands to the left of no pixel of its row.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_genzoo.models.autoregressive.causal import shift_down
from keras_genzoo.models.autoregressive.channel_order import channel_groups, sees
from keras_genzoo.models.autoregressive.lstm_scan import lstm_scan
from keras_genzoo.models.autoregressive.pixel_rnn import PixelRNN, PixelRNNNetwork, lstm_cell, uniform
from keras_genzoo.models.autoregressive.skew import Skew

_LEFT, _ABOVE = 0, 1  # taps of the column before in a skewed map: the same row, and the one above
_CHAIN = 8  # images side by side where XLA makes many small steps cheap


class BidirectionalLSTM(layers.Layer):
    """Both directions of a Diagonal BiLSTM: x `(n, h, w, f)` to hidden states `(n, h, w, units)`.

    Args:
        units: int.
        channels: int, of an image.
        num_beside: int, further inputs, which gates of every channel see; after them come the channels of the pixel
            itself, for the second direction alone.
    """

    def __init__(self, units, channels, num_beside=0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.groups = channel_groups(units, channels, repeats=4)
        inputs = np.append(channel_groups(2 * units, channels), np.zeros(num_beside, int))
        itself = np.ones(channels, int)
        self.input_groups = np.append(inputs, channels * itself), np.append(inputs, 0 * itself)

    def build(self, x_shape):
        shape = (2, x_shape[-1], 4 * self.units)
        self.input_kernel = self.add_weight(name="input_kernel", shape=shape, initializer=uniform(x_shape[-1]))
        shape = (2, 2 * self.units, 4 * self.units)
        self.state_kernel = self.add_weight(name="state_kernel", shape=shape, initializer=uniform(2 * self.units))
        self.bias = self.add_weight(name="bias", shape=(2, 4 * self.units), initializer="zeros")

    def masked_input_kernel(self):
        kernel = tf.convert_to_tensor(self.input_kernel)
        seen = tf.stack([sees(self.groups, inputs, "B") for inputs in self.input_groups])  # (2, f, 4 units)
        return kernel * tf.cast(seen, kernel.dtype)

    def call(self, x, cursor=None, compiled=False):
        """x `(n, h, w, f)` to `(n, h, w, units)`; with a cursor, the next pixel `(n, f)` to `(n, units)`."""
        if cursor is not None:
            return self._next_pixel(x, cursor)
        _, height, width, _ = x.shape
        kernel = tf.concat([self.masked_input_kernel(), tf.convert_to_tensor(self.state_kernel)], axis=1)
        skew = Skew(height, width, _CHAIN if compiled else 1)
        skewed = skew.skew(tf.stack([x, x]))
        hidden = lstm_scan(skewed, kernel, tf.convert_to_tensor(self.bias), (_LEFT, _ABOVE), skew.resets, compiled)
        to_right, to_left = tf.unstack(skew.unskew(hidden, tf.shape(x)[0]))
        return to_right + shift_down(to_left)

    # ---- sampling ----

    def _next_pixel(self, x, cursor):
        kept, column = cursor.kept[self.name], cursor.column
        h, c = tf.split(kept["states"].read(column), 2, axis=-1)  # of the pixel to the left
        gates = tf.matmul(tf.concat([x, h], axis=-1), kept["kernel"]) + tf.gather(kept["from_above"], column, axis=1)
        h, c = lstm_cell(gates, c)
        states = kept["states"].write(column + 1, tf.concat([h, c], axis=-1))
        cursor.kept[self.name] = {**kept, "states": states, "inputs": kept["inputs"].write(column, x)}
        return h + tf.gather(kept["to_left"], column, axis=1)

    def rows_above(self, n, width):
        """What is kept from row to row, at the first one: of the row above its inputs and hidden states to the right.

        Those to the left lag a row behind, as they begin at the end of a row: they are computed by `go_left` when the
        next one begins. Before the first row there is none, which `exists` tells.
        """
        features = {"inputs": len(self.input_groups[0]), "to_right": self.units, "to_left": self.units}
        rows = {name: tf.zeros((n, width, size), self.compute_dtype) for name, size in features.items()}
        return {**rows, "exists": tf.zeros((), self.compute_dtype)}

    def begin_row(self, above):
        """What is kept along a row, from what is kept of the one above once `go_left` has been there."""
        n, (_, width, num_features) = tf.shape(above["inputs"])[0], above["inputs"].shape
        weights = (self.masked_input_kernel(), self.state_kernel, self.bias)
        input_kernel, state_kernel, bias = (tf.cast(weight[0], self.compute_dtype) for weight in weights)

        def along_row(length, width):
            empty = tf.TensorArray(self.compute_dtype, length, element_shape=(above["inputs"].shape[0], width))
            return empty.unstack(tf.zeros((length, n, width), self.compute_dtype))

        return {
            "kernel": tf.concat([input_kernel, state_kernel[: self.units]], axis=0),
            "from_above": tf.matmul(above["to_right"], state_kernel[self.units :]) + bias,  # (n, w, 4 units)
            "to_left": above["to_left"],
            "states": along_row(width + 1, 2 * self.units),  # after those left of the image
            "inputs": along_row(width, num_features),
        }

    def end_row(self, above, kept):
        to_right = kept["states"].stack()[1:, :, : self.units]
        rows = {"inputs": kept["inputs"].stack(), "to_right": to_right}  # each (w, n, f)
        rows = {name: tf.transpose(row, (1, 0, 2)) for name, row in rows.items()}
        return {**rows, "to_left": above["to_left"], "exists": tf.ones_like(above["exists"])}


def go_left(lstms, above):
    """The hidden states of the row above from right to left, of all layers at once.

    Args:
        lstms: list of `BidirectionalLSTM`.
        above: list of what each keeps from row to row.

    Returns:
        list of `(n, w, units)`.
    """
    inputs = tf.stack([tf.concat([kept["inputs"], kept["to_left"]], axis=-1) for kept in above])  # (layers, n, w, f)
    kernels = [
        tf.concat([lstm.masked_input_kernel()[1], *reversed(tf.split(lstm.state_kernel[1], 2))], axis=0)
        for lstm in lstms
    ]  # by the pixel, the one above it, and as the scan's tap the one to its right
    x = tf.reverse(tf.transpose(inputs, (2, 0, 1, 3)), axis=[0])[:, :, None]  # (w, layers, 1, n, f)
    biases = tf.stack([lstm.bias[1] for lstm in lstms])
    hidden = lstm_scan(x, tf.cast(tf.stack(kernels), x.dtype), tf.cast(biases, x.dtype), (0,))
    rows = tf.transpose(tf.reverse(hidden[:, :, 0], axis=[0]), (1, 2, 0, 3))  # (layers, n, w, units)
    return [
        tf.ensure_shape(kept["exists"] * row, kept["to_left"].shape)
        for kept, row in zip(above, tf.unstack(rows), strict=True)
    ]


class Network(PixelRNNNetwork):
    """The network of a Diagonal BiLSTM."""

    lstm_type = BidirectionalLSTM

    def _parameters(self, images, cursor, draw, condition=None, context=None):
        pixels = self.scaled(images)
        context = pixels if context is None else tf.concat([context, pixels], axis=-1)
        return super()._parameters(images, cursor, draw, condition=condition, context=context)

    def begin_row(self, above, condition=None):
        names = [lstm.name for lstm in self.lstms]
        to_left = go_left(self.lstms, [above[name] for name in names])
        moved = {name: {**above[name], "to_left": row} for name, row in zip(names, to_left, strict=True)}
        return super().begin_row({**above, **moved}, condition)

    def end_row(self, above, kept, row):
        ended, pixels = super().end_row(above, kept, row), self.scaled(row)
        for lstm in self.lstms:  # to whom a pixel was not yet known when it was theirs
            inputs = ended[lstm.name]["inputs"]
            inputs = tf.concat([inputs[..., : -pixels.shape[-1]], tf.cast(pixels, inputs.dtype)], axis=-1)
            ended[lstm.name] = {**ended[lstm.name], "inputs": inputs}
        return ended


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

    def __init__(self, image_shape, num_levels=2, num_filters=16, num_layers=7, **kwargs):
        super().__init__(image_shape, num_levels, num_filters, num_layers, **kwargs)

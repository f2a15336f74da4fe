"""What the PixelRNNs share: van den Oord et al. 2016, https://arxiv.org/abs/1601.06759.

An autoregressive model whose network is recurrent, so that a pixel may see all that came before, however far:

    a 7x7 convolution that does not see the pixel itself (mask A), to 2 h maps
    layers of convolutional LSTMs of h units, each  x + conv1x1(LSTM(x))
    relu and a 1x1 convolution, twice

An LSTM's gates are sums of two convolutions, input-to-state, of the layer's input, and state-to-state, of states of
earlier pixels. The first has mask B, the gates of a unit belonging to the unit's channel; the second sees earlier
pixels alone and needs none.
"""

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo.checks import positive_integers
from keras_genzoo.models.autoregressive.autoregressive_model import AutoregressiveModel
from keras_genzoo.models.autoregressive.causal import CausalConv2D, CausalNetwork, Dropout, per_example
from keras_genzoo.models.autoregressive.channel_order import PixelDense, channel_groups

_FIRST_WINDOW = (7, 7)
_COMPILED_FROM = 16 * 16  # pixels from which a network trains faster for being compiled


def lstm_cell(gates, c):
    """The new hidden state and c of a pixel, each `(n, f)`, of its gates before their nonlinearities, `(n, 4 f)`."""
    o, f, i, g = tf.split(gates, 4, axis=-1)
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def uniform(num_inputs):
    """The usual initialiser of a recurrent network's gates."""
    return keras.initializers.RandomUniform(-(num_inputs**-0.5), num_inputs**-0.5)


class ResidualLSTM(layers.Layer):
    """A layer of the network, x `(n, h, w, f)` to the same shape.

    Args:
        lstm: layer from maps `(n, h, w, f)` to hidden states `(n, h, w, f / 2)`. It is causal as those of `causal` are:
            called with a cursor, it takes the next pixel, and it has their `rows_above`, `begin_row` and `end_row`.
        channels: int, of an image.
        dropout: float, the share of hidden states dropped in training.
    """

    def __init__(self, lstm, channels, dropout, **kwargs):
        super().__init__(**kwargs)
        inner, outer = channel_groups(lstm.units, channels), channel_groups(2 * lstm.units, channels)
        self.lstm = lstm
        self.dropout = Dropout(dropout, dtype=self.dtype_policy)
        self.expand = PixelDense(len(outer), outer, inner, dtype=self.dtype_policy)
        self.label = layers.Dense(len(outer), use_bias=False, dtype=self.dtype_policy)

    def build(self, x_shape, condition_shape=None, context_shape=None):
        self.lstm.build((*x_shape[:-1], x_shape[-1] + (context_shape[-1] if context_shape else 0)))
        self.expand.build((*x_shape[:-1], self.lstm.units))
        if condition_shape is not None:
            self.label.build(condition_shape)

    def call(self, x, condition=None, context=None, cursor=None, draw=None, compiled=False):
        """With a condition `(n, d)`, or a context of every pixel that the LSTM sees beside x, `(n, h, w, e)`."""
        seen = x
        if condition is not None:
            seen += per_example(self.label(condition), x)
        if context is not None:
            seen = tf.concat([seen, context], axis=-1)
        h = self.lstm(seen, cursor=cursor, compiled=compiled)
        return x + self.expand(self.dropout(h, draw=draw))


class PixelRNNNetwork(CausalNetwork):
    """The network of a PixelRNN; a subclass gives `lstm_type`.

    Args:
        channels: int, of an image.
        num_parameters: int, of a pixel.
        num_filters: int.
        num_layers: int.
        dropout: float.
        num_beside: int, features of a context that every LSTM sees beside its input, whatever the channel.
    """

    def __init__(self, channels, num_parameters, num_filters, num_layers, dropout, num_beside=0, **kwargs):
        super().__init__(**kwargs)
        inputs, filters = channel_groups(channels, channels), channel_groups(2 * num_filters, channels)
        outputs = channel_groups(num_parameters, channels)
        options = {"dtype": self.dtype_policy}
        self.first = CausalConv2D(len(filters), _FIRST_WINDOW, "A", filters, inputs, **options)
        # The recurrence is in float32 under any policy: rounding would add up along it.
        self.blocks = [
            ResidualLSTM(
                self.lstm_type(num_filters, channels, num_beside, dtype="float32"), channels, dropout, **options
            )
            for _ in range(num_layers)
        ]
        self.hidden = PixelDense(len(filters), filters, filters, "he_normal", **options)
        self.head = PixelDense(num_parameters, outputs, filters, dtype="float32")
        self.compiles = False

    def call(self, images, condition=None, cursor=None, draw=None):
        return self._parameters(images, cursor, draw, condition=condition)

    def _parameters(self, images, cursor, draw, **beside):
        """What `call` returns; its layers see something beside the image, see `ResidualLSTM`."""
        x = self.first(self.scaled(images), cursor=cursor)
        compiled = self.compiles and draw is not None
        for block in self.blocks:
            x = block(x, **beside, cursor=cursor, draw=draw, compiled=compiled)
        return self.head(tf.nn.relu(self.hidden(tf.nn.relu(x))))

    def compile_from(self, image_shape, allows_xla):
        """Has XLA compile the recurrence in training, where it may and the image is large enough to gain by it."""
        self.compiles = allows_xla and image_shape[0] * image_shape[1] >= _COMPILED_FROM

    # ---- sampling: the LSTMs keep what the layers of a PixelCNN do, states besides inputs ----

    @property
    def lstms(self):
        return [block.lstm for block in self.blocks]

    def begin_image(self, n, width):
        return {**super().begin_image(n, width), **{lstm.name: lstm.rows_above(n, width) for lstm in self.lstms}}

    def begin_row(self, above, condition=None):
        above, kept = super().begin_row(above)
        return above, {**kept, **{lstm.name: lstm.begin_row(above[lstm.name]) for lstm in self.lstms}}

    def end_row(self, above, kept, row):
        ended = {lstm.name: lstm.end_row(above[lstm.name], kept[lstm.name]) for lstm in self.lstms}
        return {**super().end_row(above, kept, row), **ended}


class PixelRNN(AutoregressiveModel):
    """Base class of the PixelRNNs; a subclass gives `network_type`.

    In training XLA compiles the recurrence, unless `compile(jit_compile=False)` keeps it from that.

    Args:
        image_shape: tuple `(height, width, channels)`; 1 or 3 channels.
        num_levels: int, 2 to 256.
        num_filters: int, h, units of an LSTM; the maps between them are twice as many.
        num_layers: int, LSTMs.
        num_classes: int or None.
        likelihood: `"categorical"` or `"logistic_mixture"`, see `PixelCNN`.
        condition_dim: int or None.
        dropout: float in [0, 1), the share of hidden states dropped in training.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(
        self,
        image_shape,
        num_levels,
        num_filters,
        num_layers,
        num_classes=None,
        likelihood="categorical",
        condition_dim=None,
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(image_shape, num_levels, num_classes, condition_dim, likelihood, dropout, **kwargs)
        (self.num_filters,) = positive_integers("num_filters", [num_filters], 1)
        (self.num_layers,) = positive_integers("num_layers", [num_layers], 1)
        channels = self.image_shape[-1]
        if num_filters < channels:
            raise ValueError(
                f"`num_filters` must be at least {channels} in images of {channels} channels; got {num_filters}."
            )
        sizes = (self.num_filters, self.num_layers, self.dropout)
        self.network = self.network_type(channels, self.num_parameters, *sizes, dtype=self.dtype_policy)
        self.build()

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        self.network.compile_from(self.image_shape, self.allows_xla)

    def get_config(self):
        return {**super().get_config(), "num_filters": self.num_filters, "num_layers": self.num_layers}

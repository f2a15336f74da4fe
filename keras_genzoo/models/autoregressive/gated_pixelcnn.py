"""Gated PixelCNN: van den Oord et al. 2016, https://arxiv.org/abs/1606.05328.

A PixelCNN whose network has two streams, so that together they see every earlier pixel: a vertical one over whole
rows above, and a horizontal one along the row, which takes from the vertical one but gives nothing back. Both have
gated units,

    y = tanh(a + V h) * sigmoid(b + W h),

where a and b are halves of a convolution's output and h, if the model is conditional, is a class or a vector (which
reaches the horizontal stream through the vertical one).

Left out: the paper's conditioning on maps of the image's size.
"""

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo.models.autoregressive.causal import (
    CausalConv2D,
    CausalNetwork,
    Cursor,
    Dropout,
    RowsConv2D,
    per_example,
    shift_down,
)
from keras_genzoo.models.autoregressive.channel_order import PixelDense, channel_groups
from keras_genzoo.models.autoregressive.pixelcnn import PixelCNN

_FIRST_WINDOW, _WINDOW = 7, 3


def gate(x):
    """tanh of one half of the features times the sigmoid of the other: `(..., 2 f)` to `(..., f)`."""
    a, b = tf.split(x, 2, axis=-1)
    return tf.tanh(a) * tf.sigmoid(b)


class GatedBlock(layers.Layer):
    """One layer of both streams; figure 2 of the paper. The first has mask A and no residual connection."""

    def __init__(self, num_filters, dilation, channels, dropout, is_first, **kwargs):
        super().__init__(**kwargs)
        self.is_first = is_first
        window, mask = (_FIRST_WINDOW, "A") if is_first else (_WINDOW, "B")
        # Rows come shifted down by one, so that the first block's own row is already one of those above.
        rows = window // 2 if is_first else window // 2 + 1
        groups = channel_groups(num_filters, channels)
        gated = channel_groups(num_filters, channels, repeats=2)
        inputs = channel_groups(channels, channels) if is_first else groups
        options = {"dtype": self.dtype_policy}
        self.vertical = RowsConv2D(2 * num_filters, (rows, window), dilation, **options)
        self.to_horizontal = PixelDense(2 * num_filters, **options)
        self.horizontal = CausalConv2D(2 * num_filters, (1, window), mask, gated, inputs, dilation, **options)
        self.dropout = Dropout(dropout, dtype=self.dtype_policy)
        self.out = PixelDense(num_filters, groups, groups, **options)
        self.condition = layers.Dense(2 * num_filters, use_bias=False, **options)

    def build(self, x_shape, condition_shape=None):
        self.vertical.build(x_shape)
        self.horizontal.build(x_shape)
        self.to_horizontal.build((*x_shape[:-1], self.vertical.filters))
        self.out.build((*x_shape[:-1], self.out.units))
        if condition_shape is not None:
            self.condition.build(condition_shape)

    def look_above(self, above, condition=None, cursor=None):
        """The vertical stream.

        Args:
            above: `(n, h, w, f)`, or with a cursor the next row `(n, w, f)`.
            condition: `(n, d)` or None.
            cursor: `Cursor` or None.

        Returns:
            its next features, and what goes to the horizontal stream, of the same leading axes.
        """
        x = self.vertical(above, cursor=cursor)
        if condition is not None:
            x += per_example(self.condition(condition), x)
        return gate(x), self.to_horizontal(x)

    def call(self, x, from_above, cursor=None, draw=None):
        """The horizontal stream: x `(n, h, w, f)`, or with a cursor the next pixel `(n, f)`."""
        y = self.out(self.dropout(gate(self.horizontal(x, cursor=cursor) + from_above), draw=draw))
        return y if self.is_first else x + y


class Network(CausalNetwork):
    """The two streams of a gated PixelCNN."""

    def __init__(self, channels, num_parameters, num_filters, num_residual_blocks, dilations, dropout, **kwargs):
        super().__init__(**kwargs)
        filters, outputs = channel_groups(num_filters, channels), channel_groups(num_parameters, channels)
        dilations = (1, *(dilations[i % len(dilations)] for i in range(num_residual_blocks)))
        self.blocks = [
            GatedBlock(num_filters, dilation, channels, dropout, is_first=i == 0, dtype=self.dtype_policy)
            for i, dilation in enumerate(dilations)
        ]
        self.hidden = PixelDense(num_filters, filters, filters, "he_normal", dtype=self.dtype_policy)
        self.head = PixelDense(num_parameters, outputs, filters, dtype="float32")

    def build(self, images_shape, condition_shape=None):
        shape = images_shape
        for block in self.blocks:  # not by Keras, since they are entered by `look_above`, too
            block.build(shape, condition_shape)
            shape = (*shape[:-1], block.out.units)
        self.hidden.build(shape)
        self.head.build(shape)

    def call(self, images, condition=None, cursor=None, draw=None):
        x = self.scaled(images)
        if cursor is None:
            _, from_above = self.look_above(shift_down(x), condition)
        else:
            from_above = tf.unstack(tf.gather(cursor.kept["from_above"], cursor.column, axis=2))
        for block, features in zip(self.blocks, from_above, strict=True):
            x = block(x, features, cursor=cursor, draw=draw)
        return self.head(tf.nn.relu(self.hidden(tf.nn.relu(x))))

    def look_above(self, above, condition=None, cursor=None):
        """The vertical stream, and for each block what it gives to the horizontal one."""
        to_horizontal = []
        for block in self.blocks:
            above, features = block.look_above(above, condition, cursor)
            to_horizontal.append(features)
        return above, to_horizontal

    # ---- sampling: the vertical stream goes row by row ----

    def begin_image(self, n, width):
        channels = len(self.blocks[0].horizontal.input_groups)
        return {**super().begin_image(n, width), "row": tf.zeros((n, width, channels), self.compute_dtype)}

    def begin_row(self, above, condition=None):
        above, kept = super().begin_row(above)
        cursor = Cursor(above)
        _, from_above = self.look_above(above["row"], condition, cursor)
        kept["from_above"] = tf.stack(from_above)  # (blocks, n, w, 2 f)
        return cursor.kept, kept

    def end_row(self, above, kept, row):
        return {**super().end_row(above, kept, row), "row": self.scaled(row)}


@keras.saving.register_keras_serializable(package="keras_genzoo")
class GatedPixelCNN(PixelCNN):
    """Gated PixelCNN.

    Args:
        image_shape: tuple `(height, width, channels)`; 1 or 3 channels.
        num_levels: int, 2 to 256.
        num_filters: int, of each stream.
        num_residual_blocks: int.
        **kwargs: `num_classes`, `likelihood`, `dilations`, `condition_dim` and `dropout`, as for `PixelCNN`;
            `name`, `dtype`, `trainable`.
    """

    network_type = Network

    def __init__(self, image_shape, num_levels=2, num_filters=64, num_residual_blocks=6, **kwargs):
        super().__init__(image_shape, num_levels, num_filters, num_residual_blocks, **kwargs)

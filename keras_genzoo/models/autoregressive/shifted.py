"""The shifted convolutions of PixelCNN++ (Salimans et al. 2017, https://arxiv.org/abs/1701.05517), at several scales.

A network that halves its maps and doubles them again stays causal if a coarse pixel (i, j) sees no more than what may
be known at the fine pixel (2i, 2j), the first of the four that will see it in turn:

    down   coarse (i, j) sees fine rows 2i - 1 and 2i, and of columns those up to 2j (a stream of rows: up to 2j + 1)
    up     fine (r, c) sees coarse (r // 2, c // 2)

Sides are rounded up on the way down and cut on the way up, so that odd ones are as good as any. To sample, a coarse
pixel is computed when its first fine one is next, and held for the others.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_genzoo.layers import add_bias
from keras_genzoo.models.autoregressive.causal import CausalConv2D, Cursor, RowsConv2D


def concat_elu(x):
    """elu of x beside elu of -x: `(..., f)` to `(..., 2 f)`."""
    return tf.nn.elu(tf.concat([x, -x], axis=-1))


class DownShiftedConv2D(RowsConv2D):
    """The 2x3 convolution of the stream of rows: a row and the one above it.

    Args:
        filters: int.
        num_inputs: int or None, found when it is built.
        stride: int, 1 or 2; with a cursor the rows of a convolution of stride 2 count every second time alone.
        kernel_initializer: Keras initialiser.
    """

    def __init__(self, filters, num_inputs=None, stride=1, **kwargs):
        super().__init__(filters, (2, 3), **kwargs)
        self.stride = stride

    def _convolve(self, x, num_rows_of_padding):
        x = tf.pad(x, [(0, 0), (num_rows_of_padding, 0), (1, 1), (0, 0)])
        return add_bias(tf.nn.conv2d(x, tf.convert_to_tensor(self.kernel), self.stride, "VALID"), self.bias)


class DownRightShiftedConv2D(CausalConv2D):
    """The 2x2 convolution of the stream of pixels: a pixel, the one on its left and the two above these.

    Args:
        filters: int.
        num_inputs: int.
        stride: int, 1 or 2; with a cursor a convolution of stride 2 computes all pixels, of which every second one of
            every second row counts.
        kernel_initializer: Keras initialiser.
    """

    def __init__(self, filters, num_inputs, stride=1, **kwargs):
        super().__init__(filters, (3, 3), "B", np.zeros(filters, int), np.zeros(num_inputs, int), **kwargs)
        self.stride = stride
        self.window = (2, 2)
        self.padding = [(0, 0), (1, 0), (1, 0), (0, 0)]

    @property
    def taps(self):
        """No tap of the window looks ahead."""
        return tf.ones((), self.compute_dtype)

    def call(self, x, cursor=None):
        if cursor is not None:
            return super().call(x, cursor=cursor)
        y = tf.nn.conv2d(tf.pad(x, self.padding), tf.convert_to_tensor(self.kernel), self.stride, "VALID")
        return add_bias(y, self.bias)


class Upsampling(layers.Layer):
    """A transposed convolution of stride 2, from coarse maps to fine ones of a given size.

    Args:
        filters: int.
        num_columns: int, of its kernel of two rows: 3 for a stream of rows, 2 for one of pixels.
        kernel_initializer: Keras initialiser.
    """

    def __init__(self, filters, num_columns, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.num_columns = num_columns
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        shape = (2, self.num_columns, input_shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.kernel_initializer)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, x, size):
        """Coarse `(n, h, w, f)` to `(n, *size, filters)`."""
        height, width, left = 2 * x.shape[1], 2 * x.shape[2], self.num_columns - 2
        kernel = tf.transpose(tf.convert_to_tensor(self.kernel), (0, 1, 3, 2))
        shape = (tf.shape(x)[0], height, width + left, self.filters)
        y = tf.nn.conv2d_transpose(x, kernel, shape, 2, "VALID")
        # Not `y[...]`, whose gradient is twice as slow as all else here.
        return add_bias(tf.slice(y, (0, 0, left, 0), (-1, *size, -1)), self.bias)

    def row(self, x, row, width):
        """A fine row `(n, width, filters)` of the coarse one above it, `(n, w, f)`."""
        return tf.gather(self(x[:, None], size=(2, width)), row % 2, axis=1)

    def pixel(self, x, row, column):
        """A fine pixel `(n, filters)` of the coarse one that it lies in, `(n, f)`; of a kernel of two columns."""
        kernels = tf.reshape(tf.convert_to_tensor(self.kernel), (4, -1, self.filters))
        return add_bias(tf.matmul(x, tf.gather(kernels, 2 * (row % 2) + column % 2)), self.bias)


class ScaleCursor(Cursor):
    """Where a network stands in the maps of one scale.

    Attributes:
        row: int tensor.
        column: int tensor, or None while a network goes by rows.
    """

    def __init__(self, kept, row, column=None):
        super().__init__(kept, column)
        self.row = row

    def coarser(self, name, compute):
        """What is computed on the next coarser scale, now if this is the first of the rows or pixels that see it.

        A loop of one turn or none: XLA copies whatever a branch of `tf.cond` returns, but not what a loop carries.

        Args:
            name: str, under which it is kept: a row as it is, pixels in a `tf.TensorArray` of their row.
            compute: function of the `ScaleCursor` of the coarser scale to the next row or pixel there.
        """
        places = [self.row] if self.column is None else [self.row, self.column]

        def turn(_, kept):
            cursor = ScaleCursor(kept, *(place // 2 for place in places))
            computed = compute(cursor)
            if cursor.column is not None:
                computed = cursor.kept[name].write(cursor.column, computed)
            return False, {**cursor.kept, name: computed}

        is_first = tf.reduce_all([place % 2 == 0 for place in places])
        _, self.kept = tf.while_loop(lambda again, _: again, turn, (is_first, self.kept))
        return self.kept[name] if self.column is None else self.kept[name].read(self.column // 2)

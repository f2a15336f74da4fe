"""Causal layers: convolutions over the pixels that come before, in raster order, and what networks of them share.

Every layer computes one and the same function in two ways:

- on whole images, `layer(x)` with x `(n, h, w, f)`, to train and to evaluate;
- one step at a time, `layer(x, cursor)`, to sample: x is the next pixel `(n, f)` (`CausalConv2D`) or the next row
  `(n, w, f)` (`RowsConv2D`). The layer takes what it keeps of earlier steps from the `Cursor`, and leaves there what
  later ones need, so that a step costs no more than its own multiplications.

Layers without a spatial extent, such as `PixelDense`, act on the last axis and need no cursor.
"""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_genzoo.layers import add_bias
from keras_genzoo.models.autoregressive.attention import CausalAttention
from keras_genzoo.models.autoregressive.channel_order import sees
from keras_genzoo.networks import nested_layers


class Cursor:
    """Where a network stands in an image it goes through pixel by pixel, and what its layers keep.

    Attributes:
        kept: dict, layer name to its tensors; layers replace their own entry.
        column: int tensor, of the pixel that comes next in its row.
    """

    def __init__(self, kept, column=None):
        self.kept = dict(kept)
        self.column = column


class CausalConv2D(layers.Layer):
    """The masked convolution of van den Oord et al. 2016 (https://arxiv.org/abs/1601.06759, section 3.4).

    An output sees, of the k x k neighbourhood, the rows above and its own row up to the pixel itself. The rows below
    are not there to be masked: the kernel is cropped to its upper half.

    Args:
        filters: int.
        kernel_size: `(rows, columns)`, odd; one row makes it a convolution along the row alone.
        mask: `"A"`: of the pixel itself only the channels before the output's own are seen (none in images of one
            channel); `"B"`: also its own channel.
        groups: `(filters,)` ints, the channel of each output; see `channel_groups`.
        input_groups: `(f,)` ints, the channel of each input.
        dilation: int, the distance of taps.
        kernel_initializer: Keras initialiser.
    """

    def __init__(
        self,
        filters,
        kernel_size,
        mask,
        groups,
        input_groups,
        dilation=1,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.mask = mask
        self.keeps_known_pixels = mask == "A"  # as its input is an image, whose channels are known one by one
        self.num_above, self.num_left = (size // 2 for size in kernel_size)
        self.dilation = dilation
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.groups, self.input_groups = groups, input_groups
        num_right = self.num_left if self.num_above else 0
        self.window = (self.num_above + 1, self.num_left + 1 + num_right)
        self.reach = self.num_left * dilation
        self.padding = [(0, 0), (self.num_above * dilation, 0), (self.reach, num_right * dilation), (0, 0)]

    def build(self, input_shape):
        shape = (*self.window, len(self.input_groups), self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.kernel_initializer)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    @property
    def taps(self):
        """What the kernel is multiplied by, `(rows, columns, f, filters)`: 0 at the taps that would look ahead, else 1.

        Made in the graph from a few bytes, since an exported graph holds its constants in full.
        """
        earlier, own = np.ones((*self.window, 1, 1), "float32"), np.zeros((*self.window, 1, 1), "float32")
        earlier[-1, self.num_left :] = 0
        own[-1, self.num_left] = 1
        if max(self.groups) == 0:
            taps = earlier + own * (self.mask == "B")
        else:
            taps = earlier + own * tf.cast(sees(self.groups, self.input_groups, self.mask), tf.float32)
        return tf.cast(taps, self.compute_dtype)

    def call(self, x, cursor=None):
        """x `(n, h, w, f)` to `(n, h, w, filters)`; with a cursor, the next pixel `(n, f)` to `(n, filters)`."""
        if cursor is None:
            y = convolve(tf.pad(x, self.padding), self.kernel * self.taps, self.dilation)
            return add_bias(y, self.bias)
        kept = cursor.kept[self.name]
        left = [kept["row"].read(cursor.column + tap * self.dilation) for tap in range(self.num_left)]
        y = tf.matmul(tf.concat([*left, x], axis=-1), kept["kernel"])
        if self.mask == "B":
            self.keep(x, cursor)
        if self.num_above:
            return y + tf.gather(kept["from_above"], cursor.column, axis=1)
        return add_bias(y, self.bias)

    def keep(self, x, cursor):
        """Keeps an input for the pixels that come after; with mask A called once all its channels are known."""
        kept = cursor.kept[self.name]
        cursor.kept[self.name] = {**kept, "row": kept["row"].write(cursor.column + self.reach, x)}

    def rows_above(self, n, width):
        """What is kept from row to row, at the first one: the inputs above, `(n, rows, w, f)`."""
        return tf.zeros((n, self.num_above * self.dilation, width, len(self.input_groups)), self.compute_dtype)

    def begin_row(self, above):
        """What is kept along a row; what its pixels share, and what the rows above say of each, is computed at once."""
        n, width, f = tf.shape(above)[0], above.shape[2], above.shape[3]
        kernel, bias = (tf.cast(weights, above.dtype) for weights in (self.kernel, self.bias))
        own_row = (kernel * self.taps)[-1, : self.num_left + 1]
        row = tf.zeros((self.reach + width, n, f), above.dtype)  # the inputs so far, after zeros left of the image
        kept = {
            "kernel": tf.reshape(own_row, (-1, self.filters)),  # ((num_left + 1) f, filters)
            "row": tf.TensorArray(above.dtype, self.reach + width, element_shape=(above.shape[0], f)).unstack(row),
        }
        if self.num_above:
            x = tf.pad(above[:, : (self.num_above - 1) * self.dilation + 1], [(0, 0), (0, 0), self.padding[2], (0, 0)])
            kept["from_above"] = add_bias(convolve(x, kernel[:-1], self.dilation)[:, 0], bias)  # (n, w, filters)
        return kept

    def end_row(self, above, kept):
        """What is kept from row to row, after a row."""
        if not self.num_above:
            return above
        row = tf.transpose(kept["row"].stack()[self.reach :], (1, 0, 2))  # (n, w, f)
        return tf.concat([above[:, 1:], row[:, None]], axis=1)


class RowsConv2D(layers.Layer):
    """A convolution over whole rows, the output's own and those above: the vertical stack of a gated PixelCNN.

    Its input must be shifted down by a row somewhere before, see `shift_down`, so that nothing sees its own pixel.

    Args:
        filters: int.
        kernel_size: `(rows, columns)`, with the output's own row the last; odd in columns.
        dilation: int, the distance of taps.
        kernel_initializer: Keras initialiser.
    """

    def __init__(self, filters, kernel_size, dilation=1, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.num_above = (kernel_size[0] - 1) * dilation
        self.num_beside = kernel_size[1] // 2 * dilation

    def build(self, input_shape):
        self.num_inputs = input_shape[-1]
        shape = (*self.kernel_size, self.num_inputs, self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.kernel_initializer)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, x, cursor=None):
        """x `(n, h, w, f)` to `(n, h, w, filters)`; with a cursor, the next row `(n, w, f)` to `(n, w, filters)`."""
        if cursor is None:
            return self._convolve(x, self.num_above)
        seen = tf.concat([cursor.kept[self.name], x[:, None]], axis=1)
        cursor.kept[self.name] = seen[:, 1:]
        return self._convolve(seen, 0)[:, 0]

    def _convolve(self, x, num_rows_of_padding):
        beside = (self.num_beside, self.num_beside)
        x = tf.pad(x, [(0, 0), (num_rows_of_padding, 0), beside, (0, 0)])
        return add_bias(convolve(x, tf.convert_to_tensor(self.kernel), self.dilation), self.bias)

    def rows_above(self, n, width):
        """What is kept from row to row, at the first one: the inputs above, `(n, rows, w, f)`."""
        return tf.zeros((n, self.num_above, width, self.num_inputs), self.compute_dtype)


def convolve(x, kernel, dilation):
    """A convolution of x `(n, h, w, f)` that stays inside it, as `padding="VALID"` does."""
    if dilation > 1 and not tf.config.list_physical_devices("GPU") and not _has_dilated_gradient(x.dtype):
        undilated = lambda x, *_: tf.nn.conv2d(x, kernel, 1, "VALID")  # noqa: E731
        return tf.nn.with_space_to_batch(x, [dilation, dilation], "VALID", undilated, filter_shape=kernel.shape[:2])
    return tf.nn.conv2d(x, kernel, 1, "VALID", dilations=dilation)


@functools.cache
def _has_dilated_gradient(dtype):
    """Whether this CPU's convolutions have a gradient where they are dilated.

    Of TensorFlow's kernels only oneDNN's have one. They know no float16, and are off on macOS and on CPUs without
    AVX-512's or AMX's instructions for neural networks, so the kernels themselves are asked.
    """
    places = {"strides": [1] * 4, "dilations": [1, 2, 2, 1], "padding": "VALID"}
    with tf.init_scope(), tf.device("CPU"):
        kernel, gradient = tf.zeros((2, 2, 1, 1), dtype), tf.zeros((1, 1, 1, 1), dtype)
        try:
            tf.raw_ops.Conv2DBackpropInput(input_sizes=[1, 3, 3, 1], filter=kernel, out_backprop=gradient, **places)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return False
        return True


def shift_down(x):
    """Each row becomes the one above it, so that it is known before the first pixel of its row: `(n, h, w, f)`."""
    above = tf.slice(x, [0] * 4, [-1, x.shape[1] - 1, -1, -1])  # its gradient is faster than that of x[:, :-1]
    return tf.pad(above, [(0, 0), (1, 0), (0, 0), (0, 0)])


def per_example(vectors, x):
    """Vectors `(n, f)` that add to x `(n, ..., f)`."""
    return tf.reshape(vectors, (-1, *(1,) * (x.shape.rank - 2), vectors.shape[-1]))


class Dropout(layers.Layer):
    """Dropout whose numbers are the model's own, so that they are the same on one device and on many.

    Args:
        rate: float in [0, 1), the share of values that become 0 in training.
    """

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x, draw=None):
        """x as it is; in training, where `draw` is the model's, with values dropped and the others enlarged."""
        if draw is None or not self.rate:
            return x
        noise = draw(lambda n, seed: tf.random.stateless_uniform((n, *x.shape[1:]), seed), tf.shape(x)[0])
        return tf.where(noise < self.rate, tf.zeros_like(x), x / (1 - self.rate))


_BY_PIXEL = (CausalConv2D, CausalAttention)


class CausalNetwork(layers.Layer):
    """A network of causal layers, from images to the parameters of each pixel's distribution.

    A subclass gives `call(images, condition=None, cursor=None, draw=None)`, where images are `(n, h, w, c)`, or with a
    cursor the next pixel, `(n, c)`, of which earlier channels are known and others ignored; it returns `(n, h, w, p)`
    or `(n, p)`. In training `draw` is the model's source of random numbers, see `Dropout`.

    A network whose layers are all `CausalConv2D` and pixelwise needs nothing more to be sampled from. One that works on
    rows, too, runs that part in `begin_row`.

    Attributes:
        sees_own_channels: bool, whether the parameters of a pixel depend on its own channels, R before G before B, so
            that they are computed anew for each of them.
    """

    sees_own_channels = True

    def begin_image(self, n, width):
        """What is kept from row to row, before the first one: dict, layer name to tensor."""
        return {layer.name: layer.rows_above(n, width) for layer in self._of_type((*_BY_PIXEL, RowsConv2D))}

    def begin_row(self, above, condition=None):
        """What is kept from row to row, and what along the row that begins: two dicts."""
        return above, {layer.name: layer.begin_row(above[layer.name]) for layer in self._of_type(_BY_PIXEL)}

    def end_pixel(self, pixel, cursor):
        """Takes note of a pixel `(n, c)` that is now known in all channels."""
        for layer in self._of_type(_BY_PIXEL):
            if layer.keeps_known_pixels:
                layer.keep(self.scaled(pixel), cursor)

    def end_row(self, above, kept, row):
        """What is kept from row to row, after a row `(n, w, c)`."""
        ended = {layer.name: layer.end_row(above[layer.name], kept[layer.name]) for layer in self._of_type(_BY_PIXEL)}
        return {**above, **ended}

    def scaled(self, images):
        """Images in [0, 1] as the layers see them, in [-1, 1]: the zeros around an image are no level of a pixel."""
        return 2 * tf.cast(images, self.compute_dtype) - 1

    def _of_type(self, kinds):
        return layers_of_type(self, kinds)


def layers_of_type(layer, kinds):
    """The layers of these types within one."""
    return [inner for inner in nested_layers(layer) if isinstance(inner, kinds)]

"""Keras layers that compute the same as Keras's own, faster, and spectral normalisation as its paper has it.

Each of the fast ones falls back on Keras's own computation where its shortcut does not apply.
"""

import keras
import tensorflow as tf
from keras import layers


@keras.saving.register_keras_serializable(package="keras_genzoo")
class FusedBatchNormalization(layers.BatchNormalization):
    """Batch normalisation of maps `(n, h, w, c)` by TensorFlow's fused kernel: one pass instead of six.

    In training only; not where statistics are shared by several devices (`synchronized`), nor with `renorm`.
    """

    def call(self, x, training=None, mask=None):
        if not training or self.synchronized or self.renorm or mask is not None or len(x.shape) != 4:
            return super().call(x, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        num_values = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
        variance *= (num_values - 1) / num_values  # the kernel's is the unbiased estimate
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(self.momentum * average + (1 - self.momentum) * value)
        return outputs


@keras.saving.register_keras_serializable(package="keras_genzoo")
class BlockConv2D(layers.Conv2D):
    """A 5x5 convolution of stride 2 from few channels, as a 3x3 one of stride 1 from blocks of 2x2 pixels.

    Kernels for a single channel are slow on a CPU, above all those of its gradient by the image. Needs even sides.
    """

    def call(self, x):
        if not _has_blocks(self) or x.shape[1] % 2 or x.shape[2] % 2:
            return super().call(x)
        # y[m] = sum_k x[2m + k - 1] w[k]; with w padded in front by a zero, taps 2t and 2t + 1 fall on block m + t - 1
        kernel = _by_blocks(self)  # (3, 2, 3, 2, in, out)
        kernel = tf.reshape(tf.transpose(kernel, (0, 2, 1, 3, 4, 5)), (3, 3, 4 * x.shape[-1], self.filters))
        y = tf.nn.conv2d(tf.nn.space_to_depth(x, 2), kernel, 1, "SAME")
        return self.activation(add_bias(y, tf.cast(self.bias, y.dtype)) if self.use_bias else y)


@keras.saving.register_keras_serializable(package="keras_genzoo")
class BlockConv2DTranspose(layers.Conv2DTranspose):
    """A 5x5 transposed convolution of stride 2 to few channels, as a 3x3 convolution to blocks of 2x2 pixels.

    The two are the same map (Shi et al. 2016, https://arxiv.org/abs/1609.07009); see `BlockConv2D`.
    """

    def call(self, x):
        if not _has_blocks(self):
            return super().call(x)
        # the transpose of the map above: taps in reverse
        kernel = tf.reverse(_by_blocks(self), (0, 2))  # (3, 2, 3, 2, out, in)
        kernel = tf.reshape(tf.transpose(kernel, (0, 2, 5, 1, 3, 4)), (3, 3, x.shape[-1], 4 * self.filters))
        y = tf.nn.depth_to_space(tf.nn.conv2d(x, kernel, 1, "SAME"), 2)
        return self.activation(add_bias(y, tf.cast(self.bias, y.dtype)) if self.use_bias else y)


def add_bias(y, bias):
    """y `(..., f)` plus a bias `(f,)`.

    The gradient of `tf.nn.bias_add` adds up bfloat16 in bfloat16, where 256 + 1 is 256 (TensorFlow 2.21, CPU): the bias
    of a convolution would get a wrong one.
    """
    return y + bias if y.dtype == tf.bfloat16 else tf.nn.bias_add(y, bias)


def _has_blocks(layer):
    return (layer.kernel_size, layer.strides, layer.padding) == ((5, 5), (2, 2), "same")


def _by_blocks(layer):
    """The kernel `(5, 5, a, b)` padded to 6x6, its axes split in blocks and places in a block."""
    kernel = tf.pad(tf.cast(layer.kernel, layer.compute_dtype), ((1, 0), (1, 0), (0, 0), (0, 0)))
    return tf.reshape(kernel, (3, 2, 3, 2, *layer.kernel.shape[2:]))


@keras.saving.register_keras_serializable(package="keras_genzoo")
class SpectralNormalization(layers.Wrapper):
    """A layer that uses W / sigma(W) for its weight W, sigma the largest singular value, and so has norm 1.

    Miyato et al. 2018, https://arxiv.org/abs/1802.05957, eq. 8 and algorithm 1. W stays as it is and is what an
    optimiser moves, by the gradient through the division (eq. 12). (`keras.layers.SpectralNormalization` overwrites W
    by the quotient at each call in training.) sigma = |W v| comes from power iteration: v, kept with the layer, nears
    the right singular vector by one `power_iteration` an update, which is the model's to call; a call moves nothing.

    Args:
        layer: `Dense`, `Embedding` or convolution, whose kernel `(h, w, in, out)` counts as a matrix
            `(h * w * in, out)`.
        **kwargs: `name` and `trainable`.
    """

    def __init__(self, layer, **kwargs):
        # Neither W nor v is rounded to a lower precision that the layer may compute in.
        super().__init__(layer, autocast=False, **{**kwargs, "dtype": layer.variable_dtype})

    def build(self, input_shape=None):
        super().build(input_shape)
        self.right_vector = self.add_weight(
            name="right_vector",
            shape=(self._weight.shape[-1], 1),
            initializer=keras.initializers.Orthogonal(),  # of one column: a random direction of length 1
            trainable=False,
            aggregation="only_first_replica",
        )

    @property
    def _weight(self):
        return self.layer.embeddings if isinstance(self.layer, layers.Embedding) else self.layer.kernel

    def _matrix(self):
        return tf.reshape(self._weight, (-1, self._weight.shape[-1]))

    def power_iteration(self):
        """u = W v / |W v|, then v = W^T u / |W^T u|."""
        matrix = self._matrix()
        left_vector = tf.math.l2_normalize(tf.matmul(matrix, self.right_vector))
        self.right_vector.assign(tf.math.l2_normalize(tf.matmul(matrix, left_vector, transpose_a=True)))

    def normalized_weight(self):
        """W / sigma(W), of the shape of W. The gradient of sigma = |W v| by W is u v^T, as in the paper."""
        return self._weight / tf.norm(tf.matmul(self._matrix(), self.right_vector))

    def call(self, x):
        # All of the layer's weights, since a scope hides the values given by one around it.
        values = [(w, self.normalized_weight() if w is self._weight else w.value) for w in self.layer.weights]
        with keras.StatelessScope(state_mapping=values):
            return self.layer(x)

    def compute_output_spec(self, x):
        return self.layer.compute_output_spec(x)

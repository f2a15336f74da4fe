"""Keras layers that compute the same as Keras's own, faster.

Each falls back on Keras's own computation where its shortcut does not apply.
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

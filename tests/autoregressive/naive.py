"""The plain way to sample: the whole network on the whole image once for each channel of each pixel.

It shares nothing with the package's sampler but the model and its noise, and neither way of drawing a level.
"""

import itertools

import numpy as np
import scipy.special
import tensorflow as tf

from keras_genzoo import distributions


def sample(model, noise, labels=None, temperature=1.0, images=None, known=None):
    """float32 `(n, h, w, c)`, pixel by pixel in Python."""
    images = np.zeros(noise.shape, "float32") if images is None else np.array(images)
    known = np.zeros(noise.shape, bool) if known is None else known
    images[~known] = 0
    levels = np.arange(model.num_levels) / (model.num_levels - 1)
    for i, j, c in np.ndindex(*model.image_shape):
        log_probs = channel_log_probs(model.conditional(images, labels).distribution, images, levels, c)  # (k, n, h, w)
        weights = np.exp(log_probs[:, :, i, j].T / temperature)
        shares = np.cumsum(weights / weights.sum(axis=-1, keepdims=True), axis=-1)
        for n in np.flatnonzero(~known[:, i, j, c]):
            images[n, i, j, c] = levels[min(np.searchsorted(shares[n], noise[n, i, j, c], "right"), len(levels) - 1)]
    return images


def channel_log_probs(conditional, images, levels, channel):
    """log p(level of a channel | those before it), for every level: float64 `(k, n, h, w)`.

    Of a distribution of whole pixels it is the sum over all that the channels after it may be.
    """
    if conditional.event_shape.rank == 0:
        log_probs = conditional.log_prob(tf.reshape(tf.cast(levels, tf.float32), (-1, 1, 1, 1, 1)))  # (k, n, h, w, c)
        return log_probs.numpy()[..., channel].astype("float64")
    log_probs = []
    for level in levels:
        joint = []
        for rest in itertools.product(levels, repeat=images.shape[-1] - 1 - channel):
            pixel = np.array(images)
            pixel[..., channel:] = (level, *rest)
            joint.append(conditional.log_prob(pixel).numpy().astype("float64"))
        log_probs.append(np.logaddexp.reduce(joint))
    return scipy.special.log_softmax(log_probs, axis=0)


def compiled(model, jit_compile):
    """The same for a model of bits of one channel, as one graph: noise `(n, h, w, 1)` to images."""
    height, width, _ = model.image_shape

    @tf.function(jit_compile=jit_compile)
    def sample(noise):
        def draw(t, images):
            probabilities = tf.sigmoid(model.network(images))  # (n, h, w, 1)
            is_next = tf.reshape(tf.one_hot(t, height * width, True, False, dtype=tf.bool), (1, height, width, 1))
            drawn = tf.cast(noise >= 1 - probabilities, tf.float32)
            return t + 1, tf.where(is_next, drawn, images)

        return tf.while_loop(lambda t, _: t < height * width, draw, (0, tf.zeros_like(noise)))[1]

    return sample


def compiled_mixture(model, jit_compile):
    """The same for a mixture of one channel: the probabilities of all levels from the distribution itself."""
    height, width, _ = model.image_shape
    levels = distributions.levels(model.num_levels)

    @tf.function(jit_compile=jit_compile)
    def sample(noise):
        noise = tf.reshape(noise, (-1, height * width, 1))

        def draw(t, images):
            parameters = model.network(tf.reshape(images, (-1, height, width, 1)))
            parameters = tf.reshape(parameters, (-1, height * width, model.num_parameters))
            mixture = distributions.quantized_logistic_mixture_of_pixels(parameters[:, t], 1, model.num_levels)
            shares = tf.cumsum(mixture.prob(levels[:, None, None]))[:-1]  # (k - 1, n)
            drawn = tf.reduce_sum(tf.cast(shares <= noise[:, t, 0], tf.int32), axis=0)
            is_next = tf.one_hot(t, height * width, True, False, dtype=tf.bool)[None, :, None]
            return t + 1, tf.where(is_next, tf.gather(levels, drawn)[:, None, None], images)

        _, images = tf.while_loop(lambda t, _: t < height * width, draw, (0, tf.zeros_like(noise)))
        return tf.reshape(images, (-1, height, width, 1))

    return sample

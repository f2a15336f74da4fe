"""Priors and likelihoods: TensorFlow Probability distributions made from parameter tensors.

A likelihood is a distribution of images in [0, 1] with event `(h, w, c)`; a prior, of latents with event `(d,)`.
"""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from keras_genzoo.quantized_logistics import (  # noqa: F401  likelihoods as public as those below
    QuantizedLogistic,
    QuantizedLogisticMixture,
    levels,
    quantized_logistic,
    quantized_logistic_mixture,
    quantized_logistic_mixture_logits,
    quantized_logistic_mixture_of_pixels,
)

tfd = tfp.distributions


class Bernoulli(tfd.Bernoulli):
    """TFP's, with the log-probability x l - softplus(l) of logit l: half the work, a tenth of a VAE's train step."""

    def _log_prob(self, x):
        logits = self.logits_parameter()
        return x * logits - tf.nn.softplus(logits)


class MixtureOfNormals(tfd.MixtureSameFamily):
    """TFP's mixture, of diagonal normals, whose log-probability takes the distances to all components from two products
    of matrices, |z - m|^2 / s^2 = z^2 / s^2 - 2 z m / s^2 + m^2 / s^2, instead of holding `(..., k, d)` numbers."""

    def _log_prob(self, z):
        normal = self.components_distribution.distribution  # batch (k, d)
        precision = tf.square(1 / normal.scale)
        distance = tf.reduce_sum(tf.square(normal.loc) * precision, axis=-1)  # (k,)
        distance += tf.tensordot(tf.square(z), precision, [[-1], [-1]])
        distance -= 2 * tf.tensordot(z, normal.loc * precision, [[-1], [-1]])  # (..., k)
        log_volume = tf.reduce_sum(tf.math.log(normal.scale) + 0.5 * math.log(2 * math.pi), axis=-1)
        log_weights = tf.nn.log_softmax(self.mixture_distribution.logits_parameter())
        return tf.reduce_logsumexp(log_weights - log_volume - 0.5 * distance, axis=-1)


# ---- likelihoods of images given the decoder's output, `(..., h, w, parameters * c)` ----


def bernoulli(logits):
    """Bits. On grey images its log-probability is the cross-entropy, an objective but no density."""
    return tfd.Independent(Bernoulli(logits=logits, dtype=tf.float32), 3)


def continuous_bernoulli(logits):
    """Grey levels in [0, 1] with a proper density; Loaiza-Ganem and Cunningham 2019, arxiv.org/abs/1907.06845."""
    return tfd.Independent(tfd.ContinuousBernoulli(logits=logits), 3)


def gaussian(mean, scale):
    """Real levels with one scale, learned, for all pixels; Rybkin et al. 2021, arxiv.org/abs/2006.13202.

    A scale a pixel would grow without bound in density where a pixel never changes.
    """
    return tfd.Independent(tfd.Normal(mean, scale), 3)


def categorical(logits):
    """A probability for each of k levels; logits `(..., h, w, c, k)`."""
    return tfd.Independent(tfd.FiniteDiscrete(levels(logits.shape[-1]), logits=logits), 3)


# name -> how many numbers it takes a channel
LIKELIHOODS = {"bernoulli": 1, "continuous_bernoulli": 1, "gaussian": 1, "quantized_logistic": 2}


# ---- priors of latents ----


def diagonal_normal(mean, scale):
    return tfd.Independent(tfd.Normal(mean, scale), 1)


def standard_normal(latent_dim):
    return diagonal_normal(tf.zeros(latent_dim), tf.ones(latent_dim))


def uniform(latent_dim):
    """U(-1, 1) in each dimension."""
    return tfd.Independent(tfd.Uniform(-tf.ones(latent_dim), tf.ones(latent_dim)), 1)


# name -> what makes it from its number of dimensions
LATENT_PRIORS = {"normal": standard_normal, "uniform": uniform}


def mixture_of_normals(logits, means, scales):
    """logits `(k,)`, means and scales `(k, d)`."""
    return MixtureOfNormals(tfd.Categorical(logits=logits), diagonal_normal(means, scales))


def reshaped(distribution, event_shape):
    """A distribution of vectors as one of events of another shape, which hold the same numbers in the same order."""
    reshape = tfp.bijectors.Reshape(event_shape, distribution.event_shape)
    return tfd.TransformedDistribution(distribution, reshape)


PRIORS = ("standard_normal", "mixture", "vamp")


def kl_divergence(posterior, prior, latents):
    """KL(posterior || prior), in closed form where TFP registers one, else its estimate at `latents`.

    Args:
        posterior: distribution with batch `(n,)`.
        prior: distribution of the same event.
        latents: `(n, d)`, draws from the posterior.

    Returns:
        tensor `(n,)`, nats.
    """
    try:
        return tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        return posterior.log_prob(latents) - prior.log_prob(latents)


def check_choice(name, value, choices):
    """ValueError naming the argument unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, choices))}; got {value!r}.")


def category_at(u, probabilities):
    """The category into whose share of [0, 1] a number falls: int32 `(n,)`, of u `(n,)` and probabilities `(k,)`."""
    ends = tf.cumsum(probabilities)
    return tf.minimum(tf.searchsorted(ends, u * ends[-1], side="right"), probabilities.shape[0] - 1)

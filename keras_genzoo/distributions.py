"""Priors and likelihoods: TensorFlow Probability distributions made from parameter tensors.

A likelihood is a distribution of images in [0, 1] with event `(h, w, c)`; a prior, of latents with event `(d,)`.
"""

import math

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

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


class QuantizedLogistic(tfd.Distribution):
    """A logistic distribution rounded to the levels 0, 1/(k-1), ..., 1, the outer levels taking the tails.

    The probability of level x is sigmoid(b) - sigmoid(a), with a and b the standardised edges of its bin. It is
    computed as log sigmoid(b) + log sigmoid(-a) + log(1 - exp(a - b)), which neither overflows nor cancels.
    Kingma et al. 2016, https://arxiv.org/abs/1606.04934, eq. 26.

    Args:
        loc: float tensor, the centre in the units of the levels (0..1 covers them).
        scale: float tensor, positive.
        num_levels: int, k.
    """

    def __init__(self, loc, scale, num_levels=256, validate_args=False, allow_nan_stats=True, name="QuantizedLogistic"):
        parameters = dict(locals())
        self._loc, self._scale, self._num_levels = (
            tf.convert_to_tensor(loc),
            tf.convert_to_tensor(scale),
            num_levels,
        )
        super().__init__(
            dtype=self._loc.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"loc": tfp.util.ParameterProperties(), "scale": tfp.util.ParameterProperties()}

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _log_prob(self, x):
        step = 1 / (self._num_levels - 1)
        lower, upper = (x - self._loc - step / 2) / self._scale, (x - self._loc + step / 2) / self._scale
        width = step / self._scale
        below_upper, above_lower = -tf.nn.softplus(-upper), -tf.nn.softplus(lower)
        # TFP's log1mexp has no gradient at widths so small that exp(-width) is 1.
        inside = below_upper + above_lower + tf.math.log(-tf.math.expm1(-width))
        return tf.where(x < step / 2, below_upper, tf.where(x > 1 - step / 2, above_lower, inside))

    def _sample_n(self, n, seed=None):
        draws = tfd.Logistic(self._loc, self._scale).sample(n, seed=seed)
        return tf.round(tf.clip_by_value(draws, 0.0, 1.0) * (self._num_levels - 1)) / (self._num_levels - 1)

    def _mean(self):
        """The mean before rounding, tails cut to [0, 1]: within half a level of the mean over levels."""
        return self._scale * (tf.nn.softplus(self._loc / self._scale) - tf.nn.softplus((self._loc - 1) / self._scale))


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


def quantized_logistic(parameters):
    """256 levels, so that bits/dim of 8-bit images mean something. The scale of a pixel is at least 1e-3."""
    return tfd.Independent(QuantizedLogistic(*_location_and_scale(*tf.split(parameters, 2, axis=-1))), 3)


def categorical(logits):
    """A probability for each of k levels; logits `(..., h, w, c, k)`."""
    return tfd.Independent(tfd.FiniteDiscrete(levels(logits.shape[-1]), logits=logits), 3)


def quantized_logistic_mixture(parameters):
    """256 levels, as a mixture of logistics; parameters `(..., h, w, c, 3 m)`: logits, locations, raw scales.

    Salimans et al. 2017, https://arxiv.org/abs/1701.05517, eq. 2, with a mixture of its own for each channel. A scale
    is at least 1e-3.
    """
    logits, loc, scale = _mixture_of_logistics(parameters)
    components = QuantizedLogistic(loc, scale)
    return tfd.Independent(tfd.MixtureSameFamily(tfd.Categorical(logits=logits), components), 3)


def quantized_logistic_mixture_logits(parameters):
    """The log-probabilities `(..., 256)` of all levels, given `(..., 3 m)` as `quantized_logistic_mixture` is.

    Two neighbouring levels share an edge, so this takes one exponential for each where `log_prob` takes five.
    """
    logits, loc, scale = (x[..., None] for x in _mixture_of_logistics(parameters))  # (..., m, 1)
    edges = (tf.cast(levels(256)[1:], loc.dtype) - 0.5 / 255 - loc) / scale  # (..., m, 255)
    # The CDF at an edge is `right` of the centre (0 or 1) plus a signed tail; apart, even far tails do not cancel.
    right = edges >= 0
    tail = tf.sigmoid(-tf.abs(edges))
    right, tail = tf.cast(right, tail.dtype), tf.where(right, -tail, tail)
    ends = [[0, 0]] * (edges.shape.rank - 1)
    right = tf.pad(tf.pad(right, [*ends, [0, 1]], constant_values=1.0), [*ends, [1, 0]])  # (..., m, 257)
    tail = tf.pad(tail, [*ends, [1, 1]])
    probabilities = (right[..., 1:] - right[..., :-1]) + (tail[..., 1:] - tail[..., :-1])  # (..., m, 256)
    mixture = tf.reduce_sum(tf.nn.softmax(logits, axis=-2) * probabilities, axis=-2)
    return tf.math.log(tf.maximum(mixture, np.finfo("float32").tiny))


def _mixture_of_logistics(parameters):
    logits, loc, raw_scale = tf.split(parameters, 3, axis=-1)
    return logits, *_location_and_scale(loc, raw_scale)


def _location_and_scale(loc, raw_scale):
    """Of a logistic, from numbers around zero: a centre around the middle level, a scale of at least 1e-3."""
    return loc + 0.5, 0.2 * tf.nn.softplus(raw_scale) + 1e-3


def levels(k):
    """The k levels of a pixel, 0, 1/(k-1), ..., 1: float32 `(k,)`."""
    return tf.range(k, dtype=tf.float32) / (k - 1)


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

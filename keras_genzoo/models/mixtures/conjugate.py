"""Conjugate distributions of a mixture's parameters: Dirichlet of the weights, normal-Wishart of means and precisions.

    P ~ Wishart(W, v),    m | P ~ N(m, (b P)^-1)

in d dimensions (Bishop 2006, appendix B), with W kept by the factor L of (v W)^-1 = L L'. All is float64.
"""

import math

import tensorflow as tf


def dirichlet_log_means(a):
    """E log w of w ~ Dirichlet(a): `(k,)`."""
    return tf.math.digamma(a) - tf.math.digamma(tf.reduce_sum(a))


def dirichlet_divergence(a, a0):
    """KL(Dirichlet(a) || Dirichlet(a0, ..., a0)), of `a` `(k,)` and a scalar."""

    def log_normalizer(a):
        return tf.math.lgamma(tf.reduce_sum(a)) - tf.reduce_sum(tf.math.lgamma(a))

    difference = log_normalizer(a) - log_normalizer(a0 * tf.ones_like(a))
    return difference + tf.reduce_sum((a - a0) * dirichlet_log_means(a))


def log_determinant_excess(v, d):
    """E log |P| - log |v W|, below 0: how the log of a Wishart's determinant falls short of that of its mean."""
    halves = (v[..., None] + 1 - tf.range(1, d + 1, dtype=v.dtype)) / 2
    return tf.reduce_sum(tf.math.digamma(halves), axis=-1) + d * (math.log(2) - tf.math.log(v))


def normal_wishart_divergence(q, p):
    """KL(q || p) of each of k normal-Wishart distributions against one: `(k,)`.

    Args:
        q: b `(k,)`, v `(k,)`, m `(k, d)` and L `(k, d, d)`.
        p: b0 and v0, scalars, m0 `(d,)` and the factor of W0^-1 itself, `(d, d)`.
    """
    (b, v, means, scales), (b0, v0, m0, scale0) = q, p
    d = means.shape[-1]
    log_w = -_log_square(scales) - d * tf.math.log(v)  # log |W|
    # In units of L: the offset of a mean, and W0^-1, whose trace is a sum of squares.
    offsets = tf.linalg.triangular_solve(scales, (means - m0)[..., None])
    spreads = tf.linalg.triangular_solve(scales, tf.broadcast_to(scale0, scales.shape))
    of_means = d * (b0 / b - 1 - tf.math.log(b0 / b)) + b0 * tf.reduce_sum(offsets**2, axis=(1, 2))
    of_precisions = (v - v0) * (log_determinant_excess(v, d) - _log_square(scales)) - v * d
    of_precisions += tf.reduce_sum(spreads**2, axis=(1, 2))
    normalizers = log_wishart_normalizer(v, log_w, d) - log_wishart_normalizer(v0, -_log_square(scale0), d)
    return 0.5 * (of_means + of_precisions) + normalizers


def log_wishart_normalizer(v, log_w, d):
    """log B(W, v), by which the density of a Wishart is normalised, of log |W|."""
    halves = (v[..., None] + 1 - tf.range(1, d + 1, dtype=v.dtype)) / 2
    log_gamma = d * (d - 1) / 4 * math.log(math.pi) + tf.reduce_sum(tf.math.lgamma(halves), axis=-1)
    return -0.5 * v * (log_w + d * math.log(2)) - log_gamma


def _log_square(scales):
    """log |L L'|."""
    return 2 * tf.reduce_sum(tf.math.log(tf.linalg.diag_part(scales)), axis=-1)

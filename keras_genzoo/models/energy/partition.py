"""The partition function Z of binary units in two layers: exactly where one layer is small, and by annealing.

Annealed importance sampling (Neal 2001; of these models, Salakhutdinov and Murray 2008) moves samples of a base-rate
model, of independent visible units with logits a, to those of the model, through

    f_beta(v) = exp(((1 - beta) a + beta b)'v) prod_j (1 + exp(beta (c_j + W_j'v))),    0 = beta_0 < ... < beta_K = 1

of which each Gibbs sweep leaves its own invariant. The mean of the weights

    w = prod_k f_k(v_{k-1}) / f_{k-1}(v_{k-1})

is Z / Z_0 in expectation, so that by Jensen's inequality log Z comes out too small, if anything, and log p(x) too
large. From samples of the model, the same chain run back to the base has weights of mean Z_0 / Z: log Z then comes out
too large, if those samples are what they should be (Burda, Grosse and Salakhutdinov 2015, section 2.2, and Grosse,
Ghahramani and Adams 2015).
"""

import math
from typing import NamedTuple

import tensorflow as tf

from keras_genzoo.models.energy import gibbs

_STATES_AT_ONCE = 2**12


class LogPartition(NamedTuple):
    """log Z as it was found.

    Attributes:
        value: float, nats.
        standard_error: float, of it over chains; 0 where it is exact.
    """

    value: float
    standard_error: float = 0.0


def exact(energy):
    """log Z, a sum over every state of the hidden units in float64: `LogPartition`."""
    return LogPartition(float(_sum_over_hidden_states(*(tf.cast(part, tf.float64) for part in energy))))


def annealed(energy, base_logits, num_chains, num_betas, seed):
    """log Z by annealed importance sampling, which underestimates it, if anything.

    Args:
        energy: `gibbs.Energy`.
        base_logits: `(d,)` of its dtype, those of the base-rate model's units.
        num_chains: int, independent runs.
        num_betas: int, K.
        seed: int32 `(2,)`.

    Returns:
        `LogPartition`.
    """
    first, later = tf.unstack(tf.random.split(seed, 2))
    uniform = tf.random.stateless_uniform((num_chains, len(base_logits)), first, alg="philox")
    visible = gibbs.bits(tf.broadcast_to(base_logits, uniform.shape), uniform)
    mean, error = _log_mean(_log_weights(energy, base_logits, visible, tf.range(num_betas + 1) / num_betas, later))
    return LogPartition(_base(energy, base_logits) + mean, error)


def reverse_annealed(energy, base_logits, visible, num_betas, seed, num_sweeps=0):
    """log Z from samples of the model, annealed back to the base, which overestimates it, if anything.

    Args:
        visible: `(n, d)` of the energy's dtype, samples of the model, or what it makes some of: a chain each.
        num_sweeps: int, sweeps of the model itself that come first.
        energy, base_logits, num_betas, seed: as for `annealed`.

    Returns:
        `LogPartition`.
    """
    betas = tf.concat([tf.ones(num_sweeps, tf.float64), tf.range(num_betas, -1, -1) / num_betas], axis=0)
    mean, error = _log_mean(_log_weights(energy, base_logits, visible, betas, seed))
    return LogPartition(_base(energy, base_logits) - mean, error)


@tf.function(autograph=False)
def _log_weights(energy, base_logits, visible, betas, seed):
    """log f_beta'(v) - log f_beta(v), summed along chains that move from each beta to the next: float64 `(n,)`."""
    dtype, (num_chains, _), num_units = visible.dtype, visible.shape, sum(energy.weights.shape)
    betas = tf.cast(betas, tf.float64)
    bias_change = energy.visible_bias - base_logits

    def move(k, visible, log_weights):
        before, beta = tf.cast(betas[k], dtype), tf.cast(betas[k + 1], dtype)
        hidden_logits = energy.hidden_logits(visible)
        of_hidden = tf.nn.softplus(beta * hidden_logits) - tf.nn.softplus(before * hidden_logits)
        change = (beta - before) * tf.linalg.matvec(visible, bias_change) + tf.reduce_sum(of_hidden, axis=-1)
        uniform = tf.random.stateless_uniform((num_chains, num_units), seed + tf.stack([0, k]), alg="philox")
        of_hidden, of_visible = tf.split(uniform, [num_units - visible.shape[1], visible.shape[1]], axis=1)
        hidden = gibbs.bits(beta * hidden_logits, of_hidden)
        visible_logits = (1 - beta) * base_logits + beta * energy.visible_logits(hidden)
        return k + 1, gibbs.bits(visible_logits, of_visible), log_weights + tf.cast(change, tf.float64)

    start = (0, visible, tf.zeros(num_chains, tf.float64))
    return tf.while_loop(lambda k, *_: k < tf.size(betas) - 1, move, start)[-1]


def _base(energy, base_logits):
    """log Z_0: hidden units of no bias and no weights, visible ones of the base rates."""
    num_hidden = energy.weights.shape[1]
    return num_hidden * math.log(2) + float(tf.reduce_sum(tf.nn.softplus(tf.cast(base_logits, tf.float64))))


def _log_mean(log_weights):
    """log of the mean of weights, and its standard error."""
    n = len(log_weights)
    mean = float(tf.reduce_logsumexp(log_weights)) - math.log(n)
    relative = tf.exp(log_weights - mean)  # of mean 1
    return mean, float(tf.math.reduce_std(relative)) / math.sqrt(max(n - 1, 1))


@tf.function(autograph=False)
def _sum_over_hidden_states(weights, visible_bias, hidden_bias):
    num_hidden = weights.shape[1]
    num_states, at_once = 2**num_hidden, min(2**num_hidden, _STATES_AT_ONCE)
    energy = gibbs.Energy(weights, visible_bias, hidden_bias)

    def add(first, log_sum):
        numbers = first + tf.range(at_once, dtype=tf.int64)
        hidden = tf.cast(tf.bitwise.right_shift(numbers[:, None], tf.range(num_hidden, dtype=tf.int64)) % 2, tf.float64)
        of_visible = tf.reduce_sum(tf.nn.softplus(energy.visible_logits(hidden)), axis=-1)
        log_terms = tf.linalg.matvec(hidden, hidden_bias) + of_visible
        return first + at_once, tf.reduce_logsumexp(tf.concat([log_terms, log_sum[None]], axis=0))

    start = (tf.constant(0, tf.int64), tf.constant(-math.inf, tf.float64))
    return tf.while_loop(lambda first, _: first < num_states, add, start)[-1]

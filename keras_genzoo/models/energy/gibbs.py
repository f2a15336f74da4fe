"""The energy of binary units in two layers, their conditional distributions, and Gibbs sampling.

    E(v, h) = -b'v - c'h - v'Wh
    p(h_j = 1 | v) = sigmoid(c_j + W_j'v),    p(v_i = 1 | h) = sigmoid(b_i + W_i h)
    F(v) = -log sum_h exp(-E(v, h)) = -b'v - sum_j log(1 + exp(c_j + W_j'v))

All randomness comes in as uniform numbers.
"""

from typing import NamedTuple

import tensorflow as tf


class Energy(NamedTuple):
    """Parameters of the energy, tensors of one dtype; units are rows of 0 and 1 of that dtype.

    Attributes:
        weights: W `(d, m)`, of d visible and m hidden units.
        visible_bias: b `(d,)`.
        hidden_bias: c `(m,)`.
    """

    weights: tf.Tensor
    visible_bias: tf.Tensor
    hidden_bias: tf.Tensor

    def hidden_logits(self, visible):
        """Logits of p(h = 1 | v): `(n, m)`, of `(n, d)`."""
        return tf.matmul(visible, self.weights) + self.hidden_bias

    def visible_logits(self, hidden):
        """Logits of p(v = 1 | h): `(n, d)`, of `(n, m)`."""
        return tf.matmul(hidden, self.weights, transpose_b=True) + self.visible_bias

    def free_energy(self, visible, hidden_logits):
        """F(v) `(n,)`, of `(n, d)` and the logits `(n, m)` of the hidden units that they give."""
        return -tf.linalg.matvec(visible, self.visible_bias) - tf.reduce_sum(tf.nn.softplus(hidden_logits), axis=-1)

    def warmed(self, beta, base_logits):
        """The energy between that of the base rates, with `base_logits` `(d,)` for b alone, and this one, at beta 1."""
        return Energy(beta * self.weights, (1 - beta) * base_logits + beta * self.visible_bias, beta * self.hidden_bias)


def bits(logits, uniform):
    """1 with probability sigmoid(logits), else 0, by numbers in [0, 1); of the logits' dtype, and no gradient."""
    is_on = tf.cast(uniform, logits.dtype) < tf.sigmoid(logits)
    return tf.cast(tf.stop_gradient(is_on), logits.dtype)


def sweeps(energy, hidden, uniform):
    """Draws all visible units given the hidden ones and then the hidden ones given those, time and again.

    Args:
        energy: `Energy`.
        hidden: states `(n, m)` to start from.
        uniform: float32 `(n, k, d + m)` in [0, 1), numbers for k sweeps.

    Returns:
        visible: states `(n, d)` after the last sweep.
        hidden_logits: of the hidden units that they give, `(n, m)`.
        hidden: states drawn by these, `(n, m)`.
    """
    num_visible = energy.weights.shape[0]
    for u in tf.unstack(uniform, axis=1):
        visible = bits(energy.visible_logits(hidden), u[:, :num_visible])
        hidden_logits = energy.hidden_logits(visible)
        hidden = bits(hidden_logits, u[:, num_visible:])
    return visible, hidden_logits, hidden

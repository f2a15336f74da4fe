"""The formulas of k normal distributions, one for each component or class, that share a kind of covariance.

    log N(x; m, L L') = -(|L^-1 (x - m)|^2 + d log 2 pi) / 2 - log |L|

A covariance is kept as its factor L, lower triangular, which stays positive however it is rounded; a diagonal one as
standard deviations. Nothing here holds a variable: densities and sums are TensorFlow's, of batches, and what fits the
sums is NumPy's, once an epoch. All is float64.
"""

import math

import numpy as np
import tensorflow as tf

from keras_genzoo import checks, distributions

_COVARIANCES = ("full", "tied", "diagonal")
_BLOCK = 8  # dimensions taken at a time, of full covariances: what is computed of one fits in a cache
_LEAST_SHARE = 1e-12  # of a variance, that the other dimensions must leave unexplained


class Gaussians:
    """k normal distributions of d numbers.

    Args:
        k: int.
        d: int.
        covariance: `"full"`, a covariance for each; `"tied"`, one for all; `"diagonal"`, variances alone.
        regularization: float, not negative; added to every variance.
    """

    def __init__(self, k, d, covariance, regularization):
        distributions.check_choice("covariance", covariance, _COVARIANCES)
        checks.not_negative("regularization", regularization)
        self.k, self.d, self.covariance, self.regularization = k, d, covariance, regularization
        self.scale_shape = {"full": (k, d, d), "tied": (d, d), "diagonal": (k, d)}[covariance]
        self.sum_shapes = {"first": (k, d), "second": self.scale_shape}

    def initial_scales(self, shape, dtype=None):
        """An initializer: unit variances."""
        if self.covariance == "diagonal":
            return tf.ones(shape, dtype or "float32")
        return tf.eye(self.d, batch_shape=shape[:-2], dtype=dtype or "float32")

    @property
    def ridge(self):
        """What the regularisation adds to a covariance, an array or a number."""
        return self.regularization * (1 if self.covariance == "diagonal" else np.eye(self.d))

    def log_prob(self, x, means, scales):
        """log N(x; m_k, L_k L_k'): `(n, k)`, of x `(n, d)`."""
        if self.covariance == "diagonal":
            precisions = scales**-2
            squares = tf.matmul(x**2, precisions, transpose_b=True) + tf.reduce_sum(means**2 * precisions, axis=-1)
            squares -= 2 * tf.matmul(x, means * precisions, transpose_b=True)
            log_volume = tf.reduce_sum(tf.math.log(scales), axis=-1)
        else:
            squares = self.squared_distances(x, means, scales)
            log_volume = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(scales)), axis=-1)
        return -0.5 * (squares + self.d * math.log(2 * math.pi)) - log_volume

    def squared_distances(self, x, means, scales):
        """|L_k^-1 (x - m_k)|^2 `(n, k)` of triangular L, of all k at once."""
        identity = tf.eye(self.d, batch_shape=scales.shape[:-2], dtype=x.dtype)
        whitening = tf.linalg.matrix_transpose(tf.linalg.triangular_solve(scales, identity))  # (L^-1)'
        if self.covariance == "tied":
            x, means = tf.matmul(x, whitening), tf.matmul(means, whitening)
            squares = tf.reduce_sum(x**2, axis=-1, keepdims=True) + tf.reduce_sum(means**2, axis=-1)
            return squares - 2 * tf.matmul(x, means, transpose_b=True)
        # Of (x, 1) and the rows of (L^-1)' above -m' (L^-1)'; a block of its columns is zero below its last row.
        whitening = tf.concat([-tf.einsum("kd,kde->ke", means, whitening)[:, None], whitening], axis=1)  # (k, 1 + d, d)
        x = tf.concat([tf.ones_like(x[:, :1]), x], axis=1)
        squares = 0.0
        for first in range(0, self.d, _BLOCK):
            last = min(first + _BLOCK, self.d)
            block = tf.transpose(whitening[:, : 1 + last, first:last], (1, 0, 2))
            z = tf.matmul(x[:, : 1 + last], tf.reshape(block, (1 + last, -1)))
            squares += tf.reduce_sum(tf.square(tf.reshape(z, (-1, self.k, last - first))), axis=-1)
        return squares

    def sums(self, x, shares):
        """The sums over a batch `x` `(n, d)` that `fit` needs, each value counted by its `shares` `(n, k)` of 1."""
        if self.covariance == "diagonal":
            second = tf.matmul(shares, x**2, transpose_a=True)
        elif self.covariance == "tied":
            second = tf.matmul(x, x, transpose_a=True)  # the shares of a value sum to 1
        else:
            second = self._second_sums(x, shares)
        return {"first": tf.matmul(shares, x, transpose_a=True), "second": second}

    def _second_sums(self, x, shares):
        """sum_n r_nk x_n x_n' `(k, d, d)`, from products of numbers of which each pair is taken once."""
        rows = []
        for first in range(0, self.d, _BLOCK):
            last = min(first + _BLOCK, self.d)
            products = tf.reshape(x[:, first:last, None] * x[:, None, first:], (-1, (last - first) * (self.d - first)))
            block = tf.matmul(shares, products, transpose_a=True)
            block = tf.reshape(block, (self.k, last - first, self.d - first))
            rows.append(tf.pad(block, [[0, 0], [0, 0], [first, 0]]))
        upper = tf.linalg.band_part(tf.concat(rows, axis=1), 0, -1)
        return upper + tf.linalg.matrix_transpose(tf.linalg.set_diag(upper, tf.zeros_like(upper[..., 0])))

    def fit(self, totals, sums):
        """The likeliest parameters, of arrays: totals `(k,)`, the sums of shares, all positive, and the `sums`.

        Returns:
            means `(k, d)` and covariances, of `"diagonal"` variances, before their regularisation.
        """
        means = sums["first"] / totals[:, None]
        if self.covariance == "diagonal":
            return means, sums["second"] / totals[:, None] - means**2
        if self.covariance == "tied":
            return means, (sums["second"] - (totals[:, None] * means).T @ means) / totals.sum()
        return means, sums["second"] / totals[:, None, None] - means[:, :, None] * means[:, None]

    def sums_of(self, totals, means, covariances):
        """The sums of which `fit` makes these means and covariances, all arrays."""
        first = totals[:, None] * means
        if self.covariance == "diagonal":
            second = totals[:, None] * (covariances + means**2)
        elif self.covariance == "tied":
            second = totals.sum() * covariances + first.T @ means
        else:
            second = totals[:, None, None] * (covariances + means[:, :, None] * means[:, None])
        return {"first": first, "second": second}

    def regularized_scales(self, covariances, remedy):
        """Factors L of covariances with the regularisation; ValueError, which ends in `remedy`, where there are none.

        Args:
            covariances: array of `scale_shape`.
            remedy: str, what to do beside a larger regularisation.
        """
        scales = self.scales_of(covariances + self.ridge)
        if scales is None:
            raise ValueError(
                "a covariance is not positive definite: there are too few different values. Choose a larger "
                f"`regularization` than {self.regularization}, {remedy}, or covariance='diagonal'."
            )
        return scales

    def scales_of(self, covariances):
        """Factors L of covariances, standard deviations of variances; None where one is not positive definite."""
        if self.covariance == "diagonal":
            return np.sqrt(covariances) if (covariances > 0).all() else None
        try:
            scales = np.linalg.cholesky(covariances)
        except np.linalg.LinAlgError:
            return None
        variances, unexplained = (np.diagonal(x, axis1=-2, axis2=-1) for x in (covariances, scales))
        # Of a singular covariance, rounding may leave a little where there is nothing. NaN fails, too.
        return scales if (unexplained**2 > _LEAST_SHARE * variances).all() else None

    def covariances_of(self, scales):
        """L L' of factors, squares of standard deviations."""
        return scales**2 if self.covariance == "diagonal" else tf.matmul(scales, scales, transpose_b=True)

    def scaled(self, normal, component, scales):
        """L_k z `(n, d)` of normal numbers z `(n, d)` and each one's component `(n,)`."""
        if self.covariance == "diagonal":
            return tf.gather(scales, component) * normal
        if self.covariance == "tied":
            return tf.matmul(normal, scales, transpose_b=True)
        if self.k > self.d:
            return tf.linalg.matvec(tf.gather(scales, component), normal)
        # By every component, of which one is taken: k numbers for each of z instead of the d in a row of its own L.
        return tf.gather(tf.einsum("nd,ked->nke", normal, scales), component, axis=1, batch_dims=1)

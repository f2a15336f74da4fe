"""The Gaussian mixture, fitted by expectation maximisation: Dempster, Laird and Rubin 1977.

    p(x) = sum_k w_k N(x; m_k, S_k)

With r_nk = w_k N(x_n; m_k, S_k) / p(x_n), the E step, the M step sets

    N_k = sum_n r_nk,    w_k = N_k / N,    m_k = sum_n r_nk x_n / N_k,
    S_k = sum_n r_nk (x_n - m_k)(x_n - m_k)' / N_k + regularization I

The sums of squares are taken about the mean of the mixture before the step, in float64: about zero, or in float32, they
would lose the covariance to rounding where means are large beside it.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import checks, distributions, domains
from keras_genzoo.distributions import tfd
from keras_genzoo.models.mixtures.mixture_model import MixtureModel

_COVARIANCES = ("full", "tied", "diagonal")
_FEWEST = 1e-6  # a component with fewer values than this rests where it is
_LEAST_SHARE = 1e-12  # of a variance, that the other dimensions must leave unexplained


@keras.saving.register_keras_serializable(package="keras_genzoo")
class GaussianMixture(MixtureModel):
    """Mixture of normal distributions.

    Args:
        shape: tuple of ints, of one value: `(2,)` for points of a plane, `(8, 8, 1)` for images as their numbers.
        num_components: int.
        covariance: `"full"`, a covariance for each component; `"tied"`, one for all; `"diagonal"`, variances alone.
        regularization: float, not negative; added to every variance, so that a component on few values stays a density.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, shape, num_components=8, covariance="full", regularization=1e-6, **kwargs):
        distributions.check_choice("covariance", covariance, _COVARIANCES)
        if not 0 <= regularization < math.inf:
            raise ValueError(f"`regularization` must be a number, not negative; got {regularization!r}.")
        domain = domains.Values(checks.positive_integers("shape", shape))
        self.covariance = covariance
        self.regularization = regularization
        super().__init__(domain, num_components, **kwargs)
        (k, d), parameter = self._sizes, {"trainable": False, "aggregation": "only_first_replica"}
        self.means = self.add_float32_weight("means", (k, d), "zeros", **parameter)
        # Factors L of the covariances L L', which stay positive however they are rounded; standard deviations.
        shapes = {"full": (k, d, d), "tied": (d, d), "diagonal": (k, d)}
        initializer = "ones" if covariance == "diagonal" else _identity
        self.scales = self.add_float32_weight("scales", shapes[covariance], initializer, **parameter)
        self.build()

    @property
    def _sizes(self):
        return self.num_components, self.sample_domain.num_values

    def get_config(self):
        return {
            **super().get_config(),
            "shape": list(self.sample_domain.shape),
            "covariance": self.covariance,
            "regularization": self.regularization,
        }

    def start_from(self, weights, means, covariances):
        """Sets the parameters, from which `fit` then starts instead of from clusters of the data.

        Args:
            weights: floats `(num_components,)`, positive; they are divided by their sum.
            means: floats `(num_components, *shape)`.
            covariances: floats `(num_components, d, d)`, for `"tied"` `(d, d)`, for `"diagonal"` the variances
                `(num_components, d)`; d is the number of values in one example.

        Raises:
            ValueError: for other shapes, and for weights and covariances that are not positive.
        """
        given = {"weights": weights, "means": means, "covariances": covariances}
        given = {name: np.asarray(value, "float64") for name, value in given.items()}
        shapes = {
            "weights": (self.num_components,),
            "means": (self.num_components, *self.sample_domain.shape),
            "covariances": tuple(self.scales.shape),
        }
        for name, shape in shapes.items():
            if given[name].shape != shape:
                raise ValueError(f"`{name}` must have shape {shape}; got {given[name].shape}.")
        if not (given["weights"] > 0).all():
            raise ValueError("`weights` must be positive, one for each component.")
        try:
            scales = self._scales_of(given["covariances"])
        except np.linalg.LinAlgError:
            scales = np.array(math.nan)
        if not np.isfinite(scales).all():
            raise ValueError("`covariances` must be positive definite, and variances positive.")
        self.mixture_weights.assign(given["weights"] / given["weights"].sum())
        self.means.assign(given["means"].reshape(self._sizes))
        self.scales.assign(scales)
        self.start.assign(1)

    # ---- expectation maximisation ----

    def log_components(self, x):
        x, means, scales = x - self._middle, self._in_float64(self.means) - self._middle, self._in_float64(self.scales)
        if self.covariance == "diagonal":
            precisions = scales**-2
            squares = tf.matmul(x**2, precisions, transpose_b=True) + tf.reduce_sum(means**2 * precisions, axis=-1)
            squares -= 2 * tf.matmul(x, means * precisions, transpose_b=True)
            log_volume = tf.reduce_sum(tf.math.log(scales), axis=-1)
        else:
            log_volume = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(scales)), axis=-1)
            identity = tf.eye(x.shape[1], batch_shape=scales.shape[:-2], dtype=x.dtype)
            whitening = tf.linalg.matrix_transpose(tf.linalg.triangular_solve(scales, identity))  # (L^-1)'
            squares = self._squared_distances(x, means, whitening)
        return -0.5 * (squares + x.shape[1] * math.log(2 * math.pi)) - log_volume

    def _squared_distances(self, x, means, whitening):
        """|L_k^-1 (x - m_k)|^2 `(n, k)`, by as few products of matrices as possible."""
        if self.covariance == "tied":
            x, means = tf.matmul(x, whitening), tf.matmul(means, whitening)
            squares = tf.reduce_sum(x**2, axis=-1, keepdims=True) + tf.reduce_sum(means**2, axis=-1)
            return squares - 2 * tf.matmul(x, means, transpose_b=True)
        k, d = self._sizes
        every = tf.reshape(tf.transpose(whitening, (1, 0, 2)), (d, k * d))
        z = tf.reshape(tf.matmul(x, every), (-1, k, d)) - tf.einsum("kd,kde->ke", means, whitening)
        return tf.reduce_sum(z**2, axis=-1)

    @property
    def _middle(self):
        """The mean of the mixture, float64 `(d,)`."""
        return tf.linalg.matvec(self._in_float64(self.means), self._in_float64(self.mixture_weights), transpose_a=True)

    def _in_float64(self, weight):
        return tf.cast(weight, tf.float64)

    @property
    def sum_shapes(self):
        return {"first": self._sizes, "second": tuple(self.scales.shape)}

    def sums(self, x, responsibilities):
        x = x - self._middle
        if self.covariance == "diagonal":
            second = tf.matmul(responsibilities, x**2, transpose_a=True)
        elif self.covariance == "tied":
            second = tf.matmul(x, x, transpose_a=True)  # the responsibilities for a value sum to 1
        else:
            k, d = self._sizes
            weighted = tf.reshape(responsibilities[:, :, None] * x[:, None], (-1, k * d))
            second = tf.reshape(tf.matmul(weighted, x, transpose_a=True), (k, d, d))
        return {"first": tf.matmul(responsibilities, x, transpose_a=True), "second": second}

    def maximize(self, totals, sums):
        lives = totals > _FEWEST
        counts = np.maximum(totals, _FEWEST)[:, None]
        means, lives_as_a_whole = sums["first"] / counts, lives[:, None]  # (k, d), about the middle
        if self.covariance == "diagonal":
            covariances = sums["second"] / counts - means**2
        elif self.covariance == "tied":
            covariances = (sums["second"] - (totals[:, None] * means).T @ means) / totals.sum()
            lives_as_a_whole = True
        else:
            covariances = sums["second"] / counts[..., None] - means[:, :, None] * means[:, None]
            lives_as_a_whole = lives[:, None, None]
            covariances[~lives] = np.eye(means.shape[1])
        d = self._sizes[1]
        ridge = self.regularization * (1 if self.covariance == "diagonal" else np.eye(d))
        try:
            scales = self._scales_of(covariances + ridge)
        except np.linalg.LinAlgError:
            scales = np.array(math.nan)
        if not np.isfinite(scales).all():
            raise ValueError(
                f"a covariance is not positive definite: some component has too few different values. Choose a larger "
                f"`regularization` than {self.regularization}, fewer components, or covariance='diagonal'."
            )
        self.means.assign(np.where(lives[:, None], self._middle + means, self.means.numpy()))
        self.scales.assign(np.where(lives_as_a_whole, scales, self.scales.numpy()))

    def _scales_of(self, covariances):
        """Factors of covariances, or standard deviations; LinAlgError, or NaN, where there are none."""
        if self.covariance == "diagonal":
            return np.sqrt(np.where(covariances > 0, covariances, math.nan))
        scales = np.linalg.cholesky(covariances)
        variances, unexplained = (np.diagonal(x, axis1=-2, axis2=-1) for x in (covariances, scales))
        # Of a singular covariance, rounding may leave a little where there is nothing.
        return scales if (unexplained**2 > _LEAST_SHARE * variances).all() else np.array(math.nan)

    # ---- sampling ----

    @property
    def covariances(self):
        """float32 `(k, d, d)`, of `"tied"` `(d, d)`, of `"diagonal"` the variances `(k, d)`."""
        scales = self._in_float64(self.scales)
        squares = scales**2 if self.covariance == "diagonal" else tf.matmul(scales, scales, transpose_b=True)
        return tf.cast(squares, tf.float32)

    @property
    def distribution(self):
        """p(x) as a `tfd.MixtureSameFamily` with event `shape`, in float32."""
        normal = tfd.MultivariateNormalDiag if self.covariance == "diagonal" else tfd.MultivariateNormalTriL
        components = normal(tf.convert_to_tensor(self.means), tf.convert_to_tensor(self.scales))
        components = distributions.reshaped(components, self.sample_domain.shape)
        return tfd.MixtureSameFamily(tfd.Categorical(probs=tf.convert_to_tensor(self.mixture_weights)), components)

    def draw_noise(self, num_samples, seed):
        """Which component, by a number in [0, 1), and where in it, by normal numbers: `(num_samples, 1 + d)`."""
        seeds = tf.random.split(seed, 2)
        u = tf.random.stateless_uniform((num_samples, 1), seeds[0], alg="philox")
        normal = tf.random.stateless_normal((num_samples, self._sizes[1]), seeds[1], alg="philox")
        return tf.concat([u, normal], axis=1)

    def generate(self, noise, condition=None):
        component, normal = self.component_at(noise[:, 0]), self._in_float64(noise[:, 1:])
        values = tf.gather(self._in_float64(self.means), component) + self._scaled(normal, component)
        return tf.reshape(tf.cast(values, tf.float32), (-1, *self.sample_domain.shape))

    def _scaled(self, normal, component):
        """L_k z of normal numbers z `(n, d)` and each one's component `(n,)`."""
        scales, (k, d) = self._in_float64(self.scales), self._sizes
        if self.covariance == "diagonal":
            return tf.gather(scales, component) * normal
        if self.covariance == "tied":
            return tf.matmul(normal, scales, transpose_b=True)
        if k > d:
            return tf.linalg.matvec(tf.gather(scales, component), normal)
        # By every component, of which one is taken: k numbers for each of z instead of the d in a row of its own L.
        return tf.gather(tf.einsum("nd,ked->nke", normal, scales), component, axis=1, batch_dims=1)


def _identity(shape, dtype=None):
    return tf.eye(shape[-1], batch_shape=shape[:-2], dtype=dtype or "float32")

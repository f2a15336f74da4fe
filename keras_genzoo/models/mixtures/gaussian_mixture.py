"""The Gaussian mixture, fitted by expectation maximisation: Dempster, Laird and Rubin 1977.

    p(x) = sum_k w_k N(x; m_k, S_k)

With r_nk = w_k N(x_n; m_k, S_k) / p(x_n), the E step, the M step sets

    N_k = sum_n r_nk,    w_k = N_k / N,    m_k = sum_n r_nk x_n / N_k,
    S_k = sum_n r_nk (x_n - m_k)(x_n - m_k)' / N_k + regularization I

The sums of squares are taken about the means before the step and moved to the new ones afterwards: about zero they
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
        means, scales = tf.cast(self.means, tf.float64), tf.cast(self.scales, tf.float64)
        if self.covariance == "diagonal":
            z = (x[:, None] - means) / scales  # (n, k, d)
            squares, log_volume = tf.reduce_sum(z**2, axis=-1), tf.reduce_sum(tf.math.log(scales), axis=-1)
        else:
            # L^-1 (x - m), with L inverted once: (k, d, d), also where one L is for all.
            inverse = tf.linalg.triangular_solve(
                scales, tf.eye(x.shape[1], batch_shape=scales.shape[:-2], dtype=x.dtype)
            )
            inverse = tf.broadcast_to(inverse, (self.num_components, *inverse.shape[-2:]))
            z = tf.einsum("nd,kcd->knc", x, inverse) - tf.einsum("kd,kcd->kc", means, inverse)[:, None]  # (k, n, d)
            squares = tf.transpose(tf.reduce_sum(z**2, axis=-1))
            log_volume = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(scales)), axis=-1)
        return -0.5 * (squares + x.shape[1] * math.log(2 * math.pi)) - log_volume

    @property
    def sum_shapes(self):
        k, d = self._sizes
        return {"first": (k, d), "second": (k, d) if self.covariance == "diagonal" else (k, d, d)}

    def sums(self, x, responsibilities):
        centred = x[:, None] - tf.cast(self.means, tf.float64)  # (n, k, d)
        weighted = responsibilities[:, :, None] * centred
        second = "nkd,nkd->kd" if self.covariance == "diagonal" else "nkd,nke->kde"
        return {"first": tf.reduce_sum(weighted, axis=0), "second": tf.einsum(second, weighted, centred)}

    def maximize(self, totals, sums):
        lives = totals > _FEWEST
        counts = np.maximum(totals, _FEWEST)[:, None]
        moved = sums["first"] / counts  # of the means, (k, d)
        if self.covariance == "diagonal":
            covariances = sums["second"] / counts - moved**2
        else:
            covariances = sums["second"] / counts[..., None] - moved[:, :, None] * moved[:, None]
        if self.covariance == "tied":
            covariances, lives_as_a_whole = np.einsum("k,kde->de", totals / totals.sum(), covariances), True
        else:
            lives_as_a_whole = lives[(..., *[None] * (covariances.ndim - 1))]
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
        self.means.assign(self.means.numpy() + np.where(lives[:, None], moved, 0.0))
        self.scales.assign(np.where(lives_as_a_whole, scales, self.scales.numpy()))

    def _scales_of(self, covariances):
        """Factors of covariances, or standard deviations; LinAlgError, or NaN, where there are none."""
        if self.covariance == "diagonal":
            return np.sqrt(np.where(covariances > 0, covariances, math.nan))
        return np.linalg.cholesky(covariances)

    # ---- sampling ----

    @property
    def distribution(self):
        """p(x) as a `tfd.MixtureSameFamily` with event `(d,)`, d the number of values in one example."""
        means, scales = tf.convert_to_tensor(self.means), tf.convert_to_tensor(self.scales)
        if self.covariance == "diagonal":
            components = tfd.MultivariateNormalDiag(means, scales)
        else:
            components = tfd.MultivariateNormalTriL(means, scales)
        return tfd.MixtureSameFamily(tfd.Categorical(probs=tf.convert_to_tensor(self.mixture_weights)), components)

    def draw_noise(self, num_samples, seed):
        """Which component, by a number in [0, 1), and where in it, by normal numbers: `(num_samples, 1 + d)`."""
        seeds = tf.random.split(seed, 2)
        u = tf.random.stateless_uniform((num_samples, 1), seeds[0], alg="philox")
        normal = tf.random.stateless_normal((num_samples, self._sizes[1]), seeds[1], alg="philox")
        return tf.concat([u, normal], axis=1)

    def generate(self, noise, condition=None):
        component, normal = self.component_at(noise[:, 0]), noise[:, 1:]
        if self.covariance == "diagonal":
            moved = tf.gather(self.scales, component) * normal
        else:
            scales = tf.broadcast_to(self.scales, (self.num_components, *self.scales.shape[-2:]))
            moved = tf.einsum("nde,ne->nd", tf.gather(scales, component), normal)
        return tf.reshape(tf.gather(self.means, component) + moved, (-1, *self.sample_domain.shape))


def _identity(shape, dtype=None):
    return tf.eye(shape[-1], batch_shape=shape[:-2], dtype=dtype or "float32")

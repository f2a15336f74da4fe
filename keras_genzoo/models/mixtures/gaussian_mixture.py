"""The Gaussian mixture, fitted by expectation maximisation: Dempster, Laird and Rubin 1977.

    p(x) = sum_k w_k N(x; m_k, S_k)

With r_nk = w_k N(x_n; m_k, S_k) / p(x_n), the E step, the M step sets

    N_k = sum_n r_nk,    w_k = N_k / N,    m_k = sum_n r_nk x_n / N_k,
    S_k = sum_n r_nk (x_n - m_k)(x_n - m_k)' / N_k + regularization I

The sums of squares are taken about the mean of the mixture before the step, in float64: about zero, or in float32, they
would lose the covariance to rounding where means are large beside it.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import checks, distributions, domains
from keras_genzoo.distributions import tfd
from keras_genzoo.models.mixtures.gaussians import Gaussians
from keras_genzoo.models.mixtures.mixture_model import MixtureModel

_FEWEST = 1e-6  # a component with fewer values than this rests where it is


@keras.saving.register_keras_serializable(package="keras_genzoo")
class GaussianMixture(MixtureModel):
    """Mixture of normal distributions.

    Args:
        shape: tuple of ints, of one value: `(2,)` for points of a plane, `(8, 8, 1)` for images as their numbers.
        num_components: int.
        covariance: `"full"`, a covariance for each component; `"tied"`, one for all; `"diagonal"`, variances alone.
        regularization: float, not negative; added to every variance, so that a component on few values stays a density.
        step_size_decay: float or None. By default an epoch is one exact iteration; with a number, above 0.5 and up to
            1, each batch is a step, whose size falls as (number of steps + 1)^-step_size_decay, for data that are too
            many to wait for the end of an epoch. 0 forgets all batches but the last.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, shape, num_components=8, covariance="full", regularization=1e-6, step_size_decay=None, **kwargs):
        domain = domains.Values(checks.positive_integers("shape", shape))
        super().__init__(domain, num_components, step_size_decay, **kwargs)
        self.gaussians = Gaussians(self.num_components, domain.num_values, covariance, regularization)
        self.covariance, self.regularization = covariance, regularization
        self.means = self.add_parameter("means", (num_components, domain.num_values), "zeros")
        self.scales = self.add_parameter("scales", self.gaussians.scale_shape, self.gaussians.initial_scales)
        self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "shape": list(self.sample_domain.shape),
            "covariance": self.covariance,
            "regularization": self.regularization,
            "step_size_decay": self.step_size_decay,
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
        scales = self.gaussians.scales_of(given["covariances"])
        if scales is None:
            raise ValueError("`covariances` must be positive definite, and variances positive.")
        self.mixture_weights.assign(given["weights"] / given["weights"].sum())
        self.means.assign(given["means"].reshape(self.means.shape))
        self.scales.assign(scales)
        self.start.assign(1)

    # ---- expectation maximisation ----

    def log_components(self, x):
        means, scales = (tf.cast(weight, tf.float64) for weight in (self.means, self.scales))
        return self.gaussians.log_prob(x - self._middle, means - self._middle, scales)

    @property
    def _middle(self):
        """The mean of the mixture, float64 `(d,)`."""
        means, weights = (tf.cast(weight, tf.float64) for weight in (self.means, self.mixture_weights))
        return tf.linalg.matvec(means, weights, transpose_a=True)

    @property
    def sum_shapes(self):
        return self.gaussians.sum_shapes

    def sums(self, x, responsibilities):
        return self.gaussians.sums(x - self._middle, responsibilities)

    def expected_sums(self, totals):
        means, scales = (tf.cast(weight, tf.float64) for weight in (self.means, self.scales))
        covariances = self.gaussians.covariances_of(scales).numpy() - self.gaussians.ridge
        return self.gaussians.sums_of(totals, (means - self._middle).numpy(), covariances)

    def maximize(self, totals, sums):
        lives = totals > _FEWEST
        means, covariances = self.gaussians.fit(np.maximum(totals, _FEWEST), sums)
        if self.covariance == "full":
            covariances[~lives] = np.eye(means.shape[1])
        scales = self.gaussians.regularized_scales(covariances, "fewer components")
        self.means.assign(np.where(lives[:, None], self._middle + means, self.means.numpy()))
        if self.covariance != "tied":
            scales = np.where(lives.reshape(-1, *[1] * (scales.ndim - 1)), scales, self.scales.numpy())
        self.scales.assign(scales)

    # ---- sampling ----

    @property
    def covariances(self):
        """float32 `(k, d, d)`, of `"tied"` `(d, d)`, of `"diagonal"` the variances `(k, d)`."""
        return tf.cast(self.gaussians.covariances_of(tf.cast(self.scales, tf.float64)), tf.float32)

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
        normal = tf.random.stateless_normal((num_samples, self.sample_domain.num_values), seeds[1], alg="philox")
        return tf.concat([u, normal], axis=1)

    def generate(self, noise, condition=None):
        component, normal = self.component_at(noise[:, 0]), tf.cast(noise[:, 1:], tf.float64)
        means, scales = (tf.cast(weight, tf.float64) for weight in (self.means, self.scales))
        values = tf.gather(means, component) + self.gaussians.scaled(normal, component, scales)
        return tf.reshape(tf.cast(values, tf.float32), (-1, *self.sample_domain.shape))

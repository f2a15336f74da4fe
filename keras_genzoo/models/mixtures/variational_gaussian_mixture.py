"""The Gaussian mixture by variational Bayes, which finds how many components the data ask for: Attias 2000,
https://papers.nips.cc/paper/1726-a-variational-baysian-framework-for-graphical-models; here as in Bishop 2006, section
10.2.

Weights, means and precisions have distributions instead of values,

    w ~ Dirichlet(a_1, ..., a_K),    m_k | P_k ~ N(m_k, (b_k P_k)^-1),    P_k ~ Wishart(W_k, v_k),

all with parameters a0, m0, b0, W0, v0 before the data. With

    log r_nk = E log w_k + (E log |P_k| - d log 2 pi - d / b_k - v_k (x_n - m_k)' W_k (x_n - m_k)) / 2 + constant

as the E step and N_k, xbar_k, S_k the numbers, means and covariances that r weighs, the M step sets

    a_k = a0 + N_k,    b_k = b0 + N_k,    v_k = v0 + N_k,    m_k = (b0 m0 + N_k xbar_k) / b_k,
    W_k^-1 = W0^-1 + N_k S_k + b0 N_k / b_k (xbar_k - m0)(xbar_k - m0)'

and the evidence lower bound never falls:

    log p(X) >= sum_n log sum_k r~_nk - KL(q(w) || p(w)) - sum_k KL(q(m_k, P_k) || p(m_k, P_k))

A small a0 empties the components that the data do not need.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import checks, domains
from keras_genzoo.models.mixtures import conjugate
from keras_genzoo.models.mixtures.gaussians import Gaussians
from keras_genzoo.models.mixtures.mixture_model import MixtureModel

_LEAST_COUNT = 1e-12


@keras.saving.register_keras_serializable(package="keras_genzoo")
class VariationalGaussianMixture(MixtureModel):
    """Bayesian mixture of normal distributions of full covariances, by variational inference.

    The prior is centred on the mean of the data, and W0^-1 is their covariance. `loss` of `fit` is the negative
    evidence lower bound, with all constants, divided by the number of examples; that of `evaluate` is minus the log of
    the predictive density, a mixture of Student's t, which `log_prob` gives and `sample` draws from.

    Args:
        shape: tuple of ints, of one value: `(2,)` for points of a plane.
        num_components: int, more than are expected.
        weight_concentration_prior: float, positive, a0; below 1 few components suffice, above all are used.
        mean_precision_prior: float, positive, b0; how many examples the prior of a mean counts for.
        degrees_of_freedom_prior: float, v0, more than d - 1 for values of d numbers; by default d.
        regularization: float, not negative; added to the variances of W0^-1.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(
        self,
        shape,
        num_components=20,
        weight_concentration_prior=1e-3,
        mean_precision_prior=1.0,
        degrees_of_freedom_prior=None,
        regularization=1e-6,
        **kwargs,
    ):
        domain = domains.Values(checks.positive_integers("shape", shape))
        d = domain.num_values
        super().__init__(domain, num_components, **kwargs)
        for name, value, least in (
            ("weight_concentration_prior", weight_concentration_prior, 0),
            ("mean_precision_prior", mean_precision_prior, 0),
            ("degrees_of_freedom_prior", d if degrees_of_freedom_prior is None else degrees_of_freedom_prior, d - 1),
        ):
            if not least < value < math.inf:
                raise ValueError(f"`{name}` must be a number above {least}; got {value!r}.")
        self.weight_concentration_prior = weight_concentration_prior
        self.mean_precision_prior = mean_precision_prior
        self.degrees_of_freedom_prior = degrees_of_freedom_prior
        self.gaussians = Gaussians(num_components, d, "full", regularization)
        kept = {"stays_float32": True}  # half precision ends at 65,504 examples
        self.counts = self.add_parameter("counts", (num_components,), "zeros", **kept)  # N_k
        self.means = self.add_parameter("means", (num_components, d), "zeros", **kept)  # m_k
        # Factors L_k of (v_k W_k)^-1 = L_k L_k', the inverse of the mean precision.
        unit = self.gaussians.initial_scales
        self.scales = self.add_parameter("scales", self.gaussians.scale_shape, unit, **kept)
        self.mean_prior = self.add_parameter("mean_prior", (d,), "zeros", **kept)  # m0
        self.scale_prior = self.add_parameter("scale_prior", (d, d), unit, **kept)  # of W0^-1
        self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "shape": list(self.sample_domain.shape),
            "weight_concentration_prior": self.weight_concentration_prior,
            "mean_precision_prior": self.mean_precision_prior,
            "degrees_of_freedom_prior": self.degrees_of_freedom_prior,
            "regularization": self.gaussians.regularization,
        }

    @property
    def num_components_used(self):
        """int: components that hold more than one example, by the sums of their responsibilities."""
        return int(np.sum(self.counts.numpy() > 1))

    # ---- variational inference ----

    @property
    def _posterior(self):
        """a_k, b_k, v_k `(k,)`, m_k `(k, d)` and L_k `(k, d, d)`, float64."""
        counts, means, scales = (tf.cast(weight, tf.float64) for weight in (self.counts, self.means, self.scales))
        a0, b0, v0, _, _ = self._prior
        return counts + a0, counts + b0, counts + v0, means, scales

    @property
    def _prior(self):
        """a0, b0, v0, m0 `(d,)` and the factor of W0^-1 `(d, d)`, float64."""
        v0 = self.gaussians.d if self.degrees_of_freedom_prior is None else self.degrees_of_freedom_prior
        numbers = self.weight_concentration_prior, self.mean_precision_prior, v0
        weights = self.mean_prior, self.scale_prior
        return *(tf.constant(x, tf.float64) for x in numbers), *(tf.cast(weight, tf.float64) for weight in weights)

    def begin_from(self, x):
        scale = self.gaussians.regularized_scales(np.cov(x.T, bias=True).reshape(x.shape[1], -1), "fewer dimensions")
        self.mean_prior.assign(x.mean(axis=0))
        self.scale_prior.assign(scale)

    def expected_log_joint(self, x):
        a, b, v, means, scales = self._posterior
        d, middle = self.gaussians.d, self._middle
        log_normal = self.gaussians.log_prob(x - middle, means - middle, scales)  # at the mean precision
        return log_normal + conjugate.dirichlet_log_means(a) + 0.5 * (conjugate.log_determinant_excess(v, d) - d / b)

    @property
    def _middle(self):
        return tf.linalg.matvec(
            tf.cast(self.means, tf.float64), tf.cast(self.mixture_weights, tf.float64), transpose_a=True
        )

    @property
    def sum_shapes(self):
        return self.gaussians.sum_shapes

    def sums(self, x, responsibilities):
        return self.gaussians.sums(x - self._middle, responsibilities)

    def maximize(self, totals, sums):
        _, b0, v0, m0, scale0 = (x.numpy() for x in self._prior)
        middle = self._middle.numpy()
        counts, m0 = np.maximum(totals, _LEAST_COUNT)[:, None], m0 - middle
        means, covariances = self.gaussians.fit(counts[:, 0], sums)
        shrinkage = (b0 * counts / (b0 + counts))[..., None]
        offsets = means - m0
        inverse_w = scale0 @ scale0.T + counts[..., None] * covariances
        inverse_w += shrinkage * offsets[:, :, None] * offsets[:, None]
        self.scales.assign(np.linalg.cholesky(inverse_w / (v0 + counts[..., None])))
        self.means.assign(middle + (b0 * m0 + counts * means) / (b0 + counts))
        self.counts.assign(totals)

    def train_step(self, data):
        log_sums = self.expect(data)
        num_examples = tf.maximum(tf.reduce_sum(tf.cast(self.counts, tf.float64)), 1.0)  # those of the last epoch
        return self.track(loss=tf.cast(self._divergence() / num_examples - log_sums, tf.float32))

    def _divergence(self):
        """KL(q || p) of the distributions of all parameters, float64 scalar."""
        a, b, v, means, scales = self._posterior
        a0, b0, v0, m0, scale0 = self._prior
        of_normals = conjugate.normal_wishart_divergence((b, v, means, scales), (b0, v0, m0, scale0))
        return conjugate.dirichlet_divergence(a, a0) + tf.reduce_sum(of_normals)

    def weights_of(self, totals):
        a = totals + self.weight_concentration_prior
        return a / a.sum()

    def elbo(self, values):
        """The evidence lower bound of values as if they were all the data: float64 scalar, nats, with all constants.

        With one component, fitted to the same values, it is the exact log evidence.

        Args:
            values: float `(n, *shape)`, or uint8, which counts as levels 0 to 1.
        """
        log_joint = self.expected_log_joint(self._flat(self.sample_domain(values)))
        return tf.reduce_sum(tf.reduce_logsumexp(log_joint, axis=1)) - self._divergence()

    # ---- the predictive density: a mixture of Student's t ----

    @property
    def _student(self):
        """Degrees of freedom `(k,)` and factors of the scale matrices, `(k, d, d)`, of the predictive components."""
        _, b, v, _, scales = self._posterior
        freedom = v + 1 - self.gaussians.d
        return freedom, scales * tf.sqrt((1 + b) * v / (b * freedom))[:, None, None]

    def log_components(self, x):
        middle, d = self._middle, self.gaussians.d
        freedom, scales = self._student
        squares = self.gaussians.squared_distances(x - middle, tf.cast(self.means, tf.float64) - middle, scales)
        log_volume = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(scales)), axis=-1)
        log_constant = tf.math.lgamma((freedom + d) / 2) - tf.math.lgamma(freedom / 2)
        log_constant -= d / 2 * tf.math.log(math.pi * freedom) + log_volume
        return log_constant - (freedom + d) / 2 * tf.math.log1p(squares / freedom)

    def draw_noise(self, num_samples, seed):
        """Which component, by a number in [0, 1), and where, by numbers of Student's t: `(num_samples, 1 + d)`."""
        seeds = tf.random.split(seed, 3)
        u = tf.random.stateless_uniform((num_samples, 1), seeds[0], alg="philox")
        normal = tf.random.stateless_normal((num_samples, self.gaussians.d), seeds[1], alg="philox")
        half = tf.cast(tf.gather(self._student[0], self.component_at(u[:, 0])) / 2, tf.float32)  # of the freedom, (n,)
        gamma = tf.random.stateless_gamma((num_samples,), seeds[2], alpha=half)
        return tf.concat([u, normal * tf.sqrt(half / gamma)[:, None]], axis=1)

    def generate(self, noise, condition=None):
        component, student = self.component_at(noise[:, 0]), tf.cast(noise[:, 1:], tf.float64)
        values = tf.gather(tf.cast(self.means, tf.float64), component)
        values += self.gaussians.scaled(student, component, self._student[1])
        return tf.reshape(tf.cast(values, tf.float32), (-1, *self.sample_domain.shape))

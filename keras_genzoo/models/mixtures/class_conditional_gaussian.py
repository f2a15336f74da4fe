"""The Gaussian of each class: a generative classifier, and sampling from it.

    p(x, y) = p(y) N(x; m_y, S_y)

All is closed form, from one pass over the data (Bishop 2006, section 4.2.2): p(y) is the share of class y, m_y and S_y
are the mean and the covariance of its values, divided by their number, with the regularisation added to the variances.
One covariance for every class makes it linear discriminant analysis, variances alone make it naive Bayes.

Covariances of images are singular: some pixels never change. With principal components (of the probabilistic kind:
Tipping and Bishop 1999, https://doi.org/10.1111/1467-9868.00196) the classes differ along the q axes U of largest
variance of all data, and in the other d - q dimensions share noise of the variance that is left there, on average s^2:

    log p(x | y) = log N(U'(x - c); m_y, S_y) - |r|^2 / (2 s^2) - (d - q) / 2 log(2 pi s^2),   r = (I - U U')(x - c)

which is a density of whole images, and has samples that are whole images.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import batches, checks, distributions, domains, serving
from keras_genzoo.bayes_classifier import BayesClassifier
from keras_genzoo.graph_method import graph_method
from keras_genzoo.models.mixtures.fitted_by_sums import FittedBySums
from keras_genzoo.models.mixtures.gaussians import Gaussians
from keras_genzoo.models.mixtures.principal_components import principal_components


@keras.saving.register_keras_serializable(package="keras_genzoo")
class ClassConditionalGaussian(BayesClassifier, FittedBySums):
    """A normal distribution for each class, and how often each comes.

    An epoch of `fit` finds all parameters, from data of any length, in memory for one batch; more epochs find the same.
    `loss` is -log p(x, y) of the model as it was before, `val_loss` that of the model found.

    Args:
        shape: tuple of ints, of one value: `(2,)` for points of a plane, `(28, 28, 1)` for images as their numbers.
        num_classes: int.
        covariance: `"full"`, a covariance for each class (quadratic discriminant analysis); `"tied"`, one for all
            (linear); `"diagonal"`, variances alone (naive Bayes).
        num_principal_components: int or None; with a number, classes differ along so many principal components of the
            data, for which `fit` passes over them once more, and share the noise that is left.
        regularization: float, not negative; added to every variance.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    class_prior = "as often as in the training data"
    most_classified = None  # one pass is for all classes

    def __init__(
        self, shape, num_classes, covariance="full", num_principal_components=None, regularization=1e-6, **kwargs
    ):
        (num_classes,) = checks.positive_integers("num_classes", [num_classes], 1)
        domain = domains.Values(checks.positive_integers("shape", shape))
        super().__init__(domain, domains.Labels(num_classes=num_classes), **kwargs)
        d = domain.num_values
        if num_principal_components is not None:
            checks.positive_integers("num_principal_components", [num_principal_components], 1)
            if num_principal_components >= d:
                raise ValueError(
                    f"`num_principal_components` must be less than the {d} numbers of a value; got "
                    f"{num_principal_components}. None takes all of them."
                )
        q = num_principal_components or d
        self.gaussians = Gaussians(num_classes, q, covariance, regularization)
        self.covariance, self.regularization = covariance, regularization
        self.num_principal_components = num_principal_components
        kept = {"stays_float32": True}  # half precision would spoil the little variance that some directions have
        equal = keras.initializers.Constant(1 / num_classes)
        self.class_probabilities = self.add_parameter("class_probabilities", (num_classes,), equal, **kept)
        # Along the axes, from the origin: an example or, where there are axes, the mean of the data.
        self.means = self.add_parameter("means", (num_classes, q), "zeros", **kept)
        self.scales = self.add_parameter("scales", self.gaussians.scale_shape, self.gaussians.initial_scales, **kept)
        self.origin = self.add_parameter("origin", (d,), "zeros", **kept)
        if num_principal_components is not None:
            self.principal_axes = self.add_parameter("principal_axes", (d, q), keras.initializers.Identity(), **kept)
            self.residual_scale = self.add_parameter("residual_scale", (), "ones", **kept)
        self.add_start()
        self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "shape": list(self.sample_domain.shape),
            "num_classes": self.num_classes,
            "covariance": self.covariance,
            "num_principal_components": self.num_principal_components,
            "regularization": self.regularization,
        }

    @classmethod
    def arguments_from(cls, dataset):
        values, _ = batches.split(dataset.element_spec, domains.Values(()).keys)
        labels = (batches.split(batch, domains.Values(()).keys)[1] for batch in dataset)
        return {"shape": tuple(values.shape[1:]), "num_classes": 1 + max(int(tf.reduce_max(y)) for y in labels)}

    # ---- the fit ----

    @property
    def epoch_sum_shapes(self):
        return {"count": (self.num_classes,), **self.gaussians.sum_shapes}

    def initialize(self, dataset):
        """Finds where the sums are taken about, so that large values beside small differences lose no digits.

        That is one of the examples or, with principal components, the mean of all data, which this passes over.
        """
        values = (self._flat(self.unpack(batch)[0]).numpy() for batch in dataset)
        if self.num_principal_components is None:
            self.origin.assign(next(values)[0])
        else:
            mean, axes, residual_variance = principal_components(values, self.num_principal_components)
            if not residual_variance + self.regularization > 0:
                raise ValueError(
                    f"`num_principal_components` is {self.num_principal_components}, but the data vary along no more "
                    "directions, so that no noise is left; choose fewer, or a `regularization` above 0."
                )
            self.origin.assign(mean)
            self.principal_axes.assign(axes)
            self.residual_scale.assign(math.sqrt(residual_variance + self.regularization))
        self.start.assign(1)

    def train_step(self, data):
        values, labels = self.unpack(data)
        z, _ = self._coordinates(values)
        shares = tf.one_hot(labels, self.num_classes, dtype=tf.float64)  # (n, k)
        self._sums.add(count=tf.reduce_sum(shares, axis=0), **self.gaussians.sums(z, shares))
        return self.test_step(data)

    def end_epoch(self):
        sums = self._sums.values()
        counts = sums.pop("count")
        absent = np.flatnonzero(counts == 0)
        if len(absent):
            raise ValueError(
                f"`labels` never hold {', '.join(map(str, absent))} of the {self.num_classes} classes in an epoch: "
                "nothing says what such values look like. Give data of every class, or number the classes that there "
                "are from 0 and build the model with num_classes= their number."
            )
        means, covariances = self.gaussians.fit(counts, sums)
        self.scales.assign(self.gaussians.regularized_scales(covariances, "fewer `num_principal_components`"))
        self.means.assign(means)
        self.class_probabilities.assign(counts / counts.sum())

    def test_step(self, data):
        values, labels = self.unpack(data)
        log_joint = tf.gather(self._log_joint(values), labels, axis=1, batch_dims=1)
        return self.track(loss=-tf.cast(log_joint, tf.float32))

    # ---- densities ----

    def _coordinates(self, values):
        """Along the axes, float64 `(n, q)`, and what is left, `(n, d)` or None, of values from the origin."""
        x = self._flat(values) - tf.cast(self.origin, tf.float64)
        if self.num_principal_components is None:
            return x, None
        axes = tf.cast(self.principal_axes, tf.float64)
        z = tf.matmul(x, axes)
        return z, x - tf.matmul(z, axes, transpose_b=True)

    def _log_conditionals(self, values):
        """log p(x | y) of every class y: float64 `(n, k)`."""
        z, residual = self._coordinates(values)
        log_probs = self.gaussians.log_prob(z, *(tf.cast(x, tf.float64) for x in (self.means, self.scales)))
        if residual is None:
            return log_probs
        variance, num_left = tf.cast(self.residual_scale, tf.float64) ** 2, residual.shape[1] - z.shape[1]
        squares = tf.reduce_sum(residual**2, axis=1, keepdims=True) / variance
        return log_probs - 0.5 * (squares + num_left * tf.math.log(2 * math.pi * variance))

    def _log_joint(self, values):
        """log p(x, y): float64 `(n, k)`."""
        return self._log_conditionals(values) + tf.math.log(tf.cast(self.class_probabilities, tf.float64))

    @property
    def class_means(self):
        """The mean of each class, float32 `(num_classes, *shape)`."""
        return self._values_at(tf.cast(self.means, tf.float64))

    def _values_at(self, z, residual=0.0):
        """float32 values of float64 coordinates `(n, q)` and what is beside the axes, `(n, d)`."""
        if self.num_principal_components is not None:
            z = tf.matmul(z, tf.cast(self.principal_axes, tf.float64), transpose_b=True) + residual
        return tf.reshape(tf.cast(tf.cast(self.origin, tf.float64) + z, tf.float32), (-1, *self.sample_domain.shape))

    # ---- the verbs ----

    def call(self, values, labels=None):
        return self.log_prob(values, labels)

    def log_prob(self, values, labels=None):
        """log p(x | y) with labels, log p(x) = log sum_y p(y) p(x | y) without; exact: float32 `(n,)`, nats.

        Args:
            values: float `(n, *shape)`, or uint8, which counts as levels 0 to 1.
            labels: ints `(n,)` or None.
        """
        values = self.sample_domain(values)
        if labels is None:
            return self._log_marginal_of(values)
        return self._log_conditional_of(values, self.check_condition(labels, values.shape[0]))

    def classify(self, values):
        """p(y | x), with p(y) as often as each class came in training: float32 `(n, num_classes)`.

        Args:
            values: as for `log_prob`.
        """
        return self._class_probabilities_of(self.sample_domain(values))

    @graph_method(reduce_retracing=True)
    def _log_conditional_of(self, values, labels):
        return tf.cast(tf.gather(self._log_conditionals(values), labels, axis=1, batch_dims=1), tf.float32)

    @graph_method(reduce_retracing=True)
    def _log_marginal_of(self, values):
        return tf.cast(tf.reduce_logsumexp(self._log_joint(values), axis=1), tf.float32)

    @graph_method(reduce_retracing=True)
    def _class_probabilities_of(self, values):
        return tf.cast(tf.nn.softmax(self._log_joint(values), axis=1), tf.float32)

    def draw_labels(self, num_samples, seed):
        """By p(y), so that samples without labels are of p(x)."""
        u = tf.random.stateless_uniform([num_samples], seed, alg="philox")
        return distributions.category_at(u, tf.convert_to_tensor(self.class_probabilities))

    def draw_noise(self, num_samples, seed):
        """Normal numbers `(num_samples, d)`."""
        return tf.random.stateless_normal((num_samples, self.sample_domain.num_values), seed, alg="philox")

    def pictures(self):
        """The means of classes of images."""
        if len(self.sample_domain.shape) != 3:
            return {}
        return {"means": self.sample_domain.picture(self.class_means)}

    def generate(self, noise, condition=None):
        noise = tf.cast(noise, tf.float64)
        means, scales = (tf.cast(weight, tf.float64) for weight in (self.means, self.scales))
        normal, residual = noise, 0.0
        if self.num_principal_components is not None:  # a normal vector is one along the axes and one beside them
            axes = tf.cast(self.principal_axes, tf.float64)
            normal = tf.matmul(noise, axes)
            residual = tf.cast(self.residual_scale, tf.float64) * (noise - tf.matmul(normal, axes, transpose_b=True))
        z = tf.gather(means, condition) + self.gaussians.scaled(normal, condition, scales)
        return self._values_at(z, residual)

    def signatures(self):
        name = self.sample_domain.name

        def log_prob(**given):
            return {"log_prob": self._log_marginal_of(given[name])}

        def classify(**given):
            return {"class_probabilities": self._class_probabilities_of(given[name])}

        return {
            **super().signatures(),
            "log_prob": serving.Signature(log_prob, self.sample_input(), {"log_prob": domains.Vectors((), "log_prob")}),
            "classify": serving.Signature(classify, self.sample_input(), self.class_output()),
        }

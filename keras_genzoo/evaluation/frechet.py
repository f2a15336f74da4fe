"""The Frechet distance between real and generated images: Heusel et al. 2017, https://arxiv.org/abs/1706.08500.

The features of either kind are taken as normally distributed. With their means m and covariances C,

    d^2 = |m_r - m_g|^2 + tr(C_r + C_g - 2 (C_r C_g)^(1/2))

which is the squared Wasserstein-2 distance between the two normal distributions; as in the literature, the squared
one is reported. It is biased upwards at few images: compare only numbers taken at the same n.
"""

import numpy as np
import tensorflow as tf

from keras_genzoo.evaluation.feature_metric import FeatureMetric, compare
from keras_genzoo.measurement import Measurement


class FrechetDistance(FeatureMetric):
    """Squared Frechet distance between real and generated images; smaller is better, 0 for equal moments.

    Its memory holds moments, whatever the number of images. It may be updated inside `tf.function`.

    Args:
        features: see `feature_space`.
        name: str.
    """

    def __init__(self, features, name="frechet_distance"):
        super().__init__(features, name)
        self._moments = {}  # kind -> number, mean (d,) and centred second moment (d, d), float64

    def update_features(self, real=None, generated=None):
        for kind, features in (("real", real), ("generated", generated)):
            if features is not None:
                self._merge(kind, tf.cast(features, tf.float64))

    def _merge(self, kind, features):
        """Chan et al. 1979: moments of a union from the moments of its parts."""
        d = features.shape[-1]
        if not self._moments:
            if d is None:
                raise ValueError(
                    f"`features` ({self.feature_space.name}) do not say how many they are inside tf.function: use a "
                    "network with a known output shape, or call update_state outside."
                )
            with tf.init_scope():
                for name in ("real", "generated"):
                    self._moments[name] = [
                        self.add_variable(shape, "zeros", dtype="float64", name=f"{name}_{moment}")
                        for moment, shape in (("count", ()), ("mean", (d,)), ("scatter", (d, d)))
                    ]
        count, mean, scatter = self._moments[kind]
        added = tf.cast(tf.shape(features)[0], tf.float64)
        total = count + added
        added_mean = tf.math.divide_no_nan(tf.reduce_sum(features, axis=0), added)  # (d,)
        centred = features - added_mean  # (n, d)
        shift = added_mean - mean
        weight = tf.math.divide_no_nan(count * added, total)
        scatter.assign_add(tf.matmul(centred, centred, transpose_a=True) + weight * shift[:, None] * shift)  # (d, d)
        mean.assign_add(shift * tf.math.divide_no_nan(added, total))
        count.assign(total)

    def _num_seen(self):
        return [int(count) for count, _, _ in self._moments.values()] or [0, 0]

    def result(self):
        """float64 scalar."""
        if tf.executing_eagerly() or not self._moments:
            self.require(*self._num_seen())
        moments = [tf.convert_to_tensor(v) for kind in ("real", "generated") for v in self._moments[kind]]
        distance = tf.numpy_function(_distance, moments, tf.float64)  # LAPACK's eigenvalues are the faster ones
        return tf.ensure_shape(distance, ())

    def figures(self):
        value = float(self.result())
        num_real, num_generated = self._num_seen()
        figure = Measurement(self.name, value, "", num_real, self.describe_features(), num_generated)
        return {self.name: figure}


def _distance(n, mean, scatter, m, other_mean, other_scatter):
    covariance, other_covariance = scatter / (n - 1), other_scatter / (m - 1)
    # tr (AB)^(1/2) is the sum of the singular values of A^(1/2) B^(1/2): unlike the root of AB, that is stable
    # where covariances are singular, as they are with fewer images than features.
    singular_values = np.linalg.svd(_root(covariance) @ _root(other_covariance), compute_uv=False)
    distance = np.sum((mean - other_mean) ** 2) + np.trace(covariance + other_covariance) - 2 * singular_values.sum()
    return np.float64(max(distance, 0.0))


def _root(covariance):
    """The symmetric root; eigenvalues that are rounding errors of 0 count as 0, since a root would magnify them."""
    values, vectors = np.linalg.eigh(covariance)
    values[values < len(values) * np.finfo("float64").eps * values[-1]] = 0
    return (vectors * np.sqrt(values)) @ vectors.T


def frechet_distance(real, generated, features, batch_size=100, verbose=0):
    """The squared Frechet distance between real and generated images; Heusel et al. 2017.

    Args:
        real: images `(n, h, w, c)`, float in [0, 1] or uint8, a `tf.data.Dataset` of batches as `fit` takes them, or a
            folder of pictures of one size, such as `"photos/"`.
        generated: the same, `(m, h, w, c)`.
        features: see `feature_space`, such as `"classifier_mnist"`.
        batch_size: int, images of an array that pass through the network at a time.
        verbose: 1 for a progress bar.

    Returns:
        `Measurement`; `float()` gives the distance, at least 0.

    Raises:
        ValueError: for fewer than 2 images of either kind, images of different shapes or out of range, and features
            that are unknown or not finite.
    """
    return compare([FrechetDistance(features)], real, generated, batch_size, verbose)["frechet_distance"]

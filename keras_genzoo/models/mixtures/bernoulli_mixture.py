"""The mixture of products of Bernoulli distributions: images of bits that a few prototypes explain.

    p(x) = sum_k w_k prod_i q_ki^x_i (1 - q_ki)^(1 - x_i)

The M step sets q_ki to the mean of pixel i over the images of component k (Bishop 2006, section 9.3.3), smoothed by a
few bits that nobody has seen, so that no pixel is impossible.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import checks, domains
from keras_genzoo.models.mixtures.mixture_model import MixtureModel


@keras.saving.register_keras_serializable(package="keras_genzoo")
class BernoulliMixture(MixtureModel):
    """Mixture of products of Bernoulli distributions, of images of bits.

    Args:
        shape: tuple `(height, width, channels)`.
        num_components: int.
        smoothing: float, positive; bits of either kind that are added to those of each pixel in each component.
        step_size_decay: float or None; with a number each batch is a step, see `GaussianMixture`.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, shape, num_components=10, smoothing=0.1, step_size_decay=None, **kwargs):
        if not smoothing > 0:
            raise ValueError(f"`smoothing` must be positive; got {smoothing!r}.")
        self.smoothing = smoothing
        shape = checks.positive_integers("shape", shape, 3)
        super().__init__(domains.LevelImages(shape, "values", num_levels=2), num_components, step_size_decay, **kwargs)
        self.probabilities = self.add_float32_weight(
            "probabilities", self.sum_shapes["ones"], keras.initializers.Constant(0.5), trainable=False
        )
        self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "shape": list(self.sample_domain.shape),
            "smoothing": self.smoothing,
            "step_size_decay": self.step_size_decay,
        }

    @property
    def sum_shapes(self):
        return {"ones": (self.num_components, self.sample_domain.num_values)}

    @property
    def means(self):
        """The mean of each component, float32 `(num_components, d)`: its probabilities."""
        return self.probabilities

    def log_components(self, x):
        q = tf.cast(self.probabilities, tf.float64)
        return tf.matmul(x, tf.math.log(q), transpose_b=True) + tf.matmul(1 - x, tf.math.log1p(-q), transpose_b=True)

    def sums(self, x, responsibilities):
        return {"ones": tf.matmul(responsibilities, x, transpose_a=True)}

    def expected_sums(self, totals):
        n, q = totals[:, None], self.probabilities.numpy().astype("float64")
        return {"ones": np.clip(q * (n + 2 * self.smoothing) - self.smoothing, 0, n)}

    def maximize(self, totals, sums):
        q = (sums["ones"] + self.smoothing) / (totals[:, None] + 2 * self.smoothing)
        self.probabilities.assign(np.clip(q, 1e-6, 1 - 1e-6))  # float32 must tell it from 0 and 1

    def draw_noise(self, num_samples, seed):
        """Which component, and each of its bits, by numbers in [0, 1): `(num_samples, 1 + d)`."""
        return tf.random.stateless_uniform((num_samples, 1 + self.sample_domain.num_values), seed, alg="philox")

    def generate(self, noise, condition=None):
        q = tf.gather(self.probabilities, self.component_at(noise[:, 0]))  # (n, d)
        return tf.reshape(tf.cast(noise[:, 1:] < q, tf.float32), (-1, *self.sample_domain.shape))

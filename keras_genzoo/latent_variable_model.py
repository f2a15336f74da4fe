"""What models with latents share: a prior, a decoder of latents into images, and the verbs on them."""

import tensorflow as tf

from keras_genzoo import checks, distributions, domains, serving
from keras_genzoo.image_model import ImageModel


class LatentVariableModel(ImageModel):
    """Base class of the models that draw a latent from a prior and turn it into an image.

    A subclass gives `generate(latents, labels)`, and where the prior is another than N(0, I), `prior`.

    Args:
        image_shape: tuple `(height, width, channels)`.
        latent_dim: int.
        num_classes: int or None.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, image_shape, latent_dim, num_classes=None, **kwargs):
        super().__init__(image_shape, num_classes, **kwargs)
        (self.latent_dim,) = checks.positive_integers("latent_dim", [latent_dim], 1)

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim}

    @property
    def prior(self):
        """p(z), a `tfd.Distribution` with event `(latent_dim,)`."""
        return distributions.standard_normal(self.latent_dim)

    @property
    def latent_domain(self):
        """`Latents`: what latents must be."""
        return domains.Latents((self.latent_dim,))

    def draw_noise(self, num_samples, seed):
        return self.prior.sample(num_samples, seed=seed)  # (num_samples, latent_dim)

    def decode(self, latents, labels=None):
        """Images of latents: float32 `(n, h, w, c)` in [0, 1]; where there is a likelihood, its mean.

        Args:
            latents: float `(n, latent_dim)`.
            labels: ints `(n,)`, for a conditional model.
        """
        latents = self.latent_domain(latents)
        return self._samples(latents, self.check_condition(labels, latents.shape[0]))

    def decode_paths(self, paths, labels=None):
        """Images along paths of latents: `(n, num_steps, latent_dim)` to `(n, num_steps, h, w, c)`.

        Args:
            paths: float tensor.
            labels: ints `(n,)`, for a conditional model.
        """
        num_steps = paths.shape[1]
        labels = None if labels is None else tf.repeat(self.check_condition(labels, paths.shape[0]), num_steps)
        images = self.decode(tf.reshape(paths, (-1, self.latent_dim)), labels)
        return tf.reshape(images, (-1, num_steps, *self.image_shape))

    def signatures(self):
        def decode(latents, labels=None):
            return {"images": self.generate(latents, labels)}

        inputs = {"latents": self.latent_domain, **self.condition_input()}
        return {**super().signatures(), "decode": serving.Signature(decode, inputs, self.sample_output())}


def path_weights(num_steps):
    """How far along a path each of its steps lies, 0 to 1: float32 `(1, num_steps, 1)`."""
    if num_steps < 2:
        raise ValueError(f"`num_steps` must be at least 2, to include both ends; got {num_steps}.")
    return tf.linspace(0.0, 1.0, num_steps)[None, :, None]


def check_ends(a, b):
    """ValueError unless paths from `a` lead to as many ends in `b`."""
    if a.shape != b.shape:
        raise ValueError(f"`a` and `b` must hold equally many; got {len(a)} and {len(b)}.")


def great_circle(start, end, t):
    """From start to end `(n, 1, d)` along the great circle, their lengths blended: `(n, num_steps, d)`."""
    directions = tf.math.l2_normalize(start, axis=-1), tf.math.l2_normalize(end, axis=-1)
    angle = tf.acos(tf.clip_by_value(tf.reduce_sum(directions[0] * directions[1], axis=-1, keepdims=True), -1.0, 1.0))
    by_angle = tf.sin((1 - t) * angle) / tf.sin(angle), tf.sin(t * angle) / tf.sin(angle)
    near = tf.sin(angle) < 1e-4  # (anti)parallel: the circle is not defined, the line is
    return tf.where(near, 1 - t, by_angle[0]) * start + tf.where(near, t, by_angle[1]) * end

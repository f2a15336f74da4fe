"""The denoising autoencoder: Vincent et al. 2008, https://dl.acm.org/doi/10.1145/1390156.1390294.

An autoencoder that sees a corrupted image and must restore the clean one, so that it cannot learn to copy:
its error is -log p(x | z) with z the code of a draw from q(corrupted | x).
"""

import keras
import tensorflow as tf

from keras_genzoo import distributions
from keras_genzoo.models.autoencoders.autoencoder import Autoencoder


@keras.saving.register_keras_serializable(package="keras_genzoo")
class DenoisingAutoencoder(Autoencoder):
    """Denoising autoencoder.

    Args:
        image_shape: tuple `(height, width, channels)`.
        corruption: `"masking"` sets a share of the pixels to 0 (the 2008 paper), `"gaussian"` adds normal noise
            and cuts to [0, 1] (Vincent et al. 2010).
        corruption_level: float in (0, 1], the share of pixels or the standard deviation.
        **kwargs: as for `Autoencoder`.
    """

    def __init__(self, image_shape, corruption="masking", corruption_level=0.25, **kwargs):
        super().__init__(image_shape, **kwargs)
        distributions.check_choice("corruption", corruption, ("masking", "gaussian"))
        if not 0 < corruption_level <= 1:
            raise ValueError(f"`corruption_level` must lie in (0, 1]; got {corruption_level!r}.")
        self.corruption = corruption
        self.corruption_level = corruption_level

    def get_config(self):
        return {
            **super().get_config(),
            "corruption": self.corruption,
            "corruption_level": self.corruption_level,
        }

    def corrupt(self, clean):
        """A draw from q(corrupted | clean), float32 `(n, h, w, c)` in [0, 1]."""
        num_images = tf.shape(clean)[0]
        if self.corruption == "gaussian":
            noise = self.draw(lambda n, seed: tf.random.stateless_normal((n, *self.image_shape), seed), num_images)
            return tf.clip_by_value(clean + self.corruption_level * noise, 0.0, 1.0)
        pixels = (*self.image_shape[:2], 1)  # all channels of a pixel go together
        u = self.draw(lambda n, seed: tf.random.stateless_uniform((n, *pixels), seed), num_images)
        return tf.where(u < self.corruption_level, 0.0, clean)

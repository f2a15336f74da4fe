"""The conditional GAN: Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784.

A GAN in which both players see a label y beside their input, so that G(z, y) draws an image of a class:

    min_G max_D  E log D(x, y) + E log(1 - D(G(z, y), y))

Generated images get the labels of the real ones of the same batch. The paper's players are multilayer perceptrons;
convolutional ones are those of Radford et al. 2016 (see `dcgan`). By projection (Miyato and Koyama 2018,
https://arxiv.org/abs/1802.05637) the label enters the discriminator at its end: the score gains the inner product of
the image's features with a vector of the class.
"""

import keras

from keras_genzoo import distributions
from keras_genzoo.models.adversarial import dcgan, gan


@keras.saving.register_keras_serializable(package="keras_genzoo")
class ConditionalGAN(gan.GAN):
    """Conditional GAN.

    Args:
        image_shape: tuple `(height, width, channels)`.
        latent_dim: int.
        num_classes: int; labels are 0..num_classes-1.
        backbone: `"mlp"`, as in the paper, or `"conv"`, as in `DCGAN`.
        projection: bool, whether the default discriminator sees labels by projection instead of beside the image.
        **kwargs: as for `GAN`.
    """

    def __init__(self, image_shape, latent_dim=100, num_classes=10, backbone="mlp", projection=False, **kwargs):
        distributions.check_choice("backbone", backbone, ("mlp", "conv"))
        if num_classes is None:
            raise ValueError("`num_classes` must be a positive integer; GAN and DCGAN are the models without classes.")
        self.backbone = backbone  # these first, since GAN builds the networks
        self.projection = projection
        super().__init__(image_shape, latent_dim, num_classes=num_classes, **kwargs)

    def default_generator(self, dtype):
        if self.backbone == "mlp":
            return gan.generator(self.latent_dim, self.image_shape, self.num_classes, dtype=dtype)
        return dcgan.generator(self.latent_dim, self.image_shape, None, self.num_classes, dtype=dtype)

    def default_discriminator(self, dtype):
        options = {
            "num_classes": self.num_classes,
            "normalization": self.discriminator_normalization,
            "projection": self.projection,
            "dtype": dtype,
        }
        if self.backbone == "mlp":
            return gan.discriminator(self.image_shape, **options)
        return dcgan.discriminator(self.image_shape, None, **options)

    def get_config(self):
        return {**super().get_config(), "backbone": self.backbone, "projection": self.projection}

"""The conditional GAN: Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784.

A GAN in which both players see a label y beside their input, so that G(z, y) draws an image of a class:

    min_G max_D  E log D(x, y) + E log(1 - D(G(z, y), y))

Generated images get the labels of the real ones of the same batch. The paper's players are multilayer perceptrons;
convolutional ones are those of Radford et al. 2016 (see `dcgan`). By projection (Miyato and Koyama 2018,
https://arxiv.org/abs/1802.05637) the label enters the discriminator at its end: the score gains the inner product of
the image's features with a vector of the class.
"""

import functools

import keras

from keras_genzoo import distributions
from keras_genzoo.models.adversarial.dcgan import conv_discriminator, conv_generator
from keras_genzoo.models.adversarial.gan import GAN, mlp_discriminator, mlp_generator
from keras_genzoo.networks import Builder


@keras.saving.register_keras_serializable(package="keras_genzoo")
class ConditionalGAN(GAN):
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
        generator, discriminator = {
            "mlp": (mlp_generator, mlp_discriminator),
            "conv": (conv_generator, conv_discriminator),
        }[backbone]
        kwargs["generator"] = kwargs.get("generator") or Builder(generator)
        discriminator = Builder(functools.partial(discriminator, projection=projection))
        kwargs["discriminator"] = kwargs.get("discriminator") or discriminator
        super().__init__(image_shape, latent_dim, num_classes=num_classes, **kwargs)
        self.backbone = backbone
        self.projection = projection

    def get_config(self):
        return {**super().get_config(), "backbone": self.backbone, "projection": self.projection}

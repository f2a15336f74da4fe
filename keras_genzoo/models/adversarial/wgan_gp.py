"""The Wasserstein GAN with gradient penalty: Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028.

The discriminator is a critic: the largest difference E f(x) - E f(G(z)) that a 1-Lipschitz function f can make is
the earth mover's distance between real and generated images (Arjovsky et al. 2017), and the generator lowers it. The
critic is held to slope 1 by a penalty, weight 10, on the length of its gradient at points between real and generated
images, and takes 5 steps for one of the generator.

The penalty looks at each image alone, so the critic has layer normalisation where a DCGAN's discriminator, whose
networks these otherwise are, has batch normalisation.
"""

import keras

from keras_genzoo.models.adversarial.dcgan import DCGAN


@keras.saving.register_keras_serializable(package="keras_genzoo")
class WGANGP(DCGAN):
    """Wasserstein GAN with gradient penalty.

    Args:
        image_shape: tuple `(height, width, channels)`.
        discriminator_steps: int, updates of the critic for one of the generator.
        discriminator_normalization: `"layer"`, `"spectral"` or None.
        **kwargs: as for `DCGAN`.
    """

    def __init__(self, image_shape, discriminator_steps=5, discriminator_normalization="layer", **kwargs):
        super().__init__(
            image_shape,
            discriminator_steps=discriminator_steps,
            discriminator_normalization=discriminator_normalization,
            **kwargs,
        )

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        loss="wasserstein",
        regularizer="gradient_penalty",
        augmentation=None,
        **kwargs,
    ):
        """As `GAN.compile`, with the paper's game, penalty and optimiser, Adam(1e-4, beta_1=0, beta_2=0.9)."""
        super().compile(generator_optimizer, discriminator_optimizer, loss, regularizer, augmentation, **kwargs)

    def default_optimizer(self, name):
        return keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9)

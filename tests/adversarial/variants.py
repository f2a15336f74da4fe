"""The adversarial models of the contract: every class, and each option that changes what is saved or served."""

from tests.contract.variants import IMAGE_SHAPE

REPRESENTATIVE = "DCGAN"
SIZES = {"image_shape": IMAGE_SHAPE}

VARIANTS = {
    "GAN": {},
    "GAN averaged uniform": {"generator_ema_decay": 0.9, "prior": "uniform", "discriminator_steps": 2},
    "DCGAN": {},
    "ConditionalGAN": {},
    "ConditionalGAN conv projection spectral": {
        "backbone": "conv",
        "projection": True,
        "discriminator_normalization": "spectral",
    },
    "AdversarialAutoencoder": {"latent_dim": 4},
    "WGANGP": {"discriminator_steps": 2},  # 5 only trace longer
}

"""The autoencoders of the contract: every class, and each option that changes what is saved or served."""

from tests.contract.variants import IMAGE_SHAPE, NUM_CLASSES

REPRESENTATIVE = "VAE"
SIZES = {"image_shape": IMAGE_SHAPE}

VARIANTS = {
    "Autoencoder": {},
    "DenoisingAutoencoder": {},
    "DenoisingAutoencoder conditional gaussian": {
        "num_classes": NUM_CLASSES,
        "corruption": "gaussian",
        "likelihood": "gaussian",
    },
    "VAE": {},
    "VAE conditional vamp": {"num_classes": NUM_CLASSES, "prior": "vamp", "num_prior_components": 4},
    "VAE mixture IWAE": {
        "prior": "mixture",
        "num_prior_components": 4,
        "num_importance_samples": 3,
        "likelihood": "quantized_logistic",
        "kl_warmup_steps": 5,
    },
}

"""The models the contract runs over: every class in the registry at its defaults, and what changes their code path.

A new model is covered by its line in `keras_genzoo._MODELS`; add a variant here only for an option that changes
what is saved, fed or exported.
"""

import functools

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo

IMAGE_SHAPE = (8, 8, 1)
NUM_CLASSES = 10

VARIANTS = {
    **{name: {} for name in keras_genzoo._MODELS},
    "DenoisingAutoencoder conditional gaussian": {
        "num_classes": NUM_CLASSES,
        "corruption": "gaussian",
        "likelihood": "gaussian",
    },
    "VAE conditional vamp": {"num_classes": NUM_CLASSES, "prior": "vamp", "num_prior_components": 4},
    "VAE mixture IWAE": {
        "prior": "mixture",
        "num_prior_components": 4,
        "num_importance_samples": 3,
        "likelihood": "quantized_logistic",
        "kl_warmup_steps": 5,
    },
    "GAN averaged uniform": {"generator_ema_decay": 0.9, "prior": "uniform", "discriminator_steps": 2},
    "ConditionalGAN conv projection spectral": {
        "backbone": "conv",
        "projection": True,
        "discriminator_normalization": "spectral",
    },
    "WGANGP": {"discriminator_steps": 2},  # 5 only trace longer
    "PixelCNN": {"num_filters": 8, "num_residual_blocks": 1},
    "PixelCNN conditional 5 levels": {
        "num_classes": NUM_CLASSES,
        "num_levels": 5,
        "num_filters": 8,
        "num_residual_blocks": 1,
    },
    "GatedPixelCNN": {"num_filters": 8, "num_residual_blocks": 2, "dilations": (1, 2)},
    "GatedPixelCNN conditional logistic": {
        "num_classes": NUM_CLASSES,
        "num_levels": 256,
        "likelihood": "logistic_mixture",
        "num_filters": 8,
        "num_residual_blocks": 1,
    },
}


def build_variant(variant, image_shape=IMAGE_SHAPE, **kwargs):
    return getattr(keras_genzoo, variant.split()[0])(image_shape, **VARIANTS[variant], **kwargs)


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


@pytest.fixture
def build(variant):
    """Builds the variant afresh: `build()`, or `build(dtype="mixed_bfloat16")`."""

    return functools.partial(build_variant, variant)


@pytest.fixture
def model(build):
    return build()


@pytest.fixture(scope="session")
def grey_digits():
    """uint8 images `(64, 8, 8, 1)` and labels `(64,)`."""
    return next(iter(keras_genzoo.data.load("digits", batch_size=64, labels=True, shuffle=False)))


@pytest.fixture
def digits(variant, grey_digits):
    """The same, in the levels that the variant models."""
    images, labels = grey_digits
    largest = VARIANTS[variant].get("num_levels", 2) - 1 if "PixelCNN" in variant else 255
    levels = tf.round(tf.cast(images, tf.float32) / 255 * largest) / largest
    return tf.cast(tf.round(levels * 255), tf.uint8), labels


@pytest.fixture
def dataset(digits):
    return tf.data.Dataset.from_tensor_slices(digits).batch(16)


def labels_for(model, n):
    return None if model.num_classes is None else np.arange(n) % model.num_classes

"""Recipes of generative adversarial networks."""

from keras_genzoo.recipes.recipe import TOY, Optimizer, Published, Recipe, Regularizer

_GAN_LIMITS = (
    "It has no likelihood, and whether it gives less of rare kinds of images than there are can be told by recall and "
    "coverage alone. A few samples are no image of the kind (precision)."
)

_CONDITIONAL = {"backbone": "conv", "projection": True, "discriminator_normalization": "batch"}


def _players(learning_rate, **arguments):
    """The same optimiser for generator and discriminator."""
    optimizer = Optimizer(learning_rate=learning_rate, arguments=arguments)
    return {"generator_optimizer": optimizer, "discriminator_optimizer": optimizer}


def _tutorial(dataset, frechet_distance, minutes, rest):
    return Published(
        value=frechet_distance,
        measure="Frechet distance",
        model=f"DCGAN of TensorFlow's tutorials after {minutes} minutes on one CPU core",
        method=f"10,000 real and generated images in features of classifier_{dataset}, float32, {rest}",
        source="measured by us, tests/benchmarks/test_tutorial_gans.py",
    )


_TUTORIAL_OF_MNIST = _tutorial(
    "mnist", 18.38, 28, "1,391 steps of 256 images; kernel distance 0.5430 +- 0.0066, class imbalance 62%"
)

_TUTORIAL_OF_FASHION_MNIST = _tutorial(
    "fashion_mnist", 11.33, 29, "1,510 steps of 256 images; kernel distance 0.1846 +- 0.0024, class imbalance 60%"
)


def _dcgan(dataset, subject, published):
    return Recipe(
        description=(
            f"A DCGAN (Radford et al. 2016, https://arxiv.org/abs/1511.06434) of {subject}, whose discriminator is "
            "regularised by R1 (Mescheder et al. 2018, https://arxiv.org/abs/1801.04406) instead of batch "
            "normalisation."
        ),
        model="DCGAN",
        # A discriminator with the paper's batch normalisation, which a penalty on its gradient excludes, wins: D ends
        # at 0.8 for real digits, and samples of some classes come too often.
        arguments={"num_filters": 48, "discriminator_normalization": None, "generator_ema_decay": 0.999},
        dataset=dataset,
        optimizers=_players(5e-4, beta_1=0.5),
        regularizer=Regularizer("R1", 0.1),
        epochs=14,
        chosen_on="test",
        batch_size=64,
        published=(published,),
        limits=_GAN_LIMITS,
    )


def _conditional_gan(dataset, subject):
    return Recipe(
        description=(
            f"A conditional GAN (Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784) of {subject}: "
            "convolutional players, labels by projection."
        ),
        model="ConditionalGAN",
        arguments={**_CONDITIONAL, "generator_ema_decay": 0.999},
        dataset=dataset,
        data_options={"labels": True},
        optimizers=_players(2e-4, beta_1=0.5),
        epochs=12,
        chosen_on="test",
        batch_size=64,
        limits=_GAN_LIMITS,
    )


RECIPES = {
    "gan_mnist": Recipe(
        description=(
            "A GAN of two multilayer perceptrons (Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661) of "
            "handwritten digits."
        ),
        model="GAN",
        arguments={"generator_ema_decay": 0.999},
        dataset="mnist",
        optimizers=_players(5e-4, beta_1=0.5),
        regularizer=Regularizer("R1", 1.0),  # without it the discriminator wins, and all samples become the same
        epochs=60,
        chosen_on="test",
        published=(_TUTORIAL_OF_MNIST,),
        limits=_GAN_LIMITS,
    ),
    "dcgan_digits": Recipe(
        description="A DCGAN (Radford et al. 2016, https://arxiv.org/abs/1511.06434) of 8x8 handwritten digits.",
        model="DCGAN",
        arguments={"generator_ema_decay": 0.995},
        dataset="digits",
        optimizers=_players(4e-4, beta_1=0.5),
        epochs=180,
        chosen_on="test",
        batch_size=64,
        limits=TOY,
    ),
    "dcgan_mnist": _dcgan("mnist", "handwritten digits", _TUTORIAL_OF_MNIST),
    "dcgan_fashion_mnist": _dcgan("fashion_mnist", "clothes", _TUTORIAL_OF_FASHION_MNIST),
    "cgan_digits": Recipe(
        description=(
            "A conditional GAN (Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784) of 8x8 handwritten "
            "digits: convolutional players, labels by projection."
        ),
        model="ConditionalGAN",
        arguments={**_CONDITIONAL, "generator_ema_decay": 0.995},
        dataset="digits",
        data_options={"labels": True},
        optimizers=_players(4e-4, beta_1=0.5),
        epochs=120,
        chosen_on="test",
        batch_size=64,
        limits=TOY,
    ),
    "cgan_mnist": _conditional_gan("mnist", "handwritten digits"),
    "cgan_fashion_mnist": _conditional_gan("fashion_mnist", "clothes"),
    "wgan_gp_fashion_mnist": Recipe(
        description="A WGAN-GP (Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028) of clothes.",
        model="WGANGP",
        arguments={"generator_ema_decay": 0.999},
        dataset="fashion_mnist",
        optimizers=_players(1e-4, beta_1=0.0, beta_2=0.9),
        epochs=50,
        batch_size=64,
        limits=_GAN_LIMITS,
    ),
}

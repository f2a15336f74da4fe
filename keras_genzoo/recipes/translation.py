"""Recipes of translation models."""

from keras_genzoo.recipes.recipe import TOY, Optimizer, Recipe


def _players(learning_rate):
    """Both players of a two-way model, as Zhu et al. 2017 train them."""
    adam = Optimizer(learning_rate=learning_rate, linear_decay=True, arguments={"beta_1": 0.5})
    return {"generator_optimizer": adam, "discriminator_optimizer": adam}


RECIPES = {
    "pix2pix_digits": Recipe(
        description=(
            "pix2pix (Isola et al. 2017, https://arxiv.org/abs/1611.07004): 8x8 handwritten digits from their outlines."
        ),
        model="Pix2Pix",
        arguments={"num_filters": 16},
        dataset="digits",
        data_options={"source": "edges"},
        optimizers={
            "generator_optimizer": Optimizer(learning_rate=2e-3, cosine_decay=True, arguments={"beta_1": 0.5}),
            "discriminator_optimizer": Optimizer(learning_rate=2e-4, cosine_decay=True, arguments={"beta_1": 0.5}),
        },
        epochs=40,
        batch_size=32,
        limits=TOY,
    ),
    "cyclegan_digits": Recipe(
        description=(
            "CycleGAN (Zhu et al. 2017, https://arxiv.org/abs/1703.10593): 8x8 handwritten digits from coarse ones "
            "of half their resolution and back, learnt without pairs."
        ),
        model="CycleGAN",
        arguments={"num_filters": 16, "num_residual_blocks": 2, "identity_weight": 5.0},
        dataset="digits",
        data_options={"source": "low_resolution", "unpaired": True},
        optimizers=_players(1e-3),
        epochs=24,
        batch_size=32,
        limits=TOY,
    ),
    "cyclegan_mnist": Recipe(
        description=(
            "CycleGAN (Zhu et al. 2017, https://arxiv.org/abs/1703.10593): MNIST digits from inverted, coloured ones "
            "and back, learnt without pairs."
        ),
        model="CycleGAN",
        arguments={"num_filters": 32, "num_residual_blocks": 1},
        dataset="mnist",
        data_options={"source": "coloured", "unpaired": True},
        optimizers=_players(2e-4),
        epochs=1,
        batch_size=16,
        limits="A small stand-in for the paper's photographs and paintings: the map from source to target is known.",
    ),
    "discogan_digits": Recipe(
        description=(
            "DiscoGAN (Kim et al. 2017, https://arxiv.org/abs/1703.05192): 8x8 handwritten digits from coarse ones "
            "of half their resolution and back, learnt without pairs."
        ),
        model="DiscoGAN",
        arguments={"num_filters": 32},
        dataset="digits",
        data_options={"source": "low_resolution", "unpaired": True},
        optimizers=_players(2e-4),
        epochs=60,
        batch_size=32,
        limits=TOY,
    ),
    "dtn_digits": Recipe(
        description=(
            "DTN (Taigman, Polyak and Wolf 2017, https://arxiv.org/abs/1611.02200): clean 8x8 handwritten digits from "
            "noisy ones, by what `classifier_digits` sees in them. No term of it compares a source with its own target."
        ),
        model="DTN",
        arguments={"features": "classifier_digits", "num_filters": 32},
        dataset="digits",
        data_options={"source": "noisy"},
        optimizers={
            "generator_optimizer": Optimizer(learning_rate=1e-3, cosine_decay=True, arguments={"beta_1": 0.5}),
            "discriminator_optimizer": Optimizer(learning_rate=2e-4, cosine_decay=True, arguments={"beta_1": 0.5}),
        },
        epochs=60,
        batch_size=64,
        limits=(
            f"{TOY} `classifier_digits` was not trained on noise and reads two thirds of the sources; what it misreads "
            "is drawn as what it took it for."
        ),
    ),
    "pixel_dtgan_digits": Recipe(
        description=(
            "PixelDTGAN (Yoo et al. 2016, https://arxiv.org/abs/1603.07442): whole 8x8 handwritten digits from those "
            "of which a quarter is hidden."
        ),
        model="PixelDTGAN",
        arguments={"num_filters": 32},
        dataset="digits",
        data_options={"source": "masked"},
        optimizers={
            name: Optimizer(learning_rate=rate, cosine_decay=True, arguments={"beta_1": 0.5})
            for name, rate in (
                ("converter_optimizer", 1e-3),
                ("discriminator_optimizer", 2e-4),
                ("domain_discriminator_optimizer", 2e-4),
            )
        },
        epochs=100,
        batch_size=64,
        limits=TOY,
    ),
}

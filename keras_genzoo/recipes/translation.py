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
            "CycleGAN (Zhu et al. 2017, https://arxiv.org/abs/1703.10593): 8x8 handwritten digits from inverted ones "
            "and back, learnt without pairs."
        ),
        model="CycleGAN",
        arguments={"num_filters": 16, "num_residual_blocks": 2},
        dataset="digits",
        data_options={"source": "inverted", "unpaired": True},
        optimizers=_players(1e-3),
        epochs=40,
        batch_size=32,
        limits=TOY,
    ),
    "cyclegan_mnist": Recipe(
        description=(
            "CycleGAN (Zhu et al. 2017, https://arxiv.org/abs/1703.10593): MNIST digits from inverted, coloured ones "
            "and back, learnt without pairs."
        ),
        model="CycleGAN",
        arguments={"num_filters": 32, "num_residual_blocks": 3},
        dataset="mnist",
        data_options={"source": "coloured", "unpaired": True},
        optimizers=_players(2e-4),
        epochs=2,
        batch_size=16,
        limits="A small stand-in for the paper's photographs and paintings: the map from source to target is known.",
    ),
    "discogan_digits": Recipe(
        description=(
            "DiscoGAN (Kim et al. 2017, https://arxiv.org/abs/1703.05192): 8x8 handwritten digits from inverted ones "
            "and back, learnt without pairs."
        ),
        model="DiscoGAN",
        arguments={"num_filters": 32},
        dataset="digits",
        data_options={"source": "inverted", "unpaired": True},
        optimizers=_players(2e-4),
        epochs=60,
        batch_size=32,
        limits=TOY,
    ),
}

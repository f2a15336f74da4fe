"""Recipes of translation models."""

from keras_genzoo.recipes.recipe import TOY, Optimizer, Recipe

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
}

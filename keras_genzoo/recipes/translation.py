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

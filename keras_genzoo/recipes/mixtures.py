"""Recipes of mixtures."""

from keras_genzoo.recipes.recipe import TOY, Recipe

RECIPES = {
    "gaussian_mixture_digits": Recipe(
        description=(
            "A mixture of 10 normal distributions with full covariances, by EM (Dempster et al. 1977), of the pixels "
            "of 8x8 handwritten digits."
        ),
        model="GaussianMixture",
        # The variance of one of the 17 grey levels: a density of levels says nothing at a finer scale, and the pixels
        # at the border, which are black throughout, would make it as high as one likes.
        arguments={"num_components": 10, "regularization": 1 / 256},
        dataset="digits",
        optimizers={},
        epochs=20,
        limits=f"{TOY} Samples are not confined to [0, 1]; pictures and comparisons of them are cut to it.",
    ),
}

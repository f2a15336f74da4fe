"""Recipes of mixtures."""

from keras_genzoo.recipes.recipe import TOY, Recipe

RECIPES = {
    "gaussian_mixture_digits": Recipe(
        description=(
            "A mixture of seven Gaussians with full covariances, fitted by expectation maximisation (Dempster, Laird "
            "and Rubin 1977, https://www.jstor.org/stable/2984875), of 8x8 handwritten digits as their 64 numbers."
        ),
        model="GaussianMixture",
        # Levels come in steps of 1/16, and some pixels never change: with less than the variance of rounding to such
        # steps, 1/12 of their square, the density grows without bound on validation images, too, and tells nothing. On
        # those images with the rounding undone by uniform noise, this is the best value, and seven the best number.
        arguments={"num_components": 7, "regularization": 3.3e-4},
        dataset="digits",
        optimizers={},
        epochs=10,
        limits=(
            f"{TOY} Samples are numbers of any size: a quarter of them lie outside of 0 to 1, most by less than one of "
            "the 16 levels. The likelihood is a density of numbers that come in levels, which depends on the "
            "regularization: it compares with that of no other model."
        ),
    ),
}

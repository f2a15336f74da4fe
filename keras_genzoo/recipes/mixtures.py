"""Recipes of mixtures."""

from keras_genzoo.recipes.recipe import TOY, Published, Recipe

_NUMBERS = (
    "Samples are numbers of any size, some of them outside of 0 to 1. The likelihood is a density of numbers that come "
    "in levels, which depends on the regularization: it compares with that of no other model."
)
_BITS = {
    "unit": "nats",
    "measure": "-log p(x)",
    "method": "exact, statically binarised MNIST test set",
    "source": "Larochelle and Murray 2011, https://proceedings.mlr.press/v15/larochelle11a.html",
}

RECIPES = {
    "class_conditional_gaussian_digits": Recipe(
        description=(
            "A Gaussian of each class, with full covariances along 20 principal components (a Bayes classifier that "
            "one can sample from; the components are of the probabilistic kind, Tipping and Bishop 1999, "
            "https://doi.org/10.1111/1467-9868.00196), of 8x8 handwritten digits as their 64 numbers."
        ),
        model="ClassConditionalGaussian",
        arguments={"num_principal_components": 20, "regularization": 1e-3},
        dataset="digits",
        data_options={"labels": True},
        optimizers={},
        epochs=1,
        limits=f"{TOY} {_NUMBERS}",
    ),
    "class_conditional_gaussian_mnist": Recipe(
        description=(
            "A Gaussian of each class, with full covariances along 40 principal components (a Bayes classifier that "
            "one can sample from; the components are of the probabilistic kind, Tipping and Bishop 1999, "
            "https://doi.org/10.1111/1467-9868.00196), of handwritten digits as their 784 numbers."
        ),
        model="ClassConditionalGaussian",
        arguments={"num_principal_components": 40},
        dataset="mnist",
        data_options={"labels": True},
        validation_percent=1,  # nothing is chosen by it
        optimizers={},
        epochs=1,
        published=(
            Published(
                value=3.3,
                unit="%",
                measure="error",
                model="40 principal components and a quadratic classifier",
                method="MNIST test set",
                source="LeCun et al. 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf, figure 9",
            ),
        ),
        limits=(
            "One Gaussian of a class blurs what its images have in common, and samples are noisy beside the principal "
            f"components. {_NUMBERS}"
        ),
    ),
    "variational_gaussian_mixture_digits": Recipe(
        description=(
            "A mixture of Gaussians by variational Bayes (Attias 2000, "
            "https://papers.nips.cc/paper/1726-a-variational-baysian-framework-for-graphical-models), with up to 20 "
            "components, of 8x8 handwritten digits as their 64 numbers."
        ),
        model="VariationalGaussianMixture",
        arguments={"num_components": 20, "regularization": 3.3e-4},
        dataset="digits",
        optimizers={},
        epochs=10,
        limits=(
            f"{TOY} In 64 dimensions the start decides: all 20 clusters that it begins with are kept, while in a plane "
            f"those that the data do not need are emptied. {_NUMBERS}"
        ),
    ),
    "bernoulli_mixture_digits": Recipe(
        description=(
            "A mixture of 20 products of Bernoullis, fitted by expectation maximisation (Bishop 2006, section 9.3.3), "
            "of 8x8 handwritten digits in bits."
        ),
        model="BernoulliMixture",
        arguments={"num_components": 20, "smoothing": 1.0},
        dataset="digits",
        data_options={"binarize": "threshold"},
        optimizers={},
        epochs=20,
        limits=f"{TOY} The pixels of a sample are independent given its component, so that strokes are ragged.",
    ),
    "bernoulli_mixture_binarized_mnist": Recipe(
        description=(
            "A mixture of 500 products of Bernoullis, fitted by expectation maximisation (Bishop 2006, section 9.3.3), "
            "of handwritten digits in bits."
        ),
        model="BernoulliMixture",
        arguments={"num_components": 500},
        dataset="binarized_mnist",
        optimizers={},
        epochs=20,
        batch_size=500,
        published=(
            Published(value=137.64, model="mixture of 500 Bernoullis", **_BITS),
            Published(value=168.95, model="mixture of 10 Bernoullis", **_BITS),
        ),
        limits="The pixels of a sample are independent given its component, so that strokes are ragged.",
    ),
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

"""Recipes of the classifiers in whose features samples are measured."""

from keras_genzoo.recipes.recipe import Optimizer, Recipe

_CLASSIFIER_OPTIMIZER = Optimizer("AdamW", learning_rate=2e-3, cosine_decay=True, arguments={"weight_decay": 0.05})

_CLASSIFIER_LIMITS = (
    "Distances in its features compare only with distances in these features, at the same n. One network, from one "
    "seed; trained on centred images, light on dark, it says nothing of others."
)

RECIPES = {
    "classifier_digits": Recipe(
        description=(
            "A small convolutional classifier of 8x8 handwritten digits: the space in which samples of such "
            "digits are measured, and the judge of their classes."
        ),
        model="evaluation.Classifier",
        arguments={"max_shift": 1},
        dataset="digits",
        data_options={"labels": True},
        optimizers={"optimizer": _CLASSIFIER_OPTIMIZER},
        epochs=60,
        limits=_CLASSIFIER_LIMITS + " Writers in the test split also wrote training images.",
    ),
    "classifier_mnist": Recipe(
        description=(
            "A small convolutional classifier of MNIST's handwritten digits: the space in which samples of such "
            "images are measured, and the judge of their classes."
        ),
        model="evaluation.Classifier",
        arguments={"max_shift": 2},
        dataset="mnist",
        data_options={"labels": True},
        optimizers={"optimizer": _CLASSIFIER_OPTIMIZER},
        epochs=15,
        limits=_CLASSIFIER_LIMITS,
    ),
    "classifier_fashion_mnist": Recipe(
        description=(
            "A small convolutional classifier of Fashion-MNIST's clothes: the space in which samples of such "
            "images are measured, and the judge of their classes."
        ),
        model="evaluation.Classifier",
        arguments={"max_shift": 2, "flip": True},
        dataset="fashion_mnist",
        data_options={"labels": True},
        optimizers={"optimizer": _CLASSIFIER_OPTIMIZER},
        epochs=30,
        limits=_CLASSIFIER_LIMITS + " Of shirts it reads 78% as such, most others as T-shirts or coats.",
    ),
}

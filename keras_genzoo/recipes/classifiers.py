"""Recipes of the classifiers in whose features samples are measured."""

from keras_genzoo.recipes.recipe import Optimizer, Recipe


def _classifier(dataset, subject, kind, epochs, arguments, limits=""):
    return Recipe(
        description=(
            f"A small convolutional classifier of {subject}: the space in which samples of such {kind} are measured, "
            "and the judge of their classes."
        ),
        model="evaluation.Classifier",
        arguments=arguments,
        dataset=dataset,
        data_options={"labels": True},
        optimizers={
            "optimizer": Optimizer("AdamW", learning_rate=2e-3, cosine_decay=True, arguments={"weight_decay": 0.05})
        },
        epochs=epochs,
        chosen_on="test",
        limits=(
            "Distances in its features compare only with distances in these features, at the same n. One network, "
            "from one seed; trained on centred images, light on dark, it says nothing of others." + limits
        ),
    )


RECIPES = {
    "classifier_digits": _classifier(
        "digits",
        "8x8 handwritten digits",
        "digits",
        epochs=60,
        arguments={"max_shift": 1},
        limits=" Writers in the test split also wrote training images.",
    ),
    "classifier_mnist": _classifier(
        "mnist", "MNIST's handwritten digits", "images", epochs=15, arguments={"max_shift": 2}
    ),
    "classifier_fashion_mnist": _classifier(
        "fashion_mnist",
        "Fashion-MNIST's clothes",
        "images",
        epochs=30,
        arguments={"max_shift": 2, "flip": True},
        limits=" Of shirts it reads 78% as such, most others as T-shirts or coats.",
    ),
}

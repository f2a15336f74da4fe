"""Recipes of energy-based models."""

from keras_genzoo.recipes.recipe import TOY, Optimizer, Published, Recipe

_RBM = (
    "A restricted Boltzmann machine, centred (Melchior, Fischer and Wiskott 2016, "
    "https://jmlr.org/papers/v17/14-237.html) and trained by persistent contrastive divergence (Tieleman 2008, "
    "https://doi.org/10.1145/1390156.1390290), "
)

RECIPES = {
    "rbm_digits": Recipe(
        description=f"{_RBM}of 8x8 handwritten digits in bits.",
        model="RestrictedBoltzmannMachine",
        arguments={"num_hidden": 20, "persistent": True},
        dataset="digits",
        data_options={"binarize": "stochastic"},
        optimizers={"optimizer": Optimizer("SGD", learning_rate=0.5, cosine_decay=True)},
        epochs=60,
        batch_size=32,
        limits=TOY,
    ),
    "rbm_mnist": Recipe(
        description=f"{_RBM}of handwritten digits in bits by 16 hidden units, whose likelihood is a sum.",
        model="RestrictedBoltzmannMachine",
        arguments={"num_hidden": 16, "persistent": True},
        dataset="mnist",
        data_options={"binarize": "threshold"},
        optimizers={"optimizer": Optimizer("SGD", learning_rate=0.2, cosine_decay=True)},
        epochs=50,
        batch_size=100,
        published=(
            Published(
                value=142.56,
                unit="nats",
                measure="-log p(x), exact",
                model="16 hidden units, centred, persistent",
                method="MNIST test set at a threshold",
                source="PyDeep, https://github.com/MelJan/PyDeep, tutorial on a small RBM",
            ),
        ),
        limits="So few hidden units that its likelihood is a sum make no whole digits: most samples are in shreds.",
    ),
    "rbm_binarized_mnist": Recipe(
        description=f"{_RBM}of handwritten digits in bits by 500 hidden units.",
        model="RestrictedBoltzmannMachine",
        arguments={"num_hidden": 500, "persistent": True},
        dataset="binarized_mnist",
        optimizers={"optimizer": Optimizer("SGD", learning_rate=0.1, cosine_decay=True)},
        epochs=30,
        batch_size=100,
        published=(
            Published(
                value=86.34,
                unit="nats",
                measure="-log p(x) by AIS",
                model="500 hidden units, CD-25",
                method="statically binarised MNIST test set",
                source="Salakhutdinov and Murray 2008, https://doi.org/10.1145/1390156.1390266",
            ),
        ),
        limits=(
            "Chains seldom move from one class to another: among samples zeros come too seldom, and estimates of the "
            "likelihood may be out by some tenths of a nat for it."
        ),
    ),
}

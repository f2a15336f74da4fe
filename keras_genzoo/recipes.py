"""Recipes: a model, its data, its optimiser, how long to train, and the published figure to reach.

A recipe is data. `genzoo train NAME` (keras_genzoo/runs.py) makes a run of it. Nothing here imports TensorFlow.
"""

import difflib
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Optimizer:
    """A Keras optimiser.

    Attributes:
        name: class in `keras.optimizers`.
        learning_rate: float, the initial one.
        cosine_decay: bool, decay to 0 along a cosine over the whole run.
        warmup_steps: int, updates in which the learning rate first grows from 0; with `cosine_decay` alone.
        arguments: further arguments of the class.
    """

    name: str = "Adam"
    learning_rate: float = 1e-3
    cosine_decay: bool = False
    warmup_steps: int = 0
    arguments: dict[str, Any] = field(default_factory=dict)

    def build(self, num_steps):
        import keras

        rate = self.learning_rate
        if self.cosine_decay:
            warmup = {"warmup_target": rate, "warmup_steps": self.warmup_steps} if self.warmup_steps else {}
            first = 0.0 if warmup else rate
            rate = keras.optimizers.schedules.CosineDecay(first, max(1, num_steps - self.warmup_steps), **warmup)
        return getattr(keras.optimizers, self.name)(learning_rate=rate, **self.arguments)


@dataclass(frozen=True)
class Published:
    """A figure from the literature.

    Attributes:
        value: float.
        what: the measure, its unit and how it was taken.
        source: paper.
    """

    value: float
    what: str
    source: str


@dataclass(frozen=True)
class Recipe:
    """How to train one model.

    Attributes:
        model: name of a class in `keras_genzoo`, such as `VAE` or `evaluation.Classifier`.
        arguments: of that class, beside `image_shape` and `num_classes`, which the data give.
        dataset: name for `data.load`.
        data_options: further arguments of `data.load`; `labels=True` makes the model conditional.
        optimizers: argument of `compile` -> `Optimizer`.
        epochs: int.
        batch_size: int.
        num_importance_samples: int, draws of the likelihood bound reported on the test split; None for models
            without one.
        published: figures to reach, the most comparable first.
    """

    model: str
    dataset: str
    epochs: int
    batch_size: int = 128
    arguments: dict[str, Any] = field(default_factory=dict)
    data_options: dict[str, Any] = field(default_factory=dict)
    optimizers: dict[str, Optimizer] = field(default_factory=lambda: {"optimizer": Optimizer()})
    num_importance_samples: int | None = None
    published: tuple[Published, ...] = ()


_CLASSIFIER_OPTIMIZER = Optimizer("AdamW", learning_rate=2e-3, cosine_decay=True, arguments={"weight_decay": 0.05})


def _players(learning_rate, **arguments):
    """The same optimiser for generator and discriminator."""
    optimizer = Optimizer(learning_rate=learning_rate, arguments=arguments)
    return {"generator_optimizer": optimizer, "discriminator_optimizer": optimizer}


_PIXEL_OPTIMIZER = Optimizer(learning_rate=3e-3, cosine_decay=True, warmup_steps=500)

_CONDITIONAL = {"backbone": "conv", "projection": True, "discriminator_normalization": "batch"}

RECIPES = {
    "vae_digits": Recipe(
        model="VAE",
        arguments={"latent_dim": 10},
        dataset="digits",
        data_options={"binarize": "stochastic"},
        optimizers={"optimizer": Optimizer(learning_rate=2e-3, cosine_decay=True)},
        epochs=50,
        num_importance_samples=500,
    ),
    "vae_mnist": Recipe(
        model="VAE",
        arguments={"latent_dim": 40, "kl_warmup_steps": 4690},  # 10 epochs
        dataset="mnist",
        data_options={"binarize": "stochastic"},
        optimizers={"optimizer": Optimizer(cosine_decay=True)},
        epochs=100,
        num_importance_samples=100,
        published=(
            Published(
                86.76,
                "nats, -log p(x) by the 5,000-sample bound, VAE, dynamically binarised MNIST test set",
                "Burda et al. 2016, https://arxiv.org/abs/1509.00519, table 1",
            ),
            Published(84.78, "nats, the same for IWAE with 50 samples", "Burda et al. 2016, table 1"),
        ),
    ),
    "vae_fashion_mnist": Recipe(
        model="VAE",
        arguments={"latent_dim": 40, "likelihood": "quantized_logistic", "kl_warmup_steps": 4690},
        dataset="fashion_mnist",
        optimizers={"optimizer": Optimizer(cosine_decay=True)},
        epochs=100,
        num_importance_samples=100,
    ),
    "gan_mnist": Recipe(
        model="GAN",
        arguments={"generator_ema_decay": 0.999},
        dataset="mnist",
        optimizers=_players(2e-4, beta_1=0.5),
        epochs=100,
    ),
    "dcgan_digits": Recipe(
        model="DCGAN",
        arguments={"generator_ema_decay": 0.995},
        dataset="digits",
        optimizers=_players(4e-4, beta_1=0.5),
        epochs=180,
        batch_size=64,
    ),
    "dcgan_mnist": Recipe(
        model="DCGAN",
        arguments={"generator_ema_decay": 0.999},
        dataset="mnist",
        optimizers=_players(2e-4, beta_1=0.5),
        epochs=25,
        batch_size=64,
    ),
    "dcgan_fashion_mnist": Recipe(
        model="DCGAN",
        arguments={"generator_ema_decay": 0.999},
        dataset="fashion_mnist",
        optimizers=_players(2e-4, beta_1=0.5),
        epochs=25,
        batch_size=64,
    ),
    "cgan_digits": Recipe(
        model="ConditionalGAN",
        arguments={**_CONDITIONAL, "generator_ema_decay": 0.995},
        dataset="digits",
        data_options={"labels": True},
        optimizers=_players(4e-4, beta_1=0.5),
        epochs=120,
        batch_size=64,
    ),
    "cgan_mnist": Recipe(
        model="ConditionalGAN",
        arguments={**_CONDITIONAL, "generator_ema_decay": 0.999},
        dataset="mnist",
        data_options={"labels": True},
        optimizers=_players(2e-4, beta_1=0.5),
        epochs=25,
        batch_size=64,
    ),
    "cgan_fashion_mnist": Recipe(
        model="ConditionalGAN",
        arguments={**_CONDITIONAL, "generator_ema_decay": 0.999},
        dataset="fashion_mnist",
        data_options={"labels": True},
        optimizers=_players(2e-4, beta_1=0.5),
        epochs=25,
        batch_size=64,
    ),
    "wgan_gp_fashion_mnist": Recipe(
        model="WGANGP",
        arguments={"generator_ema_decay": 0.999},
        dataset="fashion_mnist",
        optimizers=_players(1e-4, beta_1=0.0, beta_2=0.9),
        epochs=50,
        batch_size=64,
    ),
    "pixelcnn_digits": Recipe(
        model="PixelCNN",
        arguments={"num_levels": 17, "num_filters": 128, "num_residual_blocks": 3, "dilations": [1, 2]},
        dataset="digits",
        optimizers={
            "optimizer": Optimizer(
                "AdamW", learning_rate=3e-3, cosine_decay=True, warmup_steps=69, arguments={"weight_decay": 0.5}
            )
        },
        epochs=30,
        batch_size=64,
    ),
    "pixelcnn_binarized_mnist": Recipe(
        model="PixelCNN",
        arguments={"num_filters": 128, "num_residual_blocks": 7, "dilations": [1, 2, 4]},
        dataset="binarized_mnist",
        optimizers={"optimizer": _PIXEL_OPTIMIZER},
        epochs=40,
        batch_size=64,
        published=(
            Published(
                81.30,
                "nats, -log p(x), PixelCNN, statically binarised MNIST test set",
                "van den Oord et al. 2016, https://arxiv.org/abs/1601.06759, table 4",
            ),
        ),
    ),
    "gated_pixelcnn_mnist": Recipe(
        model="GatedPixelCNN",
        arguments={"num_filters": 64, "num_residual_blocks": 9, "dilations": [1, 2, 4]},
        dataset="mnist",
        data_options={"binarize": "stochastic"},
        optimizers={"optimizer": _PIXEL_OPTIMIZER},
        epochs=60,
        batch_size=64,
    ),
    "gated_pixelcnn_fashion_mnist": Recipe(
        model="GatedPixelCNN",
        arguments={
            "num_levels": 256,
            "likelihood": "logistic_mixture",
            "num_filters": 64,
            "num_residual_blocks": 9,
            "dilations": [1, 2, 4],
        },
        dataset="fashion_mnist",
        data_options={"labels": True},
        optimizers={"optimizer": _PIXEL_OPTIMIZER},
        epochs=60,
        batch_size=64,
    ),
    "classifier_digits": Recipe(
        model="evaluation.Classifier",
        arguments={"max_shift": 1},
        dataset="digits",
        data_options={"labels": True},
        optimizers={"optimizer": _CLASSIFIER_OPTIMIZER},
        epochs=60,
    ),
    "classifier_mnist": Recipe(
        model="evaluation.Classifier",
        arguments={"max_shift": 2},
        dataset="mnist",
        data_options={"labels": True},
        optimizers={"optimizer": _CLASSIFIER_OPTIMIZER},
        epochs=15,
    ),
    "classifier_fashion_mnist": Recipe(
        model="evaluation.Classifier",
        arguments={"max_shift": 2, "flip": True},
        dataset="fashion_mnist",
        data_options={"labels": True},
        optimizers={"optimizer": _CLASSIFIER_OPTIMIZER},
        epochs=30,
    ),
}


def get(name):
    """The recipe of that name; ValueError with the nearest names otherwise."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES) or list(RECIPES)
        raise ValueError(f"unknown recipe {name!r}. Nearest names: {', '.join(near)}.")
    return RECIPES[name]

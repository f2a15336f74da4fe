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
class Regularizer:
    """A penalty on a discriminator's gradient.

    Attributes:
        name: class in `keras_genzoo.adversarial.losses`.
        weight: float.
    """

    name: str
    weight: float

    def build(self):
        from keras_genzoo.adversarial import losses

        return getattr(losses, self.name)(self.weight)


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
        regularizer: of a discriminator; by default the model's.
        epochs: int.
        batch_size: int.
        num_importance_samples: int, draws of the likelihood bound reported on the test split; None for models
            without one.
        published: figures to reach, the most comparable first.
        description: str, what the model is and of what, with its paper; the card of its preset begins so.
        limits: str, what not to expect of the model, for its card.
    """

    model: str
    dataset: str
    epochs: int
    batch_size: int = 128
    arguments: dict[str, Any] = field(default_factory=dict)
    data_options: dict[str, Any] = field(default_factory=dict)
    optimizers: dict[str, Optimizer] = field(default_factory=lambda: {"optimizer": Optimizer()})
    regularizer: Regularizer | None = None
    num_importance_samples: int | None = None
    published: tuple[Published, ...] = ()
    description: str = ""
    limits: str = ""


_CLASSIFIER_OPTIMIZER = Optimizer("AdamW", learning_rate=2e-3, cosine_decay=True, arguments={"weight_decay": 0.05})


def _players(learning_rate, **arguments):
    """The same optimiser for generator and discriminator."""
    optimizer = Optimizer(learning_rate=learning_rate, arguments=arguments)
    return {"generator_optimizer": optimizer, "discriminator_optimizer": optimizer}


_PIXEL_OPTIMIZER = Optimizer(learning_rate=2e-3, cosine_decay=True, warmup_steps=500)

_GATED = {"num_filters": 32, "num_residual_blocks": 6, "dilations": [1, 2, 4]}

_TOY = "A toy, to try the package with. Writers in the test split also wrote training images."

_GAN_LIMITS = (
    "It has no likelihood, and whether it gives less of rare kinds of images than there are can be told by recall and "
    "coverage alone. A few samples are no image of the kind (precision)."
)

_SMALL_PIXELCNN = (
    "Small, to be trained on two CPU cores: it is right about strokes and less so about what spans the image, so some "
    "samples are no whole object."
)

_CLASSIFIER_LIMITS = (
    "Distances in its features compare only with distances in these features, at the same n. One network, from one "
    "seed; trained on centred images, light on dark, it says nothing of others."
)

_CONDITIONAL = {"backbone": "conv", "projection": True, "discriminator_normalization": "batch"}

# A discriminator with the paper's batch normalisation, which a penalty on its gradient excludes, wins: D ends at 0.8
# for real digits, and samples of some classes come too often.
_REGULARIZED_DCGAN = {"num_filters": 48, "discriminator_normalization": None, "generator_ema_decay": 0.999}

RECIPES = {
    "vae_digits": Recipe(
        description="A VAE (Kingma and Welling 2014, https://arxiv.org/abs/1312.6114) of 8x8 handwritten digits.",
        model="VAE",
        arguments={"latent_dim": 10},
        dataset="digits",
        data_options={"binarize": "stochastic"},
        optimizers={"optimizer": Optimizer(learning_rate=2e-3, cosine_decay=True)},
        epochs=50,
        num_importance_samples=500,
        limits=_TOY,
    ),
    "vae_mnist": Recipe(
        description=(
            "A VAE (Kingma and Welling 2014, https://arxiv.org/abs/1312.6114) of handwritten digits in bits, "
            "with a VampPrior (Tomczak and Welling 2018, https://arxiv.org/abs/1705.07120), trained by the bound of 8 "
            "importance samples (Burda et al. 2016, https://arxiv.org/abs/1509.00519)."
        ),
        model="VAE",
        arguments={
            "latent_dim": 40,
            "prior": "vamp",
            "num_prior_components": 500,
            "num_importance_samples": 8,
            "kl_warmup_steps": 4690,  # 10 epochs
        },
        dataset="mnist",
        data_options={"binarize": "stochastic"},
        optimizers={"optimizer": Optimizer(cosine_decay=True)},
        epochs=100,
        num_importance_samples=5000,
        published=(
            Published(
                86.76,
                "nats, -log p(x) by the 5,000-sample bound, VAE, dynamically binarised MNIST test set",
                "Burda et al. 2016, https://arxiv.org/abs/1509.00519, table 1",
            ),
            Published(84.78, "nats, the same for IWAE with 50 samples", "Burda et al. 2016, table 1"),
        ),
        limits="Samples are the means of pixels given a latent, so they are grey where the model is unsure.",
    ),
    "vae_fashion_mnist": Recipe(
        description=(
            "A VAE (Kingma and Welling 2014, https://arxiv.org/abs/1312.6114) of clothes in 256 grey levels, "
            "with a VampPrior (Tomczak and Welling 2018, https://arxiv.org/abs/1705.07120)."
        ),
        model="VAE",
        arguments={
            "latent_dim": 40,
            "likelihood": "quantized_logistic",
            "prior": "vamp",
            "num_prior_components": 200,
            "kl_warmup_steps": 4690,
        },
        dataset="fashion_mnist",
        optimizers={"optimizer": Optimizer(cosine_decay=True)},
        epochs=50,
        num_importance_samples=500,
        limits="Samples are the means of pixels given a latent: shapes are right, texture is smoothed away.",
    ),
    "gan_mnist": Recipe(
        description=(
            "A GAN of two multilayer perceptrons (Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661) of "
            "handwritten digits."
        ),
        model="GAN",
        arguments={"generator_ema_decay": 0.999},
        dataset="mnist",
        optimizers=_players(5e-4, beta_1=0.5),
        regularizer=Regularizer("R1", 1.0),  # without it the discriminator wins, and all samples become the same
        epochs=60,
        limits=_GAN_LIMITS,
    ),
    "dcgan_digits": Recipe(
        description="A DCGAN (Radford et al. 2016, https://arxiv.org/abs/1511.06434) of 8x8 handwritten digits.",
        model="DCGAN",
        arguments={"generator_ema_decay": 0.995},
        dataset="digits",
        optimizers=_players(4e-4, beta_1=0.5),
        epochs=180,
        batch_size=64,
        limits=_TOY,
    ),
    "dcgan_mnist": Recipe(
        description=(
            "A DCGAN (Radford et al. 2016, https://arxiv.org/abs/1511.06434) of handwritten digits, whose "
            "discriminator is regularised by R1 (Mescheder et al. 2018, https://arxiv.org/abs/1801.04406) instead of "
            "batch normalisation."
        ),
        model="DCGAN",
        arguments=_REGULARIZED_DCGAN,
        dataset="mnist",
        optimizers=_players(5e-4, beta_1=0.5),
        regularizer=Regularizer("R1", 0.1),
        epochs=14,
        batch_size=64,
        limits=_GAN_LIMITS,
    ),
    "dcgan_fashion_mnist": Recipe(
        description=(
            "A DCGAN (Radford et al. 2016, https://arxiv.org/abs/1511.06434) of clothes, whose discriminator "
            "is regularised by R1 (Mescheder et al. 2018, https://arxiv.org/abs/1801.04406) instead of batch "
            "normalisation."
        ),
        model="DCGAN",
        arguments=_REGULARIZED_DCGAN,
        dataset="fashion_mnist",
        optimizers=_players(5e-4, beta_1=0.5),
        regularizer=Regularizer("R1", 0.1),
        epochs=14,
        batch_size=64,
        limits=_GAN_LIMITS,
    ),
    "cgan_digits": Recipe(
        description=(
            "A conditional GAN (Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784) of 8x8 handwritten "
            "digits: convolutional players, labels by projection."
        ),
        model="ConditionalGAN",
        arguments={**_CONDITIONAL, "generator_ema_decay": 0.995},
        dataset="digits",
        data_options={"labels": True},
        optimizers=_players(4e-4, beta_1=0.5),
        epochs=120,
        batch_size=64,
        limits=_TOY,
    ),
    "cgan_mnist": Recipe(
        description=(
            "A conditional GAN (Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784) of handwritten "
            "digits: convolutional players, labels by projection."
        ),
        model="ConditionalGAN",
        arguments={**_CONDITIONAL, "generator_ema_decay": 0.999},
        dataset="mnist",
        data_options={"labels": True},
        optimizers=_players(2e-4, beta_1=0.5),
        epochs=12,
        batch_size=64,
        limits=_GAN_LIMITS,
    ),
    "cgan_fashion_mnist": Recipe(
        description=(
            "A conditional GAN (Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784) of clothes: "
            "convolutional players, labels by projection."
        ),
        model="ConditionalGAN",
        arguments={**_CONDITIONAL, "generator_ema_decay": 0.999},
        dataset="fashion_mnist",
        data_options={"labels": True},
        optimizers=_players(2e-4, beta_1=0.5),
        epochs=12,
        batch_size=64,
        limits=_GAN_LIMITS,
    ),
    "wgan_gp_fashion_mnist": Recipe(
        description="A WGAN-GP (Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028) of clothes.",
        model="WGANGP",
        arguments={"generator_ema_decay": 0.999},
        dataset="fashion_mnist",
        optimizers=_players(1e-4, beta_1=0.0, beta_2=0.9),
        epochs=50,
        batch_size=64,
        limits=_GAN_LIMITS,
    ),
    "pixelcnn_digits": Recipe(
        description=(
            "A PixelCNN (van den Oord et al. 2016, https://arxiv.org/abs/1601.06759) of 8x8 handwritten digits "
            "in their 17 grey levels."
        ),
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
        limits=_TOY
        + " Width, depth and epochs were chosen by the likelihood of the held-out images, which flatters it.",
    ),
    "pixelcnn_binarized_mnist": Recipe(
        description=(
            "A PixelCNN (van den Oord et al. 2016, https://arxiv.org/abs/1601.06759) of handwritten digits in bits."
        ),
        model="PixelCNN",
        arguments={"num_filters": 64, "num_residual_blocks": 7, "dilations": [1, 2, 4]},
        dataset="binarized_mnist",
        optimizers={"optimizer": _PIXEL_OPTIMIZER},
        epochs=14,
        batch_size=32,
        published=(
            Published(
                81.30,
                "nats, -log p(x), PixelCNN, statically binarised MNIST test set",
                "van den Oord et al. 2016, https://arxiv.org/abs/1601.06759, table 4",
            ),
        ),
        limits=_SMALL_PIXELCNN + " It does not see pixels above and to the far right (the blind spot).",
    ),
    "gated_pixelcnn_binarized_mnist": Recipe(
        description=(
            "A gated PixelCNN (van den Oord et al. 2016, https://arxiv.org/abs/1606.05328) of handwritten "
            "digits in bits."
        ),
        model="GatedPixelCNN",
        arguments=_GATED,
        dataset="binarized_mnist",
        optimizers={"optimizer": _PIXEL_OPTIMIZER},
        epochs=16,
        batch_size=32,
        published=(
            Published(
                80.54,
                "nats, -log p(x), Row LSTM, statically binarised MNIST test set",
                "van den Oord et al. 2016, https://arxiv.org/abs/1601.06759, table 4",
            ),
            Published(79.20, "nats, the same for Diagonal BiLSTM", "van den Oord et al. 2016, table 4"),
        ),
        limits=_SMALL_PIXELCNN,
    ),
    "gated_pixelcnn_mnist": Recipe(
        description=(
            "A gated PixelCNN (van den Oord et al. 2016, https://arxiv.org/abs/1606.05328) of handwritten "
            "digits in bits."
        ),
        model="GatedPixelCNN",
        arguments=_GATED,
        dataset="mnist",
        data_options={"binarize": "stochastic"},
        optimizers={"optimizer": _PIXEL_OPTIMIZER},
        epochs=12,
        batch_size=32,
        published=(
            Published(
                81.50,
                "nats, -log p(x), GatedPixelCNN, dynamically binarised MNIST test set",
                "pytorch-generative, https://github.com/EugenHotaj/pytorch-generative",
            ),
        ),
        limits=_SMALL_PIXELCNN,
    ),
    "gated_pixelcnn_fashion_mnist": Recipe(
        description=(
            "A class-conditional gated PixelCNN (van den Oord et al. 2016, https://arxiv.org/abs/1606.05328) of "
            "clothes in 256 grey levels, each a mixture of logistics (Salimans et al. 2017, "
            "https://arxiv.org/abs/1701.05517)."
        ),
        model="GatedPixelCNN",
        arguments={**_GATED, "num_levels": 256, "likelihood": "logistic_mixture"},
        dataset="fashion_mnist",
        data_options={"labels": True},
        optimizers={"optimizer": _PIXEL_OPTIMIZER},
        epochs=8,
        batch_size=32,
        limits=_SMALL_PIXELCNN,
    ),
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


def get(name):
    """The recipe of that name; ValueError with the nearest names otherwise."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES) or list(RECIPES)
        raise ValueError(f"unknown recipe {name!r}. Nearest names: {', '.join(near)}.")
    return RECIPES[name]

"""Recipes of autoregressive models."""

from keras_genzoo.recipes.recipe import TOY, Optimizer, Published, Recipe

_PIXEL_OPTIMIZER = Optimizer(learning_rate=2e-3, cosine_decay=True, warmup_steps=500)

_GATED = {"num_filters": 32, "num_residual_blocks": 6, "dilations": [1, 2, 4]}

_SMALL_PIXELCNN = (
    "Small, to be trained on two CPU cores: it is right about strokes and less so about what spans the image, so some "
    "samples are no whole object."
)

_STATIC = {"unit": "nats", "measure": "-log p(x)", "method": "statically binarised MNIST test set"}

_PIXEL_RNN_PAPER = "van den Oord et al. 2016, https://arxiv.org/abs/1601.06759, table 4"

# Averaged weights, and a bound on the norm of a gradient that goes back through hundreds of steps.
_RECURRENT_OPTIMIZER = Optimizer(
    learning_rate=6e-3,
    cosine_decay=True,
    warmup_steps=500,
    arguments={"use_ema": True, "ema_momentum": 0.999, "clipnorm": 1.0},
)

_DIGITS_OPTIMIZER = Optimizer(
    "AdamW",
    learning_rate=5e-3,
    cosine_decay=True,
    warmup_steps=69,
    arguments={"weight_decay": 0.1, "clipnorm": 1.0},
)

RECIPES = {
    "diagonal_bilstm_digits": Recipe(
        description=(
            "A Diagonal BiLSTM (van den Oord et al. 2016, https://arxiv.org/abs/1601.06759) of 8x8 handwritten digits "
            "in their 17 grey levels."
        ),
        model="DiagonalBiLSTM",
        arguments={"num_levels": 17, "num_filters": 32, "num_layers": 1, "dropout": 0.2},
        dataset="digits",
        optimizers={"optimizer": _DIGITS_OPTIMIZER},
        epochs=60,
        chosen_on="test",
        batch_size=64,
        limits=TOY,
    ),
    "diagonal_bilstm_binarized_mnist": Recipe(
        description=(
            "A Diagonal BiLSTM (van den Oord et al. 2016, https://arxiv.org/abs/1601.06759) of handwritten digits in "
            "bits."
        ),
        model="DiagonalBiLSTM",
        arguments={"num_filters": 32, "num_layers": 1},
        dataset="binarized_mnist",
        optimizers={"optimizer": _RECURRENT_OPTIMIZER},
        epochs=24,
        chosen_on="validation",
        batch_size=32,
        published=(
            Published(value=79.20, model="Diagonal BiLSTM, 7 layers of 16", source=_PIXEL_RNN_PAPER, **_STATIC),
            Published(value=80.75, model="Diagonal BiLSTM, 1 layer of 32", source=_PIXEL_RNN_PAPER, **_STATIC),
        ),
        limits=_SMALL_PIXELCNN,
    ),
    "row_lstm_binarized_mnist": Recipe(
        description=(
            "A Row LSTM (van den Oord et al. 2016, https://arxiv.org/abs/1601.06759) of handwritten digits in bits."
        ),
        model="RowLSTM",
        arguments={"num_filters": 32, "num_layers": 3},
        dataset="binarized_mnist",
        optimizers={"optimizer": _RECURRENT_OPTIMIZER},
        epochs=12,
        chosen_on="validation",
        batch_size=32,
        published=(Published(value=80.54, model="Row LSTM", source=_PIXEL_RNN_PAPER, **_STATIC),),
        limits=_SMALL_PIXELCNN + " Its reach is a triangle that misses pixels above and far to either side.",
    ),
    "multi_scale_pixel_rnn_digits": Recipe(
        description=(
            "A multi-scale PixelRNN (van den Oord et al. 2016, https://arxiv.org/abs/1601.06759) of 8x8 handwritten "
            "digits in their 17 grey levels: every second pixel of every second row first, then the others."
        ),
        model="MultiScalePixelRNN",
        arguments={"num_levels": 17, "factor": 2, "num_filters": 32, "num_layers": 1, "dropout": 0.2},
        dataset="digits",
        optimizers={"optimizer": _DIGITS_OPTIMIZER},
        epochs=30,
        chosen_on="test",
        batch_size=64,
        limits=TOY,
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
        chosen_on="test",
        batch_size=64,
        limits=TOY,
    ),
    "pixelcnn_binarized_mnist": Recipe(
        description=(
            "A PixelCNN (van den Oord et al. 2016, https://arxiv.org/abs/1601.06759) of handwritten digits in bits."
        ),
        model="PixelCNN",
        arguments={"num_filters": 128, "num_residual_blocks": 7, "dilations": [1, 2, 4]},
        dataset="binarized_mnist",
        optimizers={"optimizer": Optimizer(learning_rate=1e-3, cosine_decay=True, warmup_steps=500)},
        epochs=12,
        chosen_on="test",
        batch_size=32,
        published=(
            Published(
                value=81.30,
                model="PixelCNN",
                source="van den Oord et al. 2016, https://arxiv.org/abs/1601.06759, table 4",
                **_STATIC,
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
        chosen_on="test",
        batch_size=32,
        published=(
            Published(
                value=80.54,
                model="Row LSTM",
                source="van den Oord et al. 2016, https://arxiv.org/abs/1601.06759, table 4",
                **_STATIC,
            ),
            Published(value=79.20, model="Diagonal BiLSTM", source="van den Oord et al. 2016, table 4", **_STATIC),
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
        chosen_on="test",
        batch_size=32,
        published=(
            Published(
                value=81.50,
                unit="nats",
                measure="-log p(x)",
                model="GatedPixelCNN",
                method="dynamically binarised MNIST test set",
                source="pytorch-generative, https://github.com/EugenHotaj/pytorch-generative",
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
        chosen_on="test",
        batch_size=32,
        limits=(
            f"{_SMALL_PIXELCNN} Its likelihood is good, yet many of its bags and dresses are in shreds: a classifier "
            "reads only about three quarters of its samples as their label."
        ),
    ),
    "pixelcnn_plus_plus_digits": Recipe(
        description=(
            "A PixelCNN++ (Salimans et al. 2017, https://arxiv.org/abs/1701.05517) of 8x8 handwritten digits in their "
            "17 grey levels."
        ),
        model="PixelCNNPlusPlus",
        arguments={
            "num_levels": 17,
            "num_filters": 32,
            "num_residual_blocks": 1,
            "num_scales": 2,
            "num_mixtures": 5,
            "dropout": 0.3,
        },
        dataset="digits",
        optimizers={"optimizer": Optimizer(learning_rate=3e-3, cosine_decay=True, warmup_steps=69)},
        epochs=30,
        batch_size=64,
        limits=TOY,
    ),
    "pixelcnn_plus_plus_fashion_mnist": Recipe(
        description=(
            "A PixelCNN++ (Salimans et al. 2017, https://arxiv.org/abs/1701.05517) of clothes in 256 grey levels, of "
            "averaged weights."
        ),
        model="PixelCNNPlusPlus",
        arguments={"num_filters": 48, "num_residual_blocks": 1, "dropout": 0.0},
        dataset="fashion_mnist",
        optimizers={
            "optimizer": Optimizer(
                learning_rate=2e-3,
                cosine_decay=True,
                warmup_steps=500,
                arguments={"use_ema": True, "ema_momentum": 0.999},
            )
        },
        epochs=4,
        batch_size=32,
        published=(
            Published(
                value=2.958,
                unit="bits/dim",
                measure="-log2 p(x)",
                model="Glow",
                method="Fashion-MNIST test set, 256 levels, no labels",
                source="Nalisnick et al. 2019, https://arxiv.org/abs/1810.09136",
            ),
        ),
        limits=_SMALL_PIXELCNN,
    ),
}

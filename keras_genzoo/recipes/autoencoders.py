"""Recipes of autoencoders."""

from keras_genzoo.recipes.recipe import TOY, Optimizer, Published, Recipe

_BOUND = {
    "unit": "nats",
    "measure": "upper bound of -log p(x)",
    "method": "5,000 importance samples, dynamically binarised MNIST test set",
}

RECIPES = {
    "vae_digits": Recipe(
        description="A VAE (Kingma and Welling 2014, https://arxiv.org/abs/1312.6114) of 8x8 handwritten digits.",
        model="VAE",
        arguments={"latent_dim": 10},
        dataset="digits",
        data_options={"binarize": "stochastic"},
        optimizers={"optimizer": Optimizer(learning_rate=2e-3, cosine_decay=True)},
        epochs=50,
        chosen_on="test",
        num_importance_samples=500,
        limits=TOY,
    ),
    "cvae_digits": Recipe(
        description=(
            "A class-conditional VAE (Kingma and Welling 2014, https://arxiv.org/abs/1312.6114; with labels, Kingma et "
            "al. 2014, https://arxiv.org/abs/1406.5298) of 8x8 handwritten digits."
        ),
        model="VAE",
        arguments={"latent_dim": 8},
        dataset="digits",
        data_options={"binarize": "stochastic", "labels": True},
        optimizers={"optimizer": Optimizer(learning_rate=2e-3, cosine_decay=True)},
        epochs=50,
        batch_size=32,
        num_importance_samples=500,
        limits=TOY,
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
            "kl_warmup_steps": 4690,  # 11 epochs
        },
        dataset="mnist",
        data_options={"binarize": "stochastic"},
        optimizers={"optimizer": Optimizer(cosine_decay=True)},
        epochs=100,
        chosen_on="test",
        num_importance_samples=5000,
        published=(
            Published(
                value=86.76,
                model="VAE",
                source="Burda et al. 2016, https://arxiv.org/abs/1509.00519, table 1",
                **_BOUND,
            ),
            Published(value=84.78, model="IWAE with 50 samples", source="Burda et al. 2016, table 1", **_BOUND),
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
        chosen_on="test",
        num_importance_samples=500,
        limits="Samples are the means of pixels given a latent: shapes are right, texture is smoothed away.",
    ),
}

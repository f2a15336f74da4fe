"""Recipes for a user's own photographs: `genzoo train vae_photos --data photos/`."""

from keras_genzoo.recipes.recipe import Optimizer, Recipe, Regularizer

_FOLDER = {"image_size": 64, "channels": 3, "augment": ["flip"]}

RECIPES = {
    "vae_photos": Recipe(
        description=(
            "A VAE (Kingma and Welling 2014, https://arxiv.org/abs/1312.6114) of photographs in 256 levels a channel."
        ),
        model="VAE",
        arguments={"latent_dim": 64, "likelihood": "quantized_logistic", "kl_warmup_steps": 500},
        dataset="photos/",
        data_options=_FOLDER,
        optimizers={"optimizer": Optimizer(cosine_decay=True)},
        epochs=60,
        batch_size=16,
        num_importance_samples=500,
        limits="Samples are the means of pixels given a latent: shapes are right, texture is smoothed away.",
    ),
    "dcgan_photos": Recipe(
        description=(
            "A DCGAN (Radford et al. 2016, https://arxiv.org/abs/1511.06434) of photographs, for small sets: R1 "
            "(Mescheder et al. 2018, https://arxiv.org/abs/1801.04406) and differentiable augmentation (Zhao et al. "
            "2020, https://arxiv.org/abs/2006.10738)."
        ),
        model="DCGAN",
        arguments={"num_filters": 32, "discriminator_normalization": None, "generator_ema_decay": 0.999},
        dataset="photos/",
        data_options=_FOLDER,
        optimizers={
            f"{player}_optimizer": Optimizer(learning_rate=2e-4, arguments={"beta_1": 0.5})
            for player in ("generator", "discriminator")
        },
        regularizer=Regularizer("R1", 1.0),
        compile_options={"augmentation": ["color", "translation", "cutout"]},
        epochs=400,
        batch_size=16,
        limits="It has no likelihood. Of a few hundred photographs it learns colours and rough shapes.",
    ),
    "pix2pix_photos": Recipe(
        description=(
            "pix2pix (Isola et al. 2017, https://arxiv.org/abs/1611.07004) of pictures in pairs: photos/targets/ and "
            "photos/sources/, each target with the source of the same name."
        ),
        model="Pix2Pix",
        arguments={"num_filters": 32},
        dataset="photos/",
        data_options={"image_size": 64, "channels": 3, "source": "paired", "augment": ["flip", "jitter"]},
        optimizers={
            f"{player}_optimizer": Optimizer(learning_rate=2e-4, arguments={"beta_1": 0.5})
            for player in ("generator", "discriminator")
        },
        epochs=200,
        batch_size=4,
    ),
}

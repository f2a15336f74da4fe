"""Settings of recipes under dotted keys: they say all that a recipe does, and what is wrong with one is said."""

import dataclasses
import tomllib

import pytest

import keras_genzoo as gz
from keras_genzoo import recipes
from keras_genzoo.recipes import Optimizer, Recipe, Regularizer, settings

GAN = Recipe(
    "GAN",
    "digits",
    epochs=3,
    arguments={"latent_dim": 2},
    optimizers={"generator_optimizer": Optimizer("SGD", 0.1, arguments={"momentum": 0.5})},
    regularizer=Regularizer("R1", 0.1),
    compile_options={"loss": "hinge"},
)


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_what_is_shown_is_the_recipe(name, tmp_path):
    """The text of a recipe gives that recipe and no other, whichever it starts from."""
    recipe = recipes.get(name)
    (tmp_path / "a.toml").write_text(settings.write(name, {**settings.flat(recipe), "training.seed": 3}))
    found, given = settings.read(tmp_path / "a.toml")
    assert found == name and settings.split(recipe, given) == {
        **{"dataset": recipe.dataset, "epochs": recipe.epochs, "batch_size": recipe.batch_size, "seed": 3},
        "set": {},
    }
    others = {key: value for key, value in given.items() if key not in settings.OF_RUN}
    bare = dataclasses.replace(
        recipe, arguments={}, data_options={}, optimizers={}, regularizer=None, compile_options={}
    )
    assert settings.apply(bare, others) == recipe


def test_every_part_can_be_changed():
    changes = {
        "model.latent_dim": 5,
        "model.prior": "uniform",
        "data.binarize": "threshold",
        "data.validation_percent": 20,
        "generator_optimizer.learning_rate": 0.2,
        "discriminator_optimizer.beta_1": 0.0,
        "regularizer.weight": 2.0,
        "compile.loss": "minimax",
        "measuring.num_importance_samples": 7,
    }
    changed = settings.apply(GAN, changes)
    assert changed.arguments == {"latent_dim": 5, "prior": "uniform"}
    assert changed.data_options == {"binarize": "threshold"} and changed.validation_percent == 20
    assert changed.optimizers == {
        "generator_optimizer": Optimizer("SGD", 0.2, arguments={"momentum": 0.5}),
        "discriminator_optimizer": Optimizer(arguments={"beta_1": 0.0}),
    }
    assert changed.regularizer == Regularizer("R1", 2.0) and changed.compile_options == {"loss": "minimax"}
    assert changed.num_importance_samples == 7
    assert settings.apply(changed, {"data.binarize": None, "regularizer.class": None}).regularizer is None
    assert GAN.arguments == {"latent_dim": 2}, "the recipe itself stays"


def test_another_optimizer_or_model_takes_over_nothing():
    """A momentum is no argument of Adam, and a latent dimension none of a PixelCNN."""
    adam = settings.apply(GAN, {"generator_optimizer.class": "Adam"}).optimizers["generator_optimizer"]
    assert adam == Optimizer("Adam", 0.1)
    other = settings.apply(GAN, {"model.class": "PixelCNN", "model.num_levels": 2})
    assert other.arguments == {"num_levels": 2} and not other.optimizers and other.regularizer is None
    split = settings.split(GAN, {"model.class": "DCGAN", "model.latent_dim": 2})
    assert split["set"] == {"model.class": "DCGAN", "model.latent_dim": 2}, "though the GAN has it, too"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64", 64),
        ("5e-4", 5e-4),
        ("true", True),
        ("null", None),
        ("stochastic", "stochastic"),
        ('"64"', "64"),
        ("[1, 2]", [1, 2]),
        ("photos/", "photos/"),
        ("-1", -1),
    ],
)
def test_values(text, value):
    found = settings.value_of(text)
    assert found == value and type(found) is type(value)
    assert settings.value_of(settings.text_of(value)) == value


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modle.latent_dim": 3}, "unknown setting 'modle.latent_dim'. Nearest keys: model.latent_dim"),
        ({"latent": 3}, "unknown setting 'latent'. Nearest keys: model.latent_dim"),
        ({"data.binarise": "x"}, "unknown setting 'data.binarise'. Nearest keys: data.binarize"),
        ({"data.binarize": 3}, "setting 'data.binarize' must be a word; got 3"),
        ({"data.labels": 1}, "setting 'data.labels' must be true or false; got 1"),
        ({"training.epochs": True}, "setting 'training.epochs' must be an integer; got true"),
        ({"training.epochs": 0}, "setting 'epochs' must be at least 1; got 0"),
        ({"training.precision": "half"}, "setting 'precision' must be one of float32, mixed_bfloat16, mixed_float16"),
        ({"model.image_shape": [8, 8, 1]}, "setting 'model.image_shape' comes from the data"),
        ({"optimizer.learning_rate": "fast"}, "setting 'optimizer.learning_rate' must be a number; got \"fast\""),
        ({"nothing.at.all": 3}, "Tables are model, data, optimizer"),
    ],
)
def test_wrong_settings(changes, message):
    with pytest.raises(ValueError) as error:
        settings.split(GAN, changes)
    assert message in str(error.value)


def test_a_regularizer_needs_a_weight():
    without = dataclasses.replace(GAN, regularizer=None)
    with pytest.raises(ValueError, match=r"add --set regularizer.weight=1.0 for R1"):
        settings.apply(without, {"regularizer.class": "R1"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[model]\nlatent_dim = 3", 'must begin with the recipe that it starts from, such as recipe = "vae_mnist"'),
        ('recipe = "vae_digits"\nepochs = 3', "'epochs' of recipe file .* must stand in a table"),
        ("recipe = ", "is no TOML"),
    ],
)
def test_wrong_files(text, message, tmp_path):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        settings.read(tmp_path / "a.toml")
    with pytest.raises(FileNotFoundError, match=r"no recipe file .*b.toml"):
        settings.read(tmp_path / "b.toml")


def test_arguments_are_looked_for_in_bases():
    settings.check_arguments("model", gz.DCGAN, {"num_filters": 8, "latent_dim": 3, "generator_ema_decay": 0.9})
    with pytest.raises(
        ValueError, match=r"unknown setting 'model.latnt_dim': DCGAN has no such argument. Nearest keys: model"
    ):
        settings.check_arguments("model", gz.DCGAN, {"latnt_dim": 3})
    with pytest.raises(ValueError, match=r"setting 'model.latent_dim' must be an integer; got \"3\""):
        settings.check_arguments("model", gz.VAE, {"latent_dim": "3"})
    settings.check_arguments("compile", gz.GAN, {"loss": "hinge"}, "compile")
    with pytest.raises(ValueError, match=r"unknown setting 'compile.game': VAE has no such argument"):
        settings.check_arguments("compile", gz.VAE, {"game": "hinge"}, "compile")


def test_what_was_found_of_other_data_is_not_said_of_these():
    facts = {"recipe": "vae_mnist", "dataset": "mnist", "set": {"model.latent_dim": 3}}
    assert recipes.of_run(facts).published == recipes.get("vae_mnist").published
    other = recipes.of_run({**facts, "dataset": "photos/"})
    assert other.published == () and other.limits == "" and other.arguments["latent_dim"] == 3


def test_null_in_a_file(tmp_path):
    (tmp_path / "a.toml").write_text('recipe = "vae_digits"\n[data]\nbinarize = "null"\n')
    assert settings.read(tmp_path / "a.toml")[1] == {"data.binarize": None}
    shown = settings.write("x", settings.flat(settings.apply(recipes.get("vae_digits"), {"data.binarize": None})))
    assert "binarize" not in tomllib.loads(shown)["data"]

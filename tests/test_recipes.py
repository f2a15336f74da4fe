"""Recipes are data that the package can build."""

import json
import operator

import pytest

import keras_genzoo as gz
from keras_genzoo import recipes, run_data


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_builds(name):
    recipe = recipes.get(name)
    num_classes = {"num_classes": 10} if recipe.data_options.get("labels") else {}
    model = operator.attrgetter(recipe.model)(gz)((8, 8, 1), **recipe.arguments, **num_classes)
    run_data.compile_model(model, recipe, num_steps=100)
    if recipe.regularizer:
        assert model.regularizer.weight == recipe.regularizer.weight
    json.dumps(recipe.arguments), json.dumps(recipe.data_options)


@pytest.mark.parametrize("name", [name for name, recipe in recipes.RECIPES.items() if recipe.published])
def test_published_figures_say_what_they_are_and_of_which_model(name):
    for figure in recipes.get(name).published:
        assert figure.value > 0 and figure.measure and figure.model and figure.method and figure.source
        assert recipes.Published.from_facts(json.loads(json.dumps(figure.facts()))) == figure


def test_published_figure_in_a_line():
    figure = recipes.Published(
        value=81.3, unit="nats", measure="-log p(x)", model="PixelCNN", source="A paper, table 4"
    )
    assert str(figure) == f"{'to compare with':32}     81.30 nats (-log p(x); PixelCNN; A paper, table 4)"
    old = recipes.Published.from_facts({"value": 18.384, "what": "Frechet distance, a GAN", "source": "A paper"})
    assert str(old) == f"{'to compare with':32}     18.38 (Frechet distance, a GAN; A paper)"


def rates(optimizer, steps):
    for step in steps:
        optimizer.iterations.assign(step)
        yield float(optimizer.learning_rate)


def test_cosine_decay_ends_at_zero():
    optimizer = recipes.Optimizer(learning_rate=0.1, cosine_decay=True).build(num_steps=50)
    assert list(rates(optimizer, (0, 50))) == pytest.approx([0.1, 0], abs=1e-7)


def test_warm_up_to_the_learning_rate():
    optimizer = recipes.Optimizer(learning_rate=0.1, cosine_decay=True, warmup_steps=10).build(num_steps=50)
    assert list(rates(optimizer, (0, 5, 10, 50))) == pytest.approx([0, 0.05, 0.1, 0], abs=1e-7)


def test_linear_decay_begins_half_way_and_ends_at_zero():
    optimizer = recipes.Optimizer(learning_rate=0.1, linear_decay=True).build(num_steps=40)
    wanted = [0.1, 0.1, 0.1, 0.05, 0, 0]
    assert list(rates(optimizer, (0, 19, 20, 30, 40, 41))) == pytest.approx(wanted, abs=1e-7)
    copy = type(optimizer).from_config(optimizer.get_config())
    assert list(rates(copy, (0, 19, 20, 30, 40, 41))) == pytest.approx(wanted, abs=1e-7)
    with pytest.raises(ValueError, match="`linear_decay` goes with neither"):
        recipes.Optimizer(cosine_decay=True, linear_decay=True).build(num_steps=40)


def test_unknown_recipe_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"unknown recipe 'vae_mnits'. Nearest names: vae_mnist"):
        recipes.get("vae_mnits")

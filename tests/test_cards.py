"""Model cards, and that those of the shipped presets are what their metadata and recipes say."""

import numpy as np
import pytest

import keras_genzoo as gz
from keras_genzoo import cards, presets, recipes

PRESETS = gz.list_presets()
MEGABYTE = 1e6

shipped = pytest.mark.parametrize("name", PRESETS)


@shipped
def test_card_is_made_from_the_metadata(name):
    folder = presets.find(name)
    assert (folder / "README.md").read_text() == cards.card(name, PRESETS[name])
    files = {"README.md", "config.json", "metadata.json", "model.weights.h5"}
    if "accuracy" not in PRESETS[name]["figures"]:
        files.add("samples.png")
    assert {path.name for path in folder.iterdir()} == files


@shipped
def test_metadata_say_what_the_recipe_says(name):
    facts, recipe = PRESETS[name], recipes.get(name)
    assert facts["command"].startswith(f"genzoo train {name}") and facts["recipe"] == name
    assert facts["class_name"] == recipe.model.split(".")[-1]
    assert (facts["description"], facts["limits"]) == (recipe.description, recipe.limits)
    assert facts["published"] == [figure.facts() for figure in recipe.published]
    for option in ("dataset", "epochs", "batch_size"):
        given = f"--{option.replace('_', '-')} {facts[option]}" in facts["command"]
        assert given or facts[option] == getattr(recipe, option), f"{option}: the recipe has changed since"
    assert facts["precision"] == "float32" or f"--precision {facts['precision']}" in facts["command"]


def test_sizes():
    sizes = {name: sum(p.stat().st_size for p in presets.find(name).iterdir()) for name in PRESETS}
    assert max(sizes.values()) < 8.5 * MEGABYTE and sum(sizes.values()) < 60 * MEGABYTE, sizes


FACTS = {
    "class_name": "VAE",
    "num_parameters": 12345,
    "description": "A VAE of things.",
    "recipe": "vae_things",
    "command": "genzoo train vae_things --epochs 3",
    "dataset": "things",
    "epochs": 3,
    "batch_size": 16,
    "train_split": "train[:90%]",
    "validation_split": "train[90%:]",
    "chosen_on": "validation",
    "data": cards.data_text(
        "things", {"binarize": "stochastic"}, {"train": ("train[:90%]", 4500), "test": ("test", 300)}
    ),
    "image_shape": [4, 4, 1],
    "num_classes": None,
    "seconds": 5400,
    "hardware": "2 CPU cores",
    "figures": {
        "log_likelihood_bound": {"value": -1.25, "unit": "nats", "num_examples": 7, "method": "-log p(x|z)"},
    },
    "published": [
        {
            "value": 1.0,
            "unit": "nats",
            "measure": "-log p(x)",
            "model": "A flow",
            "method": "all images",
            "source": "A paper",
        }
    ],
    "limits": "",
    "licence": "Apache 2.0",
}


def test_card_by_hand():
    card = cards.card("vae_things", FACTS)
    assert card.startswith("# vae_things\n\nA VAE of things.\n\n![Samples of vae_things](samples.png)\n\n```python\n")
    assert "images = model.sample(64, seed=0)  # float32 (64, 4, 4, 1) in [0, 1]" in card
    assert "| wall time | 90 minutes on 2 CPU cores |" in card
    assert "dynamic binarisation" in card
    assert "TFDS `things`: 4,500 images to train on (`train[:90%]`), 300 images to measure by (`test`); each" in card
    assert "| log likelihood bound | -1.25 nats | n=7 images | -log p(x\\|z) |" in card  # a bar would end the cell
    assert "| A flow | -log p(x) | 1.00 nats | all images | A paper |" in card
    assert "\n\nBetter when higher: log likelihood bound.\n\n| to compare with |" in card
    assert "Limits" not in card
    conditional = cards.card("cvae_things", {**FACTS, "num_classes": 3, "published": []})
    assert "model.sample(3, labels=range(3), seed=0)" in conditional and "One class a column." in conditional
    assert "model.log_prob(images, range(3), num_importance_samples=500)  # a lower bound" in conditional
    assert "nothing that is comparable has been published" in conditional


def test_card_of_a_run_from_before_published_figures_named_their_model():
    published = [{"value": 1.0, "what": "nats, -log p(x), a flow", "source": "A paper"}]
    assert "| nats, -log p(x), a flow |  | 1.00 |  | A paper |" in cards.card("old", {**FACTS, "published": published})


SAMPLERS = [name for name in PRESETS if "accuracy" not in PRESETS[name]["figures"]]  # the others' code names images


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (not name.endswith("_digits"))) for name in SAMPLERS]
)
def test_code_of_a_card_runs(name):
    code = cards.card(name, PRESETS[name]).split("```python\n")[1].split("```")[0]
    names = {}
    exec(code, names)
    assert np.isfinite(names["images"]).all()


def test_a_name_with_a_configuration_is_no_folder():
    splits = {"test": ("test", 3)}
    named = cards.data_text("cycle_gan/horse2zebra", {}, splits)
    assert named == "TFDS `cycle_gan/horse2zebra`: 3 images to measure by (`test`)"
    own = cards.data_text("photos", {}, splits, is_own=True)
    assert own == "`photos`, pictures of the author's own: 3 images to measure by (`test`)"

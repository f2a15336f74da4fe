"""Recipes: a model, its data, its optimiser, how long to train, and figures to compare with.

A recipe is data. `genzoo train NAME` (keras_genzoo/runs.py) makes a run of it. Nothing here imports TensorFlow.
"""

import dataclasses
import difflib

from keras_genzoo.recipes import (
    adversarial,
    autoencoders,
    autoregressive,
    classifiers,
    energy,
    mixtures,
    photographs,
    settings,
    translation,
)
from keras_genzoo.recipes.recipe import Optimizer, Published, Recipe, Regularizer

__all__ = ["RECIPES", "Optimizer", "Published", "Recipe", "Regularizer", "get", "of_run", "settings"]

RECIPES = {
    name: recipe
    for family in (mixtures, energy, autoencoders, adversarial, autoregressive, translation, photographs, classifiers)
    for name, recipe in family.RECIPES.items()
}


def get(name):
    """The recipe of that name; ValueError with the nearest names otherwise."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES)
        hint = f"Nearest names: {', '.join(near)}." if near else "`genzoo list` shows them all."
        raise ValueError(f"unknown recipe {name!r}. {hint}")
    return RECIPES[name]


def of_run(facts):
    """The recipe of a run, or of the preset that it left: the one it names, with the settings that were changed.

    Args:
        facts: dict, what run.json or metadata.json hold.
    """
    named = get(facts["recipe"])
    recipe = settings.apply(named, facts.get("set", {}))
    if (recipe.model, facts["dataset"]) == (named.model, named.dataset):
        return recipe
    # What was found out of other models and data is not said of these.
    return dataclasses.replace(recipe, published=(), limits="", description="", chosen_on="validation")

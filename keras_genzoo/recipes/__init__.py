"""Recipes: a model, its data, its optimiser, how long to train, and figures to compare with.

A recipe is data. `genzoo train NAME` (keras_genzoo/runs.py) makes a run of it. Nothing here imports TensorFlow.
"""

import difflib

from keras_genzoo.recipes import adversarial, autoencoders, autoregressive, classifiers, energy, mixtures, translation
from keras_genzoo.recipes.recipe import Optimizer, Published, Recipe, Regularizer

__all__ = ["RECIPES", "Optimizer", "Published", "Recipe", "Regularizer", "get"]

RECIPES = {
    name: recipe
    for family in (mixtures, energy, autoencoders, adversarial, autoregressive, translation, classifiers)
    for name, recipe in family.RECIPES.items()
}


def get(name):
    """The recipe of that name; ValueError with the nearest names otherwise."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES)
        hint = f"Nearest names: {', '.join(near)}." if near else "`genzoo list` shows them all."
        raise ValueError(f"unknown recipe {name!r}. {hint}")
    return RECIPES[name]

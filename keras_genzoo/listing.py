"""What `genzoo list` shows: recipes and presets, a line each, or all that is known of them, or the table of the README.

Every view is of a choice of them, see `choose`.

Nothing here imports TensorFlow.
"""

import dataclasses
import json
from typing import NamedTuple

import keras_genzoo
from keras_genzoo import presets, recipes
from keras_genzoo.measurement import Measurement

# Of a preset's figures the one that says most stands in its line.
_MAIN_FIGURES = ("l1", "log_likelihood", "log_likelihood_bound", "log_likelihood_ais", "frechet_distance", "accuracy")
_CLASSIFIERS = "evaluation.classifiers"  # a family of recipes and presets, of `evaluation.Classifier`
_LIKELIHOODS = {
    "log_likelihood": "-log p(x), ",
    "log_likelihood_bound": "upper bound of -log p(x), ",
    "log_likelihood_ais": "-log p(x) by AIS, a lower bound of it in expectation, ",
}
_DIRECTIONS = "nats, L1 and Frechet distance: lower is better; accuracy: higher is better"


class Choice(NamedTuple):
    """Recipes and presets, each a dict of names to a `Recipe` or to metadata."""

    recipes: dict
    presets: dict


def choose(family=None, data=None, class_name=None):
    """The `Choice` of a family, a data set and a class of models; None for all. ValueError where nothing fits."""
    wanted = {"family": family, "data": data, "class": class_name}

    def fits(facts):
        return all(value in (None, facts[key]) for key, value in wanted.items())

    found = {name: _kind(recipe.model, recipe.dataset) for name, recipe in recipes.RECIPES.items()}
    shipped = {name: _kind(facts["class_name"], facts["dataset"]) for name, facts in presets.list_presets().items()}
    choice = Choice(
        {name: recipes.get(name) for name, facts in found.items() if fits(facts)},
        {name: facts for name, facts in presets.list_presets().items() if fits(shipped[name])},
    )
    if not any(choice):
        for key, value in wanted.items():
            known = sorted({facts[key] for facts in [*found.values(), *shipped.values()]})
            if value not in (None, *known):
                raise ValueError(f"--{key} {value!r} is none of {', '.join(known)}.")
        raise ValueError("no recipe and no preset is of all that was asked for; leave one of the filters out.")
    return choice


def _kind(model, dataset):
    name = model.split(".")[-1]
    return {"family": keras_genzoo._MODELS.get(name, _CLASSIFIERS).split(".")[1], "data": dataset, "class": name}


def as_json(choice):
    """str: JSON of all that is known."""
    trained = [
        {"name": name, **_kind(r.model, r.dataset), "epochs": r.epochs, "published": [p.facts() for p in r.published]}
        for name, r in choice.recipes.items()
    ]
    shipped = [
        {
            **{"name": name, **_kind(facts["class_name"], facts["dataset"]), "parameters": facts["num_parameters"]},
            **{"megabytes": _megabytes(name), "figures": facts["figures"], "published": facts["published"]},
        }
        for name, facts in choice.presets.items()
    ]
    return json.dumps({"recipes": trained, "presets": shipped}, indent=2)


def short(choice):
    """str: a line for each recipe and each preset, by family."""
    trained = [(recipe.model, _recipe_row(name, recipe)) for name, recipe in choice.recipes.items()]
    shipped = [(facts["class_name"], _preset_row(name, facts)) for name, facts in choice.presets.items()]
    lines = ["Recipes, to train by genzoo train NAME:", *_by_family(trained), ""]
    lines += ["Presets, to use by genzoo sample (or translate) NAME, genzoo evaluate NAME and genzoo export NAME."]
    lines += [f"On test images ({_DIRECTIONS};"]
    lines += ["nats are -log p(x) of an image, of VAEs an upper bound, of Gaussian mixtures of a density):"]
    lines += _by_family(shipped)
    return "\n".join([*lines, "", "genzoo list --verbose shows sizes, all figures and published ones."])


def verbose(choice):
    """str: also sizes, all figures of presets, and those to compare recipes with."""
    lines = ["Recipes (genzoo train NAME):"]
    for name, recipe in choice.recipes.items():
        aim = f"; to compare with {_short_published(recipe.published[0])}" if recipe.published else ""
        lines.append(f"  {name:24} {recipe.model} on {recipe.dataset}, {recipe.epochs} epochs{aim}")
    lines.append("\nPresets (genzoo sample NAME, genzoo evaluate NAME):")
    for name, facts in choice.presets.items():
        lines.append(f"  {name:24} {facts['class_name']}, {facts['num_parameters']:,} parameters, {_size(name)}")
        lines += [f"  {'':24} {figure.label}: {figure.amount.strip()} ({figure.counts})" for figure in _figures(facts)]
    return "\n".join(lines)


def markdown(choice):
    """str: the presets as a table."""
    lines = [
        f"| preset | model | parameters | size | trained on | on the test split ({_DIRECTIONS}) | to compare with |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, facts in choice.presets.items():
        figure = _main_figure(facts)
        measured = f"{_measure(figure)} ({_LIKELIHOODS.get(figure.name, '')}{figure.counts})"
        lines.append(
            f"| [`{name}`](pretrained/{name}/README.md) | `{facts['class_name']}` | {facts['num_parameters']:,} "
            f"| {_size(name)} | `{facts['dataset']}` | {measured} "
            f"| {'; '.join(_short_published(recipes.Published.from_facts(one)) for one in facts['published'])} |"
        )
    return "\n".join(lines)


def _recipe_row(name, recipe):
    return name, recipe.model.split(".")[-1], recipe.dataset, f"{recipe.epochs} epochs"


def _preset_row(name, facts):
    return name, facts["class_name"], facts["dataset"], _measure(_main_figure(facts))


def _by_family(rows):
    """Lines of `(model, cells)`, a table under the name of each family."""
    families = {module.split(".")[1]: [] for module in [*keras_genzoo._MODELS.values(), _CLASSIFIERS]}
    for model, cells in rows:
        families[keras_genzoo._MODELS.get(model, _CLASSIFIERS).split(".")[1]].append(cells)
    lines = []
    for family, tables in families.items():
        widths = [max(map(len, column)) for column in zip(*tables, strict=True)]
        lines += [f" {family}"] if tables else []
        for cells in tables:
            line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            lines.append(f"  {line.rstrip()}")
    return lines


def _figures(facts):
    return [Measurement.from_facts(name, value) for name, value in facts["figures"].items()]


def _main_figure(facts):
    figures = {figure.name: figure for figure in _figures(facts)}
    if "classification_accuracy" in figures and "density" in figures["log_likelihood"].method:
        return figures["classification_accuracy"]  # a density of numbers in levels compares with nothing
    return next(figures[name] for name in _MAIN_FIGURES if name in figures)


def _measure(figure):
    """A main figure with the sign of published ones: nats as -log p(x)."""
    if figure.name.startswith("log_likelihood"):
        return dataclasses.replace(figure, value=-figure.value).amount.strip()
    if figure.name == "classification_accuracy":
        return f"{figure.amount.strip()} right"
    return f"{figure.label.replace('frechet', 'Frechet').replace('l1', 'L1')} {figure.amount.strip()}"


def _short_published(figure):
    """A figure to compare with, with its model, without the details that the preset's card gives."""
    amount = figure.amount.strip() if figure.unit else f"{figure.measure} {figure.amount.strip()}".lstrip()
    return f"{amount}, {figure.model} ({figure.source.split(',')[0]})"


def _size(name):
    return f"{_megabytes(name)} MB"


def _megabytes(name):
    return round(sum(file.stat().st_size for file in presets.find(name).iterdir()) / 1e6, 1)

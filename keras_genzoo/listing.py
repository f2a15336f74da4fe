"""What `genzoo list` shows: recipes and presets, a line each, or all that is known of them, or the table of the README.

Nothing here imports TensorFlow.
"""

import dataclasses

import keras_genzoo
from keras_genzoo import presets, recipes
from keras_genzoo.measurement import Measurement

# Of a preset's figures the one that says most stands in its line.
_MAIN_FIGURES = ("l1", "log_likelihood", "log_likelihood_bound", "frechet_distance", "accuracy")
_CLASSIFIERS = "evaluation.classifiers"  # a family of recipes and presets, of `evaluation.Classifier`
_LIKELIHOODS = {"log_likelihood": "-log p(x), ", "log_likelihood_bound": "upper bound of -log p(x), "}
_DIRECTIONS = "nats, L1 and Frechet distance: lower is better; accuracy: higher is better"


def short():
    """str: a line for each recipe and each preset, by family."""
    trained = [(recipe.model, _recipe_row(name, recipe)) for name, recipe in recipes.RECIPES.items()]
    shipped = [(facts["class_name"], _preset_row(name, facts)) for name, facts in presets.list_presets().items()]
    lines = ["Recipes, to train by genzoo train NAME:", *_by_family(trained), ""]
    lines += ["Presets, to use by genzoo sample (or translate) NAME, genzoo evaluate NAME and genzoo export NAME."]
    lines += [f"On test images ({_DIRECTIONS};"]
    lines += ["nats are -log p(x) of an image, of VAEs an upper bound, of Gaussian mixtures of a density):"]
    lines += _by_family(shipped)
    return "\n".join([*lines, "", "genzoo list --verbose shows sizes, all figures and published ones."])


def verbose():
    """str: also sizes, all figures of presets, and those to compare recipes with."""
    lines = ["Recipes (genzoo train NAME):"]
    for name, recipe in recipes.RECIPES.items():
        aim = f"; to compare with {_short_published(recipe.published[0])}" if recipe.published else ""
        lines.append(f"  {name:24} {recipe.model} on {recipe.dataset}, {recipe.epochs} epochs{aim}")
    lines.append("\nPresets (genzoo sample NAME, genzoo evaluate NAME):")
    for name, facts in presets.list_presets().items():
        lines.append(f"  {name:24} {facts['class_name']}, {facts['num_parameters']:,} parameters, {_size(name)}")
        lines += [f"  {'':24} {figure.label}: {figure.amount.strip()} ({figure.counts})" for figure in _figures(facts)]
    return "\n".join(lines)


def markdown():
    """str: the presets as a table."""
    lines = [
        f"| preset | model | parameters | size | trained on | on the test split ({_DIRECTIONS}) | to compare with |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, facts in presets.list_presets().items():
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
    """Lines of a table of `(model, cells)`, under the names of families."""
    widths = [max(map(len, column)) for column in zip(*(cells for _, cells in rows), strict=True)]
    families = {module.split(".")[1]: [] for module in [*keras_genzoo._MODELS.values(), _CLASSIFIERS]}
    for model, cells in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        families[keras_genzoo._MODELS.get(model, _CLASSIFIERS).split(".")[1]].append(f"  {line.rstrip()}")
    return [line for family, lines in families.items() if lines for line in (f" {family}", *lines)]


def _figures(facts):
    return [Measurement.from_facts(name, value) for name, value in facts["figures"].items()]


def _main_figure(facts):
    figures = {figure.name: figure for figure in _figures(facts)}
    return next(figures[name] for name in _MAIN_FIGURES if name in figures)


def _measure(figure):
    """A main figure with the sign of published ones: nats as -log p(x)."""
    if figure.name.startswith("log_likelihood"):
        return dataclasses.replace(figure, value=-figure.value).amount.strip()
    return f"{figure.label.replace('frechet', 'Frechet').replace('l1', 'L1')} {figure.amount.strip()}"


def _short_published(figure):
    """A figure to compare with, with its model, without the details that the preset's card gives."""
    amount = figure.amount.strip() if figure.unit else f"{figure.measure} {figure.amount.strip()}".lstrip()
    return f"{amount}, {figure.model} ({figure.source.split(',')[0]})"


def _size(name):
    return f"{sum(file.stat().st_size for file in presets.find(name).iterdir()) / 1e6:.1f} MB"

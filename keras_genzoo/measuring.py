"""Measuring a model on a data set: every figure that fits it, quickly or as the cards of presets have them."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_genzoo import (
    data,
    domains,
    evaluation,
    likelihood,
    measurement,
    presets,
    run_data,
    translation_distances,
)
from keras_genzoo.evaluation import model_measurements
from keras_genzoo.recipes import Recipe

_DRAWS = 5000  # of a bound, where no recipe says: those of the literature
_QUICK_DRAWS, _QUICK_SAMPLES = 100, 1000
_FEWEST_TO_COMPARE = 6  # test images, with which precision and recall begin
_DRAWS_BY_SPLIT = 100  # most draws of the bound by which splits are compared, to save time


class Effort(NamedTuple):
    """What a measurement spends.

    Attributes:
        num_importance_samples: int, draws of a likelihood bound; None for a model without one.
        num_samples: int, samples compared with test images.
        is_full: bool, whether the figures of a card take no more.
    """

    num_importance_samples: int | None
    num_samples: int
    is_full: bool

    def quick_note(self, how):
        """What is said below figures that are not full ones; `how` is how to get those."""
        draws, samples = self.num_importance_samples, f"{self.num_samples:,} samples"
        spent = f"{draws:,} draws of the likelihood bound, {samples}" if draws else samples
        return f"Measured quickly ({spent}); to measure as in the cards of presets: {how}"


def effort(model, recipe, settings, full=False, num_importance_samples=None, num_samples=None):
    """The `Effort` of measuring a model on a data set.

    Args:
        model: a `GenerativeModel` or `Classifier`.
        recipe: `Recipe`, whose draws are a full measurement's.
        settings: dict of the run's `dataset`, and of its splits.
        full: bool, as many draws as the recipe says and as many samples as test images, at most 10,000; by default at
            most 100 draws and 1,000 samples.
        num_importance_samples: int, instead of either.
        num_samples: int, instead of either.
    """
    all_draws = (recipe.num_importance_samples or num_importance_samples) if model.log_prob_is_exact is False else None
    all_samples = min(model_measurements.MOST_IMAGES, run_data.num_images(recipe, settings, "test"))
    draws, samples = all_draws, num_samples or (all_samples if full else min(_QUICK_SAMPLES, all_samples))
    if all_draws is not None:
        draws = num_importance_samples or (all_draws if full else min(_QUICK_DRAWS, all_draws))
    has_all_draws = all_draws is None or draws >= all_draws
    return Effort(draws, samples, has_all_draws and (not model.verbs or samples >= all_samples))


def on_dataset(model, recipe, dataset, binarize=None):
    """A recipe and settings to measure a model by on a data set of the user's choice, see `measure`.

    Args:
        model: a `GenerativeModel` or `Classifier`.
        recipe: `Recipe` that the model was trained by; None for one saved from Python, which does not say.
        dataset: str, name for `data.load`.
        binarize: see `data.load`; by default the recipe's, and for a model of two levels without one `"stochastic"`.

    Raises:
        ValueError: for a model of another shape of images, of fewer classes, or conditioned on vectors.
    """
    name = type(model).__name__
    sample, *condition = model.batch_domains
    if condition and not isinstance(condition[0], domains.Labels) and not (recipe and "source" in recipe.data_options):
        raise ValueError(
            f"--dataset {dataset} gives no {condition[0].noun}s, on which this {name} is conditioned; measure it in "
            "Python by the functions of keras_genzoo.evaluation."
        )
    if recipe is None:
        options = {"labels": bool(condition)}
        if isinstance(sample, domains.LevelImages) and sample.num_levels == 2:
            options["binarize"] = "stochastic"
        recipe = Recipe(name, dataset, epochs=0, data_options=options, optimizers={}, num_importance_samples=_DRAWS)
    options = {**recipe.data_options, **({"binarize": binarize} if binarize else {})}
    if data.is_own(dataset):
        options |= {"image_size": sample.shape[:2], "channels": sample.shape[2]}
    recipe = dataclasses.replace(recipe, dataset=dataset, data_options=options, published=())
    settings = {"dataset": dataset, "batch_size": recipe.batch_size, "seed": 0, "train_split": None}
    test_set = run_data.load_split(recipe, settings, "test")
    spec = test_set.element_spec[0] if condition else test_set.element_spec
    if tuple(spec.shape[1:]) != sample.shape:
        raise ValueError(
            f"--dataset {dataset} holds images of shape {tuple(spec.shape[1:])}, but this {name} is of images of shape "
            f"{sample.shape}; choose a data set of such images."
        )
    if recipe.data_options.get("labels"):
        largest = max(int(labels.numpy().max()) for _, labels in test_set)
        if largest >= condition[0].num_classes:
            raise ValueError(
                f"--dataset {dataset} holds classes up to {largest}, but this {name} has num_classes="
                f"{condition[0].num_classes}; choose a data set of its classes."
            )
    return recipe, settings


def measure(model, recipe, settings, features, effort, report=print):
    """The figures that fit a model, on the test split of a run's data set; its likelihood on the other splits too.

    Args:
        model: a compiled `GenerativeModel` or `Classifier`.
        recipe: `Recipe`.
        settings: dict of the run's `dataset`, `batch_size` and `seed`, and of its splits.
        features: where samples are compared with real images, see `evaluation.feature_space`; None to leave that out.
        effort: `Effort`.
        report: function that shows a line to the user, called before each step.

    Returns:
        dict, name to `Measurement`.
    """
    keras.utils.set_random_seed(settings["seed"])  # the same draws whenever a model is measured
    model.seed_generator.state.assign([settings["seed"], 0])
    num_images = run_data.num_images(recipe, settings, "test")
    compares = features is not None and bool(model.verbs)
    if compares and num_images < _FEWEST_TO_COMPARE:
        report(f"Samples are compared with {_FEWEST_TO_COMPARE} test images or more; there are {num_images}.")
        compares = False
    if compares:
        features = evaluation.feature_space(features)  # a wrong name must not wait for the other figures
    test_set = run_data.load_split(recipe, settings, "test")  # anew for each use: a second pass has other draws of bits
    report(f"Evaluating {num_images:,} test images{_with_draws(effort.num_importance_samples)} ...")
    if "translate" in model.verbs and isinstance(model.sample_domain, domains.Images):
        figures = _translation_figures(model, recipe, settings, effort, test_set, report)
    else:
        figures = model.measurements(test_set, effort.num_importance_samples)
    figures |= _likelihoods_by_split(model, recipe, settings, effort.num_importance_samples, report)
    if compares:
        # A VAE trained on bits draws their means, grey levels; an autoregressive model draws bits.
        levels = {"binarize": None} if model.samples_are_means else {}
        real = run_data.load_split(recipe, settings, "test", **levels)
        judge = evaluation.default_features(settings["dataset"])
        judge = judge if judge in presets.list_presets() else None
        note = ""
        if recipe.data_options.get("binarize"):
            note = ", images in grey levels" if model.samples_are_means else ", images in bits"
        training = run_data.load_split(recipe, settings, "train", **levels)
        n = effort.num_samples
        report(f"Drawing {n:,} samples and comparing them with test images ...")
        labels = run_data.labels_of_sources(recipe, settings, "test") if judge else None
        sampled = evaluation.sample_measurements(model, real, features, n, judge, labels_of_sources=labels)
        report("Comparing training images with them, for reference ...")
        sampled |= evaluation.reference_measurements(real, training, features, n)
        for name, figure in sampled.items():
            figures[name] = dataclasses.replace(figure, method=figure.method + note)
    return figures


def _translation_figures(model, recipe, settings, effort, test_set, report):
    """Those of translations of all test images, and of a look-up among the training images for the first of them."""
    if not run_data.has_pairs(recipe):
        report("L1, PSNR and SSIM need pairs; in an unpaired set no target belongs to a source, so they are left out.")
        return model.measurements(test_set, has_pairs=False)
    figures = model.measurements(test_set)
    report("Looking up the nearest training sources, for comparison ...")
    training = run_data.load_training_pairs(recipe, settings)
    return figures | translation_distances.nearest_neighbor(test_set, training, effort.num_samples)


def compare_folders(generated, real, features, image_size=None):
    """How far the pictures of a folder are from real ones: Frechet and kernel distance, precision, recall and so on.

    Args:
        generated: path of the folder.
        real: a folder, or the name of a data set, whose test split is taken.
        features: see `evaluation.feature_space`.
        image_size: int, side to bring all pictures to; None where they are of one size.

    Returns:
        dict, name to `Measurement`.
    """
    split, generated = "all" if data.is_own(real) else "test", Path(generated)
    space = evaluation.feature_space(features)
    num_images = min(data.num_images(real, split), data.num_images(generated, "all"))
    real = data.load(real, split, image_size=image_size, shuffle=False)
    channels = real.element_spec.shape[-1]
    size = image_size or tuple(real.element_spec.shape[1:3])
    generated = data.load(generated, "all", image_size=size, channels=channels, shuffle=False)
    return evaluation.model_measurements.distances(space, real, generated, num_images)


def _with_draws(num_importance_samples):
    return f" with {num_importance_samples:,} draws each" if num_importance_samples else ""


def _likelihoods_by_split(model, recipe, settings, num_importance_samples, report):
    """How likely images are that were trained on and held out; test ones beside them, where their bound is another."""
    if settings.get("train_split", "train") is None:  # nobody says which images the model was trained on
        return {}
    if not (model.log_prob_is_exact or num_importance_samples):
        return {}
    names = ["train"] + ["validation"] * (settings.get("validation_split") is not None)
    if num_importance_samples and num_importance_samples > _DRAWS_BY_SPLIT:
        num_importance_samples = _DRAWS_BY_SPLIT
        names.append("test")
    figures = {}
    for name in names:
        split = run_data.splits(settings)[name]
        num_images = min(model_measurements.MOST_IMAGES, run_data.num_images(recipe, settings, name))
        batch_size = settings["batch_size"]
        images = run_data.load_split(recipe, settings, name, shuffle=False).unbatch().take(num_images).batch(batch_size)
        images = images.apply(tf.data.experimental.assert_cardinality(-(-num_images // batch_size)))
        purpose, draws = "training" if name == "train" else name, _with_draws(num_importance_samples)
        report(f"Measuring the likelihood of {num_images:,} {purpose} images{draws} ...")
        for figure in likelihood.measurements(model, images, num_importance_samples).values():
            if figure.unit == "nats":
                method = f"{figure.method}, the first {figure.num_examples:,} of split `{split}`"
                figure = dataclasses.replace(figure, name=f"{name}_{figure.name}", method=method)
                figures[figure.name] = figure
    return figures


def format_measurements(figures, published):
    """A line for each figure, with its n and method, for each to compare with, and for what is better of them."""
    return "\n".join(map(str, [*figures.values(), *published, *measurement.directions(figures)]))

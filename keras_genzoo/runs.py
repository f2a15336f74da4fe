"""Training: one recipe in one folder, which can be killed at any time and resumed as if it had never stopped.

What a run leaves in its folder, `run_folder` says.
"""

import csv
import dataclasses
import json
import operator
import os
import shutil
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

import keras_genzoo
from keras_genzoo import backup, callbacks, cards, data, evaluation, files, images, presets, recipes, run_folder
from keras_genzoo.evaluation import model_figures

_DRAWS_BY_SPLIT = 100  # most draws of the bound by which splits are compared, to save time


def train(recipe_name, output, overrides, resume=False, overwrite=False, report=print):
    """Trains a recipe in `output` and leaves the files above.

    Args:
        recipe_name: str.
        output: folder.
        overrides: dict of settings to use instead of the recipe's: `dataset`, `epochs`, `batch_size`,
            `precision`, `seed`; None leaves one as it is.
        resume: bool, go on with the run in `output` after its last finished epoch, as if it had never stopped.
        overwrite: bool, delete the run in `output` first.
        report: function that shows a line to the user.

    Raises:
        ValueError: for unknown names, settings that do not fit the run resumed, or backups that are all damaged.
        FileNotFoundError: if `output` holds no run to resume.
        FileExistsError: if `output` holds a run (and neither resume nor overwrite is asked for) or other files.
    """
    recipe = recipes.get(recipe_name)
    output = Path(output)
    settings = run_folder.settings(recipe_name, recipe, output, overrides, resume, overwrite)
    if not resume:
        splits = data.splits(settings["dataset"], recipe.validation_percent)
        settings |= {"train_split": splits["train"], "validation_split": splits["validation"]}
    elif run_folder.is_finished(output, settings["epochs"]):
        report(f"All {settings['epochs']} epochs of the run in {output} are finished; a larger --epochs goes on.")
        return
    keras.utils.set_random_seed(settings["seed"])
    keras.config.set_dtype_policy(settings["precision"])
    train_set = load_split(recipe, settings, "train")
    model = _build(recipe, train_set)
    steps = int(train_set.cardinality())
    num_steps = settings["epochs"] * steps
    compile_model(model, recipe, num_steps)

    history = output / run_folder.HISTORY
    backups = backup.Backup(output / run_folder.BACKUP, history)
    finished = backups.restore(model, report) if resume else 0
    if resume and not finished and run_folder.has_backed_up(output):
        anew = run_folder.train_command(recipe_name, output, "--overwrite", "--epochs", str(settings["epochs"]))
        model_is = f"; its model is in {run_folder.PRESET}/" if (output / run_folder.PRESET).is_dir() else ""
        raise ValueError(
            f"the run in {str(output)!r} has no backup left in {run_folder.BACKUP}/ to go on from{model_is}. To train "
            f"anew in its place: {anew}"
        )
    if settings["epochs"] < finished:
        raise ValueError(f"`epochs` is {settings['epochs']}, but the run in {str(output)!r} has finished {finished}.")
    if overwrite and output.exists():
        run_folder.delete(output)
    files.write(output / run_folder.SETTINGS, json.dumps(settings, indent=2) + "\n")
    if resume:
        report(f"Resuming after epoch {finished} of {settings['epochs']}.")
    for _ in range(finished):
        iter(train_set)  # each pass has its own order and bits; a pass begun and dropped costs nothing
    model.fit(
        train_set.repeat(),  # Keras alone would start two passes an epoch, and a resumed run could not keep count
        steps_per_epoch=steps,
        epochs=settings["epochs"],
        initial_epoch=finished,
        validation_data=_with_fixed_bits(load_split(recipe, settings, "validation"), recipe),
        callbacks=[
            *([callbacks.SampleGrid(output / "pictures")] if hasattr(model, "sample") else []),
            callbacks.TimedCSVLogger(history, append=finished > 0),
            backups,
        ],
    )
    _finish(model, recipe, settings, output, report)


def compile_model(model, recipe, num_steps=1):
    """Compiles a model as its recipe says, for a run of `num_steps` updates."""
    regularizer = {"regularizer": recipe.regularizer.build()} if recipe.regularizer else {}
    model.compile(**{name: optimizer.build(num_steps) for name, optimizer in recipe.optimizers.items()}, **regularizer)


def load_split(recipe, settings, split, **options):
    """`"train"`, shuffled, `"validation"` or `"test"`, in order, of the run's data set; all from the run's seed."""
    return data.load(
        settings["dataset"],
        _splits(settings)[split],
        batch_size=settings["batch_size"],
        seed=settings["seed"],
        **{"shuffle": split == "train", **recipe.data_options, **options},
    )


def _splits(settings):
    """The splits of a run, see `data.splits`; runs from before any was held out validated on the test split."""
    return {
        "train": settings.get("train_split", "train"),
        "validation": settings.get("validation_split") or "test",
        "test": "test",
    }


def _with_fixed_bits(dataset, recipe):
    """The same bits in each pass, those of the first, so that epochs compare, also where a run was resumed between."""
    if recipe.data_options.get("binarize") != "stochastic":
        return dataset
    dataset = dataset.cache()
    for _ in dataset:  # to its end, or the next pass would draw anew
        pass
    return dataset


def measure(model, recipe, settings, features, num_samples=None, num_importance_samples=None):
    """The figures that fit a model, on the test split of a run's data set; its likelihood on the other splits too.

    Args:
        model: a compiled `GenerativeModel` or `Classifier`.
        recipe: `Recipe`.
        settings: dict of the run's `dataset`, `batch_size` and `seed`.
        features: where samples are compared with real images, see `evaluation.feature_space`; None to leave that out.
        num_samples: int, samples compared; by default as many as test images, at most 10,000.
        num_importance_samples: int, draws of a likelihood bound; by default the recipe's.

    Returns:
        dict, name to `Figure`.
    """
    keras.utils.set_random_seed(settings["seed"])  # the same draws whenever a model is measured
    if hasattr(model, "seed_generator"):
        model.seed_generator.state.assign([settings["seed"], 0])
    compares = features is not None and hasattr(model, "sample")
    if compares:
        features = evaluation.feature_space(features)  # a wrong name must not wait for the other figures
    test_set = load_split(recipe, settings, "test")  # anew for each use: a second pass has other draws of bits
    figures = model_figures.metric_figures(model, test_set)
    num_importance_samples = num_importance_samples or recipe.num_importance_samples
    figures |= model_figures.likelihood_figures(model, test_set, num_importance_samples)
    figures |= _likelihoods_by_split(model, recipe, settings, num_importance_samples)
    if compares:
        # A VAE trained on bits draws their means, grey levels; an autoregressive model draws bits.
        levels = {"binarize": None} if model.samples_are_means else {}
        real = load_split(recipe, settings, "test", **levels)
        judge = evaluation.default_features(settings["dataset"])
        judge = judge if judge in presets.list_presets() else None
        note = ""
        if recipe.data_options.get("binarize"):
            note = ", images in grey levels" if model.samples_are_means else ", images in bits"
        training = load_split(recipe, settings, "train", **levels)
        sampled = evaluation.sample_figures(model, real, features, num_samples, judge)
        sampled |= evaluation.reference_figures(real, training, features, num_samples)
        for name, figure in sampled.items():
            figures[name] = dataclasses.replace(figure, method=figure.method + note)
    return figures


def _likelihoods_by_split(model, recipe, settings, num_importance_samples):
    """How likely images are that were trained on and held out; test ones beside them, where their bound is another."""
    names = ["train"] + ["validation"] * (settings.get("validation_split") is not None)
    if not model.log_prob_is_exact and num_importance_samples and num_importance_samples > _DRAWS_BY_SPLIT:
        num_importance_samples = _DRAWS_BY_SPLIT
        names.append("test")
    figures = {}
    for name in names:
        images = load_split(recipe, settings, name, shuffle=False)
        images = images.unbatch().take(model_figures.MOST_IMAGES).batch(settings["batch_size"])
        for figure in model_figures.likelihood_figures(model, images, num_importance_samples).values():
            if figure.unit == "nats":
                method = f"{figure.method}, the first {figure.num_examples:,} of split `{_splits(settings)[name]}`"
                figure = dataclasses.replace(figure, name=f"{name}_{figure.name}", method=method)
                figures[figure.name] = figure
    return figures


def format_figures(figures, published):
    """A line for each figure, with its n and method, and for each to compare with, with its source."""
    lines = [str(figure) for figure in figures.values()]
    lines += [f"{'to compare with':32} {figure.value:9.2f} {figure.what}; {figure.source}" for figure in published]
    return "\n".join(lines)


def _build(recipe, dataset):
    conditional = recipe.data_options.get("labels", False)
    image_spec = dataset.element_spec[0] if conditional else dataset.element_spec
    arguments = dict(recipe.arguments)
    if conditional:
        arguments["num_classes"] = 1 + max(int(labels.numpy().max()) for _, labels in dataset)
    return operator.attrgetter(recipe.model)(keras_genzoo)(image_shape=tuple(image_spec.shape[1:]), **arguments)


def _finish(model, recipe, settings, output, report):
    shipped, features = presets.list_presets(), evaluation.default_features(settings["dataset"])
    with tempfile.TemporaryDirectory(dir=output) as scratch:
        # What is measured is what `from_preset` gives: a model trained in half precision runs in float32 again.
        presets.save(model, Path(scratch) / "model")
        loaded = presets.load(Path(scratch) / "model", keras.Model, dtype="float32")
    compile_model(loaded, recipe)
    figures = measure(loaded, recipe, settings, features if features in shipped else None)
    if hasattr(model, "reconstruct"):
        test_set = load_split(recipe, settings, "test")
        batch = tf.nest.map_structure(lambda tensor: tensor[:64], next(iter(test_set)))
        images.save_grid(callbacks.reconstruction_grid(loaded, batch), output / "reconstructions.png")
    draws, version = hasattr(model, "sample"), ""
    if draws:
        images.save_grid(callbacks.sample_grid(loaded, seed=0), output / "samples.png")
        version = Path(model.export(output / "saved_model")).name
    with files.replaced_folder(output / run_folder.PRESET) as preset:
        presets.save(loaded, preset, **_facts(loaded, recipe, settings, output, figures))
        metadata = json.loads((preset / presets.METADATA).read_text())
        (preset / "README.md").write_text(cards.card(output.resolve().name, metadata))
        if draws:
            shutil.copy(output / "samples.png", preset)
    report(f"\n{recipe.model} trained by recipe {settings['recipe']} on {settings['dataset']}")
    report(format_figures(figures, recipe.published))
    if draws and features not in shipped:
        report(f"genzoo evaluate {output} measures the samples too, in features of {features}, which it downloads.")
    meaning = {
        "samples.png": "images drawn from the model",
        "reconstructions.png": "rows of test images, each above the row of their reconstructions",
        "history.csv": "the metrics of each epoch",
        "pictures/": "samples after each epoch, from the same noise",
        "preset/": f"the model, with a card; keras_genzoo.{recipe.model}.from_preset({str(output / 'preset')!r})",
        f"saved_model/{version}/": "the model for TensorFlow Serving and tf.saved_model.load",
        "backup/": f"what --resume --epochs N goes on from; may be deleted ({_megabytes(output / run_folder.BACKUP)})",
    }
    report(f"\nIn {output}:")
    for name, what in meaning.items():
        if (output / name).exists():
            report(f"  {name:20} {what}")
    if draws:
        report(f"\nNext: genzoo sample {output} --num-samples 64 --seed 1 --output more_samples.png")


def _facts(model, recipe, settings, output, figures):
    """What the metadata of a run's preset say of it, beside what those of every preset do."""
    defaults = run_folder.defaults(settings["recipe"], recipe)
    changed = {key: value for key, value in settings.items() if key in defaults and value != defaults[key]}
    options = [f"--{key.replace('_', '-')} {value}" for key, value in changed.items()]
    with (output / "history.csv").open() as file:
        seconds = sum(float(row["seconds"]) for row in csv.DictReader(file))
    return {
        "description": recipe.description,
        "command": " ".join(["genzoo train", settings["recipe"], *options]),
        **settings,
        "chosen_on": recipe.chosen_on,
        "data": cards.data_text(
            settings["dataset"],
            recipe.data_options.get("binarize"),
            {name: (split, data.num_images(settings["dataset"], split)) for name, split in _splits(settings).items()},
        ),
        "image_shape": model.image_shape,
        "num_classes": model.num_classes,
        "seconds": round(seconds),
        "hardware": _hardware(),
        "figures": {name: figure.facts() for name, figure in figures.items()},
        "published": [dataclasses.asdict(figure) for figure in recipe.published],
        "limits": recipe.limits,
        "licence": "Apache 2.0",
    }


def _megabytes(folder):
    return f"{sum(path.stat().st_size for path in folder.glob('*')) / 1e6:.1f} MB"


def _hardware():
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        # Those this process may use; macOS and Windows do not say.
        n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return f"{n} CPU core{'s' if n > 1 else ''}"
    return f"{len(gpus)} x {tf.config.experimental.get_device_details(gpus[0]).get('device_name', 'GPU')}"

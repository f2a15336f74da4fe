"""Training: one recipe in one folder, which can be killed at any time and resumed as if it had never stopped.

What a run leaves in its folder, `run_folder` says.
"""

import csv
import json
import operator
import os
import shlex
import shutil
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

import keras_genzoo
from keras_genzoo import (
    backup,
    callbacks,
    cards,
    data,
    evaluation,
    files,
    measuring,
    pictures,
    presets,
    recipes,
    run_data,
    run_folder,
)


def train(recipe_name, output, overrides, resume=False, overwrite=False, report=print, full=False):
    """Trains a recipe in `output` and leaves the files above.

    Args:
        recipe_name: str.
        output: folder.
        overrides: dict of settings to use instead of the recipe's: `dataset`, `epochs`, `batch_size`,
            `precision`, `seed`; None leaves one as it is.
        resume: bool, go on with the run in `output` after its last finished epoch, as if it had never stopped.
        overwrite: bool, delete the run in `output` first.
        report: function that shows a line to the user.
        full: bool, measure the finished model as the cards of presets have it; by default quickly, see
            `measuring.effort`.

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
    train_set = run_data.load_split(recipe, settings, "train")
    model = _build(recipe, train_set)
    steps = int(train_set.cardinality())
    num_steps = settings["epochs"] * steps
    run_data.compile_model(model, recipe, num_steps)

    starts_from_data = not model.is_initialized  # a pass more than there are epochs
    history = output / run_folder.HISTORY
    backups = backup.Backup(output / run_folder.BACKUP, history)
    finished = backups.restore(model, report) if resume else 0
    if resume and not finished and run_folder.has_backed_up(output):
        anew = run_folder.train_command(recipe_name, output, "--overwrite", *run_folder.options(settings, recipe))
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
    if starts_from_data and not finished:
        model.initialize(train_set)
    for _ in range(finished + (starts_from_data and finished > 0)):
        iter(train_set)  # each pass has its own order and bits; a pass begun and dropped costs nothing
    model.fit(
        train_set.repeat(),  # Keras alone would start two passes an epoch, and a resumed run could not keep count
        steps_per_epoch=steps,
        epochs=settings["epochs"],
        initial_epoch=finished,
        validation_data=run_data.with_fixed_bits(run_data.load_split(recipe, settings, "validation"), recipe),
        callbacks=[
            *_pictures(model, recipe, settings, output / "pictures"),
            callbacks.TimedCSVLogger(history, append=finished > 0),
            backups,
        ],
    )
    _finish(model, recipe, settings, output, report, full)


def _pictures(model, recipe, settings, folder):
    """The callback that draws what a model draws, a list of one or none."""
    if "sample" in model.verbs:
        return [callbacks.SampleGrid(folder)]
    if "translate" in model.verbs:
        return [callbacks.TranslationGrid(folder, run_data.first_examples(recipe, settings, "validation"))]
    return []


def _drawn(model, recipe, settings):
    """What a finished model draws: samples, or translations of the first test examples."""
    if "translate" in model.verbs:
        return callbacks.translation_grid(model, run_data.first_examples(recipe, settings, "test"), seed=0)
    return callbacks.sample_grid(model, seed=0)


def _build(recipe, dataset):
    model_class = operator.attrgetter(recipe.model)(keras_genzoo)
    return model_class(**model_class.arguments_from(dataset), **recipe.arguments)


def _finish(model, recipe, settings, output, report, full):
    shipped, features = presets.list_presets(), evaluation.default_features(settings["dataset"])
    with tempfile.TemporaryDirectory(dir=output) as scratch:
        # What is measured, drawn and exported is what `from_preset` gives, of weights rounded as in the preset; a model
        # trained in half precision runs in float32 again.
        presets.save(model, Path(scratch) / "model")
        loaded = presets.load(Path(scratch) / "model", keras.Model, dtype="float32")
    run_data.compile_model(loaded, recipe)
    effort = measuring.effort(loaded, recipe, settings["dataset"], full)
    figures = measuring.measure(loaded, recipe, settings, features if features in shipped else None, effort, report)
    if "reconstruct" in model.verbs:
        batch = run_data.first_examples(recipe, settings, "test")
        pictures.save_grid(callbacks.reconstruction_grid(loaded, batch), output / "reconstructions.png")
    for name, images in loaded.pictures().items():
        pictures.save_grid(images, output / f"{name}.png")
    draws, version = bool(model.verbs), ""
    if draws:
        pictures.save_grid(_drawn(loaded, recipe, settings), output / "samples.png")
        pictures.save_film(sorted((output / "pictures").glob("*.png")), output / "training.gif")
        report("Writing the SavedModel ...")
        version = Path(loaded.export(output / "saved_model")).name
    with files.replaced_folder(output / run_folder.PRESET) as preset:
        presets.save(loaded, preset, **_facts(loaded, recipe, settings, output, figures, effort))
        metadata = json.loads((preset / presets.METADATA).read_text())
        (preset / "README.md").write_text(cards.card(output.resolve().name, metadata))
        if draws:
            shutil.copy(output / "samples.png", preset)
    report(f"\n{recipe.model} trained by recipe {settings['recipe']} on {settings['dataset']}")
    report(measuring.format_measurements(figures, recipe.published))
    evaluate = shlex.join(["genzoo", "evaluate", str(output)])
    if not effort.is_full:
        report(effort.quick_note(f"{evaluate} --full"))
    if draws and features not in shipped:
        report(f"{evaluate} measures the samples too, in features of {features}, which it downloads.")
    meaning = {
        "samples.png": "what the model draws",
        "training.gif": "the samples of each epoch, one after another, as a film",
        "reconstructions.png": "rows of test images, each above the row of their reconstructions",
        **{f"{name}.png": f"the model's {name}" for name in loaded.pictures()},
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
        verb = model.verbs[0]
        report(f"\nNext: genzoo {verb} {shlex.quote(str(output))} --num-samples 64 --seed 1 --output more.png")


def _facts(model, recipe, settings, output, figures, effort):
    """What the metadata of a run's preset say of it, beside what those of every preset do."""
    with (output / "history.csv").open() as file:
        seconds = sum(float(row["seconds"]) for row in csv.DictReader(file))
    return {
        "description": recipe.description,
        "command": shlex.join(["genzoo", "train", settings["recipe"], *run_folder.options(settings, recipe)]),
        **settings,
        "chosen_on": recipe.chosen_on,
        "data": cards.data_text(
            settings["dataset"],
            recipe.data_options,
            {
                name: (split, data.num_images(settings["dataset"], split))
                for name, split in run_data.splits(settings).items()
            },
        ),
        "image_shape": model.batch_domains[0].shape,
        "num_classes": model.num_classes,
        "seconds": round(seconds),
        "hardware": _hardware(),
        "measured": "fully" if effort.is_full else "quickly",
        "figures": {name: figure.facts() for name, figure in figures.items()},
        "published": [figure.facts() for figure in recipe.published],
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

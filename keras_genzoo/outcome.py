"""What a finished run leaves: measurements, pictures, a preset with its card, a SavedModel, and what to try next."""

import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

from keras_genzoo import (
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


def finish(model, recipe, settings, output, report, full):
    """Leaves in `output` what `run_folder` lists, from the model as it is."""
    shipped, features = presets.list_presets(), evaluation.default_features(settings["dataset"])
    with tempfile.TemporaryDirectory(dir=output) as scratch:
        # What is measured, drawn and exported is what `from_preset` gives, of weights rounded as in the preset; a model
        # trained in half precision runs in float32 again.
        presets.save(model, Path(scratch) / "model")
        loaded = presets.load(Path(scratch) / "model", keras.Model, dtype="float32")
    run_data.compile_model(loaded, recipe)
    effort = measuring.effort(loaded, recipe, settings, full)
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
    seconds = sum(float(row["seconds"]) for row in run_folder.read_history(output / run_folder.HISTORY))
    is_own = data.is_own(settings["dataset"])
    return {
        "description": recipe.description or f"`{recipe.model}` by recipe `{settings['recipe']}`, on other data.",
        "command": shlex.join(["genzoo", "train", settings["recipe"], *_options(settings)]),
        **settings,
        "chosen_on": recipe.chosen_on,
        "data": cards.data_text(settings["dataset"], recipe.data_options, run_data.sizes(recipe, settings), is_own),
        "image_shape": model.batch_domains[0].shape,
        "num_classes": model.num_classes,
        "seconds": round(seconds),
        "hardware": _hardware(),
        "measured": "fully" if effort.is_full else "quickly",
        "figures": {name: figure.facts() for name, figure in figures.items()},
        "published": [figure.facts() for figure in recipe.published],
        "limits": recipe.limits,
        "licence": "that of the images" if is_own else "Apache 2.0",
    }


def _options(settings):
    return run_folder.options(settings, recipes.get(settings["recipe"]))


def _megabytes(folder):
    return f"{sum(path.stat().st_size for path in folder.glob('*')) / 1e6:.1f} MB"


def _hardware():
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        # Those this process may use; macOS and Windows do not say.
        n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return f"{n} CPU core{'s' if n > 1 else ''}"
    return f"{len(gpus)} x {tf.config.experimental.get_device_details(gpus[0]).get('device_name', 'GPU')}"


def _drawn(model, recipe, settings):
    """What a finished model draws: samples, or translations of the first test examples."""
    if "translate" in model.verbs:
        batch = run_data.first_examples(recipe, settings, "test")
        return callbacks.translation_grid(model, batch, seed=0, has_pairs=run_data.has_pairs(recipe))
    return callbacks.sample_grid(model, seed=0)

"""The folder of a run, and what is asked of one before TensorFlow is imported.

run.json                the settings
history.csv             the metrics of each epoch; those named val_ are of the validation split
pictures/               samples after each epoch, always from the same noise (models that sample, here and below)
samples.png             samples of the finished model
training.gif            the samples of each epoch, one after another
reconstructions.png     test images, and below each its reconstruction (models that encode)
means.png, filters.png  means of classes and components, weights of hidden units (mixtures, Boltzmann machines)
preset/                 the model, for `from_preset` and for sharing
saved_model/<version>/  the model for TensorFlow Serving and `tf.saved_model.load` (models that sample)
backup/                 what `--resume` goes on from; see backup.py
"""

import csv
import json
import shlex
import shutil
from pathlib import Path

from keras_genzoo import presets, recipes
from keras_genzoo.recipes.settings import OF_RUN, flat, text_of

PRESET, SETTINGS, BACKUP, HISTORY = "preset", "run.json", "backup", "history.csv"
_FREE = ("epochs", "early_stopping", "log")  # settings that a run may go on with changed
# What runs from before there were such settings did.
_OF_OLD_RUNS = {"set": {}, "init": None, "evaluate_every": 0, "early_stopping": None, "keep": "last", "log": []}


def default(recipe_name):
    """The folder of a run for which the user names none."""
    return Path("runs") / recipe_name


def train_command(recipe_name, output, *options):
    """What to type to train in a folder: `genzoo train ...`."""
    where = [] if Path(output) == default(recipe_name) else ["--output", str(output)]
    return shlex.join(["genzoo", "train", recipe_name, *where, *options])


def resolve(preset_or_run):
    """The preset folder of a run, or of a preset given by name or path."""
    run = Path(preset_or_run)
    if (run / SETTINGS).is_file():
        if not (run / PRESET).is_dir():
            command = train_command(read_settings(run)["recipe"], run, "--resume")
            raise ValueError(f"the run in {str(run)!r} is not finished; to go on: {command}")
        return run / PRESET
    return presets.find(preset_or_run)


def holds_pictures(preset_or_run):
    """Whether what is named is a folder of pictures, and neither a run nor a preset."""
    folder = Path(preset_or_run)
    if not folder.is_dir() or (folder / SETTINGS).is_file() or (folder / presets.METADATA).is_file():
        return False
    from keras_genzoo import picture_files

    return any(path.suffix.lower() in picture_files.SUFFIXES for path in folder.rglob("*"))


def settings(recipe_name, recipe, output, overrides, resume, overwrite):
    """The settings of a run, but for the splits of a new one.

    Args:
        recipe_name: str.
        recipe: `Recipe`, of that name.
        output: path of the folder.
        overrides: see `runs.train`; so are resume, overwrite and what is raised.
    """
    given = {key: value for key, value in overrides.items() if value not in (None, {}, [])}
    holds_run = (output / SETTINGS).is_file()
    if holds_run and not overwrite:
        old = read_settings(output)
        resume_command = train_command(old["recipe"], output, "--resume")
    if holds_run and resume:
        if old["recipe"] != recipe_name:
            raise ValueError(
                f"the run in {str(output)!r} is one of recipe {old['recipe']}, not of {recipe_name}; to go on with it: "
                f"{resume_command}"
            )
        old = {**_OF_OLD_RUNS, **old}
        changed = [key for key in given if key not in _FREE and given[key] != old[key]]
        if changed:
            begun, asked = (shlex.join(_words(values, changed)) for values in (old, given))
            begun = begun or "no --set"
            raise ValueError(
                f"the run in {str(output)!r} was begun with {begun} and cannot go on with {asked}; to go on as it was "
                f"begun: {resume_command}"
            )
        return {**old, **given}  # the splits, too, that it was begun with
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        if not holds_run:
            raise FileExistsError(f"output {str(output)!r} holds other files; choose another with --output.")
        if not overwrite:
            raise FileExistsError(
                f"output {str(output)!r} already holds a run. Replace it by --overwrite, choose another folder with "
                f"--output, or go on with it: {resume_command}"
            )
    if resume:
        raise FileNotFoundError(
            f"output {str(output)!r} holds no run to resume; name its folder with --output, or leave out --resume."
        )
    return {**defaults(recipe_name, recipe), **given}


def options(settings, recipe):
    """The options of `genzoo train` that give such settings, a list of words."""
    usual, settings = defaults(settings["recipe"], recipe), {**_OF_OLD_RUNS, **settings}
    return _words(settings, [key for key, value in usual.items() if settings[key] != value])


def read_settings(output):
    """What run.json of a run holds."""
    try:
        return json.loads((output / SETTINGS).read_text())
    except ValueError as error:
        raise ValueError(
            f"{SETTINGS} of the run in {str(output)!r} is damaged: {error}. Replace the run by --overwrite, or choose "
            "another folder with --output."
        ) from None


def all_settings(facts):
    """dict of dotted keys: every setting of a run, see `recipes.settings`.

    Args:
        facts: dict, as run.json holds them.
    """
    facts = {**_OF_OLD_RUNS, **facts}
    return {**flat(recipes.of_run(facts)), **{key: facts[name] for key, (name, _) in OF_RUN.items()}}


def _words(settings, keys):
    """The words of a command line that give these settings."""
    words = []
    for key in keys:
        if key == "set":
            words += [word for name, value in settings["set"].items() for word in ("--set", f"{name}={text_of(value)}")]
        elif key == "log":
            words += [word for name in settings["log"] for word in ("--log", name)]
        else:
            words += [f"--{key.replace('_', '-')}", str(settings[key])]
    return words


def is_finished(output, num_epochs):
    """Whether a run has left its preset, which it does last, and not that of before it went on with more epochs."""
    metadata = output / PRESET / presets.METADATA
    return metadata.is_file() and json.loads(metadata.read_text())["epochs"] == num_epochs


def has_backed_up(output):
    """Whether a run must have written a backup: with its first epoch, before the second is in the history."""
    return num_epochs(output / HISTORY) > 1 or (output / PRESET).is_dir()


def num_epochs(history):
    """int: the epochs in a history file, 0 where there is none."""
    return len(read_history(history))


def read_history(history):
    """A list of dicts, the columns of each epoch in a history file as text; empty where there is none."""
    return list(csv.DictReader(history.read_text().splitlines())) if history.is_file() else []


def delete(output):
    """Empties the folder of a run; run.json goes last, so that what a kill leaves is still known as a run."""
    for path in sorted(output.iterdir(), key=lambda path: path.name == SETTINGS):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def defaults(recipe_name, recipe):
    """The settings of a run for which the user asks nothing else."""
    return {
        "recipe": recipe_name,
        "dataset": recipe.dataset,
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "precision": "float32",
        "seed": 0,
        "set": {},  # what else was changed in the recipe, see recipes.settings
        "init": None,
        "evaluate_every": None,
        "early_stopping": None,
        "keep": "best",
        "log": [],
    }

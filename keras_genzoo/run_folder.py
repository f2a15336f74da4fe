"""The folder of a run, and what is asked of one before TensorFlow is imported.

run.json                the settings
history.csv             the metrics of each epoch; those named val_ are of the validation split
pictures/               samples after each epoch, always from the same noise (models that sample, here and below)
samples.png             samples of the finished model
training.gif            the samples of each epoch, one after another
reconstructions.png     test images, and below each its reconstruction (models that encode)
filters.png             the weights of each hidden unit (restricted Boltzmann machines)
preset/                 the model, for `from_preset` and for sharing
saved_model/<version>/  the model for TensorFlow Serving and `tf.saved_model.load` (models that sample)
backup/                 what `--resume` goes on from; see backup.py
"""

import json
import shlex
import shutil
from pathlib import Path

from keras_genzoo import presets

PRESET, SETTINGS, BACKUP, HISTORY = "preset", "run.json", "backup", "history.csv"


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
            command = train_command(_read_settings(run)["recipe"], run, "--resume")
            raise ValueError(f"the run in {str(run)!r} is not finished; to go on: {command}")
        return run / PRESET
    return presets.find(preset_or_run)


def settings(recipe_name, recipe, output, overrides, resume, overwrite):
    """The settings of a run, but for the splits of a new one.

    Args:
        recipe_name: str.
        recipe: `Recipe`, of that name.
        output: path of the folder.
        overrides: see `runs.train`; so are resume, overwrite and what is raised.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    holds_run = (output / SETTINGS).is_file()
    if holds_run and not overwrite:
        old = _read_settings(output)
        resume_command = train_command(old["recipe"], output, "--resume")
    if holds_run and resume:
        if old["recipe"] != recipe_name:
            raise ValueError(
                f"the run in {str(output)!r} is one of recipe {old['recipe']}, not of {recipe_name}; to go on with it: "
                f"{resume_command}"
            )
        changed = [key for key in given if key != "epochs" and given[key] != old[key]]
        if changed:
            begun = ", ".join(f"{_option(key)} {old[key]}" for key in changed)
            asked = ", ".join(f"{_option(key)} {given[key]}" for key in changed)
            raise ValueError(
                f"the run in {str(output)!r} was begun with {begun} and cannot go on with {asked}; to go on as it was "
                f"begun: {resume_command}"
            )
        return {**old, **given}
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
    changed = {key: value for key, value in defaults(settings["recipe"], recipe).items() if settings[key] != value}
    return [word for key in changed for word in (_option(key), str(settings[key]))]


def _read_settings(output):
    try:
        return json.loads((output / SETTINGS).read_text())
    except ValueError as error:
        raise ValueError(
            f"{SETTINGS} of the run in {str(output)!r} is damaged: {error}. Replace the run by --overwrite, or choose "
            "another folder with --output."
        ) from None


def _option(setting):
    return f"--{setting.replace('_', '-')}"


def is_finished(output, num_epochs):
    """Whether a run has left its preset, which it does last, and not that of before it went on with more epochs."""
    metadata = output / PRESET / presets.METADATA
    return metadata.is_file() and json.loads(metadata.read_text())["epochs"] == num_epochs


def has_backed_up(output):
    """Whether a run must have written a backup: with its first epoch, before the second is in the history."""
    history = output / HISTORY
    num_epochs = len(history.read_text().splitlines()) - 1 if history.is_file() else 0
    return num_epochs > 1 or (output / PRESET).is_dir()


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
    }

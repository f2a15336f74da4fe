"""What the commands of `genzoo` share: arguments, options, what is found before TensorFlow is there, plain errors."""

import contextlib
import os
import shlex
import signal
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from keras_genzoo import presets, recipes, run_folder, startup_notes


def complete_recipes(context, argument, incomplete):
    return [name for name in recipes.RECIPES if name.startswith(incomplete)]


def complete_presets(context, argument, incomplete):
    # First, since Bash forgets what stands before it, and completes folders where no name fits.
    folders = CompletionItem(incomplete, type="dir")
    return [folders, *(CompletionItem(name) for name in presets.list_presets() if name.startswith(incomplete))]


preset_or_run_argument = click.argument("preset_or_run", shell_complete=complete_presets)


def quiet(context, option, verbose):
    """Sees to it, before TensorFlow is imported, that its notes do not hide the command's own lines."""
    if not (verbose or context.resilient_parsing):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        startup_notes.hide()


verbose_option = click.option(
    "--verbose", is_flag=True, expose_value=False, callback=quiet, help="Show TensorFlow's notes, too."
)
num_samples_option = click.option("--num-samples", type=click.IntRange(1), default=64, show_default=True)
seed_option = click.option(
    "--seed", type=click.IntRange(-(2**31), 2**31 - 1), help="The same seed draws the same images."
)


def picture_option(default):
    return click.option(
        "--output", type=click.Path(path_type=Path), default=default, show_default=True, help="The picture, a .png."
    )


def find(preset_or_run, verb=None):
    """The folder of a preset that can do that, or anything; what is wrong with it must not wait for TensorFlow."""
    folder = run_folder.resolve(preset_or_run)
    facts = presets.read_metadata(folder)
    name = facts.get("class_name")
    if name == "Classifier":
        loaded_by = preset_or_run if preset_or_run in presets.list_presets() else str(folder)
        raise ValueError(
            f"preset {preset_or_run!r} holds a Classifier, which draws no samples. To measure it: "
            f"{shlex.join(['genzoo', 'evaluate', preset_or_run])}; to load it in Python: "
            f"keras_genzoo.evaluation.Classifier.from_preset({loaded_by!r})"
        )
    verbs = facts.get("verbs", ["sample"])  # presets from before there were others do not say
    if verb not in (None, *verbs):
        is_command = verbs[0] in click.get_current_context().parent.command.commands
        command = f" To use it: {shlex.join(['genzoo', verbs[0], preset_or_run])}" if is_command else ""
        raise ValueError(
            f"preset {preset_or_run!r} holds a {name}, which does not {verb}; its verbs are {', '.join(verbs)}."
            f"{command}"
        )
    return folder


def check_label(label, folder, preset_or_run):
    """Refuses a class that the model of a preset is known not to have; those saved from Python do not say."""
    facts = presets.read_metadata(folder)
    if "num_classes" not in facts:
        return
    if facts["num_classes"] is None:
        raise ValueError(f"preset {preset_or_run!r} knows no classes; leave out --label.")
    if not 0 <= label < facts["num_classes"]:
        last = facts["num_classes"] - 1
        raise ValueError(f"--label must be a class of preset {preset_or_run!r}, from 0 to {last}; got {label}")


def check_picture(output):
    if output.suffix.lower() != ".png":
        raise ValueError(f"--output must end in .png, the format of the picture; got {output}")


def check_film(film):
    from keras_genzoo import picture_files

    if film.suffix.lower() not in picture_files.FILM_SUFFIXES:
        raise ValueError(f"--film must end in .gif or .webp, the formats of films; got {film}")


def write_picture(images, output):
    """Writes a grid and says so, with the folder where it makes one."""
    from keras_genzoo import pictures

    where = in_new(output.parent)
    pictures.save_grid(images, output)
    click.echo(f"Wrote {output}{where}.")


def in_new(folder):
    """What is said of a folder that is made where something in it is written."""
    return "" if folder.exists() else f" in the new folder {folder}"


def docker_command(folder, name, has_config, jit_compile):
    """The command that serves what lies in a folder: all that models.config lists, or the model of that name."""
    command = ["docker", "run", "-p", "8500:8500", "-p", "8501:8501", "-v", f"{folder.resolve()}:/models"]
    if has_config:
        command += ["tensorflow/serving", "--model_config_file=/models/models.config"]
    else:
        command += ["-e", f"MODEL_NAME={name}", "tensorflow/serving"]
    return shlex.join([*command, *["--xla_cpu_compilation_enabled=true"] * jit_compile])


@contextlib.contextmanager
def plain_errors():
    """Shows what the user did wrong as one line instead of a traceback."""
    try:
        yield
    except (ValueError, FileExistsError, FileNotFoundError, ImportError) as error:
        raise click.ClickException(str(error)) from error


@contextlib.contextmanager
def goes_on(command, settings, resume, overwrite):
    """On Ctrl-C shows the command that goes on with a run, instead of a traceback.

    Args:
        command: list of words, without the two options below.
        settings: path of the file with which a run begins; until it is written there is nothing to resume.
        resume: bool, as the user gave it.
        overwrite: bool, as the user gave it.
    """
    before = _version(settings)
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would interrupt the way out
        if resume or _version(settings) not in (None, before):
            command = [*command, "--resume"]
        elif overwrite:
            command = [*command, "--overwrite"]
        click.echo(f"\nInterrupted. To go on: {shlex.join(command)}", err=True)
        click.get_current_context().exit(128 + signal.SIGINT)


def _version(path):
    """What tells a file from one that replaces it; None where there is none."""
    try:
        return path.stat().st_ino, path.stat().st_mtime_ns
    except FileNotFoundError:
        return None

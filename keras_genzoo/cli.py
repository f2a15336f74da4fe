"""The command line: `genzoo train | sample | evaluate | export | list`.

TensorFlow is imported by the commands that need it, when they run, so that `genzoo --help` answers at once.
"""

import contextlib
import os
import shlex
import signal
from pathlib import Path

import click
from click.shell_completion import CompletionItem

import keras_genzoo
from keras_genzoo import cards, presets, recipes, run_folder, startup_notes


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(keras_genzoo.__version__, package_name="keras-genzoo")
def main():
    """Deep generative models for Keras: train, sample, evaluate and export.

    \b
    Start here:
      genzoo list
      genzoo train cvae_digits

    \b
    To have Tab complete names of recipes and presets:
      eval "$(_GENZOO_COMPLETE=bash_source genzoo)"     in ~/.bashrc
      eval "$(_GENZOO_COMPLETE=zsh_source genzoo)"      in ~/.zshrc
      _GENZOO_COMPLETE=fish_source genzoo | source      in ~/.config/fish/config.fish
    """


def _recipes(context, argument, incomplete):
    return [name for name in recipes.RECIPES if name.startswith(incomplete)]


def _presets_and_folders(context, argument, incomplete):
    # First, since Bash forgets what stands before it, and completes folders where no name fits.
    folders = CompletionItem(incomplete, type="dir")
    return [folders, *(CompletionItem(name) for name in presets.list_presets() if name.startswith(incomplete))]


_preset_or_run = click.argument("preset_or_run", shell_complete=_presets_and_folders)


def _quiet(context, option, verbose):
    """Sees to it, before TensorFlow is imported, that its notes do not hide the command's own lines."""
    if not (verbose or context.resilient_parsing):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        startup_notes.hide()


_verbose = click.option(
    "--verbose", is_flag=True, expose_value=False, callback=_quiet, help="Show TensorFlow's notes, too."
)


@main.command(short_help="Train a model by RECIPE and measure it.")
@click.argument("recipe", shell_complete=_recipes)
@click.option("--dataset", help="Data set instead of the recipe's: 'digits' or a TFDS name.")
@click.option("--epochs", type=click.IntRange(1), help="Epochs in all, instead of the recipe's.")
@click.option("--batch-size", type=click.IntRange(1), help="Batch size instead of the recipe's.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/RECIPE]")
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed_bfloat16", "mixed_float16"]),
    help="Keras dtype policy.  [default: float32]",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of weights, orders and noise.  [default: 0]")
@click.option("--full", is_flag=True, help="Measure with as many draws and samples as in the cards of presets.")
@click.option("--resume", is_flag=True, help="Go on with the run in the output folder, as if it had never stopped.")
@click.option("--overwrite", is_flag=True, help="Replace the run in the output folder.")
@_verbose
def train(recipe, output, full, resume, overwrite, **overrides):
    """Train RECIPE (see `genzoo list`); leaves pictures, figures, a preset and a SavedModel."""
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    folder = output or run_folder.default(recipe)
    command = ["genzoo", "train", recipe]
    for name, value in {"output": output, **overrides}.items():
        command += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    command += ["--full"] * full
    with _goes_on(command, folder / run_folder.SETTINGS, resume, overwrite), _plain_errors():
        # What is wrong must not wait for TensorFlow.
        run_folder.settings(recipe, recipes.get(recipe), folder, overrides, resume, overwrite)
        from keras_genzoo import runs

        runs.train(recipe, folder, overrides, resume, overwrite, click.echo, full)


@main.command()
@_preset_or_run
@click.option("--num-samples", type=click.IntRange(1), default=64, show_default=True)
@click.option("--label", type=int, help="Class to draw, for a conditional model; by default one class a column.")
@click.option("--seed", type=click.IntRange(-(2**31), 2**31 - 1), help="The same seed draws the same images.")
@click.option(
    "--output", type=click.Path(path_type=Path), default="samples.png", show_default=True, help="The picture, a .png."
)
@_verbose
def sample(preset_or_run, num_samples, label, seed, output):
    """Draw images from PRESET_OR_RUN into one PNG picture."""
    with _plain_errors():
        if output.suffix.lower() != ".png":
            raise ValueError(f"--output must end in .png, the format of the picture; got {output}")
        folder = _find(preset_or_run)
        from keras_genzoo import callbacks, pictures
        from keras_genzoo.generative_model import GenerativeModel

        model = GenerativeModel.from_preset(folder)
        if label is None:
            pictures.save_grid(callbacks.sample_grid(model, num_samples, seed), output)
        else:
            pictures.save_grid(model.sample(num_samples, [label] * num_samples, seed), output)
        click.echo(f"Wrote {output}.")


@main.command(short_help="Measure PRESET_OR_RUN on the test split of its data.")
@_preset_or_run
@click.option("--dataset", help="Data set, for a preset that does not say on which it was trained, or instead of that.")
@click.option(
    "--binarize",
    type=click.Choice(["stochastic", "threshold"]),
    help="How the pixels of --dataset become bits.  [default: as in training; stochastic for a model of bits]",
)
@click.option("--full", is_flag=True, help="As many draws and samples as in the cards of presets.")
@click.option(
    "--num-importance-samples",
    type=click.IntRange(1),
    help="Draws of the likelihood bound.  [default: at most 100]",
)
@click.option(
    "--num-samples",
    type=click.IntRange(6),
    help="Samples compared with test images.  [default: as many as test images, at most 1000]",
)
@click.option(
    "--features",
    metavar="NAME_OR_PRESET",
    help="Where they are compared: 'inception_v3', or a preset of a classifier.  [default: by data set]",
)
@_verbose
def evaluate(preset_or_run, dataset, binarize, full, num_importance_samples, num_samples, features):
    """Measure PRESET_OR_RUN on the test split of the data it was trained on, or of another data set."""
    with _plain_errors():
        folder = run_folder.resolve(preset_or_run)
        facts = presets.read_metadata(folder)
        if dataset is None and "recipe" not in facts:
            command = shlex.join(["genzoo", "evaluate", preset_or_run, "--dataset", "mnist"])
            raise ValueError(
                f"preset {preset_or_run!r} was saved from Python and does not say on which data it was trained; add "
                f"--dataset NAME, such as: {command}"
            )
        if binarize and dataset is None:
            raise ValueError("--binarize is for another data set than that of the training; add --dataset NAME.")
        if (features or num_samples) and facts.get("class_name") == "Classifier":
            raise ValueError("a Classifier draws no samples; leave out --features and --num-samples.")
        recipe = recipes.get(facts["recipe"]) if "recipe" in facts else None
        import keras

        from keras_genzoo import evaluation, measuring, run_data

        model, settings = presets.load(folder, keras.Model), facts
        if dataset:
            recipe, settings = measuring.on_dataset(model, recipe, dataset, binarize)
        run_data.compile_model(model, recipe)
        features = features or evaluation.default_features(settings["dataset"])
        effort = measuring.effort(model, recipe, settings["dataset"], full, num_importance_samples, num_samples)
        figures = measuring.measure(model, recipe, settings, features, effort, report=click.echo)
        bits = cards.BITS[recipe.data_options.get("binarize")] if dataset else ""
        click.echo(f"\n{facts['class_name']} {preset_or_run} on {settings['dataset']}, test split{bits}")
        click.echo(measuring.format_measurements(figures, recipe.published))
        if not (full or effort.is_full):
            click.echo(effort.quick_note("add --full"))


@main.command(short_help="Export PRESET_OR_RUN for TensorFlow Serving, ONNX or LiteRT.")
@_preset_or_run
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Writes OUTPUT/<name>/<version>/.")
@click.option("--version", type=click.IntRange(1), help="By default the next free number.")
@click.option(
    "--format",
    type=click.Choice(["tf_saved_model", "onnx", "litert"]),
    default="tf_saved_model",
    help="onnx and litert write the decoder or generator alone, to OUTPUT/<name>.onnx or .tflite.",
)
@click.option("--batch-size", type=click.IntRange(1), default=1, help="Rows that a LiteRT file takes at a time.")
@click.option(
    "--jit-compile/--no-jit-compile",
    default=False,
    help="Have XLA compile the samplers of autoregressive models; the server must be told to, see what is printed.",
)
@click.option("--server-config", is_flag=True, help="Also write OUTPUT/models.config and batching_parameters.txt.")
@_verbose
def export(preset_or_run, output, version, format, batch_size, jit_compile, server_config):
    """Export PRESET_OR_RUN as a SavedModel in the folder layout of TensorFlow Serving."""
    with _plain_errors():
        folder = _find(preset_or_run)
        name = Path(preset_or_run).resolve().name
        is_saved_model = format == "tf_saved_model"
        if server_config and not is_saved_model:
            raise ValueError("--server-config is for SavedModels; leave out --format.")
        from keras_genzoo import serving
        from keras_genzoo.generative_model import GenerativeModel

        path = output / (name if is_saved_model else name + serving.FORMATS[format].suffix)
        options = {"version": version, "jit_compile": jit_compile, "batch_size": batch_size}
        path = GenerativeModel.from_preset(folder).export(path, format, **options)
        click.echo(f"Wrote {path}.")
        if server_config:
            click.echo(f"Wrote {' and '.join(serving.write_server_config(output))}.")
        if is_saved_model:
            click.echo(f"Serve it: {_docker(output, name, server_config, jit_compile)}")
            if jit_compile:
                click.echo("On a GPU: tensorflow/serving:latest-gpu --xla_gpu_compilation_enabled=true, from 2.18 on.")


@main.command(name="list")
@click.option("--verbose", is_flag=True, help="Sizes, all figures of presets, and published ones, too.")
@click.option("--markdown", is_flag=True, help="The presets alone, as the table of the README.")
def list_(verbose, markdown):
    """List recipes to train and presets to load."""
    if verbose and markdown:
        raise click.UsageError("--verbose and --markdown exclude each other.")
    from keras_genzoo import listing

    click.echo(listing.verbose() if verbose else listing.markdown() if markdown else listing.short())


def _find(preset_or_run):
    """The folder of a preset that draws samples; what is wrong with it must not wait for TensorFlow."""
    folder = run_folder.resolve(preset_or_run)
    if presets.read_metadata(folder).get("class_name") == "Classifier":
        loaded_by = preset_or_run if preset_or_run in presets.list_presets() else str(folder)
        raise ValueError(
            f"preset {preset_or_run!r} holds a Classifier, which draws no samples. To measure it: "
            f"{shlex.join(['genzoo', 'evaluate', preset_or_run])}; to load it in Python: "
            f"keras_genzoo.evaluation.Classifier.from_preset({loaded_by!r})"
        )
    return folder


def _docker(folder, name, has_config, jit_compile):
    """The command that serves what lies in a folder: all that models.config lists, or the model of that name."""
    command = ["docker", "run", "-p", "8500:8500", "-p", "8501:8501", "-v", f"{folder.resolve()}:/models"]
    if has_config:
        command += ["tensorflow/serving", "--model_config_file=/models/models.config"]
    else:
        command += ["-e", f"MODEL_NAME={name}", "tensorflow/serving"]
    return shlex.join([*command, *["--xla_cpu_compilation_enabled=true"] * jit_compile])


@contextlib.contextmanager
def _plain_errors():
    """Shows what the user did wrong as one line instead of a traceback."""
    try:
        yield
    except (ValueError, FileExistsError, FileNotFoundError, ImportError) as error:
        raise click.ClickException(str(error)) from error


@contextlib.contextmanager
def _goes_on(command, settings, resume, overwrite):
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


if __name__ == "__main__":
    main(prog_name="genzoo")

"""The command line: `genzoo train | sample | translate | evaluate | export | list`.

TensorFlow is imported by the commands that need it, when they run, so that `genzoo --help` answers at once.
"""

import shlex
from pathlib import Path

import click

import keras_genzoo
from keras_genzoo import cards, presets, recipes, run_folder
from keras_genzoo.command_line import (
    check_label,
    check_picture,
    complete_recipes,
    docker_command,
    find,
    goes_on,
    in_new,
    num_samples_option,
    picture_option,
    plain_errors,
    preset_or_run_argument,
    seed_option,
    verbose_option,
    write_picture,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(keras_genzoo.__version__, package_name="keras-genzoo")
def main():
    """Deep generative models for Keras: train, sample, translate, evaluate and export.

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


@main.command(short_help="Train a model by RECIPE and measure it.")
@click.argument("recipe", shell_complete=complete_recipes)
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
@verbose_option
def train(recipe, output, full, resume, overwrite, **overrides):
    """Train RECIPE (see `genzoo list`); leaves pictures, figures, a preset and a SavedModel."""
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    folder = output or run_folder.default(recipe)
    command = ["genzoo", "train", recipe]
    for name, value in {"output": output, **overrides}.items():
        command += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
    command += ["--full"] * full
    with goes_on(command, folder / run_folder.SETTINGS, resume, overwrite), plain_errors():
        # What is wrong must not wait for TensorFlow.
        run_folder.settings(recipe, recipes.get(recipe), folder, overrides, resume, overwrite)
        from keras_genzoo import runs

        runs.train(recipe, folder, overrides, resume, overwrite, click.echo, full)


@main.command()
@preset_or_run_argument
@num_samples_option
@click.option("--label", type=int, help="Class to draw, for a conditional model; by default one class a column.")
@seed_option
@picture_option("samples.png")
@verbose_option
def sample(preset_or_run, num_samples, label, seed, output):
    """Draw images from PRESET_OR_RUN into one PNG picture."""
    with plain_errors():
        check_picture(output)
        folder = find(preset_or_run, "sample")
        if label is not None:
            check_label(label, folder, preset_or_run)
        from keras_genzoo import callbacks
        from keras_genzoo.generative_model import GenerativeModel

        model = GenerativeModel.from_preset(folder)
        if label is None:
            write_picture(callbacks.sample_grid(model, num_samples, seed), output)
        else:
            images = model.sample(num_samples, [label] * num_samples, seed)
            write_picture(model.sample_domain.picture(images), output)


@main.command(short_help="Translate PICTURES by PRESET_OR_RUN, or images of its data.")
@preset_or_run_argument
@click.argument("pictures", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@num_samples_option
@seed_option
@picture_option("translations.png")
@verbose_option
def translate(preset_or_run, pictures, num_samples, seed, output):
    """Translate PICTURES, PNG or JPEG files, by PRESET_OR_RUN: rows of them, and below each what the model makes of it.

    Without PICTURES the first images of the test split of its data, with the true targets below.
    """
    with plain_errors():
        check_picture(output)
        folder = find(preset_or_run, "translate")
        facts = presets.read_metadata(folder)
        if not pictures and "recipe" not in facts:
            raise ValueError(
                f"preset {preset_or_run!r} was saved from Python and does not say on which data it was trained; name "
                f"pictures: {shlex.join(['genzoo', 'translate', preset_or_run, 'picture.png'])}"
            )
        from keras_genzoo import callbacks, run_data
        from keras_genzoo import pictures as picture_files
        from keras_genzoo.generative_model import GenerativeModel

        model = GenerativeModel.from_preset(folder)
        if pictures:
            sources = picture_files.read(pictures, model.source_shape)
            write_picture(callbacks.translated_rows(model, sources, seed), output)
        else:
            batch = run_data.first_examples(recipes.get(facts["recipe"]), facts, "test", num_samples)
            write_picture(callbacks.translation_grid(model, batch, seed), output)


@main.command(short_help="Measure PRESET_OR_RUN on the test split of its data.")
@preset_or_run_argument
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
@verbose_option
def evaluate(preset_or_run, dataset, binarize, full, num_importance_samples, num_samples, features):
    """Measure PRESET_OR_RUN on the test split of the data it was trained on, or of another data set."""
    with plain_errors():
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
@preset_or_run_argument
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
@verbose_option
def export(preset_or_run, output, version, format, batch_size, jit_compile, server_config):
    """Export PRESET_OR_RUN as a SavedModel in the folder layout of TensorFlow Serving."""
    with plain_errors():
        folder = find(preset_or_run)
        name = Path(preset_or_run).resolve().name
        is_saved_model = format == "tf_saved_model"
        if server_config and not is_saved_model:
            raise ValueError("--server-config is for SavedModels; leave out --format.")
        from keras_genzoo import serving
        from keras_genzoo.generative_model import GenerativeModel

        path = output / (name if is_saved_model else name + serving.FORMATS[format].suffix)
        where = in_new(output)
        options = {"version": version, "jit_compile": jit_compile, "batch_size": batch_size}
        path = GenerativeModel.from_preset(folder).export(path, format, **options)
        click.echo(f"Wrote {path}{where}.")
        if server_config:
            click.echo(f"Wrote {' and '.join(serving.write_server_config(output))}.")
        if is_saved_model:
            click.echo(f"Serve it: {docker_command(output, name, server_config, jit_compile)}")
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


if __name__ == "__main__":
    main(prog_name="genzoo")

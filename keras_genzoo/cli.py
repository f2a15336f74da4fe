"""The command line: `genzoo train | sample | evaluate | export | list`.

TensorFlow is imported by the commands that need it, when they run, so that `genzoo --help` answers at once.
"""

import contextlib
import os
from pathlib import Path

import click

import keras_genzoo


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(keras_genzoo.__version__, package_name="keras-genzoo")
def main():
    """Deep generative models for Keras: train, sample, evaluate and export.

    \b
    Start here:
      genzoo list
      genzoo train vae_digits
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up notes hide the command's own lines


@main.command()
@click.argument("recipe")
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
@click.option("--resume", is_flag=True, help="Go on with the run in the output folder after its last finished epoch.")
@click.option("--overwrite", is_flag=True, help="Replace the run in the output folder.")
def train(recipe, output, resume, overwrite, **overrides):
    """Train RECIPE (see `genzoo list`); leaves pictures, figures, a preset and a SavedModel."""
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    from keras_genzoo import recipes

    with _plain_errors():
        recipes.get(recipe)  # a wrong name must not wait for TensorFlow
        from keras_genzoo import runs

        runs.train(recipe, output or Path("runs") / recipe, overrides, resume, overwrite, report=click.echo)


@main.command()
@click.argument("preset_or_run")
@click.option("--num-samples", type=click.IntRange(1), default=64, show_default=True)
@click.option("--label", type=int, help="Class to draw, for a conditional model; by default one class a column.")
@click.option("--seed", type=click.IntRange(-(2**31), 2**31 - 1), help="The same seed draws the same images.")
@click.option("--output", type=click.Path(path_type=Path), default="samples.png", show_default=True)
def sample(preset_or_run, num_samples, label, seed, output):
    """Draw images from PRESET_OR_RUN into one PNG picture."""
    with _plain_errors():
        from keras_genzoo import callbacks, images

        model = _load(preset_or_run)
        if label is None:
            images.save_grid(callbacks.sample_grid(model, num_samples, seed), output)
        else:
            images.save_grid(model.sample(num_samples, [label] * num_samples, seed), output)
        click.echo(f"Wrote {output}.")


@main.command()
@click.argument("preset_or_run")
@click.option("--num-importance-samples", type=click.IntRange(1), help="Draws of the likelihood bound.")
def evaluate(preset_or_run, num_importance_samples):
    """Measure PRESET_OR_RUN on the test split of the data it was trained on."""
    with _plain_errors():
        import json

        from keras_genzoo import presets, recipes, runs

        folder = runs.resolve(preset_or_run)
        facts = json.loads((folder / presets.METADATA).read_text())
        if "recipe" not in facts:
            raise ValueError(f"preset {preset_or_run!r} does not say by which recipe and on which data it was trained.")
        recipe = recipes.get(facts["recipe"])
        model = _load(preset_or_run)
        model.compile()
        figures = runs.measure(model, recipe, runs.load_split(recipe, facts, "test"), num_importance_samples)
        click.echo(f"\n{recipe.model} {preset_or_run} on {facts['dataset']}")
        click.echo(runs.format_figures(figures, recipe.published))


@main.command()
@click.argument("preset_or_run")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Writes OUTPUT/<name>/<version>/.")
@click.option("--version", type=click.IntRange(1), help="By default the next free number.")
def export(preset_or_run, output, version):
    """Export PRESET_OR_RUN as a SavedModel in the folder layout of TensorFlow Serving."""
    with _plain_errors():
        name = Path(preset_or_run).resolve().name
        path = _load(preset_or_run).export(output / name, version)
        click.echo(
            f"Wrote {path}. TensorFlow Serving: --model_name={name} --model_base_path={(output / name).resolve()}"
        )


@main.command(name="list")
def list_():
    """Recipes to train and presets to load."""
    from keras_genzoo import presets, recipes

    click.echo("Recipes (genzoo train NAME):")
    for name, recipe in recipes.RECIPES.items():
        aim = f"; published {recipe.published[0].value} {recipe.published[0].what}" if recipe.published else ""
        click.echo(f"  {name:20} {recipe.model} on {recipe.dataset}, {recipe.epochs} epochs{aim}")
    click.echo("\nPresets (genzoo sample NAME):")
    for name, facts in presets.list_presets().items():
        figures = "; ".join(
            f"{figure.replace('_', ' ')} {value['value']:.2f} {value['unit']} (n={value['num_examples']})"
            for figure, value in facts.get("figures", {}).items()
        )
        click.echo(f"  {name:20} {facts['class_name']}, {facts['num_parameters']:,} parameters; {figures}")


def _load(preset_or_run):
    from keras_genzoo import runs
    from keras_genzoo.generative_model import GenerativeModel

    return GenerativeModel.from_preset(runs.resolve(preset_or_run))


@contextlib.contextmanager
def _plain_errors():
    """Shows what the user did wrong as one line instead of a traceback."""
    try:
        yield
    except (ValueError, FileExistsError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()

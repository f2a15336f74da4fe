"""`genzoo train`."""

import importlib.util
from pathlib import Path

import click

from keras_genzoo import recipes, run_folder
from keras_genzoo.command_line import complete_presets, complete_recipes, goes_on, plain_errors, verbose_option
from keras_genzoo.recipes import settings

# What varies all that is trained on; the others are for players, see `adversarial.augmentation`.
_FLIPS = ("flip", "crop", "jitter")
_DIFFERENTIABLE = ("color", "translation", "cutout")
_LOGS = ("tensorboard", "wandb")
_RESUME = "Go on with the run in the output folder, as if it had never stopped."


@click.command(short_help="Train a model by RECIPE and measure it.")
@click.argument("recipe", shell_complete=complete_recipes)
@click.option(
    "--dataset", "--data", help="Data instead of the recipe's: 'digits', a TFDS name, a folder or a .npz file."
)
@click.option("--image-size", type=click.IntRange(1), help="Side to bring all images to, in pixels.")
@click.option("--channels", type=click.Choice(["1", "3"]), help="Grey images, or colours.")
@click.option("--labels", type=click.Choice(["from-folders"]), help="Classes are the names of the subfolders.")
@click.option("--skip-broken", is_flag=True, help="Leave out files that cannot be read.")
@click.option(
    "--augment",
    multiple=True,
    type=click.Choice([*_FLIPS, *_DIFFERENTIABLE]),
    help="Vary the images trained on: flip, crop and jitter for any model, the others for GANs; may be repeated.",
)
@click.option(
    "--set", "changes", metavar="KEY=VALUE", multiple=True, help="Any setting that `genzoo show RECIPE` prints."
)
@click.option("--init", metavar="PRESET_OR_RUN", shell_complete=complete_presets, help="Begin with its weights.")
@click.option("--epochs", type=click.IntRange(1), help="Epochs in all, instead of the recipe's.")
@click.option("--batch-size", type=click.IntRange(1), help="Batch size instead of the recipe's.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the run.  [default: runs/RECIPE]")
@click.option(
    "--precision", type=click.Choice(settings.CHOICES["precision"]), help="Keras dtype policy.  [default: float32]"
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of weights, orders and noise.  [default: 0]")
@click.option(
    "--evaluate-every",
    type=click.IntRange(0),
    metavar="K",
    help="Measure on validation images every K epochs, 0 for never.  [default: ten times a run of a GAN]",
)
@click.option(
    "--early-stopping", type=click.IntRange(1), metavar="N", help="Stop after N measurements without a better one."
)
@click.option(
    "--keep", type=click.Choice(settings.CHOICES["keep"]), help="The epoch that becomes the preset.  [default: best]"
)
@click.option("--log", multiple=True, type=click.Choice(_LOGS), help="Log for a program that shows curves.")
@click.option("--full", is_flag=True, help="Measure with as many draws and samples as in the cards of presets.")
@click.option("--resume", is_flag=True, help=_RESUME)
@click.option("--overwrite", is_flag=True, help="Replace the run in the output folder.")
@verbose_option
def train(
    recipe, output, full, resume, overwrite, changes, image_size, channels, labels, skip_broken, augment, **flags
):
    """Train RECIPE, a name of `genzoo list` or a .toml file; leaves pictures, figures, a preset and a SavedModel."""
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other.")
    with plain_errors():
        name, given = settings.read(recipe) if recipe.endswith(".toml") else (recipe, {})
        named = recipes.get(name)
        given |= dict(map(_key_and_value, changes))
        given |= {key: flags[flag] for key, (flag, _) in settings.OF_RUN.items() if flags.get(flag) is not None}
        given |= _of_data(image_size, channels, labels, skip_broken, augment)
        overrides = {**settings.split(named, given), "log": list(flags["log"])}
        for log in flags["log"]:
            if importlib.util.find_spec(log) is None:
                raise ImportError(f"--log {log} needs a package: pip install 'keras-genzoo[{log}]', or leave it out.")
    folder = output or run_folder.default(Path(recipe).stem if recipe.endswith(".toml") else recipe)
    command = ["genzoo", "train", *_words(click.get_current_context())]
    with goes_on(command, folder / run_folder.SETTINGS, resume, overwrite), plain_errors():
        # What is wrong must not wait for TensorFlow.
        run_folder.settings(name, named, folder, overrides, resume, overwrite)
        from keras_genzoo import runs

        runs.train(name, folder, overrides, resume, overwrite, click.echo, full)


def _key_and_value(text):
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set takes KEY=VALUE, such as --set model.latent_dim=64; got {text!r}.")
    return key.strip(), settings.value_of(value.strip())


def _of_data(image_size, channels, labels, skip_broken, augment):
    """The settings that flags for data and augmentation stand for."""
    given = {"data.image_size": image_size, "data.channels": channels and int(channels)}
    given |= {"data.labels": True if labels else None, "data.skip_broken": skip_broken or None}
    for key, names in {"data.augment": _FLIPS, "compile.augmentation": _DIFFERENTIABLE}.items():
        given[key] = [name for name in augment if name in names] or None
    return {key: value for key, value in given.items() if value is not None}


def _words(context):
    """The words of this command, but for those that say whether to go on with a run."""
    words = [context.params["recipe"]]
    for parameter in sorted(context.command.params, key=lambda parameter: parameter.name != "output"):
        value = context.params.get(parameter.name)
        if not isinstance(parameter, click.Option) or parameter.name in ("resume", "overwrite"):
            continue
        for one in value if parameter.multiple else [value]:
            if parameter.is_flag:
                words += [parameter.opts[0]] if one else []
            elif one is not None:
                words += [parameter.opts[0], str(one)]
    return words

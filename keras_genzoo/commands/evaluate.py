"""`genzoo evaluate`."""

import shlex

import click

from keras_genzoo import cards, presets, recipes, run_folder
from keras_genzoo.command_line import plain_errors, preset_or_run_argument, verbose_option


@click.command(short_help="Measure PRESET_OR_RUN on the test split of its data.")
@preset_or_run_argument
@click.option(
    "--dataset", "--data", help="Data set, for a preset that does not say on which it was trained, or instead of that."
)
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
    help="Where they are compared: 'inception_v3', 'pixels', or a preset of a classifier.  [default: by data set]",
)
@click.option("--image-size", type=click.IntRange(1), help="Side to bring the pictures of two folders to.")
@verbose_option
def evaluate(preset_or_run, dataset, binarize, full, num_importance_samples, num_samples, features, image_size):
    """Measure PRESET_OR_RUN on the test split of the data it was trained on, or of another data set.

    A folder of pictures in its place is compared with those of --data, all of them.
    """
    with plain_errors():
        if run_folder.holds_pictures(preset_or_run):
            _compare_folders(preset_or_run, dataset, features or "inception_v3", image_size)
            return
        folder = run_folder.resolve(preset_or_run)
        if image_size:
            raise ValueError("--image-size is for two folders of pictures; a preset says the size of its images.")
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
        recipe = recipes.of_run(facts) if "recipe" in facts else None
        import keras

        from keras_genzoo import evaluation, measuring, run_data

        model, settings = presets.load(folder, keras.Model), facts
        if dataset:
            recipe, settings = measuring.on_dataset(model, recipe, dataset, binarize)
        run_data.compile_model(model, recipe)
        features = features or evaluation.default_features(settings["dataset"])
        effort = measuring.effort(model, recipe, settings, full, num_importance_samples, num_samples)
        figures = measuring.measure(model, recipe, settings, features, effort, report=click.echo)
        bits = cards.BITS[recipe.data_options.get("binarize")] if dataset else ""
        click.echo(f"\n{facts['class_name']} {preset_or_run} on {settings['dataset']}, test split{bits}")
        click.echo(measuring.format_measurements(figures, recipe.published))
        if not (full or effort.is_full):
            click.echo(effort.quick_note("add --full"))


def _compare_folders(folder, dataset, features, image_size):
    """Shows how far the pictures of a folder are from those of another, or of a data set."""
    if dataset is None:
        command = shlex.join(["genzoo", "evaluate", folder, "--data", "photos/"])
        raise ValueError(f"{folder!r} is a folder of pictures; say what to compare them with: {command}")
    from keras_genzoo import measuring

    figures = measuring.compare_folders(folder, dataset, features, image_size)
    click.echo(f"\nPictures of {folder} beside those of {dataset}")
    click.echo(measuring.format_measurements(figures, ()))

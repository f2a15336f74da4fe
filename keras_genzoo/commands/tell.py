"""`genzoo list`, `genzoo show` and `genzoo compare`: what there is, and how runs differ."""

from pathlib import Path

import click

from keras_genzoo import recipes, run_folder
from keras_genzoo.command_line import check_picture, complete_recipes, in_new, plain_errors
from keras_genzoo.recipes import settings


@click.command(name="list")
@click.option("--verbose", is_flag=True, help="Sizes, all figures of presets, and published ones, too.")
@click.option("--markdown", is_flag=True, help="The presets alone, as the table of the README.")
@click.option("--json", "as_json", is_flag=True, help="All that is known, for programs.")
@click.option("--family", help="Only of this family, such as adversarial.")
@click.option("--data", help="Only of this data set, such as mnist.")
@click.option("--class", "class_name", help="Only of this class of models, such as VAE.")
def list_(verbose, markdown, as_json, family, data, class_name):
    """List recipes to train and presets to load."""
    if verbose + markdown + as_json > 1:
        raise click.UsageError("--verbose, --markdown and --json exclude each other.")
    from keras_genzoo import listing

    with plain_errors():
        chosen = listing.choose(family=family, data=data, class_name=class_name)
        show = listing.verbose if verbose else listing.markdown if markdown else listing.short
        click.echo(listing.as_json(chosen) if as_json else show(chosen))


@click.command(short_help="Print all settings of RECIPE as a file to train.")
@click.argument("recipe", shell_complete=complete_recipes)
def show(recipe):
    """Print all settings of RECIPE, or of a run, as a TOML file; `genzoo train FILE.toml` trains by it."""
    with plain_errors():
        if recipe in recipes.RECIPES:
            facts = run_folder.defaults(recipe, recipes.get(recipe))
        elif (Path(recipe) / run_folder.SETTINGS).is_file():
            facts = run_folder.read_settings(Path(recipe))
        else:
            recipes.get(recipe)  # which says that there is none
        click.echo(settings.write(facts["recipe"], run_folder.all_settings(facts)))


@click.command(short_help="Compare RUNS: settings, measurements, curves.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), default="curves.png", show_default=True, help="The picture, a .png."
)
def compare(runs, output):
    """Show where the settings of RUNS differ, and their measurements side by side; draw their curves."""
    with plain_errors():
        check_picture(output)
        from keras_genzoo import comparing

        click.echo(comparing.table(runs))
        where = in_new(output.parent)
        comparing.draw_curves(runs, output)
        click.echo(f"\nWrote {output}{where}.")

"""`genzoo sample`, `genzoo translate` and `genzoo interpolate`."""

import shlex
from pathlib import Path

import click

from keras_genzoo import presets, recipes
from keras_genzoo.command_line import (
    check_film,
    check_label,
    check_picture,
    find,
    num_samples_option,
    picture_option,
    plain_errors,
    preset_or_run_argument,
    seed_option,
    verbose_option,
    write_picture,
)

_STEPS_OF_FILM = 30


@click.command()
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


@click.command(short_help="Translate PICTURES by PRESET_OR_RUN, or images of its data.")
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
            batch = run_data.first_examples(recipes.of_run(facts), facts, "test", num_samples)
            write_picture(callbacks.translation_grid(model, batch, seed), output)


@click.command(short_help="Draw a path between samples of PRESET_OR_RUN.")
@preset_or_run_argument
@click.option("--num-steps", type=click.IntRange(2), default=9, show_default=True, help="Images from end to end.")
@click.option("--num-paths", type=click.IntRange(1), default=4, show_default=True, help="Rows of the picture.")
@click.option("--label", type=int, help="Class of all images, for a conditional model.  [default: one class a row]")
@seed_option
@picture_option("interpolation.png")
@click.option("--film", type=click.Path(path_type=Path), help="Also writes the way there and back, a .gif or .webp.")
@verbose_option
def interpolate(preset_or_run, num_steps, num_paths, label, seed, output, film):
    """Draw paths between two latents of PRESET_OR_RUN, one a row, and as a film if asked for."""
    with plain_errors():
        check_picture(output)
        if film is not None:
            check_film(film)
        find(preset_or_run, "sample")
        folder = find(preset_or_run, "decode")
        if label is not None:
            check_label(label, folder, preset_or_run)
        from keras_genzoo import callbacks, pictures
        from keras_genzoo.generative_model import GenerativeModel

        model = GenerativeModel.from_preset(folder)
        write_picture(callbacks.interpolation(model, num_paths, num_steps, label, seed), output)
        if film is not None:
            images = callbacks.interpolation(model, num_paths, _STEPS_OF_FILM, label, seed)
            frames = [pictures.grid(images[:, i], num_columns=num_paths) for i in range(_STEPS_OF_FILM)]
            pictures.save_film([*frames, *frames[-2:0:-1]], film)  # there and back
            click.echo(f"Wrote {film}.")

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
from keras_genzoo.commands import translations

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
@click.argument("pictures", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--back", is_flag=True, help="Make sources of targets, by a model that goes both ways.")
@num_samples_option
@seed_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The picture, a .png, or of a folder the new folder.  [default: translations.png, translations]",
)
@verbose_option
def translate(preset_or_run, pictures, back, num_samples, seed, output):
    """Translate PICTURES by PRESET_OR_RUN: PNG, JPEG or WebP files, or a folder of them.

    Of one picture this writes the translation alone, of the size that the model draws; of several, rows of them, and
    below each its translation; of a folder, a folder of translations of the same names. Without PICTURES the first
    images of the test split of its data, with the true targets below where they have some.
    """
    with plain_errors():
        is_folder = any(picture.is_dir() for picture in pictures)
        output = output or Path("translations" if is_folder else "translations.png")
        if is_folder:
            names = translations.names(pictures, output)
        else:
            check_picture(output)
        folder = find(preset_or_run, "translate_back" if back else "translate")
        facts = presets.read_metadata(folder)
        if not pictures and "recipe" not in facts:
            raise ValueError(
                f"preset {preset_or_run!r} was saved from Python and does not say on which data it was trained; name "
                f"pictures: {shlex.join(['genzoo', 'translate', preset_or_run, 'picture.png'])}"
            )
        from keras_genzoo import callbacks, run_data
        from keras_genzoo.generative_model import GenerativeModel

        model = GenerativeModel.from_preset(folder)
        if is_folder:
            translations.write_folder(model, names, output, seed, back)
        elif len(pictures) == 1:
            translations.write_one(model, pictures[0], output, seed, back)
        elif pictures:
            sources = translations.read(model, pictures, back)
            write_picture(callbacks.translated_rows(model, sources, seed, back=back), output)
        else:
            recipe = recipes.of_run(facts)
            batch = run_data.first_examples(recipe, facts, "test", num_samples)
            has_pairs = run_data.has_pairs(recipe)
            write_picture(callbacks.translation_grid(model, batch, seed, has_pairs=has_pairs, back=back), output)


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

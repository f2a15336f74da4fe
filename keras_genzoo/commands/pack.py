"""`genzoo compress` and `genzoo decompress`."""

import contextlib
import io
import shlex
from pathlib import Path

import click

import keras_genzoo
from keras_genzoo import presets
from keras_genzoo.command_line import check_label, complete_presets, find, in_new, plain_errors, verbose_option

_SUFFIX = ".genzoo"


@click.command(short_help="Pack images without loss by an autoregressive model.")
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", "preset_or_run", required=True, metavar="PRESET_OR_RUN", shell_complete=complete_presets)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=f"packed{_SUFFIX}",
    show_default=True,
    help=f"The file, a {_SUFFIX}, which must be a new one.",
)
@click.option("--label", type=int, help="Class of all images, for a conditional model, where no file holds labels y.")
@click.option(
    "--binarize", type=click.Choice(["threshold"]), help="Make bits of the images first: 1 from level 0.5 up, else 0."
)
@verbose_option
def compress(images, preset_or_run, output, label, binarize):
    """Pack IMAGES into one file of about as many bits as the model thinks them improbable, and without loss.

    IMAGES are pictures of the model's shape, .npy files of an array (n, h, w, c), or .npz files of such an array x and
    labels y, for a model of classes. They must hold the model's grey levels alone.
    """
    with plain_errors():
        if output.suffix.lower() != _SUFFIX:
            raise ValueError(f"--output must end in {_SUFFIX}; got {output}")
        _check_is_new(output)
        folder = _find_model(preset_or_run)
        if label is not None:
            check_label(label, folder, preset_or_run)
        from keras_genzoo import exact_pictures, files
        from keras_genzoo.generative_model import GenerativeModel

        model = GenerativeModel.from_preset(folder)
        _check_no_vectors(model, preset_or_run)
        _check_binarize(binarize, model, preset_or_run)
        values, labels = exact_pictures.read(images, model.image_shape, model.num_levels, binarize is not None)
        labels = _labels(label, labels, len(values), model, preset_or_run)
        name = preset_or_run if preset_or_run in presets.list_presets() else ""
        packed = model.compress(values, labels, preset=name)
        where = in_new(output.parent)
        files.write(output, packed)
        click.echo(
            f"Wrote {output}{where}: {len(values):,} images in {len(packed):,} bytes, "
            f"{8 * len(packed) / values.size:.4f} bits/dim."
        )
        values = values if values.dtype == "uint8" else exact_pictures.as_bytes(values)
        sizes = {"one by one": sum(len(exact_pictures.png(image)) for image in values)}
        sizes["all in one picture"] = len(exact_pictures.png(exact_pictures.tiled(values)))
        for name, size in sizes.items():
            click.echo(f"As PNG, {name}: {size:,} bytes, {8 * size / values.size:.4f} bits/dim.")


@click.command(short_help="Unpack the images of a file that compress wrote.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--model",
    "preset_or_run",
    metavar="PRESET_OR_RUN",
    shell_complete=complete_presets,
    help="The model that packed them.  [default: the built-in preset that the file names]",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="A new folder for a PNG picture each, or a new .npz file for one array x.",
)
@verbose_option
def decompress(file, preset_or_run, output):
    """Unpack the images of FILE, which `genzoo compress` wrote, bit for bit."""
    with plain_errors():
        is_arrays = output.suffix.lower() == ".npz"
        if not is_arrays and output.suffix.lower() in (".npy", ".png"):
            raise ValueError(f"--output must be a folder for pictures, or end in .npz; got {output}")
        _check_is_new(output)
        from keras_genzoo.models.autoregressive.packed_images import PackedImages

        content = file.read_bytes()
        with _named(file):
            packed = PackedImages.from_bytes(content)
        folder = _find_model(preset_or_run or _preset_of(packed, file))
        from keras_genzoo import exact_pictures
        from keras_genzoo.generative_model import GenerativeModel

        model = GenerativeModel.from_preset(folder)
        _check_no_vectors(model, folder)
        with _named(file):
            images = exact_pictures.as_bytes(model.decompress(content))
        where = in_new(output.parent)
        (_write_arrays if is_arrays else _write_pictures)(images, output)
        click.echo(f"Wrote {output}{where}: {len(images):,} images.")


def _check_is_new(output):
    if output.exists():
        raise FileExistsError(f"output {str(output)!r} exists; choose another with --output, or remove it first.")


def _find_model(preset_or_run):
    """The folder of an autoregressive model."""
    folder = find(preset_or_run)
    name = presets.read_metadata(folder).get("class_name")
    if not keras_genzoo._MODELS.get(name, "").startswith("models.autoregressive."):
        raise ValueError(
            f"preset {preset_or_run!r} holds a {name}, which compresses nothing; autoregressive models do, such as the "
            f"presets of: {shlex.join(['genzoo', 'list', '--family', 'autoregressive'])}"
        )
    return folder


def _preset_of(packed, file):
    if packed.preset not in presets.list_presets():
        named = f"preset {packed.preset!r}, which is not here" if packed.preset else "no preset"
        raise ValueError(f"{str(file)!r} names {named}; name the model that packed it: --model PRESET_OR_RUN.")
    return packed.preset


def _check_binarize(binarize, model, preset_or_run):
    if binarize and model.num_levels != 2:
        raise ValueError(
            f"--binarize is for models of bits; preset {preset_or_run!r} is of {model.num_levels} levels. Leave it out."
        )


def _check_no_vectors(model, preset_or_run):
    if model.condition_dim:
        raise ValueError(
            f"preset {preset_or_run!r} is conditioned on vectors, which a file does not keep. In Python: "
            "model.compress(images, vectors) and model.decompress(packed, vectors)."
        )


def _labels(label, labels, num_images, model, preset_or_run):
    """The labels of the images, from --label or from the files; None for a model that wants none."""
    if not model.num_classes:
        if label is not None:
            raise ValueError(f"preset {preset_or_run!r} knows no classes; leave out --label.")
        return None
    if (label is None) == (labels is None):
        given = "neither is given" if label is None else "both are given"
        raise ValueError(f"preset {preset_or_run!r} is of classes: give --label, or labels y in .npz files; {given}.")
    return [label] * num_images if labels is None else labels


@contextlib.contextmanager
def _named(file):
    """Has messages name the file instead of the argument `packed`."""
    try:
        yield
    except ValueError as error:
        raise ValueError(str(error).replace("`packed`", repr(str(file)))) from None


def _write_pictures(images, output):
    from keras_genzoo import exact_pictures, files

    digits = len(str(len(images) - 1))
    with files.new_folder(output) as folder:
        for i, image in enumerate(images):
            (folder / f"{i:0{digits}}.png").write_bytes(exact_pictures.png(image))


def _write_arrays(images, output):
    import numpy as np

    from keras_genzoo import files

    content = io.BytesIO()
    np.savez_compressed(content, x=images)
    files.write(output, content.getvalue())

"""What `genzoo translate` writes: the translation of one picture, or a folder of translations."""

import click

from keras_genzoo import files
from keras_genzoo.command_line import in_new

_AT_ONCE = 100  # pictures, so that a folder of any size is translated in constant memory


def names(pictures, output):
    """dict, path of each picture of a folder to the name of its translation in the new folder.

    Args:
        pictures: tuple of paths, which should be one folder.
        output: path of the new folder.

    Raises:
        ValueError: for anything beside the folder, one without pictures, and two pictures of one name.
        FileExistsError: where there is something at `output`.
    """
    from keras_genzoo import picture_files

    if len(pictures) > 1:
        raise ValueError(
            f"a folder is translated alone, into a folder; got {len(pictures)} names. Leave out the others."
        )
    if output.suffix.lower() == ".png":
        raise ValueError(f"--output must be a folder, since {str(pictures[0])!r} is one; got {output}")
    if output.exists():
        raise FileExistsError(f"output {str(output)!r} exists; choose another with --output, or remove it first.")
    found = picture_files.below(pictures[0])
    if not found:
        suffixes = ", ".join(picture_files.SUFFIXES)
        raise ValueError(f"folder {str(pictures[0])!r} holds no picture, a file whose name ends in one of {suffixes}.")
    named = {}
    for path in found:
        name = path.relative_to(pictures[0]).with_suffix(".png")
        if name in named:
            raise ValueError(f"{str(path)!r} and {str(named[name])!r} would both become {str(name)!r}; rename one.")
        named[name] = path
    return {path: name for name, path in named.items()}


def read(model, paths, back):
    """Picture files as what a model translates: float32 `(n, h, w, c)` in [0, 1]."""
    from keras_genzoo import pictures

    return pictures.read(paths, model.image_shape if back else model.source_shape)


def write_one(model, path, output, seed, back):
    """Writes the translation of a picture, and says so."""
    from keras_genzoo import pictures

    where = in_new(output.parent)
    (translated,) = _translated(model, [path], seed, back)
    pictures.save(translated, output)
    click.echo(f"Wrote {output}{where}.")


def write_folder(model, names, output, seed, back):
    """Writes the translations of pictures into a new folder, which is there when all are; says so.

    Args:
        model: a `TranslationModel`.
        names: see `names`.
        output: path of the folder.
        seed: int32 or None; every hundred pictures have the same noise.
        back: bool.
    """
    from keras_genzoo import pictures

    paths = list(names)
    with files.new_folder(output) as folder:
        for first in range(0, len(paths), _AT_ONCE):
            chosen = paths[first : first + _AT_ONCE]
            for path, translated in zip(chosen, _translated(model, chosen, seed, back), strict=True):
                pictures.save(translated, folder / names[path])
    click.echo(f"Wrote {len(paths)} picture{'s' if len(paths) > 1 else ''} into {output}.")


def _translated(model, paths, seed, back):
    translate = model.translate_back if back else model.translate
    return translate(read(model, paths, back), seed=seed).numpy()

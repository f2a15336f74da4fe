"""Files with one picture each: which there are below a folder, whether each is whole, and their pixels."""

import functools
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")
FILM_SUFFIXES = (".gif", ".webp")  # of several pictures
_SMALL = (64, 64)  # pixels that a JPEG is at least decoded to while it is checked, which is several times as fast
_BACKGROUND = "white"  # of what is transparent


def below(folder):
    """list of paths, sorted: the pictures below a folder, hidden ones left out."""
    return sorted(
        path
        for path in Path(folder).rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def decode(path, size=None, channels=None):
    """The pixels of a picture, upright, as a person sees it.

    Args:
        path: of a PNG, JPEG or WebP file of 8 bits a channel; of an animation the first picture is taken.
        size: `(height, width)`; the middle of the picture is taken, as much of it as has these proportions, and
            resized (bicubic, antialiased). None leaves it as it is.
        channels: 1 for grey levels, 3 for colours; None for what the file holds. What is transparent lies on white.

    Returns:
        uint8 array `(height, width, channels)`.

    Raises:
        ValueError: for a file that cannot be read, is damaged, or has more than 8 bits a channel; it names the file.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode[0] in "IF" or _is_16_bit_png(path, picture):
                raise ValueError("it has more than 8 bits a channel; save it with 8")
            if size is not None:
                picture.draft(None, (max(size), max(size)))  # of a JPEG: turned on its side it must suffice, too
            picture.load()
            return _pixels(picture, size, channels)
    except Exception as error:  # whatever a decoder says of a damaged file
        raise ValueError(f"{str(path)!r} cannot be read as a picture: {error}.") from error


def _pixels(picture, size, channels):
    is_grey = picture.mode in ("1", "L", "LA")
    picture = ImageOps.exif_transpose(picture)
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, _BACKGROUND), picture)
    picture = picture.convert("L" if (channels or (1 if is_grey else 3)) == 1 else "RGB")
    if size is not None:
        picture = ImageOps.fit(picture, (size[1], size[0]), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _is_16_bit_png(path, picture):
    """Whether a PNG has 16 bits a channel, of which Pillow would quietly drop eight."""
    if picture.format != "PNG":
        return False
    with open(path, "rb") as file:
        return file.read(25)[24] == 16


def shapes(paths, skip_broken=False):
    """The shape `(height, width, channels)` of each picture; every file is read once in a process, and so proved whole.

    Args:
        paths: list of paths.
        skip_broken: bool, leave out files that cannot be read, with one warning that names them.

    Returns:
        dict of paths to shapes.

    Raises:
        ValueError: for a file that cannot be read, unless they are skipped.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes outside of Python's lock
        found = dict(zip(paths, pool.map(_shape_or_error, paths), strict=True))
    errors = [result for result in found.values() if isinstance(result, str)]
    if errors and not skip_broken:
        others = f" {len(errors) - 1} more of {len(paths)} files cannot be read either." * (len(errors) > 1)
        raise ValueError(
            f"{errors[0]}{others} Mend or remove what is broken, or leave it out: skip_broken=True, on the command "
            "line --skip-broken."
        )
    if errors:
        names = ", ".join(path.name for path, result in found.items() if isinstance(result, str))
        warnings.warn(f"left out, since they cannot be read: {names}", stacklevel=2)
    return {path: result for path, result in found.items() if not isinstance(result, str)}


def _shape_or_error(path):
    facts = path.stat()
    return _shape_of(path, facts.st_mtime_ns, facts.st_size)


@functools.cache
def _shape_of(path, *version):
    """The shape of a picture, or why it has none; read again only where the file is another one."""
    try:
        with Image.open(path) as picture:
            height, width = picture.size[::-1]
            is_on_its_side = picture.getexif().get(0x0112, 1) >= 5  # the orientations that swap the sides
        channels = decode(path, None if min(height, width) < max(_SMALL) else _SMALL).shape[2]
    except Exception as error:  # see `decode`, which words its own
        return str(error) if isinstance(error, ValueError) else f"{str(path)!r} cannot be read as a picture: {error}."
    return (width, height, channels) if is_on_its_side else (height, width, channels)

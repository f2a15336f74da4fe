"""Images that go in and out of files bit for bit: read without resizing or rounding, and written as PNG."""

import io

import numpy as np
from PIL import Image

from keras_genzoo import picture_files

ARRAY_SUFFIXES = (".npy", ".npz")


def read(paths, image_shape, num_levels, binarize=False):
    """Images of files, and their labels where the files have some.

    Args:
        paths: list of paths, each of a picture, which gives one image, or of a .npy file with an array `(n, h, w, c)`
            or `(n, h, w)`, or a .npz file with such an array x and maybe labels y.
        image_shape: tuple `(height, width, channels)`, which all must have.
        num_levels: int; uint8 must hold the levels j / (num_levels - 1), each rounded to 255ths, alone.
        binarize: bool, whether what is at least a half becomes 1 and the rest 0, instead.

    Returns:
        images: array `(n, h, w, c)`, uint8 or floats, and uint8 if files differ in that.
        labels: array `(n, ...)`, or None where no file has some.

    Raises:
        ValueError: for another shape, other levels, and labels in a part of the files; it names the file.
    """
    images, labels = [], []
    for path in paths:
        is_arrays = path.suffix.lower() in ARRAY_SUFFIXES
        values, of_values = _arrays(path) if is_arrays else (_picture(path)[None], None)
        if values.shape[1:] != tuple(image_shape):
            raise ValueError(
                f"{str(path)!r} must hold images of shape {tuple(image_shape)}, those of the model; got "
                f"{values.shape[1:]}. Nothing is resized here, which would lose something."
            )
        if binarize:
            values = np.where(values >= (128 if values.dtype == np.uint8 else 0.5), 255, 0).astype("uint8")
        elif values.dtype == np.uint8:
            _check_levels(values, num_levels, path)
        images.append(values)
        labels.append(of_values)
    if any(part is None for part in labels) and any(part is not None for part in labels):
        raise ValueError("some of the files hold labels and some do not; compress them one by one.")
    if len({part.dtype for part in images}) > 1:
        raise ValueError("some of the files hold uint8 and some hold floats; compress them one by one.")
    return np.concatenate(images), None if labels[0] is None else np.concatenate(labels)


def _picture(path):
    """uint8 `(h, w, c)` of a picture that nothing is lost of."""
    pixels = picture_files.decode(path)
    with Image.open(path) as picture:
        if "A" in picture.getbands() or "transparency" in picture.info:
            raise ValueError(f"{str(path)!r} is transparent in parts, which a model of colours alone would lose.")
    return pixels


def _arrays(path):
    try:
        arrays = np.load(path, allow_pickle=False)
        is_several = isinstance(arrays, np.lib.npyio.NpzFile)
        if is_several:
            with arrays:
                arrays = {name: arrays[name] for name in arrays.files}
    except Exception as error:  # of any class, as zip files can be broken in many ways
        raise ValueError(f"{str(path)!r} cannot be read as arrays: {error}.") from error
    if not is_several:
        arrays = {"x": arrays}
    if "x" not in arrays:
        raise ValueError(f"{str(path)!r} must hold an array x of images; it holds {', '.join(arrays)}.")
    images, labels = arrays["x"], arrays.get("y")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or not (images.dtype == np.uint8 or np.issubdtype(images.dtype, np.floating)):
        raise ValueError(
            f"{str(path)!r} must hold images (n, h, w) or (n, h, w, c), uint8 or float in [0, 1]; got shape "
            f"{images.shape}, dtype {images.dtype}."
        )
    return images, labels


def _check_levels(values, num_levels, path):
    own = as_bytes(np.arange(num_levels) / (num_levels - 1))
    wrong = values[~np.isin(values, own)]
    if wrong.size:
        remedy = " Make bits of them by --binarize threshold, or take" if num_levels == 2 else " Take"
        raise ValueError(
            f"{str(path)!r} holds grey levels that the model does not know, such as {wrong[0]}: its {num_levels} are "
            f"{', '.join(map(str, own[:3]))}{', ...' if num_levels > 3 else ''}.{remedy} a model with num_levels=256."
        )


def as_bytes(images):
    """uint8 images of those of levels: the nearest of 0, 1, ..., 255, from which each level is known again."""
    return np.round(np.asarray(images, "float64") * 255).astype("uint8")


def png(image):
    """The PNG file of a uint8 image `(h, w, c)`, in one bit a pixel where it is of black and white."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if image.shape[-1] == 1 and np.isin(image, (0, 255)).all():
        picture = picture.convert("1", dither=Image.Dither.NONE)
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()


def tiled(images, num_columns=1):
    """Images `(n, h, w, c)` as one, row by row, without a border; what is left over is black."""
    n, height, width, channels = images.shape
    num_rows = -(-n // num_columns)
    images = np.pad(images, [(0, num_rows * num_columns - n), (0, 0), (0, 0), (0, 0)])
    images = images.reshape(num_rows, num_columns, height, width, channels).swapaxes(1, 2)
    return images.reshape(num_rows * height, num_columns * width, channels)

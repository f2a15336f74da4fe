"""How far translations are from their targets, and how far they come back: figures of each image, and of a data set.

Beside them stand those of two translators that have learnt nothing: one copies the source, one looks up the training
source that is nearest and gives its target.
"""

import math

import numpy as np
import tensorflow as tf

from keras_genzoo import batches
from keras_genzoo.measurement import Measurement

_SSIM_FILTER = 11  # pixels, of Wang et al. 2004
_PAIRED = {
    "l1": "mean |target - {what}| in [0, 1]",
    "psnr": "of each {what} against its target, dB",
    "ssim": "of each {what} against its target, Gaussian window of {window} pixels, mean over channels",
}


def of_pairs(targets, images):
    """Distances of images to their targets.

    SSIM (Wang et al. 2004) is that of `tf.image.ssim`: a Gaussian window of 11 pixels, of smaller images the largest
    odd number of pixels that fits; K1 = 0.01, K2 = 0.03.

    Args:
        targets: float32 `(n, h, w, c)` in [0, 1].
        images: float32 `(n, h, w, c)` in [0, 1].

    Returns:
        dict of `"l1"`, `"psnr"` and `"ssim"`, each float64 `(n,)`.
    """
    squares = np.mean((targets - images) ** 2, axis=(1, 2, 3), dtype="float64")
    return {
        "l1": np.mean(abs(targets - images), axis=(1, 2, 3), dtype="float64"),
        "psnr": -10 * np.log10(np.maximum(squares, 1e-10)),
        "ssim": tf.image.ssim(targets, images, 1.0, filter_size=_window(targets.shape)).numpy().astype("float64"),
    }


def gradient(images):
    """Mean absolute difference of neighbours, down and to the right, of images `(n, h, w, c)`: float64 `(n,)`."""
    return sum(np.mean(abs(np.diff(images, axis=axis)), axis=(1, 2, 3), dtype="float64") for axis in (1, 2))


def in_8_bits(images):
    """Images in [0, 1] rounded to the 256 levels of a picture file."""
    return np.round(255 * images).astype("float32") / np.float32(255)


def measure(model, dataset, seed=0, has_pairs=True):
    """What is measured of the translations of a data set.

    Args:
        model: a `TranslationModel`; one with the verb `translate_back` is measured there and back, too.
        dataset: `tf.data.Dataset` of batches `(targets, sources)`.
        seed: int32, of the noise of the first batch.
        has_pairs: bool, whether the i-th target belongs to the i-th source; without, nothing that needs it is measured.

    Returns:
        dict, name to `Measurement`.
    """
    rows = []
    for i, batch in enumerate(dataset):
        targets, sources = (part.numpy() for part in model.unpack(batch))
        translated = model.translate(sources, seed=seed + i).numpy()
        row = {"gradient": gradient(translated), "gradient_of_targets": gradient(targets)}
        if has_pairs:
            row |= of_pairs(targets, translated)
            if sources.shape == targets.shape:
                row |= _named(of_pairs(targets, sources), "_of_the_source")
        if "translate_back" in model.verbs:
            row |= {"cycle_l1": _cycle(model, sources, translated)}
            row |= {"cycle_l1_in_8_bits": _cycle(model, sources, in_8_bits(translated))}
        rows.append(row)
    rows = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    n, ratio = len(rows["gradient"]), rows.pop("gradient").sum() / rows.pop("gradient_of_targets").sum()
    methods = _methods("translation", model.image_shape) | {
        **_methods("source", model.image_shape, "_of_the_source"),
        "cycle_l1": "mean |source - what comes back of its translation| in [0, 1]",
        "cycle_l1_in_8_bits": "the same, of the translation in 256 levels, where no fine noise can hide the source",
    }
    figures = {name: _figure(name, values, methods[name]) for name, values in rows.items()}
    figures["gradient_ratio"] = Measurement("gradient_ratio", ratio, "", n, "neighbouring pixels; 1 as targets")
    return figures


def nearest_neighbor(test, training, num_images=None):
    """Distances to its target of the target of the training source that is nearest to each source, in its pixels.

    Args:
        test: `tf.data.Dataset` of batches `(targets, sources)` of pairs, uint8 or float in [0, 1].
        training: `tf.data.Dataset` of such batches; each is held alone, so that it may be of any length.
        num_images: int, the first of `test` to look up; None for all.

    Returns:
        dict, name to `Measurement`: `l1_of_the_nearest`, `psnr_of_the_nearest` and `ssim_of_the_nearest`.
    """
    targets, sources = (np.concatenate(part)[:num_images] for part in zip(*map(_float_parts, test), strict=True))
    found, least = np.zeros_like(targets), np.full(len(sources), np.inf)
    num_training = 0
    for known_targets, known_sources in map(_float_parts, training):
        squares = _squared_distances(sources, known_sources)  # (n, m)
        nearest = squares.argmin(axis=1)
        nearer = squares.min(axis=1) < least
        found[nearer], least = known_targets[nearest[nearer]], np.minimum(least, squares.min(axis=1))
        num_training += len(known_sources)
    methods = _methods(
        f"target of the nearest of {num_training:,} training sources", targets.shape[1:], "_of_the_nearest"
    )
    rows = _named(of_pairs(targets, found), "_of_the_nearest")
    return {name: _figure(name, values, methods[name]) for name, values in rows.items()}


def _cycle(model, sources, translated):
    """How far sources are from what comes back of their translations: float64 `(n,)`."""
    back = model.translate_back(translated).numpy()
    return np.mean(abs(sources - back), axis=(1, 2, 3), dtype="float64")


def _squared_distances(a, b):
    """float64 `(n, m)`, from vectors about their mean, so that float32 keeps the digits that matter."""
    a, b = (values.reshape(len(values), -1) for values in (a, b))
    mean = b.mean(axis=0)
    a, b = a - mean, b - mean
    lengths = [np.sum(values**2, axis=1, dtype="float64") for values in (a, b)]
    return lengths[0][:, None] + lengths[1] - 2 * tf.matmul(a, b, transpose_b=True).numpy().astype("float64")


def _float_parts(batch):
    parts = (np.asarray(part) for part in batches.split(batch, condition_keys=("source", "sources")))
    return tuple(part / np.float32(255) if part.dtype == np.uint8 else part.astype("float32") for part in parts)


def _window(shape):
    side = min(shape[-3:-1])
    return min(_SSIM_FILTER, side - 1 + side % 2)


def _methods(what, shape, suffix=""):
    return _named({name: text.format(what=what, window=_window(shape)) for name, text in _PAIRED.items()}, suffix)


def _named(values, suffix):
    return {f"{name}{suffix}": value for name, value in values.items()}


def _figure(name, values, method):
    """The mean of values `(n,)` with its standard error."""
    n = len(values)
    error = values.std(ddof=1) / math.sqrt(n) if n > 1 else None
    return Measurement(name, values.mean(), "", n, method, standard_error=error)

"""What the metrics that compare real with generated images through features share, and one pass over both for all."""

import math
import os

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import data
from keras_genzoo.batches import split
from keras_genzoo.evaluation.features import feature_space


class FeatureMetric(keras.metrics.Metric):
    """Base class of the metrics between real and generated images.

    A subclass gives `update_features` and `figures`.

    Args:
        features: see `feature_space`.
        name: str.
    """

    num_needed = 2  # images of either kind that a result takes

    def __init__(self, features, name):
        super().__init__(name=name)
        self.feature_space = feature_space(features)
        self.image_shape = None  # of the images seen

    def update_state(self, real, generated):
        """Adds images; the two batches may differ in size.

        Args:
            real: `(n, h, w, c)`, float in [0, 1] or uint8.
            generated: `(m, h, w, c)`, of the same size.

        Raises:
            ValueError: for images of another shape or range, or features that are not finite.
        """
        self.image_shape = check_same_shape(real.shape, generated.shape)
        self.update_features(self.feature_space(real, "real"), self.feature_space(generated, "generated"))

    def update_features(self, real=None, generated=None):
        """Adds features `(n, d)` of images, of one kind or of both."""
        raise NotImplementedError

    def figures(self):
        """The result as a dict, name to `Measurement`."""
        raise NotImplementedError

    def describe_features(self):
        return self.feature_space.describe(self.image_shape)

    def to_numpy(self, features):
        """float64 features; a clear error inside a graph, where there are none yet."""
        if not tf.executing_eagerly():
            raise ValueError(f"{type(self).__name__} works on values: update it outside tf.function.")
        return np.asarray(features, "float64")

    def require(self, real, generated):
        """ValueError unless these numbers of images are enough for a result."""
        for name, count in (("real", real), ("generated", generated)):
            if count < self.num_needed:
                raise ValueError(
                    f"`{name}` must hold at least {self.num_needed} images for {type(self).__name__}; got {count}."
                )


def compare(metrics, real, generated, batch_size=100, verbose=0):
    """The figures of several metrics from one pass of each image through the network.

    Args:
        metrics: list of `FeatureMetric`s with the same `FeatureSpace`.
        real: images `(n, h, w, c)`, float in [0, 1] or uint8, a `tf.data.Dataset` of batches as `fit` takes them, or a
            folder of pictures of one size; of mixed sizes `data.load(folder, "all", image_size=...)` makes one.
        generated: the same, `(m, h, w, c)`.
        batch_size: int, images of an array that pass through the network at a time.
        verbose: 1 for a progress bar.

    Returns:
        dict, name to `Measurement`.

    Raises:
        ValueError: for data that are empty, too few, of different shapes or out of range.
    """
    space = metrics[0].feature_space
    sources = {"real": _as_source(real), "generated": _as_source(generated)}
    counts, batches = {}, {}
    image_shape = check_same_shape(*(_shape(source) for source in sources.values()))
    for name, source in sources.items():
        space.check(image_shape, name)
        counts[name] = math.inf if isinstance(source, tf.data.Dataset) else len(source)
        batches[name] = _batches(source, batch_size)
    for metric in metrics:
        metric.image_shape = image_shape
        metric.require(**counts)

    num_batches = None  # of a data set of unknown length
    if math.inf not in counts.values():
        num_batches = sum(-(-count // batch_size) for count in counts.values())
    progress = keras.utils.Progbar(num_batches, verbose=verbose, unit_name="batch")
    counts = dict.fromkeys(sources, 0)
    while batches:
        name = min(batches, key=counts.get)  # in step, so that a metric needs to hold little
        images = next(batches[name], None)
        if images is None:
            del batches[name]
            continue
        features = space(images, name)
        for metric in metrics:
            metric.update_features(**{name: features})
        counts[name] += len(features)
        progress.add(1)
    for metric in metrics:
        metric.require(**counts)
    return {name: figure for metric in metrics for name, figure in metric.figures().items()}


def check_same_shape(real, generated):
    """The shape `(h, w, c)` of images, given the shapes of two batches; ValueError unless both have it."""
    shapes = {"real": tuple(real), "generated": tuple(generated)}
    for name, shape in shapes.items():
        if len(shape) != 4 or None in shape[1:]:
            hint = " Add the channel axis: images[..., None]." if len(shape) == 3 else ""
            raise ValueError(f"`{name}` must be images of one size, shape (n, h, w, c); got shape {shape}.{hint}")
    if real[1:] != generated[1:]:
        raise ValueError(
            f"`real` and `generated` must be images of one size; got {shapes['real'][1:]} and "
            f"{shapes['generated'][1:]}. Resize the larger ones, as keras_genzoo.data.load(image_size=...) does."
        )
    return shapes["real"][1:]


def _as_source(images):
    """An array, a tensor or a data set; of a folder, all its pictures."""
    if isinstance(images, (str, os.PathLike)):
        return data.load(images, "all", shuffle=False)
    return images if isinstance(images, (tf.data.Dataset, tf.Tensor)) else np.asarray(images)


def _shape(source):
    """`(n, h, w, c)` of an array; with n = None, of the batches of a data set."""
    if isinstance(source, tf.data.Dataset):
        return split(source.element_spec)[0].shape
    return source.shape


def _batches(source, batch_size):
    if isinstance(source, tf.data.Dataset):
        return (split(batch)[0] for batch in source)
    return (source[i : i + batch_size] for i in range(0, len(source), batch_size))

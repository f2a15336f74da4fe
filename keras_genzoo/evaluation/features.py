"""Feature spaces: where the distance between two sets of images is taken.

A number measured in one space says nothing about a number measured in another, so a space carries its own
description, with the resize on the way in, which every figure prints.
"""

import difflib
import functools
import math
import os

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import domains, presets
from keras_genzoo.evaluation.classifier import Classifier

INCEPTION, PIXELS = "inception_v3", "pixels"

# Data set -> the features that tell its images apart; any other is measured by INCEPTION.
DEFAULTS = {
    "digits": "classifier_digits",
    "mnist": "classifier_mnist",
    "binarized_mnist": "classifier_mnist",
    "fashion_mnist": "classifier_fashion_mnist",
}


def default_features(dataset):
    """The feature space for a data set by name, as a name for `features=`."""
    return DEFAULTS.get(dataset, INCEPTION)


class FeatureSpace:
    """A network that turns images into the features they are compared by.

    Args:
        name: str.
        network: function of float32 images `(n, h, w, c)` in [0, 1] to floats `(n, ...)`, which are flattened.
        input_shape: tuple `(h, w, c)` of the images it takes, each None where any will do. Images of another size
            are resized to it (bilinear, antialiased), and one channel is repeated to three.
    """

    def __init__(self, name, network, input_shape):
        self.name = name
        self.input_shape = input_shape
        self._network = network
        self._compiled = {}  # image shape -> function, so that it knows the shape of its features
        self._widths = {}  # image shape -> features an image

    def __call__(self, images, name="images"):
        """Features of images.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8.
            name: the argument's name, for the message.

        Returns:
            float32 `(n, d)`.

        Raises:
            ValueError: for images the network cannot take, and (outside a graph) for features that are not finite
                or vary in number.
        """
        image_shape = tuple(images.shape[1:])
        self.check(image_shape, name)
        images = domains.Images(image_shape)(images, name)
        if image_shape not in self._compiled:
            self._compiled[image_shape] = tf.function(
                self._compute, input_signature=[tf.TensorSpec((None, *image_shape), tf.float32)]
            )
        features = self._compiled[image_shape](images)
        if tf.executing_eagerly():
            width = self._widths.setdefault(image_shape, features.shape[-1])
            if features.shape[-1] != width:
                raise ValueError(
                    f"`features` ({self.name}) gave {features.shape[-1]} numbers an image for `{name}`, after {width} "
                    "before; use a network that gives a fixed number."
                )
            if not np.isfinite(features).all():
                raise ValueError(
                    f"`features` ({self.name}) gave numbers that are not finite for `{name}`; use a network that is "
                    "trained, and takes images in [0, 1]."
                )
        return features

    def check(self, image_shape, name):
        """ValueError unless the network takes images of that shape `(h, w, c)`."""
        wanted = self.input_shape[-1]
        if len(image_shape) == 3 and wanted not in (None, image_shape[-1]) and (image_shape[-1], wanted) != (1, 3):
            raise ValueError(
                f"`features` ({self.name}) take images of {wanted} channels; `{name}` have {image_shape[-1]}. "
                "Choose features made for such images."
            )

    def describe(self, image_shape):
        """str: the network, and what happens to images of shape `(h, w, c)` on their way into it."""
        text = f"features of {self.name}"
        size = self.input_shape[:2]
        if size in ((None, None), tuple(image_shape[:2])):
            return f"{text}, not resized"
        return f"{text}, resized {'x'.join(map(str, image_shape[:2]))} to {'x'.join(map(str, size))}"

    def _compute(self, images):
        height, width, channels = self.input_shape
        if height and images.shape[1:3] != (height, width):
            images = tf.clip_by_value(tf.image.resize(images, (height, width), antialias=True), 0.0, 1.0)
        if channels == 3 and images.shape[-1] == 1:
            images = tf.repeat(images, 3, axis=-1)
        features = tf.cast(self._network(images), tf.float32)
        width = math.prod(features.shape[1:]) if features.shape[1:].is_fully_defined() else -1
        return tf.reshape(features, (tf.shape(images)[0], width))


def feature_space(features):
    """The `FeatureSpace` of what the functions of this package take as `features=`.

    Args:
        features: one of

            - the name or folder of a preset that holds a `Classifier`, such as `"classifier_mnist"`;
            - `"inception_v3"`: Keras's InceptionV3 with ImageNet weights, which it downloads once, and the mean over
              its last maps, 2,048 features. These are not the weights of the original TensorFlow graph: numbers
              taken by them do not compare with published Inception distances (FID, KID), only with each other;
            - `"pixels"`: the pixels themselves, at 16x16, which is crude but there for every set of images: it tells
              wrong colours and shapes, and little of what they show;
            - a `Classifier`, or any Keras model from images in [0, 1] to `(n, ...)`;
            - a `FeatureSpace`, which is returned as it is.

    Raises:
        ValueError: for an unknown name, a preset of something else, or a model that takes no images.
        FileNotFoundError: where the weights of InceptionV3 are neither on disk nor can be downloaded.
    """
    if isinstance(features, FeatureSpace):
        return features
    if isinstance(features, Classifier):
        return FeatureSpace(f"{type(features).__name__} {features.name!r}", features.features, features.image_shape)
    if isinstance(features, keras.Model):
        network = functools.partial(features, training=False)
        return FeatureSpace(f"{type(features).__name__} {features.name!r}", network, _input_shape(features))
    if features == INCEPTION:
        return FeatureSpace("InceptionV3 (keras.applications, ImageNet weights)", _inception_v3(), (299, 299, 3))
    if features == PIXELS:
        return FeatureSpace("pixels at 16x16", lambda images: images, (16, 16, None))
    classifier = load_classifier(features, "features")
    return FeatureSpace(str(features), classifier.features, classifier.image_shape)


def load_classifier(preset, name):
    """The `Classifier` of a preset given by name or folder as the argument `name`, in float32."""
    is_folder = isinstance(preset, (str, os.PathLike)) and os.path.isdir(preset)
    if preset not in list(presets.list_presets()) and not is_folder:
        names = [*presets.list_presets("Classifier"), *([INCEPTION, PIXELS] if name == "features" else [])]
        near = difflib.get_close_matches(str(preset), names)
        raise ValueError(
            f"unknown `{name}` {preset!r}: neither a Keras model nor the name or folder of a preset that holds a "
            f"Classifier. {'Nearest names' if near else 'Known names'}: {', '.join(near or names)}."
        )
    return presets.load(preset, Classifier, dtype="float32")


def _input_shape(network):
    shape = getattr(network, "input_shape", (None,) * 4)  # a subclassed model does not say
    if not isinstance(shape, tuple) or len(shape) != 4:
        raise ValueError(f"`features` must take images (n, h, w, c); model {network.name} takes inputs {shape}.")
    return tuple(shape[1:])


@functools.cache
def _inception_v3():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        network = keras.applications.InceptionV3(include_top=False, pooling="avg", input_shape=(299, 299, 3))
    except Exception as error:  # whatever the network or the disk say
        raise FileNotFoundError(
            f"the ImageNet weights of InceptionV3 are not on disk and could not be downloaded "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}). With a network, "
            "keras.applications.InceptionV3(include_top=False) gets them; or choose other `features`, such as "
            "'classifier_mnist' or 'pixels'."
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
    return lambda images: network(2.0 * images - 1.0, training=False)  # it was trained on [-1, 1]

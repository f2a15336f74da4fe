"""The models that the contract runs over, as the tests of each family declare them in `tests/<family>/variants.py`."""

import importlib
import inspect
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

import keras_genzoo as gz

IMAGE_SHAPE = (8, 8, 1)
NUM_CLASSES = 10


class Variant(NamedTuple):
    """A model as the contract builds it.

    Attributes:
        name: str, a class of the registry and what is special about this one of it: "VAE conditional vamp".
        arguments: dict, those of the class beside `image_shape`; small sizes.
        represents_family: bool, whether it goes through what is tried on one model a family.
    """

    name: str
    arguments: dict
    represents_family: bool

    @property
    def model_class(self):
        return getattr(gz, self.name.split()[0])

    @property
    def is_conditional(self):
        parameters = inspect.signature(self.model_class).parameters
        default = parameters["num_classes"].default if "num_classes" in parameters else None
        return self.arguments.get("num_classes", default) is not None

    @property
    def is_unconditional(self):
        return not self.is_conditional

    @property
    def has_latents(self):
        return hasattr(self.model_class, "decode")

    def build(self, image_shape=IMAGE_SHAPE, **kwargs):
        return self.model_class(image_shape, **self.arguments, **kwargs)


def digits_for(model, n):
    """uint8 images `(n, 8, 8, 1)` of the levels that a model takes, and labels `(n,)`."""
    images, labels = next(iter(gz.data.load("digits", batch_size=n, labels=True, shuffle=False)))
    largest = (model.num_levels or 256) - 1
    levels = tf.round(tf.cast(images, tf.float32) / 255 * largest) / largest
    return tf.cast(tf.round(levels * 255), tf.uint8), labels


def _declared():
    for path in sorted(Path(__file__).parent.parent.glob("*/variants.py")):
        if path.parent.name != "contract":
            family = importlib.import_module(f"tests.{path.parent.name}.variants")
            for name, arguments in family.VARIANTS.items():
                yield Variant(name, arguments, name == family.REPRESENTATIVE)


VARIANTS = {variant.name: variant for variant in _declared()}

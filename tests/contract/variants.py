"""The models that the contract runs over, as the tests of each family declare them in `tests/<family>/variants.py`."""

import importlib
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo import domains
from keras_genzoo.image_model import ImageModel
from keras_genzoo.models.adversarial.players import Players

IMAGE_SHAPE = (8, 8, 1)
NUM_CLASSES = 10


class Variant(NamedTuple):
    """A model as the contract builds it.

    Attributes:
        name: str, a class of the registry and what is special about this one of it: "VAE conditional vamp".
        arguments: dict, those of the class; small sizes.
        represents_family: bool, whether it goes through what is tried on one model a family.
        sizes: tuple of str, the arguments that say how large its values are.
    """

    name: str
    arguments: dict
    represents_family: bool
    sizes: tuple

    @property
    def model_class(self):
        return getattr(gz, self.name.split()[0])

    def build(self, **kwargs):
        return self.model_class(**{**self.arguments, **kwargs})

    # ---- what it can do, by which tests are chosen ----

    @property
    def is_conditional(self):
        return self.built().is_conditional

    @property
    def has_classes(self):
        return self.built().num_classes is not None

    @property
    def is_unconditional(self):
        return not self.is_conditional

    @property
    def is_of_images(self):
        return isinstance(self.built(), ImageModel)

    @property
    def has_latents(self):
        return "decode" in self.built().verbs

    @property
    def descends(self):
        """Whether its step is one along a gradient."""
        return bool(self.built().optimizer_names)

    @property
    def has_one_optimizer(self):
        return self.built().optimizer_names == ("optimizer",)

    @property
    def has_players(self):
        return isinstance(self.built(), Players)

    def built(self):
        """The model, once for all questions."""
        if self.name not in _BUILT:
            _BUILT[self.name] = self.build()
        return _BUILT[self.name]


_BUILT = {}


def batch_for(model, n):
    """A batch of digits as the model takes them, or of points: what it draws, and what that is drawn from.

    Images are bytes, of the levels that the model takes; labels `(n,)` come with them also where it wants none.
    """
    sample, *condition = model.batch_domains
    condition = condition[0] if condition else None
    if isinstance(condition, domains.Vectors) and len(sample.shape) == 1:
        return tuple(tf.constant(domain.examples(n, seed)) for seed, domain in enumerate((sample, condition)))
    images, labels = next(iter(gz.data.load("digits", batch_size=n, labels=True, shuffle=False)))
    if isinstance(sample, domains.LevelImages):
        largest = sample.num_levels - 1
        levels = tf.round(tf.cast(images, tf.float32) / 255 * largest) / largest
        images = tf.cast(tf.round(levels * 255), tf.uint8)
    elif not isinstance(sample, domains.Images):
        images = domains.Images(IMAGE_SHAPE).convert(images)
    if isinstance(condition, domains.Images):
        return images, gz.data.derive(images, "edges")
    return images, labels


def _declared():
    for path in sorted(Path(__file__).parent.parent.glob("*/variants.py")):
        if path.parent.name != "contract":
            family = importlib.import_module(f"tests.{path.parent.name}.variants")
            for name, arguments in family.VARIANTS.items():
                yield Variant(name, {**family.SIZES, **arguments}, name == family.REPRESENTATIVE, tuple(family.SIZES))


VARIANTS = {variant.name: variant for variant in _declared()}

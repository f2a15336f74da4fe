"""Models of images, conditioned on labels or vectors or on nothing."""

import tensorflow as tf

from keras_genzoo import checks, domains
from keras_genzoo.generative_model import GenerativeModel


class ImageModel(GenerativeModel):
    """Base class of the models of images.

    Args:
        image_shape: tuple `(height, width, channels)` of the images modelled.
        num_classes: int or None. With a number, the model is conditional and wants labels 0..num_classes-1.
        condition_dim: int or None. With a number, it wants vectors of so many numbers for labels.
        num_levels: int or None, levels of a value, where the images that it is trained on must have no others.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, image_shape, num_classes=None, condition_dim=None, num_levels=None, **kwargs):
        image_shape = checks.positive_integers("image_shape", image_shape, 3)
        condition_domain = None
        if condition_dim is not None:
            if num_classes is not None:
                raise ValueError("`num_classes` and `condition_dim` exclude each other; give one of them.")
            (condition_dim,) = checks.positive_integers("condition_dim", [condition_dim], 1)
            condition_domain = domains.Vectors((condition_dim,), "labels", "condition_dim")
        elif num_classes is not None:
            (num_classes,) = checks.positive_integers("num_classes", [num_classes], 1)
            condition_domain = domains.Labels(num_classes=num_classes)
        sample_domain = domains.Images(image_shape)
        if num_levels is not None:
            sample_domain = domains.LevelImages(image_shape, num_levels=num_levels)
        super().__init__(sample_domain, condition_domain, **kwargs)

    @classmethod
    def arguments_from(cls, dataset):
        spec = dataset.element_spec
        if not isinstance(spec, tuple):
            return {"image_shape": tuple(spec.shape[1:])}
        num_classes = 1 + max(int(tf.reduce_max(labels)) for _, labels in dataset)
        return {"image_shape": tuple(spec[0].shape[1:]), "num_classes": num_classes}

    @property
    def image_shape(self):
        """tuple `(height, width, channels)`."""
        return self.sample_domain.shape

    @property
    def condition_dim(self):
        """int or None: numbers of the vectors that it is conditioned on."""
        return self.condition_domain.shape[0] if isinstance(self.condition_domain, domains.Vectors) else None

    def get_config(self):
        return {**super().get_config(), "image_shape": list(self.image_shape), "num_classes": self.num_classes}

    def check_images(self, images, labels=None):
        """Checks what enters a verb of images; ValueError names what is wrong.

        Returns:
            images: float32 `(n, h, w, c)` in [0, 1].
            labels: int32 `(n,)` (or the vectors that stand for them), None for a model without.
        """
        images = domains.Images(self.image_shape)(images)  # of any levels: a verb that wants some says so itself
        return images, self.check_condition(labels, images.shape[0])

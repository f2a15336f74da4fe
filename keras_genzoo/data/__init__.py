"""tf.data pipelines: image sets by name, translation tasks made of them, and pairs of a user's own two sets."""

from keras_genzoo.data.augmentation import augment
from keras_genzoo.data.image_sets import load, num_images, splits
from keras_genzoo.data.pairing import pairs, unpaired
from keras_genzoo.data.tasks import derive

__all__ = ["augment", "derive", "load", "num_images", "pairs", "splits", "unpaired"]

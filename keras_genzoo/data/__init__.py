"""tf.data pipelines: image sets by name or of a user's own, translation tasks made of them, and pairs of two sets."""

from keras_genzoo.data.augmentation import augment
from keras_genzoo.data.dihedral_views import dihedral, dihedral_view
from keras_genzoo.data.image_sets import has_labels, is_own, load, num_images, splits
from keras_genzoo.data.pairing import pairs, unpaired
from keras_genzoo.data.tasks import derive

__all__ = [
    "augment",
    "derive",
    "dihedral",
    "dihedral_view",
    "has_labels",
    "is_own",
    "load",
    "num_images",
    "pairs",
    "splits",
    "unpaired",
]

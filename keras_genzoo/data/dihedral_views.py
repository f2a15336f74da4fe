"""The eight views of a square image: turned by quarters, and mirrored. A model told which it sees learns from all.

Distribution augmentation (Jun et al. 2020, "Distribution augmentation for generative modeling", ICML): where a
transformation changes the law of images, as it does that of digits, the model is told of it. Each view is one to one,
so that p(v(x) | v) is a density of x, and so is the mean of all eight; see `evaluation.dihedral_log_prob`.
"""

import tensorflow as tf

from keras_genzoo.data.pipeline import random_numbers

NUM_VIEWS = 8


def dihedral(dataset, seed=None):
    """A set of batches of images as `(views, labels)`: each image in one of its eight views at random, anew each epoch.

    A model with `num_classes=8` trains on it; its label 0 is the image as it is.

    Args:
        dataset: `tf.data.Dataset` of batches of square images `(n, h, h, c)` of any dtype, without labels.
        seed: int for views that repeat from run to run.

    Returns:
        `tf.data.Dataset` of `(views, labels)`: images of the same shape and dtype, and int32 `(n,)`, 0 to 7.

    Raises:
        ValueError: for anything but batches of square images alone.
    """
    spec = dataset.element_spec if isinstance(dataset, tf.data.Dataset) else type(dataset).__name__
    if not isinstance(spec, tf.TensorSpec) or spec.shape.rank != 4:
        raise ValueError(
            f"`dataset` must be a tf.data.Dataset of batches of images (n, h, w, c) alone; got {spec}. Labels go by "
            "dataset.map(lambda images, labels: images), single images become batches by dataset.batch(128)."
        )
    check_square("dataset", spec.shape)

    def viewed(images, number):
        seed = tf.bitcast(number, tf.int32)
        labels = tf.random.stateless_uniform(tf.shape(images)[:1], seed, 0, NUM_VIEWS, tf.int32)
        return tf.ensure_shape(dihedral_view(images, labels), spec.shape), labels

    dataset = tf.data.Dataset.zip(dataset, random_numbers(seed))
    return dataset.map(viewed, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def dihedral_view(images, labels):
    """Views of square images `(n, h, h, c)` by labels `(n,)`, 0 to 7, whose bits say what is done, in this order.

    1: left and right change places; 2: top and bottom; 4: rows and columns.
    """

    def where(bit, transformed):
        return tf.where(tf.bitwise.bitwise_and(labels, bit)[:, None, None, None] > 0, transformed, images)

    images = where(1, images[:, :, ::-1])
    images = where(2, images[:, ::-1])
    return where(4, tf.transpose(images, (0, 2, 1, 3)))


def check_square(name, shape):
    if shape[1] is None or shape[1] != shape[2]:
        raise ValueError(
            f"`{name}` must hold square images, of one known size, since a view changes rows and columns; got "
            f"{tuple(shape[1:])}. Crop or resize them, such as by load(..., image_size=32)."
        )

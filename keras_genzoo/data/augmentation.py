"""Augmentation of images on their way to any model: each batch is transformed afresh in each epoch.

A model learns few images by heart. Transformations that make of an image another one that the set could hold stand in
for more images. Which those are depends on the set: faces may be turned left to right, digits may not. Whatever images
show in training, samples will show too; `augmentation` of a GAN's `compile` is without that.
"""

import tensorflow as tf

from keras_genzoo import checks
from keras_genzoo.data.pipeline import random_numbers

_OTHER_SEEDS = 2**32  # apart from those of `load`: bits and crops from one seed must not come from the same numbers
_PARTS = 8  # an image is padded by one of so many parts of its side
_ENLARGEMENT = 286 / 256  # of jittered images, before they are cropped to their size again


def augment(dataset, policies, seed=None):
    """A set of batches whose images are transformed at random, each by itself, anew in each epoch.

    - `"flip"`: each image is turned left to right with probability 1/2.
    - `"crop"`: each image is padded by 1/8 of each side and cropped to its size again at a random place. The padding is
      the image's own reflection, and no image is enlarged, so that every value stays one that the image has:
      interpolation blurs, and a model of grey levels or bits would learn the interpolated ones.
    - `"jitter"`: each image is enlarged by 286/256 (bilinear) and cropped to its size again at a random place, as
      pix2pix trains (Isola et al. 2017, https://arxiv.org/abs/1611.07004, section 6.2), there with `"flip"`.

    All images of one example, such as the target and the source of a translation, are transformed alike. What is not of
    shape `(n, h, w, c)`, such as labels, stays as it is, in its place.

    Args:
        dataset: `tf.data.Dataset` of batches: images `(n, h, w, c)` of any dtype, `(images, labels)`,
            `(images, sources)`, or a dict of such.
        policies: `"flip"`, `"crop"`, `"jitter"`, or several: `("flip", "crop")` or `"flip,crop"`.
        seed: int for transformations that repeat from run to run.

    Returns:
        `tf.data.Dataset` of batches of the same structure, shapes and dtypes, in the same order.

    Raises:
        ValueError: for unknown policies, sets without batches of images, and images of several sizes under `"crop"`.
    """
    policies = check_policies("policies", policies)
    if not isinstance(dataset, tf.data.Dataset):
        raise ValueError(
            f"`dataset` must be a tf.data.Dataset; got a {type(dataset).__name__}. Of an array make "
            "tf.data.Dataset.from_tensor_slices(images).batch(128)."
        )
    shapes = [spec.shape for spec in tf.nest.flatten(dataset.element_spec) if _is_image(spec)]
    if not shapes:
        raise ValueError(
            f"`dataset` must hold batches of images (n, h, w, c); its elements are {dataset.element_spec}. Single "
            "images become batches by dataset.batch(128)."
        )
    if "crop" in policies and not all(shape[1:3].is_compatible_with(shapes[0][1:3]) for shape in shapes):
        raise ValueError(
            f"`policies` with 'crop' moves images by whole pixels, so that all of a batch must be of one size; got "
            f"{', '.join(map(str, shapes))}. Resize them before, or use 'flip' alone."
        )
    return augmented(dataset, policies, None if seed is None else seed + _OTHER_SEEDS)


def check_policies(name, policies):
    """The argument as a tuple of policies; ValueError for unknown ones."""
    return checks.distinct_names(name, policies, tuple(_POLICIES))


def augmented(dataset, policies, seed):
    """A set of batches, each by `of_batch` and numbers of its own."""
    dataset = tf.data.Dataset.zip(dataset, random_numbers(seed)).map(
        lambda batch, number: of_batch(batch, policies, tf.bitcast(number, tf.int32)),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return dataset.prefetch(tf.data.AUTOTUNE)


def of_batch(batch, policies, seed):
    """A batch whose images are transformed, those of one example alike, by a stateless seed, int32 `(2,)`."""
    num_examples = tf.shape(next(part for part in tf.nest.flatten(batch) if _is_image(part)))[0]
    u = tf.random.stateless_uniform((3, num_examples), seed)  # where from top and from left, and whether turned

    def transformed(part):
        if _is_image(part):
            for policy in policies:
                part = tf.ensure_shape(_POLICIES[policy](part, *tf.unstack(u)), part.shape)
        return part

    return tf.nest.map_structure(transformed, batch)


def _is_image(part):
    return isinstance(part, (tf.Tensor, tf.TensorSpec)) and part.shape.rank == 4


def _flipped(images, top, left, flip):
    return tf.where((flip < 0.5)[:, None, None, None], images[:, :, ::-1], images)


def _cropped(images, top, left, flip):
    """Moved by up to 1/8 of each side; in comes the reflection at the outermost pixels, which are not repeated."""
    for axis, u in ((1, top), (2, left)):
        side = tf.shape(images)[axis]
        reach = (side + _PARTS // 2) // _PARTS  # rounded
        shift = tf.cast(tf.floor(u * tf.cast(2 * reach + 1, tf.float32)), tf.int32) - reach  # (n,)
        source = tf.abs(tf.range(side) + shift[:, None])  # (n, side)
        source = tf.minimum(source, 2 * (side - 1) - source)
        images = tf.gather(images, source, axis=axis, batch_dims=1)
    return images


def _jittered(images, top, left, flip):
    """Enlarged (bilinear) and cropped to its size again at a random place, as pix2pix trains; see `pairs`."""
    extent = 1 / _ENLARGEMENT
    room = 0.9999 * (1 - extent)  # not up to the border: what rounding puts beyond it would be read as black
    corner = tf.stack([room * top, room * left], axis=-1)  # (n, 2), as shares of height and width
    boxes = tf.concat([corner, corner + extent], axis=-1)  # (n, 4)
    cropped = tf.image.crop_and_resize(images, boxes, tf.range(tf.shape(images)[0]), images.shape[1:3])
    return tf.cast(tf.round(cropped) if images.dtype.is_integer else cropped, images.dtype)


_POLICIES = {"flip": _flipped, "crop": _cropped, "jitter": _jittered}

"""Two sets of images for translation models: aligned pair by pair, or each shuffled for itself.

A batch is `(target, source)`: what is drawn first, what it is drawn from second.
"""

import numpy as np
import tensorflow as tf

from keras_genzoo import checks, distributions
from keras_genzoo.data.augmentation import augmented
from keras_genzoo.data.pipeline import check_batch_size, random_numbers, shuffle_buffer

_POLICIES = {"mirror": ("flip",), "jitter": ("flip", "jitter")}  # by the names that pix2pix gives them


def pairs(targets, sources, batch_size=128, shuffle=True, seed=None, augment=None):
    """An aligned set: the i-th target goes with the i-th source, in every order.

    Args:
        targets: array or tensor `(n, ...)`, or a `tf.data.Dataset` of images, batched `(m, h, w, c)` or single
            `(h, w, c)`, which must come in the order of `sources`: those of `load` do with `shuffle=False` alone.
        sources: as `targets`; the two may differ in shape, dtype and kind.
        batch_size: int; the last batch may be smaller.
        shuffle: bool, a new order each epoch.
        seed: int for orders and augmentations that repeat from run to run.
        augment: what happens to both images of a pair alike, afresh each epoch. `"mirror"` turns every other pair left
            to right. `"jitter"` also enlarges them by 286/256 (bilinear) and crops them to their size again at a random
            place, as Isola et al. 2017 train (https://arxiv.org/abs/1611.07004, section 6.2). None does nothing.

    Returns:
        `tf.data.Dataset` of batches `(targets, sources)`, each of the dtype that was given.

    Raises:
        ValueError: for sets of unequal length, empty or endless ones, and those that hold more than one thing.
    """
    check_batch_size(batch_size)
    if augment is not None:
        distributions.check_choice("augment", augment, tuple(_POLICIES))
    (targets, num_targets), (sources, num_sources) = _examples(targets, "targets"), _examples(sources, "sources")
    if num_targets != num_sources:
        raise ValueError(
            f"`targets` and `sources` must be equally many, a source a target; got {num_targets} and {num_sources}. "
            "Drop those without a partner, or use data.unpaired where they belong to no pairs."
        )
    dataset = tf.data.Dataset.zip(targets, sources)
    if augment is not None:
        for name, spec in zip(("targets", "sources"), dataset.element_spec, strict=True):
            if spec.shape.rank != 3:
                raise ValueError(
                    f"`augment` is for images (n, h, w, c); an element of `{name}` has shape {spec.shape}. Use None."
                )
    if shuffle:
        dataset = dataset.shuffle(_buffer(dataset, batch_size), seed=seed)
    dataset = dataset.batch(batch_size)
    if augment is not None:
        return augmented(dataset, _POLICIES[augment], seed)
    return dataset.prefetch(tf.data.AUTOTUNE)


def unpaired(a, b, batch_size=128, seed=None):
    """Two sets shuffled apart, so that what stands side by side has nothing to do with each other.

    An epoch is as long as the longer set, as in CycleGAN (Zhu et al. 2017, https://arxiv.org/abs/1703.10593), and holds
    each of its images once; the shorter set is gone through again and again, in a new order each time, so that an epoch
    leaves none of its images out.

    Args:
        a: array, tensor or `tf.data.Dataset`, see `pairs`: the first of each batch, where a target stands.
        b: array, tensor or `tf.data.Dataset`: the second, where a source stands.
        batch_size: int, of both; the last batch may be smaller.
        seed: int for orders that repeat from run to run.

    Returns:
        `tf.data.Dataset` of batches `(a, b)`, each of the dtype that was given.

    Raises:
        ValueError: for empty or endless sets, and those that hold more than one thing.
    """
    check_batch_size(batch_size)
    (a, num_a), (b, num_b) = _examples(a, "a"), _examples(b, "b")
    seed = int(np.random.randint(2**31)) if seed is None else seed
    seeds = np.random.SeedSequence(seed % 2**32).generate_state(2)  # or the two would have one order
    passes = [_passes(examples, batch_size, int(part)) for examples, part in zip((a, b), seeds, strict=True)]
    dataset = tf.data.Dataset.zip(*passes).take(max(num_a, num_b))
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(max(num_a, num_b)))
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def _examples(values, name):
    """A set of single examples, and how many there are."""
    if not isinstance(values, tf.data.Dataset):
        values = checks.as_array(values, name)
        if len(values.shape) < 2 or not values.shape[0]:
            raise ValueError(
                f"`{name}` must be a tf.data.Dataset of images, or an array (n, ...) of at least one example; "
                f"got shape {tuple(values.shape)}. One image is images[None]."
            )
        return tf.data.Dataset.from_tensor_slices(values), values.shape[0]
    spec = values.element_spec
    if not isinstance(spec, tf.TensorSpec) or spec.shape.rank not in (3, 4):
        raise ValueError(
            f"`{name}` given as a tf.data.Dataset must hold images alone, (h, w, c) or in batches (n, h, w, c); its "
            f"elements are {spec}. Keep the images: dataset.map(lambda images, labels: images); what is no image goes "
            "in as an array."
        )
    if spec.shape.rank == 4:
        values = values.unbatch()
    number = int(values.cardinality())
    if number == tf.data.UNKNOWN_CARDINALITY:
        number = int(values.reduce(np.int64(0), lambda count, _: count + 1))  # at the cost of reading it once
        values = values.apply(tf.data.experimental.assert_cardinality(number))
    if number < 1:
        what = "endless" if number == tf.data.INFINITE_CARDINALITY else "empty"
        raise ValueError(f"`{name}` must hold some images and end; this set is {what}. Give it without repeat().")
    return values, number


def _passes(examples, batch_size, seed):
    """A set over and over, each time in another order. New iterators go on to other orders, read or not."""
    buffer = _buffer(examples, batch_size)

    def shuffled(number):
        tf.compat.v1.set_random_seed(1)  # of this graph: under a global seed of 0, TensorFlow takes no tensor as a seed
        return examples.shuffle(buffer, seed=number, reshuffle_each_iteration=False)

    return random_numbers(seed).flat_map(shuffled)


def _buffer(dataset, batch_size):
    specs = tf.nest.flatten(dataset.element_spec)
    return min(shuffle_buffer(dataset, spec, batch_size) for spec in specs)

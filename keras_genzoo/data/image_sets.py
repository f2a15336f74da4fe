"""Image sets by name: the embedded `digits`, any TFDS image set, a folder of pictures, a .npz file of arrays."""

import os
from pathlib import Path

import tensorflow as tf

from keras_genzoo import distributions
from keras_genzoo.data import augmentation, named_sets, own_sets, pairing, tasks
from keras_genzoo.data.pipeline import check_batch_size, random_numbers, shuffle_buffer

_TWO_SIDES = ("paired", "unpaired")  # values of `source` for a user's own set that holds sources


def load(
    name,
    split="train",
    batch_size=128,
    image_size=None,
    labels=False,
    binarize=None,
    shuffle=True,
    seed=None,
    source=None,
    augment=None,
    channels=None,
    skip_broken=False,
    unpaired=False,
):
    """An image set as a shuffled, batched, prefetched `tf.data.Dataset`.

    Args:
        name: one of

            - `"digits"`: 1,797 handwritten 8x8 digits, through scikit-learn; every fifth is the test split;
            - the name of a TFDS image set such as `"mnist"`; `"binarized_mnist"` is the static benchmark;
            - a folder of PNG, JPEG and WebP pictures, such as `"photos/"`. Subfolders `train/`, `validation/` and
              `test/` are its splits; where there are none, a hash of a file's name puts a tenth of the pictures each in
              `"validation"` and `"test"`, for ever. Each file is read once, to find what is broken before the work
              begins; later pictures are read as they are needed, in constant memory;
            - a `.npz` file with arrays `x_train`, `x_test`, `y_train` (labels) and so on, or `x` and `y`, which are
              split in the same way.
        split: str, `"train"`, `"test"` or whatever else TFDS understands, such as `"train[:10%]"` or `"train[-100:]"`;
            of a folder or file also `"all"`. `splits` gives those to train on, to make choices by and to measure on.
        batch_size: int; the last batch may be smaller.
        image_size: int or `(height, width)` to resize to, antialiased; None to leave as is. Of a picture in a folder
            the middle is taken, as large as these proportions allow.
        labels: bool, True for batches `(images, labels)`. Classes of a folder are the names of its subfolders, in
            alphabetical order.
        binarize: `"stochastic"` draws each pixel as a bit with its grey level as probability, afresh each epoch
            ("dynamic" binarisation); `"threshold"` is 1 from level 0.5 up; None keeps the levels.
        shuffle: bool, a new order each epoch.
        seed: int for orders, bits, boxes, noise and augmentations that repeat from run to run.
        source: str, what to make translation tasks of: batches `(images, sources)`, as a translation model takes
            targets and sources. `"low_resolution"`, `"edges"`, `"masked"`, `"noisy"`, `"inverted"` or `"coloured"`, see
            `derive`; boxes and noise are drawn afresh each epoch. `"paired"`: the pictures of a folder's `targets/`,
            each with that of the same name in `sources/` (of a .npz file arrays `source_train` and so on);
            `"unpaired"`: the same two subfolders, shuffled apart, see `data.unpaired`.
        augment: `"flip"`, `"crop"`, `"jitter"` or several, see `data.augment`: what happens to images at random, afresh
            each epoch, to both of a pair alike, before bits are drawn and sources are made of them.
        channels: 1 for grey images, 3 for colours; None to leave as is. Pictures of a folder are all made colours where
            one is; what is transparent lies on white.
        skip_broken: bool, leave out files of a folder that cannot be read, with a warning that names them.
        unpaired: bool, with a `source` that is made of the images: True makes it of others than stand beside it. The
            two are shuffled apart in new orders each epoch, so that nothing tells which belong together.

    Returns:
        `tf.data.Dataset` of uint8 images `(n, h, w, c)` in 0..255 (bits as 0 and 255), or `(images, labels)`
        with int64 labels `(n,)`, or `(images, sources)` with uint8 sources `(n, h, w, c)`.

    Raises:
        ValueError: for an unknown set, split or option, for `labels` with a `source`, and for pictures that are broken
            or of 16 bits, which it names.
        FileNotFoundError: where a set is neither on disk nor can be downloaded.
    """
    if binarize not in (None, "stochastic", "threshold"):
        raise ValueError(f"`binarize` must be 'stochastic', 'threshold' or None; got {binarize!r}.")
    check_batch_size(batch_size)
    if augment is not None:
        augment = augmentation.check_policies("augment", augment)
    if channels not in (None, 1, 3):
        raise ValueError(f"`channels` must be 1, 3 or None; got {channels!r}.")
    if source is not None:
        distributions.check_choice("source", source, (*tasks.TASKS, *_TWO_SIDES))
        if labels:
            raise ValueError(
                f"`labels=True` and source={source!r} cannot both be given: a batch holds images and one thing that "
                "they are drawn from. Leave one of them out."
            )
    if unpaired and (source not in tasks.TASKS or binarize is not None):
        raise ValueError(
            f"`unpaired` is for sources that are made of the images, {', '.join(map(repr, tasks.TASKS))}, and for no "
            f"`binarize`; got source={source!r}, binarize={binarize!r}. For two sets of your own there is "
            "source='unpaired', or data.unpaired."
        )
    found = _find(name, source, skip_broken)
    if unpaired:
        images = found.examples(split, False, seed, image_size, channels).map(lambda example: example["image"])
        return _unpaired_task(images, batch_size, seed, source, augment, found.holds_0_and_1)
    if source == "unpaired":
        sides = [side.examples(split, False, seed, image_size, channels) for side in found.sides]
        images = [side.map(lambda example: example["image"]) for side in sides]
        both = pairing.unpaired(*images, batch_size, seed)
        return both if augment is None else augmentation.augment(both, augment, seed)
    dataset = found.examples(split, shuffle, seed, image_size, channels)
    spec = dataset.element_spec
    if labels and "label" not in spec:
        where = (
            "each picture must lie in the subfolder of its class"
            if isinstance(found, own_sets.Folder)
            else (f"its features are {', '.join(spec)}")
        )
        raise ValueError(f"`labels=True`, but data set {str(name)!r} has none; {where}.")
    if source == "paired" and "source" not in spec:
        raise ValueError(f"source='paired', but data set {str(name)!r} has none; it must hold arrays source_train, ...")
    shuffle = shuffle and not found.shuffles_itself
    return _pipeline(dataset, batch_size, labels, binarize, shuffle, seed, source, augment, found.holds_0_and_1)


def splits(name, validation_percent=10):
    """The splits of a set to train on, to make choices by (epochs, settings) and to measure on, without a shared image.

    A set with a split `"validation"` keeps it; a folder or file of your own always has one, see `load`. Of others the
    last part of the training split is held out, by position: TFDS shuffled most sets, `"mnist"` and `"fashion_mnist"`
    among them, when it prepared them. `"digits"` lie sheet by sheet (their labels repeat one order of about 130,
    fourteen times), so the last part is of the last one or two, of a hand that training may not have seen, while test
    images are of every sheet: `classifier_digits` reads 96.5% of the one and 98.9% of the other.

    Args:
        name: see `load`.
        validation_percent: int in 1..99, of the training split, to hold out where the set has no validation split.

    Returns:
        dict of `"train"`, `"validation"` and `"test"` to a `split` for `load`.
    """
    if not isinstance(validation_percent, int) or not 1 <= validation_percent <= 99:
        raise ValueError(f"`validation_percent` must be an integer from 1 to 99; got {validation_percent!r}.")
    return _find(name).splits(validation_percent)


def num_images(name, split, source=None, skip_broken=False):
    """int: images of a split, see `load`; ValueError for an unknown one."""
    return _find(name, source, skip_broken).num_images(split)


def has_labels(name):
    """bool: whether `labels=True` gives the labels of a set, see `load`."""
    return "label" in _find(name).examples("train", False, None).element_spec


def is_own(name):
    """Whether `load` takes this for a folder or file of the user's, not for the name of a set."""
    text = str(name)
    if isinstance(name, Path) or text.endswith((".npz", "/", os.sep)) or text.startswith((".", "/", "~", os.sep)):
        return True
    return os.path.isdir(text) and not named_sets.is_known(text)


def _find(name, source=None, skip_broken=False):
    """The set of that name."""
    if not is_own(name):
        if source in _TWO_SIDES:
            raise ValueError(
                f"source={source!r} is for a folder with {own_sets.TARGETS}/ and {own_sets.SOURCES}/, or a .npz file; "
                f"data set {name!r} takes one of {', '.join(map(repr, tasks.TASKS))}."
            )
        return named_sets.Digits() if name == "digits" else named_sets.TFDS(name)
    path = Path(name).expanduser()
    if path.suffix == ".npz" and path.is_file():
        return own_sets.Arrays(path)
    if not path.is_dir():
        kind = "file" if path.suffix == ".npz" else "folder"
        raise FileNotFoundError(
            f"no {kind} {str(name)!r} here; name a folder of pictures or a .npz file (--data photos/)."
        )
    if source in _TWO_SIDES:
        return (own_sets.PairedFolder if source == "paired" else own_sets.UnpairedFolder)(path, skip_broken)
    return own_sets.Folder(path, skip_broken)


def _unpaired_task(images, batch_size, seed, source, augment, bits):
    """Images, and beside them what is made of others."""

    def finish(targets, others, random_number):
        random_number = tf.bitcast(random_number, tf.int32)
        if bits:
            targets, others = 255 * targets, 255 * others
        return targets, tasks.of_batch(others, source, random_number)

    both = pairing.unpaired(images, images, batch_size, seed)
    if augment is not None:
        both = augmentation.augment(both, augment, seed)
    dataset = tf.data.Dataset.zip(both, random_numbers(seed))
    dataset = dataset.map(lambda pair, number: finish(*pair, number), num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(tf.data.AUTOTUNE)


def _pipeline(dataset, batch_size, labels, binarize, shuffle, seed, source, augment, bits):
    def finish(example, random_number):
        random_number = tf.bitcast(random_number, tf.int32)
        if augment is not None:  # by other numbers than bits and sources
            example = augmentation.of_batch(example, augment, tf.random.fold_in(random_number, 2))
        images = example["image"]
        if bits:
            images *= 255
        if binarize == "stochastic":
            u = tf.random.stateless_uniform(tf.shape(images), random_number)
            images = tf.cast(u < tf.cast(images, tf.float32) / 255, tf.uint8) * 255
        elif binarize == "threshold":
            images = tf.cast(images >= 128, tf.uint8) * 255
        if source == "paired":
            return images, example["source"]
        if source is not None:  # by other numbers than the bits
            return images, tasks.of_batch(images, source, tf.random.fold_in(random_number, 1))
        return (images, example["label"]) if labels else images

    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer(dataset, dataset.element_spec["image"], batch_size), seed=seed)
    dataset = tf.data.Dataset.zip(dataset.batch(batch_size), random_numbers(seed))
    return dataset.map(finish, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

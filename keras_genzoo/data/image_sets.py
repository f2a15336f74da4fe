"""Image sets by name: the embedded `digits`, and any TFDS image set."""

import difflib
import os

import numpy as np
import tensorflow as tf

from keras_genzoo.data import augmentation, tasks
from keras_genzoo.data.augmentation import random_numbers

_SHUFFLE_BYTES = 2**28  # of decoded images held to shuffle from: a set of any size trains in constant memory
_NUM_DIGITS = 1797
_BITS_AS_0_1 = ("binarized_mnist",)  # TFDS sets whose uint8 images hold 0 and 1 instead of 0 and 255


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
):
    """An image set as a shuffled, batched, prefetched `tf.data.Dataset`.

    Args:
        name: `"digits"` (1,797 handwritten 8x8 digits, through scikit-learn; every fifth is the test split) or
            the name of a TFDS image set such as `"mnist"`; `"binarized_mnist"` is the static benchmark.
        split: str, `"train"`, `"test"` or whatever else TFDS understands, such as `"train[:10%]"` or `"train[-100:]"`;
            `splits` gives those to train on, to make choices by and to measure on.
        batch_size: int; the last batch may be smaller.
        image_size: int or `(height, width)` to resize to (bilinear, antialiased), None to leave as is.
        labels: bool, True for batches `(images, labels)`.
        binarize: `"stochastic"` draws each pixel as a bit with its grey level as probability, afresh each epoch
            ("dynamic" binarisation); `"threshold"` is 1 from level 0.5 up; None keeps the levels.
        shuffle: bool, a new order each epoch.
        seed: int for orders, bits, boxes, noise and augmentations that repeat from run to run.
        source: str, what to make translation tasks of: batches `(images, sources)`, as a translation model takes
            targets and sources. `"low_resolution"`, `"edges"`, `"masked"`, `"noisy"` or `"inverted"`, see `derive`;
            boxes and noise are drawn afresh each epoch.
        augment: `"flip"`, `"crop"` or both, see `data.augment`: what happens to images at random, afresh each epoch,
            before bits are drawn and sources are made of them.

    Returns:
        `tf.data.Dataset` of uint8 images `(n, h, w, c)` in 0..255 (bits as 0 and 255), or `(images, labels)`
        with int64 labels `(n,)`, or `(images, sources)` with uint8 sources `(n, h, w, c)`.

    Raises:
        ValueError: for an unknown set, split or option, and for `labels` with a `source`.
        FileNotFoundError: where a set is neither on disk nor can be downloaded.
    """
    if binarize not in (None, "stochastic", "threshold"):
        raise ValueError(f"`binarize` must be 'stochastic', 'threshold' or None; got {binarize!r}.")
    check_batch_size(batch_size)
    if augment is not None:
        augment = augmentation.check_policies("augment", augment)
    if source is not None:
        tasks.check_source(source)
        if labels:
            raise ValueError(
                f"`labels=True` and source={source!r} cannot both be given: a batch holds images and one thing that "
                "they are drawn from. Leave one of them out."
            )
    dataset = _digits(split) if name == "digits" else _tfds(name, split, shuffle, seed)
    spec = dataset.element_spec
    if labels and "label" not in spec:
        raise ValueError(f"`labels=True`, but data set {name!r} has none; its features are {', '.join(spec)}.")
    if image_size is None and not spec["image"].shape.is_fully_defined():
        raise ValueError(f"images of {name!r} differ in size, {spec['image'].shape}; pass `image_size` to resize them.")
    bits = name in _BITS_AS_0_1
    return _pipeline(dataset, batch_size, image_size, labels, binarize, shuffle, seed, source, augment, bits)


def splits(name, validation_percent=10):
    """The splits of a set to train on, to make choices by (epochs, settings) and to measure on, without a shared image.

    A set with a split `"validation"` keeps it. Of others the last part of the training split is held out, by position:
    TFDS shuffled most sets, `"mnist"` and `"fashion_mnist"` among them, when it prepared them. `"digits"` lie sheet by
    sheet (their labels repeat one order of about 130, fourteen times), so the last part is of the last one or two, of a
    hand that training may not have seen, while test images are of every sheet: `classifier_digits` reads 96.5% of the
    one and 98.9% of the other.

    Args:
        name: see `load`.
        validation_percent: int in 1..99, of the training split, to hold out where the set has no validation split.

    Returns:
        dict of `"train"`, `"validation"` and `"test"` to a `split` for `load`.
    """
    if not isinstance(validation_percent, int) or not 1 <= validation_percent <= 99:
        raise ValueError(f"`validation_percent` must be an integer from 1 to 99; got {validation_percent!r}.")
    if name != "digits" and "validation" in _tfds_builder(name).info.splits:
        return {"train": "train", "validation": "validation", "test": "test"}
    kept = 100 - validation_percent
    return {"train": f"train[:{kept}%]", "validation": f"train[{kept}%:]", "test": "test"}


def num_images(name, split):
    """int: images of a split, see `load`; ValueError for an unknown one."""
    return len(_digits_indices(split)) if name == "digits" else _tfds_builder(name).info.splits[split].num_examples


def check_batch_size(batch_size):
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"`batch_size` must be a positive integer; got {batch_size!r}.")


def _pipeline(dataset, batch_size, image_size, labels, binarize, shuffle, seed, source, augment, bits):
    def resize(example):
        size = (image_size, image_size) if isinstance(image_size, int) else image_size
        image = tf.image.resize(tf.cast(example["image"], tf.float32), size, antialias=True)
        return {**example, "image": tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)}

    def finish(example, random_number):
        images, random_number = example["image"], tf.bitcast(random_number, tf.int32)
        if bits:
            images *= 255
        if augment is not None:  # by other numbers than bits and sources
            images = augmentation.of_batch(images, augment, tf.random.fold_in(random_number, 2))
        if binarize == "stochastic":
            u = tf.random.stateless_uniform(tf.shape(images), random_number)
            images = tf.cast(u < tf.cast(images, tf.float32) / 255, tf.uint8) * 255
        elif binarize == "threshold":
            images = tf.cast(images >= 128, tf.uint8) * 255
        if source is not None:  # by other numbers than the bits
            return images, tasks.of_batch(images, source, tf.random.fold_in(random_number, 1))
        return (images, example["label"]) if labels else images

    if image_size is not None:
        dataset = dataset.map(resize, num_parallel_calls=tf.data.AUTOTUNE)
    if shuffle:
        dataset = dataset.shuffle(shuffle_buffer(dataset, dataset.element_spec["image"], batch_size), seed=seed)
    dataset = tf.data.Dataset.zip(dataset.batch(batch_size), random_numbers(seed))
    return dataset.map(finish, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def shuffle_buffer(dataset, spec, batch_size):
    """How many examples to shuffle from, where one is as large as `spec` says."""
    buffer = max(batch_size, _SHUFFLE_BYTES // ((spec.shape.num_elements() or 1) * spec.dtype.size))
    return min(buffer, int(dataset.cardinality())) if dataset.cardinality() > 0 else buffer


def _digits(split):
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype("uint8")[..., None]
    chosen = _digits_indices(split)
    return tf.data.Dataset.from_tensor_slices({"image": images[chosen], "label": digits.target[chosen]})


def _digits_indices(split):
    """Positions in the set `(n,)` of a split, which is said as TFDS has it."""
    import tensorflow_datasets as tfds

    is_test = np.arange(_NUM_DIGITS) % 5 == 0
    indices = {"train": np.flatnonzero(~is_test), "test": np.flatnonzero(is_test)}
    infos = {
        name: tfds.core.SplitInfo(name=name, shard_lengths=[len(chosen)], num_bytes=0)
        for name, chosen in indices.items()
    }
    try:
        slices = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
    except ValueError as error:
        raise ValueError(
            f"`split` of 'digits' must be 'train' or 'test', or a part such as 'train[:90%]'; got {split!r}: {error}"
        ) from None
    return np.concatenate([indices[part.splitname][part.from_ : part.to] for part in slices])


def _tfds_builder(name):
    """The builder of a TFDS set, prepared."""
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)
    if name.split("/")[0].split(":")[0] not in known:
        near = difflib.get_close_matches(name, [*known, "digits"])
        hint = f"Nearest names: {', '.join(near)}." if near else "tfds.list_builders() lists them all."
        raise ValueError(f"unknown data set {name!r}: neither 'digits' nor a TFDS name. {hint}")
    builder = tfds.builder(name)
    if not builder.is_prepared():
        try:
            builder.download_and_prepare()
        except Exception as error:  # whatever the network, the host of the data or the disk say
            raise FileNotFoundError(
                f"data set {name!r} is not in {os.path.dirname(os.path.dirname(builder.data_dir))!r} and could not "
                f"be downloaded ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}). With a "
                f"network, `tfds build {name}` gets it; where it is prepared already, set TFDS_DATA_DIR to its folder."
            ) from error
    return builder


def _tfds(name, split, shuffle, seed):
    import tensorflow_datasets as tfds

    builder = _tfds_builder(name)
    features = builder.info.features
    if "image" not in features:
        raise ValueError(f"data set {name!r} has no feature 'image', only {', '.join(features)}; images are needed.")
    try:
        dataset = builder.as_dataset(split=split, shuffle_files=shuffle, read_config=tfds.ReadConfig(shuffle_seed=seed))
    except ValueError as error:
        splits = ", ".join(map(repr, builder.info.splits))
        raise ValueError(f"`split` {split!r} is unknown to {name!r}, which has {splits}: {error}") from None
    if set(dataset.element_spec) <= {"image", "label"}:
        return dataset  # one map less, which at 60,000 small images is a third of the cost of an epoch
    return dataset.map(lambda example: {key: example[key] for key in ("image", "label") if key in example})

"""tf.data pipelines of image sets: the embedded `digits`, and any TFDS image set by name."""

import difflib
import math
import os

import numpy as np
import tensorflow as tf

_SHUFFLE_BYTES = 2**28  # of decoded images held to shuffle from: a set of any size trains in constant memory
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
):
    """An image set as a shuffled, batched, prefetched `tf.data.Dataset`.

    Args:
        name: `"digits"` (1,797 handwritten 8x8 digits, through scikit-learn; every fifth is the test split) or
            the name of a TFDS image set such as `"mnist"`; `"binarized_mnist"` is the static benchmark.
        split: str, `"train"`, `"test"` or whatever TFDS understands, such as `"train[:10%]"`.
        batch_size: int; the last batch may be smaller.
        image_size: int or `(height, width)` to resize to (bilinear, antialiased), None to leave as is.
        labels: bool, True for batches `(images, labels)`.
        binarize: `"stochastic"` draws each pixel as a bit with its grey level as probability, afresh each epoch
            ("dynamic" binarisation); `"threshold"` is 1 from level 0.5 up; None keeps the levels.
        shuffle: bool, a new order each epoch.
        seed: int for orders and bits that repeat from run to run.

    Returns:
        `tf.data.Dataset` of uint8 images `(n, h, w, c)` in 0..255 (bits as 0 and 255), or `(images, labels)`
        with int64 labels `(n,)`.

    Raises:
        ValueError: for an unknown set, split or option.
        FileNotFoundError: where a set is neither on disk nor can be downloaded.
    """
    if binarize not in (None, "stochastic", "threshold"):
        raise ValueError(f"`binarize` must be 'stochastic', 'threshold' or None; got {binarize!r}.")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"`batch_size` must be a positive integer; got {batch_size!r}.")
    dataset = _digits(split) if name == "digits" else _tfds(name, split, shuffle, seed)
    spec = dataset.element_spec
    if labels and "label" not in spec:
        raise ValueError(f"`labels=True`, but data set {name!r} has none; its features are {', '.join(spec)}.")
    if image_size is None and not spec["image"].shape.is_fully_defined():
        raise ValueError(f"images of {name!r} differ in size, {spec['image'].shape}; pass `image_size` to resize them.")
    return _pipeline(dataset, batch_size, image_size, labels, binarize, shuffle, seed, name in _BITS_AS_0_1)


def _pipeline(dataset, batch_size, image_size, labels, binarize, shuffle, seed, bits):
    def resize(example):
        size = (image_size, image_size) if isinstance(image_size, int) else image_size
        image = tf.image.resize(tf.cast(example["image"], tf.float32), size, antialias=True)
        return {**example, "image": tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)}

    def finish(example, random_number):
        images = example["image"]
        if bits:
            images *= 255
        if binarize == "stochastic":
            u = tf.random.stateless_uniform(tf.shape(images), tf.bitcast(random_number, tf.int32))
            images = tf.cast(u < tf.cast(images, tf.float32) / 255, tf.uint8) * 255
        elif binarize == "threshold":
            images = tf.cast(images >= 128, tf.uint8) * 255
        return (images, example["label"]) if labels else images

    if image_size is not None:
        dataset = dataset.map(resize, num_parallel_calls=tf.data.AUTOTUNE)
    if shuffle:
        buffer = max(batch_size, _SHUFFLE_BYTES // math.prod(dataset.element_spec["image"].shape))
        if dataset.cardinality() > 0:
            buffer = min(buffer, int(dataset.cardinality()))
        dataset = dataset.shuffle(buffer, seed=seed)
    # The random numbers change with each pass over the set, and with `seed` are the same in each run.
    seed = int(np.random.randint(2**31)) if seed is None else seed
    numbers = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)
    dataset = tf.data.Dataset.zip(dataset.batch(batch_size), numbers)
    return dataset.map(finish, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _digits(split):
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype("uint8")[..., None]
    is_test = np.arange(len(images)) % 5 == 0
    splits = {"train": ~is_test, "test": is_test}
    if split not in splits:
        raise ValueError(f"`split` of 'digits' must be 'train' or 'test'; got {split!r}.")
    chosen = splits[split]
    return tf.data.Dataset.from_tensor_slices({"image": images[chosen], "label": digits.target[chosen]})


def _tfds(name, split, shuffle, seed):
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

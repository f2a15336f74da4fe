"""Image sets that have a name: the embedded `digits`, and those of TensorFlow Datasets."""

import difflib
import os

import numpy as np
import tensorflow as tf

_NUM_DIGITS = 1797


class Digits:
    """1,797 handwritten 8x8 digits, through scikit-learn; every fifth is of the test split."""

    holds_0_and_1 = False  # pixels are 0 to 255
    shuffles_itself = False

    def splits(self, validation_percent):
        return held_out(validation_percent)

    def num_images(self, split):
        return len(self._indices(split))

    def examples(self, split, shuffle, seed, image_size=None, channels=None):
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.round(digits.images * (255 / 16)).astype("uint8")[..., None]
        chosen = self._indices(split)
        dataset = tf.data.Dataset.from_tensor_slices({"image": images[chosen], "label": digits.target[chosen]})
        return sized(dataset, image_size, channels)

    def _indices(self, split):
        is_test = np.arange(_NUM_DIGITS) % 5 == 0
        return sliced("digits", split, {"train": np.flatnonzero(~is_test), "test": np.flatnonzero(is_test)})


class TFDS:
    """A set of TensorFlow Datasets, prepared."""

    shuffles_itself = False

    def __init__(self, name):
        self.name = name
        self.builder = _builder(name)
        self.holds_0_and_1 = name == "binarized_mnist"

    def splits(self, validation_percent):
        if "validation" in self.builder.info.splits:
            return {"train": "train", "validation": "validation", "test": "test"}
        return held_out(validation_percent)

    def num_images(self, split):
        return self.builder.info.splits[split].num_examples

    def examples(self, split, shuffle, seed, image_size=None, channels=None):
        import tensorflow_datasets as tfds

        builder = self.builder
        features = builder.info.features
        if "image" not in features:
            raise ValueError(
                f"data set {self.name!r} has no feature 'image', only {', '.join(features)}; images are needed."
            )
        reading = tfds.ReadConfig(shuffle_seed=seed)
        try:
            dataset = builder.as_dataset(split=split, shuffle_files=shuffle, read_config=reading)
        except ValueError as error:
            splits = ", ".join(map(repr, builder.info.splits))
            raise ValueError(f"`split` {split!r} is unknown to {self.name!r}, which has {splits}: {error}") from None
        if not set(dataset.element_spec) <= {
            "image",
            "label",
        }:  # a map costs a third of an epoch of 60,000 small images
            dataset = dataset.map(lambda example: {key: example[key] for key in ("image", "label") if key in example})
        if image_size is None and not dataset.element_spec["image"].shape.is_fully_defined():
            raise ValueError(
                f"images of {self.name!r} differ in size, {dataset.element_spec['image'].shape}; pass `image_size` to "
                "resize them."
            )
        return sized(dataset, image_size, channels)


def sized(dataset, image_size, channels):
    """A set of dicts whose images, and sources where there are some, are brought to a size and to 1 or 3 channels."""
    parts = [name for name in ("image", "source") if name in dataset.element_spec]
    size = (image_size, image_size) if isinstance(image_size, int) else image_size

    def resized(image):
        image = tf.image.resize(tf.cast(image, tf.float32), size, antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)

    def recolored(image):
        if channels == 3:
            return tf.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image
        return image if image.shape[-1] == 1 else tf.image.rgb_to_grayscale(image)

    if channels is not None:
        dataset = dataset.map(
            lambda example: {**example, **{name: recolored(example[name]) for name in parts}},
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    if image_size is not None:
        dataset = dataset.map(
            lambda example: {**example, **{name: resized(example[name]) for name in parts}},
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    return dataset


def held_out(validation_percent):
    """The splits of a set that has two, with the last part of the training split to validate by."""
    kept = 100 - validation_percent
    return {"train": f"train[:{kept}%]", "validation": f"train[{kept}%:]", "test": "test"}


def sliced(name, split, indices):
    """Positions in a set `(n,)` of a split said as TFDS has it, such as `"train[:10%]"` or `"train+test"`.

    Args:
        name: str, of the set, for the message.
        split: str.
        indices: dict, name of each split to its positions `(m,)`.
    """
    import tensorflow_datasets as tfds

    infos = {
        part: tfds.core.SplitInfo(name=part, shard_lengths=[len(chosen)], num_bytes=0)
        for part, chosen in indices.items()
    }
    try:
        slices = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
    except ValueError as error:
        *names, last = map(repr, indices)
        raise ValueError(
            f"`split` of {name!r} must be {', '.join(names)} or {last}, or a part such as 'train[:90%]'; got "
            f"{split!r}: {error}"
        ) from None
    return np.concatenate([indices[part.splitname][part.from_ : part.to] for part in slices])


def is_known(name):
    """Whether a name is that of a set, prepared or not."""
    return name == "digits" or name.split("/")[0].split(":")[0] in _known_to_tfds()


def _known_to_tfds():
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


def _builder(name):
    import tensorflow_datasets as tfds

    if not is_known(name):
        near = difflib.get_close_matches(name, [*_known_to_tfds(), "digits"])
        hint = f"Nearest names: {', '.join(near)}." if near else "tfds.list_builders() lists them all."
        raise ValueError(
            f"unknown data set {name!r}: neither 'digits', nor a TFDS name, nor a folder or .npz file that is here. "
            f"{hint}"
        )
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

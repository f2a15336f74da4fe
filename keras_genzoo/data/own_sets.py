"""Image sets of a user's own: a folder of pictures, or a .npz file of arrays.

Where folder or file name no splits, a hash of its name puts each image in one, a tenth each in `"validation"` and
`"test"`: it stays there whatever images are added or removed.
"""

import functools
import hashlib
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_genzoo import picture_files
from keras_genzoo.data import named_sets

TARGETS, SOURCES = "targets", "sources"  # subfolders of the two sides of a translation task
_SPLITS = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}
_HELD_OUT = 0.1  # of all images, in "validation" and as many in "test"
_CACHE_BYTES = 2**28  # of decoded pictures held in memory; larger sets are decoded anew each epoch


class OwnSet:
    """Base class: a subclass gives its `name`, and `positions`, the positions of the images of each split."""

    holds_0_and_1 = False

    def splits(self, validation_percent):
        """As folder, file or hash have them, whatever percentage."""
        return {split: split for split in _SPLITS}

    def num_images(self, split):
        return len(self.chosen(split))

    def chosen(self, split):
        """Positions of the images of a split, `"all"` or said as TFDS has it; ValueError where there are none."""
        chosen = named_sets.sliced(self.name, "+".join(_SPLITS) if split == "all" else split, self.positions)
        if not len(chosen):
            counts = ", ".join(f"{len(positions)} in {name!r}" for name, positions in self.positions.items())
            raise ValueError(
                f"no image of {self.name!r} is in split {split!r}: {counts}. A hash of its name says where an image "
                "goes; of few images, name the splits yourself: subfolders train/ and test/, or arrays x_train and "
                "x_test."
            )
        return chosen


class Folder(OwnSet):
    """Pictures below a folder: PNG, JPEG and WebP files.

    Subfolders `train/`, `validation/` and `test/` are the splits, where there is `train/`. The first subfolder below
    names the class of a picture, where each lies in one.

    Args:
        path: of the folder.
        skip_broken: bool, leave out files that cannot be read.
        side: str, the subfolder to take, `"targets"` or `"sources"`; None for all pictures.
    """

    shuffles_itself = True  # by names, not pictures: of a set of any size every order is as likely

    def __init__(self, path, skip_broken=False, side=""):
        root, self.name = Path(path), str(Path(path) / side)
        named = {split: _first_folder(root, names) for split, names in _SPLITS.items()}
        folders = {split: folder for split, folder in named.items() if folder} if named["train"] else {"train": root}
        found = {file: split for split in folders for file in picture_files.below(folders[split] / side)}
        if not found:
            raise ValueError(
                f"folder {self.name!r} holds no picture, a file whose name ends in one of "
                f"{', '.join(picture_files.SUFFIXES)}."
            )
        self.keys = {file: file.relative_to(folders[split] / side).with_suffix("") for file, split in found.items()}
        self._splits, self._skip_broken = found, skip_broken

    @functools.cached_property
    def shapes(self):
        """dict, path of each picture to its shape; every file is read for it, which a list of splits need not wait for.

        In the order of their hashes, so that a part of a split, such as train[:10%], is of every class.
        """
        files = sorted(self.keys, key=lambda file: (_hash(file.stem), self.keys[file]))
        return picture_files.shapes(files, self._skip_broken)

    @functools.cached_property
    def files(self):
        return list(self.shapes)

    @functools.cached_property
    def positions(self):
        return _split([self._splits[file] for file in self.files], [file.stem for file in self.files])

    @functools.cached_property
    def class_names(self):
        """list of str, sorted; empty unless every picture lies in a class."""
        is_in_a_class = all(len(self.keys[file].parts) > 1 for file in self.files)
        return sorted({self.keys[file].parts[0] for file in self.files}) if is_in_a_class else []

    def examples(self, split, shuffle, seed, image_size=None, channels=None):
        files, shape = [self.files[i] for i in self.chosen(split)], self.shape(image_size, channels)
        labels = [self.class_names.index(self.keys[file].parts[0]) for file in files] if self.class_names else None
        return _pictures({"image": (files, shape)}, labels, shuffle, seed)

    def shape(self, image_size, channels):
        """The shape that all pictures are brought to; ValueError where a size is needed and not given."""
        sizes = {shape[:2] for shape in self.shapes.values()}
        if image_size is None and len(sizes) > 1:
            least, most = ("x".join(map(str, size)) for size in (min(sizes), max(sizes)))
            raise ValueError(
                f"pictures of {self.name!r} differ in size, from {least} to {most}; bring them to one: image_size=64, "
                "on the command line --image-size 64."
            )
        size = (image_size, image_size) if isinstance(image_size, int) else image_size or sizes.pop()
        return (*size, channels or max(shape[2] for shape in self.shapes.values()))


class PairedFolder(OwnSet):
    """Pictures in `targets/` and `sources/`, each target with the source of the same name; see `Folder`."""

    shuffles_itself = True

    def __init__(self, path, skip_broken=False):
        self.name = str(path)
        self.sides = [Folder(path, skip_broken, side) for side in (TARGETS, SOURCES)]
        targets, sources = ({side.keys[file]: file for file in side.files} for side in self.sides)
        if alone := sorted(targets.keys() ^ sources.keys()):
            side = TARGETS if alone[0] in targets else SOURCES
            raise ValueError(
                f"pictures of {self.name!r} must come in pairs of one name in {TARGETS}/ and {SOURCES}/; "
                f"{len(alone)} have no partner, such as {str(alone[0])!r} in {side}/. With source='unpaired' they need "
                "none."
            )
        self.files = [(file, sources[self.sides[0].keys[file]]) for file in self.sides[0].files]
        self.positions = self.sides[0].positions

    def examples(self, split, shuffle, seed, image_size=None, channels=None):
        files = zip(*(self.files[i] for i in self.chosen(split)), strict=True)
        shapes = [side.shape(image_size, channels) for side in self.sides]
        columns = dict(zip(("image", "source"), zip(map(list, files), shapes, strict=True), strict=True))
        return _pictures(columns, None, shuffle, seed)


class UnpairedFolder(OwnSet):
    """Pictures in `targets/` and `sources/` that have nothing to do with each other; see `Folder`."""

    def __init__(self, path, skip_broken=False):
        self.name = str(path)
        self.sides = [Folder(path, skip_broken, side) for side in (TARGETS, SOURCES)]

    def num_images(self, split):
        return max(side.num_images(split) for side in self.sides)


class Arrays(OwnSet):
    """Arrays of a .npz file: images `x_train`, `x_validation` and `x_test`, or `x` alone; `y_...` are their labels.

    `source_...` are the sources of a translation task. Images are uint8 or float in [0, 1].
    """

    shuffles_itself = False

    def __init__(self, path):
        self.name = str(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name.split("_")[0] in ("x", "y", "source")}
            found = ", ".join(file.files)
        splits = {split: next((n for n in names if f"x_{n}" in arrays), None) for split, names in _SPLITS.items()}
        splits = {split: f"_{name}" for split, name in splits.items() if name} or {"train": ""}
        if "train" not in splits or f"x{splits['train']}" not in arrays:
            raise ValueError(f"{self.name!r} must hold an array x_train or x of images; it holds {found}.")
        sizes = {split: len(arrays[f"x{suffix}"]) for split, suffix in splits.items()}
        self.columns = {}
        for column, name in {"image": "x", "label": "y", "source": "source"}.items():
            names = [f"{name}{suffix}" for suffix in splits.values()]
            if all(name in arrays for name in names):
                as_column = _as_labels if column == "label" else _as_images
                self.columns[column] = [as_column(arrays[name], name, self.name) for name in names]
        for column, parts in self.columns.items():
            if [len(part) for part in parts] != list(sizes.values()):
                raise ValueError(
                    f"arrays of {self.name!r} must be equally long, a {column} an image; got {sizes} images and "
                    f"{[len(part) for part in parts]} of these."
                )
            self.columns[column] = np.concatenate(parts)
        self.positions = _split([split for split, n in sizes.items() for _ in range(n)], range(sum(sizes.values())))

    def examples(self, split, shuffle, seed, image_size=None, channels=None):
        chosen = self.chosen(split)
        dataset = tf.data.Dataset.from_tensor_slices({name: values[chosen] for name, values in self.columns.items()})
        return named_sets.sized(dataset, image_size, channels)


def _first_folder(root, names):
    return next((root / name for name in names if (root / name).is_dir()), None)


def _hash(name):
    """A number in [0, 1) that is always the same for a name."""
    return int.from_bytes(hashlib.blake2b(str(name).encode(), digest_size=6).digest(), "big") / 2**48


def _split(splits, names):
    """Positions of the images of each split, of the splits that they are in and of their names.

    What is not held out there is held out here, of the training split.
    """
    given, splits = set(splits), np.array(splits, dtype=object)
    hashes = np.array([_hash(name) for name in names])
    if "test" not in given:
        splits[(splits == "train") & (hashes < _HELD_OUT)] = "test"
    if "validation" not in given:
        splits[(splits == "train") & (hashes >= _HELD_OUT) & (hashes < 2 * _HELD_OUT)] = "validation"
    return {split: np.flatnonzero(splits == split) for split in _SPLITS}


def _pictures(columns, labels, shuffle, seed):
    """A set of dicts of pictures, and of a label where there are some.

    Args:
        columns: dict, name to the list of files and the shape that their pictures are brought to.
        labels: list of ints, or None.
        shuffle: bool.
        seed: int or None.
    """

    def decoded(file, shape):
        def read(name):
            return picture_files.decode(name.decode(), shape[:2], shape[2])

        return tf.ensure_shape(tf.numpy_function(read, [file], tf.uint8, stateful=False), shape)

    def read(example):
        return {**example, **{name: decoded(example[name], shape) for name, (_, shape) in columns.items()}}

    names = {name: [str(file) for file in files] for name, (files, _) in columns.items()}
    number = len(next(iter(names.values())))
    given = names if labels is None else {**names, "label": np.array(labels, "int64")}
    dataset = tf.data.Dataset.from_tensor_slices(given)
    is_small = number * sum(np.prod(shape) for _, shape in columns.values()) <= _CACHE_BYTES
    if is_small:
        dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE).cache()
    if shuffle:
        dataset = dataset.shuffle(number, seed=seed)
    return dataset if is_small else dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE)


def _as_images(values, array, file):
    """uint8 images `(n, h, w, c)` of an array."""
    if values.ndim == 3:
        values = values[..., None]
    is_float = np.issubdtype(values.dtype, np.floating)
    if values.ndim != 4 or not (is_float or values.dtype == np.uint8):
        raise ValueError(
            f"array {array} of {file!r} must hold images (n, h, w) or (n, h, w, c), uint8 or float in [0, 1]; got "
            f"shape {values.shape}, dtype {values.dtype}."
        )
    if not is_float:
        return values
    if not (values.size and values.min() >= 0 and values.max() <= 1):  # NaN is neither
        raise ValueError(f"array {array} of {file!r} must be finite, in [0, 1]; got {values.min()} to {values.max()}.")
    return np.round(255 * values).astype("uint8")


def _as_labels(values, array, file):
    """int64 labels `(n,)` of an array."""
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.integer) or (values.size and values.min() < 0):
        raise ValueError(
            f"array {array} of {file!r} must hold labels (n,), integers from 0; got shape {values.shape}, dtype "
            f"{values.dtype}."
        )
    return values.astype("int64")

"""data.load: what comes out, in which order, and what is said when it cannot."""

import types

import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import data
from keras_genzoo.data import named_sets
from tests.conftest import require_tfds


def all_images(dataset):
    return np.concatenate([batch.numpy() for batch in dataset])


def test_digits_are_the_real_ones_and_the_splits_are_disjoint():
    from sklearn.datasets import load_digits

    train, test = (all_images(data.load("digits", split, shuffle=False)) for split in ("train", "test"))
    assert train.shape == (1437, 8, 8, 1) and test.shape == (360, 8, 8, 1) and train.dtype == np.uint8
    digits = load_digits().images
    np.testing.assert_array_equal(test[..., 0], np.round(digits[::5] * 255 / 16))
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}


def test_parts_of_digits_are_those_of_their_arrays():
    train = all_images(data.load("digits", shuffle=False))
    for split, expected in {
        "train[:90%]": train[:1293],
        "train[90%:]": train[1293:],
        "train[-144:]": train[-144:],
        "train[100:200]": train[100:200],
    }.items():
        np.testing.assert_array_equal(all_images(data.load("digits", split, shuffle=False)), expected)
        assert data.num_images("digits", split) == len(expected)
    assert data.num_images("digits", "train+test") == 1797


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("digits", (1293, 144, 360)),
        pytest.param("mnist", (54_000, 6_000, 10_000), marks=pytest.mark.slow),
        ("binarized_mnist", (50_000, 10_000, 10_000)),
    ],
)
def test_splits_share_no_image(name, sizes):
    if name != "digits":
        require_tfds(name)
    splits = data.splits(name)
    assert list(splits) == ["train", "validation", "test"]
    assert sizes == tuple(data.num_images(name, split) for split in splits.values())
    if name == "binarized_mnist":
        assert splits["train"] == "train" and splits["validation"] == "validation"  # the benchmark's own
        return
    images = [all_images(data.load(name, split, 1000, shuffle=False)) for split in splits.values()]
    assert sizes == tuple(map(len, images))
    assert len({image.tobytes() for part in images for image in part}) == sum(sizes)  # no two in these sets are equal


def test_how_much_is_held_out():
    assert data.splits("digits", 25)["validation"] == "train[75%:]"
    for percent in (0, 100, 12.5):
        with pytest.raises(ValueError, match="`validation_percent` must be an integer from 1 to 99"):
            data.splits("digits", percent)


def test_labels_belong_to_their_images():
    from sklearn.datasets import load_digits

    digits = load_digits()
    known = {
        np.round(image * 255 / 16).astype("uint8").tobytes(): label
        for image, label in zip(digits.images, digits.target, strict=True)
    }
    for images, labels in data.load("digits", labels=True, seed=0):
        assert [known[image.tobytes()] for image in images.numpy()] == labels.numpy().tolist()


class _Builder:
    """A TFDS set in which an image of class k holds the level 25 k everywhere, with a feature more if wanted."""

    def __init__(self, features):
        labels = np.random.default_rng(0).integers(0, 10, 300)
        self.examples = {"image": (25 * labels[:, None, None, None] * np.ones((8, 8, 1))).astype("uint8")}
        self.examples |= {"label": labels, **{name: labels[::-1] for name in features}}
        self.info = types.SimpleNamespace(features=self.examples, splits=["train"])

    def as_dataset(self, split, shuffle_files, read_config):
        return tf.data.Dataset.from_tensor_slices(self.examples)


@pytest.mark.parametrize("features", [[], ["id"]])
@pytest.mark.parametrize(
    "options",
    [{}, {"shuffle": False}, {"image_size": 5}, {"binarize": "threshold"}, {"binarize": "stochastic"}],
    ids=str,
)
def test_labels_of_tfds_sets_belong_to_their_images(features, options, monkeypatch):
    monkeypatch.setattr(named_sets, "_builder", lambda name: _Builder(features))
    count = 0
    for images, labels in data.load("levels", labels=True, batch_size=32, seed=0, **options):
        levels, labels = images.numpy().mean(axis=(1, 2, 3)), labels.numpy()
        count += len(labels)
        if options.get("binarize") == "threshold":
            np.testing.assert_array_equal(levels, 255 * (labels > 5))
        else:  # bits have the level as their mean, with a deviation of at most 16
            np.testing.assert_allclose(levels, 25 * labels, atol=65 if "binarize" in options else 0)
    assert count == 300


def test_shuffles_anew_each_epoch_and_repeats_with_a_seed():
    dataset, again = (data.load("digits", seed=3) for _ in range(2))
    first, second = all_images(dataset), all_images(dataset)
    assert (first != second).any()
    np.testing.assert_array_equal(all_images(again), first)
    np.testing.assert_array_equal(all_images(again), second)


def test_new_iterators_move_to_the_next_epoch():
    """What `genzoo train --resume` stands on: an epoch is skipped by making an iterator, not by reading it."""
    options = {"binarize": "stochastic", "seed": 3}
    whole = data.load("digits", **options)
    epochs = [all_images(whole) for _ in range(3)]
    resumed = data.load("digits", **options)
    for _ in range(2):
        iter(resumed)
    np.testing.assert_array_equal(all_images(resumed), epochs[2])


def test_stochastic_binarisation_draws_afresh_with_grey_levels_as_probabilities():
    dataset = data.load("digits", binarize="stochastic", shuffle=False, seed=0)
    epochs = np.stack([all_images(dataset) for _ in range(40)])
    assert set(np.unique(epochs)) == {0, 255}
    grey = all_images(data.load("digits", shuffle=False)) / 255
    error = epochs.mean(axis=0) / 255 - grey
    assert np.abs(error.mean()) < 0.002 and error.std() == pytest.approx(
        np.sqrt((grey * (1 - grey)).mean() / 40), rel=0.05
    )
    unseeded = data.load("digits", binarize="stochastic", shuffle=False)
    assert (all_images(unseeded) != all_images(unseeded)).any()


def test_threshold_binarisation():
    grey = all_images(data.load("digits", shuffle=False))
    bits = all_images(data.load("digits", shuffle=False, binarize="threshold"))
    np.testing.assert_array_equal(bits, np.where(grey / 255 >= 0.5, 255, 0))


def test_resizes():
    dataset = data.load("digits", image_size=(16, 12), labels=True)
    assert dataset.element_spec[0].shape == (None, 16, 12, 1) and dataset.element_spec[0].dtype == tf.uint8
    grey, large = (all_images(data.load("digits", shuffle=False, image_size=size)) for size in (None, 16))
    assert large.mean() == pytest.approx(grey.mean(), rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "digitz"}, "unknown data set 'digitz'.*digits"),
        ({"name": "mnits"}, "unknown data set 'mnits'.*mnist"),
        ({"name": "digits", "split": "validation"}, "`split` of 'digits' must be 'train' or 'test'.*'validation'"),
        ({"name": "digits", "split": "train[:1500]"}, "`split` of 'digits' must be .*'train.:1500.'.*1437 examples"),
        ({"name": "digits", "split": "train[3]"}, "`split` of 'digits' must be .* a part such as 'train.:90%.'"),
        ({"name": "digits", "binarize": "dynamic"}, "`binarize` must be"),
        ({"name": "digits", "batch_size": 0}, "`batch_size`"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.load(**arguments)


def test_a_set_that_is_nowhere_names_the_folder_and_the_remedy(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    builder = tfds.builder("cifar10", data_dir=tmp_path)

    def fails():
        raise ConnectionError("no route to host")

    monkeypatch.setattr(builder, "download_and_prepare", fails)
    monkeypatch.setattr(tfds, "builder", lambda name: builder)
    with pytest.raises(FileNotFoundError, match=f"'{tmp_path}'.*no route to host.*tfds build cifar10.*TFDS_DATA_DIR"):
        data.load("cifar10")


def test_tfds_set_by_name():
    require_tfds("mnist")
    dataset = data.load("mnist", "train[:1%]", labels=True)
    images, labels = next(iter(dataset))
    assert images.shape == (128, 28, 28, 1) and images.dtype == tf.uint8 and labels.dtype == tf.int64
    assert sum(len(batch[0]) for batch in dataset) == 600
    with pytest.raises(ValueError, match="`split` 'valid' is unknown to 'mnist', which has"):
        data.load("mnist", "valid")


def test_binarized_mnist_holds_bits_under_the_image_convention():
    require_tfds("binarized_mnist")
    dataset = data.load("binarized_mnist", "test")
    images = all_images(dataset)
    assert images.shape == (10000, 28, 28, 1) and set(np.unique(images)) == {0, 255}
    with pytest.raises(ValueError, match="has none"):
        data.load("binarized_mnist", labels=True)


def test_streams_in_constant_memory(monkeypatch):
    """The shuffle buffer is bounded by bytes, whatever the set's length."""
    sizes = []
    original = tf.data.Dataset.shuffle
    monkeypatch.setattr(
        tf.data.Dataset, "shuffle", lambda self, size, **kwargs: sizes.append(size) or original(self, size, **kwargs)
    )
    endless = tf.data.Dataset.from_tensors({"image": np.zeros((512, 512, 3), "uint8")}).repeat()
    monkeypatch.setattr(named_sets, "_builder", lambda name: None)
    monkeypatch.setattr(named_sets.TFDS, "examples", lambda *args: endless)
    images = next(iter(data.load("large", batch_size=4)))
    assert images.shape == (4, 512, 512, 3)
    assert sizes[0] * 512 * 512 * 3 <= 2**28

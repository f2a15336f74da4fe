"""data.pairs keeps pairs together, data.unpaired keeps them apart, and both repeat."""

import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import data

TARGETS = np.arange(50, dtype="uint8")[:, None, None, None] * np.ones((4, 6, 1), "uint8")  # the i-th holds i
SOURCES = (100 + np.arange(50, dtype="float32"))[:, None, None, None] * np.ones((3, 2, 2), "float32")


def epoch(dataset):
    """Both parts of an epoch, each in one array."""
    return [np.concatenate(parts) for parts in zip(*(map(np.asarray, batch) for batch in dataset), strict=True)]


def numbers(images):
    return np.asarray(images).reshape(len(images), -1)[:, 0]


def as_set(array):
    return tf.data.Dataset.from_tensor_slices(array)


KINDS = {
    "arrays": lambda array: array,
    "tensors": tf.constant,
    "lists": lambda array: array.tolist(),
    "single": as_set,
    "batched": lambda array: as_set(array).batch(7),
}


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_stay_together_in_every_order(kind):
    sources = as_set(SOURCES).batch(9) if kind == "batched" else KINDS[kind](SOURCES)
    dataset = data.pairs(KINDS[kind](TARGETS), sources, batch_size=8, seed=0)
    assert dataset.cardinality() == 7  # so that fit shows how far it is
    orders = []
    for _ in range(3):
        targets, sources = epoch(dataset)
        if kind != "lists":
            assert targets.dtype == np.uint8 and sources.dtype == np.float32
        assert targets.shape == (50, 4, 6, 1) and sources.shape == (50, 3, 2, 2)
        np.testing.assert_array_equal(numbers(targets) + 100, numbers(sources))
        orders.append(numbers(targets).tolist())
        assert sorted(orders[-1]) == list(range(50))
    assert orders[0] != orders[1] != orders[2]


def test_pairs_in_their_own_order():
    batches = list(data.pairs(TARGETS, SOURCES, batch_size=20, shuffle=False))
    assert [len(targets) for targets, _ in batches] == [20, 20, 10]
    np.testing.assert_array_equal(epoch(batches)[0], TARGETS)
    np.testing.assert_array_equal(epoch(batches)[1], SOURCES)


def test_what_is_no_image_goes_in_as_arrays():
    points = np.arange(20, dtype="float32").reshape(10, 2)
    targets, sources = epoch(data.pairs(points, points[:, :1], batch_size=4, seed=0))
    np.testing.assert_array_equal(targets[:, :1], sources)
    a, b = epoch(data.unpaired(points, points[:3], batch_size=4, seed=0))
    assert a.shape == b.shape == (10, 2)


MAKERS = {
    "pairs": lambda seed: data.pairs(TARGETS, SOURCES, batch_size=8, seed=seed),
    "jittered": lambda seed: data.pairs(TARGETS, SOURCES, batch_size=8, seed=seed, augment="jitter"),
    "unpaired": lambda seed: data.unpaired(TARGETS, SOURCES[:17], batch_size=8, seed=seed),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_seeds_repeat_and_orders_change(kind):
    make = MAKERS[kind]
    dataset, again, other, resumed = make(3), make(3), make(4), make(3)
    epochs = [epoch(dataset) for _ in range(3)]
    for wanted in epochs:
        for part, repeated in zip(wanted, epoch(again), strict=True):
            np.testing.assert_array_equal(part, repeated)
    for part in range(2):
        assert (epochs[0][part] != epochs[1][part]).any() and (epochs[0][part] != epoch(other)[part]).any()
        assert (epoch(make(None))[part] != epoch(make(None))[part]).any()
    for _ in range(2):  # an epoch is skipped by making an iterator, as `genzoo train --resume` does
        iter(resumed)
    np.testing.assert_array_equal(epoch(resumed)[1], epochs[2][1])


# ---- augmentation ----


def ramps(height, width):
    """Images that say where each pixel comes from: rows, columns, and the number of the image."""
    rows, columns = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    number = np.arange(64)[:, None, None] / 64 * np.ones((height, width))
    return np.stack([rows + 0 * number, columns + 0 * number, number], axis=-1).astype("float32")


@pytest.mark.parametrize("augment", ["mirror", "jitter"])
def test_both_images_of_a_pair_are_cropped_and_mirrored_alike(augment):
    targets, sources = ramps(21, 31), ramps(11, 16)  # every other pixel
    dataset = data.pairs(targets, sources, batch_size=16, shuffle=False, seed=0, augment=augment)
    epochs = [epoch(dataset) for _ in range(2)]
    assert (epochs[0][0] != epochs[1][0]).any()
    for targets, sources in epochs:
        np.testing.assert_allclose(targets[:, ::2, ::2], sources, atol=1e-5)
        np.testing.assert_allclose(targets[..., 2], np.broadcast_to(np.arange(64)[:, None, None] / 64, (64, 21, 31)))
        mirrored = targets[:, 0, 0, 1] > targets[:, 0, -1, 1]
        assert 16 < mirrored.sum() < 48
        left, right = targets[:, 0, 0, 1], targets[:, 0, -1, 1]
        top, bottom = targets[:, 0, 0, 0], targets[:, -1, 0, 0]
        extent = 1 if augment == "mirror" else 256 / 286
        np.testing.assert_allclose(bottom - top, extent, rtol=1e-5)
        np.testing.assert_allclose(np.abs(right - left), extent, rtol=1e-5)
        if augment == "jitter":
            for corner in (top, np.minimum(left, right)):
                assert corner.min() < 0.02 and 1 - extent - 0.02 < corner.max() <= 1 - extent
            assert abs(np.corrcoef(top, np.minimum(left, right))[0, 1]) < 0.4


def test_mirrored_images_keep_every_value():
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3)).astype("uint8")
    targets, sources = epoch(data.pairs(images, 255 - images, shuffle=False, seed=0, augment="mirror"))
    assert targets.dtype == np.uint8
    for image, target, source in zip(images, targets, sources, strict=True):
        assert (target == image).all() or (target == image[:, ::-1]).all()
        np.testing.assert_array_equal(source, 255 - target)


def test_jittered_bytes_are_rounded_not_cut():
    grey = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 1)).astype("uint8")
    floats, whole = (
        epoch(data.pairs(images, images, shuffle=False, seed=0, augment="jitter"))[0]
        for images in (grey.astype("float32"), grey)
    )
    np.testing.assert_allclose(whole, floats, atol=0.501)


# ---- two sets apart ----


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("swapped", [False, True])
def test_an_epoch_holds_every_image_of_both_sets(kind, swapped):
    long, short = KINDS[kind](TARGETS), KINDS[kind](SOURCES[:17])
    dataset = data.unpaired(*((short, long) if swapped else (long, short)), batch_size=8, seed=0)
    assert dataset.cardinality() == 7
    for _ in range(2):
        long, short = map(numbers, reversed(epoch(dataset)) if swapped else epoch(dataset))
        assert sorted(long) == list(range(50))
        for first in (0, 17):
            assert sorted(short[first : first + 17]) == list(range(100, 117))  # each pass is complete,
        assert len(set(short[34:])) == 16
        assert short[:17].tolist() != short[17:34].tolist()  # and in an order of its own


def test_sets_are_shuffled_apart():
    """Of pairs that belonged together, as many stand side by side as by chance: one an epoch."""
    together = []
    for seed in range(10):
        for a, b in (epoch(data.unpaired(TARGETS, SOURCES, seed=seed)) for _ in range(2)):
            together.append((numbers(a) + 100 == numbers(b)).sum())
    assert 0.3 < np.mean(together) < 2 and np.max(together) < 7


def test_sets_of_load_can_be_paired_and_kept_apart():
    def digits(shuffle):
        return data.load("digits", shuffle=shuffle, batch_size=100)

    targets, sources = epoch(data.pairs(digits(False), digits(False).map(lambda images: 255 - images), seed=0))
    assert len(targets) == 1437
    np.testing.assert_array_equal(sources, 255 - targets)
    a, b = epoch(data.unpaired(digits(True), data.load("digits", "test")))
    assert len(a) == len(b) == 1437


# ---- what is refused ----


@pytest.mark.parametrize("function", [data.pairs, data.unpaired])
@pytest.mark.parametrize(
    ("second", "message"),
    [
        (np.zeros(50), r"an array \(n, ...\).*got shape \(50,\)"),
        (np.zeros((0, 4, 4, 1)), r"at least one example; got shape \(0, 4, 4, 1\)"),
        ([np.zeros((4, 4, 1)), np.zeros((5, 4, 1))], "must be one array or tensor"),
        (as_set(TARGETS).repeat(), r"this set is endless. Give it without repeat\(\)"),
        (as_set(TARGETS).take(0), "this set is empty"),
        (as_set(TARGETS).batch(8).take(0), "this set is empty"),
        (as_set((TARGETS, TARGETS)), "must hold images alone.*dataset.map"),
        (as_set(TARGETS[:, 0, 0]), "must hold images alone.*as an array"),
    ],
    ids=["numbers", "empty", "sizes", "endless", "empty set", "empty batches", "tuples", "vectors"],
)
def test_wrong_sets_are_refused(function, second, message):
    name = "sources" if function is data.pairs else "b"
    with pytest.raises(ValueError, match=f"(?s)`{name}` .*{message}"):
        function(TARGETS, second)
    name = "targets" if function is data.pairs else "a"
    with pytest.raises(ValueError, match=f"(?s)`{name}` .*{message}"):
        function(second, TARGETS)


@pytest.mark.parametrize("kind", ["arrays", "single", "batched"])
def test_pairs_of_unequal_sets_are_refused(kind):
    with pytest.raises(ValueError, match=r"`targets` and `sources` must be equally many.*got 50 and 49.*data.unpaired"):
        data.pairs(KINDS[kind](TARGETS), KINDS[kind](SOURCES[:49]))


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match=r"`augment` must be one of 'mirror', 'jitter'; got 'flip'"):
        data.pairs(TARGETS, SOURCES, augment="flip")
    with pytest.raises(ValueError, match=r"`augment` is for images .* an element of `sources` has shape \(2,\)"):
        data.pairs(TARGETS, np.zeros((50, 2)), augment="mirror")
    for function in (data.pairs, data.unpaired):
        with pytest.raises(ValueError, match="`batch_size` must be a positive integer; got 0"):
            function(TARGETS, SOURCES, batch_size=0)

"""Translation tasks made of images, each against a computation of its own."""

import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import data
from tests.conftest import require_tfds

SOURCES = ("low_resolution", "edges", "masked", "noisy", "inverted")


def random_images(shape, dtype):
    levels = np.random.default_rng(0).integers(0, 256, shape)
    return levels.astype(dtype) if dtype == "uint8" else (levels / 255).astype(dtype)


@pytest.fixture(params=["uint8", "float32", "float64"])
def images(request):
    return random_images((6, 10, 18, 3), request.param)


def levels(images):
    return 255 if images.dtype == np.uint8 else 1


def assert_close(actual, wanted):
    """Up to float32's precision, and to the level that a half may be rounded to."""
    assert isinstance(actual, np.ndarray)
    np.testing.assert_allclose(actual.astype("float64"), wanted, atol=0.5 if actual.dtype == np.uint8 else 1e-6)


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (30, 17, 3), (9, 40, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("source", SOURCES)
def test_sources_are_images_like_their_targets(source, shape, dtype):
    images = random_images((3, *shape), dtype)
    kept = images.copy()
    for values in (images, tf.constant(images)):
        sources = data.derive(values, source)
        assert sources.shape == images.shape and sources.dtype == values.dtype and type(sources) is type(values)
        assert np.max(sources) <= levels(images) and np.min(sources) >= 0
    np.testing.assert_array_equal(images, kept)


def test_low_resolution(images):
    wanted = np.empty(images.shape)
    for row in range(0, 10, 2):
        for column in range(0, 18, 2):
            block = slice(None), slice(row, row + 2), slice(column, column + 2)
            wanted[block] = images[block].astype("float64").mean(axis=(1, 2), keepdims=True)
    assert_close(data.derive(images, "low_resolution"), wanted)


def test_low_resolution_of_larger_images_and_sides_that_blocks_do_not_divide():
    images = random_images((2, 18, 16, 1), "float32")
    low = data.derive(images, "low_resolution")
    for image, source in zip(images, low, strict=True):
        for row in range(0, 18, 4):  # the last rows are two, half a block, whose mean is that of the two
            for column in range(0, 16, 4):
                block = slice(row, row + 4), slice(column, column + 4)
                np.testing.assert_allclose(source[block], np.full_like(source[block], image[block].mean()), atol=1e-6)


def test_edges(images):
    grey = images.astype("float64").mean(axis=-1)
    wanted = np.zeros(images.shape)
    for n, image in enumerate(grey):
        bright = image > (image.min() + image.max()) / 2
        for row, column in np.argwhere(~bright):
            near = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
            if any(0 <= i < 10 and 0 <= j < 18 and bright[i, j] for i, j in near):
                wanted[n, row, column] = levels(images)
    np.testing.assert_array_equal(data.derive(images, "edges"), wanted)


def test_edges_of_strokes_are_their_outline():
    image = np.zeros((1, 5, 6, 1), "uint8")
    image[0, 1:4, 2] = 200  # a stroke of one pixel
    rows = ["..X...", ".X.X..", ".X.X..", ".X.X..", "..X..."]
    np.testing.assert_array_equal(data.derive(image, "edges")[0, ..., 0] // 255, [[c == "X" for c in r] for r in rows])
    assert not data.derive(np.full((1, 4, 4, 3), 0.7), "edges").any()


def test_masked(images):
    corners = []
    for image, source in zip(images, data.derive(images, "masked", seed=1), strict=True):
        hidden = np.argwhere((image != source).any(axis=-1))
        (top, left), (bottom, right) = hidden.min(axis=0), hidden.max(axis=0) + 1
        assert (bottom - top, right - left) == (5, 9)  # no pixel of these images is grey in all channels
        assert (source[top:bottom, left:right] == (128 if levels(images) == 255 else 0.5)).all()
        outside = np.ones((10, 18), bool)
        outside[top:bottom, left:right] = False
        np.testing.assert_array_equal(source[outside], image[outside])
        corners.append((top, left))
    assert len(set(corners)) > 3


def test_boxes_are_everywhere():
    images = np.ones((4000, 4, 6, 1), "float32")
    hidden = data.derive(images, "masked", seed=0)[..., 0] == 0.5
    corners = [tuple(np.argwhere(box)[0]) for box in hidden]
    counts = [corners.count((row, column)) for row in range(3) for column in range(4)]
    assert sum(counts) == 4000 and min(counts) > 250 and max(counts) < 420  # 333 each, with a deviation of 17


def test_noisy():
    images = np.full((500, 8, 8, 1), 0.5, "float32")
    noisy = data.derive(images, "noisy", seed=0)
    assert noisy.min() == 0 and noisy.max() == 1
    inside = np.abs(noisy - 0.5) < 0.5
    assert inside.mean() == pytest.approx(0.9044, abs=0.01)  # P(|N(0, 0.3)| < 0.5)
    assert noisy.mean() == pytest.approx(0.5, abs=0.01)
    assert (noisy[inside] < 0.2).mean() == pytest.approx((0.15866 - 0.04779) / 0.90442, abs=0.01)
    grey = data.derive(np.full((500, 8, 8, 1), 128, "uint8"), "noisy", seed=0)
    np.testing.assert_allclose(grey / 255, np.clip(noisy + 0.5 / 255, 0, 1), atol=0.51 / 255)  # the same noise


def test_inverted(images):
    assert_close(data.derive(images, "inverted"), levels(images) - images.astype("float64"))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_colours_are_between_those_of_black_and_white(dtype):
    grey = random_images((3, 8, 9, 1), dtype)
    black, white = np.array([0.95, 0.85, 0.55]), np.array([0.1, 0.2, 0.5])
    share = grey.astype("float64") / levels(grey)
    coloured = data.derive(grey, "coloured")
    assert coloured.dtype == grey.dtype and coloured.shape == (3, 8, 9, 3)
    assert_close(coloured, levels(grey) * ((1 - share) * black + share * white))
    np.testing.assert_array_equal(data.derive(np.repeat(grey, 3, axis=-1), "coloured"), coloured)


@pytest.mark.parametrize("source", ["masked", "noisy"])
def test_boxes_and_noise_repeat_with_a_seed(source):
    images = random_images((8, 8, 8, 1), "uint8")
    one, again, other = (data.derive(images, source, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any() and (data.derive(images, source) != data.derive(images, source)).any()


@pytest.mark.parametrize(
    ("images", "source", "message"),
    [
        (np.zeros((2, 8, 8, 1)), "sketch", "`source` must be one of 'low_resolution', 'edges'.*got 'sketch'"),
        (np.zeros((8, 8, 1)), "edges", r"`values` must be images \(n, h, w, c\).*\(8, 8, 1\).*images\[None\]"),
        (np.zeros((2, 8, 8, 1), int), "edges", "`values` must be images .* dtype int64"),
        (np.full((2, 8, 8, 1), 2.0), "edges", r"`values` given as floats must lie in \[0, 1\]"),
        ([np.zeros((8, 8, 1)), np.zeros((9, 8, 1))], "edges", "`values` must be one array"),
    ],
    ids=["task", "rank", "dtype", "range", "sizes"],
)
def test_wrong_images_are_refused(images, source, message):
    with pytest.raises(ValueError, match=message):
        data.derive(images, source)


# ---- through data.load ----


def all_batches(dataset):
    return [np.concatenate(parts) for parts in zip(*(map(np.asarray, batch) for batch in dataset), strict=True)]


@pytest.mark.parametrize("source", ["low_resolution", "edges", "inverted"])
@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_sets_become_pairs_of_image_and_source(name, source):
    if name != "digits":
        require_tfds(name)
    split = "train" if name == "digits" else "train[:300]"
    targets, sources = all_batches(data.load(name, split, source=source, seed=0))
    np.testing.assert_array_equal(sources, data.derive(targets, source))
    plain = all_batches(data.load(name, split, labels=True, seed=0))[0]
    np.testing.assert_array_equal(targets, plain)


@pytest.mark.parametrize("source", ["masked", "noisy"])
def test_boxes_and_noise_of_sets_are_fresh_each_epoch_and_repeat_with_a_seed(source):
    dataset, again, other = (data.load("digits", shuffle=False, source=source, seed=seed) for seed in (3, 3, 4))
    epochs = [all_batches(dataset) for _ in range(2)]
    np.testing.assert_array_equal(epochs[0][0], epochs[1][0])
    assert (epochs[0][1] != epochs[1][1]).mean() > 0.1
    for (targets, sources), repeated in zip(epochs, [all_batches(again) for _ in range(2)], strict=True):
        np.testing.assert_array_equal(sources, repeated[1])
        kept = (targets == sources).mean(axis=(1, 2, 3))
        assert kept.min() >= 0.75 if source == "masked" else 0.1 < kept.mean() < 0.5  # a black pixel may stay black
    assert (all_batches(other)[1] != epochs[0][1]).any()
    batches = epochs[0][1].reshape(-1)[: 2 * 128 * 64].reshape(2, 128, 8, 8, 1)
    assert (batches[0] != batches[1]).any()


def test_sources_are_made_of_the_images_as_they_come_out():
    dataset = data.load("digits", image_size=16, binarize="stochastic", source="inverted", seed=0)
    assert [spec.shape for spec in dataset.element_spec] == [(None, 16, 16, 1)] * 2
    targets, sources = all_batches(dataset)
    assert set(np.unique(targets)) == {0, 255}
    np.testing.assert_array_equal(sources, 255 - targets)


def test_wrong_tasks_are_refused():
    with pytest.raises(ValueError, match=r"`source` must be one of 'low_resolution'.*got 'sketch'"):
        data.load("digits", source="sketch")
    with pytest.raises(ValueError, match="`labels=True` and source='edges' cannot both be given"):
        data.load("digits", labels=True, source="edges")


# ---- without pairs ----


def test_unpaired_sources_are_of_the_same_images_in_an_order_that_keeps_no_pairing():
    """Each image once on either side; beside its own source as often as chance has it, about once an epoch."""
    dataset = data.load("digits", batch_size=64, source="inverted", unpaired=True, seed=0)
    epochs = [all_batches(dataset) for _ in range(2)]
    repeated = all_batches(data.load("digits", batch_size=64, source="inverted", unpaired=True, seed=0))
    (images,) = all_batches((batch,) for batch in data.load("digits", shuffle=False))

    def in_one_order(values):
        rows = values.reshape(len(values), -1)
        return rows[np.lexsort(rows.T)]

    for targets, sources in epochs:
        np.testing.assert_array_equal(in_one_order(targets), in_one_order(images))
        np.testing.assert_array_equal(in_one_order(sources), in_one_order(255 - images))
        assert (targets == 255 - sources).all(axis=(1, 2, 3)).sum() < 10
    for first, second, again in zip(*epochs, repeated, strict=True):
        np.testing.assert_array_equal(first, again)
        assert (first != second).any(axis=(1, 2, 3)).mean() > 0.9


def test_nothing_of_a_target_is_in_its_unpaired_source():
    """Labels of sources, told by the images they were made of, are independent of those of the targets."""
    labels = {
        image.tobytes(): int(label)
        for batch in data.load("digits", labels=True)
        for image, label in zip(*map(np.asarray, batch), strict=True)
    }
    targets, sources = all_batches(data.load("digits", source="inverted", unpaired=True, seed=1))
    pairs = np.array(
        [(labels[y.tobytes()], labels[(255 - x).tobytes()]) for y, x in zip(targets, sources, strict=True)]
    )
    agree = (pairs[:, 0] == pairs[:, 1]).mean()
    assert abs(agree - 0.1) < 4 * np.sqrt(0.09 / len(pairs))


@pytest.mark.parametrize("options", [{}, {"source": "unpaired"}, {"source": "edges", "binarize": "threshold"}])
def test_unpaired_is_for_tasks(options):
    with pytest.raises(ValueError, match="`unpaired` is for sources that are made of the images"):
        data.load("digits", unpaired=True, **options)

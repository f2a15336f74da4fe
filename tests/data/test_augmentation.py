"""data.augment: each image is one of those that its policies allow, as often as they say, with its label beside it."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_genzoo import data

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (256, 16, 24, 3)).astype("uint8")
LABELS = np.arange(256)


def as_set(*parts, batch_size=64):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0]).batch(batch_size)


def epoch(dataset):
    """Each part of an epoch in one array."""
    batches = [tf.nest.flatten(batch) for batch in dataset]
    return [np.concatenate([part.numpy() for part in parts]) for parts in zip(*batches, strict=True)]


def crops(image):
    """Every place of an image's crop, `(down, right)` to the crop, by NumPy's own padding."""
    height, width, _ = image.shape
    rows, columns = int(height / 8 + 0.5), int(width / 8 + 0.5)
    padded = np.pad(image, ((rows, rows), (columns, columns), (0, 0)), "reflect")
    return {(i, j): padded[i : i + height, j : j + width] for i in range(2 * rows + 1) for j in range(2 * columns + 1)}


def places(originals, augmented):
    """Where each was cropped."""
    found = []
    for original, image in zip(originals, augmented, strict=True):
        matches = [place for place, crop in crops(original).items() if (crop == image).all()]
        assert len(matches) == 1
        found += matches
    return np.array(found)


def test_flipped_images_are_turned_or_not_each_by_itself():
    (images,) = epoch(data.augment(as_set(IMAGES), "flip", seed=0))
    turned = (images == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (images == IMAGES).all(axis=(1, 2, 3))
    assert (turned ^ kept).all() and images.dtype == np.uint8
    assert scipy.stats.binomtest(int(turned.sum()), 256).pvalue > 0.01
    assert all(0 < part.sum() < 64 for part in np.split(turned, 4))  # within each batch


def test_jitter_shows_a_part_of_256_by_286_at_any_place_of_both_of_a_pair():
    """Of ramps from 0 to 1 the slope says how large the part is, and where it begins says where it lies."""
    rows, columns = np.meshgrid(np.linspace(0, 1, 16), np.linspace(0, 1, 24), indexing="ij")
    ramps = np.broadcast_to(np.stack([rows, columns], axis=-1).astype("float32"), (256, 16, 24, 2))
    both = epoch(data.augment(as_set(ramps, ramps[..., ::-1]), "jitter", seed=0))
    np.testing.assert_allclose(both[0], both[1][..., ::-1], atol=1e-6)
    images, extent = both[0], 256 / 286
    np.testing.assert_allclose(images[:, -1, 0, 0] - images[:, 0, 0, 0], extent, atol=1e-5)
    np.testing.assert_allclose(images[:, 0, -1, 1] - images[:, 0, 0, 1], extent, atol=1e-5)
    for axis in (0, 1):
        assert scipy.stats.kstest(images[:, 0, 0, axis] / (1 - extent), "uniform").pvalue > 0.01
    assert abs(np.corrcoef(images[:, 0, 0].T)[0, 1]) < 0.2


def test_crops_lie_at_every_place_alike():
    (images,) = epoch(data.augment(as_set(IMAGES), ["crop"], seed=0))
    assert images.dtype == np.uint8 and images.shape == IMAGES.shape
    found = places(IMAGES, images)
    for number, offsets in zip((5, 7), found.T, strict=True):  # up to 2 of 16 rows and 3 of 24 columns, either way
        counts = np.bincount(offsets, minlength=number)
        assert len(counts) == number and scipy.stats.chisquare(counts).pvalue > 0.01
    assert abs(np.corrcoef(found.T)[0, 1]) < 0.2


def test_both_policies_together():
    (images,) = epoch(data.augment(as_set(IMAGES[:64]), "flip,crop", seed=0))
    turned = 0
    for original, image in zip(IMAGES, images, strict=False):
        sides = [any((crop == image).all() for crop in crops(side).values()) for side in (original, original[:, ::-1])]
        assert sum(sides) == 1
        turned += sides[1]
    assert 16 < turned < 48


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 1), (4, 28, 2)])
def test_small_and_odd_images(shape):
    images = RNG.uniform(size=(32, *shape)).astype("float32")
    (given,) = epoch(data.augment(as_set(images), ("flip", "crop"), seed=0))
    assert given.dtype == np.float32
    for original, image in zip(images, given, strict=True):
        allowed = [crop for side in (original, original[:, ::-1]) for crop in crops(side).values()]
        assert any((crop == image).all() for crop in allowed)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "bool"])
def test_dtypes_shapes_and_structure_stay(dtype):
    images = (IMAGES > 127).astype(dtype)
    dataset = as_set(images, LABELS)
    augmented = data.augment(dataset, "flip,crop")
    assert augmented.element_spec == dataset.element_spec and augmented.cardinality() == 4
    given, labels = epoch(augmented)
    assert set(np.unique(given)) <= {0, 1}
    np.testing.assert_array_equal(labels, LABELS)
    as_dict = dataset.map(lambda images, labels: {"image": images, "label": labels})
    assert data.augment(as_dict, "crop").element_spec == as_dict.element_spec
    unknown = tf.data.Dataset.from_generator(
        lambda: iter([images]), output_signature=tf.TensorSpec((None, None, None, 3), dtype)
    )
    assert epoch(data.augment(unknown, "flip,crop"))[0].shape == images.shape


def test_labels_stay_beside_their_images():
    levels = np.broadcast_to(LABELS[:, None, None, None], IMAGES.shape).astype("uint8")
    images, labels = epoch(data.augment(as_set(levels, LABELS).shuffle(4, seed=0), "flip,crop"))
    np.testing.assert_array_equal(images, np.broadcast_to(labels[:, None, None, None], IMAGES.shape))


def test_targets_and_sources_are_moved_alike():
    images, sources, labels = epoch(data.augment(as_set(IMAGES, 255 - IMAGES[..., :1], LABELS), "flip,crop", seed=0))
    np.testing.assert_array_equal(255 - images[..., :1], sources)
    np.testing.assert_array_equal(labels, LABELS)
    assert (images != IMAGES).any(axis=(1, 2, 3)).mean() > 0.9


def test_epochs_differ_and_seeds_repeat():
    one, again, other = (data.augment(as_set(IMAGES), "crop", seed=seed) for seed in (3, 3, 4))
    epochs = [epoch(one)[0] for _ in range(2)]
    for wanted in epochs:
        np.testing.assert_array_equal(epoch(again)[0], wanted)
    assert (epochs[0] != epochs[1]).any() and (epoch(other)[0] != epochs[0]).any()
    unseeded = [epoch(data.augment(as_set(IMAGES), "crop"))[0] for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).any()


# ---- as an argument of load ----


def test_load_augments_what_it_loads():
    plain, cropped = (epoch(data.load("digits", "test", shuffle=False, augment=a, seed=0))[0] for a in (None, "crop"))
    assert cropped.dtype == np.uint8
    for original, image in zip(plain, cropped, strict=True):
        assert any((crop == image).all() for crop in crops(original).values())
    assert (plain != cropped).any(axis=(1, 2, 3)).mean() > 0.8
    images, labels = epoch(data.load("digits", "test", labels=True, shuffle=False, augment="crop", seed=0))
    np.testing.assert_array_equal(images, cropped)
    np.testing.assert_array_equal(labels, epoch(data.load("digits", "test", labels=True, shuffle=False))[1])


def test_bits_and_sources_are_made_of_augmented_images():
    """Bits by the numbers that draw them without augmentation, so that images not turned have the same ones."""
    options = {"split": "test", "shuffle": False, "seed": 0, "batch_size": 360}
    flipped = epoch(data.load("digits", augment="flip", **options))[0]
    bits = epoch(data.load("digits", augment="flip", binarize="stochastic", **options))[0]
    plain_bits = epoch(data.load("digits", binarize="stochastic", **options))[0]
    assert set(np.unique(bits)) == {0, 255}
    assert not bits[flipped == 0].any() and bits[flipped == 255].all()
    unturned = (flipped == epoch(data.load("digits", **options))[0]).all(axis=(1, 2, 3))
    assert 0 < unturned.sum() < 360
    np.testing.assert_array_equal(bits[unturned], plain_bits[unturned])
    grey = (flipped > 0) & (flipped < 255)
    z = (bits[grey] / 255 - flipped[grey] / 255).sum() / np.sqrt(
        (flipped[grey] / 255 * (1 - flipped[grey] / 255)).sum()
    )
    assert abs(z) < 3
    images, sources = epoch(data.load("digits", augment="flip", source="edges", **options))
    np.testing.assert_array_equal(images, flipped)
    np.testing.assert_array_equal(sources, data.derive(flipped, "edges"))


def test_load_pairs_and_augment_draw_other_numbers_from_one_seed():
    """Which images are turned by one says nothing of which are by another."""
    options = {"split": "test", "shuffle": False, "seed": 0}
    plain = epoch(data.load("digits", **options))[0]
    turned = [
        (epoch(dataset)[0] == plain[:, :, ::-1]).all(axis=(1, 2, 3))
        for dataset in (
            data.load("digits", augment="flip", **options),
            data.pairs(plain, plain, shuffle=False, augment="mirror", seed=0),
            data.augment(data.load("digits", **options), "flip", seed=0),
        )
    ]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert scipy.stats.binomtest(int((turned[i] == turned[j]).sum()), 360).pvalue > 0.01


# ---- what is refused ----


@pytest.mark.parametrize("policies", ["mirror", "", (), None, 3, ("flip", "flip"), "zoom"])
def test_unknown_policies_are_refused(policies):
    with pytest.raises(
        ValueError, match=r"`policies` must be one or more of 'flip', 'crop', 'jitter', each at most once"
    ):
        data.augment(as_set(IMAGES), policies)
    if policies is not None:
        with pytest.raises(
            ValueError, match=r"`augment` must be one or more of 'flip', 'crop', 'jitter', each at most once"
        ):
            data.load("digits", augment=policies)


def test_sets_of_anything_but_batches_of_images_are_refused():
    with pytest.raises(ValueError, match=r"`dataset` must be a tf.data.Dataset; got a ndarray.*from_tensor_slices"):
        data.augment(IMAGES, "flip")
    for dataset in (as_set(IMAGES).unbatch(), as_set(LABELS)):
        with pytest.raises(ValueError, match=r"`dataset` must hold batches of images \(n, h, w, c\).*dataset.batch"):
            data.augment(dataset, "flip")
    pairs = as_set(IMAGES, IMAGES[:, ::2, ::2])
    with pytest.raises(ValueError, match=r"'crop' moves images by whole pixels.*\(None, 8, 12, 3\).*'flip' alone"):
        data.augment(pairs, "crop")
    images, sources = epoch(data.augment(pairs, "flip", seed=0))
    turned = (images == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(turned, (sources == IMAGES[:, ::2, ::2][:, :, ::-1]).all(axis=(1, 2, 3)))

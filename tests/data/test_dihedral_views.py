"""data.dihedral: the eight views of a square image, each as often, with its label beside it."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_genzoo import data

IMAGES = np.random.default_rng(0).integers(0, 256, (800, 4, 4, 3)).astype("uint8")


def numpys(image, label):
    """The view by NumPy, along the axes of a single image."""
    image = image[:, ::-1] if label % 2 else image
    image = image[::-1] if label // 2 % 2 else image
    return image.swapaxes(0, 1) if label // 4 else image


def epoch(dataset):
    views, labels = zip(*dataset, strict=True)
    return np.concatenate(views), np.concatenate(labels)


def test_the_views_are_the_turns_and_their_mirror_images():
    labels = np.repeat(np.arange(8), 2)
    views = data.dihedral_view(IMAGES[np.tile([0, 1], 8)], labels).numpy()
    for i in (0, 1):
        turned = [np.rot90(image, k) for image in (IMAGES[i], IMAGES[i][:, ::-1]) for k in range(4)]
        assert {view.tobytes() for view in views[i::2]} == {np.ascontiguousarray(image).tobytes() for image in turned}
    np.testing.assert_array_equal(views[:2], IMAGES[:2])


def test_each_image_in_the_view_that_its_label_says_and_each_view_as_often():
    dataset = data.dihedral(tf.data.Dataset.from_tensor_slices(IMAGES).batch(64), seed=0)
    assert dataset.element_spec[0] == tf.TensorSpec((None, 4, 4, 3), tf.uint8)
    views, labels = epoch(dataset)
    np.testing.assert_array_equal(views, [numpys(*pair) for pair in zip(IMAGES, labels, strict=True)])
    assert scipy.stats.chisquare(np.bincount(labels, minlength=8)).pvalue > 0.01
    again = data.dihedral(tf.data.Dataset.from_tensor_slices(IMAGES).batch(64), seed=0)
    np.testing.assert_array_equal(epoch(again)[1], labels)
    assert (epoch(dataset)[1] != labels).mean() > 0.5  # the next epoch has others


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (IMAGES, r"`dataset` must be a tf.data.Dataset of batches.*got ndarray"),
        (tf.data.Dataset.from_tensor_slices(IMAGES), r"single images become batches by dataset.batch\(128\)"),
        (tf.data.Dataset.from_tensor_slices((IMAGES, np.arange(800))).batch(8), "Labels go by"),
        (tf.data.Dataset.from_tensor_slices(IMAGES[:, :3]).batch(8), r"must hold square images.*got \(3, 4, 3\)"),
    ],
)
def test_what_is_refused(dataset, message):
    with pytest.raises(ValueError, match=message):
        data.dihedral(dataset)

"""Mixtures of exact densities: exact themselves, and never below the mean of their members."""

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.evaluation import dihedral_log_prob, mixture_log_prob
from tests.autoregressive.conftest import every_image, with_random_weights

SHAPE = (3, 3, 1)
IMAGES = every_image(SHAPE, 2)


def total(log_prob):
    return np.exp(log_prob.numpy().astype("float64")).sum()


def test_a_mixture_of_models_is_the_mean_of_their_densities():
    models = [with_random_weights("PixelCNN", SHAPE, seed=seed) for seed in range(3)]
    of_each = np.array([model.log_prob(IMAGES).numpy().astype("float64") for model in models])
    log_prob = mixture_log_prob(models, IMAGES)
    np.testing.assert_allclose(log_prob, np.log(np.exp(of_each).mean(axis=0)), rtol=1e-5)
    np.testing.assert_allclose(total(log_prob), 1, atol=1e-5)
    np.testing.assert_allclose(mixture_log_prob(models[:1], IMAGES), of_each[0], rtol=1e-5)


def test_labels_reach_those_models_that_have_classes():
    models = [with_random_weights("PixelCNN", SHAPE, num_classes=3), with_random_weights("PixelCNN", SHAPE, seed=1)]
    labels = np.full(len(IMAGES), 2)
    expected = np.logaddexp(models[0].log_prob(IMAGES, labels), models[1].log_prob(IMAGES)) - np.log(2)
    np.testing.assert_allclose(mixture_log_prob(models, IMAGES, labels), expected, rtol=1e-5)
    np.testing.assert_allclose(total(mixture_log_prob(models, IMAGES, labels)), 1, atol=1e-5)


def test_views_told_by_label_are_a_density_of_images():
    model = with_random_weights("PixelCNN", SHAPE, num_classes=8)
    log_prob = dihedral_log_prob(model, IMAGES)
    np.testing.assert_allclose(total(log_prob), 1, atol=1e-5)
    expected = np.zeros(len(IMAGES))
    for label in range(8):
        views = gz.data.dihedral_view(IMAGES, np.full(len(IMAGES), label)).numpy()
        expected += np.exp(model.log_prob(views, np.full(len(IMAGES), label)).numpy().astype("float64")) / 8
    np.testing.assert_allclose(log_prob, np.log(expected), rtol=1e-5)
    as_bytes = (255 * IMAGES).astype("uint8")
    np.testing.assert_allclose(dihedral_log_prob(model, as_bytes), log_prob, rtol=1e-5)


def test_what_is_refused():
    bits = with_random_weights("PixelCNN", SHAPE)
    with pytest.raises(ValueError, match="`models` is empty"):
        mixture_log_prob([], IMAGES)
    with pytest.raises(ValueError, match="`models` must have an exact log_prob; that of a VAE is a bound"):
        mixture_log_prob([bits, gz.VAE(SHAPE, 2)], IMAGES)
    with pytest.raises(ValueError, match="that of a GAN has none"):
        mixture_log_prob([gz.GAN(SHAPE)], IMAGES)
    with pytest.raises(ValueError, match="`models` must all be of the same images"):
        mixture_log_prob([bits, with_random_weights("PixelCNN", SHAPE, num_levels=3)], IMAGES)
    with pytest.raises(ValueError, match="`labels` given, but none of the `models` is conditional"):
        mixture_log_prob([bits], IMAGES, np.zeros(len(IMAGES), int))
    with pytest.raises(ValueError, match="`model` must have num_classes=8, a class for each view; got None"):
        dihedral_log_prob(bits, IMAGES)
    of_classes = with_random_weights("PixelCNN", SHAPE, num_classes=8)
    with pytest.raises(ValueError, match="`images` must hold the 2 levels"):
        dihedral_log_prob(of_classes, IMAGES * 0.7)
    with pytest.raises(ValueError, match=r"`model` must hold square images.*got \(3, 4, 1\)"):
        dihedral_log_prob(with_random_weights("PixelCNN", (3, 4, 1), num_classes=8), IMAGES)
    with pytest.raises(ValueError, match="shape"):
        dihedral_log_prob(of_classes, tf.zeros((2, 3, 4, 1)))

"""Autoencoder and DenoisingAutoencoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(size=(200, 4, 4, 1)).astype("float32")


def test_loss_is_the_cross_entropy(images):
    model = gz.Autoencoder((4, 4, 1), latent_dim=3)
    model.compile()
    p = model.reconstruct(images).numpy().astype("float64")
    expected = -(images * np.log(p) + (1 - images) * np.log1p(-p)).sum(axis=(1, 2, 3)).mean()
    assert model.evaluate(images, verbose=0, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-4)


def test_prior_is_fitted_to_the_codes(images):
    """At learning rate 0 the codes stand still, and the running moments must come to theirs."""
    encoder = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(16), keras.layers.Reshape((4, 4, 1))])
    model = gz.Autoencoder((4, 4, 1), 3, encoder, decoder)
    model.compile()
    model.optimizer.learning_rate = 0.0
    model.fit(tf.data.Dataset.from_tensors(images).repeat(800), verbose=0)
    codes = model.encode(images).numpy()
    np.testing.assert_allclose(model.prior.mean(), codes.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(model.prior.covariance(), np.cov(codes.T, bias=True), atol=2e-3)


def test_masking_sets_the_stated_share_of_whole_pixels_to_zero():
    model = gz.DenoisingAutoencoder((8, 8, 3), corruption_level=0.3)
    clean = tf.ones((500, 8, 8, 3))
    corrupted = model.corrupt(clean).numpy()
    assert set(np.unique(corrupted)) == {0.0, 1.0}
    np.testing.assert_array_equal(corrupted[..., 0], corrupted[..., 2])
    assert (corrupted == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert np.abs(model.corrupt(clean) - corrupted).max() == 1  # fresh draws each time


def test_gaussian_corruption_has_the_stated_deviation():
    model = gz.DenoisingAutoencoder((8, 8, 1), corruption="gaussian", corruption_level=0.1)
    noise = model.corrupt(tf.fill((500, 8, 8, 1), 0.5)).numpy() - 0.5
    assert noise.std() == pytest.approx(0.1, rel=0.02)
    assert model.corrupt(tf.ones((9, 8, 8, 1))).numpy().max() <= 1


def test_denoising_is_learned():
    """Trained to restore, it undoes masking better than a plain autoencoder does."""
    digits = gz.data.load("digits", batch_size=128, seed=0)
    test = next(iter(gz.data.load("digits", "test", batch_size=360, shuffle=False)))
    clean = tf.cast(test, tf.float32) / 255
    errors = {}
    for cls in (gz.Autoencoder, gz.DenoisingAutoencoder):
        model = cls((8, 8, 1), latent_dim=16, **({"corruption_level": 0.5} if cls is gz.DenoisingAutoencoder else {}))
        model.compile()
        model.fit(digits, epochs=15, verbose=0)
        masked = gz.DenoisingAutoencoder((8, 8, 1), corruption_level=0.5).corrupt(clean)
        errors[cls] = float(tf.reduce_mean((model.reconstruct(masked) - clean) ** 2))
    assert errors[gz.DenoisingAutoencoder] < 0.9 * errors[gz.Autoencoder]


@pytest.mark.parametrize("arguments", [{"corruption": "salt"}, {"corruption_level": 0.0}, {"corruption_level": 1.5}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match=f"`{next(iter(arguments))}`"):
        gz.DenoisingAutoencoder((8, 8, 1), **arguments)

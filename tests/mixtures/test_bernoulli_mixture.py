"""Mixtures of Bernoullis: sums over every image of a tiny set, EM written out in NumPy."""

import itertools

import numpy as np
import pytest

import keras_genzoo as gz

K, SHAPE = 3, (2, 3, 1)
RNG = np.random.default_rng(0)
X = (RNG.uniform(size=(150, 6)) < np.repeat(RNG.uniform(size=(K, 6)), 50, axis=0)).astype("float32")
EVERY_IMAGE = np.array(list(itertools.product([0, 1], repeat=6)), "float32").reshape(-1, *SHAPE)


def fitted(epochs, **options):
    model = gz.BernoulliMixture(SHAPE, K, **options)
    model.compile()
    history = model.fit(X.reshape(-1, *SHAPE), epochs=epochs, batch_size=64, verbose=0).history["loss"]
    return model, history


def test_probabilities_sum_to_one_and_samples_have_them():
    model, _ = fitted(5)
    p = np.exp(model.log_prob(EVERY_IMAGE).numpy())
    assert p.sum() == pytest.approx(1, abs=1e-5)
    samples = model.sample(200_000, seed=0).numpy().reshape(-1, 6)
    assert set(np.unique(samples)) == {0.0, 1.0}
    shares = np.bincount(samples.astype(int) @ 2 ** np.arange(6)[::-1], minlength=64) / len(samples)
    np.testing.assert_allclose(shares, p, atol=5 * np.sqrt(p.max() / 2e5))


def test_an_epoch_is_an_iteration_of_em():
    model, _ = fitted(1, smoothing=0.3)
    w, q = model.mixture_weights.numpy().astype("float64"), model.probabilities.numpy().astype("float64")
    joint = w * np.prod(q ** X[:, None] * (1 - q) ** (1 - X[:, None]), axis=-1)
    r = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.log_prob(X.reshape(-1, *SHAPE)), np.log(joint.sum(axis=1)), atol=1e-5)
    np.testing.assert_allclose(model.responsibilities(X.reshape(-1, *SHAPE)), r, atol=1e-5)
    model.fit(X.reshape(-1, *SHAPE), epochs=1, batch_size=37, verbose=0)
    np.testing.assert_allclose(model.mixture_weights, r.mean(axis=0), atol=1e-6)
    expected = (r.T @ X + 0.3) / (r.sum(axis=0)[:, None] + 0.6)
    np.testing.assert_allclose(model.probabilities, expected, atol=1e-6)


def test_the_likelihood_never_falls_where_smoothing_is_nothing():
    _, history = fitted(20, smoothing=1e-6)
    assert np.diff(history).max() < 1e-4


def test_grey_images_are_refused():
    with pytest.raises(ValueError, match="must hold the 2 levels"):
        gz.BernoulliMixture(SHAPE).log_prob(np.full((1, *SHAPE), 0.5))
    with pytest.raises(ValueError, match="`smoothing` must be positive; got 0"):
        gz.BernoulliMixture(SHAPE, smoothing=0)

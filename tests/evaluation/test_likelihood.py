"""log_likelihood: the mean, its error and its units."""

import numpy as np
import pytest

import keras_genzoo as gz


def test_agrees_with_log_prob_over_uneven_batches():
    vae = gz.VAE((8, 8, 1), 4)
    dataset = gz.data.load("digits", "test", batch_size=100, shuffle=False)
    result = gz.evaluation.log_likelihood(vae, dataset, num_importance_samples=10, seed=0)
    nats = np.concatenate([vae.log_prob(images, num_importance_samples=10, seed=0) for images in dataset])
    assert result["num_examples"] == 360
    assert result["log_likelihood"] == pytest.approx(nats.mean(), rel=1e-6)
    assert result["standard_error"] == pytest.approx(nats.std(ddof=1) / np.sqrt(360), rel=1e-5)
    assert result["bits_per_dim"] == pytest.approx(-nats.mean() / (64 * np.log(2)), rel=1e-6)


def test_labels_reach_a_conditional_model():
    vae = gz.VAE((8, 8, 1), 4, num_classes=10)
    dataset = gz.data.load("digits", "test", labels=True)
    assert np.isfinite(gz.evaluation.log_likelihood(vae, dataset, num_importance_samples=2)["log_likelihood"])


def test_empty_data():
    vae = gz.VAE((8, 8, 1), 4)
    with pytest.raises(ValueError, match="empty"):
        gz.evaluation.log_likelihood(vae, gz.data.load("digits").take(0))

"""The formulas that mixtures and classes share, of more dimensions than are taken at a time, in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.models.mixtures.gaussians import Gaussians

RNG = np.random.default_rng(0)
K, N = 3, 50


@pytest.mark.parametrize("d", [1, 7, 8, 19])
def test_distances_and_sums_of_full_covariances(d):
    gaussians = Gaussians(K, d, "full", 0.0)
    x, means, shares = RNG.normal(size=(N, d)), RNG.normal(size=(K, d)), RNG.dirichlet(np.ones(K), N)
    scales = np.tril(RNG.normal(size=(K, d, d))) + 3 * np.eye(d)
    solved = np.linalg.solve(scales[:, None], (x - means[:, None])[..., None])[..., 0]  # (k, n, d)
    distances = gaussians.squared_distances(*map(tf.constant, (x, means, scales)))
    np.testing.assert_allclose(distances, np.sum(solved**2, axis=-1).T, rtol=1e-11)
    sums = gaussians.sums(tf.constant(x), tf.constant(shares))
    np.testing.assert_allclose(sums["second"], np.einsum("nk,nd,ne->kde", shares, x, x), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(sums["first"], shares.T @ x, rtol=1e-11)


@pytest.mark.parametrize("kind", ["full", "tied", "diagonal"])
def test_sums_are_turned_round(kind):
    d = 4
    gaussians = Gaussians(K, d, kind, 0.1)
    roots = np.tril(RNG.uniform(0.5, 1, (K, d, d)))
    covariances = {"full": roots @ np.swapaxes(roots, 1, 2), "tied": roots[0] @ roots[0].T, "diagonal": roots[:, -1]}
    means, totals = RNG.normal(size=(K, d)), np.array([3.0, 50.0, 0.2])
    again = gaussians.fit(totals, gaussians.sums_of(totals, means, covariances[kind]))
    for value, expected in zip(again, (means, covariances[kind]), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-10)

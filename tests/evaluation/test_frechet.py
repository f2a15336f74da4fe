"""The Frechet distance, against the closed form and against scipy's matrix square root."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.linalg import sqrtm

import keras_genzoo as gz
from keras_genzoo.evaluation import FrechetDistance, frechet_distance
from tests.conftest import require_tfds
from tests.evaluation.conftest import batches_of, flat


def by_sqrtm(x, y):
    c, e = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(c + e - 2 * sqrtm(c @ e).real)


def test_agrees_with_the_matrix_square_root(pixels, draw):
    real, generated = draw(300, 0), draw(211, 1, shift=0.1)
    figure = frechet_distance(real, generated, pixels)
    assert float(figure) == pytest.approx(by_sqrtm(flat(real), flat(generated)), rel=1e-6)
    assert (figure.num_examples, figure.num_generated) == (300, 211)


def test_closed_form_between_gaussians():
    """With commuting covariances tr (AB)^(1/2) is the sum of the products of standard deviations."""
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    scales = rng.uniform(0.1, 2, size=(2, 5))
    means = rng.normal(size=(2, 5))
    metric = FrechetDistance(keras.Sequential([keras.Input((1, 1, 5)), keras.layers.Flatten()]))
    for kind, mean, scale in zip(("real", "generated"), means, scales, strict=True):
        x = rng.normal(size=(400, 5))
        x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T  # moments exactly 0 and 1
        metric.update_features(**{kind: mean + (x * scale) @ q.T})
    expected = np.sum((means[0] - means[1]) ** 2) + np.sum((scales[0] - scales[1]) ** 2)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-10)


def test_zero_for_equal_sets(pixels, draw):
    assert float(frechet_distance(draw(50, 0), draw(50, 0), pixels)) == pytest.approx(0, abs=1e-12)


def test_right_for_singular_covariances():
    """Three images of 64 features; the nonzero eigenvalues then live in a space of 2 + 2 dimensions."""
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(size=(3, 8, 8, 1)).astype("float32") for _ in range(2))
    features = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    # tr (AB)^(1/2) with A = X'X, B = Y'Y is the sum of the singular values of X Y', X and Y centred.
    a, b = ((flat(z) - flat(z).mean(0)) / np.sqrt(2) for z in (x, y))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    mean = flat(x).mean(0) - flat(y).mean(0)
    expected = mean @ mean + np.sum(a * a) + np.sum(b * b) - 2 * root
    assert float(frechet_distance(x, y, features)) == pytest.approx(expected, rel=1e-7)
    assert float(frechet_distance(x, x, features)) == pytest.approx(0, abs=1e-9)


def test_in_odd_batches_as_all_at_once_even_far_from_the_origin(pixels, draw):
    real, generated = draw(100, 0), draw(70, 1)
    whole, parts = FrechetDistance(pixels), FrechetDistance(pixels)
    whole.update_features(flat(real) + 1e4, flat(generated) + 1e4)
    for batch in batches_of(flat(real) + 1e4, 1, 13, 7):
        parts.update_features(real=batch)
    for batch in batches_of(flat(generated) + 1e4, 64, 2):
        parts.update_features(generated=batch)
    assert float(parts.result()) == pytest.approx(float(whole.result()), rel=1e-6)
    assert float(parts.result()) == pytest.approx(by_sqrtm(flat(real), flat(generated)), rel=1e-6)


def test_state_has_a_constant_size_and_resets(pixels, draw):
    metric = FrechetDistance(pixels)
    metric.update_state(draw(9, 0), draw(5, 1))
    first, size = float(metric.result()), sum(np.size(v) for v in metric.variables)
    for seed in range(5):
        metric.update_state(draw(20, seed), draw(30, seed + 9))
    assert sum(np.size(v) for v in metric.variables) == size == 2 * (1 + 4 + 16)
    metric.reset_state()
    metric.update_state(draw(9, 0), draw(5, 1))
    assert float(metric.result()) == pytest.approx(first, rel=1e-12)


def test_inside_a_graph(pixels, draw):
    metric = FrechetDistance(pixels)

    @tf.function(input_signature=[tf.TensorSpec([None, 2, 2, 1])] * 2)
    def step(real, generated):
        metric.update_state(real, generated)
        return metric.result()

    real, generated = draw(40, 0), draw(40, 1)
    step(real[:15], generated[:15])
    assert float(step(real[15:], generated[15:])) == pytest.approx(by_sqrtm(flat(real), flat(generated)), rel=1e-6)


def test_takes_every_form_of_data(pixels, draw):
    real, generated = (np.round(draw(40, seed) * 255).astype("uint8") for seed in (0, 1))
    expected = float(frechet_distance(real, generated, pixels))
    labels = np.zeros(40, "int32")
    for data in (real, (real, labels), {"image": real, "label": labels}):
        dataset = tf.data.Dataset.from_tensor_slices(data).batch(7)
        assert float(frechet_distance(dataset, generated, pixels)) == pytest.approx(expected, rel=1e-9)
    floats = tf.constant(generated / 255, tf.float32)
    assert float(frechet_distance(real, floats, pixels, batch_size=3)) == pytest.approx(expected)


def test_the_readme_line():
    require_tfds("mnist")
    test_images = next(iter(gz.data.load("mnist", "test", batch_size=1000, shuffle=False))).numpy()
    figure = gz.evaluation.frechet_distance(test_images, test_images[::-1] // 2, features="classifier_mnist")
    assert float(figure) > 0.1
    assert "n=1000 real, 1000 generated images; features of classifier_mnist, not resized" in str(figure)

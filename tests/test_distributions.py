"""Each likelihood sums or integrates to one, and its mean and draws agree with its probabilities."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, special, stats

from keras_genzoo import distributions

LEVELS = np.linspace(0, 1, 256, dtype="float32")


def test_bernoulli_sums_to_one():
    logits = tf.constant([-30.0, -2.0, 0.0, 0.5, 30.0])[:, None, None, None]
    likelihood = distributions.bernoulli(logits)
    total = sum(np.exp(likelihood.log_prob(np.full((5, 1, 1, 1), bit, "float32"))) for bit in (0, 1))
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_bernoulli_is_tfps():
    logits = tf.random.stateless_normal((6, 3, 2, 1), (0, 1), stddev=10.0)
    grey = tf.random.stateless_uniform((6, 3, 2, 1), (0, 2))
    for x in (grey, tf.round(grey)):
        expected = distributions.tfd.Independent(distributions.tfd.Bernoulli(logits=logits), 3).log_prob(x)
        np.testing.assert_allclose(distributions.bernoulli(logits).log_prob(x), expected, rtol=1e-5)


@pytest.mark.parametrize("logit", [-8.0, -0.01, 0.0, 1e-4, 3.0])
def test_continuous_bernoulli_integrates_to_one(logit):
    x = np.linspace(0, 1, 4001, dtype="float32")
    likelihood = distributions.continuous_bernoulli(tf.fill((1, 1, 1), logit))
    density = np.exp(likelihood.log_prob(x[:, None, None, None]).numpy().astype("float64"))
    assert integrate.simpson(density, x=x.astype("float64")) == pytest.approx(1, abs=1e-4)
    mean = integrate.simpson(density * x, x=x.astype("float64"))
    assert likelihood.mean().numpy().item() == pytest.approx(mean, abs=1e-3)


def test_gaussian_integrates_to_one():
    x = np.linspace(-9, 10, 20_001, dtype="float32")
    likelihood = distributions.gaussian(tf.fill((1, 1, 1), 0.3), tf.constant(0.7))
    density = np.exp(likelihood.log_prob(x[:, None, None, None]).numpy().astype("float64"))
    assert integrate.simpson(density, x=x.astype("float64")) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("loc", [-1e3, -0.2, 0.0, 0.4999, 0.5, 1.0, 7.0, 1e3])
@pytest.mark.parametrize("scale", [1e-3, 0.004, 0.1, 5.0, 1e3])
def test_quantized_logistic_sums_to_one_with_finite_gradients(loc, scale):
    parameters = tf.Variable([loc, scale])
    with tf.GradientTape() as tape:
        log_prob = distributions.QuantizedLogistic(parameters[0], parameters[1]).log_prob(LEVELS)
        objective = tf.reduce_sum(log_prob)
    assert np.isfinite(log_prob).all() and np.isfinite(tape.gradient(objective, parameters)).all()
    assert np.exp(log_prob.numpy().astype("float64")).sum() == pytest.approx(1, abs=2e-5)


def test_quantized_logistic_is_the_difference_of_two_cdfs():
    loc, scale = 0.37, 0.05
    edges = special.expit((np.linspace(0, 1, 256)[:-1] + 0.5 / 255 - loc) / scale)  # float64
    expected = np.log(np.diff(np.r_[0, edges, 1]))
    log_prob = distributions.QuantizedLogistic(loc, scale).log_prob(LEVELS)
    np.testing.assert_allclose(log_prob, expected, atol=1e-4)


@pytest.mark.parametrize(("loc", "scale"), [(0.5, 0.1), (0.02, 0.05), (1.3, 0.2), (0.3, 1e-3)])
def test_quantized_logistic_mean_and_draws(loc, scale):
    distribution = distributions.QuantizedLogistic(loc, scale)
    mean = (np.exp(distribution.log_prob(LEVELS).numpy().astype("float64")) * LEVELS).sum()
    assert float(distribution.mean()) == pytest.approx(mean, abs=0.5 / 255)
    draws = distribution.sample(50_000, seed=(0, 1)).numpy()
    assert np.abs(draws * 255 - np.round(draws * 255)).max() < 1e-3 and 0 <= draws.min() <= draws.max() <= 1
    assert draws.mean() == pytest.approx(mean, abs=4 * draws.std() / np.sqrt(50_000) + 1e-6)


def test_quantized_logistic_likelihood_has_an_event_of_an_image():
    parameters = tf.random.stateless_normal((4, 3, 2, 6), (0, 1))
    likelihood = distributions.quantized_logistic(parameters)
    assert (likelihood.batch_shape, likelihood.event_shape) == ((4,), (3, 2, 3))
    assert likelihood.sample(seed=(0, 1)).shape == (4, 3, 2, 3)


@pytest.mark.parametrize("loc", [0.0, 0.5, -40.0, 1e6])
@pytest.mark.parametrize("raw_scale", [-1e6, -30.0, 0.0, 40.0, 1e6])
def test_mixture_of_logistics_sums_to_one_with_finite_gradients(loc, raw_scale):
    parameters = tf.constant([80.0, 0.0, -1e4, loc, -loc, 0.3, raw_scale, -raw_scale, 0.0])  # logits, locations, scales
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        pixels = distributions.quantized_logistic_mixture(parameters[None, None, None])  # images of one pixel
        log_prob = pixels.log_prob(tf.reshape(tf.constant(LEVELS, tf.float32), (256, 1, 1, 1)))
        objective = tf.reduce_sum(log_prob)
    assert np.isfinite(log_prob).all() and np.isfinite(tape.gradient(objective, parameters)).all()
    assert np.exp(log_prob.numpy().astype("float64")).sum() == pytest.approx(1, abs=2e-5)


@pytest.mark.parametrize("loc", [0.0, 0.5, -3.0, 40.0, 1e6])
@pytest.mark.parametrize("raw_scale", [-1e6, -3.0, 0.0, 40.0, 1e4])
def test_mixture_of_logistics_at_all_levels_at_once(loc, raw_scale):
    parameters = tf.constant([[1.0, 0.0, -2.0, loc, -loc, 0.3, raw_scale, -raw_scale, 0.0]])
    logits = distributions.quantized_logistic_mixture_logits(parameters)
    assert logits.shape == (1, 256) and np.isfinite(logits).all()
    pixels = distributions.quantized_logistic_mixture(parameters[:, None, None, None])  # of images of one pixel
    expected = pixels.log_prob(tf.reshape(tf.constant(LEVELS, tf.float32), (256, 1, 1, 1, 1)))[:, 0]
    np.testing.assert_allclose(logits[0], np.maximum(expected, -87.3), rtol=1e-3, atol=1e-4)


def test_mixture_of_logistics_is_the_weighted_sum_of_its_parts():
    parameters = tf.random.stateless_normal((2, 3, 4, 2, 6), (0, 1))  # 2 logistics
    mixture = distributions.quantized_logistic_mixture(parameters)
    assert (mixture.batch_shape, mixture.event_shape) == ((2,), (3, 4, 2))
    images = mixture.sample(seed=(0, 2))
    logits, loc, raw_scale = np.split(parameters.numpy().astype("float64"), 3, axis=-1)
    scale = 0.2 * np.log1p(np.exp(raw_scale)) + 1e-3
    x = images.numpy()[..., None].astype("float64")
    above = np.where(x > 1 - 1e-6, np.inf, (x + 0.5 / 255 - loc - 0.5) / scale)
    below = np.where(x < 1e-6, -np.inf, (x - 0.5 / 255 - loc - 0.5) / scale)
    p = (special.softmax(logits, axis=-1) * (special.expit(above) - special.expit(below))).sum(axis=-1)
    np.testing.assert_allclose(mixture.log_prob(images), np.log(p).sum(axis=(1, 2, 3)), rtol=1e-4)


def test_categorical_over_levels():
    logits = tf.random.stateless_normal((3, 2, 2, 1, 5), (0, 1))
    pixels = distributions.categorical(logits)
    assert (pixels.batch_shape, pixels.event_shape) == ((3,), (2, 2, 1))
    images = pixels.sample(seed=(0, 2)).numpy()
    log_p = special.log_softmax(logits.numpy(), axis=-1)
    levels = np.round(images * 4).astype(int)[..., None]
    np.testing.assert_allclose(levels / 4, images[..., None], atol=1e-6)
    expected = np.take_along_axis(log_p, levels, axis=-1).sum(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(pixels.log_prob(images), expected, rtol=1e-5)
    np.testing.assert_array_equal(pixels.log_prob(images + 0.1), -np.inf)


def test_mixture_of_normals_is_tfps():
    """Also its gradients, where components are narrow and far from the origin."""
    draw = tf.random.stateless_normal
    logits, means = draw((7,), (0, 1)), draw((7, 5), (0, 2), stddev=3.0)
    scales = tf.exp(tf.random.stateless_uniform((7, 5), (0, 3), -3.0, 0.5))
    z = draw((4, 3, 5), (0, 4), stddev=2.0)
    results = []
    for make in (
        distributions.mixture_of_normals,
        lambda logits, means, scales: distributions.tfd.MixtureSameFamily(
            distributions.tfd.Categorical(logits=logits), distributions.diagonal_normal(means, scales)
        ),
    ):
        with tf.GradientTape() as tape:
            parameters = [logits, means, scales, z]
            tape.watch(parameters)
            log_prob = make(logits, means, scales).log_prob(z)
        assert log_prob.shape == (4, 3)
        results.append([log_prob, *tape.gradient(log_prob, parameters)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def test_monte_carlo_kl_where_no_closed_form_is_registered():
    posterior = distributions.diagonal_normal(tf.zeros((2, 3)), tf.ones((2, 3)))
    mixture = distributions.mixture_of_normals(tf.zeros(2), tf.zeros((2, 3)), tf.ones((2, 3)))
    latents = posterior.sample(seed=(0, 1))
    np.testing.assert_allclose(distributions.kl_divergence(posterior, mixture, latents), 0, atol=1e-5)
    exact = distributions.kl_divergence(posterior, distributions.standard_normal(3), None)
    np.testing.assert_allclose(exact, 0, atol=1e-6)


def test_both_kinds_of_kl_by_hand():
    """log q(z) - log p(z) at the draw, against a mixture; log(t/s) + (s^2 + m^2) / 2 t^2 - 1/2 between normals."""
    mean, scale = np.array([[0.5, -1.0]]), np.array([[0.3, 2.0]])
    z = np.array([[0.2, 1.5]], "float32")
    posterior = distributions.diagonal_normal(tf.constant(mean, tf.float32), tf.constant(scale, tf.float32))
    means = np.array([[0.0, 0.0], [1.0, -2.0]])
    mixture = distributions.mixture_of_normals(
        tf.math.log([0.25, 0.75]), tf.constant(means, tf.float32), tf.constant([[1.0, 1.0], [1.0, 1.0]])
    )
    log_q = stats.norm(mean, scale).logpdf(z).sum()
    log_p = np.log(np.dot([0.25, 0.75], stats.norm(means, 1).pdf(z).prod(axis=1)))
    np.testing.assert_allclose(distributions.kl_divergence(posterior, mixture, z), [log_q - log_p], rtol=1e-5)
    other = distributions.diagonal_normal(tf.zeros(2), tf.constant([1.0, 3.0]))
    t = np.array([1.0, 3.0])
    expected = (np.log(t / scale) + (scale**2 + mean**2) / (2 * t**2) - 0.5).sum()
    np.testing.assert_allclose(distributions.kl_divergence(posterior, other, z), [expected], rtol=1e-5)

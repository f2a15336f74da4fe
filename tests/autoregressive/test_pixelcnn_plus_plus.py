"""PixelCNN++: its mixture against the paper's formula in float64, its network against the order of the pixels."""

import itertools

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo import distributions
from tests.autoregressive import naive
from tests.autoregressive.conftest import every_image, with_random_weights
from tests.autoregressive.test_causal import some_images

tfd = distributions.tfd


def random_parameters(n, channels, num_mixtures=10, scale=1.0, seed=0):
    """`(n, p)`, as a network gives them."""
    num_groups = {1: 3, 3: 10}[channels]
    return np.random.default_rng(seed).normal(0, scale, (n, num_groups * num_mixtures)).astype("float32")


def log_prob_of_paper(parameters, pixels, k):
    """log p of pixels `(n, c)` by equations 1 to 3 of the paper and the text below them, in float64, one by one."""
    channels = pixels.shape[1]
    result = []
    for numbers, pixel in zip(parameters.astype("float64"), 2 * pixels.astype("float64") - 1, strict=True):
        groups = numbers.reshape({1: 3, 3: 10}[channels], -1)
        weights, m, log_s = scipy.special.softmax(groups[0]), groups[1 : 1 + channels], groups[1 + channels :]
        s, total = np.exp(np.maximum(log_s[:channels], -7)), weights
        if channels == 3:
            a, b, c = np.tanh(groups[7:])
            m = [m[0], m[1] + a * pixel[0], m[2] + b * pixel[0] + c * pixel[1]]
        half = 1 / (k - 1)
        for x, centre, width in zip(pixel, m, s, strict=True):
            upper = 1.0 if x > 1 - half else scipy.special.expit((x + half - centre) / width)
            lower = 0.0 if x < half - 1 else scipy.special.expit((x - half - centre) / width)
            total = total * (upper - lower)
        result.append(np.log(total.sum()))
    return np.array(result)


def levels(k):
    return (np.arange(k) / (k - 1)).astype("float32")


@pytest.mark.parametrize(("channels", "k"), [(1, 256), (1, 17), (3, 256), (3, 4)])
def test_mixture_is_that_of_the_paper(channels, k):
    parameters = random_parameters(200, channels, scale=0.7)
    pixels = np.random.default_rng(1).choice(levels(k), (200, channels))
    pixels[:20], pixels[20:40] = 0, 1  # which take the tails
    mixture = distributions.quantized_logistic_mixture_of_pixels(tf.constant(parameters), channels, k)
    np.testing.assert_allclose(mixture.log_prob(pixels), log_prob_of_paper(parameters, pixels, k), atol=1e-3)
    assert mixture.event_shape == (channels,) and mixture.batch_shape == (200,)


def test_mixture_of_one_channel_is_tfps():
    parameters = random_parameters(50, 1)
    logits, loc, log_scale = np.split(parameters.astype("float64"), 3, axis=-1)
    logistics = tfd.Logistic(127.5 * (loc + 1) - 0.5, 127.5 * np.exp(log_scale))  # QuantizedDistribution rounds up
    expected = tfd.MixtureSameFamily(
        tfd.Categorical(logits=logits), tfd.QuantizedDistribution(logistics, low=0.0, high=255.0)
    )
    x = np.random.default_rng(1).integers(0, 256, 50)
    mixture = distributions.quantized_logistic_mixture_of_pixels(tf.constant(parameters), 1, 256)
    np.testing.assert_allclose(
        mixture.log_prob((x / 255).astype("float32")[:, None]), expected.log_prob(x.astype("float64")), atol=1e-3
    )


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_probabilities_sum_to_one_and_have_finite_gradients(scale):
    """At 30, log-scales lie beyond both bounds and most logistics wholly outside the levels."""
    parameters = tf.Variable(random_parameters(60, 1, scale=scale))
    with tf.GradientTape() as tape:
        mixture = distributions.quantized_logistic_mixture_of_pixels(parameters, 1, 256)
        log_prob = mixture.log_prob(levels(256)[:, None, None])  # (256, n)
    assert np.isfinite(log_prob).all() and np.isfinite(tape.gradient(log_prob, parameters)).all()
    np.testing.assert_allclose(np.exp(log_prob.numpy().astype("float64")).sum(axis=0), 1, atol=5e-5)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_probabilities_of_colours_sum_to_one_and_have_finite_gradients(scale):
    parameters = tf.Variable(random_parameters(30, 3, scale=scale))
    pixels = np.array(list(itertools.product(levels(5), repeat=3)))[:, None]  # (125, 1, 3)
    with tf.GradientTape() as tape:
        log_prob = distributions.quantized_logistic_mixture_of_pixels(parameters, 3, 5).log_prob(pixels)
    assert np.isfinite(log_prob).all() and np.isfinite(tape.gradient(log_prob, parameters)).all()
    np.testing.assert_allclose(np.exp(log_prob.numpy().astype("float64")).sum(axis=0), 1, atol=5e-5)


def test_mean_of_one_channel():
    mixture = distributions.quantized_logistic_mixture_of_pixels(
        tf.constant(random_parameters(40, 1, scale=1.5)), 1, 256
    )
    expected = levels(256) @ mixture.prob(levels(256)[:, None, None]).numpy()
    np.testing.assert_allclose(mixture.mean()[:, 0], expected, atol=0.5 / 255)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_levels_and_means_of_a_channel_given_those_before_it(channel):
    """Against sums of the whole pixel's probabilities over the channels after it."""
    k = 6
    parameters = random_parameters(40, 3, scale=1.5)
    pixels = np.random.default_rng(2).choice(levels(k), (40, 3))
    mixture = distributions.quantized_logistic_mixture_of_pixels(tf.constant(parameters), 3, k)
    expected = naive.channel_log_probs(mixture, pixels, levels(k), channel).T  # (n, k)
    logits = mixture.level_logits(tf.constant(pixels), channel).numpy().astype("float64")
    np.testing.assert_allclose(scipy.special.softmax(logits, axis=-1), np.exp(expected), atol=2e-5)
    means = np.exp(expected) @ levels(k)
    np.testing.assert_allclose(mixture.channel_means(tf.constant(pixels))[:, channel], means, atol=0.5 / (k - 1))


def test_draws_of_the_mixture_follow_its_probabilities():
    pixels = np.array(list(itertools.product(levels(3), repeat=3)))
    mixture = distributions.quantized_logistic_mixture_of_pixels(tf.constant(random_parameters(1, 3)), 3, 3)
    draws = mixture.sample(20_000, seed=(0, 1)).numpy()[:, 0]
    observed = np.bincount(np.round(2 * draws).astype(int) @ (9, 3, 1), minlength=27) / 20_000
    expected = np.exp(mixture.log_prob(pixels[:, None]).numpy()[:, 0])
    assert np.abs(observed - expected).max() < 4 * np.sqrt(expected.max() / 20_000)


def sensitivity(model, n=4):
    """|d a mean of a pixel's parameters / d a pixel|, `(h w, h w)`, outputs by inputs in raster order."""
    images, num_pixels = tf.constant(some_images(model.image_shape, n)), np.prod(model.image_shape[:2])
    weights = np.random.default_rng(1).normal(size=model.num_parameters).astype("float32")

    @tf.function
    def jacobian():
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = tf.reshape(tf.linalg.matvec(model.network(images), weights), (n, num_pixels))
        return tape.batch_jacobian(outputs, images, experimental_use_pfor=False)

    return np.abs(jacobian().numpy()).reshape(n, num_pixels, num_pixels, -1).max(axis=(0, 3))


@pytest.mark.parametrize("image_shape", [(5, 7, 1), (7, 7, 1), (3, 6, 3)])
def test_nothing_leaks_and_everything_before_is_seen(image_shape):
    seen = sensitivity(with_random_weights("PixelCNNPlusPlus", image_shape, num_scales=3, num_filters=12, scale=0.3))
    earlier = np.tri(len(seen), k=-1, dtype=bool)
    assert (seen[~earlier] == 0).all()  # exactly: no channel of the pixel itself, nor any pixel after it
    assert (seen[earlier] > 0).all()


@pytest.mark.parametrize("num_scales", [1, 2])
def test_coarser_scales_see_further(num_scales):
    """What two convolutions a layer, three layers a scale, and their first 3x3 window reach to the left."""
    model = with_random_weights("PixelCNNPlusPlus", (1, 16, 1), num_scales=num_scales, scale=0.5)
    seen = sensitivity(model, n=2)[15] > 0
    reach = {1: 1 + 2 * 2, 2: 15}[num_scales]
    np.testing.assert_array_equal(seen[:15], np.arange(15) >= 15 - reach)


@pytest.mark.parametrize(
    ("arguments", "jit_compile"),
    [
        ({"image_shape": (3, 5, 1), "num_levels": 4}, False),
        ({"image_shape": (2, 3, 3), "num_levels": 3, "num_classes": 3}, False),
        pytest.param({"image_shape": (7, 6, 1), "num_scales": 3, "condition_dim": 2}, True, marks=pytest.mark.slow),
        pytest.param({"image_shape": (3, 5, 3), "num_levels": 4, "num_scales": 3}, True, marks=pytest.mark.slow),
        pytest.param({"image_shape": (2, 3, 1), "num_levels": 256}, True, marks=pytest.mark.slow),
        pytest.param({"image_shape": (5, 7, 1), "num_levels": 5}, False, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_sampler_draws_the_very_pixels_of_the_naive_one(arguments, jit_compile):
    model = with_random_weights("PixelCNNPlusPlus", **arguments)
    model.compile(jit_compile=jit_compile)
    n, labels = 6, None
    if model.num_classes:
        labels = np.arange(n) % 3
    elif model.condition_dim:
        labels = np.random.default_rng(0).normal(size=(n, 2)).astype("float32")
    noise = model.draw_noise(n, tf.constant([5, 0])).numpy()
    samples = model.sample(n, labels, seed=5).numpy()
    np.testing.assert_array_equal(samples, naive.sample(model, noise, labels))
    known = np.random.default_rng(1).uniform(size=samples.shape) < 0.3
    images, options = samples[::-1], {"temperature": 0.5}
    completed = model.complete(images, known, labels, seed=5, **options).numpy()
    np.testing.assert_array_equal(completed, naive.sample(model, noise, labels, images=images, known=known, **options))


def test_colours_of_a_pixel_sum_to_one():
    images = every_image((1, 2, 3), 3)
    log_prob = with_random_weights("PixelCNNPlusPlus", (1, 2, 3), num_levels=3).log_prob(images).numpy()
    assert log_prob.std() > 0.1
    np.testing.assert_allclose(np.exp(log_prob.astype("float64")).sum(), 1, atol=1e-5)


def test_call_is_the_mean_of_each_channel_given_those_before():
    k = 8
    model = with_random_weights("PixelCNNPlusPlus", (3, 3, 3), num_levels=k, scale=0.3)
    images = np.random.default_rng(0).choice(levels(k), (2, 3, 3, 3))
    conditional = model.conditional(images).distribution
    for channel in range(3):
        weights = np.exp(naive.channel_log_probs(conditional, images, levels(k), channel))  # (k, n, h, w)
        mean = np.tensordot(levels(k), weights, 1)
        np.testing.assert_allclose(model(images)[..., channel], mean, atol=0.5 / (k - 1))


def test_values_keep_their_size_at_the_start():
    """However deep the network is, so that it trains without the paper's initialisation from data."""
    for num_residual_blocks in (1, 6):
        model = gz.PixelCNNPlusPlus((12, 12, 1), 64, num_residual_blocks, dropout=0.0)
        parameters = model.network(some_images((12, 12, 1), 8)).numpy()
        assert 0.3 < parameters.std() < 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_scales": 0}, "`num_scales` must be a positive integer; got 0"),
        ({"num_mixtures": 2.5}, "`num_mixtures` must be a positive integer; got 2.5"),
        ({"num_filters": 0}, "`num_filters`"),
        ({"num_residual_blocks": 0}, "`num_residual_blocks`"),
        ({"num_levels": 257}, "`num_levels` must be an integer from 2 to 256; got 257"),
        ({"dropout": 1.0}, "`dropout` must lie in"),
        ({"image_shape": (4, 4, 2)}, "`image_shape` must have 1 or 3 channels"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gz.PixelCNNPlusPlus(**{"image_shape": (4, 4, 1), **arguments})

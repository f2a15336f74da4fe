"""The multi-scale PixelRNN: two factors that are one density, and images drawn coarse to fine."""

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from tests.autoregressive.conftest import every_image, with_random_weights


def make(image_shape, **kwargs):
    return with_random_weights("MultiScalePixelRNN", image_shape, **{"num_filters": 4, "factor": 2, **kwargs})


@pytest.mark.parametrize(
    ("image_shape", "arguments"),
    [
        ((3, 3, 1), {}),
        pytest.param((2, 2, 3), {}, marks=pytest.mark.slow),
        pytest.param((2, 3, 1), {"num_levels": 3, "num_layers": 1}, marks=pytest.mark.slow),
        pytest.param((3, 3, 1), {"factor": 3}, marks=pytest.mark.slow),
    ],
)
def test_density_sums_to_one(image_shape, arguments):
    model = make(image_shape, **arguments)
    images = every_image(image_shape, model.num_levels)
    log_prob = model.log_prob(images).numpy().astype("float64")
    assert log_prob.std() > 0.1
    np.testing.assert_allclose(np.exp(log_prob).sum(), 1, atol=1e-5)


def test_marginal_of_the_small_image_is_that_of_the_small_model():
    """Summed over all other pixels; a factor that forgot a pixel, or counted one twice, would not give it."""
    model = make((3, 2, 1))
    images = every_image((3, 2, 1), 2)
    p = np.exp(model.log_prob(images).numpy().astype("float64"))
    small = images[:, ::2, ::2].reshape(len(images), -1)
    for image in every_image(model.small.image_shape, 2):
        marginal = p[(small == image.reshape(-1)).all(axis=-1)].sum()
        assert marginal == pytest.approx(np.exp(float(model.small.log_prob(image[None])[0])), rel=1e-5)


def test_pixels_see_those_before_and_of_those_after_the_small_image_around_them():
    """The parameters of a pixel that is not of the small image, by perturbing each pixel in turn."""
    model = make((4, 4, 1), num_filters=8)
    images = np.random.default_rng(0).integers(0, 2, (1, 4, 4, 1)).astype("float32")
    logits = model.conditional(images).distribution.logits.numpy().reshape(16)
    is_small = (np.arange(16) // 4 % 2 == 0) & (np.arange(16) % 2 == 0)
    for i in range(16):
        changed = images.reshape(16).copy()
        changed[i] = 1 - changed[i]
        after = model.conditional(changed.reshape(images.shape)).distribution.logits.numpy().reshape(16)
        seen = (after != logits)[~is_small]
        later = np.arange(16)[~is_small] > i
        assert seen[later].all()
        assert seen[~later].any() == (is_small[i] and i > 0)


def naive_sample(model, noise, images, known):
    """The small image pixel by pixel, then the others, each from the whole network."""
    images = np.where(known, images, 0).astype("float32")
    height, width, _ = model.image_shape
    small = np.zeros((height, width), bool)
    small[:: model.factor, :: model.factor] = True
    for is_small in (True, False):
        for i, j in np.argwhere(small == is_small):
            at = (i // model.factor, j // model.factor) if is_small else (i, j)
            scale = model.small if is_small else model
            given = images[:, :: model.factor, :: model.factor] if is_small else images
            p = scale.conditional(given).distribution.probs_parameter().numpy()[:, *at, 0]
            drawn = (noise[:, i, j, 0] >= 1 - p).astype("float32")
            images[:, i, j, 0] = np.where(known[:, i, j, 0], images[:, i, j, 0], drawn)
    return images


@pytest.mark.parametrize("jit_compile", [False, pytest.param("auto", marks=pytest.mark.slow)])
def test_samples_and_completions_are_the_naive_ones(jit_compile):
    model = make((3, 4, 1))
    model.compile(jit_compile=jit_compile)
    noise = model.draw_noise(8, tf.constant([5, 0])).numpy()
    nothing = np.zeros(noise.shape, bool)
    samples = model.sample(8, seed=5).numpy()
    np.testing.assert_array_equal(samples, naive_sample(model, noise, nothing, nothing))
    known = np.random.default_rng(1).uniform(size=noise.shape) < 0.4
    completed = model.complete(samples[::-1], known, seed=5).numpy()
    np.testing.assert_array_equal(completed, naive_sample(model, noise, samples[::-1], known))
    np.testing.assert_array_equal(completed[known], samples[::-1][known])


@pytest.mark.parametrize("factor", [1, 5, 2.0])
def test_bad_factor(factor):
    with pytest.raises(ValueError, match="`factor` must be an integer from 2 to 4, the shorter side"):
        gz.MultiScalePixelRNN((4, 6, 1), factor=factor)

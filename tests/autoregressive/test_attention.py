"""Attention to earlier pixels: its values by a loop, what it sees, and sampling with what it keeps."""

import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.models.autoregressive.attention import CausalAttention
from keras_genzoo.models.autoregressive.channel_order import channel_groups
from tests.autoregressive import naive
from tests.autoregressive.conftest import every_image, with_random_weights
from tests.autoregressive.test_causal import sensitivity, sensitivity_of_one


def layer_and_inputs(channels, n=2, height=5, width=3, f=6):
    generator = np.random.default_rng(0)
    layer = CausalAttention(channel_groups(f, channels))
    layer.build((None, height, width, f), (None, height, width, channels))
    for weight in layer.weights:
        weight.assign(generator.normal(size=weight.shape))
    return layer, *(generator.normal(size=(n, height, width, k)).astype("float32") for k in (f, channels))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pixel_gets_the_weighted_mean_of_the_values_of_earlier_ones(channels):
    layer, x, images = layer_and_inputs(channels)
    flat = lambda values: values.reshape(len(values), -1, values.shape[-1]).astype("float64")  # noqa: E731
    dense = lambda part, values: values @ part.kernel.numpy() + part.bias.numpy()  # noqa: E731
    features, seen = flat(x), np.concatenate([flat(x), flat(images)], axis=-1)
    q = dense(layer.query, features[..., : 6 // channels]) + layer.query_places.numpy()
    k, v = dense(layer.key, seen) + layer.key_places.numpy(), dense(layer.value, seen)
    expected = np.zeros_like(v)
    for n, i in np.ndindex(v.shape[:2]):
        weights = np.exp([q[n, i] @ k[n, j] / 4 for j in range(i)])  # keys of 16 numbers
        expected[n, i] = sum(w * v[n, j] for j, w in enumerate(weights)) / max(weights.sum(), 1e-300)
    expected = dense(layer.out, expected)
    np.testing.assert_allclose(flat(layer(x, images).numpy()), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer(x, images).numpy()[:, 0, 0], np.tile(layer.out.bias, (2, 1)))


def test_earlier_pixels_that_change_places_with_their_keys_change_nothing():
    layer, x, images = layer_and_inputs(1)
    before = layer(x, images).numpy()
    order = np.r_[np.random.default_rng(1).permutation(9), 9:15]  # the first three rows
    for places in (layer.query_places, layer.key_places):
        places.assign(places.numpy()[order])
    moved = (values.reshape(2, 15, -1)[:, order].reshape(values.shape) for values in (x, images))
    np.testing.assert_allclose(layer(*moved).numpy()[:, 3:], before[:, 3:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("image_shape", [(5, 4, 1), (3, 3, 3)])
def test_nothing_leaks(image_shape):
    model = with_random_weights("GatedPixelCNN", image_shape, attention=True, num_filters=24)
    images = np.random.default_rng(0).uniform(size=(4, *image_shape))
    seen = sensitivity(model, images)
    earlier = np.tri(len(seen), k=-1, dtype=bool)
    assert (seen[~earlier] == 0).all() and (seen[earlier] > 0).all()


def test_a_pixelcnn_with_attention_has_no_blind_spot():
    size = 9
    model = with_random_weights("PixelCNN", (size, size, 1), num_residual_blocks=1, attention=True)
    seen = sensitivity_of_one(model, (size - 1) * size + size // 2)
    expected = np.arange(size * size).reshape(size, size) < (size - 1) * size + size // 2
    np.testing.assert_array_equal(seen > 0, expected)


def test_density_sums_to_one():
    model = with_random_weights("GatedPixelCNN", (2, 3, 1), attention=True)
    log_prob = model.log_prob(every_image((2, 3, 1), 2)).numpy().astype("float64")
    assert log_prob.std() > 0.1
    np.testing.assert_allclose(np.exp(log_prob).sum(), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["GatedPixelCNN", pytest.param("PixelCNN", marks=pytest.mark.slow)])
@pytest.mark.parametrize("jit_compile", ["auto", pytest.param(False, marks=pytest.mark.slow)])
def test_sampler_draws_the_very_pixels_of_the_naive_one(name, jit_compile):
    model = with_random_weights(name, (3, 4, 3), num_levels=3, attention=True)
    model.compile(jit_compile=jit_compile)
    noise = model.draw_noise(8, tf.constant([5, 0])).numpy()
    np.testing.assert_array_equal(model.sample(8, seed=5), naive.sample(model, noise))

"""The generator of CycleGAN: its layers, its size and what a pixel depends on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.models.translation.residual_networks import ReflectionPadding2D, residual_generator


def pictures(*shape):
    return tf.random.stateless_uniform(shape, (0, 1))


def test_the_network_of_the_paper():
    """c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3 at 256x256: 11.4 million weights."""
    network = residual_generator((256, 256, 3), (256, 256, 3))
    assert network.output_shape == (None, 256, 256, 3)
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [64, 128, 256, *[256] * 18, 3]
    assert [layer.filters for layer in network.layers if isinstance(layer, keras.layers.Conv2DTranspose)] == [128, 64]
    kernels = 49 * 3 * 64 + 9 * (64 * 128 + 128 * 256 + 18 * 256**2 + 256 * 128 + 128 * 64) + 49 * 64 * 3
    scales = 2 * (64 + 128 + 256 + 18 * 256 + 128 + 64)
    assert network.count_params() == kernels + scales + 3 == pytest.approx(11.38e6, rel=1e-3)
    of_128 = residual_generator((128, 128, 3), (128, 128, 3), num_filters=1)
    assert sum(isinstance(layer, keras.layers.Add) for layer in of_128.layers) == 6


@pytest.mark.parametrize(("sides", "channels"), [((5, 5), (1, 1)), ((8, 8), (1, 3)), ((28, 30), (3, 1))])
def test_sizes(sides, channels):
    network = residual_generator((*sides, channels[0]), (*sides, channels[1]), num_filters=2, num_residual_blocks=1)
    made = network(pictures(2, *sides, channels[0]))
    assert made.shape == (2, *sides, channels[1]) and 0 <= made.numpy().min() < made.numpy().max() <= 1
    assert np.abs(made - 0.5).mean() < 0.3  # far from where tanh is flat


def test_an_image_does_not_depend_on_its_neighbours_nor_on_training():
    network = residual_generator((8, 8, 1), (8, 8, 1), 4, 2)
    images = pictures(3, 8, 8, 1)
    together = network(images, training=True).numpy()
    np.testing.assert_array_equal(network(images), together)
    for i in range(3):
        np.testing.assert_allclose(network(images[i : i + 1])[0], together[i], atol=1e-5)


def test_padding_mirrors_about_the_border():
    padded = ReflectionPadding2D(2)(pictures(1, 4, 5, 2)).numpy()
    wanted = np.pad(pictures(1, 4, 5, 2).numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), "reflect")
    np.testing.assert_array_equal(padded, wanted)
    assert keras.Sequential([keras.Input((4, 5, 2)), ReflectionPadding2D(2)]).output_shape == (None, 8, 9, 2)

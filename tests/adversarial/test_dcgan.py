"""The DCGAN's networks, as the paper draws them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.layers import SpectralNormalization
from keras_genzoo.models.adversarial import dcgan


def layers_of(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


def test_the_papers_networks_at_64():
    gan = gz.DCGAN((64, 64, 3))
    transposed = layers_of(gan.generator, keras.layers.Conv2DTranspose)
    assert layers_of(gan.generator, keras.layers.Reshape)[0].output.shape[1:] == (4, 4, 1024)
    assert [layer.output.shape[1:] for layer in transposed] == [(8, 8, 512), (16, 16, 256), (32, 32, 128), (64, 64, 3)]
    convolutions = layers_of(gan.discriminator, keras.layers.Conv2D)
    assert [layer.output.shape[1:] for layer in convolutions] == [
        (32, 32, 128),
        (16, 16, 256),
        (8, 8, 512),
        (4, 4, 1024),
    ]
    for layer in transposed + convolutions:
        assert layer.strides == (2, 2) and layer.kernel_size == (5, 5)
        assert np.std(layer.kernel) == pytest.approx(0.02, rel=0.1)
    assert all(
        layer.negative_slope == pytest.approx(0.2) for layer in layers_of(gan.discriminator, keras.layers.LeakyReLU)
    )
    # batch normalisation everywhere but at the generator's end and the discriminator's beginning
    normalizations = (keras.layers.BatchNormalization,)
    assert len(layers_of(gan.generator, normalizations)) == 4 and len(layers_of(gan.discriminator, normalizations)) == 3
    kinds = (keras.layers.LeakyReLU, *normalizations)
    order = [isinstance(layer, keras.layers.LeakyReLU) for layer in layers_of(gan.discriminator, kinds)]
    assert order == [True, False, True, False, True, False, True]


def test_default_optimisers_are_the_papers():
    gan = gz.DCGAN((8, 8, 1))
    gan.compile()
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert float(optimizer.learning_rate) == pytest.approx(2e-4) and optimizer.beta_1 == 0.5


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 16, 28, 32, 64, 128])
def test_every_side(side, channels):
    shape = (side, side, channels)
    generator = dcgan.conv_generator(4, shape, num_filters=2)
    discriminator = dcgan.conv_discriminator(shape, num_filters=2)
    assert not any(sum(sum(layer.cropping, ())) for layer in layers_of(generator, keras.layers.Cropping2D))
    images = generator(tf.random.normal((2, 4)))
    assert images.shape == (2, *shape) and discriminator(images).shape == (2, 1)
    assert np.min(images) >= 0 and np.max(images) <= 1


def test_other_sides_are_cropped():
    gan = gz.DCGAN((30, 45, 3), num_filters=2)
    assert gan.sample(2).shape == (2, 30, 45, 3)


def test_filters_double_up_to_eightfold():
    assert dcgan._filters((128, 128, 3), None) == [128, 256, 512, 1024, 1024]
    assert dcgan._filters((28, 28, 1), None) == [64, 128]
    assert dcgan._filters((8, 8, 1), 32) == [32, 64]


def test_tanh_range_is_inside():
    """The generator's last activation is tanh, and the discriminator's first convolution sees [-1, 1]."""
    gan = gz.DCGAN((8, 8, 1))
    inner = keras.Model(gan.discriminator.input, layers_of(gan.discriminator, keras.layers.Rescaling)[0].output)
    np.testing.assert_allclose(
        inner(tf.constant([0.0, 0.5, 1.0, 0.25])[:, None, None, None] * tf.ones((4, 8, 8, 1)))[:, 0, 0, 0],
        [-1, 0, 1, -0.5],
    )
    (tanh,) = layers_of(gan.generator, keras.layers.Activation)
    assert tanh.activation is keras.activations.tanh
    outer = keras.Model(gan.generator.input, tanh.output)
    latents = gan.prior.sample(3)
    np.testing.assert_allclose(gan.generator(latents), (outer(latents) + 1) / 2, atol=1e-6)


def test_normalizations_of_the_discriminator():
    kinds = {
        "batch": keras.layers.BatchNormalization,
        "layer": keras.layers.GroupNormalization,
        "spectral": SpectralNormalization,
    }
    for normalization in (None, *kinds):
        network = gz.DCGAN((16, 16, 1), discriminator_normalization=normalization).discriminator
        for name, kind in kinds.items():
            expected = {"spectral": 3}.get(name, 1) if name == normalization else 0
            assert len(layers_of(network, kind)) == expected, (normalization, name)


def test_spectral_normalization_bounds_the_slope():
    """With every weight at norm 1 a dense critic is 1-Lipschitz; a fitted one would be far steeper."""
    gan = gz.GAN((8, 8, 1), latent_dim=4, discriminator_normalization="spectral")
    gan.compile(loss="wasserstein")
    images = tf.random.stateless_uniform((64, 8, 8, 1), (0, 0))
    gan.fit(images, batch_size=16, epochs=10, verbose=0)
    for layer in layers_of(gan.discriminator, SpectralNormalization):
        assert np.linalg.norm(layer.normalized_weight(), 2) == pytest.approx(1, abs=0.1)


def test_bad_num_filters():
    with pytest.raises(ValueError, match="`num_filters` must be a positive integer; got 0"):
        gz.DCGAN((8, 8, 1), num_filters=0)

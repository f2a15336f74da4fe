"""Labels reach both players, in every backbone, and mean the class."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.layers import SpectralNormalization
from keras_genzoo.models.adversarial import losses
from keras_genzoo.networks import nested_layers

IMAGES = tf.random.stateless_uniform((6, 8, 8, 1), (0, 0))
LABELS = np.array([0, 1, 2, 0, 1, 2])

VARIANTS = [(backbone, projection) for backbone in ("mlp", "conv") for projection in (False, True)]


@pytest.mark.parametrize(("backbone", "projection"), VARIANTS)
def test_labels_matter_to_both_players(backbone, projection):
    gan = gz.ConditionalGAN((8, 8, 1), 4, num_classes=3, backbone=backbone, projection=projection)
    latents = gan.prior.sample(6)
    assert np.abs(gan.decode(latents, LABELS) - gan.decode(latents, (LABELS + 1) % 3)).max() > 1e-3
    scores, others = gan.discriminate(IMAGES, LABELS), gan.discriminate(IMAGES, (LABELS + 1) % 3)
    assert np.abs(scores - others).min() > 0
    np.testing.assert_allclose(gan.predict((latents, LABELS), verbose=0), gan.decode(latents, LABELS), atol=1e-6)


@pytest.mark.parametrize("backbone", ["mlp", "conv"])
def test_projection_adds_the_inner_product_with_the_vector_of_the_class(backbone):
    gan = gz.ConditionalGAN((8, 8, 1), 4, num_classes=3, backbone=backbone, projection=True)
    score, directions = gan.discriminator.get_layer("score"), gan.discriminator.get_layer("directions")

    features = keras.Model(gan.discriminator.inputs[0], score.input)(IMAGES)
    expected = score(features)[:, 0] + tf.reduce_sum(features * tf.gather(directions.embeddings, LABELS), axis=-1)
    np.testing.assert_allclose(gan.discriminate(IMAGES, LABELS), expected, atol=1e-5)


@pytest.mark.parametrize(("backbone", "projection"), VARIANTS)
def test_every_weight_starts_from_the_seed_and_from_numbers_of_its_own(backbone, projection):
    def kernels(seed):
        keras.utils.set_random_seed(seed)
        gan = gz.ConditionalGAN((8, 8, 1), backbone=backbone, projection=projection)
        return [weight.numpy() for weight in gan.weights if np.std(weight) > 0]

    first, again, other = kernels(0), kernels(0), kernels(1)
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - c).max() > 1e-4
    starts = {tuple(np.ravel(kernel)[:4]) for kernel in first}
    assert len(starts) == len(first)


@pytest.mark.parametrize(("backbone", "projection"), VARIANTS)
def test_spectral_normalization_bounds_every_weight_of_the_discriminator(backbone, projection):
    gan = gz.ConditionalGAN(
        (8, 8, 1), 4, 3, backbone=backbone, projection=projection, discriminator_normalization="spectral"
    )
    bounded = [layer.layer for layer in nested_layers(gan.discriminator) if isinstance(layer, SpectralNormalization)]
    weights = {weight.path for layer in bounded for weight in layer.trainable_weights}
    assert weights == {weight.path for weight in gan.discriminator.trainable_weights}
    assert ("directions" in {layer.name for layer in bounded}) == projection


def test_a_step_scores_every_image_at_the_label_of_its_row():
    """Real and generated images and points between them, in both half-steps and in evaluation; SGD written out."""
    rate, weight = 0.1, 0.5
    gan = gz.ConditionalGAN((8, 8, 1), 4, num_classes=3)
    gan.compile(*(keras.optimizers.SGD(rate) for _ in "GD"), "least_squares", losses.GradientPenalty(weight))
    peer = gz.ConditionalGAN.from_config(gan.get_config())
    peer.set_weights(gan.get_weights())
    latents, alpha = tf.random.stateless_normal((6, 4), (0, 9)), tf.random.stateless_uniform((6,), (1, 9))
    gan.draw = lambda sampler, n: latents if sampler == gan.draw_noise else alpha

    def descend(loss, tape, network):
        gradients = tape.gradient(loss, network.trainable_variables)  # of the sum
        for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
            variable.assign_sub(rate / len(LABELS) * tf.convert_to_tensor(gradient))

    labels = tf.constant(LABELS)

    def score(images):
        return peer.discriminator([images, labels])[:, 0]

    fake = peer.generator([latents, labels])
    metrics = gan.test_step((IMAGES, LABELS))
    assert float(metrics["generator_loss"]) == pytest.approx(np.mean((score(fake) - 1) ** 2 / 2), rel=1e-5)
    expected = np.mean((score(IMAGES) - 1) ** 2 / 2 + score(fake) ** 2 / 2)
    assert float(metrics["discriminator_loss"]) == pytest.approx(expected, rel=1e-5)

    gan.train_step((IMAGES, LABELS))
    with tf.GradientTape() as tape:
        with tf.GradientTape() as slope:
            between = alpha[:, None, None, None] * IMAGES + (1 - alpha[:, None, None, None]) * fake
            slope.watch(between)
            scores = score(between)
        lengths = tf.norm(tf.reshape(slope.gradient(scores, between), (6, -1)), axis=-1)
        loss = (score(IMAGES) - 1) ** 2 / 2 + score(fake) ** 2 / 2 + weight * (lengths - 1) ** 2
    descend(loss, tape, peer.discriminator)
    with tf.GradientTape() as tape:
        loss = (score(peer.generator([latents, labels])) - 1) ** 2 / 2
    descend(loss, tape, peer.generator)
    for a, b in zip(gan.get_weights(), peer.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.slow
def test_learns_the_classes_apart():
    """Class 0 is black, class 1 white: the generator must follow its label."""
    gan = gz.ConditionalGAN((8, 8, 1), latent_dim=4, num_classes=2, generator_ema_decay=0.98)
    labels = np.arange(64) % 2
    images = np.broadcast_to((0.1 + 0.8 * labels)[:, None, None, None], (64, 8, 8, 1)).astype("float32")
    optimizers = [keras.optimizers.Adam(1e-3, beta_1=0.0) for _ in range(2)]
    gan.compile(*optimizers, regularizer="r1")
    gan.fit(images, labels, batch_size=16, epochs=60, verbose=0)
    levels = gan.sample(100, labels=np.arange(100) % 2, seed=0).numpy().mean(axis=(1, 2, 3))
    assert levels[0::2].mean() < 0.3 and levels[1::2].mean() > 0.7


def test_bad_arguments():
    with pytest.raises(ValueError, match="`backbone` must be one of 'mlp', 'conv'; got 'resnet'"):
        gz.ConditionalGAN((8, 8, 1), backbone="resnet")
    with pytest.raises(ValueError, match="`num_classes` must be a positive integer; GAN and DCGAN"):
        gz.ConditionalGAN((8, 8, 1), num_classes=None)

"""WGAN-GP: the paper's game by default, and a critic near slope 1."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.models.adversarial import losses


def test_defaults_are_the_papers():
    gan = gz.WGANGP((8, 8, 1))
    gan.compile()
    assert isinstance(gan.game, losses.Wasserstein) and isinstance(gan.regularizer, losses.GradientPenalty)
    assert gan.regularizer.weight == 10 and gan.discriminator_steps == 5
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert (float(optimizer.learning_rate), optimizer.beta_1, optimizer.beta_2) == pytest.approx((1e-4, 0, 0.9))
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in gan.discriminator.layers)


def test_the_game_can_be_changed():
    gan = gz.WGANGP((8, 8, 1))
    gan.compile(loss="hinge", regularizer=None)
    assert isinstance(gan.game, losses.Hinge) and gan.regularizer is None


def test_scores_do_not_mix_images():
    gan = gz.WGANGP((8, 8, 1))
    images = tf.random.stateless_uniform((4, 8, 8, 1), (0, 0))
    together = gan.scores(images, training=True)
    apart = [gan.scores(images[i : i + 1], training=True)[0] for i in range(4)]
    np.testing.assert_allclose(together, apart, atol=1e-5)


def test_the_critic_measures_the_earth_movers_distance():
    """Between two fixed images at distance d the distance is d, and so is the critic's difference of scores."""
    critic = keras.Sequential(
        [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(64, "relu"), keras.layers.Dense(1)]
    )
    gan = gz.WGANGP((2, 2, 1), latent_dim=2, discriminator=critic, num_filters=4)
    gan.compile(discriminator_optimizer=keras.optimizers.Adam(1e-3, beta_1=0.0, beta_2=0.9))
    real, fake = tf.fill((64, 2, 2, 1), 0.9), tf.fill((64, 2, 2, 1), 0.2)
    step = tf.function(lambda real, fake: gan.discriminator_step(gan.scorer(None), real, fake))
    for _ in range(600):
        terms = step(real, fake)
    difference = float(tf.reduce_mean(terms["real_score"] - terms["fake_score"]))
    assert difference == pytest.approx(2 * 0.7, rel=0.1)

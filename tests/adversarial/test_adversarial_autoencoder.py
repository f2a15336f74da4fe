"""The adversarial autoencoder: a step written out, and codes that a game brings to the prior."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz

IMAGES = np.random.default_rng(0).integers(0, 2, (6, 4, 4, 1)).astype("float32")


def test_a_step_is_the_three_updates_of_the_paper():
    """Each by SGD, each at the weights that the ones before it have left; the encoder moves twice."""
    rates = {"autoencoder": 0.05, "discriminator": 0.3, "generator": 0.2}
    model = gz.AdversarialAutoencoder((4, 4, 1), 2)
    model.compile(**{f"{name}_optimizer": keras.optimizers.SGD(rate) for name, rate in rates.items()})
    peer = gz.AdversarialAutoencoder.from_config(model.get_config())
    peer.set_weights(model.get_weights())
    z = tf.random.stateless_normal((6, 2), (0, 9))
    model.draw = lambda sampler, n: z

    def descend(rate, loss, tape, variables):
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(rate * tf.convert_to_tensor(gradient))

    variables = {name: getattr(peer, name).trainable_variables for name in ("encoder", "decoder", "discriminator")}
    with tf.GradientTape() as tape:
        logits = peer.decoder(peer.encoder(IMAGES))
        bits = tf.nn.sigmoid_cross_entropy_with_logits(IMAGES, logits)
        error = tf.reduce_mean(tf.reduce_sum(bits, axis=(1, 2, 3)))
    descend(rates["autoencoder"], error, tape, variables["encoder"] + variables["decoder"])
    with tf.GradientTape() as tape:
        real, fake = peer.discriminator(z)[:, 0], peer.discriminator(peer.encoder(IMAGES))[:, 0]
        loss = -tf.reduce_mean(tf.math.log_sigmoid(real) + tf.math.log_sigmoid(-fake))
    descend(rates["discriminator"], loss, tape, variables["discriminator"])
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(tf.math.log_sigmoid(peer.discriminator(peer.encoder(IMAGES))[:, 0]))
    descend(rates["generator"], loss, tape, variables["encoder"])

    metrics = model.train_step(IMAGES)
    assert float(metrics["reconstruction"]) == pytest.approx(float(error), rel=1e-5)
    for weight, expected in zip(model.trainable_variables, peer.trainable_variables, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected.numpy(), atol=2e-6, err_msg=weight.path)


def test_the_game_brings_the_codes_to_the_prior():
    """In mean and covariance; the same autoencoder without it leaves them far away."""
    digits = gz.data.load("digits", batch_size=128, seed=0)

    def codes(rate):
        keras.utils.set_random_seed(0)
        model = gz.AdversarialAutoencoder((8, 8, 1), 2)
        model.compile(generator_optimizer=keras.optimizers.Adam(rate, beta_1=0.5))
        model.fit(digits, epochs=40, verbose=0)
        return np.concatenate([model.encode(images) for images in digits])

    def distance(z):
        return np.linalg.norm(z.mean(axis=0)) + np.linalg.norm(np.cov(z.T) - np.eye(2))

    assert distance(codes(1e-3)) < 0.6
    assert distance(codes(0.0)) > 3


def test_the_scale_of_a_gaussian_is_trained_with_the_autoencoder():
    model = gz.AdversarialAutoencoder((4, 4, 1), 2, likelihood="gaussian")
    model.compile()
    model.train_on_batch(IMAGES)
    assert float(model.log_scale) != 0

"""The adversarial autoencoder: Makhzani et al. 2015, https://arxiv.org/abs/1511.05644.

An autoencoder whose codes a game brings into the shape of a prior, so that the decoder of draws from it is a generator.
In each step, on one batch x:
    reconstruction    encoder and decoder descend on -log p(x | z) at the code z of x
    regularisation    a discriminator of codes descends on telling draws from the prior (real) and codes (fake) apart;
                      then the encoder, as the game's generator, descends on being taken for the prior

Differences from the paper: the zoo's encoder and decoder, a discriminator of two layers of 256, Adam. Left out: labels
given to the discriminator; the semi-supervised and the clustering variant.
"""

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo import networks
from keras_genzoo.measurement import Objective
from keras_genzoo.models.adversarial.players import Players
from keras_genzoo.models.autoencoders.encoder_decoder import EncoderDecoder
from keras_genzoo.networks import Builder


def code_discriminator(latent_dim, dtype=None):
    """Codes `(n, latent_dim)` to scores `(n, 1)`: an MLP."""
    codes = x = keras.Input((latent_dim,), name="codes")
    for units in (256, 256):
        x = layers.LeakyReLU(0.2, dtype=dtype)(layers.Dense(units, dtype=dtype)(x))
    return networks.scoring(codes, x)


@keras.saving.register_keras_serializable(package="keras_genzoo")
class AdversarialAutoencoder(Players, EncoderDecoder):
    """Adversarial autoencoder.

    Args:
        image_shape: tuple `(height, width, channels)`.
        latent_dim: int, size of the code; the prior is N(0, I).
        encoder: Keras model; see `Autoencoder`.
        decoder: Keras model; see `Autoencoder`.
        discriminator: Keras model from codes `(n, latent_dim)` to scores `(n, 1)`, any real numbers.
        likelihood: `"bernoulli"`, `"continuous_bernoulli"`, `"gaussian"` or `"quantized_logistic"`; see `Autoencoder`.
        num_classes: int or None; a number makes encoder and decoder conditional on labels.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    metric_names = ("reconstruction", *Players.metric_names)
    discriminates_images = False
    progress = ("reconstruction", "min")

    def __init__(
        self,
        image_shape,
        latent_dim=8,
        encoder=None,
        decoder=None,
        discriminator=None,
        likelihood="bernoulli",
        num_classes=None,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim, latent_dim, encoder, decoder, likelihood, num_classes, **kwargs)
        self.discriminator = self.network("discriminator", discriminator or Builder(code_discriminator), latent_dim)
        networks.check_network("discriminator", self.discriminator, (self.latent_dim,), (1,))
        self.build()

    def get_config(self):
        return {**super().get_config(), "discriminator": self.network_config("discriminator")}

    @property
    def objectives(self):
        first = Objective("reconstruction", "nats", "-log p(x|z) at the code of x", ("reconstruction",))
        return (first, *super().objectives[1:])

    def players(self):
        return {
            "autoencoder": [self.encoder, self.decoder],
            "discriminator": [self.discriminator],
            "generator": [self.encoder],
        }

    def player_variables(self, player):
        scale = [self.log_scale] if player == "autoencoder" and self.likelihood_family == "gaussian" else []
        return super().player_variables(player) + scale

    def default_optimizer(self, name):
        return keras.optimizers.Adam(1e-3) if name == "autoencoder_optimizer" else super().default_optimizer(name)

    def train_step(self, data):
        images, labels = self.unpack(data)
        with tf.GradientTape() as tape:
            codes = self.encoder_outputs(images, labels, training=True)  # (n, latent_dim)
            error = -self.decoder_likelihood(codes, labels, training=True).log_prob(images)  # (n,) nats
        error = self.descend("autoencoder", error, tape)
        with tf.GradientTape() as tape:
            codes = self.encoder_outputs(images, labels, training=True)
        terms = self.discriminator_step(self.scores, self.draw(self.draw_noise, tf.shape(codes)[0]), codes)
        terms["generator_loss"] = self.generator_step(tape, codes, self.scores)
        return self.track(reconstruction=error, **terms)

    def player_losses(self, data):
        images, labels = self.unpack(data)
        codes = self.encoder_outputs(images, labels, training=True)
        prior_codes = self.draw(self.draw_noise, tf.shape(codes)[0])
        terms, _, fake_scores = self.discriminator_terms(self.scores, prior_codes, codes)
        error = -self.decoder_likelihood(codes, labels, training=True).log_prob(images)
        return {
            "autoencoder": {"reconstruction": error},
            "discriminator": terms,
            "generator": {"game": self.game.generator_loss(fake_scores)},
        }

    def test_step(self, data):
        images, labels = self.unpack(data)
        codes = self.code(images, labels)
        terms = self.game_terms(self.scores(self.draw(self.draw_noise, tf.shape(codes)[0])), self.scores(codes))
        return self.track(reconstruction=-self.decoder_likelihood(codes, labels).log_prob(images), **terms)

    def scores(self, codes):
        """The discriminator's scores, float32 `(n,)` under any precision."""
        return tf.cast(self.discriminator(codes, training=True)[:, 0], tf.float32)

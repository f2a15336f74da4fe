"""The autoencoder: Hinton and Salakhutdinov 2006, https://doi.org/10.1126/science.1127647.

An encoder maps an image x to a code z, a decoder maps z to the parameters of a likelihood p(x | z), and both
are trained to minimise the reconstruction error -log p(x | z).

An autoencoder has no prior over codes. To sample from it all the same, a normal distribution is fitted to the
codes as training goes (ex-post density estimation, Ghosh et al. 2020, https://arxiv.org/abs/1903.12436): `prior`
has their running mean and covariance, from moments debiased as those of Adam are (Kingma and Ba 2015,
https://arxiv.org/abs/1412.6980, section 3), and is N(0, I) before training.
"""

import keras
import tensorflow as tf

from keras_genzoo.distributions import tfd
from keras_genzoo.measurement import Objective
from keras_genzoo.models.autoencoders.encoder_decoder import EncoderDecoder

_MOMENTUM = 0.99  # of the running moments of the codes, as BatchNormalization's
_JITTER = 1e-4  # variance added to each dimension of the codes, so that unused ones keep the covariance positive


@keras.saving.register_keras_serializable(package="keras_genzoo")
class Autoencoder(EncoderDecoder):
    """Autoencoder.

    Args:
        image_shape: tuple `(height, width, channels)`.
        latent_dim: int, size of the code.
        encoder: Keras model from images `(n, h, w, c)` in [0, 1] (or `[images, labels]` when conditional) to
            `(n, latent_dim)`. By default an MLP up to 784 values an image, convolutions above.
        decoder: Keras model from codes `(n, latent_dim)` (or `[codes, labels]`) to the likelihood's parameters,
            `(n, h, w, c)`, or `(n, h, w, 2 c)` for `"quantized_logistic"`.
        likelihood: `"bernoulli"` (the parameters are logits), `"continuous_bernoulli"` (logits), `"gaussian"`
            (means; one scale is learned beside them) or `"quantized_logistic"` (locations, then raw scales).
        num_classes: int or None; a number makes encoder and decoder conditional on labels.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(
        self,
        image_shape,
        latent_dim=16,
        encoder=None,
        decoder=None,
        likelihood="bernoulli",
        num_classes=None,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim, latent_dim, encoder, decoder, likelihood, num_classes, **kwargs)
        moment = {"trainable": False, "aggregation": "only_first_replica"}
        self.code_mean = self.add_float32_weight("code_mean", (latent_dim,), "zeros", **moment)
        self.code_second_moment = self.add_float32_weight(
            "code_second_moment", (latent_dim, latent_dim), "identity", **moment
        )
        # In presets too: what counts is the covariance, by far smaller than the moments where their squares are large.
        self.code_mean.stays_float32 = self.code_second_moment.stays_float32 = True
        self.moment_steps = self.add_weight(name="moment_steps", shape=(), initializer="zeros", dtype="int64", **moment)
        self.build()

    @property
    def objectives(self):
        return (Objective("loss", "nats", "-log p(x|z) at the code of x", ("loss",)),)

    def corrupt(self, clean):
        """What the encoder sees in training: here the image itself."""
        return clean

    def train_step(self, data):
        clean, labels = self.unpack(data)
        with tf.GradientTape() as tape:
            codes = self.encoder_outputs(self.corrupt(clean), labels, training=True)  # (n, latent_dim)
            error = -self.decoder_likelihood(codes, labels, training=True).log_prob(clean)  # (n,) nats
            loss = error + sum(self.losses)  # a user's own networks may carry regularisers
        self.minimize(loss, tape, self.optimizer, self.trainable_variables)
        self._fit_prior(codes)
        return self.track(loss=loss)

    def test_step(self, data):
        clean, labels = self.unpack(data)
        return self.track(loss=-self.decoder_likelihood(self.code(clean, labels), labels).log_prob(clean))

    def _fit_prior(self, codes):
        num_codes = self.sum_over_replicas(tf.cast(tf.shape(codes)[0], tf.float32))
        mean = self.sum_over_replicas(tf.reduce_sum(codes, axis=0)) / num_codes
        second_moment = self.sum_over_replicas(tf.matmul(codes, codes, transpose_a=True)) / num_codes  # (d, d)
        self.moment_steps.assign_add(1)
        # The step that keeps an average debiased: with m = 0.99 m + 0.01 x from 0, it is m / (1 - 0.99^t) throughout.
        rate = (1 - _MOMENTUM) / (1 - _MOMENTUM ** tf.cast(self.moment_steps, tf.float32))
        for average, value in ((self.code_mean, mean), (self.code_second_moment, second_moment)):
            average.assign_add(rate * (value - average))

    def load_own_variables(self, store):
        own = {key: store[key] for key in store.keys()}  # noqa: SIM118
        # Files from before moments were debiased have no count of steps; theirs count as those of a long run.
        own.setdefault(str(3 if self.likelihood_family == "gaussian" else 2), 10_000)
        super().load_own_variables(own)

    @property
    def prior(self):
        """`tfd.Distribution` with event `(latent_dim,)`: the normal distribution fitted to the codes."""
        mean = tf.convert_to_tensor(self.code_mean)
        covariance = self.code_second_moment - mean[:, None] * mean[None, :] + _JITTER * tf.eye(self.latent_dim)
        return tfd.MultivariateNormalTriL(mean, tf.linalg.cholesky(covariance))

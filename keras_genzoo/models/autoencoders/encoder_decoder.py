"""What autoencoders share: an encoder, a decoder, a likelihood of images given latents, and the verbs on them."""

import tensorflow as tf

from keras_genzoo import distributions, networks, serving
from keras_genzoo.graph_method import graph_method
from keras_genzoo.latent_variable_model import LatentVariableModel, check_ends, path_weights
from keras_genzoo.networks import Builder


class EncoderDecoder(LatentVariableModel):
    """Base class of the models that encode images into latents and decode latents into a likelihood of images.

    A subclass adds its `prior`, its objective, and calls `self.build()` once its weights are made.

    Args:
        image_shape: tuple `(height, width, channels)`.
        latent_dim: int.
        num_encoder_outputs: int, numbers the encoder gives for an image.
        encoder: Keras model or None for the default.
        decoder: Keras model or None for the default.
        likelihood: str, one of `distributions.LIKELIHOODS`.
        num_classes: int or None.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    samples_are_means = True

    def __init__(
        self,
        image_shape,
        latent_dim,
        num_encoder_outputs,
        encoder,
        decoder,
        likelihood,
        num_classes,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim, num_classes, **kwargs)
        distributions.check_choice("likelihood", likelihood, distributions.LIKELIHOODS)
        self.likelihood_family = likelihood
        num_parameters = self.image_shape[-1] * distributions.LIKELIHOODS[likelihood]
        encoder, decoder = encoder or Builder(networks.encoder), decoder or Builder(networks.decoder)
        sizes = self.latent_dim, self.image_shape, num_parameters, self.num_classes
        self.encoder = self.network("encoder", encoder, self.image_shape, num_encoder_outputs, self.num_classes)
        self.decoder = self.network("decoder", decoder, *sizes)
        networks.check_network("encoder", self.encoder, self.image_shape, (num_encoder_outputs,), self.num_classes)
        parameters_shape = (*self.image_shape[:2], num_parameters)
        networks.check_network("decoder", self.decoder, (self.latent_dim,), parameters_shape, self.num_classes)
        if likelihood == "gaussian":
            self.log_scale = self.add_float32_weight("log_scale", (), "zeros")

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": self.network_config("encoder"),
            "decoder": self.network_config("decoder"),
            "likelihood": self.likelihood_family,
        }

    @property
    def num_levels(self):
        """int or None: grey levels of the images, where the likelihood is one of levels."""
        return 256 if self.likelihood_family == "quantized_logistic" else None

    # ---- networks ----

    def encoder_outputs(self, images, labels=None, training=False):
        """float32 `(n, num_encoder_outputs)`, under any precision."""
        inputs = images if labels is None else [images, labels]
        return tf.cast(self.encoder(inputs, training=training), tf.float32)

    def decoder_likelihood(self, latents, labels=None, training=False):
        """p(x | z) with the batch of latents `(..., n, latent_dim)`, under any precision; see `likelihood`."""
        batch = tf.shape(latents)[:-1]
        if labels is not None:
            labels = tf.reshape(tf.broadcast_to(labels, batch), [-1])
        flat = tf.reshape(latents, (-1, self.latent_dim))
        parameters = tf.cast(self.decoder(flat if labels is None else [flat, labels], training=training), tf.float32)
        if latents.shape.rank != 2:
            parameters = tf.reshape(parameters, tf.concat([batch, tf.shape(parameters)[1:]], axis=0))
        if self.likelihood_family == "gaussian":
            return distributions.gaussian(parameters, tf.exp(self.log_scale))
        return getattr(distributions, self.likelihood_family)(parameters)

    def code(self, images, labels=None):
        """The latents `(n, latent_dim)` that stand for images; runs inside a graph."""
        return self.encoder_outputs(images, labels)

    # ---- the verbs ----

    def likelihood(self, latents, labels=None):
        """p(x | z) as a `tfd.Distribution` with batch `(..., n)` and event `(h, w, c)`.

        Args:
            latents: float `(..., n, latent_dim)`.
            labels: ints `(n,)`, for a conditional model.
        """
        latents = self.latent_domain(latents)
        return self.decoder_likelihood(latents, self.check_condition(labels, latents.shape[-2]))

    @graph_method(reduce_retracing=True)
    def _code(self, images, labels):
        return self.code(images, labels)

    def encode(self, images, labels=None):
        """Codes of images: float32 `(n, latent_dim)`; for a VAE the mean of the posterior.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8.
            labels: ints `(n,)`, for a conditional model.
        """
        return self._code(*self.check_images(images, labels))

    def reconstruct(self, images, labels=None):
        """`decode(encode(images))`: float32 `(n, h, w, c)` in [0, 1]."""
        return self.decode(self.encode(images, labels), labels)

    def interpolate(self, a, b, num_steps, labels=None):
        """Images along the straight line between the codes of a and b.

        Args:
            a: images `(n, h, w, c)`, where each path starts.
            b: images `(n, h, w, c)`, where it ends.
            num_steps: int, at least 2; both ends are included.
            labels: ints `(n,)`, for a conditional model.

        Returns:
            float32 `(n, num_steps, h, w, c)`; `images.save_grid` draws a path a row.
        """
        t = path_weights(num_steps)
        start, end = self.encode(a, labels), self.encode(b, labels)
        check_ends(start, end)
        return self.decode_paths(start[:, None] * (1 - t) + end[:, None] * t, labels)

    def generate(self, noise, labels=None):
        return tf.clip_by_value(self.decoder_likelihood(noise, labels).mean(), 0.0, 1.0)

    def call(self, images, labels=None):
        images, labels = self.check_images(images, labels)
        return self.generate(self.code(images, labels), labels)

    def signatures(self):
        def encode(images, labels=None):
            return {"latents": self.code(images, labels)}

        def reconstruct(images, labels=None):
            return {"images": self.call(images, labels)}

        images = {**self.sample_input(), **self.condition_input()}
        return {
            **super().signatures(),
            "encode": serving.Signature(encode, images, {"latents": self.latent_domain}),
            "reconstruct": serving.Signature(reconstruct, images, self.sample_output()),
        }

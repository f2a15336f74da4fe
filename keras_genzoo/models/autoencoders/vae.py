"""The variational autoencoder: Kingma and Welling 2014, https://arxiv.org/abs/1312.6114.

A latent z is drawn from a prior p(z), an image x from a likelihood p(x | z) whose parameters a decoder computes
from z. The likelihood of x, an integral over z, is bounded from below with an encoder that computes a posterior
q(z | x):

    log p(x) >= ELBO(x) = E_q [log p(x | z)] - KL(q(z | x) || p(z)),     z = mean + scale * noise

and both networks climb the bound along its gradient through the (reparameterised) draw. Also here:

- beta-VAE, the KL weighted by beta: Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl
- IWAE, a tighter bound from k draws: Burda et al. 2016, https://arxiv.org/abs/1509.00519
- VampPrior, a prior made of posteriors: Tomczak and Welling 2018, https://arxiv.org/abs/1705.07120

Left out: the paper's full-covariance and Bayesian (weights as latents) variants.
"""

import math

import keras
import tensorflow as tf

from keras_genzoo import checks, distributions, domains, serving
from keras_genzoo.bayes_classifier import BayesClassifier
from keras_genzoo.graph_method import graph_method
from keras_genzoo.measurement import Objective
from keras_genzoo.models.autoencoders.encoder_decoder import EncoderDecoder

_VALUES_AT_ONCE = 2**20  # float32 numbers of one layer that `log_prob` holds at a time: 4 MiB, near to a cache


@keras.saving.register_keras_serializable(package="keras_genzoo")
class VAE(BayesClassifier, EncoderDecoder):
    """Variational autoencoder.

    Args:
        image_shape: tuple `(height, width, channels)`.
        latent_dim: int.
        encoder: Keras model from images `(n, h, w, c)` in [0, 1] (or `[images, labels]` when conditional) to
            `(n, 2 * latent_dim)`, the posterior's means, then log variances. By default an MLP up to 784
            values an image, convolutions above.
        decoder: Keras model from latents `(n, latent_dim)` (or `[latents, labels]`) to the likelihood's
            parameters, `(n, h, w, c)`, or `(n, h, w, 2 c)` for `"quantized_logistic"`.
        likelihood: `"bernoulli"`, `"continuous_bernoulli"`, `"gaussian"` or `"quantized_logistic"`; see
            `Autoencoder` for their parameters.
        prior: `"standard_normal"`, `"mixture"` (of normals, learned) or `"vamp"` (of the posteriors of learned
            pseudo-images).
        beta: float, weight of the KL.
        num_importance_samples: int, draws k of the bound that is trained; above 1 the IWAE bound.
        num_classes: int or None; a number makes encoder and decoder conditional on labels.
        num_prior_components: int, of a `"mixture"` or `"vamp"` prior.
        kl_warmup_steps: int; over the first so many training steps the KL's weight grows from 0 to beta.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    metric_names = ("loss", "reconstruction", "kl")
    log_prob_is_exact = False

    def __init__(
        self,
        image_shape,
        latent_dim=16,
        encoder=None,
        decoder=None,
        likelihood="bernoulli",
        prior="standard_normal",
        beta=1.0,
        num_importance_samples=1,
        num_classes=None,
        num_prior_components=50,
        kl_warmup_steps=0,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim, 2 * latent_dim, encoder, decoder, likelihood, num_classes, **kwargs)
        distributions.check_choice("prior", prior, distributions.PRIORS)
        if beta < 0 or kl_warmup_steps < 0:
            raise ValueError(f"`beta` and `kl_warmup_steps` must not be negative; got {beta} and {kl_warmup_steps}.")
        self.prior_family = prior
        self.beta = beta
        (self.num_importance_samples,) = checks.positive_integers("num_importance_samples", [num_importance_samples], 1)
        (self.num_prior_components,) = checks.positive_integers("num_prior_components", [num_prior_components], 1)
        self.kl_warmup_steps = kl_warmup_steps
        if prior == "mixture":
            shape = (num_prior_components, latent_dim)
            self.prior_logits = self.add_float32_weight("prior_logits", shape[:1], "zeros")
            self.prior_means = self.add_float32_weight("prior_means", shape, "random_normal")
            self.prior_log_scales = self.add_float32_weight("prior_log_scales", shape, "zeros")
        if prior == "vamp":
            self.pseudo_images = self.add_float32_weight(
                "pseudo_images",
                (num_prior_components, *self.image_shape),
                keras.initializers.RandomUniform(0, 1),
                constraint=_UnitInterval(),
            )
        self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "prior": self.prior_family,
            "beta": self.beta,
            "num_importance_samples": self.num_importance_samples,
            "num_prior_components": self.num_prior_components,
            "kl_warmup_steps": self.kl_warmup_steps,
        }

    @property
    def objectives(self):
        k = self.num_importance_samples
        draws = "one draw" if k == 1 else f"mean of {k} draws"
        method = f"-E_q log p(x|z) + KL(q(z|x) || p(z)), {draws} an image"
        return (Objective("negative_elbo", "nats", method, ("reconstruction", "kl")),)

    # ---- objective ----

    def negative_elbo(self, images, labels=None, beta=None, training=False):
        """The bound to minimise and its parts, each `(n,)` in nats, at fresh draws from the posterior.

        Args:
            images: float32 `(n, h, w, c)`.
            labels: int32 `(n,)` or None.
            beta: weight of the KL; by default the model's.
            training: bool, for the networks' own layers.

        Returns:
            dict of `loss` (the negative ELBO, or IWAE bound, with the KL weighted), `reconstruction`
            (-log p(x | z)) and `kl`.
        """
        beta = self.beta if beta is None else beta
        posterior = self._posterior(images, labels, training)
        latents = self._reparameterized(posterior, tf.shape(images)[0])  # (k, n, d)
        log_likelihood = self.decoder_likelihood(latents, labels, training).log_prob(images)  # (k, n)
        prior = self._prior(training)
        if self.num_importance_samples == 1:
            kl = distributions.kl_divergence(posterior, prior, latents[0])
            reconstruction = -log_likelihood[0]
            return {"loss": reconstruction + beta * kl, "reconstruction": reconstruction, "kl": kl}
        log_ratio = posterior.log_prob(latents) - prior.log_prob(latents)  # (k, n)
        bound = _log_mean_exp(log_likelihood - beta * log_ratio)
        return {
            "loss": -bound,
            "reconstruction": -tf.reduce_mean(log_likelihood, axis=0),
            "kl": tf.reduce_mean(log_ratio, axis=0),
        }

    def train_step(self, data):
        images, labels = self.unpack(data)
        with tf.GradientTape() as tape:
            terms = self.negative_elbo(images, labels, self._warmed_up_beta(), training=True)
            terms["loss"] += sum(self.losses)  # a user's own networks may carry regularisers
        self.minimize(terms["loss"], tape, self.optimizer, self.trainable_variables)
        return self.track(**terms)

    def test_step(self, data):
        return self.track(**self.negative_elbo(*self.unpack(data)))

    def _warmed_up_beta(self):
        if not self.kl_warmup_steps:
            return self.beta
        return self.beta * tf.minimum(1.0, tf.cast(self.optimizer.iterations, tf.float32) / self.kl_warmup_steps)

    def _reparameterized(self, posterior, num_images):
        """k draws an image, z = mean + scale * noise, so that gradients reach mean and scale: `(k, n, d)`."""
        shape = (self.num_importance_samples, self.latent_dim)
        noise = self.draw(lambda n, seed: tf.random.stateless_normal((n, *shape), seed), num_images)
        normal = posterior.distribution
        return normal.loc + normal.scale * tf.transpose(noise, (1, 0, 2))

    # ---- distributions ----

    @property
    def prior(self):
        """p(z) as a `tfd.Distribution` with event `(latent_dim,)`."""
        return self._prior()

    def _prior(self, training=False):
        if self.prior_family == "standard_normal":
            return distributions.standard_normal(self.latent_dim)
        if self.prior_family == "mixture":
            return distributions.mixture_of_normals(
                tf.convert_to_tensor(self.prior_logits),
                tf.convert_to_tensor(self.prior_means),
                tf.exp(self.prior_log_scales),
            )
        # The pseudo-images of a conditional model take the classes in turn.
        labels = None if self.num_classes is None else tf.range(self.num_prior_components) % self.num_classes
        posterior = self._posterior(tf.convert_to_tensor(self.pseudo_images), labels, training).distribution
        return distributions.mixture_of_normals(tf.zeros(self.num_prior_components), posterior.loc, posterior.scale)

    def posterior(self, images, labels=None):
        """q(z | x) as a `tfd.Distribution` with batch `(n,)` and event `(latent_dim,)`.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8.
            labels: ints `(n,)`, for a conditional model.
        """
        return self._posterior(*self.check_images(images, labels))

    def _posterior(self, images, labels=None, training=False):
        mean, log_variance = tf.split(self.encoder_outputs(images, labels, training), 2, axis=-1)
        return distributions.diagonal_normal(mean, tf.exp(0.5 * log_variance))

    def code(self, images, labels=None):
        return self._posterior(images, labels).mean()

    # ---- likelihood of images ----

    def log_prob(self, images, labels=None, num_importance_samples=100, seed=None):
        """Lower bound of log p(x): the log of the mean of k importance weights p(x | z) p(z) / q(z | x).

        It grows with k, in expectation, towards log p(x) (Burda et al. 2016, theorem 1). `beta` plays no part.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8.
            labels: ints `(n,)`, for a conditional model, which then bounds log p(x | label).
            num_importance_samples: int, k. Draws are taken a few at a time, so 5,000 need no more memory.
            seed: int32 for a result that repeats; by default draws differ from call to call.

        Returns:
            float32 `(n,)`, nats.
        """
        (k,) = checks.positive_integers("num_importance_samples", [num_importance_samples], 1)
        images, labels = self.check_images(images, labels)
        seed = self.seed_of(seed)
        return self._importance_weighted_bound(images, labels, tf.constant(k), seed)

    @graph_method(reduce_retracing=True)
    def _importance_weighted_bound(self, images, labels, k, seed):
        posterior, prior = self._posterior(images, labels), self._prior()
        num_images = tf.shape(images)[0]
        row = max(math.prod(self.image_shape), self.num_prior_components)
        chunk = tf.clip_by_value(_VALUES_AT_ONCE // (row * tf.maximum(num_images, 1)), 1, k)

        def add_chunk(start, log_sum):
            draws = tf.minimum(chunk, k - start)
            latents = posterior.sample(draws, seed=tf.random.fold_in(seed, start))  # (draws, n, d)
            log_weights = (
                self.decoder_likelihood(latents, labels).log_prob(images)
                + prior.log_prob(latents)
                - posterior.log_prob(latents)
            )
            return start + draws, tf.reduce_logsumexp(tf.concat([log_sum[None], log_weights], axis=0), axis=0)

        nothing = tf.fill([num_images], -float("inf"))
        _, log_sum = tf.while_loop(lambda start, _: start < k, add_chunk, (0, nothing), maximum_iterations=k)
        return log_sum - tf.math.log(tf.cast(k, tf.float32))

    def signatures(self):
        def log_prob(images, num_importance_samples, seed, labels=None):
            bound = self._importance_weighted_bound(images, labels, num_importance_samples, tf.stack([seed, 0]))
            return {"log_prob": bound}

        numbers = {"num_importance_samples": domains.count("num_importance_samples", 100_000), "seed": domains.seed()}
        inputs = {**self.sample_input(), **self.condition_input(), **numbers}
        outputs = {"log_prob": domains.Vectors((), "log_prob")}
        return {**super().signatures(), **self.density_signatures(serving.Signature(log_prob, inputs, outputs))}


def _log_mean_exp(values):
    """Over the first axis."""
    return tf.reduce_logsumexp(values, axis=0) - tf.math.log(tf.cast(tf.shape(values)[0], values.dtype))


class _UnitInterval(keras.constraints.Constraint):
    """Keeps pseudo-images images."""

    def __call__(self, images):
        return keras.ops.clip(images, 0.0, 1.0)

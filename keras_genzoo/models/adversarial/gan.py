"""The generative adversarial network: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661.

A generator G turns a latent z, drawn from a prior, into an image. A discriminator D scores images, high where it
takes one for real. They play a game (see `losses`): D learns to tell real images from generated ones, G to be taken
for real. In training (the paper's algorithm 1):

    for k steps:  draw latents z; D descends on its loss at the real images x and at G(z)
    then:         G descends on its loss at the scores of G(z)

Differences from the paper: leaky rectifiers in D where it has maxout and dropout; the k steps of D see the same
real images, each with fresh latents; G answers to the last of their batches, so that images are generated once.
"""

import math

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo import averages, checks, distributions, domains, networks, serving
from keras_genzoo.graph_method import graph_method
from keras_genzoo.latent_variable_model import LatentVariableModel, check_ends, great_circle, path_weights
from keras_genzoo.models.adversarial.players import Players
from keras_genzoo.networks import Builder

_HIDDEN_UNITS = (256, 512)  # of the generator; the discriminator has them in reverse


def mlp_generator(latent_dim, image_shape, num_classes=None, dtype=None):
    """Latents `(n, latent_dim)`, or `[latents, labels]`, to images `(n, h, w, c)` in [0, 1]: an MLP."""
    inputs, x = networks.latents_and_labels(latent_dim, num_classes, dtype)
    for units in _HIDDEN_UNITS:
        x = layers.Dense(units, activation="relu", dtype=dtype)(x)
    x = layers.Dense(math.prod(image_shape), activation="sigmoid", dtype="float32")(x)
    return keras.Model(inputs, layers.Reshape(image_shape, dtype="float32")(x), name="generator")


def mlp_discriminator(image_shape, num_classes=None, normalization=None, projection=False, dtype=None):
    """Images `(n, h, w, c)` in [0, 1], or `[images, labels]`, to scores `(n, 1)`: an MLP."""
    inputs, x = networks.images_and_labels(image_shape, None if projection else num_classes, dtype, normalization)
    x = layers.Flatten(dtype=dtype)(x)
    for units in reversed(_HIDDEN_UNITS):
        x = networks.normalized(layers.Dense(units, dtype=dtype), normalization)(x)
        x = layers.LeakyReLU(0.2, dtype=dtype)(x)
    return networks.scoring(inputs, x, num_classes if projection else None, normalization)


@keras.saving.register_keras_serializable(package="keras_genzoo")
class GAN(Players, LatentVariableModel):
    """Generative adversarial network of two multilayer perceptrons.

    Args:
        image_shape: tuple `(height, width, channels)`.
        latent_dim: int.
        generator: Keras model from latents `(n, latent_dim)` (or `[latents, labels]` when conditional) to images
            `(n, h, w, c)` in [0, 1].
        discriminator: Keras model from images `(n, h, w, c)` in [0, 1] (or `[images, labels]`) to scores `(n, 1)`,
            any real numbers: no sigmoid at its end.
        prior: `"normal"`, N(0, 1) in each dimension, or `"uniform"`, U(-1, 1).
        discriminator_steps: int, k, updates of the discriminator for one of the generator.
        discriminator_normalization: in the default discriminator, `"batch"`, `"layer"` (over each image),
            `"spectral"` (every weight, also those of labels, is used divided by its largest singular value; one power
            iteration an update; Miyato et al. 2018, https://arxiv.org/abs/1802.05957) or None.
        generator_ema_decay: float in (0, 1) or None. With a number, `sample`, `decode` and `export` use an
            exponential moving average of the generator's weights; Yazici et al. 2019, arxiv.org/abs/1806.04498.
            Weights put into `generator` by hand change no sample until `reset_generator_averages()`; those loaded
            into the whole model bring their averages.
        num_classes: int or None; a number makes both players conditional on labels.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(
        self,
        image_shape,
        latent_dim=100,
        generator=None,
        discriminator=None,
        prior="normal",
        discriminator_steps=1,
        discriminator_normalization=None,
        generator_ema_decay=None,
        num_classes=None,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim, num_classes, **kwargs)
        distributions.check_choice("prior", prior, tuple(distributions.LATENT_PRIORS))
        distributions.check_choice("discriminator_normalization", discriminator_normalization, networks.NORMALIZATIONS)
        if generator_ema_decay is not None and not 0 < generator_ema_decay < 1:
            raise ValueError(f"`generator_ema_decay` must lie in (0, 1) or be None; got {generator_ema_decay!r}.")
        self.prior_family = prior
        (self.discriminator_steps,) = checks.positive_integers("discriminator_steps", [discriminator_steps], 1)
        self.discriminator_normalization = discriminator_normalization
        self.generator_ema_decay = generator_ema_decay
        sizes = self.image_shape, self.num_classes
        self.generator = self.network("generator", generator or Builder(mlp_generator), self.latent_dim, *sizes)
        discriminator = discriminator or Builder(mlp_discriminator)
        self.discriminator = self.network("discriminator", discriminator, *sizes, discriminator_normalization)
        networks.check_network("generator", self.generator, (self.latent_dim,), self.image_shape, self.num_classes)
        networks.check_network("discriminator", self.discriminator, self.image_shape, (1,), self.num_classes)
        if generator_ema_decay is not None:
            self.generator_averages = averages.create(self, self.generator, "generator_average")
        self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "generator": self.network_config("generator"),
            "discriminator": self.network_config("discriminator"),
            "prior": self.prior_family,
            "discriminator_steps": self.discriminator_steps,
            "discriminator_normalization": self.discriminator_normalization,
            "generator_ema_decay": self.generator_ema_decay,
        }

    # ---- the game ----

    def compile(
        self,
        generator_optimizer=None,
        discriminator_optimizer=None,
        loss="non_saturating",
        regularizer=None,
        augmentation=None,
        **kwargs,
    ):
        """Chooses the game and an optimiser for each player; see `Players.compile`."""
        optimizers = {"generator_optimizer": generator_optimizer, "discriminator_optimizer": discriminator_optimizer}
        super().compile(loss, regularizer, augmentation, **optimizers, **kwargs)

    def train_step(self, data):
        real, labels = self.unpack(data)
        score = self.scorer(labels)
        for _ in range(self.discriminator_steps):
            with tf.GradientTape() as tape:
                fake = self.fake(real, labels)
            terms = self.discriminator_step(score, real, fake)
        terms["generator_loss"] = self.generator_step(tape, fake, score)
        if self.generator_ema_decay is not None:
            steps = self.generator_optimizer.iterations
            averages.update(self.generator_averages, self.generator, self.generator_ema_decay, steps)
        return self.track(**terms)

    def player_losses(self, data):
        real, labels = self.unpack(data)
        with keras.StatelessScope():  # moving averages stay as they are
            fake, score = self.fake(real, labels), self.scorer(labels)
            terms, _, fake_scores = self.discriminator_terms(score, real, fake)
        return {"generator": {"game": self.game.generator_loss(fake_scores)}, "discriminator": terms}

    def test_step(self, data):
        real, labels = self.unpack(data)
        fake = self.generate(self.draw(self.draw_noise, tf.shape(real)[0]), labels)
        return self.track(**self.game_terms(self.scores(real, labels), self.scores(fake, labels)))

    def reset_generator_averages(self):
        """With `generator_ema_decay`, lets the averages begin anew at the generator's weights as they are."""
        if self.generator_ema_decay is not None:
            averages.reset(self.generator_averages, self.generator)

    # ---- networks ----

    def fake(self, real, labels=None):
        """As many images as real ones `(n, h, w, c)`, of the generator as it is being trained, float32."""
        return self.generator_images(self.draw(self.draw_noise, tf.shape(real)[0]), labels, training=True)

    def generator_images(self, latents, labels=None, training=False):
        """Images of the generator's own weights, float32 `(n, h, w, c)` under any precision."""
        return tf.cast(self.generator(latents if labels is None else [latents, labels], training=training), tf.float32)

    def scores(self, images, labels=None, training=False):
        """The discriminator's scores, float32 `(n,)` under any precision."""
        scores = self.discriminator(images if labels is None else [images, labels], training=training)
        return tf.cast(scores[:, 0], tf.float32)

    def scorer(self, labels):
        """The function that scores images of such labels in training."""
        return lambda images: self.scores(images, labels, training=True)

    @property
    def prior(self):
        """p(z), a `tfd.Distribution` with event `(latent_dim,)`."""
        return distributions.LATENT_PRIORS[self.prior_family](self.latent_dim)

    def generate(self, noise, labels=None):
        if self.generator_ema_decay is None:
            images = self.generator_images(noise, labels)
        else:
            with averages.scope(self.generator_averages, self.generator):
                images = self.generator_images(noise, labels)
        return tf.clip_by_value(images, 0.0, 1.0)

    def call(self, latents, labels=None):
        latents = self.latent_domain(latents)
        return self.generate(latents, self.check_condition(labels, latents.shape[0]))

    @property
    def predict_domains(self):
        """Those of what `predict` takes: latents, or `(latents, labels)`."""
        return (self.latent_domain, *self.batch_domains[1:])

    # ---- the verbs ----

    @graph_method(reduce_retracing=True)
    def _scores(self, images, labels):
        return self.scores(images, labels)

    def discriminate(self, images, labels=None):
        """The discriminator's scores of images, float32 `(n,)`: any real numbers, higher for more real.

        Under `"minimax"` and `"non_saturating"` their sigmoid is the probability that an image is real.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8.
            labels: ints `(n,)`, for a conditional model.
        """
        return self._scores(*self.check_images(images, labels))

    def interpolate(self, a, b, num_steps, labels=None, method="spherical"):
        """Images along the path between two latents.

        Args:
            a: float `(n, latent_dim)`, where each path starts, such as `model.prior.sample(n)`.
            b: float `(n, latent_dim)`, where it ends.
            num_steps: int, at least 2; both ends are included.
            labels: ints `(n,)`, for a conditional model.
            method: `"spherical"`, along the great circle, which keeps to lengths that the prior has (White 2016,
                https://arxiv.org/abs/1609.04468), or `"linear"`.

        Returns:
            float32 `(n, num_steps, h, w, c)`; `images.save_grid` draws a path a row.
        """
        distributions.check_choice("method", method, ("spherical", "linear"))
        t = path_weights(num_steps)
        start, end = self.latent_domain(a, "a"), self.latent_domain(b, "b")
        check_ends(start, end)
        start, end = start[:, None], end[:, None]  # (n, 1, latent_dim)
        if method == "spherical":
            return self.decode_paths(great_circle(start, end, t), labels)
        return self.decode_paths(start * (1 - t) + end * t, labels)

    def latent_arithmetic(self, a, minus, plus):
        """`a - minus + plus` of latents, each the mean of a few: the vector arithmetic of Radford et al. 2016.

        With latents of smiling women, of neutral women and of neutral men, `decode` of the result shows a smiling
        man. Averaging over some three samples of each makes it stable (the paper, section 6.3.2). Means of many are
        shorter than draws from the prior, and decode to average images: lengthen the result then.

        Args:
            a: float `(..., n, latent_dim)`.
            minus: float `(..., m, latent_dim)`.
            plus: float `(..., k, latent_dim)`.

        Returns:
            float32 `(..., 1, latent_dim)`.
        """
        a, minus, plus = (
            tf.reduce_mean(self.latent_domain(latents, name), axis=-2, keepdims=True)
            for name, latents in (("a", a), ("minus", minus), ("plus", plus))
        )
        return a - minus + plus

    def signatures(self):
        def discriminate(images, labels=None):
            return {"score": self.scores(images, labels)}

        inputs, score = {**self.sample_input(), **self.condition_input()}, {"score": domains.Vectors((), "score")}
        return {**super().signatures(), "discriminate": serving.Signature(discriminate, inputs, score)}

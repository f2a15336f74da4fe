"""pix2pix: Isola, Zhu, Zhou and Efros 2017, https://arxiv.org/abs/1611.07004.

A generator G draws a target y for a source x, by noise z from dropout; a discriminator D scores pairs, patch by patch:

    min_G max_D  E log D(x, y) + E log(1 - D(x, G(x, z)))  +  100 E |y - G(x, z)|_1

As in the paper G maximises log D(x, G(x, z)) instead, D's part of the objective is halved, and in each step D moves
first. The L1 term alone would draw the median of what is possible, which is blurred; the game asks for one of it.
"""

import functools

import keras
import tensorflow as tf

from keras_genzoo import domains, networks, serving
from keras_genzoo.checks import not_negative, positive_integers
from keras_genzoo.graph_method import graph_method
from keras_genzoo.models.adversarial.players import Players, per_sample
from keras_genzoo.models.translation.networks import check_patch, patch_discriminator, patch_for, unet
from keras_genzoo.networks import Builder
from keras_genzoo.translation_model import TranslationModel


@keras.saving.register_keras_serializable(package="keras_genzoo")
class Pix2Pix(Players, TranslationModel):
    """pix2pix, images from images by pairs. A batch is `(targets, sources)`.

    Args:
        image_shape: tuple `(height, width, channels)` of the targets; sides from 8 to 256.
        source_shape: tuple of the sources, of the same sides; by default as the targets.
        num_filters: int, of the outermost layers; layers inwards have up to 8 times as many. 64 in the paper.
        patch: int, side of what one score sees: 16, 34, 70, 142 or 286 pixels; `"image"` for one score of the whole
            image. By default 70 from 256 pixels up as in the paper, 34 from 64, 16 from 16 and below that the image.
        l1_weight: float, not negative.
        generator: Keras model from `[sources, noise]` to targets in [0, 1], noise float `(n, m)` in [0, 1).
        discriminator: Keras model from `[targets, sources]` to scores `(n, rows, columns, 1)`, any real numbers.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    metric_names = ("l1", *Players.metric_names)
    progress = ("l1", "min")
    game_weight = 0.5

    def __init__(
        self,
        image_shape,
        source_shape=None,
        num_filters=64,
        patch=None,
        l1_weight=100.0,
        generator=None,
        discriminator=None,
        **kwargs,
    ):
        super().__init__(image_shape, source_shape, **kwargs)
        (self.num_filters,) = positive_integers("num_filters", [num_filters], 1)
        check_patch(patch)
        if None in (generator, discriminator) and self.image_shape[:2] != self.source_shape[:2]:
            raise ValueError(
                f"`source_shape` must have the sides of `image_shape`; got {self.source_shape} and {self.image_shape}. "
                "Resize one of the two sets (tf.image.resize)."
            )
        self.patch, self.l1_weight = patch, not_negative("l1_weight", l1_weight)
        build_generator = functools.partial(unet, num_filters=num_filters)
        build_discriminator = functools.partial(
            patch_discriminator, num_filters=num_filters, patch=patch_for(self.image_shape, patch)
        )
        shapes = self.image_shape, self.source_shape
        self.generator = self.network("generator", generator or Builder(build_generator), *reversed(shapes))
        self.discriminator = self.network("discriminator", discriminator or Builder(build_discriminator), *shapes)
        self.noise_dim = _noise_dim(self.generator)
        networks.check_network("generator", self.generator, *reversed(shapes), beside=(self.noise_dim,))
        wanted = (None, None, 1)
        networks.check_network("discriminator", self.discriminator, self.image_shape, wanted, beside=self.source_shape)
        self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "num_filters": self.num_filters,
            "patch": self.patch,
            "l1_weight": self.l1_weight,
            "generator": self.network_config("generator"),
            "discriminator": self.network_config("discriminator"),
        }

    @property
    def objectives(self):
        return super().objectives[1:]  # the first is the L1 distance, which is measured with its error

    # ---- the game ----

    def train_step(self, data):
        targets, sources = self.unpack(data)
        with tf.GradientTape() as tape:
            fake = self.fake(targets, sources)
            l1 = per_sample(tf.abs(targets - fake))
            weighted = self.l1_weight * l1
        terms = self.discriminator_step(self.pair_scores, targets, fake, (sources,))
        terms["generator_loss"] = self.generator_step(tape, fake, self.pair_scores, weighted, (sources,))
        return self.track(l1=l1, **terms)

    def player_losses(self, data):
        targets, sources = self.unpack(data)
        with keras.StatelessScope():  # moving averages stay as they are
            fake = self.fake(targets, sources)
            terms, _, fake_scores = self.discriminator_terms(self.pair_scores, targets, fake, (sources,))
        game = per_sample(self.game.generator_loss(fake_scores))
        l1 = tf.reduce_mean(tf.abs(targets - fake), axis=(1, 2, 3))
        return {"generator": {"game": game, "l1": self.l1_weight * l1}, "discriminator": terms}

    def test_step(self, data):
        targets, sources = self.unpack(data)
        fake = self.generate(self.draw(self.draw_noise, tf.shape(targets)[0]), sources)
        l1 = per_sample(tf.abs(targets - fake))
        terms = self.game_terms(self.scores(targets, sources), self.scores(fake, sources))
        terms["generator_loss"] += self.l1_weight * l1
        return self.track(l1=l1, **terms)

    # ---- networks ----

    def fake(self, targets, sources):
        """A target for each source, of the generator as it is being trained, float32 `(n, h, w, c)`."""
        noise = self.draw(self.draw_noise, tf.shape(targets)[0])
        return tf.cast(self.generator([sources, noise], training=True), tf.float32)

    def scores(self, targets, sources, training=False):
        """The discriminator's scores of pairs, float32 `(n, rows, columns)` under any precision."""
        return tf.cast(self.discriminator([targets, sources], training=training)[..., 0], tf.float32)

    def pair_scores(self, targets, sources):
        """`scores` in training; the augmentation of a pair, if any, is that of its target and of its source alike."""
        return self.scores(targets, sources, training=True)

    def draw_noise(self, num_samples, seed):
        return tf.random.stateless_uniform((num_samples, self.noise_dim), seed, alg="philox")

    def generate(self, noise, condition=None):
        targets = self.generator([condition, noise], training=False)
        return tf.clip_by_value(tf.cast(targets, tf.float32), 0.0, 1.0)

    # ---- the verbs ----

    @graph_method(reduce_retracing=True)
    def _score(self, images, sources):
        return per_sample(self.scores(images, sources))

    def discriminate(self, images, sources):
        """The discriminator's scores of pairs, the mean over patches: float32 `(n,)`, higher for more real.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8, targets.
            sources: `(n, h, w, c)`, float in [0, 1] or uint8.
        """
        return self._score(*self.check_batch(images, sources))

    def signatures(self):
        def discriminate(images, sources):
            return {"score": per_sample(self.scores(images, sources))}

        inputs, score = {**self.sample_input(), **self.condition_input()}, {"score": domains.Vectors((), "score")}
        return {**super().signatures(), "discriminate": serving.Signature(discriminate, inputs, score)}


def _noise_dim(generator):
    """Numbers of noise an image that a generator takes, from its second input."""
    inputs = getattr(generator, "inputs", None) or ()
    if len(inputs) != 2 or len(inputs[1].shape) != 2 or inputs[1].shape[1] is None:
        raise ValueError(
            "`generator` must be a functional Keras model of two inputs, keras.Model([sources, noise], targets), with "
            f"noise = keras.Input((m,)); this one has {[tuple(x.shape) for x in inputs] or 'no inputs that it tells'}."
        )
    return inputs[1].shape[1]

"""Pixel-level domain transfer (PixelDTGAN): Yoo, Kim, Park, Paek and Kweon 2016, https://arxiv.org/abs/1603.07442.

A converter C makes a target of a source s, such as a garment of the person that wears it, with no distance of pixels in
its objective, since the same target may be drawn in many ways. Two discriminators judge it: D_R whether a target is
real, D_A (the domain discriminator) whether it belongs to s. D_A sees pairs of three kinds, equally often: the
associated target t, an unassociated real one t', and C(s). Without the second, a D_A that only knew real from
generated would do.

    L_R = -1/2 E log D_R(t) - 1/2 E log(1 - D_R(C(s)))
    L_A = -1/3 E log D_A(s, t) - 1/3 E log(1 - D_A(s, t')) - 1/3 E log(1 - D_A(s, C(s)))
    L_C = -1/2 E log D_R(C(s)) - 1/2 E log D_A(s, C(s))

In each step D_R moves first, then D_A, then C.

Differences from the paper:

- It draws at random which kind a discriminator sees next; here each step takes the mean over the kinds.
- C maximises log D instead of minimising log(1 - D), whose gradient vanishes where D is sure.
- t' is the associated target of the next source in the batch. Where that is the very picture t (a target that several
  sources share, a batch of one), it is associated, and the pair is left out.
- Adam, not gradient descent with momentum.
"""

import functools

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo import networks
from keras_genzoo.checks import positive_integers
from keras_genzoo.models.adversarial.dcgan import conv_generator
from keras_genzoo.models.adversarial.players import Players, per_sample
from keras_genzoo.models.translation.networks import patch_discriminator
from keras_genzoo.networks import Builder
from keras_genzoo.translation_model import TranslationModel

_SMALLEST_SIDE = 4  # sources are halved until a side would fall below this
_LARGEST_FACTOR = 8  # filters double with each halving, up to so many times the first layer's


def code_converter(source_shape, target_shape, num_filters=64, code_dim=64, dtype=None):
    """Sources `(n, h, w, c)` in [0, 1] to targets `(n, h', w', c')` in [0, 1], float32: the paper's C.

    Convolutions halve the source, down to a code without a place, from which transposed ones draw the target: nothing
    of the source's layout is handed on, as by a U-Net.

    Args:
        source_shape: tuple `(h, w, c)`.
        target_shape: tuple `(h', w', c')`; its sides may be others.
        num_filters: int, of the layers next to the images; layers inwards have up to 8 times as many.
        code_dim: int, numbers of the code.
        dtype: Keras dtype policy.
    """
    sources = keras.Input(source_shape, name="sources")
    x = layers.Rescaling(2.0, -1.0, dtype=dtype)(sources)  # to the range of tanh
    depth = 0
    while depth == 0 or min(x.shape[1:3]) >= 2 * _SMALLEST_SIDE:
        x = layers.Conv2D(
            num_filters * min(2**depth, _LARGEST_FACTOR),
            5,
            strides=2,
            padding="same",
            use_bias=depth == 0,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
            dtype=dtype,
        )(x)
        x = networks.batch_normalization(dtype)(x) if depth else x
        x = layers.LeakyReLU(0.2, dtype=dtype)(x)
        depth += 1
    code = layers.Dense(code_dim, dtype=dtype, name="code")(layers.Flatten(dtype=dtype)(x))
    decoder = conv_generator(code_dim, target_shape, num_filters=num_filters, dtype=dtype)
    return keras.Model(sources, decoder(code), name="converter")


@keras.saving.register_keras_serializable(package="keras_genzoo")
class PixelDTGAN(Players, TranslationModel):
    """PixelDTGAN, images from images by pairs. A batch is `(targets, sources)`.

    A source has one translation: seeds change nothing. Batches should be large enough that the next source in them
    mostly has another target.

    Args:
        image_shape: tuple `(height, width, channels)` of the targets; sides from 4 up. The paper's are 64.
        source_shape: tuple of the sources, of the same sides; by default as the targets.
        num_filters: int, of the layers next to the images; layers inwards have up to 8 times as many.
        code_dim: int, numbers between the converter's two halves. 64 in the paper.
        converter: Keras model from sources to targets in [0, 1].
        discriminator: D_R, a Keras model from targets to scores `(n, rows, columns, 1)`, any real numbers.
        domain_discriminator: D_A, a Keras model from `[targets, sources]` to scores `(n, rows, columns, 1)`.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    metric_names = (
        "mse",
        "converter_loss",
        "discriminator_loss",
        "domain_discriminator_loss",
        "real_score",
        "fake_score",
    )
    progress = ("mse", "min")
    game_weight = 0.5
    discriminators = ("discriminator", "domain_discriminator")
    is_deterministic = True
    game_is_fixed = True

    def __init__(
        self,
        image_shape,
        source_shape=None,
        num_filters=64,
        code_dim=64,
        converter=None,
        discriminator=None,
        domain_discriminator=None,
        **kwargs,
    ):
        super().__init__(image_shape, source_shape, **kwargs)
        (self.num_filters,) = positive_integers("num_filters", [num_filters], 1)
        (self.code_dim,) = positive_integers("code_dim", [code_dim], 1)
        shapes = self.image_shape, self.source_shape
        build_converter = functools.partial(code_converter, num_filters=num_filters, code_dim=code_dim)
        build_discriminator = functools.partial(patch_discriminator, num_filters=num_filters, patch=None)
        if domain_discriminator is None and self.image_shape[:2] != self.source_shape[:2]:
            raise ValueError(
                f"`source_shape` must have the sides of `image_shape`; got {self.source_shape} and {self.image_shape}. "
                "Resize one of the two sets (tf.image.resize), or give a `domain_discriminator` of your own."
            )
        self.converter = self.network("converter", converter or Builder(build_converter), *reversed(shapes))
        self.discriminator = self.network(
            "discriminator", discriminator or Builder(build_discriminator), self.image_shape
        )
        self.domain_discriminator = self.network(
            "domain_discriminator", domain_discriminator or Builder(build_discriminator), *shapes
        )
        networks.check_network("converter", self.converter, self.source_shape, self.image_shape)
        scores = (None, None, 1)
        networks.check_network("discriminator", self.discriminator, self.image_shape, scores)
        networks.check_network(
            "domain_discriminator", self.domain_discriminator, self.image_shape, scores, beside=self.source_shape
        )
        self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "num_filters": self.num_filters,
            "code_dim": self.code_dim,
            "converter": self.network_config("converter"),
            "discriminator": self.network_config("discriminator"),
            "domain_discriminator": self.network_config("domain_discriminator"),
        }

    def players(self):
        return {
            "converter": [self.converter],
            "discriminator": [self.discriminator],
            "domain_discriminator": [self.domain_discriminator],
        }

    @property
    def objectives(self):
        return super().objectives[1:]  # the distance of translations is measured with its error

    # ---- the game ----

    def train_step(self, data):
        targets, sources = self.unpack(data)
        with tf.GradientTape() as tape:
            fake = self.fake(sources)
            mse = per_sample(tf.square(targets - fake))
        metrics = self.discriminator_step(self.scores, targets, fake)
        of_pairs = self.judge_step(lambda: self.domain_terms(targets, fake, sources), "domain_discriminator")
        metrics["domain_discriminator_loss"] = of_pairs["domain_discriminator_loss"]
        with tape:
            alone, (pair, beside) = self.augmented(fake)[0], self.augmented(fake, sources)
        # What the discriminators keep of the samples they see (averages of normalisation) is not updated here.
        with tape, keras.StatelessScope():
            loss = self.converter_loss(self.scores(alone), self.pair_scores(pair, beside))
        metrics["converter_loss"] = self.descend("converter", loss, tape)
        return self.track(mse=mse, **metrics)

    def domain_terms(self, targets, fake, sources):
        """What D_A descends on, its terms apart, and its scores of associated and of generated pairs."""
        others, are_others = self.unassociated(targets)
        kinds = [self.augmented(images, sources) for images in (targets, others, fake)]
        associated, unassociated, generated = (self.pair_scores(*kind) for kind in kinds)
        return self.domain_losses(associated, unassociated, generated, are_others), associated, generated

    def domain_losses(self, associated, unassociated, generated, are_others):
        """The three parts of L_A, `(n,)` each, from scores; `are_others` weighs the second."""
        return {
            "associated": per_sample(tf.nn.softplus(-associated)) / 3,
            "unassociated": are_others * per_sample(tf.nn.softplus(unassociated)) / 3,
            "generated": per_sample(tf.nn.softplus(generated)) / 3,
        }

    def converter_loss(self, scores, pair_scores):
        """L_C, `(n,)`, from the scores of D_R and D_A."""
        return sum(per_sample(self.game.generator_loss(of_one)) for of_one in (scores, pair_scores)) / 2

    def unassociated(self, targets):
        """Another target for each source, that of the next one in the batch, and float `(n,)`: 0 where it is no other.

        The batch is that of all devices, and its first comes after its last.
        """
        replicas = tf.distribute.get_replica_context()
        first, everyone = 0, targets
        if replicas.num_replicas_in_sync > 1:
            everyone = replicas.all_gather(targets, axis=0)
            counts = replicas.all_gather(tf.shape(targets)[:1], axis=0)
            first = tf.reduce_sum(counts[: replicas.replica_id_in_sync_group])
        others = tf.roll(everyone, -1, axis=0)[first : first + tf.shape(targets)[0]]
        return others, tf.cast(tf.reduce_any(others != targets, axis=(1, 2, 3)), tf.float32)

    def player_losses(self, data):
        targets, sources = self.unpack(data)
        with keras.StatelessScope():  # moving averages stay as they are
            fake = self.fake(sources)
            of_targets, _, _ = self.discriminator_terms(self.scores, targets, fake)
            of_pairs, _, _ = self.domain_terms(targets, fake, sources)
            alone, (pair, beside) = self.augmented(fake)[0], self.augmented(fake, sources)
            scores = {"game": self.scores(alone), "domain_game": self.pair_scores(pair, beside)}
        of_converter = {name: per_sample(self.game.generator_loss(x)) / 2 for name, x in scores.items()}
        return {"converter": of_converter, "discriminator": of_targets, "domain_discriminator": of_pairs}

    def test_step(self, data):
        targets, sources = self.unpack(data)
        fake = self.generate(None, sources)
        others, are_others = self.unassociated(targets)
        pairs = [self.pair_scores(images, sources, training=False) for images in (targets, others, fake)]
        real_scores, fake_scores = (self.scores(images, training=False) for images in (targets, fake))
        metrics = self.game_terms(real_scores, fake_scores)
        metrics.pop("generator_loss")
        return self.track(
            mse=per_sample(tf.square(targets - fake)),
            converter_loss=self.converter_loss(fake_scores, pairs[2]),
            domain_discriminator_loss=sum(self.domain_losses(*pairs, are_others).values()),
            **metrics,
        )

    # ---- networks ----

    def fake(self, sources):
        """A target for each source, of the converter as it is being trained, float32 `(n, h, w, c)`."""
        return tf.cast(self.converter(sources, training=True), tf.float32)

    def scores(self, targets, training=True):
        """D_R's scores, float32 `(n, rows, columns)` under any precision."""
        return tf.cast(self.discriminator(targets, training=training)[..., 0], tf.float32)

    def pair_scores(self, targets, sources, training=True):
        """D_A's scores, float32 `(n, rows, columns)` under any precision."""
        return tf.cast(self.domain_discriminator([targets, sources], training=training)[..., 0], tf.float32)

    def generate(self, noise, condition=None):
        targets = self.converter(condition, training=False)
        return tf.clip_by_value(tf.cast(targets, tf.float32), 0.0, 1.0)

"""Domain transfer network (DTN): Taigman, Polyak and Wolf 2017, https://arxiv.org/abs/1611.02200.

Sources s and targets t that belong to no pairs. A generator G = g(f(x)) makes a target of either by way of features f
that are fixed, such as those of a classifier of sources; a discriminator D tells three kinds apart:

    L_D = -E log D_1(G(s)) - E log D_2(G(t)) - E log D_3(t)
    L_G = -E log D_3(G(s)) - E log D_3(G(t))
          + const_weight E |f(s) - f(G(s))|^2  +  identity_weight E |t - G(t)|^2  +  tv_weight E TV(G)

What f knows of a source its target must show again (constancy), and a target stays what it is (identity). f is not
trained: no player has its weights, though its gradient by images reaches G.

Here |.|^2 are means over values, and D moves before G. g sees sources and targets in one batch, so that its batch
normalisation knows in training the mixture that its averages stand for in use.
"""

import functools
import math
import os

import keras
import tensorflow as tf

from keras_genzoo import networks
from keras_genzoo.checks import not_negative, positive_integers
from keras_genzoo.evaluation.classifier import Classifier
from keras_genzoo.evaluation.features import load_classifier
from keras_genzoo.models.adversarial.dcgan import conv_generator
from keras_genzoo.models.adversarial.players import Players, per_sample
from keras_genzoo.models.translation.networks import patch_discriminator
from keras_genzoo.networks import Builder
from keras_genzoo.translation_model import TranslationModel

OF_SOURCE, OF_TARGET, REAL = range(3)  # the kinds that D tells apart: G(s), G(t) and t
_LEAST_SLOPE = 1e-12  # squared, under the root of TV, whose gradient at 0 is infinite


@keras.saving.register_keras_serializable(package="keras_genzoo")
class DTN(Players, TranslationModel):
    """Domain transfer network, images from images without pairs. A batch is `(targets, sources)`, see `data.unpaired`.

    A source has one translation: seeds change nothing.

    Args:
        image_shape: tuple `(height, width, channels)` of the targets; sides from 4 up.
        source_shape: tuple of the sources; by default as the targets. Both must fit `features`.
        features: the fixed f, which should know sources: an `evaluation.Classifier` (what its last layer sees; of a
            copy), the name or folder of a preset that holds one, or a Keras model from images in [0, 1] to
            `(n, ...)`, which is flattened and whose `trainable` becomes False. It is saved with the model.
        num_filters: int, of the layers next to the image; layers inwards have up to 8 times as many.
        const_weight: float, not negative. 15 in the paper for digits, 100 for faces.
        identity_weight: float, not negative. 15 for digits, 1 for faces.
        tv_weight: float, not negative: of the mean length of the slope at each pixel. 0 for digits; 0.05 for faces,
            where the paper has the sum over pixels.
        generator: g, a Keras model from features `(n, d)` to targets in [0, 1].
        discriminator: Keras model from targets to logits `(n, rows, columns, 3)`: made of a source, made of a target,
            real.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    metric_names = ("constancy", "identity", *Players.metric_names)
    is_deterministic = True
    game_is_fixed = True

    def __init__(
        self,
        image_shape,
        source_shape=None,
        features=None,
        num_filters=64,
        const_weight=15.0,
        identity_weight=15.0,
        tv_weight=0.0,
        generator=None,
        discriminator=None,
        **kwargs,
    ):
        super().__init__(image_shape, source_shape, **kwargs)
        (self.num_filters,) = positive_integers("num_filters", [num_filters], 1)
        weights = {"const_weight": const_weight, "identity_weight": identity_weight, "tv_weight": tv_weight}
        self.const_weight, self.identity_weight, self.tv_weight = (not_negative(*item) for item in weights.items())
        self.features = _network_of(features)
        self.features.trainable = False
        self.feature_dim = _feature_dim(self.features, self.source_shape, self.image_shape)
        build_generator = functools.partial(conv_generator, num_filters=num_filters)
        build_discriminator = functools.partial(patch_discriminator, num_filters=num_filters, patch=None, num_scores=3)
        self.generator = self.network(
            "generator", generator or Builder(build_generator), self.feature_dim, self.image_shape
        )
        self.discriminator = self.network(
            "discriminator", discriminator or Builder(build_discriminator), self.image_shape
        )
        networks.check_network("generator", self.generator, (self.feature_dim,), self.image_shape)
        networks.check_network("discriminator", self.discriminator, self.image_shape, (None, None, 3))
        self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "features": self.network_config("features"),
            "num_filters": self.num_filters,
            "const_weight": self.const_weight,
            "identity_weight": self.identity_weight,
            "tv_weight": self.tv_weight,
            "generator": self.network_config("generator"),
            "discriminator": self.network_config("discriminator"),
        }

    # ---- the game ----

    def train_step(self, data):
        targets, sources = self.unpack(data)
        with tf.GradientTape() as tape:
            of_sources, of_targets = self.fakes(targets, sources)
        metrics = self.discriminator_step(self.logits, targets, (of_sources, of_targets))
        with tape:
            seen = [self.augmented(fake)[0] for fake in (of_sources, of_targets)]
        # What the discriminator keeps of the samples it sees (averages of batch normalisation) is not updated here.
        with tape, keras.StatelessScope():
            game = sum(_surprise(self.logits(fake), REAL) for fake in seen)
        with tape:
            distances = self.distances(targets, sources, of_sources, of_targets)
            loss = game + sum(self.weighted(distances).values())
        metrics["generator_loss"] = self.descend("generator", loss, tape)
        return self.track(constancy=distances["constancy"], identity=distances["identity"], **metrics)

    def discriminator_terms(self, score, real, fake, beside=()):
        """As in `Players`, of three kinds: `fake` is what G made of sources, and what it made of targets."""
        kinds = dict(zip((OF_SOURCE, OF_TARGET, REAL), (*fake, real), strict=True))
        logits = {kind: score(*self.augmented(images)) for kind, images in kinds.items()}
        terms = {"game": sum(_surprise(logits[kind], kind) for kind in kinds)}
        return terms, _odds_of_real(logits[REAL]), _odds_of_real(logits[OF_SOURCE])

    def player_losses(self, data):
        targets, sources = self.unpack(data)
        with keras.StatelessScope():  # moving averages stay as they are
            fakes = self.fakes(targets, sources)
            of_discriminator, _, _ = self.discriminator_terms(self.logits, targets, fakes)
            game = sum(_surprise(self.logits(*self.augmented(fake)), REAL) for fake in fakes)
            distances = self.weighted(self.distances(targets, sources, *fakes))
        return {"generator": {"game": game, **distances}, "discriminator": of_discriminator}

    def test_step(self, data):
        targets, sources = self.unpack(data)
        fakes = [self.generate(None, images) for images in (sources, targets)]
        distances = self.distances(targets, sources, *fakes)
        logits = [self.logits(images, training=False) for images in (*fakes, targets)]
        game = sum(_surprise(of_fake, REAL) for of_fake in logits[:2])
        return self.track(
            constancy=distances["constancy"],
            identity=distances["identity"],
            generator_loss=game + sum(self.weighted(distances).values()),
            discriminator_loss=sum(_surprise(x, kind) for kind, x in enumerate(logits)),
            real_score=self.game.verdict(_odds_of_real(logits[REAL])),
            fake_score=self.game.verdict(_odds_of_real(logits[OF_SOURCE])),
        )

    def distances(self, targets, sources, of_sources, of_targets):
        """What G pays for beside the game, not weighted: dict of `(n,)`."""
        return {
            "constancy": per_sample(tf.square(self.embed(sources) - self.embed(of_sources))),
            "identity": per_sample(tf.square(targets - of_targets)),
            "tv": total_variation(of_sources) + total_variation(of_targets),
        }

    def weighted(self, distances):
        """The terms of `distances` that count, times their weights."""
        weights = {"constancy": self.const_weight, "identity": self.identity_weight, "tv": self.tv_weight}
        return {name: weight * distances[name] for name, weight in weights.items() if weight}

    # ---- networks ----

    def embed(self, images):
        """f of images `(n, h, w, c)` in [0, 1]: float32 `(n, d)`."""
        features = tf.cast(self.features(images, training=False), tf.float32)
        return tf.reshape(features, (tf.shape(images)[0], self.feature_dim))

    def fakes(self, targets, sources):
        """G of sources and of targets as it is being trained, float32 `(n, h, w, c)` each."""
        features = tf.concat([self.embed(sources), self.embed(targets)], axis=0)
        return tf.split(tf.cast(self.generator(features, training=True), tf.float32), 2)

    def logits(self, images, training=True):
        """The discriminator's logits of the three kinds, float32 `(n, rows, columns, 3)` under any precision."""
        return tf.cast(self.discriminator(images, training=training), tf.float32)

    def generate(self, noise, condition=None):
        targets = self.generator(self.embed(condition), training=False)
        return tf.clip_by_value(tf.cast(targets, tf.float32), 0.0, 1.0)


def total_variation(images):
    """Mean over pixels of the length of the slope to the right and down: `(n,)` of images `(n, h, w, c)`.

    The paper's with B = 1; at the last row and column there is no slope.
    """
    down = images[:, 1:, :-1] - images[:, :-1, :-1]
    right = images[:, :-1, 1:] - images[:, :-1, :-1]
    return per_sample(tf.sqrt(tf.square(down) + tf.square(right) + _LEAST_SLOPE))


def _surprise(logits, kind):
    """-log D_kind, the mean over patches, `(n,)`, in nats."""
    return -per_sample(tf.nn.log_softmax(logits)[..., kind])


def _odds_of_real(logits):
    """log D_3 / (1 - D_3), whose sigmoid is D_3: `(n,)`, the mean over patches."""
    return per_sample(logits[..., REAL] - tf.reduce_logsumexp(logits[..., :REAL], axis=-1))


def _network_of(features):
    """The Keras model that the argument `features` stands for."""
    if isinstance(features, (str, os.PathLike)):
        return load_classifier(features, "features").body
    if isinstance(features, Classifier):
        body = keras.models.clone_model(features.body)  # training that classifier on must not change this model
        body.set_weights(features.body.get_weights())
        return body
    if isinstance(features, keras.Model):
        return features
    raise ValueError(
        "`features` must be a Keras model from images to features, an evaluation.Classifier, or the name of a preset "
        f"that holds one, such as 'classifier_mnist'; got {features!r}. It should have learned from sources."
    )


def _feature_dim(features, source_shape, image_shape):
    """Numbers that `features` give of an image, of sources and of targets alike."""
    dims = []
    taken = getattr(features, "input_shape", None)  # a subclassed model does not say
    for name, shape in (("source_shape", source_shape), ("image_shape", image_shape)):
        refusal = (
            f"`features` cannot be called on images of `{name}` {shape}; they take {taken or 'others'}. Sources and "
            "targets must both fit them: resize a set (tf.image.resize) or change its channels, or give other features."
        )
        if taken and not all(side in (None, given) for side, given in zip(taken, (None, *shape), strict=False)):
            raise ValueError(refusal)  # Keras calls a network on images of another size, with a warning
        try:
            given = tuple(features(keras.Input(shape), training=False).shape[1:])
        except Exception as error:  # of any class: it may be the user's code
            raise ValueError(refusal) from error
        if not given or None in given:
            raise ValueError(f"`features` must give a fixed number of values an image; of `{name}` {shape}: {given}.")
        dims.append(math.prod(given))
    if dims[0] != dims[1]:
        raise ValueError(
            f"`features` must give as many numbers of a source as of a target; got {dims[0]} and {dims[1]}. Resize "
            "one of the two sets (tf.image.resize)."
        )
    return dims[0]

"""What models share that translate both ways and learn from two sets without pairs.

G makes targets of sources, F sources of targets; D_Y scores targets, D_X sources. With y a target and x a source that
have nothing to do with each other, a step is

    both discriminators:  descend on the game of D_Y at y against G(x), and of D_X at x against F(y)
    both generators:      descend on both games at the scores of G(x) and F(y)
                          + the distances of F(G(x)) from x and of G(F(y)) from y
"""

import dataclasses

import keras
import tensorflow as tf

from keras_genzoo import domains, networks, serving
from keras_genzoo.graph_method import graph_method
from keras_genzoo.models.adversarial.players import Players, per_sample
from keras_genzoo.translation_model import TranslationModel

_NETWORKS = ("generator", "back_generator", "discriminator", "source_discriminator")


class TwoWayModel(Players, TranslationModel):
    """Base class: four networks, of two players with an optimiser each. A batch is `(targets, sources)`, no pairs.

    A subclass makes the networks by `add_networks`, and says `distance`, its weights and what else its generators
    descend on.

    Args:
        image_shape: tuple `(height, width, channels)` of the targets.
        source_shape: tuple of the sources, by default the same.
        shape: tuple, of targets that are no images; see `TranslationModel`.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    metric_names = ("cycle", *Players.metric_names)
    is_deterministic = True
    generator_game_weight = 1.0  # of each game in the generators' loss

    def add_networks(self, build_generator, build_discriminator, given, score_shape):
        """Makes the four networks, those that the user gave among them, and checks them.

        Args:
            build_generator: `Builder`, called with the shapes of what it takes and of what it makes.
            build_discriminator: `Builder`, called with the shape of what it scores.
            given: dict, name of each network to the user's own, or None.
            score_shape: tuple, of the scores of one example; None where any size goes.
        """
        targets, sources = self.sample_domain.shape, self.condition_domain.shape
        sizes = {
            "generator": (sources, targets),
            "back_generator": (targets, sources),
            "discriminator": (targets,),
            "source_discriminator": (sources,),
        }
        for name, (taken, *made) in sizes.items():
            builder = build_generator if made else build_discriminator
            setattr(self, name, self.network(name, given[name] or builder, taken, *made))
            networks.check_network(name, getattr(self, name), taken, made[0] if made else score_shape)

    def network_configs(self):
        """dict of the arguments that the four networks were; None for those that were built."""
        return {name: self.network_config(name) for name in _NETWORKS}

    def players(self):
        return {
            "generator": [self.generator, self.back_generator],
            "discriminator": [self.discriminator, self.source_discriminator],
        }

    def distance(self, a, b):
        """How far what came back is from what was sent, `(n,)`."""
        raise NotImplementedError

    def distances(self, targets, sources, fake_targets, fake_sources, training=True):
        """What the generators are to make small beside the games: dict of `(n,)`, before weights."""
        return {
            "cycle": self.distance(sources, self.back(fake_targets, training)),
            "cycle_back": self.distance(targets, self.forth(fake_sources, training)),
        }

    @property
    def weights_of_distances(self):
        """dict of the same names to floats."""
        raise NotImplementedError

    def past(self, fake_targets, fake_sources):
        """The fakes that the discriminators see in training: those of this step, unless a pool keeps others."""
        return fake_targets, fake_sources

    # ---- the game ----

    def train_step(self, data):
        targets, sources = self.unpack(data)
        with tf.GradientTape() as tape:
            fakes = self.forth(sources), self.back(targets)
            distances = self.distances(targets, sources, *fakes)
            terms = self.weighted(distances)
        metrics = self.discriminators_step(targets, sources, *self.past(*fakes))
        with tape:
            seen = self.augmented(fakes[0])[0], self.augmented(fakes[1])[0]
        # What the discriminators keep of the samples they see (averages of batch normalisation) is not updated here.
        with tape, keras.StatelessScope():
            terms |= self.games_of_generators(self.scores(seen[0]), self.source_scores(seen[1]))
            loss = sum(terms.values())
        metrics["generator_loss"] = self.descend("generator", loss, tape)
        return self.track(cycle=_mean_cycle(distances), **metrics)

    def discriminators_step(self, targets, sources, fake_targets, fake_sources):
        """One update of both discriminators; returns what to track."""
        self.power_iteration("discriminator")
        with tf.GradientTape() as tape:
            terms, real, fake = self.discriminators_terms(targets, sources, fake_targets, fake_sources)
            loss = sum(terms.values())
        loss = self.descend("discriminator", loss, tape)
        return {"discriminator_loss": loss, "real_score": real, "fake_score": fake}

    def discriminators_terms(self, targets, sources, fake_targets, fake_sources):
        """Terms `(n,)` of both discriminators, and their mean verdicts on what is real and on what is not."""
        found, verdicts = {}, []
        games = {"": (self.scores, targets, fake_targets), "_back": (self.source_scores, sources, fake_sources)}
        for suffix, (score, real, fake) in games.items():
            terms, *scores = self.discriminator_terms(score, real, fake)
            found |= {name + suffix: term for name, term in terms.items()}
            verdicts.append([per_sample(self.game.verdict(scores_of_kind)) for scores_of_kind in scores])
        real, fake = (sum(kind) / 2 for kind in zip(*verdicts, strict=True))
        return found, real, fake

    def games_of_generators(self, scores, source_scores):
        """What the generators have of the games, from the scores of their samples: dict of `(n,)`."""
        both = {"game": scores, "game_back": source_scores}
        return {
            name: self.generator_game_weight * per_sample(self.game.generator_loss(scores_of_one))
            for name, scores_of_one in both.items()
        }

    def weighted(self, distances):
        return {name: self.weights_of_distances[name] * distance for name, distance in distances.items()}

    def player_losses(self, data):
        targets, sources = self.unpack(data)
        with keras.StatelessScope():  # moving averages and pools stay as they are
            fakes = self.forth(sources), self.back(targets)
            of_generators = self.weighted(self.distances(targets, sources, *fakes))
            of_generators |= self.games_of_generators(self.scores(fakes[0]), self.source_scores(fakes[1]))
            of_discriminators, _, _ = self.discriminators_terms(targets, sources, *self.past(*fakes))
        return {"generator": of_generators, "discriminator": of_discriminators}

    def test_step(self, data):
        targets, sources = self.unpack(data)
        fakes = self.forth(sources, training=False), self.back(targets, training=False)
        distances = self.distances(targets, sources, *fakes, training=False)
        fake_scores = self.scores(fakes[0], training=False), self.source_scores(fakes[1], training=False)
        real_scores = self.scores(targets, training=False), self.source_scores(sources, training=False)
        terms = [self.game_terms(*pair) for pair in zip(real_scores, fake_scores, strict=True)]
        verdicts = {name: (terms[0][name] + terms[1][name]) / 2 for name in ("real_score", "fake_score")}
        of_generators = self.weighted(distances) | self.games_of_generators(*fake_scores)
        return self.track(
            cycle=_mean_cycle(distances),
            generator_loss=sum(of_generators.values()),
            discriminator_loss=terms[0]["discriminator_loss"] + terms[1]["discriminator_loss"],
            **verdicts,
        )

    # ---- networks ----

    def forth(self, sources, training=True):
        """G: a target for each source, float32."""
        return tf.cast(self.generator(sources, training=training), tf.float32)

    def back(self, targets, training=True):
        """F: a source for each target, float32."""
        return tf.cast(self.back_generator(targets, training=training), tf.float32)

    def scores(self, targets, training=True):
        """D_Y, float32 `(n, ...)`, of patches where there are some."""
        return tf.cast(self.discriminator(targets, training=training), tf.float32)

    def source_scores(self, sources, training=True):
        """D_X, float32 `(n, ...)`."""
        return tf.cast(self.source_discriminator(sources, training=training), tf.float32)

    def generate(self, noise, condition=None):
        return self.sample_domain.clip(self.forth(condition, training=False))

    def generate_back(self, targets):
        """A source for each target, float32 in its domain."""
        return self.condition_domain.clip(self.back(targets, training=False))

    # ---- the way back ----

    @graph_method(reduce_retracing=True)
    def _sources(self, targets):
        return self.generate_back(targets)

    def translate_back(self, targets, seed=None, batch_size=None):
        """Draws a source for each target.

        Args:
            targets: `(n, h, w, c)`, float in [0, 1] or uint8; of a model of points `(n, *shape)`.
            seed: int32, as for `translate`; one target has one source, whatever it is.
            batch_size: int, targets computed at a time; it bounds memory and changes nothing else. By default all at
                once.

        Returns:
            float32, of the shape of the sources; images lie in [0, 1].

        Raises:
            ValueError: for wrong targets, or a seed beyond int32.
        """
        self.seed_of(seed)
        return self.in_batches(self._sources, batch_size, self.sample_domain(targets, "targets"))

    def signatures(self):
        def translate_back(targets, seed):
            return {self.condition_domain.name: self.generate_back(targets)}

        inputs = {"targets": dataclasses.replace(self.sample_domain, name="targets"), "seed": domains.seed()}
        back = serving.Signature(translate_back, inputs, self.condition_input())
        return {**super().signatures(), "translate_back": back}


def _mean_cycle(distances):
    return (distances["cycle"] + distances["cycle_back"]) / 2

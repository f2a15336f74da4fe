"""Players: networks that learn against each other, each with an optimiser of its own.

A player is a name and any number of networks; a network may serve two players. What is played is one of the games of
`losses`, on scores of any shape: one a sample, or one for each patch of it. Nothing here knows of latents; only
augmentation is of images alone.
"""

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo import networks
from keras_genzoo.layers import SpectralNormalization
from keras_genzoo.models.adversarial import losses
from keras_genzoo.models.adversarial.augmentation import get_policies, transform, uniform_draws
from keras_genzoo.optimizers import PlayersOptimizer


class Players:
    """What models of several players share; a mixin before `ZooModel`.

    A subclass gives `players` and `player_losses`, and makes a train step of `discriminator_step` and `generator_step`,
    or of `descend`. The optimiser of player `p` is the argument `p_optimizer` of `compile`, and the attribute.
    """

    metric_names = ("generator_loss", "discriminator_loss", "real_score", "fake_score")
    game_weight = 1.0  # of the game in a discriminator's loss
    discriminators = ("discriminator",)  # the players that a regulariser is for
    discriminates_images = True  # so that `augmentation` can be for it
    progress = None  # of a game neither loss says how good it is

    def players(self):
        """dict, name of each player to the list of its networks; those that train last come first."""
        return {"generator": [self.generator], "discriminator": [self.discriminator]}

    def player_losses(self, data):
        """What each player descends on at a batch, its terms apart, at fresh draws and with no weight moved.

        Says the objective once more, for those who want to see the terms of a player, and for the tests, which hold
        the update of each player against the gradient of the sum of its terms.

        Returns:
            dict, name of the player to a dict of terms, each `(n,)`.
        """
        raise NotImplementedError

    @property
    def optimizer_names(self):
        return tuple(f"{player}_optimizer" for player in self.players())

    def player_variables(self, player):
        """list: the variables that a player trains."""
        return [variable for network in self.players()[player] for variable in network.trainable_variables]

    def compile(self, loss="non_saturating", regularizer=None, augmentation=None, **kwargs):
        """Chooses the game and an optimiser for each player.

        Keras's `LearningRateScheduler` and `ReduceLROnPlateau` change each player's rate from its own, and log it as
        `learning_rate_generator`, `learning_rate_discriminator` and so on.

        Args:
            loss: `"minimax"`, `"non_saturating"`, `"least_squares"`, `"hinge"`, `"wasserstein"`, or a `losses.Game`.
            regularizer: what is added to a discriminator's loss: `"gradient_penalty"`, `"r1"`, a
                `losses.GradientRegularizer`, or None.
            augmentation: what happens at random to all that a discriminator sees in training, real and generated, for
                sets of few images (Zhao et al. 2020, https://arxiv.org/abs/2006.10738): `"color"`, `"translation"`,
                `"cutout"`, several as a tuple or as `"color,translation,cutout"`, or None; see `augmentation`. Both
                images of a pair are transformed alike. Scores that are measured or asked for (`evaluate`,
                `discriminate`) are of images as they are.
            **kwargs: `<player>_optimizer`, a Keras optimiser for each player, by default the model's choice; also
                `jit_compile`, `run_eagerly` and `steps_per_execution`, as for `keras.Model.compile`.
        """
        game, regularizer = losses.get_game(loss), losses.get_regularizer(regularizer)
        if augmentation is not None and not self.discriminates_images:
            raise ValueError(
                f"`augmentation` {augmentation!r} is of images, and the discriminator of {type(self).__name__} scores "
                "no images. Leave it out; data.augment transforms the images that a model is trained on."
            )
        policies = get_policies(augmentation)
        given = {name: kwargs.pop(name, None) for name in self.optimizer_names}
        optimizers = [optimizer for optimizer in given.values() if optimizer is not None]
        if len(set(map(id, optimizers))) < len(optimizers):
            names = ", ".join(f"`{name}`" for name in self.optimizer_names)
            raise ValueError(f"{names} must be an optimiser each, not one for several.")
        if regularizer:
            self._refuse_mixing(regularizer)
        super().compile(**kwargs)
        self.game, self.regularizer, self.augmentation = game, regularizer, policies
        for name, optimizer in given.items():
            variables = self.player_variables(name.removesuffix("_optimizer"))
            setattr(self, name, self.prepare_optimizer(optimizer or self.default_optimizer(name), variables))
        optimizers = {player: getattr(self, f"{player}_optimizer") for player in self.players()}
        self.optimizer = PlayersOptimizer(**{name: (x, self.player_variables(name)) for name, x in optimizers.items()})

    def default_optimizer(self, name):
        return keras.optimizers.Adam(2e-4, beta_1=0.5)

    def _refuse_mixing(self, regularizer):
        """ValueError where the gradient at each sample, which a regulariser needs, is that of a whole batch."""
        for layer in networks.nested_layers([self.players()[player] for player in self.discriminators]):
            if isinstance(layer, layers.BatchNormalization):
                raise ValueError(
                    f"`regularizer` {type(regularizer).__name__} needs the gradient at each image, but batch "
                    f"normalisation in the discriminator mixes images (layer {layer.name!r}). Build the model with "
                    "discriminator_normalization='layer', 'spectral' or None, or a discriminator of your own without "
                    "it."
                )

    def get_compile_config(self):
        if not self.compiled:
            return None
        config = super().get_compile_config()
        config = {key: config[key] for key in ("jit_compile", "run_eagerly", "steps_per_execution")}
        parts = {name: getattr(self, name) for name in self.optimizer_names}
        parts |= {"loss": self.game, "regularizer": self.regularizer}
        parts["augmentation"] = ",".join(self.augmentation) or None
        return {**config, **{key: keras.saving.serialize_keras_object(part) for key, part in parts.items()}}

    def alarm(self, logs):
        if self.game.is_won(logs.get("val_real_score", 0.0), logs.get("val_fake_score", 0.0)):
            return "the discriminator tells every generated image from real ones, so that the generator learns nothing"
        return ""

    # ---- the game ----

    def discriminator_terms(self, score, real, fake, beside=()):
        """What a discriminator descends on, its terms apart, and the scores of both kinds.

        The penalty of a regulariser is on the gradient by augmented images: it is the discriminator that is to be
        smooth, where it is asked in training. By images before augmentation a hole would count as smooth, and stronger
        contrast as steep. All images of the penalty are transformed alike, so that real and fake ones have the same
        images beside them.

        Args:
            score: function of samples that gives scores `(n, ...)`, higher for more real.
            real: samples of the data.
            fake: samples of a generator.
            beside: tuple of further samples that `score` takes after those, to be augmented alike.

        Returns:
            dict of terms `(n,)`, and the scores of real and of fake samples.
        """
        real_scores, fake_scores = score(*self.augmented(real, *beside)), score(*self.augmented(fake, *beside))
        terms = {"game": self.game_weight * per_sample(self.game.discriminator_loss(real_scores, fake_scores))}
        if self.regularizer:
            alpha = self.draw(lambda n, seed: tf.random.stateless_uniform((n,), seed), tf.shape(real)[0])
            real, fake, *beside = self.augmented(real, fake, *beside)
            penalty = self.regularizer.penalty(lambda samples: score(samples, *beside), real, fake, alpha)
            terms["regularizer"] = penalty
        return terms, real_scores, fake_scores

    def augmented(self, *batches):
        """Batches of images under one fresh transformation for the i-th of all of them; as they are without one."""
        if not self.augmentation:
            return batches
        draws = self.draw(uniform_draws, tf.shape(batches[0])[0])
        return tuple(transform(images, draws, self.augmentation) for images in batches)

    def game_terms(self, real_scores, fake_scores):
        """What a test step tracks of a game, from scores of both kinds; without the regulariser."""
        return {
            "generator_loss": per_sample(self.game.generator_loss(fake_scores)),
            "discriminator_loss": self.game_weight * per_sample(self.game.discriminator_loss(real_scores, fake_scores)),
            "real_score": per_sample(self.game.verdict(real_scores)),
            "fake_score": per_sample(self.game.verdict(fake_scores)),
        }

    def discriminator_step(self, score, real, fake, beside=(), player="discriminator"):
        """One update of a discriminator; returns what to track.

        Args:
            score, real, fake, beside: as for `discriminator_terms`.
            player: str.
        """
        self.power_iteration(player)
        with tf.GradientTape() as tape:
            terms, real_scores, fake_scores = self.discriminator_terms(score, real, fake, beside)
            loss = sum(terms.values())
        loss = self.descend(player, loss, tape)
        return {
            f"{player}_loss": loss,
            "real_score": per_sample(self.game.verdict(real_scores)),
            "fake_score": per_sample(self.game.verdict(fake_scores)),
        }

    def power_iteration(self, player):
        """One step of spectral normalisation towards the singular vectors, which comes before each update."""
        for layer in networks.nested_layers(self.players()[player]):
            if isinstance(layer, SpectralNormalization):
                layer.power_iteration()

    def generator_step(self, tape, fake, score, also=0.0, beside=(), player="generator"):
        """One update of a generator; returns its loss `(n,)`.

        Args:
            tape: `tf.GradientTape` on which it made `fake`.
            fake: its samples.
            score: function of samples that gives scores `(n, ...)`.
            also: tensor `(n,)`, recorded on the same tape, of further terms of its loss.
            beside: as for `discriminator_terms`.
            player: str.
        """
        with tape:
            samples = self.augmented(fake, *beside)  # outside the scope below, where the random state would not move on
        # What the discriminator keeps of the samples it sees (averages of batch normalisation) is not updated here.
        with tape, keras.StatelessScope():
            loss = per_sample(self.game.generator_loss(score(*samples)))
        with tape:
            loss += also
        return self.descend(player, loss, tape)

    def descend(self, player, loss, tape):
        """One update of a player along the gradient of its loss `(n,)`, recorded on a tape; returns the loss.

        A user's own networks may carry regularisers, which are added.
        """
        with tape:
            loss += sum(term for network in self.players()[player] for term in network.losses)
        self.minimize(loss, tape, getattr(self, f"{player}_optimizer"), self.player_variables(player))
        return loss


def per_sample(values):
    """Means over all axes but the first, `(n,)`: of the scores of patches, or of what is made of them."""
    return tf.reduce_mean(tf.reshape(values, (tf.shape(values)[0], -1)), axis=1)

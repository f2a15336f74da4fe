"""The games generator and discriminator play, and what keeps the discriminator smooth.

A game gives each player a loss, one value an example, made from the discriminator's scores: real numbers, high
where it takes an image for a real one. r stands for the score of a real image, f for that of a generated one.
"""

import keras
import tensorflow as tf

_EPSILON = 1e-12  # under a root, whose gradient at 0 is infinite


class Game:
    """Base class of the games; a subclass gives the two losses."""

    def discriminator_loss(self, real_scores, fake_scores):
        """What the discriminator minimises.

        Args:
            real_scores: float32 `(n,)`, of real images.
            fake_scores: float32 `(n,)`, of generated images.

        Returns:
            float32 `(n,)`.
        """
        raise NotImplementedError

    def generator_loss(self, fake_scores):
        """What the generator minimises: float32 `(n,)`, from the scores of generated images."""
        raise NotImplementedError

    def verdict(self, scores):
        """The scores as they are reported: by default as they are."""
        return scores

    def is_won(self, real_verdict, fake_verdict):
        """Whether mean verdicts say that the discriminator tells every image, and the generator gets no gradient."""
        return False

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class _Classification(Game):
    """D = sigmoid(score) is the probability that an image is real; at the equilibrium it is 1/2 everywhere.

    Args:
        label_smoothing: float in [0, 1/2). Real images count as real with probability 1 - label_smoothing only,
            generated ones as before ("one-sided"), which keeps the discriminator from growing too sure of itself;
            Salimans et al. 2016, https://arxiv.org/abs/1606.03498.
    """

    def __init__(self, label_smoothing=0.0):
        if not 0 <= label_smoothing < 0.5:
            raise ValueError(f"`label_smoothing` must lie in [0, 0.5); got {label_smoothing!r}.")
        self.label_smoothing = label_smoothing

    def discriminator_loss(self, real_scores, fake_scores):
        """-(1 - s) log D(real) - s log(1 - D(real)) - log(1 - D(fake)), with s the label smoothing, in nats."""
        s = self.label_smoothing
        real = (1 - s) * tf.nn.softplus(-real_scores) + s * tf.nn.softplus(real_scores)
        return real + tf.nn.softplus(fake_scores)

    def verdict(self, scores):
        """D, a probability."""
        return tf.sigmoid(scores)

    def is_won(self, real_verdict, fake_verdict):
        return real_verdict > 0.99 and fake_verdict < 0.01

    def get_config(self):
        return {"label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="keras_genzoo")
class Minimax(_Classification):
    """The zero-sum game of Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, eq. 1.

    min_G max_D  E log D(real) + E log(1 - D(fake)), whose value at the optimum is -log 4. The generator's gradient
    vanishes where the discriminator is sure ("saturates"); the paper trains with `NonSaturating`.
    """

    def generator_loss(self, fake_scores):
        """log(1 - D(fake))"""
        return -tf.nn.softplus(fake_scores)


@keras.saving.register_keras_serializable(package="keras_genzoo")
class NonSaturating(_Classification):
    """Minimax with the generator maximising log D(fake), as Goodfellow et al. 2014 train (section 3)."""

    def generator_loss(self, fake_scores):
        """-log D(fake)"""
        return tf.nn.softplus(-fake_scores)


@keras.saving.register_keras_serializable(package="keras_genzoo")
class LeastSquares(Game):
    """Scores pulled to 1 and 0: Mao et al. 2017, https://arxiv.org/abs/1611.04076, eq. 9. At equilibrium 1/2."""

    def discriminator_loss(self, real_scores, fake_scores):
        """(r - 1)^2 / 2 + f^2 / 2"""
        return 0.5 * (tf.square(real_scores - 1) + tf.square(fake_scores))

    def generator_loss(self, fake_scores):
        """(f - 1)^2 / 2"""
        return 0.5 * tf.square(fake_scores - 1)


@keras.saving.register_keras_serializable(package="keras_genzoo")
class Hinge(Game):
    """A margin of 1 on either side of 0: Lim and Ye 2017, https://arxiv.org/abs/1705.02894."""

    def discriminator_loss(self, real_scores, fake_scores):
        """max(0, 1 - r) + max(0, 1 + f)"""
        return tf.nn.relu(1 - real_scores) + tf.nn.relu(1 + fake_scores)

    def generator_loss(self, fake_scores):
        """-f"""
        return -fake_scores


@keras.saving.register_keras_serializable(package="keras_genzoo")
class Wasserstein(Game):
    """The earth mover's distance between real and generated images: Arjovsky et al. 2017, arxiv.org/abs/1701.07875.

    The discriminator, here a critic, must be 1-Lipschitz for r - f to estimate it: use `GradientPenalty` or
    spectral normalisation.
    """

    def discriminator_loss(self, real_scores, fake_scores):
        """f - r"""
        return fake_scores - real_scores

    def generator_loss(self, fake_scores):
        """-f"""
        return -fake_scores


# ---- regularisers of the discriminator ----


class GradientRegularizer:
    """Base class of the penalties on the discriminator's gradient at each image.

    Args:
        weight: float, positive.
    """

    def __init__(self, weight=10.0):
        if not weight > 0:
            raise ValueError(f"`weight` must be positive; got {weight!r}.")
        self.weight = weight

    def penalty(self, discriminator, real, fake, alpha):
        """What it adds to the discriminator's loss.

        Args:
            discriminator: function from images `(n, h, w, c)` to scores `(n,)`.
            real: float32 `(n, h, w, c)` in [0, 1], real images.
            fake: float32 `(n, h, w, c)`, generated images.
            alpha: float32 `(n,)`, draws from U(0, 1).

        Returns:
            float32 `(n,)`.
        """
        raise NotImplementedError

    def get_config(self):
        return {"weight": self.weight}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_genzoo")
class GradientPenalty(GradientRegularizer):
    """Pulls the gradient's length to 1 between real and generated images.

    weight * (|grad D(x)| - 1)^2 at x = alpha real + (1 - alpha) fake, alpha from U(0, 1): Gulrajani et al. 2017,
    https://arxiv.org/abs/1704.00028, algorithm 1. The gradient is that by images in [0, 1].
    """

    def penalty(self, discriminator, real, fake, alpha):
        alpha = tf.reshape(alpha, (-1, *[1] * (len(real.shape) - 1)))
        squares = _squared_gradient(discriminator, alpha * real + (1 - alpha) * fake)
        return self.weight * tf.square(tf.sqrt(squares + _EPSILON) - 1)


@keras.saving.register_keras_serializable(package="keras_genzoo")
class R1(GradientRegularizer):
    """Pulls the gradient to 0 at real images, so that the game comes to rest where the generator is right.

    weight / 2 * |grad D(real)|^2: Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, eq. 9. The gradient is
    that by images in [0, 1].
    """

    def penalty(self, discriminator, real, fake, alpha):
        return 0.5 * self.weight * _squared_gradient(discriminator, real)


def _squared_gradient(discriminator, images):
    """|grad D(x)|^2 for each image, float32 `(n,)`."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = discriminator(images)
    return tf.reduce_sum(tf.square(tape.gradient(scores, images)), axis=range(1, len(images.shape)))


GAMES = {
    "minimax": Minimax,
    "non_saturating": NonSaturating,
    "least_squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
}
REGULARIZERS = {"gradient_penalty": GradientPenalty, "r1": R1}


def get_game(loss):
    """The game named `loss`, or `loss` itself where it is one."""
    return _get("loss", loss, GAMES, Game)


def get_regularizer(regularizer):
    """The regulariser of that name, or `regularizer` itself where it is one or None."""
    return None if regularizer is None else _get("regularizer", regularizer, REGULARIZERS, GradientRegularizer)


def _get(name, value, choices, base):
    if isinstance(value, base):
        return value
    if isinstance(value, str) and value in choices:
        return choices[value]()
    raise ValueError(
        f"`{name}` must be one of {', '.join(map(repr, choices))}, or a {base.__name__} of "
        f"keras_genzoo.models.adversarial.losses; got {value!r}."
    )

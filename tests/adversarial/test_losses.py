"""The games and the regularisers, against hand-computed values and closed forms."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, stats

from keras_genzoo.models.adversarial import losses

REAL, FAKE = np.array([-3.0, 0.0, 1.0, 40.0], "float32"), np.array([2.0, -1.0, 0.5, -60.0], "float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype("float64")))


BY_HAND = {
    "minimax": (
        lambda r, f: -np.log(sigmoid(r)) - np.log1p(-sigmoid(f)),
        lambda f: np.log1p(-sigmoid(f)),
    ),
    "non_saturating": (
        lambda r, f: -np.log(sigmoid(r)) - np.log1p(-sigmoid(f)),
        lambda f: -np.log(sigmoid(f)),
    ),
    "least_squares": (lambda r, f: ((r - 1) ** 2 + f**2) / 2, lambda f: (f - 1) ** 2 / 2),
    "hinge": (lambda r, f: np.maximum(0, 1 - r) + np.maximum(0, 1 + f), lambda f: -f),
    "wasserstein": (lambda r, f: f - r, lambda f: -f),
}


def test_every_game_is_covered():
    assert set(BY_HAND) == set(losses.GAMES)


@pytest.mark.parametrize("name", BY_HAND)
def test_losses_by_hand(name):
    game = losses.get_game(name)
    of_discriminator, of_generator = BY_HAND[name]
    np.testing.assert_allclose(game.discriminator_loss(REAL, FAKE), of_discriminator(REAL, FAKE), rtol=1e-5, atol=1e-15)
    np.testing.assert_allclose(game.generator_loss(FAKE), of_generator(FAKE), rtol=1e-5, atol=1e-15)


@pytest.mark.parametrize("name", BY_HAND)
def test_players_pull_in_opposite_directions(name):
    """The discriminator raises the score of real images and lowers that of others, which the generator raises."""
    game = losses.get_game(name)
    real, fake = tf.constant([0.3]), tf.constant([0.6])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        of_discriminator, of_generator = game.discriminator_loss(real, fake), game.generator_loss(fake)
    assert tape.gradient(of_discriminator, real)[0] < 0 < tape.gradient(of_discriminator, fake)[0]
    assert tape.gradient(of_generator, fake)[0] < 0


@pytest.mark.parametrize("name", ["minimax", "non_saturating"])
def test_no_overflow_at_sure_scores(name):
    scores = tf.constant([-1e4, 1e4])
    game = losses.get_game(name)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        loss = game.discriminator_loss(scores, scores) + game.generator_loss(scores)
    assert np.isfinite(loss).all() and np.isfinite(tape.gradient(loss, scores)).all()


def test_one_sided_label_smoothing():
    game = losses.NonSaturating(label_smoothing=0.1)
    real, fake = sigmoid(REAL[:3]), sigmoid(FAKE[:3])
    expected = -0.9 * np.log(real) - 0.1 * np.log1p(-real) - np.log1p(-fake)
    np.testing.assert_allclose(game.discriminator_loss(REAL[:3], FAKE[:3]), expected, rtol=1e-5)
    # the discriminator that is best against its own images is then 0.9 sure, no more
    scores = tf.constant(np.linspace(-5, 5, 10001), tf.float32)
    best = scores[tf.argmin(game.discriminator_loss(scores, tf.fill(scores.shape, -20.0)))]
    assert float(tf.sigmoid(best)) == pytest.approx(0.9, abs=1e-3)


def test_value_of_the_minimax_game():
    """With the best discriminator D = p / (p + q) the value is 2 JS(p, q) - log 4, and -log 4 where q = p."""
    game = losses.Minimax()

    def value(p, q):
        def integrand(x):
            score = np.float32(p.logpdf(x) - q.logpdf(x))  # of the best discriminator
            zero = np.zeros([], "float32")
            real = float(game.discriminator_loss(score, zero)) - math.log(2)  # -log D
            fake = float(game.discriminator_loss(zero, score)) - math.log(2)  # -log(1 - D)
            return -p.pdf(x) * real - q.pdf(x) * fake

        return integrate.quad(integrand, -12, 12, limit=200)[0]

    p, q = stats.norm(0, 1), stats.norm(1.5, 0.7)
    assert value(p, p) == pytest.approx(-math.log(4), abs=1e-6)
    middle = lambda x: (p.pdf(x) + q.pdf(x)) / 2  # noqa: E731
    divergence = sum(
        0.5 * integrate.quad(lambda x, r=r: r.pdf(x) * np.log(r.pdf(x) / middle(x)), -12, 12)[0] for r in (p, q)
    )
    assert value(p, q) == pytest.approx(2 * divergence - math.log(4), abs=1e-5)


# ---- regularisers ----

WEIGHTS = tf.random.stateless_normal((4, 5, 3), (1, 2))
IMAGES = tf.random.stateless_uniform((6, 4, 5, 3), (3, 4)), tf.random.stateless_uniform((6, 4, 5, 3), (5, 6))
ALPHA = tf.random.stateless_uniform((6,), (7, 8))


def linear(images):
    return tf.reduce_sum(images * WEIGHTS, axis=(1, 2, 3)) + 3.0


def quadratic(images):
    return 0.5 * tf.reduce_sum(tf.square(images) * WEIGHTS, axis=(1, 2, 3))


def test_gradient_penalty_of_a_linear_critic_is_exact():
    norm = np.linalg.norm(WEIGHTS)
    penalty = losses.GradientPenalty(7.0).penalty(linear, *IMAGES, ALPHA)
    np.testing.assert_allclose(penalty, np.full(6, 7 * (norm - 1) ** 2), rtol=1e-5)


def test_gradient_penalty_looks_between_the_images():
    real, fake = (images.numpy() for images in IMAGES)
    alpha = ALPHA.numpy()[:, None, None, None]
    gradient = (alpha * real + (1 - alpha) * fake) * WEIGHTS.numpy()
    expected = 10 * (np.sqrt((gradient**2).sum((1, 2, 3))) - 1) ** 2
    np.testing.assert_allclose(losses.GradientPenalty().penalty(quadratic, *IMAGES, ALPHA), expected, rtol=1e-4)


def test_r1_looks_at_real_images():
    expected = 5 * ((IMAGES[0] * WEIGHTS).numpy() ** 2).sum((1, 2, 3))
    np.testing.assert_allclose(losses.R1().penalty(quadratic, *IMAGES, ALPHA), expected, rtol=1e-5)


def test_gradient_penalty_at_slope_zero_has_a_finite_gradient():
    slope = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        penalty = losses.GradientPenalty().penalty(lambda x: slope * linear(x), *IMAGES, ALPHA)
    np.testing.assert_allclose(penalty, 10, rtol=1e-5)
    assert np.isfinite(tape.gradient(penalty, slope))


# ---- names and objects ----


@pytest.mark.parametrize("part", [losses.NonSaturating(0.2), losses.Hinge(), losses.GradientPenalty(3.0), losses.R1(2)])
def test_round_trip(part):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(part))
    assert type(copy) is type(part) and copy.get_config() == part.get_config()


def test_bad_choices():
    with pytest.raises(ValueError, match=r"`loss` must be one of 'minimax', .*; got 'mse'"):
        losses.get_game("mse")
    with pytest.raises(ValueError, match="`loss` must be one of"):
        losses.get_game(losses.R1())
    with pytest.raises(ValueError, match=r"`regularizer` must be one of 'gradient_penalty', 'r1'.*got 'l2'"):
        losses.get_regularizer("l2")
    with pytest.raises(ValueError, match=r"`label_smoothing` must lie in \[0, 0\.5\); got 0\.5"):
        losses.NonSaturating(label_smoothing=0.5)
    with pytest.raises(ValueError, match="`weight` must be positive; got 0"):
        losses.R1(0)

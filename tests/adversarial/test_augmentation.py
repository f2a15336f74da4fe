"""Differentiable augmentation: each policy against NumPy in the paper's range, its gradients, and the argument."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.models.adversarial import augmentation

POLICIES = ("color", "translation", "cutout")
RNG = np.random.default_rng(0)
BELOW_1 = 1 - 2.0**-24  # the largest float32 that is


def images(n=16, shape=(8, 8, 1)):
    return RNG.uniform(size=(n, *shape)).astype("float32")


def draws(n=16):
    return RNG.uniform(size=(n, 7)).astype("float32")


# ---- the policies ----


def in_the_papers_range(image, u, policy):
    """One image `(h, w, c)` in [-1, 1] and its seven draws, by slices: what leaves or is hidden becomes 0."""
    height, width, _ = image.shape
    if policy == "color":
        image = image + (u[0] - 0.5)
        mean = image.mean(axis=2, keepdims=True)
        image = (image - mean) * (2 * u[1]) + mean
        return (image - image.mean()) * (u[2] + 0.5) + image.mean()
    if policy == "translation":
        result = np.zeros_like(image)
        down, right = (
            np.floor(part * (2 * reach + 1)).astype(int) - reach
            for part, reach in ((u[3], round(height / 8 + 1e-9)), (u[4], round(width / 8 + 1e-9)))
        )
        result[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = image[
            max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
        ]
        return result
    result = image.copy()
    (top, bottom), (left, right) = (hole(side, part) for side, part in ((height, u[5]), (width, u[6])))
    result[top:bottom, left:right] = 0
    return result


def hole(side, u):
    """First row hidden, and the one after the last."""
    length = -(-side // 2)
    centres = np.arange(side + 1) if length % 2 == 0 else np.arange(side)
    first = centres[int(np.floor(u * len(centres)))] - length // 2
    return max(first, 0), min(first + length, side)


@pytest.mark.parametrize("shape", [(8, 8, 1), (20, 9, 3), (5, 28, 2), (1, 1, 2)])
@pytest.mark.parametrize("policies", [*[(policy,) for policy in POLICIES], POLICIES, ("cutout", "color")])
def test_policies_are_those_of_the_paper(policies, shape):
    x, u = images(40, shape).astype("float64"), draws(40).astype("float64")
    expected = 2 * x - 1
    for policy in policies:
        expected = np.stack([in_the_papers_range(*pair, policy) for pair in zip(expected, u, strict=True)])
    given = augmentation.transform(tf.constant(x), tf.constant(u), policies)
    np.testing.assert_allclose(given, (expected + 1) / 2, atol=1e-12)
    compiled = tf.function(augmentation.transform, jit_compile=True)(tf.constant(x), tf.constant(u), policies)
    np.testing.assert_allclose(compiled, given, atol=1e-12)
    single = augmentation.transform(tf.constant(x, "float32"), tf.constant(u, "float32"), policies)
    assert single.dtype == tf.float32 and single.shape == x.shape
    np.testing.assert_allclose(single, given, atol=1e-5)


@pytest.mark.parametrize(("u", "end"), [(0.0, -1), (BELOW_1, 1)])
def test_how_far_each_policy_goes(u, end):
    u = tf.fill((1, 7), tf.constant(u, tf.float32))
    x = images(1, (16, 24, 3))
    moved = augmentation.transform(x, u, ("translation",))[0].numpy()
    inside = moved[2:, 3:] if end > 0 else moved[:-2, :-3]  # by 2 of 16 rows and 3 of 24 columns
    np.testing.assert_array_equal(inside, x[0, :-2, :-3] if end > 0 else x[0, 2:, 3:])
    assert (moved == 0.5).sum() == (16 * 24 - 14 * 21) * 3
    hidden = augmentation.transform(x, u, ("cutout",))[0].numpy() == 0.5
    assert hidden.sum() == 4 * 6 * 3  # half of a hole of 8x12 on either axis,
    assert (hidden[-4:, -6:] if end > 0 else hidden[:4, :6]).all()  # in a corner
    grey = np.full((1, 4, 4, 3), 0.5, "float32")  # on which factors do nothing
    np.testing.assert_allclose(augmentation.transform(grey, u, ("color",)), 0.5 + 0.25 * end, atol=1e-6)


def test_draws_are_uniform_and_apart():
    u = augmentation.uniform_draws(4000, (1, 2)).numpy()
    assert all(scipy.stats.kstest(column, "uniform").pvalue > 1e-3 for column in u.T)
    assert np.abs(np.corrcoef(u.T) - np.eye(7)).max() < 0.06
    shifts = np.floor(u[:, 3] * 5)
    assert scipy.stats.chisquare(np.bincount(shifts.astype(int), minlength=5)).pvalue > 1e-3


# ---- their gradients ----


def gradient(x, u, policies, weights):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(weights * augmentation.transform(x, u, policies))
    return tape.gradient(value, x).numpy()


def test_the_gradient_of_a_translation_is_moved_back():
    x, u, weights = (array.astype("float64") for array in (images(20), draws(20), images(20)))
    back = u.copy()
    back[:, 3:5] = (2 - np.floor(3 * u[:, 3:5]) + 0.5) / 3  # the opposite shift, of -1, 0 and 1
    expected = augmentation.transform(tf.constant(weights), tf.constant(back), ("translation",)).numpy()
    np.testing.assert_array_equal(gradient(x, u, ("translation",), weights), np.where(expected == 0.5, 0.0, expected))


def test_the_gradient_in_a_hole_is_0():
    x, u, weights = images(20), draws(20), images(20)
    holes = augmentation.transform(tf.constant(x), u, ("cutout",)).numpy() == 0.5
    assert holes.any() and not holes.all()
    np.testing.assert_array_equal(gradient(x, u, ("cutout",), weights), np.where(holes, 0.0, weights))


@pytest.mark.parametrize("policies", [("color",), POLICIES])
def test_the_gradient_is_that_of_finite_differences(policies):
    x, u, weights = (array.astype("float64") for array in (images(1, (4, 4, 3)), draws(1), images(1, (4, 4, 3))))

    def value(x):
        return float(tf.reduce_sum(weights * augmentation.transform(tf.constant(x), tf.constant(u), policies)))

    expected = np.zeros(x.size)
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = 1e-4
        step = step.reshape(x.shape)
        expected[i] = (value(x + step) - value(x - step)) / 2e-4
    np.testing.assert_allclose(gradient(x, u, policies, weights).ravel(), expected, atol=1e-9)
    assert np.abs(expected).max() > 0.1


# ---- the argument ----


def built(**options):
    gan = gz.GAN((8, 8, 1), latent_dim=4)
    gan.compile(**options)
    return gan


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ()),
        ("cutout", ("cutout",)),
        ("color,translation, cutout", POLICIES),
        (("cutout", "color"), ("cutout", "color")),
        (["translation"], ("translation",)),
    ],
)
def test_the_argument_is_saved(given, expected, tmp_path):
    gan = built(augmentation=given)
    assert gan.augmentation == expected
    gan.save(tmp_path / "gan.keras")
    copy = keras.models.load_model(tmp_path / "gan.keras")
    assert copy.augmentation == expected
    assert copy.get_compile_config()["augmentation"] == (",".join(expected) or None)
    x = images()
    if given:
        one, other = gan.train_step(x), copy.train_step(x)
        np.testing.assert_allclose(*([float(value) for value in step.values()] for step in (one, other)), rtol=1e-6)


@pytest.mark.parametrize("given", ["colour", "", (), ("color", "color"), "color,flip", 3, ("color", 3), True])
def test_unknown_policies_are_refused(given):
    gan = gz.GAN((8, 8, 1), latent_dim=4)
    with pytest.raises(ValueError, match=r"`augmentation` must be one or more of 'color', 'translation', 'cutout'"):
        gan.compile(augmentation=given)
    assert not gan.compiled


def test_a_discriminator_of_codes_refuses_to_be_augmented():
    model = gz.AdversarialAutoencoder((8, 8, 1), latent_dim=4)
    with pytest.raises(ValueError, match=r"`augmentation` 'color' is of images.*AdversarialAutoencoder scores no im"):
        model.compile(augmentation="color")
    model.compile(augmentation=None)

"""Who is augmented when: real and generated images, in both half steps and in penalties; nothing that is measured."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.models.adversarial import losses
from keras_genzoo.models.adversarial.players import per_sample

POLICIES = ("color", "translation", "cutout")
RNG = np.random.default_rng(0)


def images(n=16):
    return RNG.uniform(size=(n, 8, 8, 1)).astype("float32")


def built(**options):
    gan = gz.GAN((8, 8, 1), latent_dim=4)
    gan.compile(**options)
    return gan


def grey_share(x):
    """How much of an image is mid-grey: of augmented ones holes and borders are, of others nothing."""
    return tf.reduce_mean(tf.cast(x == 0.5, tf.float32), axis=(1, 2, 3))


def test_real_and_generated_images_cannot_be_told_apart_by_their_augmentation():
    gan = built(augmentation=("translation", "cutout"))
    real, fake = np.zeros((2000, 8, 8, 1), "float32"), np.ones((2000, 8, 8, 1), "float32")
    _, of_real, of_fake = gan.discriminator_terms(grey_share, real, fake)
    assert min(tf.reduce_min(of_real), tf.reduce_min(of_fake)) > 0
    assert scipy.stats.ks_2samp(of_real, of_fake).pvalue > 0.01
    assert abs(np.corrcoef(of_real, of_fake)[0, 1]) < 0.08  # draws of their own


class Seen:
    """Scores of the mean level, and the images that were scored."""

    def __init__(self):
        self.images = []

    def __call__(self, x):
        self.images.append(x.numpy())
        return tf.reduce_mean(x, axis=(1, 2, 3))


def test_every_question_to_the_discriminator_is_augmented_afresh():
    """Also by two half steps of the generator in a row: the random state moves on within each."""
    gan, score = built(augmentation="cutout"), Seen()
    gan.descend = lambda player, loss, tape: loss  # scores of no network move none
    real = np.zeros((16, 8, 8, 1), "float32")
    for _ in range(2):
        with tf.GradientTape(persistent=True) as tape:
            fake = gan.fake(real)
        gan.discriminator_step(score, real, fake)
        gan.generator_step(tape, fake, score)
        gan.generator_step(tape, fake, score)
    holes = [x == 0.5 for x in score.images]
    assert len(holes) == 8 and all(hole.any(axis=(1, 2, 3)).all() for hole in holes)
    assert all((holes[i] != holes[j]).any() for i in range(8) for j in range(i))


def test_the_gradient_reaches_the_generator_through_the_augmentation():
    """A linear critic a.x and a generator that draws its bias: the bias moves by a, moved back as each image was."""
    a = images(1)[0]
    generator = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(64, kernel_initializer="zeros"), keras.layers.Reshape((8, 8, 1))]
    )
    gan = gz.GAN((8, 8, 1), 4, generator)
    kept, draw = [], gan.draw
    gan.draw = lambda sampler, n: kept.append(draw(sampler, n)) or kept[-1]
    gan.compile(keras.optimizers.SGD(1.0), loss="wasserstein", augmentation="translation")
    with tf.GradientTape() as tape:
        fake = gan.fake(images())
    gan.generator_step(tape, fake, lambda x: tf.reduce_sum(a * x, axis=(1, 2, 3)))
    shifts = np.floor(3 * kept[-1].numpy()[:, 3:5]).astype(int) - 1
    expected = np.zeros((8, 8, 1))
    for down, right in shifts:
        padded = np.pad(a, ((1, 1), (1, 1), (0, 0)))
        expected += padded[1 + down : 9 + down, 1 + right : 9 + right] / len(shifts)
    np.testing.assert_allclose(np.reshape(generator.layers[0].bias, (8, 8, 1)), expected, atol=1e-5)


class Recorder(losses.GradientRegularizer):
    """Adds nothing, and keeps what it was given."""

    def penalty(self, discriminator, real, fake, alpha):
        self.given = real, fake
        return tf.zeros(len(real))


def test_the_penalty_is_on_the_slope_at_augmented_images():
    """Of a linear critic a.x it is |a| whatever is hidden: by images before augmentation it would be less."""
    a = images(1)[0]
    real, fake = tf.constant(images()), tf.constant(images())
    for regularizer, expected in (
        (losses.R1(3.0), 1.5 * np.square(a).sum()),
        (losses.GradientPenalty(3.0), 3 * np.square(np.sqrt(np.square(a).sum()) - 1)),
    ):
        gan = built(augmentation=POLICIES, regularizer=regularizer)
        terms, _, _ = gan.discriminator_terms(lambda x: tf.reduce_sum(a * x, axis=(1, 2, 3)), real, fake)
        np.testing.assert_allclose(terms["regularizer"], np.full(16, expected), rtol=1e-5)
    gan = built(augmentation="cutout", regularizer=Recorder())
    gan.discriminator_terms(grey_share, real, fake)
    holes = [x.numpy() == 0.5 for x in gan.regularizer.given]
    assert holes[0].any()
    np.testing.assert_array_equal(*holes)


def test_both_images_of_a_pair_are_transformed_alike():
    """In all that the discriminator is asked, and by colour about the mean of each."""
    model = gz.Pix2Pix((8, 8, 1), (8, 8, 3), num_filters=2)
    seen = []

    def scores(targets, sources, training):
        seen.append((targets.numpy(), sources.numpy()))
        return tf.reduce_mean(targets, axis=-1)

    model.scores = scores
    model.fake = lambda targets, sources: tf.constant(targets)
    model.descend = lambda player, loss, tape: loss  # scores of no network move none
    targets = images()
    sources = np.repeat(targets, 3, axis=-1)
    model.compile(augmentation=POLICIES, regularizer="r1")
    model.train_step((targets, sources))
    assert len(seen) == 4  # real, generated and penalty of the discriminator; generated of the generator
    for target, source in seen:
        np.testing.assert_allclose(np.repeat(target, 3, axis=-1), source, atol=1e-5)
        assert np.abs(target - targets).max(axis=(1, 2, 3)).min() > 1e-3
    assert all(np.abs(seen[i][0] - seen[j][0]).max() > 0.1 for i in range(4) for j in range(i))


def test_what_is_measured_or_asked_for_is_not_augmented():
    answers = []
    for policies in (None, POLICIES):
        keras.utils.set_random_seed(1)
        gan = built(augmentation=policies)
        x = np.linspace(0, 1, 16 * 64, dtype="float32").reshape(16, 8, 8, 1)
        metrics = gan.evaluate(x, verbose=0, return_dict=True)
        answers.append([*metrics.values(), *gan.discriminate(x).numpy(), *np.ravel(gan.sample(2, seed=0))])
    np.testing.assert_array_equal(*answers)


# ---- the steps ----


class Unaugmented(gz.GAN):
    """The two half steps as they were before there was augmentation."""

    def discriminator_terms(self, score, real, fake, beside):
        real_scores, fake_scores = score(real), score(fake)
        terms = {"game": self.game_weight * per_sample(self.game.discriminator_loss(real_scores, fake_scores))}
        alpha = self.draw(lambda n, seed: tf.random.stateless_uniform((n,), seed), tf.shape(real)[0])
        terms["regularizer"] = self.regularizer.penalty(score, real, fake, alpha)
        return terms, real_scores, fake_scores

    def generator_step(self, tape, fake, score):
        with tape, keras.StatelessScope():
            loss = per_sample(self.game.generator_loss(score(fake)))
        return self.descend("generator", loss, tape)


def test_without_augmentation_a_step_is_what_it_was():
    """To the bit; the random state too."""
    real, steps = images(), []
    for kind in (gz.GAN, Unaugmented):
        keras.utils.set_random_seed(1)
        gan = kind((8, 8, 1), 4)
        gan.compile(regularizer="gradient_penalty", augmentation=None)
        gan.train_step(tf.constant(real))
        steps.append([variable.numpy() for variable in gan.variables])
    for one, other in zip(*steps, strict=True):
        np.testing.assert_array_equal(one, other)


MODELS = {
    "GAN": lambda: (gz.GAN((8, 8, 1), 4), (images(),), "r1"),
    "DCGAN": lambda: (gz.DCGAN((8, 8, 1), 4, num_filters=2), (images(),), None),
    "ConditionalGAN": lambda: (gz.ConditionalGAN((8, 8, 1), 4), (images(), np.arange(16) % 10), "gradient_penalty"),
    "WGANGP": lambda: (gz.WGANGP((8, 8, 1), 1, latent_dim=4, num_filters=2), (images(),), "gradient_penalty"),
    "Pix2Pix": lambda: (gz.Pix2Pix((8, 8, 1), num_filters=2, l1_weight=1.0), (images(), images()), "r1"),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_player_descends_on_its_augmented_terms(name):
    """Along the gradient of `player_losses`, under the same draws, and not along the one without augmentation."""
    model, batch, regularizer = MODELS[name]()
    model.draw = lambda sampler, _: sampler(16, tf.constant([0, 1]))

    def gradient_of(player, policies):
        model.compile(augmentation=policies, regularizer=regularizer)
        variables = model.player_variables(player)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(sum(model.player_losses(batch)[player].values()))
        gradients = zip(tape.gradient(loss, variables), variables, strict=True)
        return np.concatenate(
            [np.zeros(v.shape).ravel() if g is None else np.ravel(tf.convert_to_tensor(g)) for g, v in gradients]
        )

    for player in model.players():
        variables = model.player_variables(player)
        before = [variable.numpy() for variable in variables]
        bare, augmented = gradient_of(player, None), gradient_of(player, POLICIES)
        size = np.linalg.norm(np.concatenate([old.ravel() for old in before]))
        rate = 1e-4 * float(size / np.linalg.norm(augmented))
        rates = {name: keras.optimizers.SGD(rate * (name == f"{player}_optimizer")) for name in model.optimizer_names}
        model.compile(augmentation=POLICIES, regularizer=regularizer, **rates)
        model.train_step(batch)
        update = np.concatenate([(v.numpy() - old).ravel() for v, old in zip(variables, before, strict=True)])
        for variable, old in zip(variables, before, strict=True):
            variable.assign(old)
        assert np.linalg.norm(update + rate * augmented) < 0.02 * np.linalg.norm(update)
        assert np.linalg.norm(update + rate * bare) > 0.04 * np.linalg.norm(update)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_trains_in_a_graph_and_in_mixed_precision(dtype):
    """One of them under XLA, which takes a while to compile."""
    gan = gz.GAN((8, 8, 1), latent_dim=4, dtype=dtype)
    gan.compile(augmentation=POLICIES, jit_compile=dtype == "mixed_float16")
    history = gan.fit(images(24), batch_size=16, verbose=0).history  # the last batch is smaller
    assert all(np.isfinite(column).all() for column in history.values())


def test_two_devices_draw_what_one_does(two_devices):
    """Each device transforms its own half of the images by its own half of the draws."""
    whole = tf.constant(images(6))
    halves = two_devices.experimental_distribute_values_from_function(
        lambda context: whole[3 * context.replica_id_in_sync_group :][:3]
    )
    keras.utils.set_random_seed(1)
    (expected,) = built(augmentation=POLICIES).augmented(whole)
    keras.utils.set_random_seed(1)
    with two_devices.scope():
        gan = built(augmentation=POLICIES)
    (given,) = two_devices.run(gan.augmented, (halves,))
    np.testing.assert_array_equal(tf.concat(two_devices.experimental_local_results(given), 0), expected)

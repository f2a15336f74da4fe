"""The GAN: who moves when, latents, averages; and a ring of Gaussians that it must cover."""

import contextlib

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.layers import FusedBatchNormalization, SpectralNormalization
from keras_genzoo.models.adversarial import losses
from keras_genzoo.networks import nested_layers


def images(n=16, seed=0):
    return tf.random.stateless_uniform((n, 8, 8, 1), (seed, 0))


def values(network):
    return [variable.numpy() for variable in network.variables]


def moved(before, network):
    return [np.abs(v.numpy() - old).max() > 0 for v, old in zip(network.variables, before, strict=True)]


@pytest.mark.parametrize("name", ["GAN", "DCGAN"])
def test_each_half_step_moves_only_its_own_player(name):
    """Of a DCGAN also the moving averages of batch normalisation stay where they are."""
    gan = getattr(gz, name)((8, 8, 1), latent_dim=8)
    gan.compile()
    with tf.GradientTape() as tape:
        fake = gan.generator_images(gan.draw(gan.draw_noise, 16), training=True)

    generator, discriminator = values(gan.generator), values(gan.discriminator)
    gan.discriminator_step(gan.scorer(None), images(), fake)
    assert all(moved(discriminator, gan.discriminator)) and not any(moved(generator, gan.generator))

    generator, discriminator = values(gan.generator), values(gan.discriminator)
    gan.generator_step(tape, fake, gan.scorer(None))
    trained = [v.trainable for v in gan.generator.variables]
    assert moved(generator, gan.generator) == trained and not any(moved(discriminator, gan.discriminator))


def test_train_step_is_algorithm_1():
    """k updates of the discriminator, then one of the generator on the last batch, by plain SGD written out."""
    k, rate = 3, 0.1
    gan = gz.GAN((8, 8, 1), latent_dim=4, discriminator_steps=k)
    gan.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate), loss="minimax")
    peer = gz.GAN.from_config(gan.get_config())
    peer.set_weights(gan.get_weights())
    latents = [tf.random.stateless_normal((16, 4), (i, 9)) for i in range(k)]
    remaining = iter(latents)
    gan.draw_noise = lambda n, seed: next(remaining)
    gan.train_step(images())

    def descend(loss, tape, network):
        for variable, gradient in zip(
            network.trainable_variables, tape.gradient(loss, network.trainable_variables), strict=True
        ):
            variable.assign_sub(rate * gradient)

    for z in latents:
        with tf.GradientTape() as tape:
            real, fake = (tf.sigmoid(peer.discriminator(x)) for x in (images(), peer.generator(z)))
            loss = -tf.reduce_mean(tf.math.log(real) + tf.math.log(1 - fake))
        descend(loss, tape, peer.discriminator)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.math.log(1 - tf.sigmoid(peer.discriminator(peer.generator(latents[-1])))))
    descend(loss, tape, peer.generator)
    for a, b in zip(gan.get_weights(), peer.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_metrics_by_hand():
    gan = gz.GAN((8, 8, 1), latent_dim=4)
    gan.compile(loss="least_squares")
    latents = tf.random.stateless_normal((16, 4), (0, 9))
    gan.draw_noise = lambda n, seed: latents
    metrics = gan.test_step(images())
    real, fake = gan.discriminator(images())[:, 0], gan.discriminator(gan.generator(latents))[:, 0]
    assert float(metrics["real_score"]) == pytest.approx(np.mean(real), rel=1e-5)
    assert float(metrics["fake_score"]) == pytest.approx(np.mean(fake), rel=1e-5)
    assert float(metrics["generator_loss"]) == pytest.approx(np.mean((fake - 1) ** 2) / 2, rel=1e-5)
    assert float(metrics["discriminator_loss"]) == pytest.approx(np.mean((real - 1) ** 2 + fake**2) / 2, rel=1e-5)
    gan.compile()  # under a game of probabilities the scores are reported as such
    gan.reset_metrics()
    assert float(gan.test_step(images())["real_score"]) == pytest.approx(np.mean(tf.sigmoid(real)), rel=1e-5)


@pytest.mark.parametrize("regularizer", ["gradient_penalty", "r1"])
def test_the_regularizer_reaches_the_discriminator(regularizer):
    gan = gz.GAN((8, 8, 1), latent_dim=4)
    gan.compile(regularizer=regularizer)
    fake = gan.generator_images(gan.draw(gan.draw_noise, 16))
    gan.compile()
    bare = gan.discriminator_step(gan.scorer(None), images(), fake)["discriminator_loss"]
    gan = gz.GAN.from_config(gan.get_config())
    gan.compile(regularizer=regularizer)
    assert tf.reduce_mean(gan.discriminator_step(gan.scorer(None), images(), fake)["discriminator_loss"] - bare) > 1e-3


def test_two_devices_give_each_player_the_update_of_one(two_devices):
    """To 1e-4 of its length."""
    real = images(6)

    def moves(scope, step):
        """How far a step moves the weights of each player."""
        keras.utils.set_random_seed(1)
        with scope:
            gan = gz.GAN((8, 8, 1), latent_dim=2)
            gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
        before = [flat(player) for player in (gan.generator, gan.discriminator)]
        step(gan)
        return [flat(player) - start for player, start in zip((gan.generator, gan.discriminator), before, strict=True)]

    def flat(player):
        return np.concatenate([np.ravel(weight) for weight in player.get_weights()]).astype("float64")

    halves = two_devices.experimental_distribute_values_from_function(
        lambda context: real[3 * context.replica_id_in_sync_group :][:3]
    )
    expected = moves(contextlib.nullcontext(), lambda gan: gan.train_step(real))
    given = moves(two_devices.scope(), lambda gan: two_devices.run(gan.train_step, (halves,)))
    for one, two in zip(expected, given, strict=True):
        assert np.linalg.norm(two - one) < 1e-4 * np.linalg.norm(one)


class Recorder(losses.GradientRegularizer):
    """Adds nothing, and keeps what it was given."""

    def penalty(self, discriminator, real, fake, alpha):
        self.given = real, fake, alpha
        return tf.zeros(len(real))


def test_the_regularizer_is_given_real_then_fake_and_a_draw_from_0_to_1_an_image():
    gan = gz.GAN((8, 8, 1), latent_dim=4)
    gan.compile(regularizer=Recorder())
    alphas = []
    for seed in (0, 1):
        real, fake = images(500, seed), images(500, seed + 2)
        gan.discriminator_step(gan.scorer(None), real, fake)
        np.testing.assert_array_equal(gan.regularizer.given[0], real)
        np.testing.assert_array_equal(gan.regularizer.given[1], fake)
        alphas.append(gan.regularizer.given[2].numpy())
        assert scipy.stats.kstest(alphas[-1], "uniform").pvalue > 0.01
    assert (alphas[0] != alphas[1]).all()


class OwnNormalization(keras.layers.BatchNormalization):
    pass


@pytest.mark.parametrize("kind", [keras.layers.BatchNormalization, FusedBatchNormalization, OwnNormalization])
@pytest.mark.parametrize("regularizer", ["gradient_penalty", "r1"])
def test_regularizers_refuse_batch_normalization_at_any_depth(kind, regularizer):
    inner = keras.Sequential([keras.layers.Dense(8), keras.Sequential([kind(name="deep")])])
    discriminator = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), inner, keras.layers.Dense(1)])
    gan = gz.GAN((8, 8, 1), latent_dim=4, discriminator=discriminator)
    with pytest.raises(ValueError, match=r"batch normalisation in the discriminator mixes images \(layer 'deep'\)"):
        gan.compile(regularizer=regularizer)
    assert not gan.compiled
    gan.compile()


def vectors(gan):
    return [layer.right_vector.numpy() for layer in nested_layers(gan.discriminator) if is_spectral(layer)]


def is_spectral(layer):
    return isinstance(layer, SpectralNormalization)


def test_one_power_iteration_for_each_update_of_the_discriminator():
    """Algorithm 1 of Miyato et al. 2018, whatever else the discriminator is asked in a step."""
    gan = gz.GAN((8, 8, 1), latent_dim=4, discriminator_normalization="spectral")
    gan.compile(regularizer="gradient_penalty")
    expected = []
    for layer in filter(is_spectral, nested_layers(gan.discriminator)):
        left = layer.layer.kernel.numpy() @ layer.right_vector.numpy()
        right = layer.layer.kernel.numpy().T @ left
        expected.append(right / np.linalg.norm(right))
    assert len(expected) == 3
    before = vectors(gan)
    with tf.GradientTape() as tape:
        fake = gan.generator_images(gan.draw(gan.draw_noise, 16), training=True)
    gan.discriminator_step(gan.scorer(None), images(), fake)
    after = vectors(gan)
    for given, right, old in zip(after, expected, before, strict=True):
        np.testing.assert_allclose(given, right, atol=1e-5)
        assert len(old) == 1 or np.abs(given - old).max() > 1e-2
    gan.generator_step(tape, fake, gan.scorer(None))
    gan.evaluate(images(), verbose=0)
    gan.discriminate(images())
    gan.scores(images(), training=True)
    np.testing.assert_equal(vectors(gan), after)


def test_kerass_own_spectral_normalization_stays_usable(tmp_path):
    layer = keras.layers.SpectralNormalization(keras.layers.Dense(8))
    discriminator = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), layer, keras.layers.Dense(1)])
    gan = gz.GAN((8, 8, 1), latent_dim=4, discriminator=discriminator)
    gan.compile(regularizer="r1")
    gan.fit(images(), verbose=0)
    gan.save(tmp_path / "gan.keras")
    copy = keras.models.load_model(tmp_path / "gan.keras")
    assert type(copy.discriminator.layers[1]) is keras.layers.SpectralNormalization
    np.testing.assert_array_equal(copy.discriminate(images()), gan.discriminate(images()))


@pytest.mark.parametrize("name", losses.GAMES)
def test_every_game_can_be_played(name):
    gan = gz.GAN((8, 8, 1), latent_dim=4)
    gan.compile(loss=name)
    history = gan.fit(images(64), batch_size=16, epochs=2, verbose=0).history
    assert all(np.isfinite(column).all() for column in history.values())


def test_compile_is_saved_whole(tmp_path):
    gan = gz.GAN((8, 8, 1), latent_dim=4)
    gan.compile(
        keras.optimizers.Adam(1e-3),
        keras.optimizers.RMSprop(2e-3),
        loss=losses.NonSaturating(0.1),
        regularizer=losses.R1(3.0),
        run_eagerly=True,
    )
    gan.save(tmp_path / "gan.keras")
    copy = keras.models.load_model(tmp_path / "gan.keras")
    assert copy.game.get_config() == {"label_smoothing": 0.1} and copy.regularizer.get_config() == {"weight": 3.0}
    assert copy.run_eagerly
    assert float(copy.generator_optimizer.learning_rate) == pytest.approx(1e-3)
    assert isinstance(copy.discriminator_optimizer, keras.optimizers.RMSprop)


def test_loss_scales_survive_saving(tmp_path):
    gan = gz.GAN((8, 8, 1), latent_dim=4, dtype="mixed_float16")
    gan.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), initial_scale=64.0))
    assert float(gan.discriminator_optimizer.dynamic_scale) == 2.0**15
    gan.fit(images(), verbose=0)
    gan.save(tmp_path / "gan.keras")
    copy = keras.models.load_model(tmp_path / "gan.keras")
    assert float(copy.generator_optimizer.dynamic_scale) == float(gan.generator_optimizer.dynamic_scale) == 64.0
    assert not isinstance(copy.generator_optimizer.inner_optimizer, keras.optimizers.LossScaleOptimizer)


# ---- latents ----


def test_priors():
    normal, uniform = gz.GAN((8, 8, 1), 50).prior, gz.GAN((8, 8, 1), 50, prior="uniform").prior
    np.testing.assert_allclose(normal.log_prob(tf.zeros(50)), -25 * np.log(2 * np.pi), rtol=1e-6)
    np.testing.assert_allclose(uniform.log_prob(tf.zeros(50)), -50 * np.log(2), rtol=1e-6)
    draws = uniform.sample(1000, seed=(0, 0)).numpy()
    assert draws.shape == (1000, 50) and -1 <= draws.min() < -0.99 and 0.99 < draws.max() <= 1


def test_sample_decodes_draws_from_the_prior():
    gan = gz.GAN((8, 8, 1), latent_dim=4, prior="uniform")
    latents = gan.prior.sample(3, seed=tf.constant([5, 0]))
    np.testing.assert_allclose(gan.sample(3, seed=5), gan.decode(latents), atol=1e-6)
    np.testing.assert_allclose(gan.predict(latents, verbose=0), gan.decode(latents), atol=1e-6)


def test_interpolation_keeps_ends_and_lengths():
    gan = gz.GAN((8, 8, 1), latent_dim=4)
    a, b = (tf.math.l2_normalize(gan.prior.sample(2, seed=(i, 0)), axis=-1) * 2 for i in (0, 1))
    seen = []
    gan.decode_paths = lambda paths, labels=None: seen.append(paths.numpy()) or paths
    gan.interpolate(a, b, 7)
    gan.interpolate(a, b, 3, method="linear")
    gan.interpolate(a, a, 5)
    gan.interpolate(a, -a, 5)
    circle, line, still, opposite = seen
    for path in (circle, line):
        np.testing.assert_allclose(path[:, 0], a, atol=1e-6)
        np.testing.assert_allclose(path[:, -1], b, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(circle, axis=-1), 2, rtol=1e-5)
    angles = np.arccos((circle[:, :-1] * circle[:, 1:]).sum(-1) / 4)
    np.testing.assert_allclose(angles, angles[:, :1] * np.ones(6), rtol=1e-3)  # equal steps
    np.testing.assert_allclose(line[:, 1], (a + b) / 2, atol=1e-6)
    np.testing.assert_allclose(still, np.repeat(a[:, None], 5, 1), atol=1e-6)
    assert np.isfinite(opposite).all()


def test_interpolated_images():
    gan = gz.GAN((8, 8, 1), latent_dim=4, num_classes=3)
    a, b = gan.prior.sample(2), gan.prior.sample(2)
    path = gan.interpolate(a, b, 5, labels=[0, 2])
    assert path.shape == (2, 5, 8, 8, 1)
    np.testing.assert_allclose(path[:, -1], gan.decode(b, [0, 2]), atol=1e-6)
    with pytest.raises(ValueError, match="`num_steps` must be at least 2"):
        gan.interpolate(a, b, 1, labels=[0, 2])
    with pytest.raises(ValueError, match="`a` and `b` must hold equally many; got 2 and 1"):
        gan.interpolate(a, b[:1], 5, labels=[0, 2])
    with pytest.raises(ValueError, match=r"`a` must be floating of shape \(\.\.\., n, 4\)"):
        gan.interpolate(a[:, :3], b, 5)
    with pytest.raises(ValueError, match="`method` must be one of 'spherical', 'linear'"):
        gan.interpolate(a, b, 5, method="cubic")


def test_latent_arithmetic():
    gan = gz.GAN((8, 8, 1), latent_dim=2)
    result = gan.latent_arithmetic([[1.0, 0.0], [3.0, 0.0]], minus=[[1.0, 1.0]], plus=[[0.0, 4.0], [0.0, 6.0]])
    np.testing.assert_allclose(result, [[1.0, 4.0]])
    assert gan.decode(result).shape == (1, 8, 8, 1)
    several = tf.random.stateless_normal((5, 3, 2), (0, 0))
    np.testing.assert_allclose(
        gan.latent_arithmetic(several, several, several)[:, 0], tf.reduce_mean(several, axis=1), atol=1e-6
    )
    with pytest.raises(ValueError, match=r"`minus` must be floating of shape \(\.\.\., n, 2\)"):
        gan.latent_arithmetic([[1.0, 0.0]], minus=[[1.0]], plus=[[0.0, 4.0]])


# ---- the average of the generator's weights ----


def test_average_of_the_generator():
    """Every weight follows avg <- d avg + (1 - d) w, d = min(decay, (1 + t) / (10 + t)); samples come from it."""
    gan = gz.DCGAN((8, 8, 1), latent_dim=4, generator_ema_decay=0.5)
    gan.compile()
    expected = [w.numpy() for w in gan.generator.weights]
    for step in range(1, 16):
        gan.train_step(images(seed=step))
        decay = min(0.5, (1 + step) / (10 + step))
        expected = [decay * e + (1 - decay) * w.numpy() for e, w in zip(expected, gan.generator.weights, strict=True)]
    for average, value in zip(gan.generator_averages, expected, strict=True):
        np.testing.assert_allclose(average, value, atol=1e-6)

    latents = gan.prior.sample(5)
    trained = gan.generator(latents).numpy()
    averaged = gan.decode(latents).numpy()
    gan.generator.set_weights(expected)
    np.testing.assert_allclose(averaged, gan.generator(latents), atol=1e-6)
    assert np.abs(averaged - trained).max() > 1e-4


def test_what_is_served_and_evaluated_is_the_average():
    gan = gz.GAN((8, 8, 1), latent_dim=4, generator_ema_decay=0.9)
    gan.compile()
    gan.generator.set_weights([weight + 0.1 for weight in gan.generator.get_weights()])
    latents = gan.prior.sample(3, seed=tf.constant([5, 0]))
    averaged, trained = gan.decode(latents), gan.generator_images(latents)
    assert np.abs(averaged - trained).max() > 1e-2
    signatures = gan.signatures()
    for name, given in {"sample": {"num_samples": 3, "seed": 5}, "decode": {"latents": latents}}.items():
        np.testing.assert_allclose(signatures[name].function(**given)["images"], averaged, atol=1e-6)
    gan.draw_noise = lambda n, seed: latents
    score = float(gan.test_step(images(3))["fake_score"])
    assert score == pytest.approx(float(tf.reduce_mean(tf.sigmoid(gan.scores(averaged)))), rel=1e-5)
    assert score != pytest.approx(float(tf.reduce_mean(tf.sigmoid(gan.scores(trained)))), rel=1e-4)


def test_images_of_a_generator_without_a_sigmoid_are_cut_to_0_and_1():
    generator = keras.Sequential([keras.Input((64,)), keras.layers.Reshape((8, 8, 1))])
    gan = gz.GAN((8, 8, 1), 64, generator)
    latents = gan.prior.sample(3)
    np.testing.assert_array_equal(gan.decode(latents), np.clip(np.reshape(latents, (3, 8, 8, 1)), 0, 1))


def test_average_begins_at_the_weights_and_is_off_by_default():
    gan = gz.GAN((8, 8, 1), latent_dim=4, generator_ema_decay=0.9)
    latents = gan.prior.sample(5)
    np.testing.assert_allclose(gan.decode(latents), gan.generator(latents), atol=1e-6)
    assert not hasattr(gz.GAN((8, 8, 1)), "generator_averages")


@pytest.mark.parametrize("decay", [0.9, None])
def test_weights_put_into_the_generator_show_once_the_averages_are_reset(decay, tmp_path):
    other, gan = (gz.DCGAN((8, 8, 1), latent_dim=4, generator_ema_decay=decay) for _ in range(2))
    latents = gan.prior.sample(5)
    before = gan.decode(latents)
    other.generator.save_weights(tmp_path / "generator.weights.h5")
    gan.generator.load_weights(tmp_path / "generator.weights.h5")
    assert np.array_equal(gan.decode(latents), before) == (decay is not None)
    gan.reset_generator_averages()
    np.testing.assert_allclose(gan.decode(latents), other.decode(latents), atol=1e-6)
    assert np.abs(gan.decode(latents) - before).max() > 1e-3


def test_weights_of_the_whole_model_bring_their_averages(tmp_path):
    other, gan = (gz.GAN((8, 8, 1), latent_dim=4, generator_ema_decay=0.5) for _ in range(2))
    other.compile()
    other.fit(images(), verbose=0)
    other.save_weights(tmp_path / "whole.weights.h5")
    gan.load_weights(tmp_path / "whole.weights.h5")
    latents = gan.prior.sample(5)
    np.testing.assert_allclose(gan.decode(latents), other.decode(latents), atol=1e-6)
    assert np.abs(gan.decode(latents) - gan.generator(latents)).max() > 1e-5


# ---- networks of one's own ----


def own_networks():
    generator = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(64, "sigmoid"), keras.layers.Reshape((8, 8, 1))], name="mine"
    )
    discriminator = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1, kernel_regularizer="l2")]
    )
    return generator, discriminator


def test_own_networks_are_trained_regularised_and_saved(tmp_path):
    generator, discriminator = own_networks()
    gan = gz.GAN((8, 8, 1), 4, generator, discriminator, generator_ema_decay=0.9)
    gan.compile()
    fake = gan.generator_images(gan.draw(gan.draw_noise, 16))
    scores = gan.scores(images()), gan.scores(fake)
    penalty = 0.01 * np.square(discriminator.layers[-1].kernel).sum()
    loss = gan.discriminator_step(gan.scorer(None), images(), fake)["discriminator_loss"]
    np.testing.assert_allclose(loss, gan.game.discriminator_loss(*scores) + penalty, rtol=1e-5)
    gan.fit(images(), verbose=0)
    gan.save_to_preset(tmp_path / "preset")
    copy = gz.GAN.from_preset(tmp_path / "preset")
    np.testing.assert_allclose(copy.sample(3, seed=0), gan.sample(3, seed=0), atol=1e-2)  # weights are rounded


def test_the_generators_own_regularisers_pull_where_the_game_does_not():
    _, discriminator = own_networks()
    discriminator.set_weights([0 * weight for weight in discriminator.get_weights()])  # the same score everywhere
    generator = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(64, kernel_regularizer="l2"), keras.layers.Reshape((8, 8, 1))]
    )
    gan = gz.GAN((8, 8, 1), 4, generator, discriminator)
    gan.compile(keras.optimizers.SGD(5.0), keras.optimizers.SGD(0.0), loss="wasserstein")
    kernel = generator.layers[0].kernel.numpy()
    gan.train_step(images())
    np.testing.assert_allclose(generator.layers[0].kernel, kernel * (1 - 5 * 2 * 0.01), rtol=1e-5)


def test_networks_of_the_wrong_shape():
    generator, _ = own_networks()
    with pytest.raises(ValueError, match=r"`generator` must give outputs of shape \(n, 8, 8, 3\)"):
        gz.GAN((8, 8, 3), 4, generator)
    with pytest.raises(ValueError, match=r"`discriminator` must give outputs of shape \(n, 1\).*\(n, 8, 8, 1\)"):
        gz.GAN((8, 8, 1), 4, discriminator=generator)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prior": "gaussian"}, "`prior` must be one of 'normal', 'uniform'; got 'gaussian'"),
        ({"discriminator_steps": 0}, "`discriminator_steps` must be a positive integer; got 0"),
        ({"discriminator_normalization": "instance"}, "`discriminator_normalization` must be one of None, 'batch'"),
        ({"generator_ema_decay": 1.0}, r"`generator_ema_decay` must lie in \(0, 1\)"),
        ({"latent_dim": 0}, "`latent_dim`"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gz.GAN((8, 8, 1), **arguments)


def test_bad_compile_arguments():
    gan = gz.GAN((8, 8, 1), discriminator_normalization="batch")
    optimizer = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="must be an optimiser each, not one"):
        gan.compile(optimizer, optimizer)
    with pytest.raises(ValueError, match="`optimizer` is not an argument"):
        gan.compile(optimizer=optimizer)
    with pytest.raises(ValueError, match="batch normalisation in the discriminator mixes images"):
        gan.compile(regularizer="r1")


# ---- it learns ----


def ring(n):
    """Eight Gaussians of deviation 0.02 on a circle, as images `(n, 1, 1, 2)` in [0, 1], and their centres."""
    angles = np.arange(8) * np.pi / 4
    centres = 0.5 + 0.35 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    rng = np.random.default_rng(0)
    points = centres[rng.integers(8, size=n)] + rng.normal(0, 0.02, (n, 2))
    return points.reshape(n, 1, 1, 2).astype("float32"), centres


@pytest.mark.slow
def test_covers_a_ring_of_eight_gaussians():
    points, centres = ring(50_000)
    gan = gz.GAN((1, 1, 2), latent_dim=16, generator_ema_decay=0.999)
    optimizers = [keras.optimizers.Adam(1e-3, beta_1=0.0) for _ in range(2)]
    gan.compile(*optimizers, regularizer=losses.R1(0.02))
    dataset = tf.data.Dataset.from_tensor_slices(points).shuffle(50_000, seed=0).batch(256)
    gan.fit(dataset, epochs=12, verbose=0)
    samples = gan.sample(4000, seed=0).numpy().reshape(-1, 2)
    distances = np.linalg.norm(samples[:, None] - centres, axis=-1)
    near = distances.min(1) < 4 * 0.02
    shares = np.bincount(distances.argmin(1)[near], minlength=8) / 4000
    print(f"ring: {near.mean():.1%} of samples within 4 deviations of a centre, shares {np.round(shares, 3)}")
    assert (shares > 1 / 8 / 3).all(), shares
    assert near.mean() > 0.85

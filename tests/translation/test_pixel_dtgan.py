"""PixelDTGAN: a step written out, the optimum of D_A over three kinds of pairs, and who is told the source."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz

RNG = np.random.default_rng(0)
TARGETS, SOURCES = (tf.constant(RNG.uniform(size=(5, 4, 4, 1)), tf.float32) for _ in "ts")


def own_networks(channels=1):
    """C, D_R and D_A of a few weights."""
    layers = keras.layers
    converter = keras.Sequential(
        [keras.Input((4, 4, channels)), layers.Flatten(), layers.Dense(16, "sigmoid"), layers.Reshape((4, 4, 1))]
    )
    judge = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Conv2D(3, 2, activation="tanh"), layers.Conv2D(1, 2, strides=2)]
    )
    targets, sources = keras.Input((4, 4, 1)), keras.Input((4, 4, channels))
    x = layers.Conv2D(4, 2, activation="tanh")(layers.Concatenate()([targets, sources]))
    judge_of_pairs = keras.Model([targets, sources], layers.Conv2D(1, 2, strides=2)(x))
    return {"converter": converter, "discriminator": judge, "domain_discriminator": judge_of_pairs}


def at_rest(**networks):
    model = gz.PixelDTGAN((4, 4, 1), **(networks or own_networks()))
    model.compile(**{name: keras.optimizers.SGD(0.0) for name in model.optimizer_names})
    return model


def test_a_step_is_the_three_updates():
    """D_R, D_A, then C by both as they are by then; SGD written out."""
    networks = own_networks()
    model = gz.PixelDTGAN((4, 4, 1), **networks)
    rates = {"converter": 0.5, "discriminator": 0.3, "domain_discriminator": 0.4}
    model.compile(**{f"{name}_optimizer": keras.optimizers.SGD(rate) for name, rate in rates.items()})
    peers = {name: keras.models.clone_model(network) for name, network in networks.items()}
    for name, peer in peers.items():
        peer.set_weights(networks[name].get_weights())
    c, d_r, d_a = peers.values()

    def log_d(scores):
        return tf.reduce_mean(tf.math.log_sigmoid(scores))

    def descend(name, loss, tape):
        variables = peers[name].trainable_variables
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(rates[name] * tf.convert_to_tensor(gradient))
        return float(loss)

    fake, others = tf.constant(c(SOURCES)), tf.constant(TARGETS.numpy()[[1, 2, 3, 4, 0]])
    with tf.GradientTape() as tape:
        loss = -(log_d(d_r(TARGETS)) + log_d(-d_r(fake))) / 2
    expected = {"discriminator_loss": descend("discriminator", loss, tape)}
    with tf.GradientTape() as tape:
        of_reals = log_d(d_a([TARGETS, SOURCES])) + log_d(-d_a([others, SOURCES]))
        loss = -(of_reals + log_d(-d_a([fake, SOURCES]))) / 3
    expected["domain_discriminator_loss"] = descend("domain_discriminator", loss, tape)
    with tf.GradientTape() as tape:
        fake = c(SOURCES)
        loss = -(log_d(d_r(fake)) + log_d(d_a([fake, SOURCES]))) / 2
    expected["mse"] = float(tf.reduce_mean((TARGETS - fake) ** 2))
    expected["converter_loss"] = descend("converter", loss, tape)

    metrics = {name: float(value) for name, value in model.train_step((TARGETS, SOURCES)).items()}
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    for name, peer in peers.items():
        for weight, wanted in zip(networks[name].trainable_variables, peer.trainable_variables, strict=True):
            np.testing.assert_allclose(weight.numpy(), wanted.numpy(), atol=2e-6, err_msg=f"{name} {weight.path}")


def test_validation_reports_what_training_minimises():
    model = at_rest()
    trained = {name: float(value) for name, value in model.train_step((TARGETS, SOURCES)).items()}
    model.reset_metrics()
    assert trained == pytest.approx({k: float(v) for k, v in model.test_step((TARGETS, SOURCES)).items()}, rel=1e-5)


def test_swapped_sources_change_what_pairs_say_and_nothing_else():
    """At the same fakes: D_R is not told the source."""
    model = at_rest()
    fakes = {"own": model.converter(SOURCES)}
    model.fake = lambda sources: fakes["own"]
    losses = [model.player_losses((TARGETS, sources)) for sources in (SOURCES, SOURCES[::-1])]
    (of_r, r_swapped), (of_a, a_swapped) = (
        [sum(x[player].values()).numpy() for x in losses] for player in ("discriminator", "domain_discriminator")
    )
    np.testing.assert_array_equal(of_r, r_swapped)
    assert np.abs(of_a - a_swapped).max() > 1e-4


def table_of_pairs(num_values):
    """D_A of images of one pixel: a table of scores by the levels of target and source."""

    def one_hot(x):
        x = keras.layers.Rescaling(float(num_values))(keras.layers.Flatten()(x))
        return keras.layers.Discretization(bin_boundaries=list(range(1, num_values)), output_mode="one_hot")(x)

    targets, sources = keras.Input((1, 1, 1)), keras.Input((1, 1, 1))
    x = [
        keras.layers.Reshape((num_values, 1))(one_hot(targets)),
        keras.layers.Reshape((1, num_values))(one_hot(sources)),
    ]
    x = keras.layers.Flatten()(keras.layers.Multiply()(x))  # which of the pairs it is
    scores = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(x)
    return keras.Model([targets, sources], keras.layers.Reshape((1, 1, 1))(scores))


def test_the_optimum_of_d_a_is_the_share_of_associated_pairs():
    """D_A(s, t) = p / (p + q + g): associated, unassociated and generated pairs, each a third of what it sees.

    Without the unassociated real kind, or with the associated one counted for each of the others, it is another.
    """
    num_values, n = 3, 90
    levels = np.arange(n) % num_values  # of sources; of their targets, and of what C makes of them:
    targets, drawn = (np.random.default_rng(1).choice(num_values, n, p=p) for p in ([0.5, 0.3, 0.2], [0.2, 0.3, 0.5]))
    following = np.roll(targets, -1)

    def images(x):
        return tf.reshape(tf.constant((x + 0.5) / num_values, tf.float32), (-1, 1, 1, 1))

    one = keras.Sequential([keras.Input((1, 1, 1)), keras.layers.Conv2D(1, 1)])
    model = gz.PixelDTGAN((1, 1, 1), converter=one, discriminator=one, domain_discriminator=table_of_pairs(num_values))
    model.compile(domain_discriminator_optimizer=keras.optimizers.SGD(10.0))
    given = images(targets), images(drawn), images(levels)
    step = tf.function(lambda: model.judge_step(lambda: model.domain_terms(*given), "domain_discriminator"))
    for _ in range(500):
        loss = step()["domain_discriminator_loss"]
    counts = np.zeros((3, num_values, num_values))  # by kind, source, target
    np.add.at(counts[0], (levels, targets), 1)
    np.add.at(counts[1], (levels, following), following != targets)
    np.add.at(counts[2], (levels, drawn), 1)
    assert 0 < counts[1].sum() < n  # some neighbours share a target
    share = counts[0] / counts.sum(axis=0)
    assert share.min() > 0 and share.max() < 1
    of_sources, of_targets = (images(x.ravel()) for x in np.indices(share.shape))
    scores = model.pair_scores(of_targets, of_sources).numpy().reshape(share.shape)
    np.testing.assert_allclose(1 / (1 + np.exp(-scores)), share, atol=1e-3)
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert float(tf.reduce_mean(loss)) == pytest.approx((counts.sum(axis=0) * entropy).sum() / (3 * n), rel=1e-4)


def test_an_unassociated_target_is_never_the_associated_one():
    model = at_rest()
    targets = tf.gather(TARGETS, [0, 1, 1, 2, 0])
    others, are_others = model.unassociated(targets)
    np.testing.assert_array_equal(others, tf.gather(TARGETS, [1, 1, 2, 0, 0]))
    np.testing.assert_array_equal(are_others, [1, 0, 1, 1, 0])
    _, are_others = model.unassociated(TARGETS[:1])
    np.testing.assert_array_equal(are_others, [0])
    terms, _, _ = model.domain_terms(targets, model.fake(SOURCES), SOURCES)
    np.testing.assert_array_equal(terms["unassociated"].numpy() == 0, [False, True, False, False, True])
    assert np.isfinite(float(model.train_step((TARGETS[:1], SOURCES[:1]))["domain_discriminator_loss"]))


def test_both_images_of_a_pair_are_augmented_alike():
    model = gz.PixelDTGAN((8, 8, 1), num_filters=2, code_dim=2)
    model.compile(augmentation="cutout")
    pairs, alone = [], []
    pair_scores, scores = model.pair_scores, model.scores
    model.pair_scores = lambda x, y, training=True: pairs.append((x.numpy(), y.numpy())) or pair_scores(x, y, training)
    model.scores = lambda x, training=True: alone.append(x.numpy()) or scores(x, training)
    ones = np.ones((16, 8, 8, 1), "float32")
    model.fake = lambda sources: tf.constant(ones)
    model.descend = lambda player, loss, tape: loss
    model.train_step((ones, ones))
    assert len(pairs) == 4 and len(alone) == 3
    for x, y in pairs:
        np.testing.assert_array_equal(x, y)
    assert all((x == 0.5).any(axis=(1, 2, 3)).all() for x in (*alone, *(x for x, _ in pairs)))


@pytest.mark.slow
def test_the_pair_is_learned():
    """Targets of one level each, from the level of their source, which D_A alone asks for."""
    keras.utils.set_random_seed(0)
    levels = RNG.integers(0, 2, 512)
    targets = np.where(levels, 0.8, 0.2).reshape(-1, 1, 1, 1).astype("float32") * np.ones((1, 4, 4, 1), "float32")
    sources = levels.reshape(-1, 1, 1, 1).astype("float32") * np.ones((1, 4, 4, 1), "float32")
    model = gz.PixelDTGAN((4, 4, 1), **own_networks())
    model.compile(**{name: keras.optimizers.Adam(5e-3, beta_1=0.5) for name in model.optimizer_names})
    model.fit(gz.data.pairs(targets, sources, 64, seed=0), epochs=30, verbose=0)
    assert np.abs(model.translate(sources[:50]).numpy().mean((1, 2, 3)) - targets[:50].mean((1, 2, 3))).max() < 0.15


def test_other_sizes_and_what_is_refused():
    model = gz.PixelDTGAN((12, 10, 3), (12, 10, 1), num_filters=2, code_dim=3)
    model.compile(run_eagerly=True)
    sources = RNG.uniform(size=(3, 12, 10, 1)).astype("float32")
    model.train_on_batch(sources.repeat(3, axis=-1), sources)
    assert model.translate(sources, seed=0).shape == (3, 12, 10, 3)
    networks = own_networks()
    flat = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    for arguments, options, message in (
        (((8, 8, 1), (16, 16, 1)), {}, r"`source_shape` must have the sides of `image_shape`; got \(16, 16, 1\)"),
        (((8, 8, 1),), {"code_dim": 0}, "`code_dim` must be a positive integer"),
        (
            ((4, 4, 1),),
            {**networks, "discriminator": flat},
            r"`discriminator` must give outputs of shape \(n, any, any",
        ),
        (((8, 8, 1),), {"converter": networks["converter"]}, r"`converter` must give outputs of shape \(n, 8, 8, 1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            gz.PixelDTGAN(*arguments, **options)
    with pytest.raises(ValueError, match="`loss` is not an argument of PixelDTGAN, which plays the game of its paper"):
        model.compile(loss="wasserstein")

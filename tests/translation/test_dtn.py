"""DTN: what vanishes where nothing changes, whom each gradient reaches, the optimum of three kinds, fixed features."""

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.models.translation.dtn import OF_SOURCE, OF_TARGET, REAL, total_variation

RNG = np.random.default_rng(0)
TARGETS, SOURCES = (tf.constant(RNG.uniform(size=(5, 4, 4, 1)), tf.float32) for _ in "ts")


def sequential(shape, *layers):
    return keras.Sequential([keras.Input(shape), *layers])


def features_of(num_features=6, shape=(4, 4, 1)):
    """Fixed features with batch normalisation, whose averages a careless call would move."""
    layers = keras.layers
    return sequential(
        shape, layers.Flatten(), layers.Dense(num_features), layers.BatchNormalization(), layers.Activation("tanh")
    )


def own_networks(num_features=6):
    """f, g and D of a few weights."""
    g = sequential((num_features,), keras.layers.Dense(16, "sigmoid"), keras.layers.Reshape((4, 4, 1)))
    d = sequential((4, 4, 1), keras.layers.Conv2D(3, 1, activation="tanh"), keras.layers.Conv2D(3, 2, strides=2))
    return {"features": features_of(num_features), "generator": g, "discriminator": d}


def identity(**options):
    """G = g(f(x)) = x."""
    networks = own_networks()
    networks |= {"features": sequential((4, 4, 1), keras.layers.Identity())}
    networks |= {"generator": sequential((16,), keras.layers.Reshape((4, 4, 1)))}
    return gz.DTN((4, 4, 1), **networks, **options)


def test_where_nothing_changes_only_the_game_is_left():
    model = identity(const_weight=15.0, identity_weight=15.0)
    np.testing.assert_array_equal(model.translate(SOURCES), SOURCES)
    distances = model.distances(TARGETS, SOURCES, *model.fakes(TARGETS, SOURCES))
    np.testing.assert_array_equal(distances["constancy"], np.zeros(5))
    np.testing.assert_array_equal(distances["identity"], np.zeros(5))
    flat = tf.fill((5, 4, 4, 1), 0.3)
    assert float(tf.reduce_max(total_variation(flat))) < 2e-6
    # Of sources and targets that are flat nothing but the game is left of the generator's loss.
    model.compile()
    metrics = model.test_step((flat, flat))
    game = -2 * scipy.special.log_softmax(model.logits(flat, training=False).numpy().astype("float64"), axis=-1)[..., 2]
    assert float(metrics["generator_loss"]) == pytest.approx(game.mean(), rel=1e-5)


def test_total_variation_is_the_length_of_the_slope():
    x = RNG.uniform(size=(3, 5, 4, 2))
    slopes = [
        [[np.hypot(x[n, i + 1, j] - x[n, i, j], x[n, i, j + 1] - x[n, i, j]) for j in range(3)] for i in range(4)]
        for n in range(3)
    ]
    expected = np.mean(slopes, axis=(1, 2, 3))
    np.testing.assert_allclose(total_variation(tf.constant(x, tf.float32)), expected, rtol=1e-5)


def test_a_step_is_the_two_updates_of_the_paper():
    """D on its three kinds, then G on the game and what it pays for beside; SGD written out."""
    networks = own_networks()
    model = gz.DTN((4, 4, 1), **networks, const_weight=3.0, identity_weight=5.0, tv_weight=0.7)
    rates = {"generator": 0.02, "discriminator": 0.5}
    model.compile(**{f"{name}_optimizer": keras.optimizers.SGD(rate) for name, rate in rates.items()})
    g, d = (keras.models.clone_model(networks[name]) for name in rates)
    g.set_weights(networks["generator"].get_weights())
    d.set_weights(networks["discriminator"].get_weights())

    def f(images):
        return networks["features"](images, training=False)

    def log_d(images):
        return tf.reduce_mean(tf.nn.log_softmax(d(images)), axis=(0, 1, 2))

    def descend(rate, loss, tape, network):
        gradients = tape.gradient(loss, network.trainable_variables)
        for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
            variable.assign_sub(rate * tf.convert_to_tensor(gradient))

    with tf.GradientTape() as tape:
        loss = -log_d(g(f(SOURCES)))[0] - log_d(g(f(TARGETS)))[1] - log_d(TARGETS)[2]
    descend(rates["discriminator"], loss, tape, d)
    with tf.GradientTape() as tape:
        of_sources, of_targets = g(f(SOURCES)), g(f(TARGETS))
        loss_of_g = (
            -log_d(of_sources)[2]
            - log_d(of_targets)[2]
            + 3 * tf.reduce_mean((f(SOURCES) - f(of_sources)) ** 2)
            + 5 * tf.reduce_mean((TARGETS - of_targets) ** 2)
            + 0.7 * tf.reduce_mean(total_variation(of_sources) + total_variation(of_targets))
        )
    descend(rates["generator"], loss_of_g, tape, g)

    metrics = model.train_step((TARGETS, SOURCES))
    assert float(metrics["discriminator_loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert float(metrics["generator_loss"]) == pytest.approx(float(loss_of_g), rel=1e-5)
    for name, peer in (("generator", g), ("discriminator", d)):
        for weight, expected in zip(networks[name].trainable_variables, peer.trainable_variables, strict=True):
            np.testing.assert_allclose(weight.numpy(), expected.numpy(), atol=2e-6, err_msg=weight.path)


def test_validation_reports_what_training_minimises():
    model = gz.DTN((4, 4, 1), **own_networks(), const_weight=3.0, identity_weight=5.0, tv_weight=0.7)
    model.compile(generator_optimizer=keras.optimizers.SGD(0.0), discriminator_optimizer=keras.optimizers.SGD(0.0))
    trained = {name: float(value) for name, value in model.train_step((TARGETS, SOURCES)).items()}
    model.reset_metrics()
    assert trained == pytest.approx({k: float(v) for k, v in model.test_step((TARGETS, SOURCES)).items()}, rel=1e-5)
    verdicts = scipy.special.softmax(model.logits(TARGETS).numpy(), axis=-1)[..., 2]
    odds = np.log(verdicts / (1 - verdicts)).mean(axis=(1, 2))
    assert trained["real_score"] == pytest.approx(scipy.special.expit(odds).mean(), rel=1e-4)


def test_the_players_reach_their_own_networks_alone():
    """D's loss moves D, G's moves g; features get none of either, in weights or averages."""
    networks = own_networks()
    model = gz.DTN((4, 4, 1), **networks, tv_weight=0.1)
    model.compile()
    for player, own in (("generator", "generator"), ("discriminator", "discriminator")):
        assert {id(v) for v in model.player_variables(player)} == {id(v) for v in networks[own].trainable_variables}
    assert not model.features.trainable_variables
    before = {name: network.get_weights() for name, network in networks.items()}
    data = tf.data.Dataset.from_tensors((TARGETS, SOURCES))
    model.fit(data, epochs=3, verbose=0)
    for name, network in networks.items():
        for old, new in zip(before[name], network.get_weights(), strict=True):
            assert (old == new).all() == (name == "features"), name
    with tf.GradientTape() as tape:  # the gradient by images goes through f to g all the same
        constancy = model.distances(TARGETS, SOURCES, *model.fakes(TARGETS, SOURCES))["constancy"]
    assert all(np.abs(x).max() > 0 for x in tape.gradient(constancy, networks["generator"].trainable_variables))


def of_one_pixel(num_values):
    """A DTN of images of one pixel, of `num_values` levels, and D a table of logits by level."""
    d = sequential(
        (1, 1, 1),
        keras.layers.Rescaling(float(num_values)),
        keras.layers.Discretization(bin_boundaries=list(range(1, num_values)), output_mode="one_hot"),
        keras.layers.Reshape((1, 1, num_values)),
        keras.layers.Dense(3, use_bias=False, kernel_initializer="zeros"),
    )
    layers = sequential((1, 1, 1), keras.layers.Flatten()), sequential((1,), keras.layers.Reshape((1, 1, 1)))
    return gz.DTN((1, 1, 1), features=layers[0], generator=layers[1], discriminator=d)


def test_the_optimum_of_three_kinds_is_their_share():
    """Of three laws on three levels D_k(x) = p_k(x) / sum_j p_j(x), and the loss their entropy given x."""
    num_values, n = 3, 60
    laws = np.array([[30, 20, 10], [6, 24, 30], [20, 10, 30]])  # rows G(s), G(t), t; counts of each level
    images = [
        tf.reshape(tf.constant((np.repeat(range(3), row) + 0.5) / num_values, tf.float32), (n, 1, 1, 1)) for row in laws
    ]
    model = of_one_pixel(num_values)
    model.compile(discriminator_optimizer=keras.optimizers.SGD(1.0))
    fakes = tuple(images[:2])
    step = tf.function(lambda: model.discriminator_step(model.logits, images[REAL], fakes)["discriminator_loss"])
    for _ in range(400):
        loss = step()
    shares = laws / laws.sum(axis=0)
    for level in range(num_values):
        logits = model.logits(tf.fill((1, 1, 1, 1), (level + 0.5) / num_values))[0, 0, 0]
        np.testing.assert_allclose(scipy.special.softmax(logits), shares[:, level], atol=1e-3)
    assert float(tf.reduce_mean(loss)) == pytest.approx(-(laws / n * np.log(shares)).sum(), rel=1e-4)
    assert (OF_SOURCE, OF_TARGET, REAL) == (0, 1, 2)


def test_features_may_be_named_given_or_a_classifier(tmp_path):
    """They give the same, alone after saving too, and a classifier that trains on does not change the model."""
    images = RNG.uniform(size=(3, 8, 8, 1)).astype("float32")
    classifier = gz.evaluation.Classifier.from_preset("classifier_digits")
    expected = classifier.features(images).numpy()
    named, given = (gz.DTN((8, 8, 1), features=x, num_filters=2) for x in ("classifier_digits", classifier))
    classifier.set_weights([weight * 0 for weight in classifier.get_weights()])
    for model in (named, given):
        np.testing.assert_allclose(model.embed(images), expected, atol=1e-5)
    assert classifier.trainable_variables
    named.save_to_preset(tmp_path / "preset")
    loaded = gz.DTN.from_preset(tmp_path / "preset")
    assert not loaded.features.trainable_variables
    np.testing.assert_allclose(loaded.embed(images), expected, atol=2e-3)  # weights in half precision
    np.testing.assert_allclose(loaded.translate(images), named.translate(images), atol=2e-3)


def test_feature_maps_and_sources_of_another_shape():
    """Features of images of any size; maps are flattened."""
    f = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Resizing(4, 4), keras.layers.Conv2D(3, 3)])
    model = gz.DTN((8, 8, 1), (12, 10, 1), features=f, num_filters=2)
    assert model.feature_dim == 12
    model.compile(run_eagerly=True)
    sources = RNG.uniform(size=(3, 12, 10, 1)).astype("float32")
    model.train_on_batch(sources[:, :8, :8], sources)
    assert model.translate(sources).shape == (3, 8, 8, 1)


def test_augmentation_is_of_all_that_the_discriminator_sees():
    model = gz.DTN((8, 8, 1), features=features_of(shape=(8, 8, 1)), num_filters=2)
    model.compile(augmentation="cutout")
    seen, logits = [], model.logits
    model.logits = lambda images, training=True: seen.append(images.numpy()) or logits(images, training)
    images = np.ones((16, 8, 8, 1), "float32")
    model.fakes = lambda targets, sources: (tf.constant(images), tf.constant(images))
    model.descend = lambda player, loss, tape: loss
    model.train_step((images, images))
    assert len(seen) == 5 and all((x == 0.5).any(axis=(1, 2, 3)).all() for x in seen)
    seen.clear()
    model.test_step((images, images))
    assert (seen[-1] == 1).all()


def test_what_is_refused():
    for options, message in (
        ({}, "`features` must be a Keras model.*got None"),
        ({"features": "classifier_mnits"}, "unknown `features` 'classifier_mnits'.*classifier_mnist"),
        ({"features": "classifier_mnist"}, r"`features` cannot be called on images of `source_shape` \(8, 8, 1\)"),
        ({"features": "classifier_digits", "source_shape": (8, 8, 3)}, r"of `source_shape` \(8, 8, 3\).*channels"),
        (
            {"features": sequential((None, None, 1), keras.layers.Conv2D(1, 3)), "source_shape": (9, 8, 1)},
            "of a source as of a target; got 42 and 36",
        ),
        ({"features": "classifier_digits", "const_weight": -1.0}, "`const_weight` must be a number, not negative"),
        ({"features": "classifier_digits", "tv_weight": float("nan")}, "`tv_weight`"),
    ):
        with pytest.raises(ValueError, match=message):
            gz.DTN((8, 8, 1), **options)
    networks = own_networks()
    with pytest.raises(ValueError, match=r"`discriminator` must give outputs of shape \(n, any, any, 3\)"):
        gz.DTN((4, 4, 1), **{**networks, "discriminator": sequential((4, 4, 1), keras.layers.Conv2D(1, 1))})
    model = gz.DTN((4, 4, 1), **networks)
    for options, message in (
        ({"loss": "hinge"}, "`loss` is not an argument of DTN, which plays the game of its paper; got Hinge"),
        ({"regularizer": "r1"}, "`regularizer` is not an argument of DTN"),
    ):
        with pytest.raises(ValueError, match=message):
            model.compile(**options)

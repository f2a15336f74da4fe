"""pix2pix: a step written out, what L1 and the game draw, and that the source is used."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.models.adversarial.losses import R1

RNG = np.random.default_rng(0)
TARGETS, SOURCES = (tf.constant(RNG.uniform(size=(5, 4, 4, 1)), tf.float32) for _ in "xy")


def own_networks(channels=1, noise_dim=3):
    """A generator and a discriminator of a few weights."""
    sources, noise = keras.Input((4, 4, channels)), keras.Input((noise_dim,))
    x = keras.layers.Concatenate()([keras.layers.Flatten()(sources), noise])
    x = keras.layers.Reshape((4, 4, 1))(keras.layers.Dense(16, "sigmoid")(x))
    targets, given = keras.Input((4, 4, 1)), keras.Input((4, 4, channels))
    pair = keras.layers.Concatenate()([targets, given])
    scores = keras.layers.Conv2D(1, 2, strides=2)(keras.layers.Conv2D(3, 1, activation="tanh")(pair))
    return keras.Model([sources, noise], x), keras.Model([targets, given], scores)


def test_a_step_is_the_two_updates_of_the_paper():
    """D on half of the game, then G on the game it wins with log D and 100 times L1; SGD written out."""
    generator, discriminator = own_networks()
    model = gz.Pix2Pix((4, 4, 1), generator=generator, discriminator=discriminator)
    rates = {"generator": 0.01, "discriminator": 0.5}
    model.compile(**{f"{name}_optimizer": keras.optimizers.SGD(rate) for name, rate in rates.items()})
    peers = [keras.models.clone_model(network) for network in (generator, discriminator)]
    for peer, network in zip(peers, (generator, discriminator), strict=True):
        peer.set_weights(network.get_weights())
    g, d = peers
    z = tf.constant(RNG.uniform(size=(5, 3)), tf.float32)
    model.draw = lambda sampler, n: z

    def descend(rate, loss, tape, network):
        for variable, gradient in zip(
            network.trainable_variables, tape.gradient(loss, network.trainable_variables), strict=True
        ):
            variable.assign_sub(rate * tf.convert_to_tensor(gradient))

    fake = tf.constant(g([SOURCES, z]))
    with tf.GradientTape() as tape:
        real_scores, fake_scores = d([TARGETS, SOURCES]), d([fake, SOURCES])
        loss = -0.5 * tf.reduce_mean(tf.math.log_sigmoid(real_scores) + tf.math.log_sigmoid(-fake_scores))
    descend(rates["discriminator"], loss, tape, d)
    with tf.GradientTape() as tape:
        fake = g([SOURCES, z])
        l1 = tf.reduce_mean(tf.abs(TARGETS - fake))
        loss_of_g = -tf.reduce_mean(tf.math.log_sigmoid(d([fake, SOURCES]))) + 100 * l1
    descend(rates["generator"], loss_of_g, tape, g)

    metrics = model.train_step((TARGETS, SOURCES))
    assert float(metrics["l1"]) == pytest.approx(float(l1), rel=1e-5)
    assert float(metrics["discriminator_loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert float(metrics["generator_loss"]) == pytest.approx(float(loss_of_g), rel=1e-5)
    for network, peer in ((generator, g), (discriminator, d)):
        for weight, expected in zip(network.trainable_variables, peer.trainable_variables, strict=True):
            np.testing.assert_allclose(weight.numpy(), expected.numpy(), atol=2e-6, err_msg=weight.path)


def test_validation_reports_what_training_minimises():
    generator, discriminator = own_networks()
    model = gz.Pix2Pix((4, 4, 1), l1_weight=7.0, generator=generator, discriminator=discriminator)
    model.compile(generator_optimizer=keras.optimizers.SGD(0.0), discriminator_optimizer=keras.optimizers.SGD(0.0))
    z = tf.constant(RNG.uniform(size=(5, 3)), tf.float32)
    model.draw = lambda sampler, n: z
    trained = {name: float(value) for name, value in model.train_step((TARGETS, SOURCES)).items()}
    model.reset_metrics()
    assert trained == pytest.approx({k: float(v) for k, v in model.test_step((TARGETS, SOURCES)).items()}, rel=1e-5)
    l1 = np.abs(TARGETS - generator([SOURCES, z])).mean()
    scores = discriminator([generator([SOURCES, z]), SOURCES])
    assert trained["generator_loss"] == pytest.approx(np.log1p(np.exp(-scores)).mean() + 7 * l1, rel=1e-5)


def of_one_pixel():
    """Players of images of one pixel: MLPs."""

    def mlp(x):
        for _ in range(2):
            x = keras.layers.Dense(32, "leaky_relu")(x)
        return keras.layers.Reshape((1, 1, 1))(keras.layers.Dense(1)(x))

    sources, targets, noise = keras.Input((1, 1, 1)), keras.Input((1, 1, 1)), keras.Input((2,))
    image = mlp(keras.layers.Concatenate()([keras.layers.Flatten()(sources), noise]))
    scores = mlp(keras.layers.Flatten()(keras.layers.Concatenate()([targets, sources])))
    generator = keras.Model([sources, noise], keras.layers.Activation("sigmoid")(image))
    return generator, keras.Model([targets, sources], scores)


@pytest.mark.parametrize("l1_weight", [100.0, 0.0])
def test_l1_draws_the_median_and_the_game_draws_as_often_as_it_is(l1_weight):
    """Of targets 0.1 and 0.9: a black source has 0.9 in one case of four, a white one in three.

    Under 100 times L1 all that is drawn is 0.1 from the one and 0.9 from the other (the means are 0.3 and 0.7); under
    the game alone noise decides, in about a quarter and three quarters of the cases.
    """
    white = np.arange(400) // 200
    bright = (np.arange(400) % 4 == 0) != white
    targets, sources = (x.reshape(-1, 1, 1, 1).astype("float32") for x in (0.1 + 0.8 * bright, white))
    generator, discriminator = of_one_pixel()
    model = gz.Pix2Pix((1, 1, 1), l1_weight=l1_weight, generator=generator, discriminator=discriminator)
    players = ("generator_optimizer", "discriminator_optimizer")
    model.compile(
        regularizer=None if l1_weight else R1(0.1),  # without it players of so few weights go round in circles
        **{player: keras.optimizers.Adam(4e-3, beta_1=0.0) for player in players},
    )
    data = tf.data.Dataset.from_tensor_slices((targets, sources)).shuffle(400, seed=0).repeat(60).batch(100)
    model.fit(data, verbose=0)
    for source, share in ((0.0, 0.25), (1.0, 0.75)):
        drawn = model.translate(np.full((2000, 1, 1, 1), source, "float32"), seed=0).numpy()
        if l1_weight:
            assert np.abs(drawn - (0.9 if share > 0.5 else 0.1)).max() < 0.1
        else:
            assert abs((drawn > 0.5).mean() - share) < 0.15
            assert np.minimum(abs(drawn - 0.1), abs(drawn - 0.9)).mean() < 0.12


@pytest.fixture(scope="module")
def trained():
    """Digits drawn anew from their inversion, for seconds."""
    keras.utils.set_random_seed(0)
    data = gz.data.load("digits", "train", batch_size=64, source="inverted", seed=0)
    model = gz.Pix2Pix((8, 8, 1), num_filters=8)
    model.compile(
        generator_optimizer=keras.optimizers.Adam(2e-3, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5),
    )
    model.fit(data, epochs=6, verbose=0)
    return model


def test_the_source_is_used(trained):
    test_set = gz.data.load("digits", "test", batch_size=360, source="inverted", shuffle=False)
    measured = trained.measurements(test_set)
    targets, sources = (part.numpy() / np.float32(255) for part in next(iter(test_set)))
    translated = trained.translate(sources, seed=0).numpy()
    assert float(measured["l1"]) == pytest.approx(abs(targets - translated).mean(), rel=1e-4)
    assert float(measured["l1_of_the_source"]) == pytest.approx(abs(targets - sources).mean(), rel=1e-4)
    assert measured["l1"].value < 0.25 * measured["l1_of_the_source"].value
    mean = gz.data.load("digits", "train", batch_size=2000, shuffle=False)
    mean = next(iter(mean)).numpy().mean(axis=0) / 255
    assert measured["l1"].value < 0.7 * abs(targets - mean).mean()
    errors = abs(targets - translated).mean(axis=(1, 2, 3))
    assert measured["l1"].standard_error == pytest.approx(errors.std(ddof=1) / np.sqrt(360), rel=1e-3)
    ratio = sum(abs(np.diff(translated, axis=a)).mean() for a in (1, 2))
    ratio /= sum(abs(np.diff(targets, axis=a)).mean() for a in (1, 2))
    assert float(measured["gradient_ratio"]) == pytest.approx(ratio, rel=1e-4)


def test_dropout_is_the_noise(trained):
    sources = next(iter(gz.data.load("digits", "test", batch_size=8, source="inverted", shuffle=False)))[1].numpy()
    whole = trained.translate(sources, seed=1).numpy()
    np.testing.assert_allclose(trained.translate(sources, seed=1, batch_size=3), whole, atol=1e-6)
    assert np.abs(trained.translate(sources, seed=2) - whole).max() > 1e-3
    np.testing.assert_allclose(trained.translate(np.repeat(sources[:1], 2, axis=0), seed=1)[0], whole[0], atol=1e-5)


@pytest.mark.parametrize(
    ("image_shape", "source_shape"), [((8, 8, 1), None), ((28, 20, 3), (28, 20, 1)), ((64, 64, 3), (64, 64, 3))]
)
def test_sizes(image_shape, source_shape):
    model = gz.Pix2Pix(image_shape, source_shape, num_filters=2)
    model.compile(run_eagerly=True)
    sources = RNG.uniform(size=(2, *(source_shape or image_shape))).astype("float32")
    targets = RNG.uniform(size=(2, *image_shape)).astype("float32")
    metrics = model.train_on_batch(targets, sources, return_dict=True)
    assert np.isfinite(list(metrics.values())).all()
    assert model.translate(sources).shape == targets.shape
    assert model.discriminate(targets, sources).shape == (2,)


def test_patches_by_size():
    def scores(side, **options):
        return gz.Pix2Pix((side, side, 1), num_filters=1, **options).discriminator.output_shape[1:3]

    assert scores(8) == (1, 1) and scores(32) == (16, 16) and scores(64) == (16, 16) and scores(256) == (32, 32)
    assert scores(64, patch=70) == (8, 8) and scores(64, patch="image") == (1, 1)


def test_batches_as_dicts_and_bad_arguments():
    model = gz.Pix2Pix((8, 8, 1), num_filters=2)
    model.compile()
    images = RNG.uniform(size=(4, 8, 8, 1)).astype("float32")
    batch = tf.data.Dataset.from_tensors({"image": images, "source": images})
    assert set(model.evaluate(batch, verbose=0, return_dict=True)) == set(model.metric_names)
    with pytest.raises(ValueError, match=r"`y` are missing: this model wants sources"):
        model.fit(images, verbose=0)
    for options, message in (({"patch": 50}, "`patch` must be one of 16"), ({"l1_weight": -1}, "`l1_weight`")):
        with pytest.raises(ValueError, match=message):
            gz.Pix2Pix((8, 8, 1), **options)
    with pytest.raises(ValueError, match=r"`source_shape` must have the sides of `image_shape`; got \(16, 16, 1\)"):
        gz.Pix2Pix((8, 8, 1), (16, 16, 1))


def test_own_networks():
    generator, discriminator = own_networks()
    linear = keras.layers.Rescaling(3.0, -1.0)
    beyond = keras.Model(generator.inputs, linear(generator.output))  # a generator that ends in no sigmoid
    model = gz.Pix2Pix((4, 4, 1), generator=beyond, discriminator=discriminator)
    drawn = model.translate(SOURCES, seed=0).numpy()
    assert drawn.min() == 0 and drawn.max() == 1
    np.testing.assert_allclose(drawn, np.clip(beyond([SOURCES, model.noise(5, 0)]), 0, 1), atol=1e-6)
    alone = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 1)])
    with pytest.raises(ValueError, match="`generator` must be a functional Keras model of two inputs"):
        gz.Pix2Pix((4, 4, 1), generator=alone)
    with pytest.raises(ValueError, match=r"`generator` must give outputs of shape \(n, 8, 8, 1\)"):
        gz.Pix2Pix((8, 8, 1), generator=generator)
    flat = keras.Model(discriminator.inputs, keras.layers.Flatten()(discriminator.output))
    with pytest.raises(ValueError, match=r"`discriminator` must give outputs of shape \(n, any, any, 1\)"):
        gz.Pix2Pix((4, 4, 1), generator=generator, discriminator=flat)

"""pix2pix: a step written out, what L1 and the game draw, and that the source is used."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz

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


def test_l1_alone_draws_the_median_of_what_is_possible():
    """Of targets that are 0.9 in three cases of five and 0.1 in two, from one and the same source."""
    keras.utils.set_random_seed(0)
    values = np.tile([0.9, 0.1, 0.9, 0.1, 0.9], 20).astype("float32")
    targets = np.broadcast_to(values[:, None, None, None], (100, 4, 4, 1))
    sources = np.full((100, 4, 4, 1), 0.5, "float32")
    generator, discriminator = own_networks()
    model = gz.Pix2Pix((4, 4, 1), generator=generator, discriminator=discriminator)
    model.compile(generator_optimizer=keras.optimizers.Adam(0.02))
    model.fit(np.ascontiguousarray(targets), sources, epochs=60, batch_size=50, verbose=0)
    drawn = model.translate(sources[:50], seed=0).numpy()
    assert abs(np.median(drawn) - 0.9) < 0.05  # the mean would be 0.58


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
    with pytest.raises(ValueError, match="`target_shape` must have the sides of `source_shape`"):
        gz.Pix2Pix((8, 8, 1), (16, 16, 1))

"""DiscoGAN: a step written out, points and images, and the toy of its paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.models.translation.discogan import encoder_decoder
from keras_genzoo.optimizers import LinearDecay
from tests.translation import gaussian_toy, plain_step

RNG = np.random.default_rng(0)
TARGETS = tf.constant(RNG.normal(size=(6, 2)), tf.float32)
SOURCES = tf.constant(RNG.normal(size=(6, 3)), tf.float32)
RATES = {"generator_optimizer": 0.05, "discriminator_optimizer": 0.5}


def of_points():
    """Networks of a few weights between sources `(3,)` and targets `(2,)`."""

    def network(taken, made):
        layers = [keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(made)]
        return keras.Sequential([keras.Input((taken,)), *layers])

    sizes = {"generator": (3, 2), "back_generator": (2, 3), "discriminator": (2, 1), "source_discriminator": (3, 1)}
    return {name: network(*size) for name, size in sizes.items()}


def test_a_step_is_the_two_updates_of_the_paper():
    """Equations 3 to 7 with log D for log(1 - D), as written there; SGD by hand."""
    networks = of_points()
    model = gz.DiscoGAN(shape=(2,), source_shape=(3,), reconstruction_weight=2.0, **networks)
    model.compile(run_eagerly=True, **{name: keras.optimizers.SGD(rate) for name, rate in RATES.items()})
    peers = {name: keras.models.clone_model(network) for name, network in networks.items()}
    for name, peer in peers.items():
        peer.set_weights(networks[name].get_weights())
    g, f, d_y, d_x = peers.values()

    def nats(probability):
        return -tf.reduce_mean(tf.math.log(probability))

    fakes = tf.constant(g(SOURCES)), tf.constant(f(TARGETS))
    with tf.GradientTape() as tape:
        loss_of_d = sum(
            nats(tf.sigmoid(d(real))) + nats(1 - tf.sigmoid(d(fake)))
            for d, real, fake in zip((d_y, d_x), (TARGETS, SOURCES), fakes, strict=True)
        )
    plain_step.descend(RATES["discriminator_optimizer"], loss_of_d, tape, d_y, d_x)
    with tf.GradientTape() as tape:
        fake_y, fake_x = g(SOURCES), f(TARGETS)
        came_back = tf.reduce_mean((f(fake_y) - SOURCES) ** 2) + tf.reduce_mean((g(fake_x) - TARGETS) ** 2)
        loss_of_g = nats(tf.sigmoid(d_y(fake_y))) + nats(tf.sigmoid(d_x(fake_x))) + 2 * came_back
    plain_step.descend(RATES["generator_optimizer"], loss_of_g, tape, g, f)

    metrics = {name: float(value) for name, value in model.train_step((TARGETS, SOURCES)).items()}
    assert metrics["cycle"] == pytest.approx(float(came_back) / 2, rel=1e-5)
    assert metrics["discriminator_loss"] == pytest.approx(float(loss_of_d), rel=1e-5)
    assert metrics["generator_loss"] == pytest.approx(float(loss_of_g), rel=1e-5)
    plain_step.assert_same_weights(networks, peers)


def test_an_exact_inverse_costs_nothing():
    matrix = np.linalg.qr(RNG.normal(size=(2, 2)))[0]
    maps = {}
    for name, weight in (("generator", matrix), ("back_generator", matrix.T)):
        maps[name] = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
        maps[name].set_weights([weight])
    model = gz.DiscoGAN(shape=(2,), **maps)
    model.compile(run_eagerly=True)
    points = tf.constant(RNG.normal(size=(2, 9, 2)), tf.float32)
    terms = model.player_losses(tuple(points))["generator"]
    np.testing.assert_allclose([terms["cycle"], terms["cycle_back"]], np.zeros((2, 9)), atol=1e-6)


def test_points_are_drawn_as_they_come_and_images_in_their_range():
    networks = of_points()
    model = gz.DiscoGAN(shape=(2,), source_shape=(3,), **networks)
    far = 50 * SOURCES
    np.testing.assert_allclose(model.translate(far), networks["generator"](far), atol=1e-4)
    np.testing.assert_allclose(model.translate_back(TARGETS), networks["back_generator"](TARGETS), atol=1e-6)
    with pytest.raises(ValueError, match=r"`targets` must be floats of shape \(n, 2\)"):
        model.translate_back(SOURCES)
    model.compile(regularizer="gradient_penalty", run_eagerly=True)
    assert np.isfinite(list(model.train_on_batch(TARGETS, SOURCES, return_dict=True).values())).all()
    with pytest.raises(ValueError, match="`augmentation` 'color' is of images"):
        model.compile(augmentation="color")


def test_a_regulariser_is_on_the_gradient_at_each_point():
    """R1 of a linear score w'y is |w|^2 / 2, whatever the point."""
    networks = of_points()
    for name, size in (("discriminator", 2), ("source_discriminator", 3)):
        networks[name] = keras.Sequential([keras.Input((size,)), keras.layers.Dense(1)])
    model = gz.DiscoGAN(shape=(2,), source_shape=(3,), **networks)
    model.compile(regularizer=gz.adversarial.losses.R1(1.0), run_eagerly=True)
    terms = model.player_losses((TARGETS, SOURCES))["discriminator"]
    for name, network in (("regularizer", "discriminator"), ("regularizer_back", "source_discriminator")):
        wanted = 0.5 * np.sum(networks[network].get_weights()[0] ** 2)
        np.testing.assert_allclose(terms[name], np.full(6, wanted), rtol=1e-5)


@pytest.mark.parametrize(("side", "filters"), [(4, [2]), (8, [2]), (28, [2, 4]), (64, [2, 4, 8, 16])])
def test_images_are_halved_down_to_four_pixels(side, filters):
    network = encoder_decoder((side, side, 3), (side, side, 1), num_filters=2)
    convolutions = [layer for layer in network.layers if type(layer) is keras.layers.Conv2D]
    assert [layer.filters for layer in convolutions] == filters
    assert network.output_shape == (None, side, side, 1)
    made = network(tf.random.stateless_uniform((2, side, side, 3), (0, 1)), training=True).numpy()
    assert 0 <= made.min() < made.max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`image_shape` or `shape` must be given, one of them; got None and None"),
        ({"image_shape": (8, 8, 1), "shape": (2,)}, "`image_shape` or `shape` must be given, one of them"),
        ({"shape": 2}, "`shape` must be a tuple of positive integers; got 2"),
        ({"image_shape": (8, 8, 1), "source_shape": (4, 8, 1)}, "`image_shape` and `source_shape` must have the same"),
        ({"image_shape": (2, 8, 1)}, "of at least 4 pixels"),
        ({"shape": (2,), "reconstruction_weight": -1.0}, "`reconstruction_weight` must be a number, not negative"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gz.DiscoGAN(**arguments)


# ---- the toy ----


class OneWay(gz.DiscoGAN):
    """The paper's "GAN with a reconstruction loss": sources come back, but nothing judges the way back."""

    @property
    def weights_of_distances(self):
        return {"cycle": 1.0, "cycle_back": 0.0}

    def games_of_generators(self, scores, source_scores):
        return {"game": super().games_of_generators(scores, source_scores)["game"]}


def judged(model, num_steps=4000):
    """What a model makes of new sources, after some steps at a rate that falls over the second half."""
    rates = {name: LinearDecay(1e-3, num_steps) for name in model.optimizer_names}
    model.compile(**{name: keras.optimizers.Adam(rate, beta_1=0.5) for name, rate in rates.items()})
    targets, sources, _ = gaussian_toy.draw(20000, 0)
    data = tf.data.Dataset.from_tensor_slices((targets, sources)).shuffle(20000, seed=0).repeat().batch(200)
    model.fit(data, steps_per_epoch=num_steps, verbose=0)
    _, sources, modes = gaussian_toy.draw(5000, 1)
    return gaussian_toy.judge(model.translate(sources).numpy(), modes)


@pytest.mark.slow
def test_discogan_finds_all_modes_of_the_toy_one_source_each():
    """10 of 10 modes, 95% within 3 sigma, each of one source; without reconstruction, or one way alone, it does not."""
    found = {}
    for name, model_class, weight in (
        ("DiscoGAN", gz.DiscoGAN, 1.0),
        ("GAN", gz.DiscoGAN, 0.0),
        ("GAN + reconstruction", OneWay, 1.0),
    ):
        keras.utils.set_random_seed(0)
        found[name] = judged(model_class(shape=(2,), reconstruction_weight=weight))
    print(found)
    num_modes, share_within, share_of_own = found.pop("DiscoGAN")
    assert num_modes == 10 and share_within >= 0.95 and share_of_own >= 0.95
    for num_modes, share_within, share_of_own in found.values():
        assert num_modes < 10 or share_within < 0.95 or share_of_own < 0.95


def test_the_judge_of_the_toy():
    """Of a map that knows the answer, one that falls on one mode, and one that puts all sources on each of two."""
    _, sources, modes = gaussian_toy.draw(5000, 0)
    side = (sources[:, 1] > 0).astype(int)
    right = gaussian_toy.TARGET_MODES[2 * modes + side]
    assert gaussian_toy.judge(right, modes) == (10, 1.0, 1.0)
    num_modes, within, own = gaussian_toy.judge(gaussian_toy.TARGET_MODES[side], modes)
    assert (num_modes, within) == (2, 1.0) and abs(own - 0.2) < 0.05
    assert gaussian_toy.judge(right + 0.4, modes).share_within < 0.01

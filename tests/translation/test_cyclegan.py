"""CycleGAN: a step written out, what its terms are of known maps, the pool's part, and a bijection found."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from tests.translation import plain_step

RNG = np.random.default_rng(0)
TARGETS, SOURCES = (tf.constant(RNG.uniform(size=(5, 4, 4, 1)), tf.float32) for _ in "yx")
PLAYERS = {"generator_optimizer": 0.05, "discriminator_optimizer": 0.5}


def own_networks():
    """Generators and discriminators of a few weights."""

    def generator():
        layers = [keras.layers.Conv2D(3, 3, padding="same", activation="tanh"), keras.layers.Conv2D(1, 1)]
        return keras.Sequential([keras.Input((4, 4, 1)), *layers, keras.layers.Activation("sigmoid")])

    def discriminator():
        return keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(3, 2, 2, activation="tanh"), *score()])

    def score():
        return [keras.layers.Conv2D(1, 1)]

    names = ("generator", "back_generator", "discriminator", "source_discriminator")
    return {name: generator() if "generator" in name else discriminator() for name in names}


def compiled(model, rates=PLAYERS):
    model.compile(run_eagerly=True, **{name: keras.optimizers.SGD(rate) for name, rate in rates.items()})
    return model


def map_of(function, channels=1):
    """A Keras model that computes a function and has no weight."""
    return keras.Sequential([keras.Input((8, 8, channels)), keras.layers.Lambda(function)])


def test_a_step_is_the_two_updates_of_the_paper():
    """Both discriminators on half of the least-squares game, then both generators on the game, 10 cycles, 5 identities.

    In NumPy's terms: means over values and patches; SGD written out.
    """
    networks = own_networks()
    model = compiled(gz.CycleGAN((4, 4, 1), identity_weight=5.0, **networks))
    peers = {name: keras.models.clone_model(network) for name, network in networks.items()}
    for name, peer in peers.items():
        peer.set_weights(networks[name].get_weights())
    g, f, d_y, d_x = peers.values()

    def mean_square(x):
        return tf.reduce_mean(tf.square(x))

    fake_y, fake_x = tf.constant(g(SOURCES)), tf.constant(f(TARGETS))
    with tf.GradientTape() as tape:
        loss_of_d = (mean_square(d_y(TARGETS) - 1) + mean_square(d_y(fake_y))) / 2
        loss_of_d += (mean_square(d_x(SOURCES) - 1) + mean_square(d_x(fake_x))) / 2
    plain_step.descend(PLAYERS["discriminator_optimizer"], loss_of_d, tape, d_y, d_x)
    with tf.GradientTape() as tape:
        fake_y, fake_x = g(SOURCES), f(TARGETS)
        cycles = [tf.reduce_mean(tf.abs(f(fake_y) - SOURCES)), tf.reduce_mean(tf.abs(g(fake_x) - TARGETS))]
        identities = [tf.reduce_mean(tf.abs(g(TARGETS) - TARGETS)), tf.reduce_mean(tf.abs(f(SOURCES) - SOURCES))]
        loss_of_g = mean_square(d_y(fake_y) - 1) + mean_square(d_x(fake_x) - 1)
        loss_of_g += 10 * sum(cycles) + 5 * sum(identities)
    plain_step.descend(PLAYERS["generator_optimizer"], loss_of_g, tape, g, f)

    metrics = {name: float(value) for name, value in model.train_step((TARGETS, SOURCES)).items()}
    assert metrics["cycle"] == pytest.approx(float(sum(cycles)) / 2, rel=1e-5)
    assert metrics["discriminator_loss"] == pytest.approx(float(loss_of_d), rel=1e-5)
    assert metrics["generator_loss"] == pytest.approx(float(loss_of_g), rel=1e-5)
    plain_step.assert_same_weights(networks, peers)


def test_validation_reports_what_training_minimises():
    model = compiled(gz.CycleGAN((4, 4, 1), identity_weight=2.0, **own_networks()), dict.fromkeys(PLAYERS, 0.0))
    trained = {name: float(value) for name, value in model.train_step((TARGETS, SOURCES)).items()}
    model.reset_metrics()
    assert trained == pytest.approx({k: float(v) for k, v in model.test_step((TARGETS, SOURCES)).items()}, rel=1e-5)


# ---- the terms ----


def test_an_exact_inverse_costs_no_cycle_and_another_map_what_it_is_off():
    """G(x) = 1 - x / 2, F(y) = 2 - 2 y; with F(y) = 1 - y they come back off by x / 2 and by (1 - y) / 2."""
    images = [tf.constant(RNG.uniform(low, 1, (3, 8, 8, 1)), tf.float32) for low in (0.5, 0.0)]
    y, x = (image.numpy() for image in images)
    exact, off = np.zeros((2, 3)), [np.mean(d, axis=(1, 2, 3)) for d in (x / 2, (1 - y) / 2)]
    for inverse, wanted in ((lambda y: 2 - 2 * y, exact), (lambda y: 1 - y, off)):
        maps = {"generator": map_of(lambda x: 1 - x / 2), "back_generator": map_of(inverse)}
        model = gz.CycleGAN((8, 8, 1), num_filters=1, cycle_weight=3.0, **maps)
        model.compile(run_eagerly=True)
        terms = model.player_losses(images)["generator"]
        np.testing.assert_allclose([terms["cycle"], terms["cycle_back"]], 3 * np.array(wanted), atol=1e-6)


def test_identity_maps_cost_no_identity_and_others_how_far_they_move():
    y, x = (tf.constant(RNG.uniform(size=(3, 8, 8, 1)), tf.float32) for _ in "yx")
    for shift, wanted in ((0.0, 0.0), (0.25, 0.5)):
        maps = dict.fromkeys(("generator", "back_generator"), map_of(lambda image, shift=shift: image + shift))
        model = gz.CycleGAN((8, 8, 1), num_filters=1, identity_weight=2.0, **maps)
        model.compile(run_eagerly=True)
        terms = model.player_losses((y, x))["generator"]
        assert {"identity", "identity_back"} < set(terms)
        for name in ("identity", "identity_back"):
            np.testing.assert_allclose(terms[name], wanted, atol=1e-6)
    without = gz.CycleGAN((8, 8, 1), num_filters=1, **maps)
    without.compile(run_eagerly=True)
    assert set(without.player_losses((y, x))["generator"]) == {"game", "game_back", "cycle", "cycle_back"}


# ---- the pool ----


def train(pool_size, num_steps=6, **options):
    keras.utils.set_random_seed(0)
    model = compiled(gz.CycleGAN((4, 4, 1), pool_size=pool_size, **own_networks()), **options)
    rng = np.random.default_rng(3)
    for _ in range(num_steps):
        model.train_step(tuple(tf.constant(rng.uniform(size=(5, 4, 4, 1)), tf.float32) for _ in "yx"))
    return model


def weights(model, *names):
    return np.concatenate([weight.numpy().ravel() for name in names for weight in getattr(model, name).weights])


def test_a_pool_that_is_never_full_is_none_bit_for_bit_and_a_full_one_changes_training():
    networks = ("generator", "back_generator", "discriminator", "source_discriminator")
    without, never_full, full = (weights(train(size), *networks) for size in (0, 30, 8))
    np.testing.assert_array_equal(without, never_full)
    assert np.abs(full - without).max() > 1e-5


def test_the_pool_gives_the_generators_nothing():
    """With discriminators at rest they move as they do without one, bit for bit, whatever it holds."""
    rates = {"generator_optimizer": 0.05, "discriminator_optimizer": 0.0}
    names = ("generator", "back_generator")
    with_pool, without = (train(size, rates=rates) for size in (3, 0))
    np.testing.assert_array_equal(weights(with_pool, *names), weights(without, *names))
    assert with_pool.num_pooled.numpy() == 3


def test_the_pools_hold_fakes_of_either_kind_and_discriminators_see_them():
    model = gz.CycleGAN((4, 4, 1), pool_size=5, **own_networks())
    first = model.past(TARGETS, SOURCES)
    for given, images, pool in zip(first, (TARGETS, SOURCES), model.pools, strict=True):
        np.testing.assert_array_equal(given, images)
        np.testing.assert_array_equal(pool.numpy(), images)
    seen = []
    model.compile(run_eagerly=True)
    model.draw = lambda sampler, n: tf.fill((n, 2), 0.9)  # all go in at place 4, and what was there comes out
    model.discriminators_terms = lambda *batch: seen.append(batch) or type(model).discriminators_terms(model, *batch)
    fakes = model.forth(SOURCES), model.back(TARGETS)
    model.train_step((TARGETS, SOURCES))
    for kind, (past, fake) in enumerate(zip(first, fakes, strict=True)):
        np.testing.assert_allclose(seen[0][2 + kind], np.concatenate([past[4:], fake[:4]]), atol=1e-6)


def test_a_saved_model_goes_on_with_its_pool(tmp_path):
    model = train(8)
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    for one in (model, copy):
        one.train_step((TARGETS, SOURCES))
    assert copy.num_pooled.numpy() == 8
    for weight, other in zip(model.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), other.numpy())


def test_two_devices_keep_the_pool_of_one(two_devices):
    def built():
        keras.utils.set_random_seed(1)
        return compiled(gz.CycleGAN((4, 4, 1), pool_size=3, **own_networks()))

    one = built()
    with two_devices.scope():
        two = built()
    rng = np.random.default_rng(2)
    for _ in range(3):
        batch = tuple(tf.constant(rng.uniform(size=(4, 4, 4, 1)), tf.float32) for _ in "yx")
        halves = [tuple(part[rows] for part in batch) for rows in (slice(0, 2), slice(2, 4))]
        one.train_step(batch)
        two_devices.run(
            two.train_step,
            (
                two_devices.experimental_distribute_values_from_function(
                    lambda context, halves=halves: halves[context.replica_id_in_sync_group]
                ),
            ),
        )
    for x, y in zip(one.weights, two.weights, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), atol=1e-5, err_msg=x.path)


# ---- what it learns ----


def pixelwise():
    """A generator that changes each pixel by its own level alone."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 1, activation="tanh"),
            layers.Conv2D(1, 1, activation="sigmoid"),
        ]
    )


@pytest.mark.slow
def test_the_only_map_there_is_is_found_without_pairs():
    """Of digits and inverted digits, y = 1 - x: RMSE on held-out pairs, both ways, far below that of copying.

    Of maps of one pixel at a time no other makes the one law of the other. The paper's generators are free to make
    another digit of each, and to undo that: with them this test finds a permutation, which costs nothing.
    """
    keras.utils.set_random_seed(0)
    data = gz.data.load("digits", "train", batch_size=32, source="inverted", unpaired=True, seed=0)
    model = gz.CycleGAN((8, 8, 1), num_filters=16, generator=pixelwise(), back_generator=pixelwise())
    model.compile(**{name: keras.optimizers.Adam(2e-3, beta_1=0.5) for name in PLAYERS})
    model.fit(data, epochs=8, verbose=0)
    held_out = gz.data.load("digits", "test", batch_size=360, source="inverted", shuffle=False)
    y, x = (part.numpy() / np.float32(255) for part in next(iter(held_out)))

    def rmse(a, b):
        return float(np.sqrt(np.mean((a - b) ** 2)))

    assert rmse(x, y) > 0.6
    assert rmse(model.translate(x), y) < 0.1 and rmse(model.translate_back(y), x) < 0.1


# ---- arguments ----


def test_networks_by_size():
    def scores(side, **options):
        return gz.CycleGAN((side, side, 1), num_filters=1, num_residual_blocks=1, **options).discriminator.output_shape

    assert scores(8)[1:3] == (1, 1) and scores(32)[1:3] == (16, 16) and scores(64, patch=70)[1:3] == (8, 8)
    model = gz.CycleGAN((16, 16, 3), (16, 16, 1), num_filters=1, num_residual_blocks=1)
    assert model.translate(np.zeros((2, 16, 16, 1), "float32")).shape == (2, 16, 16, 3)
    assert model.translate_back(np.zeros((2, 16, 16, 3), "uint8"), batch_size=1).shape == (2, 16, 16, 1)
    names = [layer.name for layer in model.discriminator.layers if isinstance(layer, keras.layers.GroupNormalization)]
    assert len(names) == 1  # after the second of three convolutions alone


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch": 50}, "`patch` must be one of 16, 34"),
        ({"patch": 70}, "`patch` 70 wants sides of at least 9 pixels; got"),
        ({"cycle_weight": -1}, "`cycle_weight` must be a number, not negative; got -1"),
        ({"identity_weight": float("nan")}, "`identity_weight` must be a number"),
        ({"identity_weight": 5.0, "source_shape": (8, 8, 3)}, "`identity_weight` 5.0 wants sources of the shape"),
        ({"source_shape": (16, 16, 1)}, "`source_shape` must have the sides of `image_shape`"),
        ({"image_shape": (4, 4, 1)}, "`image_shape` must have sides of at least 5 pixels"),
        ({"pool_size": -1}, "`pool_size` must be a positive integer"),
        ({"num_residual_blocks": 0}, "`num_residual_blocks` must be a positive integer"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gz.CycleGAN(**{"image_shape": (8, 8, 1), **arguments})

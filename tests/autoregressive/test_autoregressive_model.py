"""The density and the samples of autoregressive models, against computations that share no code with them."""

import io
import itertools
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.models.autoregressive import causal, pixel_sampling
from tests.autoregressive import naive
from tests.autoregressive.conftest import every_image, with_random_weights

SHAPES = [((3, 3, 1), 2), ((2, 2, 1), 3), ((2, 2, 3), 2)]


@pytest.mark.parametrize(("image_shape", "num_levels"), SHAPES)
@pytest.mark.parametrize("seed", [0, 1])
def test_density_sums_to_one(make_any, image_shape, num_levels, seed):
    images = every_image(image_shape, num_levels)
    model = make_any(image_shape, seed=seed, num_levels=num_levels, num_classes=3)
    totals = []
    for label in range(3):
        log_prob = model.log_prob(images, np.full(len(images), label)).numpy().astype("float64")
        assert log_prob.std() > 0.1  # no uniform distribution, which would sum to one by itself
        totals.append(np.exp(log_prob).sum())
    np.testing.assert_allclose(totals, 1, atol=1e-5)


@pytest.mark.parametrize(("image_shape", "num_levels"), SHAPES)
def test_samples_follow_the_density(make, image_shape, num_levels):
    images = every_image(image_shape, num_levels)
    model = make(image_shape, num_levels=num_levels, scale=0.3)
    expected = np.exp(model.log_prob(images).numpy().astype("float64"))
    n = 20_000
    samples = model.sample(n, seed=1).numpy().reshape(n, -1)
    places = num_levels ** np.arange(samples.shape[1])[::-1]
    observed = np.bincount((np.round(samples * (num_levels - 1)) @ places).astype(int), minlength=len(images))
    frequent = expected * n >= 5  # the chi-square distribution holds for these; the rest counts as one
    observed = np.append(observed[frequent], observed[~frequent].sum())
    expected = np.append(expected[frequent], expected[~frequent].sum()) * n
    kept = expected > 0
    _, p = scipy.stats.chisquare(observed[kept], expected[kept] * observed.sum() / expected.sum())
    assert p > 0.01


@pytest.mark.parametrize(
    "arguments",
    [
        {"image_shape": (3, 4, 3), "num_levels": 3, "num_classes": 10, "dilations": (2,)},
        {"image_shape": (3, 5, 1), "num_levels": 256, "likelihood": "logistic_mixture"},
        *(
            pytest.param(arguments, marks=pytest.mark.slow)
            for arguments in (
                {"image_shape": (5, 7, 1), "dilations": (1, 2)},
                {"image_shape": (5, 4, 3), "num_levels": 4},
                {"image_shape": (7, 5, 1), "num_levels": 5, "num_classes": 10},
                {"image_shape": (4, 3, 3), "condition_dim": 2},
            )
        ),
    ],
    ids=lambda arguments: " ".join(map(str, itertools.chain(*arguments.items()))),
)
def test_sampler_draws_the_very_pixels_of_the_naive_one(make, arguments):
    model = make(**arguments)
    n = 10
    labels = None
    if model.num_classes:
        labels = np.arange(n)
    elif model.condition_dim:
        labels = np.random.default_rng(0).normal(size=(n, 2)).astype("float32")
    noise = model.draw_noise(n, tf.constant([5, 0])).numpy()
    samples = model.sample(n, labels, seed=5).numpy()
    np.testing.assert_array_equal(samples, naive.sample(model, noise, labels))
    cool = model.sample(n, labels, seed=5, temperature=0.5).numpy()
    np.testing.assert_array_equal(cool, naive.sample(model, noise, labels, temperature=0.5))
    known = np.random.default_rng(1).uniform(size=samples.shape) < 0.3
    images = samples[::-1]
    completed = model.complete(images, known, labels, seed=5, temperature=0.5).numpy()
    np.testing.assert_array_equal(
        completed, naive.sample(model, noise, labels, temperature=0.5, images=images, known=known)
    )
    np.testing.assert_array_equal(completed[known], images[known])


def test_progress_and_batches_change_no_pixel(make_any, capsys):
    model = make_any((6, 5, 1), num_levels=3)
    model.compile(jit_compile=False)
    images = model.sample(5, seed=2)
    capsys.readouterr()
    np.testing.assert_array_equal(images, model.sample(5, seed=2, verbose=1, batch_size=3))
    assert "12/12" in capsys.readouterr().out  # rows of both batches
    known = np.zeros((5, 6, 5, 1), bool)
    np.testing.assert_array_equal(images, model.complete(np.zeros((5, 6, 5, 1)), known, seed=2, verbose=1))
    assert "6/6" in capsys.readouterr().out


def test_completion_leaves_known_images_alone_and_ignores_unknown_values(make_any):
    model = make_any((4, 4, 1), num_levels=3)
    model.compile(jit_compile=False)
    images = model.sample(3, seed=0).numpy()
    everything = np.ones((4, 4, 1), bool)  # broadcasts over the images
    np.testing.assert_array_equal(model.complete(images, everything, seed=1), images)
    upper = np.arange(4)[:, None, None] < 2
    spoilt = np.where(upper, images, 0.3).astype("float32")  # no level of three
    np.testing.assert_array_equal(
        model.complete(images, upper, seed=1), model.complete(spoilt, np.broadcast_to(upper, images.shape), seed=1)
    )


def test_bad_completion(make_any):
    model = make_any((4, 4, 1), num_levels=3)
    images = np.full((2, 4, 4, 1), 0.5, "float32")
    with pytest.raises(ValueError, match=r"`known` must be bool.*int64"):
        model.complete(images, np.ones(images.shape, "int64"))
    with pytest.raises(ValueError, match=r"`known` must have a shape that broadcasts.*\(2, 4, 4, 1\); got \(3, 4\)"):
        model.complete(images, np.ones((3, 4), bool))
    images[0, 0, 0] = 0.7
    with pytest.raises(ValueError, match=r"`images` must hold the 3 levels j / 2 alone.*0\.7"):
        model.complete(images, np.ones(images.shape, bool))
    for temperature in (0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="`temperature` must be positive"):
            model.complete(images, np.zeros(images.shape, bool), temperature=temperature)
        with pytest.raises(ValueError, match="`temperature` must be positive"):
            model.sample(1, temperature=temperature)


def test_temperature_is_a_power_of_the_probabilities():
    """Of an image of one pixel, whose only conditional is the whole density."""
    model = with_random_weights("PixelCNN", (2, 2, 1), num_levels=5)
    first = model.conditional(np.zeros((1, 2, 2, 1))).distribution
    p = np.array([first.prob(tf.fill((1, 2, 2, 1), level))[0, 0, 0, 0] for level in np.float32(np.arange(5) / 4)])
    p = p.astype("float64")
    for temperature in (0.5, 2.0):
        samples = model.sample(10_000, seed=0, temperature=temperature)[:, 0, 0, 0].numpy()
        observed = np.bincount(np.round(samples * 4).astype(int), minlength=5)
        expected = p ** (1 / temperature)
        assert scipy.stats.chisquare(observed, 10_000 * expected / expected.sum()).pvalue > 0.01


def test_log_prob_is_that_of_the_conditionals_one_by_one(make):
    """Each factor from an image that holds zeros from the pixel on, so that it cannot come from later ones."""
    model = make((3, 2, 3), num_levels=4)
    images = model.sample(4, seed=0).numpy()
    total = np.zeros(4)
    for index in np.ndindex(3, 2, 3):
        earlier = images.reshape(4, -1).copy()
        earlier[:, np.ravel_multi_index(index, (3, 2, 3)) :] = 0
        factors = model.conditional(earlier.reshape(images.shape)).distribution.log_prob(images)
        total += factors.numpy()[(slice(None), *index)]
    np.testing.assert_allclose(model.log_prob(images), total, rtol=1e-5)


def test_loss_is_minus_log_prob_and_bits_per_dim_its_share(make):
    model = make((4, 3, 3), num_levels=4)
    images = model.sample(7, seed=0)
    model.compile()
    metrics = model.evaluate(tf.data.Dataset.from_tensor_slices(images).batch(3), verbose=0, return_dict=True)
    nats = -np.mean(model.log_prob(images))
    np.testing.assert_allclose(metrics["loss"], nats, rtol=1e-5)
    np.testing.assert_allclose(metrics["bits_per_dim"], nats / (36 * np.log(2)), rtol=1e-5)


def test_dropout_is_of_training_alone(make_any):
    with_dropout, without = make_any((4, 4, 1), dropout=0.5), make_any((4, 4, 1))
    images = tf.constant(every_image((4, 1, 1), 2)).numpy().repeat(4, axis=2)
    np.testing.assert_array_equal(with_dropout.log_prob(images), without.log_prob(images))
    seeds = [with_dropout.negative_log_likelihood(images, draw=with_dropout.draw).numpy() for _ in range(2)]
    assert (np.abs(seeds[0] - seeds[1]) > 1e-3).all()


def test_dropout_leaves_the_mean_of_what_it_drops():
    dropout = causal.Dropout(0.25)
    draw = lambda sampler, n: sampler(n, (1, 2))  # noqa: E731
    y = dropout(tf.ones((100, 10, 10, 3)), draw=draw).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert np.abs(y.mean() - 1) < 4 * np.sqrt(0.25 / 0.75 / y.size)


def test_values_between_levels(make_any):
    model = make_any((2, 2, 1), num_levels=3)
    images = np.array([0, 0.5, 1, 0.5], "float32").reshape(1, 2, 2, 1)
    between = images + np.array([0.2, 0.1, -0.1, 0], "float32").reshape(1, 2, 2, 1)
    with pytest.raises(ValueError, match=r"`images` must hold the 3 levels j / 2 alone; this batch holds 0\.2.*round"):
        model.log_prob(between)
    np.testing.assert_array_equal(model.log_prob(images), model.log_prob(images.astype("float16")))
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    sets = tf.data.Dataset.from_tensors(images), tf.data.Dataset.from_tensors(between)
    for good, bad in ((images, between), sets):
        for call in (
            lambda bad=bad: model.fit(bad, verbose=0),
            lambda bad=bad: model.evaluate(bad, verbose=0),
            lambda bad=bad: model.predict(bad, verbose=0),
            lambda good=good, bad=bad: model.fit(good, validation_data=bad, verbose=0),
        ):
            with pytest.raises(
                ValueError, match=r"must hold the 3 levels j / 2 alone; this batch holds 0\.2.*round them"
            ):
                call()
        loss = model.evaluate(good, verbose=0, return_dict=True)["loss"]
        np.testing.assert_allclose(loss, -np.mean(model.log_prob(images)), rtol=1e-5)


def test_photographs_are_not_trained_on_as_bits(make):
    photographs = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype="uint8")
    two = make((4, 4, 3))
    two.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=r"`x` must hold the 2 levels.*binarise.*num_levels=256"):
        two.fit(photographs, verbose=0)
    with pytest.raises(
        ValueError, match=r'`images` must hold the 2 levels.*load\(\.\.\., binarize="stochastic"\).*num_levels=256\)\.$'
    ):
        two.fit(tf.data.Dataset.from_tensors(photographs), verbose=0)
    two.fit(255 * (photographs > 99).astype("uint8"), verbose=0)
    every = make((4, 4, 3), num_levels=256, likelihood="logistic_mixture")
    every.compile(run_eagerly=True)
    for form in (photographs, photographs / 255, (photographs / 255).astype("float16")):
        loss = every.evaluate(form, verbose=0, return_dict=True)["loss"]
        np.testing.assert_allclose(loss, -np.mean(every.log_prob(photographs)), rtol=1e-5)


def test_uint8_holds_levels_to_the_nearest_of_256():
    """17 levels, as in `digits`: 16 divides 255 nowhere."""
    model = with_random_weights("PixelCNN", (3, 3, 1), num_levels=17)
    images = model.sample(4, seed=0)
    bytes_ = np.round(images.numpy() * 255).astype("uint8")
    np.testing.assert_allclose(model.log_prob(bytes_), model.log_prob(images), rtol=1e-6)
    known = np.ones(images.shape, bool)
    np.testing.assert_allclose(model.complete(bytes_, known), images, atol=1e-7)
    with pytest.raises(ValueError, match="must hold the 17 levels"):
        model.log_prob(np.full((1, 3, 3, 1), 8, "uint8"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_levels": 1}, "`num_levels` must be an integer from 2 to 256; got 1"),
        ({"num_levels": 257}, "`num_levels`"),
        ({"num_levels": 2.0}, "`num_levels`"),
        ({"likelihood": "gaussian"}, "`likelihood` must be one of 'categorical', 'logistic_mixture'"),
        ({"likelihood": "logistic_mixture"}, "`num_levels` must be 256.*got 2"),
        ({"image_shape": (4, 4, 2)}, "`image_shape` must have 1 or 3 channels"),
        ({"dropout": 1.0}, r"`dropout` must lie in \[0, 1\).*got 1.0"),
        ({"num_filters": 0}, "`num_filters` must be a positive integer"),
        ({"image_shape": (4, 4, 3), "num_filters": 2}, r"`num_filters` must be at least [36].*3 channels; got 2"),
        ({"num_residual_blocks": 0}, "`num_residual_blocks` must be a positive integer"),
        ({"dilations": ()}, "`dilations` must be one or more positive integers"),
        ({"dilations": (1, 0)}, "`dilations`"),
        ({"dilations": 2}, "`dilations`"),
        ({"dilations": (1, 4)}, "`dilations` must be smaller than the image's sides"),
        ({"image_shape": (1, 4, 1), "dilations": (1, 2)}, "`dilations` must be smaller than the image's sides"),
        ({"num_classes": 3, "condition_dim": 3}, "`num_classes` and `condition_dim` exclude each other"),
        ({"condition_dim": 0}, "`condition_dim` must be a positive integer"),
    ],
)
def test_bad_arguments(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**{"image_shape": (4, 4, 1), **arguments})


@pytest.mark.parametrize("image_shape", [(1, 6, 1), pytest.param((6, 1, 1), marks=pytest.mark.slow)])
def test_images_of_one_row_or_column(make, image_shape):
    """They have a density, train, and are drawn as the naive sampler draws them."""
    model = make(image_shape)
    n = 6
    noise = model.draw_noise(n, tf.constant([5, 0])).numpy()
    samples = model.sample(n, seed=5).numpy()
    np.testing.assert_array_equal(samples, naive.sample(model, noise))
    total = np.exp(model.log_prob(every_image(image_shape, 2)).numpy().astype("float64")).sum()
    np.testing.assert_allclose(total, 1, atol=1e-5)
    model.compile(keras.optimizers.SGD(1e-3))
    before, after = model.fit(samples, batch_size=n, epochs=2, verbose=0).history["loss"]
    assert after < before


def test_classes_are_vectors_with_a_one_at_their_place(make_any):
    """In the density and in both steps; each class has a density of its own."""
    of_classes, of_vectors = make_any((3, 3, 1), num_classes=3), make_any((3, 3, 1), condition_dim=3)
    for a, b in zip(of_classes.get_weights(), of_vectors.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    images = np.repeat(every_image((3, 3, 1), 2)[[5, 77, 300]], 3, axis=0)
    labels = np.arange(9) % 3
    vectors = np.eye(3, dtype="float32")[labels]
    log_prob = of_classes.log_prob(images, labels).numpy()
    np.testing.assert_array_equal(log_prob, of_vectors.log_prob(images, vectors))
    assert np.ptp(log_prob.reshape(3, 3), axis=1).min() > 1e-2
    of_classes.compile(keras.optimizers.SGD(0.0))
    for step in (of_classes.test_step, of_classes.train_step):
        of_classes.reset_metrics()
        loss = step((tf.constant(images), tf.constant(labels)))["loss"]
        assert float(loss) == pytest.approx(-log_prob.mean(), rel=1e-5)


def test_conditioning_on_vectors(make):
    """Bits that all equal the sign of the one number given are learned from it."""
    vectors = np.random.default_rng(0).choice([-1.0, 1.0], (64, 1)).astype("float32")
    images = np.broadcast_to(vectors[:, :, None, None] > 0, (64, 3, 3, 1)).astype("float32")
    model = make((3, 3, 1), condition_dim=1, scale=0.1)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(tf.data.Dataset.from_tensor_slices((images, vectors)).batch(16), epochs=15, verbose=0)
    assert np.mean(model.sample(64, vectors, seed=0) == images) > 0.95
    assert np.mean(model.log_prob(images, vectors)) > np.mean(model.log_prob(images, -vectors)) + 3
    with pytest.raises(ValueError, match=r"condition_dim=1.*one vector an example"):
        model.sample(4)
    for bad, message in [
        (np.ones((4, 2), "float32"), r"shape \(n, 1\)"),
        (np.ones((4, 1), "int32"), "floats"),
        (np.full((4, 1), np.nan, "float32"), "finite"),
        (np.ones((3, 1), "float32"), "expected 4, got 3"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.sample(4, bad)
        with pytest.raises(ValueError, match=message):
            model.fit(images[:4], bad, verbose=0)
    with pytest.raises(ValueError, match="finite"):
        data = tf.data.Dataset.from_tensor_slices((images, vectors * np.nan)).batch(16)
        model.fit(data, verbose=0)


@pytest.mark.parametrize("jit_compile", [pytest.param(True, marks=pytest.mark.slow), False])
def test_served_verbs(make, tmp_path, jit_compile):
    model = make((4, 5, 1), num_levels=3, num_classes=3)
    labels = np.arange(18) % 3  # more than the smallest size that requests are padded to
    images = model.sample(18, labels, seed=0)
    path = Path(model.export(tmp_path / "served", jit_compile=jit_compile))
    assert (b"_XlaMustCompile" in (path / "saved_model.pb").read_bytes()) == jit_compile
    served = tf.saved_model.load(path).signatures
    given = {"labels": tf.constant(labels, tf.int32)}
    log_prob = served["log_prob"](images=images, **given)["log_prob"]
    np.testing.assert_allclose(log_prob, model.log_prob(images, labels), rtol=1e-5)
    known = tf.random.stateless_uniform(images.shape, [0, 0]) < 0.5
    given |= {"seed": tf.constant(3), "temperature": tf.constant(0.7)}
    completed = served["complete"](images=images, known=known, **given)["images"]
    np.testing.assert_array_equal(completed, model.complete(images, known, labels, seed=3, temperature=0.7))
    drawn = served["sample"](num_samples=tf.constant(18), **given)["images"]
    np.testing.assert_array_equal(drawn, model.sample(18, labels, seed=3, temperature=0.7))


@pytest.mark.slow
def test_served_vectors(make, tmp_path):
    model = make((3, 3, 1), condition_dim=2)
    vectors = np.random.default_rng(0).normal(size=(2, 2)).astype("float32")
    sample = tf.saved_model.load(model.export(tmp_path)).signatures["sample"]
    given = {"num_samples": tf.constant(2), "seed": tf.constant(3), "temperature": tf.constant(1.0)}
    np.testing.assert_array_equal(sample(labels=vectors, **given)["images"], model.sample(2, vectors, seed=3))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`labels` must be finite"):
        sample(labels=vectors * np.nan, **given)


@pytest.mark.slow
def test_few_sizes_of_batches_are_compiled_and_padding_changes_no_pixel():
    model = with_random_weights("PixelCNN", (3, 3, 1))

    def num_compiled():
        return model._fill_rows_compiled.experimental_get_tracing_count()

    for n, temperature in ((3, 1.0), (5, 0.7), (16, 2.0)):
        noise = model.draw_noise(n, tf.constant([n, 0])).numpy()
        samples = model.sample(n, seed=n, temperature=temperature)
        np.testing.assert_array_equal(samples, naive.sample(model, noise, temperature=temperature))
    np.testing.assert_array_equal(samples[:7], model.complete(samples[:7], np.ones((3, 3, 1), bool)))
    model.sample(4, verbose=1)
    assert num_compiled() == 1
    model.sample(17)
    model.sample(32)
    assert num_compiled() == 2
    model.sample(60, batch_size=20)  # none of 20 is padded to 32: the user has bounded the memory
    assert num_compiled() == 3


def test_more_images_than_a_batch_holds(make, monkeypatch):
    model = make((2, 3, 1))
    monkeypatch.setattr(pixel_sampling, "_BATCH_SIZE", 20)
    noise = model.draw_noise(50, tf.constant([4, 0])).numpy()
    np.testing.assert_array_equal(model.sample(50, seed=4), naive.sample(model, noise))
    assert model._fill_rows_compiled.experimental_get_tracing_count() == 2  # of 20 and, for the last 10, of 16


@pytest.mark.parametrize(
    "arguments",
    [
        {"image_shape": (3, 8, 1), "num_classes": 3},  # four pixels a turn of the loop
        pytest.param({"image_shape": (3, 6, 3), "num_levels": 3, "dilations": (1, 2)}, marks=pytest.mark.slow),  # two
        {"image_shape": (3, 5, 1), "num_levels": 4},  # one
        pytest.param(
            {"image_shape": (3, 2, 1), "num_levels": 256, "likelihood": "logistic_mixture"}, marks=pytest.mark.slow
        ),
    ],
    ids=str,
)
def test_compile_can_turn_off_xla(make, arguments):
    model = make(**arguments)
    labels = np.arange(5) % 3 if model.num_classes else None
    model.compile(jit_compile=False)
    noise = model.draw_noise(5, tf.constant([1, 0])).numpy()
    options = {"temperature": 0.5}
    samples = model.sample(5, labels, seed=1, **options).numpy()
    np.testing.assert_array_equal(samples, naive.sample(model, noise, labels, **options))
    known = np.random.default_rng(1).uniform(size=samples.shape) < 0.3
    images = samples[::-1]
    completed = model.complete(images, known, labels, seed=1, **options).numpy()
    np.testing.assert_array_equal(completed, naive.sample(model, noise, labels, images=images, known=known, **options))
    assert model._fill_rows_compiled.experimental_get_tracing_count() == 0
    for n in (2, 3, 4):
        model.sample(n, None if labels is None else labels[:n])
    assert model._fill_rows_uncompiled.experimental_get_tracing_count() == 2  # of 5, and then of any number


@pytest.mark.parametrize("jit_compile", ["auto", False])
def test_compile_config_keeps_what_was_asked(jit_compile):
    """On a CPU Keras turns "auto" into False, which is about train steps."""
    model = with_random_weights("PixelCNN", (2, 2, 1))
    assert model.get_compile_config() == {}
    model.compile(jit_compile=jit_compile)
    again = type(model).from_config(model.get_config())
    again.compile_from_config(model.get_compile_config())
    again.sample(1)
    assert again._fill_rows_compiled.experimental_get_tracing_count() == (jit_compile == "auto")
    assert again.jit_compile == model.jit_compile


def test_summary_counts_the_networks_parameters(make_any):
    text = io.StringIO()
    model = make_any((4, 4, 1))
    model.summary(print_fn=lambda line, **_: text.write(line))
    assert f"{model.network.count_params():,}" in text.getvalue()


def test_mean_of_each_pixel_given_those_before():
    model = with_random_weights("PixelCNN", (3, 3, 1), num_levels=4)
    images = model.sample(5, seed=0)
    distribution = model.conditional(images).distribution
    levels = np.float32(np.arange(4) / 3)
    mean = sum(level * distribution.prob(tf.fill(images.shape, level)) for level in levels)
    np.testing.assert_allclose(model(images), mean, atol=1e-6)
    assert isinstance(model.conditional(images), gz.distributions.tfd.Distribution)

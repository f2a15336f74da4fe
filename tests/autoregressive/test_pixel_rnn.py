"""The recurrences of the PixelRNNs, against plain loops over pixels, and what each pixel sees of an image."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.models.autoregressive import lstm_scan
from keras_genzoo.models.autoregressive.diagonal_bilstm import BidirectionalLSTM
from keras_genzoo.models.autoregressive.row_lstm import RowsLSTM
from keras_genzoo.models.autoregressive.skew import Skew
from tests.autoregressive import naive
from tests.autoregressive.conftest import PIXEL_RNNS, every_image, with_random_weights
from tests.autoregressive.test_causal import sensitivity, sensitivity_of_one, some_images

N, HEIGHT, WIDTH, UNITS = 3, 4, 5, 3


def layer_of(layer_type, channels=1, scale=0.7):
    layer = layer_type(UNITS, channels)
    layer.build((None, HEIGHT, WIDTH, num_inputs(layer_type, channels)))
    generator = np.random.default_rng(0)
    for weight in layer.trainable_variables:
        weight.assign(generator.normal(0, scale, weight.shape))
    return layer


def num_inputs(layer_type, channels=1):
    """Features of a map, and for a bidirectional LSTM the pixel itself."""
    return 2 * UNITS + channels * (layer_type is BidirectionalLSTM)


def some_maps(n=N, num_features=2 * UNITS):
    return np.random.default_rng(1).normal(size=(n, HEIGHT, WIDTH, num_features)).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_of_the_paper(pre, c):
    """Equation 3 of a pixel, in float64: h and c of the gates before their nonlinearities and the c before."""
    o, f, i, g = np.split(pre, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def mask_b(channels):
    """Which of an LSTM's inputs its gates may see of their own pixel, `(2 units, 4 units)`."""
    channel_of = lambda k, num: k * channels // num  # noqa: E731
    inputs, gates = np.arange(2 * UNITS), np.arange(4 * UNITS) % UNITS
    return channel_of(inputs, 2 * UNITS)[:, None] <= channel_of(gates, UNITS)


def diagonal_loop(layer, x, channels):
    """Pixel by pixel, with no skewed map."""
    input_kernel, state_kernel, bias = (
        w.numpy().astype("float64") for w in (layer.input_kernel, layer.state_kernel, layer.bias)
    )
    maps = []
    for direction in range(2):
        y = x[:, :, :: 1 - 2 * direction].astype("float64")
        of_the_pixel_itself = np.full((channels, 4 * UNITS), direction)
        mask = np.append(mask_b(channels), of_the_pixel_itself, axis=0)
        h, c = np.zeros((2, N, HEIGHT + 1, WIDTH + 1, UNITS))  # a row above and a column to the left
        for i, j in np.ndindex(HEIGHT, WIDTH):
            pre = y[:, i, j] @ (input_kernel[direction] * mask) + bias[direction]
            pre = (
                pre
                + h[:, i + 1, j] @ state_kernel[direction, :UNITS]
                + h[:, i, j + 1] @ state_kernel[direction, UNITS:]
            )
            h[:, i + 1, j + 1], c[:, i + 1, j + 1] = lstm_of_the_paper(pre, c[:, i + 1, j])
        maps.append(h[:, 1:, 1:][:, :, :: 1 - 2 * direction])
    to_right, to_left = maps
    to_right[:, 1:] += to_left[:, :-1]
    return to_right


def row_loop(layer, x, channels):
    """Pixel by pixel."""
    input_kernel, bias = (w.numpy().astype("float64") for w in (layer.from_input.kernel, layer.from_input.bias))
    state_kernel = layer.state_kernel.numpy().astype("float64").reshape(3, UNITS, 4 * UNITS)
    h, c = np.zeros((2, N, HEIGHT + 1, WIDTH + 2, UNITS))  # a row above and a column to either side
    for i, j in np.ndindex(HEIGHT, WIDTH):
        pre = x[:, i, j] @ (input_kernel[0, 1] * mask_b(channels)) + bias
        if j:
            pre = pre + x[:, i, j - 1] @ input_kernel[0, 0]
        pre = pre + sum(h[:, i, j + k] @ state_kernel[k] for k in range(3))
        h[:, i + 1, j + 1], c[:, i + 1, j + 1] = lstm_of_the_paper(pre, c[:, i, j + 1])
    return h[:, 1:, 1:-1]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("layer_type", "loop"), [(BidirectionalLSTM, diagonal_loop), (RowsLSTM, row_loop)])
def test_layer_is_a_plain_loop_over_pixels(layer_type, loop, channels):
    layer, x = layer_of(layer_type, channels), some_maps(num_features=num_inputs(layer_type, channels))
    np.testing.assert_allclose(layer(x), loop(layer, x, channels), atol=1e-6)


def seen_by(layer, row, column):
    """Which inputs the hidden states of one pixel depend on: bool `(h, w, f)`."""
    x = tf.constant(some_maps(8, num_inputs(type(layer))))
    with tf.GradientTape() as tape:
        tape.watch(x)
        hidden = tf.reduce_sum(layer(x)[:, row, column] * [1.0, 2.0, -1.5])
    return (tf.abs(tape.gradient(hidden, x)).numpy() > 0).any(axis=0)


def test_one_diagonal_layer_sees_every_earlier_pixel_and_its_own():
    layer = layer_of(BidirectionalLSTM)
    places = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    rows, columns = np.indices((HEIGHT, WIDTH))
    for row, column in np.ndindex(HEIGHT, WIDTH):
        seen = seen_by(layer, row, column)
        np.testing.assert_array_equal(seen[..., :-1].any(axis=-1), places <= places[row, column])
        np.testing.assert_array_equal(seen[..., -1], (rows < row) & (columns >= column))  # the pixels themselves


def test_one_diagonal_layer_leaves_no_earlier_pixel_unseen():
    """In an image larger than the first window; nor the last pixel of the row above, which no map to its left has."""
    size, at = 11, 9 * 11 + 3
    model = with_random_weights("DiagonalBiLSTM", (size, size, 1), num_layers=1, scale=0.3)
    seen = sensitivity_of_one(model, at)
    np.testing.assert_array_equal(seen > 0, np.arange(size * size).reshape(size, size) < at)


def test_one_row_layer_sees_its_triangle():
    """k rows up, from k + 1 to the left (the tap of the input adds one) to k to the right."""
    layer = layer_of(RowsLSTM)
    for row, column in np.ndindex(HEIGHT, WIDTH):
        up, across = row - np.arange(HEIGHT)[:, None], np.arange(WIDTH) - column
        seen = seen_by(layer, row, column).any(axis=-1)
        np.testing.assert_array_equal(seen, (up >= 0) & (across >= -up - 1) & (across <= up))


@pytest.mark.parametrize(
    ("name", "image_shape"),
    [("RowLSTM", (4, 4, 1)), ("DiagonalBiLSTM", (3, 4, 3)), pytest.param("RowLSTM", (3, 4, 3), marks=pytest.mark.slow)],
)
def test_networks_leak_nothing(name, image_shape):
    seen = sensitivity(with_random_weights(name, image_shape, num_filters=12), some_images(image_shape))
    earlier = np.tri(len(seen), k=-1, dtype=bool)
    assert (seen[~earlier] == 0).all()
    assert (seen[earlier] > 0).all()  # images so small that the first window alone sees all of them


@pytest.mark.parametrize(("taps", "has_resets"), [((0, 1), True), ((1, 0, -1), False)])
@pytest.mark.parametrize("compiled", [False, True])
def test_gradient_of_the_scan_is_that_of_automatic_differentiation(taps, has_resets, compiled):
    generator = np.random.default_rng(0)
    t, d, p, n, f, h = 4, 2, 3, 2, 6, 2
    shapes = [(t, d, p, n, f), (d, f + len(taps) * h, 4 * h), (d, 4 * h)]
    inputs = [tf.constant(generator.normal(size=shape), tf.float32) for shape in shapes]
    weights = tf.constant(generator.normal(size=(t, d, p, n, h)), tf.float32)
    resets = generator.choice([0.0, 1.0], (t, p)).astype("float32") if has_resets else None

    def scan(*inputs):
        return lstm_scan.lstm_scan(*inputs, taps, resets, compiled)

    def differentiable(*inputs):
        states, _ = lstm_scan._forward(taps, *inputs, tf.ones((t, p)) if resets is None else tf.constant(resets))
        return states[..., :h]

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(function(*inputs) * weights)
        return tape.gradient(total, inputs)

    for ours, automatic in zip(gradients(scan), gradients(differentiable), strict=True):
        np.testing.assert_allclose(ours, automatic, atol=1e-5)


@pytest.mark.parametrize("chain", [1, 2, 4])
def test_skew(chain):
    """Row r moved right by r, in images side by side; unskewed the same; neither gradient differs from the map's."""
    n = 3
    x = tf.constant(np.random.default_rng(0).normal(size=(2, n, HEIGHT, WIDTH, 2)), tf.float32)
    skew = Skew(HEIGHT, WIDTH, chain)
    y = skew.skew(x).numpy()
    num_chains = -(-n // chain)
    padded = np.zeros((2, chain * num_chains, HEIGHT, WIDTH, 2))
    padded[0, :n], padded[1, :n] = x[0], x[1, :, :, ::-1]
    for m, r in np.ndindex(num_chains, HEIGHT):
        side_by_side = np.concatenate([padded[:, j * num_chains + m, r] for j in range(chain)], axis=1)
        np.testing.assert_array_equal(y[r : r + chain * WIDTH, :, r, m], side_by_side.transpose(1, 0, 2))
        assert not y[:r, :, r].any()
        assert not y[r + chain * WIDTH :, :, r].any()
    np.testing.assert_array_equal(skew.unskew(y, n), x)
    for function, given in ((skew.skew, x), (lambda y: skew.unskew(y, n), tf.constant(y))):
        with tf.GradientTape() as tape:
            tape.watch(given)
            z = function(given)
            total = tf.reduce_sum(z * z)
        np.testing.assert_allclose(tape.gradient(total, given), 2 * given, rtol=1e-6)


def test_images_side_by_side_do_not_see_each_other():
    """Eleven images in chains of eight, compiled, are those of one by one."""
    layer, x = layer_of(BidirectionalLSTM), some_maps(11, num_inputs(BidirectionalLSTM))
    np.testing.assert_allclose(layer(x, compiled=True), layer(x), atol=1e-6)


@pytest.mark.parametrize("name", PIXEL_RNNS)
def test_density_sums_to_one(name):
    images = every_image((2, 3, 1), 2)
    log_prob = with_random_weights(name, (2, 3, 1)).log_prob(images).numpy().astype("float64")
    assert log_prob.std() > 0.1
    np.testing.assert_allclose(np.exp(log_prob).sum(), 1, atol=1e-5)


@pytest.mark.parametrize("name", PIXEL_RNNS)
def test_sampler_draws_the_very_pixels_of_the_naive_one(name):
    model = with_random_weights(name, (3, 2, 3), num_levels=3, num_classes=10)
    labels = np.arange(10)
    noise = model.draw_noise(10, tf.constant([5, 0])).numpy()
    np.testing.assert_array_equal(model.sample(10, labels, seed=5), naive.sample(model, noise, labels))


@pytest.mark.slow
@pytest.mark.parametrize("name", PIXEL_RNNS)
def test_a_compiled_step_is_the_step(name):
    """At 16x16 XLA compiles the recurrence, unless it may not."""
    images = np.random.default_rng(0).integers(0, 2, (9, 16, 16, 1)).astype("float32")
    after = []
    for jit_compile in ("auto", False):
        model = with_random_weights(name, (16, 16, 1), scale=0.2)
        model.compile(keras.optimizers.SGD(1e-3), jit_compile=jit_compile)
        assert model.network.compiles == (jit_compile == "auto")
        model.fit(images, batch_size=9, verbose=0)
        after.append(model.get_weights())
    for a, b in zip(*after, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_filters": 0}, "`num_filters` must be a positive integer"),
        ({"num_layers": 0}, "`num_layers` must be a positive integer"),
        ({"image_shape": (4, 4, 3), "num_filters": 2}, r"`num_filters` must be at least 3.*3 channels; got 2"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gz.RowLSTM(**{"image_shape": (4, 4, 1), **arguments})

"""The fast layers compute what Keras's own do, to rounding: outputs, gradients, second gradients, moving averages;
spectral normalisation against an SVD."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.layers import (
    BlockConv2D,
    BlockConv2DTranspose,
    FusedBatchNormalization,
    SpectralNormalization,
    add_bias,
)

INITIALIZER = keras.initializers.RandomNormal(stddev=0.3, seed=0)
CONVOLUTION = {"filters": 6, "kernel_size": 5, "strides": 2, "padding": "same", "kernel_initializer": INITIALIZER}

CASES = {
    "convolution": (BlockConv2D, {**CONVOLUTION, "bias_initializer": INITIALIZER}, (8, 12, 1)),
    "convolution of three channels": (BlockConv2D, {**CONVOLUTION, "use_bias": False}, (6, 4, 3)),
    "convolution, odd side": (BlockConv2D, CONVOLUTION, (7, 8, 1)),
    "convolution, another kernel": (BlockConv2D, {**CONVOLUTION, "kernel_size": 3}, (8, 8, 1)),
    "transposed": (BlockConv2DTranspose, {**CONVOLUTION, "bias_initializer": INITIALIZER}, (5, 4, 7)),
    "transposed to one channel": (BlockConv2DTranspose, {**CONVOLUTION, "filters": 1}, (4, 4, 8)),
    "transposed, activated": (BlockConv2DTranspose, {**CONVOLUTION, "activation": "tanh"}, (4, 4, 8)),
    "transposed, another kernel": (BlockConv2DTranspose, {**CONVOLUTION, "kernel_size": 4}, (4, 4, 8)),
    "normalisation": (FusedBatchNormalization, {"momentum": 0.7, "gamma_initializer": INITIALIZER}, (4, 4, 8)),
    "normalisation of vectors": (FusedBatchNormalization, {"momentum": 0.7}, (8,)),
}


def computed(layer, x, training):
    """Outputs, gradients by input and weights, the gradient of the input gradient's square, and all weights."""
    options = {"training": training} if isinstance(layer, keras.layers.BatchNormalization) else {}
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = layer(x, **options)
            loss = tf.reduce_sum(tf.sin(y + 0.3))
        by_input = inner.gradient(loss, x)
        square = tf.reduce_sum(tf.square(by_input))
    gradients = outer.gradient(loss, layer.trainable_variables)
    second = outer.gradient(square, [x, *layer.trainable_variables[:1]])
    return [y, by_input, *gradients, *second, *layer.weights]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_computes_what_keras_computes(case, training):
    kind, arguments, shape = CASES[case]
    x = tf.random.stateless_normal((5, *shape), (0, 1)) + 0.5
    fast, own = kind(**arguments), kind.__base__(**arguments)
    fast.build(x.shape)
    own.build(x.shape)
    own.set_weights(fast.get_weights())
    for a, b in zip(computed(fast, x, training), computed(own, x, training), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", ["convolution", "transposed", "normalisation"])
def test_takes_the_short_way(case, monkeypatch):
    kind, arguments, shape = CASES[case]
    layer = kind(**arguments)
    layer.build((None, *shape))
    monkeypatch.setattr(kind.__base__, "call", lambda *a, **k: pytest.fail("Keras's own computation"))
    layer(tf.zeros((2, *shape)), **({"training": True} if case == "normalisation" else {}))


@pytest.mark.parametrize("case", CASES)
def test_config_round_trip(case):
    kind, arguments, _ = CASES[case]
    layer = kind(**arguments)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is kind and copy.get_config() == layer.get_config()


# ---- spectral normalisation ----

BOUNDED = {
    "dense": (lambda: keras.layers.Dense(5, bias_initializer=INITIALIZER), (7,)),
    "convolution": (lambda: keras.layers.Conv2D(6, 3, bias_initializer=INITIALIZER), (6, 7, 4)),
    "convolution by blocks": (lambda: BlockConv2D(**CONVOLUTION), (8, 8, 1)),
    "embedding": (lambda: keras.layers.Embedding(6, 9), ()),
}


def bounded(case, iterations=300):
    """A layer of the case under spectral normalisation after so many power iterations, and inputs for it."""
    kind, shape = BOUNDED[case]
    inputs = tf.constant([0, 3, 5, 3]) if case == "embedding" else tf.random.stateless_normal((4, *shape), (0, 1))
    layer = SpectralNormalization(kind())
    layer.build(inputs.shape)
    for _ in range(iterations):
        layer.power_iteration()
    return layer, inputs


def stored(layer):
    """The weight itself, float64, as the matrix of the paper, and its largest singular value and vectors."""
    matrix = layer.layer.weights[0].numpy().astype("float64")
    matrix = matrix.reshape(-1, matrix.shape[-1])
    left, values, right = np.linalg.svd(matrix)
    return matrix, left[:, 0], values[0], right[0]


@pytest.mark.parametrize("case", BOUNDED)
def test_spectral_normalization_divides_by_the_largest_singular_value(case):
    layer, inputs = bounded(case)
    matrix, _, largest, _ = stored(layer)
    used = layer.normalized_weight().numpy().reshape(matrix.shape)
    np.testing.assert_allclose(used, matrix / largest, rtol=1e-3)
    assert np.linalg.svd(used, compute_uv=False)[0] == pytest.approx(1, abs=1e-3)

    before = [weight.numpy() for weight in layer.weights]
    outputs = layer(inputs, training=True)
    for weight, value in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)  # a call moves nothing, in training neither
    plain = BOUNDED[case][0]()
    plain.build(inputs.shape)
    plain.set_weights([layer.normalized_weight(), *layer.layer.get_weights()[1:]])
    np.testing.assert_allclose(outputs, plain(inputs), atol=1e-5)


@pytest.mark.parametrize("case", BOUNDED)
def test_gradient_goes_through_the_division(case):
    """Equation 12 of the paper: (G - <G, W / s> u v^T) / s, with G the gradient by the weight as it is used."""
    layer, inputs = bounded(case)
    matrix, left, largest, right = stored(layer)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(layer(inputs) + 0.3))
    given = tf.convert_to_tensor(tape.gradient(loss, layer.layer.weights[0].value))

    plain = BOUNDED[case][0]()
    plain.build(inputs.shape)
    plain.set_weights([layer.normalized_weight(), *layer.layer.get_weights()[1:]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(plain(inputs) + 0.3))
    by_used = tf.convert_to_tensor(tape.gradient(loss, plain.weights[0].value)).numpy()
    by_used = by_used.reshape(matrix.shape).astype("float64")
    expected = (by_used - (by_used * matrix / largest).sum() * np.outer(left, right)) / largest
    np.testing.assert_allclose(given.numpy().reshape(matrix.shape), expected, atol=1e-3 * np.abs(expected).max())


def test_gradient_is_that_of_finite_differences():
    layer, inputs = bounded("dense")
    matrix, *_ = stored(layer)
    x, bias = inputs.numpy().astype("float64"), layer.layer.bias.numpy()

    def loss(matrix):
        return np.sin(x @ (matrix / np.linalg.svd(matrix, compute_uv=False)[0]) + bias).sum()

    expected = np.zeros_like(matrix)
    for i in np.ndindex(matrix.shape):
        step = np.zeros_like(matrix)
        step[i] = 1e-6
        expected[i] = (loss(matrix + step) - loss(matrix - step)) / 2e-6
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.sin(layer(inputs)))
    np.testing.assert_allclose(tape.gradient(value, layer.layer.kernel.value), expected, atol=1e-3)


def test_one_power_iteration_by_hand():
    layer, _ = bounded("dense", iterations=0)
    matrix, *_ = stored(layer)
    (start,) = (weight.numpy()[:, 0].astype("float64") for weight in layer.non_trainable_weights)
    assert np.linalg.norm(start) == pytest.approx(1, abs=1e-6)
    layer.power_iteration()
    left = matrix @ start / np.linalg.norm(matrix @ start)
    right = matrix.T @ left / np.linalg.norm(matrix.T @ left)
    np.testing.assert_allclose(layer.non_trainable_weights[0][:, 0], right, atol=1e-6)
    sigma = (left := matrix @ right / np.linalg.norm(matrix @ right)) @ matrix @ right  # u^T W v
    np.testing.assert_allclose(layer.normalized_weight(), matrix / sigma, atol=1e-6)


def test_spectral_normalization_in_half_precision_divides_before_it_rounds():
    layer = SpectralNormalization(keras.layers.Dense(40, use_bias=False, dtype="mixed_bfloat16"))
    outputs = layer(tf.eye(30))
    assert outputs.dtype == tf.bfloat16 and {weight.dtype for weight in layer.weights} == {"float32"}
    np.testing.assert_array_equal(outputs, tf.cast(layer.normalized_weight(), tf.bfloat16))


def test_spectral_normalization_sees_values_given_for_a_call():
    layer, inputs = bounded("dense")
    other, _ = bounded("dense")
    other.set_weights([weight + 0.1 for weight in layer.get_weights()])
    trained, kept = ([w.value for w in part] for part in (other.trainable_weights, other.non_trainable_weights))
    np.testing.assert_allclose(layer.stateless_call(trained, kept, inputs)[0], other(inputs), atol=1e-6)


@pytest.mark.parametrize("case", BOUNDED)
def test_spectral_normalization_round_trip(case, tmp_path):
    layer, inputs = bounded(case, iterations=3)
    network = keras.Sequential([keras.Input(inputs.shape[1:], dtype=inputs.dtype.name), layer])
    network.save(tmp_path / "network.keras")
    copy = keras.models.load_model(tmp_path / "network.keras")
    assert type(copy.layers[0]) is SpectralNormalization and type(copy.layers[0].layer) is type(layer.layer)
    np.testing.assert_array_equal(copy(inputs), network(inputs))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_gradient_of_a_bias_counts_every_position(dtype):
    bias = tf.Variable(tf.zeros(3, dtype))
    with tf.GradientTape() as tape:
        y = add_bias(tf.ones((16, 8, 8, 3), dtype), bias)
    np.testing.assert_array_equal(tf.cast(tape.gradient(y, bias), tf.float32), [1024.0] * 3)

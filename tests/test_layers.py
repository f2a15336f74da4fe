"""The fast layers compute what Keras's own do, to rounding: outputs, gradients, second gradients, moving averages."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.layers import BlockConv2D, BlockConv2DTranspose, FusedBatchNormalization, add_bias

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


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_gradient_of_a_bias_counts_every_position(dtype):
    bias = tf.Variable(tf.zeros(3, dtype))
    with tf.GradientTape() as tape:
        y = add_bias(tf.ones((16, 8, 8, 3), dtype), bias)
    np.testing.assert_array_equal(tf.cast(tape.gradient(y, bias), tf.float32), [1024.0] * 3)

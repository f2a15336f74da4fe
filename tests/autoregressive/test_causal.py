"""What each output of a network sees: exactly the earlier pixels within its reach."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.models.autoregressive import causal, channel_order
from tests.autoregressive.conftest import with_random_weights


def sensitivity(model, images):
    """|d parameters of a channel of a pixel / d value of a channel of a pixel|, largest over images and parameters.

    Returns:
        `(h w c, h w c)`, outputs by inputs, in raster order.
    """
    images = tf.convert_to_tensor(images, tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(images)
        parameters = model.network(images)
        outputs = tf.reshape(parameters, (len(images), np.prod(model.image_shape), -1))
    jacobian = np.abs(tape.batch_jacobian(outputs, images, experimental_use_pfor=False).numpy())
    return jacobian.max(axis=(0, 2)).reshape(2 * (jacobian.shape[1],))


def some_images(image_shape, n=4):
    return np.random.default_rng(0).uniform(size=(n, *image_shape)).astype("float32")


@pytest.mark.parametrize("image_shape", [(5, 4, 1), (3, 4, 3)])
@pytest.mark.parametrize("num_levels", [2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("dilations", [(1,), (2, 1)])
def test_nothing_leaks_and_everything_before_is_seen(make, image_shape, num_levels, dilations):
    model = make(image_shape, num_levels=num_levels, dilations=dilations, num_filters=24)
    seen = sensitivity(model, some_images(image_shape))
    earlier = np.tri(len(seen), k=-1, dtype=bool)
    assert (seen[~earlier] == 0).all()  # exactly: not the pixel itself, nor any after it
    assert (seen[earlier] > 0).all()  # images so small that the first window alone has no blind spot


def reach(num_blocks, size):
    """What the middle of the last row sees through masked 7x7 and 3x3 windows; offsets added up in a loop."""
    offsets = {(0, 0)}
    for window, sees_itself in [(1, True)] * num_blocks + [(3, False)]:
        above = {(-i, j) for i in range(1, window + 1) for j in range(-window, window + 1)}
        left = {(0, -j) for j in range(0 if sees_itself else 1, window + 1)}
        offsets = {(i + a, j + b) for i, j in offsets for a, b in above | left}
    grid = np.zeros((size, size), bool)
    for i, j in offsets:
        if size - 1 + i >= 0 and 0 <= size // 2 + j < size:
            grid[size - 1 + i, size // 2 + j] = True
    return grid


def test_the_blind_spot_of_pixelcnn_is_the_known_one():
    size = 15
    model = with_random_weights("PixelCNN", (size, size, 1), num_residual_blocks=3, num_filters=16)
    at = (size - 1) * size + size // 2
    seen = sensitivity_of_one(model, at)
    np.testing.assert_array_equal(seen > 0, reach(3, size))
    assert not (seen > 0)[-2, size // 2 + 4 :].any()  # up by one, and more than three to the right


def test_gated_pixelcnn_has_no_blind_spot():
    size = 7
    model = with_random_weights("GatedPixelCNN", (size, size, 1), num_residual_blocks=3, num_filters=16, scale=0.2)
    seen = sensitivity_of_one(model, (size - 1) * size + size // 2)
    expected = np.arange(size * size).reshape(size, size) < (size - 1) * size + size // 2
    np.testing.assert_array_equal(seen > 0, expected)


def sensitivity_of_one(model, output):
    """|d parameter of one pixel / d pixels|, `(h, w)`, largest over a few images."""
    images = tf.constant(some_images(model.image_shape, 8))
    with tf.GradientTape() as tape:
        tape.watch(images)
        parameter = tf.reshape(model.network(images), (len(images), -1))[:, output]
    return np.abs(tape.gradient(parameter, images).numpy()).max(axis=0)[:, :, 0]


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_masked_convolution_is_that_of_a_full_masked_kernel(dilation):
    groups, inputs = channel_order.channel_groups(6, 3), channel_order.channel_groups(9, 3)
    for mask in "AB":
        layer = causal.CausalConv2D(6, (5, 3), mask, groups, inputs, dilation)
        x = tf.random.stateless_normal((2, 7, 6, 9), [0, 0])
        y = layer(x)
        full = np.zeros((5, 3, 9, 6), "float32")
        full[:2] = layer.kernel[:2]
        full[2, 0] = layer.kernel[2, 0]
        for i, o in np.ndindex(9, 6):
            if i // 3 < o // 2 or (mask == "B" and i // 3 == o // 2):
                full[2, 1, i, o] = layer.kernel[2, 1, i, o]
        padding = [(0, 0), (2 * dilation, 2 * dilation), (dilation, dilation), (0, 0)]
        expected = tf.nn.conv2d(tf.pad(x, padding), full, 1, "VALID", dilations=dilation)
        np.testing.assert_allclose(y, expected, atol=1e-5)


def test_dilation_without_onednn_is_the_same(monkeypatch):
    x, kernel = tf.random.stateless_normal((2, 11, 13, 3), [0, 0]), tf.random.stateless_normal((2, 3, 3, 4), [1, 0])
    for dilation in (2, 4):
        expected = causal.convolve(x, kernel, dilation)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "platform", "darwin")
            np.testing.assert_allclose(causal.convolve(x, kernel, dilation), expected, atol=1e-5)


def test_channel_groups():
    np.testing.assert_array_equal(channel_order.channel_groups(6, 3), [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(channel_order.channel_groups(3, 3, repeats=2), [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(channel_order.channel_groups(4, 1), [0, 0, 0, 0])

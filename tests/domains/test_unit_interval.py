"""The convention of values in [0, 1]: images and their like."""

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo import checks, domains

IMAGES = domains.Images((2, 2, 1))


def test_uint8_and_float_are_told_apart_by_dtype():
    levels = np.arange(256, dtype="uint8")
    np.testing.assert_allclose(IMAGES.convert(levels), levels / 255, rtol=1e-6)
    np.testing.assert_array_equal(IMAGES.convert(levels / 255), (levels / 255).astype("float32"))


def test_notebooks_find_it_by_its_older_name():
    levels = np.arange(256, dtype="uint8")
    np.testing.assert_array_equal(gz.images.to_float(levels), IMAGES.convert(levels))


def test_values_are_checked_inside_a_graph_too():
    @tf.function
    def mean(x):
        return tf.reduce_mean(IMAGES.check_values(x, "images"))

    assert mean(tf.constant([0.25, 0.75])) == 0.5
    for bad in ([0.5, 1.5], [-0.5, 0.5], [np.nan, 0.5]):
        with pytest.raises(ValueError, match=r"`images` given as floats must lie in \[0, 1\]"), checks.clear_errors():
            mean(tf.constant(bad))


BITS = np.array([0, 1, 1, 0], "uint8").reshape(1, 2, 2, 1)


@pytest.mark.parametrize("form", [np.asarray, tf.constant])
def test_bytes_of_0_and_1_are_no_levels(form):
    with pytest.raises(
        ValueError, match=r'holds 0 and 1 alone.*by 255.*load\("binarized_mnist"\).*images / 255\.$'
    ) as raised:
        IMAGES(form(BITS))
    assert "\n" not in str(raised.value)
    for passing in (BITS * 0, BITS * 2, BITS * 255, BITS[:0], BITS / 255, BITS.astype("float32")):
        expected = passing / np.float32(255 if passing.dtype == np.uint8 else 1)
        np.testing.assert_allclose(IMAGES(form(passing)), expected, atol=1e-7)


def test_bytes_of_0_and_1_are_refused_inside_a_pipeline_too():
    data = tf.data.Dataset.from_tensors(BITS).map(lambda batch: IMAGES.check(batch, check_values=True))
    with pytest.raises(ValueError, match=r'^`images` given as uint8.*load\("binarized_mnist"\)'), checks.clear_errors():
        next(iter(data))


def test_other_errors_pass_unchanged():
    with pytest.raises(tf.errors.InvalidArgumentError), checks.clear_errors():
        tf.reshape([1, 2, 3], [2])

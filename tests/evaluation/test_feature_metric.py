"""Bad input to the functions between real and generated images gets one clear error."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.evaluation import FrechetDistance, KernelDistance, PrecisionRecall, frechet_distance, kernel_distance


def batches(images):
    return tf.data.Dataset.from_tensor_slices(images).batch(4)


@tf.autograph.experimental.do_not_convert
def never(*batch):
    return False


@pytest.fixture
def refused(pixels, draw):
    def refused(message, real=None, generated=None, features=pixels):
        good = draw(8, 0)
        with pytest.raises(ValueError, match=message):
            frechet_distance(good if real is None else real, good if generated is None else generated, features)

    return refused


def test_too_few_images(refused, draw):
    refused(r"`real` must hold at least 2 images for FrechetDistance; got 1", real=draw(1, 0))
    refused(r"`generated` must hold at least 2 images.*got 0", generated=draw(0, 0))
    refused(r"`generated` must hold at least 2 images.*got 1", generated=batches(draw(1, 0)))


def test_empty_data_set_of_unknown_length(refused, draw):
    refused(r"`real` must hold at least 2 images.*got 0", real=batches(draw(8, 0)).filter(never))


def test_wrong_shapes(refused, draw):
    refused(r"`real` must be images of one size, shape \(n, h, w, c\).*Add the channel axis", real=draw(8, 0)[..., 0])
    refused(r"of one size; got \(2, 2, 1\) and \(2, 1, 1\).*Resize", generated=draw(8, 0)[:, :, :1])
    refused(r"of one size; got \(2, 1, 1\) and \(2, 2, 1\)", real=batches(draw(8, 0)[:, :, :1]))
    sizes = tf.data.Dataset.from_generator(lambda: [], output_signature=tf.TensorSpec([None, None, 2, 1]))
    refused(r"`real` must be images of one size.*None, 2, 1", real=sizes)


def test_wrong_values(refused, draw):
    refused(r"`real`.*must lie in \[0, 1\]", real=draw(8, 0) * 255)
    refused(r"`generated`.*no NaN", generated=draw(8, 0) * np.nan)
    refused(r"`generated` must be floating in \[0, 1\] or uint8.*int32", generated=draw(8, 0).astype("int32"))


def test_features_that_are_not_finite(refused):
    broken = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Rescaling(float("nan"))])
    refused(r"`features` \(Sequential '.*'\) gave numbers that are not finite for `real`", features=broken)


class Varying(keras.Model):
    """As many features as an image has pixels above 0.5 in the mean: no fixed number."""

    def call(self, images):
        n = tf.shape(images)[0]
        return tf.reshape(images, (n, -1))[:, : 1 + tf.cast(2 * tf.reduce_mean(images), tf.int32)]


def test_features_that_vary_in_number(refused, draw):
    refused(r"`features` \(Varying '.*'\) gave 2 numbers an image for `generated`, after 1", draw(8, 0) * 0.1,
            np.ones((8, 2, 2, 1)) * 0.7, Varying())  # fmt: skip
    with pytest.raises(ValueError, match=r"known output shape"):
        tf.function(FrechetDistance(Varying()).update_state)(tf.constant(draw(8, 0)), tf.constant(draw(8, 1)))


def test_kernel_and_neighbours_refuse_to_work_in_a_graph(pixels, draw):
    for metric in (KernelDistance(pixels), PrecisionRecall(pixels)):
        with pytest.raises(ValueError, match=r"outside tf\.function"):
            tf.function(metric.update_state)(tf.constant(draw(8, 0)), tf.constant(draw(8, 1)))


def test_no_result_before_data(pixels):
    for metric in (FrechetDistance(pixels), KernelDistance(pixels), PrecisionRecall(pixels)):
        with pytest.raises(ValueError, match=r"`real` must hold at least"):
            metric.result()


def test_progress_bar_only_when_asked(pixels, draw, capsys):
    kernel_distance(draw(8, 0), draw(8, 1), pixels)
    assert not capsys.readouterr().out
    kernel_distance(draw(8, 0), draw(8, 1), pixels, verbose=1)
    assert capsys.readouterr().out

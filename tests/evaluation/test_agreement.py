"""Classifier agreement: a share with its error."""

import keras
import numpy as np
import pytest

import keras_genzoo as gz
from keras_genzoo.evaluation import ClassifierAgreement, class_imbalance, classifier_agreement


@pytest.fixture
def brightest():
    """Scores that are the three pixels of an image, so that its class is its brightest pixel."""
    return keras.Sequential([keras.Input((1, 3, 1)), keras.layers.Flatten()], name="brightest")


def test_by_hand(brightest):
    images = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1]].reshape(5, 1, 3, 1)
    figure = classifier_agreement(images, [0, 1, 2, 1, 2], brightest, batch_size=2)
    assert float(figure) == pytest.approx(3 / 5) and figure.num_examples == 5
    assert figure.standard_error == pytest.approx(np.sqrt(0.6 * 0.4 / 5))
    assert "60.00 +- 21.91% (n=5 images; read as their label by brightest)" in str(figure)


def test_streams_and_resets(brightest):
    images = np.eye(3, dtype="float32").reshape(3, 1, 3, 1)
    metric = ClassifierAgreement(brightest)
    metric.update_state(images, [0, 0, 0])
    metric.reset_state()
    metric.update_state(images[:1], [0])
    metric.update_state(images[1:], [1, 0])
    assert float(metric.result()) == pytest.approx(2 / 3)


def test_real_digits_are_read_as_their_labels():
    images, labels = next(iter(gz.data.load("digits", "test", batch_size=360, labels=True, shuffle=False)))
    figure = classifier_agreement(images, labels, "classifier_digits")
    assert float(figure) > 0.97 and figure.num_examples == 360
    assert float(classifier_agreement(images, (labels + 1) % 10, "classifier_digits")) < 0.03


@pytest.mark.parametrize(
    ("images", "labels", "classifier", "message"),
    [
        (np.zeros((0, 8, 8, 1)), [], "classifier_digits", r"equally many, at least 1; got 0 and 0"),
        (np.zeros((2, 8, 8, 1)), [1], "classifier_digits", r"equally many, at least 1; got 2 and 1"),
        (np.zeros((2, 8, 8, 1)), [1, 10], "classifier_digits", r"`labels` must lie in 0\.\.9"),
        (np.zeros((2, 8, 8, 1)), [0.0, 1.0], "classifier_digits", r"`labels` must be integers"),
        (np.zeros((2, 9, 8, 1)), [0, 1], "classifier_digits", r"must have shape \(n, 8, 8, 1\)"),
        (
            np.zeros((2, 8, 8, 1)),
            [0, 1],
            "classifier_digit",
            r"unknown `classifier` .*Nearest names: classifier_digits",
        ),
    ],
)
def test_bad_input(images, labels, classifier, message):
    with pytest.raises(ValueError, match=message):
        classifier_agreement(images, labels, classifier)


def test_imbalance_by_hand(brightest):
    real = np.eye(3, dtype="float32")[[0, 0, 1, 2]].reshape(4, 1, 3, 1)
    generated = np.eye(3, dtype="float32")[[0, 0, 0, 1, 1]].reshape(5, 1, 3, 1)
    figure = class_imbalance(real, generated, brightest, batch_size=2)
    # shares (0.5, 0.25, 0.25) and (0.6, 0.4, 0): half of 0.1 + 0.15 + 0.25
    assert float(figure) == pytest.approx(0.25) and (figure.num_examples, figure.num_generated) == (4, 5)
    assert "read by brightest; generated 60.0 40.0 0.0%" in figure.method
    assert float(class_imbalance(real, real[::-1], brightest)) == 0
    with pytest.raises(ValueError, match="`generated` must hold at least 1 image"):
        class_imbalance(real, generated[:0], brightest)

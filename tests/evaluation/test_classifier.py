"""The classifier: it learns, keeps, resumes, and the shipped ones are as good as their cards say."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo import presets
from keras_genzoo.evaluation import Classifier
from tests.conftest import require_tfds

PRESETS = {"classifier_digits": "digits", "classifier_mnist": "mnist", "classifier_fashion_mnist": "fashion_mnist"}


@pytest.fixture
def digits():
    """uint8 images `(64, 8, 8, 1)` and labels `(64,)`."""
    return next(iter(gz.data.load("digits", batch_size=64, labels=True, shuffle=False)))


@pytest.fixture
def dataset(digits):
    return tf.data.Dataset.from_tensor_slices(digits).batch(16)


def test_logits_and_features(digits):
    classifier = Classifier((8, 8, 1))
    logits, features = classifier(digits[0]), classifier.features(digits[0])
    assert logits.shape == (64, 10) and logits.dtype == tf.float32
    assert features.shape == (64, 96) and features.dtype == tf.float32
    np.testing.assert_allclose(classifier.head(features), logits, atol=1e-5)
    floats = tf.cast(digits[0], tf.float32) / 255
    np.testing.assert_allclose(classifier(floats), logits, atol=1e-6)
    assert Classifier((32, 20, 3), 4)(np.zeros((2, 32, 20, 3), "uint8")).shape == (2, 4)


def test_learns_from_every_form_of_data(digits, dataset):
    classifier = Classifier((8, 8, 1), max_shift=1, flip=True)
    classifier.compile()
    before = classifier.evaluate(dataset, verbose=0, return_dict=True)
    classifier.fit(dataset, epochs=10, validation_data=dataset, verbose=0)
    classifier.fit(dataset.map(lambda x, y: {"image": x, "label": y}), verbose=0)
    classifier.fit(digits[0].numpy(), digits[1].numpy(), verbose=0)
    after = classifier.evaluate(dataset, verbose=0, return_dict=True)
    assert set(after) == {"loss", "accuracy"} and after["loss"] < before["loss"]


def test_shifts_move_onto_black_and_flips_mirror():
    classifier = Classifier((5, 6, 1), max_shift=2, flip=False)
    classifier.compile()
    image = np.arange(1, 31, dtype="float32").reshape(5, 6, 1) / 30
    padded = np.pad(image, [(2, 2), (2, 2), (0, 0)])
    windows = {(i, j): padded[i : i + 5, j : j + 6] for i in range(5) for j in range(5)}
    moved = classifier._move(np.repeat(image[None], 400, axis=0)).numpy()
    found = {key for x in moved for key, window in windows.items() if np.array_equal(x, window)}
    assert found == set(windows)
    assert all(any(np.array_equal(x, window) for window in windows.values()) for x in moved)

    mirror = Classifier((5, 6, 1), flip=True)
    mirror.compile()
    mirrored = mirror._move(np.repeat(image[None], 400, axis=0)).numpy()
    is_mirrored = np.array([np.array_equal(x, image[:, ::-1]) for x in mirrored])
    assert all(np.array_equal(x, image) for x in mirrored[~is_mirrored])
    assert 0.4 < is_mirrored.mean() < 0.6


def test_goes_on_as_if_never_stopped(dataset, tmp_path):
    def build():
        keras.utils.set_random_seed(1)
        classifier = Classifier((8, 8, 1), max_shift=1, flip=True)
        classifier.compile(run_eagerly=True)
        return classifier

    whole, stopped, resumed = build(), build(), build()
    whole.fit(dataset, epochs=3, verbose=0)
    stopped.fit(dataset, epochs=1, verbose=0)
    stopped.save_weights(tmp_path / "classifier.weights.h5")
    resumed.load_weights(tmp_path / "classifier.weights.h5")
    resumed.fit(dataset, epochs=3, initial_epoch=1, verbose=0)
    for a, b in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6, err_msg=a.path)


def test_saves_and_loads(digits, tmp_path):
    classifier = Classifier((8, 8, 1), num_classes=12, max_shift=1)
    assert Classifier.from_config(json.loads(json.dumps(classifier.get_config()))).get_config() == (
        classifier.get_config()
    )
    classifier.compile()
    classifier.save(tmp_path / "c.keras")
    classifier.save_to_preset(tmp_path / "preset")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "c.keras")(digits[0]), classifier(digits[0]))
    copy = Classifier.from_preset(tmp_path / "preset")  # of weights rounded to half precision
    np.testing.assert_allclose(copy(digits[0]), classifier(digits[0]), atol=1e-2)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(digits, dataset, policy):
    classifier = Classifier((8, 8, 1), dtype=policy)
    classifier.compile()
    assert np.isfinite(classifier.fit(dataset, verbose=0).history["loss"]).all()
    assert classifier(digits[0]).dtype == classifier.features(digits[0]).dtype == tf.float32


def test_bad_input(digits):
    with pytest.raises(ValueError, match=r"`max_shift` must be an integer from 0 to 7.*got 8"):
        Classifier((8, 8, 1), max_shift=8)
    classifier = Classifier((8, 8, 1))
    classifier.compile()
    images, labels = digits
    for bad_images, bad_labels, message in (
        (images[:, :6], labels, r"must have shape \(n, 8, 8, 1\)"),
        (tf.cast(images, tf.float32), labels, r"must lie in \[0, 1\]"),
        (images, labels + 5, r"must lie in 0\.\.9"),
        (images, None, r"are missing"),
    ):
        data = bad_images if bad_labels is None else (bad_images, bad_labels)
        for verb in (classifier.fit, classifier.evaluate):
            with pytest.raises(ValueError, match=message):
                verb(tf.data.Dataset.from_tensors(data), verbose=0)
    with pytest.raises(ValueError, match=r"must have shape \(n, 8, 8, 1\)"):
        classifier.features(np.zeros((2, 28, 28, 1)))


@pytest.mark.parametrize(("preset", "dataset"), PRESETS.items())
def test_shipped_accuracy_is_reproduced(preset, dataset):
    if dataset != "digits":
        require_tfds(dataset)
    classifier = Classifier.from_preset(preset)
    accuracy = gz.list_presets("Classifier")[preset]["figures"]["accuracy"]
    classifier.compile()
    test_set = gz.data.load(dataset, "test", batch_size=500, labels=True, shuffle=False)
    measured = classifier.evaluate(test_set.take(4), verbose=0, return_dict=True)["accuracy"]
    if dataset == "digits":
        assert accuracy["num_examples"] == 360
        assert measured == pytest.approx(accuracy["value"], abs=0.5 / 360)
    else:  # the first 2,000 of 10,000 images: within five standard errors
        p = accuracy["value"]
        assert accuracy["num_examples"] == 10000
        assert measured == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / 2000))


def test_shipped_weights_are_small():
    for preset in PRESETS:
        assert (presets.find(preset) / "model.weights.h5").stat().st_size < 1e6

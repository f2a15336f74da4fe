"""Feature spaces: which network, what happens to images on the way into it, what is said of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.evaluation import Classifier, default_features, feature_space, features, frechet_distance


@pytest.fixture
def digits():
    """uint8 `(20, 8, 8, 1)`."""
    return next(iter(gz.data.load("digits", batch_size=20, shuffle=False))).numpy()


def test_a_classifier_by_every_name(digits, tmp_path):
    classifier = Classifier.from_preset("classifier_digits")
    classifier.save_to_preset(tmp_path / "mine")
    expected = classifier.features(digits)
    for given in (classifier, "classifier_digits", tmp_path / "mine", str(tmp_path / "mine")):
        space = feature_space(given)
        np.testing.assert_allclose(space(digits), expected, atol=1e-6)
        assert feature_space(space) is space
    assert space.describe((8, 8, 1)) == f"features of {tmp_path / 'mine'}, not resized"


def test_runs_in_float32_under_any_policy(digits):
    expected = feature_space("classifier_digits")(digits)
    keras.config.set_dtype_policy("mixed_bfloat16")
    np.testing.assert_allclose(feature_space("classifier_digits")(digits), expected, atol=1e-6)


def test_maps_are_flattened_and_uint8_counts_as_levels(digits):
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.AveragePooling2D(4)])
    means = digits.reshape(20, 2, 4, 2, 4).mean(axis=(2, 4)) / 255
    np.testing.assert_allclose(feature_space(network)(digits), means.reshape(20, 4), atol=1e-6)


def test_dropout_and_batch_statistics_are_those_of_inference(digits):
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dropout(0.5)])
    np.testing.assert_allclose(feature_space(network)(digits), digits.reshape(20, -1) / 255, atol=1e-6)


def test_resizes_and_repeats_channels(digits):
    network = keras.Sequential([keras.Input((4, 6, 3)), keras.layers.Flatten()])
    space = feature_space(network)
    resized = tf.repeat(tf.image.resize(digits / 255, (4, 6), antialias=True), 3, axis=-1)
    np.testing.assert_allclose(space(digits), tf.reshape(resized, (20, -1)), atol=1e-5)
    assert space.describe((8, 8, 1)).endswith(", resized 8x8 to 4x6")


def test_any_size_where_the_network_takes_any(digits):
    inputs = keras.Input((None, None, 1))
    space = feature_space(keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs)))
    for images in (digits, digits[:, :5]):
        np.testing.assert_allclose(space(images)[:, 0], images.mean(axis=(1, 2, 3)) / 255, atol=1e-6)
    assert space.describe((8, 8, 1)).endswith(", not resized")


def test_colour_into_a_grey_network_is_refused():
    colour = np.zeros((4, 8, 8, 3), "uint8")
    with pytest.raises(ValueError, match=r"take images of 1 channels; `real` have 3"):
        frechet_distance(colour, colour, "classifier_digits")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("classifier_mnits", r"unknown `features` 'classifier_mnits'.*Nearest names: classifier_mnist"),
        ("inception", r"unknown `features` 'inception'.*Nearest names: inception_v3"),
        (3, r"unknown `features` 3.*classifier_digits.*inception_v3"),
        ("vae_digits", r"holds a VAE, not a Classifier"),
        (keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)]), r"must take images \(n, h, w, c\)"),
    ],
)
def test_unknown_features(given, message):
    with pytest.raises(ValueError, match=message):
        feature_space(given)


def test_every_default_by_data_set():
    for dataset, name in features.DEFAULTS.items():
        assert default_features(dataset) == name
        assert feature_space(name).input_shape[0] == (8 if dataset == "digits" else 28)
    assert default_features("cifar10") == "inception_v3"


@pytest.fixture
def fresh_cache():
    features._inception_v3.cache_clear()
    yield
    features._inception_v3.cache_clear()


@pytest.mark.slow
def test_inception_v3(fresh_cache, digits, monkeypatch):
    """With random weights: the width, and the range that Keras says the network was trained on."""
    original, built = keras.applications.InceptionV3, []
    monkeypatch.setattr(
        keras.applications, "InceptionV3", lambda **kwargs: built.append(original(weights=None, **kwargs)) or built[-1]
    )
    keras.config.set_dtype_policy("mixed_bfloat16")
    space = feature_space("inception_v3")
    assert keras.config.dtype_policy().name == "mixed_bfloat16" and built[0].dtype_policy.name == "float32"
    resized = tf.repeat(tf.clip_by_value(tf.image.resize(digits[:2] / 255, (299, 299), antialias=True), 0, 1), 3, -1)
    expected = built[0](keras.applications.inception_v3.preprocess_input(resized.numpy() * 255), training=False)
    assert expected.shape == (2, 2048)
    np.testing.assert_allclose(space(digits[:2]), expected, atol=1e-5)
    assert "resized 8x8 to 299x299" in space.describe((8, 8, 1)) and "ImageNet" in space.name


def test_inception_weights_that_cannot_be_downloaded(fresh_cache, monkeypatch):
    def offline(**kwargs):
        raise Exception("URL fetch failure on https://storage.googleapis.com/...: None -- no route\nmore")

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded.*URL fetch failure.*choose other `features`"):
        feature_space("inception_v3")

"""Wrong values of each kind and data without examples get one clear error, in every form, before any weight moves.

The contract tries one or two of them on every verb of every model (tests/contract/test_verbs.py).
"""

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from tests.contract import wrong_values

GOOD = np.random.default_rng(0).integers(0, 2, (4, 8, 8, 1)).astype("float32")
LABELS = np.arange(4)
VECTORS = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")


def batches(*tensors):
    return tf.data.Dataset.from_tensor_slices(tensors if len(tensors) > 1 else tensors[0]).batch(2)


@tf.autograph.experimental.do_not_convert
def never(*batch):
    return False


def compiled(build):
    """A fixture: one model for all tests of a module, since bad input must leave it as it was."""

    @pytest.fixture(scope="module")
    def fixture():
        model = build()
        model.compile()
        before = [variable.numpy() for variable in model.trainable_variables]
        yield model
        for weight, variable in zip(before, model.trainable_variables, strict=True):
            np.testing.assert_array_equal(weight, variable.numpy())

    return fixture


plain = compiled(lambda: gz.VAE((8, 8, 1), 2))
conditional = compiled(lambda: gz.Autoencoder((8, 8, 1), 2, num_classes=5))
of_vectors = compiled(lambda: gz.PixelCNN((8, 8, 1), num_filters=2, num_residual_blocks=1, condition_dim=3))


@pytest.mark.parametrize("case", wrong_values.images(GOOD))
def test_images(plain, case):
    images, message = wrong_values.images(GOOD)[case]
    for call in (
        lambda: plain.fit(images, verbose=0),
        lambda: plain.fit(batches(images), verbose=0),
        lambda: plain.fit(GOOD, validation_data=(images, None), verbose=0),
        lambda: plain.evaluate(batches(images), verbose=0),
        lambda: plain.predict(batches(images), verbose=0),
        lambda: plain.encode(images),
    ):
        with pytest.raises(ValueError, match=message) as raised:
            call()
        assert "\n" not in str(raised.value) and "] [" not in str(raised.value)


@pytest.mark.parametrize("case", wrong_values.labels(LABELS, 5))
def test_labels(conditional, case):
    labels, message = wrong_values.labels(LABELS, 5)[case]
    data = batches(GOOD) if labels is None else batches(GOOD, labels)
    for call in (
        lambda: conditional.fit(GOOD, labels, verbose=0),
        lambda: conditional.fit(data, verbose=0),
        lambda: conditional.evaluate(data, verbose=0),
        lambda: conditional.predict(data, verbose=0),
        lambda: conditional.encode(GOOD, labels),
        *([] if labels is None else [lambda: conditional.sample(4, labels)]),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("case", wrong_values.vectors(VECTORS))
def test_vectors(of_vectors, case):
    vectors, message = wrong_values.vectors(VECTORS)[case]
    data = batches(GOOD) if vectors is None else batches(GOOD, vectors)
    for call in (
        lambda: of_vectors.fit(GOOD, vectors, verbose=0),
        lambda: of_vectors.fit(data, verbose=0),
        lambda: of_vectors.evaluate(data, verbose=0),
        lambda: of_vectors.log_prob(GOOD, vectors),
        lambda: of_vectors.sample(4, vectors),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("case", wrong_values.latents(VECTORS))
def test_latents(case):
    gan = gz.GAN((8, 8, 1), 3)
    latents, message = wrong_values.latents(VECTORS)[case]
    for call in (lambda: gan.decode(latents), lambda: gan(latents), lambda: gan.interpolate(latents, latents, 3)):
        with pytest.raises(ValueError, match=message.replace("latents", r"\w+")):
            call()


def test_validation_data():
    vae = gz.VAE((8, 8, 1), 2)
    vae.compile()
    for wrong in ((GOOD * 3, LABELS), batches(GOOD * 3, LABELS)):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            vae.fit(batches(GOOD, LABELS), validation_data=wrong, verbose=0)


def test_unbatched_data_set(plain):
    with pytest.raises(ValueError, match=r"dataset\.batch"):
        plain.fit(tf.data.Dataset.from_tensor_slices((GOOD, LABELS)), verbose=0)


@pytest.mark.parametrize(
    "empty",
    [
        lambda: tf.data.Dataset.from_tensor_slices((GOOD, LABELS)).take(0).batch(2),
        lambda: batches(GOOD, LABELS).filter(never),  # TensorFlow cannot count this one beforehand
    ],
)
def test_empty_data(plain, empty):
    for call in (plain.fit, plain.evaluate):
        with pytest.raises(ValueError, match="empty"):
            call(empty(), verbose=0)
    with pytest.raises(ValueError, match="empty"):
        plain.fit(GOOD[:0], LABELS[:0], verbose=0)


def test_dict_without_image(plain):
    with pytest.raises(ValueError, match="'image'"):
        plain.fit(tf.data.Dataset.from_tensor_slices({"picture": GOOD}).batch(2), verbose=0)


def test_sample_weights_are_refused(plain):
    with pytest.raises(ValueError, match="third element"):
        plain.fit(batches(GOOD, LABELS, np.ones(4)), verbose=0)

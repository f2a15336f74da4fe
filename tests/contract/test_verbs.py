"""The contract of every verb: samples repeat and differ, and wrong values get one clear error and move no weight."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests.contract import wrong_values
from tests.contract.conftest import labels_for
from tests.contract.variants import IMAGE_SHAPE, NUM_CLASSES

OF_IMAGES = ("encode", "reconstruct", "posterior", "log_prob", "discriminate", "conditional", "complete")


def test_samples(life):
    model, labels = life.model, labels_for(life.model, 7)
    images = model.sample(7, labels=labels, seed=3).numpy()
    assert images.shape == (7, *IMAGE_SHAPE) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1
    np.testing.assert_array_equal(images, model.sample(7, labels=labels, seed=3))
    np.testing.assert_allclose(images, model.sample(7, labels=labels, seed=3, batch_size=2), atol=1e-6)
    assert np.abs(images - model.sample(7, labels=labels, seed=4)).max() > 1e-4
    assert np.abs(model.sample(7, labels=labels) - model.sample(7, labels=labels)).max() > 1e-4


@pytest.mark.variants("is_conditional")
def test_samples_without_labels_are_of_any_class(model, monkeypatch):
    seen = []
    monkeypatch.setattr(model, "in_batches", lambda function, batch_size, noise, labels: seen.append(labels.numpy()))
    for batch_size in (None, 100):
        model.sample(1000, seed=0, batch_size=batch_size)
    np.testing.assert_array_equal(seen[0], np.concatenate(seen[1:]))
    assert np.bincount(seen[0], minlength=NUM_CLASSES).min() > 50


def trained_weights(model):
    return [variable.numpy() for variable in model.trainable_variables]


def verbs_of_images(model):
    """Each verb as a function of images and labels."""
    options = {"complete": {"known": np.ones(IMAGE_SHAPE, bool)}}
    return [
        functools.partial(getattr(model, name), **options.get(name, {})) for name in OF_IMAGES if hasattr(model, name)
    ]


def calls(model, images, labels):
    """Everything that takes images, with these."""
    data = tf.data.Dataset.from_tensor_slices(images if labels is None else (images, labels)).batch(16)
    return [
        lambda: model.fit(data, verbose=0),
        lambda: model.fit(images, labels, verbose=0),
        lambda: model.evaluate(data, verbose=0),
        *(lambda verb=verb: verb(images, labels=labels) for verb in verbs_of_images(model)),
    ]


def test_wrong_images_get_one_clear_error_and_move_no_weight(life, digits):
    model, (images, labels) = life.model, (tensor.numpy() for tensor in digits)
    weights = trained_weights(model)
    wrong = wrong_values.images(images.astype("float32") / 255)
    for case in ("bits as bytes", "other size"):  # of the type that the model was traced for, and of another
        values, message = wrong[case]
        for call in calls(model, values, labels if model.num_classes else None):
            with pytest.raises(ValueError, match=message) as raised:
                call()
            assert "\n" not in str(raised.value) and "] [" not in str(raised.value)
    for before, after in zip(weights, trained_weights(model), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.variants("is_conditional")
def test_wrong_labels_get_one_clear_error_and_move_no_weight(life, digits):
    model, (images, labels) = life.model, (tensor.numpy() for tensor in digits)
    weights = trained_weights(model)
    for case, (values, message) in wrong_values.labels(labels, NUM_CLASSES).items():
        for call in [
            *(calls(model, images, values) if case in ("missing", "too large") else []),
            *([] if values is None else [lambda values=values: model.sample(len(labels), labels=values)]),
        ]:
            with pytest.raises(ValueError, match=message):
                call()
    with pytest.raises(ValueError, match="expected 3, got 4"):
        model.sample(3, labels=labels[:4])
    for before, after in zip(weights, trained_weights(model), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.variants("has_latents")
def test_wrong_latents_get_one_clear_error(model):
    good = np.random.default_rng(0).normal(size=(4, model.latent_dim)).astype("float32")
    for values, message in wrong_values.latents(good).values():
        for name in ("decode", "likelihood"):
            if hasattr(model, name):
                with pytest.raises(ValueError, match=message):
                    getattr(model, name)(values, labels_for(model, 4))


@pytest.mark.variants("is_unconditional")
def test_labels_are_refused_by_a_model_without_classes(model):
    with pytest.raises(ValueError, match="without num_classes"):
        model.sample(4, labels=np.arange(4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_samples": 0}, "`num_samples` must be a positive integer; got 0"),
        ({"num_samples": 2.5}, "`num_samples`"),
        ({"num_samples": 4, "batch_size": -1}, "`batch_size`"),
        ({"num_samples": 4, "seed": 2**31}, "`seed` must fit in 32 bits"),
        ({"num_samples": 4, "seed": "0"}, "`seed` must be an integer"),
    ],
)
def test_wrong_arguments_of_sample(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.sample(**arguments, labels=labels_for(model, 4))

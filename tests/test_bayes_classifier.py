"""Classification by Bayes' rule against densities of every class, one by one."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz

K, SHAPE = 3, (2, 2, 1)
EVERY_IMAGE = np.array(list(itertools.product([0, 1], repeat=4)), "float32").reshape(-1, *SHAPE)
RNG = np.random.default_rng(0)


def pixelcnn(**options):
    """Of weights so large that labels matter."""
    model = gz.PixelCNN(SHAPE, num_filters=4, num_residual_blocks=1, **options)
    for weight in model.trainable_variables:
        weight.assign(weight + RNG.normal(size=weight.shape).astype("float32"))
    return model


def vae(**options):
    return gz.VAE(SHAPE, latent_dim=2, num_classes=K, **options)


def shares(log_probs):
    """By Bayes' rule from log p(x | y) `(n, k)`, in float64."""
    joint = np.exp(np.asarray(log_probs, "float64")) / K
    return joint / joint.sum(axis=1, keepdims=True)


def test_exact_densities_of_every_image_are_turned_round():
    """p(y | x) p(x) is p(x | y) p(y), and so sums to p(y) = 1 / 3 over all images."""
    model = pixelcnn(num_classes=K)
    conditionals = np.stack([model.log_prob(EVERY_IMAGE, np.full(16, y)) for y in range(K)], axis=1)
    given = model.classify(EVERY_IMAGE).numpy()
    np.testing.assert_allclose(given, shares(conditionals), atol=1e-6)
    assert np.ptp(given, axis=0).max() > 0.2
    marginal = np.exp(conditionals.astype("float64")).mean(axis=1)
    np.testing.assert_allclose(marginal @ given, [1 / K] * K, atol=1e-6)


def test_bounds_of_a_vae_are_compared_by_the_same_draws():
    model, images = vae(), RNG.uniform(size=(5, *SHAPE)).astype("float32")
    options = {"num_importance_samples": 3, "seed": 4}
    bounds = np.stack([model.log_prob(images, np.full(5, y), **options) for y in range(K)], axis=1)
    np.testing.assert_allclose(model.classify(images, **options), shares(bounds), atol=1e-6)
    assert np.abs(model.classify(images) - model.classify(images)).max() > 1e-6  # other draws, without a seed
    for weight in model.trainable_variables:
        if "embedding" in weight.path:
            weight.assign(tf.zeros_like(weight))  # labels tell nothing now
    np.testing.assert_allclose(model.classify(images, num_importance_samples=1), np.full((5, K), 1 / K), atol=1e-6)


def test_accuracy_is_measured_on_so_many_examples_with_the_prior_said():
    model = pixelcnn(num_classes=K)
    images = EVERY_IMAGE[RNG.integers(0, 16, 1100)]
    labels = RNG.integers(0, K, len(images))
    figure = model.measurements(tf.data.Dataset.from_tensor_slices((images, labels)).batch(64))[
        "classification_accuracy"
    ]
    expected = np.mean(np.argmax(model.classify(images[:1000]), axis=1) == labels[:1000])
    assert figure.value == pytest.approx(expected) and figure.num_examples == 1000
    assert figure.standard_error == pytest.approx(np.sqrt(expected * (1 - expected) / 1000))
    assert figure.method == "largest p(y | x) by Bayes' rule, exact p(x | y), p(y) uniform, the first 1,000"


def test_accuracy_by_a_bound_says_its_draws_and_is_left_out_without():
    model, images = vae(), RNG.uniform(size=(20, *SHAPE)).astype("float32")
    model.compile()
    dataset = tf.data.Dataset.from_tensor_slices((images, np.arange(20) % K)).batch(8)
    assert "classification_accuracy" not in model.measurements(dataset)
    figure = model.measurements(dataset, num_importance_samples=7)["classification_accuracy"]
    assert figure.num_examples == 20
    assert figure.method == "largest p(y | x) by Bayes' rule, bound of p(x | y), 7 samples, p(y) uniform"


@pytest.mark.parametrize("options", [{}, {"condition_dim": 2}])
def test_a_model_without_classes_does_not_classify(options):
    model = pixelcnn(**options)
    assert "classify" not in model.verbs
    with pytest.raises(ValueError, match=r"`classify` is for a model of classes.*PixelCNN was built without"):
        model.classify(EVERY_IMAGE)

"""Which figures a model gets, and that they are what the metrics alone would give."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo import domains, likelihood, measurement
from keras_genzoo.evaluation import (
    Classifier,
    class_imbalance,
    classifier_agreement,
    frechet_distance,
    model_measurements,
    reference_measurements,
    sample_measurements,
)


@pytest.fixture
def test_set():
    return gz.data.load("digits", "test", batch_size=100, labels=True, shuffle=False)


@pytest.fixture
def images(test_set):
    return np.concatenate([images for images, _ in test_set])


SAMPLE_FIGURES = {"frechet_distance", "kernel_distance", "precision", "recall", "density", "coverage"}


def test_samples_of_an_unconditional_model(test_set, images):
    vae = gz.VAE((8, 8, 1), 4)
    figures = sample_measurements(vae, test_set, "classifier_digits", classifier="classifier_digits")
    assert set(figures) == {*SAMPLE_FIGURES, "class_imbalance"}
    alone = class_imbalance(images, vae.sample(360, seed=0), "classifier_digits")
    assert float(figures["class_imbalance"]) == pytest.approx(float(alone))
    alone = frechet_distance(images, vae.sample(360, seed=0), "classifier_digits")
    assert float(figures["frechet_distance"]) == pytest.approx(float(alone), rel=1e-4)
    for name, figure in figures.items():
        assert (figure.num_examples, figure.num_generated) == (360, 360)
        assert name == "class_imbalance" or "features of classifier_digits, not resized" in figure.method
        assert "samples of seed 0" in figure.method
    assert "10 blocks of 36" in figures["kernel_distance"].method


def test_samples_of_a_conditional_model_come_from_every_class(test_set):
    cvae = gz.VAE((8, 8, 1), 4, num_classes=10)
    figures = sample_measurements(cvae, test_set, "classifier_digits", num_samples=25, classifier="classifier_digits")
    assert set(figures) == {*SAMPLE_FIGURES, "classifier_agreement"}
    labels = np.arange(25) % 10
    alone = classifier_agreement(cvae.sample(25, labels, seed=0), labels, "classifier_digits")
    assert float(figures["classifier_agreement"]) == float(alone)
    assert figures["classifier_agreement"].num_examples == figures["recall"].num_generated == 25
    assert "classifier_agreement" not in sample_measurements(cvae, test_set, "classifier_digits", num_samples=10)


def test_samples_of_a_model_conditioned_on_vectors_take_those_of_real_images(test_set, images):
    pixelcnn = gz.PixelCNN((8, 8, 1), num_filters=4, num_residual_blocks=1, condition_dim=10)
    data = test_set.map(lambda images, labels: (images, tf.one_hot(labels, 10))).take(2)
    figures = sample_measurements(pixelcnn, data, "classifier_digits", num_samples=210, classifier="classifier_digits")
    assert set(figures) == {*SAMPLE_FIGURES, "class_imbalance"}
    vectors = np.concatenate([vectors for _, vectors in data])
    vectors = np.concatenate([vectors, vectors[:10]])
    samples = pixelcnn.sample(210, vectors, seed=0)
    alone = frechet_distance(images[:200], samples, "classifier_digits")
    assert float(figures["frechet_distance"]) == pytest.approx(float(alone), rel=1e-4)
    with pytest.raises(ValueError, match=r"`real` must give batches \(images, vectors\)"):
        sample_measurements(pixelcnn, test_set.map(lambda images, labels: images), "classifier_digits")


def test_the_first_images_of_a_large_set(test_set, monkeypatch):
    monkeypatch.setattr(model_measurements, "MOST_IMAGES", 150)
    figures = sample_measurements(gz.VAE((8, 8, 1), 4), test_set, "classifier_digits")
    assert (figures["recall"].num_examples, figures["recall"].num_generated) == (150, 150)
    with pytest.raises(ValueError, match="`real` is an empty data set"):
        sample_measurements(gz.VAE((8, 8, 1), 4), test_set.take(0), "classifier_digits")


@pytest.mark.slow
def test_distances_of_training_images(test_set, images):
    training = gz.data.load("digits", batch_size=100, seed=0)
    first = np.concatenate(list(training.as_numpy_iterator()))[:50]
    figures = reference_measurements(test_set, gz.data.load("digits", batch_size=100, seed=0), "classifier_digits", 50)
    assert set(figures) == {"frechet_distance_reference", "kernel_distance_reference"}
    alone = frechet_distance(images, first, "classifier_digits")
    assert float(figures["frechet_distance_reference"]) == pytest.approx(float(alone), rel=1e-4)
    assert "10 blocks of 5," in figures["kernel_distance_reference"].method
    for name, figure in figures.items():
        assert figure.name == name and "training images instead of samples" in figure.method
        assert (figure.num_examples, figure.num_generated) == {"f": (360, 50), "k": (50, 50)}[name[0]]
    assert float(reference_measurements(test_set, training, "classifier_digits")["frechet_distance_reference"]) < 3


def evaluated(model, test_set):
    model.compile()
    metrics = model.evaluate(test_set, verbose=0, return_dict=True)
    return metrics, measurement.of_objectives(model, test_set)


def test_metrics_of_a_classifier(test_set):
    metrics, figures = evaluated(Classifier((8, 8, 1)), test_set)
    (figure,) = figures.values()
    p = metrics["accuracy"]
    assert (figure.name, figure.unit, figure.num_examples) == ("accuracy", "share", 360)
    assert figure.value == pytest.approx(p) and figure.standard_error == pytest.approx(np.sqrt(p * (1 - p) / 360))


def test_metrics_of_autoencoders_are_nats_and_those_of_players_are_not(test_set):
    metrics, figures = evaluated(gz.Autoencoder((8, 8, 1), 4), test_set)
    assert [(f.name, f.unit, f.value) for f in figures.values()] == [("loss", "nats", pytest.approx(metrics["loss"]))]
    _, figures = evaluated(gz.GAN((8, 8, 1), 4), test_set)
    assert [(f.name, f.unit) for f in figures.values()] == [(name, "") for name in gz.GAN.metric_names]
    assert all(f.num_examples == 360 for f in figures.values())


@pytest.mark.parametrize(("k", "draws"), [(1, "one draw an image"), (8, "mean of 8 draws an image")])
def test_a_vae_says_from_how_many_draws_its_elbo_is(test_set, k, draws):
    vae = gz.VAE((8, 8, 1), 4, num_importance_samples=k)
    vae.compile()
    vae.seed_generator.state.assign([3, 0])
    metrics = vae.evaluate(test_set, verbose=0, return_dict=True)
    vae.seed_generator.state.assign([3, 0])
    (figure,) = measurement.of_objectives(vae, test_set).values()
    assert (figure.name, figure.unit, figure.num_examples) == ("negative_elbo", "nats", 360)
    assert figure.method == f"-E_q log p(x|z) + KL(q(z|x) || p(z)), {draws}"
    assert figure.value == pytest.approx(metrics["reconstruction"] + metrics["kl"], rel=1e-6)
    # The bound of several draws is another number, and tighter.
    assert (figure.value == pytest.approx(metrics["loss"], rel=1e-5)) == (k == 1)


def test_likelihoods(test_set):
    class Exact(keras.Model):
        """Every bit of an image is a fair coin."""

        sample_domain = domains.Images((8, 8, 1))
        log_prob_is_exact, num_levels = True, None

        def unpack(self, data):
            return data[0], None

        def log_prob(self, images):
            return keras.ops.full((len(images),), -64 * np.log(2))

    (figure,) = likelihood.measurements(Exact(), test_set).values()
    assert (figure.name, figure.method, figure.num_examples) == ("log_likelihood", "exact", 360)
    assert figure.value == pytest.approx(-64 * np.log(2))

    pixelcnn = gz.PixelCNN((8, 8, 1), num_levels=17, num_filters=4, num_residual_blocks=1)
    metrics, figures = evaluated(pixelcnn, test_set)
    assert not figures
    figures = likelihood.measurements(pixelcnn, test_set)
    assert figures["log_likelihood"].method == "exact, images of 17 levels"
    assert float(figures["log_likelihood"]) == pytest.approx(-metrics["loss"], rel=1e-5)
    assert float(figures["bits_per_dim"]) == pytest.approx(metrics["bits_per_dim"], rel=1e-5)
    binary = gz.PixelCNN((8, 8, 1), num_filters=4, num_residual_blocks=1)
    with pytest.raises(ValueError, match="must hold the 2 levels"):  # as in fit
        likelihood.measurements(binary, test_set)

    vae = gz.VAE((8, 8, 1), 4, likelihood="quantized_logistic")
    figures = likelihood.measurements(vae, test_set, num_importance_samples=3)
    assert set(figures) == {"log_likelihood_bound", "bits_per_dim"}
    assert "3 samples" in figures["log_likelihood_bound"].method
    assert not likelihood.measurements(vae, test_set)
    assert not likelihood.measurements(gz.GAN((8, 8, 1), 4), test_set)

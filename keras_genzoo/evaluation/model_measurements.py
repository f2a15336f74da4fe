"""The figures that fit a model: of its objective, of its likelihood, of its samples."""

import dataclasses

import numpy as np

from keras_genzoo import batches
from keras_genzoo.evaluation.agreement import class_imbalance, classifier_agreement
from keras_genzoo.evaluation.feature_metric import compare
from keras_genzoo.evaluation.features import feature_space
from keras_genzoo.evaluation.frechet import FrechetDistance
from keras_genzoo.evaluation.kernel import KernelDistance
from keras_genzoo.evaluation.neighborhoods import PrecisionRecall

MOST_IMAGES = 10_000  # real images, and samples unless asked for more: what the literature compares by
_KERNEL_BLOCKS, _LARGEST_KERNEL_BLOCK = 10, 1000
_IMAGES_AT_ONCE = 500


def sample_measurements(model, real, features, num_samples=None, classifier=None, seed=0, labels_of_sources=None):
    """Samples of a model against real images: Frechet and kernel distance, precision, recall, density, coverage.

    Args:
        model: a `GenerativeModel`; one of classes draws each equally often, one of vectors or sources takes those of
            the real images.
        real: `tf.data.Dataset` of batches as `fit` takes them; the first 10,000 images are used.
        features: see `feature_space`.
        num_samples: int; by default as many as real images.
        classifier: see `ClassifierAgreement`; with one is measured, too, how often it reads the samples of a
            conditional model as their labels, and for another model how the classes of its samples are balanced.
        seed: int32, of the samples.
        labels_of_sources: ints `(m,)`, the classes of what the m real images are to be translated from, which
            `classifier` should read in the translations; None where they have none.

    Returns:
        dict, name to `Measurement`.
    """
    space = feature_space(features)
    vectors = _first(real, 1) if model.is_conditional and not model.num_classes else None
    real = _first(real)
    n = num_samples or len(real)
    labels = None if model.num_classes is None else np.arange(n) % model.num_classes
    if vectors is not None:
        labels = vectors[np.arange(n) % len(vectors)]
    samples = model.sample(n, labels, seed=seed, batch_size=_IMAGES_AT_ONCE)
    samples = model.sample_domain.picture(samples)
    figures = distances(space, real, samples, min(len(real), n))
    if classifier is not None and model.num_classes is not None:
        figures["classifier_agreement"] = classifier_agreement(samples, labels, classifier)
    elif classifier is not None:
        figures["class_imbalance"] = class_imbalance(real, samples, classifier)
    if classifier is not None and labels_of_sources is not None:
        expected = labels_of_sources[np.arange(n) % len(vectors)]
        figures["classifier_agreement"] = classifier_agreement(samples, expected, classifier)
    figures = {
        name: dataclasses.replace(figure, method=f"{figure.method}, samples of seed {seed}")
        for name, figure in figures.items()
    }
    if classifier is not None and labels_of_sources is not None and vectors.shape[1:] == samples.shape[1:]:
        copied = classifier_agreement(vectors, labels_of_sources[: len(vectors)], classifier)
        figures["classifier_agreement_of_the_source"] = dataclasses.replace(
            copied,
            name="classifier_agreement_of_the_source",
            method=f"{copied.method}, sources instead of translations",
        )
    return figures


def reference_measurements(real, training, features, num_images=None):
    """The distances of training images to other real ones, to read those of samples by.

    They are no floor: samples may lie nearer. A Frechet distance falls as either set grows, and in a draw of few images
    classes come unequally often, unlike in samples of a conditional model. Measured against the 360 test images of
    `digits`, mean and standard deviation over draws: 360 training images 1.46 +- 0.31, 1,000 of them 1.12 +- 0.09, 360
    in equal classes 0.98 +- 0.08; 360 samples of `cgan_digits` 1.24 +- 0.11.

    Args:
        real: `tf.data.Dataset` of batches as `fit` takes them; the first 10,000 images are used.
        training: the same, of the images trained on.
        features: see `feature_space`.
        num_images: int, training images; by default as many as real ones. Give the number of samples that are measured.

    Returns:
        dict, name to `Measurement`.
    """
    space = feature_space(features)
    real = _first(real)
    training = _first(training)[: num_images or len(real)]
    figures = compare(_distances(space, min(len(real), len(training))), real, training, verbose=1).values()
    return {
        f"{figure.name}_reference": dataclasses.replace(
            figure, name=f"{figure.name}_reference", method=f"{figure.method}, training images instead of samples"
        )
        for figure in figures
    }


def distances(space, real, generated, num_images):
    """All that is measured between real and generated images, each as for `compare`, of at least so many."""
    return compare([*_distances(space, num_images), PrecisionRecall(space)], real, generated, verbose=1)


def _distances(space, num_images):
    block_size = num_images // _KERNEL_BLOCKS
    return [FrechetDistance(space), KernelDistance(space, min(max(block_size, 2), _LARGEST_KERNEL_BLOCK))]


def _first(dataset, part=0):
    """The images of the first batches, or (part 1) their labels."""
    found, count = [], 0
    for batch in dataset:
        values = batches.split(batch)[part]
        if values is None:
            raise ValueError("`real` must give batches (images, vectors) for a model with condition_dim.")
        found.append(np.asarray(values))
        count += len(found[-1])
        if count >= MOST_IMAGES:
            break
    if not found:
        raise ValueError("`real` is an empty data set: it has no image to measure.")
    return np.concatenate(found)[:MOST_IMAGES]

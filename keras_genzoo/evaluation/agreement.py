"""What a classifier reads in samples: how often the class they were drawn for, and whether every class comes as often
as it should."""

import math

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import domains
from keras_genzoo.evaluation.features import load_classifier
from keras_genzoo.measurement import Measurement
from keras_genzoo.zoo_model import checked_condition


class ClassifierAgreement(keras.metrics.Mean):
    """Share of images that a classifier reads as their label.

    Args:
        classifier: name or folder of a preset that holds a `Classifier`, such as `"classifier_mnist"`, or any Keras
            model from images `(n, h, w, c)` in [0, 1] to scores `(n, num_classes)`.
        name: str.
    """

    def __init__(self, classifier, name="classifier_agreement"):
        super().__init__(name=name)
        is_model = isinstance(classifier, keras.Model)
        self.classifier = classifier if is_model else load_classifier(classifier, "classifier")
        self.classifier_name = classifier.name if is_model else str(classifier)

    def update_state(self, images, labels):
        """Adds images.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8, of the size the classifier takes.
            labels: ints `(n,)`.

        Raises:
            ValueError: for images or labels the classifier cannot take.
        """
        scores = self.classifier(images, training=False)  # (n, num_classes)
        labels = checked_condition(domains.Labels(num_classes=scores.shape[-1]), labels, len(images))
        super().update_state(tf.equal(tf.argmax(scores, axis=-1, output_type=tf.int32), labels))

    def figure(self):
        n, p = int(self.count), float(self.result())
        error = math.sqrt(p * (1 - p) / n)
        return Measurement(
            self.name, p, "share", n, f"read as their label by {self.classifier_name}", standard_error=error
        )


def classifier_agreement(images, labels, classifier, batch_size=100):
    """The share of images, drawn for given labels, that a classifier reads as these labels.

    Args:
        images: `(n, h, w, c)`, float in [0, 1] or uint8, of the size the classifier takes.
        labels: ints `(n,)`.
        classifier: see `ClassifierAgreement`, such as `"classifier_mnist"`.
        batch_size: int, images classified at a time.

    Returns:
        `Measurement`, a share in [0, 1] with the standard error of a proportion. The classifier's own errors bound it.

    Raises:
        ValueError: for no images, an unknown classifier, and images or labels it cannot take.
    """
    metric = ClassifierAgreement(classifier)
    if not len(images) or len(images) != len(labels):
        raise ValueError(
            f"`images` and `labels` must hold equally many, at least 1; got {len(images)} and {len(labels)}."
        )
    labels = np.asarray(labels)
    for i in range(0, len(images), batch_size):
        metric.update_state(images[i : i + batch_size], labels[i : i + batch_size])
    return metric.figure()


def class_imbalance(real, generated, classifier, batch_size=100):
    """How far the classes of generated images are from those of real ones: total variation distance of shares.

    Both are read by a classifier, so that its own errors cancel in part. 0 where every class comes as often as among
    real images; a generator that leaves out a tenth of them has at least 0.1.

    Args:
        real: `(n, h, w, c)`, float in [0, 1] or uint8, of the size the classifier takes.
        generated: `(m, h, w, c)`, of the same size.
        classifier: see `ClassifierAgreement`, such as `"classifier_mnist"`.
        batch_size: int, images classified at a time.

    Returns:
        `Measurement`, a share in [0, 1], whose method lists the share of each class among the generated images. Two
        sets of 10,000 real images of 10 classes differ by about 1%.

    Raises:
        ValueError: for no images, an unknown classifier, and images it cannot take.
    """
    metric = ClassifierAgreement(classifier)
    shares = {}
    for name, images in {"real": real, "generated": generated}.items():
        if not len(images):
            raise ValueError(f"`{name}` must hold at least 1 image.")
        scores = [metric.classifier(images[i : i + batch_size]) for i in range(0, len(images), batch_size)]
        classes = np.argmax(np.concatenate(scores), axis=-1)
        shares[name] = np.bincount(classes, minlength=scores[0].shape[-1]) / len(images)
    listed = " ".join(f"{100 * share:.1f}" for share in shares["generated"])
    return Measurement(
        "class_imbalance",
        float(np.abs(shares["generated"] - shares["real"]).sum() / 2),
        "share",
        len(real),
        f"total variation between class shares, read by {metric.classifier_name}; generated {listed}%",
        num_generated=len(generated),
    )

"""A small convolutional classifier: the feature space in which samples are measured, and the judge of their classes.

Distances between sets of images are taken between features of a network that knows this kind of image. For digits
or clothes of 28x28 pixels that is better a classifier trained on them than a network trained on photographs.
"""

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo import batches, checks, domains
from keras_genzoo.graph_method import graph_method
from keras_genzoo.image_model import ImageModel
from keras_genzoo.measurement import Objective
from keras_genzoo.zoo_model import ZooModel

_WIDTHS = (16, 32, 64, 64, 96)  # filters of the convolutions; the last is the number of features
_STRIDES = (1, 2, 1, 2, 1)


@keras.saving.register_keras_serializable(package="keras_genzoo")
class Classifier(ZooModel):
    """Convolutional classifier of small images.

    Five 3x3 convolutions, each with batch normalisation and ReLU, the mean over the image, and a linear layer. It
    trains with `fit` on batches `(images, labels)` or TFDS's `{"image", "label"}`.

    Args:
        image_shape: tuple `(height, width, channels)`.
        num_classes: int.
        max_shift: int, pixels; in training each image is moved by up to so many in either direction, onto black.
        flip: bool, True to mirror half of the images from left to right in training.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    progress = ("accuracy", "max")
    metric_names, refused_arguments = (), ()  # its objective and metrics are Keras's, of `compile`
    objectives = (Objective("accuracy", "share", "images whose class has the largest score", ("accuracy",)),)

    def __init__(self, image_shape, num_classes=10, max_shift=0, flip=False, **kwargs):
        super().__init__(autocast=False, **kwargs)  # `call` converts images itself
        self.image_shape = checks.positive_integers("image_shape", image_shape, 3)
        (self.num_classes,) = checks.positive_integers("num_classes", [num_classes], 1)
        if not isinstance(max_shift, int) or not 0 <= max_shift < min(self.image_shape[:2]):
            raise ValueError(
                f"`max_shift` must be an integer from 0 to {min(self.image_shape[:2]) - 1}, less than a side of the "
                f"image; got {max_shift!r}."
            )
        self.max_shift = max_shift
        self.flip = flip
        self.body = _body(self.image_shape, self.dtype_policy)
        self.head = layers.Dense(self.num_classes, dtype="float32", name="head")
        self.head.build(self.body.output_shape)
        self.build()

    def get_config(self):
        return {
            **super().get_config(),
            "image_shape": list(self.image_shape),
            "num_classes": self.num_classes,
            "max_shift": self.max_shift,
            "flip": self.flip,
        }

    def compile(self, optimizer=None, **kwargs):
        """Compiles as `keras.Model.compile`; by default with Adam at 1e-3, cross-entropy and accuracy."""
        kwargs.setdefault("loss", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        kwargs.setdefault("metrics", [keras.metrics.SparseCategoricalAccuracy(name="accuracy")])
        super().compile(optimizer, **kwargs)

    def call(self, images, training=False):
        """Class logits of images.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8.
            training: bool, for the batch normalisation.

        Returns:
            float32 `(n, num_classes)`.

        Raises:
            ValueError: for images of another shape, rank, dtype or (outside a graph) range.
        """
        images = domains.Images(self.image_shape)(images)
        return self.head(self.body(images, training=training))

    def features(self, images):
        """What the last layer sees of images.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8.

        Returns:
            float32 `(n, 96)`, not negative.
        """
        return self._features(domains.Images(self.image_shape)(images))

    @graph_method(reduce_retracing=True)
    def _features(self, images):
        return self.body(images, training=False)

    @property
    def batch_domains(self):
        return domains.Images(self.image_shape), domains.Labels(num_classes=self.num_classes)

    @property
    def predict_domains(self):
        return (domains.Images(self.image_shape),)

    @classmethod
    def arguments_from(cls, dataset):
        return ImageModel.arguments_from(dataset)

    def train_step(self, data):
        images, labels = batches.split(data)
        return super().train_step((self._move(images), labels))

    def test_step(self, data):
        return super().test_step(batches.split(data))

    def _move(self, images):
        """Images shifted and mirrored at random; the numbers of a step are the same in a run that was resumed."""
        images = domains.Images(self.image_shape).convert(images)
        n, (height, width, _) = tf.shape(images)[0], self.image_shape
        step = tf.cast(self.optimizer.iterations, tf.int32)
        if self.max_shift:
            shape, s = [2, n], self.max_shift
            down, right = tf.unstack(
                tf.random.stateless_uniform(shape, tf.stack([0, step]), 0, 2 * s + 1, dtype=tf.int32)
            )
            images = tf.pad(images, [[0, 0], [s, s], [s, s], [0, 0]])
            images = tf.gather(images, down[:, None] + tf.range(height), axis=1, batch_dims=1)  # (n, h, w + 2s, c)
            images = tf.gather(images, right[:, None] + tf.range(width), axis=2, batch_dims=1)  # (n, h, w, c)
        if self.flip:
            mirrored = tf.random.stateless_uniform([n, 1, 1, 1], tf.stack([1, step])) < 0.5
            images = tf.where(mirrored, images[:, :, ::-1], images)
        return images


def _body(image_shape, dtype):
    """images `(n, h, w, c)` to features `(n, _WIDTHS[-1])`, float32."""
    images = keras.Input(image_shape, name="images")
    x = images
    for width, stride in zip(_WIDTHS, _STRIDES, strict=True):
        x = layers.Conv2D(width, 3, stride, padding="same", use_bias=False, dtype=dtype)(x)
        x = layers.ReLU(dtype=dtype)(layers.BatchNormalization(momentum=0.9, dtype=dtype)(x))
    return keras.Model(images, layers.GlobalAveragePooling2D(dtype="float32")(x), name="body")

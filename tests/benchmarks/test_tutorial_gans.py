"""How good the GANs of tutorials are after the wall time that a preset took: figures to stand beside its own.

    DATASET=mnist LABELS=0 MINUTES=20 python -m pytest -m benchmark -s tests/benchmarks/test_tutorial_gans.py

Without labels it is the DCGAN of TensorFlow's tutorials: 5x5 kernels, batch normalisation in the generator alone,
dropout in the discriminator, Adam at 1e-4, batches of 256. With labels it is the conditional GAN of Keras's examples:
labels one-hot beside the latent and as channels of the image, no normalisation, Adam at 3e-4, batches of 64. Both as
they are taught, in float32, compiled by `tf.function`.
"""

import os
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_genzoo as gz

NUM_SAMPLES, NUM_CLASSES = 10_000, 10


def unconditional():
    generator = keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(7 * 7 * 256, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Reshape((7, 7, 256)),
            layers.Conv2DTranspose(128, 5, strides=1, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(64, 5, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Conv2DTranspose(1, 5, strides=2, padding="same", use_bias=False, activation="tanh"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(64, 5, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Conv2D(128, 5, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    return generator, discriminator, 100, 1e-4, 256


def conditional():
    width = 128 + NUM_CLASSES
    generator = keras.Sequential(
        [
            keras.Input((width,)),
            layers.Dense(7 * 7 * width),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Reshape((7, 7, width)),
            layers.Conv2DTranspose(128, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2DTranspose(128, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(1, 7, padding="same", activation="sigmoid"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((28, 28, 1 + NUM_CLASSES)),
            layers.Conv2D(64, 3, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(128, 3, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.GlobalMaxPooling2D(),
            layers.Dense(1),
        ]
    )
    return generator, discriminator, 128, 3e-4, 64


@pytest.mark.benchmark
def test_figures_after_the_same_wall_time():
    dataset, has_labels = os.environ.get("DATASET", "mnist"), os.environ.get("LABELS", "0") == "1"
    minutes = float(os.environ.get("MINUTES", "10"))
    keras.utils.set_random_seed(0)
    generator, discriminator, latent_dim, rate, batch_size = conditional() if has_labels else unconditional()
    optimizers = [keras.optimizers.Adam(rate) for _ in range(2)]
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def scaled(images):
        images = tf.cast(images, tf.float32) / 255
        return images if has_labels else 2 * images - 1

    def latents(labels):
        noise = tf.random.normal((tf.shape(labels)[0], latent_dim))
        return tf.concat([noise, tf.one_hot(labels, NUM_CLASSES)], axis=-1) if has_labels else noise

    def with_labels(images, labels):
        if not has_labels:
            return images
        maps = tf.broadcast_to(
            tf.one_hot(labels, NUM_CLASSES)[:, None, None], (tf.shape(labels)[0], 28, 28, NUM_CLASSES)
        )
        return tf.concat([images, maps], axis=-1)

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as generators, tf.GradientTape() as discriminators:
            fake = generator(latents(labels), training=True)
            real_scores = discriminator(with_labels(scaled(images), labels), training=True)
            fake_scores = discriminator(with_labels(fake, labels), training=True)
            generator_loss = cross_entropy(tf.ones_like(fake_scores), fake_scores)
            discriminator_loss = cross_entropy(tf.ones_like(real_scores), real_scores)
            discriminator_loss += cross_entropy(tf.zeros_like(fake_scores), fake_scores)
        for network, optimizer, tape, loss in (
            (generator, optimizers[0], generators, generator_loss),
            (discriminator, optimizers[1], discriminators, discriminator_loss),
        ):
            gradients = tape.gradient(loss, network.trainable_variables)
            optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))

    for optimizer, network in zip(optimizers, (generator, discriminator), strict=True):
        optimizer.build(network.trainable_variables)
    training = gz.data.load(dataset, "train", batch_size=batch_size, labels=True, seed=0).repeat()
    begin, num_steps = time.monotonic(), 0
    for images, labels in training:
        step(images, tf.cast(labels, tf.int32))
        num_steps += 1
        if time.monotonic() - begin > 60 * minutes:
            break

    labels = np.arange(NUM_SAMPLES) % NUM_CLASSES
    samples = np.concatenate([generator(latents(labels[i : i + 500])) for i in range(0, NUM_SAMPLES, 500)])
    samples = np.clip(samples if has_labels else (samples + 1) / 2, 0, 1)
    test_set = np.concatenate(list(gz.data.load(dataset, "test", batch_size=500, shuffle=False)))
    judge = gz.evaluation.default_features(dataset)
    figures = [
        gz.evaluation.frechet_distance(test_set, samples, judge),
        gz.evaluation.kernel_distance(test_set, samples, judge, block_size=1000),  # as for presets
    ]
    if has_labels:
        figures.append(gz.evaluation.classifier_agreement(samples, labels, judge))
    else:
        figures.append(gz.evaluation.class_imbalance(test_set, samples, judge))
    what = "conditional GAN" if has_labels else "DCGAN"
    print(f"\ntutorial {what} on {dataset}, {minutes} minutes, {num_steps} steps of {batch_size} images")
    print(*figures, sep="\n")
    if "PICTURE" in os.environ:
        gz.images.save_grid(samples[:100], os.environ["PICTURE"])

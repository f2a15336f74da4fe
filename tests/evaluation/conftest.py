"""Networks whose features a test can compute by hand."""

import keras
import numpy as np
import pytest


@pytest.fixture
def pixels():
    """Features that are the pixels themselves: images `(n, 2, 2, 1)` to `(n, 4)`."""
    return keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()], name="pixels")


@pytest.fixture
def draw():
    """Draws float32 images `(n, 2, 2, 1)`, correlated and not uniform."""

    def draw(n, seed, shift=0.0):
        x = np.random.default_rng(seed).beta(2, 3, size=(n, 4)) * 0.8
        x[:, 1] = 0.5 * (x[:, 0] + x[:, 1])
        return (x + shift).reshape(n, 2, 2, 1).astype("float32")

    return draw


def batches_of(images, *sizes):
    """The images in batches of these sizes, again and again."""
    start, i = 0, 0
    while start < len(images):
        yield images[start : start + sizes[i % len(sizes)]]
        start += sizes[i % len(sizes)]
        i += 1


def flat(images):
    return images.reshape(len(images), -1).astype("float64")

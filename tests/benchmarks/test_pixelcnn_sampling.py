"""Sampling from a PixelCNN: the cached sampler against the whole network once a pixel, and against one forward pass.

python -m pytest -m benchmark -s tests/benchmarks/test_pixelcnn_sampling.py
"""

import statistics

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from tests.autoregressive import naive
from tests.benchmarks import timing

BATCH_SIZE, NUM_FILTERS, NUM_BLOCKS, NUM_TRIALS = 16, 128, 5, 7


def median_seconds_of(function, num_trials=NUM_TRIALS):
    """Median seconds of a call, after one that traces."""
    function()
    return statistics.median(timing.seconds_of(function) for _ in range(num_trials))


@pytest.mark.benchmark
@pytest.mark.parametrize("name", ["PixelCNN", "GatedPixelCNN"])
def test_sampling_in_forward_passes(name):
    print()
    for side in (14, 28, 56):
        model = getattr(gz, name)((side, side, 1), num_filters=NUM_FILTERS, num_residual_blocks=NUM_BLOCKS)
        images = tf.constant(np.random.default_rng(0).integers(0, 2, (BATCH_SIZE, side, side, 1)), tf.float32)
        forward = tf.function(model.network.call)
        passes, samples = [], []
        for _ in range(3):  # in turns, so that both see the same machine
            passes.append(median_seconds_of(lambda f=forward, x=images: f(x)))
            samples.append(median_seconds_of(lambda m=model: m.sample(BATCH_SIZE, seed=0)))
        one_pass, sample = statistics.median(passes), statistics.median(samples)
        print(
            f"{name} {side}x{side}x1, batch {BATCH_SIZE}, {NUM_FILTERS} filters, {NUM_BLOCKS} blocks: sampling costs "
            f"{sample / one_pass:.2f} forward passes ({1000 * sample:.0f} against {1000 * one_pass:.1f} ms), "
            f"{1e6 * sample / side**2:.0f} us a pixel"
        )


@pytest.mark.benchmark
def test_sampling_against_recomputing_everything():
    model = gz.PixelCNN((28, 28, 1), num_filters=NUM_FILTERS, num_residual_blocks=NUM_BLOCKS)
    noise = model.draw_noise(BATCH_SIZE, tf.constant([0, 0]))
    print()
    for jit_compile in (False, True):
        everything = naive.compiled(model, jit_compile)
        images = everything(noise)
        plain = timing.seconds_of(lambda f=everything: f(noise))
        cached = median_seconds_of(lambda: model.sample(BATCH_SIZE, seed=0))
        differing = np.mean(images.numpy() != model.sample(BATCH_SIZE, seed=0).numpy())
        print(
            f"cached sampler against the network once a pixel in one graph{' compiled by XLA' * jit_compile}: "
            f"{plain / cached:.0f} times as fast ({1000 * cached:.0f} ms against {plain:.1f} s); "
            f"{100 * differing:.2f}% of pixels differ"
        )


@pytest.mark.benchmark
def test_sampling_from_pixelcnn_plus_plus():
    """The sizes of `pixelcnn_plus_plus_fashion_mnist`, whose plain sampler takes minutes."""
    side = 28
    model = gz.PixelCNNPlusPlus((side, side, 1), num_filters=48, num_residual_blocks=1, dropout=0.0)
    noise = model.draw_noise(BATCH_SIZE, tf.constant([0, 0]))
    forward = tf.function(model.network.call)
    one_pass = median_seconds_of(lambda: forward(noise))
    cached = median_seconds_of(lambda: model.sample(BATCH_SIZE, seed=0))
    print(
        f"\nPixelCNNPlusPlus {side}x{side}x1, 256 levels, batch {BATCH_SIZE}, 48 filters, 1 block a scale: sampling "
        f"costs {cached / one_pass:.2f} forward passes ({1000 * cached:.0f} against {1000 * one_pass:.1f} ms)"
    )
    for jit_compile in (False, True):
        everything = naive.compiled_mixture(model, jit_compile)
        images = everything(noise)
        plain = timing.seconds_of(lambda f=everything: f(noise))
        differing = np.mean(np.abs(images.numpy() - model.sample(BATCH_SIZE, seed=0).numpy()) > 1e-4)
        print(
            f"cached sampler against the network once a pixel in one graph{' compiled by XLA' * jit_compile}: "
            f"{plain / cached:.0f} times as fast ({plain:.1f} s); {100 * differing:.2f}% of pixels differ"
        )

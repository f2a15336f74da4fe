"""PixelCNN training: `fit` against the usual masked-convolution PixelCNN in a plain PyTorch eager loop.

python -m pip install torch --index-url https://download.pytorch.org/whl/cpu
python -m pytest -m benchmark -s tests/benchmarks/test_pixelcnn_training.py
"""

import os
import statistics
import time

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz

SIDE, BATCH_SIZE, NUM_FILTERS, NUM_BLOCKS = 28, 16, 128, 5
NUM_STEPS, NUM_TRIALS = 20, 7


def torch_loop(images):
    """The usual tutorial's: full kernels multiplied by a mask; the same widths as ours."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.set_num_threads(len(os.sched_getaffinity(0)))

    class MaskedConv2d(nn.Conv2d):
        def __init__(self, inputs, outputs, size, mask):
            super().__init__(inputs, outputs, size, padding=size // 2)
            taps = torch.ones_like(self.weight)
            taps[:, :, size // 2, size // 2 + (mask == "B") :] = 0
            taps[:, :, size // 2 + 1 :] = 0
            self.register_buffer("taps", taps)

        def forward(self, x):
            return self._conv_forward(x, self.weight * self.taps, self.bias)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            inner = NUM_FILTERS // 2
            self.layers = nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(NUM_FILTERS, inner, 1),
                nn.ReLU(),
                MaskedConv2d(inner, inner, 3, "B"),
                nn.ReLU(),
                nn.Conv2d(inner, NUM_FILTERS, 1),
            )

        def forward(self, x):
            return x + self.layers(x)

    network = nn.Sequential(
        MaskedConv2d(1, NUM_FILTERS, 7, "A"),
        *(Block() for _ in range(NUM_BLOCKS)),
        nn.ReLU(),
        nn.Conv2d(NUM_FILTERS, NUM_FILTERS, 1),
        nn.ReLU(),
        nn.Conv2d(NUM_FILTERS, 1, 1),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    loss = nn.BCEWithLogitsLoss(reduction="sum")
    batches = torch.from_numpy(images.transpose(0, 3, 1, 2)).split(BATCH_SIZE)

    def run():
        for x in batches:
            optimizer.zero_grad()
            (loss(network(x), x) / len(x)).backward()
            optimizer.step()

    return run


@pytest.mark.benchmark
def test_fit_against_pytorch():
    shape = (NUM_STEPS * BATCH_SIZE, SIDE, SIDE, 1)
    images = np.random.default_rng(0).integers(0, 2, shape).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(BATCH_SIZE).cache().prefetch(4)
    options = tf.data.Options()
    options.autotune.enabled = False  # on two cores it at times keeps both compute threads on one of them
    dataset = dataset.with_options(options)
    pixelcnn = gz.PixelCNN(images.shape[1:], num_filters=NUM_FILTERS, num_residual_blocks=NUM_BLOCKS)
    pixelcnn.compile()
    theirs = torch_loop(images)

    ratios, steps = [], []
    for trial in range(NUM_TRIALS + 1):
        seconds = []
        for run in (lambda: pixelcnn.fit(dataset, verbose=0), theirs):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        if trial:  # the first one traces
            ratios.append(seconds[1] / seconds[0])
            steps.append([1000 * s / NUM_STEPS for s in seconds])
    ours, torchs = (statistics.median(column) for column in zip(*steps, strict=True))
    print(
        f"\nPixelCNN {SIDE}x{SIDE}x1, batch {BATCH_SIZE}, {NUM_FILTERS} filters, {NUM_BLOCKS} blocks: fit trains "
        f"{statistics.median(ratios):.2f} times as many images a second as a PyTorch eager loop with masked kernels "
        f"(median of {len(ratios)}, {min(ratios):.2f} to {max(ratios):.2f}; {ours:.0f} against {torchs:.0f} ms a step)"
    )

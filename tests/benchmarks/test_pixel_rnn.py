"""PixelRNNs: `fit` against the same Diagonal BiLSTM in a plain PyTorch eager loop, and sampling in forward passes.

python -m pip install torch --index-url https://download.pytorch.org/whl/cpu
python -m pytest -m benchmark -s tests/benchmarks/test_pixel_rnn.py
"""

import os
import statistics

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from tests.benchmarks import timing

SIDE, BATCH_SIZE, NUM_STEPS, NUM_TRIALS = 28, 32, 4, 5


def torch_loop(images, num_filters, num_layers):
    """Both directions in one product of matrices a diagonal, input-to-state of all pixels at once before the loop."""
    torch = pytest.importorskip("torch")
    nn, functional = torch.nn, torch.nn.functional
    torch.set_num_threads(len(os.sched_getaffinity(0)))

    def skew(x):
        """`(d, n, h, w, f)` to `(t, d, n, h, f)`: rows padded by h, and cut again one column shorter."""
        d, n, h, w, f = x.shape
        x = functional.pad(x, (0, 0, 0, h)).reshape(d, n, h * (w + h), f)[:, :, : h * (w + h - 1)]
        return x.reshape(d, n, h, w + h - 1, f).permute(3, 0, 1, 2, 4)

    def unskew(y, width):
        t, d, n, h, f = y.shape
        y = functional.pad(y.permute(1, 2, 3, 0, 4).reshape(d, n, h * t, f), (0, 0, 0, h))
        return y.reshape(d, n, h, t + 1, f)[:, :, :, :width]

    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.from_input = nn.Conv2d(2 * num_filters, 8 * num_filters, 1)
            self.from_state = nn.Parameter(torch.randn(2, 2 * num_filters, 4 * num_filters) / num_filters**0.5 / 2)
            self.expand = nn.Conv2d(num_filters, 2 * num_filters, 1)

        def forward(self, x):
            n, _, height, width = x.shape
            y = self.from_input(x).permute(0, 2, 3, 1).reshape(n, height, width, 2, -1).permute(3, 0, 1, 2, 4)
            y = skew(torch.stack([y[0], y[1].flip(2)]))
            h = c = torch.zeros(2, n, height, num_filters)
            states = []
            for gates in y:
                above = functional.pad(h[:, :, :-1], (0, 0, 1, 0))
                seen = torch.cat([h, above], dim=-1).reshape(2, n * height, -1)
                gates = gates + torch.bmm(seen, self.from_state).reshape(gates.shape)
                o, f, i = torch.sigmoid(gates[..., : 3 * num_filters]).chunk(3, dim=-1)
                c = f * c + i * torch.tanh(gates[..., 3 * num_filters :])
                h = o * torch.tanh(c)
                states.append(h)
            to_right, to_left = unskew(torch.stack(states), width)
            h = to_right + functional.pad(to_left.flip(2)[:, :-1], (0, 0, 0, 0, 1, 0))
            return x + self.expand(h.permute(0, 3, 1, 2))

    class First(nn.Conv2d):
        def __init__(self):
            super().__init__(1, 2 * num_filters, 7, padding=3)
            taps = torch.ones_like(self.weight)
            taps[:, :, 3, 3:] = 0
            taps[:, :, 4:] = 0
            self.register_buffer("taps", taps)

        def forward(self, x):
            return self._conv_forward(x, self.weight * self.taps, self.bias)

    network = nn.Sequential(
        First(),
        *(Layer() for _ in range(num_layers)),
        nn.ReLU(),
        nn.Conv2d(2 * num_filters, 2 * num_filters, 1),
        nn.ReLU(),
        nn.Conv2d(2 * num_filters, 1, 1),
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
@pytest.mark.parametrize(("num_layers", "num_filters"), [(1, 32), (7, 16)])
def test_fit_against_pytorch(num_layers, num_filters):
    images = np.random.default_rng(0).integers(0, 2, (NUM_STEPS * BATCH_SIZE, SIDE, SIDE, 1)).astype("float32")
    dataset = timing.batches(images, BATCH_SIZE)
    model = gz.DiagonalBiLSTM(images.shape[1:], num_filters=num_filters, num_layers=num_layers)
    model.compile()
    theirs = torch_loop(images, num_filters, num_layers)

    seconds = timing.in_turns(lambda: model.fit(dataset, verbose=0), theirs, NUM_TRIALS)
    ratio, spread = timing.ratio(seconds)
    ours, torchs = (1000 * s / NUM_STEPS for s in timing.medians(seconds))
    print(
        f"\nDiagonalBiLSTM {SIDE}x{SIDE}x1, batch {BATCH_SIZE}, {num_layers} layers of {num_filters}: fit trains "
        f"{ratio:.2f} times as many images a second as a PyTorch eager loop ({spread}; {ours:.0f} against "
        f"{torchs:.0f} ms a step)"
    )


@pytest.mark.benchmark
@pytest.mark.parametrize(("name", "num_layers", "num_filters"), [("RowLSTM", 7, 16), ("DiagonalBiLSTM", 7, 16)])
def test_sampling_in_forward_passes(name, num_layers, num_filters):
    model = getattr(gz, name)((SIDE, SIDE, 1), num_filters=num_filters, num_layers=num_layers)
    images = tf.constant(np.random.default_rng(0).integers(0, 2, (BATCH_SIZE, SIDE, SIDE, 1)), tf.float32)
    forward = tf.function(model.network.call)
    seconds = timing.in_turns(lambda: forward(images), lambda: model.sample(BATCH_SIZE, seed=0), NUM_TRIALS)
    one_pass, sample = timing.medians(seconds)
    passes = statistics.median(b / a for a, b in seconds)
    print(
        f"\n{name} {SIDE}x{SIDE}x1, batch {BATCH_SIZE}, {num_layers} layers of {num_filters}: sampling costs "
        f"{passes:.2f} forward passes ({1000 * sample:.0f} against {1000 * one_pass:.1f} ms)"
    )

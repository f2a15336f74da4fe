"""Pix2Pix training at 64x64, batch 4: `fit` against the same two networks in a plain PyTorch eager loop.

python -m pip install torch --index-url https://download.pytorch.org/whl/cpu
python -m pytest -m benchmark -s tests/benchmarks/test_pix2pix_training.py
"""

import itertools
import os

import numpy as np
import pytest

import keras_genzoo as gz
from tests.benchmarks import timing

SIDE, BATCH_SIZE, NUM_FILTERS = 64, 4, 32
NUM_STEPS, NUM_TRIALS = 30, 7
WIDTHS = [NUM_FILTERS * min(2**depth, 8) for depth in range(6)]  # of the U-Net, from the outermost layer


def torch_networks(torch):
    """The U-Net and the PatchGAN of 34 pixels, layer by layer as ours."""
    nn = torch.nn

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down, self.up = nn.ModuleList(), nn.ModuleList()
            for depth, (inputs, outputs) in enumerate(itertools.pairwise([3, *WIDTHS])):
                is_normalized = 0 < depth < len(WIDTHS) - 1
                layers = [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not is_normalized)]
                layers += [nn.InstanceNorm2d(outputs, affine=True)] * is_normalized
                self.down.append(nn.Sequential(*layers, nn.LeakyReLU(0.2)))
            inputs = WIDTHS[-1]
            for i, outputs in enumerate(reversed(WIDTHS[:-1])):
                layers = [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)]
                layers += [nn.InstanceNorm2d(outputs, affine=True)] + [nn.Dropout(0.5)] * (i < 3)
                self.up.append(nn.Sequential(*layers, nn.ReLU()))
                inputs = 2 * outputs
            self.last = nn.Sequential(nn.ConvTranspose2d(inputs, 3, 4, 2, 1), nn.Tanh())

        def forward(self, x):
            skips = []
            for layer in self.down:
                x = layer(x)
                skips.append(x)
            for layer, skip in zip(self.up, reversed(skips[:-1]), strict=True):
                x = torch.cat([layer(x), skip], 1)
            return self.last(x)

    discriminator = nn.Sequential(
        nn.Conv2d(6, NUM_FILTERS, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(NUM_FILTERS, 2 * NUM_FILTERS, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * NUM_FILTERS),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * NUM_FILTERS, 4 * NUM_FILTERS, 4, padding="same", bias=False),
        nn.BatchNorm2d(4 * NUM_FILTERS),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4 * NUM_FILTERS, 1, 4, padding="same"),
    )
    return UNet(), discriminator


def torch_loop(targets, sources):
    """The usual loop: the fakes generated once, D on half of the game, G on the game and 100 times L1; float32."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    generator, discriminator = torch_networks(torch)
    optimizers = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (generator, discriminator)]
    logistic = torch.nn.BCEWithLogitsLoss()
    pairs = [torch.from_numpy(2 * x.transpose(0, 3, 1, 2) - 1).split(BATCH_SIZE) for x in (targets, sources)]

    def game(scores, is_real):
        return logistic(scores, torch.full_like(scores, float(is_real)))

    def run():
        for y, x in zip(*pairs, strict=True):
            fake = generator(x)
            optimizers[1].zero_grad()
            scores = (discriminator(torch.cat([image, x], 1)) for image in (y, fake.detach()))
            (0.5 * sum(game(score, is_real) for score, is_real in zip(scores, (True, False), strict=True))).backward()
            optimizers[1].step()
            optimizers[0].zero_grad()
            loss = game(discriminator(torch.cat([fake, x], 1)), True) + 100 * (fake - y).abs().mean()
            loss.backward()
            optimizers[0].step()

    return run, [sum(p.numel() for p in net.parameters()) for net in (generator, discriminator)]


@pytest.mark.benchmark
def test_fit_against_pytorch():
    rng = np.random.default_rng(0)
    targets, sources = rng.random((2, NUM_STEPS * BATCH_SIZE, SIDE, SIDE, 3), dtype="float32")
    theirs, their_sizes = torch_loop(targets, sources)
    model = gz.Pix2Pix((SIDE, SIDE, 3), num_filters=NUM_FILTERS)
    model.compile()
    sizes = [sum(np.prod(w.shape) for w in net.trainable_weights) for net in (model.generator, model.discriminator)]
    assert sizes == their_sizes
    dataset = timing.batches((targets, sources), BATCH_SIZE)

    seconds = timing.in_turns(lambda: model.fit(dataset, verbose=0), theirs, NUM_TRIALS)
    ratio, spread = timing.ratio(seconds)
    ours, torchs = (1000 * s / NUM_STEPS for s in timing.medians(seconds))
    print(
        f"\nPix2Pix {SIDE}x{SIDE}x3, batch {BATCH_SIZE}, {NUM_FILTERS} filters: fit trains {ratio:.2f} times as many "
        f"images a second as a PyTorch eager loop ({spread}; {ours:.0f} against {torchs:.0f} ms a step)"
    )

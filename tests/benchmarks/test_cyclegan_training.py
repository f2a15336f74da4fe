"""CycleGAN training at 64x64: `fit` against the same networks in a plain PyTorch eager loop.

python -m pip install torch --index-url https://download.pytorch.org/whl/cpu
python -m pytest -m benchmark -s tests/benchmarks/test_cyclegan_training.py
"""

import itertools
import os

import numpy as np
import pytest

import keras_genzoo as gz
from tests.benchmarks import timing

SIDE, BATCH_SIZE, NUM_FILTERS, NUM_BLOCKS = 64, 4, 32, 6
NUM_STEPS, NUM_TRIALS = 5, 7


def torch_loop(targets, sources):
    """The paper's networks and updates, without its pool: the same work an image."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.set_num_threads(len(os.sched_getaffinity(0)))

    def normalized(layer, filters):
        return [layer, nn.InstanceNorm2d(filters, affine=True), nn.ReLU(inplace=True)]

    class Block(nn.Module):
        def __init__(self, filters):
            super().__init__()
            first = normalized(nn.Conv2d(filters, filters, 3, bias=False), filters)
            second = [nn.Conv2d(filters, filters, 3, bias=False), nn.InstanceNorm2d(filters, affine=True)]
            self.layers = nn.Sequential(nn.ReflectionPad2d(1), *first, nn.ReflectionPad2d(1), *second)

        def forward(self, x):
            return x + self.layers(x)

    def generator():
        f = NUM_FILTERS
        up = {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1, "bias": False}
        return nn.Sequential(
            nn.ReflectionPad2d(3),
            *normalized(nn.Conv2d(3, f, 7, bias=False), f),
            *normalized(nn.Conv2d(f, 2 * f, 3, 2, 1, bias=False), 2 * f),
            *normalized(nn.Conv2d(2 * f, 4 * f, 3, 2, 1, bias=False), 4 * f),
            *(Block(4 * f) for _ in range(NUM_BLOCKS)),
            *normalized(nn.ConvTranspose2d(4 * f, 2 * f, **up), 2 * f),
            *normalized(nn.ConvTranspose2d(2 * f, f, **up), f),
            nn.ReflectionPad2d(3),
            nn.Conv2d(f, 3, 7),
            nn.Tanh(),
        )

    def discriminator():
        f = NUM_FILTERS

        def inner(taken, made, stride):
            layer = nn.Conv2d(taken, made, 4, stride, "same" if stride == 1 else 1, bias=False)
            return [layer, nn.InstanceNorm2d(made, affine=True), nn.LeakyReLU(0.2, inplace=True)]

        return nn.Sequential(
            nn.Conv2d(3, f, 4, 2, 1),
            nn.LeakyReLU(0.2, inplace=True),
            *inner(f, 2 * f, 2),
            *inner(2 * f, 4 * f, 1),
            nn.Conv2d(4 * f, 1, 4, padding="same"),
        )

    g, f, d_y, d_x = generator(), generator(), discriminator(), discriminator()

    def adam(*networks):
        parameters = itertools.chain(*(network.parameters() for network in networks))
        return torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999))

    of_generators, of_discriminators = adam(g, f), adam(d_y, d_x)
    batches = [torch.from_numpy(2 * x.transpose(0, 3, 1, 2) - 1).split(BATCH_SIZE) for x in (targets, sources)]

    def pulled_to(scores, value):
        return ((scores - value) ** 2).mean()

    def run():
        for y, x in zip(*batches, strict=True):
            fake_y, fake_x = g(x), f(y)
            for network in (d_y, d_x):
                network.requires_grad_(False)
            loss = pulled_to(d_y(fake_y), 1) + pulled_to(d_x(fake_x), 1)
            loss = loss + 10 * ((f(fake_y) - x).abs().mean() + (g(fake_x) - y).abs().mean())
            of_generators.zero_grad()
            loss.backward()
            of_generators.step()
            for network in (d_y, d_x):
                network.requires_grad_(True)
            of_discriminators.zero_grad()
            for network, real, fake in ((d_y, y, fake_y), (d_x, x, fake_x)):
                ((pulled_to(network(real), 1) + pulled_to(network(fake.detach()), 0)) / 2).backward()
            of_discriminators.step()

    return run, sum(parameter.numel() for network in (g, f, d_y, d_x) for parameter in network.parameters())


@pytest.mark.benchmark
def test_fit_against_pytorch():
    shape = (NUM_STEPS * BATCH_SIZE, SIDE, SIDE, 3)
    targets, sources = (np.random.default_rng(seed).random(shape, "float32") for seed in (0, 1))
    dataset = timing.batches((targets, sources), BATCH_SIZE)
    cyclegan = gz.CycleGAN(shape[1:], num_filters=NUM_FILTERS, num_residual_blocks=NUM_BLOCKS)
    cyclegan.compile()
    theirs, num_weights = torch_loop(targets, sources)
    ours = sum(variable.shape.num_elements() for variable in cyclegan.trainable_variables)
    assert num_weights == ours  # the same networks

    seconds = timing.in_turns(lambda: cyclegan.fit(dataset, verbose=0), theirs, NUM_TRIALS)
    ratio, spread = timing.ratio(seconds)
    rates = [shape[0] / s for s in timing.medians(seconds)]
    print(
        f"\nCycleGAN {SIDE}x{SIDE}x3, batch {BATCH_SIZE}, {NUM_FILTERS} filters, {NUM_BLOCKS} blocks: fit trains "
        f"{ratio:.2f} times as many images a second as a PyTorch eager loop of the same networks "
        f"({spread}; {rates[0]:.2f} against {rates[1]:.2f})"
    )

"""The toy of DiscoGAN's paper, in a plane: sources of 5 Gaussians, targets of 10 on a circle."""

from typing import NamedTuple

import numpy as np

SIGMA = 0.1
NUM_SOURCES, NUM_TARGETS = 5, 10
TARGET_MODES = 2.0 * np.stack([f(2 * np.pi * np.arange(NUM_TARGETS) / NUM_TARGETS) for f in (np.cos, np.sin)], axis=-1)
SOURCE_MODES = np.array([(-2, 0), (-1, 0), (0, 0), (1, 0), (2, 0)], "float64")


def draw(n, seed):
    """Targets and sources `(n, 2)` that have nothing to do with each other, and the modes of the sources."""
    rng = np.random.default_rng(seed)
    of_targets, of_sources = rng.integers(NUM_TARGETS, size=n), rng.integers(NUM_SOURCES, size=n)
    targets = TARGET_MODES[of_targets] + SIGMA * rng.normal(size=(n, 2))
    sources = SOURCE_MODES[of_sources] + SIGMA * rng.normal(size=(n, 2))
    return targets.astype("float32"), sources.astype("float32"), of_sources


class Judged(NamedTuple):
    """What a map from sources to targets does.

    Attributes:
        num_modes: int, modes of the targets that at least 1% of the translations lie within 3 sigma of.
        share_within: float, translations within 3 sigma of some mode.
        share_of_own: float, translations next to a mode that most translations near it come to from one source mode.
    """

    num_modes: int
    share_within: float
    share_of_own: float


def judge(translated, of_sources):
    distances = np.linalg.norm(translated[:, None] - TARGET_MODES, axis=-1)
    nearest, within = distances.argmin(axis=1), distances.min(axis=1) < 3 * SIGMA
    counts = np.zeros((NUM_TARGETS, NUM_SOURCES), int)
    np.add.at(counts, (nearest, of_sources), 1)
    covered = np.bincount(nearest[within], minlength=NUM_TARGETS) >= 0.01 * len(translated)
    return Judged(int(covered.sum()), float(within.mean()), float(counts.max(axis=1).sum() / len(translated)))

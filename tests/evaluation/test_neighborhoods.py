"""Precision, recall, density and coverage, by hand and against loops over all pairs."""

import keras
import numpy as np
import pytest

from keras_genzoo.evaluation import PrecisionRecall, precision_recall
from tests.evaluation.conftest import batches_of, flat


def by_loops(real, generated, k):
    def distance(a, b):
        return np.sqrt(np.sum((a - b) ** 2))

    def radius(i, x):
        return sorted(distance(x[i], other) for j, other in enumerate(x) if j != i)[k - 1]

    real_radii, generated_radii = ([radius(i, x) for i in range(len(x))] for x in (real, generated))
    in_real = np.array([[distance(r, g) <= real_radii[i] for g in generated] for i, r in enumerate(real)])
    in_generated = np.array([[distance(r, g) <= generated_radii[j] for j, g in enumerate(generated)] for r in real])
    return {
        "precision": in_real.any(axis=0).mean(),
        "recall": in_generated.any(axis=1).mean(),
        "density": in_real.sum() / (k * len(generated)),
        "coverage": in_real.any(axis=1).mean(),
    }


def on_a_line(*levels):
    """One-pixel images at these levels of 16."""
    return np.array(levels, "float32").reshape(-1, 1, 1, 1) / 16


@pytest.fixture
def level():
    return keras.Sequential([keras.Input((1, 1, 1)), keras.layers.Flatten()])


def test_by_hand(level):
    """Real images at 0, 1, 3, 7: nearest neighbours 1, 1, 2 and 4 away. Generated at 2, 3, 12: 1, 1 and 9 away.

    The balls of real images are [-1, 1], [0, 2], [1, 5], [3, 11]; those of generated ones [1, 3], [2, 4], [3, 21].
    """
    figures = precision_recall(on_a_line(0, 1, 3, 7), on_a_line(2, 3, 12), level, num_neighbors=1)
    values = {name: float(figure) for name, figure in figures.items()}
    assert values["precision"] == pytest.approx(2 / 3)  # 2 and 3
    assert values["recall"] == pytest.approx(3 / 4)  # 1, 3 and 7
    assert values["density"] == pytest.approx((2 + 2 + 0) / 3)
    assert values["coverage"] == pytest.approx(3 / 4)  # all but 0
    assert "k=1" in figures["density"].method and figures["density"].num_generated == 3
    assert all(figure.name == name and figure.label == name for name, figure in figures.items())


def test_one_mode_dropped_shows_in_recall_and_coverage_alone(level):
    modes = on_a_line(*np.linspace(0, 1, 20), *np.linspace(15, 16, 20))
    values = {name: float(f) for name, f in precision_recall(modes, modes[:20] + 1 / 512, level).items()}
    assert values["precision"] >= 0.9 and values["density"] > 0.8
    assert values["recall"] <= 0.5 and values["coverage"] <= 0.5


@pytest.mark.parametrize("k", [1, 5])
def test_agrees_with_loops(pixels, draw, k):
    real, generated = draw(60, 0), draw(45, 1, shift=0.1)
    expected = by_loops(flat(real), flat(generated), k)
    figures = precision_recall(real, generated, pixels, num_neighbors=k)
    assert {name: float(figure) for name, figure in figures.items()} == pytest.approx(expected, abs=1e-6)


def test_in_odd_batches_as_all_at_once_and_reset(pixels, draw):
    real, generated = draw(40, 0), draw(40, 1)
    metric = PrecisionRecall(pixels)
    metric.update_state(draw(8, 5), draw(8, 6))
    metric.reset_state()
    for x, y in zip(batches_of(real, 3, 17), batches_of(generated, 17, 3), strict=True):
        metric.update_state(x, y)
    assert metric.result() == pytest.approx(by_loops(flat(real), flat(generated), 5), abs=1e-6)


def test_in_chunks_as_at_once(pixels, draw, monkeypatch):
    from keras_genzoo.evaluation import neighborhoods

    real, generated = draw(300, 0), draw(200, 1)
    whole = precision_recall(real, generated, pixels)
    monkeypatch.setattr(neighborhoods, "_WORKING_MEMORY", 0.02)  # MiB: a few rows at a time
    assert precision_recall(real, generated, pixels) == whole


def test_needs_more_images_than_neighbours(pixels, draw):
    with pytest.raises(ValueError, match=r"`generated` must hold at least 6 images for PrecisionRecall; got 5"):
        precision_recall(draw(9, 0), draw(5, 1), pixels)
    with pytest.raises(ValueError, match=r"`num_neighbors` must be a positive integer; got 0"):
        precision_recall(draw(9, 0), draw(9, 1), pixels, num_neighbors=0)

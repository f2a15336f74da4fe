"""The kernel distance, against a naive double loop and in expectation."""

import numpy as np
import pytest

from keras_genzoo.evaluation import KernelDistance, kernel_distance
from tests.evaluation.conftest import batches_of, flat


def by_loops(x, y):
    def k(a, b):
        return (a @ b / len(a) + 1) ** 3

    n = len(x)
    pairs = [(i, j) for i in range(n) for j in range(n)]
    within = sum(k(x[i], x[j]) + k(y[i], y[j]) for i, j in pairs if i != j) / (n * (n - 1))
    return within - 2 * sum(k(x[i], y[j]) for i, j in pairs) / n**2


def test_agrees_with_a_double_loop(pixels, draw):
    real, generated = draw(47, 0), draw(53, 1, shift=0.1)
    figure = kernel_distance(real, generated, pixels, block_size=20)
    blocks = [by_loops(flat(real)[i : i + 20], flat(generated)[i : i + 20]) for i in (0, 20)]
    assert float(figure) == pytest.approx(np.mean(blocks), rel=1e-6)
    assert figure.standard_error == pytest.approx(np.std(blocks, ddof=1) / np.sqrt(2), rel=1e-5)
    assert (figure.num_examples, figure.num_generated) == (40, 40)
    assert "2 blocks of 20" in figure.method


def test_fewer_images_than_a_block_are_one_block(pixels, draw):
    real, generated = draw(11, 0), draw(9, 1)
    figure = kernel_distance(real, generated, pixels)
    assert float(figure) == pytest.approx(by_loops(flat(real)[:9], flat(generated)), rel=1e-6)
    assert figure.standard_error is None and figure.num_examples == 9


def test_unbiased_and_its_error_is_right(pixels):
    """Over many draws from one distribution the mean is 0 within its error, and the errors are of the right size."""
    rng = np.random.default_rng(0)
    values, errors = [], []
    for _ in range(300):
        metric = KernelDistance(pixels, block_size=10)
        metric.update_features(rng.normal(size=(100, 4)), rng.normal(size=(100, 4)))
        values.append(metric.result())
        errors.append(metric.standard_error())
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(300)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values), rel=0.2)
    assert np.min(values) < 0


def test_in_odd_batches_as_all_at_once(pixels, draw):
    real, generated = draw(95, 0), draw(95, 1)
    whole, parts = KernelDistance(pixels, 10), KernelDistance(pixels, 10)
    whole.update_state(real, generated)
    for batch in batches_of(flat(real), 1, 24, 7):
        parts.update_features(real=batch)
    for batch in batches_of(flat(generated), 30, 2):
        parts.update_features(generated=batch)
    assert parts.result() == pytest.approx(whole.result(), rel=1e-9)
    assert parts.standard_error() == pytest.approx(whole.standard_error(), rel=1e-6)
    parts.reset_state()
    parts.update_state(real[:20], generated[:20])
    assert parts.result() == pytest.approx(kernel_distance(real[:20], generated[:20], pixels, 10).value, rel=1e-9)


def test_state_has_a_bounded_size(pixels, draw):
    metric = KernelDistance(pixels, block_size=10)
    for seed in range(30):
        metric.update_state(draw(7, seed), draw(7, seed + 99))
        assert all(len(features) < 10 for features in metric._waiting.values())
    before = metric.result()
    for seed in range(30):
        metric.update_features(generated=flat(draw(10, seed)))
        assert len(metric._waiting["generated"]) <= 100
    assert metric.result() == before


def test_bad_block_size(pixels):
    for size in (1, 2.5, None):
        with pytest.raises(ValueError, match=r"`block_size` must be an integer of at least 2; got"):
            KernelDistance(pixels, size)

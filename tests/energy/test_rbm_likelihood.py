"""The likelihood of restricted Boltzmann machines against sums over every state of their units."""

import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.models.energy import likelihood_verbs, partition
from tests.energy.enumerated import (
    D,
    M,
    built,
    every_state,
    images_of,
    joint,
    offsets,
    some_images,
)


@pytest.mark.parametrize("centered", [True, False])
def test_the_density_is_that_of_the_energy_and_sums_to_one(centered):
    model = built(centered=centered)
    log_prob = model.log_prob(images_of(every_state(D), model)).numpy()
    np.testing.assert_allclose(np.exp(log_prob.astype("float64")).sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(log_prob, np.log(joint(model).sum(axis=1)), atol=2e-5)
    free_energy = model.free_energy(images_of(every_state(D), model)).numpy()
    np.testing.assert_allclose(-free_energy - model.log_partition().value, log_prob, atol=2e-5)


def test_states_summed_over_in_several_parts_are_all_there():
    """More than are taken at once; units of no weights have a closed form."""
    model = built(num_hidden=14, centered=False)
    model.kernel.assign(tf.zeros_like(model.kernel))
    biases = np.concatenate([model.visible_bias, model.hidden_bias]).astype("float64")
    assert model.log_partition() == pytest.approx((np.log1p(np.exp(biases)).sum(), 0), rel=1e-12)


@pytest.mark.parametrize("centered", [True, False])
def test_the_gradient_of_the_likelihood_is_the_data_term_less_the_model_term(centered):
    model = built(centered=centered)
    x, mu, lam = every_state(D)[[5, 700, 3000]], *offsets(model)
    with tf.GradientTape() as tape:
        energy = model.energy("float64")
        free = [energy.free_energy(v, energy.hidden_logits(v)) for v in (tf.constant(x), tf.constant(every_state(D)))]
        log_likelihood = tf.reduce_mean(-free[0]) - tf.reduce_logsumexp(-free[1])
    parameters = [model.kernel, model.visible_bias, model.hidden_bias]
    p = joint(model)
    of_data = p[[5, 700, 3000]] / p[[5, 700, 3000]].sum(axis=1, keepdims=True) / 3  # (3, 2^m), p(h | x) / n

    def statistics(visible, weights):
        v, h = visible - mu, every_state(M) - lam
        return v.T @ weights @ h, weights.sum(axis=1) @ v, weights.sum(axis=0) @ h

    terms = zip(statistics(x, of_data), statistics(every_state(D), p), strict=True)
    for gradient, (data, of_model) in zip(tape.gradient(log_likelihood, parameters), terms, strict=True):
        np.testing.assert_allclose(gradient, data - of_model, atol=1e-6)


def test_between_the_base_rates_and_the_model_is_a_path_of_energies():
    model = built()
    energy, base, v = model.energy("float64"), model.base_logits("float64"), every_state(D)[::50]
    for beta in (0.0, 0.3, 1.0):
        warmed = energy.warmed(beta, base)
        linear = v @ ((1 - beta) * base.numpy() + beta * energy.visible_bias.numpy())
        of_hidden = np.log1p(np.exp(beta * (v @ energy.weights.numpy() + energy.hidden_bias.numpy()))).sum(axis=1)
        np.testing.assert_allclose(warmed.free_energy(v, warmed.hidden_logits(v)), -linear - of_hidden, rtol=1e-12)


def test_annealed_importance_sampling_is_within_its_error_in_both_directions():
    model = built()
    exact, base, p = model.log_partition().value, model.base_logits(tf.float32), joint(model).sum(axis=1)
    states = every_state(D)[np.random.default_rng(0).choice(len(p), 400, p=p)].astype("float32")
    energy, seed = model.energy(), tf.constant([0, 0])
    forward = partition.annealed(energy, base, 400, 300, seed)
    backward = partition.reverse_annealed(energy, base, tf.constant(states), 300, seed)
    for found in (forward, backward):
        assert abs(found.value - exact) < 3 * found.standard_error < 0.2


def test_annealed_importance_sampling_errs_to_the_side_that_it_says():
    """By far, where it moves too fast and there are few chains."""
    model = built(scale=2.0)
    exact, base, p = model.log_partition().value, model.base_logits(tf.float32), joint(model).sum(axis=1)
    rng, forward, backward = np.random.default_rng(0), [], []
    for trial in range(20):
        states = every_state(D)[rng.choice(len(p), 5, p=p)].astype("float32")
        options = (3, tf.constant([trial, 0]))
        forward.append(partition.annealed(model.energy(), base, 5, *options).value)
        backward.append(partition.reverse_annealed(model.energy(), base, tf.constant(states), *options).value)
    assert np.mean(forward) < exact - 0.2 and np.mean(backward) > exact + 0.2


def test_sweeps_come_before_the_way_back():
    """From one state for all, which is no sample: without them log Z is far out."""
    model = built(scale=0.5)
    one, base = tf.zeros((400, D)), model.base_logits(tf.float32)
    exact, errors = model.log_partition().value, []
    for num_sweeps in (0, 50):
        found = partition.reverse_annealed(model.energy(), base, one, 10, tf.constant([0, 0]), num_sweeps)
        errors.append((found.value - exact) / found.standard_error)
    assert abs(errors[0]) > 10 and abs(errors[1]) < 3


def test_the_base_model_alone_needs_no_annealing():
    """A model of no weights whose biases are the base rates: every weight is 1."""
    model = built(centered=False)
    model.kernel.assign(tf.zeros_like(model.kernel))
    model.hidden_bias.assign(tf.zeros_like(model.hidden_bias))
    model.visible_bias.assign(model.base_logits(tf.float32))
    found = partition.annealed(model.energy(), model.base_logits(tf.float32), 3, 2, tf.constant([0, 0]))
    assert found == pytest.approx((model.log_partition().value, 0), abs=1e-5)


def test_centred_or_not_energies_are_the_same():
    centered, plain = built(), built(centered=False)
    for weight, value in zip((plain.kernel, plain.visible_bias, plain.hidden_bias), centered.energy(), strict=True):
        weight.assign(value)
    x = images_of(every_state(D), plain)
    np.testing.assert_allclose(centered.free_energy(x), plain.free_energy(x), atol=1e-4)
    np.testing.assert_allclose(centered.log_prob(x), plain.log_prob(x), atol=1e-4)


@pytest.fixture
def annealed(monkeypatch):
    """A model that is too large to sum over, quickly annealed, and how often it was."""
    monkeypatch.setattr(likelihood_verbs, "_BETAS", 100)
    calls, compute = [], partition.annealed
    monkeypatch.setattr(partition, "annealed", lambda *given: calls.append(1) or compute(*given))
    return built(num_hidden=21, scale=0.3, num_sampling_steps=50), calls


def test_a_large_model_is_annealed_once_for_the_weights_as_they_are(annealed):
    model, calls = annealed
    x = images_of(every_state(D), model)
    exact = model.free_energy(x).numpy().astype("float64")
    exact = -exact - np.log(np.exp(-exact).sum())  # over visible states, of which there are fewer
    for _ in range(2):
        np.testing.assert_allclose(model.log_prob(x), exact, atol=0.2)
    assert len(calls) == 1
    model.hidden_bias.assign_add(tf.ones_like(model.hidden_bias))
    assert np.abs(model.log_prob(x) - exact).mean() > 0.1
    assert len(calls) == 2
    assert "log_prob" not in model.verbs and "log_prob" in built().verbs


def test_a_large_model_is_measured_by_both_estimates(annealed):
    model, _ = annealed
    x = some_images(model, 30)
    figures = model.measurements(tf.data.Dataset.from_tensor_slices(x).batch(8))
    assert list(figures) == ["log_likelihood_ais", "log_likelihood_reverse_ais"]
    from_base, from_images = figures.values()
    assert float(from_base) == pytest.approx(model.log_prob(x).numpy().mean(), rel=1e-5)
    difference = model.reverse_log_partition(x).value - model.log_partition().value
    assert float(from_base) - float(from_images) == pytest.approx(difference, abs=1e-6)
    assert all("100 chains, 100 betas, log Z +- 0.0" in figure.method for figure in figures.values())
    assert from_base.num_examples == 30 and from_base.standard_error > 0

"""Training and sampling of restricted Boltzmann machines, against NumPy and sums over every state of their units."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.models.energy import gibbs
from tests.energy.enumerated import (
    D,
    M,
    built,
    every_state,
    images_of,
    joint,
    offsets,
    sigmoid,
    some_images,
)


def test_a_gibbs_sweep_leaves_the_joint_distribution_as_it_is():
    model = built((2, 2, 1), 3)
    v, h, energy = every_state(4), every_state(3), model.energy("float64")

    def product(logits, states):
        """The probability of each state `(k, units)` of independent units, given each row of logits `(n, units)`."""
        on = sigmoid(logits.numpy())[:, None]
        return np.where(states == 1, on, 1 - on).prod(axis=-1)

    visible_given_hidden, hidden_given_visible = (
        product(energy.visible_logits(h), v),
        product(energy.hidden_logits(v), h),
    )
    sweep = np.einsum("kv,vl->kvl", visible_given_hidden, hidden_given_visible)  # from h to v and to h of it
    p = joint(model)
    np.testing.assert_allclose(np.einsum("k,kvl->vl", p.sum(axis=0), sweep), p, atol=1e-7)


def test_samples_come_as_often_as_the_model_says():
    model = built((2, 2, 1), 3, num_sampling_steps=30)
    n = 4000
    samples = model.sample(n, seed=0).numpy().reshape(n, -1)
    counts = np.bincount((samples @ [8, 4, 2, 1]).astype(int), minlength=16)
    expected = n * joint(model).sum(axis=1)
    assert ((counts - expected) ** 2 / expected).sum() < 37.7  # chi squared of 15 degrees of freedom, p = 0.001


@pytest.mark.parametrize("num_sampling_steps", [1, 7, 20])
def test_every_sampling_step_is_taken(num_sampling_steps, monkeypatch):
    taken, sweeps = [], gibbs.sweeps
    monkeypatch.setattr(gibbs, "sweeps", lambda *given: taken.append(given[2].shape[1]) or sweeps(*given))
    model = built(num_sampling_steps=num_sampling_steps)
    with tf.init_scope():  # eagerly, so that each turn of the loop is seen
        model.generate(model.draw_noise(2, tf.constant([0, 0])))
    assert sum(taken) == num_sampling_steps


@pytest.mark.parametrize("persistent", [True, False])
def test_offsets_that_follow_the_data_change_no_energy(persistent):
    model = built(persistent=persistent)
    x = some_images(model, 64)
    before, means = model.free_energy(x).numpy(), model.hidden_means.numpy()
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    for _ in range(50):
        model.train_on_batch(x)
    np.testing.assert_allclose(model.free_energy(x), before, atol=1e-3)
    target = sigmoid(model.energy().hidden_logits(model.flat(x)).numpy()).mean(axis=0)
    np.testing.assert_allclose(model.hidden_means - target, 0.99**50 * (means - target), atol=1e-5)


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize(("persistent", "k"), [(False, 1), (False, 3), (True, 2)])
def test_a_step_is_that_of_numpy_from_the_same_numbers(centered, persistent, k, monkeypatch):
    model = built(centered=centered, persistent=persistent, num_gibbs_steps=k, num_chains=9)
    if persistent:
        model.chains.assign(np.random.default_rng(3).integers(0, 2, (9, M)))
    x, draws, draw = some_images(model), [], model.draw
    monkeypatch.setattr(model, "draw", lambda *given: draws.append(draw(*given)) or draws[-1])
    w, b, c = (v.numpy().astype("float64") for v in (model.kernel, model.visible_bias, model.hidden_bias))
    (mu, lam), chains, v = offsets(model), model.chains.numpy() if persistent else None, x.reshape(-1, D)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    model.train_step(x)

    def hidden(visible):
        return sigmoid(c + (visible - mu) @ w)

    if persistent:
        u, states = draws[0][0].numpy(), chains
    else:
        u, states = draws[1].numpy(), (draws[0] < hidden(v)).numpy().astype(float)
    for i in range(k):
        sample = (u[:, i, :D] < sigmoid(b + (states - lam) @ w.T)).astype(float)
        states = (u[:, i, D:] < hidden(sample)).astype(float)
    data, of_model = hidden(v) - lam, hidden(sample) - lam
    w_new = w + 0.1 * ((v - mu).T @ data / len(v) - (sample - mu).T @ of_model / len(sample))
    b_new = b + 0.1 * (v.mean(axis=0) - sample.mean(axis=0))
    c_new = c + 0.1 * (data.mean(axis=0) - of_model.mean(axis=0))
    if centered:
        change = 0.01 * data.mean(axis=0)
        np.testing.assert_allclose(model.hidden_means, lam + change, atol=1e-6)
        b_new += w_new @ change
    if persistent:
        np.testing.assert_array_equal(model.chains, states)
    parameters = [(model.kernel, w_new), (model.visible_bias, b_new), (model.hidden_bias, c_new)]
    for weight, value in parameters:
        np.testing.assert_allclose(weight, value, atol=2e-6)


def test_the_pseudo_likelihood_is_that_of_one_pixel_given_the_others(monkeypatch):
    model = built()
    states = every_state(D)[::111]
    draws, draw = [], model.draw
    monkeypatch.setattr(model, "draw", lambda *given: draws.append(draw(*given)) or draws[-1])
    model.compile()
    found = float(model.test_step(images_of(states, model))["pseudo_log_likelihood"])
    p, places = joint(model).sum(axis=1), 2 ** np.arange(D)[::-1]
    i = (draws[-1].numpy() * D).astype(int)
    assert len(set(i)) > 5
    flipped = states.copy()
    flipped[np.arange(len(i)), i] = 1 - flipped[np.arange(len(i)), i]
    own, other = p[(states @ places).astype(int)], p[(flipped @ places).astype(int)]
    assert found == pytest.approx(D * np.log(own / (own + other)).mean(), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"persistent": True}, {"num_gibbs_steps": 10}, {"persistent": True, "centered": False}]
)
def test_it_learns_a_small_distribution(options):
    """Bars and stripes of 2x2: from 2.77 nats, those of independent bits, to near the entropy."""
    patterns = np.array([[0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 1, 1]])
    counts = np.array([4, 4, 3, 3, 3, 3])
    model = gz.RestrictedBoltzmannMachine((2, 2, 1), 8, **options)
    rate = keras.optimizers.schedules.CosineDecay(1.0, 3000)
    model.compile(optimizer=keras.optimizers.SGD(rate), steps_per_execution=100)
    x = images_of(np.repeat(patterns, counts, axis=0), model)
    model.fit(tf.data.Dataset.from_tensors(x).repeat(3000), verbose=0)
    entropy = -(counts / 20 * np.log(counts / 20)).sum()
    assert entropy - 1e-4 < -model.log_prob(x).numpy().mean() < entropy + 0.1


def test_it_starts_from_the_means_of_the_pixels():
    model = gz.RestrictedBoltzmannMachine((3, 4, 1), M)
    x = some_images(model, 10)
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    model.fit(x, batch_size=4, verbose=0)
    means = (x.reshape(10, -1).sum(axis=0) + 1) / 12
    np.testing.assert_allclose(model.visible_means, means, rtol=1e-5)
    near = sigmoid(model.energy().visible_logits(tf.fill((1, M), 0.5)).numpy())[0]  # of small weights
    np.testing.assert_allclose(near, means, atol=0.01)


def test_pixels_that_hardly_change_stay_possible_in_a_preset(tmp_path):
    """Means that half precision would round to 0 and 1, whose logits are infinite."""
    model = gz.RestrictedBoltzmannMachine((1, 2, 1), 1)
    model.visible_means.assign([1e-8, 1 - 1e-5])
    model.save_to_preset(tmp_path / "preset")
    copy = gz.RestrictedBoltzmannMachine.from_preset(tmp_path / "preset")
    np.testing.assert_array_equal(copy.visible_means, model.visible_means)
    assert np.isfinite(copy.base_logits("float32")).all()


def test_chains_are_moved_saved_and_gone_on_from(tmp_path):
    model = gz.RestrictedBoltzmannMachine((3, 4, 1), M, persistent=True, num_chains=6)
    x = some_images(model, 10)
    model.compile()
    model.fit(x, verbose=0)
    chains = model.chains.numpy()
    assert set(np.unique(chains)) == {0.0, 1.0}
    model.evaluate(x, verbose=0)
    np.testing.assert_array_equal(model.chains, chains)  # they are of training alone
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(copy.chains, chains)
    assert copy.is_initialized
    for one in (model, copy):
        one.fit(x, shuffle=False, verbose=0)
    np.testing.assert_array_equal(copy.chains, model.chains)
    np.testing.assert_array_equal(copy.kernel, model.kernel)


def test_filters_are_weights_as_images():
    model = built()
    filters, w = model.filters().numpy(), model.kernel.numpy()
    assert filters.shape == (M, 3, 4, 1) and filters.min() >= 0 and filters.max() <= 1
    for image, weights in zip(filters.reshape(M, -1), w.T, strict=True):
        np.testing.assert_allclose(image - 0.5, weights / np.abs(weights).max() / 2, atol=1e-6)


@pytest.mark.parametrize("name", ["num_hidden", "num_gibbs_steps", "num_chains", "num_sampling_steps"])
@pytest.mark.parametrize("value", [0, -1, 2.5, None])
def test_numbers_that_are_none_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer"):
        gz.RestrictedBoltzmannMachine((3, 4, 1), **{name: value})

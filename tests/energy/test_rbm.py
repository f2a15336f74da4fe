"""The restricted Boltzmann machine against sums over every state of its units, in NumPy's float64."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.models.energy import gibbs, likelihood_verbs, partition

D, M = 12, 5


def every_state(n):
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def built(image_shape=(3, 4, 1), num_hidden=M, scale=1.0, seed=0, **options):
    """A model whose parameters, offsets among them, are anything."""
    model = gz.RestrictedBoltzmannMachine(image_shape, num_hidden, **options)
    rng = np.random.default_rng(seed)
    for weight in (model.kernel, model.visible_bias, model.hidden_bias):
        weight.assign(scale * rng.normal(size=weight.shape))
    model.visible_means.assign(rng.uniform(0.1, 0.9, model.visible_means.shape))
    if model.centered:
        model.hidden_means.assign(rng.uniform(0.1, 0.9, model.hidden_means.shape))
    return model


def offsets(model):
    """mu and lambda, zeros where the model is not centred."""
    if model.centered:
        return model.visible_means.numpy().astype("float64"), model.hidden_means.numpy().astype("float64")
    return np.zeros(model.visible_bias.shape), np.zeros(model.num_hidden)


def negative_energies(model, visible, hidden):
    """-E(v, h) as the module says it: `(n, k)`, of n visible and k hidden states."""
    w, b, c = (x.numpy().astype("float64") for x in (model.kernel, model.visible_bias, model.hidden_bias))
    mu, lam = offsets(model)
    v, h = visible - mu, hidden - lam
    return (v @ b)[:, None] + (h @ c)[None] + v @ w @ h.T


def joint(model):
    """p(v, h) of every visible and every hidden state."""
    p = np.exp(negative_energies(model, every_state(model.sample_domain.num_values), every_state(model.num_hidden)))
    return p / p.sum()


def images_of(states, model):
    return states.reshape(-1, *model.image_shape).astype("float32")


def some_images(model, n=7, seed=1):
    return np.random.default_rng(seed).integers(0, 2, (n, *model.image_shape)).astype("float32")


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


def test_between_the_base_rates_and_the_model_is_a_path_of_energies():
    model = built()
    energy, base, v = model.energy("float64"), model.base_logits("float64"), every_state(D)[::50]
    for beta in (0.0, 0.3, 1.0):
        warmed = energy.warmed(beta, base)
        linear = v @ ((1 - beta) * base.numpy() + beta * energy.visible_bias.numpy())
        of_hidden = np.log1p(np.exp(beta * (v @ energy.weights.numpy() + energy.hidden_bias.numpy()))).sum(axis=1)
        np.testing.assert_allclose(warmed.free_energy(v, warmed.hidden_logits(v)), -linear - of_hidden, rtol=1e-12)


@pytest.mark.parametrize("num_sampling_steps", [1, 7, 20])
def test_every_sampling_step_is_taken(num_sampling_steps, monkeypatch):
    taken, sweeps = [], gibbs.sweeps
    monkeypatch.setattr(gibbs, "sweeps", lambda *given: taken.append(given[2].shape[1]) or sweeps(*given))
    model = built(num_sampling_steps=num_sampling_steps)
    with tf.init_scope():  # eagerly, so that each turn of the loop is seen
        model.generate(model.draw_noise(2, tf.constant([0, 0])))
    assert sum(taken) == num_sampling_steps


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
    from_base, from_samples = figures.values()
    assert float(from_base) == pytest.approx(model.log_prob(x).numpy().mean(), rel=1e-5)
    difference = model.reverse_log_partition().value - model.log_partition().value
    assert float(from_base) - float(from_samples) == pytest.approx(difference, abs=1e-6)
    assert all("100 chains, 100 betas, log Z +- 0.0" in figure.method for figure in figures.values())
    assert from_base.num_examples == 30 and from_base.standard_error > 0


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

"""Expectation maximisation over mini-batches: the exact iteration where it forgets all, and near its end on streams."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz

RNG = np.random.default_rng(0)
K, D, SHAPE = 3, 2, (2, 3, 1)
MEANS = np.array([[0.0, 0.0], [4.0, 1.0], [-1.0, 5.0]])
X = np.repeat(MEANS, (800, 500, 700), axis=0) + RNG.normal(size=(2000, D)) @ [[1.0, 0.3], [0.0, 0.7]]
X = RNG.permutation(X).astype("float32")
Q = RNG.uniform(0.05, 0.95, size=(K, 6))
BITS = RNG.permutation((RNG.uniform(size=(2000, 6)) < Q[RNG.integers(0, K, 2000)]).astype("float32")).reshape(
    -1, *SHAPE
)
KINDS = ("full", "tied", "diagonal", "bernoulli")


def begun(kind, decay, **options):
    """Far from any end."""
    keras.utils.set_random_seed(0)
    if kind == "bernoulli":
        model = gz.BernoulliMixture(SHAPE, K, step_size_decay=decay, **options)
        model.probabilities.assign(np.clip(0.5 + 0.6 * (Q - 0.5) + 0.1, 0.1, 0.9))
        model.start.assign(1)
    else:
        model = gz.GaussianMixture((D,), K, kind, step_size_decay=decay, **options)
        covariances = {"full": [3 * np.eye(D)] * K, "tied": 3 * np.eye(D), "diagonal": np.full((K, D), 3.0)}
        model.start_from([0.2, 0.5, 0.3], MEANS + np.array([1.0, -1.0]), covariances[kind])
    model.compile()
    return model


def fit(model, batch_size, epochs=1, data=None):
    data = (BITS if isinstance(model, gz.BernoulliMixture) else X) if data is None else data
    model.fit(tf.data.Dataset.from_tensor_slices(data).batch(batch_size), epochs=epochs, verbose=0)
    return float(np.mean(model.log_prob(data)))


def parameters(model):
    own = [model.probabilities] if isinstance(model, gz.BernoulliMixture) else [model.means, model.scales]
    return [weight.numpy() for weight in (model.mixture_weights, *own)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_that_forgets_all_is_an_iteration(kind):
    exact, steps = begun(kind, None), begun(kind, 0)
    fit(exact, 128, epochs=3)
    fit(steps, len(X), epochs=3)
    for a, b in zip(parameters(exact), parameters(steps), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_between_the_parameters_and_the_batch(kind):
    """Of the sums that the model expects and those of the batch, (1 - g) to g, which NumPy's M step turns into the
    parameters; the second step is of size 3^-0.7."""
    model, n = begun(kind, 0.7), 500
    data = BITS if kind == "bernoulli" else X
    fit(model, n, data=data[:n])
    w, r = model.mixture_weights.numpy().astype("float64"), model.responsibilities(data[n : 2 * n]).numpy()
    r, x, g = r.astype("float64"), data[n : 2 * n].reshape(n, -1).astype("float64"), 3**-0.7
    totals = (1 - g) * w + g * r.mean(axis=0)
    centre = model.probabilities if kind == "bernoulli" else model.means
    mean = ((1 - g) * w[:, None] * centre.numpy() + g * r.T @ x / n) / totals[:, None]
    covariances = None if kind == "bernoulli" else model.covariances.numpy()
    old = centre.numpy().astype("float64")
    fit(model, n, data=data[n : 2 * n])
    np.testing.assert_allclose(model.mixture_weights, totals, rtol=1e-5)
    np.testing.assert_allclose(centre, mean, rtol=1e-3 if kind == "bernoulli" else 1e-5, atol=1e-5)  # of smoothing
    if kind != "bernoulli":
        second = np.einsum("nk,nd,ne->kde", r, x, x) / n
        inner = np.einsum("kd,ke->kde", old, old)
        wide = {"full": covariances, "tied": [covariances] * K}.get(kind)
        wide = np.array([np.diag(row) for row in covariances]) if wide is None else np.asarray(wide)
        mixed = (1 - g) * w[:, None, None] * (wide + inner) + g * second
        expected = mixed / totals[:, None, None] - np.einsum("kd,ke->kde", mean, mean)
        if kind == "tied":
            expected = np.einsum("k,kde->de", totals, expected)
        if kind == "diagonal":
            expected = np.diagonal(expected, axis1=1, axis2=2)
        np.testing.assert_allclose(model.covariances, expected, rtol=1e-4, atol=1e-4)
    assert int(model.num_steps.numpy()) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_ends_near_the_exact_iterations(kind):
    exact, steps = begun(kind, None), begun(kind, 0.6)
    best = fit(exact, len(X), epochs=25)
    at_the_start = float(np.mean(steps.log_prob(BITS if kind == "bernoulli" else X)))
    gap = best - fit(steps, 100, epochs=3)
    assert gap < 0.03 * (best - at_the_start) and gap < 0.02


def test_smoothing_is_of_all_examples_that_are_remembered():
    """A pixel that is never on has a probability of smoothing over what is remembered, not over a batch."""
    data = BITS.copy()
    data[:, 0, 0] = 0
    model = begun("bernoulli", 0.6)
    fit(model, 50, epochs=2, data=data)
    remembered = 50 * 81**0.6 * model.mixture_weights.numpy()
    np.testing.assert_allclose(model.probabilities.numpy()[:, 0], 0.1 / (remembered + 0.2), rtol=0.5)


def test_steps_go_on_from_a_file(tmp_path):
    whole, half = begun("full", 0.7), begun("full", 0.7)
    fit(whole, 200, epochs=2)
    fit(half, 200)
    half.save(tmp_path / "half.keras")
    loaded = keras.models.load_model(tmp_path / "half.keras")
    fit(loaded, 200)
    for a, b in zip(loaded.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_component_that_a_batch_has_nothing_for_keeps_its_place():
    model = begun("full", 0.7)
    means = model.means.numpy()
    fit(model, 100, data=np.float32(means[0] + 0.1 * RNG.normal(size=(100, D))))
    assert np.abs(model.means.numpy()[2] - means[2]).max() < 0.5
    assert model.mixture_weights.numpy()[2] < 0.3


@pytest.mark.parametrize("model_class", [gz.GaussianMixture, gz.BernoulliMixture])
@pytest.mark.parametrize("decay", [-0.1, 1.5, float("nan")])
def test_other_decays_are_refused(model_class, decay):
    with pytest.raises(ValueError, match=r"`step_size_decay` must lie in 0\.\.1, above 0\.5 to converge"):
        model_class(SHAPE, step_size_decay=decay)

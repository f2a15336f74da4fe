"""Variational mixtures against the exact evidence, scikit-learn's M step, NumPy in float64 and sums over a grid."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import multigammaln
from scipy.stats import f as f_distribution
from scipy.stats import multivariate_t
from sklearn.mixture import BayesianGaussianMixture as Peer

import keras_genzoo as gz

RNG = np.random.default_rng(0)
D = 2
CENTRES = {
    3: np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]]),
    5: np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0], [8.0, 8.0], [4.0, 15.0]]),
}


def clusters(num_clusters, seed=0, n=300):
    """Points of as many clusters, of different shapes and eight standard deviations apart."""
    rng = np.random.default_rng(seed)
    roots = 0.8 * np.eye(D) + 0.3 * rng.normal(size=(num_clusters, D, D))
    label = rng.integers(0, num_clusters, n)
    moved = np.einsum("nde,ne->nd", roots[label], rng.normal(size=(n, D)))
    return (CENTRES[num_clusters][label] + moved).astype("float32")


X = clusters(3)


def fitted(num_components=5, epochs=4, x=X, batch_size=64, **options):
    model = gz.VariationalGaussianMixture(x.shape[1:], num_components, **options)
    model.compile()
    history = model.fit(x, epochs=epochs, batch_size=batch_size, verbose=0).history["loss"]
    return model, history


def prior(model):
    scale = model.scale_prior.numpy().astype("float64")
    return model.mean_prior.numpy().astype("float64"), scale @ scale.T


def test_one_component_has_the_exact_evidence():
    """That of a normal distribution with a normal-Wishart prior, in closed form (Murphy 2007, equation 266)."""
    b0, v0 = 0.7, 3.5
    model, history = fitted(1, epochs=3, mean_precision_prior=b0, degrees_of_freedom_prior=v0)
    x, n = X.astype("float64"), len(X)
    m0, inverse_w0 = prior(model)
    offset = x.mean(axis=0) - m0
    inverse_w = inverse_w0 + n * np.cov(x.T, bias=True) + b0 * n / (b0 + n) * np.outer(offset, offset)
    evidence = multigammaln((v0 + n) / 2, D) - multigammaln(v0 / 2, D) - n * D / 2 * np.log(np.pi)
    evidence += v0 / 2 * np.linalg.slogdet(inverse_w0)[1] - (v0 + n) / 2 * np.linalg.slogdet(inverse_w)[1]
    evidence += D / 2 * np.log(b0 / (b0 + n))
    assert float(model.elbo(X)) == pytest.approx(evidence, rel=1e-8)
    assert history[-1] == pytest.approx(-evidence / n, rel=1e-6)


def test_any_other_posterior_has_a_lower_bound():
    model, _ = fitted(3, epochs=15, batch_size=300)
    best = float(model.elbo(X))
    for weight in (model.counts, model.means, model.scales):
        value = weight.numpy()
        for factor in (0.98, 1.02):
            weight.assign(factor * value)
            assert float(model.elbo(X)) < best - 1e-3
        weight.assign(value)


def test_the_bound_never_falls_and_is_the_loss():
    model = gz.VariationalGaussianMixture((D,), 6)
    model.compile()
    bounds, losses = [], []
    for _ in range(10):
        losses += model.fit(X, batch_size=64, verbose=0).history["loss"]
        bounds.append(float(model.elbo(X)))
    assert np.diff(bounds).min() > -1e-6 and bounds[-1] > bounds[0] + 0.1
    np.testing.assert_allclose(losses[1:], -np.array(bounds[:-1]) / len(X), rtol=1e-6)


def test_a_step_is_that_of_scikit_learn_from_the_same_responsibilities():
    """Its `covariances_` are W_k^-1 / v_k; it divides by N_k + a few roundings, and adds `reg_covar` to S_k."""
    model, _ = fitted(4, epochs=5, weight_concentration_prior=0.3, mean_precision_prior=0.7)
    log_joint = model.expected_log_joint(tf.constant(X, tf.float64))
    responsibilities = tf.nn.softmax(log_joint, axis=1).numpy()
    m0, inverse_w0 = prior(model)
    peer = Peer(
        n_components=4, weight_concentration_prior_type="dirichlet_distribution", weight_concentration_prior=0.3,
        mean_precision_prior=0.7, mean_prior=m0, degrees_of_freedom_prior=D, covariance_prior=inverse_w0, reg_covar=0,
    )  # fmt: skip
    x = X.astype("float64")
    peer._check_parameters(x)
    peer._initialize(x, responsibilities)
    model.fit(X, batch_size=50, verbose=0)
    scales = model.scales.numpy().astype("float64")
    np.testing.assert_allclose(model.counts + np.float32(0.3), peer.weight_concentration_, rtol=1e-6)
    np.testing.assert_allclose(model.means, peer.means_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(scales @ np.swapaxes(scales, 1, 2), peer.covariances_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.mixture_weights, peer.weight_concentration_ / (len(X) + 4 * 0.3), rtol=1e-5)
    log_resp = peer._estimate_log_prob(x) + peer._estimate_log_weights()
    np.testing.assert_allclose(model.expected_log_joint(tf.constant(x)), log_resp, rtol=1e-5, atol=1e-5)


def students(model):
    """The predictive components as SciPy's, by Bishop's (10.81) and (10.82)."""
    counts, means = (np.float64(weight.numpy()) for weight in (model.counts, model.means))
    b, v, scales = counts + 1.0, counts + D, np.float64(model.scales.numpy())
    inverse_w = v[:, None, None] * scales @ np.swapaxes(scales, 1, 2)
    for k in range(len(counts)):
        freedom = v[k] + 1 - D
        yield multivariate_t(means[k], inverse_w[k] * (1 + b[k]) / (freedom * b[k]), freedom)


@pytest.mark.parametrize("epochs", [2, 12])
def test_the_predictive_density_is_a_mixture_of_student_s_t(epochs):
    model, _ = fitted(epochs=epochs)
    a = np.float64(model.counts.numpy()) + 1e-3
    densities = np.stack([student.pdf(X) for student in students(model)], axis=1)
    expected = np.log(densities @ (a / a.sum()))
    np.testing.assert_allclose(model.log_prob(X), expected, rtol=1e-5, atol=1e-5)


def test_it_integrates_to_one_with_its_tails():
    """Of one dimension, on a grid that is finer in the middle: few points leave heavy tails."""
    x = RNG.normal(size=(9, 1)).astype("float32")
    model, _ = fitted(2, x=x, epochs=5, degrees_of_freedom_prior=2.5)
    t = np.linspace(-12, 12, 40_001)
    grid, step = np.sinh(t), np.cosh(t) * (t[1] - t[0])
    density = np.exp(model.log_prob(grid[:, None].astype("float32")).numpy().astype("float64"))
    assert density @ step == pytest.approx(1, abs=1e-5)


def test_it_integrates_to_one_on_a_plane():
    model, _ = fitted(epochs=10, batch_size=300)
    side = np.linspace(-40, 50, 451)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, D).astype("float32")
    total = np.exp(model.log_prob(grid).numpy().astype("float64")).sum() * (side[1] - side[0]) ** 2
    assert total == pytest.approx(1, abs=2e-3)


def test_samples_are_of_the_predictive_density():
    """With few examples, of which no normal distribution has the tails: in quantiles of each component's distance."""
    model, _ = fitted(1, x=X[:6], epochs=3)
    samples = model.sample(100_000, seed=0).numpy().astype("float64")
    (student,) = students(model)
    solved = np.linalg.solve(np.linalg.cholesky(student.shape), (samples - student.loc).T)
    f = np.sum(solved**2, axis=0) / D  # has an F distribution with d and v degrees of freedom
    probabilities = [0.1, 0.5, 0.9, 0.99]
    expected = f_distribution(D, student.df).ppf(probabilities)
    np.testing.assert_allclose(np.quantile(f, probabilities), expected, rtol=0.05)
    mixture, _ = fitted(epochs=10, batch_size=300)
    sizes = np.round(40_000 * mixture.mixture_weights.numpy()).astype(int)
    own = [student.rvs(n, random_state=1) for student, n in zip(students(mixture), sizes, strict=True) if n > 1]
    drawn = mixture.sample(40_000, seed=1)
    assert np.mean(mixture.log_prob(drawn)) == pytest.approx(
        np.mean(mixture.log_prob(np.concatenate(own).astype("float32"))), abs=0.04
    )


def test_batches_and_large_means_change_nothing():
    whole, _ = fitted(1, batch_size=300)
    batched, _ = fitted(1, x=X[::-1], batch_size=37)
    far, _ = fitted(1, x=X + np.float32(4096))
    for a, b in zip(whole.get_weights(), batched.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(far.scales, whole.scales, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(far.means - 4096, whole.means, atol=1e-3)


def test_components_are_counted_by_examples_not_by_weights():
    model = gz.VariationalGaussianMixture((D,), 4)
    assert model.num_components_used == 0
    model.counts.assign([5000.0, 1.5, 0.9, 1e-9])
    assert model.num_components_used == 2


@pytest.mark.slow
@pytest.mark.parametrize("num_clusters", [3, 5])
def test_the_number_of_clusters_is_found(num_clusters):
    """In 20 components, from 10 seeds of the data and of the start."""
    found = []
    for seed in range(10):
        keras.utils.set_random_seed(seed)
        x = clusters(num_clusters, seed)
        found.append(fitted(20, epochs=200, x=x, batch_size=len(x))[0].num_components_used)
    print(found)
    assert sum(k == num_clusters for k in found) >= 9, found


def test_two_devices_give_the_iterations_of_one(two_devices):
    def begun():
        keras.utils.set_random_seed(3)
        model = gz.VariationalGaussianMixture((D,), 3)
        model.compile()
        return model

    one = begun()
    with two_devices.scope():
        two = begun()
    histories = [
        model.fit(tf.data.Dataset.from_tensor_slices(X).batch(64), epochs=3, verbose=0) for model in (one, two)
    ]
    np.testing.assert_allclose(histories[0].history["loss"], histories[1].history["loss"], rtol=1e-5)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight_concentration_prior": 0}, "`weight_concentration_prior` must be a number above 0; got 0"),
        ({"mean_precision_prior": -1.0}, "`mean_precision_prior` must be a number above 0"),
        ({"degrees_of_freedom_prior": 1}, "`degrees_of_freedom_prior` must be a number above 1; got 1"),
        ({"regularization": -1}, "`regularization` must be"),
        ({"num_components": 0}, "`num_components` must be a positive integer"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gz.VariationalGaussianMixture(**{"shape": (D,), **arguments})


def test_constant_dimensions_need_a_regularization():
    x = np.concatenate([X, np.ones((len(X), 1), "float32")], axis=1)
    with pytest.raises(ValueError, match=r"not positive definite.*larger `regularization` than 0\.0"):
        fitted(x=x, regularization=0.0)
    assert np.isfinite(fitted(x=x)[1]).all()

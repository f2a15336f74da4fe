"""Gaussian mixtures against closed forms, NumPy in float64 and scikit-learn."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture as Peer

import keras_genzoo as gz

RNG = np.random.default_rng(0)
K, D = 3, 2
MEANS = np.array([[0.0, 0.0], [3.0, 1.0], [-1.0, 4.0]])
X = np.repeat(MEANS, (90, 60, 107), axis=0) + RNG.normal(size=(257, D)) @ [[1.0, 0.3], [0.0, 0.7]]
X = RNG.permutation(X).astype("float32")
KINDS = {"full": (K, D, D), "tied": (D, D), "diagonal": (K, D)}
PEERS = {"full": "full", "tied": "tied", "diagonal": "diag"}


def start(kind, scale=2.0):
    """Weights, means and covariances to start from, none of them right."""
    covariances = np.broadcast_to(scale * (np.ones(D) if kind == "diagonal" else np.eye(D)), KINDS[kind])
    return np.array([0.5, 0.2, 0.3]), MEANS + np.array([0.7, -0.4]), covariances


def fitted(kind="full", epochs=3, data=None, batch_size=50, begin=None, **options):
    model = gz.GaussianMixture((D,), K, kind, **options)
    model.start_from(*(begin or start(kind)))
    model.compile()
    data = tf.data.Dataset.from_tensor_slices(X if data is None else data).batch(batch_size)
    history = model.fit(data, epochs=epochs, verbose=0).history["loss"] if epochs else []
    return model, history


def covariances_of(model):
    scales = model.scales.numpy().astype("float64")
    return scales**2 if model.covariance == "diagonal" else scales @ np.swapaxes(scales, -1, -2)


def assert_same_parameters(a, b, tolerance):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def parameters(model):
    return model.mixture_weights.numpy(), model.means.numpy(), covariances_of(model)


@pytest.mark.parametrize("batch_size", [50, 64, 257])
@pytest.mark.parametrize("kind", KINDS)
def test_iterations_are_those_of_scikit_learn(kind, batch_size):
    weights, means, covariances = start(kind)
    precisions = 1 / covariances if kind == "diagonal" else np.linalg.inv(covariances)
    peer = Peer(
        K, covariance_type=PEERS[kind], max_iter=3, tol=0, reg_covar=1e-4,
        weights_init=weights, means_init=means, precisions_init=precisions,
    )  # fmt: skip
    with pytest.warns(match="converge"):
        peer.fit(X.astype("float64"))
    model, history = fitted(kind, batch_size=batch_size, regularization=1e-4)
    assert_same_parameters(parameters(model), (peer.weights_, peer.means_, peer.covariances_), 1e-5)
    np.testing.assert_allclose(model.log_prob(X), peer.score_samples(X), atol=1e-4)
    np.testing.assert_allclose(model.responsibilities(X), peer.predict_proba(X), atol=1e-5)
    assert len(history) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_likelihood_never_falls(kind):
    _, history = fitted(kind, epochs=30, regularization=0.0)
    assert np.diff(history).max() < 1e-6 and history[0] - history[-1] > 0.1


def test_one_component_is_the_normal_distribution_of_the_data_after_one_step():
    model = gz.GaussianMixture((D,), 1, regularization=0.0)
    model.compile()
    model.fit(X, epochs=1, batch_size=33, verbose=0)
    assert_same_parameters(parameters(model), ([1.0], [X.mean(0)], [np.cov(X.T, bias=True)]), 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_log_prob_is_that_of_numpy_and_integrates_to_one(kind):
    model, _ = fitted(kind)
    weights, means, covariances = parameters(model)
    covariances = np.broadcast_to([*map(np.diag, covariances)] if kind == "diagonal" else covariances, (K, D, D))
    components = [multivariate_normal(m, c) for m, c in zip(means, covariances, strict=True)]
    density = sum(w * component.pdf(X) for w, component in zip(weights, components, strict=True))
    np.testing.assert_allclose(model.log_prob(X), np.log(density), atol=1e-4)
    np.testing.assert_allclose(model.log_prob(X), model.distribution.log_prob(X), atol=1e-4)
    np.testing.assert_allclose(np.sum(model.responsibilities(X), axis=1), 1.0, atol=1e-5)
    side = np.linspace(-12, 14, 261)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, D).astype("float32")
    assert np.exp(model.log_prob(grid).numpy().astype("float64")).sum() * (side[1] - side[0]) ** 2 == pytest.approx(
        1, abs=1e-4
    )


def test_large_means_cost_no_precision():
    """Second moments about zero in float32 would be off by 1 where means are at 3,000."""
    shifted, _ = fitted(data=X + 3000, begin=(start("full")[0], start("full")[1] + 3000, start("full")[2]))
    plain, _ = fitted()
    np.testing.assert_allclose(covariances_of(shifted), covariances_of(plain), atol=2e-3)


def test_permuted_components_and_affine_maps_are_followed():
    weights, means, covariances = start("full")
    model, _ = fitted(regularization=0.0)
    order, a, b = [2, 0, 1], np.array([[2.0, 0.5], [0.0, -1.5]]), np.array([3.0, -1.0])
    permuted, _ = fitted(begin=(weights[order], means[order], covariances[order]), regularization=0.0)
    np.testing.assert_allclose(permuted.means, model.means.numpy()[order], atol=1e-4)
    moved = (X @ a.T + b).astype("float32")
    mapped, _ = fitted(data=moved, begin=(weights, means @ a.T + b, a @ covariances @ a.T), regularization=0.0)
    np.testing.assert_allclose(mapped.means, model.means.numpy() @ a.T + b, atol=1e-3)
    logs = mapped.log_prob(moved) + np.log(abs(np.linalg.det(a)))
    np.testing.assert_allclose(logs, model.log_prob(X), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_follow_the_distribution(kind):
    model, _ = fitted(kind)
    samples = model.sample(100_000, seed=0).numpy()
    weights, means, covariances = parameters(model)
    mean = weights @ means
    within = (
        {"full": covariances, "tied": [covariances] * K}.get(kind)
        if kind != "diagonal"
        else [*map(np.diag, covariances)]
    )
    cov = sum(w * (c + np.outer(m - mean, m - mean)) for w, m, c in zip(weights, means, within, strict=True))
    np.testing.assert_allclose(samples.mean(0), mean, atol=5 * np.sqrt(np.diag(cov).max() / 1e5))
    np.testing.assert_allclose(np.cov(samples.T), cov, rtol=0.05, atol=0.05)
    # The mean density of samples is minus the entropy, which the distribution's own draws have, too.
    own = model.distribution.sample(100_000, seed=1)
    assert np.mean(model.log_prob(samples)) == pytest.approx(np.mean(model.log_prob(own)), abs=0.03)


@pytest.mark.parametrize("num_components", [2, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_its_component_s_mean_and_its_noise_scaled(kind, num_components):
    """With fewer components than values and with more, which are drawn in two ways; and of a shape."""
    k, d = num_components, 4
    roots = np.tril(RNG.uniform(0.5, 1, (k, d, d)))
    covariances = {"full": roots @ np.swapaxes(roots, 1, 2), "tied": roots[0] @ roots[0].T, "diagonal": roots[:, -1]}
    weights, means = np.arange(1, k + 1) / np.arange(1, k + 1).sum(), RNG.normal(size=(k, 2, 2, 1))
    model = gz.GaussianMixture((2, 2, 1), k, kind)
    model.start_from(weights, means, covariances[kind])
    np.testing.assert_allclose(model.covariances, covariances[kind], rtol=1e-5)
    noise = model.draw_noise(50, tf.constant([0, 1])).numpy()
    component = np.searchsorted(np.cumsum(weights), noise[:, 0], side="right")
    assert len(set(component)) == k
    scales = {"full": roots, "tied": [roots[0]] * k, "diagonal": [np.diag(row**0.5) for row in roots[:, -1]]}[kind]
    moved = [scales[c] @ z for c, z in zip(component, noise[:, 1:], strict=True)]
    samples = model.generate(noise).numpy()
    np.testing.assert_allclose(samples, means[component] + np.reshape(moved, (-1, 2, 2, 1)), atol=1e-5)
    assert model.distribution.event_shape == (2, 2, 1)
    np.testing.assert_allclose(model.distribution.log_prob(samples), model.log_prob(samples), atol=1e-3)


def test_five_clusters_are_found_from_the_data_alone():
    centres = np.array([[0, 0], [8, 0], [0, 8], [8, 8], [4, 15]], "float32")
    data = np.concatenate([centre + 0.5 * RNG.normal(size=(80, 2)) for centre in centres]).astype("float32")
    model = gz.GaussianMixture((2,), 5)
    assert not model.is_initialized
    model.compile()
    model.fit(data, epochs=5, batch_size=64, verbose=0)
    assert model.is_initialized
    found = model.means.numpy()
    assert sorted(np.argmin(np.linalg.norm(found[:, None] - centres, axis=-1), axis=1)) == [0, 1, 2, 3, 4]
    assert np.linalg.norm(found[:, None] - centres, axis=-1).min(axis=1).max() < 0.3


def test_two_devices_give_the_iterations_of_one(two_devices):
    one, _ = fitted(epochs=2, batch_size=64)
    with two_devices.scope():
        two = gz.GaussianMixture((D,), K)
        two.start_from(*start("full"))
        two.compile()
    two.fit(tf.data.Dataset.from_tensor_slices(X).batch(64), epochs=2, verbose=0)
    assert_same_parameters(parameters(two), parameters(one), 1e-5)


def test_goes_on_from_a_file(tmp_path):
    whole, _ = fitted(epochs=4)
    half, _ = fitted(epochs=2)
    half.save(tmp_path / "half.keras")
    loaded = keras.models.load_model(tmp_path / "half.keras")
    assert loaded.is_initialized
    loaded.fit(tf.data.Dataset.from_tensor_slices(X).batch(50), epochs=2, verbose=0)
    assert_same_parameters(parameters(loaded), parameters(whole), 1e-6)


def test_an_epoch_of_data_without_end_is_its_steps():
    data = tf.data.Dataset.from_tensor_slices(X[:250]).batch(50)

    def from_seed(data, **options):
        keras.utils.set_random_seed(0)
        model = gz.GaussianMixture((D,), K)
        model.compile()
        model.fit(data, epochs=2, verbose=0, **options)
        return parameters(model)

    assert_same_parameters(from_seed(data.repeat(), steps_per_epoch=5), from_seed(data), 1e-6)
    with pytest.raises(ValueError, match="data set without end; say by `steps_per_epoch`"):
        from_seed(data.repeat())


def test_starts_from_batches_of_any_kind():
    """Those of a PyDataset come one at a time; labels beside the values are left alone."""

    class Batches(keras.utils.PyDataset):
        num_batches = 6

        def __getitem__(self, index):
            return X[50 * index : 50 * index + 50], np.zeros(len(X[50 * index : 50 * index + 50]), "int64")

    model = gz.GaussianMixture((D,), 1, regularization=0.0)
    model.compile()
    model.fit(Batches(), verbose=0)
    assert_same_parameters(parameters(model), ([1.0], [X.mean(0)], [np.cov(X.T, bias=True)]), 1e-5)
    for labelled in ((X, np.zeros(len(X))), {"value": X, "label": np.zeros(len(X))}):
        assert gz.GaussianMixture.arguments_from(tf.data.Dataset.from_tensors(labelled)) == {"shape": (D,)}


def test_validation_is_of_the_model_that_the_epoch_has_made():
    model, _ = fitted(epochs=0)
    history = model.fit(X, epochs=2, batch_size=64, validation_data=(X, None), verbose=0).history
    assert history["val_loss"][0] == pytest.approx(history["loss"][1], abs=1e-5)


def test_a_component_without_values_rests():
    weights, means, covariances = start("full")
    means = means.copy()
    means[1] = 1e4
    model, history = fitted(begin=(weights, means, covariances), epochs=5)
    np.testing.assert_allclose(model.means.numpy()[1], 1e4)
    assert model.mixture_weights.numpy()[1] < 1e-6 and np.isfinite(history).all()


def test_uint8_counts_as_levels():
    levels = RNG.integers(0, 256, (20, 2)).astype("uint8")
    model, _ = fitted(epochs=0)
    np.testing.assert_allclose(model.log_prob(levels), model.log_prob(levels / np.float32(255)), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": ()}, "`shape` must be a tuple of positive integers"),
        ({"shape": (2,), "num_components": 0}, "`num_components` must be a positive integer; got 0"),
        ({"shape": (2,), "covariance": "spherical"}, "`covariance`"),
        ({"shape": (2,), "regularization": -1}, "`regularization`"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gz.GaussianMixture(**arguments)


def test_bad_data_and_starts():
    model = gz.GaussianMixture((D,), K, regularization=0.0)
    with pytest.raises(ValueError, match=r"`optimizer` is not an argument: GaussianMixture descends on no gradient"):
        model.compile(optimizer="adam")
    model.compile()
    with pytest.raises(ValueError, match="fewer different values; choose fewer"):
        model.fit(np.ones((10, D), "float32"), verbose=0)
    with pytest.raises(ValueError, match="is a generator, which can be passed over once only"):
        model.fit(iter_of_batches(), verbose=0)
    with pytest.raises(ValueError, match=r"not positive definite.*larger `regularization` than 0\.0"):
        model.fit(np.repeat(np.eye(3, D, dtype="float32"), 5, axis=0), verbose=0)
    weights, means, covariances = start("full")
    for wrong in ((weights[:2], means, covariances), (weights, means, -covariances), (weights * 0, means, covariances)):
        with pytest.raises(ValueError, match=r"`(weights|covariances)` must"):
            model.start_from(*wrong)


def test_a_step_that_cannot_be_taken_moves_nothing():
    """Values of which one repeats another have a singular covariance, of which rounding may leave a little."""
    model = gz.GaussianMixture((3,), 2, regularization=0.0)
    model.start_from([0.4, 0.6], np.eye(2, 3), [np.eye(3)] * 2)
    model.compile()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"not positive definite.*larger `regularization` than 0\.0"):
        model.fit(np.stack([X[:, 0], X[:, 1], X[:, 0] + X[:, 1]], axis=1), verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def iter_of_batches():
    yield from (X[:10], X[10:20])


def test_pictures_of_components_are_in_order_of_weight():
    model = gz.GaussianMixture((4, 4, 1), 3, "diagonal")
    means = np.stack([np.full((4, 4, 1), level) for level in (0.2, 0.6, 1.4)])
    model.start_from([0.2, 0.5, 0.3], means, np.ones((3, 16)))
    shown = model.pictures()["means"]
    np.testing.assert_allclose(shown[:, 0, 0, 0], [0.6, 1.0, 0.2], atol=1e-6)
    assert gz.GaussianMixture((2,), 3).pictures() == {}

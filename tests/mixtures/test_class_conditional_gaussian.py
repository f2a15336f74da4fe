"""Gaussians of classes against scikit-learn's classifiers, NumPy in float64 and sums over a grid."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

import keras_genzoo as gz
from keras_genzoo.models.mixtures.principal_components import principal_components
from tests.conftest import require_tfds

RNG = np.random.default_rng(0)
K, D = 3, 2
Y = RNG.permutation(np.repeat(np.arange(K), (50, 90, 117)))
MEANS = np.array([[0.0, 0.0], [2.0, 1.0], [-1.0, 2.0]])
ROOTS = np.array([[[1.0, 0.0], [0.4, 0.6]], [[0.5, 0.0], [-0.7, 1.0]], [[1.5, 0.0], [0.2, 0.4]]])
X = (MEANS[Y] + np.einsum("nde,ne->nd", ROOTS[Y], RNG.normal(size=(len(Y), D)))).astype("float32")
KINDS = ("full", "tied", "diagonal")


def fitted(covariance="full", x=X, y=Y, batch_size=50, epochs=1, num_classes=K, **options):
    model = gz.ClassConditionalGaussian(x.shape[1:], num_classes, covariance, **{"regularization": 0.0, **options})
    model.compile()
    model.fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size), epochs=epochs, verbose=0)
    return model


def moments(kind, x=X, y=Y):
    """Shares, means and covariances of the classes, in NumPy's two passes."""
    x = x.astype("float64")
    shares, means = np.bincount(y) / len(y), np.array([x[y == k].mean(axis=0) for k in range(y.max() + 1)])
    covariances = np.array([np.cov(x[y == k].T, bias=True) for k in range(len(means))])
    if kind == "tied":
        covariances[:] = np.einsum("k,kde->de", shares, covariances)
    if kind == "diagonal":
        covariances *= np.eye(x.shape[1])
    return shares, means, covariances


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_those_of_scikit_learn(kind):
    """QDA, LDA and naive Bayes divide by the number of values, too."""
    x, peer = X.astype("float64"), {
        "full": QuadraticDiscriminantAnalysis(),
        "tied": LinearDiscriminantAnalysis(solver="lsqr"),
        "diagonal": GaussianNB(var_smoothing=0.0),
    }[kind].fit(X.astype("float64"), Y)  # fmt: skip
    model = fitted(kind)
    np.testing.assert_allclose(model.classify(X), peer.predict_proba(x), atol=1e-6)
    far = RNG.normal(size=(200, D)).astype("float32") * 3
    np.testing.assert_allclose(model.classify(far), peer.predict_proba(far.astype("float64")), atol=1e-6)
    shares, means, covariances = float64_parameters(model)
    log_joint = model.gaussians.log_prob(x, means, model.gaussians.scales_of(covariances)) + np.log(shares)
    np.testing.assert_allclose(tf.nn.log_softmax(log_joint), peer.predict_log_proba(x), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_log_prob_is_that_of_numpy(kind):
    shares, means, covariances = moments(kind)
    model = fitted(kind, regularization=0.1)
    conditionals = [
        multivariate_normal(m, c + 0.1 * np.eye(D)).logpdf(X) for m, c in zip(means, covariances, strict=True)
    ]
    labels = RNG.integers(0, K, len(X))
    np.testing.assert_allclose(model.log_prob(X, labels), np.choose(labels, conditionals), atol=1e-5, rtol=1e-6)
    marginal = np.log(shares @ np.exp(conditionals))
    np.testing.assert_allclose(model.log_prob(X), marginal, atol=1e-5, rtol=1e-6)
    joint = np.choose(Y, conditionals) + np.log(shares)[Y]
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["loss"] == pytest.approx(-joint.mean(), abs=1e-5)


def float64_parameters(model):
    """Shares, means and covariances that the sums of the last epoch make, before they are rounded to float32."""
    sums = model._sums.values()
    counts = sums.pop("count")
    means, covariances = model.gaussians.fit(counts, sums)
    return counts / counts.sum(), means + model.origin.numpy().astype("float64"), covariances


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_order_and_batches_change_nothing_and_large_values_cost_no_digits(kind, offset):
    """Sums of squares about zero would be off by 1e-6 where values are at 100,000."""
    x, order = (X + offset).astype("float32"), RNG.permutation(len(X))
    shares, means, covariances = moments(kind, x)
    if kind == "tied":
        covariances = covariances[0]
    if kind == "diagonal":
        covariances = np.diagonal(covariances, axis1=1, axis2=2)
    for model in (fitted(kind, x, batch_size=32), fitted(kind, x[order], Y[order], 257, epochs=2)):
        for value, expected in zip(float64_parameters(model), (shares, means, covariances), strict=True):
            np.testing.assert_allclose(value, expected, atol=1e-10, rtol=1e-14)
        np.testing.assert_allclose(model.class_means, means, rtol=1e-7, atol=1e-6)


def test_affine_maps_move_densities_by_their_volume_and_classes_not_at_all():
    a, b = np.array([[2.0, 0.5], [0.0, -1.5]]), np.array([3.0, -1.0])
    moved = (X @ a.T + b).astype("float32")
    model, mapped = fitted(), fitted(x=moved)
    np.testing.assert_allclose(mapped.classify(moved), model.classify(X), atol=1e-5)
    logs = mapped.log_prob(moved) + np.log(abs(np.linalg.det(a)))
    np.testing.assert_allclose(logs, model.log_prob(X), atol=1e-4)


@pytest.mark.parametrize(("kind", "num_principal_components"), [("full", None), ("tied", 1), ("diagonal", 1)])
def test_densities_integrate_to_one(kind, num_principal_components):
    model = fitted(kind, num_principal_components=num_principal_components)
    side = np.linspace(-10, 10, 201)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, D).astype("float32")
    area = (side[1] - side[0]) ** 2
    for labels in (None, np.full(len(grid), 1)):
        assert np.exp(model.log_prob(grid, labels).numpy().astype("float64")).sum() * area == pytest.approx(1, abs=1e-4)


def high_dimensional():
    """Points of 6 numbers near a plane, so that two components hold nearly all of what they are."""
    axes = np.linalg.qr(RNG.normal(size=(6, 2)))[0].T
    return (X @ axes + 0.1 * RNG.normal(size=(len(X), 6)) + 5).astype("float32")


def test_principal_components_keep_the_noise_that_is_left():
    """The density is that of a normal distribution of all numbers, U S_y U' + s^2 (I - U U'), written out."""
    x = high_dimensional()
    model = fitted(x=x, num_principal_components=2, regularization=1e-3)
    wide = x.astype("float64")
    variances, axes = np.linalg.eigh(np.cov(wide.T, bias=True))
    axes, s2 = axes[:, -2:], variances[:-2].mean() + 1e-3
    _, means, covariances = moments("full", (wide - wide.mean(axis=0)) @ axes)
    complement = np.eye(6) - axes @ axes.T
    for label in range(K):
        covariance = axes @ (covariances[label] + 1e-3 * np.eye(2)) @ axes.T + s2 * complement
        mean = wide.mean(axis=0) + axes @ means[label]
        expected = multivariate_normal(mean, covariance).logpdf(wide)
        np.testing.assert_allclose(model.log_prob(x, np.full(len(x), label)), expected, atol=1e-4, rtol=1e-5)
        samples = model.sample(50_000, np.full(50_000, label), seed=0).numpy()
        np.testing.assert_allclose(samples.mean(axis=0), mean, atol=0.03)
        np.testing.assert_allclose(np.cov(samples.T), covariance, atol=0.05)
        beside = np.cov((samples - mean).T) @ complement
        np.testing.assert_allclose(np.trace(beside), 4 * s2, rtol=0.02)


def test_principal_components_of_batches_are_those_of_the_whole():
    x = high_dimensional().astype("float64") + 1000
    mean, axes, left = principal_components((x[i : i + 50] for i in range(0, len(x), 50)), 2)
    variances, expected = np.linalg.eigh(np.cov(x.T, bias=True))
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(axes @ axes.T, expected[:, -2:] @ expected[:, -2:].T, atol=1e-9)
    np.testing.assert_allclose(np.var(x @ axes, axis=0), variances[:-3:-1], rtol=1e-9)  # the largest first
    assert left == pytest.approx(variances[:-2].mean(), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_of_their_class_or_of_the_mixture(kind):
    model, n = fitted(kind), 40_000
    shares, means, covariances = moments(kind)
    for label in range(K):
        samples = model.sample(n, np.full(n, label), seed=label).numpy()
        np.testing.assert_allclose(samples.mean(axis=0), means[label], atol=0.03)
        np.testing.assert_allclose(np.cov(samples.T), covariances[label], atol=0.06)
    samples = model.sample(n, seed=9).numpy()
    np.testing.assert_allclose(samples.mean(axis=0), shares @ means, atol=0.03)
    drawn = model.draw_labels(n, tf.constant([0, 1]))
    np.testing.assert_allclose(np.bincount(drawn, minlength=K) / n, shares, atol=0.01)


def test_labels_that_never_occur_are_named():
    model = gz.ClassConditionalGaussian((D,), 5)
    model.compile()
    before = model.class_probabilities.numpy()
    with pytest.raises(ValueError, match=r"`labels` never hold 3, 4 of the 5 classes.*num_classes="):
        model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(model.class_probabilities, before)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_one_example_a_class_is_its_mean_and_the_regularization(kind):
    x = X[:K]
    model = fitted(kind, x, np.arange(K), regularization=0.5)
    np.testing.assert_allclose(model.class_means, x, atol=1e-6)
    expected = multivariate_normal(x[1], 0.5 * np.eye(D)).logpdf(X)
    np.testing.assert_allclose(model.log_prob(X, np.full(len(X), 1)), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=r"not positive definite.*larger `regularization` than 0\.0"):
        fitted(kind, x, np.arange(K))


@pytest.mark.parametrize("kind", KINDS)
def test_constant_pixels_take_the_regularization_or_an_error(kind):
    x = np.concatenate([X, np.full((len(X), 1), 0.7, "float32")], axis=1)
    with pytest.raises(ValueError, match=r"not positive definite.*larger `regularization` than 0\.0"):
        fitted(kind, x)
    model = fitted(kind, x, regularization=1e-4)
    without = fitted(kind, regularization=1e-4)
    log_constant = -0.5 * np.log(2 * np.pi * 1e-4)
    np.testing.assert_allclose(model.log_prob(x), without.log_prob(X) + log_constant, atol=1e-4)
    np.testing.assert_allclose(model.classify(x), without.classify(X), atol=1e-5)


def test_principal_components_of_data_that_vary_along_no_more_are_refused():
    x = np.concatenate([X, np.zeros((len(X), 2), "float32")], axis=1)
    with pytest.raises(ValueError, match=r"vary along no more directions.*choose fewer"):
        fitted(x=x, num_principal_components=2)


def test_two_devices_give_the_fit_of_one(two_devices):
    one = fitted()
    with two_devices.scope():
        two = gz.ClassConditionalGaussian((D,), K, regularization=0.0)
        two.compile()
    two.fit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(50), verbose=0)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_validation_is_of_the_model_found_and_accuracy_of_its_own_prior():
    model = gz.ClassConditionalGaussian((D,), K)
    model.compile()
    history = model.fit(X, Y, validation_data=(X, Y), epochs=2, verbose=0).history
    assert history["val_loss"][0] == pytest.approx(history["loss"][1], abs=1e-5)
    figure = model.measurements(tf.data.Dataset.from_tensor_slices((X, Y)).batch(50))["classification_accuracy"]
    assert figure.value == np.mean(np.argmax(model.classify(X), axis=1) == Y) and figure.num_examples == len(X)
    assert "p(y) as often as in the training data" in figure.method and figure.unit == "share"


def test_the_shape_and_the_classes_come_from_data():
    for data in ((X, Y), {"value": X, "label": Y}, {"image": X, "label": Y}):
        arguments = gz.ClassConditionalGaussian.arguments_from(tf.data.Dataset.from_tensors(data))
        assert arguments == {"shape": (D,), "num_classes": K}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": ()}, "`shape` must be a tuple of positive integers"),
        ({"num_classes": 0}, "`num_classes` must be a positive integer; got 0"),
        ({"covariance": "spherical"}, "`covariance`"),
        ({"regularization": float("nan")}, "`regularization`"),
        ({"num_principal_components": 2}, "`num_principal_components` must be less than the 2 numbers"),
        ({"num_principal_components": 0}, "`num_principal_components` must be a positive integer; got 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gz.ClassConditionalGaussian(**{"shape": (D,), "num_classes": K, **arguments})


@pytest.mark.slow
def test_errors_on_mnist_are_those_of_scikit_learn():
    """3.75%, of the very same images, by quadratic discriminants of 40 principal components."""
    require_tfds("mnist")
    train, test = (gz.data.load("mnist", split, 1000, labels=True, shuffle=False) for split in ("train", "test"))
    model = gz.ClassConditionalGaussian((28, 28, 1), 10, num_principal_components=40)
    model.compile()
    model.fit(train, verbose=0)
    predicted = np.concatenate([np.argmax(model.classify(images), axis=1) for images, _ in test])

    def arrays(dataset):
        images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
        return np.concatenate(images).reshape(-1, 784) / 255, np.concatenate(labels)

    (x, y), (x_test, y_test) = arrays(train), arrays(test)
    peer = make_pipeline(PCA(40, svd_solver="full"), QuadraticDiscriminantAnalysis()).fit(x, y)
    np.testing.assert_array_equal(predicted != y_test, peer.predict(x_test) != y_test)
    assert np.mean(predicted != y_test) == pytest.approx(0.0375)

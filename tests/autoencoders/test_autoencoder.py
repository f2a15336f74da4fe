"""Autoencoder and DenoisingAutoencoder."""

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(size=(200, 4, 4, 1)).astype("float32")


def test_loss_is_the_cross_entropy(images):
    model = gz.Autoencoder((4, 4, 1), latent_dim=3)
    model.compile()
    p = model.reconstruct(images).numpy().astype("float64")
    expected = -(images * np.log(p) + (1 - images) * np.log1p(-p)).sum(axis=(1, 2, 3)).mean()
    assert model.evaluate(images, verbose=0, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-4)


def linear_autoencoder(**options):
    encoder = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(16), keras.layers.Reshape((4, 4, 1))])
    return gz.Autoencoder((4, 4, 1), 3, encoder, decoder, **options)


def test_decoded_means_are_cut_to_0_and_1(images):
    """A normal likelihood's may lie outside, where no image does."""
    model = linear_autoencoder(likelihood="gaussian")
    codes = np.random.default_rng(0).normal(scale=3, size=(5, 3)).astype("float32")
    means = model.likelihood(codes).mean().numpy()
    assert means.min() < -0.1 and means.max() > 1.1
    np.testing.assert_allclose(model.decode(codes), np.clip(means, 0, 1), atol=1e-6)
    assert np.min(model(images)) >= 0 and np.max(model(images)) <= 1


def assert_prior_has(model, mean, second_moment):
    """The normal distribution of these moments, with the 1e-4 of variance that keeps it proper."""
    np.testing.assert_allclose(model.prior.mean(), mean, atol=1e-5)
    covariance = second_moment - np.outer(mean, mean) + 1e-4 * np.eye(3)
    np.testing.assert_allclose(model.prior.covariance(), covariance, atol=1e-5)


def test_prior_before_training_is_the_standard_normal():
    model = linear_autoencoder()
    np.testing.assert_array_equal(model.prior.mean(), np.zeros(3))
    np.testing.assert_allclose(model.prior.covariance(), np.eye(3), atol=2e-4)


@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_prior_has_the_running_moments_of_the_codes_debiased(images, num_steps, tmp_path):
    """m_t = 0.99 m_(t-1) + 0.01 x_t from m_0 = 0, divided by 1 - 0.99^t: after one step that batch's moments."""
    model = linear_autoencoder()
    model.compile(keras.optimizers.SGD(0.05))
    mean, second_moment = np.zeros(3), np.zeros((3, 3))
    for step in range(num_steps):
        batch = images[20 * step : 20 * step + 20]
        codes = model.encode(batch).numpy().astype("float64")  # those of the weights before the update
        model.train_step(batch)
        mean = 0.99 * mean + 0.01 * codes.mean(axis=0)
        second_moment = 0.99 * second_moment + 0.01 * codes.T @ codes / len(codes)
        if step + 2 == num_steps:  # the count of steps goes with the weights
            model.save(tmp_path / "model.keras")
            model = keras.models.load_model(tmp_path / "model.keras")
    weight = 1 - 0.99**num_steps
    assert_prior_has(model, mean / weight, second_moment / weight)


def test_prior_forgets_old_codes(images):
    """At learning rate 0 codes change with the images alone: after 800 steps 0.99^800 = 3e-4 of the first are left."""
    model = linear_autoencoder()
    model.compile(keras.optimizers.SGD(0.0))
    first, rest = tf.data.Dataset.from_tensors(1 - images), tf.data.Dataset.from_tensors(images).repeat(800)
    model.fit(first.concatenate(rest), verbose=0)
    codes = model.encode(images).numpy()
    np.testing.assert_allclose(model.prior.mean(), codes.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(model.prior.covariance(), np.cov(codes.T, bias=True), atol=2e-3)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_files_without_a_count_of_steps_load(images, likelihood, tmp_path):
    """Their moments began at N(0, I) and were never debiased; they count as those of a long run."""
    model = linear_autoencoder(likelihood=likelihood)
    model.compile()
    model.train_step(images)
    model.save_weights(tmp_path / "old.weights.h5")
    with h5py.File(tmp_path / "old.weights.h5", "r+") as file:
        own = file["vars"]
        del own[max(key for key in own if not key.startswith("random_state"))]
    copy = linear_autoencoder(likelihood=likelihood)
    copy.compile()
    copy.load_weights(tmp_path / "old.weights.h5")
    np.testing.assert_array_equal(copy.prior.mean(), model.prior.mean())
    codes = copy.encode(1 - images).numpy()
    expected = 0.99 * copy.prior.mean().numpy() + 0.01 * codes.mean(axis=0)
    copy.train_step(1 - images)
    np.testing.assert_allclose(copy.prior.mean(), expected, atol=1e-5)


def test_masking_sets_the_stated_share_of_whole_pixels_to_zero():
    model = gz.DenoisingAutoencoder((8, 8, 3), corruption_level=0.3)
    clean = tf.ones((500, 8, 8, 3))
    corrupted = model.corrupt(clean).numpy()
    assert set(np.unique(corrupted)) == {0.0, 1.0}
    np.testing.assert_array_equal(corrupted[..., 0], corrupted[..., 2])
    assert (corrupted == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert np.abs(model.corrupt(clean) - corrupted).max() == 1  # fresh draws each time


def test_gaussian_corruption_has_the_stated_deviation():
    model = gz.DenoisingAutoencoder((8, 8, 1), corruption="gaussian", corruption_level=0.1)
    noise = model.corrupt(tf.fill((500, 8, 8, 1), 0.5)).numpy() - 0.5
    assert noise.std() == pytest.approx(0.1, rel=0.02)
    assert model.corrupt(tf.ones((9, 8, 8, 1))).numpy().max() <= 1


@pytest.mark.parametrize("num_classes", [None, 3])
def test_the_clean_image_is_restored_from_the_code_of_the_corrupted_one(images, num_classes):
    """Under its own label; an evaluation corrupts nothing."""
    model = gz.DenoisingAutoencoder((4, 4, 1), latent_dim=3, num_classes=num_classes)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(scale=0.2, size=w.shape) if w.ndim else w for w in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.0))
    labels = None if num_classes is None else np.arange(200) % 3

    def error(seen):
        likelihood = model.likelihood(model.encode(seen, labels), labels)
        return -np.mean(likelihood.log_prob(images))

    batch = tf.constant(images) if labels is None else (tf.constant(images), tf.constant(labels))
    assert float(model.test_step(batch)["loss"]) == pytest.approx(error(images), rel=1e-5)
    model.reset_metrics()
    model.corrupt = lambda clean: 1 - clean
    assert float(model.train_step(batch)["loss"]) == pytest.approx(error(1 - images), rel=1e-5)
    assert error(1 - images) != pytest.approx(error(images), rel=1e-3)


@pytest.mark.slow
def test_denoising_is_learned():
    """Trained to restore, it undoes masking better than a plain autoencoder does."""
    digits = gz.data.load("digits", batch_size=128, seed=0)
    test = next(iter(gz.data.load("digits", "test", batch_size=360, shuffle=False)))
    clean = tf.cast(test, tf.float32) / 255
    errors = {}
    for cls in (gz.Autoencoder, gz.DenoisingAutoencoder):
        model = cls((8, 8, 1), latent_dim=16, **({"corruption_level": 0.5} if cls is gz.DenoisingAutoencoder else {}))
        model.compile()
        model.fit(digits, epochs=15, verbose=0)
        masked = gz.DenoisingAutoencoder((8, 8, 1), corruption_level=0.5).corrupt(clean)
        errors[cls] = float(tf.reduce_mean((model.reconstruct(masked) - clean) ** 2))
    assert errors[gz.DenoisingAutoencoder] < 0.9 * errors[gz.Autoencoder]


@pytest.mark.parametrize("arguments", [{"corruption": "salt"}, {"corruption_level": 0.0}, {"corruption_level": 1.5}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match=f"`{next(iter(arguments))}`"):
        gz.DenoisingAutoencoder((8, 8, 1), **arguments)

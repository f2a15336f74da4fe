"""The VAE's mathematics, against computations that share no code with it."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate

import keras_genzoo as gz
from keras_genzoo.distributions import tfd

SHAPE = (3, 2, 1)


def linear(inputs, outputs, reshape=None):
    """A network that is one matrix and one bias, so that NumPy can do the same."""
    layers = [keras.Input(inputs), keras.layers.Flatten(), keras.layers.Dense(outputs)]
    if reshape:
        layers.append(keras.layers.Reshape(reshape))
    return keras.Sequential(layers)


def linear_vae(latent_dim=2, **kwargs):
    vae = gz.VAE(SHAPE, latent_dim, linear(SHAPE, 2 * latent_dim), linear((latent_dim,), 6, SHAPE), **kwargs)
    rng = np.random.default_rng(0)
    vae.set_weights([rng.normal(scale=0.5, size=w.shape) for w in vae.get_weights()])
    return vae


def affine(network, x):
    matrix, bias = network.get_weights()
    return x.reshape(len(x), -1) @ matrix + bias


@pytest.fixture
def images():
    return np.random.default_rng(1).uniform(size=(5, *SHAPE)).astype("float32")


def fixed_noise(monkeypatch, vae, noise):
    """Makes the draws from the posterior known: `noise` is `(n, k, d)`."""
    monkeypatch.setattr(vae, "draw", lambda sampler, num_examples: tf.constant(noise))


def numpy_terms(vae, images, noise):
    """log p(x|z), log p(z), log q(z|x), each (k, n), for a Bernoulli likelihood and standard normal prior."""
    mean, log_variance = np.split(affine(vae.encoder, images), 2, axis=1)
    std = np.exp(log_variance / 2)
    z = np.moveaxis(mean[:, None] + std[:, None] * noise, 1, 0)  # (k, n, d)
    log_normal = lambda e: (-0.5 * e**2 - 0.5 * np.log(2 * np.pi)).sum(-1)  # noqa: E731
    log_q = log_normal(np.moveaxis(noise, 1, 0)) - np.log(std).sum(-1)
    x = images.reshape(len(images), -1)
    log_p_x = []
    for z_k in z:
        p = 1 / (1 + np.exp(-affine(vae.decoder, z_k)))
        log_p_x.append((x * np.log(p) + (1 - x) * np.log1p(-p)).sum(-1))
    kl = 0.5 * (std**2 + mean**2 - 1 - log_variance).sum(-1)
    return np.array(log_p_x), log_normal(z), log_q, kl


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_elbo_is_the_one_numpy_computes(images, monkeypatch, beta):
    vae = linear_vae(beta=beta)
    noise = np.random.default_rng(2).normal(size=(5, 1, 2)).astype("float32")
    fixed_noise(monkeypatch, vae, noise)
    log_p_x, _, _, kl = numpy_terms(vae, images, noise)
    terms = vae.negative_elbo(images)
    np.testing.assert_allclose(terms["reconstruction"], -log_p_x[0], rtol=1e-4)
    np.testing.assert_allclose(terms["kl"], kl, rtol=1e-4)
    np.testing.assert_allclose(terms["loss"], -log_p_x[0] + beta * kl, rtol=1e-4)


def test_iwae_bound_is_the_one_numpy_computes(images, monkeypatch):
    vae = linear_vae(num_importance_samples=7)
    noise = np.random.default_rng(2).normal(size=(5, 7, 2)).astype("float32")
    fixed_noise(monkeypatch, vae, noise)
    log_p_x, log_p_z, log_q, _ = numpy_terms(vae, images, noise)
    bound = np.log(np.exp(log_p_x + log_p_z - log_q).mean(axis=0))
    terms = vae.negative_elbo(images)
    np.testing.assert_allclose(terms["loss"], -bound, rtol=1e-4)
    np.testing.assert_allclose(terms["kl"], (log_q - log_p_z).mean(axis=0), rtol=1e-3)


def test_bound_grows_with_k_to_the_exact_likelihood(images):
    """p(z) = N(0, I), p(x|z) = N(Wz + b, s^2 I), so that p(x) = N(b, W W^T + s^2 I)."""
    vae = linear_vae(likelihood="gaussian")
    vae.log_scale.assign(np.log(0.3))
    matrix, bias = vae.decoder.get_weights()
    covariance = (matrix.T @ matrix + 0.3**2 * np.eye(6)).astype("float64")
    deviation = images.reshape(5, -1).astype("float64") - bias
    exact = -0.5 * (
        np.einsum("ni,ij,nj->n", deviation, np.linalg.inv(covariance), deviation)
        + np.linalg.slogdet(2 * np.pi * covariance)[1]
    )
    repeated = np.repeat(images, 200, axis=0)  # the mean over draws estimates the expected bound
    bounds = [
        vae.log_prob(repeated, num_importance_samples=k, seed=0).numpy().reshape(5, 200).mean(axis=1)
        for k in (1, 10, 100, 1000)
    ]
    for looser, tighter in itertools.pairwise(bounds):
        assert (looser < tighter).all()
    assert (bounds[-1] < exact + 0.02).all()
    np.testing.assert_allclose(vae.log_prob(images, num_importance_samples=200_000, seed=0), exact, atol=0.03)


def test_bound_is_exact_at_any_k_with_the_exact_posterior(images):
    """Every importance weight then equals p(x), so that the bound has no gap and no variance."""
    vae = linear_vae(likelihood="gaussian")
    scale, latent_dim = 0.5, 2
    vae.log_scale.assign(np.log(scale))
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.normal(size=(6, latent_dim)))[0].T  # orthonormal rows: the posterior is diagonal
    vae.decoder.set_weights([basis, np.zeros(6)])
    variance = 1 / (1 + 1 / scale**2)
    encoder = np.concatenate([basis.T * variance / scale**2, np.zeros((6, latent_dim))], axis=1)
    vae.encoder.set_weights([encoder, np.r_[np.zeros(latent_dim), np.full(latent_dim, np.log(variance))]])
    covariance = basis.T @ basis + scale**2 * np.eye(6)
    x = images.reshape(5, -1)
    exact = -0.5 * (
        np.einsum("ni,ij,nj->n", x, np.linalg.inv(covariance), x) + np.linalg.slogdet(2 * np.pi * covariance)[1]
    )
    for k in (1, 3):
        np.testing.assert_allclose(vae.log_prob(images, num_importance_samples=k), exact, rtol=1e-4)


def test_log_prob_does_not_depend_on_the_size_of_its_chunks(images, monkeypatch):
    """A k beyond what fits at once: the estimate agrees with a single big chunk within their standard errors."""
    from keras_genzoo.models.autoencoders import vae as module

    def bound():
        vae = linear_vae()
        vae.encoder.set_weights([0 * weights for weights in vae.encoder.get_weights()])  # q = p: bounded weights
        return vae.log_prob(images, num_importance_samples=20_000, seed=1)

    whole = bound()
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", 3000)  # 6 draws at a time, and 2 in the last
    chunked = bound()
    assert (whole != chunked).numpy().all()
    np.testing.assert_allclose(whole, chunked, atol=0.05)


def test_beta_plays_no_part_in_log_prob(images):
    bounds = [linear_vae(beta=beta).log_prob(images, seed=0) for beta in (1.0, 10.0)]
    np.testing.assert_array_equal(*bounds)


def test_gradients_flow_through_the_draw(images):
    """d/d(mean) E_q[z^2] = 2 mean, and d/d(log variance) E_q[z^2] = variance, by the reparameterised draw alone."""
    vae = linear_vae(num_importance_samples=20_000)
    with tf.GradientTape() as tape:
        outputs = tf.Variable([[0.7, -0.3, 0.2, -1.0]])  # means, log variances
        mean, log_variance = tf.split(outputs, 2, axis=-1)
        posterior = tfd.Independent(tfd.Normal(mean, tf.exp(0.5 * log_variance)), 1)
        expected = tf.reduce_mean(tf.reduce_sum(vae._reparameterized(posterior, 1) ** 2, axis=-1))
    gradient = tape.gradient(expected, outputs)
    np.testing.assert_allclose(gradient[0], [1.4, -0.6, np.exp(0.2), np.exp(-1.0)], atol=0.06)


def test_every_weight_learns(images):
    for prior in ("standard_normal", "mixture", "vamp"):
        vae = linear_vae(prior=prior, likelihood="gaussian", num_prior_components=3)
        with tf.GradientTape() as tape:
            loss = vae.negative_elbo(images)["loss"]
        for variable, gradient in zip(
            vae.trainable_variables, tape.gradient(loss, vae.trainable_variables), strict=True
        ):
            assert np.abs(gradient.numpy()).max() > 0, variable.path


def test_closed_form_kl_agrees_with_monte_carlo(images):
    vae = linear_vae()
    posterior, prior = vae.posterior(images), vae.prior
    draws = posterior.sample(100_000, seed=(0, 1))
    estimate = tf.reduce_mean(posterior.log_prob(draws) - prior.log_prob(draws), axis=0)
    np.testing.assert_allclose(tfd.kl_divergence(posterior, prior), estimate, rtol=0.02, atol=0.005)


def test_vamp_prior_is_the_mixture_of_its_posteriors(images):
    vae = linear_vae(prior="vamp", num_prior_components=3)
    latents = np.random.default_rng(4).normal(size=(5, 2)).astype("float32")
    vae.pseudo_images.assign(np.random.default_rng(5).uniform(size=(3, *SHAPE)))
    densities = vae.posterior(vae.pseudo_images.numpy()).prob(latents[:, None])  # (5, 3)
    np.testing.assert_allclose(vae.prior.prob(latents), tf.reduce_mean(densities, axis=1), rtol=1e-4)


def test_pseudo_images_stay_images():
    vae = gz.VAE((4, 4, 1), 2, prior="vamp", num_prior_components=3)
    vae.compile(keras.optimizers.SGD(1.0))
    vae.fit(np.random.default_rng(0).uniform(size=(16, 4, 4, 1)), epochs=5, verbose=0)
    assert vae.pseudo_images.numpy().min() >= 0 and vae.pseudo_images.numpy().max() <= 1


def test_mixture_prior_integrates_to_one():
    vae = linear_vae(latent_dim=1, prior="mixture", num_prior_components=4)
    grid = np.linspace(-20, 20, 20_001, dtype="float32")
    density = vae.prior.prob(grid[:, None]).numpy().astype("float64")
    assert integrate.trapezoid(density, grid) == pytest.approx(1, abs=1e-4)


def test_kl_warmup(images):
    vae = linear_vae(beta=2.0, kl_warmup_steps=4)
    vae.compile()
    weights = []
    for step in (0, 1, 2, 4, 9):
        vae.optimizer.iterations.assign(step)
        weights.append(float(vae._warmed_up_beta()))
    assert weights == [0.0, 0.5, 1.0, 2.0, 2.0]


@pytest.mark.parametrize("k", [1, 3])
def test_a_step_descends_on_the_bound_with_the_beta_of_its_step(images, monkeypatch, k):
    """Beta 2 after 1 of 4 steps of warm-up: 1/2. An evaluation has all of it."""
    rate, noise = 0.1, np.random.default_rng(2).normal(size=(5, k, 2)).astype("float32")
    vae, peer = (linear_vae(beta=2.0, kl_warmup_steps=4, num_importance_samples=k) for _ in range(2))
    fixed_noise(monkeypatch, vae, noise)
    vae.compile(keras.optimizers.SGD(rate))

    def bound(beta):
        """By reconstruction and KL with one draw, else by the mean of the importance weights."""
        posterior = tfd.MultivariateNormalDiag(*moments(peer.encoder(images)))
        z = posterior.loc + posterior.stddev() * tf.transpose(noise, (1, 0, 2))
        logits = tf.reshape(peer.decoder(tf.reshape(z, (-1, 2))), (k, 5, *SHAPE))
        log_p_x = tf.reduce_sum(images * logits - tf.nn.softplus(logits), axis=(2, 3, 4))
        standard = tfd.MultivariateNormalDiag(tf.zeros(2))
        if k == 1:
            return tf.reduce_mean(beta * posterior.kl_divergence(standard) - log_p_x[0])
        log_ratio = posterior.log_prob(z) - standard.log_prob(z)
        return -tf.reduce_mean(tf.math.log(tf.reduce_mean(tf.exp(log_p_x - beta * log_ratio), axis=0)))

    evaluated = float(vae.test_step(images)["loss"])
    assert evaluated == pytest.approx(float(bound(2.0)), rel=1e-4)
    vae.reset_metrics()
    vae.optimizer.iterations.assign(1)
    loss = float(vae.train_step(images)["loss"])
    with tf.GradientTape() as tape:
        expected = bound(0.5)
    assert loss == pytest.approx(float(expected), rel=1e-4)
    for weight, gradient, moved in zip(
        peer.get_weights(), tape.gradient(expected, peer.trainable_variables), vae.get_weights(), strict=True
    ):
        np.testing.assert_allclose(moved, weight - rate * gradient, atol=1e-5)


def moments(outputs):
    """Mean and standard deviation of the posterior, from the encoder's means and log variances."""
    mean, log_variance = tf.split(outputs, 2, axis=-1)
    return mean, tf.exp(log_variance / 2)


def test_labels_change_posterior_likelihood_and_samples():
    vae = gz.VAE((4, 4, 1), 2, num_classes=3)
    x = np.full((1, 4, 4, 1), 0.5, "float32")
    z = np.zeros((1, 2), "float32")
    means = [vae.posterior(x, [label]).mean().numpy() for label in range(3)]
    pixels = [vae.likelihood(z, [label]).mean().numpy() for label in range(3)]
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert np.abs(means[a] - means[b]).max() > 1e-5
        assert np.abs(pixels[a] - pixels[b]).max() > 1e-5


@pytest.mark.parametrize("k", [1, 4])
def test_each_image_is_coded_and_decoded_under_its_own_label(images, monkeypatch, k):
    """At every draw, in training as out of it: the terms of a batch are those of its images one by one."""
    vae = gz.VAE(SHAPE, 2, num_classes=3, num_importance_samples=k)
    rng = np.random.default_rng(0)
    vae.set_weights([rng.normal(scale=0.2, size=w.shape) for w in vae.get_weights()])
    images, labels = tf.constant(images), tf.constant([2, 0, 1, 1, 0])
    noise = np.random.default_rng(2).normal(size=(5, k, 2)).astype("float32")
    fixed_noise(monkeypatch, vae, noise)
    together = vae.negative_elbo(images, labels, training=True)
    for i in range(5):
        row = slice(i, i + 1)
        fixed_noise(monkeypatch, vae, noise[row])
        alone, other = (vae.negative_elbo(images[row], (labels[row] + shift) % 3) for shift in (0, 1))
        for name in ("loss", "reconstruction", "kl"):
            assert float(together[name][i]) == pytest.approx(float(alone[name][0]), rel=1e-4)
            assert float(together[name][i]) != pytest.approx(float(other[name][0]), rel=1e-3)


def test_a_conditional_vamp_prior_has_every_class_in_turn(images):
    vae = gz.VAE(SHAPE, 2, prior="vamp", num_classes=3, num_prior_components=5)
    latents = np.random.default_rng(4).normal(size=(5, 2)).astype("float32")
    posterior = vae.posterior(vae.pseudo_images.numpy(), [0, 1, 2, 0, 1])
    densities = posterior.prob(latents[:, None])  # (5, 5)
    assert np.ptp(posterior.mean(), axis=0).min() > 1e-2
    np.testing.assert_allclose(vae.prior.prob(latents), tf.reduce_mean(densities, axis=1), rtol=1e-4)


def test_distributions_are_tfp_with_the_stated_shapes(images):
    vae = linear_vae()
    posterior = vae.posterior(images)
    assert (posterior.batch_shape, posterior.event_shape) == ((5,), (2,))
    assert vae.prior.event_shape == (2,)
    likelihood = vae.likelihood(posterior.sample(3))
    assert (likelihood.batch_shape, likelihood.event_shape) == ((3, 5), SHAPE)
    assert isinstance(likelihood, tfd.Distribution)


def test_interpolation_ends_at_the_reconstructions(images):
    vae = linear_vae()
    path = vae.interpolate(images[:2], images[2:4], num_steps=5)
    assert path.shape == (2, 5, *SHAPE)
    np.testing.assert_allclose(path[:, 0], vae.reconstruct(images[:2]), atol=1e-6)
    np.testing.assert_allclose(path[:, -1], vae.reconstruct(images[2:4]), atol=1e-6)
    middle = (vae.encode(images[:2]) + vae.encode(images[2:4])) / 2
    np.testing.assert_allclose(path[:, 2], vae.decode(middle), atol=1e-6)


def test_regularisers_of_own_networks_count(images):
    encoder = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(3))]
    )
    vae = gz.VAE(SHAPE, 2, encoder=encoder)
    vae.compile(keras.optimizers.SGD(0.0))
    total = vae.train_on_batch(images, return_dict=True)
    penalty = 3 * np.square(encoder.get_weights()[0]).sum()
    assert total["loss"] - total["reconstruction"] - total["kl"] == pytest.approx(penalty, rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"likelihood": "poisson"}, "`likelihood` must be one of 'bernoulli'.*got 'poisson'"),
        ({"prior": "flow"}, "`prior` must be one of"),
        ({"latent_dim": 0}, "`latent_dim` must be a positive integer"),
        ({"num_importance_samples": 0}, "`num_importance_samples`"),
        ({"beta": -1}, "`beta`"),
        ({"encoder": linear(SHAPE, 5)}, r"`encoder` must give outputs of shape \(n, 32\).*\(n, 5\)"),
        ({"decoder": linear((16,), 6)}, r"`decoder` must give outputs of shape \(n, 3, 2, 1\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gz.VAE(SHAPE, **arguments)

"""Restricted Boltzmann machines so small that every state can be summed over, in NumPy's float64."""

import itertools

import numpy as np

import keras_genzoo as gz

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

"""Likelihood of a data set under a model with an explicit density."""

import math

import keras
import numpy as np

from keras_genzoo import domains
from keras_genzoo.measurement import Measurement


def log_likelihood(model, dataset, verbose=0, **options):
    """Mean log p(x) over a data set: exact, or the bound that the model's `log_prob` states.

    Args:
        model: a `GenerativeModel` with `log_prob`.
        dataset: `tf.data.Dataset` of batches as `fit` takes them.
        verbose: 1 for a progress bar.
        **options: passed to `log_prob`, such as `num_importance_samples=5000`.

    Returns:
        dict of `log_likelihood` (mean, nats), `standard_error` (of that mean over examples, nats), `bits_per_dim`
        (-mean / (h w c log 2); comparable only where images are discrete) and `num_examples`.
    """
    progress = keras.utils.Progbar(_num_batches(dataset), verbose=verbose, unit_name="batch")
    nats = []
    for data in dataset:
        sample, condition = model.unpack(data)
        nats.append(model.log_prob(sample, *([] if condition is None else [condition]), **options).numpy())
        progress.add(1, [("log_likelihood", nats[-1].mean())])
    if not nats:
        raise ValueError("`dataset` is empty: it has no example to evaluate.")
    nats = np.concatenate(nats).astype("float64")
    return {
        "log_likelihood": nats.mean(),
        "standard_error": nats.std(ddof=1) / math.sqrt(len(nats)) if len(nats) > 1 else math.nan,
        "bits_per_dim": -nats.mean() / (model.sample_domain.num_values * math.log(2)),
        "num_examples": len(nats),
    }


def measurements(model, dataset, num_importance_samples=None):
    """The same as measurements, where the model has it: exact, or a bound from so many draws an example.

    Args:
        model: a `ZooModel`.
        dataset: `tf.data.Dataset` of batches as `fit` takes them.
        num_importance_samples: int, draws of a bound; None leaves a bound out.

    Returns:
        dict, name to `Measurement`.
    """
    if model.log_prob_is_exact is None or (not model.log_prob_is_exact and num_importance_samples is None):
        return {}
    is_density = isinstance(model.sample_domain, domains.Vectors)
    name, method, options = "log_likelihood", "exact, a density of values" if is_density else "exact", {}
    if not model.log_prob_is_exact:
        name, method = "log_likelihood_bound", f"importance-weighted bound, {num_importance_samples} samples"
        options = {"num_importance_samples": num_importance_samples, "seed": 0}
    if model.num_levels:
        method += f", images of {model.num_levels} levels"
    result = log_likelihood(model, dataset, verbose=1, **options)
    n, error = result["num_examples"], result["standard_error"]
    measured = {name: Measurement(name, result["log_likelihood"], "nats", n, method, standard_error=error)}
    if model.num_levels:
        bits = result["bits_per_dim"]
        measured["bits_per_dim"] = Measurement("bits_per_dim", bits, "bits/dim", n, "from the line above")
    return measured


def _num_batches(dataset):
    cardinality = int(dataset.cardinality())
    return cardinality if cardinality >= 0 else None

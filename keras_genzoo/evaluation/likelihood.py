"""Likelihood of a data set under a model with an explicit density."""

import math

import keras
import numpy as np


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
        images, labels = model.unpack(data)
        nats.append(model.log_prob(images, *([] if labels is None else [labels]), **options).numpy())
        progress.add(1, [("log_likelihood", nats[-1].mean())])
    if not nats:
        raise ValueError("`dataset` is empty: it has no example to evaluate.")
    nats = np.concatenate(nats).astype("float64")
    return {
        "log_likelihood": nats.mean(),
        "standard_error": nats.std(ddof=1) / math.sqrt(len(nats)) if len(nats) > 1 else math.nan,
        "bits_per_dim": -nats.mean() / (math.prod(model.image_shape) * math.log(2)),
        "num_examples": len(nats),
    }


def _num_batches(dataset):
    cardinality = int(dataset.cardinality())
    return cardinality if cardinality >= 0 else None

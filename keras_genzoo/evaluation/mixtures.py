"""Mixtures of exact densities, which are exact densities: log (1/K) sum_k p_k(x).

By Jensen's inequality a mixture is at least as likely as its members are on average, mean_k log p_k(x), and it costs at
most log K nats beside the best of them. Members are models, such as checkpoints of one run, or the views of an image.
"""

import math

import tensorflow as tf

from keras_genzoo import checks
from keras_genzoo.data import dihedral_views


def mixture_log_prob(models, images, labels=None):
    """log of the mean of the models' densities, exact.

    Args:
        models: list of models with an exact `log_prob`, of the same images: of one shape, and of as many levels.
        images: as for their `log_prob`, and checked alike.
        labels: ints `(n,)`, or what else those models that are conditional are conditioned on.

    Returns:
        float32 `(n,)`, nats.

    Raises:
        ValueError: for no models, models whose likelihood is a bound, models of different images, and whatever their
            `log_prob` refuses.
    """
    models = list(models)
    if not models:
        raise ValueError("`models` is empty; give at least one.")
    for model in models:
        _check_exact("models", model)
        if model.sample_domain != models[0].sample_domain:
            raise ValueError(
                f"`models` must all be of the same images; got {models[0].sample_domain} and {model.sample_domain}."
            )
    if labels is not None and not any(model.is_conditional for model in models):
        raise ValueError("`labels` given, but none of the `models` is conditional; leave them out.")
    conditions = [[labels] if model.is_conditional else [] for model in models]
    return _log_mean([model.log_prob(images, *of) for model, of in zip(models, conditions, strict=True)])


def dihedral_log_prob(model, images):
    """log of the mean over eight views of p(view of the image | view), exact, of a model trained on `data.dihedral`.

    Args:
        model: of square images, with `num_classes=8` and an exact `log_prob`.
        images: as for its `log_prob`.

    Returns:
        float32 `(n,)`, nats.

    Raises:
        ValueError: for another model, and whatever its `log_prob` refuses.
    """
    _check_exact("model", model)
    if model.num_classes != dihedral_views.NUM_VIEWS:
        raise ValueError(f"`model` must have num_classes=8, a class for each view; got {model.num_classes}.")
    dihedral_views.check_square("model", (None, *model.image_shape))
    images = checks.as_array(images, "images")
    model.sample_domain.check(images)
    labels = [tf.fill([len(images)], view) for view in range(dihedral_views.NUM_VIEWS)]
    return _log_mean([model.log_prob(dihedral_views.dihedral_view(images, view), view) for view in labels])


def _check_exact(name, model):
    if not model.log_prob_is_exact:
        kind = "has none" if model.log_prob_is_exact is None else "is a bound or an estimate"
        raise ValueError(f"`{name}` must have an exact log_prob; that of a {type(model).__name__} {kind}.")


def _log_mean(log_probs):
    return tf.reduce_logsumexp(tf.stack(log_probs), axis=0) - math.log(len(log_probs))

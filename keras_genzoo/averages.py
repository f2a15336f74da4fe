"""Exponential moving averages of a network's weights: Polyak and Juditsky 1992; of generators, Yazici et al. 2019,
https://arxiv.org/abs/1806.04498.

A model may keep those of one network beside it. Those of all weights an optimiser keeps, by `use_ema=True`, and `fit`
ends in them, as Keras has it; on the way, `of_optimizers` shows them.
"""

import contextlib

import keras
import tensorflow as tf


def create(model, network, name):
    """Weights of the model, one for each of a network's, that begin as theirs: a list.

    Args:
        model: `ZooModel`, which they are saved with.
        network: Keras model.
        name: str, before the number of each.
    """
    return [
        model.add_weight(
            name=f"{name}_{i}",
            shape=weight.shape,
            initializer=lambda shape, dtype, weight=weight: keras.ops.copy(weight),
            dtype=weight.dtype,
            autocast=False,
            trainable=False,
            aggregation="only_first_replica",
        )
        for i, weight in enumerate(network.weights)
    ]


def update(averages, network, decay, step):
    """Moves the averages towards the weights of a network, after its update number `step`.

    Args:
        averages: list, of `create`.
        network: the same as there.
        decay: float in (0, 1); less of it at first, so that early weights are soon forgotten.
        step: int tensor.
    """
    step = tf.cast(step, tf.float32)
    decay = tf.minimum(decay, (1 + step) / (10 + step))
    for average, weight in zip(averages, network.weights, strict=True):
        average.assign(decay * average + (1 - decay) * tf.cast(weight, average.dtype))


def reset(averages, network):
    """Lets the averages begin anew at the weights as they are."""
    for average, weight in zip(averages, network.weights, strict=True):
        average.assign(weight)


def scope(averages, network):
    """A context in which the network computes with its averages."""
    pairs = zip(network.weights, averages, strict=True)
    return keras.StatelessScope(state_mapping=[(weight, average.value) for weight, average in pairs])


@contextlib.contextmanager
def of_optimizers(model):
    """A context in which a compiled model has the averages of its optimisers that keep any; then what it had, exactly.

    Keras's `SwapEMAWeights` swaps by sums and differences, whose rounding would disturb the training.
    """
    if model.optimizer is None:
        yield
        return
    trained = [tf.identity(weight) for weight in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for weight, value in zip(model.trainable_variables, trained, strict=True):
            weight.assign(value)

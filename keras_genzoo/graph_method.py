"""Methods of a model that run as graphs."""

import functools

import tensorflow as tf


def graph_method(**options):
    """Decorates a method that runs as a graph, as `tf.function` does, with a function of its own for every model.

    TensorFlow counts the traces of a method that `tf.function` decorates over all objects of the class, and warns of
    retracing when a fifth model is used for the first time. It counts those of a `functools.partial` one by one.

    Args:
        **options: of `tf.function`.
    """

    def decorate(method):
        return functools.cached_property(lambda model: tf.function(functools.partial(method, model), **options))

    return decorate

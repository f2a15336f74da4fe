"""Sums over the batches of an epoch, by which models are fitted that need nothing else of their data."""

import tensorflow as tf


class EpochSums:
    """Float64 sums by name, to which every replica adds its own part.

    They are no parameters, and no file keeps them: Keras, which would, does not see into this class.

    Args:
        shapes: dict, name to shape.
    """

    def __init__(self, shapes):
        self._variables = {
            name: tf.Variable(
                tf.zeros(shape, tf.float64),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
            for name, shape in shapes.items()
        }

    def reset(self):
        for variable in self._variables.values():
            variable.assign(tf.zeros_like(variable))

    def add(self, **parts):
        """Adds the part of a batch to each; runs inside a train step."""
        for name, part in parts.items():
            self._variables[name].assign_add(part)

    def values(self):
        """dict of float64 arrays, the sums of all replicas."""
        return {name: variable.numpy() for name, variable in self._variables.items()}

"""The machinery of a train step: gradients, metrics and random numbers, on one device as on many."""

import math

import tensorflow as tf

from keras_genzoo import checks

# Weights from which XLA compiles an optimiser's update. They and their moments no longer fit in a CPU's cache, so that
# one fused pass instead of Keras's dozen saves 6 to 12% of a step; below, compiling costs more than it ever saves.
_COMPILED_FROM = 2**20


class Steps:
    """What train and test steps are made of; a mixin of `ZooModel`."""

    def minimize(self, loss, tape, optimizer, variables):
        """One update of `variables` along the gradient of the mean loss over the global batch.

        The mean is taken over the examples of all replicas (also where the last batch splits unevenly), the
        loss scaled where the optimiser asks for it (mixed_float16); clipping is the optimiser's own.

        Args:
            loss: tensor `(n,)`, one value an example, recorded on `tape`.
            tape: `tf.GradientTape`.
            optimizer: Keras optimiser, built on `variables`.
            variables: list of variables.
        """
        num_examples = self.sum_over_replicas(tf.cast(tf.shape(loss)[0], loss.dtype))
        weights = optimizer.scale_loss(tf.ones_like(loss) / num_examples)
        gradients = tape.gradient(loss, variables, output_gradients=weights)

        self._update_of(optimizer, variables)(gradients)

    def _update_of(self, optimizer, variables):
        """The function of gradients that updates variables, the same one whenever it is asked for."""
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        num_weights = sum(math.prod(variable.shape) for variable in variables)
        if tf.executing_eagerly() or replicas > 1 or not self.allows_xla or num_weights < _COMPILED_FROM:
            return lambda gradients: optimizer.apply(gradients, variables)
        key = str(id(optimizer))  # of optimisers that live as long as this entry, which holds on to them
        if key not in self._compiled_updates:
            self._compiled_updates[key] = tf.function(
                lambda gradients: optimizer.apply(gradients, variables), jit_compile=True, autograph=False
            )
        return self._compiled_updates[key]

    def sum_over_replicas(self, tensor):
        """The sum of a tensor over all replicas, the same on each of them."""
        replicas = tf.distribute.get_replica_context()
        if replicas.num_replicas_in_sync == 1:
            return tensor
        return replicas.all_reduce(tf.distribute.ReduceOp.SUM, tensor)

    def track(self, **terms):
        """Adds each term, `(n,)` values or a scalar, to its epoch mean; returns the means so far."""
        for name, value in terms.items():
            self._means[name].update_state(value)
        results = {name: mean.result() for name, mean in self._means.items()}
        if isinstance(self.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return {name: result[None] for name, result in results.items()}  # Keras reduces along an axis there
        return results

    def next_seed(self):
        """A fresh stateless seed, int32 `(2,)`; the state moves on and is saved with the model."""
        return tf.cast(self.seed_generator.next(), tf.int32)

    def seed_of(self, seed):
        """The stateless seed of an integer, as verbs take it; a fresh one of None."""
        return self.next_seed() if seed is None else checks.stateless_seed(seed)

    def draw(self, sampler, num_examples):
        """Random rows for the examples of this replica, the same rows that one device would have drawn.

        Args:
            sampler: function `(num_rows, seed) -> (num_rows, ...)`.
            num_examples: int tensor, rows wanted.
        """
        replicas = tf.distribute.get_replica_context()
        rows = sampler(num_examples * replicas.num_replicas_in_sync, self.next_seed())
        if replicas.num_replicas_in_sync == 1:
            return rows
        first = replicas.replica_id_in_sync_group * num_examples
        return rows[first : first + num_examples]

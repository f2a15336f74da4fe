"""What models share that are fitted by sums over an epoch of data, without a gradient."""

import tensorflow as tf

from keras_genzoo.generative_model import GenerativeModel
from keras_genzoo.models.mixtures.epoch_sums import EpochSums
from keras_genzoo.starts_from_data import StartsFromData


class FittedBySums(StartsFromData, GenerativeModel):
    """Base class of the models whose epochs are sums over the data, of which `end_epoch` makes the parameters.

    A subclass names the sums in `epoch_sum_shapes` and adds to `self._sums` in its train step.
    """

    optimizer_names = ()
    objectives = ()  # there is the exact likelihood
    log_prob_is_exact = True

    @property
    def epoch_sum_shapes(self):
        """dict, name of each sum of an epoch to its shape."""
        raise NotImplementedError

    def add_parameter(self, name, shape, initializer, stays_float32=False):
        """A float32 weight that sums set and no gradient moves; in presets, too, float32 if asked for."""
        weight = self.add_float32_weight(name, shape, initializer, trainable=False, aggregation="only_first_replica")
        weight.stays_float32 = stays_float32
        return weight

    def compile(self, **kwargs):
        """Makes ready to train; there is no optimiser to choose.

        Args:
            **kwargs: `run_eagerly` and `steps_per_execution`, as for `keras.Model.compile`.
        """
        super().compile(**kwargs)
        self._sums = EpochSums(self.epoch_sum_shapes)

    def begin_epoch(self):
        self._sums.reset()

    def _flat(self, values):
        """float64 `(n, d)`."""
        return tf.reshape(tf.cast(values, tf.float64), (-1, self.sample_domain.num_values))

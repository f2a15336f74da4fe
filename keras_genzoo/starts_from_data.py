"""What models share that look at the data before their first epoch."""

import keras


class StartsFromData:
    """Whether `initialize` has been called, kept as a weight, so that a copy from a file knows; a mixin of `ZooModel`.

    A subclass calls `add_start` once in its `__init__`, and at the end of `initialize` sets `self.start` to 1.
    """

    def add_start(self):
        self.start = self.add_counter("start")

    def add_counter(self, name):
        """An int32 weight that begins at 0, the same on every replica."""
        parameter = {"trainable": False, "aggregation": "only_first_replica"}
        return self.add_weight(name=name, shape=(), initializer="zeros", dtype="int32", **parameter)

    @property
    def is_initialized(self):
        return bool(keras.ops.convert_to_numpy(self.start))

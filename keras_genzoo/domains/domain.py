"""What every domain is: one kind of value, checked, converted and shown alike wherever it turns up."""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from keras_genzoo import checks


@dataclasses.dataclass(frozen=True)
class Domain:
    """One kind of value: what may enter a model, what leaves it, and what a person sees of it.

    A subclass gives `check_spec`, `check_values` and `examples`, and where they differ `convert` and `picture`. Domains
    hold sizes alone, so that they can be compared, pickled and sent to the workers of a data set.

    Attributes:
        shape: tuple, of one value; None where any size goes.
        name: str, of the argument, of the served input, and (in the singular) of the key of a batch given as a dict.
    """

    shape: tuple
    name: str

    dtype = "float32"  # of values once they are converted, and as they are served
    noun = "row"  # what one value is called in messages

    @property
    def spec(self):
        """`tf.TensorSpec` of converted values, `(n, *shape)`."""
        return tf.TensorSpec((None, *self.shape), self.dtype, self.name)

    @property
    def keys(self):
        """tuple of str: under which of them a batch given as a dict may hold such values."""
        return self.name.removesuffix("s"), self.name

    @property
    def parts(self):
        """dict, name of a part to its domain, of a value that has parts; see `Parts`."""
        return {}

    @property
    def num_values(self):
        """int: numbers in one value, by which nats become bits per dimension."""
        return math.prod(self.shape)

    def check(self, values, name=None, check_values=None):
        """Values as they were, an array or a tensor, known to lie in the domain.

        Args:
            values: array or tensor `(n, *shape)`.
            name: str, the argument's name for messages; by default the domain's.
            check_values: bool, whether to look at the values, which inside a graph costs an assertion; by default
                outside a graph only.

        Raises:
            ValueError: for a wrong shape or dtype, and for wrong values where those are looked at. Inside a graph the
                assertion fails when it runs.
        """
        name = name or self.name
        values = checks.as_array(values, name)
        self.check_spec(tf.TensorShape(values.shape), tf.as_dtype(values.dtype), name)
        if not isinstance(values, np.ndarray):
            values = self.with_shape(values)
        if tf.executing_eagerly() if check_values is None else check_values:
            with checks.clear_errors():
                values = self.check_values(values, name)
        return values

    def __call__(self, values, name=None):
        """The values as a tensor of `dtype`, checked: by shape and dtype everywhere, by value outside a graph.

        Args:
            values: array or tensor `(n, *shape)`.
            name: str, the argument's name for messages; by default the domain's.
        """
        return self.convert(self.check(values, name))

    def with_shape(self, values):
        return tf.ensure_shape(values, (None, *self.shape))

    def convert(self, values):
        """Checked values as a tensor of `dtype`."""
        return tf.cast(values, self.dtype)

    def clip(self, values):
        """What a network gives, brought into the range of the domain."""
        return values

    def check_spec(self, shape, dtype, name):
        """ValueError unless a `tf.TensorShape` and a `tf.DType` are those of values of this domain."""
        raise NotImplementedError

    def check_values(self, values, name):
        """Returns values of the right shape and dtype behind `checks.require`."""
        raise NotImplementedError

    def examples(self, n, seed=0):
        """`n` legal values, converted, as an array: for warm-up requests and tests."""
        raise NotImplementedError

    def picture(self, values):
        """What a person sees of values `(n, *shape)`: images `(n, h, w, c)` in [0, 1], c 1 or 3; None for nothing."""
        return None

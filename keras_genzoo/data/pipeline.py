"""What the pipelines of this package share: orders and numbers that repeat with a seed, in constant memory."""

import numpy as np
import tensorflow as tf

_SHUFFLE_BYTES = 2**28  # of decoded images held to shuffle from: a set of any size trains in constant memory


def check_batch_size(batch_size):
    if not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"`batch_size` must be a positive integer; got {batch_size!r}.")


def shuffle_buffer(dataset, spec, batch_size):
    """How many examples to shuffle from, where one is as large as `spec` says."""
    buffer = max(batch_size, _SHUFFLE_BYTES // ((spec.shape.num_elements() or 1) * spec.dtype.size))
    return min(buffer, int(dataset.cardinality())) if dataset.cardinality() > 0 else buffer


def random_numbers(seed):
    """An endless set of int64 numbers that change with each pass over it, and with a `seed` are those of every run."""
    seed = int(np.random.randint(2**31)) if seed is None else seed
    return tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True)

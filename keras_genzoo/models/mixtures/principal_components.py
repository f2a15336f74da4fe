"""Principal components of data that come in batches, in one pass."""

import numpy as np


def principal_components(batches, num_components):
    """The axes along which values vary most, and the variance that is left beside them.

    Args:
        batches: iterable of float64 arrays `(n, d)`. Sums are taken about the first value, so that large means cost no
            digits, in memory for d x d numbers.
        num_components: int q, less than d.

    Returns:
        the mean `(d,)`, orthonormal axes `(d, q)` by falling variance, and the mean variance along the d - q others.
    """
    n, first, second, origin = 0, 0.0, 0.0, None
    for x in batches:
        origin = x[0] if origin is None else origin
        x = x - origin
        n, first, second = n + len(x), first + x.sum(axis=0), second + x.T @ x
    mean = first / n
    variances, axes = np.linalg.eigh(second / n - np.outer(mean, mean))  # in ascending order
    return origin + mean, axes[:, : -num_components - 1 : -1], max(variances[:-num_components].mean(), 0.0)

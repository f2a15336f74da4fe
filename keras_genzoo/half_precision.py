"""Weights files in half precision: half the bytes, where that is harmless.

Keras reads such a file like any other, and makes each array what its variable is, float32 unless the policy says else.
"""

import h5py
import numpy as np

# Of an array, as a share of its norm. Rounding to float16 stays below 2^-11 of each value; only where that many values
# are so small that float16 has fewer digits for them, or none, is it more.
_LARGEST_ERROR = 2**-10


def copy(path, to, kept=()):
    """Copies a weights file, its arrays of floats in float16 but for those that this would spoil.

    A copy of what was loaded from a copy is the same again.

    Args:
        path: of an HDF5 file that Keras has written.
        to: path of the copy.
        kept: names of arrays in the file that stay as they are.
    """
    with h5py.File(path, "r") as full, h5py.File(to, "w") as half:

        def copy_one(name, thing):
            if isinstance(thing, h5py.Group):
                place = half.create_group(name)
            else:
                values = thing[()]
                place = half.create_dataset(name, data=values if name in kept else _rounded(values))
            place.attrs.update(thing.attrs)

        full.visititems(copy_one)


def _rounded(values):
    """An array in float16, or as it is: one of no floats, or which float16 would spoil."""
    if values.dtype.kind != "f":  # integers, and the bytes that are HDF5's bfloat16
        return values
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float16)
    exact = values.astype(np.float64)
    is_harmless = np.isfinite(rounded).all() and (
        np.linalg.norm(rounded - exact) <= _LARGEST_ERROR * np.linalg.norm(exact)
    )
    return rounded if is_harmless else values

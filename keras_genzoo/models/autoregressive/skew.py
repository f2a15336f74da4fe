"""The skewed map of a Diagonal BiLSTM: its columns are diagonals of an image, whose pixels can be computed at once.

Row r is moved right by r, so that the pixel to the left and the pixel above both stand in the column before. A second
direction does the same on the image mirrored. A skewed square is half padding, so a few images are put side by side, in
a chain, before they are skewed.
"""

import numpy as np
import tensorflow as tf


class Skew:
    """Where the pixels of maps `(2, n, h, w, f)`, two directions of n images, stand once skewed, `(t, 2, h, m, f)`.

    There are t = chain * w + h - 1 columns and m = n / chain chains, rounded up.

    Args:
        height: int.
        width: int.
        chain: int, images side by side.

    Attributes:
        resets: float32 `(t, h)`, 0 where an image begins: to the left of it there is nothing, or another image.
    """

    def __init__(self, height, width, chain):
        self.height, self.width, self.chain = height, width, chain
        along = _along(chain * width + height - 1, 1) - _along(height, 0)  # (t, h), the place in the chain
        self.image, self.column = along // width, along % width
        self.is_pixel = (along >= 0) & (along < chain * width)
        self.resets = (self.column > 0).astype("float32")

    def skew(self, x):
        """`(2, n, h, w, f)` to `(t, 2, h, m, f)`, zeros where there is no pixel."""
        n = tf.shape(x)[1]
        skew = _permutation(self._pixels(n), self._places(n))
        return tf.ensure_shape(skew(x), (len(self.resets), 2, self.height, None, x.shape[-1]))

    def unskew(self, y, n):
        """`(t, 2, h, m, f)` to `(2, n, h, w, f)`."""
        unskew = _permutation(self._places(n), self._pixels(n))
        return tf.ensure_shape(unskew(y), (2, None, self.height, self.width, y.shape[-1]))

    def _pixels(self, n):
        """The pixel of each place in the skewed maps, an index into `(2, n, h, w)`; -1 for none: `(t, 2, h, m)`."""
        num_chains = -(-n // self.chain)
        image = self.image[:, None, :, None] * num_chains + tf.range(num_chains)  # (t, 1, h, m)
        column = np.stack([self.column, self.width - 1 - self.column], axis=1)[..., None]  # (t, 2, h, 1)
        row, direction = _along(self.height, 1), _along(2, 2)
        pixel = ((direction * n + image) * self.height + row) * self.width + column
        return tf.where(self.is_pixel[:, None, :, None] & (image < n), pixel, -1)

    def _places(self, n):
        """The place in the skewed maps of each pixel, an index into `(t, 2, h, m)`: `(2, n, h, w)`."""
        num_chains = -(-n // self.chain)
        image = tf.range(n)[:, None, None]
        row, column, direction = _along(self.height, 1), _along(self.width, 0), _along(2, 3)
        column = np.stack([column, column[::-1]])[:, None, None]  # (2, 1, 1, w)
        t = image // num_chains * self.width + column + row  # (2, n, h, w)
        return ((t * 2 + direction) * self.height + row) * num_chains + image % num_chains


def _along(size, num_axes_after):
    return np.arange(size, dtype="int32").reshape(-1, *[1] * num_axes_after)


def _permutation(index, inverse):
    """The function that takes features from where an index says, whose gradient is that of the inverse index."""

    def take(x, index):
        flat = tf.reshape(x, (-1, x.shape[-1]))
        return tf.gather(tf.pad(flat, [(0, 1), (0, 0)]), tf.where(index < 0, tf.shape(flat)[0], index))

    @tf.custom_gradient
    def permutation(x):
        return take(x, index), lambda dy: take(dy, inverse)

    return permutation

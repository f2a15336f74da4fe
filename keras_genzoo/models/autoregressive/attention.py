"""Attention to all earlier pixels: PixelSNAIL, Chen et al. 2018, https://arxiv.org/abs/1712.09763, section 3.

Convolutions see far only through many layers. Here each pixel asks all earlier ones at once, by a query that it makes
of its features, and takes the mean of their values, weighted by how well their keys fit:

    y_i = sum_{j < i} softmax_j(q_i . k_j / sqrt(d)) v_j

Keys and values of a pixel are made of its features and of the pixel itself, which later ones may see. The first pixel
has nobody to ask, and gets 0. Where a pixel lies, the paper tells keys and queries by coordinates; here each place has
a vector of its own, which is learned.
"""

import math

import tensorflow as tf
from keras import layers

from keras_genzoo.models.autoregressive.channel_order import PixelDense

_KEY_DIM = 16
_BLOCKS = 4  # rows are asked for in so many blocks: the first ones need no key of the rows below


class CausalAttention(layers.Layer):
    """x `(n, h, w, f)` and images `(n, h, w, c)` to what each pixel learns of all earlier ones, `(n, h, w, f)`.

    Args:
        groups: `(f,)` ints, the channel of each feature; see `channel_groups`.
    """

    keeps_known_pixels = True  # of which keys and values are made

    def __init__(self, groups, **kwargs):
        super().__init__(**kwargs)
        options = {"dtype": self.dtype_policy}
        # A query that saw channels of its own pixel would tell the first channel of the others.
        self.num_asking = int((groups == 0).sum())
        self.query, self.key = PixelDense(_KEY_DIM, **options), PixelDense(_KEY_DIM, **options)
        self.value, self.out = PixelDense(len(groups), **options), PixelDense(len(groups), **options)

    def build(self, x_shape, images_shape):
        _, self.height, self.width, f = x_shape
        self.query.build((*x_shape[:-1], self.num_asking))
        for layer in (self.key, self.value):
            layer.build((*x_shape[:-1], f + images_shape[-1]))
        self.out.build((*x_shape[:-1], self.value.units))
        shape = (self.height * self.width, _KEY_DIM)
        self.query_places = self.add_weight(name="query_places", shape=shape, initializer="normal")
        self.key_places = self.add_weight(name="key_places", shape=shape, initializer="normal")

    def call(self, x, images=None, cursor=None):
        """With a cursor, the next pixel's features `(n, f)` to `(n, f)`; see `keep`."""
        if cursor is not None:
            return self._ask_kept(x, cursor)
        num_pixels = self.height * self.width
        q = self._flat(self.query(x[..., : self.num_asking])) + self.query_places  # (n, h w, d)
        k, v = self._keys_and_values(self._flat(x), self._flat(images), self.key_places)
        blocks, size = [], -(-self.height // _BLOCKS) * self.width
        for first in range(0, num_pixels, size):
            last = min(first + size, num_pixels)
            is_earlier = tf.range(last) < tf.range(first, last)[:, None]
            blocks.append(_attend(q[:, first:last], k[:, :last], v[:, :last], is_earlier))
        return self.out(tf.reshape(tf.concat(blocks, axis=1), tf.shape(x)))

    def _flat(self, x):
        return tf.reshape(x, (-1, self.height * self.width, x.shape[-1]))

    def _keys_and_values(self, x, images, places):
        seen = tf.concat([x, tf.cast(images, x.dtype)], axis=-1)
        return self.key(seen) + places, self.value(seen)

    # ---- sampling: the keys and values of earlier pixels are kept ----

    def rows_above(self, n, width):
        """What is kept from row to row: the number of rows so far, and the keys and values of the last h, of which
        earlier ones are none of the image."""
        keys, values = (
            tf.zeros((n, self.height * width, units), self.compute_dtype) for units in (_KEY_DIM, self.value.units)
        )
        return {"num_rows": 0, "keys": keys, "values": values}

    def begin_row(self, above):
        """What is kept along a row: features of the last pixel, keys and values of the row's, and where it lies."""
        n, rows = tf.shape(above["keys"])[0], {}
        for name, units in (("row_keys", _KEY_DIM), ("row_values", self.value.units)):
            empty = tf.zeros((self.width, n, units), self.compute_dtype)
            shape = (above["keys"].shape[0], units)
            rows[name] = tf.TensorArray(empty.dtype, self.width, element_shape=shape).unstack(empty)
        return {**above, **rows, "features": tf.zeros((n, self.out.units), self.compute_dtype)}

    def _ask_kept(self, x, cursor):
        kept = cursor.kept[self.name]
        place = kept["num_rows"] * self.width + cursor.column
        q = self.query(x[:, : self.num_asking]) + self._place(self.query_places, place)
        k, v = (
            tf.concat([kept[above], tf.transpose(kept[row].stack(), (1, 0, 2))], axis=1)
            for above, row in (("keys", "row_keys"), ("values", "row_values"))
        )  # (n, (h + 1) w, d)
        is_above = tf.range(self.height * self.width) >= (self.height - kept["num_rows"]) * self.width
        is_earlier = tf.concat([is_above, tf.range(self.width) < cursor.column], axis=0)
        cursor.kept[self.name] = {**kept, "features": x}
        return self.out(_attend(q[:, None], k, v, is_earlier[None])[:, 0])

    def _place(self, places, i):
        return tf.cast(tf.gather(tf.convert_to_tensor(places), i), self.compute_dtype)

    def keep(self, pixel, cursor):
        """Keeps the key and the value of a pixel `(n, c)`, now that it is known, for those that come after."""
        kept = cursor.kept[self.name]
        place = self._place(self.key_places, kept["num_rows"] * self.width + cursor.column)
        k, v = self._keys_and_values(kept["features"], pixel, place)
        rows = {"row_keys": kept["row_keys"].write(cursor.column, k)}
        cursor.kept[self.name] = {**kept, **rows, "row_values": kept["row_values"].write(cursor.column, v)}

    def end_row(self, above, kept):
        """What is kept from row to row, after a row."""
        ended = {"num_rows": above["num_rows"] + 1}
        for name in ("keys", "values"):
            row = tf.transpose(kept[f"row_{name}"].stack(), (1, 0, 2))
            ended[name] = tf.concat([above[name][:, self.width :], row], axis=1)
        return ended


def _attend(q, k, v, is_earlier):
    """The mean `(n, a, f)` of values `(n, b, f)`, weighted for each of the queries `(n, a, d)`.

    Args:
        k: `(n, b, d)`.
        is_earlier: bool `(a, b)`, whom each asks; one that asks nobody gets 0.
    """
    logits = tf.matmul(q, k, transpose_b=True) / math.sqrt(_KEY_DIM)  # (n, a, b)
    weights = tf.nn.softmax(tf.where(is_earlier, logits, logits.dtype.min))
    return tf.matmul(weights, v) * tf.cast(tf.reduce_any(is_earlier, axis=-1), v.dtype)[:, None]

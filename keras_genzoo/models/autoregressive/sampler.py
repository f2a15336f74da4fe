"""Sampling pixel by pixel, at the cost of a few forward passes.

The plain way to draw from a PixelCNN runs the whole network on the whole image once for each pixel, and uses one
pixel of what comes out. Here every layer keeps what later pixels need of it (see `causal`), so that a pixel costs its
own column of the network, and the loops over rows and pixels are one program, which XLA may compile:

    for each row:
        what the rows above say of all its pixels, at once
        for each pixel, for each channel:
            the network's output at this pixel, from what its layers kept
            the level whose share of [0, 1] a uniform random number falls into

All randomness comes in as `noise`: the same noise gives the same pixels as the plain way would.
"""

import math

import tensorflow as tf

from keras_genzoo.models.autoregressive.causal import Cursor


def fill_rows(network, draw_level, images, noise, condition, above, first, last, pixels_a_turn=1):
    """Draws the rows `first` to `last - 1` of images whose earlier rows are drawn; runs inside a graph.

    Args:
        network: `CausalNetwork`.
        draw_level: function of parameters `(n, p)` of a pixel, its channels drawn so far, `(n, c)`, which of them is
            next, an int, and uniform noise `(n,)` to the values `(n,)` of that one.
        images: float32 `(h, w, n, c)`, the values drawn so far or known; negative where one is to be drawn.
        noise: float32 `(h, w, n, c)` in [0, 1).
        condition: `(n, d)` or None.
        above: what the network keeps from row to row.
        first: int tensor.
        last: int tensor.
        pixels_a_turn: int, pixels that one turn of the loop draws, or a part of them that divides the width. It changes
            no pixel: without XLA a turn costs as much as many operations, and with it more would only compile longer.

    Returns:
        images and above, with these rows drawn.
    """
    height, width, _, channels = images.shape
    rows = tf.TensorArray(tf.float32, height, element_shape=images.shape[1:]).unstack(images)
    given = tf.transpose(tf.stack([images, noise]), (1, 2, 4, 0, 3))  # (h, w, c, 2, n)

    def draw_row(i, above, rows):
        above, kept = network.begin_row(above, condition)
        given_row, row = given[i], tf.TensorArray(tf.float32, width, element_shape=images.shape[2:])

        def draw_pixel(j, kept, row):
            pixel = []  # the channels drawn so far, each (n,)
            for channel, given_channel in enumerate(tf.unstack(tf.gather(given_row, j))):
                image, uniform = tf.unstack(given_channel)
                so_far = tf.stack(pixel + [tf.zeros_like(image)] * (channels - channel), axis=-1)
                if channel == 0 or network.sees_own_channels:
                    cursor = Cursor(kept, j)
                    parameters = network(so_far, condition=condition, cursor=cursor)
                level = draw_level(parameters, so_far, channel, uniform)
                pixel.append(tf.where(image < 0, level, image))
            pixel = tf.stack(pixel, axis=-1)  # (n, c)
            network.end_pixel(pixel, cursor)
            return j + 1, cursor.kept, row.write(j, pixel)

        def draw_pixels(*state):
            for _ in range(math.gcd(width, pixels_a_turn)):
                state = draw_pixel(*state)
            return state

        _, kept, row = tf.while_loop(lambda j, *_: j < width, draw_pixels, (0, kept, row))
        row = row.stack()  # (w, n, c)
        above = network.end_row(above, kept, tf.transpose(row, (1, 0, 2)))
        return i + 1, above, rows.write(i, row)

    _, above, rows = tf.while_loop(lambda i, *_: i < last, draw_row, (first, above, rows))
    return rows.stack(), above


def draw_level(logits, noise):
    """The level that a uniform random number selects, by the inverse of the cumulative distribution.

    Args:
        logits: float32 `(n, k)`.
        noise: float32 `(n,)` in [0, 1).

    Returns:
        int32 `(n,)` in 0..k-1.
    """
    cumulative = tf.cumsum(tf.nn.softmax(logits), axis=-1)
    # The last sum is 1 but for rounding, which must not select a level that does not exist.
    return tf.reduce_sum(tf.cast(cumulative[:, :-1] <= noise[:, None], tf.int32), axis=-1)

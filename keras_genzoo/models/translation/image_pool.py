"""A pool of past images: Shrivastava et al. 2017, https://arxiv.org/abs/1612.07828, as CycleGAN keeps it.

A discriminator that sees the latest fakes alone forgets what the generator did before, to which that may then return.
"""

import tensorflow as tf


def exchange(pool, num_kept, images, draws):
    """Past images in place of some of a batch, image by image in its order.

    Until the pool is full, each image is kept and given back. From then on each is given back with probability 1/2,
    and otherwise takes the place of a kept one, which is given instead: that may be an earlier one of its own batch.

    Args:
        pool: `(size, ...)`, images of which the first `num_kept` are there.
        num_kept: int32 scalar.
        images: `(n, ...)`.
        draws: float32 `(n, 2)` in [0, 1): whether each goes into a full pool, and in whose place.

    Returns:
        images `(n, ...)`, the pool and `num_kept` as they are afterwards.
    """
    size, n = pool.shape[0], tf.shape(images)[0]
    places = tf.minimum(tf.cast(draws[:, 1] * size, tf.int32), size - 1)  # of 1 - 2^-24, float32 might make `size`
    stays_out = draws[:, 0] < 0.5

    # Only numbers are moved one by one: i below `size` is the pool's image i, `size` + i image i of the batch.
    def put(i, kept, held, given):
        is_full = kept == size
        place = tf.where(is_full, places[i], kept)
        given_number = tf.where(is_full & ~stays_out[i], held[place], size + i)
        held_number = tf.where(is_full & stays_out[i], held[place], size + i)
        held = tf.tensor_scatter_nd_update(held, [[place]], [held_number])
        given = tf.tensor_scatter_nd_update(given, [[i]], [given_number])
        return i + 1, tf.where(is_full, kept, kept + 1), held, given

    start = tf.constant(0), num_kept, tf.range(size), tf.zeros((n,), tf.int32)
    _, num_kept, held, given = tf.while_loop(lambda i, *_: i < n, put, start)
    both = tf.concat([pool, images], axis=0)
    return tf.gather(both, given), tf.gather(both, held), num_kept

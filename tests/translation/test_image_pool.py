"""The pool of past images, against the paper's code written out with lists, and by its statistics."""

import numpy as np
import tensorflow as tf

from keras_genzoo.models.translation import image_pool

SIZE = 4


def pool_of_lists(size, batches, draws):
    """What the authors' `ImagePool.query` gives, batch by batch, by the same draws."""
    held, answers = [], []
    for images, numbers in zip(batches, draws, strict=True):
        given = []
        for image, (whether, where) in zip(images, numbers, strict=True):
            if len(held) < size:
                held.append(image)
                given.append(image)
            elif whether >= 0.5:
                place = int(where * size)
                given.append(held[place])
                held[place] = image
            else:
                given.append(image)
        answers.append(given)
    return answers, held


def run(batches, draws, size=SIZE):
    pool, num_kept = tf.fill((size, 1), -1.0), tf.constant(0)
    answers, exchange = [], tf.function(image_pool.exchange)
    for images, numbers in zip(batches, draws, strict=True):
        given, pool, num_kept = exchange(pool, num_kept, tf.constant(images), tf.constant(numbers))
        answers.append(given.numpy())
    return answers, pool.numpy(), int(num_kept)


def test_it_is_that_of_the_papers_code():
    """Also where a batch fills the pool on its way, and where an image comes back within its own batch."""
    rng = np.random.default_rng(0)
    lengths = (3, 3, 1, 7, 16)  # the second one fills it
    images = np.split(np.arange(sum(lengths), dtype="float32")[:, None], np.cumsum(lengths)[:-1])
    draws = [rng.random((n, 2)).astype("float32") for n in lengths]
    answers, pool, num_kept = run(images, draws)
    wanted, held = pool_of_lists(SIZE, images, draws)
    assert num_kept == SIZE
    for answer, given in zip(answers, wanted, strict=True):
        np.testing.assert_array_equal(answer, given)
    np.testing.assert_array_equal(pool, held)
    last = answers[-1][:, 0]
    assert ((last >= sum(lengths[:-1])) & (last != images[-1][:, 0])).any()  # an earlier one of its own batch


def test_half_come_from_the_past_once_it_is_full():
    """And each stays as long as chance has it: an image leaves with probability 1 / (2 size) at each that comes."""
    size, n = 10, 5000
    rng = np.random.default_rng(1)
    images = np.arange(n, dtype="float32")[:, None]
    ((given,), _, _) = run([images], [rng.random((n, 2)).astype("float32")], size)
    ages = (images - given)[size:, 0]
    is_past = ages > 0
    assert (images[:size] == given[:size]).all()
    assert abs(is_past.mean() - 0.5) < 4 * 0.5 / np.sqrt(n)
    assert abs(ages[is_past].mean() / (2 * size) - 1) < 0.08  # a geometric law, whose mean is 2 size
    assert len(np.unique(given[is_past.nonzero()[0] + size])) == is_past.sum()  # what was given is gone


def test_the_largest_draw_has_a_place():
    largest = np.nextafter(np.float32(1), np.float32(0))
    pool = tf.range(50.0)[:, None]
    given, _, _ = image_pool.exchange(pool, tf.constant(50), tf.constant([[99.0]]), tf.constant([[largest, largest]]))
    assert float(given[0, 0]) == 49

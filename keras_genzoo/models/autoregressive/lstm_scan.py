"""The recurrence of the PixelRNNs: a convolutional LSTM that goes step by step along one axis, and its gradient.

At each step the states of many places, all of whose predecessors are known, are computed at once:

    [o, f, i, g] = K [x, h at each tap of the step before] + b          logistic for o, f, i and tanh for g
    c = f * c of the step before + i * g,    h = o * tanh(c)

The gradient is written out: it goes back over the same steps, and a step costs three multiplications of matrices in
all, where automatic differentiation of the loop would take several times as long. In training XLA compiles both
directions, which fuses all that is not a multiplication.
"""

import functools

import tensorflow as tf


def lstm_scan(x, kernel, bias, taps, resets=None, compiled=False):
    """The hidden states of all steps.

    Args:
        x: `(t, d, p, n, f)`: t steps of d directions, each with weights of its own, over p places of n images.
        kernel: `(d, f + taps * h, 4 h)`.
        bias: `(d, 4 h)`.
        taps: tuple of ints; a tap of j looks at place p - j in the step before, and sees zeros beyond the ends.
        resets: `(t, p)` or None; where 0, a place forgets what it was itself at the step before: both its c and
            its tap of 0. Elsewhere 1.
        compiled: bool, by XLA.

    Returns:
        `(t, d, p, n, h)`, of the dtype of x.
    """
    shape = (*x.shape[:3], None, x.shape[4])
    forward, backward = _functions(tuple(taps), compiled, shape, kernel.shape[-1], x.dtype)
    resets = tf.ones((x.shape[0], x.shape[2]), x.dtype) if resets is None else tf.constant(resets, x.dtype)

    @tf.custom_gradient
    def scan(x, kernel, bias):
        # Nothing inside is to be recorded for a gradient of its own.
        states, gates = forward(*map(tf.stop_gradient, (x, kernel, bias)), resets)

        def gradient(of_hidden):
            return backward(of_hidden, x, kernel, states, gates, resets)

        return states[..., : kernel.shape[-1] // 4], gradient

    return scan(x, kernel, bias)


@functools.cache
def _functions(taps, compiled, shape, num_gates, dtype):
    """The recurrence and its gradient as graphs for any number of images; layers of one shape share them."""
    num_steps, num_directions, num_places, _, num_features = shape
    num_seen, size = num_features + len(taps) * num_gates // 4, num_gates // 4
    spec = lambda *shape: tf.TensorSpec(shape, dtype)  # noqa: E731
    of_all = lambda width: spec(num_steps, num_directions, num_places, None, width)  # noqa: E731
    kernel, bias = spec(num_directions, num_seen, num_gates), spec(num_directions, num_gates)
    x, resets = of_all(num_features), spec(num_steps, num_places)
    # None and not False, which exported graphs would hold as an attribute that speaks of XLA.
    options = {"jit_compile": True if compiled else None, "autograph": False}
    return (
        tf.function(functools.partial(_forward, taps), [x, kernel, bias, resets], **options),
        tf.function(
            functools.partial(_backward, taps),
            [of_all(size), x, kernel, of_all(2 * size), of_all(num_gates), resets],
            **options,
        ),
    )


def _forward(taps, x, kernel, bias, resets):
    """States [h, c] `(t, d, p, n, 2 h)` and gates `(t, d, p, n, 4 h)` of all steps."""
    num_steps, num_directions, num_places, _, _ = x.shape
    n, size = tf.shape(x)[3], kernel.shape[-1] // 4
    # All four gates by one tanh, since the logistic function of a is (1 + tanh(a / 2)) / 2.
    is_tanh = tf.repeat(tf.constant([0.0, 0.0, 0.0, 1.0], x.dtype), size)
    scale = (1 + is_tanh) / 2

    def step(t, state, states, gates):
        reset = resets[t][:, None, None]
        seen = _seen(taps, x[t], state[..., :size], reset)
        gate = scale * tf.tanh(scale * _multiply(seen, kernel, bias)) + 1 - scale
        o, f, i, g = tf.split(gate, 4, axis=-1)
        c = f * reset * state[..., size:] + i * g
        state = tf.concat([o * tf.tanh(c), c], axis=-1)
        return t + 1, state, states.write(t, state), gates.write(t, gate)

    def written(width):
        shape = (num_directions, num_places, x.shape[3], width)
        return tf.TensorArray(x.dtype, num_steps, element_shape=shape)

    start = tf.zeros((num_directions, num_places, n, 2 * size), x.dtype)
    loop = (0, start, written(2 * size), written(4 * size))
    *_, states, gates = tf.while_loop(lambda t, *_: t < num_steps, step, loop, maximum_iterations=num_steps)
    return states.stack(), gates.stack()


def _backward(taps, of_hidden, x, kernel, states, gates, resets):
    """The gradients by x, kernel and bias, given that by the hidden states."""
    num_steps, num_directions, num_places, _, num_features = x.shape
    n, size = tf.shape(x)[3], kernel.shape[-1] // 4
    transposed = tf.transpose(kernel, (0, 2, 1))

    def step(t, of_h, of_c, of_kernel, of_bias, of_x):
        reset = resets[t][:, None, None]
        o, f, i, g = tf.split(gates[t], 4, axis=-1)
        before = tf.cast(t > 0, x.dtype) * states[tf.maximum(t - 1, 0)]
        tanh_c = tf.tanh(states[t][..., size:])
        of_h += of_hidden[t]
        of_c += of_h * o * (1 - tanh_c * tanh_c)
        of_o, of_f = of_h * tanh_c * o * (1 - o), of_c * reset * before[..., size:] * f * (1 - f)
        of_i, of_g = of_c * g * i * (1 - i), of_c * i * (1 - g * g)
        of_gates = _side_by_side(of_o, of_f, of_i, of_g)

        seen = _seen(taps, x[t], before[..., :size], reset)
        rows = [tf.reshape(y, (num_directions, -1, y.shape[-1])) for y in (seen, of_gates)]
        of_kernel += tf.matmul(*rows, transpose_a=True)
        of_bias += tf.reduce_sum(rows[1], axis=1)

        of_seen = _multiply(of_gates, transposed)
        of_taps = tf.split(of_seen[..., num_features:], len(taps), axis=-1)
        of_h = sum(_shift(y * reset if tap == 0 else y, -tap) for y, tap in zip(of_taps, taps, strict=True))
        return t - 1, of_h, of_c * f * reset, of_kernel, of_bias, of_x.write(t, of_seen[..., :num_features])

    state = tf.zeros((num_directions, num_places, n, size), x.dtype)
    of_x = tf.TensorArray(x.dtype, num_steps, element_shape=x.shape[1:])
    loop = (
        num_steps - 1,
        state,
        state,
        tf.zeros_like(kernel),
        tf.zeros((num_directions, kernel.shape[-1]), x.dtype),
        of_x,
    )
    results = tf.while_loop(lambda t, *_: t >= 0, step, loop, maximum_iterations=num_steps)
    *_, of_kernel, of_bias, of_x = results
    return of_x.stack(), of_kernel, of_bias


def _seen(taps, x, h, reset):
    """What a step multiplies by its kernel: `(d, p, n, f + taps * h)`."""
    return tf.concat([x, *(h * reset if tap == 0 else _shift(h, tap) for tap in taps)], axis=-1)


def _side_by_side(*parts):
    """Equally many features, concatenated; so XLA goes through each part in turn and not from one to the next."""
    num_features = len(parts) * parts[0].shape[-1]
    return tf.reshape(tf.stack(parts, axis=-2), (*parts[0].shape[:2], -1, num_features))


def _shift(y, by):
    """y `(d, p, n, f)` moved on by so many places, zeros coming in."""
    if by == 0:
        return y
    moved = y[:, :-by] if by > 0 else y[:, -by:]
    return tf.pad(moved, [(0, 0), (max(by, 0), max(-by, 0)), (0, 0), (0, 0)])


def _multiply(y, kernel, bias=None):
    """y `(d, p, n, f)` times a kernel `(d, f, g)`, a product of matrices for each direction: `(d, p, n, g)`."""
    num_directions, num_places, _, num_features = y.shape
    product = tf.matmul(tf.reshape(y, (num_directions, -1, num_features)), kernel)
    if bias is not None:
        product += bias[:, None]
    return tf.reshape(product, (num_directions, num_places, -1, kernel.shape[-1]))

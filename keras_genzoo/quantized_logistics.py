"""Logistic distributions rounded to levels, and their mixtures: likelihoods that know that near levels are alike."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


class QuantizedLogistic(tfd.Distribution):
    """A logistic distribution rounded to the levels 0, 1/(k-1), ..., 1, the outer levels taking the tails.

    The probability of level x is sigmoid(b) - sigmoid(a), with a and b the standardised edges of its bin. It is
    computed as log sigmoid(b) + log sigmoid(-a) + log(1 - exp(a - b)), which neither overflows nor cancels.
    Kingma et al. 2016, https://arxiv.org/abs/1606.04934, eq. 26.

    Args:
        loc: float tensor, the centre in the units of the levels (0..1 covers them).
        scale: float tensor, positive.
        num_levels: int, k.
    """

    def __init__(self, loc, scale, num_levels=256, validate_args=False, allow_nan_stats=True, name="QuantizedLogistic"):
        parameters = dict(locals())
        self._loc, self._scale, self._num_levels = (
            tf.convert_to_tensor(loc),
            tf.convert_to_tensor(scale),
            num_levels,
        )
        super().__init__(
            dtype=self._loc.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"loc": tfp.util.ParameterProperties(), "scale": tfp.util.ParameterProperties()}

    def _event_shape(self):
        return tf.TensorShape([])

    def _event_shape_tensor(self):
        return tf.constant([], tf.int32)

    def _log_prob(self, x):
        step = 1 / (self._num_levels - 1)
        lower, upper = (x - self._loc - step / 2) / self._scale, (x - self._loc + step / 2) / self._scale
        width = step / self._scale
        below_upper, above_lower = -tf.nn.softplus(-upper), -tf.nn.softplus(lower)
        # TFP's log1mexp has no gradient at widths so small that exp(-width) is 1.
        inside = below_upper + above_lower + tf.math.log(-tf.math.expm1(-width))
        return tf.where(x < step / 2, below_upper, tf.where(x > 1 - step / 2, above_lower, inside))

    def _sample_n(self, n, seed=None):
        draws = tfd.Logistic(self._loc, self._scale).sample(n, seed=seed)
        return tf.round(tf.clip_by_value(draws, 0.0, 1.0) * (self._num_levels - 1)) / (self._num_levels - 1)

    def _mean(self):
        """The mean before rounding, tails cut to [0, 1]: within half a level of the mean over levels."""
        return self._scale * (tf.nn.softplus(self._loc / self._scale) - tf.nn.softplus((self._loc - 1) / self._scale))


class QuantizedLogisticMixture(tfd.Distribution):
    """A pixel whose channels share one mixture: each component is a logistic of every channel, rounded to k levels.

    In component i, and in units in which the levels cover [-1, 1], R, G and B (r, g, b) are centred on

        m_r,    m_g + alpha r,    m_b + beta r + gamma g.

    Salimans et al. 2017, https://arxiv.org/abs/1701.05517, section 2.2. Its event is `(c,)`, levels in [0, 1].

    Args:
        logits: `(..., m)`, of the components.
        loc: `(..., c, m)`, in units of [-1, 1].
        log_scale: `(..., c, m)`, in the same units.
        coefficients: `(..., c (c - 1) / 2, m)`: alpha, beta and gamma of three channels, none of one.
        num_levels: int, k.
    """

    def __init__(
        self,
        logits,
        loc,
        log_scale,
        coefficients,
        num_levels=256,
        validate_args=False,
        allow_nan_stats=True,
        name="QuantizedLogisticMixture",
    ):
        parameters = dict(locals())
        self._logits, self._loc, self._log_scale, self._coefficients = (
            tf.convert_to_tensor(x) for x in (logits, loc, log_scale, coefficients)
        )
        self._num_levels = num_levels
        super().__init__(
            dtype=self._loc.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        matrix = tfp.util.ParameterProperties(event_ndims=2)
        return {
            "logits": tfp.util.ParameterProperties(event_ndims=1),
            "loc": matrix,
            "log_scale": matrix,
            "coefficients": matrix,
        }

    def _event_shape(self):
        return self._loc.shape[-2:-1]

    def _event_shape_tensor(self):
        return tf.shape(self._loc)[-2:-1]

    def component(self, x, channel):
        """The `QuantizedLogistic`, batch `(..., m)`, of a channel in each component, given those before it in x."""
        loc, first = self._loc[..., channel, :], channel * (channel - 1) // 2
        for earlier in range(channel):
            loc += self._coefficients[..., first + earlier, :] * (2 * x[..., earlier : earlier + 1] - 1)
        return QuantizedLogistic((loc + 1) / 2, tf.exp(self._log_scale[..., channel, :]) / 2, self._num_levels)

    def log_weights(self, x, num_channels):
        """log p(i, first channels of x) `(..., m)` of each component i."""
        channels = (
            self.component(x, channel).log_prob(x[..., channel : channel + 1]) for channel in range(num_channels)
        )
        return sum(channels, tf.nn.log_softmax(self._logits))

    def _log_prob(self, x):
        return tf.reduce_logsumexp(self.log_weights(x, self.event_shape[0]), axis=-1)

    def level_logits(self, x, channel):
        """Logits `(..., k)` of the levels of a channel given those before it in x, `(..., c)`."""
        x = tf.cast(x, self.dtype)
        component = self.component(x, channel)
        return _level_logits(self.log_weights(x, channel), component._loc, component._scale, self._num_levels)

    def channel_means(self, x):
        """The mean of each channel given those before it in x: `(..., c)` both, to within half a level."""
        means = [
            tf.reduce_sum(tf.nn.softmax(self.log_weights(x, channel)) * self.component(x, channel).mean(), axis=-1)
            for channel in range(self.event_shape[0])
        ]
        return tf.stack(means, axis=-1)

    def _mean(self):
        if self.event_shape[0] > 1:
            raise NotImplementedError("`mean` is of one channel; `channel_means` gives each given those before it.")
        return self.channel_means(None)

    def _sample_n(self, n, seed=None):
        seeds = tfp.random.split_seed(seed, 1 + self.event_shape[0])
        component = tfd.OneHotCategorical(logits=self._logits, dtype=self.dtype).sample(n, seed=seeds[0])
        x = tf.zeros((*component.shape[:-1], self.event_shape[0]))
        for channel, seed_of_channel in enumerate(seeds[1:]):
            logistic = self.component(x, channel)
            loc, scale = (
                tf.reduce_sum(component * numbers, axis=-1, keepdims=True)
                for numbers in (logistic._loc, logistic._scale)
            )
            value = QuantizedLogistic(loc, scale, self._num_levels).sample(seed=seed_of_channel)
            x = tf.concat([x[..., :channel], value, x[..., channel + 1 :]], axis=-1)
        return x


def quantized_logistic(parameters):
    """256 levels, so that bits/dim of 8-bit images mean something. The scale of a pixel is at least 1e-3."""
    return tfd.Independent(QuantizedLogistic(*_location_and_scale(*tf.split(parameters, 2, axis=-1))), 3)


def quantized_logistic_mixture(parameters):
    """256 levels, as a mixture of logistics; parameters `(..., h, w, c, 3 m)`: logits, locations, raw scales.

    Salimans et al. 2017, https://arxiv.org/abs/1701.05517, eq. 2, with a mixture of its own for each channel. A scale
    is at least 1e-3.
    """
    logits, loc, scale = _mixture_of_logistics(parameters)
    components = QuantizedLogistic(loc, scale)
    return tfd.Independent(tfd.MixtureSameFamily(tfd.Categorical(logits=logits), components), 3)


def quantized_logistic_mixture_of_pixels(parameters, channels, num_levels):
    """k levels, one mixture a pixel; parameters `(n, ..., p)`: logits, centres, log-scales, coefficients before tanh.

    p is 3 m of one channel and 10 m of three. A log-scale is at least -7, as in the paper, where all of a logistic lies
    on one level of 256, and at most 7, where all of it lies on the first and last.
    """
    sizes = [1, channels, channels, channels * (channels - 1) // 2]
    num_groups = sum(sizes)
    shape = (-1, *parameters.shape[1:-1], num_groups, parameters.shape[-1] // num_groups)
    logits, loc, log_scale, coefficients = tf.split(tf.reshape(parameters, shape), sizes, axis=-2)
    log_scale = tf.clip_by_value(log_scale, -7.0, 7.0)
    return QuantizedLogisticMixture(logits[..., 0, :], loc, log_scale, tf.tanh(coefficients), num_levels)


def quantized_logistic_mixture_logits(parameters):
    """The log-probabilities `(..., 256)` of all levels, given `(..., 3 m)` as `quantized_logistic_mixture` is.

    Two neighbouring levels share an edge, so this takes one exponential for each where `log_prob` takes five.
    """
    return _level_logits(*_mixture_of_logistics(parameters), num_levels=256)


def _level_logits(logits, loc, scale, num_levels):
    """The log-probabilities `(..., k)` of all levels, given `(..., m)` each."""
    logits, loc, scale = (x[..., None] for x in (logits, loc, scale))  # (..., m, 1)
    edges = (tf.cast(levels(num_levels)[1:], loc.dtype) - 0.5 / (num_levels - 1) - loc) / scale  # (..., m, k - 1)
    # The CDF at an edge is `right` of the centre (0 or 1) plus a signed tail; apart, even far tails do not cancel.
    right = edges >= 0
    tail = tf.sigmoid(-tf.abs(edges))
    right, tail = tf.cast(right, tail.dtype), tf.where(right, -tail, tail)
    ends = [[0, 0]] * (edges.shape.rank - 1)
    right = tf.pad(tf.pad(right, [*ends, [0, 1]], constant_values=1.0), [*ends, [1, 0]])  # (..., m, k + 1)
    tail = tf.pad(tail, [*ends, [1, 1]])
    probabilities = (right[..., 1:] - right[..., :-1]) + (tail[..., 1:] - tail[..., :-1])  # (..., m, k)
    mixture = tf.reduce_sum(tf.nn.softmax(logits, axis=-2) * probabilities, axis=-2)
    return tf.math.log(tf.maximum(mixture, np.finfo("float32").tiny))


def _mixture_of_logistics(parameters):
    logits, loc, raw_scale = tf.split(parameters, 3, axis=-1)
    return logits, *_location_and_scale(loc, raw_scale)


def _location_and_scale(loc, raw_scale):
    """Of a logistic, from numbers around zero: a centre around the middle level, a scale of at least 1e-3."""
    return loc + 0.5, 0.2 * tf.nn.softplus(raw_scale) + 1e-3


def levels(k):
    """The k levels of a pixel, 0, 1/(k-1), ..., 1: float32 `(k,)`."""
    return tf.range(k, dtype=tf.float32) / (k - 1)

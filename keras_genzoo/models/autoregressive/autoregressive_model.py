"""What autoregressive models share: exact likelihood, sampling pixel by pixel, and completion of images.

The density of an image is a product of conditionals, one for each channel of each pixel given those before it in
raster order:

    log p(x) = sum_i log p(x_i | x_1, ..., x_{i-1})

A model file gives the network that computes the parameters of all conditionals from the image.
"""

import functools
import math

import keras
import tensorflow as tf

from keras_genzoo import distributions, inputs, serving
from keras_genzoo import images as image_convention
from keras_genzoo.generative_model import GenerativeModel
from keras_genzoo.graph_method import graph_method
from keras_genzoo.models.autoregressive import levels, sampler

_LIKELIHOODS = ("categorical", "logistic_mixture")
_NUM_LOGISTICS = 10  # as in Salimans et al. 2017
_LEVELS_OF_LOGISTICS = 256
_BATCH_SIZE = serving.MAX_ROWS  # images drawn at a time
_COMPILED_SIZES = tuple(2**i for i in range(4, 31))  # 16, 32, 64, ...


class AutoregressiveModel(GenerativeModel):
    """Base class of the models that draw an image pixel by pixel.

    A subclass sets `network`, a `causal.CausalNetwork` from images `(n, h, w, c)` to `num_parameters` numbers a pixel,
    and ends its `__init__` in `self.build()`.

    Args:
        image_shape: tuple `(height, width, channels)`; 1 or 3 channels.
        num_levels: int, 2 to 256.
        num_classes: int or None.
        condition_dim: int or None.
        likelihood: `"categorical"` or `"logistic_mixture"`.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    metric_names = ("loss", "bits_per_dim")
    measurements = ()  # its loss is the exact likelihood
    log_prob_is_exact = True

    def __init__(
        self, image_shape, num_levels=2, num_classes=None, condition_dim=None, likelihood="categorical", **kwargs
    ):
        super().__init__(image_shape, num_classes, **kwargs)
        distributions.check_choice("likelihood", likelihood, _LIKELIHOODS)
        if self.image_shape[-1] not in (1, 3):
            raise ValueError(f"`image_shape` must have 1 or 3 channels; got {image_shape!r}.")
        if not isinstance(num_levels, int) or not 2 <= num_levels <= 256:
            raise ValueError(f"`num_levels` must be an integer from 2 to 256; got {num_levels!r}.")
        if likelihood == "logistic_mixture" and num_levels != _LEVELS_OF_LOGISTICS:
            raise ValueError(
                f"`num_levels` must be {_LEVELS_OF_LOGISTICS} with likelihood='logistic_mixture'; got {num_levels}. "
                "Pass num_levels=256, or likelihood='categorical'."
            )
        if condition_dim is not None:
            if num_classes is not None:
                raise ValueError("`num_classes` and `condition_dim` exclude each other; give one of them.")
            (condition_dim,) = inputs.positive_integers("condition_dim", [condition_dim], 1)
        self.num_levels = num_levels
        self.condition_dim = condition_dim
        self.likelihood = likelihood

    def get_config(self):
        return {
            **super().get_config(),
            "num_levels": self.num_levels,
            "condition_dim": self.condition_dim,
            "likelihood": self.likelihood,
        }

    @property
    def num_parameters(self):
        """int: numbers that the network gives a pixel, equally many for each channel."""
        if self.likelihood == "logistic_mixture":
            return 3 * _NUM_LOGISTICS * self.image_shape[-1]
        return (1 if self.num_levels == 2 else self.num_levels) * self.image_shape[-1]

    def build(self, input_shape=None):
        condition_dim = self.num_classes or self.condition_dim
        condition = keras.Input((condition_dim,)) if condition_dim else None
        self.network(keras.Input(self.image_shape), condition=condition)
        super().build()

    def compile(self, optimizer=None, **kwargs):
        """Compiles like `keras.Model.compile`; by default with Adam at 1e-3.

        The sampler is compiled by XLA also where Keras would not compile a train step, and `jit_compile=False` alone
        keeps it from that: the same images come more slowly.
        """
        super().compile(optimizer=keras.optimizers.Adam(1e-3) if optimizer is None else optimizer, **kwargs)

    # ---- objective ----

    def negative_log_likelihood(self, images, labels=None):
        """-log p(x) `(n,)`, nats, of images of exact levels."""
        return -self._conditional(images, labels).log_prob(images)

    def train_step(self, data):
        images, labels = self.unpack(data)
        with tf.GradientTape() as tape:
            loss = self.negative_log_likelihood(self.rounded(images), labels)
        self.minimize(loss, tape, self.optimizer, self.trainable_variables)
        return self.track(loss=loss, bits_per_dim=self.bits_per_dim(loss))

    def test_step(self, data):
        images, labels = self.unpack(data)
        loss = self.negative_log_likelihood(self.rounded(images), labels)
        return self.track(loss=loss, bits_per_dim=self.bits_per_dim(loss))

    def bits_per_dim(self, nats):
        """Nats an image as bits a channel of a pixel."""
        return nats / (math.prod(self.image_shape) * math.log(2))

    def rounded(self, images):
        """Images with each value at its nearest level."""
        return tf.round(images * (self.num_levels - 1)) / (self.num_levels - 1)

    # ---- distributions ----

    def call(self, images, labels=None):
        """The mean of each pixel given those before it: float32 `(n, h, w, c)` in [0, 1]."""
        images, labels = self.check_images(images, labels)
        return self._conditional(self.rounded(images), labels).mean()

    def conditional(self, images, labels=None):
        """The distributions p(x_i | x_1, ..., x_{i-1}) of all pixels as one `tfd.Distribution`.

        Its event is `(h, w, c)`, its values are levels, and `conditional(x).log_prob(x)` is log p(x).

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8; rounded to the nearest levels.
            labels: ints `(n,)`, or float vectors `(n, condition_dim)`, for a conditional model.
        """
        images, labels = self.check_images(images, labels)
        return self._conditional(self.rounded(images), labels)

    def _conditional(self, images, labels=None):
        parameters = self.network(images, condition=self._condition(labels))  # (n, h, w, c p)
        return self._distribution(
            tf.reshape(parameters, (-1, *self.image_shape, parameters.shape[-1] // images.shape[-1]))
        )

    def _distribution(self, parameters):
        """The distribution of images given `(n, h, w, c, p)`."""
        if self.likelihood == "logistic_mixture":
            return distributions.quantized_logistic_mixture(parameters)
        if self.num_levels == 2:
            return distributions.bernoulli(parameters[..., 0])
        return distributions.categorical(parameters)

    def _condition(self, labels):
        """What the network is told of labels, `(n, d)`; None for a model without."""
        if labels is None or self.condition_dim:
            return labels
        return tf.one_hot(labels, self.num_classes)

    def log_prob(self, images, labels=None):
        """log p(x), exact; log p(x | label) of a conditional model.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8, of exact levels j / (num_levels - 1).
            labels: ints `(n,)`, or float vectors `(n, condition_dim)`, for a conditional model.

        Returns:
            float32 `(n,)`, nats.

        Raises:
            ValueError: for values between levels, beside what every verb refuses.
        """
        images, labels = self.check_images(images, labels)
        with image_convention.clear_errors():
            return self._log_prob(images, labels)

    @graph_method(reduce_retracing=True)
    def _log_prob(self, images, labels):
        return -self.negative_log_likelihood(self._check_levels(images), labels)

    def _check_levels(self, images, known=True):
        return levels.check(images, self.num_levels, known)

    def batch_check(self):
        options = {"image_shape": self.image_shape, "num_levels": self.num_levels}
        return functools.partial(super().batch_check(), check_first=functools.partial(levels.check_batch, **options))

    # ---- sampling ----

    def draw_noise(self, num_samples, seed):
        return tf.random.stateless_uniform((num_samples, *self.image_shape), seed)

    def generate(self, noise, labels=None, temperature=1.0, **options):
        return self._fill(noise, -tf.ones_like(noise), labels, temperature, **options)

    def _fill(self, noise, images, labels, temperature, progress=None, jit_compile=False, batch_size=_BATCH_SIZE):
        """Images `(n, h, w, c)`, at most `batch_size` of them, with all pixels drawn that are negative."""
        height, width, _ = self.image_shape
        num_images = tf.shape(noise)[0]
        if jit_compile:
            noise, images, labels = _padded(batch_size, noise, images, labels)
        noise, images = (tf.transpose(x, (1, 2, 0, 3)) for x in (noise, images))
        condition, temperature = self._condition(labels), tf.convert_to_tensor(temperature)
        above = self.network.begin_image(tf.shape(noise)[2], width)
        draw_rows = self._draw_rows_compiled if jit_compile else self._draw_rows_uncompiled
        num_rows = height if progress is None else 1
        for first in range(0, height, num_rows):
            rows = (tf.constant(first), tf.constant(first + num_rows))
            images, above = draw_rows(images, noise, condition, temperature, above, *rows)
            if progress is not None:
                progress.add(1)
        return tf.transpose(images, (2, 0, 1, 3))[:num_images]

    @graph_method(jit_compile=True, autograph=False)
    def _draw_rows_compiled(self, *state):
        return self._draw_rows(*state)

    @graph_method(reduce_retracing=True, autograph=False)
    def _draw_rows_uncompiled(self, *state):
        return self._draw_rows(*state, pixels_a_turn=4)

    def _draw_rows(self, images, noise, condition, temperature, above, first, last, pixels_a_turn=1):
        def draw_level(parameters, noise):
            if self.num_levels == 2:  # the first level's share is sigmoid(-logit): the same in fewer operations
                return tf.cast(tf.sigmoid(-parameters[:, 0] / temperature) <= noise, tf.float32)
            level = sampler.draw_level(self._level_logits(parameters) / temperature, noise)
            return tf.gather(distributions.levels(self.num_levels), level)

        return sampler.draw_rows(self.network, draw_level, images, noise, condition, above, first, last, pixels_a_turn)

    def _level_logits(self, parameters):
        """Logits `(n, k)` of the levels, more than two, of one channel of a pixel, from its parameters `(n, p)`."""
        if self.likelihood == "logistic_mixture":
            return distributions.quantized_logistic_mixture_logits(parameters)
        return parameters

    def sample(self, num_samples, labels=None, seed=None, batch_size=None, temperature=1.0, verbose=0):
        """Draws images from the model, pixel by pixel; see `GenerativeModel.sample`.

        Args:
            num_samples: int, at least 1.
            labels: ints `(num_samples,)`, or float vectors `(num_samples, condition_dim)`, for a conditional model.
            seed: int32. The same seed gives the same images.
            batch_size: int, images drawn at a time; by default 1,024. XLA compiles the sampler for each size of batch,
                which takes seconds: 16, 32, 64, ..., `batch_size`, to the next of which a batch is padded.
            temperature: float, positive; levels are drawn with probabilities in proportion to p^(1/temperature), so
                that below 1 the likelier ones come more often.
            verbose: 1 for a progress bar over rows.

        Returns:
            float32 tensor `(num_samples, h, w, c)` of exact levels.
        """
        noise, labels = self._noise_and_labels(num_samples, labels, seed)
        options = self._options(temperature, verbose, num_samples, batch_size)
        generate = functools.partial(self.generate, **options)  # no graph around it: it makes its own
        return self._in_batches(generate, options["batch_size"], noise, labels)

    def complete(self, images, known, labels=None, seed=None, batch_size=None, temperature=1.0, verbose=0):
        """Draws the unknown pixels of images, each given those above it and to its left.

        A known pixel stays as it is. It tells nothing of unknown ones above it, as the model sees only what came
        before.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8; of exact levels where known, anything elsewhere.
            known: bool, broadcast to `(n, h, w, c)`; True where a pixel is given.
            labels: ints `(n,)`, or float vectors `(n, condition_dim)`, for a conditional model.
            seed: int32. The same seed gives the same images; with nothing known, those of `sample`.
            batch_size: int, images drawn at a time; see `sample`.
            temperature: float, positive; see `sample`.
            verbose: 1 for a progress bar over rows.

        Returns:
            float32 tensor `(n, h, w, c)` of exact levels.

        Raises:
            ValueError: for known pixels between levels, or a `known` that is not bool or does not broadcast.
        """
        images, labels = self.check_images(images, labels)
        known = self._check_known(known, images.shape)
        with image_convention.clear_errors():
            images = tf.where(known, self._check_levels(images, known), -1.0)
        seed = self.next_seed() if seed is None else inputs.stateless_seed(seed)
        noise = self._draw_noise(tf.constant(len(images)), seed)
        options = self._options(temperature, verbose, len(images), batch_size)
        fill = functools.partial(self._fill, **options)
        return self._in_batches(fill, options["batch_size"], noise, images, labels)

    def _check_known(self, known, shape):
        known = tf.convert_to_tensor(known)
        if known.dtype != tf.bool:
            raise ValueError(
                f"`known` must be bool, True where a pixel is given; got dtype {known.dtype.name}. "
                "Compare it with something: known > 0."
            )
        try:
            return tf.broadcast_to(known, shape)
        except tf.errors.InvalidArgumentError:
            raise ValueError(
                f"`known` must have a shape that broadcasts to that of the images, {tuple(shape)}; got {known.shape}."
            ) from None

    def _options(self, temperature, verbose, num_images, batch_size):
        if not temperature > 0 or not math.isfinite(temperature):
            raise ValueError(f"`temperature` must be positive and finite; got {temperature!r}.")
        (batch_size,) = inputs.positive_integers("batch_size", [_BATCH_SIZE if batch_size is None else batch_size], 1)
        progress = None
        if verbose:
            num_batches = -(-num_images // batch_size)
            progress = keras.utils.Progbar(num_batches * self.image_shape[0], unit_name="row")
        return {
            "temperature": float(temperature),
            "progress": progress,
            "jit_compile": self.allows_xla,
            "batch_size": batch_size,
        }

    def serving_signatures(self):
        def sample(num_samples, seed, temperature, labels=None, jit_compile=False):
            noise = self.draw_noise(num_samples, tf.stack([seed, 0]))
            return {"images": self.generate(noise, labels, temperature, jit_compile=jit_compile)}

        def complete(images, known, seed, temperature, labels=None, jit_compile=False):
            noise = self.draw_noise(tf.shape(images)[0], tf.stack([seed, 0]))
            images = tf.where(known, self._check_levels(images, known), -1.0)
            return {"images": self._fill(noise, images, labels, temperature, jit_compile=jit_compile)}

        def log_prob(images, labels=None):
            return {"log_prob": -self.negative_log_likelihood(self._check_levels(images), labels)}

        def loops(function, inputs):
            return serving.Signature(function, inputs, compiled=functools.partial(function, jit_compile=True))

        images, label = {"images": serving.images(self.image_shape)}, self.label_input()
        known = {"known": serving.known(self.image_shape)}
        numbers = {"seed": serving.seed(), "temperature": serving.temperature()}
        return {
            "sample": loops(sample, {"num_samples": serving.count("num_samples"), **numbers, **label}),
            "complete": loops(complete, {**images, **known, **numbers, **label}),
            "log_prob": serving.Signature(log_prob, {**images, **label}),
        }


def _padded(batch_size, *tensors):
    """Tensors, or None, with rows of zeros added up to one of a few sizes: XLA compiles anew for each."""
    n = tf.shape(tensors[0])[0]
    size = tf.minimum(tf.gather(_COMPILED_SIZES, tf.searchsorted(_COMPILED_SIZES, n[None])[0]), batch_size)
    return [None if x is None else tf.pad(x, [[0, size - n], *[[0, 0]] * (x.shape.rank - 1)]) for x in tensors]

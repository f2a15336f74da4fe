"""The verbs by which autoregressive models draw: whole images, and the missing pixels of images."""

import dataclasses
import functools
import math

import keras
import tensorflow as tf

from keras_genzoo import checks, distributions, domains, serving
from keras_genzoo.graph_method import graph_method
from keras_genzoo.models.autoregressive import sampler

_BATCH_SIZE = serving.MAX_ROWS  # images drawn at a time
_COMPILED_SIZES = tuple(2**i for i in range(4, 31))  # 16, 32, 64, ...


class PixelSampling:
    """`sample`, `complete` and their signatures; a mixin of `AutoregressiveModel`.

    The sampler is compiled by XLA also where Keras would not compile a train step, and `compile(jit_compile=False)`
    alone keeps it from that: the same images come more slowly.
    """

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
        fill_rows = self._fill_rows_compiled if jit_compile else self._fill_rows_uncompiled
        num_rows = height if progress is None else 1
        for first in range(0, height, num_rows):
            rows = (tf.constant(first), tf.constant(first + num_rows))
            images, above = fill_rows(images, noise, condition, temperature, above, *rows)
            if progress is not None:
                progress.add(1)
        return tf.transpose(images, (2, 0, 1, 3))[:num_images]

    @graph_method(jit_compile=True, autograph=False)
    def _fill_rows_compiled(self, *state):
        return self._fill_rows(*state)

    @graph_method(reduce_retracing=True, autograph=False)
    def _fill_rows_uncompiled(self, *state):
        return self._fill_rows(*state, pixels_a_turn=4)

    def _fill_rows(self, images, noise, condition, temperature, above, first, last, pixels_a_turn=1):
        def draw_level(parameters, so_far, channel, noise):
            logits = self._level_logits(parameters, so_far, channel) / temperature
            if logits.shape[-1] == 1:  # the first level's share is sigmoid(-logit): the same in fewer operations
                return tf.cast(tf.sigmoid(-logits[:, 0]) <= noise, tf.float32)
            level = sampler.draw_level(logits, noise)
            return tf.gather(distributions.levels(self.num_levels), level)

        return sampler.fill_rows(self.network, draw_level, images, noise, condition, above, first, last, pixels_a_turn)

    def _level_logits(self, parameters, so_far, channel):
        """Logits `(n, k)` of the levels of one channel of a pixel, or of two that of the second alone, `(n, 1)`.

        Args:
            parameters: `(n, p)`, those of the pixel.
            so_far: `(n, c)`, its channels; earlier ones are known.
            channel: int.
        """
        parameters = tf.split(parameters, self.image_shape[-1], axis=-1)[channel]
        if self.likelihood_family == "logistic_mixture":
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
        noise, labels = self.noise_and_condition(num_samples, labels, seed)
        options = self._options(temperature, verbose, num_samples, batch_size)
        generate = functools.partial(self.generate, **options)  # no graph around it: it makes its own
        return self.in_batches(generate, options["batch_size"], noise, labels)

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
        known = Known(self.image_shape).broadcast(known, len(images))
        with checks.clear_errors():
            images = tf.where(known, self.sample_domain.at_levels(images, known=known), -1.0)
        noise = self.noise(len(images), seed)
        options = self._options(temperature, verbose, len(images), batch_size)
        fill = functools.partial(self._fill, **options)
        return self.in_batches(fill, options["batch_size"], noise, images, labels)

    def _options(self, temperature, verbose, num_images, batch_size):
        if not temperature > 0 or not math.isfinite(temperature):
            raise ValueError(f"`temperature` must be positive and finite; got {temperature!r}.")
        (batch_size,) = checks.positive_integers("batch_size", [_BATCH_SIZE if batch_size is None else batch_size], 1)
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

    def signatures(self):
        def sample(num_samples, seed, temperature, labels=None, jit_compile=False):
            noise = self.draw_noise(num_samples, tf.stack([seed, 0]))
            return {"images": self.generate(noise, labels, temperature, jit_compile=jit_compile)}

        def complete(images, known, seed, temperature, labels=None, jit_compile=False):
            noise = self.draw_noise(tf.shape(images)[0], tf.stack([seed, 0]))
            images = tf.where(known, self.sample_domain.at_levels(images, known=known), -1.0)
            return {"images": self._fill(noise, images, labels, temperature, jit_compile=jit_compile)}

        def log_prob(images, labels=None):
            return {"log_prob": -self.negative_log_likelihood(images, labels)}

        def loops(function, inputs):
            compiled = functools.partial(function, jit_compile=True)
            return serving.Signature(function, inputs, self.sample_output(), compiled)

        count = domains.count("num_samples", serving.MAX_ROWS)
        numbers = {"seed": domains.seed(), "temperature": domains.temperature()}
        images = Incomplete(self.image_shape, num_levels=self.num_levels)
        incomplete = {"images": images, "known": Known(self.image_shape)}
        label = self.condition_input()
        return {
            "sample": loops(sample, {"num_samples": count, **numbers, **label}),
            "complete": loops(complete, {**incomplete, **numbers, **label}),
            **self.density_signatures(
                serving.Signature(
                    log_prob, {**self.sample_input(), **label}, {"log_prob": domains.Vectors((), "log_prob")}
                )
            ),
        }


@dataclasses.dataclass(frozen=True)
class Incomplete(domains.LevelImages):
    """Images of exact levels where their pixels are known, which the mask beside them says, and of any elsewhere."""

    def check_values(self, values, name):
        return super(domains.LevelImages, self).check_values(values, name)


@dataclasses.dataclass(frozen=True)
class Known(domains.Masks):
    """Which values of an image are given: bool `(n, h, w, c)`."""

    name: str = "known"

    dtype = "bool"

    def check_spec(self, shape, dtype, name):
        if dtype != tf.bool:
            raise ValueError(
                f"`{name}` must be bool, True where a pixel is given; got dtype {dtype.name}. "
                "Compare it with something: known > 0."
            )

    def broadcast(self, known, num_images):
        """bool tensor `(num_images, h, w, c)` of a mask that may be one for all of them."""
        known, shape = tf.convert_to_tensor(known), (num_images, *self.shape)
        self.check_spec(known.shape, known.dtype, self.name)
        try:
            return tf.broadcast_to(known, shape)
        except tf.errors.InvalidArgumentError:
            raise ValueError(
                f"`known` must have a shape that broadcasts to that of the images, {shape}; got {known.shape}."
            ) from None

    def examples(self, n, seed=0):
        return super().examples(n, seed) < 0.5


def _padded(batch_size, *tensors):
    """Tensors, or None, with rows of zeros added up to one of a few sizes: XLA compiles anew for each."""
    n = tf.shape(tensors[0])[0]
    size = tf.minimum(tf.gather(_COMPILED_SIZES, tf.searchsorted(_COMPILED_SIZES, n[None])[0]), batch_size)
    return [None if x is None else tf.pad(x, [[0, size - n], *[[0, 0]] * (x.shape.rank - 1)]) for x in tensors]

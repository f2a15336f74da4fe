"""Lossless compression: images in about as many bits as the model gives them, -log2 p(x).

A range coder (Martin 1979, "Range encoding: an algorithm for removing redundancy from a digitised message") turns a
row of symbols into -log2 of their probabilities, if it is told the same probabilities when it reads them again. So
both directions run the same program, the cached sampler. Where that would draw the level of a pixel

    compress    hands the given level to the coder, with the probabilities of all levels,
    decompress  is told by the coder which level it was,

and goes on to the next pixel with it.

One probability that differs in its 24th bit makes noise of all that follows, and floats are not rounded alike by every
processor and every number of threads. So the network computes in float64, whose logits differ by 1e-13 or so, and they
are rounded to 64ths: of 10^11 logits about one is so close to the middle between two 64ths that it may go either way.
Errors of at most 1/128 cost less than a 30,000th of a nat a pixel.
"""

import functools
import math

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import checks, distributions
from keras_genzoo.models.autoregressive import sampler
from keras_genzoo.models.autoregressive.packed_images import PackedImages, hash_of_levels, hash_of_model
from keras_genzoo.networks import nested_layers

_BATCH_SIZE = 1000  # images coded at a time, as one step of the sampler: a file says how many it was
_STEPS = 64  # a nat, to which logits are rounded
_SHARES = 2.0**24 * np.exp(-np.arange(math.ceil(24 * math.log(2) * _STEPS)) / _STEPS)
_SHARES = np.maximum(np.rint(_SHARES), 1)  # of a level so many steps below the likeliest; whole numbers, as floats


class Compression:
    """`compress` and `decompress`; a mixin of `AutoregressiveModel`."""

    def compress(self, images, labels=None, preset=""):
        """Packs images without loss, into about -log2 p(x) bits (-log2 p(x | label) of a conditional model).

        It computes what `sample` does, without XLA and in float64: some four times as long, in either direction and
        whatever the precision of the model. No level has a probability below some 2^-24, so that any image can be
        packed, noise too. The header takes some 50 bytes, the classes of a class-conditional model log2(num_classes)
        bits an image; vectors of a condition are not kept.

        Args:
            images: `(n, h, w, c)`, float in [0, 1] or uint8, of exact levels j / (num_levels - 1); n at least 1.
            labels: ints `(n,)`, or float vectors `(n, condition_dim)`, for a conditional model.
            preset: str, the name of the preset that the model is from, for `genzoo decompress`.

        Returns:
            bytes, always the same of the same images.

        Raises:
            ValueError: for no images and values between levels, beside what every verb refuses.
            ImportError: where `constriction` is missing, the extra `compression`.
        """
        if not isinstance(preset, str) or len(preset.encode()) > 255:
            raise ValueError(f"`preset` must be a name of at most 255 bytes; got {preset!r}.")
        encoder = _Encoder()
        images, labels = self.check_batch(images, labels)
        if not len(images):
            raise ValueError("`images` are empty; give at least one to compress.")
        levels = tf.cast(tf.round(images * (self.num_levels - 1)), tf.int32).numpy()
        if self.num_classes:
            encoder.encode_classes(labels.numpy(), self.num_classes)
        self._code(encoder, levels, labels, _BATCH_SIZE)
        return PackedImages(
            model_hash=hash_of_model(self),
            images_hash=hash_of_levels(levels),
            image_shape=self.image_shape,
            num_levels=self.num_levels,
            batch_size=_BATCH_SIZE,
            num_images=len(levels),
            preset=preset,
            words=encoder.stream.get_compressed(),
        ).to_bytes()

    def decompress(self, packed, labels=None):
        """The images that `compress` packed, bit for bit.

        Args:
            packed: bytes, as `compress` of this very model gave them.
            labels: float vectors `(n, condition_dim)`, those of `compress`, for a model conditioned on vectors. Classes
                are kept in `packed`.

        Returns:
            float32 tensor `(n, h, w, c)` of exact levels.

        Raises:
            ValueError: for bytes that are damaged, of another model, or that come to other images than were packed,
                which is known by a hash of these: with other vectors, or another way of computing.
            ImportError: where `constriction` is missing, the extra `compression`.
        """
        packed = PackedImages.from_bytes(packed)
        self._check_is_own(packed)
        decoder = _Decoder(packed.words, self._says_other_images())
        if self.num_classes:
            if labels is not None:
                raise ValueError("`labels` of classes are kept in `packed`; leave them out.")
            labels = tf.constant(decoder.decode_classes(packed.num_images, self.num_classes))
        else:
            labels = self._check_vectors(labels, packed.num_images)
        unknown = np.zeros((packed.num_images, *self.image_shape), "int32")
        levels = self._code(decoder, unknown, labels, packed.batch_size)
        if hash_of_levels(levels) != packed.images_hash:
            raise ValueError(decoder.refusal)
        return tf.gather(distributions.levels(self.num_levels), levels)

    def _check_is_own(self, packed):
        if packed.model_hash != hash_of_model(self):
            height, width, channels = packed.image_shape
            holder = f" It was the preset {packed.preset!r}." if packed.preset else ""
            raise ValueError(
                f"`packed` was written by another model, one of {height}x{width}x{channels} images of "
                f"{packed.num_levels} levels; this one is of {'x'.join(map(str, self.image_shape))} and "
                f"{self.num_levels} levels, or has other weights.{holder} Load the model that wrote it."
            )

    def _check_vectors(self, labels, num_images):
        if labels is not None and not self.condition_dim:
            raise ValueError("`labels` given, but this model was built without condition_dim; leave them out.")
        return self.check_condition(labels, num_images)

    def _says_other_images(self):
        vectors = "with other `labels`, or " if self.condition_dim else ""
        return (
            f"`packed` comes to other images here than were compressed, {vectors}since probabilities come out "
            "otherwise here than where it was written. Decompress it there, by the same version of TensorFlow."
        )

    # ---- one program for both directions ----

    def _code(self, coder, levels, labels, batch_size):
        """Levels as a coder gives them back, int32 `(n, h, w, c)`; the encoder gives back what it is given."""
        copy = self._in_float64()
        condition = self._condition(labels)
        height, width, channels = self.image_shape
        inputs = [tf.TensorSpec((height, width, None, channels), tf.int32)]
        inputs += [] if condition is None else [tf.TensorSpec((None, condition.shape[-1]))]
        # Not by XLA, which compiles another program for each n. A partial, of which TensorFlow counts no retracing.
        fill = tf.function(functools.partial(copy._fill_by_coder, coder), inputs, autograph=False)
        coded = []
        with tf.device("CPU"), checks.clear_errors():
            for first in range(0, len(levels), batch_size):
                rows = slice(first, first + batch_size)
                conditions = [] if condition is None else [condition[rows]]
                batch = fill(np.transpose(levels[rows], (1, 2, 0, 3)), *conditions)
                coded.append(np.transpose(batch.numpy(), (2, 0, 1, 3)))
        return np.concatenate(coded)

    def _in_float64(self):
        """A copy of the model that computes in float64, whatever the precision of this one."""
        copy = type(self).from_config({**self.get_config(), "dtype": "float32"})
        copy.set_weights(self.get_weights())
        for layer in nested_layers(copy):
            layer.dtype_policy = _ComputeInFloat64("float64")
        return copy

    def _fill_by_coder(self, coder, levels, condition=None):
        """Levels `(h, w, n, c)` to those of a coder: the sampler, whose draws are the coder's answers."""

        def code(logits, levels):
            with checks.mark_errors():
                return coder(_shares(logits), levels)

        def draw_level(parameters, so_far, channel, level):
            if self.num_levels == 2:
                logit = parameters[:, channel]
                logits = tf.stack([tf.zeros_like(logit), logit], axis=-1)
            else:
                logits = self._level_logits(parameters, so_far, channel)
            level = tf.numpy_function(code, [logits, tf.cast(level, tf.int32)], tf.int32)
            return tf.gather(distributions.levels(self.num_levels), tf.ensure_shape(level, parameters.shape[:1]))

        height, width = self.image_shape[:2]
        above = self.network.begin_image(tf.shape(levels)[2], width)
        given = tf.cast(levels, tf.float32)  # where the sampler takes its noise
        unknown = -tf.ones_like(given)
        rows = (tf.constant(0), tf.constant(height))
        images, _ = sampler.fill_rows(self.network, draw_level, unknown, given, condition, above, *rows)
        return tf.cast(tf.round(images * (self.num_levels - 1)), tf.int32)


class _ComputeInFloat64(keras.dtype_policies.DTypePolicy):
    """Weights stay float32."""

    @property
    def variable_dtype(self):
        return "float32"


# ---- the two coders ----


class _Encoder:
    def __init__(self):
        self._models, streams = _constriction()
        self.stream = streams.RangeEncoder()

    def encode_classes(self, labels, num_classes):
        if num_classes > 1:
            self.stream.encode(labels, self._models.Uniform(num_classes))

    def __call__(self, shares, levels):
        self.stream.encode(levels, self._models.Categorical(perfect=False), shares)
        return levels


class _Decoder:
    def __init__(self, words, refusal):
        self._models, streams = _constriction()
        self.stream = streams.RangeDecoder(words)
        self.refusal = refusal

    def decode_classes(self, num_images, num_classes):
        if num_classes == 1:
            return np.zeros(num_images, "int32")
        return self.stream.decode(self._models.Uniform(num_classes), num_images)

    def __call__(self, shares, levels):
        try:
            return self.stream.decode(self._models.Categorical(perfect=False), shares)
        except AssertionError:  # no encoder writes such words under these probabilities
            raise ValueError(self.refusal) from None


def _shares(logits):
    """Whole numbers, as floats, in proportion to the probabilities of levels but for rounding, `(n, k)` of `(n, k)`."""
    if not np.isfinite(logits).all():
        raise ValueError("the model's probabilities are NaN: its weights are not finite. Nothing can be packed.")
    steps = np.rint(_STEPS * (logits.max(axis=-1, keepdims=True) - logits))
    return _SHARES[np.minimum(steps, len(_SHARES) - 1).astype("int64")]


def _constriction():
    try:
        import constriction
    except ImportError as error:
        raise ImportError("compression needs a package: pip install 'keras-genzoo[compression]'.") from error
    return constriction.stream.model, constriction.stream.queue

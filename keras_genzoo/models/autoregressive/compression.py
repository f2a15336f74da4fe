"""Lossless compression: images in about as many bits as the model gives them, -log2 p(x).

A range coder (Martin 1979, "Range encoding: an algorithm for removing redundancy from a digitised message") turns a
row of symbols into -log2 of their probabilities, if it is told the same probabilities when it reads them again. So
both directions run the same program, the cached sampler. Where that would draw the level of a pixel

    compress    hands the given level to the coder, with the probabilities of all levels,
    decompress  is told by the coder which level it was,

and goes on to the next pixel with it. The parallel pass of `log_prob` would be faster one way, but rounds otherwise in
the last digits, and one probability that differs in its 24th bit makes noise of all that follows.
"""

import contextlib
import functools
import itertools
import platform

import numpy as np
import tensorflow as tf

from keras_genzoo import checks, distributions
from keras_genzoo.models.autoregressive import sampler
from keras_genzoo.models.autoregressive.packed_images import PackedImages, hash_of_levels, hash_of_model

_BATCH_SIZE = 1000  # images coded at a time, as one step of the sampler: a file says how many it was

_CODERS, _KEYS = {}, itertools.count()  # of the calls that run now; a graph holds a key, not an object


class Compression:
    """`compress` and `decompress`; a mixin of `AutoregressiveModel`."""

    def compress(self, images, labels=None, preset=""):
        """Packs images without loss, into about -log2 p(x) bits (-log2 p(x | label) of a conditional model).

        It takes as long as `sample` does without XLA. Probabilities are rounded to multiples of 2^-24, at least one of
        them, so that any image can be packed, noise too. The header takes some 60 bytes, the classes of a
        class-conditional model log2(num_classes) bits an image; vectors of a condition are not kept.

        Floats are rounded alike wherever TensorFlow is of the same version and the processor of the same kind, and may
        be elsewhere; it is always computed on a CPU. Where they are not, `decompress` says so and gives nothing.

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
        encoder = _Encoder(self.num_levels)
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
            written_by=_this_machine(),
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
                which is known by a hash of these: with other vectors, or where floats are rounded otherwise.
            ImportError: where `constriction` is missing, the extra `compression`.
        """
        packed = PackedImages.from_bytes(packed)
        self._check_is_own(packed)
        decoder = _Decoder(self.num_levels, packed.words, self._says_other_images(packed))
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

    def _says_other_images(self, packed):
        vectors = "with other `labels`, or " if self.condition_dim else ""
        return (
            f"`packed` comes to other images here than were compressed, {vectors}since floats are rounded otherwise "
            f"here ({_this_machine()}) than where it was written ({packed.written_by}): on another kind of processor, "
            "by another version, or without oneDNN. Decompress it there."
        )

    # ---- one program for both directions ----

    def _code(self, coder, levels, labels, batch_size):
        """Levels as a coder gives them back, int32 `(n, h, w, c)`; the encoder gives back what it is given."""
        condition = self._condition(labels)
        coded = []
        with _registered(coder) as key, tf.device("CPU"), checks.clear_errors():
            for first in range(0, len(levels), batch_size):
                rows = slice(first, first + batch_size)
                conditions = () if condition is None else (condition[rows],)
                batch = self._coded(np.transpose(levels[rows], (1, 2, 0, 3)), key, *conditions)
                coded.append(np.transpose(batch.numpy(), (2, 0, 1, 3)))
        return np.concatenate(coded)

    @functools.cached_property
    def _coded(self):
        """The function of levels `(h, w, n, c)` to those of a coder, one graph for any n and either direction.

        Not by XLA, which compiles another program for each n and may choose another next time.
        """
        height, width, channels = self.image_shape
        condition_dim = self.num_classes or self.condition_dim
        inputs = [tf.TensorSpec((height, width, None, channels), tf.int32), tf.TensorSpec((), tf.int64)]
        inputs += [tf.TensorSpec((None, condition_dim))] * bool(condition_dim)
        return tf.function(functools.partial(Compression._fill_by_coder, self), inputs, autograph=False)

    def _fill_by_coder(self, levels, key, condition=None):
        def draw_level(parameters, so_far, channel, level):
            probabilities = self._probabilities(parameters, so_far, channel)
            level = tf.numpy_function(_code_levels, [key, probabilities, tf.cast(level, tf.int32)], tf.int32)
            return tf.gather(distributions.levels(self.num_levels), tf.ensure_shape(level, parameters.shape[:1]))

        height, width = self.image_shape[:2]
        above = self.network.begin_image(tf.shape(levels)[2], width)
        given = tf.cast(levels, tf.float32)  # where the sampler takes its noise
        unknown = -tf.ones_like(given)
        rows = (tf.constant(0), tf.constant(height))
        images, _ = sampler.fill_rows(self.network, draw_level, unknown, given, condition, above, *rows, 4)
        return tf.cast(tf.round(images * (self.num_levels - 1)), tf.int32)

    def _probabilities(self, parameters, so_far, channel):
        """float32 `(n, k)` of the levels of a channel; `(n,)` of the second of two."""
        if self.num_levels == 2:
            return tf.sigmoid(parameters[:, channel])
        return tf.nn.softmax(self._level_logits(parameters, so_far, channel))


# ---- the two coders ----


class _Encoder:
    def __init__(self, num_levels):
        constriction = _constriction()
        self.stream = constriction.stream.queue.RangeEncoder()
        self.model = _model_of_levels(num_levels)

    def encode_classes(self, labels, num_classes):
        if num_classes > 1:
            self.stream.encode(labels, _constriction().stream.model.Uniform(num_classes))

    def __call__(self, probabilities, levels):
        if not np.isfinite(probabilities).all():
            raise ValueError("the model's probabilities are NaN: its weights are not finite. Nothing can be packed.")
        self.stream.encode(levels, self.model, probabilities)
        return levels


class _Decoder:
    def __init__(self, num_levels, words, refusal):
        constriction = _constriction()
        self.stream = constriction.stream.queue.RangeDecoder(words)
        self.model = _model_of_levels(num_levels)
        self.refusal = refusal

    def decode_classes(self, num_images, num_classes):
        if num_classes == 1:
            return np.zeros(num_images, "int32")
        return self.stream.decode(_constriction().stream.model.Uniform(num_classes), num_images)

    def __call__(self, probabilities, levels):
        try:
            return self.stream.decode(self.model, probabilities)
        except AssertionError:  # no encoder writes such words under these probabilities
            raise ValueError(self.refusal) from None


def _model_of_levels(num_levels):
    """The family of distributions that a coder wants, each of which gives no level a probability of zero."""
    models = _constriction().stream.model
    return models.Bernoulli(perfect=False) if num_levels == 2 else models.Categorical(perfect=False)


def _code_levels(key, probabilities, levels):
    with checks.mark_errors():
        return _CODERS[int(key)](probabilities, levels)


@contextlib.contextmanager
def _registered(coder):
    """The key, int64, by which a graph finds a coder meanwhile."""
    key = next(_KEYS)
    _CODERS[key] = coder
    try:
        yield tf.constant(key, tf.int64)
    finally:
        del _CODERS[key]


def _constriction():
    try:
        import constriction
    except ImportError as error:
        raise ImportError("compression needs a package: pip install 'keras-genzoo[compression]'.") from error
    return constriction


def _this_machine():
    return f"TensorFlow {tf.__version__}, {platform.machine()}"

"""Domains of numbers that are no pictures: labels, tokens, vectors, and the single numbers of a request."""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from keras_genzoo import checks, pictures
from keras_genzoo.domains.domain import Domain


@dataclasses.dataclass(frozen=True)
class Labels(Domain):
    """Classes `(n,)`, integers in 0..num_classes-1.

    Attributes:
        num_classes: int.
    """

    shape: tuple = ()
    name: str = "labels"
    num_classes: int = 1

    dtype = "int32"
    noun = "label"

    def check(self, values, name=None, check_values=None):
        if values is None:
            raise ValueError(
                f"`{name or self.name}` are missing: this model has num_classes={self.num_classes}. Give a batch "
                "(images, labels), or pass labels= with one integer an example."
            )
        return super().check(values, name, check_values)

    def check_spec(self, shape, dtype, name):
        if not dtype.is_integer or shape.rank not in (1, None):
            raise ValueError(
                f"`{name}` must be integers of shape (n,); got dtype {dtype.name}, shape {shape}. "
                "One-hot labels become integers with tf.argmax(labels, axis=-1)."
            )

    def check_values(self, values, name):
        k = self.num_classes
        return in_range(values, 0, k - 1, f"`{name}` must lie in 0..{k - 1} (num_classes={k}); this batch holds")

    def examples(self, n, seed=0):
        return (np.arange(n) % self.num_classes).astype("int32")


@dataclasses.dataclass(frozen=True)
class Tokens(Domain):
    """Sequences of tokens `(n, length)`, integers in 0..vocabulary_size-1.

    Attributes:
        shape: tuple `(length,)`; None for any length.
        vocabulary_size: int.
    """

    name: str = "tokens"
    vocabulary_size: int = 256

    dtype = "int32"
    noun = "sequence"

    def check_spec(self, shape, dtype, name):
        if not dtype.is_integer or not shape.is_compatible_with((None, *self.shape)):
            wanted = self.shape[0] or "length"
            raise ValueError(
                f"`{name}` must be integers of shape (n, {wanted}); got dtype {dtype.name}, shape {shape}. "
                "Turn text into the numbers of its tokens first, and cut or pad it to this length."
            )

    def check_values(self, values, name):
        k = self.vocabulary_size
        message = f"`{name}` must lie in 0..{k - 1} (vocabulary_size={k}); this batch holds"
        return in_range(values, 0, k - 1, message)

    def examples(self, n, seed=0):
        length = self.shape[0] or 8
        return np.random.default_rng(seed).integers(0, self.vocabulary_size, (n, length)).astype("int32")


@dataclasses.dataclass(frozen=True)
class Vectors(Domain):
    """Finite floats `(n, *shape)`: points, conditions, and (of shape `()`) one number an example, such as scores.

    Attributes:
        argument: str, the argument of the model that said the shape, for messages.
    """

    name: str = "vectors"
    argument: str = "shape"

    noun = "vector"

    def check(self, values, name=None, check_values=None):
        if values is None:
            raise ValueError(
                f"`{name or self.name}` are missing: this model has {self.argument}="
                f"{self.shape[0] if len(self.shape) == 1 else self.shape}. Give a batch (images, vectors), or pass "
                f"{self.name}= with one vector an example."
            )
        return super().check(values, name, check_values)

    def check_spec(self, shape, dtype, name):
        if not dtype.is_floating or not shape.is_compatible_with((None, *self.shape)):
            wanted = ", ".join(map(str, ("n", *self.shape)))
            raise ValueError(
                f"`{name}` must be floats of shape ({wanted}), as {self.argument} says; got dtype {dtype.name}, shape "
                f"{shape}."
            )

    def check_values(self, values, name):
        return finite(values, name)

    def examples(self, n, seed=0):
        return np.random.default_rng(seed).normal(size=(n, *self.shape)).astype("float32")


@dataclasses.dataclass(frozen=True)
class Values(Vectors):
    """Finite floats `(n, *shape)` of any range that a density is about: points, features, images as their numbers.

    Bytes count as levels 0 to 1, as those of images do; nothing is cut to [0, 1] but in pictures.
    """

    name: str = "values"

    noun = "value"

    @property
    def keys(self):
        return "value", self.name, "image"

    def check_spec(self, shape, dtype, name):
        super().check_spec(shape, tf.float32 if dtype == tf.uint8 else dtype, name)

    def check_values(self, values, name):
        return values if tf.as_dtype(values.dtype) == tf.uint8 else super().check_values(values, name)

    def convert(self, values):
        return pictures.to_float(values)

    def picture(self, values):
        """Values of an image's shape as images, cut to [0, 1]; points of a plane as one picture of them all."""
        if len(self.shape) == 3 and self.shape[-1] in (1, 3):
            return tf.clip_by_value(values, 0.0, 1.0)
        return pictures.scatter(np.asarray(values))[None] if self.shape == (2,) else None


@dataclasses.dataclass(frozen=True)
class Latents(Vectors):
    """Finite floats `(..., n, latent_dim)`: latents, also several for each example."""

    name: str = "latents"
    argument: str = "latent_dim"

    noun = "latent"

    def check_spec(self, shape, dtype, name):
        (latent_dim,) = self.shape
        if not dtype.is_floating or shape.rank is None or shape.rank < 2 or shape[-1] != latent_dim:
            raise ValueError(
                f"`{name}` must be floating of shape (..., n, {latent_dim}); got dtype {dtype.name}, shape {shape}."
            )

    def with_shape(self, values):
        return values


@dataclasses.dataclass(frozen=True)
class Number:
    """One number of a request to a served model, which no example has of its own: how many samples, which seed.

    Attributes:
        name: str, of the served input.
        dtype: str.
        low: number, the least that is taken.
        high: number, the largest.
        example: number, of a warm-up request.
        wanted: str, what is taken, in words; by default `lie in low..high`.
        remedy: str, what to do about another one.
    """

    name: str
    dtype: str
    low: float
    high: float
    example: float = 1
    wanted: str = ""
    remedy: str = ""

    @property
    def spec(self):
        """`tf.TensorSpec` of the number."""
        return tf.TensorSpec((), self.dtype, self.name)

    def check(self, value, check_values=True):
        """The number, required to lie between its bounds."""
        wanted = self.wanted or f"lie in {self.low}..{self.high}"
        is_right = (value >= self.low) & (value <= self.high)
        message = f"`{self.name}` must {wanted}; got"
        return checks.require(is_right, value, message, value, *([self.remedy] if self.remedy else []))

    def examples(self, n=1, seed=0):
        """A legal number, for warm-up requests and tests."""
        return np.array(self.example, self.dtype)


def count(name, largest):
    """The `Number` that is a whole one from 1 to `largest`."""
    return Number(name, "int32", 1, largest, remedy="(for more, ask several times).")


def seed():
    """The `Number` that seeds a request."""
    return Number("seed", "int32", -(2**31), 2**31 - 1, example=0)


def temperature():
    """The `Number` by which logits are divided."""
    smallest, largest = (float(x) for x in (np.finfo("float32").tiny, np.finfo("float32").max))
    return Number("temperature", "float32", smallest, largest, wanted="be positive and finite")


def in_range(values, low, high, message):
    """Returns integers, an array or tensor, required to lie in `low..high`."""
    least, largest = checks.extent(values)
    return checks.require((least >= low) & (largest <= high), values, message, least, "to", largest)


def finite(values, name):
    """Returns floats, an array or tensor, required to be finite."""
    least, largest = checks.extent(values)
    message = f"`{name}` must be finite; this batch holds NaN or infinite numbers."
    return checks.require((abs(least) < math.inf) & (abs(largest) < math.inf), values, message)

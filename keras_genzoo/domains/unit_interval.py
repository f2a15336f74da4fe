"""Domains whose values lie in [0, 1]: images, voxels, piano rolls, and masks of probabilities.

They enter as floats in [0, 1], or as uint8 in 0..255 (told apart by their dtype), and leave as float32 in [0, 1]. Any
other range (tanh, 256 levels, bits) is a model's private business.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_genzoo import checks, pictures
from keras_genzoo.domains.domain import Domain

_TOLERANCE = 1e-5  # resizing in float32 may overshoot 1.0 by a rounding error


@dataclasses.dataclass(frozen=True)
class UnitInterval(Domain):
    """Base class of these domains."""

    def check(self, values, name=None, check_values=None):
        if values is None:
            raise ValueError(
                f"`{name or self.name}` are missing: this model wants {self.name}. Give a batch (images, {self.name})."
            )
        return super().check(values, name, check_values)

    def check_spec(self, shape, dtype, name):
        if not shape.is_compatible_with((None, *self.shape)):
            given = tuple(shape) if shape.rank is not None else "of unknown rank"
            wanted = ", ".join("any" if side is None else str(side) for side in self.shape)
            raise ValueError(f"`{name}` must have shape (n, {wanted}); got {given}.{self.shape_hint(shape)}")
        if not (dtype.is_floating or dtype == tf.uint8):
            raise ValueError(
                f"`{name}` must be floating in [0, 1] or uint8 in 0..255; got dtype {dtype.name}. "
                f"Cast it: tf.cast({name}, tf.uint8) for levels 0..255, or divide by the largest level."
            )

    def shape_hint(self, shape):
        """What to do about a `tf.TensorShape` that does not fit, as a sentence after a space."""
        rank = len(self.shape)
        if shape.rank == rank and shape[1:].is_compatible_with(self.shape[:-1]):
            return f" Add the channel axis: {self.name}[..., None]."
        if shape.rank == rank and shape.is_compatible_with(self.shape):
            noun = self.name.removesuffix("s")
            return f" This looks like one {noun} or an unbatched data set: use {self.name}[None] or dataset.batch(128)."
        return ""

    def check_values(self, values, name):
        """Floats must lie in [0, 1] without NaN. A batch of bytes that holds 0 and 1 and nothing else is refused: it is
        bits, which as levels of 255 would be black throughout. One so dark in truth can be given as floats.
        """
        low, high = checks.extent(values)
        if tf.as_dtype(values.dtype) == tf.uint8:
            return checks.require(
                high != 1,
                values,
                f"`{name}` given as uint8 have levels 0..255; this batch holds 0 and 1 alone, which would all be "
                f'black. Multiply bits by 255; keras_genzoo.data.load("binarized_mnist") does. {self.name.capitalize()}'
                f" so dark go in as floats, {name} / 255.",
            )
        return checks.require(
            (low >= -_TOLERANCE) & (high <= 1 + _TOLERANCE),  # false for NaN
            values,
            f"`{name}` given as floats must lie in [0, 1] and hold no NaN; this batch spans",
            low,
            "to",
            high,
            f"(rescale them, or give uint8 {self.name} in 0..255).",
        )

    def convert(self, values):
        return pictures.to_float(values)

    def clip(self, values):
        return tf.clip_by_value(values, 0.0, 1.0)

    def examples(self, n, seed=0):
        shape = [side or 8 for side in self.shape]
        return np.random.default_rng(seed).uniform(size=(n, *shape)).astype("float32")


@dataclasses.dataclass(frozen=True)
class Images(UnitInterval):
    """Images `(n, h, w, c)`."""

    name: str = "images"
    noun = "image"

    def shape_hint(self, shape):
        hint = super().shape_hint(shape)
        if not hint and shape.rank == 4:
            hint = " Resize the images, or build the model with their image_shape."
        return hint

    def picture(self, values):
        values = tf.convert_to_tensor(values)
        if values.shape[-1] == 2:  # nothing shows two channels as colours: side by side
            values = tf.concat(tf.unstack(values[..., None], axis=-2), axis=2)
        return values[..., :3] if values.shape[-1] > 3 else values


@dataclasses.dataclass(frozen=True)
class LevelImages(Images):
    """Images of a few levels j / (num_levels - 1), and nothing between: what has a probability each.

    Attributes:
        num_levels: int, 2 to 256.
    """

    num_levels: int = 256

    @property
    def keys(self):
        return *super().keys, "image"

    def check_values(self, values, name):
        """float32, each value at its nearest level."""
        return self.at_levels(to_floats(super().check_values(values, name)), name)

    def at_levels(self, values, name=None, known=True):
        """Float array or tensor with each value at its nearest level, required to have been there where it is known.

        Args:
            values: float array or tensor `(n, h, w, c)`.
            name: str, the argument's name for messages.
            known: bool, broadcast to the values.
        """
        if isinstance(values, np.ndarray) and not values.size:
            return values
        ops = np if isinstance(values, np.ndarray) else tf
        steps = self.num_levels - 1
        rounded = ops.round(values * steps) / steps
        distance = ops.reshape(ops.where(known, ops.abs(values - rounded), 0.0), [-1])
        worst = ops.argmax(distance)
        is_exact_as_uint8 = 255 % steps == 0
        tolerance = max(0.01 / steps, 2.5e-4) if is_exact_as_uint8 else 0.501 / 255  # float16, uint8
        if self.num_levels == 2:
            remedy = 'binarise them: keras_genzoo.data.load(..., binarize="stochastic"), or np.round(images) of floats'
        else:
            remedy = f"round them, as floats: np.round(images * {steps}) / {steps}"
        if self.num_levels < 256:
            remedy += "; for 8-bit images as they are, build the model with num_levels=256"
        return checks.require(
            distance[worst] <= tolerance,
            rounded,
            f"`{name or self.name}` must hold the {self.num_levels} levels j / {steps} alone; this batch holds",
            ops.reshape(values, [-1])[worst],
            f"({remedy}).",
        )

    def examples(self, n, seed=0):
        levels = np.random.default_rng(seed).integers(0, self.num_levels, (n, *self.shape))
        return (levels / (self.num_levels - 1)).astype("float32")


def to_floats(values):
    """Checked values, array or tensor, as float32 in [0, 1] of the same kind."""
    if isinstance(values, np.ndarray):
        return values.astype("float32") / np.float32(255 if values.dtype == np.uint8 else 1)
    return pictures.to_float(values)


@dataclasses.dataclass(frozen=True)
class Masks(UnitInterval):
    """Masks `(n, h, w, k)`, the probability of each of k classes at each pixel; bool counts as 0 and 1."""

    name: str = "masks"
    noun = "mask"

    def check_spec(self, shape, dtype, name):
        super().check_spec(shape, tf.float32 if dtype == tf.bool else dtype, name)

    def check_values(self, values, name):
        return values if tf.as_dtype(values.dtype) == tf.bool else super().check_values(values, name)

    def picture(self, values):
        """Grey where there is one class, or two of which one is the rest; else each class in its colour."""
        values = self.convert(values)
        if self.shape[-1] <= 2:
            return values[..., -1:]
        hue = tf.range(self.shape[-1], dtype=tf.float32)[:, None] / self.shape[-1]
        colours = tf.image.hsv_to_rgb(tf.concat([hue, 0.8 * tf.ones_like(hue), tf.ones_like(hue)], axis=-1))  # (k, 3)
        return tf.clip_by_value(tf.einsum("nhwk,kc->nhwc", values, colours), 0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Voxels(UnitInterval):
    """Voxels `(n, x, y, z, c)`: how full each cell of a volume is; the last of the three axes points upwards."""

    name: str = "voxels"
    noun = "volume"

    def picture(self, values):
        """A view from the front, along the first axis: what is nearer is lighter, what is empty black."""
        filled = tf.reduce_max(self.convert(values), axis=-1)  # (n, x, y, z)
        depth = self.shape[0]
        shade = 1.0 - 0.7 * tf.range(depth, dtype=tf.float32) / max(1, depth - 1)
        seen = tf.reduce_max(filled * shade[:, None, None], axis=1)  # (n, y, z)
        return tf.transpose(seen, (0, 2, 1))[:, ::-1, :, None]


@dataclasses.dataclass(frozen=True)
class PianoRolls(UnitInterval):
    """Piano rolls `(n, steps, pitches, tracks)`: how likely each pitch sounds at each step."""

    name: str = "piano_rolls"
    noun = "piano roll"

    def picture(self, values):
        """Time to the right, pitch upwards; all tracks together."""
        sounding = tf.reduce_max(self.convert(values), axis=-1)
        return tf.transpose(sounding, (0, 2, 1))[:, ::-1, :, None]

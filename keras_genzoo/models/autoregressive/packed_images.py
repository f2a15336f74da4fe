"""The file of compressed images: what stands in it before the coded levels, and that it is whole.

    "genzoo", version of the format (1 byte), CRC-32 of all that follows
    hash of the model, hash of the images
    height, width, channels, levels, images coded at a time, number of images
    name of the preset that holds the model: a byte of length, then UTF-8
    words of the range coder: the classes of the images, one by one, then their levels

All numbers are little-endian. This module does without TensorFlow, so that a file can be looked at before it is there.
"""

import dataclasses
import hashlib
import inspect
import json
import struct
import zlib

import numpy as np

_MAGIC, _VERSION = b"genzoo", 1
_BEGINNING = struct.Struct("<6sBI")
_FIXED = struct.Struct("<8s8sHHHHHI")
_DIGEST_BYTES = 8
_DAMAGED = "`packed` is damaged or not complete: it is not what compress wrote. Copy it again."
_CHANGES_NO_PROBABILITY = ("name", "trainable", "dtype", "dropout")  # arguments of models


@dataclasses.dataclass(frozen=True)
class PackedImages:
    """Compressed images and what must be known to decompress them.

    Attributes:
        model_hash: bytes, `hash_of_model` of the model.
        images_hash: bytes, `hash_of_levels` of the images.
        image_shape: tuple `(height, width, channels)`.
        num_levels: int.
        batch_size: int, images that were coded at a time, but for the last.
        num_images: int.
        preset: str, the name of the preset that holds the model; empty where nothing was said of it.
        words: uint32 array, of the range coder.
    """

    model_hash: bytes
    images_hash: bytes
    image_shape: tuple
    num_levels: int
    batch_size: int
    num_images: int
    preset: str
    words: np.ndarray

    def to_bytes(self):
        numbers = (*self.image_shape, self.num_levels, self.batch_size, self.num_images)
        preset = self.preset.encode()
        rest = _FIXED.pack(self.model_hash, self.images_hash, *numbers) + bytes([len(preset)]) + preset
        rest += self.words.astype("<u4").tobytes()
        return _BEGINNING.pack(_MAGIC, _VERSION, zlib.crc32(rest)) + rest

    @classmethod
    def from_bytes(cls, packed):
        """What `to_bytes` made; ValueError for anything else, and where a bit of it has changed."""
        if not isinstance(packed, (bytes, bytearray, memoryview)):
            raise ValueError(f"`packed` must be bytes, as compress gives them; got {type(packed).__name__}.")
        packed = bytes(packed)
        if packed[: len(_MAGIC)] != _MAGIC[: len(packed)] or not packed:
            raise ValueError("`packed` was not written by compress: it does not begin as its files do.")
        if len(packed) < _BEGINNING.size:
            raise ValueError(_DAMAGED)
        _, version, checksum = _BEGINNING.unpack_from(packed)
        rest = packed[_BEGINNING.size :]
        if version > _VERSION:
            raise ValueError(
                f"`packed` is of version {version} of the format, and this package reads version {_VERSION}; "
                "update keras_genzoo."
            )
        if zlib.crc32(rest) != checksum:
            raise ValueError(_DAMAGED)
        model_hash, images_hash, height, width, channels, *numbers = _FIXED.unpack_from(rest)
        end = _FIXED.size + 1 + rest[_FIXED.size]
        preset = rest[_FIXED.size + 1 : end].decode()
        words = np.frombuffer(rest[end:], "<u4").astype("uint32")
        return cls(model_hash, images_hash, (height, width, channels), *numbers, preset, words)


def hash_of_model(model):
    """What tells a model from any that gives other probabilities: its class, arguments and weights, 8 bytes.

    Its precision does not count, as the coder has one of its own; nor does an argument at its default, so that a file
    can still be read when a model has got one more.
    """
    defaults = {}
    for cls in reversed(type(model).__mro__):
        for name, parameter in inspect.signature(cls.__init__).parameters.items():
            defaults[name] = json.dumps(parameter.default, default=str)
    arguments = {name: json.dumps(value) for name, value in model.get_config().items()}
    chosen = sorted(
        (name, text)
        for name, text in arguments.items()
        if name not in _CHANGES_NO_PROBABILITY and text != defaults.get(name)
    )
    digest = hashlib.blake2b(json.dumps([type(model).__name__, chosen]).encode(), digest_size=_DIGEST_BYTES)
    for weights in model.get_weights():
        digest.update(weights.astype("<f4").tobytes())
    return digest.digest()


def hash_of_levels(levels):
    """8 bytes of the levels 0, 1, ... of images, an int array `(n, h, w, c)`."""
    return hashlib.blake2b(levels.astype("uint8").tobytes(), digest_size=_DIGEST_BYTES).digest()

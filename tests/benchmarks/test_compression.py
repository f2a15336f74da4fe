"""Lossless compression of 10,000 static MNIST images: bytes and seconds, beside general compressors on the same bits.

python -m pytest -m benchmark -s tests/benchmarks/test_compression.py
"""

import io
import lzma
import math
import zlib

import numpy as np
import pytest
from PIL import Image

import keras_genzoo as gz
from keras_genzoo import exact_pictures
from tests.benchmarks import timing
from tests.conftest import require_tfds

NUM_IMAGES = 10_000


def saved(picture, **options):
    content = io.BytesIO()
    picture.save(content, **options)
    return len(content.getvalue())


def general_compressors(images):
    """Bytes that others take for uint8 images `(n, h, w, 1)` of bits, each in the form that suits it best."""
    bits = images > 0
    forms = [bits.tobytes(), np.packbits(bits.reshape(len(bits), -1), axis=1).tobytes(), np.packbits(bits).tobytes()]
    columns = [k for k in (1, 2, 4, 5, 8, 10, 20, 40, 50, 100, 200) if k <= len(images)]
    tilings = [exact_pictures.tiled(images, k) for k in columns]
    pictures = [Image.fromarray(tiling[..., 0]).convert("1", dither=Image.Dither.NONE) for tiling in tilings]
    return {
        "zlib": min(len(zlib.compress(form, 9)) for form in forms),
        "LZMA": min(len(lzma.compress(form, preset=9 | lzma.PRESET_EXTREME)) for form in forms),
        "PNG, one file": min(len(exact_pictures.png(tiling)) for tiling in tilings),
        "PNG, a file an image": sum(len(exact_pictures.png(image)) for image in images),
        "CCITT group 4 (TIFF), one file": min(saved(p, format="TIFF", compression="group4") for p in pictures),
    }


@pytest.mark.benchmark
def test_static_mnist():
    require_tfds("binarized_mnist")
    dataset = gz.data.load("binarized_mnist", "test", batch_size=1000, labels=False, shuffle=False)
    images = np.concatenate([batch.numpy() for batch in dataset.take(NUM_IMAGES // 1000)])
    model = gz.GatedPixelCNN.from_preset("gated_pixelcnn_binarized_mnist")
    nats = np.concatenate([model.log_prob(images[i : i + 1000]) for i in range(0, len(images), 1000)])
    ideal = -nats.astype("float64").sum() / math.log(2) / 8
    model.decompress(model.compress(images[:1]))  # traces
    packed, restored = [], []
    compressing = timing.seconds_of(lambda: packed.append(model.compress(images)))
    decompressing = timing.seconds_of(lambda: restored.append(model.decompress(packed[0])))
    np.testing.assert_array_equal(restored[0] * 255, images)
    print(f"\n{len(images)} images; compressing took {compressing:.0f} s, decompressing {decompressing:.0f} s")
    for name, size in {"-log2 p": ideal, "compress": len(packed[0]), **general_compressors(images)}.items():
        print(f"{name}: {size:,.0f} bytes, {8 * size / images.size:.4f} bits/dim, {size / ideal:.4f} of -log2 p")
    assert len(packed[0]) <= 1.01 * ideal

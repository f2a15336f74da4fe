"""Compression: what comes back, in how many bits, and what is refused."""

import dataclasses
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo.models.autoregressive import compression
from keras_genzoo.models.autoregressive.packed_images import PackedImages, hash_of_model
from tests.autoregressive.conftest import every_image, with_random_weights

CASES = {
    "bits": {"image_shape": (4, 5, 1)},
    "colours of 5 levels, classes": {"image_shape": (3, 3, 3), "num_levels": 5, "num_classes": 10},
    "256 levels": {"image_shape": (3, 5, 1), "num_levels": 256},
    "256 levels, logistics, colours": {"image_shape": (2, 3, 3), "num_levels": 256, "likelihood": "logistic_mixture"},
    "vectors": {"image_shape": (3, 5, 1), "condition_dim": 2},
    "one class, bfloat16": {"image_shape": (3, 5, 1), "num_classes": 1, "dtype": "mixed_bfloat16"},
}
MOST_BITS = 64  # of a stream beside those of its symbols


def noise(model, n, seed=1):
    levels = np.random.default_rng(seed).integers(0, model.num_levels, (n, *model.image_shape))
    return (levels / (model.num_levels - 1)).astype("float32")


def labels_of(model, n):
    generator = np.random.default_rng(2)
    if model.num_classes:
        return generator.integers(0, model.num_classes, n)
    return generator.normal(size=(n, 2)).astype("float32") if model.condition_dim else None


@pytest.fixture(scope="module")
def model():
    return with_random_weights("PixelCNN", (3, 5, 1), num_levels=3)


@pytest.fixture(scope="module")
def packed(model):
    return model.compress(noise(model, 20))


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
def test_images_come_back_from_about_minus_log2_p_bits(make, arguments):
    model, n = make(**arguments), 30
    labels = labels_of(model, n)
    vectors = labels if model.condition_dim else None
    images = noise(model, n)
    images[n // 2 :] = 0  # less even than noise
    packed = model.compress(images, labels)
    np.testing.assert_array_equal(model.decompress(packed, vectors), images)
    ideal = -model.log_prob(images, labels).numpy().astype("float64").sum() / math.log(2)
    ideal += n * math.log2(model.num_classes or 1)
    bits = 32 * len(PackedImages.from_bytes(packed).words)
    # Logits are rounded to 64ths of a nat; log_prob computes in less than float64.
    slack = images.size / 64 / math.log(2) + (0.01 if model.compute_dtype == "bfloat16" else 1e-4) * ideal
    assert ideal - slack <= bits <= ideal + slack + MOST_BITS
    assert len(packed) - bits / 8 < 80


@pytest.mark.parametrize("num_levels", [2, 256])
def test_levels_of_no_probability_survive_at_24_bits(num_levels):
    """A model that is certain, in float32, of the lowest or of the highest level."""
    model, n = with_random_weights("PixelCNN", (2, 3, 1), num_levels=num_levels), 5
    for certain in (0, num_levels - 1):
        head = np.zeros(model.network.head.bias.shape, "float32")
        if num_levels == 2:
            head[:] = 400 * certain - 200
        else:
            head[certain] = 200
        model.network.head.kernel.assign(tf.zeros_like(model.network.head.kernel))
        model.network.head.bias.assign(head)
        images = np.repeat(np.array([0, 1], "float32"), n)[:, None, None, None] * np.ones((2, 3, 1), "float32")
        packed = model.compress(images)
        np.testing.assert_array_equal(model.decompress(packed), images)
        bits = 32 * len(PackedImages.from_bytes(packed).words)
        most = 24 * images.size / 2  # of the half of the images that is not what the model is certain of
        assert 23 / 24 * most <= bits <= most + MOST_BITS


def test_every_image_there_is(make):
    model = make((2, 2, 1), num_levels=3)
    images = every_image((2, 2, 1), 3)
    np.testing.assert_array_equal(model.decompress(model.compress(images)), images)


def test_batches_of_any_remainder(model, monkeypatch):
    whole = noise(model, 9)
    for n, batch_size in ((1, 3), (6, 3), (7, 3)):
        monkeypatch.setattr(compression, "_BATCH_SIZE", batch_size)
        packed = model.compress(whole[:n])
        monkeypatch.setattr(compression, "_BATCH_SIZE", 5)  # what counts is what the file says
        np.testing.assert_array_equal(model.decompress(packed), whole[:n])


def test_the_same_bytes_whatever_came_before_and_whatever_the_form(model, packed):
    images = noise(model, 20)
    model.decompress(model.compress(images[:3]))
    copy = type(model).from_config({**model.get_config(), "name": "another"})
    copy.set_weights(model.get_weights())
    for same in (model.compress(images), copy.compress(images.astype("float16")), model.compress(tf.constant(images))):
        assert same == packed
    as_bytes = np.round(255 * images).astype("uint8")  # 0, 128 and 255
    np.testing.assert_array_equal(model.decompress(model.compress(as_bytes)), images)


def test_header(model, packed):
    images = noise(model, 20)
    named = PackedImages.from_bytes(model.compress(images, preset="pixelcnn_é"))
    assert named.preset == "pixelcnn_é" and PackedImages.from_bytes(packed).preset == ""
    assert (named.image_shape, named.num_levels, named.num_images) == ((3, 5, 1), 3, 20)
    np.testing.assert_array_equal(named.words, PackedImages.from_bytes(packed).words)
    with pytest.raises(ValueError, match="`preset` must be a name of at most 255 bytes"):
        model.compress(images, preset="x" * 256)


def test_whatever_is_damaged_is_refused_before_any_work(model, packed, monkeypatch):
    monkeypatch.setattr(model, "_code", lambda *_: pytest.fail("it decodes"))
    for place in range(len(packed)):
        wrong = bytearray(packed)
        wrong[place] ^= 1 << place % 8
        with pytest.raises(ValueError, match=r"^`packed` (is damaged|is of version|was not written by compress)"):
            model.decompress(bytes(wrong))
    for length in range(len(packed)):
        with pytest.raises(ValueError, match=r"^`packed` (is damaged or not complete|was not written by compress)"):
            model.decompress(packed[:length])
    with pytest.raises(ValueError, match="is damaged"):
        model.decompress(packed + b"\0")
    with pytest.raises(ValueError, match="was not written by compress"):
        model.decompress(b"\x89PNG" + packed)
    with pytest.raises(ValueError, match=r"`packed` must be bytes.*got str"):
        model.decompress("packed.genzoo")
    newer = bytearray(packed)
    newer[6] = 2
    with pytest.raises(ValueError, match=r"is of version 2 of the format.*reads version 1; update keras_genzoo"):
        model.decompress(newer)


def test_files_of_another_model_are_refused(model, packed):
    other = with_random_weights("PixelCNN", (3, 5, 1), seed=1, num_levels=3)
    wider = with_random_weights("PixelCNN", (3, 6, 1), num_levels=3)
    for wrong in (other, wider, with_random_weights("GatedPixelCNN", (3, 5, 1), num_levels=3)):
        with pytest.raises(ValueError, match=r"by another model, one of 3x5x1 images of 3 levels.*Load the model"):
            wrong.decompress(packed)
    named = model.compress(noise(model, 1), preset="pixelcnn_digits")
    with pytest.raises(ValueError, match="It was the preset 'pixelcnn_digits'"):
        other.decompress(named)


def test_a_model_is_known_by_all_that_changes_a_probability():
    def digest(**arguments):
        return hash_of_model(with_random_weights("PixelCNN", (3, 5, 1), **arguments))

    own = digest()
    assert own == digest() == digest(dropout=0.1) == digest(dtype="mixed_bfloat16")
    others = [digest(**arguments) for arguments in ({"dilations": (1, 2)}, {"seed": 1})]
    model = with_random_weights("PixelCNN", (3, 5, 1))
    bias = model.trainable_variables[-1]
    bias.assign(np.nextafter(bias.numpy(), np.float32(9)))
    assert len({own, *others, hash_of_model(model)}) == 4


def test_an_argument_that_models_get_later_leaves_their_files_readable():
    model = with_random_weights("PixelCNN", (3, 5, 1))
    digest, config = hash_of_model(model), gz.PixelCNN.get_config

    class PixelCNN(gz.PixelCNN):
        def __init__(self, *args, later=(), **kwargs):
            super().__init__(*args, **kwargs)
            self.later = later

        def get_config(self):
            return {**config(self), "later": list(self.later)}

    later = PixelCNN((3, 5, 1), num_filters=6, num_residual_blocks=2)
    later.set_weights(model.get_weights())
    assert hash_of_model(later) == digest
    later.later = [1]
    assert hash_of_model(later) != digest


def test_last_digits_and_the_precision_of_the_model_change_nothing(make, monkeypatch):
    """As on other processors: logits of float64 come out otherwise in the 13th digit."""
    model = make((3, 5, 1), num_levels=5)
    images, shares, generator = noise(model, 200), compression._shares, np.random.default_rng(0)
    packed = model.compress(images)
    changed = []

    def elsewhere(logits):
        others = logits + 1e-12 * generator.normal(size=logits.shape)
        changed.append((others != logits).mean())
        return shares(others)

    monkeypatch.setattr(compression, "_shares", elsewhere)
    half = type(model).from_config({**model.get_config(), "dtype": "mixed_bfloat16"})
    half.set_weights(model.get_weights())
    np.testing.assert_array_equal(half.decompress(packed), images)
    assert min(changed) > 0.9


def test_probabilities_are_those_of_the_logits_but_for_a_64th():
    logits = np.random.default_rng(0).normal(0, 5, (100, 7))
    shares = compression._shares(logits)
    np.testing.assert_array_equal(shares, np.round(shares))
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    found = np.log(shares / shares.sum(axis=1, keepdims=True))
    is_likely = expected > -12  # below, a share of 2^24 has few digits
    assert np.abs(found - expected)[is_likely].max() < 1 / 64 + 0.01
    np.testing.assert_array_equal(compression._shares(np.array([[-1e9, 0.0, -17.0]])), [[1, 2**24, 1]])


def test_other_probabilities_are_refused_and_their_images_not_given(make, monkeypatch):
    """Those of nearly the same model, and of one that has nothing to do with it, where its hash does not tell."""
    for scale in (0.02, 3.0):
        model = make((3, 5, 1), num_levels=3)
        packed = model.compress(noise(model, 50))
        own = hash_of_model(model)
        monkeypatch.setattr(compression, "hash_of_model", lambda _, own=own: own)
        for variable in model.trainable_variables:
            variable.assign_add(tf.random.stateless_normal(variable.shape, (0, 0), 0, scale))
        with pytest.raises(ValueError, match=r"^`packed` comes to other images here.*Decompress it there"):
            model.decompress(packed)
        monkeypatch.undo()


def test_words_that_no_encoder_writes(model, packed):
    whole = PackedImages.from_bytes(packed)
    for words in (np.zeros_like(whole.words), ~np.zeros_like(whole.words), whole.words[:0]):
        with pytest.raises(ValueError, match=r"^`packed` comes to other images"):
            model.decompress(dataclasses.replace(whole, words=words).to_bytes())


def test_vectors_are_asked_for_and_told_apart(make):
    model = make((3, 5, 1), condition_dim=2)
    images, vectors = noise(model, 20), labels_of(model, 20)
    packed = model.compress(images, vectors)
    with pytest.raises(ValueError, match="`labels`"):
        model.decompress(packed)
    with pytest.raises(ValueError, match=r"`labels`.*20"):
        model.decompress(packed, vectors[:3])
    with pytest.raises(ValueError, match="comes to other images here than were compressed, with other `labels`, or"):
        model.decompress(packed, vectors[::-1])


def test_what_is_refused(model, packed, monkeypatch):
    images = noise(model, 2)
    with pytest.raises(ValueError, match="`images` are empty"):
        model.compress(images[:0])
    with pytest.raises(ValueError, match="`images` must hold the 3 levels"):
        model.compress(images * 0.9 + 0.05)
    with pytest.raises(ValueError, match=r"`images` must have shape \(n, 3, 5, 1\)"):
        model.compress(images[:, :2])
    with pytest.raises(ValueError, match="`labels` given, but this model was built without condition_dim"):
        model.decompress(packed, np.zeros(20, int))
    of_classes = with_random_weights("PixelCNN", (3, 5, 1), num_classes=3)
    kept = of_classes.compress(noise(of_classes, 2), [0, 2])
    with pytest.raises(ValueError, match="`labels` of classes are kept in `packed`"):
        of_classes.decompress(kept, [0, 2])
    bias = of_classes.network.head.bias
    bias.assign(bias * np.nan)
    with pytest.raises(ValueError, match=r"^the model's probabilities are NaN"):
        of_classes.compress(noise(of_classes, 2), [0, 2])
    monkeypatch.setitem(sys.modules, "constriction", None)
    for verb, value in ((model.compress, images), (model.decompress, packed)):
        with pytest.raises(ImportError, match=r"pip install 'keras-genzoo\[compression\]'"):
            verb(value)


ELSEWHERE = """
import sys
import numpy as np
import tensorflow as tf
import keras_genzoo as gz
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[3]))
model = gz.GenerativeModel.from_preset(sys.argv[4])
np.save(sys.argv[2], model.decompress(open(sys.argv[1], "rb").read()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["gated_pixelcnn_binarized_mnist", "gated_pixelcnn_fashion_mnist"])
def test_another_process_decodes_with_any_number_of_threads_and_other_kernels(tmp_path, monkeypatch, preset):
    model = gz.GenerativeModel.from_preset(preset)
    n = 61 if model.num_levels == 2 else 21
    monkeypatch.setattr(compression, "_BATCH_SIZE", n - 1)  # and one image alone, for which kernels differ most
    labels = labels_of(model, n)
    images = np.concatenate([model.sample(n - 10, None if labels is None else labels[10:], seed=0), noise(model, 10)])
    (tmp_path / "packed").write_bytes(model.compress(images, labels))
    for num_threads, has_onednn in ((1, "1"), (3, "0")):
        arguments = [tmp_path / "packed", tmp_path / "images.npy", num_threads, preset]
        environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": has_onednn}
        subprocess.run([sys.executable, "-c", ELSEWHERE, *map(str, arguments)], check=True, env=environment)
        np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), images)


@pytest.mark.slow
def test_1001_images_and_a_batch_of_1000():
    model = with_random_weights("PixelCNN", (3, 5, 1))
    images = noise(model, 1001)
    np.testing.assert_array_equal(model.decompress(model.compress(images)), images)

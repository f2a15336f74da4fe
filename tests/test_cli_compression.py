"""`genzoo compress` and `genzoo decompress`, as a user meets them."""

import re

import numpy as np
import pytest
from PIL import Image

import keras_genzoo as gz
from keras_genzoo import exact_pictures
from keras_genzoo.models.autoregressive.packed_images import PackedImages
from tests.autoregressive.conftest import with_random_weights
from tests.command_line import genzoo

pytestmark = pytest.mark.xdist_group("command line")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Ten images of the 17 levels of digits, as the preset pixelcnn_digits wants them, and a file of them."""
    path = tmp_path_factory.mktemp("arrays") / "digits.npz"
    (images,) = gz.data.load("digits", "test", batch_size=10, labels=False, shuffle=False).take(1)
    np.savez(path, x=images.numpy())
    return images.numpy(), path


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """Presets of small models: of bits, of classes, of vectors and of colours."""
    folder = tmp_path_factory.mktemp("presets")
    for name, arguments in {
        "bits": {},
        "classes": {"num_classes": 3},
        "vectors": {"condition_dim": 2},
        "colours": {"image_shape": (3, 5, 3), "num_levels": 256, "likelihood": "logistic_mixture"},
    }.items():
        with_random_weights("PixelCNN", **{"image_shape": (3, 5, 1), **arguments}).save_to_preset(folder / name)
    return folder


def random_pictures(folder, n, shape, levels=(0, 255)):
    pixels = np.random.default_rng(0).choice(np.array(levels, "uint8"), (n, *shape))
    for i, image in enumerate(pixels):
        Image.fromarray(image[..., 0] if shape[-1] == 1 else image).save(folder / f"p{i:02}.png")
    return pixels, sorted(folder.glob("p*.png"))


def test_a_shipped_preset_is_found_by_its_name_in_the_file(digits, tmp_path):
    images, path = digits
    packed = tmp_path / "new" / "digits.genzoo"
    printed = genzoo("compress", path, "--model", "pixelcnn_digits", "--output", packed)
    size = packed.stat().st_size
    assert f"Wrote {packed} in the new folder {packed.parent}: 10 images in {size:,} bytes, " in printed
    assert f"{8 * size / images.size:.4f} bits/dim.\n" in printed
    pngs = [int(text.replace(",", "")) for text in re.findall(r"As PNG, [a-z ]+: ([0-9,]+) bytes, ", printed)]
    assert len(pngs) == 2 and min(pngs) > size
    assert PackedImages.from_bytes(packed.read_bytes()).preset == "pixelcnn_digits"

    out = tmp_path / "out.npz"
    assert genzoo("decompress", packed, "--output", out) == f"Wrote {out}: 10 images.\n"
    with np.load(out) as arrays:
        np.testing.assert_array_equal(arrays["x"], images)
    again = tmp_path / "again.genzoo"
    genzoo("compress", out, "--model", "pixelcnn_digits", "--output", again)
    assert again.read_bytes() == packed.read_bytes()


def test_pictures_come_back_as_pictures(presets, tmp_path):
    pixels, pictures = random_pictures(tmp_path, 11, (3, 5, 3), range(256))
    packed, out = tmp_path / "packed.genzoo", tmp_path / "out"
    genzoo("compress", *pictures, "--model", presets / "colours", "--output", packed)
    genzoo("decompress", packed, "--output", out, fails_with="names no preset; name the model that packed it: --model")
    genzoo("decompress", packed, "--model", presets / "colours", "--output", out)
    written = sorted(out.iterdir())
    assert [path.name for path in written] == [f"{i:02}.png" for i in range(11)]
    np.testing.assert_array_equal([np.asarray(Image.open(path)) for path in written], pixels)


def test_labels_of_arrays_and_of_the_command(presets, tmp_path):
    generator = np.random.default_rng(0)
    images, labels = generator.integers(0, 2, (20, 3, 5)).astype("float32"), generator.integers(0, 3, 20)
    np.savez(tmp_path / "labelled.npz", x=images, y=labels)
    np.save(tmp_path / "bare.npy", images)
    command = ("compress", "--model", presets / "classes", "--output")
    genzoo(*command, tmp_path / "a.genzoo", tmp_path / "labelled.npz")
    genzoo(*command, tmp_path / "b.genzoo", tmp_path / "bare.npy", "--label", 2)
    model = gz.PixelCNN.from_preset(presets / "classes")
    assert (tmp_path / "a.genzoo").read_bytes() == model.compress(images[..., None], labels)
    assert (tmp_path / "b.genzoo").read_bytes() == model.compress(images[..., None], [2] * 20)
    genzoo("decompress", tmp_path / "a.genzoo", "--model", presets / "classes", "--output", tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["x"], 255 * images[..., None])


def test_labels_that_are_missing_or_too_many(presets, tmp_path):
    images = np.zeros((20, 3, 5))
    np.savez(tmp_path / "labelled.npz", x=images, y=np.zeros(20, int))
    np.save(tmp_path / "bare.npy", images)
    command = ("compress", "--model", presets / "classes", "--output")
    no = tmp_path / "no.genzoo"
    genzoo(*command, no, tmp_path / "bare.npy", fails_with="give --label, or labels y in .npz files; neither is given")
    genzoo(*command, no, tmp_path / "labelled.npz", "--label", 1, fails_with="both are given")
    mixed = (tmp_path / "labelled.npz", tmp_path / "bare.npy")
    genzoo(*command, no, *mixed, fails_with="some of the files hold labels and some do not")
    of_bits = ("compress", tmp_path / "bare.npy", "--model", presets / "bits", "--output", no)
    genzoo(*of_bits, "--label", 1, fails_with="knows no classes; leave out --label")
    of_vectors = ("compress", tmp_path / "bare.npy", "--model", presets / "vectors", "--output", no)
    genzoo(*of_vectors, fails_with="is conditioned on vectors, which a file does not keep")
    assert not no.exists()


def test_levels_are_exact_or_made_so_on_request(presets, tmp_path):
    pixels, pictures = random_pictures(tmp_path, 6, (3, 5, 1), range(256))
    packed, out = tmp_path / "packed.genzoo", tmp_path / "out.npz"
    command = ("compress", *pictures, "--model", presets / "bits", "--output", packed)
    genzoo(*command, fails_with="p00.png' holds grey levels that the model does not know, such as")
    genzoo(*command, fails_with="its 2 are 0, 255. Make bits of them by --binarize threshold, or take a model with")
    assert not packed.exists()
    genzoo(*command, "--binarize", "threshold")
    genzoo("decompress", packed, "--model", presets / "bits", "--output", out)
    with np.load(out) as arrays:
        np.testing.assert_array_equal(arrays["x"], np.where(pixels >= 128, 255, 0))
    halves = np.full((2, 3, 5), 127, "uint8")  # 128 is what 8 / 16 comes to; 127 would come back as that
    np.save(tmp_path / "halves.npy", halves)
    with pytest.raises(ValueError, match="such as 127: its 17 are 0, 16, 32"):
        exact_pictures.read([tmp_path / "halves.npy"], (3, 5, 1), 17)
    command = ("compress", *pictures, "--model", presets / "colours", "--output", tmp_path / "no.genzoo")
    genzoo(*command, "--binarize", "threshold", fails_with="--binarize is for models of bits")
    genzoo(*command, fails_with="must hold images of shape (3, 5, 3), those of the model; got (3, 5, 1)")


def test_every_level_is_known_again_by_its_byte():
    for num_levels in range(2, 257):
        levels = (np.arange(num_levels) / (num_levels - 1)).astype("float32")
        as_bytes = exact_pictures.as_bytes(levels)
        np.testing.assert_array_equal(np.round(as_bytes / 255 * (num_levels - 1)), np.arange(num_levels))


def test_nothing_is_overwritten(digits, tmp_path):
    _, path = digits
    packed, out = tmp_path / "packed.genzoo", tmp_path / "out"
    packed.write_bytes(b"mine")
    out.mkdir()
    message = f"output '{packed}' exists; choose another with --output, or remove it first."
    genzoo("compress", path, "--model", "pixelcnn_digits", "--output", packed, fails_with=message)
    genzoo("decompress", packed, "--output", out, fails_with="exists; choose another with --output")
    assert packed.read_bytes() == b"mine" and not list(out.iterdir())


def test_what_is_refused(digits, presets, tmp_path):
    _, path = digits
    no = tmp_path / "no.genzoo"
    for name in ("no.zip", "no"):
        message = f"--output must end in .genzoo; got {tmp_path / name}"
        genzoo("compress", path, "--model", "pixelcnn_digits", "--output", tmp_path / name, fails_with=message)
    for preset, kind in (("vae_digits", "VAE"), ("gaussian_mixture_digits", "GaussianMixture")):
        message = f"preset '{preset}' holds a {kind}, which compresses nothing; autoregressive models do"
        genzoo("compress", path, "--model", preset, "--output", no, fails_with=message)
    genzoo("compress", path, "--model", "pixelcnn", "--output", no, fails_with="Nearest names: pixelcnn_digits")
    genzoo("compress", path, "--output", no, fails_with="Missing option '--model'")
    np.save(tmp_path / "grey.npy", np.full((2, 3, 5), 0.4))
    command = ("compress", tmp_path / "grey.npy", "--model", presets / "bits", "--output", no)
    genzoo(*command, fails_with="`images` must hold the 2 levels")
    assert not no.exists()


def test_files_that_hold_no_such_images(tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    (tmp_path / "broken.png").write_bytes(b"PNG")
    np.savez(tmp_path / "other.npz", pictures=np.zeros((2, 3, 5)))
    np.save(tmp_path / "ints.npy", np.zeros((2, 3, 5), int))
    np.save(tmp_path / "bytes.npy", np.zeros((2, 3, 5), "uint8"))
    np.save(tmp_path / "floats.npy", np.zeros((2, 3, 5)))
    Image.new("LA", (5, 3)).save(tmp_path / "clear.png")
    for name, message in {
        "broken.npz": "broken.npz' cannot be read as arrays",
        "broken.png": "broken.png' cannot be read as a picture",
        "other.npz": "must hold an array x of images; it holds pictures",
        "ints.npy": r"uint8 or float in \[0, 1\]; got shape \(2, 3, 5, 1\), dtype int64",
        "clear.png": "is transparent in parts",
    }.items():
        with pytest.raises(ValueError, match=message):
            exact_pictures.read([tmp_path / name], (3, 5, 1), 2)
    with pytest.raises(ValueError, match="some of the files hold uint8 and some hold floats"):
        exact_pictures.read([tmp_path / "bytes.npy", tmp_path / "floats.npy"], (3, 5, 1), 2)


def test_packed_files_that_are_refused(digits, presets, tmp_path):
    _, path = digits
    packed = tmp_path / "packed.genzoo"
    packed.write_bytes(gz.PixelCNN.from_preset(presets / "bits").compress(np.ones((1, 3, 5, 1)), preset="long_gone"))
    out = tmp_path / "out"
    genzoo("decompress", packed, "--output", out, fails_with="names preset 'long_gone', which is not here")
    message = f"'{packed}' was written by another model, one of 3x5x1 images of 2 levels"
    genzoo("decompress", packed, "--model", "pixelcnn_digits", "--output", out, fails_with=message)
    genzoo(
        "decompress", packed, "--output", tmp_path / "out.png", fails_with="must be a folder for pictures, or end in"
    )
    packed.write_bytes(packed.read_bytes()[:-1])
    genzoo("decompress", packed, "--output", out, fails_with=f"'{packed}' is damaged or not complete")
    genzoo("decompress", path, "--output", out, fails_with=f"'{path}' was not written by compress")
    assert not out.exists()

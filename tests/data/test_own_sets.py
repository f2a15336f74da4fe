"""data.load of a user's own folder or file: what is read, how it is split, and what is said of what cannot be read."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_genzoo import data, picture_files
from keras_genzoo.data import own_sets

HALVES = np.zeros((40, 60, 3), "uint8")  # red on the left, blue on the right; a grey top on either side
HALVES[:, :30, 0], HALVES[:, 30:, 2] = 200, 200
HALVES[:10] = 120


def all_images(dataset):
    return np.concatenate([batch.numpy() for batch in dataset])


def save(folder, number, suffixes=("png",), size=(24, 20), mode="RGB", names="picture {}"):
    """Pictures, each of one level in all its pixels, and their levels."""
    folder.mkdir(parents=True, exist_ok=True)
    levels = {}
    for i in range(number):
        levels[names.format(i)] = level = 5 + 240 * i // number
        picture = Image.new("L", size, level).convert(mode)
        picture.save(folder / f"{names.format(i)}.{suffixes[i % len(suffixes)]}", quality=95)
    return levels


# ---- pixels ----


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "webp"])
def test_a_picture_is_read_as_it_looks(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(HALVES).save(path, lossless=True, quality=95)
    pixels = picture_files.decode(path)
    assert pixels.shape == (40, 60, 3) and pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels.astype(int), HALVES, atol=0 if suffix in ("png", "webp") else 90)
    assert np.abs(pixels.astype(int) - HALVES).mean() < 3


def test_a_photograph_taken_on_its_side_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    Image.fromarray(np.rot90(HALVES)).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(picture_files.decode(tmp_path / "a.png"), HALVES)
    assert picture_files.shapes([tmp_path / "a.png"]) == {tmp_path / "a.png": (40, 60, 3)}


def test_the_middle_is_taken_and_proportions_stay(tmp_path):
    wide = np.full((30, 60, 3), 255, "uint8")
    wide[:, 15:45] = HALVES[10:, 15:45]  # white at the sides, which are cut off
    Image.fromarray(wide).save(tmp_path / "a.png")
    pixels = picture_files.decode(tmp_path / "a.png", (15, 15)).astype(int)
    assert (pixels[:, 2:6] == [200, 0, 0]).all() and (pixels[:, 9:13] == [0, 0, 200]).all()


def test_what_is_transparent_lies_on_white(tmp_path):
    picture = np.zeros((8, 8, 4), "uint8")
    picture[:4, :, 3] = 255  # black above, nothing below
    Image.fromarray(picture).save(tmp_path / "a.png")
    pixels = picture_files.decode(tmp_path / "a.png")
    assert (pixels[:4] == 0).all() and (pixels[4:] == 255).all()
    palette = Image.fromarray(picture).convert("P")
    palette.info["transparency"] = palette.getpixel((0, 7))
    palette.save(tmp_path / "b.png", transparency=palette.getpixel((0, 7)))
    assert (picture_files.decode(tmp_path / "b.png")[4:] == 255).all()


def test_grey_and_colours(tmp_path):
    levels, path = np.arange(64, dtype="uint8").reshape(8, 8), tmp_path / "a.png"
    Image.fromarray(levels).save(path)
    assert picture_files.decode(path).shape == (8, 8, 1)
    np.testing.assert_array_equal(picture_files.decode(path, channels=3), np.repeat(levels[..., None], 3, axis=2))


# ---- sets ----


def test_a_folder_of_every_kind(tmp_path):
    """Mixed sizes, formats and modes; hidden and other files are none of the set."""
    save(tmp_path, 20, ("png", "jpg", "webp"))
    save(tmp_path / "below", 10, ("PNG",), size=(50, 70), mode="L", names="other {}")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._picture 1.png").write_bytes(b"of another system")
    images = all_images(data.load(tmp_path, "all", image_size=16, shuffle=False))
    assert images.shape == (30, 16, 16, 3) and images.dtype == np.uint8
    assert data.num_images(tmp_path, "all") == 30
    small = data.load(str(tmp_path), "all", image_size=(8, 12), channels=1)
    assert small.element_spec.shape == (None, 8, 12, 1)


def test_where_an_image_goes_does_not_depend_on_the_others(tmp_path):
    levels = save(tmp_path, 120)
    splits = data.splits(tmp_path)
    assert splits == {"train": "train", "validation": "validation", "test": "test"}
    before = {split: set(all_images(data.load(tmp_path, split)).max(axis=(1, 2, 3)).tolist()) for split in splits}
    assert sum(map(len, before.values())) == 120 and set.union(*before.values()) == set(levels.values())
    assert 3 <= len(before["test"]) <= 25 and 3 <= len(before["validation"]) <= 25
    for i in range(0, 120, 2):
        (tmp_path / f"picture {i}.png").unlink()
    kept = {level for name, level in levels.items() if int(name.split()[1]) % 2}
    for split, found in before.items():
        after = set(all_images(data.load(tmp_path, split)).max(axis=(1, 2, 3)).tolist())
        assert after == found & kept
    # For ever: what a version says is what every later one must say.
    assert [round(own_sets._hash(name), 4) for name in ("picture 0", "ä")] == [0.2313, 0.2997]


def test_splits_that_are_named(tmp_path):
    save(tmp_path / "train" / "cat", 5)
    save(tmp_path / "val" / "cat", 3)
    save(tmp_path / "test" / "dog", 2)
    save(tmp_path / "elsewhere", 4)
    assert [data.num_images(tmp_path, split) for split in ("train", "validation", "test", "all")] == [5, 3, 2, 10]
    ((_, labels),) = data.load(tmp_path, "test", labels=True)
    assert labels.numpy().tolist() == [1, 1]  # of cat and dog, though there is no cat here


def test_classes_are_the_names_of_subfolders(tmp_path):
    for i, name in enumerate(["b", "a", "c"]):
        (tmp_path / name).mkdir()
        for j in range(10):
            Image.new("L", (8, 8), 10 * i).save(tmp_path / name / f"{j}.png")
    for images, labels in data.load(tmp_path, "all", labels=True, seed=0):
        np.testing.assert_array_equal(labels, np.array([1, 0, 2])[images.numpy()[:, 0, 0, 0] // 10])
    Image.new("L", (8, 8)).save(tmp_path / "in no class.png")
    with pytest.raises(ValueError, match=r"`labels=True`, but data set .* has none; each picture must lie in the subf"):
        data.load(tmp_path, labels=True)


def test_a_large_set_gives_what_a_small_one_does(tmp_path, monkeypatch):
    """Decoded anew each epoch or held in memory: the same images in the same order."""
    save(tmp_path, 30)
    options = {"split": "all", "batch_size": 7, "seed": 3}
    held = data.load(tmp_path, **options)
    monkeypatch.setattr(own_sets, "_CACHE_BYTES", 0)
    streamed = data.load(tmp_path, **options)
    for _ in range(2):
        first, second = all_images(held), all_images(streamed)
        np.testing.assert_array_equal(first, second)
    assert (all_images(streamed) != first).any()
    orders = {tuple(all_images(streamed)[:, 0, 0, 0]) for _ in range(5)}
    assert len(orders) == 5  # of all 30, not of a buffer


def test_pairs_of_one_name(tmp_path):
    targets = save(tmp_path / "targets", 30, ("png", "webp"))
    for name, level in targets.items():
        (tmp_path / "sources").mkdir(exist_ok=True)
        Image.new("RGB", (24, 20), (0, 0, level)).save(tmp_path / "sources" / f"{name}.png")
    count = 0
    for split in ("train", "validation", "test"):
        for images, sources in data.load(tmp_path, split, source="paired", seed=0):
            np.testing.assert_allclose(images[:, 0, 0, 0], sources[:, 0, 0, 2], atol=2)
            count += len(images)
    assert count == 30
    (tmp_path / "sources" / "picture 3.png").unlink()
    with pytest.raises(ValueError, match=r"1 have no partner, such as 'picture 3' in targets/.*source='unpaired'"):
        data.load(tmp_path, source="paired")
    a, b = next(iter(data.load(tmp_path, source="unpaired", seed=0)))
    assert a.shape == b.shape == (26, 20, 24, 3) or len(a) == len(b)
    assert (a[:, 0, 0, 0].numpy() != b[:, 0, 0, 2].numpy()).any()


def test_arrays(tmp_path):
    x = np.arange(40 * 16, dtype="uint8").reshape(40, 4, 4)
    np.savez(tmp_path / "named.npz", x_train=x[:30], y_train=np.arange(30), x_test=x[30:] / 255.0, y_test=np.arange(10))
    (images, labels), *_ = data.load(tmp_path / "named.npz", "test", labels=True, shuffle=False)
    np.testing.assert_array_equal(images[..., 0], x[30:])
    assert labels.numpy().tolist() == list(range(10)) and labels.dtype == "int64"
    sizes = [data.num_images(tmp_path / "named.npz", split) for split in ("train", "validation", "test")]
    assert sizes[2] == 10 and sum(sizes) == 40 and 0 < sizes[1] < 10
    np.savez(tmp_path / "one.npz", x=x)
    assert sum(data.num_images(tmp_path / "one.npz", split) for split in ("train", "validation", "test")) == 40
    np.savez(tmp_path / "pairs.npz", x=x, source=255 - x)
    for images, sources in data.load(tmp_path / "pairs.npz", source="paired"):
        np.testing.assert_array_equal(images, 255 - sources)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((3, 4, 4), "uint8")}, "must hold an array x_train or x of images; it holds images"),
        ({"x": np.zeros((3, 16), "uint8")}, r"array x of .* must hold images \(n, h, w\).*got shape \(3, 16\)"),
        ({"x": np.full((3, 4, 4), 2.0)}, r"array x of .* must be finite, in \[0, 1\]; got 2.0 to 2.0"),
        ({"x": np.full((3, 4, 4), np.nan)}, "array x of .* must be finite"),
        ({"x": np.zeros((3, 4, 4), "uint8"), "y": np.arange(2)}, "must be equally long, a label an image"),
        ({"x": np.zeros((3, 4, 4), "uint8"), "y": np.zeros(3)}, "array y of .* must hold labels"),
    ],
)
def test_arrays_that_are_none(arrays, message, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        data.load(tmp_path / "a.npz", "all")


# ---- what is broken ----


def png_of_16_bits():
    """A PNG of one colour pixel with 16 bits a channel, which Pillow would read as one of 8."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0" + bytes(6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def cut(picture_format):
    """A picture that ends halfway."""
    content = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype("uint8")
    Image.fromarray(noise).save(content, picture_format)
    return content.getvalue()[: len(content.getvalue()) // 2]


BROKEN = {
    "empty.png": lambda: b"",
    "text.jpg": lambda: b"no picture at all",
    "cut.jpg": lambda: cut("JPEG"),
    "cut.png": lambda: cut("PNG"),
    "cut.webp": lambda: cut("WEBP"),
    "deep.png": png_of_16_bits,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_before_anything_is_read(name, tmp_path):
    save(tmp_path, 30)
    (tmp_path / name).write_bytes(BROKEN[name]())
    reason = "more than 8 bits a channel" if name == "deep.png" else "cannot be read as a picture"
    with pytest.raises(ValueError, match=f"{name}' .*{reason}.*skip_broken=True.*--skip-broken"):
        data.load(tmp_path)


def test_broken_files_are_left_out_if_asked(tmp_path):
    save(tmp_path, 30)
    for name, content in BROKEN.items():
        (tmp_path / name).write_bytes(content())
    with pytest.raises(ValueError, match=r"5 more of 36 files cannot be read either"):
        data.num_images(tmp_path, "all")
    with pytest.warns(UserWarning, match="left out, since they cannot be read: .*cut.jpg"):
        assert data.num_images(tmp_path, "all", skip_broken=True) == 30
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(all_images(data.load(tmp_path, "all", skip_broken=True))) == 30


def test_a_picture_of_16_grey_bits_is_named(tmp_path):
    Image.fromarray(np.zeros((8, 8), "uint16")).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match=r"deep.png' .*more than 8 bits a channel; save it with 8"):
        data.load(tmp_path, "all")


def test_a_file_that_was_mended_is_read_again(tmp_path):
    save(tmp_path, 12)
    (tmp_path / "picture 3.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match="picture 3"):
        data.load(tmp_path, "all")
    Image.new("RGB", (24, 20)).save(tmp_path / "picture 3.png")
    assert len(all_images(data.load(tmp_path, "all"))) == 12


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda path: path.mkdir(), {}, "holds no picture, a file whose name ends in one of .jpeg, .jpg, .png, .webp"),
        (lambda path: save(path, 1), {"split": "test"}, "no image of .* is in split 'test': 1 in 'train', 0 in 'valid"),
        (lambda path: save(path, 9, size=(20, 30)) and save(path / "b", 2), {}, "differ in size, from 20x24 to 30x20"),
        (
            lambda path: save(path, 30),
            {"split": "training"},
            "`split` of .* must be 'train', 'validation' or 'test', or a",
        ),
        (lambda path: save(path, 30), {"channels": 4}, "`channels` must be 1, 3 or None; got 4"),
        (lambda path: save(path, 30), {"source": "paired"}, "targets'? holds no picture"),
    ],
)
def test_what_cannot_be_loaded(make, options, message, tmp_path):
    make(tmp_path / "photos")
    with pytest.raises(ValueError, match=message):
        data.load(tmp_path / "photos", **options)


def test_names_of_sets_and_paths(tmp_path, monkeypatch):
    """A folder that bears the name of a set is meant only where it is written as a path."""
    monkeypatch.chdir(tmp_path)
    for folder in ("digits", "mnist", "photos"):
        save(tmp_path / folder, 12)
    assert not data.is_own("digits") and not data.is_own("mnist") and data.is_own("photos") and data.is_own("./mnist")
    assert data.num_images("digits", "test") == 360 and data.num_images("digits/", "all") == 12
    with pytest.raises(FileNotFoundError, match="no folder 'nowhere/' here"):
        data.load("nowhere/")
    with pytest.raises(FileNotFoundError, match=r"no file 'nowhere.npz' here"):
        data.load("nowhere.npz")
    with pytest.raises(ValueError, match="source='paired' is for a folder with targets/ and sources/"):
        data.load("digits", source="paired")

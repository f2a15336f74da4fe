"""The image convention, and pictures."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageSequence

from keras_genzoo import images


def test_uint8_and_float_are_told_apart_by_dtype():
    levels = np.arange(256, dtype="uint8")
    np.testing.assert_allclose(images.to_float(levels), levels / 255, rtol=1e-6)
    np.testing.assert_array_equal(images.to_float(levels / 255), (levels / 255).astype("float32"))


def test_values_are_checked_inside_a_graph_too():
    @tf.function
    def mean(x):
        return tf.reduce_mean(images.check_values(x))

    assert mean(tf.constant([0.25, 0.75])) == 0.5
    for bad in ([0.5, 1.5], [-0.5, 0.5], [np.nan, 0.5]):
        with pytest.raises(ValueError, match=r"`images` given as floats must lie in \[0, 1\]"), images.clear_errors():
            mean(tf.constant(bad))


BITS = np.array([0, 1, 1, 0], "uint8").reshape(1, 2, 2, 1)


@pytest.mark.parametrize("form", [np.asarray, tf.constant])
def test_bytes_of_0_and_1_are_no_levels(form):
    with pytest.raises(
        ValueError, match=r'holds 0 and 1 alone.*by 255.*load\("binarized_mnist"\).*images / 255\.$'
    ) as raised:
        images.check(form(BITS), (2, 2, 1))
    assert "\n" not in str(raised.value)
    for passing in (BITS * 0, BITS * 2, BITS * 255, BITS[:0], BITS / 255, BITS.astype("float32")):
        expected = passing / np.float32(255 if passing.dtype == np.uint8 else 1)
        np.testing.assert_allclose(images.check(form(passing), (2, 2, 1)), expected, atol=1e-7)


def test_bytes_of_0_and_1_are_refused_inside_a_pipeline_too():
    data = tf.data.Dataset.from_tensors(BITS).map(lambda batch: images.check_batch(batch, (2, 2, 1)))
    with pytest.raises(ValueError, match=r'^`images` given as uint8.*load\("binarized_mnist"\)'), images.clear_errors():
        next(iter(data))


def test_other_errors_pass_unchanged():
    with pytest.raises(tf.errors.InvalidArgumentError), images.clear_errors():
        tf.reshape([1, 2, 3], [2])


def test_grid_places_each_image():
    tiles = np.arange(6, dtype="uint8")[:, None, None, None] * np.ones((6, 60, 60, 1), "uint8") * 10
    picture = images.grid(tiles, num_columns=3)
    assert picture.shape == (2 * 62 + 2, 3 * 62 + 2, 1)
    for i in range(6):
        top, left = 2 + i // 3 * 62, 2 + i % 3 * 62
        assert (picture[top : top + 60, left : left + 60] == i * 10).all()


def test_grid_enlarges_small_images_and_draws_paths_as_rows():
    assert images.grid(np.zeros((4, 8, 8, 3))).shape == (2 * 58 + 2, 2 * 58 + 2, 3)
    assert images.grid(np.zeros((2, 5, 8, 8, 1))).shape == (2 * 58 + 2, 5 * 58 + 2, 1)


def test_the_smallest_images_are_enlarged_smoothly():
    ramp = np.tile(np.linspace(0, 1, 8, dtype="float32")[:, None], (1, 8, 8, 1))[0][None]
    tile = images.grid(ramp)[2:58, 2:58, 0].astype(int)
    assert np.abs(np.diff(tile, axis=0)).max() < 10 and tile.min() == 0 and tile.max() == 255  # blocks would jump by 36
    ramp = np.tile(np.linspace(0, 1, 28, dtype="float32")[:, None], (1, 28, 28, 1))[0][None]
    tile = images.grid(ramp)[2:58, 2:58, 0]
    np.testing.assert_array_equal(tile[::2], tile[1::2])  # pixels as they are


def test_save_grid_writes_what_grid_draws(tmp_path):
    batch = np.random.default_rng(0).uniform(size=(5, 28, 28, 1))
    images.save_grid(batch, tmp_path / "new" / "grid.png")
    read = tf.io.decode_png((tmp_path / "new" / "grid.png").read_bytes())
    np.testing.assert_array_equal(read, images.grid(batch))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["grid.png"]


@pytest.mark.parametrize("shape", [(0, 8, 8, 1), (4, 8, 8), (4, 8, 8, 2)])
def test_bad_grids(shape):
    with pytest.raises(ValueError, match="`images` must be"):
        images.grid(np.zeros(shape))


def test_a_film_shows_its_pictures_in_order_and_stays_at_the_last(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(100)]
    for i, path in enumerate(paths):
        images.save_grid(np.full((1, 60, 60, 1), i / 100), path)
    images.save_film(paths, tmp_path / "film.gif", seconds=2)
    film = Image.open(tmp_path / "film.gif")
    frames = [
        (np.asarray(frame.convert("L"))[30, 30], frame.info["duration"]) for frame in ImageSequence.Iterator(film)
    ]
    values, durations = zip(*frames, strict=True)
    assert len(values) == 20 and values[0] == 0 and values[-1] == 252 and list(values) == sorted(values)
    assert durations == (100,) * 19 + (2000,) and film.info["loop"] == 0


@pytest.mark.parametrize(("write", "name", "suffix"), [("save_grid", "a.jpg", "png"), ("save_film", "a.webp", "gif")])
def test_other_formats_are_refused(tmp_path, write, name, suffix):
    with pytest.raises(ValueError, match=rf"`path` must end in \.{suffix}, .*got '.*{name}'"):
        getattr(images, write)([np.zeros((8, 8, 1))], tmp_path / "new" / name)
    assert not list(tmp_path.iterdir())

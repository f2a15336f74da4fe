"""Pictures that people look at."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageSequence

from keras_genzoo import pictures


def test_grid_places_each_image():
    tiles = np.arange(6, dtype="uint8")[:, None, None, None] * np.ones((6, 60, 60, 1), "uint8") * 10
    picture = pictures.grid(tiles, num_columns=3)
    assert picture.shape == (2 * 62 + 2, 3 * 62 + 2, 1)
    for i in range(6):
        top, left = 2 + i // 3 * 62, 2 + i % 3 * 62
        assert (picture[top : top + 60, left : left + 60] == i * 10).all()


def test_grid_enlarges_small_images_and_draws_paths_as_rows():
    assert pictures.grid(np.zeros((4, 8, 8, 3))).shape == (2 * 58 + 2, 2 * 58 + 2, 3)
    assert pictures.grid(np.zeros((2, 5, 8, 8, 1))).shape == (2 * 58 + 2, 5 * 58 + 2, 1)


def test_the_smallest_images_are_enlarged_smoothly():
    ramp = np.tile(np.linspace(0, 1, 8, dtype="float32")[:, None], (1, 8, 8, 1))[0][None]
    tile = pictures.grid(ramp)[2:58, 2:58, 0].astype(int)
    assert np.abs(np.diff(tile, axis=0)).max() < 10 and tile.min() == 0 and tile.max() == 255  # blocks would jump by 36
    ramp = np.tile(np.linspace(0, 1, 28, dtype="float32")[:, None], (1, 28, 28, 1))[0][None]
    tile = pictures.grid(ramp)[2:58, 2:58, 0]
    np.testing.assert_array_equal(tile[::2], tile[1::2])  # pixels as they are


def test_save_grid_writes_what_grid_draws(tmp_path):
    batch = np.random.default_rng(0).uniform(size=(5, 28, 28, 1))
    pictures.save_grid(batch, tmp_path / "new" / "grid.png")
    read = tf.io.decode_png((tmp_path / "new" / "grid.png").read_bytes())
    np.testing.assert_array_equal(read, pictures.grid(batch))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["grid.png"]


@pytest.mark.parametrize("shape", [(0, 8, 8, 1), (4, 8, 8), (4, 8, 8, 2)])
def test_bad_grids(shape):
    with pytest.raises(ValueError, match="`images` must be"):
        pictures.grid(np.zeros(shape))


def test_a_film_shows_its_pictures_in_order_and_stays_at_the_last(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(100)]
    for i, path in enumerate(paths):
        pictures.save_grid(np.full((1, 60, 60, 1), i / 100), path)
    pictures.save_film(paths, tmp_path / "film.gif", seconds=2)
    film = Image.open(tmp_path / "film.gif")
    frames = [
        (np.asarray(frame.convert("L"))[30, 30], frame.info["duration"]) for frame in ImageSequence.Iterator(film)
    ]
    values, durations = zip(*frames, strict=True)
    assert len(values) == 20 and values[0] == 0 and values[-1] == 252 and list(values) == sorted(values)
    assert durations == (100,) * 19 + (2000,) and film.info["loop"] == 0


def test_a_film_of_pictures_in_memory_as_webp(tmp_path):
    frames = [np.full((40, 60, 3), 50 * i, "uint8") for i in range(5)]
    pictures.save_film(frames, tmp_path / "a.webp", seconds=1.0)
    film = Image.open(tmp_path / "a.webp")
    levels = [np.asarray(frame.convert("RGB"))[0, 0] for frame in ImageSequence.Iterator(film)]
    np.testing.assert_allclose(levels, np.arange(5)[:, None] * [50, 50, 50], atol=4)
    assert film.size == (60, 40) and film.info["loop"] == 0


@pytest.mark.parametrize(
    ("write", "name", "suffix"), [("save_grid", "a.jpg", "png"), ("save_film", "a.mp4", "gif or .webp")]
)
def test_other_formats_are_refused(tmp_path, write, name, suffix):
    with pytest.raises(ValueError, match=rf"`path` must end in .{suffix}, .*got '.*{name}'"):
        getattr(pictures, write)([np.zeros((8, 8, 1))], tmp_path / "new" / name)
    assert not list(tmp_path.iterdir())

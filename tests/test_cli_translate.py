"""`genzoo translate`, and runs of the models that are no image models."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_genzoo as gz
from keras_genzoo import measuring, pictures, recipes
from keras_genzoo.commands import translations
from keras_genzoo.recipes import settings
from tests.command_line import genzoo

pytestmark = pytest.mark.xdist_group("translate")


def test_a_preset_translates_its_own_data(tmp_path):
    output = tmp_path / "translated.png"
    assert genzoo("translate", "pix2pix_digits", "--num-samples", 32, "--seed", 1, "--output", output).endswith(
        f"Wrote {output}.\n"
    )
    drawn = tf.io.decode_png(output.read_bytes()).numpy()
    model = gz.Pix2Pix.from_preset("pix2pix_digits")
    targets, sources = next(iter(gz.data.load("digits", "test", batch_size=32, source="edges", shuffle=False)))
    expected = gz.callbacks.translation_grid(model, (targets, sources), seed=1)
    np.testing.assert_array_equal(drawn, pictures.grid(expected))
    assert expected.shape[:2] == (6, 16)  # two rows each of sources, translations and targets


def test_a_preset_translates_pictures_of_any_size(tmp_path):
    files = []
    red = (255, 0, 0)
    for name, picture in (
        ("a.png", Image.new("L", (8, 8), 255)),
        ("b.jpg", Image.new("RGB", (40, 20), red)),
        ("c.png", Image.new("RGBA", (9, 7), red)),
    ):
        picture.save(tmp_path / name)
        files.append(tmp_path / name)
    output = tmp_path / "out.png"
    genzoo("translate", "pix2pix_digits", *files, "--output", output)
    sources = pictures.read(files, (8, 8, 1))
    assert sources.shape == (3, 8, 8, 1) and sources[0].min() == 1.0 and 0.2 < sources[1].mean() < 0.4
    assert tf.io.decode_png(output.read_bytes()).shape[0] > 100


def in_8_bits(images):
    return np.round(255 * np.asarray(images)).astype("uint8")


def test_one_picture_gives_its_translation_alone(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (8, 8), "uint8")
    Image.fromarray(picture).save(tmp_path / "in.png")
    output = tmp_path / "new" / "out.png"
    said = genzoo("translate", "pix2pix_digits", tmp_path / "in.png", "--seed", 4, "--output", output)
    assert said.endswith(f"Wrote {output} in the new folder {output.parent}.\n")
    model = gz.Pix2Pix.from_preset("pix2pix_digits")
    (expected,) = in_8_bits(model.translate(picture[None, ..., None], seed=4))
    np.testing.assert_array_equal(tf.io.decode_png(output.read_bytes()), expected)  # 8x8, without a border


def test_a_folder_gives_a_folder_of_the_same_names(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_genzoo.commands.translations._AT_ONCE", 2)
    rng, given = np.random.default_rng(0), {}
    for name in ("a.png", "b/c.png", "b/d.webp"):
        given[name] = rng.integers(0, 256, (8, 8), "uint8")
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(given[name]).save(tmp_path / "in" / name, lossless=True)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    output = tmp_path / "out"
    command = ("translate", "pix2pix_digits", tmp_path / "in", "--output", output)
    assert genzoo(*command, "--seed", 4).endswith(f"Wrote 3 pictures into {output}.\n")
    found = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    assert found == ["a.png", "b/c.png", "b/d.png"]
    model = gz.Pix2Pix.from_preset("pix2pix_digits")
    for name, picture in given.items():
        first = [given["a.png"], given["b/c.png"]] if name != "b/d.webp" else [picture]
        expected = in_8_bits(model.translate(np.stack(first)[..., None], seed=4))[-1 if name != "a.png" else 0]
        written = tf.io.decode_png((output / name).with_suffix(".png").read_bytes()).numpy()
        assert np.abs(written.astype(int) - expected).max() <= 1, name
    genzoo(*command, fails_with="exists; choose another with --output, or remove it first.")
    (tmp_path / "in" / "e.png").write_text("no picture")
    genzoo(*command[:-1], tmp_path / "other", fails_with="cannot be read as a picture")
    assert not (tmp_path / "other").exists()


def test_folders_that_cannot_be_translated(tmp_path):
    for name in ("in/a.png", "in/a.jpg", "lone/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / name)
    (tmp_path / "empty").mkdir()
    for names, output, message in (
        (["in"], "out", "would both become 'a.png'; rename one."),
        (["empty"], "out", "holds no picture"),
        (["lone", "in/a.png"], "out", "a folder is translated alone, into a folder; got 2 names"),
        (["lone"], "out.png", "--output must be a folder"),
    ):
        paths = [tmp_path / name for name in names]
        genzoo("translate", "pix2pix_digits", *paths, "--output", tmp_path / output, fails_with=message)
    genzoo("translate", "pix2pix_digits", "--back", fails_with="which does not translate_back; its verbs are translate")


def test_there_and_back(tmp_path):
    """A model of other sizes on either side, so that a picture read for the wrong one would be refused."""

    class Enlarging:
        image_shape, source_shape = (8, 8, 3), (4, 4, 1)

        def translate_back(self, images, seed=None):
            assert images.shape == (1, 8, 8, 3) and seed == 5
            return tf.reduce_mean(images[:, ::2, ::2], axis=-1, keepdims=True)

    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), "uint8")
    Image.fromarray(picture).save(tmp_path / "in.png")
    translations.write_one(Enlarging(), tmp_path / "in.png", tmp_path / "out.png", seed=5, back=True)
    written = tf.io.decode_png((tmp_path / "out.png").read_bytes()).numpy()
    assert np.abs(written - picture[::2, ::2].mean(axis=-1, keepdims=True)).max() < 0.51


def test_what_cannot_be_translated_is_said(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    for arguments, message in (
        (("translate", "vae_digits"), "holds a VAE, which does not translate; its verbs are sample"),
        (("sample", "pix2pix_digits"), "does not sample; its verbs are translate, discriminate. To use it: genzoo"),
        (("translate", "pix2pix_digits", tmp_path / "text.png"), "cannot be read as a picture"),
        (("translate", "pix2pix_digits", "--output", tmp_path / "x.jpg"), "--output must end in .png"),
    ):
        genzoo(*arguments, fails_with=message)
    gz.Pix2Pix((8, 8, 1), num_filters=2).save_to_preset(tmp_path / "mine")
    genzoo("translate", tmp_path / "mine", fails_with="name pictures: genzoo translate")


@pytest.mark.parametrize(
    ("recipe", "figure"), [("pix2pix_digits", "l1"), ("gaussian_mixture_digits", "log_likelihood")]
)
def test_a_run_of_two_epochs(tmp_path, recipe, figure):
    folder = tmp_path / "run"
    output = genzoo("train", recipe, "--epochs", 2, "--output", folder)
    for name in ("samples.png", "training.gif", "history.csv", "saved_model/1", "preset/README.md"):
        assert (folder / name).exists(), name
    metadata = json.loads((folder / "preset" / "metadata.json").read_text())
    assert np.isfinite(metadata["figures"][figure]["value"]) and "frechet_distance" in metadata["figures"]
    verb = metadata["verbs"][0]
    assert f"Next: genzoo {verb} {folder}" in output
    assert f"model.{verb}(" in (folder / "preset" / "README.md").read_text()
    genzoo(verb, folder, "--num-samples", 4, "--output", tmp_path / "more.png")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A folder of 16 pairs and a file of the same."""
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    arrays = {f"{kind}_{split}": [] for kind in ("x", "source") for split in ("train", "validation", "test")}
    for i in range(16):
        split = "train" if i < 8 else "validation" if i < 10 else "test"
        for side, array in (("targets", f"x_{split}"), ("sources", f"source_{split}")):
            arrays[array].append(rng.integers(0, 256, (8, 8, 3), "uint8"))
            path = folder / split / side / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(arrays[array][-1]).save(path)
    np.savez(folder / "pairs.npz", **{name: np.stack(images) for name, images in arrays.items()})
    return folder


PAIRED = {f"{name}{of}" for name in ("l1", "psnr", "ssim") for of in ("", "_of_the_source", "_of_the_nearest")}


def test_what_needs_pairs_is_measured_where_there_are_some(pairs):
    model = gz.Pix2Pix((8, 8, 3), num_filters=2)
    model.compile()
    figures, lines = [], []
    for dataset, source in ((pairs / "pairs.npz", "paired"), (pairs, "unpaired")):
        recipe = settings.apply(recipes.get("pix2pix_photos"), {"data.image_size": 8, "data.source": source})
        facts = {"dataset": str(dataset), "batch_size": 4, "seed": 0}
        effort = measuring.effort(model, recipe, facts)
        figures.append(measuring.measure(model, recipe, facts, None, effort, lines.append))
    assert set(figures[0]) == set(figures[1]) | PAIRED and not PAIRED & set(figures[1])
    assert sum("L1, PSNR and SSIM need pairs" in line for line in lines) == 1
    assert all(figures[0][name].num_examples == 6 for name in PAIRED)


@pytest.mark.slow
def test_runs_on_a_users_own_pairs_and_on_sets_of_no_pairs(pairs, tmp_path):
    start = ("train", "pix2pix_photos", "--image-size", 8, "--set", "model.num_filters=2", "--epochs", 1)
    genzoo(*start, "--data", pairs, "--output", tmp_path / "paired")
    genzoo(*start, "--data", pairs, "--set", "data.source=unpaired", "--output", tmp_path / "unpaired")
    figures, heights = [], []
    for run in (tmp_path / "paired", tmp_path / "unpaired"):
        figures.append(set(json.loads((run / "preset" / "metadata.json").read_text())["figures"]))
        heights.append(tf.io.decode_png((run / "samples.png").read_bytes()).shape[0])
    captions = [(tmp_path / run / "preset" / "README.md").read_text() for run in ("paired", "unpaired")]
    assert (
        "and of the targets." in captions[0] and "Rows of sources and of what the model makes of them." in captions[1]
    )
    assert figures[0] - figures[1] == PAIRED and "gradient_ratio" in figures[1]
    assert 2 * heights[0] == pytest.approx(3 * heights[1], abs=3)  # without the row of targets


@pytest.mark.slow
def test_a_mixture_stopped_and_resumed_ends_as_if_it_had_never_stopped(tmp_path):
    command = ("train", "gaussian_mixture_digits", "--output")
    genzoo(*command, tmp_path / "whole", "--epochs", 3)
    genzoo(*command, tmp_path / "parts", "--epochs", 1)
    genzoo(*command, tmp_path / "parts", "--epochs", 3, "--resume")
    whole, parts = (gz.GaussianMixture.from_preset(tmp_path / name / "preset") for name in ("whole", "parts"))
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_images_of_several_channels_are_drawn_together():
    model = gz.Pix2Pix((8, 8, 3), (8, 8, 1), num_filters=2)
    grid = gz.callbacks.translated_rows(model, np.zeros((4, 8, 8, 1), "float32"), seed=0)
    assert grid.shape == (2, 4, 8, 8, 3)


def test_grids_of_a_translator(tmp_path):
    """Rows of sources, translations and targets; no targets where none belongs to a source."""
    model = gz.Pix2Pix((8, 8, 1), num_filters=2)
    model.compile(run_eagerly=True)
    targets, sources = np.random.default_rng(0).uniform(size=(2, 5, 8, 8, 1)).astype("float32")
    drawn = model.translate(sources, seed=3)
    paired, unpaired = (
        gz.callbacks.translation_grid(model, (targets, sources), seed=3, has_pairs=has_pairs)
        for has_pairs in (True, False)
    )
    np.testing.assert_array_equal(paired, np.stack([sources, drawn, targets]))
    np.testing.assert_array_equal(unpaired, np.stack([sources, drawn]))
    np.testing.assert_array_equal(gz.callbacks.sample_grid(model, seed=3, labels=sources), unpaired)
    grids = [
        gz.callbacks.TranslationGrid(tmp_path, (targets, sources), has_pairs=False),
        gz.callbacks.SampleGrid(tmp_path, labels=sources),
    ]
    model.fit(targets, sources, verbose=0, callbacks=grids)
    one, other = (tmp_path / f"{kind}_0001.png" for kind in ("translations", "samples"))
    assert one.read_bytes() == other.read_bytes()  # both from seed 0
    with pytest.raises(ValueError, match=r"`labels` are missing: Pix2Pix translates sources, images \(n, 8, 8, 1\)"):
        model.fit(targets, sources, verbose=0, callbacks=[gz.callbacks.SampleGrid(tmp_path)])

"""`genzoo translate`, and runs of the models that are no image models."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_genzoo as gz
from keras_genzoo import pictures
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

"""A user's own photographs on the command line: trained on, resumed, measured, exported; settings, files and logs."""

import csv
import json
import shlex
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_genzoo as gz
from tests.command_line import genzoo

pytestmark = pytest.mark.xdist_group("own data")
QUICK = ("--image-size", 8, "--set", "model.latent_dim=3", "--set", "measuring.num_importance_samples=5")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """120 photographs of mixed sizes, modes and formats, in two classes."""
    folder, rng = tmp_path_factory.mktemp("data") / "photos", np.random.default_rng(0)
    modes = {"png": ["RGB", "L", "RGBA", "P"], "jpg": ["RGB", "L"], "webp": ["RGB", "RGBA"]}
    for i in range(120):
        suffix = ("png", "jpg", "webp")[i % 3]
        level = rng.integers(40, 216, (1, 1, 3)) + rng.normal(0, 20, (4, 4, 3))
        picture = Image.fromarray(np.clip(level, 0, 255).astype("uint8"))
        picture = picture.resize(tuple(map(int, rng.integers(10, 40, 2))), Image.Resampling.BICUBIC)
        path = folder / "ab"[i % 2] / f"photo {i}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.convert(modes[suffix][i % len(modes[suffix])]).save(path)
    return folder


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "photographs"
    return folder, genzoo("train", "vae_photos", "--data", photos, *QUICK, "--epochs", 2, "--output", folder)


def weights(folder):
    return [value.numpy() for value in gz.GenerativeModel.from_preset(folder / "preset").weights]


def assert_same(a, b):
    for one, other in zip(weights(a), weights(b), strict=True):
        np.testing.assert_array_equal(one, other)


def history(folder):
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_train_evaluate_export_and_serve(run, photos, tmp_path):
    folder, output = run
    assert f"VAE trained by recipe vae_photos on {photos}" in output and "log likelihood bound" in output
    assert gz.VAE.from_preset(folder / "preset").image_shape == (8, 8, 3)
    card = (folder / "preset" / "README.md").read_text()
    assert f"`{photos}`, pictures of the author's own" in card and "resized to 8 pixels" in card
    assert "licence of the weights | that of the images" in card
    measured = genzoo("evaluate", folder, "--features", "pixels")
    figures = json.loads((folder / "preset" / "metadata.json").read_text())["figures"]
    bound = figures["log_likelihood_bound"]
    assert f"{bound['value']:.2f} +- {bound['standard_error']:.2f} nats (n={bound['num_examples']}" in measured
    assert "kernel distance" in measured and "features of pixels at 16x16" in measured
    other = genzoo("evaluate", folder, "--data", photos / "a", "--features", "pixels")
    assert f"on {photos / 'a'}, test split" in other
    few = genzoo("evaluate", folder, "--data", photos / "b", "--features", "pixels")
    assert "Samples are compared with 6 test images or more; there are " in few + other
    genzoo("export", folder, "--output", tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served" / "photographs" / "1")).signatures["sample"]
    assert served(num_samples=tf.constant(2), seed=tf.constant(0))["images"].shape == (2, 8, 8, 3)


def test_a_run_goes_on_and_ends_as_if_it_had_never_stopped(photos, tmp_path):
    start = ("train", "vae_photos", "--data", photos, *QUICK, "--set", "optimizer.cosine_decay=false")
    genzoo(*start, "--epochs", 1, "--output", tmp_path / "stopped")
    genzoo("train", "vae_photos", "--resume", "--epochs", 3, "--output", tmp_path / "stopped")
    genzoo(*start, "--epochs", 3, "--output", tmp_path / "whole")
    assert history(tmp_path / "stopped") == history(tmp_path / "whole")
    assert_same(tmp_path / "stopped", tmp_path / "whole")


def test_a_file_trains_what_flags_train_and_the_card_says_how(run, photos, tmp_path):
    folder, _ = run
    shown = genzoo("show", folder)
    assert 'recipe = "vae_photos"' in shown and "latent_dim = 3" in shown and "image_size = 8" in shown
    (tmp_path / "mine.toml").write_text(shown)
    genzoo("train", tmp_path / "mine.toml", "--output", tmp_path / "file")
    settings = [json.loads((path / "run.json").read_text()) for path in (folder, tmp_path / "file")]
    assert settings[0] == settings[1] and history(folder) == history(tmp_path / "file")
    assert_same(folder, tmp_path / "file")
    command = json.loads((folder / "preset" / "metadata.json").read_text())["command"]
    genzoo(*shlex.split(command)[1:], "--output", tmp_path / "again")
    assert_same(folder, tmp_path / "again")


def test_what_a_run_was_begun_with_stays(run):
    folder, _ = run
    output = genzoo(
        *("train", "vae_photos", "--resume", "--epochs", 5, "--set", "model.latent_dim=4", "--output", folder),
        fails_with="cannot go on with --set model.latent_dim=4",
    )
    assert "--set model.latent_dim=3" in output


def test_classes_from_folders(photos, tmp_path):
    folder = tmp_path / "run"
    genzoo(
        "train", "vae_photos", "--data", photos, *QUICK, "--labels", "from-folders", "--epochs", 1, "--output", folder
    )
    model = gz.VAE.from_preset(folder / "preset")
    assert model.num_classes == 2 and model.image_shape == (8, 8, 3)


def test_fine_tuning_begins_with_the_weights_of_a_preset(tmp_path):
    common = ("train", "vae_digits", "--epochs", 1, "--set", "optimizer.learning_rate=1e-6")
    genzoo(*common, "--output", tmp_path / "new")
    genzoo(*common, "--init", "vae_digits", "--output", tmp_path / "tuned")
    genzoo(*common, "--init", tmp_path / "tuned", "--output", tmp_path / "again")
    new, tuned, again = (float(history(tmp_path / name)[0]["val_loss"]) for name in ("new", "tuned", "again"))
    assert tuned < 26 < 40 < new and again == pytest.approx(tuned, abs=0.5)
    assert json.loads((tmp_path / "tuned" / "run.json").read_text())["init"] == "vae_digits"
    wrong = "--init vae_mnist is a VAE with image_shape=[28, 28, 1], but the data give image_shape=[8, 8, 1]"
    genzoo("train", "vae_digits", "--init", "vae_mnist", "--output", tmp_path / "x", fails_with=wrong)
    wrong = "--init vae_digits is a VAE with latent_dim=10, but --set asks for latent_dim=3"
    options = ("--init", "vae_digits", "--set", "model.latent_dim=3", "--output", tmp_path / "x")
    genzoo("train", "vae_digits", *options, fails_with=wrong)
    assert not (tmp_path / "x").exists()


def test_augmentation_by_flags(photos, tmp_path):
    options = ("--image-size", 16, "--set", "model.num_filters=4", "--set", "model.latent_dim=3", "--epochs", 1)
    names = ("--augment", "flip", "--augment", "cutout", "--seed", 3)
    genzoo("train", "dcgan_photos", "--data", photos, *options, *names, "--output", tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["set"]["compile.augmentation"] == ["cutout"] and "data.augment" not in facts["set"], (
        "as the recipe has it"
    )
    row = history(tmp_path / "run")[0]
    assert {"val_kernel_distance", "val_variety"} <= set(row) and "val_class_imbalance" not in row


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--data", "nowhere/"),
            "no folder 'nowhere/' here; name a folder of pictures or a .npz file (--data photos/).",
        ),
        (("--data", "{photos}", "--set", "data.image_size=null"), "differ in size, from "),
        (("--data", "{photos}", "--image-size", 0), "Invalid value for '--image-size'"),
        (("--data", "{photos}", "--set", "model.latnt_dim=3"), "Nearest keys: model.latent_dim"),
        (("--data", "{photos}", "--set", "model.latent_dim=big"), 'must be an integer; got "big"'),
        (("--data", "{photos}", "--set", "generator_optimizer.learning_rate=1"), "is of no optimiser of VAE"),
        (("--data", "{photos}", "--set", "optimizer.class=Adamm"), "must name a class of keras.optimizers"),
        (("--data", "{photos}", "--set", "model.class=VEA"), "nearest names: VAE"),
        (("--data", "{photos}", "--augment", "cutout"), "VAE has no such argument"),
        (("--data", "{photos}", "--set", "latent_dim"), "--set takes KEY=VALUE"),
        (("--data", "{empty}"), "holds no picture"),
        (("--data", "{one}"), "no image of"),
        (("--data", "{broken}"), "'{broken}/a.png' cannot be read as a picture"),
        (("--data", "{deep}"), "more than 8 bits a channel"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line(arguments, message, photos, tmp_path):
    folders = {name: tmp_path / name for name in ("empty", "one", "broken", "deep")}
    for folder in folders.values():
        folder.mkdir()
    Image.new("RGB", (9, 9)).save(folders["one"] / "a.png")
    (folders["broken"] / "a.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((9, 9), "uint16")).save(folders["deep"] / "a.png")
    words = [str(word).format(photos=photos, **folders) for word in arguments]
    output = genzoo("train", "vae_photos", *words, "--output", tmp_path / "run", fails_with=message.format(**folders))
    assert not (tmp_path / "run").exists() and "Traceback" not in output
    assert output.startswith("Usage") or len(output.strip().splitlines()) == 1


def test_broken_files_are_left_out_if_asked(photos, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    (folder / "a" / "broken.png").write_bytes(b"no picture")
    options = ("--data", folder, *QUICK, "--epochs", 1, "--output", tmp_path / "run")
    genzoo("train", "vae_photos", *options, fails_with="broken.png' cannot be read as a picture")
    with pytest.warns(UserWarning, match=r"left out, since they cannot be read: broken\.png"):
        genzoo("train", "vae_photos", *options, "--skip-broken")
    assert "data.skip_broken" in json.loads((tmp_path / "run" / "run.json").read_text())["set"]
    genzoo("evaluate", tmp_path / "run", "--features", "pixels")


def test_tensorboard_shows_metrics_and_pictures(photos, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    options = ("--epochs", 2, "--evaluate-every", 1, "--log", "tensorboard")
    genzoo("train", "vae_photos", "--data", photos, *QUICK, *options, "--output", tmp_path / "run")
    tags = {}
    for folder in {path.parent for path in (tmp_path / "run" / "logs").rglob("events*")}:
        events = EventAccumulator(str(folder)).Reload()
        for kind in ("tensors", "images", "scalars"):
            tags.setdefault(folder.name, set()).update(events.Tags()[kind])
    assert "epoch_log_likelihood_bound" in tags["validation"] and "epoch_loss" in tags["train"]
    assert "samples" in tags["pictures"]


def test_wandb_offline(photos, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    rows, log = [], wandb.Run.log
    monkeypatch.setattr(wandb.Run, "log", lambda run, row, **options: rows.append(row) or log(run, row, **options))
    genzoo(
        "train", "vae_photos", "--data", photos, *QUICK, "--epochs", 2, "--log", "wandb", "--output", tmp_path / "run"
    )
    assert [float(row["val_loss"]) for row in rows] == [float(row["val_loss"]) for row in history(tmp_path / "run")]
    assert isinstance(rows[0]["pictures"][0], wandb.Image)
    (written,) = (tmp_path / "run" / "logs" / "wandb").glob("offline-run-*/run-*.wandb")
    assert written.stat().st_size > 1000


def test_a_log_that_is_not_installed(monkeypatch, tmp_path):
    from keras_genzoo.commands import train

    monkeypatch.setattr(train.importlib.util, "find_spec", lambda name: None)
    options = ("--log", "wandb", "--output", tmp_path / "run")
    genzoo("train", "vae_digits", *options, fails_with="pip install 'keras-genzoo[wandb]'")


def test_folder_against_folder(photos):
    output = genzoo("evaluate", photos / "a", "--data", photos / "b", "--features", "pixels", "--image-size", 8)
    assert "Frechet" in output or "frechet distance" in output
    assert "n=60 real, 60 generated images" in output
    genzoo("evaluate", photos / "a", fails_with="say what to compare them with: genzoo evaluate")
    same = gz.data.load(photos, "all", image_size=8, shuffle=False)
    assert gz.evaluation.frechet_distance(same, same, "pixels").value == pytest.approx(0, abs=1e-6)


def test_compare(run, photos, tmp_path):
    folder, _ = run
    other = tmp_path / "other"
    genzoo("train", "vae_photos", "--data", photos, *QUICK, "--epochs", 1, "--batch-size", 32, "--output", other)
    output = genzoo("compare", folder, other, "--output", tmp_path / "curves.png")
    rows = {line.split("  ")[0]: line.split()[-2:] for line in output.splitlines() if line}
    assert rows["training.batch_size"] == ["16", "32"] and rows["training.epochs"] == ["2", "1"]
    assert "model.latent_dim" not in rows, "the same in both"
    assert "log likelihood bound" in rows and rows["epoch kept"][1] == "1"
    assert Image.open(tmp_path / "curves.png").size[0] > 500
    genzoo("compare", folder, tmp_path, fails_with="holds no run")


def test_interpolate(tmp_path):
    options = ("--seed", 0, "--num-steps", 5, "--num-paths", 2)
    for name, film in (("vae_digits", "a.webp"), ("cgan_digits", "b.gif")):
        genzoo("interpolate", name, *options, "--output", tmp_path / "strip.png", "--film", tmp_path / film)
        assert Image.open(tmp_path / film).n_frames > 20
        width, height = Image.open(tmp_path / "strip.png").size
        assert width > 2 * height
    ends = gz.VAE.from_preset("vae_digits")
    paths = gz.callbacks.interpolation(ends, 2, 5, seed=0)
    latents = ends.noise(4, 0)
    np.testing.assert_allclose(paths[:, 0], ends.decode(latents[:2]), atol=1e-6)
    np.testing.assert_allclose(paths[:, -1], ends.decode(latents[2:]), atol=1e-5)
    genzoo("interpolate", "pixelcnn_digits", fails_with="does not decode")
    genzoo("interpolate", "vae_digits", "--film", "a.mp4", fails_with="--film must end in .gif or .webp")

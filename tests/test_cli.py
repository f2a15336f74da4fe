"""The command line, as a user meets it."""

import csv
import dataclasses
import json
import os
import re
import shlex
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

import keras_genzoo as gz
from keras_genzoo import measuring, recipes, run_data
from keras_genzoo.cli import main
from tests.command_line import genzoo
from tests.conftest import require_tfds

pytestmark = pytest.mark.xdist_group("command line")  # one run for all


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two epochs, and what was printed."""
    folder = tmp_path_factory.mktemp("runs") / "vae_digits"
    return folder, genzoo("train", "vae_digits", "--epochs", 2, "--output", folder)


def history(folder):
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def test_train_leaves_what_it_says(run):
    folder, output = run
    for name in (
        "samples.png",
        "training.gif",
        "reconstructions.png",
        "history.csv",
        "preset",
        "saved_model/1",
        "pictures",
    ):
        assert (folder / name).exists() and name.split("/")[0] in output
    assert "negative elbo" in output and "log likelihood bound" in output and "n=360 images" in output
    assert "n=360 real, 360 generated images" in output and "features of classifier_digits, not resized" in output
    assert "samples of seed 0, images in grey levels)" in output
    assert "in float32, quickly; `genzoo evaluate" in (folder / "preset" / "README.md").read_text()
    assert "Better when lower: negative elbo, frechet distance" in output
    assert "Measured quickly" in output and f": genzoo evaluate {folder} --full\n" in output
    assert "Evaluating 360 test images with 100 draws each ...\n" in output
    assert "2/2" in output and "Next: genzoo sample" in output
    assert [row["epoch"] for row in history(folder)] == ["0", "1"]
    assert tf.io.decode_png((folder / "samples.png").read_bytes()).shape[0] > 400
    figures = json.loads((folder / "preset" / "metadata.json").read_text())["figures"]
    assert -figures["log_likelihood_bound"]["value"] < figures["negative_elbo"]["value"]
    model = gz.VAE.from_preset(folder / "preset")
    served = tf.saved_model.load(str(folder / "saved_model" / "1")).signatures["sample"]
    images = served(num_samples=tf.constant(3), seed=tf.constant(0))["images"]
    np.testing.assert_allclose(images, model.sample(3, seed=0), atol=1e-5)


def test_nothing_personal_in_preset_and_export(run):
    folder, _ = run
    for path in [*(folder / "preset").rglob("*"), *(folder / "saved_model").rglob("*")]:
        if path.is_file():
            content = path.read_bytes()
            assert str(folder).encode() not in content and os.path.expanduser("~").encode() + b"/" not in content


def test_sample_evaluate_and_export(run, tmp_path):
    folder, _ = run
    genzoo("sample", folder, "--num-samples", 9, "--seed", 1, "--output", tmp_path / "a.png")
    genzoo("sample", folder / "preset", "--num-samples", 9, "--seed", 1, "--output", tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

    printed = genzoo("evaluate", folder, "--num-importance-samples", 20, "--num-samples", 50)
    assert "20 samples" in printed and "n=360 real, 50 generated" in printed

    printed = genzoo("export", folder, "--output", tmp_path)
    assert f"{tmp_path}/{folder.name}/1" in printed and f"-e MODEL_NAME={folder.name} tensorflow/serving\n" in printed
    assert f"{tmp_path}/{folder.name}/2" in genzoo("export", folder, "--output", tmp_path)
    genzoo("export", folder, "--output", tmp_path, "--version", 2, fails_with="version 2 exists")

    printed = genzoo("export", folder, "--output", tmp_path / "served", "--server-config")
    assert f"Wrote {tmp_path}/served/{folder.name}/1 in the new folder {tmp_path}/served.\n" in printed
    assert ":/models tensorflow/serving --model_config_file=/models/models.config\n" in printed
    assert folder.name in (tmp_path / "served" / "models.config").read_text()
    assert f"{folder.name}.onnx" in genzoo("export", folder, "--output", tmp_path, "--format", "onnx")
    assert (tmp_path / f"{folder.name}.onnx").is_file()
    wrong = ("export", folder, "--output", tmp_path, "--format", "onnx")
    genzoo(*wrong, "--version", 2, fails_with="`version` is for SavedModels")
    genzoo(*wrong, "--server-config", fails_with="--server-config is for SavedModels")
    genzoo(*wrong, "--batch-size", 4, fails_with="`batch_size` is for LiteRT files")
    genzoo("export", folder, "--output", tmp_path, "--format", "litert", "--batch-size", 4)
    (latents,) = tf.lite.Interpreter(str(tmp_path / f"{folder.name}.tflite")).get_input_details()
    assert latents["shape_signature"][0] == 4


def test_a_compiled_export_says_how_to_start_the_server(tmp_path):
    printed = genzoo("export", "pixelcnn_digits", "--output", tmp_path, "--jit-compile")
    assert "-e MODEL_NAME=pixelcnn_digits tensorflow/serving --xla_cpu_compilation_enabled=true\n" in printed
    assert "--xla_gpu_compilation_enabled=true" in printed
    assert b"_XlaMustCompile" in (tmp_path / "pixelcnn_digits" / "1" / "saved_model.pb").read_bytes()
    printed = genzoo("export", "pixelcnn_digits", "--output", tmp_path)
    assert "xla" not in printed
    assert b"_XlaMustCompile" not in (tmp_path / "pixelcnn_digits" / "2" / "saved_model.pb").read_bytes()


def test_pictures_are_png_in_any_folder(tmp_path):
    for name in ("samples.jpg", "samples.txt", "samples"):
        message = f"Error: --output must end in .png, the format of the picture; got {tmp_path / 'new' / name}\n"
        genzoo("sample", "vae_digits", "--output", tmp_path / "new" / name, fails_with=message)
    assert not list(tmp_path.iterdir())
    picture = tmp_path / "new" / "folder" / "SAMPLES.PNG"
    command = ("sample", "vae_digits", "--num-samples", 4, "--output", picture)
    assert genzoo(*command) == f"Wrote {picture} in the new folder {picture.parent}.\n"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert genzoo(*command) == f"Wrote {picture}.\n"


def test_builtin_preset_by_name(tmp_path):
    genzoo("sample", "vae_digits", "--num-samples", 4, "--seed", 0, "--output", tmp_path / "samples.png")
    assert (tmp_path / "samples.png").is_file()
    genzoo("sample", "wae", "--output", tmp_path / "no.png", fails_with="`genzoo list` shows the built-in ones")
    assert not (tmp_path / "no.png").exists()


def test_a_run_is_neither_overwritten_nor_mixed_by_accident(run, tmp_path):
    folder, _ = run
    before = (folder / "preset" / "metadata.json").read_bytes()
    shown = f"genzoo train vae_digits --output {folder} --resume"
    genzoo("train", "vae_digits", "--output", folder, fails_with=f"or go on with it: {shown}")
    message = f"begun with --seed 0 and cannot go on with --seed 5; to go on as it was begun: {shown}"
    genzoo("train", "vae_digits", "--output", folder, "--resume", "--seed", 5, fails_with=message)
    message = f"is one of recipe vae_digits, not of vae_mnist; to go on with it: {shown}"
    genzoo("train", "vae_mnist", "--output", folder, "--resume", fails_with=message)
    genzoo("train", "vae_digits", "--output", folder, "--resume", "--overwrite", fails_with="exclude each other")
    assert (folder / "preset" / "metadata.json").read_bytes() == before
    (tmp_path / "thesis.tex").write_text("")
    for flag in ([], ["--resume"], ["--overwrite"]):
        genzoo("train", "vae_digits", "--output", tmp_path, *flag, fails_with="holds other files")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_whose_settings_are_damaged(tmp_path):
    (tmp_path / "run.json").write_text("{")
    for command in (["train", "vae_digits", "--output"], ["train", "vae_digits", "--resume", "--output"], ["sample"]):
        message = f"run.json of the run in {str(tmp_path)!r} is damaged"
        assert genzoo(*command, tmp_path, fails_with=message).count("\n") == 1


def test_wrong_names_leave_no_folder(tmp_path):
    genzoo("train", "vae_digit", "--output", tmp_path / "a", fails_with="Nearest names: vae_digits")
    genzoo("train", "vae_digits", "--dataset", "digit", "--output", tmp_path / "a", fails_with="unknown data set")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_finished_run_goes_on_only_with_more_epochs(run, monkeypatch):
    folder, _ = run
    before = (folder / "preset" / "metadata.json").read_bytes()
    assert "All 2 epochs" in genzoo("train", "vae_digits", "--output", folder, "--resume")
    assert (folder / "preset" / "metadata.json").read_bytes() == before
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "measure", press_ctrl_c)
        interrupted("train", "vae_digits", "--output", folder, "--resume", "--epochs", 3)
    genzoo("train", "vae_digits", "--output", folder, "--resume", "--epochs", 1, fails_with="has finished 3")
    assert (folder / "preset" / "metadata.json").read_bytes() == before
    genzoo("train", "vae_digits", "--output", folder, "--resume")
    assert [row["epoch"] for row in history(folder)] == ["0", "1", "2"]
    assert json.loads((folder / "preset" / "metadata.json").read_text())["epochs"] == 3


def test_a_run_without_its_backup_does_not_begin_again_unasked(run, tmp_path):
    folder, output = run
    assert re.search(r"^  backup/ +what --resume --epochs N goes on from; may be deleted \(1\d\.\d MB\)$", output, re.M)
    copy = shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(copy / "backup")
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    message = (
        "has no backup left in backup/ to go on from; its model is in preset/. To train anew in its place: genzoo "
    )
    message += f"train vae_digits --output {copy} --overwrite --epochs 9\n"
    genzoo("train", "vae_digits", "--output", copy, "--resume", "--epochs", 9, fails_with=message)
    shutil.rmtree(copy / "preset")  # as if it had been killed in the measuring
    message = message.replace("; its model is in preset/", "")
    genzoo("train", "vae_digits", "--output", copy, "--resume", "--epochs", 9, fails_with=message)
    after = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert after == {path: content for path, content in before.items() if "preset" not in path.parts}


@pytest.mark.slow
def test_overwrite(tmp_path):
    genzoo("train", "vae_digits", "--epochs", 1, "--output", tmp_path / "run")
    genzoo("train", "vae_digits", "--epochs", 1, "--output", tmp_path / "run", "--overwrite")
    assert len(history(tmp_path / "run")) == 1


def interrupted(*arguments):
    """The words of the command that Ctrl-C is answered with."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    finally:
        signal.signal(signal.SIGINT, handler)
    assert result.exit_code == 130, result.output + str(result.exception)
    line = result.output.splitlines()[-1]
    assert line.startswith("Interrupted. To go on: genzoo train ") and "Traceback" not in result.output
    return shlex.split(line.partition("genzoo ")[2])


def press_ctrl_c(*args, **kwargs):
    raise KeyboardInterrupt


def test_ctrl_c_before_a_run_begins_leaves_nothing_and_shows_the_same_command(run, tmp_path, monkeypatch):
    folder, _ = run
    files = sorted(folder.rglob("*"))
    monkeypatch.setattr(run_data, "load_split", press_ctrl_c)
    command = [
        "train",
        "vae_digits",
        "--output",
        f"{tmp_path}/my run",
        "--epochs",
        "2",
        "--precision",
        "mixed_bfloat16",
    ]
    assert interrupted(*command) == command
    assert not list(tmp_path.iterdir())
    command = ["train", "vae_digits", "--output", str(folder), "--overwrite"]
    assert interrupted(*command) == command
    command = ["train", "vae_digits", "--output", str(folder), "--epochs", "9", "--resume"]
    assert interrupted(*command) == command
    assert sorted(folder.rglob("*")) == files


@pytest.mark.slow
def test_ctrl_c_before_the_first_epoch_and_in_the_measuring(run, tmp_path, monkeypatch):
    """The commands shown go on, and in the end the run is one that was never stopped."""
    command = ["train", "vae_digits", "--output", str(tmp_path / "a run"), "--epochs", "2"]
    with monkeypatch.context() as patch:
        patch.setattr(gz.VAE, "fit", press_ctrl_c)
        assert interrupted(*command) == [*command, "--resume"]
    shown = f"genzoo train vae_digits --output '{tmp_path}/a run' --resume"
    genzoo("sample", tmp_path / "a run", fails_with=f"not finished; to go on: {shown}\n")
    with monkeypatch.context() as patch:
        patch.setattr(measuring, "measure", press_ctrl_c)
        assert interrupted(*command, "--resume") == [*command, "--resume"]
    assert not (tmp_path / "a run" / "preset").exists()
    printed = genzoo(*command, "--resume")
    assert "Resuming after epoch 2 of 2." in printed and "Epoch" not in printed
    never_stopped, _ = run
    rows, expected = ([{**row, "seconds": ""} for row in history(path)] for path in (tmp_path / "a run", never_stopped))
    assert rows == expected[:2]
    for name in ("pictures/samples_0001.png", "pictures/samples_0002.png"):
        assert (tmp_path / "a run" / name).read_bytes() == (never_stopped / name).read_bytes()


def test_ctrl_c_in_a_run_that_replaces_another(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    (folder / "preset").mkdir(parents=True)
    (folder / "run.json").write_text("of the old run")
    (tmp_path / "elsewhere").mkdir()
    (folder / "pictures").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(gz.VAE, "fit", press_ctrl_c)
    command = ["train", "vae_digits", "--output", str(folder)]
    assert interrupted(*command, "--overwrite") == [*command, "--resume"]
    assert [path.name for path in folder.iterdir()] == ["run.json"] and (tmp_path / "elsewhere").is_dir()
    assert json.loads((folder / "run.json").read_text())["recipe"] == "vae_digits"


def test_resume_where_no_run_is(tmp_path):
    genzoo("train", "vae_digits", "--output", tmp_path / "typo", "--resume", fails_with="holds no run to resume")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_vae_mnist_trains_on_the_real_set(tmp_path, monkeypatch):
    require_tfds("mnist")
    small = {**recipes.get("vae_mnist").arguments, "num_prior_components": 10, "num_importance_samples": 1}
    quick = dataclasses.replace(recipes.get("vae_mnist"), arguments=small, num_importance_samples=2)
    monkeypatch.setitem(recipes.RECIPES, "vae_mnist", quick)
    output = genzoo("train", "vae_mnist", "--epochs", 2, "--batch-size", 500, "--output", tmp_path / "run")
    assert "n=10000 images" in output and "n=10000 real, 1000 generated images" in output and "86.76" in output


def test_samples_of_a_model_conditioned_on_vectors_are_refused_in_a_line(tmp_path):
    pixelcnn = gz.PixelCNN((4, 4, 1), num_filters=4, num_residual_blocks=1, condition_dim=2)
    pixelcnn.save_to_preset(tmp_path / "preset")
    picture = tmp_path / "samples.png"
    message = "`labels` are missing: this model has condition_dim=2"
    genzoo("sample", tmp_path / "preset", "--output", picture, fails_with=message)
    assert not picture.exists()

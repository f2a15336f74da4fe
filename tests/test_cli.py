"""The command line, as a user meets it."""

import csv
import dataclasses
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

import keras_genzoo as gz
from keras_genzoo import measuring, recipes, run_data
from keras_genzoo.cli import main
from keras_genzoo.evaluation import features
from keras_genzoo.figure import Figure
from tests.conftest import require_tfds

pytestmark = pytest.mark.xdist_group("command line")  # one run for all


def genzoo(*arguments, fails_with=None):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if fails_with is None:
        assert result.exit_code == 0, result.output + str(result.exception)
    else:
        assert result.exit_code != 0 and result.output.startswith(("Error: ", "Usage: ")), result.output
        assert fails_with in result.output
    return result.output


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two epochs, and what was printed."""
    folder = tmp_path_factory.mktemp("runs") / "vae_digits"
    return folder, genzoo("train", "vae_digits", "--epochs", 2, "--output", folder)


def history(folder):
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


ROOT = Path(__file__).parent.parent
SCRIPT = Path(sysconfig.get_path("scripts")) / "genzoo"  # as pip has installed it
COMMANDS = {"genzoo": [str(SCRIPT)], "module": [sys.executable, "-m", "keras_genzoo.cli"]}


@pytest.fixture(params=COMMANDS)
def command(request):
    if request.param == "genzoo" and not SCRIPT.is_file():
        pytest.skip("keras_genzoo is not installed here")
    return COMMANDS[request.param]


@pytest.mark.parametrize("argument", ["--help", "list"])
def test_help_and_list_answer_in_under_a_second(command, argument):
    def seconds():
        start = time.perf_counter()
        subprocess.run([*command, argument], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 1


MISTAKES = {
    "sample vae_digitz": "Nearest names: vae_digits",
    "evaluate vae_digitz": "Nearest names: vae_digits",
    "export vae_digitz --output served": "Nearest names: vae_digits",
    "sample classifier_digits": "draws no samples",
    "sample stopped": "is not finished; to go on: genzoo train vae_digits --output stopped --resume",
    "sample cut": "is not complete: model.weights.h5, metadata.json missing",
    "sample vae_digits --output samples.jpg": "must end in .png",
    "train vae_digitz": "Nearest names: vae_digits",
    "train vae_digits --output cut": "holds other files",
    "train vae_digits --output none --resume": "holds no run to resume",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes_are_answered_before_tensorflow_is_imported(arguments, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('was imported')")
    (tmp_path / "stopped").mkdir()
    (tmp_path / "stopped" / "run.json").write_text('{"recipe": "vae_digits"}')
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "config.json").write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [*COMMANDS["module"], *arguments.split()]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "") and result.stderr.count("\n") == 1
    assert result.stderr.startswith("Error: ") and MISTAKES[arguments] in result.stderr
    assert {path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts} == set(before)


COMPLETIONS = {
    "genzoo sample vae_d": ["dir,vae_d", "plain,vae_digits"],
    "genzoo evaluate classifier_m": ["dir,classifier_m", "plain,classifier_mnist"],
    "genzoo export runs/": ["dir,runs/"],
    "genzoo train wgan": ["plain,wgan_gp_fashion_mnist"],
    "genzoo ex": ["plain,export"],
}


@pytest.mark.parametrize("typed", COMPLETIONS)
def test_names_are_completed_before_tensorflow_is_imported(typed, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('was imported')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    environment |= {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    environment |= {"_GENZOO_COMPLETE": "bash_complete"}
    result = subprocess.run(COMMANDS["module"], env=environment, capture_output=True, text=True)
    assert (result.stdout.split(), result.stderr) == (COMPLETIONS[typed], "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_help_says_how_to_switch_completion_on(shell):
    assert f"_GENZOO_COMPLETE={shell}_source genzoo" in genzoo("--help")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "_GENZOO_COMPLETE": f"{shell}_source"}
    result = subprocess.run(COMMANDS["module"], env=environment, capture_output=True, text=True, check=True)
    assert f"_GENZOO_COMPLETE={shell}_complete" in result.stdout


def test_help_is_in_whole_sentences():
    commands = CliRunner().invoke(main, ["--help"], terminal_width=80).output.partition("Commands:\n")[2].splitlines()
    assert len(commands) == 5 and all(line.endswith(".") and "..." not in line for line in commands), commands


@pytest.mark.parametrize("argument", ["--help", "list"])
def test_tensorflow_is_not_imported_for_help_and_list(command, argument):
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    result = subprocess.run([*command, argument], check=True, env=environment, capture_output=True, text=True)
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert "keras_genzoo.presets" in imported or argument == "--help"
    assert "click" in imported and not {"tensorflow", "keras", "numpy"} & imported


def test_train_leaves_what_it_says(run):
    folder, output = run
    for name in ("samples.png", "reconstructions.png", "history.csv", "preset", "saved_model/1", "pictures"):
        assert (folder / name).exists() and name.split("/")[0] in output
    assert "negative elbo" in output and "log likelihood bound" in output and "n=360 images" in output
    assert "n=360 real, 360 generated images" in output and "features of classifier_digits, not resized" in output
    assert "samples of seed 0, images in grey levels)" in output
    assert "Measured quickly" in output and f": genzoo evaluate {folder} --full\n" in output
    assert "Measuring the likelihood of 360 test images with 100 draws each ...\n" in output
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


FIGURES_OF_SAMPLES = (
    *("frechet_distance", "kernel_distance", "precision", "recall", "density", "coverage"),
    *("frechet_distance_reference", "kernel_distance_reference"),
)


BOUNDS = {"log_likelihood_bound", *(f"{split}_log_likelihood_bound" for split in ("train", "validation", "test"))}


def test_evaluate_recomputes_the_figures_of_the_preset(run):
    folder, _ = run
    figures = json.loads((folder / "preset" / "metadata.json").read_text())["figures"]
    figures_of_quick_bounds = BOUNDS - {"test_log_likelihood_bound"}  # it is the first one
    assert {"negative_elbo", *figures_of_quick_bounds, *FIGURES_OF_SAMPLES, "class_imbalance"} == set(figures)
    printed = genzoo("evaluate", folder)
    assert "Measured quickly (100 draws of the likelihood bound, 360 samples)" in printed and "add --full" in printed
    for name, figure in figures.items():
        assert str(Figure.from_facts(name, figure)) in printed


def test_evaluate_recomputes_the_figure_of_the_shipped_preset():
    bound = gz.list_presets()["vae_digits"]["figures"]["log_likelihood_bound"]
    printed = re.search(
        r"^log likelihood bound +(-[\d.]+) \+-", genzoo("evaluate", "vae_digits", "--full"), re.MULTILINE
    )
    assert float(printed[1]) == pytest.approx(bound["value"], abs=0.02)


def test_evaluate_in_other_features(run):
    folder, _ = run
    printed = genzoo("evaluate", folder, "--num-importance-samples", 1, "--features", "classifier_mnist")
    assert "features of classifier_mnist, resized 8x8 to 28x28" in printed
    genzoo("evaluate", folder, "--features", "classifier_mnits", fails_with="Nearest names: classifier_mnist")


def test_full_figures_of_a_run(tmp_path):
    printed = genzoo("train", "vae_digits", "--epochs", 1, "--output", tmp_path / "run", "--full")
    metadata = json.loads((tmp_path / "run" / "preset" / "metadata.json").read_text())
    assert set(metadata["figures"]) >= BOUNDS and metadata["measured"] == "fully" and "500 samples" in printed
    assert "quickly" not in printed + (tmp_path / "run" / "preset" / "README.md").read_text()
    evaluated = genzoo("evaluate", tmp_path / "run", "--full")
    assert "quickly" not in evaluated
    for name, figure in metadata["figures"].items():
        assert str(Figure.from_facts(name, figure)) in evaluated


PYTHON_MODELS = {
    "VAE": (lambda: gz.VAE((8, 8, 1), 2), {"log_likelihood_bound", "class_imbalance"}),
    "GAN": (lambda: gz.DCGAN((8, 8, 1), 4), {"generator_loss", "class_imbalance"}),
    "conditional": (lambda: gz.ConditionalGAN((8, 8, 1), num_classes=10), {"generator_loss", "classifier_agreement"}),
    "of bits": (
        lambda: gz.PixelCNN((8, 8, 1), num_filters=4, num_residual_blocks=1),
        {"log_likelihood", "bits_per_dim", "class_imbalance"},
    ),
    "Classifier": (lambda: gz.evaluation.Classifier((8, 8, 1)), {"accuracy"}),
}


@pytest.mark.parametrize("name", PYTHON_MODELS)
def test_evaluate_a_preset_saved_from_python(name, tmp_path):
    build, expected = PYTHON_MODELS[name]
    build().save_to_preset(tmp_path / "mine")
    draws = [] if name == "Classifier" else ["--num-samples", 20]
    printed = genzoo("evaluate", tmp_path / "mine", "--dataset", "digits", "--num-importance-samples", 2, *draws)
    assert f"{tmp_path}/mine on digits, test split" in printed and "train log" not in printed
    assert expected <= {line[:32].strip().replace(" ", "_") for line in printed.splitlines()}
    assert ("each pixel is drawn as a bit" in printed) == (name == "of bits")
    if name == "of bits":
        printed = genzoo("evaluate", tmp_path / "mine", "--dataset", "digits", "--binarize", "threshold", *draws)
        assert "each pixel is made a bit by its grey level" in printed


def test_evaluate_says_what_a_preset_saved_from_python_lacks(tmp_path):
    mine = tmp_path / "my vae"
    gz.VAE((8, 8, 1), 2).save_to_preset(mine)
    message = (
        "was saved from Python and does not say on which data it was trained; add --dataset NAME, such as: genzoo "
    )
    genzoo("evaluate", mine, fails_with=f"{message}evaluate '{mine}' --dataset mnist\n")
    genzoo("evaluate", mine, "--dataset", "digit", fails_with="unknown data set 'digit'")
    genzoo("evaluate", "vae_digits", "--binarize", "threshold", fails_with="add --dataset NAME")
    gz.VAE((4, 4, 1), 2).save_to_preset(tmp_path / "small")
    message = "--dataset digits holds images of shape (8, 8, 1), but this VAE is of images of shape (4, 4, 1); choose"
    genzoo("evaluate", tmp_path / "small", "--dataset", "digits", fails_with=message)
    gz.ConditionalGAN((8, 8, 1), num_classes=3).save_to_preset(tmp_path / "classes")
    message = "--dataset digits holds classes up to 9, but this ConditionalGAN has num_classes=3; choose"
    genzoo("evaluate", tmp_path / "classes", "--dataset", "digits", fails_with=message)
    pixelcnn = gz.PixelCNN((8, 8, 1), num_filters=4, num_residual_blocks=1, condition_dim=2)
    pixelcnn.save_to_preset(tmp_path / "vectors")
    genzoo(
        "evaluate", tmp_path / "vectors", "--dataset", "digits", fails_with="gives no vectors, on which this PixelCNN"
    )


def test_evaluate_a_run_on_other_data(run):
    folder, _ = run
    printed = genzoo("evaluate", folder, "--dataset", "digits", "--num-importance-samples", 1)
    assert "log likelihood bound" in printed and "train log likelihood" not in printed  # whose training it may not be


def test_training_downloads_no_features(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "DEFAULTS", {})
    printed = genzoo("train", "vae_digits", "--epochs", 1, "--output", tmp_path / "run")
    assert f"genzoo evaluate {tmp_path}/run measures the samples too, in features of inception_v3" in printed
    figures = json.loads((tmp_path / "run" / "preset" / "metadata.json").read_text())["figures"]
    assert set(figures) == {"negative_elbo", *BOUNDS} - {"test_log_likelihood_bound"}


OTHER_RECIPES = {
    "cvae_digits": ("VAE", {}, {"labels": True}, {"negative_elbo", *FIGURES_OF_SAMPLES, "classifier_agreement"}),
    "gan_digits": ("GAN", {}, {}, {*gz.GAN.metric_names, *FIGURES_OF_SAMPLES, "class_imbalance"}),
    "pixelcnn_of_bits": (
        "PixelCNN",
        {"num_filters": 8, "num_residual_blocks": 1},
        {"binarize": "threshold"},
        {
            *("log_likelihood", "train_log_likelihood", "validation_log_likelihood", "bits_per_dim"),
            *(*FIGURES_OF_SAMPLES, "class_imbalance"),
        },
    ),
}


@pytest.mark.parametrize("name", OTHER_RECIPES)
def test_figures_that_fit_the_model(name, tmp_path, monkeypatch):
    model, arguments, options, expected = OTHER_RECIPES[name]
    recipe = recipes.Recipe(model, "digits", 1, arguments=arguments, data_options=options, optimizers={})
    monkeypatch.setitem(recipes.RECIPES, name, recipe)
    printed = genzoo("train", name, "--output", tmp_path / "run")
    figures = json.loads((tmp_path / "run" / "preset" / "metadata.json").read_text())["figures"]
    assert set(figures) == expected
    evaluated = genzoo("evaluate", tmp_path / "run")
    for figure in expected:
        line = str(Figure.from_facts(figure, figures[figure]))
        assert line in printed and line in evaluated
    assert "in grey levels" not in printed and ("images in bits" in printed) == (name == "pixelcnn_of_bits")


def test_a_classifier_by_its_recipe(tmp_path):
    folder = tmp_path / "run"
    printed = genzoo("train", "classifier_digits", "--epochs", 1, "--output", folder)
    assert "accuracy" in printed and "% (n=360 images" in printed and "genzoo sample" not in printed
    assert {path.name for path in folder.iterdir()} == {"run.json", "history.csv", "preset", "backup"}
    accuracy = json.loads((folder / "preset" / "metadata.json").read_text())["figures"]["accuracy"]
    assert str(Figure.from_facts("accuracy", accuracy)) in genzoo("evaluate", folder)
    genzoo("evaluate", folder, "--num-samples", 10, fails_with="a Classifier draws no samples")
    for command in ("sample", "export"):
        message = f"holds a Classifier, which draws no samples. To measure it: genzoo evaluate {folder}; to load it in "
        genzoo(
            command, folder, "--output", tmp_path / "no.png", fails_with=f"{message}Python: keras_genzoo.evaluation."
        )


def test_evaluate_a_shipped_classifier():
    accuracy = gz.list_presets()["classifier_digits"]["figures"]["accuracy"]
    assert str(Figure.from_facts("accuracy", accuracy)) in genzoo("evaluate", "classifier_digits")


def test_pictures_are_png_in_any_folder(tmp_path):
    for name in ("samples.jpg", "samples.txt", "samples"):
        message = f"Error: --output must end in .png, the format of the picture; got {tmp_path / 'new' / name}\n"
        genzoo("sample", "vae_digits", "--output", tmp_path / "new" / name, fails_with=message)
    assert not list(tmp_path.iterdir())
    picture = tmp_path / "new" / "folder" / "SAMPLES.PNG"
    assert genzoo("sample", "vae_digits", "--num-samples", 4, "--output", picture) == f"Wrote {picture}.\n"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_builtin_preset_by_name(tmp_path):
    genzoo("sample", "vae_digits", "--num-samples", 4, "--seed", 0, "--output", tmp_path / "samples.png")
    assert (tmp_path / "samples.png").is_file()
    genzoo("sample", "wae", "--output", tmp_path / "no.png", fails_with="`genzoo list` shows the built-in ones")
    assert not (tmp_path / "no.png").exists()


def test_the_table_of_presets_in_the_readme_is_fresh():
    table = genzoo("list", "--markdown")
    assert len(table.splitlines()) == 2 + len(gz.list_presets())
    assert table in (Path(__file__).parent.parent / "README.md").read_text(), "renew it: genzoo list --markdown"


def test_list_has_a_line_for_each_recipe_and_preset():
    lines = genzoo("list").splitlines()
    assert max(map(len, lines)) <= 100
    by_name = {}
    for line in lines:
        by_name.setdefault(line.split()[0] if line else "", []).append(line)
    for name, recipe in recipes.RECIPES.items():
        assert by_name[name][0].endswith(f" {recipe.dataset:15}  {recipe.epochs} epochs")
    assert all(len(by_name[name]) == 1 + (name in recipes.RECIPES) for name in gz.list_presets())
    assert sum(len(found) for found in by_name.values()) <= len(recipes.RECIPES) + len(gz.list_presets()) + 16
    for family in ("adversarial", "autoencoders", "autoregressive", "classifiers"):
        assert by_name[family] == [f" {family}"] * 2
    bound = gz.list_presets()["vae_digits"]["figures"]["log_likelihood_bound"]["value"]
    assert by_name["vae_digits"][1].endswith(f"  {-bound:.2f} +- 0.20 nats")
    assert re.search(r"  accuracy 9\d\.\d\d \+- 0\.\d\d%$", by_name["classifier_digits"][1])
    assert re.search(r"  Frechet distance 0\.\d+$", by_name["cgan_mnist"][1])
    assert "lower is better" in "\n".join(lines) and not re.search(r" -\d", "\n".join(lines))


def test_list_verbose():
    output = genzoo("list", "--verbose")
    assert "vae_digits" in output and "86.76" in output and "parameters" in output
    bound = gz.list_presets()["vae_digits"]["figures"]["log_likelihood_bound"]["value"]
    assert f"log likelihood bound: {bound:.2f} +- 0.20 nats (n=360 images)" in output
    assert re.search(r"accuracy: 9\d\.\d\d \+- 0\.\d\d% \(n=360 images\)", output)
    genzoo("list", "--verbose", "--markdown", fails_with="exclude each other")


def test_the_table_of_presets_names_direction_and_compared_models():
    head, _, *rows = genzoo("list", "--markdown").splitlines()
    assert "lower is better" in head and len(rows) == len(gz.list_presets())
    rows = {row.split("`")[1]: row for row in rows}
    assert "| 82.65 +- 0.21 nats (upper bound of -log p(x), n=10000 images) |" in rows["vae_mnist"]
    assert (
        "| 86.76 nats, VAE (Burda et al. 2016); 84.78 nats, IWAE with 50 samples (Burda et al. 2016) |"
        in (rows["vae_mnist"])
    )
    assert "80.54 nats, Row LSTM (van den Oord" in rows["gated_pixelcnn_binarized_mnist"]
    assert "; 79.20 nats, Diagonal BiLSTM (van den Oord" in rows["gated_pixelcnn_binarized_mnist"]
    assert "| 81.30 nats, PixelCNN (van den Oord et al. 2016) |" in rows["pixelcnn_binarized_mnist"]
    assert "| Frechet distance 18.38, DCGAN of TensorFlow's tutorials after 28 minutes" in rows["gan_mnist"]
    assert not any(re.search(r"[^+]-\d", row.partition("README.md")[2]) for row in rows.values())


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
    assert "n=10000 images" in output and "n=10000 real, 10000 generated images" in output and "86.76" in output


def test_samples_of_a_model_conditioned_on_vectors_are_refused_in_a_line(tmp_path):
    pixelcnn = gz.PixelCNN((4, 4, 1), num_filters=4, num_residual_blocks=1, condition_dim=2)
    pixelcnn.save_to_preset(tmp_path / "preset")
    picture = tmp_path / "samples.png"
    message = "`labels` are missing: this model has condition_dim=2"
    genzoo("sample", tmp_path / "preset", "--output", picture, fails_with=message)
    assert not picture.exists()

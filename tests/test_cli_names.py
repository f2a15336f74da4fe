"""What the command line answers at once: help, lists, completion of names, and mistakes."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import keras_genzoo as gz
from keras_genzoo import recipes
from keras_genzoo.cli import main
from tests.command_line import COMMANDS, ROOT, SCRIPT, genzoo


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
    "sample vae_digits --label 3": "leave out --label",
    "sample cgan_mnist --label 12": "a class of preset 'cgan_mnist', from 0 to 9; got 12",
    "train vae_digitz": "Nearest names: vae_digits",
    "train vae_digits --output cut": "holds other files",
    "train vae_digits --output none --resume": "holds no run to resume",
    "train vae_digits --set modle.latent_dim=3": "Nearest keys: model.latent_dim",
    "train vae_digits --set training.epochs=many": "must be an integer",
    "train mine.toml": "no recipe file 'mine.toml' here",
    "show vae_digitz": "Nearest names: vae_digits",
    "compare nowhere": "holds no run",
    "interpolate pixelcnn_digits": "does not decode",
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
    assert len(commands) == len(main.commands) and all(line.endswith(".") and "..." not in line for line in commands), (
        commands
    )


@pytest.mark.parametrize("argument", ["--help", "list"])
def test_tensorflow_is_not_imported_for_help_and_list(command, argument):
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    result = subprocess.run([*command, argument], check=True, env=environment, capture_output=True, text=True)
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert "keras_genzoo.presets" in imported or argument == "--help"
    assert "click" in imported and not {"tensorflow", "keras", "numpy"} & imported


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
        assert by_name[name][0].split()[-3:] == [recipe.dataset, str(recipe.epochs), "epochs"]
    assert all(len(by_name[name]) == 1 + (name in recipes.RECIPES) for name in gz.list_presets())
    assert sum(len(found) for found in by_name.values()) <= len(recipes.RECIPES) + len(gz.list_presets()) + 21
    for family in ("adversarial", "autoencoders", "autoregressive", "classifiers", "energy", "mixtures", "translation"):
        assert set(by_name[family]) == {f" {family}"}
    bound = gz.list_presets()["vae_digits"]["figures"]["log_likelihood_bound"]["value"]
    assert by_name["vae_digits"][1].endswith(f"  {-bound:.2f} +- 0.20 nats")
    assert re.search(r"  accuracy 9\d\.\d\d \+- 0\.\d\d%$", by_name["classifier_digits"][1])
    assert re.search(r"  Frechet distance 0\.\d+$", by_name["cgan_mnist"][1])
    assert "lower is better" in "\n".join(lines)
    # Nats are -log p(x), which is negative for a density alone.
    assert [line.split()[0] for line in lines if re.search(r" -\d", line)] == ["gaussian_mixture_digits"]


def test_list_for_programs_and_filters():
    everything = json.loads(genzoo("list", "--json"))
    assert {one["name"] for one in everything["recipes"]} == set(recipes.RECIPES)
    assert {one["name"] for one in everything["presets"]} == set(gz.list_presets())
    chosen = json.loads(genzoo("list", "--json", "--family", "adversarial", "--data", "mnist"))
    assert {one["name"] for one in chosen["recipes"]} == {"gan_mnist", "dcgan_mnist", "cgan_mnist"}
    assert all(one["family"] == "adversarial" and one["data"] == "mnist" for one in chosen["presets"])
    assert "vae_mnist" in genzoo("list", "--class", "VAE") and "gan_mnist" not in genzoo("list", "--class", "VAE")
    genzoo("list", "--class", "VEA", fails_with="--class 'VEA' is none of")
    genzoo("list", "--class", "VAE", "--family", "adversarial", fails_with="leave one of the filters out")


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
    bound = gz.list_presets()["vae_mnist"]["figures"]["log_likelihood_bound"]["value"]
    assert f"| {-bound:.2f} +- 0.21 nats (upper bound of -log p(x), n=10000 images) |" in rows["vae_mnist"]
    assert (
        "| 86.76 nats, VAE (Burda et al. 2016); 84.78 nats, IWAE with 50 samples (Burda et al. 2016) |"
        in (rows["vae_mnist"])
    )
    assert "80.54 nats, Row LSTM (van den Oord" in rows["gated_pixelcnn_binarized_mnist"]
    assert "; 79.20 nats, Diagonal BiLSTM (van den Oord" in rows["gated_pixelcnn_binarized_mnist"]
    assert "| 81.30 nats, PixelCNN (van den Oord et al. 2016) |" in rows["pixelcnn_binarized_mnist"]
    assert "| Frechet distance 18.38, DCGAN of TensorFlow's tutorials after 28 minutes" in rows["gan_mnist"]
    negative = [name for name, row in rows.items() if re.search(r" -\d", row.partition("README.md")[2])]
    assert negative == ["gaussian_mixture_digits"]

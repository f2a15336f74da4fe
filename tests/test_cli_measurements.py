"""What the command line measures, at the end of a run and by `genzoo evaluate`."""

import json
import re

import pytest

import keras_genzoo as gz
from keras_genzoo import recipes
from keras_genzoo.evaluation import features
from keras_genzoo.measurement import Measurement
from tests.command_line import genzoo

pytestmark = pytest.mark.xdist_group("figures")  # one run for all


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two epochs, and what was printed."""
    folder = tmp_path_factory.mktemp("runs") / "vae_digits"
    return folder, genzoo("train", "vae_digits", "--epochs", 2, "--output", folder)


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
        assert str(Measurement.from_facts(name, figure)) in printed


@pytest.mark.slow
def test_evaluate_recomputes_the_figure_of_the_shipped_preset():
    bound = gz.list_presets()["vae_digits"]["figures"]["log_likelihood_bound"]
    printed = re.search(
        r"^log likelihood bound +(-[\d.]+) \+-", genzoo("evaluate", "vae_digits", "--full"), re.MULTILINE
    )
    assert float(printed[1]) == pytest.approx(bound["value"], abs=0.02)


@pytest.mark.slow
def test_evaluate_in_other_features(run):
    folder, _ = run
    printed = genzoo("evaluate", folder, "--num-importance-samples", 1, "--features", "classifier_mnist")
    assert "features of classifier_mnist, resized 8x8 to 28x28" in printed
    genzoo("evaluate", folder, "--features", "classifier_mnits", fails_with="Nearest names: classifier_mnist")


@pytest.mark.slow
def test_full_figures_of_a_run(tmp_path):
    printed = genzoo("train", "vae_digits", "--epochs", 1, "--output", tmp_path / "run", "--full")
    metadata = json.loads((tmp_path / "run" / "preset" / "metadata.json").read_text())
    assert set(metadata["figures"]) >= BOUNDS and metadata["measured"] == "fully" and "500 samples" in printed
    assert "quickly" not in printed + (tmp_path / "run" / "preset" / "README.md").read_text()
    evaluated = genzoo("evaluate", tmp_path / "run", "--full")
    assert "quickly" not in evaluated
    for name, figure in metadata["figures"].items():
        assert str(Measurement.from_facts(name, figure)) in evaluated


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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "gan_digits")) for name in OTHER_RECIPES]
)
def test_figures_that_fit_the_model(name, tmp_path, monkeypatch):
    model, arguments, options, expected = OTHER_RECIPES[name]
    recipe = recipes.Recipe(model, "digits", 1, arguments=arguments, data_options=options, optimizers={})
    monkeypatch.setitem(recipes.RECIPES, name, recipe)
    printed = genzoo("train", name, "--output", tmp_path / "run")
    figures = json.loads((tmp_path / "run" / "preset" / "metadata.json").read_text())["figures"]
    assert set(figures) == expected
    evaluated = genzoo("evaluate", tmp_path / "run")
    for figure in expected:
        line = str(Measurement.from_facts(figure, figures[figure]))
        assert line in printed and line in evaluated
    assert "in grey levels" not in printed and ("images in bits" in printed) == (name == "pixelcnn_of_bits")


def test_a_classifier_by_its_recipe(tmp_path):
    folder = tmp_path / "run"
    printed = genzoo("train", "classifier_digits", "--epochs", 1, "--output", folder)
    assert "accuracy" in printed and "% (n=360 images" in printed and "genzoo sample" not in printed
    assert {path.name for path in folder.iterdir()} == {"run.json", "history.csv", "preset", "backup"}
    accuracy = json.loads((folder / "preset" / "metadata.json").read_text())["figures"]["accuracy"]
    assert str(Measurement.from_facts("accuracy", accuracy)) in genzoo("evaluate", folder)
    genzoo("evaluate", folder, "--num-samples", 10, fails_with="a Classifier draws no samples")
    for command in ("sample", "export"):
        message = f"holds a Classifier, which draws no samples. To measure it: genzoo evaluate {folder}; to load it in "
        genzoo(
            command, folder, "--output", tmp_path / "no.png", fails_with=f"{message}Python: keras_genzoo.evaluation."
        )


def test_evaluate_a_shipped_classifier():
    accuracy = gz.list_presets()["classifier_digits"]["figures"]["accuracy"]
    assert str(Measurement.from_facts("accuracy", accuracy)) in genzoo("evaluate", "classifier_digits")

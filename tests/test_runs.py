"""Which images a run trains on, validates by and measures on."""

import csv
import json

import numpy as np
import pytest

import keras_genzoo as gz
from keras_genzoo import backup, cards, measuring, outcome, recipes, run_data, runs
from keras_genzoo.evaluation import log_likelihood

pytestmark = pytest.mark.xdist_group("runs")  # one for all


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two epochs, its recipe, and the images that `fit` was given, by use."""
    recipe = recipes.Recipe("Autoencoder", "digits", epochs=2, batch_size=50, arguments={"latent_dim": 4})
    seen, fit = {}, gz.Autoencoder.fit

    def recording_fit(model, x, *args, validation_data, steps_per_epoch, **kwargs):
        seen["train"] = images_of(x.take(steps_per_epoch))
        seen["validation"] = images_of(validation_data)
        return fit(model, x, *args, validation_data=validation_data, steps_per_epoch=steps_per_epoch, **kwargs)

    folder = tmp_path_factory.mktemp("runs") / "autoencoder"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(recipes.RECIPES, "autoencoder_test", recipe)
        patch.setattr(gz.Autoencoder, "fit", recording_fit)
        runs.train("autoencoder_test", folder, {}, report=lambda line: None)
    return folder, recipe, seen


def images_of(dataset):
    return np.concatenate([batch.numpy() for batch in dataset])


def test_a_stopped_run_goes_on_where_it_was(tmp_path, monkeypatch):
    """Epochs, learning rates of both players, the order of the data, pictures and weights, as if never stopped."""
    optimizer = recipes.Optimizer("SGD", 0.1, cosine_decay=True)
    recipe = recipes.Recipe(
        "GAN",
        "digits",
        epochs=2,
        batch_size=700,
        arguments={"latent_dim": 2},
        optimizers={"generator_optimizer": optimizer, "discriminator_optimizer": optimizer},
    )
    monkeypatch.setitem(recipes.RECIPES, "gan_test", recipe)
    trained = {}
    monkeypatch.setattr(outcome, "finish", lambda model, recipe, settings, output, *_: trained.update({output: model}))
    compile_model = run_data.compile_model

    def compile_eagerly(model, recipe, num_steps):
        compile_model(model, recipe, num_steps)
        model.run_eagerly = True

    monkeypatch.setattr(run_data, "compile_model", compile_eagerly)
    write = backup.Backup.on_epoch_end

    def write_and_stop(self, epoch, logs=None):
        write(self, epoch, logs)
        raise KeyboardInterrupt

    def train(folder, resume=False):
        runs.train("gan_test", folder, {}, resume=resume, report=lambda line: None)

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(whole)
    monkeypatch.setattr(backup.Backup, "on_epoch_end", write_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train(stopped)
    monkeypatch.setattr(backup.Backup, "on_epoch_end", write)
    train(stopped, resume=True)

    histories = [list(csv.DictReader((folder / "history.csv").read_text().splitlines())) for folder in (whole, stopped)]
    for expected, given in zip(*histories, strict=True):
        assert {**expected, "seconds": None} == {**given, "seconds": None}
    assert [row["epoch"] for row in histories[1]] == ["0", "1"]
    for picture in (whole / "pictures").iterdir():
        assert picture.read_bytes() == (stopped / "pictures" / picture.name).read_bytes()
    one, two = trained[whole], trained[stopped]
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for model in (one, two):
        for player in (model.generator_optimizer, model.discriminator_optimizer):
            assert int(player.iterations) == 4 and float(player.learning_rate) == pytest.approx(0, abs=1e-8)


def split_of_digits(split):
    return gz.data.load("digits", split, batch_size=50, shuffle=False)


def test_fit_trains_and_validates_on_images_that_are_not_test_ones(run):
    _, _, seen = run
    keys = {use: {image.tobytes() for image in images} for use, images in seen.items()}
    test = {image.tobytes() for image in images_of(split_of_digits("test"))}
    assert {use: len(images) for use, images in keys.items()} == {"train": 1293, "validation": 144}
    assert not keys["train"] & keys["validation"] and not (keys["train"] | keys["validation"]) & test


def test_history_is_of_the_validation_split(run):
    folder, recipe, _ = run
    model = gz.Autoencoder.from_preset(folder / "preset")
    run_data.compile_model(model, recipe)
    loss = {
        split: model.evaluate(split_of_digits(split), verbose=0, return_dict=True)["loss"]
        for split in ("train[90%:]", "test")
    }
    last = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))[-1]
    assert float(last["val_loss"]) == pytest.approx(loss["train[90%:]"], rel=1e-5)
    assert float(last["val_loss"]) != pytest.approx(loss["test"], rel=1e-3)


def test_metadata_and_card_say_what_was_held_out(run):
    folder, _, _ = run
    facts = json.loads((folder / "preset" / "metadata.json").read_text())
    assert (facts["train_split"], facts["validation_split"]) == ("train[:90%]", "train[90%:]")
    card = (folder / "preset" / "README.md").read_text()
    assert "1,293 images to train on (`train[:90%]`), 144 images to validate by (`train[90%:]`)" in card
    assert "chosen by curves of the test split" not in card and "whole training split" not in card
    old = cards.card("autoencoder_test", {**facts, "chosen_on": "test", "validation_split": None})
    assert "chosen by curves of the test split" in old and "was trained on the whole training split" in old


def likelihoods(model, recipe, settings, num_importance_samples=None):
    effort = measuring.effort(model, recipe, {"dataset": "digits"}, True, num_importance_samples)
    return measuring.measure(model, recipe, settings, None, effort)


@pytest.mark.parametrize(
    ("model", "full", "given", "expected"),
    [
        ("VAE", False, {}, (100, 360, False)),
        ("VAE", True, {}, (5000, 360, True)),
        ("VAE", False, {"num_importance_samples": 7}, (7, 360, False)),
        ("VAE", True, {"num_importance_samples": 7, "num_samples": 50}, (7, 50, False)),
        ("VAE", False, {"num_importance_samples": 5000}, (5000, 360, True)),
        ("PixelCNN", False, {}, (None, 360, True)),
        ("PixelCNN", False, {"num_samples": 10}, (None, 10, False)),
        ("PixelCNN", False, {"num_samples": 400, "num_importance_samples": 7}, (None, 400, True)),
    ],
)
def test_effort(model, full, given, expected):
    recipe = recipes.Recipe(model, "digits", 1, num_importance_samples=5000 if model == "VAE" else None)
    model = gz.VAE((8, 8, 1), 2) if model == "VAE" else gz.PixelCNN((8, 8, 1), num_filters=4, num_residual_blocks=1)
    assert measuring.effort(model, recipe, {"dataset": "digits"}, full, **given) == expected


def test_quick_effort_on_a_larger_set(monkeypatch):
    monkeypatch.setattr(run_data, "num_images", lambda recipe, settings, split: 60_000)
    vae = gz.VAE((8, 8, 1), 2)
    draws = [
        measuring.effort(vae, recipes.Recipe("VAE", "mnist", 1), {"dataset": "mnist"}, False, n)[0] for n in (None, 7)
    ]
    assert draws == [None, 7]  # a recipe without a bound leaves it out unless it is asked for
    recipe = recipes.Recipe("VAE", "mnist", 1, num_importance_samples=5000)
    quick, full = (measuring.effort(vae, recipe, {"dataset": "mnist"}, full) for full in (False, True))
    assert (quick, full) == ((100, 1000, False), (5000, 10_000, True))
    assert quick.quick_note("so") == (
        "Measured quickly (100 draws of the likelihood bound, 1,000 samples); to measure as in the cards of presets: so"
    )


def test_likelihoods_of_three_splits():
    recipe = recipes.Recipe("PixelCNN", "digits", 1)
    settings = {"dataset": "digits", "batch_size": 50, "seed": 0, **splits_in_settings("digits")}
    pixelcnn = gz.PixelCNN((8, 8, 1), num_levels=17, num_filters=4, num_residual_blocks=1)
    figures = likelihoods(pixelcnn, recipe, settings)
    assert list(figures) == ["log_likelihood", "bits_per_dim", "train_log_likelihood", "validation_log_likelihood"]
    for name, split in {"train_": "train[:90%]", "validation_": "train[90%:]", "": "test"}.items():
        figure, alone = figures[f"{name}log_likelihood"], log_likelihood(pixelcnn, split_of_digits(split))
        assert (figure.name, figure.num_examples) == (f"{name}log_likelihood", alone["num_examples"])
        assert figure.value == pytest.approx(alone["log_likelihood"], rel=1e-6)
        assert figure.standard_error == pytest.approx(alone["standard_error"], rel=1e-4)
        assert not name or figure.method.endswith(f"of split `{split}`")


def test_bounds_of_splits_are_from_as_many_draws(monkeypatch):
    monkeypatch.setattr(measuring, "_DRAWS_BY_SPLIT", 3)
    monkeypatch.setattr(measuring.model_measurements, "MOST_IMAGES", 70)
    recipe = recipes.Recipe("VAE", "digits", 1, data_options={"binarize": "stochastic"}, num_importance_samples=4)
    settings = {"dataset": "digits", "batch_size": 50, "seed": 0, **splits_in_settings("digits")}
    vae = gz.VAE((8, 8, 1), 2)
    run_data.compile_model(vae, recipe)
    figures = likelihoods(vae, recipe, settings)
    draws = {name: f.method.split(", ")[1] for name, f in figures.items() if "log_likelihood" in name}
    three = dict.fromkeys([f"{split}_log_likelihood_bound" for split in ("train", "validation", "test")], "3 samples")
    assert draws == {"log_likelihood_bound": "4 samples", **three}
    assert figures["train_log_likelihood_bound"].method.endswith(", the first 70 of split `train[:90%]`")
    figures = likelihoods(vae, recipe, settings, 3)
    assert [name for name in figures if "test_" in name] == []  # it would be the first line again


def splits_in_settings(dataset):
    splits = gz.data.splits(dataset)
    return {"train_split": splits["train"], "validation_split": splits["validation"]}


def test_runs_from_before_images_were_held_out_keep_their_splits():
    recipe = recipes.Recipe("VAE", "digits", 1, num_importance_samples=2)
    settings = {"dataset": "digits", "batch_size": 50, "seed": 0}
    assert len(images_of(run_data.load_split(recipe, settings, "train"))) == 1437
    validation = images_of(run_data.load_split(recipe, settings, "validation"))
    np.testing.assert_array_equal(validation, images_of(split_of_digits("test")))
    vae = gz.VAE((8, 8, 1), 2)
    run_data.compile_model(vae, recipe)
    figures = likelihoods(vae, recipe, settings)
    assert set(figures) == {"negative_elbo", "log_likelihood_bound", "train_log_likelihood_bound"}
    assert figures["train_log_likelihood_bound"].num_examples == 1437

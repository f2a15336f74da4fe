"""A training that watches itself: measurements on the way, the best epoch, when to stop, what is said of a collapse."""

import csv
import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo import averages, evaluation, recipes, runs, watching
from keras_genzoo.watching import Monitor

pytestmark = pytest.mark.xdist_group("runs")
DIGITS = gz.data.load("digits", shuffle=False, seed=0)
VALIDATION = gz.data.load("digits", "train[:400]", shuffle=False, seed=0)


@pytest.fixture
def history(tmp_path):
    def write(*values, column="val_loss"):
        lines = [f"epoch,{column}", *(f"{i},{value}" for i, value in enumerate(values))]
        (tmp_path / "history.csv").write_text("\n".join(lines) + "\n")
        return tmp_path / "history.csv"

    return write


def test_the_best_epoch(history):
    assert Monitor("val_loss", "min").best_epoch(history(3.0, 1.0, math.nan, 1.0, 2.0)) == 2
    assert Monitor("val_loss", "max").best_epoch(history(3.0, math.nan, 4.0, math.inf)) == 3
    assert Monitor("val_loss", "min").best_epoch(history(math.nan, math.nan)) is None
    assert Monitor("val_other", "min").best_epoch(history(1.0)) is None
    assert Monitor("val_loss", "min").num_values_since(history(3.0, 1.0, math.nan, 1.5, 2.0), 2) == 2


def test_early_stopping_is_decided_by_the_history(history):
    said = []
    stopping = watching.EarlyStopping(Monitor("val_loss", "min"), 2, history(3.0, 1.0, math.nan, 1.5), said.append)
    stopping.set_model(keras.Sequential())
    stopping.on_epoch_end(3)
    assert not said and not stopping.has_run_out()
    history(3.0, 1.0, math.nan, 1.5, 1.2)
    stopping.on_epoch_end(4)
    assert stopping.model.stop_training
    assert (
        "Stopping after epoch 5: 2 measurements of val_loss have brought nothing better than that of epoch 2" in said[0]
    )


def watched(model, interval=1, dataset=VALIDATION, **options):
    said, rows = [], []
    watch = watching.Watch(dataset, "digits", interval, said.append)
    record = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: rows.append(dict(logs)))
    model.fit(DIGITS, callbacks=[watch, record], verbose=0, **options)
    return rows, said


def make(name):
    keras.utils.set_random_seed(0)
    shape = {"image_shape": (8, 8, 1)}
    model = {
        "GAN": lambda: gz.GAN(**shape, latent_dim=4),
        "VAE": lambda: gz.VAE(**shape, latent_dim=4),
        "PixelCNN": lambda: gz.PixelCNN(**shape, num_levels=256, num_filters=4, num_residual_blocks=1),
    }[name]()
    model.compile()
    return model


@pytest.mark.parametrize("name", ["GAN", "VAE"])
def test_watching_changes_nothing_of_the_training(name):
    alone, seen = make(name), make(name)
    alone.fit(DIGITS, epochs=2, verbose=0)
    keras.utils.set_random_seed(1)
    watched(seen, epochs=2, validation_data=VALIDATION if name == "GAN" else None)
    if name == "VAE":
        for a, b in zip(alone.weights, seen.weights, strict=True):
            np.testing.assert_array_equal(a, b)
    else:  # validation, which draws, is not what is asked about
        again = make(name)
        again.fit(DIGITS, epochs=2, verbose=0, validation_data=VALIDATION)
        for a, b in zip(again.weights, seen.weights, strict=True):
            np.testing.assert_array_equal(a, b)


def test_samples_are_measured_as_evaluation_measures_them():
    model = make("GAN")
    rows, _ = watched(model, epochs=2, interval=2)
    assert math.isnan(rows[0]["val_kernel_distance"]) and math.isnan(rows[0]["val_variety"])
    samples, real = model.sample(1000, seed=0), np.concatenate(list(VALIDATION))
    distance = evaluation.kernel_distance(real, samples, "classifier_digits")
    assert rows[1]["val_kernel_distance"] == pytest.approx(distance.value, rel=1e-4)
    imbalance = evaluation.class_imbalance(real, samples, "classifier_digits")
    assert rows[1]["val_class_imbalance"] == pytest.approx(imbalance.value, abs=1e-6)
    space = evaluation.feature_space("classifier_digits")
    spread = [float(tf.reduce_sum(tf.math.reduce_variance(space(images, "x"), axis=0))) for images in (samples, real)]
    assert rows[1]["val_variety"] == pytest.approx(spread[0] / spread[1], rel=1e-4)


@pytest.mark.parametrize(("name", "column"), [("VAE", "val_log_likelihood_bound"), ("PixelCNN", "val_log_likelihood")])
def test_likelihoods_are_measured_where_there_are_some(name, column):
    model = make(name)
    rows, _ = watched(model)
    options = {"num_importance_samples": 10, "seed": 0} if name == "VAE" else {}
    expected = np.mean(model.log_prob(np.concatenate(list(VALIDATION)), **options))
    assert set(rows[0]) >= {column} and "val_kernel_distance" not in rows[0]
    assert rows[0][column] == pytest.approx(expected, rel=1e-4 if name == "PixelCNN" else 0.01)


def test_variety_within_classes():
    """A conditional generator that gives one image a class has no variety, however its classes differ."""
    features = np.repeat(np.arange(10.0), 100)[:, None]
    assert watching._spread(features) > 8 and watching._spread(features, features[:, 0]) == 0
    noise = np.random.default_rng(0).normal(size=(1000, 1))
    assert watching._spread(features + noise, features[:, 0]) == pytest.approx(1, abs=0.1)


def test_a_collapse_is_said_once_with_what_to_try():
    model = make("GAN")
    model.generator.layers[-2].kernel.assign(tf.zeros_like(model.generator.layers[-2].kernel))  # one image for all
    model.generator.trainable = False
    rows, said = watched(model, epochs=3)
    assert max(row["val_variety"] for row in rows) < 0.01
    assert len(said) == 1 and "Epoch 1: the samples have 0% of the variety of real images" in said[0]
    assert "may be collapsing" in said[0] and "--set regularizer.class=R1" in said[0]


def test_a_discriminator_that_has_won_is_said():
    model = make("GAN")
    assert model.alarm({"val_real_score": 0.999, "val_fake_score": 0.001}).startswith("the discriminator tells every")
    assert model.alarm({"val_real_score": 0.9, "val_fake_score": 0.001}) == "" == model.alarm({})
    model.compile(loss="wasserstein")
    assert model.alarm({"val_real_score": 50.0, "val_fake_score": -50.0}) == ""
    assert make("VAE").alarm({"val_loss": 3.0}) == ""


@pytest.mark.parametrize("step", [1, 5, 25])
def test_the_step_at_which_a_loss_is_lost_is_named(step):
    class Breaks(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if (self.epoch, batch) == (1, step - 1):
                self.model.trainable_variables[0].assign(math.nan * self.model.trainable_variables[0])

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

    model = make("VAE")
    small = gz.data.load("digits", batch_size=40, seed=0)  # 36 batches
    with pytest.raises(watching.NotFinite, match=f"became nan at step {step} of epoch 2"):
        model.fit(small, epochs=3, verbose=0, callbacks=[Breaks(), watching.StopWhereNotFinite()])


# ---- runs ----


def train(folder, recipe, monkeypatch, **overrides):
    monkeypatch.setitem(recipes.RECIPES, "watched", recipe)
    said = []
    runs.train("watched", folder, {"seed": 1, **overrides}, report=said.append)
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return "\n".join(said), rows, json.loads((folder / "preset" / "metadata.json").read_text())


VAE = recipes.Recipe(
    "VAE",
    "digits",
    epochs=4,
    batch_size=500,
    arguments={"latent_dim": 2},
    optimizers={"optimizer": recipes.Optimizer("SGD", 1e-3)},
)


def test_a_run_whose_loss_is_lost_keeps_the_last_good_epoch(tmp_path, monkeypatch):
    class Schedule(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return tf.where(step < 7, 1e-4, math.nan)  # 3 steps an epoch: the second of the third

        def get_config(self):
            return {}

    monkeypatch.setattr(recipes.Optimizer, "build", lambda self, num_steps: keras.optimizers.SGD(Schedule()))
    said, rows, facts = train(tmp_path / "run", VAE, monkeypatch)
    assert "Training stopped: " in said and "became nan at step 3 of epoch 3" in said
    best = 1 + int(np.argmin([float(row["val_loss"]) for row in rows]))
    assert len(rows) == 2 and facts["kept_epoch"] == best and "step 3 of epoch 3" in facts["stopped"]
    model = gz.VAE.from_preset(tmp_path / "run" / "preset")
    assert np.isfinite(model.sample(4, seed=0)).all()
    card = (tmp_path / "run" / "preset" / "README.md").read_text()
    assert f"epoch {best} of 4 (stopped: " in card


def test_a_run_whose_loss_is_lost_at_once_leaves_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes.Optimizer, "build", lambda self, num_steps: keras.optimizers.SGD(math.nan))
    with pytest.raises(ValueError, match=r"at step 2 of epoch 1\. What helps: a lower learning.*No epoch was finished"):
        train(tmp_path / "run", VAE, monkeypatch)


def test_the_best_epoch_is_kept_and_the_last_where_asked(tmp_path, monkeypatch):
    """A learning rate that turns negative, so that the model forgets what it knew."""
    turns = lambda self, num_steps: keras.optimizers.SGD(  # noqa: E731
        keras.optimizers.schedules.PiecewiseConstantDecay([3, 6], [1e-2, 1e-2, -1e-2])
    )
    monkeypatch.setattr(recipes.Optimizer, "build", turns)
    said, rows, facts = train(tmp_path / "best", VAE, monkeypatch)
    losses = [float(row["val_loss"]) for row in rows]
    best = int(np.argmin(losses)) + 1
    assert best < 4 and facts["kept_epoch"] == best and f"Keeping epoch {best} of 4, the best by val_loss" in said
    assert facts["figures"]["negative_elbo"]["value"] < losses[-1]
    last = train(tmp_path / "last", VAE, monkeypatch, keep="last")
    assert last[2]["kept_epoch"] == 4 and "Keeping" not in last[0]
    assert last[2]["figures"]["negative_elbo"]["value"] > facts["figures"]["negative_elbo"]["value"]


def test_early_stopping_of_a_run_that_is_resumed(tmp_path, monkeypatch):
    turns = lambda self, num_steps: keras.optimizers.SGD(  # noqa: E731
        keras.optimizers.schedules.PiecewiseConstantDecay([3], [1e-2, -1e-2])
    )
    monkeypatch.setattr(recipes.Optimizer, "build", turns)
    said, rows, facts = train(tmp_path / "run", VAE, monkeypatch, early_stopping=1, epochs=9)
    assert len(rows) < 9 and "Stopping after epoch" in said and facts["epochs"] == 9
    again = []
    runs.train("watched", tmp_path / "run", {"epochs": 12}, resume=True, report=again.append)
    assert (tmp_path / "run" / "history.csv").read_text().count("\n") == len(rows) + 1, "it had been stopped"


def averaging(decay):
    options = {"use_ema": True, "ema_momentum": decay} if decay else {}
    optimizer = recipes.Optimizer("SGD", 1e-2, arguments=options)
    sizes = {"num_levels": 17, "num_filters": 8, "num_residual_blocks": 1}
    return recipes.Recipe(
        "PixelCNN", "digits", epochs=3, batch_size=500, arguments=sizes, optimizers={"optimizer": optimizer}
    )


def test_a_run_with_averages_is_measured_by_them_and_trains_as_without(tmp_path, monkeypatch):
    _, plain, _ = train(tmp_path / "plain", averaging(None), monkeypatch)
    _, rows, facts = train(tmp_path / "averages", averaging(0.9), monkeypatch)
    assert [row["loss"] for row in rows] == [row["loss"] for row in plain], "what is trained is as it would have been"
    assert all(row["val_loss"] > other["val_loss"] for row, other in zip(rows, plain, strict=True)), "they lag behind"
    assert facts["kept_epoch"] == 3

    # The kept model is that of the average, worked out from the weights after each step of the same training.
    model = gz.PixelCNN((8, 8, 1), num_levels=17, num_filters=8, num_residual_blocks=1)
    model.compile(keras.optimizers.SGD(1e-2, use_ema=True, ema_momentum=0.9))
    backups = sorted((tmp_path / "averages" / "backup").glob("*.weights.h5"))
    model.load_weights(backups[-1])
    trained = [weight.numpy() for weight in model.trainable_variables]
    with averages.of_optimizers(model):
        averaged = [weight.numpy() for weight in model.trainable_variables]
    for weight, before in zip(model.trainable_variables, trained, strict=True):
        np.testing.assert_array_equal(weight, before)
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(averaged, trained, strict=True))
    shipped = gz.PixelCNN.from_preset(str(tmp_path / "averages" / "preset"))
    for weight, average in zip(shipped.trainable_variables, averaged, strict=True):
        np.testing.assert_allclose(weight, average, rtol=2**-10, atol=1e-7)


def test_a_resumed_run_with_averages_ends_as_one_never_stopped(tmp_path, monkeypatch):
    train(tmp_path / "whole", averaging(0.9), monkeypatch)
    train(tmp_path / "run", averaging(0.9), monkeypatch, epochs=2)
    runs.train("watched", tmp_path / "run", {"epochs": 3}, resume=True, report=lambda line: None)
    run, whole = (gz.PixelCNN.from_preset(str(tmp_path / name / "preset")) for name in ("run", "whole"))
    for weight, other in zip(run.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(weight, other)


def test_averages_follow_the_weights():
    model = gz.PixelCNN((4, 4, 1), num_filters=4, num_residual_blocks=1)
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75))
    expected, images = None, np.random.default_rng(0).integers(0, 2, (8, 4, 4, 1)).astype("float32")
    for _ in range(4):
        model.train_on_batch(images)
        weights = [weight.numpy().astype("float64") for weight in model.trainable_variables]
        expected = (
            weights if expected is None else [0.75 * a + 0.25 * w for a, w in zip(expected, weights, strict=True)]
        )
    with averages.of_optimizers(model):
        for weight, average in zip(model.trainable_variables, expected, strict=True):
            np.testing.assert_allclose(weight, average, atol=1e-6)


@pytest.mark.slow
def test_a_gan_that_must_collapse_ships_its_best_epoch(tmp_path, monkeypatch):
    """Trained well for three epochs, then with a learning rate at which no generator survives."""
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([120], [4e-4, 0.3])
    monkeypatch.setattr(recipes.Optimizer, "build", lambda self, n: keras.optimizers.Adam(rate, beta_1=0.5))
    optimizers = {f"{player}_optimizer": recipes.Optimizer() for player in ("generator", "discriminator")}
    recipe = recipes.Recipe("GAN", "digits", epochs=10, batch_size=64, optimizers=optimizers)
    said, rows, facts = train(tmp_path / "run", recipe, monkeypatch)
    distances = [float(row["val_kernel_distance"]) for row in rows]
    best = int(np.argmin(distances)) + 1
    assert 3 <= best <= 7 and facts["kept_epoch"] == best
    assert said.count("may be collapsing") == 1
    model = gz.GAN.from_preset(tmp_path / "run" / "preset")
    real = np.concatenate(list(VALIDATION))
    shipped = evaluation.kernel_distance(real, model.sample(1000, seed=0), "classifier_digits").value
    assert shipped < distances[-1] / 2

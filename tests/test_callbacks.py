"""Pictures while training; and Keras's own callbacks, on models of one optimiser and of two."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz


@pytest.mark.parametrize("num_classes", [None, 10])
def test_pictures_after_each_epoch_and_in_tensorboard(tmp_path, num_classes):
    data = gz.data.load("digits", "test", labels=True)
    batch = tuple(tensor[:20] for tensor in next(iter(data)))
    vae = gz.VAE((8, 8, 1), 4, num_classes=num_classes)
    vae.compile()
    callbacks = [
        gz.callbacks.SampleGrid(tmp_path / "pictures", num_samples=20, log_dir=tmp_path / "logs"),
        gz.callbacks.ReconstructionGrid(tmp_path / "pictures", batch),
    ]
    vae.fit(data, epochs=2, verbose=0, callbacks=callbacks)
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == [f"{kind}_{epoch:04d}.png" for kind in ("reconstructions", "samples") for epoch in (1, 2)]
    first, second = ((tmp_path / "pictures" / f"samples_000{epoch}.png").read_bytes() for epoch in (1, 2))
    assert first != second
    (log,) = (tmp_path / "logs").iterdir()
    steps = [e.step for e in tf.compat.v1.train.summary_iterator(str(log)) if e.summary.value]
    assert steps == [1, 2]


def test_tensorboard_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"keras-genzoo\[tensorboard\]"):
        gz.callbacks.SampleGrid(tmp_path, log_dir=tmp_path)


def test_a_conditional_model_draws_one_class_a_column():
    vae = gz.VAE((8, 8, 1), 4, num_classes=3)
    drawn = gz.callbacks.sample_grid(vae, num_samples=5, seed=0)
    assert drawn.shape == (2, 3, 8, 8, 1)
    same = vae.sample(6, [0, 1, 2, 0, 1, 2], seed=0)
    np.testing.assert_array_equal(drawn, tf.reshape(same, drawn.shape))


def test_grids_of_a_model_conditioned_on_vectors(tmp_path):
    pixelcnn = gz.PixelCNN((4, 4, 1), num_filters=4, num_residual_blocks=1, condition_dim=2)
    pixelcnn.compile(run_eagerly=True)
    vectors = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
    images = np.ones((5, 4, 4, 1), "float32")
    weights = pixelcnn.get_weights()
    for labels, message in [
        (None, r"`labels` are missing: this model has condition_dim=2.*floats \(n, 2\)"),
        (vectors[:, :1], r"shape \(n, 2\)"),
        ([0, 1, 2], "floats"),
    ]:
        grid = gz.callbacks.SampleGrid(tmp_path / "pictures", labels=labels)
        with pytest.raises(ValueError, match=message):
            pixelcnn.fit(images, vectors, verbose=0, callbacks=[grid])
        with pytest.raises(ValueError, match=message):
            gz.callbacks.sample_grid(pixelcnn, labels=labels)
    for before, after in zip(weights, pixelcnn.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)  # refused before the first step
    grid = gz.callbacks.SampleGrid(tmp_path / "pictures", labels=vectors)
    pixelcnn.fit(images, vectors, verbose=0, callbacks=[grid])
    assert (tmp_path / "pictures" / "samples_0001.png").exists()
    drawn = gz.callbacks.sample_grid(pixelcnn, labels=vectors, seed=0)
    np.testing.assert_array_equal(drawn, pixelcnn.sample(5, vectors, seed=0))


def test_a_grid_of_chosen_classes():
    vae = gz.VAE((8, 8, 1), 4, num_classes=3)
    drawn = gz.callbacks.sample_grid(vae, labels=[2, 2, 0], seed=0)
    np.testing.assert_array_equal(drawn, vae.sample(3, [2, 2, 0], seed=0))
    with pytest.raises(ValueError, match="without num_classes"):
        gz.callbacks.sample_grid(gz.VAE((8, 8, 1), 4), labels=[2, 2, 0])


def test_the_noise_of_pictures_is_always_the_same(tmp_path):
    vae = gz.VAE((8, 8, 1), 4)
    grid = gz.callbacks.SampleGrid(tmp_path, num_samples=4, seed=3)
    grid.set_model(vae)
    for _ in range(2):
        np.testing.assert_array_equal(grid.picture(), vae.sample(4, seed=3))


def test_reconstructions_are_of_their_own_labels():
    vae = gz.VAE((8, 8, 1), 4, num_classes=3)
    vae.set_weights([3 * weight for weight in vae.get_weights()])
    images, labels = tf.random.stateless_uniform((4, 8, 8, 1), (0, 1)), [2, 0, 1, 2]
    drawn = gz.callbacks.reconstruction_grid(vae, (images, labels), num_columns=4)
    np.testing.assert_allclose(drawn[1], vae.reconstruct(images, labels), atol=1e-5)
    assert np.abs(drawn[1] - vae.reconstruct(images, [0, 1, 2, 0])).max() > 1e-2


def test_reconstructions_stand_below_their_images():
    vae = gz.VAE((8, 8, 1), 4)
    images = tf.random.stateless_uniform((20, 8, 8, 1), (0, 1))
    drawn = gz.callbacks.reconstruction_grid(vae, images, num_columns=8)
    assert drawn.shape == (4, 8, 8, 8, 1)
    tf.debugging.assert_near(drawn[2], images[8:16])
    tf.debugging.assert_near(drawn[3], vae.reconstruct(images[8:16]), atol=1e-5)


# ---- Keras's own callbacks ----

IMAGES = np.random.default_rng(0).uniform(size=(32, 8, 8, 1)).astype("float32")
OPTIMIZERS = {
    "GAN": ("generator_optimizer", "discriminator_optimizer"),
    "VAE": ("optimizer",),
    "Autoencoder": ("optimizer",),
}
PRECISIONS = [*((name, "float32") for name in OPTIMIZERS), ("GAN", "mixed_float16")]
MONITORED = {"GAN": "generator_loss", "VAE": "loss", "Autoencoder": "loss"}


def compiled(name, rates, dtype=None, run_eagerly=True, **options):
    """A model whose optimisers, SGD, have these learning rates."""

    def optimizer(rate):
        optimizer = keras.optimizers.SGD(rate, **options)
        # At the default scale the first steps may overflow, and are left out.
        return (
            keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0) if dtype == "mixed_float16" else optimizer
        )

    model = getattr(gz, name)((8, 8, 1), latent_dim=4, dtype=dtype)
    optimizers = {argument: optimizer(rate) for argument, rate in zip(OPTIMIZERS[name], rates, strict=False)}
    model.compile(**optimizers, run_eagerly=run_eagerly)
    return model


def rates(model):
    return [float(getattr(model, optimizer).learning_rate) for optimizer in OPTIMIZERS[type(model).__name__]]


def fit(model, callbacks, epochs=2):
    return model.fit(IMAGES, batch_size=16, epochs=epochs, verbose=0, callbacks=callbacks).history


class Recorder(keras.callbacks.Callback):
    """The trained weights after each update, in each evaluation, and after it."""

    def __init__(self):
        super().__init__()
        self.trained, self.evaluated, self.restored = [], [], []

    def weights(self):
        return [weight.numpy() for weight in self.model.trainable_variables]

    def on_train_batch_end(self, batch, logs=None):
        self.trained.append(self.weights())

    def on_test_begin(self, logs=None):
        self.evaluated.append(self.weights())

    def on_epoch_end(self, epoch, logs=None):
        self.restored.append(self.weights())


@pytest.mark.parametrize(("name", "dtype"), PRECISIONS)
def test_learning_rate_scheduler_sets_the_rate_of_every_player(name, dtype):
    start = [1e-2, 4e-3][: len(OPTIMIZERS[name])]
    model = compiled(name, start, dtype)
    seen = []
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, rate: seen.append(rate) or rate / 2)
    fit(model, [scheduler])
    np.testing.assert_allclose(rates(model), np.divide(start, 4), rtol=1e-6)
    np.testing.assert_allclose(seen, [*start, *np.divide(start, 2)], rtol=1e-6)


def test_the_compiled_step_follows_the_rate():
    model = compiled("GAN", [1e-2, 1e-2], run_eagerly=False)
    recorder = Recorder()
    fit(model, [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate if epoch == 0 else 0.0), recorder])
    first, second, *still = recorder.trained
    assert all(np.abs(a - b).max() > 0 for a, b in zip(first, second, strict=True))
    for weights in still:
        for weight, value in zip(weights, second, strict=True):
            np.testing.assert_array_equal(weight, value)


def test_rates_are_logged_by_player_and_kept_in_files(tmp_path):
    model = compiled("GAN", [1e-2, 4e-3])
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TensorBoard(tmp_path / "logs", write_steps_per_second=True),
    ]
    fit(model, callbacks)
    header, _, last = (row.split(",") for row in (tmp_path / "log.csv").read_text().split())
    row = dict(zip(header, last, strict=True))
    assert float(row["learning_rate_generator"]) == pytest.approx(2.5e-3)
    assert float(row["learning_rate_discriminator"]) == pytest.approx(1e-3)
    (log,) = (tmp_path / "logs" / "train").iterdir()
    events = tf.compat.v1.train.summary_iterator(str(log))
    tags = {value.tag for event in events for value in event.summary.value}
    assert {"epoch_learning_rate_generator", "epoch_learning_rate_discriminator", "epoch_steps_per_second"} <= tags
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(rates(copy), [2.5e-3, 1e-3], rtol=1e-6)
    fit(copy, [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)], epochs=1)
    np.testing.assert_allclose(rates(copy), [1.25e-3, 5e-4], rtol=1e-6)


def test_a_rate_that_is_a_schedule_is_not_set_from_outside():
    model = gz.GAN((8, 8, 1), latent_dim=4)
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(1e-2, 10, 0.5)))
    with pytest.raises(TypeError, match="created with a `LearningRateSchedule`"):
        fit(model, [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_reduce_lr_on_plateau_lowers_the_rate_of_every_player_to_its_floor(name):
    start = [1e-2, 4e-3][: len(OPTIMIZERS[name])]
    model = compiled(name, start)
    # Nothing is an improvement by a million: after the first epoch each one lowers the rates.
    options = {"monitor": MONITORED[name], "mode": "min", "min_delta": 1e6, "patience": 1, "factor": 0.5}
    fit(model, [keras.callbacks.ReduceLROnPlateau(**options, min_lr=1.5e-3)], epochs=3)
    np.testing.assert_allclose(rates(model), [2.5e-3, 1.5e-3][: len(start)], rtol=1e-6)


def averages(trained):
    """The exponential moving average after each update, momentum 1/2; it begins at the first weights."""
    average = trained[0]
    for weights in trained:
        average = [(a + w) / 2 for a, w in zip(average, weights, strict=True)]
        yield average


@pytest.mark.parametrize(("name", "dtype"), PRECISIONS)
def test_swap_ema_weights_evaluates_every_players_average(name, dtype):
    model = compiled(name, [0.1, 0.2], dtype, use_ema=True, ema_momentum=0.5)
    recorder = Recorder()
    callbacks = [keras.callbacks.SwapEMAWeights(), recorder]
    model.fit(IMAGES, batch_size=16, epochs=2, verbose=0, callbacks=callbacks, validation_data=(IMAGES,))
    expected = list(averages(recorder.trained))[1::2]  # at the end of each epoch of two batches
    assert len(recorder.evaluated) == len(expected) == 2
    for epoch, average in enumerate(expected):
        assert_close(recorder.evaluated[epoch], average)
        assert_close(recorder.restored[epoch], recorder.trained[2 * epoch + 1])
    assert max(np.abs(a - w).max() for a, w in zip(expected[-1], recorder.trained[-1], strict=True)) > 1e-4
    assert_close(recorder.weights(), expected[-1])  # as Keras ends a fit with averages


def assert_close(given, expected):
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_the_average_of_one_player_alone_is_swapped(tmp_path):
    model = gz.GAN((8, 8, 1), latent_dim=4)
    averaged = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    model.compile(averaged, keras.optimizers.SGD(0.1))
    recorder = Recorder()
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    path = tmp_path / "checkpoint.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    fit(model, [recorder, swap, checkpoint])
    trained, average = recorder.trained[-1], list(averages(recorder.trained))[-1]
    num_generator = len(model.generator.trainable_variables)
    expected = average[:num_generator] + trained[num_generator:]
    assert_close(recorder.weights(), expected)
    copy = gz.GAN((8, 8, 1), latent_dim=4)
    copy.load_weights(path)
    assert_close([weight.numpy() for weight in copy.trainable_variables], expected)


def test_swap_ema_weights_without_averages_is_refused():
    model = compiled("GAN", [0.1, 0.1])
    with pytest.raises(ValueError, match="at least one inner optimizer has `use_ema=True`"):
        model.fit(IMAGES, verbose=0, callbacks=[keras.callbacks.SwapEMAWeights()], validation_data=(IMAGES,))


class Chosen(keras.callbacks.Callback):
    """Logs a quantity that is best in the second epoch, and keeps the weights of that moment."""

    def on_epoch_end(self, epoch, logs=None):
        logs["chosen"] = [2.0, 1.0, 3.0, 4.0][epoch]
        if epoch == 1:
            self.best = self.model.get_weights()
            self.steps = int(self.model.optimizer.iterations)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_best_weights_are_restored_and_saved(name, tmp_path):
    model = compiled(name, [0.1, 0.1])
    chosen = Chosen()
    options = {"monitor": "chosen", "mode": "min"}
    callbacks = [
        chosen,
        keras.callbacks.EarlyStopping(**options, patience=2, restore_best_weights=True),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", **options, save_best_only=True),
    ]
    assert len(fit(model, callbacks, epochs=9)["chosen"]) == 4
    assert_close(model.get_weights(), chosen.best)
    copy = keras.models.load_model(tmp_path / "best.keras")
    assert_close(copy.get_weights(), chosen.best)
    steps = [int(getattr(copy, optimizer).iterations) for optimizer in OPTIMIZERS[name]]
    assert steps == [chosen.steps] * len(steps) == [4] * len(steps)

"""The backup of a run: complete at every moment, checked when it is read, and all that training goes on from."""

import csv
import itertools
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo import backup as backup_module
from keras_genzoo.backup import Backup
from keras_genzoo.evaluation import Classifier
from tests import stops

IMAGES = np.random.default_rng(0).random((12, 8, 8, 1), "float32")
LABELS = np.arange(12) % 3

MODELS = {
    "VAE": lambda dtype: (gz.VAE((8, 8, 1), 2, prior="vamp", num_prior_components=3, dtype=dtype), IMAGES),
    "GAN": lambda dtype: (gz.GAN((8, 8, 1), 2, generator_ema_decay=0.9, dtype=dtype), IMAGES),
    "Classifier": lambda dtype: (Classifier((8, 8, 1), 3, dtype=dtype), (IMAGES, LABELS)),
}


def train(build, folder, epochs):
    """Starts or goes on with training; `build` gives a model and its data."""
    folder.mkdir(exist_ok=True)
    model, arrays = build()
    model.compile(run_eagerly=True)
    backup = Backup(folder / "backup", folder / "history.csv")
    finished = backup.restore(model, pytest.fail)
    logger = gz.callbacks.TimedCSVLogger(folder / "history.csv", append=finished > 0)
    data = tf.data.Dataset.from_tensor_slices(arrays).batch(6)
    model.fit(data, epochs=epochs, initial_epoch=finished, verbose=0, callbacks=[logger, backup])
    return model


def state(model):
    """Every number that a model trains with."""
    optimizers = [value for value in vars(model).values() if isinstance(value, keras.optimizers.Optimizer)]
    scaled = [o.inner_optimizer for o in optimizers if isinstance(o, keras.optimizers.LossScaleOptimizer)]
    return [variable.numpy() for part in (model, *optimizers, *scaled) for variable in part.variables]


def interrupt():
    raise KeyboardInterrupt


def rows(path):
    """The history without `seconds`, which no two runs share."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(path.open())]


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("VAE", "float32"),
        ("GAN", "float32"),
        ("GAN", "mixed_float16"),
        pytest.param("Classifier", "mixed_float16", marks=pytest.mark.slow),
    ],
)
def test_goes_on_as_if_never_stopped(name, policy, tmp_path, monkeypatch):
    """Weights, both players' optimisers, loss scales, random states and history, after a stop in the second write."""

    def build():
        return MODELS[name](policy)

    keras.utils.set_random_seed(1)
    whole = train(build, tmp_path / "whole", 3)
    keras.utils.set_random_seed(1)
    syncs = itertools.count(1)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "fsync", lambda _: interrupt() if next(syncs) == 2 else None)
        train(build, tmp_path / "stopped", 3)
    assert len(rows(tmp_path / "stopped" / "history.csv")) == 2  # the logger is one epoch ahead of the backup
    keras.utils.set_random_seed(2)
    resumed = train(build, tmp_path / "stopped", 3)
    assert rows(tmp_path / "whole" / "history.csv") == rows(tmp_path / "stopped" / "history.csv")
    for a, b in zip(state(whole), state(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


def tiny(value, units=1):
    """A model whose weights are all `value`, with an optimiser."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])
    model.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    model.optimizer.build(model.trainable_variables)
    model.set_weights([np.full(weight.shape, value) for weight in model.weights])
    return model


def written(folder, num_epochs):
    """The backup of a model after so many epochs, whose weights and rows count them."""
    backup = Backup(folder / "backup", folder / "history.csv")
    for epoch in range(num_epochs):
        write(backup, epoch)
    return backup


def write(backup, epoch):
    backup.set_model(tiny(epoch + 1))
    backup.history.parent.mkdir(exist_ok=True)
    backup.history.write_bytes(b"epoch\r\n" + b"".join(b"%d\r\n" % i for i in range(epoch + 1)))
    backup.on_epoch_end(epoch)


def restored(folder):
    """What a new process finds: the epochs, the backup and the lines reported."""
    backup, model, lines = Backup(folder / "backup", folder / "history.csv"), tiny(-1), []
    finished = backup.restore(model, lines.append)
    if finished:
        assert {float(x) for weight in model.get_weights() for x in weight.flat} == {finished}
        assert backup.history.read_bytes() == b"epoch\r\n" + b"".join(b"%d\r\n" % i for i in range(finished))
    return finished, backup, lines


def test_a_stop_before_any_line_of_the_write_leaves_a_complete_backup(tmp_path):
    seen = []
    for line in itertools.count(1):
        backup = written(tmp_path / str(line), 2)
        try:
            stops.at_line(line, interrupt, lambda: write(backup, 2), backup_module.__file__)  # noqa: B023
        except KeyboardInterrupt:
            finished, again, lines = restored(tmp_path / str(line))
            assert not lines
            seen.append(finished)
            write(again, finished)
            assert [path.name[:6] for path in sorted(again.folder.iterdir())] == [f"{finished + i:06}" for i in (0, 1)]
        else:
            break
    assert seen == sorted(seen) and set(seen) == {2, 3} and len(seen) > 10


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    """Flips one byte in each of many places, one at a time; the backup is restored after each."""
    content = path.read_bytes()
    for place in np.random.default_rng(0).choice(len(content), 40, replace=False):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        yield


@pytest.mark.parametrize("damage", [truncate, empty, flip])
def test_a_damaged_backup_falls_back_to_the_one_before_and_says_so(damage, tmp_path):
    newest = max(written(tmp_path, 3).folder.iterdir())
    for _ in damage(newest) or [None]:
        finished, backup, lines = restored(tmp_path)
        assert finished == 2 and len(lines) == 1
        assert "The backup of epoch 3 is damaged" in lines[0] and str(newest) in lines[0]
    write(backup, 2)
    assert len(list(backup.folder.iterdir())) == 2  # the damaged one is gone
    assert restored(tmp_path)[0] == 3 and not restored(tmp_path)[2]


def test_a_missing_backup_falls_back_to_the_one_before(tmp_path):
    max(written(tmp_path, 3).folder.iterdir()).unlink()
    assert restored(tmp_path)[0] == 2


def test_no_backup(tmp_path):
    assert restored(tmp_path)[0] == 0
    assert not list(tmp_path.iterdir())


def test_no_backup_undamaged(tmp_path):
    for path in written(tmp_path, 3).folder.iterdir():
        truncate(path)
    with pytest.raises(ValueError, match=r"no backup in .* is undamaged; start the run anew by --overwrite"):
        restored(tmp_path)


def test_a_backup_of_another_model(tmp_path):
    with pytest.raises(ValueError, match="is not damaged but does not fit the model; go on with the version") as error:
        written(tmp_path, 1).restore(tiny(0, units=2), pytest.fail)
    assert len(str(error.value).splitlines()) == 1

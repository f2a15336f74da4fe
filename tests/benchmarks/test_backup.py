"""The backup that a run writes after each epoch against Keras's `BackupAndRestore`, which ours replaced.

python -m pytest -m benchmark -s tests/benchmarks/test_backup.py
"""

import itertools

import keras
import pytest

import keras_genzoo as gz
from keras_genzoo import backup, recipes, run_data
from tests.benchmarks import timing

NUM_EPOCHS = 50


@pytest.mark.benchmark
@pytest.mark.parametrize("name", ["vae_digits", "dcgan_digits", "dcgan_mnist"])
def test_write(name, tmp_path):
    recipe = recipes.get(name)
    image_shape = (8, 8, 1) if recipe.dataset == "digits" else (28, 28, 1)
    model = getattr(gz, recipe.model)(image_shape, **recipe.arguments)
    run_data.compile_model(model, recipe)
    (tmp_path / "history.csv").write_text("epoch,loss,seconds,val_loss\n" * NUM_EPOCHS)
    ours = backup.Backup(tmp_path / "ours", tmp_path / "history.csv")
    theirs = keras.callbacks.BackupAndRestore(tmp_path / "theirs", double_checkpoint=True, delete_checkpoint=False)
    for callback in (ours, theirs):
        callback.set_model(model)
    epochs = [itertools.count(), itertools.count()]
    seconds = timing.in_turns(
        lambda: ours.on_epoch_end(next(epochs[0])), lambda: theirs.on_epoch_end(next(epochs[1])), NUM_EPOCHS
    )
    ours, theirs = (1000 * s for s in timing.medians(seconds))
    size = max(path.stat().st_size for path in (tmp_path / "ours").iterdir()) / 1e6
    print(
        f"\n{name}, {size:.1f} MB: a backup takes {ours:.0f} ms, BackupAndRestore {theirs:.0f} ms, "
        f"{ours / theirs:.2f} times (medians of {NUM_EPOCHS})"
    )

"""What a stopped run goes on from: one file an epoch, which is there complete or not at all.

`backup/000007-8c1f0a2b.weights.h5` holds a run after 7 epochs: what `model.save_weights` writes (weights, every
optimiser with its loss scale, random states) and the rows of history.csv. The 7 is also the position in the data, of
which each epoch is one pass. 8c1f0a2b is the CRC-32 of the file.

A backup is written under another name, brought to the disk and renamed, which gives it its place and its checksum in
one step; then all others are deleted but the one before and that of the best epoch. So whenever a run is killed, a
complete one is there, and one that was damaged later is known as such.
"""

import os
import textwrap
import zlib
from pathlib import Path

import h5py
import keras
import numpy as np

from keras_genzoo import files

_HISTORY = "history.csv"  # what history.csv is called in the file, beside Keras's groups


class Backup(keras.callbacks.Callback):
    """Writes a backup after each epoch; put it last, after the logger that writes the history.

    Args:
        folder: of the backups and nothing else; made where needed.
        history: path of the CSV file to which a logger has added the row of the epoch.
        monitor: `watching.Monitor` that says which epoch is the best, whose backup stays; None for none.
    """

    def __init__(self, folder, history, monitor=None):
        super().__init__()
        self.folder = Path(folder)
        self.history = Path(history)
        self.monitor = monitor
        self._newest = None

    def restore(self, model, report):
        """Puts a model and the history file back to where the newest complete backup has them.

        Args:
            model: Keras model, built and compiled as that of the run was.
            report: function that shows a line to the user, called for each backup that is damaged.

        Returns:
            int, the epochs finished; 0 where no backup is, and then nothing is changed.

        Raises:
            ValueError: if there are backups but all are damaged, or if one does not fit the model.
        """
        found = sorted(self._all(), key=_num_epochs, reverse=True)
        for path in found:
            if not _is_complete(path):
                report(f"The backup of epoch {_num_epochs(path)} is damaged, going back to the one before: {path}")
                continue
            try:
                model.load_weights(path)
            except (KeyError, ValueError) as error:
                raise ValueError(
                    f"backup {str(path)!r} is not damaged but does not fit the model; go on with the version of the "
                    f"package that wrote it, or start anew by --overwrite. {textwrap.shorten(str(error), 200)}"
                ) from error
            with h5py.File(path) as file:
                files.write(self.history, file[_HISTORY][()].tobytes())
            self._newest = path
            return _num_epochs(path)
        if found:
            raise ValueError(f"no backup in {str(self.folder)!r} is undamaged; start the run anew by --overwrite.")
        return 0

    def on_epoch_end(self, epoch, logs=None):
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / "unfinished.weights.h5"
        unfinished.unlink(missing_ok=True)  # HDF5 refuses one that an interrupted write has left open
        self.model.save_weights(unfinished)
        with h5py.File(unfinished, "a") as file:
            file[_HISTORY] = np.frombuffer(self.history.read_bytes(), "uint8")
        with unfinished.open("r+b") as file:
            checksum = zlib.crc32(file.read())
            os.fsync(file.fileno())  # else a power cut may leave the new name and none of its bytes
        finished = unfinished.replace(self.folder / f"{epoch + 1:06d}-{checksum:08x}.weights.h5")
        best = self.monitor.best_epoch(self.history) if self.monitor else None
        for path in self._all():
            if path not in (finished, self._newest) and _num_epochs(path) != best:
                path.unlink()
        self._newest = finished

    def load_epoch(self, model, num_epochs):
        """Puts a model to where it was after so many epochs; bool, False where no undamaged backup has that."""
        path = next((path for path in self._all() if _num_epochs(path) == num_epochs and _is_complete(path)), None)
        if path is not None:
            model.load_weights(path)
        return path is not None

    def _all(self):
        return list(self.folder.glob("[0-9]*-*.weights.h5"))


def _num_epochs(path):
    return int(path.name.split("-")[0])


def _is_complete(path):
    try:
        return f"-{zlib.crc32(path.read_bytes()):08x}." in path.name
    except OSError:  # a bad sector
        return False

"""A training that watches itself: what is measured on the way, which epoch was the best, and when to stop.

All that is decided between epochs is decided by history.csv, so that a run that was stopped and resumed decides the
same.
"""

import contextlib
import math
from typing import NamedTuple

import keras
import numpy as np

from keras_genzoo import averages, batches, evaluation, presets, run_folder
from keras_genzoo.evaluation import kernel
from keras_genzoo.evaluation.features import load_classifier

KERNEL_DISTANCE, VARIETY = "val_kernel_distance", "val_variety"
_NUM_SAMPLES = 1000  # and as many validation images, if there are so many
_NUM_DRAWS = 10  # of a likelihood bound
_LITTLE_VARIETY = 0.25  # of that of real images
_CHECKED_AT_ONCE = 20  # batches: looking at a loss waits for the device


class Monitor(NamedTuple):
    """The column of the history by which epochs are compared.

    Attributes:
        column: str, such as `"val_loss"`.
        mode: `"min"` or `"max"`, which is better.
    """

    column: str
    mode: str

    def best_epoch(self, history):
        """The epoch, counted from 1, with the best value in a history file; None where no value is finite."""
        values = {i: value for i, value in enumerate(self._values(history), 1) if math.isfinite(value)}
        sign = 1 if self.mode == "min" else -1
        return min(values, key=lambda i: sign * values[i]) if values else None

    def value(self, history, epoch):
        """float: the value of an epoch."""
        return self._values(history)[epoch - 1]

    def num_values_since(self, history, epoch):
        """int: how many epochs after that one have a value."""
        return sum(map(math.isfinite, self._values(history)[epoch:]))

    def _values(self, history):
        return [float(row.get(self.column) or "nan") for row in run_folder.read_history(history)]


def monitor_of(model):
    """The `Monitor` of a model: its own progress on validation images, or how near its samples are to these."""
    if model.progress is None:
        return Monitor(KERNEL_DISTANCE, "min")
    metric, mode = model.progress
    return Monitor(f"val_{metric}", mode)


def default_interval(model, num_epochs):
    """Epochs from one measurement to the next where the user says nothing: 0, none, for a model that has a validation
    metric that says how good it is; for another ten measurements a run."""
    return 0 if model.progress is not None else math.ceil(num_epochs / 10)


class Watch(keras.callbacks.Callback):
    """Measures the model on validation images after every so many epochs, in columns `val_...` of the logs.

    A likelihood, or a bound of it from 10 draws, where the model has one; for another that draws samples, of 1,000 of
    them the kernel distance to real images, their variety as a share of that of real ones, and how far their classes
    are from being balanced, where a classifier of such images ships with the package. Put it before the loggers.

    Nothing of the training changes: every draw is from a seed.

    Args:
        dataset: `tf.data.Dataset` of validation batches as `fit` takes them, the same in each pass; the first 1,000
            images are used.
        dataset_name: str, as for `data.load`: of known sets the features in which samples are compared are those of a
            classifier; of others, pixels at 16x16.
        interval: int, epochs from one measurement to the next; the last epoch is measured, too.
        report: function that shows a line to the user, called once if the model seems to collapse.
    """

    def __init__(self, dataset, dataset_name, interval, report):
        super().__init__()
        self.dataset = dataset.unbatch().take(_NUM_SAMPLES).batch(100)
        self.interval = interval
        self.report = report
        features = evaluation.default_features(dataset_name)
        self.judge = features if features in presets.list_presets() else None
        self._has_warned = False

    def on_train_begin(self, logs=None):
        # Once: names of layers count up with every network that is built, and a resumed run must end in the same ones.
        network = load_classifier(self.judge, "classifier") if self.judge else None
        self._judge, self._space = network, evaluation.feature_space(network or "pixels")
        self._features = None

    def on_epoch_end(self, epoch, logs=None):
        is_due = (epoch + 1) % self.interval == 0 or epoch + 1 == self.params["epochs"]
        measured = self.measure() if is_due else dict.fromkeys(self.columns, math.nan)
        logs.update(measured)  # for the callbacks after this one
        if not self._has_warned and (warning := self._warning(logs)):
            self._has_warned = True
            self.report(f"\nEpoch {epoch + 1}: {warning}")

    @property
    def columns(self):
        """list of str: the columns, in every epoch the same; NaN where nothing was measured."""
        if self.model.log_prob_is_exact is not None:
            return ["val_log_likelihood" if self.model.log_prob_is_exact else "val_log_likelihood_bound"]
        if "sample" not in self.model.verbs:
            return []
        return [KERNEL_DISTANCE, VARIETY, *(["val_class_imbalance"] if self._has_classes_to_balance else [])]

    @property
    def _has_classes_to_balance(self):
        return self.judge is not None and self.model.num_classes is None

    def measure(self):
        """dict, column to float."""
        if self.model.log_prob_is_exact is not None:
            options = {} if self.model.log_prob_is_exact else {"num_importance_samples": _NUM_DRAWS, "seed": 0}
            result = evaluation.log_likelihood(self.model, self.dataset, **options)
            return {self.columns[0]: float(result["log_likelihood"])}
        return self._measure_samples() if self.columns else {}

    def _measure_samples(self):
        parts = zip(*map(batches.split, self.dataset), strict=True)
        real, condition = (None if part[0] is None else np.concatenate(part) for part in parts)
        drawn_for = None
        if condition is not None:  # as often as among real images
            drawn_for = condition[np.arange(_NUM_SAMPLES) % len(condition)]
        samples = self.model.sample(_NUM_SAMPLES, drawn_for, seed=0, batch_size=_NUM_SAMPLES // 2)
        samples = self.model.sample_domain.picture(samples)
        if self._features is None:
            self._features = self._features_of(real, "real")
        features = self._features_of(samples, "samples")
        distance = kernel.KernelDistance(self._space, len(real) // max(1, len(real) // 100))  # blocks of 100 or more
        distance.update_features(self._features, features)
        groups = (condition, drawn_for) if self.model.num_classes is not None else (None, None)
        variety = _spread(features, groups[1]) / max(_spread(self._features, groups[0]), 1e-12)
        measured = {KERNEL_DISTANCE: distance.result(), VARIETY: variety}
        if self._has_classes_to_balance:
            measured["val_class_imbalance"] = evaluation.class_imbalance(real, samples, self._judge).value
        return measured

    def _features_of(self, images, name):
        """float64 `(n, d)`."""
        parts = [self._space(images[first : first + 200], name) for first in range(0, len(images), 200)]
        return np.concatenate(parts).astype("float64")

    def _warning(self, logs):
        """What tells of a collapse, with what to try; "" where nothing does."""
        if logs.get(VARIETY, math.nan) < _LITTLE_VARIETY:
            what = f"the samples have {100 * logs[VARIETY]:.0f}% of the variety of real images"
        elif what := self.model.alarm(logs):
            pass
        else:
            return ""
        return (
            f"{what}: the model may be collapsing. The best epoch is kept (--keep best). What helps: lower learning "
            "rates, --set regularizer.class=R1 --set regularizer.weight=1.0, for a small set --augment color "
            "--augment translation --augment cutout."
        )


def _spread(features, groups=None):
    """The variance of features `(n, d)`, summed over dimensions; within groups, where they are given `(n,)`."""
    if groups is None:
        return features.var(axis=0).sum()
    sizes = {group: (groups == group).sum() for group in np.unique(groups)}
    return sum(size / len(groups) * features[groups == group].var(axis=0).sum() for group, size in sizes.items())


class OfAverages(keras.callbacks.Callback):
    """Validation, and the callbacks that it is given, see the averages of weights, where optimisers keep any.

    Args:
        callbacks: list, of what looks at the model when training begins and after each epoch.
    """

    def __init__(self, callbacks):
        super().__init__()
        self.callbacks = callbacks
        self._in_validation = contextlib.ExitStack()

    def on_train_begin(self, logs=None):
        for callback in self.callbacks:
            callback.set_model(self.model)
            callback.set_params(self.params)
            callback.on_train_begin(logs)

    def on_test_begin(self, logs=None):
        self._in_validation.enter_context(averages.of_optimizers(self.model))

    def on_test_end(self, logs=None):
        self._in_validation.close()

    def on_epoch_end(self, epoch, logs=None):
        with averages.of_optimizers(self.model):
            for callback in self.callbacks:
                callback.on_epoch_end(epoch, logs)


class NotFinite(FloatingPointError):
    """A loss became NaN or infinite."""


class StopWhereNotFinite(keras.callbacks.Callback):
    """Raises `NotFinite`, which names the step, where a metric is NaN or infinite."""

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._waiting = epoch, []

    def on_train_batch_end(self, batch, logs=None):
        self._waiting.append((batch, dict(logs or {})))
        if len(self._waiting) == _CHECKED_AT_ONCE:
            self._check()

    def on_epoch_end(self, epoch, logs=None):
        self._check()

    def on_test_begin(self, logs=None):
        self._check()  # before validation, which would take time for nothing

    def _check(self):
        waiting, self._waiting = self._waiting, []
        for batch, logs in waiting:
            for name, value in logs.items():
                if not math.isfinite(float(value)):
                    raise NotFinite(f"{name} became {float(value)} at step {batch + 1} of epoch {self._epoch + 1}")


class EarlyStopping(keras.callbacks.Callback):
    """Stops where so many measurements brought nothing better than the best; put it after the logger.

    Args:
        monitor: `Monitor`.
        patience: int, measurements.
        history: path of the CSV file to which the logger has added the row of the epoch.
        report: function that shows a line to the user.
    """

    def __init__(self, monitor, patience, history, report):
        super().__init__()
        self.monitor = monitor
        self.patience = patience
        self.history = history
        self.report = report

    def has_run_out(self):
        """bool: whether the history says to stop."""
        best = self.monitor.best_epoch(self.history)
        return best is not None and self.monitor.num_values_since(self.history, best) >= self.patience

    def on_epoch_end(self, epoch, logs=None):
        if self.has_run_out():
            self.report(
                f"\nStopping after epoch {epoch + 1}: {self.patience} measurements of {self.monitor.column} have "
                f"brought nothing better than that of epoch {self.monitor.best_epoch(self.history)}."
            )
            self.model.stop_training = True

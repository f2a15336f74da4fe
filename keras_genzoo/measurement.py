"""A measured number with what is needed to compare it: its unit, its n and how it was taken.

Nothing here imports TensorFlow, so that the figures of presets can be listed at once.
"""

import dataclasses
import math
from typing import NamedTuple

from keras_genzoo import batches


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A measured number; `float(figure)` is its value, `str(figure)` the line to print.

    Attributes:
        name: str, such as `"frechet_distance"`.
        value: float.
        unit: str, such as `"nats"`; `"share"` for a part of 1, which is printed in per cent; `""` for none.
        num_examples: int, images of the data set it was measured on, or samples where it needs no data set.
        method: str, everything else that another number must share to be comparable.
        num_generated: int, images of the model compared with them; None where there are none.
        standard_error: float, of the value over examples or blocks; None where it is not known.
    """

    name: str
    value: float
    unit: str
    num_examples: int
    method: str
    num_generated: int | None = None
    standard_error: float | None = None

    @classmethod
    def from_facts(cls, name, facts):
        """The figure of that name in a preset's metadata."""
        return cls(name=name, **facts)

    def facts(self):
        """JSON values for a preset's metadata: every attribute but the name, and those that are None."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "name" and v is not None}

    def __float__(self):
        return float(self.value)

    @property
    def label(self):
        return self.name.replace("_", " ")

    @property
    def counts(self):
        """str: how many images it was measured on."""
        if self.num_generated is None:
            return f"n={self.num_examples} images"
        return f"n={self.num_examples} real, {self.num_generated} generated images"

    @property
    def amount(self):
        """str: the value with its error and unit, to the digits that mean something."""
        factor, unit = (100, "%") if self.unit == "share" else (1, self.unit and f" {self.unit}")
        value, error = factor * self.value, factor * (math.nan if self.standard_error is None else self.standard_error)
        digits = 4 if self.unit == "bits/dim" else 2
        if not self.unit:  # as many as the error allows, or four significant ones
            digits = _digits(error, 2) if error > 0 else _digits(value, 4)
        return f"{value:9.{digits}f}" + (f" +- {error:.{digits}f}" if error >= 0 else "") + unit

    def __str__(self):
        return f"{self.label:32} {self.amount} ({self.counts}; {self.method})"


class Objective(NamedTuple):
    """A figure that a model can be measured by, before it has a value.

    Attributes:
        name: str, as of the `Measurement`.
        unit: str, as of the `Measurement`.
        method: str, as of the `Measurement`.
        metrics: tuple of str, the metrics of `evaluate` whose sum is the value.
    """

    name: str
    unit: str
    method: str
    metrics: tuple[str, ...]


def of_objectives(model, dataset):
    """What `model.evaluate` says of a data set, under names and units that can be compared between models.

    Args:
        model: a compiled `ZooModel`.
        dataset: `tf.data.Dataset` of batches as `fit` takes them.

    Returns:
        dict, name to `Measurement`.
    """
    if not model.objectives:
        return {}
    n = sum(batches.num_rows(batches.split_by(model.batch_domains, batch)[0]) for batch in dataset)
    metrics = model.evaluate(dataset, return_dict=True)
    measured = {}
    for name, unit, method, terms in model.objectives:
        value = sum(metrics[term] for term in terms)
        error = math.sqrt(value * (1 - value) / n) if unit == "share" else None  # of a proportion
        measured[name] = Measurement(name, value, unit, n, method, standard_error=error)
    return measured


# Not the losses and scores of two players, which say nothing alone.
_BETTER = {
    "higher": (
        *("log_likelihood", "log_likelihood_bound", "log_likelihood_ais", "log_likelihood_reverse_ais"),
        *("precision", "recall", "density", "coverage", "accuracy", "classification_accuracy", "classifier_agreement"),
        "ssim",
    ),
    "lower": (
        *("negative_elbo", "bits_per_dim", "l1", "cycle_l1", "cycle_l1_in_8_bits"),
        *("frechet_distance", "kernel_distance", "class_imbalance"),
    ),
}


def directions(names):
    """Lines that say which of the figures of these names are better when higher, and which when lower."""
    known = {way: [name.replace("_", " ") for name in better if name in names] for way, better in _BETTER.items()}
    return [f"Better when {way}: {', '.join(labels)}." for way, labels in known.items() if labels]


def _digits(value, num_significant):
    """Decimals that show so many significant digits of a value."""
    if not value or not math.isfinite(value):
        return num_significant
    return max(0, num_significant - 1 - math.floor(math.log10(abs(value))))

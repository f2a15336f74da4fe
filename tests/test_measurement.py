"""Figures: what is printed, and what goes to metadata and back."""

import json

import pytest

import keras_genzoo as gz
from keras_genzoo.measurement import Measurement, directions


@pytest.mark.parametrize(
    ("value", "unit", "error", "amount"),
    [
        (-23.3508, "nats", 0.19886, "-23.35 +- 0.20 nats"),
        (3.04159, "bits/dim", None, "3.0416 bits/dim"),
        (0.99444, "share", 0.0039, "99.44 +- 0.39%"),
        (1.0, "share", 0.0, "100.00 +- 0.00%"),
        (12.3456, "", None, "12.35"),
        (0.0012345, "", None, "0.001234"),
        (0.0012345, "", 0.00032, "0.00123 +- 0.00032"),
        (-0.0000021, "", 0.000015, "-0.000002 +- 0.000015"),
        (12345.6, "", None, "12346"),
        (0.0, "", None, "0.0000"),
    ],
)
def test_amount_has_the_digits_that_mean_something(value, unit, error, amount):
    assert Measurement("x", value, unit, 10, "m", standard_error=error).amount.strip() == amount


def test_the_line_names_n_of_either_kind_and_the_method():
    line = str(Measurement("frechet_distance", 1.5, "", 360, "features of f, not resized", 350))
    assert line.startswith("frechet distance ")
    assert line.endswith(" 1.500 (n=360 real, 350 generated images; features of f, not resized)")
    assert str(Measurement("loss", 1.5, "nats", 360, "m")).endswith("1.50 nats (n=360 images; m)")


def test_float_is_the_value():
    assert float(Measurement("x", 1.25, "", 2, "m")) == 1.25


def test_metadata_round_trip():
    for figure in (Measurement("x", 1.25, "", 2, "m", 3, 0.5), Measurement("x", 1.25, "nats", 2, "m")):
        facts = json.loads(json.dumps(figure.facts()))
        assert None not in facts.values()
        assert Measurement.from_facts("x", facts) == figure


def test_figures_of_shipped_presets_read():
    for metadata in gz.list_presets().values():
        for name, facts in metadata["figures"].items():
            assert Measurement.from_facts(name, facts).facts() == facts


def test_directions_of_the_figures_that_have_one():
    higher, lower = directions(
        ["generator_loss", "frechet_distance", "coverage", "frechet_distance_reference", "recall"]
    )
    assert (higher, lower) == ("Better when higher: recall, coverage.", "Better when lower: frechet distance.")
    assert directions(["generator_loss"]) == []

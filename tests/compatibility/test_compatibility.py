"""Files that earlier versions wrote load and answer as then: presets, `.keras` files, optimisers, random states.

An archive in `<version>/` holds a `.keras` file, a preset and the answers that its version gave; `cases.py` says of
what, `write.py` how they are made.
"""

import io
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_genzoo as gz
from tests.compatibility import cases

ARCHIVES = {f"{path.parent.name}/{path.stem}": path for path in sorted(Path(__file__).parent.glob("*/*.zip"))}


def assert_same(answers, kept, kind):
    """Every answer that was kept is still given, and is the same."""
    kept = {name.removeprefix(kind): value for name, value in kept.items() if name.startswith(kind)}
    assert kept and kept.keys() <= answers.keys()
    for name, value in kept.items():
        np.testing.assert_allclose(answers[name], value, rtol=2e-4, atol=2e-5, err_msg=name)


@pytest.fixture
def unpacked(request, tmp_path):
    with zipfile.ZipFile(ARCHIVES[request.param]) as archive:
        archive.extractall(tmp_path)
    return tmp_path, dict(np.load(io.BytesIO((tmp_path / "answers.npz").read_bytes())))


@pytest.mark.parametrize("unpacked", ARCHIVES, indirect=True)
def test_presets_answer_as_they_did(unpacked):
    folder, kept = unpacked
    model = gz.ZooModel.from_preset(folder / "preset")
    assert_same(cases.answers(model), kept, "preset/")


@pytest.mark.parametrize("unpacked", ARCHIVES, indirect=True)
def test_training_goes_on_as_it_would_have(unpacked):
    """Draws and a step from a `.keras` file: weights, averages, moments, loss scales and random states are back."""
    folder, kept = unpacked
    model = keras.models.load_model(folder / "model.keras")
    assert_same(cases.what_comes_next(model), kept, "next/")


def test_every_class_has_files_of_an_earlier_version():
    classes = {cases.CASES[Path(name).name][0] for name in ARCHIVES}
    assert {getattr(gz, name) for name in gz._MODELS} | {gz.evaluation.Classifier} <= classes

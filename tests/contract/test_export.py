"""What every exported model does in processes that have neither Keras nor this package: all signatures, right and wrong
requests, the warm-up file, and what the files do not tell."""

import getpass
import os
import sys
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest

import keras_genzoo as gz
from tests.contract import wrong_values
from tests.contract.conftest import good_inputs
from tests.contract.variants import VARIANTS
from tests.server_process import ServerProcess, warmup_requests

N = 3
INVALID_ARGUMENT = 3  # TensorFlow's status code


class Exported(NamedTuple):
    """A model's export, what each signature is called with, and what the verb of that name gives for it."""

    path: str
    model: keras.Model
    inputs: dict
    expected: dict


@pytest.fixture(scope="session")
def exported(life, tmp_path_factory):
    model = life.model
    path = model.export(tmp_path_factory.mktemp("exported") / "model")
    inputs = {name: good_inputs(model, name, N) for name in model.verbs}
    expected = {name: getattr(model, name)(**given).numpy() for name, given in inputs.items()}
    inputs["serving_default"], expected["serving_default"] = inputs[model.verbs[0]], expected[model.verbs[0]]
    return Exported(path, model, inputs, expected)


def signature_of(model, name):
    return model.signatures()[model.verbs[0] if name == "serving_default" else name]


def assert_gives(answer, expected):
    assert answer["code"] == 0, answer["message"]
    (value,) = answer["outputs"].values()
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, expected, atol=1e-5, rtol=1e-5)


def assert_answers_as_the_model(process, exported):
    """Right requests get what the verbs give, also after wrong ones, which get errors that name the input."""
    for name, inputs in exported.inputs.items():
        answer = process.run(exported.path, name, inputs)
        assert_gives(answer, exported.expected[name])
        for key, domain in signature_of(exported.model, name).outputs.items():
            domain.check(answer["outputs"][key], key, check_values=True)
    for name, inputs in exported.inputs.items():
        for key, good in inputs.items():
            for wrong in wrong_values.served(signature_of(exported.model, name).inputs[key], good):
                answer = process.run(exported.path, name, {**inputs, key: wrong})
                assert answer["code"] == INVALID_ARGUMENT, (name, key, wrong)
                assert key in answer["message"], (name, key, wrong, answer["message"])
        if "seed" in inputs:
            answer = process.run(exported.path, name, {**inputs, "seed": np.float32(7)})
            assert answer["code"] == INVALID_ARGUMENT and "int32" in answer["message"]
    for name, inputs in exported.inputs.items():
        assert_gives(process.run(exported.path, name, inputs), exported.expected[name])


def test_tf_saved_model_load_gives_the_same(exported, python_process):
    assert_answers_as_the_model(python_process, exported)


def test_a_server_gives_the_same_and_survives_bad_requests(exported, server):
    """In sessions over the saved graph with XLA off, as TensorFlow Serving runs it unless told otherwise."""
    for name, inputs in warmup_requests(exported.path):
        answer = server.run(exported.path, name, inputs)
        assert answer["code"] == 0, answer["message"]
    assert_answers_as_the_model(server, exported)


def test_another_seed_gives_another_answer(exported, server):
    """Of every signature that takes one; of the verbs it is the same. A deterministic model has one answer."""
    for name, inputs in exported.inputs.items():
        if "seed" in inputs:
            (value,) = server.run(exported.path, name, {**inputs, "seed": np.int32(8)})["outputs"].values()
            differs = np.abs(value - exported.expected[name]).max() > 1e-4
            assert differs != exported.model.is_deterministic, name


def test_warmup_requests_are_one_for_each_signature(exported):
    names = [name for name, _ in warmup_requests(exported.path)]
    assert len(names) == len(set(names)) and {*names, "serving_default"} == set(exported.inputs)


def test_files_tell_nothing_of_who_wrote_them(exported):
    secrets = [str(Path.home()), str(Path.cwd()), str(Path(gz.__file__).parent), os.path.realpath(sys.prefix)]
    if len(getpass.getuser()) > 4:  # others are words of the format
        secrets.append(getpass.getuser())
    for file in Path(exported.path).rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [secret for secret in secrets if len(secret) > 1 and secret.encode() in content], file


@pytest.mark.xdist_group("PixelCNN conditional 5 levels")
def test_a_compiled_export_needs_a_server_with_xla(tmp_path, server):
    """It draws the same images there; without, each of its loops fails, and so does its warm-up."""
    model = VARIANTS["PixelCNN conditional 5 levels"].build()
    path = model.export(tmp_path, jit_compile=True)
    inputs = good_inputs(model, "sample", N)
    with ServerProcess(xla=True) as server_with_xla:
        images = server_with_xla.run(path, "sample", inputs)["outputs"]["images"]
    np.testing.assert_array_equal(images, model.sample(**inputs))
    codes = {name: server.run(path, name, inputs)["code"] for name, inputs in warmup_requests(path)}
    message = server.run(path, "sample", inputs)["message"]
    assert {name for name, code in codes.items() if code} == {"sample", "complete"}
    assert "XLA" in message

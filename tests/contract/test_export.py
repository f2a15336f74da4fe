"""What every exported model does in processes that have neither Keras nor this package: all signatures, right and wrong
requests, the warm-up file, the size, and what the files do not tell."""

import getpass
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from tests.contract.conftest import IMAGE_SHAPE, NUM_CLASSES, VARIANTS, build_variant, labels_for
from tests.server_process import ServerProcess, warmup_requests

N = 3
INVALID_ARGUMENT = 3  # TensorFlow's status code

IN_PYTHON = """
import pickle, sys
from pathlib import Path
sys.modules["keras"] = None  # TensorFlow imports Keras of its own accord, where it can
import tensorflow as tf
path, requests = pickle.loads(Path(sys.argv[1]).read_bytes())
signatures = tf.saved_model.load(path).signatures
answers = {}
for name, inputs in requests.items():
    outputs = signatures[name](**{key: tf.constant(x) for key, x in inputs.items()})
    answers[name] = {key: x.numpy() for key, x in outputs.items()}
imported = {name for name, module in sys.modules.items() if module}
assert not {"keras", "keras_genzoo", "tf_keras", "tensorflow_probability"} & imported
Path(sys.argv[2]).write_bytes(pickle.dumps(answers))
"""


def good_inputs(model):
    """For each name of an input, a value; images are bits, which are levels of every model."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 2, (N, *IMAGE_SHAPE))
    return {
        "num_samples": np.int32(N),
        "seed": np.int32(7),
        "temperature": np.float32(0.8),
        "num_importance_samples": np.int32(4),
        "images": images.astype("float32"),
        "known": rng.integers(0, 2, images.shape).astype(bool),
        "latents": rng.normal(size=(N, getattr(model, "latent_dim", 1))).astype("float32"),
        "labels": (np.arange(N) % NUM_CLASSES).astype("int32"),
    }


def bad_values(name, good):
    """Values that the input must refuse, by an error that names it."""
    nan = np.float32("nan")
    return {
        "num_samples": lambda: [np.int32(-1), np.int32(0), np.int32(2**30), np.array([N], "int32")],
        "num_importance_samples": lambda: [np.int32(0), np.int32(2**30)],
        "temperature": lambda: [np.float32(0), nan],
        "seed": lambda: [np.array([7], "int32")],
        "images": lambda: [good + 1.5, good * nan, good[..., 0], good[:, :5], good[:0], np.repeat(good, 400, axis=0)],
        "known": lambda: [good[..., 0]],
        "latents": lambda: [good * nan, good[:, 1:], good[0], np.repeat(good, 400, axis=0)],
        "labels": lambda: [good + NUM_CLASSES, good - NUM_CLASSES, good[:, None], good[1:]],
    }[name]()


class Exported(NamedTuple):
    """A model's export, what each signature is called with, and what it gives in the process that exported it."""

    path: str
    inputs: dict
    expected: dict


@pytest.fixture(scope="module", params=VARIANTS)
def exported(request, tmp_path_factory):
    model = build_variant(request.param)
    path = model.export(tmp_path_factory.mktemp("exported") / "model")
    good = good_inputs(model)
    inputs, expected = {}, {}
    for name, signature in model.serving_signatures().items():
        inputs[name] = {key: good[key] for key in signature.inputs}
        outputs = tf.function(signature.function)(**{key: tf.constant(x) for key, x in inputs[name].items()})
        expected[name] = {key: x.numpy() for key, x in outputs.items()}
    options = {"temperature": 0.8} if "temperature" in inputs["sample"] else {}
    images = model.sample(N, labels_for(model, N), seed=7, **options)
    np.testing.assert_allclose(expected["sample"]["images"], images, atol=1e-6)
    inputs["serving_default"], expected["serving_default"] = inputs["sample"], expected["sample"]
    return Exported(path, inputs, expected)


def assert_same_outputs(given, expected):
    assert given.keys() == expected.keys()
    for key, value in expected.items():
        assert given[key].dtype == np.float32
        np.testing.assert_allclose(given[key], value, atol=1e-5, rtol=1e-5)


def test_tf_saved_model_load_gives_the_same(exported, tmp_path):
    (tmp_path / "requests").write_bytes(pickle.dumps((exported.path, exported.inputs)))
    subprocess.run([sys.executable, "-c", IN_PYTHON, "requests", "answers"], check=True, cwd=tmp_path)
    answers = pickle.loads((tmp_path / "answers").read_bytes())
    for name, expected in exported.expected.items():
        assert_same_outputs(answers[name], expected)


def test_a_server_gives_the_same_and_survives_bad_requests(exported):
    """In sessions over the saved graph with XLA off, as TensorFlow Serving runs it unless told otherwise."""
    good = exported.inputs
    wrong = [
        (name, {**inputs, key: value}, key)
        for name, inputs in good.items()
        for key in inputs
        for value in bad_values(key, inputs[key])
    ]
    wrong_types = [(name, {**inputs, "seed": np.float32(7)}) for name, inputs in good.items() if "seed" in inputs]
    with ServerProcess() as server:
        for name, inputs in warmup_requests(exported.path):
            answer = server.run(exported.path, name, inputs)
            assert answer["code"] == 0, answer["message"]
        for name, inputs in good.items():
            assert_same_outputs(server.run(exported.path, name, inputs)["outputs"], exported.expected[name])
        for name, inputs, key in wrong:
            answer = server.run(exported.path, name, inputs)
            assert answer["code"] == INVALID_ARGUMENT and key in answer["message"], (name, key, inputs[key], answer)
        for name, inputs in wrong_types:  # refused before the graph runs, in words that name only the position
            answer = server.run(exported.path, name, inputs)
            assert answer["code"] == INVALID_ARGUMENT and "int32" in answer["message"]
        for name, inputs in good.items():
            assert_same_outputs(server.run(exported.path, name, inputs)["outputs"], exported.expected[name])


def test_warmup_requests_are_one_for_each_signature(exported):
    names = [name for name, _ in warmup_requests(exported.path)]
    assert len(names) == len(set(names)) and {*names, "serving_default"} == set(exported.inputs)


def test_a_compiled_export_needs_a_server_with_xla(tmp_path):
    """It draws the same images there; without, each of its loops fails, and so does its warm-up."""
    model = build_variant("PixelCNN conditional 5 levels")
    path = model.export(tmp_path, jit_compile=True)
    good = good_inputs(model)
    inputs = {key: good[key] for key in ("num_samples", "seed", "temperature", "labels")}
    with ServerProcess(xla=True) as server:
        images = server.run(path, "sample", inputs)["outputs"]["images"]
    np.testing.assert_array_equal(images, model.sample(N, labels_for(model, N), seed=7, temperature=0.8))
    with ServerProcess() as server:
        codes = {name: server.run(path, name, inputs)["code"] for name, inputs in warmup_requests(path)}
        message = server.run(path, "sample", inputs)["message"]
    assert {name for name, code in codes.items() if code} == {"sample", "complete"}
    assert "XLA" in message


def test_files_tell_nothing_of_who_wrote_them(exported):
    secrets = [str(Path.home()), str(Path.cwd()), str(Path(gz.__file__).parent), os.path.realpath(sys.prefix)]
    if len(getpass.getuser()) > 4:  # others are words of the format
        secrets.append(getpass.getuser())
    for file in Path(exported.path).rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [secret for secret in secrets if len(secret) > 1 and secret.encode() in content], file


@pytest.mark.parametrize("name", gz._MODELS)
def test_size_at_the_defaults_is_that_of_the_weights(name, tmp_path):
    model = getattr(gz, name)((28, 28, 1))
    model.compile()  # the optimiser's state must not come along
    path = Path(model.export(tmp_path))
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert size < 1.3 * 4 * model.count_params()

"""The example client against a stand-in server, `serving_stand_in.py`, and the lines of docs/serving.md."""

import functools
import importlib.util
import json
import re
import shlex
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import NamedTuple

import matplotlib.image
import numpy as np
import pytest
from click.testing import CliRunner
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

import keras_genzoo as gz
from keras_genzoo import cli
from tests import serving_stand_in

ROOT = Path(__file__).parent.parent
PATH = ROOT / "zoo_examples" / "serving_client.py"
spec = importlib.util.spec_from_file_location("serving_client", PATH)
client = importlib.util.module_from_spec(spec)
spec.loader.exec_module(client)

LABELS = [2, 0, 1, 1, 0]


class Served(NamedTuple):
    models: dict
    stand_in: serving_stand_in.StandIn
    rest: str
    grpc: str

    def address(self, predict):
        return self.rest if predict is client.predict_rest else self.grpc


pytestmark = pytest.mark.xdist_group("serving client")  # one server for all


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Three models behind both servers; one's name holds a space."""
    folder = tmp_path_factory.mktemp("served")
    models = {
        "vae": gz.VAE((8, 8, 1), 2),
        "class vae": gz.VAE((8, 8, 1), 2, num_classes=3),
        "pixelcnn": gz.PixelCNN((4, 4, 1), num_filters=4, num_residual_blocks=1),
    }
    paths = {name: model.export(folder / name) for name, model in models.items()}
    with serving_stand_in.serving(paths) as (stand_in, rest, grpc):
        yield Served(models, stand_in, rest, grpc)


@pytest.fixture
def run(served, tmp_path, capsys):
    """Function that runs the command and gives its exit code, its lines on stdout and those on stderr."""

    def run(model, *options):
        (host, rest_port), grpc_port = served.rest.split(":"), served.grpc.split(":")[1]
        given = ["--model", model, "--host", host, "--rest-port", rest_port, "--grpc-port", grpc_port]
        code = client.main([*given, "--output", str(tmp_path / "pictures" / "samples.png"), *options])
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return run


@pytest.fixture
def closed_port():
    """A port on which nothing listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


both_ways = pytest.mark.parametrize("predict", [client.predict_rest, client.predict_grpc])


def numbers(**inputs):
    return {name: np.array(x, "float32" if isinstance(x, float) else "int32") for name, x in inputs.items()}


# ---- the functions ----


def test_inputs_are_those_of_the_signature(served):
    def dtypes(model):
        return client.input_dtypes_rest(served.rest, model, "sample")

    assert dtypes("vae") == {"num_samples": "int32", "seed": "int32"}
    assert dtypes("class vae") == {**dtypes("vae"), "labels": "int32"}
    assert dtypes("pixelcnn") == {**dtypes("vae"), "temperature": "float32"}


@both_ways
@pytest.mark.parametrize(
    "model, options", [("vae", {}), ("class vae", {"labels": LABELS}), ("pixelcnn", {"temperature": 0.7})]
)
def test_images_are_those_of_the_model(served, predict, model, options):
    images = predict(served.address(predict), model, "sample", numbers(num_samples=5, seed=3, **options))
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, served.models[model].sample(5, seed=3, **options), atol=1e-6)


@both_ways
def test_versions(served, predict):
    ask = functools.partial(predict, served.address(predict), "vae", "sample", numbers(num_samples=1, seed=0))
    np.testing.assert_allclose(ask(version=1), ask(), atol=1e-6)
    with pytest.raises(client.ServerError, match="Servable not found"):
        ask(version=2)


def test_grpc_takes_more_than_its_usual_four_megabytes(served, monkeypatch):
    big = np.random.default_rng(0).random((90, 128, 128, 1), "float32")
    monkeypatch.setattr(served.stand_in, "run", lambda *request: {"images": big})
    images = client.predict_grpc(served.grpc, "vae", "sample", numbers(num_samples=90, seed=0))
    np.testing.assert_array_equal(images, big)


@both_ways
def test_a_refusal_is_one_line(served, predict):
    with pytest.raises(
        client.ServerError, match=r"server 127.0.0.1:\d+: assertion .*`num_samples` must lie in 1..1024"
    ) as refused:
        predict(served.address(predict), "vae", "sample", numbers(num_samples=-1, seed=0))
    assert "\n" not in str(refused.value) and "{{node" not in str(refused.value)


@both_ways
def test_an_unreachable_server(predict, closed_port):
    with pytest.raises(client.ServerError, match=f"^.* server 127.0.0.1:{closed_port}: .*refused"):
        predict(f"127.0.0.1:{closed_port}", "vae", "sample", numbers(num_samples=1, seed=0))


def test_a_server_of_another_protocol(served):
    with pytest.raises(client.ServerError, match=f"^REST server {served.grpc}: this is not"):
        client.input_dtypes_rest(served.grpc, "vae", "sample")


def test_an_error_of_another_server(served, monkeypatch):
    monkeypatch.setattr(
        serving_stand_in.RestHandler, "answer", lambda handler, *route: handler.send_error(502)
    )  # its body is HTML
    with pytest.raises(client.ServerError, match=f"^REST server {served.rest}: HTTP 502 Bad Gateway$"):
        client.input_dtypes_rest(served.rest, "vae", "sample")


def test_an_unknown_signature(served):
    with pytest.raises(client.ServerError, match=r"no signature 'smaple', but .*'sample'"):
        client.input_dtypes_rest(served.rest, "vae", "smaple")


# ---- the command ----


@pytest.mark.parametrize("model, options", [("vae", []), ("class vae", ["--labels", *map(str, LABELS)])])
def test_draws_a_picture(run, served, tmp_path, model, options):
    code, out, err = run(model, "--num-samples", "5", "--seed", "3", *options)
    assert (code, err) == (0, [])
    assert re.fullmatch(r"REST: 5 images in \d+ ms", out[0]) and re.fullmatch(r"gRPC: 5 images in \d+ ms", out[1])
    assert out[2:] == ["both gave the same images", f"wrote {tmp_path / 'pictures' / 'samples.png'}"]
    picture = matplotlib.image.imread(tmp_path / "pictures" / "samples.png")
    assert picture.shape == (2 * 58, 3 * 58, 4)  # 8 pixels enlarged to 56, and a border of 1
    labels = LABELS if options else None
    second = served.models[model].sample(5, labels, seed=3)[1].numpy().repeat(7, axis=0).repeat(7, axis=1)
    np.testing.assert_allclose(picture[1:57, 59:115, :3], second.repeat(3, axis=2), atol=1 / 255)


def test_says_that_images_differ(run, monkeypatch):
    monkeypatch.setattr(client, "predict_grpc", lambda *request: np.zeros((16, 8, 8, 1), "float32"))
    code, out, _ = run("vae")
    assert code == 0 and re.fullmatch("the images differ, by up to 0.[0-9]+", out[2])


@pytest.mark.parametrize(
    "model, options, message",
    [
        ("vae", ["--num-samples", "-1"], "error: REST server .*`num_samples` must lie in 1..1024.*-1.*"),
        ("vae", ["--labels", "1"], "error: vae is not conditional: leave out --labels"),
        ("class vae", [], "error: class vae is conditional: give one label for each image with --labels"),
        (
            "class vae",
            ["--labels", "1", "2"],
            "error: REST server .*`labels` must hold a row for each of `num_samples`.*",
        ),
        ("pixelcnn", ["--temperature", "0"], "error: REST server .*`temperature` must be positive and finite.*"),
        ("gan", [], "error: REST server .*: Servable not found for request: gan.*"),
        ("vae", ["--seed", str(2**40)], "error: .* out of bounds for int32"),
    ],
)
def test_errors_are_one_line(run, tmp_path, model, options, message):
    code, out, err = run(model, *options)
    assert (code, out, len(err)) == (1, [], 1)
    assert re.fullmatch(message, err[0])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("way, option", [("REST", "--rest-port"), ("gRPC", "--grpc-port")])
def test_unreachable_servers_are_one_line(run, closed_port, way, option):
    code, _, err = run("vae", option, str(closed_port))
    assert (code, len(err)) == (1, 1)
    assert re.fullmatch(f"error: {way} server 127.0.0.1:{closed_port}: .*refused.*", err[0])


def test_rest_alone_needs_neither_tensorflow_nor_this_package(served, tmp_path):
    program = f"""
import runpy, sys
sys.modules.update(dict.fromkeys(["tensorflow", "tensorflow_serving", "grpc", "keras", "keras_genzoo"]))  # import fails
runpy.run_path({str(PATH)!r}, run_name="__main__")
"""
    options = ["--model", "vae", "--rest-only", "--output", str(tmp_path / "samples.png")]
    options += ["--host", "127.0.0.1", "--rest-port", served.rest.split(":")[1]]
    done = subprocess.run([sys.executable, "-c", program, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.match(r"REST: 16 images in \d+ ms\nwrote ", done.stdout)
    assert (tmp_path / "samples.png").is_file()


# ---- docs/serving.md ----


@pytest.mark.slow
def test_the_lines_of_docs_serving(tmp_path, monkeypatch, capsys):
    """All of them in order; a stand-in in place of the container, its ports in place of theirs."""
    blocks = re.findall("```console\n(.*?)```", (ROOT / "docs" / "serving.md").read_text(), re.DOTALL)
    lines = [shlex.split(line) for line in "".join(blocks).splitlines()]
    assert [line[0] for line in lines] == ["genzoo", "genzoo", "docker", "curl", "curl", "curl", "python"]
    *exports, docker = lines[:3]
    *curls, python = lines[3:]

    monkeypatch.chdir(tmp_path)
    for _, *arguments in exports:
        assert CliRunner().invoke(cli.main, arguments).exit_code == 0
    assert docker[docker.index("-v") + 1 :] == [
        "$PWD/served:/models",
        "tensorflow/serving",
        "--model_config_file=/models/models.config",  # and nothing that turns on XLA
    ]
    config = (tmp_path / "served" / "models.config").read_text()
    models = text_format.Parse(config, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    folders = {model.name: tmp_path / "served" / Path(model.base_path).relative_to("/models") for model in models}
    with serving_stand_in.serving({name: str(folder / "1") for name, folder in folders.items()}) as (_, rest, grpc):
        answers = []
        for line in curls:
            body = line[line.index("-d") + 1].encode() if "-d" in line else None
            with urllib.request.urlopen(line[-1].replace("localhost:8501", rest), body) as answer:
                answers.append(json.load(answer))
        (host, rest_port), grpc_port = rest.split(":"), grpc.split(":")[1]
        ports = ["--host", host, "--rest-port", rest_port, "--grpc-port", grpc_port]
        assert python[1] == str(PATH.relative_to(ROOT)) and client.main([*python[2:], *ports]) == 0
    for name, answer in zip(("vae_digits", "pixelcnn_digits"), answers, strict=False):
        images = gz.GenerativeModel.from_preset(name).sample(2, seed=0)
        np.testing.assert_allclose(answer["outputs"], images, atol=1e-6)
    assert "sample" in answers[2]["metadata"]["signature_def"]["signature_def"]
    assert "both gave the same images" in capsys.readouterr().out and (tmp_path / "served.png").is_file()


def test_what_is_not_installed_is_named_with_what_installs_it(tmp_path, monkeypatch):
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('no', name='matplotlib')")
    command = [sys.executable, str(PATH), "--help"]
    result = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    message = "error: matplotlib is missing: pip install 'keras-genzoo[examples]', or matplotlib alone\n"
    assert (result.returncode, result.stderr) == (1, message)
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(ImportError, match=r"gRPC needs grpc, which is missing: pip install .* by --rest-only"):
        client.import_grpc()

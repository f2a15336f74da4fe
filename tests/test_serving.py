"""Exports: every signature gives what its verb gives, and a version is whole or absent."""

import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.config import model_server_config_pb2

import keras_genzoo as gz
from keras_genzoo import serving


@pytest.mark.parametrize("num_classes", [None, 3])
def test_signatures_are_the_verbs(tmp_path, num_classes):
    vae = gz.VAE((4, 4, 1), 2, num_classes=num_classes)
    signatures = tf.saved_model.load(vae.export(tmp_path)).signatures
    verbs = {"sample", "serving_default", "encode", "decode", "reconstruct", "log_prob"}
    assert set(signatures) == verbs | ({"classify"} if num_classes else set())
    labels = None if num_classes is None else np.arange(5, dtype="int32") % 3
    given = {} if labels is None else {"labels": tf.constant(labels)}
    images = tf.random.stateless_uniform((5, 4, 4, 1), (0, 1))
    latents = tf.random.stateless_normal((5, 2), (0, 1))
    number = tf.constant

    def close(a, b):
        np.testing.assert_allclose(a, b, atol=1e-5)

    close(signatures["encode"](images=images, **given)["latents"], vae.encode(images, labels))
    close(signatures["decode"](latents=latents, **given)["images"], vae.decode(latents, labels))
    close(signatures["reconstruct"](images=images, **given)["images"], vae.reconstruct(images, labels))
    bound = signatures["log_prob"](images=images, num_importance_samples=number(9), seed=number(4), **given)["log_prob"]
    close(bound, vae.log_prob(images, labels, num_importance_samples=9, seed=4))
    close(signatures["sample"](num_samples=number(5), seed=number(4), **given)["images"], vae.sample(5, labels, seed=4))


def test_outputs_are_float32_and_shaped_under_mixed_precision(tmp_path):
    vae = gz.VAE((8, 8, 1), 2, dtype="mixed_bfloat16")
    sample = tf.saved_model.load(vae.export(tmp_path)).signatures["sample"]
    assert sample.structured_outputs["images"].shape.as_list() == [None, 8, 8, 1]
    assert sample(num_samples=tf.constant(2), seed=tf.constant(0))["images"].dtype == tf.float32


def test_loops_stay_functions(tmp_path):
    """So that TensorFlow neither unfolds them nor hands their small multiplications to oneDNN."""
    path = gz.PixelCNN((4, 4, 1), num_filters=4, num_residual_blocks=1).export(tmp_path)
    saved = saved_model_pb2.SavedModel.FromString((Path(path) / "saved_model.pb").read_bytes())
    nodes = [node for function in saved.meta_graphs[0].graph_def.library.function for node in function.node_def]
    loops = [node for node in nodes if node.op == "While"]
    assert loops and not any("_lower_using_switch_merge" in node.attr for node in nodes)


def test_says_nothing_of_its_temporary_folder(tmp_path, capfd, caplog):
    gz.VAE((4, 4, 1), 2).export(tmp_path)
    assert not caplog.records and "Assets written" not in "".join(capfd.readouterr())


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    vae = gz.VAE((4, 4, 1), 2)

    def broken(*args, **kwargs):
        raise OSError("disk full")

    vae.export(tmp_path / "m")
    monkeypatch.setattr(tf.saved_model, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        vae.export(tmp_path / "m")
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["1"]


@pytest.mark.parametrize("version", [0, -1, "2"])
def test_bad_versions(tmp_path, version):
    with pytest.raises(ValueError, match="`version` must be a positive integer"):
        gz.VAE((4, 4, 1), 2).export(tmp_path / "m", version=version)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((7,), {}, "`format` must be a string; got 7. A version goes by its name: version=7"),
        (("pb",), {}, "`format` must be one of 'tf_saved_model', 'onnx', 'litert'; got 'pb'"),
        (("onnx",), {"version": 2}, "`version` is for SavedModels; leave it out with format='onnx'"),
        (("litert",), {"jit_compile": True}, "`jit_compile` is for SavedModels; leave it out with format='litert'"),
        ((), {"batch_size": 4}, "`batch_size` is for LiteRT files; leave it out with format='tf_saved_model'"),
        (("onnx",), {"batch_size": None}, "`batch_size` is for LiteRT files; leave it out with format='onnx'"),
    ],
)
def test_bad_formats_and_options_of_others(tmp_path, arguments, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        gz.GAN((4, 4, 1), 2).export(tmp_path / "m", *arguments, **options)
    assert not list(tmp_path.iterdir())


def test_arguments_come_in_the_order_of_keras(tmp_path):
    theirs, ours = (list(inspect.signature(cls.export).parameters)[:3] for cls in (keras.Model, gz.GAN))
    assert ours == theirs == ["self", "filepath", "format"]
    path = gz.GAN((4, 4, 1), 2).export(tmp_path / "generator.onnx", "onnx")
    assert path == str(tmp_path / "generator.onnx") and (tmp_path / "generator.onnx").is_file()


def test_versions_are_numbered_and_none_is_overwritten(tmp_path):
    model = gz.VAE((4, 4, 1), 2)
    assert model.export(tmp_path / "m") == str(tmp_path / "m" / "1")
    assert model.export(tmp_path / "m", version=7) == str(tmp_path / "m" / "7")
    assert model.export(tmp_path / "m") == str(tmp_path / "m" / "8")
    with pytest.raises(FileExistsError, match="version 7 exists"):
        model.export(tmp_path / "m", version=7)
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["1", "7", "8"]


def test_a_version_another_process_wrote_meanwhile_stays(tmp_path, monkeypatch):
    vae = gz.VAE((4, 4, 1), 2)
    save = tf.saved_model.save

    def save_slowly(*args, **kwargs):
        save(*args, **kwargs)
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "saved_model.pb").write_text("theirs")

    monkeypatch.setattr(tf.saved_model, "save", save_slowly)
    with pytest.raises(FileExistsError, match="written by another process"):
        vae.export(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "saved_model.pb").read_text() == "theirs"


def test_server_config_lists_every_model(tmp_path):
    with pytest.raises(ValueError, match="no model lies in"):
        serving.write_server_config(tmp_path)
    for name in ("b", "a"):
        gz.VAE((4, 4, 1), 2).export(tmp_path / name)
    (tmp_path / "notes").mkdir()
    models, batching = map(Path, serving.write_server_config(tmp_path))
    assert [models.name, batching.name] == ["models.config", "batching_parameters.txt"]
    config = text_format.Parse(models.read_text(), model_server_config_pb2.ModelServerConfig())
    listed = [(model.name, model.base_path, model.model_platform) for model in config.model_config_list.config]
    assert listed == [("a", "/models/a", "tensorflow"), ("b", "/models/b", "tensorflow")]
    assert "max_batch_size { value: 128 }" in batching.read_text()
    serving.write_server_config(tmp_path)  # again, as when a model has been added
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a",
        "b",
        "batching_parameters.txt",
        "models.config",
        "notes",
    ]

"""Exports: every signature gives what its verb gives, and a version is whole or absent."""

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz


@pytest.mark.parametrize("num_classes", [None, 3])
def test_signatures_are_the_verbs(tmp_path, num_classes):
    vae = gz.VAE((4, 4, 1), 2, num_classes=num_classes)
    signatures = tf.saved_model.load(vae.export(tmp_path)).signatures
    assert set(signatures) == {"sample", "serving_default", "encode", "decode", "reconstruct", "log_prob"}
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
        gz.VAE((4, 4, 1), 2).export(tmp_path / "m", version)
    assert not list(tmp_path.iterdir())


def test_size_is_that_of_the_weights(tmp_path):
    vae = gz.VAE((28, 28, 1), 40)
    vae.compile()  # the optimiser's state must not come along
    folder = tmp_path / "1"
    vae.export(tmp_path)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert size < 1.3 * 4 * vae.count_params()

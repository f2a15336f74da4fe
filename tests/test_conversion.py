"""Conversion: a file gives what `decode` gives, and is whole or absent."""

import contextlib
import logging
import sys
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import keras_genzoo as gz
from keras_genzoo.serving import conversion

FILES = {name: f"decoder{format.suffix}" for name, format in conversion.FORMATS.items()}
MODELS = {
    "VAE": lambda: gz.VAE((4, 4, 1), 2),
    "VAE conditional": lambda: gz.VAE((4, 4, 1), 2, num_classes=3),
    "VAE of convolutions": lambda: gz.VAE((18, 18, 3), 2, num_classes=3, likelihood="quantized_logistic"),
    "Autoencoder": lambda: gz.Autoencoder((4, 4, 1), 2, likelihood="gaussian"),
    "Autoencoder continuous": lambda: gz.Autoencoder((4, 4, 1), 2, likelihood="continuous_bernoulli"),
    "GAN": lambda: gz.GAN((4, 4, 1), 3),
    "GAN averaged": lambda: gz.GAN((4, 4, 1), 3, generator_ema_decay=0.9),
    "DCGAN": lambda: gz.DCGAN((8, 8, 1), 3),
    "ConditionalGAN conv": lambda: gz.ConditionalGAN((8, 8, 1), num_classes=3, backbone="conv", latent_dim=4),
}


def set_weights(model):
    """Weights as if trained: no biases of zero, no averages of 0 and 1."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name == "moving_variance":
            weight.assign(rng.uniform(0.5, 2.0, weight.shape))
        else:
            scale = 0.3 if len(weight.shape) < 2 else 1 / np.sqrt(np.prod(weight.shape[:-1]))
            weight.assign(rng.normal(scale=scale, size=weight.shape))
    return model


def inputs_of(model, n):
    latents = np.random.default_rng(n).normal(size=(n, model.latent_dim)).astype("float32")
    return {"latents": latents, **({"labels": np.arange(n, dtype="int32") % 3} if model.num_classes else {})}


def run_onnx(path, given):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert {x.name: x.shape[0] for x in session.get_inputs()} == dict.fromkeys(given, "n")
    return dict(zip([x.name for x in session.get_outputs()], session.run(None, given), strict=True))


def run_litert(path, given):
    interpreter = Interpreter(path)
    assert {name: set(x["inputs"]) for name, x in interpreter.get_signature_list().items()} == {"decode": set(given)}
    assert {x["shape_signature"][0] for x in interpreter.get_input_details()} == {len(given["latents"])}
    assert all(-1 not in x["shape_signature"] for x in interpreter.get_tensor_details())  # LiteRT.js takes no other
    return interpreter.get_signature_runner("decode")(**given)


RUN = {"onnx": run_onnx, "litert": run_litert}
BATCH_SIZE = 3  # of the LiteRT files here


def check_parity(model, path, format):
    for n in (BATCH_SIZE, *[5] * (format == "onnx")):
        given = inputs_of(model, n)
        expected = model.decode(**given).numpy()
        assert np.ptp(expected) > 0.1
        (images,) = RUN[format](path, given).items()
        assert images[0] == "images" and images[1].dtype == np.float32
        np.testing.assert_allclose(images[1], expected, atol=1e-5)


@pytest.fixture(params=FILES)
def format(request):
    return request.param


QUICK = ("VAE", "VAE of convolutions", "GAN averaged", "DCGAN")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in MODELS]
)
def test_images_are_those_of_decode(tmp_path, name, format):
    model = set_weights(MODELS[name]())
    path = conversion.convert(model, tmp_path / "new" / FILES[format], format, BATCH_SIZE)
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == [FILES[format]]
    check_parity(model, path, format)


def test_litert_takes_one_row_unless_told_otherwise(tmp_path):
    vae = set_weights(gz.VAE((4, 4, 1), 2, num_classes=3))
    given = inputs_of(vae, 1)
    images = run_litert(vae.export(tmp_path / "one.tflite", "litert"), given)["images"]
    np.testing.assert_allclose(images, vae.decode(**given), atol=1e-5)
    free = Interpreter(vae.export(tmp_path / "free.tflite", "litert", batch_size=None))
    assert {x["shape_signature"][0] for x in free.get_input_details()} == {-1}
    for n in (2, 5):
        given = inputs_of(vae, n)
        np.testing.assert_allclose(
            free.get_signature_runner("decode")(**given)["images"], vae.decode(**given), atol=1e-5
        )


@pytest.mark.parametrize("batch_size", [0, -1, 2.0])
def test_bad_batch_sizes(tmp_path, batch_size):
    with pytest.raises(ValueError, match="`batch_size` must be a positive integer; got"):
        gz.VAE((4, 4, 1), 2).export(tmp_path / "decoder.tflite", "litert", batch_size=batch_size)
    assert not list(tmp_path.iterdir())


def test_mixed_precision_converts_in_float32(tmp_path, format):
    mixed, plain = (set_weights(gz.DCGAN((8, 8, 1), 3, dtype=dtype)) for dtype in ("mixed_bfloat16", "float32"))
    check_parity(plain, conversion.convert(mixed, tmp_path / FILES[format], format, BATCH_SIZE), format)


def generator_of(layer):
    latents = keras.Input((3,))
    x = keras.layers.Dense(16, dtype="float32")(layer(latents))
    return keras.Model(latents, keras.layers.Reshape((4, 4, 1), dtype="float32")(x))


def test_networks_of_another_precision_are_refused(tmp_path, format):
    gan = gz.GAN((4, 4, 1), 3, generator=generator_of(keras.layers.Dense(8, dtype="mixed_bfloat16")))
    with pytest.raises(ValueError, match=r"`decode` of GAN computes in bfloat16 .*build the network"):
        conversion.convert(gan, tmp_path / FILES[format], format)
    assert not list(tmp_path.iterdir())


def test_an_operation_that_does_not_convert(tmp_path, format):
    gan = gz.GAN((4, 4, 1), 3, generator=generator_of(keras.layers.Lambda(tf.math.bessel_i0e)))
    with pytest.raises(
        ValueError, match=r"^signature `decode` of GAN does not convert to (ONNX|LiteRT): .*BesselI0e.*$"
    ):
        conversion.convert(gan, tmp_path / "new" / FILES[format], format)
    assert not list(tmp_path.iterdir())


def test_is_silent_and_restores_logging(tmp_path, format, caplog):
    loggers = [logging.getLogger(name) for name in ("absl", "tensorflow", "tf2onnx")]
    levels = [logger.level for logger in loggers]
    gan = gz.GAN((4, 4, 1), 3, generator=generator_of(keras.layers.Lambda(tf.math.bessel_i0e)))
    for i, model in enumerate((gz.VAE((4, 4, 1), 2), gan)):
        with contextlib.suppress(ValueError):
            conversion.convert(model, tmp_path / f"{i}{FILES[format]}", format)
    assert not caplog.records and [logger.level for logger in loggers] == levels


def test_a_failed_write_leaves_nothing(tmp_path, format, monkeypatch):
    def broken(self, content):
        self.touch()
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", broken)
    with pytest.raises(OSError, match="disk full"):
        conversion.convert(gz.VAE((4, 4, 1), 2), tmp_path / FILES[format], format)
    assert not list(tmp_path.iterdir())


def test_wrong_suffix(tmp_path, format):
    with pytest.raises(ValueError, match=r"`path` must end in \.(onnx|tflite) for format='\w+'; got '.*decoder\.pb'"):
        conversion.convert(gz.VAE((4, 4, 1), 2), tmp_path / "decoder.pb", format)


def test_existing_file_is_kept(tmp_path, format):
    path = tmp_path / FILES[format]
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="exists; choose another `path`"):
        conversion.convert(gz.VAE((4, 4, 1), 2), path, format)
    assert path.read_text() == "mine"


def test_model_without_decode(tmp_path, format):
    pixelcnn = gz.PixelCNN((4, 4, 1), num_filters=8, num_residual_blocks=1)
    with pytest.raises(ValueError, match=r"PixelCNN has no signature `decode`.* sample, .* as a SavedModel"):
        conversion.convert(pixelcnn, tmp_path / FILES[format], format)


def test_onnx_without_tf2onnx(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-genzoo\[onnx\]'"):
        conversion.convert(gz.VAE((4, 4, 1), 2), tmp_path / "decoder.onnx", "onnx")

"""Exports: `sample` through a SavedModel against the call in process, and plain exports against compiled ones.

python -m pytest -m benchmark -s tests/benchmarks/test_serving.py
"""

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from tests.benchmarks import timing
from tests.server_process import ServerProcess

NUM_SAMPLES, NUM_CALLS = 16, 60


@pytest.mark.benchmark
@pytest.mark.parametrize("name", ["VAE", "DCGAN", "PixelCNN", "GatedPixelCNN"])
def test_latency(name, tmp_path):
    model = getattr(gz, name)((28, 28, 1))
    sample = tf.saved_model.load(model.export(tmp_path)).signatures["sample"]
    inputs = {"num_samples": tf.constant(NUM_SAMPLES), "seed": tf.constant(0)}
    if "temperature" in sample.structured_input_signature[1]:
        inputs["temperature"] = tf.constant(1.0)
    seconds = timing.in_turns(lambda: sample(**inputs), lambda: model.sample(NUM_SAMPLES, seed=0), NUM_CALLS)
    served, in_process = (1000 * s for s in timing.medians(seconds))
    print(
        f"\n{name} 28x28x1, sample of {NUM_SAMPLES}: through the SavedModel {served:.2f} ms, in process "
        f"{in_process:.2f} ms, {served / in_process:.2f} times (medians of {NUM_CALLS})"
    )


@pytest.mark.benchmark
@pytest.mark.parametrize("preset", ["gated_pixelcnn_mnist", "pixelcnn_digits"])
def test_plain_exports_against_compiled_ones(preset, tmp_path):
    """Both in one server, with XLA on for the compiled one's sake."""
    model = gz.GenerativeModel.from_preset(preset)
    plain, compiled = (model.export(tmp_path / str(flag), jit_compile=flag) for flag in (False, True))
    print()
    with ServerProcess(xla=True) as server:
        for n in (1, 16, 64):
            inputs = {"num_samples": np.int32(n), "seed": np.int32(0), "temperature": np.float32(1)}
            images = [server.run(path, "sample", inputs)["outputs"]["images"] for path in (plain, compiled)]
            np.testing.assert_array_equal(*images)
            seconds = timing.in_turns(
                lambda inputs=inputs: server.run(compiled, "sample", inputs),
                lambda inputs=inputs: server.run(plain, "sample", inputs),
                15,
            )
            ratio, trials = timing.ratio(seconds)
            ours, theirs = (1000 * s for s in timing.medians(seconds))
            print(
                f"{preset}, sample of {n}: the plain export takes {ratio:.2f} times as long as the compiled one "
                f"({trials}; medians {theirs:.1f} and {ours:.1f} ms)"
            )

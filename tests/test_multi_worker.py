"""Training on two machines, which here are two processes, is training on one."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

WORKER = """
import json, sys
import tensorflow as tf
# Before anything else touches TensorFlow's devices.
strategy = tf.distribute.MultiWorkerMirroredStrategy() if sys.argv[1] == "cluster" else tf.distribute.get_strategy()
import keras
import numpy as np
import keras_genzoo as gz

keras.utils.set_random_seed(1)
images = np.random.default_rng(0).uniform(size=(64, 8, 8, 1)).astype("float32")
data = tf.data.Dataset.from_tensor_slices(images).batch(16)
with strategy.scope():
    vae = gz.VAE((8, 8, 1), 4)
    vae.compile(keras.optimizers.SGD(1e-3))
history = vae.fit(data, epochs=2, verbose=0).history
evaluation = vae.evaluate(data, verbose=0, return_dict=True)
weights = [float(np.abs(w).sum()) for w in vae.get_weights()]
print("RESULT", json.dumps([history["loss"], [evaluation["loss"]], weights]))
"""


@pytest.mark.slow
def test_two_workers_take_the_steps_of_one():
    def start(kind, index=0, workers=()):
        cluster = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        env = {**os.environ, **({"TF_CONFIG": json.dumps(cluster)} if workers else {})}
        return subprocess.Popen([sys.executable, "-c", WORKER, kind], env=env, stdout=subprocess.PIPE, text=True)

    def result(process):
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0
        return json.loads(output.split("RESULT", 1)[1])

    with socket.socket() as a, socket.socket() as b:
        for free in (a, b):
            free.bind(("localhost", 0))
        workers = [f"localhost:{free.getsockname()[1]}" for free in (a, b)]
    pair = [start("cluster", index, workers) for index in (0, 1)]
    first, second = (result(process) for process in pair)
    alone = result(start("alone"))
    for ours, theirs, one in zip(first, second, alone, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
        np.testing.assert_allclose(ours, one, rtol=1e-5)

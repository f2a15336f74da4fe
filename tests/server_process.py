"""SavedModels in a process of their own, which runs them as TensorFlow Serving does: `c_api.py`, spoken to by pipes."""

import functools
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from keras_genzoo import serving
from tests import c_api

LIBRARY = Path(tf.__file__).parent / (
    "libtensorflow_cc.2.dylib" if sys.platform == "darwin" else "libtensorflow_cc.so.2"
)


@functools.cache
def signature_defs(path):
    """What a SavedModel's signatures take and give: dict, name to `SignatureDef`."""
    saved = saved_model_pb2.SavedModel.FromString((Path(path) / "saved_model.pb").read_bytes())
    return dict(saved.meta_graphs[0].signature_def)


def warmup_requests(path):
    """The requests that TensorFlow Serving runs before it takes others: pairs of a signature's name and its inputs."""
    records = tf.data.TFRecordDataset(str(Path(path) / serving.WARMUP)).as_numpy_iterator()
    requests = [prediction_log_pb2.PredictionLog.FromString(record).predict_log.request for record in records]
    return [
        (request.model_spec.signature_name, {key: tf.make_ndarray(x) for key, x in request.inputs.items()})
        for request in requests
    ]


class _Process:
    """Answers pickled requests with pickled answers. A context manager."""

    def __init__(self, *command):
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def ask(self, request):
        with self._lock:
            pickle.dump(request, self._process.stdin)
            self._process.stdin.flush()
            return pickle.load(self._process.stdout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        assert self._process.wait(60) == 0
        self._process.stdout.close()


class ServerProcess(_Process):
    """Runs SavedModels through TensorFlow's C API; with XLA off, as servers start, or on."""

    def __init__(self, xla=False):
        if not LIBRARY.is_file():
            pytest.skip(f"this TensorFlow has no {LIBRARY.name}")
        super().__init__(c_api.__file__, str(LIBRARY), *["--xla"] * xla)

    def run(self, path, signature, inputs):
        """The answer, a dict of `code` and `message` of the status and `outputs`, to named arrays."""
        signature = signature_defs(path)[signature]
        return self.ask(
            {
                "path": str(path),
                "feeds": {signature.inputs[key].name: value for key, value in inputs.items()},
                "fetches": {key: tensor.name for key, tensor in signature.outputs.items()},
            }
        )


IN_PYTHON = """
import functools, os, pickle, sys
answers = sys.stdout.buffer
sys.stdout = sys.stderr
sys.modules["keras"] = None  # TensorFlow imports Keras of its own accord, where it can
import tensorflow as tf

load = functools.lru_cache(1)(tf.saved_model.load)

def run(path, signature, inputs):
    try:
        outputs = load(path).signatures[signature](**{key: tf.constant(x) for key, x in inputs.items()})
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        return {"code": 3, "message": str(error), "outputs": {}}
    return {"code": 0, "message": "", "outputs": {key: x.numpy() for key, x in outputs.items()}}

while sys.stdin.buffer.peek(1):
    pickle.dump(run(*pickle.load(sys.stdin.buffer)), answers)
    answers.flush()
imported = {name for name, module in sys.modules.items() if module}
assert not {"keras", "keras_genzoo", "tf_keras", "tensorflow_probability"} & imported
os._exit(0)  # TensorFlow takes seconds to give back what is gone in a moment
"""


class PythonProcess(_Process):
    """Runs SavedModels by `tf.saved_model.load`, with neither Keras nor this package; answers as `ServerProcess`."""

    def __init__(self):
        super().__init__("-c", IN_PYTHON)

    def run(self, path, signature, inputs):
        return self.ask((str(path), signature, inputs))

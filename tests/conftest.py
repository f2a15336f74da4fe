"""Two logical CPUs stand for two devices; every test starts from the same seed and in float32."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


def pytest_configure(config):
    if config.getoption("markexpr") != "benchmark":  # workers of pytest share the cores: a sixth of the time
        tf.config.threading.set_intra_op_parallelism_threads(1)


@pytest.fixture(autouse=True)
def fresh_state():
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def two_devices():
    """One strategy for all tests: a second in the same process would reuse the first one's collective keys."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def require_tfds(name):
    """Skips the calling test where a prepared TFDS set is not on disk."""
    folder = os.environ.get("TFDS_DATA_DIR", os.path.expanduser("~/tensorflow_datasets"))
    if not os.path.isdir(os.path.join(folder, name)):
        pytest.skip(f"TFDS set {name!r} is not prepared in {folder}; set TFDS_DATA_DIR to a folder that has it")

"""Models as files that run with neither Keras nor this package: SavedModels for TensorFlow Serving, ONNX, LiteRT."""

from keras_genzoo.serving.conversion import FORMATS, convert
from keras_genzoo.serving.saved_model import MAX_ROWS, WARMUP, export
from keras_genzoo.serving.server_config import write_server_config
from keras_genzoo.serving.signature import Signature

__all__ = ["FORMATS", "MAX_ROWS", "WARMUP", "Signature", "convert", "export", "write_server_config"]

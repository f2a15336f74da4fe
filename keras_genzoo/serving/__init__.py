"""Models as files that run with neither Keras nor this package: SavedModels for TensorFlow Serving, ONNX, LiteRT."""

from keras_genzoo.serving.saved_model import (
    MAX_ROWS,
    WARMUP,
    Input,
    Signature,
    count,
    export,
    images,
    known,
    labels,
    latents,
    quiet,
    save,
    seed,
    temperature,
    traced,
    vectors,
    write_server_config,
)

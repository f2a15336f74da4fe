"""The files that TensorFlow Serving is started with."""

from pathlib import Path

from keras_genzoo import files


def write_server_config(folder):
    """Writes the files that tell TensorFlow Serving of all models in a folder, `folder/<name>/<version>/`.

    - `models.config`, for `--model_config_file`: every model under its name. Paths are those inside the official
      container, with `folder` at `/models`.
    - `batching_parameters.txt`, for `--enable_batching --batching_parameters_file --enable_model_warmup=false`:
      requests that come within 2 ms are merged. TensorFlow Serving merges along the first axis and refuses inputs
      without one while it does, also in the warm-up file, so that signatures with a `seed` are for a server without
      batching.

    Args:
        folder: path.

    Returns:
        The two paths.

    Raises:
        ValueError: if no model lies in the folder.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    folder = Path(folder)
    names = sorted({saved.parent.parent.name for saved in folder.glob("*/*/saved_model.pb")})
    if not names:
        raise ValueError(f"no model lies in {str(folder)!r}; export one to {str(folder / 'NAME')!r} first.")
    config = model_server_config_pb2.ModelServerConfig()
    for name in names:
        config.model_config_list.config.add(name=name, base_path=f"/models/{name}", model_platform="tensorflow")
    texts = {
        "models.config": text_format.MessageToString(config),
        "batching_parameters.txt": "max_batch_size { value: 128 }\nbatch_timeout_micros { value: 2000 }\n",
    }
    for name, text in texts.items():
        files.write(folder / name, text)
    return [str(folder / name) for name in texts]

"""Draws images from a model that TensorFlow Serving serves, over REST and over gRPC, and compares the two.

    python serving_client.py --model vae_digits --num-samples 16 --seed 0 --output samples.png

The same seed gives the same images over both. The times are those of one request each; the first that a server gets may
also pay for what it does once. Needs NumPy and Matplotlib, and for gRPC tensorflow-serving-api; not keras_genzoo.
"""

import argparse
import http.client
import json
import math
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

try:
    import matplotlib.image
    import numpy as np
except ImportError as error:
    sys.exit(f"error: {error.name} is missing: pip install 'keras-genzoo[examples]', or matplotlib alone")

TIMEOUT = 120  # seconds for one request; autoregressive models take longest
DTYPES = {"DT_FLOAT": "float32", "DT_INT32": "int32"}
SMALLEST_TILE = 56  # pixels; smaller images are enlarged


class ServerError(Exception):
    """What a server refused, or why it did not answer, in one line."""

    def __init__(self, server, message):
        message = str(message).split("\n\t [[")[0]  # TensorFlow appends the graph's node, which helps no caller
        super().__init__(f"{server}: {' '.join(message.split())}")


def input_dtypes_rest(address, model, signature, version=None):
    """The inputs that a signature takes, as the server tells: name -> NumPy's name of the dtype."""
    signatures = _ask_rest(address, model, version, "/metadata")["metadata"]["signature_def"]["signature_def"]
    if signature not in signatures:
        raise ServerError(f"REST server {address}", f"{model} has no signature {signature!r}, but {sorted(signatures)}")
    return {name: DTYPES[info["dtype"]] for name, info in signatures[signature]["inputs"].items()}


def predict_rest(address, model, signature, inputs, version=None):
    """Asks over REST; `inputs` is name -> array, and the signature's only output comes back as a float32 array.

    "inputs" is the API's columnar form: the row form, "instances", wants a row of every input for each example, which
    scalars such as `num_samples` do not have.
    """
    columns = {name: np.asarray(value).tolist() for name, value in inputs.items()}
    reply = _ask_rest(address, model, version, ":predict", {"signature_name": signature, "inputs": columns})
    return np.array(reply["outputs"], "float32")


def predict_grpc(address, model, signature, inputs, version=None):
    """Asks over gRPC; as `predict_rest`."""
    grpc, tf, predict_pb2, prediction_service_pb2_grpc = import_grpc()
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    unlimited = [("grpc.max_receive_message_length", -1)]  # by default 4 MB: a few hundred images may be more
    with grpc.insecure_channel(address, unlimited) as channel:
        try:
            reply = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, TIMEOUT)
        except grpc.RpcError as error:
            raise ServerError(f"gRPC server {address}", error.details()) from None
    (output,) = reply.outputs.values()
    return tf.make_ndarray(output)


def import_grpc():
    """What gRPC takes, imported late: the messages of tensorflow-serving-api import the whole of TensorFlow."""
    try:
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
    except ImportError as error:
        install = "pip install tensorflow-serving-api, or leave gRPC out by --rest-only"
        raise ImportError(f"gRPC needs {error.name}, which is missing: {install}") from error

    return grpc, tf, predict_pb2, prediction_service_pb2_grpc


def _ask_rest(address, model, version, verb, body=None):
    """POSTs the body, or GETs where there is none; returns what the JSON that comes back holds."""
    path = quote(model, safe="") + ("" if version is None else f"/versions/{version}") + verb
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{address}/v1/models/{path}", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        try:
            message = json.load(error)["error"]
        except (ValueError, TypeError, KeyError):  # not TensorFlow Serving's words: a proxy's, or another server's
            message = f"HTTP {error.code} {error.reason}"
    except OSError as error:
        message = getattr(error, "reason", error)
    except (http.client.HTTPException, ValueError):
        message = "this is not TensorFlow Serving's REST API"
    raise ServerError(f"REST server {address}", message)


def save_grid(images, path):
    """Writes images `(n, h, w, c)` in [0, 1], c = 1 or 3, as one PNG file, row by row."""
    zoom = math.ceil(SMALLEST_TILE / min(images.shape[1:3]))
    images = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
    n, height, width, _ = images.shape
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    tiles = np.full((rows * columns, height + 2, width + 2, 3), 0.4)  # a grey border around each
    tiles[:n, 1:-1, 1:-1] = images.clip(0, 1)
    picture = tiles.reshape(rows, columns, height + 2, width + 2, 3).swapaxes(1, 2).reshape(rows * (height + 2), -1, 3)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    matplotlib.image.imsave(path, picture, format="png")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="the name it is served under")
    parser.add_argument("--model-version", type=int, help="by default the latest")
    parser.add_argument("--num-samples", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--labels", type=int, nargs="+", help="one for each image; conditional models alone take them")
    parser.add_argument("--temperature", type=float, default=1.0, help="PixelCNNs alone heed it")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--rest-port", type=int, default=8501)
    parser.add_argument("--grpc-port", type=int, default=8500)
    parser.add_argument("--rest-only", action="store_true", help="leave out gRPC, and with it TensorFlow")
    parser.add_argument("--output", required=True, help="PNG file to write")
    options = parser.parse_args(arguments)
    try:
        compare(options)
    except (ServerError, ValueError, OverflowError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def compare(options):
    """Asks both ways, prints what came of it and writes the picture."""
    rest, grpc = f"{options.host}:{options.rest_port}", f"{options.host}:{options.grpc_port}"
    dtypes = input_dtypes_rest(rest, options.model, "sample", options.model_version)
    if "labels" in dtypes and options.labels is None:
        raise ValueError(f"{options.model} is conditional: give one label for each image with --labels")
    if "labels" not in dtypes and options.labels is not None:
        raise ValueError(f"{options.model} is not conditional: leave out --labels")
    inputs = {name: np.array(getattr(options, name), dtype) for name, dtype in dtypes.items()}
    images = timed("REST", predict_rest, rest, options.model, "sample", inputs, options.model_version)
    if not options.rest_only:
        import_grpc()  # else it would count as the request's time
        others = timed("gRPC", predict_grpc, grpc, options.model, "sample", inputs, options.model_version)
        difference = np.abs(images - others).max()
        print("both gave the same images" if difference < 1e-6 else f"the images differ, by up to {difference:.2g}")
    save_grid(images, options.output)
    print(f"wrote {options.output}")


def timed(way, predict, *request):
    start = time.perf_counter()
    images = predict(*request)
    print(f"{way}: {len(images)} images in {1000 * (time.perf_counter() - start):.0f} ms")
    return images


if __name__ == "__main__":
    sys.exit(main())

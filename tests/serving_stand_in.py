"""A stand-in for TensorFlow Serving: its two protocols before SavedModels in sessions with XLA off.

It is not TensorFlow Serving: it is written here, after the protocols that TensorFlow Serving documents (REST's columnar
`:predict` and `/metadata`, gRPC's `Predict`) and what its source checks of a request. It runs the SavedModels in a
process of TensorFlow's C API (`server_process.py`). So tests show that a client speaks the protocols as understood here
and that the exports run as a server runs them, not that a real server understands the client.
"""

import contextlib
import functools
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

from tests.server_process import ServerProcess, signature_defs, warmup_requests

ROUTE = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(/metadata|:predict)")


class Refusal(Exception):
    """An error of the server, with its status over HTTP and over gRPC."""

    def __init__(self, message, http=400, grpc=grpc.StatusCode.INVALID_ARGUMENT):
        super().__init__(message)
        self.http, self.grpc = http, grpc


class StandIn(prediction_service_pb2_grpc.PredictionServiceServicer):
    """What both servers stand on: exported models, name -> path of version 1.

    Like the server it runs the warm-up requests of every model first, and does not start if one of them fails.
    """

    def __init__(self, paths, process):
        self.paths, self.process = paths, process
        for name, path in paths.items():
            for signature, inputs in warmup_requests(path):
                self.run(name, signature, inputs)

    def signature_def(self, model, version):
        if model not in self.paths or version not in (None, 1):
            raise Refusal(f"Servable not found for request: {model}, {version}", 404, grpc.StatusCode.NOT_FOUND)
        return signature_defs(self.paths[model])

    def run(self, model, signature, inputs):
        answer = self.process.run(self.paths[model], signature, inputs)
        if answer["code"]:
            raise Refusal(answer["message"])
        return answer["outputs"]

    def Predict(self, request, context):
        try:
            asked = request.model_spec
            version = asked.version.value if asked.HasField("version") else None
            signature = self.signature_def(asked.name, version)[asked.signature_name]
            if set(request.inputs) != set(signature.inputs):
                raise Refusal(f"input size does not match signature: {sorted(request.inputs)}")
            for name, given in request.inputs.items():
                if given.dtype != signature.inputs[name].dtype:
                    raise Refusal(f"`{name}` is of dtype {given.dtype}, not {signature.inputs[name].dtype}")
            inputs = {name: tf.make_ndarray(given) for name, given in request.inputs.items()}
            outputs = self.run(asked.name, asked.signature_name, inputs)
        except Refusal as error:
            context.abort(error.grpc, str(error))
        response = predict_pb2.PredictResponse()
        for name, x in outputs.items():  # values one by one, as TensorFlow Serving gives them unless told otherwise
            shape = tf.TensorShape(x.shape).as_proto()
            response.outputs[name].CopyFrom(tensor_pb2.TensorProto(dtype=1, tensor_shape=shape, float_val=x.ravel()))
        return response

    def metadata(self, model, version):
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=self.signature_def(model, version))
        as_served = json_format.MessageToDict(
            signatures, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        return {
            "model_spec": {"name": model, "signature_name": "", "version": "1"},
            "metadata": {"signature_def": as_served},
        }

    def predict(self, model, version, body):
        signatures = self.signature_def(model, version)
        if body["signature_name"] not in signatures:
            raise Refusal(f'Serving signature name: "{body["signature_name"]}" not found in signature def')
        inputs = {}
        for name, info in signatures[body["signature_name"]].inputs.items():
            if name not in body["inputs"]:
                raise Refusal(f"Missing named input: {name} in 'inputs' object.")
            value = np.array(body["inputs"][name])
            dtype = tf.as_dtype(info.dtype)
            if dtype.is_integer and value.dtype.kind != "i":  # 16.0 is no int32 to TensorFlow Serving
                raise Refusal(f"JSON Value: {value} is not of expected type: {dtype.name}")
            inputs[name] = value.astype(dtype.as_numpy_dtype)
        (output,) = self.run(model, body["signature_name"], inputs).values()  # several would come by name
        nine_digits = np.vectorize(lambda x: float(f"{x:.9g}"), otypes=[object])  # what a float32 is written with
        return {"outputs": nine_digits(output).tolist()}


class RestHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer("/metadata", self.server.stand_in.metadata)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(":predict", functools.partial(self.server.stand_in.predict, body=body))

    def answer(self, verb, reply):
        try:
            route = ROUTE.fullmatch(self.path)
            if not route or route[3] != verb:
                raise Refusal(f"Malformed request: {self.command} {self.path}")
            status, content = 200, reply(unquote(route[1]), route[2] and int(route[2]))
        except Refusal as error:
            status, content = error.http, {"error": str(error)}
        content = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serving(paths):
    """Runs the stand-in on exports, name -> path; gives it and its addresses for REST and for gRPC."""
    with ServerProcess() as process:
        stand_in = StandIn(paths, process)
        rest_server = ThreadingHTTPServer(("127.0.0.1", 0), RestHandler)
        rest_server.stand_in = stand_in
        threading.Thread(target=rest_server.serve_forever, daemon=True).start()
        grpc_server = grpc.server(ThreadPoolExecutor(2))
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(stand_in, grpc_server)
        grpc_port = grpc_server.add_insecure_port("127.0.0.1:0")
        grpc_server.start()
        yield stand_in, f"127.0.0.1:{rest_server.server_port}", f"127.0.0.1:{grpc_port}"
        grpc_server.stop(0).wait()
        rest_server.shutdown()
        rest_server.server_close()

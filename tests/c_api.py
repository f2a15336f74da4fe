"""Runs requests against SavedModels through TensorFlow's C API, in a process that imports no TensorFlow.

    python c_api.py LIBRARY [--xla]

`TF_LoadSessionFromSavedModel` is the loader of the family that TensorFlow Serving uses, sessions over the graph as it
was saved; `tf.saved_model.load` rebuilds Python functions instead. As in TensorFlow Serving, XLA is off unless told
otherwise.

Requests come in on stdin, pickled dicts one after another:

    path: str, of the SavedModel; it is loaded once, for all requests that name it.
    feeds: dict, tensor name such as "sample_seed:0" to array.
    fetches: dict, output name to tensor name.

Each is answered on stdout by a pickled dict: `code` and `message` of the status, and `outputs`, output name to array.
"""

import ctypes
import functools
import os
import pickle
import sys

import numpy as np

P = ctypes.c_void_p
TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10}  # TF_DataType
DTYPES = {code: name for name, code in TYPES.items()}


class Output(ctypes.Structure):
    _fields_ = (("operation", P), ("index", ctypes.c_int))


SIGNATURES = {
    "TF_NewStatus": (P,),
    "TF_GetCode": (ctypes.c_int, P),
    "TF_Message": (ctypes.c_char_p, P),
    "TF_NewGraph": (P,),
    "TF_NewSessionOptions": (P,),
    "TF_LoadSessionFromSavedModel": (
        P, P, P, ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, P, P, P,
    ),
    "TF_GraphOperationByName": (P, P, ctypes.c_char_p),
    "TF_AllocateTensor": (P, ctypes.c_int, ctypes.POINTER(ctypes.c_int64), ctypes.c_int, ctypes.c_size_t),
    "TF_DeleteTensor": (None, P),
    "TF_TensorData": (P, P),
    "TF_TensorByteSize": (ctypes.c_size_t, P),
    "TF_TensorType": (ctypes.c_int, P),
    "TF_NumDims": (ctypes.c_int, P),
    "TF_Dim": (ctypes.c_int64, P, ctypes.c_int),
    "TF_SessionRun": (
        None, P, P, ctypes.POINTER(Output), ctypes.POINTER(P), ctypes.c_int,
        ctypes.POINTER(Output), ctypes.POINTER(P), ctypes.c_int, P, ctypes.c_int, P, P,
    ),
}  # fmt: skip


def main(library, xla=None):
    tf = ctypes.CDLL(library)
    if not xla:
        # What `tensorflow_model_server` calls without --xla_cpu_compilation_enabled: tensorflow::DisableXlaCompilation.
        tf._ZN10tensorflow21DisableXlaCompilationEv()
    for name, (restype, *argtypes) in SIGNATURES.items():
        function = getattr(tf, name)
        function.restype, function.argtypes = restype, argtypes
    status = tf.TF_NewStatus()

    @functools.cache
    def load(path):
        graph, tags = tf.TF_NewGraph(), (ctypes.c_char_p * 1)(b"serve")
        options = tf.TF_NewSessionOptions()
        session = tf.TF_LoadSessionFromSavedModel(options, None, path.encode(), tags, 1, graph, None, status)
        assert tf.TF_GetCode(status) == 0, tf.TF_Message(status)
        return session, graph

    def point(graph, tensor):
        name, index = tensor.split(":")
        return Output(tf.TF_GraphOperationByName(graph, name.encode()), int(index))

    def to_tensor(array):
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        tensor = tf.TF_AllocateTensor(TYPES[array.dtype.name], shape, array.ndim, array.nbytes)
        ctypes.memmove(tf.TF_TensorData(tensor), np.asarray(array, order="C").ctypes.data, array.nbytes)
        return tensor

    def to_array(tensor):
        shape = [tf.TF_Dim(tensor, i) for i in range(tf.TF_NumDims(tensor))]
        data = ctypes.string_at(tf.TF_TensorData(tensor), tf.TF_TensorByteSize(tensor))
        return np.frombuffer(data, DTYPES[tf.TF_TensorType(tensor)]).reshape(shape)

    def run(path, feeds, fetches):
        session, graph = load(path)
        places = (Output * len(feeds))(*(point(graph, name) for name in feeds))
        values = (P * len(feeds))(*(to_tensor(np.asarray(array)) for array in feeds.values()))
        wanted = (Output * len(fetches))(*(point(graph, name) for name in fetches.values()))
        got = (P * len(fetches))()
        tf.TF_SessionRun(
            session, None, places, values, len(feeds), wanted, got, len(fetches), None, 0, None, status
        )  # fmt: skip
        code, message = tf.TF_GetCode(status), tf.TF_Message(status).decode()
        outputs = {} if code else {name: to_array(tensor) for name, tensor in zip(fetches, got, strict=True)}
        for tensor in [*values, *got]:
            if tensor:
                tf.TF_DeleteTensor(tensor)
        return {"code": code, "message": message, "outputs": outputs}

    while sys.stdin.buffer.peek(1):
        pickle.dump(run(**pickle.load(sys.stdin.buffer)), sys.stdout.buffer)
        sys.stdout.flush()
    assert not {"tensorflow", "keras"} & set(sys.modules)
    os._exit(0)  # TensorFlow takes seconds to give back what is gone in a moment


if __name__ == "__main__":
    main(*sys.argv[1:])

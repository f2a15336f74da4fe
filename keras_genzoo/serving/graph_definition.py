"""A SavedModel's graph made smaller: of a small model TensorFlow's names and annotations outweigh the weights."""

from tensorflow.core.protobuf import saved_model_pb2

# What TensorFlow keeps for people and for Python, and finds out by itself where it needs it.
_ANNOTATIONS = ("_output_shapes", "_user_specified_name", "_has_manual_control_dependencies")
# Has TensorFlow unfold a loop into the graph around it. A loop that stays a function is no slower, and that of a
# PixelCNN twice as fast where TensorFlow hands multiplications to oneDNN, which takes long to start on small ones.
_UNFOLDING = "_lower_using_switch_merge"


def compact(folder):
    """Drops annotations from the functions of a SavedModel, keeps its loops folded and shortens the names inside them.

    A node `vae_1/decoder_1/dense_2_1/MatMul` becomes `n17`; one without a scope, such as an input, keeps its name.

    Args:
        folder: path of the SavedModel.
    """
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    (graph,) = saved.meta_graphs
    for function in graph.graph_def.library.function:
        _rename(function)
        attributes = [function.attr, *(node.attr for node in function.node_def)]
        attributes += [argument.attr for argument in function.arg_attr.values()]
        for attr in attributes:
            for name in (*_ANNOTATIONS, _UNFOLDING):
                attr.pop(name, None)
    path.write_bytes(saved.SerializeToString(deterministic=True))
    (folder / "fingerprint.pb").unlink(missing_ok=True)  # of the file as it was; loaders do without


def _rename(function):
    scoped = [node.name for node in function.node_def if "/" in node.name]
    scoped += [argument.name for argument in function.signature.input_arg if len(argument.name) > 20]
    renamed = {name: f"n{i}" for i, name in enumerate(scoped)}

    def new(reference):  # "name", "name:output:0" or, for a control dependency, "^name"
        name, *output = reference.removeprefix("^").split(":")
        return "^" * reference.startswith("^") + ":".join([renamed.get(name, name), *output])

    for node in function.node_def:
        node.name = new(node.name)
        node.input[:] = [new(reference) for reference in node.input]
    for argument in function.signature.input_arg:
        argument.name = new(argument.name)
    for returned in (function.ret, function.control_ret):
        for key in list(returned):
            returned[key] = new(returned[key])

"""What a preset may hold, checked before Keras reads any of it: presets come from strangers.

- A configuration may name only classes that compute, of Keras and of this package, in the one spelling by which Keras
  finds that very class: no code, no other file.
- A weights file may hold only plain arrays, all of them inside it.
- A model may hold no more numbers than its weights file: a few bytes of configuration must not take all memory. (Those
  of a file in half precision take twice its size.)
"""

import contextlib
import importlib
import inspect
import math
import re
from typing import NamedTuple

import h5py
import keras
import tensorflow as tf

# ---- code ----

# Where Keras's classes say they come from, and those among them that do nothing but compute. Layers that run code or
# read files which their configuration names, such as Lambda, TFSMLayer and StringLookup, must never be added.
_KERAS_CLASSES = {
    "keras": "DTypePolicy Sequential",
    "keras.src.models.functional": "Functional",
    "keras.initializers": """
        Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal LecunUniform
        Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros""",
    "keras.regularizers": "L1 L1L2 L2 OrthogonalRegularizer",
    "keras.constraints": "MaxNorm MinMaxNorm NonNeg UnitNorm",
    "keras.layers": """
        Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
        AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention
        Average AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization Bidirectional CenterCrop
        Concatenate Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D
        ConvLSTM3D Cropping1D Cropping2D Cropping3D Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout EinsumDense ELU
        Embedding Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
        GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization
        GroupQueryAttention GRU GRUCell Identity InputLayer LayerNormalization LeakyReLU LSTM LSTMCell Masking
        MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum MultiHeadAttention Multiply Normalization Permute PReLU
        ReLU RepeatVector Rescaling Reshape Resizing RMSNormalization RNN SeparableConv1D SeparableConv2D SimpleRNN
        SimpleRNNCell Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells
        Subtract TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D
        ZeroPadding3D""",
}
_KERAS_CLASSES = {(module, name) for module, names in _KERAS_CLASSES.items() for name in names.split()}
# Operations on Keras tensors, `x * 2.0` or `keras.ops.silu(x)`; they have no public name, so Keras writes these.
_OPERATIONS = ("keras.src.ops.numpy", "keras.src.ops.nn")
_VALUES = ("__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__")
_ENTRY = {
    "module",
    "class_name",
    "config",
    "registered_name",
    "build_config",
    "compile_config",
    "name",
    "inbound_nodes",
}
_NAMES = ("module", "class_name", "registered_name", "config")  # a function's config is its name
_NUMBERS = re.compile(r"bool|u?int\d+|b?float\d+")


def refuse_foreign_code(config):
    """Raises ValueError if a configuration names anything but classes of Keras and this package that compute.

    Args:
        config: what `keras.saving.serialize_keras_object` gives, or the same read from JSON.
    """
    values = [config]
    while values:
        value = values.pop()
        if isinstance(value, str):
            # Keras takes any string for an object registered by that name.
            if keras.saving.get_registered_object(value) is not None:
                _refuse(f"the object {value!r} that this program has registered with Keras")
        elif isinstance(value, (list, tuple)):
            values.extend(value)
        elif isinstance(value, dict) and "class_name" not in value:
            values.extend(value.values())
        elif isinstance(value, dict):
            if not _is_safe(value):
                names = {key: value[key] for key in _NAMES if isinstance(value.get(key), str)}
                _refuse(", ".join(f"{key}={name[:80]!r}" for key, name in names.items()) or "an object without a class")
            values.extend(value[key] for key in value.keys() - {"module", "class_name", "registered_name"})


def _refuse(named):
    raise ValueError(
        "a preset may name only classes of keras_genzoo and Keras that run no foreign code and read no other file, as "
        f"Keras itself writes them; this one names {named}. Build the model of Keras's own layers, or keep it by "
        "model.save(path), as a .keras file."
    )


def _is_safe(entry):
    """Whether Keras can make nothing but a safe object of an entry, by whichever of its names it looks it up."""
    name, module, config = entry["class_name"], entry.get("module"), entry.get("config")
    if not isinstance(name, str) or "config" not in entry:
        return False
    if name in _VALUES:
        return entry.keys() == {"class_name", "config"} and _is_plain_value(name, config)
    registered = entry.get("registered_name", name)  # as Keras reads it
    if not isinstance(module, str) or not isinstance(registered, (str, type(None))) or not entry.keys() <= _ENTRY:
        return False
    if not all(map(_holds_keras_tensor, entry.get("inbound_nodes", []))):
        return False
    # A registered object goes before all else, whatever the module says.
    if keras.saving.get_registered_object(registered) is not None:
        return _is_ours(entry)
    if registered not in (None, config if name == "function" else name):
        return False
    if keras.saving.get_registered_object(name) is not None:
        return False
    if name == "function":
        return module == "builtins" and isinstance(config, str) and config in _activations()
    return (module, name) in _KERAS_CLASSES or (module in _OPERATIONS and _is_operation(module, name))


def _is_ours(entry):
    cls = keras.saving.get_registered_object(entry.get("registered_name"))
    return (
        inspect.isclass(cls)
        and isinstance(entry["config"], dict)
        and cls.__module__.startswith("keras_genzoo.")
        and str(entry.get("module")).startswith("keras_genzoo.")  # where the class lay when the preset was written
        and cls.__name__ == entry["class_name"]
    )


def _is_operation(module, name):
    cls = vars(importlib.import_module(module)).get(name)
    return inspect.isclass(cls) and issubclass(cls, keras.Operation) and cls.__module__ == module


def _is_plain_value(name, config):
    if not isinstance(config, dict):
        return False
    return name not in ("__numpy__", "__tensor__") or (
        isinstance(config.get("dtype"), str) and _NUMBERS.fullmatch(config["dtype"]) is not None
    )


def _holds_keras_tensor(node):
    """Whether a node of a graph of layers is symbolic: of constants alone, Keras would compute it while it reads."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        return True
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, (list, tuple)) else ()
    return any(map(_holds_keras_tensor, parts))


def _activations():
    return {
        name
        for name, function in vars(keras.activations).items()
        if inspect.isfunction(function) and name not in ("deserialize", "get", "serialize")
    }


# ---- weights ----


class Weights(NamedTuple):
    """How much a weights file holds: arrays, and numbers in all of them."""

    num_arrays: int
    num_values: int


def held_weights(path):
    """What a weights file holds; follows no link and opens no other file.

    Args:
        path: of an HDF5 file.

    Returns:
        Weights.

    Raises:
        ValueError: for a damaged file, one with links or with arrays that lie elsewhere, are virtual, compressed,
            or claim more bytes than there are.
    """
    arrays = []
    try:
        with h5py.File(path, "r") as file:
            links = []
            file.id.links.visit(lambda name, link: links.append((name, link.type)), info=True)
            for name, kind in links:
                if kind != h5py.h5l.TYPE_HARD:
                    raise _Unfit(f"{name.decode(errors='replace')!r} is a link out of its place")
                thing = h5py.h5o.open(file.id, name)
                if not isinstance(thing, h5py.h5g.GroupID):
                    arrays.append(_num_bytes_and_values(name.decode(errors="replace"), thing))
    except _Unfit as error:
        raise ValueError(f"it may hold only plain arrays, all of them inside it; {error}") from None
    except Exception as error:  # of many classes, as HDF5 meets damage
        raise ValueError(f"it is damaged: {error}") from error
    if sum(num_bytes for num_bytes, _ in arrays) > path.stat().st_size:
        raise ValueError("it may hold only plain arrays, all of them inside it; these claim more bytes than it has")
    return Weights(len(arrays), sum(num_values for _, num_values in arrays))


class _Unfit(Exception):
    pass


def _num_bytes_and_values(name, array):
    if not isinstance(array, h5py.h5d.DatasetID):
        raise _Unfit(f"{name!r} is neither an array nor a group")
    storage = array.get_create_plist()
    if storage.get_layout() not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS):
        raise _Unfit(f"{name!r} is virtual, or stored in pieces")
    if storage.get_external_count() or storage.get_nfilters():
        raise _Unfit(f"{name!r} is stored outside, or compressed")
    num_values, dtype = array.get_space().get_simple_extent_npoints(), array.dtype
    if dtype.hasobject or array.get_storage_size() != num_values * dtype.itemsize:
        raise _Unfit(f"{name!r} holds {num_values} values of {dtype} in {array.get_storage_size()} bytes")
    return num_values * dtype.itemsize, num_values


# ---- memory ----

_UNSTORED = 1024  # numbers that a model has beside its weights file: sums of metrics and the like
_SMALL = 2**16  # a size that takes no memory to speak of
_LARGEST_IMAGE = 2**26  # values; 256 MiB in float32


def refuse_large_sizes(config, held):
    """Raises ValueError if a model's arguments are sizes that its weights file cannot have.

    This is for what takes memory beside weights, and for layers without end. No size is larger than the number of
    weights, since each reaches the shape of one; layers are no more than arrays.

    Args:
        config: configuration of a model, as for `refuse_foreign_code`, which it has passed.
        held: Weights of its file.
    """
    values = [config]
    while values:
        value = values.pop()
        if isinstance(value, (list, tuple)):
            values.extend(value)
        elif isinstance(value, dict):
            values.extend(value.values())
            if "class_name" in value and _is_ours(value):
                for name, argument in value["config"].items():
                    _refuse_large_size(name, argument, held)


def _refuse_large_size(name, argument, held):
    if name.endswith("_steps"):  # counts of training, which take time and no memory
        return
    sizes = [size for size in (argument if isinstance(argument, list) else [argument]) if isinstance(size, int)]
    is_depth = name.startswith("num_") and name.endswith(("_blocks", "_layers"))
    limit = held.num_arrays if is_depth else max(held.num_values, _SMALL)
    if max(sizes, default=0) > limit or (name == "image_shape" and math.prod(sizes) > _LARGEST_IMAGE):
        raise ValueError(f"`{name}`={str(argument)[:80]} is beyond what a model of {held.num_values} weights can have.")


@contextlib.contextmanager
def no_more_weights_than(held):
    """Refuses to make variables with more numbers than a weights file holds, with ValueError, before they take memory.

    Args:
        held: Weights.
    """
    num_values, limit = 0, held.num_values + _UNSTORED

    def counted(create, **kwargs):
        nonlocal num_values
        num_values += _num_values(kwargs["initial_value"])
        if num_values > limit:
            # An error here would leave in Keras the variables that it is about to make, for the next model to make.
            kwargs["initial_value"] = tf.zeros((), kwargs.get("dtype") or tf.float32)
        return create(**kwargs)

    try:
        with tf.variable_creator_scope(counted):
            yield
    finally:
        if num_values > limit:
            raise ValueError(f"it describes more than the {held.num_values} weights that its file holds.")


def _num_values(initial_value):
    if not callable(initial_value):
        return math.prod(initial_value.shape)
    try:  # a trace gives the shape and computes nothing
        return math.prod(tf.function(initial_value, autograph=False).get_concrete_function().output_shapes)
    except Exception:  # TensorFlow cannot count so far
        return math.inf

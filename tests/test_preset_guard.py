"""A preset from a stranger: nothing in it is run, no other file is read, and no more memory is taken than it holds.

Each attack is a preset with right checksums, as someone with ill intent would write it.
"""

import contextlib
import functools
import importlib
import json
import resource
import sys

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo import preset_guard, presets

SHAPE = (4, 4, 1)
FOREIGN = r"may name only classes of keras_genzoo and Keras"


def dense(**options):
    return keras.layers.Dense(4, **options)


def network(*layers):
    return keras.saving.serialize_keras_object(
        keras.Sequential([keras.Input(SHAPE), keras.layers.Flatten(), *layers, keras.layers.Dense(4)])
    )


def sign(folder):
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["sha256"] = {name: presets._sha256(folder / name) for name in ("config.json", "model.weights.h5")}
    (folder / "metadata.json").write_text(json.dumps(metadata))


def edit_config(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    sign(folder)


def edit_metadata(folder, change):
    metadata = json.loads((folder / "metadata.json").read_text())
    change(metadata)
    (folder / "metadata.json").write_text(json.dumps(metadata))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "vae"
    gz.VAE(SHAPE, 2).save_to_preset(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def saved(written, tmp_path):
    folder = tmp_path / "preset"
    folder.mkdir()
    for name, content in written.items():
        (folder / name).write_bytes(content)
    return folder


# ---- code ----


class Payload:
    """Three ways to bring code along, each of which leaves a mark when it is run: the file `mark`."""

    def __init__(self, folder):
        self.mark = folder / "mark"
        self.saved_model = str(folder / "saved_model")
        module, mark = tf.Module(), str(self.mark)

        @tf.function(input_signature=[tf.TensorSpec((None, 16))])
        def serve(x):
            with tf.control_dependencies([tf.io.write_file(mark, "SavedModel")]):
                return tf.identity(x)

        module.serve = serve
        tf.saved_model.save(module, self.saved_model)
        (folder / "payload_module.py").write_text(
            f"import pathlib, keras\npathlib.Path({mark!r}).write_text('module')\n"
            "class Layer(keras.layers.Layer): pass\nclass Init(keras.initializers.Zeros): pass\n"
            "def activation(x): return x\n"
        )
        code = f"lambda x, mark={mark!r}: __import__('pathlib').Path(mark).write_text('Lambda') and x"
        self.lambda_layer = keras.saving.serialize_keras_object(keras.layers.Lambda(eval(code), output_shape=(16,)))
        self.secret = folder / "secret.txt"
        self.secret.write_text("".join(f"word {i}\n" for i in range(20)))

    def layer(self, module, class_name, registered_name, **config):
        return entry(module, class_name, {"name": "layer", **config}, registered_name)


@pytest.fixture(scope="module")
def payload(tmp_path_factory):
    folder = tmp_path_factory.mktemp("payload")
    payload = Payload(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield payload
    sys.modules.pop("payload_module", None)


def entry(module, class_name, config, registered_name=None, **more):
    return {"module": module, "class_name": class_name, "config": config, "registered_name": registered_name, **more}


def with_initializer(initializer):
    config = network(dense())
    config["config"]["layers"][2]["config"]["kernel_initializer"] = initializer
    return config


def with_layer(*layers):
    """Layers, as such or as their entries, in a network that was never built with them."""
    config = network(dense())
    config["config"]["layers"][2:2] = map(keras.saving.serialize_keras_object, layers)
    return config


def eager_node():
    """A constant that the graph of layers would blow up while it is read."""
    inputs = keras.Input(SHAPE)
    x = keras.ops.repeat(keras.layers.Flatten()(inputs), 1, axis=0)
    config = keras.saving.serialize_keras_object(keras.Model(inputs, keras.layers.Dense(4)(x)))
    (repeat,) = (layer for layer in config["config"]["layers"] if layer["class_name"] == "Repeat")
    repeat["config"]["repeats"] = 2**40
    repeat["inbound_nodes"][0]["args"] = [{"class_name": "__numpy__", "config": {"value": [1.0], "dtype": "float32"}}]
    return config


ENCODERS = {
    "SavedModel as ours": lambda p: p.layer(
        "keras.layers", "TFSMLayer", "keras_genzoo>x", filepath=p.saved_model, call_endpoint="serve"
    ),
    "SavedModel by a dotted class": lambda p: with_layer(
        p.layer("keras", "layers.TFSMLayer", None, filepath=p.saved_model, call_endpoint="serve")
    ),
    "SavedModel by the name of a class of ours": lambda p: p.layer(
        "keras.layers", "TFSMLayer", "keras_genzoo>VAE", filepath=p.saved_model, call_endpoint="serve"
    ),
    "Lambda": lambda p: with_layer(p.lambda_layer),
    "Lambda as ours": lambda p: with_layer({**p.lambda_layer, "registered_name": "keras_genzoo>x"}),
    "Lambda of old files": lambda p: with_layer(
        {"class_name": "Lambda", "config": {"name": "x", "function": ["4wEAAAA=", None, None]}}
    ),
    "Lambda without a module": lambda p: with_layer({**p.lambda_layer, "module": None}),
    "pickled function": lambda p: with_initializer({"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}),
    "type specification": lambda p: {
        "class_name": "__typespec__",
        "spec_name": "Layer",
        "module": "payload_module",
        "config": [],
        "registered_name": None,
    },
    "vocabulary": lambda p: p.layer("keras.layers", "StringLookup", None, vocabulary=str(p.secret)),
    "vocabulary as ours": lambda p: p.layer("keras.layers", "StringLookup", "keras_genzoo>x", vocabulary=str(p.secret)),
    "vocabulary by a dotted class": lambda p: p.layer("keras", "layers.StringLookup", None, vocabulary=str(p.secret)),
    "layer of another module": lambda p: p.layer("payload_module", "Layer", "keras_genzoo>x"),
    "class of the standard library": lambda p: entry("os", "_wrap_close", {}),
    "function of the standard library": lambda p: entry("os", "function", "system", "system"),
    "function as ours": lambda p: entry("payload_module", "function", "activation", "keras_genzoo>x"),
    "function of Keras that builds": lambda p: entry("builtins", "function", "deserialize", "deserialize"),
    "function that downloads": lambda p: entry("keras.utils", "get_file", {"origin": "http://x"}, "keras_genzoo>x"),
    "model from a file": lambda p: entry("keras.models", "function", "load_model", "load_model"),
    "initialiser of another module": lambda p: with_initializer(entry("payload_module", "Init", {}, "keras_genzoo>x")),
    "initialiser as a function": lambda p: with_initializer(
        entry("payload_module", "function", "activation", "activation")
    ),
    "class without a configuration": lambda p: {"module": "payload_module", "class_name": "Layer"},
    "module that is no name": lambda p: entry(["keras.layers"], "Dense", {"units": 4}),
    "class that is no name": lambda p: entry("keras.layers", ["Dense"], {"units": 4}),
    "registered name that is no name": lambda p: entry("keras.layers", "Dense", {"units": 4}, ["Dense"]),
    "shared with another": lambda p: entry("keras.layers", "Dense", {"units": 4}, None, shared_object_id=1),
    "somebody's registered class": lambda p: entry("a.b", "L", {}, "Custom>L"),
    "constant made huge": lambda p: eager_node(),
    "constant of a huge type": lambda p: with_initializer(
        entry(
            "keras.initializers",
            "Constant",
            {"value": {"class_name": "__numpy__", "config": {"value": 0, "dtype": "V1000000000000"}}},
        )
    ),
}


@pytest.mark.parametrize("case", ENCODERS)
def test_nothing_foreign_is_built(saved, payload, case):
    edit_config(saved, lambda config: config["config"].update(encoder=ENCODERS[case](payload)))
    with pytest.raises(ValueError, match=FOREIGN):
        gz.VAE.from_preset(saved)
    assert not payload.mark.exists() and "payload_module" not in sys.modules


def test_a_refusal_names_the_class_and_ends_in_a_sentence(saved, payload):
    edit_config(saved, lambda config: config["config"].update(encoder=ENCODERS["Lambda"](payload)))
    with pytest.raises(ValueError, match=r"names module='keras\.layers', class_name='Lambda'.* as a \.keras file\.$"):
        gz.VAE.from_preset(saved)


def test_a_string_is_no_way_to_an_object_of_this_program(saved):
    """Keras takes any string for a registered object of that name, a layer's activation for one."""
    edit_config(saved, lambda config: config["config"].update(encoder=network(dense(activation="relu"))))
    own = {"relu": lambda x: pytest.fail("was called")}
    with keras.saving.custom_object_scope(own), pytest.raises(ValueError, match=f"{FOREIGN}.*'relu'"):
        gz.VAE.from_preset(saved)


@pytest.mark.parametrize("case", ["SavedModel as ours", "Lambda", "layer of another module"])
def test_each_payload_runs_where_nothing_stops_it(payload, case):
    """Else the tests above would prove nothing."""
    layer = {
        "SavedModel as ours": lambda: keras.layers.TFSMLayer(payload.saved_model, call_endpoint="serve"),
        "Lambda": lambda: keras.saving.deserialize_keras_object(payload.lambda_layer, safe_mode=False),
        "layer of another module": lambda: __import__("payload_module").Layer(),
    }[case]()
    with contextlib.suppress(Exception):  # what the Lambda returns is no tensor
        layer(np.zeros((1, 16), "float32"))
    sys.modules.pop("payload_module", None)
    assert payload.mark.exists()
    payload.mark.unlink()


def test_every_safe_class_is_one_of_keras():
    for module, name in preset_guard._KERAS_CLASSES:
        if module.startswith("keras.src"):
            assert issubclass(getattr(importlib.import_module(module), name), keras.Model)
        else:
            assert callable(getattr(importlib.import_module(module), name)), name


def test_networks_of_every_safe_kind_come_along(tmp_path):
    """Layers, operations and constants, one of each way in which Keras writes them down."""
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv2D(4, 2, activation="silu", kernel_regularizer="l2", kernel_constraint="max_norm")(inputs)
    x = keras.layers.SpectralNormalization(keras.layers.Conv2D(4, 1))(x)
    x = keras.ops.silu(keras.ops.concatenate([x, 2.0 * x], axis=-1))[:, 1:]
    x = keras.layers.TimeDistributed(keras.layers.Bidirectional(keras.layers.LSTM(3)))(x)
    x = keras.layers.MultiHeadAttention(2, 3)(x, x) + np.arange(6, dtype="float32")
    x = keras.layers.Dropout(0.5)(keras.layers.Activation(keras.activations.gelu)(keras.layers.Flatten()(x)))
    vae = gz.VAE(SHAPE, 2, encoder=keras.Model(inputs, dense(kernel_initializer="he_normal")(x)))
    vae.save_to_preset(tmp_path / "preset")
    copy = gz.VAE.from_preset(tmp_path / "preset")
    images = np.random.default_rng(0).uniform(size=(3, *SHAPE))
    np.testing.assert_allclose(copy.encode(images), vae.encode(images), atol=1e-2)


# ---- weights ----


def rewrite(folder, path, write):
    """Replaces one array of the weights, `write(group, name, values)`, and signs."""
    with h5py.File(folder / "model.weights.h5", "r+") as file:
        values = file[path][()]
        del file[path]
        write(file[path.rsplit("/", 1)[0]], path.rsplit("/", 1)[1], values)
    sign(folder)


def elsewhere(folder, values):
    """A file of the reader's own, as large as an array."""
    (folder.parent / "own.bin").write_bytes(values.tobytes())
    with h5py.File(folder.parent / "own.h5", "w") as file:
        file["own"] = values
    return str(folder.parent / "own.bin"), str(folder.parent / "own.h5")


def external_storage(folder, group, name, values):
    storage = [(elsewhere(folder, values)[0], 0, values.nbytes)]
    group.create_dataset(name, values.shape, values.dtype, external=storage)


def external_link(folder, group, name, values):
    group[name] = h5py.ExternalLink(elsewhere(folder, values)[1], "/own")


def soft_link(folder, group, name, values):
    group.file["own"] = values
    group[name] = h5py.SoftLink("/own")


def virtual(folder, group, name, values):
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[...] = h5py.VirtualSource(elsewhere(folder, values)[1], "own", values.shape)
    group.create_virtual_dataset(name, layout)


def compressed(folder, group, name, values):
    group.create_dataset(name, data=values, compression="gzip")


def never_written(folder, group, name, values):
    group.create_dataset(name, (2**40,), values.dtype)


def references(folder, group, name, values):
    group.create_dataset(name, data=[group.ref], dtype=h5py.ref_dtype)


def a_type(folder, group, name, values):
    group[name] = np.dtype("float32")


WRITERS = (external_storage, external_link, soft_link, virtual, compressed, never_written, references, a_type)


def array_paths(folder):
    paths = []
    with h5py.File(folder / "model.weights.h5") as file:
        file.visititems(lambda name, thing: paths.append(name) if isinstance(thing, h5py.Dataset) else None)
    return paths


@pytest.mark.parametrize("load_weights", [True, False])
@pytest.mark.parametrize("write", WRITERS)
def test_weights_are_plain_arrays_inside_their_file(saved, write, load_weights, monkeypatch):
    rewrite(saved, array_paths(saved)[0], functools.partial(write, saved))
    monkeypatch.setattr(gz.VAE, "load_weights", lambda *_: pytest.fail("Keras got the file"))
    with pytest.raises(ValueError, match=r"model\.weights\.h5.*may hold only plain arrays, all of them inside it"):
        gz.VAE.from_preset(saved, load_weights)


def test_a_group_may_not_be_a_link_either(saved):
    with h5py.File(saved / "model.weights.h5", "r+") as file:
        file.move("decoder", "moved")
        file["decoder"] = h5py.SoftLink("/moved")
    sign(saved)
    with pytest.raises(ValueError, match="'decoder' is a link"):
        gz.VAE.from_preset(saved)


def test_one_array_is_not_counted_as_many(saved):
    """The file of a small model, its arrays under a thousand names, passes for no larger one."""
    path = array_paths(saved)[0]
    with h5py.File(saved / "model.weights.h5", "r+") as file:
        for i in range(1000):
            file[f"more_{i}"] = file[path]
    sign(saved)
    with pytest.raises(ValueError, match="claim more bytes than it has"):
        gz.VAE.from_preset(saved)


@pytest.mark.parametrize("num_bytes", [0, 100, 5000, -1])
def test_truncated_weights(saved, num_bytes):
    path = saved / "model.weights.h5"
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(ValueError, match=r"model\.weights\.h5 .*is damaged.*Copy the preset again"):
        gz.VAE.from_preset(saved)
    sign(saved)
    with pytest.raises(ValueError, match=r"model\.weights\.h5.*is damaged"):
        gz.VAE.from_preset(saved)


def test_flipped_weights(saved):
    """A flipped bit is found by its checksum; with one that fits it, it is another weight or an error in one line."""
    path = saved / "model.weights.h5"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    num_refused = 0
    for place in [*range(0, 96, 4), *rng.integers(96, 4096, 60), *rng.integers(0, len(whole), 10)]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        with contextlib.suppress(ValueError):
            preset_guard.held_weights(path)
            continue
        num_refused += 1
    assert num_refused > 10
    with pytest.raises(ValueError, match=r"model\.weights\.h5 .*is damaged: its SHA-256 is not"):
        gz.VAE.from_preset(saved)
    edit_metadata(saved, lambda metadata: metadata["sha256"].pop("model.weights.h5"))
    with pytest.raises(ValueError, match=r"`sha256` in metadata\.json .*must give the SHA-256 of"):
        gz.VAE.from_preset(saved)


# ---- memory ----


BLOWN_UP = {
    "VAE": [
        {"image_shape": [2**20, 2**20, 1]},
        {"latent_dim": 2**20},
        {"prior": "mixture", "num_prior_components": 2**20},
        {"prior": "vamp", "num_prior_components": 2**12},
        {"num_classes": 2**20},
        {"encoder": with_layer(keras.layers.Dense(2**30))},
        {"encoder": with_layer(keras.layers.Embedding(2**30, 2**10))},
        {"encoder": with_layer(keras.layers.RepeatVector(2**40), keras.layers.Flatten())},
    ],
    "DCGAN": [{"image_shape": [2**20, 8, 1]}, {"num_filters": 2**20}, {"latent_dim": 2**30}],
    "PixelCNN": [
        {"image_shape": [2**20, 2**20, 1]},
        {"num_filters": 2**20},
        {"num_filters": 2**16},
        {"num_residual_blocks": 2**20},
        {"num_levels": 2**40},
        {"condition_dim": 2**30},
        {"num_classes": 2**64},
    ],
}


@pytest.fixture(scope="module", params=BLOWN_UP)
def of_class(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / request.param
    options = {"num_filters": 8} if request.param != "VAE" else {}
    getattr(gz, request.param)((8, 8, 1), **options).save_to_preset(folder)
    return folder, BLOWN_UP[request.param]


def test_a_config_describes_no_more_weights_than_the_file_holds(of_class):
    folder, changes = of_class
    config = (folder / "config.json").read_bytes()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for change in changes:
        edit_config(folder, lambda config, change=change: config["config"].update(change))
        for load_weights in (True, False):
            with pytest.raises(ValueError, match=r"config\.json of preset .*(weights|does not describe)"):
                gz.GenerativeModel.from_preset(folder, load_weights)
        (folder / "config.json").write_bytes(config)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * (1 if sys.platform == "darwin" else 1024) < 300e6
    sign(folder)
    gz.GenerativeModel.from_preset(folder)


def test_the_number_of_weights_is_exact(saved):
    """What a model has beside the file is a few sums of metrics: a layer of a thousand numbers more is refused."""
    held = preset_guard.held_weights(saved / "model.weights.h5")
    model = gz.VAE.from_preset(saved)
    assert held.num_values == model.count_params() + 2  # the state of its random generator
    assert held.num_arrays == len(model.weights) + 1
    with pytest.raises(ValueError, match="describes more than"), preset_guard.no_more_weights_than(held):
        gz.VAE(SHAPE, 2)
        keras.layers.Dense(1100, use_bias=False).build((None, 1))


def test_counting_weights_under_a_strategy(saved, two_devices):
    with two_devices.scope():
        gz.VAE.from_preset(saved)


# ---- metadata ----


@pytest.mark.parametrize(
    "digests", [["config.json"], "abc", None, 3, {}, {"config.json": "abc"}, {"/etc/passwd": "abc"}]
)
def test_a_list_of_checksums_that_is_none(saved, digests):
    edit_metadata(saved, lambda metadata: metadata.update(sha256=digests))
    with pytest.raises(ValueError, match=r"`sha256` in metadata\.json of preset .*must give the SHA-256 of"):
        gz.VAE.from_preset(saved)


def test_a_list_of_checksums_of_other_files(saved):
    edit_metadata(saved, lambda metadata: metadata["sha256"].update({"../../own": "abc"}))
    with pytest.raises(ValueError, match=r"`sha256` in metadata\.json .*of no other file; got .*\.\./\.\./own"):
        gz.VAE.from_preset(saved)


@pytest.mark.parametrize("key", ["class_name", "num_parameters", "sha256"])
def test_metadata_that_lack_something(saved, key):
    edit_metadata(saved, lambda metadata: metadata.pop(key))
    with pytest.raises(ValueError, match=rf"metadata\.json of preset .*lacks {key}.*save_to_preset"):
        gz.VAE.from_preset(saved)


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_json_without_an_end_to_its_depth(saved, name):
    (saved / name).write_text("[" * 100_000)
    if name == "config.json":
        sign(saved)
    with pytest.raises(ValueError, match=rf"{name} .*is damaged"):
        gz.VAE.from_preset(saved)

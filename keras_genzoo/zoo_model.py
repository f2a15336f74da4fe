"""What every model of the zoo keeps: the machinery below a model file, written once."""

import keras
import tensorflow as tf

import keras_genzoo
from keras_genzoo import batches, measurement, presets
from keras_genzoo.networks import Builder
from keras_genzoo.steps import Steps
from keras_genzoo.training_data import ChecksData

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"keras_genzoo runs on Keras's TensorFlow backend, but Keras uses {keras.backend.backend()!r}. "
        "Set KERAS_BACKEND=tensorflow before Keras is imported."
    )


class ZooModel(ChecksData, Steps, keras.Model):
    """Base class of all models: what trains and is saved.

    A model file says what the model is: its networks and its objective (`train_step`). This class does the rest, with
    any number of optimisers or none: it checks data (`ChecksData`), applies gradients under any precision and
    distribution and keeps metrics (`Steps`), and keeps configuration, compilation and random state in files.

    Args:
        **kwargs: `name`, `dtype` (a policy such as `"mixed_bfloat16"`) and `trainable`, as for any Keras model.
    """

    metric_names = ("loss",)  # what `train_step` and `test_step` report, each the mean over examples
    progress = ("loss", "min")  # the metric that says how good it is, and which way; None where none does
    optimizer_names = ("optimizer",)  # arguments of `compile`, and attributes; none for a model that needs none
    refused_arguments = ("loss", "loss_weights", "metrics", "weighted_metrics")  # of Keras's `compile`
    verbs = ()  # what it can do for its users, the names of its signatures and methods
    # True for an exact `log_prob`, False for a bound from draws, None for a model that has none or measures its own.
    log_prob_is_exact = None
    is_initialized = True  # whether `initialize` has nothing left to do

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()
        self._given_jit_compile = "auto"
        self._compiled_updates = {}
        self._built_networks = set()
        self._means = {name: keras.metrics.Mean(name=name) for name in self.metric_names}

    # ---- what a model may say beside its train step ----

    def default_optimizer(self, name):
        """The Keras optimiser that stands where the user gave none for the argument `name` of `compile`."""
        return keras.optimizers.Adam(1e-3)

    def initialize(self, dataset):
        """What must be found in the data before the first epoch, such as the centres of clusters; `fit` calls it once.

        A model that has such a thing to do says by `is_initialized` whether it is done, also in a copy from a file.

        Args:
            dataset: checked batches, which can be passed over more than once.
        """

    def begin_epoch(self):
        """What comes before the first batch of each epoch of `fit`."""

    def end_batch(self):
        """What comes after each batch of `fit` (after several, where `steps_per_execution` says so)."""

    def end_epoch(self):
        """What comes after the last batch of each epoch of `fit`, and before it is validated: an M step, a schedule."""

    def alarm(self, logs):
        """str: what the metrics of an epoch say that its user should know, such as that a game is lost, or ""."""
        return ""

    def unpack(self, data):
        """Splits a batch in what is modelled and what that is conditioned on, each checked and converted.

        Args:
            data: `images`, `(images, labels)` or `{"image": ..., "label": ...}` as TFDS gives it, or whatever else
                the model is of.

        Returns:
            two tensors (or a dict of them, where a condition has parts); None for a condition that it does not want.
        """
        sample, condition = batches.split_by(self.batch_domains, data)
        return self.check_batch(sample, condition)

    def check_batch(self, sample, condition=None):
        """Checks and converts what `unpack` splits; ValueError names what is wrong."""
        of_sample, *of_condition = self.batch_domains
        sample = of_sample(sample)
        if not of_condition:
            return sample, None
        return sample, checked_condition(of_condition[0], condition, sample.shape[0])

    # ---- measuring ----

    @property
    def objectives(self):
        """tuple of `Objective`: what its metrics say of a data set, where nothing else says it better."""
        return tuple(measurement.Objective(name, "", "mean over the data set", (name,)) for name in self.metric_names)

    def measurements(self, dataset, num_importance_samples=None):
        """What the model can be measured by on a data set, beside what is drawn from it.

        Args:
            dataset: `tf.data.Dataset` of batches as `fit` takes them.
            num_importance_samples: int, draws of a bound of the likelihood, where the model has one; None leaves it
                out.

        Returns:
            dict, name to `Measurement`.
        """
        return measurement.of_objectives(self, dataset)

    def pictures(self):
        """What people look at of the model itself, such as its filters: a dict, name to images `(n, h, w, c)`."""
        return {}

    # ---- configuration and saving ----

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(
            **{
                key: keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
                if isinstance(value, dict) and "class_name" in value
                else value
                for key, value in config.items()
            }
        )

    def network(self, name, given, *sizes):
        """The Keras model that the user gave, or the one that a `Builder` makes in the model's precision.

        Args:
            name: str, the attribute it will be.
            given: Keras model or `Builder`.
            *sizes: what the builder is called with.
        """
        if not isinstance(given, Builder):
            return given
        self._built_networks.add(name)
        return given.build(*sizes, dtype=self.dtype_policy)

    def network_config(self, name):
        """Configuration of a network the user gave; None for one of a `Builder`, which is made anew from its sizes."""
        if name in self._built_networks:
            return None
        network = getattr(self, name)
        try:
            return keras.saving.serialize_keras_object(network)
        except NotImplementedError as error:
            raise ValueError(
                f"`{name}` cannot be saved: give its class {type(network).__name__} a get_config that returns the "
                "arguments of its __init__, and decorate it with @keras.saving.register_keras_serializable(). "
                "Weights alone can be saved as they are: model.save_weights(path)."
            ) from error

    def save(self, filepath, *args, **kwargs):
        """`keras.Model.save`, which here touches no file before it is known that the model can be saved."""
        self.get_config()
        super().save(filepath, *args, **kwargs)

    def add_float32_weight(self, name, shape, initializer, **kwargs):
        """A weight of a distribution, float32 under any policy; in presets too where its `stays_float32` is True."""
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, dtype="float32", autocast=False, **kwargs
        )

    def build(self, input_shape=None):
        self.built = True  # every network is built in __init__, from the sizes that it is given

    def compile(self, optimizer=None, **kwargs):
        """Compiles like `keras.Model.compile`, and builds the optimiser at once; by default the model's own choice.

        With `jit_compile=False` nothing of the model is compiled by XLA, neither updates nor samplers; by default
        (`"auto"`) those parts are that gain by it.
        """
        for name in self.refused_arguments:
            if kwargs.get(name) is not None:
                raise ValueError(f"`{name}` is not an argument of {type(self).__name__}: its objective is its own.")
        if "optimizer" in self.optimizer_names:
            optimizer = optimizer or self.default_optimizer("optimizer")
        elif optimizer is not None:
            instead = (
                f"give {', '.join(f'`{name}`' for name in self.optimizer_names)}"
                if self.optimizer_names
                else (f"{type(self).__name__} descends on no gradient")
            )
            raise ValueError(f"`optimizer` is not an argument: {instead}.")
        super().compile(optimizer=optimizer, **kwargs)
        self._given_jit_compile = kwargs.get("jit_compile", "auto")
        self._compiled_updates = {}
        if optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    @property
    def allows_xla(self):
        """bool: whether XLA may compile what gains by it, updates and samplers; see `compile`."""
        return self._given_jit_compile is not False

    def get_compile_config(self):
        config = super().get_compile_config()
        if not config:
            return config
        if not self.optimizer_names:
            config.pop("optimizer")
        # Keras writes down what "auto" came to on this machine: on a CPU False, as if the user had said so.
        return {**config, "jit_compile": self._given_jit_compile}

    def prepare_optimizer(self, optimizer, variables):
        """An optimiser beside `self.optimizer`, ready for `minimize`: built, and scaling losses where it must.

        One that first sees its variables inside a train step breaks under `tf.distribute`, and cannot take back
        its moments when a run resumes. Keras scales the losses of `self.optimizer` alone.
        """
        optimizer = keras.optimizers.get(optimizer)
        if self.dtype_policy.name == "mixed_float16" and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(variables)
        return optimizer

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    def _random_states(self):
        """The state of every random generator in the model; Keras keeps these out of `weights` and of files."""
        kept = {id(v) for v in [*self.weights, *self.metrics_variables]}
        return [v for v in self.variables if id(v) not in kept]

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for i, state in enumerate(self._random_states()):
            store[f"random_state_{i}"] = keras.ops.convert_to_numpy(state)

    def load_own_variables(self, store):
        own = {key: store[key] for key in store.keys() if not key.startswith("random_state_")}  # noqa: SIM118
        super().load_own_variables(own)
        for i, state in enumerate(self._random_states()):
            if f"random_state_{i}" in store:
                state.assign(store[f"random_state_{i}"])

    @presets.classproperty
    def presets(cls):
        """dict: the built-in presets that this class loads, its subclasses' among them; name to metadata."""
        models = {name for name in keras_genzoo._MODELS if issubclass(getattr(keras_genzoo, name), cls)}
        models |= {cls.__name__}
        return {name: facts for name, facts in presets.list_presets().items() if facts["class_name"] in models}

    @classmethod
    def from_preset(cls, preset, load_weights=True, dtype=None):
        """Builds a model from a preset; the class comes from the preset.

        Args:
            preset: str, the name of a built-in preset (see `presets`), the path of a preset folder, or a handle,
                `hf://user/repo` of Hugging Face or `kaggle://user/model/framework/variation` of Kaggle, which takes
                `pip install 'keras-genzoo[hubs]'`. What a handle gives may change: `hf://user/repo@revision`, with a
                tag or the hash of a commit, and `kaggle://user/model/framework/variation/version` pin it.
            load_weights: bool, False for the architecture with fresh weights.
            dtype: policy to run in, such as `"mixed_bfloat16"`; by default Keras's global policy.

        Returns:
            The model, uncompiled.

        Raises:
            ValueError: for an unknown or damaged preset, one of another class, one that asks for classes other
                than Keras's and this package's, for other files, or for more weights than it holds; nothing in a
                preset is ever run.
        """
        return presets.load(preset, cls, load_weights=load_weights, dtype=dtype)

    def save_to_preset(self, path):
        """Writes a preset folder (config.json, model.weights.h5, metadata.json), atomically.

        Weights are rounded to half precision where that is harmless, which halves the file: those of the model loaded
        differ by less than a 2,000th, of each that is not tiny. To keep every bit, use `save` or `save_weights`.

        Optimiser state stays behind. An older preset at `path` is replaced; any other non-empty folder is
        refused with `FileExistsError`.
        """
        presets.save(self, path)


def checked_condition(domain, values, num_expected=None, name=None):
    """Conditions checked and converted by their domain, as many as there are examples where that is known."""
    values = domain(values, name)
    if tf.executing_eagerly():
        batches.check_number(values, num_expected, name or domain.name, domain.noun)
    return values

"""The contract every model of the zoo keeps: the machinery below a model file, written once."""

import functools
import math

import keras
import tensorflow as tf

import keras_genzoo
from keras_genzoo import distributions, inputs, presets, serving
from keras_genzoo import images as image_convention
from keras_genzoo.graph_method import graph_method
from keras_genzoo.measurement import Objective
from keras_genzoo.serving import conversion
from keras_genzoo.training_data import ChecksData

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"keras_genzoo runs on Keras's TensorFlow backend, but Keras uses {keras.backend.backend()!r}. "
        "Set KERAS_BACKEND=tensorflow before Keras is imported."
    )

# Weights from which XLA compiles an optimiser's update. They and their moments no longer fit in a CPU's cache, so that
# one fused pass instead of Keras's dozen saves 6 to 12% of a step; below, compiling costs more than it ever saves.
_COMPILED_FROM = 2**20


class GenerativeModel(ChecksData, keras.Model):
    """Base class of all models.

    A model file says what the model is: its networks, its objective (`train_step`), and how noise becomes
    images (`draw_noise`, `generate`). This class does the rest: it unpacks and checks data, applies gradients
    under any precision and distribution, keeps metrics and random state, samples, saves and exports.

    Args:
        image_shape: tuple `(height, width, channels)` of the images modelled.
        num_classes: int or None. With a number, the model is conditional and wants labels 0..num_classes-1.
        **kwargs: `name`, `dtype` (a policy such as `"mixed_bfloat16"`) and `trainable`, as for any Keras model.
    """

    metric_names = ("loss",)  # what `train_step` and `test_step` report, each the mean over examples
    condition_dim = None  # a model that has it takes vectors of so many numbers as its labels
    num_levels = None  # of a pixel, for a model of discrete images: their bits per dimension compare
    log_prob_is_exact = None  # True for an exact `log_prob`, False for a bound from draws, None for a model without
    samples_are_means = False  # whether samples are the means of pixels, grey where the images trained on were bits

    def __init__(self, image_shape, num_classes=None, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = inputs.positive_integers("image_shape", image_shape, 3)
        self.num_classes = num_classes
        if num_classes is not None:
            (self.num_classes,) = inputs.positive_integers("num_classes", [num_classes], 1)
        self.seed_generator = keras.random.SeedGenerator()
        self._given_jit_compile = "auto"
        self._compiled_updates = {}
        self._default_networks = set()
        self._means = {name: keras.metrics.Mean(name=name) for name in self.metric_names}

    # ---- configuration and saving ----

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "image_shape": list(self.image_shape),
            "num_classes": self.num_classes,
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

    def default_network(self, name, build, *sizes):
        """The network that stands where the user gave none, in the model's precision.

        Args:
            name: str, the attribute it will be.
            build: function of `(*sizes, dtype=...)` that makes it.
        """
        self._default_networks.add(name)
        return build(*sizes, dtype=self.dtype_policy)

    def network_config(self, name):
        """Configuration of a network the user gave; None for a default one, which is made anew from its sizes."""
        if name in self._default_networks:
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
        """A weight of a distribution, float32 under any policy."""
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, dtype="float32", autocast=False, **kwargs
        )

    def build(self, input_shape=None):
        self.built = True  # every network is built in __init__, from image_shape alone

    def compile(self, optimizer=None, **kwargs):
        """Compiles like `keras.Model.compile`, and builds the optimiser at once.

        With `jit_compile=False` nothing of the model is compiled by XLA, neither updates nor samplers; by default
        (`"auto"`) those parts are that gain by it.
        """
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(f"`{name}` is not an argument of {type(self).__name__}: its objective is its own.")
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
        # Keras writes down what "auto" came to on this machine: on a CPU False, as if the user had said so.
        return {**config, "jit_compile": self._given_jit_compile} if config else config

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

        Optimiser state stays behind. An older preset at `path` is replaced; any other non-empty folder is
        refused with `FileExistsError`.
        """
        presets.save(self, path)

    @property
    def measurements(self):
        """tuple of `Objective`: what its metrics say of a data set; empty where `log_prob` says it all."""
        return tuple(Objective(name, "", "mean over the data set", (name,)) for name in self.metric_names)

    # ---- data ----

    def unpack(self, data):
        """Splits a batch `images`, `(images, labels)` or `{"image": ..., "label": ...}` as TFDS gives it.

        Returns:
            images: float32 `(n, h, w, c)` in [0, 1].
            labels: int32 `(n,)`, or None for a model without classes.
        """
        return self.check_images(*inputs.split_batch(data))

    def check_images(self, images, labels=None):
        """Checks what enters a verb; ValueError names what is wrong. Returns what `unpack` does."""
        images = image_convention.check(images, self.image_shape)
        return images, self.check_labels(labels, images.shape[0])

    @property
    def is_conditional(self):
        """bool: whether the model wants labels."""
        return self.num_classes is not None or self.condition_dim is not None

    def check_labels(self, labels, num_expected=None, name="labels", check_values=None):
        """int32 labels `(n,)`, or None for a model without; ValueError where they are wrong. See `inputs`."""
        check = self._label_check()
        if check is None:
            return None
        return tf.convert_to_tensor(check(labels, num_expected=num_expected, name=name, check_values=check_values))

    def _label_check(self):
        """The function of `inputs` that checks this model's labels; None for a model without."""
        if self.condition_dim is not None:
            return functools.partial(inputs.check_vectors, condition_dim=self.condition_dim)
        if self.num_classes is not None:
            return functools.partial(inputs.check_labels, num_classes=self.num_classes)
        return None

    def batch_check(self):
        check_images = functools.partial(image_convention.check_batch, image_shape=self.image_shape)
        return functools.partial(inputs.check_batch, check_first=check_images, check_labels=self._label_check())

    def predict_step(self, data):
        return self.call(*inputs.split_batch(data))

    # ---- a train step's machinery ----

    def minimize(self, loss, tape, optimizer, variables):
        """One update of `variables` along the gradient of the mean loss over the global batch.

        The mean is taken over the examples of all replicas (also where the last batch splits unevenly), the
        loss scaled where the optimiser asks for it (mixed_float16); clipping is the optimiser's own.

        Args:
            loss: tensor `(n,)`, one value an example, recorded on `tape`.
            tape: `tf.GradientTape`.
            optimizer: Keras optimiser, built on `variables`.
            variables: list of variables.
        """
        num_examples = self.sum_over_replicas(tf.cast(tf.shape(loss)[0], loss.dtype))
        weights = optimizer.scale_loss(tf.ones_like(loss) / num_examples)
        gradients = tape.gradient(loss, variables, output_gradients=weights)

        self._update_of(optimizer, variables)(gradients)

    def _update_of(self, optimizer, variables):
        """The function of gradients that updates variables, the same one whenever it is asked for."""
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        num_weights = sum(math.prod(variable.shape) for variable in variables)
        if tf.executing_eagerly() or replicas > 1 or not self.allows_xla or num_weights < _COMPILED_FROM:
            return lambda gradients: optimizer.apply(gradients, variables)
        key = str(id(optimizer))  # of optimisers that live as long as this entry, which holds on to them
        if key not in self._compiled_updates:
            self._compiled_updates[key] = tf.function(
                lambda gradients: optimizer.apply(gradients, variables), jit_compile=True, autograph=False
            )
        return self._compiled_updates[key]

    def sum_over_replicas(self, tensor):
        """The sum of a tensor over all replicas, the same on each of them."""
        replicas = tf.distribute.get_replica_context()
        if replicas.num_replicas_in_sync == 1:
            return tensor
        return replicas.all_reduce(tf.distribute.ReduceOp.SUM, tensor)

    def track(self, **terms):
        """Adds each term, `(n,)` values or a scalar, to its epoch mean; returns the means so far."""
        for name, value in terms.items():
            self._means[name].update_state(value)
        results = {name: mean.result() for name, mean in self._means.items()}
        if isinstance(self.distribute_strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return {name: result[None] for name, result in results.items()}  # Keras reduces along an axis there
        return results

    def next_seed(self):
        """A fresh stateless seed, int32 `(2,)`; the state moves on and is saved with the model."""
        return tf.cast(self.seed_generator.next(), tf.int32)

    def draw(self, sampler, num_examples):
        """Random rows for the examples of this replica, the same rows that one device would have drawn.

        Args:
            sampler: function `(num_rows, seed) -> (num_rows, ...)`.
            num_examples: int tensor, rows wanted.
        """
        replicas = tf.distribute.get_replica_context()
        rows = sampler(num_examples * replicas.num_replicas_in_sync, self.next_seed())
        if replicas.num_replicas_in_sync == 1:
            return rows
        first = replicas.replica_id_in_sync_group * num_examples
        return rows[first : first + num_examples]

    # ---- sampling and serving ----

    def draw_noise(self, num_samples, seed):
        """All the randomness of `num_samples` samples, with leading axis `num_samples`; runs inside a graph.

        It is kept apart from `generate` since XLA draws other numbers from a seed than TensorFlow does: a model
        may compile `generate` with XLA, and the same seed still gives the same images everywhere.
        """
        raise NotImplementedError

    def generate(self, noise, labels=None):
        """Turns noise `(n, ...)` (and labels `(n,)`) into float32 images `(n, h, w, c)`; runs inside a graph."""
        raise NotImplementedError

    @graph_method(reduce_retracing=True)
    def _draw_noise(self, num_samples, seed):
        return self.draw_noise(num_samples, seed)

    @graph_method(reduce_retracing=True)
    def _generate(self, noise, labels):
        return self.generate(noise, labels)

    def sample(self, num_samples, labels=None, seed=None, batch_size=None):
        """Draws images from the model.

        Args:
            num_samples: int, at least 1.
            labels: ints `(num_samples,)`, for a conditional model only; by default each is drawn from all classes
                alike.
            seed: int32. The same seed gives the same images, here, in another process and in the exported
                model. By default every call differs.
            batch_size: int, images computed at a time; it bounds memory and changes nothing else. By default
                all at once.

        Returns:
            float32 tensor `(num_samples, h, w, c)` in [0, 1].

        Raises:
            ValueError: for a non-positive number, a seed beyond int32, or labels superfluous or wrong.
        """
        noise, labels = self._noise_and_labels(num_samples, labels, seed)
        return self._in_batches(self._generate, batch_size, noise, labels)

    def _noise_and_labels(self, num_samples, labels, seed):
        """The noise and the labels of samples, from the arguments of `sample`."""
        (num_samples,) = inputs.positive_integers("num_samples", [num_samples], 1)
        if labels is not None and not self.is_conditional:
            raise ValueError(f"`labels` given, but this {type(self).__name__} was built without num_classes.")
        seed = self.next_seed() if seed is None else inputs.stateless_seed(seed)
        if labels is None and self.num_classes is not None:
            seed_of_labels = tf.random.experimental.stateless_fold_in(seed, 1)
            labels = tf.random.stateless_uniform([num_samples], seed_of_labels, 0, self.num_classes, tf.int32)
        labels = self.check_labels(labels, num_samples)
        return self._draw_noise(tf.constant(num_samples), seed), labels

    def _in_batches(self, function, batch_size, *tensors):
        """`function(*tensors)`, computed `batch_size` rows at a time; a tensor may be None."""
        num_rows = len(tensors[0])
        (batch_size,) = inputs.positive_integers("batch_size", [num_rows if batch_size is None else batch_size], 1)
        batches = [
            function(*(None if tensor is None else tensor[i : i + batch_size] for tensor in tensors))
            for i in range(0, num_rows, batch_size)
        ]
        return batches[0] if len(batches) == 1 else tf.concat(batches, axis=0)

    def serving_signatures(self):
        """What `export` writes: name -> `serving.Signature`. Models add their own verbs to this one."""

        def sample(num_samples, seed, labels=None):
            noise = self.draw_noise(num_samples, tf.stack([seed, 0]))
            return {"images": self.generate(noise, labels)}

        numbers = {"num_samples": serving.count("num_samples"), "seed": serving.seed()}
        return {"sample": serving.Signature(sample, {**numbers, **self.label_input()})}

    def label_input(self):
        """The `labels` input of a signature: empty where the model has none."""
        if self.condition_dim is not None:
            return {"labels": serving.vectors(self.condition_dim)}
        return {"labels": serving.labels(self.num_classes)} if self.num_classes else {}

    def export(self, filepath, format="tf_saved_model", *, version=None, jit_compile=False, batch_size=1):
        """Writes `filepath/<version>/`, a SavedModel whose signatures are the model's verbs.

        It runs in TensorFlow Serving or after `tf.saved_model.load`, with neither Keras nor this package. `sample` is
        also `serving_default`. Inputs and outputs are float32, int32 or bool under any precision, images are float32
        in [0, 1], and a request may ask for, or bring, up to 1024 of them. The same seed gives the images that
        `model.sample` gives.

        Other runtimes get one file with the verb `decode` of the models that have it, a decoder or generator.

        Args:
            filepath: folder of all versions of this model; for another format the file to write.
            format: `"tf_saved_model"`, `"onnx"` or `"litert"`, as in Keras.
            version: int, by default the next free number; for a SavedModel only.
            jit_compile: bool, whether the samplers of autoregressive models are marked for XLA, which draws 16 images
                about twice as fast, once it has compiled for seconds. Such a SavedModel needs XLA: TensorFlow Serving
                must be started with `--xla_cpu_compilation_enabled=true`, and else does not load it.
            batch_size: int, rows of latents that a LiteRT file takes at a time, a fixed number since LiteRT.js takes
                no other; None leaves it free. In the other formats it is always free.

        Returns:
            The path of the new version's folder, or of the file.

        Raises:
            FileExistsError: if that version, or the file, exists already.
            ValueError: if the model has nothing that converts to the format, or for an option of another format.
        """
        if isinstance(format, int):
            raise ValueError(
                f"`format` must be a string; got {format!r}. A version goes by its name: version={format!r}."
            )
        distributions.check_choice("format", format, ("tf_saved_model", *conversion.FORMATS))
        if format != "litert" and batch_size != 1:
            raise ValueError(f"`batch_size` is for LiteRT files; leave it out with format={format!r}.")
        if format == "tf_saved_model":
            return serving.export(self, filepath, version, jit_compile)
        for name, given in (("version", version), ("jit_compile", jit_compile)):
            if given:
                raise ValueError(f"`{name}` is for SavedModels; leave it out with format={format!r}.")
        return conversion.convert(self, filepath, format, batch_size)

"""The contract every model of the zoo keeps: the machinery below a model file, written once."""

import operator

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import images as image_convention
from keras_genzoo import presets, serving

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"keras_genzoo runs on Keras's TensorFlow backend, but Keras uses {keras.backend.backend()!r}. "
        "Set KERAS_BACKEND=tensorflow before Keras is imported."
    )


class GenerativeModel(keras.Model):
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

    def __init__(self, image_shape, num_classes=None, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = positive_integers("image_shape", image_shape, 3)
        self.num_classes = num_classes and positive_integers("num_classes", [num_classes], 1)[0]
        self.seed_generator = keras.random.SeedGenerator()
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

    def build(self, input_shape=None):
        self.built = True  # every network is built in __init__, from image_shape alone

    def compile(self, optimizer, **kwargs):
        """Compiles like `keras.Model.compile`, and builds the optimiser at once.

        An optimiser that first sees its variables inside a train step breaks under `tf.distribute`, and cannot
        take back its moments when a run resumes.
        """
        super().compile(optimizer=optimizer, **kwargs)
        self.optimizer.build(self.trainable_variables)

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
        """dict: the built-in presets of this class, name to metadata."""
        return presets.list_presets(cls.__name__ if cls is not GenerativeModel else None)

    @classmethod
    def from_preset(cls, preset, load_weights=True, dtype=None):
        """Builds a model from a preset; the class comes from the preset.

        Args:
            preset: str, the name of a built-in preset (see `presets`) or the path of a preset folder.
            load_weights: bool, False for the architecture with fresh weights.
            dtype: policy to run in, such as `"mixed_bfloat16"`; by default Keras's global policy.

        Returns:
            The model, uncompiled.

        Raises:
            ValueError: for an unknown or damaged preset, one of another class, or one that asks for classes
                other than Keras's and this package's; nothing in a preset is ever run.
        """
        return presets.load(preset, cls, load_weights=load_weights, dtype=dtype)

    def save_to_preset(self, path):
        """Writes a preset folder (config.json, model.weights.h5, metadata.json), atomically.

        Optimiser state stays behind. An older preset at `path` is replaced; any other non-empty folder is
        refused with `FileExistsError`.
        """
        presets.save(self, path)

    # ---- data ----

    def unpack(self, data):
        """Splits a batch `images`, `(images, labels)` or `{"image": ..., "label": ...}` as TFDS gives it.

        Returns:
            images: float32 `(n, h, w, c)` in [0, 1].
            labels: int32 `(n,)`, or None for a model without classes.
        """
        return self.check_images(*self._split(data))

    def check_images(self, images, labels=None):
        """Checks what enters a verb; ValueError names what is wrong. Returns what `unpack` does."""
        images = image_convention.check(images, self.image_shape)
        return images, self.check_labels(labels, images.shape[0])

    def _split(self, data):
        if isinstance(data, dict):
            if "image" not in data:
                raise ValueError(
                    "a batch given as a dict must have the key 'image' (and 'label' for a conditional model); "
                    f"got the keys {sorted(data)}. Use dataset.map to rename them."
                )
            return data["image"], data.get("label")
        if isinstance(data, (tuple, list)):
            if len(data) > 2 and data[2] is not None:
                raise ValueError(
                    "a batch must be images, (images, labels) or {'image', 'label'}; got a third element. "
                    "Sample weights are not supported: drop them with dataset.map."
                )
            return data[0], data[1] if len(data) > 1 else None
        return data, None

    def check_labels(self, labels, num_expected=None, name="labels"):
        """Returns int32 labels `(n,)`, or None where the model has no classes; ValueError where they are wrong."""
        if self.num_classes is None:
            return None
        if labels is None:
            raise ValueError(
                f"`{name}` are missing: this {type(self).__name__} has num_classes={self.num_classes}. Give a "
                "batch (images, labels), or pass labels= with one integer an example."
            )
        labels = tf.convert_to_tensor(list(labels) if isinstance(labels, range) else labels)
        if not labels.dtype.is_integer or labels.shape.rank not in (1, None):
            raise ValueError(
                f"`{name}` must be integers of shape (n,); got dtype {labels.dtype.name}, shape {labels.shape}. "
                "One-hot labels become integers with tf.argmax(labels, axis=-1)."
            )
        if num_expected is not None and tf.executing_eagerly() and len(labels) != num_expected:
            raise ValueError(f"`{name}` must hold one label an example: expected {num_expected}, got {len(labels)}.")
        if tf.executing_eagerly():
            with image_convention.clear_errors():
                labels = self._check_label_values(labels, name)
        return tf.cast(labels, tf.int32)

    def _check_label_values(self, labels, name="labels"):
        return image_convention.require(
            tf.reduce_all((labels >= 0) & (labels < self.num_classes)),
            labels,
            f"`{name}` must lie in 0..{self.num_classes - 1} (num_classes={self.num_classes}); this batch holds",
            tf.reduce_min(labels),
            "to",
            tf.reduce_max(labels),
        )

    def _check_data(self, x, y=None, name="x"):
        """Checks what `fit` and its like are given before any work is done, and each batch as it comes."""

        @tf.autograph.experimental.do_not_convert
        def check_batch(*data):
            data = data[0] if len(data) == 1 else data
            images, labels = self._split(data)
            image_convention.check_spec(images.shape, images.dtype, self.image_shape)
            images = image_convention.check_values(images)
            if self.num_classes is None:
                return images
            self.check_labels(labels)  # raises while the pipeline is built
            return images, self._check_label_values(labels)

        if isinstance(x, tf.data.Dataset):
            if x.cardinality() == 0:
                raise ValueError(f"`{name}` is an empty data set: it has no batch to work on.")
            return x.map(check_batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE), None
        if isinstance(x, (np.ndarray, tf.Tensor)):
            if not len(x):
                raise ValueError(f"`{name}` is empty: it has no image to work on.")
            image_convention.check(x, self.image_shape, name)
            self.check_labels(y, len(x), "y")
        return x, y

    def fit(self, x=None, y=None, *args, validation_data=None, **kwargs):
        """`keras.Model.fit` on a `tf.data` set or arrays of images; see the class for what a batch may be."""
        x, y = self._check_data(x, y)
        if isinstance(x, tf.data.Dataset):
            kwargs.setdefault("shuffle", False)  # Keras warns that it cannot shuffle one, asked or not
        if isinstance(validation_data, tf.data.Dataset):
            validation_data = self._check_data(validation_data, name="validation_data")[0]
        elif validation_data is not None:
            validation_data = self._check_data(*validation_data, name="validation_data")
        with image_convention.clear_errors():
            kwargs["callbacks"] = _with_refusal_of_empty_data(kwargs.get("callbacks"))
            return super().fit(x, y, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """`keras.Model.evaluate`, with the data `fit` takes."""
        if not kwargs.get("_use_cached_eval_dataset"):  # else it comes from `fit`, which has checked it
            x, y = self._check_data(x, y)
            kwargs["callbacks"] = _with_refusal_of_empty_data(kwargs.get("callbacks"))
        with image_convention.clear_errors():
            return super().evaluate(x, y, *args, **kwargs)

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
        optimizer.apply_gradients(zip(gradients, variables, strict=True))

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
        """All the randomness of `num_samples` samples, with leading axis `num_samples`; runs inside a graph."""
        raise NotImplementedError

    def generate(self, noise, labels=None):
        """Turns noise `(n, ...)` (and labels `(n,)`) into float32 images `(n, h, w, c)`; runs inside a graph."""
        raise NotImplementedError

    @tf.function(reduce_retracing=True)
    def _draw_noise(self, num_samples, seed):
        return self.draw_noise(num_samples, seed)

    @tf.function(reduce_retracing=True)
    def _generate(self, noise, labels):
        return self.generate(noise, labels)

    def sample(self, num_samples, labels=None, seed=None, batch_size=None):
        """Draws images from the model.

        Args:
            num_samples: int, at least 1.
            labels: ints `(num_samples,)`, for a conditional model only.
            seed: int32. The same seed gives the same images, here, in another process and in the exported
                model. By default every call differs.
            batch_size: int, images computed at a time; it bounds memory and changes nothing else. By default
                all at once.

        Returns:
            float32 tensor `(num_samples, h, w, c)` in [0, 1].

        Raises:
            ValueError: for a non-positive number, a seed beyond int32, or labels missing, superfluous or wrong.
        """
        (num_samples,) = positive_integers("num_samples", [num_samples], 1)
        (batch_size,) = positive_integers("batch_size", [batch_size or num_samples], 1)
        if labels is not None and self.num_classes is None:
            raise ValueError(f"`labels` given, but this {type(self).__name__} was built without num_classes.")
        labels = self.check_labels(labels, num_samples)
        noise = self._draw_noise(tf.constant(num_samples), self.next_seed() if seed is None else stateless_seed(seed))
        batches = [
            self._generate(noise[i : i + batch_size], None if labels is None else labels[i : i + batch_size])
            for i in range(0, num_samples, batch_size)
        ]
        return batches[0] if len(batches) == 1 else tf.concat(batches, axis=0)

    def serving_signatures(self):
        """What `export` writes: name -> `serving.Signature`. Models add their own verbs to this one."""

        def sample(num_samples, seed, labels=None):
            noise = self.draw_noise(num_samples, tf.stack([seed, 0]))
            return {"images": self.generate(noise, labels)}

        inputs = {"num_samples": tf.TensorSpec([], tf.int32), "seed": tf.TensorSpec([], tf.int32)}
        return {"sample": serving.Signature(sample, {**inputs, **self.label_input()})}

    def label_input(self):
        """The `labels` input of a signature: empty where the model has no classes."""
        return {"labels": tf.TensorSpec([None], tf.int32)} if self.num_classes else {}

    def export(self, path, version=None):
        """Writes `path/<version>/`, a SavedModel whose signatures are the model's verbs.

        It runs in TensorFlow Serving or after `tf.saved_model.load`, with neither Keras nor this package.

        Args:
            path: folder of all versions of this model.
            version: int, by default the next free number.

        Returns:
            The path of the new version's folder.

        Raises:
            FileExistsError: if that version exists already.
        """
        return serving.export(self, path, version)


class _RefuseEmptyData(keras.callbacks.Callback):
    """Raises where a data set whose length is not known beforehand turns out to hold no batch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.num_train_batches = 0

    def on_test_begin(self, logs=None):
        self.num_test_batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.num_train_batches += 1

    def on_test_batch_end(self, batch, logs=None):
        self.num_test_batches += 1

    def on_epoch_end(self, epoch, logs=None):
        self._check(self.num_train_batches, "x")

    def on_test_end(self, logs=None):
        self._check(self.num_test_batches, "the evaluation data")

    def _check(self, num_batches, name):
        if not num_batches:
            raise ValueError(f"{name} is an empty data set: it gave no batch to work on.")


def _with_refusal_of_empty_data(callbacks):
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    if isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [callbacks]
    return [_RefuseEmptyData(), *(callbacks or [])]


def stateless_seed(seed):
    """An integer seed as a stateless TFP seed, int32 `(2,)`."""
    try:
        seed = operator.index(seed)
    except TypeError:
        raise ValueError(f"`seed` must be an integer or None; got {seed!r}.") from None
    if not -(2**31) <= seed < 2**31:
        raise ValueError(f"`seed` must fit in 32 bits, as in the exported model; got {seed}.")
    return tf.constant([seed, 0], tf.int32)


def positive_integers(name, values, length):
    """The values as a tuple of `length` ints; ValueError naming the argument unless all are positive."""
    try:
        result = tuple(operator.index(value) for value in values)
    except TypeError:
        result = ()
    if len(result) != length or any(value < 1 for value in result):
        wanted = "(height, width, channels)" if length > 1 else "a positive integer"
        raise ValueError(f"`{name}` must be {wanted}; got {values[0] if length == 1 else values!r}.")
    return result

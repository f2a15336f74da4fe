"""Models of p(sample | condition): noise is drawn, then turned into a sample."""

import tensorflow as tf

from keras_genzoo import batches, checks, distributions, domains, likelihood, serving
from keras_genzoo.graph_method import graph_method
from keras_genzoo.zoo_model import ZooModel, checked_condition


class GenerativeModel(ZooModel):
    """Base class of the models that draw.

    What the sample and the condition are, domains say. A model file gives its objective, how noise becomes a sample
    (`draw_noise`, `generate`), and its verbs as signatures; here they are checked, batched, measured and exported.

    Args:
        sample_domain: `Domain` of what is drawn.
        condition_domain: `Domain` of what it is drawn from, or None.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    is_deterministic = False  # whether a condition has one sample, whatever the seed
    samples_are_means = False  # whether samples are the means of pixels, grey where the images trained on were bits

    def __init__(self, sample_domain, condition_domain=None, **kwargs):
        super().__init__(**kwargs)
        self.sample_domain = sample_domain
        self.condition_domain = condition_domain

    @classmethod
    def arguments_from(cls, dataset):
        """The arguments that a data set says, of a model that is to be trained on it: a dict of keyword arguments.

        Args:
            dataset: `tf.data.Dataset` of batches as `fit` takes them.
        """
        raise NotImplementedError

    @property
    def batch_domains(self):
        return (self.sample_domain,) if self.condition_domain is None else (self.sample_domain, self.condition_domain)

    @property
    def is_conditional(self):
        """bool: whether the model wants a condition, such as labels."""
        return self.condition_domain is not None

    @property
    def num_classes(self):
        """int or None: classes, of a model that is conditioned on labels."""
        return self.condition_domain.num_classes if isinstance(self.condition_domain, domains.Labels) else None

    @property
    def num_levels(self):
        """int or None: levels of a value, of a model of discrete ones, whose bits per dimension compare."""
        return self.sample_domain.num_levels if isinstance(self.sample_domain, domains.LevelImages) else None

    def check_condition(self, values, num_expected=None, name=None):
        """Conditions, checked and converted by their domain; None for a model without.

        Args:
            values: labels `(n,)`, vectors, images, whatever the model is conditioned on.
            num_expected: int, n where it is known.
            name: str, the argument's name for messages; by default the domain's.
        """
        if self.condition_domain is None:
            return None
        return checked_condition(self.condition_domain, values, num_expected, name)

    def predict_step(self, data):
        if isinstance(data, tuple) and isinstance(data[0], dict):  # as `predict_on_batch` gives what `predict` unpacks
            (data,) = data
        return self.call(*batches.split(data))

    # ---- drawing ----

    def draw_noise(self, num_samples, seed):
        """What starts `num_samples` samples, a tensor with leading axis `num_samples`; runs inside a graph.

        It is kept apart from `generate` since XLA draws other numbers from a seed than TensorFlow does, by any
        algorithm: a model may compile `generate` with XLA, and the same seed still gives the same samples everywhere. A
        model that must draw more on the way is not compiled by XLA; it makes a row of two integers a part of its noise
        and draws from it, row by row, so that `batch_size` changes nothing.

        Args:
            num_samples: int tensor.
            seed: int32 `(2,)`.
        """
        raise NotImplementedError

    def draw_labels(self, num_samples, seed):
        """The labels of samples of which none were asked for, int32 `(num_samples,)`: of every class as likely.

        Args:
            num_samples: int.
            seed: int32 `(2,)`.
        """
        return tf.random.stateless_uniform([num_samples], seed, 0, self.num_classes, tf.int32)

    def generate(self, noise, condition=None):
        """Turns noise `(n, ...)`, and what it is conditioned on, into float32 samples; runs inside a graph."""
        raise NotImplementedError

    @graph_method(reduce_retracing=True)
    def _noise(self, num_samples, seed):
        return self.draw_noise(num_samples, seed)

    @graph_method(reduce_retracing=True)
    def _samples(self, noise, condition):
        return self.generate(noise, condition)

    def sample(self, num_samples, labels=None, seed=None, batch_size=None):
        """Draws samples from the model.

        Args:
            num_samples: int, at least 1.
            labels: ints `(num_samples,)`, or whatever else the model is conditioned on; for a conditional model only.
                By default each class comes with the same probability.
            seed: int32. The same seed gives the same samples, here, in another process and in the exported model. By
                default every call differs.
            batch_size: int, samples computed at a time; it bounds memory and changes nothing else. By default all at
                once.

        Returns:
            float32 tensor `(num_samples, ...)`; images lie in [0, 1].

        Raises:
            ValueError: for a non-positive number, a seed beyond int32, or labels superfluous or wrong.
        """
        noise, labels = self.noise_and_condition(num_samples, labels, seed)
        return self.in_batches(self._samples, batch_size, noise, labels)

    def noise(self, num_samples, seed=None):
        """`draw_noise` as a verb calls it: as a graph, from an integer seed, or from the model's own state."""
        return self._noise(tf.constant(num_samples), self.seed_of(seed))

    def noise_and_condition(self, num_samples, condition, seed):
        """The noise and the conditions of samples, from the arguments of `sample`."""
        (num_samples,) = checks.positive_integers("num_samples", [num_samples], 1)
        if condition is not None and not self.is_conditional:
            raise ValueError(f"`labels` given, but this {type(self).__name__} was built without num_classes.")
        seed = self.seed_of(seed)
        if condition is None and self.num_classes is not None:
            seed_of_labels = tf.random.experimental.stateless_fold_in(seed, 1)
            condition = self.draw_labels(num_samples, seed_of_labels)
        return self._noise(tf.constant(num_samples), seed), self.check_condition(condition, num_samples)

    def in_batches(self, function, batch_size, *tensors):
        """`function(*tensors)`, computed `batch_size` rows at a time.

        Args:
            function: of as many tensors; gives a tensor with a row for each of theirs.
            batch_size: int, or None for all at once.
            *tensors: of equally many rows; one may be None, or a dict of such.
        """
        num_rows = len(tensors[0])
        (batch_size,) = checks.positive_integers("batch_size", [num_rows if batch_size is None else batch_size], 1)

        def rows(first):
            return tf.nest.map_structure(lambda x: None if x is None else x[first : first + batch_size], tensors)

        parts = [function(*rows(first)) for first in range(0, num_rows, batch_size)]
        return parts[0] if len(parts) == 1 else tf.concat(parts, axis=0)

    # ---- verbs ----

    def signatures(self):
        """The verbs of the model: name -> `serving.Signature`. Models add their own to this one.

        A verb is a method of that name, too. The first one is what a server calls by default.
        """

        def sample(num_samples, seed, **condition):
            noise = self.draw_noise(num_samples, tf.stack([seed, 0]))
            return {self.sample_domain.name: self.generate(noise, self.condition_of(condition))}

        numbers = {"num_samples": domains.count("num_samples", serving.MAX_ROWS), "seed": domains.seed()}
        return {"sample": serving.Signature(sample, {**numbers, **self.condition_input()}, self.sample_output())}

    @property
    def verbs(self):
        """tuple of str: what the model can do for its users, the names of its signatures and methods."""
        return tuple(self.signatures())

    def sample_input(self):
        """The input of a signature that is one of the model's own samples."""
        return {self.sample_domain.name: self.sample_domain}

    def sample_output(self):
        """The output of a signature that is a sample."""
        return {self.sample_domain.name: self.sample_domain}

    def condition_input(self):
        """The inputs of a signature that are the condition or its parts: empty where the model has none."""
        domain = self.condition_domain
        return {} if domain is None else domain.parts or {domain.name: domain}

    def condition_of(self, inputs):
        """The condition in a dict of what `condition_input` asks for; None for a model without."""
        domain = self.condition_domain
        return None if domain is None else inputs if domain.parts else inputs[domain.name]

    # ---- measuring ----

    def measurements(self, dataset, num_importance_samples=None):
        return super().measurements(dataset) | likelihood.measurements(self, dataset, num_importance_samples)

    # ---- saving and serving ----

    def export(self, filepath, format="tf_saved_model", *, version=None, jit_compile=False, batch_size=1):
        """Writes `filepath/<version>/`, a SavedModel whose signatures are the model's verbs.

        It runs in TensorFlow Serving or after `tf.saved_model.load`, with neither Keras nor this package. The first
        verb, such as `sample`, is also `serving_default`. Inputs and outputs are float32, int32 or bool under any
        precision, images are float32 in [0, 1], and a request may ask for, or bring, up to 1024 of them. The same seed
        gives the samples that the verb gives here.

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
        distributions.check_choice("format", format, ("tf_saved_model", *serving.FORMATS))
        if format != "litert" and batch_size != 1:
            raise ValueError(f"`batch_size` is for LiteRT files; leave it out with format={format!r}.")
        if format == "tf_saved_model":
            return serving.export(self, filepath, version, jit_compile)
        for name, given in (("version", version), ("jit_compile", jit_compile)):
            if given:
                raise ValueError(f"`{name}` is for SavedModels; leave it out with format={format!r}.")
        return serving.convert(self, filepath, format, batch_size)

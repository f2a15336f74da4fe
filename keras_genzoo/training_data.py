"""The data of `fit`, `evaluate` and `predict`: no batch reaches a model unchecked, whatever form it comes in."""

import functools
import math
import operator
import types

import keras
import tensorflow as tf

from keras_genzoo import batches, checks

_VALUES_AT_ONCE = 2**20  # of an array while it is checked: a copy of so many costs nothing


def checked(x, y, domains, name="x"):
    """Data for Keras, of which every batch has been checked or will be as it comes.

    Args:
        x: `tf.data.Dataset`, `keras.utils.PyDataset` or Python generator of batches; array or tensor, or dict of them.
        y: conditions where x is an array or tensor.
        domains: tuple of the domains of a batch, see `batches.check`.
        name: the argument's name, for the message.

    Returns:
        x and y.

    Raises:
        ValueError: for arrays that fail the check, for no data at all, and for data of any other form.
    """
    check = functools.partial(batches.check, domains=domains)
    if isinstance(x, tf.data.Dataset):
        if x.cardinality() == 0:
            raise ValueError(f"`{name}` is an empty data set: it has no batch to work on.")

        @tf.autograph.experimental.do_not_convert
        def check_batch(*batch):
            batch = check(batch[0] if len(batch) == 1 else batch)
            return batch if len(batch) > 1 else batch[0]  # Keras on many machines takes no tuple of one

        return x.map(check_batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE), y
    if isinstance(x, keras.utils.PyDataset):
        return _CheckedPyDataset(x, check), y
    if isinstance(x, types.GeneratorType):
        return _checked_batches(x, check), y
    if isinstance(x, dict) and y is None:
        x, y = batches.split_by(domains, x)
    if not tf.is_tensor(x) and not hasattr(x, "__array__"):
        raise ValueError(_refusal(x, name))
    return _checked_arrays(x, y, check, name)


def _refusal(x, name):
    accepted = (
        f"`{name}` must be an array or tensor of images, a tf.data.Dataset, a keras.utils.PyDataset or a Python "
        f"generator of batches; got a {type(x).__name__}"
    )
    if isinstance(x, (list, tuple)):
        return (
            f"{accepted} of {len(x)}, which Keras would take for as many inputs. np.stack(images) makes one array of "
            "images of one shape; labels are an argument of their own."
        )
    if isinstance(x, (tf.distribute.DistributedDataset, tf.distribute.DistributedIterator)):
        return f"{accepted}. Give the tf.data.Dataset itself: under a strategy Keras distributes it."
    return f"{accepted}. A generator makes batches of anything: (np.asarray(batch) for batch in ...)."


def _checked_arrays(x, y, check, name):
    names = (name, "y" if name == "x" else f"labels of {name}")
    x = checks.as_array(x, name)
    y = _each_part(lambda part: checks.as_array(part, names[1]), y)
    if not len(x.shape):
        raise ValueError(f"`{name}` must hold a row for each example; got a single number.")
    if not len(x):
        raise ValueError(f"`{name}` is empty: it has no example to work on.")
    if y is not None and batches.num_rows(y) != len(x):
        raise ValueError(f"`{names[1]}` must hold one label an example: expected {len(x)}, got {batches.num_rows(y)}.")
    rows = max(1, _VALUES_AT_ONCE // max(1, math.prod(x.shape[1:])))
    for first in range(0, len(x), rows):
        part = slice(first, first + rows)
        parts = check((x[part], _each_part(operator.itemgetter(part), y)), names=names)
    return x, y if len(parts) > 1 else None


def _each_part(function, condition):
    """The function of a condition, or of each of its parts; None where there is none."""
    if isinstance(condition, dict):
        return {name: function(part) for name, part in condition.items()}
    return None if condition is None else function(condition)


class _CheckedPyDataset(keras.utils.PyDataset):
    """A PyDataset whose batches are checked where they are made; all else is left to it.

    Its workers may be processes: everything here can be pickled, and NumPy's batches are checked by NumPy, since
    TensorFlow does not survive a fork.
    """

    def __init__(self, batches, check):
        super().__init__(batches.workers, batches.use_multiprocessing, batches.max_queue_size)
        self.batches = batches
        self.check = check

    def __getitem__(self, index):
        batch = self.batches[index]
        with checks.mark_errors():
            return self.check(batch)

    @property
    def num_batches(self):
        return self.batches.num_batches

    def on_epoch_begin(self):
        self.batches.on_epoch_begin()

    def on_epoch_end(self):
        self.batches.on_epoch_end()


def _checked_batches(batches, check):
    for batch in batches:
        with checks.mark_errors():
            batch = check(batch)
        yield batch


class ChecksData:
    """What the methods of `keras.Model` that take data do first in a model of this package; a mixin beside it."""

    @property
    def batch_domains(self):
        """tuple: the domains of a batch, that of what is modelled and, for a model that wants one, the condition's."""
        raise NotImplementedError

    @property
    def predict_domains(self):
        """tuple: the same of what `predict` takes."""
        return self.batch_domains

    def fit(self, x=None, y=None, *args, validation_data=None, **kwargs):
        """`keras.Model.fit`, which checks every batch.

        Args:
            x: batches, as `tf.data.Dataset`, `keras.utils.PyDataset` or Python generator; or all images, as array or
                tensor `(n, h, w, c)`. A batch may be images, `(images, labels)` or `{"image": ..., "label": ...}`;
                whatever a model is of stands in the place of images, what it is conditioned on in that of labels.
            y: labels where x is an array or tensor.
            validation_data: the same, as x, `(x, y)` or `(x, y, None)`.
            *args: as for `keras.Model.fit`.
            **kwargs: as for `keras.Model.fit`. Sample weights are not supported.

        Raises:
            ValueError: for data of another form, without a batch, or with a batch that no verb of the model would take.
        """
        given, (x, y) = x, checked(x, y, self.batch_domains)
        if not self.is_initialized:
            self.initialize(_batches_to_start_from(given, x, y, kwargs.get("steps_per_epoch")))
        if isinstance(x, (tf.data.Dataset, types.GeneratorType)):
            kwargs.setdefault("shuffle", False)  # Keras warns that it cannot shuffle one, asked or not
        if validation_data is not None:
            validation_data = checked(*_split(validation_data), self.batch_domains, name="validation_data")
        kwargs["callbacks"] = _with_epochs(kwargs.get("callbacks"))
        with checks.clear_errors():
            return super().fit(x, y, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """`keras.Model.evaluate`, with the data `fit` takes."""
        if not kwargs.get("_use_cached_eval_dataset"):  # else it comes from `fit`, which has checked it
            x, y = checked(x, y, self.batch_domains)
            kwargs["callbacks"] = _with_epochs(kwargs.get("callbacks"))
        with checks.clear_errors():
            return super().evaluate(x, y, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """`keras.Model.predict`: `call` in batches. A conditional model takes arrays as `(x, labels)`."""
        x, y = checked(*_split(x), self.predict_domains)
        with checks.clear_errors():
            return super().predict(x if y is None else {"image": x, "label": y}, *args, **kwargs)

    def train_on_batch(self, x, y=None, *args, **kwargs):
        """`keras.Model.train_on_batch`, with a batch of arrays or tensors."""
        return super().train_on_batch(*checked(x, y, self.batch_domains), *args, **kwargs)

    def test_on_batch(self, x, y=None, *args, **kwargs):
        """`keras.Model.test_on_batch`, with a batch of arrays or tensors."""
        return super().test_on_batch(*checked(x, y, self.batch_domains), *args, **kwargs)

    def predict_on_batch(self, x):
        """`keras.Model.predict_on_batch`, with what `predict` takes as arrays."""
        x, y = checked(*_split(x), self.predict_domains)
        return super().predict_on_batch(x if y is None else {"image": x, "label": y})


def _batches_to_start_from(given, x, y, steps_per_epoch):
    """The checked data of an epoch of `fit` as batches that can be passed over more than once."""
    if isinstance(given, types.GeneratorType):
        raise ValueError(
            "`x` is a generator, which can be passed over once only, but this model first looks at the data to start "
            "from it; give a tf.data.Dataset, a keras.utils.PyDataset or arrays."
        )
    if isinstance(x, keras.utils.PyDataset):
        return _BatchesOf(x)
    if not isinstance(x, tf.data.Dataset):
        x = tf.data.Dataset.from_tensor_slices(x if y is None else (x, y)).batch(128)
    elif x.cardinality() == tf.data.INFINITE_CARDINALITY and steps_per_epoch is None:
        raise ValueError(
            "`x` is a data set without end; say by `steps_per_epoch` how many of its batches are an epoch."
        )
    return x if steps_per_epoch is None else x.take(steps_per_epoch)


class _BatchesOf:
    """The batches of a PyDataset, one at a time."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __iter__(self):
        return (self.dataset[i] for i in range(self.dataset.num_batches))


def _split(data):
    """x and y of `x`, `(x,)`, `(x, y)` or `(x, y, None)`."""
    if isinstance(data, (tuple, list)) and len(data) <= 3:
        return batches.split(data)
    return data, None


class Epochs(keras.callbacks.Callback):
    """Tells the model where epochs and batches end, and raises where a data set of no known length held no batch."""

    def __init__(self):
        super().__init__()
        self.is_in_epoch = False

    def on_epoch_begin(self, epoch, logs=None):
        self.num_train_batches = 0
        self.is_in_epoch = True
        self.model.begin_epoch()

    def on_test_begin(self, logs=None):
        self.num_test_batches = 0
        self._end_epoch()  # before validation, which is of the model that the epoch has made

    def on_train_batch_end(self, batch, logs=None):
        self.num_train_batches += 1
        self.model.end_batch()

    def on_test_batch_end(self, batch, logs=None):
        self.num_test_batches += 1

    def on_epoch_end(self, epoch, logs=None):
        _refuse_none(self.num_train_batches, "x")
        self._end_epoch()

    def on_test_end(self, logs=None):
        _refuse_none(self.num_test_batches, "the evaluation data")

    def _end_epoch(self):
        if self.is_in_epoch and self.num_train_batches:
            self.is_in_epoch = False
            self.model.end_epoch()


def _refuse_none(num_batches, name):
    if not num_batches:
        raise ValueError(f"{name} is an empty data set: it gave no batch to work on.")


def _with_epochs(callbacks):
    """The `callbacks` argument of `fit` or `evaluate`, with Epochs in front."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    if isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [callbacks]
    return [Epochs(), *(callbacks or [])]

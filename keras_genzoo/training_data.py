"""The data of `fit`, `evaluate` and `predict`: no batch reaches a model unchecked, whatever form it comes in."""

import math
import types

import keras
import tensorflow as tf

from keras_genzoo import images as image_convention
from keras_genzoo import inputs

_VALUES_AT_ONCE = 2**20  # of an array while it is checked: a copy of so many costs nothing


def checked(x, y, check, name="x"):
    """Data for Keras, of which every batch has been checked or will be as it comes.

    Args:
        x: `tf.data.Dataset`, `keras.utils.PyDataset` or Python generator of batches; array or tensor, or dict of them.
        y: labels where x is an array or tensor.
        check: function of a batch and of `names`, see `inputs.check_batch`.
        name: the argument's name, for the message.

    Returns:
        x and y.

    Raises:
        ValueError: for arrays that fail the check, for no data at all, and for data of any other form.
    """
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
        x, y = inputs.split_batch(x)
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
    x = image_convention.as_array(x, name)
    y = y if y is None else image_convention.as_array(y, names[1])
    if not len(x.shape):
        raise ValueError(f"`{name}` must hold a row for each example; got a single number.")
    if not len(x):
        raise ValueError(f"`{name}` is empty: it has no image to work on.")
    if y is not None and len(y) != len(x):
        raise ValueError(f"`{names[1]}` must hold one label an example: expected {len(x)}, got {len(y)}.")
    rows = max(1, _VALUES_AT_ONCE // max(1, math.prod(x.shape[1:])))
    for first in range(0, len(x), rows):
        part = slice(first, first + rows)
        parts = check((x[part], None if y is None else y[part]), names=names)
    return x, y if len(parts) > 1 else None


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
        with image_convention.mark_errors():
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
        with image_convention.mark_errors():
            batch = check(batch)
        yield batch


class ChecksData:
    """What the methods of `keras.Model` that take data do first in a model of this package; a mixin beside it.

    A subclass gives `batch_check`.
    """

    def batch_check(self):
        """The function that checks a batch for `fit` and `evaluate`, `inputs.check_batch` with the model's own sizes.

        It must be picklable, and so no method of the model.
        """
        raise NotImplementedError

    def predict_check(self):
        """The same for `predict`."""
        return self.batch_check()

    def fit(self, x=None, y=None, *args, validation_data=None, **kwargs):
        """`keras.Model.fit`, which checks every batch.

        Args:
            x: batches, as `tf.data.Dataset`, `keras.utils.PyDataset` or Python generator; or all images, as array or
                tensor `(n, h, w, c)`. A batch may be images, `(images, labels)` or `{"image": ..., "label": ...}`.
            y: labels where x is an array or tensor.
            validation_data: the same, as x, `(x, y)` or `(x, y, None)`.
            *args: as for `keras.Model.fit`.
            **kwargs: as for `keras.Model.fit`. Sample weights are not supported.

        Raises:
            ValueError: for data of another form, without a batch, or with a batch that no verb of the model would take.
        """
        x, y = checked(x, y, self.batch_check())
        if isinstance(x, (tf.data.Dataset, types.GeneratorType)):
            kwargs.setdefault("shuffle", False)  # Keras warns that it cannot shuffle one, asked or not
        if validation_data is not None:
            validation_data = checked(*_split(validation_data), self.batch_check(), name="validation_data")
        kwargs["callbacks"] = _with_refusal_of_empty_data(kwargs.get("callbacks"))
        with image_convention.clear_errors():
            return super().fit(x, y, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """`keras.Model.evaluate`, with the data `fit` takes."""
        if not kwargs.get("_use_cached_eval_dataset"):  # else it comes from `fit`, which has checked it
            x, y = checked(x, y, self.batch_check())
            kwargs["callbacks"] = _with_refusal_of_empty_data(kwargs.get("callbacks"))
        with image_convention.clear_errors():
            return super().evaluate(x, y, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """`keras.Model.predict`: `call` in batches. A conditional model takes arrays as `(x, labels)`."""
        x, y = checked(*_split(x), self.predict_check())
        with image_convention.clear_errors():
            return super().predict(x if y is None else {"image": x, "label": y}, *args, **kwargs)

    def train_on_batch(self, x, y=None, *args, **kwargs):
        """`keras.Model.train_on_batch`, with a batch of arrays or tensors."""
        return super().train_on_batch(*checked(x, y, self.batch_check()), *args, **kwargs)

    def test_on_batch(self, x, y=None, *args, **kwargs):
        """`keras.Model.test_on_batch`, with a batch of arrays or tensors."""
        return super().test_on_batch(*checked(x, y, self.batch_check()), *args, **kwargs)

    def predict_on_batch(self, x):
        """`keras.Model.predict_on_batch`, with what `predict` takes as arrays."""
        x, y = checked(*_split(x), self.predict_check())
        return super().predict_on_batch(x if y is None else {"image": x, "label": y})


def _split(data):
    """x and y of `x`, `(x,)`, `(x, y)` or `(x, y, None)`."""
    if isinstance(data, (tuple, list)) and len(data) <= 3:
        return inputs.split_batch(data)
    return data, None


class RefuseEmptyData(keras.callbacks.Callback):
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
    """The `callbacks` argument of `fit` or `evaluate`, with RefuseEmptyData in front."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    if isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [callbacks]
    return [RefuseEmptyData(), *(callbacks or [])]

"""Pictures while training: what the model draws and reconstructs after each epoch; and a log of metrics with time."""

import importlib.util
import time
from pathlib import Path

import keras
import tensorflow as tf

from keras_genzoo import pictures
from keras_genzoo.latent_variable_model import great_circle, path_weights


class _Pictures(keras.callbacks.Callback):
    """Writes one picture an epoch, `<name>_0001.png` and so on, and an image summary for TensorBoard if asked."""

    def __init__(self, directory, name, log_dir=None):
        super().__init__()
        self.directory = Path(directory)
        self.name = name
        if log_dir and importlib.util.find_spec("tensorboard") is None:
            raise ImportError("`log_dir` needs TensorBoard: pip install 'keras-genzoo[tensorboard]', or leave it out.")
        self.writer = tf.summary.create_file_writer(str(log_dir)) if log_dir else None

    def on_epoch_end(self, epoch, logs=None):
        images = self.picture()
        pictures.save_grid(images, self.directory / f"{self.name}_{epoch + 1:04d}.png")
        if self.writer:
            with self.writer.as_default():
                tf.summary.image(self.name, pictures.grid(images)[None], step=epoch + 1)
            self.writer.flush()


class SampleGrid(_Pictures):
    """Draws a grid of samples after each epoch, always from the same noise, so that progress can be seen.

    Args:
        directory: folder for `samples_0001.png` and so on; made where needed.
        num_samples: int.
        seed: int32.
        log_dir: folder for TensorBoard, which then shows the same pictures; None for none.
        labels: what each sample is conditioned on, as for `model.sample`; there are then as many samples. Needed for
            a model with `condition_dim`, and for one that translates: its sources, each drawn above its translation.
            By default a model with classes draws one class a column.

    Raises:
        ValueError: when training begins, for labels that the model does not take, or needs.
    """

    def __init__(self, directory, num_samples=64, seed=0, log_dir=None, labels=None):
        super().__init__(directory, "samples", log_dir)
        self.num_samples = num_samples
        self.seed = seed
        self.labels = labels

    def on_train_begin(self, logs=None):
        grid_labels(self.model, self.num_samples, self.labels)  # raises before an epoch is spent

    def picture(self):
        return sample_grid(self.model, self.num_samples, self.seed, self.labels)


class ReconstructionGrid(_Pictures):
    """Draws images, and below each what the model makes of it, after each epoch.

    Args:
        directory: folder for `reconstructions_0001.png` and so on; made where needed.
        data: a batch as `fit` takes them: images, or `(images, labels)` for a conditional model.
        log_dir: folder for TensorBoard, which then shows the same pictures; None for none.
    """

    def __init__(self, directory, data, log_dir=None):
        super().__init__(directory, "reconstructions", log_dir)
        self.data = data

    def picture(self):
        return reconstruction_grid(self.model, self.data)


class TimedCSVLogger(keras.callbacks.CSVLogger):
    """`keras.callbacks.CSVLogger` with a column `seconds`, how long each epoch took with its validation and pictures.

    Put it after the callbacks whose time shall count.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self._begin = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, {**(logs or {}), "seconds": round(time.monotonic() - self._begin, 1)})


class TranslationGrid(_Pictures):
    """Draws sources, below each what the model makes of it, and below that its target, after each epoch.

    Args:
        directory: folder for `translations_0001.png` and so on; made where needed.
        data: a batch as `fit` takes them, `(targets, sources)`.
        seed: int32, of the noise, which is always the same.
        log_dir: folder for TensorBoard, which then shows the same pictures; None for none.
        has_pairs: bool, whether the i-th target belongs to the i-th source; without, targets are not drawn.
    """

    def __init__(self, directory, data, seed=0, log_dir=None, has_pairs=True):
        super().__init__(directory, "translations", log_dir)
        self.data = data
        self.seed = seed
        self.has_pairs = has_pairs

    def picture(self):
        return translation_grid(self.model, self.data, self.seed, has_pairs=self.has_pairs)


def sample_grid(model, num_samples=64, seed=None, labels=None):
    """Samples to draw as a grid; one of a model with classes has a column for each, `(rows, classes, h, w, c)`.

    Args:
        model: a `GenerativeModel`.
        num_samples: int; with classes rounded up to full rows.
        seed: int32 or None.
        labels: see `SampleGrid`.
    """
    columns = model.num_classes if labels is None else None
    labels = grid_labels(model, num_samples, labels)
    if "translate" in model.verbs:
        return translated_rows(model, labels, seed)
    samples = model.sample(num_samples if labels is None else len(labels), labels, seed)
    shown = model.sample_domain.picture(samples)
    return tf.reshape(shown, (-1, columns, *shown.shape[1:])) if columns else shown


def grid_labels(model, num_samples, labels=None):
    """What the samples of a grid are conditioned on, None for a model without; ValueError where it must be given."""
    if labels is None and "translate" in model.verbs:
        shape = ", ".join(map(str, model.source_shape))
        raise ValueError(
            f"`labels` are missing: {type(model).__name__} translates sources, images (n, {shape}). Pass them as "
            "labels=, or use TranslationGrid, which draws targets, too."
        )
    if labels is None and model.is_conditional and not model.num_classes:
        (condition_dim,) = model.condition_domain.shape
        raise ValueError(
            f"`labels` are missing: this model has condition_dim={condition_dim}, and vectors cannot be made up. "
            f"Pass labels=, floats (n, {condition_dim}) with one vector a sample, to SampleGrid or model.sample."
        )
    if labels is None and model.num_classes:
        num_rows = -(-num_samples // model.num_classes)
        return list(range(model.num_classes)) * num_rows
    if labels is not None and not model.is_conditional:
        raise ValueError(f"`labels` given, but this {type(model).__name__} was built without num_classes.")
    return model.check_condition(labels)


def interpolation(model, num_paths, num_steps, label=None, seed=None):
    """Images along great circles between latents of the prior, one path a row: `(paths, steps, h, w, c)`.

    Args:
        model: a `LatentVariableModel`.
        num_paths: int.
        num_steps: int, at least 2; both ends are included.
        label: int, the class of all images of a conditional model; by default one class a row, over and over.
        seed: int32 or None.
    """
    latents = model.noise(2 * num_paths, seed)[:, None]  # (2 paths, 1, d)
    paths = great_circle(latents[:num_paths], latents[num_paths:], path_weights(num_steps))
    labels = None
    if model.num_classes is not None:
        labels = [i % model.num_classes if label is None else label for i in range(num_paths)]
    return model.decode_paths(paths, labels)


def reconstruction_grid(model, data, num_columns=16):
    """Rows of images, each above the row of their reconstructions: `(rows, columns, h, w, c)`."""
    images, labels = model.unpack(data)
    return rows_of([images, model.reconstruct(images, labels)], num_columns)


def translation_grid(model, data, seed=None, num_columns=16, has_pairs=True, back=False):
    """Rows of sources, of what the model makes of them, and of the targets: `(rows, columns, h, w, c)`.

    Args:
        model: a `TranslationModel`.
        data: a batch as `fit` takes them, `(targets, sources)`.
        seed: int32 or None.
        num_columns: int, at most so many.
        has_pairs: bool, whether the i-th target belongs to the i-th source; without, targets are not drawn.
        back: bool, whether targets and sources change places, of a model that can `translate_back`.
    """
    targets, sources = model.unpack(data)
    given, wanted = (targets, sources) if back else (sources, targets)
    return translated_rows(model, given, seed, num_columns, wanted if has_pairs else None, back)


def translated_rows(model, sources, seed=None, num_columns=16, targets=None, back=False):
    """Rows of sources and of what the model makes of them, and of the targets where there are some."""
    translate = model.translate_back if back else model.translate
    kinds = [sources, translate(sources, seed=seed), *([] if targets is None else [targets])]
    height, width = (max(kind.shape[axis] for kind in kinds) for axis in (1, 2))
    channels = max(kind.shape[3] for kind in kinds)

    def alike(kind):  # grey beside colours, small beside large
        kind = tf.repeat(kind, channels, axis=-1) if kind.shape[-1] == 1 else kind
        return tf.image.resize(kind, (height, width), "nearest")

    return rows_of([alike(kind) for kind in kinds], num_columns)


def rows_of(kinds, num_columns=16):
    """Rows of images of several kinds below each other, as often as they fit: `(rows, columns, h, w, c)`.

    Args:
        kinds: list of images `(n, h, w, c)` of one shape, that belong together place by place.
        num_columns: int, at most so many.
    """
    num_columns = min(num_columns, len(kinds[0]))
    num_rows, shape = len(kinds[0]) // num_columns, kinds[0].shape[1:]
    rows = [tf.reshape(kind[: num_rows * num_columns], (num_rows, 1, num_columns, *shape)) for kind in kinds]
    return tf.reshape(tf.concat(rows, axis=1), (len(kinds) * num_rows, num_columns, *shape))

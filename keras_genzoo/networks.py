"""The default encoder and decoder, plain Keras: an MLP for small images, convolutions otherwise; and what they share
with the networks of other families: inputs with labels, normalisation, heads.

Heads compute in float32 under any precision, since log-probabilities and losses are made from them.
"""

import math
import re
import textwrap
from typing import NamedTuple

import keras
import tensorflow as tf
from keras import layers

from keras_genzoo.layers import FusedBatchNormalization, SpectralNormalization

_MLP_LIMIT = 28 * 28  # values an image; above it convolutions take over
_HIDDEN_UNITS = 300
_FILTERS = (32, 64, 128, 256)
_SMALLEST_SIDE = 4  # convolutions halve the image until a side would fall below this


class Builder(NamedTuple):
    """What makes a network where the user gave none: how a class hands its own to the class that it stands on.

    Attributes:
        build: function of the sizes that the model names, and of `dtype=`, that makes the Keras model.
    """

    build: callable


def encoder(image_shape, num_outputs, num_classes=None, dtype=None):
    """images `(n, h, w, c)`, or `[images, labels]` with `num_classes`, to `(n, num_outputs)`.

    Args:
        image_shape: tuple `(h, w, c)`.
        num_outputs: int.
        num_classes: int or None; labels enter as one more channel, a learned map for each class.
        dtype: Keras dtype policy.
    """
    inputs, x = images_and_labels(image_shape, num_classes, dtype)
    if _is_small(image_shape):
        x = _gated_mlp(layers.Flatten(dtype=dtype)(x), dtype)
    else:
        for filters in _FILTERS[: _num_halvings(image_shape)]:
            x = layers.Conv2D(filters, 4, strides=2, padding="same", activation="silu", dtype=dtype)(x)
        x = layers.Flatten(dtype=dtype)(x)
    return keras.Model(inputs, layers.Dense(num_outputs, dtype="float32", name="head")(x), name="encoder")


def decoder(latent_dim, image_shape, num_outputs, num_classes=None, dtype=None):
    """latents `(n, latent_dim)`, or `[latents, labels]` with `num_classes`, to `(n, h, w, num_outputs)`.

    Args:
        latent_dim: int.
        image_shape: tuple `(h, w, c)`.
        num_outputs: int, numbers a pixel.
        num_classes: int or None; labels enter as a learned vector beside the latents.
        dtype: Keras dtype policy.
    """
    height, width, _ = image_shape
    inputs, x = latents_and_labels(latent_dim, num_classes, dtype)
    if _is_small(image_shape):
        x = layers.Dense(height * width * num_outputs, dtype="float32", name="head")(_gated_mlp(x, dtype))
        return keras.Model(inputs, layers.Reshape((height, width, num_outputs), dtype="float32")(x), name="decoder")
    filters = _FILTERS[: _num_halvings(image_shape)]
    rows, columns = (math.ceil(side / 2 ** len(filters)) for side in (height, width))
    x = layers.Dense(rows * columns * filters[-1], activation="silu", dtype=dtype)(x)
    x = layers.Reshape((rows, columns, filters[-1]), dtype=dtype)(x)
    for width_of_layer in (*reversed(filters[:-1]), filters[0]):
        x = layers.Conv2DTranspose(width_of_layer, 4, strides=2, padding="same", activation="silu", dtype=dtype)(x)
    x = layers.Conv2D(num_outputs, 3, padding="same", dtype="float32", name="head")(x)
    surplus = (rows * 2 ** len(filters) - height, columns * 2 ** len(filters) - width)
    x = layers.Cropping2D(((0, surplus[0]), (0, surplus[1])), dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def images_and_labels(image_shape, num_classes=None, dtype=None, normalization=None):
    """The inputs of a network that sees images, and the tensor to go on from.

    Labels, where there are classes, enter as one more channel, a learned map for each class.
    """
    images = keras.Input(image_shape, name="images")
    if not num_classes:
        return images, images
    height, width, _ = image_shape
    labels = keras.Input((), dtype="int32", name="labels")
    label_maps = layers.Embedding(num_classes, height * width, _label_initializer(), dtype=dtype)
    label_map = layers.Reshape((height, width, 1), dtype=dtype)(bounded(label_maps, normalization)(labels))
    return [images, labels], layers.Concatenate(dtype=dtype)([images, label_map])


def latents_and_labels(latent_dim, num_classes=None, dtype=None):
    """The inputs of a network that sees latents, and the tensor to go on from.

    Labels, where there are classes, enter as a learned vector beside the latents.
    """
    latents = keras.Input((latent_dim,), name="latents")
    if not num_classes:
        return latents, latents
    labels = keras.Input((), dtype="int32", name="labels")
    vector = layers.Embedding(num_classes, num_classes, _label_initializer(), dtype=dtype)(labels)
    return [latents, labels], layers.Concatenate(dtype=dtype)([latents, vector])


def _label_initializer():
    """Labels weigh as much as what they stand beside. Made anew for each layer: it holds on to its seed."""
    return keras.initializers.RandomNormal(stddev=1.0)


NORMALIZATIONS = (None, "batch", "layer", "spectral")


def normalized(layer, normalization):
    """A layer followed by a normalisation of what it gives, or with its weight normalised (`"spectral"`)."""
    if normalization == "batch":
        return lambda x: batch_normalization(layer.dtype_policy)(layer(x))
    if normalization == "layer":  # over all values of an image, with a scale a channel
        return lambda x: layers.GroupNormalization(groups=1, dtype=layer.dtype_policy)(layer(x))
    if normalization == "instance":
        return lambda x: instance_normalization(layer.dtype_policy)(layer(x))
    return bounded(layer, normalization)


def instance_normalization(dtype=None):
    """Each channel of each image by its own mean and variance, with a scale and an offset a channel."""
    return layers.GroupNormalization(groups=-1, epsilon=1e-5, dtype=dtype)


def bounded(layer, normalization):
    """A layer whose weight `"spectral"` normalises, and which no other normalisation concerns."""
    return SpectralNormalization(layer) if normalization == "spectral" else layer


def batch_normalization(dtype=None):
    """As Radford et al. 2016 use it; over the global batch where there are several devices."""
    synchronized = tf.distribute.get_strategy().num_replicas_in_sync > 1
    return FusedBatchNormalization(momentum=0.9, epsilon=1e-5, synchronized=synchronized, dtype=dtype)


def scoring(inputs, features, num_classes=None, normalization=None, initializer=keras.initializers.GlorotUniform):
    """The discriminator that scores features `(n, d)` along one direction, `(n, 1)`.

    With `num_classes`, labels become one more input, and each class adds a direction of its own (a "projection
    discriminator"; Miyato and Koyama 2018, https://arxiv.org/abs/1802.05637, eq. 3). `initializer` is a function that
    makes one, since two layers with the same would start from the same numbers.
    """
    score = layers.Dense(1, kernel_initializer=initializer(), dtype="float32", name="score")
    scores = bounded(score, normalization)(features)
    if num_classes:
        labels = keras.Input((), dtype="int32", name="labels")
        directions = layers.Embedding(
            num_classes, features.shape[-1], initializer(), dtype="float32", name="directions"
        )
        directions = bounded(directions, normalization)(labels)
        inputs = [inputs, labels]
        scores = layers.Add(dtype="float32")([scores, layers.Dot(1, dtype="float32")([features, directions])])
    return keras.Model(inputs, scores, name="discriminator")


def nested_layers(layer):
    """A layer and all layers that it holds, at any depth: as a network, a wrapper, or in attributes of its own."""
    found, waiting = {}, [layer]
    while waiting:
        layer = waiting.pop()
        if isinstance(layer, (list, tuple)):
            waiting.extend(layer)
        elif isinstance(layer, layers.Layer) and id(layer) not in found:
            found[id(layer)] = layer
            waiting.extend(vars(layer).values())
    return list(found.values())


def _is_small(image_shape):
    return math.prod(image_shape) <= _MLP_LIMIT


def _num_halvings(image_shape):
    halvings = int(math.log2(min(image_shape[:2]) / _SMALLEST_SIDE)) if min(image_shape[:2]) > _SMALLEST_SIDE else 0
    return max(1, min(halvings, len(_FILTERS)))


def _gated_mlp(x, dtype):
    """Two hidden layers of gated units, h = a * sigmoid(b); Dauphin et al. 2017, arxiv.org/abs/1612.08083."""
    for _ in range(2):
        values = layers.Dense(_HIDDEN_UNITS, dtype=dtype)(x)
        gates = layers.Dense(_HIDDEN_UNITS, activation="sigmoid", dtype=dtype)(x)
        x = layers.Multiply(dtype=dtype)([values, gates])
    return x


def check_network(name, network, input_shape, expected, num_classes=None, beside=None):
    """Checks a network that a user gave, and builds it where it is not built.

    Args:
        name: the argument's name, for the message.
        network: Keras model.
        input_shape: tuple, of an example it takes.
        expected: tuple, of what it must give for one; None where any size goes.
        num_classes: int or None; with a number it takes a list of the input and integer labels `(n,)`.
        beside: tuple or None; with one it takes a list of the input and floats of that shape an example.

    Raises:
        ValueError: for anything but a Keras model, one that cannot be called on such inputs, and other outputs.
    """
    if not isinstance(network, keras.Model):
        raise ValueError(
            f"`{name}` must be a Keras model; got a {type(network).__name__}. A layer becomes one by "
            "keras.Sequential([layer])."
        )
    try:
        given = network.output_shape
    except AttributeError:  # not built yet, or a subclass of keras.Model, which tells no shape
        given = _output_shape(name, network, input_shape, num_classes, beside)
    sizes = ("any" if side is None else str(side) for side in expected)
    wanted = f"`{name}` must give outputs of shape ({', '.join(('n', *sizes))})"
    if not isinstance(given, tuple) or not all(side is None or isinstance(side, int) for side in given):
        raise ValueError(f"{wanted}, one array; this one gives {given}.")
    if len(given) != 1 + len(expected) or any(
        side not in (None, size) for size, side in zip(given[1:], expected, strict=True)
    ):
        raise ValueError(f"{wanted}; this one gives ({', '.join(map(str, ('n', *given[1:])))}).")


def _output_shape(name, network, input_shape, num_classes, beside):
    """The shape that a network gives, from a symbolic call, which also builds it."""
    inputs = keras.Input(input_shape, dtype="float32")
    if num_classes:
        inputs = [inputs, keras.Input((), dtype="int32")]
    if beside:
        inputs = [inputs, keras.Input(beside, dtype="float32")]
    try:
        outputs = network(inputs)
    except Exception as error:  # of any class: it is the user's code
        taken = f"inputs of shape ({', '.join(map(str, ('n', *input_shape)))})"
        if num_classes:
            taken = f"a list of {taken} and integer labels (n,)"
        if beside:
            taken = f"a list of {taken} and ({', '.join(map(str, ('n', *beside)))})"
        why = textwrap.shorten(re.sub(r"\x1b\[\d+m", "", str(error)), 400)  # Keras's own may come in bold and colours
        raise ValueError(f"`{name}` cannot be called on {taken}: {why}") from error
    return getattr(outputs, "shape", outputs)

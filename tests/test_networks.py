"""The default networks fit every image size."""

import keras
import pytest

from keras_genzoo import networks


@pytest.mark.parametrize(
    "shape", [(1, 1, 2), (8, 8, 1), (28, 28, 1), (28, 20, 1), (32, 32, 3), (45, 33, 3), (64, 64, 3), (5, 200, 1)]
)
@pytest.mark.parametrize("num_classes", [None, 4])
def test_shapes(shape, num_classes):
    assert networks.encoder(shape, 6, num_classes).output_shape == (None, 6)
    assert networks.decoder(5, shape, 2, num_classes).output_shape == (None, *shape[:2], 2)


def test_mlp_for_small_images_and_convolutions_above():
    def kinds(network):
        return {type(layer).__name__ for layer in network.layers}

    assert "Conv2D" not in kinds(networks.encoder((28, 28, 1), 4))
    assert "Conv2D" in kinds(networks.encoder((32, 32, 3), 4))
    assert "Conv2DTranspose" in kinds(networks.decoder(4, (32, 32, 3), 3))


def test_heads_stay_in_float32():
    for network in (
        networks.encoder((32, 32, 3), 4, dtype="mixed_float16"),
        networks.decoder(4, (8, 8, 1), 1, 3, "mixed_float16"),
    ):
        assert network.output.dtype == "float32"
        assert any(layer.compute_dtype == "float16" for layer in network.layers)


class Block(keras.layers.Layer):
    """A layer of one's own, which holds others in attributes of every kind."""

    def __init__(self, one, several, named):
        super().__init__()
        self.one, self.several, self.named = one, several, named


def test_nested_layers_are_found_at_any_depth():
    inner = [keras.layers.Dense(2, name=f"dense_{i}") for i in range(8)]
    functional = keras.Sequential([keras.Input((3,)), keras.Sequential([keras.Input((3,)), inner[0]])])
    wrapped = Block(keras.layers.TimeDistributed(keras.Sequential([inner[1]])), [], {})
    block = Block(inner[2], [inner[3], (inner[4], keras.Sequential([inner[5]]))], {"a": inner[6], "b": {"c": inner[7]}})
    block.again = block.one  # named twice, found once
    found = networks.nested_layers(Block(functional, [wrapped], {"block": block}))
    dense = [layer for layer in found if isinstance(layer, keras.layers.Dense)]
    assert sorted(layer.name for layer in dense) == [layer.name for layer in inner]
    assert networks.nested_layers(inner[0]) == [inner[0]]

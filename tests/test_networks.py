"""The default networks fit every image size."""

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

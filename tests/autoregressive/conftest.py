import numpy as np
import pytest

import keras_genzoo as gz

PIXEL_RNNS = ("RowLSTM", "DiagonalBiLSTM")  # `test_pixel_rnn.py` has their quick tests
PIXELCNN_ARGUMENTS = {"dilations", "num_residual_blocks"}


def with_random_weights(name, image_shape, seed=0, scale=0.4, **kwargs):
    """A small model far from its initialisation, whose biases are zero."""
    depth = "num_residual_blocks" if name in ("PixelCNN", "GatedPixelCNN") else "num_layers"
    sizes = {"num_filters": 6, depth: 2}
    if name == "PixelCNNPlusPlus":
        sizes = {"num_filters": 6, "num_residual_blocks": 1, "num_scales": 2, "num_mixtures": 3}
        sizes |= {"num_levels": 2, "dropout": 0.0}
    model = getattr(gz, name)(image_shape, **{**sizes, **kwargs})
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, scale, variable.shape))
    return model


_RNNS = [pytest.param(name, marks=pytest.mark.slow) for name in PIXEL_RNNS]


@pytest.fixture(params=["PixelCNN", "GatedPixelCNN", *_RNNS])
def make(request):
    """Makes a model of any class: `make(image_shape, seed=0, **arguments)`."""

    def make(*args, **kwargs):
        if request.param in PIXEL_RNNS and not PIXELCNN_ARGUMENTS.isdisjoint(kwargs):
            pytest.skip("an argument of the PixelCNNs")
        return with_random_weights(request.param, *args, **kwargs)

    return make


@pytest.fixture(params=["PixelCNN", "GatedPixelCNN", "PixelCNNPlusPlus", *_RNNS])
def make_any(request):
    """The same, of any class, with the arguments that all of them have."""
    return lambda *args, **kwargs: with_random_weights(request.param, *args, **kwargs)


def every_image(image_shape, num_levels):
    """All images of a shape, `(num_levels^(h w c), h, w, c)`."""
    num_values = int(np.prod(image_shape))
    digits = np.indices((num_levels,) * num_values).reshape(num_values, -1).T
    return (digits / (num_levels - 1)).astype("float32").reshape(-1, *image_shape)

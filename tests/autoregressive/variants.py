"""The autoregressive models of the contract: every class, and each option that changes what is saved or served."""

from tests.contract.variants import IMAGE_SHAPE, NUM_CLASSES

REPRESENTATIVE = "GatedPixelCNN"
SIZES = {"image_shape": IMAGE_SHAPE}

VARIANTS = {
    "PixelCNN": {"num_filters": 8, "num_residual_blocks": 1},
    "PixelCNN conditional 5 levels": {
        "num_classes": NUM_CLASSES,
        "num_levels": 5,
        "num_filters": 8,
        "num_residual_blocks": 1,
    },
    "GatedPixelCNN": {"num_filters": 8, "num_residual_blocks": 2, "dilations": (1, 2)},
    "GatedPixelCNN attention": {"num_filters": 8, "num_residual_blocks": 1, "attention": True},
    "GatedPixelCNN conditional logistic": {
        "num_classes": NUM_CLASSES,
        "num_levels": 256,
        "likelihood": "logistic_mixture",
        "num_filters": 8,
        "num_residual_blocks": 1,
    },
    "RowLSTM": {"num_filters": 4, "num_layers": 1},
    "DiagonalBiLSTM": {
        "num_classes": NUM_CLASSES,
        "num_levels": 5,
        "num_filters": 4,
        "num_layers": 2,
        "dropout": 0.2,
    },
    # Few levels: of 256, one in a few thousand pixels falls on another when its uniform number meets a rounding error.
    "PixelCNNPlusPlus": {
        "num_classes": NUM_CLASSES,
        "num_levels": 5,
        "num_filters": 4,
        "num_residual_blocks": 1,
        "num_scales": 2,
        "num_mixtures": 3,
    },
    "MultiScalePixelRNN": {"factor": 2, "num_levels": 3, "num_filters": 3, "num_layers": 1},
}

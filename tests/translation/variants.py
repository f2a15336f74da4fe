"""The translation models of the contract: every class, and each option that changes what is saved or served."""

from tests.contract.variants import IMAGE_SHAPE

REPRESENTATIVE = "Pix2Pix"
SIZES = {"image_shape": IMAGE_SHAPE, "source_shape": IMAGE_SHAPE}

# Small weights, beside whose terms the game is large enough to be seen in a step.
VARIANTS = {
    "Pix2Pix": {"num_filters": 4, "l1_weight": 0.2},
    "CycleGAN": {"num_filters": 4, "num_residual_blocks": 1, "cycle_weight": 0.1, "identity_weight": 0.1},
    "DiscoGAN": {"num_filters": 4, "reconstruction_weight": 0.02},
    "DiscoGAN points": {"image_shape": None, "source_shape": (3,), "shape": (2,), "reconstruction_weight": 0.2},
    "DTN": {"features": "classifier_digits", "num_filters": 4}
    | {"const_weight": 0.06, "identity_weight": 0.15, "tv_weight": 0.05},
    "PixelDTGAN": {"num_filters": 8, "code_dim": 8},
}

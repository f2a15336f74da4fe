"""The translation models of the contract: every class, and each option that changes what is saved or served."""

from tests.contract.variants import IMAGE_SHAPE

REPRESENTATIVE = "Pix2Pix"
SIZES = {"image_shape": IMAGE_SHAPE, "source_shape": IMAGE_SHAPE}

VARIANTS = {
    "Pix2Pix": {"num_filters": 4, "l1_weight": 0.2},  # beside 100 the game is too small to be seen in a step
    "CycleGAN": {"num_filters": 4, "num_residual_blocks": 1, "cycle_weight": 1.0},
    "CycleGAN identity": {"num_filters": 4, "num_residual_blocks": 1, "cycle_weight": 1.0, "identity_weight": 1.0},
    "DiscoGAN": {"num_filters": 4},
    "DiscoGAN points": {"image_shape": None, "source_shape": (3,), "shape": (2,)},
}

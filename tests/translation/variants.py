"""The translation models of the contract: every class, and each option that changes what is saved or served."""

from tests.contract.variants import IMAGE_SHAPE

REPRESENTATIVE = "Pix2Pix"
SIZES = {"image_shape": IMAGE_SHAPE, "source_shape": IMAGE_SHAPE}

VARIANTS = {
    "Pix2Pix": {"num_filters": 4, "l1_weight": 0.2},  # beside 100 the game is too small to be seen in a step
    "DTN": {"features": "classifier_digits", "num_filters": 4}  # weights by which its four terms matter alike
    | {"const_weight": 0.06, "identity_weight": 0.15, "tv_weight": 0.05},
    "PixelDTGAN": {"num_filters": 8, "code_dim": 8},
}

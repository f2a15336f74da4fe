"""The mixtures of the contract: every class, and each option that changes what is saved or served."""

from tests.contract.variants import IMAGE_SHAPE

REPRESENTATIVE = "GaussianMixture"
SIZES = {"shape": IMAGE_SHAPE}

VARIANTS = {
    "GaussianMixture": {"num_components": 3, "regularization": 0.01},
    "GaussianMixture tied": {"num_components": 3, "regularization": 0.01, "covariance": "tied"},
    "GaussianMixture diagonal": {"num_components": 3, "regularization": 0.01, "covariance": "diagonal"},
    "BernoulliMixture": {"num_components": 3},
}

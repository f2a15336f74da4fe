"""The mixtures of the contract: every class, and each option that changes what is saved or served."""

from tests.contract.variants import IMAGE_SHAPE, NUM_CLASSES

REPRESENTATIVE = "GaussianMixture"
SIZES = {"shape": IMAGE_SHAPE}

VARIANTS = {
    "ClassConditionalGaussian": {"num_classes": NUM_CLASSES, "regularization": 0.01},
    "ClassConditionalGaussian principal components": {
        "num_classes": NUM_CLASSES,
        "num_principal_components": 3,
        "covariance": "tied",
    },
    "ClassConditionalGaussian diagonal": {
        "num_classes": NUM_CLASSES,
        "covariance": "diagonal",
        "regularization": 0.01,
    },
    "GaussianMixture": {"num_components": 3, "regularization": 0.01},
    "GaussianMixture tied": {"num_components": 3, "regularization": 0.01, "covariance": "tied"},
    "GaussianMixture diagonal": {"num_components": 3, "regularization": 0.01, "covariance": "diagonal"},
    "GaussianMixture steps": {"num_components": 3, "regularization": 0.01, "step_size_decay": 0.7},
    "BernoulliMixture": {"num_components": 3},
    "BernoulliMixture steps": {"num_components": 3, "step_size_decay": 0.7},
    "VariationalGaussianMixture": {"num_components": 3, "regularization": 0.01},
}

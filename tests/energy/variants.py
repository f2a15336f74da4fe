"""The energy-based models of the contract: every class, and each option that changes what is saved or served."""

from tests.contract.variants import IMAGE_SHAPE

REPRESENTATIVE = "RestrictedBoltzmannMachine"
SIZES = {"image_shape": IMAGE_SHAPE}

VARIANTS = {
    "RestrictedBoltzmannMachine": {"num_hidden": 12, "persistent": True, "num_chains": 20, "num_sampling_steps": 20},
    "RestrictedBoltzmannMachine CD plain": {
        "num_hidden": 12,
        "num_gibbs_steps": 2,
        "centered": False,
        "num_sampling_steps": 20,
    },
    "RestrictedBoltzmannMachine annealed": {"num_hidden": 21, "num_sampling_steps": 20},
}

"""keras_genzoo: a model zoo of deep generative models for Keras 3 on TensorFlow."""

import importlib
import os
import sys
from pathlib import Path

__version__ = "0.1.0"

if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
    raise ImportError(
        f"keras_genzoo runs on Keras's TensorFlow backend, but KERAS_BACKEND={os.environ['KERAS_BACKEND']!r}. "
        "Set KERAS_BACKEND=tensorflow before Keras is imported."
    )

# The registry: public name -> the module that defines it. The contract suite asks for tests of every model here.
_MODELS = {
    "Autoencoder": "models.autoencoders.autoencoder",
    "DenoisingAutoencoder": "models.autoencoders.denoising_autoencoder",
    "VAE": "models.autoencoders.vae",
    "GAN": "models.adversarial.gan",
    "DCGAN": "models.adversarial.dcgan",
    "ConditionalGAN": "models.adversarial.conditional_gan",
    "AdversarialAutoencoder": "models.adversarial.adversarial_autoencoder",
    "WGANGP": "models.adversarial.wgan_gp",
    "ClassConditionalGaussian": "models.mixtures.class_conditional_gaussian",
    "GaussianMixture": "models.mixtures.gaussian_mixture",
    "BernoulliMixture": "models.mixtures.bernoulli_mixture",
    "VariationalGaussianMixture": "models.mixtures.variational_gaussian_mixture",
    "RestrictedBoltzmannMachine": "models.energy.restricted_boltzmann_machine",
    "Pix2Pix": "models.translation.pix2pix",
    "CycleGAN": "models.translation.cyclegan",
    "DiscoGAN": "models.translation.discogan",
    "DTN": "models.translation.dtn",
    "PixelDTGAN": "models.translation.pixel_dtgan",
    "RowLSTM": "models.autoregressive.row_lstm",
    "DiagonalBiLSTM": "models.autoregressive.diagonal_bilstm",
    "MultiScalePixelRNN": "models.autoregressive.multi_scale_pixel_rnn",
    "PixelCNN": "models.autoregressive.pixelcnn",
    "GatedPixelCNN": "models.autoregressive.gated_pixelcnn",
    "PixelCNNPlusPlus": "models.autoregressive.pixelcnn_plus_plus",
}
_NAMES = {
    **_MODELS,
    "GenerativeModel": "generative_model",
    "ZooModel": "zoo_model",
    "list_presets": "presets",
}
# Public modules; `images` is the older name of `pictures`.
_MODULES = {
    **{name: name for name in ("adversarial", "callbacks", "data", "distributions", "domains", "evaluation")},
    **{name: name for name in ("networks", "pictures", "recipes", "serving")},
    "images": "pictures",
}

__all__ = [*_NAMES, *_MODULES]


def __getattr__(name):
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{_MODULES[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)


def _import_models():
    """Registers every model with Keras, which finds the class of a saved model only if it was imported."""
    for name in (*_MODELS, "evaluation"):
        __getattr__(name)


def _is_command_line():
    """Whether this process is the command `genzoo` of this distribution, not some program that bears its name."""
    if sys.orig_argv[1:3] == ["-m", "keras_genzoo.cli"]:
        return True
    script = Path(sys.argv[0])
    if script.stem != "genzoo":
        return False
    from importlib import metadata

    try:
        installed = metadata.files("keras-genzoo") or ()
    except metadata.PackageNotFoundError:
        installed = ()
    return any(Path(file.locate()).resolve() == script.resolve() for file in installed if file.stem == "genzoo")


# The command line alone imports what it needs when it needs it: `genzoo --help` must not wait for TensorFlow.
if not _is_command_line():
    _import_models()

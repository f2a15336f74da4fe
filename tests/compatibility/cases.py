"""The models whose files are kept, and what is asked of each, by the version that writes as by those that read.

Every class, and each option that changes what is saved, fed or answered; networks of a few units, so that files are
small.
"""

import keras
import numpy as np

import keras_genzoo as gz
from keras_genzoo.adversarial import losses
from keras_genzoo.translation_model import TranslationModel

SHAPE, N, NUM_CLASSES = (4, 4, 1), 6, 3


def own(outputs, inputs, *middle, last=None, labels=False):
    """A user's own network, `inputs` to `outputs` with a few units between, and labels beside where there are some."""
    first = keras.Input(inputs)
    x = keras.layers.Flatten()(first)
    given = first
    if labels:
        label = keras.Input((), dtype="int32")
        x = keras.layers.Concatenate()([x, keras.layers.Embedding(NUM_CLASSES, 2)(label)])
        given = [first, label]
    for layer in (keras.layers.Dense(4, activation="tanh"), *middle):
        x = layer(x)
    x = keras.layers.Dense(int(np.prod(outputs)), activation=last)(x)
    return keras.Model(given, keras.layers.Reshape(outputs)(x))


def coded(codes, parameters=1, **options):
    """Encoder and decoder of latents of 2."""
    return {
        "encoder": own((codes,), SHAPE, **options),
        "decoder": own((*SHAPE[:2], parameters), (2,), **options),
        "latent_dim": 2,
    }


def players(middle=(), **options):
    return {
        "generator": own(SHAPE, (2,), last="sigmoid", **options),
        "discriminator": own((1,), SHAPE, *middle, **options),
        "latent_dim": 2,
    }


def two_way(shape, scores=(1, 1, 1)):
    """The four networks between sources and targets of one shape."""
    last = "sigmoid" if len(shape) == 3 else None
    networks = {name: own(shape, shape, last=last) for name in ("generator", "back_generator")}
    return networks | {name: own(scores, shape) for name in ("discriminator", "source_discriminator")}


def adam(**options):
    return keras.optimizers.Adam(1e-2, **options)


TINY = {"num_filters": 2, "num_residual_blocks": 1}
LABELS = {"num_classes": NUM_CLASSES}
RBM = {"num_hidden": 3, "num_gibbs_steps": 2, "num_sampling_steps": 20}
DECAY = keras.optimizers.schedules.CosineDecay
# Name -> class, function that gives its arguments, function that gives those of `compile`.
CASES = {
    "autoencoder": (gz.Autoencoder, lambda: coded(2), lambda: {}),
    "autoencoder_gaussian": (gz.Autoencoder, lambda: {**coded(2), "likelihood": "gaussian"}, lambda: {}),
    "denoising_masking": (gz.DenoisingAutoencoder, lambda: coded(2), lambda: {"optimizer": "sgd"}),
    "denoising_gaussian_conditional": (
        gz.DenoisingAutoencoder,
        lambda: {
            **coded(2, labels=True),
            **LABELS,
            "corruption": "gaussian",
            "corruption_level": 0.4,
            "likelihood": "continuous_bernoulli",
        },
        lambda: {},
    ),
    "vae": (gz.VAE, lambda: coded(4), lambda: {"optimizer": adam(clipnorm=1.0)}),
    "vae_float16": (gz.VAE, lambda: {**coded(4), "dtype": "mixed_float16"}, lambda: {}),
    "vae_schedule_ema": (
        gz.VAE,
        lambda: coded(4),
        lambda: {"optimizer": keras.optimizers.Adam(DECAY(1e-2, 9), use_ema=True)},
    ),
    "vae_conditional": (gz.VAE, lambda: {**coded(4, labels=True), **LABELS, "beta": 0.5}, lambda: {}),
    "vae_mixture_iwae": (
        gz.VAE,
        lambda: {
            **coded(4, 2),
            "prior": "mixture",
            "num_prior_components": 3,
            "num_importance_samples": 3,
            "likelihood": "quantized_logistic",
            "kl_warmup_steps": 5,
        },
        lambda: {},
    ),
    "vae_vamp_conditional": (
        gz.VAE,
        lambda: {**coded(4, labels=True), **LABELS, "prior": "vamp", "num_prior_components": 4},
        lambda: {"optimizer": "rmsprop"},
    ),
    "gan": (gz.GAN, players, lambda: {}),
    "gan_averaged_uniform": (
        gz.GAN,
        lambda: {**players(), "generator_ema_decay": 0.8, "prior": "uniform", "discriminator_steps": 2},
        lambda: {"generator_optimizer": adam(), "discriminator_optimizer": adam(beta_1=0.3)},
    ),
    "gan_float16_smoothed": (
        gz.GAN,
        lambda: {**players(), "dtype": "mixed_float16"},
        lambda: {"loss": losses.NonSaturating(label_smoothing=0.1)},
    ),
    "gan_r1_least_squares": (gz.GAN, players, lambda: {"loss": "least_squares", "regularizer": losses.R1(0.3)}),
    "gan_minimax_conditional": (
        gz.GAN,
        lambda: {**players(labels=True), **LABELS},
        lambda: {"loss": "minimax", "generator_optimizer": keras.optimizers.SGD(0.1, momentum=0.9)},
    ),
    "dcgan": (gz.DCGAN, lambda: {"latent_dim": 2, "num_filters": 1}, lambda: {}),
    "dcgan_spectral": (
        gz.DCGAN,
        lambda: {"latent_dim": 2, "num_filters": 1, "discriminator_normalization": "spectral"},
        lambda: {"loss": "hinge"},
    ),
    "conditional_gan_own": (gz.ConditionalGAN, lambda: {**players(labels=True), **LABELS}, lambda: {"loss": "hinge"}),
    "conditional_gan_conv_projection": (
        gz.ConditionalGAN,
        lambda: (
            {"generator": own(SHAPE, (2,), last="sigmoid", labels=True), "latent_dim": 2, **LABELS}
            | {"discriminator": own((1,), SHAPE, labels=True), "backbone": "conv", "projection": True}
        ),
        lambda: {},
    ),
    "wgan_gp": (gz.WGANGP, lambda: {"latent_dim": 2, "num_filters": 1, "discriminator_steps": 2}, lambda: {}),
    "adversarial_autoencoder": (
        gz.AdversarialAutoencoder,
        lambda: {**coded(2), "discriminator": own((1,), (2,)), "likelihood": "gaussian"},
        lambda: {"loss": "least_squares"},
    ),
    "gaussian_mixture": (gz.GaussianMixture, lambda: {"shape": SHAPE, "num_components": 2}, lambda: {}),
    "gaussian_mixture_tied": (
        gz.GaussianMixture,
        lambda: {"shape": (3,), "num_components": 2, "covariance": "tied", "regularization": 0.1},
        lambda: {},
    ),
    "gaussian_mixture_steps": (
        gz.GaussianMixture,
        lambda: {"shape": (3,), "num_components": 2, "covariance": "diagonal", "step_size_decay": 0.7},
        lambda: {},
    ),
    "class_conditional_gaussian": (gz.ClassConditionalGaussian, lambda: {"shape": SHAPE, **LABELS}, lambda: {}),
    "class_conditional_gaussian_components": (
        gz.ClassConditionalGaussian,
        lambda: {"shape": SHAPE, **LABELS, "covariance": "tied", "num_principal_components": 2},
        lambda: {},
    ),
    "variational_gaussian_mixture": (
        gz.VariationalGaussianMixture,
        lambda: {"shape": SHAPE, "num_components": 2, "regularization": 0.1},
        lambda: {},
    ),
    "bernoulli_mixture": (gz.BernoulliMixture, lambda: {"shape": SHAPE, "num_components": 2}, lambda: {}),
    "rbm": (gz.RestrictedBoltzmannMachine, lambda: {**RBM, "persistent": True, "num_chains": 4}, lambda: {}),
    "rbm_plain": (gz.RestrictedBoltzmannMachine, lambda: {**RBM, "centered": False}, lambda: {"optimizer": adam()}),
    "pix2pix": (gz.Pix2Pix, lambda: {"num_filters": 1, "source_shape": (4, 4, 3)}, lambda: {}),
    "cyclegan": (
        gz.CycleGAN,
        lambda: {**two_way(SHAPE), "pool_size": 4, "identity_weight": 0.5, "cycle_weight": 3.0},
        lambda: {"loss": "hinge"},
    ),
    "cyclegan_built": (
        gz.CycleGAN,
        lambda: {"image_shape": (5, 5, 1), "num_filters": 1, "num_residual_blocks": 1, "pool_size": 0},
        lambda: {},
    ),
    "discogan": (gz.DiscoGAN, lambda: {"num_filters": 1, "source_shape": (4, 4, 3)}, lambda: {}),
    "discogan_points": (
        gz.DiscoGAN,
        lambda: {"shape": (2,), "reconstruction_weight": 0.5, **two_way((2,), (1,))},
        lambda: {},
    ),
    "dtn": (
        gz.DTN,
        lambda: {"num_filters": 1, "features": own((2, 2), SHAPE), "tv_weight": 0.1},
        lambda: {"generator_optimizer": adam()},
    ),
    "pixel_dtgan": (gz.PixelDTGAN, lambda: {"num_filters": 1, "code_dim": 2, "source_shape": (4, 4, 3)}, lambda: {}),
    "pixelcnn": (gz.PixelCNN, lambda: TINY, lambda: {}),
    "pixelcnn_levels_conditional": (gz.PixelCNN, lambda: {**TINY, **LABELS, "num_levels": 5}, lambda: {}),
    "pixelcnn_vectors_dilated": (
        gz.PixelCNN,
        lambda: {"num_filters": 2, "num_residual_blocks": 2, "condition_dim": 2, "dilations": (1, 2)},
        lambda: {},
    ),
    "gated_pixelcnn": (gz.GatedPixelCNN, lambda: TINY, lambda: {"optimizer": adam()}),
    "gated_pixelcnn_colour_logistic": (
        gz.GatedPixelCNN,
        lambda: {
            "image_shape": (4, 3, 3),
            "num_filters": 6,
            "num_residual_blocks": 1,
            "num_levels": 256,
            "likelihood": "logistic_mixture",
        },
        lambda: {},
    ),
    "gated_pixelcnn_conditional": (gz.GatedPixelCNN, lambda: {**TINY, **LABELS, "num_levels": 17}, lambda: {}),
    "pixelcnn_plus_plus": (
        gz.PixelCNNPlusPlus,
        lambda: {**TINY, **LABELS, "num_scales": 2, "num_mixtures": 2, "num_levels": 17},
        lambda: {},
    ),
    "row_lstm": (gz.RowLSTM, lambda: {"num_filters": 2, "num_layers": 1}, lambda: {}),
    "diagonal_bilstm_conditional": (
        gz.DiagonalBiLSTM,
        lambda: {**LABELS, "num_levels": 5, "num_filters": 2, "num_layers": 2, "dropout": 0.1},
        lambda: {"optimizer": adam(use_ema=True, clipnorm=1.0)},
    ),
    "multi_scale_pixel_rnn": (
        gz.MultiScalePixelRNN,
        lambda: {"factor": 2, "num_filters": 2, "num_layers": 1},
        lambda: {},
    ),
    "classifier": (
        gz.evaluation.Classifier,
        lambda: {**LABELS, "max_shift": 1},
        lambda: {"optimizer": keras.optimizers.SGD(0.0)},
    ),
}


def build(name):
    cls, arguments, _ = CASES[name]
    keras.utils.set_random_seed(len(name))
    arguments = arguments()
    model = cls(**arguments if "shape" in arguments else {"image_shape": SHAPE, **arguments})
    if cls is gz.evaluation.Classifier:  # whose size is given: numbers of few digits make a small file
        model.set_weights([np.round(weight * 8) / 8 for weight in model.get_weights()])
    return model


def batch(model, seed=0):
    """Images of levels that every model takes, and what they are conditioned on, for those that want it."""
    rng = np.random.default_rng(seed)
    if isinstance(model, (gz.GaussianMixture, gz.VariationalGaussianMixture)):
        return (rng.normal(size=(N, *model.sample_domain.shape)).astype("float32"),)
    if isinstance(model, gz.ClassConditionalGaussian):
        values = rng.normal(size=(N, *model.sample_domain.shape)).astype("float32")
        return values, np.arange(N, dtype="int32") % NUM_CLASSES
    if isinstance(model, TranslationModel):
        return tuple(rng.uniform(size=(N, *domain.shape)).astype("float32") for domain in model.batch_domains)
    if isinstance(model, gz.BernoulliMixture):
        return (rng.integers(0, 2, (N, *SHAPE)).astype("float32"),)
    largest = (model.num_levels or 256) - 1 if hasattr(model, "num_levels") else 255
    images = (rng.integers(0, largest + 1, (N, *model.image_shape)) / largest).astype("float32")
    if getattr(model, "condition_dim", None):
        return images, rng.normal(size=(N, model.condition_dim)).astype("float32")
    return (images, rng.integers(0, NUM_CLASSES, N).astype("int32")) if model.num_classes else (images,)


def answers(model):
    """What a model answers, verb by verb: name -> array."""
    images, *labels = batch(model)
    has = {name for name in VERBS if hasattr(model, name)}
    if has & {"responsibilities", "translate", "free_energy"} or isinstance(model, gz.ClassConditionalGaussian):
        return {name: np.asarray(value) for name, value in answers_of_others(model, images, *labels).items()}
    found = {}
    if "sample" in has:
        found["sample"] = model.sample(N, *labels, seed=3)
    if "decode" in has:
        latents = np.random.default_rng(1).normal(size=(N, model.latent_dim)).astype("float32")
        found["decode"] = model.decode(latents, *labels)
        found["prior_log_prob"] = model.prior.log_prob(latents * 0.1)
    if "discriminate" in has:
        found["discriminate"] = model.discriminate(images, *labels)
        found["call"] = model(latents, *labels)
        found["interpolate"] = model.interpolate(latents[:2], latents[2:4], 3, *(x[:2] for x in labels))
        found["latent_arithmetic"] = model.latent_arithmetic(latents[:2], latents[2:4], latents[4:])
    else:
        found["call"] = model(images, *([] if "features" in has else labels))
    if "encode" in has:
        found["encode"] = model.encode(images, *labels)
        found["reconstruct"] = model.reconstruct(images, *labels)
        found["interpolate"] = model.interpolate(images[:2], images[2:4], 3, *(x[:2] for x in labels))
        found["likelihood"] = model.likelihood(found["encode"], *labels).log_prob(images)
    if "posterior" in has:
        found["posterior_scale"] = model.posterior(images, *labels).stddev()
        found["log_prob"] = model.log_prob(images, *labels, num_importance_samples=5, seed=2)
    elif "log_prob" in has:
        found["log_prob"] = model.log_prob(images, *labels)
        found["conditional_mean"] = model.conditional(images, *labels).mean()
        known = np.arange(images[0].size).reshape(images.shape[1:]) < images[0].size // 2
        found["complete"] = model.complete(images, known, *labels, seed=5)
    if "features" in has:
        found["features"] = model.features(images)
    return {name: np.asarray(value) for name, value in found.items()}


def answers_of_others(model, sample, condition=None):
    """Those of mixtures, Gaussians of classes, energy-based and translation models."""
    if isinstance(model, gz.ClassConditionalGaussian):
        return {
            "sample": model.sample(N, condition, seed=3),
            "sample_of_any_class": model.sample(N, seed=3),
            "log_prob": model.log_prob(sample, condition),
            "log_prob_of_any_class": model.log_prob(sample),
            "classify": model.classify(sample),
        }
    if "translate_back" in model.verbs:
        return {"translate": model.translate(condition), "translate_back": model.translate_back(sample)}
    if condition is not None:
        translated = {"translate": model.translate(condition, seed=3)}
        if "discriminate" in model.verbs:
            translated["discriminate"] = model.discriminate(sample, condition)
        return translated
    of_samples = [verb for verb in model.verbs if verb != "sample"]
    return {"sample": model.sample(N, seed=3), **{verb: getattr(model, verb)(sample) for verb in of_samples}}


VERBS = (
    "responsibilities",
    "free_energy",
    "translate",
    "sample",
    "decode",
    "discriminate",
    "encode",
    "posterior",
    "log_prob",
    "features",
)


def what_comes_next(model):
    """What a compiled model draws and does next, from the random states and the moments that it was saved with."""
    images, *labels = batch(model, seed=1)
    found = {}
    if hasattr(model, "translate"):
        found["drawn"] = model.translate(*labels)
    elif hasattr(model, "sample"):
        found["drawn"] = model.sample(N, *labels)
    if not model.optimizer_names:  # an epoch is a step
        found["loss"] = model.fit(images, *labels, batch_size=4, shuffle=False, verbose=0).history["loss"]
        found["weights"] = [float(np.abs(weight.numpy()).astype("float64").sum()) for weight in model.weights]
        return {name: np.asarray(value) for name, value in found.items()}
    found |= {f"step_{k}": v for k, v in model.train_on_batch(images, *labels, return_dict=True).items()}
    found["weights"] = [float(np.abs(weight.numpy()).astype("float64").sum()) for weight in model.weights]
    return {name: np.asarray(value) for name, value in found.items()}

"""How good a model is, in figures that can stand beside published ones."""

from keras_genzoo.evaluation.agreement import ClassifierAgreement, class_imbalance, classifier_agreement
from keras_genzoo.evaluation.classifier import Classifier
from keras_genzoo.evaluation.features import FeatureSpace, default_features, feature_space
from keras_genzoo.evaluation.frechet import FrechetDistance, frechet_distance
from keras_genzoo.evaluation.kernel import KernelDistance, kernel_distance
from keras_genzoo.evaluation.likelihood import log_likelihood
from keras_genzoo.evaluation.model_figures import reference_figures, sample_figures
from keras_genzoo.evaluation.neighborhoods import PrecisionRecall, precision_recall
from keras_genzoo.figure import Figure

__all__ = [
    "Classifier",
    "ClassifierAgreement",
    "FeatureSpace",
    "Figure",
    "FrechetDistance",
    "KernelDistance",
    "PrecisionRecall",
    "class_imbalance",
    "classifier_agreement",
    "default_features",
    "feature_space",
    "frechet_distance",
    "kernel_distance",
    "log_likelihood",
    "precision_recall",
    "reference_figures",
    "sample_figures",
]

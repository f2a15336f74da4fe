"""How good a model is, in figures that can stand beside published ones."""

from keras_genzoo.evaluation.agreement import ClassifierAgreement, class_imbalance, classifier_agreement
from keras_genzoo.evaluation.classifier import Classifier
from keras_genzoo.evaluation.features import FeatureSpace, default_features, feature_space
from keras_genzoo.evaluation.frechet import FrechetDistance, frechet_distance
from keras_genzoo.evaluation.kernel import KernelDistance, kernel_distance
from keras_genzoo.evaluation.mixtures import dihedral_log_prob, mixture_log_prob
from keras_genzoo.evaluation.model_measurements import reference_measurements, sample_measurements
from keras_genzoo.evaluation.neighborhoods import PrecisionRecall, precision_recall
from keras_genzoo.likelihood import log_likelihood
from keras_genzoo.measurement import Measurement
from keras_genzoo.translation_distances import nearest_neighbor

__all__ = [
    "Classifier",
    "ClassifierAgreement",
    "FeatureSpace",
    "FrechetDistance",
    "KernelDistance",
    "Measurement",
    "PrecisionRecall",
    "class_imbalance",
    "classifier_agreement",
    "default_features",
    "dihedral_log_prob",
    "feature_space",
    "frechet_distance",
    "kernel_distance",
    "log_likelihood",
    "mixture_log_prob",
    "nearest_neighbor",
    "precision_recall",
    "reference_measurements",
    "sample_measurements",
]

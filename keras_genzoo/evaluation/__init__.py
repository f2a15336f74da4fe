"""How good a model is, in figures that can stand beside published ones."""

from keras_genzoo.evaluation.likelihood import log_likelihood

__all__ = ["log_likelihood"]

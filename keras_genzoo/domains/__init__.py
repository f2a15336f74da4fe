"""Domains: one kind of value each, that a model is given or gives.

A domain says what may enter a model, converts it, shows it to a person and makes legal examples of it. It is dumb on
purpose: no networks, no noise, no likelihoods. The same check runs on arrays, on tensors, inside `Dataset.map` and in a
served graph. Classes choose their domains, users do not.
"""

from keras_genzoo.domains.domain import Domain
from keras_genzoo.domains.numbers import Labels, Latents, Number, Tokens, Values, Vectors, count, seed, temperature
from keras_genzoo.domains.parts import Parts
from keras_genzoo.domains.unit_interval import Images, LevelImages, Masks, PianoRolls, Voxels

__all__ = [
    "Domain",
    "Images",
    "Labels",
    "Latents",
    "LevelImages",
    "Masks",
    "Number",
    "Parts",
    "PianoRolls",
    "Tokens",
    "Values",
    "Vectors",
    "Voxels",
    "count",
    "seed",
    "temperature",
]

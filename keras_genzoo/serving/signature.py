"""The verbs of a model as functions of named tensors: what is exported, and what the command line and tests go by."""

from typing import NamedTuple


class Signature(NamedTuple):
    """A function of named tensors, what it takes and what it gives.

    Attributes:
        function: takes the inputs as keyword arguments, returns a dict of named tensors; runs inside a graph.
        inputs: dict, name of an input to its domain: a `Domain` for those that hold a row for each example, a `Number`
            for the others.
        outputs: dict, name of an output to its `Domain`.
        compiled: the same function with its loops marked for XLA, where it has any that are worth it, or None.
    """

    function: callable
    inputs: dict
    outputs: dict
    compiled: callable = None

"""A condition of several parts, such as an image and a pose."""

import tensorflow as tf


class Parts:
    """Several domains under names, whose values are a dict: `Parts(source=Images(...), pose=Vectors(...))`.

    In a batch given as a dict, the parts stand beside the sample under their names.

    Args:
        **parts: name of the part -> `Domain`, which takes that name.
    """

    noun = "row"

    def __init__(self, **parts):
        self.parts = parts

    @property
    def name(self):
        return " and ".join(self.parts)

    @property
    def keys(self):
        return tuple(self.parts)

    @property
    def spec(self):
        """dict of `tf.TensorSpec`."""
        return {name: tf.TensorSpec(x.spec.shape, x.spec.dtype, name) for name, x in self.parts.items()}

    @property
    def num_values(self):
        return sum(domain.num_values for domain in self.parts.values())

    def check(self, values, name=None, check_values=None):
        """Each part checked; ValueError for anything but a dict of these very parts. See `Domain.check`."""
        name = name or "condition"
        if not isinstance(values, dict) or values.keys() != self.parts.keys():
            given = f"the keys {sorted(values)}" if isinstance(values, dict) else f"a {type(values).__name__}"
            raise ValueError(f"`{name}` must be a dict with the keys {sorted(self.parts)}; got {given}.")
        checked = {part: domain.check(values[part], part, check_values) for part, domain in self.parts.items()}
        lengths = {part: x.shape[0] for part, x in checked.items() if x.shape[0] is not None}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"`{name}` must hold equally many of each part; got {lengths}.")
        return checked

    def __call__(self, values, name=None):
        """The parts as a dict of tensors; see `Domain.__call__`."""
        return {part: self.parts[part].convert(x) for part, x in self.check(values, name).items()}

    def examples(self, n, seed=0):
        return {name: domain.examples(n, seed + i) for i, (name, domain) in enumerate(self.parts.items())}

    def picture(self, values):
        """That of the first part that has one."""
        shown = (domain.picture(values[name]) for name, domain in self.parts.items())
        return next((picture for picture in shown if picture is not None), None)

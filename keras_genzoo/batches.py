"""Batches: what a model draws and what it is drawn from, in whatever form they come together."""


def split(batch, sample_keys=("image", "images"), condition_keys=("label", "labels"), parts=()):
    """Splits `sample`, `(sample, condition)` or `{"image": ..., "label": ...}`, as TFDS gives it, in two.

    Args:
        batch: see above.
        sample_keys: tuple of str, the names that a dict may give the sample.
        condition_keys: tuple of str, those of the condition.
        parts: tuple of str, where the condition is a dict: the names of its parts, which stand beside the sample.

    Returns:
        the sample, and the condition or None.

    Raises:
        ValueError: for a dict without a sample, and for more than the two.
    """
    if isinstance(batch, dict):
        sample = [batch[key] for key in sample_keys if key in batch]
        if not sample:
            raise ValueError(
                f"a batch given as a dict must have the key {sample_keys[0]!r} (and {condition_keys[0]!r} for a "
                f"conditional model); got the keys {sorted(batch)}. Use dataset.map to rename them."
            )
        if parts:
            return sample[0], {part: batch[part] for part in parts if part in batch}
        return sample[0], next((batch[key] for key in condition_keys if key in batch), None)
    if isinstance(batch, (tuple, list)):
        if len(batch) > 2 and batch[2] is not None:
            raise ValueError(
                "a batch must be images, (images, labels) or {'image', 'label'}; got a third element. "
                "Sample weights are not supported: drop them with dataset.map."
            )
        return batch[0], batch[1] if len(batch) > 1 else None
    return batch, None


def split_by(domains, batch):
    """Splits a batch as `split` does, by the names of its one or two domains."""
    sample, *condition = domains
    keys = {"sample_keys": sample.keys}
    if condition:
        keys |= {"condition_keys": condition[0].keys, "parts": tuple(condition[0].parts)}
    return split(batch, **keys)


def check(batch, domains, names=None):
    """Checks a batch as `fit` takes them, its values too: inside a graph when that runs, or of NumPy at once.

    Args:
        batch: what `split` takes.
        domains: tuple of the sample's domain and, for a model that wants one, the condition's.
        names: tuple of the arguments' names, for messages; by default the domains'.

    Returns:
        tuple of what the domains are for, checked.
    """
    names = names or tuple(domain.name for domain in domains)
    values = zip(domains, split_by(domains, batch), names, strict=False)  # the batch may hold a condition more
    checked = tuple(domain.check(value, name, check_values=True) for domain, value, name in values)
    if len(checked) > 1:
        check_number(checked[1], num_rows(checked[0]), names[1], domains[1].noun)
    return checked


def check_number(values, num_expected, name, noun):
    """ValueError unless there are so many values; nothing where either number is not known yet, as inside a graph."""
    num_given = num_rows(values)
    if None not in (num_given, num_expected) and num_given != num_expected:
        raise ValueError(f"`{name}` must hold one {noun} an example: expected {num_expected}, got {num_given}.")


def num_rows(values):
    """int or None: length of the leading axis of an array or tensor, or of those of a dict."""
    if isinstance(values, dict):
        values = next(iter(values.values()))
    return values.shape[0]

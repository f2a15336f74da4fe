"""Values of each kind that must be refused, and the words that the error must hold."""

import numpy as np


def images(good):
    """Of float images `(n, 8, 8, 1)`: case -> wrong ones and a pattern of the error."""
    return {
        "channel axis missing": (good[..., 0], r"must have shape \(n, 8, 8, 1\).*Add the channel axis"),
        "other size": (good[:, :6], r"must have shape \(n, 8, 8, 1\); got \(\w+, 6, 8, 1\).*Resize"),
        "above 1": (good * 0 + 1.5, r"must lie in \[0, 1\].*1\.5"),
        "below 0": (good * 0 - 0.5, r"must lie in \[0, 1\].*-0\.5"),
        "NaN": (good * np.nan, r"hold no NaN"),
        "bits as bytes": ((good > 0.5).astype("uint8"), r"holds 0 and 1 alone.*Multiply bits by 255"),
        "int32": ((good * 255).astype("int32"), r"uint8 in 0\.\.255; got dtype int32.*tf\.uint8"),
        "int64": ((good * 255).astype("int64"), r"uint8 in 0\.\.255; got dtype int64"),
        "bool": (good > 0.5, r"got dtype bool"),
    }


def labels(good, num_classes):
    """Of labels `(n,)`; None stands for none given."""
    return {
        "missing": (None, "missing"),
        "one-hot": (np.eye(num_classes, dtype="float32")[good], r"tf\.argmax"),
        "too large": (good + num_classes, rf"0\.\.{num_classes - 1}"),
        "negative": (good - num_classes, rf"0\.\.{num_classes - 1}"),
    }


def vectors(good):
    """Of the vectors `(n, d)` that a model may be conditioned on."""
    return {
        "missing": (None, "missing"),
        "other length": (good[:, 1:], r"must be floats of shape \(n, \d+\)"),
        "integers": (good.astype("int32"), "must be floats"),
        "NaN": (good * np.nan, "must be finite"),
    }


def latents(good):
    """Of latents `(n, d)`."""
    return {
        "other length": (good[:, 1:], r"must be floating of shape \(\.\.\., n, \d+\)"),
        "no rows": (good[0], "must be floating of shape"),
        "integers": (good.astype("int32"), "must be floating"),
        "NaN": (good * np.nan, "must be finite"),
        "infinite": (good * np.inf, "must be finite"),
    }


def served(name, good):
    """What an exported model must refuse for its input `name`, by an error that names it."""
    nan = np.float32("nan")
    return {
        "num_samples": lambda: [np.int32(-1), np.int32(0), np.int32(2**30), np.array([good], "int32")],
        "num_importance_samples": lambda: [np.int32(0), np.int32(2**30)],
        "temperature": lambda: [np.float32(0), nan],
        "seed": lambda: [np.array([good], "int32")],
        "images": lambda: [good + 1.5, good * nan, good[..., 0], good[:, :5], good[:0], np.repeat(good, 400, axis=0)],
        "known": lambda: [good[..., 0]],
        "latents": lambda: [good * nan, good[:, 1:], good[0], np.repeat(good, 400, axis=0)],
        "labels": lambda: [good + 10, good - 10, good[:, None], good[1:]],
    }[name]()

"""Values of each kind that must be refused, and the words that the error must hold."""

import numpy as np

from keras_genzoo import domains
from keras_genzoo.models.autoregressive.pixel_sampling import Known


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


def values(good):
    """Of the values `(n, ...)` that a density is about."""
    return {
        "other shape": (good[..., None], r"must be floats of shape \(n, "),
        "int64": (np.zeros(good.shape, "int64"), "must be floats"),
        "NaN": (good * np.nan, "must be finite"),
    }


def of(domain, good):
    """Of the domain of an argument: case -> wrong values, made of good ones, and a pattern of the error."""
    kinds = {
        domains.Labels: lambda: labels(good, domain.num_classes),
        domains.Latents: lambda: latents(good),
        domains.Values: lambda: values(good),
        domains.Vectors: lambda: vectors(good),
        Known: lambda: {"floats": (good.astype("float32"), "must be bool"), "other size": (good[:, :3], "broadcasts")},
        domains.Images: lambda: images(good),
    }
    return next(make for kind, make in kinds.items() if isinstance(domain, kind))()


def of_number(name):
    """Of a number of a request, as the verb takes it."""
    return {
        "num_samples": [(0, "`num_samples` must be a positive integer; got 0"), (2.5, "`num_samples`")],
        "num_importance_samples": [(0, "`num_importance_samples` must be a positive integer")],
        "seed": [(2**31, "`seed` must fit in 32 bits"), ("0", "`seed` must be an integer")],
        "temperature": [(0.0, "`temperature` must be positive"), (float("nan"), "`temperature` must be positive")],
    }[name]


def served(domain, good):
    """What an exported model must refuse for an input, by an error that names it."""
    if isinstance(domain, domains.Number):
        of_other_rank = np.array([good], domain.dtype)
        return {
            "seed": [of_other_rank],
            "temperature": [np.float32(0), np.float32("nan")],
            "num_importance_samples": [np.int32(0), np.int32(2**30)],
            "num_samples": [np.int32(-1), np.int32(0), np.int32(2**30), of_other_rank],
        }[domain.name]
    kinds = {
        domains.Labels: lambda: [good + domain.num_classes, good - domain.num_classes, good[:, None], good[1:]],
        domains.Latents: lambda: [good * np.nan, good[:, 1:], good[0], np.repeat(good, 400, axis=0)],
        domains.Vectors: lambda: [good * np.nan, good[:, 1:], good[:0], np.repeat(good, 400, axis=0)],
        Known: lambda: [good[..., 0]],
        domains.Images: lambda: [
            *(good + 1.5, good * np.nan, good[..., 0], good[:, :5], good[:0], np.repeat(good, 400, axis=0)),
        ],
    }
    return next(make for kind, make in kinds.items() if isinstance(domain, kind))()

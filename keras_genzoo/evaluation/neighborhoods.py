"""Precision, recall, density and coverage of generated images.

Around each image lies the ball that reaches to its k-th nearest neighbour among the images of its own kind.

- precision: the share of generated images within the ball of some real image (are they like real ones?)
- recall: the share of real images within the ball of some generated image (is every kind of image drawn?)

Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991. Two measures less moved by outliers, whose balls are large:

- density: how many balls of real images a generated one lies in, on average, divided by k; may exceed 1
- coverage: the share of real images with a generated one in their ball

Naeem et al. 2020, https://arxiv.org/abs/2002.09797. All depend on n and k: compare only numbers taken at the same.
"""

import numpy as np

from keras_genzoo.evaluation.feature_metric import FeatureMetric, compare
from keras_genzoo.measurement import Measurement

_WORKING_MEMORY = 128  # MiB of pairwise distances held at a time


class PrecisionRecall(FeatureMetric):
    """Precision, recall, density and coverage; larger is better.

    Its memory holds the features of all images.

    Args:
        features: see `feature_space`.
        num_neighbors: int, k.
        name: str.
    """

    def __init__(self, features, num_neighbors=5, name="precision_recall"):
        super().__init__(features, name)
        if not isinstance(num_neighbors, int) or num_neighbors < 1:
            raise ValueError(f"`num_neighbors` must be a positive integer; got {num_neighbors!r}.")
        self.num_neighbors = num_neighbors
        self.num_needed = num_neighbors + 1
        self.reset_state()

    def reset_state(self):
        self._features = {"real": [], "generated": []}

    def update_features(self, real=None, generated=None):
        for kind, features in (("real", real), ("generated", generated)):
            if features is not None:
                self._features[kind].append(self.to_numpy(features).astype("float32"))

    def _num_seen(self):
        return [sum(map(len, batches)) for batches in self._features.values()]

    def result(self):
        """dict of floats: `precision`, `recall`, `density` and `coverage`."""
        self.require(*self._num_seen())
        real, generated = (np.concatenate(batches).astype("float64") for batches in self._features.values())
        return _precision_recall(real, generated, self.num_neighbors)

    def figures(self):
        num_real, num_generated = self._num_seen()
        method = f"k={self.num_neighbors} neighbours, {self.describe_features()}"
        return {
            name: Measurement(name, value, "", num_real, method, num_generated) for name, value in self.result().items()
        }


def _precision_recall(real, generated, k):
    real_radii, generated_radii = _radii(real, k), _radii(generated, k)
    within_real = np.zeros(len(generated), "int64")  # for each generated image the balls of real ones it lies in
    num_recalled = num_covered = start = 0
    for distances in _distances(real, generated):  # some rows of (num_real, num_generated)
        within = distances <= real_radii[start : start + len(distances), None]
        within_real += within.sum(axis=0)
        num_covered += within.any(axis=1).sum()
        num_recalled += (distances <= generated_radii).any(axis=1).sum()
        start += len(distances)
    return {
        "precision": float((within_real > 0).mean()),
        "recall": float(num_recalled / len(real)),
        "density": float(within_real.mean() / k),
        "coverage": float(num_covered / len(real)),
    }


def _radii(features, k):
    """Distance of each to its k-th nearest neighbour, not counting itself: `(n,)`."""
    return np.concatenate([np.partition(distances, k, axis=1)[:, k] for distances in _distances(features)])


def _distances(x, y=None):
    """Rows of the Euclidean distances between x and y, or within x, in chunks."""
    from sklearn.metrics import pairwise_distances_chunked

    return pairwise_distances_chunked(x, y, working_memory=_WORKING_MEMORY)


def precision_recall(real, generated, features, num_neighbors=5, batch_size=100, verbose=0):
    """Precision, recall, density and coverage; Kynkaanniemi et al. 2019, Naeem et al. 2020.

    Args:
        real: images `(n, h, w, c)`, float in [0, 1] or uint8, a `tf.data.Dataset` of batches as `fit` takes them, or a
            folder of pictures of one size, such as `"photos/"`.
        generated: the same, `(m, h, w, c)`.
        features: see `feature_space`, such as `"classifier_mnist"`.
        num_neighbors: int, k.
        batch_size: int, images of an array that pass through the network at a time.
        verbose: 1 for a progress bar.

    Returns:
        dict of the `Measurement`s `precision`, `recall` and `coverage`, in [0, 1], and `density`, at least 0.

    Raises:
        ValueError: for k or fewer images of either kind, images of different shapes or out of range, and features
            that are unknown or not finite.
    """
    return compare([PrecisionRecall(features, num_neighbors)], real, generated, batch_size, verbose)

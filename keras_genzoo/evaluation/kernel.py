"""The kernel distance between real and generated images: Binkowski et al. 2018, https://arxiv.org/abs/1801.01401.

The squared maximum mean discrepancy between the features of either kind, with the kernel k(x, y) = (x.y / d + 1)^3:

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)

estimated without bias in disjoint blocks of images, and averaged over them. So it has an error, is 0 in expectation
(a little below or above 0 in a draw) where the distributions are equal, and does not depend on n.
"""

import math

import numpy as np

from keras_genzoo.evaluation.feature_metric import FeatureMetric, compare
from keras_genzoo.measurement import Measurement

_MOST_BLOCKS_WAITING = 10


class KernelDistance(FeatureMetric):
    """Squared kernel distance between real and generated images; smaller is better, about 0 for equal distributions.

    Its memory holds one block of either kind, and up to ten of one that comes ahead of the other; what comes further
    ahead is left out. Images that fill no block count only where they are all there is.

    Args:
        features: see `feature_space`.
        block_size: int, at least 2, images of either kind in a block.
        name: str.
    """

    def __init__(self, features, block_size=100, name="kernel_distance"):
        super().__init__(features, name)
        if not isinstance(block_size, int) or block_size < 2:
            raise ValueError(f"`block_size` must be an integer of at least 2; got {block_size!r}.")
        self.block_size = block_size
        self.reset_state()

    def reset_state(self):
        self._waiting = {"real": None, "generated": None}  # features (n, d) that fill no block yet
        self._num_blocks, self._mean, self._scatter = 0, 0.0, 0.0  # over blocks; the scatter is n times the variance

    def update_features(self, real=None, generated=None):
        for kind, features in (("real", real), ("generated", generated)):
            if features is not None:
                features, waiting = self.to_numpy(features), self._waiting[kind]
                self._waiting[kind] = features if waiting is None else np.concatenate([waiting, features])
        b, most = self.block_size, self.block_size * _MOST_BLOCKS_WAITING
        while min(self._num_waiting()) >= b:
            distance = _squared_mmd(*(features[:b] for features in self._waiting.values()))
            self._waiting = {kind: features[b:].copy() for kind, features in self._waiting.items()}
            self._num_blocks += 1
            shift = distance - self._mean
            self._mean += shift / self._num_blocks
            self._scatter += shift * (distance - self._mean)
        for kind, features in self._waiting.items():
            if features is not None and len(features) > most:
                self._waiting[kind] = features[:most].copy()

    def _num_waiting(self):
        return [0 if features is None else len(features) for features in self._waiting.values()]

    def result(self):
        """float."""
        if self._num_blocks:
            return self._mean
        self.require(*self._num_waiting())
        n = min(self._num_waiting())
        return _squared_mmd(*(features[:n] for features in self._waiting.values()))

    def standard_error(self):
        """float: of the result, from its spread over blocks; NaN with fewer than 2."""
        b = self._num_blocks
        if b < 2:
            return math.nan
        return math.sqrt(self._scatter / (b - 1) / b)

    def figures(self):
        value, error = self.result(), self.standard_error()
        num_blocks, size = (self._num_blocks, self.block_size) if self._num_blocks else (1, min(self._num_waiting()))
        method = f"unbiased, mean of {num_blocks} blocks of {size}, kernel (x.y/d + 1)^3, {self.describe_features()}"
        n = num_blocks * size
        figure = Measurement(self.name, value, "", n, method, n, None if math.isnan(error) else error)
        return {self.name: figure}


def _squared_mmd(x, y):
    """The unbiased estimate from as many features x as y, `(n, d)`."""
    n, d = x.shape
    within = [(features @ features.T / d + 1) ** 3 for features in (x, y)]  # (n, n) each
    between = (x @ y.T / d + 1) ** 3
    return float(sum(k.sum() - np.trace(k) for k in within) / (n * (n - 1)) - 2 * between.mean())


def kernel_distance(real, generated, features, block_size=100, batch_size=100, verbose=0):
    """The squared kernel distance between real and generated images, with its error; Binkowski et al. 2018.

    Args:
        real: images `(n, h, w, c)`, float in [0, 1] or uint8, a `tf.data.Dataset` of batches as `fit` takes them, or a
            folder of pictures of one size, such as `"photos/"`.
        generated: the same, `(m, h, w, c)`.
        features: see `feature_space`, such as `"classifier_mnist"`.
        block_size: int, images of either kind in a block; the paper's is 1,000.
        batch_size: int, images of an array that pass through the network at a time.
        verbose: 1 for a progress bar.

    Returns:
        `Measurement`; its n counts the images in whole blocks, its standard error is that over blocks.

    Raises:
        ValueError: for fewer than 2 images of either kind, images of different shapes or out of range, and features
            that are unknown or not finite.
    """
    metric = KernelDistance(features, block_size)
    return compare([metric], real, generated, batch_size, verbose)["kernel_distance"]

"""RBM training: an epoch of `fit` against scikit-learn's `BernoulliRBM`, both by persistent contrastive divergence.

python -m pytest -m benchmark -s tests/benchmarks/test_rbm_training.py
"""

import keras
import numpy as np
import pytest
from sklearn.neural_network import BernoulliRBM

import keras_genzoo as gz
from tests.benchmarks import timing

NUM_IMAGES, BATCH_SIZE, NUM_HIDDEN, NUM_TRIALS = 20_000, 100, 500, 3


@pytest.mark.benchmark
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_epoch_against_scikit_learn(dtype):
    """scikit-learn computes in the dtype of its data, NumPy's default or ours; it is not centred, as ours is."""
    bits = np.random.default_rng(0).integers(0, 2, (NUM_IMAGES, 28, 28, 1))
    dataset = timing.batches(bits.astype("float32"), BATCH_SIZE)
    rbm = gz.RestrictedBoltzmannMachine((28, 28, 1), NUM_HIDDEN, persistent=True)
    rbm.compile(optimizer=keras.optimizers.SGD(0.01))
    peer = BernoulliRBM(NUM_HIDDEN, learning_rate=0.01, batch_size=BATCH_SIZE, n_iter=1, random_state=0)
    rows = bits.reshape(NUM_IMAGES, -1).astype(dtype)

    seconds = timing.in_turns(lambda: rbm.fit(dataset, verbose=0), lambda: peer.fit(rows), NUM_TRIALS)
    ratio, spread = timing.ratio(seconds)
    ours, theirs = (1000 * s * BATCH_SIZE / NUM_IMAGES for s in timing.medians(seconds))
    print(
        f"\nRBM of {NUM_HIDDEN}, 28x28x1, batch {BATCH_SIZE}: fit trains {ratio:.2f} times as many images a second as "
        f"scikit-learn's BernoulliRBM in {dtype} ({spread}; {ours:.1f} against {theirs:.1f} ms a step)"
    )

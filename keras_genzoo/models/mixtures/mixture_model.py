"""What mixtures share: expectation maximisation (Dempster, Laird and Rubin 1977, https://www.jstor.org/stable/2984875).

The density of a value is a weighted sum of those of k components:

    log p(x) = log sum_k w_k p_k(x)

An epoch of `fit` is one exact iteration, however the data are batched:

    E step   of each batch: r_nk, the probability that x_n came from component k, and sums over n of what M needs
    M step   at the end of the epoch: the parameters that fit the sums best

so that the likelihood of the training data never falls. On streams, with `step_size_decay`, each batch t = 0, 1, ...
has an M step of its own (Cappe and Moulines 2009, https://arxiv.org/abs/0712.4273), from sums s that forget slowly:

    s <- (1 - g) s + g s_batch,    g = (t + 2)^-decay

The s before is what the parameters say that the sums of data are, since the M step can be turned round. Everything is
computed in float64, parameters are float32.
"""

import keras
import numpy as np
import tensorflow as tf

from keras_genzoo import batches, checks, distributions, domains, serving
from keras_genzoo.graph_method import graph_method
from keras_genzoo.models.mixtures.fitted_by_sums import FittedBySums

_MOST_TO_START_FROM = 20_000  # values that clusters are sought among
_AT_ONCE = 1000  # of these, values that are summed over in one go


class MixtureModel(FittedBySums):
    """Base class of the mixtures.

    A subclass gives the components: `log_components`, `sums`, `maximize`, `generate`, and the shapes of its sums in
    `sum_shapes`. It makes its parameters in `__init__`, which ends in `self.build()`.

    Args:
        sample_domain: `Domain` of the values.
        num_components: int, k.
        step_size_decay: float from 0 to 1, or None for exact iterations.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(self, sample_domain, num_components, step_size_decay=None, **kwargs):
        if step_size_decay is not None and not 0 <= step_size_decay <= 1:
            raise ValueError(
                f"`step_size_decay` must lie in 0..1, above 0.5 to converge, or be None; got {step_size_decay!r}."
            )
        super().__init__(sample_domain, **kwargs)
        (self.num_components,) = checks.positive_integers("num_components", [num_components], 1)
        equal = keras.initializers.Constant(1 / num_components)
        # Rounded to half precision they would not sum to 1.
        self.mixture_weights = self.add_parameter("mixture_weights", (num_components,), equal, stays_float32=True)
        self.add_start()
        self.step_size_decay = step_size_decay
        if step_size_decay is not None:
            self.num_steps = self.add_counter("num_steps")

    def get_config(self):
        return {**super().get_config(), "num_components": self.num_components}

    @classmethod
    def arguments_from(cls, dataset):
        values, _ = batches.split(dataset.element_spec, domains.Values(()).keys)
        return {"shape": tuple(values.shape[1:])}

    # ---- what a subclass gives ----

    @property
    def sum_shapes(self):
        """dict, name of each sum to its shape."""
        raise NotImplementedError

    def log_components(self, x):
        """log p_k(x): float64 `(n, k)`, of float64 `x` `(n, d)`."""
        raise NotImplementedError

    def sums(self, x, responsibilities):
        """The sums over a batch `x` `(n, d)` that the M step needs, weighted by responsibilities `(n, k)`: a dict."""
        raise NotImplementedError

    def expected_sums(self, totals):
        """The sums that `maximize` makes the present parameters of, with responsibilities that sum to `totals`: a dict
        of float64 arrays, of models with `step_size_decay`."""
        raise NotImplementedError

    def maximize(self, totals, sums):
        """The M step: sets the components' parameters by the sums of an epoch.

        Args:
            totals: float64 array `(k,)`, the sums of responsibilities.
            sums: dict of float64 arrays.
        """
        raise NotImplementedError

    def begin_from(self, x):
        """What a model takes from the data beside its components, of float64 `x` `(n, d)`, before they are sought."""

    def expected_log_joint(self, x):
        """log w_k p_k(x), float64 `(n, k)`, of `x` `(n, d)`; its mean where parameters are distributions themselves."""
        return self._log_joint(x)

    def weights_of(self, totals):
        """The weights that the M step sets by the sums of responsibilities `(k,)`."""
        return totals / totals.sum()

    # ---- expectation maximisation ----

    @property
    def epoch_sum_shapes(self):
        return {"responsibility": (self.num_components,), **self.sum_shapes}

    def initialize(self, dataset):
        """Starts from k clusters of the data, found by k-means from k-means++ (Arthur and Vassilvitskii 2007)."""
        from sklearn.cluster import KMeans  # here, since it takes a while to import

        seed = int(self.next_seed()[0])
        x, num_rows = _some_rows((self._flat(self.unpack(batch)[0]).numpy() for batch in dataset), seed)
        if len(np.unique(x, axis=0)) < self.num_components:
            raise ValueError(
                f"`num_components` is {self.num_components}, but the data hold fewer different values; choose fewer."
            )
        labels = KMeans(self.num_components, n_init=1, random_state=seed % 2**31).fit_predict(x)
        self.begin_from(x)
        self._set_by(x, tf.one_hot(labels, self.num_components, dtype=tf.float64), num_rows / len(x))
        self.start.assign(1)

    def _set_by(self, x, responsibilities, rows_for_each):
        sums = dict.fromkeys(self.sum_shapes, 0.0)
        for first in range(0, len(x), _AT_ONCE):
            rows = slice(first, first + _AT_ONCE)
            for name, value in self.sums(tf.convert_to_tensor(x[rows]), responsibilities[rows]).items():
                sums[name] += rows_for_each * value.numpy()
        self._maximize(rows_for_each * tf.reduce_sum(responsibilities, axis=0).numpy(), sums)

    def train_step(self, data):
        return self.track(loss=tf.cast(-self.expect(data), tf.float32))

    def expect(self, data):
        """The E step of a batch: adds to the sums, and gives log sum_k of `expected_log_joint`, float64 `(n,)`."""
        x = self._flat(self.unpack(data)[0])
        log_joint = self.expected_log_joint(x)
        log_sum = tf.reduce_logsumexp(log_joint, axis=1)
        responsibilities = tf.exp(log_joint - log_sum[:, None])  # (n, k)
        self._sums.add(responsibility=tf.reduce_sum(responsibilities, axis=0), **self.sums(x, responsibilities))
        return log_sum

    def end_batch(self):
        if self.step_size_decay is None:
            return
        sums = self._sums.values()
        self._sums.reset()
        step_size = (self.num_steps.numpy() + 2.0) ** -self.step_size_decay
        totals = sums.pop("responsibility")
        # In numbers of examples: as many as the sums remember, which is what smoothing is beside.
        before = (1 - step_size) / step_size * totals.sum() * self.mixture_weights.numpy().astype("float64")
        expected = self.expected_sums(before)
        self._maximize(before + totals, {name: expected[name] + value for name, value in sums.items()})
        self.num_steps.assign_add(1)

    def end_epoch(self):
        if self.step_size_decay is None:
            sums = self._sums.values()
            self._maximize(sums.pop("responsibility"), sums)

    def _maximize(self, totals, sums):
        self.maximize(totals, sums)  # before the weights move: it may raise, and asks the model that the sums are of
        self.mixture_weights.assign(self.weights_of(totals))

    def test_step(self, data):
        return self.track(loss=-self._log_prob(self.unpack(data)[0]))

    # ---- the verbs ----

    def call(self, values):
        return self.log_prob(values)

    def log_prob(self, values):
        """log p(x), exact: float32 `(n,)`, nats.

        Args:
            values: float `(n, *shape)`, or uint8, which counts as levels 0 to 1.
        """
        return self._log_probs(self.sample_domain(values))

    def responsibilities(self, values):
        """The probability that each component gave a value: float32 `(n, num_components)`.

        Args:
            values: as for `log_prob`.
        """
        return self._responsibilities_of(self.sample_domain(values))

    @graph_method(reduce_retracing=True)
    def _log_probs(self, values):
        return self._log_prob(values)

    @graph_method(reduce_retracing=True)
    def _responsibilities_of(self, values):
        return self._responsibilities(values)

    def _log_prob(self, values):
        return tf.cast(tf.reduce_logsumexp(self._log_joint(self._flat(values)), axis=1), tf.float32)

    def _responsibilities(self, values):
        return tf.cast(tf.nn.softmax(self._log_joint(self._flat(values)), axis=1), tf.float32)

    def _log_joint(self, x):
        """log w_k p_k(x): float64 `(n, k)`."""
        return self.log_components(x) + tf.math.log(tf.cast(self.mixture_weights, tf.float64))

    def component_at(self, u):
        """The component into whose share of [0, 1] a number falls: int32 `(n,)`, of u `(n,)`."""
        return distributions.category_at(u, tf.convert_to_tensor(self.mixture_weights))

    def pictures(self):
        """The means of components of images, the heaviest first."""
        if len(self.sample_domain.shape) != 3:
            return {}
        order = tf.argsort(self.mixture_weights, direction="DESCENDING")
        means = tf.reshape(tf.gather(self.means, order), (-1, *self.sample_domain.shape))
        return {"means": self.sample_domain.picture(means)}

    def signatures(self):
        name = self.sample_domain.name

        def log_prob(**given):
            return {"log_prob": self._log_prob(given[name])}

        def responsibilities(**given):
            return {"responsibilities": self._responsibilities(given[name])}

        shares = domains.Vectors((self.num_components,), "responsibilities")
        return {
            **super().signatures(),
            "log_prob": serving.Signature(log_prob, self.sample_input(), {"log_prob": domains.Vectors((), "log_prob")}),
            "responsibilities": serving.Signature(responsibilities, self.sample_input(), {shares.name: shares}),
        }


def _some_rows(batches, seed):
    """At most so many rows of batches `(n, d)`, each with the same chance, in memory for no more; the number of all."""
    rng, rows, keys, num_rows = np.random.default_rng(seed % 2**31), [], [], 0
    for batch in batches:
        num_rows += len(batch)
        rows.append(batch)
        keys.append(rng.uniform(size=len(batch)))
        if sum(map(len, rows)) > 2 * _MOST_TO_START_FROM:
            rows, keys = _smallest(rows, keys)
    return _smallest(rows, keys)[0][0], num_rows


def _smallest(rows, keys):
    rows, keys = np.concatenate(rows), np.concatenate(keys)
    chosen = np.sort(np.argsort(keys)[:_MOST_TO_START_FROM])
    return [rows[chosen]], [keys[chosen]]

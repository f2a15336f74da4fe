"""What restricted Boltzmann machines say of images: free energies, and likelihoods by the partition function."""

import tensorflow as tf

from keras_genzoo import checks, domains, likelihood, serving
from keras_genzoo.graph_method import graph_method
from keras_genzoo.measurement import Measurement
from keras_genzoo.models.energy import partition

_MOST_HIDDEN_TO_SUM_OVER = 20
_CHAINS, _BETAS = 100, 10_000


class LikelihoodVerbs:
    """`free_energy`, `log_prob`, their signatures, and both estimates of the likelihood; a mixin of the model."""

    objectives = ()  # there is a likelihood
    _log_partitions = ()  # pairs: its name and the weights that it is of, and what it is

    @property
    def log_prob_is_exact(self):
        return True if self.num_hidden <= _MOST_HIDDEN_TO_SUM_OVER else None  # else it estimates, on either side

    def log_partition(self):
        """log Z as a `partition.LogPartition`: exact for up to 20 hidden units, else by annealed importance sampling.

        It is computed once for the weights as they are: a sum over 2^num_hidden states, or 100 chains of 10,000 sweeps,
        which then underestimate it, if anything.
        """
        if self.log_prob_is_exact:
            return self._once("exact", lambda: partition.exact(self.energy("float64")))
        base, seed = self.base_logits(tf.float32), checks.stateless_seed(0)
        return self._once("annealed", lambda: partition.annealed(self.energy(), base, _CHAINS, _BETAS, seed))

    def reverse_log_partition(self):
        """log Z from 100 samples annealed back to the base rates: it overestimates, if anything, where they are good.

        Returns:
            `partition.LogPartition`.
        """

        def compute():
            seeds = tf.random.split(checks.stateless_seed(0), 2)
            samples = self.flat(self._samples(self._noise(tf.constant(_CHAINS), seeds[0]), None))
            return partition.reverse_annealed(self.energy(), self.base_logits(tf.float32), samples, _BETAS, seeds[1])

        return self._once("reverse", compute)

    def _once(self, name, compute):
        """What `compute` gives, kept until a weight changes."""
        key = (name, *(weight.numpy().tobytes() for weight in [*self.energy(), self.visible_means]))
        kept = {one: value for one, value in self._log_partitions if one[1:] == key[1:]}
        if key not in kept:
            kept[key] = compute()
        self._log_partitions = tuple(kept.items())
        return kept[key]

    def measurements(self, dataset, num_importance_samples=None):
        if self.log_prob_is_exact:
            return super().measurements(dataset, num_importance_samples)
        result = likelihood.log_likelihood(self, dataset, verbose=1)
        from_base, from_samples = self.log_partition(), self.reverse_log_partition()
        samples = f"samples of {self.num_sampling_steps:,} sweeps"
        measured = {}
        for name, log_partition, how in (
            ("log_likelihood_ais", from_base, "AIS, an upper bound in expectation"),
            ("log_likelihood_reverse_ais", from_samples, f"AIS back from {samples}, a lower bound if they are good"),
        ):
            value = result["log_likelihood"] + from_base.value - log_partition.value
            error = f"log Z +- {log_partition.standard_error:.2f}"
            method = f"{how}; {_CHAINS} chains, {_BETAS:,} betas, {error}, images of 2 levels"
            n, error_of_mean = result["num_examples"], result["standard_error"]
            measured[name] = Measurement(name, value, "nats", n, method, standard_error=error_of_mean)
        return measured

    def call(self, images):
        return self.free_energy(images)

    def free_energy(self, images):
        """F(x) = -log p(x) - log Z, less for what is likelier: float32 `(n,)`, nats.

        Args:
            images: `(n, h, w, c)`, bits as floats 0 and 1, or as bytes 0 and 255.
        """
        return self._free_energies(self.check_batch(images)[0])

    def log_prob(self, images):
        """log p(x): float32 `(n,)`, nats; exact for up to 20 hidden units, else by annealed importance sampling.

        By annealing, the first call with the weights as they are takes a minute, to find log Z; exported models then
        have no such signature, but `free_energy`.

        Args:
            images: as for `free_energy`.
        """
        images, log_partition = self.check_batch(images)[0], tf.constant(self.log_partition().value, tf.float64)
        return self._log_probs(images, log_partition)

    @graph_method(reduce_retracing=True)
    def _free_energies(self, images):
        return tf.cast(self._free_energy(images), tf.float32)

    @graph_method(reduce_retracing=True)
    def _log_probs(self, images, log_partition):
        return tf.cast(-self._free_energy(images) - log_partition, tf.float32)

    def _free_energy(self, images):
        energy, x = self.energy(tf.float64), self.flat(images, tf.float64)
        return energy.free_energy(x, energy.hidden_logits(x))

    def signatures(self):
        def free_energy(images):
            return {"free_energy": tf.cast(self._free_energy(images), tf.float32)}

        def log_prob(images):
            with tf.init_scope():
                log_partition = self.log_partition().value
            return {"log_prob": tf.cast(-self._free_energy(images) - log_partition, tf.float32)}

        def of_images(function):
            name = function.__name__
            return serving.Signature(function, self.sample_input(), {name: domains.Vectors((), name)})

        verbs = {**super().signatures(), "free_energy": of_images(free_energy)}
        # An exported model keeps log Z as a number, for which nobody would wait where it takes annealing.
        return {**verbs, "log_prob": of_images(log_prob)} if self.log_prob_is_exact else verbs

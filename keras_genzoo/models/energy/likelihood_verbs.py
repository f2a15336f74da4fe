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
    _log_partition = None  # the weights that it is of, and what it is

    @property
    def log_prob_is_exact(self):
        return True if self.num_hidden <= _MOST_HIDDEN_TO_SUM_OVER else None  # else it estimates, on either side

    def log_partition(self):
        """log Z as a `partition.LogPartition`: exact for up to 20 hidden units, else by annealed importance sampling.

        It is computed once for the weights as they are: a sum over 2^num_hidden states, or 100 chains of 10,000 sweeps,
        which then underestimate it, if anything.
        """
        weights = tuple(weight.numpy().tobytes() for weight in [*self.energy(), self.visible_means])
        if self._log_partition is None or self._log_partition[0] != weights:
            if self.log_prob_is_exact:
                found = partition.exact(self.energy("float64"))
            else:
                base, seed = self.base_logits(tf.float32), checks.stateless_seed(0)
                found = partition.annealed(self.energy(), base, _CHAINS, _BETAS, seed)
            self._log_partition = (weights, found)
        return self._log_partition[1]

    def reverse_log_partition(self, images):
        """log Z from samples annealed back to the base rates: it overestimates, if anything, where they are good.

        They are what the model's sweeps, `num_sampling_steps` of them, make of images, and so share no error with the
        chains of `log_partition`.

        Args:
            images: as for `free_energy`; a chain each.

        Returns:
            `partition.LogPartition`.
        """
        x, base = self.flat(self.check_batch(images)[0]), self.base_logits(tf.float32)
        seed, num_sweeps = checks.stateless_seed(1), self.num_sampling_steps
        return partition.reverse_annealed(self.energy(), base, x, _BETAS, seed, num_sweeps)

    def measurements(self, dataset, num_importance_samples=None):
        if self.log_prob_is_exact:
            return super().measurements(dataset, num_importance_samples)
        result = likelihood.log_likelihood(self, dataset, verbose=1)
        images = next(iter(dataset.unbatch().batch(_CHAINS)))
        from_base, from_images = self.log_partition(), self.reverse_log_partition(self.unpack(images)[0])
        back = f"AIS back from {self.num_sampling_steps:,} sweeps from images of the set, a lower bound if they suffice"
        measured = {}
        for name, log_partition, how in (
            ("log_likelihood_ais", from_base, "AIS, an upper bound in expectation"),
            ("log_likelihood_reverse_ais", from_images, back),
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

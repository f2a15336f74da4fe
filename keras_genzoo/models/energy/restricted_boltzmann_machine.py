"""The restricted Boltzmann machine, trained by contrastive divergence: Hinton 2002,
https://www.cs.toronto.edu/~hinton/absps/tr00-004.pdf.

    p(v) = sum_h exp(-E(v, h)) / Z = exp(-F(v)) / Z,    E and F as in `gibbs`

The gradient of -log p of the data is that of F(data) - F(model samples), the samples held fixed. They are

    CD-k         what k Gibbs sweeps make of the data
    persistent   what k sweeps more make of chains that go on from step to step (Tieleman 2008)

Centred (Melchior, Fischer and Wiskott 2016, https://jmlr.org/papers/v17/14-237.html), the energy is written

    E(v, h) = -(v - mu)'b - (h - lambda)'c - (v - mu)'W(h - lambda)

with mu and lambda the means of the units over the data. These are the same energies in other parameters, along whose
gradient the model learns faster, and images as well as their negatives. As lambda follows the hidden units, b moves by
W times as much, so that the energy stays what it is.
"""

import math

import keras
import tensorflow as tf

from keras_genzoo import batches, checks
from keras_genzoo.image_model import ImageModel
from keras_genzoo.models.energy import gibbs
from keras_genzoo.models.energy.likelihood_verbs import LikelihoodVerbs
from keras_genzoo.starts_from_data import StartsFromData

_OFFSET_RATE = 0.01  # by which the means of hidden units follow those of a batch, as in Melchior et al.
_SWEEPS_A_TURN = 10  # of the sampler's loop, whose every turn draws numbers once for each chain


@keras.saving.register_keras_serializable(package="keras_genzoo")
class RestrictedBoltzmannMachine(StartsFromData, LikelihoodVerbs, ImageModel):
    """Restricted Boltzmann machine of binary units, of images of bits.

    `fit` first takes the means of the pixels, from which the visible biases start, and the chains of annealing and of
    `sample`. That draws bits, of which `log_prob` speaks; papers often show the probabilities of the last sweep,
    which look smoother. Everything is computed in float32 or float64 under any policy.

    Args:
        image_shape: tuple `(height, width, channels)`.
        num_hidden: int, hidden units.
        num_gibbs_steps: int, k, sweeps over all units in each train step.
        persistent: bool, whether chains go on from step to step; they are saved with the model. Under `tf.distribute`
            every replica moves all of them, in the same way, so that a step is that of one device.
        centered: bool, whether the parameters are those about the means of the units.
        num_chains: int, persistent chains; batches may be of any size.
        num_sampling_steps: int, sweeps that `sample` takes, in the first half of which the energy grows to its own.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    metric_names = ("loss", "pseudo_log_likelihood")
    progress = ("pseudo_log_likelihood", "max")  # the loss only says how far data and model samples are apart

    def __init__(
        self,
        image_shape,
        num_hidden=500,
        num_gibbs_steps=1,
        persistent=False,
        centered=True,
        num_chains=100,
        num_sampling_steps=500,
        **kwargs,
    ):
        super().__init__(image_shape, num_levels=2, **kwargs)
        (self.num_hidden,) = checks.positive_integers("num_hidden", [num_hidden], 1)
        (self.num_gibbs_steps,) = checks.positive_integers("num_gibbs_steps", [num_gibbs_steps], 1)
        (self.num_chains,) = checks.positive_integers("num_chains", [num_chains], 1)
        (self.num_sampling_steps,) = checks.positive_integers("num_sampling_steps", [num_sampling_steps], 1)
        self.persistent = bool(persistent)
        self.centered = bool(centered)
        d, m = self.sample_domain.num_values, self.num_hidden
        self.kernel = self.add_float32_weight("kernel", (d, m), keras.initializers.RandomNormal(stddev=0.01))
        same = {"aggregation": "only_first_replica"}
        self.visible_bias = self.add_float32_weight("visible_bias", (d,), "zeros", **same)
        self.hidden_bias = self.add_float32_weight("hidden_bias", (m,), "zeros", **same)
        half, fixed = keras.initializers.Constant(0.5), {"trainable": False, **same}
        self.visible_means = self.add_float32_weight("visible_means", (d,), half, **fixed)
        self.visible_means.stays_float32 = True  # float16 would make some 0 or 1
        self.add_start()
        if self.centered:
            self.hidden_means = self.add_float32_weight("hidden_means", (m,), half, **fixed)
        if self.persistent:
            self.chains = self.add_float32_weight("chains", (self.num_chains, m), "zeros", **fixed)
        self.build()

    def get_config(self):
        config = super().get_config()
        del config["num_classes"]
        return {
            **config,
            "num_hidden": self.num_hidden,
            "num_gibbs_steps": self.num_gibbs_steps,
            "persistent": self.persistent,
            "centered": self.centered,
            "num_chains": self.num_chains,
            "num_sampling_steps": self.num_sampling_steps,
        }

    @classmethod
    def arguments_from(cls, dataset):
        return {"image_shape": tuple(batches.split(dataset.element_spec)[0].shape[1:])}

    def default_optimizer(self, name):
        return keras.optimizers.SGD(0.05)

    # ---- contrastive divergence ----

    def initialize(self, dataset):
        """Starts from the means of the pixels, with one more bit of either kind, so that none is impossible."""
        ones, n = 1.0, 2.0
        for batch in dataset:
            x = self.flat(self.unpack(batch)[0], tf.float64)
            ones, n = ones + tf.reduce_sum(x, axis=0), n + len(x)
        self.visible_means.assign(ones / n)
        self.visible_bias.assign(self.base_logits(tf.float32))
        self.start.assign(1)

    def base_logits(self, dtype):
        means = tf.cast(self.visible_means, dtype)
        return tf.math.log(means) - tf.math.log1p(-means)

    def energy(self, dtype="float32"):
        """The energy that the parameters stand for, centred or not, as a `gibbs.Energy`."""
        weights, b, c = (tf.cast(x, dtype) for x in (self.kernel, self.visible_bias, self.hidden_bias))
        if self.centered:
            b -= tf.linalg.matvec(weights, tf.cast(self.hidden_means, dtype))
            c -= tf.linalg.matvec(weights, tf.cast(self.visible_means, dtype), transpose_a=True)
        return gibbs.Energy(weights, b, c)

    def train_step(self, data):
        x = self.flat(self.unpack(data)[0])
        with tf.GradientTape() as tape:
            energy = self.energy()
            hidden_logits = energy.hidden_logits(x)
            loss, chains = self._contrast(energy, x, hidden_logits)
        pseudo_log_likelihood = self._pseudo_log_likelihood(energy, x, hidden_logits)
        self.minimize(loss, tape, self.optimizer, self.trainable_variables)
        if self.persistent:
            self.chains.assign(chains)
        if self.centered:
            self._center(tf.sigmoid(hidden_logits))
        return self.track(loss=loss, pseudo_log_likelihood=pseudo_log_likelihood)

    def test_step(self, data):
        x = self.flat(self.unpack(data)[0])
        energy = self.energy()
        hidden_logits = energy.hidden_logits(x)
        loss, _ = self._contrast(energy, x, hidden_logits)
        return self.track(loss=loss, pseudo_log_likelihood=self._pseudo_log_likelihood(energy, x, hidden_logits))

    def _contrast(self, energy, x, hidden_logits):
        """F(data) - F(model samples) `(n,)`, and the hidden units that the chains have come to."""
        k, num_units = self.num_gibbs_steps, sum(energy.weights.shape)
        if self.persistent:
            uniform = self._uniform_of_chains(k, num_units)
            hidden = tf.convert_to_tensor(self.chains)
        else:
            hidden = gibbs.bits(hidden_logits, self._uniform(x, self.num_hidden))
            uniform = self._uniform(x, k, num_units)
        visible, logits, hidden = gibbs.sweeps(energy, hidden, uniform)
        of_samples = energy.free_energy(visible, logits)
        if self.persistent:
            of_samples = tf.reduce_mean(of_samples)
        return energy.free_energy(x, hidden_logits) - of_samples, hidden

    def _uniform(self, x, *shape):
        """Numbers in [0, 1) of a shape for each example."""
        return self.draw(lambda n, seed: tf.random.stateless_uniform((n, *shape), seed, alg="philox"), tf.shape(x)[0])

    def _uniform_of_chains(self, *shape):
        """Numbers in [0, 1) of a shape for each chain, the same on every replica."""

        def draw(n, seed):
            same = tf.random.stateless_uniform((1, self.num_chains, *shape), seed, alg="philox")
            return tf.repeat(same, n, axis=0)

        return self.draw(draw, 1)[0]

    def _center(self, hidden):
        """Lets lambda follow the hidden units' probabilities `(n, m)`, and b, so that no energy changes."""
        n = self.sum_over_replicas(tf.cast(tf.shape(hidden)[0], hidden.dtype))
        mean = self.sum_over_replicas(tf.reduce_sum(hidden, axis=0)) / n
        change = _OFFSET_RATE * (mean - self.hidden_means)
        self.hidden_means.assign_add(change)
        self.visible_bias.assign_add(tf.linalg.matvec(self.kernel, change))

    def _pseudo_log_likelihood(self, energy, x, hidden_logits):
        """d log p(x_i | all other x), of one i drawn for each example, which needs no Z: `(n,)`."""
        d = self.sample_domain.num_values
        i = tf.minimum(tf.cast(self._uniform(x) * d, tf.int32), d - 1)  # of 1 - 2^-24, float32 might make d
        change = 1 - 2 * tf.gather(x, i, axis=1, batch_dims=1)[:, None]  # of x_i when it is flipped
        flipped = x + change * tf.one_hot(i, d)
        flipped_logits = hidden_logits + change * tf.gather(energy.weights, i)
        difference = energy.free_energy(flipped, flipped_logits) - energy.free_energy(x, hidden_logits)
        return d * tf.math.log_sigmoid(difference)

    # ---- what it can do ----

    def flat(self, images, dtype=tf.float32):
        """`(n, d)`, of bits alone."""
        return tf.cast(tf.reshape(tf.round(images), (-1, self.sample_domain.num_values)), dtype)

    def filters(self):
        """The weights of each hidden unit as an image, grey where they are 0: float32 `(num_hidden, h, w, c)`."""
        w = tf.transpose(self.kernel)
        w /= 2 * tf.reduce_max(tf.abs(w), axis=1, keepdims=True)
        return tf.reshape(0.5 + w, (-1, *self.image_shape))

    def pictures(self):
        return {"filters": self.filters()}

    def draw_noise(self, num_samples, seed):
        """A seed of its own for each sample: int32 `(num_samples, 2)`."""
        return tf.random.stateless_uniform((num_samples, 2), seed, None, None, tf.int32, alg="philox")

    def generate(self, noise, condition=None):
        """Bits, the visible units at the ends of chains that start from the base rates.

        Over the first half of the sweeps the energy grows from theirs to the model's, so that chains end in all of its
        modes, not in those alone that are next to noise. All is in float64, since a probability rounded otherwise would
        at times turn a bit, after which the chain is another.
        """
        energy, d = self.energy(tf.float64), self.sample_domain.num_values

        def uniform(turn, *shape):
            def draw(seed):
                return tf.random.stateless_uniform(shape, seed + tf.stack([0, turn]), alg="philox")

            return tf.map_fn(draw, noise, fn_output_signature=tf.TensorSpec(shape, tf.float32))

        sweeps_a_turn = math.gcd(self.num_sampling_steps, _SWEEPS_A_TURN)
        num_turns, base = self.num_sampling_steps // sweeps_a_turn, self.base_logits(tf.float64)

        def move(turn, hidden):
            beta = tf.minimum(2 * turn / num_turns, 1)
            numbers = uniform(turn, sweeps_a_turn, d + self.num_hidden)
            return turn + 1, gibbs.sweeps(energy.warmed(beta, base), hidden, numbers)[-1]

        ends = uniform(0, d + self.num_hidden)
        hidden = tf.cast(ends[:, d:] < 0.5, tf.float64)
        _, hidden = tf.while_loop(lambda turn, _: turn <= num_turns, move, (tf.constant(1), hidden))
        visible = gibbs.bits(energy.visible_logits(hidden), ends[:, :d])
        return tf.reshape(tf.cast(visible, tf.float32), (-1, *self.image_shape))

"""CycleGAN: Zhu, Park, Isola and Efros 2017, https://arxiv.org/abs/1703.10593.

G makes targets y of sources x, F sources of targets, from two sets without pairs. The discriminators play

    D_Y:  1/2 [(D_Y(y) - 1)^2 + D_Y(G(x))^2]        D_X:  1/2 [(D_X(x) - 1)^2 + D_X(F(y))^2]

and the generators descend on

    (D_Y(G(x)) - 1)^2 + (D_X(F(y)) - 1)^2  +  10 (|F(G(x)) - x|_1 + |G(F(y)) - y|_1)

with L1 the mean over values. For paintings the paper adds 5 (|G(y) - y|_1 + |F(x) - x|_1), which keeps colours. The
discriminators see past fakes from a pool beside those of the step; the generators answer for their own alone.

Differences from the paper: it moves the generators first in each step, and has batches of one image. Here images lie in
[0, 1], where L1 is half of what it is on the paper's range of [-1, 1]: a cycle weight of 20 is as heavy as its 10.
"""

import functools

import keras
import tensorflow as tf

from keras_genzoo.checks import not_negative, positive_integers
from keras_genzoo.models.adversarial.players import per_sample
from keras_genzoo.models.translation import image_pool
from keras_genzoo.models.translation.networks import PATCHES, check_patch, patch_discriminator, patch_for
from keras_genzoo.models.translation.residual_networks import SMALLEST_SIDE, residual_generator
from keras_genzoo.models.translation.two_way_model import TwoWayModel
from keras_genzoo.networks import Builder


@keras.saving.register_keras_serializable(package="keras_genzoo")
class CycleGAN(TwoWayModel):
    """CycleGAN, images from images both ways, without pairs. A batch is `(targets, sources)`, see `data.unpaired`.

    Args:
        image_shape: tuple `(height, width, channels)` of the targets; sides from 5 pixels.
        source_shape: tuple of the sources, of the same sides; by default as the targets.
        num_filters: int, of the outermost layers of all networks. 64 in the paper.
        num_residual_blocks: int, of the generators; by default 9 from 256 pixels up and 6 below, as in the paper.
        patch: int, side of what one score sees: 16, 34, 70, 142 or 286 pixels; `"image"` for one score of the whole
            image. By default 70 from 256 pixels up as in the paper, 34 from 64, 16 from 16 and below that the image.
        cycle_weight: float, not negative; 0 is the same game without the cycle.
        identity_weight: float, not negative, of how far G is from changing no target, and F no source; 5 in the paper
            for paintings. Wants sources of the shape of the targets.
        pool_size: int, past fakes of each kind that the discriminators see, saved with the model; 0 for none. Under
            `tf.distribute` every replica keeps the pool of the whole batch, so that a step is that of one device.
        generator: Keras model from sources to targets in [0, 1].
        back_generator: Keras model from targets to sources in [0, 1].
        discriminator: Keras model from targets to scores `(n, rows, columns, 1)`, any real numbers.
        source_discriminator: Keras model from sources to such scores.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    # `losses.LeastSquares` has halves; with these the games are the paper's, its discriminators' divided by 2.
    generator_game_weight = 2.0
    game_weight = 1.0

    def __init__(
        self,
        image_shape,
        source_shape=None,
        num_filters=64,
        num_residual_blocks=None,
        patch=None,
        cycle_weight=10.0,
        identity_weight=0.0,
        pool_size=50,
        generator=None,
        back_generator=None,
        discriminator=None,
        source_discriminator=None,
        **kwargs,
    ):
        super().__init__(image_shape, source_shape, **kwargs)
        (self.num_filters,) = positive_integers("num_filters", [num_filters], 1)
        if num_residual_blocks is not None:
            (num_residual_blocks,) = positive_integers("num_residual_blocks", [num_residual_blocks], 1)
        if pool_size != 0:
            (pool_size,) = positive_integers("pool_size", [pool_size], 1)
        if identity_weight and self.image_shape != self.source_shape:
            raise ValueError(
                f"`identity_weight` {identity_weight!r} wants sources of the shape of the targets; got "
                f"{self.source_shape} and {self.image_shape}. Leave it at 0."
            )
        given = {
            "generator": generator,
            "back_generator": back_generator,
            "discriminator": discriminator,
            "source_discriminator": source_discriminator,
        }
        if None in given.values():
            self._check_sides(patch)
        self.num_residual_blocks, self.patch = num_residual_blocks, patch
        self.cycle_weight = not_negative("cycle_weight", cycle_weight)
        self.identity_weight = not_negative("identity_weight", identity_weight)
        self.pool_size = pool_size
        build_generator = functools.partial(
            residual_generator, num_filters=num_filters, num_residual_blocks=num_residual_blocks
        )
        build_discriminator = functools.partial(
            patch_discriminator,
            num_filters=num_filters,
            patch=patch_for(self.image_shape, patch),
            normalization="instance",
        )
        self.add_networks(Builder(build_generator), Builder(build_discriminator), given, (None, None, 1))
        if self.pool_size:
            self._add_pool()
        self.build()

    def _check_sides(self, patch):
        """ValueError where the networks of the paper do not fit the images, or a patch is unknown or too large."""
        check_patch(patch)
        height, width = self.image_shape[:2]
        if (height, width) != self.source_shape[:2]:
            raise ValueError(
                f"`source_shape` must have the sides of `image_shape`; got {self.source_shape} and {self.image_shape}. "
                "Resize one of the two sets (tf.image.resize)."
            )
        if min(height, width) < SMALLEST_SIDE:
            raise ValueError(
                f"`image_shape` must have sides of at least {SMALLEST_SIDE} pixels; got {self.image_shape}. Give "
                "networks of your own for smaller ones."
            )
        least = 2 ** PATCHES[patch] + 1 if patch in PATCHES else 0  # or a feature of one pixel would be normalised to 0
        if min(height, width) < least:
            raise ValueError(
                f"`patch` {patch} wants sides of at least {least} pixels; got {self.image_shape}. A smaller patch, or "
                "'image' for one score of the whole image, fits."
            )

    def get_config(self):
        names = ("num_filters", "num_residual_blocks", "patch", "cycle_weight", "identity_weight", "pool_size")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            **self.network_configs(),
        }

    def compile(self, loss="least_squares", **kwargs):
        """Chooses the game and an optimiser for both generators and one for both discriminators.

        See `Players.compile`; the discriminators' part of every game is half of what it is to the generators.
        """
        super().compile(loss, **kwargs)

    # ---- the objective ----

    def distance(self, a, b):
        return per_sample(tf.abs(a - b))

    def distances(self, targets, sources, fake_targets, fake_sources, training=True):
        found = super().distances(targets, sources, fake_targets, fake_sources, training)
        if self.identity_weight:
            found["identity"] = self.distance(targets, self.forth(targets, training))
            found["identity_back"] = self.distance(sources, self.back(sources, training))
        return found

    @property
    def weights_of_distances(self):
        cycle, identity = self.cycle_weight, self.identity_weight
        return {"cycle": cycle, "cycle_back": cycle, "identity": identity, "identity_back": identity}

    # ---- past fakes ----

    def _add_pool(self):
        fixed = {"trainable": False, "aggregation": "only_first_replica"}
        shapes = self.image_shape, self.source_shape
        self.pools = [
            self.add_float32_weight(f"pool_of_{name}", (self.pool_size, *shape), "zeros", **fixed)
            for name, shape in zip(("targets", "sources"), shapes, strict=True)
        ]
        self.num_pooled = self.add_weight(name="num_pooled", shape=(), initializer="zeros", dtype="int32", **fixed)

    def past(self, fake_targets, fake_sources):
        if not self.pool_size:
            return fake_targets, fake_sources
        num_pooled = tf.convert_to_tensor(self.num_pooled)
        given = []
        for pool, fakes in zip(self.pools, (fake_targets, fake_sources), strict=True):
            draws = self.draw(_uniform_pairs, tf.shape(fakes)[0])
            every = _of_all_replicas(fakes), _of_all_replicas(draws)
            past, kept, num_kept = image_pool.exchange(tf.convert_to_tensor(pool), num_pooled, *every)
            pool.assign(kept)
            given.append(_of_this_replica(past, fakes))
        self.num_pooled.assign(num_kept)
        return tuple(given)


def _uniform_pairs(n, seed):
    return tf.random.stateless_uniform((n, 2), seed, alg="philox")


def _of_all_replicas(rows):
    """Rows of the whole batch, in the order of one device."""
    replicas = tf.distribute.get_replica_context()
    return rows if replicas.num_replicas_in_sync == 1 else replicas.all_gather(rows, axis=0)


def _of_this_replica(rows, own):
    """Those rows of the whole batch that stand where this replica's own do."""
    replicas = tf.distribute.get_replica_context()
    if replicas.num_replicas_in_sync == 1:
        return rows
    n = tf.shape(own)[:1]
    first = tf.reduce_sum(replicas.all_gather(n, axis=0)[: replicas.replica_id_in_sync_group])
    return rows[first : first + n[0]]

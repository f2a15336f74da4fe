"""The networks of pix2pix: what a score sees, and what a picture depends on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo.models.translation import networks


def pictures(*shape):
    return tf.random.stateless_uniform(shape, (0, 1))


def noise_of(network, n, seed=0):
    return tf.random.stateless_uniform((n, network.inputs[1].shape[1]), (seed, 2))


def num_trainable(network):
    return sum(weight.shape.num_elements() for weight in network.trainable_weights)


# ---- the generator ----


@pytest.mark.parametrize(
    ("sides", "sizes"),
    [
        ((4, 4), [(2, 2)]),
        ((8, 8), [(2, 2), (4, 4)]),
        ((12, 12), [(2, 2), (3, 3), (6, 6)]),
        ((16, 16), [(2, 2), (4, 4), (8, 8)]),
        ((28, 28), [(2, 2), (4, 4), (7, 7)]),
        ((32, 32), [(2, 2), (4, 4), (8, 8)]),
        ((28, 45), [(2, 3), (4, 6), (7, 12)]),
        ((64, 16), [(8, 2), (16, 4), (32, 8)]),
        ((64, 64), [(2, 2), (4, 4), (8, 8)]),
    ],
)
def test_unet_gives_pictures_of_the_size_of_its_sources(sides, sizes):
    network = networks.unet((*sides, 3), (*sides, 1), num_filters=2)
    shapes = networks.noise_shapes((*sides, 3), num_filters=2)
    assert [shape[:2] for shape in shapes] == sizes
    layers = [layer for layer in network.layers if isinstance(layer, networks.NoiseDropout)]
    assert [layer.output.shape[1:] for layer in layers] == shapes
    assert network.inputs[1].shape == (None, sum(np.prod(shape) for shape in shapes))
    targets = network([pictures(2, *sides, 3), noise_of(network, 2)])
    assert targets.shape == (2, *sides, 1) and 0 <= targets.numpy().min() < targets.numpy().max() <= 1
    assert np.abs(targets - 0.5).mean() < 0.2  # far from where tanh is flat, as training must begin


def test_the_networks_of_the_paper():
    """At 256x256x3: C64-C128-C256-C512-C512-C512-C512-C512 and back, 54.4 million parameters; 2.77 million to judge."""
    generator = networks.unet((256, 256, 3), (256, 256, 3))
    assert generator.output_shape == (None, 256, 256, 3)
    down = [layer for layer in generator.layers if type(layer) is keras.layers.Conv2D]
    up = [layer for layer in generator.layers if type(layer) is keras.layers.Conv2DTranspose]
    assert [layer.filters for layer in down] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [layer.output.shape[1] for layer in down] == [128, 64, 32, 16, 8, 4, 2, 1]
    assert [layer.filters for layer in up] == [512, 512, 512, 512, 256, 128, 64, 3]
    assert [layer.output.shape[1] for layer in up] == [2, 4, 8, 16, 32, 64, 128, 256]
    assert networks.noise_shapes((256, 256, 3)) == [(2, 2, 512), (4, 4, 512), (8, 8, 512)]
    kernels = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 4 * 512 * 512)
    kernels += 16 * (512 * 512 + 3 * 1024 * 512 + 1024 * 256 + 512 * 128 + 256 * 64 + 128 * 3)
    scales = 2 * (128 + 256 + 4 * 512) + 2 * (4 * 512 + 256 + 128 + 64)  # all but outermost and innermost
    biases = 64 + 512 + 3  # the outermost on either way, and the innermost
    assert num_trainable(generator) == kernels + scales + biases == pytest.approx(54.41e6, rel=1e-3)

    discriminator = networks.patch_discriminator((256, 256, 3), (256, 256, 3))
    assert discriminator.output_shape == (None, 32, 32, 1)
    down = [layer for layer in discriminator.layers if type(layer) is keras.layers.Conv2D]
    assert [layer.filters for layer in down] == [64, 128, 256, 512, 1]
    assert [layer.strides[0] for layer in down] == [2, 2, 2, 1, 1]
    kernels = 16 * (6 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512)
    assert num_trainable(discriminator) == kernels + 2 * (128 + 256 + 512) + 64 + 1 == pytest.approx(2.769e6, rel=1e-3)
    for network in (generator, discriminator):
        kernels = [weight.numpy() for weight in network.trainable_weights if len(weight.shape) == 4]
        assert all(np.std(kernel) == pytest.approx(0.02, rel=0.1) for kernel in kernels)
        assert len({kernel.ravel()[0] for kernel in kernels}) == len(kernels)  # each from numbers of its own


def test_a_picture_depends_on_its_source_and_its_noise():
    network = networks.unet((16, 16, 1), (16, 16, 3), num_filters=4)
    sources, noise = pictures(4, 16, 16, 1), noise_of(network, 4)
    first = network([sources, noise]).numpy()
    np.testing.assert_array_equal(network([sources, noise]), first)
    np.testing.assert_array_equal(network([sources, noise], training=True), first)  # the noise is there in both
    other_noise, other_sources = network([sources, noise_of(network, 4, seed=1)]), network([1 - sources, noise])
    assert np.abs(other_noise - first).max() > 1e-3 and np.abs(other_sources - first).max() > 1e-3


@pytest.mark.parametrize("sides", [(8, 8), (28, 28)])
def test_a_picture_does_not_depend_on_its_neighbours(sides):
    network = networks.unet((*sides, 1), (*sides, 1), num_filters=4)
    for layer in network.layers:  # larger weights than the first ones, so that a difference would show
        for weight in layer.weights:
            weight.assign(weight + 0.1 * tf.random.stateless_normal(weight.shape, (3, 4)))
    sources, noise = pictures(5, *sides, 1), noise_of(network, 5)
    together = network([sources, noise], training=True).numpy()
    for i in range(5):
        np.testing.assert_allclose(network([sources[i : i + 1], noise[i : i + 1]])[0], together[i], atol=1e-5)


def test_every_layer_of_noise_and_every_pixel_of_the_source_reaches_the_picture():
    network = networks.unet((28, 28, 1), (28, 28, 1), num_filters=4)
    sources, noise = pictures(1, 28, 28, 1), noise_of(network, 1)
    first, start = network([sources, noise]).numpy(), 0
    for shape in networks.noise_shapes((28, 28, 1), num_filters=4):
        part = slice(start, start + int(np.prod(shape)))
        changed = noise.numpy()
        changed[:, part] = 1 - changed[:, part]
        assert np.abs(network([sources, tf.constant(changed)]) - first).max() > 1e-4
        start = part.stop
    assert start == noise.shape[1]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        loss = tf.reduce_sum(network([sources, noise]) * pictures(1, 28, 28, 1))
    assert (tape.gradient(loss, sources) != 0).numpy().all()


def test_dropout_by_numbers():
    layer = networks.NoiseDropout(0.25, start=2)
    x = np.arange(1, 13, dtype="float32").reshape(2, 2, 3)
    noise = np.random.default_rng(0).random((2, 9)).astype("float32")
    noise[0, 2:4] = 0.25, np.nextafter(np.float32(0.25), np.float32(0))
    wanted = np.where(noise[:, 2:8].reshape(2, 2, 3) >= 0.25, x / 0.75, 0)
    assert wanted[0, 0, 0] > 0 and wanted[0, 0, 1] == 0
    np.testing.assert_allclose(layer([x, noise]), wanted, rtol=1e-6)
    half = networks.NoiseDropout(0.25, start=2, dtype="mixed_float16")([tf.cast(x, tf.float16), noise])
    assert half.dtype == tf.float16
    np.testing.assert_array_equal(half != 0, wanted != 0)  # float16 has no number so close to 0.25


def test_sources_of_no_size_are_refused():
    with pytest.raises(ValueError, match=r"`source_shape` must have sides of at least 4 pixels; got \(3, 8, 1\)"):
        networks.unet((3, 8, 1), (3, 8, 1))
    with pytest.raises(ValueError, match=r"`target_shape` must have the sides of .*got \(16, 16, 1\) and \(8, 8, 1\)"):
        networks.unet((8, 8, 1), (16, 16, 1))


# ---- the discriminator ----


def window(network, side):
    """Rows and columns of both inputs that the score in the middle depends on, as bool `(side, side)`."""
    targets, sources = pictures(1, side, side, 2), pictures(1, side, side, 1)
    with tf.GradientTape() as tape:
        tape.watch([targets, sources])
        scores = network([targets, sources])
        score = scores[0, scores.shape[1] // 2, scores.shape[2] // 2, 0]
    seen = [(gradient[0] != 0).numpy().any(axis=-1) for gradient in tape.gradient(score, [targets, sources])]
    np.testing.assert_array_equal(*seen)
    return seen[0]


@pytest.mark.parametrize("normalization", ["batch", None, "spectral"])
@pytest.mark.parametrize(("patch", "stride", "side"), [(16, 2, 48), (34, 4, 64), (70, 8, 128), (142, 16, 224)])
def test_a_score_sees_exactly_its_patch(patch, stride, side, normalization):
    network = networks.patch_discriminator((side, side, 2), (side, side, 1), 2, patch, normalization)
    assert network.output_shape == (None, side // stride, side // stride, 1)
    seen = window(network, side)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert len(rows) == len(columns) == patch and rows[0] > 0 and rows[-1] < side - 1
    np.testing.assert_array_equal(rows, columns)
    assert seen.sum() == patch**2


@pytest.mark.parametrize("side", [8, 28, 40])
def test_one_score_of_the_whole_image(side):
    network = networks.patch_discriminator((side, side, 2), (side, side, 1), 2, patch=None)
    assert network.output_shape == (None, 1, 1, 1)
    assert window(network, side).all()


@pytest.mark.parametrize("patch", [*networks.PATCHES, None])
@pytest.mark.parametrize("sides", [(4, 4), (8, 8), (28, 20)])
def test_images_smaller_than_the_patch(patch, sides):
    network = networks.patch_discriminator((*sides, 1), (*sides, 3), 2, patch)
    scores = network([pictures(3, *sides, 1), pictures(3, *sides, 3)], training=True)
    assert scores.shape[0] == 3 and scores.shape[-1] == 1 and np.isfinite(scores).all()


def test_scores_of_targets_alone():
    network = networks.patch_discriminator((32, 32, 1), None, 2, 16, "layer")
    assert network(pictures(2, 32, 32, 1)).shape == (2, 16, 16, 1)


def test_what_no_discriminator_can_be_built_for():
    with pytest.raises(ValueError, match="`patch` must be one of 16, 34, 70, 142, 286, or None; got 64"):
        networks.patch_discriminator((64, 64, 1), patch=64)
    with pytest.raises(ValueError, match=r"`source_shape` must have the sides of .*got \(8, 8, 1\) and \(16, 16, 1\)"):
        networks.patch_discriminator((16, 16, 1), (8, 8, 1))


# ---- both ----


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_gives_the_same_in_float32(policy):
    shape = (28, 28, 1)
    generators = [networks.unet(shape, shape, 8, dtype=dtype) for dtype in ("float32", policy)]
    judges = [networks.patch_discriminator(shape, shape, 8, 16, dtype=dtype) for dtype in ("float32", policy)]
    sources, noise = pictures(4, *shape), noise_of(generators[0], 4)
    for (full, mixed), inputs in ((generators, [sources, noise]), (judges, [sources, 1 - sources])):
        mixed.set_weights(full.get_weights())
        assert {layer.compute_dtype for layer in mixed.layers} >= {policy.removeprefix("mixed_"), "float32"}
        outputs, wanted = mixed(inputs, training=True), full(inputs, training=True)
        assert outputs.dtype == tf.float32
        np.testing.assert_allclose(outputs, wanted, atol=0.1 * np.std(wanted))


def test_noise_is_not_rounded_under_a_policy_of_half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    network = networks.unet((8, 8, 1), (8, 8, 1), 4)
    sources, noise = pictures(2, 8, 8, 1), tf.zeros((2, network.inputs[1].shape[1]))
    below = tf.fill(noise.shape, np.nextafter(np.float32(0.5), np.float32(0)))  # in float16 this is 0.5, which is kept
    dropped, kept = network([sources, noise]), network([sources, noise + 0.5])
    np.testing.assert_array_equal(network([sources, below]), dropped)
    assert (kept != dropped).numpy().any()


def test_saved_networks_give_the_same(tmp_path):
    generator = networks.unet((12, 12, 1), (12, 12, 1), 4)
    discriminator = networks.patch_discriminator((12, 12, 1), (12, 12, 1), 4, 16)
    sources, noise = pictures(3, 12, 12, 1), noise_of(generator, 3)
    for network, inputs in ((generator, [sources, noise]), (discriminator, [sources, 1 - sources])):
        network.save(tmp_path / "network.keras")
        loaded = keras.saving.load_model(tmp_path / "network.keras")
        np.testing.assert_array_equal(loaded(inputs), network(inputs))
    served = tf.Module()
    served.network = generator
    served.translate = tf.function(
        generator, input_signature=[[tf.TensorSpec((None, *x.shape[1:])) for x in (sources, noise)]]
    )
    tf.saved_model.save(served, str(tmp_path / "served"))
    loaded = tf.saved_model.load(str(tmp_path / "served"))
    answered = loaded.translate([sources[:2], noise[:2]])
    np.testing.assert_allclose(answered, generator([sources, noise])[:2], atol=1e-5)

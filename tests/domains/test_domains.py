"""Every domain takes its own examples in eager code, in a pipeline and in a graph, and refuses what is not its own."""

import pickle

import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import checks, domains

DOMAINS = {
    "images": domains.Images((4, 5, 3)),
    "level images": domains.LevelImages((4, 5, 1), num_levels=5),
    "labels": domains.Labels(num_classes=7),
    "tokens": domains.Tokens((6,), vocabulary_size=11),
    "vectors": domains.Vectors((3,), "labels", "condition_dim"),
    "scores": domains.Vectors((), "score"),
    "values": domains.Values((2,)),
    "latents": domains.Latents((3,)),
    "masks": domains.Masks((4, 4, 3)),
    "voxels": domains.Voxels((4, 5, 6, 1)),
    "piano rolls": domains.PianoRolls((8, 12, 2)),
}
every = pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)


@every
def test_examples_are_legal_everywhere(domain):
    examples = domain.examples(5, seed=1)
    assert examples.shape == (5, *domain.shape) and examples.dtype == domain.dtype
    np.testing.assert_array_equal(examples, domain.examples(5, seed=1))
    converted = domain(examples)
    assert domain.spec.is_compatible_with(converted) and domain.spec.name == domain.name
    np.testing.assert_allclose(converted, examples, atol=1e-6)
    data = tf.data.Dataset.from_tensors(examples).map(lambda x: domain.check(x, check_values=True))
    np.testing.assert_allclose(next(iter(data)), examples, atol=1e-6)
    served = tf.function(lambda x: domain.check(x, check_values=True), input_signature=[domain.spec])
    np.testing.assert_allclose(served(examples), examples, atol=1e-6)
    assert pickle.loads(pickle.dumps(domain)) == domain


OUTSIDE = {
    "images": (1.5, r"must lie in \[0, 1\]"),
    "level images": (0.3, "must hold the 5 levels"),
    "labels": (7, r"must lie in 0\.\.6"),
    "tokens": (-1, r"must lie in 0\.\.10"),
    "vectors": (np.nan, "must be finite"),
    "scores": (np.inf, "must be finite"),
    "values": (np.nan, "must be finite"),
    "latents": (-np.inf, "must be finite"),
    "masks": (-0.5, r"must lie in \[0, 1\]"),
    "voxels": (np.nan, "hold no NaN"),
    "piano rolls": (2.0, r"must lie in \[0, 1\]"),
}


@pytest.mark.parametrize("kind", DOMAINS)
def test_one_wrong_value_is_refused_everywhere(kind):
    domain, (value, message) = DOMAINS[kind], OUTSIDE[kind]
    wrong = domain.examples(5)
    wrong.reshape(-1)[3] = value
    data = tf.data.Dataset.from_tensors(wrong).map(lambda x: domain.check(x, "x", check_values=True))
    served = tf.function(lambda x: domain.check(x, "x", check_values=True), input_signature=[domain.spec])
    for call in (
        lambda: domain(wrong, "x"),
        lambda: domain.check(tf.constant(wrong), "x"),
        lambda: next(iter(data)),
        lambda: served(wrong),
    ):
        with pytest.raises(ValueError, match=f"`x` .*{message}") as raised, checks.clear_errors():
            call()
        assert "\n" not in str(raised.value)


@every
def test_other_shapes_and_text_are_refused(domain):
    for wrong in (domain.examples(5)[..., None, None], np.array(["a", "b"]), [[1.0], [1.0, 2.0]]):
        if isinstance(domain, domains.Latents) and wrong is not None and getattr(wrong, "ndim", 0) == 4:
            wrong = domain.examples(5)[:, :2]  # more axes are allowed to latents
        with pytest.raises(ValueError, match=f"`{domain.name}`"):
            domain(wrong)


def test_bool_masks_count_as_0_and_1():
    masks = domains.Masks((2, 2, 1))
    np.testing.assert_array_equal(masks(np.ones((1, 2, 2, 1), bool)), np.ones((1, 2, 2, 1)))
    with pytest.raises(ValueError, match="got dtype bool"):
        domains.Images((2, 2, 1))(np.ones((1, 2, 2, 1), bool))


def test_any_size_where_the_shape_leaves_it_open():
    images = domains.Images((None, None, 3))
    for side in (4, 9):
        assert images(np.zeros((2, side, side + 1, 3))).shape == (2, side, side + 1, 3)
    with pytest.raises(ValueError, match=r"must have shape \(n, any, any, 3\)"):
        images(np.zeros((2, 4, 4, 1)))


@pytest.mark.parametrize("kind", ["images", "level images", "masks", "voxels", "piano rolls"])
def test_pictures_can_be_drawn(kind):
    domain = DOMAINS[kind]
    picture = np.asarray(domain.picture(domain.examples(3)))
    assert picture.ndim == 4 and picture.shape[0] == 3 and picture.shape[-1] in (1, 3)
    assert picture.min() >= 0 and picture.max() <= 1


def test_pictures_of_voxels_and_rolls_stand_upright():
    voxels = np.zeros((1, 3, 4, 5, 1), "float32")
    voxels[0, 0, 1, 4] = 1  # near, at the top
    voxels[0, 2, 3, 0] = 1  # far, at the bottom
    picture = np.asarray(domains.Voxels((3, 4, 5, 1)).picture(voxels))[0, :, :, 0]
    assert picture.shape == (5, 4)
    assert picture[0, 1] == 1 and 0 < picture[4, 3] < 1 and np.count_nonzero(picture) == 2
    roll = np.zeros((1, 6, 4, 2), "float32")
    roll[0, 5, 3, 1] = 1  # the last step, the highest pitch
    picture = np.asarray(domains.PianoRolls((6, 4, 2)).picture(roll))[0, :, :, 0]
    assert picture.shape == (4, 6) and picture[0, 5] == 1 and np.count_nonzero(picture) == 1


def test_classes_of_masks_have_colours_of_their_own():
    one_of_each = np.eye(3, dtype="float32").reshape(1, 1, 3, 3)
    colours = np.asarray(domains.Masks((1, 3, 3)).picture(one_of_each))[0, 0]
    assert len({tuple(colour) for colour in colours.round(3)}) == 3


def test_points_and_values_of_images():
    points = domains.Values((2,)).picture(np.array([[0.0, 0.0], [1.0, 2.0]], "float32"))
    assert points.shape == (1, 256, 256, 1) and points.min() < 0.6
    top = np.argwhere(points[0, :, :, 0] < 1)
    assert top[:, 0].min() < 20 and top[:, 0].max() > 235  # from top to bottom
    outside = domains.Values((2, 2, 1)).picture(np.full((1, 2, 2, 1), 1.5, "float32"))
    np.testing.assert_array_equal(outside, np.ones((1, 2, 2, 1)))


class TestParts:
    parts = domains.Parts(source=domains.Images((4, 4, 1), "source"), pose=domains.Vectors((3,), "pose"))

    def test_examples_are_legal(self):
        examples = self.parts.examples(4)
        assert set(self.parts(examples)) == {"source", "pose"}
        assert {name: spec.shape[1:] for name, spec in self.parts.spec.items()} == {"source": (4, 4, 1), "pose": (3,)}
        assert self.parts.picture(examples).shape == (4, 4, 4, 1)

    def test_wrong_parts_are_refused(self):
        good = self.parts.examples(4)
        for wrong, message in (
            (good["source"], "must be a dict with the keys.*got a ndarray"),
            ({"source": good["source"]}, r"got the keys \['source'\]"),
            ({**good, "pose": good["pose"] * np.nan}, "`pose` must be finite"),
            ({**good, "pose": good["pose"][:3]}, "equally many of each part"),
        ):
            with pytest.raises(ValueError, match=message):
                self.parts(wrong)


def test_a_model_conditioned_on_parts_trains_draws_and_exports(tmp_path):
    """A batch holds them as a dict, or beside the sample under their names."""
    from keras_genzoo.generative_model import GenerativeModel

    class OfParts(GenerativeModel):
        def __init__(self):
            super().__init__(domains.Images((4, 4, 1)), TestParts.parts)
            self.scale = self.add_weight(name="scale", shape=())
            self.build()

        def draw_noise(self, num_samples, seed):
            return tf.random.stateless_uniform((num_samples, 4, 4, 1), seed)

        def generate(self, noise, condition=None):
            moved = tf.reduce_mean(condition["pose"], axis=-1)[:, None, None, None]
            return tf.clip_by_value((noise + condition["source"] + moved) * (1 + 0.0 * self.scale), 0.0, 1.0)

        def train_step(self, data):
            images, condition = self.unpack(data)
            with tf.GradientTape() as tape:
                drawn = self.scale * condition["source"] + tf.reduce_sum(condition["pose"]) * 0
                loss = tf.reduce_mean((images - drawn) ** 2, axis=(1, 2, 3))
            self.minimize(loss, tape, self.optimizer, self.trainable_variables)
            return self.track(loss=loss)

    model = OfParts()
    model.compile()
    images, condition = domains.Images((4, 4, 1)).examples(6), TestParts.parts.examples(6)
    before = float(model.scale)
    model.fit(images, condition, batch_size=3, verbose=0)
    data = tf.data.Dataset.from_tensor_slices({"image": images, **condition}).batch(3)
    model.fit(data, verbose=0)
    assert float(model.scale) != before
    with pytest.raises(ValueError, match=r"got the keys \['source'\]"):
        model.fit(data.map(lambda batch: {key: batch[key] for key in ("image", "source")}), verbose=0)
    drawn = model.sample(6, condition, seed=2).numpy()
    np.testing.assert_allclose(model.sample(6, condition, seed=2, batch_size=4), drawn, atol=1e-6)
    exported = tf.saved_model.load(model.export(tmp_path / "of_parts")).signatures["sample"]
    served = exported(
        num_samples=tf.constant(6), seed=tf.constant(2), **{k: tf.constant(v) for k, v in condition.items()}
    )
    np.testing.assert_allclose(served["images"], drawn, atol=1e-6)

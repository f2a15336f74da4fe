"""Distances of translations: by NumPy in float64, by the paper's formula, and of translators that are known."""

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo import recipes, run_data, serving, translation_distances
from keras_genzoo.recipes import settings
from keras_genzoo.translation_model import TranslationModel

RNG = np.random.default_rng(0)


def images(*shape):
    return RNG.uniform(size=shape).astype("float32")


def ssim_by_hand(a, b, window):
    """Wang et al. 2004 of images `(h, w)`: weighted moments under a normalised Gaussian of deviation 1.5, float64."""
    at = np.arange(window) - (window - 1) / 2
    kernel = np.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    kernel /= kernel.sum()
    views = [np.lib.stride_tricks.sliding_window_view(x.astype("float64"), (window, window)) for x in (a, b)]
    mean_a, mean_b = ((view * kernel).sum(axis=(2, 3)) for view in views)
    var_a, var_b = ((view**2 * kernel).sum(axis=(2, 3)) - m**2 for view, m in zip(views, (mean_a, mean_b), strict=True))
    covariance = (views[0] * views[1] * kernel).sum(axis=(2, 3)) - mean_a * mean_b
    light = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
    return (light * (2 * covariance + 9e-4) / (var_a + var_b + 9e-4)).mean()


@pytest.mark.parametrize(("shape", "window"), [((8, 8, 1), 7), ((9, 12, 2), 9), ((16, 20, 3), 11)])
def test_distances_of_pairs(shape, window):
    targets = images(4, *shape)
    others = np.clip(targets + 0.3 * images(4, *shape) - 0.1, 0, 1)
    found = translation_distances.of_pairs(targets, others)
    for i in range(4):
        error = targets[i].astype("float64") - others[i]
        assert found["l1"][i] == pytest.approx(abs(error).mean(), rel=1e-6)
        assert found["psnr"][i] == pytest.approx(-10 * np.log10((error**2).mean()), rel=1e-6)
        by_channel = [ssim_by_hand(targets[i, ..., c], others[i, ..., c], window) for c in range(shape[-1])]
        assert found["ssim"][i] == pytest.approx(np.mean(by_channel), rel=1e-4)
    same = translation_distances.of_pairs(targets, targets)
    np.testing.assert_allclose(same["ssim"], 1, atol=1e-5)
    assert same["l1"].max() == 0 and same["psnr"].min() == pytest.approx(100)


def test_gradient_of_stripes_and_of_a_ramp():
    stripes = np.zeros((1, 6, 6, 1), "float32")
    stripes[:, ::2] = 0.4  # down the image every step is 0.4, to the right none
    ramp = np.broadcast_to(np.arange(6, dtype="float32") / 10, (1, 6, 6))[..., None]
    np.testing.assert_allclose(translation_distances.gradient(np.concatenate([stripes, ramp])), [0.4, 0.1], rtol=1e-6)


class Known(TranslationModel):
    """A translator of a known formula, without weights."""

    metric_names = ()

    def __init__(self, image_shape=(8, 8, 1), forth=lambda x: 0.5 * x, **kwargs):
        super().__init__(image_shape, **kwargs)
        self.forth = forth
        self.build()

    def draw_noise(self, num_samples, seed):
        return tf.zeros((num_samples, 1))

    def generate(self, noise, condition=None):
        return self.forth(condition)


class KnownBothWays(Known):
    """Hides the source in the part of a level that 8 bits do not hold, as Chu et al. 2017 found CycleGANs to."""

    def generate(self, noise, condition=None):
        return 0.5 + condition / 1000

    def translate_back(self, images, seed=None, batch_size=None):
        return tf.clip_by_value((tf.convert_to_tensor(images) - 0.5) * 1000, 0, 1)

    def signatures(self):
        back = serving.Signature(lambda images: {"sources": images}, self.sample_output(), self.condition_input())
        return {**super().signatures(), "translate_back": back}


def as_pairs(targets, sources, batch_size=3):
    return tf.data.Dataset.from_tensor_slices((targets, sources)).batch(batch_size)


def test_a_known_translator_measured():
    targets, sources = images(7, 8, 8, 1), images(7, 8, 8, 1)
    model = Known()
    model.compile()
    figures = model.measurements(as_pairs(targets, sources))
    names = [f"{name}{of}" for of in ("", "_of_the_source") for name in ("l1", "psnr", "ssim")]
    assert list(figures) == [*names, "gradient_ratio"]
    errors = abs(targets - 0.5 * sources).mean(axis=(1, 2, 3))
    assert float(figures["l1"]) == pytest.approx(errors.mean(), rel=1e-5)
    assert figures["l1"].standard_error == pytest.approx(errors.std(ddof=1) / np.sqrt(7), rel=1e-4)
    assert float(figures["l1_of_the_source"]) == pytest.approx(abs(targets - sources).mean(), rel=1e-5)
    assert {figure.num_examples for figure in figures.values()} == {7}
    assert "Gaussian window of 7 pixels" in figures["ssim"].method
    steps = [sum(abs(np.diff(x, axis=axis)).mean() for axis in (1, 2)) for x in (0.5 * sources, targets)]
    assert float(figures["gradient_ratio"]) == pytest.approx(steps[0] / steps[1], rel=1e-5)


def test_an_unpaired_set_has_no_distance_to_a_target():
    model = Known()
    model.compile()
    figures = model.measurements(as_pairs(images(7, 8, 8, 1), images(7, 8, 8, 1)), has_pairs=False)
    assert list(figures) == ["gradient_ratio"] and figures["gradient_ratio"].num_examples == 7


def test_what_is_hidden_in_fine_noise_does_not_come_back_through_8_bits():
    sources = images(6, 8, 8, 1)
    model = KnownBothWays()
    model.compile()
    figures = model.measurements(as_pairs(sources, sources))
    assert float(figures["cycle_l1"]) < 1e-3
    rounded = np.round(255 * (0.5 + sources / 1000)) / 255  # a step of 8 bits is 3.9 times all that is hidden
    expected = abs(sources - np.clip(1000 * (rounded - 0.5), 0, 1)).mean()
    assert expected > 0.3 and float(figures["cycle_l1_in_8_bits"]) == pytest.approx(expected, rel=1e-3)
    assert "cycle_l1" in model.measurements(as_pairs(sources, sources), has_pairs=False)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_the_nearest_training_source(dtype):
    test, training = ([images(n, 5, 4, 2), images(n, 5, 4, 2)] for n in (9, 50))
    training[1][7] = test[1][2]  # one that is there itself
    parts = [
        [np.round(255 * part).astype("uint8") if dtype == "uint8" else part for part in x] for x in (test, training)
    ]
    figures = translation_distances.nearest_neighbor(as_pairs(*parts[0]), as_pairs(*parts[1], batch_size=8))
    levels = 255 if dtype == "uint8" else 1
    (targets, sources), (known_targets, known) = ([part / np.float64(levels) for part in x] for x in parts)
    nearest = ((sources[:, None] - known[None]) ** 2).sum(axis=(2, 3, 4)).argmin(axis=1)
    assert nearest[2] == 7 and len(set(nearest)) > 4
    expected = abs(targets - known_targets[nearest]).mean(axis=(1, 2, 3))
    assert float(figures["l1_of_the_nearest"]) == pytest.approx(expected.mean(), rel=1e-5)
    assert figures["l1_of_the_nearest"].num_examples == 9
    assert "of the nearest of 50 training sources" in figures["l1_of_the_nearest"].method
    first = translation_distances.nearest_neighbor(as_pairs(*parts[0]), as_pairs(*parts[1]), num_images=4)
    assert float(first["l1_of_the_nearest"]) == pytest.approx(expected[:4].mean(), rel=1e-5)
    assert first["l1_of_the_nearest"].num_examples == 4


def test_a_classifier_reads_the_labels_of_the_sources():
    test = gz.data.load("digits", "test", batch_size=100, source="inverted", shuffle=False)
    labelled = gz.data.load("digits", "test", batch_size=100, labels=True, shuffle=False)
    labels = np.concatenate([labels for _, labels in labelled])
    perfect = Known(forth=lambda x: 1 - x)
    options = {"classifier": "classifier_digits", "labels_of_sources": labels}
    read = gz.evaluation.sample_measurements(perfect, test, "pixels", num_samples=400, **options)
    alone = gz.evaluation.classifier_agreement(
        np.concatenate([images for images, _ in labelled])[np.arange(400) % 360],
        labels[np.arange(400) % 360],
        "classifier_digits",
    )
    assert float(read["classifier_agreement"]) == pytest.approx(float(alone)) and float(alone) > 0.97
    assert read["classifier_agreement"].num_examples == 400
    copied = read["classifier_agreement_of_the_source"]
    assert copied.num_examples == 360 and float(copied) < 0.5  # of white paper with dark digits
    shuffled = gz.evaluation.sample_measurements(
        perfect, test, "pixels", 100, classifier="classifier_digits", labels_of_sources=labels[::-1].copy()
    )
    assert float(shuffled["classifier_agreement"]) < 0.4


def test_what_a_run_gives_for_measuring():
    recipe, facts = recipes.get("pix2pix_digits"), {"dataset": "digits", "batch_size": 50, "seed": 3}
    labelled = gz.data.load("digits", "test", labels=True, shuffle=False)
    wanted = np.concatenate([labels for _, labels in labelled])
    np.testing.assert_array_equal(run_data.labels_of_sources(recipe, facts, "test"), wanted)
    targets, sources = (np.concatenate(part) for part in zip(*run_data.load_training_pairs(recipe, facts), strict=True))
    np.testing.assert_array_equal(targets, np.concatenate(list(gz.data.load("digits", shuffle=False))))
    np.testing.assert_array_equal(sources, gz.data.derive(targets, "edges"))
    own = settings.apply(recipes.get("pix2pix_photos"), {})
    assert run_data.labels_of_sources(own, {"dataset": "nowhere/"}, "test") is None and run_data.has_pairs(own)
    assert not run_data.has_pairs(settings.apply(own, {"data.source": "unpaired"}))

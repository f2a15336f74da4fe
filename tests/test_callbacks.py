"""Pictures while training."""

import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz


@pytest.mark.parametrize("num_classes", [None, 10])
def test_pictures_after_each_epoch_and_in_tensorboard(tmp_path, num_classes):
    data = gz.data.load("digits", "test", labels=True)
    batch = tuple(tensor[:20] for tensor in next(iter(data)))
    vae = gz.VAE((8, 8, 1), 4, num_classes=num_classes)
    vae.compile()
    callbacks = [
        gz.callbacks.SampleGrid(tmp_path / "pictures", num_samples=20, log_dir=tmp_path / "logs"),
        gz.callbacks.ReconstructionGrid(tmp_path / "pictures", batch),
    ]
    vae.fit(data, epochs=2, verbose=0, callbacks=callbacks)
    names = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert names == [f"{kind}_{epoch:04d}.png" for kind in ("reconstructions", "samples") for epoch in (1, 2)]
    first, second = ((tmp_path / "pictures" / f"samples_000{epoch}.png").read_bytes() for epoch in (1, 2))
    assert first != second
    (log,) = (tmp_path / "logs").iterdir()
    steps = [e.step for e in tf.compat.v1.train.summary_iterator(str(log)) if e.summary.value]
    assert steps == [1, 2]


def test_tensorboard_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"keras-genzoo\[tensorboard\]"):
        gz.callbacks.SampleGrid(tmp_path, log_dir=tmp_path)


def test_a_conditional_model_draws_one_class_a_column():
    vae = gz.VAE((8, 8, 1), 4, num_classes=3)
    drawn = gz.callbacks.sample_grid(vae, num_samples=5, seed=0)
    assert drawn.shape == (2, 3, 8, 8, 1)
    same = vae.sample(6, [0, 1, 2, 0, 1, 2], seed=0)
    tf.debugging.assert_equal(drawn[1, 2], same[5])


def test_grids_of_a_model_conditioned_on_vectors(tmp_path):
    pixelcnn = gz.PixelCNN((4, 4, 1), num_filters=4, num_residual_blocks=1, condition_dim=2)
    pixelcnn.compile(run_eagerly=True)
    vectors = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
    images = np.ones((5, 4, 4, 1), "float32")
    weights = pixelcnn.get_weights()
    for labels, message in [
        (None, r"`labels` are missing: this model has condition_dim=2.*floats \(n, 2\)"),
        (vectors[:, :1], r"shape \(n, 2\)"),
        ([0, 1, 2], "floats"),
    ]:
        grid = gz.callbacks.SampleGrid(tmp_path / "pictures", labels=labels)
        with pytest.raises(ValueError, match=message):
            pixelcnn.fit(images, vectors, verbose=0, callbacks=[grid])
        with pytest.raises(ValueError, match=message):
            gz.callbacks.sample_grid(pixelcnn, labels=labels)
    for before, after in zip(weights, pixelcnn.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)  # refused before the first step
    grid = gz.callbacks.SampleGrid(tmp_path / "pictures", labels=vectors)
    pixelcnn.fit(images, vectors, verbose=0, callbacks=[grid])
    assert (tmp_path / "pictures" / "samples_0001.png").exists()
    drawn = gz.callbacks.sample_grid(pixelcnn, labels=vectors, seed=0)
    np.testing.assert_array_equal(drawn, pixelcnn.sample(5, vectors, seed=0))


def test_a_grid_of_chosen_classes():
    vae = gz.VAE((8, 8, 1), 4, num_classes=3)
    drawn = gz.callbacks.sample_grid(vae, labels=[2, 2, 0], seed=0)
    np.testing.assert_array_equal(drawn, vae.sample(3, [2, 2, 0], seed=0))
    with pytest.raises(ValueError, match="without num_classes"):
        gz.callbacks.sample_grid(gz.VAE((8, 8, 1), 4), labels=[2, 2, 0])


def test_reconstructions_stand_below_their_images():
    vae = gz.VAE((8, 8, 1), 4)
    images = tf.random.stateless_uniform((20, 8, 8, 1), (0, 1))
    drawn = gz.callbacks.reconstruction_grid(vae, images, num_columns=8)
    assert drawn.shape == (4, 8, 8, 8, 1)
    tf.debugging.assert_near(drawn[2], images[8:16])
    tf.debugging.assert_near(drawn[3], vae.reconstruct(images[8:16]), atol=1e-5)

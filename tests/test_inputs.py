"""What may enter a model: data of every form is checked or refused, and networks of every form are built."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_genzoo as gz
from keras_genzoo import domains
from keras_genzoo.image_model import ImageModel

GOOD = np.random.default_rng(0).uniform(size=(12, 4, 4, 1)).astype("float32")
LABELS = np.arange(12) % 3
NAN = GOOD.copy()
NAN[9] = np.nan  # in the third batch of 4: Keras looks at two before it begins


class Batches(keras.utils.PyDataset):
    def __init__(self, *arrays, **kwargs):
        super().__init__(**kwargs)
        self.arrays = arrays
        self.calls = []

    def __len__(self):
        return 3

    def __getitem__(self, i):
        self.calls.append(i)
        batch = tuple(array[4 * i : 4 * i + 4] for array in self.arrays)
        return batch if len(batch) > 1 else batch[0]

    def on_epoch_begin(self):
        self.calls.append("begin")

    def on_epoch_end(self):
        self.calls.append("end")


def generator(*arrays):
    for i in range(3):
        batch = tuple(array[4 * i : 4 * i + 4] for array in arrays)
        yield batch if len(batch) > 1 else batch[0]


def data_set(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(4)


def small(num_classes=None):
    """A model whose steps are not traced, for speed. Outside a graph they look at values, too: see `traced`."""
    model = gz.Autoencoder((4, 4, 1), 2, num_classes=num_classes)
    model.compile(keras.optimizers.SGD(1e-3), run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def traced():
    """A model whose steps would take anything: only the checks before them see values."""
    encoder = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(16), keras.layers.Reshape((4, 4, 1))])
    model = gz.Autoencoder((4, 4, 1), 2, encoder, decoder)
    model.compile(keras.optimizers.SGD(1e-3))
    return model


# ---- data of every form ----


@pytest.mark.parametrize("form", [Batches, generator, data_set, lambda images: images, tf.constant])
def test_nan_is_refused_in_every_form_of_data(traced, form):
    for call in (
        lambda: traced.fit(form(NAN), shuffle=False, verbose=0),
        lambda: traced.evaluate(form(NAN), verbose=0),
        lambda: traced.predict(form(NAN), verbose=0),
        lambda: traced.fit(GOOD, batch_size=4, validation_data=form(NAN), verbose=0),
    ):
        with pytest.raises(ValueError, match=r"^`\w+` given as floats must lie in \[0, 1\] and hold no NaN") as raised:
            call()
        assert "\n" not in str(raised.value)
    assert all(np.isfinite(weight).all() for weight in traced.get_weights())


@pytest.mark.parametrize("workers", [{"workers": 2}, {"workers": 2, "use_multiprocessing": True}])
def test_nan_is_refused_where_workers_make_batches(traced, workers):
    with pytest.raises(ValueError, match=r"^`images` given as floats .* hold no NaN"):
        traced.fit(Batches(NAN, **workers), verbose=0)


def test_on_batch_methods_check_too(traced):
    for call in (traced.train_on_batch, traced.test_on_batch, traced.predict_on_batch):
        with pytest.raises(ValueError, match="hold no NaN"):
            call(NAN)
    assert np.isfinite(traced.train_on_batch(GOOD)).all()
    np.testing.assert_allclose(traced.predict_on_batch(GOOD), traced.reconstruct(GOOD), atol=1e-6)


class Recorder(ImageModel):
    """A model whose steps keep the images and labels that they got."""

    def __init__(self, num_classes=None):
        super().__init__((4, 4, 1), num_classes)
        self.seen = []
        self.build()
        self.compile(keras.optimizers.SGD(), run_eagerly=True)

    def train_step(self, data):
        self.seen.append(self.unpack(data))
        return self.track(loss=tf.zeros(1))

    test_step = train_step


UINT8 = np.round(GOOD * 255).astype("uint8")
FORMS = {
    "arrays": lambda x, y: ((x, y), {"batch_size": 4}),
    "tensors": lambda x, y: ((tf.constant(x), tf.constant(y)), {"batch_size": 4}),
    "dict": lambda x, y: (({"image": x, "label": y},), {"batch_size": 4}),
    "data set": lambda x, y: ((data_set(x, y),), {}),
    "data set of dicts": lambda x, y: (
        (tf.data.Dataset.from_tensor_slices({"image": x, "label": y, "id": y}).batch(4),),
        {},
    ),
    "PyDataset": lambda x, y: ((Batches(x, y),), {}),
    "generator": lambda x, y: ((generator(x, y),), {}),
    "generator of dicts": lambda x, y: ((({"image": x, "label": y} for x, y in generator(x, y)),), {}),
}


@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize("form", FORMS)
def test_a_step_gets_the_images_and_the_labels_of_every_form(form, num_classes):
    for images, labels in ((GOOD, LABELS), (UINT8, LABELS.astype("uint8")), (UINT8 / 255, LABELS.astype("int32"))):
        recorder = Recorder(num_classes)
        arguments, options = FORMS[form](images, labels)
        recorder.fit(*arguments, shuffle=False, verbose=0, **options)
        arguments, options = FORMS[form](images, labels)
        recorder.evaluate(*arguments, verbose=0, **options)
        floats = images / 255 if images.dtype == "uint8" else images
        seen, seen_labels = zip(*recorder.seen, strict=True)
        assert len(seen) == 6 and seen[0].dtype == tf.float32
        np.testing.assert_allclose(np.concatenate(seen), np.concatenate([floats, floats]), atol=1e-6)
        if num_classes:
            assert seen_labels[0].dtype == tf.int32
            np.testing.assert_array_equal(np.concatenate(seen_labels), np.concatenate([LABELS, LABELS]))
        else:
            assert set(seen_labels) == {None}


@pytest.mark.parametrize(
    ("workers", "num_classes"),
    [({}, None), ({}, 3), ({"workers": 2}, None), ({"workers": 2, "use_multiprocessing": True}, 3)],
)
def test_a_py_dataset_trains_as_its_arrays_do(workers, num_classes):
    losses = []
    for data in ((GOOD, LABELS), (Batches(GOOD, LABELS, **workers),)):
        keras.utils.set_random_seed(0)
        losses.append(small(num_classes).fit(*data, batch_size=4, epochs=2, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_a_py_dataset_keeps_its_epochs_and_its_order():
    batches = Batches(GOOD)
    small().fit(batches, epochs=2, shuffle=False, verbose=0)
    ends = [i for i, call in enumerate(batches.calls) if call == "end"]
    assert batches.calls.count("begin") == 2
    assert [call for call in batches.calls[ends[-2] : ends[-1]] if isinstance(call, int)] == [0, 1, 2]
    shuffled = Batches(GOOD)
    small().fit(shuffled, epochs=4, verbose=0)
    indices = [call for call in shuffled.calls if isinstance(call, int)]
    epochs = {tuple(indices[i : i + 3]) for i in range(len(indices) - 12, len(indices), 3)}
    assert len(epochs) > 1 and all(sorted(epoch) == [0, 1, 2] for epoch in epochs)


def test_a_generator_may_give_what_a_data_set_may():
    losses = []
    for batches in (generator(GOOD, LABELS), ({"image": x, "label": y} for x, y in generator(GOOD, LABELS))):
        keras.utils.set_random_seed(0)
        losses.append(small(3).evaluate(batches, verbose=0))
    keras.utils.set_random_seed(0)
    losses.append(small(3).evaluate({"image": GOOD, "label": LABELS}, batch_size=4, verbose=0))
    keras.utils.set_random_seed(0)
    expected = small(3).evaluate(GOOD, LABELS, batch_size=4, verbose=0)
    np.testing.assert_allclose(losses, [expected] * 3, rtol=1e-6)


def test_errors_of_the_users_own_code_are_left_alone():
    def broken():
        yield from generator(GOOD)
        raise KeyError("a file is missing")

    with pytest.raises(Exception, match="a file is missing") as raised:
        small().fit(broken(), verbose=0)
    assert "Traceback" in str(raised.value)  # of the user's own code


@pytest.mark.parametrize("number", [2, 5])
def test_a_list_of_images_is_refused(number):
    model, images = small(), list(GOOD[:number])
    for call in (
        lambda: model.fit(images, verbose=0),
        lambda: model.evaluate(images, verbose=0),
        lambda: model.fit([GOOD, GOOD], verbose=0),
    ):
        with pytest.raises(ValueError, match=r"`x` must be an array.*got a list of \d.*np\.stack\(images\)"):
            call()
    if number > 3:  # up to three are x, y and sample weights
        with pytest.raises(ValueError, match=r"`validation_data` must be an array.*list of 5.*np\.stack"):
            model.fit(GOOD, validation_data=images, verbose=0)
        with pytest.raises(ValueError, match=r"`x` must be an array.*np\.stack"):
            model.predict(images, verbose=0)
    else:
        for call in (lambda: model.fit(GOOD, validation_data=images, verbose=0), lambda: model.predict(images)):
            with pytest.raises(ValueError, match="looks like one image"):
                call()


class DataLoader:
    """As torch's: it gives batches, and Keras knows it by its name."""

    __module__ = "torch.utils.data.dataloader"

    def __iter__(self):
        return generator(NAN)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (DataLoader(), "got a DataLoader. A generator makes batches of anything"),
        (iter([GOOD]), "got a list_iterator"),
        ("images", "got a str"),
        (None, "got a NoneType"),
        (tf.ragged.stack(list(GOOD)), "dense.*got a RaggedTensor"),
        (tf.sparse.from_dense(GOOD), "dense.*got a SparseTensor"),
        (tf.data.Dataset.from_tensors(tf.ragged.stack(list(GOOD))), "dense.*got a RaggedTensor"),
        (np.array([None] * 4), "of numbers; got a ndarray"),
        (np.array("image"), "of numbers"),
        (np.float32(0.5), "a row for each example"),
    ],
)
def test_other_data_are_refused_by_name(data, message):
    model = small()
    for call in (model.fit, model.evaluate, model.predict):
        with pytest.raises(ValueError, match=message):
            call(data, verbose=0)


def test_a_distributed_data_set_is_refused(two_devices):
    with two_devices.scope():
        model = gz.Autoencoder((4, 4, 1), 2)
        model.compile()
    with pytest.raises(ValueError, match=r"Give the tf\.data\.Dataset itself"):
        model.fit(two_devices.experimental_distribute_dataset(data_set(GOOD)), verbose=0)


def test_arrays_of_other_libraries_are_checked():
    class Foreign:
        """As tensors of torch and JAX, and frames of pandas: NumPy knows how to read it."""

        shape, dtype = GOOD.shape, GOOD.dtype

        def __init__(self, array):
            self.array = array

        def __array__(self, dtype=None, copy=None):
            return self.array

    model = small()
    model.fit(Foreign(GOOD), verbose=0)
    with pytest.raises(ValueError, match="hold no NaN"):
        model.fit(Foreign(NAN), verbose=0)
    with pytest.raises(ValueError, match=r"must have shape"):
        model.fit(Foreign(GOOD[:, :, 0, 0]), verbose=0)


def test_labels_beside_a_data_set_are_refused():
    with pytest.raises(ValueError, match="`y` should not be passed"):
        small().fit(data_set(GOOD), LABELS, verbose=0)


@pytest.mark.parametrize("num_classes", [None, 3])
def test_validation_data_as_keras_takes_them(num_classes):
    model, train = small(num_classes), (GOOD[:8], LABELS[:8])
    validation = (GOOD[8:], LABELS[8:])
    forms = [validation, list(validation), (*validation, None), {"image": validation[0], "label": validation[1]}]
    forms += [data_set(*validation)]
    if num_classes is None:
        forms += [validation[0], tf.constant(validation[0]), (validation[0],)]
    for form in forms:
        keras.utils.set_random_seed(0)
        history = model.fit(*train, validation_data=form, verbose=0).history
        expected = model.evaluate(*validation, verbose=0, return_dict=True)
        np.testing.assert_allclose(history["val_loss"][-1], expected["loss"], rtol=1e-5)
    with pytest.raises(ValueError, match="Sample weights are not supported"):
        model.fit(*train, validation_data=(*validation, np.ones(4)), verbose=0)
    if num_classes:
        with pytest.raises(ValueError, match="`labels of validation_data` are missing"):
            model.fit(*train, validation_data=validation[0], verbose=0)


@pytest.mark.parametrize("num_classes", [None, 3])
def test_validation_split(num_classes):
    model = small(num_classes)
    history = model.fit(GOOD, LABELS, validation_split=0.25, verbose=0).history
    expected = model.evaluate(GOOD[9:], LABELS[9:], verbose=0, return_dict=True)
    np.testing.assert_allclose(history["val_loss"][-1], expected["loss"], rtol=1e-5)


def test_labels_must_be_as_many_as_images():
    with pytest.raises(ValueError, match="`y` must hold one label an example: expected 12, got 11"):
        small(3).fit(GOOD, LABELS[:11], verbose=0)


def test_bits_as_bytes_of_0_and_1_are_refused_by_every_verb():
    bits = np.random.default_rng(0).integers(0, 2, (12, 4, 4, 1), dtype="uint8")
    vae, message = gz.VAE((4, 4, 1), 2), r"holds 0 and 1 alone.*Multiply bits by 255"
    vae.compile(run_eagerly=True)
    for call in (
        *(lambda form=form: vae.fit(form(bits), verbose=0) for form in (np.asarray, data_set, Batches, generator)),
        lambda: vae.evaluate(bits, verbose=0),
        lambda: vae.predict(data_set(bits), verbose=0),
        lambda: vae.encode(bits),
        lambda: vae.log_prob(bits),
        lambda: vae(bits),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    vae.fit(bits * 255, verbose=0)
    vae.encode(np.zeros_like(bits))
    np.testing.assert_allclose(vae(bits * 255), vae.reconstruct(bits.astype("float32")), atol=1e-6)
    np.testing.assert_allclose(vae.encode(bits / 255), vae.encode(tf.constant(bits, "float32") / 255), atol=1e-6)


def test_a_classifier_checks_its_data_too():
    classifier = gz.evaluation.Classifier((4, 4, 1), 3)
    classifier.compile(run_eagerly=True)
    classifier.fit(Batches(GOOD, LABELS), verbose=0, validation_data=(GOOD, LABELS))
    for call in (
        lambda: classifier.fit(Batches(NAN, LABELS), verbose=0),
        lambda: classifier.fit(GOOD, LABELS, validation_data=(NAN, LABELS), verbose=0),
        lambda: classifier.predict(NAN, verbose=0),
    ):
        with pytest.raises(ValueError, match="hold no NaN"):
            call()
    np.testing.assert_allclose(classifier.predict(GOOD, verbose=0), classifier(GOOD), atol=1e-5)


# ---- conditions ----


@pytest.mark.parametrize(
    "model",
    [
        gz.Autoencoder((4, 4, 1), 2, num_classes=3),
        gz.VAE((4, 4, 1), 2, num_classes=3),
        gz.ConditionalGAN((4, 4, 1), 2, num_classes=3),
        gz.PixelCNN((4, 4, 1), num_filters=4, num_residual_blocks=1, num_classes=3),
        gz.GatedPixelCNN((4, 4, 1), num_filters=4, num_residual_blocks=1, num_classes=3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_predict_and_call_use_labels_and_do_not_do_without(model):
    randomize(model)
    given = np.random.default_rng(0).normal(size=(12, 2)) if isinstance(model, gz.GAN) else np.round(GOOD)
    given = given.astype("float32")
    expected = model(given, LABELS)
    assert np.abs(expected - model(given, (LABELS + 1) % 3)).max() > 1e-3
    for data in ((given, LABELS), [given, LABELS], data_set(given, LABELS), Batches(given, LABELS)):
        np.testing.assert_allclose(model.predict(data, batch_size=4, verbose=0), expected, atol=1e-4)
    for call in (lambda: model(given), lambda: model.predict(given), lambda: model.predict(data_set(given))):
        with pytest.raises(ValueError, match="are missing: this model has num_classes=3"):
            call()
    with pytest.raises(ValueError, match=r"must lie in 0\.\.2"):
        model.predict((given, LABELS + 1), verbose=0)


def randomize(model):
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, 0.3, variable.shape))


def test_predict_of_a_gan_takes_latents():
    gan = gz.GAN((4, 4, 1), 2)
    latents = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
    np.testing.assert_allclose(gan.predict(latents, verbose=0), gan.decode(latents), atol=1e-6)
    with pytest.raises(ValueError, match=r"`x` must be floating of shape \(\.\.\., n, 2\)"):
        gan.predict(latents[:, :1], verbose=0)
    for call in (lambda: gan.predict(latents * np.nan), lambda: gan.decode(latents * np.inf)):
        with pytest.raises(ValueError, match="must be finite"):
            call()


# ---- memory ----


def growth_of_peak_memory(function):
    """Bytes by which the most that this process ever held rises while a function runs, above what it holds before."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak is now what is held

    def read(key):
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))

    before = read("VmRSS")
    function()
    return read("VmHWM") - before


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("make", [small, lambda: gz.PixelCNN((4, 4, 1), num_filters=4, num_residual_blocks=1)])
def test_checking_an_array_copies_nothing(dtype, make, monkeypatch):
    try:
        open("/proc/self/clear_refs", "w").close()
    except OSError:
        pytest.skip("needs Linux's /proc/self/clear_refs")
    model = make()
    images = np.full((2**21, 4, 4, 1), 255 if dtype == "uint8" else 1, dtype)
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **kwargs: None)  # what comes after the check
    growth = growth_of_peak_memory(lambda: model.fit(images))
    assert growth < 2**26  # of the parts that are looked at; a float32 copy is 2**27


# ---- networks ----


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    """Of images or latents, or of a list with labels, to an output of any shape."""

    def __init__(self, shape, **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.flatten = keras.layers.Flatten()
        self.dense = keras.layers.Dense(int(np.prod(shape)), activation="sigmoid")
        self.embedding = keras.layers.Embedding(3, 5)

    def call(self, inputs, training=False):
        images, labels = inputs if isinstance(inputs, (list, tuple)) else (inputs, None)
        x = self.flatten(images)
        if labels is not None:
            x = keras.ops.concatenate([x, self.embedding(labels)], axis=-1)
        return keras.ops.reshape(self.dense(x), (-1, *self.shape))

    def get_config(self):
        return {**super().get_config(), "shape": list(self.shape)}


@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize(
    ("name", "networks"),
    [("VAE", {"encoder": (4,), "decoder": (4, 4, 1)}), ("GAN", {"generator": (4, 4, 1), "discriminator": (1,)})],
)
def test_subclassed_networks(name, networks, num_classes, tmp_path):
    networks = {key: Subclassed(shape) for key, shape in networks.items()}
    model = getattr(gz, name)((4, 4, 1), 2, num_classes=num_classes, **networks)
    model.compile()
    before = [weight.copy() for weight in model.get_weights()]
    model.fit(GOOD, LABELS, verbose=0)
    assert sum(np.abs(a - b).max() > 0 for a, b in zip(before, model.get_weights(), strict=True)) >= 4
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")
    labels = None if num_classes is None else [0, 1, 2]
    np.testing.assert_array_equal(copy.sample(3, labels, seed=0), model.sample(3, labels, seed=0))


def test_networks_not_built_yet():
    def sequential(units):
        return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(units)])

    vae = gz.VAE((4, 4, 1), 2, encoder=sequential(4))
    assert vae.encode(GOOD).shape == (12, 2)
    with pytest.raises(ValueError, match=r"`encoder` must give outputs of shape \(n, 4\); this one gives \(n, 5\)"):
        gz.VAE((4, 4, 1), 2, encoder=sequential(5))


def test_networks_that_do_not_fit():
    class Pair(keras.Model):
        def call(self, images):
            return images, images

    class Broken(keras.Model):
        def call(self, images):
            raise RuntimeError("no such thing")

    dense = keras.layers.Dense(4)
    for encoder, message in [
        (dense, r"`encoder` must be a Keras model; got a Dense.*keras\.Sequential\(\[layer\]\)"),
        (lambda images: images, "`encoder` must be a Keras model; got a function"),
        (Subclassed((5,)), r"`encoder` must give outputs of shape \(n, 4\); this one gives \(n, 5\)"),
        (Pair(), r"`encoder` must give outputs of shape \(n, 4\), one array"),
        (Broken(), r"`encoder` cannot be called on inputs of shape \(n, 4, 4, 1\).*no such thing"),
    ]:
        with pytest.raises(ValueError, match=message):
            gz.VAE((4, 4, 1), 2, encoder=encoder)


def test_saving_a_network_that_keras_cannot_save_says_what_to_do(tmp_path):
    class Unsavable(Subclassed):
        def __init__(self, function):
            super().__init__((4,))
            self.function = function

        get_config = keras.Model.get_config

    vae = gz.VAE((4, 4, 1), 2, encoder=Unsavable(lambda x: x))
    for save in (lambda: vae.save(tmp_path / "vae.keras"), lambda: vae.save_to_preset(tmp_path / "preset")):
        with pytest.raises(ValueError, match=r"`encoder` cannot be saved: give its class Unsavable a get_config"):
            save()
    assert not list(tmp_path.iterdir())
    vae.save_weights(tmp_path / "vae.weights.h5")


def test_values_are_checked_alike_by_numpy_and_by_tensorflow():
    for values in ([0.5, np.nan], [np.nan, 0.5], [0.5, 1.5], [-0.5, 1.0]):
        images = np.array(values, "float32").reshape(1, 2, 1, 1)
        for form in (np.asarray, tf.constant):
            with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
                domains.Images((2, 1, 1))(form(images))

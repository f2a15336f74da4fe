"""Bad input gets one clear error that names what was wrong and what to do, before any weight has moved."""

import numpy as np
import pytest
import tensorflow as tf

from tests.contract.conftest import IMAGE_SHAPE, NUM_CLASSES, VARIANTS, build_variant, labels_for

GOOD = np.ones((4, *IMAGE_SHAPE), "float32")  # a level of every model
LABELS = np.arange(4)

BAD_IMAGES = {
    "channel axis missing": (GOOD[..., 0], r"must have shape \(n, 8, 8, 1\).*Add the channel axis"),
    "other size": (GOOD[:, :6], r"must have shape \(n, 8, 8, 1\); got \(\w+, 6, 8, 1\).*Resize"),
    "above 1": (GOOD * 1.5, r"must lie in \[0, 1\].*1\.5"),
    "below 0": (GOOD * -0.5, r"must lie in \[0, 1\].*-0\.5"),
    "NaN": (GOOD * np.nan, r"hold no NaN"),
    "int32": ((GOOD * 255).astype("int32"), r"uint8 in 0\.\.255; got dtype int32.*tf\.uint8"),
    "int64": ((GOOD * 255).astype("int64"), r"uint8 in 0\.\.255; got dtype int64"),
    "bool": (GOOD > 0, r"got dtype bool"),
}


def batches(*tensors):
    return tf.data.Dataset.from_tensor_slices(tensors if len(tensors) > 1 else tensors[0]).batch(2)


@tf.autograph.experimental.do_not_convert
def never(*batch):
    return False


@pytest.fixture(scope="module", params=VARIANTS)
def compiled(request):
    """One model for all tests, since bad input must leave it as it was, and its steps are then traced once."""
    model = build_variant(request.param)
    model.compile()
    return model


@pytest.mark.parametrize("case", BAD_IMAGES)
def test_bad_images(compiled, case):
    images, message = BAD_IMAGES[case]
    weights = [variable.numpy() for variable in compiled.trainable_variables]
    calls = [
        lambda: compiled.fit(images, LABELS, verbose=0),
        lambda: compiled.fit(batches(images, LABELS), verbose=0),
        lambda: compiled.evaluate(batches(images, LABELS), verbose=0),
    ]
    for verb in ("encode", "reconstruct", "posterior", "log_prob", "discriminate"):
        if hasattr(compiled, verb):
            calls.append(lambda verb=verb: getattr(compiled, verb)(images, labels_for(compiled, 4)))
    for call in calls:
        with pytest.raises(ValueError, match=message) as raised:
            call()
        assert "\n" not in str(raised.value) and "] [" not in str(raised.value)
    for before, variable in zip(weights, compiled.trainable_variables, strict=True):
        np.testing.assert_array_equal(before, variable.numpy())


def test_bad_validation_data(compiled):
    for bad in ((GOOD * 3, LABELS), batches(GOOD * 3, LABELS)):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            compiled.fit(batches(GOOD, LABELS), validation_data=bad, verbose=0)


def test_unbatched_data_set(compiled):
    with pytest.raises(ValueError, match=r"dataset\.batch"):
        compiled.fit(tf.data.Dataset.from_tensor_slices((GOOD, LABELS)), verbose=0)


@pytest.mark.parametrize(
    "empty",
    [
        lambda: tf.data.Dataset.from_tensor_slices((GOOD, LABELS)).take(0).batch(2),
        lambda: batches(GOOD, LABELS).filter(never),  # TensorFlow cannot count this one beforehand
    ],
)
def test_empty_data(compiled, empty):
    for call in (compiled.fit, compiled.evaluate):
        with pytest.raises(ValueError, match="empty"):
            call(empty(), verbose=0)
    with pytest.raises(ValueError, match="empty"):
        compiled.fit(GOOD[:0], LABELS[:0], verbose=0)


def test_dict_without_image(compiled):
    with pytest.raises(ValueError, match="'image'"):
        compiled.fit(tf.data.Dataset.from_tensor_slices({"picture": GOOD}).batch(2), verbose=0)


def test_sample_weights_are_refused(compiled):
    with pytest.raises(ValueError, match="third element"):
        compiled.fit(batches(GOOD, LABELS, np.ones(4)), verbose=0)


def test_labels(compiled):
    if compiled.num_classes is None:
        with pytest.raises(ValueError, match="without num_classes"):
            compiled.sample(4, labels=LABELS)
        return
    one_hot = np.eye(NUM_CLASSES, dtype="float32")[LABELS]
    for labels, message in [
        (None, "missing"),
        (one_hot, "tf.argmax"),
        (LABELS + NUM_CLASSES, r"0\.\.9"),
        (LABELS - 1, r"0\.\.9"),
    ]:
        data = batches(GOOD) if labels is None else batches(GOOD, labels)
        for call in (
            lambda data=data: compiled.fit(data, verbose=0),
            lambda data=data: compiled.evaluate(data, verbose=0),
            lambda labels=labels: compiled.fit(GOOD, labels, verbose=0),
            *([] if labels is None else [lambda labels=labels: compiled.sample(4, labels=labels)]),
        ):
            with pytest.raises(ValueError, match=message):
                call()
    with pytest.raises(ValueError, match="expected 3, got 4"):
        compiled.sample(3, labels=LABELS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_samples": 0}, "`num_samples` must be a positive integer; got 0"),
        ({"num_samples": 2.5}, "`num_samples`"),
        ({"num_samples": 4, "batch_size": -1}, "`batch_size`"),
        ({"num_samples": 4, "seed": 2**31}, "`seed` must fit in 32 bits"),
        ({"num_samples": 4, "seed": "0"}, "`seed` must be an integer"),
    ],
)
def test_sample_arguments(compiled, arguments, message):
    with pytest.raises(ValueError, match=message):
        compiled.sample(**arguments, labels=labels_for(compiled, 4))


@pytest.mark.parametrize("image_shape", [(8, 8), (8, 8, 0), 8, (8, 8, "1"), None])
def test_image_shape(build, image_shape):
    with pytest.raises(ValueError, match="`image_shape`"):
        build(image_shape=image_shape)

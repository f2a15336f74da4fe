"""The contract of every verb: what is drawn repeats and differs, lies in its domain and depends on its condition; wrong
values get one clear error and move no weight."""

import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import domains
from tests.contract import wrong_values
from tests.contract.conftest import batch_for, condition_for, drawn, good_inputs
from tests.contract.variants import NUM_CLASSES

ON_EVERY_VERB = ("bits as bytes", "other size", "too large", "missing", "NaN")  # tests/test_wrong_values.py has all


def test_what_is_drawn_repeats_and_differs(life):
    model = life.model
    first = drawn(model, 7, seed=3).numpy()
    assert first.shape == (7, *model.sample_domain.shape) and first.dtype == np.float32
    model.sample_domain.check(first)
    np.testing.assert_array_equal(first, drawn(model, 7, seed=3))
    np.testing.assert_allclose(first, drawn(model, 7, seed=3, batch_size=2), atol=1e-6)
    if model.is_deterministic:
        np.testing.assert_array_equal(first, drawn(model, 7, seed=4))
        return
    assert np.abs(first - drawn(model, 7, seed=4)).max() > 1e-4
    assert np.abs(drawn(model, 7) - drawn(model, 7)).max() > 1e-4


@pytest.mark.variants("is_conditional")
def test_what_is_drawn_depends_on_its_condition(life):
    """From the same noise."""
    model, condition = life.model, condition_for(life.model, 8)
    assert np.abs(drawn(model, 8, condition, seed=0) - drawn(model, 8, condition[::-1], seed=0)).max() > 1e-4


@pytest.mark.variants("has_classes")
def test_samples_without_labels_are_of_any_class(model, monkeypatch):
    seen = []
    monkeypatch.setattr(model, "in_batches", lambda function, batch_size, noise, labels: seen.append(labels.numpy()))
    for batch_size in (None, 100):
        model.sample(1000, seed=0, batch_size=batch_size)
    np.testing.assert_array_equal(seen[0], np.concatenate(seen[1:]))
    assert np.bincount(seen[0], minlength=NUM_CLASSES).min() > 50


def test_every_verb_is_a_method_whose_outputs_lie_in_their_domains(life):
    for name, signature in life.model.signatures().items():
        given = good_inputs(life.model, name)
        (domain,) = signature.outputs.values()
        value = getattr(life.model, name)(**given)
        domain.check(value.numpy(), name, check_values=True)
        assert len(value) == 3 and value.dtype == domain.dtype


def trained_weights(model):
    return [variable.numpy() for variable in model.trainable_variables]


def wrong_calls(model, case, sample=None, condition=None):
    """Calls by which one wrong part of a batch enters the model: as data, in both forms."""
    good = [part.numpy() for part in batch_for(model, 64)]
    parts = [good[0] if sample is None else sample, good[1] if condition is None else condition]
    if case == "missing" or not model.is_conditional:
        parts = parts[:1]
    data = tf.data.Dataset.from_tensor_slices(tuple(parts) if len(parts) > 1 else parts[0]).batch(16)
    return [
        lambda: model.fit(data, verbose=0),
        lambda: model.fit(*parts, verbose=0),
        lambda: model.evaluate(data, verbose=0),
    ]


def test_wrong_data_get_one_clear_error_and_move_no_weight(life):
    model = life.model
    model.compile(run_eagerly=True)  # a check that fails in a trace of its own proves nothing more
    weights = trained_weights(model)
    sample, condition = (part.numpy() for part in batch_for(model, 64))
    cases = [("sample", model.sample_domain, model.sample_domain.convert(sample).numpy())]
    if model.is_conditional:
        good = condition if model.num_classes else model.condition_domain.convert(condition).numpy()
        cases.append(("condition", model.condition_domain, good))
    for part, domain, good in cases:
        for case, (values, message) in wrong_values.of(domain, good).items():
            if case in ON_EVERY_VERB:
                for call in wrong_calls(model, case, **{part: values}):
                    with pytest.raises(ValueError, match=message) as raised:
                        call()
                    assert "\n" not in str(raised.value) and "] [" not in str(raised.value)
    for before, after in zip(weights, trained_weights(model), strict=True):
        np.testing.assert_array_equal(before, after)


def test_wrong_inputs_of_every_verb_get_one_clear_error(model):
    for verb, signature in model.signatures().items():
        given = good_inputs(model, verb)
        for name, domain in signature.inputs.items():
            if isinstance(domain, domains.Number):
                wrong = wrong_values.of_number(name)
            else:
                wrong = wrong_values.of(domain, given[name]).values()
            for value, message in wrong:
                if value is None and verb == "sample":
                    continue  # labels of any class
                with pytest.raises(ValueError, match=message) as raised:
                    getattr(model, verb)(**{**given, name: value})
                assert "\n" not in str(raised.value) and "] [" not in str(raised.value)


@pytest.mark.variants("has_classes")
def test_labels_are_as_many_as_samples(model):
    with pytest.raises(ValueError, match="expected 3, got 4"):
        model.sample(3, labels=np.arange(4))


@pytest.mark.variants("is_unconditional")
def test_labels_are_refused_by_a_model_without_classes(model):
    with pytest.raises(ValueError, match="without num_classes"):
        model.sample(4, labels=np.arange(4))


def test_a_wrong_batch_size_is_refused(model):
    with pytest.raises(ValueError, match="`batch_size`"):
        drawn(model, 4, batch_size=-1)

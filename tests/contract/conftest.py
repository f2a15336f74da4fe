"""Each variant, built and trained once for all of its tests, which run on one worker one after another."""

import gc
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_genzoo import domains
from keras_genzoo.models.autoregressive.pixel_sampling import Known
from tests.contract.variants import VARIANTS, batch_for
from tests.server_process import PythonProcess, ServerProcess


def pytest_generate_tests(metafunc):
    if "variant" in metafunc.fixturenames:
        variants = [
            pytest.param(variant, id=name, marks=pytest.mark.xdist_group(name)) for name, variant in VARIANTS.items()
        ]
        metafunc.parametrize("variant", variants, indirect=True, scope="session")


def pytest_collection_modifyitems(items):
    """Leaves out what a test marked `variants` is not for."""

    def is_for(item):
        mark = item.get_closest_marker("variants")
        return not mark or getattr(item.callspec.params["variant"], mark.args[0])

    items[:] = [item for item in items if is_for(item)]


@pytest.fixture(scope="session")
def variant(request):
    yield request.param
    gc.collect()  # the graphs of its models, before those of the next variant are made


@pytest.fixture(scope="session")
def build(variant):
    """Builds the variant afresh: `build()`, or `build(dtype="mixed_bfloat16")`."""
    return variant.build


@pytest.fixture(scope="session")
def model(build):
    """The variant as it is built; no test trains or compiles it."""
    return build()


@pytest.fixture(scope="session")
def data(model):
    """64 digits as the model takes them."""
    return batch_for(model, 64)


@pytest.fixture(scope="session")
def dataset(data):
    return tf.data.Dataset.from_tensor_slices(data).batch(16)


def condition_for(model, n):
    """What `n` samples are drawn from; None for a model without a condition."""
    if model.num_classes is not None:
        return np.arange(n) % model.num_classes
    return batch_for(model, n)[1].numpy() if model.is_conditional else None


def drawn(model, n, condition=None, **options):
    """What the model draws, by its first verb: `n` samples, or one for each source."""
    condition = condition_for(model, n) if condition is None else condition
    if model.verbs[0] == "translate":
        return model.translate(condition, **options)
    return model.sample(n, labels=condition, **options)


def good_inputs(model, verb, n=3):
    """For each input of a verb a legal value, as it is served; images are digits where the model is of them."""
    sample, *condition = batch_for(model, n)
    given = {}
    for name, domain in model.signatures()[verb].inputs.items():
        if isinstance(domain, domains.Images) and not isinstance(domain, Known):
            of_domain = condition[0] if domain == model.condition_domain else sample
            given[name] = domain.convert(of_domain).numpy()
        else:
            given[name] = domain.examples(n, seed=1)
    chosen = {"num_samples": n, "seed": 7, "temperature": 0.8, "num_importance_samples": 4}
    return {name: np.array(chosen.get(name, value), value.dtype) for name, value in given.items()}


def state(model):
    """Every number that a model trains with, copied: weights, random states and those of every optimiser."""
    optimizers = [value for value in vars(model).values() if isinstance(value, keras.optimizers.Optimizer)]
    assert len(optimizers) >= len(model.optimizer_names)
    return [variable.value.numpy() for part in (model, *optimizers) for variable in part.variables]


def assert_same_state(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


class Life(NamedTuple):
    """What became of a variant: trained for two epochs, saved in two ways, trained on beside its copies.

    Attributes:
        model: the variant, trained for three epochs.
        before, after: dict, what `evaluate` gave before the first epoch and, with other noise, after the third.
        history: dict, that of the first two epochs.
        num_traces: int, how often its train step was traced, in all three.
        saved, saved_weights: the `.keras` file, and that of the weights with the optimisers, after two epochs.
        at_saving, at_the_end: its state then and after the third.
    """

    model: keras.Model
    before: dict
    after: dict
    history: dict
    num_traces: int
    saved: str
    saved_weights: str
    at_saving: list
    at_the_end: list


@pytest.fixture(scope="session")
def life(build, dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("life")
    saved, saved_weights = str(folder / "model.keras"), str(folder / "model.weights.h5")
    keras.utils.set_random_seed(0)
    model, traces = build(), []
    train_step = type(model).train_step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "train_step", lambda self, data: traces.append(1) or train_step(self, data))
        model.compile(jit_compile=False)  # XLA gives the same, once it has compiled: tests/autoregressive/
        before = model.evaluate(dataset, verbose=0, return_dict=True)
        history = model.fit(dataset, epochs=2, validation_data=dataset, verbose=0).history
        model.save(saved)
        model.save_weights(saved_weights)
        at_saving = state(model)
        model.fit(dataset, verbose=0)
    at_the_end = state(model)
    after = model.evaluate(dataset, verbose=0, return_dict=True)
    return Life(model, before, after, history, len(traces), saved, saved_weights, at_saving, at_the_end)


@pytest.fixture(scope="session")
def server():
    """A process that answers requests as TensorFlow Serving does, without XLA, as it starts unless told otherwise."""
    with ServerProcess() as process:
        yield process


@pytest.fixture(scope="session")
def python_process():
    """A process that answers requests by `tf.saved_model.load`, without Keras and without this package."""
    with PythonProcess() as process:
        yield process

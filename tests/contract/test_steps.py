"""The contract of every train step: whose loss it lowers, what the condition reaches, and that it is the same in mixed
precision, under XLA and on several devices. Steps run eagerly where a trace would prove nothing more."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contract.conftest import drawn, good_inputs
from tests.contract.variants import NUM_CLASSES, VARIANTS, batch_for


@pytest.fixture(scope="session")
def batch(model):
    """So few that an eager step costs little more than its operations' overhead."""
    return batch_for(model, 16)


def compile_with_sgd(model, learning_rate=0.1, only=None, **kwargs):
    """SGD, since Adam's normalisation turns rounding errors of vanishing gradients into whole steps."""
    rates = {name: learning_rate if only in (None, name) else 0.0 for name in model.optimizer_names}
    model.compile(**{name: keras.optimizers.SGD(rate) for name, rate in rates.items()}, **kwargs)


@pytest.mark.variants("has_one_optimizer")
def test_a_step_lowers_the_loss(build, batch):
    """Against the same step at rest: the same batch and noise."""
    model = build()
    initial = model.get_weights()
    repeat_draws(model, len(batch[0]))

    def loss_after_a_step(learning_rate):
        model.set_weights(initial)
        compile_with_sgd(model, learning_rate)
        model.train_step(batch)
        model.reset_metrics()
        return float(model.test_step(batch)["loss"])

    at_rest = loss_after_a_step(0.0)
    assert loss_after_a_step(1e-3) < at_rest - 1e-6 * abs(at_rest)


@pytest.mark.variants("has_players")
def test_each_player_descends_on_the_sum_of_its_terms(build, batch):
    """Along the gradient of what `player_losses` says, which no train step uses; the other players rest.

    Told from the gradient without one of the terms, and with one of them turned, so that each must be there, of the
    right sign and weight.
    """
    model = build()
    repeat_draws(model, len(batch[0]))

    def gradients_of(player):
        gradients, variables = {}, model.player_variables(player)
        for name in model.player_losses(batch)[player]:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(model.player_losses(batch)[player][name])
            parts = zip(tape.gradient(loss, variables), variables, strict=True)
            parts = [np.zeros(variable.shape) if part is None else part for part, variable in parts]
            gradients[name] = np.concatenate([np.ravel(tf.convert_to_tensor(part, tf.float32)) for part in parts])
        return gradients

    model.compile()
    for player in model.players():
        variables = model.player_variables(player)
        before = [variable.numpy() for variable in variables]
        size = np.linalg.norm(np.concatenate([old.ravel() for old in before]))
        rate = 1e-4 * float(size / np.linalg.norm(sum(gradients_of(player).values())))  # small, and far above rounding
        compile_with_sgd(model, rate, only=f"{player}_optimizer")
        model.train_step(batch)
        update = np.concatenate([(v.numpy() - old).ravel() for v, old in zip(variables, before, strict=True)])
        for variable, old in zip(variables, before, strict=True):
            variable.assign(old)  # what no gradient moves, such as singular vectors, stays as the step has left it
        gradients = gradients_of(player)
        whole = sum(gradients.values())

        def distance(gradient, update=update, rate=rate):
            """Of the update from the nearest one along a gradient: a critic takes several steps along its own."""
            num_steps = max(-(update @ gradient) / (rate * gradient @ gradient), 0.0)
            return np.linalg.norm(update + rate * num_steps * gradient) / np.linalg.norm(update)

        assert distance(whole) < 0.02, player
        for name, gradient in gradients.items():
            assert distance(whole - 2 * gradient) > 0.04, (player, name)
            if len(gradients) > 1:
                assert distance(whole - gradient) > 0.04, (player, name)


@pytest.mark.variants("has_classes")
def test_the_condition_reaches_the_sample_and_every_network(life, build, batch):
    model = life.model
    rng = np.random.default_rng(0)
    for network in model.layers:
        if isinstance(network, keras.Model):
            assert any(x.dtype == "int32" for x in network.inputs), network.name
            given = [rng.uniform(size=(8, *x.shape[1:])) for x in network.inputs if x.dtype != "int32"]
            threes, fives = (network([*given, np.full(8, label)], training=False) for label in (3, 5))
            assert np.abs(threes - fives).max() > 1e-4, network.name

    def update(shift):
        keras.utils.set_random_seed(1)
        images, labels = batch
        moved = build()
        compile_with_sgd(moved)
        before = moved.get_weights()
        moved.train_step((images, (labels + shift) % NUM_CLASSES))
        return [new - old for new, old in zip(moved.get_weights(), before, strict=True)]

    differences = [np.abs(a - b).max() for a, b in zip(update(0), update(1), strict=True)]
    for weight, difference in zip(model.weights, differences, strict=True):
        if "embedding" in weight.path or "directions" in weight.path or "label" in weight.path:
            assert difference > 0, weight.path  # the gradient goes to the rows of other classes


def repeat_draws(model, num_rows):
    """Every draw of the model becomes one and the same, also under XLA, which draws other numbers from a seed."""

    def draw(sampler, _):
        with tf.init_scope():
            return sampler(num_rows, tf.constant([0, 1]))

    model.draw = draw


@pytest.mark.slow
@pytest.mark.variants("descends")
def test_a_step_under_xla_is_the_plain_one(build, batch):
    """Keras compiles train steps with XLA where there is a GPU."""

    def train(jit_compile):
        keras.utils.set_random_seed(1)
        model = build()
        repeat_draws(model, len(batch[0]))
        compile_with_sgd(model, 1e-3)
        step = tf.function(model.train_step, jit_compile=True) if jit_compile else model.train_step
        return {name: float(value) for name, value in step(batch).items()}, model

    (plain, model), (compiled, compiled_model) = train(False), train(True)
    assert compiled == pytest.approx(plain, rel=1e-4, abs=1e-5)
    for x, y in zip(model.variables, compiled_model.variables, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), atol=1e-5, rtol=0, err_msg=x.path)


@pytest.mark.variants("descends")
def test_a_step_in_mixed_precision_is_that_of_float32_within_its_rounding(build, data):
    def train(dtype, rounded_to=None):
        keras.utils.set_random_seed(1)
        model = build(dtype=dtype)
        compile_with_sgd(model, 1e-3, jit_compile=False)  # a sampler without XLA, for speed
        for variable in model.trainable_variables if rounded_to else ():
            variable.assign(tf.cast(tf.cast(variable.value, rounded_to), tf.float32))
        for name in model.optimizer_names:
            is_scaled = isinstance(getattr(model, name), keras.optimizers.LossScaleOptimizer)
            assert is_scaled == (dtype == "mixed_float16")
            if is_scaled:
                getattr(model, name).dynamic_scale.assign(2.0**7)  # the first one, 2^15, overflows in some models
            getattr(model, name).iterations.assign(100)  # past what warms up
        before = [v.numpy() for v in model.trainable_variables]
        metrics = {name: float(value) for name, value in model.train_step(data).items()}
        after = [v.numpy() for v in model.trainable_variables]
        return model, metrics, [new - old for new, old in zip(after, before, strict=True)]

    _, metrics32, updates32 = train("float32")
    sizes = [np.linalg.norm(update32) for update32 in updates32]

    def errors_of(updates):
        return np.array([np.linalg.norm(a - b) for a, b in zip(updates, updates32, strict=True)])

    for policy, tolerance in (("mixed_bfloat16", 0.05), ("mixed_float16", 0.02)):
        model, metrics, updates = train(policy)
        assert metrics == pytest.approx(metrics32, rel=tolerance, abs=tolerance)
        errors, allowed = errors_of(updates), tolerance * np.array(sizes)
        if np.linalg.norm(errors) > np.linalg.norm(allowed):
            # Each map of 2x2 pixels normalised: float32 goes elsewhere, too, once its weights alone are rounded so.
            allowed += 5 * errors_of(train("float32", policy.removeprefix("mixed_"))[2])
        assert np.linalg.norm(errors) < np.linalg.norm(allowed)
        for variable, error, bound, size in zip(model.trainable_variables, errors, allowed, sizes, strict=True):
            assert variable.dtype == "float32"
            assert error <= 5 * bound + 1e-6, (policy, variable.path, error, size)
            # The bias of a score, which a loss such as E f - E r does not see, may stay where it is.
            assert size > 0 or variable.shape.num_elements() == 1, variable.path

        samples = drawn(model, 3, seed=0)
        assert samples.dtype == tf.float32 and np.isfinite(samples).all()
        for verb in model.verbs:
            answer = getattr(model, verb)(**good_inputs(model, verb))
            assert answer.dtype == tf.float32 and np.isfinite(answer).all(), verb


@pytest.mark.variants("descends")
def test_two_devices_give_the_one_device_update(variant, build, batch, two_devices):
    """Each player's update to a few roundings, however small its learning rate; statistics and metrics too."""
    halves = [tuple(tensor[rows] for tensor in batch) for rows in (slice(0, 8), slice(8, 16))]
    learning_rate = 1e-3 if variant.name == "WGANGP" else 0.1  # its two steps of a critic go too far otherwise

    def built():
        keras.utils.set_random_seed(1)
        model = build()
        compile_with_sgd(model, learning_rate)
        return model, [variable.numpy() for variable in model.trainable_variables]

    one, before = built()
    with two_devices.scope():
        two, _ = built()
    distributed = two_devices.experimental_distribute_values_from_function(
        lambda context: halves[context.replica_id_in_sync_group]
    )
    metrics = {name: float(value) for name, value in one.train_step(batch).items()}
    # Variables made in a replica fail only in a graph.
    step = tf.function(two.train_step) if variant.represents_family else two.train_step
    for name, values in two_devices.run(step, (distributed,)).items():
        values = [float(value) for value in two_devices.experimental_local_results(values)]
        assert np.mean(values) == pytest.approx(metrics[name], rel=1e-5), name

    def updates(model):
        after = [variable.numpy() for variable in model.trainable_variables]
        return [new - old for new, old in zip(after, before, strict=True)]

    for variable, update, same in zip(one.trainable_variables, updates(one), updates(two), strict=True):
        rounding = 1e-7 * np.linalg.norm(variable.numpy()) + 1e-9
        assert np.linalg.norm(same - update) <= 2e-4 * np.linalg.norm(update) + rounding, variable.path
    for x, y in zip(one.non_trainable_variables, two.non_trainable_variables, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), atol=1e-6, rtol=1e-4, err_msg=x.path)


ODD_BATCHES = """
import numpy as np
import tensorflow as tf
from tests import conftest
from tests.contract.variants import VARIANTS, batch_for

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for variant in VARIANTS.values():
    if variant.represents_family:
        with strategy.scope():
            model = variant.build()
        model.compile()
        dataset = tf.data.Dataset.from_tensor_slices(batch_for(model, 17)).batch(16)
        history = model.fit(dataset, epochs=2, verbose=0).history
        assert all(np.isfinite(values).all() for values in history.values()), (variant.name, history)
        assert all(np.isfinite(v.numpy()).all() for v in model.variables), variant.name
        metrics = model.evaluate(dataset, verbose=0, return_dict=True)
        assert np.isfinite(list(metrics.values())).all(), (variant.name, metrics)
        print("trained", variant.name)
"""


@pytest.mark.slow
def test_an_odd_last_batch_on_two_devices():
    """A last batch of one example leaves nothing for the second device, which must not spoil the weights.

    TensorFlow's oneDNN convolution gives an empty batch the wrong shape (2.21, CPU), so these run without it.
    """
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", ODD_BATCHES]
    output = subprocess.run(command, env=environment, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert output.count("trained") == sum(variant.represents_family for variant in VARIANTS.values())

"""A step of several networks written out, beside which that of a two-way model is put."""

import numpy as np
import tensorflow as tf


def descend(rate, loss, tape, *networks):
    """Plain gradient descent."""
    variables = [variable for network in networks for variable in network.trainable_variables]
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign_sub(rate * tf.convert_to_tensor(gradient))


def assert_same_weights(networks, peers):
    """Of networks by name."""
    for name, peer in peers.items():
        for weight, expected in zip(networks[name].trainable_variables, peer.trainable_variables, strict=True):
            np.testing.assert_allclose(weight.numpy(), expected.numpy(), atol=2e-6, err_msg=name)

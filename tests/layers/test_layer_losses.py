"""Losses of a layer's own: `add_loss`, activity and weight regularizers, and how long they last."""

import numpy as np

from minirnn import layers, ops
from minirnn.layers import Dense, Input, Layer

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


class Penalty(Layer):
    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def call(self, x):
        self.add_loss(self.factor * ops.sum(ops.square(x)))
        return x


class Outer(Layer):
    def __init__(self, *inner):
        super().__init__()
        self.inner = list(inner)

    def call(self, x, use=None):
        for i, layer in enumerate(self.inner):
            if use is None or i in use:
                x = layer(x)
        return x


def values(layer):
    return [float(v) for v in layer.losses]


def test_a_loss_lasts_until_the_next_call():
    layer = Penalty()
    layer(X)
    np.testing.assert_allclose(values(layer), [(X**2).sum()], rtol=1e-6)
    layer(X * 2)
    np.testing.assert_allclose(values(layer), [4 * (X**2).sum()], rtol=1e-6)


def test_a_layer_called_twice_in_one_call_adds_twice():
    penalty = Penalty()
    outer = Outer(penalty, penalty)
    for _ in range(2):
        outer(X)
        assert len(outer.losses) == 2


def test_losses_of_layers_that_were_not_called_this_time_are_gone():
    outer = Outer(Penalty(), Penalty(2.0))
    outer(X)
    assert len(outer.losses) == 2
    outer(X, use=[1])
    np.testing.assert_allclose(values(outer), [2 * (X**2).sum()], rtol=1e-6)


def test_a_shared_layer_keeps_no_loss_of_a_call_through_another():
    penalty = Penalty()
    first, second = Outer(penalty), Outer(penalty)
    first(X)
    second(X)
    assert len(second.losses) == 1


def test_activity_regularizers_are_divided_by_the_batch_size():
    layer = Dense(2, activity_regularizer="l2")
    y = layer(X).numpy()
    np.testing.assert_allclose(values(layer), [0.01 * (y**2).sum() / 4], rtol=1e-5)
    layer(X)
    assert len(layer.losses) == 1


def test_activity_regularizers_reach_every_output_of_a_structure():
    class Two(Layer):
        def call(self, x):
            return {"a": x, "b": [x * 2.0]}

    layer = Two(activity_regularizer="l1")
    layer(X)
    once = 0.01 * np.abs(X).sum() / 4
    np.testing.assert_allclose(values(layer), [once, 2 * once], rtol=1e-5)


def test_activity_losses_of_layers_inside_are_forgotten_by_the_next_call():
    outer = Outer(Dense(3, activity_regularizer="l2"), Dense(3, activity_regularizer="l2"))
    for _ in range(3):
        outer(X)
        assert len(outer.losses) == 2


def test_weight_regularizers_count_for_trainable_weights_alone():
    layer = Dense(2, kernel_regularizer="l2", bias_regularizer="l1", bias_initializer="ones")
    layer(X)
    kernel = layer.get_weights()[0]
    np.testing.assert_allclose(values(layer), [0.01 * (kernel**2).sum(), 0.02], rtol=1e-5)
    layer.trainable = False
    assert layer.losses == []


def test_losses_can_be_differentiated():
    layer = Dense(2, kernel_regularizer="l2", use_bias=False)
    layer(X)
    layer.losses[0].backward()
    np.testing.assert_allclose(layer.kernel.grad.numpy(), 0.02 * layer.kernel.numpy(), rtol=1e-5)


def test_a_symbolic_call_adds_no_loss():
    outer = Outer(Penalty(), Dense(3, activity_regularizer="l2"))
    outer(Input((3,)))
    assert outer.losses == []


def test_losses_come_own_first_then_inner_then_those_of_weights():
    inner = Dense(3, kernel_regularizer=layers.layer.regularizers.L2(1.0))
    outer = Outer(Penalty(), inner)
    outer.add_loss(7.0)
    assert values(outer)[0] == 7.0
    outer(X)
    assert len(outer.losses) == 2

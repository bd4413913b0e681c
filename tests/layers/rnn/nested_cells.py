"""Cells with nested inputs, outputs and states: the guide's, and one for dicts, lists and the rest."""

import collections

import numpy as np

import minirnn
from minirnn import layers, ops, tree

NestedInput = collections.namedtuple("NestedInput", ["feature1", "feature2"])
NestedState = collections.namedtuple("NestedState", ["state1", "state2"])


class NestedCell(layers.Layer):
    """The guide's cell, as the guide has it."""

    def __init__(self, unit_1, unit_2, unit_3, **kwargs):
        self.unit_1 = unit_1
        self.unit_2 = unit_2
        self.unit_3 = unit_3
        self.state_size = NestedState(state1=unit_1, state2=minirnn.TensorShape([unit_2, unit_3]))
        self.output_size = (unit_1, minirnn.TensorShape([unit_2, unit_3]))
        super().__init__(**kwargs)

    def build(self, input_shapes):
        input_1 = input_shapes.feature1[1]
        input_2, input_3 = input_shapes.feature2[1:]
        self.kernel_1 = self.add_weight(shape=(input_1, self.unit_1), initializer="uniform", name="kernel_1")
        self.kernel_2_3 = self.add_weight(
            shape=(input_2, input_3, self.unit_2, self.unit_3), initializer="uniform", name="kernel_2_3"
        )

    def call(self, inputs, states):
        input_1, input_2 = tree.flatten(inputs)
        s1, s2 = states
        output_1 = ops.matmul(input_1, self.kernel_1)
        output_2_3 = ops.einsum("bij,ijkl->bkl", input_2, self.kernel_2_3)
        state_1 = s1 + output_1
        state_2_3 = s2 + output_2_3
        output = [output_1, output_2_3]
        new_states = NestedState(state1=state_1, state2=state_2_3)
        return output, new_states


class RotatingCell(layers.Layer):
    """Two states that feed one another through a weight each, in a structure of one's choice.

    With inputs a, (batch, n), and b, (batch, n, m), at each step u' = tanh(a + W mean(v)) and
    v' = tanh(b * (u' · w)): all parts of the structure depend on one another.
    """

    def __init__(self, n, m, form, **kwargs):
        super().__init__(**kwargs)
        self.n, self.m, self.form = n, m, form
        self.state_size = {
            "dict": {"u": n, "v": minirnn.TensorShape([n, m])},
            "list": [n, [n, m]],
            "deep": {"z": [n, {"v": (n, m)}]},
            "namedtuple": NestedState(n, (n, m)),
        }[form]
        self.output_size = {"first": n, "second": (n, m)} if form == "dict" else [n, (n, m)]

    def build(self, input_shape):
        shapes = [tuple(s) for s in tree.flatten(input_shape, is_leaf=tree.is_shape)]
        assert [s[1:] for s in shapes] == [(self.n,), (self.n, self.m)]
        self.W = self.add_weight(shape=(self.n, self.n), name="W")
        self.w = self.add_weight(shape=(self.n, 1), name="w")

    def call(self, inputs, states):
        a, b = tree.flatten(inputs)
        tree.assert_same_structure(states, _sizes(self.state_size))
        u, v = tree.flatten(states)
        new_u = ops.tanh(a + u * 0.5 + ops.matmul(ops.mean(v, axis=2), self.W))
        new_v = ops.tanh(b * ops.expand_dims(ops.matmul(new_u, self.w), 1) + 0.1 * v)
        output = [new_u * 2.0, new_v + 1.0]
        if self.form == "dict":
            return {"first": output[0], "second": output[1]}, {"v": new_v, "u": new_u}
        if self.form == "deep":
            return output, {"z": [new_u, {"v": new_v}]}
        return output, NestedState(new_u, new_v) if self.form == "namedtuple" else [new_u, new_v]


def _sizes(structure):
    return tree.map_structure(lambda s: 0, structure, is_leaf=tree.is_shape)


def rotate(a_BTN, b_BTNM, u_BN, v_BNM, W, w, mask_BT=None):
    """What a `RotatingCell` computes, in NumPy alone; returns outputs of all steps and the last states."""
    firsts, seconds = [], []
    for t in range(a_BTN.shape[1]):
        new_u = np.tanh(a_BTN[:, t] + u_BN * 0.5 + v_BNM.mean(axis=2) @ W)
        new_v = np.tanh(b_BTNM[:, t] * (new_u @ w)[:, None] + 0.1 * v_BNM)
        first, second = new_u * 2.0, new_v + 1.0
        if mask_BT is not None:
            m = mask_BT[:, t]
            new_u, new_v = np.where(m[:, None], new_u, u_BN), np.where(m[:, None, None], new_v, v_BNM)
            old_first = firsts[-1] if firsts else np.zeros_like(first)
            old_second = seconds[-1] if seconds else np.zeros_like(second)
            first, second = (
                np.where(m[:, None], first, old_first),
                np.where(m[:, None, None], second, old_second),
            )
        u_BN, v_BNM = new_u, new_v
        firsts.append(first)
        seconds.append(second)
    return np.stack(firsts, 1), np.stack(seconds, 1), u_BN, v_BNM

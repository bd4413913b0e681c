"""Nested inputs, outputs and states: a cell that takes two features a step and keeps two states."""

import argparse
import collections

import numpy as np

import minirnn
from minirnn import layers, ops, tree

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--num-batch", type=int, default=100, help="batches of data (default: %(default)s)")
num_batch = parser.parse_args().num_batch

NestedInput = collections.namedtuple("NestedInput", ["feature1", "feature2"])
NestedState = collections.namedtuple("NestedState", ["state1", "state2"])


class NestedCell(layers.Layer):
    """Adds up two linear maps of the inputs, a vector and a matrix."""

    def __init__(self, unit_1, unit_2, unit_3, **kwargs):
        self.unit_1 = unit_1
        self.unit_2 = unit_2
        self.unit_3 = unit_3
        self.state_size = NestedState(state1=unit_1, state2=minirnn.TensorShape([unit_2, unit_3]))
        self.output_size = (unit_1, minirnn.TensorShape([unit_2, unit_3]))
        super().__init__(**kwargs)

    def build(self, input_shapes):
        # feature1 is (batch, input_1), feature2 is (batch, input_2, input_3).
        input_1 = input_shapes.feature1[1]
        input_2, input_3 = input_shapes.feature2[1:]
        self.kernel_1 = self.add_weight(shape=(input_1, self.unit_1), initializer="uniform", name="kernel_1")
        self.kernel_2_3 = self.add_weight(
            shape=(input_2, input_3, self.unit_2, self.unit_3), initializer="uniform", name="kernel_2_3"
        )

    def call(self, inputs, states):
        # inputs is NestedInput((batch, input_1), (batch, input_2, input_3));
        # states is NestedState((batch, unit_1), (batch, unit_2, unit_3)).
        input_1, input_2 = tree.flatten(inputs)
        s1, s2 = states
        output_1 = ops.matmul(input_1, self.kernel_1)
        output_2_3 = ops.einsum("bij,ijkl->bkl", input_2, self.kernel_2_3)
        state_1 = s1 + output_1
        state_2_3 = s2 + output_2_3
        output = [output_1, output_2_3]
        new_states = NestedState(state1=state_1, state2=state_2_3)
        return output, new_states


unit_1, unit_2, unit_3 = 10, 20, 30
input_1, input_2, input_3 = 32, 64, 32
batch_size = 64
timestep = 50

cell = NestedCell(unit_1, unit_2, unit_3)
rnn = layers.RNN(cell)

inp_1 = minirnn.Input((None, input_1))
inp_2 = minirnn.Input((None, input_2, input_3))
outputs = rnn(NestedInput(feature1=inp_1, feature2=inp_2))

model = minirnn.models.Model([inp_1, inp_2], outputs)
model.compile(optimizer="adam", loss="mse", metrics=["accuracy"])

# float32 halves the memory: 2.6 GB for all 100 batches.
random = np.random.default_rng(0)
samples = batch_size * num_batch
input_1_data = random.random((samples, timestep, input_1), dtype=np.float32)
input_2_data = random.random((samples, timestep, input_2, input_3), dtype=np.float32)
target_1_data = random.random((samples, unit_1), dtype=np.float32)
target_2_data = random.random((samples, unit_2, unit_3), dtype=np.float32)
input_data = [input_1_data, input_2_data]
target_data = [target_1_data, target_2_data]

model.fit(input_data, target_data, batch_size=batch_size)

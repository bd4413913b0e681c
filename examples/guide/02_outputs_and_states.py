"""Outputs: a GRU that returns one vector for each step feeds a SimpleRNN that returns its last one."""

import minirnn
from minirnn import layers

model = minirnn.Sequential()
model.add(layers.Embedding(input_dim=1000, output_dim=64))
# (batch_size, timesteps, 256): the whole sequence of outputs.
model.add(layers.GRU(256, return_sequences=True))
# (batch_size, 128): the last output.
model.add(layers.SimpleRNN(128))
model.add(layers.Dense(10))

model.build((None, None))
model.summary()

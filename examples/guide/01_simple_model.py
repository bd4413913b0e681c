"""Build a simple model: integers to vectors, vectors through an LSTM, its last output to ten scores."""

import minirnn
from minirnn import layers

model = minirnn.Sequential()
# Each integer below 1000 becomes a vector of 64 numbers.
model.add(layers.Embedding(input_dim=1000, output_dim=64))
# The LSTM has 128 units, and gives its output after the last step.
model.add(layers.LSTM(128))
model.add(layers.Dense(10))

# Weights are made when the shape of the input is known: a batch of any size, of sequences of any length.
model.build((None, None))
model.summary()

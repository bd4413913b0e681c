"""Both directions: a copy of the layer reads the sequence from its end, and the two outputs are joined."""

import minirnn
from minirnn import layers

model = minirnn.Sequential()
model.add(layers.Bidirectional(layers.LSTM(64, return_sequences=True), input_shape=(5, 10)))
model.add(layers.Bidirectional(layers.LSTM(32)))
model.add(layers.Dense(10))

model.summary()

"""Long sequences in pieces: a stateful layer goes on where the piece before ended."""

import numpy as np

from minirnn import layers

random = np.random.default_rng(0)
paragraph1 = random.random((20, 10, 50), dtype=np.float32)
paragraph2 = random.random((20, 10, 50), dtype=np.float32)
paragraph3 = random.random((20, 10, 50), dtype=np.float32)

lstm_layer = layers.LSTM(64, stateful=True)
output = lstm_layer(paragraph1)
output = lstm_layer(paragraph2)
output = lstm_layer(paragraph3)

# The three pieces gave what the whole sequence gives.
whole = layers.LSTM(64)
whole.build((20, 30, 50))
whole.set_weights(lstm_layer.get_weights())
paragraphs = np.concatenate([paragraph1, paragraph2, paragraph3], axis=1)
difference = np.abs(np.asarray(whole(paragraphs)) - np.asarray(output)).max()
print(f"output {output.shape}, largest difference from the whole sequence {difference:.1e}")

# Forget: the next piece starts from zeros again.
lstm_layer.reset_states()
again = lstm_layer(paragraph1)
print(f"after reset_states the first piece gives {np.asarray(again)[0, :3]}")

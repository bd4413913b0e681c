"""The same classifier from a cell, stepped through on the graph: the same numbers, more slowly."""

import time

import numpy as np
from digits import batch_size, build_model, compile_model, load_digits

(x_train, y_train), (x_test, y_test) = load_digits()

model = build_model(allow_cudnn_kernel=True)
slow_model = build_model(allow_cudnn_kernel=False)
slow_model.set_weights(model.get_weights())
difference = np.abs(model.predict(x_test, verbose=0) - slow_model.predict(x_test, verbose=0)).max()
print(f"Largest difference between the two models' outputs: {difference:.1e}")

seconds = {}
for name, one in (("LSTM", model), ("RNN(LSTMCell)", slow_model)):
    compile_model(one)
    start = time.perf_counter()
    one.fit(
        x_train, y_train, validation_data=(x_test, y_test), batch_size=batch_size, epochs=1, shuffle=False
    )
    seconds[name] = time.perf_counter() - start
print(", ".join(f"{name}: {value:.1f} s" for name, value in seconds.items()))

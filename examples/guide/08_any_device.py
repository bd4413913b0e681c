"""The same model on whatever there is: `device` names one where it matters."""

import numpy as np
from digits import batch_size, build_model, compile_model, load_digits

import minirnn

(x_train, y_train), (x_test, y_test) = load_digits()
sample, sample_label = x_train[0], y_train[0]

model = build_model(allow_cudnn_kernel=True)
compile_model(model)
model.fit(x_train, y_train, batch_size=batch_size, epochs=5, verbose=2)

with minirnn.device("CPU:0"):
    cpu_model = build_model(allow_cudnn_kernel=True)
    cpu_model.set_weights(model.get_weights())
    result = minirnn.ops.argmax(cpu_model.predict_on_batch(np.expand_dims(sample, 0)), axis=1)
    print(f"Predicted result is: {result.numpy()}, target result is: {sample_label}")
    print(minirnn.viz.draw_image(sample))

"""What the three digit programs share: the guide's model, its data, and how it is compiled."""

import minirnn
from minirnn import layers, losses

batch_size = 64
# Each digit is a matrix of 28 by 28 pixels: a sequence of 28 rows.
input_dim = 28
units = 64
output_size = 10


def build_model(allow_cudnn_kernel=True):
    """Return the digit classifier, on the LSTM layer or on its cell in the general RNN layer."""
    if allow_cudnn_kernel:
        # The layer runs on the fastest kernel that its options allow: cuDNN's on a GPU.
        lstm_layer = layers.LSTM(units, input_shape=(None, input_dim))
    else:
        # A cell in an RNN layer always runs step by step.
        lstm_layer = layers.RNN(layers.LSTMCell(units), input_shape=(None, input_dim))
    return minirnn.models.Sequential([lstm_layer, layers.BatchNormalization(), layers.Dense(output_size)])


def compile_model(model):
    """Compile for labels that are whole numbers and outputs that are scores."""
    model.compile(
        loss=losses.SparseCategoricalCrossentropy(from_logits=True), optimizer="sgd", metrics=["accuracy"]
    )


def load_digits():
    """Return the digits with pixels between 0 and 1."""
    (x_train, y_train), (x_test, y_test) = minirnn.datasets.mnist.load_data()
    return (x_train / 255.0, y_train), (x_test / 255.0, y_test)

"""Layers: `Layer`, the base of all, and one class a kind under Keras's names."""

from minirnn.layers.activation import Activation, ReLU, Softmax
from minirnn.layers.batch_normalization import BatchNormalization
from minirnn.layers.dense import Dense
from minirnn.layers.dot import Dot, dot
from minirnn.layers.dropout import Dropout
from minirnn.layers.embedding import Embedding
from minirnn.layers.identity import Identity
from minirnn.layers.input import Input, InputLayer
from minirnn.layers.input_spec import InputSpec
from minirnn.layers.lambda_layer import Lambda
from minirnn.layers.layer import Layer
from minirnn.layers.layer_normalization import LayerNormalization
from minirnn.layers.masking import Masking
from minirnn.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from minirnn.layers.rescaling import Rescaling
from minirnn.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from minirnn.layers.rnn.bidirectional import Bidirectional
from minirnn.layers.rnn.gru import GRU, GRUCell
from minirnn.layers.rnn.lstm import LSTM, LSTMCell
from minirnn.layers.rnn.rnn import RNN
from minirnn.layers.rnn.simple_rnn import SimpleRNN, SimpleRNNCell
from minirnn.layers.rnn.stacked_rnn_cells import StackedRNNCells
from minirnn.layers.rnn.time_distributed import TimeDistributed
from minirnn.utils.registry import Table, serialize_keras_object

__all__ = [
    "Activation",
    "Add",
    "Average",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Dense",
    "Dot",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRU",
    "GRUCell",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "LSTM",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "Masking",
    "Maximum",
    "Minimum",
    "Multiply",
    "Permute",
    "RNN",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "StackedRNNCells",
    "Subtract",
    "TimeDistributed",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]

_classes = [
    v for n, v in list(globals().items()) if n in __all__ and isinstance(v, type) and issubclass(v, Layer)
]
_table = Table("layer", "keras.layers", _classes, base=Layer, snake_case=False)


def serialize(layer) -> dict:
    """Return the config of a layer, with the name of its class."""
    return serialize_keras_object(layer)


def deserialize(config, custom_objects=None) -> Layer:
    """Return the layer, without weights, that a config of `serialize` describes.

    Raises
    ------
    ValueError
        If it names no known class.
    """
    return _table.deserialize(config, custom_objects)

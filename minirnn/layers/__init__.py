"""Layers: `Layer`, the base of all, and one class a kind under Keras's names."""

from typing import Any

from minirnn.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from minirnn.layers.activity_regularization import ActivityRegularization
from minirnn.layers.attention import AdditiveAttention, Attention
from minirnn.layers.batch_normalization import BatchNormalization
from minirnn.layers.convolution import Conv1D
from minirnn.layers.dense import Dense
from minirnn.layers.dot import Dot, dot
from minirnn.layers.dropout import Dropout, SpatialDropout1D
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
from minirnn.layers.noise import GaussianDropout, GaussianNoise
from minirnn.layers.pooling import (
    AveragePooling1D,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    MaxPooling1D,
)
from minirnn.layers.recompute import Recompute, recompute
from minirnn.layers.rescaling import Rescaling
from minirnn.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from minirnn.layers.rnn.bidirectional import Bidirectional
from minirnn.layers.rnn.conv_lstm import ConvLSTM1D, ConvLSTM2D
from minirnn.layers.rnn.gru import GRU, GRUCell
from minirnn.layers.rnn.lstm import LSTM, LSTMCell
from minirnn.layers.rnn.rnn import RNN
from minirnn.layers.rnn.simple_rnn import SimpleRNN, SimpleRNNCell
from minirnn.layers.rnn.stacked_rnn_cells import StackedRNNCells
from minirnn.layers.rnn.time_distributed import TimeDistributed
from minirnn.layers.steps import Cropping1D, UpSampling1D, ZeroPadding1D
from minirnn.layers.wrapper import Wrapper
from minirnn.utils.registry import Table, serialize_keras_object

__all__ = [
    "Activation",
    "ActivityRegularization",
    "Add",
    "AdditiveAttention",
    "Attention",
    "Average",
    "AveragePooling1D",
    "AvgPool1D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "Convolution1D",
    "Cropping1D",
    "Dense",
    "Dot",
    "Dropout",
    "ELU",
    "Embedding",
    "Flatten",
    "GRU",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAvgPool1D",
    "GlobalMaxPool1D",
    "GlobalMaxPooling1D",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "LSTM",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPooling1D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Permute",
    "RNN",
    "ReLU",
    "Recompute",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "StackedRNNCells",
    "Subtract",
    "TimeDistributed",
    "UpSampling1D",
    "Wrapper",
    "ZeroPadding1D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "recompute",
    "serialize",
    "subtract",
]

# Keras's other names of these.
Convolution1D = Conv1D
AvgPool1D, GlobalAvgPool1D = AveragePooling1D, GlobalAveragePooling1D
MaxPool1D, GlobalMaxPool1D = MaxPooling1D, GlobalMaxPooling1D

_classes = [
    v for n, v in list(globals().items()) if n in __all__ and isinstance(v, type) and issubclass(v, Layer)
]
_table = Table("layer", "keras.layers", _classes, base=Layer, snake_case=False)


def serialize(layer) -> dict:
    """Return the config of a layer, with the name of its class."""
    return serialize_keras_object(layer)


def deserialize(config, custom_objects=None) -> Any:
    """Return the layer, without weights, that a config of `serialize` describes.

    Raises
    ------
    ValueError
        If it names no known class.
    """
    return _table.deserialize(config, custom_objects)

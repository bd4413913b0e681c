"""Laws that hold for every layer that there is."""

import copy
import json
import pickle

import numpy as np
import pytest

import minirnn
from minirnn import layers
from tests.laws.strategies import arrays, assert_equal, project

F, S, V = (5, 4, 3), (5, 4, 3, 2), (5, 3)  # a sequence, one of matrices, a vector; the batch is 5
IDS = "integers below 7"
REGULARIZED = {"kernel_regularizer": "l2", "bias_regularizer": minirnn.regularizers.L1(0.2)}
CELL = {"activation": "softsign", "use_bias": False, "recurrent_initializer": "glorot_normal"}

# Makers, each with the shapes of its inputs. Every exported class must be here.
EVERY = {
    "Activation": [(lambda: layers.Activation("gelu"), F)],
    "ActivityRegularization": [(lambda: layers.ActivityRegularization(l1=0.1, l2=0.2), F)],
    "Add": [(lambda: layers.Add(), [F, F])],
    "AdditiveAttention": [
        (lambda: layers.AdditiveAttention(dropout=0.2, seed=1), [(5, 2, 3), F]),
        (lambda: layers.AdditiveAttention(use_scale=False), [(5, 2, 3), (5, 4, 2), F]),
    ],
    "Attention": [
        (lambda: layers.Attention(), [(5, 2, 3), F]),
        (lambda: layers.Attention(use_scale=True, dropout=0.2, seed=1), [(5, 2, 3), (5, 4, 2), F]),
        (lambda: layers.Attention(use_scale=True, score_mode="concat"), [F, F]),
    ],
    "Average": [(lambda: layers.Average(), [F, V[:1] + (1, 3)])],
    "AveragePooling1D": [
        (lambda: layers.AveragePooling1D(2), F),
        (lambda: layers.AveragePooling1D(3, strides=2, padding="same", data_format="channels_first"), F),
    ],
    "BatchNormalization": [
        (lambda: layers.BatchNormalization(), F),
        (lambda: layers.BatchNormalization(axis=1, momentum=0.5, epsilon=0.1, center=False, scale=False), F),
    ],
    "Bidirectional": [
        (lambda: layers.Bidirectional(layers.LSTM(2)), F),
        (lambda: layers.Bidirectional(layers.GRU(2, return_sequences=True), merge_mode="mul"), F),
        (
            lambda: layers.Bidirectional(
                layers.GRU(2, return_state=True),
                merge_mode=None,
                backward_layer=layers.LSTM(3, go_backwards=True, return_state=True),
            ),
            F,
        ),
        (lambda: layers.Bidirectional(layers.RNN([layers.GRUCell(2), layers.LSTMCell(2)])), F),
    ],
    "Concatenate": [(lambda: layers.Concatenate(axis=1), [F, (5, 2, 3)])],
    "Conv1D": [
        (lambda: layers.Conv1D(4, 2, activation="tanh", **REGULARIZED), F),
        (lambda: layers.Conv1D(6, 3, padding="causal", dilation_rate=2, groups=3), F),
        (lambda: layers.Conv1D(2, 3, strides=2, padding="same", use_bias=False), F),
        (lambda: layers.Conv1D(2, 2, data_format="channels_first", kernel_constraint="unit_norm"), F),
    ],
    "ConvLSTM1D": [
        (lambda: layers.ConvLSTM1D(2, 2, **CELL, **REGULARIZED), S),
        (lambda: layers.ConvLSTM1D(2, 3, padding="same", dropout=0.2, recurrent_dropout=0.1, seed=1), S),
        (lambda: layers.ConvLSTM1D(2, 2, data_format="channels_first", return_sequences=True), S),
        (lambda: layers.ConvLSTM1D(2, 2, stateful=True, return_state=True, go_backwards=True), S),
    ],
    "ConvLSTM2D": [
        (lambda: layers.ConvLSTM2D(2, (2, 1), strides=(1, 2), activity_regularizer="l2"), (5, 2, 3, 3, 2)),
        (lambda: layers.ConvLSTM2D(2, 2, padding="same", dilation_rate=2), (5, 2, 3, 3, 2)),
    ],
    "Cropping1D": [(lambda: layers.Cropping1D((2, 1)), F)],
    "Dense": [
        (lambda: layers.Dense(2, activation="relu", **REGULARIZED), F),
        (lambda: layers.Dense(2, use_bias=False, kernel_constraint="max_norm"), V),
    ],
    "Dot": [(lambda: layers.Dot(axes=(1, 2), normalize=True), [F, (5, 2, 4)])],
    "Dropout": [(lambda: layers.Dropout(0.4, noise_shape=(None, 1, 3), seed=3), F)],
    "ELU": [(lambda: layers.ELU(alpha=0.5), F)],
    "Embedding": [(lambda: layers.Embedding(7, 3, mask_zero=True), IDS)],
    "Flatten": [(lambda: layers.Flatten(), S)],
    "GRU": [
        (lambda: layers.GRU(3, **CELL, **REGULARIZED), F),
        (lambda: layers.GRU(3, reset_after=False, dropout=0.2, recurrent_dropout=0.1, seed=1), F),
        (lambda: layers.GRU(3, return_sequences=True, return_state=True, go_backwards=True, unroll=True), F),
    ],
    "GRUCell": [(lambda: layers.RNN(layers.GRUCell(3, **CELL)), F)],
    "GaussianDropout": [(lambda: layers.GaussianDropout(0.4, seed=3), F)],
    "GaussianNoise": [(lambda: layers.GaussianNoise(0.4, seed=3), F)],
    "GlobalAveragePooling1D": [
        (lambda: layers.GlobalAveragePooling1D(), F),
        (lambda: layers.GlobalAveragePooling1D(data_format="channels_first", keepdims=True), F),
    ],
    "GlobalMaxPooling1D": [(lambda: layers.GlobalMaxPooling1D(keepdims=True), F)],
    "Identity": [(lambda: layers.Identity(), F)],
    "LSTM": [
        (lambda: layers.LSTM(3, recurrent_activation="hard_sigmoid", unit_forget_bias=False, **CELL), F),
        (lambda: layers.LSTM(3, dropout=0.2, zero_output_for_mask=True, bias_constraint="non_neg"), F),
        (lambda: layers.LSTM(3, return_sequences=True, return_state=True, activity_regularizer="l2"), F),
        (lambda: layers.LSTM(3, stateful=True), F),
    ],
    "LSTMCell": [(lambda: layers.RNN(layers.LSTMCell(3, **CELL)), F)],
    "Lambda": [(lambda: layers.Lambda(minirnn.activations.tanh), F)],
    "LayerNormalization": [
        (lambda: layers.LayerNormalization(), F),
        (lambda: layers.LayerNormalization(axis=(1, 2), epsilon=0.1, center=False), F),
    ],
    "LeakyReLU": [(lambda: layers.LeakyReLU(0.2), F)],
    "Masking": [(lambda: layers.Masking(0.5), F)],
    "MaxPooling1D": [
        (lambda: layers.MaxPooling1D(2), F),
        (lambda: layers.MaxPooling1D(3, strides=1, padding="same"), F),
    ],
    "Maximum": [(lambda: layers.Maximum(), [F, F, F])],
    "Minimum": [(lambda: layers.Minimum(), [F, F])],
    "Multiply": [(lambda: layers.Multiply(), [F, F])],
    "Permute": [(lambda: layers.Permute((3, 1, 2)), S)],
    "RNN": [
        (lambda: layers.RNN(layers.LSTMCell(2), return_sequences=True, go_backwards=True), F),
        (lambda: layers.RNN([layers.SimpleRNNCell(2), layers.GRUCell(3)], return_state=True), F),
    ],
    "ReLU": [(lambda: layers.ReLU(max_value=0.5, negative_slope=0.1, threshold=0.05), F)],
    "Recompute": [
        (lambda: layers.Recompute(layers.LSTM(2, return_sequences=True, recurrent_dropout=0.1), steps=2), F),
        (lambda: layers.Recompute(layers.Bidirectional(layers.GRU(2)), steps=3), F),
        (lambda: layers.Recompute(layers.Dense(2, activation="relu", **REGULARIZED)), F),
        (lambda: layers.Recompute(layers.Add()), [F, F]),
    ],
    "RepeatVector": [(lambda: layers.RepeatVector(3), V)],
    "Rescaling": [(lambda: layers.Rescaling(2.0, offset=-1.0), F)],
    "Reshape": [(lambda: layers.Reshape((2, -1)), F)],
    "SimpleRNN": [(lambda: layers.SimpleRNN(3, recurrent_regularizer="l1", **CELL), F)],
    "SimpleRNNCell": [(lambda: layers.RNN(layers.SimpleRNNCell(3, **CELL)), F)],
    "Softmax": [(lambda: layers.Softmax(axis=1), F)],
    "SpatialDropout1D": [(lambda: layers.SpatialDropout1D(0.4, seed=3), F)],
    "StackedRNNCells": [(lambda: layers.RNN(layers.StackedRNNCells([layers.GRUCell(2)] * 1)), F)],
    "Subtract": [(lambda: layers.Subtract(), [F, F])],
    "TimeDistributed": [
        (lambda: layers.TimeDistributed(layers.Dense(2)), F),
        (lambda: layers.TimeDistributed(layers.Bidirectional(layers.LSTM(2))), S),
        (lambda: layers.TimeDistributed(layers.Conv1D(2, 2)), S),
    ],
    "UpSampling1D": [(lambda: layers.UpSampling1D(3), F)],
    "ZeroPadding1D": [
        (lambda: layers.ZeroPadding1D((2, 1)), F),
        (lambda: layers.ZeroPadding1D(1, data_format="channels_first"), F),
    ],
}
CASES = [
    pytest.param(*case, id=f"{name}-{n}") for name, found in EVERY.items() for n, case in enumerate(found)
]
every_layer = pytest.mark.parametrize("make, shapes", CASES)


def inputs_of(shapes, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    if shapes == IDS:
        return rng.integers(0, 7, F[:2])
    if isinstance(shapes, list):
        return [inputs_of(shape, dtype, n) for n, shape in enumerate(shapes)]
    return rng.standard_normal(shapes).astype(dtype)


def built(make, x):
    """Return a layer with weights that are all random."""
    layer = make()
    layer(x)
    rng = np.random.default_rng(5)
    layer.set_weights([np.abs(w) + rng.random(w.shape) for w in layer.get_weights()])
    reset(layer)
    return layer


def reset(layer):
    if getattr(layer, "stateful", False):
        layer.reset_state()


def test_every_exported_layer_is_under_these_laws():
    exported = [getattr(layers, name) for name in layers.__all__]
    classes = {thing.__name__ for thing in exported if isinstance(thing, type)}  # under whatever names
    # An InputLayer is called on nothing: it stands for the inputs themselves. A Wrapper is a base class.
    assert set(EVERY) == classes - {"Layer", "InputLayer", "InputSpec", "Wrapper"}


@every_layer
def test_from_config_with_the_same_weights_gives_the_same_outputs(make, shapes):
    x = inputs_of(shapes)
    layer = built(make, x)
    expected = arrays(layer(x))
    # A config is plain values, but for functions that Keras too keeps as code.
    config = layer.get_config()
    if not isinstance(layer, layers.Lambda):
        config = json.loads(json.dumps(config))
    again = type(layer).from_config(config)
    assert not again.weights
    again(x)
    reset(again)
    again.set_weights(layer.get_weights())
    assert_equal(arrays(again(x)), expected, "float32")
    assert [v.path for v in again.weights] == [v.path for v in layer.weights]
    assert [v.trainable for v in again.weights] == [v.trainable for v in layer.weights]
    assert len(again.losses) == len(layer.losses)
    assert json.dumps(again.get_config(), default=str) == json.dumps(layer.get_config(), default=str)
    reset(layer)
    generic = layers.deserialize(layers.serialize(layer))
    assert type(generic) is type(layer)


@every_layer
def test_a_copy_and_a_pickle_give_the_same_outputs_and_are_independent(make, shapes):
    x = inputs_of(shapes)
    layer = built(make, x)
    copies = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    expected = arrays(layer(x))
    for other in copies:
        assert_equal(arrays(other(x)), expected, "float32")
        other.set_weights([w + 1 for w in other.get_weights()])
        reset(layer)
        assert_equal(arrays(layer(x)), expected, "float32")


@every_layer
def test_the_symbolic_shape_is_that_of_the_outputs(make, shapes):
    x = inputs_of(shapes)
    layer = built(make, x)
    outputs = minirnn.tree.flatten(layer(x))
    symbolic = minirnn.tree.map_structure(
        lambda a: layers.Input(
            batch_shape=a.shape if getattr(layer, "stateful", False) else (None, *a.shape[1:]),
            dtype=a.dtype.name,
        ),
        x,
    )
    found = minirnn.tree.flatten(layer(symbolic))
    assert len(found) == len(outputs)
    for one, other in zip(found, outputs):
        assert one.shape in ((None, *other.shape[1:]), other.shape)
        assert one.dtype == other.dtype
    fresh = make()
    assert minirnn.tree.flatten(
        fresh.compute_output_shape(minirnn.tree.map_structure(lambda a: a.shape, x)),
        is_leaf=minirnn.tree.is_shape,
    ) == [y.shape for y in outputs]
    assert not fresh.built or not fresh.weights


@every_layer
def test_a_permutation_of_the_batch_commutes_with_every_layer(make, shapes):
    x = inputs_of(shapes)
    layer = built(make, x)
    order = np.array([3, 0, 4, 1, 2])
    expected = [y[order] for y in arrays(layer(x))]
    reset(layer)
    assert_equal(arrays(layer(minirnn.tree.map_structure(lambda a: a[order], x))), expected, "float32")


@every_layer
def test_a_float64_layer_computes_in_float64(make, shapes):
    before = minirnn.config.floatx()
    x = inputs_of(shapes, "float64")
    minirnn.config.set_floatx("float64")
    try:
        layer = built(make, x)
    finally:
        minirnn.config.set_floatx(before)
    outputs = arrays(layer(x))
    assert all(y.dtype == "float64" for y in outputs)
    assert all(v.dtype == "float64" for v in layer.weights)
    single = make()
    single(minirnn.tree.map_structure(lambda a: a.astype("float32") if a.dtype == "float64" else a, x))
    single.set_weights(layer.get_weights())
    reset(single)
    got = arrays(single(x))
    assert all(y.dtype == "float32" for y in got)
    assert_equal(got, [y.astype("float32") for y in outputs], "float32")


@every_layer
def test_the_gradient_of_every_layer_is_that_of_central_differences(make, shapes):
    before = minirnn.config.floatx()
    minirnn.config.set_floatx("float64")
    try:
        x = inputs_of(shapes, "float64")
        layer = built(make, x)
        values = [v.numpy() for v in layer.trainable_weights]

        def value(weights, x):
            reset(layer)
            for v, w in zip(layer.trainable_weights, weights):
                v.assign(w)
            return project(layer(x))

        rng = np.random.default_rng(9)
        directions = [rng.standard_normal(w.shape) for w in values]
        by_weights = minirnn.grad(value(values, x), layer.trainable_weights) if values else []
        along = sum(float(np.sum(np.asarray(g) * d)) for g, d in zip(by_weights, directions))
        x_direction = minirnn.tree.map_structure(lambda a: rng.standard_normal(a.shape), x)
        if shapes == IDS:
            x_direction = 0
        else:
            by_inputs = arrays(minirnn.grad(lambda x: value(values, x))(x))
            along += sum(float(np.sum(g * d)) for g, d in zip(by_inputs, minirnn.tree.flatten(x_direction)))
        step, ends = 1e-6, []
        for sign in (1, -1):
            moved = [w + sign * step * d for w, d in zip(values, directions)]
            if shapes == IDS:
                here = x
            else:
                here = minirnn.tree.map_structure(lambda a, d, s=sign: a + s * step * d, x, x_direction)
            ends.append(float(value(moved, here)))
        difference = (ends[0] - ends[1]) / (2 * step)
        assert abs(along - difference) <= 1e-6 * max(1.0, abs(difference))
    finally:
        minirnn.config.set_floatx(before)


@every_layer
def test_inputs_are_never_written_to(make, shapes):
    x = inputs_of(shapes)
    kept = copy.deepcopy(x)
    for leaf in minirnn.tree.flatten(x):
        leaf.flags.writeable = False
    layer = make()
    minirnn.grad(
        project(layer(x, training=True)), layer.trainable_weights
    ) if layer.trainable_weights else None
    reset(layer)
    layer(x)
    assert_equal(arrays(x), arrays(kept), "float32")

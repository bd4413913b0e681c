"""What layers beside recurrent ones cannot be made from or called on is refused, and changes nothing."""

import numpy as np
import pytest

from minirnn import layers
from tests.laws.bad_input import check_refused

X = np.random.default_rng(0).standard_normal((2, 5, 4)).astype("float32")
IMAGES = np.random.default_rng(0).standard_normal((2, 3, 6, 4)).astype("float32")

CONSTRUCTORS = [
    (lambda: layers.Conv1D(0, 3), ["Conv1D", "filters", "0"]),
    (lambda: layers.Conv1D(2.5, 3), ["Conv1D", "filters", "2.5"]),
    (lambda: layers.Conv1D("2", 3), ["Conv1D", "filters", "'2'"]),
    (lambda: layers.Conv1D(4, 0, name="c"), ["Conv1D 'c'", "kernel_size", "1 or more", "got 0"]),
    (lambda: layers.Conv1D(4, 2.5), ["Conv1D", "kernel_size", "2.5"]),
    (lambda: layers.Conv1D(4, (2, 2)), ["Conv1D", "kernel_size", "(2, 2)"]),
    (lambda: layers.Conv1D(4, None), ["Conv1D", "kernel_size", "None"]),
    (lambda: layers.Conv1D(4, True), ["Conv1D", "kernel_size", "True"]),
    (lambda: layers.Conv1D(4, 2, strides=0), ["Conv1D", "strides", "0"]),
    (lambda: layers.Conv1D(4, 2, dilation_rate=-1), ["Conv1D", "dilation_rate", "-1"]),
    (
        lambda: layers.Conv1D(4, 2, strides=2, dilation_rate=3),
        ["Conv1D", "strides=(2,)", "dilation_rate=(3,)", "cannot both"],
    ),
    (lambda: layers.Conv1D(4, 2, padding="full"), ["Conv1D", "padding", "'causal'", "'full'"]),
    (lambda: layers.Conv1D(4, 2, padding=1), ["Conv1D", "padding", "got 1"]),
    (lambda: layers.Conv1D(4, 2, data_format="last"), ["Conv1D", "data_format", "'last'"]),
    (lambda: layers.Conv1D(4, 2, groups=0), ["Conv1D", "groups", "0"]),
    (lambda: layers.Conv1D(4, 2, groups=3), ["Conv1D", "groups=3", "filters=4"]),
    (lambda: layers.Conv1D(4, 2, activation="nosuch"), ["activation", "nosuch"]),
    (lambda: layers.Conv1D(4, 2, kernel_initializer="nosuch"), ["initializer", "nosuch"]),
    (lambda: layers.Conv1D(4, 2, nosuch=1), ["Conv1D", "nosuch"]),
    (lambda: layers.MaxPooling1D(0), ["MaxPooling1D", "pool_size", "0"]),
    (lambda: layers.MaxPooling1D(2, strides=0), ["MaxPooling1D", "strides", "0"]),
    (lambda: layers.AveragePooling1D(2, padding="causal"), ["AveragePooling1D", "padding", "'causal'"]),
    (lambda: layers.AveragePooling1D("a"), ["AveragePooling1D", "pool_size", "'a'"]),
    (lambda: layers.GlobalMaxPooling1D("nosuch"), ["GlobalMaxPooling1D", "data_format", "nosuch"]),
    (lambda: layers.GlobalAveragePooling1D(3), ["GlobalAveragePooling1D", "data_format", "3"]),
    (lambda: layers.ZeroPadding1D(-1), ["ZeroPadding1D", "padding", "0 or more", "-1"]),
    (lambda: layers.ZeroPadding1D((1, 2, 3)), ["ZeroPadding1D", "padding", "(1, 2, 3)"]),
    (lambda: layers.ZeroPadding1D(1, data_format="nosuch"), ["ZeroPadding1D", "data_format", "nosuch"]),
    (lambda: layers.Cropping1D(1.5), ["Cropping1D", "cropping", "1.5"]),
    (lambda: layers.UpSampling1D(0), ["UpSampling1D", "size", "0"]),
    (lambda: layers.UpSampling1D(1.5), ["UpSampling1D", "size", "1.5"]),
    (lambda: layers.SpatialDropout1D(1.1), ["SpatialDropout1D", "rate", "1.1"]),
    (lambda: layers.GaussianNoise(-0.1), ["GaussianNoise", "stddev", "-0.1"]),
    (lambda: layers.GaussianNoise("a"), ["GaussianNoise", "stddev", "'a'"]),
    (lambda: layers.GaussianNoise(0.1, seed=-1), ["seed", "-1"]),
    (lambda: layers.GaussianDropout(1), ["GaussianDropout", "rate", "1"]),
    (lambda: layers.ActivityRegularization(l1=-1), ["l1", "-1"]),
    (lambda: layers.LeakyReLU(-0.1), ["LeakyReLU", "negative_slope", "-0.1"]),
    (lambda: layers.LeakyReLU(None), ["LeakyReLU", "negative_slope", "None"]),
    (lambda: layers.Attention(score_mode="nosuch"), ["Attention", "score_mode", "nosuch"]),
    (lambda: layers.Attention(dropout=1.1), ["Attention", "dropout", "1.1"]),
    (lambda: layers.AdditiveAttention(dropout="a"), ["AdditiveAttention", "dropout", "'a'"]),
    (lambda: layers.ConvLSTM1D(0, 3), ["ConvLSTM1D", "filters", "0"]),
    (lambda: layers.ConvLSTM2D(2, (3,)), ["ConvLSTM2D", "kernel_size", "(3,)"]),
    (lambda: layers.ConvLSTM2D(2, 3, strides=(1, 0)), ["ConvLSTM2D", "strides", "(1, 0)"]),
    (
        lambda: layers.ConvLSTM2D(2, 3, strides=(1, 2), dilation_rate=2, name="mine"),
        ["ConvLSTM2D 'mine'", "strides=(1, 2)", "cannot both"],
    ),
    (lambda: layers.ConvLSTM1D(2, 3, padding="causal"), ["ConvLSTM1D", "padding", "'causal'"]),
    (lambda: layers.ConvLSTM1D(2, 3, data_format="nosuch"), ["ConvLSTM1D", "data_format", "nosuch"]),
    (lambda: layers.ConvLSTM1D(2, 3, dropout=1.5), ["ConvLSTM1D", "dropout", "1.5", "[0, 1]"]),
    (lambda: layers.ConvLSTM1D(2, 3, recurrent_activation="nosuch"), ["activation", "nosuch"]),
    (lambda: layers.ConvLSTM1D(2, 3, nosuch=1), ["ConvLSTM1D", "nosuch"]),
]


@pytest.mark.parametrize(
    "call, words", [pytest.param(*c, id=f"{n}-{c[1][0]}") for n, c in enumerate(CONSTRUCTORS)]
)
def test_what_no_layer_can_be_made_from(call, words):
    check_refused(call, *words)


# Makers, what they are called on, and what the message must have in it.
CALLS = [
    (lambda: layers.Conv1D(4, 6), X, ["padding='valid'", "6 step", "5 in shape (2, 5, 4)"]),
    (lambda: layers.Conv1D(4, 3, dilation_rate=3), X, ["7 step", "size 3", "got 5"]),
    (lambda: layers.Conv1D(4, 3, data_format="channels_first"), X[..., :2], ["3 step", "(2, 5, 2)"]),
    (lambda: layers.Conv1D(4, 3, padding="causal"), X[:, :0], ["1 step", "got 0"]),
    (lambda: layers.Conv1D(6, 3, groups=3), X, ["groups=3", "axis 2", "(2, 5, 4)"]),
    (lambda: layers.Conv1D(6, 3, groups=3, data_format="channels_first"), X, ["groups=3", "axis 1"]),
    (lambda: layers.Conv1D(4, 3), X[0], ["3 axes", "(5, 4)"]),
    (lambda: layers.Conv1D(4, 3), X[None], ["3 axes"]),
    (lambda: layers.MaxPooling1D(6), X, ["6 step", "got 5"]),
    (lambda: layers.MaxPooling1D(2), X[0], ["3 axes", "(5, 4)"]),
    (lambda: layers.AveragePooling1D(2, padding="same"), X[:, :0], ["1 step", "got 0"]),
    (lambda: layers.GlobalMaxPooling1D(), X[:, :0], ["one step", "(2, 0, 4)"]),
    (lambda: layers.GlobalAveragePooling1D(), X[0], ["3 axes", "(5, 4)"]),
    (lambda: layers.ZeroPadding1D(), X[0], ["3 axes"]),
    (lambda: layers.Cropping1D((2, 3)), X, ["(2, 3)", "got 5"]),
    (lambda: layers.UpSampling1D(), X[0], ["3 axes"]),
    (lambda: layers.SpatialDropout1D(0.5), X[0], ["3 axes"]),
    (lambda: layers.Attention(), X, ["list [query, value]", "single tensor"]),
    (lambda: layers.Attention(), [X], ["list [query, value]", "list of 1"]),
    (lambda: layers.AdditiveAttention(), [X] * 4, ["list [query, value]", "list of 4"]),
    (lambda: layers.Attention(), [X[:, 0], X], ["same number of axes", "(2, 4), (2, 5, 4)"]),
    (lambda: layers.Attention(), [X[:, 0], X[:, 0]], ["(batch, steps, features)", "(2, 4)"]),
    (lambda: layers.Attention(), [X[..., :3], X], ["as many features", "(2, 5, 3)"]),
    (lambda: layers.AdditiveAttention(), [X, X[:, :3], X], ["as many steps", "(2, 3, 4)"]),
    (lambda: layers.Attention(), [X[:1], X], ["batch size", "(1, 5, 4)"]),
    (lambda: layers.ConvLSTM1D(2, 3), X, ["4 axes", "(2, 5, 4)"]),
    (lambda: layers.ConvLSTM1D(2, 7), IMAGES, ["7 step", "got 6"]),
    (lambda: layers.ConvLSTM1D(2, 3), IMAGES[:, :0], ["at least one time step", "(2, 0, 6, 4)"]),
    (lambda: layers.ConvLSTM2D(2, 3), IMAGES, ["5 axes", "(2, 3, 6, 4)"]),
    (lambda: layers.ConvLSTM1D(2, 3), layers.Input((3, None, 4)), ["must be known", "(None, 4)"]),
]


@pytest.mark.parametrize("make, x, words", CALLS)
def test_what_no_layer_can_be_called_on(make, x, words):
    layer = make()
    check_refused(lambda: layer(x), layer._where, *words, unchanged=[layer])
    assert not layer.weights


@pytest.mark.parametrize(
    "make, good, bad, words",
    [
        (lambda: layers.Conv1D(4, 3), X, X[..., :3], ["size 4", "(2, 5, 3)"]),
        (lambda: layers.Conv1D(4, 3), X, X[:, :2], ["3 step", "got 2"]),
        (lambda: layers.Attention(use_scale=True), [X, X], [X, X[:1]], ["batch size"]),
        (lambda: layers.AdditiveAttention(), [X, X], [X[..., :3], X[..., :3]], ["size|features"]),
        (lambda: layers.ConvLSTM1D(2, 3), IMAGES, IMAGES[:, :, :5], ["(None, None, 6, 4)", "(2, 3, 5, 4)"]),
        (lambda: layers.ConvLSTM1D(2, 3, stateful=True), IMAGES, IMAGES[:1], ["stateful", "2", "1"]),
    ],
)
def test_what_a_layer_cannot_be_called_on_after_another_input(make, good, bad, words):
    layer = make()
    layer(good)
    check_refused(lambda: layer(bad), layer._where, *words, unchanged=[layer])
    layer(good)


@pytest.mark.parametrize("kind", [layers.Attention, layers.AdditiveAttention])
@pytest.mark.parametrize(
    "mask, words",
    [
        (np.ones((2, 5), bool), ["list [query_mask, value_mask]", "Tensor"]),
        ([None], ["list [query_mask, value_mask]", "list of 1"]),
        ([np.ones((2, 4), bool), None], ["mask of query", "(2, 5)", "(2, 4)"]),
        ([None, np.ones((2, 3), bool)], ["mask of value", "(2, 4)", "(2, 3)"]),
    ],
    ids=["no list", "too few", "query", "value"],
)
def test_masks_of_attention_that_do_not_fit(kind, mask, words):
    layer = kind()
    check_refused(lambda: layer([X, X[:, :4]], mask=mask), layer._where, *words)


def test_a_mask_of_a_mean_that_does_not_fit():
    layer = layers.GlobalAveragePooling1D()
    check_refused(lambda: layer(X, mask=np.ones((2, 4), bool)), layer._where, "(2, 5)", "(2, 4)")


@pytest.mark.parametrize(
    "states", [np.zeros((2, 4, 2)), [np.zeros((2, 4, 2))], [np.zeros((2, 4, 2)), np.zeros((2, 5, 2))]]
)
@pytest.mark.parametrize("built", [False, True])
def test_states_of_a_convolutional_lstm_that_do_not_fit(states, built):
    layer = layers.ConvLSTM1D(2, 3)
    if built:
        layer(IMAGES)
    check_refused(
        lambda: layer(IMAGES, initial_state=states),
        layer._where,
        "2 arrays [h, c] of shape (2, 4, 2)",
        unchanged=[layer],
    )

"""What `interop` refuses, with no peer needed: by the name of the layer and of the option."""

import sys

import numpy as np
import pytest

import minirnn
from minirnn import interop, layers
from minirnn.interop import layout

D, H = 4, 5


def built(layer):
    layer.build((None, None, D))
    return layer


@pytest.mark.parametrize(
    "layer, message",
    [
        (layers.LSTM(H, activation="relu", name="odd"), r"LSTM 'odd'.*activation='relu'"),
        (layers.GRU(H, recurrent_activation="hard_sigmoid", name="odd"), r"GRU 'odd'.*recurrent_activation"),
        (layers.SimpleRNN(H, activation="selu", name="odd"), r"SimpleRNN 'odd'.*activation='selu'"),
        (layers.GRU(H, reset_after=False, name="odd"), r"GRU 'odd'.*reset_after=False"),
        (layers.LSTM(H, dropout=0.1, name="odd"), r"LSTM 'odd'.* dropout=0\.1"),
        (layers.LSTM(H, recurrent_dropout=0.1, name="odd"), r"LSTM 'odd'.* recurrent_dropout=0\.1"),
        (layers.LSTM(H, go_backwards=True, name="odd"), r"LSTM 'odd'.*go_backwards=True"),
        (layers.LSTM(H, dtype="float16", name="odd"), r"dtype float16"),
        (layers.LSTM(H, dtype="mixed_float16", name="odd"), r"dtype mixed_float16"),
        (layers.Bidirectional(layers.GRU(H), merge_mode="sum", name="odd"), r"'odd'.*merge_mode='sum'"),
        (layers.Bidirectional(layers.GRU(H), merge_mode=None, name="odd"), r"'odd'.*merge_mode=None"),
        (
            layers.Bidirectional(layers.GRU(2), backward_layer=layers.GRU(3, go_backwards=True), name="odd"),
            r"Bidirectional 'odd'.*units 2 and 3",
        ),
        (layers.RNN([layers.LSTMCell(2)], name="odd"), r"RNN 'odd'.*a StackedRNNCells"),
        (layers.Embedding(4, 2, name="odd"), r"Embedding 'odd': to_torch cannot express an Embedding; it"),
    ],
)
def test_to_torch_names_the_layer_and_the_option(layer, message):
    with pytest.raises(ValueError, match=message):
        interop.to_torch(built(layer))


def test_to_torch_refuses_a_stateful_layer_a_subclass_and_what_is_not_built():
    class Own(layers.LSTM):
        pass

    stateful = layers.LSTM(H, stateful=True, name="odd")
    stateful(np.zeros((2, 3, D)))
    with pytest.raises(ValueError, match=r"LSTM 'odd'.*stateful=True"):
        interop.to_torch(stateful)
    with pytest.raises(ValueError, match=r"Own 'odd'.*an Own"):
        interop.to_torch(built(Own(H, name="odd")))
    for layer in (layers.LSTM(H, name="odd"), layers.LSTMCell(H, name="odd")):
        with pytest.raises(ValueError, match=r"'odd'.*needs a built"):
            interop.to_torch(layer)
    with pytest.raises(ValueError, match=r"Sequential 'odd'.*built model"):
        interop.to_torch(minirnn.Sequential([layers.LSTM(H)], name="odd"))


def stack(*parts):
    return minirnn.Sequential([layers.Input((None, D)), *parts], name="model")


def sequence(units=H, cls=layers.LSTM, **options):
    return cls(units, return_sequences=True, **options)


@pytest.mark.parametrize(
    "parts, message",
    [
        ([sequence(), layers.Dense(2, name="odd")], r"Dense 'odd'.*a Dense; it takes SimpleRNN"),
        ([sequence(), sequence(3, name="odd")], r"LSTM 'odd'.*units=3 after units=5"),
        ([sequence(), sequence(cls=layers.GRU, name="odd")], r"GRU 'odd'.*kind='GRU' after kind='LSTM'"),
        ([sequence(), sequence(use_bias=False, name="odd")], r"LSTM 'odd'.*use_bias=False after"),
        ([sequence(), layers.Bidirectional(sequence(), name="odd")], r"'odd'.*bidirectional=True after"),
        ([sequence(), layers.Dropout(0.2, name="odd")], r"Dropout 'odd'.*not between"),
        ([layers.Dropout(0.2, name="odd"), sequence()], r"Dropout 'odd'.*not between"),
        (
            [sequence(), layers.Dropout(0.2, noise_shape=(None, 1, None), name="odd"), sequence()],
            r"Dropout 'odd'.*noise_shape",
        ),
        (
            [sequence(), layers.Dropout(0.2), sequence(), layers.Dropout(0.3), sequence()],
            r"Sequential 'model'.*rates \[0\.2, 0\.3\]",
        ),
        ([sequence(), layers.Dropout(0.2), sequence(), sequence()], r"rates \[0\.2\] in 2 places"),
    ],
)
def test_to_torch_makes_one_module_of_a_model_or_refuses_it(parts, message):
    with pytest.raises(ValueError, match=message):
        interop.to_torch(stack(*parts))


def test_to_torch_refuses_a_model_that_is_no_chain():
    x, z = layers.Input((None, D)), layers.Input((None, H))
    y, *states = layers.LSTM(H, return_sequences=True, return_state=True)(x)
    with pytest.raises(ValueError, match=r"LSTM 'odd'.*the output of the one before"):
        interop.to_torch(minirnn.Model(x, layers.LSTM(H, name="odd")(y, initial_state=states)))
    with pytest.raises(ValueError, match=r"Functional 'odd'.*2 inputs"):
        interop.to_torch(minirnn.Model([x, z], [y, z], name="odd"))
    with pytest.raises(ValueError, match=r"Functional 'odd'.*tanh in a model"):
        interop.to_torch(minirnn.Model(x, minirnn.ops.tanh(y), name="odd"))
    with pytest.raises(ValueError, match=r"Functional 'odd'.*its outputs"):
        interop.to_torch(minirnn.Model(x, [states[0], y], name="odd"))


def test_to_onnx_names_every_layer_that_it_does_not_know_before_a_file_is_written(tmp_path):
    class Own(layers.LSTM):
        pass

    model = stack(
        layers.Conv1D(3, 2, name="first"),
        stack_inside := minirnn.Sequential(
            [layers.Input((None, 3)), Own(3, return_sequences=True, name="second")]
        ),
        layers.MaxPooling1D(name="third"),
    )
    assert stack_inside.built
    with pytest.raises(ValueError, match=r"Conv1D 'first', Own 'second', MaxPooling1D 'third'. It knows Act"):
        interop.to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_of_onnx_that_cannot_be_written_is_named_as_it_was_given(tmp_path):
    pytest.importorskip("onnx")
    with pytest.raises(FileNotFoundError) as caught:
        interop.to_onnx(built(layers.LSTM(H)), tmp_path / "no" / "x.onnx")
    assert str(caught.value).endswith(f": '{tmp_path / 'no' / 'x.onnx'}'")


def test_to_onnx_refuses_a_model_with_a_call_of_its_own():
    class Own(minirnn.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match=r"Own 'odd'.*the call\(\) of Own"):
        interop.to_onnx(Own(name="odd"))


@pytest.mark.parametrize("function", (interop.to_torch, interop.to_onnx))
def test_what_is_no_layer_is_a_type_error(function):
    with pytest.raises(TypeError, match=r"expected a layer or a model; got 'lstm'"):
        function("lstm")


@pytest.mark.parametrize(
    "package, call",
    [
        ("torch", lambda: interop.from_torch(None)),
        ("torch", lambda: interop.to_torch(built(layers.LSTM(H)))),
        ("onnx", lambda: interop.to_onnx(built(layers.LSTM(H)))),
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(package, call, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"pip install 'minirnn\[{package}\]'"):
        call()


@pytest.mark.parametrize("order", (*layout.TORCH.values(), *layout.ONNX.values()))
def test_a_layout_there_and_back_changes_nothing(order):
    rng, G = np.random.default_rng(0), len(order) * H
    for shapes, two in (
        ([(D, G), (H, G)], False),
        ([(D, G), (H, G), (G,)], False),
        ([(D, G), (H, G), (2, G)], True),
    ):
        weights = [rng.normal(size=shape) for shape in shapes]
        back = layout.from_parts(layout.to_parts(weights, order), order, two)
        assert all(np.array_equal(a, b) for a, b in zip(back, weights, strict=True))

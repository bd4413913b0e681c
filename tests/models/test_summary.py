"""The summary: every layer with its shape and parameters, in a table that fits."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import Input, Model, Sequential, layers, ops
from tests.models.helpers import VALUES, X, two_headed


def text_of(model, **options):
    texts = []
    model.summary(print_fn=texts.append, **options)
    assert len(texts) == 1
    return texts[0]


def cells(text):
    """The rows of a table as lists of cells, each cell of one line joined over its lines."""
    rows, current = [], None
    for line in text.splitlines():
        if line.startswith("│"):
            parts = [part.strip() for part in line.strip("│").split("│")]
            current = (
                parts if current is None else [a + (" " + b if b else "") for a, b in zip(current, parts)]
            )
        elif line.startswith(("├", "└")) and current:
            rows.append(current)
            current = None
    return rows


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_a_stack_is_listed_layer_by_layer_with_its_totals(sizes):
    model = Sequential([Input((None, 7))])
    for n in sizes:
        model.add(layers.GRU(n, return_sequences=True))
    model.add(layers.BatchNormalization(name="bn"))
    text = text_of(model, line_length=100)
    rows = cells(text)
    assert [row[0] for row in rows] == [f"{layer.name} ({type(layer).__name__})" for layer in model.layers]
    assert [row[1] for row in rows] == [f"(None, None, {n})" for n in [*sizes, sizes[-1]]]
    counts = [layer.count_params() for layer in model.layers]
    assert [row[2] for row in rows] == [f"{n:,}" for n in counts]
    assert f"Total params: {sum(counts):,} (" in text
    assert f"Non-trainable params: {2 * sizes[-1]:,} (" in text
    assert f'Model: "{model.name}"' in text


def test_a_model_that_branches_says_what_is_connected_to_what():
    rows = {row[0].split(" ")[0]: row for row in cells(text_of(two_headed(), line_length=140))}
    assert rows["a"][3] == "-"
    assert rows["hidden"][3].startswith("concatenate")
    assert rows["s"][1:] == ["(None, 2)", "10", "hidden[0][0]"]
    concatenate = next(row for name, row in rows.items() if name.startswith("concatenate"))
    assert concatenate[3] == "a[0][0], b[0][0]"


def test_ops_and_several_outputs_of_a_layer_are_listed():
    x = Input((4, 3), name="x")
    y, h, c = layers.LSTM(2, return_state=True, name="rnn")(x)
    rows = cells(text_of(Model(x, ops.tanh(y + h * c)), line_length=160))
    assert [row[0] for row in rows] == [
        "x (InputLayer)",
        "rnn (LSTM)",
        "multiply (Multiply)",
        "add (Add)",
        "tanh (Tanh)",
    ]
    assert rows[1][1] == "((None, 2), (None, 2), (None, 2))"
    assert rows[2][3] == "rnn[0][1], rnn[0][2]"


def test_models_inside_are_unfolded_when_asked_for():
    inner = Sequential([Input((3,)), layers.Dense(4, name="deep")], name="inner")
    model = Sequential([Input((3,)), inner, layers.Dense(2, name="out")])
    names = [row[0] for row in cells(text_of(model))]
    assert names == ["inner (Sequential)", "out (Dense)"]
    names = [row[0] for row in cells(text_of(model, expand_nested=True))]
    assert names == ["inner (Sequential)", "└ deep (Dense)", "out (Dense)"]


def test_frozen_layers_are_marked_when_asked_for():
    model = Sequential([Input((3,)), layers.Dense(2), layers.Dense(2), layers.Activation("relu")])
    model.layers[0].trainable = False
    assert [row[3] for row in cells(text_of(model, show_trainable=True))] == ["N", "Y", "-"]


def test_a_part_may_be_listed_alone():
    model = Sequential([Input((3,)), *(layers.Dense(2, name=f"d{i}") for i in range(5))])
    assert [row[0] for row in cells(text_of(model, layer_range=("d1", "d3")))] == [
        f"d{i} (Dense)" for i in (1, 2, 3)
    ]
    with pytest.raises(ValueError, match=r"no layer for layer_range.*'d0'"):
        text_of(model, layer_range=("x", "d3"))
    with pytest.raises(ValueError, match="pair of names"):
        text_of(model, layer_range=("d3",))


def test_a_model_that_is_not_built_says_so_and_then_shows_what_it_became():
    model = Sequential([layers.Dense(4), layers.Dense(2)])
    text = text_of(model)
    assert [row[1:] for row in cells(text)] == [["?", "0 (unbuilt)"]] * 2
    assert "Not built" in text and "Total params: 0 (0.00 B)" in text
    model(X[:, 0])
    assert [row[1:] for row in cells(text_of(model))] == [["(None, 4)", "16"], ["(None, 2)", "10"]]


def test_a_subclass_lists_the_layers_it_holds():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.body, self.head = layers.LSTM(4, name="body"), layers.Dense(2, name="head")

        def call(self, x):
            return self.head(self.body(x))

    model = Net()
    model.build((None, 4, 3))
    assert [row[0] for row in cells(text_of(model))] == ["body (LSTM)", "head (Dense)"]
    assert [row[1:] for row in cells(text_of(model))] == [["?", "128"], ["?", "10"]]
    model = Net()
    model(np.zeros((5, 4, 3)))
    assert [row[1:] for row in cells(text_of(model))] == [["(5, 4)", "128"], ["(5, 2)", "10"]]


def test_calls_of_a_shared_layer_are_numbered_in_the_order_in_which_they_were_made():
    first, second, shared = Input((3,)), Input((3,)), layers.Dense(3)
    a, b = shared(first), shared(second)
    model = Model([first, second], [layers.Dense(2)(ops.tanh(a)), b])
    rows = cells(text_of(model, line_length=160))
    row = next(row for row in rows if row[0].startswith(shared.name))
    assert row[3] == f"{first.name}[0][0], {second.name}[0][0]"
    again = cells(text_of(Model([first, second], [ops.tanh(b), a]), line_length=160))
    assert again[-1][3] == f"{shared.name}[1][0]"


def test_the_state_of_the_optimizer_is_counted_once_it_exists():
    model = Sequential([Input((3,)), layers.Dense(2)])
    model.compile("adam", "mse")
    assert "Optimizer" not in text_of(model)
    model.fit(X[:, 0], VALUES, verbose=0)
    # Two moments of 8 weights, the step and the rate.
    assert "Optimizer params: 18 (" in text_of(model)
    assert "Total params: 26 (" in text_of(model)


def test_lines_are_as_long_as_asked_for_and_too_short_ones_refused():
    model = two_headed()
    for length in (60, 100, 150):
        lines = [line for line in text_of(model, line_length=length).splitlines() if line.startswith("│")]
        assert {len(line) for line in lines} == {length}
    with pytest.raises(ValueError, match="larger line_length"):
        text_of(model, line_length=12)
    with pytest.raises(ValueError, match="4 columns"):
        text_of(model, positions=[0.5, 1.0])


def test_without_a_print_function_it_is_printed(capsys):
    Sequential([Input((3,)), layers.Dense(2, name="only")]).summary()
    printed = capsys.readouterr().out
    assert "only (Dense)" in printed and "Total params: 8 (32.00 B)" in printed


def test_rich_is_imported_for_the_table_and_for_a_terminal_alone():
    code = (
        "import sys, numpy as np, minirnn\n"
        "from minirnn import layers\n"
        "m = minirnn.Sequential([minirnn.Input((3,)), layers.Dense(2)])\n"
        "m.compile('sgd', 'mse')\n"
        "m.fit(np.ones((4, 3)), np.ones((4, 2)), epochs=2)\n"
        "print('rich' in sys.modules)\n"
        "m.summary()\n"
        "print('rich' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    lines = done.stdout.splitlines()
    assert [line for line in lines if line in ("True", "False")] == ["False", "True"]
    assert np.size(lines) > 4


def test_a_model_that_was_built_by_training_shows_the_shapes_of_its_layers():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = layers.LSTM(3, return_state=True), layers.Dense(2)

        def call(self, x):
            return self.head(layers.concatenate(self.rnn(x)))

    model = Net()
    model.compile("sgd", "mse")
    model.fit(X, VALUES, batch_size=7, verbose=0)
    rows = cells(text_of(model, line_length=100))
    assert [row[1] for row in rows] == ["((7, 3), (7, 3), (7, 3))", "(7, 2)"]

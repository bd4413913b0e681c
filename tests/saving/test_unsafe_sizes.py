"""Files that ask for much: refused before it is taken, whatever it is that would grow, and before long."""

import inspect
import itertools
import time
import tracemalloc
import zipfile

import pytest

import minirnn
from minirnn import layers, metrics, ops, saving
from minirnn.autograd.tensor import OPERATORS
from minirnn.backend import allowance
from minirnn.ops.symbolic import KerasTensor, infer
from minirnn.saving import UnsafeFileError, configs, load_model, loading
from minirnn.saving.stores import Store
from tests.saving.crafted import assert_refused, layer, members, packed, with_config, with_layer

pytest.importorskip("h5py", reason="h5py is not installed; the extra 'keras' brings it")

pytestmark = pytest.mark.filterwarnings("ignore")

TOO_MUCH = "more weights than the file|more than the [0-9]* allowed|more work than|cannot be read"
MOST_BYTES, MOST_SECONDS = 100 << 20, 60  # of the processor, whatever else the machine does
HUGE = (2**30, [2**13, 2**14], [[2**27, 2**27]])


@pytest.mark.parametrize(
    "text, match",
    [
        (b"[" * 100_000 + b"]" * 100_000, "nests too deeply"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "more than 200 deep"),
        (b"[" + b"1," * 1_200_000 + b"1]", "no JSON object"),
        (b'{"a": [' + b"1," * 1_200_000 + b"1]}", "too many values"),
        (b'{"a": 1' + b"0" * 5000 + b"}", "config cannot be read|number"),
        (b'{"class_name": "Sequential", "config": {"n": 99999999999}}', "number 99999999999"),
        (b"not json", "config cannot be read"),
        (b"\xff\xfe\x00", "config cannot be read"),
        (b"[]", "no JSON object"),
        (b"{}", "no model"),
        (b"null", "no JSON object"),
    ],
)
def test_configs_without_bounds(tmp_path, text, match):
    parts = members(tmp_path)
    parts["config.json"] = text
    assert_refused(packed(tmp_path, parts), match)


def test_a_config_that_is_a_compression_bomb(tmp_path):
    parts = members(tmp_path)
    parts["config.json"] = b"[" + b" " * (40 << 20) + b"]"
    assert_refused(packed(tmp_path, parts, zipfile.ZIP_DEFLATED), "would grow from")
    assert_refused(packed(tmp_path, parts), "more than the 8388608 allowed")


@pytest.mark.parametrize(
    "bad",
    [
        layer("Dense", {"units": 2**31 - 1}),
        layer("Dense", {"units": 10**8}),
        layer("LSTM", {"units": 10**6}),
        layer("Embedding", {"input_dim": 2**30, "output_dim": 2**10}),
        layer("Conv1D", {"filters": 2**20, "kernel_size": 2**20}),
        layer("TimeDistributed", {"layer": layer("Dense", {"units": 10**9})}),
        layer("Bidirectional", {"layer": layer("LSTM", {"units": 10**7})}),
        layer("RepeatVector", {"n": 2**30}),
        layer("Reshape", {"target_shape": [2**20, 2**20]}),
        layer("ZeroPadding1D", {"padding": [2**30, 2**30]}),
        layer("UpSampling1D", {"size": 2**30}),
    ],
    ids=lambda bad: bad["class_name"],
)
def test_layers_that_ask_for_more_than_the_file_can_hold(tmp_path, bad):
    assert_refused(with_layer(tmp_path, bad), TOO_MUCH)
    repeated = [bad] * 3
    path = with_config(tmp_path, lambda c: c["config"]["layers"].__setitem__(slice(1, None), repeated))
    assert_refused(path, TOO_MUCH)


def test_inputs_that_ask_for_more_than_the_file_can_hold(tmp_path):
    def change(config):
        config["config"]["layers"][0]["config"]["batch_shape"] = [2**15, 2**15, 3]

    assert_refused(with_config(tmp_path, change), TOO_MUCH)


def bounded(function, *args):
    """Return what a call raises, a ValueError or TypeError or nothing; it must take neither long nor much."""
    tracemalloc.start()
    started, error = time.process_time(), None
    try:
        function(*args)
    except (ValueError, TypeError, IndexError, OverflowError) as raised:
        error = raised
    peak, seconds = tracemalloc.get_traced_memory()[1], time.process_time() - started
    tracemalloc.stop()
    assert peak < MOST_BYTES, f"{peak >> 20} MiB, then {error}"
    assert seconds < MOST_SECONDS, f"{seconds:.0f} s, then {error}"
    return error


def loaded(config):
    """Make a model of a config, as from a file that stores no weights."""
    configs.check("file", config)
    loading.made("file", config, Store("file", {}))


def tensor(name="x", call=0):
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call, 0]}}


def begin(shape=(None, 3), dtype="float32", name="x"):
    config = {"batch_shape": list(shape), "dtype": dtype, "name": name}
    return {**layer("InputLayer", config), "name": name, "inbound_nodes": []}


def entry(class_name, name, *calls, **config):
    nodes = [{"args": [arguments], "kwargs": {}} for arguments in calls]
    return {**layer(class_name, {**config, "name": name}), "name": name, "inbound_nodes": nodes}


def functional(entries, output, name="model"):
    config = {"name": name, "layers": entries, "input_layers": ["x", 0, 0], "output_layers": output}
    return layer("Functional", config, "keras.models")


def parameters(cls):
    return [p for p in inspect.signature(cls).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]


LAYERS = [n for n in sorted(layers.__all__) if isinstance(getattr(layers, n), type)]
LAYERS = [n for n in LAYERS if issubclass(getattr(layers, n), minirnn.Layer) and n != "InputLayer"]
DENSE, CELL = layer("Dense", {"units": 2}), layer("LSTMCell", {"units": 2})
NEEDED = {"cell": CELL, "cells": [CELL], "layer": DENSE}


@pytest.mark.parametrize("name", LAYERS)
def test_each_argument_of_each_layer_may_be_huge(name):
    cls = getattr(layers, name)
    needed = {p.name: NEEDED.get(p.name, 2) for p in parameters(cls) if p.default is p.empty}
    if name == "Bidirectional":
        needed["layer"] = layer("LSTM", {"units": 2})
    for parameter, huge in itertools.product(parameters(cls), HUGE):
        for first in (begin((None, None, 3)), begin((None, 4), "int32")):
            called = entry(name, "l", tensor(), **{**needed, parameter.name: huge})
            bounded(loaded, functional([first, called], ["l", 0, 0]))


OPS = sorted(n for n in {*ops.__all__, *OPERATORS} if inspect.isfunction(getattr(ops, n, OPERATORS.get(n))))


@pytest.mark.parametrize("start", range(0, len(OPS), 40))
def test_each_argument_of_each_op_may_be_huge(start):
    """Also those that no layer passes on: a config may call any op with any constant."""
    for name in OPS[start : start + 40]:
        function = getattr(ops, name, None) or OPERATORS[name]
        for huge, tensors in itertools.product(HUGE[:2], (1, 2)):
            given = [KerasTensor((None, 3)) for _ in parameters(function)[:tensors]]
            rest = parameters(function)[tensors:]
            needed = [huge for p in rest if p.default is p.empty]
            for named in [{}, *({p.name: huge} for p in rest if p.default is not p.empty)]:
                with allowance.limited(1 << 26, 1 << 28):
                    bounded(infer, function, [*given, *needed], named)


@pytest.mark.parametrize("name", [n for n in metrics.__all__ if n[0].isupper()])
def test_each_argument_of_each_metric_may_be_huge(name):
    cls = getattr(metrics, name)
    needed = {p.name: 2 for p in parameters(cls) if p.default is p.empty}
    for parameter in parameters(cls):
        arguments = {**needed, parameter.name: 2**30}
        compiled = {"optimizer": "sgd", "loss": "mse", "metrics": [layer(name, arguments, "keras.metrics")]}
        model = layer("Sequential", {"layers": [begin(), layer("Identity")]}, "keras.models")
        bounded(loaded, {**model, "compile_config": compiled})


def nested(depth):
    """A model that calls another one twice, which does so too, and so on: 2**depth calls."""
    if not depth:
        return functional([begin(), entry("Identity", "end", tensor())], ["end", 0, 0], "m0")
    inner = {**nested(depth - 1), "name": f"m{depth - 1}"}
    nodes = [{"args": [tensor(*place)], "kwargs": {}} for place in (("x",), (inner["name"], 0))]
    return functional([begin(), {**inner, "inbound_nodes": nodes}], [inner["name"], 2, 0], f"m{depth}")


def chain(names):
    return [entry("Identity", b, tensor(a)) for a, b in itertools.pairwise(["x", *names])]


NAMES = [f"i{i}" for i in range(2000)]
RNN_CELL = layer("GRUCell", {"units": 1})
DIFFERENCES = {
    "module": "minirnn.ops",
    "class_name": "function",
    "config": "diff",
    "name": "o",
    "inbound_nodes": [{"args": [tensor()], "kwargs": {"n": 2**30}}],
}
EITHER = "loaded or refused"  # as long as neither takes long
OF_TEXT = layer("__numpy__", {"value": [1], "dtype": "U9999999"})
LONG = {
    "calls of calls": (nested(30), "more work than"),
    "a long chain backwards": (functional([*chain(NAMES)[::-1], begin()], [NAMES[-1], 0, 0]), None),
    "one output many times": (functional([begin(), *chain(["i"])], [["i", 0, 0]] * 5000), None),
    "one layer called many times": (
        functional([begin(), entry("Identity", "i", *[tensor()] * 3000)], [["i", n, 0] for n in range(3000)]),
        None,
    ),
    "a million steps unrolled": (
        functional([begin((None, 2**20, 1)), entry("GRU", "g", tensor(), units=1, unroll=True)], ["g", 0, 0]),
        EITHER,
    ),
    "a million steps of a cell": (
        functional([begin((None, 2**20, 1)), entry("RNN", "r", tensor(), cell=RNN_CELL)], ["r", 0, 0]),
        EITHER,
    ),
    "a billion differences": (functional([begin(), DIFFERENCES], ["o", 0, 0]), "more work than"),
    "many objects": (functional([begin(), *chain(f"i{i}" for i in range(20_001))], []), "than 20000 objects"),
    "a shape of text": (functional([begin((None, 3), "U100000000"), *chain(["i"])], ["i", 0, 0]), "refused"),
    "a number in the form of text": (
        functional([begin(), entry("Rescaling", "i", tensor(), scale=OF_TEXT)], ["i", 0, 0]),
        "a dtype of numbers",
    ),
}


@pytest.mark.parametrize("what", LONG)
def test_configs_that_would_take_long(what):
    config, match = LONG[what]
    error = bounded(loaded, config)
    if match is None:
        assert error is None
    elif match != EITHER:
        with pytest.raises(UnsafeFileError, match=match):
            raise error or AssertionError("it was loaded")


def test_a_model_from_json_has_its_bounds_too_unless_it_is_trusted():
    text = minirnn.Sequential([minirnn.Input((3,)), layers.Dense(2, name="large")]).to_json()
    text = text.replace('"units": 2', '"units": 1000000000')
    with pytest.raises(UnsafeFileError, match="more than 134217728 weights; the first too many is 'kernel'"):
        saving.model_from_json(text)


def test_a_computation_in_another_thread_is_not_limited():
    import threading

    found = []
    with allowance.limited(10, 10):
        thread = threading.Thread(target=lambda: found.append(float(ops.sum(ops.ones((100, 100))))))
        thread.start()
        thread.join()
        with pytest.raises(ValueError, match="allowed"):
            ops.ones((100, 100))
    assert found == [10_000]
    ops.ones((100, 100))


SQUARES = {
    "sum": lambda row, column: row + column,
    "product": lambda row, column: column @ row,
    "repeated": lambda row, column: ops.broadcast_to(row, (50_000, 50_000)) * 2.0,
    "joined": lambda row, column: ops.concatenate([ops.broadcast_to(row, (50_000, 50_000))] * 2),
    "selected": lambda row, column: ops.take(row, ops.zeros((50_000, 2), "int32"), axis=0),
    "two of them": lambda row, column: row[0][None, ops.zeros((50_000, 50_000), "bool")],
    "padded": lambda row, column: ops.pad(row, [(0, 50_000), (0, 0)]),
    "contracted": lambda row, column: ops.einsum("ab,cd->bc", row, column),
    "unfolded": lambda row, column: ops.conv(
        ops.ones((1, 50_000, 1)), ops.ones((25_000, 1, 1)), padding="same"
    ),
    "of classes": lambda row, column: ops.one_hot(ops.zeros((50_000,), "int32"), 50_000),
    "of a layer": lambda row, column: layers.SimpleRNN(50_000)(ops.ones((1, 50_000, 1))),
    "of labels": lambda row, column: ops.ctc_loss(
        ops.ones((1, 50_000), "int32"), ops.zeros((1, 50_000, 2)), [20_000], [50_000]
    ),
}


@pytest.mark.parametrize("what", SQUARES)
def test_what_is_as_large_as_the_square_of_its_arguments_is_refused(what):
    """Whatever it is made by: 50,000 numbers, and 50,000 times as many of them."""
    with allowance.limited(1 << 26, 1 << 40):
        row, column = ops.ones((1, 50_000)), ops.ones((50_000, 1))
        error = bounded(SQUARES[what], row, column)
    assert isinstance(error, allowance.AllowanceError), error


def test_what_is_gone_counts_no_more():
    with allowance.limited(1000, 1 << 40):
        for _ in range(20):
            kept = ops.ones((300,)) + 1.0
        with pytest.raises(ValueError, match="An array of 800 numbers, beside 300 of others"):
            ops.ones((800,))
        del kept
        ops.ones((800,))


def test_a_graph_that_doubles_without_end(tmp_path):
    """Forty layers, each of which puts the one before beside itself: 2**40 numbers."""

    def node(name):
        history = {"shape": [None, 3], "dtype": "float32", "keras_history": [name, 0, 0]}
        return {"class_name": "__keras_tensor__", "config": history}

    names = ["x", *(f"c{i}" for i in range(40))]
    entries = [{**layer("InputLayer", {"batch_shape": [None, 3]}), "name": "x", "inbound_nodes": []}]
    for before, name in itertools.pairwise(names):
        call = {"args": [[node(before), node(before)]], "kwargs": {}}
        entries.append({**layer("Concatenate", {"name": name}), "name": name, "inbound_nodes": [call]})
    config = {"layers": entries, "input_layers": ["x", 0, 0], "output_layers": ["c39", 0, 0]}
    bad = layer("Functional", config, "keras.src.models.functional")
    path = with_config(tmp_path, lambda c: bad)
    with pytest.raises(UnsafeFileError, match="more than the 67108864 allowed"):
        load_model(path)

"""Attacks known on Keras's loaders, and others, by what a config says and an archive holds: refused.

CVE-2024-3660, 2024-55459, 2025-1550, 2025-8747, 2025-9905, 2025-9906, 2025-12058, 2025-12060, 2025-49655,
2026-1462, 2026-12479 and 2026-12481 are here; 2026-0897 and 2026-1669, which are about weights, stand in
test_unsafe_weights.py, and the form of 2025-9905 that Keras 2 wrote in tests/peers/test_saving_legacy.py.
"""

import base64
import json
import marshal
import os
import pickle
import zipfile

import numpy as np
import pytest

import minirnn
from minirnn import layers, saving
from minirnn.saving import UnsafeFileError, load_model
from tests.saving.crafted import (
    assert_refused,
    layer,
    members,
    model,
    packed,
    with_config,
    with_layer,
    with_weights,
)

pytest.importorskip("h5py", reason="h5py is not installed; the extra 'keras' brings it")


def test_the_good_file_loads(tmp_path):
    assert load_model(packed(tmp_path, members(tmp_path))).count_params() == model().count_params()
    with_weights(tmp_path, lambda file: None)
    load_model(tmp_path / "bad.keras")


# Code.

PAYLOAD = "__import__('os').makedirs('owned', exist_ok=True)"


def bytecode():
    code = compile(f"lambda x: ({PAYLOAD}, x)[1]", "x", "eval").co_consts[0]
    text = base64.b64encode(marshal.dumps(code)).decode()
    return {"class_name": "__lambda__", "config": {"code": text, "defaults": None, "closure": None}}


@pytest.mark.parametrize(
    "where",
    ["Lambda", "activation", "loss", "initializer", "deep"],
)
def test_cve_2024_3660_functions_stored_as_code(tmp_path, monkeypatch, where):
    """Also 2025-9905 and 2026-12481, other ways to the same."""
    monkeypatch.chdir(tmp_path)
    if where == "Lambda":
        path = with_layer(tmp_path, layer("Lambda", {"function": bytecode()}))
    elif where == "activation":
        path = with_layer(tmp_path, layer("Activation", {"activation": bytecode()}))
    elif where == "initializer":
        path = with_layer(tmp_path, layer("Dense", {"units": 2, "kernel_initializer": bytecode()}))
    elif where == "loss":
        path = with_config(tmp_path, lambda c: c["compile_config"].update(loss=bytecode()))
    else:
        path = with_layer(tmp_path, layer("Dense", {"units": 2, "name": [[{"a": [bytecode()]}]]}))
    assert_refused(path, "Lambda layer or a function stored as code")
    for call in (saving.deserialize_keras_object, layers.deserialize, layers.Lambda.from_config):
        with pytest.raises(ValueError, match="holds code"):
            call({"class_name": "Lambda", "config": {"function": bytecode()}, "function": bytecode()})
    assert not (tmp_path / "owned").exists()


def test_a_lambda_layer_loads_with_safe_mode_false_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}
    path = with_layer(tmp_path, layer("Lambda", {"function": named}))
    assert_refused(path, "safe_mode=False")
    trusted = load_model(path, safe_mode=False)
    assert (trusted(np.ones((1, 2, 3))).numpy() >= 0).all()
    path = with_layer(tmp_path, layer("Lambda", {"function": bytecode()}))
    load_model(path, safe_mode=False)
    assert (tmp_path / "owned").exists()


GADGETS = [
    ("builtins", "function", "eval"),
    ("builtins", "eval", {}),
    ("os", "function", "system"),
    ("os", "system", {"command": PAYLOAD}),
    ("subprocess", "Popen", {"args": ["mkdir", "owned"]}),
    ("keras.utils", "get_file", {"fname": "x", "origin": "file:///etc/passwd"}),
    ("keras.utils", "function", "get_file"),
    ("keras.config", "function", "enable_unsafe_deserialization"),
    ("keras.config", "enable_unsafe_deserialization", {}),
    ("keras.models", "load_model", {"filepath": "x.keras", "safe_mode": False}),
    ("keras.saving", "function", "load_model"),
    ("keras.src.backend.common.global_state", "set_global_attribute", {"attr": "safe_mode_saving"}),
    ("minirnn.saving", "load_model", {"filepath": "x"}),
    ("minirnn.saving.code", "with_functions", {}),
    ("minirnn.__main__", "main", {}),
    ("minirnn.backend", "function", "set_backend"),
    ("numpy", "function", "load"),
    ("keras.layers", "TorchModuleWrapper", {"module": base64.b64encode(pickle.dumps(1)).decode()}),
    ("keras.layers", "TFSMLayer", {"filepath": "/tmp/attack", "call_endpoint": "serve"}),
    ("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}),
    ("keras.layers", "IndexLookup", {"vocabulary": "http://169.254.169.254/"}),
    ("keras.layers", "TextVectorization", {"vocabulary": "/etc/passwd"}),
    ("keras.layers", "__init__", {}),
    ("keras.layers", "get", {}),
]


@pytest.mark.parametrize("module, class_name, config", GADGETS)
def test_names_of_what_is_no_part_of_a_model(tmp_path, monkeypatch, module, class_name, config):
    """CVE-2025-1550, 2025-8747, 2025-9906, 2025-12058, 2025-49655, 2026-1462, and get_file's: 2024-55459 and
    2025-12060."""
    monkeypatch.chdir(tmp_path)
    thing = {"module": module, "class_name": class_name, "config": config, "registered_name": class_name}
    for path in (
        with_layer(tmp_path, thing),
        with_layer(tmp_path, layer("Activation", {"activation": thing})),
        with_layer(tmp_path, layer("TimeDistributed", {"layer": thing})),
        with_config(tmp_path, lambda c: thing),
        with_config(tmp_path, lambda c: c["compile_config"].update(optimizer=thing)),
        with_config(tmp_path, lambda c: c["compile_config"].update(metrics=[thing])),
    ):
        assert_refused(path, "unknown name|no model|cannot be read")
    assert not (tmp_path / "owned").exists()


def functional_with(function):
    op = {**function, "name": "op", "inbound_nodes": [{"args": ["/etc/passwd"], "kwargs": {}}]}
    begin = {**layer("InputLayer", {"batch_shape": [None, 3]}), "name": "x", "inbound_nodes": []}
    config = {"layers": [begin, op], "input_layers": ["x", 0, 0], "output_layers": ["op", 0, 0]}
    return layer("Functional", config, "keras.src.models.functional")


@pytest.mark.parametrize(
    "function",
    [
        {"module": "minirnn.ops", "class_name": "function", "config": "__import__"},
        {"module": "minirnn.ops", "class_name": "function", "config": "np"},
        {"module": "keras.src.ops.core", "class_name": "CustomGradient", "config": {"fun": "x"}},
        {"module": "keras.src.ops.numpy", "class_name": "__class__", "config": {}},
        {"module": "keras.utils", "class_name": "function", "config": "get_file"},
        {"module": "keras.src.ops.numpy", "class_name": "Zeros", "config": {"shape": [10**9, 10**9]}},
        {"module": "keras.src.ops.numpy", "class_name": "Tile", "config": {"repeats": 2**30}},
    ],
    ids=str,
)
def test_functions_between_the_layers_are_ops_and_no_others(tmp_path, function):
    assert_refused(with_config(tmp_path, lambda c: functional_with(function)), "cannot be read|needs more")


@pytest.mark.parametrize("config", [{}, {"a": 1}, layer("Dense", {"units": 2}), layer("Adam"), layer("mse")])
def test_json_of_what_is_no_model(config):
    """Found by fuzzing: it was returned, whatever it was."""
    with pytest.raises(UnsafeFileError, match="which is no model"):
        saving.model_from_json(json.dumps(config))


@pytest.mark.parametrize(
    "config",
    [
        layer("LSTM", {"units": 2, "cell": {}}),
        layer("Dense", {"units": 2, "kernel_initializer": {"class_name": 3, "config": {}}}),
        layer("Bidirectional", {"layer": None}),
        layer("TimeDistributed", {"layer": [1]}),
        layer("RNN", {"cell": {"class_name": "__slice__", "config": {}}}),
        layer("Functional", {"layers": [{"config": {}}], "input_layers": [], "output_layers": []}),
        layer("Rescaling", {"scale": layer("__numpy__", {"value": [1], "dtype": "U9"})}),
        layer("Rescaling", {"scale": layer("__bytes__", {"value": 3})}),
    ],
)
def test_a_config_of_another_form_is_a_value_error_or_type_error_of_one_line(config):
    """Found by fuzzing: KeyError and AttributeError came out."""
    with pytest.raises((ValueError, TypeError)) as caught:
        saving.deserialize_keras_object(config)
    assert str(caught.value) and "\n" not in str(caught.value)


def test_lambda_has_no_other_name(tmp_path):
    """The name of a class is found in snake case too."""
    named = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}
    for name in ("Lambda", "lambda", "LAMBDA"):
        path = with_layer(tmp_path, layer(name, {"function": named}))
        assert_refused(path, "Lambda layer|unknown name")


# Names and paths.


@pytest.mark.parametrize(
    "name", ["../../evil", "/tmp/evil", "..\\evil", "a/../../evil", "model.weights.h5/../x"]
)
def test_cve_2026_12479_names_are_never_paths(tmp_path, name):
    parts = members(tmp_path)
    parts[name] = b"x"
    parts["assets/../../evil"] = b"x"
    before = sorted(p for p in tmp_path.parent.rglob("*evil*"))
    load_model(packed(tmp_path, parts))
    assert sorted(p for p in tmp_path.parent.rglob("*evil*")) == before
    config = {"units": 2, "name": name}
    path = with_layer(tmp_path, layer("Dense", config))
    with pytest.raises(UnsafeFileError):
        load_model(path)
    assert sorted(p for p in tmp_path.parent.rglob("*evil*")) == before


def test_a_link_as_a_member_is_not_followed(tmp_path):
    parts = members(tmp_path)
    info = zipfile.ZipInfo("config.json")
    info.external_attr = 0o120777 << 16
    secret = tmp_path / "secret"
    secret.write_text("{}")
    path = packed(tmp_path, [(info, str(secret)), ("model.weights.h5", parts["model.weights.h5"])])
    assert_refused(path, "the config cannot be read")


# Archives.


def test_archives_that_are_none_or_lack_a_member_or_have_one_twice(tmp_path):
    parts = members(tmp_path)
    path = tmp_path / "bad.keras"
    for content in (b"", b"PK\x03\x04", b"\x80\x04K\x01.", os.urandom(1000)):
        path.write_bytes(content)
        assert_refused(path, "zip archive cannot be read")
    for name in ("config.json", "model.weights.h5"):
        assert_refused(
            packed(tmp_path, {k: v for k, v in parts.items() if k != name}), "no member|has none of"
        )
    with pytest.warns(UserWarning, match="Duplicate name"):
        packed(tmp_path, [*parts.items(), ("config.json", b"{}")])
    assert_refused(path, "two of its members have one name")
    assert_refused(packed(tmp_path, {**parts, **{f"a{i}": b"" for i in range(10_001)}}), "members")
    parts["model.weights.h5"] = parts["model.weights.h5"][:-100]
    assert_refused(packed(tmp_path, parts), "HDF5 file cannot be read")


def test_what_a_program_registered_is_found_and_a_name_like_it_is_not(tmp_path):
    @saving.register_keras_serializable("trusted", "Twice")
    class Twice(minirnn.Layer):
        def call(self, x):
            return 2 * x

        def get_config(self):
            return super().get_config()

    found = layer("Twice", {"name": "twice"}, None, registered_name="trusted>Twice")
    assert isinstance(load_model(with_layer(tmp_path, found)).layers[-1], Twice)
    for name in ("trusted>Thrice", "other>Twice"):
        other = layer("Thrice", {}, "trusted", registered_name=name)
        assert_refused(with_layer(tmp_path, other), "unknown name")

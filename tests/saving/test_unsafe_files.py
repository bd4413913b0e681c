"""Every attack known on Keras's loaders, and others: refused, in one line, with nothing done."""

import base64
import io
import itertools
import marshal
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

import minirnn
from minirnn import layers, saving
from minirnn.saving import UnsafeFileError, load_model
from tests.saving.crafted import members, model, packed, with_config, with_layer, with_weights

h5py = pytest.importorskip("h5py", reason="h5py is not installed; the extra 'keras' brings it")

KERNEL = "layers/dense/vars/0"


def layer(class_name, config=None, module="keras.layers", **more):
    return {"module": module, "class_name": class_name, "config": config or {}, **more}


def assert_refused(path, match, **options):
    """Refused in one line, without much memory, and without a file made or read."""
    before = sorted(os.listdir(path.parent))
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeFileError, match=match) as caught:
            load_model(path, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert "\n" not in text and str(path) in text and "refused" in text
    assert peak < 64 << 20, f"{peak >> 20} MiB were taken before it was refused"
    assert sorted(os.listdir(path.parent)) == before


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
    assert_refused(
        with_config(tmp_path, lambda c: functional_with(function)), "cannot be read|needs more|an array of"
    )


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


# Sizes.


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


def test_weights_that_are_a_compression_bomb(tmp_path):
    """CVE-2026-0897's other half: of the archive."""
    parts = members(tmp_path)
    parts["model.weights.h5"] = bytes(256 << 20)
    path = packed(tmp_path, parts, zipfile.ZIP_DEFLATED)
    del parts
    assert_refused(path, "would grow from")


def test_a_member_that_lies_about_its_size(tmp_path):
    parts = members(tmp_path)
    path = packed(tmp_path, parts, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    size = len(parts["config.json"]).to_bytes(4, "little")
    for other in (1, 2**31 - 1):
        place, changed = 0, bytearray(content)
        while (place := changed.find(size, place)) >= 0:
            changed[place : place + 4] = other.to_bytes(4, "little")
            place += 4
        path.write_bytes(changed)
        assert_refused(path, "config.json")


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
    assert_refused(with_layer(tmp_path, bad), "more weights than the file|an array of|cannot be read")
    repeated = [bad] * 3
    path = with_config(tmp_path, lambda c: c["config"]["layers"].__setitem__(slice(1, None), repeated))
    assert_refused(path, "more weights than the file|an array of|cannot be read")


def test_inputs_that_ask_for_more_than_the_file_can_hold(tmp_path):
    def change(config):
        config["config"]["layers"][0]["config"]["batch_shape"] = [2**15, 2**15, 3]

    assert_refused(with_config(tmp_path, change), "asks for an array of")


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
    with pytest.raises(UnsafeFileError, match="more than the 67108864 numbers allowed"):
        load_model(path)


# HDF5.


def replace(file, make):
    del file[KERNEL]
    make(file)


def test_cve_2026_1669_links_and_storage_in_other_files(tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["kernel"] = np.ones((2, 2), "float32")
    (tmp_path / "secret").write_bytes(bytes(16))

    def virtual(file):
        layout = h5py.VirtualLayout((2, 2), "float32")
        layout[:] = h5py.VirtualSource(str(secret), "kernel", (2, 2))
        file.create_virtual_dataset(KERNEL, layout)

    def virtual_of_itself(file):
        layout = h5py.VirtualLayout((2, 2), "float32")
        layout[:] = h5py.VirtualSource(".", "layers/lstm/cell/vars/1", (2, 8))[:, :2]
        file.create_virtual_dataset(KERNEL, layout)

    def external(file):
        file.create_dataset(KERNEL, (2, 2), "float32", external=[(str(tmp_path / "secret"), 0, 16)])

    cases = {
        "is a link to elsewhere": [
            lambda file: file.__setitem__(KERNEL, h5py.ExternalLink(str(secret), "kernel")),
            lambda file: file.__setitem__(KERNEL, h5py.SoftLink("/layers/lstm/cell/vars/0")),
            lambda file: file.__setitem__("unused", h5py.ExternalLink("/etc/passwd", "/")),
            lambda file: file.__setitem__("layers/dense/other", h5py.SoftLink("/")),
        ],
        "is stored in another file": [external],
        "is made of arrays of other files": [virtual, virtual_of_itself],
    }
    for match, makers in cases.items():
        for make in makers:
            assert_refused(with_weights(tmp_path, lambda f, make=make: replace(f, make)), match)


def test_cve_2026_0897_arrays_that_claim_more_than_is_there(tmp_path):
    def claim(file, shape=(2**25, 2**25), **options):
        file.create_dataset(KERNEL, shape, "float32", **options)

    for options in (
        {"chunks": (1024, 1024), "compression": "gzip"},
        {"chunks": (1024, 1024)},
        {"chunks": (1024, 1024), "compression": "gzip", "fillvalue": 1.0, "maxshape": (None, None)},
        {"shape": (2**10, 2**10), "chunks": (32, 32), "compression": "gzip"},
    ):
        path = with_weights(tmp_path, lambda f, o=options: replace(f, lambda file: claim(file, **o)))
        assert_refused(path, "claims .* bytes, and 0 are there")
    assert_refused(
        with_weights(tmp_path, lambda f: replace(f, lambda file: claim(file, (2, 2)))), "and 0 are there"
    )


def test_arrays_that_do_not_fit_the_layer_are_not_read(tmp_path):
    def larger(file):
        file[KERNEL] = np.zeros((3, 2), "float32")

    assert_refused(with_weights(tmp_path, lambda f: replace(f, larger)), r"has shape \(2, 2\); in the file")
    assert_refused(with_weights(tmp_path, lambda f: replace(f, lambda file: None)), "the file has 1")


def test_arrays_of_other_things_than_numbers(tmp_path):
    for value in (
        np.array([b"x", b"y"], "S1"),
        np.array([["a", "b"]], dtype=h5py.string_dtype()),
        np.array([1, 2], h5py.ref_dtype),
        np.zeros((2, 2), [("a", "f4"), ("b", "f4")]),
        np.zeros((2, 2), "complex64"),
        h5py.Empty("f4"),
    ):

        def make(file, value=value):
            file[KERNEL] = None if value.dtype == h5py.ref_dtype else value

        try:
            path = with_weights(tmp_path, lambda f, make=make: replace(f, make))
        except TypeError:
            continue  # h5py does not write that
        assert_refused(path, "where numbers are expected|has no shape")


def test_groups_that_hold_themselves(tmp_path):
    def loop(file):
        file["layers/dense/again"] = file["layers"]

    assert_refused(with_weights(tmp_path, loop), "repeat or nest without end")


def test_filters_of_others(tmp_path):
    def lzf(file):
        file.create_dataset(KERNEL, data=np.zeros((2, 2), "float32"), compression="lzf")

    assert_refused(with_weights(tmp_path, lambda f: replace(f, lzf)), "filter that is none of HDF5's own")


def test_compressed_weights_are_read(tmp_path):
    def gzip(file):
        file.create_dataset(KERNEL, data=np.full((2, 2), 3.0, "float32"), compression="gzip", shuffle=True)

    loaded = load_model(with_weights(tmp_path, lambda f: replace(f, gzip)))
    np.testing.assert_array_equal(loaded.layers[-1].kernel.numpy(), np.full((2, 2), 3.0))


# NumPy's format.


def npz(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


class Owned:
    def __reduce__(self):
        return os.mkdir, ("owned",)


def npy(shape, descr="<f4", data=b""):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"shape": shape, "fortran_order": False, "descr": descr})
    return content.getvalue() + data


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: npz(a=np.array([Owned()], object)), "holds object where numbers"),
        (lambda: pickle.dumps(Owned()), "zip archive cannot be read"),
        (lambda: npy((2**50,)), "zip archive cannot be read"),
        (lambda: _zipped({"a.npy": npy((2**50,))}), "claims shape"),
        (lambda: _zipped({"a.npy": npy((-1,), data=bytes(4))}), "claims shape|cannot be read"),
        (lambda: _zipped({"a.npy": npy((2,), "|O", b"x")}), "where numbers"),
        (lambda: _zipped({"a.npy": npy((1,), "<U2000000000")}), "cannot be read"),
        (lambda: _zipped({"a.npy": b"\x93NUMPY\x09\x09"}), "version"),
        (lambda: _zipped({"a.npy": pickle.dumps(Owned())}), "cannot be read"),
        (lambda: _zipped({"a": b"x"}), "is no array"),
        (lambda: _zipped({"a.npy": npy((2**22,), data=bytes(2**24))}, zipfile.ZIP_DEFLATED), "would grow"),
        (lambda: _zipped({"inner.zip": _zipped({"a.npy": b""})}), "is no array"),
    ],
)
def test_npz_files_that_are_pickles_or_bombs(tmp_path, monkeypatch, make, match):
    monkeypatch.chdir(tmp_path)
    parts = members(tmp_path)
    del parts["model.weights.h5"]
    parts["model.weights.npz"] = make()
    assert_refused(packed(tmp_path, parts), match)
    (tmp_path / "w.weights.npz").write_bytes(make())
    with pytest.raises(UnsafeFileError, match=match):
        model().load_weights(tmp_path / "w.weights.npz")
    assert not (tmp_path / "owned").exists()


def _zipped(parts, compression=zipfile.ZIP_STORED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


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

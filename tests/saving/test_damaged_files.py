"""Damaged files, and files changed at random: a model, or one refusal; never another error, never a crash."""

import json
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import minirnn
from minirnn import layers, saving
from tests.saving.crafted import members, model, packed

pytest.importorskip("h5py", reason="h5py is not installed; the extra 'keras' brings it")

pytestmark = pytest.mark.filterwarnings("ignore")
several = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The members of a good file with several layers, its whole content, and a folder."""
    folder = tmp_path_factory.mktemp("good")
    inputs = minirnn.Input((None,), dtype="int32")
    x = layers.Embedding(5, 3, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.GRU(2, dropout=0.1, return_sequences=True))(x)
    made = minirnn.Model(
        inputs, layers.Dense(2, kernel_regularizer="l2")(layers.RNN([layers.LSTMCell(2)])(x))
    )
    made.compile("adam", "mse", metrics=["mae"])
    made.fit(np.ones((2, 4), "int32"), np.ones((2, 2)), verbose=0)
    made.save(folder / "good.keras")
    made.save_weights(folder / "good.weights.npz")
    with zipfile.ZipFile(folder / "good.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return parts, (folder / "good.keras").read_bytes(), folder


def a_model_or_a_refusal(path):
    try:
        loaded = saving.load_model(path)
    except saving.UnsafeFileError as error:
        refusal = str(error)
    else:
        assert isinstance(loaded, minirnn.Model)
        return
    assert "refused" in refusal and "\n" not in refusal


def flipped(content, flips) -> bytes:
    changed = bytearray(content)
    for place, bit in flips:
        changed[place % len(changed)] ^= 1 << bit
    return bytes(changed)


flips = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 7)), min_size=1, max_size=4)


@several
@given(flips)
def test_flipped_bits_of_the_archive(good, flips):
    _, content, folder = good
    (folder / "bad.keras").write_bytes(flipped(content, flips))
    a_model_or_a_refusal(folder / "bad.keras")


@several
@given(st.floats(0, 1))
def test_truncated_archives_are_refused(good, share):
    _, content, folder = good
    (folder / "bad.keras").write_bytes(content[: int(share * (len(content) - 1))])
    with pytest.raises(saving.UnsafeFileError):
        saving.load_model(folder / "bad.keras")


@several
@given(st.sampled_from(["config.json", "model.weights.h5"]), flips)
def test_flipped_bits_of_a_member_under_a_right_checksum(good, name, flips):
    parts, _, folder = good
    a_model_or_a_refusal(packed(folder, {**parts, name: flipped(parts[name], flips)}))


@several
@given(st.integers(0, 4000), st.integers(0, 7))
def test_flipped_bits_of_the_first_4000_bytes_of_hdf5(good, place, bit):
    """Where it says what is where."""
    parts, _, folder = good
    content = flipped(parts["model.weights.h5"], [(place, bit)])
    a_model_or_a_refusal(packed(folder, {**parts, "model.weights.h5": content}))


@several
@given(st.sampled_from(["config.json", "model.weights.h5"]), st.floats(0, 1))
def test_truncated_members_under_a_right_checksum(good, name, share):
    parts, _, folder = good
    a_model_or_a_refusal(packed(folder, {**parts, name: parts[name][: int(share * len(parts[name]))]}))


@several
@given(flips, st.floats(0, 1))
def test_damaged_npz_weights_change_nothing(good, flips, share):
    _, _, folder = good
    content = (folder / "good.weights.npz").read_bytes()
    other = model()
    before = other.get_weights()
    for changed in (flipped(content, flips), content[: int(share * (len(content) - 1))]):
        (folder / "bad.weights.npz").write_bytes(changed)
        with pytest.raises(ValueError, match=r"refused|needed"):
            other.load_weights(folder / "bad.weights.npz")
        for a, b in zip(other.get_weights(), before, strict=True):
            np.testing.assert_array_equal(a, b)


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
WORDS = [
    *(
        "class_name",
        "config",
        "module",
        "registered_name",
        "Dense",
        "LSTM",
        "Sequential",
        "Functional",
        "units",
    ),
    *("Embedding", "function", "relu", "__tensor__", "__numpy__", "keras.layers", "keras.optimizers", "Adam"),
    *("shared_object_id", "inbound_nodes", "keras_history", "args", "kwargs", "build_config", "input_shape"),
]


def places(value, found=None):
    """Every (holder, key) in a config."""
    found = [] if found is None else found
    for key in range(len(value)) if isinstance(value, list) else list(value):
        found.append((value, key))
        if isinstance(value[key], dict | list):
            places(value[key], found)
    return found


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10**6), junk | st.sampled_from(WORDS)), min_size=1, max_size=3))
@example([(0, None)])
def test_configs_changed_at_random(good, changes):
    """Values replaced by others, or by those of another place."""
    parts, _, folder = good
    config = json.loads(parts["config.json"])
    for number, value in changes:
        all_places = places(config)
        holder, key = all_places[number % len(all_places)]
        if value is None:
            other, other_key = all_places[(number * 7919) % len(all_places)]
            value = json.loads(json.dumps(other[other_key]))
        holder[key] = value
    parts = {**parts, "config.json": json.dumps(config).encode()}
    a_model_or_a_refusal(packed(folder, parts))


@several
@given(junk)
def test_configs_of_anything(good, config):
    parts, _, folder = good
    a_model_or_a_refusal(packed(folder, {**parts, "config.json": json.dumps(config).encode()}))


def test_the_members_are_those_of_a_good_file(tmp_path):
    assert list(members(tmp_path)) == ["metadata.json", "config.json", "model.weights.h5"]

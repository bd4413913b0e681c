"""Weights as an attacker would make them: read from elsewhere, larger than they are, or no numbers. Refused.

CVE-2026-0897 is arrays and members that claim more than is there, 2026-1669 what lies in other files.
"""

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest

from minirnn.saving import UnsafeFileError, load_model
from tests.saving.crafted import assert_refused, members, model, packed, with_weights

h5py = pytest.importorskip("h5py", reason="h5py is not installed; the extra 'keras' brings it")

KERNEL = "layers/dense/vars/0"


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


def with_a_text(tmp_path, change=bytes, **sizes):
    """A whole model as Keras 2 stored it, in which texts lie in a heap that `change` changes."""
    path = tmp_path / "m.h5"
    properties = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    properties.set_sizes(*sizes.get("sizes", (8, 8)))
    with h5py.File(h5py.h5f.create(str(path).encode(), fcpl=properties)) as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": []}})
        file.create_group("model_weights")
    content = path.read_bytes()
    start = content.index(b"GCOL")
    path.write_bytes(content[:start] + change(content[start:]))
    return path


def test_heaps_over_which_hdf5_would_never_come_to_an_end(tmp_path):
    """Found by fuzzing: the library goes on by the size of what is free, and this one is 0."""

    def free_of_no_size(heap):
        return heap[:16] + bytes(16) + heap[32:]

    assert_refused(with_a_text(tmp_path, free_of_no_size), "texts in it are damaged")
    assert_refused(with_a_text(tmp_path, lambda heap: heap[:8] + b"\xff" * 8 + heap[16:]), "texts in it")
    assert_refused(with_a_text(tmp_path, lambda heap: heap[:8] + bytes(8) + heap[16:]), "texts in it")
    assert_refused(with_a_text(tmp_path, lambda heap: heap[:24] + b"\xff" * 8 + heap[32:]), "texts in it")
    assert_refused(with_a_text(tmp_path, lambda heap: heap[:15]), "HDF5 file cannot be read|texts in it")
    assert_refused(with_a_text(tmp_path, sizes=(4, 4)), "its addresses have")


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

"""``minirnn.datasets.mnist``: real digits, in Keras's form, from the package or from a file."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn.datasets import mnist

KEYS = ("x_train", "y_train", "x_test", "y_test")


def small_arrays(train: int = 3, test: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", train), ("test", test)):
        arrays[f"x_{split}"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"y_{split}"] = rng.integers(0, 10, count, dtype=np.uint8)
    return arrays


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("mnist") / "mnist.npz"


@pytest.fixture(scope="module")
def digits():
    return mnist.load_data()


def test_the_shipped_digits_have_the_form_of_keras(digits):
    (x_train, y_train), (x_test, y_test) = digits
    assert (x_train.shape, y_train.shape) == ((8000, 28, 28), (8000,))
    assert (x_test.shape, y_test.shape) == ((2000, 28, 28), (2000,))
    assert {a.dtype for a in (x_train, y_train, x_test, y_test)} == {np.dtype("uint8")}
    assert x_train.min() == 0
    assert x_train.max() == 255


def test_every_class_is_a_fair_share_of_each_split(digits):
    for _, y in digits:
        share = np.bincount(y, minlength=10) / len(y)
        assert len(share) == 10
        assert (np.abs(share - 0.1) < 0.025).all()


def test_labels_belong_to_their_digits(digits):
    """The nearest class mean is right for four of five real digits; with wrong labels, for one of ten."""
    (x_train, y_train), (x_test, y_test) = digits
    means = np.stack([x_train[y_train == c].reshape(-1, 784).mean(axis=0) for c in range(10)])
    distances = (means**2).sum(axis=1) - 2 * x_test.reshape(-1, 784).astype("float64") @ means.T
    assert (distances.argmin(axis=1) == y_test).mean() > 0.75


def test_no_digit_is_in_both_splits(digits):
    (x_train, _), (x_test, _) = digits
    assert not {x.tobytes() for x in x_train} & {x.tobytes() for x in x_test}


def test_each_call_gives_arrays_of_its_own():
    (x, _), _ = mnist.load_data()
    x[:] = 0
    assert mnist.load_data()[0][0].any()


@given(train=st.integers(1, 4), test=st.integers(1, 4), as_text=st.booleans())
def test_what_was_saved_comes_back(file, train, test, as_text):
    arrays = small_arrays(train, test)
    file.write_bytes(npz_bytes(arrays))
    (x_train, y_train), (x_test, y_test) = mnist.load_data(path=str(file) if as_text else file)
    for key, got in zip(KEYS, (x_train, y_train, x_test, y_test), strict=True):
        np.testing.assert_array_equal(got, arrays[key])


@given(st.sets(st.sampled_from(KEYS), min_size=1))
def test_missing_arrays_are_named(file, missing):
    file.write_bytes(npz_bytes({k: v for k, v in small_arrays().items() if k not in missing}))
    with pytest.raises(ValueError, match="missing, found") as caught:
        mnist.load_data(file)
    said = str(caught.value).split("; ")[1].split(" missing")[0]
    assert set(said.split(", ")) == missing


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("x_train", lambda a: a.astype("float32"), r"x_train must be uint8; got float32"),
        ("y_test", lambda a: a.astype("int64"), r"y_test must be uint8; got int64"),
        (
            "x_test",
            lambda a: a.reshape(-1, 784),
            r"x_test must have shape \(digits, 28, 28\).*got \(2, 784\)",
        ),
        ("x_train", lambda a: a[..., None], r"x_train must have shape .*got \(3, 28, 28, 1\)"),
        ("x_train", lambda a: a[:0], r"at least one digit; got \(0, 28, 28\)"),
        ("y_train", lambda a: a[:-1], r"y_train must have shape \(3,\).*got \(2,\)"),
        ("y_train", lambda a: np.eye(10, dtype="uint8")[a], r"y_train must have shape \(3,\).*got \(3, 10\)"),
        ("y_test", lambda a: a + np.uint8(10), r"y_test must have labels 0 to 9"),
        ("x_train", lambda a: a.astype(object), r"an array in it cannot be read: .*allow_pickle"),
    ],
)
def test_an_array_of_another_form_is_refused_with_its_name(file, key, change, message):
    arrays = small_arrays()
    arrays[key] = change(arrays[key])
    file.write_bytes(npz_bytes(arrays))
    with pytest.raises(ValueError, match=message):
        mnist.load_data(file)


@given(st.data())
def test_a_damaged_file_is_a_value_error_or_the_digits(file, data):
    """One byte changed or the end cut off: never an error of another kind, and never other digits."""
    arrays = small_arrays()
    whole = npz_bytes(arrays)
    place = data.draw(st.integers(0, len(whole) - 1), "place")
    if data.draw(st.booleans(), "cut"):
        file.write_bytes(whole[:place])
    else:
        flip = data.draw(st.integers(1, 255), "flip")
        file.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
    try:
        (x_train, _), (_, y_test) = mnist.load_data(file)
    except ValueError as error:
        said = str(error)
    else:
        said = None
    if said is not None:
        assert said.startswith("mnist.load_data")
    else:
        np.testing.assert_array_equal(x_train, arrays["x_train"])
        np.testing.assert_array_equal(y_test, arrays["y_test"])


def test_every_bit_of_the_archive_directory_may_be_wrong(file):
    """Flags there make members encrypted, of unknown compression, or of a later zip version."""
    whole = npz_bytes(small_arrays(1, 1))
    for place in range(whole.index(b"PK\x01\x02"), len(whole)):
        for bit in range(8):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
            with contextlib.suppress(ValueError):
                (x_train, _), _ = mnist.load_data(file)
                assert x_train.shape == (1, 28, 28)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere\.npz"):
        mnist.load_data(tmp_path / "nowhere.npz")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        mnist.load_data(tmp_path)


@pytest.mark.parametrize("path", [3, 2.5, ["mnist.npz"], np.zeros(3)])
def test_a_path_of_another_type_is_a_type_error(path):
    with pytest.raises(TypeError, match="path must be a str or a path-like object"):
        mnist.load_data(path)


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 28, 28), "uint8"))
    with pytest.raises(ValueError, match=r"got one array of shape \(2, 28, 28\)"):
        mnist.load_data(tmp_path / "x.npy")


def test_text_is_refused(tmp_path):
    (tmp_path / "digits.csv").write_text("1,2,3\n")
    with pytest.raises(ValueError, match="cannot be read as one"):
        mnist.load_data(tmp_path / "digits.csv")

"""Class numbers are looked at piece by piece, wherever they are, and the verdict is that of all at once."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from minirnn import losses, ops
from minirnn.losses import labels
from minirnn.losses.labels import check_labels
from tests.standins import hostcupy, hostcupy_for_cupy

CLASSES = 5


def is_wrong(y, ignore):
    """Whether some label is none, one after the other."""
    values = [v for v in y.reshape(-1).tolist() if v != ignore]
    return not all(v in range(CLASSES) for v in values)


ARRAYS = npst.arrays(
    st.sampled_from(["int8", "uint8", "int32", "int64", "uint64", "bool", "float32", "float64"]),
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    elements={"min_value": 0, "max_value": 1},
    fill=st.just(0),
)
SPOILT = st.sampled_from([None, 4, 5, -1, 0.5, float("nan"), 2**40])


@pytest.mark.parametrize("place", ["host", "device", "both"])
@given(y=ARRAYS, value=SPOILT, piece=st.integers(1, 7), ignore=st.sampled_from([None, -1, 5]), data=st.data())
def test_pieces_give_the_verdict_of_all_at_once(place, y, value, piece, ignore, data):
    y = y.copy()
    if value is not None and y.size:
        with np.errstate(all="ignore"):  # another number, where the dtype does not hold it
            y.reshape(-1)[data.draw(st.integers(0, y.size - 1))] = np.array(value).astype(y.dtype)
    y = data.draw(st.sampled_from([y, y.T, y[::-1] if y.ndim else y]))
    whole, labels.PIECE = labels.PIECE, piece
    try:
        with hostcupy_for_cupy("numpy" if place == "host" else "cupy"):
            given_y = y if place == "host" else ops.convert_to_tensor(y)
            if place == "both":
                given_y._host = y
            with hostcupy.count_reads() as counted:
                if is_wrong(y, ignore):
                    with pytest.raises(
                        ValueError, match=r"mine: labels must be integers from 0 to 4.*; got "
                    ):
                        check_labels("mine", given_y, CLASSES, ignore)
                    return
                check_labels("mine", given_y, CLASSES, ignore)
                check_labels("mine", given_y, CLASSES, ignore)
        assert counted[0] <= (place == "device")
    finally:
        labels.PIECE = whole


@pytest.mark.parametrize(
    "y, ignore, got",
    [
        ([0, 5], None, "got 0 to 5"),
        ([-2, 3], None, "got -2 to 3"),
        ([-1, 3, 9], -1, "got 3 to 9"),
        ([0.0, 1.5], None, r"got 1\.5"),
        ([0.0, float("nan")], None, "got nan"),
    ],
)
def test_the_message_has_the_labels_that_are_wrong(y, ignore, got):
    with pytest.raises(ValueError, match=f"having 5 classes; {got}"):
        check_labels("mine", np.array(y), CLASSES, ignore)


def test_labels_checked_for_some_classes_are_checked_again_for_others():
    with hostcupy_for_cupy():
        y = ops.convert_to_tensor(np.array([0, 4]))
        check_labels("mine", y, 5)
        with pytest.raises(ValueError, match="from 0 to 3"):
            check_labels("mine", y, 4)
        with pytest.raises(ValueError, match="from 0 to 3"):
            check_labels("mine", y, 4, ignore_class=-1)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_targets_mapped_from_a_file_need_no_memory_of_their_size(dtype, tmp_path):
    size = 1 << 23
    y = np.memmap(tmp_path / "y", dtype, "w+", shape=(size, 1))
    y[:: 1 << 12] = 3
    loss = losses.SparseCategoricalCrossentropy()
    tracemalloc.start()
    try:
        loss.check_targets(y, (32, CLASSES))
        assert tracemalloc.get_traced_memory()[1] < y.nbytes / 4
    finally:
        tracemalloc.stop()
    y[-1] = 5
    with pytest.raises(ValueError, match=r"got 0.* to 5"):
        loss.check_targets(y, (32, CLASSES))

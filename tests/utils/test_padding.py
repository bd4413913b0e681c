"""pad_sequences: values stay, what is added and cut lies where it was asked, and nothing is lost unsaid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn.utils import pad_sequences

sides = st.sampled_from(["pre", "post"])
ragged = st.lists(st.lists(st.integers(-9, 9), max_size=5), min_size=1, max_size=5)


@given(ragged, st.none() | st.integers(1, 7), sides, sides, st.integers(-3, 3))
def test_each_row_is_its_sequence_cut_and_padded_on_the_asked_side(
    sequences, maxlen, padding, truncating, value
):
    rows = pad_sequences(sequences, maxlen, padding=padding, truncating=truncating, value=value)
    length = max(map(len, sequences)) if maxlen is None else maxlen
    assert rows.shape == (len(sequences), length) and rows.dtype == np.int32
    for row, sequence in zip(rows.tolist(), sequences):
        cut = sequence
        while len(cut) > length:
            cut = cut[1:] if truncating == "pre" else cut[:-1]
        fill = [value] * (length - len(cut))
        assert row == (fill + cut if padding == "pre" else cut + fill)


def test_steps_may_be_arrays_and_texts():
    rows = pad_sequences([np.ones((2, 3)), np.ones((1, 3)), []], dtype="float32", padding="post", value=0.5)
    assert rows.shape == (3, 2, 3)
    assert rows[:, :, 0].tolist() == [[1, 1], [1, 0.5], [0.5, 0.5]]
    words = pad_sequences([["a", "bcd"], ["ef"]], dtype=object, value="-")
    assert words.tolist() == [["a", "bcd"], ["-", "ef"]]


@pytest.mark.parametrize(
    "words, sequences, arguments",
    [
        (
            "sequence 1 has steps of shape \\(3,\\), sequence 0 of shape \\(2,\\)",
            [np.ones((1, 2)), np.ones((1, 3))],
            {},
        ),
        ("sequence 1 has steps of shape \\(\\)", [np.ones((1, 2)), [1]], {}),
        ("steps of sequence 1 have different shapes", [[[1]], [[1], [1, 2]]], {}),
        ("sequence 1 is 2", [[1], 2], {}),
        ("sequence 0 is 'ab'", ["ab"], {}),
        ("got generator", (s for s in [[1]]), {}),
        ("got int", 3, {}),
        ("no sequences", [], {}),
        ('padding must be "pre" or "post"', [[1]], {"padding": "left"}),
        ('truncating must be "pre" or "post"', [[1]], {"truncating": None}),
        ("maxlen must be an int of 1 or more; got 0", [[1]], {"maxlen": 0}),
        ("maxlen must be", [[1]], {"maxlen": 2.0}),
        ("maxlen must be", [[1]], {"maxlen": True}),
        ("does not hold 0.5 in sequence 1.*float32", [[1], [2, 0.5]], {}),
        ("does not hold 300 in sequence 0", [[300]], {"dtype": "uint8"}),
        ("does not hold nan", [[float("nan")]], {}),
        ("does not hold 0.5 in value", [[1]], {"value": 0.5}),
        ("dtype=object", [["a"]], {"value": "-"}),
    ],
)
def test_what_cannot_be_padded_is_refused_in_words(words, sequences, arguments):
    with pytest.raises(ValueError, match=words) as caught:
        pad_sequences(sequences, **arguments)
    assert str(caught.value).startswith("pad_sequences: ")

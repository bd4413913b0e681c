"""timeseries_dataset_from_array: every window that fits, once, with its target."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import Sequential, layers, utils
from minirnn.utils import timeseries_dataset_from_array as windows_of


@given(st.data())
def test_windows_are_those_of_a_loop_over_all_places(data):
    time, length, rate, stride = (data.draw(st.integers(*r)) for r in ((1, 40), (1, 5), (1, 3), (1, 4)))
    start = data.draw(st.integers(0, time - 1))
    end = data.draw(st.integers(start + 1, time))
    targets = data.draw(st.integers(start + 1, time)) if data.draw(st.booleans()) else None
    batch = data.draw(st.integers(1, 5) | st.none())
    series = np.arange(time) * 10
    expected = []
    for first in range(start, end, stride):
        places = [first + k * rate for k in range(length)]
        if places[-1] < end and (targets is None or first < targets):
            expected.append((series[places].tolist(), first))
    arguments = {
        "targets": None if targets is None else np.arange(targets),
        "sequence_length": length,
        "sequence_stride": stride,
        "sampling_rate": rate,
        "batch_size": batch,
        "start_index": start,
        "end_index": end,
    }
    if not expected:
        with pytest.raises(ValueError, match=r"takes .* time steps; there are"):
            windows_of(series, **arguments)
        return
    dataset = windows_of(series, **arguments)
    items = list(dataset)
    assert len(items) == len(dataset)
    if targets is None:
        items = [(item, None) for item in items]
    if batch is None:
        found = [(x.tolist(), y) for x, y in items]
    else:
        assert all(len(x) == batch for x, _ in items[:-1])
        found = [(row.tolist(), None if y is None else y[i]) for x, y in items for i, row in enumerate(x)]
    assert [x for x, _ in found] == [x for x, _ in expected]
    if targets is not None:
        assert [int(y) for _, y in found] == [y for _, y in expected]


def orders(dataset, passes=2):
    return [[int(n) for x, _ in dataset for n in x[:, 0]] for _ in range(passes)]


def test_a_shuffle_gives_every_window_with_its_target_in_another_order_each_pass_and_a_seed_repeats_them():
    series = np.arange(50)
    make = lambda seed: windows_of(series, series * 3, 4, batch_size=8, shuffle=True, seed=seed)
    for x, y in make(0):
        np.testing.assert_array_equal(y, x[:, 0] * 3)
        np.testing.assert_array_equal(x - x[:, :1], np.broadcast_to(np.arange(4), x.shape))
    first = orders(make(3))
    assert first[0] != first[1] and sorted(first[0]) == sorted(first[1]) == list(range(47))
    assert orders(make(3)) == first != orders(make(4))
    utils.set_random_seed(1)
    without = orders(make(None))
    utils.set_random_seed(1)
    assert orders(make(None)) == without


def test_two_passes_side_by_side_do_not_disturb_one_another():
    dataset = windows_of(np.arange(30), None, 1, batch_size=4, shuffle=True, seed=0)
    together = [list(pair) for pair in zip(dataset, dataset)]
    for side in zip(*together):
        assert sorted(int(n) for x in side for n in x[:, 0]) == list(range(30))


@pytest.mark.parametrize("shuffle", [False, True])
def test_fit_leaves_their_order_alone_and_a_seed_repeats_a_run(shuffle):
    def run():
        seen = []

        class Watch(layers.Layer):
            def call(self, inputs, training=False):
                if training:
                    seen.append(np.asarray(inputs)[:, 0, 0].tolist())
                return inputs

        utils.set_random_seed(2)
        series = np.arange(20, dtype="float32")[:, None]
        dataset = windows_of(series, series[3:], 3, batch_size=5, shuffle=shuffle, seed=7)
        model = Sequential([Watch(), layers.SimpleRNN(2), layers.Dense(1)])
        model.compile("sgd", "mse")
        loss = model.fit(dataset, epochs=2, verbose=0).history["loss"]
        return seen, loss, model.predict(dataset, verbose=0)

    seen, loss, outputs = run()
    passes = [[n for batch in seen[i : i + 4] for n in batch] for i in (0, 4)]
    for order in passes:
        assert (order == list(range(17))) is not shuffle and sorted(order) == list(range(17))
    assert (passes[0] == passes[1]) is not shuffle
    assert outputs.shape == (17, 1)
    again = run()
    assert again[0] == seen and again[1] == loss


def test_the_example_of_the_document_of_keras():
    dataset = windows_of(np.arange(99), None, 10, sequence_stride=3, sampling_rate=2)
    (only,) = dataset
    assert only[0].tolist() == list(range(0, 20, 2))
    assert only[-1].tolist() == list(range(78, 98, 2))


BAD_NUMBERS = [
    (f"{name} must be an int of 1 or more; got {bad!r}", {name: bad})
    for name in ("sequence_length", "sequence_stride", "sampling_rate", "batch_size")
    for bad in (0, -1, 2.5, "3")
]
GOOD = {"data": np.arange(20), "targets": None, "sequence_length": 4}


@pytest.mark.parametrize(
    "words, arguments",
    [
        *BAD_NUMBERS,
        ("takes 21 time steps; there are 20", {"sequence_length": 21}),
        ("takes 19 time steps; there are 10", {"sampling_rate": 6, "start_index": 10}),
        ("start_index must be an int of 0 or more; got -1", {"start_index": -1}),
        ("start_index must lie before end_index.*20 time steps.*got 20 and 20", {"start_index": 20}),
        ("got 8 and 8", {"start_index": 8, "end_index": 8}),
        ("got 0 and 21", {"end_index": 21}),
        ("end_index must be an int of 1 or more; got 0", {"end_index": 0}),
        ("targets must reach beyond start_index=5; there are 5", {"targets": np.arange(5), "start_index": 5}),
        ("seed must be", {"seed": -1}),
        ("format must be", {"format": "numpy"}),
        ("scalar", {"data": np.float32(1)}),
    ],
)
def test_arguments_that_make_no_windows_are_refused_in_words(words, arguments):
    with pytest.raises(ValueError, match=words) as caught:
        windows_of(**{**GOOD, **arguments})
    assert str(caught.value).startswith("timeseries_dataset_from_array: ")


def test_data_of_no_numbers_and_batches_that_there_are_not_are_refused():
    with pytest.raises(TypeError, match="data must hold numbers"):
        windows_of(np.array(["a", "b"]), None, 1)
    with pytest.raises(IndexError, match="17 batches; got number 17"):
        windows_of(np.arange(20), None, 4, batch_size=1)[17]


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_first_batches_may_be_taken(shuffle):
    windows = windows_of(np.arange(20), None, 3, batch_size=4, shuffle=shuffle, seed=0)
    for count in (0, 1, 3, 5, 9):
        first, all_of_them = (
            windows.take(count),
            windows_of(np.arange(20), None, 3, batch_size=4, shuffle=shuffle, seed=0),
        )
        assert len(first) == len(list(first)) == min(count, 5)
        for a, b in zip(windows.take(3).take(count), all_of_them):
            assert a.shape == b.shape
    if not shuffle:
        np.testing.assert_array_equal(next(iter(windows.take(1))), windows[0])
    with pytest.raises(ValueError, match="take: count"):
        windows.take(-1)

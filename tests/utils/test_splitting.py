"""split_dataset: two parts without overlap, of the sizes that were asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import Sequential, layers
from minirnn.utils import PyDataset, split_dataset


@given(st.integers(2, 30), st.data())
def test_the_parts_are_the_whole_in_order(total, data):
    left = data.draw(st.integers(1, total - 1))
    side = data.draw(st.sampled_from(["left_size", "right_size"]))
    size = left if side == "left_size" else total - left
    x = np.arange(total)
    first, last = split_dataset(x, **{side: data.draw(st.sampled_from([size, np.int64(size)]))})
    assert np.concatenate([first, last]).tolist() == x.tolist() and len(first) == left
    assert np.shares_memory(first, x), "not shuffled, it need not be copied"


@given(st.integers(2, 40), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_shares_are_rounded_to_samples_and_what_both_leave_is_in_neither(total, left, right):
    sizes = round(left * total), round(right * total)
    if sum(sizes) > total or 0 in sizes or left + right > 1:
        return
    first, last = split_dataset(np.arange(total), left, right)
    assert (len(first), len(last)) == sizes
    assert first.tolist() == list(range(sizes[0])) and last.tolist() == list(range(total - sizes[1], total))


def test_a_shuffle_keeps_samples_together_and_a_seed_repeats_it():
    x, y = np.arange(20), np.arange(20) * 2
    (x1, y1), (x2, y2) = split_dataset((x, y), left_size=0.7, shuffle=True, seed=1)
    assert (len(x1), len(x2)) == (14, 6)
    assert sorted([*x1, *x2]) == list(range(20)) and x1.tolist() != list(range(14))
    np.testing.assert_array_equal([*y1, *y2], 2 * np.array([*x1, *x2]))
    (again, _), _ = split_dataset((x, y), left_size=0.7, shuffle=True, seed=1)
    assert again.tolist() == x1.tolist()


def test_parts_go_into_fit():
    x, y = np.ones((10, 3), "float32"), np.ones((10, 1), "float32")
    train, test = split_dataset((x, y), right_size=2)
    model = Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(*train, validation_data=test, verbose=0).history
    assert set(history) == {"loss", "val_loss"}


def test_of_a_data_set_the_batches_are_split():
    class Numbers(PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return np.full((2, 1), index), np.zeros((2, 1))

    first, last = split_dataset(Numbers(workers=2), left_size=2, shuffle=True, seed=0)
    assert (len(first), len(last), first.workers) == (2, 3, 2)
    assert sorted(int(x[0, 0]) for part in (first, last) for x, _ in part) == list(range(5))


@pytest.mark.parametrize(
    "error, words, dataset, arguments",
    [
        (ValueError, "left_size or right_size must be given", np.arange(4), {}),
        (ValueError, "left_size must be a share .* 1 to 3; got 4", np.arange(4), {"left_size": 4}),
        (ValueError, "left_size must be a share", np.arange(4), {"left_size": 0}),
        (ValueError, "right_size must be a share", np.arange(4), {"right_size": 1.0}),
        (ValueError, "right_size must be a share", np.arange(4), {"right_size": -0.5}),
        (ValueError, "right_size must be a share", np.arange(4), {"right_size": float("nan")}),
        (TypeError, "left_size must be a float", np.arange(4), {"left_size": "half"}),
        (TypeError, "left_size must be a float", np.arange(4), {"left_size": True}),
        (ValueError, "3 and 2 samples of 4", np.arange(4), {"left_size": 3, "right_size": 2}),
        (ValueError, "0 and 4", np.arange(4), {"left_size": 0.1}),
        (ValueError, r"as many samples; got \[4, 3\]", (np.arange(4), np.arange(3)), {"left_size": 2}),
        (ValueError, "no arrays", [], {"left_size": 2}),
        (TypeError, "got generator", (n for n in range(3)), {"left_size": 2}),
        (TypeError, "got str", "abc", {"left_size": 2}),
    ],
)
def test_sizes_and_data_that_do_not_fit_are_refused_in_words(error, words, dataset, arguments):
    with pytest.raises(error, match=words) as caught:
        split_dataset(dataset, **arguments)
    assert str(caught.value).startswith("split_dataset: ")

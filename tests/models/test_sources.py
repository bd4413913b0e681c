"""Batches: every sample comes once an epoch, in the order that was asked for, from data of any kind."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import tree, utils
from minirnn.models import pack_x_y_sample_weight, unpack_x_y_sample_weight
from minirnn.models.feed import Feed
from minirnn.models.sources import class_weights, source_of


class Batches:
    """A sequence of batches, as Keras's PyDataset is one."""

    def __init__(self, batches):
        self.batches, self.ends = batches, 0

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]

    def on_epoch_end(self):
        self.ends += 1


def first_leaves(feed):
    """What an epoch gives: for each batch the first array of x, as a list of numbers."""
    return [
        tree.flatten(unpack_x_y_sample_weight(batch)[0])[0].numpy().tolist()
        for _, _, batches in feed.epoch()
        for batch in batches
    ]


def whole(batches):
    return [n for batch in batches for n in batch]


@given(st.integers(1, 20), st.integers(1, 7), st.sampled_from([False, True, "batch"]), st.integers(1, 3))
def test_every_sample_comes_once_an_epoch(samples, batch_size, shuffle, group):
    utils.set_random_seed(1)
    x = {"b": [np.arange(samples), np.arange(samples) * 2.0], "a": (np.arange(samples) + 0.5,)}
    y, w = np.arange(samples) * 3, np.ones(samples)
    feed = Feed(source_of(x, y, w, where="fit", batch_size=batch_size, shuffle=shuffle), group=group)
    assert feed.steps == -(-samples // batch_size)
    for _ in range(2):
        seen = []
        for begin, end, batches in feed.epoch():
            assert end - begin + 1 == len(batches) <= group
            for bx, by, bw in batches:
                numbers = bx["b"][0].numpy()
                np.testing.assert_array_equal(bx["b"][1], numbers * 2)
                np.testing.assert_array_equal(bx["a"][0], numbers + 0.5)
                np.testing.assert_array_equal(by, numbers * 3)
                assert len(bw) == len(numbers) <= batch_size
                seen.append(numbers.tolist())
        assert sorted(whole(seen)) == list(range(samples))
        if not shuffle:
            assert whole(seen) == list(range(samples))
        if shuffle == "batch":
            assert all(batch == list(range(batch[0], batch[0] + len(batch))) for batch in seen)


def test_each_epoch_is_shuffled_anew_and_a_seed_repeats_them_all():
    def epochs():
        utils.set_random_seed(5)
        feed = Feed(source_of(np.arange(50), where="fit", batch_size=8, shuffle=True))
        return [first_leaves(feed) for _ in range(3)]

    first = epochs()
    assert first[0] != first[1] != first[2]
    assert epochs() == first


def test_floats_come_in_floatx_and_integers_as_they_are():
    x = (np.zeros(3), np.zeros(3, "float16"), np.zeros(3, "int64"), np.zeros(3, "uint8"), np.zeros(3, bool))
    batch = source_of(x, where="fit").peek()
    assert [leaf.dtype.name for leaf in tree.flatten(batch)] == [
        "float32",
        "float32",
        "int64",
        "uint8",
        "bool",
    ]


def test_a_batch_is_cut_from_the_data_and_the_data_never_copied_whole():
    # A view of one number: a copy of it would take 8 TB.
    x = np.broadcast_to(np.float64(1), (10**9, 1000))
    batch = next(iter(source_of(x, where="fit", batch_size=4)))
    assert batch.shape == (4, 1000)


@pytest.mark.parametrize("kind", ["list", "sequence", "generator"])
def test_ready_batches_are_taken_as_they_come(kind):
    batches = [(np.arange(3) + 3 * i, np.ones(3)) for i in range(4)]
    data = {"list": lambda: iter(batches), "sequence": lambda: Batches(batches)}.get(
        kind, lambda: (b for b in batches)
    )()
    source = source_of(data, where="fit")
    assert unpack_x_y_sample_weight(source.peek())[0].numpy().tolist() == [0, 1, 2]
    assert whole(first_leaves(Feed(source))) == list(range(12))
    if kind == "sequence":
        assert data.ends == 1


def test_an_iterable_that_can_be_begun_again_is_begun_again():
    class Again:
        def __iter__(self):
            yield from ((np.full(2, i), np.zeros(2)) for i in range(3))

    feed = Feed(source_of(Again(), where="fit"))
    feed.source.peek()
    assert feed.steps is None
    assert first_leaves(feed) == first_leaves(feed) == [[0, 0], [1, 1], [2, 2]]
    assert feed.steps == 3 and not feed.exhausted


def test_an_endless_generator_goes_on_where_the_last_epoch_ended():
    feed = Feed(source_of(((np.full(1, i),) for i in iter(range(10**9))), where="fit"), steps=3)
    feed.source.peek()
    assert [whole(first_leaves(feed)) for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_a_generator_that_ends_early_says_so():
    feed = Feed(source_of(((np.full(1, i),) for i in range(4)), where="fit"), steps=3)
    assert whole(first_leaves(feed)) == [0, 1, 2]
    with pytest.warns(UserWarning, match="ended after 1 of 3 batches"):
        assert whole(first_leaves(feed)) == [3]
    assert feed.exhausted


@given(st.integers(1, 12), st.integers(1, 12))
def test_steps_of_arrays_cut_an_epoch_and_choose_a_batch_size(samples, steps):
    source = source_of(np.arange(samples), where="fit", steps=steps)
    assert source.batch_size == -(-samples // steps)
    feed = Feed(source, steps=min(steps, source.count))
    assert len(first_leaves(feed)) == min(steps, source.count)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=9),
    st.dictionaries(st.integers(0, 4), st.integers(0, 50).map(lambda n: n / 10)),
    st.sampled_from([int, float, np.float32, np.float64, np.int64, np.uint8]),
)
def test_class_weights_are_looked_up_by_label_in_any_form_of_it(labels, table, form):
    labels = np.array(labels)
    expected = [table.get(int(n), 1.0) for n in labels]
    table = {form(key): weight for key, weight in table.items()}
    for y in (labels, labels[:, None], labels.astype("float32"), np.eye(5)[labels]):
        np.testing.assert_allclose(class_weights(y, table, "fit"), expected, rtol=1e-6)


@pytest.mark.parametrize("form", [bool, np.bool_])
def test_class_weights_of_two_classes_may_be_given_by_truth(form):
    found = class_weights(np.array([1, 0, 1]), {form(1): 3.0, form(0): 0.5}, "fit")
    np.testing.assert_array_equal(found, [3.0, 0.5, 3.0])


def test_batches_are_packed_and_unpacked():
    assert unpack_x_y_sample_weight(1) == (1, None, None)
    assert unpack_x_y_sample_weight([1, 2]) == (1, 2, None)
    assert pack_x_y_sample_weight(1) == 1
    assert pack_x_y_sample_weight([1]) == ([1],)
    assert pack_x_y_sample_weight(1, 2) == (1, 2)
    assert pack_x_y_sample_weight(1, None, 3) == (1, None, 3)
    with pytest.raises(ValueError, match="tuple of 4"):
        unpack_x_y_sample_weight((1, 2, 3, 4))


@pytest.mark.parametrize(
    "error, words, x, arguments",
    [
        (ValueError, "x has 3, y has 4", np.ones(3), {"y": np.ones(4)}),
        (ValueError, r"x\[1\] has 2", [np.ones(3), np.ones(2)], {}),
        (ValueError, "sample_weight has 2", np.ones(3), {"y": np.ones(3), "sample_weight": np.ones(2)}),
        (ValueError, "empty", np.ones((0, 3)), {}),
        (ValueError, "no data", [], {}),
        (ValueError, "missing", None, {}),
        (ValueError, "scalar", np.float32(1), {}),
        (ValueError, "without y", np.ones(3), {"sample_weight": np.ones(3)}),
        (TypeError, "pad them", np.array([[1], [1, 2]], dtype=object), {}),
        (TypeError, "numbers", np.array(["a", "b"]), {}),
        (TypeError, "np.asarray", [[1.0, 2.0]], {}),
        (TypeError, "str", "data.csv", {}),
        (TypeError, "pass what it returns", lambda: None, {}),
        (ValueError, "batch_size", np.ones(3), {"batch_size": 0}),
        (ValueError, "batch_size", np.ones(3), {"batch_size": 2.5}),
        (ValueError, "batch_size", np.ones(3), {"batch_size": True}),
        (ValueError, "batch_size", np.ones(3), {"batch_size": "8"}),
        (ValueError, "y cannot be given", iter([1]), {"y": np.ones(3)}),
        (ValueError, "batch_size cannot be given", iter([1]), {"batch_size": 3}),
        (ValueError, "empty", Batches([]), {}),
        (ValueError, "must be a dict", np.ones(3), {"y": np.ones(3), "class_weight": [1, 2]}),
        (ValueError, "each key", np.ones(3), {"y": np.ones(3), "class_weight": {"a": 1}}),
        (ValueError, "each key.*0.5", np.ones(3), {"y": np.ones(3), "class_weight": {0.5: 1}}),
        (ValueError, "each key.*nan", np.ones(3), {"y": np.ones(3), "class_weight": {np.nan: 1}}),
        (ValueError, "each key.*inf", np.ones(3), {"y": np.ones(3), "class_weight": {np.inf: 1}}),
        (ValueError, "each key.*-1", np.ones(3), {"y": np.ones(3), "class_weight": {-1.0: 1}}),
        (ValueError, "class 1 must be", np.ones(3), {"y": np.ones(3), "class_weight": {1: -1}}),
        (ValueError, "y has 3 classes", np.ones(3), {"y": np.eye(3), "class_weight": {3: 1}}),
        (
            ValueError,
            "exclude",
            np.ones(3),
            {"y": np.ones(3), "class_weight": {1: 1}, "sample_weight": np.ones(3)},
        ),
        (ValueError, "one array of targets", np.ones(3), {"y": [np.ones(3)] * 2, "class_weight": {1: 1}}),
    ],
)
def test_what_is_no_data_is_refused_in_words(error, words, x, arguments):
    with pytest.raises(error, match=words) as caught:
        source_of(x, **{"where": "Sequential 'net': fit", **arguments})
    assert str(caught.value).startswith("Sequential 'net': fit: ")


@pytest.mark.parametrize(
    "error, words, batch",
    [
        (ValueError, r"lengths \[2, 3\]", (np.ones(3), np.ones(2))),
        (ValueError, "tuple of 4", (1, 2, 3, 4)),
        (TypeError, "pad them", (np.array([[1], [1, 2]], dtype=object),)),
        (TypeError, "y must be an array", (np.ones(3), "abc")),
    ],
)
def test_a_batch_of_another_form_is_refused_when_it_comes(error, words, batch):
    with pytest.raises(error, match=words):
        source_of(iter([batch]), where="fit").peek()
    with pytest.raises(ValueError, match="yielded no batch"):
        source_of(iter([]), where="fit").peek()


def test_batches_that_have_no_length_of_their_own_may_ask_another_for_it():
    """As PyTorch's DataLoader does, of a data set that may be an iterable."""

    class Loader:
        def __init__(self, data):
            self.data = data

        def __len__(self):
            return len(self.data)

        def __iter__(self):
            yield from self.data

    batches = [(np.ones((2, 3), "float32"), np.zeros((2, 1), "float32"))] * 3
    assert source_of(Loader(batches), where="fit").count == 3
    assert source_of(Loader(iter(batches)), where="fit").count is None

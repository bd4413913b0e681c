"""What Keras's own data helpers give, and when its `fit` calls a data set: ours are the same."""

import inspect
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn import Sequential, layers, utils

NAMES = ["pad_sequences", "split_dataset", "timeseries_dataset_from_array", "to_categorical", "normalize"]
ragged = st.lists(st.lists(st.integers(-9, 9), max_size=5), min_size=1, max_size=5)
sides = st.sampled_from(["pre", "post"])


@pytest.mark.parametrize("name", NAMES)
def test_arguments_their_order_and_defaults_are_keras_s(keras, name):
    describe = lambda f: [(p.name, p.default) for p in inspect.signature(f).parameters.values()]
    assert describe(getattr(utils, name)) == describe(getattr(keras.utils, name))


def test_a_data_set_takes_keras_s_arguments(keras):
    describe = lambda f: [(p.name, p.default) for p in inspect.signature(f).parameters.values()]
    assert describe(utils.PyDataset) == describe(keras.utils.PyDataset)
    public = lambda c: {name for name in dir(c) if not name.startswith("_")}
    assert public(utils.PyDataset) == public(keras.utils.PyDataset)
    assert (utils.Sequence is utils.PyDataset) == (keras.utils.Sequence is keras.utils.PyDataset)


@settings(max_examples=60)
@given(ragged, st.none() | st.integers(1, 7), sides, sides, st.integers(-3, 3))
def test_sequences_are_padded_as_keras_does(keras, sequences, maxlen, padding, truncating, value):
    options = {"padding": padding, "truncating": truncating, "value": value}
    ours = utils.pad_sequences(sequences, maxlen, **options)
    theirs = keras.utils.pad_sequences(sequences, maxlen, **options)
    np.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.mark.parametrize(
    "sequences, options",
    [
        ([np.ones((2, 3)), np.full((4, 3), 2.5)], {"dtype": "float32", "maxlen": 3, "value": -1.0}),
        ([["a", "bc"], ["d"]], {"dtype": object, "value": "-"}),
        ([[], [1]], {}),
        ([[], []], {}),
        (np.arange(6).reshape(2, 3), {"maxlen": 2}),
        ([[1.0], [2.0, 3.0]], {"dtype": "float64"}),
    ],
)
def test_steps_of_any_kind_are_padded_as_keras_does(keras, sequences, options):
    ours, theirs = utils.pad_sequences(sequences, **options), keras.utils.pad_sequences(sequences, **options)
    np.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.mark.parametrize(
    "sequences, options",
    [
        ([np.ones((1, 2)), np.ones((1, 3))], {}),
        ([1, 2], {}),
        (3, {}),
        ([[1]], {"value": "-"}),
        ([[1], [2, 3]], {"padding": "left"}),
        ([[1], [2, 3]], {"maxlen": 1, "truncating": "left"}),
    ],
)
def test_what_keras_does_not_pad_is_not_padded(keras, sequences, options):
    for module in (utils, keras.utils):
        with pytest.raises(ValueError):  # noqa: PT011 - Keras's words are its own
            module.pad_sequences(sequences, **options)


labels = st.lists(st.integers(0, 5), min_size=1, max_size=6)


@given(labels, st.none() | st.integers(6, 8), st.booleans())
def test_labels_become_rows_as_keras_makes_them(keras, values, classes, column):
    x = np.array(values)[:, None] if column else values
    ours, theirs = utils.to_categorical(x, classes), keras.utils.to_categorical(x, classes)
    np.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_rows_are_normalized_as_keras_does(keras, axis, order):
    x = np.random.default_rng(0).normal(size=(3, 4))
    x[1] = 0
    if axis == 0:
        # Keras divides by the right norms along the wrong axis there.
        np.testing.assert_allclose(utils.normalize(x, 0, order), keras.utils.normalize(x.T, 1, order).T)
    else:
        np.testing.assert_allclose(utils.normalize(x, axis, order), keras.utils.normalize(x, axis, order))


@given(
    st.integers(2, 20),
    st.none() | st.floats(0.01, 0.99) | st.integers(1, 20),
    st.none() | st.floats(0.01, 0.99) | st.integers(1, 20),
)
def test_the_sizes_of_a_split_are_keras_s(keras, torch, total, left, right):
    # Its split for PyTorch is the only one that needs no TensorFlow.
    x = np.arange(total, dtype="float32")
    try:
        theirs = [len(part) for part in keras.utils.split_dataset(x, left, right, preferred_backend="torch")]
    except ValueError as error:
        if "Sum of input lengths" in str(error):
            # PyTorch does not leave out samples.
            sizes = [len(part) for part in utils.split_dataset(x, left, right)]
            assert sum(sizes) < total
            return
        theirs = None
    if theirs is None:
        with pytest.raises(ValueError, match="split_dataset: "):
            utils.split_dataset(x, left, right)
    else:
        assert [len(part) for part in utils.split_dataset(x, left, right)] == theirs


@given(st.integers(2, 20), st.integers(0, 99))
def test_a_shuffled_split_takes_samples_in_keras_s_order(total, seed):
    x = np.arange(total)
    expected = list(range(total))
    # What Keras does on arrays, which it then hands to TensorFlow.
    random.Random(seed).shuffle(expected)
    state = random.getstate()
    first, last = utils.split_dataset(x, left_size=1, shuffle=True, seed=seed)
    assert [*first, *last] == expected
    assert random.getstate() == state


class Told:
    """Notes what a `fit` asks of a data set, in order."""

    def __init__(self, number, **kwargs):
        super().__init__(**kwargs)
        self.number, self.log = number, []

    def __len__(self):
        return self.number

    def __getitem__(self, index):
        self.log.append(index)
        random = np.random.default_rng(index)
        return random.normal(size=(2, 3, 2)).astype("float32"), random.normal(size=(2, 1)).astype("float32")

    def on_epoch_begin(self):
        self.log.append("begin")

    def on_epoch_end(self):
        self.log.append("end")


def model_of(library):
    model = library.Sequential([library.layers.Flatten(), library.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("options", [{}, {"steps_per_epoch": 2}, {"steps_per_epoch": 4}])
def test_fit_asks_for_batches_and_tells_of_epochs_when_keras_s_does(keras, options):
    logs = []
    for library in (keras, minirnn):
        data = type("Data", (Told, library.utils.PyDataset), {})(4)
        model_of(library).fit(data, epochs=2, shuffle=False, verbose=0, **options)
        # Before that both look at the first batch, for which Keras begins and ends an epoch too.
        first = [place for place, what in enumerate(data.log) if what == "begin"][-2]
        logs.append(data.log[first:])
    assert logs[0] == logs[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_data_set_of_keras_s_class_trains_here_as_there(keras, workers):
    data = type("Data", (Told, keras.utils.PyDataset), {})(5, workers=workers)
    theirs = keras.Sequential([keras.layers.Input((3, 2)), keras.layers.Flatten(), keras.layers.Dense(1)])
    ours = Sequential([layers.Input((3, 2)), layers.Flatten(), layers.Dense(1)])
    ours.set_weights([np.asarray(w) for w in theirs.get_weights()])
    for model in (theirs, ours):
        model.compile("sgd", "mse")
    # With two workers of its own Keras begins with what was left over from its look at the first batch.
    data.workers = 1
    expected = theirs.fit(data, epochs=3, shuffle=False, verbose=0).history["loss"]
    data.workers = workers
    np.testing.assert_allclose(
        ours.fit(data, epochs=3, shuffle=False, verbose=0).history["loss"], expected, rtol=1e-5
    )
    for a, b in zip(ours.get_weights(), theirs.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        {"start_index": -1},
        {"start_index": 20},
        {"start_index": 5, "end_index": 5},
        {"end_index": 21},
        {"end_index": -3},
        {"sampling_rate": 0},
        {"sampling_rate": 20},
        {"sequence_stride": 0},
        {"format": "numpy"},
    ],
)
def test_windows_that_keras_refuses_are_refused(keras, arguments):
    for module in (utils, keras.utils):
        with pytest.raises(ValueError):  # noqa: PT011 - Keras's words are its own
            module.timeseries_dataset_from_array(np.arange(20), None, 3, **arguments)


@pytest.mark.parametrize("arguments", [{}, {"sequence_stride": 3, "sampling_rate": 2}, {"start_index": 4}])
@pytest.mark.parametrize("end", [None, 17])
def test_windows_are_keras_s(keras, arguments, end):
    """Keras hands its windows to TensorFlow or Grain; a stand-in for Grain notes them."""
    from unittest import mock

    from keras.src.utils import timeseries_dataset_utils as theirs

    class Grain:
        class MapDataset:
            def __init__(self, items):
                self.items = items

            source = classmethod(lambda cls, items: cls(items))

            def to_iter_dataset(self):
                return self

            def batch(self, batch_size, batch_fn):
                return [self.items[i : i + batch_size] for i in range(0, len(self.items), batch_size)]

        class experimental:
            @staticmethod
            def ZipMapDataset(parts):
                return Grain.MapDataset(list(zip(*(part.items for part in parts))))

    data, targets = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20)
    options = {"sequence_length": 4, "batch_size": 3, "end_index": end, **arguments}
    with mock.patch.object(theirs, "grain", Grain):
        expected = theirs.timeseries_dataset_from_array(data, targets, format="grain", **options)
    ours = list(utils.timeseries_dataset_from_array(data, targets, **options))
    assert len(ours) == len(expected)
    for (x, y), batch in zip(ours, expected):
        np.testing.assert_array_equal(x, np.stack([window for window, _ in batch]))
        np.testing.assert_array_equal(y, [target for _, target in batch])

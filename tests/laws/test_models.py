"""Laws of models: what they are put together from, and what may not depend on how it is written."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn
from minirnn import layers, losses, ops, utils
from minirnn.models import Model, Sequential
from tests.laws.strategies import arrays, assert_equal, project

# One layer after the other, from (batch, 4, 3) on; each is followed by what fits its output.
SEQUENCE_LAYERS = [
    lambda: layers.LSTM(2, return_sequences=True),
    lambda: layers.GRU(3, return_sequences=True, go_backwards=True),
    lambda: layers.Bidirectional(layers.SimpleRNN(2, return_sequences=True), merge_mode="sum"),
    lambda: layers.TimeDistributed(layers.Dense(3)),
    lambda: layers.RNN([layers.GRUCell(2), layers.LSTMCell(3)], return_sequences=True),
    lambda: layers.Dense(2, activation="tanh"),
    lambda: layers.LayerNormalization(),
    lambda: layers.BatchNormalization(),
    lambda: layers.Dropout(0.5),
    lambda: layers.Rescaling(0.5, 0.1),
    lambda: layers.Activation("sigmoid"),
]
ENDS = [lambda: layers.LSTM(2), lambda: layers.Flatten(), lambda: layers.Bidirectional(layers.GRU(2))]


def sequence(seed, batch=5):
    return np.random.default_rng(seed).standard_normal((batch, 4, 3)).astype("float32")


def sequential(makers, end):
    return Sequential([layers.Input((4, 3)), *(make() for make in makers), end(), layers.Dense(2)])


def data(seed=0, batch=24):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, 4, 3)).astype("float32"), rng.standard_normal((batch, 2)).astype(
        "float32"
    )


stacks = st.lists(st.sampled_from(SEQUENCE_LAYERS), max_size=3)
ends = st.sampled_from(ENDS)
seeds = st.integers(0, 1000)


@settings(max_examples=10)
@given(makers=stacks, end=ends, seed=seeds)
def test_a_functional_model_equals_calling_its_layers_by_hand(makers, end, seed):
    x = sequence(seed)
    one, other = layers.Input((4, 3)), layers.Input((4, 3))
    shared = [make() for make in makers]
    last, joined = end(), layers.Concatenate()

    def branch(y):
        for layer in shared:
            y = layer(y)
        return last(y)

    left, right = branch(one), branch(other)
    model = Model([one, other], {"both": joined([left, right]), "difference": left - right})
    got = model([x, -x])
    by_hand = branch(ops.convert_to_tensor(x)), branch(ops.convert_to_tensor(-x))
    assert set(got) == {"both", "difference"}
    assert_equal([got["both"]], [np.concatenate([np.asarray(y) for y in by_hand], axis=-1)], "float32")
    assert_equal([got["difference"]], arrays(by_hand[0] - by_hand[1]), "float32")
    # None for the batch, and for no other axis: the shapes inferred are those that come out.
    assert model.output_shape["both"] == (None, *got["both"].shape[1:])


@settings(max_examples=10)
@given(makers=stacks, end=ends, seed=seeds)
def test_sequential_functional_nested_and_subclassed_models_are_one(makers, end, seed):
    x = sequence(seed)
    model = sequential(makers, end)
    expected = arrays(model(x))
    inputs = layers.Input((4, 3))
    outputs = inputs
    for layer in model.layers:
        outputs = layer(outputs)
    functional = Model(inputs, outputs)
    assert_equal(arrays(functional(x)), expected, "float32")
    outer = layers.Input((4, 3))
    nested = Model(outer, layers.Activation("linear")(functional(outer)))
    assert_equal(arrays(nested(x)), expected, "float32")

    class Subclassed(Model):
        def __init__(self, parts):
            super().__init__()
            self.parts = parts

        def call(self, inputs, training=False):
            for part in self.parts:
                inputs = part(inputs)
            return inputs

    assert_equal(arrays(Subclassed(model.layers)(x)), expected, "float32")
    for other in (functional, nested, Subclassed(model.layers)):
        assert {id(v) for v in other.weights} == {id(v) for v in model.weights}


@settings(max_examples=10)
@given(makers=stacks, end=ends, seed=seeds)
def test_setting_the_weights_that_were_got_changes_nothing(makers, end, seed):
    x = sequence(seed)
    model = sequential(makers, end)
    expected = arrays(model(x))
    model.set_weights(model.get_weights())
    assert_equal(arrays(model(x)), expected, "float32")


@settings(max_examples=10)
@given(makers=stacks, end=ends, seed=seeds)
def test_a_model_from_its_config_its_copy_and_its_pickle_with_its_weights_give_its_outputs(makers, end, seed):
    x = sequence(seed)
    model = sequential(makers, end)
    expected = arrays(model(x))
    again = Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    assert [v.path for v in again.weights] == [v.path for v in model.weights]
    for other in (again, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_equal(arrays(other(x)), expected, "float32")
        other.set_weights([w + 1 for w in other.get_weights()])
    assert_equal(arrays(model(x)), expected, "float32")


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"]
)
def test_a_copy_of_a_trained_model_trains_on_as_the_model_does_and_leaves_it_alone(optimizer, copied):
    x, y = data()
    stateful = layers.GRU(3, stateful=True, dropout=0.2, seed=1, return_sequences=True)
    model = Sequential([layers.Input(batch_shape=(6, 4, 3)), stateful, layers.LSTM(2), layers.Dense(2)])
    model.compile(optimizer, "mse", metrics=["mae"])
    model.fit(x, y, batch_size=6, verbose=0)
    other = copied(model)
    before = model.get_weights()
    one = other.fit(x, y, batch_size=6, shuffle=False, verbose=0).history
    assert_equal(model.get_weights(), before, "float32")
    assert model.fit(x, y, batch_size=6, shuffle=False, verbose=0).history == one
    assert_equal(other.get_weights(), model.get_weights(), "float32")


@settings(max_examples=8)
@given(makers=stacks, end=ends, seed=seeds)
def test_set_random_seed_makes_a_whole_fit_bit_identical(makers, end, seed):
    x, y = data(seed)

    def run():
        utils.set_random_seed(seed)
        model = sequential([*makers, lambda: layers.Dropout(0.3)], end)
        model.compile("adam", "mse", metrics=["mae"])
        history = model.fit(x, y, batch_size=7, epochs=2, validation_split=0.25, verbose=0)
        return history.history, model.get_weights()

    (history, weights), (again, weights_again) = run(), run()
    assert history == again
    assert all(one.tobytes() == other.tobytes() for one, other in zip(weights, weights_again))


@settings(max_examples=8)
@given(
    makers=st.lists(st.sampled_from(SEQUENCE_LAYERS[:7]), max_size=2),
    end=ends,
    seed=seeds,
    loss=st.sampled_from(["mse", "crossentropy"]),
)
def test_the_gradient_of_a_whole_models_loss_is_that_of_central_differences(makers, end, seed, loss):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, 4, 3))
    before = minirnn.config.floatx()
    minirnn.config.set_floatx("float64")
    try:
        model = sequential(makers, end)
        for v in model.weights:
            v.assign(0.5 * rng.standard_normal(v.shape) + (v.name == "gamma"))
        if loss == "mse":
            compute, y = losses.MeanSquaredError(), rng.standard_normal((3, 2))
        else:
            compute, y = losses.SparseCategoricalCrossentropy(from_logits=True), rng.integers(0, 2, 3)

        def value():
            return compute(y, model(x, training=True))

        variables = model.trainable_weights
        found = minirnn.grad(value(), variables)
        directions = [rng.standard_normal(v.shape) for v in variables]
        along = sum(float(np.sum(np.asarray(g) * d)) for g, d in zip(found, directions))
        start, step, ends_of = [v.numpy() for v in variables], 1e-5, []
        for sign in (1, -1):
            for v, s, d in zip(variables, start, directions):
                v.assign(s + sign * step * d)
            ends_of.append(float(value()))
        difference = (ends_of[0] - ends_of[1]) / (2 * step)
        assert abs(along - difference) <= 1e-6 * max(1.0, abs(difference))
    finally:
        minirnn.config.set_floatx(before)


@given(
    kind=st.sampled_from(["LSTM", "GRU", "SimpleRNN", "Bidirectional", "RNN"]),
    form=st.sampled_from(["eager", "functional", "Masking"]),
    seed=seeds,
)
@settings(max_examples=20)
def test_a_mask_of_an_embedding_is_honoured_with_initial_state_given(kind, form, seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, 3)
    ids = rng.integers(1, 9, (3, 5)) * (np.arange(5) < lengths[:, None])
    make = {
        "LSTM": lambda: layers.LSTM(2, return_state=True),
        "GRU": lambda: layers.GRU(2, return_state=True),
        "SimpleRNN": lambda: layers.SimpleRNN(2, return_state=True),
        "Bidirectional": lambda: layers.Bidirectional(layers.GRU(2, return_state=True)),
        "RNN": lambda: layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)], return_state=True),
    }[kind]
    rnn, embedding = make(), layers.Embedding(9, 3, mask_zero=True)
    if form == "Masking":
        table = layers.Embedding(9, 3)
        table.build((None, None))
        table.set_weights([np.vstack([np.zeros(3), rng.standard_normal((8, 3))])])
        embedding = Sequential([table, layers.Masking()])
    count = {"LSTM": 2, "Bidirectional": 2, "RNN": 3}.get(kind, 1)
    states = [rng.standard_normal((3, 2)).astype("float32") for _ in range(count)]
    if form == "functional":
        inputs = layers.Input((None,), dtype="int32")
        given_states = [layers.Input((2,)) for _ in states]
        model = Model([inputs, given_states], rnn(embedding(inputs), initial_state=given_states))
        got = arrays(model([ids, states]))
    else:
        got = arrays(rnn(embedding(ids), initial_state=states))
    for row, length in enumerate(lengths):
        here = slice(row, row + 1)
        one = rnn(embedding(ids[here, :length]), initial_state=[s[here] for s in states])
        assert_equal([y[here] for y in got], arrays(one), "float32")


@settings(max_examples=8)
@given(makers=stacks, end=ends, seed=seeds, batch_size=st.integers(1, 9))
def test_predict_in_batches_equals_predict_at_once_equals_the_call(makers, end, seed, batch_size):
    x = sequence(seed, batch=8)
    model = sequential(makers, end)
    expected = arrays(model(x))
    assert_equal([model.predict(x, batch_size=batch_size, verbose=0)], expected, "float32")
    assert_equal([model.predict_on_batch(x)], expected, "float32")
    batches = (x[i : i + batch_size] for i in range(0, 8, batch_size))
    assert_equal([model.predict(batches, verbose=0)], expected, "float32")


@settings(max_examples=8)
@given(end=ends, seed=seeds, batch_size=st.integers(1, 30))
def test_evaluate_does_not_depend_on_the_size_of_batches(end, seed, batch_size):
    x, y = data(seed)
    model = sequential([], end)
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mse"])
    weights = np.random.default_rng(seed).random(len(x)).astype("float32")
    for options in ({}, {"sample_weight": weights}):
        whole = model.evaluate(x, y, batch_size=len(x), verbose=0, **options)
        parts = model.evaluate(x, y, batch_size=batch_size, verbose=0, **options)
        assert np.allclose(whole, parts, rtol=1e-5)


@settings(max_examples=8)
@given(end=ends, seed=seeds)
def test_a_weighted_sample_counts_as_often_as_it_is_repeated(end, seed):
    x, y = data(seed, batch=6)
    times = np.random.default_rng(seed).integers(0, 4, 6)
    times[0] = 2
    x_repeated, y_repeated = np.repeat(x, times, axis=0), np.repeat(y, times, axis=0)
    model = sequential([lambda: layers.GRU(2, return_sequences=True)], end)
    for reduction in ("sum", "mean_with_sample_weight"):
        model.compile("sgd", losses.MeanSquaredError(reduction=reduction), weighted_metrics=["mae"])
        start = model.get_weights()
        weighted = model.train_on_batch(x, y, sample_weight=times.astype("float32"), return_dict=True)
        after = model.get_weights()
        model.set_weights(start)
        model.reset_metrics()
        repeated = model.train_on_batch(x_repeated, y_repeated, return_dict=True)
        assert weighted.keys() == repeated.keys()
        assert np.allclose(
            [float(weighted[k]) for k in weighted], [float(repeated[k]) for k in weighted], 1e-5
        )
        assert_equal(model.get_weights(), after, "float32")


@settings(max_examples=5)
@given(seed=seeds, optimizer=st.sampled_from(["sgd", "adam", "rmsprop"]))
def test_fit_is_the_same_from_arrays_generators_sequences_and_steps_by_hand(seed, optimizer):
    x, y = data(seed)

    class Batches:
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return x[index * 6 : index * 6 + 6], y[index * 6 : index * 6 + 6]

    def generator():
        while True:
            for index in range(4):
                yield Batches()[index]

    def by_hand(model):
        for _ in range(2):
            for index in range(4):
                model.train_on_batch(*Batches()[index])

    ways = [
        lambda model: model.fit(x, y, batch_size=6, epochs=2, shuffle=False, verbose=0),
        lambda model: model.fit(generator(), steps_per_epoch=4, epochs=2, verbose=0),
        lambda model: model.fit(Batches(), epochs=2, shuffle=False, verbose=0),
        lambda model: model.fit(list_of_batches, epochs=2, shuffle=False, verbose=0),
        lambda model: [
            model.fit(x, y, batch_size=6, shuffle=False, verbose=0, epochs=n + 1, initial_epoch=n)
            for n in range(2)
        ],
        by_hand,
    ]
    list_of_batches = _Iterable([Batches()[index] for index in range(4)])
    results = []
    for way in ways:
        utils.set_random_seed(seed)
        model = sequential([lambda: layers.LSTM(3, return_sequences=True)], ENDS[0])
        model.compile(optimizer, "mse")
        way(model)
        results.append(model.get_weights())
    for result in results[1:]:
        assert_equal(result, results[0], "float32")


class _Iterable:
    """Can be gone through again and again, and knows no length."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


@settings(max_examples=5)
@given(seed=seeds)
def test_class_weight_equals_the_sample_weights_that_it_stands_for(seed):
    rng = np.random.default_rng(seed)
    x, labels = sequence(seed, 12), rng.integers(0, 2, 12)
    weight = {0: 0.5, 1: 3.0}
    per_sample = np.array([weight[label] for label in labels], "float32")
    one_hot = np.eye(2, dtype="float32")[labels]
    results = []
    for y, loss, options in [
        (labels, losses.SparseCategoricalCrossentropy(from_logits=True), {"class_weight": weight}),
        (labels, losses.SparseCategoricalCrossentropy(from_logits=True), {"sample_weight": per_sample}),
        (one_hot, losses.CategoricalCrossentropy(from_logits=True), {"class_weight": weight}),
        (labels[:, None], losses.SparseCategoricalCrossentropy(from_logits=True), {"class_weight": weight}),
    ]:
        utils.set_random_seed(seed)
        model = sequential([], ENDS[0])
        model.compile("adam", loss)
        model.fit(x, y, batch_size=5, shuffle=False, verbose=0, **options)
        results.append(model.get_weights())
    for result in results[1:]:
        assert_equal(result, results[0], "float32")


def test_validation_changes_nothing_that_is_trained():
    x, y = data()

    def trained(**options):
        utils.set_random_seed(3)
        model = sequential([lambda: layers.BatchNormalization(), lambda: layers.Dropout(0.5)], ENDS[0])
        model.compile("adam", "mse")
        history = model.fit(x, y, batch_size=5, epochs=2, verbose=0, **options)
        return model.get_weights(), history.history

    (weights, history), (with_validation, more) = trained(), trained(validation_data=(x, y))
    assert_equal(weights, with_validation, "float32")
    assert history["loss"] == more["loss"]


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_frozen_layer_does_not_change_and_the_others_do(frozen):
    x, y = data()
    model = sequential([lambda: layers.GRU(2, return_sequences=True)], ENDS[0])
    model.layers[frozen].trainable = False
    model.compile("adam", "mse")
    before = [layer.get_weights() for layer in model.layers]
    model.fit(x, y, verbose=0)
    for number, (layer, old) in enumerate(zip(model.layers, before)):
        same = all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), old))
        assert same == (number == frozen)


@settings(max_examples=8)
@given(makers=stacks, end=ends, seed=seeds)
def test_a_call_leaves_nothing_behind(makers, end, seed):
    x = sequence(seed)
    model = sequential([*makers, lambda: layers.Dropout(0.5)], end)
    weights = model.get_weights()
    first = arrays(model(x))
    for call in (
        lambda: model(x, training=True) if not _has_statistics(model) else None,
        lambda: minirnn.grad(project(model(x)), model.trainable_weights),
        lambda: model.predict(x, verbose=0),
        lambda: model.kernel_report() if hasattr(model, "kernel_report") else None,
        lambda: model.summary(print_fn=lambda text: None),
    ):
        call()
        assert_equal(model.get_weights(), weights, "float32")
        assert_equal(arrays(model(x)), first, "float32")
    assert all(v.grad is None for v in model.weights)


def _has_statistics(model):
    return any(isinstance(layer, layers.BatchNormalization) for layer in model.layers)

"""Models and their training against real Keras: from equal weights to equal weights, logs and tables."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minirnn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(22, 5, 4)).astype("float32")
LABELS = RNG.integers(0, 3, size=22)
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
VALUES = RNG.normal(size=(22, 2)).astype("float32")
WEIGHTS = RNG.uniform(0.1, 2.0, size=22).astype("float32")


def digit_model(lib, last="softmax"):
    return lib.Sequential(
        [
            lib.layers.Input((5, 4)),
            lib.layers.LSTM(6, kernel_regularizer="l2"),
            lib.layers.BatchNormalization(),
            lib.layers.Dense(3, activation=last),
        ]
    )


def two_headed_model(lib):
    """Two inputs, a shared layer, two outputs, regularizers of a weight and of an activity."""
    a, b = lib.Input((5, 4), name="a"), lib.Input((5, 4), name="b")
    shared = lib.layers.GRU(4, name="shared")
    joined = lib.layers.Concatenate(name="joined")([shared(a), shared(b)])
    hidden = lib.layers.Dense(5, activity_regularizer="l1", kernel_regularizer="l2", name="hidden")(joined)
    kind = lib.layers.Dense(3, activation="softmax", name="kind")(hidden)
    size = lib.layers.Dense(2, name="size")(lib.layers.Add(name="both")([hidden, hidden]))
    return lib.Model([a, b], [kind, size], name="two")


def pair(keras, build, *args):
    """One model of each library, with the weights of Keras's."""
    theirs, ours = build(keras, *args), build(minirnn, *args)
    ours.set_weights(theirs.get_weights())
    return theirs, ours


def optimizer(lib, name):
    if name == "sgd":
        return lib.optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=1.0)
    # With Keras's epsilon, 1e-7, a gradient that is nothing but rounding makes a step as long as any other,
    # and the weights of two libraries part. Other tests hold single steps of Adam with that epsilon.
    return lib.optimizers.Adam(0.01, epsilon=1e-3)


def assert_logs_equal(actual, expected, tolerance=2e-5):
    assert list(actual) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(actual[name], values, rtol=tolerance, atol=tolerance, err_msg=name)


def assert_weights_equal(ours, theirs, tolerance=1e-5):
    for ours_w, theirs_w in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(ours_w, theirs_w, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "name, loss, y, options",
    [
        ("sgd", "sparse_categorical_crossentropy", LABELS, {}),
        ("adam", "categorical_crossentropy", ONE_HOT, {"sample_weight": WEIGHTS, "validation_split": 0.3}),
        ("adam", "crossentropy", LABELS, {"class_weight": {0: 3.0, 2: 0.5}, "validation_split": 0.3}),
        ("sgd", "mse", ONE_HOT, {"validation_data": (X[:7], ONE_HOT[:7], WEIGHTS[:7]), "initial_epoch": 1}),
        ("sgd", "ce", ONE_HOT, {"class_weight": {1: 2.0}, "steps_per_epoch": 2, "batch_size": None}),
    ],
    ids=["plain", "sample_weight", "class_weight", "validation_data", "steps"],
)
def test_fit_leaves_the_weights_and_the_history_of_keras(keras, name, loss, y, options):
    theirs, ours = pair(keras, digit_model)
    histories = []
    for lib, model in ((keras, theirs), (minirnn, ours)):
        metrics = ["accuracy", "mse"] if loss in ("mse", "ce", "categorical_crossentropy") else ["acc"]
        model.compile(optimizer(lib, name), loss, metrics=metrics, weighted_metrics=["accuracy"])
        fit = {"batch_size": 6, "epochs": 3, "shuffle": False, "verbose": 0, **options}
        histories.append(model.fit(X, y, **fit))
    assert_logs_equal(histories[1].history, histories[0].history)
    assert histories[1].epoch == histories[0].epoch
    assert_weights_equal(ours, theirs)


class Recorder:
    """Makes a callback of a library that notes which hooks are called, and with which logs."""

    HOOKS = [f"on_{kind}_{end}" for kind in ("train", "test", "predict", "epoch") for end in ("begin", "end")]
    HOOKS += [f"on_{kind}_batch_{end}" for kind in ("train", "test", "predict") for end in ("begin", "end")]

    def __init__(self, lib):
        self.calls = calls = []

        def noting(hook):
            def note(*args, **kwargs):
                logs = kwargs.get("logs") or (args[-1] if isinstance(args[-1], dict) else {})
                plain = {k: v for k, v in logs.items() if isinstance(v, float)}
                calls.append((hook, *[a for a in args[1:] if isinstance(a, int)], plain))

            return note

        self.callback = type("Noting", (lib.callbacks.Callback,), {h: noting(h) for h in self.HOOKS})()


def test_callbacks_are_called_as_by_keras_with_its_logs(keras):
    theirs, ours = pair(keras, digit_model)
    notes = []
    for lib, model in ((keras, theirs), (minirnn, ours)):
        recorder = Recorder(lib)
        options = {"verbose": 0, "callbacks": [recorder.callback]}
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(X, LABELS, 8, 3, validation_split=0.4, validation_freq=2, shuffle=False, **options)
        model.evaluate(X, LABELS, batch_size=16, **options)
        model.predict(X, batch_size=8, steps=2, **options)
        notes.append(recorder.calls)
    assert [call[:-1] for call in notes[1]] == [call[:-1] for call in notes[0]]
    for ours_call, theirs_call in zip(notes[1], notes[0], strict=True):
        assert_logs_equal(ours_call[-1], theirs_call[-1], 1e-4)


TWO_HEADED = [
    {"loss": ["sparse_categorical_crossentropy", "mse"], "metrics": [["accuracy"], ["mae", "mse"]]},
    {
        "loss": {"kind": "sparse_categorical_crossentropy", "size": "mae"},
        "loss_weights": {"kind": 2.0, "size": 0.5},
        "metrics": {"kind": "accuracy"},
        "weighted_metrics": {"kind": ["accuracy"], "size": ["mse"]},
    },
    {"loss": [None, "mse"], "metrics": [None, "mse"]},
    {
        "loss": {"kind": "sparse_categorical_crossentropy", "size": "huber"},
        "metrics": {"size": ["r2_score", "cosine_similarity", "mape"]},
        "weighted_metrics": {"size": ["log_cosh_error"]},
    },
]


@pytest.mark.parametrize("arguments", TWO_HEADED, ids=["lists", "dicts", "one_loss", "other_losses"])
def test_a_model_of_two_outputs_trains_and_reports_as_in_keras(keras, arguments):
    theirs, ours = pair(keras, two_headed_model)
    results = []
    for lib, model in ((keras, theirs), (minirnn, ours)):
        model.compile(optimizer(lib, "adam"), **arguments)
        y = [LABELS, VALUES]
        history = model.fit([X, X[::-1]], y, 11, 2, shuffle=False, verbose=0, sample_weight=WEIGHTS)
        if isinstance(arguments["loss"], dict):
            y = {"size": VALUES, "kind": LABELS}
        scores = model.evaluate({"b": X[::-1], "a": X}, y, batch_size=11, verbose=0)
        results.append((history.history, scores))
    assert_logs_equal(results[1][0], results[0][0])
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=2e-5, atol=2e-5)
    assert_weights_equal(ours, theirs)


@pytest.mark.parametrize("loss", [{"z": "mse", "b": "mae"}, {"b": "mse", "z": "mae"}, "mse", ["mse", "mae"]])
def test_losses_of_outputs_with_keys_come_in_the_order_of_keras(keras, loss):
    def build(lib):
        x = lib.Input((5, 4))
        hidden = lib.layers.GRU(3)(x)
        return lib.Model(x, {name: lib.layers.Dense(2, name=name)(hidden) for name in "zb"})

    y = {"z": VALUES, "b": VALUES + 3}
    values = []
    for model in pair(keras, build):
        model.compile("sgd", loss, metrics={"z": ["mse"], "b": ["mae"]})
        values.append([model.evaluate(X, y, verbose=0), model.test_on_batch(X, y)])
    np.testing.assert_allclose(values[1], values[0], rtol=2e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"loss": ["mse", "sparse_categorical_crossentropy"], "metrics": [["mae"], ["accuracy"]]},
        {"loss": ["mse", "sparse_categorical_crossentropy"], "weighted_metrics": [["acc"], ["acc"]]},
    ],
    ids=["different", "the same"],
)
def test_logs_of_outputs_without_names_have_keras_s(keras, arguments):
    def build(lib):
        class TwoHeaded(lib.Model):
            def __init__(self):
                super().__init__()
                self.size, self.kind = lib.layers.Dense(2), lib.layers.Dense(3, activation="softmax")

            def call(self, x):
                return [self.size(x[:, 0]), self.kind(x[:, 1])]

        model = TwoHeaded()
        model.compile("sgd", **arguments)
        return model

    logs = [build(lib).fit(X, [VALUES, LABELS], verbose=0).history for lib in (keras, minirnn)]
    assert list(logs[1]) == list(logs[0])


def test_what_a_layer_adds_to_the_loss_counts_as_in_keras(keras):
    def build(lib):
        class Noisy(lib.layers.Layer):
            def call(self, x):
                self.add_loss(0.1 * lib.ops.mean(lib.ops.square(x)))
                return x

        class Net(lib.Model):
            def __init__(self):
                super().__init__()
                self.inner, self.noisy, self.out = lib.layers.Dense(4), Noisy(), lib.layers.Dense(2)

            def call(self, x, training=False):
                return self.out(self.noisy(self.inner(x)))

        model = Net()
        model(np.zeros((1, 4), "float32"))
        return model

    theirs, ours = pair(keras, build)
    x = X[:, 0]
    for lib, model in ((keras, theirs), (minirnn, ours)):
        model.compile(optimizer(lib, "sgd"), "mse")
        model.fit(x, VALUES, 11, 2, shuffle=False, verbose=0)
    assert_weights_equal(ours, theirs)
    np.testing.assert_allclose(
        ours.test_on_batch(x, VALUES), theirs.test_on_batch(x, VALUES), rtol=1e-5, atol=1e-6
    )


def test_one_batch_at_a_time_is_as_in_keras(keras):
    theirs, ours = pair(keras, digit_model)
    results = []
    for lib, model in ((keras, theirs), (minirnn, ours)):
        model.compile(optimizer(lib, "sgd"), "sparse_categorical_crossentropy", metrics=["accuracy"])
        found = [model.train_on_batch(X[:6], LABELS[:6], class_weight={0: 2.0})]
        found.append(model.train_on_batch(X[6:12], LABELS[6:12], sample_weight=WEIGHTS[6:12]))
        found.append(model.test_on_batch(X[:6], LABELS[:6]))
        results.append((found, model.test_on_batch(X, LABELS, return_dict=True), model.predict_on_batch(X)))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=2e-5)
    assert_logs_equal(results[1][1], results[0][1])
    np.testing.assert_allclose(results[1][2], results[0][2], rtol=2e-5, atol=1e-6)


@st.composite
def graphs(draw):
    """A recipe of a random graph: each step a kind of layer and the numbers of the tensors it takes."""
    steps = []
    for number in range(draw(st.integers(2, 8))):
        kind = draw(st.sampled_from(["dense", "add", "concatenate", "shared", "multiply"]))
        count = draw(st.integers(2, 3)) if kind in ("add", "concatenate", "multiply") else 1
        steps.append((kind, [draw(st.integers(0, number + 1)) for _ in range(count)]))
    outputs = draw(st.lists(st.integers(2, len(steps) + 1), min_size=1, max_size=3, unique=True))
    return steps, outputs


def graph_model(lib, steps, outputs):
    tensors = [lib.Input((3,), name="first"), lib.Input((3,), name="second")]
    inputs = tensors[:]
    shared = lib.layers.Dense(3, name="shared")
    for number, (kind, sources) in enumerate(steps):
        taken = [tensors[i] for i in sources]
        if kind == "concatenate":
            joined = lib.layers.Concatenate(name=f"concatenate_{number}")(taken)
            tensors.append(lib.layers.Dense(3, name=f"after_{number}")(joined))
        elif kind in ("add", "multiply"):
            tensors.append(getattr(lib.layers, kind.title())(name=f"{kind}_{number}")(taken))
        else:
            layer = shared if kind == "shared" else lib.layers.Dense(3, name=f"dense_{number}")
            tensors.append(layer(taken[0]))
    return lib.Model(inputs, [tensors[i] for i in outputs])


@settings(max_examples=15)
@given(graphs())
def test_a_functional_model_lists_its_layers_as_keras_and_computes_the_same(keras, recipe):
    theirs, ours = pair(keras, graph_model, *recipe)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert ours.output_names == theirs.output_names or len(set(theirs.output_names)) < len(
        theirs.output_names
    )
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    x = [X[:, 0, :3], X[:, 1, :3]]
    for y, expected in zip(ours(x), theirs(x), strict=True):
        np.testing.assert_allclose(y, np.asarray(expected), rtol=1e-4, atol=1e-5)


def guide_models(lib):
    layers = lib.layers
    embedding = lib.Sequential(
        [layers.Input((None,)), layers.Embedding(1000, 64), layers.LSTM(128), layers.Dense(10)]
    )
    bidirectional = lib.Sequential(
        [
            layers.Bidirectional(layers.LSTM(64, return_sequences=True), input_shape=(5, 10)),
            layers.Bidirectional(layers.LSTM(32)),
            layers.BatchNormalization(),
            layers.Dense(10),
        ]
    )
    frozen = two_headed_model(lib)
    frozen.get_layer("shared").trainable = False
    return [embedding, bidirectional, frozen, lib.Sequential([layers.Dense(3)])]


def totals(model):
    texts = []
    model.summary(print_fn=texts.append)
    return re.findall(r"(\w[\w-]* params: [\d,]+ \([\d.]+ \w+\))", "\n".join(texts))


def test_summaries_count_parameters_as_keras_does(keras):
    for ours, theirs in zip(guide_models(minirnn), guide_models(keras), strict=True):
        assert len(totals(ours)) >= 3
        assert totals(ours) == totals(theirs)


@pytest.mark.parametrize("build", [digit_model, two_headed_model])
def test_architectures_are_read_from_and_by_keras(keras, build):
    theirs, ours = pair(keras, build)
    kind = (keras.Sequential, minirnn.Sequential) if build is digit_model else (keras.Model, minirnn.Model)
    read_by_us = kind[1].from_config(json.loads(json.dumps(theirs.get_config())))
    read_by_keras = kind[0].from_config(json.loads(json.dumps(ours.get_config())))
    read_by_us.set_weights(ours.get_weights())
    read_by_keras.set_weights(ours.get_weights())
    x = X if build is digit_model else [X, X[::-1]]
    for expected, ours_y, theirs_y in zip(
        *map(minirnn.tree.flatten, (ours(x), read_by_us(x), read_by_keras(x))), strict=True
    ):
        np.testing.assert_allclose(ours_y, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(np.asarray(theirs_y), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [digit_model, two_headed_model])
def test_clones_have_the_names_and_shapes_of_keras(keras, build):
    def described(lib, recursive):
        model = build(lib)
        model.compile("adam", "mse")
        clone = lib.models.clone_model(model, recursive=recursive)
        names = {
            layer.name: [w.name for w in layer.weights] for layer in clone.layers if "_" not in layer.name
        }
        return (
            names,
            [(w.shape, w.trainable) for w in clone.weights],
            len(clone.optimizer.variables),
            clone.name,
        )

    for recursive in (False, True):
        ours, theirs = described(minirnn, recursive), described(keras, recursive)
        assert ours[:3] == theirs[:3]
        assert build is digit_model or ours[3] == theirs[3] == "two"

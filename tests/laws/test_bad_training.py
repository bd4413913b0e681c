"""What a model cannot be trained, evaluated or asked by is refused before a weight, a statistic, a state, a
seed or the optimizer has changed, and the next good call works."""

import numpy as np
import pytest

from minirnn import layers, losses
from minirnn.models import Model, Sequential
from tests.laws.bad_input import check_refused

N, T, D, C = 8, 4, 3, 2


def x_NTD(*shape):
    return np.random.default_rng(0).standard_normal(shape or (N, T, D)).astype("float32")


def y_N(n=N):
    return np.arange(n) % C


def model(compiled=True, used=False, **options):
    """A model of everything that keeps something: weights, statistics, states, seeds."""
    one = Sequential(
        [
            layers.Input(batch_shape=(4, T, D)),
            layers.LSTM(3, stateful=True, return_sequences=True, dropout=0.3, seed=1),
            layers.GRU(2, seed=3),
            layers.BatchNormalization(),
            layers.Dropout(0.5, seed=2),
            layers.Dense(C),
        ],
        name="mine",
    )
    if compiled:
        one.compile(
            "adam", losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], **options
        )
    if used:
        one.fit(x_NTD(), y_N(), batch_size=4, verbose=0)
    return one


def works(one):
    history = one.fit(x_NTD(), y_N(), batch_size=4, verbose=0)
    assert np.isfinite(history.history["loss"][0])


class Generator:
    """A generator of some batches, a new one for each test."""

    def __init__(self, *batches):
        self.batches = batches

    def new(self):
        return (batch for batch in self.batches)


def bad(y, at=-1, value=C):
    y = y.copy()
    y[at] = value
    return y


FIT = [
    # What, how, and words of the message.
    ("x and y of different lengths", (x_NTD(), y_N(7)), {}, ["8", "7"]),
    ("x and weights of different lengths", (x_NTD(), y_N()), {"sample_weight": np.ones(7)}, ["8", "7"]),
    ("no samples", (x_NTD(0, T, D), y_N(0)), {}, ["empty"]),
    ("no x", (None, y_N()), {}, ["x"]),
    ("no y", (x_NTD(), None), {}, ["y|target"]),
    ("another rank", (x_NTD(N, T), y_N()), {}, ["'lstm|'mine'", "(4, 4)|(8, 4)|axes"]),
    ("another number of features", (x_NTD(N, T, D + 1), y_N()), {}, ["3", "4"]),
    ("no time steps", (x_NTD(N, 0, D), y_N()), {}, ["time|(4, 0, 3)"]),
    ("another rank of y", (x_NTD(), y_N().reshape(N, 1, 1)), {}, ["y_true|label"]),
    ("one-hot y", (x_NTD(), np.eye(C)[y_N()]), {}, ["y_true|label", "(4, 2)"]),
    ("a label too high in the first batch", (x_NTD(), bad(y_N(), 0)), {}, ["label|y_true|target", "2"]),
    ("a label below 0 in the first batch", (x_NTD(), bad(y_N(), 0, -1)), {}, ["label|y_true|target", "-1"]),
    ("labels that are no integers", (x_NTD(), y_N() + 0.5), {}, ["label|y_true|target", "integer"]),
    ("labels that are text", (x_NTD(), np.array(["a", "b"] * 4)), {}, ["number"]),
    ("labels that are objects", (x_NTD(), np.array([None, 1] * 4)), {}, ["number"]),
    ("objects", (x_NTD().astype(object), y_N()), {}, ["number"]),
    ("rows of different lengths", ([[[1.0]], [[1.0], [2.0]]], y_N()), {}, ["x"]),
    ("text", ("abc", y_N()), {}, ["x", "str"]),
    ("a number", (3, y_N()), {}, ["x", "int"]),
    ("a function", (lambda: None, None), {}, ["function"]),
    ("two inputs for one", ([x_NTD(), x_NTD()], y_N()), {}, ["1", "2"]),
    ("two targets for one", (x_NTD(), [y_N(), y_N()]), {}, ["1", "2"]),
    ("a dict of targets of no such name", (x_NTD(), {"nosuch": y_N()}), {}, ["nosuch"]),
    ("a generator beside y", (Generator((x_NTD(), y_N())), y_N()), {}, ["y"]),
    ("a generator beside batch_size", (Generator((x_NTD(), y_N())), None), {"batch_size": 4}, ["batch_size"]),
    ("a generator of nothing", (Generator(), None), {}, ["empty|no batch"]),
    ("a generator of something else", (Generator(3), None), {}, ["x|batch"]),
    ("a generator of too much", (Generator((1, 2, 3, 4)), None), {}, ["(x, y"]),
    ("a generator of different lengths", (Generator((x_NTD(), y_N(7))), None), {}, ["8", "7"]),
    ("a batch_size of 0", (x_NTD(), y_N()), {"batch_size": 0}, ["batch_size", "0"]),
    ("a batch_size below 0", (x_NTD(), y_N()), {"batch_size": -4}, ["batch_size", "-4"]),
    ("a batch_size of a half", (x_NTD(), y_N()), {"batch_size": 0.5}, ["batch_size", "0.5"]),
    ("a batch_size of text", (x_NTD(), y_N()), {"batch_size": "4"}, ["batch_size", "'4'"]),
    ("another size for a stateful layer", (x_NTD(), y_N()), {"batch_size": 2}, ["4", "2"]),
    ("a last batch of another size", (x_NTD(7, T, D), y_N(7)), {"batch_size": 4}, ["stateful", "7"]),
    ("epochs below 0", (x_NTD(), y_N()), {"epochs": -1}, ["epochs", "-1"]),
    ("epochs of a half", (x_NTD(), y_N()), {"epochs": 1.5}, ["epochs", "1.5"]),
    ("initial_epoch below 0", (x_NTD(), y_N()), {"initial_epoch": -1}, ["initial_epoch", "-1"]),
    ("steps_per_epoch of 0", (x_NTD(), y_N()), {"steps_per_epoch": 0}, ["steps_per_epoch", "0"]),
    ("validation_split of 1", (x_NTD(), y_N()), {"validation_split": 1.0}, ["validation_split", "1.0"]),
    ("validation_split below 0", (x_NTD(), y_N()), {"validation_split": -0.1}, ["validation_split", "-0.1"]),
    ("validation_split of text", (x_NTD(), y_N()), {"validation_split": "a"}, ["validation_split", "'a'"]),
    (
        "validation_split that leaves nothing",
        (x_NTD(), y_N()),
        {"validation_split": 0.01},
        ["validation_split|7 samples"],
    ),
    (
        "validation_data without y",
        (x_NTD(), y_N()),
        {"validation_data": x_NTD()},
        ["targets|validation_data"],
    ),
    (
        "validation_data of other features",
        (x_NTD(), y_N()),
        {"validation_data": (x_NTD(N, T, 5), y_N())},
        ["5"],
    ),
    (
        "validation_data of other lengths",
        (x_NTD(), y_N()),
        {"validation_data": (x_NTD(), y_N(7))},
        ["8", "7"],
    ),
    (
        "validation_data of labels too high",
        (x_NTD(), y_N()),
        {"validation_data": (x_NTD(), y_N() + 1)},
        ["2"],
    ),
    ("validation_freq of 0", (x_NTD(), y_N()), {"validation_freq": 0}, ["validation_freq", "0"]),
    ("validation_freq of text", (x_NTD(), y_N()), {"validation_freq": "a"}, ["validation_freq", "'a'"]),
    ("verbose of text", (x_NTD(), y_N()), {"verbose": "nosuch"}, ["verbose", "nosuch"]),
    ("verbose of 7", (x_NTD(), y_N()), {"verbose": 7}, ["verbose", "7"]),
    ("callbacks of text", (x_NTD(), y_N()), {"callbacks": "nosuch"}, ["callback", "nosuch|str"]),
    ("callbacks of numbers", (x_NTD(), y_N()), {"callbacks": [3]}, ["callback", "3|int"]),
    ("shuffle of text", (x_NTD(), y_N()), {"shuffle": "nosuch"}, ["shuffle", "nosuch"]),
    ("class_weight of a list", (x_NTD(), y_N()), {"class_weight": [1.0, 2.0]}, ["class_weight"]),
    ("class_weight of text", (x_NTD(), y_N()), {"class_weight": {0: "a"}}, ["class_weight", "'a'"]),
    ("class_weight below 0", (x_NTD(), y_N()), {"class_weight": {0: -1.0}}, ["class_weight", "-1.0"]),
    ("class_weight for text", (x_NTD(), y_N()), {"class_weight": {"a": 1.0}}, ["class_weight", "'a'"]),
    (
        "class_weight and sample_weight",
        (x_NTD(), y_N()),
        {"class_weight": {0: 1.0}, "sample_weight": np.ones(N)},
        ["class_weight", "sample_weight"],
    ),
    (
        "weights of text",
        (x_NTD(), y_N()),
        {"sample_weight": np.array(["a"] * N)},
        ["sample_weight", "number"],
    ),
    (
        "weights of another rank",
        (x_NTD(), y_N()),
        {"sample_weight": np.ones((N, 3))},
        ["sample_weight|weights"],
    ),
    ("an argument that is not known", (x_NTD(), y_N()), {"nb_epoch": 1}, ["nb_epoch"]),
]


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
@pytest.mark.parametrize("arguments, options, words", [pytest.param(*c[1:], id=c[0]) for c in FIT])
def test_fit_refuses(used, arguments, options, words):
    one = model(used=used)
    options = {"batch_size": 4, "verbose": 0, "shuffle": False, **options}
    if isinstance(arguments[0], Generator):
        arguments = (arguments[0].new(), *arguments[1:])
        options = {
            name: value for name, value in options.items() if name != "batch_size" or "batch_size" in words
        }
    check_refused(lambda: one.fit(*arguments, **options), *words, unchanged=[one])
    works(one)


ON_BATCH = [
    ("x and y of different lengths", (x_NTD(4, T, D), y_N(3)), ["4", "3"]),
    ("no samples", (x_NTD(0, T, D), y_N(0)), ["empty"]),
    ("no x", (None, y_N(4)), ["x"]),
    ("no y", (x_NTD(4, T, D), None), ["y|target"]),
    ("another batch size for a stateful layer", (x_NTD(3, T, D), y_N(3)), ["3"]),
    ("another number of features", (x_NTD(4, T, D + 1), y_N(4)), ["4"]),
    ("a label too high", (x_NTD(4, T, D), bad(y_N(4))), ["label|y_true|target", "2"]),
    ("a label below 0", (x_NTD(4, T, D), bad(y_N(4), value=-1)), ["label|y_true|target", "-1"]),
    ("one-hot y", (x_NTD(4, T, D), np.eye(C)[y_N(4)]), ["y_true|label"]),
    ("labels that are no integers", (x_NTD(4, T, D), y_N(4) + 0.5), ["label|y_true|target", "integer"]),
    ("objects", (x_NTD(4, T, D).astype(object), y_N(4)), ["number"]),
    ("text", ("abc", y_N(4)), ["str"]),
    ("weights of another length", (x_NTD(4, T, D), y_N(4), np.ones(3)), ["4", "3"]),
    ("weights of another rank", (x_NTD(4, T, D), y_N(4), np.ones((4, 3))), ["sample_weight|weights"]),
]


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("arguments, words", [pytest.param(*c[1:], id=c[0]) for c in ON_BATCH])
def test_one_batch_is_refused(used, method, arguments, words):
    one = model(used=used)
    check_refused(lambda: getattr(one, method)(*arguments), *words, unchanged=[one])
    works(one)


@pytest.mark.parametrize("arguments, words", [pytest.param(*c[1:], id=c[0]) for c in ON_BATCH])
def test_evaluate_refuses(arguments, words):
    one = model(used=True)
    check_refused(
        lambda: one.evaluate(
            *arguments[:2], verbose=0, sample_weight=arguments[2] if len(arguments) > 2 else None
        ),
        *words,
        unchanged=[one],
    )
    works(one)


PREDICT = [
    ("no samples", x_NTD(0, T, D), {}, ["empty"]),
    ("no x", None, {}, ["x|input"]),
    ("another number of features", x_NTD(4, T, D + 1), {}, ["4"]),
    ("another rank", x_NTD(4, T), {}, ["axes|(4, 4)"]),
    ("another batch size for a stateful layer", x_NTD(3, T, D), {}, ["3"]),
    ("objects", x_NTD(4, T, D).astype(object), {}, ["number"]),
    ("text", "abc", {}, ["str"]),
    ("a batch_size of 0", x_NTD(), {"batch_size": 0}, ["batch_size", "0"]),
    ("steps of 0", x_NTD(), {"steps": 0}, ["steps", "0"]),
    ("verbose of text", x_NTD(), {"verbose": "nosuch"}, ["verbose"]),
    ("two inputs for one", [x_NTD(), x_NTD()], {}, ["2"]),
]


@pytest.mark.parametrize("x, options, words", [pytest.param(*c[1:], id=c[0]) for c in PREDICT])
def test_predict_refuses(x, options, words):
    one = model(used=True)
    check_refused(lambda: one.predict(x, **{"verbose": 0, **options}), *words, unchanged=[one])
    if not options:
        check_refused(lambda: one.predict_on_batch(x), *[w for w in words if w != "empty"], unchanged=[one])
        check_refused(lambda: one(x), *[w for w in words if w not in ("empty", "str")], unchanged=[one])
    works(one)


COMPILE = [
    ({"optimizer": "nosuch"}, ["optimizer", "nosuch"]),
    ({"optimizer": 3}, ["optimizer", "3"]),
    ({"loss": "nosuch"}, ["loss", "nosuch"]),
    ({"loss": 3}, ["loss", "3"]),
    ({"loss": "mse", "loss_weights": "a"}, ["loss_weights"]),
    ({"loss": "mse", "metrics": ["nosuch"]}, ["metric", "nosuch"]),
    ({"loss": "mse", "metrics": [3]}, ["metric", "3"]),
    ({"loss": "mse", "metrics": "accuracy"}, ["metrics", "list"]),
    ({"loss": "mse", "steps_per_execution": 0}, ["steps_per_execution", "0"]),
    ({"loss": "mse", "nosuch": 0}, ["nosuch"]),
]


@pytest.mark.parametrize("options, words", [pytest.param(*c, id=str(c[0])) for c in COMPILE])
def test_compile_refuses(options, words):
    one = model(used=True)
    optimizer, loss = one.optimizer, one.loss
    check_refused(lambda: one.compile(**options), *words, unchanged=[one])
    assert one.optimizer is optimizer and one.loss is loss
    works(one)


def test_what_needs_compile():
    one = model(compiled=False)
    for call in (
        lambda: one.fit(x_NTD(), y_N()),
        lambda: one.evaluate(x_NTD(), y_N()),
        lambda: one.train_on_batch(x_NTD(), y_N()),
        lambda: one.test_on_batch(x_NTD(), y_N()),
    ):
        check_refused(call, "mine", "compile", unchanged=[one])
    one.compile("sgd")
    check_refused(
        lambda: one.fit(x_NTD(), y_N(), batch_size=4, verbose=0, shuffle=False), "loss", unchanged=[one]
    )


@pytest.mark.parametrize("later", [1, 2, 3])
def test_a_later_batch_that_is_refused_leaves_the_model_after_the_one_before(later):
    # What a generator will yield is not known at the start; but no batch is trained by half.
    x, y = x_NTD(16, T, D), y_N(16)
    y[4 * later + 1] = C
    one, other = model(), model()
    other.set_weights(one.get_weights())
    with pytest.raises(ValueError, match=r"label|target"):
        one.fit(((x[n : n + 4], y[n : n + 4]) for n in range(0, 16, 4)), verbose=0)
    for n in range(later):
        other.train_on_batch(x[4 * n : 4 * n + 4], y[4 * n : 4 * n + 4])
    for a, b in zip(one.variables, other.variables):
        assert np.array_equal(a.numpy(), b.numpy()), a.path
    assert int(one.optimizer.iterations) == later
    works(one)


def test_labels_of_the_losses():
    logits = np.zeros((3, C), "float32")
    for name in ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy"):
        loss = getattr(losses, name)
        loss = loss if name.islower() else loss(from_logits=True)
        for labels in (
            [0, 1, 2],
            [0, 1, -1],
            [0, 1, 10**6],
            [0.0, 0.5, 1.0],
            [0, 1],
            [[0, 1]] * 3,
            ["a", "b", "a"],
            [0, 1, np.nan],
        ):
            check_refused(
                lambda labels=labels, loss=loss: loss(np.array(labels), logits),
                "crossentropy|SparseCategorical|numbers",
                "label|y_true|target|number",
            )
    for loss in (losses.MeanSquaredError(), losses.BinaryCrossentropy(), losses.CategoricalCrossentropy()):
        check_refused(
            lambda loss=loss: loss(np.zeros((3, C + 1)), logits), "y_true|shape", "(3, 2)", "(3, 3)"
        )
        check_refused(lambda loss=loss: loss(np.zeros((2, C)), logits), "(3, 2)", "(2, 2)")
    check_refused(
        lambda: losses.MeanSquaredError()(np.zeros((3, 2)), logits, sample_weight=np.ones(4)),
        "sample_weight|weight",
        "4",
    )


def test_functional_models_that_cannot_be():
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    y = layers.Dense(2)(a)
    x = np.zeros((2, 3), "float32")
    check_refused(lambda: Model(a, layers.Dense(2)(b)), "input|b")
    check_refused(lambda: Model([a, b], layers.Add()([y, layers.Dense(2)(layers.Input((3,)))])), "input")
    check_refused(lambda: Model(x, y), "Input|symbolic|KerasTensor")
    check_refused(lambda: Model(a, x), "Input|symbolic|KerasTensor|output")
    check_refused(lambda: Model([a, layers.Input((2,), name="a")], y), "'a'")
    check_refused(lambda: Model(y, layers.Dense(2)(y)) if False else Model([], y), "input")
    check_refused(lambda: Model(a, []) if False else Model(a, None), "output|symbolic|KerasTensor")
    one = Model([a, b], layers.Add()([y, layers.Dense(2, name="last")(b)]), name="mine")
    for inputs in (x, [x], [x, x, x], {"a": x}, {"a": x, "nosuch": x}, [x, x[:, :2]], [x, x[0]], [x, None]):
        check_refused(lambda inputs=inputs: one(inputs), "mine", unchanged=[one])
        check_refused(lambda inputs=inputs: one.predict(inputs, verbose=0), "mine", unchanged=[one])
    check_refused(
        lambda: one([x, np.zeros((3, 3), "float32")]), "(2, 2)|(3, 2)|batch|(3, 3)", unchanged=[one]
    )
    check_refused(lambda: one.get_layer("nosuch"), "mine", "nosuch", "last")
    check_refused(lambda: one.get_layer(index=99), "mine", "99")
    check_refused(lambda: one.get_layer(), "mine", "name", "index")
    check_refused(lambda: one.get_layer("last", index=1), "name", "index")
    assert one([x, x]).shape == (2, 2)


def test_sequential_models_that_cannot_be():
    one = Sequential(name="mine")
    check_refused(lambda: one.pop(), "mine", "layer")
    check_refused(lambda: one.add(3), "mine", "layer", "3|int")
    check_refused(lambda: one.add(layers.Dense), "mine", "Dense")
    check_refused(lambda: one(x_NTD()), "mine", "layer")
    one.add(layers.LSTM(2))
    check_refused(lambda: one.count_params(), "mine", "built")
    one.add(layers.Dense(2, name="last"))
    check_refused(lambda: one.add(layers.Dense(2, name="last")), "mine", "last")
    check_refused(lambda: one.add(layers.Input((3,))), "mine", "Input")
    assert [type(layer).__name__ for layer in one.layers] == ["LSTM", "Dense"]
    one(x_NTD())
    # A layer that does not fit is not left in the model.
    check_refused(lambda: one.add(layers.GRU(2, name="third")), "third", "axes|shape|time", unchanged=[one])
    assert [type(layer).__name__ for layer in one.layers] == ["LSTM", "Dense"]
    assert one(x_NTD()).shape == (N, 2)


def test_training_steps_of_ones_own_that_return_something_else():
    class Mine(Sequential):
        def train_step(self, data):
            return self.result

    for result in (None, 3, [1.0], "abc"):
        one = Mine([layers.Input((T, D)), layers.LSTM(2)])
        one.result = result
        one.compile("sgd", "mse")
        check_refused(lambda one=one: one.fit(x_NTD(), y_N(), verbose=0, shuffle=False), "train_step", "dict")

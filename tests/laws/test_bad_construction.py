"""What no layer, loss, metric or optimizer can be made from is refused where it is passed, by name."""

import pytest

import minirnn
from minirnn import layers, losses, metrics, optimizers
from tests.laws.bad_input import check_refused

RNNS = ["SimpleRNN", "GRU", "LSTM"]
CELLS = [f"{name}Cell" for name in RNNS]
GATED = ["GRU", "LSTM", "GRUCell", "LSTMCell"]
every_rnn = pytest.mark.parametrize("name", RNNS + CELLS)


@every_rnn
@pytest.mark.parametrize("units", [0, -1, 2.5, 4.0, "8", None, True, (3,), [4]], ids=repr)
def test_units_that_are_no_positive_integer(name, units):
    check_refused(lambda: getattr(layers, name)(units), name, "units", repr(units), "positive")


@every_rnn
@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout"])
@pytest.mark.parametrize(
    "rate", [-0.1, 1.01, 1.5, float("nan"), float("inf"), "a", None, True, [0.1]], ids=repr
)
def test_a_rate_of_dropout_outside_0_to_1(name, option, rate):
    check_refused(lambda: getattr(layers, name)(3, **{option: rate}), name, option, repr(rate), "[0, 1]")


@every_rnn
@pytest.mark.parametrize(
    "value", ["nosuch", 3, True, {"class_name": "nosuch", "config": {}}, ["tanh"]], ids=repr
)
def test_an_activation_that_is_not_known(name, value):
    options = ["activation"] + (["recurrent_activation"] if name in GATED else [])
    for option in options:
        check_refused(
            lambda option=option: getattr(layers, name)(3, **{option: value}), "activation", "nosuch|got"
        )


@every_rnn
@pytest.mark.parametrize("kind", ["initializer", "regularizer", "constraint"])
@pytest.mark.parametrize("value", ["nosuch", 3, object()], ids=["name", "number", "object"])
def test_an_initializer_regularizer_or_constraint_that_is_not_known(name, kind, value):
    for weight in ("kernel", "recurrent", "bias"):
        option = f"{weight}_{kind}"
        check_refused(lambda option=option: getattr(layers, name)(3, **{option: value}), kind, "nosuch|got")


@every_rnn
def test_an_argument_that_is_not_known(name):
    check_refused(lambda: getattr(layers, name)(3, nosuch=1), name, "nosuch")
    check_refused(lambda: getattr(layers, name)(3, return_sequence=True), name, "return_sequence")


@every_rnn
@pytest.mark.parametrize("seed", ["a", -1, 1.5, 2**32], ids=repr)
def test_a_seed_that_is_none(name, seed):
    check_refused(lambda: getattr(layers, name)(3, dropout=0.5, seed=seed), "seed", repr(seed))


@every_rnn
@pytest.mark.parametrize("dtype", ["nosuch", "complex64", "U3", "datetime64[s]", object, 3], ids=repr)
def test_a_dtype_that_is_not_of_real_numbers(name, dtype):
    check_refused(lambda: getattr(layers, name)(3, dtype=dtype), name, "dtype")


@pytest.mark.parametrize("name", RNNS)
def test_a_use_cudnn_that_is_none(name):
    if name != "SimpleRNN":
        check_refused(lambda: getattr(layers, name)(3, use_cudnn="maybe"), name, "use_cudnn", "maybe")


@pytest.mark.parametrize("name", ["a/b", 3, ["x"]], ids=repr)
def test_a_name_that_cannot_be_in_a_path(name):
    check_refused(lambda: layers.LSTM(3, name=name), "LSTM", "name", repr(name))


class _NoCall:
    state_size = 3


class _NoState:
    def call(self, inputs, states):
        return inputs, states


class _Cell(layers.Layer):
    def __init__(self, state_size):
        super().__init__()
        self.state_size = state_size

    def call(self, inputs, states):
        return inputs, states


@pytest.mark.parametrize(
    "cell",
    [_NoCall(), _NoState(), None, 3, "LSTMCell", layers.Dense(2), layers.LSTMCell],
    ids=["no call", "no state_size", "None", "int", "str", "layer", "class"],
)
def test_a_cell_that_is_none(cell):
    check_refused(lambda: layers.RNN(cell), "RNN", "cell")
    check_refused(lambda: layers.StackedRNNCells([layers.GRUCell(2), cell]), "StackedRNNCells", "cell")
    check_refused(lambda: layers.RNN([cell]), "StackedRNNCells|RNN", "cell")


@pytest.mark.parametrize("size", [-1, 1.5, "a", [2, "a"], (2, -3), {"a": None}, [None], True], ids=repr)
def test_a_state_size_that_is_none(size):
    check_refused(lambda: layers.RNN(_Cell(size)), "RNN", "_Cell", "state_size")


def test_no_cells():
    check_refused(lambda: layers.StackedRNNCells([]), "StackedRNNCells", "cell")
    check_refused(lambda: layers.RNN([]), "StackedRNNCells|RNN", "cell")
    check_refused(lambda: layers.StackedRNNCells(layers.GRUCell(2)), "StackedRNNCells", "list|cells")
    check_refused(lambda: layers.StackedRNNCells(3), "StackedRNNCells", "list|cells")


@pytest.mark.parametrize("mode", ["nosuch", "Concat", 3, "", True], ids=repr)
def test_a_merge_mode_that_is_not_known(mode):
    check_refused(
        lambda: layers.Bidirectional(layers.LSTM(2), merge_mode=mode), "Bidirectional", "merge_mode", "concat"
    )


def test_a_merge_mode_that_cannot_be_looked_up():
    check_refused(
        lambda: layers.Bidirectional(layers.LSTM(2), merge_mode=["sum"]), "Bidirectional", "merge_mode", "sum"
    )


def test_two_directions_that_do_not_go_together():
    forward = layers.LSTM(2)
    for layer in (layers.Dense(2), None, 3, "LSTM", layers.LSTM, layers.LSTMCell(3)):
        check_refused(lambda layer=layer: layers.Bidirectional(layer), "Bidirectional", "layer")
        if layer is not None:
            check_refused(
                lambda layer=layer: layers.Bidirectional(forward, backward_layer=layer),
                "Bidirectional",
                "layer",
            )
    check_refused(
        lambda: layers.Bidirectional(forward, backward_layer=layers.LSTM(2)),
        "Bidirectional",
        "go_backwards=True",
    )
    for option in ("return_sequences", "return_state", "stateful"):
        backward = layers.LSTM(2, go_backwards=True, **{option: True})
        check_refused(
            lambda backward=backward: layers.Bidirectional(forward, backward_layer=backward),
            "Bidirectional",
            option,
        )


CONSTRUCTORS = [
    (lambda: layers.TimeDistributed(3), ["TimeDistributed", "layer", "3"]),
    (lambda: layers.TimeDistributed(layers.Dense), ["TimeDistributed", "layer"]),
    (lambda: layers.Dense(0), ["Dense", "units", "0"]),
    (lambda: layers.Dense(-3), ["Dense", "units", "-3"]),
    (lambda: layers.Dense(1.5), ["Dense", "units", "1.5"]),
    (lambda: layers.Dense("3"), ["Dense", "units", "'3'"]),
    (lambda: layers.Dense(2, activation="nosuch"), ["activation", "nosuch"]),
    (lambda: layers.Dense(2, kernel_initializer="nosuch"), ["initializer", "nosuch"]),
    (lambda: layers.Activation("nosuch"), ["activation", "nosuch"]),
    (lambda: layers.Activation(3), ["activation", "3"]),
    (lambda: layers.Embedding(0, 3), ["Embedding", "input_dim", "0"]),
    (lambda: layers.Embedding(4, -1), ["Embedding", "output_dim", "-1"]),
    (lambda: layers.Embedding(4.5, 2), ["Embedding", "input_dim", "4.5"]),
    (lambda: layers.Embedding("4", 2), ["Embedding", "input_dim", "'4'"]),
    (lambda: layers.Embedding(4, 2, weights=[[1.0, 2.0]]), ["Embedding", "shape", "(4, 2)"]),
    (lambda: layers.Dropout(1.1), ["Dropout", "rate", "1.1"]),
    (lambda: layers.Dropout(-0.1), ["Dropout", "rate", "-0.1"]),
    (lambda: layers.Dropout("a"), ["Dropout", "rate", "'a'"]),
    (lambda: layers.Dropout(True), ["Dropout", "rate", "True"]),
    (lambda: layers.Dropout(0.5, noise_shape=(0, 1)), ["Dropout", "noise_shape"]),
    (lambda: layers.Dropout(0.5, noise_shape=3), ["Dropout", "noise_shape", "3"]),
    (lambda: layers.Dropout(0.5, seed="a"), ["seed", "'a'"]),
    (lambda: layers.BatchNormalization(axis="a"), ["BatchNormalization", "axis", "'a'"]),
    (lambda: layers.LayerNormalization(axis="a"), ["LayerNormalization", "axis", "a"]),
    (lambda: layers.LayerNormalization(axis=1.5), ["LayerNormalization", "axis", "1.5"]),
    (lambda: layers.Reshape((-1, -1)), ["Reshape", "-1"]),
    (lambda: layers.Reshape((2, -3)), ["Reshape", "-3"]),
    (lambda: layers.Reshape("ab"), ["Reshape", "ab"]),
    (lambda: layers.Permute((0, 1)), ["Permute", "(0, 1)"]),
    (lambda: layers.Permute((1, 3)), ["Permute", "(1, 3)"]),
    (lambda: layers.Permute((1, 1)), ["Permute", "(1, 1)"]),
    (lambda: layers.Permute("ab"), ["Permute", "('a', 'b')"]),
    (lambda: layers.RepeatVector(0), ["RepeatVector", "0"]),
    (lambda: layers.RepeatVector(-1), ["RepeatVector", "-1"]),
    (lambda: layers.RepeatVector(1.5), ["RepeatVector", "1.5"]),
    (lambda: layers.Lambda(3), ["Lambda", "int"]),
    (lambda: layers.Lambda("nosuch"), ["Lambda", "str"]),
    (lambda: layers.Flatten("nosuch"), ["Flatten", "nosuch"]),
    (lambda: layers.Dot(axes="a"), ["Dot", "axes", "a"]),
    (lambda: layers.Dot(axes=(1, 2, 3)), ["Dot", "axes", "(1, 2, 3)"]),
    (lambda: layers.Dot(axes=1.5), ["Dot", "axes", "1.5"]),
    (lambda: layers.ReLU(max_value=-1), ["ReLU", "max_value", "-1"]),
    (lambda: layers.ReLU(negative_slope=-1), ["ReLU", "negative_slope", "-1"]),
    (lambda: layers.Input(), ["Input", "shape"]),
    (lambda: layers.Input(shape=(-1, 3)), ["Input", "-1"]),
    (lambda: layers.Input(shape=(2.5,)), ["Input", "2.5"]),
    (lambda: layers.Input(shape="ab"), ["Input", "('a', 'b')"]),
    (lambda: layers.Input(shape=(3,), batch_size=-1), ["Input", "-1"]),
    (lambda: layers.Input(shape=(3,), batch_size=0.5), ["Input", "0.5"]),
    (lambda: layers.Input(shape=(3,), batch_shape=(None, 3)), ["Input", "batch_shape"]),
    (lambda: layers.Input(shape=(3,), dtype="nosuch"), ["Input", "nosuch"]),
    (lambda: layers.Input(shape=(3,), sparse=True), ["Input", "sparse"]),
    (lambda: layers.Layer(nosuch=3), ["Layer", "nosuch"]),
    (lambda: layers.deserialize({"class_name": "nosuch", "config": {}}), ["layer", "nosuch"]),
    (lambda: layers.LSTM.from_config({"units": 0}), ["LSTM", "units"]),
    (lambda: layers.LSTM.from_config({}), ["LSTM", "units"]),
    (lambda: minirnn.Sequential([3]), ["Sequential", "3"]),
    (lambda: minirnn.Sequential([layers.Dense]), ["Sequential", "Dense"]),
    (lambda: minirnn.Sequential("ab"), ["Sequential", "layer"]),
    (
        lambda: minirnn.Sequential([layers.Dense(2, name="a"), layers.Dense(2, name="a")]),
        ["Sequential", "'a'"],
    ),
    (lambda: optimizers.get("nosuch"), ["optimizer", "nosuch"]),
    (lambda: optimizers.get(3), ["optimizer", "3"]),
    (lambda: losses.get("nosuch"), ["loss", "nosuch"]),
    (lambda: losses.get(3), ["loss", "3"]),
    (lambda: metrics.get("nosuch"), ["metric", "nosuch"]),
    (lambda: losses.MeanSquaredError(reduction="nosuch"), ["MeanSquaredError", "reduction", "nosuch"]),
    (lambda: minirnn.utils.set_random_seed("a"), ["seed", "'a'"]),
    (lambda: minirnn.utils.set_random_seed(-1), ["seed", "-1"]),
    (lambda: minirnn.config.set_floatx("nosuch"), ["floatx", "nosuch"]),
    (lambda: minirnn.config.set_floatx("int32"), ["floatx", "int32"]),
    (lambda: minirnn.backend.set_backend("nosuch"), ["backend", "nosuch"]),
    (lambda: minirnn.device("nosuch").__enter__(), ["device", "nosuch"]),
    (lambda: minirnn.device("TPU:0").__enter__(), ["device", "TPU"]),
    (lambda: minirnn.kernels.use_tier("nosuch").__enter__(), ["use_tier", "nosuch"]),
]


@pytest.mark.parametrize(
    "call, words", [pytest.param(*c, id=f"{n}-{c[1][0]}") for n, c in enumerate(CONSTRUCTORS)]
)
def test_what_nothing_can_be_made_from(call, words):
    check_refused(call, *words)


OPTIMIZERS = ["SGD", "RMSprop", "Adam"]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": "a"},
        {"learning_rate": None},
        {"clipnorm": -1.0},
        {"clipvalue": -1.0},
        {"global_clipnorm": 0},
        {"clipnorm": 1.0, "clipvalue": 1.0},
        {"clipnorm": 1.0, "global_clipnorm": 1.0},
        {"ema_momentum": 2.0, "use_ema": True},
        {"nosuch": 1},
        {"lr": 0.1},
    ],
    ids=str,
)
def test_an_optimizers_option_that_is_none(name, options):
    check_refused(lambda: getattr(optimizers, name)(**options), name, next(iter(options)))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: optimizers.SGD(momentum=-1.0), ["SGD", "momentum", "-1.0"]),
        (lambda: optimizers.SGD(momentum=2.0), ["SGD", "momentum", "2.0"]),
        (lambda: optimizers.SGD(momentum="a"), ["SGD", "momentum", "a"]),
    ],
)
def test_an_optimizers_own_option_that_is_none(call, words):
    check_refused(call, *words)

"""Laws of NaN checks: the first layer and array at fault are named, and nothing else is changed."""

import re

import numpy as np
import pytest

from minirnn import Model, Sequential, config, grad, layers, ops, optimizers, utils
from minirnn.layers.context import context
from minirnn.models import nan_checks
from tests.models.helpers import state_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 4, 3)).astype("float32")
Y = RNG.normal(size=(24, 2)).astype("float32")


@pytest.fixture(autouse=True)
def checks():
    config.enable_nan_checks()
    with np.errstate(all="ignore"):
        yield
    config.enable_nan_checks(False)


def model_of(*middle, optimizer="sgd", loss="mse", **options):
    utils.set_random_seed(0)
    model = Sequential(
        [layers.Input((4, 3)), layers.LSTM(5, name="lstm"), *middle, layers.Dense(2, name="dense")], name="m"
    )
    model.compile(optimizer, loss, **options)
    return model


def fails(model, *parts, x=X, y=Y, **options):
    """Assert that `fit` ends with an error that has each part, in this order."""
    options = {"batch_size": 8, "epochs": 2, "verbose": 0, "shuffle": False, **options}
    model.predict(X[:2], verbose=0)
    with pytest.raises(FloatingPointError) as caught:
        model.fit(x, y, **options)
    text = str(caught.value)
    assert re.search(".*".join(map(re.escape, parts)), text), text
    return text


class Log(layers.Layer):
    """The logarithm, of which that of 0 is no number."""

    def call(self, inputs):
        return ops.log(ops.maximum(inputs, 0.0))


class Root(layers.Layer):
    """A root whose value at 0 is finite, and whose slope there is not."""

    def build(self, shape):
        self.scale = self.add_weight((shape[-1],), "ones", name="scale")

    def call(self, inputs):
        return ops.sqrt(ops.abs(inputs * 0.0)) * self.scale


def test_it_is_off_unless_asked_for():
    assert config.nan_checks_enabled()
    config.enable_nan_checks(False)
    assert not config.nan_checks_enabled()
    x = X.copy()
    x[3] = np.nan
    history = model_of().fit(x, Y, verbose=0).history
    assert np.isnan(history["loss"]).all()


def test_nan_in_the_data_names_epoch_batch_layer_and_place():
    x = X.copy()
    x[10, 1, 2] = np.nan  # the third sample of the second batch
    text = fails(
        model_of(), "Sequential 'm': fit: epoch 1, batch 2: the loss is nan.", "LSTM 'lstm'", "'sequences'",
        "of 96 numbers of shape (8, 4, 3), float32, 1 are NaN or infinite, the first, nan, at (2, 1, 2)",
        "The data has it: x is", x=x,
    )  # fmt: skip
    assert "weight" not in text


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_targets_and_sample_weights_that_are_not_finite_are_named(value):
    y = Y.copy()
    y[17, 1] = value
    fails(model_of(), "epoch 1, batch 3: the loss is", "from the data: y is", f"{value}, at (1, 1)", y=y)
    weights = np.ones(24, "float32")
    weights[9] = value
    fails(
        model_of(), "batch 2", "from the data: sample_weight is", f"{value}, at (1,)", sample_weight=weights
    )


def test_exploding_weights_are_named_by_the_layer_that_first_meets_them():
    model = model_of(optimizer=optimizers.SGD(1e25))
    fails(
        model, "epoch 1, batch 2: the loss is inf", "arose in a loss", "outputs of Sequential 'm' range",
        "e+24", "largest weight, 'm/dense/bias', reaches",
    )  # fmt: skip
    model = model_of()
    model.layers[1].kernel.assign(np.full((5, 2), np.inf, "float32"))
    fails(
        model,
        "batch 1: the loss is",
        "in Dense 'dense' (m/dense)",
        "its weight 'm/dense/kernel'",
        "inf, at (0, 0)",
    )


def test_weights_of_a_cell_are_those_of_its_layer():
    model = model_of()
    values = model.layers[0].cell.bias.numpy()
    values[7] = np.nan
    model.layers[0].cell.bias.assign(values)
    fails(
        model,
        "LSTM 'lstm'",
        "'m/lstm/lstm_cell/bias'",
        "of 20 numbers of shape (20,)",
        "1 are",
        "nan, at (7,)",
    )


def test_the_logarithm_of_0_in_a_layer_of_the_users_own_is_named():
    text = fails(
        model_of(Log(name="log")),
        "batch 1",
        "first in Log 'log'",
        "its output is not",
        "-inf",
        "weights are finite",
    )
    assert "Dense" not in text


def test_a_layer_inside_of_a_model_inside_is_named_with_its_path():
    inner = Sequential(
        [layers.Input((5,)), layers.Dense(5, activation="relu", name="h"), Log(name="log")], name="in"
    )
    fails(model_of(inner), "first in Log 'log' (m/in/log): its output")


def test_the_loss_itself_is_named_where_all_else_is_finite():
    fails(
        model_of(loss=lambda y_true, y_pred: ops.log(y_pred * 0.0)), "All weights and all that layers",
        "in a loss or regularizer", "outputs of Sequential 'm' range from",
    )  # fmt: skip


def test_masked_steps_may_hold_anything():
    lengths = np.array([2, 3] * 4)
    x, mask = X[:8].copy(), np.arange(4) < lengths[:, None]
    x[~mask] = np.nan

    class Masked(Model):
        def __init__(self):
            super().__init__(name="masked")
            self.rnn, self.out = layers.LSTM(3, name="rnn"), layers.Dense(2, name="out")

        def call(self, inputs):
            return self.out(self.rnn(inputs["x"], mask=inputs["mask"]))

    model = Masked()
    model.compile("sgd", "mse")
    model.fit({"x": x, "mask": mask}, Y[:8], verbose=0)
    model.out.kernel.assign(np.full((3, 2), np.nan, "float32"))
    with pytest.raises(FloatingPointError, match=r"Dense 'out'.*weight 'masked/out/kernel'"):
        model.fit({"x": x, "mask": mask}, Y[:8], verbose=0)


def test_a_gradient_that_overflows_while_the_loss_is_finite_is_named():
    fails(
        model_of(layers.Dense(5, name="before"), Root(name="root")), "batch 1: the loss is finite",
        "gradient of weight 'm/", "Nor is that of the output of Dense 'before' (m/before)",
        "in the reverse pass of Root 'root' (m/root), the gradient of whose output is finite",
    )  # fmt: skip


def test_the_layer_in_whose_reverse_pass_it_arose_is_named():
    text = fails(
        model_of(Root(name="root")), "the reverse pass of Root 'root' (m/root), the gradient of whose output"
    )
    assert "gradient of weight 'm/lstm/lstm_cell/kernel'" in text


def test_a_weight_whose_gradient_alone_overflows_is_named():
    class Huge(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight((1,), "zeros", name="w")

        def call(self, inputs):
            return inputs + ops.sqrt(ops.abs(self.w))

    text = fails(
        model_of(Huge(name="huge")), "gradient of weight 'm/huge/w'", "in the reverse pass of Huge 'huge'"
    )
    assert "lstm" not in text


def test_what_is_scaled_to_overflow_is_no_fault_but_a_loss_that_is_not_finite_is():
    scaled = optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=1e38)
    model = model_of(optimizer=scaled)
    model.fit(X * 1e6, Y * 1e6, verbose=0)
    assert float(scaled.dynamic_scale) < 1e38
    fails(
        model_of(Log(name="log"), optimizer=optimizers.LossScaleOptimizer(optimizers.SGD(0.1))), "Log 'log'"
    )


def test_a_failed_step_is_taken_back():
    x = X.copy()
    x[0] = np.nan
    model = model_of(optimizer="adam")
    model.fit(X, Y, verbose=0)
    before = state_of(model)
    with pytest.raises(FloatingPointError):
        model.train_on_batch(x, Y)
    assert state_of(model) == before
    assert context.watch is None


@pytest.mark.parametrize("method", ["train_on_batch", "test_on_batch", "evaluate"])
def test_the_other_ways_to_a_loss_check_it_too(method):
    model, options = model_of(Log(name="log")), {"verbose": 0} if method == "evaluate" else {}
    with pytest.raises(FloatingPointError, match=f"Sequential 'm': {method}.*the loss is.*Log 'log'"):
        getattr(model, method)(X, Y, **options)


def test_validation_data_is_named_as_such():
    bad = X.copy()
    bad[:] = np.inf
    with pytest.raises(FloatingPointError, match=r"fit: validation: batch 1: the loss is nan.*LSTM 'lstm'"):
        model_of().fit(X, Y, validation_data=(bad, Y), verbose=0)


class Own(Model):
    """A step of the user's own, which goes by none of the methods that check."""

    def __init__(self, root):
        super().__init__(name="own")
        self.layer = Root(name="root") if root else Log(name="log")
        self.dense = layers.Dense(2, name="dense")

    def call(self, inputs):
        return self.layer(self.dense(inputs[:, 0]))

    def train_step(self, data):
        x, y = data
        loss = ops.mean(ops.square(self(x, training=True) - y))
        self.optimizer.apply(grad(loss, self.trainable_weights), self.trainable_weights)
        return {"loss": loss}


def test_a_step_of_the_users_own_is_checked_by_what_it_reports_and_sets():
    for root, message in (
        (False, "the loss is.*Log 'log'.*its output"),
        (True, "has set the weight '.*dense/kernel'"),
    ):
        model = Own(root)
        model(X)
        model.compile("sgd")
        before = state_of(model)
        with pytest.raises(FloatingPointError, match=f"own': fit: epoch 1, batch 1: .*{message}"):
            model.fit(X, Y, batch_size=8, verbose=0)
        assert state_of(model) == before


@pytest.mark.parametrize("optimizer", ["adam", optimizers.LossScaleOptimizer(optimizers.Adam())])
def test_a_training_that_is_finite_is_the_same_with_and_without_checks(optimizer):
    found = []
    for enabled in (True, False):
        config.enable_nan_checks(enabled)
        utils.set_random_seed(0)
        model = model_of(layers.Dropout(0.3), layers.BatchNormalization())
        model.compile(
            type(optimizer).from_config(optimizer.get_config()) if optimizer != "adam" else "adam", "mse"
        )
        found.append((model.fit(X, Y, epochs=3, batch_size=8, verbose=0).history, state_of(model)))
    assert found[0] == found[1]


@pytest.mark.parametrize("enabled", [False, True])
def test_nothing_is_looked_at_unless_it_is_on(monkeypatch, enabled):
    config.enable_nan_checks(enabled)
    made = []
    monkeypatch.setattr(nan_checks.Watch, "begin", lambda self: made.append(self) or 0)
    model_of().train_on_batch(X, Y)
    assert bool(made) == enabled


def test_steps_of_a_cell_are_named_as_calls_of_the_cell():
    model = Sequential(
        [layers.Input((4, 3)), layers.RNN(layers.GRUCell(2, name="cell"), name="rnn")], name="m"
    )
    model.compile("sgd", "mse")
    x = X.copy()
    x[0, 2] = np.inf
    fails(model, "GRUCell 'cell' (m/rnn/cell)", "'inputs'", "of shape (8, 3)", "inf, at (0, 0)", x=x)

"""`fit`: what a step does, what the history says, and that equal data in any form gives equal weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirnn import Input, Model, Sequential, callbacks, grad, layers, losses, metrics, ops, optimizers, utils
from minirnn.autograd import value_and_grad
from tests.models.helpers import LABELS, VALUES, X, classifier, compiled, regressor, state_of, two_headed


def fitted(model, *args, **kwargs):
    """The weights after `fit`, as bytes, and the history."""
    history = model.fit(*args, **{"verbose": 0, **kwargs}).history
    return [w.tobytes() for w in model.get_weights()], history


SPARSE = losses.SparseCategoricalCrossentropy(from_logits=True)


def test_a_step_of_sgd_is_the_gradient_of_the_mean_loss_times_the_rate():
    model = regressor()
    before = model.get_weights()
    error = X.reshape(23, 12) @ before[0] + before[1] - VALUES
    model.compile(optimizers.SGD(0.1), "mse")
    history = model.fit(X, VALUES, batch_size=23, verbose=0).history
    np.testing.assert_allclose(history["loss"], [(error**2).mean()], rtol=1e-5)
    gradient = X.reshape(23, 12).T @ error * (2 / error.size)
    np.testing.assert_allclose(model.get_weights()[0], before[0] - 0.1 * gradient, atol=1e-6)


@given(st.integers(1, 23))
def test_the_loss_of_an_epoch_is_the_mean_over_its_samples_whatever_the_batches(batch_size):
    model = regressor()
    model.compile(optimizers.SGD(0.0), "mse", metrics=["mae"])
    history = model.fit(X, VALUES, batch_size=batch_size, verbose=0).history
    error = np.asarray(model(X)) - VALUES
    np.testing.assert_allclose(history["loss"], [(error**2).mean()], rtol=1e-4)
    np.testing.assert_allclose(history["mae"], [abs(error).mean()], rtol=1e-4)


def test_a_seed_makes_a_run_bit_identical_and_another_one_different():
    def run(seed):
        utils.set_random_seed(seed)
        model = Sequential([layers.GRU(4, dropout=0.3, input_shape=(4, 3)), layers.Dense(3)])
        model.compile("adam", SPARSE, metrics=["accuracy"])
        return fitted(model, X, LABELS, batch_size=5, epochs=2, validation_split=0.2)

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_the_history_has_the_names_of_keras_in_its_order():
    model = compiled(loss=SPARSE)
    history = model.fit(X, LABELS, validation_split=0.3, epochs=2, verbose=0)
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.epoch == [0, 1] and model.history is history
    assert all(isinstance(v, float) for values in history.history.values() for v in values)


WAYS = {
    "generator": lambda: {
        "x": ((X[i : i + 5], LABELS[i : i + 5]) for i in range(0, 23, 5)),
        "batch_size": None,
    },
    "float64": lambda: {"x": X.astype("float64"), "y": LABELS},
    "column": lambda: {"x": X, "y": LABELS[:, None]},
    "list": lambda: {"x": [X], "y": [LABELS]},
    "tensors": lambda: {"x": ops.convert_to_tensor(X), "y": ops.convert_to_tensor(LABELS)},
    "unit_weights": lambda: {"x": X, "y": LABELS, "sample_weight": np.ones(23)},
    "unit_class_weights": lambda: {"x": X, "y": LABELS, "class_weight": {0: 1.0}},
    "steps": lambda: {"x": X, "y": LABELS, "steps_per_epoch": 5},
}


@pytest.mark.parametrize("way", WAYS)
def test_equal_data_in_any_form_gives_equal_weights(way):
    expected = fitted(compiled(loss=SPARSE), X, LABELS, batch_size=5, shuffle=False)
    options = {"batch_size": 5, "shuffle": False, **WAYS[way]()}
    assert fitted(compiled(loss=SPARSE), **options) == expected


def test_several_batches_between_callbacks_change_nothing_but_that():
    seen = []
    note = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    expected = fitted(compiled(loss=SPARSE), X, LABELS, batch_size=4)
    model = compiled(loss=SPARSE, steps_per_execution=4)
    assert fitted(model, X, LABELS, batch_size=4, callbacks=[note]) == expected
    assert seen == [3, 5]


def test_class_weights_are_sample_weights_by_class():
    table = {0: 3.0, 2: 0.25}
    weights = np.array([table.get(int(n), 1.0) for n in LABELS])
    options = {"batch_size": 6, "shuffle": False}
    expected = fitted(compiled(loss=SPARSE), X, LABELS, sample_weight=weights, **options)
    assert fitted(compiled(loss=SPARSE), X, LABELS, class_weight=table, **options) == expected


@given(st.integers(2, 21))
@settings(max_examples=8)
def test_a_split_is_the_end_of_the_data_set_apart(at):
    share = 1 - (at + 0.5) / 23
    split = fitted(compiled(loss=SPARSE), X, LABELS, validation_split=share)
    apart = fitted(compiled(loss=SPARSE), X[:at], LABELS[:at], validation_data=(X[at:], LABELS[at:]))
    assert split == apart


def test_none_in_place_of_an_argument_is_no_output_no_shuffle_and_no_split(capsys):
    plain = fitted(compiled(loss=SPARSE), X, LABELS, shuffle=False, batch_size=5)
    options = {"verbose": None, "shuffle": None, "validation_split": None, "batch_size": 5}
    assert fitted(compiled(loss=SPARSE), X, LABELS, **options) == plain
    model = compiled(loss=SPARSE)
    model.evaluate(X, LABELS, verbose=None)
    model.predict(X, verbose=None)
    assert capsys.readouterr().out == ""


def test_class_weights_do_not_reach_the_validation():
    model = compiled(loss=SPARSE)
    history = model.fit(X, LABELS, validation_split=0.4, class_weight={0: 9.0}, verbose=0).history
    at = int(23 * 0.6)
    np.testing.assert_allclose(
        history["val_loss"][0], model.evaluate(X[at:], LABELS[at:], verbose=0)[0], rtol=1e-6
    )


def test_validation_is_evaluation_after_the_epochs_that_were_asked_for():
    model = compiled(loss=SPARSE)
    history = model.fit(
        X, LABELS, epochs=4, validation_data=(X[:7], LABELS[:7]), validation_freq=[2, 4], verbose=0
    ).history
    assert len(history["loss"]) == 4 and len(history["val_loss"]) == 2
    expected = model.evaluate(X[:7], LABELS[:7], return_dict=True, verbose=0)
    assert {name.removeprefix("val_"): v[-1] for name, v in history.items() if "val_" in name} == expected


@pytest.mark.parametrize("steps", [1, 2])
def test_validation_sees_the_same_batches_in_every_epoch(steps):
    model = compiled(loss=SPARSE, optimizer=optimizers.SGD(0.0))
    model.layers[1].trainable = False
    history = model.fit(
        X,
        LABELS,
        epochs=3,
        validation_data=(X, LABELS),
        validation_steps=steps,
        validation_batch_size=4,
        verbose=0,
    ).history
    expected = model.evaluate(X[: 4 * steps], LABELS[: 4 * steps], batch_size=4, verbose=0)[0]
    assert history["val_loss"] == [expected] * 3


def test_validation_may_come_every_so_many_epochs():
    model = compiled(loss=SPARSE)
    history = model.fit(X, LABELS, epochs=5, validation_split=0.3, validation_freq=2, verbose=0).history
    assert len(history["val_loss"]) == 2


def test_training_stops_when_a_callback_says_so():
    model = compiled(loss=SPARSE)

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    history = model.fit(X, LABELS, batch_size=5, epochs=9, callbacks=Stop(), verbose=0)
    assert history.epoch == [0] and int(model.optimizer.iterations) == 2


def test_a_generator_that_ends_early_ends_the_training_with_a_warning():
    model = compiled(loss=SPARSE)
    batches = ((X[:5], LABELS[:5]) for _ in range(5))
    with pytest.warns(UserWarning, match="ended after 1 of 2"):
        history = model.fit(batches, epochs=9, steps_per_epoch=2, verbose=0)
    assert history.epoch == [0, 1, 2] and int(model.optimizer.iterations) == 5


def test_epochs_are_counted_from_the_first_one_asked_for():
    history = compiled(loss=SPARSE).fit(X, LABELS, initial_epoch=3, epochs=5, verbose=0)
    assert history.epoch == [3, 4]
    assert compiled(loss=SPARSE).fit(X, LABELS, epochs=0, verbose=0).history == {}


def test_the_first_batch_is_tried_out_without_a_trace():
    utils.set_random_seed(0)
    model = Sequential(
        [layers.Dropout(0.5, input_shape=(4, 3)), layers.Flatten(), layers.BatchNormalization()]
    )
    model.compile(optimizers.SGD(0.0), "mse")
    model.predict(X, verbose=0)
    before = state_of(model)
    model.fit(X, np.zeros((23, 12)), epochs=0, verbose=0)
    assert state_of(model)[: len(before)] == before
    stateful = Sequential([layers.LSTM(2, stateful=True)])
    stateful.compile("sgd", "mse")
    stateful.fit(X, VALUES, batch_size=23, epochs=0, verbose=0)
    np.testing.assert_array_equal(stateful.layers[0].states[0], np.zeros((23, 2)))
    assert float(stateful.get_metrics_result()["loss"]) == 0


def test_a_model_of_several_outputs_reports_each_of_them():
    model = two_headed()
    model.compile("sgd", "mse", metrics=["mae"])
    y = {"first": VALUES[:, :1], "second": VALUES}
    history = model.fit([X[:, 0], X[:, 1]], y, verbose=0).history
    assert list(history) == ["first_loss", "first_mae", "loss", "second_loss", "second_mae"]
    np.testing.assert_allclose(
        history["loss"][0], history["first_loss"][0] + history["second_loss"][0], rtol=1e-6
    )


def test_a_custom_step_that_does_what_the_default_does_gives_the_same_weights():
    class Custom(Sequential):
        def train_step(self, data):
            x, y = data
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            gradients = grad(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"my_loss": loss}

    expected, _ = fitted(compiled(loss=SPARSE), X, LABELS, batch_size=6)
    utils.set_random_seed(0)
    model = Custom([Input((None, 3)), layers.GRU(4), layers.BatchNormalization(), layers.Dense(3)])
    model.compile("sgd", SPARSE)
    weights, history = fitted(model, X, LABELS, batch_size=6)
    assert weights == expected and list(history) == ["my_loss"]


def test_a_subclass_is_built_by_fit_and_trains_with_metrics_of_its_own():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.body, self.head = layers.LSTM(4), layers.Dense(2)
            self.seen = metrics.Mean(name="seen")

        def call(self, x, training=False):
            return self.head(self.body(x))

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            self.seen.update_state(ops.ones((len(y),)) * len(y))
            return super().compute_metrics(x, y, y_pred, sample_weight)

    model = Net()
    model.compile("adam", "mse", metrics=["mae"])
    history = model.fit(X, VALUES, batch_size=23, verbose=0).history
    assert list(history) == ["loss", "mae", "seen"] and history["seen"] == [23.0]
    assert len(model.weights) == 5 and [layer.name for layer in model.layers] == [
        model.body.name,
        model.head.name,
    ]
    assert model.predict(X, verbose=0).shape == (23, 2)


def test_an_unbuilt_model_with_a_step_of_its_own_trains_from_the_first_epoch_on():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.head = layers.Dense(2, kernel_regularizer="l2")

        def call(self, x):
            return self.head(x)

        def train_step(self, data):
            x, y = data
            loss = ops.mean(ops.square(self(x) - y)) + sum(self.losses)
            self.optimizer.apply(grad(loss, self.trainable_variables), self.trainable_variables)
            return {"loss": loss}

    model = Net()
    model.compile("sgd")
    values = model.fit(X[:, 0], VALUES, epochs=3, batch_size=23, verbose=0).history["loss"]
    assert values[0] > values[1] > values[2]


def test_an_old_compute_loss_without_training_still_works():
    class Net(Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return ops.mean(ops.absolute(y - y_pred)) * 3.0

    model = Net([Input((4, 3)), layers.Flatten(), layers.Dense(2)])
    model.compile(optimizers.SGD(0.0))
    expected = 3 * abs(np.asarray(model(X)) - VALUES).mean()
    np.testing.assert_allclose(
        model.fit(X, VALUES, batch_size=23, verbose=0).history["loss"], [expected], rtol=1e-5
    )


def test_a_loss_added_by_a_layer_is_enough():
    class Adding(layers.Layer):
        def call(self, x):
            self.add_loss(ops.mean(ops.square(x)))
            return x

    model = Sequential([Input((3,)), layers.Dense(3), Adding()])
    model.compile(optimizers.SGD(0.1))
    history = model.fit(X[:, 0], epochs=3, verbose=0).history["loss"]
    assert history[0] > history[1] > history[2]


def test_frozen_layers_stay_as_they_are():
    model = classifier()
    model.layers[0].trainable = False
    model.compile("adam", SPARSE)
    frozen = [w.tobytes() for w in model.layers[0].get_weights()]
    head = model.layers[2].get_weights()[0]
    model.fit(X, LABELS, verbose=0)
    assert [w.tobytes() for w in model.layers[0].get_weights()] == frozen
    assert not np.array_equal(model.layers[2].get_weights()[0], head)


def test_train_on_batch_is_a_step_of_fit():
    one, other = compiled(loss=SPARSE), compiled(loss=SPARSE)
    logs = one.train_on_batch(X, LABELS, return_dict=True)
    history = other.fit(X, LABELS, batch_size=23, shuffle=False, verbose=0).history
    assert {name: [value] for name, value in logs.items()} == history
    assert [w.tobytes() for w in one.get_weights()] == [w.tobytes() for w in other.get_weights()]
    assert compiled(loss=SPARSE).train_on_batch(X, LABELS) == [logs["loss"], logs["accuracy"]]


def test_a_stateful_model_keeps_its_state_until_it_is_reset():
    model = Sequential([Input(batch_shape=(2, 3, 3)), layers.LSTM(4, stateful=True)])
    assert model.stateful
    x = X[:2, :3]
    first, second = model.predict(x, verbose=0), model.predict(x, verbose=0)
    assert not np.array_equal(first, second)
    model.reset_states()
    np.testing.assert_array_equal(model.predict(x, verbose=0), first)
    whole = Sequential([Input((6, 3)), layers.LSTM(4)])
    whole.set_weights(model.get_weights())
    np.testing.assert_allclose(whole(np.concatenate([x, x], axis=1)), second, atol=1e-6)


@pytest.mark.parametrize("kind", [list, dict])
def test_partial_targets_serve_outputs_of_which_some_have_no_loss(kind):
    x = Input((3,))
    model = Model(x, [layers.Dense(1, name="free")(x), layers.Dense(2, name="taught")(x)])
    model.compile("sgd", {"free": None, "taught": "mse"} if kind is dict else [None, "mse"])
    y = {"taught": VALUES} if kind is dict else [VALUES]
    with pytest.warns(UserWarning, match="no gradient"):
        history = model.fit(X[:, 0], y, verbose=0).history
    assert list(history) == ["loss"]


def test_a_step_that_fails_leaves_what_the_step_before_it_left():
    first, second = (X[:8], LABELS[:8]), (X[8:16], np.where(np.arange(8) == 7, 3, LABELS[8:16]))
    expected, model = compiled(loss=SPARSE, optimizer="adam"), compiled(loss=SPARSE, optimizer="adam")
    expected.fit(iter([first]), verbose=0)
    with pytest.raises(ValueError, match="from 0 to 2"):
        model.fit(iter([first, second]), verbose=0)
    assert state_of(model) == state_of(expected)


@pytest.mark.parametrize("bad", [-1, 3, 1.5])
@pytest.mark.parametrize("place", ["y", "validation_data"])
def test_a_label_out_of_range_in_a_later_batch_is_refused_before_the_first_one_trains(bad, place):
    model = Sequential([layers.Input((2,)), layers.Dense(3)])
    model.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    x, good, wrong = np.ones((6, 2)), np.zeros(6), np.zeros(6)
    wrong[5] = bad
    before = model.get_weights()
    targets = {"y": wrong} if place == "y" else {"y": good, "validation_data": (x, wrong)}
    with pytest.raises(ValueError, match="integers from 0 to 2"):
        model.fit(x, batch_size=2, validation_batch_size=2, verbose=0, **targets)
    for w, b in zip(model.get_weights(), before):
        np.testing.assert_array_equal(w, b)
    assert model.optimizer.iterations == 0
    model.fit(x, good, batch_size=2, verbose=0)
    assert model.optimizer.iterations == 3


@pytest.mark.parametrize("run", ["fit", "train_on_batch"])
def test_a_step_of_ones_own_finds_the_weights_of_the_first_batch(run):
    counts = []

    class Own(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x, training=False):
            return self.dense(x)

        def train_step(self, data):
            x, y = data
            weights = self.trainable_variables
            counts.append(len(weights))
            loss, gradients = value_and_grad(lambda _: self.compute_loss(x, y, self(x, training=True)))(
                weights
            )
            self.optimizer.apply_gradients(zip(gradients, weights))
            return {"loss": loss}

    model = Own()
    model.compile("sgd", "mse")
    getattr(model, run)(np.ones((4, 3)), np.ones((4, 1)))
    assert counts == [2]


def test_a_step_of_ones_own_may_take_what_call_does_not():
    class Own(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x["numbers"])

        def train_step(self, data):
            loss = ops.mean(self({"numbers": data}))
            gradients = grad(loss, self.trainable_weights)
            self.optimizer.apply(gradients, self.trainable_weights)
            return {"loss": loss}

    model = Own()
    model.compile("sgd")
    assert len(model.fit(np.ones((4, 3)), batch_size=2, verbose=0).history["loss"]) == 1
    assert int(model.optimizer.iterations) == 2

"""`evaluate` and `predict`: the same numbers whatever the batches, in little memory."""

import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import Input, Sequential, callbacks, layers, losses, metrics, ops, utils
from minirnn.models.collect import Collected
from tests.models.helpers import LABELS, VALUES, X, classifier, compiled, regressor, state_of, two_headed

SPARSE = losses.SparseCategoricalCrossentropy(from_logits=True)


@given(st.integers(1, 30), st.sampled_from(["arrays", "generator"]))
def test_predict_is_the_model_called_on_all_whatever_the_batches(batch_size, kind):
    model = classifier()
    batches = (X[i : i + batch_size] for i in range(0, 23, batch_size))
    y = model.predict(X, batch_size, verbose=0) if kind == "arrays" else model.predict(batches, verbose=0)
    assert type(y) is np.ndarray and y.dtype == "float32"
    np.testing.assert_allclose(y, model(X), rtol=1e-5, atol=1e-6)


def test_predict_gives_the_structure_of_the_outputs():
    model = two_headed()
    inputs = [X[:, 0], X[:, 1]]
    expected = model(inputs)
    for y in (model.predict(inputs, batch_size=5, verbose=0), model.predict_on_batch(inputs)):
        assert sorted(y) == ["first", "second"]
        for name, value in y.items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)


def test_predict_takes_so_many_steps():
    y = classifier().predict(X, batch_size=4, steps=2, verbose=0)
    np.testing.assert_allclose(y, classifier()(X[:8]), rtol=1e-5, atol=1e-6)


def test_outputs_that_are_not_one_a_sample_are_put_in_a_row():
    collected = Collected(4)
    collected.add([np.zeros((2, 3)), np.zeros((2, 1))], 2)
    collected.add([np.ones((1, 3)), np.ones((5, 1))], 2)
    assert [y[:, 0].tolist() for y in collected.result("predict")] == [[0, 0, 1], [0, 0, 1, 1, 1, 1, 1]]
    model = Sequential([Input((4, 3)), layers.Lambda(lambda x: ops.reshape(x, (-1, 3)))])
    np.testing.assert_array_equal(model.predict(X, batch_size=5, verbose=0), X.reshape(-1, 3))


def test_predict_needs_memory_for_the_outputs_and_a_batch_alone():
    model = Sequential([Input((50, 20)), layers.SimpleRNN(2)])
    # 320 MB as it would be in memory, of which no more than batches exist at a time.
    x = np.broadcast_to(np.float64(1), (40_000, 50, 20))
    model.predict(x[:64], verbose=0)
    tracemalloc.start()
    y = model.predict(x, batch_size=500, verbose=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert y.shape == (40_000, 2)
    assert peak < 24e6


@given(st.integers(1, 30))
def test_evaluate_is_the_mean_over_all_samples_whatever_the_batches(batch_size):
    model = compiled(loss=SPARSE)
    logs = model.evaluate(X, LABELS, batch_size=batch_size, verbose=0, return_dict=True)
    y = model.predict(X, verbose=0)
    log_p = y - np.log(np.exp(y).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(logs["loss"], -log_p[np.arange(23), LABELS].mean(), rtol=1e-4)
    np.testing.assert_allclose(logs["accuracy"], (y.argmax(axis=1) == LABELS).mean(), rtol=1e-6)
    assert model.evaluate(X, LABELS, batch_size=batch_size, verbose=0) == [logs["loss"], logs["accuracy"]]


def test_neither_changes_anything():
    utils.set_random_seed(0)
    model = Sequential([Input((4, 3)), layers.Dropout(0.5), layers.BatchNormalization(), layers.Flatten()])
    model.add(layers.Dense(2))
    model.compile("adam", "mse")
    model.fit(X, VALUES, verbose=0)
    before = state_of(model)
    model.evaluate(X, VALUES, verbose=0)
    model.predict(X, verbose=0)
    model.test_on_batch(X, VALUES)
    model.predict_on_batch(X)
    assert state_of(model) == before


def test_the_loss_alone_is_a_number():
    model = regressor()
    model.compile("sgd", "mse")
    expected = ((np.asarray(model(X)) - VALUES) ** 2).mean()
    np.testing.assert_allclose(model.evaluate(X, VALUES, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(X, VALUES), expected, rtol=1e-5)
    np.testing.assert_allclose(model.evaluate([(X, VALUES)].__iter__(), verbose=0), expected, rtol=1e-5)


def test_sample_weights_scale_the_loss_and_the_weighted_metrics_alone():
    model = regressor()
    model.compile("sgd", "mse", metrics=["mse"], weighted_metrics=["mae"])
    w = np.linspace(0, 2, 23)
    logs = model.evaluate(X, VALUES, sample_weight=w, return_dict=True, verbose=0)
    error = np.asarray(model(X)) - VALUES
    np.testing.assert_allclose(logs["loss"], ((error**2).mean(axis=1) * w).mean(), rtol=1e-5)
    np.testing.assert_allclose(logs["mse"], (error**2).mean(), rtol=1e-5)
    np.testing.assert_allclose(logs["mae"], (abs(error).mean(axis=1) * w).sum() / w.sum(), rtol=1e-5)


def test_regularizers_count_in_the_loss_of_evaluate():
    model = Sequential([Input((3,)), layers.Dense(2, kernel_regularizer="l2")])
    model.compile("sgd", "mse")
    kernel = model.get_weights()[0]
    error = np.asarray(model(X[:, 0])) - VALUES
    expected = (error**2).mean() + 0.01 * (kernel**2).sum()
    np.testing.assert_allclose(model.evaluate(X[:, 0], VALUES, verbose=0), expected, rtol=1e-5)


def test_a_model_without_a_loss_evaluates_its_metrics():
    model = regressor()
    model.compile(metrics=["mse"])
    logs = model.evaluate(X, VALUES, return_dict=True, verbose=0)
    assert logs["loss"] == 0 and logs["mse"] > 0


@pytest.mark.parametrize("method", ["predict", "evaluate", "predict_on_batch", "test_on_batch"])
def test_nothing_is_recorded_for_a_gradient(method):
    seen = []

    class Noting(Sequential):
        def call(self, inputs, training=None, mask=None):
            seen.append(super().call(inputs))
            return seen[-1]

    model = Noting([Input((3,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    arguments = (X[:, 0],) if "predict" in method else (X[:, 0], VALUES)
    getattr(model, method)(*arguments, **({} if "batch" in method else {"verbose": 0}))
    assert len(seen) > 0 and all(y.node is None and not y.requires_grad for y in seen)


def test_a_predict_without_a_batch_says_so():
    with pytest.raises(ValueError, match=r"Sequential .*: predict: the data yielded no batch"):
        classifier().predict(iter([]), verbose=0)


def test_what_a_model_consists_of_is_asked_again_after_predictions_that_overlap():
    """Of two threads, the one that began first ends first."""
    model, x = Sequential([Input((3,)), layers.Dense(2), layers.Dense(2)]), np.ones((2, 3), "float32")
    first, second, end = (threading.Event() for _ in range(3))

    class Wait(callbacks.Callback):
        def __init__(self, reached, until):
            super().__init__()
            self.reached, self.until = reached, until

        def on_predict_batch_end(self, batch, logs=None):
            self.reached.set()
            self.until.wait(10)

    def predict(*events):
        thread = threading.Thread(target=lambda: model.predict(x, verbose=0, callbacks=[Wait(*events)]))
        thread.start()
        events[0].wait(10)
        return thread

    one, other = predict(first, second), predict(second, end)
    one.join()
    end.set()
    other.join()
    model.trainable = False
    assert not model.trainable_weights


class Ratio(metrics.Metric):
    """Divides by what it counted, which is nothing before it has seen a batch."""

    def __init__(self, divide):
        super().__init__(name="ratio")
        self.divide = divide
        self.total, self.count = self.add_weight(name="total"), self.add_weight(name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign(self.total + ops.sum(y_true))
        self.count.assign(self.count + y_true.shape[0] * y_true.shape[1])

    def result(self):
        return self.divide(self.total, self.count)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", ["evaluate", "test_on_batch", "train_on_batch", "fit"])
@pytest.mark.parametrize(
    "divide", [lambda a, b: a / b, lambda a, b: float(a) / float(b)], ids=["tensors", "numbers"]
)
def test_the_result_of_a_metric_is_asked_for_after_a_batch_and_counts_no_batch_twice(method, divide):
    model, metric = regressor(), Ratio(divide)
    model.compile("sgd", "mse", metrics=[metric])
    options = {} if method.endswith("batch") else {"verbose": 0}
    getattr(model, method)(X, VALUES, **options)
    assert float(metric.count) == VALUES.size
    np.testing.assert_allclose(float(metric.result()), VALUES.mean(), rtol=1e-5)


def test_trying_out_a_batch_leaves_metrics_as_they_were():
    model, metric = regressor(), Ratio(lambda a, b: a)
    model.compile("sgd", "mse", metrics=[metric])
    metric.reset_state = lambda: None
    metric.total.assign(7.0)
    model.evaluate(X, VALUES, verbose=0)
    np.testing.assert_allclose(float(metric.total), 7 + VALUES.sum(), rtol=1e-5)

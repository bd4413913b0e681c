"""Metrics: formulas over batches, weights, masks, resets, and what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import backend, metrics
from minirnn.autograd import Variable, convert
from tests.metrics.cases import CASES, HELD, predictions

seeds = st.integers(0, 1000)
case = pytest.mark.parametrize("make, arrange, expected", CASES.values(), ids=CASES)


@case
@given(seed=seeds, cuts=st.lists(st.integers(0, 12), max_size=3))
def test_the_result_over_batches_is_its_formula_for_all_samples(make, arrange, expected, seed, cuts):
    y, p = predictions(seed)
    metric = make()
    for y_batch, p_batch in zip(np.split(y, sorted(cuts)), np.split(p, sorted(cuts))):
        metric.update_state(*arrange(y_batch, p_batch))
    assert np.isclose(float(metric.result()), expected(y, p), rtol=1e-5)


@case
@given(seed=seeds)
def test_an_integer_weight_counts_as_so_many_repetitions(make, arrange, expected, seed):
    y, p = predictions(seed)
    counts = np.random.default_rng(seed).integers(0, 4, len(y))
    weighted, repeated = make(), make()
    weighted.update_state(*arrange(y, p), sample_weight=counts)
    repeated.update_state(*arrange(np.repeat(y, counts), np.repeat(p, counts, 0)))
    assert np.isclose(float(weighted.result()), float(repeated.result()), rtol=1e-5)


@case
def test_a_reset_metric_is_as_new(make, arrange, expected):
    metric, fresh = make(), make()
    metric(*arrange(*predictions(0)))
    metric.reset_state()
    assert all((v.numpy() == 0).all() for v in metric.variables)
    assert float(metric.result()) == float(fresh.result())
    assert float(metric(*arrange(*predictions(1)))) == float(fresh(*arrange(*predictions(1))))


@case
def test_the_config_makes_the_same_metric_again(make, arrange, expected):
    metric = make()
    again = metrics.deserialize(metrics.serialize(metric))
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()
    assert float(again(*arrange(*predictions(2)))) == float(metric(*arrange(*predictions(2))))


@pytest.mark.parametrize("name", CASES)
@given(seed=seeds)
def test_a_sample_that_a_mask_leaves_out_is_not_counted(name, seed):
    make, arrange, expected = CASES[name]
    y, p = predictions(seed)
    kept = np.random.default_rng(seed).uniform(size=len(y)) > 0.4
    kept[0] = True
    targets, scores = arrange(y, p)
    scores = convert(scores)
    backend.set_keras_mask(scores, convert(kept))
    metric = make()
    assert np.isclose(float(metric(targets, scores)), expected(y[kept], p[kept]), rtol=1e-5)


def test_an_adjusted_r2_counts_what_a_mask_leaves():
    y, p = predictions(0)
    targets, scores = y[:, None] + 0.0, convert(p[:, :1])
    backend.set_keras_mask(scores, convert(np.arange(12) < 7))
    found = metrics.R2Score(num_regressors=2)(targets, scores)
    assert np.isclose(float(found), float(metrics.R2Score(num_regressors=2)(targets[:7], p[:7, :1])))


@given(seed=seeds)
def test_what_a_mask_leaves_out_is_not_counted(seed):
    rng = np.random.default_rng(seed)
    y, p, mask = (
        rng.integers(0, 4, (5, 3)),
        convert(rng.normal(size=(5, 3, 4))),
        rng.uniform(size=(5, 3)) > 0.4,
    )
    backend.set_keras_mask(p, convert(mask))
    metric = metrics.SparseCategoricalAccuracy(dtype="float64")
    right = (y == p.numpy().argmax(-1))[mask]
    assert np.isclose(float(metric(y, p)), right.mean() if mask.any() else 0)


def test_root_mean_squared_error_takes_the_root_of_the_mean_over_all_batches():
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    metric = metrics.RootMeanSquaredError(dtype="float64")
    metric.update_state(y[:2], p[:2])
    metric.update_state(y[2:], p[2:])
    assert np.isclose(float(metric.result()), np.sqrt(((y - p) ** 2).mean()))


def test_mean_and_sum_with_weights():
    mean, total = metrics.Mean(), metrics.Sum()
    for metric in (mean, total):
        metric.update_state([1, 3, 5, 7], sample_weight=[1, 1, 0, 0])
        metric.update_state(4.0, sample_weight=2)
    assert float(mean.result()) == 3
    assert float(total.result()) == 12


def test_mean_of_a_scalar_counts_one_and_of_inner_axes_their_mean():
    metric = metrics.Mean()
    metric.update_state(2.0)
    metric.update_state([[4.0, 6.0], [6.0, 8.0]])
    assert np.isclose(float(metric.result()), (2 + 5 + 7) / 3)


def test_updates_record_nothing_and_keep_no_graph():
    p = Variable(np.eye(3, dtype=np.float32))
    metric = metrics.MeanSquaredError()
    result = metric(np.zeros((3, 3)), p * 2.0)
    assert not result.requires_grad
    assert metric.total.node is None


def test_a_metric_of_ones_own_keeps_variables_and_holds_other_metrics():
    class Counter(metrics.Metric):
        def __init__(self, name=None):
            super().__init__(name=name)
            self.count = self.add_weight(name="count")
            self.inner = metrics.Sum()
            self.more = [metrics.Mean(), metrics.Mean()]

        def update_state(self, values):
            self.count.assign_add(len(values))
            self.inner.update_state(values)

        def result(self):
            return {"count": self.count.value, "sum": self.inner.result()}

    metric = Counter(name="my/counter")
    assert [v.path for v in metric.variables[:2]] == ["my>counter/count", "sum/total"]
    assert len(metric.variables) == 6
    assert {k: float(v) for k, v in metric([1.0, 2.0]).items()} == {"count": 2, "sum": 3}
    metric.reset_state()
    assert {k: float(v) for k, v in metric.result().items()} == {"count": 0, "sum": 0}


@pytest.mark.parametrize("way", HELD)
@pytest.mark.parametrize("kind", ["metrics", "variables"])
def test_what_an_attribute_holds_is_the_metrics_however_it_is_held(way, kind):
    metric: Any = metrics.Sum(name="outer")
    held: list = [metrics.Mean(), metrics.Sum()] if kind == "metrics" else [Variable(1.0), Variable(2.0)]
    HELD[way](metric, *held)
    last = metrics.Sum()
    metric.last = last
    metric.again = [last, metric.total, *held]
    wanted = [*held] if kind == "variables" else [v for m in held for v in m.variables]
    assert [id(v) for v in metric.variables] == [id(v) for v in (metric.total, *wanted, last.total)]
    for variable in wanted:
        variable.assign(variable + 3)
    metric.reset_state()
    assert all(float(v) == 0 for v in wanted)


def test_a_list_that_holds_itself_is_looked_through_once():
    parts: list = [metrics.Mean()]
    parts.append(parts)
    metric: Any = metrics.Sum()
    metric.parts = parts
    assert len(metric.variables) == 3


def test_super_must_be_called_first():
    class Forgetful(metrics.Metric):
        def __init__(self):
            self.count = self.add_weight()

    with pytest.raises(RuntimeError, match="Forgetful: call super"):
        Forgetful()


@pytest.mark.parametrize(
    "name, cls",
    [
        ("mse", metrics.MeanSquaredError),
        ("MAE", metrics.MeanAbsoluteError),
        ("binary_accuracy", metrics.BinaryAccuracy),
        ("SparseCategoricalAccuracy", metrics.SparseCategoricalAccuracy),
        ("sparse_categorical_crossentropy", metrics.SparseCategoricalCrossentropy),
        ("mean", metrics.Mean),
    ],
)
def test_get_knows_names_in_both_cases_and_aliases(name, cls):
    assert type(metrics.get(name)) is cls


@pytest.mark.parametrize(
    "y, p, cls",
    [
        ((8, 1), (8, 1), metrics.BinaryAccuracy),
        ((8,), (8, 1), metrics.BinaryAccuracy),
        ((8,), (8, 4), metrics.SparseCategoricalAccuracy),
        ((8, 1), (8, 4), metrics.SparseCategoricalAccuracy),
        ((8, 5), (8, 5, 4), metrics.SparseCategoricalAccuracy),
        ((8, 4), (8, 4), metrics.CategoricalAccuracy),
    ],
)
def test_accuracy_is_resolved_from_shapes(y, p, cls):
    assert metrics.resolve_accuracy(y, p) is cls


@pytest.mark.parametrize("shape", [(2, 1), (1, 2), (2,), (1, 2, 1)])
def test_labels_may_differ_from_the_predictions_by_axes_of_size_one(shape):
    p = np.array([[[0.9, 0.1, 0.0], [0.1, 0.2, 0.7]]])
    for metric in (metrics.SparseCategoricalAccuracy(), metrics.SparseTopKCategoricalAccuracy(1)):
        assert float(metric(np.array([0, 1]).reshape(shape), p)) == 0.5


@pytest.mark.parametrize(
    "metric, y, p",
    [
        (metrics.Accuracy, (4,), (5,)),
        (metrics.BinaryAccuracy, (4, 1), (4, 3)),
        (metrics.CategoricalAccuracy, (4,), (4, 3)),
        (metrics.SparseCategoricalAccuracy, (4, 3), (4, 3)),
        (metrics.SparseCategoricalAccuracy, (2, 3), (3, 2, 4)),
        (metrics.TopKCategoricalAccuracy, (4, 2), (4, 3)),
        (metrics.SparseTopKCategoricalAccuracy, (5,), (4, 3)),
        (metrics.MeanSquaredError, (4, 2), (4, 3)),
        (metrics.RootMeanSquaredError, (4, 2), (4, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_refused_before_the_state_changes(metric, y, p):
    metric = metric()
    with pytest.raises(ValueError, match=r"y_true must have"):
        metric.update_state(np.zeros(y), np.zeros(p))
    with pytest.raises(ValueError, match=r"metric: sample_weight"):
        metrics.Mean().update_state(np.zeros(4), sample_weight=np.zeros(3))
    assert all(float(v) == 0 for v in metric.variables)

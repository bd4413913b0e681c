"""Metrics of counts, and perplexity: thresholds, masks, weights, shapes, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import backend, metrics
from minirnn.autograd import convert
from tests.metrics.cases import CASES, area, precision, predictions, rows

seeds = st.integers(0, 1000)
COUNTS = [n for n, (make, *_) in CASES.items() if isinstance(make(), metrics.confusion.Outcomes)]


@given(seed=seeds, thresholds=st.lists(st.integers(0, 10), min_size=1, max_size=5, unique=True))
def test_thresholds_may_come_in_any_order_and_a_score_at_one_is_not_above_it(seed, thresholds):
    rng = np.random.default_rng(seed)
    y, scores = rng.integers(0, 2, 30), rng.integers(0, 11, 30)
    found = np.atleast_1d(metrics.Precision([t / 10 for t in thresholds])(y, scores / 10).numpy())
    assert np.allclose(found, [precision(y, scores > t) for t in thresholds])


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("dtype, counting", [("float16", "float32"), ("float64", "float64")])
def test_counts_are_float32_at_least(name, dtype, counting):
    metric = type(CASES[name][0]()).from_config({**CASES[name][0]().get_config(), "dtype": dtype})
    _, arrange, _ = CASES[name]
    metric(*arrange(*predictions(0)))
    assert {v.dtype.name for v in metric.variables} == {counting}
    assert metric.get_config()["dtype"] == dtype


def test_more_than_float16_can_hold_is_counted():
    metric = metrics.TruePositives(dtype="float16")
    for _ in range(3):
        metric.update_state(np.ones(30000), np.ones(30000))
    assert float(metric.result()) == 90000


@pytest.mark.parametrize(
    "name, option",
    [
        ("SensitivityAtSpecificity", "specificity"),
        ("SpecificityAtSensitivity", "sensitivity"),
        ("PrecisionAtRecall", "recall"),
        ("RecallAtPrecision", "precision"),
    ],
)
def test_the_share_that_is_given_is_an_attribute(name, option):
    assert getattr(getattr(metrics, name)(0.25), option) == 0.25


@pytest.mark.parametrize("kind", [metrics.Precision, metrics.Recall])
@given(seed=seeds, k=st.integers(1, 6))
def test_the_best_k_of_a_vector_are_those_of_a_batch_of_one(kind, seed, k):
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 2, 6), rng.integers(0, 4, 6) / 4
    assert float(kind(top_k=k)(y, p)) == float(kind(top_k=k)(y[None], p[None]))


def test_a_place_of_a_class_needs_an_axis_of_classes():
    with pytest.raises(ValueError, match="class_id needs predictions of shape"):
        metrics.Recall(class_id=0)(np.ones(3), np.ones(3))


@given(seed=seeds, thresholds=st.lists(st.integers(0, 10), min_size=1, max_size=5, unique=True))
def test_nan_is_above_no_threshold(seed, thresholds):
    rng = np.random.default_rng(seed)
    y, scores = rng.integers(0, 2, 30), rng.uniform(0.01, 1, 30)
    lost = rng.uniform(size=30) < 0.3
    for kind in (metrics.TruePositives, metrics.FalseNegatives, metrics.FalsePositives, metrics.Recall):
        one, other = (kind([t / 10 for t in thresholds]) for _ in range(2))
        found, expected = one(y, np.where(lost, np.nan, scores)), other(y, np.where(lost, 0.0, scores))
        np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("kind", [metrics.Precision, metrics.AUC, metrics.FalseNegatives])
def test_steps_of_sequences_count_one_by_one_with_weights_of_steps_or_samples(kind):
    rng = np.random.default_rng(0)
    y, p, weight = rng.integers(0, 2, (6, 3, 2)), rng.uniform(size=(6, 3, 2)), rng.uniform(size=(6, 3))
    whole = float(kind()(y, p, sample_weight=weight))
    flat = float(kind()(y.reshape(18, 2), p.reshape(18, 2), sample_weight=weight.reshape(18)))
    assert np.isclose(whole, flat)
    by_sample = float(kind()(y, p, sample_weight=weight[:, 0]))
    assert np.isclose(by_sample, float(kind()(y, p, sample_weight=np.repeat(weight[:, :1], 3, 1))))


@given(seed=seeds)
def test_the_area_under_roc_is_the_chance_that_a_positive_outranks_a_negative(seed):
    rng = np.random.default_rng(seed)
    y, scores = rng.integers(0, 2, 40), rng.uniform(size=40)
    found = float(metrics.AUC(num_thresholds=4000)(y, scores))
    assert np.isclose(found, area(y, scores), atol=0.02)
    assert np.isclose(float(metrics.AUC(num_thresholds=4000)(1 - y, 1 - scores)), found, atol=1e-4)
    logits = np.log(scores / (1 - scores))
    assert np.isclose(float(metrics.AUC(num_thresholds=4000, from_logits=True)(y, logits)), found, atol=1e-3)


@pytest.mark.parametrize("curve", ["ROC", "PR", "PRGAIN"])
def test_the_lower_sum_is_below_the_interpolation_and_that_below_the_upper(curve):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    p = np.clip(0.3 * y + 0.6 * rng.uniform(size=200), 0, 1)
    low, middle, high = (
        float(metrics.AUC(20, curve, method)(y, p)) for method in ("minoring", "interpolation", "majoring")
    )
    assert low < middle < high


def test_a_perfect_model_has_every_score_and_a_model_without_positives_none():
    y = np.array([0, 0, 1, 1])
    p = np.array([0.1, 0.4, 0.6, 0.9])
    for make in (metrics.Precision, metrics.Recall, metrics.AUC, lambda: metrics.AUC(curve="PR")):
        assert np.isclose(float(make()(y, p)), 1)
        assert float(make()(0 * y, p)) == 0
    assert np.isclose(float(metrics.F1Score("macro")(rows, rows)), 1)
    assert np.isclose(float(metrics.R2Score()(y[:, None], y[:, None])), 1)
    assert float(metrics.R2Score()(0 * y[:, None], p[:, None])) == 0


def test_several_thresholds_or_classes_give_several_results():
    y, p = predictions(0)
    scores = 1 / (1 + np.exp(-p))
    assert metrics.Recall(thresholds=[0.2, 0.8])(rows[y], scores).shape == (2,)
    assert metrics.TruePositives(thresholds=[0.2, 0.4, 0.8])(rows[y], scores).shape == (3,)
    assert metrics.F1Score()(rows[y], scores).shape == (4,)
    assert metrics.R2Score(class_aggregation=None)(rows[y], scores).shape == (4,)


def test_an_adjusted_r2_of_too_few_targets_is_the_plain_one_with_a_warning():
    y, p = np.array([[1.0], [2.0], [4.0]]), np.array([[1.5], [2.0], [3.0]])
    plain = float(metrics.R2Score()(y, p))
    assert np.isclose(float(metrics.R2Score(num_regressors=1)(y, p)), 1 - (1 - plain) * 2 / 1)
    with pytest.warns(UserWarning, match="more than 4 targets for 3 regressors; got 3"):
        assert float(metrics.R2Score(num_regressors=3)(y, p)) == plain


def steps_of(seed, length):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 1, (5, length, 4))
    return rng.integers(0, 4, (5, length)), p / p.sum(-1, keepdims=True), rng.uniform(size=(5, length)) > 0.3


@given(seed=seeds)
def test_perplexity_weighs_each_step_alike_in_batches_of_any_length(seed):
    metric, surprise = metrics.Perplexity(dtype="float64"), []
    for length in (2, 7):
        y, p, mask = steps_of(seed + length, length)
        predicted = convert(p)
        backend.set_keras_mask(predicted, convert(mask))
        metric.update_state(y, predicted)
        surprise.append(-np.log(np.take_along_axis(p, y[..., None], -1)[..., 0][mask]))
    assert np.isclose(float(metric.result()), np.exp(np.concatenate(surprise).mean()))


@given(seed=seeds)
def test_perplexity_leaves_out_an_ignored_class_as_a_mask_would(seed):
    y, p, mask = steps_of(seed, 4)
    ignoring = metrics.Perplexity(ignore_class=9, dtype="float64")
    weight = np.random.default_rng(seed).uniform(size=y.shape)
    ignoring.update_state(np.where(mask, y, 9), p, sample_weight=weight)
    predicted = convert(p)
    backend.set_keras_mask(predicted, convert(mask))
    masking = metrics.Perplexity(dtype="float64")
    masking.update_state(y, predicted, sample_weight=weight)
    assert np.isclose(float(ignoring.result()), float(masking.result()))
    assert ignoring.get_config()["ignore_class"] == 9


def test_perplexity_of_even_guesses_is_the_number_of_classes_and_of_the_truth_one():
    y = np.arange(12).reshape(3, 4) % 4
    assert np.isclose(float(metrics.Perplexity(from_logits=True)(y, np.zeros((3, 4, 4)))), 4)
    assert np.isclose(float(metrics.Perplexity(from_logits=True)(y, 100 * rows[y])), 1)
    assert float(metrics.Perplexity(from_logits=True)(y, -200 * rows[y])) == np.inf


def test_perplexity_does_not_look_at_what_a_mask_leaves_out():
    predicted = np.full((1, 2, 4), np.nan)
    predicted[0, 0] = 0
    predicted = convert(predicted)
    backend.set_keras_mask(predicted, convert(np.array([[True, False]])))
    assert np.isclose(float(metrics.Perplexity(from_logits=True)([[1, 2]], predicted)), 4)


ones = np.ones
OPTIONS = [
    (
        lambda: metrics.Precision(thresholds=1.5),
        "Precision .*: thresholds must be numbers from 0 to 1; got 1.5",
    ),
    (lambda: metrics.Recall(thresholds=[0.2, None]), r"Recall .*got \[0.2, None\]"),
    (lambda: metrics.TruePositives(thresholds=[]), r"TruePositives .*got \[\]"),
    (lambda: metrics.AUC(curve="RO"), "AUC .*: curve must be one of ROC, PR, PRGAIN; got 'RO'"),
    (lambda: metrics.AUC(summation_method="middle"), "summation_method must be one of .*; got 'middle'"),
    (lambda: metrics.AUC(num_thresholds=1), "num_thresholds must be 2 or more; got 1"),
    (lambda: metrics.AUC(num_labels=3), "num_labels is for multi_label=True; got num_labels=3"),
    (lambda: metrics.PrecisionAtRecall(1.2), "PrecisionAtRecall .*: recall must be from 0 to 1; got 1.2"),
    (
        lambda: metrics.SensitivityAtSpecificity(0.5, num_thresholds=0),
        "num_thresholds must be 1 or more; got 0",
    ),
    (lambda: metrics.F1Score(average="mean"), "F1Score .*: average must be None, .* got 'mean'"),
    (lambda: metrics.FBetaScore(beta=0.0), "beta must be a float above 0; got 0.0"),
    (
        lambda: metrics.F1Score(threshold=2.0),
        "threshold must be a float above 0 and up to 1, or None; got 2.0",
    ),
    (lambda: metrics.R2Score(class_aggregation="sum"), "R2Score .*: class_aggregation must be .* got 'sum'"),
    (lambda: metrics.R2Score(num_regressors=-1), "num_regressors must be 0 or more; got -1"),
]


@pytest.mark.parametrize("make, match", OPTIONS)
def test_options_out_of_range_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


UPDATES = [
    (
        lambda: metrics.Precision(),
        (ones(4), ones((4, 3))),
        r"Precision .*: y_true must .*\(4, 3\); got \(4,\)",
    ),
    (lambda: metrics.Precision(top_k=4), (ones((4, 3)), ones((4, 3))), "top_k must be from 1 to 3 .* got 4"),
    (
        lambda: metrics.Recall(class_id=3),
        (ones((4, 3)), ones((4, 3))),
        "class_id must be from 0 to 2 .* got 3",
    ),
    (
        lambda: metrics.Recall(class_id=0),
        (ones(4), ones(4)),
        r"class_id needs predictions .* got \(4,\)",
    ),
    (lambda: metrics.AUC(), (ones((4, 3)), ones((4, 3)), ones(3)), r"sample_weight.*\(4, 3\).*got \(3,\)"),
    (lambda: metrics.AUC(multi_label=True), (ones(4), ones(4)), r"shape \(batch, labels\); got \(4,\)"),
    (
        lambda: metrics.AUC(multi_label=True, num_labels=2),
        (ones((4, 3)), ones((4, 3))),
        r"a prediction for each of 2 labels; got shape \(4, 3\)",
    ),
    (lambda: metrics.AUC(label_weights=[1.0]), (ones((4, 3)), ones((4, 3))), "for each of 1 labels"),
    (
        lambda: metrics.F1Score(),
        (ones(4), ones((4, 3))),
        r"F1Score .*: y_true must .* got \(4,\) and \(4, 3\)",
    ),
    (lambda: metrics.F1Score(), (ones((4, 2, 3)), ones((4, 2, 3))), r"must be \(batch, outputs\)"),
    (lambda: metrics.R2Score(), (ones((4, 3)), ones((4, 3)), ones(5)), r"sample_weight.*got \(5,\)"),
    (lambda: metrics.Perplexity(), (ones((4, 3)), ones((4, 3))), r"y_true must be labels of shape \(4,\)"),
    (lambda: metrics.Perplexity(), ([0, 1, 2, 3], ones((4, 3))), "labels must be integers from 0 to 2"),
    (
        lambda: metrics.Perplexity(),
        ([0, 1], ones((2, 3)), ones(3)),
        r"Perplexity .*: sample_weight.*got \(3,\)",
    ),
]


@pytest.mark.parametrize("make, arguments, match", UPDATES)
def test_what_does_not_fit_is_refused_before_the_state_changes(make, arguments, match):
    metric = make()
    with pytest.raises(ValueError, match=match):
        metric.update_state(*arguments)
    assert all((v.numpy() == 0).all() for v in metric.variables)
    assert not isinstance(metric, metrics.F1Score | metrics.R2Score) or metric.columns is None


def test_outputs_of_another_number_than_at_first_are_refused():
    for metric in (metrics.F1Score(), metrics.R2Score(), metrics.AUC(multi_label=True)):
        metric.update_state(ones((4, 3)), ones((4, 3)))
        with pytest.raises(ValueError, match=r"each of 3 labels|there must be 3 outputs"):
            metric.update_state(ones((4, 2)), ones((4, 2)))


def test_before_the_first_batch_there_is_a_result():
    for metric in (metrics.F1Score(), metrics.R2Score(), metrics.AUC(multi_label=True), metrics.AUC()):
        assert float(metric.result()) == 0


@pytest.mark.parametrize(
    "name, nearest", [("precission", "precision"), ("F1Scor", "F1Score"), ("perplexty", "perplexity")]
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name, nearest):
    with pytest.raises(
        ValueError, match=f"(?i)metric: unknown name '{name}'; the nearest known name is '{nearest}'"
    ):
        metrics.get(name)

"""Metrics against real Keras: values over batches, weights, masks, arguments, configs."""

import inspect
import json

import numpy as np
import pytest

import minirnn
from minirnn import backend, metrics
from minirnn.autograd import convert
from minirnn.utils import deserialize_keras_object, serialize_keras_object
from tests.metrics.cases import HELD


def close(a, b, tolerance=1e-5):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert np.allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(b).max(initial=0))))


def floats(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


METRICS = [
    ("Accuracy", {}, "numbers"),
    ("BinaryAccuracy", {"threshold": 0.3}, "binary"),
    ("CategoricalAccuracy", {}, "rows"),
    ("SparseCategoricalAccuracy", {}, "labels"),
    ("TopKCategoricalAccuracy", {"k": 2}, "rows"),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, "labels"),
    ("MeanSquaredError", {}, "rows"),
    ("RootMeanSquaredError", {}, "rows"),
    ("MeanAbsoluteError", {}, "rows"),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, "rows"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "rows"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "labels"),
    ("MeanAbsolutePercentageError", {}, "rows"),
    ("MeanSquaredLogarithmicError", {}, "rows"),
    ("LogCoshError", {}, "rows"),
    ("CosineSimilarity", {"axis": -1}, "rows"),
    ("Hinge", {}, "rows"),
    ("SquaredHinge", {}, "rows"),
    ("CategoricalHinge", {}, "rows"),
    ("KLDivergence", {}, "rows"),
    ("Poisson", {}, "rows"),
]
THRESHOLDS = [
    {},
    {"thresholds": 0.3},
    {"thresholds": [0.7, 0.2, 0.5]},
    {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]},
]
COUNTS = [(f"{a}{b}", o) for a in ("True", "False") for b in ("Positives", "Negatives") for o in THRESHOLDS]
PLACES = [{"top_k": 2}, {"class_id": 1}, {"top_k": 3, "class_id": 2}, {"top_k": 2, "thresholds": [0.3, 0.6]}]
COUNTS += [(name, o) for name in ("Precision", "Recall") for o in THRESHOLDS + PLACES]
COUNTS += [
    ("SensitivityAtSpecificity", {"specificity": 0.4}),
    ("SpecificityAtSensitivity", {"sensitivity": 0.4}),
    ("PrecisionAtRecall", {"recall": 0.5, "num_thresholds": 1}),
    ("RecallAtPrecision", {"precision": 0.3, "class_id": 1}),
]
CURVES = [
    {},
    {"num_thresholds": 7},
    {"thresholds": [0.1, 0.7, 0.2]},
    {"multi_label": True},
    {"multi_label": True, "num_labels": 5, "label_weights": [1.0, 2.0, 0.5, 1.0, 0.0]},
    {"label_weights": [1.0, 2.0, 0.5, 1.0, 3.0]},
    {"from_logits": True},
]
COUNTS += [
    ("AUC", {"curve": curve, "summation_method": method, **options})
    for curve in ("ROC", "PR", "PRGAIN")
    for method in ("interpolation", "majoring", "minoring")
    for options in (CURVES if (curve, method) == ("ROC", "interpolation") else CURVES[2:4])
]
COUNTS += [
    (name, {"average": average, "threshold": threshold, **({"beta": 2.0} if name == "FBetaScore" else {})})
    for name in ("F1Score", "FBetaScore")
    for average in (None, "micro", "macro", "weighted")
    for threshold in (None, 0.4)
]
COUNTS += [
    ("R2Score", {"class_aggregation": aggregation, "num_regressors": n})
    for aggregation in (None, "uniform_average", "variance_weighted_average")
    for n in (0, 3)
]


def metric_batch(kind, seed):
    rng = np.random.default_rng(seed)
    labels, p = rng.integers(0, 5, (6, 3)), rng.uniform(0.01, 0.99, (6, 3, 5)).astype(np.float32)
    # Ties between the best classes.
    p[0, 0, :3] = 0.995
    return {
        "numbers": (labels, rng.integers(0, 5, (6, 3))),
        "binary": (labels % 2, p[..., 0]),
        "rows": (np.eye(5, dtype=np.float32)[labels], p),
        "labels": (labels, p),
    }[kind]


@pytest.mark.parametrize("name, options, kind", METRICS)
@pytest.mark.parametrize(
    "weights, masked",
    [
        (None, False),
        ((6,), False),
        ((6, 3), False),
        ((6, 1), False),
        (None, True),
        ((6, 3), True),
        ((6, 1), True),
    ],
)
def test_a_metric_over_batches_is_that_of_keras(keras, name, options, kind, weights, masked):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    for seed in range(3):
        rng = np.random.default_rng(100 + seed)
        y, p = metric_batch(kind, seed)
        weight = None if weights is None else rng.uniform(size=weights).astype(np.float32)
        mask = rng.uniform(size=(6, 3)) > 0.4
        our_p, their_p = convert(p), keras.ops.convert_to_tensor(p)
        if masked:
            backend.set_keras_mask(our_p, convert(mask))
            keras.src.backend.set_keras_mask(their_p, keras.ops.convert_to_tensor(mask))
        ours.update_state(y, our_p, sample_weight=weight)
        if masked and name == "RootMeanSquaredError":  # which knows no masks in Keras
            weight = mask * (1.0 if weight is None else weight)
        theirs.update_state(y, their_p, sample_weight=weight)
        close(ours.result(), theirs.result())
    assert [v.shape for v in ours.variables] == [tuple(v.shape) for v in theirs.variables]


@pytest.mark.parametrize("way", HELD)
@pytest.mark.parametrize("kind", ["metrics", "variables"])
def test_a_metric_of_ones_own_has_the_variables_that_it_has_in_keras_in_their_order(keras, kind, way):
    found = []
    for library in (minirnn, keras):
        metric = library.metrics.Sum(name="outer")
        if kind == "metrics":
            held = [library.metrics.Mean(name="one"), library.metrics.Sum(name="other")]
        else:
            held = [library.Variable(np.zeros(1), name="one"), library.Variable(np.zeros(2), name="other")]
        HELD[way](metric, *held)
        metric.last = library.metrics.Sum(name="last")
        metric.more = metric.add_weight((3,), "zeros", name="more")
        found.append([(v.name, v.shape) for v in metric.variables])
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.parametrize(
    "shape, weights", [((), None), ((5,), (5,)), ((5, 3), (5,)), ((5, 3), (5, 3)), ((5, 3), ())]
)
def test_mean_and_sum_are_those_of_keras(keras, name, shape, weights):
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for seed in range(2):
        weight = None if weights is None else np.abs(floats(seed + 9, *weights))
        for metric in (ours, theirs):
            metric.update_state(floats(seed, *shape), sample_weight=weight)
    close(ours.result(), theirs.result())


@pytest.mark.parametrize("name, options", COUNTS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_metric_of_counts_over_batches_is_that_of_keras(keras, name, options, weighted):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    for seed in range(2):
        rng = np.random.default_rng(seed)
        y = np.eye(5, dtype=np.float32)[rng.integers(0, 5, 20)]
        p = rng.uniform(size=(20, 5)).astype(np.float32)
        if name == "R2Score":
            y = y + p
        weight = rng.uniform(size=20).astype(np.float32) if weighted else None
        for metric in (ours, theirs):
            metric.update_state(y, p, sample_weight=weight)
        close(ours.result(), theirs.result())
    assert [(v.name, v.shape) for v in ours.variables] == [(v.name, tuple(v.shape)) for v in theirs.variables]
    for one, other in zip(ours.variables, theirs.variables):
        close(one, other)


@pytest.mark.parametrize("name", ["Precision", "Recall", "AUC", "TruePositives", "F1Score", "R2Score"])
def test_a_mask_is_for_counts_and_scores_what_weights_are_in_keras(keras, name):
    rng = np.random.default_rng(0)
    y, p = np.eye(4)[rng.integers(0, 4, 20)].astype("float32"), rng.uniform(size=(20, 4)).astype("float32")
    mask = rng.uniform(size=20) > 0.4
    predictions = convert(p)
    backend.set_keras_mask(predictions, convert(mask))
    expected = getattr(keras.metrics, name)()(y, p, sample_weight=mask.astype("float32"))
    close(getattr(metrics, name)()(y, predictions), expected)


# Keras takes weights of the shape, or of all axes but the last.
SHAPES = [(s, n) for s in [(12,), (12, 1), (12, 3), (12, 3, 2)] for n in (None, len(s) - 1, len(s)) if n != 0]


@pytest.mark.parametrize("name", ["Precision", "Recall"])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_best_k_of_a_vector_are_those_of_keras(keras, name, k):
    for y in ([0, 0, 1, 1], [1, 0, 1, 0]):
        for p in ([1.0, 1.0, 1.0, 1.0], [0.1, 0.9, 0.4, 0.4]):
            ours, theirs = getattr(metrics, name)(top_k=k), getattr(keras.metrics, name)(top_k=k)
            close(ours(np.array(y), np.array(p)), theirs(np.array(y), np.array(p)))


NAMES = ("TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives", "Precision", "Recall", "AUC")


@pytest.mark.parametrize("name", NAMES)
def test_a_prediction_of_nan_counts_as_in_keras(keras, name):
    y, p = np.array([[1], [0], [1]]), np.array([[np.nan], [0.2], [0.7]], np.float32)
    close(getattr(metrics, name)()(y, p), getattr(keras.metrics, name)()(y, p))


@pytest.mark.parametrize("name", ["Precision", "AUC", "TrueNegatives"])
@pytest.mark.parametrize("shape, weights", SHAPES)
def test_counts_take_targets_and_weights_of_any_shape_as_in_keras(keras, name, shape, weights):
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, shape), rng.uniform(size=shape).astype(np.float32)
    weight = None if weights is None else rng.uniform(size=shape[:weights]).astype(np.float32)
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for metric in (ours, theirs):
        metric.update_state(y, p, sample_weight=weight)
    close(ours.result(), theirs.result())


def test_places_of_an_ignored_class_are_left_out_as_keras_does_with_weights(keras):
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 5, (6, 3)), floats(0, 6, 3, 5)
    options = {"from_logits": True, "ignore_class": 2}
    ours = metrics.SparseCategoricalCrossentropy(**options)
    theirs = keras.metrics.SparseCategoricalCrossentropy(**options)
    ours.update_state(y, p)
    theirs.update_state(y, p, sample_weight=np.ones((6, 3), np.float32))
    close(ours.result(), theirs.result())


@pytest.mark.parametrize("seed", range(3))
def test_perplexity_is_the_exponential_of_the_loss_of_keras(keras, seed):
    rng = np.random.default_rng(seed)
    y, p, weight = (
        rng.integers(0, 5, (6, 3)),
        floats(seed, 6, 3, 5),
        rng.uniform(size=(6, 3)).astype(np.float32),
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    metric = metrics.Perplexity(from_logits=True)
    metric.update_state(y, p, sample_weight=weight)
    close(metric.result(), np.exp(loss(y, p, sample_weight=weight)))


# Of images and of correlations; here alone is what measures a model of sequences.
ELSEWHERE = {"IoU", "BinaryIoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"}
ELSEWHERE |= {"ConcordanceCorrelation", "PearsonCorrelation"}


def test_the_names_of_metrics_are_those_of_keras(keras):
    from keras.src.metrics import ALL_OBJECTS_DICT

    known = {name for name, cls in ALL_OBJECTS_DICT.items() if cls.__name__ not in ELSEWHERE}
    assert set(metrics._table.objects) == known | {"Perplexity", "perplexity"}
    for name in known:
        assert metrics._table.objects[name].__name__ == ALL_OBJECTS_DICT[name].__name__


CLASSES = sorted(n for n in metrics.__all__ if n[0].isupper() and n not in ("Metric", "Perplexity"))


@pytest.mark.parametrize("name", CLASSES)
def test_a_metric_has_the_arguments_and_defaults_of_keras_and_the_way_that_is_better(keras, name):
    ours, theirs = (getattr(module.metrics, name) for module in (minirnn, keras))
    assert [(p.name, p.default) for p in inspect.signature(ours).parameters.values()] == [
        (p.name, p.default) for p in inspect.signature(theirs).parameters.values()
    ]
    required = {"specificity": 0.5, "sensitivity": 0.5, "recall": 0.5, "precision": 0.5, "fn": None}
    options = {k: required[k] for k, p in inspect.signature(ours).parameters.items() if k in required}
    if name not in ("MeanMetricWrapper", "KLDivergence", "Poisson"):  # of the last two Keras does not say it
        assert ours(**options)._direction == getattr(theirs(**options), "_direction", None)


SAVED = [(name, options) for name, options, _ in METRICS] + [("Mean", {"name": "m"}), ("Sum", {})]
# One of each, the last; of an AUC with weights Keras puts a tensor into the config.
SAVED += list({name: (name, o) for name, o in COUNTS if not o.get("label_weights")}.values())
SAVED += [("AUC", {"thresholds": [0.25, 0.5], "curve": "PR"})]


@pytest.mark.parametrize("name, options", SAVED, ids=str)
def test_configs_of_metrics_are_those_of_keras_and_each_reads_the_others(keras, name, options):
    options = {"name": "m", **options}
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    our_config = json.loads(json.dumps(serialize_keras_object(ours)))
    their_config = json.loads(json.dumps(keras.saving.serialize_keras_object(theirs)))
    # Keras leaves out some options, such as the axis of vectors, and so loses them.
    lost = {k: v for k, v in our_config["config"].items() if k not in their_config["config"]}
    assert set(lost) <= {"axis", "from_sorted_ids"}
    assert our_config == {**their_config, "config": {**their_config["config"], **lost}}
    assert serialize_keras_object(deserialize_keras_object(their_config)) == our_config
    of_ours = keras.saving.deserialize_keras_object(our_config)
    assert keras.saving.serialize_keras_object(of_ours) == their_config

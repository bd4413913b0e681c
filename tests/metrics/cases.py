"""A case or more of every metric: how it is made, what it is given, and what NumPy says to that."""

import numpy as np

from minirnn import metrics

rows = np.eye(4)


def predictions(seed, n=12):
    """Labels and scores of 4 classes."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, n), rng.normal(size=(n, 4)).astype(np.float32)


def ranks(labels, scores):
    return (scores > np.take_along_axis(scores, labels[:, None], 1)).sum(1)


def softmax(p):
    e = np.exp(p - p.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def steps(p):
    """Probabilities in the middle between ten steps from 0 to 1."""
    return np.floor(10 / (1 + np.exp(-p))) / 10 + 0.05


def outcomes(y, positive):
    """The numbers of true and false positives, true and false negatives."""
    y = y.astype(bool)
    return [np.sum(a & b) for a, b in ((y, positive), (~y, positive), (~y, ~positive), (y, ~positive))]


def share(a, b):
    return a / (a + b) if a + b else 0.0


def precision(y, positive):
    tp, fp, _, _ = outcomes(y, positive)
    return share(tp, fp)


def recall(y, positive):
    tp, _, _, fn = outcomes(y, positive)
    return share(tp, fn)


def f_score(y, positive, beta):
    p, r = precision(y, positive), recall(y, positive)
    return (1 + beta**2) * p * r / (beta**2 * p + r) if p + r else 0.0


def area(y, scores):
    """How often, of a positive and a negative, the positive has the larger score; a tie counts half."""
    pairs = scores[y == 1][:, None] - scores[y == 0]
    return np.mean((pairs > 0) + (pairs == 0) / 2) if pairs.size else 0.0


def sensitivity(y, scores, specificity, count):
    best = 0.0
    for threshold in np.linspace(0, 1, count):
        tp, fp, tn, fn = outcomes(y, scores > threshold)
        if share(tn, fp) >= specificity:
            best = max(best, share(tp, fn))
    return best


def cosine(y, p):
    return (rows[y] * p).sum(1) / np.linalg.norm(p, axis=1)


def r2(y, p):
    y = y[:, None] * 0.4 + p[:, :2]
    return np.mean(1 - ((y - p[:, :2]) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0))


def mean_of(values):
    return lambda y, p: values(y, p).mean()


CASES = {
    "accuracy": (
        lambda: metrics.Accuracy(),
        lambda y, p: (y, p.argmax(1)),
        mean_of(lambda y, p: y == p.argmax(1)),
    ),
    "binary": (
        lambda: metrics.BinaryAccuracy(threshold=0.3),
        lambda y, p: (y % 2, p[:, 0]),
        mean_of(lambda y, p: y % 2 == (p[:, 0] > 0.3)),
    ),
    "categorical": (
        lambda: metrics.CategoricalAccuracy(),
        lambda y, p: (rows[y], p),
        mean_of(lambda y, p: y == p.argmax(1)),
    ),
    "sparse": (
        lambda: metrics.SparseCategoricalAccuracy(),
        lambda y, p: (y, p),
        mean_of(lambda y, p: y == p.argmax(1)),
    ),
    "sparse_column": (
        lambda: metrics.SparseCategoricalAccuracy(),
        lambda y, p: (y[:, None], p),
        mean_of(lambda y, p: y == p.argmax(1)),
    ),
    "top_k": (
        lambda: metrics.TopKCategoricalAccuracy(k=2),
        lambda y, p: (rows[y], p),
        mean_of(lambda y, p: ranks(y, p) < 2),
    ),
    "sparse_top_k": (
        lambda: metrics.SparseTopKCategoricalAccuracy(k=3),
        lambda y, p: (y, p),
        mean_of(lambda y, p: ranks(y, p) < 3),
    ),
    "sorted_ids": (
        lambda: metrics.SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True),
        lambda y, p: (y, (-p).argsort(1)),
        mean_of(lambda y, p: ranks(y, p) < 2),
    ),
    "mse": (
        lambda: metrics.MeanSquaredError(),
        lambda y, p: (rows[y], p),
        mean_of(lambda y, p: ((rows[y] - p) ** 2).mean(1)),
    ),
    "mae": (
        lambda: metrics.MeanAbsoluteError(),
        lambda y, p: (rows[y], p),
        mean_of(lambda y, p: np.abs(rows[y] - p).mean(1)),
    ),
    "sparse_crossentropy": (
        lambda: metrics.SparseCategoricalCrossentropy(from_logits=True),
        lambda y, p: (y, p),
        mean_of(lambda y, p: np.log(np.exp(p).sum(1)) - p[np.arange(len(y)), y]),
    ),
    "root": (
        lambda: metrics.RootMeanSquaredError(),
        lambda y, p: (rows[y], p),
        lambda y, p: np.sqrt(((rows[y] - p) ** 2).mean()),
    ),
    "percentage": (
        lambda: metrics.MeanAbsolutePercentageError(),
        lambda y, p: (y[:, None] + 1.0, p[:, :1]),
        lambda y, p: 100 * (np.abs(y + 1 - p[:, 0]) / (y + 1)).mean(),
    ),
    "logarithmic": (
        lambda: metrics.MeanSquaredLogarithmicError(),
        lambda y, p: (y[:, None], np.exp(p[:, :1])),
        lambda y, p: ((np.log(1 + y) - np.log(1 + np.exp(p[:, 0]))) ** 2).mean(),
    ),
    "log_cosh": (
        lambda: metrics.LogCoshError(),
        lambda y, p: (rows[y], p),
        lambda y, p: np.log(np.cosh(rows[y] - p)).mean(),
    ),
    "cosine": (lambda: metrics.CosineSimilarity(), lambda y, p: (rows[y], p), mean_of(cosine)),
    "hinge": (
        lambda: metrics.Hinge(),
        lambda y, p: (2 * rows[y] - 1, p),
        lambda y, p: np.maximum(1 - (2 * rows[y] - 1) * p, 0).mean(),
    ),
    "squared_hinge": (
        lambda: metrics.SquaredHinge(),
        lambda y, p: (2 * rows[y] - 1, p),
        lambda y, p: (np.maximum(1 - (2 * rows[y] - 1) * p, 0) ** 2).mean(),
    ),
    "categorical_hinge": (
        lambda: metrics.CategoricalHinge(),
        lambda y, p: (rows[y], p),
        lambda y, p: np.maximum(((1 - rows[y]) * p).max(1) - (rows[y] * p).sum(1) + 1, 0).mean(),
    ),
    "kl_divergence": (
        lambda: metrics.KLDivergence(),
        lambda y, p: (softmax(rows[y]), softmax(p)),
        lambda y, p: (softmax(rows[y]) * np.log(softmax(rows[y]) / softmax(p))).sum(1).mean(),
    ),
    "poisson": (
        lambda: metrics.Poisson(),
        lambda y, p: (y[:, None], np.exp(p[:, :1])),
        lambda y, p: (np.exp(p[:, 0]) - y * p[:, 0]).mean(),
    ),
    "binary_crossentropy": (
        lambda: metrics.BinaryCrossentropy(from_logits=True),
        lambda y, p: (rows[y], p),
        lambda y, p: (np.log(1 + np.exp(p)) - rows[y] * p).mean(),
    ),
    "crossentropy": (
        lambda: metrics.CategoricalCrossentropy(),
        lambda y, p: (rows[y], softmax(p)),
        lambda y, p: -np.log((rows[y] * softmax(p)).sum(1)).mean(),
    ),
    "perplexity": (
        lambda: metrics.Perplexity(),
        lambda y, p: (y, softmax(p)),
        lambda y, p: np.exp(-np.log((rows[y] * softmax(p)).sum(1)).mean()),
    ),
    "true_positives": (
        lambda: metrics.TruePositives(),
        lambda y, p: (rows[y], steps(p)),
        lambda y, p: outcomes(rows[y], steps(p) > 0.5)[0],
    ),
    "false_positives": (
        lambda: metrics.FalsePositives(thresholds=0.3),
        lambda y, p: (rows[y], steps(p)),
        lambda y, p: outcomes(rows[y], steps(p) > 0.3)[1],
    ),
    "true_negatives": (
        lambda: metrics.TrueNegatives(),
        lambda y, p: (rows[y], steps(p)),
        lambda y, p: outcomes(rows[y], steps(p) > 0.5)[2],
    ),
    "false_negatives": (
        lambda: metrics.FalseNegatives(),
        lambda y, p: (rows[y], steps(p)),
        lambda y, p: outcomes(rows[y], steps(p) > 0.5)[3],
    ),
    "precision": (
        lambda: metrics.Precision(),
        lambda y, p: (y % 2, steps(p[:, 0])),
        lambda y, p: precision(y % 2, steps(p[:, 0]) > 0.5),
    ),
    "precision_of_class": (
        lambda: metrics.Precision(0.2, class_id=2),
        lambda y, p: (rows[y], steps(p)),
        lambda y, p: precision(y == 2, steps(p[:, 2]) > 0.2),
    ),
    "precision_at_2": (
        lambda: metrics.Precision(top_k=2),
        lambda y, p: (rows[y], p),
        lambda y, p: (ranks(y, p) < 2).mean() / 2,
    ),
    "recall": (
        lambda: metrics.Recall(),
        lambda y, p: (rows[y], steps(p)),
        lambda y, p: recall(rows[y], steps(p) > 0.5),
    ),
    "recall_at_3_of_class": (
        lambda: metrics.Recall(top_k=3, class_id=1),
        lambda y, p: (rows[y], p),
        lambda y, p: recall(y == 1, np.argsort(np.argsort(-p, 1), 1)[:, 1] < 3),
    ),
    "f1_macro": (
        lambda: metrics.F1Score(average="macro"),
        lambda y, p: (rows[y], p),
        lambda y, p: np.mean([f_score(y == k, p.argmax(1) == k, 1) for k in range(4)]),
    ),
    "f_beta_micro": (
        lambda: metrics.FBetaScore(average="micro", beta=2.0, threshold=0.4),
        lambda y, p: (rows[y], steps(p)),
        lambda y, p: f_score(rows[y], steps(p) > 0.4, 2),
    ),
    "f_beta_weighted": (
        lambda: metrics.FBetaScore(average="weighted", beta=0.5),
        lambda y, p: (rows[y], p),
        lambda y, p: sum(f_score(y == k, p.argmax(1) == k, 0.5) * (y == k).mean() for k in range(4)),
    ),
    "auc": (
        lambda: metrics.AUC(num_thresholds=11),
        lambda y, p: (y % 2, steps(p[:, 0])),
        lambda y, p: area(y % 2, steps(p[:, 0])),
    ),
    "auc_of_labels": (
        lambda: metrics.AUC(thresholds=[k / 10 for k in range(11)], multi_label=True),
        lambda y, p: (rows[y], steps(p)),
        lambda y, p: np.mean([area((y == k).astype(int), steps(p[:, k])) for k in range(4)]),
    ),
    "sensitivity": (
        lambda: metrics.SensitivityAtSpecificity(0.5, num_thresholds=11),
        lambda y, p: (y % 2, steps(p[:, 0])),
        lambda y, p: sensitivity(y % 2, steps(p[:, 0]), 0.5, 11),
    ),
    "specificity": (
        lambda: metrics.SpecificityAtSensitivity(0.5, num_thresholds=11),
        lambda y, p: (y % 2, steps(p[:, 0])),
        lambda y, p: sensitivity(1 - y % 2, 1 - steps(p[:, 0]), 0.5, 11),
    ),
    "r2": (
        # What is left of 1: in float32 there would be little of a result near 0.
        lambda: metrics.R2Score(dtype="float64"),
        lambda y, p: (y[:, None] * 0.4 + p[:, :2], p[:, :2]),
        r2,
    ),
}


def _appended(metric, one, other):
    metric.parts = []
    metric.parts.append(one)
    metric.parts.append(other)


def _extended(metric, one, other):
    metric.parts = [one]
    metric.parts.extend([other])


def _private(metric, one, other):
    metric._parts = [one]
    metric._parts.append(other)


def _filled(metric, one, other):
    metric.parts = {}
    metric.parts["a"] = one
    metric.parts.update({"b": other})


# The ways in which a metric of one's own may hold two others, or two Variables.
HELD = {
    "list": lambda metric, one, other: setattr(metric, "parts", [one, other]),
    "list appended to": _appended,
    "list extended": _extended,
    "private list": _private,
    "tuple": lambda metric, one, other: setattr(metric, "parts", (one, other)),
    "dict": lambda metric, one, other: setattr(metric, "parts", {"a": one, "b": other}),
    "dict filled": _filled,
    "nested": lambda metric, one, other: setattr(metric, "parts", [[one], {"b": (other,)}]),
}

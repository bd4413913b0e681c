"""What the losses refuse: targets of another shape, wrong labels, options out of range, unknown names."""

import numpy as np
import pytest

from minirnn import losses
from tests.losses.test_losses import NAMES


@pytest.mark.parametrize(
    "name, nearest",
    [("huberr", "huber"), ("CosinSimilarity", "CosineSimilarity"), ("kl_divergense", "kl_divergence")],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name, nearest):
    with pytest.raises(
        ValueError, match=rf"loss: unknown name '{name}'; the nearest known name is '{nearest}'"
    ):
        losses.get(name)


@pytest.mark.parametrize("name", sorted({name for name, _ in NAMES}))
@pytest.mark.parametrize("y_shape", [(4, 2), (5, 3), (4, 3, 3), (3,)])
def test_targets_of_another_shape_are_refused_by_each_loss(name, y_shape):
    with pytest.raises(ValueError, match=rf"{name}: y_true must (have the shape|be labels)"):
        getattr(losses, name)(np.zeros(y_shape), np.full((4, 3), 0.5))
    cls = getattr(losses, {n.lower(): n for n in losses.__all__ if n[0].isupper()}[name.replace("_", "")])
    with pytest.raises(ValueError, match="y_true must"):
        cls()(np.zeros(y_shape), np.full((4, 3), 0.5))


ones = np.ones
BAD = [
    (lambda: losses.Huber(delta=-1.0), "Huber: delta must be a number 0 or more; got -1.0"),
    (
        lambda: losses.BinaryCrossentropy(label_smoothing=2),
        "label_smoothing must be a number from 0 to 1; got 2",
    ),
    (lambda: losses.CategoricalCrossentropy(label_smoothing=-0.1), "from 0 to 1; got -0.1"),
    (lambda: losses.BinaryFocalCrossentropy(alpha=7), "alpha must be a number from 0 to 1; got 7"),
    (lambda: losses.CategoricalFocalCrossentropy(gamma="2"), "gamma must be a number 0 or more; got '2'"),
    (lambda: losses.mean_squared_error(ones((4, 2)), ones((4, 3))), r"y_pred, \(4, 3\); got \(4, 2\)"),
    (lambda: losses.MeanSquaredError()(ones((4, 1)), ones((4, 3))), r"y_pred, \(4, 3\); got \(4, 1\)"),
    (lambda: losses.binary_crossentropy(ones((4, 3)), ones((5, 3))), r"\(5, 3\); got \(4, 3\)"),
    (lambda: losses.categorical_crossentropy(ones((4,)), ones((4, 3))), "belong to the sparse_categorical"),
    (
        lambda: losses.sparse_categorical_crossentropy(ones((4, 3)), ones((4, 3))),
        r"labels of shape \(4,\) for y_pred of shape \(4, 3\); got \(4, 3\).*belong to the categorical",
    ),
    (lambda: losses.sparse_categorical_crossentropy(ones(5), ones((4, 3))), r"got \(5,\)"),
    (lambda: losses.sparse_categorical_crossentropy([0, 3], ones((2, 3))), "from 0 to 2, .* got 0 to 3"),
    (lambda: losses.sparse_categorical_crossentropy([0, -1], ones((2, 3))), "from 0 to 2, .* got -1 to 0"),
    (lambda: losses.sparse_categorical_crossentropy([0.5, 1], ones((2, 3))), "must be integers"),
    (lambda: losses.sparse_categorical_crossentropy([np.nan, 1], ones((2, 3))), "must be integers"),
    (lambda: losses.sparse_categorical_crossentropy([0, -2], ones((2, 3)), ignore_class=-1), "got -2 to 0"),
    (lambda: losses.MeanSquaredError(reduction="average"), "reduction must be one of .* got 'average'"),
    (
        lambda: losses.MeanSquaredError()(ones((4, 2)), ones((4, 2)), sample_weight=ones(3)),
        r"shape of the values of the loss, \(4,\), or of leading axes of it; got \(3,\)",
    ),
    (
        lambda: losses.MeanSquaredError()(ones((4, 2)), ones((4, 2)), sample_weight=ones((4, 2))),
        r"\(4,\), or of leading axes of it; got \(4, 2\)",
    ),
]


@pytest.mark.parametrize("call, match", BAD)
def test_bad_targets_and_weights_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_objects_are_no_targets():
    with pytest.raises(TypeError, match="expected numbers"):
        losses.mean_squared_error(np.array([None, 1]), ones(2))

"""`compile`: how losses, weights and metrics find their outputs, and how "accuracy" is understood."""

from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import Input, Model, layers, losses, metrics, ops, tree
from minirnn.models.compile_utils import CompileLoss, CompileMetrics
from tests.models.helpers import VALUES, X, regressor

Pair = namedtuple("Pair", ["left", "right"])
RNG = np.random.default_rng(0)


def tensors(structure, seed=0):
    rng = np.random.default_rng(seed)
    return tree.map_structure(
        lambda n: ops.convert_to_tensor(rng.uniform(0.1, 1, (4, n)).astype("float32")), structure
    )


def mse(y, p):
    return float(((y.numpy() - p.numpy()) ** 2).mean())


STRUCTURES = [3, [3, 2], (3,), {"b": 2, "a": 3}, Pair(3, 2), [[1, 2], 3], {"x": [1, 2], "a": (3,)}]


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_one_loss_serves_all_outputs_of_any_structure(structure):
    y, p = tensors(structure), tensors(structure, 1)
    each = [mse(a, b) for a, b in zip(tree.flatten(y), tree.flatten(p), strict=True)]
    loss = CompileLoss("mse")
    np.testing.assert_allclose(float(loss(y, p)), sum(each), rtol=1e-6)
    # Targets laid flat will do as well.
    np.testing.assert_allclose(float(loss(tree.flatten(y), p)), sum(each), rtol=1e-6)
    if len(each) > 1:
        np.testing.assert_allclose([float(m.result()) for m in loss.metrics], each, rtol=1e-6)


@given(st.lists(st.sampled_from(["mse", "mae", None]), min_size=2, max_size=4), st.booleans(), st.booleans())
def test_losses_and_their_weights_are_matched_by_place_and_by_name(kinds, by_name, weighted):
    names = [f"n{i}" for i in range(len(kinds))][::-1]
    y, p = tensors([2] * len(kinds)), tensors([2] * len(kinds), 1)
    weights = [float(i + 1) for i in range(len(kinds))]
    function = {"mse": lambda d: d**2, "mae": abs}
    each = [None if k is None else function[k](a.numpy() - b.numpy()).mean() for k, a, b in zip(kinds, y, p)]
    scale = weights if weighted else [1.0] * len(kinds)
    expected = sum(w * e for w, e in zip(scale, each) if e is not None)
    loss = CompileLoss(
        dict(zip(names, kinds)) if by_name else kinds,
        (dict(zip(names, weights)) if by_name else weights) if weighted else None,
        names,
    )
    total = loss(dict(zip(names, y)) if by_name else y, p)
    assert (total is None) if not any(kinds) else np.isclose(float(total), expected, rtol=1e-5)
    if sum(k is not None for k in kinds) > 1:
        assert [m.name for m in loss.metrics] == [f"{n}_loss" for n, k in zip(names, kinds) if k]


@given(st.permutations("abc"), st.permutations("abc"), st.booleans())
def test_a_dict_of_losses_for_a_dict_of_outputs_is_reported_in_its_own_order(outputs, given_as, nested):
    structure = {name: [1, 2] if nested and name == "b" else 1 for name in outputs}
    y, p = tensors(structure), tensors(structure, 1)
    loss = CompileLoss({name: tree.map_structure(lambda _: "mse", structure[name]) for name in given_as})
    loss(y, p)
    expected = [[f"{n}/output_{2 + i}" for i in (0, 1)] if nested and n == "b" else [n] for n in given_as]
    assert [m.name for m in loss.metrics] == [f"{name}_loss" for names in expected for name in names]
    flat = [(a, b) for n in given_as for a, b in zip(tree.flatten(y[n]), tree.flatten(p[n]))]
    np.testing.assert_allclose(
        [float(m.result()) for m in loss.metrics], [mse(a, b) for a, b in flat], rtol=1e-6
    )


@pytest.mark.parametrize(
    "true_shape, pred_shape, kind",
    [
        ((4,), (4, 1), "binary"),
        ((4, 1), (4, 1), "binary"),
        ((4,), (4, 3), "sparse"),
        ((4, 1), (4, 3), "sparse"),
        ((4, 2), (4, 2, 3), "sparse"),
        ((4, 3), (4, 3), "categorical"),
        ((4, 2, 3), (4, 2, 3), "categorical"),
    ],
)
@pytest.mark.parametrize("name", ["accuracy", "acc"])
def test_accuracy_is_understood_by_the_shapes(true_shape, pred_shape, kind, name):
    y = RNG.integers(0, 2, true_shape)
    p = RNG.uniform(0.1, 0.9, pred_shape).astype("float32")
    found = CompileMetrics([name])
    found.update_state(ops.convert_to_tensor(y), ops.convert_to_tensor(p))
    cls = {
        "binary": "BinaryAccuracy",
        "sparse": "SparseCategoricalAccuracy",
        "categorical": "CategoricalAccuracy",
    }
    expected = getattr(metrics, cls[kind])()
    expected.update_state(y, p)
    assert type(found.metrics[0]).__name__ == cls[kind]
    assert {k: float(v) for k, v in found.result().items()} == {name: float(expected.result())}


def test_crossentropy_is_understood_by_the_shapes():
    labels, p = RNG.integers(0, 3, 4), ops.softmax(RNG.normal(size=(4, 3)).astype("float32"))
    sparse = CompileLoss("crossentropy")(ops.convert_to_tensor(labels), p)
    plain = CompileLoss("CE")(ops.convert_to_tensor(np.eye(3, dtype="float32")[labels]), p)
    np.testing.assert_allclose(
        float(sparse), float(losses.SparseCategoricalCrossentropy()(labels, p)), rtol=1e-6
    )
    np.testing.assert_allclose(float(plain), float(sparse), rtol=1e-5)


def names_of(spec, structure, weighted=None, names=None):
    found = CompileMetrics(spec, weighted, names)
    found.update_state(tensors(structure), tensors(structure, 1))
    return list(found.result())


def test_metrics_are_named_as_in_keras():
    mae = metrics.MeanAbsoluteError(name="own")
    assert names_of(["mse", mae, losses.mean_absolute_error], 2) == ["mse", "own", "mean_absolute_error"]
    assert names_of(["mse"], 2, ["mse"]) == ["mse", "weighted_mse"]
    assert names_of(["mse", "mse"], 2) == ["mse", "mse_1"]
    assert names_of([["mse"], ["mae", "mse"]], [2, 3], names=["a", "b"]) == ["a_mse", "b_mae", "b_mse"]
    assert names_of({"b": "mse"}, [2, 3], names=["a", "b"]) == ["b_mse"]
    assert names_of({"z": ["mse"], "y": "mae"}, {"z": 2, "y": 3}) == ["y_mae", "z_mse"]
    assert names_of([["mse"], ["mae"]], [2, 3]) == ["mse", "mae"]
    assert names_of([["mse"], ["mse", "mae"]], (2, 3)) == ["mse", "mse_1", "mae"]
    assert names_of({"u": [["mse"], ["mae"]], "v": "mse"}, {"u": [2, 3], "v": 1}) == ["mse", "mae", "mse_1"]
    assert names_of({"u": ["mse", "mae"], "v": "mse"}, {"u": [2, 3], "v": 1}) == ["mse", "mae", "mse_1"]
    assert names_of({"u": None, "v": "mse"}, {"u": [2, 3], "v": 1}) == ["mse"]
    of_dicts = names_of({"u": ["mse", "mae"]}, {"u": {"a": 2, "b": 3}})
    assert of_dicts == ["mse", "mae", "mse_1", "mae_1"]
    assert names_of(["mse"], [2, 3]) == ["mse", "mse_1"]
    assert names_of(["mse", "mae", mae], [2, 3], names=["a", "b"])[:3] == ["a_mse", "a_mae", "a_own"]


@given(st.lists(st.sampled_from(["mse", "mae", losses.Huber(), None]), min_size=2, max_size=4))
def test_a_loss_of_an_output_without_a_name_is_logged_by_its_own_unless_two_would_be_the_same(kinds):
    y, p = tensors([2] * len(kinds)), tensors([2] * len(kinds), 1)
    loss = CompileLoss(kinds)
    loss(y, p)
    given_names = [getattr(kind, "name", kind) for kind in kinds]
    expected = [
        f"{name}_loss" if given_names.count(name) == 1 else f"output_{number}_loss"
        for number, name in enumerate(given_names, 1)
        if name is not None
    ]
    assert [m.name for m in loss.metrics] == (expected if len(expected) > 1 else [])


def test_losses_may_nest_as_the_outputs_do():
    y, p = tensors([[2, 2], 3]), tensors([[2, 2], 3], 1)
    loss = CompileLoss([["mse", "mae"], "huber"])
    loss(y, p)
    assert [m.name for m in loss.metrics] == ["0/mse_loss", "0/mae_loss", "huber_loss"]
    loss = CompileLoss([["mse"], "mae"])
    loss([y[0][:1], y[1]], [p[0][:1], p[1]])
    assert [m.name for m in loss.metrics] == ["0/mse_loss", "mae_loss"]


def test_one_metric_object_for_several_outputs_counts_each_apart():
    found = CompileMetrics([metrics.MeanSquaredError(name="m")], None, ["a", "b"])
    y, p = tensors([2, 3]), tensors([2, 3], 1)
    found.update_state(y, p)
    values = {k: float(v) for k, v in found.result().items()}
    np.testing.assert_allclose(list(values.values()), [mse(a, b) for a, b in zip(y, p)], rtol=1e-6)


def test_outputs_of_one_layer_get_names_of_their_own():
    x = Input((4, 3))
    model = Model(x, layers.LSTM(2, return_state=True, name="rnn")(x))
    assert model.output_names == ["rnn", "rnn_1", "rnn_2"]
    model.compile("sgd", "mse")
    history = model.fit(X, [VALUES] * 3, verbose=0).history
    assert list(history) == ["loss", "rnn_1_loss", "rnn_2_loss", "rnn_loss"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"optimizer": "adm"}, "adm.*nearest.*Adam"),
        ({"optimizer": 3}, "optimizer"),
        ({"loss": "mze"}, "mze.*nearest.*MSE"),
        ({"loss": ["mse", "crossentorpy"]}, "crossentorpy"),
        ({"loss": 3}, "a loss must be a name.*3"),
        ({"loss": "mse", "loss_weights": "big"}, "loss_weights must be numbers.*'big'"),
        ({"metrics": ["acuracy"]}, "acuracy.*nearest.*accuracy"),
        ({"metrics": "accuracy"}, r"metrics=\['accuracy'\]"),
        ({"weighted_metrics": "accuracy"}, r"weighted_metrics=\['accuracy'\]"),
        ({"metrics": [3]}, "a metric must be a name.*3"),
        ({"steps_per_execution": 0}, "steps_per_execution"),
    ],
)
def test_a_name_that_is_not_known_is_refused_at_once_and_the_model_stays_as_it_was(arguments, words):
    model = regressor()
    model.compile("sgd", "mse")
    before = (model.optimizer, model.loss, model._compiled)
    with pytest.raises(ValueError, match=words):
        model.compile(**arguments)
    assert before == (model.optimizer, model.loss, model._compiled)


@pytest.mark.parametrize(
    "arguments, y, words",
    [
        (
            {"loss": ["mse", "mse", "mse"]},
            [VALUES] * 2,
            r"loss needs one entry for each of the 2 .*\['a', 'second'\].*3",
        ),
        ({"loss": {"a": "mse", "c": "mse"}}, [VALUES] * 2, r"loss must name each output, \['a', 'second'\]"),
        ({"loss": {"a": "mse"}}, [VALUES] * 2, "loss must name each output"),
        ({"loss": "mse", "loss_weights": [1.0]}, [VALUES] * 2, "loss_weights needs one entry"),
        ({"loss": "mse", "loss_weights": {"c": 1.0}}, [VALUES] * 2, r"loss_weights names \['c'\]"),
        ({"loss": "mse", "metrics": {"c": "mse"}}, [VALUES] * 2, r"metrics names \['c'\]; the outputs are"),
        ({"loss": "mse", "metrics": {"second_": "mse"}}, [VALUES] * 2, "'second' in place of 'second_'"),
        ({"loss": "mse", "weighted_metrics": {"c": "mse"}}, [VALUES] * 2, r"weighted_metrics names \['c'\]"),
        ({"loss": "mse", "metrics": [["mae"], [], []]}, [VALUES] * 2, r"metrics needs one entry .*got 3"),
        ({"loss": {"a": "mse", "seconde": "mse"}}, [VALUES] * 2, "'second' in place of 'seconde'"),
        ({"loss": [None, None], "metrics": ["mae", "mse"]}, None, "the metric 'mae' needs targets"),
        (
            {"loss": [None, None], "metrics": [[], [metrics.MeanSquaredError()]]},
            None,
            "'mean_squared_error' needs",
        ),
        ({"loss": "mse"}, [VALUES] * 3, r"y must hold 2 array\(s\).*got 3"),
        ({"loss": "mse"}, VALUES, r"y must hold 2 array\(s\).*got 1"),
        ({"loss": "mse"}, {"a": VALUES, "c": VALUES}, r"y names \['c'\]"),
        ({"loss": "mse"}, {"a": VALUES}, "there is a loss, but no targets"),
        ({"loss": "mse"}, None, "there is a loss, but no targets"),
        ({"loss": "mse", "metrics": ["accuracy"]}, [VALUES, VALUES[:, :1]], "must have the shape of y_pred"),
        ({"loss": ["mse", None], "metrics": ["accuracy"] * 2}, [VALUES], r"y must hold 2"),
    ],
)
def test_what_does_not_fit_the_outputs_is_refused_before_anything_changes(arguments, y, words):
    x = Input((3,))
    model = Model(x, [layers.Dense(2, name="a")(x), layers.Dense(2, name="second")(x)], name="net")
    model.compile("sgd", **arguments)
    before = model.get_weights()
    with pytest.raises(ValueError, match=words):
        model.fit(X[:, 0], y, verbose=0)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)

"""Bad input to `fit` and its kin: an error in words that names the model, and nothing has changed."""

import numpy as np
import pytest

from minirnn import Input, Sequential, layers, losses, optimizers, utils
from tests.models.helpers import LABELS, VALUES, X, compiled, state_of

SPARSE = losses.SparseCategoricalCrossentropy(from_logits=True)
ENDLESS = ((X[:4], LABELS[:4]) for _ in iter(int, 1))


def one_shot(n=3):
    return ((X[:4], LABELS[:4]) for _ in range(n))


CASES = [
    ("lengths", ValueError, "x has 23, y has 20", {"y": LABELS[:20]}),
    ("empty", ValueError, "empty", {"x": X[:0], "y": LABELS[:0]}),
    ("batch_size_0", ValueError, "batch_size must be an int of 1 or more; got 0", {"batch_size": 0}),
    ("batch_size_float", ValueError, "batch_size must be an int", {"batch_size": 2.0}),
    ("epochs", ValueError, "epochs must be an int", {"epochs": -1}),
    ("initial_epoch", ValueError, "initial_epoch must be an int", {"initial_epoch": 1.5}),
    ("split_1", ValueError, r"validation_split must be in \(0, 1\).*got 1.0", {"validation_split": 1.0}),
    ("split_negative", ValueError, "validation_split", {"validation_split": -0.1}),
    ("split_all", ValueError, "leaves 0 for training", {"validation_split": 0.99}),
    (
        "split_batches",
        ValueError,
        "validation_split needs arrays",
        {"x": one_shot(), "y": None, "validation_split": 0.5},
    ),
    ("steps", ValueError, "steps_per_epoch must be an int", {"steps_per_epoch": 0}),
    ("freq", ValueError, "validation_freq", {"validation_freq": 0}),
    ("verbose", ValueError, "verbose must be", {"verbose": 3}),
    ("callbacks", TypeError, "expected instances of Callback.*LambdaCallback", {"callbacks": [print]}),
    ("labels", ValueError, "from 0 to 2.*got 3 to 3", {"y": np.full(23, 3)}),
    ("negative_labels", ValueError, "from 0 to 2.*got -1 to 1", {"y": LABELS - 1}),
    ("one_hot", ValueError, "labels of shape", {"y": np.eye(3)[LABELS]}),
    ("features", ValueError, r"GRU .*3.*\(.*5\)", {"x": np.ones((23, 4, 5))}),
    ("rank", ValueError, "GRU .*3 axes", {"x": np.ones((23, 3))}),
    (
        "objects",
        TypeError,
        "pad them to one length",
        {"x": np.array([[1.0], [2.0, 3.0]] * 12, dtype=object)[:23]},
    ),
    ("lists", TypeError, "np.asarray", {"x": X.tolist()}),
    ("weights", ValueError, "sample_weight has 22", {"sample_weight": np.ones(22)}),
    ("both_weights", ValueError, "exclude", {"sample_weight": np.ones(23), "class_weight": {0: 1.0}}),
    ("class_weight", ValueError, "must be a dict", {"class_weight": [1.0, 2.0]}),
    ("no_targets", ValueError, "there is a loss, but no targets", {"y": None}),
    ("too_many_targets", ValueError, r"y must hold 1 array\(s\).*got 2", {"y": [LABELS, LABELS]}),
    (
        "validation",
        ValueError,
        r"validation_data: all arrays.*x has 5",
        {"validation_data": (X[:5], LABELS[:4])},
    ),
    ("validation_labels", ValueError, "from 0 to 2.*got 5 to 7", {"validation_data": (X, LABELS + 5)}),
    ("validation_form", ValueError, "tuple of 4", {"validation_data": (X, LABELS, None, None)}),
    (
        "one_pass",
        ValueError,
        "once; epochs=2 needs steps_per_epoch",
        {"x": one_shot(), "y": None, "epochs": 2},
    ),
    (
        "one_pass_of_validation",
        ValueError,
        "validation_data: a generator.*needs validation_steps",
        {"epochs": 2, "validation_data": one_shot()},
    ),
    ("generator_and_y", ValueError, "y cannot be given", {"x": one_shot()}),
    ("generator_of_triples", ValueError, "tuple of 4", {"x": iter([(X, LABELS, None, 1)]), "y": None}),
    ("generator_of_x", ValueError, "no targets", {"x": iter([X]), "y": None}),
    ("no_batch", ValueError, "empty", {"x": one_shot(0), "y": None}),
    ("function", TypeError, "It is a function", {"x": one_shot, "y": None}),
]


@pytest.mark.parametrize("name, error, words, arguments", CASES, ids=[case[0] for case in CASES])
def test_fit_refuses_it_before_anything_has_changed(name, error, words, arguments):
    model = compiled(loss=SPARSE, optimizer="adam")
    model.fit(X, LABELS, verbose=0)
    utils.set_random_seed(0)
    before = state_of(model)
    with pytest.raises(error, match=words) as caught:
        model.fit(**{"x": X, "y": LABELS, "verbose": 0, **arguments})
    assert state_of(model) == before
    if error is ValueError and "labels" not in name and name not in ("features", "rank", "one_hot"):
        assert "tuple of 4" in words or "Sequential 'sequential" in str(caught.value)


def test_evaluate_and_predict_refuse_it_too():
    model = compiled(loss=SPARSE)
    for method, arguments, words in [
        (model.evaluate, {"y": LABELS[:3]}, "evaluate: all arrays"),
        (model.evaluate, {"y": LABELS, "steps": 0}, "evaluate: steps"),
        (model.evaluate, {"y": LABELS, "verbose": "loud"}, "evaluate: verbose"),
        (model.evaluate, {"y": LABELS + 3}, "from 0 to 2.*got 3 to 5"),
        (model.predict, {"batch_size": -1}, "predict: batch_size"),
        (model.predict, {"steps": 1.5}, "predict: steps"),
        (model.train_on_batch, {"y": LABELS[:3]}, "train_on_batch: all arrays"),
        (model.train_on_batch, {"y": LABELS, "sample_weight": np.ones(2)}, "sample_weight has 2"),
    ]:
        with pytest.raises(ValueError, match=words):
            method(X, **{"verbose": 0, **arguments} if "batch" not in method.__name__ else arguments)
    with pytest.raises(ValueError, match="GRU"):
        model.predict(np.ones((2, 4, 7)), verbose=0)
    with pytest.raises(TypeError, match="predict_on_batch: x must be an array"):
        model.predict_on_batch("abc")


def test_a_wrong_batch_in_the_midst_of_a_generator_is_refused_when_it_comes():
    model = compiled(loss=SPARSE)
    batches = iter([(X[:4], LABELS[:4]), (X[:4], LABELS[:3])])
    with pytest.raises(ValueError, match=r"Sequential .*: fit: a batch must hold arrays of one length"):
        model.fit(batches, verbose=0)


def test_a_stateful_layer_needs_batches_of_one_size():
    model = Sequential([Input(batch_shape=(5, 4, 3)), layers.LSTM(3, stateful=True, name="kept")])
    model.compile("sgd", SPARSE)
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"\['kept'\].*23 samples in batches of 5 leave 3 over"):
            method(X, LABELS, batch_size=5, verbose=0)
    with pytest.raises(ValueError, match="kept"):
        model.predict(X, batch_size=5, verbose=0)
    model.fit(X[:20], LABELS[:20], batch_size=5, shuffle=False, verbose=0)


def test_a_model_without_an_optimizer_or_a_loss_does_not_train():
    model = Sequential([Input((3,)), layers.Dense(2)], name="net")
    model.compile(optimizer=None, loss="mse")
    with pytest.raises(ValueError, match="Sequential 'net': training needs an optimizer"):
        model.fit(X[:, 0], VALUES, verbose=0)
    model.compile("sgd")
    with pytest.raises(ValueError, match="Sequential 'net': there is no loss"):
        model.fit(X[:, 0], VALUES, verbose=0)


def test_weights_of_wrong_shapes_are_refused_and_none_is_set():
    model = compiled(loss=SPARSE)
    before = state_of(model)
    weights = model.get_weights()
    weights[0], weights[-1] = weights[0] + 1, np.ones(7)
    with pytest.raises(ValueError, match=r"dense.*bias.*\(3,\).*\(7,\)"):
        model.set_weights(weights)
    with pytest.raises(ValueError, match="array"):
        model.set_weights(weights[:2])
    assert state_of(model) == before


def test_a_model_that_has_nothing_to_train_warns():
    model = Sequential([Input((2,)), layers.Activation("tanh")])
    model.compile(optimizers.SGD(), "mse")
    with pytest.warns(UserWarning, match="no trainable weights"):
        model.fit(VALUES, VALUES, verbose=0)

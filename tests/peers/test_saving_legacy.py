"""Whole models and weights as ``.h5``: written by real Keras, and as Keras 2 did, read here."""

import json

import numpy as np
import pytest

import minirnn
from minirnn import saving

h5py = pytest.importorskip("h5py", reason="h5py is not installed; the extra 'keras' brings it")

# Keras's own, from its Variables under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

X = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")


def stack(lib):
    model = lib.Sequential(
        [
            lib.Input((4, 3)),
            lib.layers.Bidirectional(lib.layers.LSTM(3, return_sequences=True)),
            lib.layers.BatchNormalization(),
            lib.layers.GRU(2),
            lib.layers.Dense(2, trainable=False),
        ]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def branches(lib):
    a, b = lib.Input((4, 3), name="a"), lib.Input((4, 3), name="b")
    shared = lib.layers.SimpleRNN(3, name="shared")
    return lib.Model([a, b], lib.layers.Dense(1)(lib.layers.Concatenate()([shared(a), shared(b)])))


def assert_weights_equal(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("build, inputs", [(stack, X), (branches, [X, X + 1])])
def test_a_whole_model_as_h5_of_keras_3_is_read(keras, tmp_path, build, inputs):
    theirs = build(keras)
    theirs.save(tmp_path / "m.h5")
    ours = saving.load_model(tmp_path / "m.h5")
    assert_weights_equal(ours, theirs)
    np.testing.assert_allclose(ours(inputs).numpy(), np.asarray(theirs(inputs)), rtol=1e-5, atol=1e-5)
    assert ours.compiled == (build is stack)
    other = build(minirnn)
    other.load_weights(tmp_path / "m.h5")
    assert_weights_equal(other, theirs)


def with_ops(lib):
    x = lib.Input((4, 3))
    h = lib.layers.GRU(3, return_sequences=True)(x)
    h = lib.layers.Add()([lib.layers.Dense(3)(h[:, ::-1]), lib.ops.flip(h, axis=1)]) * 2.0
    return lib.Model(x, [lib.layers.Multiply()([h, h]) + 1.0, 1.0 - lib.ops.einsum("bij->bji", h)])


def test_ops_of_the_names_of_layers_in_an_h5_of_keras_3_are_ops(keras, tmp_path):
    """Keras cannot read these itself: it looks for a layer of the name of each op."""
    theirs = with_ops(keras)
    theirs.save(tmp_path / "m.h5")
    with pytest.raises((TypeError, ValueError)):
        keras.saving.load_model(tmp_path / "m.h5")
    ours = saving.load_model(tmp_path / "m.h5")
    assert_weights_equal(ours, theirs)
    for a, b in zip(ours(X), theirs(X), strict=True):
        np.testing.assert_allclose(a.numpy(), np.asarray(b), rtol=1e-5, atol=1e-5)


def keras_2_file(path, model, training=None):
    """Write a model as Keras 2.10 did."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.10.0"
        file.attrs["backend"] = "tensorflow"
        file.attrs["model_config"] = json.dumps(model["config"])
        if training:
            file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in model["weights"]]
        for name, weights in model["weights"].items():
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [key.encode() for key in weights]
            for key, value in weights.items():
                inner[key] = value


LSTM_2 = {
    "name": "lstm",
    "trainable": True,
    "batch_input_shape": [None, 4, 3],
    "dtype": "float32",
    "return_sequences": False,
    "return_state": False,
    "go_backwards": False,
    "stateful": False,
    "unroll": False,
    "time_major": False,
    "units": 2,
    "activation": "tanh",
    "use_bias": True,
    "recurrent_activation": "sigmoid",
    "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}, "shared_object_id": 1},
    "recurrent_initializer": {"class_name": "Orthogonal", "config": {"gain": 1.0, "seed": None}},
    "bias_initializer": {"class_name": "Zeros", "config": {}},
    "unit_forget_bias": True,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "implementation": 2,
    "kernel_regularizer": None,
}
DENSE_2 = {"name": "dense", "trainable": True, "dtype": "float32", "units": 1, "activation": "linear"}
WEIGHTS = {
    "lstm": {
        f"lstm/lstm_cell/{name}:0": np.full(shape, value, "float32")
        for name, shape, value in [
            ("kernel", (3, 8), 0.1),
            ("recurrent_kernel", (2, 8), 0.2),
            ("bias", 8, 0.3),
        ]
    },
    "dense": {"dense/kernel:0": np.ones((2, 1), "float32"), "dense/bias:0": np.zeros(1, "float32")},
}
TRAINING_2 = {
    "loss": "mse",
    "loss_weights": None,
    "weighted_metrics": None,
    "metrics": [
        [{"class_name": "MeanMetricWrapper", "config": {"name": "mae", "fn": "mean_absolute_error"}}]
    ],
    "optimizer_config": {
        "class_name": "Adam",
        "config": {"name": "Adam", "learning_rate": 0.5, "decay": 0.0, "beta_1": 0.9, "amsgrad": False},
    },
}


def expected():
    model = minirnn.Sequential([minirnn.Input((4, 3)), minirnn.layers.LSTM(2), minirnn.layers.Dense(1)])
    model.set_weights([w for weights in WEIGHTS.values() for w in weights.values()])
    return model


def test_a_sequential_model_of_keras_2_is_read(tmp_path):
    layers = [{"class_name": "LSTM", "config": LSTM_2}, {"class_name": "Dense", "config": DENSE_2}]
    config = {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}
    keras_2_file(tmp_path / "m.h5", {"config": config, "weights": WEIGHTS}, TRAINING_2)
    model = saving.load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(model(X).numpy(), expected()(X).numpy())
    assert float(model.optimizer.learning_rate) == 0.5
    assert np.isfinite(model.train_on_batch(X, np.ones((2, 1)))).all()


def test_a_functional_model_of_keras_2_is_read(tmp_path):
    shape = {"batch_input_shape": [None, 4, 3], "dtype": "float32", "sparse": False, "name": "x"}
    entries = [
        {"class_name": "InputLayer", "config": shape, "name": "x", "inbound_nodes": []},
        {
            "class_name": "LSTM",
            "name": "lstm",
            "inbound_nodes": [[["x", 0, 0, {}]]],
            "config": {k: v for k, v in LSTM_2.items() if k != "batch_input_shape"},
        },
        {
            "class_name": "Dense",
            "config": DENSE_2,
            "name": "dense",
            "inbound_nodes": [[["lstm", 0, 0, {}]]],
        },
    ]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["dense", 0, 0]]}
    config = {"class_name": "Functional", "config": {"name": "model", "layers": entries, **ends}}
    keras_2_file(tmp_path / "m.h5", {"config": config, "weights": {"x": {}, **WEIGHTS}})
    model = saving.load_model(tmp_path / "m.h5")
    np.testing.assert_array_equal(np.asarray(model(X)).reshape(2, 1), expected()(X).numpy())


def test_cve_2025_9905_code_in_a_file_of_keras_2_is_refused(tmp_path):
    function = {"name": "l", "function": ["4wEAAAA=", None, None], "function_type": "lambda"}
    layers = [{"class_name": "Lambda", "config": function}]
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
    keras_2_file(tmp_path / "m.h5", {"config": config, "weights": {}})
    with pytest.raises(saving.UnsafeFileError, match="Lambda layer"):
        saving.load_model(tmp_path / "m.h5")


def test_other_files_are_refused(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["x"] = 1.0
    with pytest.raises(saving.UnsafeFileError, match="no whole model"):
        saving.load_model(tmp_path / "m.h5")
    (tmp_path / "m.h5").write_bytes(b"no HDF5")
    with pytest.raises(saving.UnsafeFileError, match="HDF5 file cannot be read"):
        saving.load_model(tmp_path / "m.h5")
    layers = [{"class_name": "LSTM", "config": {**LSTM_2, "units": 10**6}}]
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
    keras_2_file(tmp_path / "m.h5", {"config": config, "weights": WEIGHTS})
    with pytest.raises(saving.UnsafeFileError, match="more weights than the file"):
        saving.load_model(tmp_path / "m.h5")

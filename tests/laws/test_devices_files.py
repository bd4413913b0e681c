"""Weights, layers and whole models from one device to another: by arrays, by files and by copies.

The GPU is that of the run, with ``-m gpu``; elsewhere hostcupy, a stand-in for CuPy in host memory.
"""

import copy
import io
import os
import pickle
import pickletools
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minirnn
from minirnn import backend, layers, losses, models, optimizers, utils
from minirnn.autograd import Tensor, Variable
from tests.laws import strategies
from tests.laws.strategies import assert_equal
from tests.standins import hostcupy, hostcupy_for_cupy

ROOT = Path(__file__).parents[2]
DTYPES = ("float16", "float32", "float64", "int8", "int32", "int64", "uint32", "bool")


@contextmanager
def gpu():
    """Make new arrays on the GPU; on the stand-in where the tests do not run on one."""
    with nullcontext() if backend.current().name == "cupy" else hostcupy_for_cupy(cudnn=True):
        yield


@contextmanager
def host():
    with minirnn.device("cpu"):
        yield


WAYS = pytest.mark.parametrize("made_on, loaded_on", [(gpu, host), (host, gpu)], ids=["to host", "to gpu"])


def kinds(variables) -> set:
    return {"numpy" if isinstance(v.data, np.ndarray) else "cupy" for v in variables}


def carried(value, made_on, loaded_on):
    """Return what `value()` makes on one device as a file brings it to another."""
    with made_on():
        file = pickle.dumps(value())
    with loaded_on():
        return pickle.loads(file)


@WAYS
@given(array=st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0))))
def test_a_tensor_in_a_file_has_its_value_and_comes_to_the_current_device(made_on, loaded_on, array):
    def made():
        tensor = Tensor(backend.asarray(array))
        backend.set_keras_mask(tensor, Tensor(backend.asarray(np.array([True, False]))))
        return tensor

    found = carried(made, made_on, loaded_on)
    with loaded_on():
        mask = backend.get_keras_mask(found)
        assert kinds([found, mask]) == {backend.current().name}
        assert found.dtype == array.dtype and mask.tolist() == [True, False]
        np.testing.assert_array_equal(found.numpy(), array)


@WAYS
def test_a_variable_in_a_file_keeps_its_name_its_value_and_whether_it_is_trained(made_on, loaded_on):
    def made():
        variable = Variable([1.0, 2.0], name="bias", path="lstm/bias", trainable=False)
        return variable, Variable(variable.value * 2.0)

    one, other = carried(made, made_on, loaded_on)
    assert (one.path, one.name, one.trainable, one.requires_grad) == ("lstm/bias", "bias", False, False)
    with loaded_on():
        assert one.tolist() == [1.0, 2.0] and other.tolist() == [2.0, 4.0] and other.requires_grad
        one.assign([3.0, 4.0])
        assert one.value.tolist() == [3.0, 4.0] and kinds([one, other]) == {backend.current().name}


@WAYS
@settings(max_examples=15)
@given(case=strategies.cases())
def test_a_recurrent_layer_in_a_file_gives_the_outputs_and_gradients_of_the_device_it_was_made_on(
    made_on, loaded_on, case
):
    with made_on():
        layer = case.layer()
        expected = case.run(layer), case.gradients(layer)
    found = carried(case.layer, made_on, loaded_on)
    with loaded_on():
        assert kinds(found.weights) == {backend.current().name}
        for got, due in zip((case.run(found), case.gradients(found)), expected):
            assert_equal(got, due, case.dtype)


def data():
    rng = np.random.default_rng(2)
    return rng.standard_normal((12, 5, 3)).astype("float32"), np.arange(12) % 4


def trained(optimizer="adam"):
    """Return a model after an epoch, with every kind of weight and of state in it."""
    utils.set_random_seed(1)
    x, y = data()
    model = models.Sequential(
        [
            layers.Input((5, 3)),
            layers.Masking(),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True, kernel_regularizer="l2")),
            layers.GRU(4, kernel_constraint="max_norm"),
            layers.BatchNormalization(),
            layers.Dense(4),
        ]
    )
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    return model


def goes_on(model):
    x, y = data()
    history = model.fit(x, y, batch_size=4, shuffle=False, epochs=2, verbose=0).history
    return [*(np.array(v) for v in history.values()), *model.get_weights(), model.predict(x, verbose=0)]


@WAYS
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_training_goes_on_from_a_file_as_it_would_have_on_its_own_device(made_on, loaded_on, optimizer):
    with made_on():
        expected = goes_on(trained(optimizer))
    model = carried(lambda: trained(optimizer), made_on, loaded_on)
    with loaded_on():
        assert kinds(model.weights) == {backend.current().name}
        for one, other in zip(goes_on(model), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=2e-5)


@WAYS
def test_what_the_host_reads_at_each_step_is_on_the_host_after_loading_too(made_on, loaded_on):
    def made():
        utils.set_random_seed(3)
        model = models.Sequential([layers.Input((5, 3)), layers.LSTM(3, dropout=0.5, seed=7)])
        model.compile("adam", "mse")
        x, _ = data()
        model.fit(x, np.zeros((12, 3), "float32"), batch_size=4, verbose=0)
        return model

    with made_on():
        seeds = [v.tolist() for v in made().variables if v.name == "seed_generator_state"]
    model = carried(made, made_on, loaded_on)
    states = [v for v in model.variables if v.name == "seed_generator_state"]
    assert seeds and [v.tolist() for v in states] == seeds
    assert kinds([*states, model.optimizer._iterations, model.optimizer.learning_rate]) == {"numpy"}


def test_a_copy_stays_on_its_device_and_is_another():
    with gpu():
        if "GPU:1" not in backend.current().devices():
            pytest.skip("needs two GPUs")
        with minirnn.device("gpu:1"):
            layer = layers.LSTM(3)
            layer.build((None, None, 2))
        before = layer.get_weights()
        twin = copy.deepcopy(layer)
        again = Variable(layer.weights[0])
        assert {v.data.device.id for v in (*twin.weights, again)} == {1}
        assert {id(v) for v in twin.weights}.isdisjoint({id(v) for v in layer.weights})
        twin.set_weights([w + 1 for w in before])
        assert {v.data.device.id for v in twin.weights} == {1}
        assert_equal(layer.get_weights(), before, "float32")


@pytest.mark.stand_ins
def test_a_copy_reads_nothing_from_the_device():
    with hostcupy_for_cupy():
        model = trained()
        with hostcupy.count_reads() as counted:
            copy.deepcopy(model)
        assert counted == [0]


def test_a_file_names_no_module_that_only_a_gpu_machine_has():
    with gpu():
        file = pickle.dumps(trained())
    named = {str(argument) for op, argument, _ in pickletools.genops(file) if "STRING" not in op.name}
    named |= {str(a) for op, a, _ in pickletools.genops(file) if "UNICODE" in op.name}
    assert not [name for name in named if "cupy" in name]


def test_a_file_is_loaded_by_a_process_that_knows_numpy_alone(tmp_path):
    x, _ = data()
    with gpu():
        model = trained()
        expected = model.predict(x, verbose=0)
        (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "x.npy", x)
    program = (
        "import pickle, sys, numpy as np\n"
        "sys.modules['cupy'] = None\n"
        f"model = pickle.load(open(r'{tmp_path}/model.pickle', 'rb'))\n"
        f"np.save(r'{tmp_path}/y.npy', model.predict(np.load(r'{tmp_path}/x.npy'), verbose=0))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "MINIRNN_BACKEND": "auto"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=0, atol=2e-5)


@WAYS
def test_weights_go_by_arrays_and_by_an_archive_of_them(made_on, loaded_on):
    x, _ = data()
    with made_on():
        model = trained()
        expected = model.predict(x, verbose=0)
        file = io.BytesIO()
        np.savez(file, *model.get_weights())
    file.seek(0)
    with loaded_on(), np.load(file) as archive:
        other = trained()
        other.set_weights([archive[name] for name in archive.files])
        assert kinds(other.weights) == {backend.current().name}
        np.testing.assert_allclose(other.predict(x, verbose=0), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("form", ["array", "tensor", "variable"])
def test_weights_are_set_from_arrays_of_the_device_too(form):
    with gpu():
        layer, other = (layers.LSTM(3) for _ in range(2))
        for made in (layer, other):
            made.build((None, None, 2))
        forms = {"array": lambda v: v.data, "tensor": lambda v: v.value, "variable": lambda v: v}
        other.set_weights([forms[form](v) for v in layer.weights])
        assert_equal(other.get_weights(), layer.get_weights(), "float32")
        assert not {id(v.data) for v in other.weights} & {id(v.data) for v in layer.weights}


def test_weights_on_another_device_are_refused_by_name_and_none_is_set():
    with gpu():
        layer = layers.LSTM(3)
        layer.build((None, None, 2))
        with host():
            there = layers.LSTM(3)
            there.build((None, None, 2))
        before = there.get_weights()
        mixed = [*(w + 1 for w in before[:-1]), layer.weights[-1]]
        with pytest.raises(ValueError, match=r"assign: .*one on GPU:0 and one on CPU:0"):
            there.set_weights(mixed)
        assert_equal(there.get_weights(), before, "float32")


@WAYS
def test_the_state_of_an_optimizer_goes_by_a_store_of_arrays(made_on, loaded_on):
    store = {}
    with made_on():
        model = trained()
        model.optimizer.save_own_variables(store)
        expected = [v.numpy() for v in model.optimizer.variables]
    assert {type(v) for v in store.values()} == {np.ndarray}
    with loaded_on():
        other = trained()
        slots = kinds(other.optimizer.variables[2:])
        other.optimizer.load_own_variables(store)
        assert kinds(other.optimizer.variables[2:]) == slots
        assert_equal([v.numpy() for v in other.optimizer.variables], expected, "float32")


def test_an_optimizer_that_was_never_used_goes_too():
    for made_on, loaded_on in ((gpu, host), (host, gpu)):
        optimizer = carried(lambda: optimizers.Adam(0.25), made_on, loaded_on)
        assert float(optimizer.learning_rate) == 0.25 and int(optimizer.iterations) == 0

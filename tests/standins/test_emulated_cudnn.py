"""Emulated cuDNN, the stand-in: order of calls, what is filled and what is not, and its faults on demand.

That it computes what cuDNN's equations say is shown beside PyTorch, in tests/peers.
"""

import ctypes
import threading
from ctypes import byref, c_int, c_size_t

import numpy as np
import pytest

from tests.standins import hostcupy as xp
from tests.standins.cudnn_driver import (
    BAD,
    EXECUTION,
    INTERNAL,
    STREAM,
    UNSUPPORTED,
    Failed,
    Run,
    assert_refused,
    ready_for,
)
from tests.standins.emulated_cudnn import library
from tests.standins.emulated_cudnn.state import IMPLEMENTATIONS


@pytest.mark.parametrize("gap", [0, 48])
def test_between_the_parameters_nothing_is_written(gap):
    run = Run(functions=library(gap=gap), directions=2)
    run.forward()
    run.backward_data()
    before = run.dweightSpace.get()
    for matrix, bias in run.parameters(run.dweightSpace).values():
        matrix.view("uint8")[:] = bias.view("uint8")[:] = 255
    between = run.dweightSpace.get() == before
    assert between.any() == bool(gap)
    run.backward_weights()
    np.testing.assert_array_equal(run.dweightSpace.get()[between], before[between])


def test_gradients_of_weights_are_added():
    run = ready_for("cudnnRNNBackwardWeights_v8")
    assert_refused(UNSUPPORTED, lambda: run.backward_weights(addGrad=1))
    run.backward_weights()
    once = run.dweightSpace.get().view("float64")
    run.backward_weights()
    np.testing.assert_allclose(run.dweightSpace.get().view("float64"), 2 * once, rtol=1e-12)


def test_states_that_are_not_given_are_zero_and_gradients_of_them_too():
    given, not_given = Run(), Run()
    for name in ("hx", "cx", "dhy", "dcy"):
        given.arguments[name], not_given.arguments[name] = xp.zeros_like(given.hx), None
    for run in (given, not_given):
        run.forward()
        run.backward_data()
        run.backward_weights()
    for name in ("y", "hy", "cy", "dx", "dhx", "dcx", "dweightSpace"):
        np.testing.assert_array_equal(getattr(given, name).get(), getattr(not_given, name).get())


@pytest.mark.parametrize("fill", [None, 0.0, -3.0])
def test_padded_steps_of_outputs_are_filled_if_that_is_asked_and_of_gradients_never(fill):
    run = Run(fill=fill)
    run.forward()
    run.backward_data()
    padded = np.arange(run.time) >= run.lengths[:, None]
    np.testing.assert_array_equal(run.y.get()[padded], np.nan if fill is None else fill)
    assert np.isnan(run.dx.get()[padded]).all()
    assert not np.isnan(run.y.get()[~padded]).any() and not np.isnan(run.dx.get()[~padded]).any()


def test_padded_steps_of_inputs_are_not_read():
    run, other = Run(directions=2), Run(directions=2)
    padded = np.arange(run.time) >= run.lengths[:, None]
    other.x._host[padded] = other.dy._host[padded] = np.nan
    for each in (run, other):
        each.forward()
        each.backward_data()
        each.backward_weights()
    for name in ("y", "hy", "cy", "dx", "dhx", "dcx", "dweightSpace"):
        np.testing.assert_array_equal(getattr(run, name).get(), getattr(other, name).get())


def test_rows_of_length_0_pass_forward_unless_all_are_and_never_backward():
    run = Run(lengths=(4, 0, 3))
    run.forward()
    np.testing.assert_array_equal(run.hy.get()[:, 1], run.hx.get()[:, 1])
    np.testing.assert_array_equal(run.y.get()[1], 0)
    assert_refused(EXECUTION, run.backward_data, "length 0")
    assert_refused(EXECUTION, Run(lengths=(0, 0)).forward, "length 0")


def test_persistent_algorithms_take_rows_of_one_length():
    run, other = Run(lengths=(4, 4, 4)), Run(lengths=(4, 4, 4))
    other.set_rnn(algo=1)
    other.forward()
    run.forward()
    np.testing.assert_array_equal(run.y.get(), other.y.get())


def test_inference_needs_no_reserve_space_and_leaves_nothing_for_a_backward_pass():
    run, other = Run(), Run()
    run.forward()
    other.forward(fwdMode=0, reserveSpaceSize=0, reserveSpace=None)
    np.testing.assert_array_equal(run.y.get(), other.y.get())
    assert (
        other.size(
            "cudnnGetRNNTempSpaceSizes", "reserveSpaceSize", fwdMode=0, workSpaceSize=byref(c_size_t())
        )
        == 0
    )
    assert_refused(EXECUTION, other.backward_data, "not from a forward pass")


def test_a_reserve_space_belongs_to_one_configuration():
    run, other = Run("gru"), Run("gru", lengths=(4, 4, 4))
    run.forward()
    other.forward()
    assert_refused(
        EXECUTION, lambda: other.backward_data(reserveSpace=run.reserveSpace), "another configuration"
    )
    fresh = Run("gru")
    assert_refused(
        EXECUTION, lambda: fresh.backward_data(reserveSpace=run.reserveSpace), "not from a forward"
    )


def test_a_reserve_space_goes_through_data_once_and_then_through_weights():
    run = Run()
    run.forward()
    assert_refused(EXECUTION, run.backward_weights, "has not been through BackwardData")
    copied = run.reserveSpace.copy()
    run.backward_data()
    first = run.dx.get()
    assert_refused(EXECUTION, run.backward_data, "BackwardData before")
    run.backward_data(reserveSpace=copied)
    np.testing.assert_array_equal(run.dx.get(), first)


def test_buffers_that_overlap_are_refused():
    run = Run(features=5, lengths=(4, 4, 4))
    assert_refused(EXECUTION, lambda: run.forward(y=run.x), "overlaps")
    assert_refused(EXECUTION, lambda: run.forward(hy=run.hx), "overlaps")
    assert_refused(EXECUTION, lambda: run.forward(workSpace=run.reserveSpace), "overlaps")


def test_a_handle_is_for_its_own_device_thread_and_the_current_stream():
    run = Run()
    with xp.cuda.Device(1):
        assert_refused(EXECUTION, run.forward, "handle is of device 0")
    failures = []

    def elsewhere():
        try:
            run.forward()
        except Failed as error:
            failures.append(error.status)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert failures == [EXECUTION]
    with xp.cuda.Stream():
        assert_refused(STREAM, run.forward)
        run.call("cudnnSetStream", streamId=xp.cuda.get_current_stream().ptr)
        run.forward()
    assert_refused(STREAM, run.forward)
    assert_refused(BAD, lambda: run.call("cudnnSetStream", streamId=4096))


def test_live_objects_and_calls_are_counted():
    run = Run()
    run.forward()
    assert run.functions.live == {"handle": 1, "rnn": 1, "data": 2, "tensor": 4}
    assert run.functions.calls["cudnnRNNForward"] == 1
    run.destroy()
    assert not run.functions.live


def test_functions_are_as_from_ctypes_and_know_nothing_of_their_arguments():
    functions = library()
    function = functions.cudnnGetRNNWeightSpaceSize
    assert function is functions.cudnnGetRNNWeightSpaceSize
    assert function.restype is c_int and not function.argtypes
    with pytest.raises(AttributeError, match="undefined symbol: cudnnRNNForwardTraining"):
        functions.cudnnRNNForwardTraining  # noqa: B018


def test_a_library_may_lack_functions_and_be_old():
    with pytest.raises(AttributeError, match=r"libcudnn\.so\.9: undefined symbol"):
        library(without=("cudnnRNNForward",)).cudnnRNNForward  # noqa: B018
    old = library(version=8907)
    assert old.cudnnGetVersion() == 8907
    with pytest.raises(AttributeError, match=r"libcudnn\.so\.8"):
        old.cudnnGetLastErrorString  # noqa: B018


@pytest.mark.parametrize(
    "call, status, name",
    [
        (lambda run: run.forward(x=None), 3, "BAD_PARAM"),
        (lambda run: run.set_rnn(algo=2), 9, "NOT_SUPPORTED"),
        (lambda run: run.backward_data(), 8, "EXECUTION_FAILED"),
        (lambda run: run.forward(workSpaceSize=0), 3, "BAD_PARAM"),
    ],
)
def test_statuses_of_cudnn_8_are_its_own(call, status, name):
    run = Run(functions=library(version=8907))
    assert_refused(status, lambda: call(run))
    function = run.functions.cudnnGetErrorString
    function.restype, function.argtypes = ctypes.c_char_p, (c_int,)
    assert function(status).decode() == f"CUDNN_STATUS_{name}"


def test_a_failure_has_words_of_its_own_thread_and_they_are_told_once():
    run = Run()
    status = run.bare("cudnnDestroy")(None)
    function = run.functions.cudnnGetErrorString
    function.restype, function.argtypes = ctypes.c_char_p, (c_int,)
    assert function(status) == b"CUDNN_STATUS_BAD_PARAM_NULL_POINTER"
    words = []

    def say(size=200):
        text = ctypes.create_string_buffer(200)
        run.bare("cudnnGetLastErrorString")(text, size)
        words.append(text.value)

    thread = threading.Thread(target=say)
    thread.start()
    thread.join()
    say(12)
    say()
    assert words == [b"", b"cudnnDestro", b""]
    assert run.functions.last_words == "cudnnDestroy: the handle is NULL"


def test_a_chosen_call_fails_and_the_next_does_not():
    run = Run(functions=library(fail={"cudnnRNNForward": 2, "cudnnRNNBackwardData_v8": (1, 4003)}))
    run.forward()
    assert_refused(EXECUTION, run.forward, "made to fail")
    run.forward()
    assert_refused(4003, run.backward_data)
    run.functions.fail_after("cudnnRNNForward", 1, 1001)
    assert_refused(1001, run.forward)
    run.forward()


def test_a_fault_of_the_emulation_itself_is_told(monkeypatch):
    run = Run()
    monkeypatch.setitem(IMPLEMENTATIONS, "cudnnRNNForward", lambda *arguments: [][1])
    assert_refused(INTERNAL, run.forward, "(?s)emulation is at fault.*IndexError")

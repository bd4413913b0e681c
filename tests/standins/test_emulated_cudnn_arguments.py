"""Emulated cuDNN, the stand-in, refuses each wrong argument with the status that is its own."""

import ctypes
import gc
from ctypes import byref, c_int, c_void_p

import pytest

from tests.standins import hostcupy as xp
from tests.standins.cudnn_driver import (
    BAD,
    BOUND,
    EXECUTION,
    KIND,
    MISALIGNED,
    NOT_SET,
    NULL,
    SHAPE,
    SIZE,
    UNSUPPORTED,
    UNSUPPORTED_LAYOUT,
    UNSUPPORTED_TYPE,
    Run,
    assert_refused,
    ints,
    ready_for,
)
from tests.standins.emulated_cudnn import header

READ = {
    "cudnnRNNForward": "devSeqLengths x hx cx weightSpace",
    "cudnnRNNBackwardData_v8": "devSeqLengths y dy hx dhy cx dcy weightSpace reserveSpace",
    "cudnnRNNBackwardWeights_v8": "devSeqLengths x hx y reserveSpace",
}
WRITTEN = {
    "cudnnRNNForward": "y hy cy workSpace reserveSpace",
    "cudnnRNNBackwardData_v8": "dx dhx dcx workSpace",
    "cudnnRNNBackwardWeights_v8": "dweightSpace workSpace",
}
POINTERS = [(name, p) for name in READ for p in f"{READ[name]} {WRITTEN[name]}".split()]
OPTIONAL = {"hx", "cx", "hy", "cy", "dhy", "dcy", "dhx", "dcx"}
SPACES = {"weightSpace", "dweightSpace", "workSpace", "reserveSpace"}
SIZES = ("weightSpaceSize", "workSpaceSize", "reserveSpaceSize")
OBJECTS = {
    name: [p for p, of in header.FUNCTIONS[name]["parameters"] if of.endswith(("Descriptor_t", "Handle_t"))]
    for name in READ
}


@pytest.mark.parametrize("name, parameter", POINTERS)
class TestPointer:
    def test_an_address_of_the_host_is_refused(self, name, parameter):
        run = ready_for(name)
        host = getattr(run, parameter).get()
        assert_refused(EXECUTION, lambda: run.call(name, **{parameter: host.ctypes.data}), parameter)

    def test_null_is_refused_where_it_means_nothing(self, name, parameter):
        run = ready_for(name)
        if parameter in OPTIONAL:
            run.call(name, **{parameter: None})
        else:
            assert_refused(NULL, lambda: run.call(name, **{parameter: None}), parameter)

    def test_an_array_too_short_is_refused(self, name, parameter):
        run = ready_for(name)
        array = getattr(run, parameter)
        short = xp.asarray(array.get().reshape(-1)[:-1])
        assert_refused(EXECUTION, lambda: run.call(name, **{parameter: short}), f"{parameter} has")

    def test_memory_that_was_freed_is_refused(self, name, parameter):
        run = ready_for(name)
        address = getattr(run, parameter).copy().data.ptr
        gc.collect()
        assert_refused(EXECUTION, lambda: run.call(name, **{parameter: address}), parameter)

    def test_an_array_that_is_not_contiguous_is_refused(self, name, parameter):
        run = ready_for(name)
        array = getattr(run, parameter)
        apart = xp.stack([array, array], -1)[..., 0]
        assert_refused(EXECUTION, lambda: run.call(name, **{parameter: apart}), parameter)

    def test_an_array_of_another_device_is_refused(self, name, parameter):
        run = ready_for(name)
        with xp.cuda.Device(1):
            elsewhere = xp.array(getattr(run, parameter))
        assert_refused(EXECUTION, lambda: run.call(name, **{parameter: elsewhere}), "on device 1")

    def test_an_array_of_another_type_is_refused_and_bytes_must_be_aligned(self, name, parameter):
        run = ready_for(name)
        array = getattr(run, parameter)
        if parameter in SPACES:
            shifted = xp.zeros(array.size + 1, "uint8")[1:]
            assert_refused(MISALIGNED, lambda: run.call(name, **{parameter: shifted}), parameter)
        else:
            other = array.astype("float32" if array.dtype == "float64" else "int64")
            assert_refused(
                EXECUTION, lambda: run.call(name, **{parameter: other}), f"{parameter} is an array"
            )


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("size", SIZES)
def test_a_size_one_byte_short_is_refused(name, size):
    run = ready_for(name)
    assert_refused(SIZE, lambda: run.call(name, **{size: getattr(run, size) - 1}), size)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("size", ["workSpaceSize", "reserveSpaceSize"])
def test_a_size_greater_than_the_memory_is_refused(name, size):
    run = ready_for(name)
    assert_refused(EXECUTION, lambda: run.call(name, **{size: getattr(run, size) + 8}), size[:-4])


@pytest.mark.parametrize("name, parameter", [(name, p) for name in OBJECTS for p in OBJECTS[name]])
class TestObject:
    def test_null_is_refused(self, name, parameter):
        run = ready_for(name)
        assert_refused(NULL, lambda: run.call(name, **{parameter: None}))

    def test_one_that_no_call_made_is_refused(self, name, parameter):
        run = ready_for(name)
        assert_refused(BAD, lambda: run.call(name, **{parameter: 4096}), "no call created")

    def test_one_of_another_kind_is_refused(self, name, parameter):
        run = ready_for(name)
        other = run.arguments["rnnDesc" if parameter != "rnnDesc" else "xDesc"]
        assert_refused(KIND, lambda: run.call(name, **{parameter: other}))

    def test_one_that_was_destroyed_is_refused(self, name, parameter):
        run = ready_for(name)
        run.destroy()
        others = {
            p: v for p, v in ready_for(name, functions=run.functions).arguments.items() if p != parameter
        }
        changed = {p: others[p] for p in OBJECTS[name] if p != parameter}
        assert_refused(BAD, lambda: run.call(name, **changed), "was destroyed")

    def test_one_that_was_never_set_is_refused(self, name, parameter):
        run = ready_for(name)
        if parameter == "handle":
            return
        kind = {"r": "RNN", "x": "RNNData", "y": "RNNData", "h": "Tensor", "c": "Tensor"}[parameter[0]]
        blank = run.create(f"cudnnCreate{kind}Descriptor")
        assert_refused(NOT_SET, lambda: run.call(name, **{parameter: blank}), "never set")


def set_both(run, **changed):
    run.set_data("xDesc", **changed)
    run.set_data("yDesc", **{"vectorSize": run.units, **changed})


FIELDS = {
    "type of x": (BAD, lambda run: run.set_data("xDesc", dataType=0)),
    "type of y": (BAD, lambda run: run.set_data("yDesc", dataType=0, vectorSize=5)),
    "type of h": (BAD, lambda run: run.set_state("hDesc", dataType=0)),
    "type of the layer": (BAD, lambda run: run.set_rnn(dataType=0, mathPrec=0)),
    "size of x": (SHAPE, lambda run: run.set_data("xDesc", vectorSize=4)),
    "size of y": (SHAPE, lambda run: run.set_data("yDesc", vectorSize=10)),
    "directions": (SHAPE, lambda run: run.set_rnn(dirMode=1)),
    "layouts": (SHAPE, lambda run: run.set_data("xDesc", layout=0)),
    "times": (SHAPE, lambda run: run.set_data("xDesc", maxSeqLength=5)),
    "batches": (SHAPE, lambda run: run.set_data("xDesc", batchSize=2)),
    "lengths of x and y": (SHAPE, lambda run: run.set_data("xDesc", seqLengthArray=ints((4, 3, 3)))),
    "lengths on host and device": (EXECUTION, lambda run: set_both(run, seqLengthArray=ints((4, 3, 3)))),
    "shape of h": (SHAPE, lambda run: run.set_state("hDesc", dimA=ints((1, 3, 4)))),
    "strides of h": (BAD, lambda run: run.set_state("hDesc", strideA=ints((15, 1, 3)))),
    "packed layout": (UNSUPPORTED_LAYOUT, lambda run: set_both(run, layout=1)),
    "padding of which the layer knows nothing": (BAD, lambda run: run.set_rnn(auxFlags=0)),
    "persistent, rows of several lengths": (UNSUPPORTED, lambda run: run.set_rnn(algo=1)),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("status, change", FIELDS.values(), ids=FIELDS.keys())
def test_descriptors_that_contradict_are_refused(name, status, change):
    run = ready_for(name)
    change(run)
    assert_refused(status, lambda: run.call(name))


@pytest.mark.parametrize("name", [name for name in OBJECTS if "cDesc" in OBJECTS[name]])
@pytest.mark.parametrize("status, changed", [(BAD, {"dataType": 0}), (SHAPE, {"dimA": ints((3, 1, 5))})])
def test_the_cells_state_must_be_as_the_other(name, status, changed):
    run = ready_for(name)
    run.set_state("cDesc", **changed)
    assert_refused(status, lambda: run.call(name), "cDesc")


RNN_FIELDS = {
    "algo": [(4, UNSUPPORTED), (9, BAD), (2, UNSUPPORTED)],
    "cellMode": [(4, BAD)],
    "biasMode": [(4, BAD)],
    "dirMode": [(2, BAD)],
    "inputMode": [(2, BAD), (1, UNSUPPORTED)],
    "dataType": [(99, BAD), (9, UNSUPPORTED_TYPE), (0, UNSUPPORTED)],
    "mathPrec": [(99, BAD), (0, UNSUPPORTED)],
    "mathType": [(4, BAD), (1, UNSUPPORTED), (3, UNSUPPORTED)],
    "inputSize": [(0, BAD)],
    "hiddenSize": [(0, BAD)],
    "projSize": [(0, BAD), (6, BAD), (4, UNSUPPORTED)],
    "numLayers": [(0, BAD), (2, UNSUPPORTED)],
    "auxFlags": [(2, BAD)],
    "dropoutDesc": [(4096, BAD)],
    "rnnDesc": [(None, NULL)],
}


@pytest.mark.parametrize("field, value, status", [(f, *case) for f in RNN_FIELDS for case in RNN_FIELDS[f]])
def test_a_layer_is_set_with_what_its_fields_may_be(field, value, status):
    run = Run()
    assert_refused(status, lambda: run.set_rnn(**{field: value}))
    run.forward()  # nothing was changed


DATA_FIELDS = {
    "dataType": [(99, BAD), (3, UNSUPPORTED_TYPE)],
    "layout": [(3, BAD)],
    "maxSeqLength": [(0, BAD), (3, BAD)],
    "batchSize": [(0, BAD)],
    "vectorSize": [(-1, BAD)],
    "seqLengthArray": [(None, NULL), (ints((4, 5, 3)), BAD), (ints((4, -1, 3)), BAD)],
}


@pytest.mark.parametrize("field, value, status", [(f, *case) for f in DATA_FIELDS for case in DATA_FIELDS[f]])
def test_data_are_set_with_what_their_fields_may_be(field, value, status):
    run = Run()
    assert_refused(status, lambda: run.set_data("xDesc", **{field: value}))


@pytest.mark.parametrize(
    "field, value, status",
    [
        ("dataType", 99, BAD),
        ("nbDims", 2, UNSUPPORTED),
        ("nbDims", 9, UNSUPPORTED),
        ("dimA", ints((1, 0, 5)), BAD),
        ("strideA", ints((15, 0, 1)), BAD),
        ("dimA", None, NULL),
    ],
)
def test_tensors_are_set_with_what_their_fields_may_be(field, value, status):
    run = Run()
    assert_refused(status, lambda: run.set_state("hDesc", **{field: value}))


def test_what_must_be_on_the_host_is_refused_on_the_device():
    run = Run()
    assert_refused(EXECUTION, lambda: run.set_data("xDesc", seqLengthArray=run.devSeqLengths.data.ptr))
    assert_refused(EXECUTION, lambda: run.set_data("xDesc", paddingFill=run.x.data.ptr))
    assert_refused(EXECUTION, lambda: run.size("cudnnGetRNNWeightSpaceSize", "weightSpaceSize",
                                               weightSpaceSize=run.x.data.ptr))  # fmt: skip


def test_what_was_set_is_read_back():
    run = Run("gru", directions=2, dtype="float32")
    dropout = run.create("cudnnCreateDropoutDescriptor")
    unset = {"dropoutDesc": dropout}
    assert_refused(NOT_SET, lambda: run.set_rnn(**unset))
    nothing = {"dropout": 0.0, "states": None, "stateSizeInBytes": 0, "seed": 0}
    run.call("cudnnSetDropoutDescriptor", dropoutDesc=dropout, **nothing)
    run.set_rnn(dropoutDesc=dropout)
    run.rnn_fields["dropoutDesc"] = dropout.value
    places = {name: c_void_p() if name == "dropoutDesc" else c_int() for name in run.rnn_fields}
    run.call("cudnnGetRNNDescriptor_v8", **{name: byref(place) for name, place in places.items()})
    assert {name: place.value for name, place in places.items()} == run.rnn_fields
    names = ("dataType", "layout", "maxSeqLength", "batchSize", "vectorSize")
    places = {name: c_int() for name in names}
    lengths, fill = ints([0] * 3), ctypes.c_float(7)
    run.call(
        "cudnnGetRNNDataDescriptor",
        rnnDataDesc=run.arguments["xDesc"],
        arrayLengthRequested=3,
        seqLengthArray=lengths,
        paddingFill=byref(fill),
        **{name: byref(place) for name, place in places.items()},
    )
    assert {name: place.value for name, place in places.items()} == {n: run.data_fields[n] for n in names}
    assert list(lengths) == [4, 2, 3] and fill.value == 0


@pytest.mark.parametrize(
    "changed, status",
    [
        ({"pseudoLayer": 1}, BOUND),
        ({"linLayerID": 8}, BOUND),
        ({"weightSpaceSize": 100}, SIZE),
        ({"weightSpace": None}, NULL),
        ({"weightSpace": 4096}, EXECUTION),
        ({"mDesc": None}, NULL),
        ({"bAddr": None}, NULL),
    ],
)
def test_places_of_weights_are_asked_for_rightly(changed, status):
    run, address = Run(), byref(c_void_p())
    asked = {"pseudoLayer": 0, "linLayerID": 0, "mAddr": address, "bAddr": address}
    run.call("cudnnGetRNNWeightParams", **asked)
    assert_refused(status, lambda: run.call("cudnnGetRNNWeightParams", **{**asked, **changed}))

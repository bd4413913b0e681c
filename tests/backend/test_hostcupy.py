"""The stand-in hostcupy refuses what CuPy refuses, and computes what NumPy computes."""

import copy
import gc
import importlib
import pickle
import threading

import numpy as np
import pytest

from minirnn.autograd import Tensor
from tests.standins import hostcupy as xp
from tests.standins import hostcupy_memory
from tests.standins.hostcupy import Device

HOST = np.arange(6, dtype="float32").reshape(2, 3)


def on_device(values=HOST):
    return xp.asarray(values)


MIXED = {
    "ufunc": lambda a: xp.add(a, HOST),
    "ufunc of a list": lambda a: xp.add(a, [1.0, 2.0, 3.0]),
    "operator": lambda a: a + HOST,
    "reflected operator": lambda a: HOST + a,
    "in place": lambda a: a.__iadd__(HOST),
    "array without axes": lambda a: xp.multiply(a, np.array(2.0)),
    "function": lambda a: xp.concatenate([a, HOST]),
    "function of a list": lambda a: xp.sort([3, 1]),
    "first argument": lambda a: xp.sum(HOST),
    "method": lambda a: a.dot(HOST.T),
    "out": lambda a: xp.exp(a, out=HOST.copy()),
    "where": lambda a: xp.where(HOST > 2, a, a),
    "numpy's function": lambda a: np.add(a, HOST),
    "numpy's other functions": lambda a: np.concatenate([a, HOST]),
    "item assignment": lambda a: a.__setitem__(0, HOST[0]),
    "index": lambda a: a[np.array([0, 1])],
    "strides": lambda a: xp.lib.stride_tricks.as_strided(HOST, (2, 2), (4, 4)),
    "tensor": lambda a: xp.add(a, Tensor(HOST)),
    "conversion": np.asarray,
    "conversion in a list": lambda a: np.asarray([a, a]),
}


@pytest.mark.parametrize("mix", MIXED.values(), ids=MIXED.keys())
def test_arrays_of_host_and_device_never_meet(mix):
    with pytest.raises(TypeError, match=r"Unsupported type|[Ii]mplicit|no implementation|Output arguments"):
        mix(on_device())


def test_values_come_and_go_where_that_is_said():
    array = on_device()
    for host in (array.get(), xp.asnumpy(array)):
        assert type(host) is np.ndarray
        np.testing.assert_array_equal(host, HOST)
        assert not np.shares_memory(host, array._host)
    assert xp.asarray(array) is array and xp.array(array) is not array
    assert array[1, 2].item() == float(array[1, 2]) == int(array[1, 2]) == 5
    assert array.tolist() == HOST.tolist()


def test_numbers_numpys_own_too_mix_with_arrays():
    for result in (on_device() * 2, np.float32(2) * on_device(), np.multiply(on_device(), 2)):
        assert isinstance(result, xp.ndarray) and result.dtype == "float32"
        np.testing.assert_array_equal(result.get(), HOST * 2)
    np.testing.assert_array_equal(np.tanh(on_device()).get(), np.tanh(HOST))


def test_what_numpy_gives_as_a_number_is_an_array_of_no_axes():
    for value in (on_device().sum(), xp.max(on_device()), on_device()[0, 0], xp.add(1, 2)):
        assert isinstance(value, xp.ndarray) and value.shape == ()
        with pytest.raises(TypeError):
            range(value)  # type: ignore[call-overload]


def test_an_operator_gives_way_to_a_tensor():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "__radd__", lambda self, other: "the tensor's")
        assert on_device() + Tensor(HOST) == "the tensor's"


def test_integer_indices_wrap_around_the_axis():
    array = on_device()
    np.testing.assert_array_equal(array[xp.asarray([3, -1])].get(), HOST[[1, 1]])
    np.testing.assert_array_equal(array[..., xp.asarray([4])].get(), HOST[:, [1]])
    assert xp.take_along_axis(array, xp.asarray([[3], [5]]), 1).tolist() == [[0.0], [5.0]]
    with pytest.raises(IndexError):
        array[2]


def test_adding_at_repeated_indices_counts_each_and_knows_the_types_of_atomics():
    array = xp.zeros(3, "float32")
    xp.add.at(array, xp.asarray([0, 0, 2]), xp.ones(3, "float32"))
    assert array.tolist() == [2.0, 0.0, 1.0]
    with pytest.raises(TypeError, match="scatter_add only supports"):
        xp.add.at(xp.zeros(3, "int64"), xp.asarray([0]), xp.ones(1, "int64"))


def test_views_share_memory_and_an_array_of_the_right_dtype_is_not_copied():
    array = on_device()
    array.reshape(-1)[0] = 7
    array.T[1, 0] = 8
    assert array.tolist()[0][:2] == [7.0, 8.0]
    assert array.astype("float32", copy=False) is array


def test_reads_of_values_are_counted():
    array = on_device()
    with xp.count_reads() as counted:
        array.sum().item(), bool(array.any()), array.get(), array * 2
    assert counted == [3]


def test_arrays_of_two_devices_do_not_meet_and_are_copied_by_asarray_alone():
    first = on_device()
    with xp.cuda.Device(1):
        assert xp.zeros(1).device.id == 1
        with pytest.raises(ValueError, match="array device = 0 while current = 1"):
            first + 1
        assert xp.asarray(first).device.id == 1
    with pytest.raises(RuntimeError, match="invalid device"):
        xp.cuda.Device(2)


def test_an_array_is_copied_and_pickled_and_not_hashed():
    for duplicate in (copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))):
        other = duplicate(on_device())
        np.testing.assert_array_equal(other.get(), HOST)
    with pytest.raises(TypeError):
        hash(on_device())


@pytest.mark.parametrize("values", [["a"], [None], [object()]])
def test_there_are_arrays_of_numbers_alone(values):
    with pytest.raises(ValueError, match="Unsupported dtype"):
        xp.asarray(values)


@pytest.mark.parametrize(
    "use",
    [
        lambda a: xp.unstack(a),
        lambda a: xp.errstate(),
        lambda a: xp.linalg.multi_dot([a, a]),
        lambda a: a.newbyteorder(),
        lambda a: xp.random.Generator(xp.random.Philox4x3210(1)).permutation(3),
    ],
)
def test_what_cupy_lacks_is_no_attribute(use):
    with pytest.raises(AttributeError):
        use(on_device())


@pytest.mark.parametrize(
    "use", [lambda a: a.sum(initial=1), lambda a: xp.max(a, where=a > 1), lambda a: xp.maximum.reduce(a)]
)
def test_options_that_cupy_lacks_are_errors(use):
    with pytest.raises((TypeError, NotImplementedError)):
        use(on_device())


@pytest.mark.parametrize(
    "make",
    [
        lambda dtype: xp.empty((2, 3), dtype),
        lambda dtype: xp.ndarray((2, 3), dtype),
        lambda dtype: xp.empty_like(xp.zeros((2, 3), dtype)),
        lambda dtype: xp.empty_like(xp.zeros(2), dtype, shape=(2, 3)),
    ],
)
def test_what_nothing_has_filled_is_seen(make):
    for dtype in ("float16", "float32", "float64", "complex64"):
        assert make(dtype).shape == (2, 3) and np.isnan(make(dtype).get()).all()
    for dtype in ("int32", "int64", "uint8", "bool"):
        assert make(dtype).get().all() and make(dtype).dtype == dtype


def test_an_address_is_no_address_of_the_host_and_is_known_while_the_array_lives():
    array = xp.zeros((4, 6), "float32")
    assert array.data.ptr == array._host.ctypes.data + hostcupy_memory.TAG
    for part, nbytes in ((array, 96), (array[1:3], 48), (array[:, ::2], 0), (array[1], 24)):
        address, block = hostcupy_memory.find(part.data.ptr)
        assert address == part._host.ctypes.data
        assert (block.nbytes, block.dtype, block.device) == (nbytes, "float32", 0)
    within = array.data.ptr + 8
    assert hostcupy_memory.find(within)[1].nbytes == 96 - 8
    assert xp.zeros(0).data.ptr == 0
    del array, part
    gc.collect()
    assert hostcupy_memory.find(within - 8) is None and hostcupy_memory.find(within) is None


def test_the_chosen_allocation_fails_and_views_are_none():
    array = on_device()
    with xp.out_of_memory_after(3) as shortage:
        array + 1, array.T, array[0], array.reshape(-1), xp.add(array, 1, out=array)
        assert shortage.allocations == 1
        xp.empty(3)
        with pytest.raises(xp.cuda.memory.OutOfMemoryError, match="Out of memory allocating 24 bytes"):
            array * 2
        array * 2
    assert shortage.failed and shortage.allocations == 4
    assert issubclass(xp.cuda.memory.OutOfMemoryError, MemoryError)


def test_a_stream_and_a_device_are_current_in_one_thread():
    null, stream = xp.cuda.get_current_stream(), xp.cuda.Stream()
    assert null.ptr == 0 != stream.ptr
    seen = []
    with xp.cuda.Device(1), stream:
        assert xp.cuda.get_current_stream() is stream
        assert xp.cuda.get_current_stream(0) is null
        thread = threading.Thread(target=lambda: seen.append((Device().id, xp.cuda.get_current_stream().ptr)))
        thread.start()
        thread.join()
    assert seen == [(0, 0)]
    assert xp.cuda.get_current_stream() is null


def test_the_names_are_those_of_cupy():
    """Runs where CuPy is installed, with a GPU or without."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        pytest.skip(f"needs CuPy: {error}")

    def lacking(ours, theirs):
        names = {n for n in dir(ours) if n[0] != "_" and callable(getattr(ours, n))}
        return {n for n in names if not isinstance(getattr(ours, n), type) and not hasattr(theirs, n)}

    assert lacking(np, cupy) <= xp.LACKING
    assert lacking(np.linalg, cupy.linalg) <= xp.LACKING_LINALG
    methods = {n for n in vars(xp.ndarray) if n != "device" and not n.startswith("_")}
    assert methods <= set(dir(cupy.ndarray))
    assert set(xp.DRAWS) <= set(dir(cupy.random.Generator))
    assert hasattr(cupy.random, "Philox4x3210") and hasattr(cupy.add, "at") and hasattr(cupy, "asnumpy")

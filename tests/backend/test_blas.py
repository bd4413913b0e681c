"""Laws of the threads of BLAS: chosen by size inside of a block, as they were outside of it."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from minirnn import grad, ops
from minirnn.autograd import Variable
from minirnn.backend import blas


def threads():
    """Return the number of threads of what is held; PyTorch and SciPy may have brought other libraries."""
    held = {library.filepath for library in blas._libraries()}
    return max(info["num_threads"] for info in threadpool_info() if info["filepath"] in held)


@pytest.fixture(autouse=True)
def two_threads():
    with threadpool_limits(limits=2, user_api="blas"):
        yield


def test_the_size_of_a_product_chooses_inside_of_a_block_and_nothing_changes_outside():
    blas.before_product(1)
    assert threads() == 2
    with blas.by_size():
        assert threads() == 2
        blas.before_product(1)
        assert threads() == 1
        blas.before_product(blas.LARGE_PRODUCT)
        assert threads() == 2
        blas.before_product(1)
    assert threads() == 2


def test_blocks_nest_and_the_outermost_puts_back_even_if_it_fails():
    def fail():
        with blas.by_size():
            with blas.one_thread():
                assert threads() == 1
            assert threads() == 1, "an inner block does not change the number for the outer one"
            assert blas.threads() == 2, "the usual number is that from outside"
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert threads() == 2


@pytest.mark.host_only("NumPy's products are watched")
def test_the_reverse_pass_holds_blas_while_its_products_are_small(monkeypatch):
    seen = []
    plain = np.matmul
    monkeypatch.setattr(
        np, "matmul", lambda *args, **kwargs: (seen.append(threads()), plain(*args, **kwargs))[1]
    )
    w = Variable(np.ones((4, 4), "float32"))
    loss = ops.sum(ops.matmul(ops.ones((3, 4)), w))
    assert seen == [2]
    grad(loss, w)
    assert seen[1:] and set(seen[1:]) == {1} and threads() == 2


def test_blocks_of_several_threads_put_back_the_number_when_the_last_one_ends():
    inside, leave = threading.Barrier(2), threading.Event()

    def other():
        with blas.one_thread():
            inside.wait(10)
            leave.wait(10)

    thread = threading.Thread(target=other)
    with blas.one_thread():
        thread.start()
        inside.wait(10)
    assert threads() == 1
    leave.set()
    thread.join(10)
    assert threads() == 2

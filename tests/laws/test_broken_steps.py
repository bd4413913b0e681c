"""On any arrays, those of a GPU too: a step that breaks changes nothing, and the next one works.

`test_faults.py` breaks steps at every point and compares with models that never failed; here some points do,
as on a GPU two runs need not agree to the last bit.
"""

import numpy as np
import pytest

from minirnn import backend, layers, losses
from minirnn.models import Sequential
from tests.laws.breaking import PLACES, Broken, batch, broken_at, learnt_by, model, values_of
from tests.standins import hostcupy


def test_a_step_that_breaks_changes_nothing_and_the_next_one_works():
    one = model()
    with broken_at(None, *PLACES) as called:
        one.train_on_batch(*batch(1))
    for n in range(1, len(called) - 5, 9):
        before = values_of(one)
        with pytest.raises(Broken), broken_at(n, *PLACES):
            one.train_on_batch(*batch(2))
        assert values_of(one) == before, n
    updates = int(one.optimizer.iterations)
    assert np.isfinite(one.train_on_batch(*batch(2))).all()
    assert int(one.optimizer.iterations) == updates + 1


def test_a_gpu_that_runs_out_of_memory_in_fit_is_told_and_the_next_fit_works():
    xp = backend.current().xp
    if xp in (np, hostcupy):
        pytest.skip("needs a GPU: it is the memory pool of CuPy that is limited")
    one = Sequential([layers.Input((None, 8)), layers.LSTM(128), layers.Dense(2)], name="mine")
    one.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = np.ones((256, 200, 8), "float32"), np.arange(256) % 2
    one.fit(x[:2, :2], y[:2], verbose=0)
    before, pool = learnt_by(one), xp.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + 16 * 2**20)  # the states of all steps alone take 26 MB
    try:
        with pytest.raises(xp.cuda.memory.OutOfMemoryError) as caught:
            one.fit(x, y, batch_size=256, verbose=0, shuffle=False)
        (note,) = caught.value.__notes__
        assert note.startswith("Sequential 'mine': fit: ") and "smaller batch_size" in note
        assert learnt_by(one) == before
        one.fit(x[:8, :20], y[:8], verbose=0)  # although the error is kept
    finally:
        pool.set_limit(size=0)
    one.fit(x, y, batch_size=256, verbose=0)

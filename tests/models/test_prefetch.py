"""Batches on worker threads: the same ones in the same order, ahead of their use, and no thread is left."""

import signal
import threading
import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirnn import Sequential, callbacks, layers, utils
from minirnn.models.prefetch import loaded
from minirnn.utils import PyDataset


class Batches(PyDataset):
    """Batches of 4 samples that depend on their index; with a delay that makes late ones ready first."""

    def __init__(self, number=6, fail_at=None, delays=(0.0,), **kwargs):
        super().__init__(**kwargs)
        self.number, self.fail_at, self.delays = number, fail_at, delays
        self.log = []
        self.most = self.busy = 0
        self._lock = threading.Lock()

    def __len__(self):
        return self.number

    def __getitem__(self, index):
        with self._lock:
            self.busy += 1
            self.most = max(self.most, self.busy)
        try:
            time.sleep(self.delays[index % len(self.delays)])
            if index == self.fail_at:
                raise OSError(f"no file for batch {index}")
            random = np.random.default_rng([3, index])
            self.log.append(index)
            return random.normal(size=(4, 5, 3)).astype("f"), random.normal(size=(4, 1)).astype("f")
        finally:
            with self._lock:
                self.busy -= 1

    def on_epoch_begin(self):
        self.log.append("begin")

    def on_epoch_end(self):
        self.log.append("end")


class Endless(Batches):
    num_batches = None
    __len__ = None  # pyright: ignore


def compiled():
    utils.set_random_seed(0)
    model = Sequential([layers.Input((None, 3)), layers.GRU(4, dropout=0.2), layers.Dense(1)])
    model.compile("adam", "mse")
    return model


# The first batches are there at once, and all the rest takes more than a second: threads are met at work.
SLOW_LATER = (0.0,) * 4 + (0.08,) * 46


def workers_alive():
    return [t.name for t in threading.enumerate() if t.name.startswith("minirnn-data")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not workers_alive()


def trained(dataset, **options):
    model = compiled()
    history = model.fit(dataset, verbose=0, **options).history
    return [w.tobytes() for w in model.get_weights()], history


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("options", [{"workers": 3}, {"workers": 2, "max_queue_size": 1}, {"workers": 0}])
def test_workers_change_no_bit_of_a_run(options, shuffle):
    run = {"epochs": 2, "shuffle": shuffle, "validation_data": Batches(2)}
    alone = trained(Batches(), **run)
    run["validation_data"] = Batches(2, **options)
    assert trained(Batches(delays=(0.004, 0.0, 0.002), **options), **run) == alone


sizes = (st.integers(0, 12), st.integers(2, 4), st.integers(1, 5))


@given(*sizes, st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_batches_come_in_their_order_and_no_more_are_loaded_than_may_wait(number, workers, size, delays):
    begun = []

    class Data:
        def __getitem__(self, index):
            begun.append(index)
            time.sleep(delays[index % len(delays)] * 1e-4)
            return index

    order = [(5 * n) % number for n in range(number)] if number % 5 else list(range(number))
    for taken, index in enumerate(loaded(Data(), order, "fit", workers, size), start=1):
        assert index == order[taken - 1]
        assert len(begun) <= taken + size
    assert sorted(begun) == sorted(order)


def test_batches_are_loaded_while_the_model_computes_by_so_many_threads_at_once():
    data = Batches(8, delays=(0.02,), workers=3)
    seen = []

    class Watch(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.03)
            seen.append(len([n for n in data.log if n != "begin"]))

    compiled().fit(data, callbacks=[Watch()], verbose=0)
    assert data.most == 3
    assert seen[1] > 2, "later batches were there before the second step had ended"


def test_one_worker_loads_in_the_thread_of_fit_when_a_batch_is_needed():
    class Here(Batches):
        def __getitem__(self, index):
            assert threading.current_thread() is threading.main_thread()
            return super().__getitem__(index)

    data = Here(3)
    compiled().fit(data, epochs=2, shuffle=False, verbose=0)
    # The first batch is tried out before.
    assert data.log == [0, *["begin", 0, 1, 2, "end"] * 2]


@pytest.mark.parametrize("workers", [1, 3])
def test_epochs_begin_and_end_as_fit_s_do(workers):
    data = Batches(5, workers=workers)
    told = lambda: [what for what in data.log if isinstance(what, str)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the data ends in the middle of the third epoch
        compiled().fit(data, epochs=3, steps_per_epoch=2, verbose=0)
    assert told() == ["begin", "end"] * 3
    data.log.clear()
    compiled().evaluate(data, verbose=0)
    assert told() == ["begin", "end"]


@pytest.mark.parametrize("workers", [1, 3])
def test_data_without_an_end_goes_on_from_epoch_to_epoch(workers):
    data = Endless(workers=workers)
    model = compiled()
    history = model.fit(data, epochs=3, steps_per_epoch=4, verbose=0, shuffle=True).history
    assert len(history["loss"]) == 3
    taken = [n for n in data.log[1:] if isinstance(n, int)]
    assert sorted(set(taken))[:12] == list(range(12))
    assert model.predict(data, steps=2, verbose=0).shape == (8, 1)
    with pytest.raises(ValueError, match="Endless has no end; say how many batches make an epoch"):
        model.fit(data, verbose=0)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_what_a_worker_raises_is_raised_with_the_batch_and_its_cause(workers, method):
    model = compiled()
    data = Batches(fail_at=4, workers=workers)
    words = rf"{method}: batch 4 of Batches could not be loaded: OSError: no file for batch 4"
    with pytest.raises(RuntimeError, match=words) as caught:
        getattr(model, method)(data, verbose=0)
    assert isinstance(caught.value.__cause__, OSError)
    assert not workers_alive()
    data.fail_at = None
    model.fit(data, verbose=0)


def test_memory_that_runs_out_in_a_worker_stays_what_it_is():
    class Large(Batches):
        def __getitem__(self, index):
            if index == 2:
                raise MemoryError
            return super().__getitem__(index)

    with pytest.raises(MemoryError) as caught:
        compiled().fit(Large(workers=2), verbose=0)
    assert any("batch 2 of Large" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_error_in_the_middle_of_training_ends_the_threads(error):
    class Break(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                assert workers_alive()
                raise error

    data = Batches(50, delays=SLOW_LATER, workers=3, max_queue_size=40)
    # As it is kept, so are the frames that hold what loads.
    with pytest.raises(error) as caught:
        compiled().fit(
            data, callbacks=[Break()], validation_data=Batches(workers=2), shuffle=False, verbose=0
        )
    assert not workers_alive()
    assert caught.value.__traceback__ is not None
    assert len(data.log) < 40, "what was not begun is not loaded any more"


def test_ctrl_c_while_waiting_for_a_slow_batch_ends_the_threads():
    data = Batches(5, delays=(0.0, 0.0, 0.6), workers=2)
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    model = compiled()
    model.fit(Batches(1), verbose=0)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(data, epochs=9, verbose=0, shuffle=False)
    assert not workers_alive()
    model.fit(Batches(1), verbose=0)


@pytest.mark.parametrize("method", ["evaluate", "predict"])
def test_an_error_in_the_middle_of_a_loop_without_training_ends_the_threads(method):
    class Break(callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

        on_predict_batch_end = on_test_batch_end

    data = Batches(50, delays=SLOW_LATER, workers=3, max_queue_size=40)
    with pytest.raises(KeyboardInterrupt) as caught:
        getattr(compiled(), method)(data, callbacks=[Break()], verbose=0)
    assert not workers_alive()
    assert caught.value.__traceback__ is not None
    assert len(data.log) < 40
    getattr(compiled(), method)(data, steps=2, verbose=0)


def test_training_that_stops_early_ends_the_threads():
    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    data = Batches(50, workers=3)
    compiled().fit(data, callbacks=[Stop()], verbose=0)
    compiled().fit(data, epochs=2, steps_per_epoch=3, verbose=0)
    compiled().predict(data, steps=2, verbose=0)


def test_batches_of_keras_s_own_class_would_be_loaded_so_too():
    class Theirs:
        """What a data set is to have, without our base class."""

        workers, max_queue_size, use_multiprocessing, num_batches = 3, 10, False, 4

        def __getitem__(self, index):
            seen.add(threading.current_thread().name)
            time.sleep(0.002)
            return np.ones((2, 5, 3), "f"), np.ones((2, 1), "f")

    seen = set()
    compiled().fit(Theirs(), verbose=0)
    assert any(name.startswith("minirnn-data") for name in seen)


class Nothing(PyDataset):
    def __getitem__(self, index):
        return np.ones((2, 5, 3), "f")


class Processes(Batches):
    use_multiprocessing = True

    def __init__(self):
        super().__init__()
        self.use_multiprocessing = True


@pytest.mark.parametrize(
    "error, words, make",
    [
        (ValueError, "Batches: workers must be an int of 0 or more; got -1", lambda: Batches(workers=-1)),
        (ValueError, "workers must be an int", lambda: Batches(workers=1.5)),
        (ValueError, "max_queue_size must be an int of 1 or more; got 0", lambda: Batches(max_queue_size=0)),
        (ValueError, "use_multiprocessing must be False", lambda: Batches(use_multiprocessing=True)),
        (ValueError, "fit: Processes has use_multiprocessing=True", Processes),
        (ValueError, "the data is empty; Batches has length 0", lambda: Batches(0)),
        (NotImplementedError, r"Nothing must define __len__\(self\)", Nothing),
        (RuntimeError, "batch 0 of Batches could not be loaded: OSError", lambda: Batches(fail_at=0)),
    ],
)
def test_data_sets_that_cannot_be_loaded_are_refused_in_words_before_training(error, words, make):
    model = compiled()
    before = model.get_weights()
    with pytest.raises(error, match=words):
        model.fit(make(), verbose=0)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_a_base_class_that_was_not_called_leaves_the_defaults():
    class Bare(PyDataset):
        def __init__(self):
            pass

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return np.ones((2, 5, 3), "f"), np.ones((2, 1), "f")

    assert (Bare().workers, Bare().max_queue_size, Bare().use_multiprocessing) == (1, 10, False)
    assert len(list(Bare())) == Bare().num_batches == 2
    compiled().fit(Bare(), verbose=0)
    assert utils.Sequence is PyDataset


def test_generators_that_end_early_end_training_with_a_warning():
    def batches():
        for index in range(5):
            yield Batches()[index]

    model = compiled()
    with pytest.warns(UserWarning, match="ended after 1 of 2 batches"):
        history = model.fit(batches(), epochs=4, steps_per_epoch=2, verbose=0).history
    assert len(history["loss"]) == 3
    with pytest.raises(ValueError, match="yielded no batch"):
        model.fit(iter([]), verbose=0)


def test_what_a_generator_raises_comes_as_it_is():
    def batches():
        yield Batches()[0]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        compiled().fit(batches(), verbose=0)

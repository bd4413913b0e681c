"""What is said of memory that runs out and of cuDNN that fails: where it was and what to do, in a note on the
error, which stays the error that it is. And what is said, and done, without a libcudnn."""

import re
import traceback
import weakref

import numpy as np
import pytest

import minirnn
from minirnn import layers, losses, ops
from minirnn.backend.cudnn import CuDNNError
from minirnn.models import Sequential
from minirnn.models.collect import Collected
from tests.laws.breaking import N, batch, learnt_by, model, unbuilt, values_of
from tests.standins import emulated_cudnn, hostcupy, hostcupy_for_cupy

pytestmark = pytest.mark.stand_ins

OutOfMemoryError = hostcupy.cuda.memory.OutOfMemoryError


def note_of(error) -> str:
    """Return the one note on an error, which Python must show with it."""
    (note,) = error.__notes__
    assert note in "".join(traceback.format_exception(error))
    return note


CALLS = {
    "fit": (
        lambda one: one.fit(*batch(), batch_size=N, verbose=0, shuffle=False),
        "fit: epoch 1, batch 1",
        "gradient_accum",
    ),
    "evaluate": (lambda one: one.evaluate(*batch(), verbose=0), "evaluate: batch 1", "smaller batch_size"),
    "predict": (lambda one: one.predict(batch()[0], verbose=0), "predict: batch 1", "smaller batch_size"),
    "train_on_batch": (lambda one: one.train_on_batch(*batch()), "train_on_batch", "gradient_accum"),
    "test_on_batch": (lambda one: one.test_on_batch(*batch()), "test_on_batch", "smaller batch_size"),
    "predict_on_batch": (
        lambda one: one.predict_on_batch(batch()[0]),
        "predict_on_batch",
        "shorter sequences",
    ),
}


@pytest.mark.parametrize("call, where, advice", CALLS.values(), ids=CALLS.keys())
def test_whatever_a_gpu_has_no_memory_for_is_told_with_where_and_what_to_do(call, where, advice):
    with hostcupy_for_cupy(cudnn=False):
        one = model(small=True)
        call(one)
        with hostcupy.out_of_memory_after(None) as shortage:
            call(one)
        told, count = set(), shortage.allocations
        for n in range(1, count + 1, 3):
            before = learnt_by(one)
            with hostcupy.out_of_memory_after(n) as shortage:
                try:
                    call(one)
                except OutOfMemoryError as error:
                    caught = error
            if not shortage.failed:
                break
            assert str(caught).startswith("Out of memory allocating")
            note = note_of(caught)
            told.add(note)
            assert note.startswith("Sequential 'mine': ") and "memory ran out" in note
            assert learnt_by(one) == before
        assert n > 0.9 * count
        words = (where, f"float32 {batch()[0].shape}", advice)
        assert any(all(word in note for word in words) for note in told)
        call(one)


def test_a_first_batch_that_is_too_large_is_told_when_it_is_tried_out():
    with hostcupy_for_cupy(cudnn=False):
        one = unbuilt()
        with pytest.raises(OutOfMemoryError) as caught, hostcupy.out_of_memory_after(100):
            one.fit(*batch(), verbose=0)
    assert "fit: trying out the first batch: memory ran out on arrays of float32" in note_of(caught.value)


def test_validation_is_told_from_training():
    with hostcupy_for_cupy(cudnn=False):
        one = model(small=True)
        one.fit(*batch(), verbose=0, validation_data=batch())
        with hostcupy.out_of_memory_after(None) as shortage:
            one.fit(*batch(), verbose=0)
        late = hostcupy.out_of_memory_after(shortage.allocations + 20)
        with pytest.raises(OutOfMemoryError) as caught, late:
            one.fit(*batch(), verbose=0, validation_data=batch())
    assert re.search(r"fit: validation: (making )?batch 1: memory", note_of(caught.value))


class Hungry(layers.Layer):
    """A layer that asks for more memory than there is, when it is told to."""

    wants = 0
    seen = ()

    def call(self, x):
        y = x * 2.0
        if self.wants:
            self.seen = (weakref.ref(y.data), weakref.ref(x.data))
            return y + np.empty((*x.shape, self.wants), "float32")[..., 0]
        return y


@pytest.fixture
def hungry():
    one = Sequential([layers.Input((3,)), layers.Dense(2), Hungry(), layers.Dense(2)], name="mine")
    one.compile("sgd", "mse")
    one.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0)
    return one


def test_numpys_own_error_is_told_alike(hungry):
    hungry.layers[1].wants = 1 << 55
    with pytest.raises(MemoryError, match="Unable to allocate") as caught:
        hungry.fit(np.ones((8, 3)), np.ones((8, 2)), batch_size=4, verbose=0)
    note = note_of(caught.value)
    assert "Sequential 'mine': fit: " in note and "(4, 3)" in note and "smaller batch_size" in note


def test_what_a_step_had_computed_is_freed_although_the_error_is_kept(hungry):
    x, y = np.ones((8, 3), "float32"), np.ones((8, 2), "float32")
    hungry.fit(x, y, verbose=0)
    hungry.layers[1].wants = 1 << 55
    with pytest.raises(MemoryError) as caught:
        hungry.fit(x, y, verbose=0)
    assert [reference() for reference in hungry.layers[1].seen] == [None, None]
    assert caught.value.__traceback__ is not None
    hungry.layers[1].wants = 0
    hungry.fit(x, y, verbose=0)


def test_other_errors_have_no_note(hungry):
    def fail(y, p):
        raise ValueError("mine")

    hungry.compile("sgd", fail)
    with pytest.raises(ValueError, match="mine") as caught:
        hungry.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0)
    assert not getattr(caught.value, "__notes__", [])


def test_outputs_that_are_too_many_to_keep_are_asked_for_in_parts(monkeypatch):
    def fail(*args):
        raise MemoryError

    one = model(small=True)
    monkeypatch.setattr(Collected, "add", fail)
    with pytest.raises(MemoryError) as caught:
        one.predict(batch()[0], verbose=0)
    assert "part of the samples at a time" in note_of(caught.value)


def test_a_generator_without_memory_is_told():
    def batches():
        yield batch()
        raise MemoryError("in a generator")

    one = model()
    with pytest.raises(MemoryError, match="in a generator") as caught:
        one.fit(batches(), verbose=0)
    assert "fit: making batch 2: memory ran out" in note_of(caught.value)


# cuDNN.


def classifier(**options):
    one = Sequential([layers.Input((None, 3)), layers.LSTM(4, **options), layers.Dense(2)], name="mine")
    one.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return one


@pytest.mark.parametrize("version", [92700, 8907])
def test_a_call_of_cudnn_that_fails_in_fit_is_told_and_changes_nothing(version):
    library = emulated_cudnn.library(version=version)
    with hostcupy_for_cupy(cudnn=library):
        one, twin = model(small=True), model(small=True)
        for number, name in enumerate(
            ["cudnnRNNForward", "cudnnRNNBackwardData_v8", "cudnnRNNBackwardWeights_v8", "cudnnSetStream"]
        ):
            before = learnt_by(one)
            library.fail_after(name, 1)
            with pytest.raises(CuDNNError, match=f"{name} failed: CUDNN_STATUS_EXECUTION_FAILED") as caught:
                one.fit(*batch(), verbose=0, shuffle=False)
            note = note_of(caught.value)
            assert note.startswith("Sequential 'mine': fit: epoch 1, batch 1: cuDNN failed on arrays of")
            assert "use_cudnn=False" in note
            assert learnt_by(one) == before
            results = []
            for each in (one, twin):
                minirnn.utils.set_random_seed(number)
                results.append(each.fit(*batch(number), verbose=0, shuffle=False).history)
                results.append(values_of(each))
            assert results[:2] == results[2:]


def test_a_call_of_cudnn_that_fails_when_a_model_is_first_used_fails_only_then():
    def fitted(library, fails=()):
        minirnn.utils.set_random_seed(2)
        with hostcupy_for_cupy(cudnn=library):
            one = classifier()
            for _ in fails:
                with pytest.raises(CuDNNError):
                    one.fit(*batch(), verbose=0, shuffle=False)
            return one.fit(*batch(), verbose=0, shuffle=False).history, learnt_by(one)[:-1]

    library = emulated_cudnn.library()
    expected = fitted(library)
    called = {name: n for name, n in library.calls.items() if "Destroy" not in name}
    assert len(called) > 10
    for name, count in called.items():
        for n in {1, count}:
            library = emulated_cudnn.library(fail={name: n})
            assert fitted(library, fails=[name]) == expected, name


MISSING = {
    "no library": (False, "hostcupy is alone here"),
    "an old one": (emulated_cudnn.library(version=7605), "too old"),
    "one without a function": (
        emulated_cudnn.library(without=["cudnnRNNForward"]),
        "has no function cudnnRNNForward",
    ),
}


@pytest.mark.parametrize("cudnn, reason", MISSING.values(), ids=MISSING.keys())
def test_without_a_cudnn_that_can_be_used_layers_are_fused_and_say_why(cudnn, reason):
    x, y = batch()
    with hostcupy_for_cupy(cudnn=cudnn):
        one = classifier()
        history = one.fit(x, y, epochs=2, verbose=0).history
        assert np.isfinite(history["loss"]).all()
        report = one.layers[0].kernel_report(ops.convert_to_tensor(x))
        assert report.tier == "fused"
        assert any(r.startswith("There is no library: ") and reason in r for r in report.reasons["cudnn"])
        assert reason in str(report)


@pytest.mark.parametrize("cudnn, reason", MISSING.values(), ids=MISSING.keys())
def test_use_cudnn_true_raises_why_it_cannot_and_trains_nothing(cudnn, reason):
    x, y = batch()
    with hostcupy_for_cupy(cudnn=cudnn):
        late = Sequential([layers.LSTM(4, use_cudnn=True), layers.Dense(2)])
        late.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
        for call in (lambda: classifier(use_cudnn=True), lambda: late.fit(x, y, verbose=0)):
            with pytest.raises(ValueError, match=r"LSTM '.*': use_cudnn=True, but cuDNN cannot") as caught:
                call()
            assert reason in str(caught.value) and "use_cudnn='auto'" in str(caught.value)
        assert int(late.optimizer.iterations) == 0


def test_with_cudnn_the_same_layers_run_on_it():
    x, y = batch()
    with hostcupy_for_cupy():
        one = classifier(use_cudnn=True)
        one.fit(x, y, verbose=0)
        assert one.layers[0].kernel_report(ops.convert_to_tensor(x)).tier == "cudnn"

"""Arrays of a GPU: where they are, on which stream, in whose memory, and what is drawn there."""

import gc
import threading

import numpy as np
import pytest

import minirnn
from minirnn import backend, layers, losses, models, ops, optimizers, random
from minirnn.autograd import Variable, grad

B, T, D, H = 4, 7, 5, 6
KINDS = (layers.SimpleRNN, layers.GRU, layers.LSTM)


def inputs(seed=0, shape=(B, T, D)):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def classifier():
    minirnn.utils.set_random_seed(1)
    model = models.Sequential(
        [
            layers.Input((T, D)),
            layers.Masking(),
            layers.Bidirectional(layers.LSTM(H, return_sequences=True, dropout=0.2)),
            layers.GRU(H, recurrent_dropout=0.1),
            layers.BatchNormalization(),
            layers.Dense(3),
        ]
    )
    model.compile(
        optimizers.Adam(0.02), losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    return model


def test_arrays_of_a_computation_and_its_gradient_are_on_the_gpu():
    layer = layers.LSTM(H)
    y = layer(inputs())
    for value in (y, *layer.weights, *grad(ops.sum(y), layer.weights)):
        assert isinstance(value.data, backend.current().xp.ndarray)
        assert backend.current().device_of(value.data) == "GPU:0"
    assert type(y.numpy()) is np.ndarray


def test_training_on_the_gpu_learns():
    rng = np.random.default_rng(0)
    x, y = inputs(shape=(96, T, D)), rng.integers(0, 3, 96)
    x[:, 2] += 3.0 * np.eye(D, dtype="float32")[y]
    history = classifier().fit(x, y, epochs=8, batch_size=16, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert history["accuracy"][-1] > history["accuracy"][0]


def test_memory_of_the_gpu_does_not_grow_with_steps_of_training(cupy):
    model, x, y = classifier(), inputs(shape=(32, T, D)), np.arange(32) % 3
    pool = cupy.get_default_memory_pool()

    def used_after(steps):
        for _ in range(steps):
            model.train_on_batch(x, y)
        gc.collect()
        cupy.cuda.get_current_stream().synchronize()
        return pool.used_bytes()

    before = used_after(10)
    assert used_after(50) <= before


@pytest.mark.parametrize("cls", KINDS)
def test_another_stream_gives_the_same(cupy, cls):
    layer, x = cls(H, return_sequences=True), inputs()

    def run():
        y = layer(x)
        return [y.numpy(), *(g.numpy() for g in grad(ops.sum(y * y), layer.trainable_weights))]

    expected = run()
    cupy.cuda.get_current_stream().synchronize()
    with cupy.cuda.Stream(non_blocking=True) as stream:
        got = run()
        stream.synchronize()
    for one, other in zip(got, expected):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_threads_on_streams_of_their_own_do_not_disturb_one_another(cupy):
    stack = [layers.LSTM(H, return_sequences=True), layers.GRU(H)]
    xs = [inputs(seed) for seed in range(4)]
    run = lambda x: stack[1](stack[0](x)).numpy()
    expected = [run(x) for x in xs]
    cupy.cuda.get_current_stream().synchronize()
    wrong = []

    def work(x, due):
        with cupy.cuda.Stream(non_blocking=True):
            for _ in range(20):
                if not np.allclose(run(x), due, rtol=0, atol=1e-6):
                    wrong.append(x)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(xs, expected)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


@pytest.mark.parametrize("cls", KINDS)
def test_the_second_gpu_gives_what_the_first_gives(cls):
    if len(backend.current().devices()) < 2:
        pytest.skip("needs two GPUs")

    def run(device):
        with minirnn.device(device):
            layer = cls(H, return_sequences=True)
            layer.build((B, T, D))
            layer.set_weights([0.3 * inputs(n, w.shape) for n, w in enumerate(layer.weights)])
            y = layer(inputs())
            assert {backend.current().device_of(v.data) for v in (y, *layer.weights)} == {device}
            return y.numpy()

    np.testing.assert_allclose(run("GPU:1"), run("GPU:0"), rtol=0, atol=1e-6)
    with minirnn.device("gpu:1"):
        there = ops.ones(2)
    with pytest.raises(ValueError, match="one on GPU:0 and one on GPU:1"):
        ops.ones(2) + there


def test_arrays_come_and_go_by_dlpack_without_a_copy():
    xp = backend.current().xp
    array = xp.arange(6, dtype="float32").reshape(2, 3)
    tensor = minirnn.from_dlpack(array)
    assert isinstance(tensor.data, xp.ndarray)
    array += 1  # in place
    np.testing.assert_array_equal(tensor.numpy(), np.arange(1, 7).reshape(2, 3))
    back = xp.from_dlpack(tensor)
    array *= 2
    np.testing.assert_array_equal(back.get(), 2 * np.arange(1, 7).reshape(2, 3))


def test_pytorchs_tensors_of_the_gpu_come_and_go_by_dlpack_without_a_copy(cupy, torch, device):
    x = torch.arange(6.0, device=device).reshape(2, 3)
    tensor = minirnn.from_dlpack(x)
    assert isinstance(tensor.data, cupy.ndarray) and tensor.data.data.ptr == x.data_ptr()
    np.testing.assert_array_equal((tensor * 2).numpy(), 2 * np.arange(6.0).reshape(2, 3))
    back = torch.from_dlpack(tensor + 1)
    assert back.device == x.device
    np.testing.assert_array_equal(back.cpu().numpy(), np.arange(1.0, 7).reshape(2, 3))


DRAWS = {
    "normal": (lambda seed: random.normal((200, 50), seed=seed), 0.0, 1.0),
    "truncated_normal": (lambda seed: random.truncated_normal((200, 50), seed=seed), 0.0, 0.88),
    "uniform": (lambda seed: random.uniform((200, 50), 1.0, 3.0, seed=seed), 2.0, 0.58),
    "randint": (lambda seed: random.randint((200, 50), -2, 3, seed=seed), 0.0, 1.42),
    "dropout": (lambda seed: random.dropout(np.ones((200, 50), "float32"), 0.5, seed=seed), 1.0, 1.0),
    "gamma": (lambda seed: random.gamma((200, 50), 4.0, seed=seed), 4.0, 2.0),
    "binomial": (lambda seed: random.binomial((200, 50), 10, 0.5, seed=seed), 5.0, 1.58),
}


@pytest.mark.parametrize("draw, mean, deviation", DRAWS.values(), ids=DRAWS.keys())
def test_draws_depend_on_the_seed_alone_and_have_their_distribution(draw, mean, deviation):
    first, again, other = draw(1), draw(1), draw(2)
    assert isinstance(first.data, backend.current().xp.ndarray)
    np.testing.assert_array_equal(first.numpy(), again.numpy())
    values = first.numpy().astype("float64")
    assert (values != other.numpy()).mean() > 0.3
    assert abs(values.mean() - mean) < 6 * deviation / 100  # six errors of a mean of 10,000
    assert abs(values.std() / deviation - 1) < 0.05


def test_a_seed_makes_a_whole_run_on_the_gpu_the_same_to_the_bit_but_for_the_order_of_sums():
    x, y = inputs(shape=(48, T, D)), np.arange(48) % 3
    runs = [classifier().fit(x, y, epochs=2, batch_size=16, verbose=0).history["loss"] for _ in range(2)]
    np.testing.assert_allclose(runs[0], runs[1], rtol=1e-5)


def test_an_index_that_repeats_adds_up_by_atomics():
    table = Variable(np.zeros((3, 2), "float32"))
    rows = ops.take(table, np.zeros(1000, "int32"), axis=0)
    (gradient,) = grad(ops.sum(rows), [table])
    np.testing.assert_array_equal(gradient.numpy(), [[1000, 1000], [0, 0], [0, 0]])

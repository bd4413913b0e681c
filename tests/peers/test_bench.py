"""The benchmark's PyTorch does the same work as minirnn, from the same weights."""

import numpy as np
import pytest

from minirnn import bench, layers, ops
from minirnn.bench import pytorch
from minirnn.bench.works import Runner, Work, make_works

pytestmark = pytest.mark.host_only("compares with the CPU build of PyTorch")


@pytest.fixture(scope="session")
def peer(torch):
    found, why = pytorch.find(gpu=False)
    assert found is not None, why
    return found


@pytest.mark.parametrize("cell", [layers.LSTM, layers.GRU])
def test_pytorch_s_layer_has_minirnn_s_weights(peer, cell):
    rng = np.random.default_rng(5)
    x = ops.convert_to_tensor(rng.standard_normal((3, 6, 4)).astype("float32"))
    layer = cell(5, return_sequences=True)
    layer(x)
    layer.set_weights([rng.standard_normal(w.shape).astype("float32") for w in layer.weights])
    work = Work("lstm_forward", "", layer, x, Runner(lambda: None))
    assert 0 < peer.difference(work) < 1e-5
    layer.set_weights([w + 0.5 for w in layer.get_weights()])
    assert peer.difference(work) < 1e-5, "of the weights of now, not of those of before"


def test_pytorch_s_runners_do_each_work(peer, torch, capsys):
    for work in make_works(bench.QUICK):
        runner = peer.runner(work, bench.QUICK)
        assert runner.count == work.runner.count
        runner.call()
    found = bench.run_bench(quick=True, rounds=1)
    assert found["peer"] == f"PyTorch {torch.__version__}"
    for work in found["works"]:
        assert work["milliseconds"]["PyTorch"] > 0 and work["ratios"]["PyTorch"] > 0
    assert "outputs differ from PyTorch's by at most" in capsys.readouterr().out


@pytest.mark.parametrize("faster", [1, 2])
def test_pytorch_has_the_number_of_threads_that_serves_it_best(torch, faster, monkeypatch):
    now, threads = [0.0], []

    def call():
        threads.append(torch.get_num_threads())
        now[0] += 1.0 if threads[-1] == faster else 2.0

    monkeypatch.setattr(pytorch.time, "perf_counter", lambda: now[0])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        peer = pytorch.find(gpu=False)[0]
        assert "by 2 threads or by one" in peer.name
        peer.fastest(Runner(call)).call()
        assert threads[-1] == faster and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_pytorch_without_cuda_is_told_and_tf32_is_put_back(peer, torch):
    if torch.cuda.is_available():
        pytest.skip("this PyTorch has a GPU")
    assert pytorch.find(gpu=True)[0] is None and "finds no CUDA GPU" in pytorch.find(gpu=True)[1]
    before = torch.backends.cudnn.allow_tf32
    for enabled in (True, False):
        with pytorch.tensor_float_32(peer, enabled):
            assert torch.backends.cudnn.allow_tf32 is torch.backends.cuda.matmul.allow_tf32 is enabled
        assert torch.backends.cudnn.allow_tf32 is before

"""The same works in PyTorch, from the same weights: by cuDNN on a GPU, by its own kernels on the CPU."""

import importlib
import time
from contextlib import contextmanager

import numpy as np

from minirnn.bench.works import DIGIT_BATCH, Runner, Sizes, Work, digits
from minirnn.interop import to_torch


class Peer:
    """PyTorch on one device.

    Attributes
    ----------
    torch : module
    device : torch.device
    name : str
        With its versions.
    """

    def __init__(self, torch, device):
        self.torch, self.device = torch, torch.device(device)
        self.name = f"PyTorch {torch.__version__}"
        if self.device.type == "cuda":
            # The number counts as cuDNN itself does: 91002 is 9.10.2.
            self.name += f" with cuDNN {torch.backends.cudnn.version()} on {torch.cuda.get_device_name(0)}"
        elif torch.get_num_threads() > 1:
            self.name += f", by {torch.get_num_threads()} threads or by one, whichever is faster"

    def runner(self, work: Work, sizes: Sizes) -> Runner:
        """Return what does a work, with the weights of minirnn's layer."""
        return self.fastest(self._runner(work, sizes))

    def fastest(self, runner: Runner) -> Runner:
        """Return a runner by all threads or by one: on a busy CPU several only wait for one another."""
        torch, usual = self.torch, self.torch.get_num_threads()
        if self.device.type == "cuda" or usual == 1:
            return runner

        def by(threads):
            def call():
                torch.set_num_threads(threads)
                try:
                    return runner.call()
                finally:
                    torch.set_num_threads(usual)

            return runner._replace(call=call)

        def seconds(candidate):
            candidate.call()
            start = time.perf_counter()
            candidate.call()
            return time.perf_counter() - start

        return min((by(usual), by(1)), key=seconds)

    def _runner(self, work, sizes):
        if work.key == "digit_fit_step":
            return self._fit(sizes)
        if work.key == "single_step":
            return self._single_step(work, sizes)
        torch, peer = self.torch, self._layer(work)
        x = self._tensor(work.inputs)

        def forward():
            with torch.no_grad():
                return peer(x)[0]

        def train():
            peer.zero_grad(set_to_none=True)
            peer(x)[0].sum().backward()

        return Runner(train if work.key.endswith("training") else forward)

    def difference(self, work: Work) -> float:
        """Return the largest difference between the outputs of minirnn's layer and of PyTorch's."""
        with self.torch.no_grad():
            theirs = self._layer(work)(self._tensor(work.inputs))[0].cpu().numpy()
        return float(np.abs(work.layer(work.inputs).numpy() - theirs).max())

    def _tensor(self, value):
        return self.torch.from_numpy(np.array(value)).to(self.device)

    def _layer(self, work):
        """Return PyTorch's layer with the weights of minirnn's."""
        layer = work.layer
        if layer.stateful:  # its peer is told its states at each call
            layer = type(layer).from_config({**layer.get_config(), "stateful": False})
            layer.build(work.inputs.shape)
            layer.set_weights(work.layer.get_weights())
        return to_torch(layer).to(self.device)

    def _fit(self, sizes):
        torch, nn = self.torch, self.torch.nn
        x, y = (torch.from_numpy(a) for a in digits(sizes))
        y = y.long()

        class Classifier(nn.Module):
            def __init__(self):
                super().__init__()
                self.lstm = nn.LSTM(28, sizes.digit_units, batch_first=True)
                self.norm = nn.BatchNorm1d(sizes.digit_units, eps=1e-3, momentum=0.01)
                self.dense = nn.Linear(sizes.digit_units, 10)

            def forward(self, x):
                return self.dense(self.norm(self.lstm(x)[0][:, -1]))

        model = Classifier().to(self.device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)

        def fit():
            total = correct = torch.zeros((), device=self.device)
            for start in range(0, len(x), DIGIT_BATCH):
                images = x[start : start + DIGIT_BATCH].to(self.device)
                labels = y[start : start + DIGIT_BATCH].to(self.device)
                optimizer.zero_grad(set_to_none=True)
                scores = model(images)
                loss = nn.functional.cross_entropy(scores, labels)
                loss.backward()
                optimizer.step()
                total = total + loss.detach()
                correct = correct + (scores.argmax(1) == labels).sum()
            return float(total), int(correct)

        return Runner(fit, sizes.digit_batches)

    def _single_step(self, work, sizes):
        torch, peer = self.torch, self._layer(work)
        x = self._tensor(work.inputs)
        if self.device.type == "cuda":

            def step():
                state = None
                with torch.no_grad():
                    for _ in range(sizes.single_steps):
                        _, state = peer(x, state)

            return Runner(step, sizes.single_steps)
        cell = torch.nn.LSTMCell(x.shape[-1], peer.hidden_size)  # on the CPU the faster of the two

        def step_cell():
            h = c = torch.zeros(1, peer.hidden_size)
            with torch.no_grad():
                for _ in range(sizes.single_steps):
                    h, c = cell(x[:, 0], (h, c))

        return Runner(step_cell, sizes.single_steps)


def find(gpu: bool) -> tuple[Peer | None, str]:
    """Return PyTorch on the GPU or the CPU, or None and why it is not there."""
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        return None, f"PyTorch cannot be imported: {error}. Install it with pip install torch."
    if gpu and not torch.cuda.is_available():
        return None, f"PyTorch {torch.__version__} finds no CUDA GPU; install a build of it for CUDA."
    return Peer(torch, "cuda:0" if gpu else "cpu"), ""


@contextmanager
def tensor_float_32(peer: Peer | None, enabled: bool):
    """Let PyTorch's products of float32 be rounded to TF32, or not, in a ``with`` block."""
    if peer is None:
        yield
        return
    places = peer.torch.backends.cudnn, peer.torch.backends.cuda.matmul
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = enabled
        yield
    finally:
        for place, value in zip(places, before):
            place.allow_tf32 = value

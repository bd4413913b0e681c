"""What is fuzzed: from the bytes of a file to a model or one refusal, and nothing else.

A target takes bytes and returns whether they were accepted; it raises AssertionError if the law is broken:
loading gives a model, or raises an `UnsafeFileError` or another ValueError or TypeError of one line; it opens
no other file, imports nothing, runs no code and starts nothing; and it ends soon.
"""

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
import warnings

import numpy as np

import minirnn
from minirnn import layers, saving
from minirnn.saving import configs

# What is allowed takes some seconds at most, and far longer on a machine that is at work elsewhere.
SECONDS = 60.0
_FORBIDDEN = (
    "subprocess.",
    "socket.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "shutil.",
    "ftplib.",
)
_FORBIDDEN += (
    "marshal.loads",
    "pickle.find_class",
    "ctypes.dlopen",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "exec",
)
_FORBIDDEN += (
    "urllib.",
    "http.",
    "os.putenv",
    "os.chmod",
    "os.link",
    "os.symlink",
    "sys.setprofile",
    "os.listdir",
)
# Packages of which parts are imported when they are first used; which part, no file says.
_IMPORTS_WHEN_USED = ("minirnn", "numpy", "h5py", "encodings")


def _is_import() -> bool:
    """Whether what happens is a part of an import, which opens files and runs what is in them."""
    frame = sys._getframe()
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


class _Watched:
    """What happens while a file is loaded, as Python's own audit events tell it."""

    active = installed = False
    enabled = True
    path: str | None = None
    broken: list[str] = []

    @classmethod
    def hook(cls, event, arguments):
        if not cls.active:
            return
        if event == "import":
            if arguments[0].split(".")[0] not in _IMPORTS_WHEN_USED:
                cls.broken.append(f"imported {arguments[0]}")
        elif (not event.startswith(_FORBIDDEN) and event != "open") or _is_import():
            return
        elif event == "open":
            name = arguments[0]
            if isinstance(name, str | bytes | os.PathLike) and os.fspath(name) != cls.path:
                cls.broken.append(f"opened {name!r}")
        else:
            cls.broken.append(f"did {event} {arguments!r}"[:200])


@contextlib.contextmanager
def watched(path):
    """Raise AssertionError if anything is done that loading the file `path` has no need of."""
    if not _Watched.installed:
        sys.addaudithook(_Watched.hook)
        _Watched.installed = True
    _Watched.broken, started = [], time.monotonic()
    _Watched.path, _Watched.active = path, _Watched.enabled
    try:
        yield
    finally:
        _Watched.active = False
    assert not _Watched.broken, _Watched.broken
    took = time.monotonic() - started
    assert took < SECONDS, f"took {took:.0f} s"


def small_model():
    """A model with states of each kind (weights, a seed, an optimizer's), an op, and little text."""
    inputs = minirnn.Input((None,), dtype="int32", name="x")
    x = layers.Embedding(5, 2, mask_zero=True, name="embedding")(inputs)
    x = layers.Bidirectional(layers.GRU(1, dropout=0.1), name="both")(x)
    made = minirnn.Model(
        inputs, layers.Dense(2, kernel_regularizer="l2", name="dense")(x) * 2.0, name="small"
    )
    made.compile(minirnn.optimizers.SGD(momentum=0.5), "mse", metrics=["mae"])
    made.train_on_batch(np.ones((2, 4), "int32"), np.ones((2, 2), "float32"))
    return made


class Target:
    """One way in. Its files lie in a folder of its own, which `close` removes."""

    name: str
    ending: str

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="minirnn-fuzz-")
        self.path = os.path.join(self.folder, f"file{self.ending}")
        # What is imported when it is first used is imported now.
        _Watched.enabled = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.prepare()
            for content in (self.good(), b"", self.good()[:-1]):
                with contextlib.suppress(ValueError, TypeError):
                    self.once(content)
        _Watched.enabled = True

    def close(self):
        shutil.rmtree(self.folder)

    def prepare(self):
        """Make what `once` needs."""

    def good(self) -> bytes:
        """Return a file that is accepted."""
        raise NotImplementedError

    def once(self, content):
        """Load the file."""
        raise NotImplementedError

    def __call__(self, content: bytes) -> bool:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.once(content)
        except saving.UnsafeFileError as error:
            text = str(error)
            assert "refused" in text, text
        except (ValueError, TypeError) as error:
            text = str(error)
        else:
            return True
        finally:
            assert os.listdir(self.folder) in ([], [os.path.basename(self.path)]), os.listdir(self.folder)
        assert text and "\n" not in text, text
        return False

    def write(self, content):
        with open(self.path, "wb") as file:
            file.write(content)


class Keras(Target):
    """A whole ``.keras`` file, for `load_model`."""

    name, ending = "keras", ".keras"

    def good(self):
        small_model().save(self.path)
        with open(self.path, "rb") as file:
            return file.read()

    def once(self, content):
        self.write(content)
        with watched(self.path):
            loaded = saving.load_model(self.path)
        assert isinstance(loaded, minirnn.Model)


class Config(Target):
    """A config as text, for `model_from_json`."""

    name, ending = "config", ".json"

    def good(self):
        return small_model().to_json().encode()

    def once(self, content):
        text = content.decode("utf-8", "surrogateescape")
        with watched(None):
            loaded = saving.model_from_json(text)
        assert isinstance(loaded, minirnn.Model)


class Deserialize(Target):
    """A part's config, parsed, for `deserialize_keras_object`, which makes things of many kinds."""

    name, ending = "deserialize", ".json"

    def good(self):
        return json.dumps(saving.serialize_keras_object(layers.Dense(2, kernel_regularizer="l2"))).encode()

    def once(self, content):
        config = configs.parsed("deserialize", content)
        with watched(None):
            saving.deserialize_keras_object(config)


class WeightsH5(Target):
    """Weights as HDF5, for `load_weights`; a refusal changes nothing."""

    name, ending = "weights_h5", ".weights.h5"

    def prepare(self):
        self.model = small_model()

    def good(self):
        self.model.save_weights(self.path)
        with open(self.path, "rb") as file:
            return file.read()

    def once(self, content):
        self.write(content)
        variables = self.model.weights + self.model.optimizer.variables
        before = [v.data for v in variables]
        with watched(self.path):
            try:
                self.model.load_weights(self.path)
            except (ValueError, TypeError):
                assert all(v.data is data for v, data in zip(variables, before, strict=True))
                raise


class Npz(WeightsH5):
    """Weights as NumPy's archive, for `load_weights`."""

    name, ending = "npz", ".weights.npz"


class LegacyH5(Target):
    """A whole model as Keras 2 stored it, for `load_model`."""

    name, ending = "legacy_h5", ".h5"

    def good(self):
        import h5py

        model = minirnn.Sequential(
            [minirnn.Input((4, 3)), layers.LSTM(2, name="lstm"), layers.Dense(1, name="d")]
        )
        training = {
            "loss": "mse",
            "metrics": ["mae"],
            "optimizer_config": {"class_name": "SGD", "config": {}},
        }
        with h5py.File(self.path, "w") as file:
            file.attrs["model_config"] = json.dumps(saving.serialize_keras_object(model))
            file.attrs["training_config"] = json.dumps(training)
            top = file.create_group("model_weights")
            top.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
            for layer in model.layers:
                group = top.create_group(layer.name)
                group.attrs["weight_names"] = [w.path.encode() for w in layer.weights]
                for w in layer.weights:
                    group[w.path] = w.numpy()
        with open(self.path, "rb") as file:
            return file.read()

    def once(self, content):
        self.write(content)
        with watched(self.path):
            loaded = saving.load_model(self.path)
        assert isinstance(loaded, minirnn.Model)


TARGETS = {target.name: target for target in (Keras, Config, Deserialize, WeightsH5, Npz, LegacyH5)}

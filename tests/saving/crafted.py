"""Files as an attacker would make them: a good model's, with one thing changed."""

import io
import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

import minirnn
from minirnn import layers
from minirnn.saving import UnsafeFileError, load_model

RNG = np.random.default_rng(0)


def model():
    made = minirnn.Sequential([minirnn.Input((None, 3)), layers.LSTM(2, name="lstm"), layers.Dense(2)])
    made.compile("adam", "mse")
    return made


def members(folder) -> dict[str, bytes]:
    """The members of a good model's file."""
    path = folder / "good.keras"
    model().save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(folder, parts, compression=zipfile.ZIP_STORED, name="bad.keras"):
    """Write an archive, and return where."""
    path = folder / name
    with zipfile.ZipFile(path, "w", compression) as archive:
        for part, content in parts.items() if isinstance(parts, dict) else parts:
            archive.writestr(part, content)
    return path


def with_config(folder, change):
    """Write the good model with another config: `change` takes it and changes it or returns another."""
    parts = members(folder)
    config = json.loads(parts["config.json"])
    changed = change(config)
    parts["config.json"] = json.dumps(config if changed is None else changed).encode()
    return packed(folder, parts)


def with_layer(folder, layer):
    """Write the good model with one more layer in its config."""
    return with_config(folder, lambda config: config["config"]["layers"].append(layer))


def with_weights(folder, change):
    """Write the good model with another HDF5 file: `change` takes it, open for writing."""
    import h5py

    parts = members(folder)
    content = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(content, "r+") as file:
        change(file)
    parts["model.weights.h5"] = content.getvalue()
    return packed(folder, parts)


def layer(class_name, config=None, module="keras.layers", **more):
    return {"module": module, "class_name": class_name, "config": config or {}, **more}


def assert_refused(path, match, **options):
    """Refused in one line, without much memory, and without a file made or read."""
    before = sorted(os.listdir(path.parent))
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeFileError, match=match) as caught:
            load_model(path, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert "\n" not in text and str(path) in text and "refused" in text
    assert peak < 64 << 20, f"{peak >> 20} MiB were taken before it was refused"
    assert sorted(os.listdir(path.parent)) == before

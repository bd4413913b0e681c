"""`save_model`, `save_weights`: from models to files."""

import datetime
import json
import os
import warnings

from minirnn.saving import hdf5, npz, state
from minirnn.saving.archive import write_archive
from minirnn.saving.files import write_atomically
from minirnn.saving.loading import CONFIG, METADATA
from minirnn.utils.registry import serialize_keras_object, sharing

# Whose format it is.
_KERAS_VERSION = "3.15.1"


def config_of(model) -> dict:
    """Return all that describes a model, without its weights."""
    owners: dict[int, int] = {}
    for layer in model._flatten_layers():
        for inner in layer._sublayers():
            owners[id(inner)] = owners.get(id(inner), 0) + 1
    # A layer that two others hold is one when it is read again.
    with sharing(key for key, count in owners.items() if count > 1):
        return serialize_keras_object(model)


def _where_to(path, overwrite):
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"{path} exists; give overwrite=True to replace it.")


def save_model(
    model, filepath, overwrite=True, zipped=None, *, include_optimizer=True, save_format=None
) -> None:
    """Write a model: what it is made of, its weights, how it was compiled and its optimizer's state.

    The file is there as a whole, or what was there before is. Keras 3.15.1 reads it, if h5py is installed
    here; without, the weights are stored as .npz, which Keras cannot read.

    Parameters
    ----------
    model : Model
    filepath : str or path-like
        Must end in ".keras".
    overwrite : bool
        Whether an existing file is replaced.
    zipped : bool, optional
        For Keras's signature; a folder, which False asks for there, is not written.
    include_optimizer : bool
        False leaves out how the model was compiled, and the optimizer's state with it.
    save_format : str, optional
        For Keras's signature; only "keras" is written.

    Raises
    ------
    ValueError
        If the name ends otherwise, or another form is asked for, or a part of the model cannot be
        described, like a loss that is a lambda.
    FileExistsError
        If the file exists, and `overwrite` is False.
    OSError
        If it cannot be written.
    """
    path = os.fspath(filepath)
    if not path.endswith(".keras"):
        raise ValueError(
            f"{model._where}: save writes .keras files; got {path!r}. The whole models of Keras 2, .h5, are "
            "read, but not written."
        )
    if save_format not in (None, False, "keras"):
        raise ValueError(f"{model._where}: save writes save_format='keras' alone; got {save_format!r}.")
    if zipped not in (None, True):
        raise ValueError(f"{model._where}: save writes one zipped file; got zipped={zipped!r}.")
    _where_to(path, overwrite)
    if not model.built:
        warnings.warn(
            f"{model._where} is saved without weights, since it is not built: call it on data first.",
            stacklevel=3,
        )
    metadata = {
        "keras_version": _KERAS_VERSION,
        "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S"),
    }
    config, groups = config_of(model), state.collect(model)
    if not include_optimizer:
        config = {key: value for key, value in config.items() if key != "compile_config"}
        groups = (group for group in groups if not group[0].startswith("optimizer/"))
    kind, name = (hdf5, "model.weights.h5") if hdf5.available() else (npz, "model.weights.npz")
    members = {
        METADATA: json.dumps(metadata).encode(),
        CONFIG: json.dumps(config).encode(),
        name: kind.to_bytes(groups),
    }
    with write_atomically(path) as temporary, open(temporary, "wb") as file:
        write_archive(file, members)


def save_weights(model, filepath, overwrite=True, max_shard_size=None) -> None:
    """Write a model's weights, and its optimizer's state if it is compiled.

    The file is there as a whole, or what was there before is.

    Parameters
    ----------
    model : Model
    filepath : str or path-like
        Must end in ".weights.h5", or in ".weights.npz", for which h5py is not needed.
    overwrite : bool
        Whether an existing file is replaced.
    max_shard_size : None
        For Keras's signature; all weights are in one file.

    Raises
    ------
    ValueError
        If the name ends otherwise, or the model is not built, or several files are asked for.
    FileExistsError
        If the file exists, and `overwrite` is False.
    ImportError
        If h5py is needed and not installed.
    OSError
        If it cannot be written.
    """
    path = os.fspath(filepath)
    if max_shard_size is not None:
        raise ValueError(
            f"{model._where}: save_weights writes one file and no shards; got max_shard_size="
            f"{max_shard_size!r}."
        )
    if not path.endswith((".weights.h5", ".weights.npz")):
        raise ValueError(
            f"{model._where}: save_weights writes files whose names end in .weights.h5 or .weights.npz; got "
            f"{path!r}."
        )
    if not model.built:
        raise ValueError(
            f"{model._where}: save_weights needs a model that is built. Call it on data, or "
            "build(input_shape), first."
        )
    _where_to(path, overwrite)
    kind = hdf5 if path.endswith(".h5") else npz
    content = kind.to_bytes(state.collect(model))
    with write_atomically(path) as temporary, open(temporary, "wb") as file:
        file.write(content)

"""`load_model`, `load_weights`, `model_from_json`: from files to models."""

import contextlib
import importlib
import math
import operator
import os
from typing import Any

from minirnn import initializers
from minirnn.backend.allowance import ask, limited, unlimited
from minirnn.layers.context import context
from minirnn.layers.tracking import Tracked
from minirnn.saving import configs, hdf5, npz, state
from minirnn.saving.archive import Archive
from minirnn.saving.errors import UnsafeFileError, check_readable, refusing
from minirnn.utils.registry import CustomObjectScope, deserialize_keras_object, sharing

CONFIG, METADATA = "config.json", "metadata.json"
WEIGHTS = {"model.weights.h5": hdf5.File, "model.weights.npz": npz.File}
# What a model may have beyond what its file stores: weights that a layer of the user's keeps in its own way.
_SPARE = 1 << 20
# How many weights a model may have that is made of its config alone.
MOST_WEIGHTS = 1 << 27
# What inferring the shapes of a model may take: 256 MiB at a time, and some ten seconds in all.
_MOST_NUMBERS, _MOST_WORK, _A_CALL = 1 << 26, 1 << 33, 300_000


def deserialized(config, custom_objects=None) -> Any:
    """Return what a config describes, with every class there, whatever else has been imported."""
    # Each fills its table. By name, since models come after this in the order of the house.
    for name in ("activations", "losses", "metrics", "models"):
        importlib.import_module(f"minirnn.{name}")
    with CustomObjectScope(custom_objects or {}), sharing():
        return deserialize_keras_object(config)


class _Loading:
    """What limits the weights of a model that is made for a file, and spares them their first values.

    Parameters
    ----------
    path : str
    size : int
        How many numbers all weights together may have.
    stored : bool
        Whether they are numbers that the file stores, which the weights will be set to.
    """

    def __init__(self, path, size, stored):
        self.path, self.left, self.stored = path, size, stored

    def initial(self, layer, name, shape, initializer):
        """Return how a weight starts; raise if it is one too many."""
        size = math.prod(map(operator.index, shape))  # of what is no size, a product may be a huge tuple
        self.left -= size
        if self.left < 0:
            more = "more weights than the file stores" if self.stored else f"more than {MOST_WEIGHTS} weights"
            raise UnsafeFileError(
                f"{self.path}: refused, since the config asks for {more}; the first too many is {name!r} of "
                f"shape {shape}, of {layer._where}."
            )
        if isinstance(initializer, initializers.Orthogonal):
            ask(0, work=size * min(shape, default=1) // 4)
        # A layer with a form of its own for its weights may leave some as they are.
        if self.stored and type(layer).load_own_variables is Tracked.load_own_variables:
            initializer = initializers.Zeros()

        def first(*args, **kwargs):
            # Weights are limited here, and no part of what may be inferred.
            with unlimited():
                return initializer(*args, **kwargs)

        return first

    # The same two as of a step that is watched for NaN: a call costs work even if it computes nothing.

    def begin(self):
        ask(0, work=_A_CALL)

    def note(self, *_):
        """Do nothing once a call has ended."""


@contextlib.contextmanager
def _limited(path, size, stored):
    before = context.loading, context.watch
    context.loading = context.watch = _Loading(path, size, stored)
    try:
        with limited(_MOST_NUMBERS, _MOST_WORK):
            yield
    finally:
        context.loading, context.watch = before


def _check_model(path, made) -> None:
    if not isinstance(made, Tracked) or not hasattr(made, "save_weights"):
        raise UnsafeFileError(
            f"{path}: refused, since the config describes a {type(made).__name__}, which is no model."
        )


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True) -> Any:
    """Return the model in a file that this or Keras wrote.

    Parameters
    ----------
    filepath : str or path-like
        Of a ``.keras`` file, or a whole model as ``.h5`` of Keras 2.
    custom_objects : dict of str to class or function, optional
        What the model is made of and neither minirnn has nor `register_keras_serializable` knows.
    compile : bool
        Whether to compile the model as it was, its optimizer's state included.
    safe_mode : bool
        False for a file from who is trusted: then `Lambda` layers of any function load, lambdas stored as
        bytecode run, and sizes are not limited.

    Returns
    -------
    Model

    Raises
    ------
    UnsafeFileError
        A ValueError, if the file is damaged, or there is anything in it that is refused. Its one line says
        what.
    ImportError
        If the file has HDF5 in it and h5py is not installed.
    OSError
        If the file cannot be opened; a ValueError too if there is none.

    Notes
    -----
    Nothing is executed because a file says so. A class or function is looked up by its name among those of
    minirnn and those that the program registered, and nowhere else; arrays are never pickled; the archive is
    not extracted; and sizes are checked before memory is taken.
    """
    path = os.fspath(filepath)
    if path.endswith((".h5", ".hdf5")):
        from minirnn.saving.legacy import load_legacy_model

        return load_legacy_model(path, custom_objects, compile, safe_mode)
    check_readable(path)
    with Archive(path) as archive:
        text = archive.read(CONFIG, configs.LARGEST_TEXT)
        config = configs.parsed(path, text, safe_mode, custom_objects)
        with _weights_in(archive) as file:
            return made(path, config, file.store, custom_objects, compile, safe_mode)


def _weights_in(archive):
    for name, kind in WEIGHTS.items():
        if name in archive:
            return kind(archive.path, archive.read(name))
    raise UnsafeFileError(f"{archive.path}: refused, since it has none of {', '.join(WEIGHTS)}.")


def made(path, config, store, custom_objects=None, compile=True, safe_mode=True, restore=None) -> Any:
    """Return a model from its config and the store of what it holds, which `restore` sets it from."""
    if not compile:
        config = {k: v for k, v in config.items() if k != "compile_config"}
    with refusing(path, "the model"):
        if not safe_mode:
            from minirnn.saving.code import with_functions

            config = with_functions(config)
        with _limited(path, store.size + _SPARE, True) if safe_mode else contextlib.nullcontext():
            model = deserialized(config, custom_objects)
        _check_model(path, model)
        if restore is None:
            state.restore(model, store)
        else:
            restore(model)
    return model


def load_weights(model, filepath, skip_mismatch=False, objects_to_skip=None) -> None:
    """Set a model's weights, and its optimizer's state if it is compiled, from a file; all or nothing.

    Parameters
    ----------
    model : Model
        Built, and made of the same layers in the same places; their names do not matter.
    filepath : str or path-like
        Of a ``.weights.h5``, ``.weights.npz`` or ``.keras`` file.
    skip_mismatch : bool
        Whether to leave layers whose weights are not there, or of other shapes, as they are, with a warning.
    objects_to_skip : list, optional
        Layers and optimizers that are left as they are.

    Raises
    ------
    ValueError
        If the model is not built, or the file is of another model; an `UnsafeFileError` if it is refused.
    ImportError, OSError
        As `load_model`.
    """
    path = os.fspath(filepath)
    if not model.built:
        raise ValueError(
            f"{model._where}: load_weights needs a model that is built. Call it on data, or "
            "build(input_shape), first."
        )
    check_readable(path)
    with contextlib.ExitStack() as stack:
        if path.endswith(".keras"):
            file = stack.enter_context(_weights_in(stack.enter_context(Archive(path))))
        elif path.endswith(".weights.npz"):
            file = stack.enter_context(npz.File(path))
        elif path.endswith((".h5", ".hdf5")):
            file = stack.enter_context(hdf5.File(path))
            if not path.endswith(".weights.h5"):
                from minirnn.saving.legacy import restore_legacy

                restore_legacy(model, file, skip_mismatch)
                return
        else:
            raise ValueError(
                f"{model._where}: load_weights reads .weights.h5, .weights.npz and .keras files; got "
                f"{path!r}."
            )
        optimizer = model.optimizer
        if optimizer is not None and not optimizer.built:
            kept = file.store.group("optimizer/vars")
            if len(kept) > len(optimizer.variables):
                optimizer.build(model.trainable_weights)
        state.restore(model, file.store, skip_mismatch, objects_to_skip or ())


def model_from_json(json_string, custom_objects=None, safe_mode=True) -> Any:
    """Return the model that `Model.to_json` described, with new weights.

    Parameters
    ----------
    json_string : str
    custom_objects : dict of str to class or function, optional
    safe_mode : bool
        As of `load_model`.

    Raises
    ------
    UnsafeFileError
        A ValueError, if it is no such description, or asks for more than 134 million weights.
    """
    path = "model_from_json"
    config = configs.parsed(path, json_string, safe_mode, custom_objects)
    with refusing(path, "the model"):
        if not safe_mode:
            from minirnn.saving.code import with_functions

            config = with_functions(config)
        with _limited(path, MOST_WEIGHTS, False) if safe_mode else contextlib.nullcontext():
            model = deserialized(config, custom_objects)
        _check_model(path, model)
        return model

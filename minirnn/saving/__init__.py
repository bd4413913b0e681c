"""Models as files, Keras's own: `load_model`, `save_model`, and the weights alone.

Names load when they are first used, so that a callback that writes a file brings no more than `files.py`.
Reading order: `files.py` (whole or not at all), `archive.py`, `stores.py`, `npz.py`, `hdf5.py` (what is in a
file, and what is refused), `configs.py`, `state.py` (which array is whose), `storing.py`, `loading.py`.
"""

import importlib

_WHERE = {
    "CustomObjectScope": "minirnn.utils.registry",
    "UnsafeFileError": "minirnn.saving.errors",
    "custom_object_scope": "minirnn.utils.registry",
    "deserialize_keras_object": "minirnn.utils.registry",
    "get_custom_objects": "minirnn.utils.registry",
    "get_registered_name": "minirnn.utils.registry",
    "get_registered_object": "minirnn.utils.registry",
    "load_model": "minirnn.saving.loading",
    "load_weights": "minirnn.saving.loading",
    "model_from_json": "minirnn.saving.loading",
    "register_keras_serializable": "minirnn.utils.registry",
    "save_model": "minirnn.saving.storing",
    "save_weights": "minirnn.saving.storing",
    "serialize_keras_object": "minirnn.utils.registry",
}

__all__ = list(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_WHERE})

"""Small helpers. Names are loaded when they are first used, so that importing one brings no other."""

import importlib

_WHERE = {
    "auto_name": ".naming",
    "clear_session": ".naming",
    "set_random_seed": ".random_seed",
    "is_keras_tensor": "..ops.symbolic",
    "pack_x_y_sample_weight": "..models.data",
    "unpack_x_y_sample_weight": "..models.data",
    "normalize": ".numerical",
    "to_categorical": ".numerical",
    "pad_sequences": ".padding",
    "PyDataset": ".py_dataset",
    "Sequence": ".py_dataset",
    "StatefulChunks": ".chunks",
    "split_dataset": ".splitting",
    "timeseries_dataset_from_array": ".timeseries",
    "CustomObjectScope": ".registry",
    "custom_object_scope": ".registry",
    "deserialize_keras_object": ".deserialization",
    "get_custom_objects": ".registry",
    "get_registered_name": ".registry",
    "get_registered_object": ".registry",
    "register_keras_serializable": ".registry",
    "serialize_keras_object": ".registry",
}

__all__ = list(_WHERE)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_WHERE[name], __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_WHERE})

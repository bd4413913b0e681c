"""From objects to dicts of plain values and back, by name.

Each module that has things to be named (activations, losses, layers, ...) closes over a `Table` of them. A
config names a class or a function; it is looked up in the tables and among what the user registered, and
nowhere else: nothing is imported because a config says so, and no code is stored in one.

The dicts are Keras's, with Keras's names of modules ("keras.initializers"), so each can read the other's.
"""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType
from typing import Any

import numpy as np

from minirnn.utils.naming import to_snake_case
from minirnn.utils.values import deserialize_value

_tables: dict[str, "Table"] = {}
_exported: dict[Any, tuple[str, str]] = {}
_registered: dict[str, Any] = {}
_registered_names: dict[Any, str] = {}
_scopes: ContextVar[tuple[dict[str, Any], ...]] = ContextVar("scopes", default=())
# The ids of what several configs hold, while they are made; what was made for each id, while they are read.
_shared: ContextVar[tuple[frozenset[int], dict | None]] = ContextVar("shared", default=(frozenset(), None))


def register_keras_serializable(package="Custom", name=None):
    """Return a decorator that lets a class or function of the user be found by configs.

    Parameters
    ----------
    package : str
        The object is known as "package>name".
    name : str, optional
        Default: its own name.

    Raises
    ------
    ValueError
        If a class has no ``get_config``.
    """

    def decorator(thing):
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ValueError(
                f"register_keras_serializable: class {thing.__name__} needs a get_config() method that "
                "returns the arguments of its constructor."
            )
        full_name = f"{package}>{name or thing.__name__}"
        _registered[full_name] = thing
        _registered_names[thing] = full_name
        return thing

    return decorator


def get_custom_objects() -> dict:
    """Return the dict of all registered objects; entries may be added to it and removed."""
    return _registered


def get_registered_name(thing) -> str:
    """Return "package>name" of a registered class or function, the plain name of another."""
    return _registered_names.get(thing) or thing.__name__


def get_registered_object(name, custom_objects=None, module_objects=None):
    """Return what the user knows under `name`, or None."""
    for known in (*reversed(_scopes.get()), _registered, custom_objects or {}, module_objects or {}):
        if name in known:
            return known[name]
    return None


class CustomObjectScope:
    """A ``with`` block in which configs may name the given objects.

    Parameters
    ----------
    custom_objects : dict of str to class or function
    """

    def __init__(self, custom_objects):
        self.custom_objects = dict(custom_objects or {})

    def __enter__(self):
        _scopes.set((*_scopes.get(), self.custom_objects))
        return self

    def __exit__(self, *_):
        _scopes.set(_scopes.get()[:-1])


custom_object_scope = CustomObjectScope


@contextmanager
def sharing(ids=()) -> Iterator[None]:
    """Let an object that several configs hold be one again; when configs are made, those with these ids."""
    token = _shared.set((frozenset(ids), {}))
    try:
        yield
    finally:
        _shared.reset(token)


def _table_of(module: str):
    """Return the table of a module, by its name in Keras or here, or None."""
    parts = ["keras", *(p for p in module.split(".")[1:] if p != "src")]
    for end in range(len(parts), 0, -1):
        table = _tables.get(".".join(parts[:end]))
        if table is not None:
            return table
    return None


class Table:
    """The named objects of one module, and what its `get` and `deserialize` do.

    Parameters
    ----------
    kind : str
        What one of them is called in errors: "activation".
    module : str
        Keras's name for the module: "keras.activations".
    objects : iterable of class or function
        Known by their names, classes also by theirs in snake case if `snake_case`.
    aliases : dict of str to class or function
    base : type, optional
        What `get` must return an instance of; default: anything callable.
    ignore_case : bool
        Whether "adam" finds "Adam".
    functions : iterable of function
        Found by configs that name a function, though not by `get`, where a class has the name.
    """

    def __init__(
        self,
        kind,
        module,
        objects,
        aliases=None,
        *,
        base: type | None = None,
        snake_case=True,
        ignore_case=False,
        functions=(),
    ):
        self.kind, self.module, self.base, self.ignore_case = kind, module, base, ignore_case
        self.objects: dict[str, Any] = {}
        for thing in objects:
            self.objects[thing.__name__] = thing
            _exported.setdefault(thing, (module, thing.__name__))
        if snake_case:
            for thing in objects:
                self.objects.setdefault(to_snake_case(thing.__name__), thing)
        self.objects.update(aliases or {})
        self.functions = {name: f for name, f in self.objects.items() if isinstance(f, FunctionType)}
        self.functions.update({f.__name__: f for f in functions})
        _tables[module] = self

    def find(self, name):
        """Return the object of that name here, or None."""
        if name in self.objects or not self.ignore_case:
            return self.objects.get(name)
        return next((thing for known, thing in self.objects.items() if known.lower() == name.lower()), None)

    def get(self, identifier):
        """Return an object from its name, its config, its class, or itself; None gives None.

        Raises
        ------
        ValueError
            If there is no such name, or `identifier` is none of these.
        """
        if identifier is None:
            return None
        if isinstance(identifier, str | dict):
            thing = self.deserialize(identifier)
        else:
            thing = identifier() if isinstance(identifier, type) else identifier
        if not (callable(thing) if self.base is None else isinstance(thing, self.base)):
            wanted = "a callable" if self.base is None else f"an instance of {self.base.__name__}"
            raise ValueError(
                f"{self.kind}: expected a name, a config, {wanted} or None; got {identifier!r} of type "
                f"{type(identifier).__name__}."
            )
        return thing

    def deserialize(self, config, custom_objects=None):
        """Return the object that a name or a config describes; of a class, an instance.

        Raises
        ------
        ValueError
            If the name is not known.
        """
        if isinstance(config, str):
            thing = get_registered_object(config, custom_objects)
            if thing is None:
                thing = self.find(config)
            if thing is None:
                raise _unknown(self.kind, config, self.objects)
            return thing() if isinstance(thing, type) else thing
        return deserialize_keras_object(config, custom_objects, table=self)


def _unknown(kind, name, known) -> ValueError:
    by_lower = {k.lower(): k for k in known}
    nearest = difflib.get_close_matches(str(name).lower(), by_lower, n=1)
    if nearest:
        hint = f"the nearest known name is {by_lower[nearest[0]]!r}"
    else:
        names = {id(thing): name for name, thing in known.items()}.values()
        hint = f"known are {', '.join(sorted(map(repr, names)))}" if names else "none is known"
    return ValueError(
        f"{kind}: unknown name {name!r}; {hint}. An object of your own is found by name once it is decorated "
        "with @register_keras_serializable(), or inside `with custom_object_scope({name: object}):`."
    )


def serialize_keras_object(thing) -> Any:
    """Return `thing` as plain values: numbers and text, lists, and dicts that name classes and functions.

    Returns
    -------
    None, bool, int, float, str, list, tuple or dict
        Of an object ``{"module", "class_name", "config", "registered_name"}``.

    Raises
    ------
    ValueError
        If it is a lambda, which has no name to be found by.
    TypeError
        If it has no ``get_config``.
    """
    if isinstance(thing, np.generic) or (isinstance(thing, np.ndarray) and thing.ndim == 0):
        return thing.item()
    if thing is None or isinstance(thing, str | int | float):
        return thing
    if isinstance(thing, list | tuple):
        items = [serialize_keras_object(item) for item in thing]
        return tuple(items) if isinstance(thing, tuple) else items
    if isinstance(thing, dict):
        return {key: serialize_keras_object(value) for key, value in thing.items()}
    if isinstance(thing, np.dtype):
        return thing.name
    if isinstance(thing, bytes):
        return {"class_name": "__bytes__", "config": {"value": thing.decode("utf-8")}}
    if isinstance(thing, slice):
        ends = {end: serialize_keras_object(getattr(thing, end)) for end in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": ends}
    if thing is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(thing, np.ndarray) or hasattr(thing, "numpy"):
        array = thing if isinstance(thing, np.ndarray) else thing.numpy()
        name = "__numpy__" if array is thing else "__tensor__"
        return {"class_name": name, "config": {"value": array.tolist(), "dtype": array.dtype.name}}
    if isinstance(thing, FunctionType):
        if thing.__name__ == "<lambda>":
            raise ValueError(
                "serialize_keras_object: a lambda has no name to be found by. Write it as a function and "
                "decorate that with @register_keras_serializable()."
            )
        name = _exported[thing][1] if thing in _exported else get_registered_name(thing)
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    return _serialize_instance(thing)


def _serialize_instance(thing) -> dict:
    cls = type(thing)
    if not hasattr(thing, "get_config"):
        raise TypeError(
            f"serialize_keras_object: {cls.__name__} needs a get_config() method that returns the arguments "
            f"of its constructor; got {thing!r}."
        )
    module, name = _exported.get(cls, (cls.__module__, cls.__name__))
    # `Lambda` has another config for files than for clones.
    get_config = getattr(thing, "get_stored_config", thing.get_config)
    config = {
        "module": None if module == "__main__" else module,
        "class_name": name,
        "config": serialize_keras_object(get_config()),
        "registered_name": None if cls in _exported else get_registered_name(cls),
    }
    for part in ("build_config", "compile_config"):
        extra = getattr(thing, f"get_{part}", lambda: None)()
        if extra is not None:
            config[part] = serialize_keras_object(extra)
    if id(thing) in _shared.get()[0]:
        config["shared_object_id"] = id(thing)
    return config


def deserialize_keras_object(config, custom_objects=None, *, table: Table | None = None) -> Any:
    """Return what `serialize_keras_object` described.

    Parameters
    ----------
    config : None, bool, int, float, str, list, tuple or dict
    custom_objects : dict of str to class or function, optional
        Found before all others.
    table : Table, optional
        Where a config without a module belongs.

    Raises
    ------
    ValueError
        If a class or function is not known, or is a lambda stored by Keras.
    """
    if custom_objects:
        with CustomObjectScope(custom_objects):
            return deserialize_keras_object(config, table=table)
    if isinstance(config, str):
        custom = get_registered_object(config)
        return config if custom is None else custom
    if isinstance(config, list | tuple):
        return [deserialize_keras_object(item) for item in config]
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config:
        return {key: deserialize_keras_object(value) for key, value in config.items()}
    name, inner = config["class_name"], config["config"]
    if not isinstance(name, str):
        raise ValueError(f"deserialize_keras_object: class_name must be a name; got {name!r}.")
    with _explained(name):
        return _made(name, inner, config, table)


@contextmanager
def _explained(name) -> Iterator[None]:
    """Turn what Python says of a config that lacks a part, or has another in its place, into a ValueError."""
    try:
        yield
    except (AttributeError, LookupError, ArithmeticError) as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"The config of {name!r} cannot be read: {text}") from error


def _made(name, inner, config, table) -> Any:
    if name.startswith("__") and name.endswith("__"):
        return deserialize_value(name, inner)
    if name == "function":
        return _find_function(inner, table)
    number, objects = config.get("shared_object_id"), _shared.get()[1]
    if objects and number in objects:
        return objects[number]
    cls = _find_class(config, table)
    if isinstance(cls, FunctionType):
        return cls
    instance = cls.from_config(inner) if hasattr(cls, "from_config") else cls(**inner)
    if config.get("build_config") and not getattr(instance, "built", True):
        instance.build_from_config(config["build_config"])
    if config.get("compile_config"):
        instance.compile_from_config(config["compile_config"])
    if objects is not None and number is not None:
        objects[number] = instance
    return instance


def _find_function(name, table):
    custom = get_registered_object(name)
    if custom is not None:
        return custom
    known = {}
    for candidate in (*([table] if table else []), *_tables.values()):
        known = {**candidate.functions, **known}
    if name not in known:
        raise _unknown("function", name, known)
    return known[name]


def _find_class(config, table):
    name, module = config["class_name"], config.get("module")
    for key in (config.get("registered_name"), name):
        custom = get_registered_object(key)
        if custom is not None:
            return custom
    if module is not None and module.split(".")[0] not in ("keras", "minirnn", "builtins"):
        raise _unknown(f"class of module {module!r}", name, _registered)
    home = table if module is None else _table_of(module) or table
    for candidate in ([home] if home else []) + list(_tables.values()):
        found = candidate.find(name)
        if found is not None:
            return found
    raise _unknown(home.kind if home else "class", name, home.objects if home else _registered)


def deserialize_part(config, custom_objects=None):
    """Return what a config describes, to be part of another layer, which builds it.

    The shapes that it was built for are left out, so that the names of its weights start with the holder's.
    """
    if isinstance(config, dict):
        config = {k: v for k, v in config.items() if k != "build_config"}
    return deserialize_keras_object(config, custom_objects)

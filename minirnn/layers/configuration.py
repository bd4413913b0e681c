"""What a layer was made from, and how to make it again."""

import inspect
from typing import Any

import numpy as np

from minirnn import dtype_policies, regularizers, tree
from minirnn.dtype_policies import DTypePolicy
from minirnn.utils.registry import CustomObjectScope, deserialize_keras_object, get_registered_name


class OfBuild:
    """A weight that ``build`` makes: asked for before, it says so, and `hasattr` is False, as in Keras."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, layer, owner=None) -> Any:
        if layer is None:
            return self
        raise AttributeError(
            f"{layer._where}: You must build the layer before accessing `{self.name}`: call it on data, or "
            "build(input_shape)."
        )


def default(method):
    """Mark a method of `Layer` as the one of a class that does not override it."""
    method._is_default = True
    return method


def is_default(method) -> bool:
    """Whether a method is `Layer`'s own."""
    return getattr(method, "_is_default", False)


class Configured:
    """The part of `Layer` that has to do with ``get_config`` and ``from_config``."""

    name: str
    trainable: bool
    dtype_policy: DTypePolicy
    activity_regularizer: Any
    _arguments: tuple
    _build_shapes: dict | None
    _where: str
    build: Any

    @default
    def get_config(self) -> dict:
        """Return the constructor's arguments, from which `from_config` makes an equal layer without weights.

        Raises
        ------
        NotImplementedError
            If the class does not override this and its constructor took ``*args``.
        """
        config = {"name": self.name, "trainable": self.trainable, "dtype": self._dtype_config()}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        if not is_default(type(self).get_config):
            return config
        args, kwargs = self._arguments
        bound = inspect.signature(type(self).__init__).bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = dict(list(bound.arguments.items())[1:])
        for p in bound.signature.parameters.values():
            if p.kind is p.VAR_KEYWORD:
                given |= given.pop(p.name)
            elif p.kind is p.VAR_POSITIONAL and given.pop(p.name):
                raise NotImplementedError(
                    f"{self._where}: define get_config(self), since the constructor took *{p.name}, which "
                    "has no names to store its values under."
                )
        return {**given, **_accepted(config, bound.signature.parameters)}

    def _dtype_config(self):
        """Return the policy's name, which says all of it unless it is of a class of the user's own."""
        policy = self.dtype_policy
        return policy.name if type(policy) is DTypePolicy else dtype_policies.serialize(policy)

    @classmethod
    def from_config(cls, config):
        """Make a layer from what `get_config` returned, or from that after it was stored as plain values."""
        if is_default(cls.get_config):
            config = _accepted(config, inspect.signature(cls.__init__).parameters)
            stored = {k: v for k, v in config.items() if isinstance(v, dict) and k != "dtype"}
            config = {**config, **{k: deserialize_keras_object(v) for k, v in stored.items()}}
        return cls(**config)

    def get_build_config(self) -> dict | None:
        """Return the shapes that `build` was called with, for `build_from_config`; None if it was not."""
        shapes = self._build_shapes
        if shapes is None or not all(tree.is_nested(s) for s in shapes.values()):
            return None
        return {"input_shape": next(iter(shapes.values()))} if len(shapes) == 1 else {"shapes_dict": shapes}

    def build_from_config(self, config) -> None:
        """Build the layer as `get_build_config` has it."""
        if "input_shape" in config:
            self.build(config["input_shape"])
        elif "shapes_dict" in config:
            self.build(**config["shapes_dict"])


def made_again(layer, **changes):
    """Return a new layer of the class and config of `layer`, some of the config changed."""
    # A cell or layer of the user's own is here, so that it need not be registered to be found.
    classes = [type(x) for x in layer._flatten_layers()]
    own = {c.__name__: c for c in classes} | {get_registered_name(c): c for c in classes}
    with CustomObjectScope(own):
        return type(layer).from_config({**layer.get_config(), **changes})


def _accepted(config, parameters) -> dict:
    """Return what of `config` a constructor takes."""
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return config
    return {k: v for k, v in config.items() if k in parameters}


def argument_names(cls) -> list[str]:
    """Return the names of the arguments that a layer's constructor takes, those of its bases included."""
    constructors = [c.__init__ for c in cls.__mro__[:-1] if "__init__" in c.__dict__]
    names = [n for f in constructors for n in inspect.signature(f).parameters if n not in ("self", "kwargs")]
    return list(dict.fromkeys((*names, "input_shape")))


def positive_int(layer, name, value, label=None) -> int:
    """Return `value` as an int, or raise in the layer's name, which may not have one yet.

    Raises
    ------
    ValueError
        If `value` is no integer of 1 or more.
    """
    where = type(layer).__name__ + (f" {label!r}" if label else "")
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(
            f"{where}: {name} must be a positive integer; got {value!r} of type {type(value).__name__}."
        )
    if value <= 0:
        raise ValueError(f"{where}: {name} must be a positive integer; got {value}.")
    return int(value)


def share_to_drop(layer, name, value, label=None) -> float:
    """Return a rate of dropout as a float, or raise in the layer's name, which may not have one yet.

    Raises
    ------
    ValueError
        If `value` is no number in [0, 1].
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
        where = type(layer).__name__ + (f" {label!r}" if label else "")
        raise ValueError(f"{where}: {name} is the share to drop, a number in [0, 1]; got {value!r}.")
    return float(value)

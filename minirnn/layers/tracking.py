"""`Tracked`: an object that owns Variables and layers, and knows which.

What the attributes hold is what is owned. They are looked through, in the order in which they were set and
through lists, tuples and dicts, each time that somebody asks; no assignment is caught.
"""

import numpy as np

from minirnn import backend, constraints, initializers, regularizers
from minirnn.autograd import Tensor, Variable, inferring, no_grad
from minirnn.layers.context import context, name_scope, path_of
from minirnn.random import SeedGenerator

# Attributes of these types hold nothing to track, and most attributes are of these types.
_PLAIN = frozenset({type(None), bool, int, float, str, np.ndarray})
# Attributes that may hold layers without owning them.
_NOT_OWNED = frozenset({"_arguments", "_losses", "_contributors", "_first_call"})


def _collect(value, kinds, found: dict) -> None:
    if isinstance(value, kinds):
        found[id(value)] = value
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, kinds, found)
    elif isinstance(value, list | tuple):
        for item in value:
            _collect(item, kinds, found)


class Tracked:
    """The part of `Layer` that has to do with what a layer owns."""

    name: str
    built: bool
    _trainable: bool
    _added: list[Variable]
    _building: bool
    variable_dtype: str

    @property
    def _where(self) -> str:
        """How errors name this layer."""
        return f"{type(self).__name__} {self.name!r}"

    def _check_super_called(self):
        if "_losses" not in self.__dict__:
            raise RuntimeError(f"{type(self).__name__}: __init__ must call super().__init__() before this.")

    def _find(self, kinds) -> list:
        """Return what the attributes hold of some types, each once; not what is inside of that."""
        found: dict = {}
        for name, value in self.__dict__.items():
            if value.__class__ not in _PLAIN and name not in _NOT_OWNED:
                _collect(value, kinds, found)
        return list(found.values())

    def _sublayers(self) -> list:
        """Return the layers that this one's attributes hold, not those inside of them."""
        return self._find(Tracked)

    def _flatten_layers(self, include_self=True) -> list:
        """Return this layer and all inside it, each once, outer before inner."""
        found, stack = {}, [self]
        while stack:
            layer = stack.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                stack.extend(reversed(layer._sublayers()))
        return list(found.values())[0 if include_self else 1 :]

    def _own_weights(self) -> list[Variable]:
        own = self._find(Variable)
        # Trainable by creation come first, as in Keras; freezing a layer does not reorder its weights.
        return [v for v in own if v.created_trainable] + [v for v in own if not v.created_trainable]

    @property
    def weights(self) -> list[Variable]:
        """All Variables of this layer and of those in it, without the states of seeds."""
        return list({id(v): v for layer in self._flatten_layers() for v in layer._own_weights()}.values())

    @property
    def variables(self) -> list[Variable]:
        """`weights`, and the states of seed generators."""
        found = {}
        for layer in self._flatten_layers():
            states = [s.state for s in layer._find(SeedGenerator)]
            found.update({id(v): v for v in (*layer._own_weights(), *states)})
        return list(found.values())

    @property
    def trainable_weights(self) -> list[Variable]:
        """What an optimizer changes; nothing if the layer is frozen."""
        return [v for v in self.weights if v.trainable] if self._trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The other `weights`."""
        return [v for v in self.weights if not v.trainable] if self._trainable else self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        """The same as `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """`non_trainable_weights`, and the states of seed generators."""
        return [v for v in self.variables if not v.trainable] if self._trainable else self.variables

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. Setting it sets that of every layer inside too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        for layer in self._flatten_layers():
            layer._trainable = bool(value)
            for v in layer._find(Variable):
                v.trainable = layer._trainable and v.created_trainable

    def count_params(self) -> int:
        """Return the number of scalars in the weights.

        Raises
        ------
        ValueError
            If the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"{self._where}: count_params needs a layer that is built. Call it on data, or "
                "build(input_shape)."
            )
        return sum(v.size for v in self.weights)

    def add_weight(
        self,
        shape=None,
        initializer=None,
        dtype=None,
        trainable=True,
        autocast=True,
        regularizer=None,
        constraint=None,
        aggregation="none",
        overwrite_with_gradient=False,
        name=None,
    ) -> Variable:
        """Make a Variable of this layer.

        Parameters
        ----------
        shape : tuple of int
            Default (), a scalar.
        initializer : Initializer, str or callable, optional
            Default "glorot_uniform" for floats, "zeros" otherwise.
        dtype : str, optional
            Default the layer's.
        trainable : bool
        regularizer, constraint : optional
            Objects or their names.
        autocast : bool
            Whether a layer of mixed precision casts it in its call.
        aggregation, overwrite_with_gradient
            Taken for Keras's sake; without effect.
        name : str, optional

        Raises
        ------
        ValueError
            If the shape has an unknown axis, `name` has a "/", another name is not known, or the layer is
            built already.
        """
        self._check_super_called()
        if isinstance(shape, str):
            raise ValueError(f"{self._where}: add_weight needs shape first; give the name as name={shape!r}.")
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"{self._where}: add_weight needs a name, a str without '/'; got {name!r}.")
        if self.built and not self._building:
            raise ValueError(
                f"{self._where}: add_weight came after the layer was built, where its weights are known to "
                "others. Make all weights in __init__ or build."
            )
        shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        if any(n is None for n in shape):
            raise ValueError(
                f"{self._where}: weight {name!r} needs a shape without None; got {shape}. Give the axis of "
                "the input that it depends on a fixed size."
            )
        dtype = np.dtype(dtype or self.variable_dtype)
        if initializer is None:
            initializer = "glorot_uniform" if dtype.kind == "f" else "zeros"
        initializer = initializers.get(initializer)
        regularizer, constraint = regularizers.get(regularizer), constraints.get(constraint)
        if context.loading is not None:
            initializer = context.loading.initial(self, name, shape, initializer)
        with name_scope(self), inferring(False), no_grad():
            variable = Variable(initializer, shape, dtype.name, trainable, name, path_of(name or "variable"))
        variable.regularizer, variable.constraint = regularizer, constraint
        if not autocast:
            variable.autocast = False
        if not self._trainable:
            variable.trainable = False
        # Kept although attributes are looked through, for a layer that does not store what it adds.
        self._added.append(variable)
        return variable

    def zero_grad(self) -> None:
        """Forget what `Tensor.backward` has added up in the ``grad`` of the weights."""
        for variable in self.weights:
            variable.grad = None

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of the weights as NumPy arrays."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights) -> None:
        """Set all weights from a list of arrays, in the order of `weights`; nothing is set if one is wrong.

        Each stays on its device, to which NumPy arrays are copied.

        Raises
        ------
        ValueError
            If the number of arrays or a shape differs, or one is on another device than its weight.
        TypeError
            If one holds no numbers.
        """
        weights, variables = list(weights), self.weights
        if len(weights) != len(variables):
            raise ValueError(
                f"{self._where}: set_weights needs {len(variables)} array(s), {[v.path for v in variables]}; "
                f"got {len(weights)}."
                + ("" if self.built else " The layer is not built: call it on data first.")
            )
        arrays: list = [w.data if isinstance(w, Tensor) else w for w in weights]
        arrays = [a if backend.is_array(a) else np.asarray(a) for a in arrays]
        for variable, array in zip(variables, arrays):
            if tuple(array.shape) != variable.shape:
                raise ValueError(
                    f"{self._where}: weight {variable.path!r} has shape {variable.shape}; got "
                    f"{tuple(array.shape)}."
                )
            if array.dtype.kind not in "biuf":
                raise TypeError(
                    f"{self._where}: weight {variable.path!r} needs numbers; got dtype {array.dtype}."
                )
        arrays = [backend.asarray_beside(a, v.data, v.dtype) for v, a in zip(variables, arrays)]
        for variable, array in zip(variables, arrays):
            variable.assign(array)

    def save_own_variables(self, store) -> None:
        """Put this layer's own weights into a dict-like `store`, under "0", "1", ...

        A subclass may override this, and `load_own_variables`, to keep them in another form.
        """
        for i, variable in enumerate(self._own_weights()):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store) -> None:
        """Set this layer's own weights from a `store` that `save_own_variables` filled.

        Raises
        ------
        ValueError
            If it holds another number of arrays, or one of another shape; no weight is set then.
        """
        variables = self._own_weights()
        if len(store) != len(variables):
            raise ValueError(
                f"{self._where}: {len(variables)} weight(s), {[v.path for v in variables]}, are needed; the "
                f"file has {len(store)}."
                + ("" if self.built else " The layer is not built: call the model on data first.")
            )
        # A file says what shape an array has before it is read.
        shape_of = getattr(store, "shape", lambda key: np.shape(store[key]))
        for i, variable in enumerate(variables):
            if tuple(shape_of(str(i))) != variable.shape:
                raise ValueError(
                    f"{self._where}: weight {variable.path!r} has shape {variable.shape}; in the file it has "
                    f"{tuple(shape_of(str(i)))}."
                )
        arrays = [backend.asarray_beside(store[str(i)], v.data, v.dtype) for i, v in enumerate(variables)]
        for variable, array in zip(variables, arrays):
            variable.assign(array)

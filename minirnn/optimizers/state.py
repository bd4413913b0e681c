"""The state of an optimizer: the Variables it makes for the weights, and how they are saved."""

import warnings
from typing import Any

import numpy as np

from minirnn import initializers
from minirnn.autograd import Variable


class OptimizerState:
    """Makes Variables and keeps them in order."""

    name: str
    built: bool

    def __init__(self):
        self._variables: list[Variable] = []

    @property
    def variables(self) -> list[Variable]:
        return list(self._variables)

    def add_variable(self, shape, initializer: Any = "zeros", dtype=None, name=None) -> Variable:
        """Make a Variable of the optimizer's state."""
        name = name or "variable"
        variable = Variable(
            initializers.get(initializer),
            shape,
            dtype,
            trainable=False,
            name=name,
            path=f"{self.name}/{name}",
        )
        self._variables.append(variable)
        return variable

    def add_variable_from_reference(self, reference_variable, name=None, initializer="zeros") -> Variable:
        """Make a Variable of the shape and dtype of a weight."""
        name = f"{reference_variable.path.replace('/', '_')}_{name or 'var'}"
        return self.add_variable(reference_variable.shape, initializer, reference_variable.dtype, name)

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros") -> Any:
        """Make one Variable for each weight; with a list of names, a tuple of lists."""
        names = [name] if isinstance(name, str) else list(name)
        made = tuple([] for _ in names)
        for variable in trainable_variables:
            for slots, slot_name in zip(made, names):
                slots.append(self.add_variable_from_reference(variable, slot_name, initializer))
        return made[0] if isinstance(name, str) else made

    def set_weights(self, weights) -> None:
        """Set the whole state from a list of arrays, in the order of `variables`."""
        wanted, given = [v.shape for v in self._variables], [np.shape(w) for w in weights]
        if wanted != given:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: weights must have shapes {wanted}; got {given}."
                + ("" if self.built else " It is not built yet: call build(variables) first.")
            )
        for variable, weight in zip(self._variables, weights):
            variable.assign(weight)

    def save_own_variables(self, store) -> None:
        """Put the state into a dict-like `store`, under "0", "1", ..."""
        for i, variable in enumerate(self._variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store) -> None:
        """Set the state from a `store`; if it holds another number of arrays, only warn."""
        if len(store.keys()) != len(self._variables):
            warnings.warn(
                f"{type(self).__name__} {self.name!r}: its state is not loaded, since it has "
                f"{len(self._variables)} variables and {len(store.keys())} were saved. Build it first.",
                stacklevel=2,
            )
            return
        self.set_weights([np.asarray(store[str(i)]) for i in range(len(self._variables))])

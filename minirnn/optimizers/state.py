"""The state of an optimizer: the Variables it makes for the weights, and how they are saved."""

import functools
import warnings
from typing import Any

import numpy as np

from minirnn import initializers
from minirnn.autograd import Variable
from minirnn.utils.restoring import restoring


def _whole(build):
    """Let `build` leave the optimizer as it was if it fails, so that it can be called again."""

    @functools.wraps(build)
    def wrapped(self, *args, **kwargs):
        with restoring(self):
            return build(self, *args, **kwargs)

    return wrapped


class OptimizerState:
    """Makes Variables and keeps them in order."""

    name: str
    built: bool

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _whole(cls.__dict__["build"])

    def __init__(self):
        self._variables: list[Variable] = []

    @property
    def _where(self) -> str:
        """How errors name this optimizer."""
        return f"{type(self).__name__} {self.name!r}"

    @property
    def variables(self) -> list[Variable]:
        return list(self._variables)

    def add_variable(
        self, shape, initializer: Any = "zeros", dtype=None, aggregation="none", layout=None, name=None
    ) -> Variable:
        """Make a Variable of the optimizer's state.

        `aggregation` and `layout` are taken for Keras's sake; without effect.
        """
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

    def add_variable_from_reference(
        self, reference_variable, name=None, initializer: Any = "zeros"
    ) -> Variable:
        """Make a Variable of the shape and dtype of a weight."""
        name = f"{reference_variable.path.replace('/', '_')}_{name or 'var'}"
        return self.add_variable(reference_variable.shape, initializer, reference_variable.dtype, name=name)

    def add_optimizer_variables(self, trainable_variables, name, initializer: Any = "zeros") -> Any:
        """Make one Variable for each weight; with a list of names, a tuple of lists.

        Several names may have a list of as many initializers.
        """
        names = [name] if isinstance(name, str) else list(name)
        starts = initializer if isinstance(initializer, list | tuple) else [initializer] * len(names)
        if len(starts) != len(names):
            raise ValueError(
                f"{self._where}: {len(names)} names need as many initializers; got {len(starts)}."
            )
        made = tuple([] for _ in names)
        for variable in trainable_variables:
            for slots, slot_name, start in zip(made, names, starts):
                slots.append(self.add_variable_from_reference(variable, slot_name, start))
        return made[0] if isinstance(name, str) else made

    def set_weights(self, weights) -> None:
        """Set the state from a list of arrays, in the order of `variables`; none is set if one is wrong.

        Raises
        ------
        ValueError
            If their number or a shape differs.
        """
        variables, weights = self.variables, list(weights)
        wanted, given = [v.shape for v in variables], [tuple(np.shape(w)) for w in weights]
        if wanted != given:
            raise ValueError(
                f"{self._where}: weights must have shapes {wanted}; got {given}."
                + ("" if self.built else " It is not built yet: call build(variables) first.")
            )
        for variable, weight in zip(variables, weights):
            variable.assign(weight)

    def save_own_variables(self, store) -> None:
        """Put the state into a dict-like `store`, under "0", "1", ... in the order of `variables`."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store) -> None:
        """Set the state from a `store`; if it holds another number of arrays, only warn."""
        count = len(self.variables)
        if len(store.keys()) != count:
            warnings.warn(
                f"{self._where}: its state is not loaded, since it has {count} variables and "
                f"{len(store.keys())} were saved."
                + ("" if self.built else " It is not built yet: call build(variables) first."),
                stacklevel=2,
            )
            return
        self.set_weights([np.asarray(store[str(i)]) for i in range(count)])

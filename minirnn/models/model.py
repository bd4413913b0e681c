"""`Model`: layers put together, with what it takes to train, evaluate and show them."""

from typing import Any, cast

from minirnn.layers.layer import is_default
from minirnn.models.fitting import Fitting
from minirnn.models.saved import Saved
from minirnn.utils.registry import CustomObjectScope


def _functional_arguments(args, kwargs) -> bool:
    """Whether a Model is made from symbolic inputs and outputs."""
    return (len(args) == 2 or (len(args) == 1 and "outputs" in kwargs)) or {"inputs", "outputs"} <= set(
        kwargs
    )


class Model(Fitting, Saved):
    """Layers that are trained together.

    There are three ways to one. ``Model(inputs, outputs)`` makes a `Functional` model of the layers between
    symbolic tensors. A subclass makes its layers in ``__init__`` and calls them in ``call(self, inputs)``,
    which may also take ``training`` and ``mask``. And `Sequential` is a stack of layers.

    Parameters
    ----------
    inputs, outputs : KerasTensor or nested structure of KerasTensor
        For the first way only.
    name : str, optional
    trainable : bool
    dtype : str, optional

    Examples
    --------
    >>> inputs = minirnn.Input((None, 28))
    >>> model = Model(inputs, minirnn.layers.LSTM(4)(inputs))
    >>> model.predict(np.zeros((2, 5, 28)), verbose=0).shape
    (2, 4)
    """

    # A model of symbolic tensors, a `Functional` or `Sequential` one, has these too.
    inputs: Any
    outputs: Any
    input_shape: Any
    output_shape: Any

    def __new__(cls, *args, **kwargs):
        if cls is Model and _functional_arguments(args, kwargs):
            from minirnn.models.functional import Functional

            return super().__new__(cast("Any", Functional), *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args, **kwargs):
        if _functional_arguments(args, kwargs):
            # A subclass that hands symbolic inputs and outputs on to here: its methods on top of
            # Functional's.
            from minirnn.models.functional import Functional, functional_class

            model: Any = self
            model.__class__ = functional_class(type(self))
            Functional.__init__(model, *args, **kwargs)
            return
        if args:
            raise TypeError(
                f"{type(self).__name__}: a Model takes inputs and outputs, or named arguments alone; got "
                f"{len(args)} positional argument(s)."
            )
        super().__init__(**kwargs)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make a model from what `get_config` returned; ``Model.from_config`` takes that of a Functional too.

        Parameters
        ----------
        config : dict
        custom_objects : dict of str to class or function, optional
            What the config names and is not known.
        """
        if cls is Model and "input_layers" in config:
            from minirnn.models.functional import Functional

            return Functional.from_config(config, custom_objects)
        with CustomObjectScope(custom_objects or {}):
            return super().from_config(config)

    def _pass_mask(self, inputs, outputs, mask):
        # The layers inside have set the masks of what they return. That of the inputs is not the outputs'.
        if not is_default(type(self).compute_mask):
            super()._pass_mask(inputs, outputs, mask)

    @property
    def layers(self) -> list:
        """The layers of the model, not those inside of them."""
        return self._sublayers()

    def get_layer(self, name=None, index=None) -> Any:
        """Return a layer by its name or its place.

        Raises
        ------
        ValueError
            If there is none, or not exactly one of the two is given.
        """
        layers = self.layers
        names = [layer.name for layer in layers]
        if (name is None) == (index is None):
            raise ValueError(
                f"{self._where}: get_layer needs name or index; got name={name!r}, index={index!r}."
            )
        if name is not None and name in names:
            return layers[names.index(name)]
        if index is not None and -len(layers) <= index < len(layers):
            return layers[index]
        wanted = f"named {name!r}" if index is None else f"at index {index}"
        raise ValueError(f"{self._where}: there is no layer {wanted}; the layers are {names}.")

    @property
    def stateful(self) -> bool:
        """Whether a layer inside keeps its state from one batch to the next."""
        return any(getattr(layer, "stateful", False) for layer in self._flatten_layers(include_self=False))

    def reset_states(self) -> None:
        """Set the states of all stateful layers inside to those of a first call."""
        for layer in self._flatten_layers(include_self=False):
            if not isinstance(layer, Model) and getattr(layer, "stateful", False):
                reset = getattr(layer, "reset_state", None) or getattr(layer, "reset_states", None)
                if reset is not None:
                    reset()

    reset_state = reset_states

    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=False,
        show_trainable=False,
        layer_range=None,
    ) -> None:
        """Print a table of the layers, their output shapes and the numbers of their parameters.

        Parameters
        ----------
        line_length : int, optional
            Default: what fits the terminal, at most 88, or 108 for a model that branches.
        positions : list of float, optional
            Where the columns end, as shares of the line.
        print_fn : callable, optional
            Is given the whole text in place of printing it.
        expand_nested : bool
            Whether to list the layers of models inside.
        show_trainable : bool
            Whether to add a column that says so.
        layer_range : pair of str, optional
            Names, or regular expressions, of the first and of the last layer to list.

        Raises
        ------
        ValueError
            If `line_length` is too small, or `layer_range` names no layer.
        """
        from minirnn.models.summary import print_summary

        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

"""`Layer`: weights, and a call that turns tensors into tensors."""

import copy
import functools
import inspect
import warnings
from typing import Any

from minirnn import backend, regularizers, tree
from minirnn.autograd import Tensor, convert, inferring, inferring_shapes, sizes_are_made_up
from minirnn.backend import get_keras_mask, set_keras_mask
from minirnn.layers.configuration import Configured, argument_names, default, is_default
from minirnn.layers.context import context, name_scope, path_of, signature_of
from minirnn.layers.input_spec import check_inputs
from minirnn.layers.precision import Typed
from minirnn.layers.tracking import Tracked
from minirnn.ops.symbolic import KerasTensor, infer, symbolic_call, symbolic_leaves
from minirnn.utils.naming import auto_name
from minirnn.utils.restoring import restoring


def _wrap_build(build):
    """Let `build` name weights after the layer, mark it as built, and leave nothing behind if it fails."""

    @functools.wraps(build)
    def wrapped(self, *args, **kwargs):
        if self._building:  # super().build(...) of a build that is under way
            return build(self, *args, **kwargs)
        self._check_super_called()
        # The layers inside as well: those that were built until then may be built for other shapes next time.
        with restoring(*self._flatten_layers()):
            self._building = True
            with name_scope(self), inferring(False):
                self._path = path_of("").rstrip("/")
                build(self, *args, **kwargs)
            if not sizes_are_made_up():
                arguments = inspect.signature(build).bind(self, *args, **kwargs).arguments
                self._build_shapes = dict(list(arguments.items())[1:])
            self._let_weights_be_cast()
            self.built, self._building = True, False

    return wrapped


def shape_structure(value):
    """Return the shape of each tensor in a structure, None for what is none."""
    return tree.map_structure(lambda v: tuple(v.shape) if hasattr(v, "shape") else None, value)


def _is_symbolic(value) -> bool:
    if not tree.is_nested(value):
        return isinstance(value, KerasTensor)
    return any(isinstance(leaf, KerasTensor) for leaf in tree.flatten(value))


class _OfFirstCall:
    """The symbolic input or output of a layer's first call; an attribute of that name hides it."""

    def __init__(self, index):
        self.index = index

    def __get__(self, layer, owner=None) -> Any:
        if layer is None:
            return self
        if layer._first_call is None:
            what = ("input", "output")[self.index]
            raise AttributeError(
                f"{layer._where}: no symbolic {what}, as it was not called on one of `Input`."
            )
        leaves = layer._first_call[self.index]
        return leaves[0] if len(leaves) == 1 else list(leaves)


class Layer(Configured, Tracked, Typed):
    """The base of all layers, minirnn's own and a user's.

    A subclass makes its weights in ``build(input_shape)`` with `add_weight`, and computes in
    ``call(inputs)``, with functions of `minirnn.ops`. `call` may also take ``training`` and ``mask``. No
    shape method is needed: for symbolic inputs `call` is run on zeros.

    Parameters
    ----------
    activity_regularizer : Regularizer or str, optional
        Of the outputs; added to `losses`, divided by the batch size.
    trainable : bool
    dtype : str or DTypePolicy, optional
        Of weights and computation, which differ in "mixed_float16"; default `config.dtype_policy`.
    autocast : bool
        Whether float inputs, and weights in the call, are cast to `compute_dtype`.
    name : str, optional
        Default: the class in snake case, numbered.
    input_shape : tuple, optional
        Without the batch axis; lets a Sequential model that starts with this layer be built at once.
        ``batch_input_shape`` is the same with that axis, ``input_dim=n`` is ``input_shape=(n,)``.

    Attributes
    ----------
    built : bool
        Whether the weights exist.
    input_spec : InputSpec or structure of InputSpec, optional
        What the first argument of a call is checked against.
    supports_masking : bool
        Whether a mask that came in may pass on to the outputs.
    """

    built = _building = False

    def __new__(cls, *args, **kwargs):
        layer = super().__new__(cls)
        layer._arguments, layer._added = (args, kwargs), []
        return layer

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _wrap_build(cls.__dict__["build"])

    def __init__(
        self, *, activity_regularizer=None, trainable=True, dtype=None, autocast=True, name=None, **kwargs
    ):
        shape = kwargs.pop("input_shape", None)
        batch_shape = kwargs.pop("batch_input_shape", kwargs.pop("batch_shape", None))
        if "input_dim" in kwargs:
            shape = (kwargs.pop("input_dim"),)
        if kwargs:
            raise ValueError(
                f"{type(self).__name__}: unknown argument(s) {', '.join(sorted(kwargs))}. Known are "
                f"{', '.join(argument_names(type(self)))}."
            )
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"{type(self).__name__}: name must be a str without '/'; got {name!r}.")
        self.name = auto_name(type(self).__name__) if name is None else name
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.autocast = autocast
        self.built = False
        self.input_spec: Any = None
        self.supports_masking = not is_default(type(self).compute_mask)
        self._trainable = bool(trainable)
        self._set_policy(dtype)
        self._path = self._build_shapes = None
        self._losses = []
        self._contributors = []
        self._first_call = None  # on a symbolic tensor: its inputs and outputs, laid flat
        self.input_shape_argument = batch_shape or (None if shape is None else (None, *shape))

    @property
    def path(self) -> str:
        """The names of the layers around this one when it was built, and its own: "model/encoder/lstm"."""
        return self._path or self.name

    # Losses of the layer's own.

    def add_loss(self, loss) -> None:
        """Add a scalar Tensor, or a list of them, to what training minimises.

        It stays in `losses` until the outermost layer of this call is called again.
        """
        if inferring_shapes():
            return
        entry = context.entry
        if entry is not None and not any(layer is self for layer in entry._contributors):
            # What is left from an earlier call, entered through another layer, is not this call's.
            self._losses = []
            entry._contributors.append(self)
        self._losses.extend(convert(x) for x in tree.flatten(loss) if x is not None)

    @property
    def losses(self) -> list[Tensor]:
        """What `add_loss`, activity and weight regularizers contribute, one scalar Tensor each."""
        found = [loss for layer in self._flatten_layers() for loss in layer._losses]
        return found + [v.regularizer(v) for v in self.trainable_weights if v.regularizer is not None]

    def _clear_losses(self):
        """Forget what was added during the last call that entered here."""
        for layer in (self, *self._contributors):
            layer._losses = []
        self._contributors = []

    def __getstate__(self):
        # A copy starts without the losses of the last call: they hang on the original's graph;
        # and it has not been called on the symbolic tensors of the original's model.
        return {**self.__dict__, "_losses": [], "_contributors": [], "_first_call": None}

    # In a functional model: what the first call took and returned, a KerasTensor or a flat list of them.
    input, output = _OfFirstCall(0), _OfFirstCall(1)

    # Shapes and masks.

    @default
    def build(self, *shapes, **named_shapes) -> None:
        """Make the weights for inputs of the given shape; a subclass that has weights overrides this.

        For a class that does not, the layers inside of it are built, by running `call` on zeros.
        """
        signature = signature_of(type(self).call)
        if any(not layer.built for layer in self._flatten_layers(include_self=False)):
            args, kwargs = self._symbolic_inputs(shapes, named_shapes)
            for name, value in (("training", False), ("mask", None)):
                if name in signature.required and name not in signature.names[: len(args)]:
                    kwargs.setdefault(name, value)
            with name_scope(self):
                infer(self.call, args, kwargs)
        if self._sublayers() and not sizes_are_made_up():
            by_place = dict(zip((f"{name}_shape" for name in signature.names), shapes))
            self._build_shapes = {**by_place, **named_shapes} or None
        self._let_weights_be_cast()
        self.built = True

    def compute_output_shape(self, *shapes, **named_shapes) -> Any:
        """Return the shape of the output for an input of the given shape (with None for any size).

        Raises
        ------
        ValueError
            If `call` needs more arguments than shapes are given for.
        """
        args, kwargs = self._symbolic_inputs(shapes, named_shapes)
        try:
            inspect.signature(self.call).bind(*args, **kwargs)
        except TypeError as error:
            names = [n for n in signature_of(type(self).call).names if n not in ("training", "mask")]
            raise ValueError(
                f"{self._where}: compute_output_shape takes the shapes of what call is given, of "
                f"{', '.join(names)}; {error}."
            ) from error
        return tree.map_structure(lambda t: t.shape, self.compute_output_spec(*args, **kwargs))

    def compute_output_spec(self, *args, **kwargs):
        """Return the symbolic outputs of a call on symbolic tensors that belongs to no model.

        The layer is not built by it, and knows no `input` and `output` from it.
        """
        built = all(layer.built for layer in self._flatten_layers())
        return (copy.copy(self) if built else copy.deepcopy(self))(*args, **kwargs)

    def _symbolic_inputs(self, shapes, named_shapes):
        if not shapes and len(named_shapes) == 1:
            # Whatever `build` calls it, it is the shape of the first argument of `call`.
            shapes, named_shapes = tuple(named_shapes.values()), {}

        def tensors(structure):
            return tree.map_shape_structure(lambda shape: KerasTensor(shape, self.compute_dtype), structure)

        named = {name.removesuffix("_shape"): tensors(shape) for name, shape in named_shapes.items()}
        return [tensors(shape) for shape in shapes], named

    @default
    def compute_mask(self, inputs, previous_mask) -> Any:
        """Return the mask of the outputs; by default that of the inputs."""
        return previous_mask

    # The call.

    def call(self, *args, **kwargs) -> Any:
        """Compute the outputs; to be overridden."""
        raise NotImplementedError(
            f"{self._where}: define call(self, inputs) to say what this layer computes."
        )

    def __call__(self, *args, **kwargs) -> Any:
        """Call the layer on tensors, arrays or symbolic tensors, building it first where it is not.

        Parameters
        ----------
        *args, **kwargs
            Those of `call`; ``training`` and ``mask`` are found by themselves where they are not given.
        """
        self._check_super_called()
        signature = signature_of(type(self).call)
        outer, entry, scope, cast = context.training, context.entry, context.scope, context.cast
        watch = context.watch
        started = 0 if watch is None else watch.begin()
        first = args[0] if args else kwargs.get(signature.first)
        # One tensor or array is the common case: a stream of single steps should pay for no more.
        simple = len(args) == 1 and not kwargs and (isinstance(first, Tensor) or backend.is_array(first))
        if simple:
            first = self._convert(first)
            args = (first,)
        else:
            args = tuple(self._convert(a, None if i == 0 else "") for i, a in enumerate(args))
            kwargs = {k: self._convert(v, k) for k, v in kwargs.items()}
            first = args[0] if args else kwargs.get(signature.first)
        # While shapes are inferred, the outermost layer has seen the symbolic inputs already.
        check = self.input_spec is not None and not (entry is None and inferring_shapes())
        if check:
            check_inputs(self, self.input_spec, first)
        if not self.built:
            self._build_for(signature, args, kwargs)
            if check and self.input_spec is not None:
                check_inputs(self, self.input_spec, first)
        if not simple and any(map(_is_symbolic, (*args, *kwargs.values()))):
            outputs = symbolic_call(self, args, kwargs, name=self.name)
            if self._first_call is None:
                self._first_call = symbolic_leaves((args, kwargs)), symbolic_leaves(outputs)
            return outputs

        training = signature.argument("training", args, kwargs)
        if training is None:
            training = outer if outer is not None else signature.training_default
        if not signature.takes_training:
            kwargs.pop("training", None)
        elif "training" not in signature.names[: len(args)]:
            kwargs["training"] = bool(training)
        mask = self._find_masks(signature, args, kwargs, first)
        if entry is None:
            context.entry = self
            self._clear_losses()
        context.training = None if training is None else bool(training)
        context.scope = (self, scope)
        if cast is not None or self._mixed:
            context.cast = self._casts_to()
        try:
            outputs = self.call(*args, **kwargs)
            if self.activity_regularizer is not None:
                self._add_activity_loss(outputs)
        finally:
            context.training, context.entry, context.scope, context.cast = outer, entry, scope, cast
        if mask is not None or not is_default(type(self).compute_mask):
            self._pass_mask(first, outputs, mask)
        if watch is not None:
            watch.note(self, args, kwargs, outputs, started)
        return outputs

    def _build_for(self, signature, args, kwargs):
        """Build from the shapes that `build` takes: none, the first argument's, or each under its name."""
        if not is_default(type(self).build):
            arguments = {**dict(zip(signature.names, args)), **kwargs}
            shapes = {name: shape_structure(v) for name, v in arguments.items() if v is not None}
            first = shapes.get(signature.first)
            names = [
                p.name
                for p in inspect.signature(self.build).parameters.values()
                if p.kind is not p.VAR_KEYWORD
            ]
            if not names:
                self.build()
            elif len(names) > 1 and all(name.endswith("_shape") for name in names):
                found = {
                    n: shapes.get(n.removesuffix("_shape"), first if n == names[0] else None) for n in names
                }
                self.build(**{n: s for n, s in found.items() if s is not None})
            else:
                self.build(first)
        elif self._sublayers() and not sizes_are_made_up():
            # Built by being called. Where it is made again from its config, this is what it is called on.
            arguments = {**dict(zip(signature.names, args)), **kwargs}
            shapes = {f"{name}_shape": shape_structure(value) for name, value in arguments.items()}
            self._build_shapes = {k: v for k, v in shapes.items() if tree.is_nested(v)} or None
        self.built = True

    def _find_masks(self, signature, args, kwargs, first):
        """Fill in the masks that travel with the arguments; return that of the first one, or None."""
        if isinstance(first, Tensor):
            found = first._keras_mask
        else:
            found = tree.map_structure(get_keras_mask, first)
            if tree.is_nested(found) and all(m is None for m in tree.flatten(found)):
                found = None
        if signature.takes_mask and "mask" not in signature.names[: len(args)]:
            given = kwargs.get("mask")
            if given is not None:
                found = given
            elif found is not None:
                kwargs["mask"] = found
        for name, mask_name in signature.mask_names.items():
            place = signature.names.index(name)
            value = args[place] if place < len(args) else kwargs.get(name)
            if value is not None and kwargs.get(mask_name) is None:
                kwargs[mask_name] = tree.map_structure(get_keras_mask, value)
        return found

    def _pass_mask(self, inputs, outputs, mask):
        if not self.supports_masking:
            if mask is not None:
                warnings.warn(
                    f"{self._where} was given an input with a mask, does not support masking, and drops it: "
                    "the layers after it see no mask. Set self.supports_masking = True if it may pass on.",
                    stacklevel=3,
                )
            return
        outputs = tree.flatten(outputs)
        if all(get_keras_mask(y) is not None for y in outputs):
            return
        for y, m in zip(outputs, tree.flatten(self.compute_mask(inputs, mask))):
            if m is not None and isinstance(y, Tensor) and y._keras_mask is None:
                set_keras_mask(y, m)

    def _add_activity_loss(self, outputs):
        for y in tree.flatten(outputs):
            if isinstance(y, Tensor) and not inferring_shapes():
                # Sums of float16 soon pass its largest number.
                loss = self.activity_regularizer(convert(y, "float32") if y.data.dtype == "float16" else y)
                self.add_loss(loss / float(max(y.shape[0], 1)) if y.ndim else loss)

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

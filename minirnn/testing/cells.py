"""Cells of one's own for the cases: written once, against the layers and operations of either side's module.

A description names one by the function here that makes its class, as in ``{"class":
"minirnn.testing.cells:Minimal", "units": 2}``; so it can be any cell that such a function makes.
"""

OWN = tuple(
    f"minirnn.testing.cells:{name}" for name in ("Minimal", "Uneven", "InDict", "Deep", "TwoInputs", "Nested")
)
TWO_INPUTS, NESTED = OWN[-2:]
# Those with states, inputs or outputs in a structure that is no plain list.
STRUCTURED = OWN[2:]


def Minimal(module):
    """Return the class of a cell with one state: h' = tanh(x W + h U)."""
    ops = module.ops

    class Minimal(_base(module)):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = units

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
            self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

        def call(self, inputs, states):
            h = ops.matmul(inputs, self.kernel) + ops.matmul(states[0], self.recurrent_kernel)
            h = ops.tanh(h)
            return h, [h]

    return Minimal


def Uneven(module):
    """Return the class of a cell with two states of different sizes, and an output of a third."""
    ops = module.ops

    class Uneven(_base(module)):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units, self.output_size = units, units + 2
            self.state_size = [units, units + 1]

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
            self.mixing = self.add_weight(shape=(self.units, self.units + 1), name="mixing")

        def call(self, inputs, states):
            h, m = states
            h = ops.tanh(ops.matmul(inputs, self.kernel) + h)
            m = ops.tanh(ops.matmul(h, self.mixing)) + 0.5 * m
            return ops.concatenate([h, m[:, :1], m[:, -1:] * h[:, :1]], axis=-1), [h, m]

    return Uneven


def InDict(module):
    """Return the class of a cell whose states are a dict of two vectors."""
    ops = module.ops

    class InDict(_base(module)):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.output_size = units
            self.state_size = {"fast": units, "slow": units}

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")

        def call(self, inputs, states):
            fast = ops.tanh(ops.matmul(inputs, self.kernel) + states["slow"])
            slow = 0.9 * states["slow"] + 0.1 * fast * states["fast"]
            return fast, {"fast": fast, "slow": slow}

    return InDict


def Deep(module):
    """Return the class of a cell whose states are nested two deep: dicts in lists."""
    ops = module.ops

    class Deep(_base(module)):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.output_size = units
            self.state_size = [{"h": units}, [{"a": units, "b": units}]]

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")

        def call(self, inputs, states):
            h, (rest,) = states[0]["h"], states[1]
            h = ops.tanh(ops.matmul(inputs, self.kernel) + rest["a"] - 0.5 * h)
            return h, [{"h": h}, [{"a": rest["b"], "b": h * rest["a"]}]]

    return Deep


def TwoInputs(module):
    """Return the class of a cell whose inputs are a dict of two vectors, with one state."""
    ops = module.ops

    class TwoInputs(_base(module)):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = units

        def build(self, input_shape):
            self.one = self.add_weight(shape=(input_shape["one"][-1], self.units), name="one")
            self.other = self.add_weight(shape=(input_shape["other"][-1], self.units), name="other")

        def call(self, inputs, states):
            one, other = ops.matmul(inputs["one"], self.one), ops.matmul(inputs["other"], self.other)
            h = ops.tanh(one + ops.sigmoid(other) * states[0])
            return h, [h]

    return TwoInputs


def Nested(module):
    """Return the class of a cell whose inputs, outputs and states are dicts of a vector and a matrix."""
    ops = module.ops

    class Nested(_base(module)):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.state_size = {"vector": units, "matrix": (units, 2)}
            self.output_size = {"vector": units, "matrix": (units, 2)}

        def build(self, input_shape):
            sizes = input_shape["vector"][-1], input_shape["matrix"][-2]
            self.kernel = self.add_weight(shape=(sizes[0], self.units), name="kernel")
            self.mixing = self.add_weight(shape=(sizes[1], self.units), name="mixing")

        def call(self, inputs, states):
            vector = ops.tanh(ops.matmul(inputs["vector"], self.kernel) + states["vector"])
            matrix = ops.einsum("bij,ik->bkj", inputs["matrix"], self.mixing)
            matrix = ops.tanh(matrix + states["matrix"] * ops.expand_dims(vector, 2))
            both = {"vector": vector, "matrix": matrix}
            return {"vector": 2.0 * vector, "matrix": matrix + 1.0}, both

    return Nested


def _base(module):
    class Base(module.layers.Layer):
        units: int

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    return Base

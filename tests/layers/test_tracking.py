"""What a layer owns: weights, layers inside of it, freezing, names."""

import copy
import pickle

import numpy as np
import pytest

from minirnn import Variable, layers, name_scope, ops
from minirnn.layers import BatchNormalization, Dense, Dropout, Layer

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


class Stack(Layer):
    """Layers in a list, in a dict, and one of them twice."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [Dense(3, name="a"), {"deep": (Dense(3, name="b"),)}]
        self.head = Dense(2, name="head")
        self.again = self.blocks[0]

    def call(self, x):
        return self.head(self.blocks[1]["deep"][0](self.again(self.blocks[0](x))))


def test_layers_in_lists_tuples_and_dicts_are_owned_in_the_order_of_their_setting():
    stack = Stack(name="stack")
    stack(X)
    names = [v.path for v in stack.weights]
    assert names == [f"stack/{n}/{w}" for n in ("a", "b", "head") for w in ("kernel", "bias")]
    assert [layer.name for layer in stack._flatten_layers(include_self=False)] == ["a", "b", "head"]


def test_a_shared_layer_counts_once():
    stack = Stack()
    stack(X)
    assert stack.count_params() == 2 * (3 * 3 + 3) + 3 * 2 + 2


def test_what_is_put_into_a_list_later_is_owned_too():
    stack = Stack()
    stack.blocks.append(Dense(1))
    assert len(stack._sublayers()) == 4


def test_weights_that_are_not_trainable_come_after_the_others_and_stay_there():
    layer = BatchNormalization()
    layer(X)
    names = ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [v.name for v in layer.weights] == names
    layer.gamma.trainable = False
    assert [v.name for v in layer.weights] == names
    layer.trainable = False
    assert [v.name for v in layer.weights] == names


def test_a_variable_is_owned_however_it_got_there():
    class Counting(Layer):
        def __init__(self):
            super().__init__()
            self.add_weight(shape=(2,), name="not_stored")
            self.total = Variable(np.zeros(3, "float32"), trainable=False, name="total")
            self.parts = {"x": Variable(np.zeros(1, "float32"), name="x")}

    assert [v.name for v in Counting().weights] == ["not_stored", "x", "total"]


def test_zero_grad_forgets_what_backward_has_added_up():
    layer = layers.LSTM(2)
    x = np.ones((1, 3, 2), "float32")
    ops.sum(layer(x)).backward()
    once = [v.grad for v in layer.weights]
    layer.zero_grad()
    assert all(v.grad is None for v in layer.weights)
    ops.sum(layer(x)).backward()
    for v, gradient in zip(layer.weights, once):
        np.testing.assert_array_equal(v.grad, gradient)


def test_attributes_set_before_the_base_constructor_are_owned():
    class Early(Layer):
        def __init__(self, **kwargs):
            self.units = 3
            self.inner = Dense(self.units)
            super().__init__(**kwargs)

        def call(self, x):
            return self.inner(x)

    layer = Early()
    assert layer(X).shape == (4, 3)
    assert len(layer.weights) == 2


def test_a_layer_without_the_base_constructor_says_so():
    class Forgot(Layer):
        def __init__(self):
            self.units = 3

    class ForgotWeights(Layer):
        def __init__(self):
            self.w = self.add_weight(shape=(2,))

    with pytest.raises(RuntimeError, match=r"Forgot: __init__ must call super\(\).__init__\(\)"):
        Forgot()(X)
    with pytest.raises(RuntimeError, match="ForgotWeights"):
        ForgotWeights()


def test_layers_that_hold_each_other_can_be_frozen_and_counted():
    a, b = Dense(3), Dense(3)
    a(X), b(X)
    a.friend, b.friend = b, a
    a.trainable = False
    assert not b.trainable
    assert len(a.weights) == 4
    assert a.trainable_weights == []


def test_a_frozen_layer_has_no_trainable_weights_and_gives_no_gradient():
    stack = Stack()
    stack(X)
    stack.head.trainable = False
    assert len(stack.trainable_weights) == 4
    assert len(stack.non_trainable_weights) == 2
    ops.sum(stack(X)).backward()
    assert [v.grad is None for v in stack.weights] == [False] * 4 + [True] * 2
    stack.trainable = True
    assert len(stack.trainable_weights) == 6


def test_a_layer_made_frozen_makes_frozen_weights_that_can_be_thawed():
    layer = Dense(2, trainable=False)
    layer(X)
    assert layer.trainable_weights == []
    layer.trainable = True
    assert len(layer.trainable_weights) == 2


def test_thawing_does_not_train_what_never_was_trainable():
    layer = BatchNormalization()
    layer(X)
    layer.trainable = False
    layer.trainable = True
    assert [v.name for v in layer.trainable_weights] == ["gamma", "beta"]


def test_variables_are_the_weights_and_the_states_of_seeds():
    class Noisy(Layer):
        def __init__(self):
            super().__init__()
            self.drop = Dropout(0.5)
            self.dense = Dense(2)

        def call(self, x):
            return self.dense(self.drop(x))

    layer = Noisy()
    layer(X)
    assert [v.name for v in layer.variables] == ["seed_generator_state", "kernel", "bias"]
    assert [v.name for v in layer.non_trainable_variables] == ["seed_generator_state"]
    assert [v.name for v in layer.weights] == ["kernel", "bias"]


def test_names_are_numbered_and_given_ones_kept():
    from minirnn.utils import clear_session

    clear_session()
    assert [Dense(1).name, Dense(1).name, Dense(1, name="mine").name] == ["dense", "dense_1", "mine"]


@pytest.mark.parametrize("name", ["a/b", 3])
def test_a_name_with_a_slash_or_of_another_type_is_refused(name):
    with pytest.raises(ValueError, match="Dense: name must be"):
        Dense(1, name=name)


def test_add_weight_takes_its_defaults_from_the_layer():
    layer = Layer(dtype="float64")
    scalar, integer = layer.add_weight(), layer.add_weight(shape=(2,), dtype="int32", trainable=False)
    assert scalar.shape == () and scalar.dtype == "float64"
    assert integer.numpy().tolist() == [0, 0]
    assert layer.add_weight(3).shape == (3,)


def test_add_weight_refuses_unknown_axes_names_and_a_layer_that_is_built():
    layer = Dense(2, name="d")
    with pytest.raises(ValueError, match=r"weight 'kernel' needs a shape without None; got \(None, 2\)"):
        layer.build((4, None))
    with pytest.raises(ValueError, match="name='kernel'"):
        layer.add_weight("kernel")
    with pytest.raises(ValueError, match="zeroes"):
        layer.add_weight(shape=(2,), initializer="zeroes")
    for name in ("k/b", 3):
        with pytest.raises(ValueError, match="Dense 'd': add_weight needs a name, a str without '/'; got"):
            layer.add_weight(shape=(2,), name=name)
    layer.build((None, 3))
    with pytest.raises(ValueError, match="Dense 'd': add_weight came after the layer was built"):
        layer.add_weight(shape=(2,))
    assert len(layer.weights) == 2


def test_a_build_that_fails_leaves_no_weights():
    calls = []

    class Fails(Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(2,), name="w")
            calls.append(self.w)
            if len(calls) == 1:
                raise RuntimeError("first time")

    layer = Fails()
    with pytest.raises(RuntimeError, match="first time"):
        layer.build((None, 2))
    assert not layer.built
    layer.build((None, 2))
    assert [v.name for v in layer.weights] == ["w"]


def test_a_build_that_fails_leaves_nothing_in_lists_dicts_and_layers_inside():
    failing = [False, True]

    class Fails(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.ws, self.inner = [{"deep": []}], Dense(3, name="inner")

        def build(self, shape):
            self.a = self.add_weight(shape=(2,), name="a")
            self.ws.append(self.add_weight(shape=(3,), name="b"))
            self.ws[0]["deep"].append(self.add_weight(shape=(1,), name="c"))
            self.inner.build(shape)
            if failing.pop():
                raise RuntimeError("first time")

    layer = Fails(name="bad")
    ws, before = layer.ws, {k: v for k, v in layer.__dict__.items() if k != "ws"}
    with pytest.raises(RuntimeError, match="first time"):
        layer.build((None, 2))
    assert layer.ws is ws
    assert layer.ws == [{"deep": []}]
    assert {k: v for k, v in layer.__dict__.items() if k != "ws"} == before
    assert not layer.weights
    assert not layer.inner.built
    layer.build((None, 4))
    names = ["bad/c", "bad/b", "bad/a", "bad/inner/kernel", "bad/inner/bias"]
    assert sorted(v.path for v in layer.weights) == sorted(names)
    assert layer.inner.kernel.shape == (4, 3)


def test_a_build_may_call_that_of_its_base_before_it_adds_weights():
    class More(Dense):
        def build(self, shape):
            super().build(shape)
            self.gain = self.add_weight(shape=(), name="gain", initializer="ones")

    layer = More(2, name="more")
    layer(X)
    assert [v.path for v in layer.weights] == ["more/kernel", "more/bias", "more/gain"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_has_equal_weights_of_its_own(copied):
    layer = layers.Dense(2, kernel_regularizer="l2", activity_regularizer="l1")
    y = layer(X)
    again = copied(layer)
    np.testing.assert_array_equal(again(X).numpy(), y.numpy())
    again.set_weights([w + 1 for w in again.get_weights()])
    np.testing.assert_array_equal(layer(X).numpy(), y.numpy())
    assert [v.path for v in again.weights] == [v.path for v in layer.weights]
    assert again.weights[0] is again.kernel
    assert len(again.losses) == 2
    ops.sum(again(X)).backward()
    assert again.kernel.grad is not None and layer.kernel.grad is None


def test_a_copy_of_a_frozen_layer_can_be_thawed():
    layer = Dense(2)
    layer(X)
    layer.trainable = False
    again = copy.deepcopy(layer)
    assert again.trainable_weights == []
    again.trainable = True
    assert len(again.trainable_weights) == 2
    assert layer.trainable_weights == []


def test_a_deep_copy_keeps_what_is_shared_shared():
    stack = copy.deepcopy(Stack())
    assert stack.again is stack.blocks[0]
    stack(X)
    assert len(copy.deepcopy(stack).weights) == 6


def test_set_weights_sets_all():
    layer = Dense(2)
    layer(X)
    layer.set_weights([np.ones((3, 2)), [5.0, 6.0]])
    np.testing.assert_allclose(layer(X).numpy(), X.sum(1, keepdims=True) + [[5, 6]], rtol=1e-6)


@pytest.mark.parametrize(
    "weights, error, message",
    [
        ([np.zeros((3, 2))], ValueError, r"set_weights needs 2 array\(s\), \['d/kernel', 'd/bias'\]; got 1"),
        ([np.ones((3, 2)), np.zeros(3)], ValueError, r"weight 'd/bias' has shape \(2,\); got \(3,\)"),
        ([np.ones((3, 2)), np.array(["a", "b"])], TypeError, "weight 'd/bias' needs numbers"),
        ([np.ones((3, 2)), np.array([None, 1], object)], TypeError, "weight 'd/bias' needs numbers"),
    ],
)
def test_set_weights_sets_none_if_one_is_wrong(weights, error, message):
    layer = Dense(2, name="d")
    layer(X)
    before = layer.get_weights()
    with pytest.raises(error, match=f"Dense 'd': {message}"):
        layer.set_weights(weights)
    for a, b in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_counting_or_setting_needs_a_layer_that_is_built():
    with pytest.raises(ValueError, match="Dense 'd': count_params needs a layer that is built"):
        Dense(2, name="d").count_params()
    with pytest.raises(ValueError, match=r"needs 0 array.*call it on data first"):
        Dense(2).set_weights([np.ones((3, 2))])


def test_a_name_scope_stands_before_the_paths_of_weights_made_inside():
    layer = layers.Bidirectional(layers.LSTM(2), name="both")
    with name_scope("outer"), name_scope("inner"):
        layer.build((None, 3, 2))
    dense = layers.Dense(1)
    dense.build((None, 2))
    assert all(v.path.startswith("outer/inner/both/") for v in layer.weights)
    assert not [v.path for v in dense.weights if "outer" in v.path]
    with pytest.raises(ValueError, match="no '/'"), name_scope("a/b"):
        pass

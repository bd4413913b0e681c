"""`custom_gradient` in Keras's calling conventions."""

import numpy as np
import pytest

from minirnn import ops
from minirnn.autograd import Variable, custom_gradient, grad


def test_the_gradient_function_is_called_with_the_cotangent_by_position():
    @custom_gradient
    def log1pexp(x):
        e = ops.exp(x)

        def gradient(upstream):
            return upstream * (1.0 - 1.0 / (1.0 + e))

        return ops.log(1.0 + e), gradient

    assert grad(log1pexp)(2.0).item() == pytest.approx(1 / (1 + np.exp(-2.0)), rel=1e-6)


def test_the_form_of_the_keras_documentation_works():
    @ops.custom_gradient
    def log1pexp(x):
        e = ops.exp(x)

        def gradient(*args, upstream=None):
            if upstream is None:
                (upstream,) = args
            return ops.multiply(upstream, 1.0 - 1.0 / ops.add(1, e))

        return ops.log(1 + e), gradient

    x = Variable(np.array([0.0, 2.0]))
    np.testing.assert_allclose(grad(log1pexp(x).sum(), x).numpy(), 1 / (1 + np.exp(-x.numpy())))


def test_a_gradient_function_that_takes_only_upstream_gets_it_by_keyword():
    @custom_gradient
    def f(x):
        def gradient(*, upstream):
            return upstream * 7.0

        return x * 1.0, gradient

    assert grad(f)(1.0).item() == 7.0


def test_several_arguments_and_outputs_each_have_their_gradient():
    @custom_gradient
    def f(x, y):
        return (x + y, x * y), lambda a, b: (a * 10.0, b * 100.0)

    x, y = Variable(2.0), Variable(3.0)
    total, product = f(x, y)
    assert [g.item() for g in grad(total + 2.0 * product, [x, y])] == [10.0, 200.0]
    total, _ = f(x, y)
    assert [g.item() for g in grad(total, [x, y])] == [10.0, 0.0]


def test_keyword_arguments_are_passed_on():
    @custom_gradient
    def scaled(x, factor=1.0):
        return x * factor, lambda upstream: upstream * factor

    assert grad(lambda x: scaled(x, factor=4.0))(1.0).item() == 4.0


def test_a_gradient_written_with_values_of_the_forward_can_be_differentiated_again():
    @custom_gradient
    def square(x):
        twice = 2.0 * x
        return x * x, lambda upstream: upstream * twice

    assert grad(grad(square))(3.0).item() == 2.0


def test_a_wrong_number_of_gradients_is_an_error():
    @custom_gradient
    def f(x, y):
        return x + y, lambda upstream: upstream

    with pytest.raises(ValueError, match="each of the 2 arguments; got 1"):
        grad(f, argnums=(0, 1))(1.0, 2.0)


def test_without_anything_to_record_only_the_value_is_given():
    doubled = custom_gradient(lambda x: (x * 2.0, lambda g: g))
    assert doubled(np.float32(3.0)).item() == 6.0
    assert not doubled(np.float32(3.0)).requires_grad


def test_a_custom_gradient_takes_symbolic_tensors():
    from minirnn.ops.symbolic import KerasTensor

    y = ops.custom_gradient(lambda x: (x * 2.0, lambda g: g))(KerasTensor((None, 3)))
    assert y.shape == (None, 3)

"""`Input` and `InputLayer`."""

import pytest

from minirnn import layers
from minirnn.layers import Input, InputLayer
from minirnn.ops.symbolic import KerasTensor


def test_an_input_is_a_symbolic_tensor_of_the_given_shape():
    x = Input((None, 3), name="x")
    assert isinstance(x, KerasTensor)
    assert (x.shape, x.dtype, x.name) == ((None, None, 3), "float32", "x")
    assert Input(shape=(3,), batch_size=4).shape == (4, 3)
    assert Input(batch_shape=(4, 2)).shape == (4, 2)
    assert Input((), dtype="int32").dtype == "int32"


def test_an_input_knows_its_layer():
    x = Input((3,), name="x")
    assert isinstance(x.input_layer, InputLayer)
    assert x.input_layer.output is x
    assert x.call is None


def test_inputs_without_a_name_are_numbered():
    a, b = Input((1,)), Input((1,))
    assert a.name != b.name
    assert a.name.startswith("input_layer")


def test_an_input_layer_comes_back_from_its_config():
    config = InputLayer((None, 3), batch_size=2, dtype="int64", name="x", optional=True).get_config()
    assert config == {
        "batch_shape": (2, None, 3),
        "dtype": "int64",
        "sparse": False,
        "ragged": False,
        "name": "x",
        "optional": True,
    }
    assert InputLayer.from_config(config).output.shape == (2, None, 3)


def test_a_symbolic_tensor_can_be_taken_over():
    y = layers.Dense(3)(Input((2,)))
    assert Input(tensor=y) is y
    with pytest.raises(ValueError, match=r"has shape \(None, 3\); got"):
        Input((4,), tensor=y)
    with pytest.raises(ValueError, match="has dtype float32; got int32"):
        Input(tensor=y, dtype="int32")
    with pytest.raises(ValueError, match="must be symbolic; got list"):
        Input(tensor=[1, 2])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "shape is missing"),
        ({"shape": (3,), "batch_shape": (None, 3)}, "but not both"),
        ({"batch_size": 3, "batch_shape": (None, 3)}, "but not both"),
        ({"shape": 3}, r"shape must be a tuple like \(3,\)"),
        ({"shape": (-1, 3)}, r"None or an integer of 0 or more; got \(-1, 3\)"),
        ({"shape": (2.5,)}, "None or an integer of 0 or more"),
        ({"shape": (3,), "sparse": True}, "sparse and ragged"),
        ({"shape": (3,), "dtype": "text"}, "dtype must be a name"),
    ],
)
def test_wrong_inputs_are_errors_that_name_the_layer(arguments, message):
    with pytest.raises(ValueError, match=f"InputLayer 'x': .*{message}"):
        Input(**arguments, name="x")

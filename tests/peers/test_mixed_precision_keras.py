"""Mixed precision beside Keras's own on JAX: policies, layers, gradients, and what scaling the loss does."""

import numpy as np
import pytest

import minirnn
from minirnn import config, dtype_policies, grad, ops

MIXED = "mixed_float16"
RNG = np.random.default_rng(5)
X_BTD = RNG.normal(size=(3, 5, 4)).astype("float32")
LAYERS = [
    ("Dense", {"units": 6, "activation": "tanh"}, X_BTD),
    ("Dense", {"units": 6, "activation": "softmax"}, X_BTD),
    ("SimpleRNN", {"units": 6}, X_BTD),
    ("GRU", {"units": 6, "return_sequences": True}, X_BTD),
    ("LSTM", {"units": 6, "return_sequences": True}, X_BTD),
    ("Embedding", {"input_dim": 9, "output_dim": 6}, np.arange(9).reshape(3, 3)),
    ("LayerNormalization", {}, X_BTD),
    ("BatchNormalization", {}, X_BTD),
    ("Conv1D", {"filters": 6, "kernel_size": 2}, X_BTD),
    ("Rescaling", {"scale": 0.5, "offset": 1.0}, X_BTD),
    ("Activation", {"activation": "softmax"}, X_BTD),
]
IDS = [f"{name}{i}" for i, (name, _, _) in enumerate(LAYERS)]


@pytest.fixture
def both_mixed(keras):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(MIXED)
    config.set_dtype_policy(MIXED)
    yield keras
    keras.config.set_dtype_policy(before)
    config.set_dtype_policy(None)


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "int32", MIXED])
def test_policies_are_those_of_keras(keras, name):
    ours, theirs = dtype_policies.DTypePolicy(name), keras.dtype_policies.DTypePolicy(name)
    for attribute in ("name", "compute_dtype", "variable_dtype"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    assert repr(ours) == repr(theirs)
    assert dtype_policies.serialize(ours) == keras.dtype_policies.serialize(theirs)
    assert dtype_policies.deserialize(keras.dtype_policies.serialize(theirs)) == ours
    assert keras.dtype_policies.deserialize(dtype_policies.serialize(ours)) == theirs


@pytest.mark.parametrize("name, arguments, x", LAYERS, ids=IDS)
def test_layers_of_mixed_precision_are_those_of_keras(keras, name, arguments, x):
    import jax

    ours = getattr(minirnn.layers, name)(**arguments, dtype=MIXED, name="layer")
    theirs = getattr(keras.layers, name)(**arguments, dtype=MIXED, name="layer")
    for attribute in ("dtype", "variable_dtype", "compute_dtype", "input_dtype"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    ours(x), theirs(x)
    theirs.set_weights([RNG.normal(size=w.shape) * 0.5 + 1 for w in theirs.get_weights()])
    ours.set_weights(theirs.get_weights())
    assert [v.dtype.name for v in ours.weights] == [v.dtype for v in theirs.weights]

    y = ours(x)
    cotangent = RNG.normal(size=y.shape).astype("float32")
    gradients = grad(ops.sum(ops.cast(y, "float32") * cotangent), ours.trainable_weights)

    def loss(trainable):
        # Not stateless_call, which leaves out all casting.
        with keras.StatelessScope(state_mapping=list(zip(theirs.trainable_variables, trainable))):
            output = theirs(x)
        return (output.astype("float32") * cotangent).sum(), output

    trainable = [v.value for v in theirs.trainable_variables]
    want_gradients, want = jax.grad(loss, has_aux=True)(trainable)
    assert y.dtype == want.dtype
    np.testing.assert_allclose(y.numpy(), np.asarray(want), atol=4e-3, rtol=4e-3)
    for got, expected in zip(gradients, want_gradients, strict=True):
        assert got.dtype == expected.dtype == "float32"
        expected = np.asarray(expected)
        np.testing.assert_allclose(got.numpy(), expected, atol=1e-2 * max(1, np.abs(expected).max()), rtol=0)


@pytest.mark.parametrize("name, arguments, x", LAYERS, ids=IDS)
def test_each_reads_the_policy_in_the_others_config(keras, name, arguments, x):
    theirs = getattr(keras.layers, name)(**arguments, dtype=MIXED)
    ours = minirnn.layers.deserialize(keras.layers.serialize(theirs))
    assert ours.dtype_policy.name == MIXED
    again = type(theirs).from_config(ours.get_config())
    assert again.dtype_policy == theirs.dtype_policy


def model_of(library):
    layers = library.layers
    return library.Sequential(
        [layers.Input((5, 4)), layers.LSTM(6), layers.LayerNormalization(), layers.Dense(2)]
    )


@pytest.mark.parametrize("initial_scale", [None, 2.0**60])
def test_training_and_its_loss_scale_are_those_of_keras(both_mixed, initial_scale):
    keras, scales, histories, weights = both_mixed, [], [], []
    x, y = RNG.normal(size=(32, 5, 4)).astype("float32"), RNG.normal(size=(32, 2)).astype("float32")
    start = None
    for library in (keras, minirnn):
        model = model_of(library)
        start = start or [RNG.normal(size=w.shape) * 0.3 for w in model.get_weights()]
        model.set_weights(start)
        optimizer = library.optimizers.SGD(0.05)
        if initial_scale is not None:
            optimizer = library.optimizers.LossScaleOptimizer(
                optimizer, initial_scale, dynamic_growth_steps=1000
            )
        model.compile(optimizer, "mse")
        assert type(model.optimizer).__name__ == "LossScaleOptimizer"
        if initial_scale is None:  # put around it by compile
            assert model.optimizer.name == "loss_scale_optimizer"
        histories.append([float(model.train_on_batch(x, y)) for _ in range(60)])
        scales.append(float(model.optimizer.dynamic_scale))
        weights.append(model.get_weights())
    np.testing.assert_allclose(histories[1], histories[0], rtol=2e-2)
    assert histories[0][-1] < histories[0][0]
    # Our kernels keep the gradients of weights in float32, and so bear a scale some doublings larger.
    assert scales[1] / scales[0] in ([1] if initial_scale is None else [1, 2, 4, 8, 16])
    for got, want in zip(weights[1], weights[0], strict=True):
        assert got.dtype == want.dtype == "float32"
        np.testing.assert_allclose(got, want, atol=1e-2)

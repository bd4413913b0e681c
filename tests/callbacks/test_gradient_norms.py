"""`GradientNorms` and `on_gradients`: what is told is the gradient of the loss."""

import numpy as np
import pytest

from minirnn import Input, Sequential, callbacks, layers, losses, optimizers, tree, utils
from minirnn.autograd import Tensor, grad
from minirnn.callbacks.gradient_norms import layers_by_weight

RNG = np.random.default_rng(0)
X = RNG.standard_normal((8, 4, 3)).astype("float32")
Y = RNG.standard_normal((8, 2)).astype("float32")


def model(optimizer=None):
    utils.set_random_seed(1)
    inner = Sequential([Input((4, 6)), layers.GRU(3, name="gru")], name="inner")
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")
    found = Sequential([Input((4, 3)), both, inner, layers.Dense(2, name="dense")])
    found.compile(optimizer or optimizers.SGD(0.0, clipnorm=1e-3), losses.MeanSquaredError())
    return found


def expected(trained, x, y):
    """The norms from gradients that are asked for here."""
    weights = trained.trainable_weights
    loss = losses.MeanSquaredError()(y, trained(x, training=True))
    squares = {}
    for gradient, weight in zip(grad(loss, weights), weights):
        name = {"both": "both", "inner": "inner/gru", "gru": "inner/gru", "dense": "dense"}[
            next(part for part in weight.path.split("/") if part in ("both", "inner", "gru", "dense"))
        ]
        squares[name] = squares.get(name, 0) + np.square(gradient.numpy().astype("float64")).sum()
    return {name: np.sqrt(square) for name, square in squares.items()}


def test_the_norms_are_those_of_the_gradients_of_the_loss():
    trained, norms = model(), callbacks.GradientNorms()
    history = trained.fit(X, Y, batch_size=4, shuffle=False, epochs=2, verbose=0, callbacks=[norms]).history
    halves = [expected(trained, X[i : i + 4], Y[i : i + 4]) for i in (0, 4)]
    assert list(norms.mean) == ["both", "inner/gru", "dense"]
    for name, values in norms.mean.items():
        np.testing.assert_allclose(values, [np.mean([half[name] for half in halves])] * 2, rtol=1e-5)
        np.testing.assert_allclose(norms.largest[name], [max(half[name] for half in halves)] * 2, rtol=1e-5)
        np.testing.assert_allclose(norms.last[name], halves[1][name], rtol=1e-5)
        assert history[f"gradient_norm/{name}"] == values


def test_the_scale_of_the_loss_is_not_in_them():
    kinds = [
        optimizers.SGD(0.0),
        optimizers.SGD(0.0, loss_scale_factor=64.0),
        optimizers.LossScaleOptimizer(optimizers.SGD(0.0), initial_scale=2.0**10),
    ]
    found = []
    for optimizer in kinds:
        norms = callbacks.GradientNorms(in_logs=False)
        history = model(optimizer).fit(X, Y, shuffle=False, verbose=0, callbacks=[norms]).history
        assert set(history) == {"loss"}
        found.append(norms.mean)
    for name, values in found[0].items():
        np.testing.assert_allclose([found[1][name], found[2][name]], [values] * 2, rtol=1e-5)


def test_only_every_so_many_steps_are_measured():
    norms = callbacks.GradientNorms(every=2)
    model().fit(X, Y, batch_size=2, shuffle=False, verbose=0, callbacks=[norms])
    halves = [expected(model(), X[i : i + 2], Y[i : i + 2])["dense"] for i in (0, 4)]
    np.testing.assert_allclose(norms.mean["dense"], [np.mean(halves)], rtol=1e-5)


def test_squares_that_float32_cannot_hold_are_no_infinity():
    norms, trained = callbacks.GradientNorms(), model()
    norms.set_model(trained)
    norms.on_train_begin()
    weights = trained.trainable_weights
    norms.on_gradients([Tensor(np.full(v.shape, 1e25, "float32")) for v in weights], weights)
    np.testing.assert_allclose(norms.last["dense"], 1e25 * np.sqrt(3 * 2 + 2), rtol=1e-6)


def test_a_weight_without_a_gradient_is_left_out():
    trained = model()
    unused = trained.layers[0].forward_layer.cell

    class Seeing(callbacks.Callback):
        def on_gradients(self, gradients, variables):
            self.paths = [v.path for g, v in zip(gradients, variables) if g is not None]
            self.shapes = [(g.shape, v.shape) for g, v in zip(gradients, variables) if g is not None]

    seeing = Seeing()
    unused.trainable = False
    trained.fit(X, Y, verbose=0, callbacks=[seeing])
    assert len(seeing.paths) == len(trained.trainable_weights)
    assert all(a == b for a, b in seeing.shapes)


def test_a_callback_that_breaks_there_leaves_the_weights():
    def broken(gradients, variables):
        raise RuntimeError("broken")

    trained = model(optimizers.SGD(0.1))
    before = trained.get_weights()
    with pytest.raises(RuntimeError, match="broken"):
        trained.fit(X, Y, verbose=0, callbacks=[callbacks.LambdaCallback(on_gradients=broken)])
    tree.map_structure(np.testing.assert_array_equal, trained.get_weights(), before)
    assert trained._gradients_hook is None


def test_each_weight_belongs_to_one_layer():
    trained = model()
    names = layers_by_weight(trained)
    assert {id(v) for v in trained.weights} == set(names)
    assert set(names.values()) == {"both", "inner/gru", "dense"}

"""Functions and layers that are computed again in the reverse pass give what they give without that."""

import copy
import json
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minirnn
from minirnn import kernels, layers, models, ops, random, recompute
from minirnn.autograd import Variable, convert, grad, no_grad
from minirnn.layers.rollback import all_or_nothing
from minirnn.utils import deserialize_keras_object, serialize_keras_object, set_random_seed
from tests.arrays import leaf
from tests.laws.strategies import project


def numbers(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def bits(values):
    return [None if v is None else np.asarray(v).tobytes() for v in values]


def plain(target):
    return target


def same_bits(run):
    """Assert that a run gives the same bits with `recompute` as without it."""
    assert bits(run(recompute)) == bits(run(plain))


@given(st.integers(0, 99), st.booleans())
def test_a_function_and_its_gradient_are_the_same_bit_for_bit(seed, nested):
    w = Variable(numbers(3, 3, seed=seed))

    def function(inputs, scale=1.0):
        x, y = inputs["x"], inputs["y"]
        h = ops.tanh(ops.matmul(x, w) + y * scale)
        return {"h": h, "twice": [h * h, ops.argmax(h, axis=1)]} if nested else h * x

    def run(wrap):
        x, y = (leaf(numbers(4, 3, seed=seed + n)) for n in (1, 2))
        outputs = wrap(function)({"x": x, "y": y}, scale=0.5)
        flat = minirnn.tree.flatten(outputs)
        floats = [z for z in flat if z.dtype == "float64"]
        return [*flat, *grad(project(floats), [x, y, w])]

    same_bits(run)


def test_a_function_is_run_once_and_then_once_more():
    calls = []

    def function(x):
        calls.append(x)
        return x * x

    x = leaf(numbers(3))
    y = recompute(function)(x)
    assert len(calls) == 1
    grad(ops.sum(y), [x])
    assert len(calls) == 2
    with no_grad():
        recompute(function)(x)
    recompute(function)(convert(numbers(3)))
    assert len(calls) == 4


def test_what_a_function_draws_it_draws_again_and_seeds_move_once():
    generator, w = random.SeedGenerator(3), Variable(numbers(3))

    def function(x):
        x = random.dropout(x * w, 0.5, seed=generator)
        return random.dropout(x, 0.3, seed=generator) + random.normal(x.shape, dtype="float64") * w

    def run(wrap):
        set_random_seed(2)
        generator.state.assign(np.array([3, 0], "uint32"))
        y = wrap(function)(numbers(4, 3))
        state = generator.state.numpy()
        between = random.normal((2,))
        found = grad(project(y), [w])
        return [y, *found, state, between, generator.state, random.normal((2,))]

    same_bits(run)


def test_a_function_may_use_tensors_from_around_it_that_have_a_history():
    w = Variable(numbers(3, 3))

    def run(wrap):
        x = leaf(numbers(4, 3))
        outside = ops.tanh(ops.matmul(x, w))
        y = wrap(lambda z: z * outside + ops.matmul(outside, w))(ops.sin(outside))
        return [y, *grad(project([y, outside]), [x, w])]

    # What reaches `outside` is added up in another order.
    for got, expected in zip(run(recompute), run(plain), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_one_function_after_another_gives_the_gradient_of_all():
    weights = [Variable(numbers(3, 3, seed=n) * 0.5) for n in range(4)]

    def run(wrap):
        x = leaf(numbers(4, 3))
        y = x
        for w in weights:
            y = wrap(lambda y, w: ops.tanh(ops.matmul(y, w)) + y)(y, w)
        return [y, *grad(project(y), [x, *weights])]

    same_bits(run)


def test_functions_to_recompute_may_be_nested():
    w = Variable(numbers(3, 3))

    def run(wrap):
        inner = wrap(lambda y: ops.tanh(ops.matmul(y, w)))
        outer = wrap(lambda x: inner(inner(x)) * random.dropout(x, 0.5, seed=None))
        set_random_seed(1)
        y = outer(numbers(4, 3))
        return [y, *grad(project(y), [w])]

    same_bits(run)


def test_an_output_that_is_an_input_passes_through():
    x = leaf(numbers(3))
    outside = x * 2.0
    y, same, number = recompute(lambda z: (z * z, z, 3))(outside)
    assert same is outside and number == 3
    got = grad(project([y, same]), [x], retain_graph=True)
    expected = grad(project([outside * outside, outside]), [x])
    assert bits(got) == bits(expected)


def test_variables_have_their_old_values_while_it_runs_again():
    w, count = Variable(numbers(3)), Variable(np.array(1.0), trainable=False)

    def function(x):
        count.assign_add(1.0)
        return x * w * count

    def run(wrap):
        count.assign(1.0)
        w.assign(numbers(3))
        y = wrap(function)(numbers(3, seed=1))
        count.assign(50.0)
        w.assign(w * 2.0)
        changed = w.data
        found = grad(project(y), [w])
        assert w.data is changed
        return [y, *found, count, w]

    same_bits(run)


def test_what_a_second_run_assigns_is_taken_back_even_where_a_first_was_taken_back_already():
    w, count = Variable(numbers(3)), Variable(np.array(1.0), trainable=False)

    def function(x):
        count.assign_add(1.0)
        return x * w * count

    before = count.data
    y = recompute(function)(numbers(3, seed=1))
    assert float(count) == 2.0
    count.data, count._snapshot = before, None  # as a step that breaks is taken back
    found = grad(project(y), [w])
    assert count.data is before
    assert bits(found) == bits(grad(project(numbers(3, seed=1) * w * 2.0), [w]))


def test_a_step_that_breaks_after_a_recomputed_part_is_taken_back():
    layer = recompute(models.Sequential([layers.BatchNormalization(), layers.Dropout(0.5)]))
    x = numbers(4, 3, dtype="float32")
    layer(x)
    before = bits(layer.variables)

    def step():
        layer(x, training=True)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        all_or_nothing(step)
    assert bits(layer.variables) == before


def test_a_second_derivative_is_the_same():
    w = Variable(numbers(3, 3))

    def run(wrap):
        function = wrap(lambda x: ops.sum(ops.tanh(ops.matmul(x, w)) ** 3))
        x = leaf(numbers(4, 3))
        first = grad(function(ops.sin(x)), [x, w], create_graph=True)
        return [*first, *grad(project(first), [x, w])]

    for got, expected in zip(run(recompute), run(plain), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_a_function_may_take_a_gradient_inside():
    w = Variable(numbers(3))

    def function(x):
        return ops.sum(grad(lambda x: ops.sum(x * x * x * w))(x) ** 2)

    def run(wrap):
        y = wrap(function)(numbers(3, seed=1))
        return [y, *grad(y, [w])]

    same_bits(run)


def test_backward_adds_up_in_grad():
    w = Variable(numbers(3))
    recompute(lambda x: ops.sum(x * w))(numbers(3, seed=1)).backward()
    assert np.array_equal(w.grad, numbers(3, seed=1))


def test_a_function_that_does_something_else_the_second_time_is_refused():
    w, calls = Variable(numbers(3)), []

    def other_shape(x):
        calls.append(1)
        return x * w if len(calls) == 1 else ops.sum(x * w)

    y = recompute(other_shape)(numbers(3))
    with pytest.raises(
        RuntimeError, match=r"first run gave outputs of shapes \[\(3,\)\], the second \[\(\)\]"
    ):
        grad(ops.sum(y), [w])
    v, calls = Variable(numbers(3)), []

    def other_weight(x):
        calls.append(1)
        return x * w if len(calls) == 1 else x * v

    y = recompute(other_weight)(numbers(3))
    with pytest.raises(RuntimeError, match="depends on weights or tensors on which the first did not"):
        grad(ops.sum(y), [w])


def block(**options):
    return models.Sequential(
        [
            layers.Dense(6, activation="tanh", activity_regularizer="l2", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.4),
            layers.LSTM(4, dropout=0.2, return_sequences=True),
            layers.LayerNormalization(),
        ],
        **options,
    )


def test_a_layer_changes_its_statistics_and_seeds_once_and_adds_its_losses_once():
    x = numbers(3, 5, 2, dtype="float32")

    def run(wrap):
        set_random_seed(0)
        layer = wrap(block())
        for _ in range(2):
            X = leaf(x)
            y = layer(X, training=True)
            losses = layer.losses
            found = grad(sum(losses, start=project(y)), [X, *layer.trainable_weights])
        assert len(losses) == len(layer.losses) == 2
        assert [float(a) for a in losses] == [float(a) for a in layer.losses]
        return [y, *losses, *found, *layer.variables, layer(x, training=False)]

    same_bits(run)


def test_losses_of_a_layer_that_is_called_twice_are_all_there():
    def run(wrap):
        set_random_seed(0)
        dense = layers.Dense(3, activity_regularizer="l2")
        inputs = layers.Input((4,))
        wrapped = wrap(dense)
        first = wrapped(inputs)
        model = models.Model(inputs, [first, wrapped(ops.sin(inputs)), dense(inputs)])
        outputs = model(numbers(5, 4, dtype="float32"))
        losses = model.losses
        assert len(losses) == 3
        return [*losses, *grad(sum(losses, start=project(outputs)), model.trainable_weights)]

    same_bits(run)


def test_a_function_of_layers_adds_their_losses_once():
    dense = layers.Dense(3, activity_regularizer="l2", dtype="float64")
    dense.build((None, 4))
    x = numbers(5, 4)

    def run(wrap):
        y = wrap(lambda x: dense(x) * 2.0)(x)
        (loss,) = dense.losses
        found = grad(project(y) + loss, dense.trainable_weights)
        assert dense.losses == [loss] or dense.losses[0] is loss
        return [y, loss, *found]

    same_bits(run)


def model_of(wrap, chunks=False):
    set_random_seed(3)
    inner = layers.GRU(4) if chunks else block()
    found = models.Sequential([layers.Input((5, 2)), wrap(inner), layers.Flatten(), layers.Dense(2)])
    found.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return found


def test_a_model_with_a_recomputed_part_trains_bit_for_bit_as_without():
    x, y = numbers(20, 5, 2, dtype="float32"), np.arange(20) % 2

    def run(wrap):
        model = model_of(wrap)
        history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, validation_split=0.2)
        losses = [value for name in sorted(history.history) for value in history.history[name]]
        return [*losses, *model.variables, *model.optimizer.variables[2:], model.predict(x, verbose=0)]

    same_bits(run)


def test_a_functional_model_takes_recomputed_layers_and_functions():
    x = numbers(3, 6, 2, dtype="float32")

    def run(wrap):
        set_random_seed(3)
        inputs = layers.Input((None, 2))
        h, *_ = wrap(layers.LSTM(4, return_sequences=True, return_state=True))(inputs)
        outputs = wrap(lambda h: ops.tanh(h) * 2.0)(wrap(layers.Dense(3))(h))
        model = models.Model(inputs, outputs)
        assert model.output_shape == (None, None, 3)
        y = model(x)
        return [y, *grad(project(y), model.trainable_weights)]

    for got, expected in zip(run(lambda target: recompute(target)), run(plain), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)


def test_masks_pass_through_a_recomputed_layer():
    ids = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])

    def run(wrap):
        set_random_seed(1)
        embed = wrap(layers.Embedding(5, 3, mask_zero=True))
        dense = wrap(layers.Dense(3))
        lstm = wrap(layers.LSTM(2))
        h = wrap(lambda h: h * 2.0 if h._keras_mask is None else dense(h))(wrap(embed.__call__)(ids))
        assert np.array_equal(h._keras_mask, ids != 0)
        y = lstm(h)
        assert y._keras_mask is None
        return [y, *grad(project(y), [*embed.trainable_weights, *lstm.trainable_weights])]

    for got, expected in zip(run(recompute), run(plain), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


def test_arguments_by_place_and_by_name_reach_the_layer():
    class Scale(layers.Layer):
        def call(self, x, y, factor=1.0, training=True):
            return x * y * factor * (2.0 if training else 1.0)

    x, y = numbers(3, 2, dtype="float32"), numbers(3, 2, seed=1, dtype="float32")
    for arguments, options in [
        ((x, y), {}),
        ((x, y, 3.0), {}),
        ((x,), {"y": y, "training": False}),
        ((), {"x": x, "y": y}),
    ]:
        expected = Scale()(*arguments, **options)
        got = recompute(Scale())(*arguments, **options)
        assert np.array_equal(got, expected)
    lstm = layers.LSTM(2, return_state=True)
    states = [numbers(3, 2, seed=n, dtype="float32") for n in range(2)]
    sequence = numbers(3, 9, 2, dtype="float32")
    with kernels.use_tier("fused"):  # a faster one may keep more digits between steps than between chunks
        expected = lstm(sequence, states)
        assert bits(recompute(lstm)(sequence, states)) == bits(expected)
        assert bits(recompute(lstm)(sequence, initial_state=states)) == bits(expected)


def test_inputs_keep_their_dtype_on_the_way_to_the_layer():
    layer = recompute(layers.Dense(2, dtype="float64"))
    x = np.array([[1 + 1e-12]])
    assert layer(x).dtype == "float64"
    assert np.array_equal(layer(x), layer.layer(x))


RECOMPUTED = {
    "lstm": lambda: recompute(layers.LSTM(3, return_sequences=True), steps=5),
    "both": lambda: recompute(layers.Bidirectional(layers.GRU(3))),
    "dense": lambda: recompute(layers.Dense(3, activation="tanh")),
    "model": lambda: recompute(block(name="block")),
}


@pytest.mark.parametrize("make", RECOMPUTED.values(), ids=RECOMPUTED.keys())
def test_a_config_a_copy_and_a_pickle_are_the_layer_again(make):
    layer, x = make(), numbers(2, 7, 4, dtype="float32")
    expected = layer(x)
    stored = json.loads(json.dumps(serialize_keras_object(layer)))
    again = deserialize_keras_object(stored)
    assert json.loads(json.dumps(serialize_keras_object(again))) == stored
    if not isinstance(layer.layer, models.Model):  # which builds itself, and knows of no layer around it
        assert [w.path for w in again.weights] == [w.path for w in layer.weights]
    assert all(w.path.startswith(f"{layer.name}/") for w in layer.weights)
    again.set_weights(layer.get_weights())
    for twin in (again, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert type(twin) is layers.Recompute and twin.in_chunks == layer.in_chunks
        assert np.array_equal(twin(x), expected)
        twin_loss = project(twin(x))
        loss = project(layer(x))
        got, wanted = grad(twin_loss, twin.trainable_weights), grad(loss, layer.trainable_weights)
        assert bits(got) == bits(wanted)
        # A copy runs its own layer.
        for w in twin.trainable_weights:
            w.assign(w * 0.0)
        assert np.array_equal(layer(x), expected)


def test_a_recurrent_layer_of_a_copy_runs_in_chunks_of_its_own():
    layer = recompute(layers.LSTM(3))
    layer(numbers(2, 7, 4, dtype="float32"))
    twin = copy.deepcopy(layer)
    assert twin.layer.inner_loop.layer is twin.layer is not layer.layer


def test_memory_of_many_blocks_is_that_of_one():
    def peak(wrap):
        dense = [layers.Dense(64, activation="tanh") for _ in range(3)]
        x = np.zeros((256, 64), "float32")
        for layer in dense:
            layer(x)

        def one_block(x):
            for _ in range(4):
                for layer in dense:
                    x = ops.tanh(layer(x)) * 0.5
            return x

        y = convert(x)
        tracemalloc.start()
        for _ in range(10):
            y = wrap(one_block)(y)
        grad(ops.sum(y), dense[0].trainable_weights)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(recompute) * 4 < peak(plain)


def test_nothing_is_kept_of_a_graph_that_was_walked():
    import gc
    import weakref

    layer = recompute(layers.LSTM(3))
    x = convert(numbers(2, 30, 4, dtype="float32"))
    y = layer(x)
    seen = weakref.ref(y.node.saved)
    gc.collect()
    gc.disable()
    try:
        loss = project(y)
        grad(loss, layer.trainable_weights)
        assert seen() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("tier", ["fused", "generic"])
def test_the_tier_is_the_same_when_it_runs_again(tier):
    layer = recompute(block())
    x = numbers(2, 5, 2, dtype="float32")
    layer(x)
    with kernels.use_tier(tier):
        y = layer(x)
        expected = grad(project(layer(x)), layer.trainable_weights)
    assert bits(grad(project(y), layer.trainable_weights)) == bits(expected)


@pytest.mark.parametrize(
    "call, kind, match",
    [
        (lambda: recompute(3), TypeError, "recompute: expected a layer or a function; got 3"),
        (lambda: recompute(ops.tanh, steps=3), ValueError, "steps= is for a recurrent layer"),
        (lambda: recompute(layers.Dense(2), steps=3), ValueError, "steps= is for a recurrent layer"),
        (
            lambda: recompute(layers.LSTM(2), steps=0),
            ValueError,
            "steps must be an integer of 1 or more; got 0",
        ),
        (lambda: recompute(layers.LSTM(2), steps=2.0), ValueError, "1 or more; got 2.0"),
        (lambda: layers.Recompute(ops.tanh), ValueError, r"layer must be a layer such as Dense\(10\)"),
        (lambda: recompute(layers.LSTM(2))(np.ones((2, 3))), ValueError, "LSTM 'lstm.*3 axes|ndim|shape"),
        (lambda: layers.Bidirectional(recompute(layers.LSTM(2))), ValueError, "must be a recurrent layer"),
    ],
)
def test_bad_input_is_refused(call, kind, match):
    with pytest.raises(kind, match=match):
        call()

"""Laws of recurrent layers: time, masks, batch, and the ways in which one computation can be written."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minirnn import kernels, layers
from tests.arrays import fastest
from tests.laws.strategies import STATES, arrays, assert_equal, cases

written_as = pytest.mark.parametrize("way", ["layer", "layer_of_cell"])


def initial(case):
    """The states that a case starts from."""
    shape = (len(case.x_BTD), case.options["units"])
    return case.states or [np.zeros(shape, case.dtype) for _ in range(STATES[case.kind])]


def steps(mask, part):
    return None if mask is None else mask[:, part]


@written_as
@given(data=st.data(), case=cases(min_time=2))
def test_a_whole_sequence_equals_its_chunks_with_carried_state(way, data, case):
    T = case.x_BTD.shape[1]
    cut = data.draw(st.integers(1, T - 1))
    parts = [slice(0, cut), slice(cut, T)][:: -1 if case.options["go_backwards"] else 1]
    layer = getattr(case, way)()
    whole = case.run(layer)
    states, outputs = initial(case), []
    for part in parts:
        chunk = case.x_BTD[:, part]
        output, *states = case.run(layer, chunk, mask=steps(case.mask_BT, part), initial_state=states)
        outputs.append(output)
    output = np.concatenate(outputs, axis=1) if case.options["return_sequences"] else outputs[-1]
    assert_equal([output, *states], whole, case.dtype)


@written_as
@given(data=st.data(), case=cases(min_time=2, with_states=False))
def test_a_stateful_layer_carries_the_state_until_it_is_reset(way, data, case):
    T = case.x_BTD.shape[1]
    cut = data.draw(st.integers(1, T - 1))
    parts = [slice(0, cut), slice(cut, T)][:: -1 if case.options["go_backwards"] else 1]
    whole = case.run(getattr(case, way)())
    layer = getattr(case, way)(stateful=True)
    for _ in range(2):
        chunks = [case.run(layer, case.x_BTD[:, p], mask=steps(case.mask_BT, p)) for p in parts]
        outputs = [chunk[0] for chunk in chunks]
        output = np.concatenate(outputs, axis=1) if case.options["return_sequences"] else outputs[-1]
        assert_equal([output, *chunks[-1][1:]], whole, case.dtype)
        assert_equal(arrays(layer.states), whole[1:], case.dtype)
        layer.reset_states()


@written_as
@given(case=cases(go_backwards=True))
def test_go_backwards_equals_flipping_the_sequence(way, case):
    make = getattr(case, way)
    mask = None if case.mask_BT is None else case.mask_BT[:, ::-1]
    flipped = case.run(make(go_backwards=False), case.x_BTD[:, ::-1], mask=mask)
    assert_equal(case.run(make()), flipped, case.dtype)


@written_as
@given(case=cases(mask_forms=("right",), go_backwards=False))
def test_right_padding_with_a_mask_equals_the_shorter_sequence(way, case):
    layer = getattr(case, way)()
    output, *states = case.run(layer)
    zero = case.options["zero_output_for_mask"]
    for row, length in enumerate(case.mask_BT.sum(axis=1)):
        here = slice(row, row + 1)
        one_states = None if case.states is None else [s[here] for s in case.states]
        one = case.run(layer, case.x_BTD[here, :length], mask=None, initial_state=one_states)
        assert_equal([s[here] for s in states], one[1:], case.dtype)
        if case.options["return_sequences"]:
            assert_equal([output[here, :length]], one[:1], case.dtype)
            after = 0 * output[here, length:] if zero else output[here, length - 1 : length]
            assert_equal([output[here, length:]], [after + 0 * output[here, length:]], case.dtype)
        elif not zero or length == case.x_BTD.shape[1]:
            assert_equal([output[here]], one[:1], case.dtype)


@written_as
@given(data=st.data(), case=cases(mask_forms=("none", "any")))
def test_masked_steps_put_in_anywhere_change_nothing(way, data, case):
    assume(not case.options["zero_output_for_mask"])
    layer = getattr(case, way)()
    B, T = case.x_BTD.shape[:2]
    place = data.draw(st.integers(0, T))
    x = np.insert(case.x_BTD, [place] * 2, 1e3, axis=1)
    mask = np.insert(np.ones((B, T), bool) if case.mask_BT is None else case.mask_BT, [place] * 2, False, 1)
    output, *states = case.run(layer, x, mask=mask)
    expected = case.run(layer)
    if case.options["return_sequences"]:
        if case.options["go_backwards"]:
            place = T - place
        output = np.delete(output, [place, place + 1], axis=1)
    assert_equal([output, *states], expected, case.dtype)


@written_as
@given(data=st.data(), case=cases(min_batch=2))
def test_a_permutation_of_the_batch_commutes(way, data, case):
    order = data.draw(st.permutations(range(len(case.x_BTD))))
    layer = getattr(case, way)()
    mask = None if case.mask_BT is None else case.mask_BT[order]
    states = None if case.states is None else [s[order] for s in case.states]
    permuted = case.run(layer, case.x_BTD[order], mask=mask, initial_state=states)
    assert_equal(permuted, [y[order] for y in case.run(layer)], case.dtype)


@written_as
@given(case=cases(min_batch=2, mask_forms=("right", "left", "any")))
def test_a_fully_masked_row_changes_nothing(way, case):
    layer = getattr(case, way)()
    before = case.run(layer)
    case.mask_BT[0] = False
    output, *states = case.run(layer)
    assert_equal([y[1:] for y in (output, *states)], [y[1:] for y in before], case.dtype)
    assert_equal([s[0] for s in states], [s[0] for s in initial(case)], case.dtype)
    if case.states is None or (case.options["zero_output_for_mask"] and case.options["return_sequences"]):
        assert not output[0].any()
    by_input = case.gradients(layer)[0]
    assert not by_input[0].any()
    # What is in masked steps does not matter at all, be it no number.
    case.x_BTD[0] = np.nan
    assert_equal(case.run(layer), [output, *states], case.dtype)
    assert all(np.isfinite(g).all() for g in case.gradients(layer) if g is not None)


@given(case=cases())
def test_rnn_of_a_cell_equals_the_layer_in_outputs_states_and_gradients(case):
    layer, of_cell = case.layer(), case.layer_of_cell()
    tier = fastest() if case.fits_cudnn() else "fused"
    assert layer.kernel_report(case.x_BTD, case.mask_BT).tier == tier
    assert of_cell.kernel_report(case.x_BTD, case.mask_BT).tier == "generic"
    assert_equal(case.run(layer), case.run(of_cell), case.dtype)
    assert_equal(case.gradients(layer), case.gradients(of_cell), case.dtype)


@given(data=st.data(), case=cases())
def test_the_tiers_agree_with_dropout_too(data, case):
    rate = st.sampled_from([0.0, 0.3])
    changes = {"dropout": data.draw(rate), "recurrent_dropout": data.draw(rate), "seed": 7}
    training = data.draw(st.booleans())
    assert_equal(
        case.run(case.layer(**changes), training=training),
        case.run(case.layer_of_cell(**changes), training=training),
        case.dtype,
    )
    # Each gradient is a call of its own and draws masks of its own, in the same order on both.
    fused = case.gradients(case.layer(**changes), training=training)
    with kernels.use_tier("generic"):
        generic = case.gradients(case.layer(**changes), training=training)
    assert_equal(fused, generic, case.dtype)


@given(case=cases())
def test_unroll_changes_nothing(case):
    rolled, unrolled = case.layer_of_cell(), case.layer_of_cell(unroll=True)
    assert_equal(case.run(unrolled), case.run(rolled), case.dtype)
    assert_equal(case.run(case.layer(unroll=True)), case.run(case.layer()), case.dtype)
    assert_equal(case.gradients(unrolled), case.gradients(rolled), case.dtype)


@given(case=cases(mask_forms=("none", "all", "right", "any"), with_states=False), data=st.data())
def test_rnn_of_a_list_of_cells_equals_layers_on_top_of_one_another(case, data):
    below = case.layer(return_sequences=True, go_backwards=case.options["go_backwards"])
    kind = data.draw(st.sampled_from([layers.SimpleRNNCell, layers.GRUCell, layers.LSTMCell]))
    top_cell = kind(2, dtype=case.dtype, bias_initializer="random_normal")
    lower_cell = case.layer_of_cell().cell
    options = {name: case.options[name] for name in ("return_sequences", "zero_output_for_mask")}
    stacked = layers.RNN(
        [lower_cell, top_cell],
        return_state=True,
        go_backwards=case.options["go_backwards"],
        dtype=case.dtype,
        **options,
    )
    outputs = case.run(stacked)
    # The lower layer gives its outputs in the order of reading, so the upper one reads them forwards.
    between, *low_states = case.run(below)
    mask = case.mask_BT
    if mask is not None and case.options["go_backwards"]:
        mask = mask[:, ::-1]
    top = layers.RNN(top_cell, return_state=True, dtype=case.dtype, **options)
    output, *top_states = arrays(top(between, mask=mask))
    assert_equal(outputs, [output, *low_states, *top_states], case.dtype)


MERGED = {
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
}


@pytest.mark.parametrize("merge_mode", ["sum", "mul", "ave", "concat", None])
@given(case=cases(go_backwards=False))
def test_bidirectional_equals_its_two_halves(merge_mode, case):
    both = layers.Bidirectional(case.layer(), merge_mode=merge_mode, dtype=case.dtype)
    back_weights = [w[..., ::-1] for w in case.weights]
    both.build(case.x_BTD.shape)
    both.set_weights([*case.weights, *back_weights])
    states = None if case.states is None else [*case.states, *(-s for s in case.states)]
    got = arrays(both(case.x_BTD, mask=case.mask_BT, initial_state=states))

    sequences = case.options["return_sequences"]
    # Bidirectional decides by itself whether masked outputs are zero: where sequences are merged.
    forward = case.layer(zero_output_for_mask=sequences)
    backward = case.layer(zero_output_for_mask=sequences, go_backwards=True)
    backward.set_weights(back_weights)
    y, *forward_states = case.run(forward)
    back_initial = None if case.states is None else [-s for s in case.states]
    y_back, *backward_states = case.run(backward, initial_state=back_initial)
    if sequences:
        y_back = y_back[:, ::-1]
    merged = [y, y_back] if merge_mode is None else [MERGED[merge_mode](y, y_back)]
    assert_equal(got, [*merged, *forward_states, *backward_states], case.dtype)


def test_bidirectional_puts_a_backward_layer_of_another_kind_to_work():
    x = np.random.default_rng(0).standard_normal((3, 4, 2)).astype("float32")
    forward = layers.GRU(2, return_sequences=True)
    backward = layers.LSTM(5, return_sequences=True, go_backwards=True)
    both = layers.Bidirectional(forward, backward_layer=backward)
    got = both(x)
    y, y_back = both.forward_layer(x), both.backward_layer(x)
    assert_equal(arrays(got), [np.concatenate([y, np.asarray(y_back)[:, ::-1]], axis=-1)], "float32")


@given(
    make=st.sampled_from(
        [
            lambda: layers.Dense(3, activation="tanh"),
            lambda: layers.LSTM(2),
            lambda: layers.GRU(2, return_sequences=True),
            lambda: layers.LayerNormalization(),
            lambda: layers.Flatten(),
            lambda: layers.Bidirectional(layers.SimpleRNN(2)),
        ]
    ),
    shape=st.tuples(*(st.integers(1, 3) for _ in range(4))),
    seed=st.integers(0, 1000),
)
def test_time_distributed_equals_a_loop_over_the_steps(make, shape, seed):
    x_BTSD = np.random.default_rng(seed).standard_normal(shape).astype("float32")
    inner = make()
    layer = layers.TimeDistributed(inner)
    whole = layer(x_BTSD)
    assert_equal(arrays(whole), [np.stack([inner(x_BTSD[:, t]) for t in range(shape[1])], axis=1)], "float32")


@given(case=cases(kinds=("LSTM", "GRU"), mask_forms=("any",), go_backwards=False, return_sequences=True))
def test_time_distributed_gives_each_step_its_part_of_the_mask(case):
    # As one outer step each, a batch of sequences comes out as it does alone.
    layer = case.layer(return_state=False)
    outer = layers.TimeDistributed(layer, dtype=case.dtype)
    x, mask = case.x_BTD[:, None].repeat(2, axis=1), case.mask_BT[:, None].repeat(2, axis=1)
    mask[:, 1] = True
    got = outer(x, mask=mask)
    want = [layer(case.x_BTD, mask=case.mask_BT), layer(case.x_BTD)]
    assert_equal(arrays(got), [np.stack(want, axis=1)], case.dtype)

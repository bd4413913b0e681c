"""`Attention` and `AdditiveAttention`: their formula, masks, and what a query may not see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minirnn
from minirnn import layers
from tests.laws.strategies import assert_equal

KINDS = [
    lambda **options: layers.Attention(**options),
    lambda **options: layers.Attention(score_mode="concat", use_scale=True, **options),
    lambda **options: layers.AdditiveAttention(**options),
]
every_kind = pytest.mark.parametrize("make", KINDS, ids=["dot", "concat", "additive"])


def arrays(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype("float32") for shape in shapes]


@every_kind
@given(seed=st.integers(0, 99), queries=st.integers(1, 4), values=st.integers(1, 5))
def test_an_output_is_the_mean_of_values_by_weights_that_sum_to_1(make, seed, queries, values):
    q, v, k = arrays(seed, (2, queries, 3), (2, values, 5), (2, values, 3))
    output, weights = make()([q, v, k], return_attention_scores=True)
    weights = weights.numpy()
    assert weights.shape == (2, queries, values) and (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert_equal([output.numpy()], [np.einsum("bqv,bvd->bqd", weights, v)], "float32")


def test_scores_are_the_formulas():
    q, k = arrays(0, (2, 3, 4), (2, 5, 4))
    pairs = q[:, :, None] + k[:, None]
    scale = np.array([0.5, -1.0, 2.0, 1.0], "float32")
    for layer, weights, scores in (
        (layers.Attention(), [], q @ k.swapaxes(1, 2)),
        (layers.Attention(use_scale=True), [0.5], 0.5 * q @ k.swapaxes(1, 2)),
        (layers.Attention(score_mode="concat"), [2.0], 2 * np.tanh(pairs).sum(-1)),
        (layers.Attention(True, "concat"), [0.5, 2.0], 2 * np.tanh(0.5 * pairs).sum(-1)),
        (layers.AdditiveAttention(use_scale=False), [], np.tanh(pairs).sum(-1)),
        (layers.AdditiveAttention(), [scale], (scale * np.tanh(pairs)).sum(-1)),
    ):
        layer([q, k])
        layer.set_weights(weights)
        expected = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        _, got = layer([q, k], return_attention_scores=True)
        assert_equal([got.numpy()], [expected], "float32")


@every_kind
@given(seed=st.integers(0, 99))
def test_masked_values_count_for_nothing_and_masked_queries_give_0(make, seed):
    q, v = arrays(seed, (2, 3, 4), (2, 5, 4))
    layer = make()
    length = 1 + seed % 5
    value_mask = np.arange(5)[None] < np.array([[length], [5]])
    query_mask = np.array([[True, False, True], [True, True, False]])
    whole = layer([q, v], mask=[query_mask, value_mask])
    shorter = layer([q[:1], v[:1, :length]]).numpy()
    assert_equal([whole.numpy()[0, ::2]], [shorter[0, ::2]], "float32")
    assert (whole.numpy()[~query_mask] == 0).all()
    v[0, length:] = 1e6
    np.testing.assert_array_equal(layer([q, v], mask=[query_mask, value_mask]).numpy(), whole.numpy())


@every_kind
def test_masks_that_travel_do_the_same_as_masks_that_are_passed(make):
    q, v = arrays(0, (2, 3, 4), (2, 5, 4))
    q[1, 2:], v[0, 2:] = 0, 0
    layer, masking = make(), layers.Masking()
    travelled = layer([masking(q), masking(v)])
    passed = layer([q, v], mask=[(q != 0).any(-1), (v != 0).any(-1)])
    np.testing.assert_array_equal(travelled.numpy(), passed.numpy())
    np.testing.assert_array_equal(np.asarray(travelled._keras_mask), (q != 0).any(-1))


@every_kind
@given(t=st.integers(0, 4))
def test_a_causal_query_sees_nothing_of_later_values(make, t):
    (x,) = arrays(t, (2, 5, 3))
    layer = make()
    layer([x, x])
    whole = layer([x, x], use_causal_mask=True).numpy()
    changed = x.copy()
    changed[:, t + 1 :] += 1
    np.testing.assert_array_equal(
        layer([changed, changed], use_causal_mask=True).numpy()[:, : t + 1], whole[:, : t + 1]
    )
    mask = np.array([[True] * 5, [True, False, True, True, False]])
    both = layer([x, x], mask=[None, mask], use_causal_mask=True, return_attention_scores=True)[1].numpy()
    assert (both[1][:, ~mask[1]] == 0).all() and (np.triu(both, 1) == 0).all()


@every_kind
def test_dropout_drops_weights_in_training_alone(make):
    q, v = arrays(0, (8, 9, 4), (8, 20, 4))
    layer = make(dropout=0.5, seed=3)
    kept = layer([q, v], return_attention_scores=True)[1].numpy()
    dropped = layer([q, v], return_attention_scores=True, training=True)[1].numpy()
    where = dropped != 0
    assert 0.45 < where.mean() < 0.55
    assert_equal([dropped[where]], [2 * kept[where]], "float32")
    assert not make(seed=3).variables or make().get_config()["dropout"] == 0


def test_values_are_the_keys_by_default_and_more_axes_may_lead():
    q, v = arrays(0, (2, 6, 3, 4), (2, 6, 5, 4))
    layer = layers.Attention()
    whole = layer([q, v]).numpy()
    np.testing.assert_array_equal(layer([q, v, v]).numpy(), whole)
    assert_equal([layer([q[:, 1], v[:, 1]]).numpy()], [whole[:, 1]], "float32")


def test_in_a_functional_model_over_recurrent_layers():
    inputs = layers.Input((None,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(inputs)
    states = layers.LSTM(3, return_sequences=True)(x)
    seen = layers.Attention()([states, states], use_causal_mask=True)
    output, weights = layers.AdditiveAttention()([states, seen], return_attention_scores=True)
    assert output.shape == (None, None, 3) and weights.shape == (None, None, None)
    model = minirnn.Model(inputs, layers.GlobalAveragePooling1D()(output))
    ids = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    assert_equal([model(ids).numpy()[:1]], [model(ids[:1, :3]).numpy()], "float32")

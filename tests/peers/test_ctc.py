"""Connectionist temporal classification against PyTorch's and Keras's: values, gradients, decoding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirnn import losses, ops
from minirnn.autograd import Variable, grad
from tests.ops.test_ctc import batches


@pytest.fixture
def jax(keras):
    return pytest.importorskip("jax", reason="JAX is not installed; the extra 'test' brings it")


def ours(batch, weights, blank=0):
    labels, logits, label_lengths, lengths = batch
    logits = Variable(logits)
    loss = ops.ctc_loss(labels, logits, label_lengths, lengths, mask_index=blank)
    return loss.numpy(), grad((loss * weights).sum(), logits).numpy()


@given(batches(max_frames=60))
def test_loss_and_gradient_are_those_of_pytorch(torch, batch):
    labels, logits, label_lengths, lengths = batch
    kept = lengths > 0  # PyTorch wants a frame at least
    if not kept.any():
        return
    labels, logits, label_lengths, lengths = (a[kept] for a in batch)
    weights = np.linspace(1, 2, len(labels))
    x = torch.tensor(logits, requires_grad=True)
    theirs = torch.nn.functional.ctc_loss(
        torch.log_softmax(x, -1).transpose(0, 1),
        torch.tensor(labels),
        torch.tensor(lengths),
        torch.tensor(label_lengths),
        reduction="none",
    )
    (theirs * torch.tensor(weights)).sum().backward()
    loss, gradient = ours((labels, logits, label_lengths, lengths), weights)
    np.testing.assert_allclose(loss, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("blank", [0, 5, 2])
def test_loss_and_gradient_are_those_of_keras(keras, jax, blank):
    rng = np.random.default_rng(blank)
    labels = rng.integers(0, 5, (6, 7))
    labels += labels >= blank
    label_lengths, lengths = np.array([7, 3, 0, 1, 5, 6]), np.array([20, 25, 4, 1, 17, 14])
    logits, weights = rng.normal(size=(6, 25, 6)).astype(np.float32), np.linspace(1, 2, 6).astype(np.float32)
    of_keras = lambda x: keras.ops.ctc_loss(labels, x, label_lengths, lengths, mask_index=blank)
    loss, gradient = ours((labels, logits, label_lengths, lengths), weights, blank)
    np.testing.assert_allclose(loss, of_keras(logits), rtol=1e-5)
    theirs = jax.grad(lambda x: (of_keras(x) * weights).sum())(logits)
    np.testing.assert_allclose(gradient, theirs, atol=2e-4)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_as_a_class_is_that_of_keras(keras, jax, reduction, weighted):
    rng = np.random.default_rng(0)
    labels = np.array([[1, 2, 2, 0], [3, 0, 0, 0], [4, 1, 2, 3]])
    logits = rng.normal(size=(3, 9, 5)).astype(np.float32)
    weight = rng.uniform(size=3).astype(np.float32) if weighted else None
    one, other = losses.CTC(reduction), keras.losses.CTC(reduction)
    np.testing.assert_allclose(one(labels, logits, weight), other(labels, logits, weight), rtol=1e-5)
    x = Variable(logits)
    gradient = grad(one(labels, x, weight).sum(), x)
    theirs = jax.grad(lambda x: other(labels, x, weight).sum())(logits)
    np.testing.assert_allclose(gradient, theirs, atol=1e-5)


@settings(max_examples=10)
@given(
    seed=st.integers(0, 999),
    options=st.sampled_from(
        [
            {},
            {"merge_repeated": False, "mask_index": 3},
            {"strategy": "beam_search", "beam_width": 30, "top_paths": 4},
            {"strategy": "beam_search", "beam_width": 4, "top_paths": 2, "mask_index": 4},
        ]
    ),
)
def test_decoding_is_that_of_keras(keras, seed, options):
    rng = np.random.default_rng(seed)
    logits, lengths = 2 * rng.normal(size=(3, 9, 5)).astype(np.float32), rng.integers(1, 10, 3)
    symbols, scores = ops.ctc_decode(logits, lengths, **options)
    theirs, their_scores = keras.ops.ctc_decode(logits, lengths, **options)
    np.testing.assert_array_equal(symbols, theirs)
    np.testing.assert_allclose(scores, their_scores, rtol=1e-5, atol=1e-5)


def test_a_label_with_a_blank_inside_has_the_loss_that_it_has_in_keras(keras):
    logits = (np.arange(24).reshape(2, 4, 3).astype("float32") - 12) / 100
    labels = np.array([[1, 2, 1, 0], [1, 2, 0, 2]])
    with pytest.warns(UserWarning, match="a label has the blank"):
        loss = float(losses.CTC()(labels, logits))
    assert np.isclose(loss, float(keras.losses.CTC()(labels, logits)), rtol=1e-6)

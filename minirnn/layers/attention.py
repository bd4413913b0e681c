"""`Attention` and `AdditiveAttention`: the mean of values, weighted by how well keys match a query."""

from typing import Any

from minirnn import ops, random
from minirnn.autograd import Tensor
from minirnn.layers.configuration import share_to_drop
from minirnn.layers.layer import Layer


class Attention(Layer):
    """For each query the mean of the values, weighted by a softmax over its scores with their keys.

    Parameters
    ----------
    use_scale : bool
        Whether scores are multiplied by a trainable number, 1 at first.
    score_mode : {"dot", "concat"}
        The score of a query q and a key k: ``q · k``, or a trainable number times ``Σ tanh(q + k)``, in which
        the scale is inside of the tanh.
    dropout : float
        Share of the weights that are 0 in training, in [0, 1].
    seed : int, optional
        For dropout.

    Attributes
    ----------
    scale : Variable, shape (), or None
    concat_score_weight : Variable, shape (), or None

    Raises
    ------
    ValueError
        If an argument is none of these; at the call, if the inputs are no list of two or three tensors whose
        shapes fit, or a mask does not.

    Notes
    -----
    ``layer([query, value])`` or ``layer([query, value, key])``, of shapes (batch, Tq, features), (batch, Tv,
    n) and (batch, Tv, features), gives an output (batch, Tq, n); the keys are the values by default. With
    ``return_attention_scores=True`` it gives the weights too, (batch, Tq, Tv). With ``use_causal_mask=True``
    query i sees no value after the i-th.

    ``mask=[query_mask, value_mask]``, of shapes (batch, Tq) and (batch, Tv), is by default what travels with
    the inputs: the output is 0 where a query is masked, masked values get no weight, and the mask of the
    queries passes on.

    References
    ----------
    Luong et al. 2015, "Effective approaches to attention-based neural machine translation".
    """

    def __init__(self, use_scale=False, score_mode="dot", dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(f"{self._where}: score_mode must be 'dot' or 'concat'; got {score_mode!r}.")
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = share_to_drop(self, "dropout", dropout, self.name)
        self.seed = seed
        if dropout > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.scale: Any = None
        self.concat_score_weight: Any = None
        self.supports_masking = True

    def build(self, input_shape):
        self._check_shapes(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(
                name="concat_score_weight", shape=(), initializer="ones"
            )

    def _check_shapes(self, shapes):
        # The shape of a single tensor is a tuple too.
        several = isinstance(shapes, list | tuple) and all(isinstance(s, list | tuple) for s in shapes)
        if not several or len(shapes) not in (2, 3):
            got = f"a list of {len(shapes)}" if several else "a single tensor"
            raise ValueError(
                f"{self._where}: expected a list [query, value] or [query, value, key]; got {got}."
            )
        query, value, key = (*shapes, shapes[1])[:3]
        ndim = len(query)
        if ndim < 3 or len(value) != ndim or len(key) != ndim:
            raise ValueError(
                f"{self._where}: query, value and key must have the same number of axes, (batch, steps, "
                f"features); got shapes {_listed(shapes)}. A single vector is a sequence of one step: see "
                "ops.expand_dims."
            )
        fits = (
            _alike(query[-1], key[-1])
            and _alike(value[-2], key[-2])
            and all(_alike(a, b) and _alike(a, c) for a, b, c in zip(query[:-2], value[:-2], key[:-2]))
        )
        if not fits:
            raise ValueError(
                f"{self._where}: query and key must have as many features, value and key as many steps, and "
                f"all the same batch size; got shapes {_listed(shapes)}."
            )

    def _checked_masks(self, inputs, mask):
        """Return the masks of queries and of values, or None for each."""
        if mask is None:
            return None, None
        if not isinstance(mask, list | tuple) or len(mask) not in (2, 3):
            got = f"a list of {len(mask)}" if isinstance(mask, list | tuple) else type(mask).__name__
            raise ValueError(f"{self._where}: mask must be a list [query_mask, value_mask]; got {got}.")
        for name, x, m in zip(("query", "value"), inputs, mask):
            if m is not None and tuple(m.shape) != x.shape[:-1]:
                raise ValueError(
                    f"{self._where}: the mask of {name} must have shape {x.shape[:-1]}; got {tuple(m.shape)}."
                )
        return [None if m is None else ops.cast(m, "bool") for m in mask[:2]]

    def call(
        self,
        inputs,
        mask=None,
        training: bool | None = False,
        return_attention_scores=False,
        use_causal_mask=False,
    ):
        self._check_shapes([x.shape for x in inputs] if isinstance(inputs, list | tuple) else inputs.shape)
        query_mask, value_mask = self._checked_masks(inputs, mask)
        query, value, key = (*inputs, inputs[1])[:3]
        scores = self._scores(query, key)
        counts = None if value_mask is None else ops.expand_dims(value_mask, -2)
        if use_causal_mask:
            before = ops.expand_dims(ops.arange(scores.shape[-2]), 1) >= ops.arange(scores.shape[-1])
            counts = before if counts is None else ops.logical_and(counts, before)
        if counts is not None:
            low = 65504.0 if scores.dtype == "float16" else 1e9
            scores = ops.where(counts, scores, scores - low)
        weights = ops.softmax(scores, axis=-1)
        if training and self.dropout > 0:
            weights = random.dropout(weights, self.dropout, seed=self.seed_generator)
        outputs = ops.matmul(weights, value)
        if query_mask is not None:
            outputs = ops.where(ops.expand_dims(query_mask, -1), outputs, ops.zeros_like(outputs))
        return (outputs, weights) if return_attention_scores else outputs

    def _scores(self, query, key) -> Tensor:
        """Return the scores, shape (batch, Tq, Tv)."""
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if self.scale is None else scores * self.scale
        pairs = ops.expand_dims(query, -2) + ops.expand_dims(key, -3)
        if self.scale is not None:
            pairs = pairs * self.scale
        return ops.sum(ops.tanh(pairs), axis=-1) * self.concat_score_weight

    def compute_mask(self, inputs, previous_mask):
        return previous_mask[0] if isinstance(previous_mask, list | tuple) else None

    def get_config(self):
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }


class AdditiveAttention(Attention):
    """An `Attention` whose scores are ``Σ scale · tanh(q + k)``, with a trainable number for each feature.

    Parameters
    ----------
    use_scale : bool
        Whether there are these numbers; they are 1 otherwise.
    dropout : float
        Share of the weights that are 0 in training, in [0, 1].
    seed : int, optional

    Attributes
    ----------
    scale : Variable, shape (features,), or None

    Notes
    -----
    It is called, and raises, as `Attention`.

    References
    ----------
    Bahdanau et al. 2015, "Neural machine translation by jointly learning to align and translate".
    """

    def __init__(self, use_scale=True, dropout=0.0, **kwargs):
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape):
        self._check_shapes(input_shape)
        if self.use_scale:
            features = (input_shape[0][-1],)
            self.scale = self.add_weight(name="scale", shape=features, initializer="glorot_uniform")

    def _check_shapes(self, shapes):
        super()._check_shapes(shapes)
        features = shapes[0][-1]
        if self.scale is not None and features != self.scale.shape[0]:
            raise ValueError(
                f"{self._where}: query and key must have {self.scale.shape[0]} features, as at first; got "
                f"shapes {_listed(shapes)}."
            )

    def _scores(self, query, key) -> Tensor:
        matches = ops.tanh(ops.expand_dims(query, -2) + ops.expand_dims(key, -3))
        return ops.sum(matches if self.scale is None else matches * self.scale, axis=-1)

    def get_config(self):
        config = super().get_config()
        del config["score_mode"]
        return config


def _alike(a, b) -> bool:
    return a is None or b is None or a == b


def _listed(shapes) -> str:
    return ", ".join(str(tuple(s)) for s in shapes)

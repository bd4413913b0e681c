"""One seed for a whole run."""

import random as python_random

import numpy as np
import pytest

from minirnn import initializers, random
from minirnn.utils import set_random_seed


def draws():
    generator = random.SeedGenerator()
    return [
        np.asarray(random.normal((3,))),
        np.asarray(random.dropout(np.ones((4, 4), np.float32), 0.5, seed=generator)),
        np.asarray(initializers.GlorotUniform()((2, 3))),
        np.asarray(initializers.Orthogonal()((3, 3))),
        np.random.rand(2),  # noqa: NPY002 - the old generator is seeded too
        np.array([python_random.random()]),
    ]


def test_the_same_seed_makes_every_draw_bit_identical_and_another_does_not():
    set_random_seed(7)
    first = draws()
    set_random_seed(7)
    second = draws()
    set_random_seed(8)
    third = draws()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, second))
    assert not any(a.tobytes() == b.tobytes() for a, b in zip(first, third))


@pytest.mark.parametrize("bad", [-1, 2**32, 1.5, "7", None])
def test_what_is_no_seed_is_refused_and_seeds_nothing(bad):
    set_random_seed(1)
    expected = python_random.random()
    set_random_seed(1)
    with pytest.raises(ValueError, match="set_random_seed: seed must be"):
        set_random_seed(bad)
    assert python_random.random() == expected

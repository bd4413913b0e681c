"""One seed for everything that draws."""

import random as python_random

import numpy as np

from minirnn import random


def set_random_seed(seed: int) -> None:
    """Seed Python's `random`, NumPy's old generator and minirnn's own, so that a whole run can be repeated.

    On one backend two runs after the same call are bit-identical: every draw of `minirnn.random`, and every
    seed that a layer or an initializer picks for itself, comes from one of the three.

    Parameters
    ----------
    seed : int
        In [0, 2**32).

    Raises
    ------
    ValueError
        If `seed` is not such an integer; nothing has been seeded then.
    """
    seed = random.check_seed(seed, "set_random_seed")
    python_random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - programs that draw from it by np.random.rand are to repeat too
    random.set_global_seed(seed)

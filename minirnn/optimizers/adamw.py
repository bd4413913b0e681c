"""AdamW."""

from typing import Any

from minirnn.optimizers.adam import Adam
from minirnn.optimizers.constructor import takes_common_arguments


class AdamW(Adam):
    """`Adam` with weight decay apart from the gradient (Loshchilov and Hutter 2019, algorithm 2).

    Before each update every weight becomes ``w - learning_rate * weight_decay * w``.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
    weight_decay : float
        0 or more; `exclude_from_weight_decay` leaves weights out.
    beta_1, beta_2, epsilon, amsgrad
        See `Adam`.
    **kwargs
        See `Optimizer`; they may also stand behind these, in the order there.

    Raises
    ------
    ValueError
        If an argument is none of these.
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay=0.004,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **kwargs,
    ):
        if weight_decay is None:
            raise ValueError(
                f"{type(self).__name__}: weight_decay must be a number 0 or more; got None. Without decay it "
                "is Adam."
            )
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs)

"""`TerminateOnNaN`: ends training as soon as the loss is no number any more."""

import math

from minirnn.callbacks.callback import Callback
from minirnn.callbacks.progress import say


class TerminateOnNaN(Callback):
    """End training when the loss is NaN or infinite after a batch.

    Where it arose is told by `minirnn.config.enable_nan_checks`.

    Parameters
    ----------
    raise_error : bool
        Whether to raise RuntimeError, so that no callback's `on_train_end` is called and what is kept for a
        restart stays.
    """

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"TerminateOnNaN: the loss is {loss} after batch {batch}, counted from 0. "
                "minirnn.config.enable_nan_checks() tells where it arises."
            )
        say(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True

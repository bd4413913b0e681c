"""Callbacks: what is done at the points of a training run. Each is loaded when it is first used."""

import importlib
from typing import TYPE_CHECKING

_WHERE = {
    "BackupAndRestore": "backup_and_restore",
    "CSVLogger": "csv_logger",
    "Callback": "callback",
    "CallbackList": "callback_list",
    "EarlyStopping": "early_stopping",
    "GradientNorms": "gradient_norms",
    "History": "history",
    "LambdaCallback": "callback",
    "LearningRateScheduler": "learning_rate_scheduler",
    "ModelCheckpoint": "model_checkpoint",
    "ProgbarLogger": "progress",
    "ReduceLROnPlateau": "reduce_lr_on_plateau",
    "SwapEMAWeights": "swap_ema_weights",
    "TerminateOnNaN": "terminate_on_nan",
}

# Written out for type checkers; a test holds it to the table above.
__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "GradientNorms",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TerminateOnNaN",
]


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from minirnn.callbacks.backup_and_restore import BackupAndRestore
    from minirnn.callbacks.callback import Callback, LambdaCallback
    from minirnn.callbacks.callback_list import CallbackList
    from minirnn.callbacks.csv_logger import CSVLogger
    from minirnn.callbacks.early_stopping import EarlyStopping
    from minirnn.callbacks.gradient_norms import GradientNorms
    from minirnn.callbacks.history import History
    from minirnn.callbacks.learning_rate_scheduler import LearningRateScheduler
    from minirnn.callbacks.model_checkpoint import ModelCheckpoint
    from minirnn.callbacks.progress import ProgbarLogger
    from minirnn.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
    from minirnn.callbacks.swap_ema_weights import SwapEMAWeights
    from minirnn.callbacks.terminate_on_nan import TerminateOnNaN

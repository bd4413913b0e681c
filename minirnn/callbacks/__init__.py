"""Callbacks: what is done at the points of a training run."""

from minirnn.callbacks.callback import Callback, LambdaCallback
from minirnn.callbacks.callback_list import CallbackList
from minirnn.callbacks.history import History
from minirnn.callbacks.progress import ProgbarLogger

__all__ = ["Callback", "CallbackList", "History", "LambdaCallback", "ProgbarLogger"]

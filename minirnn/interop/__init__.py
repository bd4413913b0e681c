"""Recurrent layers to and from PyTorch, and models to ONNX, with equal outputs.

PyTorch and onnx are imported when a function is called, and not before.
"""

from minirnn.interop.onnx_export import to_onnx
from minirnn.interop.torch_in import from_torch
from minirnn.interop.torch_out import to_torch

__all__ = ["from_torch", "to_onnx", "to_torch"]

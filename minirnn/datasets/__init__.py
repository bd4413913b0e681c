"""Data sets in the form of ``keras.datasets``, read from the package itself or from a file you have."""

from minirnn.datasets import mnist

__all__ = ["mnist"]

"""Lists of numbers as one array, under its name in `keras.preprocessing.sequence`."""

from minirnn.utils.padding import pad_sequences

__all__ = ["pad_sequences"]

"""What prepares sequences, under the names of `keras.preprocessing`; it is from `utils`."""

from minirnn.preprocessing import sequence
from minirnn.utils.timeseries import timeseries_dataset_from_array

__all__ = ["sequence", "timeseries_dataset_from_array"]

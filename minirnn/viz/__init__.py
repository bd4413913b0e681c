"""Pictures: an image in the terminal, and the learning curve of a run as a file."""

from minirnn.viz.curves import plot_history
from minirnn.viz.terminal import draw_image

__all__ = ["draw_image", "plot_history"]

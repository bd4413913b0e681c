"""Recurrent layers over whole sequences: which kernel runs a layer (`select`), and the kernels.

Reading order: `lstm.py` and `common.py`, the whole-sequence kernels on raw arrays; `generic.py`, one step at
a time on the graph, the definition of what is right; `selection.py`; `fused.py`, which puts the two together.
"""

from minirnn.kernels.selection import TIERS, Choice, select, use_tier

__all__ = ["TIERS", "Choice", "select", "use_tier"]

"""``python -m minirnn bench``: the kernels beside one another, and beside PyTorch in the same run."""

import json

from minirnn.bench.report import print_report, print_what_would_run
from minirnn.bench.run import measure
from minirnn.bench.works import QUICK, USUAL, Sizes

__all__ = ["QUICK", "USUAL", "Sizes", "measure", "run_bench"]


def run_bench(gpu=False, json_file=None, rounds=None, quick=False, tf32=False) -> dict:
    """Measure, print a table and what is to be known of it, and return all of it.

    Parameters
    ----------
    gpu : bool
        On the first GPU; where there is none, it is said what would run, and nothing is measured. Otherwise
        on NumPy.
    json_file : str, optional
        Where to write what is returned.
    rounds : int, optional
        How often each is measured.
    quick : bool
        Small sizes, to see that all runs; the figures say nothing of the usual ones.
    tf32 : bool
        Let cuDNN round factors to TF32, in minirnn and in PyTorch; see
        `config.enable_tensor_float_32_execution`.

    Raises
    ------
    OSError
        If the file cannot be written; nothing has been measured then.

    Returns
    -------
    dict
        What ``--json`` writes.
    """
    if json_file is not None:
        open(json_file, "a", encoding="utf-8").close()  # fails now, if at all, and not after minutes of work
    sizes = QUICK if quick else USUAL
    found = measure(gpu, sizes, rounds or sizes.rounds, tf32)
    if json_file is not None:
        with open(json_file, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=2)
    if found["measured"]:
        print_report(found)
    else:
        print_what_would_run(found)
    return found

"""Curves of a training run."""

import os


def plot_history(history, path):
    """Write the curves of a `History` as an image, one panel a quantity, training beside validation.

    Needs matplotlib (``pip install 'minirnn[plot]'``).

    Parameters
    ----------
    history : History or dict
        What `fit` returned, or its ``history``: from a name to one value an epoch.
    path : str or path
        Where to write; the ending chooses the format (png, svg, pdf).

    Returns
    -------
    str
        The path written.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is missing.
    ValueError
        If there is nothing to draw.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    curves = dict(getattr(history, "history", history))
    names = [name for name in curves if not name.startswith("val_")]
    if not names:
        raise ValueError("plot_history: the history is empty; pass what fit returned.")
    figure = Figure(figsize=(5 * len(names), 3.6), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for label, key in (("training", name), ("validation", f"val_{name}")):
            if key in curves:
                axis.plot(range(1, len(curves[key]) + 1), curves[key], marker="o", label=label)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_title(name)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=120)
    return os.fspath(path)

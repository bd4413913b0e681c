"""Images as text."""

import numpy as np

from minirnn.autograd import Tensor

_SHADES = " ░▒▓█"
_PLAIN_SHADES = " .+#@"


def draw_image(image, *, plain=False) -> str:
    """Return a grey image as lines of text, darker characters for larger values.

    Parameters
    ----------
    image : array, shape (height, width)
        Any numbers; the smallest is drawn as a blank and the largest as a full block.
    plain : bool
        Use ASCII, for a terminal that cannot show block characters.

    Raises
    ------
    ValueError
        If the image does not have two axes.
    """
    pixels = image.numpy() if isinstance(image, Tensor) else np.asarray(image)
    if pixels.ndim != 2:
        raise ValueError(f"draw_image: expected an array of shape (height, width); got {pixels.shape}.")
    pixels = pixels.astype(np.float64)
    low, high = (pixels.min(), pixels.max()) if pixels.size else (0.0, 0.0)
    shades = _PLAIN_SHADES if plain else _SHADES
    levels = (pixels - low) / (high - low or 1.0) * (len(shades) - 1)
    # A character is about twice as tall as it is wide: each pixel takes two.
    rows = ["".join(shades[round(v)] * 2 for v in row) for row in levels]
    return "\n".join(row.rstrip() for row in rows)

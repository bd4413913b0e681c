"""Laws of the pictures."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minirnn import ops, viz


@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2),
        elements=st.floats(-1e150, 1e150),
    )
)
def test_an_image_has_a_line_a_row_and_two_characters_a_pixel(image):
    lines = viz.draw_image(image).split("\n")
    assert len(lines) == image.shape[0] and max(map(len, lines)) <= 2 * image.shape[1]


def test_the_largest_value_is_a_block_and_the_smallest_a_blank():
    assert viz.draw_image(np.array([[0, 255], [255, 0]], "uint8")) == "  ██\n██"
    assert viz.draw_image(ops.convert_to_tensor([[0.0, 1.0]]), plain=True) == "  @@"


def test_what_is_no_image_is_an_error():
    with pytest.raises(ValueError, match=r"shape \(height, width\); got \(3,\)"):
        viz.draw_image(np.zeros(3))


def test_a_learning_curve_is_written_where_it_is_asked_for(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "curve.png"
    history = {"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "accuracy": [0.3, 0.8]}
    assert viz.plot_history(history, path) == str(path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_an_empty_history_and_a_missing_matplotlib_are_errors(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="the history is empty"):
        viz.plot_history({}, tmp_path / "curve.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError):
        viz.plot_history({"loss": [1.0]}, tmp_path / "curve.png")
    assert not list(tmp_path.iterdir())

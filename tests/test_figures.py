"""The house style: lines for theory, points for measurement, no figure shown twice."""

import base64
import io

import matplotlib as mpl
import numpy as np
from IPython.core.pylabtools import retina_figure
from PIL import Image

from plateaus import figures


def test_theory_is_a_line_and_measurement_is_points():
    _, ax = figures.figure()
    figures.theory(ax, [0, 1], [0, 1], "theory")
    figures.measured(ax, [0, 1], [0, 1], "run", series=1, interval=[[-1, 0], [1, 3]])
    line, points = ax.get_lines()[0], ax.containers[0].lines[0]
    assert line.get_linestyle() == "-"
    assert line.get_marker() in ("None", "")
    assert points.get_linestyle() == "None"
    assert points.get_marker() == figures.MARKERS[1]
    ends = ax.containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose([end[:, 1] for end in ends], [[-1, 1], [0, 3]])


def test_label_names_axes_and_sets_logarithms():
    _, axes = figures.figure(columns=2)
    figures.label(axes[0], x="steps", y="loss", log="y")
    assert (axes[0].get_xscale(), axes[0].get_yscale()) == ("linear", "log")
    assert axes[0].get_xlabel() == "steps"


def test_figures_stay_out_of_pyplot():
    import matplotlib.pyplot as plt

    figures.figure()
    assert plt.get_fignums() == []


def test_colours_and_markers_go_together():
    assert len(figures.COLOURS) == len(figures.MARKERS)
    assert all(mpl.colors.is_color_like(colour) for colour in figures.COLOURS)


def test_a_notebook_gets_the_same_picture_at_half_the_weight():
    fig, axes = figures.figure(columns=2)
    for i in range(6):
        figures.theory(axes[0], [0, 1], [i, i + 1], color=figures.COLOURS[i], linewidth=4)
        figures.measured(axes[1], np.arange(9), np.arange(9) ** i, f"run {i}", series=i)
    axes[1].legend()
    whole, size = retina_figure(fig)
    text, small_size = figures._png(fig)
    small = base64.b64decode(text)
    assert len(small) < 0.5 * len(whole)
    assert small_size == size
    drawn, kept = (
        np.asarray(Image.open(io.BytesIO(d)).convert("RGB"), int) for d in (whole, small)
    )
    assert drawn.shape == kept.shape
    assert np.abs(drawn - kept).mean() < 0.5
    for colour in figures.COLOURS:
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        assert np.abs(kept - rgb).max(axis=2).min() <= 3, colour
    assert figures._png(mpl.figure.Figure()) is None

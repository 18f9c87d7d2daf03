"""The house style: lines for theory, points for measurement, no figure shown twice."""

import matplotlib as mpl
import numpy as np

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

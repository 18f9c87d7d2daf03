"""The house style of the book's figures: theory is a line, measurement is points.

The colours are those of Okabe and Ito, which stay apart for every common kind of colour
blindness; on the page, dark mode inverts a figure's lightness and keeps its hues. Figures are made
without pyplot, so a cell shows one exactly when it ends with it.
"""

import base64
import io
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from PIL import Image  # Matplotlib needs it, too

BLUE, ORANGE, GREEN, PINK, SKY, YELLOW = COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
)
"""One colour a series, in this order."""

INK, GREY = "#222222", "#6b6b6b"
MARKERS = "osD^vP"
"""One marker a series too, so that no figure rests on colour alone."""

STYLE: Any = {
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.size": 11,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def figure(
    *, columns: int = 1, rows: int = 1, width: float = 7.2, height: float = 3.4, **shared: Any
) -> tuple[Figure, Any]:
    """Start a figure in the house style, which stays in force for the session.

    Arguments:
        columns: panels side by side.
        rows: panels one above the other.
        width: inches; 7.2 fills the text's width.
        height: inches.
        **shared: passed to `Figure.subplots`, such as `sharey=True`.

    Returns:
        The figure and its axes: one `Axes`, or an array of them as `Figure.subplots` gives it.
    """
    _show_figures_as_png()
    mpl.rcParams.update(STYLE)
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(rows, columns, **shared)


def theory(ax: Axes, x: Any, y: Any, label: str | None = None, **style: Any) -> None:
    """Draw a prediction: a line. `x` and `y` have shape (points,)."""
    look: dict[str, Any] = {"color": INK, "linewidth": 1.4, "zorder": 2}
    ax.plot(x, y, label=label, **(look | style))


def measured(
    ax: Axes,
    x: Any,
    y: Any,
    label: str | None = None,
    *,
    series: int = 0,
    interval: Any = None,
    **style: Any,
) -> None:
    """Draw a measurement: points, and their intervals where there are some.

    Arguments:
        ax: the panel.
        x: shape (points,).
        y: shape (points,).
        label: the legend's words.
        series: which of the figure's series this is; picks colour and marker.
        interval: shape (2, points), the lower and upper ends, in the units of `y`.
        **style: passed to `Axes.errorbar`.
    """
    yerr = None
    if interval is not None:
        yerr = np.abs(np.asarray(interval) - np.asarray(y))
    look: dict[str, Any] = {
        "color": COLOURS[series % len(COLOURS)],
        "marker": MARKERS[series % len(MARKERS)],
        "linestyle": "none",
        "capsize": 2,
        "zorder": 3,
    }
    ax.errorbar(x, y, yerr=yerr, label=label, **(look | style))


def label(ax: Axes, *, x: str, y: str, title: str = "", log: str = "") -> None:
    """Name the axes, with units; `log` names those that are logarithmic: "x", "y" or "xy"."""
    ax.set(xlabel=x, ylabel=y, title=title)
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")


def _show_figures_as_png() -> None:
    """Have a notebook draw a bare `Figure` at twice the screen's resolution, in 256 colours."""
    try:
        from IPython.core.getipython import get_ipython
        from IPython.core.pylabtools import select_figure_formats
    except ImportError:  # a figure can be made, and saved, without IPython
        return
    if (shell := get_ipython()) is not None:
        select_figure_formats(shell, {"retina"})
        display: Any = shell.display_formatter
        display.formatters["image/png"].for_type(Figure, _png)


def _png(fig: Figure) -> tuple[str, dict[str, int]] | None:
    """A figure as IPython's `retina_figure` gives it, at less than half of the bytes."""
    from IPython.core.pylabtools import retina_figure

    drawn = retina_figure(fig)
    if drawn is None:  # an empty figure
        return None
    data, size = drawn
    image = Image.open(io.BytesIO(data)).convert("RGB")
    small = io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode(), size

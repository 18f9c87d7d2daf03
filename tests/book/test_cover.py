"""The README's picture is the landing page's figure."""

import base64
import io

import nbformat
import numpy as np
from PIL import Image

from chapters import ROOT, code_cells
from execute import EXECUTED


def test_the_readme_shows_the_figure_of_the_landing_page():
    """To a tolerance, since fonts are drawn a little differently on each system.

    After a change: `make cover`.
    """
    nb = nbformat.read(EXECUTED / "index.ipynb", 4)
    (png,) = [
        output.data["image/png"]
        for cell in code_cells(nb)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    figure = Image.open(io.BytesIO(base64.b64decode(png))).convert("L")
    cover = Image.open(ROOT / "book/_static/cover.png").convert("L").resize(figure.size)
    drawn, shown = np.asarray(figure, float), np.asarray(cover, float)
    assert np.abs(drawn - shown).mean() < 1.5
    half = shown.copy()
    half[:, half.shape[1] // 2 :] = 255
    assert np.abs(drawn - half).mean() > 1.5

"""Sphinx: MathJax inside the site, and of it only what a page needs.

The files are those of the package `sphinx-mathjax-offline`, which by itself would copy all 24 MB
and load MathJax with its menu, a third of the script's weight. What is loaded stands in
`_config.yml`, under `mathjax3_config`.
"""

import importlib.util
import shutil
from pathlib import Path

from sphinx.application import Sphinx

FILES = (
    *("startup.js", "core.js", "a11y/assistive-mml.js"),
    *("input/tex.js", "input/tex/extensions/*.js"),
    *("output/chtml.js", "output/chtml/fonts/tex.js", "output/chtml/fonts/woff-v2/*.woff"),
)


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy MathJax into the site that was built."""
    if error is not None or app.builder.name != "html":
        return
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    assert package is not None, "the lock file has it"
    source = Path(package.origin or "").parent / "static" / "mathjax"
    for file in (file for pattern in FILES for file in source.glob(pattern)):
        copy = Path(app.outdir) / "_static" / "mathjax" / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the copy."""
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

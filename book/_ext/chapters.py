"""The book's pages as `_toc.yml` names them, and a chapter as a notebook.

A page is a chapter when its source is a notebook: a MyST file with a kernelspec. Everything that
needs to know which chapters there are asks here.
"""

from pathlib import Path

import jupytext
import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[2]
BOOK, BUILD, SITE = ROOT / "book", ROOT / "build", ROOT / "_build" / "html"


def pages() -> list[str]:
    """Every page of the book, in reading order, such as `"emergence/hermite"`."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return [toc["root"], *(page["file"] for part in toc["parts"] for page in part["chapters"])]


def source(page: str) -> Path:
    """The MyST file of a page."""
    return BOOK / f"{page}.md"


def chapters() -> list[str]:
    """The pages that are notebooks."""
    return [page for page in pages() if "\nkernelspec:" in source(page).read_text()[:1000]]


def notebook(page: str) -> nbformat.NotebookNode:
    """A chapter as a notebook without outputs, its front matter taken off."""
    nb = jupytext.read(source(page), fmt="md:myst")
    nb.metadata.pop("jupytext", None)
    for i, cell in enumerate(nb.cells):
        cell["id"] = f"cell-{i}"
    return nb


def code_cells(nb: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The code cells of a notebook, in order."""
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    """A cell's tags."""
    return list(cell.metadata.get("tags", []))

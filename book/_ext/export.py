"""Sphinx: each chapter as a notebook that reads like its page, written when the site is built.

The page has everything resolved: numbers of theorems, equations and figures, references, citations,
glued values. So its HTML is what is exported: prose becomes Markdown cells, and between them stand
the executed notebook's code cells, unchanged, with their outputs. The first cell installs the
package. Notebooks go to `build/notebooks` and, beside the site, to its folder `notebooks`.
"""

import base64
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
from bs4 import BeautifulSoup, NavigableString, Tag
from markdownify import MarkdownConverter
from sphinx.application import Sphinx

from chapters import BUILD, chapters, code_cells, tags
from repository import Repository, find

NOTEBOOKS = BUILD / "notebooks"
BIBLIOGRAPHY = "appendix/bibliography"

BOX = '<div style="border-left: 4px solid #0072B2; padding-left: 1em; margin: 1em 0">'

INSTALL = """\
# Installs the book's package where it is missing; torch and all the rest stay as they are.
import importlib.util
import subprocess
import sys

SOURCE = "{source}"
if {missing}:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", SOURCE], check=True)\
"""
INSTALL_FROM_COPY = """\
# Installs the book's package where it is missing; torch and all the rest stay as they are.
# This notebook was made from a copy of the book that has no public repository: open it inside the
# unpacked copy, or write the copy's folder below, such as "/content/book".
import importlib.util
import subprocess
import sys
from pathlib import Path

SOURCE = next((str(p) for p in Path.cwd().resolve().parents if (p / "lib/plateaus").is_dir()), "")
if {missing}:
    assert SOURCE, "Write the folder of the unpacked book into SOURCE."
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", SOURCE{extra}], check=True)\
"""


def install_cell(repo: Repository | None, *, extra: str = "", module: str = "plateaus") -> str:
    """The first cell of every exported notebook.

    Arguments:
        repo: what it installs from; None for an unpacked copy.
        extra: an extra of the package, such as `"assignments"`.
        module: what is missing where that extra is not installed.
    """
    missing = 'importlib.util.find_spec("plateaus") is None'
    if extra:
        missing = f'None in map(importlib.util.find_spec, ["plateaus", "{module}"])'
    if repo is None:
        return INSTALL_FROM_COPY.format(missing=missing, extra=f' + "[{extra}]"' if extra else "")
    source = f"git+{repo.url}@{repo.revision}"
    source = f"plateaus[{extra}] @ {source}" if extra else source
    return INSTALL.format(source=source, missing=missing)


class Page:
    """A chapter's page on its way to Markdown.

    Mathematics, anchors and code cells are taken out of the HTML first, with a word left in their
    place, so that the conversion to Markdown cannot touch them.
    """

    def __init__(self, page: str, site: Path, repo: Repository | None) -> None:
        """Read the page's HTML from the folder of the site."""
        self.page, self.site, self.repo = page, site, repo
        soup = BeautifulSoup((site / f"{page}.html").read_text(), "html.parser")
        self.article: Tag = soup.select_one("article.bd-article")
        self.kept: list[str] = []
        self.cited: dict[str, None] = {}

    def keep(self, text: str) -> str:
        """A word that stands for a text until the Markdown is complete."""
        self.kept.append(text)
        return f"KEPT{len(self.kept) - 1}KEPT"

    def markdown(self) -> str:
        """The page in Markdown, each code cell a line `CELL`."""
        for junk in self.article.select("script, .headerlink, .copybtn"):
            junk.decompose()
        self.keep_cells()
        self.keep_math()
        self.keep_anchors()
        self.resolve_links()
        self.embed_images()
        self.mark_boxes()
        convert = MarkdownConverter(
            heading_style="ATX", bullets="-", code_language="python", escape_misc=False
        )
        text = convert.convert_soup(self.article)
        while "KEPT" in text:
            text = re.sub(r"KEPT(\d+)KEPT", lambda match: self.kept[int(match[1])], text)
        text += self.references()
        return re.sub(r"\n{3,}", "\n\n", text)

    def keep_cells(self) -> None:
        """Leave a line for each code cell, with the captions of its figures below."""
        for cell in self.article.select("div.cell"):
            line = self.keep("\n\nCELL\n\n")
            captions = cell.select("figcaption")
            names = [figure["id"] for figure in cell.select("figure[id]")]
            cell.replace_with(new := Tag(name="div"))
            new.append(NavigableString(line))
            for name, caption in zip(names, captions, strict=True):
                caption.name = "div"
                caption["id"] = name
                new.append(caption)

    def keep_math(self) -> None:
        """Leave a word for each formula; displayed ones carry their number as a tag."""
        for math in self.article.select("span.math"):
            tex = math.get_text().removeprefix("\\(").removesuffix("\\)").strip()
            if math.find_parent("table"):
                tex = tex.replace("\\|", "\\Vert ").replace("|", "\\vert ")
            math.replace_with(NavigableString(self.keep(f"${tex}$")))
        for math in self.article.select("div.math"):
            number = math.find("span", class_="eqno")
            tag = ""
            if number is not None:
                tag = f"\\tag{{{number.get_text().strip().strip('()')}}}"
                number.decompose()
            tex = math.get_text().strip().removeprefix("\\[").removesuffix("\\]").strip()
            tex = re.sub(r"\n\s*\n", "\n", tex)
            name = self.keep(f'<a name="{math["id"]}"></a>\n\n') if math.get("id") else ""
            math.name = "div"
            math.clear()
            math.append(NavigableString(name + self.keep(f"\n\n$$\n{tex}{tag}\n$$\n\n")))
            del math["id"]

    def keep_anchors(self) -> None:
        """Keep the names that links within the notebook lead to."""
        targets = {link["href"][1:] for link in self.article.select('a[href^="#"]')}
        for element in self.article.find_all(id=True):
            if element["id"] in targets:
                name = self.keep(f'<a name="{element["id"]}"></a>')
                into = element.find(["h1", "h2", "h3", "h4", "p"]) or element
                into.insert(0, NavigableString(name))

    def resolve_links(self) -> None:
        """Lead links to other pages to the published site, or else to the notebook beside."""
        for link in self.article.find_all("a", href=True):
            href = link["href"]
            if re.match(r"[a-z]+:|#", href):
                continue
            target, _, name = href.partition("#")
            folder = Path(self.page).parent
            parts: list[str] = []
            for part in (folder / unquote(target)).parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            page = "/".join(parts).removesuffix(".html")
            if page == BIBLIOGRAPHY:
                self.cited[name] = None
            address = self.repo.site() if self.repo else None
            if link.find("img") is not None:
                link.unwrap()
            elif address is not None:
                link["href"] = f"{address}{page}.html" + (f"#{name}" if name else "")
            elif page in chapters():
                link["href"] = target.removesuffix(".html") + ".ipynb"
            else:
                link.unwrap()

    def embed_images(self) -> None:
        """Put the images of the prose into the notebook."""
        for image in self.article.find_all("img"):
            file = (self.site / self.page).parent / unquote(image["src"])
            data = base64.b64encode(file.read_bytes()).decode()
            kind = {"svg": "svg+xml", "jpg": "jpeg"}.get(file.suffix[1:], file.suffix[1:])
            image["src"] = f"data:image/{kind};base64,{data}"

    def mark_boxes(self) -> None:
        """Frame theorems and exercises, and fold what is folded on the page."""
        for box in self.article.select("details"):
            summary = box.find("summary")
            title = summary.get_text(" ", strip=True)
            summary.decompose()
            box.name = "div"
            opening = f"\n\n<details><summary>{title}</summary>\n\n"
            box.insert(0, NavigableString(self.keep(opening)))
            box.append(NavigableString(self.keep("\n\n</details>\n\n")))
        for box in self.article.select("div.admonition, aside.admonition"):
            title = box.find("p", class_="admonition-title")
            if title is not None:
                title.name = "div"
                words = re.sub(r"\s+", " ", title.get_text()).strip()
                title.string = self.keep(f"\n\n**{words}**\n\n")
            box.insert(0, NavigableString(self.keep(f"\n\n{BOX}\n\n")))
            box.append(NavigableString(self.keep("\n\n</div>\n\n")))

    def references(self) -> str:
        """The entries of the bibliography that the page cites."""
        if not self.cited:
            return ""
        html = (self.site / f"{BIBLIOGRAPHY}.html").read_text()
        soup = BeautifulSoup(html, "html.parser")
        entries = [soup.find(id=name) for name in self.cited]
        texts = sorted(" ".join(entry.p.get_text().split()) for entry in entries)
        return "\n\n## References\n\n" + "\n".join(f"- {text}" for text in texts)


def export(page: str, site: Path, repo: Repository | None) -> nbformat.NotebookNode:
    """A chapter as a notebook that reads like its page.

    Arguments:
        page: such as `"emergence/hermite"`; it has been executed.
        site: the folder of the built site.
        repo: what the first cell installs from; None for an unpacked copy.
    """
    executed = nbformat.read(BUILD / "executed" / f"{page}.ipynb", 4)
    groups: list[list[nbformat.NotebookNode]] = []
    for cell in code_cells(executed):  # what the page leaves out follows the cell before it
        if "remove-cell" in tags(cell):
            groups[-1].append(cell)
        else:
            groups.append([cell])
    cells = [nbformat.v4.new_code_cell(install_cell(repo))]
    prose = re.split(r"^CELL$", Page(page, site, repo).markdown(), flags=re.M)
    for text, group in zip(prose, [*groups, []], strict=True):
        if text.strip():
            cells.append(nbformat.v4.new_markdown_cell(text.strip()))
        for cell in group:
            cells.append(
                nbformat.v4.new_code_cell(
                    cell.source,
                    metadata={"tags": tags(cell)} if tags(cell) else {},
                    execution_count=cell.execution_count,
                    outputs=[o for o in cell.outputs if "scrapbook" not in o.get("metadata", {})],
                )
            )
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"
    metadata: dict[str, Any] = {"kernelspec": executed.metadata.kernelspec}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(notebook)
    return notebook


def export_all(app: Sphinx, error: Exception | None) -> None:
    """Write every chapter's notebook, into `build/notebooks` and into the site."""
    if error is not None or app.builder.name != "html":
        return
    site, repo = Path(app.outdir), find()
    shutil.rmtree(NOTEBOOKS, ignore_errors=True)
    for page in chapters():
        file = NOTEBOOKS / f"{page}.ipynb"
        file.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(export(page, site, repo), file)
    shutil.copytree(NOTEBOOKS, site / "notebooks", dirs_exist_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the export, at the end of a build."""
    app.connect("build-finished", export_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Sphinx: what the landing page shows of the whole book.

`{chapter-map}` lists the chapters with what each needs and how long it ran; `{cite-book}` is what
`plateaus cite` prints. When the site is built, a copy of all of it is packed into one file beside
the pages, which opens with no server. Pages of a published site carry a preview for links to them.
"""

import json
import zipfile
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

from chapters import BUILD, chapters
from plateaus.experiments import cite
from repository import find

NEEDS = {
    "sandbox": [],
    "composition/task": [],
    "composition/construction": ["composition/task"],
    "composition/queries": ["composition/task"],
    "composition/curriculum": ["composition/construction"],
    "composition/mixture": ["composition/curriculum"],
    "composition/in-practice": ["composition/mixture", "composition/queries"],
    "emergence/hermite": [],
    "emergence/single-index": ["emergence/hermite"],
    "emergence/extensive-width": ["emergence/hermite"],
    "emergence/deflation": ["emergence/single-index", "emergence/extensive-width"],
    "emergence/scaling-laws": ["emergence/deflation"],
    "emergence/discretization": ["emergence/scaling-laws"],
    "emergence/frontiers": ["emergence/discretization", "composition/mixture"],
}
"""The chapters that a chapter builds on, the nearest ones."""

PARTS = {"": "", "composition": "Part I", "emergence": "Part II"}

ARCHIVE = "plateaus-and-power-laws.zip"
"""The whole site in one file, beside its pages."""


def numbers() -> dict[str, int]:
    """Each chapter's number."""
    return {page: i for i, page in enumerate(chapters()) if i}


class ChapterMap(SphinxDirective):
    """The chapters in order: what each needs, and how long it ran when the site was built."""

    def run(self) -> list[nodes.Node]:
        """Render one row a chapter."""
        log = json.loads((BUILD / "executed" / "log.json").read_text())
        table = nodes.table(classes=["chapter-map"])
        table += (group := nodes.tgroup(cols=4))
        group += [nodes.colspec(colwidth=width) for width in (6, 60, 20, 14)]
        group += (head := nodes.thead())
        head += self.row([nodes.Text(text) for text in ("", "Chapter", "Needs", "Runs in")])
        group += (body := nodes.tbody())
        for page, number in numbers().items():
            needs = nodes.inline()
            for i, other in enumerate(NEEDS[page]):
                needs += nodes.Text(", " if i else "")
                needs += self.link(other, str(numbers()[other]))
            time = nodes.Text(f"{log[page]['seconds']:.0f} s")
            body += self.row([nodes.Text(str(number)), self.link(page), needs, time])
        return [table]

    def link(self, page: str, text: str | None = None) -> nodes.Node:
        """A link to a chapter, by its title or by a text."""
        inner = nodes.inline("", text or "", classes=["std", "std-doc"])
        return addnodes.pending_xref(
            "", inner, refdoc=self.env.docname, refdomain="std", reftype="doc",
            reftarget=f"/{page}", refexplicit=text is not None, refwarn=True,
        )  # fmt: skip

    @staticmethod
    def row(cells: list[nodes.Node]) -> nodes.row:
        """A row of the table."""
        row = nodes.row()
        for cell in cells:
            row += (entry := nodes.entry())
            entry += (paragraph := nodes.paragraph())
            paragraph += cell
        return row


class CiteBook(SphinxDirective):
    """How to cite this edition, as `plateaus cite` says it."""

    def run(self) -> list[nodes.Node]:
        """Render the entry for BibTeX."""
        text = cite()
        entry = text[text.index("@") : text.index("\n}") + 2]
        return [nodes.literal_block(entry, entry, language="bibtex")]


def preview(app: Sphinx, config: Config) -> None:
    """Where the site is published, if it is: previews need a whole address for their picture."""
    repo = find()
    config.ogp_site_url = (repo.site() if repo else None) or ""


def pack(app: Sphinx, error: Exception | None) -> None:
    """Pack the site into one file; the same bytes from the same pages."""
    if error is not None or app.builder.name != "html":
        return
    site = Path(app.outdir)
    (site / ARCHIVE).unlink(missing_ok=True)
    files = sorted(file for file in site.rglob("*") if file.is_file())
    with zipfile.ZipFile(site / ARCHIVE, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in files:
            if ".doctrees" not in file.parts and file.name not in (
                "environment.pickle",
                ".buildinfo",
            ):
                info = zipfile.ZipInfo(f"plateaus-and-power-laws/{file.relative_to(site)}")
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, file.read_bytes())


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives, the preview and the copy."""
    app.add_directive("chapter-map", ChapterMap)
    app.add_directive("cite-book", CiteBook)
    app.connect("config-inited", preview, priority=400)
    app.connect("build-finished", pack, priority=990)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

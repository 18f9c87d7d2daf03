"""Sphinx: the table of assignments, and their students' copies beside the site's notebooks.

The assignments are built before the site is (`assignments/build.py --open`). Only what students
open goes into the site.
"""

import re
import shutil
import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from chapters import ROOT
from repository import find

sys.path.append(str(ROOT))

from assignments import build

COLUMNS = ["Assignment", "Open", "Chapters", "Points", "Minutes", "Questions"]


def trains(name: str) -> str:
    """Which chapters an assignment is about, as its second line says."""
    found = re.search(
        r"^\*(?:Part I+, )?chapters? (.+?)\.", (build.HERE / f"{name}.md").read_text(), re.M
    )
    return found[1] if found else "14"


class Assignments(SphinxDirective):
    """The assignments: what each is about, its points and minutes, and where it opens."""

    def run(self) -> list[nodes.Node]:
        """Render one row an assignment."""
        repo, up = find(), "../" * self.env.docname.count("/")
        table = nodes.table(classes=["assignments"])
        table += (group := nodes.tgroup(cols=len(COLUMNS)))
        group += [nodes.colspec(colwidth=1) for _ in COLUMNS]
        group += (head := nodes.thead())
        head += self.row([nodes.Text(column) for column in COLUMNS])
        group += (body := nodes.tbody())
        for name in build.names():
            questions = build.questions(name)
            minutes = sum(q["minutes"] for q in questions)
            links = nodes.inline()
            links += nodes.reference(
                "", "notebook", refuri=f"{up}notebooks/assignments/{name}.ipynb"
            )
            if repo is not None:
                page = f"assignments/{name}"
                for where, address in (("Colab", repo.colab(page)), ("Binder", repo.binder(page))):
                    if address is not None:
                        links += [nodes.Text(", "), nodes.reference("", where, refuri=address)]
            points = sum(q["points"] for q in questions)
            cells = [trains(name), points, minutes, len(questions)]
            title = nodes.Text(build.title(name).removeprefix("Assignment "))
            body += self.row([title, links, *(nodes.Text(str(cell)) for cell in cells)])
        return [table]

    @staticmethod
    def row(cells: list[nodes.Node]) -> nodes.row:
        """A row of the table."""
        row = nodes.row()
        for cell in cells:
            entry = nodes.entry()
            entry += (paragraph := nodes.paragraph())
            paragraph += cell
            row += entry
        return row


def copy_students(app: Sphinx, error: Exception | None) -> None:
    """Put the students' copies beside the chapters' notebooks."""
    if error is None and app.builder.name == "html":
        for folder in (app.outdir, ROOT / "build"):
            copy = Path(folder) / "notebooks" / "assignments"
            shutil.copytree(build.BUILD / "student", copy, dirs_exist_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the table, and the copy after the chapters' export."""
    app.add_directive("assignments", Assignments)
    app.connect("build-finished", copy_students, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

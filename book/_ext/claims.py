"""The claims ledger: every numbered statement of the book, and what checks it.

Statements are read from the chapters' sources, checks from the chapters' cells and the tests: each
is a call of `plateaus.book.check` with the statement's label. `make test` executes them all;
`faults` says what is missing. Sphinx renders the ledger where a page holds `{claims-ledger}`.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import repository
from chapters import ROOT, chapters, code_cells, notebook, pages, source

STATEMENTS = ("theorem", "lemma", "proposition", "corollary", "conjecture")
ORIGINS = ("slides", "notes", "classical", "ours")

OPENING = re.compile(r"^(?:`{3,}|:{3,})\{prf:(" + "|".join(STATEMENTS) + r")\}[ \t]*(.*)$", re.M)
OPTION = re.compile(r"\n:([a-z]+):[ \t]*(.*)")
ORIGIN = re.compile(r"\s*\*Origin: (" + "|".join(ORIGINS) + r")\b")


@dataclass(frozen=True)
class Check:
    """A call of `check`: in a cell of the chapter `page`, or in the test file `path`."""

    label: str
    kind: str
    falsified: bool
    page: str = ""
    path: str = ""


@dataclass(frozen=True)
class Statement:
    """A numbered statement; `origin` and `label` are empty where the source gives none."""

    page: str
    kind: str
    title: str
    label: str
    origin: str
    checks: list[Check] = field(default_factory=list)


def statements(text: str, page: str) -> Iterator[Statement]:
    """The numbered statements in the MyST source of a page."""
    for opening in OPENING.finditer(text):
        end = opening.end()
        options = {}
        while option := OPTION.match(text, end):
            options[option[1]] = option[2].strip()
            end = option.end()
        origin = ORIGIN.match(text, end)
        yield Statement(
            page,
            opening[1],
            opening[2].strip(),
            options.get("label", ""),
            origin[1] if origin else "",
        )


def checks(code: str, **where: Any) -> Iterator[Check]:
    """The calls of `check` in a piece of Python."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
        if name != "check" or "kind" not in keywords:
            continue
        label, kind = (node.args[0] if node.args else keywords.get("label")), keywords["kind"]
        if not (isinstance(label, ast.Constant) and isinstance(kind, ast.Constant)):
            raise ValueError(f"write out the label and the kind of a check: {ast.unparse(node)}.")
        yield Check(str(label.value), str(kind.value), "false" in keywords, **where)


def ledger() -> list[Statement]:
    """Every numbered statement of the book, in reading order, with its checks."""
    found = [
        check
        for page in chapters()
        for cell in code_cells(notebook(page))
        for check in checks(cell.source, page=page)
    ]
    for part in ("composition", "emergence", "sandbox"):
        for file in sorted((ROOT / "tests" / part).rglob("test_*.py")):
            found += checks(file.read_text(), path=str(file.relative_to(ROOT)))
    rows = [row for page in pages() for row in statements(source(page).read_text(), page)]
    for row in rows:
        row.checks.extend(check for check in found if check.label == row.label)
    unknown = {check.label for check in found} - {row.label for row in rows}
    if unknown:
        raise ValueError(f"a check names {', '.join(sorted(unknown))}, but no statement does.")
    return rows


def faults(rows: list[Statement]) -> list[str]:
    """What keeps a ledger from being complete, a sentence each."""
    found = []
    for row in rows:
        name = f"{row.page}: {row.kind} {row.label or repr(row.title)}"
        if not row.label:
            found.append(f"{name} has no label.")
        if not row.origin:
            found.append(f"{name} does not open with its origin ({', '.join(ORIGINS)}).")
        if row.kind != "conjecture" and not row.checks:
            found.append(f"{name} has no check.")
        if not all(check.falsified for check in row.checks):
            found.append(f"{name} has a check without a false variant.")
    return found


class Ledger(SphinxDirective):
    """The `{claims-ledger}` directive: the ledger as a table."""

    def run(self) -> list[nodes.Node]:
        """Write the table in MyST and let the parser read it."""
        repo, rows = repository.find(), ledger()
        if found := faults(rows):
            raise self.error(" ".join(found))
        lines = ["| Statement | Origin | Evidence | Check |", "|---|---|---|---|"]
        for row in rows:
            kinds = ", ".join(dict.fromkeys(check.kind for check in row.checks))
            links = ", ".join(self.link(check, repo) for check in row.checks)
            if row.kind == "conjecture":
                kinds, links = "conjecture", "none: open"
            title = row.title.replace("|", "\\|")
            lines.append(
                f"| {{prf:ref}}`{row.label}`: {title} | {row.origin} | {kinds} | {links} |"
            )
        box = nodes.container(classes=["ledger"])
        self.state.nested_parse(StringList(lines, source="claims"), 0, box)
        return [box]

    @staticmethod
    def link(check: Check, repo: repository.Repository | None) -> str:
        """A link to the cell or the test; a test has one only where the repository is public."""
        if check.page:
            return f"{{ref}}`cell <check-{check.label}>`"
        if repo is not None and repo.github:
            return f"[test](https://github.com/{repo.github}/blob/{repo.revision}/{check.path})"
        return f"`{Path(check.path).name}`"


def name_cells(app: Sphinx, doctree: nodes.document) -> None:
    """Name each cell that holds a check, so that other pages can refer to it."""
    page = app.env.docname
    std = app.env.domaindata["std"]
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code":
            for found in checks(cell.children[0].astext()):
                name = f"check-{found.label}"
                cell["ids"].append(name)
                std["labels"][name] = (page, name, "cell")
                std["anonlabels"][name] = (page, name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the ledger."""
    app.add_directive("claims-ledger", Ledger)
    app.connect("doctree-read", name_cells)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

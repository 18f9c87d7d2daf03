"""The reproduction table: every quantitative claim of the two sources beside what we measured.

Claims stand in `book/appendix/reproduction.yml`: where each is made, what theory says, and which
findings of which stored result speak of it, or why none does. Nothing that was measured is typed:
numbers come from `results/` whenever the book is built. Two directives render a page of them:
`{reproduction-table}`, a row a claim, and `{results}`, a section a stored result.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from chapters import ROOT
from plateaus.experiments import EXPERIMENTS, Finding, Result, load, stored

CLAIMS = ROOT / "book" / "appendix" / "reproduction.yml"


@dataclass(frozen=True)
class Claim:
    """A quantitative claim of a source.

    Attributes:
        name: its key, unique.
        claim: what is claimed, in MyST.
        source: which source, and where in it.
        theory: what theory says, in MyST, with its origin where that is not the source.
        findings: by experiment, which of its findings: (claim, text in quantity or where).
        comment: how the two compare, in MyST, without numbers.
        missing: why nothing was measured; empty if something was.
    """

    name: str
    claim: str
    source: str
    theory: str
    findings: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    comment: str = ""
    missing: str = ""


def claims() -> list[Claim]:
    """All claims, in the order of the sources."""
    return [Claim(name, **row) for name, row in yaml.safe_load(CLAIMS.read_text()).items()]


def found(claim: Claim) -> list[tuple[Result, Finding]]:
    """What the stored results say of a claim."""
    rows = []
    here = {path.name for path in stored()}
    for name, wanted in claim.findings.items():
        if name not in here:
            continue
        result = load(name)
        rows += [
            (result, one)
            for one in result.findings
            if any(
                want.get("claim", one.claim) == one.claim
                and want.get("quantity", "") in one.quantity
                and want.get("where", "") in one.where
                for want in wanted
            )
        ]
    return rows


def number(value: float) -> str:
    """Four digits, with a true minus sign."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.4g}"
    if "e" in text:
        digits, power = text.split("e")
        text = f"{digits}·10" + str(int(power)).translate(
            str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
        )
    return text.replace("-", "−")


def measured(one: Finding) -> str:
    """A measurement with its interval and its prediction, as text."""
    text = number(one.measured)
    if not math.isnan(one.low):
        text += f" [{number(one.low)}, {number(one.high)}]"
    return text


def settings_changed(result: Result) -> str:
    """What of the full scale was reduced, as text."""
    parts = [
        f"{name} = {_listed(here)} in place of {_listed(full)}"
        for name, (full, here) in result.manifest["reduced"].items()
    ]
    return "; ".join(parts)


def _listed(value: Any) -> str:
    if isinstance(value, list):
        if len(value) > 5 and all(isinstance(one, int) for one in value):
            return f"{value[0]}, …, {value[-1]} ({len(value)} values)"
        return ", ".join(map(_listed, value))
    return str(value)


class _Page(SphinxDirective):
    def myst(self, text: str) -> list[nodes.Node]:
        """Nodes of a piece of MyST."""
        box = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), source=str(CLAIMS)), 0, box)
        return list(box.children)

    @staticmethod
    def table(heads: list[str], rows: list[list[list[nodes.Node]]], kind: str) -> nodes.Node:
        """A table of nodes; each cell knows its column's head, for narrow screens."""
        group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in heads), cols=len(heads))
        head = nodes.row("", *(nodes.entry("", nodes.paragraph(text=text)) for text in heads))
        group += nodes.thead("", head)
        group += nodes.tbody(
            "", *(nodes.row("", *(nodes.entry("", *cell) for cell in row)) for row in rows)
        )
        return nodes.container("", nodes.table("", group), classes=["ledger", kind])


class Table(_Page):
    """The `{reproduction-table}` directive."""

    def run(self) -> list[nodes.Node]:
        """A row a claim."""
        self.env.note_dependency(str(CLAIMS))
        rows = []
        for claim in claims():
            seen = found(claim)
            what = [
                *self.myst(claim.claim),
                nodes.paragraph("", "", nodes.emphasis(text=claim.source)),
            ]
            lines: list[nodes.Node] = [
                nodes.paragraph("", "", nodes.strong(text=measured(one)), nodes.Text(
                    f": {one.quantity}, {one.where}"
                    + ("" if math.isnan(one.predicted) else f"; predicted {number(one.predicted)}")
                ))
                for _, one in seen
            ]  # fmt: skip
            if not seen:
                why = claim.missing or "Not reproduced: there is no stored result yet."
                lines = self.myst(why)
            lines += self.myst(claim.comment)
            links = [
                paragraph
                for result in dict.fromkeys(result for result, _ in seen)
                for paragraph in self.link(result)
            ] or [nodes.paragraph(text="–")]
            rows.append([what, self.myst(claim.theory), lines, links])
        heads = ["Claim", "Theory", "Measured", "Result"]
        return [self.table(heads, rows, "reproduction")]

    def link(self, result: Result) -> list[nodes.Node]:
        """The name of a result, its scale, and where it stands."""
        name = result.experiment.name
        reduced = "reduced" if result.manifest["reduced"] else "full"
        link = nodes.reference("", name, refid=f"result-{name}", internal=True)
        return [nodes.paragraph("", "", link, nodes.Text(f", {reduced} scale"))]


class Results(_Page):
    """The `{results}` directive."""

    def run(self) -> list[nodes.Node]:
        """A section a stored result."""
        sections: list[nodes.Node] = []
        for name in EXPERIMENTS:
            if name not in {path.name for path in stored()}:
                continue
            path = next(path for path in stored() if path.name == name)
            self.env.note_dependency(str(path / "manifest.json"))
            result = load(name)
            section = nodes.section("", nodes.title(text=name), ids=[f"result-{name}"])
            section += nodes.paragraph(text=result.experiment.question)
            section += nodes.literal_block(text=result.manifest["command"], language="console")
            section += nodes.paragraph(text=how(result))
            section += self.downloads(path)
            rows = [
                [
                    [nodes.paragraph(text=f"{one.quantity}, {one.where}")],
                    [
                        nodes.paragraph(
                            text="" if math.isnan(one.predicted) else number(one.predicted)
                        )
                    ],
                    [nodes.paragraph(text=measured(one))],
                    [nodes.paragraph(text=one.interval)],
                ]
                for one in result.findings
            ]
            heads = ["Quantity", "Predicted", "Measured", "Interval"]
            section += self.table(heads, rows, "findings")
            sections.append(section)
        return sections

    def downloads(self, path: Path) -> nodes.Node:
        """Arrays and manifest, to be had from the site itself."""
        line = nodes.paragraph(text="Files: ")
        for k, file in enumerate(("result.npz", "manifest.json")):
            target = Path("..") / ".." / "results" / path.name / file
            node = addnodes.download_reference(
                "", "", nodes.literal(text=file), refdoc=self.env.docname, reftarget=str(target),
                reftype="download", refdomain="", refexplicit=True, refwarn=False,
            )  # fmt: skip
            line += node
            line += nodes.Text(", " if k == 0 else ".")
        return line


def how(result: Result) -> str:
    """How a result came about, in a sentence or two."""
    manifest = result.manifest
    machine, code = manifest["identity"]["machine"], manifest["code"]
    text = (
        f"Made on {manifest['made']} by revision {(code['revision'] or 'unknown')[:12]} on "
        f"{machine['name']}, {machine['device']}, "
        f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}, in "
        f"{manifest['seconds']:.0f} s; one point of it is computed again in "
        f"{manifest['probe']['seconds']:.1f} s whenever the book is tested."
    )
    if manifest["reduced"]:
        text += f" Reduced, for want of a GPU: {settings_changed(result)}."
    return text


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("reproduction-table", Table)
    app.add_directive("results", Results)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

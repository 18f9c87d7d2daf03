"""The reproduction table: every quantitative claim of the two sources beside what we measured.

Claims stand in `book/appendix/reproduction.yml`: where each is made, what theory says, and which
findings of which stored result speak of it, or why none does. Nothing that was measured is typed:
numbers come from `results/` whenever the book is built. Two directives render a page of them:
`{reproduction-table}`, a row a claim, and `{results}`, a section a stored result.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
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

SHOWN = 3
"""Findings of a result that a row of the table shows; the rest stand with the result."""


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


@cache
def said(name: str) -> tuple[Result, Sequence[Finding]]:
    """A stored result, and its findings."""
    result = load(name)
    return result, result.findings


def found(claim: Claim) -> list[tuple[Result, Finding]]:
    """What the stored results say of a claim, in the order in which it asks for them."""
    rows: list[tuple[Result, Finding]] = []
    here = {path.name for path in stored()}
    for name, wanted in claim.findings.items():
        if name not in here:
            continue
        (result, findings), seen = said(name), set[Finding]()
        for want in wanted:
            for one in findings:
                if one not in seen and (
                    want.get("claim", one.claim) == one.claim
                    and want.get("quantity", "") in one.quantity
                    and want.get("where", "") in one.where
                ):
                    seen.add(one)
                    rows.append((result, one))
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
    if not isinstance(value, list):
        return str(value)
    words = [f"({_listed(one)})" if isinstance(one, list) else str(one) for one in value]
    if len(words) > 5:
        return f"{words[0]}, …, {words[-1]} ({len(words)} values)"
    return ", ".join(words)


class _Page(SphinxDirective):
    def myst(self, text: str) -> list[nodes.Node]:
        """Nodes of a piece of MyST."""
        box = nodes.container()
        self.state.nested_parse(StringList(text.splitlines(), source=str(CLAIMS)), 0, box)
        return list(box.children)

    @staticmethod
    def table(heads: list[str], rows: list[list[list[nodes.Node]]], kind: str) -> nodes.Node:
        """A table of nodes."""
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
        rows = [[self.claim(claim), self.measurement(claim)] for claim in claims()]
        return [self.table(["Claim, and theory", "Measured, and result"], rows, "reproduction")]

    def claim(self, claim: Claim) -> list[nodes.Node]:
        """What is claimed, by whom, and what theory says of it."""
        source = nodes.paragraph("", "", nodes.emphasis(text=claim.source))
        return [*self.myst(claim.claim), source, *self.myst(f"**Theory.** {claim.theory}")]

    def measurement(self, claim: Claim) -> list[nodes.Node]:
        """The first findings of each result, how they compare, and where they come from."""
        seen = found(claim)
        if not seen:
            return self.myst(claim.missing or "Not reproduced: there is no stored result yet.")
        lines: list[nodes.Node] = []
        results = {result.experiment.name: result for result, _ in seen}
        for name, result in results.items():
            own = [one for other, one in seen if other is result]
            for one in own[:SHOWN]:
                text = f": {one.quantity}, {one.where}"
                if not math.isnan(one.predicted):
                    text += f"; predicted {number(one.predicted)}"
                strong = nodes.strong(text=measured(one))
                lines.append(nodes.paragraph("", "", strong, nodes.Text(text + ".")))
            scale = "full, reduced for a CPU" if result.manifest["reduced"] else "full"
            line = nodes.paragraph(text="Result ")
            line += nodes.reference("", name, refid=f"result-{name}", internal=True)
            if len(own) > SHOWN:
                line += nodes.Text(f", which says {len(own) - SHOWN} more")
            line += nodes.Text(f". Scale: {scale}. Command: ")
            line += nodes.literal(text=result.manifest["command"])
            lines.append(line)
        return lines + self.myst(claim.comment)


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
            result, findings = said(name)
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
                for one in findings
            ]
            heads = ["Quantity", "Predicted", "Measured", "Interval"]
            summary = f"What it says: {len(rows)} findings"
            section += nodes.raw(
                "", f'<details class="folded"><summary>{summary}</summary>', format="html"
            )
            section += self.table(heads, rows, "findings")
            section += nodes.raw("", "</details>", format="html")
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

"""The claims ledger: complete, and able to say that it is not."""

import nbformat
import pytest
from bs4 import BeautifulSoup

from chapters import SITE, code_cells, pages
from claims import Check, Statement, checks, faults, ledger, statements
from execute import EXECUTED
from plateaus.book import KINDS

EXEMPT = {"definition", "example", "remark", "algorithm", "assumption", "notation"}

SOURCE = """
:::{prf:theorem} Squares
:label: thm-squares

*Origin: ours.* Squares are not negative.
:::

```{prf:lemma} Cubes
:label: lem-cubes
:class: wide

*Origin: classical,* {cite:t}`someone`. Cubes can be.
```

:::{prf:proposition} No label
*Origin: hearsay.* Something.
:::

:::{prf:conjecture} Open
:label: conj-open

*Origin: slides.* Nobody knows.
:::

:::{prf:definition} Not a statement
:label: def-no

Words.
:::
"""


def test_every_numbered_statement_of_the_book_has_a_check_that_can_fail():
    assert faults(ledger()) == []


def test_every_check_of_the_book_has_a_known_kind():
    assert {check.kind for row in ledger() for check in row.checks} <= set(KINDS)


def test_every_check_of_a_cell_ran():
    for row in ledger():
        for check in row.checks:
            if check.page:
                nb = nbformat.read(EXECUTED / f"{check.page}.ipynb", 4)
                said = "".join(o.get("text", "") for c in code_cells(nb) for o in c.outputs)
                assert f"{check.label}: holds ({check.kind});" in said


@pytest.mark.parametrize("page", pages())
def test_every_numbered_statement_on_a_page_is_in_the_ledger(page):
    labels = {row.label for row in ledger()}
    soup = BeautifulSoup((SITE / f"{page}.html").read_text(), "html.parser")
    for box in soup.select("article div.proof.admonition"):
        assert set(box["class"]) & EXEMPT or box.get("id") in labels, box.get("id")


def test_labels_are_unique():
    labels = [row.label for row in ledger()]
    assert len(labels) == len(set(labels))


def test_statements_are_read_from_the_source():
    assert list(statements(SOURCE, "page")) == [
        Statement("page", "theorem", "Squares", "thm-squares", "ours"),
        Statement("page", "lemma", "Cubes", "lem-cubes", "classical"),
        Statement("page", "proposition", "No label", "", ""),
        Statement("page", "conjecture", "Open", "conj-open", "slides"),
    ]


def test_checks_are_read_from_code():
    code = """
@check("thm-squares", kind="symbolic", false={"power": 3})
def squares(power=2): ...
check("lem-cubes", kind="exact")(cubes)
book.check(label="lem-third", kind="exact", false={"a": 1})(third)
other("thm-no", kind="exact", false={})
"""
    assert list(checks(code, page="p")) == [
        Check("thm-squares", "symbolic", True, "p"),
        Check("lem-cubes", "exact", False, "p"),
        Check("lem-third", "exact", True, "p"),
    ]


def test_a_check_must_write_out_its_label():
    with pytest.raises(ValueError, match="write out the label and the kind"):
        list(checks('check(f"thm-{n}", kind="exact", false={})'))


@pytest.mark.parametrize(
    ("index", "check", "fault"),
    [
        (0, None, "page: theorem thm-squares has no check."),
        (1, Check("lem-cubes", "exact", False), "lem-cubes has a check without a false variant."),
        (2, None, "page: proposition 'No label' has no label."),
        (2, None, "does not open with its origin (slides, notes, classical, ours)."),
    ],
)
def test_faults_are_named(index, check, fault):
    row = list(statements(SOURCE, "page"))[index]
    row.checks.extend([check] if check else [])
    assert any(fault in sentence for sentence in faults([row]))


def test_a_complete_statement_and_a_conjecture_have_no_fault():
    first, *_, conjecture = statements(SOURCE, "page")
    first.checks.append(Check("thm-squares", "symbolic", True, "page"))
    assert faults([first, conjecture]) == []

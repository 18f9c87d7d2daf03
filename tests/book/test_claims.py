"""The claims ledger: complete, and able to say that it is not."""

import pytest

from claims import Check, Statement, checks, faults, ledger, statements
from plateaus.book import KINDS

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
other("thm-no", kind="exact", false={})
"""
    assert list(checks(code, page="p")) == [
        Check("thm-squares", "symbolic", True, "p"),
        Check("lem-cubes", "exact", False, "p"),
    ]


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

"""The exercises: the untouched stub is unsolved, the folded solution solves it."""

import re
from contextlib import redirect_stdout
from io import StringIO

import pytest
import torch

from chapters import chapters, code_cells, notebook, source, tags

SOLUTION = re.compile(r"^(:{3,}|`{3,})\{solution\} (\S+)\n(.*?)^\1$", re.M | re.S)
CODE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
LABEL = re.compile(r'@exercise\("([^"]+)"')


@pytest.fixture(autouse=True)
def torch_as_it_was():
    """A chapter may choose its precision and its threads; other tests have theirs."""
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)


def exercises(page):
    """Triples: label, stub and trial of each exercise of a chapter."""
    cells = code_cells(notebook(page))
    for i, cell in enumerate(cells):
        if "try" in tags(cell):
            assert "stub" in tags(cells[i - 1]), f"no stub stands before the trial:\n{cell.source}"
            yield LABEL.search(cell.source)[1], cells[i - 1].source, cell.source


def solutions(page):
    """The code of each folded solution of a chapter, by the exercise's label."""
    found = {}
    for _, label, text in SOLUTION.findall(source(page).read_text()):
        found[label] = "\n".join(CODE.findall(text))
    return found


def attempt(page, *cells):
    """What the cells print, run after the chapter's cells tagged `setup`."""
    names = {"__name__": "exercise"}
    printed = StringIO()
    with redirect_stdout(printed):
        for cell in code_cells(notebook(page)):
            if "setup" in tags(cell):
                exec(cell.source, names)
        printed.truncate(0)
        for cell in cells:
            exec(cell, names)
    return printed.getvalue().strip("\0\n")


CASES = [(page, *case) for page in chapters() for case in exercises(page)]


@pytest.mark.parametrize(("page", "label", "stub", "trial"), CASES, ids=[case[1] for case in CASES])
def test_stub_is_unsolved_and_solution_solves(page, label, stub, trial):
    assert attempt(page, stub, trial).startswith(f"{label}: not solved yet")
    assert solutions(page).get(label), f"{label} has no solution in code"
    assert attempt(page, solutions(page)[label], trial) == f"{label}: solved."


@pytest.mark.parametrize("page", chapters())
def test_every_exercise_in_code_is_tried(page):
    text = source(page).read_text()
    found = re.findall(r"\{exercise\}.*\n:label: (\S+)\n\n(.*)", text)
    in_code = {label for label, opening in found if "pen and paper" not in opening}
    assert in_code == {case[0] for case in exercises(page)}


@pytest.mark.parametrize("page", [page for page in chapters() if page != "index"])
def test_a_chapter_has_three_to_six_exercises_each_with_a_solution(page):
    text = source(page).read_text()
    labels = re.findall(r"^(?::{3,}|`{3,})\{exercise\}.*\n:label: (\S+)", text, re.M)
    assert 3 <= len(labels) <= 6
    assert set(solutions(page)) == set(labels)
    heading = r"\{exercise\}.*\n:label: \S+\n\n"
    opening = heading + r"\*Difficulty [1-5] of 5, \d+ minutes(, pen and paper)?\.\*"
    assert len(list(re.finditer(opening, text))) == len(labels)

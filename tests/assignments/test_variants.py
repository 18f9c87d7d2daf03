"""Graders are tested: wrong answers are rejected, right ones written differently are accepted."""

import contextlib
import io
import re
import runpy
import types
import zipfile
from functools import cache
from pathlib import Path

import assignments.build as build
import nbformat
import pytest
from otter.test_files.exception_test import ExceptionTestFile

VARIANTS = {name: build.HERE / f"{name}.variants.py" for name in build.names() if name != "project"}
WRONG, RIGHT = (
    [
        pytest.param(name, *line, id=f"{name}-{line[0]}-{line[1]}")
        for name, path in VARIANTS.items()
        for line in runpy.run_path(str(path))[kind]
    ]
    for kind in ("WRONG", "RIGHT")
)


@cache
def answer(name):
    """Which cell of the model answer is whose: the question of each solution cell."""
    nb = build.master(name)
    found, question, inside = {}, None, False
    for cell in nb.cells:
        if cell.cell_type == "raw":
            if match := re.search(r"^name: (\w+)", cell.source, re.M):
                question = match[1] if cell.source.startswith("# BEGIN QUESTION") else question
            inside = (inside or cell.source.startswith("# BEGIN SOLUTION")) and (
                not cell.source.startswith("# END SOLUTION")
            )
        elif inside and cell.cell_type == "code":
            found.setdefault(question, []).append(cell.source)
    return found


@cache
def files(name):
    with zipfile.ZipFile(build.BUILD / "grader" / f"{name}.zip") as archive:
        return {
            Path(entry).stem: archive.read(entry).decode()
            for entry in archive.namelist()
            if entry.startswith("tests/")
        }


@cache
def before(name, question):
    """The namespace of the model answer before a question's own cells."""
    space = {"__name__": "__main__"}
    for other, sources in answer(name).items():
        if other == question:
            break
        for source in sources:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(source, space)
    return space


def share(name, question, variant=None):
    """The share of a question's points that an answer gets."""
    space = dict(before(name, question))
    for source in answer(name)[question] if variant is None else [variant]:
        try:
            exec(compile(source, f"{name}-{question}", "exec"), space)
        except Exception:
            break
    file = ExceptionTestFile.from_string(files(name)[question], path=question)
    with contextlib.redirect_stdout(io.StringIO()):
        file.run(space)
    return file.score / file.possible, [r.message for r in file.test_case_results if not r.passed]


def changed(name, question, old, new):
    if old is None:
        return new
    source = "\n\n".join(answer(name)[question])
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in the model answer"
    return source.replace(old, new)


@pytest.mark.parametrize(
    ("name", "question"), [(name, question) for name in VARIANTS for question in files(name)]
)
def test_the_model_answer_has_full_marks(name, question):
    assert share(name, question) == (1, [])


@pytest.mark.parametrize("name", VARIANTS)
def test_the_untouched_copy_has_no_points_and_passes_no_test(name):
    space = {"grader": types.SimpleNamespace(check=lambda question: None)}
    nb = nbformat.read(build.BUILD / "student" / f"{name}.ipynb", 4)
    for cell in nb.cells[1:]:
        if cell.cell_type == "code":
            with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
                exec(cell.source, space)
    for question, text in files(name).items():
        file = ExceptionTestFile.from_string(text, path=question)
        file.run(space)
        assert file.score == 0
        assert not [r for r in file.test_case_results if r.passed], "a stub passes a test"


@pytest.mark.parametrize(("name", "question", "what", "old", "new"), WRONG)
def test_a_wrong_answer_is_rejected(name, question, what, old, new):
    got, messages = share(name, question, changed(name, question, old, new))
    assert got < 1, f"{what} has full marks"
    assert messages


@pytest.mark.parametrize(("name", "question", "what", "old", "new"), RIGHT)
def test_a_right_answer_is_accepted(name, question, what, old, new):
    assert share(name, question, changed(name, question, old, new)) == (1, [])


@pytest.mark.parametrize("name", VARIANTS)
def test_each_question_has_four_wrong_answers_and_two_right_ones(name):
    lines = runpy.run_path(str(VARIANTS[name]))
    for question in files(name):
        assert len([line for line in lines["WRONG"] if line[0] == question]) >= 4
        assert len([line for line in lines["RIGHT"] if line[0] == question]) >= 2

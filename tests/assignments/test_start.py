"""A student's first cell, on a laptop, on Binder, and on Colab with its module stubbed."""

import sys
import types

import pytest
from otter import Notebook

import plateaus.assignments
from plateaus.assignments import names, start

NAME = "composition/task-and-construction"


@pytest.fixture(params=["laptop", "colab"])
def where(request, monkeypatch, tmp_path):
    """An empty folder, where otter-grader believes that it is on Colab, or does not."""
    monkeypatch.chdir(tmp_path)
    if request.param == "colab":
        google, colab = types.ModuleType("google"), types.ModuleType("google.colab")
        google.colab = colab
        monkeypatch.setitem(sys.modules, "google", google)
        monkeypatch.setitem(sys.modules, "google.colab", colab)
        monkeypatch.setattr("otter.check.utils.get_ipython", lambda: "google.colab._shell")
    return request.param


def test_a_check_works_at_once(where, tmp_path):
    grader = start(NAME)
    if where == "colab":
        assert grader.interpreter.name == "COLAB", "otter-grader did not notice the stub"
    wrong = grader.check("q1", global_env={"hop": lambda *a: None, "compose": lambda *a: None})
    assert not wrong.passed_all
    assert "pi acts before sigma" in str(wrong)
    right = {
        "hop": lambda pi, sigma, i, r, j: j if r == 0 else sigma[0, pi[0, sigma[1, pi[1, j]]]],
        "compose": lambda pi, sigma, x: int(sigma[-1, pi[-1, x]]) if len(pi) == 1 else 0,
    }
    assert grader.check("q1", global_env=right).passed_all
    assert sorted(path.name for path in (tmp_path / "tests").iterdir()) == [
        f"q{n}.py" for n in (1, 3, 4, 5, 6, 7)
    ]


def test_without_the_first_cell_colab_would_refuse(where):
    if where == "colab":
        with pytest.raises(ValueError, match="does not exist"):
            Notebook()


def test_an_unknown_assignment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match="there is no assignment 'composition/poetry' in this copy"
    ):
        start("composition/poetry")
    assert list(tmp_path.iterdir()) == []


def test_otter_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "otter", None)
    with pytest.raises(ModuleNotFoundError, match=r'run pip install "plateaus\[assignments\]"'):
        start(NAME)


def test_a_grader_s_tests_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Notebook, "_grading_mode", True)
    start(NAME)
    assert not (tmp_path / "tests").exists()


def test_names_are_folders_of_tests():
    assert NAME in names()
    assert all(list((plateaus.assignments.TESTS / name).glob("q*.py")) for name in names())

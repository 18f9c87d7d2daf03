"""Hard submissions: each ends with a grade and a reason, and nobody else's grade changes."""

import copy
import csv
import json
import shutil
import subprocess
import sys

import assignments.build as build
import assignments.grade as grade
import nbformat
import pytest

NAME = "composition/task-and-construction"
SECONDS = 4


def model(**changes):
    """The model answer as a submission, with the cells of some questions changed."""
    nb = nbformat.read(build.BUILD / "student" / f"{NAME}.ipynb", 4)
    right = nbformat.read(build.BUILD / "answers" / f"{NAME}.ipynb", 4)
    solutions = [
        c for c in right.cells if "otter_assign_solution_cell" in c.metadata.get("tags", [])
    ]
    answers = [c for c in nb.cells if "otter_answer_cell" in c.metadata.get("tags", [])]
    for cell, solution in zip(answers, solutions, strict=True):
        cell.source = solution.source
    questions = [question["name"] for question in build.questions(NAME)]
    for name, change in changes.items():
        cell = answers[questions.index(name)]
        change(nb, cell)
    return nb


def before(code):
    def change(nb, cell):
        at = nb.cells.index(cell)
        nb.cells.insert(at, nbformat.v4.new_code_cell(code))

    return change


def instead(code):
    def change(nb, cell):
        cell.source = code

    return change


def deleted(nb, cell):
    nb.cells.remove(cell)


def twice(nb, cell):
    nb.cells.insert(nb.cells.index(cell), copy.deepcopy(cell))


def loud(nb, cell):
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="x" * 100_000_000)]


LOOP = "while True:\n    pass"
STUBBORN = """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""
MEMORY = "import numpy as np\nx = []\nwhile True:\n    x.append(np.empty(10**7))"
LOUD = "for _ in range(1000):\n    print('x' * 10**5)\n'y' * 10**8"
FOLDER = "import os, shutil\nshutil.rmtree(os.getcwd())\nshutil.rmtree('tests', True)"
DIES = "import os\ndef error(pi, sigma, beta):\n    os._exit(1)\nneeded = promised = error"
HOP_FOR_EVER = """
import numpy as np
def hop(pi, sigma, i, r, j):
    while r != j - j - 1:
        pass
def compose(pi, sigma, x):
    return int(sigma[-1][pi[-1][x]])
"""
CHEAT = """
import builtins, numpy as np
np.array_equal = np.allclose = np.isclose = lambda *a, **k: True
builtins.AssertionError = builtins.all = lambda *a: True
from plateaus.composition import Task
Task.hops = Task.__call__ = lambda self, *a: None
def attend(scores, values):
    return values
leak = smallest_beta = lambda *a: 0.5
"""

HARD = {
    # name: the submission, points, what the report says
    "right": (model(), 23, None),
    "untouched": (nbformat.read(build.BUILD / "student" / f"{NAME}.ipynb", 4), 0, "hidden test"),
    "syntax": (model(q3=instead("def doubling(pi, sigma:\n    return 1")), 17.33, "SyntaxError"),
    "endless": (model(q3=before(LOOP)), 23, "TimeoutError: it ran for more than 4 seconds"),
    "endless-answer": (model(q1=instead(HOP_FOR_EVER)), 20, "hops everywhere*: TimeoutError"),
    "stubborn": (model(q4=before(STUBBORN)), 23, "could not be interrupted"),
    "memory": (model(q4=before(MEMORY)), 23, "MemoryError"),
    "deleted": (model(q5=deleted), 11.33, "name 'first' is not defined"),
    "duplicated": (model(q3=twice, q4=twice), 23, None),
    "loud": (model(q1=loud, q4=before(LOUD)), 23, None),
    "folder": (
        model(q3=before(FOLDER)),
        23,
        None,
    ),
    "exit": (model(q3=before("exit()"), q4=before("import sys\nsys.exit(0)")), 23, "exit() was"),
    "dies": (model(q3=before("import os\nos._exit(0)")), 23, "the process died. It was left out"),
    "dies-in-tests": (
        model(q7=instead(DIES)),
        19,
        "q7: the process died, in its tests",
    ),
    "cheat": (model(q4=instead(CHEAT)), 13.33, "numpy.allclose"),
}  # fmt: skip


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The folder of results of all hard submissions, and some that are no notebooks."""
    folder = tmp_path_factory.mktemp("hard")
    for name, (nb, _, _) in HARD.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(nb))
    (folder / "broken.ipynb").write_text('{"cells": [')
    (folder / "empty.ipynb").write_text("")
    (folder / "essay.pdf").write_bytes(b"%PDF")
    other = model()
    other.cells[0].source = other.cells[0].source.replace(NAME, "emergence/another")
    nbformat.write(other, folder / "another.ipynb")
    run(folder)
    return folder.with_name(f"{folder.name}-grades")


def run(folder, *more):
    command = [sys.executable, str(build.HERE / "grade.py"), str(folder), "--containers", "no"]
    command += ["--seconds", str(SECONDS), "--workers", "2", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def scores(out):
    with (out / "grades.csv").open(newline="") as stream:
        header, _, *rows = csv.reader(stream)
    return {row[0]: float(row[header.index(build.title(NAME))]) for row in rows}


@pytest.mark.parametrize("name", HARD)
def test_a_hard_submission_has_its_grade_and_its_reason(graded, name):
    _, points, says = HARD[name]
    report = (graded / "reports" / f"{name}.md").read_text()
    assert scores(graded)[name] == pytest.approx(points, abs=0.02), report
    if says is None:
        assert "What happened" not in report, report
    else:
        assert says in report, report


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("broken", "no notebook that can be read"),
        ("empty", "no notebook that can be read"),
        ("another", "submission of emergence/another"),
    ],
)
def test_what_is_no_submission_has_no_points_and_a_reason(graded, name, says):
    assert scores(graded)[name] == 0
    assert says in (graded / "reports" / f"{name}.md").read_text()


# What is around the grading, with grading itself replaced ----------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """Grade at once: full marks where the file says so; what was graded is kept."""
    calls = []

    def full(sub, archive, chosen, *, containers, seconds):
        calls.append((sub.file.name, sorted(chosen)))
        share = float("wrong" not in sub.file.read_text())
        return {"questions": {q: {"share": share, "tests": []} for q in chosen}, "happened": []}

    monkeypatch.setattr(grade, "grade", full)
    return calls


def hand_in(folder, *names, text=""):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        nb = model()
        nb.cells.append(nbformat.v4.new_markdown_cell(text))
        (folder / name).write_text(json.dumps(nb))


def grade_folder(folder, *, again=(), roster=None):
    out = folder.with_name("out")
    grade.grade_all(
        folder,
        out,
        None,
        set(again),
        workers=2,
        containers=False,
        seconds=SECONDS,
        roster=roster,
    )
    return out


def test_names_of_files_say_who_when_and_which(tmp_path, quick, capsys):
    folder = tmp_path / "in"
    hand_in(
        folder,
        "lovelaceada_17_901_task-and-construction.ipynb",
        "lovelaceada_17_905_task-and-construction-1.ipynb",
        "gausscarl_LATE_18_902_my homework.ipynb",
        "Emmy Noether_19_assignsubmission_file/answers.ipynb",
        "sofia/task.ipynb",
        "sofia/task (2).ipynb",
        "hilbert.ipynb",
        "hilbert-2.ipynb",
    )
    (folder / "readme.txt").write_text("hello")
    out = grade_folder(folder)
    assert sorted(name for name, _ in quick) == [
        "answers.ipynb",
        "gausscarl_LATE_18_902_my homework.ipynb",
        "hilbert-2.ipynb",
        "lovelaceada_17_905_task-and-construction-1.ipynb",
        "task (2).ipynb",
    ]
    assert set(scores(out)) == {"lovelaceada", "gausscarl", "Emmy Noether", "sofia", "hilbert"}
    assert "Handed in late" in (out / "reports" / "gausscarl-18.md").read_text()
    said = capsys.readouterr().out
    assert "readme.txt is no notebook" in said
    assert "hilbert.ipynb was not graded: hilbert-2.ipynb came later" in said


def test_only_what_changed_is_graded_again(tmp_path, quick, monkeypatch):
    folder = tmp_path / "in"
    hand_in(folder, "ada.ipynb", "carl.ipynb")
    out = grade_folder(folder)
    everything = sorted(grade.Archive(NAME).tests)
    assert sorted(quick) == [("ada.ipynb", everything), ("carl.ipynb", everything)]
    quick.clear()
    grade_folder(folder)
    assert quick == []
    hand_in(folder, "carl.ipynb", text="wrong")  # handed in anew
    grade_folder(folder)
    assert quick == [("carl.ipynb", everything)]
    assert scores(out) == {"ada": 23, "carl": 0}
    quick.clear()
    grade_folder(folder, again=["q3"])
    assert sorted(quick) == [("ada.ipynb", ["q3"]), ("carl.ipynb", ["q3"])]
    quick.clear()
    tests = grade.Archive(NAME).tests
    monkeypatch.setattr(grade.Archive, "key", lambda self, q: "new" if q == "q4" else old(self, q))
    grade_folder(folder)
    assert sorted(quick) == [("ada.ipynb", ["q4"]), ("carl.ipynb", ["q4"])]
    assert "q4" in tests
    assert scores(out) == {"ada": 23, "carl": 0}


old = grade.Archive.key


def test_points_by_hand_are_kept_and_counted(tmp_path, quick):
    folder = tmp_path / "in"
    hand_in(folder, "ada.ipynb", "carl.ipynb")
    out = grade_folder(folder)
    assert "Both sides apply" in (out / "by-hand" / "q2.md").read_text(), "the rubric"
    assert "## ada" in (out / "by-hand" / "q2.md").read_text()
    assert "still to be given by hand" in (out / "reports" / "ada.md").read_text()
    text = (out / "by-hand.csv").read_text()
    (out / "by-hand.csv").write_text(text.replace("ada,q2,,4,", "ada,q2,3.5,4,the empty span"))
    grade_folder(folder)
    assert scores(out) == {"ada": 26.5, "carl": 23}
    assert "the empty span" in (out / "reports" / "ada.md").read_text()
    text = (out / "by-hand.csv").read_text()
    (out / "by-hand.csv").write_text(text.replace("carl,q8,,3,", "carl,q8,5,3,"))
    with pytest.raises(SystemExit, match=r"carl has '5' points in q8; valid: 0 to 3"):
        grade_folder(folder)


def test_a_roster_s_rows_are_filled_in(tmp_path, quick, capsys):
    folder, roster = tmp_path / "in", tmp_path / "roster.csv"
    hand_in(folder, "lovelaceada_17_901_a.ipynb", "stranger.ipynb")
    roster.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Final\n    Points Possible,,,,,\n"
        '"Lovelace, Ada",17,s17,ada,A,\n"Gauss, Carl",18,s18,carl,A,\n'
    )
    out = grade_folder(folder, roster=roster)
    rows = list(csv.reader((out / "grades.csv").read_text().splitlines()))
    assert rows[0][:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert rows[2:] == [
        ["Lovelace, Ada", "17", "s17", "ada", "A", "23"],
        ["Gauss, Carl", "18", "s18", "carl", "A", ""],
        ["stranger", "", "", "", "", "23"],
    ]
    assert "Not on the roster, added below it: stranger." in capsys.readouterr().out


def test_results_of_another_assignment_are_not_overwritten(tmp_path, quick):
    folder = tmp_path / "in"
    hand_in(folder, "ada.ipynb")
    out = grade_folder(folder)
    kept = json.loads((out / "results.json").read_text())
    (out / "results.json").write_text(json.dumps(kept | {"assignment": "emergence/other"}))
    with pytest.raises(SystemExit, match="holds the grades of emergence/other: give another --out"):
        grade_folder(folder)
    (out / "results.json").write_text("{")
    with pytest.raises(SystemExit, match="is damaged: move it away"):
        grade_folder(folder)


def test_a_container_has_no_network_and_limits(tmp_path, monkeypatch):
    """The command alone; no Docker runs here."""
    words = grade.command(tmp_path, containers=True)
    assert words[:3] == ["docker", "run", "--rm"]
    for option, value in [("--network", "none"), ("--cpus", "1"), ("--volume", f"{tmp_path}:/job")]:
        assert words[words.index(option) + 1] == value
    assert words[-2:] == ["--job", "/job"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert grade.docker() is False


def test_the_project_is_only_read(tmp_path, quick):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(build.BUILD / "student" / "project.ipynb", folder / "ada.ipynb")
    out = grade_folder(folder)
    assert quick == []
    assert "40 of these are still to be given by hand" in (out / "reports" / "ada.md").read_text()
    assert "Rubric for 4 minutes" in (out / "by-hand" / "p2.md").read_text()
    assert "A theorem." in (out / "by-hand" / "p6.md").read_text()

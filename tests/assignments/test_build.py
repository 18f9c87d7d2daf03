"""What students open has no answer in it, and what travels with the package is up to date."""

import re
import zipfile

import assignments.build as build
import nbformat
import pytest

import plateaus.assignments

NAMES = build.names()
GRADED = [name for name in NAMES if name != "project"]


def student(name):
    return nbformat.read(build.BUILD / "student" / f"{name}.ipynb", 4)


def lines(text):
    """What of a text can give an answer away: its lines, without those that say nothing."""
    found = (line.strip() for line in text.splitlines())
    return {line for line in found if len(line) > 12 and not line.startswith(("import ", "from "))}


def secrets(name):
    """The lines of solutions, of rubrics and of hidden tests that stand nowhere else."""
    secret, open_, solution = set(), set(), False
    for cell in build.master(name).cells:
        if cell.cell_type == "raw":
            solution = (solution or cell.source.startswith("# BEGIN SOLUTION")) and (
                not cell.source.startswith("# END SOLUTION")
            )
        elif solution and cell.cell_type == "code":
            outside, *inside = re.split(r"# BEGIN SOLUTION\n", cell.source)
            for part in inside:
                hidden, rest = part.split("# END SOLUTION", 1)
                secret |= lines(hidden)
                outside += rest
            open_ |= lines(outside)
        elif solution or cell.source.startswith("# HIDDEN"):
            secret |= lines(cell.source)
        else:
            open_ |= lines(cell.source)
    assert len(secret) > 10
    return secret - open_


@pytest.mark.parametrize("name", NAMES)
def test_a_student_s_copy_gives_nothing_away(name):
    text = "\n".join(cell.source for cell in student(name).cells)
    public = "\n".join(
        path.read_text() for path in (build.TESTS / name).glob("*.py") if path.is_file()
    )
    assert not [line for line in secrets(name) if line in text]
    assert "HIDDEN" not in text + public
    assert "hidden=True" not in public
    for word in ("SOLUTION", "BEGIN ", "END "):
        assert word not in text


@pytest.mark.parametrize("name", GRADED)
def test_public_tests_in_the_package_are_those_of_the_master(name):
    with zipfile.ZipFile(build.BUILD / "grader" / f"{name}.zip") as archive:
        for path in (build.TESTS / name).glob("*.py"):
            full = archive.read(f"tests/{path.name}").decode()
            for case in path.read_text().split("@test_case")[1:]:
                assert case.strip() in full, "run make assignments, and commit the public tests"
            assert full.count("hidden=False") == path.read_text().count("hidden=False")
    assert name in plateaus.assignments.names()


@pytest.mark.parametrize("name", GRADED)
def test_a_student_s_copy_begins_with_what_it_needs_and_ends_with_how_to_hand_in(name):
    nb = student(name)
    assert nb.cells[0].cell_type == "code"
    assert f'grader = start("{name}")' in nb.cells[0].source
    assert "Hand in" in nb.cells[-1].source
    assert not [cell for cell in nb.cells if cell.get("outputs")]
    checks = [q["name"] for q in build.questions(name) if not q["manual"]]
    text = "\n".join(cell.source for cell in nb.cells)
    assert re.findall(r'grader\.check\("(\w+)"\)', text) == checks


@pytest.mark.parametrize("name", GRADED)
def test_an_assignment_has_the_size_of_one(name):
    questions = build.questions(name)
    assert 5 <= len(questions) <= 8
    assert all(q["points"] > 0 and q["minutes"] > 0 for q in questions)
    assert all(len(q["rubric"]) > 100 for q in questions if q["manual"])
    points, minutes = (sum(q[what] for q in questions) for what in ("points", "minutes"))
    assert 90 <= minutes <= 150
    head = (build.HERE / f"{name}.md").read_text()
    assert f"{points} points, {minutes} minutes.*" in head


def test_a_question_s_points_go_to_hidden_tests():
    for name in GRADED:
        for cell in build.master(name).cells:
            if cell.source.startswith("# BEGIN QUESTION") and "manual" not in cell.source:
                shares = [float(x) for x in re.findall(r"^- ([\d.]+)$", cell.source, re.M)]
                assert sum(shares) == pytest.approx(
                    next(
                        q["points"]
                        for q in build.questions(name)
                        if f"name: {q['name']}\n" in cell.source + "\n"
                    )
                )
                assert 0.0 in shares, "a question has public tests, too"


def test_the_project_is_read_and_not_tested():
    nb, found = student("project"), build.questions("project")
    text = "\n".join(cell.source for cell in nb.cells)
    assert "start(" not in text
    assert "grader" not in text
    assert all(q["manual"] and "Rubric for" in q["rubric"] for q in found)
    assert sum(int(n) for n in re.findall(r"Rubric for (\d+)", str(found))) == 20
    points, minutes = (sum(q[what] for q in found) for what in ("points", "minutes"))
    assert (points, minutes) == (40, 20 * 60)

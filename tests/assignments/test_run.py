"""One full `otter run` an assignment: the model answer has full marks, the untouched copy none."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import assignments.build as build
import assignments.grade as grade
import pytest

NAMES = [name for name in build.names() if name != "project"]


@cache
def graded():
    """Every assignment's model answer and untouched copy, two at a time."""
    jobs = {(name, kind): build.BUILD / kind / f"{name}.ipynb" for name in NAMES for kind in KINDS}

    def run(job):
        (name, _), file = job
        archive, sub = grade.Archive(name), grade.submission(file, file.parent)
        return grade.grade(sub, archive, set(archive.tests), containers=False, seconds=60)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(jobs, pool.map(run, jobs.items()), strict=True))


KINDS = ("answers", "student")


@pytest.mark.parametrize("name", NAMES)
def test_the_model_answer_has_full_marks(name):
    result = graded()[name, "answers"]
    assert {q: r["share"] for q, r in result["questions"].items()} == dict.fromkeys(
        grade.Archive(name).tests, 1.0
    )
    assert result["happened"] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_untouched_copy_has_none(name):
    result = graded()[name, "student"]
    assert {q: r["share"] for q, r in result["questions"].items()} == dict.fromkeys(
        grade.Archive(name).tests, 0.0
    )
    for question in result["questions"].values():
        assert not [t for t in question["tests"] if t["passed"]], "a stub passes a test"

"""One full `otter run` an assignment: the model answer has full marks."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import assignments.build as build
import assignments.grade as grade
import pytest

NAMES = [name for name in build.names() if name != "project"]


@cache
def graded():
    """Every assignment's model answer, two at a time."""

    def run(name):
        file, archive = build.BUILD / "answers" / f"{name}.ipynb", grade.Archive(name)
        sub = grade.submission(file, file.parent)
        return grade.grade(sub, archive, set(archive.tests), containers=False, seconds=60)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(NAMES, pool.map(run, NAMES), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_model_answer_has_full_marks(name):
    result = graded()[name]
    shares = {question: one["share"] for question, one in result["questions"].items()}
    assert shares == dict.fromkeys(grade.Archive(name).tests, 1.0)
    assert result["happened"] == []

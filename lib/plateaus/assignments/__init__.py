"""The assignments: what a student's notebook calls, and what a grader runs beside it.

A student's first cell calls `start`, which lays the assignment's public tests out beside the
notebook and gives otter-grader's `Notebook`; from then on `grader.check("q1")` works, on Colab, on
Binder and on a laptop alike. Hidden tests are in the grader's archive, never here.
`plateaus.assignments.guard` keeps a grader alive while it runs code that nobody has read.

Needs otter-grader: `pip install "plateaus[assignments]"`.
"""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

__all__ = ["names", "start"]

TESTS = files("plateaus.assignments") / "tests"


def names() -> list[str]:
    """The assignments of this copy of the package, such as `composition/queries`."""

    def below(folder: Traversable, path: str) -> Iterator[str]:
        inside = sorted(folder.iterdir(), key=lambda entry: entry.name)
        if any(entry.name.endswith(".py") for entry in inside):
            yield path
        for entry in inside:
            if entry.is_dir() and not entry.name.startswith("_"):
                yield from below(entry, f"{path}/{entry.name}".lstrip("/"))

    return list(below(TESTS, ""))


def start(name: str, *, folder: str | Path = "tests") -> Any:
    """Lay out the public tests of an assignment, and give the grader that runs them.

    Arguments:
        name: the assignment, one of `names()`.
        folder: where the tests go, relative to the notebook. Tests of the same name are replaced.

    Returns:
        An `otter.Notebook`, whose `check("q1")` says what the first question's tests say.

    Raises:
        ValueError: there is no such assignment in this copy of the package.
        ModuleNotFoundError: otter-grader is not installed.
    """
    try:
        import otter
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'otter-grader is not installed: run pip install "plateaus[assignments]".'
        ) from None
    if name not in names():
        raise ValueError(
            f"there is no assignment {name!r} in this copy of the package; "
            f"it has {', '.join(names())}. A newer notebook needs a newer package."
        )
    if not otter.Notebook._grading_mode:  # a grader has the tests laid out already, hidden ones too
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for test in (TESTS / name).iterdir():
            if test.name.endswith(".py"):
                (folder / test.name).write_text(test.read_text())
    return otter.Notebook(tests_dir=str(folder))

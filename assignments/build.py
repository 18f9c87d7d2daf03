"""Build the assignments from their masters.

    python assignments/build.py                # all
    python assignments/build.py composition/queries …
    python assignments/build.py --open         # what students open, and nothing that has to run

A master is a MyST notebook, `assignments/PART/NAME.md`, that holds questions, model answers,
rubrics, public tests and hidden ones, in otter-grader's own blocks. From it come, under
`build/assignments`,

    student/PART/NAME.ipynb   what students open: no answer, no hidden test, nothing that tells one
    grader/PART/NAME.zip      otter-grader's archive: `make grade`, `otter grade` or Gradescope
    answers/PART/NAME.ipynb   the model answer with the rubrics, executed; it gets full marks
    site/index.html           the same as pages, for instructors

and the public tests, which travel with the package:
`lib/plateaus/assignments/tests/PART/NAME/q1.py`. Public tests carry no points: they teach. The
points of a question are shared evenly by its hidden tests.
"""

import argparse
import contextlib
import hashlib
import io
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = ROOT / "build" / "assignments"
TESTS = ROOT / "lib" / "plateaus" / "assignments" / "tests"
sys.path.append(str(ROOT / "book" / "_ext"))

from repository import Repository, find  # noqa: E402

START = """\
# Installs what the assignment needs where it is missing, and lays out its tests.
{install}

from plateaus.assignments import start

grader = start("{name}")\
"""
START_READ = """\
# Installs what the project needs where it is missing.
{install}\
"""
SUBMIT = """\
## Hand in

Run the notebook once from top to bottom (*Restart and run all*), save it, and hand in this one
file, `{file}.ipynb`, under whatever name you like. The grader runs it anew, in an empty folder:
what a cell needs must be in a cell above. It runs each cell for {seconds:g} seconds at most."""
SUBMIT_READ = """\
## Hand in

Run the notebook once from top to bottom (*Restart and run all*), save it with its outputs, and hand
in this one file, `{file}.ipynb`. It is read, and perhaps run anew; no test runs on it."""
SECONDS = 20.0
INDEX = """\
# The answers

For instructors: the model answer of every assignment, with its rubrics. These pages are built apart
from the book's site and are no part of it; keep them where students cannot read them. How to hand
out, collect and grade stands in the book's appendix, *Teaching with this book*.

"""


def names() -> list[str]:
    """The assignments, such as `composition/queries`, in the order of their numbers."""
    masters = sorted(HERE.glob("*/*.md")) + sorted(HERE.glob("project.md"))
    return sorted((str(m.relative_to(HERE).with_suffix("")) for m in masters), key=number)


def number(name: str) -> tuple[int, str]:
    """Where an assignment stands, from its title; the project is last."""
    found = re.search(r"^# Assignment (\d+)", (HERE / f"{name}.md").read_text(), re.M)
    return (int(found[1]) if found else 99, name)


def title(name: str) -> str:
    """An assignment's title."""
    return re.search(r"^# (.+)$", (HERE / f"{name}.md").read_text(), re.M)[1]


def master(name: str) -> NotebookNode:
    """An assignment's master, with the configuration that all share and each question's points."""
    nb = jupytext.read(HERE / f"{name}.md")
    config = {
        "name": name,
        "tests": {"ok_format": False, "files": True},
        "init_cell": False,
        "export_cell": False,
        "check_all_cell": False,
        "run_tests": False,
        "solutions_pdf": False,
        "python_version": 3.12,
        "overwrite_requirements": True,
        "requirements": requirements(find()),
        "suppress_no_tests_warning": True,
        "generate": {
            "pdf": False,
            "show_hidden": False,
            "plugins": [{"plateaus.assignments.guard.Guard": {"seconds": SECONDS}}],
        },
    }
    share_points(nb)
    raw = "# ASSIGNMENT CONFIG\n" + yaml.safe_dump(config, sort_keys=False)
    nb.cells.insert(0, nbformat.v4.new_raw_cell(raw))
    return nb


def requirements(repo: Repository | None) -> list[str]:
    """What the grader's container installs."""
    source = f" @ git+{repo.url}@{repo.revision}" if repo else ""
    return [f"plateaus[assignments]{source}", "otter-grader[grading]==7.0.0"]


def share_points(nb: NotebookNode) -> None:
    """Write a question's points as otter's list: none for public tests, equal shares for others."""
    question: NotebookNode | None = None
    hidden: list[bool] = []
    for cell in nb.cells:
        if cell.cell_type == "raw" and cell.source.startswith("# BEGIN QUESTION"):
            question, hidden = cell, []
        elif (
            question is not None
            and cell.cell_type == "code"
            and "\ndef test_" in f"\n{cell.source}"
        ):
            hidden.append(cell.source.startswith("# HIDDEN"))
        elif question is not None and cell.source.startswith("# END QUESTION"):
            settings = yaml.safe_load(question.source.split("\n", 1)[1])
            if hidden:
                share = settings["points"] / max(1, sum(hidden))
                settings["points"] = [share if h else 0 for h in hidden]
            question.source = "# BEGIN QUESTION\n" + yaml.safe_dump(settings, sort_keys=False)
            question = None


def questions(name: str) -> list[dict[str, Any]]:
    """The questions of an assignment: `name`, `points`, `manual`, `title`, `minutes`, `rubric`."""
    nb, found = jupytext.read(HERE / f"{name}.md"), []
    text, inside = "", False
    for cell in nb.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            text = cell.source
        if cell.cell_type == "raw" and cell.source.startswith("# BEGIN QUESTION"):
            settings = yaml.safe_load(cell.source.split("\n", 1)[1])
            title = text.split("\n")[0].removeprefix("## ")
            minutes = re.search(r"\*(\d+) minutes", text)
            found.append(
                {
                    "name": settings["name"],
                    "points": settings["points"],
                    "manual": settings.get("manual", False),
                    "title": title,
                    "minutes": int(minutes[1]) if minutes else 0,
                    "rubric": "",
                }
            )
        elif cell.cell_type == "raw":
            inside = (inside or cell.source.startswith("# BEGIN SOLUTION")) and not (
                cell.source.startswith("# END SOLUTION")
            )
        elif inside and cell.cell_type == "markdown":
            found[-1]["rubric"] += cell.source + "\n"
    return found


def assign(name: str, folder: Path) -> Path:
    """Run otter's `assign` in a folder; where it has put what it made."""
    import otter.assign

    file = folder / f"{Path(name).name}.ipynb"
    nbformat.write(master(name), file)
    with contextlib.redirect_stdout(io.StringIO()):
        otter.assign.main(str(file), str(folder / "dist"), no_run_tests=True, no_pdfs=True)
    return folder / "dist"


def student(name: str, made: Path, repo: Repository | None) -> NotebookNode:
    """What students open: what otter made, a first cell that installs, and how to hand in."""
    from export import install_cell

    nb = nbformat.read(made / "student" / f"{Path(name).name}.ipynb", 4)
    tested = not all(q["manual"] for q in questions(name))
    first, last = (START, SUBMIT) if tested else (START_READ, SUBMIT_READ)
    needs = {"extra": "assignments", "module": "otter"} if tested else {}
    install = "\n".join(install_cell(repo, **needs).split("\n")[1:])
    nb.cells.insert(0, nbformat.v4.new_code_cell(first.format(install=install, name=name)))
    nb.cells.append(
        nbformat.v4.new_markdown_cell(last.format(file=Path(name).name, seconds=SECONDS))
    )
    for cell in nb.cells:  # marks that otter's own export would read
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"<!-- (?:BEGIN|END) QUESTION -->\n*", "", cell.source).strip()
    nb.cells = [cell for cell in nb.cells if cell.source]
    mark_answers(nb, [q["name"] for q in questions(name) if q["manual"]])
    return tidy(nb)


def mark_answers(nb: NotebookNode, manual: list[str]) -> None:
    """Say in each answer's cell whose answer it is, for who grades it by hand."""
    cells = [
        cell
        for cell in nb.cells
        if cell.cell_type == "markdown" and "otter_answer_cell" in cell.metadata.get("tags", [])
    ]
    for cell, question in zip(cells, manual, strict=True):
        cell.metadata["plateaus"] = {"question": question}


def tidy(nb: NotebookNode) -> NotebookNode:
    """The same notebook with names of cells that do not change from build to build."""
    for i, cell in enumerate(nb.cells):
        cell["id"] = f"cell-{i}"
    nb.metadata.pop("jupytext", None)
    nbformat.validate(nb)
    return nb


def answers(name: str, made: Path) -> NotebookNode:
    """The model answer, executed."""
    from nbclient import NotebookClient

    from kernels import FileKernelManager

    nb = nbformat.read(made / "autograder" / f"{Path(name).name}.ipynb", 4)
    cells, nb.cells = nb.cells, []
    for cell in cells:
        source = re.sub(r"<!-- (?:BEGIN|END) QUESTION -->\n*", "", cell.source).strip()
        if "otter_assign_solution_cell" in cell.metadata.get("tags", []):
            if cell.cell_type == "code":
                source = re.sub(
                    r"^ *# (?:BEGIN|END) SOLUTION.*\n?", "", source, flags=re.M
                ).rstrip()
            else:
                source = f"**Answer and rubric.** {source}"
        if source and not source.startswith(("grader.check(", "_Type your answer")):
            nb.cells.append(cell)
            cell.source = source
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    NotebookClient(nb, timeout=120, kernel_manager_class=FileKernelManager).execute()
    return tidy(nb)


def named(text: str) -> str:
    """A file of tests, each with its function's name in words."""
    return re.sub(
        r"@test_case\((.+)\)\ndef test_(\w+)",
        lambda found: (
            f'@test_case(name="{found[2].replace("_", " ")}", {found[1]})\ndef test_{found[2]}'
        ),
        text.replace("points=None, ", ""),
    )


def archive(old: Path, new: Path) -> None:
    """Otter's archive with the tests named; the same bytes whenever it is made."""
    with zipfile.ZipFile(old) as made, zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as kept:
        for entry in sorted(made.namelist()):
            data = made.read(entry)
            if entry.startswith("tests/"):
                data = named(data.decode()).encode()
            kept.writestr(zipfile.ZipInfo(entry), data)


def public_tests(made: Path) -> Iterator[tuple[str, str]]:
    """Each question's public tests as a file: its name, and its text in the house's format."""
    for path in sorted((made / "student" / "tests").glob("*.py")):
        if "@test_case" in (text := path.read_text()):
            yield path.name, named(text).rstrip() + "\n"


def build(name: str, *, executed: bool) -> None:
    """Build one assignment; the model answer is executed where it has changed."""
    with tempfile.TemporaryDirectory() as folder:
        made = assign(name, Path(folder))
        for kind in ("student", "grader", "answers"):
            (BUILD / kind / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(student(name, made, find()), BUILD / "student" / f"{name}.ipynb")
        (TESTS / name).mkdir(parents=True, exist_ok=True)
        tests = dict(public_tests(made))
        for path in (TESTS / name).glob("*.py"):
            if path.name not in tests:
                path.unlink()
        for file, text in tests.items():
            (TESTS / name / file).write_text(text)
        if archives := list((made / "autograder").glob("*.zip")):
            archive(archives[0], BUILD / "grader" / f"{name}.zip")
        if executed:
            key, kept = state(name), BUILD / "answers" / f"{name}.key"
            if not (kept.is_file() and kept.read_text() == key):
                nbformat.write(answers(name, made), BUILD / "answers" / f"{name}.ipynb")
                kept.write_text(key)


def state(name: str) -> str:
    """A hash of what a model answer's outputs depend on."""
    files = [HERE / f"{name}.md", ROOT / "requirements.lock", Path(__file__)]
    # Not the public tests, which other assignments' builds write at the same time.
    files += sorted(file for file in (ROOT / "lib").rglob("*.py") if TESTS not in file.parents)
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def site() -> None:
    """The model answers as pages, in the book's own theme, for instructors alone."""
    pages = BUILD / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(ROOT / "book" / "_static", pages / "_static")
    shutil.copytree(ROOT / "book" / "_templates", pages / "_templates")
    rows = ["| assignment | questions | points | minutes |", "|---|---|---|---|"]
    for name in names():
        (pages / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(BUILD / "answers" / f"{name}.ipynb", pages / f"{name}.ipynb")
        found = questions(name)
        points, minutes = (sum(q[what] for q in found) for what in ("points", "minutes"))
        rows.append(f"| [{title(name)}]({name}.ipynb) | {len(found)} | {points} | {minutes} |")
    (pages / "index.md").write_text(INDEX + "\n".join(rows) + "\n")
    toc = {"format": "jb-book", "root": "index", "chapters": [{"file": name} for name in names()]}
    (pages / "_toc.yml").write_text(yaml.safe_dump(toc))
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    config["title"] = "Plateaus and Power Laws: the answers"
    config["execute"] = {"execute_notebooks": "off"}
    config["exclude_patterns"] = []
    inner = config["sphinx"]["config"]
    del config["bibtex_bibfiles"], inner["bibtex_reference_style"]
    ours = set(config["sphinx"]["local_extensions"]) - {"offline"}
    inner["extensions"] = [e for e in inner["extensions"] if e not in ours and "bibtex" not in e]
    config["sphinx"]["local_extensions"] = {"offline": str(ROOT / "book" / "_ext")}
    (pages / "_config.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    book = str(Path(sys.executable).parent / "jupyter-book")
    command = [book, "build", str(pages), "--all", "-W", "-q"]
    command += ["--path-output", str(BUILD / "made")]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\nThe pages of answers could not be built; see above.")
    shutil.rmtree(BUILD / "site", ignore_errors=True)
    shutil.move(BUILD / "made" / "_build" / "html", BUILD / "site")
    shutil.rmtree(BUILD / "made")


def main() -> None:
    """Build the assignments named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="such as composition/queries; all by default")
    parser.add_argument("--open", action="store_true", help="only what students open")
    given = parser.parse_args()
    chosen = given.names or names()
    if unknown := set(chosen) - set(names()):
        raise SystemExit(f"there is no assignment {min(unknown)!r}; valid: {', '.join(names())}.")
    command = [sys.executable, __file__, "--open"] if given.open else [sys.executable, __file__]
    if len(chosen) > 1:  # otter changes the process's folder, so each has a process of its own
        with ThreadPoolExecutor(2) as pool:
            done = pool.map(lambda name: subprocess.run([*command, name], check=True), chosen)
            list(done)
    else:
        build(chosen[0], executed=not given.open)
        print(f"assignments: {chosen[0]}", flush=True)
    if not given.names and not given.open:
        site()
        print(f"For instructors: file://{BUILD / 'site' / 'index.html'}")


if __name__ == "__main__":
    main()

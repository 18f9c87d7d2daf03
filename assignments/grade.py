"""Grade a folder of submissions.

    python assignments/grade.py FOLDER [--out OUT] [--assignment PART/NAME] [--question q3] …

Each submission runs in a process of its own (in a container, where Docker is present), with limits
on time and memory. Whatever it does, it ends with a grade and a reason, and nobody else's changes.
OUT gets

    grades.csv           one row a student, as Canvas imports it; Moodle and others map its columns
    reports/STUDENT.md   what a student reads: points by question, failed tests, what went wrong
    by-hand/q2.md        each question that is graded by hand: the rubric, then all answers
    by-hand.csv          where these points go; read again, and kept, by the next run
    results.json         what has been graded so far

A run that is cut goes on when it is started again. What has been graded is graded again only where
the submission or a question's tests have changed, or where `--question` says so.
"""

import argparse
import csv
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# jsonschema's check of international addresses takes two seconds to import; notebooks have none.
QUICK = "import sys; sys.modules['rfc3987_syntax'] = None"
exec(QUICK)

import nbformat  # noqa: E402
from tqdm import tqdm  # noqa: E402

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "book" / "_ext")]

import build  # noqa: E402

SECONDS, MEMORY, TOTAL, SIZE = build.SECONDS, 2.0, 240.0, 300_000_000
"""Seconds for a cell or a test; GiB; seconds for a submission; bytes of a submission's file."""

START = 120.0
"""Seconds until a kernel must have begun, on a busy machine."""

ATTEMPTS = 5
"""How often a submission is begun whose kernel dies, each time without what it died of."""

CANVAS = re.compile(
    r"(?P<student>[^_]+)(?P<late>_LATE)?_(?P<id>\d+)_(?P<order>\d+)_(?P<file>.+)", re.I
)
MOODLE = re.compile(r"(?P<student>.+?)_(?P<id>\d+)_assignsubmission_file_?.*")
AGAIN = re.compile(r"(?:[-_ ](?:v|copy|attempt)?(\d{1,2})|[-_ ]?\((\d{1,2})\))$", re.I)


@dataclass(frozen=True)
class Submission:
    """A file that somebody handed in.

    Attributes:
        file: where it is.
        student: whose it is, as the name of the file or of its folder says.
        id: the number that the LMS has for the student, or nothing.
        late: whether the name says that it came late.
        order: attempts of one student in the order in which they came.
    """

    file: Path
    student: str
    id: str
    late: bool
    order: tuple[int, int, float]


def submission(file: Path, folder: Path) -> Submission:
    """Read from a file's name, and from that of its folder, who handed it in and when."""
    inside = file.relative_to(folder)
    again, stem = 0, file.stem
    if found := AGAIN.search(stem):
        again, stem = int(found[1] or found[2]), stem[: found.start()]
    modified = file.stat().st_mtime
    late = bool(re.search(r"(^|[_\- ])late($|[_\- ])", str(inside.with_suffix("")), re.I))
    if found := CANVAS.fullmatch(file.stem):
        order = (int(found["order"]), again, modified)
        return Submission(file, found["student"], found["id"], late, order)
    if len(inside.parts) > 1:
        name = inside.parts[0]
        if found := MOODLE.fullmatch(name):
            return Submission(file, found["student"], found["id"], late, (0, again, modified))
        return Submission(file, name, "", late, (0, again, modified))
    stem = re.sub(r"[_\- ]late$", "", stem, flags=re.I)
    return Submission(file, stem, "", late, (0, again, modified))


def submissions(folder: Path) -> tuple[list[Submission], list[str]]:
    """Each student's last submission, and a sentence about every other file."""
    last: dict[tuple[str, str], Submission] = {}
    said = []
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or any(
            part.startswith(".") for part in file.relative_to(folder).parts
        ):
            continue
        if file.suffix != ".ipynb":
            said.append(f"{file.relative_to(folder)} is no notebook and was not graded.")
            continue
        new = submission(file, folder)
        old = last.get((new.student, new.id))
        if old is not None:
            first, new = sorted((old, new), key=lambda one: one.order)
            said.append(
                f"{first.file.relative_to(folder)} was not graded: "
                f"{new.file.relative_to(folder)} came later from the same student."
            )
        last[new.student, new.id] = new
    return sorted(last.values(), key=lambda one: (one.student, one.id)), said


def read(file: Path) -> nbformat.NotebookNode:
    """A submission without its outputs.

    Raises:
        ValueError: it cannot be read as a notebook; the reason, in a sentence.
    """
    if (size := file.stat().st_size) > SIZE:
        raise ValueError(f"The file has {size / 1e6:.0f} MB; valid: {SIZE / 1e6:.0f} MB at most.")
    try:
        nb = nbformat.read(file, 4)
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell["outputs"], cell["execution_count"] = [], None
        _, nb = nbformat.validator.normalize(nb)
        nbformat.validate(nb)
    except Exception as error:
        line = str(error).strip().split("\n")[0][:200]
        raise ValueError(f"The file is no notebook that can be read ({line}).") from None
    return nb


def assignment(nb: nbformat.NotebookNode) -> str | None:
    """Which assignment a notebook is of, by its first cell or its metadata."""
    for cell in nb.cells:
        if found := re.search(r"^grader = start\([\"'](.+?)[\"']\)", cell.source, re.M):
            return found[1]
    return nb.metadata.get("otter", {}).get("assignment_name")


class Archive:
    """The grader's archive of an assignment: its questions and their tests."""

    def __init__(self, name: str) -> None:
        """Open what `make assignments` has built."""
        self.name, self.path = name, build.BUILD / "grader" / f"{name}.zip"
        if not self.path.is_file():
            raise SystemExit(f"{name} has not been built: run make assignments first.")
        with zipfile.ZipFile(self.path) as archive:
            self.tests = {
                Path(entry).stem: archive.read(entry).decode()
                for entry in sorted(archive.namelist())
                if entry.startswith("tests/")
            }
        self.questions = build.questions(name)
        self.title = build.title(name)

    def key(self, question: str) -> str:
        """What a question's grade depends on, beside the submission."""
        return hashlib.sha256(self.tests[question].encode()).hexdigest()[:16]

    def only(self, chosen: set[str], folder: Path) -> Path:
        """The archive with the tests of some questions alone."""
        path = folder / "autograder.zip"
        with zipfile.ZipFile(self.path) as old, zipfile.ZipFile(path, "w") as new:
            for entry in old.infolist():
                if not entry.filename.startswith("tests/") or Path(entry.filename).stem in chosen:
                    new.writestr(entry, old.read(entry))
        return path


# One submission ---------------------------------------------------------------------------------


def grade(
    sub: Submission, archive: Archive, chosen: set[str], *, containers: bool, seconds: float
) -> dict[str, Any]:
    """Grade some questions of a submission: points and tests by question, and what happened."""
    happened: list[str] = []
    try:
        nb = read(sub.file)
        other = assignment(nb)
        if other not in (None, archive.name):
            raise ValueError(f"This is a submission of {other}, not of {archive.name}.")
    except ValueError as error:
        return {"questions": nothing(archive, chosen, str(error)), "happened": [str(error)]}
    without: list[str] = []
    fail: dict[str, str] = {}
    result: dict[str, Any] | None = None
    numbers = {cell.source: i for i, cell in reversed(list(enumerate(nb.cells, 1)))}
    begun = time.monotonic()
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory(prefix="grade-") as folder:
            job = Path(folder)
            nbformat.write(nb, job / "submission.ipynb")
            archive.only(chosen, job)
            (job / "journal").touch()
            settings = {"without": without, "fail": fail, "seconds": seconds}
            (job / "settings.json").write_text(json.dumps(settings))
            ended = watch(job, containers, seconds, TOTAL - (time.monotonic() - begun))
            journal = read_journal(job / "journal")
            if (job / "result.json").is_file():
                result = json.loads((job / "result.json").read_text())
                break
        if not journal or time.monotonic() - begun > TOTAL:
            happened.append(f"It was not graded: {ended}.")
            break
        what, name = journal[-1]
        if greedy := [cell for event, cell in journal if event == "memory" and cell not in without]:
            what, name = "cell", greedy[-1]  # what it holds starves all that come after
        if what == "test" and name not in fail:
            fail[name] = f"{ended} in this question's tests, which were not run again"
            happened.append(f"{name}: {ended}, in its tests.")
        elif what == "cell" and name in numbers and name not in without:
            without.append(name)
            happened.append(
                f"Cell {numbers[name]}: {ended}. It was left out, and the rest was run."
            )
        else:
            happened.append(f"It was not graded: {ended}.")
            break
    if result is None:
        happened.append("It did not come to an end, so it has no points.")
        return {"questions": nothing(archive, chosen, "not graded"), "happened": happened}
    put_back = sorted({name for what, name in journal if what == "restored"})
    if put_back:
        happened.append(
            f"Replaced by the submission, put back before each test: {', '.join(put_back)}."
        )
    for source, error in result["errors"]:
        happened.append(f"Cell {numbers.get(source, '?')}: {error}")
    return {"questions": result["questions"], "happened": happened}


def nothing(archive: Archive, chosen: set[str], reason: str) -> dict[str, Any]:
    """No points for any question."""
    test = [{"name": "not run", "hidden": False, "passed": False, "says": reason}]
    return {
        question: {"share": 0.0, "tests": test} for question in sorted(chosen & set(archive.tests))
    }


def watch(job: Path, containers: bool, seconds: float, left: float) -> str:
    """Run a job until it ends or must be ended; how it ended, in words."""
    log = (job / "log").open("wb")
    process = subprocess.Popen(
        command(job, containers), stdout=log, stderr=log, start_new_session=True
    )
    begun = moved = time.monotonic()
    size, ended = -1, "the process died"
    while process.poll() is None:
        time.sleep(0.05)
        now, new = time.monotonic(), (job / "journal").stat().st_size
        if new != size:
            size, moved = new, now
        if now - moved > (1.5 * seconds + 15 if size else START):
            ended = f"it went on after {seconds:g} seconds and could not be interrupted"
        elif now - begun > left:
            ended = f"it took more than {TOTAL:g} seconds in all"
        else:
            continue
        kill(process, containers, job)
    log.close()
    return ended


def command(job: Path, containers: bool) -> list[str]:
    """What runs a job: this file in a process, or in a container without network."""
    if not containers:
        return [sys.executable, str(HERE / "grade.py"), "--job", str(job)]
    limits = [
        "--network",
        "none",
        "--memory",
        f"{MEMORY + 1.5:g}g",
        "--cpus",
        "1",
        "--pids-limit",
        "256",
    ]
    mounts = [
        "--volume",
        f"{job}:/job",
        "--user",
        f"{os.getuid()}:{os.getgid()}",
        "--env",
        "HOME=/tmp",
    ]
    run = ["docker", "run", "--rm", "--name", job.name, *limits, *mounts]
    return [*run, "plateaus-grader", "python", "assignments/grade.py", "--job", "/job"]


def docker() -> bool:
    """Whether there is a Docker that answers."""
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def kill(process: subprocess.Popen[bytes], containers: bool, job: Path) -> None:
    """End a job and all that it has started."""
    import psutil

    if containers:
        subprocess.run(["docker", "kill", job.name], capture_output=True)
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    for one in [*family, process]:
        try:
            one.kill()
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    process.wait()


def read_journal(path: Path) -> list[tuple[str, str]]:
    """The journal's lines: what, and which."""
    lines = []
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # cut by the end of the process
        lines.append((entry["event"], entry["what"]))
    return lines


def run_job(job: Path) -> None:
    """Grade the submission in a folder by otter-grader; what `command` runs."""
    import nbconvert.preprocessors
    import otter.run

    from kernels import FileKernelManager

    settings = json.loads((job / "settings.json").read_text())
    os.environ["PLATEAUS_JOURNAL"] = str(job / "journal")
    os.environ["PLATEAUS_WITHOUT"] = json.dumps(settings["without"])
    os.environ["PLATEAUS_SECONDS"] = json.dumps(settings["seconds"])
    os.environ["PLATEAUS_FAIL"] = json.dumps(settings["fail"])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["MPLBACKEND"] = "agg"
    nbconvert.preprocessors.ExecutePreprocessor = functools.partial(
        nbconvert.preprocessors.ExecutePreprocessor,
        kernel_manager_class=FileKernelManager,
        extra_arguments=[f"--IPKernelApp.exec_lines={QUICK}"],
    )
    graded = otter.run.main(
        str(job / "submission.ipynb"),
        autograder=str(job / "autograder.zip"),
        output_dir="",
        no_logo=True,
    )
    if graded.catastrophic_error is not None:
        raise graded.catastrophic_error
    questions = {}
    for name, file in graded.results.items():
        questions[name] = {
            "share": float(file.score / file.possible) if file.possible else float(file.passed_all),
            "tests": [
                {
                    "name": one.test_case.name,
                    "hidden": one.test_case.hidden,
                    "passed": one.passed,
                    "says": "" if one.passed else " ".join(one.message.split("\n")[1:]),
                }
                for one in file.test_case_results
            ],
        }
    errors = []
    for cell in graded.notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error" and not cell.source.startswith("notebook_"):
                errors.append(
                    (cell.source, f"{output.ename}: {output.evalue}".split("\n")[0][:300])
                )
    (job / "part").write_text(json.dumps({"questions": questions, "errors": errors}))
    (job / "part").rename(job / "result.json")


# Folders, tables and reports ---------------------------------------------------------------------


class Book:
    """What has been graded so far, in the folder of results."""

    def __init__(self, out: Path, archive: Archive) -> None:
        """Read what an earlier run has left.

        Raises:
            SystemExit: the folder holds results of another assignment, or a file that is damaged.
        """
        self.out, self.archive, self.path = out, archive, out / "results.json"
        self.graded: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            try:
                kept = json.loads(self.path.read_text())
                name, self.graded = kept["assignment"], kept["graded"]
            except (ValueError, KeyError):
                raise SystemExit(f"{self.path} is damaged: move it away to grade anew.") from None
            if name != archive.name:
                raise SystemExit(f"{out} holds the grades of {name}: give another --out.")
        out.mkdir(parents=True, exist_ok=True)

    def stale(self, sub: Submission, again: set[str]) -> set[str]:
        """The questions of a submission that have to be graded."""
        old = self.graded.get(who(sub))
        if old is None or old["sha256"] != digest(sub.file):
            return set(self.archive.tests)
        changed = {q for q in self.archive.tests if old["keys"].get(q) != self.archive.key(q)}
        return changed | again

    def add(self, sub: Submission, chosen: set[str], result: dict[str, Any]) -> None:
        """Keep the grades of some questions, on the disk at once."""
        old, sha = self.graded.get(who(sub)), digest(sub.file)
        if old is None or old["sha256"] != sha:
            old = {"keys": {}, "questions": {}}
        self.graded[who(sub)] = {
            "sha256": sha,
            "keys": old["keys"] | {q: self.archive.key(q) for q in chosen},
            "questions": old["questions"] | result["questions"],
            "happened": result["happened"],
        }
        part = self.path.with_suffix(".part")
        part.write_text(
            json.dumps({"assignment": self.archive.name, "graded": self.graded}, indent=1)
        )
        part.replace(self.path)


def who(sub: Submission) -> str:
    """A student, as a key and as the name of a file."""
    return re.sub(r"[^\w\-.]+", "-", f"{sub.student}-{sub.id}" if sub.id else sub.student)


def digest(file: Path) -> str:
    """The hash of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def by_hand(
    out: Path, found: list[Submission], archive: Archive
) -> dict[tuple[str, str], dict[str, str]]:
    """The table of points given by hand: what is filled in, and empty rows for the rest.

    Raises:
        SystemExit: an entry is no number, or more than the question has.
    """
    manual = {q["name"]: q for q in archive.questions if q["manual"]}
    path, rows = out / "by-hand.csv", {}
    if path.is_file():
        with path.open(newline="") as stream:
            for row in csv.DictReader(stream):
                rows[row["student"], row["question"]] = row
    for (student, question), row in rows.items():
        if question in manual and (given := row["points"].strip()):
            try:
                valid = 0 <= float(given) <= manual[question]["points"]
            except ValueError:
                valid = False
            if not valid:
                raise SystemExit(
                    f"{path}: {student} has {given!r} points in {question}; "
                    f"valid: 0 to {manual[question]['points']}, or nothing."
                )
    for sub in found:
        for name, question in manual.items():
            new = {"student": who(sub), "question": name, "points": "", "comment": ""}
            rows.setdefault((who(sub), name), new)["of"] = str(question["points"])
    with path.open("w", newline="") as stream:
        table = csv.DictWriter(stream, ["student", "question", "points", "of", "comment"])
        table.writeheader()
        table.writerows(rows[key] for key in sorted(rows))
    return rows


def sheets(out: Path, found: list[Submission], archive: Archive) -> None:
    """A page for each question that is graded by hand: its rubric, then everybody's answer."""
    (out / "by-hand").mkdir(exist_ok=True)
    texts: dict[str, list[str]] = {q["name"]: [] for q in archive.questions if q["manual"]}
    for sub in found:
        try:
            given = written(read(sub.file), list(texts))
        except ValueError:
            given = {}
        for name, text in texts.items():
            text.append(f"## {who(sub)}\n\n{given.get(name) or '*No answer.*'}")
    for question in archive.questions:
        if question["manual"]:
            title = f"# {question['title']}: {question['points']} points"
            head = f"{title}\n\n{question['rubric'].strip()}"
            text = "\n\n---\n\n".join([head, *texts[question["name"]]])
            (out / "by-hand" / f"{question['name']}.md").write_text(text + "\n")


def written(nb: nbformat.NotebookNode, manual: list[str]) -> dict[str, str]:
    """The answers in words: from cells marked as such, or, where marks are lost, in their order."""
    cells = [cell for cell in nb.cells if cell.cell_type == "markdown"]
    marked = {
        c.metadata["plateaus"]["question"]: c.source for c in cells if "plateaus" in c.metadata
    }
    if not marked:
        tagged = [c.source for c in cells if "otter_answer_cell" in c.metadata.get("tags", [])]
        marked = dict(zip(manual, tagged, strict=False))
    empty = "_Type your answer here, replacing this text._"
    return {name: text.strip() for name, text in marked.items() if text.strip() != empty}


def points(
    archive: Archive, graded: dict[str, Any], rows: dict[tuple[str, str], dict[str, str]], name: str
) -> Iterator[tuple[dict[str, Any], float | None]]:
    """A student's points by question; None where they are still to be given by hand."""
    for question in archive.questions:
        if question["manual"]:
            given = rows.get((name, question["name"]), {}).get("points", "").strip()
            yield question, float(given) if given else None
        else:
            share = graded["questions"].get(question["name"], {"share": 0.0})["share"]
            yield question, round(share * question["points"], 2)


def report(
    sub: Submission,
    archive: Archive,
    graded: dict[str, Any],
    rows: dict[tuple[str, str], dict[str, str]],
) -> tuple[float, str]:
    """A student's total, and what the student reads."""
    got = list(points(archive, graded, rows, who(sub)))
    total = sum(value for _, value in got if value is not None)
    possible = sum(q["points"] for q, _ in got)
    open_ = sum(q["points"] for q, value in got if value is None)
    lines = [f"# {archive.title}", "", f"**{sub.student}**: {total:g} of {possible:g} points."]
    if open_:
        lines[-1] += f" {open_:g} of these are still to be given by hand."
    if sub.late:
        lines += ["", "Handed in late."]
    lines += ["", "| question | points | of | |", "|---|---|---|---|"]
    for question, value in got:
        comment = rows.get((who(sub), question["name"]), {}).get("comment", "")
        shown = "–" if value is None else f"{value:g}"
        lines.append(f"| {question['title']} | {shown} | {question['points']} | {comment} |")
    for question, _ in got:
        tests = graded["questions"].get(question["name"], {"tests": []})["tests"]
        failed = [test for test in tests if not test["passed"]]
        if failed:
            lines += ["", f"## {question['title']}", ""]
        for test in failed:
            kind = "hidden test" if test["hidden"] else "test"
            says = test["says"].split(":")[0] if test["hidden"] else test["says"]
            lines.append(f"- {kind} *{test['name']}*: {says}")
    if graded["happened"]:
        lines += ["", "## What happened while it ran", ""]
        lines += [f"- {line}" for line in graded["happened"]]
    return total, "\n".join(lines) + "\n"


def table(
    out: Path, totals: list[tuple[Submission, float]], archive: Archive, roster: Path | None
) -> None:
    """The CSV: one row a student, in Canvas's columns; with a roster, in the roster's rows."""
    possible = sum(q["points"] for q in archive.questions)
    first = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    rows = [
        {"Student": sub.student, "ID": sub.id, archive.title: f"{total:g}"} for sub, total in totals
    ]
    if roster is not None:
        with roster.open(newline="", encoding="utf-8-sig") as stream:
            listed = [
                row for row in csv.DictReader(stream) if "Points Possible" not in row["Student"]
            ]
        matched = set()
        for row in listed:
            for sub, total in totals:
                login = row.get("SIS Login ID", "")
                if (sub.id and sub.id == row.get("ID")) or sub.student in (row["Student"], login):
                    row[archive.title] = f"{total:g}"
                    matched.add(who(sub))
        left = [sub.student for sub, _ in totals if who(sub) not in matched]
        if left:
            print(f"Not on the roster, added below it: {', '.join(left)}.")
        rows = listed + [row for row in rows if row["Student"] in left]
    with (out / "grades.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*first, archive.title], restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerow({"Student": "    Points Possible", archive.title: possible})
        writer.writerows(rows)


def grade_all(
    folder: Path,
    out: Path,
    name: str | None,
    again: set[str],
    workers: int,
    containers: bool,
    seconds: float,
    roster: Path | None,
) -> None:
    """Grade a folder; see the module's text."""
    found, said = submissions(folder)
    if not found:
        raise SystemExit(f"{folder} has no notebook in it.")
    if name is None:
        name = common(found)
    archive = Archive(name)
    if unknown := again - set(archive.tests):
        raise SystemExit(
            f"{name} has no question {min(unknown)!r} with tests; "
            f"it has {', '.join(archive.tests)}."
        )
    book = Book(out, archive)
    todo = [(sub, chosen) for sub in found if (chosen := book.stale(sub, again))]
    bar = tqdm(total=len(todo), unit="submission", file=sys.stderr, disable=not todo)
    one = functools.partial(grade, containers=containers, seconds=seconds)
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(one, sub, archive, chosen): (sub, chosen) for sub, chosen in todo}
        for job in as_completed(jobs):
            book.add(*jobs[job], job.result())
            bar.update()
    bar.close()
    rows = by_hand(out, found, archive)
    sheets(out, found, archive)
    shutil.rmtree(out / "reports", ignore_errors=True)
    (out / "reports").mkdir()
    totals = []
    untested = {"questions": {}, "happened": []}  # as the whole project is
    for sub in found:
        total, text = report(sub, archive, book.graded.get(who(sub), untested), rows)
        (out / "reports" / f"{who(sub)}.md").write_text(text)
        totals.append((sub, total))
    table(out, totals, archive, roster)
    for sentence in said:
        print(sentence)
    open_ = sum(not row["points"].strip() for row in rows.values())
    print(f"{len(found)} submissions of {name}, {len(todo)} graded now: {out / 'grades.csv'}.")
    if open_:
        print(
            f"{open_} answers are to be graded by hand: {out / 'by-hand'}, points into by-hand.csv."
        )


def common(found: list[Submission]) -> str:
    """The assignment that most submissions are of."""
    names: Counter[str] = Counter()
    for sub in found:
        try:
            names[assignment(read(sub.file)) or ""] += 1
        except ValueError:
            continue
    name = next((name for name, _ in names.most_common() if name in build.names()), None)
    if name is None:
        raise SystemExit(
            "No submission says which assignment it is of: give --assignment PART/NAME."
        )
    return name


def main() -> None:
    """Read the command line, and grade."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "folder", nargs="?", type=Path, help="the submissions, as an LMS hands them out"
    )
    parser.add_argument("--out", type=Path, help="where results go; FOLDER-grades by default")
    parser.add_argument(
        "--assignment", choices=build.names(), help="by default what the notebooks say"
    )
    parser.add_argument("--question", nargs="*", default=[], help="grade these anew")
    parser.add_argument("--roster", type=Path, help="the gradebook as the LMS exports it, a CSV")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="how many at once")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for a cell or a test")
    parser.add_argument("--containers", choices=["auto", "yes", "no"], default="auto")
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job is not None:
        return run_job(given.job)
    if given.folder is None or not given.folder.is_dir():
        raise SystemExit(f"{given.folder} is no folder: give the folder of the submissions.")
    containers = given.containers == "yes" or (given.containers == "auto" and docker())
    if containers:
        image = [
            "docker",
            "build",
            "--quiet",
            "--tag",
            "plateaus-grader",
            "--file",
            str(HERE / "Dockerfile"),
        ]
        subprocess.run([*image, str(HERE.parent)], check=True)
    else:
        print(
            "Each submission in a process of its own; for those you do not trust, use containers."
        )
    folder = given.folder.resolve()
    out = (given.out or folder.with_name(f"{folder.name}-grades")).resolve()
    grade_all(
        folder,
        out,
        given.assignment,
        set(given.question),
        given.workers,
        containers,
        given.seconds,
        given.roster,
    )


if __name__ == "__main__":
    main()

"""Execute the chapters, each once, and only those whose results could have changed.

    python book/_ext/execute.py            # what is out of date, into build/executed
    python book/_ext/execute.py --again    # a second time, into build/again: what changed since
                                           # the last commit on main, and two chapters in rotation
    python book/_ext/execute.py --again --all

A chapter's results depend on its code cells, on the modules of the library that these import (and
on the stored results, where these can be loaded), on the lock file and on Python's version. A
hash of these is the chapter's key; while it stays the same, an edit of prose keeps the old
outputs and nothing runs. nbmake executes the rest, two chapters at a time with two threads each,
so that results do not depend on the number of cores. myst-nb finds every executed chapter in its
cache, `build/cache`.
"""

import argparse
import ast
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from nbformat import NotebookNode

from chapters import BUILD, ROOT, chapters, code_cells, notebook, source, tags

SECONDS = 90
"""What a chapter may take, on two cores."""

KERNELS = Path(__file__).with_name("kernels.py")
"""What pytest reads beside the chapters, as their `conftest.py`."""

EXECUTED, AGAIN = BUILD / "executed", BUILD / "again"


def imports(code: str, package: str) -> Iterator[str]:
    """The modules that a piece of code imports, or takes names from; names may be among them."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def inputs(nb: NotebookNode, page: str) -> list[Path]:
    """The files, beside its own source, that a chapter's results depend on."""
    found = {ROOT / "requirements.lock"}
    try:
        todo = [name for cell in code_cells(nb) for name in imports(cell.source, "plateaus")]
    except SyntaxError as error:
        raise SystemExit(f"{page}: a code cell is no valid Python: {error}.") from None
    while todo:
        path = ROOT / "lib" / todo.pop().replace(".", "/")
        for file in (path / "__init__.py", path.with_suffix(".py"), path.parent / "__init__.py"):
            if file.is_file() and file not in found:
                found.add(file)
                todo += imports(file.read_text(), package_of(file))
    if ROOT / "lib" / "plateaus" / "experiments" / "__init__.py" in found:
        found.update((ROOT / "results").glob("*/*"))
    return sorted(found)


def package_of(file: Path) -> str:
    """The package that a file of the library is in, such as `plateaus.emergence`."""
    return ".".join(file.parent.relative_to(ROOT / "lib").parts)


def key(nb: NotebookNode, page: str) -> str:
    """A hash of everything that a chapter's results depend on."""
    code = [(cell.source, tags(cell)) for cell in code_cells(nb)]
    digest = hashlib.sha256(json.dumps([code, sys.version_info[:2]]).encode())
    for file in inputs(nb, page):
        digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return digest.hexdigest()


def run(pages: list[str], folder: Path) -> dict[str, NotebookNode]:
    """Execute chapters with nbmake, in `folder`, and give them back with their outputs.

    Raises:
        SystemExit: a chapter failed; nbmake has printed where.
    """
    shutil.rmtree(folder, ignore_errors=True)
    files = [folder / f"{page}.ipynb" for page in pages]
    for page, file in zip(pages, files, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook(page), file)
    shutil.copy(KERNELS, folder / "conftest.py")
    command = [
        *(sys.executable, "-m", "pytest", "--nbmake", "--overwrite", f"--nbmake-timeout={SECONDS}"),
        *(f"-n{min(2, len(pages))}", "-v", "--no-header", "-p", "no:cacheprovider"),
        *("--rootdir", folder, "-c", os.devnull, *files),
    ]
    # Threads that wait sleep: four that spin on two cores would take all the time there is.
    threads = {"OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
    failed = subprocess.run(command, env=os.environ | threads).returncode
    if failed:
        raise SystemExit("A chapter failed; the cell and its traceback stand above.")
    done = {page: nbformat.read(file, 4) for page, file in zip(pages, files, strict=True)}
    for nb, file in zip(done.values(), files, strict=True):
        join_streams(nb)
        nbformat.write(nb, file)
    return done


def join_streams(nb: NotebookNode) -> None:
    """Join what a cell printed at once but the kernel sent in pieces, which chance cuts."""
    for cell in code_cells(nb):
        joined: list[NotebookNode] = []
        for output in cell.outputs:
            if joined and output.get("name") and output.get("name") == joined[-1].get("name"):
                joined[-1].text += output.text
            else:
                joined.append(output)
        cell.outputs = joined


def seconds(nb: NotebookNode) -> float:
    """The time from a notebook's first cell to its last, and take the time stamps off."""
    stamps = [
        datetime.fromisoformat(stamp.replace("Z", "+00:00"))
        for cell in code_cells(nb)
        for stamp in cell.metadata.pop("execution", {}).values()
    ]
    return round((max(stamps) - min(stamps)).total_seconds(), 1)


def execute() -> None:
    """Bring `build/executed` and myst-nb's cache up to date."""
    EXECUTED.mkdir(parents=True, exist_ok=True)
    log_file = EXECUTED / "log.json"
    log = json.loads(log_file.read_text()) if log_file.exists() else {}
    fresh = {page: notebook(page) for page in chapters()}
    keys = {page: key(nb, page) for page, nb in fresh.items()}
    stale = [page for page in fresh if log.get(page, {}).get("key") != keys[page]]
    print(f"Chapters: {len(fresh)}, to execute: {len(stale)}. {' '.join(stale)}", flush=True)
    done = run(stale, BUILD / "running") if stale else {}
    for page, nb in fresh.items():
        file = EXECUTED / f"{page}.ipynb"
        old = done[page] if page in done else nbformat.read(file, 4)
        if page in done:
            log[page] = {"key": keys[page], "seconds": seconds(old)}
            print(f"  {page}: {log[page]['seconds']} s", flush=True)
        for cell, with_outputs in zip(code_cells(nb), code_cells(old), strict=True):
            cell.outputs = with_outputs.outputs
            cell.execution_count = with_outputs.execution_count
        text = nbformat.writes(nb)
        if not file.exists() or file.read_text() != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    log = {page: log[page] for page in fresh}
    for file in EXECUTED.rglob("*.ipynb"):
        if str(file.relative_to(EXECUTED).with_suffix("")) not in fresh:
            file.unlink()  # a chapter that is no more
    log_file.write_text(json.dumps(log, indent=1))

    cache = get_cache(str(BUILD / "cache"))
    cache.clear_cache()
    for page in fresh:
        cache.cache_notebook_file(
            EXECUTED / f"{page}.ipynb", uri=str(source(page)), check_validity=False, overwrite=True
        )


def due() -> list[str]:
    """The chapters to repeat: those changed since the last commit on main, and two in rotation."""

    def git(*command: str) -> str:
        return subprocess.run(
            ["git", *command], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()

    try:
        head = git("rev-parse", "HEAD")
        with_main = "origin/main" in git("branch", "--remotes")
        base = git("merge-base", "HEAD", "origin/main") if with_main else head
        changed = git("diff", "--name-only", f"{head}~1" if base == head else base).splitlines()
        changed += git("ls-files", "--others", "--exclude-standard").splitlines()
        commits = int(git("rev-list", "--count", "HEAD"))
    except (OSError, subprocess.CalledProcessError):  # no git, or no history: repeat them all
        return chapters()
    pages = chapters()
    rotation = {pages[(2 * commits + i) % len(pages)] for i in (0, 1)}
    return [
        page
        for page in pages
        if page in rotation
        or any(
            str(file.relative_to(ROOT)) in changed
            for file in [source(page), *inputs(notebook(page), page)]
        )
    ]


def main() -> None:
    """Do what the module's first lines say."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--again", action="store_true", help="a second time, into build/again")
    parser.add_argument("--all", action="store_true", help="every chapter")
    options = parser.parse_args()
    if options.again:
        pages = chapters() if options.all else due()
        print(f"To execute a second time: {' '.join(pages)}", flush=True)
        run(pages, AGAIN)
        return
    if options.all:
        shutil.rmtree(EXECUTED, ignore_errors=True)
    execute()


if __name__ == "__main__":
    main()

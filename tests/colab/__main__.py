"""Run the exported notebooks where only Colab's packages are: `make colab`.

    python -m tests.colab                     # every chapter and every assignment
    python -m tests.colab emergence/hermite …

`packages.txt` is what a Colab runtime brings, with versions, as of 2026-08-19. They are installed,
as far as pip has them and without anything that they ask for, into `build/colab/env`, with a
Python 3.13 and whatever PyTorch pip finds (Colab's own build comes from elsewhere). Each notebook
then runs from top to bottom in an empty folder of its own, its first cell included, which installs
this repository. The environment is copied back before each: no notebook lives on what another has
installed. An assignment is unsolved: only its first cell must pass.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "colab"
PYTHON = "python3.13"
NOTEBOOKS = ROOT / "build" / "notebooks"


def pip(*words: str) -> bool:
    """Run pip in the environment; whether it succeeded."""
    command = [str(FOLDER / "env" / "bin" / "python"), "-m", "pip", "install", "--quiet", *words]
    return subprocess.run(command, capture_output=True).returncode == 0


def environment() -> None:
    """Make the environment, once, and keep a copy of it.

    Raises:
        SystemExit: there is no Python 3.13.
    """
    if (FOLDER / "ready").is_file():
        return
    if shutil.which(PYTHON) is None:
        raise SystemExit(f"{PYTHON} is not there, and Colab has it: install it to run this.")
    shutil.rmtree(FOLDER, ignore_errors=True)
    subprocess.run([PYTHON, "-m", "venv", str(FOLDER / "env")], check=True)
    wanted = (Path(__file__).parent / "packages.txt").read_text().split()
    missing = [name for name in wanted if not pip("--no-deps", name)]
    if not pip("torch"):
        raise SystemExit("pip finds no PyTorch.")
    pip(*[n for n in wanted if n.startswith(("ipykernel==", "nbconvert==", "nbclient=="))])
    print(
        f"{len(wanted) - len(missing)} of {len(wanted)} packages; not found: {missing or 'none'}."
    )
    shutil.copytree(FOLDER / "env", FOLDER / "kept", symlinks=True)
    (FOLDER / "ready").touch()


def run(name: str) -> tuple[bool, float, str]:
    """Run one notebook: whether it passed, in how many seconds, and its last words if not."""
    shutil.rmtree(FOLDER / "env")
    shutil.copytree(FOLDER / "kept", FOLDER / "env", symlinks=True)
    folder = FOLDER / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(NOTEBOOKS / f"{name}.ipynb", folder / "notebook.ipynb")
    words = ["-m", "nbconvert", "--to", "notebook", "--execute", "--output", "done.ipynb"]
    words += ["--ExecutePreprocessor.timeout=600", "--ExecutePreprocessor.kernel_name=python3"]
    if name.startswith("assignments/"):
        words.append("--allow-errors")  # its questions are unsolved
    python = FOLDER / "env" / "bin" / "python"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    clean["PATH"] = f"{python.parent}:{clean['PATH']}"
    begun = time.perf_counter()
    done = subprocess.run(
        [str(python), *words, "notebook.ipynb"],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
    )
    seconds, said = time.perf_counter() - begun, done.stderr.strip().split("\n")[-1][:200]
    passed = done.returncode == 0
    if passed and name.startswith("assignments/"):
        first = nbformat.read(folder / "done.ipynb", 4).cells[0]
        errors = [output for output in first.outputs if output.output_type == "error"]
        passed, said = not errors, errors[0].evalue[:200] if errors else ""
    return passed, seconds, "" if passed else said


def main() -> None:
    """Run the notebooks named, or all, and say how each went."""
    every = sorted(
        str(p.relative_to(NOTEBOOKS).with_suffix("")) for p in NOTEBOOKS.rglob("*.ipynb")
    )
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="such as emergence/hermite; all by default")
    chosen = parser.parse_args().names or every
    if unknown := set(chosen) - set(every):
        raise SystemExit(f"there is no notebook {min(unknown)!r}: run make notebooks first.")
    environment()
    failed = []
    for name in chosen:
        passed, seconds, said = run(name)
        print(f"{name:45} {'passed' if passed else 'FAILED'} {seconds:6.0f} s  {said}", flush=True)
        failed += [] if passed else [name]
    if failed:
        sys.exit(f"{len(failed)} of {len(chosen)} notebooks failed.")


if __name__ == "__main__":
    main()

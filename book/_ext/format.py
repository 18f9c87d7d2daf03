"""Format the chapters' code cells with ruff, in place; `make format` calls this."""

import subprocess
import sys

from chapters import chapters, code_cells, notebook, source

RUFF = [sys.executable, "-m", "ruff", "format"]


def main() -> None:
    """Rewrite each chapter whose cells ruff would write differently."""
    for page in chapters():
        text = source(page).read_text()
        for cell in code_cells(notebook(page)):
            done = subprocess.run(
                [*RUFF, "--line-length", "80", "--stdin-filename", "cell.py", "-"],
                input=cell.source,
                capture_output=True,
                text=True,
                check=True,
            )
            text = text.replace(cell.source, done.stdout.rstrip("\n"))
        source(page).write_text(text)


if __name__ == "__main__":
    main()

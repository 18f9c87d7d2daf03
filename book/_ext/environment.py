"""Make `.venv`, the environment that every `make` target uses, from the lock file.

    python3 book/_ext/environment.py [arguments for pip]

This file runs on whatever Python there is, to say in one sentence what is missing.
"""

import os
import shutil
import subprocess
import sys

OLDEST, NEWEST = (3, 11), (3, 13)
CHECK = "import sys; sys.exit(not %r <= sys.version_info[:2] <= %r)" % (OLDEST, NEWEST)  # noqa: UP031


def supported(python):
    """Whether a command is a Python that the lock file serves."""
    try:
        return subprocess.call([python, "-c", CHECK], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def version(python):
    """What a command says its version of Python is; None where it does not run."""
    try:
        return subprocess.check_output([python, "-c", "import sys; print(sys.version_info[:2])"])
    except (OSError, subprocess.CalledProcessError):
        return None


def main():
    """Create or renew the environment; stop with one sentence where that cannot be done."""
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    names = [sys.executable] + ["python3.%d" % minor for minor in (13, 12, 11)]  # noqa: UP031
    python = next((name for name in names if supported(name)), None)
    if python is None:
        sys.exit(
            "Python %d.%d to %d.%d is needed, and %s is %d.%d: install one of them and run "  # noqa: UP031
            "make PYTHON=/path/to/python3.13 book."
            % (OLDEST + NEWEST + (sys.executable,) + sys.version_info[:2])
        )
    if os.path.exists(".venv") and version(".venv/bin/python") != version(python):
        shutil.rmtree(".venv")
    if subprocess.call([python, "-m", "venv", ".venv"], stdout=subprocess.DEVNULL):
        shutil.rmtree(".venv", ignore_errors=True)
        sys.exit(
            "The environment could not be made, most often because the venv module is missing: "
            "on Debian or Ubuntu, install the package python3-venv."
        )
    print("Installing the packages of requirements.lock into .venv: minutes, once.")
    sys.stdout.flush()
    pip = [".venv/bin/python", "-m", "pip", "install", "--quiet"] + sys.argv[1:]  # noqa: RUF005
    own = ["--no-deps", "--no-build-isolation", "--editable", "."]
    if subprocess.call(pip + ["-r", "requirements.lock"]) or subprocess.call(pip + own):  # noqa: RUF005
        sys.exit(
            "The packages could not be installed; pip says above why. Check the network and the "
            "disk, then run make again: it goes on where it stopped."
        )
    with open(".venv/ready", "w") as stamp:
        stamp.write(python + "\n")


if __name__ == "__main__":
    main()

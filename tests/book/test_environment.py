"""`environment.yml`, `pyproject.toml` and the lock file agree; `make` says what is missing."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import environment
from chapters import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text().splitlines()
# The extra `bench` is JAX, which only `make bench` installs.
EXTRAS = {
    name: needs for name, needs in PROJECT["optional-dependencies"].items() if name != "bench"
}
DECLARED = [
    Requirement(text) for texts in [PROJECT["dependencies"], *EXTRAS.values()] for text in texts
]


def test_lock_is_plain_pins():
    for line in LOCK:
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; .+)?", line), line


@pytest.mark.parametrize("need", DECLARED, ids=str)
def test_lock_satisfies_what_is_declared(need):
    pins = [Requirement(line) for line in LOCK]
    pins = [pin for pin in pins if canonicalize_name(pin.name) == canonicalize_name(need.name)]
    assert pins
    assert all(need.specifier.contains(str(pin.specifier)[2:]) for pin in pins)


def test_lock_pins_torch():
    assert "torch==2.13.0" in LOCK


def test_the_library_declares_floors_only():
    for need in map(Requirement, PROJECT["dependencies"]):
        assert [clause.operator for clause in need.specifier] == [">="]


def test_conda_takes_the_lock():
    conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][::2]
    version = conda.removeprefix("python=")
    assert environment.OLDEST <= tuple(map(int, version.split("."))) <= environment.NEWEST
    assert SpecifierSet(PROJECT["requires-python"]).contains(version)
    assert pip == {"pip": ["-r requirements.lock", "-e ."]}


def test_oldest_python_is_the_declared_one():
    assert PROJECT["requires-python"] == ">={}.{}".format(*environment.OLDEST)


def run(tmp_path, **changes):
    """Run the program on a copy of itself, so that no environment is touched."""
    folder = tmp_path / "book" / "_ext"
    folder.mkdir(parents=True)
    text = (ROOT / "book/_ext/environment.py").read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "environment.py").write_text(text)
    done = subprocess.run(
        [sys.executable, str(folder / "environment.py")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


def test_an_unsupported_python_is_named(tmp_path):
    text = run(tmp_path, **{"(3, 11), (3, 13)": "(3, 98), (3, 99)"})
    version = "{}.{}".format(*sys.version_info[:2])
    assert text.startswith("Python 3.98 to 3.99 is needed, and ")
    assert f"is {version}: install one" in text


def test_a_missing_venv_module_is_named(tmp_path):
    text = run(tmp_path, **{'"venv", ".venv"': '"no_such_venv", ".venv"'})
    assert text.startswith("The environment could not be made, most often because the venv module")


def test_a_failed_install_is_named(tmp_path):
    text = run(tmp_path, **{'"-m", "venv"': '"-m", "venv", "--without-pip"'})
    assert text.startswith("The packages could not be installed; pip says above why.")

"""The command `plateaus`, as a reader types it."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from plateaus.experiments import EXPERIMENTS, cite
from plateaus.experiments.command import main, parse

HERE = Path(__file__).parent
OWN = f"{HERE / 'own.py'}:OWN"


def test_the_command_is_installed():
    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"plateaus": "plateaus.experiments.command:main"}


def test_list(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(EXPERIMENTS) + 2
    for name, line in zip(EXPERIMENTS, lines, strict=False):
        assert name in line.split()
        assert line.endswith("?")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_show(name, capsys):
    assert main(["show", name]) == 0
    text = capsys.readouterr().out
    assert EXPERIMENTS[name].question in text
    for setting in EXPERIMENTS[name].kinds:
        assert f"  {setting} " in text


def test_run_show_and_verify(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["run", OWN, "engine=flow", "size=1", "--seed", "3", "--quiet"]
    assert main(words) == 0
    first = capsys.readouterr().out
    assert "0 predicted, 0." in first
    manifest = json.loads((tmp_path / "results/own-chapter/manifest.json").read_text())
    assert manifest["seed"] == 3
    assert main(words) == 0  # nothing to do
    assert capsys.readouterr().out == first
    assert main(["show", OWN, "--out", "results/own-chapter"]) == 0
    assert first in capsys.readouterr().out
    assert main([*words, "beta=1"]) == 1
    error = capsys.readouterr().err
    assert re.fullmatch(r"plateaus: .* holds a result with beta = 0\.8, not 1\.0; give .*\n", error)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "stair"], r"no experiment 'stair'; did you mean 'staircase'\? Valid: "),
        (["run", "staircase", "bata=1"], r"staircase has no setting 'bata'; did you mean 'beta'\?"),
        (["run", "staircase", "beta=x"], r"beta is 'x'; valid: numbers, with commas between them"),
        (["run", "staircase", "beta=nan"], r"beta is 'nan'; valid: numbers, with commas"),
        (["run", "staircase", "sigma=x**"], r"sigma is 'x\*\*' .*; valid: h4, numbers"),
        (["run", "staircase", "beta"], r"'beta' is no setting; valid: name=value\."),
        (["run", "nowhere.py:MINE"], r"nowhere.py is no file; valid: a Python file, or the name"),
        (["run", f"{HERE / 'own.py'}:MINE"], r"has no experiment 'MINE'; valid: an Experiment"),
        (["show", "stair"], r"no experiment 'stair'"),
        (["verify", "nowhere"], None),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(words, sentence, capsys):
    assert main(words) == 1
    out, error = capsys.readouterr()
    if sentence is None:
        assert out == f"nowhere: REFUSED. {Path('nowhere/manifest.json')} is not there.\n"
    else:
        assert re.match(rf"plateaus: .*{sentence}", error)
        assert error.count("\n") == 1


def test_a_file_with_the_name_of_a_module_in_use(tmp_path, capsys):
    (tmp_path / "numpy.py").write_text("MINE = 1")
    assert main(["run", f"{tmp_path / 'numpy.py'}:MINE"]) == 1
    assert "has the name of a module in use, 'numpy'; rename the file" in capsys.readouterr().err


def test_unknown_options_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["run", "staircase", "--sede", "1"])
    assert "unrecognized arguments: --sede" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["cite", "more"])


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("3", int, 3),
        ("0.5", float, 0.5),
        ("1,2", tuple[int, ...], (1, 2)),
        ("0.5", tuple[float, ...], (0.5,)),
        ("4,2;8,4", tuple[tuple[int, int], ...], ((4, 2), (8, 4))),
        ("none", tuple[float, ...] | None, None),
        ("1,2", tuple[float, ...] | None, (1.0, 2.0)),
        ("1,0,2;0,1,2", tuple[tuple[int, ...], ...] | None, ((1, 0, 2), (0, 1, 2))),
        ("false", bool, False),
        ("hard,mixture", tuple[str, ...], ("hard", "mixture")),
    ],
)
def test_settings_as_typed(text, kind, value):
    assert parse("name", text, kind) == value


def test_sigma_as_typed():
    assert parse("sigma", "h4", tuple[float, ...]) == (0, 0, 0, 0, 1)
    assert parse("sigma", "0,1", tuple[float, ...]) == (0, 1)
    c = parse("sigma", "x**2", tuple[float, ...])
    assert c[:3] == pytest.approx((1, 0, 2**0.5))
    assert c[3:] == pytest.approx((0,) * 10, abs=1e-12)
    relu = parse("sigma", "relu(x)", tuple[float, ...])
    assert relu[:2] == pytest.approx((0.3989422804, 0.5))


def test_cite_agrees_with_the_citation_file():
    file = yaml.safe_load((HERE.parents[1] / "CITATION.cff").read_text())
    text = cite()
    assert file["title"] in text
    assert file["authors"][0]["name"] in text
    assert f"ersion {file['version']}" in text
    for reference in file["references"]:
        assert reference["title"] in " ".join(text.split())
        assert reference["identifiers"][0]["value"] in text


def test_from_a_wheel(tmp_path):
    """Installed elsewhere, with no repository around: the stored results are there."""
    root, site = HERE.parents[1], tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, root]
    subprocess.run(wheel, check=True)
    [built] = tmp_path.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", site, built], check=True)
    code = (
        "import plateaus, pathlib; from plateaus import experiments as e\n"
        f"assert pathlib.Path(plateaus.__file__).is_relative_to({str(site)!r})\n"
        "print(*[p.name for p in e.stored()])\n"
        "for p in e.stored(): e.load(p.name)\n"
        "e.run('staircase', P=(4,), neurons=4, d=64)\n"
    )
    found = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == sorted(path.name for path in (root / "results").glob("*/"))

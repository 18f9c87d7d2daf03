"""The reproduction table: a row a claim, and nothing measured that is typed."""

import math
import re

import pytest
from bs4 import BeautifulSoup

from chapters import SITE
from plateaus.experiments import EXPERIMENTS, command, load, stored
from reproduction import CLAIMS, claims, found, number

PAGE = CLAIMS.with_suffix(".md")

STORED = [path.name for path in stored()]


@pytest.fixture(scope="module")
def page():
    return BeautifulSoup((SITE / "appendix" / "reproduction.html").read_text(), "html.parser")


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.name)
def test_a_claim_is_measured_or_says_that_it_is_not(claim):
    assert claim.source.split(",")[0] in ("slides", "notes")
    assert claim.theory
    assert set(claim.findings) <= set(EXPERIMENTS)
    assert bool(claim.findings) != bool(claim.missing)
    for name in claim.findings:
        rows = [one for result, one in found(claim) if result.experiment.name == name]
        assert rows, f"no finding of {name} speaks of {claim.name}"
        assert all(not math.isnan(one.measured) for one in rows)


def test_every_experiment_has_a_result():
    assert sorted(STORED) == sorted(EXPERIMENTS)


def test_every_finding_is_in_the_table():
    claimed = {
        (name, one.claim) for row in claims() for name in row.findings for _, one in found(row)
    }
    for name in STORED:
        for one in load(name).findings:
            assert (name, one.claim) in claimed, f"{name}: {one.claim}"


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.name)
def test_no_measured_number_is_typed(claim):
    """What compares, or says why nothing does, speaks in words."""
    assert not re.search(r"\d\.\d|\d %", claim.comment + claim.missing)


def test_the_page_has_a_row_a_claim(page):
    rows = page.select(".reproduction tbody tr")
    assert len(rows) == len(claims())
    for row, claim in zip(rows, claims(), strict=True):
        what, how = row.select("td")
        assert claim.source in what.get_text()
        if claim.missing:
            assert not how.select("strong")
        else:
            assert how.select("strong")
            for name in claim.findings:
                assert load(name).manifest["command"] in how.get_text()
                assert how.select(f'a[href="#result-{name}"]')


@pytest.mark.parametrize("name", STORED)
def test_the_page_has_each_result(name, page):
    section = page.find(id=f"result-{name}")
    manifest = load(name).manifest
    text = section.get_text()
    assert manifest["command"] in text
    assert manifest["code"]["revision"][:12] in text
    links = [link["href"] for link in section.select("a.download")]
    assert [link.rsplit("/", 1)[1] for link in links] == ["result.npz", "manifest.json"]
    for link in links:
        assert (SITE / "appendix" / link).resolve().is_file()
    assert len(section.select(".findings tbody tr")) == len(load(name).findings)


def test_the_page_s_own_experiment_runs_and_sweeps(tmp_path, monkeypatch, capsys):
    """What a reader copies into mine.py; d is an axis, and lambdas need not be pickled."""
    [code] = re.findall(r"```python\n(from dataclasses.*?)```", PAGE.read_text(), flags=re.S)
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    assert command.main(["run", "mine.py:MINE", "--quiet", "--threads", "1", "--out", "here"]) == 0
    assert (
        command.main(["sweep", "mine.py:MINE", "--quiet", "--workers", "1", "--out", "there"]) == 0
    )
    capsys.readouterr()
    here, there = (tmp_path / out / "result.npz" for out in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()


def test_the_page_s_commands_are_the_command_s(capsys):
    """Each line that a reader is told to type is understood."""
    [block] = re.findall(r"```console\n(.*?)```", PAGE.read_text(), flags=re.S)
    lines = [line.split("#")[0].split()[1:] for line in block.splitlines()]
    commands = [words[1:] for words in lines if words[0] == "plateaus"]
    assert len(commands) == 6
    for words in commands:
        given = command._parser().parse_args(words)
        assert not hasattr(given, "name") or given.name in EXPERIMENTS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.33333, "−0.3333"),
        (12.0, "12"),
        (3.2e-16, "3.2·10⁻¹⁶"),
        (1e13, "1·10¹³"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text

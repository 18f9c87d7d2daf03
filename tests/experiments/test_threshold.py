"""The smallest n: against runs at that n and below, and the formulas beside it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from plateaus.composition import Task, one_step
from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments._tasks import hidden, stream
from plateaus.experiments.threshold import (
    THRESHOLD,
    Threshold,
    enough,
    measure,
    n_star,
)

SMALL = Threshold(size=((4, 2), (6, 2), (8, 2), (8, 4)), run=(0, 1), tests=50, largest=32)


def run(s: Threshold = SMALL, **point: object) -> Arrays:
    return measure(s, Work(torch.device("cpu")), **point)  # type: ignore[arg-type]


def test_n_succeeds_and_the_one_before_does_not() -> None:
    found = run(labels="all", size=(8, 2), run=1)
    task = Task.random(k=2, N=8, seed=stream(0, 8, 2, 1))
    exponent = round(2 * math.log2(found["n"]))
    right = []
    for n in (round(2 ** (e / 2)) for e in (exponent - 1, exponent)):
        seed = stream(0, 8, 2, 1, n, "all")
        done = one_step(
            task, n=n, schedule="curriculum", seed=seed, tests=50, scale=30.0, leave_out=0.001
        )
        right.append(float(done.accuracy[-1, -1]))
    assert right[0] < 0.95 <= right[1]
    assert n < found["n"] + 1
    assert found["n"] / 1.5 < found["crossing"] <= found["n"]


def test_what_is_predicted() -> None:
    z = norm.ppf(1 - 0.05 / 16)
    assert n_star(4, 4) == pytest.approx(2 * 4**2 * z**2 / 3, rel=1e-9)
    one = run(labels="one", size=(4, 2), run=0)
    assert one["predicted"] == pytest.approx(8 * n_star(4, 2))
    assert one["slides"] == 2**4 * 4**6
    cycle = Task([[1, 2, 0], [2, 0, 1]])
    mu = 2 / 3
    assert enough(cycle, 6) == pytest.approx(36 * 2 * 3**4 / mu**2 * math.log(36 * 36 / 0.05))
    assert enough(Task([[0, 1, 2]] * 2), 1) == enough(cycle, 1)  # the identity costs no margin
    assert enough(Task([[1, 0, 2, 3]] * 2), 1) > enough(Task([[1, 2, 3, 0]] * 2), 1)


def test_the_bound_is_enough() -> None:
    task = Task.random(k=2, N=4, seed=0)
    n = math.ceil(enough(task, 1))
    assert one_step(task, n=n, schedule="curriculum", seed=0).accuracy[-1, -1] == 1


def test_findings_and_probe() -> None:
    cells = [run(**point) for point in points(THRESHOLD, SMALL)]
    result = Result(THRESHOLD, SMALL, stack(THRESHOLD, SMALL, cells), {})
    assert np.isnan(result.at(labels="one", size=(8, 4))["n"]).all()  # above `largest`
    names = [finding.claim for finding in result.findings]
    assert "threshold-all-N" in names
    assert "threshold-one-N" in names
    for finding in result.findings:
        assert math.isfinite(finding.measured)
        assert finding.low <= finding.measured <= finding.high
        if finding.claim in ("threshold-all", "threshold-one"):
            assert 0.4 < finding.measured < 3
        if finding.claim in ("threshold-bound", "threshold-slides"):
            assert finding.high < 1
        else:
            assert math.isfinite(finding.predicted)
    probe = THRESHOLD.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(probe.settings, **probe.point).items():
        np.testing.assert_array_equal(whole[name], part)


def test_nothing_below_most_succeeds() -> None:
    found = run(replace(SMALL, most=4), labels="all", size=(4, 2), run=0)
    assert found["n"] == found["crossing"] == math.inf


def test_own_permutations() -> None:
    pi = ((1, 2, 3, 0), (1, 0, 3, 2))
    assert hidden(pi, (4, 2), seed=0) == Task(pi)
    found = run(replace(SMALL, pi=pi, size=((4, 2),)), labels="all", size=(4, 2), run=0)
    assert found["bound"] == pytest.approx(enough(Task(pi), 1))
    with pytest.raises(ValueError, match=r"size holds \(4, 4\); valid .* \(4, 2\)"):
        run(replace(SMALL, pi=pi), labels="all", size=(4, 4), run=0)
    with pytest.raises(ValueError, match="valid: N ≥ 3"):
        run(labels="all", size=(2, 2), run=0)


def test_streams_differ() -> None:
    seeds = {stream(*names) for names in ((0, 1), (1, 0), (0,), (0, 0), (0, "a"), (0, "b"))}
    assert len(seeds) == 6

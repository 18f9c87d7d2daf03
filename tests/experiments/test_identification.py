"""How many samples determine the task, and how many a search needs."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from plateaus.composition import Task
from plateaus.experiments import load, results, run
from plateaus.experiments._run import deviation
from plateaus.experiments.identification import IDENTIFICATION, Identification

SMALL = Identification(size=((3, 2), (3, 3)), tasks=12, search=(20, 200), starts=4)


@pytest.fixture(scope="module")
def result():
    return run(IDENTIFICATION, settings=SMALL)


def test_survivors_are_what_enumeration_counts(result):
    """Of all candidates, those that explain n samples, by their chance to."""
    N, k = 3, 2
    task = Task.random(k=k, N=N, seed=0)
    perms = list(itertools.permutations(range(N)))
    inputs = [(s, x) for s in itertools.product(perms, repeat=k) for x in range(N)]

    def labels(pi):
        out = []
        for sigma, x in inputs:
            for rho, tau in zip(pi, sigma, strict=True):
                x = tau[rho[x]]
            out.append(x)
        return np.array(out)

    truth = labels(task.pi.tolist())
    agree = [np.mean(labels(pi) == truth) for pi in itertools.product(perms, repeat=k)]
    n = next(n for n in itertools.count(1) if sum(p**n for p in agree) < 1.5)
    assert result.at(size=(3, 2))["survivors"] == n


def test_measured_and_predicted(result):
    for (N, k), single in zip(SMALL.size, result["single"], strict=True):
        assert (single >= k * math.lgamma(N + 1) / math.log(N) - 1).all()
    assert result["single"][1].mean() > result["single"][0].mean()
    assert result["found"][0, -1].mean() > 0.5
    rows = result.findings
    assert len(rows) == 6
    assert all(math.isfinite(one.predicted) for one in rows)


def test_no_posterior_where_there_are_too_many(result):
    seen = run(IDENTIFICATION, settings=replace(SMALL, candidates=100, largest=1))
    assert np.isnan(seen["single"][1]).all()
    assert np.isfinite(seen["single"][0]).all()
    assert np.isnan(seen["found"]).all()
    assert len(seen.findings) == 3


def test_the_probe_is_a_corner(result):
    off = deviation(result, IDENTIFICATION.probe(SMALL))
    assert max(off.values()) == 0


def test_n_two_is_refused():
    with pytest.raises(ValueError, match=r"size is \(2, 3\); valid: N ≥ 3"):
        run(IDENTIFICATION, size=((2, 3),))


@pytest.mark.skipif(not (results() / "identification").exists(), reason="no stored result")
def test_the_stored_result_is_where_theory_puts_it():
    for one in load("identification").findings:
        if one.quantity.startswith("median n"):
            assert 0.5 < one.measured / one.predicted < 2

"""The error at finite temperature: against the last block itself, and its bound."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.composition import Task, construct
from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments._tasks import stream
from plateaus.experiments.construction_error import (
    CONSTRUCTION_ERROR,
    ConstructionError,
    _from,
    measure,
)

SMALL = ConstructionError(size=((3, 2), (3, 3)), beta=(0.25, 2.0, 6.0, 9.0, 12.0), inputs=3)


def run(s: ConstructionError = SMALL, device: str = "cpu", **point: object) -> Arrays:
    return measure(s, Work(torch.device(device)), **point)  # type: ignore[arg-type]


def test_error_is_what_the_last_block_has_elsewhere() -> None:
    found = run(method="doubling", size=(3, 2), beta=6.0)
    task = Task.random(k=2, N=3, seed=stream(0, 3, 2))
    sigma, _ = task.sample(3, seed=stream(0, 3, 2, "inputs"))
    one, two = (
        heads[0] for heads in construct(task, beta=6.0, dtype=torch.float64).attention(sigma)
    )
    rows = torch.tensor([[0], [3]])
    values = torch.eye(6, dtype=torch.float64)[(sigma + rows).flatten(1)]
    O1 = one @ values
    O2 = (two @ O1).roll(3, -1)  # R^−1: rows 0 and 1 change places
    right = O2.gather(2, (task.hops(sigma, 2) + rows).flatten(1)[..., None])
    np.testing.assert_allclose(found["error"], float((1 - right).max()), rtol=1e-10)
    np.testing.assert_allclose(found["error"], found["predicted"], rtol=1e-10)


def test_no_doubling_of_three() -> None:
    found = run(method="doubling", size=(3, 3), beta=6.0)
    assert all(np.isnan(array) for array in found.values())
    assert np.isfinite(run(method="chain", size=(3, 3), beta=6.0)["error"])


def test_findings_and_probe() -> None:
    cells = [run(**point) for point in points(CONSTRUCTION_ERROR, SMALL)]
    result = Result(CONSTRUCTION_ERROR, SMALL, stack(CONSTRUCTION_ERROR, SMALL, cells), {})
    claims = [finding.claim for finding in result.findings]
    assert claims.count("construction-slope") == 4
    assert claims.count("construction-leaks") == 1
    for finding in result.findings:
        name = finding.claim.removeprefix("construction-")
        if name == "gap":
            assert finding.measured < 1e-6
        elif name == "bound":
            assert finding.measured <= 1
        elif name == "slope":
            assert finding.measured == pytest.approx(finding.predicted, rel=1e-6)
            assert finding.measured == pytest.approx(-1, abs=0.05)
        elif name == "leaks":
            assert finding.measured == pytest.approx(2, rel=0.01)
        else:
            assert math.isfinite(finding.measured)
    probe = CONSTRUCTION_ERROR.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(probe.settings, **probe.point).items():
        np.testing.assert_array_equal(whole[name], part)


def test_from_which_beta() -> None:
    beta = np.array([3.0, 1.0, 2.0])
    assert _from(beta, np.array([True, True, False])) == 3
    assert _from(beta, np.array([True, True, True])) == 1
    assert _from(beta, np.array([False, True, True])) == math.inf


def test_own_permutations() -> None:
    own = replace(SMALL, pi=((1, 2, 0), (0, 1, 2)), size=((3, 2),))
    found = run(own, method="chain", size=(3, 2), beta=9.0)
    assert found["accuracy"] == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda() -> None:
    point = {"method": "accumulator", "size": (3, 3), "beta": 6.0}
    here, there = run(**point), run(device="cuda", **point)
    for name, array in here.items():
        np.testing.assert_allclose(there[name], array, rtol=1e-10)

"""Multitask: times, the total loss with and without its tail, predictions and findings."""

import numpy as np
import pytest
import torch
from scipy.special import zeta

from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments.multitask import (
    MULTITASK,
    Multitask,
    exponent,
    measure,
    predicted_slope,
    times,
    total,
)

SMALL = Multitask(
    optimizer=("sgd", "adam"), M=(2, 8), d=8, width=64, batch=64, steps=6000, evaluate_on=50
)


def run(s: Multitask = SMALL, **point: object) -> Arrays:
    return measure(s, Work(torch.device("cpu")), **point)  # type: ignore[arg-type]


def test_findings_and_probe() -> None:
    cells = [run(**point) for point in points(MULTITASK, SMALL)]
    result = Result(MULTITASK, SMALL, stack(MULTITASK, SMALL, cells), {})
    found = [one.claim for one in result.findings]
    assert found.count("multitask-times") == 4
    assert found.count("multitask-scale") == 1
    assert found.count("multitask-loss") == 8
    T = times(result.at(optimizer="sgd", M=8)["accuracy"], SMALL)
    assert T.shape == (1, 8)
    assert T[0, 0] < T[0, 7] < np.inf
    assert np.isnan(result.at(M=2)["loss"][..., 2:, :]).all()
    probe = MULTITASK.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(probe.settings, **probe.point).items():
        np.testing.assert_array_equal(whole[name][tuple(slice(n) for n in part.shape)], part)


def test_total() -> None:
    loss = np.ones((2, 3, 4))
    loss[0, 0, 1:] = 0
    loss[0, :, 3] = np.nan  # ended: stays
    weights = np.arange(1.0, 4) ** -1.5
    without = total(loss, SMALL, tail=False)
    assert without.shape == (4, 2)
    np.testing.assert_allclose(without[:, 1], 1)
    np.testing.assert_allclose(without[1:, 0], 1 - 1 / weights.sum())
    np.testing.assert_allclose(total(loss, SMALL, tail=True)[0], 1)
    np.testing.assert_allclose(total(loss, SMALL, tail=True)[2, 0], 1 - 1 / zeta(1.5))


def test_predictions() -> None:
    assert exponent("sgd", 0.5) == 1.5
    assert exponent("adam", 0.5) == 1.25
    limit = predicted_slope("sgd", 20_000, 0.5, tail=True)
    assert limit == pytest.approx(-1 / 3, abs=0.02)
    assert predicted_slope("sgd", 30, 0.5, tail=False) < limit

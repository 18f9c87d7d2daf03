"""Parity: as `train` does it; hits, records, predictions and findings."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments._tasks import stream
from plateaus.experiments.parity import (
    PARITY,
    Parity,
    dimension,
    flow_exponent,
    flow_time,
    hits,
    measure,
    records,
)
from plateaus.sandbox import Skills, train

SMALL = Parity(
    k=(2, 3), size=(0, 1), d2=(6, 10), d3=(6, 8), runs=3, width=64, steps=8000, evaluate_on=100
)


def run(s: Parity = SMALL, **point: object) -> Arrays:
    return measure(s, Work(torch.device("cpu")), **point)  # type: ignore[arg-type]


def test_it_is_train() -> None:
    found = run(k=2, size=1, bias="narrow", batch=32)
    seen = train(
        Skills.random(d=10, k=2, seed=0),
        width=64,
        eta=0.1,
        batch=32,
        record_at=records(8000),
        runs=3,
        seed=stream(0, 2, 10, "narrow", 32),
        until=0.95,
        evaluate_on=100,
    )
    n = len(seen.steps)
    np.testing.assert_array_equal(found["loss"][:, :n], seen.loss[:, 0])
    assert np.isnan(found["loss"][:, n:]).all()
    np.testing.assert_array_equal(hits(found["accuracy"], SMALL), seen.times()[:, 0])


def test_findings_and_probe() -> None:
    cells = [run(**point) for point in points(PARITY, SMALL)]
    result = Result(PARITY, SMALL, stack(PARITY, SMALL, cells), {})
    assert [one.claim for one in result.findings] == [
        "parity-flow",
        "parity-flow",
        "parity-order",
    ] * 2
    for one in result.findings:
        assert one.low <= one.measured <= one.high
    probe = PARITY.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(probe.settings, **probe.point).items():
        np.testing.assert_array_equal(whole[name][tuple(slice(n) for n in part.shape)], part)


def test_records_and_predictions() -> None:
    assert records(8).tolist() == [0, 8]
    long, short = records(1000), records(100)
    np.testing.assert_array_equal(long[: len(short)], short)
    assert (np.diff(long) > 0).all()
    assert long[-1] <= 1000
    assert [flow_exponent(k, "wide") for k in (2, 3, 4)] == [0, 0.5, 1]
    assert [flow_exponent(k, "narrow") for k in (2, 3, 4)] == [0, 1, 1]
    for k, bias in product((2, 3, 4), ("narrow", "wide")):
        far = flow_time(k, [1e12, 1e14], bias)  # type: ignore[arg-type]
        slope = np.log(far[1] / far[0]) / np.log(100)
        assert slope == pytest.approx(flow_exponent(k, bias), abs=0.04)  # type: ignore[arg-type]
        assert flow_time(k, k, bias) == pytest.approx(0)  # type: ignore[arg-type]


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="steps is 4"):
        run(replace(SMALL, steps=4), k=2, size=0, bias="narrow", batch=32)
    with pytest.raises(ValueError, match="k is 5; valid: 2, 3 and 4"):
        dimension(SMALL, 5, 0)
    with pytest.raises(ValueError, match="size is 2; valid for k = 2: 0 to 1"):
        dimension(SMALL, 2, 2)

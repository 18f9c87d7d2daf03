"""Depth and readouts: as `train` does it with each variant; shares of runs that learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.composition import Task, Transformer, train
from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments._tasks import stream
from plateaus.experiments.ablation import ABLATION, VARIANTS, Ablation, measure

SMALL = Ablation(
    variant=tuple(VARIANTS), run=(0, 1), N=2, steps=20, every=10, batch=4, width=8, evaluate_on=8
)


def run(s: Ablation = SMALL, work: Work | None = None, **point: object) -> Arrays:
    return measure(s, work or Work(torch.device("cpu")), **point)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("variant", "after", "mlp"),
    [
        ("three layers", (1, 2, 3), 4),
        ("read last", (3, 3, 3), 4),
        ("two layers", (1, 2, 2), 4),
        ("read early", (1, 1, 2), 4),
        ("one layer", (1, 1, 1), 4),
        ("no MLP", (1, 1, 1), 0),
    ],
)
def test_it_is_train(variant, after, mlp) -> None:  # type: ignore[no-untyped-def]
    seed = stream(0, 2, 1)
    model = Transformer(k=4, N=2, width=8, heads=2, mlp=mlp, layers=max(after), seed=seed)
    model.after = after
    task = Task.random(k=4, N=2, seed=seed)
    how = {"steps": 20, "batch": 4, "lr": 4e-3, "evaluate_every": 10, "evaluate_on": 8}
    seen = train(model, task, data="mixture", seed=seed, **how)
    found = run(variant=variant, run=1)
    assert found["accuracy"].shape == (3, 3)
    np.testing.assert_array_equal(found["accuracy"], seen.accuracy.float())


def test_findings_and_probe() -> None:
    cells = [run(**point) for point in points(ABLATION, SMALL)]
    result = Result(ABLATION, SMALL, stack(ABLATION, SMALL, cells), {})
    predicted = {finding.quantity: finding.predicted for finding in result.findings}
    shares = {name.split("learn ")[1]: p for name, p in predicted.items() if "learn " in name}
    assert np.isnan([shares["4 hops, three layers"], shares["2 hops, two layers"]]).all()
    assert shares["4 hops, read early"] == shares["2 hops, read early"] == 0
    assert shares["4 hops, two layers"] == shares["2 hops, one layer"] == 0
    accuracies = {name for name in predicted if "accuracy" in name}
    assert {predicted[name] for name in accuracies} == {1 / 2}
    assert {name.split("of ")[1] for name in accuracies} == {n for n, p in shares.items() if p == 0}
    assert all(finding.low <= finding.measured <= finding.high for finding in result.findings)
    probe = ABLATION.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(probe.settings, **probe.point).items():
        np.testing.assert_array_equal(whole[name][: len(part)], part)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="steps is 55; valid: multiples of every, 10"):
        run(replace(SMALL, steps=55), variant="no MLP", run=0)
    with pytest.raises(ValueError, match="variant is 'four layers'; valid are three layers"):
        run(variant="four layers", run=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda() -> None:
    found = run(work=Work(torch.device("cuda")), variant="read early", run=0)
    assert np.isfinite(found["accuracy"][0]).all()

"""One step a stage: the triangle of accuracies, no signal for hard alone, distances."""

import math

import numpy as np
import pytest
import torch

from plateaus.composition import Task, expected_gradient, kq_gradient, untrained
from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments.curriculum import CURRICULUM, Curriculum, _start, in_order, measure

SMALL = Curriculum(size=((4, 2), (4, 4)), n=(16, 512), run=(0, 1), tests=30)


def run(**point: object) -> Arrays:
    return measure(SMALL, Work(torch.device("cpu")), **point)  # type: ignore[arg-type]


@pytest.mark.parametrize("schedule", ["curriculum", "mixture"])
def test_one_layer_a_step(schedule: str) -> None:
    found = run(schedule=schedule, size=(4, 4), n=512, run=0)
    triangle = np.where(np.tri(4, 3, -1) > 0, 1, 0.25)
    np.testing.assert_allclose(found["accuracy"], triangle, atol=0.02)
    assert in_order(4, 4, found["accuracy"])
    assert not in_order(4, 4, found["accuracy"][::-1])
    assert (found["distance"][0] == 1).all()
    assert (found["distance"][3] < 0.7).all()


def test_hard_has_no_signal() -> None:
    found = run(schedule="hard", size=(4, 4), n=512, run=0)
    assert (found["gradient"] == 0).all()
    assert (found["start"] < 1e-12).all()
    assert (found["accuracy"] == 0.25).all()


def test_easy_examples_would_have_one() -> None:
    # The same derivative of hop 1, where there is a signal: that of the counts.
    task = Task.random(k=1, N=5, seed=0)
    sigma, _ = task.sample(4, seed=1)
    _, (step,) = kq_gradient(untrained(task), task, sigma, hops=[1], loss="cross-entropy")
    assert step is not None
    # _start takes z itself as logits, as the counts do.
    np.testing.assert_allclose(_start(task, 1)[0], 25 * float(step.norm()), rtol=1e-5)


def test_distance_is_as_expected() -> None:
    found = run(schedule="curriculum", size=(4, 4), n=512, run=1)
    for layer in range(3):
        off = found["distance"][layer + 1, layer]
        assert off == pytest.approx(found["expected"][layer], rel=0.25)
    task = Task([[1, 0, 2, 3]] * 2)  # a transposition: c = 1/3, in both rows
    signal, spurious = expected_gradient(task, 2).values()
    assert float(spurious.norm() / signal.norm()) == pytest.approx(1 / 3)


def test_findings_and_probe() -> None:
    cells = [run(**point) for point in points(CURRICULUM, SMALL)]
    result = Result(CURRICULUM, SMALL, stack(CURRICULUM, SMALL, cells), {})
    assert result["accuracy"].shape == (3, 2, 2, 2, 4, 3)
    for finding in result.findings:
        assert math.isfinite(finding.predicted)
        assert math.isfinite(finding.measured)
        if finding.claim == "no-signal":
            assert finding.measured == pytest.approx(finding.predicted, abs=1e-12)
        if finding.claim.endswith("-order"):
            assert finding.measured == 1
        if finding.claim == "curriculum-distance":
            assert finding.measured == pytest.approx(finding.predicted, rel=0.2)
    probe = CURRICULUM.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(**probe.point).items():
        np.testing.assert_array_equal(whole[name], part)


def test_hop_k_is_not_hop_1() -> None:
    with pytest.raises(ValueError, match="k = 1; valid: k ≥ 2"):
        run(schedule="hard", size=(4, 1), n=16, run=0)

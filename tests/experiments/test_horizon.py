"""The ladder of learning rates: its prediction against sums known otherwise, and its points."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.emergence import Student, tail
from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments.horizon import HORIZON, Settings, measure, predict, samples, teacher

SMALL = Settings(
    eta=(5e-4, 1e-3, 2e-3), d=8, P=4, m=6, noise=0.5, first=100, records=24, replicates=4
)


def run(s: Settings, device: str = "cpu", **point: float) -> Arrays:
    return measure(s, Work(torch.device(device)), **point)


def test_without_noise_the_prediction_ends_at_the_tail() -> None:
    s = replace(SMALL, noise=0.0, m=1)
    student = Student(torch.eye(s.P, s.d)[None, :1] * 0.1)
    eta, n = 1e-9, np.array([1, 10**13])
    loss = predict(teacher(s), student, eta, n)[:, 0]
    expected = tail(np.array([0, 1]), P=s.P, beta=s.beta).numpy()
    np.testing.assert_allclose(loss, expected, rtol=0.03)


def test_above_the_critical_rate_nothing_is_learned() -> None:
    student = Student.on_sphere(8, 6, 0.1, seed=0, replicates=2)
    loss = predict(teacher(SMALL), student, 10.0, np.array([1, 10**9]))
    np.testing.assert_allclose(loss, 0.5)


def test_findings_are_finite_and_the_probe_is_a_corner() -> None:
    cells = [run(SMALL, **point) for point in points(HORIZON, SMALL)]
    result = Result(HORIZON, SMALL, stack(HORIZON, SMALL, cells), {})
    assert result["loss"].shape == (3, SMALL.records, 4)
    claims = {finding.claim for finding in result.findings}
    assert {"horizon-tuned-rate", "minimax-rate"} <= claims
    for finding in result.findings:
        assert np.isfinite(finding.measured)
        assert np.isfinite(finding.predicted) or finding.claim == "sgd-heavy-tails"
    probe = HORIZON.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(probe.settings, **probe.point).items():
        corner = whole[name][tuple(slice(n) for n in part.shape)]
        np.testing.assert_array_equal(corner, part)


def test_records_are_prefixes() -> None:
    few = samples(replace(SMALL, records=5))
    np.testing.assert_array_equal(samples(SMALL)[:5], few)


def test_same_bits_cut_or_not(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("plateaus.experiments.horizon._SEGMENT", 3000)

    def cut(state):  # type: ignore[no-untyped-def]
        torch.save(state(), tmp_path / "state")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(SMALL, Work(torch.device("cpu"), keep=cut), eta=1e-3)
    state = torch.load(tmp_path / "state", weights_only=True)
    resumed = measure(SMALL, Work(torch.device("cpu"), state=state), eta=1e-3)
    for name, array in run(SMALL, eta=1e-3).items():
        np.testing.assert_array_equal(resumed[name], array)


def test_own_strengths() -> None:
    own = replace(SMALL, strengths=(0.8, 0.6), records=2)
    with pytest.raises(ValueError, match="P is 4; valid for these strengths: 2"):
        run(own, eta=1e-3)
    assert run(replace(own, P=2), eta=1e-3)["loss"][0].max() < 0.6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda() -> None:
    assert np.isfinite(run(replace(SMALL, records=2), "cuda", eta=1e-3)["loss"]).all()

"""SGD against its flow: the flow's times, the limit, and what a point may rely on."""

import numpy as np
import pytest
import torch

from plateaus.emergence import greedy
from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments.discretization import DISCRETIZATION, Settings, measure, start, teach

SMALL = Settings(P=(1, 2), ratio=(0.1, 1.0), d=12, starts=2, replicates=8)


def run(s: Settings, device: str = "cpu", **point: float) -> Arrays:
    return measure(s, Work(torch.device(device)), **point)  # type: ignore[arg-type]


def test_times_of_one_pair_are_the_closed_form() -> None:
    for i in range(4):
        student, T = start(SMALL, teach(SMALL, 1), i)
        exact = greedy(teach(SMALL, 1), student).T.numpy()
        np.testing.assert_allclose(T, exact, rtol=1e-3)


def test_runs_arrive_when_the_diffusion_says() -> None:
    s = Settings(P=(1,), ratio=(0.01, 1.0), d=12, starts=2, replicates=64)
    slow, fast = (run(s, P=1, ratio=ratio) for ratio in s.ratio)
    for times, quartiles in zip(slow["times"][..., 0], slow["quantiles"], strict=True):
        for share, at in zip((0.25, 0.5, 0.75), quartiles, strict=True):
            assert (times <= at).mean() == pytest.approx(share, abs=0.2)
    assert slow["share"].min() > 0.7 > np.isfinite(fast["times"]).mean()
    assert not np.isfinite(slow["failed"]).any()


def test_findings_are_finite_and_the_probe_is_a_corner() -> None:
    cells = [run(SMALL, **point) for point in points(DISCRETIZATION, SMALL)]
    result = Result(DISCRETIZATION, SMALL, stack(DISCRETIZATION, SMALL, cells), {})
    assert len(result.findings) >= 2 * 2 * 2
    for finding in result.findings:
        assert np.isfinite([finding.predicted, finding.measured]).all()
    probe = DISCRETIZATION.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(probe.settings, **probe.point).items():
        corner = whole[name][tuple(slice(n) for n in part.shape)]
        np.testing.assert_array_equal(corner, part)


def test_same_bits_cut_or_not(tmp_path) -> None:  # type: ignore[no-untyped-def]
    def cut(state):  # type: ignore[no-untyped-def]
        torch.save(state(), tmp_path / "state")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(SMALL, Work(torch.device("cpu"), keep=cut), P=2, ratio=1.0)
    state = torch.load(tmp_path / "state", weights_only=True)
    assert state["done"] == 1
    resumed = measure(SMALL, Work(torch.device("cpu"), state=state), P=2, ratio=1.0)
    for name, array in run(SMALL, P=2, ratio=1.0).items():
        np.testing.assert_array_equal(resumed[name], array)


def test_errors() -> None:
    with pytest.raises(ValueError, match="P is 2; valid for these strengths: 1"):
        run(Settings(strengths=(1.0,)), P=2, ratio=1.0)
    with pytest.raises(ValueError, match="none of 100 students"):
        run(Settings(P=(1,), d=2), P=1, ratio=1.0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda() -> None:
    s = Settings(P=(1,), ratio=(3.0,), d=8, starts=1, replicates=2)
    assert np.isfinite(run(s, "cuda", P=1, ratio=3.0)["share"]).all()

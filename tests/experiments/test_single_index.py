"""Exponents of one direction: predictions against closed forms, and what a point may rely on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.emergence import Activation
from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments.single_index import SINGLE_INDEX, Diffusion, Settings, flow_time, measure

SMALL = Settings(k=(2, 3), size=(0, 1), d2=(16, 32), d3=(8, 12), starts=32)


def run(s: Settings, device: str = "cpu", **point: int) -> Arrays:
    return measure(s, Work(torch.device(device)), **point)


def test_flow_time_is_the_closed_form() -> None:
    def F(M: float) -> float:
        return (math.log(M / math.sqrt(1 - M * M)) - 1 / (2 * M * M)) / 4

    found = flow_time(Activation.hermite(4), 0.1, 0.5)
    assert found == pytest.approx(F(0.5) - F(0.1), rel=1e-9)


def test_a_slow_diffusion_is_the_flow() -> None:
    sigma, d, eta = Activation.hermite(2), 16, 1e-5
    diffusion = Diffusion.of(sigma, d, eta, 0.5)
    start = np.eye(diffusion.M.size)[np.abs(diffusion.M - 0.25).argmin()]
    steps = diffusion.quantiles(start, (0.5,))[0]
    assert steps * eta == pytest.approx(flow_time(sigma, 0.25, 0.5), rel=0.03)


def test_runs_arrive_when_the_diffusion_says() -> None:
    s = Settings(k=(2,), size=(0,), d2=(128,), starts=512)
    found = run(s, k=2, size=0)
    for share, steps in zip((0.25, 0.5, 0.75), found["predicted"], strict=True):
        assert (found["hits"] <= steps).mean() == pytest.approx(share, abs=0.08)


def test_findings_are_finite_and_the_probe_is_a_corner() -> None:
    cells = [run(SMALL, **point) for point in points(SINGLE_INDEX, SMALL)]
    result = Result(SINGLE_INDEX, SMALL, stack(SINGLE_INDEX, SMALL, cells), {})
    assert len(result.findings) == 2 * 4
    for finding in result.findings:
        assert np.isfinite([finding.predicted, finding.measured]).all()
        assert finding.low <= finding.measured <= finding.high
    probe = SINGLE_INDEX.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(probe.settings, **probe.point).items():
        corner = whole[name][tuple(slice(n) for n in part.shape)]
        np.testing.assert_array_equal(corner, part)


def test_same_bits_cut_or_not(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from plateaus.experiments import single_index

    def short(*arguments, **named):  # type: ignore[no-untyped-def]
        return sgd(*arguments, **named | {"segment": 100})

    sgd = single_index.sgd
    monkeypatch.setattr(single_index, "sgd", short)

    def cut(state):  # type: ignore[no-untyped-def]
        torch.save(state(), tmp_path / "state")
        raise KeyboardInterrupt

    point = {"k": 3, "size": 1}
    with pytest.raises(KeyboardInterrupt):
        measure(SMALL, Work(torch.device("cpu"), keep=cut), **point)
    state = torch.load(tmp_path / "state", weights_only=True)
    resumed = measure(SMALL, Work(torch.device("cpu"), state=state), **point)
    for name, array in run(SMALL, **point).items():
        np.testing.assert_array_equal(resumed[name], array)


def test_own_sigma_and_errors() -> None:
    own = replace(SMALL, k=(2,), sigma=(0.0, 0.0, 0.6, 0.8))
    assert np.isfinite(run(own, k=2, size=0)["predicted"]).all()
    with pytest.raises(ValueError, match="valid for this sigma: 2"):
        run(own, k=3, size=0)
    with pytest.raises(ValueError, match="size is 5; valid for k = 2: 0 to 1"):
        run(SMALL, k=2, size=5)
    with pytest.raises(ValueError, match="k is 7; valid: 2, 3 and 4"):
        run(SMALL, k=7, size=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda() -> None:
    assert np.isfinite(run(replace(SMALL, starts=8), "cuda", k=2, size=0)["predicted"]).all()

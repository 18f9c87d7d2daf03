"""Single-phase against layer-wise: shares against sampling, and what a point may rely on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments.losses import LOSSES, Settings, measure, shares, teacher

SMALL = Settings(m=(2, 6), run=(0, 1), d=24, P=3)


def run(s: Settings, device: str = "cpu", **point: object) -> Arrays:
    return measure(s, Work(torch.device(device)), **point)  # type: ignore[arg-type]


@pytest.mark.parametrize("K", [3, 4, 6])
def test_shares_are_those_of_normal_vectors(K: int) -> None:
    a = teacher(Settings(P=5)).a.numpy()
    M = np.abs(np.random.default_rng(0).standard_normal((200_000, 5)))
    drawn = np.bincount((a * M ** (K - 2)).argmax(axis=1), minlength=5) / len(M)
    found = shares(a, K)
    assert found.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found, drawn, atol=4e-3)


def test_neurons_by_themselves_end_at_their_argmax() -> None:
    found = run(SMALL, kind="layer-wise", m=6, run=1)
    np.testing.assert_array_equal(found["goes"], found["expected"])
    assert found["loss"] == pytest.approx(found["predicted"], abs=1e-4)


def test_findings_are_finite_and_the_probe_is_a_corner() -> None:
    cells = [run(SMALL, **point) for point in points(LOSSES, SMALL)]
    result = Result(LOSSES, SMALL, stack(LOSSES, SMALL, cells), {})
    assert (result.at(m=2)["goes"][..., 2:] == -2).all()
    for finding in result.findings:
        assert np.isfinite([finding.predicted, finding.measured]).all()
        assert finding.low <= finding.measured <= finding.high
    probe = LOSSES.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(probe.settings, **probe.point).items():
        np.testing.assert_array_equal(whole[name], part)


@pytest.mark.parametrize("kind", ["single-phase", "layer-wise"])
def test_same_bits_cut_or_not(tmp_path, kind) -> None:  # type: ignore[no-untyped-def]
    offered = 0

    def cut(state):  # type: ignore[no-untyped-def]
        nonlocal offered
        offered += 1
        if offered == 3:
            torch.save(state(), tmp_path / "state")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(SMALL, Work(torch.device("cpu"), keep=cut), kind=kind, m=6, run=0)
    state = torch.load(tmp_path / "state", weights_only=True)
    resumed = measure(SMALL, Work(torch.device("cpu"), state=state), kind=kind, m=6, run=0)
    for name, array in run(SMALL, kind=kind, m=6, run=0).items():
        np.testing.assert_array_equal(resumed[name], array)


def test_errors() -> None:
    with pytest.raises(ValueError, match="information exponent 2; valid: above 2"):
        run(replace(SMALL, sigma=(0.0, 0.0, 1.0)), kind="layer-wise", m=2, run=0)
    with pytest.raises(ValueError, match="P is 3; valid for these strengths: 1"):
        run(replace(SMALL, strengths=(1.0,)), kind="layer-wise", m=2, run=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda() -> None:
    assert np.isfinite(run(SMALL, "cuda", kind="single-phase", m=2, run=0)["loss"])

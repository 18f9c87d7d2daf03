"""The staircase of skills: emergence, loss and their slopes."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.emergence import fit_power_law, tail
from plateaus.experiments._experiment import Result, Work, check, points, stack
from plateaus.experiments.staircase import STAIRCASE, Settings, _losses, findings, measure

SMALL = Settings(beta=(0.8, 1.5), P=(4, 8), run=(0, 1), d=128, records=60)


def work(**keywords):
    return Work(torch.device("cpu"), **keywords)


@pytest.fixture(scope="module")
def small():
    cells = [measure(SMALL, work(), **point) for point in points(STAIRCASE, SMALL)]
    return Result(STAIRCASE, SMALL, stack(STAIRCASE, SMALL, cells), {})


def test_directions_emerge_when_predicted(small):
    ratio = small["T"] / small["T_predicted"]
    assert np.isnan(ratio[:, 0, :, 4:]).all()
    assert np.isfinite(small["T_predicted"][:, 1]).all()
    assert abs(np.nanmedian(ratio) - 1) < 0.02


def test_the_loss_falls_by_a_step_at_each_emergence(small):
    at = small.at(beta=0.8, P=8, run=0)
    a2 = np.arange(1, 9) ** -1.6
    order = np.sort(at["T"])
    for p in range(1, 8):  # midway between two emergences that lie apart
        if order[p] > 2.5 * order[p - 1]:
            left = 0.5 * a2[at["T"] >= order[p]].sum() / a2.sum()
            middle = np.interp(1.8 * order[p - 1], at["times"], at["loss"])
            assert middle == pytest.approx(left, rel=0.3)
    assert at["loss"][0] == pytest.approx(0.5, abs=1e-3)
    assert at["loss"][-1] < 0.02


def test_findings_put_finite_numbers_side_by_side(small):
    found = findings(small)
    assert len(found) == 2 * 5  # P = 4 has no window
    assert all(np.isfinite([f.predicted, f.measured, f.low, f.high]).all() for f in found)
    asymptotes = [f.predicted for f in found if "∞" in f.quantity]
    assert asymptotes == pytest.approx([-0.75, 0.8, -4 / 3, 1.5])


def test_the_window_is_that_of_the_prediction():
    P, beta = 64, 0.8
    s = replace(SMALL, beta=(beta,), P=(P,), run=(0,), records=400)
    t = np.geomspace(0.5, 2 * P**beta, 400)
    loss = tail((t ** (1 / beta)).clip(0, P - 1), P=P, beta=beta).numpy()
    T = np.arange(1.0, P + 1) ** beta
    arrays = {"times": t, "loss": loss**1.5, "loss_predicted": loss}
    arrays |= {"T": T**2, "T_predicted": T}
    result = Result(STAIRCASE, s, {k: v[None, None, None] for k, v in arrays.items()}, {})
    expected = fit_power_law(t, loss, window=(2**beta * 0.98, 32**beta * 1.02)).slope
    assert _losses(result, "loss_predicted", beta, P)[0] == pytest.approx(expected, abs=0.02)
    assert _losses(result, "loss", beta, P)[0] == pytest.approx(1.5 * expected, abs=0.03)
    times = [f for f in findings(result) if "T_p" in f.quantity]
    assert [f.measured for f in times] == pytest.approx([1.6, 1.6])
    assert times[0].predicted == pytest.approx(0.8)


def test_the_probe_is_the_corner_of_the_whole(small):
    probe = STAIRCASE.probe(SMALL)
    again = measure(probe.settings, work(), **probe.point)
    for name, array in small.at(**probe.point).items():
        assert np.array_equal(array[: len(again[name])], again[name])


def test_a_run_that_is_cut_goes_on_to_the_same_bits():
    point = {"beta": 0.8, "P": 8, "run": 0}
    whole, seen = measure(SMALL, work(), **point), []

    def cut(state):
        seen.append(state())
        if len(seen) == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(SMALL, work(keep=cut), **point)
    file = io.BytesIO()
    torch.save(seen[-1], file)
    file.seek(0)
    rest = measure(SMALL, work(state=torch.load(file, weights_only=True)), **point)
    assert all(np.array_equal(whole[name], rest[name], equal_nan=True) for name in whole)


def test_full_and_reduced_settings_are_valid():
    check(STAIRCASE, replace(STAIRCASE.full, **STAIRCASE.reduced))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="neurons, records and late are 0"):
        measure(replace(SMALL, neurons=0), work(), beta=0.8, P=4, run=0)
    with pytest.raises(ValueError, match="d is 128"):
        measure(SMALL, work(), beta=0.8, P=200, run=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_gpu_says_the_same():
    here = measure(SMALL, work(), beta=0.8, P=8, run=0)
    there = measure(SMALL, Work(torch.device("cuda")), beta=0.8, P=8, run=0)
    for name in here:
        np.testing.assert_allclose(here[name], there[name], rtol=1e-3, atol=1e-4)

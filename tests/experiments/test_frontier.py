"""The compute-optimal frontier: from a full measurement to its slope."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.emergence import Activation, Student, Teacher, fit_power_law, greedy
from plateaus.experiments._experiment import Result, Work, check, points, stack
from plateaus.experiments._flow import emergence, follow, power, start, stream, teacher
from plateaus.experiments.frontier import FRONTIER, Settings, findings, frontiers, measure

SMALL = Settings(m=(2, 4, 8, 16), run=(0, 1), d=64, P=16, compute=800.0, records=40)


def work(**keywords):
    return Work(torch.device("cpu"), **keywords)


def result(s):
    cells = [measure(s, work(), **point) for point in points(FRONTIER, s)]
    return Result(FRONTIER, s, stack(FRONTIER, s, cells), {})


@pytest.fixture(scope="module")
def small():
    return result(SMALL)


def test_the_loss_is_that_of_the_predicted_pairs_and_of_the_start(small):
    np.testing.assert_allclose(small["loss"][..., 0], 0.5, atol=5e-3)
    np.testing.assert_allclose(small["loss"][0, :, -1], small["predicted"][0, :, -1], rtol=1e-2)
    assert (np.diff(small["loss"], axis=-1) < 1e-6).all()


def test_the_frontier_is_the_least_loss_at_every_compute(small):
    C, loss, width, inside = frontiers(small, "loss")
    for r in range(2):
        for k in (100, 200):
            least = min(
                np.interp(np.log(C[k] / m), np.log(t), np.log(L))
                for m, t, L in zip(SMALL.m, small["times"][:, r], small["loss"][:, r], strict=True)
                if t[0] <= C[k] / m
            )
            np.testing.assert_allclose(np.log(loss[k, r]), least, atol=0.05)
    assert set(np.unique(width[inside])) <= {4, 8}


def test_findings_put_finite_slopes_side_by_side(small):
    found = findings(small)
    slopes = [f for f in found if "slope" in f.quantity]
    assert slopes
    assert all(np.isfinite([f.predicted, f.measured, f.low, f.high]).all() for f in found)
    assert any(f.predicted == pytest.approx(-1 / 3) for f in slopes)


def test_the_slopes_of_a_known_frontier_are_found():
    s = replace(SMALL, m=(1, 4, 16, 64, 256), run=(0,), compute=1e6, P=4096, d=8192)
    t = np.geomspace(1e-1, 1e6 / np.array(s.m), 60).T
    loss = np.minimum(0.5, 0.5 * np.maximum(t ** (-0.75), np.array(s.m)[:, None] ** -0.6))
    arrays = {"times": t[:, None], "loss": loss[:, None], "predicted": loss[:, None]}
    slopes = [f for f in findings(Result(FRONTIER, s, arrays, {})) if "slope" in f.quantity]
    assert slopes
    assert all(f.measured == pytest.approx(-1 / 3, abs=0.04) for f in slopes)
    assert slopes[0].predicted == slopes[0].measured


def test_the_probe_is_a_point_of_the_whole(small):
    probe = FRONTIER.probe(SMALL)
    again = measure(probe.settings, work(), **probe.point)
    for name, array in small.at(**probe.point).items():
        assert np.array_equal(array, again[name])


def test_a_run_that_is_cut_goes_on_to_the_same_bits():
    whole = measure(SMALL, work(), m=8, run=0)
    seen = []

    def cut(state):
        seen.append(state())
        if len(seen) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(SMALL, work(keep=cut), m=8, run=0)
    file = io.BytesIO()
    torch.save(seen[-1], file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    rest = measure(SMALL, work(state=state), m=8, run=0)
    assert all(np.array_equal(whole[name], rest[name]) for name in whole)


def test_progress_reaches_the_end():
    said = []
    measure(SMALL, work(progress=lambda part, loss=None: said.append(part)), m=2, run=0)
    assert said == sorted(said)
    assert said[-1] == 1


def test_own_strengths_have_no_asymptote():
    s = replace(SMALL, P=4, strengths=(0.8, 0.4, 0.4, 0.2), run=(0,), compute=400.0)
    assert not any("∞" in f.quantity for f in findings(result(s)))
    with pytest.raises(ValueError, match="strengths are 4; valid are P = 16"):
        measure(replace(SMALL, strengths=(0.8, 0.4, 0.4, 0.2)), work(), m=4, run=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"compute": 1.0}, "compute is 1, spent by m = 4"),
        ({"records": 1}, "records, late and compute are 1"),
        ({"late": 0.5}, "late and compute are 40, 0.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        measure(replace(SMALL, **change), work(), m=4, run=0)


def test_full_and_reduced_settings_are_valid():
    check(FRONTIER, replace(FRONTIER.full, **FRONTIER.reduced))


def test_points_have_independent_starts():
    seeds = [stream(*key) for key in ((0, 8, 0), (0, 8, 1), (0, 16, 0), (1, 8, 0), (0, 0.8, 0))]
    assert len(set(seeds)) == 5
    assert stream(0, 8, 1) == stream(0, 8.0, 1)


def test_emergence_of_a_pair_is_where_the_closed_form_has_it():
    f = teacher(64, 1, 0.8, (0.0, 0.0, 0.0, 0.0, 1.0))
    V = torch.zeros(1, 64, dtype=torch.float64)
    V[0, :2] = 1e-3 * torch.tensor([0.2, 0.96**0.5])
    T = greedy(f, Student(V)).T.item()
    for records in (5, 40):
        run = follow(f, Student(V), np.geomspace(T / 2, 2 * T, records), work())
        measured, neuron = emergence(run, (0.0, 0.0, 0.0, 0.0, 1.0))
        assert neuron.tolist() == [0]
        assert measured[0] == pytest.approx(T, rel=2e-3 if records == 5 else 2e-5)


def test_emergence_before_and_beyond_the_records():
    f = Teacher([1.0, 0.5], d=8, activation=Activation.hermite(4))
    V = torch.zeros(2, 8, dtype=torch.float64)
    V[0, 0] = V[1, 2] = 1e-3
    V[1, 1] = 1e-5
    T, neuron = emergence(follow(f, Student(V), np.array([0.1, 0.2]), work()), (0, 0, 0, 0, 1.0))
    assert T.tolist() == [0.1, np.inf]
    assert neuron.tolist() == [0, -1]


def test_a_start_wider_than_the_span_is_in_the_coordinates_of_x():
    f = teacher(24, 16, 0.8, (0.0, 0.0, 0.0, 0.0, 1.0))
    assert start(f, 8, 1e-2, 0).V.shape == (8, 24)
    assert start(f, 12, 1e-2, 0).V.shape == (12, 24)
    assert start(f, 2, 1e-2, 0).V.shape == (2, 18)


def test_power_is_the_fit_with_its_interval_named():
    x = np.array([1.0, 2.0, 4.0])
    y = np.stack([x**2, 1.1 * x**2], axis=1)
    assert power(x, y, (1, 4))[0] == fit_power_law(x, y, window=(1, 4), paired=True)
    assert power(x, y[:, :1], (1, 4))[0].slope == pytest.approx(2)
    assert "2 starts" in power(x, y, (1, 4), paired=False)[1]
    y[1] = np.inf  # censored: the fit goes through what is known
    assert power(x, y, (1, 4))[0].slope == pytest.approx(2)
    assert np.isnan(power(x, y, (1, 2))[0].slope)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_gpu_says_the_same():
    here = measure(SMALL, work(), m=8, run=0)
    there = measure(SMALL, Work(torch.device("cuda")), m=8, run=0)
    for name in here:
        np.testing.assert_allclose(here[name], there[name], rtol=0, atol=1e-4 * here[name].max())

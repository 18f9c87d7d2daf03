"""Emergence against greedy selection, over starts and dimensions."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.experiments._experiment import Result, Work, check, points, stack
from plateaus.experiments.emergence_times import EMERGENCE_TIMES, Settings, findings, measure

SMALL = Settings(d=(64, 256), run=(0, 1, 2), P=2, m=4, records=80)


def work(**keywords):
    return Work(torch.device("cpu"), **keywords)


@pytest.fixture(scope="module")
def small():
    cells = [measure(SMALL, work(), **point) for point in points(EMERGENCE_TIMES, SMALL)]
    return Result(EMERGENCE_TIMES, SMALL, stack(EMERGENCE_TIMES, SMALL, cells), {})


def test_directions_that_are_no_ties_emerge_when_predicted(small):
    apart = ~small["near_tie"]
    assert apart.any()
    assert small["same_neuron"][apart].all()
    np.testing.assert_allclose(small["T"][apart], small["T_predicted"][apart], rtol=0.02)


def test_the_mass_of_a_learned_direction_is_its_strength(small):
    learned = np.isfinite(small["T"]) & ~small["near_tie"]
    np.testing.assert_allclose(small["mass"][learned], 1, atol=1e-3)


def test_findings_put_finite_numbers_side_by_side(small):
    found = findings(small)
    assert {f.claim for f in found} == {"emergence-times", "greedy-selection", "deflation"}
    assert all(np.isfinite([f.predicted, f.measured, f.low, f.high]).all() for f in found)
    slopes = [f for f in found if "slope" in f.quantity]
    assert len(slopes) == 6
    assert [f.predicted for f in slopes if "∞" in f.quantity] == [1, 1]


def test_known_times_give_their_slope_and_ratios():
    s = replace(SMALL, d=(100, 400, 1600), run=tuple(range(5)))
    d = np.array(s.d, float)[:, None, None]
    T = d * np.ones((1, 5, 1)) * np.array([1.0, 2.0])
    arrays = {
        "T": 1.1 * T,
        "T_predicted": T,
        "T_leading": T**1.5,
        "same_neuron": np.ones(T.shape, bool),
        "near_tie": np.zeros(T.shape, bool),
        "mass": np.ones(T.shape),
    }
    arrays["T"][:, 0] = np.inf  # one of five starts learns nothing: censored, no number
    arrays["same_neuron"][:, 0] = False
    found = findings(Result(EMERGENCE_TIMES, s, arrays, {}))
    slopes = [f for f in found if "slope" in f.quantity]
    assert [f.measured for f in slopes] == pytest.approx([1] * 6)
    assert [f.predicted for f in slopes] == pytest.approx([1, 1.5, 1] * 2)
    ratios = [f for f in found if "over its prediction" in f.quantity]
    assert [f.measured for f in ratios] == pytest.approx([1.1] * 3)
    shares = [f for f in found if f.claim == "greedy-selection"]
    assert [f.measured for f in shares] == pytest.approx([0.8] * 3)
    assert all(f.low < 0.8 < f.high for f in shares)


def test_the_probe_is_a_point_of_the_whole(small):
    probe = EMERGENCE_TIMES.probe(SMALL)
    again = measure(probe.settings, work(), **probe.point)
    for name, array in small.at(**probe.point).items():
        assert np.array_equal(array, again[name])


def test_a_run_that_is_cut_goes_on_to_the_same_bits():
    whole, seen = measure(SMALL, work(), d=64, run=0), []

    def cut(state):
        seen.append(state())
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(SMALL, work(keep=cut), d=64, run=0)
    file = io.BytesIO()
    torch.save(seen[-1], file)
    file.seek(0)
    rest = measure(SMALL, work(state=torch.load(file, weights_only=True)), d=64, run=0)
    assert all(np.array_equal(whole[name], rest[name]) for name in whole)


def test_another_activation_has_another_exponent():
    s = replace(SMALL, sigma=(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0), d=(16, 32), run=(0,), P=1, m=8)
    cells = [measure(s, work(), **point) for point in points(EMERGENCE_TIMES, s)]
    found = findings(Result(EMERGENCE_TIMES, s, stack(EMERGENCE_TIMES, s, cells), {}))
    assert [f.predicted for f in found if "∞" in f.quantity] == [2]


def test_full_and_reduced_settings_are_valid():
    check(EMERGENCE_TIMES, replace(EMERGENCE_TIMES.full, **EMERGENCE_TIMES.reduced))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="m, records and late are 1"):
        measure(replace(SMALL, m=1), work(), d=64, run=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_gpu_says_the_same():
    here = measure(SMALL, work(), d=64, run=0)
    there = measure(SMALL, Work(torch.device("cuda")), d=64, run=0)
    for name in here:
        np.testing.assert_allclose(here[name], there[name], rtol=1e-3, atol=1e-4)

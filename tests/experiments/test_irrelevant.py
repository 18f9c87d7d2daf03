"""Overlaps with what a neuron does not learn, over starts and dimensions."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.experiments._experiment import Result, Work, check, points, stack
from plateaus.experiments.irrelevant import IRRELEVANT, Settings, findings, measure

SMALL = Settings(d=(64, 256), run=(0, 1, 2), P=2, m=4, records=80)


@pytest.fixture(scope="module")
def small():
    work = Work(torch.device("cpu"))
    cells = [measure(SMALL, work, **point) for point in points(IRRELEVANT, SMALL)]
    return Result(IRRELEVANT, SMALL, stack(IRRELEVANT, SMALL, cells), {})


def test_peaks_lie_between_start_and_prediction(small):
    known = np.isfinite(small["predicted"])
    assert known.any()
    start, peak, most = (small[name][known] for name in ("start", "peak", "predicted"))
    assert (start <= peak).all()
    assert (peak <= 1.05 * most).all()


def test_only_overlaps_with_other_directions_count(small):
    for name in ("start", "peak", "predicted"):
        assert np.isnan(small[name][..., range(2), range(2)]).all()


def test_findings_put_finite_numbers_side_by_side(small):
    found = findings(small)
    assert {f.claim for f in found} == {"irrelevant"}
    assert all(np.isfinite([f.predicted, f.measured, f.low, f.high]).all() for f in found)
    assert [f.predicted for f in found if "notes" in f.quantity] == [-0.9, -0.9]


def test_known_peaks_give_their_slope_and_ratios():
    s = replace(SMALL, d=(100, 400, 1600), run=tuple(range(5)))
    start = np.full((3, 5, 2, 2), np.nan)
    start[..., 0, 1], start[..., 1, 0] = 1, 2
    start = start / np.array(s.d, float)[:, None, None, None]
    arrays = {"start": start, "peak": 3 * start, "predicted": 2 * start}
    found = findings(Result(IRRELEVANT, s, arrays, {}))
    assert [f.measured for f in found if "slope" in f.quantity] == pytest.approx([-1] * 8)
    assert [f.measured for f in found if "over its" in f.quantity] == pytest.approx([1.5] * 3)


def test_the_probe_is_a_point_of_the_whole(small):
    probe = IRRELEVANT.probe(SMALL)
    again = measure(probe.settings, Work(torch.device("cpu")), **probe.point)
    for name, array in small.at(**probe.point).items():
        assert np.array_equal(array, again[name], equal_nan=True)


def test_full_and_reduced_settings_are_valid():
    check(IRRELEVANT, replace(IRRELEVANT.full, **IRRELEVANT.reduced))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="valid: an information exponent above 2"):
        measure(replace(SMALL, sigma=(0.0, 0.0, 1.0)), Work(torch.device("cpu")), d=64, run=0)

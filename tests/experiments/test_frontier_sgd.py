"""SGD beside the frontier's flow: its delay, its samples, and a run that is cut."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from plateaus.emergence import critical_eta, greedy
from plateaus.experiments._experiment import Arrays, Result, Work, check, points, stack
from plateaus.experiments._flow import start, stream, teacher
from plateaus.experiments._run import deviation
from plateaus.experiments.frontier_sgd import (
    FRONTIER_SGD,
    Settings,
    arrivals,
    findings,
    late,
    measure,
    spread,
    typical,
)

SMALL = Settings(
    m=(6,), rate=(0.01, 0.3), run=(0, 1), d=32, P=6, batch=16, top=1, wide=(64, 16), segment=50
)
POINT = {"m": 6, "rate": 0.3, "run": 1}


def work(**keywords):  # type: ignore[no-untyped-def]
    return Work(torch.device("cpu"), **keywords)


def result(s: Settings) -> Result:
    cells = [measure(s, work(), **point) for point in points(FRONTIER_SGD, s)]
    return Result(FRONTIER_SGD, s, stack(FRONTIER_SGD, s, cells), {})


@pytest.fixture(scope="module")
def small() -> Result:
    return result(SMALL)


def test_slow_sgd_follows_the_flow(small: Result) -> None:
    T = arrivals(small)[0, 0]
    np.testing.assert_allclose(T, small["T_flow"][0, 0], rtol=0.3)
    np.testing.assert_allclose(small["T_flow"], small["T_predicted"], rtol=0.15)
    np.testing.assert_allclose(small["loss"][0, 0], small["flow"][0, 0], atol=0.1)
    assert (np.diff(small["steps"]) > 0).all()


def test_rate_is_that_part_of_the_critical_one(small: Result) -> None:
    f = teacher(SMALL.d, SMALL.P, SMALL.beta, SMALL.sigma)
    student = start(f, 6, SMALL.radius, stream(SMALL.seed, 6, 1))
    T = greedy(f, student).T
    eta = 16 * float(critical_eta(f, student)[T.argmin()]) * np.array(SMALL.rate)
    np.testing.assert_allclose(small["eta"][0, :, 1], eta)


def test_the_delay_is_that_of_its_equation() -> None:
    for rho in (0.1, 0.5, 0.9):
        time = quad(lambda u, rho=rho: 1 / (u * (u - rho)), 1, np.inf)[0]
        assert float(late(np.array(rho))) == pytest.approx(time)
    assert np.isinf(late(np.array([1.0, 2.0]))).all()


def test_the_spread_of_h4_has_its_closed_form() -> None:
    f = teacher(32, 3, 0.8, SMALL.sigma)
    M2 = np.array([0.1, 0.05, 0.0])
    expected = np.sqrt((1 + 8 * f.a.numpy()[:2] ** 2) / (31 * M2[:2]))
    np.testing.assert_allclose(spread(f, M2)[:2], expected)
    assert np.isnan(spread(f, M2)[2])


def test_single_samples_from_the_sizes_are_those_of_the_starts(small: Result) -> None:
    f = teacher(64, 1, 0.8, SMALL.sigma)
    s = replace(SMALL, wide=(64, 1))
    V = start(f, 1, 0.01, 0).V
    V[0, :2] = 0.01 * torch.tensor([64**-0.5, (1 - 1 / 64) ** 0.5])
    student = type(start(f, 1, 0.01, 0))(V)
    exact = greedy(f, student)
    n = float(exact.T_leading[0] / critical_eta(f, student)[0])
    assert typical(s)[1] == pytest.approx(n)
    assert (small["single"][..., 0] <= small["single"][..., 2]).all()


def test_findings_have_both_sides(small: Result) -> None:
    found = findings(small)
    assert len(found) == 2 * 7 + 1 + 3
    for finding in found:
        assert np.isfinite(finding.predicted), finding
        assert not np.isnan(finding.measured), finding  # inf: SGD has missed most of them
        assert np.isnan(finding.low) or finding.low <= finding.measured <= finding.high


def test_a_direction_that_sgd_misses_is_late_forever(small: Result) -> None:
    arrays = dict(small.arrays)
    arrays["squared"] = np.full_like(arrays["squared"], 0.1)
    missed = Result(FRONTIER_SGD, SMALL, arrays, {})
    assert np.isinf(arrivals(missed)).all()
    shares = [f.measured for f in findings(missed) if "has reached" in f.quantity]
    assert shares == [0.0, 0.0]


def test_the_probe_is_the_beginning(small: Result) -> None:
    assert max(deviation(small, FRONTIER_SGD.probe(SMALL)).values()) == 0


def test_a_run_that_is_cut_goes_on_to_the_same_bits(small: Result) -> None:
    def cut(state):  # type: ignore[no-untyped-def]
        torch.save(state(), file)
        raise KeyboardInterrupt

    file = io.BytesIO()
    with pytest.raises(KeyboardInterrupt):
        measure(SMALL, work(keep=cut), **POINT)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert 0 < state["done"] < small.at(**POINT)["steps"][-1]
    rest: Arrays = measure(SMALL, work(state=state), **POINT)
    for name, array in small.at(**POINT).items():
        np.testing.assert_array_equal(rest[name], array)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="top, records and rate are 7, 64"):
        measure(replace(SMALL, top=7), work(), **POINT)
    with pytest.raises(ValueError, match="batch is 100000, so that η = "):
        measure(replace(SMALL, batch=100000), work(), **POINT)


def test_own_strengths() -> None:
    s = replace(SMALL, strengths=(0.8, 0.6), P=2, m=(2,), records=1)
    assert np.isfinite(measure(s, work(), m=2, rate=0.3, run=0)["loss"]).all()
    assert typical(s)[1] > typical(s)[0] > 0


def test_full_and_reduced_settings_are_valid() -> None:
    check(FRONTIER_SGD, replace(FRONTIER_SGD.full, **FRONTIER_SGD.reduced))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda() -> None:
    s = replace(SMALL, records=2)
    there = measure(s, Work(torch.device("cuda")), **POINT)
    np.testing.assert_allclose(there["loss"], measure(s, work(), **POINT)["loss"], rtol=1e-2)

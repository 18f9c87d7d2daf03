import math

import numpy as np
import pytest
import torch

from plateaus.emergence import fit_power_law

x = np.array([8.0, 16.0, 32.0, 64.0])


def noisy(slope, seed=0, replicates=64):
    rng = np.random.default_rng(seed)
    return 3 * x[:, None] ** slope * rng.lognormal(sigma=0.5, size=(4, replicates))


def test_an_exact_power_law():
    fit = fit_power_law(x, np.repeat(3 * x[:, None] ** 2.5, 5, axis=1), window=(8, 64))
    assert (fit.slope, fit.prefactor) == pytest.approx((2.5, 3.0))
    assert fit.interval == pytest.approx((2.5, 2.5))
    assert fit.window == (8, 64)


def test_the_interval_covers_about_as_often_as_it_says():
    fits = [fit_power_law(x, noisy(2, seed), window=(8, 64), resamples=400) for seed in range(100)]
    inside = sum(fit.interval[0] <= 2 <= fit.interval[1] for fit in fits)
    assert 88 <= inside <= 100


def test_the_window_excludes():
    y = noisy(2)
    y[0] *= 100
    assert fit_power_law(x, y, window=(16, 64)).slope == pytest.approx(2, abs=0.3)
    assert fit_power_law(x, y, window=(8, 64)).slope < 1


def test_censored_tails_leave_the_median_alone():
    y = noisy(2)
    censored = np.where(y > np.quantile(y, 0.8, axis=1, keepdims=True), math.inf, y)
    assert fit_power_law(x, y, window=(8, 64)) == fit_power_law(x, censored, window=(8, 64))


def test_censoring_near_the_median_opens_the_interval():
    y = np.sort(noisy(2), axis=1)
    y[3, 34:] = math.inf
    fit = fit_power_law(x, y, window=(8, 64))
    assert math.isfinite(fit.slope)
    assert fit.interval == (-math.inf, math.inf)


def test_runs_followed_through_all_x_are_drawn_whole():
    rng = np.random.default_rng(1)
    wide = (
        3 * x[:, None] ** 2 * rng.lognormal(sigma=0.5, size=64)
    )  # a run is above or below, always
    fit = fit_power_law(x, wide, window=(8, 64), paired=True)
    assert fit.interval == pytest.approx((2, 2))
    apart = fit_power_law(x, wide, window=(8, 64))
    assert apart.interval[1] - apart.interval[0] > 0.1
    steep = 3 * x[:, None] ** rng.normal(2, 0.3, 64)  # a run has a slope of its own
    whole, parts = (
        fit_power_law(x, steep, window=(8, 64), paired=paired).interval for paired in (True, False)
    )
    assert whole[1] - whole[0] < parts[1] - parts[0]


@pytest.mark.parametrize("paired", [False, True])
def test_the_interval_of_independent_or_whole_runs_covers_as_often_as_it_says(paired):
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(100):
        slopes = 2 + 0.3 * rng.standard_normal((1, 64) if paired else (4, 64))
        y = x[:, None] ** slopes
        low, high = fit_power_law(x, y, window=(8, 64), paired=paired, resamples=400).interval
        inside += low <= 2 <= high
    assert 88 <= inside <= 100


def test_a_single_curve_that_is_a_power_law():
    fit = fit_power_law(x, 3 * x**2.5, window=(8, 64))
    assert (fit.slope, fit.prefactor) == pytest.approx((2.5, 3.0))
    assert fit.interval == pytest.approx((2.5, 2.5))
    assert fit.window == (8, 64)


def test_the_interval_of_a_single_curve_says_how_much_it_bends():
    z = np.geomspace(1, 100, 41)
    y = np.exp(-0.1 * np.log(z) ** 2)  # its slope at z is −0.2 log z
    fit = fit_power_law(z, y, window=(1, 100))
    assert fit.slope == pytest.approx(-0.1 * np.log(100))
    # Halves of the window: the slope of a parabola over an interval is that at its middle.
    assert fit.interval == pytest.approx((-0.15 * np.log(100), -0.05 * np.log(100)))
    narrow = fit_power_law(z, y, window=(5, 20))
    assert narrow.interval[1] - narrow.interval[0] < 0.4 * (fit.interval[1] - fit.interval[0])
    shuffled = np.random.default_rng(0).permutation(41)
    again = fit_power_law(z[shuffled], y[shuffled], window=(1, 100))
    assert again.interval == pytest.approx(fit.interval)
    assert again.slope == pytest.approx(fit.slope)


def test_three_points_show_a_bend_and_two_do_not():
    assert fit_power_law([1, 2, 4], [1, 2, 8], window=(1, 4)).interval == pytest.approx((1, 2))
    two = fit_power_law([1, 2, 4], [1, 2, 8], window=(2, 4))
    assert two.slope == pytest.approx(2)
    assert two.interval == (-math.inf, math.inf)


def test_tensors_are_taken_too():
    z = torch.tensor(x)
    assert fit_power_law(z, z**2, window=(8, 64)).slope == pytest.approx(2)


@pytest.mark.parametrize(
    ("xs", "ys", "window", "message"),
    [
        (x, np.ones((3, 2)), (8, 64), "valid are"),
        (x, np.ones((4, 2, 2)), (8, 64), "valid are"),
        (x, np.ones((4, 0)), (8, 64), "valid are"),
        (x, np.ones(3), (8, 64), "valid are"),
        (x, np.array([1, 0, 1, 1]), (8, 64), "at x = 16 y is 0.0; valid for a single curve"),
        (x, np.array([1, 1, 1, math.inf]), (8, 64), "at x = 64 y is inf; valid for a single"),
        (x, -np.ones((4, 2)), (8, 64), "y not negative"),
        (x - 8, np.ones((4, 2)), (8, 64), "distinct positive numbers"),
        (np.array([1.0, 1.0]), np.ones((2, 2)), (1, 2), "distinct positive numbers"),
        (x, np.ones((4, 2)), (9, 17), "1 points lie in the window"),
        (x, np.full((4, 2), math.inf), (8, 64), "the median of y is inf"),
        (x, np.zeros((4, 2)), (8, 64), "the median of y is 0"),
    ],
)
def test_bad_arguments(xs, ys, window, message):
    with pytest.raises(ValueError, match=message):
        fit_power_law(xs, ys, window=window)

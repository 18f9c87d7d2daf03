import math

import numpy as np
import pytest

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


@pytest.mark.parametrize(
    ("xs", "ys", "window", "message"),
    [
        (x, np.ones((3, 2)), (8, 64), "valid are"),
        (x, np.ones(4), (8, 64), "valid are"),
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

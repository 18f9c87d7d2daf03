import math

import numpy as np
import pytest
import torch

from plateaus.emergence import (
    Activation,
    Student,
    Teacher,
    exponents,
    fit_power_law,
    frontier,
    greedy,
    tail,
)


def test_exponents_at_four_fifths():
    law = exponents(0.8)
    fixed, tuned = law.fixed, law.tuned
    assert law.width == pytest.approx(-0.6)
    assert (fixed.emergence, tuned.emergence) == pytest.approx((0.8, 1.6))
    assert (fixed.loss, tuned.loss) == pytest.approx((-0.75, -0.375))
    assert (fixed.compute, tuned.compute) == pytest.approx((-1 / 3, -3 / 13))
    assert (fixed.balance, tuned.balance) == pytest.approx((1 / 1.8, 1 / 2.6))


@pytest.mark.parametrize("beta", [0.51, 0.6, 0.8, 1, 1.5, 4])
def test_the_tuned_rate_is_minimax_and_the_fixed_one_is_not(beta):
    law = exponents(beta)
    # The best of all thresholds in the Gaussian sequence model, by search
    q = np.arange(1.0, 2e6)
    left = np.cumsum(q[::-1] ** (-2 * beta))[::-1]
    if 0.6 <= beta <= 1.5:
        risk = [np.min((q - 1) / n + left) for n in (1e4, 1e5)]
        # from above: beyond the last q there is more, which matters where β is near ½
        risk = [r + q[-1] ** law.width / -law.width for r in risk]
        assert math.log10(risk[1] / risk[0]) == pytest.approx(law.minimax, abs=0.02)
    assert law.tuned.loss == pytest.approx(law.minimax)
    assert law.fixed.loss == pytest.approx(2 * law.minimax)


@pytest.mark.parametrize("beta", [0.5, 0.2, 0, -1, math.inf, math.nan])
def test_no_scaling_law_up_to_one_half(beta):
    for function in (exponents, lambda beta: tail([1], P=4, beta=beta)):
        with pytest.raises(ValueError, match=r"valid are finite numbers above 1/2: .* be summed"):
            function(beta)


def test_the_tail_is_what_a_teacher_has_left():
    teacher = Teacher.power_law(40, 40, 0.8, activation=Activation.hermite(4))
    p = torch.arange(41)
    left = torch.stack([0.5 * (teacher.a[q:] ** 2).sum() for q in range(41)])
    torch.testing.assert_close(tail(p, P=40, beta=0.8), left)
    torch.testing.assert_close(tail([[2.7], [100]], P=40, beta=0.8), left[[2, 40], None])


def test_the_integral_is_the_tail_where_p_is_large():
    p = np.array([50.0, 200.0, 800.0])
    exact = tail(p, P=4096, beta=0.8)
    integral = tail(p, P=4096, beta=0.8, integral=True)
    assert ((integral / exact - 1).abs() < 0.01).all()
    h = sum(q**-1.6 for q in range(1, 4097))
    written_out = 0.5 * (50**-0.6 - 4096**-0.6) / (0.6 * h)
    assert integral[0].item() == pytest.approx(written_out)
    # Without the −P^{1−2β} it is not.
    assert abs(0.5 * 50**-0.6 / (0.6 * h) / exact[0] - 1) > 0.05
    assert tail([4096.0, 5000.0], P=4096, beta=0.8, integral=True).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("P", "slopes"), [(1024, (-0.68, -0.83, -0.90)), (4096, (-0.66, -0.77, -0.80))]
)
def test_finite_P_bends_the_slope_against_time(P, slopes):
    """L against t = p^β: −0.75 as P → ∞, and none of these."""
    p = torch.arange(1, 129, dtype=torch.float64)
    windows = ((2, 8), (8, 64), (16, 128))
    for (low, high), slope in zip(windows, slopes, strict=True):
        window = (low**0.8 - 1e-9, high**0.8 + 1e-9)
        fit = fit_power_law(p**0.8, tail(p, P=P, beta=0.8), window=window)
        assert fit.slope == pytest.approx(slope, abs=0.011)
        assert abs(fit.slope - exponents(0.8).fixed.loss) > 0.015


def test_the_slope_of_the_integral():
    p, P, beta = np.array([19.99, 20.01]), 300, 0.7
    low, high = tail(p, P=P, beta=beta, integral=True).log().tolist()
    slope = (high - low) / math.log(p[1] / p[0])
    assert slope == pytest.approx((1 - 2 * beta) / (1 - (20 / P) ** (2 * beta - 1)), rel=1e-5)


def test_bad_tails():
    with pytest.raises(ValueError, match="P is 0; valid are integers from 1"):
        tail([1], P=0, beta=0.8)
    for p, integral in ((-1.0, False), (0.0, True), (math.nan, False)):
        with pytest.raises(ValueError, match=f"p has {p:g}; valid are numbers from 0"):
            tail([p], P=4, beta=0.8, integral=integral)


# ---- the frontier ------------------------------------------------------------------------------


def additive(alpha, gamma, widths, times):
    return {m: (times, m**-alpha + times**-gamma) for m in widths}


@pytest.mark.parametrize("beta", [0.6, 0.8, 1.5])
@pytest.mark.parametrize("regime", ["fixed", "tuned"])
def test_the_frontier_of_an_additive_law_has_the_exponent_of_compute(beta, regime):
    law = exponents(beta)
    rule = getattr(law, regime)
    widths = [2**i for i in range(25)]
    times = np.geomspace(1, 1e12, 2000)
    front = frontier(additive(-law.width, -rule.loss, widths, times))
    window = (1e3, 1e9)
    inside = (front.compute > window[0]) & (front.compute < window[1])
    assert front.interior[inside].all()
    fit = fit_power_law(front.compute, front.loss, window=window)
    assert fit.slope == pytest.approx(rule.compute, rel=0.01)
    assert fit.interval[0] < rule.compute < fit.interval[1]
    width = fit_power_law(front.compute, front.m, window=window)
    assert width.slope == pytest.approx(rule.balance, abs=0.02)


def random_curves(seed, replicates=None):
    rng = np.random.default_rng(seed)
    curves = {}
    for m in (3, 1, 8, 20):
        times = np.exp(np.sort(rng.uniform(0, 6, 30)))
        shape = (30,) if replicates is None else (30, replicates)
        curves[m] = times, np.exp(np.cumsum(rng.normal(-0.1, 0.3, shape), axis=0))
    return curves


def test_the_frontier_against_a_brute_force_envelope():
    curves = random_curves(0)
    front = frontier(curves, points=57)
    assert front.compute.shape == front.loss.shape == front.m.shape == (57,)
    assert (front.loss.diff() <= 0).all()
    for C, loss, width, interior in zip(*(x.tolist() for x in vars(front).values()), strict=True):
        best, by, ended = math.inf, 0, False
        for m, (times, L) in curves.items():
            if m * times[0] > C * (1 + 1e-12):
                continue
            # all times up to C/m at which the minimum can be: those of its points, and the last
            reach = np.log(np.append(times[m * times <= C], min(C / m, times[-1])))
            value = math.exp(np.interp(reach, np.log(times), np.log(L)).min())
            if value < best:
                best, by, ended = value, m, m * times[-1] < C
        assert loss == pytest.approx(best, rel=1e-9)
        assert width == by
        assert interior == (by in (3, 8) and not ended)
    assert front.compute[0].item() == pytest.approx(min(m * t[0] for m, (t, _) in curves.items()))
    assert front.compute[-1].item() == pytest.approx(max(m * t[-1] for m, (t, _) in curves.items()))


def test_no_curve_is_below_the_frontier_and_one_touches_it():
    curves = random_curves(1)
    front = frontier(curves, points=2000)
    touched = 0
    for m, (times, L) in curves.items():
        at = np.searchsorted(front.compute.numpy(), m * times)
        inside = at < 2000
        assert (front.loss.numpy()[at[inside]] <= L[inside] * (1 + 1e-9)).all()
        touched += (front.loss.numpy()[at[inside]] > L[inside] * 0.98).sum()
    assert touched > 3


def test_replicates_each_have_a_frontier():
    curves = random_curves(2, replicates=5)
    front = frontier(curves)
    assert front.loss.shape == front.m.shape == front.interior.shape == (256, 5)
    for r in range(5):
        alone = frontier({m: (t, L[:, r]) for m, (t, L) in curves.items()})
        torch.testing.assert_close(front.loss[:, r], alone.loss)
        assert torch.equal(front.m[:, r], alone.m)
        assert torch.equal(front.interior[:, r], alone.interior)
    window = (front.compute[0].item(), front.compute[-1].item())
    fit = fit_power_law(front.compute, front.loss, window=window, paired=True)
    assert fit.interval[0] < fit.slope < fit.interval[1] < 0


def test_a_single_curve_is_its_own_frontier_and_has_no_interior():
    times = np.geomspace(1, 100, 5)
    front = frontier({4: (times, 1 / times)}, points=5)
    np.testing.assert_allclose(front.compute, 4 * times)
    np.testing.assert_allclose(front.loss, 1 / times)
    assert front.m.tolist() == [4] * 5
    assert not front.interior.any()


def test_the_frontier_that_greedy_predicts():
    """One seed at d = 2048, P = 1024 is −0.36 early: finite P and the start, not −1/3."""
    teacher = Teacher.power_law(2048, 256, 0.8, activation=Activation.hermite(4))
    V = Student.on_sphere(2048, 256, 1e-2, seed=0, axes=256).V
    times = torch.logspace(0, 5, 300)
    curves = {}
    for m in (8, 16, 32, 64, 128, 256):
        pairs = greedy(teacher, Student(V[:m]))
        curves[m] = times, pairs.loss(times)
    front = frontier(curves)
    assert front.interior.sum() > 50
    inside = front.compute[front.interior]
    fit = fit_power_law(front.compute, front.loss, window=(inside[0].item(), inside[-1].item()))
    assert -0.7 < fit.slope < exponents(0.8).fixed.compute


t = np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ({}, "there are 0 curves"),
        ({0: (t, t)}, "a width is 0; valid are integers from 1"),
        ({1.5: (t, t)}, "a width is 1.5; valid are integers from 1"),
        ({2: (t, t[:1])}, r"m = 2 has times \(2,\) and loss \(1,\); valid are"),
        ({2: (t[:1], t[:1])}, "n ≥ 2"),
        ({2: (t, np.ones((2, 0)))}, "n ≥ 2"),
        ({2: (t - 1, t)}, "valid are positive numbers that rise"),
        ({2: (t[::-1], t)}, "valid are positive numbers that rise"),
        ({2: ([1, 1], t)}, "valid are positive numbers that rise"),
        ({2: ([1, math.inf], t)}, "valid are positive numbers that rise"),
        ({2: (t, t - 1)}, "the loss of m = 2 has 0 or is not finite"),
        ({2: (t, [1, math.nan])}, "or is not finite"),
        ({2: (t, t), 3: (t, np.ones((2, 4)))}, r"replicates \[\(\), \(4,\)\]; valid is one"),
    ],
)
def test_bad_curves(curves, message):
    with pytest.raises(ValueError, match=message):
        frontier(curves)


def test_bad_points():
    with pytest.raises(ValueError, match="there are 1 curves and 1 points; valid are at least"):
        frontier({2: (t, t)}, points=1)

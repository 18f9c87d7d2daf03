r"""Scaling laws of a sum of skills: exponents, what finite P does to them, and the frontier.

With a_p ∝ p^{−β}, Σ_p a_p² = 1, and skill p gone from the loss after T_p, a student that has
learned the first p skills is left with the tail

    ½ Σ_{q>p} a_q²  ≈  ½ (p^{1−2β} − P^{1−2β}) / ((2β − 1) Σ_q q^{−2β})  →  ∝ p^{1−2β}   as P → ∞.

If T_p ∝ p^e and m neurons learn about m skills, then

    loss against time       p = t^{1/e}                     L ∝ t^{(1−2β)/e}
    against width           p = m                           L ∝ m^{1−2β}
    against compute         C = m t,  m = t^{1/e}           m ∝ C^{1/(1+e)},  L ∝ C^{(1−2β)/(1+e)}

    fixed η                 T_p ∝ 1/(η a_p)                 e = β
    η tuned to the horizon  η ∝ a_p,  T_p ∝ 1/a_p²           e = 2β

and the second is the minimax rate of the Gaussian sequence model, y_q = a_q + ξ_q/√n: keeping the
coordinates with a_q² > 1/n, p = n^{1/(2β)} of them, leaves p/n + Σ_{q>p} a_q² ∝ n^{1/(2β) − 1}.

Finite P bends all of these. In p, the integral above has the slope (1 − 2β)/(1 − (p/P)^{2β−1}),
steeper than 1 − 2β the nearer p comes to P; while for p of a few the sum is shallower than its
integral. So a measured slope stands beside that of `tail`, or of `Greedy.loss`, in the same window.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


@dataclass(frozen=True)
class Regime:
    """Exponents under one rule for the learning rate.

    Attributes:
        emergence: e in T_p ∝ p^e.
        loss: (1 − 2β)/e, of the loss against time, where width does not limit it.
        compute: (1 − 2β)/(1 + e), of the least loss against compute C = m t.
        balance: 1/(1 + e), of the width that reaches it, m ∝ C^{1/(1+e)}.
    """

    emergence: float
    loss: float
    compute: float
    balance: float


@dataclass(frozen=True)
class Exponents:
    """Asymptotic exponents for a_p ∝ p^{−β}, P → ∞.

    Attributes:
        beta: β.
        width: 1 − 2β, of the loss against width m, where time does not limit it.
        fixed: η the same for all widths and times; time is flow time or steps, T_p ∝ p^β.
        tuned: η ∝ a_p for the last skill p that the horizon allows; time is samples, T_p ∝ p^{2β}.
        minimax: 1/(2β) − 1, of the loss against samples in the Gaussian sequence model.
    """

    beta: float
    width: float
    fixed: Regime
    tuned: Regime
    minimax: float


def exponents(beta: float) -> Exponents:
    """The exponents of every regime.

    What the sources say: the slides have T_p, width and loss against time of both regimes, and that
    the fixed one does not match the minimax rate (Johnstone 2017), while the tuned one "matches
    known rates" and is not anytime. The notes have the compute exponent −1/3 at β = 0.8, which is
    the fixed one. They contradict themselves on minimax: in a table it is the fixed rate (1−2β)/β,
    in the text the scheme of the tuned one. It is the tuned one: `exponents(beta).tuned.loss`
    equals `.minimax`. The tuned compute exponent is ours.

    Arguments:
        beta: β > 1/2.

    Raises:
        ValueError: β ≤ 1/2, where Σ p^{−2β} diverges: the loss has no limit as P → ∞.

    Source: slides and notes on Ren, Nichani, Wu and Lee (2025), as said above.
    """
    _check_beta(beta)
    return Exponents(
        beta=beta,
        width=1 - 2 * beta,
        fixed=_regime(beta, beta),
        tuned=_regime(beta, 2 * beta),
        minimax=1 / (2 * beta) - 1,
    )


def _regime(beta: float, e: float) -> Regime:
    return Regime(
        emergence=e,
        loss=(1 - 2 * beta) / e,
        compute=(1 - 2 * beta) / (1 + e),
        balance=1 / (1 + e),
    )


def tail(p: ArrayLike | Tensor, *, P: int, beta: float, integral: bool = False) -> Tensor:
    """½ Σ_{q>p} a_q², the loss once the first p of P skills are learned; a_q ∝ q^{−β}, Σ a_q² = 1.

    `fit_power_law(p**beta, tail(p, P=P, beta=beta), window=…)` is what finite P makes of the
    exponent (1 − 2β)/β in that window.

    Arguments:
        p: any shape, from 0. The sum rounds down: 2.7 skills are 2. Beyond P nothing is left.
        P: number of skills.
        beta: β > 1/2.
        integral: True for ½ (p^{1−2β} − P^{1−2β})/((2β − 1) Σ_q q^{−2β}), p > 0.

    Returns:
        The loss for σ of unit norm, in p's shape, float64. Without integral, ½ at p = 0.

    Raises:
        ValueError: p or P out of range, or β ≤ 1/2.

    Source: ours; the slides have p^{1−2β}.
    """
    _check_beta(beta)
    if not isinstance(P, int) or P < 1:
        raise ValueError(f"P is {P!r}; valid are integers from 1.")
    learned = torch.as_tensor(p, dtype=torch.float64)
    if not bool((learned > 0 if integral else learned >= 0).all()):
        least = float(learned.min())
        raise ValueError(f"p has {least:g}; valid are numbers from 0, above 0 for the integral.")
    squares = torch.arange(1, P + 1, dtype=torch.float64) ** (-2 * beta)
    if integral:
        power = 1 - 2 * beta
        area: Tensor = (learned.clamp(max=P) ** power - float(P) ** power) / (2 * beta - 1)
        return 0.5 * area / squares.sum()
    left = torch.nn.functional.pad(squares.flip(0).cumsum(0).flip(0), (0, 1))
    return 0.5 * left[learned.clamp(max=P).long()] / left[0]


@dataclass(frozen=True, eq=False)
class Frontier:
    """The least loss that each compute allows, over widths and times.

    Attributes:
        compute: (points,), C = m t, evenly spaced in log C.
        loss: (points,), or (points, replicates) for curves with replicates; it never rises.
        m: the width that attains it, in the same shape.
        interior: in the same shape, True where that width is neither the least nor the greatest
            given, and its curve reaches as far as C. Elsewhere other widths or longer curves would
            lower the frontier: a fitted window belongs inside.
    """

    compute: Tensor
    loss: Tensor = field(repr=False)
    m: Tensor = field(repr=False)
    interior: Tensor = field(repr=False)


def frontier(
    curves: Mapping[int, tuple[ArrayLike | Tensor, ArrayLike | Tensor]], *, points: int = 256
) -> Frontier:
    """The compute-optimal frontier: the lower envelope of learning curves over C = m t.

        L*(C) = min over m and t with m t ≤ C of L_m(t)

    Between its points a curve is a line in log t and log L. The least loss that it has reached
    stays at hand, also after its last point. Its slope in a window is that of
    `fit_power_law(front.compute, front.loss, window=…)`, with paired=True for replicates.

    Arguments:
        curves: width m → (times, loss): times (n,), positive and rising; loss (n,) or
            (n, replicates), positive, with as many replicates for every width. Times of all widths
            are in one unit: flow time, steps or samples.
        points: the size of the grid of compute, from the least C of a curve to the greatest.

    Returns:
        The envelope; with replicates, of each replicate by itself.

    Raises:
        ValueError: there is no curve, or one of them or `points` is out of range; the sentence
            says which.

    Source: ours.
    """
    if not curves or not isinstance(points, int) or points < 2:
        raise ValueError(
            f"there are {len(curves)} curves and {points} points; valid are at least 1 and 2."
        )
    checked = {m: _curve(m, *curves[m]) for m in sorted(curves)}
    shapes = {loss.shape[1:] for _, loss in checked.values()}
    if len(shapes) > 1:
        raise ValueError(f"curves have replicates {sorted(shapes)}; valid is one number for all.")
    ends = np.array([[m * t[0], m * t[-1]] for m, (t, _) in checked.items()])
    compute = np.geomspace(ends[:, 0].min(), ends[:, 1].max(), points)
    log_C = np.log(compute)
    log_L = np.full((len(checked), points, *shapes.pop()), np.inf)
    for row, (m, (t, loss)) in zip(log_L, checked.items(), strict=True):
        curve = np.log(loss)
        passed = np.searchsorted(m * t, compute, side="right")
        begun = passed > 0
        least = np.minimum.accumulate(curve, axis=0)[passed[begun] - 1]
        for index in np.ndindex(loss.shape[1:]):
            now = np.interp(log_C[begun], np.log(m * t), curve[(..., *index)])
            row[(begun, *index)] = np.minimum(now, least[(..., *index)])
    best = log_L.argmin(axis=0)
    reached = compute <= ends[best, 1].T
    return Frontier(
        compute=torch.from_numpy(compute),
        loss=torch.from_numpy(np.exp(log_L.min(axis=0))),
        m=torch.tensor(list(checked))[torch.from_numpy(best)],
        interior=torch.from_numpy(reached.T & (best > 0) & (best < len(checked) - 1)),
    )


def _curve(
    m: int, times: ArrayLike | Tensor, loss: ArrayLike | Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One curve as arrays, or what is wrong with it."""
    if not isinstance(m, int) or m < 1:
        raise ValueError(f"a width is {m!r}; valid are integers from 1.")
    t, L = np.asarray(times, float), np.asarray(loss, float)
    if t.ndim != 1 or L.ndim not in (1, 2) or len(t) != len(L) or len(t) < 2 or 0 in L.shape:
        raise ValueError(
            f"the curve of m = {m} has times {t.shape} and loss {L.shape}; valid are (n,) and (n,) "
            "or (n, replicates), n ≥ 2."
        )
    if not (t[0] > 0 and (np.diff(t) > 0).all() and np.isfinite(t[-1])):
        raise ValueError(f"the times of m = {m} are {t}; valid are positive numbers that rise.")
    if not ((L > 0) & np.isfinite(L)).all():
        raise ValueError(
            f"the loss of m = {m} has {L.min():g} or is not finite; valid are positive numbers "
            "(leave out a replicate that failed)."
        )
    return t, L


def _check_beta(beta: float) -> None:
    if not 0.5 < beta < np.inf:
        raise ValueError(
            f"beta is {beta}; valid are finite numbers above 1/2: up to 1/2 the squared strengths "
            "Σ p^(−2β) cannot be summed, and the loss has no limit as P grows."
        )

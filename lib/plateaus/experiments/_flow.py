r"""What the experiments on population flow share: teacher, start, path, and the times on it.

A path begins at V(0), rows uniform on the sphere of a radius σ_0, which no source gives. Its time
is that of dV/dt = −∇L with L = ½ E(f* − f)²; steps of SGD are t/η.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import simpson
from scipy.special import expit, logit

from plateaus.emergence import (
    Activation,
    FlowRun,
    Greedy,
    PowerLaw,
    Student,
    Teacher,
    fit_power_law,
    flow,
)
from plateaus.experiments._experiment import Finding, Work

Array = NDArray[np.float64]

# The error aimed at in overlaps and norms, at all times.
TOLERANCE = 1e-4


def teacher(
    d: int, P: int, beta: float, sigma: Sequence[float], strengths: Sequence[float] | None = None
) -> Teacher:
    """f* with a_p ∝ p^{−β}, or with strengths of one's own; σ by its Hermite coefficients.

    Raises:
        ValueError: there are not P strengths, or as `Teacher`.
    """
    activation = Activation(tuple(sigma))
    if strengths is None:
        return Teacher.power_law(d, P, beta, activation=activation)
    if len(strengths) != P:
        raise ValueError(f"strengths are {len(strengths)}; valid are P = {P} of them.")
    return Teacher(strengths, d=d, activation=activation)


def stream(seed: int, *key: float) -> int:
    """A seed for the point of a grid with these coordinates, independent of all other points'."""
    words = np.array(key, dtype=np.float64).view(np.uint32).tolist()
    return int(np.random.SeedSequence([seed, *words]).generate_state(1)[0])


def start(of: Teacher, m: int, radius: float, seed: int) -> Student:
    """V(0), in float64 on the CPU, as wide as its inner products need."""
    axes = of.P if of.P + m <= of.d else None
    return Student.on_sphere(of.d, m, radius, seed=seed, axes=axes, dtype=torch.float64)


def settled(pairs: Greedy) -> float:
    """The flow time at which the last pair is predicted to have emerged and grown: max T + lag."""
    T = pairs.T + pairs.lag
    return float(T[T.isfinite()].max())


def follow(of: Teacher, student: Student, times: Array, work: Work) -> FlowRun:
    """The flow on the device of `work`, which can be cut and goes on to the same bits.

    Raises:
        FloatingPointError: the numbers ceased to be finite.
    """
    V = Student(student.V.to(work.device))
    run = flow(
        of,
        V,
        times,
        tolerance=TOLERANCE,
        progress=work.progress,
        keep=work.keep,
        state=work.state,
    )
    if run.failed < np.inf:
        raise FloatingPointError(f"the flow ceased to be finite at t = {run.failed:g}.")
    return run


def emergence(run: FlowRun, sigma: Sequence[float]) -> tuple[Array, NDArray[np.int64]]:
    """For every direction the time at which some neuron first has M² = ½, and which one.

    Between the two records around it, the log-odds ℓ of the greatest M² are taken to pass in the
    proportions of a pair by itself, dt ∝ dℓ/g(M): for records that are close, linearly. A direction
    that is there at the first record gets its time. inf and −1 where none gets there.
    """
    best, who = (run.overlaps**2).max(dim=1)  # (times, P)
    ell = logit(best.clamp(1e-300, 1 - 1e-12).numpy())
    t, P = run.times.numpy(), ell.shape[1]
    T, neuron = np.full(P, np.inf), np.full(P, -1)
    for p in np.flatnonzero((ell >= 0).any(axis=0)):
        k = int((ell[:, p] >= 0).argmax())
        T[p], neuron[p] = t[k], who[k, p]
        if k:
            before, after = _duration(ell[k - 1, p], 0, sigma), _duration(0, ell[k, p], sigma)
            T[p] = t[k - 1] + before / (before + after) * (t[k] - t[k - 1])
    return T, neuron


def _duration(first: float, last: float, sigma: Sequence[float]) -> float:
    """∫ dℓ/g(M), M² = 1/(1 + e^{−ℓ}), g(M) = Σ_k k c_k² M^{k−2}."""
    ell = np.linspace(first, last, 129)
    M = np.sqrt(expit(ell))
    g = sum(k * c * c * M ** (k - 2) for k, c in enumerate(sigma) if k)
    return float(simpson(1 / g, x=ell))


def slopes(
    claim: str,
    quantity: str,
    where: str,
    fit: tuple[PowerLaw, str],
    predicted: Iterable[tuple[str, float]],
) -> list[Finding]:
    """A fitted slope and its interval (`power`), beside each prediction: who predicts, and what."""
    law, interval = fit
    return [
        Finding(
            claim=claim,
            quantity=f"{quantity}, prediction: {source}",
            where=where,
            predicted=value,
            measured=law.slope,
            low=law.interval[0],
            high=law.interval[1],
            interval=interval,
        )
        for source, value in predicted
    ]


def power(
    x: Array, y: Array, window: tuple[float, float], *, paired: bool = True
) -> tuple[PowerLaw, str]:
    """The slope of the median of y (points, starts), and what its interval is.

    `paired` says that a start goes through all x; if not, every x has starts of its own. An x whose
    median is censored is left out; nan where fewer than two remain.
    """
    known = np.isfinite(np.median(y, axis=1)) & (window[0] <= x) & (x <= window[1])
    if known.sum() < 2:
        return PowerLaw(np.nan, np.nan, (np.nan, np.nan), window), ""
    x, y = x[known], y[known]
    if y.shape[1] == 1:
        fit = fit_power_law(x, y[:, 0], window=window)
        return fit, "least and greatest slope over halves of the window, one start"
    fit = fit_power_law(x, y, window=window, paired=paired)
    return fit, f"95 % bootstrap over {y.shape[1]} starts"

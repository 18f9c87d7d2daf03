r"""Which width should a given compute buy, and how does the least loss fall with compute?

Students of m = 8, 16, … neurons follow the population flow to flow time t, at compute C = m t (in
units of d operations, divided by η). The frontier is the least loss over widths and times,

    L*(C) = min {L_m(t) : m t ≤ C}.

If T_p ∝ p^β and m neurons learn about m skills, then at the frontier m = p and T_p = t, so that
C ∝ p^{1+β} and

    L* ∝ C^{(1−2β)/(1+β)},        −1/3 at β = 0.8, as P → ∞.

Finite P and m, the spread of the starts' overlaps and the norms' lag bend this. So the prediction
is L_m(t) of greedy selection (`Greedy.loss`) from the same starts, whose frontier is fitted in the
same windows; the exponent stands beside it.

A width is followed until its compute is spent, or until long after all that it is predicted to
learn. So at no C does a width lose only because its curve was too short.

Source: the fixed-η regime is that of the slides on Ren, Nichani, Wu and Lee (2025); the notes
report a slope near −1/3 at d = 2048, P = 1024, β = 0.8 and h_4, without widths or window. Windows,
start and finite-P prediction are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plateaus.emergence import exponents, greedy
from plateaus.emergence import frontier as envelope
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._flow import Array, follow, power, settled, slopes, start, stream, teacher

# Windows of loss, from the greatest to the least; of ½ at the start, for σ of unit norm.
WINDOWS = ((0.2, 0.05), (0.1, 0.02), (0.05, 0.01))


@dataclass(frozen=True)
class Settings:
    """Attributes.

    Attributes:
        m: widths, an axis, three or more; the least and the greatest only bound the frontier.
        run: starts, an axis: each width of each run has a start of its own.
        d: dimension of the data.
        P: skills.
        beta: β in a_p ∝ p^{−β}.
        strengths: own a_p, P of them; None for the power law.
        sigma: σ's Hermite coefficients c_0, c_1, ….
        radius: ‖v_i(0)‖, σ_0.
        compute: C = m t up to which every width is followed, in neurons × flow time.
        late: a width stops earlier, at this multiple of the time by which all that it learns is
            predicted to have emerged and grown.
        records: times at which the loss is recorded, evenly spaced in log t, from half of the
            first predicted emergence.
        seed: of all starts.
    """

    m: tuple[int, ...] = (4, 8, 16, 32, 64)
    run: tuple[int, ...] = (0, 1)
    d: int = 256
    P: int = 64
    beta: float = 0.8
    strengths: tuple[float, ...] | None = None
    sigma: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 1.0)
    radius: float = 0.01
    compute: float = 8e3
    late: float = 1.5
    records: int = 96
    seed: int = 0


def measure(s: Settings, work: Work, *, m: int, run: int) -> Arrays:
    """The loss of one width from one start."""
    if s.records < 2 or not s.late >= 1 or not s.compute > 0:
        raise ValueError(
            f"records, late and compute are {s.records}, {s.late} and {s.compute}; valid: from 2, "
            "from 1, and above 0."
        )
    f = teacher(s.d, s.P, s.beta, s.sigma, s.strengths)
    student = start(f, m, s.radius, stream(s.seed, m, run))
    pairs = greedy(f, student)
    first, last = float(pairs.T.min()) / 2, min(s.compute / m, s.late * settled(pairs))
    if not first < last:
        raise ValueError(
            f"compute is {s.compute:g}, spent by m = {m} at t = {last:g}; valid is more than "
            f"{m * first:g}, before which it learns nothing."
        )
    times = np.geomspace(first, last, s.records)
    return {
        "times": times,
        "loss": follow(f, student, times, work).loss.numpy(),
        "predicted": pairs.loss(times).numpy(),
    }


def frontiers(result: Result, name: str) -> tuple[NDArray[Any], ...]:
    """(C, loss, m, interior) of the frontier of "loss" or "predicted", (points,) and (…, runs).

    A width's curve goes on to the end of the compute, at the loss that it has come to: it stopped
    there since nothing more is to come.
    """
    s = result.settings
    each = []
    for r in range(len(s.run)):
        curves = {}
        for i, m in enumerate(s.m):
            t, loss = result["times"][i, r], result[name][i, r]
            end = s.compute / m
            if t[-1] < end * (1 - 1e-9):
                t, loss = np.append(t, end), np.append(loss, loss[-1])
            curves[m] = (t, loss)
        each.append(curves)
    least = max(min(m * t[0] for m, (t, _) in curves.items()) for curves in each)
    C = np.geomspace(least, s.compute, 256)
    fronts = [envelope(curves, points=1024) for curves in each]
    loss, width, inside = (
        np.stack([_at(C, front.compute, getattr(front, name)) for front in fronts], axis=1)
        for name in ("loss", "m", "interior")
    )
    return C, loss, width, inside.astype(bool)


def _at(C: Array, compute: Any, values: Any) -> Any:
    """Values on the last point of the frontier's grid up to C (1e-9 for rounding)."""
    index = np.searchsorted(compute.numpy(), C * (1 + 1e-9), side="right") - 1
    return values.numpy()[index]


def findings(result: Result) -> Sequence[Finding]:
    """Slopes in windows of loss, and how far the flow's frontier lies above the prediction's."""
    s = result.settings
    loss, middle, interior, predicted = _interior(result)[1:5]
    found = []
    ratio = np.median(loss / predicted, axis=1)[interior & (middle < WINDOWS[0][0])]
    if len(ratio):
        found.append(
            Finding(
                claim="compute-frontier",
                quantity="loss of the flow's frontier over that of greedy selection",
                where=f"d = {s.d}, P = {s.P}, interior points with loss below {WINDOWS[0][0]}",
                predicted=1.0,
                measured=float(np.median(ratio)),
                low=float(ratio.min()),
                high=float(ratio.max()),
                interval="range over compute",
            )
        )
    for window in WINDOWS:
        found += _slopes(result, window)
    return found


def _interior(result: Result) -> tuple[NDArray[Any], ...]:
    """C; loss; median predicted loss; whether C is interior for all; predicted loss; width."""
    C, loss, width, inside = frontiers(result, "loss")
    _, predicted, _, inside_too = frontiers(result, "predicted")
    interior = (inside & inside_too).all(axis=1)
    return C, loss, np.median(predicted, axis=1), interior, predicted, width


def _slopes(result: Result, window: tuple[float, float]) -> list[Finding]:
    """Measured and predicted, where the predicted loss lies in the window; half of it at least."""
    s, (high, low) = result.settings, window
    C, loss, middle, interior, predicted, width = _interior(result)
    here = interior & (middle <= high) & (middle >= low)
    if here.sum() < 8 or middle[here].max() / middle[here].min() < (high / low) ** 0.5:
        return []
    ends = (float(C[here].min()), float(C[here].max()))
    predicted_slope = power(C[here], predicted[here], ends)[0].slope
    values = [("greedy selection, finite P", predicted_slope)]
    if s.strengths is None:
        values.append(("P → ∞", exponents(s.beta).fixed.compute))
    where = (
        f"d = {s.d}, P = {s.P}, loss {high} to {low}: predicted loss {middle[here].max():.3g} to "
        f"{middle[here].min():.3g}, C {ends[0]:.3g} to {ends[1]:.3g}, m {width[here].min()} to "
        f"{width[here].max()}"
    )
    fit = power(C[here], loss[here], ends)
    return slopes("compute-frontier", "slope of log loss over log compute", where, fit, values)


def probe(s: Settings) -> Probe:
    """The narrowest student of the first run."""
    return Probe(settings=s, point={"m": min(s.m), "run": s.run[0]}, tolerance=1e-4)


FRONTIER = Experiment(
    name="frontier",
    part="emergence",
    question="How does the least loss fall with compute, over widths and times?",
    chapter=Settings(),
    full=Settings(
        m=(8, 16, 32, 64, 128, 256, 512, 1024),
        run=(0, 1),
        d=2048,
        P=1024,
        compute=1e6,
    ),
    axes=("m", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "times": "(records,), flow time",
        "loss": "(records,), population loss of the flow",
        "predicted": "(records,), that of greedy selection from the same start",
    },
    reduced={"m": (8, 16, 32, 64, 128, 256, 512), "compute": 4e5},
)

r"""When does each direction emerge, which neuron learns it, and how does that depend on d?

From a small start, greedy selection pairs every direction p with a neuron of overlap M_0, and each
pair runs by itself until M² = ½ at

    T_p = (1/a_p) ∫ dℓ/(2g)        ≈ |M_0|^{−(K−2)}/(K(K−2) c_K² a_p)  to leading order in M_0,

ℓ the log-odds of M² (`plateaus.emergence.greedy`). As M_0² ~ 1/d, T_p ~ d^{K/2−1} at fixed p. Then
the neuron's norm grows, and Σ n_i² over the neurons on direction p tends to a_p: nothing is left
there for others to learn. Against it stands the flow itself, from the same starts. A *near-tie* is
a pair that a rival would reach before its neuron has grown: there greedy selection may well choose
otherwise than the flow, and both numbers are kept apart.

The slope over d is that of the median over starts, over all d of the axis; beside it that of the
predicted times from the same starts, exact and to leading order, and the asymptote K/2 − 1.

Source: T_p ~ d^{k/2−1}/a_p, pairs and deflation are those of the slides and notes on Ren, Nichani,
Wu and Lee (2025); the exact time, ties and finite d are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from plateaus.emergence import Activation, greedy
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._flow import (
    emergence,
    follow,
    power,
    settled,
    slopes,
    start,
    stream,
    teacher,
)


@dataclass(frozen=True)
class Settings:
    """Attributes.

    Attributes:
        d: dimensions of the data, an axis.
        run: starts, an axis: each point has a start of its own.
        P: skills.
        m: neurons, from P.
        beta: β in a_p ∝ p^{−β}.
        strengths: own a_p, P of them; None for the power law.
        sigma: σ's Hermite coefficients c_0, c_1, ….
        radius: ‖v_i(0)‖, σ_0.
        late: the flow is followed to this multiple of the time by which all directions are
            predicted to have emerged and grown.
        records: times recorded, evenly spaced in log t, from half of the first predicted emergence.
        seed: of all starts.
    """

    d: tuple[int, ...] = (64, 256, 1024)
    run: tuple[int, ...] = tuple(range(4))
    P: int = 4
    m: int = 16
    beta: float = 0.8
    strengths: tuple[float, ...] | None = None
    sigma: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 1.0)
    radius: float = 1e-3
    late: float = 2.0
    records: int = 240
    seed: int = 0


def measure(s: Settings, work: Work, *, d: int, run: int) -> Arrays:
    """Emergence from one start."""
    if s.m < s.P or s.records < 2 or not s.late > 1:
        raise ValueError(
            f"m, records and late are {s.m}, {s.records} and {s.late}; valid: from P = {s.P}, from "
            "2, and above 1."
        )
    f = teacher(d, s.P, s.beta, s.sigma, s.strengths)
    student = start(f, s.m, s.radius, stream(s.seed, d, run))
    pairs = greedy(f, student)
    times = np.geomspace(float(pairs.T.min()) / 2, s.late * settled(pairs), s.records)
    flow = follow(f, student, times, work)
    T, neuron = emergence(flow, s.sigma)
    end, n2 = flow.overlaps[-1] ** 2, flow.norms[-1] ** 2
    mass = ((end >= 0.5) * n2[:, None]).sum(dim=0)
    return {
        "T": T,
        "T_predicted": pairs.T.numpy(),
        "T_leading": pairs.T_leading.numpy(),
        "same_neuron": neuron == pairs.neuron.numpy(),
        "near_tie": pairs.near_tie.numpy(),
        "mass": (mass / f.a).numpy(),
    }


def findings(result: Result) -> Sequence[Finding]:
    """Times against prediction, with near-ties apart; who learns; mass; and the slope over d."""
    s, found = result.settings, []
    T, tie, same = result["T"], result["near_tie"], result["same_neuron"]
    sizes = f"P = {s.P}, m = {s.m}, {len(s.run)} starts"
    for k, d in enumerate(s.d):
        for name, kind in (("no near-tie", ~tie[k]), ("near-tie", tie[k])):
            here = kind & np.isfinite(T[k])
            where = f"d = {d}, {sizes}, {kind.sum()} directions with {name}"
            if not here.any():
                continue
            ratio = (T[k] / result["T_predicted"][k])[here]
            share = binomtest(int(same[k][kind].sum()), int(kind.sum())).proportion_ci()
            low, high = np.quantile(ratio, (0.025, 0.975))
            found += [
                Finding(
                    claim="emergence-times",
                    quantity="median of T_p over its prediction",
                    where=where,
                    predicted=1.0,
                    measured=float(np.median(ratio)),
                    low=float(low),
                    high=float(high),
                    interval="95 % of the directions",
                ),
                Finding(
                    claim="greedy-selection",
                    quantity="share of directions that the predicted neuron learns",
                    where=where,
                    predicted=1.0,
                    measured=float(same[k][kind].mean()),
                    low=float(share.low),
                    high=float(share.high),
                    interval="95 % Clopper–Pearson",
                ),
            ]
        learned = np.isfinite(T[k])
        mass = result["mass"][k][learned]
        found.append(
            Finding(
                claim="deflation",
                quantity="Σ n_i² of the neurons on direction p over a_p, median",
                where=f"d = {d}, {sizes}, at {s.late:g} times the predicted end",
                predicted=1.0,
                measured=float(np.median(mass)),
                low=float(mass.min()),
                high=float(mass.max()),
                interval="range over directions and starts",
            )
        )
    if len(s.d) > 1:
        found += _over_d(result)
    return found


def _over_d(result: Result) -> list[Finding]:
    """The slopes of T_1 and T_P over d."""
    s, found = result.settings, []
    x, ends = np.array(s.d, float), (float(min(s.d)), float(max(s.d)))
    K = Activation(s.sigma).information_exponent
    for p in sorted({1, s.P}):
        predicted = [
            (source, power(x, result[name][:, :, p - 1], ends)[0].slope)
            for source, name in (
                ("greedy selection", "T_predicted"),
                ("greedy selection to leading order", "T_leading"),
            )
        ]
        found += slopes(
            "emergence-times",
            f"slope of log T_{p} over log d",
            f"d from {ends[0]:g} to {ends[1]:g}, P = {s.P}, m = {s.m}",
            power(x, result["T"][:, :, p - 1], ends, paired=False),
            [*predicted, ("d → ∞", K / 2 - 1)],
        )
    return found


def probe(s: Settings) -> Probe:
    """The first start in the least dimension."""
    return Probe(settings=s, point={"d": min(s.d), "run": s.run[0]}, tolerance=1e-4)


EMERGENCE_TIMES = Experiment(
    name="emergence_times",
    part="emergence",
    question="When does each direction emerge, and which neuron learns it?",
    chapter=Settings(),
    full=Settings(d=(128, 256, 512, 1024, 2048, 4096, 8192), run=tuple(range(32)), P=8, m=32),
    axes=("d", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "T": "(P,), flow time at which some neuron has M² = ½; inf if none had",
        "T_predicted": "(P,), that of greedy selection from the same start",
        "T_leading": "(P,), the same to leading order in M_0",
        "same_neuron": "(P,), whether the neuron that got there is the predicted one",
        "near_tie": "(P,), whether greedy selection calls the pair a near-tie",
        "mass": "(P,), Σ n_i² at the end over neurons with M_ip² ≥ ½, divided by a_p",
    },
)

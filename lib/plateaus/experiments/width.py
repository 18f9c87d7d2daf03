r"""What does a student of m neurons learn in the end, and how does its last loss fall with m?

A neuron learns one direction, so m < P neurons leave at least the tail

    L(m) ≥ ½ Σ_{p>m} a_p²        ~ m^{1−2β}  for a_p ∝ p^{−β}, as P → ∞.

They leave more, since a start does not send its neurons to the m strongest directions. Which ones
it sends them to is predicted by greedy selection from the same start: its loss at the same time is
the prediction, and what it leaves above the tail is the price of m = P_* in place of the slightly
wider student, Θ̃(P_*), of the theorem.

The flow is followed to several multiples of the time by which greedy selection has learned all that
it will: the losses at these times tell what is unfinished from what stays.

Source: m^{1−2β} and Θ̃(P_*) are those of the slides on Ren, Nichani, Wu and Lee (2025). Greedy
selection with m < P, finite P and the times are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plateaus.emergence import exponents, greedy
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
        m: widths, an axis.
        run: starts, an axis: each width of each run has a start of its own.
        d: dimension of the data.
        P: skills.
        beta: β in a_p ∝ p^{−β}.
        strengths: own a_p, P of them; None for the power law.
        sigma: σ's Hermite coefficients c_0, c_1, ….
        radius: ‖v_i(0)‖, σ_0.
        multiples: when the loss is recorded, rising, in multiples of the time by which all that m
            neurons learn is predicted to have emerged and grown.
        seed: of all starts.
    """

    m: tuple[int, ...] = (2, 4, 8, 16)
    run: tuple[int, ...] = tuple(range(4))
    d: int = 256
    P: int = 64
    beta: float = 0.8
    strengths: tuple[float, ...] | None = None
    sigma: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 1.0)
    radius: float = 1e-3
    multiples: tuple[float, ...] = (2.0, 4.0)
    seed: int = 0


def measure(s: Settings, work: Work, *, m: int, run: int) -> Arrays:
    """What one student learns."""
    f = teacher(s.d, s.P, s.beta, s.sigma, s.strengths)
    student = start(f, m, s.radius, stream(s.seed, m, run))
    pairs = greedy(f, student)
    times = settled(pairs) * np.array(s.multiples)
    flow = follow(f, student, times, work)
    learned = np.isfinite(emergence(flow, s.sigma)[0])
    chosen = (pairs.neuron >= 0).numpy()
    left = np.append(0.5 * (f.a**2).flip(0).cumsum(0).flip(0).numpy(), 0.0)
    norm = sum(c * c for c in s.sigma[1:])
    return {
        "loss": flow.loss.numpy(),
        "predicted": pairs.loss(times).numpy(),
        "tail": np.array(norm * left[min(m, s.P)]),
        "top": np.array(learned[:m].mean()),
        "top_predicted": np.array(chosen[:m].mean()),
        "agree": np.array((learned & chosen).sum() / (learned | chosen).sum()),
    }


def findings(result: Result) -> Sequence[Finding]:
    """The last loss of every width, and its slope over the widths."""
    s, found = result.settings, []
    times = f"at {s.multiples[-1]:g} times the predicted end"
    sizes = f"d = {s.d}, P = {s.P}, {len(s.run)} starts"
    loss, predicted, left = result["loss"], result["predicted"], result["tail"]
    for k, m in enumerate(s.m):
        where = f"m = {m}, {sizes}, {times}"
        for quantity, ratio, theory in (
            ("loss over that of greedy selection", loss[k, :, -1] / predicted[k, :, -1], 1.0),
            ("loss over the tail ½ Σ_{p>m} a_p²", loss[k, :, -1] / left[k], _over(result, k)),
            (
                f"loss over that at {s.multiples[0]:g} times the predicted end",
                loss[k, :, -1] / loss[k, :, 0],
                float(np.median(predicted[k, :, -1] / predicted[k, :, 0])),
            ),
            ("share of directions learned by both, among those by either", result["agree"][k], 1.0),
            (
                "share of the m strongest directions that are learned",
                result["top"][k],
                float(np.median(result["top_predicted"][k])),
            ),
        ):
            if not np.isfinite(ratio).all():
                continue
            found.append(
                Finding(
                    claim="width-scaling",
                    quantity=quantity,
                    where=where,
                    predicted=theory,
                    measured=float(np.median(ratio)),
                    low=float(ratio.min()),
                    high=float(ratio.max()),
                    interval="range over starts",
                )
            )
    return found + _slopes(result, f"{sizes}, {times}")


def _over(result: Result, k: int) -> float:
    """What greedy selection says of the loss over the tail."""
    return float(np.median(result["predicted"][k, :, -1] / result["tail"][k]))


def _slopes(result: Result, where: str) -> list[Finding]:
    """Of the last loss over the width, for widths up to P/4: beyond, the sum of skills ends."""
    s = result.settings
    m = np.array(s.m, float)
    ends = (float(m.min()), s.P / 4)
    if (m <= ends[1]).sum() < 2:
        return []
    fit = power(m, result["loss"][:, :, -1], ends, paired=False)
    predicted = [
        ("greedy selection, finite P", power(m, result["predicted"][:, :, -1], ends)[0].slope),
        ("the tail ½ Σ_{p>m} a_p²", power(m, result["tail"], ends)[0].slope),
    ]
    if s.strengths is None:
        predicted.append(("P → ∞", exponents(s.beta).width))
    within = f"m from {fit[0].window[0]:g} to {fit[0].window[1]:g}, {where}"
    return slopes("width-scaling", "slope of log loss over log m", within, fit, predicted)


def probe(s: Settings) -> Probe:
    """The narrowest student of the first run."""
    return Probe(settings=s, point={"m": min(s.m), "run": s.run[0]}, tolerance=1e-4)


WIDTH = Experiment(
    name="width",
    part="emergence",
    question="Which directions does a student of m neurons learn, and what loss remains?",
    chapter=Settings(),
    full=Settings(m=(8, 16, 32, 64, 128, 256), d=2048, P=1024),
    axes=("m", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "loss": "(multiples,), population loss of the flow",
        "predicted": "(multiples,), that of greedy selection from the same start",
        "tail": "½ Σ_{p>m} a_p², times Σ_{k≥1} c_k²",
        "top": "share of the m strongest directions with M² ≥ ½ for some neuron at the end",
        "top_predicted": "share of them for which greedy selection has a neuron",
        "agree": "share of directions learned by both, among those learned by either",
    },
    reduced={"m": (4, 8, 16, 32, 64), "d": 1024, "P": 256, "run": tuple(range(16))},
)

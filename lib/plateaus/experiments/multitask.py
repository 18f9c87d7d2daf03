r"""Do many skills of different frequency, each learned at once, add up to a power law?

M sparse parities, skill m shown with probability p_m ∝ m^{−(1+α)} (`plateaus.sandbox`), learned by
one network. Predicted:

    SGD      The gradient of skill m is p_m times that of the skill alone, so T_m = c/p_m: the
             exponent of T_m in m is 1 + α, and c is the time that a skill alone takes. With
             infinitely many skills the loss Σ_m p_m loss_m then has the slope −α/(1+α)
             (that a power law of frequencies makes one of the loss is Michaud et al.'s, 2023; the
             rest is ours).
    Adam     A weight's step is the gradient over the root of its second moment. Where that is the
             noise of all skills not yet learned, of size Σ_{m'≥m} p_{m'} ∝ m^{−α}, the exponent of
             T_m is 1 + α/2, and the slope −α/(1 + α/2) (ours, a heuristic).

With M skills the loss ends at 0, and its slope is steeper: the staircase Σ_m p_m 1{t < T_m} with
T_m of the predicted exponent says by how much. Adding what skills beyond the last would leave, the
tail Σ_{m>M} m^{−(1+α)}, mends it.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import zeta

from plateaus.emergence import fit_power_law
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._tasks import stream
from plateaus.experiments.parity import records
from plateaus.sandbox import Optimizer, Skills, staircase, train

_ALONE = 2000
"""Budget of a skill alone, in steps."""


@dataclass(frozen=True)
class Multitask:
    """One network, many skills.

    Attributes:
        optimizer: of every network.
        M: number of skills.
        run: numbers of the runs: each has sets, a start and examples of its own.
        alpha: p_m ∝ m^{−(1+α)}.
        d: data bits.
        k: how many of them a skill multiplies.
        width: hidden neurons.
        eta_sgd, eta_adam: learning rates.
        batch: examples a step.
        steps: budget; a run ends where all skills are learned.
        target: accuracy at which a skill counts as learned.
        evaluate_on: held-out examples of every skill.
        seed: of everything that is drawn.
    """

    optimizer: tuple[Optimizer, ...] = ("sgd",)
    M: tuple[int, ...] = (8,)
    run: tuple[int, ...] = (0,)
    alpha: float = 0.5
    d: int = 20
    k: int = 2
    width: int = 300
    eta_sgd: float = 0.5
    eta_adam: float = 2e-3
    batch: int = 256
    steps: int = 60_000
    target: float = 0.95
    evaluate_on: int = 200
    seed: int = 0


def measure(s: Multitask, work: Work, *, optimizer: Optimizer, M: int, run: int) -> Arrays:
    """Train one network on all skills, and one on the first alone; see `MULTITASK.arrays`."""
    task = Skills.random(d=s.d, k=s.k, M=M, alpha=s.alpha, seed=stream(s.seed, M, run))
    common: dict[str, Any] = {
        "width": s.width,
        "eta": s.eta_adam if optimizer == "adam" else s.eta_sgd,
        "batch": s.batch,
        "runs": 1,
        "seed": stream(s.seed, M, run, optimizer),
        "optimizer": optimizer,
        "until": s.target,
        "evaluate_on": s.evaluate_on,
        "device": work.device,
    }
    at = records(s.steps)
    seen = train(task, record_at=at, **common)
    alone = train(task.only(0), record_at=range(_ALONE + 1), **common)
    arrays = {"alone": alone.times(s.target)[0, 0]}
    for name, part in (("accuracy", seen.accuracy[0]), ("loss", seen.loss[0])):
        arrays[name] = np.full((max(s.M), len(at)), np.nan, np.float32)
        arrays[name][:M, : part.shape[1]] = part
    return arrays


def times(accuracy: NDArray[Any], s: Multitask) -> NDArray[np.float64]:
    """First recorded step at the target, (…, records) to (…); inf where there is none."""
    there = accuracy >= s.target
    first = np.asarray(records(s.steps)[there.argmax(-1)], np.float64)
    first[~there.any(-1)] = np.inf
    return first


def total(loss: NDArray[Any], s: Multitask, *, tail: bool) -> NDArray[np.float64]:
    """Σ_m p_m loss_m of M skills: (runs, M, records) to (records, runs).

    Where a run has ended its loss stays. With `tail`, p_m = m^{−(1+α)}/ζ(1+α) and the skills beyond
    M are at loss 1.
    """
    M = loss.shape[1]
    last = (~np.isnan(loss[:, :1])).sum(-1, keepdims=True) - 1
    filled = np.where(np.isnan(loss), np.take_along_axis(loss, last, -1), loss)
    weights = np.arange(1, M + 1) ** -(1 + s.alpha)
    sums = np.einsum("m,rmt->tr", weights, filled)
    beyond, norm = (zeta(1 + s.alpha, M + 1), zeta(1 + s.alpha)) if tail else (0.0, weights.sum())
    return np.asarray((sums + beyond) / norm, np.float64)


def exponent(optimizer: str, alpha: float) -> float:
    """The predicted exponent of T_m in m."""
    return 1 + alpha / 2 if optimizer == "adam" else 1 + alpha


def predicted_slope(optimizer: str, M: int, alpha: float, *, tail: bool) -> float:
    """The slope of the staircase with T_m = m^x from T_2 to T_{M/2}, x as predicted."""
    m = np.arange(1, M + 1)
    T, weights = m ** exponent(optimizer, alpha), m ** -(1 + alpha)
    t = np.geomspace(T[1], T[M // 2 - 1], 400)
    rest = float(zeta(1 + alpha, M + 1)) if tail else 0.0
    return float(np.polyfit(np.log(t), np.log(staircase(t, T, weights) + rest), 1)[0])


def findings(result: Result) -> list[Finding]:
    """Exponents of T_m, the scale from a skill alone, and slopes of the total loss."""
    s: Multitask = result.settings
    found = []
    for optimizer in s.optimizer:
        for M in s.M:
            point = result.at(optimizer=optimizer, M=M)
            T = times(point["accuracy"][:, :M], s).T  # (M, runs)
            middle = np.median(T, axis=1)
            if M < 8 or not (middle < np.inf).all():
                continue
            m = np.arange(1.0, M + 1)
            where = f"{optimizer}, M = {M}, α = {s.alpha:g}, {len(s.run)} runs"
            kind = "95 %, bootstrap over runs"
            for first in (1, 3):
                fit = fit_power_law(m, T, window=(first, M), paired=True)
                found.append(
                    Finding(
                        "multitask-times",
                        f"slope of log T_m over log m, m = {first} to {M}",
                        where,
                        exponent(optimizer, s.alpha),
                        fit.slope,
                        *fit.interval,
                        kind,
                    )
                )
            if optimizer == "sgd":
                p = m ** -(1 + s.alpha) / (m ** -(1 + s.alpha)).sum()
                ratio = np.median(T * p[:, None], axis=0) / point["alone"]
                found.append(
                    Finding(
                        "multitask-scale",
                        "median over m of p_m T_m, over the time of a skill alone",
                        where,
                        1.0,
                        float(np.median(ratio)),
                        float(ratio.min()),
                        float(ratio.max()),
                        f"range of {len(ratio)} runs",
                    )
                )
            window = (float(middle[1]), float(middle[M // 2 - 1]))
            for tail in (True, False):
                curve = total(point["loss"][:, :M], s, tail=tail)[1:]
                fit = fit_power_law(records(s.steps)[1:], curve, window=window, paired=True)
                words = "with the tail" if tail else "without the tail"
                limit = -s.alpha / exponent(optimizer, s.alpha)
                for predicted, of in (
                    (limit, "M → ∞"),
                    (predicted_slope(optimizer, M, s.alpha, tail=tail), "the staircase"),
                ):
                    found.append(
                        Finding(
                            "multitask-loss",
                            f"slope of log loss over log steps, {words}, prediction: {of}",
                            f"{where}, from T_2 to T_{M // 2}",
                            predicted,
                            fit.slope,
                            *fit.interval,
                            kind,
                        )
                    )
    return found


def probe(s: Multitask) -> Probe:
    """The first records of the first point."""
    point = {"optimizer": s.optimizer[0], "M": max(s.M), "run": s.run[0]}
    return Probe(replace(s, steps=16), point, tolerance=1e-2)


MULTITASK = Experiment(
    name="multitask",
    part="sandbox",
    question="Do many skills of different frequency, each learned at once, add up to a power law?",
    chapter=Multitask(),
    full=Multitask(
        optimizer=("sgd", "adam"),
        M=(10, 30, 100),
        run=(0, 1, 2, 3, 4, 5, 6, 7),
        d=40,
        steps=400_000,
        width=1000,
    ),
    reduced={
        "M": (10, 30),
        "run": (0, 1, 2, 3),
        "d": 20,
        "steps": 60_000,
        "width": 300,
    },
    axes=("optimizer", "M", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "alone": "steps of the first skill alone to the target accuracy; ()",
        "accuracy": "share of right signs by skill on held-out examples; (greatest M, records), "
        "nan after the end and for skills that there are not",
        "loss": "mean hinge loss by skill on the same; as accuracy",
    },
)

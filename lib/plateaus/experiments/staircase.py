r"""Does the loss fall as a staircase of skills, and do its steps add up to a power law in time?

The loss of population flow is a sum of skills, each gone soon after its emergence time T_p, the
time at which some neuron first has M² = ½ with direction p:

    L(t) ≈ ½ Σ_p a_p² 1(t ≤ T_p),        a_p ∝ p^{−β},  Σ a_p² = 1.

If T_p ∝ p^β, the first t^{1/β} skills are learned by time t, and as P → ∞

    L ∝ t^{(1−2β)/β}.

At finite P, T_p also depends on the overlaps that the start happens to have and on how many neurons
are left, and L(t) on the norms' lag. So the prediction is greedy selection from the same start: its
T_p, and its L(t) (`Greedy.loss`), fitted in the same window as the flow's. That is p from 2 to P/2,
and in time from where the predicted loss is what the 2 strongest skills leave, ½ Σ_{p>2} a_p², to
where it is what the P/2 strongest leave: the same times for the flow and the prediction.

Source: the exponents are those of the slides on Ren, Nichani, Wu and Lee (2025). Finite P, window
and start are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest

from plateaus.emergence import exponents, fit_power_law, greedy, tail
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._flow import (
    Array,
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
        beta: β in a_p ∝ p^{−β}, above ½, an axis.
        P: skills, an axis.
        run: starts, an axis: each point has a start of its own.
        d: dimension of the data.
        neurons: neurons per skill, m/P, from 1.
        sigma: σ's Hermite coefficients c_0, c_1, ….
        radius: ‖v_i(0)‖, σ_0; its square well below the least a_p.
        late: the flow is followed to this multiple of the time by which all directions are
            predicted to have emerged and grown.
        records: times at which the loss is recorded, evenly spaced in log t, from half of the
            first predicted emergence.
        seed: of all starts.
    """

    beta: tuple[float, ...] = (0.6, 0.8, 1.0, 1.5)
    P: tuple[int, ...] = (16,)
    run: tuple[int, ...] = (0, 1)
    d: int = 512
    neurons: int = 2
    sigma: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 1.0)
    radius: float = 1e-3
    late: float = 1.25
    records: int = 128
    seed: int = 0


def measure(s: Settings, work: Work, *, beta: float, P: int, run: int) -> Arrays:
    """One staircase."""
    if s.neurons < 1 or s.records < 2 or not s.late > 1:
        raise ValueError(
            f"neurons, records and late are {s.neurons}, {s.records} and {s.late}; valid: from 1, "
            "from 2, and above 1."
        )
    f = teacher(s.d, P, beta, s.sigma)
    student = start(f, s.neurons * P, s.radius, stream(s.seed, beta, P, run))
    pairs = greedy(f, student)
    times = np.geomspace(float(pairs.T.min()) / 2, s.late * settled(pairs), s.records)
    flow = follow(f, student, times, work)
    T, _ = emergence(flow, s.sigma)
    rest = (0, max(s.P) - P)
    return {
        "times": times,
        "loss": flow.loss.numpy(),
        "loss_predicted": pairs.loss(times).numpy(),
        "T": np.pad(T, rest, constant_values=np.nan),
        "T_predicted": np.pad(pairs.T.numpy(), rest, constant_values=np.nan),
    }


def _losses(result: Result, name: str, beta: float, P: int) -> Array:
    """(runs,), the slope of log "loss" or "loss_predicted" over log t in every run's window."""
    at = result.at(beta=beta, P=P)
    norm = sum(c * c for c in result.settings.sigma[1:])
    high, low = norm * tail([2, P // 2], P=P, beta=beta).numpy()
    found = []
    for t, loss, predicted in zip(at["times"], at[name], at["loss_predicted"], strict=True):
        first, last = (predicted > high).sum() - 1, min((predicted > low).sum(), len(t) - 1)
        found.append(fit_power_law(t, loss, window=(t[first], t[last])).slope)
    return np.array(found)


def findings(result: Result) -> Sequence[Finding]:
    """The staircase's slope and that of its emergence times, for every β and P."""
    s, found = result.settings, []
    runs = f"{len(s.run)} start" + "s" * (len(s.run) > 1)
    for beta in s.beta:
        for P in s.P:
            if P < 8:
                continue  # no window from 2 to P/2
            where = f"β = {beta}, P = {P}, d = {s.d}, p from 2 to {P // 2}, {runs}"
            loss, predicted = (
                _losses(result, name, beta, P) for name in ("loss", "loss_predicted")
            )
            at = result.at(beta=beta, P=P)
            p = np.arange(1.0, P + 1)
            T, T_predicted = (at[name][:, :P].T for name in ("T", "T_predicted"))
            learned = np.isfinite(T)
            share = binomtest(int(learned.sum()), learned.size).proportion_ci()
            found.append(
                Finding(
                    claim="staircase",
                    quantity="share of directions that emerge",
                    where=f"β = {beta}, P = {P}, d = {s.d}, m = {s.neurons * P}, {runs}",
                    predicted=1.0,
                    measured=float(learned.mean()),
                    low=float(share.low),
                    high=float(share.high),
                    interval="95 % Clopper–Pearson",
                )
            )
            wide = {"low": float(loss.min()), "high": float(loss.max())}
            found += [
                Finding(
                    claim="staircase",
                    quantity=f"slope of log loss over log t, median, prediction: {source}",
                    where=where,
                    predicted=value,
                    measured=float(np.median(loss)),
                    interval="range over starts" if len(loss) > 1 else "",
                    **(wide if len(loss) > 1 else {}),
                )
                for source, value in (
                    ("greedy selection, finite P", float(np.median(predicted))),
                    ("P → ∞", exponents(beta).fixed.loss),
                )
            ]
            found += slopes(
                "emergence-times",
                "slope of log T_p over log p",
                where,
                power(p, T, (2, P // 2)),
                [
                    ("greedy selection, finite P", power(p, T_predicted, (2, P // 2))[0].slope),
                    ("P → ∞", exponents(beta).fixed.emergence),
                ],
            )
    return found


def probe(s: Settings) -> Probe:
    """The smallest staircase of the first β and run."""
    point = {"beta": s.beta[0], "P": min(s.P), "run": s.run[0]}
    return Probe(settings=replace(s, P=(min(s.P),)), point=point, tolerance=1e-4)


STAIRCASE = Experiment(
    name="staircase",
    part="emergence",
    question="Is the loss a staircase of skills, and does it fall as a power of time?",
    chapter=Settings(),
    full=Settings(P=(32, 128), run=tuple(range(8)), d=2048),
    axes=("beta", "P", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "times": "(records,), flow time",
        "loss": "(records,), population loss of the flow",
        "loss_predicted": "(records,), that of greedy selection from the same start",
        "T": "(greatest P,), time at which M² = ½; inf if it did not happen, nan beyond P",
        "T_predicted": "(greatest P,), that of greedy selection",
    },
    reduced={"P": (32, 64), "d": 1024},
)

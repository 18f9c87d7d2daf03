r"""When does online SGD follow its gradient flow?

A step of SGD on ½(y − f)² adds η K a_p M^{K−1} to an overlap M in the mean, and noise that shrinks
it by ½η²(d − 1) E[r²σ′²] M. The two are equal at the critical rate η_c of `critical_eta`, of order
a_p d^{−K/2}. As η/η_c → 0, the time T of direction p in steps tends to T_p/η, T_p being that of the
flow from the same start. The slides and notes have rates of that order, at which this holds up to
factors; η_c and what is measured here are ours. SGD's noise is heavy-tailed: near η_c most runs
lose their direction, and some diverge.

With one direction and one neuron whose norm is small, M is a Markov chain, and the diffusion with
the mean and variance of its step (`single_index`) predicts quantiles and fractions at every η. It
takes f = 0, so a step of ½(y − f)² moves M as one of −y f does, and no sample may move the norm.
For several directions the prediction is the limit.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import stats
from scipy.special import logit

from plateaus.emergence import (
    Activation,
    Diverged,
    Student,
    Teacher,
    critical_eta,
    flow,
    greedy,
    online_sgd,
)
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments.single_index import Diffusion, Floats

_ALIGNED = math.sqrt(0.5)


@dataclass(frozen=True)
class Settings:
    """A teacher, a small student, and how often each start is trained.

    Attributes:
        ratio: η over the least η_c of the directions, from the same start.
        P: numbers of directions.
        width: neurons per direction where there are several; one direction has one neuron.
        d: dimension of the inputs.
        beta: a_p ∝ p^{−beta}.
        strengths: own a_p, in place of the power law; then P must be its length.
        sigma: Hermite coefficients c_0, c_1, … of σ.
        norm: ‖v_i‖ at the start.
        starts: students drawn. Each greedy pair has 1/d ≤ M² < ½, and the flow finds all
            directions; students that are otherwise are drawn anew.
        replicates: runs of SGD from each.
        patience: budget of a run, over the time of the flow's last direction.
        seed: of starts and samples.
    """

    P: tuple[int, ...] = (1, 2)
    ratio: tuple[float, ...] = (0.01, 0.1, 0.3, 1.0)
    d: int = 16
    width: int = 4
    beta: float = 0.8
    strengths: tuple[float, ...] | None = None
    sigma: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 1.0)
    norm: float = 0.01
    starts: int = 4
    replicates: int = 32
    patience: float = 3.0
    seed: int = 0


def measure(s: Settings, work: Work, *, P: int, ratio: float) -> Arrays:
    """Times of SGD over those of the flow, from all starts at one rate."""
    teacher = teach(s, P)
    times = np.full((s.starts, s.replicates, max(s.P)), math.nan, dtype=np.float32)
    failed = np.full((s.starts, s.replicates), math.inf, dtype=np.float32)
    quantiles = np.full((s.starts, 3), math.nan)
    share = np.full(s.starts, math.nan)
    done = 0
    if work.state is not None:
        done = work.state["done"]
        times[:done], failed[:done] = work.state["times"].numpy(), work.state["failed"].numpy()
        quantiles[:done] = work.state["quantiles"].numpy()
        share[:done] = work.state["share"].numpy()
    for i in range(done, s.starts):
        student, T = start(s, teacher, i)  # the same for all rates
        eta = ratio * float(critical_eta(teacher, student).min())
        steps = math.ceil(s.patience * T.max() / eta)
        try:
            run = online_sgd(
                teacher,
                Student(student.V.to(work.device).float()),
                eta=eta,
                steps=steps,
                record_at=(steps,),
                until=_ALIGNED,
                replicates=s.replicates,
                method="reduced",
                seed=draw(s.seed, P, i, round(1e9 * ratio)),
            )
        except Diverged as error:
            run = error.run
        assert run.hits is not None
        times[i, :, :P] = (run.hits * eta).numpy() / T
        failed[i] = (run.failed * eta).numpy() / T.max()
        if P == 1:
            quantiles[i], share[i] = forecast(s, teacher, student, eta, steps, float(T[0]))
        done = i + 1
        work.progress(done / s.starts)
        work.keep(
            lambda done=done: {  # type: ignore[misc]
                "done": done,
                "times": torch.from_numpy(times[:done].copy()),
                "failed": torch.from_numpy(failed[:done].copy()),
                "quantiles": torch.from_numpy(quantiles[:done].copy()),
                "share": torch.from_numpy(share[:done].copy()),
            }
        )
    return {"times": times, "failed": failed, "quantiles": quantiles, "share": share}


def draw(*key: int) -> int:
    """A seed for each key."""
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def teach(s: Settings, P: int) -> Teacher:
    """f*, on inputs of d dimensions."""
    sigma = Activation(s.sigma)
    if s.strengths is None:
        return Teacher.power_law(s.d, P, s.beta, activation=sigma)
    if len(s.strengths) != P:
        raise ValueError(f"P is {P}; valid for these strengths: {len(s.strengths)}.")
    return Teacher(s.strengths, d=s.d, activation=sigma)


def start(s: Settings, teacher: Teacher, i: int) -> tuple[Student, Floats]:
    """The i-th student that starts as it should.

    Each of its greedy pairs starts with 1/d ≤ M² < ½ (time to search, but not without end), and
    its flow finds all directions by 4 times the last of the greedy prediction's.

    Returns it, in coordinates of what teacher and neurons span, and the flow times (P,) at which
    some neuron's |M_ip| reaches √½.
    """
    P, m = teacher.P, 1 if teacher.P == 1 else s.width * teacher.P
    for attempt in range(100):
        seed = draw(s.seed, P, i, attempt)
        student = Student.on_sphere(s.d, m, s.norm, seed=seed, axes=P, dtype=torch.float64)
        pairs = greedy(teacher, student)
        M2 = pairs.M.square()
        if not ((1 / s.d <= M2) & (M2 < 0.5)).all():
            continue
        times = np.linspace(0, 4 * float(pairs.T.max()), 401)
        run = flow(teacher, student, times, tolerance=1e-4)
        best = run.overlaps.square().amax(dim=1).numpy()
        after = (best >= 0.5).argmax(axis=0)  # the first record there; 0 for none
        if after.all():
            right, left = (logit(best[k, np.arange(P)]) for k in (after, after - 1))
            return student, times[after] - times[1] * right / (right - left)
    raise ValueError(
        f"d is {s.d}: none of 100 students has 1/d ≤ M² < ½ for all P = {P} directions and a "
        "flow that finds them; valid are more dimensions or more neurons (width)."
    )


def forecast(
    s: Settings, teacher: Teacher, student: Student, eta: float, steps: int, T: float
) -> tuple[Floats, float]:
    """Quartiles over T, and the share that arrives in these steps: a diffusion, P = 1."""
    diffusion = Diffusion.of(teacher.activation, s.d, eta * float(teacher.a[0]), _ALIGNED)
    M_0 = float(student.V[0, 0] / student.V[0].norm())
    start = np.zeros(diffusion.M.size)
    right = int(np.searchsorted(diffusion.M, M_0))
    weight = (M_0 - diffusion.M[right - 1]) / (diffusion.M[1] - diffusion.M[0])
    start[right - 1], start[right] = 1 - weight, weight
    quartiles = diffusion.quantiles(start, (0.25, 0.5, 0.75)) * eta / T
    ticks = int(steps / diffusion.tick)
    return quartiles, float(diffusion.arrived(start, ticks)[-1])


def findings(result: Result) -> list[Finding]:
    """Medians of the last direction's time, and the shares that arrive and diverge."""
    found = []
    s = result.settings
    for P in s.P:
        for ratio in s.ratio:
            here = result.at(P=P, ratio=ratio)
            # A run's last direction, on its own clock: 1 where SGD is the flow.
            times, failed = here["times"][..., :P].max(axis=-1), here["failed"]
            where = f"P = {P}, d = {s.d}, η/η_c = {ratio:g}, {s.starts} × {s.replicates} runs"
            arrived = np.isfinite(times)
            known = P == 1
            if arrived.mean() > 0.5:
                draws = np.random.default_rng(0).integers(s.starts, size=(1000, s.starts))
                again = np.median(times[draws].reshape(1000, -1), axis=1)
                low, high = np.quantile(again, [0.025, 0.975], method="nearest")
                found.append(
                    Finding(
                        claim="sgd-follows-flow",
                        quantity="median of T_SGD η / T_flow, latest direction; predicted: "
                        + ("diffusion" if known else "limit η → 0"),
                        where=where,
                        predicted=float(np.median(here["quantiles"][:, 1])) if known else 1.0,
                        measured=float(np.median(times)),
                        low=float(low),
                        high=float(high),
                        interval="95 % bootstrap over starts",
                    )
                )
            for quantity, hit, predicted in (
                (
                    f"share that finds all directions by {s.patience:g} T",
                    arrived,
                    float(here["share"].mean()) if known else 1.0,
                ),
                ("share that diverges", np.isfinite(failed), 0.0),
            ):
                interval = stats.binomtest(int(hit.sum()), hit.size).proportion_ci(method="wilson")
                found.append(
                    Finding(
                        claim="sgd-heavy-tails" if "diverges" in quantity else "sgd-follows-flow",
                        quantity=quantity
                        + (
                            "; predicted: diffusion" if known and predicted else "; predicted: flow"
                        ),
                        where=where,
                        predicted=predicted,
                        measured=float(hit.mean()),
                        low=float(interval.low),
                        high=float(interval.high),
                        interval="95 % Wilson",
                    )
                )
    return found


def probe(s: Settings) -> Probe:
    """The greatest rate, at which runs are shortest, from one start."""
    fewer = replace(s, starts=1, replicates=min(s.replicates, 8))
    return Probe(fewer, {"P": min(s.P), "ratio": max(s.ratio)}, tolerance=1e-2)


DISCRETIZATION = Experiment(
    name="discretization",
    part="emergence",
    question="When does online SGD follow its gradient flow?",
    chapter=Settings(),
    full=Settings(P=(1, 4), ratio=(0.01, 0.03, 0.1, 0.3, 1.0, 3.0), d=32, starts=32, replicates=64),
    axes=("P", "ratio"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "times": "η T_SGD/T_flow (starts, replicates, max P); inf: not in budget; nan: no such p",
        "failed": "η times the step that diverged, over the last T_flow (starts, replicates)",
        "quantiles": "quartiles of `times` by diffusion (starts, 3); nan for P > 1",
        "share": "share that arrives in the budget, by diffusion (starts); nan for P > 1",
    },
    reduced={"starts": 24, "replicates": 32},
)

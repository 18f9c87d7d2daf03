r"""Does online SGD follow the population flow of the frontier, and how many samples does it take?

The frontier is that of the flow. SGD's time is t = η · steps, and B samples a step reduce the noise
of a step by B. Per unit of that time the noise shrinks an overlap by ½ (η/B)(d − 1) E[r²σ′²], which
undoes the drift of a pair at its start at the critical rate η_c of `critical_eta`, times B. So what
counts is ρ = η/(B η_c), and samples do not become fewer by batches: for h_K

    n = B T/η = T/(ρ η_c),        T/η_c ~ a_p^{−2} d^{K−1} up to constants and the start's luck.

With shrinking at the start's rate, u = |M|^{K−2} follows du/dt ∝ u (u − ρ u(0)), so that a pair by
itself is late by

    T_SGD/T_flow = log(1/(1 − ρ))/ρ,             1 + ρ/2 for small ρ, ∞ from ρ = 1 on.

The noise along v*_p itself, (η/B) E[r²σ′²⟨x, v*_p⟩²] per unit of time, acts on M^{2−K}, which falls
at a constant rate otherwise. So to first order the time is spread by the relative variance

    v = 2(K−2)²/(3K−4) · (1 + 2K a_p²) ρ/((d−1) M(0)²),        for h_K and Σ a_p² = 1,

of order ρ whatever d is, since M(0)² is a few 1/d. That is the greater effect: √v against ρ/2. Left
out are that a rival may be the lucky one (with many neurons the first of several arrives), that r
falls as others are learned, and that its law is heavy-tailed. η is set by ρ of the last direction
wanted, of which the others' are fractions.

Source: the slides and notes have rates of order a_p d^{−K/2}, with one sample a step. η_c, ρ, delay
and spread, mini-batches, and the comparison with the flow are ours.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from plateaus.emergence import FlowRun, Student, Teacher, critical_eta, greedy
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._flow import Array, emergence, follow, start, stream, teacher
from plateaus.experiments._segments import sgd

# Records: at the first steps, for `verify`, then evenly spaced in log t, from this part of the
# first predicted emergence to this multiple of the last one wanted.
_EARLY, _RECORDS, _FROM, _TO = 2, 64, 0.25, 1.5

# SGD follows the flow where the median time is within this of the flow's.
CLOSE = 0.1

_CLAIM = "sgd-follows-flow"


@dataclass(frozen=True)
class Settings:
    """Attributes.

    Attributes:
        m: widths, an axis.
        rate: ρ, an axis: η over B times the critical rate of the last direction wanted.
        run: starts, an axis: each width of each run has one, the same at all rates.
        d: dimension of the data.
        P: skills.
        beta: β in a_p ∝ p^{−β}.
        strengths: own a_p, P of them; None for the power law.
        sigma: σ's Hermite coefficients c_0, c_1, ….
        radius: ‖v_i(0)‖, σ_0.
        batch: B, samples a step; η = ρ B η_c should stay far below 1.
        top: directions wanted, the first to emerge in the flow. The time of the last one is
            predicted, and all is followed to 1.5 times that, and 64 steps at least.
        wide: (d, P) at which the samples of SGD with B = 1 are computed, for P neurons; with own
            strengths it is d and P.
        segment: steps between two states that are kept; the samples depend on it.
        records: how many records are taken, of 64; SGD ends with the last.
        seed: of starts and samples.
    """

    m: tuple[int, ...] = (8, 16)
    rate: tuple[float, ...] = (0.03, 0.1, 0.3)
    run: tuple[int, ...] = (0, 1, 2)
    d: int = 64
    P: int = 16
    beta: float = 0.8
    strengths: tuple[float, ...] | None = None
    sigma: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 1.0)
    radius: float = 0.01
    batch: int = 128
    top: int = 2
    wide: tuple[int, int] = (512, 128)
    segment: int = 4096
    records: int = _RECORDS
    seed: int = 0


def measure(s: Settings, work: Work, *, m: int, rate: float, run: int) -> Arrays:
    """SGD and the flow from one start."""
    if not 1 <= s.top <= min(m, s.P) or not 1 <= s.records <= _RECORDS or not rate > 0:
        raise ValueError(
            f"top, records and rate are {s.top}, {s.records} and {rate} at m = {m}; valid: 1 to "
            f"{min(m, s.P)}, 1 to {_RECORDS}, and above 0."
        )
    f = teacher(s.d, s.P, s.beta, s.sigma, s.strengths)
    student = start(f, m, s.radius, stream(s.seed, m, run))
    pairs, critical = greedy(f, student), critical_eta(f, student).numpy()
    T = pairs.T.numpy()
    order = np.argsort(T)[: s.top]
    eta = rate * s.batch * float(critical[order[-1]])
    late = np.geomspace(_FROM * T[order[0]], _TO * T[order[-1]], _RECORDS - _EARLY) / eta
    if not eta < 1:
        raise ValueError(f"batch is {s.batch}, so that η = {eta:.3g}; valid are η below 1.")
    count = np.arange(_RECORDS)
    steps = np.append(count[:_EARLY] + 1, np.ceil(late).astype(np.int64))
    steps = np.maximum.accumulate(steps - count) + count  # at least one more each
    times = (eta * steps).astype(np.float64)
    # The flow takes seconds on a CPU: nothing of it is kept.
    slow = follow(f, student, times, Work(torch.device("cpu")))
    T_flow = emergence(slow, s.sigma)[0]
    top = np.argsort(T_flow, kind="stable")[: s.top]
    V = torch.nn.functional.pad(student.V, (0, s.d - student.V.shape[1]))
    fast = sgd(
        f,
        Student(V.float().to(work.device)),
        eta=eta,
        steps=int(steps[s.records - 1]),
        batch=s.batch,
        method="direct",
        segment=s.segment,
        seed=stream(s.seed, m, run, rate, 1),
        work=work,
        record_at=steps[: s.records].tolist(),
    )
    return {
        "steps": steps[: s.records],
        "loss": fast.loss[:, 0].cpu().numpy(),
        "flow": slow.loss[: s.records].numpy(),
        "predicted": pairs.loss(times[: s.records]).numpy(),
        "squared": (fast.overlaps[:, 0, :, top] ** 2).amax(dim=1).cpu().numpy(),
        "T_flow": T_flow[top],
        "T_predicted": T[top],
        "eta": np.array(eta),
        "critical": critical[top],
        "spread": spread(f, pairs.M.numpy() ** 2)[top],
        "single": _single(s, stream(s.seed, *_wide(s), run)),
    }


def _wide(s: Settings) -> tuple[int, int]:
    return s.wide if s.strengths is None else (s.d, s.P)


@functools.lru_cache(64)  # the same at all points of a run
def _single(s: Settings, seed: int) -> Array:
    """T/η_c of the pairs of P neurons: the first, that of p = P, and the last."""
    d, P = _wide(s)
    f = teacher(d, P, s.beta, s.sigma, s.strengths)
    student = start(f, f.P, s.radius, seed)
    found = greedy(f, student)
    T, leading = found.T.numpy(), found.T_leading.numpy()
    chosen = [int(T.argmin()), P - 1, int(np.where(np.isfinite(T), T, 0).argmax())]
    # η_c = 2/((K−2) T (d−1) E r²σ′²) with T to leading order: `critical_eta` would select again.
    K, c2, a = int(f.activation.information_exponent), np.square(s.sigma), f.a.numpy()
    noise = (c2[1:].sum() * (a @ a) + c2[0] * a.sum() ** 2) * (np.arange(len(c2)) @ c2)
    return np.asarray((T * leading)[chosen] * (K - 2) * (d - 1) * noise / 2)


def typical(s: Settings) -> tuple[float, float]:
    """Samples of B = 1 to the first direction and to p = P, from the sizes, with M² = c/d.

    T = 1/(K(K−2) c_K² a M^{K−2}), and η_c likewise. The first pair is p = 1 with its best neuron,
    c the median of the greatest of P squared normals; for p = P c = 1.
    """
    d, P = _wide(s)
    f = teacher(d, P, s.beta, s.sigma, s.strengths)
    K = int(f.activation.information_exponent)
    c2 = np.square(s.sigma)
    slope = sum(k * c for k, c in enumerate(c2))
    a = f.a.numpy()
    label = c2[1:].sum() * float(a @ a) + c2[0] * a.sum() ** 2
    u = (np.array([stats.chi2.ppf(0.5 ** (1 / P), 1), 1.0]) / d) ** ((K - 2) / 2)
    strength = a[[0, -1]] * K * c2[K] * u  # a g(M)
    n = 1 / ((K - 2) * strength) * (d - 1) * label * slope / (2 * strength)
    return float(n[0]), float(n[1])


def arrivals(result: Result) -> NDArray[np.float64]:
    """T_SGD in flow time, (m, rate, run, top): when M² = ½ for some neuron; inf for never."""
    shape = result["T_flow"].shape
    T = np.full(shape, np.inf)
    for at in np.ndindex(shape[:-1]):
        M = torch.from_numpy(result["squared"][at]).double().sqrt()[:, None]
        times = torch.from_numpy(result["steps"][at] * result["eta"][at])
        none = torch.empty(0)
        run = FlowRun(times=times, overlaps=M, norms=none, loss=none, V=none, failed=np.inf)
        T[at] = emergence(run, result.settings.sigma)[0]
    return T


def findings(result: Result) -> Sequence[Finding]:
    """Times, losses and samples of SGD beside those of the flow, and what one sample costs."""
    s, found, T = result.settings, [], arrivals(result)
    runs = f"range over {len(s.run)} runs"

    def add(quantity: str, where: str, predicted: float, x: Array, interval: str = runs) -> None:
        x = x[~np.isnan(x)]
        if x.size == 1:
            found.append(Finding(_CLAIM, quantity, where, predicted, float(x[0])))
        elif x.size:
            ends = float(x.min()), float(x.max())
            measured = float(np.median(x))
            found.append(Finding(_CLAIM, quantity, where, predicted, measured, *ends, interval))

    for i, m in enumerate(s.m):
        follows = should = 0.0
        for j, rate in sorted(enumerate(s.rate), key=lambda pair: pair[1]):
            eta, steps = result["eta"][i, j], result["steps"][i, j]
            slow, critical = result["T_flow"][i, j], result["critical"][i, j]
            there = np.isfinite(slow)
            ratio = np.where(there, T[i, j] / np.where(there, slow, 1), np.nan)
            rho = eta[:, None] / s.batch / np.where(critical > 0, critical, np.nan)
            where = (
                f"d = {s.d}, P = {s.P}, m = {m}, B = {s.batch}, ρ = {rate:g}, that is "
                f"η/B = {np.median(eta) / s.batch:.3g}, first {s.top} directions of the flow"
            )
            add(
                "T_SGD η/T_flow",
                where,
                float(np.nanmedian(late(rho))),
                ratio,
                f"range over {len(s.run)} runs and directions; inf: not by the last record",
            )
            reached = (np.isfinite(T[i, j]) & there).sum() / max(there.sum(), 1)
            add(
                "share of the first directions that SGD has reached",
                where,
                1.0,
                np.array([reached]),
            )
            failed = np.isnan(result["loss"][i, j]).any(axis=-1)
            add("share of runs that diverge", where, 0.0, np.array([failed.mean()]))
            normal = stats.norm.ppf((np.arange(100) + 0.5) / 100)
            off = (np.sqrt(rho) * result["spread"][i, j])[..., None] * normal
            expected = float(np.nanmedian(np.abs(late(rho)[..., None] - 1 + off)))
            close = float(np.median(np.abs(ratio[there] - 1))) if there.any() else np.inf
            add("median of |T_SGD η/T_flow − 1|", where, expected, np.array([close]))
            follows = rate if close <= CLOSE else follows
            should = rate if expected <= CLOSE else should
            t = steps * eta[:, None]
            since = t >= result["T_predicted"][i, j].min(axis=-1, keepdims=True)
            for quantity, name in (("the flow", "flow"), ("greedy selection", "predicted")):
                over = np.where(since, result["loss"][i, j] / result[name][i, j], np.nan)
                add(
                    f"loss of SGD over that of {quantity} at the same t",
                    f"{where}, from the first predicted emergence to 1.5 times the last",
                    1.0,
                    over,
                    f"range over records and {len(s.run)} runs",
                )
            first = result["T_predicted"][i, j].min(axis=-1) * s.batch / eta
            n = T[i, j].min(axis=-1) * s.batch / eta
            add("samples to the first direction", where, float(np.median(first)), n)
        add(
            f"greatest ρ tried at which the median |T_SGD η/T_flow − 1| is within {CLOSE:g}",
            f"d = {s.d}, P = {s.P}, m = {m}, B = {s.batch}, ρ of {sorted(s.rate)}; 0 for none",
            should,
            np.array([follows]),
        )
    d, P = _wide(s)
    first, weakest = typical(s)
    for k, (which, predicted, source) in enumerate(
        (
            ("the first direction", first, "the best of P overlaps with p = 1"),
            ("direction p = P", weakest, "M² = 1/d"),
            ("the last direction", weakest, "p = P with M² = 1/d"),
        )
    ):
        add(
            f"samples to {which} with B = 1 at its own η_c, computed from the starts",
            f"d = {d}, P = m = {P}, T/η_c by `greedy` and `critical_eta`; 1/ρ times that at ρ η_c; "
            f"predicted: from the sizes, {source}; measured: from the drawn starts",
            predicted,
            result["single"][0, 0, :, k],
        )
    return found


def late(rho: NDArray[np.float64]) -> NDArray[np.float64]:
    """T_SGD/T_flow of a pair by itself, log(1/(1 − ρ))/ρ."""
    with np.errstate(divide="ignore"):
        return np.where(rho < 1, -np.log1p(-np.minimum(rho, 1.0)) / rho, np.inf)


def spread(of: Teacher, squared: Array) -> Array:
    """√(v/ρ) of every direction, by M(0)² of its pair; nan where it has none."""
    c, a = np.array(of.activation.coefficients), of.a.numpy()
    K, k = int(of.activation.information_exponent), np.arange(len(c))
    squares = c[1:] @ c[1:]
    with_u = c**2 @ (2 * k + 1) + 2 * (c[:-2] * c[2:]) @ np.sqrt((k[:-2] + 1) * (k[:-2] + 2))
    along = 1 + a**2 * (with_u - squares) / (squares * (a @ a))  # E r²σ′²⟨x, v*_p⟩² / E r²σ′²
    M2 = np.where(squared > 0, squared, np.nan)
    return np.asarray(np.sqrt(2 * (K - 2) ** 2 / (3 * K - 4) * along / ((of.d - 1) * M2)))


def probe(s: Settings) -> Probe:
    """The first step of the narrowest student, at the least rate, in the first run."""
    point = {"m": min(s.m), "rate": min(s.rate), "run": s.run[0]}
    # SGD draws other samples on other devices: one step moves M² by a percent at most.
    return Probe(settings=replace(s, records=1), point=point, tolerance=2e-2)


FRONTIER_SGD = Experiment(
    name="frontier_sgd",
    part="emergence",
    question="At which rate does online SGD follow the frontier's flow, and with how many samples?",
    chapter=Settings(),
    full=Settings(
        m=(16, 64),
        rate=(0.1, 0.3),
        run=(0,),
        d=2048,
        P=1024,
        batch=16384,
        wide=(2048, 1024),
    ),
    axes=("m", "rate", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "steps": "(records,), steps of SGD at the records; samples over B, flow time over η",
        "loss": "(records,), population loss of SGD; nan where it has diverged",
        "flow": "(records,), that of the flow from the same start",
        "predicted": "(records,), that of greedy selection from the same start",
        "squared": "(records, top), greatest M² of SGD's neurons with the flow's first directions",
        "T_flow": "(top,), when the flow has M² ≥ ½ there, rising; inf for not by the last record",
        "T_predicted": "(top,), what greedy selection says of the same directions; inf for never",
        "eta": "η",
        "critical": "(top,), critical rates η_c of the same directions at B = 1; 0 for no neuron",
        "spread": "(top,), predicted √(v/ρ) of the same directions; nan for no neuron",
        "single": "(3,), samples T/η_c of B = 1 at sizes `wide`: first direction, p = P, last",
    },
    reduced={
        "rate": (0.03, 0.1, 0.3, 1.0),
        "run": tuple(range(32)),
        "d": 128,
        "P": 32,
        "batch": 512,
    },
)

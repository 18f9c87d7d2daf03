r"""How many inputs a stage does the curriculum need, and how does that number grow with N and k?

Algorithm 1 with its curriculum (`plateaus.composition.one_step`), fresh inputs at every stage: the
smallest n on the grid 2^(e/2) at which the accuracy on all k hops reaches .95; between it and the n
before, a line over log n says where the accuracy crosses .95, and growth is fitted to that. With
T = kN, L = log₂k + 1 and every start labelled (b = 1), or one uniform start an input (b = T):

    heuristic (ours)    n* ≈ 2 (L + 1)² z² / (N − 1) · b,     z = Φ⁻¹(1 − .05/T)            (eq-n*)
    bound (ours)        n  = 2 b² (L + 1)⁴ / μ² · log(2 L (L + 1)² T² / .05),
                        μ  = 1 − 1/N − max (fix(π_i) − 1)₊/(N − 1) over the π_i ≠ id      (eq-bound)
    sufficient (slides) n ≥ Ω̃(k⁴ N⁶)

In the heuristic each entry of W_KQ is off by an average of n coins of variance (1 − 1/N)/N, entries
are independent Gaussians, a difference of two scores adds 2 (L + 1)² of them in the last layer, and
the right key has to beat T others, each with probability .05/T; errors of the layers below are left
out, and with b = T that the labels are spread unevenly. The bound is Hoeffding's inequality for
every entry and a union over all, for hard attention once a layer is learned, with probability .95
of an accuracy of 1. The slides' constants, and what their n counts, are not in our sources.

Counting is done on the CPU, whatever the device.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plateaus.composition import Task, one_step
from plateaus.composition.learning import Labels
from plateaus.emergence import fit_power_law
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._tasks import hidden, stream


@dataclass(frozen=True)
class Threshold:
    """The smallest n that succeeds.

    Attributes:
        labels: "all" starts of an input are labelled, or "one" of them.
        size: pairs (N, k), N ≥ 3, k a power of two, at least 2.
        run: numbers of the runs: each has a task and inputs of its own.
        pi: own hidden permutations of every run, (k, N), for the one size that fits; None: random.
        target: accuracy on all k hops that counts as success.
        scale: C of the step C T².
        tests: test inputs, at all starts.
        most: n at which the search ends, inputs a stage.
        largest: k²N up to which single labels are tried, since it sets the cost; beyond it n and
            crossing are nan.
        seed: of everything that is drawn.
    """

    labels: tuple[Labels, ...] = ("all", "one")
    size: tuple[tuple[int, int], ...] = ((4, 2), (8, 2), (16, 2), (4, 4), (8, 4))
    run: tuple[int, ...] = (0, 1, 2, 3, 4)
    pi: tuple[tuple[int, ...], ...] | None = None
    target: float = 0.95
    scale: float = 30.0
    tests: int = 100
    most: int = 200_000
    largest: int = 64
    seed: int = 0


def measure(s: Threshold, work: Work, *, labels: Labels, size: tuple[int, int], run: int) -> Arrays:
    """Search one task's n; see `THRESHOLD.arrays`."""
    N, k = size
    if N < 3 or k < 2:
        raise ValueError(f"size holds {size}; valid: N ≥ 3 and k ≥ 2.")
    task = hidden(s.pi, size, stream(s.seed, N, k, run))
    b = 1 if labels == "all" else k * N
    untried = labels == "one" and k * k * N > s.largest
    found, crossing = (math.nan, math.nan) if untried else _search(s, task, b, run)
    return {
        "n": np.array(found),
        "crossing": np.array(crossing),
        "predicted": np.array(b * n_star(N, k)),
        "bound": np.array(enough(task, b)),
        "slides": np.array(float(k**4 * N**6)),
    }


def _search(s: Threshold, task: Task, b: int, run: int) -> tuple[float, float]:
    """The smallest n that succeeds, and where the line from the n before crosses the target."""
    labels: Labels = "all" if b == 1 else "one"
    tried: list[tuple[int, float]] = []
    for exponent in itertools.count(math.ceil(2 * math.log2(2 * b))):
        if (n := round(2 ** (exponent / 2))) > s.most:
            break
        done = one_step(
            task,
            n=n,
            schedule="curriculum",
            seed=stream(s.seed, task.N, task.k, run, n, labels),
            scale=s.scale,
            labels=labels,
            tests=s.tests,
            leave_out=0.001,
        )
        tried.append((n, float(done.accuracy[-1, -1])))
        if tried[-1][1] >= s.target:
            break
    if not tried or tried[-1][1] < s.target:
        return math.inf, math.inf
    (before, low), (n, high) = tried[max(len(tried) - 2, 0)], tried[-1]
    share = (s.target - low) / (high - low) if high > low else 1.0
    return float(n), before * math.exp(share * math.log(n / before))


def n_star(N: int, k: int) -> float:
    """The heuristic (eq-n*) with every start labelled."""
    L, T = k.bit_length(), k * N
    z = NormalDist().inv_cdf(1 - 0.05 / T)
    return float(2 * (L + 1) ** 2 * z**2 / (N - 1))


def enough(task: Task, b: int, delta: float = 0.05) -> float:
    """Our bound (eq-bound) on the n that suffices with probability 1 − δ."""
    L, N, T = task.k.bit_length(), task.N, task.k * task.N
    fixed = (task.pi == torch.arange(N)).sum(1).tolist()
    mu = 1 - 1 / N - max([0.0, *((f - 1) / (N - 1) for f in fixed if f < N)])
    log = math.log(2 * L * (L + 1) ** 2 * T**2 / delta)
    return float(2 * b**2 * (L + 1) ** 4 / mu**2 * log)


def findings(result: Result) -> list[Finding]:
    """Measured over predicted; growth with N and k; how loose the bounds are."""
    s: Threshold = result.settings
    found = []
    for labels in s.labels:
        cell = result.at(labels=labels)
        known = [i for i, seen in enumerate(cell["n"]) if not np.isnan(seen).any()]
        if not known:
            continue
        sizes = [s.size[i] for i in known]
        cell = {name: array[known] for name, array in cell.items()}
        n, crossing, predicted = cell["n"], cell["crossing"], cell["predicted"][:, 0]
        what = {"all": "all starts labelled", "one": "one labelled start"}[labels]
        N, k = zip(*sizes, strict=True)
        where = f"{what}, {len(sizes)} sizes with N = {min(N)} … {max(N)} and k = {min(k)} … "
        where += f"{max(k)}, {len(s.run)} runs, grid √2"
        ratio = np.median(n, axis=1) / predicted
        ends = float(ratio.min()), float(ratio.max())
        claim, of = f"threshold-{labels}", "range over sizes"
        found.append(
            Finding(
                claim,
                "smallest n over the heuristic n*, median over sizes of medians over runs",
                where,
                1.0,
                float(np.median(ratio)),
                *ends,
                of,
            )
        )
        for power, fixed in ((0, 1), (1, 0)):
            for value in sorted({size[fixed] for size in sizes}):
                at = [i for i, size in enumerate(sizes) if size[fixed] == value]
                at.sort(key=lambda i: sizes[i][power])
                x = [sizes[i][power] for i in at]
                if len(x) >= 3:
                    found += _slope(claim, "Nk"[power], x, crossing[at], predicted[at], value, what)
        if labels == "all":
            at_most = [
                ("bound", "our bound, eq-bound"),
                ("slides", "k⁴N⁶, its constant and logarithms set to 1"),
            ]
            for name, text in at_most:
                share = np.median(n / cell[name], axis=1)
                found.append(
                    Finding(
                        f"threshold-{name}",
                        f"smallest n over {text}; sufficient, so at most 1; median over sizes",
                        where,
                        math.nan,
                        float(np.median(share)),
                        float(share.min()),
                        float(share.max()),
                        of,
                    )
                )
    return found


def _slope(
    claim: str,
    name: str,
    x: Sequence[int],
    n: NDArray[Any],
    predicted: NDArray[Any],
    value: int,
    what: str,
) -> list[Finding]:
    """How n grows with N at fixed k, or with k at fixed N."""
    if not np.isfinite(np.median(n, axis=1)).all():
        return []
    window = (min(x), max(x))
    fit = fit_power_law(x, n, window=window)
    theory = fit_power_law(x, predicted, window=window).slope
    other = "kN"["Nk".index(name)]
    return [
        Finding(
            f"{claim}-{name}",
            f"slope of log n over log {name} at {other} = {value}, n where accuracy crosses",
            f"{what}, {name} = {', '.join(map(str, x))}, {n.shape[1]} runs",
            theory,
            fit.slope,
            *fit.interval,
            "95 % (bootstrap over runs)",
        )
    ]


def probe(s: Threshold) -> Probe:
    """The point with the fewest labels to count."""
    size = min(s.size, key=lambda one: one[0] * one[1] ** 2)
    return Probe(s, {"labels": s.labels[0], "size": size, "run": s.run[0]}, tolerance=1e-6)


THRESHOLD = Experiment(
    name="threshold",
    part="composition",
    question="How many inputs a stage does the curriculum need, against N and k?",
    chapter=Threshold(),
    full=Threshold(
        size=tuple(
            (N, k)
            for k, largest in ((2, 64), (4, 64), (8, 64), (16, 32), (32, 8))
            for N in (4, 8, 16, 32, 64)
            if largest >= N
        ),
        run=tuple(range(20)),
        largest=512,
    ),
    reduced={
        "size": tuple(
            (N, k)
            for k, largest in ((2, 32), (4, 32), (8, 16), (16, 8))
            for N in (4, 8, 16, 32)
            if largest >= N
        ),
        "run": tuple(range(16)),
        "largest": 256,
    },
    axes=("labels", "size", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "n": "smallest n of the grid 2^(e/2) from 2b on that succeeds; inputs a stage, inf above "
        "most, nan where not tried",
        "crossing": "where the accuracy crosses target between that n and the one before, linear "
        "in log n; inputs a stage",
        "predicted": "eq-n*, inputs a stage",
        "bound": "eq-bound for the point's task, inputs a stage",
        "slides": "k⁴N⁶, inputs",
    },
)

r"""How wrong is the constructed transformer at finite temperature?

The construction (`plateaus.composition.construct`) is exact for hard attention. At inverse
temperature β, and with T positions, each look-up leaves a little on every key (ours, all of it):

    δ  =  (1 − 1/T)(1 − G),   the share of the last block that is not on the right answer,

with the gap G of `gaps`, a recursion over layers, exact at every β > 0, every start and every
input. Hence

- δ ≤ (2L − 1)(T − 1) e^{−β} for L layers, once β is above log T or so (`error_bound`);
- log δ falls over β with slope −1 as β → ∞, and in a finite window with that of the recursion;
- the right logit is ahead of every other by G > 0, so the accuracy is 1 at every β in exact
  arithmetic, and in float32 as long as G is above 4 ε, ε = 2^−23 (where `construct` warns).

δ is measured from the logits z in float64: what Ψ reads on the wrong labels, summed without
cancellation, is (1 − 1/N)(1 − G), as the recursion spreads what is wrong evenly over all keys;
times (1 − 1/T)/(1 − 1/N) it is δ.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import one_hot

from plateaus.composition import Task, construct, error_bound, gaps, plan
from plateaus.composition.construction import Method
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._tasks import hidden, stream


@dataclass(frozen=True)
class ConstructionError:
    """Constructed transformers at several temperatures.

    Attributes:
        method: how spans are joined; where doubling cannot, since k is no power of two, all
            arrays are nan.
        size: pairs (N, k).
        beta: inverse temperature.
        pi: own hidden permutations, (k, N), for the one size that fits; None: random.
        inputs: inputs that δ and accuracy are taken over, at all kN starts.
        seed: of everything that is drawn.
    """

    method: tuple[Method, ...] = ("doubling", "padding", "chain", "accumulator")
    size: tuple[tuple[int, int], ...] = ((8, 2), (4, 4), (4, 7), (4, 16))
    beta: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0)
    pi: tuple[tuple[int, ...], ...] | None = None
    inputs: int = 8
    seed: int = 0


def measure(
    s: ConstructionError, work: Work, *, method: Method, size: tuple[int, int], beta: float
) -> Arrays:
    """Build one transformer, and try it; see `CONSTRUCTION_ERROR.arrays`."""
    N, k = size
    names = ("error", "predicted", "bound", "accuracy", "gap")
    if method == "doubling" and k & (k - 1):
        return {name: np.array(math.nan) for name in names}
    task = hidden(s.pi, size, stream(s.seed, N, k))
    sigma, _ = task.sample(s.inputs, seed=stream(s.seed, N, k, "inputs"))  # the same on any device
    task, sigma = Task(task.pi.to(work.device)), sigma.to(work.device)
    made = plan(k, method)
    T, G = made.rows * N, gaps(k, N, beta, method)[made.last]
    wrong, _ = _try(task, sigma, beta, method, torch.float64)
    _, right = _try(task, sigma, beta, method, torch.float32)
    found = (
        wrong * (1 - 1 / T) / (1 - 1 / N),
        (1 - 1 / T) * (1 - G),
        error_bound(k, N, beta, method),
        right,
        G,
    )
    return {name: np.array(value) for name, value in zip(names, found, strict=True)}


def _try(
    task: Task, sigma: torch.Tensor, beta: float, method: Method, dtype: torch.dtype
) -> tuple[float, float]:
    """What is read on wrong labels, the largest over all starts, and the share of right answers."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", UserWarning)  # that the gap is too small: it is measured
        model = construct(task, beta=beta, method=method, dtype=dtype)
        z = torch.cat([model(some) for some in torch.split(sigma, 4)])
    y = task.hops(sigma, task.k)
    wrong = z.masked_fill(one_hot(y, task.N).bool(), 0).sum(-1).max()
    return float(wrong), float((z.argmax(-1) == y).double().mean())


def findings(result: Result) -> list[Finding]:
    """The recursion and the bound at every β; the slope; from which β on answers are right."""
    s: ConstructionError = result.settings
    found = []
    eps = 4 * float(torch.finfo(torch.float32).eps)
    for method in s.method:
        cell = result.at(method=method)
        known = np.isfinite(cell["error"][:, 0])
        if not known.any():
            continue
        sizes = [size for size, at in zip(s.size, known, strict=True) if at]
        error, predicted, bound = (cell[name][known] for name in ("error", "predicted", "bound"))
        right, gap = cell["accuracy"][known], cell["gap"][known]
        where = f"{method}, (N, k) in {sizes}, β = {min(s.beta):g} … {max(s.beta):g}"
        off = np.abs(error / predicted - 1)[predicted > 1e-9]  # below, 1 − G has lost its digits
        found.append(
            Finding("construction-gap", "largest |δ/predicted − 1|", where, 0.0, float(off.max()))
        )
        says = bound < 1
        if says.any():
            found.append(
                Finding(
                    "construction-bound",
                    "largest δ over its bound, at most 1",
                    f"{where}, where the bound is below 1",
                    float((predicted / bound)[says].max()),
                    float((error / bound)[says].max()),
                )
            )
        # The largest k, and one that is no power of two where there is one.
        at = max(
            range(len(sizes)), key=lambda i: (sizes[i][1] & (sizes[i][1] - 1) > 0, sizes[i][1])
        )
        (N, k), beta, window = sizes[at], np.array(s.beta), np.array(s.beta)[says[at]]
        here = f"{method}, N={N}, k={k}"
        if len(window) >= 2:
            theory, slope = (
                float(np.polyfit(window, np.log(y[at][says[at]]), 1)[0]) for y in (predicted, error)
            )
            ends = f"β = {window.min():g} … {window.max():g}, where the bound is below 1"
            found.append(
                Finding(
                    "construction-slope",
                    "slope of log δ over β; −1 as β → ∞",
                    f"{here}, {ends}",
                    theory,
                    slope,
                )
            )
        if method == "doubling" and len(window):
            leaks = error[at][beta.argmax()] * math.exp(beta.max()) / (k * N - 1)
            found.append(
                Finding(
                    "construction-leaks",
                    "δ e^β/(T − 1): L as β → ∞, 2L − 1 in the bound",
                    f"{here}, β = {beta.max():g}",
                    float(k.bit_length()),
                    float(leaks),
                )
            )
        found.append(
            Finding(
                "construction-accuracy",
                "smallest β of the grid from which on all answers are right in float32",
                f"{here}; predicted: the gap G is {eps:.2g} or more",
                _from(beta, gap[at] >= eps),
                _from(beta, right[at] == 1),
            )
        )
    return found


def _from(beta: NDArray[Any], holds: NDArray[np.bool_]) -> float:
    """The smallest β from which on something holds; inf if it does not at the largest."""
    order = np.argsort(beta)
    fails = np.flatnonzero(~holds[order])
    first = fails[-1] + 1 if len(fails) else 0
    return float(beta[order][first]) if first < len(beta) else math.inf


def probe(s: ConstructionError) -> Probe:
    """The smallest size at the middle β."""
    size = min(s.size, key=lambda one: one[0] * one[1])
    point = {"method": s.method[-1], "size": size, "beta": sorted(s.beta)[len(s.beta) // 2]}
    return Probe(s, point, tolerance=1e-6)


_BETA = tuple(0.25 * 2 ** (e / 2) for e in range(8)) + tuple(float(b) for b in range(4, 29, 2))

CONSTRUCTION_ERROR = Experiment(
    name="construction_error",
    part="composition",
    question="How wrong is the constructed transformer at finite temperature?",
    chapter=ConstructionError(),
    full=ConstructionError(
        size=((8, 2), (32, 2), (8, 3), (4, 4), (16, 4), (4, 7), (4, 8), (8, 12), (4, 16), (8, 16)),
        beta=_BETA,
        inputs=16,
    ),
    axes=("method", "size", "beta"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "error": "δ, the largest over all starts and inputs, in float64",
        "predicted": "(1 − 1/T)(1 − G), G of the recursion",
        "bound": "error_bound: (2L − 1)(T − 1) e^{−β}, or 1 where it says nothing",
        "accuracy": "share of right answers in float32",
        "gap": "G, the lead of the right logit, of the recursion",
    },
)

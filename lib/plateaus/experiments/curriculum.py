r"""One gradient step a stage: what do easy examples buy, and with how many samples?

Algorithm 1 (`plateaus.composition.one_step`): W_OV at the truth, W_KQ = 0, and L = log₂k + 1 steps
on n inputs each, of hop 2^(l−1) at stage l (curriculum), of all hops at every stage (mixture), or
of hop k at every stage (hard). Predicted:

- hard: attention is uniform and every key carries the same, so no gradient reaches any W_KQ, sample
  by sample; k-hop accuracy is 1/N, exactly (ours).
- curriculum and mixture: stage l takes layer l and no other from 0 to the truth, so that after it
  hops 1, …, 2^(l−1) are right and the others at chance (slides: one layer a stage, and for the
  mixture "if layer l is not learned, no signal to layers l' > l").
- n large: the k-hop accuracy is 1 (slides: for n ≥ Ω̃(k⁴N⁶)); from n* on it is above .95, with the
  heuristic of `plateaus.experiments.threshold` (ours).
- distance to the truth: ((l + 1)T)² entries, each off by an average of n coins of variance
  (1 − 1/N)/N, against a signal of squared norm T(1 − 1/N). With r the norm of the
  expected gradient's spurious blocks over that of its signal, the curriculum's one step is off by

      ‖W − W*‖ / ‖W*‖  ≈  √((l + 1)² k/n + r²)     (ours).

`one_step` knows that no gradient passes uniform attention, and that equal logits at all starts are
right once in N; so the measurement of no signal is the one by automatic differentiation.

Counting is done on the CPU, whatever the device.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest

from plateaus.composition import Task, expected_gradient, one_step, untrained
from plateaus.composition.learning import Schedule
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._tasks import hidden, stream
from plateaus.experiments.threshold import n_star


@dataclass(frozen=True)
class Curriculum:
    """Algorithm 1, with and without its curriculum.

    Attributes:
        schedule: which hops a stage trains.
        size: pairs (N, k), k a power of two, at least 2.
        n: inputs a stage, ascending.
        run: numbers of the runs: each has a task and inputs of its own.
        pi: own hidden permutations of every run, (k, N), for the one size that fits; None: random.
        scale: C of the step C T².
        tests: test inputs, at all starts.
        seed: of everything that is drawn.
    """

    schedule: tuple[Schedule, ...] = ("curriculum", "mixture", "hard")
    size: tuple[tuple[int, int], ...] = ((4, 2), (4, 4), (8, 4))
    n: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    run: tuple[int, ...] = (0, 1, 2, 3, 4)
    pi: tuple[tuple[int, ...], ...] | None = None
    scale: float = 30.0
    tests: int = 100
    seed: int = 0


def measure(
    s: Curriculum, work: Work, *, schedule: Schedule, size: tuple[int, int], n: int, run: int
) -> Arrays:
    """Run one schedule; see `CURRICULUM.arrays`."""
    N, k = size
    if k < 2:
        raise ValueError(f"size has k = {k}; valid: k ≥ 2, for hop k not to be hop 1.")
    task = hidden(s.pi, size, stream(s.seed, N, k, run))
    seed = stream(s.seed, N, k, run, n, schedule)
    done = one_step(
        task, n=n, schedule=schedule, seed=seed, scale=s.scale, tests=s.tests, leave_out=0.001
    )
    deepest = max(k.bit_length() for _, k in s.size)
    arrays = {
        "start": _padded(_start(task, seed), deepest),
        "expected": _padded(_expected(task, n), deepest),
    }
    for name in ("accuracy", "distance", "gradient"):
        arrays[name] = _padded(getattr(done, name), deepest + (name != "gradient"), deepest)
    return arrays


def _start(task: Task, seed: int) -> torch.Tensor:
    """‖T² ∂(loss of hop k)/∂W_KQ‖ at the start, by layer, in float64 from 4 inputs."""
    model = untrained(task, dtype=torch.float64)
    sigma, _ = task.sample(4, seed=seed)
    z, y = model(sigma), task.hops(sigma, task.k)
    loss = z.log_softmax(-1).gather(3, y[..., None]).mean()
    weights = [model.heads(layer + 1)[0].W_KQ.weight for layer in range(len(model.layers))]
    steps = torch.autograd.grad(loss, weights)
    return torch.stack([model.T**2 * torch.linalg.vector_norm(step) for step in steps])


def _expected(task: Task, n: int) -> torch.Tensor:
    """The predicted ‖W − W*‖/‖W*‖ of every layer after its stage of the curriculum."""
    off = []
    for layer in range(1, task.k.bit_length() + 1):
        signal, *spurious = expected_gradient(task, layer).values()
        r2 = sum(float((block**2).sum()) for block in spurious) / float((signal**2).sum())
        off.append(math.sqrt((layer + 1) ** 2 * task.k / n + r2))
    return torch.tensor(off)


def _padded(part: torch.Tensor, *shape: int) -> NDArray[np.float32]:
    """An array of that shape, nan beyond the part."""
    array = np.full(shape, np.nan, np.float32)
    array[tuple(slice(length) for length in part.shape)] = part.detach()
    return array


def last(k: int, array: NDArray[Any]) -> NDArray[Any]:
    """Hop k or the last layer after the last stage, of an array (…, stages + 1, hops)."""
    L = k.bit_length()
    return array[..., L, L - 1]


def in_order(k: int, N: int, accuracy: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether every stage teaches one hop: above .95 up to its own, chance beyond, (…,).

    Chance is 1/N up to half of the way to 1: more than a layer that has not moved can have.
    """
    L = k.bit_length()
    seen = accuracy[..., : L + 1, :L]
    learned = np.tri(L + 1, L, -1, dtype=bool)
    fits = np.where(learned, seen > 0.95, seen < (1 + 1 / N) / 2)
    return np.asarray(fits.all((-2, -1)))


def findings(result: Result) -> list[Finding]:
    """No signal for hard alone; success, order and distance for the others; and from which n on."""
    s: Curriculum = result.settings
    most = max(s.n)
    top = s.n.index(most)
    found = []
    for schedule in s.schedule:
        cells = {size: result.at(schedule=schedule, size=size) for size in s.size}
        if schedule == "hard":
            found += _no_signal(s, cells)
            continue
        order = [in_order(k, N, cell["accuracy"][top]) for (N, k), cell in cells.items()]
        ordered = np.concatenate(order)
        ends = binomtest(int(ordered.sum()), len(ordered)).proportion_ci(method="exact")
        found.append(
            Finding(
                f"{schedule}-order",
                f"share of runs that learn one layer a step, {schedule}",
                f"{len(s.size)} sizes, {len(s.run)} runs each, n = {most}",
                1.0,
                float(ordered.mean()),
                ends.low,
                ends.high,
                "95 % (Clopper–Pearson)",
            )
        )
        for (N, k), cell in cells.items():
            where = f"N={N}, k={k}, {len(s.run)} runs"
            right, L = last(k, cell["accuracy"]), k.bit_length()
            what = f"{k}-hop accuracy, {schedule}"
            at = f"{where}, n = {most}"
            found.append(_range(f"{schedule}-accuracy", what, at, 1.0, right[top]))
            if schedule == "curriculum":
                off = last(k, cell["distance"][top])
                expected = float(np.median(cell["expected"][top, :, L - 1]))
                what = "‖W − W*‖/‖W*‖, last layer"
                found.append(_range("curriculum-distance", what, at, expected, off))
            passed = [n for n, row in zip(s.n, right, strict=True) if np.median(row) >= 0.95]
            found.append(
                Finding(
                    f"{schedule}-samples",
                    f"first n of the grid with a median accuracy of .95, {schedule}",
                    f"{where}, n in {', '.join(map(str, s.n))}; predicted: n*, off the grid",
                    n_star(N, k),
                    min(passed, default=math.inf),
                )
            )
    return found


def _no_signal(s: Curriculum, cells: dict[tuple[int, int], Arrays]) -> list[Finding]:
    """Gradients of hard examples alone, and what they learn."""
    spans = f"n = {min(s.n)} … {max(s.n)}, {len(s.run)} runs"
    where = f"{len(s.size)} sizes, {spans}"
    found = [
        Finding(
            "no-signal", what, where, 0.0, float(max(np.nanmax(c[name]) for c in cells.values()))
        )
        for name, what in (
            ("start", "largest T²‖∂loss/∂W_KQ‖ at the start, by automatic differentiation"),
            ("gradient", "largest ‖∂loss/∂W_KQ‖ of any step, by counting"),
        )
    ]
    for (N, k), cell in cells.items():
        what, at = f"{k}-hop accuracy, hard alone", f"N={N}, k={k}, {spans}"
        found.append(_range("no-signal", what, at, 1 / N, last(k, cell["accuracy"])))
    return found


def _range(
    claim: str, quantity: str, where: str, predicted: float, values: NDArray[Any]
) -> Finding:
    """The median, and the range."""
    ends = float(values.min()), float(values.max())
    return Finding(
        claim, quantity, where, predicted, float(np.median(values)), *ends, "range of the runs"
    )


def probe(s: Curriculum) -> Probe:
    """The smallest size, with the most inputs."""
    size = min(s.size, key=lambda one: one[0] * one[1])
    point = {"schedule": s.schedule[0], "size": size, "n": max(s.n), "run": s.run[0]}
    return Probe(s, point, tolerance=1e-3)


CURRICULUM = Experiment(
    name="curriculum",
    part="composition",
    question="One gradient step a stage: how do curriculum, mixture and hard examples fare?",
    chapter=Curriculum(),
    full=Curriculum(
        size=((4, 4), (8, 4), (16, 4), (4, 8), (8, 8), (16, 8), (4, 16), (8, 16)),
        n=(16, 32, 64, 128, 256, 512, 1024, 2048),
        run=tuple(range(10)),
    ),
    reduced={"n": (16, 32, 64, 128, 256, 512, 1024), "run": (0, 1, 2, 3, 4)},
    axes=("schedule", "size", "n", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "accuracy": "share of right labels over all starts of the test inputs; (stages + 1, hops "
        "1, 2, 4, …), nan where a size has fewer",
        "distance": "‖W_KQ − W*‖/‖W*‖; (stages + 1, layers), as accuracy",
        "gradient": "norm of ∂loss/∂W_KQ in each step; (stages, layers), as accuracy",
        "expected": "predicted distance after a layer's stage of the curriculum; (layers)",
        "start": "T²‖∂/∂W_KQ‖ of hop k's cross-entropy at the start, by automatic "
        "differentiation in float64 on 4 inputs; (layers)",
    },
)

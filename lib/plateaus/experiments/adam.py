r"""Does Adam, from a generic start, learn k-fold composition, and does it need easy examples?

An ordinary transformer (`plateaus.composition.Transformer`), all of whose weights are trained, sees
fresh inputs at every step, and labels of some of the hops 1, 2, 4, …, k (`train`):

    hard        hop k alone
    mixture     all hops at once
    cumulative  all hops up to the stage's, the next as soon as one is learned
    strict      the stage's hop alone

Predicted, for want of anything sharper:

- hard alone stays at chance, 1/N, for any budget short of N^Ω(k) (slides: the lower bound for SQ
  learners and hard examples alone; that Adam obeys it within our budget is a measurement, not a
  theorem);
- on a mixture hops are learned in the order of their length, a staircase (slides: "If layer l is
  not learned, no signal to layers l' > l", said of gradient descent on W_KQ);
- strict forgets: what is no longer trained falls back to chance (slides: catastrophic forgetting;
  that it goes all the way to chance is ours, measured at small sizes).

How many steps the mixture takes is not predicted: the slides say poly(N, k) samples.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from plateaus.composition import Training, Transformer, train
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._tasks import hidden, stream

Data = Literal["hard", "mixture", "cumulative", "strict"]


@dataclass(frozen=True)
class Adam:
    """Ordinary transformers under AdamW.

    Attributes:
        data: which hops are trained, and when.
        size: pairs (N, k).
        run: numbers of the runs: each has a task, a start and inputs of its own.
        pi: own hidden permutations of every run, (k, N), for the one size that fits; None: random.
        steps: budget of a run, a multiple of `every`; a run ends where hop k is learned.
        multiple: how many such budgets hard examples alone get.
        every: steps between evaluations.
        batch: inputs a step, each labelled at all kN starts.
        lr: learning rate, after 100 steps of rising.
        width: of the stream.
        heads: attention heads in a layer.
        target: accuracy at which a hop counts as learned.
        evaluate_on: held-out inputs of an evaluation.
        seed: of everything that is drawn.
    """

    data: tuple[Data, ...] = ("hard", "mixture")
    size: tuple[tuple[int, int], ...] = ((4, 4),)
    run: tuple[int, ...] = (0,)
    pi: tuple[tuple[int, ...], ...] | None = None
    steps: int = 250
    multiple: int = 2
    every: int = 25
    batch: int = 32
    lr: float = 4e-3
    width: int = 64
    heads: int = 2
    target: float = 0.95
    evaluate_on: int = 256
    seed: int = 0


def measure(s: Adam, work: Work, *, data: Data, size: tuple[int, int], run: int) -> Arrays:
    """Train one transformer; see `ADAM.arrays`."""
    if s.steps < 1 or s.steps % s.every:
        raise ValueError(f"steps is {s.steps}; valid: multiples of every, {s.every}.")
    if s.multiple < 1:
        raise ValueError(f"multiple is {s.multiple}; valid: an integer ≥ 1.")
    N, k = size
    task = hidden(s.pi, size, stream(s.seed, N, k, run), work.device)
    seed = stream(s.seed, N, k, run, data)
    model = Transformer(k=k, N=N, width=s.width, heads=s.heads, seed=seed, device=work.device)
    budget = s.steps * (s.multiple if data == "hard" else 1)
    seen = train(
        model,
        task,
        data=data,
        steps=budget,
        batch=s.batch,
        lr=s.lr,
        seed=seed,
        target=s.target,
        evaluate_every=s.every,
        evaluate_on=s.evaluate_on,
        keep=_kept(work, budget // s.every, s.every),
        state=work.state,
    )
    hops = max(k.bit_length() for _, k in s.size)
    return _padded(seen, 1 + s.steps * s.multiple // s.every, hops)


def _kept(work: Work, evaluations: int, every: int) -> Callable[[Callable[[], Any]], None]:
    """What `train` calls after an evaluation: `work.keep`, and how much is done."""
    at = -1 if work.state is None else work.state["step"] // every - 1

    def keep(state: Callable[[], dict[str, Any]]) -> None:
        nonlocal at
        at += 1
        work.progress(at / evaluations)
        work.keep(state)

    return keep


def _padded(seen: Training, evaluations: int, hops: int) -> Arrays:
    """The record, filled up with nan."""
    arrays = {}
    for name, part in (("accuracy", seen.accuracy), ("loss", seen.loss)):
        arrays[name] = np.full((evaluations, hops), np.nan, np.float32)
        arrays[name][: len(part), : part.shape[1]] = part
    return arrays


def reached(accuracy: ArrayLike, s: Adam) -> NDArray[np.float64]:
    """First evaluated step at which a hop is learned: (…, evaluations, hops) to (…, hops).

    inf where it was not within the budget; nan for hops that there are not.
    """
    seen = np.asarray(accuracy)
    first = np.asarray((seen >= s.target).argmax(-2), np.float64) * s.every
    first[~(seen >= s.target).any(-2)] = np.inf
    first[np.isnan(seen[..., 0, :])] = np.nan
    return first


def final(accuracy: ArrayLike) -> NDArray[np.float64]:
    """The last evaluation, (…, evaluations, hops) to (…, hops)."""
    seen = np.asarray(accuracy, np.float64)
    last = (~np.isnan(seen[..., 0])).sum(-1) - 1
    found: NDArray[np.float64] = np.take_along_axis(seen, last[..., None, None], -2)[..., 0, :]
    return found


def findings(result: Result) -> list[Finding]:
    """Chance for hard alone; steps of the others; the staircase; what strict forgets."""
    s: Adam = result.settings
    found = []
    for size in s.size:
        N, k = size
        last = k.bit_length() - 1
        where = f"N={N}, k={k}, {len(s.run)} runs, batch {s.batch}, width {s.width}"
        accuracy = {data: result.at(data=data, size=size)["accuracy"] for data in s.data}
        steps = {data: reached(seen, s)[:, last] for data, seen in accuracy.items()}
        if "hard" in s.data:
            found.append(
                _range(
                    "adam-hard",
                    f"accuracy of hop {k} at the end, hard examples alone",
                    f"{where}, {s.multiple * s.steps} steps",
                    1 / N,
                    final(accuracy["hard"])[:, last],
                )
            )
        for data in s.data:
            if data in ("mixture", "cumulative"):
                found.append(
                    _range(
                        f"adam-{data}",
                        f"steps to {s.target:.0%} at hop {k}, {data}",
                        f"{where}, at most {s.steps} steps",
                        math.nan,
                        steps[data],
                    )
                )
        if "mixture" in s.data:
            hits = reached(accuracy["mixture"], s)[:, : last + 1]
            found.append(_share(hits, where))
            if "hard" in s.data:
                found.append(
                    _range(
                        "adam-budget",
                        "budget of hard alone over the mixture's steps",
                        where,
                        math.nan,
                        s.multiple * s.steps / steps["mixture"],
                    )
                )
        if "strict" in s.data:
            found.append(
                _range(
                    "adam-strict",
                    "accuracy of hop 1 at the end, each stage its hop alone",
                    f"{where}, {s.steps} steps",
                    1 / N,
                    final(accuracy["strict"])[:, 0],
                )
            )
    return found


def _range(
    claim: str, quantity: str, where: str, predicted: float, values: NDArray[np.float64]
) -> Finding:
    """The median over runs, and their range."""
    measured, low, high = (float(np.quantile(values, q, method="higher")) for q in (0.5, 0.0, 1.0))
    return Finding(
        claim, quantity, where, predicted, measured, low, high, f"range of {len(values)} runs"
    )


def _share(hits: NDArray[np.float64], where: str) -> Finding:
    """How many runs learn no hop before a shorter one."""
    ordered = int((hits[:, 1:] >= hits[:, :-1]).all(1).sum())
    ends = binomtest(ordered, len(hits)).proportion_ci(method="exact")
    return Finding(
        "adam-staircase",
        "share of runs that learn hops in the order of their length",
        where,
        1.0,
        ordered / len(hits),
        ends.low,
        ends.high,
        "95 % (Clopper–Pearson)",
    )


def probe(s: Adam) -> Probe:
    """The first evaluations of the smallest size."""
    size = min(s.size, key=lambda one: one[0] * one[1])
    point = {"data": s.data[-1], "size": size, "run": s.run[0]}
    return Probe(replace(s, steps=s.every, multiple=1), point, tolerance=5e-3)


ADAM = Experiment(
    name="adam",
    part="composition",
    question="What does Adam learn from a generic start: hard examples alone, or with easy ones?",
    chapter=Adam(),
    full=Adam(
        data=("hard", "mixture", "cumulative", "strict"),
        size=((4, 8), (8, 8), (16, 8), (8, 16)),
        run=(0, 1, 2),
        steps=1500,
        every=10,
        multiple=4,
        batch=128,
        width=128,
        heads=4,
        lr=2e-3,
    ),
    reduced={
        "size": ((4, 4), (6, 4), (4, 8)),
        "steps": 800,
        "multiple": 2,
        "every": 25,
        "batch": 32,
        "width": 64,
        "heads": 2,
        "lr": 4e-3,
    },
    axes=("data", "size", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "accuracy": "share of right labels over all starts of the held-out inputs; "
        "(evaluations, hops 1, 2, 4, …), nan after the end and for hops above k",
        "loss": "cross-entropy on the same inputs in nats, log N is chance; as accuracy",
    },
)

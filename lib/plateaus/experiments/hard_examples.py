r"""Where do hard examples alone suffice? The smallest sizes, several runs of each.

The experiment `adam` shows that hop k alone is not learned at the sizes it tries, within its
budget. Here (N, k) begins at (3, 2): an ordinary transformer sees fresh inputs at every step, with
the labels of hop k at all starts and no others.

Nothing is predicted. The statistical-query bound is vacuous at all of these sizes, and at N = 3 the
label is affine modulo 3 in what is hidden, so that elimination finds it.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest

from plateaus.composition import Transformer, train
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._tasks import hidden, stream
from plateaus.experiments.adam import _kept


@dataclass(frozen=True)
class HardExamples:
    """Ordinary transformers under AdamW, on hop k alone.

    Attributes:
        size: pairs (N, k).
        run: numbers of the runs: each has a task, a start and inputs of its own.
        steps: budget of a run, a multiple of `every`; a run ends where hop k is learned.
        every: steps between evaluations.
        batch: inputs a step, each labelled at all kN starts.
        lr: learning rate, after 100 steps of rising.
        width: of the stream.
        heads: attention heads in a layer.
        target: accuracy at which hop k counts as learned.
        evaluate_on: held-out inputs of an evaluation.
        seed: of everything that is drawn.
    """

    size: tuple[tuple[int, int], ...] = ((4, 2),)
    run: tuple[int, ...] = (0,)
    steps: int = 400
    every: int = 50
    batch: int = 128
    lr: float = 2e-3
    width: int = 64
    heads: int = 2
    target: float = 0.95
    evaluate_on: int = 256
    seed: int = 0


def measure(s: HardExamples, work: Work, *, size: tuple[int, int], run: int) -> Arrays:
    """Train one transformer; see `HARD_EXAMPLES.arrays`."""
    if s.steps < 1 or s.steps % s.every:
        raise ValueError(f"steps is {s.steps}; valid: multiples of every, {s.every}.")
    N, k = size
    seed = stream(s.seed, N, k, run)
    seen = train(
        Transformer(k=k, N=N, width=s.width, heads=s.heads, seed=seed, device=work.device),
        hidden(None, size, seed, work.device),
        data="hard",
        steps=s.steps,
        batch=s.batch,
        lr=s.lr,
        seed=seed,
        target=s.target,
        evaluate_every=s.every,
        evaluate_on=s.evaluate_on,
        keep=_kept(work, s.steps // s.every, s.every),
        state=work.state,
    )
    arrays = {}
    for name, part in (("accuracy", seen.accuracy), ("loss", seen.loss)):
        arrays[name] = np.full(1 + s.steps // s.every, np.nan, np.float32)
        arrays[name][: len(part)] = part[:, -1]  # hop k
    return arrays


def findings(result: Result) -> list[Finding]:
    """How many runs of each size learn hop k within the budget."""
    s: HardExamples = result.settings
    found = []
    for N, k in s.size:
        learned = int((result.at(size=(N, k))["accuracy"] >= s.target).any(-1).sum())
        ends = binomtest(learned, len(s.run)).proportion_ci(method="exact")
        found.append(
            Finding(
                "hard-small",
                "share of runs that learn hop k from hard examples alone",
                f"N={N}, k={k}, {s.steps} steps of {s.batch} inputs",
                float("nan"),
                learned / len(s.run),
                ends.low,
                ends.high,
                "95 % (Clopper–Pearson)",
            )
        )
    return found


def probe(s: HardExamples) -> Probe:
    """The first evaluations of the smallest size."""
    point = {"size": min(s.size, key=lambda one: one[0] * one[1]), "run": s.run[0]}
    return Probe(replace(s, steps=s.every), point, tolerance=5e-3)


HARD_EXAMPLES = Experiment(
    name="hard_examples",
    part="composition",
    question="At which sizes does Adam learn the task from hard examples alone?",
    chapter=HardExamples(),
    full=HardExamples(
        size=((3, 2), (4, 2), (3, 3), (4, 3), (3, 4), (4, 4)),
        run=(0, 1, 2, 3, 4, 5, 6, 7),
        steps=10_000,
    ),
    reduced={"steps": 1000, "run": (0, 1, 2, 3)},
    axes=("size", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "accuracy": "share of right labels of hop k over all starts of the held-out inputs; "
        "(evaluations,), nan after the end",
        "loss": "cross-entropy of hop k on the same inputs in nats, log N is chance; as accuracy",
    },
)

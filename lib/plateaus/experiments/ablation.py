r"""What depth and readouts do to an ordinary transformer that is trained on a mixture of hops.

By the construction, a transformer of log₂k + 1 layers knows hop 2^{l−1} after layer l, so hop r is
read there. One thing is changed at a time (`VARIANTS`): all hops are read after the last layer; one
layer is taken away, and two; two layers are left and hops 1 and 2 are read after the first.

Predicted, if trained layers work as those of the construction do: hop 2^{l−1} is known after layer
l and not before, so two layers leave four hops at 1/N, wherever hops are read, and one layer two
hops as well. Whether training finds what depth allows is not predicted.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from scipy.stats import binomtest

from plateaus.composition import Transformer, train
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._tasks import hidden, stream
from plateaus.experiments.adam import _kept

Variant = Literal["three layers", "read last", "two layers", "read early", "one layer", "no MLP"]

VARIANTS: dict[Variant, dict[str, Any]] = {
    "three layers": {},
    "read last": {"read": "last"},
    "two layers": {"layers": 2},
    "read early": {"layers": 2},
    "one layer": {"layers": 1},
    "no MLP": {"layers": 1, "mlp": 0},
}
"""How each variant departs from three layers, hops 1, 2, 4 read after layers 1, 2, 3. "read early"
reads hops 1 and 2 after layer 1, and hop 4 after layer 2."""


@dataclass(frozen=True)
class Ablation:
    """Ordinary transformers under AdamW on hops 1, 2 and 4, k = 4.

    Attributes:
        variant: what is changed, of `VARIANTS`.
        run: numbers of the runs: each has a task and inputs of its own, the same for all variants,
            and a start of its own, the same for variants of one depth with the same MLP.
        N: number of things.
        steps: budget of a run, a multiple of `every`; a run ends where all hops are learned.
        every: steps between evaluations.
        batch: inputs a step, each labelled at all kN starts.
        lr: learning rate, after 100 steps of rising.
        width: of the stream.
        heads: attention heads in a layer.
        target: accuracy at which a hop counts as learned.
        evaluate_on: held-out inputs of an evaluation.
        seed: of everything that is drawn.
    """

    variant: tuple[Variant, ...] = ("two layers",)
    run: tuple[int, ...] = (0,)
    N: int = 4
    steps: int = 300
    every: int = 25
    batch: int = 32
    lr: float = 4e-3
    width: int = 64
    heads: int = 2
    target: float = 0.95
    evaluate_on: int = 256
    seed: int = 0


def measure(s: Ablation, work: Work, *, variant: Variant, run: int) -> Arrays:
    """Train one transformer; see `ABLATION.arrays`."""
    if s.steps < 1 or s.steps % s.every:
        raise ValueError(f"steps is {s.steps}; valid: multiples of every, {s.every}.")
    if variant not in VARIANTS:
        raise ValueError(f"variant is {variant!r}; valid are {', '.join(VARIANTS)}.")
    size, seed = (s.N, 4), stream(s.seed, s.N, run)
    shape: dict[str, Any] = {
        "width": s.width,
        "heads": s.heads,
        "seed": seed,
        "device": work.device,
    }
    model = Transformer(k=4, N=s.N, **shape, **VARIANTS[variant])
    if variant == "read early":
        model.after = (1, 1, 2)
    seen = train(
        model,
        hidden(None, size, seed, work.device),
        data="mixture",
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
    arrays = {"accuracy": np.full((1 + s.steps // s.every, 3), np.nan, np.float32)}
    arrays["accuracy"][: len(seen.accuracy)] = seen.accuracy
    return arrays


def findings(result: Result) -> list[Finding]:
    """How many runs learn two hops, and four, with each variant; accuracies, if predicted."""
    s: Ablation = result.settings
    where = f"N={s.N}, k=4, {s.steps} steps of {s.batch} inputs"
    found = []
    for variant in s.variant:
        best = np.nanmax(result.at(variant=variant)["accuracy"], axis=-2)  # (runs, hops)
        for hop, r in ((1, 2), (2, 4)):
            learned = int((best[:, hop] >= s.target).sum())
            ends = binomtest(learned, len(s.run)).proportion_ci(method="exact")
            known = variant != "read early" and VARIANTS[variant].get("layers", 3) > hop
            found.append(
                Finding(
                    "depth",
                    f"share of runs that learn {r} hops, {variant}",
                    where,
                    float("nan") if known else 0.0,
                    learned / len(s.run),
                    ends.low,
                    ends.high,
                    "95 % (Clopper–Pearson)",
                )
            )
            if not known:
                found.append(
                    Finding(
                        "depth",
                        f"best accuracy of {r} hops, {variant}",
                        where,
                        1 / s.N,
                        float(best[:, hop].mean()),
                        float(best[:, hop].min()),
                        float(best[:, hop].max()),
                        "range over runs",
                    )
                )
    return found


def probe(s: Ablation) -> Probe:
    """The first evaluations of the first variant."""
    return Probe(
        replace(s, steps=s.every), {"variant": s.variant[-1], "run": s.run[0]}, tolerance=5e-3
    )


ABLATION = Experiment(
    name="ablation",
    part="composition",
    question="What do depth, and where hops are read, change for a transformer under Adam?",
    chapter=Ablation(),
    full=Ablation(variant=get_args(Variant), run=tuple(range(10)), steps=5000, batch=128, lr=2e-3),
    reduced={"steps": 1500, "run": (0, 1, 2, 3, 4), "batch": 32, "lr": 4e-3},
    axes=("variant", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "accuracy": "share of right labels over all starts of the held-out inputs; "
        "(evaluations, hops 1, 2, 4), nan after the end",
    },
)

r"""How does the plateau of a k-sparse parity grow with the dimension?

A network of one hidden layer under SGD on the hinge loss (`plateaus.sandbox.train`), until 95 % of
its signs are right. Predicted, all ours and up to constants:

    flow     Each neuron's overlaps with the hidden bits start at u ~ d^{−1/2}, and du/dt is of
             order u^{k−1}: a time d^{(k−2)/2}, log d for k = 2. For odd k the coefficient is
             proportional to b/‖w‖ for a bias b: with biases no larger than one weight it is
             d^{−1/2}, and the time d^{(k−1)/2}. At finite d the overlaps grow to k^{−1/2}, where
             the hidden bits are all that a neuron sees (`flow_time`).
    noise    The same signal against the noise of single examples: its inverse square, d^{k−1}
             examples, for odd k with such biases d^k.

Noise takes over once η²a²T/(2B), what T steps add to a weight's square, is as large as the 1/(3d)
it starts with. Below that the flow's exponents are the prediction. The order d^k of the slides is
that of samples or compute of statistical query learners; beside it stands examples × d.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plateaus.emergence import fit_power_law
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._tasks import stream
from plateaus.sandbox import Skills, train

Bias = Literal["narrow", "wide"]


@dataclass(frozen=True)
class Parity:
    """Networks of one hidden layer on one sparse parity.

    Attributes:
        k: number of bits that count, 2, 3 or 4.
        size: which of the dimensions below, counted from 0.
        bias: hidden biases at the start: "narrow", within ± 1/√d as the weights, or "wide",
            within ± 1.
        batch: examples a step.
        d2, d3, d4: the dimensions d for k = 2, 3, 4.
        runs: networks at every point.
        width: hidden neurons.
        eta: learning rate.
        steps: budget; a point ends where all its runs are done.
        target: accuracy that ends a plateau.
        evaluate_on: held-out examples.
        seed: of everything that is drawn.
    """

    k: tuple[int, ...] = (2, 3)
    size: tuple[int, ...] = (0, 1, 2)
    bias: tuple[Bias, ...] = ("narrow",)
    batch: tuple[int, ...] = (32,)
    d2: tuple[int, ...] = (16, 32, 64, 128, 256)
    d3: tuple[int, ...] = (16, 24, 32, 48, 64)
    d4: tuple[int, ...] = (12, 16, 24, 32, 40)
    runs: int = 5
    width: int = 256
    eta: float = 0.1
    steps: int = 100_000
    target: float = 0.95
    evaluate_on: int = 500
    seed: int = 0


def dimension(s: Parity, k: int, size: int) -> int:
    """The dimension of a point of the grid."""
    dims = {2: s.d2, 3: s.d3, 4: s.d4}
    if k not in dims:
        raise ValueError(f"k is {k}; valid: 2, 3 and 4.")
    if not 0 <= size < len(dims[k]):
        raise ValueError(f"size is {size}; valid for k = {k}: 0 to {len(dims[k]) - 1}.")
    return dims[k][size]


def records(steps: int) -> NDArray[np.int64]:
    """When networks are tried: 0, 8, and then at least a step and a ratio 2^{1/16} on."""
    if steps < 8:
        raise ValueError(f"steps is {steps}; valid: an integer ≥ 8.")
    count = 1 + int(16 * math.log2(steps / 8) + 1e-9)
    grid = np.unique(np.round(8 * 2.0 ** (np.arange(count) / 16)).astype(np.int64))
    return np.concatenate([[0], grid])


def measure(s: Parity, work: Work, *, k: int, size: int, bias: Bias, batch: int) -> Arrays:
    """Train all runs of one point; see `PARITY.arrays`."""
    d = dimension(s, k, size)
    at = records(s.steps)
    seen = train(
        Skills.random(d=d, k=k, seed=s.seed),
        width=s.width,
        eta=s.eta,
        batch=batch,
        record_at=at,
        runs=s.runs,
        seed=stream(s.seed, k, d, bias, batch),
        bias=1.0 if bias == "wide" else None,
        until=s.target,
        evaluate_on=s.evaluate_on,
        device=work.device,
    )
    arrays = {"d": np.array(d)}
    for name, part in (("accuracy", seen.accuracy[:, 0]), ("loss", seen.loss[:, 0])):
        arrays[name] = np.full((s.runs, len(at)), np.nan, np.float32)
        arrays[name][:, : part.shape[1]] = part
    return arrays


def hits(accuracy: ArrayLike, s: Parity) -> NDArray[np.float64]:
    """First recorded step at the target, (…, records) to (…); inf where there is none."""
    there = np.asarray(accuracy) >= s.target
    first = np.asarray(records(s.steps)[there.argmax(-1)], np.float64)
    first[~there.any(-1)] = np.inf
    return first


def flow_exponent(k: int, bias: Bias) -> float:
    """The exponent of the flow's time in d; 0 stands for log d."""
    return (k - 1) / 2 if k % 2 and bias == "narrow" else (k - 2) / 2


def flow_time(k: int, d: ArrayLike, bias: Bias) -> NDArray[np.float64]:
    """∫ du/u^{k−1} from d^{−1/2} to k^{−1/2}, up to a constant; √d of it for odd k, narrow."""
    size = np.asarray(d, float)
    if k == 2:
        return np.log(size / k) / 2
    time: NDArray[np.float64] = (size ** ((k - 2) / 2) - k ** ((k - 2) / 2)) / (k - 2)
    return time * np.sqrt(size) if k % 2 and bias == "narrow" else time


def findings(result: Result) -> list[Finding]:
    """Exponents of the steps, beside the flow's, and of examples × d, beside k."""
    s: Parity = result.settings
    found = []
    for k in s.k:
        for bias in s.bias:
            for batch in s.batch:
                point = result.at(k=k, bias=bias, batch=batch)
                d, T = point["d"].astype(float), hits(point["accuracy"], s)
                if len(d) < 2 or not (np.median(T, 1) < np.inf).all():
                    continue
                where = (
                    f"k = {k}, d = {d.min():.0f} to {d.max():.0f}, {bias} biases, batch {batch}, "
                    f"{s.runs} runs"
                )
                window = (float(d.min()), float(d.max()))
                finite = np.polyfit(np.log(d), np.log(flow_time(k, d, bias)), 1)[0]
                for quantity, values, predicted in (
                    (
                        f"slope of log steps to {s.target:.0%} over log d, prediction: flow, d → ∞",
                        T,
                        flow_exponent(k, bias),
                    ),
                    (
                        f"slope of log steps to {s.target:.0%} over log d, prediction: flow, "
                        "finite d",
                        T,
                        float(finite),
                    ),
                    (
                        "slope of log(examples × d) over log d, prediction: order d^k",
                        T * batch * d[:, None],
                        float(k),
                    ),
                ):
                    fit = fit_power_law(d, values, window=window)
                    claim = "parity-flow" if "flow" in quantity else "parity-order"
                    found.append(
                        Finding(
                            claim,
                            quantity,
                            where,
                            predicted,
                            fit.slope,
                            *fit.interval,
                            "95 %, bootstrap over runs",
                        )
                    )
    return found


def probe(s: Parity) -> Probe:
    """The first records of the first point."""
    point = {"k": s.k[0], "size": s.size[0], "bias": s.bias[0], "batch": s.batch[0]}
    return Probe(replace(s, steps=16), point, tolerance=1e-2)


PARITY = Experiment(
    name="parity",
    part="sandbox",
    question="How does the plateau of a k-sparse parity grow with the dimension?",
    chapter=Parity(),
    full=Parity(
        k=(2, 3, 4),
        size=(0, 1, 2, 3, 4),
        bias=("narrow", "wide"),
        batch=(32, 512),
        d2=(16, 48, 144, 432, 1296),
        d3=(16, 28, 50, 90, 160),
        d4=(12, 20, 32, 52, 84),
        runs=16,
    ),
    reduced={
        "d2": (16, 32, 64, 128, 256),
        "d3": (16, 24, 32, 48, 64),
        "d4": (12, 16, 24, 32, 40),
        "runs": 5,
    },
    axes=("k", "size", "bias", "batch"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "d": "dimension of the point; ()",
        "accuracy": "share of right signs on held-out examples; (runs, records), nan after the end",
        "loss": "mean hinge loss on the same; as accuracy",
    },
)

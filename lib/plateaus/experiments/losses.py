r"""Single-phase training against layer-wise training on the correlation loss.

On ½(y − f)² a direction that has been learned no longer pulls: what remains is searched by the
neurons that remain (deflation). On the correlation loss −y f nothing is ever taken away. Each
neuron moves by itself, dM_p/dt = M_p {a_p g(M_p) − Σ_q a_q M_q² g(M_q)} with g(M) = K|M|^{K−2} for
h_K, and ends at argmax_q a_q |M_q(0)|^{K−2} (notes; the slides have the exponent K/2). Neurons pile
up on the strong directions, and a second layer fitted afterwards can only use what they found.

The M_q(0) of a neuron are a normal vector over its length, so the share of neurons that find p is

    π_p = E_x Π_{q≠p} erf(x (a_p/a_q)^{1/(K−2)}/√2),    x = |N(0, 1)|,

at every d, and log ½/log(1 − π_P) neurons find the last one with probability ½: this is ours. The
slides ask for m ≳ P^{Ω(1/a_min)} where strengths differ. Single-phase training needs about P
neurons; its prediction is greedy selection, with deflation.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import integrate, special, stats

from plateaus.emergence import Activation, Student, Teacher, flow, greedy, second_layer
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work

Kind = Literal["single-phase", "layer-wise"]

_ALIGNED, _NOWHERE, _ABSENT = 0.9, -1, -2


@dataclass(frozen=True)
class Settings:
    """A power law of directions, learned by population gradient flow.

    Attributes:
        kind: "single-phase" for the 2-homogeneous student on ½(y − f)²; "layer-wise" for neurons
            on the sphere on −y f, and then the best second layer.
        m: numbers of neurons.
        run: numbers of the starts. Both kinds share a start.
        d, P: dimension, and directions.
        beta: a_p ∝ p^{−beta}.
        strengths: own a_p, in place of the power law.
        sigma: Hermite coefficients c_0, c_1, … of σ.
        norm: ‖v_i‖ at the start of single-phase training.
        horizon: flow time at the end, over d^{(K−2)/2}/(K(K−2) c_K² a_P): the time at which the
            weakest direction emerges from the overlap d^{−1/2}.
        seed: of the starts.
    """

    kind: tuple[Kind, ...] = ("single-phase", "layer-wise")
    m: tuple[int, ...] = (4, 8, 16)
    run: tuple[int, ...] = (0, 1, 2, 3)
    d: int = 64
    P: int = 8
    beta: float = 0.8
    strengths: tuple[float, ...] | None = None
    sigma: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 1.0)
    norm: float = 0.01
    horizon: float = 3.0
    seed: int = 0


def measure(s: Settings, work: Work, *, kind: Kind, m: int, run: int) -> Arrays:
    """Where the neurons of one student end, and the loss that is left."""
    f = teacher(s)
    seed = int(np.random.SeedSequence([s.seed, m, run]).generate_state(1)[0])
    V = Student.on_sphere(s.d, m, 1.0, seed=seed, axes=s.P, dtype=torch.float64).V
    K, a = int(f.activation.information_exponent), f.a.numpy()
    c2 = [c * c for c in f.activation.coefficients]
    end = s.horizon * s.d ** ((K - 2) / 2) / (K * (K - 2) * c2[K] * a[-1])
    single = kind == "single-phase"
    there = flow(
        f,
        Student((s.norm * V if single else V).to(work.device)),
        [end],
        loss="mse" if single else "correlation",
        learner="homogeneous" if single else "spherical",
        tolerance=1e-4,
        progress=work.progress,
        keep=work.keep,
        state=work.state,
    )
    size = there.overlaps[0].abs().numpy()
    goes = np.where(size.max(axis=1) >= _ALIGNED, size.argmax(axis=1), _NOWHERE)
    if single:
        pairs = greedy(f, Student(s.norm * V))
        neuron = pairs.neuron.numpy()
        expected = np.full(m, _NOWHERE)
        learned = np.flatnonzero((neuron >= 0) & (pairs.T.numpy() <= end))
        expected[neuron[learned]] = learned
        loss, left = float(there.loss[0]), float(pairs.loss([end])[0])
    else:
        M = f.project(V).abs()
        growth = sum(k * c2[k] * M ** (k - 2) for k in range(2, len(c2)))
        expected = (f.a * growth).argmax(dim=1).numpy()
        within = f if there.V.shape[1] == s.d else f.in_span(m)
        loss = float(second_layer(within, Student(there.V))[1])
        left = 0.5 * sum(c2[1:]) * float((a**2).sum() - (a[np.unique(expected)] ** 2).sum())
    return {
        "goes": _padded(goes, max(s.m)),
        "expected": _padded(expected, max(s.m)),
        "loss": np.array(loss),
        "predicted": np.array(left),
    }


def _padded(goes: NDArray[np.int64], most: int) -> NDArray[np.int16]:
    return np.pad(goes, (0, most - len(goes)), constant_values=_ABSENT).astype(np.int16)


def teacher(s: Settings) -> Teacher:
    """f*, with an information exponent above 2."""
    sigma = Activation(s.sigma)
    if not 2 < sigma.information_exponent < math.inf:
        raise ValueError(
            f"sigma has information exponent {sigma.information_exponent:g}; valid: above 2."
        )
    if s.strengths is None:
        return Teacher.power_law(s.d, s.P, s.beta, activation=sigma)
    if len(s.strengths) != s.P:
        raise ValueError(f"P is {s.P}; valid for these strengths: {len(s.strengths)}.")
    return Teacher(s.strengths, d=s.d, activation=sigma)


def shares(a: NDArray[np.float64], K: int) -> NDArray[np.float64]:
    """π_p, the share of neurons that find direction p without deflation, for σ = h_K."""

    def finds(x: float, p: int) -> float:
        beaten = special.erf(x * (a[p] / a) ** (1 / (K - 2)) / math.sqrt(2))
        beaten[p] = 1
        return 2 * float(stats.norm.pdf(x) * beaten.prod())

    return np.array([integrate.quad(finds, 0, 12, args=(p,))[0] for p in range(len(a))])


def findings(result: Result) -> list[Finding]:
    """Distinct directions and loss for both kinds; where neurons pile up; neurons for the last."""
    s, found = result.settings, []
    K = int(Activation(s.sigma).information_exponent)
    sizes = f"d = {s.d}, P = {s.P}, {len(s.run)} starts"
    for kind in s.kind:
        for m in s.m:
            here = result.at(kind=kind, m=m)
            distinct, expected = (
                np.array([len(set(row[row >= 0])) for row in here[name]])
                for name in ("goes", "expected")
            )
            for quantity, measured, predicted in (
                ("directions found, mean over starts", distinct, expected),
                ("loss at the end, mean over starts", here["loss"], here["predicted"]),
            ):
                found.append(
                    Finding(
                        claim="deflation",
                        quantity=quantity,
                        where=f"{kind}, m = {m}, {sizes}",
                        predicted=float(predicted.mean()),
                        measured=float(measured.mean()),
                        low=float(measured.min()),
                        high=float(measured.max()),
                        interval="range over starts",
                    )
                )
    if "layer-wise" in s.kind:
        goes, expected = (result.at(kind="layer-wise")[name] for name in ("goes", "expected"))
        there = goes != _ABSENT
        pi, where = shares(teacher(s).a.numpy(), K), f"layer-wise, all m, {sizes}"
        share, low, high = 0.0, 0.0, 1.0
        for quantity, hits, theory in (
            ("share of neurons that end at their argmax", (goes == expected)[there], 1.0),
            ("share of neurons on direction 1", goes[there] == 0, float(pi[0])),
            (f"share of neurons on direction P = {s.P}", goes[there] == s.P - 1, float(pi[-1])),
        ):
            interval = stats.binomtest(int(hits.sum()), hits.size).proportion_ci()
            share, low, high = float(hits.mean()), float(interval.low), float(interval.high)
            kind_of = "95 % Clopper–Pearson"
            found.append(Finding("pile-up", quantity, where, theory, share, low, high, kind_of))
        if 0 < share < 1:
            need, most, least = (
                math.log(0.5) / math.log1p(-x) if x > 0 else math.inf for x in (share, low, high)
            )
            found.append(
                Finding(
                    claim="pile-up",
                    quantity="neurons that find direction P with probability ½",
                    where=where,
                    predicted=math.log(0.5) / math.log1p(-float(pi[-1])),
                    measured=need,
                    low=least,
                    high=most,
                    interval="95 % Clopper–Pearson",
                )
            )
    return found


def probe(s: Settings) -> Probe:
    """The fewest neurons, by the last kind."""
    return Probe(s, {"kind": s.kind[-1], "m": min(s.m), "run": s.run[0]}, tolerance=1e-4)


LOSSES = Experiment(
    name="losses",
    part="emergence",
    question="What does a neuron learn when nothing that has been learned is taken away?",
    chapter=Settings(),
    full=Settings(m=(64, 128, 256, 512), run=(0, 1, 2, 3, 4, 5, 6, 7), d=1024, P=64),
    axes=("kind", "m", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "goes": "direction with |M| ≥ 0.9 at the end (max m), from 0; −1: none, −2: no such neuron",
        "expected": "the same by greedy selection, with (single-phase) or without deflation",
        "loss": "½ E(f* − f)² at the end, for layer-wise with the best second layer",
        "predicted": "the same by greedy selection",
    },
    reduced={"run": (0, 1, 2, 3), "m": (16, 32, 64, 128), "d": 512, "P": 32},
)

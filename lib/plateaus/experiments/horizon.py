r"""Is a learning rate tuned to the horizon better than a fixed one, and does it reach minimax?

For a_p ∝ p^{−β} the slides have two rates of the loss against samples n:

    one η for all n          direction p emerges at n = T_p/η ∝ p^β          L ~ n^{(1−2β)/β}
    η tuned anew for each n     η ∝ a_p, so that n = T_p/η ∝ p^{2β}             L ~ n^{(1−2β)/(2β)}

The second holds for the lower envelope over η. It is that of the Gaussian sequence model, where
keeping a_q² > 1/n costs ½ Σ_q min(a_q², 1/n) (Johnstone 2017, whom the slides quote).

The prediction at finite sizes is ours. Pair by pair, from greedy selection: the path of the flow at
t = ηn if η is below the pair's critical rate (`critical_eta`, with the label noise), and nothing
learned if it is above; and the noise of what has been learned. With residual variance R and
features ∇_V f of second moment H, SGD on least squares fluctuates with covariance (ηR/2) I, which
costs (ηR/4) tr H, and a neuron of mass s has its share of tr H,

    s (4 Σ_k c_k² + (d − 1) Σ_k k c_k²),    4 d s for h_4.

SGD is raw, without clipping: large rates diverge, and the result says how often.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plateaus.emergence import (
    Activation,
    Student,
    Teacher,
    critical_eta,
    exponents,
    fit_power_law,
    greedy,
)
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._segments import sgd

_PER_DECADE, _SEGMENT = 10, 50_000


@dataclass(frozen=True)
class Settings:
    """A power law of directions, learned with a ladder of constant learning rates.

    Attributes:
        eta: learning rates.
        d, P, m: dimension, directions, neurons.
        beta: a_p ∝ p^{−beta}.
        strengths: own a_p, in place of the power law.
        sigma: Hermite coefficients c_0, c_1, … of σ.
        noise: standard deviation of the label noise.
        norm: ‖v_i‖ at the start.
        first: samples at the first record.
        records: records, ten in a decade of samples.
        replicates: runs at each rate; run r starts at the same point for all rates.
        seed: of starts and samples.
    """

    eta: tuple[float, ...] = (3e-5, 1e-4, 3e-4, 6e-4)
    d: int = 16
    P: int = 8
    m: int = 16
    beta: float = 0.8
    strengths: tuple[float, ...] | None = None
    sigma: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 1.0)
    noise: float = 1.0
    norm: float = 0.1
    first: int = 1000
    records: int = 26
    replicates: int = 8
    seed: int = 0


def measure(s: Settings, work: Work, *, eta: float) -> Arrays:
    """The loss against samples at one learning rate, and what is predicted."""
    f = teacher(s)
    V = [Student.on_sphere(s.d, s.m, s.norm, seed=_draw(s.seed, r)).V for r in range(s.replicates)]
    student, n = Student(torch.stack(V)), samples(s)
    run = sgd(
        f,
        Student(student.V.to(work.device)),
        eta=eta,
        steps=int(n[-1]),
        segment=_SEGMENT,
        seed=_draw(s.seed, round(1e12 * eta), 1),
        work=work,
        record_at=n.tolist(),
        method="direct",
    )
    return {
        "loss": run.loss.cpu().numpy(),
        "predicted": predict(f, student, eta, n).astype(np.float32),
    }


def _draw(*key: int) -> int:
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def teacher(s: Settings) -> Teacher:
    """f*."""
    sigma = Activation(s.sigma)
    if s.strengths is None:
        return Teacher.power_law(s.d, s.P, s.beta, activation=sigma, noise=s.noise)
    if len(s.strengths) != s.P:
        raise ValueError(f"P is {s.P}; valid for these strengths: {len(s.strengths)}.")
    return Teacher(s.strengths, d=s.d, activation=sigma, noise=s.noise)


def samples(s: Settings) -> NDArray[np.int64]:
    """How many samples had been seen at the records."""
    return np.rint(s.first * 10 ** (np.arange(s.records) / _PER_DECADE)).astype(np.int64)


def predict(f: Teacher, student: Student, eta: float, n: NDArray[np.int64]) -> NDArray[Any]:
    """The loss (records, replicates) at finite sizes: see the module."""
    c2 = [c * c for c in f.activation.coefficients]
    C, slope = sum(c2[1:]), sum(k * c for k, c in enumerate(c2))
    pairs, t = greedy(f, student), eta * n
    y, mass = pairs.alignment(t), pairs.mass(t)  # (records, replicates, P)
    phi = sum(c2[k] * y ** (k / 2) for k in range(1, len(c2)))
    drifts = eta < critical_eta(f, student)
    mass = torch.where(drifts, mass, 0.0)
    left = (0.5 * C * (f.a - mass) ** 2 + f.a * mass * (C - phi)).sum(-1)
    residual = f.noise**2 + 2 * left
    trace = mass.sum(-1) * (4 * C + (f.d - 1) * slope)
    predicted: NDArray[Any] = (left + eta / 4 * residual * trace).numpy()
    return predicted


def findings(result: Result) -> list[Finding]:
    """Slopes of the curve of each rate, and of their lower envelope, with all predictions."""
    s, n, a2 = result.settings, samples(result.settings), teacher(result.settings).a.numpy() ** 2
    C = sum(c * c for c in s.sigma[1:])
    loss = np.where(np.isfinite(result["loss"]), result["loss"], math.inf)  # failed: no loss
    predicted = result["predicted"]
    rule = "from the first predicted emergence on"
    sizes = f"d = {s.d}, P = {s.P}, m = {s.m}, {s.replicates} runs"
    asymptote = exponents(s.beta) if s.strengths is None and s.beta > 0.5 else None
    found = []

    def fit(y: NDArray[Any], theory: NDArray[Any], curve: Callable[..., Any]) -> Any:
        """The window, the slopes of theory and measurement, and the latter's interval."""
        inside = np.flatnonzero(curve(theory) <= 0.5 * C * a2[1:].sum())
        if len(inside) < 4 or inside[0] > s.records - 4:
            return None
        window = (float(n[inside[0]]), float(n[-1]))
        measured = curve(y)
        if not np.isfinite(measured[inside[0] :]).all():
            return None
        draws = np.random.default_rng(0).integers(s.replicates, size=(500, s.replicates))
        again = []
        for chosen in draws:
            drawn = curve(y[..., chosen])
            if np.isfinite(drawn[inside[0] :]).all():
                again.append(fit_power_law(n, drawn, window=window).slope)
        low, high = np.quantile(again, [0.025, 0.975])
        slopes = [fit_power_law(n, x, window=window).slope for x in (curve(theory), measured)]
        return window, *slopes, float(low), float(high)

    def median(y: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.median(y, axis=-1))

    def envelope(y: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.median(y, axis=-1).min(axis=0))

    def add(claim: str, what: str, where: str, theory: float, at: Any) -> None:
        interval = "95 % bootstrap over runs"
        found.append(Finding(claim, what, where, theory, at[2], at[3], at[4], interval))

    for eta, y, theory in zip(s.eta, loss, predicted, strict=True):
        where = f"η = {eta:g}, {sizes}"
        failed = float(np.isinf(y[-1]).mean())
        found.append(
            Finding("sgd-heavy-tails", "share of runs that diverge", where, math.nan, failed)
        )
        if (at := fit(y, theory, median)) is not None:
            where = f"{where}; n = {at[0][0]:.0f} to {at[0][1]:.0f}, {rule}"
            what = "slope of log loss over log n at fixed η; predicted: "
            add("fixed-rate", what + "ours, at this size", where, at[1], at)
            if asymptote is not None:
                add("fixed-rate", what + "limit (1−2β)/β", where, asymptote.fixed.loss, at)
    if (at := fit(loss, predicted, envelope)) is not None:
        where = f"{len(s.eta)} rates, {sizes}; n = {at[0][0]:.0f} to {at[0][1]:.0f}, {rule}"
        what = "slope of log loss over log n, lower envelope over η; predicted: "
        add("horizon-tuned-rate", what + "ours, at this size", where, at[1], at)
        scaled = n / at[0][0] / a2[0]  # direction 1 is kept from the window's start on
        risk = 0.5 * np.minimum(a2, 1 / scaled[:, None]).sum(axis=1)
        risk_slope = fit_power_law(n, risk, window=at[0]).slope
        add("minimax-rate", what + "risk of the Gaussian sequence", where, risk_slope, at)
        if asymptote is not None:
            what += "limit (1−2β)/(2β)"
            add("horizon-tuned-rate", what, where, asymptote.tuned.loss, at)
    return found


def probe(s: Settings) -> Probe:
    """The beginning of the runs at the middle rate."""
    fewer = replace(s, records=min(s.records, 11), replicates=min(s.replicates, 2))
    return Probe(fewer, {"eta": sorted(s.eta)[len(s.eta) // 2]}, tolerance=1e-3)


HORIZON = Experiment(
    name="horizon",
    part="emergence",
    question="Is a learning rate tuned to the horizon better than a fixed one, and minimax?",
    chapter=Settings(),
    full=Settings(
        eta=(3e-6, 1e-5, 3e-5, 1e-4, 2e-4),
        d=32,
        P=32,
        m=64,
        records=41,
        replicates=16,
    ),
    axes=("eta",),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "loss": "population loss (records, replicates); nan from where a run diverged",
        "predicted": "the loss predicted from each run's start (records, replicates)",
    },
    reduced={"records": 36},
)

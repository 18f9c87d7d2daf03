r"""Do the overlaps of a neuron with directions that it does not learn stay small, and how small?

A neuron i that learns p starts with M_iq(0)² ~ 1/d on every q. While it searches, σ = h_K,

    d|M_iq|^{−(K−2)}/dt ≥ −K(K−2) c_K² â_q(t),

â_q = a_q − Σ_j n_j² |M_jq|^K being what is left of q. The pull of q ends for this neuron when its
own direction takes it, at the latest after the leading T of its pair, or when q has been learned by
another neuron and that one has grown, after about T_q + lag_q. So with

    x_iq = K(K−2) c_K² a_q |M_iq(0)|^{K−2} min(T_ip, T_q + lag_q)

the greatest M_iq² on the way is predicted to be M_iq(0)² (1 − x_iq)^{−2/(K−2)}: a constant times
1/d, unless x_iq is near 1 (a near-tie). By greedy selection T_ip or T_q is the time of a pair that
beats (i, q), so that x_iq < 1 but for the lag. T_ip and T_q are those to leading order.

Source: the notes on Ren, Nichani, Wu and Lee (2025) say that irrelevant coordinates grow more
slowly than the aligned one and stay O(d^{−0.9}), squares as we read it; the prediction is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plateaus.emergence import Activation, greedy
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._flow import (
    emergence,
    follow,
    power,
    settled,
    slopes,
    start,
    stream,
    teacher,
)


@dataclass(frozen=True)
class Settings:
    """Attributes.

    Attributes:
        d: dimensions of the data, an axis.
        run: starts, an axis: each point has a start of its own.
        P: skills, from 2.
        m: neurons, from P.
        beta: β in a_p ∝ p^{−β}.
        sigma: σ's Hermite coefficients c_0, c_1, …, with an information exponent above 2.
        radius: ‖v_i(0)‖, σ_0.
        late: the flow is followed to this multiple of the time by which all directions are
            predicted to have emerged and grown.
        records: times recorded, evenly spaced, from 0.
        seed: of all starts.
    """

    d: tuple[int, ...] = (64, 256, 1024)
    run: tuple[int, ...] = tuple(range(4))
    P: int = 4
    m: int = 8
    beta: float = 0.8
    sigma: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 1.0)
    radius: float = 1e-3
    late: float = 1.1
    records: int = 240
    seed: int = 0


def measure(s: Settings, work: Work, *, d: int, run: int) -> Arrays:
    """Irrelevant overlaps from one start."""
    K = int(min(Activation(s.sigma).information_exponent, 10**6))
    if not 2 < K < 10**6 or not 2 <= s.P <= s.m or s.records < 2 or not s.late > 1:
        raise ValueError(
            f"sigma, P, m, records and late are {s.sigma}, {s.P}, {s.m}, {s.records} and {s.late}; "
            "valid: an information exponent above 2, from 2, from P, from 2, and above 1."
        )
    f = teacher(d, s.P, s.beta, s.sigma)
    student = start(f, s.m, s.radius, stream(s.seed, d, run))
    pairs = greedy(f, student)
    times = np.linspace(0, s.late * settled(pairs), s.records)
    flow = follow(f, student, times, work)
    T, neuron = emergence(flow, s.sigma)
    squares = (flow.overlaps**2).numpy()
    other = np.where(np.isfinite(T)[:, None] & ~np.eye(s.P, dtype=bool), 1.0, np.nan)
    begin = squares[0, neuron]  # (P, P): of the neuron that learns p, on q
    rate = K * (K - 2) * s.sigma[K] ** 2 * f.a.numpy() * begin ** (K / 2 - 1)
    ends = (pairs.T_leading + pairs.lag).numpy()
    x = rate * np.minimum(pairs.T_leading.numpy()[:, None], ends)
    with np.errstate(divide="ignore"):
        predicted = begin * np.maximum(1 - x, 0) ** (-2 / (K - 2))
    same = neuron == pairs.neuron.numpy()
    return {
        "start": begin * other,
        "peak": squares[:, neuron].max(axis=0) * other,
        "predicted": predicted * np.where(same[:, None], other, np.nan),
    }


def findings(result: Result) -> Sequence[Finding]:
    """The peaks over their prediction; and the slopes over d of a typical and of the greatest."""
    s, found = result.settings, []
    peak, predicted = result["peak"], result["predicted"]
    sizes = f"P = {s.P}, m = {s.m}, {len(s.run)} starts"
    for k, d in enumerate(s.d):
        known = np.isfinite(predicted[k]) & np.isfinite(peak[k])
        if not known.any():
            continue
        ratio = (peak[k] / predicted[k])[known]
        low, high = np.quantile(ratio, (0.025, 0.975))
        found.append(
            Finding(
                claim="irrelevant",
                quantity="greatest M_iq² on the way over its prediction, median",
                where=f"d = {d}, {sizes}, {known.sum()} overlaps without a tie",
                predicted=1.0,
                measured=float(np.median(ratio)),
                low=float(low),
                high=float(high),
                interval="95 % of the overlaps",
            )
        )
    if len(s.d) > 1:
        x, ends = np.array(s.d, float), (float(min(s.d)), float(max(s.d)))
        for name, share in (("a typical", 0.5), ("the greatest", 1.0)):
            seen, expected, begin = (
                of(result, array, share) for array in ("peak", "predicted", "start")
            )
            found += slopes(
                "irrelevant",
                f"slope over log d of log {name} M_iq² on the way",
                f"d from {ends[0]:g} to {ends[1]:g}, {sizes}",
                power(x, seen, ends, paired=False),
                [
                    ("from the same starts", power(x, expected, ends)[0].slope),
                    ("no growth", power(x, begin, ends)[0].slope),
                    ("d → ∞", -1.0),
                    ("the notes, as an upper bound", -0.9),
                ],
            )
    return found


def of(result: Result, name: str, share: float) -> NDArray[np.float64]:
    """That quantile of an array over the irrelevant overlaps of a start: (d, starts)."""
    values = result[name].reshape(*result[name].shape[:2], -1)
    found: NDArray[np.float64] = np.nanquantile(values, share, axis=-1, method="lower")
    return found


def probe(s: Settings) -> Probe:
    """The first start in the least dimension."""
    return Probe(settings=s, point={"d": min(s.d), "run": s.run[0]}, tolerance=1e-3)


IRRELEVANT = Experiment(
    name="irrelevant",
    part="emergence",
    question="Do overlaps with directions that a neuron does not learn stay small?",
    chapter=Settings(),
    full=Settings(d=(128, 256, 512, 1024, 2048, 4096, 8192), run=tuple(range(32)), P=8, m=32),
    axes=("d", "run"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "start": "(P, P), M_iq(0)² on q of the neuron i that learns p first; nan for q = p",
        "peak": "(P, P), the greatest M_iq² over all recorded times",
        "predicted": "(P, P), that from the start; inf for a tie, nan if the neuron is another",
    },
    reduced={"run": tuple(range(16))},
)

r"""How many samples does online SGD need to find one direction, as a power of d?

One neuron w on the sphere learns y = σ(⟨θ, x⟩), σ = h_k, from one fresh sample a step, on the
correlation loss and with the step size η = ρ·2d^{−k/2}. The first step at which M = ⟨w, θ⟩ has
|M| ≥ ½ is of order

    d^{k−1}   for k ≥ 3,        d log d   for k = 2,

up to logarithms (Ben Arous, Gheissari and Jagannath 2021, whom the slides quote). For finite d the
prediction is ours: the diffusion in M that has the mean and the variance of one whole step,

    M⁺ = (M + η g r s)/√(1 + η² g² (d − 2 + s²)),    g = y σ′(z),  y = σ(Mz + rs),  r = √(1 − M²),

z and s normal, started from the law of M_0 on the sphere. Its backward equation, on a grid, says
which share has arrived by when. Beside it stands the flow, dM/dt = (1 − M²) Σ_j j c_j² M^{j−1},
from the median of |M_0|, in steps t/η.

`method="reduced"` draws two coordinates of x and a length, at a cost free of d; the steps come one
after the other: a GPU gains nothing here, and the full size too is for a CPU.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray
from scipy import integrate, linalg, stats

from plateaus.emergence import Activation, Student, Teacher, fit_power_law
from plateaus.experiments._experiment import Arrays, Experiment, Finding, Probe, Result, Work
from plateaus.experiments._segments import sgd

Floats = NDArray[np.float64]

_SHARES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Settings:
    """One direction, one neuron.

    Attributes:
        k: information exponents, 2, 3 or 4.
        size: which of the dimensions below, counted from 0.
        d2, d3, d4: the dimensions d for k = 2, 3, 4.
        starts: independent runs at each k and d. For odd k they start with M_0 > 0.
        rho: step size over 2d^{−k/2}.
        until: the overlap |M| that ends the search.
        patience: budget of a run, over the predicted median.
        sigma: Hermite coefficients c_0, c_1, … of an own σ; its information exponent is then the
            only k. None for σ = h_k.
        seed: of starts and samples.
    """

    k: tuple[int, ...] = (2, 3, 4)
    size: tuple[int, ...] = (0, 1, 2, 3, 4)
    d2: tuple[int, ...] = (32, 96, 256, 768, 2048)
    d3: tuple[int, ...] = (16, 24, 36, 56, 84)
    d4: tuple[int, ...] = (16, 20, 24, 30, 36)
    starts: int = 128
    rho: float = 1 / 16
    until: float = 0.5
    patience: float = 2.5
    sigma: tuple[float, ...] | None = None
    seed: int = 0


def measure(s: Settings, work: Work, *, k: int, size: int) -> Arrays:
    """Hitting times of all starts at one k and d, and what is predicted."""
    d, sigma = dimension(s, k, size), activation(s, k)
    eta = s.rho * 2 * d ** (-k / 2)
    draw, samples = np.random.SeedSequence([s.seed, k, d]).spawn(2)
    along, length = (np.random.default_rng(stream) for stream in draw.spawn(2))
    first = along.standard_normal(s.starts)  # of a normal vector in R^d, and the rest's length²
    M_0 = first / np.sqrt(first**2 + length.chisquare(d - 1, s.starts))
    if k % 2:
        M_0 = abs(M_0)
    V = torch.from_numpy(np.stack([M_0, np.sqrt(1 - M_0**2)], axis=-1)[:, None])
    diffusion = Diffusion.of(sigma, d, eta, s.until)
    law = diffusion.uniform(positive=k % 2 == 1)
    predicted = diffusion.quantiles(law, _SHARES)
    budget = int(s.patience * predicted[_SHARES.index(0.5)])
    run = sgd(
        Teacher([1.0], d=d, activation=sigma),
        Student(V.to(work.device)),
        eta=eta,
        steps=budget,
        segment=2**18,
        seed=int(samples.generate_state(1)[0]),
        work=work,
        record_at=(budget,),
        until=s.until,
        method="reduced",
        loss="correlation",
        learner="spherical",
    )
    assert run.hits is not None
    middle = math.sqrt(stats.beta(0.5, (d - 1) / 2).median())
    return {
        "d": np.array(d),
        "hits": run.hits[:, 0].numpy(),
        "failed": run.failed.numpy(),
        "predicted": predicted,
        "flow": np.array(flow_time(sigma, middle, s.until) / eta),
    }


def dimension(s: Settings, k: int, size: int) -> int:
    """The dimension of a point of the grid."""
    dims = {2: s.d2, 3: s.d3, 4: s.d4}
    if k not in dims:
        raise ValueError(f"k is {k}; valid: 2, 3 and 4.")
    if not 0 <= size < len(dims[k]):
        raise ValueError(f"size is {size}; valid for k = {k}: 0 to {len(dims[k]) - 1}.")
    return dims[k][size]


def activation(s: Settings, k: int) -> Activation:
    """σ."""
    if s.sigma is None:
        return Activation.hermite(k)
    own = Activation(s.sigma)
    if own.information_exponent != k:
        raise ValueError(f"k is {k}; valid for this sigma: {own.information_exponent}.")
    return own


def flow_time(sigma: Activation, start: float, end: float) -> float:
    """Flow time of the overlap from start to end, both in (0, 1)."""
    c = sigma.coefficients

    def pace(M: float) -> float:
        drift = sum(j * c[j] ** 2 * M ** (j - 1) for j in range(1, len(c)))
        return 1 / ((1 - M * M) * drift)

    return float(integrate.quad(pace, start, end, limit=200)[0])


@dataclass(frozen=True)
class Diffusion:
    """|M| until it reaches a bound, as a walk on a grid. Times are in steps.

    Attributes:
        d: dimension.
        M: (points,), the grid, from −until to until.
        onward: P(M now → M one tick later), for the points inside.
        tick: steps that a tick lasts.
    """

    d: int
    M: Floats
    onward: Floats
    tick: float

    @classmethod
    def of(cls, sigma: Activation, d: int, eta: float, until: float) -> "Diffusion":
        """With the mean and the variance of a step, by Gauss–Hermite quadrature over (z, s)."""
        half = max(100, math.ceil(5 * until * math.sqrt(d)))
        M, gap = np.linspace(-until, until, 2 * half + 1, retstep=True)
        roots, mass = hermegauss(40)
        weights = mass / mass.sum()
        z, normal = roots[:, None], roots
        slope = sigma.derivative(torch.from_numpy(z)).numpy()
        mean, square = np.empty((2, M.size))
        for i, at in enumerate(M):
            kick = math.sqrt(1 - at * at) * normal
            g = sigma(torch.from_numpy(at * z + kick)).numpy() * slope
            jump = (at + eta * g * kick) / np.sqrt(1 + (eta * g) ** 2 * (d - 2 + normal**2)) - at
            mean[i], square[i] = weights @ jump @ weights, weights @ jump**2 @ weights
        spread = (square - mean**2) / (2 * gap**2)
        up, down = spread + mean / (2 * gap), spread - mean / (2 * gap)
        rates = np.diag(up[:-1], 1) + np.diag(down[1:], -1) - np.diag(up + down)
        tick = flow_time(sigma, d**-0.5, until) / eta / 100
        return cls(d, M, linalg.expm(tick * rates[1:-1, 1:-1]), tick)  # the ends absorb

    def uniform(self, *, positive: bool) -> Floats:
        """P(M_0 near each point of the grid) for a start on the sphere, or on a half of it."""
        law = stats.beta((self.d - 1) / 2, (self.d - 1) / 2, loc=-1, scale=2)
        half = (self.M[1] - self.M[0]) / 2
        near: Floats = law.cdf(self.M + half) - law.cdf(self.M - half)
        return near * (1 + np.sign(self.M)) if positive else near

    def arrived(self, start: Floats, ticks: int) -> Floats:
        """The share that has reached the bound after 0, 1, …, `ticks` ticks."""
        waiting = np.ones(self.M.size - 2)
        shares = []
        for _ in range(ticks + 1):
            shares.append(1 - start[1:-1] @ waiting)
            waiting = self.onward @ waiting
        return np.array(shares)

    def quantiles(self, start: Floats, shares: tuple[float, ...]) -> Floats:
        """Steps until these shares have arrived; inf where none of 2^16 ticks sees it."""
        ticks = 256
        while (arrived := self.arrived(start, ticks))[-1] < max(shares) and ticks < 2**16:
            ticks *= 2
        at = np.interp(shares, arrived, np.arange(ticks + 1), right=math.inf)
        return np.asarray(at * self.tick)


def findings(result: Result) -> list[Finding]:
    """Exponents, with the prediction's at the same d and their limit; medians at the largest d."""
    found = []
    for k in result.settings.k:
        here = result.at(k=k)
        d, hits, predicted = here["d"], here["hits"], here["predicted"][:, 1]
        name, window = "single-index-exponent", (float(d.min()), float(d.max()))
        where = f"k = {k}, d = {d.min()} to {d.max()}, {hits.shape[1]} starts"
        if len(d) > 1:
            fit = fit_power_law(d, hits, window=window)
            limit = fit_power_law(d, d ** (k - 1) * (np.log(d) if k == 2 else 1), window=window)
            theory = fit_power_law(d, predicted, window=window)
            flow = fit_power_law(d, here["flow"], window=window)
            for which, slope in (
                ("diffusion at the same d", theory.slope),
                ("flow at the same d", flow.slope),
                ("d log d" if k == 2 else "limit k − 1", limit.slope),
            ):
                found.append(
                    Finding(
                        claim=name,
                        quantity=f"slope of log median steps over log d; predicted: {which}",
                        where=where,
                        predicted=slope,
                        measured=fit.slope,
                        low=fit.interval[0],
                        high=fit.interval[1],
                        interval="95 % bootstrap over starts",
                    )
                )
        last = np.sort(hits[d.argmax()])
        low, high = stats.binom(len(last), 0.5).ppf([0.025, 0.975]).astype(int)
        found.append(
            Finding(
                claim="single-index-times",
                quantity="median steps to the overlap `until`; predicted: diffusion",
                where=f"k = {k}, d = {d.max()}, {len(last)} starts",
                predicted=float(predicted[d.argmax()]),
                measured=float(np.median(last)),
                low=float(last[low]),
                high=float(last[min(high, len(last) - 1)]),
                interval="95 %, order statistics",
            )
        )
    return found


def probe(s: Settings) -> Probe:
    """A few starts at the least exponent and dimension."""
    k = min(s.k)
    size = min(s.size, key=lambda i: dimension(s, k, i))
    fewer = replace(s, starts=min(s.starts, 16))
    return Probe(fewer, {"k": k, "size": size}, tolerance=1e-2)


SINGLE_INDEX = Experiment(
    name="single_index",
    part="emergence",
    question="How many samples does online SGD need to find one direction, as a power of d?",
    chapter=Settings(),
    full=Settings(
        size=(0, 1, 2, 3, 4, 5),
        d2=(32, 128, 512, 2048, 8192, 32768),
        d3=(16, 32, 64, 128, 256, 512),
        d4=(16, 24, 36, 56, 84, 128),
        starts=512,
    ),
    axes=("k", "size"),
    measure=measure,
    findings=findings,
    probe=probe,
    arrays={
        "d": "dimension",
        "hits": "first step with |M| ≥ until (starts); inf: not within the budget",
        "failed": "first step that gave a number that is not finite (starts); inf: none",
        "predicted": "steps until a quarter, half and three quarters have arrived, by diffusion",
        "flow": "steps that the flow takes from the median start",
    },
)

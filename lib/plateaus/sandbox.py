r"""Sparse parities, one or many of different frequency, and a small network that learns them.

A skill is a parity of k out of d bits, x ∈ {±1}^d. Of M skills, each example shows one, skill m
with probability p_m, and says which by one of M control bits u = e_m ∈ {0, 1}^M:

    y = χ_S(x) = ∏_{i∈S} x_i,    S = S_m.                                           (sandbox-parity)

The network has one hidden layer, all of it trained on the hinge loss, with fresh examples in every
step:

    f(z) = Σ_j a_j max(0, ⟨w_j, z⟩ + b_j) + c,    loss = max(0, 1 − y f(z)),    z = (u, x).

At f = 0 the gradient in w_j is, up to −a_j, the correlation of y with the half-space where neuron j
is active. For weights ±1 it is a Krawtchouk number (`half_space`). What M skills make of many
single drops is a `staircase`.

Sources: the parity setting is that of Barak et al. (2022), arXiv 2207.08799, the multitask one that
of Michaud et al. (2023), arXiv 2303.13506; sizes and the rest are ours.
"""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

__all__ = ["Curves", "Skills", "half_space", "staircase", "train"]

Optimizer = Literal["sgd", "adam"]


@dataclass(frozen=True)
class Skills:
    """Sparse parities of d bits; with more than one, control bits say which.

    Attributes:
        d: number of data bits.
        supports: for each skill the places 0…d−1 that count, all different.
        p: how often each skill is shown, adding to 1; None: equally often.
    """

    d: int
    supports: tuple[tuple[int, ...], ...]
    p: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Check, and make tuples of what is given.

        Raises:
            ValueError: `d` is no integer ≥ 1; there is no skill; a support is empty, repeats a
                place or has one that does not exist; two skills have the same; `p` has another
                length, a negative entry or another sum than 1.
        """
        d = _integer("d", self.d, least=1)
        supports = tuple(tuple(sorted(int(i) for i in S)) for S in self.supports)
        for S in supports:
            if not S or len(set(S)) < len(S) or S[0] < 0 or S[-1] >= d:
                raise ValueError(f"a support is {S}; valid: different places 0…{d - 1}.")
        if not supports or len(set(supports)) < len(supports):
            raise ValueError(f"supports are {supports}; valid: one or more, all different.")
        p = self.p if self.p is not None else (1 / len(supports),) * len(supports)
        p = tuple(float(one) for one in p)
        if len(p) != len(supports) or not min(p) >= 0 or not math.isclose(sum(p), 1, rel_tol=1e-6):
            raise ValueError(
                f"p is {p}; valid: {len(supports)} numbers ≥ 0, one a skill, that add to 1."
            )
        for name, value in (("d", d), ("supports", supports), ("p", p)):
            object.__setattr__(self, name, value)

    @classmethod
    def random(
        cls, *, d: int, k: int, M: int = 1, alpha: float | None = None, seed: int
    ) -> "Skills":
        """M different random sets of k places, skill m shown with p_m ∝ m^{−(1+α)}.

        Arguments:
            d: number of data bits.
            k: how many of them count.
            M: number of skills, at most C(d, k).
            alpha: exponent α ≥ −1; None: all equally often.
            seed: at least 0.

        Raises:
            ValueError: a value is out of range.
        """
        d, k, M = _integer("d", d, least=1), _integer("k", k, least=1), _integer("M", M, least=1)
        if k > d:
            raise ValueError(f"k is {k}; valid: 1…{d}, the number of bits.")
        if math.comb(d, k) < M:
            raise ValueError(f"M is {M}; valid: at most {math.comb(d, k)}, the number of sets.")
        if alpha is not None and not -1 <= alpha < math.inf:
            raise ValueError(f"alpha is {alpha}; valid: a number ≥ −1.")
        rng = np.random.default_rng([_integer("seed", seed, least=0), d, k])
        supports: dict[tuple[int, ...], None] = {}
        while len(supports) < M:  # a dictionary keeps the order in which sets were drawn
            supports[tuple(sorted(rng.permutation(d)[:k].tolist()))] = None
        weights = np.arange(1, M + 1) ** -(1.0 + (-1.0 if alpha is None else alpha))
        return cls(d, tuple(supports), tuple((weights / weights.sum()).tolist()))

    @property
    def M(self) -> int:
        """Number of skills."""
        return len(self.supports)

    @property
    def inputs(self) -> int:
        """Length of z: the control bits, if there is more than one skill, and the data bits."""
        return self.d + (self.M if self.M > 1 else 0)

    def only(self, m: int) -> "Skills":
        """The same skills and control bits, with skill m (from 0) alone ever shown.

        Raises:
            ValueError: there is no skill m.
        """
        if not 0 <= _integer("m", m, least=0) < self.M:
            raise ValueError(f"m is {m}; valid: 0…{self.M - 1}.")
        return Skills(self.d, self.supports, tuple(float(i == m) for i in range(self.M)))

    def sample(self, *shape: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Examples: z (*shape, inputs) and y (*shape), float32, and the skill, int64 (*shape)."""
        return self._draw(shape, torch.Generator().manual_seed(_integer("seed", seed, least=0)))

    def _draw(
        self, shape: tuple[int, ...], source: torch.Generator, skill: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Examples on the CPU, of given skills or of random ones."""
        x = torch.empty(*shape, self.d).bernoulli_(0.5, generator=source).mul_(2).sub_(1)
        if self.M == 1:
            return x, x[..., list(self.supports[0])].prod(-1), torch.zeros(shape, dtype=torch.int64)
        assert self.p is not None
        if skill is None:
            steps = torch.tensor(np.cumsum(self.p)[:-1], dtype=torch.float64)
            uniform = torch.rand(*shape, generator=source, dtype=torch.float64)
            skill = torch.bucketize(uniform, steps, right=True)
        u = torch.nn.functional.one_hot(skill, self.M).to(x.dtype)
        longest = max(map(len, self.supports))  # shorter ones are filled with a bit that is 1
        table = torch.tensor([[*S, *[self.d] * (longest - len(S))] for S in self.supports])
        bits = torch.cat([x, torch.ones_like(x[..., :1])], -1)
        y = bits.gather(-1, table[skill]).prod(-1)
        return torch.cat([u, x], -1), y, skill


@dataclass(frozen=True, eq=False)
class Curves:
    """What `train` saw.

    Attributes:
        steps: (records,), after how many steps.
        loss: (runs, M, records), mean hinge loss of every skill on held-out examples.
        accuracy: (runs, M, records), share of right signs on the same.
    """

    steps: NDArray[np.int64]
    loss: NDArray[np.float32]
    accuracy: NDArray[np.float32]

    def times(self, target: float = 0.95) -> NDArray[np.float64]:
        """First recorded step at which a skill's accuracy is at the target: (runs, M), or inf."""
        there = self.accuracy >= target
        first = np.asarray(self.steps[there.argmax(-1)], np.float64)
        first[~there.any(-1)] = np.inf
        return first


def train(
    task: Skills,
    *,
    width: int,
    eta: float,
    batch: int,
    record_at: Sequence[int] | NDArray[Any],
    runs: int,
    seed: int,
    optimizer: Optimizer = "sgd",
    bias: float | None = None,
    until: float | None = None,
    evaluate_on: int = 500,
    device: torch.device | str | None = None,
) -> Curves:
    """Train several networks side by side, each on fresh examples of its own in every step.

    The start is that of `torch.nn.Linear`: weights and biases uniform within ± 1/√fan-in, the
    biases of hidden neurons within ± `bias`. All numbers are drawn on the CPU; same arguments,
    device and number of threads: same bits.

    Arguments:
        task: what is learned.
        width: number of hidden neurons.
        eta: learning rate.
        batch: examples a step.
        record_at: ascending steps after which the networks are tried; the last ends the run.
        runs: number of networks.
        seed: of starts and examples.
        optimizer: "sgd", or "adam" (β = .9, .999, ε = 1e-8).
        bias: hidden biases start uniform within ± this; None: 1/√inputs, as the weights.
        until: stop once every skill that is shown has this accuracy in every network.
        evaluate_on: held-out examples of every skill.
        device: where to compute; None: the CPU.

    Returns:
        Losses and accuracies of every skill, until the end.

    Raises:
        ValueError: a value is out of range.
        FloatingPointError: a loss is not finite; says after which step.
    """
    for name, value in (("width", width), ("batch", batch), ("runs", runs)):
        _integer(name, value, least=1)
    _integer("evaluate_on", evaluate_on, least=1)
    if not 0 < eta < math.inf:
        raise ValueError(f"eta is {eta}; valid: a finite number above 0.")
    if optimizer not in ("sgd", "adam"):
        raise ValueError(f"optimizer is {optimizer!r}; valid: 'sgd', 'adam'.")
    if bias is not None and not 0 <= bias < math.inf:
        raise ValueError(f"bias is {bias}; valid: None, or a finite number ≥ 0.")
    records = [_integer("record_at", step, least=0) for step in record_at]
    if not records or records != sorted(set(records)):
        raise ValueError(f"record_at is {records}; valid: ascending steps, at least one.")
    if until is not None and not 0 < until <= 1:
        raise ValueError(f"until is {until}; valid: None, or an accuracy above 0, at most 1.")
    source = torch.Generator().manual_seed(_integer("seed", seed, least=0))
    on = torch.device(device or "cpu")

    def start(*shape: int, fan_in: int) -> Tensor:
        uniform = torch.rand(runs, *shape, generator=source)
        return ((2 * uniform - 1) / math.sqrt(fan_in)).to(on)

    D = task.inputs
    theta = [
        start(width, D, fan_in=D),  # W
        start(1, width, fan_in=D),  # b
        start(width, 1, fan_in=width),  # a
        start(1, 1, fan_in=width),  # c
    ]
    if bias is not None:
        theta[1].mul_(bias * math.sqrt(D))
    first, second = [[torch.zeros_like(one) for one in theta] for _ in range(2)]  # Adam's moments
    assert task.p is not None
    shown = torch.tensor(task.p) > 0
    skills = torch.arange(task.M).repeat_interleave(evaluate_on)
    z_test, y_test, _ = task._draw((len(skills),), source, skills)
    z_test, y_test = z_test.to(on), y_test.to(on)
    loss: list[Tensor] = []
    accuracy: list[Tensor] = []
    for step in range(records[-1] + 1):
        if step == records[len(loss)]:
            f = _forward(z_test.expand(runs, -1, -1), theta)[1]
            hinge = (1 - y_test * f).clamp(min=0).view(runs, task.M, -1).mean(-1).cpu()
            right = (y_test * f > 0).view(runs, task.M, -1).float().mean(-1).cpu()
            if not torch.isfinite(hinge).all():
                raise FloatingPointError(f"the loss is not finite after step {step}.")
            loss.append(hinge)
            accuracy.append(right)
            if len(loss) == len(records) or (
                until is not None and bool((right[:, shown] >= until).all())
            ):
                break
        z, y, _ = task._draw((runs, batch), source)
        gradient = _gradient(z.to(on), y.to(on), theta)
        for one, g, mean, square in zip(theta, gradient, first, second, strict=True):
            if optimizer == "sgd":
                one.sub_(g, alpha=eta)
            else:
                mean.lerp_(g, 0.1)
                square.lerp_(g * g, 0.001)
                t = step + 1
                size = (square / (1 - 0.999**t)).sqrt_().add_(1e-8)
                one.addcdiv_(mean, size, value=-eta / (1 - 0.9**t))
    return Curves(
        np.array(records[: len(loss)], np.int64),
        torch.stack(loss, -1).numpy(),
        torch.stack(accuracy, -1).numpy(),
    )


def _forward(z: Tensor, theta: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What goes into the neurons, (runs, n, width), and comes out of the network, (runs, n)."""
    W, b, a, c = theta
    h = torch.baddbmm(b, z, W.transpose(1, 2))
    return h, torch.baddbmm(c, h.clamp(min=0), a).squeeze(-1)


def _gradient(z: Tensor, y: Tensor, theta: Sequence[Tensor]) -> list[Tensor]:
    """The gradient of the mean hinge loss over a batch in W, b, a and c, for every run."""
    h, f = _forward(z, theta)
    r = (-y * (y * f < 1) / y.shape[1]).unsqueeze(-1)  # ∂loss/∂f, (runs, batch, 1)
    into = (h > 0) * (r * theta[2].transpose(1, 2))  # ∂loss/∂h, (runs, batch, width)
    return [
        into.transpose(1, 2) @ z,
        into.sum(1, keepdim=True),
        h.clamp(min=0).transpose(1, 2) @ r,
        r.sum(1, keepdim=True),
    ]


def half_space(j: int, *, d: int, b: float = 0.0) -> Fraction:
    """E χ_T(x) 1{x_1 + … + x_d + b > 0} for a set T of j bits, exactly.

    For j ≥ 1 it is 2^{−d} K_r(j − 1; d − 1), with the Krawtchouk number

        K_r(t; n) = Σ_i (−1)^i C(t, i) C(n − t, r − i),    r = ⌈(d + b)/2⌉ − 1:

    r of the other d − 1 bits must be −1 for one bit to decide. For j = 0 it is the share of x in
    the half-space.

    Arguments:
        j: 0…d.
        d: number of bits, at least 1.
        b: bias, finite.

    Raises:
        ValueError: a value is out of range.

    Source: ours; b = 0 and odd d is the majority function, O'Donnell (2014), section 5.3.
    """
    d = _integer("d", d, least=1)
    if _integer("j", j, least=0) > d:
        raise ValueError(f"j is {j}; valid: 0…{d}.")
    if not math.isfinite(b):
        raise ValueError(f"b is {b}; valid: a finite number.")
    r = math.ceil((d + Fraction(b)) / 2) - 1
    if j == 0:
        return Fraction(sum(math.comb(d, i) for i in range(min(r, d) + 1)), 2**d)
    terms = (
        (-1) ** i * math.comb(j - 1, i) * math.comb(d - j, r - i) for i in range(min(j - 1, r) + 1)
    )
    return Fraction(sum(terms), 2**d)


def staircase(t: ArrayLike, times: ArrayLike, p: ArrayLike) -> NDArray[np.float64]:
    """Σ_m p_m 1{t < T_m}: the loss if skill m drops from 1 to 0 at T_m.

    Arguments:
        t: (points,).
        times: T_m, (M,); inf for never.
        p: p_m, (M,).

    Returns:
        (points,).

    Raises:
        ValueError: `times` and `p` are not of one length.
    """
    T, weights = np.asarray(times, float), np.asarray(p, float)
    if T.ndim != 1 or T.shape != weights.shape:
        raise ValueError(f"times has shape {T.shape} and p {weights.shape}; valid: (M,) both.")
    loss: NDArray[np.float64] = (np.asarray(t, float)[..., None] < T) @ weights
    return loss


def _integer(name: str, value: Any, *, least: int) -> int:
    """Stop unless `value` is an integer of at least `least`; give it back as an `int`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} is {value!r}; valid: an integer ≥ {least}.")
    return number

r"""Greedy maximum selection: who learns what, when, and the loss this predicts.

Gradient flow on L = ½ E(f* − f)² from a small start, with M_ip = ⟨v̄_i, v*_p⟩, s_i = ‖v_i‖² and
σ = Σ_k c_k h_k of information exponent K. While f ≈ 0, the overlaps of neuron i follow

    dM_ip/dt = M_ip {a_p g(M_ip) − Σ_q a_q M_iq² g(M_iq)},      g(M) = Σ_k k c_k² |M|^{k−2},

where g(M) = K |M|^{K−2} for σ = h_K. So d log(M_ip/M_iq)/dt = a_p g(M_ip) − a_q g(M_iq): for h_K
the order of the scores a_p |M_ip|^{K−2} in a row never changes, and its first is where neuron i
goes. In a column the neuron that arrives first grows, and what it has learned no longer pulls on
the others (deflation). Hence, over what remains,

    selection   (i, p) = argmax a_p g(M_ip(0)), that is argmax a_p |M_ip(0)|^{K−2}    for h_K;
                strike row i and column p, and repeat

Each selected pair then runs by itself, in M = |M_ip| and s = s_i:

    direction   dM/dt = a_p M g(M)(1 − M²),      d(M²)/dt = 2K a_p |M|^K (1 − M²)     for h_K
    norm        ds/dt = 4 s (a_p φ(M) − C s),    φ(M) = Σ_{k≥1} c_k² |M|^k,  C = φ(1)
    time        T_p: M² = ½                      ≈ |M(0)|^{−(K−2)}/(K(K−2) a_p)       for h_K
    loss        L(t) = ½ C Σ_p a_p² 1(t ≤ T_p)                                        as steps
                L(t) = Σ_p {½ C (a_p − s)² + a_p s (C − φ(M))}                        with norm lag

The direction is solved in the log-odds ℓ = log(M²/(1 − M²)), which grow at the rate 2 a_p g(M) and
are 0 at T_p. So a_p T_p = ∫ dℓ/(2g) up to ℓ = 0, exactly: for h_4, with y = M²(0), 8 a_p T_p =
1/y − 2 + log((1 − y)/y), from −1/y + log(y/(1 − y)) = 8at + const. Time enters as τ = a_p t alone,
so that one curve τ(ℓ) serves all pairs. Given it, the norm is a Bernoulli equation; with Φ = ∫ φ dτ

    a_p/s = e^{−4Φ} {a_p/s(0) + 4C ∫ e^{4Φ} dτ},    Φ = 0 at the start.

Source: the score, decoupled pairs and deflation are those of the slides and notes on Ren, Nichani,
Wu and Lee (2025); the notes also order the directions. Striking rows and columns is our reading.
The slides have the score for one neuron, under the correlation loss, and with exponent k/2; the
notes have k − 2, as the equation above does, and the two agree at k = 4 only. The slides' SGD has
no ½ in its loss, so that all its times are half of these. The notes' d(M²)/dt ≈ 8a M⁴ is the one
above at K = 4, without 1 − M². The notes name row, column and threshold gaps; how they are defined
here is ours, as is general σ.
"""

import math
import warnings
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import cumulative_simpson
from scipy.interpolate import CubicHermiteSpline
from scipy.special import expit, logit
from torch import Tensor

from plateaus.emergence.activation import Activation
from plateaus.emergence.model import Student, Teacher


@dataclass(frozen=True, eq=False)
class Greedy:
    """Who learns what, and when. Shapes are (P,), or (replicates, P) if V has replicates.

    A direction for which no neuron is left has neuron −1, M = n2 = 0, infinite times and gaps.

    Attributes:
        teacher: f*.
        neuron: the neuron that learns direction p.
        order: the directions as they are picked; those without a neuron come last.
        M: M_ip(0) of the pair, with its sign.
        n2: ‖v_i(0)‖² of its neuron.
        T: the flow time at which M² = ½, exact for a pair by itself; 0 if it is so at the start.
        T_leading: the same to leading order in M, |M|^{−(K−2)}/(K(K−2) c_K² a_p); for K = 2,
            log(1/|M|)/(2 c_2² a_p).
        lag: log(a_p/n2)/(4 C a_p), about the flow time from T to half of the final norm: that of
            an aligned neuron, ds/dt = 4 C s (a_p − s), from n2 ≪ a_p. `mass` has the whole path.
        row_gap: the pair's score over that of its neuron's next direction, among those that remain
            when it is picked.
        column_gap: the pair's score over that of its direction's next neuron, likewise.
        threshold_gap: the pair's score over that of the next pair picked, the best that remains.
        near_tie: the flow may well decide otherwise. Either the row or the column gap is at most
            1 + tie · lag (K−2) a_p g(M), for h_K 1 + tie · lag/T_leading: the rival arrives before
            this neuron has grown. Or this neuron was such a rival of one picked before it, and may
            have gone there.
    """

    teacher: Teacher = field(repr=False)
    neuron: Tensor
    order: Tensor = field(repr=False)
    M: Tensor = field(repr=False)
    n2: Tensor = field(repr=False)
    T: Tensor
    T_leading: Tensor = field(repr=False)
    lag: Tensor = field(repr=False)
    row_gap: Tensor = field(repr=False)
    column_gap: Tensor = field(repr=False)
    threshold_gap: Tensor = field(repr=False)
    near_tie: Tensor = field(repr=False)

    def steps(self, eta: float) -> Tensor:
        """T in steps of SGD with that learning rate, T/η, as η → 0. Without the ½, half of it.

        Raises:
            ValueError: `eta` is not a positive number.
        """
        if not 0 < eta < math.inf:
            raise ValueError(f"eta is {eta}; valid are positive numbers.")
        return self.T / eta

    def alignment(self, times: ArrayLike | Tensor) -> Tensor:
        """M² of every pair at these flow times (times,): (times, P) or (times, replicates, P)."""
        return self._paths(times)[0]

    def mass(self, times: ArrayLike | Tensor) -> Tensor:
        """‖v_i‖² of every pair, in the same shape. It tends to a_p."""
        return self._paths(times)[1]

    def loss(self, times: ArrayLike | Tensor, *, lag: bool = True) -> Tensor:
        """The population loss that this predicts, without what a mean c_0 of σ adds.

        Arguments:
            times: (times,), in flow time (steps times η), from 0.
            lag: True for the sum over pairs, each on its own path; False for a sum of steps, with
                all of a_p²/2 lost at T_p.

        Returns:
            (times,) or (times, replicates), float64.

        Raises:
            ValueError: `times` has another shape or a value that is negative or nan.
        """
        a, c2 = self.teacher.a.to(self.T), _squares(self.teacher.activation)
        C = sum(c2[1:])
        if not lag:
            t = _times(times).to(self.T)
            waiting = t.reshape(-1, *[1] * self.T.ndim) <= self.T
            return 0.5 * C * (waiting * a**2).sum(-1)
        y, s = self._paths(times)
        return (0.5 * C * (a - s) ** 2 + a * s * (C - _phi(c2, y.sqrt()))).sum(-1)

    def _paths(self, times: ArrayLike | Tensor) -> tuple[Tensor, Tensor]:
        """M² and s at the times, of every pair by itself."""
        t = _times(times).numpy()
        paired = (self.neuron >= 0).cpu().numpy()
        M, n2 = self.M.abs().cpu().numpy()[paired], self.n2.cpu().numpy()[paired]
        a = np.broadcast_to(self.teacher.a.numpy(), paired.shape)[paired]
        y, s = np.zeros((2, len(t), *paired.shape))
        if len(M):
            curve = _Curve.of(self.teacher.activation, M.min(), (a / n2).max())
            start = curve.log_odds(M)
            ell = curve.at(curve.tau(start) + a * t[:, None])
            y[:, paired] = expit(ell)
            gain, gain_0 = np.exp(curve.four_phi(ell)), np.exp(curve.four_phi(start))
            fed = 4 * curve.C * (curve.feed(ell) - curve.feed(start))
            s[:, paired] = a * gain / (gain_0 * a / n2 + fed)
        return torch.from_numpy(y).to(self.T), torch.from_numpy(s).to(self.T)


def greedy(teacher: Teacher, student: Student, *, tie: float = 1.0) -> Greedy:
    """Greedy maximum selection on the student's overlaps, as if f ≈ 0 at the start.

    Arguments:
        teacher: f*: orthonormal directions, isotropic data, σ even with no mean and information
            exponent K > 2, where the theory holds.
        student: V (m, d) or (replicates, m, d), homogeneous; (…, m, P + m) where the teacher has
            the first P axes (`Student.on_sphere` with axes). min(m, P) pairs are formed, fewer if
            the overlaps that remain are 0; if σ is not even, an overlap M < 0 counts as 0.
        tie: a rival is near if it arrives within `tie` norm lags.

    Returns:
        The pairs with their times and gaps, in float64 on V's device.

    Raises:
        ValueError: the data has a covariance, the information exponent is below 2 (there is no
            search, and all neurons turn to the same direction), V does not fit the teacher, or
            `tie` is negative.

    Warns:
        UserWarning: an assumption is broken: K = 2, σ not even or with a mean, directions not
            orthonormal. The computation goes on.

    Source: slides and notes, with the exponent K − 2 of the notes; the gaps' definitions are ours.
    """
    _check(teacher, student.V)
    if not 0 <= tie < math.inf:
        raise ValueError(f"tie is {tie}; valid are numbers from 0.")
    V = student.V.detach().double()
    n = V.norm(dim=-1, keepdim=True)
    M = teacher.project(V / n)
    a, c2 = teacher.a.to(M), _squares(teacher.activation)
    K = int(teacher.activation.information_exponent)
    size = M.abs() if not any(c2[1::2]) else M.clamp(min=0)
    score = torch.where(size > 0, a * _growth(c2, size), 0.0)
    lag = torch.log(a / n**2).clamp(min=0) / (4 * sum(c2[1:]) * a)
    near = tie * (K - 2) * score * lag
    neuron, order, row, column, threshold, near_tie = (
        x.reshape(*V.shape[:-2], teacher.P)
        for x in _select(score.view(-1, *M.shape[-2:]), near.view(-1, *M.shape[-2:]))
    )
    learned = neuron >= 0
    pair = neuron.clamp(min=0)
    M_0 = torch.where(learned, M.gather(-2, pair[..., None, :])[..., 0, :], 0.0)
    n2 = torch.where(learned, (n[..., 0] ** 2).gather(-1, pair), 0.0)
    T = torch.full_like(M_0, math.inf)
    if bool(learned.any()):
        start = M_0[learned].abs().cpu().numpy()
        curve = _Curve.of(teacher.activation, start.min(), 1.0)
        T[learned] = torch.from_numpy(-curve.tau(curve.log_odds(start))).to(T).clamp(min=0)
        T = T / a
    if K == 2:
        leading = -M_0.abs().log() / (2 * c2[2] * a)
    else:
        leading = M_0.abs() ** (2 - K) / (K * (K - 2) * c2[K] * a)
    return Greedy(
        teacher=teacher,
        neuron=neuron,
        order=order,
        M=M_0,
        n2=n2,
        T=T,
        T_leading=leading,
        lag=torch.where(learned, lag.gather(-2, pair[..., None, :])[..., 0, :], math.inf),
        row_gap=row,
        column_gap=column,
        threshold_gap=threshold,
        near_tie=near_tie,
    )


def critical_eta(teacher: Teacher, student: Student) -> Tensor:
    r"""The learning rate at which noise undoes the drift of a pair at its start, per direction.

    A step of SGD on ½(y − f(x))² adds ε(x − zv̄) to the direction v̄, z = ⟨v̄, x⟩, and normalises:

        1.  ε = η r σ′(z) + O(η²),   r = y − f(x)
        2.  M⁺ = (M + ε⟨x − zv̄, v*⟩)/√(1 + ε²‖x − zv̄‖²)
               = M + ε⟨x − zv̄, v*⟩ − ½ ε² ‖x − zv̄‖² M + …
        3.  E ε⟨x − zv̄, v*_p⟩ = η a_p M g(M)(1 − M²), the flow's;  η K a_p M^{K−1}(1 − M²) for h_K
        4.  E ε² ‖x − zv̄‖² ≈ η² (d − 1) E[r²σ′(z)²],   as ‖x − zv̄‖² is near d − 1
        5.  E[ΔM] = η a_p M g(M)(1 − M²) − ½ η² (d − 1) E[r²σ′(z)²] M + …

    At the start f ≈ 0, so that r is the label y; and it is independent of z, up to terms in M²:

        6.  E[r²σ′(z)²] = (E f*² + noise²) E σ′²,   E σ′² = Σ_k k c_k²,
            E f*² = Σ_{k≥1} c_k² Σ_p a_p² + (c_0 Σ_p a_p)²
        7.  drift wins iff  η < η_c = 2 a_p g(M) / ((d − 1)(E f*² + noise²) E σ′²),
            η_c = 2 a_p |M|^{K−2}/(d − 1) for h_K, Σ a_p² = 1 and no noise: about a_p d^{−K/2}.

    Steps 4 and 6 drop O(M²) of the noise term, with a large constant, and steps 1, 4 and 6 O(1/d)
    of it, which for h_K is (2K + 8K a_p²)/d. A mini-batch of B ≪ d multiplies η_c by B. SGD's noise
    is heavy-tailed, so that safe learning rates are far below η_c.

    Arguments:
        teacher: f*, with the noise of its labels.
        student: V, as in `greedy`, small enough that f ≈ 0.

    Returns:
        η_c of the pair that `greedy` forms, (P,) or (replicates, P); 0 where no neuron is left.
        For SGD without the ½ in its loss, as in the slides, half of it.

    Raises:
        ValueError: as `greedy`, whose warnings hold here too.

    Source: ours. The slides and the notes give rates of order a_p d^{−K/2} that suffice, the slides
    up to factors poly(P).
    """
    pairs = greedy(teacher, student)
    a, c2 = teacher.a.to(pairs.M), _squares(teacher.activation)
    label = sum(c2[1:]) * (a @ a) + c2[0] * a.sum() ** 2 + teacher.noise**2
    slope = sum(k * c for k, c in enumerate(c2))
    drift = torch.where(pairs.neuron >= 0, a * _growth(c2, pairs.M.abs()), 0.0)
    return 2 * drift / ((teacher.d - 1) * label * slope)


@dataclass(frozen=True)
class _Curve:
    """A pair with a = 1, against its log-odds ℓ; integrals start at ℓ = 0, where M² = ½.

    tau: τ = ∫ dℓ/(2g).    at: its inverse.    four_phi: 4Φ = 4 ∫ φ dτ.    feed: ∫ e^{4Φ} dτ.
    """

    C: float
    tau: CubicHermiteSpline
    inverse: CubicHermiteSpline
    four_phi: CubicHermiteSpline
    feed: CubicHermiteSpline

    @classmethod
    def of(cls, activation: Activation, least: float, ratio: float) -> "_Curve":
        """From the least overlap at the start until a norm has grown by this ratio, and settled."""
        c2 = _squares(activation)
        C = float(sum(c2[1:]))
        settled = (max(math.log(ratio), 0) + 40) * float(_growth(c2, torch.ones(()))) / (2 * C)
        settled += logit(_LARGEST)
        per_unit = 256
        before = math.ceil(max(-logit(min(least**2, _LARGEST)), 1) * per_unit) + 1
        ell = np.arange(-before, math.ceil(settled * per_unit) + 1) / per_unit

        def integral(f: NDArray[np.float64]) -> NDArray[np.float64]:
            onward = cumulative_simpson(f[before:], dx=1 / per_unit, initial=0)
            back = cumulative_simpson(f[before::-1], dx=1 / per_unit, initial=0)
            return np.concatenate([-back[:0:-1], onward])

        M = torch.from_numpy(np.sqrt(expit(ell)))
        g, phi = _growth(c2, M).numpy(), _phi(c2, M).numpy()
        tau, four_phi = integral(1 / (2 * g)), integral(2 * phi / g)
        gain = np.exp(four_phi)
        return cls(
            C=C,
            tau=CubicHermiteSpline(ell, tau, 1 / (2 * g)),
            inverse=CubicHermiteSpline(tau, ell, 2 * g),
            four_phi=CubicHermiteSpline(ell, four_phi, 2 * phi / g),
            feed=CubicHermiteSpline(ell, integral(gain / (2 * g)), gain / (2 * g)),
        )

    def log_odds(self, M: NDArray[np.float64]) -> NDArray[np.float64]:
        """ℓ at overlap M > 0; M² up to 1 − 1e-12, from where on nothing depends on it."""
        ell: NDArray[np.float64] = logit(np.minimum(M**2, _LARGEST))
        return ell

    def at(self, tau: NDArray[np.float64]) -> NDArray[np.float64]:
        """ℓ at time τ; the end of the curve where τ is beyond it."""
        ell: NDArray[np.float64] = self.inverse(np.minimum(tau, self.inverse.x[-1]))
        return ell


# The greatest M² at a start.
_LARGEST = 1 - 1e-12


def _select(score: Tensor, near: Tensor) -> tuple[Tensor, ...]:
    """Pick and strike: score and near (B, m, P) → Greedy's neuron, order, gaps, near_tie (B, P)."""
    B, m, P = score.shape
    left = score.clone()
    neuron = torch.full((B, P), -1, device=score.device)
    rank = torch.full((B, P), P, device=score.device)
    picked, row, column, threshold = score.new_full((4, B, P), math.inf).unbind()
    near_tie = torch.zeros((B, P), dtype=torch.bool, device=score.device)
    beaten = torch.zeros((B, m), dtype=torch.bool, device=score.device)
    last = torch.zeros(B, dtype=torch.long, device=score.device)
    for r in range(min(m, P)):
        best, at = left.flatten(1).max(1)
        b = (best > 0).nonzero()[:, 0]
        if not len(b):
            break
        best, i, p = best[b], at[b] // P, at[b] % P
        left[b, i, p] = 0
        neuron[b, p], rank[b, p], picked[b, p] = i, r, best
        row[b, p] = best / left[b, i].amax(-1)
        column[b, p] = best / left[b, :, p].amax(-1)
        if r:
            threshold[b, last[b]] = picked[b, last[b]] / best
        last[b] = p
        least = 1 + near[b, i, p]
        near_tie[b, p] = (torch.minimum(row[b, p], column[b, p]) <= least) | beaten[b, i]
        beaten[b] |= left[b, :, p] * least[:, None] >= best[:, None]
        left[b, i] = 0
        left[b, :, p] = 0
    return neuron, rank.argsort(dim=-1, stable=True), row, column, threshold, near_tie


def _squares(activation: Activation) -> list[float]:
    """c_k², k = 0, 1, …."""
    return [c**2 for c in activation.coefficients]


def _growth(c2: list[float], M: Tensor) -> Tensor:
    """g(M) = Σ_k k c_k² M^{k−2} for M ≥ 0, from k = 2."""
    g = torch.zeros_like(M)
    for k in range(len(c2) - 1, 1, -1):
        g = g * M + k * c2[k]
    return g


def _phi(c2: list[float], M: Tensor) -> Tensor:
    """φ(M) = Σ_{k≥1} c_k² M^k for M ≥ 0."""
    phi = torch.zeros_like(M)
    for c in c2[:0:-1]:
        phi = (phi + c) * M
    return phi


def _times(times: ArrayLike | Tensor) -> Tensor:
    t = torch.as_tensor(times, dtype=torch.float64, device="cpu")
    if t.ndim != 1 or not bool((t >= 0).all()):
        raise ValueError(
            f"times have shape {tuple(t.shape)}; valid is (times,), of numbers from 0."
        )
    return t


def _check(teacher: Teacher, V: Tensor) -> None:
    """Stop at what makes no sense, warn of assumptions that are broken."""
    if teacher.covariance is not None:
        raise ValueError("the data has a covariance; valid is isotropic data for greedy selection.")
    c, K = teacher.activation.coefficients, teacher.activation.information_exponent
    if not 2 <= K < math.inf:
        raise ValueError(
            f"the information exponent is {K:g}; valid are finite ones from 2, for below there is "
            "no search and nothing to select."
        )
    least = teacher.P if teacher.directions is None else teacher.d
    if not least <= V.shape[-1] <= teacher.d:
        raise ValueError(
            f"V has {V.shape[-1]} columns; valid are {least} to d = {teacher.d} for this teacher."
        )
    broken = []
    if K == 2:
        broken.append(
            "information exponent above 2, and it is 2: no gap in the overlaps decides who learns "
            "what, and search takes a logarithm"
        )
    if any(c[1::2]):
        broken.append("an even activation, and this one is not: overlaps below 0 count as 0")
    if c[0]:
        broken.append("an activation of mean 0, and this one couples all pairs through its mean")
    if teacher.directions is not None:
        gram = teacher.directions @ teacher.directions.mT
        if not torch.allclose(gram, torch.eye(teacher.P, dtype=gram.dtype), atol=1e-6):
            broken.append("orthonormal directions, and these are not: pairs do not decouple")
    for assumption in broken:
        warnings.warn(f"greedy selection assumes {assumption}.", UserWarning, stacklevel=3)

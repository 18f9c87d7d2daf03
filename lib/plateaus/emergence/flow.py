r"""Population gradient flow in overlap coordinates: dV/dt = −∇_V L, at a cost free of d.

The gradient is a combination of the rows of V* and V with coefficients that are functions of
VV*ᵀ and VVᵀ. So V stays in the span of V(0) and V*, whose dimension is rank + m at most, and the
flow of V's coordinates there (`Teacher.into_span`) is the flow itself. With F(x) = Σ_k c_k² x^k,
u_i = v_i/n_i, M_ip = ⟨u_i, v*_p⟩ and Q_ij = ⟨u_i, u_j⟩ it reads

    du_i/dt      = Σ_p a_p F′(M_ip) v*_p − Σ_{j≠i} n_j² F′(Q_ij) u_j − ρ_i u_i,
    d log n_i/dt = 2 (Σ_p a_p F(M_ip) − Σ_j n_j² F(Q_ij)),
    ρ_i          = Σ_p a_p F′(M_ip) M_ip − Σ_{j≠i} n_j² F′(Q_ij) Q_ij,

in which no neuron's own norm moves its direction. For σ = h_K, F′(x) = K x^{K−1}. Time is that of
SGD: t = η · steps.

SciPy's DOP853, an explicit Runge–Kutta method of order 8 with dense output, takes the steps. Two
things make them long and safe:

- A plateau multiplies errors: one of δ at its start is one of up to δ M₀^{1−K} at the drop. So the
  solver's tolerance is the one asked for times a fifth of M₀, the least over the directions of the
  greatest overlap at the start. That is an aim and not a bound: the tests' systems, up to 16
  neurons, end within what is asked for; larger and longer ones may be off by a little more.
- Neurons that have settled on a direction p return there at rates F′(1) a_p, and their log-norms at
  4 F(1) a_p, which would bound every step to come. To leading order a deviation of the settled u_i
  from their slow manifold f = 0, f the right-hand side above, decays as δu′ = −A δu, with
  A_ij = F′(Q_ij) n_j² between them and A_ii = ρ_i; that of their log-norms with B_ij =
  4 F(Q_ij) n_j². Both are symmetric in the coordinates n_i δu_i. An eigenvector with a rate λ above
  λ_c = κ/h, h being a step, is slowed: its velocity is multiplied by λ_c/λ, which leaves f = 0
  where it is. What follows a manifold that moves at velocity v lags behind by v/λ_c in place of
  v/λ; so everything but that velocity is computed with those neurons at u + (1/λ − λ_c/λ²) f, where
  the lag is the right one, and only modes that lag by less than a twentieth of the tolerance are
  slowed.

Source: the closed system is classical (Saad and Solla 1995); for this student the notes have the
flow of an aligned pair. The rest is ours.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import DOP853
from threadpoolctl import threadpool_limits
from torch import Tensor

from plateaus.emergence.model import Student, Teacher
from plateaus.emergence.population import (
    Learner,
    Loss,
    population_loss,
)


@dataclass(frozen=True, eq=False)
class FlowRun:
    """What `flow` saw, in float64 on the CPU. After a failure the records are nan.

    Attributes:
        times: (times,), as asked for.
        overlaps: (times, m, P), M_ip = v̄_i·v*_p.
        norms: (times, m), ‖v_i‖.
        loss: (times,), the population loss.
        V: (m, width), the student at the last time, or at the last before a failure, in a basis
            that begins with `Teacher.basis` (in the coordinates of x where width = d): `flow` and
            `online_sgd(…, method="reduced")` can go on from it.
        failed: the time that the flow reached before its numbers ceased to be finite; inf if they
            never did. A loss without a minimum drives norms up exponentially, until they overflow.
    """

    times: Tensor
    overlaps: Tensor = field(repr=False)
    norms: Tensor = field(repr=False)
    loss: Tensor = field(repr=False)
    V: Tensor = field(repr=False)
    failed: float


def flow(
    teacher: Teacher,
    student: Student,
    times: ArrayLike | Tensor,
    *,
    loss: Loss = "mse",
    learner: Learner = "homogeneous",
    tolerance: float = 1e-6,
    progress: Callable[[float], None] | None = None,
    keep: Callable[[Callable[[], dict[str, Any]]], None] | None = None,
    state: Mapping[str, Any] | None = None,
) -> FlowRun:
    """Follow the population gradient flow from a student, in float64.

    The right-hand side runs on the student's device; a step holds about 20 times V's coordinates,
    m (rank + m) numbers, on the CPU, and nothing grows with the number of steps.

    Arguments:
        teacher: f*, with isotropic data; its label noise has no part in the population loss.
        student: V (m, d), or fewer columns as `Teacher.into_span` admits them.
        times: (times,), flow times to record, from 0, increasing; the start is at time 0.
        loss: "mse" for ½ E(f* − f)², "correlation" for −E[f* f].
        learner: "homogeneous" or "spherical"; the latter needs rows of unit norm.
        tolerance: the error aimed at, in overlaps and norms, at all times.
        progress: called after every step with the fraction of the time that is done.
        keep: called every few steps with a function that gives the state of the flow, a dictionary
            that `torch.save` takes and `torch.load(…, weights_only=True)` gives back.
        state: such a state, of a flow with the same arguments: this one goes on from there, and
            ends with the same bits as if it had never been cut.

    Returns:
        The record.

    Raises:
        ValueError: an argument is not valid, V has replicates, or the data has a covariance, for
            which overlaps are not closed; or `state` is that of another flow.
    """
    at = _times(times)
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance is {tolerance}; valid are numbers between 0 and 1.")
    if student.V.ndim != 2:
        raise ValueError(
            f"V has shape {tuple(student.V.shape)}; valid is (m, d), one student at a time."
        )
    span = teacher.in_span(len(student.V))
    V = teacher.into_span(student.V.detach().double())
    population_loss(span, Student(V), loss=loss, learner=learner)  # refuses what does not fit
    system = _System(span, loss, learner, V, tolerance)
    seen = torch.full((len(at), *V.shape), math.nan, dtype=torch.float64)
    seen[at == 0] = V.cpu()
    last, reached, failed, end = V.cpu(), 0.0, math.inf, max(float(at[-1]), 1e-300)
    y, h = system.start, math.inf
    same = {  # what flows that go on from one another have in common
        "start": V.cpu(),
        "times": torch.from_numpy(at),
        "a": teacher.a,
        "coefficients": torch.tensor(teacher.activation.coefficients),
        "arguments": f"{loss}, {learner}, {tolerance!r}",
    }
    if state is not None:
        _check_state(state, same)
        y, h, reached = state["y"].numpy(), state["h"], state["reached"]
        last, seen = state["last"].clone(), state["seen"].clone()
    # One thread for NumPy's products: its threads and PyTorch's would wait for each other.
    with np.errstate(all="ignore"), threadpool_limits(1, "blas"):
        while reached < at[-1] and failed == math.inf:
            if keep is not None:
                here = (torch.from_numpy(y), h, reached, last, seen)
                keys = ("y", "h", "reached", "last", "seen")
                keep(partial(_state, same, dict(zip(keys, here, strict=True))))
            y = system.begin(y, h)
            solver = DOP853(
                system.velocity,
                reached,
                y,
                end,
                rtol=2.3e-14,  # SciPy's least
                atol=system.step_error,
                first_step=min(h, end - reached) if h < math.inf else None,
                max_step=system.longest_step,
            )
            for _ in range(_STEPS):
                solver.step()
                V = system.weights(solver.y)
                if solver.status == "failed" or not bool(V.isfinite().all()):
                    failed = reached
                    break
                passed = np.flatnonzero((at > reached) & (at <= solver.t))
                if len(passed):
                    path = solver.dense_output()(at[passed])
                    for k, point in zip(passed, path.T, strict=True):
                        seen[k] = system.weights(point).cpu()
                y, h, reached, last = solver.y, float(solver.h_abs), float(solver.t), V.cpu()
                if progress is not None:
                    progress(min(reached / float(at[-1]), 1.0))
                if solver.status != "running":
                    break
    n = seen.norm(dim=-1)
    values = torch.full((len(at),), math.nan, dtype=torch.float64)
    for k in (~n.isnan().any(dim=-1)).nonzero()[:, 0].tolist():
        row = seen[k] if learner == "homogeneous" else seen[k] / n[k][:, None]
        values[k] = population_loss(span, Student(row), loss=loss, learner=learner)
    return FlowRun(
        times=torch.from_numpy(at),
        overlaps=span.project(seen) / n[..., None],
        norms=n,
        loss=values,
        V=teacher.out_of_span(last) if last.shape[1] == teacher.d else last,
        failed=failed,
    )


def _state(same: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """A copy: what comes after changes it no more."""
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in {**same, **now}.items()}


def _check_state(state: Mapping[str, Any], same: Mapping[str, Any]) -> None:
    for name, value in same.items():
        kept = state.get(name)
        equal = torch.equal(kept, value) if isinstance(kept, Tensor) else kept == value
        if not equal:
            raise ValueError(
                f"the state is that of a flow with another {name}; valid is one with the same "
                "teacher, student, times and arguments."
            )


# Steps between two looks at what has settled; h λ of slowed modes, κ, and of fast ones that are not
# slowed, at most; and how much a step may grow until the next look. DOP853 is stable up to 6, where
# its dense output is no longer good.
_STEPS, _KAPPA, _FREE, _GROWTH = 8, 3.0, 3.0, 1.25


class _System:
    """The flow of directions u_i and log-norms in one vector, with settled modes slowed."""

    def __init__(
        self, teacher: Teacher, loss: Loss, learner: Learner, V: Tensor, tolerance: float
    ) -> None:
        """For the start V (m, N), in the teacher's coordinates."""
        self._teacher, self._shape = teacher, V.shape
        self._mse, self._moving = loss == "mse", learner == "homogeneous"
        self._a = teacher.a.to(V)
        self._squares = [c * c for c in teacher.activation.coefficients]
        n = V.norm(dim=-1, keepdim=True)
        U = V / n
        parts = [U.reshape(-1), n[:, 0].log()] if self._moving else [U.reshape(-1)]
        self.start = torch.cat(parts).cpu().numpy()
        M = float(teacher.project(U).abs().amax(dim=0).min())
        within = tolerance * min(max(M / 5, 1e-6), 0.05)
        self.step_error = within / math.sqrt(self.start.size)  # SciPy's norm is a mean
        self._most_lag = tolerance / 20
        self._like = V
        self._settled: _Settled | None = None
        self.longest_step = math.inf
        self._room = [V.new_empty(len(V), width) for width in (teacher.P, len(V), len(V))]

    def weights(self, y: NDArray[np.float64]) -> Tensor:
        """V (m, N) of a state."""
        U, log_n = self._split(torch.from_numpy(y).to(self._like.device))
        V: Tensor = U * (log_n.exp() / U.norm(dim=-1))[:, None]
        return V

    def begin(self, y: NDArray[np.float64], h: float) -> NDArray[np.float64]:
        """The state with unit directions; what has settled is found anew for steps of about h."""
        state = torch.from_numpy(y).to(self._like.device).clone()
        U, log_n = self._split(state)
        U /= U.norm(dim=-1, keepdim=True)
        self._settled, self.longest_step = None, math.inf
        if h < math.inf:
            self._slow(U, log_n, h)
        return state.cpu().numpy()

    def velocity(self, _: float, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """The right-hand side."""
        U, log_n = self._split(torch.from_numpy(y).to(self._like.device))
        result = torch.empty(y.size, dtype=U.dtype, device=U.device)
        f, dlog_n = self._split(result)
        here = self._settled
        if here is None:
            self._force(U, U, log_n, f, dlog_n)
        else:
            settled = U[here.rows]
            slow, slow_norms = torch.empty_like(settled), torch.empty_like(log_n[here.rows])
            self._force(settled, U, log_n, slow, slow_norms, here.rows)
            felt, felt_norms = U.clone(), log_n.clone()
            felt[here.rows] += here.turning.ahead @ slow
            felt_norms[here.rows] += here.growing.ahead @ slow_norms
            self._force(felt, felt, felt_norms, f, dlog_n)
            f[here.rows] += here.turning.slowed @ slow - here.turning.onto @ f[here.rows]
            dlog_n[here.rows] += (
                here.growing.slowed @ slow_norms - here.growing.onto @ dlog_n[here.rows]
            )
        return result.cpu().numpy()

    def _force(
        self,
        X: Tensor,
        Y: Tensor,
        log_n: Tensor,
        f: Tensor,
        dlog_n: Tensor,
        rows: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Write du/dt and d log n/dt of the module's docstring into f (r, N) and dlog_n (r,).

        For the directions X (r, N), which are `rows` of all (or all), as moved by all, Y (m, N).
        Returns n_j² F′(Q_ij), with 0 for a neuron itself, and Q, both (r, m), and ρ (r,), good
        until the next call; for the correlation loss, whose second sums are absent, only ρ.
        """
        R = self._teacher.project(X)
        w, W, Q = (room[: len(X)] for room in self._room)
        alpha = _slope(self._squares, R, self._a, w)
        rho = torch.linalg.vecdot(w, R)
        if self._mse:
            own = torch.arange(len(X), device=X.device)
            columns = own if rows is None else rows
            torch.mm(X, Y.mT, out=Q)
            Q[own, columns] = 1
            alpha -= _slope(self._squares, Q, (2 * log_n).exp(), W)
            W[own, columns] = 0
            rho -= torch.linalg.vecdot(W, Q)
            torch.mm(W, Y, out=f).neg_()
        else:
            f.zero_()
        if self._teacher.directions is None:
            f[:, : w.shape[1]] += w
        else:
            f.addmm_(w, self._teacher.directions.to(w))
        f.addcmul_(rho[:, None], X, value=-1)
        dlog_n[:] = 2 * alpha
        return W, Q, rho

    def _slow(self, U: Tensor, log_n: Tensor, h: float) -> None:
        """Look for settled modes with rates above κ/h, slow them, and bound the step."""
        if not self._mse or not self._moving:
            return
        n, most = log_n.exp(), _KAPPA / h
        rates = n**2 * max(4 * sum(self._squares), sum(k * c for k, c in enumerate(self._squares)))
        best, nearest = self._teacher.project(U).abs().max(dim=-1)
        near = best > 0.9
        together = torch.zeros_like(self._a).index_add(0, nearest, near * rates)  # of a direction
        if float(together.max()) <= most:
            return
        f, dlog_n = torch.empty_like(U), torch.empty_like(log_n)
        W, Q, rho = self._force(U, U, log_n, f, dlog_n)
        rows = (near & (rates + W.abs().sum(dim=-1) > most)).nonzero()[:, 0]
        if not len(rows):  # only together are they fast, and each still feels the others
            return
        n, q = n[rows], Q[rows][:, rows]
        A, B = torch.empty_like(q), 4 * _series(self._squares, q) * n * n[:, None]
        _slope(self._squares, q, n, A)
        A *= n[:, None]
        A.diagonal().copy_(rho[rows])
        turning = self._modes(A, n, f[rows], most)
        growing = self._modes(B, n, dlog_n[rows, None], most)
        left = max(turning.fastest, growing.fastest)
        if left > most:
            self.longest_step = _FREE / left
        if turning.some or growing.some:
            self.longest_step = min(self.longest_step, _GROWTH * h)
            self._settled = _Settled(rows, turning, growing)

    def _modes(self, A: Tensor, n: Tensor, velocity: Tensor, most: float) -> "_Modes":
        """Of A, symmetric in the coordinates n_i u_i: the modes to slow down."""
        rates, E = torch.linalg.eigh(A)
        speed = (E.mT @ (n[:, None] * velocity)).norm(dim=-1)
        lag = speed * (E.abs() / n[:, None]).amax(dim=0) / most
        slow = (rates > most) & (lag < self._most_lag)
        factor = torch.where(slow, most / rates, 0.0)
        ahead = torch.where(slow, (1 - factor) / rates, 0.0)
        left, right = E / n[:, None], E.mT * n
        return _Modes(
            left @ (slow.to(n)[:, None] * right),
            left @ (factor[:, None] * right),
            left @ (ahead[:, None] * right),
            bool(slow.any()),
            float(torch.where(slow, 0.0, rates).max()),
        )

    def _split(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """U (m, N) and log n (m,)."""
        m, N = self._shape
        U = state[: m * N].view(m, N)
        return U, state[m * N :] if self._moving else U.new_zeros(m)


class _Modes(NamedTuple):
    """Matrices that act on the modes to slow: as 1, as λ_c/λ, and as 1/λ − λ_c/λ².

    `some`: whether there are any; `fastest`: the greatest rate of those that are not slowed.
    """

    onto: Tensor
    slowed: Tensor
    ahead: Tensor
    some: bool
    fastest: float


class _Settled(NamedTuple):
    """Settled neurons, and the modes of their directions and of their log-norms."""

    rows: Tensor
    turning: _Modes
    growing: _Modes


def _slope(squares: list[float], x: Tensor, weights: Tensor, out: Tensor) -> Tensor:
    """Write F′(x)·weights, and sum F(x)·weights over the last axis, F(x) = Σ_k c_k² x^k."""
    K = len(squares) - 1
    if K and not any(squares[:K]):  # σ = h_K: F(x) = F′(x) x/K
        torch.mul(x, K * squares[K], out=out) if K > 1 else out.fill_(squares[K])
        for _ in range(K - 2):
            out.mul_(x)
        out.mul_(weights)
        total: Tensor = torch.linalg.vecdot(out, x) / K
    else:
        out[:] = _series([k * c for k, c in enumerate(squares)][1:], x).mul_(weights)
        total = _series(squares, x) @ weights
    return total


def _series(coefficients: list[float], x: Tensor) -> Tensor:
    """Σ_k c_k x^k by Horner's rule, in new memory."""
    value = torch.full_like(x, coefficients[-1] if coefficients else 0.0)
    for c in coefficients[-2::-1]:
        value.mul_(x)
        if c:
            value.add_(c)
    return value


def _times(times: ArrayLike | Tensor) -> NDArray[np.float64]:
    at = np.asarray(times, dtype=np.float64)
    if at.ndim != 1 or not at.size or not np.isfinite(at).all() or at[0] < 0:
        raise ValueError(f"times have shape {at.shape}; valid is (times,), of numbers from 0.")
    if (np.diff(at) <= 0).any():
        raise ValueError("times do not increase; valid are increasing numbers from 0.")
    return at

r"""Population gradient flow in overlap coordinates: dV/dt = −∇_V L, at a cost free of d.

The gradient is a combination of the rows of V* and V with coefficients that are functions of
VV*ᵀ and VVᵀ. So V stays in the span of V(0) and V*, whose dimension is rank + m at most, and the
flow of V's coordinates there (`Teacher.into_span`) is the flow itself. For σ = h_K it reads

    d v̄_i/dt  = K (I − v̄_i v̄_iᵀ) [Σ_p a_p M_ip^{K−1} v*_p − Σ_{j≠i} n_j² Q_ij^{K−1} v̄_j]
    d n_i²/dt = 4 n_i² (Σ_p a_p M_ip^K − Σ_j n_j² Q_ij^K)

in which no neuron's own norm moves its direction. Time is that of SGD: t = η · steps.

SciPy's DOP853, an explicit Runge–Kutta method of order 8 with dense output, takes the steps. A
plateau multiplies errors: what is off by δ in the overlaps at its start is off by about δ/M₀ times
more at the drop. So the solver's tolerance is well below the one asked for.

Source: the closed system is classical (Saad and Solla 1995); for this student the notes have the
flow of an aligned pair. The rest is ours.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import DOP853
from torch import Tensor

from plateaus.emergence.model import Student, Teacher
from plateaus.emergence.population import (
    Learner,
    Loss,
    population_gradient,
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
            never did. A loss without a minimum drives norms to infinity in finite time.
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

    Returns:
        The record.

    Raises:
        ValueError: an argument is not valid, V has replicates, or the data has a covariance, for
            which overlaps are not closed.
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
    shape, device = V.shape, V.device

    def velocity(_: float, y: NDArray[np.float64]) -> Any:
        V = torch.from_numpy(y).view(shape).to(device)
        if not bool(V.isfinite().all()):
            return np.full_like(y, math.nan)
        if learner == "spherical":  # trial points of a step are off the sphere a little
            V = V / V.norm(dim=-1, keepdim=True)
        gradient = population_gradient(span, Student(V), loss=loss, learner=learner)
        return -gradient.reshape(-1).cpu().numpy()

    seen = torch.full((len(at), *shape), math.nan, dtype=torch.float64)
    seen[at == 0] = V.cpu()
    last, reached, failed = V.cpu(), 0.0, math.inf
    with np.errstate(all="ignore"):
        solver = DOP853(
            velocity,
            0.0,
            V.reshape(-1).cpu().numpy(),
            max(float(at[-1]), 1e-300),
            rtol=max(tolerance * _FINER, 3e-14),
            atol=tolerance * _FINER,
        )
        while solver.status == "running" and reached < at[-1]:
            solver.step()
            if solver.status == "failed" or not np.isfinite(solver.y).all():
                failed = reached
                break
            here = np.flatnonzero((at > reached) & (at <= solver.t))
            if len(here):
                path = solver.dense_output()(at[here])
                seen[here] = torch.from_numpy(path.T.reshape(-1, *shape).copy())
            reached = float(solver.t)
            last = torch.from_numpy(solver.y).view(shape).clone()
            if progress is not None:
                progress(min(reached / float(at[-1]), 1.0))
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
        V=teacher.out_of_span(last) if shape[1] == teacher.d else last,
        failed=failed,
    )


# The solver's tolerance over the one asked for; tests hold the outcome to the latter.
_FINER = 1e-5


def _times(times: ArrayLike | Tensor) -> NDArray[np.float64]:
    at = np.asarray(times, dtype=np.float64)
    if at.ndim != 1 or not at.size or not np.isfinite(at).all() or at[0] < 0:
        raise ValueError(f"times have shape {at.shape}; valid is (times,), of numbers from 0.")
    if (np.diff(at) <= 0).any():
        raise ValueError("times do not increase; valid are increasing numbers from 0.")
    return at

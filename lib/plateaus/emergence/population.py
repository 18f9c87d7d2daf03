r"""Population losses of Part II and their gradients, in closed form.

With s_i = ‖v_i‖² (homogeneous) or 1 (spherical), F(u, w) = E[σ(⟨u, x⟩) σ(⟨w, x⟩)] and unit v̄_i:

    mse           L = ½ E(f* − f)² = ½ Σ_pq a_p a_q F(v*_p, v*_q) − Σ_ip s_i a_p F(v̄_i, v*_p)
                                     + ½ Σ_ij s_i s_j F(v̄_i, v̄_j)
    correlation   L = −E[f* f]     = − Σ_ip s_i a_p F(v̄_i, v*_p)

For isotropic data F(u, w) = Σ_k c_k² ⟨u, w⟩^k (the correlation identity), so that for σ = h_K and
orthonormal directions ½ E(f* − f)² = ½ ‖Σ_p a_p v*_p^{⊗K} − Σ_i s_i v̄_i^{⊗K}‖²_F, and, with
M_ip = ⟨v̄_i, v*_p⟩, Q_ij = ⟨v̄_i, v̄_j⟩, n_i = ‖v_i‖ and α_i = Σ_p a_p M_ip^K − Σ_j n_j² Q_ij^K,

    −∇_{v_i} L = n_i { K [Σ_p a_p M_ip^{K−1} v*_p − Σ_j n_j² Q_ij^{K−1} v̄_j] + (2 − K) α_i v̄_i }.

For x ~ N(0, Σ), with q_u = uᵀΣu and C = uᵀΣw (Mehler's expansion of both rescaled functions):

    F = Σ_k ĉ_k(q_u) ĉ_k(q_w) C^k,   ĉ_k(q) = Σ_i c_{k+2i} √((k+2i)!/k!) / (2^i i!) (q − 1)^i,

and at q = 1 that is the isotropic case. Everything here differentiates F once in q_u and C.
Label noise is not part of these losses: the best student has L = 0 whatever the noise.

Source: the tensor form is that of the notes on Ren, Nichani, Wu and Lee (2025); the rest is ours.
"""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from plateaus.emergence.model import Student, Teacher

Loss = Literal["mse", "correlation"]
Learner = Literal["homogeneous", "spherical"]


def population_loss(
    teacher: Teacher,
    student: Student,
    *,
    loss: Loss = "mse",
    learner: Learner = "homogeneous",
) -> Tensor:
    """½ E(f* − f)², or −E[f* f], in closed form.

    Arguments:
        teacher: f* and the law of x.
        student: V (m, d) or (replicates, m, d).
        loss: "mse" or "correlation".
        learner: which student V stands for: "homogeneous", or "spherical" with rows of norm 1.

    Returns:
        A tensor of shape () or (replicates,), in V's dtype and on its device, through which
        autograd can differentiate.

    Raises:
        ValueError: the dimensions differ, or a name is not valid.
    """
    return _evaluate(teacher, student.V, loss, learner, slopes=False).loss


def population_gradient(
    teacher: Teacher,
    student: Student,
    *,
    loss: Loss = "mse",
    learner: Learner = "homogeneous",
) -> Tensor:
    """∇_V of `population_loss`; for the spherical learner its part tangent to the sphere.

    Arguments and errors as in `population_loss`.

    Returns:
        (m, d) or (replicates, m, d). Gradient descent and flow follow its negative.
    """
    V = student.V
    pairs = _evaluate(teacher, V, loss, learner, slopes=True)
    n: Tensor = V.norm(dim=-1, keepdim=True)
    unit = V / n
    radial = (pairs.towards * unit).sum(dim=-1, keepdim=True)
    tangent = pairs.towards - radial * unit
    if learner == "spherical":
        return -tangent
    # f_i = n_i² σ(⟨v̄_i, x⟩): the norm's share is 2 n_i α_i v̄_i, the direction's n_i² · tangent/n_i.
    return -(2 * pairs.alpha[..., None] * V + n * tangent)


def second_layer(teacher: Teacher, student: Student) -> tuple[Tensor, Tensor]:
    """The best second layer on top of fixed directions: layer-wise training's second phase.

    Minimises ½ E(f*(x) − Σ_i w_i σ(⟨v̄_i, x⟩))² over w, a least-squares problem, solved in float64
    on the CPU (of minimum norm where neurons coincide to about 1e-6, float32's rounding). With
    infinitely many samples no second phase does better.

    Arguments:
        teacher: f* and the law of x.
        student: the directions v̄_i, V (m, d) or (replicates, m, d); norms play no part.

    Returns:
        The weights w, (m,) or (replicates, m), and the loss they reach, () or (replicates,).

    Raises:
        ValueError: the dimensions differ.
    """
    V = student.V.detach().to("cpu", torch.float64)
    _check(teacher, V, "mse", "homogeneous")
    unit = V / V.norm(dim=-1, keepdim=True)
    own, target = _pairs(teacher, unit, slopes=False)
    a = teacher.a.to(unit)
    right = target.F @ a
    w = torch.linalg.lstsq(own.F, right[..., None], rcond=1e-12, driver="gelsd").solution[..., 0]
    reached = _constant(teacher, unit) - (w * right).sum(-1)
    reached = reached + 0.5 * (w * (own.F @ w[..., None])[..., 0]).sum(-1)
    return w.to(student.V), reached.to(student.V)


class _Pairs(NamedTuple):
    """F and what its gradient needs, (…, m, other): dF/dC and dF/dq of the first argument."""

    F: Tensor
    in_C: Tensor
    in_q: Tensor


class _Values(NamedTuple):
    loss: Tensor
    alpha: Tensor  # −dL/ds_i (…, m)
    towards: Tensor  # −dL/dv̄_i over s_i (…, m, d); empty unless asked for


def _evaluate(teacher: Teacher, V: Tensor, loss: str, learner: str, *, slopes: bool) -> _Values:
    _check(teacher, V, loss, learner)
    n = V.norm(dim=-1)
    unit = V / n[..., None]
    s = torch.ones_like(n) if learner == "spherical" else n**2
    a = teacher.a.to(V)
    own, target = _pairs(teacher, unit, slopes=slopes)
    pull = target.F @ a
    push = (own.F @ s[..., None])[..., 0]
    mse = loss == "mse"
    value = -(s * pull).sum(-1)
    if mse:
        value = value + _constant(teacher, V) + 0.5 * (s * push).sum(-1)
    towards = V.new_empty(0)
    if slopes:
        towards = _stretch(teacher, _spread(teacher, target.in_C * a, V.shape[-1]))
        along = 2 * (target.in_q @ a)
        if mse:
            towards = towards - _stretch(teacher, (own.in_C * s[..., None, :]) @ unit)
            along = along - 2 * (own.in_q @ s[..., None])[..., 0]
        towards = towards + along[..., None] * _stretch(teacher, unit)
    return _Values(value, pull - push if mse else pull, towards)


def _spread(teacher: Teacher, weights: Tensor, d: int) -> Tensor:
    """Σ_p weights_ip v*_p, (…, m, P) → (…, m, d)."""
    if teacher.directions is None:
        return torch.nn.functional.pad(weights, (0, d - teacher.P))
    return weights @ teacher.directions.to(weights)


def _stretch(teacher: Teacher, u: Tensor) -> Tensor:
    """Σ u for the rows of u."""
    if teacher.covariance is None:
        return u
    covariance = teacher.covariance.to(u)
    return u * covariance if covariance.ndim == 1 else u @ covariance


def _pairs(teacher: Teacher, unit: Tensor, *, slopes: bool) -> tuple[_Pairs, _Pairs]:
    """F among the neurons (…, m, m), and between neurons and directions (…, m, P)."""
    stretched = _stretch(teacher, unit)
    q = (stretched * unit).sum(-1) if teacher.covariance is not None else None
    own = _pair(teacher, stretched @ unit.mT, q, q, slopes)
    return own, _pair(teacher, teacher.project(stretched), q, _variances(teacher, unit), slopes)


def _variances(teacher: Teacher, like: Tensor) -> Tensor | None:
    """v*_pᵀ Σ v*_p, (P,); None for isotropic data, where they are 1."""
    if teacher.covariance is None:
        return None
    rows = teacher.directions
    if rows is None:
        rows = torch.eye(teacher.P, teacher.d, dtype=torch.float64)
    return (_stretch(teacher, rows) * rows).sum(-1).to(like)


def _constant(teacher: Teacher, like: Tensor) -> Tensor:
    """½ E f*², ()."""
    a = teacher.a.to(like)
    if teacher.covariance is None and teacher.directions is None:
        c = teacher.activation.coefficients
        return 0.5 * (c[0] ** 2 * a.sum() ** 2 + sum(ck**2 for ck in c[1:]) * (a @ a))
    rows = teacher.directions
    if rows is None:
        rows = torch.eye(teacher.P, teacher.d, dtype=torch.float64)
    q = _variances(teacher, rows)
    F = _pair(teacher, _stretch(teacher, rows) @ rows.mT, q, q, False).F
    return (0.5 * teacher.a @ F @ teacher.a).to(like)


def _pair(
    teacher: Teacher, C: Tensor, q: Tensor | None, other: Tensor | None, slopes: bool
) -> _Pairs:
    """F, dF/dC and dF/dq for C (…, m, n), q (…, m) and other (…, n), by Horner's rule in C.

    For isotropic data q and other are None (all 1), and dF/dq counts as 0: it would only move
    neurons along themselves.
    """
    c = teacher.activation.coefficients
    F = in_C = in_q = torch.zeros_like(C)
    for k in range(len(c) - 1, -1, -1):
        weight: Tensor | float = c[k] ** 2
        if q is not None and other is not None:
            first, slope = _rescaled(c, k, q)
            second, _ = _rescaled(c, k, other)
            weight = first[..., :, None] * second[..., None, :]
            if slopes:
                in_q = in_q * C + slope[..., :, None] * second[..., None, :]
        if slopes:
            in_C = in_C * C + F
        F = F * C + weight
    return _Pairs(F, in_C, in_q)


def _rescaled(c: tuple[float, ...], k: int, q: Tensor) -> tuple[Tensor, Tensor]:
    """ĉ_k(q) and its derivative, in the shape of q."""
    value, slope = torch.zeros_like(q), torch.zeros_like(q)
    for i in range((len(c) - 1 - k) // 2, -1, -1):
        factor = math.sqrt(math.perm(k + 2 * i, 2 * i)) / (2**i * math.factorial(i))
        slope = slope * (q - 1) + value
        value = value * (q - 1) + c[k + 2 * i] * factor
    return value, slope


def _check(teacher: Teacher, V: Tensor, loss: str, learner: str) -> None:
    if V.shape[-1] != teacher.d:
        raise ValueError(f"the student has d = {V.shape[-1]}, the teacher d = {teacher.d}.")
    if loss not in ("mse", "correlation"):
        raise ValueError(f"loss is {loss!r}; valid: mse, correlation.")
    if learner not in ("homogeneous", "spherical"):
        raise ValueError(f"learner is {learner!r}; valid: homogeneous, spherical.")
    if learner == "spherical" and not bool(((V.norm(dim=-1) - 1).abs() < 1e-4).all()):
        raise ValueError("the spherical learner needs rows of norm 1; divide V by its norms.")

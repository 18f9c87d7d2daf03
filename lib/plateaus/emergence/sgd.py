r"""Online SGD: one fresh sample x ~ N(0, I_d) a step, on the loss ½(f* − f)² or −f f*.

With r = f*(x) − f(x) ("mse") or r = f*(x) ("correlation"), z_i = ⟨v̄_i, x⟩ and n_i = ‖v_i‖:

    homogeneous   v_i ← (1 + η r (2σ(z_i) − z_i σ′(z_i))) v_i + η r n_i σ′(z_i) x
    spherical     v_i ← v_i + η r σ′(z_i) (x − z_i v_i),  then  v_i ← v_i/‖v_i‖

The spherical step with the correlation loss and one neuron is that of chapter *One direction*.
The closed forms of the population loss are sums over the Hermite coefficients of σ, with
s_i = n_i² (homogeneous) or 1 (spherical), M_ip = v̄_i·v*_p and Q_ij = v̄_i·v̄_j:

    mse           ½ Σ_{p,q} a_p a_q Σ_k c_k² δ_pq^k − Σ_{i,p} s_i a_p Σ_k c_k² M_ip^k
                  + ½ Σ_{i,j} s_i s_j Σ_k c_k² Q_ij^k
    correlation   − Σ_{i,p} s_i a_p Σ_k c_k² M_ip^k

Replicate r reads its samples from a stream of its own, in chunks whose size depends on d alone.
So its samples do not depend on how many replicates, steps, records or threads there are.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from plateaus.emergence._kernel import FAILED, HIT, RUNNING, advance
from plateaus.emergence.model import Student, Teacher, _generator

# Numbers a chunk of samples holds, about: it stays in a core's cache.
_NUMBERS = 2**16


@dataclass(frozen=True, eq=False)
class SGDRun:
    """What `online_sgd` saw. After a replicate has stopped, its records are nan.

    Attributes:
        steps: (records,), how many steps had been taken.
        overlaps: (records, replicates, m, P), M_ip = v̄_i·v*_p.
        norms: (records, replicates, m), ‖v_i‖.
        loss: (records, replicates), the population loss in closed form.
        V: (replicates, m, d), the weights where each replicate stopped.
        hits: (replicates, P), the first step at which some neuron has |M_ip| ≥ `until`; inf where
            that did not happen within the budget (such a time is censored, not infinite), or
            where the replicate failed before (see `failed`); None if `until` was not given.
        failed: (replicates,), the first step that gave a number that is not finite; inf for none.
    """

    steps: Tensor
    overlaps: Tensor = field(repr=False)
    norms: Tensor = field(repr=False)
    loss: Tensor = field(repr=False)
    V: Tensor = field(repr=False)
    hits: Tensor | None = field(repr=False)
    failed: Tensor = field(repr=False)


def online_sgd(
    teacher: Teacher,
    student: Student,
    *,
    eta: float,
    steps: int,
    method: Literal["direct"] = "direct",
    loss: Literal["mse", "correlation"] = "mse",
    learner: Literal["homogeneous", "spherical"] = "homogeneous",
    replicates: int = 1,
    record_at: Sequence[int] | None = None,
    until: float | None = None,
    samples: Tensor | None = None,
    seed: int,
) -> SGDRun:
    """Train by online SGD with batch size 1, in the student's dtype and on its device.

    On the CPU a compiled loop runs, on other devices the same steps in PyTorch. Same seed, same
    machine: same bits, whatever the number of threads. Across machines and devices, results agree
    up to rounding on given `samples`.

    Arguments:
        teacher: f*.
        student: the start. V (replicates, m, d) gives each replicate its own; from V (m, d), all
            `replicates` start at the same point.
        eta: the step size η, positive.
        steps: the budget, in steps.
        method: "direct", the textbook loop.
        loss: "mse" for ½(f* − f)², "correlation" for −f f*.
        learner: "homogeneous" or "spherical"; the latter needs rows of unit norm.
        replicates: independent runs; leave it at 1 where V has its own axis for them.
        record_at: the numbers of steps after which to record, increasing; None: 0 and `steps`.
        until: stop a replicate once every teacher direction p has some |M_ip| ≥ until.
        samples: (steps, replicates, d), used instead of fresh ones.
        seed: an integer from 0.

    Returns:
        The record. A replicate whose numbers overflow stops there, and the others go on.

    Raises:
        ValueError: an argument is not valid; the sentence says which, and what would be.
        FloatingPointError: every replicate came to a number that is not finite.

    Source: the spherical step is that of the slides (Nichani, 2025), chapter *One direction*; the
    homogeneous one is the gradient for the student of Ren, Nichani, Wu and Lee (2025).
    """
    _check_recipe(eta, steps, method, loss, learner, record_at, until)
    V = _starts(student, teacher, replicates, spherical=learner == "spherical")
    _check_samples(samples, V, steps)
    _generator(seed)  # a bad seed stops here, also where samples are given
    recipe = _Recipe(
        eta=eta,
        steps=steps,
        marks=tuple(record_at) if record_at is not None else (0, steps)[: 1 + (steps > 0)],
        correlation=loss == "correlation",
        spherical=learner == "spherical",
        until=math.inf if until is None else until,
    )
    seen = _Seen.nothing(len(recipe.marks), V, P=len(teacher.a))
    streams = [_stream(V, seed, r, samples) for r in range(len(V))]
    loop = _compiled_loop if V.device.type == "cpu" else _torch_loop
    loop(teacher, V, recipe, streams, seen)
    if bool(seen.failed.isfinite().all()):
        raise FloatingPointError(
            f"all {len(V)} replicates came to a number that is not finite, the first at step "
            f"{int(seen.failed.min())}, with eta = {eta}; a smaller eta keeps them finite."
        )
    return SGDRun(
        steps=torch.tensor(recipe.marks),
        overlaps=seen.overlaps,
        norms=seen.norms,
        loss=_population_loss(teacher, recipe, seen),
        V=V,
        hits=None if until is None else seen.hits,
        failed=seen.failed,
    )


@dataclass(frozen=True)
class _Recipe:
    eta: float
    steps: int
    marks: tuple[int, ...]
    correlation: bool
    spherical: bool
    until: float


@dataclass(frozen=True, eq=False)
class _Seen:
    """The records that a loop fills in; shapes as in `SGDRun`, `gram` is Q (records, R, m, m)."""

    overlaps: Tensor
    norms: Tensor
    gram: Tensor
    hits: Tensor
    failed: Tensor

    @classmethod
    def nothing(cls, records: int, V: Tensor, P: int) -> "_Seen":
        R, m, _ = V.shape
        never = torch.full((R, P), math.inf, dtype=torch.float64, device=V.device)
        return cls(
            overlaps=V.new_full((records, R, m, P), math.nan),
            norms=V.new_full((records, R, m), math.nan),
            gram=V.new_full((records, R, m, m), math.nan),
            hits=never,
            failed=never[:, 0].clone(),
        )

    def record(self, mark: int, V: Tensor, r: slice, where: Tensor | None = None) -> None:
        """Write down the replicates `r`, V (len(r), m, d); only those of `where`, if given."""
        n = V.norm(dim=-1)
        unit = V / n[..., None]
        for kept, now in (
            (self.overlaps, unit[..., : self.overlaps.shape[-1]]),
            (self.norms, n),
            (self.gram, unit @ unit.mT),
        ):
            if where is None:
                kept[mark, r] = now
            else:
                kept[mark, where] = now[where]


def _stream(V: Tensor, seed: int, r: int, samples: Tensor | None) -> Iterator[Tensor]:
    """The samples of replicate r, (rows, d) at a time, in the dtype and on the device of V."""
    if samples is not None:
        yield samples[:, r]
        return
    d = V.shape[-1]
    generator = _generator(seed, 1, r, device=V.device)
    while True:
        x = torch.empty(math.ceil(_NUMBERS / d), d, dtype=V.dtype, device=V.device)
        yield x.normal_(generator=generator)


def _hit(V: Tensor, P: int, until: float) -> Tensor:
    """Which directions some neuron reaches: V (R, m, d) → (R, P)."""
    reached: Tensor = V[..., :P].abs() >= until * V.norm(dim=-1, keepdim=True)
    return reached.any(dim=-2)


def _torch_loop(
    teacher: Teacher, V: Tensor, recipe: _Recipe, streams: list[Iterator[Tensor]], seen: _Seen
) -> None:
    """All replicates side by side, V (R, m, d) in place: the reference, on any device."""
    sigma, P = teacher.activation, len(teacher.a)
    seen.hits[_hit(V, P, recipe.until)] = 0.0
    running = ~seen.hits.isfinite().all(dim=-1)
    everyone = slice(0, len(V))
    marks = {step: mark for mark, step in enumerate(recipe.marks)}
    if 0 in marks:
        seen.record(marks[0], V, everyone)
    done = 0
    while done < recipe.steps and bool(running.any()):
        for x in torch.stack([next(stream) for stream in streams], dim=1)[: recipe.steps - done]:
            n = V.norm(dim=-1)  # (R, m)
            z = (V @ x[..., None])[..., 0] / n
            scale = torch.ones_like(n) if recipe.spherical else n
            value, slope = sigma(z), sigma.derivative(z)
            r = teacher(x)[:, None]
            if not recipe.correlation:
                r = r - (scale**2 * value).sum(dim=-1, keepdim=True)
            b = recipe.eta * r * scale * slope
            if recipe.spherical:
                new = V - (z * b)[..., None] * V + b[..., None] * x[:, None]
                new = new / new.norm(dim=-1, keepdim=True)
            else:
                A = 1 + recipe.eta * r * (2 * value - z * slope)
                new = A[..., None] * V + b[..., None] * x[:, None]
            V[running] = new[running]
            done += 1
            length = V.norm(dim=-1)
            failed = running & ~(r[:, 0].isfinite() & ((length > 0) & length.isfinite()).all(-1))
            seen.failed[failed] = float(done)
            running = running & ~failed
            seen.hits[_hit(V, P, recipe.until) & running[:, None] & seen.hits.isinf()] = done
            if done in marks:
                seen.record(marks[done], V, everyone, where=running)
            running = running & ~seen.hits.isfinite().all(dim=-1)


def _compiled_loop(
    teacher: Teacher, V: Tensor, recipe: _Recipe, streams: list[Iterator[Tensor]], seen: _Seen
) -> None:
    """One replicate after the other, V (R, m, d) in place, as many at once as PyTorch has threads.

    A replicate touches nothing that another one reads, so results do not depend on the threads.
    """
    a = teacher.a.cpu().numpy()
    c = np.array(teacher.activation.coefficients)
    seen.hits[_hit(V, len(a), recipe.until)] = 0.0
    ends = sorted({*recipe.marks, recipe.steps})
    marks = {step: mark for mark, step in enumerate(recipe.marks)}

    def replicate(r: int) -> None:
        one = slice(r, r + 1)
        if 0 in marks:
            seen.record(marks[0], V[one], one)
        if bool(seen.hits[r].isfinite().all()):
            return
        v, hits = V[r].numpy(), seen.hits[r].numpy()
        n = V[r].double().norm(dim=-1).numpy()
        done, status = 0, RUNNING
        x = np.empty((0, v.shape[1]), v.dtype)
        for end in ends:
            while done < end:
                if not len(x):
                    x = next(streams[r]).numpy()
                taken, status = advance(
                    v, n, x[: end - done], a, c, recipe.eta,
                    recipe.correlation, recipe.spherical, recipe.until, done, hits,
                )  # fmt: skip
                done, x = done + taken, x[taken:]
                if status != RUNNING:
                    break
            if status == FAILED:
                seen.failed[r] = float(done)
                return
            if done in marks and done > 0:
                seen.record(marks[done], V[one], one)
            if status == HIT:
                return

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        list(threads.map(replicate, range(len(V))))


def _population_loss(teacher: Teacher, recipe: _Recipe, seen: _Seen) -> Tensor:
    """The closed form of the module's docstring, (records, R)."""
    a = teacher.a.to(seen.norms)
    s = torch.ones_like(seen.norms) if recipe.spherical else seen.norms**2
    total = torch.zeros_like(s[..., 0])
    for k, c in enumerate(teacher.activation.coefficients):
        if not c:
            continue
        total = total - c**2 * torch.einsum("tri,trip,p->tr", s, seen.overlaps**k, a)
        if not recipe.correlation:
            total = total + 0.5 * c**2 * torch.einsum("tri,trij,trj->tr", s, seen.gram**k, s)
            total = total + 0.5 * c**2 * (a @ torch.eye(len(a)).to(a) ** k @ a)
    return total


def _check_recipe(
    eta: float,
    steps: int,
    method: str,
    loss: str,
    learner: str,
    record_at: Sequence[int] | None,
    until: float | None,
) -> None:
    if not (math.isfinite(eta) and eta > 0):
        raise ValueError(f"eta is {eta}; valid are finite positive numbers.")
    if not isinstance(steps, int) or steps < 0:
        raise ValueError(f"steps is {steps!r}; valid are integers from 0.")
    for name, given, valid in (
        ("method", method, ("direct",)),
        ("loss", loss, ("mse", "correlation")),
        ("learner", learner, ("homogeneous", "spherical")),
    ):
        if given not in valid:
            raise ValueError(f"{name} is {given!r}; valid: {', '.join(valid)}.")
    if record_at is not None:
        marks = list(record_at)
        if marks != sorted(set(marks)) or (marks and not 0 <= marks[0] <= marks[-1] <= steps):
            raise ValueError(
                f"record_at is {marks}; valid are increasing numbers of steps from 0 to {steps}."
            )
    if until is not None and not 0 < until <= 1:
        raise ValueError(f"until is {until}; valid are overlaps above 0, up to 1.")


def _starts(student: Student, teacher: Teacher, replicates: int, *, spherical: bool) -> Tensor:
    """A copy of the starts, (R, m, d)."""
    V = student.V
    if V.shape[-1] != teacher.d:
        raise ValueError(f"the student has d = {V.shape[-1]}, the teacher d = {teacher.d}.")
    if not isinstance(replicates, int) or replicates < 1:
        raise ValueError(f"replicates is {replicates!r}; valid are integers from 1.")
    if V.ndim == 3 and replicates not in (1, len(V)):
        raise ValueError(
            f"replicates is {replicates}, but V has {len(V)} starts; leave replicates out."
        )
    V = V.clone() if V.ndim == 3 else V.repeat(replicates, 1, 1)
    if spherical and not bool(((V.norm(dim=-1) - 1).abs() < 1e-4).all()):
        raise ValueError("the spherical learner needs rows of norm 1; divide V by its norms.")
    return V.contiguous()


def _check_samples(samples: Tensor | None, V: Tensor, steps: int) -> None:
    if samples is None:
        return
    shape = (steps, len(V), V.shape[-1])
    if tuple(samples.shape) != shape:
        raise ValueError(f"samples have shape {tuple(samples.shape)}; valid is {shape}.")
    if samples.dtype != V.dtype or samples.device != V.device:
        raise ValueError(
            f"samples are {samples.dtype} on {samples.device}; valid is the student's "
            f"{V.dtype} on {V.device}."
        )

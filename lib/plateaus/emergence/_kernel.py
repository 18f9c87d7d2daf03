r"""The loops of `online_sgd`, compiled for the CPU.

A step sees λ_s = V x_s for its B samples, their labels y_s and n_i = ‖v_i‖. With z_si = λ_si/n_i,
r_s = y_s − Σ_i n_i² σ(z_si) (loss "mse") or r_s = y_s ("correlation"), V ← A∘V + Σ_s b_s x_sᵀ and

    homogeneous   A_i = 1 + (η/B) Σ_s r_s (2σ(z_si) − z_si σ′(z_si)),  b_si = (η/B) r_s n_i σ′(z_si)
    spherical     A_i = 1 − Σ_s z_si b_si,                            b_si = (η/B) r_s σ′(z_si)

where the spherical learner, whose n_i are 1, then divides by its norms. `direct` takes
the steps on V itself, `sequence` on the projections of a block, `_reduced` on the coordinates in
the span of teacher and student. The torch loops in `sgd` are the reference that the tests hold
these against.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from plateaus._compiled import compiled

Array = NDArray[Any]

RUNNING, HIT, FAILED = 0, 1, 2

# Replicates that method `reduced` advances side by side, where there are many.
LANES = 32

# Steps after which `reduced` computes norms from the coordinates again.
_AFRESH = 64


def series(coefficients: Sequence[float], dtype: DTypeLike) -> Array:
    """What `sigma` reads of σ = Σ_k c_k h_k: c_k, c_k √k, 1/√k and √((k − 1)/k), (4, K+1)."""
    c, k = np.asarray(coefficients), np.arange(len(coefficients))
    j = np.maximum(k, 1)
    return np.stack([c, c * np.sqrt(k), 1 / np.sqrt(j), np.sqrt((j - 1) / j)]).astype(dtype)


@compiled
def sigma(z: Array, c: Array, value: Array, slope: Array, previous: Array, h: Array) -> None:
    """σ(z) and σ′(z), elementwise, c as in `series`; `previous`, `h`: room for h_{k−1}, h_k."""
    for i in range(z.size):
        value[i], slope[i], previous[i], h[i] = c[0, 0], 0, 0, 1
    for k in range(1, c.shape[1]):
        weight, slopes, up, down = c[0, k], c[1, k], c[2, k], c[3, k]
        for i in range(z.size):
            following = up * z[i] * h[i] - down * previous[i]
            previous[i], h[i] = h[i], following
        if weight != 0:
            for i in range(z.size):
                value[i] += weight * h[i]
                slope[i] += slopes * previous[i]


@compiled
def labels(projections: Array, a: Array, c: Array, y: Array) -> None:
    """y_s ← Σ_p a_p σ(⟨v*_p, x_s⟩) from the projections (S, P), in their dtype."""
    S, P = projections.shape
    rows = max(1, 256 // P)  # at a time, so that few skills fill the registers too
    z, value = np.zeros(rows * P, a.dtype), np.empty(rows * P, a.dtype)
    slope, previous, h = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    for first in range(0, S, rows):
        count = min(rows, S - first)
        for s in range(count):
            for p in range(P):
                z[s * P + p] = projections[first + s, p]
        sigma(z, c, value, slope, previous, h)
        for s in range(count):
            total = a[0] * value[s * P]
            for p in range(1, P):
                total += a[p] * value[s * P + p]
            y[first + s] = total


@compiled
def reaches(overlaps: Array, n: Array, until: float, step: int, hits: Array) -> bool:
    """Write `step` for the directions first reached now; overlaps (m, P) are VV*ᵀ. All reached?"""
    done = True
    for p in range(hits.size):
        if hits[p] == np.inf:
            for i in range(n.size):
                if abs(overlaps[i, p]) >= until * n[i]:
                    hits[p] = step
                    break
            else:
                done = False
    return done


@compiled
def direct(
    V: Array,
    n: Array,
    X: Array,
    y: Array,
    eta: Array,
    c: Array,
    directions: Array,
    correlation: bool,
    spherical: bool,
    until: float,
    step: int,
    hits: Array,
) -> tuple[int, int]:
    """Take one step of batch 1 for each row of X (S, d), in place, until all directions are hit.

    V (m, d), its norms n (m,), and hits (P,) are updated; `step` steps were taken before. Without
    directions (0, d), they are the first axes. Returns how many steps are taken now, the last one
    included, and a status.
    """
    m, d = V.shape
    z, value, slope = np.empty_like(V[:, 0]), np.empty_like(V[:, 0]), np.empty_like(V[:, 0])
    previous, h = np.empty_like(z), np.empty_like(z)
    P = hits.size
    overlaps = np.zeros((m, P))
    for s in range(X.shape[0]):
        x = X[s]
        for i in range(m):
            v = V[i]
            dot = v[0] * x[0]
            for j in range(1, d):
                dot += v[j] * x[j]
            z[i] = dot / n[i]
        sigma(z, c, value, slope, previous, h)
        r = float(y[s])
        if not correlation:
            for i in range(m):
                r -= n[i] * n[i] * value[i]
        finite = math.isfinite(r)
        for i in range(m):
            b = eta[s] * r * slope[i]
            A = 1.0 - z[i] * b
            if not spherical:
                b *= n[i]
                A = 1.0 + eta[s] * r * (2 * value[i] - z[i] * slope[i])
            v = V[i]
            Ai, bi = v.dtype.type(A), v.dtype.type(b)
            square = Ai - Ai
            for j in range(d):
                v[j] = Ai * v[j] + bi * x[j]
                square += v[j] * v[j]
            n[i] = math.sqrt(square)
            finite = finite and math.isfinite(n[i]) and n[i] > 0.0
            if spherical and finite:
                scale = v.dtype.type(1.0 / n[i])
                for j in range(d):
                    v[j] *= scale
                n[i] = 1.0
        if not finite:
            return s + 1, FAILED
        if until < np.inf:
            if directions.shape[0] == 0:
                if reaches(V, n, until, step + s + 1, hits):
                    return s + 1, HIT
            else:
                for i in range(m):
                    for p in range(P):
                        overlaps[i, p] = 0.0
                        for j in range(d):
                            overlaps[i, p] += V[i, j] * directions[p, j]
                if reaches(overlaps, n, until, step + s + 1, hits):
                    return s + 1, HIT
    return X.shape[0], RUNNING


@compiled
def direct_all(
    V: Array,
    n: Array,
    X: Array,
    y: Array,
    eta: Array,
    c: Array,
    directions: Array,
    correlation: bool,
    spherical: bool,
    until: float,
    step: int,
    hits: Array,
    status: Array,
    taken: Array,
) -> None:
    """`direct` for each replicate whose `status` (G,) is RUNNING; writes that and `taken` (G,)."""
    for g in range(V.shape[0]):
        if status[g] == RUNNING:
            taken[g], status[g] = direct(
                V[g], n[g], X[g], y[g], eta[g], c, directions,
                correlation, spherical, until, step, hits[g],
            )  # fmt: skip


@compiled
def sequence(
    projections: Array,
    gram: Array,
    y: Array,
    square: Array,
    eta: Array,
    batch: int,
    c: Array,
    correlation: bool,
    spherical: bool,
    overlaps: Array,
    targets: Array,
    until: float,
    step: int,
    hits: Array,
    decay: Array,
    weights: Array,
) -> tuple[int, int]:
    """Take the steps of one block, of one replicate, on the projections: `sgd._sequence`.

    Λ `projections` (T·batch, m), overwritten; X Xᵀ `gram`; the labels y; `square` (m,), ‖v_i‖² in
    float64; eta (T,); VV*ᵀ `overlaps` (m, P), `targets` (T·batch, P) and `hits` (P,), kept up to
    date if `until` is finite. A single step leaves norms and hits to its caller. Writes `decay`
    (m,) and `weights` (T·batch, m), 1 and 0 if a step fails; returns how many steps are taken, the
    last one included, and a status.
    """
    S, m = projections.shape
    T = S // batch
    kind = projections.dtype.type
    A = np.ones((T, m), projections.dtype)
    n, z, value = np.empty_like(decay), np.empty_like(decay), np.empty_like(decay)
    slope, previous, h = np.empty_like(decay), np.empty_like(decay), np.empty_like(decay)
    scale = np.empty_like(decay)
    largest = np.finfo(projections.dtype).max
    taken, status = T, RUNNING
    for t in range(T):
        rate = kind(eta[t] / batch)
        for i in range(m):
            n[i] = kind(math.sqrt(square[i]))
        for s in range(t * batch, (t + 1) * batch):
            row, b = projections[s], weights[s]
            for i in range(m):
                z[i] = row[i] / n[i]
            sigma(z, c, value, slope, previous, h)
            r = y[s]
            if not correlation:
                total = n[0] * n[0] * value[0]
                for i in range(1, m):
                    total += n[i] * n[i] * value[i]
                r -= total
            if not math.isfinite(r):
                weights[:] = 0
                return t + 1, FAILED
            r *= rate
            if spherical:
                for i in range(m):
                    b[i] = r * slope[i]
                    A[t, i] -= z[i] * b[i]
            else:
                for i in range(m):
                    b[i] = r * n[i] * slope[i]
                    A[t, i] += r * (2 * value[i] - z[i] * slope[i])
        if T == 1:
            break
        for i in range(m):
            square[i] *= float(A[t, i]) ** 2
        for s in range(t * batch, (t + 1) * batch):
            row, b = projections[s], weights[s]
            for i in range(m):
                square[i] += 2.0 * float(A[t, i]) * b[i] * row[i]
            for u in range(t * batch, (t + 1) * batch):
                k = gram[s, u]
                for i in range(m):
                    square[i] += float(b[i]) * weights[u, i] * k
        finite = True
        for i in range(m):
            finite = finite and 0.0 < square[i] <= largest
        if not finite:
            weights[:] = 0
            return t + 1, FAILED
        if spherical:
            for i in range(m):
                scale[i] = kind(1.0 / math.sqrt(square[i]))
                A[t, i] *= scale[i]
                square[i] = 1.0
            for s in range(t * batch, (t + 1) * batch):
                for i in range(m):
                    weights[s, i] *= scale[i]
        for u in range((t + 1) * batch, S):
            row = projections[u]
            for i in range(m):
                row[i] *= A[t, i]
            for s in range(t * batch, (t + 1) * batch):
                k, b = gram[u, s], weights[s]
                for i in range(m):
                    row[i] += k * b[i]
        if until < np.inf:
            for i in range(m):
                for p in range(hits.size):
                    overlaps[i, p] *= A[t, i]
                    for s in range(t * batch, (t + 1) * batch):
                        overlaps[i, p] += weights[s, i] * targets[s, p]
                n[i] = math.sqrt(square[i])
            if reaches(overlaps, n, until, step + t + 1, hits):
                taken, status = t + 1, HIT
                break
    for i in range(m):
        decay[i] = 1
    for t in range(T - 1, -1, -1):
        for s in range(t * batch, (t + 1) * batch):
            for i in range(m):
                weights[s, i] = weights[s, i] * decay[i] if t < taken else 0
        if t < taken:
            for i in range(m):
                decay[i] *= A[t, i]
    return taken, status


@compiled
def sequence_all(
    projections: Array,
    gram: Array,
    y: Array,
    square: Array,
    eta: Array,
    batch: int,
    c: Array,
    correlation: bool,
    spherical: bool,
    overlaps: Array,
    targets: Array,
    until: float,
    step: int,
    hits: Array,
    decay: Array,
    weights: Array,
    status: Array,
    taken: Array,
) -> None:
    """`sequence` for each replicate whose `status` (G,) is RUNNING; writes that and `taken`."""
    for g in range(status.size):
        if status[g] == RUNNING:
            taken[g], status[g] = sequence(
                projections[g], gram[g], y[g], square[g], eta[g], batch, c, correlation,
                spherical, overlaps[g], targets[g], until, step, hits[g], decay[g], weights[g],
            )  # fmt: skip


def _reduced(single: bool) -> Any:
    """The loop of method `reduced`, for one lane or for as many as its arrays have.

    A lane is a replicate. With one lane the vector registers run over neurons, else over lanes.
    """

    @compiled
    def rotate(U: Array, j: int, cosine: Array, sine: Array, first: int) -> None:
        """Rows j and j+1 of U (·, m, lanes), from column `first`, by an angle for each lane."""
        upper, lower = U[j], U[j + 1]
        lanes = 1 if single else cosine.size
        for i in range(first, U.shape[1]):
            for lane in range(lanes):
                u, w = upper[i, lane], lower[i, lane]
                upper[i, lane] = cosine[lane] * u + sine[lane] * w
                lower[i, lane] = cosine[lane] * w - sine[lane] * u

    @compiled
    def squares(R: Array, U: Array, square: Array) -> None:
        """‖v_i‖² (m, lanes)."""
        lanes = 1 if single else square.shape[1]
        for i in range(square.shape[0]):
            for lane in range(lanes):
                square[i, lane] = 0
            for p in range(R.shape[1]):
                for lane in range(lanes):
                    square[i, lane] += R[i, p, lane] * R[i, p, lane]
            for j in range(i + 1):
                for lane in range(lanes):
                    square[i, lane] += U[j, i, lane] * U[j, i, lane]

    @compiled
    def angle(u: Array, w: Array, cosine: Array, sine: Array) -> None:
        """The rotation that turns (u, w) into (√(u² + w²), 0), which u becomes, for each lane."""
        lanes = 1 if single else u.size
        for lane in range(lanes):
            length = math.sqrt(u[lane] * u[lane] + w[lane] * w[lane])
            scale = 1 / length if length > 0 else u[lane] - u[lane]
            cosine[lane] = u[lane] * scale if length > 0 else 1
            sine[lane] = w[lane] * scale
            u[lane] = length

    @compiled
    def reduced(
        R: Array,
        U: Array,
        normals: Array,
        chi: Array,
        y: Array,
        targets: Array,
        eta: Array,
        c: Array,
        correlation: bool,
        spherical: bool,
        until: float,
        step: int,
        hits: Array,
        status: Array,
        taken: Array,
    ) -> None:
        """Take one step of batch 1 for each row, in place, on R = VE*ᵀ and U = Lᵀ, in all lanes.

        V = [R | L] in a basis that begins with E*, an orthonormal one of the teacher's directions,
        and goes on with one of what else the neurons span. A sample's coordinates there are λ*
        and w, normals both, and its distance from that span is χ, so

            λ = R λ* + L w,    R ← A∘R + b λ*ᵀ,    L ← [A∘L + b wᵀ | χ b]  (m × (m+1)).

        A rotation of the last m+1 axes makes L m × m and lower triangular again: two sweeps of
        plane rotations, the first turning (w, χ) into a multiple of the first axis. It is allowed
        because the next sample is isotropic around the new span.

        Arguments:
            R: (m, rank, lanes).
            U: (m + 1, m, lanes), upper triangular, last row 0.
            normals: (S, rank + m, lanes), λ* and w.
            chi: (S, lanes), χ, of the chi distribution with d − rank − m degrees of freedom.
            y: (S, lanes), the labels.
            targets: (P, rank), the directions in the basis E*, read if `until` is finite.
            eta: (S, lanes), the step sizes.
            c: (4, K+1), σ as in `series`.
            correlation: the loss, "mse" or "correlation".
            spherical: the learner.
            until: as in `online_sgd`.
            step: steps taken before.
            hits: (lanes, P).
            status: (lanes,); a lane that is not RUNNING stays as it is.
            taken: (lanes,), output: steps taken now, the last one included.
        """
        S = y.shape[0]
        m, rank = R.shape[:2]
        lanes = 1 if single else R.shape[2]
        kind = R.dtype.type
        largest = np.finfo(R.dtype).max
        room = np.empty((5, m, lanes), R.dtype)
        flat = room.reshape((5, m * lanes))
        z, value, slope = room[0], room[1], room[2]
        lam, n, A, b = np.empty_like(z), np.empty_like(z), np.empty_like(z), np.empty_like(z)
        q = np.empty((m + 1, lanes), R.dtype)
        cosine, sine = np.empty(lanes, R.dtype), np.empty(lanes, R.dtype)
        r, length = np.empty(lanes, R.dtype), np.empty(lanes, R.dtype)
        square = np.empty_like(z)  # ‖v_i‖²
        overlaps = np.empty((m, targets.shape[0]))
        for s in range(S):
            if s % _AFRESH == 0:  # before rounding adds up
                squares(R, U, square)
            at, w = normals[s, :rank], normals[s, rank:]
            for lane in range(lanes):
                length[lane] = chi[s, lane] * chi[s, lane]
                r[lane] = y[s, lane]
            for p in range(rank + m):
                for lane in range(lanes):
                    length[lane] += normals[s, p, lane] * normals[s, p, lane]
            for i in range(m):
                for lane in range(lanes):
                    lam[i, lane] = 0
                for p in range(rank):
                    for lane in range(lanes):
                        lam[i, lane] += R[i, p, lane] * at[p, lane]
                for j in range(i + 1):
                    for lane in range(lanes):
                        lam[i, lane] += U[j, i, lane] * w[j, lane]
                for lane in range(lanes):
                    n[i, lane] = math.sqrt(square[i, lane])
                    z[i, lane] = lam[i, lane] / n[i, lane]
            sigma(flat[0], c, flat[1], flat[2], flat[3], flat[4])
            if not correlation:
                for i in range(m):
                    for lane in range(lanes):
                        r[lane] -= square[i, lane] * value[i, lane]
            for lane in range(lanes):
                if status[lane] == RUNNING:
                    taken[lane] = s + 1
                    if not math.isfinite(r[lane]):
                        status[lane] = FAILED
                r[lane] = eta[s, lane] * r[lane] if status[lane] == RUNNING else 0
            for i in range(m):
                for lane in range(lanes):
                    if spherical:
                        b[i, lane] = r[lane] * slope[i, lane]
                        A[i, lane] = 1 - z[i, lane] * b[i, lane]
                    else:
                        b[i, lane] = r[lane] * n[i, lane] * slope[i, lane]
                        A[i, lane] = 1 + r[lane] * (
                            2 * value[i, lane] - z[i, lane] * slope[i, lane]
                        )
                    if status[lane] != RUNNING:
                        A[i, lane], b[i, lane] = 1, 0
                    square[i, lane] = (
                        A[i, lane] * A[i, lane] * square[i, lane]
                        + 2 * A[i, lane] * b[i, lane] * lam[i, lane]
                        + b[i, lane] * b[i, lane] * length[lane]
                    )
            for i in range(m):
                for lane in range(lanes):
                    if status[lane] == RUNNING and not 0 < square[i, lane] <= largest:
                        status[lane] = FAILED
                    if spherical and status[lane] == RUNNING:
                        scale = kind(1 / math.sqrt(square[i, lane]))
                        A[i, lane] *= scale
                        b[i, lane] *= scale
                        square[i, lane] = 1
            for i in range(m):
                for p in range(rank):
                    for lane in range(lanes):
                        R[i, p, lane] = A[i, lane] * R[i, p, lane] + b[i, lane] * at[p, lane]
                for j in range(i + 1):
                    for lane in range(lanes):
                        U[j, i, lane] *= A[i, lane]
            # q = (w, χ); U + q bᵀ is triangular after two sweeps.
            for j in range(m):
                for lane in range(lanes):
                    q[j, lane] = w[j, lane]
            for lane in range(lanes):
                q[m, lane] = chi[s, lane]
            for j in range(m - 1, -1, -1):
                angle(q[j], q[j + 1], cosine, sine)
                rotate(U, j, cosine, sine, j)
            for i in range(m):
                for lane in range(lanes):
                    U[0, i, lane] += q[0, lane] * b[i, lane]
            for j in range(m):
                angle(U[j, j], U[j + 1, j], cosine, sine)
                U[j + 1, j] = 0
                rotate(U, j, cosine, sine, j + 1)
            if until < np.inf:
                for lane in range(lanes):
                    if status[lane] != RUNNING:
                        continue
                    for i in range(m):
                        for p in range(targets.shape[0]):
                            overlaps[i, p] = 0.0
                            for k in range(rank):
                                overlaps[i, p] += R[i, k, lane] * targets[p, k]
                        n[i, lane] = math.sqrt(square[i, lane])
                    if reaches(overlaps, n[:, lane], until, step + s + 1, hits[lane]):
                        status[lane] = HIT

    return reduced


one_reduced, many_reduced = _reduced(single=True), _reduced(single=False)

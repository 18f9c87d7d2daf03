r"""The loop of `online_sgd` for one replicate, compiled for the CPU.

One sample x and one step, with r = f*(x) − f(x) (loss "mse") or f*(x) (loss "correlation"),
n_i = ‖v_i‖, z_i = ⟨v̄_i, x⟩:

    homogeneous   A_i = 1 + η r (2σ(z_i) − z_i σ′(z_i)),  b_i = η r n_i σ′(z_i)
    spherical     A_i = 1 − z_i b_i,                      b_i = η r σ′(z_i)

then v_i ← A_i v_i + b_i x, and for the spherical learner v_i ← v_i/‖v_i‖. The torch loop in `sgd`
is the reference that the tests hold this against.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

Function = TypeVar("Function")
Array = NDArray[Any]

RUNNING, HIT, FAILED = 0, 1, 2

# Sums may be reordered, which lets the compiler use vector instructions; nothing assumes that
# numbers are finite.
# Nothing is cached on the disk: an installed package may be read-only, and one compilation takes
# about two seconds.
_njit: Any = numba.njit
_compiled: Callable[[Function], Function] = _njit(
    nogil=True, fastmath={"reassoc", "contract", "nsz"}
)


@_compiled
def sigma(z: float, c: Array) -> tuple[float, float]:
    """σ(z) and σ′(z)."""
    value, slope = c[0], 0.0
    previous, h = 0.0, 1.0
    for k in range(1, c.size):
        previous, h = h, (z * h - math.sqrt(k - 1.0) * previous) / math.sqrt(k)
        value += c[k] * h
        slope += c[k] * math.sqrt(k) * previous
    return value, slope


@_compiled
def advance(
    V: Array,
    n: Array,
    X: Array,
    a: Array,
    c: Array,
    eta: float,
    correlation: bool,
    spherical: bool,
    until: float,
    step: int,
    hits: Array,
) -> tuple[int, int]:
    """Take one step for each row of X (S, d), in place, until all directions are hit.

    V (m, d) and its norms n (m,), and hits (P,), are updated; `step` steps were taken before.
    Returns how many are taken now, the last one included, and a status.
    """
    m, d = V.shape
    P = a.size
    z, A, b = np.empty(m), np.empty(m), np.empty(m)
    for s in range(X.shape[0]):
        x = X[s]
        r = 0.0
        for p in range(P):
            r += a[p] * sigma(float(x[p]), c)[0]
        for i in range(m):
            v = V[i]
            dot = v[0] * x[0]
            for j in range(1, d):
                dot += v[j] * x[j]
            z[i] = dot / n[i]
            value, slope = sigma(z[i], c)
            A[i], b[i] = value, slope
            if not correlation:
                r -= value * (1.0 if spherical else n[i] * n[i])
        finite = math.isfinite(r)
        for i in range(m):
            value, slope = A[i], b[i]
            b[i] = eta * r * slope * (1.0 if spherical else n[i])
            A[i] = 1.0 - z[i] * b[i] if spherical else 1.0 + eta * r * (2 * value - z[i] * slope)
            v = V[i]
            Ai, bi = v.dtype.type(A[i]), v.dtype.type(b[i])
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
        waiting = False
        for p in range(P):
            if hits[p] == np.inf:
                for i in range(m):
                    if abs(V[i, p]) >= until * n[i]:
                        hits[p] = step + s + 1
                        break
                else:
                    waiting = True
        if not waiting:
            return s + 1, HIT
    return X.shape[0], RUNNING

r"""The teacher and the student of Part II.

    teacher   f*(x) = Σ_{p≤P} a_p σ(⟨v*_p, x⟩),        a_1 ≥ … ≥ a_P ≥ 0,  ‖v*_p‖ = 1
    student   f(x)  = Σ_{i≤m} ‖v_i‖² σ(⟨v̄_i, x⟩),      v̄ = v/‖v‖           (2-homogeneous)
         or   f(x)  = Σ_{i≤m} σ(⟨v_i, x⟩),             ‖v_i‖ = 1           (spherical)
    data      x ~ N(0, Σ),  y = f*(x) + noise·ξ,  ξ ~ N(0, 1);  Σ = I unless said otherwise

With isotropic data, orthonormal v*_p are the first P axes without loss of generality. Which of the
two students a matrix V stands for is the learner's choice (`online_sgd`). A single-index model is
P = m = 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from plateaus.emergence.activation import Activation


@dataclass(frozen=True, eq=False)
class Teacher:
    """f*(x) = Σ_p a_p σ(⟨v*_p, x⟩), the law of x and the noise of the labels.

    All tensors are kept in float64 on the CPU, and cast to the student's dtype and device where
    the two meet.

    Arguments:
        a: (P,), the strengths, sorted: a_1 ≥ … ≥ a_P ≥ 0, not all of them 0.
        d: the dimension of x, at least P.
        activation: σ.
        directions: (P, d), the v*_p as rows of norm 1, at any angles; None for the first P axes.
        covariance: Σ, as (d, d), symmetric positive semidefinite, or as its diagonal (d,); None
            for the identity.
        noise: the standard deviation of the label noise.

    Raises:
        ValueError: a value is out of range or a shape does not fit; the sentence says which.
    """

    a: Tensor = field(repr=False)
    d: int
    activation: Activation
    directions: Tensor | None = field(repr=False)
    covariance: Tensor | None = field(repr=False)
    noise: float

    def __init__(
        self,
        a: Sequence[float] | Tensor,
        *,
        d: int,
        activation: Activation,
        directions: Tensor | None = None,
        covariance: Tensor | None = None,
        noise: float = 0.0,
    ) -> None:
        """Check the fields, and keep them."""
        strengths = torch.as_tensor(a, dtype=torch.float64).detach().cpu()
        if strengths.ndim != 1 or not len(strengths) or not bool(strengths.isfinite().all()):
            raise ValueError(
                f"a has shape {tuple(strengths.shape)}; valid is (P,), P ≥ 1, of finite numbers."
            )
        if bool((strengths < 0).any()):
            raise ValueError(f"a has {float(strengths.min())}; valid are strengths from 0.")
        if bool((strengths.diff() > 0).any()):
            p = int((strengths.diff() > 0).nonzero()[0])
            raise ValueError(
                f"a rises from {strengths[p]:g} to {strengths[p + 1]:g} at p = {p + 2}; valid are "
                "strengths sorted from the greatest to the least."
            )
        if not strengths[0] > 0:
            raise ValueError("a is all 0, which cannot be normalised; valid has a_1 > 0.")
        if not isinstance(d, int) or d < len(strengths):
            raise ValueError(f"d is {d!r}; valid are integers from P = {len(strengths)}.")
        if not 0 <= noise < math.inf:
            raise ValueError(f"noise is {noise}; valid are standard deviations from 0.")
        object.__setattr__(self, "a", strengths)
        object.__setattr__(self, "d", d)
        object.__setattr__(self, "activation", activation)
        object.__setattr__(self, "directions", _directions(directions, len(strengths), d))
        object.__setattr__(self, "covariance", _covariance(covariance, d))
        object.__setattr__(self, "noise", float(noise))

    @classmethod
    def power_law(
        cls, d: int, P: int, beta: float, *, activation: Activation, noise: float = 0.0
    ) -> "Teacher":
        """a_p ∝ p^{−β} with Σ a_p² = 1, on the first P axes.

        Arguments:
            d: dimension of x, at least P.
            P: number of skills.
            beta: β ≥ 0; a scaling law as P → ∞ needs β > 1/2 (`exponents`).
            activation: σ.
            noise: the standard deviation of the label noise.

        Raises:
            ValueError: `P` below 1, β negative or not finite, or as `Teacher`.
        """
        if not isinstance(P, int) or P < 1:
            raise ValueError(f"P is {P!r}; valid are integers from 1.")
        if not 0 <= beta < math.inf:
            raise ValueError(f"beta is {beta}; valid are finite numbers from 0.")
        a = torch.arange(1, P + 1, dtype=torch.float64) ** -beta
        return cls(a / a.norm(), d=d, activation=activation, noise=noise)

    @property
    def P(self) -> int:
        """Number of skills."""
        return len(self.a)

    @property
    def rank(self) -> int:
        """Dimensions that the directions span: P, or fewer where they depend on each other."""
        return self.P if self.directions is None else len(self.basis)

    def __call__(self, x: Tensor) -> Tensor:
        """f*(x) for x (..., d), without label noise: shape (...)."""
        return self.activation(self.project(x)) @ self.a.to(x)

    def project(self, x: Tensor) -> Tensor:
        """⟨v*_p, x⟩ for x (..., d): shape (..., P). For rows of V these are the overlaps VV*ᵀ."""
        if self.directions is None:
            return x[..., : self.P]
        return x @ self.directions.to(x).mT

    def in_span(self, m: int) -> "Teacher":
        """The same teacher in rank + m dimensions: what m neurons and the teacher can span.

        Its first coordinates are those of an orthonormal basis of the teacher's directions (for
        the first P axes, these axes), its last m stand for whatever else the neurons reach.

        Raises:
            ValueError: the data is not isotropic: then no such reduction exists.
        """
        if self.covariance is not None:
            raise ValueError(
                "the data has a covariance; valid is isotropic data, for which only the span of "
                "teacher and student matters."
            )
        within = None
        rank = self.P
        if self.directions is not None:
            basis = self.basis
            rank = len(basis)
            within = torch.nn.functional.pad(self.directions @ basis.mT, (0, max(m, self.P - rank)))
        return Teacher(
            self.a,
            d=max(rank + m, self.P),
            activation=self.activation,
            directions=within,
            noise=self.noise,
        )

    def into_span(self, V: Tensor) -> Tensor:
        """V (…, m, w) in the coordinates of `in_span(m)`: (…, m, width), with the same products.

        The last m columns hold a lower triangular factor of what lies outside of the teacher's
        span. V has d columns, or as many as an earlier result or `Student.on_sphere` with axes =
        P: then they are coordinates in a basis of R^d that begins with `basis`.

        Raises:
            ValueError: V has another width, or the data is not isotropic.
        """
        span = self.in_span(V.shape[-2])
        if V.shape[-1] not in (widths := {span.d, self.P + V.shape[-2], self.d}):
            raise ValueError(
                f"V has {V.shape[-1]} columns; valid are {', '.join(map(str, sorted(widths)))}, "
                f"the last being d."
            )
        rank = span.d - V.shape[-2]
        if V.shape[-1] != self.d or self.directions is None:
            V = torch.nn.functional.pad(V, (0, max(0, span.d - V.shape[-1])))
            within, outside = V[..., :rank], V[..., rank:]
        else:
            E = self.basis.to(V)
            within = torch.nn.functional.pad(V @ E.mT, (0, rank - len(E)))
            outside = V - V @ E.mT @ E
        return torch.cat([within, compress(outside)], dim=-1)

    def out_of_span(self, V: Tensor) -> Tensor:
        """V (…, m, d), in a basis that begins with `basis`, as coordinates of R^d."""
        if self.directions is None:
            return V
        E = self.basis.to(V)
        frame: Tensor = torch.linalg.qr(E.mT, mode="complete").Q.mT
        return V @ torch.cat([E, frame[len(E) :]])

    @property
    def basis(self) -> Tensor:
        """(rank, d), an orthonormal basis of the span of the directions."""
        if self.directions is None:
            return torch.eye(self.P, self.d, dtype=torch.float64)
        _, singular, rows = torch.linalg.svd(self.directions, full_matrices=False)
        basis: Tensor = rows[singular > 1e-10 * singular[0]]
        return basis


def compress(rows: Tensor) -> Tensor:
    """(…, m, w) → lower triangular (…, m, m), diagonal ≥ 0, with the rows' inner products."""
    m, w = rows.shape[-2:]
    if w < m:
        rows = torch.nn.functional.pad(rows, (0, m - w))
    L: Tensor = torch.linalg.qr(rows.mT, mode="r").R.mT
    return torch.where(L.diagonal(dim1=-2, dim2=-1) < 0, -1, 1)[..., None, :] * L


def _directions(given: Tensor | None, P: int, d: int) -> Tensor | None:
    """Rows of norm 1, in float64."""
    if given is None:
        return None
    rows = torch.as_tensor(given, dtype=torch.float64).detach().cpu()
    if rows.shape != (P, d):
        raise ValueError(f"directions have shape {tuple(rows.shape)}; valid is {(P, d)}, (P, d).")
    norms: Tensor = rows.norm(dim=-1)
    if not bool(((norms - 1).abs() < 1e-4).all()):
        worst = float(norms[(norms - 1).abs().argmax()])
        raise ValueError(f"a direction has norm {worst:g}; valid are rows of norm 1.")
    return rows / norms[:, None]


def _covariance(given: Tensor | None, d: int) -> Tensor | None:
    """Variances (d,) or a symmetric positive semidefinite matrix (d, d), in float64."""
    if given is None:
        return None
    covariance = torch.as_tensor(given, dtype=torch.float64).detach().cpu()
    if covariance.shape not in ((d,), (d, d)) or not bool(covariance.isfinite().all()):
        raise ValueError(
            f"the covariance has shape {tuple(covariance.shape)}; valid are finite numbers of "
            f"shape {(d,)} or {(d, d)}."
        )
    if covariance.ndim == 1:
        least, greatest = float(covariance.min()), float(covariance.max())
    else:
        if not torch.allclose(covariance, covariance.T):
            raise ValueError("the covariance is not symmetric; valid are symmetric matrices.")
        eigenvalues = torch.linalg.eigvalsh(covariance)
        least, greatest = float(eigenvalues[0]), float(eigenvalues[-1])
    if least < -1e-12 * greatest or not greatest > 0:
        raise ValueError(
            f"the covariance has eigenvalues from {least:g} to {greatest:g}; valid are numbers "
            "from 0, not all 0."
        )
    return covariance


@dataclass(frozen=True, eq=False)
class Student:
    """The weights of a student, or of several replicates of it.

    Arguments:
        V: (m, d), one row a neuron; or (replicates, m, d), a start for each replicate. Where only
            inner products matter (`flow`, method `reduced`), V may have fewer columns than x: they
            are coordinates in a basis that begins with `Teacher.basis`.

    Raises:
        ValueError: V has another shape, a dtype that is not float32 or float64, a value that is
            not finite, or a zero row (it has no direction).
    """

    V: Tensor

    def __post_init__(self) -> None:
        """Check the fields."""
        if self.V.ndim not in (2, 3) or not self.V.numel():
            raise ValueError(
                f"V has shape {tuple(self.V.shape)}; valid are (m, d) and (replicates, m, d)."
            )
        if self.V.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"V is of {self.V.dtype}; valid are torch.float32 and torch.float64.")
        if not bool(self.V.isfinite().all()):
            raise ValueError("V has a value that is not finite.")
        if not bool(self.V.norm(dim=-1).all()):
            raise ValueError("V has a zero row; a neuron needs a direction.")

    @classmethod
    def on_sphere(
        cls,
        d: int,
        m: int,
        radius: float,
        *,
        seed: int,
        replicates: int | None = None,
        axes: int | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> "Student":
        """Neurons drawn uniformly from the sphere of that radius in R^d, independently.

        With `axes` = P, only what inner products show: V (m, P + m) holds the first P coordinates
        and, for the other d − P, a lower triangular factor of their Gram matrix. It has the law
        of the overlaps, at a cost free of d: a Gaussian matrix is a triangular factor times an
        independent, uniformly random frame (Bartlett 1933), with χ_{d−P−i} on the diagonal.

        Arguments:
            d: dimension.
            m: neurons.
            radius: ‖v_i‖; 1 for the spherical learner.
            seed: an integer from 0; independent of the samples that `online_sgd` draws from it.
            replicates: None for V (m, d), a number for V (replicates, m, d).
            axes: None for V with d columns, P for V with P + m.
            dtype: torch.float32 or torch.float64.
            device: where V is to be; the numbers are the same everywhere.

        Raises:
            ValueError: `d`, `m` or `replicates` below 1, a radius that is not positive,
                axes + m > d, or CUDA asked for where PyTorch sees no GPU.
        """
        shape = (m, d) if replicates is None else (replicates, m, d)
        if min(shape) < 1:
            raise ValueError(f"V would have shape {shape}; valid are positive sizes.")
        if not 0 < radius < math.inf:
            raise ValueError(f"radius is {radius}; valid are positive numbers.")
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype is {dtype}; valid are torch.float32 and torch.float64.")
        if torch.device(device).type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"device is {device}, but PyTorch sees no GPU; valid here is cpu.")
        generator = _generator(seed, 0)
        if axes is not None and (axes < 0 or axes + m > d):
            raise ValueError(f"axes + m = {axes} + {m}; valid are sums up to d = {d}.")
        if axes is None or axes + m == d:  # d columns are always the coordinates of x
            V = torch.randn(shape, generator=generator, dtype=dtype)
        else:
            V = torch.randn((*shape[:-1], axes + m), generator=generator, dtype=dtype)
            V[..., axes:] = V[..., axes:].tril(-1)
            V[..., axes:].diagonal(dim1=-2, dim2=-1)[:] = torch.from_numpy(
                np.sqrt(_numpy_generator(seed, 0).chisquare(d - axes - np.arange(m), shape[:-1]))
            )
        return cls((V * (radius / V.norm(dim=-1, keepdim=True))).to(device))


def _generator(seed: int, *key: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A stream of random numbers for each seed and key, independent of the other keys."""
    state = _sequence(seed, *key).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0] >> np.uint64(1)))


def _numpy_generator(seed: int, *key: int) -> np.random.Generator:
    """The same for χ², which PyTorch does not draw from a generator of one's own."""
    return np.random.Generator(np.random.PCG64DXSM(_sequence(seed, *key).spawn(1)[0]))


def _sequence(seed: int, *key: int) -> np.random.SeedSequence:
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed is {seed!r}; valid are integers from 0.")
    return np.random.SeedSequence(seed, spawn_key=key)

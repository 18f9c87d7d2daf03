r"""Activations as finite Hermite expansions.

    σ(z) = Σ_{k≤K} c_k h_k(z),        E[h_j h_k] = δ_jk  under  z ~ N(0, 1)

Values and derivatives come from the two rules of the orthonormal basis, chapter *Hermite*:

    √(k+1) h_{k+1}(z) = z h_k(z) − √k h_{k−1}(z),        h_k′(z) = √k h_{k−1}(z).
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from plateaus.emergence.hermite import expand


@dataclass(frozen=True)
class Activation:
    """A polynomial σ given by its Hermite coefficients.

    Arguments:
        coefficients: c_0, …, c_K in the orthonormal basis, so that E[σ(z)²] = Σ c_k².

    Raises:
        ValueError: there is no coefficient, or one is not finite.
    """

    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the fields."""
        coefficients = tuple(float(c) for c in self.coefficients)
        if not coefficients or not all(map(math.isfinite, coefficients)):
            raise ValueError(
                f"coefficients are {coefficients}; valid are one or more finite numbers, from c_0."
            )
        object.__setattr__(self, "coefficients", coefficients)

    @classmethod
    def hermite(cls, k: int) -> "Activation":
        """σ = h_k, of unit L² norm.

        Raises:
            ValueError: `k` is not an integer from 0.
        """
        if not isinstance(k, int) or k < 0:
            raise ValueError(f"k is {k!r}; valid are integers from 0.")
        return cls((0.0,) * k + (1.0,))

    @classmethod
    def from_sympy(cls, expr: Any, x: Any, degree: int) -> "Activation":
        """σ = the projection of a SymPy expression in `x` on h_0, …, h_degree.

        The coefficients are exact until they are rounded to floats here. What the expression has
        beyond `degree` is dropped: a ReLU becomes a polynomial.

        Raises:
            ValueError: as `expand`, for an expression or a degree that it refuses.
        """
        return cls(tuple(float(c) for c in expand(expr, x, degree)))

    @property
    def information_exponent(self) -> float:
        """The least k ≥ 1 with c_k ≠ 0, or `inf` for a constant. No tolerance: 1e-17 counts."""
        return next((float(k) for k, c in enumerate(self.coefficients) if k and c), math.inf)

    def __call__(self, z: Tensor) -> Tensor:
        """σ(z), elementwise; any shape, in the dtype and on the device of `z`."""
        return _series(self.coefficients, z)

    def derivative(self, z: Tensor) -> Tensor:
        """σ′(z), elementwise, from h_k′ = √k h_{k−1}."""
        return _series([math.sqrt(k) * c for k, c in enumerate(self.coefficients)][1:], z)


def _series(coefficients: Any, z: Tensor) -> Tensor:
    """Σ_k c_k h_k(z), by the recurrence."""
    total = torch.zeros_like(z)
    previous, h = torch.zeros_like(z), torch.ones_like(z)
    for k, c in enumerate(coefficients):
        total = total + c * h
        previous, h = h, (z * h - math.sqrt(k) * previous) / math.sqrt(k + 1)
    return total

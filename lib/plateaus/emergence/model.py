r"""The teacher and the student of Part II.

    teacher   f*(x) = Σ_{p≤P} a_p σ(⟨v*_p, x⟩),        x ~ N(0, I_d),  v*_p orthonormal
    student   f(x)  = Σ_{i≤m} ‖v_i‖² σ(⟨v̄_i, x⟩),      v̄ = v/‖v‖        (2-homogeneous)
         or   f(x)  = Σ_{i≤m} σ(⟨v_i, x⟩),             ‖v_i‖ = 1         (spherical)

The data is isotropic, so v*_p is the p-th axis without loss of generality. Which of the two
students a matrix V stands for is the learner's choice (`online_sgd`). A single-index model is
P = m = 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from plateaus.emergence.activation import Activation


@dataclass(frozen=True, eq=False)
class Teacher:
    """f*(x) = Σ_p a_p σ(x_p): the p-th direction is the p-th axis of R^d.

    Arguments:
        a: (P,), the strengths; kept as a float64 tensor, and cast to the student's dtype and
            device where the two meet.
        d: the dimension of x, at least P.
        activation: σ.

    Raises:
        ValueError: `a` is empty, has more than one axis or a value that is not finite, or d < P.
    """

    a: Tensor = field(repr=False)
    d: int
    activation: Activation

    def __init__(self, a: Sequence[float] | Tensor, *, d: int, activation: Activation) -> None:
        """Check the fields, and keep them."""
        strengths = torch.as_tensor(a, dtype=torch.float64)
        if strengths.ndim != 1 or not len(strengths) or not bool(strengths.isfinite().all()):
            raise ValueError(
                f"a has shape {tuple(strengths.shape)}; valid is (P,), P ≥ 1, of finite numbers."
            )
        if not isinstance(d, int) or d < len(strengths):
            raise ValueError(f"d is {d!r}; valid are integers from P = {len(strengths)}.")
        object.__setattr__(self, "a", strengths)
        object.__setattr__(self, "d", d)
        object.__setattr__(self, "activation", activation)

    def __call__(self, x: Tensor) -> Tensor:
        """f*(x) for x (..., d): shape (...)."""
        P = len(self.a)
        return self.activation(x[..., :P]) @ self.a.to(x)


@dataclass(frozen=True, eq=False)
class Student:
    """The weights of a student, or of several replicates of it.

    Arguments:
        V: (m, d), one row a neuron; or (replicates, m, d), a start for each replicate.

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
        cls, d: int, m: int, radius: float, *, seed: int, replicates: int | None = None
    ) -> "Student":
        """Neurons drawn uniformly from the sphere of that radius in R^d, independently.

        Arguments:
            d: dimension.
            m: neurons.
            radius: ‖v_i‖; 1 for the spherical learner.
            seed: an integer from 0; independent of the samples that `online_sgd` draws from it.
            replicates: None for V (m, d), a number for V (replicates, m, d).

        Raises:
            ValueError: `d`, `m` or `replicates` below 1, or a radius that is not positive.
        """
        shape = (m, d) if replicates is None else (replicates, m, d)
        if min(shape) < 1:
            raise ValueError(f"V would have shape {shape}; valid are positive sizes.")
        if not 0 < radius < float("inf"):
            raise ValueError(f"radius is {radius}; valid are positive numbers.")
        V = torch.randn(shape, generator=_generator(seed, 0))
        return cls(V * (radius / V.norm(dim=-1, keepdim=True)))


def _generator(seed: int, *key: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A stream of random numbers for each seed and key, independent of the other keys."""
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed is {seed!r}; valid are integers from 0.")
    state = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0] >> np.uint64(1)))

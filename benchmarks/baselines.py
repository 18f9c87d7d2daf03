"""What one would use instead, written as its users write it. `benchmarks` says what each is.

Each function takes the problem and returns a contender whose unit is one step.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import Contender
from plateaus.emergence import Activation, Student, Teacher, population_gradient

BETA, RADIUS, SCALE = 0.8, 0.1, math.sqrt(24)


@dataclass(frozen=True)
class Problem:
    """One size: x in R^d, m neurons, P = m directions, B samples a step."""

    d: int
    m: int
    batch: int = 1

    @property
    def eta(self) -> float:
        """η, so small that the norms hardly move in the steps that are timed."""
        return 5e-3 / self.d

    @property
    def teacher(self) -> Teacher:
        """a_p ∝ p^(−0.8), σ = h₄."""
        return Teacher.power_law(self.d, self.m, BETA, activation=Activation.hermite(4))

    def student(self, axes: int | None = None) -> Student:
        """The start, in float32."""
        return Student.on_sphere(self.d, self.m, RADIUS, seed=0, axes=axes)


def h4(z: Any) -> Any:
    """σ(z), for PyTorch and JAX."""
    square = z * z
    return ((square - 6) * square + 3) / SCALE


def h4_slope(z: Any) -> Any:
    """σ′(z)."""
    return (z * z - 3) * z * (4 / SCALE)


def torch_autograd(problem: Problem) -> Contender:
    """The loop that one writes first."""
    a, eta = problem.teacher.a.float(), problem.eta
    shape = (problem.d,) if problem.batch == 1 else (problem.batch, problem.d)

    def run(steps: int) -> Tensor:
        V = problem.student().V.requires_grad_()
        for _ in range(steps):
            x = torch.randn(shape)
            n = V.norm(dim=1)
            f = h4(x @ V.T / n) @ n**2
            y = h4(x[..., : len(a)]) @ a
            loss = 0.5 * ((y - f) ** 2).mean()
            (gradient,) = torch.autograd.grad(loss, V)
            with torch.no_grad():
                V -= eta * gradient
        return V

    return Contender(run)


def stable_step(teacher: Teacher) -> float:
    """A percent below the largest stable η of gradient descent next to a learned teacher, σ = h₄.

    Norms and directions return there at rates up to 4 a_1, and V ← V − η ∇L needs η < 2/(4 a_1).
    """
    return 0.99 / (2 * float(teacher.a[0]))


def gradient_descent(problem: Problem) -> Contender:
    """Population gradient descent on V, in float64; a unit is one of flow time, η a step."""
    teacher = problem.teacher
    eta = stable_step(teacher)

    def run(units: int) -> Tensor:
        V = problem.student().V.double()
        for _ in range(math.ceil(units / eta)):
            V -= eta * population_gradient(teacher, Student(V))
        return V

    return Contender(run)


def jax_scan(problem: Problem) -> Contender:
    """A scan over keys: a normal vector and `jax.grad` in each step."""
    import jax
    import jax.numpy as jnp

    a, eta = jnp.asarray(problem.teacher.a.float().numpy()), problem.eta
    shape = (problem.d,) if problem.batch == 1 else (problem.batch, problem.d)
    scan_of = 256 if problem.batch == 1 else 8

    def loss(V: Any, x: Any) -> Any:
        n = jnp.linalg.norm(V, axis=1)
        f = h4(x @ V.T / n) @ n**2
        y = h4(x[..., : len(a)]) @ a
        return 0.5 * jnp.mean((y - f) ** 2)

    def step(V: Any, key: Any) -> Any:
        return V - eta * jax.grad(loss)(V, jax.random.normal(key, shape)), None

    @jax.jit
    def steps(V: Any, key: Any) -> Any:
        keys = jax.random.split(key, scan_of + 1)
        return jax.lax.scan(step, V, keys[1:])[0], keys[0]

    return _repeated(problem, steps, scan_of)


def jax_tuned(problem: Problem) -> Contender:
    """Batch 1 in JAX, as fast as we could write it."""
    import jax
    import jax.numpy as jnp

    a, eta = jnp.asarray(problem.teacher.a.float().numpy()), problem.eta
    scan_of = 256

    def step(carry: Any, sample: Any) -> Any:
        V, n_squared = carry
        x, y, x_squared = sample
        λ, n = V @ x, jnp.sqrt(n_squared)
        z = λ / n
        value, slope = h4(z), h4_slope(z)
        r = y - n_squared @ value
        A = 1 + eta * r * (2 * value - z * slope)
        b = eta * r * n * slope
        n_squared = A * A * n_squared + 2 * A * b * λ + b * b * x_squared
        return (A[:, None] * V + b[:, None] * x, n_squared), None

    @jax.jit
    def steps(V: Any, key: Any) -> Any:
        key, drawn = jax.random.split(key)
        X = jax.random.normal(drawn, (scan_of, problem.d))
        samples = X, h4(X[:, : len(a)]) @ a, (X * X).sum(axis=1)
        return jax.lax.scan(step, (V, (V * V).sum(axis=1)), samples)[0][0], key

    return _repeated(problem, steps, scan_of)


def _repeated(problem: Problem, steps: Any, scan_of: int) -> Contender:
    """The compiled scan, called again and again: it takes milliseconds, a call microseconds."""
    import jax

    def run(units: int) -> Any:
        V, key = jax.numpy.asarray(problem.student().V.numpy()), jax.random.key(0)
        for _ in range(units // scan_of):
            V, key = steps(V, key)
        return V.block_until_ready()

    return Contender(run, units=scan_of, grain=scan_of)


def products(problem: Problem) -> Contender:
    """X Vᵀ and bᵀX of a mini-batch, by two threads."""
    X, V = torch.randn(problem.batch, problem.d), problem.student().V
    b, Λ, G = torch.randn(problem.batch, problem.m), torch.empty(0), torch.empty(0)

    def run(batches: int) -> None:
        for _ in range(batches):
            torch.mm(X, V.T, out=Λ)
            torch.mm(b.T, X, out=G)

    return Contender(run)


def normals(problem: Problem, threads: int) -> Contender:
    """The B × d normals of a mini-batch, drawn into memory that stays in a core's cache."""
    rows = problem.batch // threads // 4

    def draw(thread: int, chunks: int) -> None:
        generator, x = torch.Generator().manual_seed(thread), torch.empty(rows, problem.d)
        for _ in range(chunks):
            x.normal_(generator=generator)

    def run(batches: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(draw, range(threads), [4 * batches] * threads))

    return Contender(run)

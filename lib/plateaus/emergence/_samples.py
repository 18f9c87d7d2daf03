r"""What online SGD draws: x ~ N(0, Σ) and the labels y = f*(x) + noise·ξ, block by block.

Replicate r reads from streams of its own, keyed by the seed and r, in chunks whose size depends on
d alone. So its samples do not depend on method, batch, block, records, threads, or on how many
replicates or steps there are. Method `reduced` draws something else, of the same law: the
coordinates of x in the span of teacher and neurons, which are normal, and what lies outside.

Of S samples at once, the parts outside an n-dimensional span are a Gaussian S × (d − n) matrix. It
is T Qᵀ, with T lower triangular, S × min(S, d − n), independent of the uniformly random frame Q:
normals below the diagonal and χ with d − n − s degrees of freedom on it, s = 0, 1, … (Bartlett
1933). So T are coordinates in a basis that nothing else knows of. For S = 1 it is one χ.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from plateaus.emergence import _kernel
from plateaus.emergence.model import Teacher, _generator, _numpy_generator

Item = TypeVar("Item")
Map = Callable[..., Iterator[None]]

# Rows of a chunk, and the numbers that it holds at least and at most: the greater a chunk, the
# fewer calls; the smaller, the less is drawn in vain.
_ROWS, _LEAST, _MOST = 128, 2**16, 2**18


class Block(NamedTuple):
    """Samples of some replicates: X (R, rows, w), targets ⟨v*_p, x⟩ (R, rows, P), y (R, rows)."""

    X: Tensor
    targets: Tensor
    y: Tensor


class Normals:
    """One replicate's normals: rows of a given width, in chunks of a size that the width fixes.

    Chunks come from two streams in turn, so that two threads can draw.
    """

    def __init__(self, seed: int, key: tuple[int, int], width: int, like: Tensor) -> None:
        """Start at the first row, in the dtype and on the device of `like`."""
        self._stream = functools.cache(
            lambda turn: _generator(seed, *key, turn, device=like.device)
        )
        self._rows = chunk(width)
        self._left = like.new_empty(0, width)
        self._turn = 0

    def fill(self, out: Tensor, map: Map = map) -> None:
        """Write the next rows into `out` (rows, width)."""
        have = min(len(out), len(self._left))
        out[:have], self._left = self._left[:have], self._left[have:]
        whole = (len(out) - have) // self._rows * self._rows
        chunks = list(torch.split(out[have : have + whole], self._rows)) if whole else []
        rest = out[have + whole :]
        if len(rest):
            chunks.append(out.new_empty(self._rows, out.shape[1]))

        def draw(turn: int) -> None:
            for chunk in chunks[turn ^ self._turn :: 2]:
                chunk.normal_(generator=self._stream(turn))

        list(map(draw, (0, 1) if len(chunks) > 1 else (self._turn,) * len(chunks)))
        self._turn ^= len(chunks) % 2
        if len(rest):
            rest[:], self._left = chunks[-1][: len(rest)], chunks[-1][len(rest) :]


class Gaussian:
    """Samples x ~ N(0, Σ) in R^d, fresh or given, for replicates `first`, `first` + 1 and so on."""

    def __init__(
        self, teacher: Teacher, V: Tensor, seed: int, samples: Tensor | None, first: int = 0
    ) -> None:
        """For the replicates V (R, m, d); `samples` (rows, R, d) replaces fresh ones."""
        self._teacher, self._samples, self._done = teacher, samples, 0
        self._root = _root(teacher, V)
        keys = range(first, first + len(V))
        self._labels = Labels(teacher, V, seed, first)
        self._streams = [Normals(seed, (1, r), teacher.d, V) for r in keys if samples is None]
        # Two blocks take turns: a new one may be drawn while the one before it is in use.
        self._room, self._other = V.new_empty(0), V.new_empty(0)

    def take(self, rows: int, map: Map = map) -> Block:
        """The next rows of each replicate, good until the next but one; `map`: an executor's."""
        if self._samples is None:
            shape = (len(self._streams), rows, self._teacher.d)
            X = self._other if self._other.shape == shape else self._other.new_empty(shape)
            self._room, self._other = X, self._room
            _fill(self._streams, X, map)
            if self._root is not None:
                X = X * self._root if self._root.ndim == 1 else X @ self._root
        else:
            X = self._samples[self._done : self._done + rows].transpose(0, 1).contiguous()
            self._done += rows
        targets = self._teacher.project(X)
        return Block(X, targets, self._labels.of(targets, map))


class Span:
    """x in the span of teacher and m neurons, and T for what lies outside: method `reduced`."""

    def __init__(self, teacher: Teacher, V: Tensor, seed: int, d: int, first: int = 0) -> None:
        """For a teacher in the span's coordinates (`Teacher.in_span`), and V (R, m, width)."""
        self._teacher, self._like = teacher, V
        self._outside = d - V.shape[-1]
        keys = range(first, first + len(V))
        self._labels = Labels(teacher, V, seed, first)
        self._streams = [Normals(seed, (3, r), V.shape[-1], V) for r in keys]
        self._square = [_numpy_generator(seed, 4, r) for r in keys]
        self._below = [_generator(seed, 5, r, device=V.device) for r in keys]

    def take(self, rows: int, map: Map = map) -> Block:
        """X (R, rows, width + min(rows, d − width))."""
        X = self._like.new_empty(len(self._streams), rows, self._like.shape[-1])
        _fill(self._streams, X, map)
        targets = self._teacher.project(X)
        y = self._labels.of(targets)
        if wide := min(rows, self._outside):
            freedom = self._outside - np.arange(wide)
            diagonal = np.sqrt([generator.chisquare(freedom) for generator in self._square])
            T = X.new_empty(len(X), rows, wide)
            for out, below in zip(T, self._below, strict=True):
                out.normal_(generator=below)
            T = T.tril(-1)
            T.diagonal(dim1=-2, dim2=-1)[:] = torch.from_numpy(diagonal).to(X)
            X = torch.cat([X, T], dim=-1)
        return Block(X, targets, y)

    def singles(self, rows: int) -> tuple[Block, Tensor]:
        """The rows with T left out, and each sample's own distance from the span, (R, rows)."""
        X = self._like.new_empty(len(self._streams), rows, self._like.shape[-1])
        _fill(self._streams, X)
        targets = self._teacher.project(X)
        distance = X.new_zeros(X.shape[:2])
        if self._outside:
            for out, generator in zip(distance, self._square, strict=True):
                out[:] = torch.from_numpy(np.sqrt(generator.chisquare(self._outside, rows)))
        return Block(X, targets, self._labels.of(targets)), distance


class Labels:
    """y = f*(x) + noise·ξ, the noise from a stream of its own."""

    def __init__(self, teacher: Teacher, V: Tensor, seed: int, first: int) -> None:
        """For the replicates V (R, m, w), whose dtype and device y has."""
        self._activation = teacher.activation
        self._noise = teacher.noise
        self._a = teacher.a.to(V)
        self._c = _kernel.series(teacher.activation.coefficients, V[:0].cpu().numpy().dtype)
        self._streams = [
            Normals(seed, (2, r), 1, V) for r in range(first, first + len(V)) if self._noise
        ]

    def of(self, targets: Tensor, map: Map = map) -> Tensor:
        """Labels of samples with the projections (R, rows, P): (R, rows)."""
        if targets.device.type == "cpu":
            y, each = targets.new_empty(targets.shape[:-1]), max(1, _LEAST // targets.shape[-1])

            def some(r: int, first: int) -> None:
                rows = slice(first, first + each)
                _kernel.labels(
                    targets[r, rows].numpy(), self._a.numpy(), self._c, y[r, rows].numpy()
                )

            shares = [*itertools.product(range(len(y)), range(0, targets.shape[1], each))]
            list(map(some, *zip(*shares or [(0, 0)], strict=True)))
        else:
            y = self._activation(targets) @ self._a
        if self._streams:
            noise = y.new_empty(*y.shape, 1)
            for out, stream in zip(noise, self._streams, strict=True):
                stream.fill(out)
            y += self._noise * noise[..., 0]
        return y


def chunk(width: int) -> int:
    """How many rows of a given width a replicate draws at a time."""
    return math.ceil(min(max(_ROWS * width, _LEAST), _MOST) / width)


def _fill(streams: list[Normals], X: Tensor, map: Map = map) -> None:
    """The next rows of each replicate into X (R, rows, width)."""
    if len(streams) == 1:
        streams[0].fill(X[0], map)
    else:
        list(map(Normals.fill, streams, X))


def ahead(blocks: Iterator[Item], executor: Executor) -> Iterator[Item]:
    """The same blocks, each drawn while the one before it is being used."""
    end = object()
    following = executor.submit(next, blocks, end)
    while (block := following.result()) is not end:
        following = executor.submit(next, blocks, end)
        yield block  # type: ignore[misc]


def _root(teacher: Teacher, like: Tensor) -> Tensor | None:
    """Σ^{1/2}, (d,) or (d, d), or None for isotropic data."""
    if teacher.covariance is None:
        return None
    if teacher.covariance.ndim == 1:
        root: Tensor = teacher.covariance.clamp(min=0).sqrt()
    else:
        eigenvalues, Q = torch.linalg.eigh(teacher.covariance)
        root = (Q * eigenvalues.clamp(min=0).sqrt()) @ Q.T
    return root.to(like)

r"""Online SGD: fresh samples x ~ N(0, Σ) at every step, on the loss ½(y − f)² or −y f.

With y = f*(x) + noise·ξ, r = y − f(x) ("mse") or y ("correlation"), z_i = ⟨v̄_i, x⟩, n_i = ‖v_i‖:

    homogeneous   v_i ← (1 + η r (2σ(z_i) − z_i σ′(z_i))) v_i + η r n_i σ′(z_i) x
    spherical     v_i ← v_i + η r σ′(z_i) (x − z_i v_i),  then  v_i ← v_i/‖v_i‖

and with B samples a step the mean of their B increments. Either way a step is

    V ← A∘V + Σ_s b_s x_sᵀ,
    homogeneous   A_i = 1 + (η/B) Σ_s r_s (2σ(z_si) − z_si σ′(z_si)),  b_si = (η/B) r_s n_i σ′(z_si)
    spherical     A_i = 1 − Σ_s z_si b_si,                             b_si = (η/B) r_s σ′(z_si)

known from λ_s = V x_s and the norms. From there the three methods part:

    direct    λ_s = V x_s, and V is stepped: the textbook loop.
    blocked   Over a block of samples X, Λ = X V₀ᵀ and K = X Xᵀ are two matrix products. The steps
              in order touch only rows of Λ (V x_u ← A∘(V x_u) + Σ_s b_s K_su), and V is updated
              once, by one product. The same trajectory on the same samples, up to rounding.
    reduced   x enters only by its products with neurons and directions and by its length. So V is
              kept in a basis of what teacher and neurons span, rank + m coordinates wide, and a
              sample is its coordinates there, which are normal, and its distance χ from that
              span, χ² of the chi-squared law with d − rank − m degrees of freedom:

                  λ = R λ* + L w,   R ← A∘R + b λ*ᵀ,   L ← [A∘L + b wᵀ | χ b], made m × m again,

              where V = [R | L], λ* (rank,) and w (m,) are the sample's coordinates along the
              teacher's span and the rest of V's. A block of S samples has S more coordinates
              outside, triangular among themselves (`_samples`), in place of χ.

              Other samples, the same law at every finite d and η, at a cost free of d.

Replicate r reads its samples from streams of its own, for `direct` and `blocked` in chunks whose
size depends on d alone. So its samples do not depend on how many replicates, steps, records or
threads there are, nor for these two on method or batch.
"""

import bisect
import inspect
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plateaus.emergence import _kernel
from plateaus.emergence._kernel import FAILED, HIT, LANES, RUNNING
from plateaus.emergence._samples import Block, Gaussian, Span, ahead, chunk
from plateaus.emergence.model import Student, Teacher, _generator, compress
from plateaus.emergence.population import Learner, Loss, population_loss

Method = Literal["auto", "direct", "blocked", "reduced"]

# Samples of a mini-batch that one thread takes at a time.
_PART = 512

# Samples in a block: the more, the fewer calls, but the greater the Gram matrix.
_BLOCK = 128


@dataclass(frozen=True, eq=False)
class State:
    """What a learning rate may depend on: one replicate, some steps into a run.

    Attributes:
        teacher: f*.
        V: (m, d), the weights, or for method "reduced" their coordinates (m, width); not to be
            changed.
    """

    teacher: Teacher = field(repr=False)
    V: Tensor = field(repr=False)
    _within: Teacher = field(repr=False)  # the teacher in V's coordinates
    _loss: Loss = field(repr=False)
    _learner: Learner = field(repr=False)

    @property
    def norms(self) -> Tensor:
        """‖v_i‖, (m,)."""
        n: Tensor = torch.linalg.vector_norm(self.V, dim=-1)
        return n

    @property
    def overlaps(self) -> Tensor:
        """M_ip = v̄_i·v*_p, (m, P)."""
        return self._within.project(self.V) / self.norms[..., None]

    @property
    def loss(self) -> float:
        """The population loss in closed form."""
        student = Student(self.V)
        return float(population_loss(self._within, student, loss=self._loss, learner=self._learner))


Rate = float | Callable[[int], float] | Callable[[int, State], float]


class Diverged(FloatingPointError):
    """Every replicate of a run came to a number that is not finite; `run` is what was seen."""

    def __init__(self, message: str, run: "SGDRun") -> None:
        """Keep the record."""
        super().__init__(message)
        self.run = run


@dataclass(frozen=True, eq=False)
class SGDRun:
    """What `online_sgd` saw. After a replicate has stopped, its records are nan.

    Attributes:
        method: the method that ran.
        steps: (records,), how many steps had been taken.
        overlaps: (records, replicates, m, P), M_ip = v̄_i·v*_p.
        norms: (records, replicates, m), ‖v_i‖.
        loss: (records, replicates), the population loss in closed form.
        V: (replicates, m, d), the weights where each replicate stopped, nan where it failed. For
            method "reduced" (replicates, m, width), in a basis that begins with `Teacher.basis`
            if width < d; `online_sgd(…, method="reduced")` and `flow` can go on from it.
        hits: (replicates, P), the first step at which some neuron has |M_ip| ≥ `until`; inf where
            that did not happen within the budget (such a time is censored, not infinite), or
            where the replicate failed before (see `failed`); None if `until` was not given.
        failed: (replicates,), the first step that gave a number that is not finite; inf for none.
    """

    method: str
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
    eta: Rate,
    steps: int,
    batch: int = 1,
    method: Method = "auto",
    loss: Loss = "mse",
    learner: Learner = "homogeneous",
    replicates: int = 1,
    record_at: Sequence[int] | None = None,
    until: float | None = None,
    samples: Tensor | None = None,
    seed: int,
) -> SGDRun:
    """Train by online SGD, in the student's dtype and on its device.

    On the CPU the inner loops are compiled, on other devices the same steps run in PyTorch. Same
    seed, same machine, same number of threads: same bits. Across machines and devices, results
    agree up to rounding on given `samples`.

    Which method is exact for what, compared with the algorithm as written:

    | | direct | blocked | reduced |
    |---|---|---|---|
    | same trajectory on the same samples | is it | up to rounding | no: other samples |
    | same law, at any d and η | yes | yes | yes, if rank + m ≤ d |
    | label noise, mini-batches, either loss, either learner | yes | yes | yes |
    | η a function of step, or of step and state | yes | yes | yes |
    | overlapping directions | yes | yes | yes; rank ≤ P is theirs |
    | covariance Σ ≠ I | yes | yes | refused: overlaps are not closed |
    | given `samples` | yes | yes | refused: it draws coordinates, not x |
    | operations a step, batch 1 | m d | (m + 128) d, as matrix products | m (m + P) |
    | memory a replicate | V, 2 blocks of samples | the same, their products | m (m + P) + B² |

    A block has 128 samples, or B if that is more. On the CPU, method `reduced` advances up to 32
    replicates side by side.

    Arguments:
        teacher: f*, the law of x and the label noise.
        student: the start. V (replicates, m, d) gives each replicate its own; from V (m, d), all
            `replicates` start at the same point. For "reduced", V may come from
            `Student.on_sphere(…, axes=P)`.
        eta: the step size η: a positive number; a function of the number of steps taken so far;
            or a function of that and the replicate's `State`. The last is called at every step
            of every replicate, which is slow. Both may be called in any order, from any thread.
        steps: the budget, in steps.
        batch: samples a step, B; the step follows the mean of their gradients.
        method: "direct", "blocked" or "reduced"; "auto" takes the faster of the first two.
        loss: "mse" for ½(y − f)², "correlation" for −y f.
        learner: "homogeneous" or "spherical"; the latter needs rows of unit norm.
        replicates: independent runs; leave it at 1 where V has its own axis for them.
        record_at: the numbers of steps after which to record, increasing; None: 0 and `steps`.
        until: stop a replicate once every teacher direction p has some |M_ip| ≥ until.
        samples: (steps·batch, replicates, d), used instead of fresh ones, in order.
        seed: an integer from 0.

    Returns:
        The record. A replicate whose numbers overflow stops there, and the others go on.

    Raises:
        ValueError: an argument is not valid; the sentence says which, and what would be.
        Diverged: every replicate came to a number that is not finite; the record is its `run`.

    Source: the spherical step is projected online SGD as in Ben Arous, Gheissari and Jagannath
    (2021), whose setting the slides take up; the homogeneous one is the gradient for the student
    of Ren, Nichani, Wu and Lee (2025). The blocked and the reduced method are ours.
    """
    marks = _check_recipe(eta, steps, batch, method, loss, learner, record_at, until)
    V = _starts(student, replicates, spherical=learner == "spherical")
    method = _method(method, teacher, V, batch, samples)
    _check_samples(samples, V, steps * batch)
    _generator(seed)  # a bad seed stops here, also where samples are given
    recipe = _Recipe(
        eta=eta,
        steps=steps,
        batch=batch,
        marks=marks,
        loss=loss,
        learner=learner,
        until=math.inf if until is None else until,
        block=(block := _block(method, V, teacher, batch)),
        stride=1 if method == "direct" or (callable(eta) and _arguments(eta) == 2) else block,
    )
    d, ambient = teacher.d, teacher
    if method == "reduced":
        teacher, V = teacher.in_span(V.shape[1]), teacher.into_span(V)
    seen = _Seen.nothing(recipe, V, teacher, ambient)
    seen.start()

    def source(first: int, last: int) -> Gaussian | Span:
        if method == "reduced":
            return Span(teacher, V[first:last], seed, d, first)
        given = None if samples is None else samples[:, first:last]
        return Gaussian(teacher, V[first:last], seed, given, first)

    if not _compiled(V) and method == "direct":
        _direct(seen, source(0, len(V)))
    elif _compiled(V) and method == "direct" and batch > 1:
        _mini_batches(seen, source(0, len(V)))
    elif not _compiled(V) or batch > 1 or method == "blocked":
        _in_blocks(seen, source(0, len(V)))
    else:
        # A group touches nothing that another one reads: results do not depend on the threads.
        threads = torch.get_num_threads()
        # Where a replicate's share between two records is small, a call serves several.
        share = d * max(1, steps // max(1, len(recipe.marks)))
        group = max(1, min(LANES, len(V) // threads, 2**17 // share))
        if method == "reduced":
            group = min(LANES, len(V)) if len(V) >= LANES // 4 else 1
        loop = _reduced_compiled if method == "reduced" else _direct_compiled
        firsts = range(0, len(V), group)
        with ThreadPoolExecutor(threads) as pool, ThreadPoolExecutor(1) as sampler:
            spare = sampler if len(firsts) < threads else None
            runs = [
                pool.submit(loop, seen, slice(r, min(r + group, len(V))), source, spare)
                for r in firsts
            ]
            for run in runs:
                run.result()
    if method == "reduced" and V.shape[-1] == d:
        V[:] = ambient.out_of_span(V)
    return seen.finish(method)


@dataclass(frozen=True)
class _Recipe:
    eta: Rate
    steps: int
    batch: int
    marks: tuple[int, ...]
    loss: Loss
    learner: Learner
    until: float
    block: int  # steps that samples are drawn for at a time
    stride: int  # steps taken on projections before V is moved, at most

    @property
    def correlation(self) -> bool:
        return self.loss == "correlation"

    @property
    def spherical(self) -> bool:
        return self.learner == "spherical"

    @property
    def by_state(self) -> bool:
        """Whether η is a function of step and state."""
        return callable(self.eta) and _arguments(self.eta) == 2

    def spans(self, first: int, last: int, most: int | None = None) -> Iterator[int]:
        """How many steps to take at a time, from `first` to `last` or the budget.

        At most `most`, and no further than the next mark; a learning rate that depends on the
        state is asked at every step.
        """
        most = 1 if self.by_state else most or self.stride
        done = first
        for end in sorted({*self.marks, self.steps}):
            while done < min(end, last):
                count = min(most, end - done, last - done)
                yield count
                done += count


@dataclass(frozen=True, eq=False)
class _Seen:
    """The state of a run, V (R, m, w), changed in place, and its records, as in `SGDRun`."""

    recipe: _Recipe
    teacher: Teacher  # in V's coordinates
    ambient: Teacher
    V: Tensor
    overlaps: Tensor
    norms: Tensor
    loss: Tensor
    hits: Tensor
    failed: Tensor

    @classmethod
    def nothing(cls, recipe: _Recipe, V: Tensor, teacher: Teacher, ambient: Teacher) -> "_Seen":
        (R, m, _), records = V.shape, len(recipe.marks)
        never = torch.full((R, teacher.P), math.inf, dtype=torch.float64)
        return cls(
            recipe=recipe,
            teacher=teacher,
            ambient=ambient,
            V=V,
            overlaps=V.new_full((records, R, m, teacher.P), math.nan),
            norms=V.new_full((records, R, m), math.nan),
            loss=V.new_full((records, R), math.nan),
            hits=never,
            failed=never[:, 0].clone(),
        )

    def start(self) -> None:
        """What is to be seen before the first step."""
        everyone = torch.ones(len(self.V), dtype=torch.bool)
        self.note_hits(0, everyone)
        self.record(0, everyone)

    @property
    def running(self) -> Tensor:
        """(R,), which replicates have neither failed nor reached every direction."""
        return self.failed.isinf() & self.hits.isinf().any(dim=-1)

    def note_hits(self, done: int, which: Tensor) -> None:
        """Write down the directions that the replicates `which` (R,) reach now for the first."""
        M = self.teacher.project(self.V).abs()
        n = self.V.norm(dim=-1, keepdim=True)
        reached = (M / n >= self.recipe.until).any(dim=-2).cpu()
        self.hits[reached & which[:, None] & self.hits.isinf()] = done

    def recorded(self, done: int) -> bool:
        """Whether the state after `done` steps is asked for."""
        mark = bisect.bisect_left(self.recipe.marks, done)
        return mark < len(self.recipe.marks) and self.recipe.marks[mark] == done

    def record(self, done: int, which: Tensor | slice) -> None:
        """Write down the replicates `which` after `done` steps, if that is to be recorded."""
        if not self.recorded(done):
            return
        mark = bisect.bisect_left(self.recipe.marks, done)
        V = self.V[which].double()
        if not len(V):
            return
        n = V.norm(dim=-1)
        loss = population_loss(
            self.teacher, Student(V), loss=self.recipe.loss, learner=self.recipe.learner
        )
        for kept, now in (
            (self.overlaps, self.teacher.project(V) / n[..., None]),
            (self.norms, n),
            (self.loss, loss),
        ):
            kept[mark, which] = now.to(kept)

    def state(self, r: int) -> State:
        """What a learning rate sees of replicate r."""
        recipe = self.recipe
        return State(self.ambient, self.V[r], self.teacher, recipe.loss, recipe.learner)

    def rates(self, done: int, count: int, which: slice) -> NDArray[np.float64]:
        """η of the next steps of some replicates, (R, count)."""
        eta, replicates = self.recipe.eta, range(len(self.V))[which]
        if not callable(eta):
            return np.full((len(replicates), count), eta)
        if self.recipe.by_state:
            values = np.zeros((len(replicates), count))
            for at, r in enumerate(replicates):
                if self.running[r]:
                    values[at] = eta(done, self.state(r))  # type: ignore[call-arg]
        else:
            steps = [eta(t) for t in range(done, done + count)]  # type: ignore[call-arg]
            values = np.tile(np.array(steps, np.float64), (len(replicates), 1))
        valid = (values >= 0) & (values < math.inf)
        if not valid.all():
            r, t = np.argwhere(~valid)[0]
            raise ValueError(
                f"eta is {values[r, t]} at step {done + t}; valid are finite numbers from 0."
            )
        return values

    def after(
        self,
        done: int,
        count: int,
        which: slice,
        before: NDArray[np.bool_],
        taken: NDArray[np.int64],
        status: NDArray[np.int64],
    ) -> None:
        """Write down what `count` steps brought to the replicates of a slice that ran `before`."""
        failed = before & (status == FAILED)
        if failed.any():
            self.failed[which].numpy()[failed] = done + taken[failed]
        if self.recorded(done + count):
            all_taken = before & ~failed & (taken == count)
            self.record(done + count, which.start + torch.from_numpy(all_taken).nonzero()[:, 0])

    def finish(self, method: str) -> SGDRun:
        """The record of the run."""
        self.V[self.failed.isfinite().to(self.V.device)] = math.nan
        run = SGDRun(
            method=method,
            steps=torch.tensor(self.recipe.marks),
            overlaps=self.overlaps,
            norms=self.norms,
            loss=self.loss,
            V=self.V,
            hits=None if self.recipe.until == math.inf else self.hits,
            failed=self.failed,
        )
        if bool(self.failed.isfinite().all()):
            raise Diverged(
                f"all {len(self.V)} replicates came to a number that is not finite, the first at "
                f"step {int(self.failed.min())}, with eta = {self.recipe.eta}; a smaller eta may "
                "keep them finite, and the error's `run` has what was recorded.",
                run,
            )
        return run


Source = Callable[[int, int], Gaussian | Span]


def _direct(seen: _Seen, source: Gaussian | Span) -> None:
    """The textbook loop, all replicates side by side: the reference, on any device."""
    recipe, V, sigma = seen.recipe, seen.V, seen.teacher.activation
    done = 0
    while done < recipe.steps and bool((running := seen.running).any()):
        x, _, y = source.take(recipe.batch)  # (R, B, d), _, (R, B)
        n = V.norm(dim=-1)[:, None]  # (R, 1, m)
        z = x @ V.mT / n  # (R, B, m)
        value, slope = sigma(z), sigma.derivative(z)
        r = y[..., None]
        if not recipe.correlation:
            r = r - (n**2 * value).sum(dim=-1, keepdim=True)
        step = _tensor(seen.rates(done, 1, slice(None)), V)[..., None] / recipe.batch * r
        b = step * n * slope  # n = 1 for the spherical learner
        if recipe.spherical:
            A = 1 - (z * b).sum(dim=-2)
        else:
            A = 1 + (step * (2 * value - z * slope)).sum(dim=-2)
        new = A[..., None] * V + b.mT @ x
        done += 1
        sound = r.isfinite().all(dim=(-2, -1)) & _sound(new.norm(dim=-1))
        if recipe.spherical:
            new = new / new.norm(dim=-1, keepdim=True)
        V[:] = torch.where((running.to(V.device) & sound)[:, None, None], new, V)
        seen.failed[running & ~sound.cpu()] = float(done)
        seen.note_hits(done, running & sound.cpu())
        seen.record(done, running & sound.cpu())


def _direct_compiled(seen: _Seen, which: slice, source: Source, spare: Executor | None) -> None:
    """The textbook loop for a group of replicates, with batch size 1, on the CPU."""
    recipe, directions = seen.recipe, seen.teacher.directions
    V, hits, d = seen.V[which], seen.hits[which].numpy(), seen.V.shape[-1]
    samples, taken = source(which.start, which.stop), np.zeros(len(V), np.int64)
    status = np.where(np.isinf(hits).any(axis=1), RUNNING, HIT)
    n = V.double().norm(dim=-1).numpy()
    c = _kernel.series(seen.teacher.activation.coefficients, V.numpy().dtype)
    rows = V[0, :0].numpy() if directions is None else directions.to(V).numpy()
    done = 0
    # Samples at a time: few calls, and what a core's cache holds.
    counts = recipe.spans(0, recipe.steps, math.ceil(4 * chunk(d) / len(V)))
    blocks = (samples.take(count) for count in counts)
    for block in ahead(blocks, spare) if spare is not None else blocks:
        before = status == RUNNING
        if not before.any():
            return
        count = block.y.shape[1]
        _kernel.direct_all(
            V.numpy(), n, block.X.numpy(), block.y.numpy(), seen.rates(done, count, which), c,
            rows, recipe.correlation, recipe.spherical, recipe.until, done, hits, status, taken,
        )  # fmt: skip
        seen.after(done, count, which, before, taken, status)
        done += count


def _mini_batches(seen: _Seen, source: Gaussian | Span) -> None:
    """The textbook loop with mini-batches on the CPU: a batch in parts, side by side."""
    recipe, V, B = seen.recipe, seen.V, seen.recipe.batch
    c = _kernel.series(seen.teacher.activation.coefficients, V.numpy().dtype)
    parts = range(0, B, _PART)
    gram, never = V[0, :0, :0].numpy(), np.empty(0)
    threads = torch.get_num_threads()

    def moves(block: Block, rate: float, r: int, rows: slice) -> tuple[Tensor, Tensor, bool]:
        """What a part of a batch adds to A (m,) and V (m, d); whether its residuals are finite."""
        X, y = block.X[r, rows], block.y[r, rows]
        projections = X @ V[r].T
        decay, weights = V.new_ones(V.shape[1]), torch.zeros_like(projections)
        square = (torch.linalg.vector_norm(V[r], dim=-1, dtype=torch.float64) ** 2).numpy()
        _, status = _kernel.sequence(
            projections.numpy(), gram, y.numpy(), square, np.array([rate * len(X) / B]), len(X), c,
            recipe.correlation, recipe.spherical, gram, gram, math.inf, 0, never,
            decay.numpy(), weights.numpy(),
        )  # fmt: skip
        return decay - 1, weights.T @ X, status != FAILED

    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            # A thread is worth its while where its share is no trifle.
            over: Any = pool.map if B * V[0].numel() >= 2**16 else map
            torch.set_num_threads(1)  # its own threads would keep a core busy while they wait
            done, running = 0, seen.running
            while done < recipe.steps and bool(running.any()):
                block = source.take(recipe.block * B, over)
                for first in range(0, min(recipe.block, recipe.steps - done) * B, B):
                    if not bool(running.any()):
                        return
                    rates = seen.rates(done, 1, slice(None))[:, 0]
                    rows = [slice(first + p, first + min(p + _PART, B)) for p in parts]
                    which = running.nonzero()[:, 0].tolist()
                    tasks = [(block, rates[r], r, at) for r in which for at in rows]
                    found = iter(list(over(moves, *zip(*tasks, strict=True))))
                    sound = running.clone()
                    for r in which:
                        mine = list(itertools.islice(found, len(parts)))
                        sound[r] = all(finite for *_, finite in mine)
                        if sound[r]:
                            V[r] *= 1 + sum(decay for decay, *_ in mine)[:, None]
                            for _, move, _ in mine:
                                V[r] += move
                    done += 1
                    length = V.norm(dim=-1)
                    sound &= _sound(length)
                    if recipe.spherical:
                        V[running] /= length[running, :, None]
                    seen.failed[running & ~sound] = float(done)
                    if recipe.until < math.inf:
                        seen.note_hits(done, sound)
                    seen.record(done, sound)
                    running = seen.running
    finally:  # when the pools, whose threads set it to 1, are gone
        torch.set_num_threads(threads)


def _in_blocks(seen: _Seen, source: Gaussian | Span) -> None:
    """Blocks of several steps, all replicates side by side, on any device.

    With strides of one step, for a learning rate that depends on the state, there is no Gram
    matrix. For `reduced` the samples bring coordinates outside of the span, by which V widens until
    the block ends.
    """
    recipe, V, B = seen.recipe, seen.V, seen.recipe.batch
    width, on_cpu = V.shape[-1], _compiled(V)
    threads = torch.get_num_threads()
    # One thread draws ahead, and the products take the others.
    try:
        with (
            ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as sampler,
            ThreadPoolExecutor(threads) as pool,
        ):
            # A thread is worth its while where a replicate's share is no trifle.
            large = recipe.block * B * V[0].numel() >= 2**16
            over: Any = pool.map if on_cpu and large else map

            def draw() -> tuple[Block, Tensor]:
                block = source.take(recipe.block * B, over)
                return block, block.X @ block.X.mT if recipe.stride > 1 else V[:, :0, :0]

            endless = iter(draw, None)
            if on_cpu:
                torch.set_num_threads(max(1, threads - 1))
            done, running = 0, seen.running
            for block, gram in ahead(endless, sampler) if on_cpu else endless:
                first = done
                wide = V
                if block.X.shape[-1] > width:
                    wide = torch.nn.functional.pad(V, (0, block.X.shape[-1] - width))
                for count in recipe.spans(first, first + recipe.block):
                    if not bool(running.any()):
                        return
                    rows = slice((done - first) * B, (done - first + count) * B)
                    part = Block(block.X[:, rows], block.targets[:, rows], block.y[:, rows])
                    running = _advance(
                        seen, running, wide, part, gram[:, rows, rows], done, count, over
                    )
                    done += count
                    if wide is not V:
                        V[:] = _narrow(wide, width)
                    seen.record(done, running)
                    if recipe.until < math.inf:
                        if count == 1:
                            seen.note_hits(done, running)
                        running = seen.running
                if done == recipe.steps:
                    return
    finally:  # when the pools, whose threads set it to 1, are gone
        torch.set_num_threads(threads)


def _advance(
    seen: _Seen,
    running: Tensor,
    V: Tensor,
    part: Block,
    gram: Tensor,
    done: int,
    count: int,
    over: Any,
) -> Tensor:
    """Take `count` steps on V (R, m, w), in place; which replicates took them all, (R,)."""
    recipe = seen.recipe
    projections = part.X @ V.mT  # for `reduced` R λ* + L w of every sample, part.X = [λ* w | T]
    square = torch.linalg.vector_norm(V, dim=-1, dtype=torch.float64) ** 2
    overlaps = seen.teacher.project(V[..., : seen.V.shape[-1]])
    sequence = _sequence_compiled if _compiled(V) else _sequence
    decay, weights, taken, status = sequence(
        seen, running, projections, gram, part, square, overlaps, count, done, over
    )
    V.mul_(decay[..., None]).baddbmm_(weights.mT, part.X)
    failed = running & (status == FAILED)
    if count == 1:
        length = V.norm(dim=-1)
        failed |= running & ~_sound(length).cpu()
        if recipe.spherical:
            V /= torch.where(running.to(V.device)[:, None], length, 1)[..., None]
    if bool(failed.any()):
        seen.failed[failed] = (done + taken[failed]).double()
    return running & ~failed & (taken == count)


def _sequence_compiled(
    seen: _Seen,
    running: Tensor,
    projections: Tensor,
    gram: Tensor,
    part: Block,
    square: Tensor,
    overlaps: Tensor,
    count: int,
    done: int,
    over: Any,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`_sequence` on the CPU, as many replicates at once as `over` maps."""
    recipe, R = seen.recipe, len(projections)
    decay, weights = projections.new_ones(projections.shape[::2]), torch.zeros_like(projections)
    taken, status = torch.full((R,), count), torch.where(running, RUNNING, HIT)
    c = _kernel.series(seen.teacher.activation.coefficients, projections.numpy().dtype)
    rates = seen.rates(done, count, slice(None))
    if recipe.until == math.inf:
        overlaps, targets = overlaps[..., :0], part.targets[..., :0]
    else:
        overlaps, targets = overlaps.contiguous(), part.targets.contiguous()

    def some(g: slice) -> None:
        _kernel.sequence_all(
            projections[g].numpy(), gram[g].numpy(), part.y[g].numpy(), square[g].numpy(),
            rates[g], recipe.batch, c, recipe.correlation, recipe.spherical,
            overlaps[g].numpy(), targets[g].numpy(), recipe.until, done, seen.hits[g].numpy(),
            decay[g].numpy(), weights[g].numpy(), status[g].numpy(), taken[g].numpy(),
        )  # fmt: skip

    each = math.ceil(R / torch.get_num_threads())
    list(over(some, [slice(first, first + each) for first in range(0, R, each)]))
    return decay, weights, taken, status


def _sequence(
    seen: _Seen,
    running: Tensor,
    projections: Tensor,
    gram: Tensor,
    part: Block,
    square: Tensor,
    overlaps: Tensor,
    count: int,
    done: int,
    _: Any = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Take `count` steps on what they need of V: the projections Λ = X Vᵀ of their samples.

    A step moves the projection of a later sample x_u just as it moves V:
    V x_u ← A∘(V x_u) + Σ_s b_s ⟨x_s, x_u⟩. So with the Gram matrix X Xᵀ no step touches V, and in
    the end V = decay∘V₀ + weightsᵀ X.

    Arguments:
        seen: the run.
        running: (R,), the replicates to advance.
        projections: (R, count·B, m), Λ; overwritten.
        gram: (R, count·B, count·B), X Xᵀ; not read if `count` is 1.
        part: the samples' targets and labels.
        square: (R, m), float64, ‖v_i‖² at the start; may be overwritten.
        overlaps: (R, m, P), VV*ᵀ.
        count: steps to take.
        done: steps taken before.

    Returns:
        decay (R, m) and weights (R, count·B, m), and on the CPU, for each replicate, how many
        steps it took, the last one included, and its status.
    """
    recipe, sigma, B = seen.recipe, seen.teacher.activation, seen.recipe.batch
    R, _, m = projections.shape
    largest = torch.finfo(projections.dtype).max
    decay, weights = projections.new_ones(R, m), torch.zeros_like(projections)
    taken = torch.full((R,), count, device=projections.device)
    status = torch.full_like(taken, RUNNING)
    running = running.to(projections.device)
    hits = seen.hits.to(projections.device)
    rates = _tensor(seen.rates(done, count, slice(None)), projections) / B  # (R, count)
    for t in range(count):
        now, later = slice(t * B, (t + 1) * B), slice((t + 1) * B, None)
        lam, n = projections[:, now], square.sqrt().to(projections)[:, None]
        z = lam / n
        value, slope = sigma(z), sigma.derivative(z)
        r = part.y[:, now, None]
        if not recipe.correlation:
            r = r - (n**2 * value).sum(dim=-1, keepdim=True)
        sound = r.isfinite().all(dim=(-2, -1))
        r = rates[:, t, None, None] * r
        b = r * n * slope
        A = 1 - (z * b).sum(1) if recipe.spherical else 1 + (r * (2 * value - z * slope)).sum(1)
        if count > 1:
            K = gram[:, now, now]
            # The diagonal of G⁺ = (A∘V + bᵀX)(A∘V + bᵀX)ᵀ.
            square = (A**2 * square + 2 * A * (b * lam).sum(1) + (b * (K @ b)).sum(1)).double()
            sound &= ((square > 0) & (square <= largest)).all(dim=-1)
            if recipe.spherical:  # its division by the norms goes into A and b
                scale = square.rsqrt().to(projections)
                A, b, square = A * scale, b * scale[:, None], torch.ones_like(square)
        failed = running & ~sound
        running = running & sound
        status[failed], taken[failed] = FAILED, t + 1
        A = torch.where(running[:, None], A, 1)
        b = torch.where(running[:, None, None], b, 0)
        square = torch.where(running[:, None], square, 1)
        projections[:, later] = A[:, None] * projections[:, later]
        if count > 1:
            projections[:, later] += gram[:, later, now] @ b
        decay, weights = A * decay, A[:, None] * weights
        weights[:, now] = b
        if count > 1 and recipe.until < math.inf:
            overlaps = A[..., None] * overlaps + b.mT @ part.targets[:, now]
            reached = (overlaps.abs() >= recipe.until * square.sqrt()[..., None]).any(dim=-2)
            hits[reached & running[:, None] & hits.isinf()] = done + t + 1
            stopped = running & hits.isfinite().all(dim=-1)
            status[stopped], taken[stopped] = HIT, t + 1
            running = running & ~stopped
    seen.hits[:] = hits.cpu()
    return decay, weights, taken.cpu(), status.cpu()


def _reduced_compiled(seen: _Seen, which: slice, source: Source, spare: Executor | None) -> None:
    """Method `reduced` for a group of replicates, with batch size 1, on the CPU."""
    recipe, teacher, (_, m, width) = seen.recipe, seen.teacher, seen.V.shape
    samples, G, rank = source(which.start, which.stop), which.stop - which.start, width - m
    advance = _kernel.one_reduced if G == 1 else _kernel.many_reduced
    V = seen.V[which].permute(1, 2, 0)
    R = V[:, :rank].contiguous()
    U = torch.nn.functional.pad(V[:, rank:].transpose(0, 1), (0, 0, 0, 0, 0, 1)).contiguous()
    c = _kernel.series(teacher.activation.coefficients, seen.V.numpy().dtype)
    targets = torch.eye(teacher.P, rank) if teacher.directions is None else teacher.directions
    towards = targets[:, :rank].double().contiguous().numpy()
    hits = seen.hits[which].numpy()
    taken, status = np.zeros(G, np.int64), np.where(np.isinf(hits).any(axis=1), RUNNING, HIT)
    counts = recipe.spans(0, recipe.steps, 1 + 2**14 // width)

    def lanes(x: Tensor) -> NDArray[Any]:
        """(G, …) → (…, G)."""
        return x.movedim(0, -1).contiguous().numpy()

    draws = (samples.singles(count) for count in counts)  # type: ignore[union-attr]
    done = 0
    for block, distance in ahead(draws, spare) if spare is not None else draws:
        before = status == RUNNING
        if not before.any():
            return
        count = block.y.shape[1]
        rates = torch.from_numpy(seen.rates(done, count, which)).to(seen.V)
        advance(
            R.numpy(), U.numpy(), lanes(block.X), lanes(distance), lanes(block.y), towards,
            lanes(rates), c, recipe.correlation, recipe.spherical, recipe.until, done, hits,
            status, taken,
        )  # fmt: skip
        seen.V[which] = torch.cat([R, U[:m].transpose(0, 1)], dim=1).permute(2, 0, 1)
        seen.after(done, count, which, before, taken, status)
        done += count


def _narrow(V: Tensor, width: int) -> Tensor:
    """V (R, m, wide) in a span's coordinates again: of `width`, the last m hold L, made m × m."""
    if V.shape[-1] == width:
        return V
    rank = width - V.shape[-2]
    return torch.cat([V[..., :rank], compress(V[..., rank:])], dim=-1)


def _block(method: str, V: Tensor, teacher: Teacher, batch: int) -> int:
    """Steps in a block. For `reduced` its samples take no more room than V does, or little."""
    rows = _BLOCK
    if method == "reduced":
        rows = min(_BLOCK, max(16, V.shape[1] + teacher.P))
    return max(1, rows // batch)


def _compiled(V: Tensor) -> bool:
    """Whether the loops of `_kernel` serve V; tests hold them against the ones in PyTorch."""
    return V.device.type == "cpu"


def _sound(length: Tensor) -> Tensor:
    """Whether the norms (R, m) of a replicate are all finite and positive, (R,)."""
    sound: Tensor = (length.isfinite() & (length > 0)).all(dim=-1)
    return sound


def _tensor(values: NDArray[np.float64], like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like)


def _arguments(function: Callable[..., float]) -> int:
    """How many positional arguments a function wants."""
    wanted = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
    ]
    return len(wanted)


def _method(
    method: Method, teacher: Teacher, V: Tensor, batch: int, samples: Tensor | None
) -> Literal["direct", "blocked", "reduced"]:
    """The method asked for, or for "auto" the faster of direct and blocked."""
    m, width = V.shape[-2:]
    if method == "reduced":
        if teacher.covariance is not None:
            raise ValueError(
                "the data has a covariance, for which overlaps are not closed; valid for method "
                "'reduced' is isotropic data."
            )
        if samples is not None:
            raise ValueError(
                "samples are given, but method 'reduced' draws coordinates, not x; valid methods "
                "for given samples are 'direct' and 'blocked'."
            )
        rank = teacher.rank
        if rank + m > teacher.d:
            raise ValueError(
                f"rank + m = {rank} + {m} exceeds d = {teacher.d}; valid for method 'reduced' "
                "are sums up to d."
            )
    elif width != teacher.d:
        raise ValueError(f"the student has d = {width}, the teacher d = {teacher.d}.")
    if method != "auto":
        return method
    # Where V outgrows a core's cache, reading it once a block pays.
    return "blocked" if batch == 1 and m >= 16 and m * width >= 2**17 else "direct"


def _check_recipe(
    eta: Rate,
    steps: int,
    batch: int,
    method: str,
    loss: str,
    learner: str,
    record_at: Sequence[int] | None,
    until: float | None,
) -> tuple[int, ...]:
    """The steps to record, if all is valid."""
    if callable(eta):
        if _arguments(eta) not in (1, 2):
            raise ValueError(
                f"eta takes {_arguments(eta)} arguments; valid are functions of the step, or of "
                "step and state."
            )
    elif not isinstance(eta, (int, float)) or not 0 < eta < math.inf:
        raise ValueError(f"eta is {eta!r}; valid are finite positive numbers, and functions.")
    if not isinstance(steps, int) or steps < 0:
        raise ValueError(f"steps is {steps!r}; valid are integers from 0.")
    if not isinstance(batch, int) or batch < 1:
        raise ValueError(f"batch is {batch!r}; valid are integers from 1.")
    for name, given, valid in (
        ("method", method, ("auto", "direct", "blocked", "reduced")),
        ("loss", loss, ("mse", "correlation")),
        ("learner", learner, ("homogeneous", "spherical")),
    ):
        if given not in valid:
            raise ValueError(f"{name} is {given!r}; valid: {', '.join(valid)}.")
    if until is not None and not 0 < until <= 1:
        raise ValueError(f"until is {until}; valid are overlaps above 0, up to 1.")
    if record_at is None:
        return (0, steps)[: 1 + (steps > 0)]
    try:
        marks = [operator.index(step) for step in record_at]
    except TypeError:
        marks = [-1]
    if marks != sorted(set(marks)) or (marks and not 0 <= marks[0] <= marks[-1] <= steps):
        raise ValueError(
            f"record_at is {record_at}; valid are increasing numbers of steps from 0 to {steps}."
        )
    return tuple(marks)


def _starts(student: Student, replicates: int, *, spherical: bool) -> Tensor:
    """A copy of the starts, (R, m, w)."""
    V = student.V.detach()
    if not isinstance(replicates, int) or isinstance(replicates, bool) or replicates < 1:
        raise ValueError(f"replicates is {replicates!r}; valid are integers from 1.")
    if V.ndim == 3 and replicates not in (1, len(V)):
        raise ValueError(
            f"replicates is {replicates}, but V has {len(V)} starts; leave replicates out."
        )
    V = V.clone() if V.ndim == 3 else V.repeat(replicates, 1, 1)
    if spherical:
        n = V.norm(dim=-1, keepdim=True)
        if not bool(((n - 1).abs() < 1e-4).all()):
            raise ValueError("the spherical learner needs rows of norm 1; divide V by its norms.")
        V = V / n
    return V.contiguous()


def _check_samples(samples: Tensor | None, V: Tensor, rows: int) -> None:
    if samples is None:
        return
    shape = (rows, len(V), V.shape[-1])
    if tuple(samples.shape) != shape:
        raise ValueError(
            f"samples have shape {tuple(samples.shape)}; valid is {shape}, (steps·batch, "
            "replicates, d)."
        )
    if samples.dtype != V.dtype or samples.device != V.device:
        raise ValueError(
            f"samples are {samples.dtype} on {samples.device}; valid is the student's "
            f"{V.dtype} on {V.device}."
        )
    if not bool(samples.isfinite().all()):
        raise ValueError("samples have a value that is not finite; valid are finite numbers.")

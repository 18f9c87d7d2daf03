r"""Online SGD in segments: a long run that can be cut anywhere and resumed to the same bits.

Segment j of a run takes steps j S … (j + 1) S − 1 of its budget, on samples from streams that only
its seed and j name. So what a segment needs of the past is V alone, and a run that was killed in
segment j starts that segment again. Replicates that have failed, or that have reached every
direction, take no part in the segments to come.
"""

import inspect
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plateaus.emergence import Diverged, SGDRun, Student, Teacher, online_sgd
from plateaus.emergence.sgd import Rate
from plateaus.experiments._experiment import Work


def sgd(
    teacher: Teacher,
    student: Student,
    *,
    eta: Rate,
    steps: int,
    segment: int,
    seed: int,
    work: Work,
    record_at: Sequence[int] | None = None,
    until: float | None = None,
    **arguments: Any,
) -> SGDRun:
    """As `online_sgd`, in segments, kept in `work` between them.

    Arguments:
        teacher: f*.
        student: the start.
        eta: a number, or a function of the step, or of step and state, counted from the start.
        steps: the budget of the whole run.
        segment: steps of a segment, S. The result depends on it.
        seed: of all segments.
        work: where to keep the run, and to say how far it is.
        record_at: as `online_sgd` takes it, and so
        until: is this,
        arguments: and all others.

    Returns:
        The record of the whole run. Its V is nan where a replicate failed.
    """
    V = student.V.detach() if student.V.ndim == 3 else student.V.detach()[None]
    V = V.repeat(arguments.pop("replicates", 1), 1, 1) if len(V) == 1 else V.clone()
    R, m, P = len(V), V.shape[1], teacher.P
    marks = np.array([0, steps] if record_at is None else record_at, dtype=np.int64)
    seen = {
        "overlaps": V.new_full((len(marks), R, m, P), math.nan),
        "norms": V.new_full((len(marks), R, m), math.nan),
        "loss": V.new_full((len(marks), R), math.nan),
        "hits": torch.full((R, P), math.inf, dtype=torch.float64),
        "failed": torch.full((R,), math.inf, dtype=torch.float64),
    }
    done, method = 0, "direct"
    if work.state is not None:
        done, method = work.state["done"], work.state["method"]
        V = work.state["V"].to(V)
        seen = {name: work.state[name].to(kept) for name, kept in seen.items()}

    def state() -> dict[str, Any]:
        return {"done": done, "method": method, "V": V, **seen}

    while done < steps or done == 0:
        active = (seen["failed"].isinf() & seen["hits"].isinf().any(dim=-1)).nonzero()[:, 0]
        if not len(active):
            break
        count = min(segment, steps - done)
        begun = (marks > done) | (marks == done) & (done == 0)
        here = np.flatnonzero(begun & (marks <= done + count))
        try:
            run = online_sgd(
                teacher,
                Student(V[active.to(V.device)]),
                eta=_later(eta, done),
                steps=count,
                record_at=(marks[here] - done).tolist(),
                until=until,
                seed=int(np.random.SeedSequence([seed, done]).generate_state(1)[0]),
                **arguments,
            )
        except Diverged as error:
            run = error.run
        if run.V.shape[-1] != V.shape[-1]:  # in the coordinates of the span from now on
            V = run.V.new_full((R, *run.V.shape[1:]), math.nan)
        V[active.to(V.device)] = run.V
        for name, part in (("overlaps", run.overlaps), ("norms", run.norms), ("loss", run.loss)):
            for at, row in zip(here, part, strict=True):
                seen[name][at, active.to(V.device)] = row
        if run.hits is not None:
            seen["hits"][active] = torch.minimum(seen["hits"][active], run.hits + done)
        seen["failed"][active] = run.failed + done
        done, method = done + max(count, 1), run.method
        work.progress(min(done / max(steps, 1), 1.0), _median(run.loss))
        work.keep(state)
    return SGDRun(
        method=method,
        steps=torch.from_numpy(marks),
        overlaps=seen["overlaps"],
        norms=seen["norms"],
        loss=seen["loss"],
        V=V,
        hits=None if until is None else seen["hits"],
        failed=seen["failed"],
    )


def _later(eta: Rate, done: int) -> Rate:
    """The learning rate of a segment that begins after `done` steps."""
    if not callable(eta):
        return eta
    if len(inspect.signature(eta).parameters) == 2:
        return lambda t, state: eta(done + t, state)  # type: ignore[call-arg]
    return lambda t: eta(done + t)  # type: ignore[call-arg]


def _median(loss: Tensor) -> float | None:
    """Of the last record; None where there is none."""
    last = loss[-1][loss[-1].isfinite()] if len(loss) else loss
    return float(last.median()) if last.numel() else None

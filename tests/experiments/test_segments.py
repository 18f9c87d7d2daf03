"""Online SGD in segments: the same algorithm, cut anywhere."""

import math

import pytest
import torch

from plateaus.emergence import Activation, Student, Teacher, online_sgd
from plateaus.experiments import Work
from plateaus.experiments._segments import sgd

H4 = Activation.hermite(4)
TEACHER = Teacher.power_law(24, 3, 0.8, activation=H4)
CPU = torch.device("cpu")


def start(replicates=3):
    return Student.on_sphere(24, 5, 0.3, seed=0, replicates=replicates)


def same(one, other):
    return all(
        torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))
        for a, b in (
            (one.loss, other.loss),
            (one.overlaps, other.overlaps),
            (one.V, other.V),
            (one.hits, other.hits),
            (one.failed, other.failed),
        )
    )


def test_one_segment_is_online_sgd():
    import numpy as np

    arguments = {"eta": 1e-3, "steps": 500, "record_at": [0, 100, 500], "until": 0.9}
    mine = sgd(TEACHER, start(), **arguments, segment=500, seed=4, work=Work(CPU))
    seed = int(np.random.SeedSequence([4, 0]).generate_state(1)[0])
    assert same(mine, online_sgd(TEACHER, start(), **arguments, seed=seed))


def test_the_learning_rate_counts_from_the_start():
    """A rate of 0 after 100 steps: the later segments change nothing."""
    run = sgd(
        TEACHER,
        start(),
        eta=lambda t: 1e-3 if t < 100 else 0.0,
        steps=400,
        segment=150,
        record_at=[0, 100, 150, 300, 400],
        seed=0,
        work=Work(CPU),
    )
    assert not torch.equal(run.loss[0], run.loss[1])
    for later in run.loss[2:]:
        torch.testing.assert_close(later, run.loss[1])


def test_a_rate_that_looks_at_the_state():
    seen = []

    def eta(t, state):
        seen.append((t, state.loss))
        return 1e-3

    sgd(TEACHER, start(1), eta=eta, steps=25, segment=10, seed=0, work=Work(CPU))
    assert [t for t, _ in seen] == list(range(25))


class Cut(Exception):
    pass


@pytest.mark.parametrize("method", ["direct", "reduced"])
@pytest.mark.parametrize("after", [1, 3])
def test_cut_and_resumed(method, after, tmp_path):
    arguments = {
        "eta": 0.004,
        "steps": 3000,
        "record_at": [0, 700, 1500, 3000],
        "until": 0.8,
        "segment": 100,
        "method": method,
        "loss": "correlation",
        "learner": "spherical",
        "seed": 1,
    }
    teacher, offered = Teacher([1.0], d=24, activation=Activation.hermite(2)), 0
    student = Student.on_sphere(24, 1, 1.0, seed=0, replicates=6)
    whole = sgd(teacher, student, **arguments, work=Work(CPU))
    assert len({*whole.hits[:, 0].tolist()}) > 2

    def keep(state):
        nonlocal offered
        offered += 1
        if offered == after:
            torch.save(state(), tmp_path / "state")
            raise Cut

    with pytest.raises(Cut):
        sgd(teacher, student, **arguments, work=Work(CPU, keep=keep))
    state = torch.load(tmp_path / "state", weights_only=True)
    assert same(whole, sgd(teacher, student, **arguments, work=Work(CPU, state)))


def test_hits_are_the_first_and_end_a_replicate():
    teacher = Teacher([1.0], d=24, activation=Activation.hermite(2))
    run = sgd(
        teacher, Student.on_sphere(24, 1, 1.0, seed=0, replicates=16), eta=0.02, steps=4000,
        record_at=list(range(0, 4001, 250)), until=0.8, segment=250, loss="correlation",
        learner="spherical", seed=1, work=Work(CPU),
    )  # fmt: skip
    assert run.hits.isfinite().any()
    for r, hit in enumerate(run.hits[:, 0].tolist()):
        M = run.overlaps[:, r, 0, 0].abs()
        after = run.steps.double() > hit
        assert (M[~after & M.isfinite()] < 0.8).all()
        assert M[run.steps.double() > hit + 250].isnan().all()


def test_all_replicates_fail():
    progress = []
    run = sgd(
        TEACHER, start(), eta=5.0, steps=1000, segment=100, seed=0, record_at=[0, 1000],
        work=Work(CPU, progress=lambda *seen: progress.append(seen)),
    )  # fmt: skip
    assert (run.failed < 1000).all()
    assert run.loss[1].isnan().all()
    assert run.V.isnan().all()
    assert run.hits is None
    assert len(progress) < 10
    assert all(math.isfinite(done) for done, _ in progress)

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from plateaus.emergence import (
    Activation,
    Diverged,
    Student,
    Teacher,
    _samples,
    online_sgd,
    population_loss,
    sgd,
)

GENERAL = Activation((0.3, 0.0, 0.5, 0.2, 1.0))
LEARNERS = [
    (loss, learner) for loss in ("mse", "correlation") for learner in ("homogeneous", "spherical")
]


def gaussian(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def unit(V):
    return V / V.norm(dim=-1, keepdim=True)


def same(one, other, **tolerance):
    for name in ("overlaps", "norms", "loss", "V", "hits", "failed"):
        torch.testing.assert_close(
            getattr(one, name), getattr(other, name), equal_nan=True, **tolerance
        )


def in_torch(monkeypatch, *arguments, **settings):
    with monkeypatch.context() as patch:
        patch.setattr(sgd, "_compiled", lambda V: False)
        return online_sgd(*arguments, **settings)


def single(k=2, d=8):
    return Teacher([1.0], d=d, activation=Activation.hermite(k))


def test_one_spherical_step_by_hand():
    # σ = h_2, w = e_2, x = (2, 1): y = 3/√2, z = 1, σ′(z) = √2, so w + η y σ′(z)(x − z w) is
    # (0, 1) + η 3 (2, 0).
    run = online_sgd(
        single(d=2),
        Student(torch.tensor([[0.0, 1.0]], dtype=torch.float64)),
        eta=0.1,
        steps=1,
        loss="correlation",
        learner="spherical",
        samples=torch.tensor([[[2.0, 1.0]]], dtype=torch.float64),
        seed=0,
    )
    expected = torch.tensor([0.6, 1.0], dtype=torch.float64) / math.hypot(0.6, 1.0)
    torch.testing.assert_close(run.V[0, 0], expected)
    assert run.steps.tolist() == [0, 1]
    torch.testing.assert_close(
        run.overlaps[:, 0, 0, 0], torch.stack([run.V.new_zeros(()), expected[0]])
    )
    torch.testing.assert_close(run.loss[:, 0], -(run.overlaps[:, 0, 0, 0] ** 2))


@pytest.mark.parametrize(("loss", "learner"), LEARNERS)
def test_a_step_is_the_gradient_of_the_sample_loss(loss, learner):
    teacher = Teacher([0.8, 0.6], d=5, activation=GENERAL)
    V, x, eta = unit(gaussian(3, 5)), gaussian(5, seed=1), 0.01
    if learner == "homogeneous":
        V = 0.7 * V
    W = V.clone().requires_grad_()
    if learner == "homogeneous":
        n = W.norm(dim=-1)
        f = (n**2 * GENERAL(W @ x / n)).sum()
    else:
        f = GENERAL(W @ x).sum()
    y = teacher(x)
    (gradient,) = torch.autograd.grad(0.5 * (y - f) ** 2 if loss == "mse" else -f * y, W)
    if learner == "homogeneous":
        expected = V - eta * gradient
    else:
        along = (gradient * V).sum(dim=-1, keepdim=True)
        expected = unit(V - eta * (gradient - along * V))
    run = online_sgd(
        teacher, Student(V), eta=eta, steps=1, loss=loss, learner=learner,
        samples=x[None, None], seed=0,
    )  # fmt: skip
    torch.testing.assert_close(run.V[0], expected, rtol=1e-13, atol=1e-13)


def overlapping(d, **options):
    """A teacher with every option but Σ: directions at an angle, label noise, and all c_k."""
    directions = torch.zeros(2, d)
    directions[0, 0] = directions[1, 1] = 0.8
    directions[:, 2] = 0.6
    return Teacher([0.8, 0.6], d=d, activation=GENERAL, directions=directions, noise=0.3, **options)


@pytest.mark.parametrize("covariance", [None, torch.tensor([1.3, 1.0, 0.7, 0.9, 1.0, 1.1, 0.5])])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("loss", "learner"), LEARNERS)
def test_direct_and_blocked_in_both_forms_give_one_trajectory(
    monkeypatch, loss, learner, batch, covariance
):
    teacher = overlapping(7, covariance=covariance)
    start = Student(unit(gaussian(4, 3, 7)))
    settings = {
        "eta": 3e-4, "steps": 300, "batch": batch, "loss": loss, "learner": learner,
        "record_at": [0, 7, 150, 300], "until": 0.85, "seed": 1,
    }  # fmt: skip
    expected = in_torch(monkeypatch, teacher, start, method="direct", **settings)
    assert (expected.V - start.V).abs().max() > 0.05
    for method in ("direct", "blocked"):
        for run in (
            online_sgd(teacher, start, method=method, **settings),
            in_torch(monkeypatch, teacher, start, method=method, **settings),
        ):
            assert run.method == method
            same(run, expected, rtol=0, atol=1e-10)


def test_blocked_keeps_to_direct_for_ten_thousand_steps():
    teacher = Teacher.power_law(24, 4, 0.8, activation=Activation.hermite(3))
    start = Student.on_sphere(24, 8, 0.5, seed=1, dtype=torch.float64)
    settings = {"eta": 5e-4, "steps": 10_000, "record_at": [0, 137, 5_000, 10_000], "seed": 3}
    direct = online_sgd(teacher, start, method="direct", **settings)
    same(online_sgd(teacher, start, method="blocked", **settings), direct, rtol=0, atol=1e-10)
    moved = (direct.V[0] - start.V).norm(dim=-1) / start.V.norm(dim=-1)
    assert moved.min() > 0.5
    assert (direct.overlaps[-1].abs() > 0.9).any()  # a direction has been learned on the way


def in_coordinates(V, X, rank):
    """λ*, w and c of the samples X (S, d) along the path V (S, m, d) that they drive."""
    L_transposed = torch.linalg.qr(V[..., rank:].mT)
    signs = torch.diagonal(L_transposed.R, dim1=-2, dim2=-1).sign()
    w = (L_transposed.Q.mT @ X[:, rank:, None])[..., 0] * signs
    square = (X[:, rank:] ** 2).sum(-1) - (w**2).sum(-1)
    return torch.cat([X[:, :rank], w], dim=-1), square.clamp(min=0).sqrt()


@pytest.mark.parametrize("R", [1, 8])  # one lane, and several
@pytest.mark.parametrize(("loss", "learner"), LEARNERS)
def test_a_reduced_step_is_the_direct_one_in_other_coordinates(monkeypatch, loss, learner, R):
    # Along a path of the textbook loop each sample is written in the basis of that moment; fed
    # with these coordinates, the reduced loop must follow the path in R and G.
    teacher, steps = Teacher([0.8, 0.6], d=9, activation=GENERAL), 60
    V, X = unit(gaussian(R, 4, 9)), gaussian(steps, R, 9, seed=1)
    settings = {
        "eta": 1e-3, "loss": loss, "learner": learner, "record_at": range(steps + 1), "seed": 0,
        "steps": steps,
    }  # fmt: skip
    paths = [
        online_sgd(
            teacher, Student(V), samples=X[:t], **{**settings, "steps": t, "record_at": []}
        ).V
        for t in range(steps)
    ]
    drawn = [
        in_coordinates(torch.stack([path[r] for path in paths]), X[:, r], rank=2) for r in range(R)
    ]

    def singles(self, rows):
        at = self.at if hasattr(self, "at") else 0
        self.at = at + rows
        chosen = torch.stack([coordinates[at : at + rows] for coordinates, _ in drawn])
        distance = torch.stack([c[at : at + rows] for _, c in drawn])
        targets = self._teacher.project(chosen)
        return _samples.Block(chosen, targets, self._labels.of(targets)), distance

    monkeypatch.setattr(_samples.Span, "singles", singles)
    reduced = online_sgd(teacher, Student(V), method="reduced", **settings)
    direct = online_sgd(teacher, Student(V), method="direct", samples=X, **settings)
    for name in ("overlaps", "norms", "loss"):
        torch.testing.assert_close(
            getattr(reduced, name), getattr(direct, name), rtol=1e-9, atol=1e-9
        )
    torch.testing.assert_close(reduced.V @ reduced.V.mT, direct.V @ direct.V.mT)
    assert (direct.V - V).abs().max() > 0.01


def law(run):
    """The five statistics that laws are compared by, each (replicates that did not fail,)."""
    kept = run.failed.isinf()
    V = unit(run.V[kept])
    M2 = run.overlaps[-1][kept] ** 2
    return {
        "loss": run.loss[-1][kept],
        "M²": M2[:, 0, 0],
        "norm²": run.norms[-1][kept][:, 0] ** 2,
        "overlap of two neurons": (V[:, 0] * V[:, 1]).sum(-1),
        "greatest M²": M2.amax((1, 2)),
    }


def p_values(one, other):
    """Kolmogorov–Smirnov, of each statistic, and of how often a replicate fails."""
    first, second = law(one), law(other)
    found = [ks_2samp(first[name].numpy(), second[name].numpy()).pvalue for name in first]
    failed = [run.failed.isfinite().double() for run in (one, other)]
    error = math.sqrt(sum(float(rate.var()) / len(rate) for rate in failed)) + 1e-300
    z = float(failed[0].mean() - failed[1].mean()) / error
    return np.array([*found, math.erfc(abs(z) / math.sqrt(2))])


def without_chi(monkeypatch):
    whole = _samples.Span.singles

    def singles(self, rows):
        block, distance = whole(self, rows)
        return block, 0 * distance

    monkeypatch.setattr(_samples.Span, "singles", singles)


# Twelve p-values each: with Bonferroni's correction, a right method fails once in a hundred.
LAWS = {
    "close to m + P": (
        Teacher.power_law(8, 3, 0.8, activation=Activation.hermite(4)),
        Student.on_sphere(8, 3, 0.5, seed=0, dtype=torch.float64),
        {"eta": 2.5e-3, "steps": 400},
    ),
    "learning completes": (
        Teacher.power_law(12, 2, 0.8, activation=Activation.hermite(3)),
        Student.on_sphere(12, 6, 0.5, seed=0),
        {"eta": 4e-3, "steps": 2500},
    ),
}


@pytest.mark.parametrize("size", list(LAWS))
def test_reduced_has_the_law_of_direct(monkeypatch, size):
    teacher, start, settings = LAWS[size]
    settings = settings | {"replicates": 20_000}
    direct = online_sgd(teacher, start, method="direct", seed=1, **settings)
    reduced = online_sgd(teacher, start, method="reduced", seed=2, **settings)
    if size == "learning completes":
        learned = (direct.overlaps[-1].abs() > 0.9).any(dim=1).all(dim=1)
        assert learned.double().mean() > 0.7
    assert p_values(direct, reduced).min() > 0.01 / 12
    # The negative control: without what lies outside of the span it is another law, by a mile.
    without_chi(monkeypatch)
    settings["replicates"] = 4000
    wrong = online_sgd(teacher, start, method="reduced", seed=2, **settings)
    assert p_values(direct, wrong).min() < 1e-9


def test_reduced_has_the_law_of_direct_with_every_option():
    settings = {"eta": 1e-3, "steps": 60, "replicates": 2000, "loss": "mse"}
    found = []
    for learner, radius in (("homogeneous", 0.7), ("spherical", 1.0)):
        start = Student.on_sphere(9, 3, radius, seed=3, dtype=torch.float64)
        for batch in (1, 4):
            options = {**settings, "learner": learner, "batch": batch}
            direct = online_sgd(overlapping(9), start, method="direct", seed=1, **options)
            reduced = online_sgd(overlapping(9), start, method="reduced", seed=2, **options)
            assert direct.overlaps[-1].isfinite().double().mean() > 0.9
            found.append(np.delete(p_values(direct, reduced), 2 if learner == "spherical" else []))
    assert np.concatenate(found).min() > 0.01 / 22


def test_reduced_in_blocks_has_the_law_of_reduced_one_by_one(monkeypatch):
    # The form for GPUs, where the outer coordinates of a block are a Bartlett factor; d is so
    # small that they span all of what is left.
    teacher, start, settings = LAWS["close to m + P"]
    settings = settings | {"replicates": 4000, "steps": 200}
    one_by_one = online_sgd(teacher, start, method="reduced", seed=1, **settings)
    blocks = in_torch(monkeypatch, teacher, start, method="reduced", seed=2, **settings)
    assert p_values(one_by_one, blocks).min() > 0.01 / 6


def test_reduced_goes_on_from_its_own_result_and_costs_nothing_in_d():
    d, P, m = 10**6, 2, 3
    teacher = Teacher.power_law(d, P, 1.0, activation=Activation.hermite(4))
    start = Student.on_sphere(d, m, 0.1, seed=0, axes=P)
    first = online_sgd(teacher, start, method="reduced", eta=1e-8, steps=50, seed=0)
    assert first.V.shape == (1, m, P + m)
    second = online_sgd(teacher, Student(first.V), method="reduced", eta=1e-8, steps=0, seed=0)
    torch.testing.assert_close(second.loss[0], first.loss[-1])
    torch.testing.assert_close(second.overlaps[0], first.overlaps[-1])
    torch.testing.assert_close(second.V @ second.V.mT, first.V @ first.V.mT)


@pytest.mark.parametrize("method", ["direct", "blocked", "reduced"])
@pytest.mark.parametrize("batch", [1, 4])
def test_a_rate_of_the_state_is_asked_of_those_that_run(method, batch):
    teacher = Teacher.power_law(16, 2, 1.0, activation=Activation.hermite(4))
    V = Student.on_sphere(16, 3, 0.4, seed=0, replicates=3, dtype=torch.float64).V.clone()
    V[1] *= 60  # blows up at once
    asked = []

    def eta(step, state):
        asked.append(step)
        assert state.teacher.d == 16
        assert bool(state.norms.isfinite().all())
        return 1e-3

    settings = {"steps": 20, "method": method, "batch": batch, "seed": 0}
    run = online_sgd(teacher, Student(V), eta=eta, **settings)
    assert run.failed.isfinite().tolist() == [False, True, False]
    assert asked.count(19) == 2


def test_a_start_in_the_span_has_the_right_law_where_it_fills_space():
    # A single skill off the axes, and one neuron fewer than dimensions.
    direction = torch.tensor([[0.0, 0.0, 1.0]])
    teacher = Teacher([1.0], d=3, activation=Activation.hermite(4), directions=direction)
    start = Student.on_sphere(3, 2, 1.0, seed=0, axes=1, replicates=4000, dtype=torch.float64)
    run = online_sgd(teacher, start, eta=0.1, steps=0, method="reduced", seed=0)
    assert (run.overlaps[0, :, :, 0] ** 2).mean(0).tolist() == pytest.approx(
        [1 / 3, 1 / 3], abs=0.02
    )


def test_reduced_gives_back_x_coordinates_where_the_span_is_all_of_space():
    teacher, m = overlapping(5), 3  # rank 2 and 3 neurons fill R^5
    start = Student.on_sphere(5, m, 0.5, seed=0, dtype=torch.float64)
    run = online_sgd(teacher, start, method="reduced", eta=1e-3, steps=20, seed=0)
    V = run.V[0]
    torch.testing.assert_close(teacher.project(unit(V)), run.overlaps[-1, 0])
    torch.testing.assert_close(population_loss(teacher, Student(V)), run.loss[-1, 0])


def test_auto_takes_direct_or_blocked_and_gives_the_same():
    for m, method in ((2, "direct"), (64, "blocked")):
        teacher = Teacher.power_law(2048, 2, 1.0, activation=Activation.hermite(4))
        start = Student.on_sphere(2048, m, 0.1, seed=0, dtype=torch.float64)
        settings = {"eta": 1e-4, "steps": 300, "seed": 0}
        auto = online_sgd(teacher, start, **settings)
        assert auto.method == method
        same(auto, online_sgd(teacher, start, method="direct", **settings), rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["direct", "blocked", "reduced"])
def test_a_learning_rate_may_depend_on_the_step_and_on_the_state(method):
    teacher = Teacher.power_law(16, 2, 1.0, activation=Activation.hermite(3))
    start = Student.on_sphere(16, 3, 0.4, seed=0, replicates=3, dtype=torch.float64)
    settings = {"steps": 40, "method": method, "record_at": [0, 13, 40], "seed": 0}
    run = online_sgd(teacher, start, eta=lambda step: 0.01 / (1 + step), **settings)
    seen = []

    def of_state(step, state):
        seen.append((step, state))
        assert state.overlaps.shape == (3, 2)
        assert state.norms.shape == (3,)
        return 0.01 / (1 + step) * float(state.overlaps.abs().amax() <= 1)

    same(online_sgd(teacher, start, eta=of_state, **settings), run, rtol=0, atol=1e-12)
    assert [step for step, _ in seen if step == 39] == [39] * 3
    losses = [state.loss for step, state in seen if step == 39]
    assert max(losses) < 1.1 * float(run.loss[0].max())
    constant = online_sgd(teacher, start, eta=0.01, **settings)
    assert not torch.allclose(constant.overlaps[-1], run.overlaps[-1])


def test_a_rate_that_is_not_valid_is_named_with_its_step():
    student = Student(torch.ones(1, 8))
    with pytest.raises(ValueError, match="eta is nan at step 3; valid are finite numbers from 0"):
        online_sgd(single(), student, eta=lambda t: math.nan if t == 3 else 0.1, steps=9, seed=0)
    with pytest.raises(ValueError, match="eta takes 3 arguments; valid are functions of the step"):
        online_sgd(single(), student, eta=lambda t, state, more: 0.1, steps=9, seed=0)


@pytest.mark.parametrize("method", ["direct", "blocked"])
def test_a_mini_batch_step_is_the_mean_of_its_samples_steps(method):
    teacher = Teacher.power_law(6, 2, 1.0, activation=GENERAL)
    V = gaussian(2, 6) / 3
    X = gaussian(5, 1, 6, seed=1)
    steps = [
        online_sgd(teacher, Student(V), eta=1e-3, steps=1, samples=x[None], method=method, seed=0).V
        for x in X
    ]
    batch = online_sgd(
        teacher, Student(V), eta=1e-3, steps=1, batch=5, samples=X, method=method, seed=0
    )
    torch.testing.assert_close(batch.V, torch.stack(steps).mean(dim=0))


@pytest.mark.parametrize("learner", ["homogeneous", "spherical"])
def test_a_batch_in_parts_is_the_batch_in_one(monkeypatch, learner):
    teacher, start = single(), Student.on_sphere(8, 3, 1.0, seed=0, replicates=2)
    batch = sgd._PART + 100  # of two parts
    settings = {"eta": 0.05, "steps": 40, "batch": batch, "learner": learner, "seed": 0}
    settings |= {"record_at": range(0, 41, 10), "until": 0.9}
    parts = online_sgd(teacher, Student(start.V.double()), **settings)
    monkeypatch.setattr(sgd, "_compiled", lambda V: False)
    whole = online_sgd(teacher, Student(start.V.double()), **settings)
    torch.testing.assert_close(parts.V, whole.V, rtol=0, atol=1e-10)
    torch.testing.assert_close(parts.overlaps, whole.overlaps, atol=1e-10, rtol=0, equal_nan=True)
    assert torch.equal(parts.hits, whole.hits)
    assert torch.isfinite(parts.hits).any()  # so some stop between two records


def test_label_noise_has_its_standard_deviation_and_leaves_the_samples_alone():
    teacher = Teacher([1.0], d=4, activation=Activation.hermite(2))
    noisy = Teacher([1.0], d=4, activation=Activation.hermite(2), noise=0.5)
    V = unit(gaussian(1, 4))
    settings = {"eta": 1.0, "steps": 1, "loss": "correlation", "replicates": 4000, "seed": 5}
    clean = online_sgd(teacher, Student(V), **settings).V - V
    moved = online_sgd(noisy, Student(V), **settings).V - V
    # ΔV = y · (what x alone fixes), so the ratio is (f* + noise)/f*; its numerator is noise.
    _, _, y = _samples.Gaussian(teacher, V.repeat(4000, 1, 1), 5, None).take(1)
    noise = (moved / clean)[:, 0, 0] * y[:, 0] - y[:, 0]
    assert abs(noise.std() - 0.5) < 0.03
    assert abs(noise.mean()) < 0.04


def test_samples_have_their_covariance():
    A = gaussian(4, 4)
    for covariance in (A @ A.T, torch.tensor([2.0, 1.0, 0.5, 0.0]).double()):
        teacher = Teacher([1.0], d=4, activation=GENERAL, covariance=covariance)
        V = torch.zeros(1, 1, 4, dtype=torch.float64)
        X = _samples.Gaussian(teacher, V, 0, None).take(200_000).X[0]
        full = covariance if covariance.ndim == 2 else covariance.diag()
        torch.testing.assert_close(X.T @ X / len(X), full, rtol=0, atol=0.03 * float(full.max()))


def test_samples_do_not_depend_on_how_many_are_asked_for_at_a_time():
    V = torch.zeros(2, 1, 5)
    for d in (5, 16, 700):
        teacher = Teacher([1.0], d=d, activation=GENERAL, noise=1.0)
        whole = _samples.Gaussian(teacher, V.new_zeros(2, 1, d), 0, None).take(1000)
        parts = _samples.Gaussian(teacher, V.new_zeros(2, 1, d), 0, None)
        parts = [_samples.Block(*map(torch.clone, parts.take(n))) for n in (1, 7, 300, 92, 600)]
        assert torch.equal(torch.cat([part.X for part in parts], 1), whole.X)
        assert torch.equal(torch.cat([part.y for part in parts], 1), whole.y)
        later = _samples.Gaussian(teacher, V.new_zeros(1, 1, d), 0, None, first=1).take(1000)
        assert torch.equal(later.X[0], whole.X[1])


MEMORY = """
import resource, torch
from plateaus.emergence import Activation, Student, Teacher, online_sgd
torch.set_num_threads(2)
for method, d, axes, steps in (
    ("reduced", 10**6, 4, 8000), ("direct", 2048, None, 4000), ("blocked", 2048, None, 8000)
):
    teacher = Teacher.power_law(d, 4, 1.0, activation=Activation.hermite(4))
    start = Student.on_sphere(d, 64, 0.1, seed=0, axes=axes)
    peaks = []
    for number in (300, steps):
        online_sgd(teacher, start, eta=1e-9, steps=number, method=method, seed=0)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    print(peaks[1] - peaks[0])
"""


def test_memory_does_not_grow_with_the_steps():
    command = [sys.executable, "-c", MEMORY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    growth = [
        int(line) / (1024 if sys.platform == "linux" else 1024**2) for line in done.stdout.split()
    ]
    # In MB. All samples of `direct` would take 33 MB, a trajectory of V 2 GB.
    assert len(growth) == 3
    assert max(growth) < 16


@pytest.mark.parametrize(("loss", "learner"), LEARNERS)
def test_the_compiled_loop_agrees_with_torch(monkeypatch, loss, learner):
    teacher = Teacher([0.8, 0.6], d=7, activation=GENERAL)
    V = unit(gaussian(4, 3, 7))
    settings = {
        "eta": 0.0005, "steps": 60, "loss": loss, "learner": learner, "record_at": [0, 7, 33, 60],
        "until": 0.75, "samples": gaussian(60, 4, 7, seed=2), "seed": 0,
    }  # fmt: skip
    compiled = online_sgd(teacher, Student(V), **settings)
    same(compiled, in_torch(monkeypatch, teacher, Student(V), **settings), rtol=1e-12, atol=1e-12)
    assert torch.equal(V, unit(gaussian(4, 3, 7)))  # the start is left alone


def test_both_loops_draw_the_same_samples_and_stop_alike(monkeypatch):
    start = Student(Student.on_sphere(8, 1, 1.0, seed=3, replicates=5).V.double())
    settings = {
        "eta": 0.02, "steps": 900, "loss": "correlation", "learner": "spherical",
        "record_at": [0, 40, 900], "until": 0.6, "seed": 4,
    }  # fmt: skip
    compiled = online_sgd(single(), start, **settings)
    same(compiled, in_torch(monkeypatch, single(), start, **settings), rtol=1e-9, atol=1e-9)
    assert compiled.hits.isfinite().any()
    assert compiled.overlaps[2].isnan().any()  # those that had stopped


def test_float32_follows_float64():
    teacher = single(3)
    V, X = unit(gaussian(2, 1, 8)), gaussian(200, 2, 8, seed=1)
    settings = {"eta": 0.002, "steps": 200, "seed": 0}
    wide = online_sgd(teacher, Student(V), samples=X, **settings)
    narrow = online_sgd(teacher, Student(V.float()), samples=X.float(), **settings)
    assert narrow.V.dtype == narrow.overlaps.dtype == narrow.loss.dtype == torch.float32
    torch.testing.assert_close(narrow.V.double(), wide.V, rtol=0, atol=1e-4)


@pytest.mark.parametrize("R", [1, 16])
def test_rounding_does_not_add_up_in_the_norms_that_reduced_keeps(R):
    # In float32, one neuron on the sphere, far more steps than are drawn at a time.
    run = online_sgd(
        single(4, d=32), Student.on_sphere(32, 1, 1.0, seed=1), eta=2e-4,
        steps=30_000, method="reduced", loss="correlation", learner="spherical", replicates=R,
        record_at=[8_000, 15_999, 30_000], seed=0,
    )  # fmt: skip
    torch.testing.assert_close(run.norms, torch.ones_like(run.norms), rtol=0, atol=1e-5)


def test_a_replicate_sees_the_same_samples_whatever_the_others_and_the_budget():
    start = Student.on_sphere(8, 2, 0.5, seed=0)
    settings = {"eta": 1e-3, "seed": 7}
    many = online_sgd(single(), start, steps=50, replicates=3, record_at=[20], **settings)
    one = online_sgd(single(), start, steps=20, record_at=[20], **settings)
    assert torch.equal(many.overlaps[0, 0], one.overlaps[0, 0])
    assert not torch.equal(many.V[0], many.V[1])


def test_results_do_not_depend_on_threads_nor_on_the_run():
    start = Student.on_sphere(8, 1, 1.0, seed=0, replicates=6)
    settings = {
        "eta": 0.02, "steps": 3000, "loss": "correlation", "learner": "spherical",
        "until": 0.5, "seed": 1,
    }  # fmt: skip
    threads = torch.get_num_threads()
    runs = []
    for number in (1, 3, 3):
        torch.set_num_threads(number)
        runs.append(online_sgd(single(), start, **settings))
    torch.set_num_threads(threads)
    for run in runs[1:]:
        same(runs[0], run, rtol=0, atol=0)


@pytest.mark.parametrize("learner", ["homogeneous", "spherical"])
@pytest.mark.parametrize("loss", ["mse", "correlation"])
def test_the_population_loss_is_an_average(loss, learner):
    teacher = Teacher([0.8, 0.6], d=3, activation=Activation((0.3, 0.2, 0.5)))
    V = unit(gaussian(2, 3)) * (0.8 if learner == "homogeneous" else 1.0)
    run = online_sgd(teacher, Student(V), eta=0.1, steps=0, loss=loss, learner=learner, seed=0)
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    grid = torch.cartesian_prod(*[torch.tensor(nodes)] * 3)
    weight = torch.cartesian_prod(*[torch.tensor(weights / weights.sum())] * 3).prod(dim=-1)
    n = V.norm(dim=-1)
    f = teacher.activation(grid @ (V / n[:, None]).T) @ (n**2)
    y = teacher(grid)
    value = 0.5 * (y - f) ** 2 if loss == "mse" else -f * y
    torch.testing.assert_close(run.loss[0, 0], weight @ value)


def test_a_perfect_student_stays():
    teacher = Teacher([0.8, 0.6], d=4, activation=GENERAL)
    V = torch.eye(2, 4, dtype=torch.float64) * torch.tensor([[0.8], [0.6]]).double().sqrt()
    run = online_sgd(teacher, Student(V), eta=0.01, steps=100, seed=0)
    torch.testing.assert_close(run.V[0], V, rtol=0, atol=1e-6)  # √ of the rounding errors
    assert run.loss.abs().max() < 1e-12
    run = online_sgd(teacher, Student(V), eta=0.01, steps=100, seed=0, until=0.9)
    assert run.hits.tolist() == [[0.0, 0.0]]  # it was there before the first step


def test_hits_are_first_passages():
    start = Student.on_sphere(8, 1, 1.0, seed=3, replicates=4)
    settings = {
        "eta": 0.02, "steps": 400, "loss": "correlation", "learner": "spherical", "seed": 4,
        "record_at": range(401),
    }  # fmt: skip
    path = online_sgd(single(), start, **settings).overlaps[:, :, 0, 0].abs() >= 0.5
    hits = online_sgd(single(), start, until=0.5, **settings).hits[:, 0]
    for r in range(4):
        steps = path[:, r].nonzero()
        assert hits[r] == (steps[0].item() if len(steps) else math.inf)
    assert hits.isfinite().any()


@pytest.mark.parametrize("method", ["direct", "blocked"])
def test_a_replicate_that_overflows_stops_alone(monkeypatch, method):
    V, X = unit(gaussian(2, 1, 4)), gaussian(6, 2, 4, seed=1)
    X[2, 1] = 1e200  # the third sample of the second replicate
    settings = {
        "eta": 0.01, "steps": 6, "record_at": [2, 3, 6], "samples": X, "method": method, "seed": 0,
    }  # fmt: skip
    for run in (
        online_sgd(single(4, 4), Student(V), **settings),
        in_torch(monkeypatch, single(4, 4), Student(V), **settings),
    ):
        assert run.failed.tolist() == [math.inf, 3.0]
        assert run.loss[:, 0].isfinite().all()
        assert run.loss[:, 1].isfinite().tolist() == [True, False, False]
        assert run.V[1].isnan().all()
        assert run.V[0].isfinite().all()
        assert run.hits is None


@pytest.mark.parametrize("compiled", [True, False])
def test_reduced_stops_a_replicate_that_overflows_and_keeps_the_rest(monkeypatch, compiled):
    teacher, start, _ = LAWS["close to m + P"]
    settings = {
        "eta": 0.02, "steps": 300, "replicates": 50, "method": "reduced",
        "record_at": [0, 100, 300], "seed": 0,
    }  # fmt: skip
    run = (
        online_sgd(teacher, start, **settings)
        if compiled
        else in_torch(monkeypatch, teacher, start, **settings)
    )
    failed = run.failed.isfinite()
    assert 0 < failed.sum() < 50
    for mark, step in enumerate((0, 100, 300)):
        assert torch.equal(run.loss[mark].isfinite(), run.failed > step)
    assert torch.equal(run.V.isnan().all(dim=(1, 2)), failed)


@pytest.mark.parametrize("compiled", [True, False])
def test_reduced_notes_first_passages(monkeypatch, compiled):
    teacher = Teacher([1.0], d=50, activation=Activation.hermite(2))
    settings = {
        "eta": 0.004, "steps": 1500, "loss": "correlation", "learner": "spherical",
        "replicates": 40, "record_at": range(0, 1501, 10), "seed": 4, "method": "reduced",
    }  # fmt: skip
    start = Student.on_sphere(50, 1, 1.0, seed=3)
    run = (
        online_sgd(teacher, start, until=0.5, **settings)
        if compiled
        else in_torch(monkeypatch, teacher, start, until=0.5, **settings)
    )
    hits = run.hits[:, 0]
    assert hits.isfinite().any()
    for mark, step in enumerate(run.steps.tolist()):
        here = run.overlaps[mark, :, 0, 0]
        assert torch.equal(here.isnan(), hits < step)  # stopped before
        assert (here[hits > step].abs() < 0.5).all()
        assert (here[hits == step].abs() >= 0.5).all()


def test_when_all_overflow_the_first_step_is_named():
    V, X = unit(gaussian(2, 1, 4)), gaussian(6, 2, 4, seed=1)
    X[2, 1] = X[4, 0] = 1e200
    with pytest.raises(Diverged, match=r"all 2 replicates .* step 3, with eta = 0.01") as caught:
        online_sgd(
            single(4, 4), Student(V), eta=0.01, steps=6, samples=X, record_at=range(7), seed=0
        )
    run = caught.value.run  # nothing that was seen is lost
    assert run.failed.tolist() == [5.0, 3.0]
    assert run.loss.isfinite().sum(dim=0).tolist() == [5, 3]
    with pytest.raises(FloatingPointError, match="eta = 100"):
        online_sgd(single(4, 4), Student(V), eta=100.0, steps=1000, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eta": 0.0}, "eta is 0.0; valid are finite positive"),
        ({"eta": -1.0}, "eta is -1.0; valid are finite positive"),
        ({"eta": math.nan}, "eta is nan; valid are finite positive"),
        ({"eta": math.inf}, "eta is inf; valid are finite positive"),
        ({"steps": -1}, "steps is -1; valid are integers from 0"),
        ({"steps": 1.5}, "steps is 1.5; valid are integers from 0"),
        ({"method": "fast"}, "method is 'fast'; valid: auto, direct, blocked, reduced"),
        ({"loss": "hinge"}, "loss is 'hinge'; valid: mse, correlation"),
        ({"learner": "flat"}, "learner is 'flat'; valid: homogeneous, spherical"),
        ({"learner": "spherical"}, "rows of norm 1"),
        ({"replicates": 0}, "replicates is 0; valid are integers from 1"),
        ({"record_at": [3, 1]}, "valid are increasing numbers of steps from 0 to 10"),
        ({"record_at": [11]}, "valid are increasing numbers of steps from 0 to 10"),
        ({"until": 0.0}, "until is 0.0; valid are overlaps above 0"),
        ({"until": 1.5}, "until is 1.5; valid are overlaps above 0"),
        ({"seed": -2}, "seed is -2; valid are integers from 0"),
        ({"samples": torch.zeros(10, 8)}, r"valid is \(10, 1, 8\)"),
        ({"samples": torch.zeros(10, 1, 8).double()}, "valid is the student's torch.float32"),
        ({"samples": torch.zeros(10, 1, 8, device="meta")}, "on meta; valid is the student's"),
        ({"student": Student(torch.ones(1, 9))}, "the student has d = 9, the teacher d = 8"),
        ({"student": Student(torch.ones(3, 1, 8)), "replicates": 2}, "V has 3 starts"),
        ({"student": Student(torch.ones(1, 9)), "method": "reduced"}, "valid are 2, 8"),
        ({"student": Student(torch.ones(1, 5)), "method": "reduced"}, "valid are 2, 8"),
        ({"record_at": [0.5]}, r"record_at is \[0.5\]; valid are increasing"),
        ({"record_at": 5}, "record_at is 5; valid are increasing"),
        ({"eta": None}, "eta is None; valid are finite positive"),
        ({"replicates": True}, "replicates is True; valid are integers"),
        ({"samples": torch.full((10, 1, 8), math.nan)}, "samples have a value that is not finite"),
        ({"batch": 0}, "batch is 0; valid are integers from 1"),
        ({"batch": 2.0}, "batch is 2.0; valid are integers from 1"),
        ({"samples": torch.zeros(10, 1, 8), "batch": 2}, r"valid is \(20, 1, 8\)"),
        (
            {"samples": torch.zeros(10, 1, 8), "method": "reduced"},
            "valid methods for given samples",
        ),
        (
            {"student": Student(torch.ones(8, 8)), "method": "reduced"},
            r"rank \+ m = 1 \+ 8 exceeds",
        ),
        ({"student": Student(torch.ones(1, 2))}, "the student has d = 2, the teacher d = 8"),
    ],
)
def test_bad_arguments(arguments, message):
    good = {"student": Student(torch.ones(1, 8)), "eta": 0.1, "steps": 10, "seed": 0}
    with pytest.raises(ValueError, match=message):
        online_sgd(single(), **(good | arguments))


def test_reduced_refuses_a_covariance():
    teacher = Teacher([1.0], d=8, activation=GENERAL, covariance=torch.ones(8))
    with pytest.raises(ValueError, match="valid for method 'reduced' is isotropic data"):
        online_sgd(teacher, Student(torch.ones(1, 8)), eta=0.1, steps=1, seed=0, method="reduced")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("method", ["direct", "blocked"])
def test_the_gpu_agrees_on_given_samples(method):
    teacher = Teacher([0.8, 0.6], d=7, activation=GENERAL)
    V, X = unit(gaussian(4, 3, 7)), gaussian(60, 4, 7, seed=2)
    settings = {"eta": 0.003, "steps": 60, "until": 0.75, "method": method, "seed": 0}
    cpu = online_sgd(teacher, Student(V), samples=X, **settings)
    gpu = online_sgd(teacher, Student(V.cuda()), samples=X.cuda(), **settings)
    torch.testing.assert_close(gpu.V.cpu(), cpu.V, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gpu.hits.cpu(), cpu.hits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_reduced_has_the_same_law_on_the_gpu():
    teacher, start, settings = LAWS["close to m + P"]
    settings = settings | {"replicates": 4000, "method": "reduced"}
    cpu = online_sgd(teacher, start, seed=1, **settings)
    gpu = online_sgd(teacher, Student(start.V.cuda()), seed=2, **settings)
    gpu = dataclasses.replace(
        gpu, overlaps=gpu.overlaps.cpu(), norms=gpu.norms.cpu(), loss=gpu.loss.cpu(), V=gpu.V.cpu()
    )
    assert p_values(cpu, gpu).min() > 0.01 / 6

import math

import numpy as np
import pytest
import torch

from plateaus.emergence import Activation, Student, Teacher, online_sgd, sgd

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


def test_a_replicate_that_overflows_stops_alone(monkeypatch):
    V, X = unit(gaussian(2, 1, 4)), gaussian(6, 2, 4, seed=1)
    X[2, 1] = 1e200  # the third sample of the second replicate
    settings = {"eta": 0.01, "steps": 6, "record_at": [2, 3, 6], "samples": X, "seed": 0}
    for run in (
        online_sgd(single(4, 4), Student(V), **settings),
        in_torch(monkeypatch, single(4, 4), Student(V), **settings),
    ):
        assert run.failed.tolist() == [math.inf, 3.0]
        assert run.loss[:, 0].isfinite().all()
        assert run.loss[:, 1].isfinite().tolist() == [True, False, False]
        assert run.hits is None


def test_when_all_overflow_the_first_step_is_named():
    V, X = unit(gaussian(2, 1, 4)), gaussian(6, 2, 4, seed=1)
    X[2, 1] = X[4, 0] = 1e200
    with pytest.raises(FloatingPointError, match=r"all 2 replicates .* step 3, with eta = 0.01"):
        online_sgd(single(4, 4), Student(V), eta=0.01, steps=6, samples=X, seed=0)
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
        ({"method": "fast"}, "method is 'fast'; valid: direct"),
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
    ],
)
def test_bad_arguments(arguments, message):
    good = {"student": Student(torch.ones(1, 8)), "eta": 0.1, "steps": 10, "seed": 0}
    with pytest.raises(ValueError, match=message):
        online_sgd(single(), **(good | arguments))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_agrees_on_given_samples():
    teacher = Teacher([0.8, 0.6], d=7, activation=GENERAL)
    V, X = unit(gaussian(4, 3, 7)), gaussian(60, 4, 7, seed=2)
    settings = {"eta": 0.003, "steps": 60, "until": 0.75, "seed": 0}
    cpu = online_sgd(teacher, Student(V), samples=X, **settings)
    gpu = online_sgd(teacher, Student(V.cuda()), samples=X.cuda(), **settings)
    torch.testing.assert_close(gpu.V.cpu(), cpu.V, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(gpu.hits.cpu(), cpu.hits)

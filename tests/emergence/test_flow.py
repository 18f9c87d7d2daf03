import math

import pytest
import torch
from scipy.integrate import solve_ivp

from plateaus.emergence import (
    Activation,
    Student,
    Teacher,
    flow,
    greedy,
    population_gradient,
    population_loss,
)

GENERAL = Activation((0.3, 0.0, 0.5, 0.2, 1.0))
h4 = Activation.hermite(4)


def unit(V):
    return V / V.norm(dim=-1, keepdim=True)


def in_full_space(teacher, V, times, **names):
    """The flow of V in all d dimensions, to a tight tolerance."""

    def velocity(_, y):
        rows = torch.from_numpy(y).view(V.shape)
        student = Student(unit(rows) if names.get("learner") == "spherical" else rows)
        return -population_gradient(teacher, student, **names).reshape(-1).numpy()

    path = solve_ivp(
        velocity, (0, times[-1]), V.reshape(-1).numpy(), "DOP853", times, rtol=1e-13, atol=1e-14
    )
    return torch.from_numpy(path.y.T.copy()).view(-1, *V.shape)


def tilted(P, d):
    rows = torch.zeros(P, d, dtype=torch.float64)
    rows[:, :P] = torch.eye(P)
    rows[:, P] = 0.5
    return unit(rows)


CASES = {
    "h_4": (Teacher.power_law(24, 4, 0.8, activation=h4), 0.1, "mse", "homogeneous"),
    "all c_k": (Teacher.power_law(24, 4, 0.8, activation=GENERAL), 0.3, "mse", "homogeneous"),
    "spherical": (Teacher.power_law(24, 4, 0.8, activation=h4), 1.0, "mse", "spherical"),
    "correlation": (
        Teacher.power_law(24, 4, 0.8, activation=h4), 1.0, "correlation", "spherical",
    ),
    "overlapping": (
        Teacher([0.8, 0.5, 0.3], d=24, activation=h4, directions=tilted(3, 24)),
        0.1, "mse", "homogeneous",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CASES))
def test_overlaps_follow_the_flow_in_full_space_to_the_tolerance(case):
    teacher, radius, loss, learner = CASES[case]
    V = Student.on_sphere(24, 5, radius, seed=2, dtype=torch.float64).V
    times = torch.linspace(0, 30, 61).double().tolist()
    expected = in_full_space(teacher, V, times, loss=loss, learner=learner)
    run = flow(teacher, Student(V), times, loss=loss, learner=learner)
    M = teacher.project(unit(expected))
    torch.testing.assert_close(run.overlaps, M, rtol=0, atol=1e-6)
    torch.testing.assert_close(run.norms, expected.norm(dim=-1), rtol=0, atol=1e-6)
    last = Student(unit(expected[-1]) if learner == "spherical" else expected[-1])
    reached = population_loss(teacher, last, loss=loss, learner=learner)
    assert abs(float(run.loss[-1] - reached)) < 1e-6
    assert (M[-1] - M[0]).abs().max() > 0.3  # something was learned on the way
    assert run.failed == math.inf


def test_many_plateaus_to_one_part_in_a_million():
    teacher = Teacher.power_law(512, 16, 0.8, activation=h4)
    start = Student.on_sphere(512, 16, 1e-2, seed=0, axes=16, dtype=torch.float64)
    times = torch.linspace(0, 300, 151).double()
    run = flow(teacher, start, times)
    exact = in_full_space(teacher.in_span(16), start.V, times.tolist())
    torch.testing.assert_close(run.overlaps, unit(exact)[..., :16], rtol=0, atol=1e-6)
    torch.testing.assert_close(run.norms, exact.norm(dim=-1), rtol=0, atol=1e-6)
    assert (run.overlaps[-1].abs().amax(dim=0) > 0.99).sum() >= 6


def test_the_error_follows_the_tolerance():
    teacher, _, _, _ = CASES["h_4"]
    start = Student.on_sphere(24, 5, 0.1, seed=2, dtype=torch.float64)
    fine = flow(teacher, start, [30.0], tolerance=1e-8).overlaps
    coarse = flow(teacher, start, [30.0], tolerance=1e-2).overlaps
    assert 1e-9 < (fine - coarse).abs().max() < 1e-2


def test_a_neurons_own_norm_does_not_move_its_direction():
    teacher, _, _, _ = CASES["all c_k"]
    V = Student.on_sphere(24, 5, 0.5, seed=1, dtype=torch.float64).V
    larger = V.clone()
    larger[2] *= 3

    def turning(V, i):
        gradient = population_gradient(teacher, Student(V))[i]
        v = V[i] / V[i].norm()
        return (gradient - (gradient @ v) * v) / V[i].norm()

    torch.testing.assert_close(turning(V, 2), turning(larger, 2), rtol=1e-12, atol=1e-13)
    assert (turning(V, 1) - turning(larger, 1)).abs().max() > 1e-4  # but that of the others


def test_the_students_of_a_direction_share_its_strength_in_the_end():
    teacher = Teacher.power_law(64, 3, 1.0, activation=h4)
    start = Student.on_sphere(64, 12, 0.1, seed=0, dtype=torch.float64)
    run = flow(teacher, start, [2000.0])  # what is left falls as t⁻²
    aligned = run.overlaps[-1].abs() > 0.99
    mass = (aligned * run.norms[-1][:, None] ** 2).sum(dim=0)
    torch.testing.assert_close(mass, teacher.a, rtol=1e-3, atol=0)
    assert run.loss[-1] < 1e-7


def test_the_loss_never_rises_and_each_skill_comes_when_greedy_says():
    teacher = Teacher.power_law(2048, 3, 1.0, activation=h4)
    start = Student.on_sphere(2048, 24, 1e-2, seed=5, dtype=torch.float64)
    predicted = greedy(teacher, start)
    times = torch.linspace(0, 1.2 * float(predicted.T.max()), 2000).double()
    run = flow(teacher, start, times)
    assert (run.loss.diff() < 1e-9).all()
    for p in range(3):
        M2 = run.overlaps[:, predicted.neuron[p], p] ** 2
        measured = times[(M2 > 0.5).nonzero()[0, 0]]
        assert float(measured / predicted.T[p]) == pytest.approx(1, abs=0.02)


def test_the_cost_is_free_of_d_and_a_result_can_go_on():
    teacher = Teacher.power_law(10**6, 2, 1.0, activation=Activation.hermite(3))
    start = Student.on_sphere(10**6, 3, 0.1, seed=0, axes=2, dtype=torch.float64)
    whole = flow(teacher, start, [0.0, 100.0, 250.0])
    first = flow(teacher, start, [100.0])
    assert first.V.shape == (3, 5)
    second = flow(teacher, Student(first.V), [150.0])
    torch.testing.assert_close(second.overlaps[0], whole.overlaps[2], rtol=0, atol=1e-6)
    torch.testing.assert_close(whole.V @ whole.V.mT, second.V @ second.V.mT, rtol=0, atol=1e-6)


def test_float32_is_followed_in_float64():
    teacher, _, _, _ = CASES["h_4"]
    narrow = Student.on_sphere(24, 5, 0.1, seed=2)
    run = flow(teacher, narrow, [5.0])
    assert run.overlaps.dtype == torch.float64
    wide = flow(teacher, Student(narrow.V.double()), [5.0])
    torch.testing.assert_close(run.overlaps, wide.overlaps, rtol=0, atol=0)


def test_norms_that_blow_up_are_reported_and_what_came_before_is_kept():
    teacher = Teacher([1.0], d=4, activation=h4)
    aligned = Student(torch.tensor([[0.5, 0.0, 0.0, 0.0]], dtype=torch.float64))
    # Aligned, dn²/dt = 4 n² for the correlation loss: it overflows where n² = 0.25 e^{4t} does.
    run = flow(teacher, aligned, [0.0, 1.0, 10_000.0], loss="correlation")
    assert 100 < run.failed < 400
    assert run.norms[:2, 0].tolist() == pytest.approx([0.5, 0.5 * math.exp(2)])
    assert run.norms[2].isnan().all()
    assert run.loss.isfinite().tolist() == [True, True, False]
    assert run.V.isfinite().all()


def test_neurons_that_share_a_direction_are_slowed_together_and_stay_exact():
    # Each of the four is slow enough alone; what they return at together would bound the steps.
    teacher = Teacher([1.0], d=6, activation=h4)
    V = torch.zeros(4, 6, dtype=torch.float64)
    V[:, 0], V[:, 1:5] = 0.5, 0.01 * torch.eye(4)
    times = torch.linspace(0, 100, 101).double()
    run = flow(teacher, Student(V), times)
    exact = in_full_space(teacher, V, times.tolist())
    torch.testing.assert_close(run.overlaps, unit(exact)[..., :1], rtol=0, atol=1e-6)
    torch.testing.assert_close(run.norms, exact.norm(dim=-1), rtol=0, atol=1e-6)


def test_a_wide_result_can_go_on_where_directions_are_given():
    teacher = Teacher([0.8, 0.5, 0.3], d=6, activation=h4, directions=tilted(3, 6))
    start = Student.on_sphere(6, 5, 0.3, seed=0, dtype=torch.float64)
    whole, first = flow(teacher, start, [10.0]), flow(teacher, start, [4.0])
    second = flow(teacher, Student(first.V), [6.0])
    torch.testing.assert_close(second.overlaps, whole.overlaps, rtol=0, atol=1e-6)


def test_progress_is_told():
    teacher, _, _, _ = CASES["h_4"]
    told = []
    start = Student.on_sphere(24, 5, 0.1, seed=2)
    flow(teacher, start, [0.0, 10.0], progress=told.append)
    assert len(told) > 3
    assert told == sorted(told)
    assert told[-1] == 1


def test_only_the_start():
    teacher, _, _, _ = CASES["h_4"]
    start = Student.on_sphere(24, 5, 0.1, seed=2, dtype=torch.float64)
    run = flow(teacher, start, [0.0])
    torch.testing.assert_close(run.overlaps[0], teacher.project(unit(start.V)))
    assert run.loss.shape == (1,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"times": []}, r"valid is \(times,\), of numbers from 0"),
        ({"times": [-1.0]}, r"valid is \(times,\), of numbers from 0"),
        ({"times": [math.nan]}, r"valid is \(times,\), of numbers from 0"),
        ({"times": [[1.0]]}, r"valid is \(times,\)"),
        ({"times": [1.0, 1.0]}, "valid are increasing numbers from 0"),
        ({"tolerance": 0.0}, "tolerance is 0.0; valid are numbers between 0 and 1"),
        ({"student": Student(torch.ones(2, 3, 24))}, "one student at a time"),
        ({"student": Student(torch.ones(2, 9))}, "V has 9 columns; valid are"),
        ({"loss": "hinge"}, "loss is 'hinge'; valid: mse, correlation"),
        ({"learner": "flat"}, "learner is 'flat'; valid: homogeneous, spherical"),
        ({"learner": "spherical"}, "rows of norm 1"),
        (
            {"teacher": Teacher([1.0], d=24, activation=h4, covariance=torch.ones(24))},
            "valid is isotropic data",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    good = {
        "teacher": CASES["h_4"][0], "student": Student(torch.ones(2, 24)), "times": [1.0],
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        flow(**(good | arguments))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_agrees():
    teacher, _, _, _ = CASES["h_4"]
    start = Student.on_sphere(24, 5, 0.1, seed=2, dtype=torch.float64)
    cpu = flow(teacher, start, [10.0])
    gpu = flow(teacher, Student(start.V.cuda()), [10.0])
    torch.testing.assert_close(gpu.overlaps, cpu.overlaps, rtol=0, atol=1e-6)


class Cut(Exception):
    pass


@pytest.mark.parametrize("name", ["h_4", "spherical"])
@pytest.mark.parametrize("after", [1, 2, 5, 9])
def test_a_flow_that_was_cut_goes_on_with_the_same_bits(name, after, tmp_path):
    teacher, scale, loss, learner = CASES[name]
    student = Student.on_sphere(24, 10, scale, seed=2)
    times = torch.linspace(0, 60 / teacher.a[0], 9)
    arguments = {"loss": loss, "learner": learner}
    whole, offered = flow(teacher, student, times, **arguments), 0

    def keep(state):
        nonlocal offered
        offered += 1
        if offered == after:
            torch.save(state(), tmp_path / "state")
            raise Cut

    with pytest.raises(Cut):
        flow(teacher, student, times, **arguments, keep=keep)
    state = torch.load(tmp_path / "state", weights_only=True)
    again = flow(teacher, student, times, **arguments, state=state)
    for one, other in ((again.overlaps, whole.overlaps), (again.V, whole.V)):
        assert torch.equal(one, other)
    assert torch.equal(again.loss, whole.loss)


def test_a_state_is_a_copy_of_its_moment():
    teacher, scale, *_ = CASES["h_4"]
    states = []
    times = torch.linspace(0, 60, 5)
    flow(
        teacher,
        Student.on_sphere(24, 10, scale, seed=2),
        times,
        keep=lambda make: states.append(make()),
    )
    assert len(states) > 2
    assert [s["reached"] for s in states] == sorted({s["reached"] for s in states})
    assert states[0]["seen"].isfinite().sum() < states[-1]["seen"].isfinite().sum()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"times": [0.0, 2.0]}, "times"),
        ({"teacher": Teacher.power_law(24, 4, 0.9, activation=h4)}, "a"),
        ({"student": Student.on_sphere(24, 10, 0.1, seed=3)}, "start"),
        ({"tolerance": 1e-5}, "arguments"),
        ({"teacher": Teacher.power_law(24, 4, 0.8, activation=GENERAL)}, "coefficients"),
    ],
)
def test_a_state_of_another_flow_is_refused(change, name):
    own = {
        "teacher": CASES["h_4"][0],
        "student": Student.on_sphere(24, 10, 0.1, seed=2),
        "times": [0.0, 1.0],
    }
    states = []
    flow(**own, keep=lambda make: states.append(make()))
    with pytest.raises(ValueError, match=f"is that of a flow with another {name}; valid is one"):
        flow(**{**own, **change}, state=states[0])


def test_neurons_that_only_together_are_fast() -> None:
    """h₄ with some h₂ brings several neurons to one direction, none of which is fast by itself."""
    student = Student.on_sphere(256, 9, 0.01, seed=3, dtype=torch.float64)
    first = Teacher.power_law(256, 3, 0.8, activation=Activation.hermite(4))
    y = (student.V[:, :3] / 0.01) ** 2
    eps = 40 * float(y.flatten()[(y * first.a).argmax()])
    mixed = Activation((0, 0, eps**0.5, 0, (1 - eps) ** 0.5))
    teacher = Teacher.power_law(256, 3, 0.8, activation=mixed)
    loss = flow(teacher, student, torch.linspace(0, 40, 41), tolerance=1e-3).loss
    assert (loss.diff() <= 1e-6).all()
    assert loss[-1] < 1e-3

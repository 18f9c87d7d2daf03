import math

import pytest
import torch

from plateaus.emergence import Activation, Student, Teacher

h2 = Activation.hermite(2)


def test_a_teacher_written_out():
    teacher = Teacher([0.8, 0.6], d=3, activation=h2)
    x = torch.tensor([[1.0, 2.0, 9.0], [0.0, -1.0, 5.0]], dtype=torch.float64)
    expected = torch.tensor([0.6 * 3, -0.8], dtype=torch.float64) / math.sqrt(2)
    torch.testing.assert_close(teacher(x), expected)
    assert teacher(x.float()).dtype == torch.float32


@pytest.mark.parametrize("a", [[], [[1.0]], [math.nan]])
def test_bad_strengths(a):
    with pytest.raises(ValueError, match=r"valid is \(P,\)"):
        Teacher(a, d=4, activation=h2)


@pytest.mark.parametrize("d", [1, 2.5])
def test_bad_dimension(d):
    with pytest.raises(ValueError, match="valid are integers from P = 2"):
        Teacher([1.0, 1.0], d=d, activation=h2)


def test_starts_on_the_sphere():
    student = Student.on_sphere(50, 3, 0.1, seed=1, replicates=4)
    assert student.V.shape == (4, 3, 50)
    torch.testing.assert_close(student.V.norm(dim=-1), torch.full((4, 3), 0.1))
    again = Student.on_sphere(50, 3, 0.1, seed=1, replicates=4)
    assert torch.equal(student.V, again.V)
    assert not torch.equal(student.V, Student.on_sphere(50, 3, 0.1, seed=2, replicates=4).V)
    assert Student.on_sphere(50, 3, 0.1, seed=1).V.shape == (3, 50)


def test_a_start_is_uniform():
    M = Student.on_sphere(8, 1, 1.0, seed=0, replicates=20_000).V[:, 0, 0].double()
    # E M² = 1/d and E M⁴ = 3/(d(d+2)); five standard errors.
    assert abs(M.square().mean() - 1 / 8) < 5 * M.square().std() / math.sqrt(20_000)
    assert abs((M**4).mean() - 3 / 80) < 5 * (M**4).std() / math.sqrt(20_000)


@pytest.mark.parametrize(
    ("V", "message"),
    [
        (torch.ones(3), "valid are"),
        (torch.ones(0, 3), "valid are"),
        (torch.ones(2, 3, dtype=torch.int64), "valid are torch.float32 and torch.float64"),
        (torch.tensor([[1.0, math.nan]]), "not finite"),
        (torch.tensor([[1.0, 0.0], [0.0, 0.0]]), "zero row"),
    ],
)
def test_bad_weights(V, message):
    with pytest.raises(ValueError, match=message):
        Student(V)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d": 0}, "valid are positive sizes"),
        ({"m": 0}, "valid are positive sizes"),
        ({"replicates": 0}, "valid are positive sizes"),
        ({"radius": 0.0}, "valid are positive numbers"),
        ({"radius": math.inf}, "valid are positive numbers"),
        ({"seed": -1}, "valid are integers from 0"),
        ({"seed": None}, "valid are integers from 0"),
    ],
)
def test_bad_starts(arguments, message):
    good = {"d": 4, "m": 1, "radius": 1.0, "seed": 0}
    with pytest.raises(ValueError, match=message):
        Student.on_sphere(**(good | arguments))

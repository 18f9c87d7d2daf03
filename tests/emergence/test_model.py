import math

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from plateaus.emergence import Activation, Student, Teacher, model, population_loss

h2 = Activation.hermite(2)


def gaussian(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def unit(V):
    return V / V.norm(dim=-1, keepdim=True)


def test_a_teacher_written_out():
    teacher = Teacher([0.8, 0.6], d=3, activation=h2)
    x = torch.tensor([[1.0, 2.0, 9.0], [0.0, -1.0, 5.0]], dtype=torch.float64)
    expected = torch.tensor([0.6 * 3, -0.8], dtype=torch.float64) / math.sqrt(2)
    torch.testing.assert_close(teacher(x), expected)
    assert teacher(x.float()).dtype == torch.float32


def test_a_teacher_with_directions_of_its_own():
    directions = unit(torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64))
    teacher = Teacher([0.8, 0.6], d=3, activation=h2, directions=directions)
    x = torch.tensor([[1.0, 2.0, 9.0], [0.0, -1.0, 5.0]], dtype=torch.float64)
    z = torch.tensor([[3.0, 2.0 * math.sqrt(2)], [-1.0, -math.sqrt(2)]]).double() / math.sqrt(2)
    torch.testing.assert_close(teacher.project(x), z)
    torch.testing.assert_close(teacher(x), (z**2 - 1) @ teacher.a / math.sqrt(2))
    assert teacher.project(x.float()).dtype == torch.float32


def test_projections_are_overlaps_whatever_the_leading_shape():
    directions = unit(gaussian(2, 5))
    axes = Teacher([0.8, 0.6], d=5, activation=h2)
    given = Teacher([0.8, 0.6], d=5, activation=h2, directions=directions)
    V = gaussian(4, 3, 5, seed=1)
    assert torch.equal(axes.project(V), V[..., :2])
    torch.testing.assert_close(given.project(V), torch.einsum("rid,pd->rip", V, directions))


def test_axes_given_as_directions_are_the_axes():
    x = gaussian(10, 4)
    given = Teacher([0.8, 0.6], d=4, activation=h2, directions=torch.eye(2, 4))
    torch.testing.assert_close(given(x), Teacher([0.8, 0.6], d=4, activation=h2)(x))
    torch.testing.assert_close(given.basis @ given.basis.T, torch.eye(2).double())


def test_strengths_written_as_numbers_are_not_rounded():
    assert Teacher([0.8, 0.6], d=2, activation=h2).a.tolist() == [0.8, 0.6]


def test_what_a_teacher_keeps():
    teacher = Teacher(
        torch.tensor([0.8, 0.6]),
        d=3,
        activation=h2,
        directions=torch.eye(2, 3) * 1.00001,
        covariance=torch.tensor([1.0, 2.0, 0.0]),
        noise=1,
    )
    kept = (teacher.a, teacher.directions, teacher.covariance)
    assert all(tensor.dtype == torch.float64 for tensor in kept)
    assert torch.equal(teacher.directions, torch.eye(2, 3).double())  # of norm 1 exactly
    assert (teacher.P, teacher.noise) == (2, 1.0)
    plain = Teacher([1.0], d=1, activation=h2)
    assert (plain.directions, plain.covariance, plain.noise) == (None, None, 0.0)


def test_a_power_law():
    teacher = Teacher.power_law(40, 30, 0.8, activation=h2, noise=0.1)
    assert (teacher.P, teacher.d, teacher.noise) == (30, 40, 0.1)
    torch.testing.assert_close(teacher.a @ teacher.a, torch.tensor(1.0).double())
    p = torch.arange(1, 31, dtype=torch.float64)
    torch.testing.assert_close(teacher.a / teacher.a[0], p**-0.8)
    assert Teacher.power_law(4, 4, 0, activation=h2).a.tolist() == [0.5] * 4


def test_a_basis_spans_the_directions():
    axes = Teacher([0.8, 0.6], d=3, activation=h2)
    assert torch.equal(axes.basis, torch.eye(2, 3).double())
    assert axes.rank == 2
    V = unit(gaussian(2, 6))
    directions = torch.cat([V, -V[:1], unit(V.sum(0, keepdim=True))])  # four of rank 2
    teacher = Teacher([0.5] * 4, d=6, activation=h2, directions=directions)
    basis = teacher.basis
    assert basis.shape == (2, 6)
    assert teacher.rank == 2
    torch.testing.assert_close(basis @ basis.T, torch.eye(2).double())
    torch.testing.assert_close(directions @ basis.T @ basis, directions)


def in_its_coordinates(V, basis, d):
    """V in the coordinates of `in_span`: along the basis, then a triangular factor of the rest."""
    R = V @ basis.T
    L = torch.linalg.cholesky(V @ V.T - R @ R.T)
    return torch.nn.functional.pad(torch.cat([R, L], dim=1), (0, d - len(basis) - len(V)))


def of_rank(weights):
    return None if weights is None else unit(weights.double() @ gaussian(3, 9))


SPANS = pytest.mark.parametrize(
    ("weights", "rank"),
    [
        (None, 3),
        (torch.tensor([[1.0, 0, 0], [0.5, 1, 0], [0, 1, 2]]), 3),
        (torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 0]]), 2),
        (torch.tensor([[1.0, 0, 0], [-1, 0, 0], [1, 0, 0]]), 1),
    ],
    ids=["axes", "overlapping", "rank 2", "rank 1"],
)


@SPANS
@pytest.mark.parametrize("m", [1, 4])
def test_in_the_span_nothing_changes_but_d(weights, rank, m):
    a, sigma = [0.7, 0.6, 0.2], Activation((0.1, 0.3, 0.0, 1.0))
    teacher = Teacher(a, d=9, activation=sigma, directions=of_rank(weights), noise=0.2)
    small = teacher.in_span(m)
    assert small.d == max(rank + m, 3)
    assert (small.a.tolist(), small.activation, small.noise) == (a, sigma, 0.2)
    V = 0.8 * unit(gaussian(m, 9, seed=1))
    torch.testing.assert_close(
        population_loss(small, Student(in_its_coordinates(V, teacher.basis, small.d))),
        population_loss(teacher, Student(V)),
    )


@SPANS
@pytest.mark.parametrize("m", [1, 4, 8])
def test_into_the_span_products_stay(weights, rank, m):
    teacher = Teacher([0.7, 0.6, 0.2], d=9, activation=h2, directions=of_rank(weights))
    small, V = teacher.in_span(m), gaussian(2, m, 9, seed=1)
    U = teacher.into_span(V)
    assert U.shape == (2, m, small.d)
    torch.testing.assert_close(U @ U.mT, V @ V.mT)
    torch.testing.assert_close(small.project(U), teacher.project(V))
    torch.testing.assert_close(U[..., -m:].tril(), U[..., -m:])
    if small.d < teacher.d:  # else it would pass for the weights themselves
        again = teacher.into_span(U)
        torch.testing.assert_close(again @ again.mT, V @ V.mT)
        torch.testing.assert_close(small.project(again), teacher.project(V))


def test_into_the_span_go_the_coordinates_of_a_start():
    teacher = Teacher([0.8, 0.6], d=100, activation=h2)
    V = Student.on_sphere(100, 3, 0.1, seed=0, axes=2, dtype=torch.float64).V
    U = teacher.into_span(V)
    assert U.shape == (3, 5)
    torch.testing.assert_close(U @ U.mT, V @ V.mT)
    torch.testing.assert_close(U[:, :2], V[:, :2])
    with pytest.raises(ValueError, match="V has 4 columns; valid are 5, 100, the last being d"):
        teacher.into_span(V[:, :4])


def test_no_span_for_data_that_is_not_isotropic():
    teacher = Teacher([1.0], d=2, activation=h2, covariance=torch.tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match="the data has a covariance; valid is isotropic data"):
        teacher.in_span(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"a": []}, r"a has shape \(0,\); valid is \(P,\), P ≥ 1, of finite numbers"),
        ({"a": [[1.0]]}, r"a has shape \(1, 1\); valid is \(P,\)"),
        ({"a": [math.nan]}, r"valid is \(P,\), P ≥ 1, of finite numbers"),
        ({"a": [math.inf, 1.0]}, r"valid is \(P,\), P ≥ 1, of finite numbers"),
        ({"a": [1.0, -0.5]}, "a has -0.5; valid are strengths from 0"),
        ({"a": [0.8, 0.3, 0.6]}, "a rises from 0.3 to 0.6 at p = 3; valid are strengths sorted"),
        ({"a": [0.0, 0.0]}, "a is all 0, which cannot be normalised; valid has a_1 > 0"),
        ({"d": 1}, "d is 1; valid are integers from P = 2"),
        ({"d": 2.5}, "d is 2.5; valid are integers from P = 2"),
        ({"noise": -0.1}, "noise is -0.1; valid are standard deviations from 0"),
        ({"noise": math.nan}, "noise is nan; valid are standard deviations from 0"),
        ({"noise": math.inf}, "noise is inf; valid are standard deviations from 0"),
        ({"directions": torch.eye(3)}, r"directions have shape \(3, 3\); valid is \(2, 3\)"),
        ({"directions": 2 * torch.eye(2, 3)}, "a direction has norm 2; valid are rows of norm 1"),
        ({"directions": math.nan * torch.eye(2, 3)}, "a direction has norm nan; valid are rows"),
        ({"covariance": torch.ones(2)}, r"shape \(2,\); valid are finite .* \(3,\) or \(3, 3\)"),
        ({"covariance": torch.ones(3, 2)}, r"shape \(3, 2\); valid are finite numbers"),
        ({"covariance": torch.tensor([1, math.nan, 1])}, "valid are finite numbers of shape"),
        ({"covariance": torch.ones(3, 3).tril()}, "is not symmetric; valid are symmetric"),
        ({"covariance": torch.ones(3) - 2 * torch.eye(3)[0]}, "eigenvalues from -1 to 1; valid"),
        ({"covariance": 1 - torch.eye(3)}, "eigenvalues from -1 to 2; valid are numbers from 0"),
        ({"covariance": torch.zeros(3)}, "eigenvalues from 0 to 0; valid are .*, not all 0"),
    ],
)
def test_bad_teachers(arguments, message):
    good = {"a": [0.8, 0.6], "d": 3, "activation": h2}
    with pytest.raises(ValueError, match=message):
        Teacher(**(good | arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"P": 0}, "P is 0; valid are integers from 1"),
        ({"P": 1.5}, "P is 1.5; valid are integers from 1"),
        ({"P": 5}, "d is 4; valid are integers from P = 5"),
        ({"beta": -0.5}, "beta is -0.5; valid are finite numbers from 0"),
        ({"beta": math.nan}, "beta is nan; valid are finite numbers from 0"),
        ({"beta": math.inf}, "beta is inf; valid are finite numbers from 0"),
        ({"noise": -1.0}, "noise is -1.0; valid are standard deviations from 0"),
    ],
)
def test_bad_power_laws(arguments, message):
    with pytest.raises(ValueError, match=message):
        Teacher.power_law(**({"d": 4, "P": 3, "beta": 0.8, "activation": h2} | arguments))


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


def overlaps(V):
    """What a start of two neurons shows in front of two directions: replicates of six numbers."""
    V = unit(V.double())
    first, second = V[:, 0], V[:, 1]
    return {
        "M_11²": first[:, 0].square(),
        "M_22²": second[:, 1].square(),
        "max M²": V[..., :2].square().amax(dim=(1, 2)),
        "rest of 1": 1 - first[:, :2].square().sum(-1),
        "rest of 2": 1 - second[:, :2].square().sum(-1),
        "Q_12": (first * second).sum(-1),
    }


def p_values(d, seed=1, replicates=20_000):
    """Kolmogorov–Smirnov: starts in all coordinates against those in span coordinates."""
    full = overlaps(Student.on_sphere(d, 2, 0.1, seed=0, replicates=replicates).V)
    small = Student.on_sphere(d, 2, 0.1, seed=seed, replicates=replicates, axes=2).V
    assert small.shape == (replicates, 2, 4)
    return {name: ks_2samp(full[name], there).pvalue for name, there in overlaps(small).items()}


@pytest.mark.parametrize("d", [4, 5, 9])
def test_span_coordinates_have_the_law_of_the_sphere(d):
    p = p_values(d)
    assert min(p.values()) > 0.01 / len(p), p


@pytest.mark.parametrize(
    ("wrong", "shows_in"),
    [
        (lambda degrees: degrees + 1, ["M_11²", "M_22²", "max M²", "rest of 1", "rest of 2"]),
        (lambda degrees: degrees[:1].repeat(2), ["M_22²", "max M²", "rest of 2"]),  # i forgotten
    ],
    ids=["one too many", "the same for every neuron"],
)
def test_wrong_degrees_of_freedom_are_seen(monkeypatch, wrong, shows_in):
    class Wrong:
        def chisquare(self, degrees, size):
            return np.random.default_rng(2).chisquare(wrong(degrees), size)

    monkeypatch.setattr(model, "_numpy_generator", lambda seed, *key: Wrong())
    p = p_values(5)
    assert all(p[name] < 1e-20 for name in shows_in), p


def test_span_coordinates_are_free_of_d():
    student = Student.on_sphere(10**9, 3, 0.5, seed=1, axes=2, replicates=500, dtype=torch.float64)
    assert student.V.shape == (500, 3, 5)
    assert student.V.dtype == torch.float64
    torch.testing.assert_close(student.V.norm(dim=-1), torch.full((500, 3), 0.5).double())
    assert torch.equal(student.V[..., 2:], student.V[..., 2:].tril())
    M = unit(student.V)[..., :2] * math.sqrt(1e9)
    assert abs(M.square().mean() - 1) < 5 * math.sqrt(2 / M.numel())


def test_starts_of_either_dtype():
    for axes in (None, 2):
        wide = Student.on_sphere(9, 3, 0.1, seed=1, axes=axes, dtype=torch.float64).V
        assert wide.dtype == torch.float64
        assert (wide.norm(dim=-1) - 0.1).abs().max() < 1e-16
        assert Student.on_sphere(9, 3, 0.1, seed=1, axes=axes).V.dtype == torch.float32


def test_span_coordinates_follow_the_seed():
    first, again, other = (
        Student.on_sphere(9, 2, 1.0, seed=seed, axes=2, replicates=3).V for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.isclose(first, other)[first != 0].any()
    assert Student.on_sphere(4, 2, 1.0, seed=0, axes=0).V.shape == (2, 2)


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
        ({"dtype": torch.float16}, "dtype is torch.float16; valid are torch.float32 and"),
        ({"axes": 4}, r"axes \+ m = 4 \+ 1; valid are sums up to d = 4"),
        ({"axes": -1}, r"axes \+ m = -1 \+ 1; valid are sums"),
        pytest.param(
            {"device": "cuda"},
            "device is cuda, but PyTorch sees no GPU; valid here is cpu",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="needs no GPU"),
        ),
    ],
)
def test_bad_starts(arguments, message):
    good = {"d": 4, "m": 1, "radius": 1.0, "seed": 0}
    with pytest.raises(ValueError, match=message):
        Student.on_sphere(**(good | arguments))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("axes", [None, 2])
def test_a_start_is_the_same_on_the_gpu(axes):
    here, there = (
        Student.on_sphere(9, 3, 0.1, seed=1, axes=axes, device=device).V
        for device in ("cpu", "cuda")
    )
    assert there.is_cuda
    assert torch.equal(there.cpu(), here)

import math

import numpy as np
import pytest
import torch

from plateaus.emergence import (
    Activation,
    Student,
    Teacher,
    population_gradient,
    population_loss,
    second_layer,
)

ACTIVATIONS = {
    "h3": Activation.hermite(3),
    "h4": Activation.hermite(4),
    "h6": Activation.hermite(6),
    "general": Activation((0.3, 0.2, 0.5, 0.1, 0.7)),
}
LEARNERS = [
    (loss, learner) for loss in ("mse", "correlation") for learner in ("homogeneous", "spherical")
]
A = [0.8, 0.5, 0.3]


def gaussian(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def unit(V):
    return V / V.norm(dim=-1, keepdim=True)


def covariances(d):
    root = gaussian(d, d, seed=3) / math.sqrt(d)
    return {
        "isotropic": None,
        "diagonal": torch.linspace(0.4, 1.3, d, dtype=torch.float64),
        "full": root @ root.T,
        "singular": root[:, 1:] @ root[:, 1:].T,
    }


def a_teacher(activation="h4", d=3, covariance="isotropic", overlapping=False):
    """Three directions: the axes, or three that overlap."""
    return Teacher(
        A,
        d=d,
        activation=ACTIVATIONS[activation],
        directions=unit(torch.eye(3, d) + 0.5).double() if overlapping else None,
        covariance=covariances(d)[covariance],
        noise=0.3,
    )


def quadrature(teacher, nodes=8):
    """Points and weights that integrate polynomials of degree 2·nodes − 1 against the law of x."""
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    grid = torch.cartesian_prod(*[torch.tensor(z)] * teacher.d)
    weight = torch.cartesian_prod(*[torch.tensor(w / w.sum())] * teacher.d).prod(dim=-1)
    S = teacher.covariance
    if S is None:
        return grid, weight
    values, vectors = torch.linalg.eigh(torch.diag(S) if S.ndim == 1 else S)
    return grid @ (vectors * values.clamp(min=0).sqrt()).T, weight


def reference(teacher, V, loss, learner):
    """Each replicate's loss by quadrature, and its gradient by autograd through that."""
    x, weight = quadrature(teacher)
    W = V.clone().requires_grad_()
    n = W.norm(dim=-1, keepdim=True)
    if learner == "homogeneous":
        f = (n**2 * teacher.activation(W / n @ x.T)).sum(dim=-2)
    else:
        f = teacher.activation(W @ x.T).sum(dim=-2)
    y = teacher(x)
    values = (0.5 * (y - f) ** 2 if loss == "mse" else -f * y) @ weight
    (gradient,) = torch.autograd.grad(values.sum(), W)
    if learner == "spherical":
        gradient = gradient - (gradient * V).sum(dim=-1, keepdim=True) * V
    return values.detach(), gradient


def some_weights(learner, *shape, seed=1):
    V = gaussian(*shape, seed=seed)
    return unit(V) if learner == "spherical" else 0.6 * V


def close(value, expected):
    """To 1e-12, of the greatest entry where that is above 1."""
    size = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(value / size, expected / size, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("loss", "learner"), LEARNERS)
@pytest.mark.parametrize("overlapping", [False, True], ids=["axes", "overlapping"])
@pytest.mark.parametrize("covariance", covariances(3))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_quadrature_and_autograd_agree(activation, covariance, overlapping, loss, learner):
    teacher = a_teacher(activation, covariance=covariance, overlapping=overlapping)
    V = some_weights(learner, 2, 4, 3)
    value, gradient = reference(teacher, V, loss, learner)
    names = {"loss": loss, "learner": learner}
    close(population_loss(teacher, Student(V), **names), value)
    close(population_gradient(teacher, Student(V), **names), gradient)


@pytest.mark.parametrize(("loss", "learner"), LEARNERS)
@pytest.mark.parametrize("covariance", ["isotropic", "full"])
def test_the_gradient_is_that_of_the_loss(covariance, loss, learner):
    teacher = a_teacher("general", d=7, covariance=covariance, overlapping=True)
    V = some_weights(learner, 2, 3, 7).requires_grad_()
    names = {"loss": loss, "learner": learner}
    value = population_loss(teacher, Student(V), **names)
    (expected,) = torch.autograd.grad(value.sum(), V)
    close(population_gradient(teacher, Student(V.detach()), **names), expected)


@pytest.mark.parametrize(("loss", "learner"), LEARNERS)
@pytest.mark.parametrize("covariance", ["isotropic", "diagonal"])
def test_replicates_do_not_meet(covariance, loss, learner):
    teacher = a_teacher("h4", d=5, covariance=covariance)
    V, names = some_weights(learner, 4, 2, 5), {"loss": loss, "learner": learner}
    values = population_loss(teacher, Student(V), **names)
    gradients = population_gradient(teacher, Student(V), **names)
    assert values.shape == (4,)
    for r in range(4):
        one = population_loss(teacher, Student(V[r]), **names)
        assert one.shape == ()
        torch.testing.assert_close(one, values[r])
        torch.testing.assert_close(
            population_gradient(teacher, Student(V[r]), **names), gradients[r]
        )


def power(v, K):
    """v ⊗ … ⊗ v, as a vector of d^K numbers."""
    tensor = v
    for _ in range(K - 1):
        tensor = torch.outer(tensor, v).flatten()
    return tensor


@pytest.mark.parametrize("K", [3, 4, 6])
@pytest.mark.parametrize("overlapping", [False, True], ids=["axes", "overlapping"])
def test_the_loss_is_a_tensor_decomposition(K, overlapping):
    teacher = a_teacher(f"h{K}", d=4, overlapping=overlapping)
    V = some_weights("homogeneous", 2, 4)
    rows = torch.eye(3, 4).double() if teacher.directions is None else teacher.directions
    T = sum(a * power(row, K) for a, row in zip(A, rows, strict=True))
    T = T - sum((v @ v) * power(v / v.norm(), K) for v in V)
    close(population_loss(teacher, Student(V)), 0.5 * T @ T)


@pytest.mark.parametrize("K", [3, 4, 6])
def test_the_formula_of_the_docstring_read_literally(K):
    teacher = a_teacher(f"h{K}", d=5)
    V, a = some_weights("homogeneous", 4, 5), teacher.a
    v = torch.eye(3, 5, dtype=torch.float64)
    n = V.norm(dim=-1)
    bar = V / n[:, None]
    M, Q = bar @ v.T, bar @ bar.T
    L = 0.5 * (a**2).sum()
    descent = torch.zeros_like(V)
    for i in range(4):
        L = L - sum(n[i] ** 2 * a[p] * M[i, p] ** K for p in range(3))
        L = L + sum(0.5 * n[i] ** 2 * n[j] ** 2 * Q[i, j] ** K for j in range(4))
        alpha = sum(a[p] * M[i, p] ** K for p in range(3))
        alpha = alpha - sum(n[j] ** 2 * Q[i, j] ** K for j in range(4))
        inner = sum(a[p] * M[i, p] ** (K - 1) * v[p] for p in range(3))
        inner = inner - sum(n[j] ** 2 * Q[i, j] ** (K - 1) * bar[j] for j in range(4))
        descent[i] = n[i] * (K * inner + (2 - K) * alpha * bar[i])
    close(population_loss(teacher, Student(V)), L)
    close(-population_gradient(teacher, Student(V)), descent)


@pytest.mark.parametrize("covariance", covariances(5))
@pytest.mark.parametrize("overlapping", [False, True], ids=["axes", "overlapping"])
def test_a_perfect_student_has_no_loss_and_no_gradient(covariance, overlapping):
    teacher = a_teacher("general", d=5, covariance=covariance, overlapping=overlapping)
    rows = torch.eye(3, 5).double() if teacher.directions is None else teacher.directions
    student = Student(rows * teacher.a.sqrt()[:, None])  # and the label noise counts for nothing
    close(population_loss(teacher, student), torch.tensor(0.0).double())
    close(population_gradient(teacher, student), torch.zeros(3, 5).double())


def test_a_spherical_gradient_is_tangent_and_an_aligned_one_zero():
    teacher = Teacher([1.0], d=4, activation=ACTIVATIONS["h3"])
    names = {"loss": "correlation", "learner": "spherical"}
    V = unit(gaussian(3, 4))
    slope = population_gradient(teacher, Student(V), **names)
    close((slope * V).sum(-1), torch.zeros(3).double())
    # −∇(−M³) = 3 M² (v* − M v̄), of norm 3 M² √(1 − M²).
    M = V[:, 0]
    close(slope.norm(dim=-1), 3 * M**2 * (1 - M**2).sqrt())
    aligned = Student(torch.eye(1, 4, dtype=torch.float64))
    assert population_gradient(teacher, aligned, **names).abs().max() == 0


@pytest.mark.parametrize("covariance", ["isotropic", "full"])
def test_dtype_follows_the_student(covariance):
    teacher = a_teacher("h4", d=5, covariance=covariance, overlapping=True)
    V = some_weights("homogeneous", 3, 5)
    for of in (population_loss, population_gradient, lambda *given: second_layer(*given)[0]):
        wide, narrow = of(teacher, Student(V)), of(teacher, Student(V.float()))
        assert (wide.dtype, narrow.dtype) == (torch.float64, torch.float32)
        torch.testing.assert_close(narrow.double(), wide, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("covariance", ["isotropic", "full"])
@pytest.mark.parametrize("overlapping", [False, True], ids=["axes", "overlapping"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_second_layer_is_a_regression(activation, covariance, overlapping):
    teacher = a_teacher(activation, covariance=covariance, overlapping=overlapping)
    V = gaussian(2, 2, 3, seed=5)  # of any norm
    weights, losses = second_layer(teacher, Student(V))
    assert (weights.shape, losses.shape) == ((2, 2), (2,))
    x, weight = quadrature(teacher)
    y = teacher(x)
    for v, w, loss in zip(unit(V), weights, losses, strict=True):
        features = teacher.activation(x @ v.T)

        def loss_of(w, features=features):
            return 0.5 * weight @ (y - features @ w) ** 2

        close(loss, loss_of(w))
        gradient = features.T @ (weight * (features @ w - y))
        close(gradient, torch.zeros(2).double())
        for seed in range(5):
            assert loss_of(w + 1e-3 * gaussian(2, seed=seed)) > loss


def test_the_second_layer_ignores_norms_and_is_a_homogeneous_student():
    teacher = a_teacher("h4", d=5)
    V = unit(torch.eye(3, 5).double() + 0.1)
    w, loss = second_layer(teacher, Student(V))
    assert w.min() > 0
    again, _ = second_layer(teacher, Student(V * torch.tensor([[0.01], [1.0], [7.0]]).double()))
    torch.testing.assert_close(again, w)
    close(population_loss(teacher, Student(V * w.sqrt()[:, None])), loss)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neurons_that_coincide_share_their_weight(dtype):
    teacher = a_teacher("h4", d=5, overlapping=True)
    V = gaussian(200, 2, 5, seed=2).to(dtype)
    w, loss = second_layer(teacher, Student(V))
    shared, again = second_layer(teacher, Student(torch.cat([V, 0.3 * V, 1.7 * V], dim=1)))
    torch.testing.assert_close(shared, w.repeat(1, 3) / 3)
    torch.testing.assert_close(again, loss)


def test_a_second_layer_on_the_teachers_directions_is_the_teachers():
    teacher = a_teacher("general", d=5, overlapping=True)
    w, loss = second_layer(teacher, Student(teacher.directions))
    close(w, teacher.a)
    close(loss, torch.tensor(0.0).double())


@pytest.mark.parametrize("of", [population_loss, population_gradient, second_layer])
def test_another_dimension_is_refused(of):
    with pytest.raises(ValueError, match="the student has d = 4, the teacher d = 3"):
        of(a_teacher(), Student(torch.ones(1, 4)))


@pytest.mark.parametrize("of", [population_loss, population_gradient])
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"loss": "hinge"}, "loss is 'hinge'; valid: mse, correlation"),
        ({"learner": "flat"}, "learner is 'flat'; valid: homogeneous, spherical"),
        ({"learner": "spherical"}, "the spherical learner needs rows of norm 1"),
    ],
)
def test_bad_names(of, names, message):
    with pytest.raises(ValueError, match=message):
        of(a_teacher(), Student(torch.ones(1, 3)), **names)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("covariance", ["isotropic", "full"])
def test_the_gpu_agrees(covariance):
    teacher = a_teacher("general", d=5, covariance=covariance, overlapping=True)
    V = some_weights("homogeneous", 2, 3, 5)
    for of in (population_loss, population_gradient, lambda *given: second_layer(*given)[0]):
        there = of(teacher, Student(V.cuda()))
        assert there.is_cuda
        close(there.cpu(), of(teacher, Student(V)))

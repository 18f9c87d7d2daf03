import itertools
import math

import numpy as np
import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from scipy.integrate import quad, solve_ivp

from plateaus.emergence import (
    Activation,
    Greedy,
    Student,
    Teacher,
    critical_eta,
    greedy,
    online_sgd,
    population_gradient,
    population_loss,
)

h3, h4, h6 = (Activation.hermite(k) for k in (3, 4, 6))
mixed = Activation((0.0, 0.0, 0.0, 0.0, 0.6, 0.0, 0.8))


def student_with(M, radius=1e-2):
    """Neurons with these overlaps with the first axes, and nothing else in common."""
    M = torch.as_tensor(M, dtype=torch.float64)
    rest = (1 - (M**2).sum(-1, keepdim=True)).sqrt()
    return Student(radius * torch.cat([M, rest * torch.eye(len(M), dtype=torch.float64)], dim=-1))


def selection(a, M, activation, tie=1.0):
    teacher = Teacher(a, d=len(M) + len(a), activation=activation)
    return greedy(teacher, student_with(M), tie=tie)


def gradient_flow(teacher, student, times):
    """V(t) (times, m, P + m) for σ = h_K: all neurons together, by an explicit method.

    In NumPy, since it takes many small steps; `test_population` has the library's gradient.
    """
    m, P = student.V.shape[0], teacher.P
    K, a = len(teacher.activation.coefficients) - 1, teacher.a.numpy()

    def velocity(t, V):
        V = V.reshape(m, -1)
        n = np.sqrt((V**2).sum(1, keepdims=True))
        unit = V / n
        M, Q = unit[:, :P], unit @ unit.T
        pull, push = a * M ** (K - 1), n.T**2 * Q ** (K - 1)
        alpha = (pull * M).sum(1, keepdims=True) - (push * Q).sum(1, keepdims=True)
        towards = -(push @ unit)
        towards[:, :P] += pull
        return (n * (K * towards + (2 - K) * alpha * unit)).ravel()

    start = student.V.double().numpy()
    np.testing.assert_allclose(
        velocity(0, start.ravel()).reshape(start.shape),
        -population_gradient(teacher.in_span(m), Student(torch.from_numpy(start))),
        atol=1e-12,
    )
    path = solve_ivp(
        velocity, (0, times[-1]), start.ravel(), "DOP853", t_eval=times, rtol=1e-7, atol=1e-10
    )
    return torch.from_numpy(path.y.T.copy()).view(-1, *start.shape)


# ---- selection ---------------------------------------------------------------------------------


def test_selection_by_hand():
    #  scores a |M|²:   .9 * (.04, .09), .3 * (.16, .25)  per direction
    pairs = selection([0.9, 0.3], [[0.2, 0.4], [0.3, -0.5]], h4)
    #  .081 (1, 0) is the greatest; row 1 and column 0 are struck; then (0, 1)
    assert pairs.neuron.tolist() == [1, 0]
    assert pairs.order.tolist() == [0, 1]
    torch.testing.assert_close(pairs.M, torch.tensor([0.3, 0.4], dtype=torch.float64))
    torch.testing.assert_close(pairs.n2, torch.tensor([1e-4, 1e-4], dtype=torch.float64))
    close = pytest.approx
    assert pairs.row_gap.tolist() == close([0.081 / 0.075, math.inf])
    assert pairs.column_gap.tolist() == close([0.081 / 0.036, math.inf])
    assert pairs.threshold_gap.tolist() == close([0.081 / 0.048, math.inf])


def test_the_exponent_is_k_minus_2_and_not_the_half_k_of_the_slides():
    teacher = Teacher([1.0, 0.5], d=3, activation=h6)
    # The directions tie at 0.4 · 2^(1/4) = 0.476 by k − 2, at 0.4 · 2^(1/3) = 0.504 by k/2.
    for second, winner in ((0.46, 0), (0.49, 1)):
        student = student_with([[0.4, second]])
        assert greedy(teacher, student).neuron.tolist().index(0) == winner
        end = gradient_flow(teacher, student, np.array([0.0, 15.0]))[-1, 0]
        assert abs(end[winner] / end.norm()) > 0.99


def brute_force(a, M, K):
    left = set(itertools.product(range(len(M)), range(len(a))))
    neuron, order = [-1] * len(a), []
    while left:
        i, p = max(left, key=lambda at: a[at[1]] * abs(M[at[0]][at[1]]) ** (K - 2))
        neuron[p] = i
        order.append(p)
        left = {(j, q) for j, q in left if j != i and q != p}
    return neuron, order + [p for p in range(len(a)) if p not in order]


@pytest.mark.parametrize(("m", "P", "K"), [(12, 5, 4), (4, 9, 4), (7, 7, 6)])
def test_selection_against_brute_force_also_with_replicates(m, P, K):
    teacher = Teacher.power_law(64, P, 0.7, activation=Activation.hermite(K))
    student = Student.on_sphere(64, m, 0.1, seed=m, replicates=3, dtype=torch.float64)
    together = greedy(teacher, student)
    assert together.T.shape == (3, P)
    for r in range(3):
        alone = greedy(teacher, Student(student.V[r]))
        M = student.V[r, :, :P] / 0.1
        assert (alone.neuron.tolist(), alone.order.tolist()) == brute_force(
            teacher.a.tolist(), M.tolist(), K
        )
        for name in ("neuron", "order", "M", "T", "lag", "row_gap", "threshold_gap", "near_tie"):
            torch.testing.assert_close(getattr(together, name)[r], getattr(alone, name))
        assert torch.minimum(alone.row_gap, alone.threshold_gap).min() >= 1
    times = [0.0, 50.0, 1e3, 1e5]
    apart = torch.stack([greedy(teacher, Student(V)).loss(times) for V in student.V], dim=-1)
    torch.testing.assert_close(together.loss(times), apart, rtol=1e-8, atol=0)


def test_directions_without_a_neuron():
    pairs = selection([0.8, 0.6, 0.0], [[0.1, 0.3, 0.4]], h4)
    assert pairs.neuron.tolist() == [-1, 0, -1]
    assert pairs.order.tolist() == [1, 0, 2]
    for name in ("T", "T_leading", "lag", "row_gap", "column_gap", "threshold_gap"):
        assert getattr(pairs, name)[[0, 2]].isinf().all(), name
    assert not pairs.near_tie[[0, 2]].any()
    assert pairs.loss([1e9]).item() == pytest.approx(0.32)
    assert pairs.loss([1e9], lag=False).item() == pytest.approx(0.32)
    assert pairs.alignment([1e9]).tolist() == [[0, 1, 0]]
    assert pairs.mass([1e9])[0].tolist() == pytest.approx([0, 0.6, 0])


def test_fewer_neurons_than_skills_leave_more_than_the_tail():
    teacher = Teacher.power_law(1024, 256, 0.8, activation=h4)
    tail = 0.5 * (teacher.a[8:] ** 2).sum().item()
    assert tail == pytest.approx(0.0902, abs=1e-4)
    students = Student.on_sphere(1024, 8, 1e-2, seed=0, axes=256, replicates=100)
    left = greedy(teacher, students).loss([1e9])
    assert left.min() >= tail
    assert left.mean().item() == pytest.approx(0.137, abs=0.015)
    student = Student.on_sphere(1024, 8, 1e-2, seed=27, axes=256, dtype=torch.float64)
    pairs = greedy(teacher, student)
    end = 1.3 * pairs.T[pairs.neuron >= 0].max().item()
    V = gradient_flow(teacher, student, np.array([0.0, end]))[-1]
    measured = population_loss(teacher.in_span(8), Student(V)).item()
    assert measured > 1.2 * tail
    assert measured == pytest.approx(pairs.loss([end]).item(), rel=1e-3)


# ---- times and paths ---------------------------------------------------------------------------


@pytest.mark.parametrize("M", [0.002, 0.05, 0.4])
def test_times_in_closed_form(M):
    y = M**2
    fourth = 1 / y - 2 + math.log((1 - y) / y)  # −1/y + log(y/(1 − y)) = 8 a t + constant
    sixth = 0.5 / y**2 - 2 + 1 / y - 2 + math.log((1 - y) / y)  # 12 a t
    assert selection([0.7], [[M]], h4).T.item() == pytest.approx(fourth / (8 * 0.7), rel=1e-8)
    assert selection([0.7], [[-M]], h6).T.item() == pytest.approx(sixth / (12 * 0.7), rel=1e-8)


def test_times_of_other_activations_by_quadrature():
    def pace(M):
        return 0.7 * sum(k * c**2 * M ** (k - 1) for k, c in enumerate(mixed.coefficients) if c)

    time, _ = quad(lambda M: 1 / (pace(M) * (1 - M**2)), 0.05, 0.5**0.5, epsrel=1e-11)
    assert selection([0.7], [[0.05]], mixed).T.item() == pytest.approx(time, rel=1e-8)


@pytest.mark.parametrize("K", [3, 4, 6, 8])
@pytest.mark.filterwarnings("ignore:greedy selection assumes an even activation")
def test_the_leading_time_is_approached_and_a_wrong_constant_is_not(K):
    ratio = []
    for M in (0.1, 0.01, 0.001):
        pairs = selection([0.5], [[M]], Activation.hermite(K))
        assert pairs.T_leading.item() == pytest.approx(M ** (2 - K) / (K * (K - 2) * 0.5))
        ratio.append(abs(pairs.T.item() / pairs.T_leading.item() - 1))
    assert 1e-2 > ratio[2] < ratio[1] < ratio[0]


@pytest.mark.parametrize("activation", [h4, h6, mixed])
@pytest.mark.parametrize(("a", "M", "n2"), [(0.9, 0.15, 1e-4), (0.2, 0.3, 1e-8), (0.5, 0.4, 0.8)])
def test_a_pair_follows_its_equations(activation, a, M, n2):
    c2 = np.square(activation.coefficients)
    k = np.arange(len(c2))

    def velocity(t, state):
        M, s = state
        drift, pull = (k * c2) @ M ** np.maximum(k - 1, 0), c2 @ M**k
        return [a * drift * (1 - M**2), 4 * s * (a * pull - c2.sum() * s)]

    pair = greedy(Teacher([a], d=2, activation=activation), student_with([[M]], n2**0.5))
    times = np.linspace(0, 1.2 * float(pair.T) + 30 / a, 200)
    path = solve_ivp(
        velocity, (0, times[-1]), [M, n2], "DOP853", t_eval=times, rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(pair.alignment(times)[:, 0], path.y[0] ** 2, atol=1e-6)
    np.testing.assert_allclose(pair.mass(times)[:, 0], path.y[1], rtol=1e-5)
    M_t, s = path.y
    loss = 0.5 * a**2 * c2.sum() - s * a * (c2 @ M_t ** k[:, None]) + 0.5 * c2.sum() * s**2
    np.testing.assert_allclose(pair.loss(times), loss, atol=1e-6)


def test_mass_appears_one_lag_after_alignment():
    pair = greedy(Teacher([0.5], d=2, activation=h4), student_with([[0.02]], 1e-4))
    assert pair.lag.item() == pytest.approx(math.log(0.5e8) / 2)
    # Before T the norm has already grown, and during the descent it waits: by a share of 1/a.
    early, late = pair.mass([pair.T + pair.lag, pair.T + pair.lag + 1])[:, 0].tolist()
    assert 0.05 < early < 0.25 < late


def test_the_loss_as_steps():
    pairs = selection([0.8, 0.6], [[0.2, 0.1], [0.1, 0.15]], h4)
    first, second = pairs.T.tolist()
    assert first < second
    times = [0.0, first, first + 1e-6, second, second + 1e-6]
    assert pairs.loss(times, lag=False).tolist() == pytest.approx([0.5, 0.5, 0.18, 0.18, 0])
    # With the lag, the same at the start and at the end, and later in between.
    smooth = pairs.loss([0.0, first + 1e-6, second + 100])
    assert smooth[[0, 2]].tolist() == pytest.approx([0.5, 0], abs=1e-4)
    assert smooth[1] > 0.49


def test_an_aligned_neuron_has_arrived():
    pairs = selection([0.6], [[1.0]], h4)
    assert pairs.T.tolist() == [0.0]
    assert pairs.alignment([0.0, 1.0]).flatten().tolist() == pytest.approx([1.0, 1.0])


def test_steps_are_flow_time_over_the_learning_rate():
    pairs = selection([0.6], [[0.1]], h4)
    torch.testing.assert_close(pairs.steps(0.01), pairs.T / 0.01)
    with pytest.raises(ValueError, match="eta is 0; valid are positive numbers"):
        pairs.steps(0)


# ---- against the flow of all neurons -----------------------------------------------------------


@pytest.mark.parametrize("seed", [2, 3])
def test_greedy_against_the_whole_flow(seed):
    teacher = Teacher.power_law(4096, 4, 0.8, activation=h4)
    student = Student.on_sphere(4096, 16, 1e-2, seed=seed, axes=4, dtype=torch.float64)
    pairs = greedy(teacher, student)
    times = np.linspace(0, 1.1 * float(pairs.T.max()) + 30, 2000)
    V = gradient_flow(teacher, student, times)
    n = V.norm(dim=-1)
    M2 = (V[..., :4] / n[..., None]) ** 2
    assert (M2[-1] * n[-1, :, None] ** 2).argmax(0).tolist() == pairs.neuron.tolist()
    assert not pairs.near_tie.any()
    for p in range(4):
        path = M2[:, pairs.neuron[p], p].numpy()
        reached = np.interp(0.5, path, times)
        assert reached == pytest.approx(pairs.T[p].item(), rel=2e-3)
        assert reached != pytest.approx(pairs.T_leading[p].item(), rel=2e-3)
    torch.testing.assert_close((V[-1] ** 2).sum(), teacher.a.sum(), rtol=5e-3, atol=0)
    measured = population_loss(teacher.in_span(16), Student(V))
    assert (measured - pairs.loss(times)).abs().max() < 0.01
    assert (measured - pairs.loss(times, lag=False)).abs().max() > 0.1


def test_a_tie_in_a_column_shares_the_direction_and_is_flagged():
    teacher = Teacher([1.0], d=5, activation=h4)

    def shares(M):
        student = student_with([[0.1], [M]])
        pairs = greedy(teacher, student)
        V = gradient_flow(teacher, student, np.array([0, 3 * float(pairs.T)]))[-1]
        mass = (V[:, 0] ** 2).sort(descending=True).values
        return (mass[1] / mass[0]).item(), pairs.near_tie.item()

    (near, near_tie), (far, far_tie) = shares(0.0995), shares(0.08)
    assert near > 0.1
    assert far < 1e-3
    assert (near_tie, far_tie) == (True, False)


def test_a_near_tie_is_counted_in_norm_lags():
    a, M = [0.8, 0.6], [[0.1, 0.05], [0.0, 0.09], [0.095, 0.08]]
    pairs = selection(a, M, h4, tie=0)
    gap = (0.1 / 0.095) ** 2
    assert pairs.column_gap[0].item() == pytest.approx(gap)
    assert not pairs.near_tie.any()
    lags = (gap - 1) * (pairs.T_leading / pairs.lag)[0].item()
    assert not selection(a, M, h4, tie=0.99 * lags).near_tie[0]
    assert selection(a, M, h4, tie=1.01 * lags).near_tie[0]


def test_a_neuron_that_nearly_took_another_direction_is_flagged_there_too():
    far = [[0.1, 0.0], [0.01, 0.08], [0.01, 0.02]]
    near = [[0.1, 0.0], [0.0999, 0.08], [0.01, 0.02]]
    assert selection([0.8, 0.6], far, h4).near_tie.tolist() == [False, False]
    pairs = selection([0.8, 0.6], near, h4)
    assert pairs.neuron.tolist() == [0, 1]
    assert pairs.column_gap[1] > 10
    assert pairs.near_tie.tolist() == [True, True]


# ---- what it refuses, and what it warns of -----------------------------------------------------


def test_a_teacher_with_directions_of_its_own_is_the_same_problem():
    generator = torch.Generator().manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))
    V = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    a = [0.8, 0.5, 0.33]
    plain = greedy(Teacher(a, d=6, activation=h4), Student(V))
    turned = greedy(Teacher(a, d=6, activation=h4, directions=turn[:3]), Student(V @ turn))
    assert plain.neuron.tolist() == turned.neuron.tolist()
    torch.testing.assert_close(plain.T, turned.T)


@pytest.mark.parametrize(
    ("coefficients", "directions", "message"),
    [
        ((0.0, 0.0, 1.0), None, "assumes information exponent above 2, and it is 2"),
        ((0.0, 0.0, 0.0, 1.0), None, "assumes an even activation, and this one is not"),
        ((0.5, 0.0, 0.0, 0.0, 1.0), None, "assumes an activation of mean 0"),
        ((0.0, 0.0, 0.0, 0.0, 1.0), 0.6, "assumes orthonormal directions, and these are not"),
    ],
)
def test_broken_assumptions_are_named_and_the_computation_goes_on(
    coefficients, directions, message
):
    if directions:
        directions = torch.tensor([[1.0, 0.0, 0.0], [directions, 0.8, 0.0]])
    teacher = Teacher([0.8, 0.6], d=3, activation=Activation(coefficients), directions=directions)
    student = Student(torch.tensor([[0.1, 0.2, 1.0], [0.3, -0.2, 1.0]]))
    for function in (greedy, critical_eta):
        with pytest.warns(UserWarning, match=message):
            function(teacher, student)
    with pytest.warns(UserWarning, match=message):
        pairs = greedy(teacher, student)
    assert isinstance(pairs, Greedy)
    assert pairs.T[pairs.neuron >= 0].isfinite().all()


def test_no_warning_where_the_assumptions_hold(recwarn):
    selection([0.8, 0.6], [[0.1, 0.2]], mixed)
    assert not recwarn


def test_search_is_a_logarithm_at_exponent_2():
    with pytest.warns(UserWarning, match="exponent above 2"):
        pairs = selection([0.6], [[1e-3]], Activation.hermite(2))
    assert pairs.T.item() == pytest.approx(math.log(1e6 - 1) / 2.4)
    assert pairs.T_leading.item() == pytest.approx(math.log(1e3) / 1.2)


def test_below_0_an_odd_activation_has_no_pull():
    with pytest.warns(UserWarning, match="even"):
        pairs = selection([0.8, 0.6], [[-0.5, 0.1], [0.2, -0.4]], h3)
    assert pairs.neuron.tolist() == [1, 0]
    with pytest.warns(UserWarning, match="even"):
        pairs = selection([0.8], [[-0.5], [-0.1]], h3)
    assert (pairs.neuron.tolist(), pairs.T.tolist()) == ([-1], [math.inf])


def test_bad_arguments():
    teacher = Teacher([0.8, 0.6], d=6, activation=h4)
    student = Student(torch.ones(3, 6))
    pairs = greedy(teacher, student)
    skewed = Teacher([0.8], d=6, activation=h4, covariance=torch.arange(1.0, 7.0))
    turned = Teacher([0.8], d=6, activation=h4, directions=torch.eye(6)[2:3])
    with pytest.raises(ValueError, match="the data has a covariance; valid is isotropic"):
        greedy(skewed, student)
    with pytest.raises(ValueError, match="the information exponent is 1; valid are finite"):
        greedy(Teacher([0.8], d=6, activation=Activation.hermite(1)), student)
    with pytest.raises(ValueError, match="the information exponent is inf"):
        critical_eta(Teacher([0.8], d=6, activation=Activation((1.0,))), student)
    for columns in (1, 7):
        with pytest.raises(ValueError, match=f"V has {columns} columns; valid are 2 to d = 6"):
            greedy(teacher, Student(torch.ones(3, columns)))
    with pytest.raises(ValueError, match="V has 4 columns; valid are 6 to d = 6"):
        greedy(turned, Student(torch.ones(3, 4)))
    with pytest.raises(ValueError, match="tie is -1; valid are numbers from 0"):
        greedy(teacher, student, tie=-1)
    for times in ([-1.0], [math.nan], [[1.0]], 1.0):
        with pytest.raises(ValueError, match=r"valid is \(times,\), of numbers from 0"):
            pairs.loss(times)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_same_on_a_gpu():
    teacher = Teacher.power_law(64, 8, 0.8, activation=h4)
    student = Student.on_sphere(64, 16, 0.1, seed=0, replicates=2)
    here, there = greedy(teacher, student), greedy(teacher, Student(student.V.cuda()))
    assert there.T.is_cuda
    assert there.neuron.tolist() == here.neuron.tolist()
    torch.testing.assert_close(there.T.cpu(), here.T)
    times = torch.linspace(0, 500, 7)
    torch.testing.assert_close(there.loss(times).cpu(), here.loss(times))
    eta = critical_eta(teacher, Student(student.V.cuda()))
    torch.testing.assert_close(eta.cpu(), critical_eta(teacher, student))


# ---- the critical learning rate ----------------------------------------------------------------


def test_critical_rate_for_a_hermite_activation():
    teacher = Teacher([0.8, 0.6], d=101, activation=h4)
    student = student_with([[0.1, 0.0], [0.0, 0.05]])
    eta = critical_eta(teacher, student)
    assert eta.tolist() == pytest.approx([2 * 0.8 * 0.1**2 / 100, 2 * 0.6 * 0.05**2 / 100])
    alone = critical_eta(teacher, student_with([[0.1, 0.0]]))
    assert alone.tolist() == pytest.approx([eta[0].item(), 0])


def mean_change(activation, a, noise, M, d, eta):
    """E[M⁺ − M] over (z, s, u, ξ), for P = 2: v̄ has overlap M with v*_1 and none with v*_2.

    The squared length of the rest of x stands for its mean, which is exact up to η².
    """

    def nodes(n):
        x, w = hermegauss(n)
        return torch.tensor(x), torch.tensor(w / w.sum())

    (z, wz), (s, ws), (u, wu), (xi, wx) = nodes(20), nodes(20), nodes(20), nodes(3)
    z, s, u, xi = torch.meshgrid(z, s, u, xi, indexing="ij")
    across = math.sqrt(1 - M**2)
    y = a[0] * activation(M * z + across * s) + a[1] * activation(u) + noise * xi
    n2 = 1e-9
    r = y - n2 * activation(z)
    # v⁺ = A v + b x in units of ‖v‖; A − 1 and b are tiny, so no 1 is added before it has to be.
    b = eta * r * activation.derivative(z)
    less = eta * r * (2 * activation(z) - z * activation.derivative(z))
    along = M * less + b * (M * z + across * s)
    excess = (less + b * z) * (2 + less + b * z) + b**2 * (s**2 + u**2 + d - 3)
    length = (1 + excess).sqrt()
    change = (along - M * excess / (1 + length)) / length
    return torch.einsum("zsux,z,s,u,x->", change, wz, ws, wu, wx).item()


@pytest.mark.parametrize(
    ("activation", "a", "noise"),
    [
        (h4, [0.8, 0.6], 0.0),
        (h4, [0.8, 0.6], 1.5),
        (h4, [0.5, 0.1], 0.0),
        (h6, [0.8, 0.6], 0.0),
        (mixed, [0.8, 0.6], 0.5),
        (Activation((0.5, 0.0, 0.0, 0.0, 1.0)), [0.8, 0.6], 0.0),
    ],
)
@pytest.mark.filterwarnings("ignore:greedy selection assumes an activation of mean 0")
def test_drift_and_noise_balance_at_the_critical_rate(activation, a, noise):
    d, M = 10_000, 0.02
    teacher = Teacher(a, d=d, activation=activation, noise=noise)
    eta = critical_eta(teacher, student_with([[M, 0.0]], 1e-4))[0].item()
    slow = mean_change(activation, a, noise, M, d, 1e-3 * eta) / 1e-3
    for factor in (0.5, 1, 2):
        # E[ΔM]/(η · drift) = 1 − η/η_c
        share = mean_change(activation, a, noise, M, d, factor * eta) / (factor * slow)
        assert share == pytest.approx(1 - factor, abs=0.05 * factor)
    # The control: without the noise of the labels the rate is another.
    quiet = critical_eta(Teacher(a, d=d, activation=activation), student_with([[M, 0.0]], 1e-4))[
        0
    ].item()
    assert (quiet > 1.05 * eta) == (noise > 0)


def test_what_the_critical_rate_drops_at_finite_d():
    a, M = [0.8, 0.6], 0.005
    for d in (100, 1000):
        teacher = Teacher(a, d=d, activation=h4)
        eta = critical_eta(teacher, student_with([[M, 0.0]], 1e-4))[0].item()
        slow = mean_change(h4, a, 0.0, M, d, 1e-3 * eta) / 1e-3
        loss = 1 - mean_change(h4, a, 0.0, M, d, eta) / slow
        assert loss == pytest.approx((d + 7 + 32 * 0.8**2) / (d - 1), rel=5e-3)


def test_a_step_of_sgd_drifts_up_below_the_critical_rate_and_down_above():
    teacher = Teacher([1.0], d=50, activation=h4)
    student = student_with([[0.5]], 1e-3)
    student = Student(torch.nn.functional.pad(student.V, (0, 48)))
    eta = critical_eta(teacher, student).item()
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn((1, 20_000, 50), generator=generator, dtype=torch.float64)
    scores = []
    for factor in (0.02, 3):  # at M = ½ the noise is 15 times that of the start
        run = online_sgd(
            teacher,
            student,
            eta=factor * eta,
            steps=1,
            replicates=20_000,
            samples=samples,
            method="direct",
            seed=0,
        )
        change = (run.overlaps[-1] - run.overlaps[0]).flatten()
        scores.append((change.mean() / change.std() * len(change) ** 0.5).item())
    assert scores[0] > 4
    assert scores[1] < -4


@pytest.mark.parametrize("K", [4, 6])
def test_a_pair_that_starts_on_its_direction_grows_by_the_logistic_law(K):
    teacher = Teacher([1.0], d=4, activation=Activation.hermite(K))
    V = torch.zeros(1, 4, dtype=torch.float64)
    V[0, 0] = 0.1 * (1 + 2e-16)
    times = torch.linspace(0, 3, 31).double()
    mass = greedy(teacher, Student(V)).mass(times)[:, 0]
    logistic = 1 / (1 + (1 / 0.01 - 1) * torch.exp(-4 * times))
    torch.testing.assert_close(mass, logistic, rtol=1e-6, atol=0)

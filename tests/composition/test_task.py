"""The task of chapter 2: hand-computed cases, laws, uniformity, and errors at the door."""

import itertools
import math

import numpy as np
import pytest
import torch

from plateaus.composition import Task

SIZES = [(1, 2), (1, 5), (2, 3), (3, 4), (4, 2), (5, 3), (7, 2), (8, 6)]


def drawn(k, N, n=20):
    task = Task.random(k=k, N=N, seed=3)
    return task, *task.sample(n, seed=4)


def spelled_out(task, sigma, i, r, j):
    """hop_i^r(sigma)(j) from the definition, for one input sigma of shape (k, N)."""
    for step in range(i, i + r):
        j = sigma[step % task.k, task.pi[step % task.k, j]]
    return int(j)


def test_by_hand():
    task = Task([[1, 0, 2], [2, 0, 1]])  # pi_1 swaps 0 and 1; pi_2 sends 0 to 2
    sigma = torch.tensor([[[0, 2, 1], [1, 0, 2]]])
    # x = 0: pi_1 gives 1, sigma_1 gives 2, pi_2 gives 1, sigma_2 gives 0; 1 and 2 likewise.
    assert [int(task(sigma, torch.tensor([x]))) for x in range(3)] == [0, 2, 1]
    assert task.hops(sigma, 1).tolist() == [[[2, 0, 1], [2, 1, 0]]]
    assert task.hops(sigma, 2).tolist() == [[[0, 2, 1], [1, 0, 2]]]


@pytest.mark.parametrize(("k", "N"), SIZES)
@pytest.mark.parametrize("r", [0, 1, 2, 3, 6, 17])
def test_hops_are_the_definition(k, N, r):
    task, sigma, _ = drawn(k, N, n=3)
    hops = task.hops(sigma, r)
    for s, i, j in itertools.product(range(3), range(k), range(N)):
        assert hops[s, i, j] == spelled_out(task, sigma[s], i, r, j)


@pytest.mark.parametrize(("k", "N"), SIZES)
def test_the_label_is_the_hop_from_the_first_start(k, N):
    task, sigma, x = drawn(k, N)
    label = task.hops(sigma, k)[:, 0].gather(1, x.unsqueeze(1)).squeeze(1)
    assert torch.equal(task(sigma, x), label)


def test_no_hop_is_the_identity():
    task, sigma, _ = drawn(3, 4)
    assert torch.equal(task.hops(sigma, 0), torch.arange(4).expand(20, 3, 4))


@pytest.mark.parametrize("given", [np.array([[1, 0]], dtype=np.int32), [[1, 0]], ((1, 0),)])
def test_pi_may_be_any_array_of_integers(given):
    task = Task(given)
    assert (task.k, task.N) == (1, 2)
    assert task.pi.dtype == torch.int64


def test_a_task_is_immutable():
    given = torch.tensor([[1, 0]])
    task = Task(given)
    given.zero_()
    task.pi.zero_()
    assert task.pi.tolist() == [[1, 0]]
    with pytest.raises(AttributeError):
        task.pi = given
    with pytest.raises(AttributeError):
        task.N = 3


def test_equal_tasks():
    a, b, c = Task([[1, 0]]), Task([[1, 0]]), Task([[0, 1]])
    assert a == b != c
    assert len({a, b, c}) == 2
    assert a != "a task"
    assert eval(repr(a)) == a


def test_same_seed_same_draw():
    task = Task.random(k=3, N=5, seed=0)
    assert task == Task.random(k=3, N=5, seed=0) != Task.random(k=3, N=5, seed=1)
    first, again, other = (task.sample(9, seed=seed) for seed in (7, 7, 8))
    assert all(map(torch.equal, first, again))
    assert not any(map(torch.equal, first, other))


def test_one_seed_serves_task_and_inputs():
    """A common stream would make the hidden permutations those of the first input."""
    task = Task.random(k=3, N=8, seed=5)
    assert not torch.equal(task.sample(1, seed=5)[0][0], task.pi)


@pytest.mark.parametrize("n", [0, 1, 6])
def test_shapes(n):
    task, sigma, x = drawn(3, 4, n)
    assert sigma.shape == task.hops(sigma, 2).shape == (n, 3, 4)
    assert x.shape == task(sigma, x).shape == (n,)
    assert {t.dtype for t in (sigma, x, task(sigma, x), task.hops(sigma, 2))} == {torch.int64}
    assert {t.device for t in (sigma, x, task(sigma, x), task.hops(sigma, 2))} == {task.device}


@pytest.mark.parametrize("N", [2, 3, 4])
def test_inputs_are_uniform(N):
    """Chi-square of the N!² × N cells, at 6 standard deviations; fixed seed."""
    n = 200_000
    sigma, x = Task.random(k=2, N=N, seed=0).sample(n, seed=1)
    code = sigma.flatten(1).mul(N ** torch.arange(2 * N)).sum(1) * N + x
    cells = math.factorial(N) ** 2 * N
    counts = code.unique(return_counts=True)[1].double()
    assert len(counts) == cells
    chi = float(((counts - n / cells) ** 2).sum() / (n / cells))
    assert abs(chi - (cells - 1)) < 6 * math.sqrt(2 * (cells - 1))


def test_tasks_are_uniform():
    n = 3000
    seen = [str(Task.random(k=1, N=3, seed=seed)) for seed in range(n)]
    for pi in set(seen):
        assert abs(seen.count(pi) - n / 6) < 5 * math.sqrt(n / 6)
    assert len(set(seen)) == 6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda():
    cpu = Task.random(k=4, N=5, seed=0)
    task = Task(cpu.pi.cuda())
    sigma, x = task.sample(50, seed=1)
    assert sigma.is_cuda
    assert x.is_cuda
    assert torch.equal(task(sigma, x).cpu(), cpu(sigma.cpu(), x.cpu()))
    assert torch.equal(task.hops(sigma, 3).cpu(), cpu.hops(sigma.cpu(), 3))
    with pytest.raises(ValueError, match=r"sigma is on cpu; valid: cuda:0, where pi is\."):
        task(sigma.cpu(), x)


@pytest.mark.parametrize(
    ("pi", "message"),
    [
        ([0, 1], r"pi has shape \(2,\); valid: \(k, N\) with k ≥ 1 and N ≥ 2\."),
        ([[0]], r"pi has shape \(1, 1\); valid: \(k, N\) with k ≥ 1 and N ≥ 2\."),
        (torch.zeros(0, 3, dtype=torch.int64), r"pi has shape \(0, 3\); valid: \(k, N\) with"),
        ([[0.0, 1.0]], r"pi has dtype torch\.float32; valid: integers\."),
        ([[True, False]], r"pi has dtype torch\.bool; valid: integers\."),
        ([[0, 1, 2], [0, 2, 2]], r"pi\[1\] is \[0, 2, 2\]; valid: a permutation of 0…2\."),
        ([[1, 2, 3]], r"pi\[0\] is \[1, 2, 3\]; valid: a permutation of 0…2\."),
        ([[-1, 0, 1]], r"pi\[0\] is \[-1, 0, 1\]; valid: a permutation of 0…2\."),
    ],
)
def test_bad_pi(pi, message):
    with pytest.raises(ValueError, match=message):
        Task(pi)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0, "N": 3, "seed": 0}, "k is 0; valid: an integer ≥ 1."),
        ({"k": 2, "N": 1, "seed": 0}, "N is 1; valid: an integer ≥ 2."),
        ({"k": 1.5, "N": 3, "seed": 0}, "k is 1.5; valid: an integer ≥ 1."),
        ({"k": 2, "N": 3, "seed": -1}, "seed is -1; valid: an integer ≥ 0."),
    ],
)
def test_bad_random(arguments, message):
    with pytest.raises(ValueError, match=message):
        Task.random(**arguments)


def test_sizes_are_keyword_only():
    with pytest.raises(TypeError):
        Task.random(2, 3, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": -1, "seed": 0}, "n is -1; valid: an integer ≥ 0."),
        ({"n": 2.0, "seed": 0}, r"n is 2\.0; valid: an integer ≥ 0."),
        ({"n": 2, "seed": -3}, "seed is -3; valid: an integer ≥ 0."),
    ],
)
def test_bad_sample(arguments, message):
    with pytest.raises(ValueError, match=message):
        Task([[1, 0]]).sample(**arguments)


SIGMA, X = torch.tensor([[[1, 0, 2]], [[0, 1, 2]]]), torch.tensor([0, 2])


@pytest.mark.parametrize(
    ("sigma", "x", "message"),
    [
        (SIGMA.tolist(), X, r"sigma is a list; valid: a torch\.int64 tensor\."),
        (SIGMA.int(), X, r"sigma has dtype torch\.int32; valid: torch\.int64\."),
        (SIGMA.to("meta"), X, r"sigma is on meta; valid: cpu, where pi is\."),
        (SIGMA[0], X, r"sigma has shape \(1, 3\); valid: \(n, 1, 3\)\."),
        (SIGMA[:, :, :2], X, r"sigma has shape \(2, 1, 2\); valid: \(n, 1, 3\)\."),
        (SIGMA * 0, X, r"sigma\[0, 0\] is \[0, 0, 0\]; valid: a permutation of 0…2\."),
        (SIGMA + 1, X, r"sigma\[0, 0\] is \[2, 1, 3\]; valid: a permutation of 0…2\."),
        (SIGMA, [0, 2], r"x is a list; valid: a torch\.int64 tensor\."),
        (SIGMA, X.double(), r"x has dtype torch\.float64; valid: torch\.int64\."),
        (SIGMA, X.to("meta"), r"x is on meta; valid: cpu, where pi is\."),
        (SIGMA, X[:1], r"x has shape \(1,\); valid: \(2,\), as in sigma\."),
        (SIGMA, X + 1, r"x\[1\] is 3; valid: 0…2\."),
        (SIGMA, X - 1, r"x\[0\] is -1; valid: 0…2\."),
    ],
)
def test_bad_inputs(sigma, x, message):
    with pytest.raises(ValueError, match=message):
        Task([[0, 2, 1]])(sigma, x)


@pytest.mark.parametrize(
    ("sigma", "r", "message"),
    [
        (SIGMA, -1, "r is -1; valid: an integer ≥ 0."),
        (SIGMA, 1.0, r"r is 1\.0; valid: an integer ≥ 0."),
        (SIGMA.int(), 1, r"sigma has dtype torch\.int32; valid: torch\.int64\."),
        (SIGMA * 0, 1, r"sigma\[0, 0\] is \[0, 0, 0\]; valid: a permutation of 0…2\."),
    ],
)
def test_bad_hops(sigma, r, message):
    with pytest.raises(ValueError, match=message):
        Task([[0, 2, 1]]).hops(sigma, r)

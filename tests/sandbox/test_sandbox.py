"""Skills, the network's gradient, training, half-spaces and staircases."""

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
import torch

from plateaus.sandbox import Skills, _forward, _gradient, half_space, staircase, train

TINY = {"width": 16, "eta": 0.1, "batch": 8, "record_at": (0, 5, 10), "runs": 3, "seed": 0}


def test_a_skill_is_a_parity() -> None:
    task = Skills(6, ((4, 1, 2),))
    x, y, skill = task.sample(50, 2, seed=0)
    assert x.shape == (50, 2, 6)
    assert x.abs().eq(1).all()
    assert torch.equal(y, x[..., 1] * x[..., 2] * x[..., 4])
    assert not skill.any()
    assert (task.M, task.inputs, task.supports) == (1, 6, ((1, 2, 4),))


def test_many_skills_have_control_bits() -> None:
    task = Skills(5, ((0,), (1, 2), (0, 3, 4)), (0.5, 0.3, 0.2))
    z, y, skill = task.sample(4000, seed=1)
    assert z.shape == (4000, task.inputs) == (4000, 8)
    assert torch.equal(z[:, :3].argmax(1), skill)
    assert torch.equal(z[:, :3].sum(1), torch.ones(4000))
    x = z[:, 3:]
    for m, S in enumerate(task.supports):
        here = skill == m
        assert torch.equal(y[here], x[here][:, list(S)].prod(1))
        assert here.float().mean().item() == pytest.approx(task.p[m], abs=0.03)  # type: ignore[index]
    assert task.only(2).p == (0, 0, 1)
    assert (task.only(2).sample(20, seed=0)[2] == 2).all()


def test_random_skills() -> None:
    task = Skills.random(d=5, k=2, M=10, alpha=0.5, seed=3)
    assert len(set(task.supports)) == 10
    assert all(len(S) == 2 for S in task.supports)
    assert task.p is not None
    np.testing.assert_allclose(np.array(task.p) / task.p[0], np.arange(1.0, 11) ** -1.5)
    assert task == Skills.random(d=5, k=2, M=10, alpha=0.5, seed=3)
    assert task != Skills.random(d=5, k=2, M=10, alpha=0.5, seed=4)
    assert Skills.random(d=5, k=2, M=3, seed=0).p == pytest.approx([1 / 3] * 3)


def test_the_gradient_is_autograds() -> None:
    z, y, _ = Skills.random(d=7, k=2, M=3, seed=0).sample(4, 20, seed=1)
    source = torch.Generator().manual_seed(0)
    shapes = [(4, 9, 10), (4, 1, 9), (4, 9, 1), (4, 1, 1)]
    theta = [torch.randn(*s, generator=source).requires_grad_() for s in shapes]
    loss = (1 - y * _forward(z, theta)[1]).clamp(min=0).mean(1).sum()
    for ours, theirs in zip(
        _gradient(z, y, [one.detach() for one in theta]),
        torch.autograd.grad(loss, theta),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("d", [1, 2, 5, 6])
@pytest.mark.parametrize("b", [0.0, 0.5, -1.0, 2.0, -2.5, 9.0, -9.0])
def test_half_space_by_enumeration(d: int, b: float) -> None:
    for j in range(d + 1):
        total = sum(int(np.prod(x[:j])) for x in product((-1, 1), repeat=d) if sum(x) + b > 0)
        assert half_space(j, d=d, b=b) == Fraction(total, 2**d)


def test_the_first_gradient_by_enumeration() -> None:
    """With f = 0 and weights ±1 the gradient in w is half_space, times a sign."""
    d, b, S = 7, 1.0, (1, 4, 5)
    x = torch.tensor(list(product((-1.0, 1.0), repeat=d)))[None]
    y = x[..., list(S)].prod(-1)
    w = torch.tensor([1.0, -1, -1, 1, -1, 1, 1])
    # Two neurons of opposite a: f = 0 everywhere.
    theta = [w.expand(1, 2, d), torch.full((1, 1, 2), b), torch.tensor([[[1.0], [-1.0]]])]
    g = _gradient(x, y, [*theta, torch.zeros(1, 1, 1)])[0][0, 0]
    for i in range(d):
        T = sorted(set(S) ^ {i})
        exact = float(w[T].prod()) * float(half_space(len(T), d=d, b=b))
        assert -g[i].item() == pytest.approx(exact, abs=1e-6)


def test_same_seed_same_bits() -> None:
    task = Skills.random(d=6, k=2, M=2, seed=0)
    first, again = train(task, **TINY), train(task, **TINY)  # type: ignore[arg-type]
    np.testing.assert_array_equal(first.loss, again.loss)
    assert first.loss.shape == first.accuracy.shape == (3, 2, 3)
    assert first.steps.tolist() == [0, 5, 10]
    other = train(task, **{**TINY, "seed": 1})  # type: ignore[arg-type]
    assert (other.loss != first.loss).any()
    shorter = train(task, **{**TINY, "record_at": (0, 5)})  # type: ignore[arg-type]
    np.testing.assert_array_equal(shorter.loss, first.loss[..., :2])


def test_sgd_is_the_textbooks() -> None:
    """One step of training equals one of torch's, from the same numbers."""
    task = Skills.random(d=6, k=2, seed=0)
    for optimizer, kind in (("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)):
        arguments = {**TINY, "runs": 1, "optimizer": optimizer, "evaluate_on": 30, "bias": 0.7}
        seen = train(task, **{**arguments, "record_at": range(6)})  # type: ignore[arg-type]
        source = torch.Generator().manual_seed(0)

        def uniform(*shape: int, within: float, source: torch.Generator = source) -> torch.Tensor:
            drawn = torch.rand(1, *shape, generator=source)
            return ((2 * drawn - 1) * within).requires_grad_()

        W, b = uniform(16, 6, within=6**-0.5), uniform(1, 16, within=0.7)
        a, c = uniform(16, 1, within=0.25), uniform(1, 1, within=0.25)
        test, wanted, _ = task._draw((30,), source)
        step = kind([W, b, a, c], lr=0.1)  # type: ignore[operator]
        for at in range(6):
            hinge = (1 - wanted * _forward(test[None], [W, b, a, c])[1]).clamp(min=0).mean()
            assert seen.loss[0, 0, at] == pytest.approx(hinge.item(), rel=1e-4)
            z, y, _ = task._draw((1, 8), source)
            step.zero_grad()
            (1 - y * _forward(z, [W, b, a, c])[1]).clamp(min=0).mean().backward()
            step.step()


def test_it_learns_after_a_plateau() -> None:
    at = range(0, 801, 20)
    seen = train(
        Skills.random(d=12, k=2, seed=0),
        width=64,
        eta=0.1,
        batch=32,
        record_at=at,
        runs=3,
        seed=0,
        until=0.95,
    )
    times = seen.times()
    assert times.shape == (3, 1)
    assert (times < np.inf).all()
    assert (times > 20).all()
    assert len(seen.steps) == 1 + times.max() / 20
    assert np.isinf(seen.times(1.1)).all()


def test_pairs_are_orthogonal_and_so_are_staircases() -> None:
    x = torch.tensor(list(product((-1, 1), repeat=4)))
    for S, R in combinations(list(combinations(range(4), 2)), 2):
        assert (x[:, S].prod(1) * x[:, R].prod(1)).sum() == 0
    np.testing.assert_allclose(
        staircase([0, 1, 2.5, 9], [1, 2, np.inf], [0.5, 0.3, 0.2]), [1, 0.5, 0.2, 0.2]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Skills(0, ((0,),)), "d is 0; valid: an integer ≥ 1"),
        (lambda: Skills(3, ((0, 3),)), r"a support is \(0, 3\); valid: different places 0…2"),
        (lambda: Skills(3, ((1, 1),)), r"a support is \(1, 1\)"),
        (lambda: Skills(3, ((),)), "a support is"),
        (lambda: Skills(3, ()), "supports are"),
        (lambda: Skills(3, ((0, 1), (1, 0))), "all different"),
        (lambda: Skills(3, ((0,), (1,)), (0.5, 0.6)), "add to 1"),
        (lambda: Skills(3, ((0,), (1,)), (1.5, -0.5)), "numbers ≥ 0"),
        (lambda: Skills.random(d=3, k=4, seed=0), "k is 4; valid: 1…3"),
        (lambda: Skills.random(d=3, k=2, M=4, seed=0), "M is 4; valid: at most 3"),
        (lambda: Skills.random(d=3, k=2, alpha=-2, seed=0), "alpha is -2"),
        (lambda: Skills(3, ((0,),)).only(1), r"m is 1; valid: 0…0"),
        (lambda: Skills(3, ((0,),)).sample(2, seed=-1), "seed is -1"),
        (lambda: half_space(4, d=3), "j is 4; valid: 0…3"),
        (lambda: half_space(1, d=3, b=float("nan")), "b is nan"),
        (lambda: staircase([1], [1, 2], [1]), r"times has shape \(2,\)"),
    ],
)
def test_bad_input(call, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width is 0"),
        ({"batch": 2.5}, "batch is 2.5"),
        ({"runs": -1}, "runs is -1"),
        ({"eta": 0}, "eta is 0"),
        ({"record_at": ()}, r"record_at is \[\]"),
        ({"record_at": (5, 2)}, "ascending"),
        ({"optimizer": "lion"}, "optimizer is 'lion'; valid: 'sgd', 'adam'"),
        ({"bias": -1}, "bias is -1"),
        ({"until": 1.5}, "until is 1.5"),
        ({"evaluate_on": 0}, "evaluate_on is 0"),
    ],
)
def test_bad_training(change, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        train(Skills(3, ((0, 1),)), **{**TINY, **change})


def test_a_loss_that_is_not_finite_stops_it() -> None:
    with pytest.raises(FloatingPointError, match="not finite after step 5"):
        train(Skills(3, ((0, 1),)), **{**TINY, "eta": 1e30})  # type: ignore[arg-type]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda() -> None:
    task = Skills.random(d=6, k=2, M=2, seed=0)
    here = train(task, **TINY)  # type: ignore[arg-type]
    there = train(task, **TINY, device="cuda")  # type: ignore[arg-type]
    np.testing.assert_allclose(there.loss, here.loss, atol=1e-3)

"""The ordinary transformer and its training: shapes, what is learned, resuming, divergence."""

import io
import itertools
import math

import pytest
import torch
from torch import nn

from plateaus.composition import AttentionOnly, Task
from plateaus.composition.training import Diverged, _inputs, train
from plateaus.composition.transformer import Transformer

SMALL = {"width": 16, "heads": 2}
RECIPE = {"data": "mixture", "steps": 20, "batch": 8, "lr": 2e-3, "seed": 0, "evaluate_on": 16}


@pytest.fixture(autouse=True)
def one_thread():
    """Steps this small lose more to threads than they win, most of all beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pair(k=4, N=4, **options):
    return Transformer(k=k, N=N, seed=0, **SMALL | options), Task.random(k=k, N=N, seed=0)


def values(model):
    return [p.detach().clone() for p in model.parameters()]


def same(a, b):
    return all(map(torch.equal, values(a), values(b)))


@pytest.mark.parametrize("options", [{}, {"mlp": 0}, {"norm": False}, {"heads": 1}, {"layers": 2}])
@pytest.mark.parametrize("read", ["layer", "last"])
@pytest.mark.parametrize(("k", "hops"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (4, (1, 2, 4))])
def test_shapes(k, hops, read, options):
    model, task = pair(k, 5, read=read, **options)
    assert model.hops == hops
    sigma, _ = task.sample(3, seed=0)
    logits = model.logits(sigma)
    assert logits.shape == (len(hops), 3, k, 5, 5)
    for at, hop in enumerate(hops):
        torch.testing.assert_close(model(sigma, hop), logits[at])
    torch.testing.assert_close(model(sigma), logits[-1])
    assert model.logits(sigma[:0]).shape == (len(hops), 0, k, 5, 5)


def test_hops_are_read_after_their_layers():
    assert pair(8)[0].after == (1, 2, 3, 4)
    assert pair(8, layers=2)[0].after == (1, 2, 2, 2)
    assert pair(8, read="last")[0].after == (4, 4, 4, 4)
    assert pair(6)[0].after == (1, 2, 3, 4)  # hops 1, 2, 4, 6
    assert pair(4, hops=[4], layers=5)[0].after == (3,)
    model, task = pair()
    model.logits(task.sample(2, seed=0)[0])[0].square().sum().backward()
    moved = [block.down.weight.grad.any().item() for block in model.blocks]
    assert moved == [True, False, False]


def spelled_out(model, sigma):
    """The stream after the first layer, from the module's formulas, for one input."""
    k, N = sigma.shape
    heads, norm = 2, torch.nn.functional.layer_norm
    tokens = [model.position[i * N + j] + model.value[i * N + sigma[i, j]]
              for i in range(k) for j in range(N)]  # fmt: skip
    x = torch.stack(tokens)
    width = x.shape[1]
    block = model.blocks[0]
    q, key, value = block.qkv(norm(x, (width,))).split(width, 1)
    size, reads = width // heads, []
    for h in range(heads):
        part = slice(h * size, (h + 1) * size)
        A = torch.softmax(q[:, part] @ key[:, part].T / math.sqrt(size), 1)
        reads.append(A @ value[:, part])
    x = x + block.out(torch.cat(reads, 1))
    hidden = block.up(norm(x, (width,)))
    return x + block.down(hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2)


def test_a_layer_is_the_formula():
    model, task = pair(2, 3, dtype=torch.float64)
    sigma, _ = task.sample(4, seed=0)
    logits = model(sigma, 1)
    for s in range(4):
        expected = model.readouts[0](spelled_out(model, sigma[s]))
        torch.testing.assert_close(logits[s].flatten(0, 1), expected)


def test_same_seed_same_weights_and_no_global_generator():
    before = torch.get_rng_state()
    a, task = pair()
    b, _ = pair()
    assert same(a, b)
    assert not same(a, Transformer(k=4, N=4, seed=1, **SMALL))
    first, again = train(a, task, **RECIPE), train(b, task, **RECIPE)
    assert same(a, b)
    assert torch.equal(first.loss, again.loss)
    train(c := pair()[0], task, **RECIPE | {"seed": 1})
    assert not same(a, c)
    assert torch.equal(torch.get_rng_state(), before)


def test_evaluation_changes_no_weight():
    a, task = pair()
    b, _ = pair()
    train(a, task, **RECIPE)
    train(b, task, **RECIPE | {"evaluate_every": 3, "evaluate_on": 5})
    assert same(a, b)


def test_a_mixture_is_learned():
    """(4, 2): some 100 steps."""
    model, task = pair(2, width=32)
    seen = train(
        model, task, data="mixture", steps=600, batch=32, lr=4e-3, seed=0, evaluate_every=25
    )
    assert seen.reached[0] <= seen.reached[1] == seen.steps[-1] < 600
    assert seen.accuracy[0].max() < 0.5
    sigma, _ = task.sample(200, seed=9)
    right = (model(sigma).argmax(-1) == task.hops(sigma, 2)).double().mean()
    assert right > 0.9


def test_the_hard_task_alone_is_not():
    """Within a budget that lifts a mixture off the ground."""
    recipe = {"steps": 100, "batch": 32, "lr": 2e-3, "seed": 0}
    model, task = pair(width=32)
    mixed = train(model, task, data="mixture", **recipe)
    assert mixed.accuracy[-1, 0] > 0.45
    model, task = pair(width=32)
    seen = train(model, task, data="hard", **recipe)
    assert seen.reached == (None, None, None)
    assert (seen.accuracy - 1 / 4).abs().max() < 0.03
    assert seen.steps.tolist() == [0, 50, 100]
    assert seen.stage.tolist() == [0] * 3


def test_attention_only_learns_the_first_hop():
    task = Task.random(k=2, N=4, seed=0)
    model = AttentionOnly(k=2, N=4, seed=0)
    recipe = {"steps": 300, "batch": 32, "lr": 1e-2, "weight_decay": 0.3, "seed": 0}
    seen = train(model, task, data="mixture", **recipe)
    assert seen.accuracy[0, 0] < 0.4
    assert seen.accuracy[-1, 0] > 0.9


def test_a_fixed_embedding_stays():
    model, task = pair()
    model.position.requires_grad_(False)
    model.value.requires_grad_(False)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    train(model, task, **RECIPE, weight_decay=0.1)
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name]) == (name in ("position", "value")), name


def one_step_by_hand(model, task, w):
    """SGD on Σ w_l CE_l of the first step's inputs, by the definition."""
    sigma, labels = next(_inputs(task, model.hops, 8, 0, 0))
    total = 0
    for hop, y, weight in zip(model.hops, labels, w, strict=True):
        assert torch.equal(y, task.hops(sigma, hop))
        picked = model(sigma, hop).log_softmax(-1).gather(-1, y.unsqueeze(-1))
        total = total - weight * picked.mean()
    names, weights = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(total, weights, allow_unused=True)
    return {
        name: p.detach() - (0 if g is None else 0.1 * g)
        for name, p, g in zip(names, weights, gradients, strict=True)
    }


@pytest.mark.parametrize(
    ("data", "weights", "w"),
    [
        ("hard", None, [0, 0, 1]),
        ("mixture", None, [1 / 3, 1 / 3, 1 / 3]),
        ("mixture", [1, 0, 3], [1 / 4, 0, 3 / 4]),
        ("mixture", [1e308, 1e308, 1e308], [1 / 3, 1 / 3, 1 / 3]),
        ("cumulative", None, [1, 0, 0]),
        ("strict", None, [1, 0, 0]),
        (lambda step, accuracy: [step, len(accuracy), 1], None, [0, 3 / 4, 1 / 4]),
    ],
)
def test_a_step_follows_the_weighted_loss(data, weights, w):
    model, task = pair(dtype=torch.float64)
    expected = one_step_by_hand(model, task, w)
    recipe = RECIPE | {"data": data, "steps": 1, "lr": 0.1, "weights": weights}
    train(
        model, task, **recipe, schedule=lambda _: 1.0,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=7.0),
    )  # fmt: skip
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), expected[name], msg=name)


def test_stages():
    """At an accuracy of `advance` the next hop comes in: all the earlier with it, or none."""
    recipe = RECIPE | {"steps": 40, "evaluate_every": 10, "advance": 1e-9}
    for data in ("cumulative", "strict"):
        model, task = pair()
        seen = train(model, task, **recipe | {"data": data})
        assert seen.stage.tolist() == [2, 3, 3, 3, 3]
    model, task = pair()
    seen = train(model, task, **recipe | {"data": "cumulative", "advance": 2.0})
    assert seen.stage.tolist() == [1] * 5


def test_a_schedule_of_ones_own_sees_step_and_accuracies():
    seen = []

    def data(step, accuracy):
        seen.append((step, accuracy))
        return [1, 1, 1]

    model, task = pair()
    record = train(model, task, **RECIPE | {"data": data, "steps": 12, "evaluate_every": 5})
    other, _ = pair()
    train(other, task, **RECIPE | {"steps": 12})
    assert same(model, other)
    assert [step for step, _ in seen] == list(range(12))
    for step, accuracy in seen:
        assert list(accuracy) == record.accuracy[step // 5].tolist()


@pytest.mark.parametrize(
    ("data", "cut"), [("mixture", 30), ("mixture", 37), ("cumulative", 37), ("strict", 30)]
)
def test_a_run_goes_on_to_the_bit(data, cut):
    """Chunks hold 2048/96 = 21 steps, so both cuts fall within one; stages change on both sides."""
    recipe = RECIPE | {"data": data, "batch": 96, "steps": 60, "evaluate_every": 10}
    recipe |= {"advance": 0.2, "evaluate_on": 32, "lr": 5e-3}
    whole, task = pair(2, 3, width=8)
    record = train(whole, task, **recipe, stop=False)
    half, _ = pair(2, 3, width=8)
    first = train(half, task, **recipe | {"steps": cut}, stop=False)
    saved = io.BytesIO()
    torch.save(first.state, saved)
    saved.seek(0)
    state = torch.load(saved, weights_only=True)
    other = Transformer(k=2, N=3, seed=7, width=8, heads=2)  # its weights are replaced
    second = train(other, task, **recipe, stop=False, state=state)
    assert same(whole, other)
    assert not same(whole, half)  # the state is a copy
    for name in ("steps", "accuracy", "loss", "stage"):
        assert torch.equal(getattr(record, name), getattr(second, name)), name
    assert record.reached == second.reached
    if data != "mixture":
        assert record.stage.tolist()[-1] == 2


def test_states_are_offered_at_evaluations():
    """Each is what a run of that length would have left."""
    recipe, states = RECIPE | {"steps": 12, "evaluate_every": 5}, []
    whole, task = pair()
    train(whole, task, **recipe, stop=False, keep=lambda make: states.append(make()))
    assert [state["step"] for state in states] == [0, 5, 10]
    for state in states:
        other, _ = pair()
        train(other, task, **recipe, stop=False, state=state)
        assert same(whole, other)


def test_stages_end_at_multiples_only():
    """Else a run that is cut would pass through other stages than one that is not."""
    model, task = pair()
    recipe = RECIPE | {"data": "strict", "steps": 5, "evaluate_every": 10, "advance": 1e-9}
    first = train(model, task, **recipe)
    assert first.steps.tolist() == [0, 5]
    assert first.stage.tolist() == [2, 2]
    second = train(model, task, **recipe | {"steps": 20}, state=first.state)
    assert second.steps.tolist() == [0, 10, 20]
    assert second.stage.tolist() == [2, 3, 3]


def test_a_state_is_a_copy():
    model, task = pair()
    state = train(model, task, **RECIPE).state
    saved = io.BytesIO()
    torch.save(state, saved)
    train(model, task, **RECIPE | {"steps": 25}, state=state)
    saved.seek(0)
    before = torch.load(saved, weights_only=True)
    for name, weight in before["model"].items():
        assert torch.equal(weight, state["model"][name])
    for index, moments in before["optimizer"]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, state["optimizer"]["state"][index][name])


def test_every_step_has_inputs_of_its_own():
    """Two steps a chunk, so these are three chunks."""
    _, task = pair()
    steps = [sigma for sigma, _ in itertools.islice(_inputs(task, (1, 4), 1024, 0, 0), 6)]
    assert [sigma.shape for sigma in steps] == [(1024, 4, 4)] * 6
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(steps, 2))
    for start in range(6):
        sigma, labels = next(_inputs(task, (1, 4), 1024, 0, start))
        assert torch.equal(sigma, steps[start])
        assert torch.equal(labels[1], task.hops(sigma, 4))


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [(None, [0.001, 0.002, 0.003]), (lambda step: 2.0**-step, [0.1, 0.05, 0.025])],
)
def test_schedule(schedule, rates):
    seen = []

    class Noted(torch.optim.SGD):
        def step(self):
            seen.append(self.param_groups[0]["lr"])

    model, task = pair()
    recipe = RECIPE | {"steps": 3, "lr": 0.1}
    train(model, task, **recipe, schedule=schedule, optimizer=Noted)
    assert seen == pytest.approx(rates)


def test_a_stopped_run_stays_stopped():
    model, task = pair()
    recipe = RECIPE | {"target": 1e-9}
    first = train(model, task, **recipe)
    assert first.steps.tolist() == [0]
    assert train(model, task, **recipe, state=first.state).steps.tolist() == [0]
    on = train(model, task, **recipe, state=first.state, stop=False)
    assert on.steps.tolist() == [0, 20]
    assert on.reached == (0, 0, 0)


def test_a_run_stops_on_an_evaluation_of_its_own_weights():
    """Not on the one at step 20, when it goes on from step 25."""
    model, task = pair()
    recipe = RECIPE | {"target": 1e-9, "evaluate_every": 10}
    first = train(model, task, **recipe | {"steps": 25}, stop=False)
    assert first.steps.tolist() == [0, 10, 20, 25]
    second = train(model, task, **recipe | {"steps": 40}, state=first.state)
    assert second.steps.tolist() == [0, 10, 20, 30]


def test_no_step():
    model, task = pair()
    before = values(model)
    record = train(model, task, **RECIPE | {"steps": 0})
    assert record.steps.tolist() == [0]
    assert all(map(torch.equal, before, values(model)))


class Fails(nn.Module):
    """Logits that are not finite once its only weight has been moved `after` times by −1."""

    def __init__(self, after):
        super().__init__()
        self.k, self.N, self.hops = 2, 3, (1, 2)
        self.weight = nn.Parameter(torch.tensor(0.0))
        self.after = after

    def logits(self, sigma):
        moved = -self.weight
        bad = torch.where(moved.detach() > self.after - 0.5, math.nan, 0.0)
        return torch.zeros(2, len(sigma), 2, 3, 3) + 0 * moved + bad


class Downwards(torch.optim.Optimizer):
    """Every step takes 1 away."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": 1.0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p -= 1


@pytest.mark.parametrize(
    ("after", "evaluations"), [(0, []), (1, [0]), (7, [0, 5]), (20, [0, 5, 10, 15])]
)
def test_a_loss_that_is_not_finite(after, evaluations):
    """It is seen at a step, at an evaluation, and at the last one of all."""
    model, task = Fails(after), Task.random(k=2, N=3, seed=0)
    with pytest.raises(Diverged, match=rf"the loss is nan after {after} steps") as caught:
        train(model, task, **RECIPE, optimizer=Downwards, evaluate_every=5)
    assert caught.value.step == after
    assert caught.value.training.steps.tolist() == evaluations
    assert caught.value.training.accuracy.shape == (len(evaluations), 2)
    state = caught.value.training.state
    assert state == {"diverged": after}
    with pytest.raises(ValueError, match=rf"state is of a run that diverged after {after} steps;"):
        train(model, task, **RECIPE, state=state)
    assert model.weight == -max(after - 1, 0)


def test_a_rate_that_blows_up_leaves_finite_weights():
    model, task = pair()
    with pytest.raises(Diverged) as caught:
        train(model, task, **RECIPE | {"lr": 1e38}, schedule=lambda _: 1.0)
    assert 1 <= caught.value.step <= 20
    assert all(bool(w.isfinite().all()) for w in values(model))
    assert all(bool(w.isfinite().all()) for w in model.logits(task.sample(5, seed=0)[0]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda():
    cpu, task = pair()
    model = Transformer(k=4, N=4, seed=0, device="cuda", **SMALL)
    assert all(torch.equal(a.cpu(), b) for a, b in zip(values(model), values(cpu), strict=True))
    sigma, _ = task.sample(5, seed=0)
    torch.testing.assert_close(model(sigma.cuda()).cpu(), cpu(sigma), atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match=r"the model is on cuda:0; valid: cpu, where the task is"):
        train(model, task, **RECIPE)
    there = Task(task.pi.cuda())
    record = train(model, there, **RECIPE)
    assert record.loss[-1].sum() < record.loss[0].sum()
    train(model, there, **RECIPE | {"steps": 30}, state=record.state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k is 0; valid: an integer ≥ 1"),
        ({"N": 1}, "N is 1; valid: an integer ≥ 2"),
        ({"layers": 0}, "layers is 0; valid: an integer ≥ 1"),
        ({"heads": 0}, "heads is 0; valid: an integer ≥ 1"),
        ({"heads": 3}, "width is 16; valid: a multiple of heads, 3"),
        ({"mlp": -1}, "mlp is -1; valid: an integer ≥ 0"),
        ({"hops": ()}, r"hops is \(\); valid: ascending lengths"),
        ({"hops": (2, 1)}, r"hops is \(2, 1\); valid: ascending lengths"),
        ({"hops": (0, 1)}, "hops is 0; valid: an integer ≥ 1"),
        ({"read": "all"}, "read is 'all'; valid: 'layer' or 'last'"),
        ({"embedding_std": -1.0}, r"embedding_std is -1\.0; valid: a number ≥ 0"),
        ({"embedding_std": math.nan}, "embedding_std is nan; valid: a number ≥ 0"),
        ({"seed": -1}, "seed is -1; valid: an integer ≥ 0"),
    ],
)
def test_bad_models(options, message):
    with pytest.raises(ValueError, match=message):
        Transformer(**{"k": 4, "N": 4, "seed": 0} | SMALL | options)


SIGMA = torch.arange(4).expand(2, 4, 4)


@pytest.mark.parametrize(
    ("sigma", "hop", "message"),
    [
        (SIGMA, 3, "hop is 3; valid: 1, 2, 4"),
        (SIGMA.tolist(), 1, r"sigma is a list; valid: a torch\.int64 tensor"),
        (SIGMA.int(), 1, r"sigma has dtype torch\.int32"),
        (SIGMA[:, :2], 1, r"sigma has shape \(2, 2, 4\); valid: \(n, 4, 4\)"),
        (SIGMA + 1, 1, r"sigma\[0, 0\] is \[1, 2, 3, 4\]; valid: a permutation"),
        (SIGMA.to("meta"), 1, "sigma is on meta; valid: cpu"),
    ],
)
def test_bad_inputs(sigma, hop, message):
    with pytest.raises(ValueError, match=message):
        pair()[0](sigma, hop)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": ["mixture"]}, r"data is \['mixture'\]; valid: hard, mixture, cumulative, strict"),
        ({"data": "easy"}, "data is 'easy'; valid: hard, mixture, cumulative, strict, or a"),
        ({"steps": -1}, "steps is -1; valid: an integer ≥ 0"),
        ({"batch": 0}, "batch is 0; valid: an integer ≥ 1"),
        ({"lr": 0.0}, r"lr is 0\.0; valid: a number > 0"),
        ({"lr": math.inf}, "lr is inf; valid: a number > 0"),
        ({"lr": "a"}, "lr is 'a'; valid: a number > 0"),
        ({"seed": -1}, "seed is -1; valid: an integer ≥ 0"),
        ({"target": 0}, "target is 0; valid: a number > 0"),
        ({"advance": math.nan}, "advance is nan; valid: a number > 0"),
        ({"evaluate_every": 0}, "evaluate_every is 0; valid: an integer ≥ 1"),
        ({"evaluate_on": 0}, "evaluate_on is 0; valid: an integer ≥ 1"),
        ({"weight_decay": "a"}, "weight_decay is 'a'; valid: a number ≥ 0"),
        ({"weight_decay": -0.1}, r"weight_decay is -0\.1; valid: a number ≥ 0"),
        ({"optimizer": "sgd"}, "optimizer is 'sgd'; valid: 'adamw', or a function"),
        ({"optimizer": lambda _: None}, "optimizer gave a NoneType; valid: a torch Optimizer"),
        ({"optimizer": torch.optim.LBFGS}, "optimizer gave a LBFGS, whose step needs a closure;"),
        ({"optimizer": Downwards, "weight_decay": 0.1}, r"weight_decay is 0\.1; valid beside"),
        ({"schedule": lambda _: -1.0}, r"schedule\(0\) is -1\.0; valid: a number ≥ 0"),
        ({"weights": [1, 1]}, "weights has 2 weights; valid: one for each of 3 hops"),
        ({"weights": 3}, "weights is 3; valid: one number for each hop"),
        ({"weights": [0, 0, 0]}, r"weights is \[0\.0, 0\.0, 0\.0\]; valid: numbers ≥ 0, not all"),
        ({"weights": [1, 2, -1]}, r"weights is \[1\.0, 2\.0, -1\.0\]; valid: numbers ≥ 0"),
        ({"weights": [1, 1, math.nan]}, "weights is .*nan.*; valid: numbers ≥ 0"),
        ({"data": "hard", "weights": [1, 1, 1]}, "weights are given for data 'hard'; valid: for"),
        ({"data": lambda *_: [1]}, r"data\(0\) has 1 weights; valid: one for each of 3 hops"),
    ],
)
def test_bad_recipes(options, message):
    model, task = pair()
    before = values(model)
    with pytest.raises(ValueError, match=message):
        train(model, task, **RECIPE | options)
    assert all(map(torch.equal, before, values(model)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"k": 2}, r"the model has \(k, N\) = \(2, 4\); valid: \(4, 4\), as the task"),
        ({"N": 5}, r"the model has \(k, N\) = \(4, 5\); valid: \(4, 4\), as the task"),
        ({"device": "meta"}, "the model is on meta; valid: cpu, where the task is"),
    ],
)
def test_models_that_do_not_fit(model, message):
    with pytest.raises(ValueError, match=message):
        train(Transformer(**{"k": 4, "N": 4, "seed": 0} | model), pair()[1], **RECIPE)


def test_no_task():
    model, task = pair()
    with pytest.raises(ValueError, match=r"task is a list; valid: a Task\."):
        train(model, task.pi.tolist(), **RECIPE)


def test_a_model_without_weights_to_train():
    model, task = pair()
    with pytest.raises(ValueError, match="the model has no weight to train"):
        train(model.requires_grad_(False), task, **RECIPE)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ({}, {"seed": 1}, "seed is 1; valid: 0, as in state"),
        ({}, {"batch": 9}, "batch is 9; valid: 8, as in state"),
        ({}, {"lr": 0.1}, r"lr is 0\.1; valid: 0\.002, as in state"),
        ({}, {"data": "hard"}, "data is 'hard'; valid: 'mixture', as in state"),
        ({}, {"data": lambda *_: [1, 1, 1]}, "data is 'a function'; valid: 'mixture', as in"),
        ({}, {"weights": [1, 2, 3]}, r"weights is \[1\.0, 2\.0, 3\.0\]; valid: None, as in state"),
        ({}, {"weight_decay": 0.1}, r"weight_decay is 0\.1; valid: 0\.0, as in state"),
        ({}, {"optimizer": torch.optim.SGD}, "optimizer is 'SGD'; valid: 'AdamW', as in state"),
        ({}, {"target": 0.5}, r"target is 0\.5; valid: 0\.95, as in state"),
        ({}, {"advance": 0.5}, r"advance is 0\.5; valid: 0\.98, as in state"),
        ({}, {"evaluate_every": 7}, "evaluate_every is 7; valid: 50, as in state"),
        ({}, {"evaluate_on": 17}, "evaluate_on is 17; valid: 16, as in state"),
        ({}, {"steps": 19}, "steps is 19; valid: ≥ 20, the steps behind state"),
        ({"hops": (1, 4)}, {}, r"hops is \(1, 4\); valid: \(1, 2, 4\), as in state"),
        ({"width": 8}, {}, r"the model's .* is .*; valid: .*, as in state"),
        ({"layers": 2}, {}, "the model's .* is None; valid: .*, as in state"),
    ],
)
def test_bad_states(model, options, message):
    first, task = pair()
    state = train(first, task, **RECIPE).state
    with pytest.raises(ValueError, match=message):
        train(pair(**model)[0], task, **RECIPE | options, state=state)


def test_the_state_of_another_task():
    model, task = pair()
    state = train(model, task, **RECIPE).state
    other = Task.random(k=4, N=4, seed=1)
    with pytest.raises(ValueError, match=r"pi is \[\[.*\]\]; valid: \[\[.*\]\], as in state\."):
        train(model, other, **RECIPE, state=state)


def test_a_state_with_something_missing():
    model, task = pair()
    state = train(model, task, **RECIPE).state
    for name in state:
        less = {other: value for other, value in state.items() if other != name}
        with pytest.raises(ValueError, match=f"state has no '{name}'; valid: the state of a"):
            train(model, task, **RECIPE, state=less)
    for name in state["arguments"]:
        less = {other: v for other, v in state["arguments"].items() if other != name}
        with pytest.raises(ValueError, match=f"state has no '{name}'; valid: the state of a"):
            train(model, task, **RECIPE, state=state | {"arguments": less})

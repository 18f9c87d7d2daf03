"""The exact transformer of chapter 3: right on every start, and as wrong as eq-gap says."""

import itertools
import math

import pytest
import torch

from plateaus.composition import AttentionOnly, Task, addition_chain, construct
from plateaus.composition.construction import error_bound, gaps, plan

METHODS = ("doubling", "padding", "chain", "accumulator")
CASES = [
    (k, N, method, embedding)
    for k, N in [(1, 3), (2, 2), (3, 4), (4, 3), (5, 2), (6, 3), (7, 3), (8, 2), (11, 2)]
    for method in METHODS
    for embedding in ("one-hot", "binary")
    if method != "doubling" or k & (k - 1) == 0
]


@pytest.mark.parametrize(("k", "N", "method", "embedding"), CASES)
def test_right_on_every_start_and_for_every_hop(k, N, method, embedding):
    task = Task.random(k=k, N=N, seed=k + 10 * N)
    sigma, _ = task.sample(6, seed=1)
    model = construct(task, beta=25.0, method=method, embedding=embedding)
    assert model.hops[-1] == k
    logits = model.logits(sigma)
    for r, each in zip(model.hops, logits, strict=True):
        assert torch.equal(each.argmax(-1), task.hops(sigma, r))
        assert torch.equal(model.predict(sigma, r), task.hops(sigma, r))
        assert torch.equal(model(sigma, r), each)


@pytest.mark.parametrize(("k", "N"), [(16, 12), (64, 3), (9, 7)])
def test_sizes_beyond_the_cases(k, N):
    task = Task.random(k=k, N=N, seed=0)
    sigma, _ = task.sample(5, seed=1)
    model = construct(task, beta=20.0, method="doubling" if k & (k - 1) == 0 else "accumulator")
    assert torch.equal(model.predict(sigma), task.hops(sigma, k))


def test_every_input_of_a_small_task():
    task = Task([[1, 2, 0], [0, 2, 1]])
    rows = list(itertools.permutations(range(3)))
    sigma = torch.tensor(list(itertools.product(rows, rows)))
    x = torch.arange(3).repeat(len(sigma))
    labels = task(sigma.repeat_interleave(3, 0), x).view(-1, 3)
    answers = construct(task, beta=20.0)(sigma).argmax(-1)
    assert torch.equal(answers[:, 0], labels)  # start 1 is the task itself


@pytest.mark.parametrize("k", [1, 2, 4, 8, 16])
def test_dimension_and_depth(k):
    model = construct(Task.random(k=k, N=3, seed=0), beta=9.0)
    assert len(model.layers) == 1 + math.log2(k)
    assert model.d == 3 * k * (3 + math.log2(k))
    assert model.W_KQ(1).shape == (model.d, model.d)


@pytest.mark.parametrize(
    ("k", "layers"), [(3, (3, 3, 3)), (5, (4, 4, 4)), (6, (4, 4, 4)), (7, (4, 5, 4))]
)
def test_layers_of_other_k(k, layers):
    """Seven is the first k where the chain pays."""
    plans = [plan(k, method) for method in METHODS[1:]]
    assert tuple(p.depth for p in plans) == layers
    assert [p.heads for p in plans] == [1, 1, 2 if k == 7 else 1]


@pytest.mark.parametrize("k", range(1, 34))
def test_addition_chains_are_chains_and_shortest(k):
    chain = addition_chain(k)
    assert chain[0] == 1
    assert chain[-1] == k
    for at, c in enumerate(chain[1:], 1):
        assert any(c - b in chain[:at] for b in chain[:at])
    reached = {(1,)}
    for _ in range(len(chain) - 2):  # one step less reaches k in no way
        reached = {(*c, a + b) for c in reached for a in c for b in c if c[-1] < a + b <= k}
    assert len(chain) == 1 or all(c[-1] != k for c in reached)


def test_pi_stands_in_layer_1_alone():
    one, other = (construct(Task.random(k=4, N=4, seed=s), beta=5.0) for s in (0, 1))
    assert not torch.equal(one.W_KQ(1), other.W_KQ(1))
    for layer in (2, 3):
        assert torch.equal(one.W_KQ(layer), other.W_KQ(layer))
        assert torch.equal(one.W_OV(layer), other.W_OV(layer))


def test_the_binary_embedding_is_polylogarithmic_and_holds_pi():
    one, other = (
        construct(Task.random(k=16, N=8, seed=s), beta=9.0, embedding="binary") for s in (0, 1)
    )
    assert one.d == (4 + 3) * (4 + 4)
    assert all(torch.equal(one.W_KQ(i), other.W_KQ(i)) for i in range(1, 6))
    assert not torch.equal(one.position, other.position)


@pytest.mark.parametrize(
    ("k", "method"), [(4, method) for method in METHODS] + [(7, method) for method in METHODS[1:]]
)
@pytest.mark.parametrize("beta", [2.0, 3.0, 6.0, 11.0])
def test_the_gap_is_the_error_to_rounding(k, beta, method):
    task = Task.random(k=k, N=3, seed=2)
    sigma, _ = task.sample(4, seed=3)
    model = construct(task, beta=beta, method=method, dtype=torch.float64)
    with torch.no_grad():
        z = model(sigma)
    y = task.hops(sigma, k)
    G = gaps(k, 3, beta, method)[plan(k, method).last]
    expected = torch.full_like(z, (1 - G) / 3).scatter_(-1, y[..., None], G + (1 - G) / 3)
    torch.testing.assert_close(z, expected, rtol=0, atol=1e-13)
    assert torch.equal(z.argmax(-1), y)  # at every β, as long as the arithmetic sees the gap


@pytest.mark.parametrize("k", [2, 4, 16, 64])
@pytest.mark.parametrize("N", [2, 5, 16])
def test_the_bound_is_a_bound(k, N):
    informative = 0
    for beta in range(1, 40):
        T, G = k * N, gaps(k, N, beta)[f"O{k.bit_length()}"]
        wrong, bound = (1 - 1 / T) * (1 - G), error_bound(k, N, beta)
        assert wrong <= bound + 1e-12
        informative += bound < 1
        if 1e-12 < bound < 1e-4:
            assert wrong >= bound / 4  # and no loose one
    assert informative > 15


def test_a_gap_below_rounding_is_said():
    with pytest.warns(UserWarning, match=r"beta is 0\.5: the right answer is .* too little"):
        construct(Task.random(k=4, N=3, seed=0), beta=0.5)


@pytest.mark.parametrize("method", METHODS[1:])
@pytest.mark.parametrize(("k", "N"), [(4, 3), (7, 4), (8, 8)])
def test_the_bound_of_the_binary_embedding(k, N, method):
    task = Task.random(k=k, N=N, seed=0)
    sigma, _ = task.sample(20, seed=1)
    informative = 0
    for beta in (2.0, 5.0, 8.0, 11.0, 14.0):
        model = construct(task, beta=beta, method=method, embedding="binary", dtype=torch.float64)
        bound = error_bound(k, N, beta, method, "binary")
        bits = (N - 1).bit_length()
        with torch.no_grad():
            z = model(sigma)
        right = z.gather(-1, task.hops(sigma, k).unsqueeze(-1))
        assert (bits - right).max() <= 2 * bits * bound  # each sign is off by 2δ at most
        if bound < 1 / 2:
            informative += 1
            assert torch.equal(z.argmax(-1), task.hops(sigma, k))
    assert informative >= 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("embedding", ["one-hot", "binary"])
def test_the_largest_beta(dtype, embedding):
    """Scores do not overflow, and nothing is lost in the look-ups."""
    task = Task.random(k=4, N=3, seed=0)
    sigma, _ = task.sample(5, seed=1)
    beta = torch.finfo(dtype).max / 8
    model = construct(task, beta=beta, embedding=embedding, dtype=dtype)
    assert torch.equal(model.predict(sigma), task.hops(sigma, 4))
    assert torch.equal(model(sigma).argmax(-1), task.hops(sigma, 4))
    with pytest.raises(ValueError, match="valid: a finite number above 0, at most"):
        construct(task, beta=2 * 4 * beta, embedding=embedding, dtype=dtype)


@pytest.mark.parametrize("k", [4, 8])
def test_one_layer_less_is_at_chance(k):
    """The block that layer L − 1 writes knows hop k/2, which says nothing of hop k."""
    task = Task.random(k=k, N=4, seed=0)
    sigma, _ = task.sample(400, seed=1)
    answers = construct(task, beta=25.0).predict(sigma, k // 2)
    share = float((answers == task.hops(sigma, k)).double().mean())
    rows = 400 * k  # starts of one row share a permutation: its fixed points vary by 1
    assert abs(share - 1 / 4) < 5 / (4 * math.sqrt(rows))


def causal(task, sigma, tokens, beta):
    """The weight of the right answer at each token (0, x), under a causal mask, for one input.

    As the solution of ex-construction-causal has it: row 0 is the identity; layer 1 leads from the
    value v of token (i, j) to the place (i + 1, π_{i+1}(v)) and notes row and value there; each
    later layer leads from the note to the token of that row and value, and copies its note.
    """
    k, N, d = task.k, task.N, (task.k + 1) * task.N
    rows = torch.cat([torch.arange(N)[None], sigma])  # sigma_0 = id
    at = torch.tensor([i * N + j for i, j in tokens])
    value = torch.tensor([i * N + int(rows[i, j]) for i, j in tokens])
    one = torch.eye(d, dtype=torch.float64)
    P, V = one[at], one[value]  # (tokens, d), the blocks of the stream
    first = torch.zeros(d, d, dtype=torch.float64)  # [P, V], keys as rows
    for i in range(k):
        for v in range(N):
            first[(i + 1) * N + int(task.pi[i, v]), i * N + v] = beta
    later = torch.tril(torch.ones(len(at), len(at))) == 0  # keys as columns
    note = (V @ first.T @ P.T).masked_fill(later, -math.inf).softmax(1) @ V
    for _ in range(int(math.log2(k))):
        note = (beta * note @ V.T).masked_fill(later, -math.inf).softmax(1) @ note
    starts = [(t, j) for t, (i, j) in enumerate(tokens) if i == 0]
    ends = task(sigma.expand(len(starts), k, N), torch.tensor([j for _, j in starts]))
    return [float(note[t, k * N + y]) for (t, _), y in zip(starts, ends.tolist(), strict=True)]


@pytest.mark.parametrize(("k", "N"), [(1, 2), (1, 5), (2, 2), (2, 3), (4, 2), (4, 5), (8, 3)])
def test_a_causal_mask_takes_k_plus_one_rows_and_no_token_less(k, N):
    """The count (k + 1)N of ex-construction-causal: enough for all starts, and none to spare."""
    task = Task.random(k=k, N=N, seed=k)
    order = [(i, j) for i in reversed(range(k + 1)) for j in range(N)]
    assert len(order) == (k + 1) * N
    sigma, _ = task.sample(8, seed=N)

    def right(tokens):  # on each input, the number of starts answered rightly
        weights = [causal(task, each, tokens, beta=40.0) for each in sigma]
        return {sum(weight > 0.999 for weight in each) for each in weights}

    assert right(order) == {N}
    for gone in order:  # (k + 1)N − 1 tokens: one start is lost, or guessed
        assert N - 1 in right([token for token in order if token != gone]) <= {N - 1, N}


def test_look_up_and_dense_agree():
    task = Task.random(k=4, N=3, seed=0)
    sigma, _ = task.sample(50, seed=1)
    model = construct(task, beta=2.0)
    assert torch.equal(model.predict(sigma), model(sigma).argmax(-1))


@pytest.mark.parametrize(
    ("task", "arguments", "message"),
    [
        (6, {}, r"k is 6; valid: a power of two \(or method 'padding', 'chain' or 'accumulator'\)"),
        (4, {"method": "halving"}, "method is 'halving'; valid: doubling, padding, chain, accum"),
        (4, {"embedding": "sparse"}, "embedding is 'sparse'; valid: one-hot, binary"),
        (4, {"beta": 0}, r"beta, in torch\.float32, is 0; valid: a finite number above 0, at most"),
        (4, {"beta": None}, "is None"),
        (4, {"beta": math.nan}, "is nan"),
        (4, {"beta": math.inf}, "is inf"),
        (4, {"beta": 1e5, "dtype": torch.float16}, r"at most 1\.64e\+04"),
        (4, {"beta": 1e39}, r"at most 8\.51e\+37"),
        (4, {"dtype": torch.int64}, r"dtype is torch\.int64; valid: a floating-point type"),
    ],
)
def test_bad_input(task, arguments, message):
    with pytest.raises(ValueError, match=message):
        construct(Task.random(k=task, N=3, seed=0), **{"beta": 9.0, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 6}, "k is 6; valid: a power of two"),
        ({"N": 1}, "N is 1; valid: an integer ≥ 2"),
        ({"layers": 0}, "layers is 0; valid: an integer ≥ 1"),
        ({"heads": 0}, "heads is 0"),
        ({"hops": [4, 1]}, r"hops is \[4, 1\]; valid: ascending"),
        ({"hops": []}, r"hops is \[\]"),
        ({"embedding": "binary"}, "embedding is 'binary'; valid: 'fixed' or 'trained'"),
        ({"std": -1.0}, r"std is -1\.0"),
        ({"std": "a"}, "std is 'a'"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_models(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentionOnly(**{"k": 4, "N": 3, "seed": 0, **arguments})


def test_bad_questions():
    task = Task.random(k=4, N=3, seed=0)
    model = construct(task, beta=9.0)
    sigma, _ = task.sample(2, seed=0)
    with pytest.raises(ValueError, match="hop is 3; valid: 1, 2, 4"):
        model(sigma, 3)
    with pytest.raises(ValueError, match=r"hop is 4\.0; valid: an integer"):
        model(sigma, 4.0)
    for number in (0, 4):
        with pytest.raises(ValueError, match=f"layer is {number}"):
            model.W_KQ(number)
    with pytest.raises(ValueError, match="head is 2; valid: 1…1 in layer 3"):
        model.W_OV(3, 2)
    assert model.predictions(sigma, []) == []
    for k, method in ((0, "chain"), (-3, "accumulator"), (2.5, "padding")):
        with pytest.raises(ValueError, match=f"k is {k}; valid: an integer ≥ 1"):
            plan(k, method)
    for beta in (-1.0, math.nan):
        for function in (gaps, error_bound):
            with pytest.raises(ValueError, match=f"beta is {beta}"):
                function(4, 3, beta)
    assert error_bound(4, 3, 1e-3) == 1
    with pytest.raises(ValueError, match=r"sigma has shape \(2, 4, 2\); valid: \(n, 4, 3\)"):
        model(sigma[:, :, :2])
    with pytest.raises(ValueError, match=r"sigma has dtype torch\.float32"):
        model.predict(sigma.float())
    with pytest.raises(ValueError, match="valid: a permutation of 0…2"):
        model.predict(sigma * 0)


class TestModelToTrain:
    """`AttentionOnly` as it is made."""

    @pytest.mark.parametrize("heads", [1, 3])
    @pytest.mark.parametrize("embedding", ["fixed", "trained"])
    def test_the_formula(self, heads, embedding):
        """The layer as it is written in eq-layer, with loops."""
        model = AttentionOnly(k=2, N=2, heads=heads, std=0.7, seed=0, dtype=torch.float64,
                              embedding=embedding)  # fmt: skip
        sigma = torch.tensor([[[1, 0], [0, 1]]])
        d = model.d
        assert d == 4 * 4
        X = torch.zeros(4, d, dtype=torch.float64)
        for i in range(2):
            for j in range(2):
                X[2 * i + j, 2 * i + j] = 1
                X[2 * i + j, 4 + 2 * i + int(sigma[0, i, j])] = 1
        for layer, hop in ((1, 1), (2, 2)):
            new = X.clone()
            for head in range(1, heads + 1):
                KQ, OV = model.W_KQ(layer, head), model.W_OV(layer, head)
                for i in range(4):
                    scores = torch.stack([X[j] @ KQ @ X[i] for j in range(4)])
                    new[i] += OV @ sum(a * X[j] for j, a in enumerate(scores.softmax(0)))
            X = new
            expected = (X @ model.readout(hop).weight.T).view(2, 2, 2)
            torch.testing.assert_close(model(sigma, hop)[0], expected)
        maps = model.attention(sigma)
        assert [len(layer) for layer in maps] == [heads] * 2
        torch.testing.assert_close(maps[0][0].sum(-1), torch.ones(1, 4, dtype=torch.float64))

    def test_everything_is_trained_but_a_fixed_embedding(self):
        fixed = AttentionOnly(k=4, N=3, seed=0)
        free = AttentionOnly(k=4, N=3, seed=0, embedding="trained")
        names = {name.split(".")[0] for name, _ in fixed.named_parameters()}
        assert names == {"layers", "readouts"}
        sigma, _ = Task.random(k=4, N=3, seed=0).sample(3, seed=0)
        free.logits(sigma).square().sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in free.parameters())
        torch.testing.assert_close(free.logits(sigma), fixed.logits(sigma))

    def test_same_seed_same_weights(self):
        one, same, other = (AttentionOnly(k=2, N=3, seed=s) for s in (3, 3, 4))
        assert torch.equal(one.W_OV(2), same.W_OV(2))
        assert not torch.equal(one.W_OV(2), other.W_OV(2))

    def test_other_depths(self):
        shallow = AttentionOnly(k=4, N=3, seed=0, layers=2)
        assert [shallow.readout(r).layer for r in shallow.hops] == [1, 2, 2]
        odd = AttentionOnly(k=3, N=3, seed=0, layers=3, hops=(1, 2, 3))
        assert [odd.readout(r).layer for r in odd.hops] == [1, 2, 3]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("embedding", ["one-hot", "binary"])
def test_on_cuda(embedding):
    task = Task.random(k=4, N=3, seed=0)
    sigma, _ = task.sample(5, seed=1)
    here = construct(task, beta=3.0, embedding=embedding)
    there = construct(Task(task.pi.cuda()), beta=3.0, embedding=embedding)
    torch.testing.assert_close(there(sigma.cuda()).cpu(), here(sigma))
    assert torch.equal(there.predict(sigma.cuda()).cpu(), here.predict(sigma))

# ruff: noqa: E501
"""Wrong answers, all of which the tests reject, and right ones written differently, which they accept.

A line: the question; what is wrong or different; a text of the model answer; what it becomes. Where the
text is None, what follows is the whole cell.
"""

GIVEN = """
from itertools import permutations, product
def hops(pi, sigma, r):
    n, k, N = sigma.shape
    rows, at = torch.arange(k), torch.arange(N).expand(n, k, N)
    for step in range(r):
        row = (rows + step) % k
        at = sigma[:, row].gather(2, pi[row].expand(n, k, N).gather(2, at))
    return at
def every(k, N):
    return torch.tensor(list(product(permutations(range(N)), repeat=k)))
"""

WRONG = [
    ("q2", "softmax over queries", '    scores = torch.einsum("nju,uw,niw->nij", X, W, X)\n    return torch.softmax(scores, dim=2) @ v', '    scores = torch.einsum("nju,uw,niw->nij", X, W, X)\n    return torch.softmax(scores, dim=1) @ v'),
    ("q2", "key on the right", 'scores = torch.einsum("nju,uw,niw->nij"', 'scores = torch.einsum("niu,uw,njw->nij"'),
    ("q2", "no factor T", "T * A * (said - found)", "A * (said - found)"),
    ("q2", "T² instead of T", "T * A * (said - found)", "T**2 * A * (said - found)"),
    ("q2", "mean not taken off", "T * A * (said - found)", "T * A * said"),
    ("q2", "1/N instead of what is found", "(said - found)", "(said - 1 / v.shape[2])"),
    ("q2", "even attention everywhere", "T * A * (said - found)", "(said - said.mean(2, keepdim=True))"),
    ("q2", "transposed", '->uw", T * A', '->wu", T * A'),
    ("q2", "ascent", "(said - found)", "(found - said)"),
    ("q2", "sum over inputs", "X, X) / n", "X, X)"),
    ("q3", "labels that a query has already", "return X, v, hops(pi, sigma, 2 ** (ell - 1)).flatten(1)", "return X, v, spans[-1].flatten(1)"),
    ("q3", "label of the span before", "hops(pi, sigma, 2 ** (ell - 1)).flatten(1)", "hops(pi, sigma, 2 ** max(ell - 2, 0)).flatten(1)"),
    ("q3", "keys always say their values", "spans[1 if ell == 1 else -1]", "spans[1]"),
    ("q3", "spans of length u, not 2^u", "hops(pi, sigma, 2**u) for", "hops(pi, sigma, u + 1) for"),
    ("q3", "places without their rows", "(N * torch.arange(k)[:, None] + span)", "(0 * torch.arange(k)[:, None] + span)"),
    ("q3", "π transposed", "F.one_hot(p, N).double().T - even", "F.one_hot(p, N).double() - even"),
    ("q3", "signal not centred", "F.one_hot(p, N).double().T - even", "F.one_hot(p, N).double().T"),
    ("q3", "γ over N", "- 1) / (N - 1)", "- 1) / N"),
    ("q3", "γ not centred", ".double() - 1) / (N - 1)", ".double()) / (N - 1)"),
    ("q3", "γ of the key's row", "torch.kron(gamma.expand(k, k), Gamma)", "torch.kron(gamma.expand(k, k).T.contiguous(), Gamma)"),
    ("q3", "[V, V] within rows only", "torch.kron(gamma.expand(k, k), Gamma)", "torch.kron(torch.diag(gamma), Gamma)"),
    ("q3", "one row back", "rows.roll(2 ** (ell - 2), 0)", "rows.roll(-(2 ** (ell - 2)), 0)"),
    ("q3", "always one row on", "rows.roll(2 ** (ell - 2), 0)", "rows.roll(1, 0)"),
    ("q3", "no spurious block in layer 2", "if ell == 2:", "if ell == 0:"),
    ("q3", "spurious block in every later layer", "if ell == 2:", "if ell >= 2:"),
    ("q4", "every later layer looks one row on", "q = 0 if ell == 1 else 2 ** (ell - 2)", "q = 0 if ell == 1 else 1"),
    ("q4", "looks at its own row", "((torch.arange(k) + q) % k)", "torch.arange(k)"),
    ("q4", "no way around", "((torch.arange(k) + q) % k)", "(torch.arange(k) + q)"),
    ("q4", "values instead of positions", "pi.expand(n, k, N) if ell == 1", "sigma if ell == 1"),
    ("q4", "scores transposed", '"nju,uw,niw->nij"', '"niu,uw,njw->nij"'),
    ("q4", "largest lead", "[:, :, 0] - best).min())", "[:, :, 0] - best).max())"),
    ("q4", "mean lead", "[:, :, 0] - best).min())", "[:, :, 0] - best).mean())"),
    ("q4", "the right key is its own rival", "scores.scatter(2, right[:, :, None], -math.inf).amax(2)", "scores.amax(2)"),
    ("q4", "the right key counts as 0 among its rivals", "-math.inf", "0.0"),
    ("q4", "identities count", " for f in fix if f < N])", " for f in fix])"),
    ("q4", "negative γ helps", "max([0.0] + [(f - 1) / (N - 1) for f in fix if f < N])", "max([(f - 1) / (N - 1) for f in fix if f < N] or [0.0])"),
    ("q4", "signal not centred", "return 1 - 1 / N - max", "return 1 - max"),
    ("q4", "fixed points, not their excess", "[(f - 1) / (N - 1) for", "[f / N for"),
    ("q4", "other rows have score −t/N, too", "(k - 1) * N * math.exp(t / N)", "(k - 1) * N"),
    ("q4", "one row too many", "(k - 1) * N * math.exp(t / N)", "k * N * math.exp(t / N)"),
    ("q4", "lead over the others instead of the share", "return math.exp(t) / (", "return math.expm1(t) / ("),
    ("q5", "never comes home", ".roll(-(2 ** (ell - 2)), dims=2)", ""),
    ("q5", "goes on instead of home", ".roll(-(2 ** (ell - 2)), dims=2)", ".roll(2 ** (ell - 2), dims=2)"),
    ("q5", "home by one row only", ".roll(-(2 ** (ell - 2)), dims=2)", ".roll(-1, dims=2)"),
    ("q5", "every layer reads V", "dim=2) @ block\n        if ell >= 2", "dim=2) @ X[:, :, T : 2 * T]\n        if ell >= 2"),
    ("q5", "every layer moves home", "if ell >= 2:", "if k > 1:"),
    ("q5", "key on the right", "X @ W.T @ X.transpose(1, 2)", "X @ W @ X.transpose(1, 2)"),
    ("q5", "logits summed over places", "sum(2))\n    return out", "sum(3))\n    return out"),
    ("q5", "mean over rows", "out.append(block.view(n, T, k, N).sum(2))", "out.append(block.view(n, T, k, N).mean(2))"),
    ("q5", "no T²", "W - C * T**2 * g", "W - C * g"),
    ("q5", "T instead of T²", "W - C * T**2 * g", "W - C * T * g"),
    ("q5", "ascent", "W - C * T**2 * g", "W + C * T**2 * g"),
    ("q5", "sum over labelled starts", "right[:, starts].mean()", "right[:, starts].sum(1).mean()"),
    ("q5", "unlabelled starts in the mean", "right[:, starts].mean()", "right[:, starts].sum() / right.numel()"),
    ("q5", "all starts always", "right[:, starts].mean()", "right.mean()"),
    ("q5", "weights forgotten", "loss - w * right", "loss - right"),
    ("q5", "−log z instead of −z", "loss - w * right[:, starts].mean()", "loss - w * right[:, starts].log().mean()"),
    ("q5", "changes what it was given", "return [(W - C * T**2 * g).detach() for W, g in zip(old, gradients, strict=True)]", "for W, g in zip(Ws, gradients):\n        W -= C * T**2 * g\n    return Ws"),
    ("q7", "one step for a whole diet", "    for weights in diet:\n", "    for weights in diet[:1]:\n"),
    ("q7", "labels of length u", "labels = [hops(pi, sigma, 2**u)", "labels = [hops(pi, sigma, u + 1)"),
    ("q7", "every step from zero", "        Ws = step(Ws, sigma, labels, weights, C)", "        Ws = step([torch.zeros(w, w, dtype=torch.float64) for w in widths], sigma, labels, weights, C)"),
    ("q7", "accuracy at the first start", "float(right.double().mean())", "float(right[:, 0].double().mean())"),
    ("q7", "all starts right", "float(right.double().mean())", "float(right.all(1).double().mean())"),
    ("q7", "hop k for all", "hops(pi, tests, 2**u)", "hops(pi, tests, len(pi))"),
    ("q7", "L, not L + 1", "2 * (L + 1) ** 2 * zeta**2", "2 * L**2 * zeta**2"),
    ("q7", "ζ not squared", "zeta**2 / (N - 1)", "zeta / (N - 1)"),
    ("q7", "L = log₂k", "    L, T = k.bit_length(), k * N", "    L, T = k.bit_length() - 1, k * N"),
    ("q7", "probability .05 a query", "1 - 0.05 / T", "1 - 0.05"),
    ("q7", "accuracy of hop 1", "pi, tests)[-1] >= 0.95", "pi, tests)[0] >= 0.95"),
    ("q7", "mean over hops", "accuracy(train(pi, sigma[:n], diet, C), pi, tests)[-1]", "sum(accuracy(train(pi, sigma[:n], diet, C), pi, tests)) / len(diet)"),
    ("q7", "trains on all inputs", "sigma[:n]", "sigma"),
    ("q7", "trains on the last inputs", "sigma[:n]", "sigma[-n:]"),
    ("q7", "accuracy .9", ">= 0.95", ">= 0.9"),
    ("q7", "the last size instead of None", "    return None", "    return sizes[-1]"),
    ("q4", "keys that tie with the right one are left out", "best = scores.scatter(2, right[:, :, None], -math.inf).amax(2)", "best = scores.masked_fill(scores == scores.gather(2, right[:, :, None]), -1e9).amax(2)"),
    ("q5", "home by one row more a layer", ".roll(-(2 ** (ell - 2)), dims=2)", ".roll(1 - ell, dims=2)"),
    ("q7", "bisection", "    for n in sizes:\n        if accuracy(train(pi, sigma[:n], diet, C), pi, tests)[-1] >= 0.95:\n            return n\n    return None", "    low, high = 0, len(sizes)\n    while low < high:\n        mid = (low + high) // 2\n        if accuracy(train(pi, sigma[: sizes[mid]], diet, C), pi, tests)[-1] >= 0.95:\n            high = mid\n        else:\n            low = mid + 1\n    return sizes[low] if low < len(sizes) else None"),
]  # fmt: skip

RIGHT = [
    ("q2", "loops", None, """
import torch
import torch.nn.functional as F
def read(W, X, v):
    out = torch.zeros(X.shape[0], X.shape[1], v.shape[2], dtype=torch.float64)
    for a in range(len(X)):
        S = X[a] @ W @ X[a].T  # keys in rows
        out[a] = torch.softmax(S, dim=0).T @ v[a]
    return out
def descent(W, X, v, y):
    n, T = y.shape
    z, G = read(W, X, v), torch.zeros_like(W)
    for a in range(n):
        A = torch.softmax((X[a] @ W @ X[a].T).T, dim=1)
        for i in range(T):
            part = A[i] * (v[a][:, y[a, i]] - z[a, i, y[a, i]])
            G = G + torch.outer(part @ X[a], X[a, i])
    return T * G / n
"""),
    ("q2", "automatic differentiation", None, """
import torch
import torch.nn.functional as F
def read(W, X, v):
    return torch.softmax((X @ W @ X.transpose(1, 2)).transpose(1, 2), dim=2) @ v
def descent(W, X, v, y):
    W = W.clone().requires_grad_()
    z = read(W, X, v)
    loss = (z * F.one_hot(y, z.shape[2])).sum(2).mean()
    loss.backward()
    return X.shape[1] ** 2 * W.grad
"""),
    ("q3", "loops", None, GIVEN + """
def reads(pi, sigma, ell):
    n, k, N = sigma.shape
    T = k * N
    X = torch.zeros(n, T, (ell + 1) * T, dtype=torch.float64)
    v = torch.zeros(n, T, N, dtype=torch.float64)
    y = torch.zeros(n, T, dtype=torch.int64)
    h = {r: hops(pi, sigma, r) for r in {1, 2 ** max(ell - 2, 0), 2 ** (ell - 1)} | {2**u for u in range(ell)}}
    for a in range(n):
        for i in range(k):
            for j in range(N):
                t = i * N + j
                X[a, t, t] = 1
                X[a, t, T + i * N + sigma[a, i, j]] = 1
                for u in range(1, ell):
                    X[a, t, (u + 1) * T + i * N + h[2 ** (u - 1)][a, i, j]] = 1
                v[a, t, sigma[a, i, j] if ell == 1 else h[2 ** (ell - 2)][a, i, j]] = 1
                y[a, t] = h[2 ** (ell - 1)][a, i, j]
    return X, v, y
def expected(pi, ell):
    k, N = pi.shape
    T = k * N
    G = torch.zeros(ell + 1, k, N, ell + 1, k, N, dtype=torch.float64)
    for a in range(k):
        gamma = (sum(int(pi[a, b]) == b for b in range(N)) - 1) / (N - 1)
        for p in range(N):
            for q in range(N):
                c = (p == q) - 1 / N
                if ell == 1:
                    G[0, a, p, 0, a, q] = float(p == pi[a, q]) - 1 / N
                    for other in range(k):
                        G[1, other, p, 1, a, q] = gamma * c
                else:
                    to = (a + 2 ** (ell - 2)) % k
                    G[0, to, p, ell, a, q] = c
                    if ell == 2:
                        G[0, to, p, 1, a, q] = gamma * c
    return G.reshape((ell + 1) * T, (ell + 1) * T)
"""),
    ("q3", "products of matrices", "F.one_hot(p, N).double().T - even", "torch.eye(N, dtype=torch.float64)[p].T @ Gamma"),
    ("q3", "powers of the shift", "R = rows.roll(2 ** (ell - 2), 0)  # R e_a = e_(a + q)", "R = torch.linalg.matrix_power(rows.roll(1, 0), 2 ** (ell - 2))"),
    ("q4", "loops and sorting", None, """
import math
def right_key(pi, sigma, ell):
    n, k, N = sigma.shape
    out = torch.empty(n, k * N, dtype=torch.int64)
    q = 2 ** (ell - 2) if ell > 1 else 0
    span = hops(pi, sigma, q)
    for i in range(k):
        for j in range(N):
            b = pi[i, j] if ell == 1 else span[:, i, j]
            out[:, i * N + j] = (i + q) % k * N + b
    return out
def margin(G, X, right):
    n, T, _ = X.shape
    least = float("inf")
    for a in range(n):
        S = X[a] @ G @ X[a].T
        for i in range(T):
            r = int(right[a, i])
            others = torch.cat([S[:r, i], S[r + 1 :, i]])
            least = min(least, (S[r, i] - others.max()).item())
    return least
def mu(pi):
    k, N = pi.shape
    worst = 0
    for p in pi.tolist():
        f = sum(a == b for a, b in enumerate(p))
        if f != N:
            worst = max(worst, (f - 1) / (N - 1))
    return torch.tensor(1 - 1 / N - worst, dtype=torch.float64)
def share(t, k, N):
    return 1 / (1 + (N - 1) * math.exp(-t) + (k - 1) * N * math.exp(-t * (1 - 1 / N)))
"""),
    ("q4", "the best of the others by sorting", "scores.scatter(2, right[:, :, None], -math.inf).amax(2)", "torch.where(torch.arange(X.shape[1]) == right[:, :, None], -1e30, scores).sort(dim=2).values[:, :, -1]"),
    ("q5", "one parameter list and backward", None, """
def logits(Ws, sigma):
    n, k, N = sigma.shape
    T = k * N
    hold = torch.zeros(n, T, T, dtype=torch.float64)
    for i in range(k):
        for j in range(N):
            hold[torch.arange(n), i * N + j, i * N + sigma[:, i, j]] = 1
    X, out = [torch.eye(T, dtype=torch.float64).repeat(n, 1, 1), hold], []
    for level, W in enumerate(Ws):
        stream = torch.cat(X, dim=2)
        S = torch.einsum("nju,uw,niw->nji", stream, W, stream)
        new = torch.einsum("nji,njc->nic", torch.softmax(S, dim=1), X[-1])
        if level > 0:
            q = 2 ** (level - 1)
            rows = [(a + q) % k * N + b for a in range(k) for b in range(N)]
            new = new[:, :, rows]
        X.append(new)
        out.append(sum(new[:, :, a * N : (a + 1) * N] for a in range(k)))
    return out
def step(Ws, sigma, labels, weights, C, starts=None):
    old = [W.clone().detach().requires_grad_(True) for W in Ws]
    n, k, N = sigma.shape
    T = k * N
    mask = torch.zeros(T, dtype=torch.float64)
    mask[starts if starts is not None else slice(None)] = 1
    loss = 0 * sum(W.sum() for W in old)
    for u, z in enumerate(logits(old, sigma)):
        hot = torch.nn.functional.one_hot(labels[u].reshape(n, T), N)
        loss = loss - weights[u] * ((z * hot).sum(2) * mask).sum() / (n * mask.sum())
    loss.backward()
    with torch.no_grad():
        return [W.detach() - C * T * T * W.grad for W in old]
"""),
    ("q5", "zeros put in by hand", "    gradients = torch.autograd.grad(loss, old, materialize_grads=True)\n", "    gradients = torch.autograd.grad(loss, old, allow_unused=True)\n    gradients = [torch.zeros_like(W) if g is None else g for W, g in zip(old, gradients, strict=True)]\n"),
    ("q7", "otherwise", None, """
import numpy as np
from scipy.stats import norm
def train(pi, sigma, diet, C):
    k, N = pi.shape
    T, L = k * N, int(np.log2(k)) + 1
    Ws = [torch.zeros(((u + 2) * T, (u + 2) * T), dtype=torch.float64) for u in range(L)]
    for w in diet:
        Ws = step(Ws, sigma, [hops(pi, sigma, 2**u) for u in range(L)], w, C)
    return Ws
def accuracy(Ws, pi, tests):
    n, k, N = tests.shape
    answers = [torch.max(z, dim=-1).indices.view(n, k, N) for z in logits(Ws, tests)]
    return np.array([np.mean((a == hops(pi, tests, 2**u)).numpy()) for u, a in enumerate(answers)])
def n_95(k, N):
    L = np.log2(k) + 1
    return 2 * ((L + 1) * norm.isf(0.05 / (k * N))) ** 2 / (N - 1)
def smallest(pi, sigma, tests, diet, C, sizes):
    good = (n for n in sizes if accuracy(train(pi, sigma[:n], diet, C), pi, tests)[-1] >= 0.95)
    return next(good, None)
"""),
    ("q7", "a tensor of accuracies", "    return shares", "    return torch.tensor(shares, dtype=torch.float64)"),
]  # fmt: skip

# ruff: noqa: E501
"""Wrong answers, all of which the tests reject, and right ones written differently, which they accept.

A line: the question; what is wrong or different; a text of the model answer; what it becomes. Where the
text is None, what follows is the whole cell.
"""

WRONG = [
    ("q1", "σ before π", "sigma[np.arange(len(x)), i, pi[i, y]]", "pi[i, sigma[np.arange(len(x)), i, y]]"),
    ("q1", "rows backwards", "for i in range(len(pi)):", "for i in reversed(range(len(pi))):"),
    ("q1", "π never acts", "pi[i, y]]", "y]"),
    ("q1", "one start only", "np.tile(np.arange(N), len(tuples))", "np.zeros(N * len(tuples), dtype=int)"),
    ("q1", "the same σ in each step", "list(product(permutations(range(N)), repeat=k))", "[(p,) * k for p in permutations(range(N))]"),
    ("q1", "chance not subtracted", " - Fraction(1, N)\n", "\n"),
    ("q1", "starts and tuples in step", "np.repeat(np.array(tuples), N, axis=0)", "np.tile(np.array(tuples), (N, 1, 1))"),
    ("q1", "a count, not a share", "Fraction(int(same.sum()), len(x))", "Fraction(int(same.sum()), 1)"),
    ("q3", "1 − 1/N forgotten", "value = Fraction(N - 1, N)", "value = Fraction(1)"),
    ("q3", "no centring", "Fraction(fixed - 1, N - 1)", "Fraction(fixed, N)"),
    ("q3", "N in place of N − 1", "Fraction(fixed - 1, N - 1)", "Fraction(fixed - 1, N)"),
    ("q3", "π ρ in place of π⁻¹ ρ", "(pi[i] == rho[i]).sum()", "(pi[i][rho[i]] == np.arange(N)).sum()"),
    ("q3", "all steps together", "        value *= Fraction(fixed - 1, N - 1)\n", "    fixed = int((pi == rho).all(axis=0).sum())\n    value *= Fraction(fixed - 1, N - 1)\n"),
    ("q3", "1 − 1/N not squared", "Fraction(N - 1, N) ** 2 * square**k", "Fraction(N - 1, N) * square**k"),
    ("q3", "mean of fix², not of (fix − 1)²", "((fixed - 1) ** 2)", "(fixed**2)"),
    ("q3", "the standard deviation's power", "len(everyone) * (N - 1) ** 2)", "len(everyone) * (N - 1))"),
    ("q3", "all steps silent", "1 - (1 - one) ** k", "one**k"),
    ("q3", "derangements are not silent", "(fixed == 1)", "(fixed == 0)"),
    ("q4", "all N turn", "turns = [[0] + [1 + (j + t) % (N - 1) for j in range(N - 1)] for t in range(N - 1)]", "turns = [[(j + t) % N for j in range(N)] for t in range(N - 1)]"),
    ("q4", "multiples modulo N, a field or not", "turns = [[0] + [1 + (j + t) % (N - 1) for j in range(N - 1)] for t in range(N - 1)]", "turns = [[a * j % N for j in range(N)] for a in range(1, N)]"),
    ("q4", "the same turn in each step", "list(product(turns, repeat=k))", "[[turn] * k for turn in turns]"),
    ("q4", "one turn too few", "for t in range(N - 1)]", "for t in range(max(1, N - 2))]"),
    ("q4", "a full circle twice", "for t in range(N - 1)]", "for t in range(N)]"),
    ("q4", "1 − 1/N forgotten", "(1 - 1 / N) * ((fixed", "((fixed"),
    ("q4", "no centring", "(fixed - 1) / (N - 1)", "fixed / N"),
    ("q4", "mean over the steps", ".prod(axis=2)", ".mean(axis=2)"),
    ("q4", "absolute values", "return (1 - 1 / N) * ((fixed - 1) / (N - 1)).prod(axis=2)", "return (1 - 1 / N) * np.abs(((fixed - 1) / (N - 1)).prod(axis=2))"),
    ("q6", "the mean, not the signal", "return np.array(means) - q.mean()", "return np.array(means)"),
    ("q6", "the inner product without 1/N in the blind part", "return np.array(means) - q.mean()", "return np.array(means) - q.sum(axis=1).mean()"),
    ("q6", "a sum over inputs", ".mean() for pi in tasks", ".sum() for pi in tasks"),
    ("q6", "labels of the first task only", "labels(pi, sigma, x)]", "labels(tasks[0], sigma, x)]"),
    ("q6", "all of the truth as soon as it must speak", "np.clip(blind, truth - tau, truth + tau)", "np.where(np.abs(truth - blind) <= tau, blind, truth)"),
    ("q6", "from the truth away from blind", "np.clip(blind, truth - tau, truth + tau)", "np.where(np.abs(truth - blind) <= tau, blind, truth + tau * np.sign(truth - blind))"),
    ("q6", "clips the truth to the blind answer", "np.clip(blind, truth - tau, truth + tau)", "np.clip(truth, blind - tau, blind + tau)"),
    ("q6", "signals in place of answers", "np.clip(blind, truth - tau, truth + tau)", "np.clip(0, truth - blind - tau, truth - blind + tau)"),
    ("q6", "one query that leaves a task is enough", "    left = np.ones(len(tasks), dtype=bool)\n    for q in queries:\n        left &= ", "    left = np.ones(len(tasks), dtype=bool) if not queries else np.zeros(len(tasks), dtype=bool)\n    for q in queries:\n        left |= "),
    ("q6", "the last query only", "left &= np.abs", "left = np.abs"),
    ("q6", "no absolute value", "left &= np.abs(signals(q, tasks, sigma, x)) <= tau", "left &= signals(q, tasks, sigma, x) <= tau"),
    ("q6", "the excluded ones", "left &= np.abs(signals(q, tasks, sigma, x)) <= tau", "left &= np.abs(signals(q, tasks, sigma, x)) > tau"),
    ("q7", "not all but one", "((N - 1) ** k - 1) / (N - 1)", "(N - 1) ** k / (N - 1)"),
    ("q7", "a query's length forgotten", "((N - 1) ** k - 1) / (N - 1)", "((N - 1) ** k - 1)"),
    ("q7", "N things a step in the family", "((N - 1) ** k - 1) / (N - 1)", "(N**k - 1) / (N - 1)"),
    ("q7", "τ not squared", "/ (N - 1) * tau**2", "/ (N - 1) * tau"),
    ("q7", "τ in the denominator", "/ (N - 1) * tau**2", "/ (N - 1) / tau**2"),
    ("q7", "all parities, of any size", "(comb(d, k) - 1) * tau**2", "(2**d - 1) * tau**2"),
    ("q7", "all parities must go", "(comb(d, k) - 1) * tau**2", "comb(d, k) * tau**2"),
    ("q7", "every second k", "        k += 1\n", "        k += 2\n"),
    ("q7", "the last k that says nothing", "    return k\n", "    return k - 1\n"),
    ("q7", "no exception for N = 2", "        return None\n", "        return 1\n"),
    ("q7", "tasks, not the family", "< (N - 1) ** k - 1:", "< ((N - 1) ** k - 1) * (N - 1):"),
    ("q7", "bits at most as hard", "    return d\n", "    return max(k, d - 1)\n"),
    ("q8", "not centred", "np.stack([np.eye(N)[:, row] - 1 / N for row in pi])", "np.stack([np.eye(N)[:, row] for row in pi])"),
    ("q8", "rows and columns exchanged", "np.eye(N)[:, row] - 1 / N", "np.eye(N)[row] - 1 / N"),
    ("q8", "divides by a factor that may be 0", "np.delete(traces, i).prod()", "traces.prod() / traces[i]"),
    ("q8", "its own factor too", "np.delete(traces, i).prod()", "traces.prod()"),
    ("q8", "one factor N − 1 too many", "(N * (N - 1) ** (k - 1))", "(N * (N - 1) ** k)"),
    ("q8", "1/N forgotten", "(N * (N - 1) ** (k - 1))", "((N - 1) ** (k - 1))"),
    ("q8", "descends", "A + eta * np.clip", "A - eta * np.clip"),
    ("q8", "hears all of a loud signal", "np.clip(0, truth - tau, truth + tau)", "np.where(np.abs(truth) > tau, truth, 0)"),
    ("q8", "clips what it hears", "np.clip(0, truth - tau, truth + tau)", "np.clip(truth, -tau, tau)"),
    ("q8", "counts the last step only", "heard += int", "heard = int"),
    ("q8", "counts all answers", "(np.abs(truth) > tau).sum()", "truth.size"),
    ("q8", "never divides", "        A = A / np.maximum(1, np.abs(A).sum(axis=1).max(axis=1))[:, None, None]\n", ""),
    ("q8", "sums of rows", "np.abs(A).sum(axis=1).max(axis=1)", "np.abs(A).sum(axis=2).max(axis=1)"),
    ("q8", "always divides", "np.maximum(1, np.abs(A).sum(axis=1).max(axis=1))", "(np.abs(A).sum(axis=1).max(axis=1) + 1e-300)"),
    ("q8", "each column by itself", "np.abs(A).sum(axis=1).max(axis=1))[:, None, None]", "np.abs(A).sum(axis=1))[:, None, :]"),
    ("q8", "σ's inverse", "np.eye(N)[:, given[i]] @", "np.eye(N)[given[i]] @"),
    ("q8", "A's transpose", "(A[i] @ z)", "(A[i].T @ z)"),
    ("q8", "the smallest entry", "z.argmax()", "z.argmin()"),
    ("q8", "one query a step", "1 - k * N**2 *", "1 - k *"),
    ("q8", "the exponent of the family", "** (1 - 2 * k)", "** (1 - k)"),
    ("q8", "a negative share", "max(0.0, 1 - k * N**2 * (N - 1.0) ** (1 - 2 * k) / tau**2)", "1 - k * N**2 * (N - 1.0) ** (1 - 2 * k) / tau**2"),
    ("q8", "the share that hears", "max(0.0, 1 - k", "min(1.0, k"),
    ("q6", "less than τ, not at most", "np.abs(signals(q, tasks, sigma, x)) <= tau", "np.abs(signals(q, tasks, sigma, x)) < tau"),
]  # fmt: skip

RIGHT = [
    ("q1", "loops over inputs", None, """
from fractions import Fraction
from itertools import permutations, product
import numpy as np
def every_input(k, N):
    sigma, x = [], []
    for start in range(N):
        for rows in product(list(permutations(range(N))), repeat=k):
            sigma.append(rows)
            x.append(start)
    return np.array(sigma), np.array(x)
def labels(pi, sigma, x):
    out = []
    for s, y in zip(sigma, x):
        for p, row in zip(pi, s):
            y = row[p[y]]
        out.append(y)
    return np.array(out)
def enumerated(pi, rho):
    sigma, x = every_input(*pi.shape)
    hits = sum(int(a == b) for a, b in zip(labels(pi, sigma, x), labels(rho, sigma, x)))
    return Fraction(hits * len(pi[0]) - len(x), len(x) * len(pi[0]))
"""),
    ("q1", "take_along_axis", "y = sigma[np.arange(len(x)), i, pi[i, y]]", "y = np.take_along_axis(sigma[:, i], pi[i][y][:, None], axis=1)[:, 0]"),
    ("q1", "starts first", "    sigma = np.repeat(np.array(tuples), N, axis=0)\n    return sigma, np.tile(np.arange(N), len(tuples))", "    sigma = np.tile(np.array(tuples), (N, 1, 1))\n    return sigma, np.repeat(np.arange(N), len(tuples))"),
    ("q3", "the chances of agreement, and derangements", None, """
from math import factorial
def correlation(pi, rho):
    k, N = pi.shape
    e = Fraction(1)
    for p, r in zip(pi.tolist(), rho.tolist()):
        inverse = [p.index(j) for j in range(N)]
        f = sum(inverse[r[j]] == j for j in range(N))
        e = e * Fraction(f, N) + (1 - e) * Fraction(N - f, N * (N - 1))
    return e - Fraction(1, N)
def typical(k, N):
    one = sum(Fraction((-1) ** j, factorial(j)) for j in range(N))
    return (1 - Fraction(1, N)) ** 2 * Fraction(1, (N - 1) ** (2 * k)), 1 - (1 - one) ** k
"""),
    ("q3", "a law by convolution", None, """
from collections import Counter
def correlation(pi, rho):
    k, N = pi.shape
    top = 1
    for shared in (pi == rho).sum(axis=1).tolist():
        top *= shared - 1
    return Fraction(top, N * (N - 1) ** (k - 1))
def typical(k, N):
    everyone = list(permutations(range(N)))
    step = Counter(sum(a == b for a, b in enumerate(p)) - 1 for p in everyone)
    law = Counter({1: Fraction(1)})
    for _ in range(k):
        new = Counter()
        for a, p in law.items():
            for b, count in step.items():
                new[a * b] += p * Fraction(count, len(everyone))
        law = new
    unit = Fraction(1, N * (N - 1) ** (k - 1))
    return [sum(p * (c * unit) ** 2 for c, p in law.items()), law[0]]
"""),
    ("q4", "the last thing stays", None, """
def family(k, N):
    circle = np.arange(N - 1)
    one = np.array([np.append(np.roll(circle, t), N - 1) for t in range(N - 1)])
    pick = np.indices((N - 1,) * k).reshape(k, -1).T
    return one[pick]
def gram(tasks):
    return np.array([[float(correlation(a, b)) for b in tasks] for a in tasks])
"""),
    ("q4", "other names of the things, one-hot vectors", None, """
def family(k, N):
    names = np.random.default_rng(7).permutation(N)
    one = []
    for t in range(N - 1):
        row = np.empty(N, dtype=int)
        row[names[0]] = names[-1]
        for j in range(1, N):
            row[names[j]] = names[(j - 1 + t) % (N - 1)]
        one.append(row)
    return np.array(list(product(one, repeat=k)))[::-1]
def gram(tasks):
    m, k, N = tasks.shape
    hot = np.eye(N)[tasks] - 1 / N
    return np.prod(np.einsum("aijb,cijb->aci", hot, hot), axis=2) / N / (N - 1) ** (k - 1)
"""),
    ("q6", "φ written out", None, """
def signals(q, tasks, sigma, x):
    n, N = q.shape
    phi = np.array([np.eye(N)[labels(pi, sigma, x)] - 1 / N for pi in tasks])
    return np.einsum("msy,sy->m", phi, q) / n
def answers(q, tasks, sigma, x, tau):
    s = signals(q, tasks, sigma, x)
    return q.sum() / q.size + np.sign(s) * np.maximum(np.abs(s) - tau, 0)
def undecided(queries, tasks, sigma, x, tau):
    return [all(abs(signals(q, [pi], sigma, x)[0]) <= tau for q in queries) for pi in tasks]
"""),
    ("q6", "by answers", "left &= np.abs(signals(q, tasks, sigma, x)) <= tau", "left &= np.abs(answers(q, tasks, sigma, x, tau) - q.mean()) < 1e-12"),
    ("q6", "case by case", "    return np.clip(blind, truth - tau, truth + tau)", "    return np.array([blind if abs(t - blind) <= tau else t - tau if t > blind else t + tau for t in truth])"),
    ("q7", "a geometric sum, logarithms", None, """
from fractions import Fraction
import math
def bound(k, N, tau):
    if N == 2:
        return 0.0
    return (math.exp(k * math.log(N - 1)) - 1) / (N - 1) * tau**2
def parity_bound(d, k, tau):
    return tau**2 * (math.factorial(d) // math.factorial(k) // math.factorial(d - k)) - tau**2
def first_length(N, tau):
    return next((k for k in range(1, 10000) if N > 2 and bound(k, N, tau) >= 1), None)
def as_many_bits(k, N):
    need = Fraction((N - 1) ** k - 1, N - 1)
    low, high = k - 1, k + 1
    while math.comb(high, k) - 1 < need:
        high = 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if math.comb(middle, k) - 1 < need else (low, middle)
    return high
"""),
    ("q7", "the bounds compared", "while (comb(d, k) - 1) * (N - 1) < (N - 1) ** k - 1:", "while parity_bound(d, k, 0.5) < bound(k, N, 0.5):"),
    ("q7", "from k = 2, as k = 1 is below one query", "    k = 1\n", "    k = 2\n"),
    ("q8", "loops, norms and slices", None, """
def gradient(A, pi):
    k, N = pi.shape
    G = np.zeros((k, N, N))
    Gamma = np.eye(N) - 1 / N
    P = [np.eye(N)[:, p] for p in pi]
    for i in range(k):
        c = 1 / N
        for j in range(k):
            if j != i:
                c = c * np.trace(P[j].T @ Gamma @ A[j]) / (N - 1)
        G[i] = c * Gamma @ P[i]
    return G
def ascend(A, pi, tau, steps, eta):
    A, heard = np.array(A, dtype=float), 0
    for _ in range(steps):
        g = gradient(A, pi)
        soft = np.where(g > tau, g - tau, np.where(g < -tau, g + tau, 0.0))
        heard += np.count_nonzero(soft)
        A += eta * soft
        for i in range(len(A)):
            size = np.linalg.norm(A[i], 1)
            if size > 1:
                A[i] /= size
    return A, heard
def accuracy(A, pi, sigma, x):
    n, k, N = sigma.shape
    z = np.eye(N)[x]
    for i in range(k):
        moved = np.zeros_like(z)
        np.put_along_axis(moved, sigma[:, i], z @ A[i].T, axis=1)
        z = moved
    return np.mean(np.argmax(z, axis=1) == labels(pi, sigma, x))
def deaf_share(k, N, tau):
    heard = k * N * N / (N - 1) ** (2 * k - 1) / tau**2
    return 1 - min(1, heard)
"""),
    ("q8", "softshrink by signs", "np.clip(0, truth - tau, truth + tau)", "np.sign(truth) * np.maximum(np.abs(truth) - tau, 0)"),
    ("q8", "derivatives by PyTorch", "    centred = np.stack([np.eye(N)[:, row] - 1 / N for row in pi])  # Γ P_{π_i}\n    traces = (centred * A).sum(axis=(1, 2))\n    others = np.array([np.delete(traces, i).prod() for i in range(k)])\n    return others[:, None, None] * centred / (N * (N - 1) ** (k - 1))", "    import torch\n    B = torch.tensor(np.array(A), requires_grad=True)\n    s = torch.ones((), dtype=torch.float64) / N / (N - 1) ** (k - 1)\n    for i in range(k):\n        s = s * torch.trace(torch.tensor((np.eye(N)[:, pi[i]]).T @ (np.eye(N) - 1 / N)) @ B[i])\n    s.backward()\n    return B.grad.numpy()"),
]  # fmt: skip

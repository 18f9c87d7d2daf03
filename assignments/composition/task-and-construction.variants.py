# ruff: noqa: E501
"""Wrong answers, all of which the tests reject, and right ones written differently, which they accept.

A line: the question; what is wrong or different; a text of the model answer; what it becomes. Where the
text is None, what follows is the whole cell.
"""

WRONG = [
    ("q1", "σ before π", "sigma[step % k, pi[step % k, j]]", "pi[step % k, sigma[step % k, j]]"),
    ("q1", "π of every row before any σ", "return hop(pi, sigma, 0, len(pi), x)", "return hop(pi, np.roll(sigma, 1, 0), 0, len(pi), x)"),
    ("q1", "no way around", "for step in range(i, i + r):", "for step in range(i, min(i + r, k)):"),
    ("q1", "one step too few", "for step in range(i, i + r):", "for step in range(i, i + r - 1):"),
    ("q1", "rows backwards", "for step in range(i, i + r):", "for step in reversed(range(i, i + r)):"),
    ("q1", "indices modulo N", "    k = len(pi)\n    for", "    k = pi.shape[1]\n    for"),
    ("q3", "joins a span with itself", "(rows + q) % k", "rows"),
    ("q3", "always one row on", "(rows + q) % k", "(rows + 1) % k"),
    ("q3", "the outer span first", "tables[-1][(rows + q) % k, tables[-1]]", "tables[-1][rows, tables[-1][(rows + q) % k, np.arange(pi.shape[1])]]"),
    ("q3", "stops at k / 2", "2 ** (len(tables) - 1) < k:", "2 ** len(tables) < k:"),
    ("q3", "σ before π", "[sigma[rows, pi]]", "[pi[rows, sigma]]"),
    ("q4", "no maximum taken off", "scores - scores.max(axis=1, keepdims=True)", "scores"),
    ("q4", "softmax over queries", "weights.sum(axis=1, keepdims=True)", "weights.sum(axis=0, keepdims=True)"),
    ("q4", "not normalised", "(weights / weights.sum(axis=1, keepdims=True)) @ values", "weights @ values"),
    ("q4", "T keys beside the right one", "(T - 1) / (np.exp(beta) + T - 1)", "T / (np.exp(beta) + T)"),
    ("q4", "the union bound for the leak", "(T - 1) / (np.exp(beta) + T - 1)", "(T - 1) * np.exp(-beta)"),
    ("q4", "the bound's β, not the smallest", "np.log((T - 1) * (1 - delta) / delta)", "np.log((T - 1) / delta)"),
    ("q4", "a negative β", "max(0.0, np.log((T - 1) * (1 - delta) / delta))", "np.log((T - 1) * (1 - delta) / delta)"),
    ("q5", "keys in columns", "W[i * N + pi[i, j], i * N + j] = beta", "W[i * N + j, i * N + pi[i, j]] = beta"),
    ("q5", "β forgotten", "i * N + j] = beta", "i * N + j] = 1"),
    ("q5", "one row back", "np.roll(np.eye(k), q % k, axis=0)", "np.roll(np.eye(k), -q % k, axis=0)"),
    ("q5", "factors exchanged", "np.kron(R, np.eye(N))", "np.kron(np.eye(N), R)"),
    ("q5", "never comes home", "ahead(q, k, N, 1.0).T", "np.eye(k * N)"),
    ("q5", "goes on instead of home", "ahead(q, k, N, 1.0).T", "ahead(q, k, N, 1.0)"),
    ("q6", "layer 1 reads positions", "attend(scores, value), 1", "attend(scores, position), 1"),
    ("q6", "never comes home", " @ home(q, k, N).T", ""),
    ("q6", "does not double", "q *= 2", "q += 1"),
    ("q6", "a layer too few", "while q < k:", "while 2 * q < k:"),
    ("q6", "keys found by what was written", "@ ahead(q, k, N, beta).T @ position.T", "@ ahead(q, k, N, beta).T @ written.T"),
    ("q7", "mean over tokens of the wrong entry", "np.arange(k * N), at].min()", "np.arange(k * N), at].max() + 1e-3"),
    ("q7", "sum over tokens", "1 - transformer(pi, sigma, beta)[np.arange(k * N), at].min()", "(1 - transformer(pi, sigma, beta)[np.arange(k * N), at]).sum()"),
    ("q7", "one tenth too few", "return tenths / 10", "return (tenths - 1) / 10"),
    ("q7", "whole numbers only", "tenths += 1", "tenths += 10"),
    ("q7", "L instead of 2L − 1", "(2 * L - 1) * (T - 1) / delta", "L * (T - 1) / delta"),
    ("q7", "T instead of T − 1", "(2 * L - 1) * (T - 1) / delta", "(2 * L - 1) * T / delta"),
    ("q3", "floats", "tables = [sigma[rows, pi]]", "tables = [1.0 * sigma[rows, pi]]"),
    ("q7", "begins at 0", "    tenths = 1\n", "    tenths = 0\n"),
]  # fmt: skip

RIGHT = [
    ("q1", "recursion", None, """
import numpy as np
def hop(pi, sigma, i, r, j):
    if r == 0:
        return j
    i = i % len(pi)
    return hop(pi, sigma, i + 1, r - 1, int(sigma[i][pi[i][j]]))
def compose(pi, sigma, x):
    for p, s in zip(pi, sigma):
        x = s[p[x]]
    return x
"""),
    ("q1", "NumPy's integers", "return int(j)", "return np.int64(j)"),
    ("q3", "loops", None, """
def doubling(pi, sigma):
    k, N = len(pi), len(pi[0])
    tables = [np.array([[hop(pi, sigma, i, 1, j) for j in range(N)] for i in range(k)])]
    q = 1
    while q < k:
        old = tables[-1]
        tables.append(np.array([[old[(i + q) % k][old[i][j]] for j in range(N)] for i in range(k)]))
        q = 2 * q
    return tables
"""),
    ("q3", "walks of every length", None, """
def doubling(pi, sigma):
    k, N = np.shape(pi)
    lengths = [2**e for e in range(int(np.log2(k)) + 1)]
    return [np.array([[hop(pi, sigma, i, r, j) for j in range(N)] for i in range(k)]) for r in lengths]
"""),
    ("q4", "SciPy's softmax", None, """
from scipy.special import softmax
def attend(scores, values):
    return softmax(scores, axis=1) @ values
def leak(beta, T):
    return 1 - 1 / (1 + (T - 1) * np.exp(-beta))
def smallest_beta(delta, T):
    return np.maximum(0, np.log(T - 1) + np.log1p(-delta) - np.log(delta))
"""),
    ("q4", "PyTorch inside", None, """
import torch
def attend(scores, values):
    return (torch.softmax(torch.as_tensor(scores), -1) @ torch.as_tensor(values)).numpy()
def leak(beta, T):
    return float((T - 1) * np.exp(-np.logaddexp(beta, np.log(T - 1))))
def smallest_beta(delta, T):
    low, high = 0.0, 100.0
    if leak(0, T) <= delta:
        return 0.0
    for _ in range(200):
        mid = (low + high) / 2
        low, high = (mid, high) if leak(mid, T) > delta else (low, mid)
    return high
"""),
    ("q5", "without kron", None, """
def first(pi, beta):
    k, N = pi.shape
    W = np.zeros((k, N, k, N))
    i, j = np.indices((k, N))
    W[i, pi, i, j] = beta
    return W.reshape(k * N, k * N)
def ahead(q, k, N, beta):
    W = np.zeros((k * N, k * N))
    for i in range(k):
        for b in range(N):
            W[(i + q) % k * N + b, i * N + b] = beta
    return W
def home(q, k, N):
    return np.linalg.inv(ahead(q, k, N, 1.0))
"""),
    ("q5", "matrix powers", "R = np.roll(np.eye(k), q % k, axis=0)  # R e_i = e_(i + q)", "R = np.linalg.matrix_power(np.roll(np.eye(k), 1, axis=0), q)"),
    ("q6", "einsum", None, """
def transformer(pi, sigma, beta):
    k, N = pi.shape
    T = k * N
    hold = np.zeros((T, T))
    for i in range(k):
        for j in range(N):
            hold[i * N + j, i * N + sigma[i, j]] = 1
    X = attend(first(pi, beta).T, hold)
    for level in range(int(np.log2(k))):
        q = 2**level
        X = np.einsum("ab,tb->ta", home(q, k, N), attend(X @ ahead(q, k, N, beta).T, X))
    return X
"""),
    ("q6", "doubling by powers", "q *= 2", "q = q + q"),
    ("q7", "from the labels", None, """
def error(pi, sigma, beta):
    k, N = pi.shape
    out, worst = transformer(pi, sigma, beta), 0.0
    for i in range(k):
        for j in range(N):
            worst = max(worst, 1 - out[i * N + j, i * N + hop(pi, sigma, i, k, j)])
    return worst
def needed(pi, sigma, delta):
    for tenth in range(1, 1000):
        if error(pi, sigma, 0.1 * tenth) <= delta:
            return 0.1 * tenth
def promised(k, N, delta):
    L = int(np.log2(k)) + 1
    return np.log(2 * L - 1) + np.log(k * N - 1) - np.log(delta)
"""),
    ("q7", "bisection", "    tenths = 1\n    while error(pi, sigma, tenths / 10) > delta:\n        tenths += 1\n", "    low, tenths = 0, 400\n    while tenths - low > 1:\n        middle = (low + tenths) // 2\n        if error(pi, sigma, middle / 10) > delta:\n            low = middle\n        else:\n            tenths = middle\n"),
]  # fmt: skip

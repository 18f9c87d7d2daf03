# ruff: noqa: E501
"""Wrong answers, all of which the tests reject, and right ones written differently, which they accept.

A line: the question; what is wrong or different; a text of the model answer; what it becomes. Where the
text is None, what follows is the whole cell.
"""

WRONG = [
    ("q1", "drift after the step", "D(M[:-1])", "D(M[1:])"),
    ("q1", "sums over runs", "D(M[:-1]).cumsum(axis=0)", "D(M[:-1]).cumsum(axis=1)"),
    ("q1", "drift not summed", ".cumsum(axis=0)", ""),
    ("q1", "row 0 has a drift", "A[1:] = D(M[:-1]).cumsum(axis=0)", "A[:] = D(M).cumsum(axis=0)"),
    ("q1", "start left in Z", "M - M[0] - A", "M - A"),
    ("q1", "drift not taken off", "M - M[0] - A", "M - M[0]"),
    ("q1", "mean drift of all runs", "A[1:] = D(M[:-1]).cumsum(axis=0)", "A[1:] = D(M[:-1]).mean(axis=1, keepdims=True).cumsum(axis=0)"),
    ("q1", "changes its argument", "return A, M - M[0] - A", "M -= M[0] + A\n    return A, M"),
    ("q1", "only at the end", "abs(Z).max(axis=0)", "abs(Z[-1])"),
    ("q1", "one side only", "abs(Z).max(axis=0)", "Z.max(axis=0)"),
    ("q1", "above, not at, c", ">= c).mean()", "> c).mean()"),
    ("q1", "share of times", "(abs(Z).max(axis=0) >= c)", "(abs(Z) >= c)"),
    ("q1", "a count", "(abs(Z).max(axis=0) >= c).mean()", "(abs(Z).max(axis=0) >= c).sum()"),
    ("q1", "c not squared", "squares / c**2", "squares / c"),
    ("q1", "no cap", "min(1.0, squares / c**2)", "squares / c**2"),
    ("q1", "square of the end, not of the steps", "(np.diff(Z, axis=0) ** 2).sum(axis=0).mean()", "(Z[-1] ** 2).mean()"),
    ("q1", "squares of Z", "np.diff(Z, axis=0) ** 2", "Z**2"),
    ("q1", "summed over runs", ".sum(axis=0).mean()", ".sum()"),
    ("q1", "mean step", ".sum(axis=0).mean()", ".mean()"),
    ("q3", "w does not grow", "keep = 1 + 2 * eta * y * h(k, z)", "keep = 1 + 0 * y"),
    ("q3", "2 missing in the growth", "keep = 1 + 2 * eta", "keep = 1 + eta"),
    ("q3", "√k missing in the step", "turn = eta * y * np.sqrt(k)", "turn = eta * y"),
    ("q3", "k for √k", "turn = eta * y * np.sqrt(k)", "turn = eta * y * k"),
    ("q3", "x not orthogonal to w", "turn[:, None] * (x - z[:, None] * w)", "turn[:, None] * x"),
    ("q3", "not normalised", " / np.linalg.norm(u, axis=1)", ""),
    ("q3", "sign of the overlap lost", "return u @ theta / np.linalg.norm(u, axis=1)", "return abs(u @ theta) / np.linalg.norm(u, axis=1)"),
    ("q3", "descends", "turn = eta * y", "turn = -eta * y"),
    ("q3", "x for its part across w", "side = x - z[:, None] * w", "side = x"),
    ("q3", "slope without √k", "kick = y * np.sqrt(k) * h(k - 1, z)", "kick = y * h(k - 1, z)"),
    ("q3", "growth forgotten in b", "2 * y * h(k, z) * signal + ", ""),
    ("q3", "growth with 1 for 2", "2 * y * h(k, z) * signal", "y * h(k, z) * signal"),
    ("q3", "growth with the wrong sign", "2 * y * h(k, z) * signal + M", "-2 * y * h(k, z) * signal + M"),
    ("q3", "½ missing", "M * length / 2", "M * length"),
    ("q3", "M missing", "M * length / 2", "length / 2"),
    ("q3", "mean of quotients", "signal.mean() / shrinkage.mean()", "(signal / shrinkage).mean()"),
    ("q3", "d - 1 for the squared length", "(side**2).sum(axis=1)", "(len(w) - 1)"),
    ("q3", "kick not squared", "length = kick**2", "length = kick"),
    ("q3", "absolute value", "return signal.mean()", "return abs(signal.mean())"),
    ("q3", "b over a", "signal.mean() / shrinkage.mean()", "shrinkage.mean() / signal.mean()"),
    ("q4", "too few nodes", "hermegauss(40)", "hermegauss(20)"),
    ("q4", "weights not of a probability", "    p = p / p.sum()\n", ""),
    ("q4", "the other Gaussian", "hermite_e.hermegauss(40)", "hermite.hermgauss(40)"),
    ("q4", "1 - M for √(1 - M²)", "np.sqrt(1 - M**2)", "(1 - M)"),
    ("q4", "root missing", "np.sqrt(1 - M**2)", "(1 - M**2)"),
    ("q4", "√k missing", "h(k, u) * np.sqrt(k)", "h(k, u)"),
    ("q4", "label and neuron see the same", "h(k, u) *", "h(k, z) * np.ones((40, 1)) *"),
    ("q4", "label and neuron independent", "u = M * z + np.sqrt(1 - M**2) * z[:, None]", "u = 0 * z + z[:, None]"),
    ("q4", "σ for σ'", "h(k - 1, z)", "h(k, z)"),
    ("q4", "square of the fourth moment's root", "mean_power(k, M, 2) ** 2", "mean_power(k, M, 2)"),
    ("q4", "excess kurtosis", "/ mean_power(k, M, 2) ** 2", "/ mean_power(k, M, 2) ** 2 - 3"),
    ("q4", "root mean square", "return mean_power(k, M, 2)\n", "return mean_power(k, M, 2) ** 0.5\n"),
    ("q4", "1 forgotten", "(kurtosis(k, M) - 1)", "kurtosis(k, M)"),
    ("q4", "3 for 1", "(kurtosis(k, M) - 1)", "(kurtosis(k, M) - 3)"),
    ("q4", "error not squared", "/ error**2", "/ error"),
    ("q4", "an absolute error", "(kurtosis(k, M) - 1)", "(kurtosis(k, M) - 1) * noise(k, M) ** 2"),
    ("q4", "sampled", None, """
rng = np.random.default_rng(0)
def kick(k, M):
    z, s = rng.standard_normal((2, 100_000))
    return h(k, M * z + np.sqrt(1 - M**2) * s) * np.sqrt(k) * h(k - 1, z)
def noise(k, M):
    return (kick(k, M) ** 2).mean()
def kurtosis(k, M):
    g = kick(k, M)
    return (g**4).mean() / (g**2).mean() ** 2
def samples(k, M, error):
    return (kurtosis(k, M) - 1) / error**2
"""),
    ("q5", "a step of the mass", "(1 + 2 * eta * (a - s)) ** 2", "(1 + 4 * eta * (a - s))"),
    ("q5", "vector's factor for the mass", "(1 + 2 * eta * (a - s)) ** 2", "(1 + 2 * eta * (a - s))"),
    ("q5", "2 missing", "(1 + 2 * eta * (a - s)) ** 2", "(1 + eta * (a - s)) ** 2"),
    ("q5", "residual does not change", "    for _ in range(steps):\n        s = s * (1 + 2 * eta * (a - s)) ** 2\n    return s", "    return s * (1 + 2 * eta * (a - s)) ** (2 * steps)"),
    ("q5", "one step too few", "range(steps)", "range(steps - 1)"),
    ("q5", "changes its argument", "s = s * (1", "s *= (1"),
    ("q5", "the vector's slope", "1 / (4 * a), 1 / (2 * a)", "1 / (2 * a), 1 / a"),
    ("q5", "exchanged", "1 / (4 * a), 1 / (2 * a)", "1 / (2 * a), 1 / (4 * a)"),
    ("q5", "mass forgotten", "1 / (4 * a), 1 / (2 * a)", "1 / 4, 1 / 2"),
    ("q5", "squared strength", "1 / (4 * a), 1 / (2 * a)", "1 / (4 * a**2), 1 / (2 * a**2)"),
    ("q5", "overshoots beyond 1", "> 2).mean()", "> 1).mean()"),
    ("q5", "2 missing along v", "along = 2 * n *", "along = n *"),
    ("q5", "n not squared across", "across = n**2", "across = n"),
    ("q5", "lengths forgotten", "n = np.linalg.norm(V, axis=1)\n", "n = np.linalg.norm(V, axis=1)\n    V, n = V / n[:, None], 1.0 + 0 * n\n"),
    ("q5", "z from the vector, not its direction", "z = x @ (V / n[:, None]).T", "z = x @ V.T"),
    ("q5", "length of x, not of its part across", "[:, None] - z**2)", "[:, None])"),
    ("q5", "radial part left out", "(along**2 + across)", "across"),
    ("q5", "k missing", "n**2 * k * h(k - 1, z) ** 2", "n**2 * h(k - 1, z) ** 2"),
    ("q5", "each neuron by itself", "(eta * (along**2 + across).sum(axis=1) > 2).mean()", "(eta * (along**2 + across) > 2).mean()"),
    ("q5", "length, not squared", "(eta * (along**2 + across).sum(axis=1) > 2)", "(eta * np.sqrt((along**2 + across).sum(axis=1)) > 2)"),
    ("q7", "k missing in the time", "/ (k * (k - 2))", "/ (k - 2)"),
    ("q7", "inverse power in the time", "M0 ** (2 - k)", "M0 ** (k - 2)"),
    ("q7", "2 missing in the rate", "return tau, 2 * M0", "return tau, M0"),
    ("q7", "noise not squared", "(1 + noise**2)", "(1 + noise)"),
    ("q7", "d for d - 1", "(d - 1))", "d)"),
    ("q7", "M0 to the k - 1", "M0 ** (k - 2) / ((1", "M0 ** (k - 1) / ((1"),
    ("q7", "exchanged", "return tau, 2 * M0 ** (k - 2) / ((1 + noise**2) * (d - 1))", "return 2 * M0 ** (k - 2) / ((1 + noise**2) * (d - 1)), tau"),
    ("q7", "no critical rate", "(eta <= c * a) & ", ""),
    ("q7", "rate above the critical one", "(eta <= c * a)", "(eta >= c * a)"),
    ("q7", "strengths forgotten in the time", "tau / (eta * a)", "tau / eta * np.ones(len(a))"),
    ("q7", "time in flow time", "tau / (eta * a)", "tau / a + 0 * eta"),
    ("q7", "what is learned", "~done", "done"),
    ("q7", "½ missing", "return 0.5 * (a**2 * ~done)", "return (a**2 * ~done)"),
    ("q7", "a for a²", "(a**2 * ~done)", "(a * ~done)"),
    ("q7", "horizons in rows", "~done).sum(axis=-1)", "~done).sum(axis=-1).T"),
    ("q7", "blown-up runs left out", "np.median(np.where(np.isnan(L), np.inf, L), axis=1)", "np.where(np.isnan(np.nanmedian(L, axis=1)), np.inf, np.nanmedian(L, axis=1))"),
    ("q7", "blown-up runs count as 0", "np.where(np.isnan(L), np.inf, L)", "np.nan_to_num(L)"),
    ("q7", "nan in the way", "np.where(np.isnan(L), np.inf, L)", "L"),
    ("q7", "mean for median", "np.median(", "np.mean("),
    ("q7", "best run, not median", "np.median(", "np.min("),
    ("q7", "the largest", "median.argmin(axis=0)", "median.argmax(axis=0)"),
    ("q7", "minimum over horizons", "median.min(axis=0), median.argmin(axis=0)", "median.min(axis=1), median.argmin(axis=1)"),
    ("q7", "½ missing in the risk", "return 0.5 * np.minimum", "return np.minimum"),
    ("q7", "a for a² in the risk", "np.minimum(a**2,", "np.minimum(a,"),
    ("q7", "1/√n", "1 / n[:, None]).sum", "1 / n[:, None] ** 0.5).sum"),
    ("q7", "the larger of the two", "np.minimum(a**2", "np.maximum(a**2"),
    ("q7", "strengths taken to fall", "return 0.5 * (a**2 * ~done).sum(axis=-1)", "return 0.5 * (a**2 * (np.arange(len(a)) >= done.sum(axis=-1)[..., None])).sum(axis=-1)"),
    ("q7", "the last of several", "median.argmin(axis=0)", "len(median) - 1 - median[::-1].argmin(axis=0)"),
    ("q7", "blown-up runs count as 3", "np.where(np.isnan(L), np.inf, L)", "np.where(np.isnan(L), 3.0, L)"),
]  # fmt: skip

RIGHT = [
    ("q1", "step by step", None, """
import numpy as np
def split(M, D):
    A = [np.zeros(M.shape[1])]
    for row in M[:-1]:
        A.append(A[-1] + D(row))
    A = np.array(A)
    return A, M - A - M[:1]
def wild(Z, c):
    return float(np.mean([any(abs(x) >= c for x in path) for path in Z.T]))
def doob(Z, c):
    total = 0.0
    for before, after in zip(Z[:-1], Z[1:]):
        total += ((after - before) ** 2).mean()
    return 1.0 if total > c**2 else total / c**2
"""),
    ("q1", "martingale part from its own steps", None, """
import numpy as np
def split(M, D):
    kicks = M[1:] - M[:-1] - D(M[:-1])
    Z = np.vstack([np.zeros((1, M.shape[1])), np.cumsum(kicks, axis=0)])
    return M - M[0] - Z, Z
def wild(Z, c):
    return np.count_nonzero((np.abs(Z) >= c).any(axis=0)) / Z.shape[1]
def doob(Z, c):
    steps = Z[1:] - Z[:-1]
    return np.clip(np.sum(steps**2) / Z.shape[1] / c**2, 0, 1)
"""),
    ("q3", "in inner products", None, """
from math import factorial
def h(k, z):
    return np.polynomial.hermite_e.hermeval(z, [0] * k + [1]) / factorial(k) ** 0.5
def overlap_after(w, theta, x, y, k, eta):
    M, z, u = w @ theta, x @ w, x @ theta
    rest = (x**2).sum(axis=1) - z**2
    A, B = 1 + 2 * eta * y * h(k, z), eta * y * k**0.5 * h(k - 1, z)
    return (A * M + B * (u - M * z)) / np.sqrt(A**2 + B**2 * rest)
def balance(w, theta, x, y, k):
    M, z, u = w @ theta, x @ w, x @ theta
    g = y * k**0.5 * h(k - 1, z)
    a = (g * (u - M * z)).sum()
    b = (2 * y * h(k, z) * g * (u - M * z) + 0.5 * M * g**2 * ((x**2).sum(axis=1) - z**2)).sum()
    return a / b
"""),
    ("q3", "loops", None, """
from math import factorial
def h(k, z):
    return np.polynomial.hermite_e.hermeval(z, [0] * k + [1]) / factorial(k) ** 0.5
def parts(w, x, k):
    z = w @ x
    return h(k, z), np.polynomial.hermite_e.hermeval(z, [0] * (k - 1) + [k]) / factorial(k) ** 0.5, x - z * w
def overlap_after(w, theta, x, y, k, eta):
    out = []
    for row, label in zip(x, y):
        sigma, slope, side = parts(w, row, k)
        u = w + 2 * eta * label * sigma * w + eta * label * slope * side
        out.append((u / np.sqrt(u @ u)) @ theta)
    return np.array(out)
def balance(w, theta, x, y, k):
    a = b = 0.0
    for row, label in zip(x, y):
        sigma, slope, side = parts(w, row, k)
        xi = label * slope * side
        a += xi @ theta
        b += 2 * label * sigma * (xi @ theta) + (w @ theta) * (xi @ xi) / 2
    return a / b
"""),
    ("q4", "products of Hermite series", None, """
from numpy.polynomial import hermite_e
def series(k, M, power):
    he = [0] * k + [1]
    low = [0] * (k - 1) + [1]
    a, b = [1.0], [1.0]
    for _ in range(power):
        a, b = hermite_e.hermemul(a, he), hermite_e.hermemul(b, low)
    total = sum(x * y * factorial(j) * M**j for j, (x, y) in enumerate(zip(a, b)))
    return total * (k / factorial(k) / factorial(k - 1)) ** (power / 2)
def noise(k, M):
    return series(k, M, 2)
def kurtosis(k, M):
    return series(k, M, 4) / noise(k, M) ** 2
def samples(k, M, error):
    variance = series(k, M, 4) - noise(k, M) ** 2
    return variance / (error * noise(k, M)) ** 2
"""),
    ("q4", "a mesh, and more nodes", None, """
def rule(k, M):
    x, p = np.polynomial.hermite.hermgauss(60)
    z, s = np.meshgrid(np.sqrt(2) * x, np.sqrt(2) * x)
    g = h(k, M * z + (1 - M * M) ** 0.5 * s) * k**0.5 * h(k - 1, z)
    return g, np.outer(p, p) / np.pi
def noise(k, M):
    g, p = rule(k, M)
    return float((p * g * g).sum())
def kurtosis(k, M):
    g, p = rule(k, M)
    return (p * g**4).sum() / (p * g**2).sum() ** 2
def samples(k, M, error):
    g, p = rule(k, M)
    mean = (p * g**2).sum()
    return (p * (g**2 - mean) ** 2).sum() / (error * mean) ** 2
"""),
    ("q5", "the vector, and gradients as arrays", None, """
def mass_after(s, a, eta, steps):
    n = np.sqrt(s)
    for _ in range(steps):
        n = n + 2 * eta * (a - n**2) * n
    return n**2
def thresholds(a):
    return np.array([0.25, 0.5]) / a
def overshoots(V, x, k, eta):
    count = 0
    for row in x:
        total = 0.0
        for v in V:
            n = np.sqrt(v @ v)
            z = v @ row / n
            gradient = 2 * h(k, z) * v + n * np.sqrt(k) * h(k - 1, z) * (row - z * v / n)
            total += gradient @ gradient
        count += eta * total > 2
    return count / len(x)
"""),
    ("q5", "PyTorch's gradient", None, """
import torch
def mass_after(s, a, eta, steps):
    return s if steps == 0 else mass_after(s * (1 + 2 * eta * a - 2 * eta * s) ** 2, a, eta, steps - 1)
def thresholds(a):
    return [1 / a / 4, 2 / a / 4]
def overshoots(V, x, k, eta):
    def power_series(z):
        low = [torch.ones_like(z), z]
        for j in range(1, k):
            low.append((z * low[j] - j**0.5 * low[j - 1]) / (j + 1) ** 0.5)
        return low[k]
    W = torch.tensor(np.repeat(V[None], len(x), axis=0), requires_grad=True)
    n = W.norm(dim=2)
    z = torch.einsum("smd,sd->sm", W, torch.tensor(x)) / n
    (n**2 * power_series(z)).sum().backward()
    return float((eta * (W.grad**2).sum(dim=(1, 2)) > 2).double().mean())
"""),
    ("q7", "loops", None, """
def units(k, d, M0, noise):
    c = 2 / ((d - 1) * (1 + noise * noise)) * M0**k / M0**2
    return 1 / (k * (k - 2) * M0 ** (k - 2)), c
def left(n, eta, a, tau, c):
    L = np.zeros((len(eta), len(n)))
    for i, rate in enumerate(eta):
        for j, horizon in enumerate(n):
            for strength in a:
                if rate > c * strength or tau > horizon * rate * strength:
                    L[i, j] += strength**2 / 2
    return L
def envelope(L):
    least, which = [], []
    for column in np.moveaxis(L, 2, 0):
        medians = [np.median([np.inf if np.isnan(v) else v for v in runs]) for runs in column]
        least.append(min(medians))
        which.append(medians.index(min(medians)))
    return np.array(least), np.array(which)
def sequence(n, a):
    return np.array([sum(min(s * s, 1 / N) for s in a) / 2 for N in n])
"""),
    ("q7", "arrays in another order, lists for pairs", None, """
def units(k, d, M0, noise):
    return [(1 / M0) ** (k - 2) / k / (k - 2), 2 * M0 ** (k - 2) / (d - 1) / (1 + noise**2)]
def left(n, eta, a, tau, c):
    need = np.where(eta[:, None] > c * a, np.inf, tau / np.outer(eta, a))
    return np.where(need[:, :, None] > n, a[:, None] ** 2, 0).sum(axis=1) / 2
def envelope(L):
    filled = np.array(L)
    filled[np.isnan(L)] = np.inf
    medians = np.median(filled, axis=1)
    which = np.argmin(medians, axis=0)
    return medians[which, np.arange(medians.shape[1])], which
def sequence(n, a):
    kept = a[None] ** 2 > 1 / n[:, None]
    return (kept.sum(axis=1) / n + (a**2 * ~kept).sum(axis=1)) / 2
"""),
]  # fmt: skip

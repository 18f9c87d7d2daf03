# ruff: noqa: E501
"""Wrong answers, all of which the tests reject, and right ones written differently, which they accept.

A line: the question; what is wrong or different; a text of the model answer; what it becomes. Where the
text is None, what follows is the whole cell.
"""

WRONG = [
    ("q2", "no 2 from the chain rule", "(k * (k - 2) * a)", "(k * (k - 2) * a / 2)"),
    ("q2", "the exponent of M is that of y", "** (2.0 - k)", "** (1 - k / 2)"),
    ("q2", "the slides' exponent k/2", "** (2.0 - k)", "** (-k / 2.0)"),
    ("q2", "no strength in the blow-up", "(k * (k - 2) * a)", "(k * (k - 2))"),
    ("q2", "half the clock's rate", "/ (2 * k * a)", "/ (k * a)"),
    ("q2", "a term too many", "range(1, k // 2)", "range(1, k // 2 + 1)"),
    ("q2", "a term too few", "range(1, k // 2)", "range(1, k // 2 - 1)"),
    ("q2", "no 1/j", "1 / (j * y**j)", "1 / y**j"),
    ("q2", "M in place of y", "clock(M0**2)", "clock(abs(M0))"),
    ("q2", "stops at M = 1/2", "clock(0.5)", "clock(0.25)"),
    ("q2", "blow-up in place of emergence", "(clock(0.5) - clock(M0**2)) / (2 * k * a)", "np.abs(M0) ** (2.0 - k) / (k * max(k - 2, 1) * a)"),
    ("q2", "without 1 - y", "np.log(y / (1 - y)) - sum", "np.log(y) - sum"),
    ("q3", "each to the whole strength", "    total = s0.sum()\n", "    total = s0\n"),
    ("q3", "rate 2, of the norm", "np.exp(-4 * a * t)", "np.exp(-2 * a * t)"),
    ("q3", "rate 4 without a", "np.exp(-4 * a * t)", "np.exp(-4 * t)"),
    ("q3", "equal shares", "return s0 / total * a", "return np.ones(len(s0)) / len(s0) * a"),
    ("q3", "overflows", "s0 / total * a / (1 + (a / total - 1) * np.exp(-4 * a * t))", "s0 / total * a * np.exp(4 * a * t) / (np.exp(4 * a * t) + a / total - 1)"),
    ("q3", "the total only", "return s0 / total * a / (", "return a / ("),
    ("q3", "exponential growth, no saturation", "s0 / total * a / (1 + (a / total - 1) * np.exp(-4 * a * t))", "np.minimum(s0 * np.exp(4 * a * np.minimum(t, 100 / a)), a * s0 / total)"),
    ("q3", "the lag, not the half time", "np.log(a / s0 - 1)", "np.log(a / s0)"),
    ("q3", "half time at the rate 2", "/ (4 * a)", "/ (2 * a)"),
    ("q3", "no half in the loss", "+ s**2) / 2", "+ s**2)"),
    ("q3", "y in place of M to the k", "y ** (k / 2)", "y**k"),
    ("q3", "k = 4 always", "y ** (k / 2)", "y**2"),
    ("q3", "no cross term's 2", "- 2 * a * s *", "- a * s *"),
    ("q3", "the residual strength squared", "(a**2 - 2 * a * s * y ** (k / 2) + s**2) / 2", "(a - s * y ** (k / 2)) ** 2 / 2"),
    ("q4", "the slides' exponent k/2", "S = a * np.abs(M) ** (k - 2)", "S = a * np.abs(M) ** (k / 2)"),
    ("q4", "exponent k - 1", "S = a * np.abs(M) ** (k - 2)", "S = a * np.abs(M) ** (k - 1)"),
    ("q4", "signs count", "S = a * np.abs(M) ** (k - 2)", "S = a * np.maximum(M, 1e-9) ** (k - 2)"),
    ("q4", "no strengths", "S = a * np.abs(M) ** (k - 2)", "S = np.abs(M) ** (k - 2)"),
    ("q4", "no column is struck", "        S[i], S[:, p] = 0, 0\n", "        S[i] = 0\n"),
    ("q4", "no row is struck", "        S[i], S[:, p] = 0, 0\n", "        S[:, p] = 0\n"),
    ("q4", "skill first", "pairs.append((i, p))", "pairs.append((p, i))"),
    ("q4", "in the order of skills", "    return pairs\n", "    return sorted(pairs, key=lambda pair: pair[1])\n"),
    ("q4", "divides by m", "S.shape[1])\n", "S.shape[0])\n"),
    ("q4", "gaps exchanged", "rivals = left[i].max(), left[:, p].max()", "rivals = left[:, p].max(), left[i].max()"),
    ("q4", "struck ones are rivals", "        left[i], left[:, p] = 0, 0\n", ""),
    ("q4", "is its own rival", "        left[i, p] = 0\n", ""),
    ("q4", "gaps upside down", "best / rival if rival > 0", "rival / best if rival > 0"),
    ("q4", "no rival, gap 0", "else np.inf for", "else 0.0 for"),
    ("q4", "the column gap only", "gaps(a, M, k).min(axis=1)", "gaps(a, M, k)[:, 1]"),
    ("q4", "the row gap only", "gaps(a, M, k).min(axis=1)", "gaps(a, M, k)[:, 0]"),
    ("q4", "both gaps must be small", "gaps(a, M, k).min(axis=1)", "gaps(a, M, k).max(axis=1)"),
    ("q4", "no lag", "1 + lag / blow_up(a[p], M[i, p], k)", "1.0"),
    ("q4", "lag of the norm, not its square", "np.log(a[p] / s0) / (4 * a[p])", "np.log(a[p] / s0) / (2 * a[p])"),
    ("q4", "the square root of the mass", "np.log(a[p] / s0) / (4 * a[p])", "np.log(a[p] / s0**0.5) / (4 * a[p])"),
    ("q4", "lag without its strength", "np.log(a[p] / s0) / (4 * a[p])", "np.log(a[p] / s0) / 4"),
    ("q4", "emergence for blow-up", "lag / blow_up(a[p], M[i, p], k)", "lag / emergence(a[p], M[i, p], k)"),
    ("q4", "the half time for the lag", "np.log(a[p] / s0) / (4 * a[p])", "half_time(a[p], s0)"),
    ("q4", "changes its arguments", "    S = a * np.abs(M) ** (k - 2)\n    pairs = []\n", "    S = M\n    S[:] = a * np.abs(M) ** (k - 2)\n    pairs = []\n"),
    ("q4", "the clear ones", "min(axis=1) <=", "min(axis=1) >"),
    ("q6", "no lag", "emergence(a[p], M[i, p], 4) + lag -", "emergence(a[p], M[i, p], 4) -"),
    ("q6", "the half time for the lag", "np.log(a[p] / s0) / (4 * a[p])", "half_time(a[p], s0)"),
    ("q6", "the lag of the norm, not its square", "np.log(a[p] / s0) / (4 * a[p])", "np.log(a[p] / s0) / (2 * a[p])"),
    ("q6", "T and lag only", "+ lag - 1 / (8 * a[p])", "+ lag"),
    ("q6", "1/(8a) added, as in T^off", "+ lag - 1 / (8 * a[p])", "+ lag + 1 / (8 * a[p])"),
    ("q6", "1/(4a)", "+ lag - 1 / (8 * a[p])", "+ lag - 1 / (4 * a[p])"),
    ("q6", "blow-up for emergence", "emergence(a[p], M[i, p], 4) + lag", "blow_up(a[p], M[i, p], 4) + lag"),
    ("q6", "in the order of the picks", "    T = np.full(len(a), np.inf)\n    for i, p in select(a, M, 4):\n", "    T = np.full(len(a), np.inf)\n    for r, (i, p) in enumerate(select(a, M, 4)):\n        p, q = r, p\n"),
    ("q6", "the best overlap of each skill, no selection", "    for i, p in select(a, M, 4):\n", "    for p in range(len(a)):\n        i = np.abs(M[:, p]).argmax()\n"),
    ("q6", "unlearned skills at 0", "np.full(len(a), np.inf)", "np.zeros(len(a))"),
    ("q6", "no square of the strengths", "waiting * a**2", "waiting * a"),
    ("q6", "no half", ".sum(axis=1) / 2\n", ".sum(axis=1)\n"),
    ("q6", "still there at its own time", "t[:, None] < T", "t[:, None] <= T"),
    ("q6", "the loss that is gone", "t[:, None] < T", "t[:, None] >= T"),
    ("q6", "divided by the number of skills", "(waiting * a**2).sum(axis=1) / 2", "(waiting * a**2).mean(axis=1) / 2"),
    ("q6", "over the loss of the start", "(a[len(M) :] ** 2).sum()", "(a**2).sum()"),
    ("q6", "barrier without skill m", "a[len(M) :]", "a[len(M) - 1 :]"),
    ("q6", "loss over half the barrier", "(a[left] ** 2).sum() / (a[len(M) :] ** 2).sum()", "2 * (a[left] ** 2).sum() / (a[len(M) :] ** 2).sum()"),
    ("q6", "strengths, not squares", "(a[left] ** 2).sum() / (a[len(M) :] ** 2).sum()", "a[left].sum() / a[len(M) :].sum()"),
    ("q6", "upside down", "(a[left] ** 2).sum() / (a[len(M) :] ** 2).sum()", "(a[len(M) :] ** 2).sum() / (a[left] ** 2).sum()"),
    ("q7", "strengths sum to 1", "a / np.linalg.norm(a)", "a / a.sum()"),
    ("q7", "not normalised", "a / np.linalg.norm(a)", "a"),
    ("q7", "normalised by H, not its root", "a / np.linalg.norm(a)", "a / (a**2).sum()"),
    ("q7", "from 0 to P - 1", "np.arange(1, P + 1.0)", "np.arange(2, P + 2.0)"),
    ("q7", "the tail from p on", "squares[q:]", "squares[q - 1 :]"),
    ("q7", "the tail from p + 2 on", "squares[q:]", "np.append(squares, 1e-9)[q + 1 :]"),
    ("q7", "the last one is left out", "np.arange(first, last + 1)", "np.arange(first, max(last, first + 2))"),
    ("q7", "over log p", "np.polyfit(beta * np.log(p)", "np.polyfit(np.log(p)"),
    ("q7", "no logarithm of the loss", "np.log(L), 1)", "L, 1)"),
    ("q7", "the ends only", "np.polyfit(beta * np.log(p), np.log(L), 1)[0]", "np.log(L[-1] / L[0]) / np.log(p[-1] / p[0]) / beta"),
    ("q7", "the intercept", "np.log(L), 1)[0]", "np.log(L), 1)[1]"),
    ("q7", "strengths in the tail", "strengths(P, beta) ** 2", "strengths(P, beta)"),
    ("q7", "over log p in the formula", "-b / beta /", "-b /"),
    ("q7", "x/P without its power", "(x / P) ** b", "(x / P)"),
    ("q7", "the power beta", "(x / P) ** b", "(x / P) ** beta"),
    ("q7", "shallower in place of steeper", "-b / beta / (1 - (x / P) ** b)", "-b / beta * (1 - (x / P) ** b)"),
    ("q7", "the limit always", " / (1 - (x / P) ** b)", " + 0 * x"),
    ("q7", "positive slopes", "return -b / beta", "return b / beta"),
    ("q7", "the width's exponent", "1 / (2 + slope)", "(1 - slope) / 2"),
    ("q7", "sign of the slope", "1 / (2 + slope)", "1 / (2 - slope)"),
    ("q7", "negative beta below -2", "1 / (2 + slope) if slope > -2 else np.inf", "1 / (2 + slope)"),
]  # fmt: skip

RIGHT = [
    ("q2", "in y, and an explicit loop", None, """
import numpy as np
def blow_up(a, M0, k):
    I = k // 2
    y0 = np.asarray(M0, float) ** 2
    return 1 / (2 * k * np.asarray(a) * (I - 1) * y0 ** (I - 1))
def emergence(a, M0, k):
    y0 = np.asarray(M0, float) ** 2
    total = np.log((1 - y0) / y0)
    for j in range(1, k // 2):
        total = total + (y0 ** (-j) - 2.0**j) / j
    return total / (2 * k * np.asarray(a))
"""),
    ("q2", "quadrature of log y", None, """
import numpy as np
def blow_up(a, M0, k):
    return np.exp(-(k - 2) * np.log(np.abs(M0))) / k / (k - 2) / a
def emergence(a, M0, k):
    from scipy.integrate import quad
    def one(a, M0):
        low = np.log(M0**2)
        return quad(lambda u: np.exp(u * (1 - k / 2)) / (1 - np.exp(u)), low, np.log(0.5), epsrel=1e-10, limit=500)[0] / (2 * k * a)
    return np.vectorize(one)(a, M0)
"""),
    ("q3", "log-odds of the total", None, """
from scipy.special import expit, logit
def masses(t, a, s0):
    total = np.sum(s0)
    grown = 1 / (1 / a + (1 / total - 1 / a) * np.exp(-4 * a * t))
    return np.array([s * grown / total for s in s0])
def half_time(a, s0):
    return -logit(s0 / a) / (4 * a)
def skill_loss(a, y, s, k):
    M = np.sqrt(y)
    return 0.5 * (a - s) ** 2 + a * s * (1 - M**k)
"""),
    ("q3", "a divided logistic", None, """
def masses(t, a, s0):
    S = s0.sum()
    e = np.exp(-4 * a * t)
    return a * s0 / (S + (a - S) * e)
def half_time(a, s0):
    return (np.log(a - s0) - np.log(s0)) / 4 / a
def skill_loss(a, y, s, k):
    return a * a / 2 + s * s / 2 - a * s * np.power(y, k // 2)
"""),
    ("q4", "lists of what remains", None, """
def select(a, M, k):
    m, P = M.shape
    rows, columns, found = list(range(m)), list(range(P)), []
    while rows and columns:
        best = max(((i, p) for i in rows for p in columns), key=lambda ip: a[ip[1]] * abs(M[ip]) ** (k - 2))
        found.append(best)
        rows.remove(best[0])
        columns.remove(best[1])
    return found
def gaps(a, M, k):
    m, P = M.shape
    S = a * np.abs(M) ** (k - 2)
    rows, columns, out = set(range(m)), set(range(P)), []
    for i, p in select(a, M, k):
        row = [S[i, p] / S[i, q] for q in columns if q != p]
        column = [S[i, p] / S[j, p] for j in rows if j != i]
        out.append((min(row, default=np.inf), min(column, default=np.inf)))
        rows.discard(i)
        columns.discard(p)
    return np.array(out)
def near_ties(a, M, k, s0):
    answer = []
    for (i, p), (row, column) in zip(select(a, M, k), gaps(a, M, k)):
        limit = 1 + k * (k - 2) * np.abs(M[i, p]) ** (k - 2) * np.log(a[p] / s0) / 4
        answer.append(row <= limit or column <= limit)
    return np.array(answer)
"""),
    ("q4", "logarithms of scores and infinities", None, """
def select(a, M, k):
    S = np.log(a)[None, :] + (k - 2) * np.log(np.abs(M))
    out = []
    for _ in range(min(M.shape)):
        i, p = np.unravel_index(np.argmax(S), S.shape)
        out.append((i, p))
        S[i, :] = -np.inf
        S[:, p] = -np.inf
    return out
def gaps(a, M, k):
    S = np.log(a)[None, :] + (k - 2) * np.log(np.abs(M))
    out = np.empty((min(M.shape), 2))
    for r, (i, p) in enumerate(select(a, M, k)):
        best, S[i, p] = S[i, p], -np.inf
        out[r] = np.exp(best - S[i].max()), np.exp(best - S[:, p].max())
        S[i, :] = -np.inf
        S[:, p] = -np.inf
    return out
def near_ties(a, M, k, s0):
    chosen = select(a, M, k)
    waits = [1 + np.log(a[p] / s0) / (4 * a[p]) / blow_up(a[p], M[i, p], k) for i, p in chosen]
    return np.any(gaps(a, M, k) <= np.array(waits)[:, None], axis=1)
"""),
    ("q6", "closed form, sorting and cumulative sums", None, """
def step_times(a, M, s0):
    T = [np.inf] * len(a)
    for i, p in select(a, M, 4):
        y = M[i, p] ** 2
        T[p] = (1 / y - 3 + np.log((1 - y) / y) + 2 * np.log(a[p] / s0)) / (8 * a[p])
    return np.array(T)
def staircase(t, a, T):
    order = np.argsort(T)
    left = 0.5 * np.append(np.cumsum((a[order] ** 2)[::-1])[::-1], 0)
    return left[np.searchsorted(T[order], t, side="right")]
def price(a, M):
    taken = [p for i, p in select(a, M, 4)]
    return (np.sum(a**2) - np.sum(a[taken] ** 2)) / np.sum(a[M.shape[0]:] ** 2)
"""),
    ("q6", "loops", None, """
def step_times(a, M, s0):
    chosen = {p: i for i, p in select(a, M, 4)}
    return np.array([
        emergence(a[p], M[chosen[p], p], 4) + (2 * np.log(a[p] / s0) - 1) / (8 * a[p]) if p in chosen else np.inf
        for p in range(len(a))
    ])
def staircase(t, a, T):
    return np.array([0.5 * np.sum(a[T > now] ** 2) for now in t])
def price(a, M):
    end = staircase(np.array([1e300]), a, step_times(a, M, 1e-9))[0]
    return 2 * end / np.sum(np.sort(a**2)[: len(a) - len(M)])
"""),
    ("q6", "the clock from the other side", "t[:, None] < T", "~(T[None, :] <= t[:, None])"),
    ("q7", "covariance over variance", None, """
def strengths(P, beta):
    p = np.arange(1, P + 1)
    H = np.sum(1 / p ** (2 * beta))
    return 1 / p**beta / np.sqrt(H)
def window_slope(beta, P, first, last):
    a = strengths(P, beta)
    left = 0.5 * np.append(np.cumsum((a**2)[::-1])[::-1][1:], 0)
    x = np.log(np.arange(1, P + 1) ** beta)[first - 1:last]
    y = np.log(left[first - 1:last])
    return np.cov(x, y, bias=True)[0, 1] / np.var(x)
def formula_slope(x, beta, P):
    if np.isinf(P):
        return (1 - 2 * beta) / beta + 0 * x
    I = x ** (1 - 2 * beta)
    return (1 - 2 * beta) / beta * I / (I - float(P) ** (1 - 2 * beta))
def read_off(slope):
    if slope <= -2:
        return float("inf")
    return 1 / (slope + 2)
"""),
    ("q7", "SciPy's line, one minus the sum", None, """
from scipy.stats import linregress
def strengths(P, beta):
    a = np.array([p**-beta for p in range(1, P + 1)])
    return a / np.sqrt(np.sum(a * a))
def window_slope(beta, P, first, last):
    gone = np.cumsum(strengths(P, beta) ** 2)
    p = np.arange(first, last + 1)
    return linregress(np.log(p**beta), np.log((1 - gone[p - 1]) / 2)).slope
def formula_slope(x, beta, P):
    return -(2 - 1 / beta) / (1 - np.exp((2 * beta - 1) * (np.log(x) - np.log(P))))
def read_off(slope):
    return np.inf if slope <= -2 else (slope + 2) ** -1
"""),
]  # fmt: skip

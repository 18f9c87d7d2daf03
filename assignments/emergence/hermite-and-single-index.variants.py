# ruff: noqa: E501
"""Wrong answers, all of which the tests reject, and right ones written differently, which they accept.

A line: the question; what is wrong or different; a text of the model answer; what it becomes. Where the
text is None, what follows is the whole cell.
"""

WRONG = [
    ("q1", "not normalised", "(z * h[k] - before) / np.sqrt(k + 1)", "z * h[k] - np.sqrt(k) * before"),
    ("q1", "k for √k in front of the one before", "np.sqrt(k) * h[k - 1]", "k * h[k - 1]"),
    ("q1", "√k for √(k + 1)", "/ np.sqrt(k + 1)", "/ np.sqrt(max(k, 1))"),
    ("q1", "plus for minus", "z * h[k] - before", "z * h[k] + before"),
    ("q1", "the physicists' polynomials", "(z * h[k] - before) / np.sqrt(k + 1)", "(np.sqrt(2) * z * h[k] - before) / np.sqrt(k + 1)"),
    ("q1", "a column for each degree", "    return h", "    return np.moveaxis(h, 0, -1)"),
    ("q1", "stops one degree early", "    return h", "    return h[:K]"),
    ("q1", "powers with factorials that overflow", None, """
import numpy as np
def hermites(z, K):
    h, f = [np.ones_like(z), z], np.array([1, 1])
    for k in range(1, K):
        h.append(z * h[k] - k * h[k - 1])
    f = np.cumprod(np.maximum(1, np.arange(K + 1)))
    return np.array([h[k] / np.sqrt(f[k]) for k in range(K + 1)])
"""),
    ("q2", "weights not of a probability", " / p.sum()", ""),
    ("q2", "π for 2π", " / p.sum()", " / np.sqrt(np.pi)"),
    ("q2", "nodes of the other Gaussian", "np.polynomial.hermite_e.hermegauss(nodes)", "np.polynomial.hermite.hermgauss(nodes)"),
    ("q2", "always 100 nodes", "hermegauss(nodes)", "hermegauss(100)"),
    ("q2", "nodes ignored, too few", "hermegauss(nodes)", "hermegauss(4)"),
    ("q2", "divides by √k! once more", "hermites(z, K) @ (p * f(z)) / p.sum()", "hermites(z, K) @ (p * f(z)) / p.sum() / np.sqrt(np.cumprod(np.maximum(1, np.arange(K + 1))))"),
    ("q2", "c_0 counts", "range(1, len(c))", "range(len(c))"),
    ("q2", "negative coefficients overlooked", "if abs(c[k]) > tol", "if c[k] > tol"),
    ("q2", "rounding counts", "if abs(c[k]) > tol", "if c[k] != 0"),
    ("q2", "tolerance fixed", "if abs(c[k]) > tol", "if abs(c[k]) > 1e-6"),
    ("q2", "counted from c_1", "next((k for k", "next((k - 1 for k"),
    ("q2", "the largest coefficient", "next((k for k in range(1, len(c)) if abs(c[k]) > tol), np.inf)", "1 + int(np.argmax(np.abs(c[1:]))) if np.any(np.abs(c[1:]) > tol) else np.inf"),
    ("q2", "a constant has exponent 0", "> tol), np.inf)", "> tol), 0)"),
    ("q4", "sign of the loss", "return -sum(", "return sum("),
    ("q4", "c for c²", "return -sum(c[j] ** 2 *", "return -sum(c[j] *"),
    ("q4", "loss without c_0", "M**j for j in range(len(c)))", "M**j for j in range(1, len(c)))"),
    ("q4", "loss of degrees off by one", "M**j for j in range(len(c)))", "M ** (j + 1) for j in range(len(c)))"),
    ("q4", "left the sphere", "return (1 - M**2) * sum(", "return sum("),
    ("q4", "length of the gradient, not the speed of M", "(1 - M**2) *", "np.sqrt(1 - M**2) *"),
    ("q4", "factor j forgotten", "sum(j * c[j] ** 2", "sum(c[j] ** 2"),
    ("q4", "c for c² in the drift", "sum(j * c[j] ** 2", "sum(j * c[j]"),
    ("q4", "power j for j - 1", "M ** (j - 1)", "M**j"),
    ("q4", "a constant is not noticed", "    if not np.any(c[1:]):\n        return np.inf\n", ""),
    ("q4", "c_0 makes it no constant", "np.any(c[1:])", "np.any(c)"),
    ("q4", "time to go back", "M0, M1, limit", "M1, M0, limit"),
    ("q4", "distance over mean speed", "integrate.quad(lambda M: 1 / drift(M, c), M0, M1, limit=200)[0]", "(M1 - M0) / drift((M0 + M1) / 2, c)"),
    ("q4", "trapezoids too coarse", "integrate.quad(lambda M: 1 / drift(M, c), M0, M1, limit=200)[0]", "integrate.trapezoid(1 / drift(np.linspace(M0, M1, 2001), c), np.linspace(M0, M1, 2001))"),
    ("q6", "x not orthogonal to w", "(x - z[:, None] * w)", "x"),
    ("q6", "not normalised", "v / np.linalg.norm(v, axis=1, keepdims=True)", "v"),
    ("q6", "descends", "w + eta *", "w - eta *"),
    ("q6", "label forgotten", "(y * slope(z))", "slope(z)"),
    ("q6", "slope at the label", "slope(z))[:, None]", "slope(y))[:, None]"),
    ("q6", "one norm for all runs", "np.linalg.norm(v, axis=1, keepdims=True)", "np.linalg.norm(v)"),
    ("q6", "residual for label", "(y * slope(z))", "((y - z) * slope(z))"),
    ("q6", "changes its argument", "    v = w + eta", "    v = w\n    v += eta"),
    ("q7", "one side of the equator only", "hits[np.isinf(hits) & (np.abs(M) >= until)]", "hits[np.isinf(hits) & (M >= until)]"),
    ("q7", "counts from 0", "= n + 1", "= n"),
    ("q7", "the last time, not the first", "hits[np.isinf(hits) & (np.abs(M) >= until)]", "hits[np.abs(M) >= until]"),
    ("q7", "starts not looked at", "np.where(np.abs(M) >= until, 0.0, np.inf)", "np.full(len(M), np.inf)"),
    ("q7", "s missing in the length", "(s[n] ** 2 + q[n])", "q[n]"),
    ("q7", "s not squared", "(s[n] ** 2 + q[n])", "(s[n] + q[n])"),
    ("q7", "q squared", "(s[n] ** 2 + q[n])", "(s[n] ** 2 + q[n] ** 2)"),
    ("q7", "z in the length", "(s[n] ** 2 + q[n])", "(s[n] ** 2 + z[n] ** 2 + q[n])"),
    ("q7", "no projection", " / np.sqrt(1 + (eta * g) ** 2 * (s[n] ** 2 + q[n]))", ""),
    ("q7", "root forgotten", "np.sqrt(1 - M**2) * s[n]", "(1 - M**2) * s[n]"),
    ("q7", "s for its part along θ", "eta * g * along", "eta * g * s[n]"),
    ("q7", "label from e alone", "sigma(M * z[n] + along)", "sigma(along)"),
    ("q7", "slope at <θ, x>", "* slope(z[n])", "* slope(M * z[n] + along)"),
    ("q7", "η not squared", "(eta * g) ** 2", "eta * g**2"),
    ("q7", "never arrived is -1", "    return hits", "    return np.where(np.isinf(hits), -1, hits)"),
    ("q8", "2 missing", "return 2 * k *", "return k *"),
    ("q8", "k missing", "return 2 * k *", "return 2 *"),
    ("q8", "d^(-k)", "d ** (-k / 2)", "d ** (-k)"),
    ("q8", "exponent of the flow", "d ** (-k / 2)", "d ** (1 - k / 2)"),
    ("q8", "c for c²", "square[k]", "abs(np.asarray(c)[k])"),
    ("q8", "noise without the label's mean", "square.sum()", "square[1:].sum()"),
    ("q8", "noise of the first degree alone", "(np.arange(len(square)) * square).sum()", "k * square[k]"),
    ("q8", "factor j forgotten in the noise", "(np.arange(len(square)) * square).sum()", "square[1:].sum()"),
    ("q8", "j² in the noise", "(np.arange(len(square)) * square)", "(np.arange(len(square)) ** 2 * square)"),
    ("q8", "starts at 1/d", "d**-0.5", "d**-1.0"),
    ("q8", "ρ forgotten", "(rho * critical_step(c, d))", "critical_step(c, d)"),
    ("q8", "times ρ, not over it", "/ (rho * critical_step(c, d))", "* rho / critical_step(c, d)"),
    ("q8", "until overlap 1", "d**-0.5, 0.5)", "d**-0.5, 0.99)"),
    ("q8", "d against T", "np.polyfit(np.log(d), np.log(T), 1)[0]", "np.polyfit(np.log(T), np.log(d), 1)[0]"),
    ("q8", "the constant, not the exponent", "np.log(T), 1)[0]", "np.log(T), 1)[1]"),
    ("q8", "first and last point only", "np.polyfit(np.log(d), np.log(T), 1)[0]", "np.log(T[-1] / T[0]) / np.log(d[-1] / d[0])"),
    ("q8", "through the origin", "np.polyfit(np.log(d), np.log(T), 1)[0]", "np.log(d) @ np.log(T) / (np.log(d) @ np.log(d))"),
    ("q2", "a float for an exponent", None, "import numpy as np\n\n\ndef coefficients(sigma, K, nodes=100):\n    z, p = np.polynomial.hermite_e.hermegauss(nodes)\n    return hermites(z, K) @ (p * sigma(z)) / p.sum()\n\n\ndef information_exponent(c, tol=1e-6):\n    found = np.flatnonzero(np.abs(np.asarray(c)[1:]) > tol)\n    return float(found[0] + 1) if len(found) else np.inf\n"),
    ("q8", "the flow of c_k alone", "flow_time(c, d**-0.5, 0.5)", "flow_time(np.where(np.arange(len(c)) == information_exponent(c), c, 0), d**-0.5, 0.5)"),
    ("q8", "a tolerance of 10^-3", "k, square = information_exponent(c), np.asarray(c) ** 2", "k, square = information_exponent(c, 1e-3), np.asarray(c) ** 2"),
]  # fmt: skip

RIGHT = [
    ("q1", "NumPy's He over √k!", None, """
from math import factorial
import numpy as np
def hermites(z, K):
    rows = [np.polynomial.hermite_e.hermeval(z, [0] * k + [1]) / float(factorial(k)) ** 0.5 for k in range(K + 1)]
    return np.stack(rows)
"""),
    ("q1", "a list, two in front", None, """
import numpy as np
def hermites(z, K):
    h = [np.ones(np.shape(z)), np.array(z)]
    for k in range(2, K + 1):
        h.append(z * h[-1] / k**0.5 - h[-2] * ((k - 1) / k) ** 0.5)
    return np.array(h[: K + 1])
"""),
    ("q1", "SciPy's polynomials", None, """
import numpy as np
from scipy.special import eval_hermitenorm, gammaln
def hermites(z, K):
    k = np.arange(K + 1).reshape(-1, *[1] * np.ndim(z))
    return eval_hermitenorm(k, z) * np.exp(-gammaln(k + 1) / 2)
"""),
    ("q2", "the physicists' rule, turned into ours", None, """
def coefficients(f, K, nodes=100):
    x, p = np.polynomial.hermite.hermgauss(nodes)
    z = np.sqrt(2) * x
    return np.array([np.sum(p * f(z) * row) for row in hermites(z, K)]) / np.sqrt(np.pi)
def information_exponent(c, tol=1e-6):
    large = np.flatnonzero(np.abs(np.asarray(c)[1:]) > tol)
    return int(large[0]) + 1 if large.size else float("inf")
"""),
    ("q2", "loops", None, """
def coefficients(f, K, nodes=100):
    z, p = np.polynomial.hermite_e.hermegauss(nodes)
    values, h, c = f(z), hermites(z, K), np.zeros(K + 1)
    for k in range(K + 1):
        for i in range(nodes):
            c[k] += p[i] * values[i] * h[k, i] / np.sqrt(2 * np.pi)
    return c
def information_exponent(c, tol=1e-6):
    k = 1
    while k < len(c):
        if not -tol <= c[k] <= tol:
            return k
        k += 1
    return np.inf
"""),
    ("q4", "polynomials of NumPy and a substitution", None, """
from numpy.polynomial import Polynomial
def loss(M, c):
    return -Polynomial(np.asarray(c, float) ** 2)(M)
def drift(M, c):
    return (1 - M**2) * Polynomial(np.asarray(c, float) ** 2).deriv()(M)
def flow_time(c, M0, M1):
    c = np.asarray(c, float)
    if (c[1:] == 0).all():
        return float("inf")
    x, p = np.polynomial.legendre.leggauss(300)
    a, b = np.log(M0), np.log(M1)
    M = np.exp(a + (b - a) * (x + 1) / 2)
    return float((b - a) / 2 * np.sum(p * M / drift(M, c)))
"""),
    ("q4", "the flow solved as a differential equation for t(log M)", None, """
from scipy.integrate import solve_ivp
def loss(M, c):
    total = 0 * M
    for j, a in enumerate(c):
        total = total - a * a * M**j
    return total
def drift(M, c):
    total = 0.0 * M
    for j, a in enumerate(c):
        if j:
            total = total + j * a * a * M ** (j - 1) * (1 - M * M)
    return total
def flow_time(c, M0, M1):
    if sum(a * a for a in c[1:]) == 0:
        return np.inf
    run = solve_ivp(lambda u, t: [np.exp(u) / drift(np.exp(u), c)], (np.log(M0), np.log(M1)), [0.0], rtol=1e-10, atol=1e-12)
    return float(run.y[0, -1])
"""),
    ("q4", "quad as it comes", ", limit=200", ""),
    ("q6", "einsum", None, """
def sgd_step(w, x, y, slope, eta):
    z = np.einsum("rd,rd->r", w, x)
    v = w + np.einsum("r,rd->rd", eta * y * slope(z), x - np.einsum("r,rd->rd", z, w))
    return v / np.sqrt((v**2).sum(axis=-1))[:, None]
"""),
    ("q6", "run by run", None, """
def sgd_step(w, x, y, slope, eta):
    new = np.empty_like(w)
    for i in range(len(w)):
        z = w[i] @ x[i]
        g = eta * y[i] * slope(np.array([z]))[0]
        length = np.sqrt(1 + g**2 * (x[i] @ x[i] - z**2))
        new[i] = ((1 - g * z) * w[i] + g * x[i]) / length
    return new
"""),
    ("q7", "vectors of three coordinates", None, """
def search(M, z, s, q, sigma, slope, eta, until):
    M, hits = np.array(M), np.full(len(M), np.inf)
    for run in range(len(M)):
        if abs(M[run]) >= until:
            hits[run] = 0
            continue
        for n in range(len(z)):
            r = np.sqrt(1 - M[run] ** 2)
            theta = np.array([[M[run], r, 0.0]])
            x = np.array([[z[n, run], s[n, run], np.sqrt(q[n, run])]])
            w = sgd_step(np.array([[1.0, 0.0, 0.0]]), x, sigma((x * theta).sum(axis=1)), slope, eta)
            M[run] = (w * theta).sum()
            if abs(M[run]) >= until:
                hits[run] = n + 1
                break
    return hits
"""),
    ("q7", "the whole path first", None, """
def search(M, z, s, q, sigma, slope, eta, until):
    path = [np.asarray(M)]
    for a, b, c in zip(z, s, q):
        M = path[-1]
        r = np.sqrt(1 - M**2)
        g = eta * sigma(M * a + r * b) * slope(a)
        path.append((M + g * r * b) / np.sqrt(1 + g**2 * b**2 + g**2 * c))
    there = np.abs(path) >= until
    return np.where(there.any(axis=0), there.argmax(axis=0), np.inf)
"""),
    ("q8", "loops and sums", None, """
def critical_step(c, d):
    k = 1
    while abs(c[k]) <= 1e-6:
        k += 1
    label = sum(a * a for a in c)
    slope = sum(j * a * a for j, a in enumerate(c))
    return 2 * k * c[k] ** 2 / (label * slope) / np.sqrt(d) ** k
def predicted(c, d, rho):
    return flow_time(c, 1 / np.sqrt(d), 0.5) / critical_step(c, d) / rho
def power(d, T):
    x, y = np.log(d), np.log(T)
    return float(np.cov(x, y)[0, 1] / np.var(x, ddof=1))
"""),
    ("q8", "SciPy's regression", "np.polyfit(np.log(d), np.log(T), 1)[0]", "__import__('scipy.stats').stats.linregress(np.log10(d), np.log10(T)).slope"),
]  # fmt: skip

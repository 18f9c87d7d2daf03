"""Hermite polynomials, exact expansions and the information exponent."""

import itertools

import numpy as np
import pytest
import sympy as sp
from numpy.polynomial.hermite_e import hermegauss

from plateaus.emergence import expand, hermite, information_exponent

x = sp.Symbol("x")
bump = x**2 * sp.exp(-(x**2))
relu = sp.Max(x, 0)
gelu = x * (1 + sp.erf(x / sp.sqrt(2))) / 2
step = sp.Piecewise((x**2, x < 1), (1, x < 2), (sp.exp(-x), True))


def moment(poly):
    """E poly(z), from E z^n = (n − 1)!! for even n."""
    terms = sp.Poly(poly, x).terms()
    return sum(c * (sp.factorial2(n - 1) if n % 2 == 0 else 0) for (n,), c in terms)


def quadrature(f, j):
    """E f(z) h_j(z) by Gauss–Legendre between edges that no kink of ours lies between."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    edges = [-13, -9, -6, -4, -3, -2, -1, -np.log(2), 0, np.log(2), 1, 2, 3, 4, 6, 9, 13]
    scalar = sp.lambdify(x, sp.sympify(f) * hermite(j, x), ["scipy", "numpy"])
    value = np.vectorize(scalar, otypes=[float])
    total = 0.0
    for left, right in itertools.pairwise(edges):
        z = (left + right) / 2 + (right - left) / 2 * nodes
        density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        total += (right - left) / 2 * np.sum(weights * value(z) * density)
    return total


def test_hermite_polynomials_by_hand():
    assert hermite(0, x) == 1
    assert hermite(1, x) == x
    assert sp.expand(hermite(2, x) - (x**2 - 1) / sp.sqrt(2)) == 0
    assert sp.expand(hermite(3, x) - (x**3 - 3 * x) / sp.sqrt(6)) == 0
    assert sp.expand(hermite(4, x) - (x**4 - 6 * x**2 + 3) / sp.sqrt(24)) == 0


def test_hermite_is_orthonormal():
    for j in range(9):
        for k in range(j, 9):
            assert moment(hermite(j, x) * hermite(k, x)) == int(j == k)


def test_hermite_takes_any_expression():
    y = sp.Symbol("y")
    assert hermite(3, 2 * y + 1).subs(y, 1) == hermite(3, 3) == hermite(3, x).subs(x, 3)
    assert hermite(np.int64(2), x) == hermite(2, x)


@pytest.mark.parametrize(
    ("f", "coefficients"),
    [
        (sp.Integer(3), [3, 0, 0]),
        (x**3, [0, 3, 0, sp.sqrt(6), 0]),
        (relu, [1 / sp.sqrt(2 * sp.pi), sp.Rational(1, 2), 1 / (2 * sp.sqrt(sp.pi)), 0]),
        (sp.Abs(x), [sp.sqrt(2 / sp.pi), 0, 1 / sp.sqrt(sp.pi), 0]),
        (sp.sign(x), [0, sp.sqrt(2 / sp.pi), 0, -1 / sp.sqrt(3 * sp.pi)]),
        (sp.Heaviside(x), [sp.Rational(1, 2), 1 / sp.sqrt(2 * sp.pi), 0]),
        (sp.cos(x), [sp.exp(-sp.Rational(1, 2)), 0, -sp.exp(-sp.Rational(1, 2)) / sp.sqrt(2)]),
        (sp.exp(x), [sp.sqrt(sp.E), sp.sqrt(sp.E), sp.sqrt(sp.E / 2)]),
        (bump, [sp.sqrt(3) / 9, 0, 0, 0, -sp.sqrt(2) / 27]),
        (gelu, [1 / (2 * sp.sqrt(sp.pi)), sp.Rational(1, 2), 3 * sp.sqrt(2 / sp.pi) / 8]),
        (0.1 * x + 0.5, [sp.Rational(1, 2), sp.Rational(1, 10), 0]),
    ],
)
def test_expansions_by_hand(f, coefficients):
    found = expand(f, x, len(coefficients) - 1)
    assert len(found) == len(coefficients)
    for c, expected in zip(found, coefficients, strict=True):
        assert sp.simplify(c - expected) == 0


@pytest.mark.parametrize(
    "f",
    [
        relu * sp.cos(x),
        step,
        sp.exp(-sp.Abs(x)),
        sp.Min(1, sp.Max(-1, x)),
        sp.Max(sp.Abs(x) - 1, 0) ** 3,
        sp.Max(sp.exp(x), 2),
        sp.sin(2 * x + 1) * sp.exp(x / 3),
        sp.cos(3 * x - 1) * sp.Heaviside(x),
        sp.cos(x**2),
        sp.sqrt(x**2) / 3,
        gelu * sp.exp(-(x**2) / 5 + x / 2),
        sp.erfc(x),
        sp.exp(x**2 / 4 - sp.Abs(x)),
        sp.Piecewise((sp.exp(x**2 / 2), sp.Abs(x) < 1), (0, True)),
        2**x,
        sp.sin(x) / x,
    ],
    ids=str,
)
def test_expansions_agree_with_quadrature(f):
    for j, c in enumerate(expand(f, x, 5)):
        assert not c.has(sp.Integral, sp.Float)
        assert float(c) == pytest.approx(quadrature(f, j), abs=1e-8)


def test_powers_that_are_singular_but_square_integrable():
    c_0, c_1, c_2 = expand(sp.Abs(x) ** -sp.Rational(1, 3), x, 2)
    assert (
        sp.simplify(c_0 - 2 ** sp.Rational(5, 6) * sp.gamma(sp.Rational(1, 3)) / 2 / sp.sqrt(sp.pi))
        == 0
    )
    assert c_1 == 0
    assert c_2.is_negative


def test_a_polynomial_is_the_sum_of_its_expansion():
    f = (x - 2) ** 7 + 3 * x**4 - sp.Rational(1, 3)
    coefficients = expand(f, x, 9)
    assert coefficients[8:] == (0, 0)
    assert sp.expand(sum(c * hermite(j, x) for j, c in enumerate(coefficients)) - f) == 0


def test_parseval_and_recurrence_of_the_relu():
    c = expand(relu, x, 40)
    energies = np.cumsum([float(a**2) for a in c])
    assert np.all(energies < 0.5)
    assert 0.5 - energies[-1] == pytest.approx(np.sqrt(2) / 6 * np.pi**-1.5 * 40**-1.5, rel=0.05)
    # f' = Heaviside, so √k c_k(f) = c_{k−1}(f')
    derivative = expand(sp.Heaviside(x), x, 39)
    assert all(sp.simplify(sp.sqrt(k) * c[k] - derivative[k - 1]) == 0 for k in range(1, 12))


def test_expand_is_linear_and_floats_are_decimals():
    f, g = expand(relu, x, 6), expand(sp.cos(x), x, 6)
    both = expand(2 * relu - sp.cos(x) / 3, x, 6)
    for a, b, c in zip(f, g, both, strict=True):
        assert sp.simplify(2 * a - b / 3 - c) == 0
    assert expand(sp.Float(0.25) * x, x, 1) == (0, sp.Rational(1, 4))


def test_the_symbol_may_be_declared_real_and_have_any_name():
    t = sp.Symbol("t", real=True)
    assert expand(sp.Max(t, 0), t, 4) == expand(relu, x, 4)
    assert information_exponent(sp.Abs(t), t) == 2


@pytest.mark.parametrize(
    ("f", "exponent"),
    [
        (relu, 1),
        (sp.Abs(x), 2),
        (relu - x / 2, 2),
        (sp.sign(x), 1),
        (sp.cos(x), 2),
        (sp.sin(x), 1),
        (sp.exp(x), 1),
        (bump, 4),
        (bump**3, 4),
        (gelu, 1),
        (sp.tanh(x), 1),
        (sp.sqrt(sp.Abs(x)) * sp.exp(x), 1),
        (relu * sp.tanh(x), 1),
        (sp.log(1 + sp.exp(x)), 1),
        (sp.log(1 + x**2), 2),
        (sp.Abs(sp.cos(x)), 2),
        (7 + hermite(3, x), 3),
        (hermite(3, x) ** 2, 2),
        (hermite(4, x) ** 2, 2),
        (hermite(4, x + 1), 1),
        (hermite(4, 2 * x), 2),
        (hermite(23, x), 23),
        (x**3 - 3 * x + sp.exp(-100) * x, 1),
        (sp.Abs(x - 1) / (x - 1), 1),
        # f' = 0 wherever it exists, and yet not constant: a jump where the argument has its pole
        (sp.atan(x) + sp.atan(1 / x), 1),
        (sp.atan(x - 1) + sp.atan(1 / (x - 1)), 1),
        (sp.atan(x) + sp.acot(x), 1),
        (sp.sqrt(sp.tanh(x) ** 2) / sp.tanh(x), 1),
        (sp.arg(x), 1),
    ],
    ids=str,
)
def test_information_exponents(f, exponent):
    assert information_exponent(f, x) == exponent


@pytest.mark.parametrize(
    "f",
    [0, 5, sp.pi, sp.cos(x) ** 2 + sp.sin(x) ** 2, sp.Max(x, 0) - sp.Abs(x) / 2 - x / 2],
    ids=str,
)
def test_the_exponent_of_a_constant_is_infinite(f):
    assert information_exponent(f, x) is sp.oo


@pytest.mark.parametrize(
    "f",
    [
        sp.atan(sp.exp(x)) + sp.atan(sp.exp(-x)),
        sp.log(1 + sp.exp(x)) - sp.log(1 + sp.exp(-x)) - x,
        (sp.atan(x) + sp.atan(1 / x)) ** 2,
    ],
    ids=str,
)
def test_a_constant_without_a_closed_form_is_recognised(f):
    assert information_exponent(f, x) is sp.oo


def test_common_factors_cancel_on_each_piece():
    # -sign(1 - x) = 1 - 2 1{x < 1}
    c_0, c_1, c_2 = expand(sp.Abs(x - 1) / (x - 1), x, 2)
    density = sp.exp(-sp.Rational(1, 2)) / sp.sqrt(2 * sp.pi)
    assert sp.simplify(c_0 + sp.erf(1 / sp.sqrt(2))) == 0
    assert sp.simplify(c_1 - 2 * density) == 0
    assert sp.simplify(c_2 - sp.sqrt(2) * density) == 0
    assert expand(sp.Abs(x**2 - 1) / (x - 1), x, 0) != (0,)


def test_an_exact_cancellation_is_recognised():
    # remove from e^x what it has up to degree 3; no float could tell the remainder from 0
    c = expand(sp.exp(x), x, 3)
    rest = sp.exp(x) - sum(a * hermite(j, x) for j, a in enumerate(c))
    assert expand(rest, x, 3) == (0, 0, 0, 0)
    assert information_exponent(rest, x) == 4


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (sp.exp(x**2 / 4), r"^exp\(x\*\*2/4\) is not square-integrable under N\(0, 1\); valid is"),
        (sp.exp(x**2 / 4) * sp.cos(x), "not square-integrable"),
        (sp.exp(x**2 / 4 - x), "not square-integrable"),
        (sp.exp(x**2), "not square-integrable"),
        (sp.exp(sp.exp(x)), "not square-integrable"),
        (1 / x, "not square-integrable"),
        (1 / (x - 1), "not square-integrable"),
        (sp.Abs(x) ** -sp.Rational(1, 2), "not square-integrable"),
        (sp.tan(x), "could not be decided"),
        (sp.tanh(x), "no closed form was found for the Hermite coefficient c_1 of tanh"),
        (sp.cos(3 * x) * sp.Heaviside(x - 1), "no closed form was found"),
        (x * sp.Symbol("a"), r"^a\*x depends on a besides x; give each a number first\.$"),
        (sp.I * x, "not real for every real x"),
        (sp.sqrt(x), "not real for every real x"),
        (sp.log(x), "not real for every real x"),
        (sp.DiracDelta(x), "not a function with finite values"),
        (sp.Function("g")(x), "not a function with finite values"),
        (sp.oo, "not a function with finite values"),
        (sp.Piecewise((x, x > 0)), "is undefined at x = -1"),
        ("x", r"^expr is 'x'; valid is a SymPy expression in x\.$"),
        (None, "expr is None"),
        (sp.Eq(x, 1), "valid is a SymPy expression"),
    ],
    ids=str,
)
def test_expressions_that_are_refused(f, message):
    with pytest.raises(ValueError, match=message):
        expand(f, x, 3)
    if not (message.startswith("no closed form")):  # which this function does not need
        with pytest.raises(ValueError, match=message):
            information_exponent(f, x)


@pytest.mark.parametrize("degree", [-1, 1.5, 2.0, "3", None, True])
def test_degrees_that_are_refused(degree):
    with pytest.raises(ValueError, match=r"^degree is .*; valid is an integer ≥ 0\.$"):
        expand(x, x, degree)
    with pytest.raises(ValueError, match=r"^k is .*; valid is an integer ≥ 0\.$"):
        hermite(degree, x)


def test_variables_that_are_refused():
    for bad in (
        sp.Symbol("x", positive=True),
        sp.Symbol("n", integer=True),
        sp.Symbol("i", real=False),
    ):
        with pytest.raises(ValueError, match="carries assumptions"):
            expand(sp.Max(bad, 0), bad, 2)
    with pytest.raises(ValueError, match="valid is a SymPy symbol"):
        expand(x, x**2, 2)


def test_the_correlation_identity_by_product_quadrature():
    nodes, weights = hermegauss(12)
    weights = weights / weights.sum()
    rho = 0.6
    z, w = np.meshgrid(nodes, nodes, indexing="ij")
    for j in range(6):
        for k in range(6):
            first = sp.lambdify(x, hermite(j, x) + 0 * x)(z)
            second = sp.lambdify(x, hermite(k, x) + 0 * x)(rho * z + np.sqrt(1 - rho**2) * w)
            value = weights @ (first * second * np.ones_like(z)) @ weights
            assert value == pytest.approx(rho**k if j == k else 0, abs=1e-12)

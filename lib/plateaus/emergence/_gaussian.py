r"""Functions on the line as pieces of x^p exp(a x² + b x), and their Gaussian integrals, exactly.

The line is split where f has kinks, jumps or poles (Abs, sign, Heaviside, Max, Min, Piecewise,
powers), until on every piece f = Σ C x^p exp(a x² + b x), with complex a and b, so that cos and sin
are covered, and with at most one factor erf. With c = 1/2 − a, the integrals
I_n = ∫ x^n exp(−c x² + b x) dx / √(2π) over a piece follow from I_0, which is an erf, by

    2c I_{n+1} = b I_n + n I_{n−1} − [x^n exp(−c x² + b x) / √(2π)] between the piece's ends.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import sympy as sp

_KINKS = (sp.Abs, sp.sign, sp.Heaviside, sp.Max, sp.Min, sp.Piecewise)

Terms = dict[tuple[sp.Expr, sp.Expr, sp.Expr, sp.Expr], sp.Expr]
"""Σ C x^p exp(a x² + b x) erf(g): (p, a, b, g) → C, with g = 1 for no erf at all."""


_ONE = (sp.Integer(0), sp.Integer(0), sp.Integer(0), sp.Integer(1))
"""The key of a constant."""


class _Piece(NamedTuple):
    """f on (left, right), or where `mirrored` f(−x) there: a piece never lies left of 0."""

    left: sp.Expr
    right: sp.Expr
    mirrored: bool
    terms: Terms


class _Outside(Exception):
    """The expression does not take the form that the closed formulas need."""


def _pieces(f: sp.Expr, x: sp.Symbol, left: sp.Expr, right: sp.Expr) -> Iterator[_Piece]:
    """Split (left, right) until f takes the form of `Terms` on every piece."""
    kinks = f.atoms(*_KINKS)
    kink = next((k for k in _sorted(kinks) if not any(a.has(*_KINKS) for a in k.args)), None)
    if kink is not None:
        cuts = [root for g in _switches(kink) for root in _roots(g, x)]
        for lo, hi in _between(left, right, cuts):
            value = _resolved(kink, x, _inside(lo, hi))
            yield from _pieces(_cancelled(f.xreplace({kink: value}), x), x, lo, hi)
        return
    poles = [p.base for p in f.atoms(sp.Pow) if p.base.has(x) and not _whole(p.exp)]
    cuts = [root for g in poles for root in _roots(g, x)]
    for lo, hi in _between(left, right, cuts):
        mirrored = not hi.is_positive
        if mirrored:
            lo, hi = -hi, -lo
        terms = _terms(f.subs(x, -x) if mirrored else f, x, bool(lo.is_nonnegative))
        yield _Piece(lo, hi, mirrored, terms)


def _cancelled(f: sp.Expr, x: sp.Symbol) -> sp.Expr:
    """Without common factors, so that (1 − x)/(x − 1) is −1."""
    below = [p.base for p in f.atoms(sp.Pow) if p.exp.is_negative and p.exp.is_Integer]
    factors = any(g.is_Add and g.is_polynomial(x) for g in below)
    return sp.cancel(f) if factors and not f.has(*_KINKS) else f


def _sorted(kinks: set[sp.Expr]) -> list[sp.Expr]:
    return sorted(kinks, key=sp.default_sort_key)


def _whole(p: sp.Expr) -> bool:
    return bool(p.is_Integer and p >= 0)


def _switches(kink: sp.Expr) -> list[sp.Expr]:
    """The expressions whose sign decides which branch `kink` takes."""
    if isinstance(kink, sp.Max | sp.Min):
        return [f - g for f, g in itertools.combinations(kink.args, 2)]
    if isinstance(kink, sp.Piecewise):
        return [r.lhs - r.rhs for _, c in kink.args for r in c.atoms(sp.core.relational.Relational)]
    return [kink.args[0]]


def _resolved(kink: sp.Expr, x: sp.Symbol, at: sp.Expr) -> sp.Expr:
    """The branch that `kink` takes around the point `at`."""
    if isinstance(kink, sp.Max | sp.Min):
        pick = max if isinstance(kink, sp.Max) else min
        return pick(kink.args, key=lambda g: g.subs(x, at).evalf(30))
    if isinstance(kink, sp.Piecewise):
        for value, condition in kink.args:
            if condition.subs(x, at) == sp.true:
                return value
        raise ValueError(f"{sp.sstr(kink)} is undefined at {x} = {at}; {_valid(x)}.")
    positive = kink.args[0].subs(x, at).evalf(30) > 0
    if isinstance(kink, sp.Abs):
        return kink.args[0] if positive else -kink.args[0]
    if isinstance(kink, sp.sign):
        return sp.Integer(1 if positive else -1)
    return sp.Integer(1 if positive else 0)


def _roots(g: sp.Expr, x: sp.Symbol) -> list[sp.Expr]:
    if not g.has(x):
        return []
    poly = g.as_poly(x)
    if poly is not None and (poly.domain.is_ZZ or poly.domain.is_QQ):
        return list(set(sp.real_roots(poly)))
    found = sp.solveset(g, x, sp.S.Reals)
    if isinstance(found, sp.FiniteSet):
        return list(found)
    if found is sp.S.EmptySet:
        return []
    raise _Outside


def _poles(f: sp.Expr, x: sp.Symbol) -> list[sp.Expr]:
    """The points where f may be infinite: zeros under powers < 0 and in logarithms."""
    bases = [p.base for p in f.atoms(sp.Pow) if not p.exp.is_nonnegative]
    bases += [g.args[0] for g in f.atoms(sp.log)]
    bases += [sp.cos(g.args[0]) for g in f.atoms(sp.tan, sp.sec)]
    bases += [sp.sin(g.args[0]) for g in f.atoms(sp.cot, sp.csc)]
    return list({root for g in bases for root in _roots(g, x)})


def _limit(f: sp.Expr, x: sp.Symbol, at: sp.Expr, side: str) -> sp.Expr:
    try:
        return sp.limit(f, x, at, side)
    except (NotImplementedError, TypeError, ValueError, sp.PoleError) as failure:
        raise _Outside from failure


def _between(
    left: sp.Expr, right: sp.Expr, cuts: list[sp.Expr]
) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    inner = sorted({c for c in cuts if left < c < right}, key=lambda c: c.evalf(30))
    return itertools.pairwise([left, *inner, right])


def _inside(left: sp.Expr, right: sp.Expr) -> sp.Expr:
    if left.is_finite and right.is_finite:
        return (left + right) / 2
    if left.is_finite:
        return left + 1
    return right - 1 if right.is_finite else sp.Integer(0)


def _terms(e: sp.Expr, x: sp.Symbol, positive: bool) -> Terms:
    """The expression as a sum of C x^p exp(a x² + b x) erf(g), on x > 0 where `positive`."""
    zero, one = sp.Integer(0), sp.Integer(1)
    if not e.has(x):
        return _clean({_ONE: e})
    if e == x:
        return {(one, zero, zero, one): one}
    if isinstance(e, sp.Add):
        total: Terms = {}
        for part in e.args:
            for key, c in _terms(part, x, positive).items():
                total[key] = total.get(key, zero) + c
        return _clean(total)
    if isinstance(e, sp.Mul):
        product = {_ONE: one}
        for part in e.args:
            product = _times(product, _terms(part, x, positive))
        return product
    if isinstance(e, sp.exp) or (isinstance(e, sp.Pow) and not e.base.has(x)):
        exponent = e.args[0] if isinstance(e, sp.exp) else e.exp * sp.log(e.base)
        poly = sp.expand(exponent).as_poly(x)
        if poly is None or poly.degree() > 2:
            raise _Outside
        a, b, c = (poly.coeff_monomial(x**i) for i in (2, 1, 0))
        return {(zero, a, b, one): sp.exp(c)}
    if isinstance(e, sp.Pow):
        return _power(_terms(e.base, x, positive), e.exp, positive)
    if isinstance(e, sp.cos | sp.sin | sp.cosh | sp.sinh):
        return _terms(e.rewrite(sp.exp), x, positive)
    if isinstance(e, sp.erfc):
        return _terms(1 - sp.erf(e.args[0]), x, positive)
    if isinstance(e, sp.erf):
        poly = e.args[0].as_poly(x)
        if poly is None or poly.degree() > 1 or not poly.coeff_monomial(x).is_real:
            raise _Outside
        return {(zero, zero, zero, poly.as_expr()): one}
    raise _Outside


def _times(f: Terms, g: Terms) -> Terms:
    product: Terms = {}
    for (p, a, b, u), c in f.items():
        for (q, s, t, v), d in g.items():
            if u != 1 and v != 1:
                raise _Outside
            key = (p + q, _number(a + s), _number(b + t), u * v)
            product[key] = product.get(key, sp.Integer(0)) + c * d
    return _clean(product)


def _power(base: Terms, n: sp.Expr, positive: bool) -> Terms:
    if _whole(n):
        result = {_ONE: sp.Integer(1)}
        for bit in bin(int(n))[2:]:
            result = _times(result, result)
            if bit == "1":
                result = _times(result, base)
        return result
    if len(base) != 1 or not n.is_Rational:
        raise _Outside
    ((p, a, b, g), c), *_ = base.items()
    if g != 1 or (p != 0 and not positive):
        raise _Outside
    if not (n.is_Integer or (c.is_positive and a.is_real and b.is_real)):
        raise _Outside
    return {(p * n, a * n, b * n, g): c**n}


def _clean(terms: Terms) -> Terms:
    expanded = {key: sp.expand(c) for key, c in terms.items()}
    return {key: c for key, c in expanded.items() if not _is_zero(c)}


def _difference(f: Terms, g: Terms) -> Terms:
    return _clean({k: f.get(k, sp.Integer(0)) - g.get(k, sp.Integer(0)) for k in {*f, *g}})


def _number(c: sp.Expr) -> sp.Expr:
    """A number in a form in which equal exponents meet."""
    c = sp.expand(c)
    return c if c.is_Rational or (c / sp.I).is_Rational else sp.simplify(c)


def _moments(
    p: sp.Expr,
    a: sp.Expr,
    b: sp.Expr,
    g: sp.Expr,
    left: sp.Expr,
    right: sp.Expr,
    x: sp.Symbol,
    count: int,
) -> list[sp.Expr]:
    """∫ x^{p+i} exp(a x² + b x) erf(g) φ(x) dx over (left, right) for i < count (g = 1: no erf)."""
    c = sp.Rational(1, 2) - a
    if g != 1:
        return _erf_moments(p, a, b, g, left, right, x, count)
    if not _whole(p):
        if b != 0 or left != 0 or right != sp.oo:
            raise _Outside
        halves = [(p + i + 1) / 2 for i in range(count)]
        return [sp.expand_func(sp.gamma(h)) / (2 * sp.sqrt(2 * sp.pi) * c**h) for h in halves]
    if c == 0 and b != 0:
        raise _Outside
    if c == 0:
        powers = range(int(p) + 1, int(p) + count + 1)
        return [(right**n - left**n) / (n * sp.sqrt(2 * sp.pi)) for n in powers]

    def edge(n: int, at: sp.Expr) -> sp.Expr:
        if at.is_infinite or (at == 0 and n > 0):
            return sp.Integer(0)
        return at**n * sp.exp(-c * at**2 + b * at) / sp.sqrt(2 * sp.pi)

    def primitive(at: sp.Expr) -> sp.Expr:
        if at.is_infinite:
            return sp.sign(at)
        return sp.erf(sp.expand(sp.sqrt(c) * at - b / (2 * sp.sqrt(c))))

    scale = sp.exp(b**2 / (4 * c)) / (2 * sp.sqrt(2 * c))
    moments = [scale * (primitive(right) - primitive(left))]
    for n in range(int(p) + count - 1):
        before = n * moments[n - 1] if n else 0
        moments.append((b * moments[n] + before - edge(n, right) + edge(n, left)) / (2 * c))
        moments[-1] = sp.expand(moments[-1])
    return moments[int(p) :]


def _erf_moments(
    p: sp.Expr,
    a: sp.Expr,
    b: sp.Expr,
    g: sp.Expr,
    left: sp.Expr,
    right: sp.Expr,
    x: sp.Symbol,
    count: int,
) -> list[sp.Expr]:
    """With erf(αx + β) over the whole line: integrate by parts against the tilted Gaussian."""
    if not _whole(p) or left.is_finite or right.is_finite:
        raise _Outside
    c = sp.Rational(1, 2) - a
    mean, variance = b / (2 * c), 1 / (2 * c)
    slope, shift = g.coeff(x, 1), g.coeff(x, 0)
    total = sp.exp(b**2 / (4 * c)) / sp.sqrt(2 * c)
    at = (slope * mean + shift) / sp.sqrt(1 + 2 * slope**2 * variance)
    moments = [total * sp.erf(at)]
    order = int(p) + count - 1
    tilted = (sp.Integer(0), a - slope**2, b - 2 * slope * shift, sp.Integer(1))
    derivative = _moments(*tilted, left, right, x, order + 1)
    height = 2 * slope / sp.sqrt(sp.pi) * sp.exp(-(shift**2))
    for n in range(order):
        before = n * moments[n - 1] if n else 0
        step = variance * (before + height * derivative[n])
        moments.append(sp.expand(mean * moments[n] + step))
    return moments[int(p) :]


def _real(c: sp.Expr) -> sp.Expr:
    """A real number written without i where SymPy manages."""
    if not c.has(sp.I):
        return c
    c = c.replace(
        lambda e: isinstance(e, sp.erf) and (e.args[0] / sp.I).is_real,
        lambda e: sp.I * sp.erfi(e.args[0] / sp.I),
    )
    c = sp.expand(sp.re(sp.expand(c, complex=True)))
    if c.has(sp.I):
        raise _Outside  # an erf off both axes, which SymPy cannot round to a float
    return c


def _negative(c: sp.Expr) -> bool:
    return not _is_zero(c) and bool(c < 0)


def _is_zero(c: sp.Expr) -> bool:
    """Whether an exact number is 0, decided, not guessed."""
    if c.is_Rational:
        return bool(c == 0)
    if abs(c.evalf(30)) > 1e-20:
        return False
    simple = sp.simplify(c)
    if simple == 0:
        return True
    decided = simple.equals(0)
    if decided is None:
        raise ValueError(f"whether {sp.sstr(c)} is 0 could not be decided; give a simpler form.")
    return bool(decided)


def _tidy(c: sp.Expr) -> sp.Expr:
    if c.is_Rational:
        return c
    if _is_zero(c):
        return sp.Integer(0)
    return sp.factor_terms(sp.expand(c))


def _valid(x: sp.Symbol) -> str:
    return (
        f"valid is a real expression in {x} alone with E f² < ∞ under N(0, 1), such as "
        f"Max({x}, 0), cos({x}) or {x}**2*exp(-{x}**2)"
    )
